"""The little of HTTP that the simulator needs: a request, a reply, and parameters however they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 64 * 1024 * 1024
ABORT = "knopka.abort"
"""The scope's extension that ends the connection without an answer; our own server has it."""


class Fate(Enum):
    """What becomes of a reply on its way."""

    SENT = "sent"
    HELD = "never sent, the connection stays open until the client gives up"
    CUT = "never sent, the connection is closed"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    outcome: str = "ok"
    """What the log says of it."""
    fate: Fate = Fate.SENT


def reply_json(body: Any, status: int = 200, *, outcome: str = "ok", **headers: str) -> Reply:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps(body, ensure_ascii=False).encode()
    return Reply(status, content, {"content-type": "application/json; charset=utf-8", **given}, outcome)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a multipart form."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    receive: Receive
    """Tells of nothing more but that the client has gone."""

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def bearer(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def json(self) -> Any:
        """The body; None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def params(self) -> dict[str, Any]:
        """The query, and over it the form, the multipart form or the JSON object of the body."""
        return {**self.query, **self._body_params()}

    def _body_params(self) -> Mapping[str, Any]:
        match self.media_type:
            case "application/json":
                body = self.json()
                return body if isinstance(body, dict) else {}
            case "application/x-www-form-urlencoded":
                return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))
            case "multipart/form-data":
                return read_multipart(self.headers["content-type"], self.body)
            case _:
                return {}


def read_multipart(content_type: str, body: bytes) -> dict[str, str | Upload]:
    """Read a multipart form (RFC 7578)."""
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    params: dict[str, str | Upload] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            continue
        filename = part.get_filename()
        if filename is None:
            params[name] = content.decode(errors="replace")
        else:
            params[name] = Upload(filename, part.get_content_type(), content)
    return params


async def read_request(scope: Scope, receive: Receive) -> Request | None:
    """Read the whole request; None when its body is larger than anything that belongs here."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            return None
        chunks.append(chunk)
        more = message.get("more_body", False)
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], query, headers, b"".join(chunks), receive)


async def send_reply(
    reply: Reply, scope: Scope, receive: Receive, send: Send, closing: asyncio.Event
) -> None:
    """Send the reply, or do with the connection what its fate says."""
    match reply.fate:
        case Fate.SENT:
            await _send(reply, scope["method"], send)
        case Fate.HELD:
            await _wait_until_gone(receive, closing)
            _abort(scope)
        case Fate.CUT:
            _abort(scope)
            await _wait_until_gone(receive, closing)


async def _send(reply: Reply, method: str, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})


def _abort(scope: Scope) -> None:
    abort = scope.get("extensions", {}).get(ABORT)
    if abort is not None:
        abort()


async def _wait_until_gone(receive: Receive, closing: asyncio.Event) -> None:
    """Wait until the client has closed the connection, or the simulator is being stopped."""
    gone = asyncio.ensure_future(_hear_disconnect(receive))
    closed = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait({gone, closed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        closed.cancel()


async def _hear_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
