"""What goes out to messengers: promised with its cause, sent part by part, and its outcome written down."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from knopka.db import conversations as db_conversations
from knopka.db import outbox as db
from knopka.db.database import Row, Transaction
from knopka.db.jobs import cancel_job, has_job, insert_job
from knopka.db.outbox import Delivery
from knopka.domain.buttons import leave_out_unanswerable
from knopka.domain.conversation import Message
from knopka.domain.errors import ChatGone, Conflict, NotFound
from knopka.domain.formatting import split_marked
from knopka.domain.messaging import Channel, ChannelKind, MessageState, OutboxKey, SentMessage
from knopka.services import bot_runs, early, events
from knopka.services.catalog import ACCOUNT
from knopka.services.jobs import JobEnd, share_of

CHORE = "chore"
"""The kind of the job of everything else that is asked of a platform: this and the platform, and each
channel has a share of it."""
DELIVER = "deliver"
"""The kind of a delivery's job is this and its platform, of which each channel has a share, so that neither
a stuck platform nor a stuck channel holds up anybody else."""

MARGIN = 16
"""UTF-16 units left free in each part, for what a platform adds by itself."""

_WORST_FIRST = (MessageState.FAILED, MessageState.UNCERTAIN, MessageState.WAITING, MessageState.SENT)


def deliver_kind(kind: ChannelKind) -> str:
    return f"{DELIVER}.{kind.value}"


def chore_kind(kind: ChannelKind) -> str:
    return f"{CHORE}.{kind.value}"


def lane(channel_id: int, conversation_id: int) -> str:
    """The key of everything that goes out in one conversation: it keeps its order."""
    return f"out:{channel_id}:{conversation_id}"


def enqueue(tx: Transaction, channel: Channel, held: Row, message: Message) -> None:
    """Promise the message to its messenger, in as many parts as that takes; its buttons go with the last."""
    parts = split_marked(message.text, channel.caps.text_most - MARGIN)
    buttons = leave_out_unanswerable(message.buttons, channel.caps)
    for part, text in enumerate(parts):
        under = buttons if part == len(parts) - 1 else ()
        key = OutboxKey(secrets.token_hex(16))
        delivery_id = db.insert_delivery(tx, held, message.id, part, text, key, channel.echo_mark(key), under)
        _start(tx, channel.kind, held["channel_id"], held["id"], delivery_id)


def _start(
    tx: Transaction, kind: ChannelKind, channel_id: int, conversation_id: int, delivery_id: int
) -> None:
    payload = _payload(channel_id, conversation_id, delivery_id)
    share = share_of(deliver_kind(kind), channel_id)
    insert_job(tx, ACCOUNT, lane(channel_id, conversation_id), share, payload)


def _payload(channel_id: int, conversation_id: int, delivery_id: int) -> Mapping[str, Any]:
    return {"delivery": delivery_id, "channel": channel_id, "conversation": conversation_id}


def resend(tx: Transaction, channel: Channel, held: Row, message: Message) -> None:
    """Send what failed or is in doubt once more, from the first such part on; parts that came through stay
    as they are."""
    known = db.list_deliveries(tx, message.id)
    parts = [part for part in known if part.state in _WORST_FIRST[:2]]
    if not parts and any(part.state is MessageState.WAITING for part in known):
        raise Conflict("The message is on its way already; nothing of it has failed.")
    if not parts:
        raise Conflict("Nothing of this message is left to be sent again.")
    for part in parts:
        db.send_anew(tx, part.id)
        _start(tx, channel.kind, part.channel_id, held["id"], part.id)
    db_conversations.set_message_state(tx, message.id, MessageState.WAITING)
    db_conversations.touch(tx, held)


def tell_read(tx: Transaction, channel: Channel, held: Row, seq: int) -> None:
    """Have the person told how far he has been read; one such errand waits at most for each conversation,
    and tells what is the newest when it goes."""
    platform_id = db_conversations.find_last_platform_id(tx, held["id"], seq)
    if platform_id is not None and not has_job(tx, ACCOUNT, _read_key(held)):
        _promise_read(tx, channel.kind, held, platform_id)


def _read_key(held: Row) -> str:
    return f"read:{held['id']}"


def _promise_read(tx: Transaction, kind: ChannelKind, held: Row, platform_id: str) -> None:
    errand = {
        "do": "read",
        "channel": held["channel_id"],
        "chat_id": held["chat_id"],
        "conversation": held["id"],
        "message_id": platform_id,
    }
    insert_job(tx, ACCOUNT, _read_key(held), share_of(chore_kind(kind), held["channel_id"]), errand)


def find_read(tx: Transaction, conversation_id: int) -> str | None:
    """What the messenger calls the newest of the person's messages that an operator has read."""
    row = db_conversations.find_row(tx, ACCOUNT, conversation_id)
    if row is None:
        return None
    return db_conversations.find_last_platform_id(tx, row["id"], row["operator_read_seq"])


def note_told(tx: Transaction, payload: Mapping[str, Any], told: str) -> None:
    """The person was told of this message, or cannot be; what was read meanwhile he is told next."""
    held = db_conversations.lock_conversation(tx, ACCOUNT, payload["conversation"])
    newest = None if held is None else find_read(tx, held["id"])
    if held is not None and newest not in (None, told):
        _promise_read(tx, ChannelKind(held["channel"]), held, str(newest))


def find_turn(tx: Transaction, delivery_id: int) -> tuple[Delivery, Row, bool] | None:
    """The delivery, where it goes, and whether the parts of its message that stand before it have gone."""
    found = db.find_delivery(tx, ACCOUNT, delivery_id)
    if found is None:
        return None
    delivery, chat = found
    before = db.list_deliveries(tx, delivery.message_id)[: delivery.part]
    return delivery, chat, all(part.state is not MessageState.WAITING for part in before)


def note_sent(tx: Transaction, payload: Mapping[str, Any], result: SentMessage, *, now: datetime) -> None:
    """The messenger has taken one part."""
    held = _hold(tx, payload)
    found = db.find_delivery(tx, ACCOUNT, payload["delivery"])
    if found is None:
        return
    delivery, _ = found
    sent_at = result.begun_at or delivery.sent_at or now
    db.set_sent(tx, delivery.id, result.message_id, sent_at)
    judge_message(tx, held, delivery.message_id)
    early.take_up_marks(tx, held, now=now)


def note_end(tx: Transaction, payload: Mapping[str, Any], end: JobEnd, *, now: datetime) -> None:
    """One part will not be sent by itself any more: say why, and that the chat is gone if it is."""
    held = _hold(tx, payload)
    found = db.find_delivery(tx, ACCOUNT, payload["delivery"])
    if found is None or found[0].state is MessageState.SENT:
        return
    delivery, _ = found
    if end.code == ChatGone.code and held["chat_gone"] is None:
        window = db_conversations.read_window(held)
        db_conversations.set_reach(tx, held, chat_gone="gone", window=window, now=now)
    state = MessageState.UNCERTAIN if end.how == MessageState.UNCERTAIN.value else MessageState.FAILED
    code = "gave_up" if end.how == "failed" else end.code
    end_part(tx, held, delivery, state, error=code, detail=end.reason)


def end_part(
    tx: Transaction, held: Row, delivery: Delivery, state: MessageState, *, error: str, detail: str
) -> None:
    """One part has failed or is in doubt, and those behind it that still wait share its lot: they are not
    sent, and an operator decides on all of them (D-04, D-06).

    So it is in doubt as well. Most likely the part has arrived; but if it has
    not, the rest would stand behind a gap, and the part itself, sent again,
    behind the rest.
    """
    db.set_state(tx, delivery.id, state)
    for part in db.list_deliveries(tx, delivery.message_id):
        if part.part > delivery.part and part.state is MessageState.WAITING:
            db.set_state(tx, part.id, state)
            at = part.channel_id, part.conversation_id
            cancel_job(tx, ACCOUNT, lane(*at), _payload(*at, part.id))
    judge_message(tx, held, delivery.message_id, error=error, detail=detail)


def judge_message(
    tx: Transaction, held: Row, message_id: int, *, error: str | None = None, detail: str = ""
) -> None:
    """A message stands as the worst of its parts does; tell the operators."""
    states = {part.state for part in db.list_deliveries(tx, message_id)}
    state = next((state for state in _WORST_FIRST if state in states), MessageState.SENT)
    is_bad = state in _WORST_FIRST[:2]
    before = db_conversations.find_message_by_id(tx, held, message_id)
    if is_bad and error is None and before is not None:
        error, detail = before.error, before.error_detail
    db_conversations.set_message_state(tx, message_id, state, error if is_bad else None, detail)
    db_conversations.touch(tx, held)
    message = db_conversations.find_message_by_id(tx, held, message_id)
    was_failed = before is not None and before.state is MessageState.FAILED
    if message is not None and state is MessageState.FAILED and not was_failed:
        bot_runs.notice_undelivered(tx, message, message.error or "")
    events.publish_conversation(tx, held["account_id"], held["id"], message)


def _hold(tx: Transaction, payload: Mapping[str, Any]) -> Row:
    held = db_conversations.lock_conversation(tx, ACCOUNT, payload["conversation"])
    if held is None:
        raise NotFound("There is no such conversation.")
    return held
