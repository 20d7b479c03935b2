"""The fields that every account has from its first day, as an amoCRM account has them."""

from __future__ import annotations

from knopka.domain.catalog import FieldDraft
from knopka.domain.fields import FieldType
from knopka.domain.meta import Entity

TRACKING = (
    "UTM_CONTENT", "UTM_MEDIUM", "UTM_CAMPAIGN", "UTM_SOURCE", "UTM_TERM", "UTM_REFERRER", "ROISTAT",
    "REFERRER", "OPENSTAT_SERVICE", "OPENSTAT_CAMPAIGN", "OPENSTAT_AD", "OPENSTAT_SOURCE", "FROM",
    "GCLIENTID", "_YM_UID", "_YM_COUNTER", "GCLID", "YCLID", "FBCLID",
)  # fmt: skip
"""Where a visitor came from, in the order of amoCRM's accounts."""

_NAMES = {"ru": ("Телефон", "Email", "Должность"), "en": ("Phone", "Email", "Position")}


def usual_fields(locale: str) -> tuple[FieldDraft, ...]:
    """The contact's phone, e-mail and position, and the lead's tracking fields, without ids."""
    phone, email, position = _NAMES["ru" if locale.startswith("ru") else "en"]
    return (
        FieldDraft(Entity.CONTACT, FieldType.MULTITEXT, phone, code="PHONE"),
        FieldDraft(Entity.CONTACT, FieldType.MULTITEXT, email, code="EMAIL"),
        FieldDraft(Entity.CONTACT, FieldType.TEXT, position, code="POSITION"),
        *(FieldDraft(Entity.LEAD, FieldType.TRACKING_DATA, code.lower(), code=code) for code in TRACKING),
    )
