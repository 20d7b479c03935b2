"""Messages and the ways they travel; knows nothing of cards."""

from __future__ import annotations

from enum import StrEnum


class ChannelKind(StrEnum):
    """What a visitor can write through (the page's first sentence)."""

    ONSITE = "onsite"
    TELEGRAM = "telegram"
    MESSENGER = "messenger"
    VIBER = "viber"
    VK = "vk"


class Direction(StrEnum):
    """`IN` is the visitor's word, `OUT` the operator's, `SYSTEM` ours."""

    IN = "in"
    OUT = "out"
    SYSTEM = "system"


class MessageState(StrEnum):
    """How far a message has come; FAILED can be tried again by who wrote it."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
