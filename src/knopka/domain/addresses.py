"""The address of six parts (`smart_address`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from knopka.domain.field_meta import RawValue
from knopka.domain.numbers import plain, read_decimal
from knopka.domain.text import excerpt
from knopka.domain.verdicts import Reason

PARTS = {
    1: "address_line_1",
    2: "address_line_2",
    3: "city",
    4: "state",
    5: "zip",
    6: "country",
}
"""The subtypes of an address, which are its enum ids and codes in API v4."""

_NUMBERS = {str(number): number for number in PARTS} | {code: number for number, code in PARTS.items()}


def read_address(values: Iterable[RawValue]) -> tuple[list[dict[str, Any]], list[Reason]]:
    """The page: `subtype` is the part of the address, and all parts not named are erased.

    So what is read here is the whole address. A part given twice has its last value.
    """
    parts: dict[int, str] = {}
    reasons: list[Reason] = []
    for raw in values:
        if raw.value is None:
            continue
        part = _read_part(raw)
        if isinstance(part, Reason):
            reasons.append(part)
            continue
        number, text = part
        if number in parts:
            reasons.append(
                Reason("subtype_repeated", {"subtype": PARTS[number], "value": excerpt(parts[number])})
            )
        parts[number] = text
    return [
        {"value": parts[number], "enum_id": number, "enum_code": PARTS[number]} for number in sorted(parts)
    ], reasons


def _read_part(raw: RawValue) -> tuple[int, str] | Reason:
    mark = raw.subtype or raw.enum
    number = _NUMBERS.get((mark or "").strip().lower())
    if number is None:
        allowed = ", ".join(PARTS.values())
        if mark is None:
            return Reason("subtype_missing", {"value": excerpt(raw.value), "allowed": allowed})
        return Reason("subtype_unknown", {"value": excerpt(mark), "allowed": allowed})
    text = _as_text(raw.value)
    if text is None:
        return Reason("not_text", {"value": excerpt(raw.value)})
    if PARTS[number] != "country":
        return number, text
    if len(text) == 2 and text.isascii() and text.isalpha():
        return number, text.upper()
    return Reason("country_unreadable", {"value": excerpt(text)})


def _as_text(value: Any) -> str | None:
    """A postcode often comes as a number."""
    if isinstance(value, str):
        return value
    number = read_decimal(value)
    return None if number is None else plain(number)
