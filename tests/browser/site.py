"""The customer's site: pages with the button on an origin that is not ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent / "pages"


@dataclass(frozen=True)
class Page:
    html: str
    headers: tuple[tuple[str, str], ...] = ()


class Site:
    """Serves the pages that a test has put there; every other address is an empty page."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, Page] = {}

    def put(self, path: str, name: str, *, headers: tuple[tuple[str, str], ...] = (), **parts: str) -> str:
        """Put up a page of the folder with its parts filled in, and give its address."""
        html = (PAGES / name).read_text(encoding="utf-8")
        for part, text in parts.items():
            html = html.replace(f"<!-- {part} -->", text)
        self.pages[path] = Page(html, headers)
        return self.url + path

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        page = self.pages.get(scope["path"], Page("<!doctype html><title>Пусто</title>"))
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-cache")]
        headers += [(name.encode(), value.encode()) for name, value in page.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": page.html.encode()})
