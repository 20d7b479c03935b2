"""One entry of setMeta's `custom_fields`, read without knowing the field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knopka.domain.text import clean_json, clean_text, excerpt
from knopka.domain.verdicts import PathVerdict, Reason, Verdict

MAX_VALUES = 20
MAX_VALUE = 4_000
_MAX_CODE = 255

_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")
_DIGITS = re.compile(r"[0-9]{1,18}")
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_OURS = frozenset({"value", "enum", "enum_id", "enum_code", "subtype"})


@dataclass(frozen=True, slots=True)
class RawValue:
    """One value of a field as the page gave it: nothing is checked against the field yet."""

    value: Any = None
    enum: str | None = None
    subtype: str | None = None


@dataclass(frozen=True, slots=True)
class FieldMeta:
    """One entry of `custom_fields`: which field, by id or by code, and the values for it."""

    path: str
    field_id: int | None
    field_code: str | None
    values: tuple[RawValue, ...]
    skipped: tuple[Reason, ...] = ()
    """Entries of `values` that could not be read at all; the good ones go on."""


def as_array(value: Any) -> list[tuple[int, Any]] | None:
    """An array with its indexes; the form encoding gives one as an object with numbers for keys."""
    if isinstance(value, list):
        return list(enumerate(value))
    if isinstance(value, dict) and all(map(_INDEX.fullmatch, value)):
        return [(int(key), item) for key, item in value.items()]
    return None


def read_field(path: str, entry: Any) -> FieldMeta | PathVerdict:
    """The page: id of an additional field, and the array of its values."""
    if not isinstance(entry, dict):
        return _bad(path, Reason("not_an_object", {"value": excerpt(entry)}))
    key = _read_key(entry)
    if isinstance(key, Reason):
        return _bad(path, key)
    given = entry.get("values")
    values = as_array([] if given is None else given)
    if values is None:
        return _bad(path, Reason("values_not_an_array", {"value": excerpt(given)}))
    return _read_values(path, key, [value for _, value in values])


def _bad(path: str, *reasons: Reason) -> PathVerdict:
    return PathVerdict(path, Verdict.BAD_VALUE, reasons)


def _read_key(entry: Mapping[str, Any]) -> tuple[int | None, str | None] | Reason:
    """The page: id of the additional field; sites also send it as digits, as field_id, or a code."""
    for name in ("id", "field_id"):
        match entry.get(name):
            case None | "":
                continue
            case int() as number if not isinstance(number, bool):
                return number, None
            case str() as text if _DIGITS.fullmatch(text.strip()):
                return int(text), None
            case wrong:
                return Reason("field_id_unreadable", {"value": excerpt(wrong)})
    for name in ("code", "field_code"):
        match entry.get(name):
            case None | "":
                continue
            case str() as text if len(text) <= _MAX_CODE:
                return None, clean_text(text)
            case wrong:
                return Reason("field_code_unreadable", {"value": excerpt(wrong)})
    return Reason("field_not_named")


def _read_values(
    path: str, key: tuple[int | None, str | None], values: Sequence[Any]
) -> FieldMeta | PathVerdict:
    if len(values) > MAX_VALUES:
        return PathVerdict(path, Verdict.LIMIT, (Reason("too_many_values", {"limit": str(MAX_VALUES)}),))
    if any(map(_is_too_long, values)):
        return PathVerdict(path, Verdict.LIMIT, (Reason("too_long", {"limit": str(MAX_VALUE)}),))
    read: list[RawValue] = []
    skipped: list[Reason] = []
    for value in values:
        if not isinstance(value, dict):
            skipped.append(Reason("value_not_an_object", {"value": excerpt(value)}))
        elif found := _read_value(value):
            read.append(found)
    if read:
        return FieldMeta(path, *key, tuple(read), tuple(skipped))
    return _bad(path, *skipped) if skipped else PathVerdict(path, Verdict.EMPTY)


def _read_value(item: Mapping[str, Any]) -> RawValue | None:
    """One value as given, cleaned; None when it says nothing. An enum alone may name an option.

    What speaks under other names alone, as an item of a chained list does, is a
    blank value: whether the field takes any is for the field to say.
    """
    value = clean_json(item.get("value"))
    if value in _NOTHING:
        value = None
    enum = _read_mark(item, "enum", "enum_id", "enum_code")
    if value is None and enum is None:
        return RawValue() if any(item[name] not in _NOTHING for name in item.keys() - _OURS) else None
    return RawValue(value, enum, _read_mark(item, "subtype"))


def _read_mark(item: Mapping[str, Any], *names: str) -> str | None:
    """An enum or a subtype as a text; what is neither text nor number will match no option."""
    for name in names:
        mark = item.get(name)
        text = clean_text(mark) if isinstance(mark, str) else "" if mark is None else excerpt(mark)
        if text:
            return text
    return None


def _is_too_long(item: Any) -> bool:
    """Whether one entry of `values` is beyond what a value may hold."""
    if not isinstance(item, dict):
        return False
    return any(
        len(part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)) > MAX_VALUE
        for part in item.values()
        if isinstance(part, (str, list, dict))
    )
