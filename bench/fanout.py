"""(c) Chat messages fanned out to 2,000 sockets, against a bare `websockets` server."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from websockets.sync.client import connect

from bench.bare_server import SPEAKER
from bench.people import LIMITS, Site, Visitor, operator_sockets, sign_operators_in
from bench.receiver import Opening, Receivers, receive
from bench.rows import Row, spread
from bench.servers import Running, run_python, serve, set_up
from knopka.domain.visitor import Source

SOCKETS = 2_000
OPERATORS = 100
"""Each has as many sockets as the limits allow one."""
WRITERS = 16
"""Visitors who write at once, each the next message when the last one is answered."""
MESSAGES = 32
ROUNDS = 9
LONE = 20
TEXT = "Do you have the spring harvest in the large tins, and can it be sent as a present?"


def measure_fanout() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        url = f"sqlite:///{folder}/knopka.db"
        source = asyncio.run(set_up(url))
        tokens = asyncio.run(sign_operators_in(url, OPERATORS))
        (folder / "limits.toml").write_text(LIMITS)
        ours = stack.enter_context(serve(folder, url, KNOPKA_LIMITS=str(folder / "limits.toml")))
        bare = stack.enter_context(run_python("-m", "bench.bare_server"))
        asyncio.run(_settle(ours, source))
        before = ours.resident_mb(), bare.resident_mb()
        to_ours = stack.enter_context(receive(ours.port, operator_sockets(ours, tokens, SOCKETS)))
        to_bare = stack.enter_context(receive(bare.port, [Opening("/", {})] * SOCKETS))
        yield from asyncio.run(_measure(ours, bare, source, to_ours, to_bare, before))


async def _settle(ours: Running, source: Source) -> None:
    """Let the server load all that a message needs, so that it does not count as memory of sockets."""
    async with Site(ours, source) as site:
        visitor = await site.visitor()
        for number in range(20):
            await visitor.write(f"{number}")


async def _measure(
    ours: Running,
    bare: Running,
    source: Source,
    to_ours: Receivers,
    to_bare: Receivers,
    before: tuple[float, float],
) -> Iterator[Row]:
    async with Site(ours, source) as site:
        visitors = [await site.visitor() for _ in range(WRITERS)]
        for visitor in visitors:
            await visitor.write(TEXT)
        size = (await asyncio.to_thread(to_ours.drain)).size
        lone = [await _fan_out(to_ours, visitors[:1], 1) for _ in range(LONE)]
        rounds = []
        for _ in range(ROUNDS):
            ours_took = await _fan_out(to_ours, visitors, MESSAGES)
            bare_took = await asyncio.to_thread(_broadcast, bare, to_bare, size)
            rounds.append((ours_took, bare_took))
    shares = [bare_took / ours_took for ours_took, bare_took in rounds]
    frames = MESSAGES * SOCKETS
    rates = [frames / median(row[at] for row in rounds) for at in (0, 1)]
    held = [
        (running.resident_mb() - then) * 1024 / SOCKETS
        for running, then in zip((ours, bare), before, strict=True)
    ]
    return iter(
        (
            Row(
                "c",
                f"Chat messages to {SOCKETS:,} operators' sockets, against bare websockets",
                median(shares),
                bound=0.55,
                detail=f"{rates[0]:,.0f} against {rates[1]:,.0f} a second, {size} bytes each; "
                + spread(shares),
            ),
            Row(
                "c",
                "Memory of an open socket",
                held[0],
                "KB",
                bound=40,
                is_at_most=True,
                detail=f"after the messages; bare websockets {held[1]:.0f} KB",
            ),
            Row(
                "c",
                f"From a visitor's sending to the last of {SOCKETS:,} sockets",
                median(lone) * 1000,
                "ms",
                detail=f"median of {LONE}, at most {max(lone) * 1000:.0f} ms",
            ),
        )
    )


async def _fan_out(receivers: Receivers, visitors: list[Visitor], messages: int) -> float:
    """Seconds until every socket has every message."""
    receivers.expect(messages * SOCKETS)
    began = time.perf_counter()
    arrived = asyncio.create_task(asyncio.to_thread(receivers.wait))

    async def write(visitor: Visitor) -> None:
        for _ in range(messages // len(visitors)):
            await visitor.write(TEXT)

    await asyncio.gather(*(write(visitor) for visitor in visitors))
    await arrived
    return time.perf_counter() - began


def _broadcast(bare: Running, receivers: Receivers, size: int) -> float:
    """The same number of texts of the same size through the bare server."""
    receivers.expect(MESSAGES * SOCKETS)
    with connect(f"ws://127.0.0.1:{bare.port}{SPEAKER}", compression=None) as speaker:
        began = time.perf_counter()
        for _ in range(MESSAGES):
            speaker.send("x" * size)
        receivers.wait()
        return time.perf_counter() - began
