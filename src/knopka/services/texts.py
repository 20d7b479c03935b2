"""Texts that people type: messages and notes."""

from __future__ import annotations

from knopka.domain.errors import Fault, InvalidInput
from knopka.domain.text import clean_message

MAX_TEXT = 10_000


def parse_text(text: str) -> str:
    """The text, cleaned. Raises InvalidInput when nothing of it can be seen or it is too long."""
    cleaned = clean_message(text)
    if not cleaned:
        raise InvalidInput(Fault("$.text", "empty", "a text needs at least one character that can be seen"))
    if len(cleaned) > MAX_TEXT:
        raise InvalidInput(Fault("$.text", "too_long", f"a text has at most {MAX_TEXT} characters"))
    return cleaned
