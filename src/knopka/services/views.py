"""What the services answer with, where it is more than one thing of the domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from knopka.domain.catalog import Account
from knopka.domain.conversation import Conversation, ConversationId, ConversationStatus, Message
from knopka.domain.crm import CardTag, Contact, IncomingLead, Lead, Note
from knopka.domain.fields import CustomField, FieldValue
from knopka.domain.meta import Json
from knopka.domain.verdicts import PathVerdict
from knopka.domain.visitor import FillWindow

Valued = tuple[tuple[CustomField, FieldValue], ...]
"""The fields of a card that have a value."""


@dataclass(frozen=True, slots=True)
class CallVerdicts:
    """One call of a page with what became of each of its paths, in the order given."""

    key: str
    verdicts: tuple[PathVerdict, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer to a page. Without a card there is no window yet."""

    calls: tuple[CallVerdicts, ...]
    window: FillWindow | None
    is_window_open: bool = False


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One setMeta call as it came, with what became of it."""

    id: int
    at: datetime
    source_public_id: str
    visit: str
    """The first 16 digits of the visit's hash: the visit id itself is not kept."""
    page_url: str
    key: str
    body: str
    verdicts: tuple[PathVerdict, ...]
    lead_id: int | None


@dataclass(frozen=True, slots=True)
class SiteDatum:
    """One path of one call, as a card shows it."""

    at: datetime
    page: str
    path: str
    value: Json
    verdict: PathVerdict


@dataclass(frozen=True, slots=True)
class LeadCard:
    """Everything that a lead's card shows."""

    account: Account
    lead: Lead
    contact: Contact
    lead_values: Valued
    contact_values: Valued
    notes: tuple[Note, ...]
    site_data: tuple[SiteDatum, ...]
    window: FillWindow | None
    is_window_open: bool
    incoming: IncomingLead | None
    bot_params: Mapping[str, Any]
    fields: tuple[CustomField, ...]
    claimed: frozenset[int]
    """The phones and e-mails that a page gave and nobody has checked, by the ids of their fields."""
    lead_tags: tuple[CardTag, ...] = ()
    contact_tags: tuple[CardTag, ...] = ()


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead as a list shows it."""

    account: Account
    lead: Lead
    values: Valued
    incoming: IncomingLead | None
    tags: tuple[CardTag, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsorted:
    """An unsorted lead as a list shows it."""

    uid: str
    lead_id: int
    lead_name: str
    contact_name: str
    conversation_id: int | None
    created_at: datetime
    source_name: str
    last_text: str


@dataclass(frozen=True, slots=True)
class UnsortedPage:
    unsorted: tuple[Unsorted, ...]
    next: str | None
    """The cursor of the next page, if there is one."""


@dataclass(frozen=True, slots=True)
class ConversationPage:
    conversations: tuple[Conversation, ...]
    next: str | None
    """The cursor of the next page, if there is one."""
    cursor: datetime
    """From when on changes of this list are to be asked for."""
    unread: int
    """Unread messages of all open conversations."""


@dataclass(frozen=True, slots=True)
class Changes:
    conversations: tuple[Conversation, ...]
    cursor: datetime
    """From when on to ask the next time."""
    has_more: bool


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as its visitor sees it."""

    id: ConversationId
    status: ConversationStatus
    last_seq: int
    visitor_read_seq: int
    operator_read_seq: int
    unread: int
    """Operators' messages that the visitor has not read."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A visitor's message that is stored. `is_new` is False for a repeat."""

    conversation: Chat
    message: Message
    is_new: bool


@dataclass(frozen=True, slots=True)
class ChatSnapshot:
    """What the chat shows when it is opened; empty for who never wrote."""

    visitor_id: int | None = None
    conversation: Chat | None = None
    messages: tuple[Message, ...] = ()
