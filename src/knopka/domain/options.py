"""Options of a list: found by id, by code or by text, and never made by a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from knopka.domain.field_meta import RawValue
from knopka.domain.fields import CustomField, FieldOption
from knopka.domain.text import excerpt
from knopka.domain.verdicts import Reason

_SHOWN = 10


def find_option(options: Sequence[FieldOption], mark: str) -> FieldOption | None:
    """The option whose id, code or text this is; they are tried in this order."""
    for option in options:
        if str(option.id) == mark:
            return option
    wanted = _fold(mark)
    by_code = (option for option in options if option.code and _fold(option.code) == wanted)
    exact = (option for option in options if option.value == mark)
    by_text = (option for option in options if _fold(option.value) == wanted)
    return next((option for found in (by_code, exact, by_text) for option in found), None)


def _fold(text: str) -> str:
    """Letters of either case and spaces of any width are the same to a person."""
    return " ".join(text.split()).casefold()


def list_options(options: Sequence[FieldOption]) -> str:
    """The options as a refusal names them."""
    shown = ", ".join(f"{excerpt(option.value)} ({option.id})" for option in options[:_SHOWN])
    return f"{shown}, …" if len(options) > _SHOWN else shown


def read_options(field: CustomField, values: Iterable[RawValue]) -> tuple[list[dict[str, Any]], list[Reason]]:
    """The options that the values name, each once, with all three of its marks as API v4 gives them."""
    found: dict[int, FieldOption] = {}
    reasons: list[Reason] = []
    for raw in values:
        option, remarks = _choose(field.options, raw)
        reasons.extend(remarks)
        if option is not None:
            found.setdefault(option.id, option)
    return [
        {"value": option.value, "enum_id": option.id, "enum_code": option.code} for option in found.values()
    ], reasons


def _choose(options: Sequence[FieldOption], raw: RawValue) -> tuple[FieldOption | None, list[Reason]]:
    """The page: `enum` is the mark of an option that stands in the list already. Else the value names it."""
    if raw.enum is not None and (option := find_option(options, raw.enum)):
        return option, []
    text = _as_text(raw.value)
    option = find_option(options, text) if text else None
    named = excerpt(raw.enum if raw.enum is not None else raw.value)
    if option is None:
        return None, [Reason("option_unknown", {"value": named, "allowed": list_options(options)})]
    if raw.enum is not None:
        return option, [Reason("enum_unknown_value_used", {"value": named, "became": excerpt(option.value)})]
    return option, []


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""
