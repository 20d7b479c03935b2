"""Numbers as people and pages write them, read exactly."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

MAX_DIGITS = 30
"""Digits of a number, before and after the point together."""

# 1234.5 · 1234,5 · 1 234,50 (spaces, also unbreakable ones, between groups of three) · .5
_NUMBER = re.compile(r"([+-]?)(\d+|\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+)?(?:[.,](\d*))?", re.ASCII)
_GROUPING = re.compile(r"[ \u00a0\u2009\u202f]")


def read_decimal(value: Any) -> Decimal | None:
    """The exact number that a JSON number or a text says; None when it says none."""
    match value:
        case bool():
            return None
        case int():
            text = str(value) if abs(value) < 10**MAX_DIGITS else ""
        case float():
            # The shortest text that gives this float again: 0.1 stays 0.1.
            text = format(Decimal(repr(value)), "f") if math.isfinite(value) else ""
        case str():
            text = value.strip()
        case _:
            return None
    return _read_text(text)


def _read_text(text: str) -> Decimal | None:
    found = _NUMBER.fullmatch(text) if len(text) <= 2 * MAX_DIGITS else None
    if found is None:
        return None
    sign, whole, part = found.groups()
    whole = _GROUPING.sub("", whole or "")
    digits = whole + (part or "")
    if not digits or len(digits) > MAX_DIGITS:
        return None
    return Decimal(f"{sign}{whole}.{part or ''}")


def plain(number: Decimal, *, least_decimals: int = 0) -> str:
    """The one way to write a number: no exponent, no zero that says nothing.

    With a fraction at all it has `least_decimals` decimals at least: 10.5 roubles are 10.50.
    """
    text = format(number, "f")
    whole, _, part = text.partition(".")
    part = part.rstrip("0")
    if whole == "-0" and not part:
        whole = "0"
    return f"{whole}.{part.ljust(least_decimals, '0')}" if part else whole


def round_half_up(number: Decimal) -> int:
    """The nearest whole number, a half away from zero, as money is rounded."""
    return int(number.quantize(Decimal(1), rounding=ROUND_HALF_UP))
