"""What can happen to a bot that is tried out, in the words of a case or of a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from knopka.domain.bot.given import Act, read_act
from knopka.domain.bot.reading import Spot
from knopka.domain.text import excerpt

_SPAN = re.compile(r"(?:[0-9]{1,6} *[a-z]+ *)+")
_PART = re.compile(r"([0-9]{1,6}) *([a-z]+)")
_UNITS = {
    name: timedelta(**{unit: 1})
    for unit, names in {
        "seconds": ("s", "sec", "second", "seconds"),
        "minutes": ("m", "min", "minute", "minutes"),
        "hours": ("h", "hour", "hours"),
        "days": ("d", "day", "days"),
    }.items()
    for name in names
}
SPANS = "90s, 15 min, 1h 30m or 2 days"
"""How a time is written, by examples."""

TURNS: Mapping[str, tuple[str, str]] = {
    "say": ("say", "text"),
    "press": ("press", "button"),
    "wait": ("wait", "seconds"),
    "answer": ("answer", "data"),
    "fail": ("answer", "error"),
    "lose": ("lose", "reason"),
    "set": ("set", "bot_params"),
    "end": ("end", ""),
}
"""What can happen: the event of given.py, and the part of it that stands behind the word."""


def read_turn(spot: Spot) -> Act | None:
    """A text that the visitor writes, or an object whose one key says what happens. None if it is neither."""
    if not isinstance(spot.value, dict):
        return read_named("say", spot)
    if len(spot.value) != 1:
        spot.refuse("not_one_turn", f"one thing happens at a time: give one of {', '.join(TURNS)}")
        return None
    ((name, below),) = spot.entries()
    return read_named(name, below)


def read_named(name: str, spot: Spot) -> Act | None:
    """What happens by its name, and what stands behind the name."""
    if name not in TURNS:
        spot.refuse("unknown_key", f"{excerpt(name)} is not read here", name, TURNS)
        return None
    event, part = TURNS[name]
    value = _read_seconds(spot) if name == "wait" else spot.value
    if name == "end" and value not in (None, "operator"):
        spot.refuse("unknown_value", "only an operator ends a bot here")
    if name == "wait" and value is None:
        return None
    parts = {"do": event} | ({part: value} if part else {})
    return read_act(_Event(parts, spot.path, spot.node, spot.findings))


class _Event(Spot):
    """An event whose every part stands at one place of the text."""

    __slots__ = ()

    def _below(self, key: str | int, value: Any, path: str) -> Spot:
        return Spot(value, self.path, self.node, self.findings)


def _read_seconds(spot: Spot) -> int | None:
    span = parse_span(spot.value) if isinstance(spot.value, str) else None
    if span is None:
        spot.refuse("not_a_span", f"a time must stand here, such as {SPANS}")
        return None
    return int(span.total_seconds())


def parse_span(text: str) -> timedelta | None:
    """`90s`, `15 min`, `1h 30m`, `2 days`; None for what is no time."""
    text = text.strip().lower()
    parts = [(int(number), _UNITS.get(unit)) for number, unit in _PART.findall(text)]
    if not _SPAN.fullmatch(text) or any(unit is None for _, unit in parts):
        return None
    return sum((number * unit for number, unit in parts if unit is not None), timedelta())


def refuse_unknown(spot: Spot, known: tuple[str, ...]) -> bool:
    """Whether it is an object; each of its keys that is not known is a fault, at its own place."""
    if not spot.expect_object():
        return False
    for key, below in spot.entries():
        if key not in known:
            below.refuse("unknown_key", f"{excerpt(key)} is not read here", key, known)
    return True
