"""The requisites of a company or a person (`legal_entity`)."""

from __future__ import annotations

from typing import Any

from knopka.domain.numbers import plain, read_decimal
from knopka.domain.text import excerpt
from knopka.domain.verdicts import Reason

MAX_PART = 500

PARTS = (
    "name", "entity_type", "vat_id", "kpp", "tax_registration_reason_code", "address", "real_address",
    "bank_account_number", "bank_code", "director", "unp", "bin", "egrpou", "mfo", "oked", "external_uid",
)  # fmt: skip
"""The names of API v4; `entity_type` is 1 for a person and 2 for a company."""


def read_legal_entity(value: Any, skipped: list[Reason]) -> dict[str, Any] | Reason:
    """The requisites; a name is a must. Parts that cannot be read are left out and named in `skipped`."""
    if not isinstance(value, dict):
        return Reason("not_a_legal_entity", {"value": excerpt(value)})
    parts: dict[str, Any] = {}
    for key, given in value.items():
        if given is None or given == "":
            continue
        part = _read_part(key, given)
        if isinstance(part, Reason):
            skipped.append(part)
        else:
            parts[key] = part
    if "name" not in parts:
        return Reason("legal_entity_without_name", {"value": excerpt(value)})
    return {key: parts[key] for key in PARTS if key in parts}


def _read_part(key: str, given: Any) -> str | int | Reason:
    if key not in PARTS:
        return Reason("legal_entity_part_unknown", {"key": excerpt(key), "allowed": ", ".join(PARTS)})
    text = given if isinstance(given, str) else _as_digits(given)
    if text is None or len(text) > MAX_PART:
        return Reason(
            "legal_entity_part_unreadable", {"key": key, "value": excerpt(given), "limit": str(MAX_PART)}
        )
    if key != "entity_type":
        return text
    return int(text) if text in ("1", "2") else Reason("legal_entity_type_unknown", {"value": excerpt(given)})


def _as_digits(given: Any) -> str | None:
    number = read_decimal(given)
    return None if number is None else plain(number)
