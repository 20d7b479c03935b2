"""Bounds of what a messenger tells us, set once, before it is kept (S-HOOK-08)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from knopka.domain.messaging import ChannelEvent, EventKind, InAttachment, Profile
from knopka.domain.text import clean_name

MOST_ID = 255
MOST_LABEL = 255
MOST_SOURCE = 4096
MOST_PAYLOAD = 1000
MOST_IDS = 1000
MOST_SIZE = 2**53
"""More bytes than any file has; a larger number is somebody's joke, and no store's."""
_MIME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,99}/[A-Za-z0-9][A-Za-z0-9.+-]{0,99}")


def bound_event(event: ChannelEvent) -> ChannelEvent:
    """The event with nothing in it that a store or a call could choke on.

    An id that cannot be one is no id: a message is kept without it, and what
    belongs to no chat then is of no use to anybody.
    """
    chat_id = _id(event.chat_id)
    is_lost = bool(event.chat_id) and not chat_id
    return replace(
        event,
        kind=EventKind.OTHER if is_lost else event.kind,
        event_id=_id(event.event_id) or hashlib.sha256(event.event_id.encode(errors="replace")).hexdigest(),
        chat_id=chat_id,
        user_id=_id(event.user_id),
        attachments=tuple(map(_bound_attachment, event.attachments)),
        message_id=_id(event.message_id),
        message_ids=tuple(filter(None, map(_id, event.message_ids[:MOST_IDS]))),
        reply_to=_id(event.reply_to),
        start=event.start if _is_plain(event.start, MOST_PAYLOAD) else "",
        payload=event.payload if _is_plain(event.payload, MOST_PAYLOAD) else "",
        echo_mark=_id(event.echo_mark),
        begins=tuple(filter(None, map(_id, event.begins[:MOST_IDS]))),
        reason=_label(event.reason),
        cut=_id(event.cut),
        profile=None if event.profile is None else _bound_profile(event.profile),
    )


def _bound_attachment(came: InAttachment) -> InAttachment:
    size = came.size
    return replace(
        came,
        source=_source(came.source),
        name=_label(came.name),
        mime=came.mime if _MIME.fullmatch(came.mime) else "",
        size=size if size is not None and 0 <= size <= MOST_SIZE else None,
        title=clean_name(came.title)[:MOST_SOURCE],
        phone=_label(came.phone),
    )


def _bound_profile(told: Profile) -> Profile:
    return Profile(
        name=_label(told.name),
        username=_label(told.username),
        language=_id(told.language),
        avatar=_source(told.avatar),
        phone=_label(told.phone),
    )


def _id(text: str) -> str:
    return text if _is_plain(text, MOST_ID) else ""


def _source(text: str) -> str:
    return text if _is_plain(text, MOST_SOURCE) else ""


def _is_plain(text: str, most: int) -> bool:
    return len(text) <= most and text.isprintable()


def _label(text: str) -> str:
    return clean_name(text[: MOST_LABEL * 4])[:MOST_LABEL]
