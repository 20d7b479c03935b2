"""What operators do: read, answer, close, note."""

from __future__ import annotations

from datetime import datetime, timedelta

from knopka.db import conversations as db
from knopka.db import crm as db_crm
from knopka.db.clock import MILLISECOND, to_ms
from knopka.db.database import Row, Transaction
from knopka.domain.bot.state import EndReason
from knopka.domain.conversation import Conversation, ConversationStatus, Message, Operator
from knopka.domain.crm import Note
from knopka.domain.errors import Conflict, NotFound
from knopka.domain.messaging import Channel, Channels, Direction
from knopka.domain.meta import Entity
from knopka.services import bot_runs, cursors, events, outbox
from knopka.services.catalog import ACCOUNT
from knopka.services.repeats import is_first
from knopka.services.speech import get_channel, hold, refuse_unreachable, speak
from knopka.services.texts import parse_text
from knopka.services.views import Changes, ConversationPage

OVERLAP = timedelta(seconds=60)
"""A writer of another process may commit what it began this long ago; lists of changes reach back so far."""


class NoChannels:
    """Where only the chat on the page is answered."""

    def find(self, channel_id: int) -> Channel | None:
        return None


def reply(
    tx: Transaction,
    operator: Operator,
    conversation_id: int,
    key: str,
    text: str,
    *,
    now: datetime,
    channels: Channels = NoChannels(),  # noqa: B008  # has no state
) -> Message:
    """Answer the visitor, which opens a closed conversation again and ends what a bot says there.

    What goes to a messenger is promised in the same transaction. The same key
    again is the same message; with another text it raises Conflict, as does a
    chat that cannot be reached.
    """
    held = hold(tx, conversation_id)
    if held["bot_run_id"] is not None and db.find_message(tx, held, Direction.OUT, key) is None:
        bot_runs.stop(tx, held, EndReason.OPERATOR, now=now)
    return speak(tx, held, key=key, text=text, author=operator, channels=channels, now=now)


def _known(message: Message | None) -> Message:
    if message is None:
        raise NotFound("There is no such message.")
    return message


def resend(
    tx: Transaction,
    operator: Operator,
    conversation_id: int,
    message_id: int,
    key: str,
    *,
    channels: Channels,
    now: datetime,
) -> Message:
    """Send a message once more that failed or is in doubt. The same key again does nothing more."""
    held = hold(tx, conversation_id)
    message = _known(db.find_message_by_id(tx, held, message_id))
    if is_first(tx, ACCOUNT, f"message:{message_id}:resend", key, operator.id, now=now):
        channel = get_channel(channels, held)
        if channel is None:
            raise Conflict("Nothing of this message is left to be sent again.")
        refuse_unreachable(held, now)
        outbox.resend(tx, channel, held, message)
        message = _known(db.find_message_by_id(tx, held, message_id))
        events.publish_conversation(tx, ACCOUNT, conversation_id, message)
    return message


def mark_read(
    tx: Transaction,
    operator: Operator,
    conversation_id: int,
    seq: int,
    *,
    now: datetime,
    channels: Channels = NoChannels(),  # noqa: B008  # has no state
) -> None:
    """Everything up to this number has been read by an operator. The mark only ever goes forward."""
    held = hold(tx, conversation_id)
    read = min(seq, held["last_seq"])
    if read <= held["operator_read_seq"]:
        return
    db.mark(
        tx,
        held,
        operator_read_seq=read,
        visitor_read_seq=held["visitor_read_seq"],
        visitor_delivered_seq=held["visitor_delivered_seq"],
        unread=db.count_messages(tx, conversation_id, Direction.IN, read),
        now=now,
    )
    events.publish_conversation(tx, ACCOUNT, conversation_id, None)
    events.publish_seen(tx, held["visitor_id"], conversation_id, read)
    channel = None if held["channel_id"] is None else channels.find(held["channel_id"])
    if channel is not None and channel.caps.marks_read:
        outbox.tell_read(tx, channel, held, read)


def close(
    tx: Transaction, operator: Operator, conversation_id: int, key: str, *, now: datetime
) -> Conversation:
    """Put the conversation away until somebody writes again."""
    return _set_status(tx, operator, conversation_id, key, ConversationStatus.CLOSED, now)


def reopen(
    tx: Transaction, operator: Operator, conversation_id: int, key: str, *, now: datetime
) -> Conversation:
    """Take the conversation up again."""
    return _set_status(tx, operator, conversation_id, key, ConversationStatus.OPEN, now)


def _set_status(
    tx: Transaction,
    operator: Operator,
    conversation_id: int,
    key: str,
    status: ConversationStatus,
    now: datetime,
) -> Conversation:
    held = hold(tx, conversation_id)
    scope = f"conversation:{conversation_id}:status"
    if is_first(tx, ACCOUNT, scope, key, operator.id, status, now=now) and held["status"] != status:
        db.set_status(tx, held, status, now)
        if status is ConversationStatus.CLOSED:
            bot_runs.stop(tx, held, EndReason.CLOSED, now=now)
        events.publish_conversation(tx, ACCOUNT, conversation_id, None)
    return get_conversation(tx, conversation_id)


def add_note(
    tx: Transaction,
    operator: Operator,
    entity: Entity,
    entity_id: int,
    key: str,
    text: str,
    *,
    now: datetime,
) -> Note:
    """Put an operator's note on a card. The same key again is the same note."""
    text = parse_text(text)
    scope = f"{entity.value}:{entity_id}:note"
    if not is_first(tx, ACCOUNT, scope, key, operator.id, text, now=now):
        return _get_note(tx, db_crm.find_answer(tx, ACCOUNT, scope, key))
    if not db_crm.touch_card(tx, ACCOUNT, entity, entity_id, now):
        raise NotFound("There is no such card.")
    lead_ids = [entity_id] if entity is Entity.LEAD else db_crm.list_lead_ids(tx, ACCOUNT, entity_id)
    note_id = db_crm.append_note(
        tx, ACCOUNT, entity, entity_id, "common", {"text": text}, created_by=operator.id, now=now
    )
    db_crm.keep_answer(tx, ACCOUNT, scope, key, str(note_id))
    for lead_id in lead_ids:
        events.publish_card(tx, ACCOUNT, lead_id)
    return _get_note(tx, {"answer": str(note_id)})


def _get_note(tx: Transaction, answer: Row | None) -> Note:
    note = None if answer is None else db_crm.find_note(tx, ACCOUNT, int(answer["answer"]))
    if note is None:
        raise NotFound("There is no such note.")
    return note


def list_conversations(
    tx: Transaction, *, status: str = "all", before: str | None = None, limit: int = 50
) -> ConversationPage:
    """A page of conversations, the one with the newest message first. `status` is open, closed or all."""
    wanted = None if status == "all" else ConversationStatus(status)
    place = None if before is None else cursors.read_number(before)
    found = db.list_conversations(tx, ACCOUNT, status=wanted, before=place, limit=limit + 1)
    shown = tuple(found[:limit])
    return ConversationPage(
        conversations=shown,
        next=_cursor_behind(shown[-1]) if len(found) > limit else None,
        cursor=tx.now,
        unread=db.count_unread(tx, ACCOUNT),
    )


def _cursor_behind(last: Conversation) -> str:
    return cursors.write(to_ms(last.last_message_at or last.created_at), last.id)


def list_changes(tx: Transaction, *, since: datetime, limit: int = 100) -> Changes:
    """What has changed since the cursor of the last answer, and a little more: repeats are to be expected."""
    found = db.list_changes(tx, ACCOUNT, since - OVERLAP, limit + 1)
    if len(found) <= limit:
        return Changes(tuple(found), tx.now, has_more=False)
    boundary = found[-1].changed_at
    whole = tuple(shown for shown in found if shown.changed_at < boundary)
    if whole:
        return Changes(whole, boundary + OVERLAP, has_more=True)
    # More changes at one moment than a page holds: they are given at once, or the cursor would stand still.
    at_once = tuple(db.list_changed_at(tx, ACCOUNT, boundary))
    return Changes(at_once, boundary + MILLISECOND + OVERLAP, has_more=True)


def list_messages(
    tx: Transaction, conversation_id: int, *, before: int | None, after: int | None, limit: int
) -> list[Message]:
    """Messages before or after a number, or the newest; the oldest first."""
    row = db.find_row(tx, ACCOUNT, conversation_id)
    if row is None:
        raise NotFound("There is no such conversation.")
    return db.list_messages(tx, row, after=after, before=before, limit=limit)


def get_conversation(tx: Transaction, conversation_id: int) -> Conversation:
    found = db.find_conversation(tx, ACCOUNT, conversation_id)
    if found is None:
        raise NotFound("There is no such conversation.")
    return found
