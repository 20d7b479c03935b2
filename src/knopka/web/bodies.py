"""How a body is read: the cap first, then the kind, then every byte within the cap."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection

from knopka.domain.errors import Fault, InvalidInput, TooLarge, WrongMediaType
from knopka.domain.strict_json import Json, read_json

AnyConnection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Any, Any, Any]
JSON = "application/json"
TEXT = "text/plain"
FORM = "application/x-www-form-urlencoded"


def header(connection: AnyConnection, name: bytes) -> str:
    """One header as text, or an empty text. The framework's map of all headers costs more than the look."""
    for given, value in connection.scope["headers"]:
        if given == name:
            return value.decode("latin-1")
    return ""


def media_type(request: AnyRequest, allowed: Collection[str]) -> str:
    """What the body says it is; refused when this address does not read that, or when it is compressed."""
    kind, _, parameters = header(request, b"content-type").partition(";")
    kind = kind.strip().lower()
    if kind not in allowed:
        said = kind or "nothing"
        raise WrongMediaType(f"Content-Type says {said[:100]!r}; {' or '.join(allowed)} is read here.")
    charset = parameters.lower().replace(" ", "").replace('"', "")
    if charset.startswith("charset=") and charset.removeprefix("charset=") not in ("utf-8", "utf8"):
        raise WrongMediaType("Content-Type names another charset than UTF-8.")
    if header(request, b"content-encoding").strip().lower() not in ("", "identity"):
        raise WrongMediaType("Compressed bodies are not read; send the body as it is.")
    return kind


async def read_body(request: AnyRequest, max_bytes: int) -> bytes:
    """Read a body and stop at the first byte too many, whatever length was announced."""
    announced = header(request, b"content-length")
    if announced.isdigit() and int(announced) > max_bytes:
        raise TooLarge(f"The body has {announced} bytes; {max_bytes} are allowed.")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise InvalidInput(Fault("$", "incomplete", "The body ended before it was complete."))
        part = message["body"]
        size += len(part)
        if size > max_bytes:
            raise TooLarge(f"The body has more than {max_bytes} bytes.")
        parts.append(part)
        if not message["more_body"]:
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def read_object(request: AnyRequest, max_bytes: int) -> dict[str, Json]:
    """Read a JSON object of our own API."""
    media_type(request, (JSON,))
    value = read_json(await read_body(request, max_bytes), max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise InvalidInput(Fault("$", "not_an_object", "The body must be a JSON object."))
    return value
