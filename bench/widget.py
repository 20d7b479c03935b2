"""(d) What the button weighs and how soon it is there, on a page whose processor is four times slower."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import brotli
from playwright.async_api import Browser, Page

from bench.browser import chromium
from bench.rows import Row
from bench.servers import serve, set_up
from knopka import web
from knopka.domain.snippet import render_snippet

STATIC = Path(web.__file__).parent / "static"
LOADS = 7
SLOWER = 4
SETTLE_MS = 1_500
"""How long a page is watched after its load, with the button and without."""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tea</title>
<script>
window.bench = {{ long: 0, shifts: 0 }};
new PerformanceObserver((list) => {{
  for (const entry of list.getEntries()) bench.long += Math.max(0, entry.duration - 50);
}}).observe({{ type: "longtask", buffered: true }});
new PerformanceObserver((list) => {{
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) bench.shifts += entry.value;
}}).observe({{ type: "layout-shift", buffered: true }});
bench.began = performance.now();
</script>
{snippet}
</head><body><main><h1>Tea</h1>{text}</main></body></html>
"""
TEXT = "<p>Fresh tea every day, sent all over the town and wrapped as a present.</p>\n" * 60
WATCH = """
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const isThere = (element) => element?.checkVisibility() && element.getBoundingClientRect().width > 0;
  // What is found in one frame has been painted when the next begins.
  const when = (find, then) => requestAnimationFrame(() =>
    isThere(find()) ? requestAnimationFrame(() => then(now())) : when(find, then));
  if (window !== top) {
    when(() => document.querySelector("textarea:not(:disabled)"), (at) => { window.usableAt = at; });
    return;
  }
  document.addEventListener("click", (event) => {
    window.clickedAt = performance.timeOrigin + event.timeStamp;
  }, true);
  when(
    () => document.querySelector("#amobutton")?.shadowRoot?.querySelector("button"),
    (at) => { window.visibleAt = at; },
  );
})();
"""
COUNT_NODES = """() => {
  const count = (root) => {
    let nodes = 0;
    const walker = document.createTreeWalker(root);
    for (let node = walker.currentNode; node; node = walker.nextNode()) {
      nodes += 1 + (node.shadowRoot ? count(node.shadowRoot) : 0);
    }
    return nodes;
  };
  return count(document);
}"""


def measure_widget() -> Iterator[Row]:
    yield from measure_bytes()
    yield from measure_times()


def measure_bytes() -> Iterator[Row]:
    """Our own compression, not that of the built copies: what is measured is the script."""
    manifest = json.loads((STATIC / "manifest.json").read_text())
    button = (STATIC / manifest["button.js"]["file"]).read_bytes()
    window = (STATIC / "widget" / "window-2.js").read_bytes()
    chat = [(STATIC / manifest[name]["file"]).read_bytes() for name in ("chat.js", "chat.css")]
    languages = sorted((STATIC / "widget").glob("lang-*.js"))
    parts = " + ".join(f"{squeeze(part):.2f}" for part in (window, *chat))
    yield size("button.js, brotli", squeeze(button), 4.5)
    yield size("button.js, gzip", len(gzip.compress(button, 9)) / 1000, 5.0)
    yield size(
        "The chat, brotli", sum(map(squeeze, (window, *chat))), 12.0, f"window, script, styles: {parts}"
    )
    yield size("The largest language, brotli", max(squeeze(path.read_bytes()) for path in languages), 1.5)


def squeeze(data: bytes) -> float:
    return len(brotli.compress(data, quality=11)) / 1000


def size(what: str, kilobytes: float, bound: float, detail: str = "") -> Row:
    return Row("d", what, kilobytes, "kB", bound=bound, is_at_most=True, detail=detail)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one load of the page was like; the times are None on a page without the button."""

    blocked_ms: float
    shifts: float
    nodes: int
    requests: int
    visible_ms: float | None = None
    usable_ms: float | None = None


def measure_times() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, serve_pages() as (site, pages):
        url = f"sqlite:///{name}/knopka.db"
        source = asyncio.run(set_up(url, site))
        with serve(Path(name), url) as running:
            snippet = render_snippet(
                f"http://127.0.0.1:{running.port}", source.public_id, source.hash, "en", inline=False
            )
            pages["/with"] = PAGE.format(snippet=snippet, text=TEXT)
            pages["/without"] = PAGE.format(snippet="", text=TEXT)
            bare, full = asyncio.run(look(site))
    yield time_row(
        "Button visible after the snippet",
        [seen.visible_ms for seen in full],
        200,
        "on a processor 4× slower",
    )
    yield time_row("Chat usable after the click", [seen.usable_ms for seen in full], 400)
    added = median(seen.blocked_ms for seen in full) - median(seen.blocked_ms for seen in bare)
    yield Row("d", "Blocking time added to the page", max(0.0, added), "ms", bound=20, is_at_most=True)
    yield Row("d", "Layout shift", max(seen.shifts for seen in full), bound=0, is_at_most=True)
    nodes = median(seen.nodes for seen in full) - median(seen.nodes for seen in bare)
    yield Row("d", "Nodes added before the click, the snippet's included", nodes, bound=40, is_at_most=True)
    yield Row("d", "Requests before the click", max(seen.requests for seen in full), bound=2, is_at_most=True)


def time_row(what: str, times: list[float | None], bound: float, detail: str = "") -> Row:
    known = [time for time in times if time is not None]
    spread = f"from {min(known):.0f} to {max(known):.0f} ms in {len(known)} loads"
    detail = f"{spread}, {detail}" if detail else spread
    return Row("d", what, median(known), "ms", bound=bound, is_at_most=True, detail=detail)


async def look(site: str) -> tuple[list[Seen], list[Seen]]:
    """Load both pages in turn, each time in a browser that knows nothing yet; the first pair warms up."""
    async with chromium() as browser:
        pairs = [
            (await load(browser, site, "/without"), await load(browser, site, "/with"))
            for _ in range(LOADS + 1)
        ]
    return [bare for bare, _ in pairs[1:]], [full for _, full in pairs[1:]]


async def load(browser: Browser, site: str, path: str) -> Seen:
    context = await browser.new_context()
    try:
        await context.add_init_script(WATCH)
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        session = await context.new_cdp_session(page)
        await session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        await page.goto(site + path)
        await page.wait_for_timeout(SETTLE_MS)
        bench: dict[str, Any] = await page.evaluate("bench")
        nodes = await page.evaluate(COUNT_NODES)
        requests = sum(not url.startswith(site) for url in asked)
        seen = bench["long"], bench["shifts"], nodes, requests
        return Seen(*seen) if path == "/without" else Seen(*seen, *await press(page))
    finally:
        await context.close()


async def press(page: Page) -> tuple[float, float]:
    """When the button was there, and how long after the click the visitor can write."""
    visible: float = await page.evaluate("visibleAt - performance.timeOrigin - bench.began")
    await page.locator("#amobutton button").first.click()
    await page.frame_locator("iframe").locator("textarea").wait_for()
    frame = page.frames[-1]
    # The frame's policy forbids the eval of wait_for_function.
    usable: float = await frame.evaluate(
        """() => new Promise((done) => {
          const look = () => window.usableAt ? done(usableAt) : setTimeout(look, 5);
          look();
        })"""
    )
    clicked: float = await page.evaluate("clickedAt")
    return visible, usable - clicked


@contextmanager
def serve_pages() -> Iterator[tuple[str, dict[str, str]]]:
    """A customer's site; fill the pages in before they are asked for."""
    pages: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # http.server looks for this name
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            # The same site as our host, so that the browser keeps page and frame in one slowed process.
            yield f"http://127.0.0.1:{server.server_port}", pages
        finally:
            server.shutdown()
            thread.join()
