"""What came with visitors' messages, for operators' eyes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import get
from litestar.types import Receive, Scope, Send

from knopka.db.attachments import find_attachment
from knopka.db.crm import find_avatar
from knopka.domain.conversation import AttachmentState
from knopka.domain.errors import NotFound
from knopka.domain.messaging import AttachmentKind
from knopka.files import headers_for
from knopka.services.operators import ACCOUNT
from knopka.web.answers import Header
from knopka.web.context import web_of
from knopka.web.inbox import OperatorRequest
from knopka.web.wants import read_id

PICTURES = (AttachmentKind.PHOTO, AttachmentKind.STICKER)


class FileAnswer:
    """A file on its way, part by part."""

    def __init__(self, headers: list[Header], size: int, parts: AsyncIterator[bytes]) -> None:
        self.headers = [*headers, (b"content-length", str(size).encode())]
        self.parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        if scope.get("method") != "HEAD":
            async for part in self.parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def to_asgi_response(self, *_: object, **__: object) -> Any:
        return self


@get("/files/{id:str}")
async def get_file(request: OperatorRequest) -> FileAnswer:
    """One attachment; whoever may read the conversation may have it (S-AC-07)."""
    web = web_of(request)
    found = await web.database.read(find_attachment, ACCOUNT, read_id(request.path_params["id"]))
    if found is None or found.state is not AttachmentState.STORED or found.file is None:
        raise NotFound("There is no such file.")
    return await _open(request, found.file, found.name, is_picture=found.kind in PICTURES)


@get("/contacts/{id:str}/avatar")
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
    size, mime, parts = await messengers.files.open(file)
    return FileAnswer(headers_for(mime, name, is_picture), size, parts)
