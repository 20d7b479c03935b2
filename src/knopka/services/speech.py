"""How our side speaks: the one way in which an operator or a bot puts a message into a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from knopka.db import conversations as db
from knopka.db.database import Row, Transaction
from knopka.domain.bot.state import EndReason
from knopka.domain.buttons import Rows, clean_buttons
from knopka.domain.conversation import Author, BotAuthor, Message, Operator
from knopka.domain.errors import Conflict, NotFound
from knopka.domain.messaging import Button, Channel, Channels, Direction, MessageState
from knopka.services import events, outbox
from knopka.services.catalog import ACCOUNT
from knopka.services.repeats import hash_body, refuse_other
from knopka.services.texts import parse_text


def speak(
    tx: Transaction,
    held: Row,
    *,
    key: str,
    text: str,
    buttons: Sequence[Sequence[Button]] = (),
    author: Author,
    channels: Channels,
    now: datetime,
) -> Message:
    """Say something in a conversation whose row is held, which opens a closed one again.

    What goes to a messenger is promised in the same transaction. The same key
    again is the same message; with another text it raises Conflict, as does a
    chat that cannot be reached, and for a bot one whose window is closed. `held`
    may be older than what was said since in this transaction.
    """
    text, rows = parse_text(text), clean_buttons(buttons)
    held = hold(tx, held["id"])
    body_hash = hash_body(text, rows) if rows else hash_body(text)
    found = db.find_message(tx, held, Direction.OUT, key)
    if found is not None:
        refuse_other(found[1], body_hash)
        return found[0]
    channel = get_channel(channels, held)
    if channel is not None:
        refuse_unreachable(held, now, is_bot=isinstance(author, BotAuthor))
    message = _append(tx, held, key, body_hash, text, rows, author, channel, now)
    if channel is not None:
        outbox.enqueue(tx, channel, held, message)
    events.publish_conversation(tx, ACCOUNT, held["id"], message)
    events.publish_message(tx, held["visitor_id"], message)
    return message


def _append(
    tx: Transaction,
    held: Row,
    key: str,
    body_hash: str,
    text: str,
    rows: Rows,
    author: Author,
    channel: Channel | None,
    now: datetime,
) -> Message:
    """Keep the message, and bring the conversation up to it."""
    operator, bot = (author, None) if isinstance(author, Operator) else (None, author)
    message = db.append_message(
        tx,
        held,
        direction=Direction.OUT,
        key=key,
        body_hash=body_hash,
        text=text,
        operator_id=None if operator is None else operator.id,
        operator_name=None if operator is None else operator.name,
        now=now,
        state=None if channel is None else MessageState.WAITING,
        bot=bot,
        buttons=rows,
    )
    if message is None:
        raise NotFound("There is no such message.")
    db.take_message(
        tx,
        held,
        message=message,
        contact_id=held["contact_id"],
        lead_id=held["lead_id"],
        visit_id=held["visit_id"],
        page_url=held["page_url"],
        now=now,
    )
    return message


def may_speak(held: Row, channels: Channels, now: datetime) -> EndReason | None:
    """Why a bot cannot say anything in this conversation now; None when it can.

    A person may still answer late where a platform has a way for that, or for
    money. A bot never does.
    """
    if held["channel_id"] is None:
        return None
    if held["chat_gone"] is not None or channels.find(held["channel_id"]) is None:
        return EndReason.CHAT_GONE
    window = db.read_window(held)
    return None if window is None or window.is_open(now) else EndReason.WINDOW_CLOSED


def get_channel(channels: Channels, held: Row) -> Channel | None:
    """What the conversation goes through; None for the chat on the page. Raises Conflict when it is gone."""
    if held["channel_id"] is None:
        return None
    channel = channels.find(held["channel_id"])
    if channel is None:
        raise Conflict("The channel of this conversation was removed or switched off.")
    return channel


def refuse_unreachable(held: Row, now: datetime, *, is_bot: bool = False) -> None:
    """What surely cannot arrive is refused at once, while its writer still sees it."""
    if held["chat_gone"] is not None:
        raise Conflict("The person has blocked us or left; nothing can be sent until they write again.")
    window = db.read_window(held)
    if window is not None and not window.is_open(now) and (is_bot or not window.takes_late(now)):
        raise Conflict("The time for answers in this messenger is over until the person writes again.")


def hold(tx: Transaction, conversation_id: int) -> Row:
    held = db.lock_conversation(tx, ACCOUNT, conversation_id)
    if held is None:
        raise NotFound("There is no such conversation.")
    return held
