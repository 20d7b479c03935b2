"""Conversation, Message and Operator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from knopka.domain.messaging import ChannelKind, Direction, MessageState

ConversationId = NewType("ConversationId", int)
MessageId = NewType("MessageId", int)
OperatorId = NewType("OperatorId", int)


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
