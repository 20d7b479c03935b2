"""What stands on the cards: Contact, Lead, IncomingLead, Note, Pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from knopka.domain.meta import Entity

AccountId = NewType("AccountId", int)
ContactId = NewType("ContactId", int)
LeadId = NewType("LeadId", int)

WON = 142
LOST = 143
"""The two closed statuses of every pipeline (API v4)."""


class NameOrigin(StrEnum):
    """Who gave a name. Only names MADE_UP by us or of a PROFILE count as empty for setMeta."""

    MADE_UP = "made_up"
    PROFILE = "profile"
    SITE = "site"
    OPERATOR = "operator"
    BOT = "bot"

    @property
    def counts_as_empty(self) -> bool:
        return self in (NameOrigin.MADE_UP, NameOrigin.PROFILE)


class IncomingState(StrEnum):
    """What became of an unsorted lead."""

    UNSORTED = "unsorted"
    ACCEPTED = "accepted"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Contact:
    id: ContactId
    name: str
    name_origin: NameOrigin
    created_at: datetime
    updated_at: datetime
    responsible_user_id: int | None = None
    """The operator in charge."""


@dataclass(frozen=True, slots=True)
class Lead:
    id: LeadId
    contact_id: ContactId
    name: str
    name_origin: NameOrigin
    price: int
    pipeline_id: int
    status_id: int
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    responsible_user_id: int | None = None


@dataclass(frozen=True, slots=True)
class IncomingLead:
    """An unsorted lead («неразобранное»): `uid` is 32 hex digits, as in API v4."""

    uid: str
    lead_id: LeadId
    contact_id: ContactId
    conversation_id: int | None
    category: str
    pipeline_id: int
    state: IncomingState
    created_at: datetime
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CardTag:
    """A tag («тег») of the account, as it stands on a card."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Note:
    id: int
    entity: Entity
    entity_id: int
    note_type: str
    params: Mapping[str, Any]
    created_at: datetime
    created_by: int
    """The operator's id; 0 is the site's own script."""


@dataclass(frozen=True, slots=True)
class Status:
    """A stage of a pipeline; `type` 1 is the one of the unsorted leads, 0 a usual one."""

    id: int
    name: str
    sort: int
    color: str
    type: int = 0


@dataclass(frozen=True, slots=True)
class Pipeline:
    id: int
    name: str
    sort: int
    is_main: bool
    statuses: tuple[Status, ...]
