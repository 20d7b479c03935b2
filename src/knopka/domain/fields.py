"""Custom fields: their closed set of types, and the one normal form of each value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from knopka.domain.meta import Entity


class FieldType(StrEnum):
    """The types of API v4 that a lead or a contact can have, by their v4 names."""

    TEXT = "text"
    NUMERIC = "numeric"
    CHECKBOX = "checkbox"
    SELECT = "select"
    MULTISELECT = "multiselect"
    RADIOBUTTON = "radiobutton"
    DATE = "date"
    DATE_TIME = "date_time"
    BIRTHDAY = "birthday"
    URL = "url"
    TEXTAREA = "textarea"
    MULTITEXT = "multitext"
    STREETADDRESS = "streetaddress"
    SMART_ADDRESS = "smart_address"
    LEGAL_ENTITY = "legal_entity"
    MONETARY = "monetary"
    TRACKING_DATA = "tracking_data"
    FILE = "file"
    CHAINED_LIST = "chained_list"
    LINKED_ENTITY = "linked_entity"
    ITEMS = "items"


@dataclass(frozen=True, slots=True)
class FieldOption:
    """One option of a list, or one kind of a multitext (WORK, MOB); a page never makes one."""

    id: int
    value: str
    code: str | None = None
    sort: int = 0


@dataclass(frozen=True, slots=True)
class CustomField:
    """A field of the account. Its id is unique among all fields of the account, as in amoCRM."""

    id: int
    entity: Entity
    type: FieldType
    name: str
    code: str | None = None
    sort: int = 0
    options: tuple[FieldOption, ...] = ()
    currency: str | None = None
    is_computed: bool = False
    is_page_writable: bool = True
    """False where the account narrows what a page may write (S-WEB-12)."""

    @property
    def is_way_to_reach(self) -> bool:
        """Whether it holds phones or e-mails, by which a person may be taken for another (S-WEB-07)."""
        return self.type is FieldType.MULTITEXT and self.code in ("PHONE", "EMAIL")


@dataclass(frozen=True, slots=True)
class FieldValue:
    """The normal form of one field's values: `items` are API v4's `values`, ready to be stored.

    A multi-value field and an address are one unit: `items` is the whole of it.
    """

    field_id: int
    items: tuple[Mapping[str, Any], ...] = field(default=())
