"""What came with visitors' messages, for operators' eyes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from litestar import HttpMethod, route
from litestar.types import Receive, Scope, Send

from knopka.db.attachments import find_attachment
from knopka.db.crm import find_avatar
from knopka.domain.conversation import AttachmentState
from knopka.domain.errors import NotFound
from knopka.domain.messaging import AttachmentKind
from knopka.files import Opened, headers_for
from knopka.services.operators import ACCOUNT
from knopka.web.answers import Header
from knopka.web.context import web_of
from knopka.web.inbox import OperatorRequest
from knopka.web.wants import read_id

PICTURES = (AttachmentKind.PHOTO, AttachmentKind.STICKER)
READ = [HttpMethod.GET, HttpMethod.HEAD]
_ONE_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})")


class FileAnswer:
    """A file, or a piece of it, on its way part by part."""

    def __init__(
        self,
        status: int,
        headers: list[Header],
        length: int,
        parts: AsyncGenerator[bytes, None] | None = None,
    ) -> None:
        self.status = status
        self.headers = [*headers, (b"content-length", str(length).encode())]
        self.parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if self.parts is not None and scope.get("method") != "HEAD":
            async with aclosing(self.parts) as parts:
                async for part in parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def to_asgi_response(self, *_: object, **__: object) -> Any:
        return self


@route("/files/{id:str}", http_method=READ)
async def get_file(request: OperatorRequest) -> FileAnswer:
    """One attachment; whoever may read the conversation may have it (S-AC-07)."""
    web = web_of(request)
    found = await web.database.read(find_attachment, ACCOUNT, read_id(request.path_params["id"]))
    if found is None or found.state is not AttachmentState.STORED or found.file is None:
        raise NotFound("There is no such file.")
    return await _open(request, found.file, found.name, is_picture=found.kind in PICTURES)


@route("/contacts/{id:str}/avatar", http_method=READ)
async def get_avatar(request: OperatorRequest) -> FileAnswer:
    """The picture that a messenger shows of the person."""
    web = web_of(request)
    file = await web.database.read(find_avatar, ACCOUNT, read_id(request.path_params["id"]))
    if file is None:
        raise NotFound("There is no such picture.")
    return await _open(request, file, "avatar", is_picture=True)


async def _open(request: OperatorRequest, file: str, name: str, *, is_picture: bool) -> FileAnswer:
    messengers = web_of(request).messengers
    if messengers is None:
        raise NotFound("There is no such file.")
    opened = await messengers.files.open(file)
    # Of the name in the store nothing is told, and what lies under a name never changes.
    etag = f'"{hashlib.sha256(file.encode()).hexdigest()[:24]}"'
    headers = [
        *headers_for(opened.mime, name, is_picture),
        (b"accept-ranges", b"bytes"),
        (b"etag", etag.encode()),
    ]
    return _cut(opened, headers, _wanted_range(request, etag))


def _wanted_range(request: OperatorRequest, etag: str) -> str:
    """What is asked for, empty for the whole: a range means GET, and the file as it was (RFC 9110, 13.1)."""
    is_meant = request.method == "GET" and request.headers.get("if-range", etag) == etag
    return request.headers.get("range", "") if is_meant else ""


def _cut(opened: Opened, headers: list[Header], wanted: str) -> FileAnswer:
    """The piece that a player asks for in order to seek. What cannot be read as one range is the whole
    file, and what begins behind its end is no answer (RFC 9110, 14.2)."""
    size = opened.size
    found = _ONE_RANGE.fullmatch(wanted)
    first, last = (found["first"], found["last"]) if found else ("", "")
    if not (first or last) or (first and last and int(last) < int(first)):
        return FileAnswer(200, headers, size, opened.read(0, size))
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        headers = [*headers, (b"content-range", f"bytes */{size}".encode())]
        return FileAnswer(416, headers, 0)
    headers = [*headers, (b"content-range", f"bytes {start}-{end - 1}/{size}".encode())]
    return FileAnswer(206, headers, end - start, opened.read(start, end - start))
