"""Conversation, Message and Operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from knopka.domain.bot.payload import Pressed
from knopka.domain.messaging import (
    AttachmentKind,
    Button,
    ChannelKind,
    Direction,
    MessageState,
    WindowKind,
)

ConversationId = NewType("ConversationId", int)
MessageId = NewType("MessageId", int)
OperatorId = NewType("OperatorId", int)
AttachmentId = NewType("AttachmentId", int)


class ConversationStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Operator:
    """Who answers («оператор»)."""

    id: OperatorId
    login: str
    name: str
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class BotAuthor:
    """A bot that speaks, by the name that it has at that time."""

    bot_id: int
    name: str


Author = Operator | BotAuthor
"""Who can say something on our side."""


class AttachmentState(StrEnum):
    """NONE has nothing to fetch: a place, a contact, a link."""

    WAITING = "waiting"
    STORED = "stored"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Something that came with a visitor's message, as far as it has been fetched."""

    id: AttachmentId
    conversation_id: ConversationId
    message_id: MessageId
    kind: AttachmentKind
    source: str
    """What its channel needs to fetch it; never shown."""
    name: str
    mime: str
    size: int | None
    state: AttachmentState
    reason: str | None
    """Why it could not be had: too_large, wrong_type, gone, broken."""
    file: str | None
    """Its name in the file store."""
    width: int | None
    height: int | None
    title: str
    phone: str
    latitude: str | None
    longitude: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `seq` counts from 1 without gaps within its conversation."""

    id: MessageId
    conversation_id: ConversationId
    seq: int
    direction: Direction
    text: str
    key: str
    """Chosen by the sender, unique within the conversation: the same key is the same message."""
    created_at: datetime
    state: MessageState
    operator_id: OperatorId | None = None
    operator_name: str | None = None
    error: str | None = None
    """The code of what kept it from its messenger."""
    error_detail: str = ""
    event: Mapping[str, Any] | None = None
    """What a line of SYSTEM tells: its kind, and the page a chat was opened from."""
    is_elsewhere: bool = False
    """Written by staff in the messenger's own tools."""
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    words_at: datetime | None = None
    """When the words were said or changed last, by the messenger's clock; an older change comes too late."""
    attachments: tuple[Attachment, ...] = ()
    bot: BotAuthor | None = None
    """The bot that said it."""
    buttons: tuple[tuple[Button, ...], ...] = ()
    """Rows of buttons under it (domain/buttons.py)."""
    pressed: Pressed | None = None
    """The bot's button that the visitor pressed instead of writing; its label is the text."""


@dataclass(frozen=True, slots=True)
class AnswerWindow:
    """Until when answers in a messenger are free, or possible at all."""

    kind: WindowKind
    ends_at: datetime
    late_until: datetime | None
    """Until when a person, and no bot, may still answer."""

    def is_open(self, now: datetime) -> bool:
        return now < self.ends_at

    def takes_late(self, now: datetime) -> bool:
        """Whether an answer after the end is still taken."""
        return self.kind is WindowKind.COSTS or (self.late_until is not None and now < self.late_until)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A dialogue in one channel, as a list shows it."""

    id: ConversationId
    source_id: int
    source_name: str
    channel: ChannelKind
    status: ConversationStatus
    visitor_name: str
    contact_id: int | None
    lead_id: int | None
    lead_name: str | None
    unsorted_uid: str | None
    unsorted_state: str | None
    last_seq: int
    last_text: str
    last_direction: Direction | None
    last_message_at: datetime | None
    operator_read_seq: int
    visitor_read_seq: int
    visitor_delivered_seq: int
    unread: int
    """Visitor's messages that no operator has read yet."""
    page_url: str
    created_at: datetime
    changed_at: datetime
    channel_id: int | None = None
    channel_title: str | None = None
    channel_state: str | None = None
    chat_id: str | None = None
    chat_gone: str | None = None
    """Why nothing comes through until the person writes again: blocked or gone."""
    window: AnswerWindow | None = None
    is_visit_unknown: bool = False
    avatar: str | None = None
    bot: BotAuthor | None = None
    """The bot that talks there now; a person's answer stops it."""
    bot_run_id: int | None = None
