"""What a bot's button carries through a messenger and back."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = "(0|[1-9][0-9]{0,17})"
_PAYLOAD = re.compile(f"b:{_NUMBER}:{_NUMBER}:{_NUMBER}")


@dataclass(frozen=True, slots=True)
class Pressed:
    """Which button of which run: `wait` is Say.wait, `option` its place among the offered, from 0."""

    run: int
    wait: int
    option: int


def write_payload(run: int, wait: int, option: int) -> str:
    """Names a button in at most 64 bytes: ids, never texts (Bot API, InlineKeyboardButton)."""
    return f"b:{run}:{wait}:{option}"


def read_payload(text: str) -> Pressed | None:
    """The button that is named; None for a payload that is not ours.

    It comes from outside: whether there is such a button, and in which chat,
    is for the reader to look up.
    """
    found = _PAYLOAD.fullmatch(text)
    return None if found is None else Pressed(int(found[1]), int(found[2]), int(found[3]))
