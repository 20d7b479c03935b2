"""Accepted setMeta calls a second: the full path against the same server answering from memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.load import drive, post
from bench.rows import Row, spread
from bench.servers import PHONE, SHOP, Running, knopka_environment, run_python, serve, set_up
from knopka.domain.visitor import Source
from tests import postgres

SECONDS = 1.0
ROUNDS = 9
"""Many short turns: what else the machine does then meets both sides of a ratio."""
WARM_UP_S = 0.5
ADDRESSES = 20_000
"""A busy site has as many client addresses; each stays far below what one may send."""
CALLS_A_VISIT = 3


def make_requests(source: Source, run: str) -> Callable[[int], bytes]:
    """Requests as the launcher sends them: one call each, three to a visit, from many addresses."""
    path = f"/w/meta/{source.public_id}/{source.hash}"

    def params(visit: int) -> dict[str, object]:
        phone = {"id": PHONE, "values": [{"enum": 12345, "value": f"+44207946{visit % 10_000:04}"}]}
        return {
            "note": {"text": "From the spring letter", "element_type": 2, "note_type": "common"},
            "contact": {"name": "Ann Lee", "custom_fields": [phone]},
            "lead": {
                "name": "Order of tea",
                "sale": 999,
                "custom_fields": [{"code": "UTM_SOURCE", "values": [{"value": "letter"}]}],
            },
        }

    def make(number: int) -> bytes:
        visit = number // CALLS_A_VISIT
        body = {
            "visit": f"{run}-visit-{visit:016}",
            "page": {"url": f"{SHOP}/tea", "title": "Tea", "referrer": ""},
            "calls": [{"key": f"key-{number:012}", "params": params(visit)}],
        }
        address = visit % ADDRESSES
        headers = {
            "Origin": SHOP,
            "Content-Type": "text/plain;charset=UTF-8",
            "X-Forwarded-For": f"198.{18 + address // 65536}.{address // 256 % 256}.{address % 256}",
        }
        return post(path, json.dumps(body).encode(), headers)

    return make


@dataclass(frozen=True, slots=True)
class Measured:
    """One server under one load."""

    per_second: float
    cpu_us: float
    p99_ms: float


def measure(
    running: Running, make: Callable[[int], bytes], connections: int, seconds: float = SECONDS
) -> Measured:
    """Drive the server and see what it took."""
    cpu = running.cpu_seconds()
    done = asyncio.run(drive("127.0.0.1", running.port, make, connections=connections, seconds=seconds))
    answered = done.statuses.get(200, 0)
    if set(done.statuses) != {200}:
        raise RuntimeError(f"the load was refused: {done.statuses}")
    return Measured(
        done.per_second, (running.cpu_seconds() - cpu) / answered * 1e6, done.percentile(0.99) * 1000
    )


@contextlib.contextmanager
def store_of(kind: str, folder: Path) -> Iterator[str]:
    """A fresh store of the kind."""
    if kind == "SQLite":
        yield f"sqlite:///{folder}/knopka.db"
        return
    with postgres.serve() as server:
        yield server.url()


def measure_meta_calls() -> Iterator[Row]:
    """(a) and (b): pairs of runs in turn, so that a drift of the machine meets both."""
    for kind, bounds in (("SQLite", {64: 0.45, 8: 0.30}), ("PostgreSQL", {64: 0.30})):
        with tempfile.TemporaryDirectory() as name, store_of(kind, Path(name)) as url:
            source = asyncio.run(set_up(url))
            for connections, bound in bounds.items():
                yield from _compare(kind, source, Path(name), url, connections, bound)


def _compare(
    kind: str, source: Source, folder: Path, url: str, connections: int, bound: float
) -> Iterator[Row]:
    with (
        run_python("-m", "bench.memory_server", **knopka_environment(folder, url)) as memory,
        run_python("-m", "bench.raw_server") as raw,
        serve(folder, url) as full,
    ):
        for at, server in enumerate((full, memory, raw)):
            measure(server, make_requests(source, f"{connections}warm{at}"), connections, WARM_UP_S)
        rounds = [
            [
                measure(server, make_requests(source, f"{connections}turn{number}{at}"), connections)
                for at, server in enumerate((full, memory, raw))
            ]
            for number in range(ROUNDS)
        ]
    shares = sorted(stored.per_second / remembered.per_second for stored, remembered, _ in rounds)
    stored = median(row[0].per_second for row in rounds)
    p99 = median(row[0].p99_ms for row in rounds)
    section = "a" if kind == "SQLite" else "b"
    yield Row(
        section,
        f"setMeta on {kind}, {connections} connections, against memory",
        median(shares),
        bound=bound,
        detail=f"{stored:,.0f} a second, p99 {p99:.0f} ms; {spread(shares)}",
    )
    if connections == 64:
        cost = median(row[0].cpu_us / row[2].cpu_us for row in rounds)
        ours, unstored, least = (median(row[at].cpu_us for row in rounds) for at in range(3))
        yield Row(
            section,
            f"CPU of a call on {kind} against a raw ASGI endpoint",
            cost,
            "×",
            bound=6.0 if kind == "SQLite" else None,
            is_at_most=True,
            detail=f"{ours:.0f} µs against {least:.0f} µs; answered from memory {unstored:.0f} µs",
        )
