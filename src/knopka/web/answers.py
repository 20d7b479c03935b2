"""The one way to build an answer: bytes, a kind and headers, handed straight to the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import msgspec
from litestar.types import Receive, Scope, Send

Header = tuple[bytes, bytes]
JSON = b"application/json; charset=utf-8"
HTML = b"text/html; charset=utf-8"
TEXT = b"text/plain; charset=utf-8"
encode = msgspec.json.Encoder().encode


class Answer:
    """An answer that is ready to be sent.

    The framework's response classes put their headers together from many
    layers for each request; the path of setMeta does without.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: list[Header], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b"" if scope.get("method") == "HEAD" else self.body
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def to_asgi_response(self, *_: object, **__: object) -> Self:
        """What the framework asks of an answer that an exception handler gives."""
        return self


def answer(
    body: bytes = b"", *, status: int = 200, kind: bytes = JSON, headers: Sequence[Header] = ()
) -> Answer:
    """Give an answer; without a body (204, 304) it names no kind."""
    if status in (204, 304):
        return Answer(status, [*headers], b"")
    length = str(len(body)).encode()
    return Answer(status, [(b"content-type", kind), (b"content-length", length), *headers], body)


def answer_json(value: Any, *, status: int = 200, headers: Sequence[Header] = ()) -> Answer:
    return answer(encode(value), status=status, headers=headers)


def answer_html(page: str, *, status: int = 200, headers: Sequence[Header] = ()) -> Answer:
    return answer(page.encode(), status=status, kind=HTML, headers=headers)
