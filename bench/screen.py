"""(e) From a visitor's sending to the operator's screen, and what open chats cost while nobody writes."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from playwright.async_api import Page

from bench.browser import chromium
from bench.people import LIMITS, Site, Visitor, address, sign_operators_in
from bench.receiver import Opening, receive
from bench.rows import Row
from bench.servers import Running, serve, set_up
from knopka.domain.visitor import Source

MESSAGES = 300
CONVERSATIONS = 120
CHATS = 2_000
AT_ONCE = 32
HEARTBEAT_S = 25.0
QUIET_S = 10.0
WARM_UP = 10
WAIT_S = 10.0
PAUSE_S = 0.05
"""Between two messages: what the operator's reading of the last one costs is not the next one's delay."""
WATCH = """(place) => {
  const seen = new Set();
  const look = (node) => {
    for (const mark of node.textContent.match(/mark-\\d+/g) ?? []) {
      if (!seen.has(mark)) { seen.add(mark); tellSeen(mark, Date.now()); }
    }
  };
  new MutationObserver((changes) => {
    for (const { addedNodes, target, type } of changes) {
      type === "characterData" ? look(target) : addedNodes.forEach(look);
    }
  }).observe(document.querySelector(place), { subtree: true, childList: true, characterData: true });
}"""


def measure_screen() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/knopka.db"
        source = asyncio.run(set_up(url))
        (folder / "limits.toml").write_text(LIMITS)
        with serve(folder, url, KNOPKA_LIMITS=str(folder / "limits.toml")) as running:
            yield from asyncio.run(measure_arrivals(running, source, url))
        with serve(folder, url, KNOPKA_LIMITS=str(folder / "limits.toml")) as running:
            yield asyncio.run(measure_quiet(running, source))


class Screen:
    """An operator's browser that tells when a mark came into sight."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.marks = 0
        self.asked = 0
        self.waiting: dict[str, asyncio.Future[float]] = {}

    async def watch(self, running: Running, path: str, place: str) -> None:
        await self.page.goto(f"http://127.0.0.1:{running.port}{path}")
        await self.page.locator(".state.live").wait_for(state="attached")
        await self.page.locator(place).wait_for()
        await self.page.wait_for_load_state("networkidle")
        await self.page.evaluate(WATCH, place)
        self.asked = 0

    def see(self, mark: str, at: float) -> None:
        if mark in self.waiting:
            self.waiting.pop(mark).set_result(at)

    def count(self, url: str) -> None:
        """Requests by which a page would fetch what was not pushed to it."""
        self.asked += "/api/changes" in url or "/api/conversations?" in url or "/messages?" in url

    async def time(self, visitor: Visitor) -> float:
        """Let the visitor write; gives the milliseconds until the text stood in the operator's page."""
        await asyncio.sleep(PAUSE_S)
        self.marks += 1
        mark = f"mark-{self.marks}"
        seen: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.waiting[mark] = seen
        sent = time.time() * 1000
        await visitor.write(f"Do you have {mark} in the large tins?")
        async with asyncio.timeout(WAIT_S):
            return await seen - sent


async def measure_arrivals(running: Running, source: Source, url: str) -> list[Row]:
    token = (await sign_operators_in(url, 1))[0]
    async with Site(running, source) as site, chromium() as browser:
        context = await browser.new_context(locale="en", viewport={"width": 1440, "height": 900})
        here = f"http://127.0.0.1:{running.port}"
        await context.add_cookies([{"name": "knopka", "value": token, "url": here}])
        screen = Screen(await context.new_page())
        await screen.page.expose_function("tellSeen", screen.see)
        screen.page.on("request", lambda request: screen.count(request.url))
        visitor = await site.visitor()
        conversation = await visitor.write("Good morning")
        await screen.watch(running, f"/inbox/c/{conversation}", "[role=log]")
        opened = [await screen.time(visitor) for _ in range(WARM_UP + MESSAGES)][WARM_UP:]
        first = row("e", "A visitor's message in the open conversation", opened, 50, screen.asked)
        await screen.watch(running, "/inbox", "#rows")
        listed = [await screen.time(await site.visitor()) for _ in range(WARM_UP + CONVERSATIONS)][WARM_UP:]
        return [first, row("e", "A new conversation in the operator's list", listed, 200, screen.asked)]


def row(section: str, what: str, times: list[float], bound: float, asked: int) -> Row:
    times.sort()
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    pushed = "all pushed" if asked == 0 else f"{asked} requests for lists or messages"
    detail = f"{len(times)} times, median {median(times):.0f} ms; {pushed}"
    return Row(section, f"{what}, p99", p99, "ms", bound=bound, is_at_most=True, detail=detail)


async def measure_quiet(running: Running, source: Source) -> Row:
    """The server's processor time with no chat open, then with 2,000 that only keep themselves alive."""
    async with Site(running, source) as site:
        await (await site.visitor()).write("Good morning")
        alone = await quiet_share(running)
        gate = asyncio.Semaphore(AT_ONCE)

        async def opening(number: int) -> Opening:
            async with gate:
                visitor = await site.visitor()
            hello = {"type": "hello", "token": visitor.token, "conversation_id": None, "after": 0}
            return Opening(f"{site.chat}/live", address(number), json.dumps(hello))

        openings = await asyncio.gather(*map(opening, range(CHATS)))
    with receive(running.port, openings, heartbeat_s=HEARTBEAT_S) as receivers:
        await asyncio.sleep(2)  # their welcomes
        receivers.count()
        share = await quiet_share(running)
        texts = receivers.count().texts
    return Row(
        "e",
        f"Processor that {CHATS:,} open, silent chats take of one core",
        share - alone,
        "%",
        bound=5,
        is_at_most=True,
        detail=f"{share:.1f} % with them, {alone:.1f} % without; a heartbeat each {HEARTBEAT_S:.0f} s"
        f" and a ping of the server's, {texts / QUIET_S:.0f} texts a second sent",
    )


async def quiet_share(running: Running) -> float:
    """How much of one core the server takes while nobody writes, in percent."""
    cpu = running.cpu_seconds()
    began = time.perf_counter()
    await asyncio.sleep(QUIET_S)
    return (running.cpu_seconds() - cpu) / (time.perf_counter() - began) * 100
