"""The shape of setMeta's parameters: note, contact, lead, bot_params."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from knopka.domain.verdicts import PathVerdict, Reason

Json = Any
"""What a JSON text can hold; the strict reader has already refused the rest."""


class Entity(StrEnum):
    """The two cards that a page can write on; the values are API v4's names."""

    CONTACT = "contacts"
    LEAD = "leads"


@dataclass(frozen=True, slots=True)
class NoteMeta:
    """A note for one card. `note_type` is an API v4 name that can be built from a text alone."""

    text: str
    entity: Entity = Entity.LEAD
    note_type: str = "common"
    reasons: tuple[Reason, ...] = ()
    """Why the note became another type than the page asked for, if it did."""


@dataclass(frozen=True, slots=True)
class RawValue:
    """One value of a field as the page gave it: nothing is checked against the field yet."""

    value: Json = None
    enum: str | None = None
    subtype: str | None = None


@dataclass(frozen=True, slots=True)
class FieldMeta:
    """One entry of `custom_fields`: which field, by id or by code, and the values for it."""

    path: str
    field_id: int | None
    field_code: str | None
    values: tuple[RawValue, ...]


@dataclass(frozen=True, slots=True)
class CardMeta:
    """What one call wants on one card. `sale` is the lead's budget and None for a contact."""

    name: str | None = None
    sale: int | None = None
    fields: tuple[FieldMeta, ...] = ()


@dataclass(frozen=True, slots=True)
class Meta:
    """One setMeta call, readable. `settled` holds the paths that reading alone has decided."""

    note: NoteMeta | None = None
    contact: CardMeta = CardMeta()
    lead: CardMeta = CardMeta()
    bot_params: Mapping[str, Json] = field(default_factory=dict)
    settled: tuple[PathVerdict, ...] = ()
    paths: tuple[str, ...] = ()
    """Every path of the call in the order given; each ends in exactly one verdict."""
