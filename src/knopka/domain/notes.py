"""Note types of the page, by name and by number, and what each becomes."""

from __future__ import annotations

import hashlib
from typing import Any

from knopka.domain.text import excerpt
from knopka.domain.verdicts import Reason

COMMON = "common"

NUMBERS = {
    1: "lead_created",
    2: "contact_created",
    3: "lead_status_changed",
    4: COMMON,
    5: "attachment",
    10: "call_in",
    11: "call_out",
    12: "company_created",
    13: "task_result",
    25: "service_message",
    102: "sms_in",
    103: "sms_out",
}
"""The numbers that older code of sites carries, with the names that API v4 gave them."""

FROM_TEXT = frozenset({COMMON, "service_message", "extended_service_message", "sms_in", "sms_out"})
"""What can be built from the text alone; the rest of its params is known to us or may stay empty."""

NEEDS_MORE = frozenset({"attachment", "call_in", "call_out", "message_cashier", "geolocation"})
"""Creatable in API v4, but only with params that the page has no place for."""

READ_ONLY = frozenset(
    {
        "lead_created", "contact_created", "lead_status_changed", "company_created", "task_result",
        "amomail_message", "chat", "site_visit", "targeting_in", "targeting_out", "transaction",
        "invoice_paid", "zoom_meeting", "dropbox_attachment", "link_followed", "bill_paid", "ai_result",
    }
)  # fmt: skip
"""Written by the CRM itself and by nobody else."""


def read_note_type(value: Any) -> tuple[str, tuple[Reason, ...]]:
    """The page: note_type is the type of the note. What cannot be built becomes a common note, and why."""
    name = _find_name(value)
    if name in FROM_TEXT:
        return name, ()
    if name in NEEDS_MORE:
        return COMMON, (Reason("note_type_needs_more", {"type": name}),)
    if name in READ_ONLY:
        return COMMON, (Reason("note_type_read_only", {"type": name}),)
    return COMMON, (Reason("note_type_unknown", {"type": excerpt(value)}),)


def _find_name(value: Any) -> str:
    """The v4 name of a type that is given by name, number or digits; not given means common."""
    match value:
        case None | "":
            return COMMON
        case bool():
            return ""
        case int():
            return NUMBERS.get(value, "")
        case str():
            text = value.strip()
            known = text.isascii() and text.isdigit() and len(text) < 6
            return NUMBERS.get(int(text), "") if known else text.lower()
        case _:
            return ""


def note_params(note_type: str, text: str, *, service: str, phone: str) -> dict[str, str]:
    """API v4's `params` of a note that was built from a text.

    `service` is the button's name; `phone` is the contact's, or empty.
    """
    match note_type:
        case "service_message" | "extended_service_message":
            return {"service": service, "text": text}
        case "sms_in" | "sms_out":
            return {"text": text, "phone": phone}
        case _:
            return {"text": text}


def hash_note(text: str) -> str:
    """What tells a repeated text from a new one."""
    return hashlib.sha256(text.encode()).hexdigest()
