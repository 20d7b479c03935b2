"""Opaque cursors: the place in a list after which the next page begins."""

from __future__ import annotations

import base64
from typing import Annotated

import msgspec

from knopka.domain.errors import Fault, InvalidInput

_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a column holds; msgspec reads longer numbers too."""
_Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00]*\Z")]
"""PostgreSQL takes no NUL in a text."""
_NUMBERS = msgspec.json.Decoder(tuple[_Number, _Number])
_TEXTS = msgspec.json.Decoder(tuple[_Number, _Text])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


def write(at: int, id: int | str) -> str:
    """The place behind a row with this time and this id."""
    return base64.urlsafe_b64encode(msgspec.json.encode((at, id))).decode().rstrip("=")


def read_number(cursor: str) -> tuple[int, int]:
    """The place of a list whose ids are numbers."""
    try:
        return _NUMBERS.decode(_bytes(cursor))
    except _UNREADABLE:
        raise _unreadable() from None


def read_text(cursor: str) -> tuple[int, str]:
    """The place of a list whose ids are texts."""
    try:
        return _TEXTS.decode(_bytes(cursor))
    except _UNREADABLE:
        raise _unreadable() from None


def _bytes(cursor: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raise _unreadable() from None


def _unreadable() -> InvalidInput:
    return InvalidInput(Fault("before", "not_a_cursor", "take it as the last page gave it"))
