"""The page's example and a small account, as the tests of the rules use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knopka.domain.fields import CustomField, FieldOption, FieldType
from knopka.domain.meta import Entity

EXAMPLE: Mapping[str, Any] = {
    "note": {"text": "Текст примечания", "element_type": 1, "note_type": "common"},
    "contact": {
        "name": "Иван Иванов",
        "custom_fields": [{"id": 123456, "values": [{"enum": 12345, "value": "+7123456789"}]}],
    },
    "lead": {"name": "Название сделки", "sale": 999},
}

PHONE_KINDS = (
    FieldOption(12345, "WORK", "WORK"),
    FieldOption(12346, "MOB", "MOB"),
    FieldOption(12347, "OTHER", "OTHER"),
)
COLOURS = (FieldOption(501, "Red", "RED"), FieldOption(502, "Зелёный", None), FieldOption(503, "Blue", None))


def make_field(
    type: FieldType,
    *,
    id: int = 700,
    entity: Entity = Entity.LEAD,
    code: str | None = None,
    options: tuple[FieldOption, ...] = (),
    is_computed: bool = False,
    is_page_writable: bool = True,
) -> CustomField:
    return CustomField(
        id=id,
        entity=entity,
        type=type,
        name=f"Field {id}",
        code=code,
        options=options,
        is_computed=is_computed,
        is_page_writable=is_page_writable,
    )


PHONE = make_field(FieldType.MULTITEXT, id=123456, entity=Entity.CONTACT, code="PHONE", options=PHONE_KINDS)
EMAIL = make_field(FieldType.MULTITEXT, id=123457, entity=Entity.CONTACT, code="EMAIL", options=PHONE_KINDS)
CITY = make_field(FieldType.TEXT, id=201, entity=Entity.CONTACT)
COLOUR = make_field(FieldType.SELECT, id=301, options=COLOURS)
UTM = make_field(FieldType.TRACKING_DATA, id=302, code="UTM_SOURCE")
SUM = make_field(FieldType.NUMERIC, id=303)
ADDRESS = make_field(FieldType.SMART_ADDRESS, id=304)
FILE = make_field(FieldType.FILE, id=305)

ACCOUNT = (PHONE, EMAIL, CITY, COLOUR, UTM, SUM, ADDRESS, FILE)
BY_ID = {field.id: field for field in ACCOUNT}
BY_CODE = {(field.entity, field.code): field for field in ACCOUNT if field.code}
