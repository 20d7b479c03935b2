"""The values that a page gives for one field, read as the field's type asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from knopka.domain.addresses import read_address
from knopka.domain.dates import read_date, read_date_time
from knopka.domain.emails import is_email
from knopka.domain.field_meta import RawValue
from knopka.domain.fields import CustomField, FieldOption, FieldType, FieldValue
from knopka.domain.legal_entities import read_legal_entity
from knopka.domain.numbers import plain, read_decimal
from knopka.domain.options import find_option, list_options, read_options
from knopka.domain.phones import looks_like_phone, normalise_phone
from knopka.domain.text import excerpt
from knopka.domain.urls import is_web_address
from knopka.domain.verdicts import Reason, Verdict

Item = dict[str, Any]
"""One item of API v4's `values`."""

UNWRITABLE = frozenset({FieldType.FILE, FieldType.CHAINED_LIST, FieldType.LINKED_ENTITY, FieldType.ITEMS})
"""What a page cannot say in a value: the file, list or card meant lies elsewhere."""

_YES = frozenset({"true", "1", "yes", "y", "on", "да", "+"})
_NO = frozenset({"false", "0", "no", "n", "off", "нет", "-"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """A field's value in its normal form, or the verdict. `reasons` name every value that was skipped."""

    value: FieldValue | None
    verdict: Verdict | None
    reasons: tuple[Reason, ...] = ()


def read_values(field: CustomField, values: tuple[RawValue, ...], *, region: str, timezone: str) -> Parsed:
    """Read the values for one field. Good ones are kept even if others are not; it never fails.

    `region` is the country in which a phone without a country's code is looked for,
    `timezone` the account's, in which a date without one is meant.
    """
    refusal = _refuse_field(field)
    if refusal is not None:
        return Parsed(None, Verdict.NOT_WRITABLE, (refusal,))
    told = tuple(raw for raw in values if raw.value is not None or raw.enum is not None)
    items, reasons = _read_by_type(field, told, region, _find_zone(timezone))
    if items:
        return Parsed(FieldValue(field.id, tuple(items)), None, tuple(reasons))
    return Parsed(None, Verdict.BAD_VALUE if reasons else Verdict.EMPTY, tuple(reasons))


def _refuse_field(field: CustomField) -> Reason | None:
    if field.type in UNWRITABLE:
        return Reason("type_not_writable", {"type": field.type.value})
    if field.is_computed:
        return Reason("field_computed")
    if not field.is_page_writable:
        return Reason("field_not_listed")
    return None


def _find_zone(timezone: str) -> ZoneInfo:
    """The account's time zone; where the system does not know it, UTC, for no page could mend that."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _read_by_type(
    field: CustomField, values: tuple[RawValue, ...], region: str, zone: ZoneInfo
) -> tuple[list[Item], list[Reason]]:
    match field.type:
        case FieldType.TEXT | FieldType.TEXTAREA | FieldType.STREETADDRESS | FieldType.TRACKING_DATA:
            return _read_one(values, read_text)
        case FieldType.NUMERIC:
            return _read_one(values, _read_number)
        case FieldType.MONETARY:
            return _read_one(values, _read_money)
        case FieldType.CHECKBOX:
            return _read_one(values, _read_checkbox)
        case FieldType.URL:
            return _read_one(values, _read_url)
        case FieldType.DATE | FieldType.BIRTHDAY:
            return _read_one(values, lambda value: read_date(value, zone))
        case FieldType.DATE_TIME:
            return _read_one(values, lambda value: read_date_time(value, zone))
        case FieldType.LEGAL_ENTITY:
            return _read_legal_entity(values)
        case FieldType.SELECT | FieldType.RADIOBUTTON:
            items, reasons = read_options(field, values)
            return items[:1], [*reasons, *_name_surplus(items[1:])]
        case FieldType.MULTISELECT:
            return read_options(field, values)
        case FieldType.MULTITEXT:
            return _read_multitext(field, values, region)
        case FieldType.SMART_ADDRESS:
            return read_address(values)
        case FieldType.FILE | FieldType.CHAINED_LIST | FieldType.LINKED_ENTITY | FieldType.ITEMS:
            return [], [Reason("type_not_writable", {"type": field.type.value})]


def _read_one(
    values: Iterable[RawValue], read: Callable[[Any], Any | Reason]
) -> tuple[list[Item], list[Reason]]:
    """A field that holds one value takes the first good one; the others are named."""
    items: list[Item] = []
    reasons: list[Reason] = []
    for raw in values:
        if raw.value is None:
            continue
        value = read(raw.value)
        if isinstance(value, Reason):
            reasons.append(value)
        else:
            items.append({"value": value})
    return items[:1], [*reasons, *_name_surplus(items[1:])]


def _name_surplus(items: Iterable[Item]) -> list[Reason]:
    return [Reason("one_value_only", {"value": excerpt(item["value"])}) for item in items]


def read_text(value: Any) -> str | Reason:
    """A text; numbers and yes-or-no are taken in their written form."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            number = read_decimal(value)
            return str(value) if number is None else plain(number)
        case _:
            return Reason("not_text", {"value": excerpt(value)})


def _read_number(value: Any) -> str | Reason:
    number = read_decimal(value)
    return Reason("not_a_number", {"value": excerpt(value)}) if number is None else plain(number)


def _read_money(value: Any) -> str | Reason:
    number = read_decimal(value)
    if number is None:
        return Reason("not_a_number", {"value": excerpt(value)})
    return plain(number, least_decimals=2)


def _read_checkbox(value: Any) -> bool | Reason:
    text = read_text(value)
    word = text.casefold() if isinstance(text, str) else ""
    if word in _YES:
        return True
    if word in _NO:
        return False
    return Reason("not_yes_or_no", {"value": excerpt(value)})


def _read_url(value: Any) -> str | Reason:
    if isinstance(value, str) and is_web_address(value):
        return value
    return Reason("not_a_web_address", {"value": excerpt(value)})


def _read_legal_entity(values: Iterable[RawValue]) -> tuple[list[Item], list[Reason]]:
    skipped: list[Reason] = []

    def read(value: Any) -> Any | Reason:
        return read_legal_entity(value, skipped)

    items, reasons = _read_one(values, read)
    return items, [*reasons, *skipped]


def _read_multitext(
    field: CustomField, values: Iterable[RawValue], region: str
) -> tuple[list[Item], list[Reason]]:
    """Phones, addresses of mail and the like: many values, each of one of the field's kinds."""
    items: list[Item] = []
    reasons: list[Reason] = []
    for raw in values:
        if raw.value is None:
            continue
        text = read_text(raw.value)
        fault = text if isinstance(text, Reason) else _refuse_multitext(field, text)
        if fault is not None:
            reasons.append(fault)
            continue
        kind, remark = _find_kind(field.options, raw.enum)
        reasons.extend(remark)
        item: Item = {"value": text}
        if kind is not None:
            # amoCRM lists the kinds of a phone without codes: there the text is the code.
            item |= {"enum_id": kind.id, "enum_code": kind.code or kind.value}
        if field.code == "PHONE" and (normal := normalise_phone(str(text), region)):
            item["normal"] = normal
        items.append(item)
    return items, reasons


def _refuse_multitext(field: CustomField, text: str) -> Reason | None:
    if field.code == "EMAIL" and not is_email(text):
        return Reason("not_an_email", {"value": excerpt(text)})
    if field.code == "PHONE" and not looks_like_phone(text):
        return Reason("not_a_phone", {"value": excerpt(text)})
    return None


def _find_kind(kinds: tuple[FieldOption, ...], enum: str | None) -> tuple[FieldOption | None, list[Reason]]:
    """The kind that an enum names; else the field's first one, and why if one was named."""
    first = kinds[0] if kinds else None
    if enum is None:
        return first, []
    kind = find_option(kinds, enum)
    if kind is not None:
        return kind, []
    became = (first.code or first.value) if first else ""
    values = {"value": excerpt(enum), "became": became, "allowed": list_options(kinds)}
    return first, [Reason("kind_unknown", values)]
