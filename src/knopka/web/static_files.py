"""The built browser code: read once, sent with its validator and in the shape that the browser takes."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Request, route
from litestar.enums import HttpMethod

import knopka
from knopka.domain.errors import NotFound, Unavailable
from knopka.web.answers import TEXT, Answer, Header, answer
from knopka.web.errors import NOTHING_HERE

FOLDER = Path(__file__).parent / "static"
IMMUTABLE = b"public, max-age=31536000, immutable"
HASHED = re.compile(r"-[0-9a-f]{4,}\.\w+\Z")
LOADER = b"public, max-age=300, stale-while-revalidate=86400"
NOT_BUILT = (
    "The browser code is not built yet.\n\n"
    "In a checkout of the sources, run: make run, or .venv/bin/python hatch_build.py\n"
    "An installed knopka carries it; if you read this there, please report it.\n"
)
READ = [HttpMethod.GET, HttpMethod.HEAD]
AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Asset:
    """One built file with its compressed copies."""

    body: bytes
    kind: bytes
    etag: bytes
    brotli: bytes | None
    gzip: bytes | None


class StaticFiles:
    """The files of the build, all in memory: a few hundred kilobytes, and no path ever meets the disk."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.assets = _read_all(folder)
        manifest = self.assets.get("manifest.json")
        self.manifest: dict[str, dict[str, str]] = json.loads(manifest.body) if manifest else {}

    def get(self, name: str) -> Asset:
        try:
            return self.assets[name]
        except KeyError:
            if not self.manifest:
                raise Unavailable(NOT_BUILT, retry_after=60) from None
            raise NotFound(NOTHING_HERE) from None

    def url(self, entry: str) -> str:
        """Where the file of a manifest entry, such as `chat.js`, is served."""
        if entry not in self.manifest:
            raise Unavailable(NOT_BUILT, retry_after=60)
        return "/w/static/" + self.manifest[entry]["file"].removeprefix("widget/")

    def answer(self, request: AnyRequest, name: str, cache: bytes) -> Answer:
        """Send a file, or only say that the browser's own copy is still good."""
        try:
            asset = self.get(name)
        except Unavailable as error:
            retry = (b"retry-after", b"60")
            return answer(error.message.encode(), status=503, kind=TEXT, headers=[retry])
        headers: list[Header] = [
            (b"cache-control", cache),
            (b"etag", asset.etag),
            (b"vary", b"Accept-Encoding"),
        ]
        if matches(request.headers.get("if-none-match", ""), asset.etag):
            return answer(status=304, headers=headers)
        coding, body = _pick(asset, request.headers.get("accept-encoding", ""))
        if coding:
            headers.append((b"content-encoding", coding))
        return answer(body, kind=asset.kind, headers=headers)


def matches(if_none_match: str, etag: bytes) -> bool:
    """Compare weakly, as RFC 9110 asks for If-None-Match."""
    given = (part.strip().removeprefix("W/") for part in if_none_match.split(","))
    return any(part in (etag.decode(), "*") for part in given)


def _pick(asset: Asset, accepted: str) -> tuple[bytes, bytes]:
    """The smallest copy that the browser takes; a coding with q=0 is one that it refuses."""
    takes = {
        coding.strip().lower()
        for coding, _, quality in (part.partition(";") for part in accepted.split(","))
        if quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    }
    if asset.brotli is not None and "br" in takes:
        return b"br", asset.brotli
    if asset.gzip is not None and "gzip" in takes:
        return b"gzip", asset.gzip
    return b"", asset.body


def _read_all(folder: Path) -> dict[str, Asset]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: _read(path, files.get(name + ".br"), files.get(name + ".gz"))
        for name, path in files.items()
        if not name.endswith((".br", ".gz")) and not path.name.startswith(".")
    }


def _read(path: Path, brotli: Path | None, gzip: Path | None) -> Asset:
    body = path.read_bytes()
    return Asset(
        body=body,
        kind=_kind(path.name),
        etag=b'"' + hashlib.sha256(body).hexdigest()[:24].encode() + b'"',
        brotli=brotli.read_bytes() if brotli else None,
        gzip=gzip.read_bytes() if gzip else None,
    )


def _kind(name: str) -> bytes:
    if name.endswith((".js", ".mjs")):
        return b"text/javascript; charset=utf-8"
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return (f"{kind}; charset=utf-8" if kind.startswith("text/") else kind).encode()


def _static(request: AnyRequest) -> StaticFiles:
    found: StaticFiles = request.app.state.web.static
    return found


@route(["/js/button.js", "/v1/button.js"], http_method=READ)
async def get_loader(request: AnyRequest) -> Answer:
    """The loader that sites name; it may be five minutes old."""
    return _static(request).answer(request, "widget/button.js", LOADER)


@route(f"/v{knopka.__version__}/button.js", http_method=READ)
async def get_release(request: AnyRequest) -> Answer:
    """The loader of this very release; its bytes never change."""
    return _static(request).answer(request, "widget/button.js", IMMUTABLE)


@route("/w/static/{name:str}", http_method=READ)
async def get_widget_file(request: AnyRequest) -> Answer:
    """A file of the chat, named by its content; only those that loaders name, as `window-2.js`, are not."""
    name = str(request.path_params["name"])
    return _static(request).answer(request, f"widget/{name}", IMMUTABLE if HASHED.search(name) else LOADER)
