"""Markers `{{…}}`: a text with values in their places. A value is data and never read again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from knopka.domain.bot.limits import MAX_FILLED, MAX_SEEN
from knopka.domain.numbers import plain

Json = Any
Lookup = Callable[[tuple[str, ...]], Json | None]
"""From a marker's path to its value; None where there is none."""

# A pattern may hold braces of its own, so its marker ends at `/flags}}`.
_MARKER = re.compile(r"\{\{(?:\s*+(regexp\./.{1,500}?/[A-Za-z]*+)\s*+|([^{}]*+))\}\}", re.DOTALL)
_PART = re.compile(r"\.?([^.\[\]]+)|\[([0-9]+)\]")


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker as it stands in a text, and the path it names; an unreadable one has an empty path."""

    name: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with every marker replaced, what each became, and which had no value."""

    text: str
    seen: Mapping[str, str]
    unknown: tuple[str, ...] = ()


def fill(text: str, lookup: Lookup) -> Filled:
    """Put values in the places of markers. One without a value leaves nothing; values are not read again.

    The filled text is cut at MAX_FILLED, and markers behind that are not looked up.
    """
    if "{{" not in text:
        return Filled(text, {})
    parts: list[str] = []
    length = 0
    seen: dict[str, str] = {}
    unknown: list[str] = []
    for part in split(text):
        if length >= MAX_FILLED:
            break
        if isinstance(part, str):
            written = part
        else:
            value = find(part, lookup)
            if value is None:
                unknown.append(part.name)
            written = as_text(value)
            seen[part.name] = cut(written)
        parts.append(written)
        length += len(written)
    return Filled("".join(parts)[:MAX_FILLED], seen, tuple(unknown))


def find(marker: Marker, lookup: Lookup) -> Json | None:
    return lookup(marker.path) if marker.path else None


@lru_cache(maxsize=1_024)
def split(text: str) -> tuple[str | Marker, ...]:
    """A text of a script as its plain parts and its markers, in their order."""
    parts: list[str | Marker] = []
    end = 0
    for found in _MARKER.finditer(text):
        parts += [text[end : found.start()]] if found.start() > end else []
        pattern, name = found.groups()
        if pattern is not None:
            parts.append(Marker(pattern, ("regexp", pattern.removeprefix("regexp."))))
        else:
            parts.append(Marker(name.strip(), read_path(name.strip())))
        end = found.end()
    if end < len(text):
        parts.append(text[end:])
    return tuple(parts)


def read_path(name: str) -> tuple[str, ...]:
    """`bot_params.a[0].c` and `bot_params.a.0.c` name the same; empty where the name cannot be read."""
    if name[:1] in (".", "["):
        return ()
    path: list[str] = []
    end = 0
    while part := _PART.match(name, end):
        path.append(part[1] or part[2])
        end = part.end()
    return tuple(path) if end == len(name) else ()


def walk(value: Json, path: tuple[str, ...]) -> Json | None:
    """Step down by key or index; None where the way ends."""
    for name in path:
        match value:
            case dict():
                value = value.get(name)
            case list() if name.isascii() and name.isdecimal() and len(name) < 10 and int(name) < len(value):
                value = value[int(name)]
            case _:
                return None
    return value


def as_text(value: Json | None) -> str:
    """A value as it stands in a text: plain ones as they are, lists by commas, objects as JSON."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return plain(Decimal(repr(value)))
        case list() if not any(isinstance(item, (dict, list)) for item in value):
            return ", ".join(as_text(item) for item in value)
        case _:
            return msgspec.json.encode(value).decode()


def cut(text: str) -> str:
    """A value as the run's log keeps it."""
    return text if len(text) <= MAX_SEEN else text[: MAX_SEEN - 1] + "…"
