"""Cleaning of outside text, once, where it enters (S-IN-04), and its short form in a reason."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

_LINE_END = re.compile(r"\r\n?")
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Zero-width characters and those that turn the direction of a text: in a name they
# only serve to make it look like another one (S-OUT-05).
_INVISIBLE = re.compile(r"[\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
# Space, what Unicode calls default ignorable, and the empty Braille cell: a text of nothing else looks empty.
_BLANK = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff]*"
)
_END_OF_EMBEDDING = "\u202c"
_END_OF_ISOLATE = "\u2069"
_ENDS = dict.fromkeys("\u202a\u202b\u202d\u202e", _END_OF_EMBEDDING) | dict.fromkeys(
    "\u2066\u2067\u2068", _END_OF_ISOLATE
)
"""What ends each character that turns the direction of what follows it (UAX #9)."""
_SPACES = re.compile(r"\s+")
_MARKS_KEPT = 5

EXCERPT = 60
"""How much of a wrong value a reason repeats."""


def clean_text(text: str) -> str:
    """NFC, without control characters but line feed and tab, without space around it."""
    if not text.isprintable():  # a printable text has neither controls nor line ends
        text = _UNWANTED.sub("", _LINE_END.sub("\n", text))
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFC", text).strip()


def clean_name(text: str) -> str:
    """A text that stands as somebody's or something's name: one line, nothing invisible."""
    text = clean_text(text)
    if not text.isprintable():
        text = _INVISIBLE.sub("", text)
    if not text.isascii() and any(map(unicodedata.combining, text)):
        text = _clip_marks(text)
    return " ".join(text.split())


def clean_message(text: str) -> str:
    """A text that somebody says: cleaned, turning nothing but itself, and empty when it shows nothing."""
    if not text.isprintable():
        text = _balance(text)
    text = clean_text(text)
    return "" if _BLANK.fullmatch(text) else text


def _balance(text: str) -> str:
    """End what still turns the direction at the end, and drop the ends of what never began (S-OUT-05)."""
    kept: list[str] = []
    missing: list[str] = []
    isolates = 0
    for char in text:
        if char in _ENDS:
            missing.append(_ENDS[char])
            isolates += _ENDS[char] == _END_OF_ISOLATE
        elif char == _END_OF_EMBEDDING:
            if missing[-1:] != [char]:
                continue
            missing.pop()
        elif char == _END_OF_ISOLATE:
            if not isolates:
                continue
            isolates -= 1
            while missing.pop() != char:
                pass  # the end of an isolate ends what began inside it as well
        kept.append(char)
    return "".join(kept + missing[::-1])


def _clip_marks(text: str) -> str:
    """At most five combining marks on one letter, so that no name climbs over its neighbours."""
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MARKS_KEPT:
            kept.append(char)
    return "".join(kept)


def clean_json(value: Any) -> Any:
    """Every text inside a JSON value cleaned; keys that name an object's prototype are dropped."""
    match value:
        case str():
            return clean_text(value)
        case list():
            return [clean_json(item) for item in value]
        case dict():
            safe = (key for key in value if key not in UNSAFE_KEYS)
            return {clean_text(key): clean_json(value[key]) for key in safe}
        case _:
            return value


UNSAFE_KEYS = frozenset({"__proto__", "constructor", "prototype"})
"""Keys that reach an object's prototype in a script which copies them (S-WEB-05)."""


def excerpt(value: Any) -> str:
    """A wrong value as a reason shows it: short, on one line, a text as it is and the rest as JSON."""
    if isinstance(value, str):
        text = value
    elif type(value) is int:
        text = str(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    text = _SPACES.sub(" ", clean_text(text[: EXCERPT * 4]))
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"
