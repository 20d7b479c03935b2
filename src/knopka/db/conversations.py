"""SQL of conversations and their messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.attachments import list_attachments
from knopka.db.buttons import read_pressed, read_rows, write_pressed, write_rows
from knopka.db.clock import from_ms, to_ms
from knopka.db.crm import EMPTY_NAMES
from knopka.db.database import Row, Transaction
from knopka.db.named import changes, columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import (
    bot_runs,
    bots,
    channels,
    contacts,
    conversations,
    incoming_leads,
    leads,
    messages,
    operators,
    sources,
    visitors,
)
from knopka.domain.bot.payload import Pressed
from knopka.domain.buttons import Rows
from knopka.domain.conversation import (
    AnswerWindow,
    BotAuthor,
    Conversation,
    ConversationId,
    ConversationStatus,
    Message,
    MessageId,
    OperatorId,
)
from knopka.domain.messaging import ChannelKind, Direction, MessageState, WindowKind
from knopka.domain.visitor import Source

EXCERPT = 200
"""How much of the last message a list shows."""
MOST_WITH_BUTTONS = 200
"""Messages with buttons among which a pressed one is looked for: as many as one run of a bot may send."""

MOST_LINES = 50
"""Lines of ours among which the newest link is looked for by which the person came."""

_OF_ACCOUNT = and_(
    conversations.c.account_id == bindparam("account_id"), conversations.c.id == bindparam("conversation_id")
)
_TOUCH = Statement(
    insert(conversations)
    .values(
        columns(
            "account_id", "source_id", "channel", "visitor_id", "status", "is_visit_unknown", "last_seq",
            "last_text", "operator_read_seq", "visitor_read_seq", "visitor_delivered_seq", "unread",
            "page_url", "created_at", "changed_at", "channel_id", "chat_id",
        )
    )
    .on_conflict_do_update(
        index_elements=["visitor_id", "channel"], set_={"changed_at": bindparam("changed_at")}
    )
    .returning(conversations)
)  # fmt: skip
_ROW = Statement(select(conversations).where(_OF_ACCOUNT))
_LOCK = Statement(select(conversations).where(_OF_ACCOUNT).with_for_update())
_OF_VISITOR = Statement(
    select(conversations).where(
        conversations.c.account_id == bindparam("account_id"),
        conversations.c.visitor_id == bindparam("visitor_id"),
        conversations.c.channel == bindparam("channel"),
    )
)
_LOCK_OF_VISITOR = Statement(
    select(conversations)
    .where(
        conversations.c.account_id == bindparam("account_id"),
        conversations.c.visitor_id == bindparam("visitor_id"),
    )
    .order_by(conversations.c.id)
    .limit(1)
    .with_for_update()
)
_VISITOR = Statement(select(conversations.c.visitor_id).where(_OF_ACCOUNT))
_UPDATE = Statement(
    update(conversations)
    .where(conversations.c.account_id == bindparam("account"), conversations.c.id == bindparam("of_id"))
    .values(changes("status", "changed_at"))
)
_SET_REACH = Statement(
    update(conversations)
    .where(conversations.c.account_id == bindparam("account"), conversations.c.id == bindparam("of_id"))
    .values(
        changes("chat_gone", "reach_at", "window_kind", "window_ends_at", "window_late_until", "changed_at")
    )
)
_TOUCH_ONE = Statement(
    update(conversations)
    .where(conversations.c.account_id == bindparam("account"), conversations.c.id == bindparam("of_id"))
    .values(changes("changed_at"))
)
_MOVE_TO_LEAD = Statement(
    update(conversations)
    .where(conversations.c.account_id == bindparam("account"), conversations.c.id == bindparam("of_id"))
    .values(changes("contact_id", "lead_id", "visit_id", "is_visit_unknown", "changed_at"))
)
_COUNT_OF_CONTACT = Statement(
    select(func.count().label("conversations"))
    .select_from(conversations)
    .join(visitors, visitors.c.id == conversations.c.visitor_id)
    .where(
        conversations.c.account_id == bindparam("account_id"),
        visitors.c.contact_id == bindparam("contact_id"),
    )
)
_LATEST_OF_CHANNEL = Statement(
    select(conversations)
    .where(
        conversations.c.account_id == bindparam("account_id"),
        conversations.c.channel_id == bindparam("channel_id"),
        conversations.c.chat_gone.is_(None),
    )
    .order_by(conversations.c.last_message_at.desc(), conversations.c.id.desc())
    .limit(1)
)
_TAKE_MESSAGE = Statement(
    update(conversations)
    .where(conversations.c.account_id == bindparam("account"), conversations.c.id == bindparam("of_id"))
    .values(
        {
            **changes(
                "contact_id", "lead_id", "visit_id", "status", "last_seq", "last_text", "last_direction",
                "last_message_at", "page_url", "changed_at",
            ),
            "unread": conversations.c.unread + bindparam("more_unread"),
        }
    )
)  # fmt: skip
_MARK = Statement(
    update(conversations)
    .where(conversations.c.account_id == bindparam("account"), conversations.c.id == bindparam("of_id"))
    .values(changes("operator_read_seq", "visitor_read_seq", "visitor_delivered_seq", "unread", "changed_at"))
)
_COUNT_UNREAD = Statement(
    select(func.count().label("unread"))
    .select_from(messages)
    .where(
        messages.c.conversation_id == bindparam("conversation_id"),
        messages.c.direction == bindparam("direction"),
        messages.c.seq > bindparam("after_seq"),
    )
)
_TOUCH_OF_LEAD = Statement(
    update(conversations)
    .where(
        conversations.c.account_id == bindparam("account"), conversations.c.lead_id == bindparam("of_lead")
    )
    .values(changes("changed_at"))
)
# Before a page's name is tried: while one of both names is still ours, the lists may come to show another.
_TOUCH_UNNAMED = Statement(
    update(conversations)
    .where(
        conversations.c.account_id == bindparam("account"),
        conversations.c.lead_id == bindparam("of_lead"),
        exists(
            select(leads.c.id)
            .join(contacts, contacts.c.id == leads.c.contact_id)
            .where(
                leads.c.id == bindparam("of_lead"),
                or_(leads.c.name_origin.in_(EMPTY_NAMES), contacts.c.name_origin.in_(EMPTY_NAMES)),
            )
        ),
    )
    .values(changes("changed_at"))
)

_SUMMARY = (
    select(
        conversations,
        sources.c.name.label("source_name"),
        contacts.c.name.label("visitor_name"),
        contacts.c.avatar,
        channels.c.title.label("channel_title"),
        channels.c.state.label("channel_state"),
        channels.c.is_enabled.label("is_channel_enabled"),
        channels.c.removed_at.label("channel_removed_at"),
        leads.c.name.label("lead_name"),
        incoming_leads.c.uid.label("unsorted_uid"),
        incoming_leads.c.state.label("unsorted_state"),
        bots.c.id.label("talking_bot_id"),
        bots.c.name.label("talking_bot_name"),
    )
    .join(sources, sources.c.id == conversations.c.source_id)
    .join(contacts, contacts.c.id == conversations.c.contact_id, isouter=True)
    .join(channels, channels.c.id == conversations.c.channel_id, isouter=True)
    .join(leads, leads.c.id == conversations.c.lead_id, isouter=True)
    .join(incoming_leads, incoming_leads.c.lead_id == conversations.c.lead_id, isouter=True)
    .join(bot_runs, bot_runs.c.id == conversations.c.bot_run_id, isouter=True)
    .join(bots, bots.c.id == bot_runs.c.bot_id, isouter=True)
    .where(conversations.c.account_id == bindparam("account_id"))
)
_GET = Statement(_SUMMARY.where(conversations.c.id == bindparam("conversation_id")))
_OF_LEAD = Statement(
    _SUMMARY.where(conversations.c.lead_id == bindparam("lead_id")).order_by(conversations.c.id).limit(20)
)
_NEWEST_FIRST = _SUMMARY.order_by(conversations.c.last_message_at.desc(), conversations.c.id.desc()).limit(
    bindparam("most")
)
_BEFORE = tuple_(conversations.c.last_message_at, conversations.c.id) < tuple_(
    bindparam("before_at"), bindparam("before_id")
)
_HAS_STATUS = conversations.c.status == bindparam("status")
_LISTS = {
    (False, False): Statement(_NEWEST_FIRST),
    (False, True): Statement(_NEWEST_FIRST.where(_BEFORE)),
    (True, False): Statement(_NEWEST_FIRST.where(_HAS_STATUS)),
    (True, True): Statement(_NEWEST_FIRST.where(_HAS_STATUS, _BEFORE)),
}
_CHANGES = Statement(
    _SUMMARY.where(conversations.c.changed_at >= bindparam("since"))
    .order_by(conversations.c.changed_at, conversations.c.id)
    .limit(bindparam("most"))
)
_CHANGED_AT = Statement(
    _SUMMARY.where(conversations.c.changed_at == bindparam("changed_at")).order_by(conversations.c.id)
)
_TOTAL_UNREAD = Statement(
    select(func.coalesce(func.sum(conversations.c.unread), 0).label("unread")).where(
        conversations.c.account_id == bindparam("account_id"),
        conversations.c.status == ConversationStatus.OPEN.value,
    )
)

_INSERT_MESSAGE = Statement(
    insert(messages)
    .values(
        columns(
            "account_id", "conversation_id", "seq", "direction", "operator_id", "key", "body_hash", "text",
            "created_at", "state", "event", "platform_id", "is_elsewhere", "words_at",
            "bot_id", "bot_name", "buttons", "pressed",
        )
    )
    .on_conflict_do_nothing(index_elements=["conversation_id", "direction", "key"])
    .returning(messages.c.id)
)  # fmt: skip
_MESSAGES = (
    select(messages, operators.c.name.label("operator_name"))
    .join(operators, operators.c.id == messages.c.operator_id, isouter=True)
    .where(
        messages.c.account_id == bindparam("account_id"),
        messages.c.conversation_id == bindparam("conversation_id"),
    )
)
_FIND_MESSAGE = Statement(
    _MESSAGES.where(messages.c.direction == bindparam("direction"), messages.c.key == bindparam("key"))
)
_AFTER = (
    _MESSAGES.where(messages.c.seq > bindparam("after_seq")).order_by(messages.c.seq).limit(bindparam("most"))
)
_BEFORE_SEQ = (
    _MESSAGES.where(messages.c.seq < bindparam("before_seq"))
    .order_by(messages.c.seq.desc())
    .limit(bindparam("most"))
)
_MESSAGES_AFTER = Statement(_AFTER)
_MESSAGES_BEFORE = Statement(_BEFORE_SEQ)
_IS_WORD = messages.c.direction != Direction.SYSTEM.value
_WORDS_AFTER = Statement(_AFTER.where(_IS_WORD))
_WORDS_BEFORE = Statement(_BEFORE_SEQ.where(_IS_WORD))


def touch_conversation(
    tx: Transaction,
    source: Source,
    visitor_id: int,
    channel: ChannelKind,
    page_url: str,
    now: datetime,
    *,
    channel_id: int | None = None,
    chat_id: str | None = None,
    is_visit_unknown: bool = False,
) -> Row:
    """Find or make the visitor's conversation in this channel, and hold its row."""
    at = to_ms(now)
    row = tx.row(
        _TOUCH,
        account_id=source.account_id,
        source_id=source.id,
        channel=channel.value,
        visitor_id=visitor_id,
        status=ConversationStatus.OPEN.value,
        is_visit_unknown=is_visit_unknown,
        last_seq=0,
        last_text="",
        operator_read_seq=0,
        visitor_read_seq=0,
        visitor_delivered_seq=0,
        unread=0,
        page_url=page_url,
        created_at=at,
        changed_at=at,
        channel_id=channel_id,
        chat_id=chat_id,
    )
    return returned(row)


def lock_conversation(tx: Transaction, account_id: int, conversation_id: int) -> Row | None:
    return tx.row(_LOCK, account_id=account_id, conversation_id=conversation_id)


def lock_conversation_of(tx: Transaction, account_id: int, visitor_id: int) -> Row | None:
    """The one conversation of a messenger's user, whose row is held."""
    return tx.row(_LOCK_OF_VISITOR, account_id=account_id, visitor_id=visitor_id)


def find_row_of_visitor(
    tx: Transaction, account_id: int, visitor_id: int, channel: ChannelKind
) -> Row | None:
    """The visitor's conversation in this channel, without holding it."""
    return tx.row(_OF_VISITOR, account_id=account_id, visitor_id=visitor_id, channel=channel.value)


def find_visitor_of(tx: Transaction, account_id: int, conversation_id: int) -> int | None:
    row = tx.row(_VISITOR, account_id=account_id, conversation_id=conversation_id)
    return None if row is None else int(row["visitor_id"])


def take_message(
    tx: Transaction,
    held: Row,
    *,
    message: Message,
    contact_id: int | None,
    lead_id: int | None,
    visit_id: int | None,
    page_url: str,
    now: datetime,
) -> None:
    """Bring the conversation up to its newest message, which opens it again. A line of ours moves the
    conversation up, and leaves the last words in sight and a closed conversation closed."""
    is_ours = message.direction is Direction.SYSTEM
    tx.run(
        _TAKE_MESSAGE,
        account=held["account_id"],
        of_id=held["id"],
        new_contact_id=contact_id,
        new_lead_id=lead_id,
        new_visit_id=visit_id,
        new_status=held["status"] if is_ours else ConversationStatus.OPEN.value,
        new_last_seq=message.seq,
        new_last_text=held["last_text"] if is_ours else message.text[:EXCERPT],
        new_last_direction=held["last_direction"] if is_ours else message.direction.value,
        new_last_message_at=to_ms(message.created_at),
        new_page_url=page_url,
        new_changed_at=to_ms(now),
        more_unread=1 if message.direction is Direction.IN else 0,
    )


def set_status(tx: Transaction, held: Row, status: ConversationStatus, now: datetime) -> None:
    tx.run(
        _UPDATE,
        account=held["account_id"],
        of_id=held["id"],
        new_status=status.value,
        new_changed_at=to_ms(now),
    )


def mark(
    tx: Transaction,
    held: Row,
    *,
    operator_read_seq: int,
    visitor_read_seq: int,
    visitor_delivered_seq: int,
    unread: int,
    now: datetime,
) -> None:
    """Store how far the conversation has been delivered and read."""
    tx.run(
        _MARK,
        account=held["account_id"],
        of_id=held["id"],
        new_operator_read_seq=operator_read_seq,
        new_visitor_read_seq=visitor_read_seq,
        new_visitor_delivered_seq=visitor_delivered_seq,
        new_unread=unread,
        new_changed_at=to_ms(now),
    )


def set_reach(
    tx: Transaction,
    held: Row,
    *,
    chat_gone: str | None,
    window: AnswerWindow | None,
    now: datetime,
    told_at: datetime | None = None,
) -> None:
    """Store whether the person can be reached, and until when; `told_at` is the messenger's time of it."""
    late = None if window is None else window.late_until
    tx.run(
        _SET_REACH,
        account=held["account_id"],
        of_id=held["id"],
        new_chat_gone=chat_gone,
        new_reach_at=held["reach_at"] if told_at is None else to_ms(told_at),
        new_window_kind=None if window is None else window.kind.value,
        new_window_ends_at=None if window is None else to_ms(window.ends_at),
        new_window_late_until=None if late is None else to_ms(late),
        new_changed_at=to_ms(now),
    )


def touch(tx: Transaction, held: Row) -> None:
    """Mark the conversation as changed: so is one of its messages."""
    tx.run(_TOUCH_ONE, account=held["account_id"], of_id=held["id"], new_changed_at=to_ms(tx.now))


def move_to_lead(
    tx: Transaction, held: Row, *, contact_id: int, lead_id: int | None, visit_id: int, now: datetime
) -> None:
    """Store on whose cards the conversation stands, now that its visit is known."""
    tx.run(
        _MOVE_TO_LEAD,
        account=held["account_id"],
        of_id=held["id"],
        new_contact_id=contact_id,
        new_lead_id=lead_id,
        new_visit_id=visit_id,
        new_is_visit_unknown=False,
        new_changed_at=to_ms(now),
    )


def count_of_contact(tx: Transaction, account_id: int, contact_id: int) -> int:
    """How many conversations the contact's chats have."""
    row = returned(tx.row(_COUNT_OF_CONTACT, account_id=account_id, contact_id=contact_id))
    return int(row["conversations"])


def find_latest_of_channel(tx: Transaction, account_id: int, channel_id: int) -> Row | None:
    """The channel's conversation with the newest message, of those that can be reached."""
    return tx.row(_LATEST_OF_CHANNEL, account_id=account_id, channel_id=channel_id)


def count_messages(tx: Transaction, conversation_id: int, direction: Direction, after_seq: int) -> int:
    row = tx.row(
        _COUNT_UNREAD, conversation_id=conversation_id, direction=direction.value, after_seq=after_seq
    )
    return int(returned(row)["unread"])


def touch_of_lead(tx: Transaction, account_id: int, lead_id: int, now: datetime) -> None:
    """Mark the lead's conversations as changed, and hold their rows: they come before the cards."""
    tx.run(_TOUCH_OF_LEAD, account=account_id, of_lead=lead_id, new_changed_at=to_ms(now))


def touch_unnamed(tx: Transaction, account_id: int, lead_id: int, now: datetime) -> bool:
    """The same, if one of the names that the lists show may still be given by a page."""
    return bool(tx.run(_TOUCH_UNNAMED, account=account_id, of_lead=lead_id, new_changed_at=to_ms(now)))


def find_conversation(tx: Transaction, account_id: int, conversation_id: int) -> Conversation | None:
    row = tx.row(_GET, account_id=account_id, conversation_id=conversation_id)
    return None if row is None else _conversation(row)


def list_of_lead(tx: Transaction, account_id: int, lead_id: int) -> list[Conversation]:
    return [_conversation(row) for row in tx.rows(_OF_LEAD, account_id=account_id, lead_id=lead_id)]


def list_conversations(
    tx: Transaction,
    account_id: int,
    *,
    status: ConversationStatus | None,
    before: tuple[int, int] | None,
    limit: int,
) -> list[Conversation]:
    """Conversations, the one with the newest message first."""
    where: dict[str, object] = {}
    if status is not None:
        where["status"] = status.value
    if before is not None:
        where["before_at"], where["before_id"] = before
    statement = _LISTS[status is not None, before is not None]
    return [_conversation(row) for row in tx.rows(statement, account_id=account_id, most=limit, **where)]


def list_changes(tx: Transaction, account_id: int, since: datetime, limit: int) -> list[Conversation]:
    """Conversations that have changed since then, in the order of their changes."""
    rows = tx.rows(_CHANGES, account_id=account_id, since=to_ms(since), most=limit)
    return [_conversation(row) for row in rows]


def list_changed_at(tx: Transaction, account_id: int, moment: datetime) -> list[Conversation]:
    """All conversations that changed last at this very moment: one batch of the writer has one clock."""
    rows = tx.rows(_CHANGED_AT, account_id=account_id, changed_at=to_ms(moment))
    return [_conversation(row) for row in rows]


def count_unread(tx: Transaction, account_id: int) -> int:
    """Unread messages of all open conversations."""
    return int(returned(tx.row(_TOTAL_UNREAD, account_id=account_id))["unread"])


def append_message(
    tx: Transaction,
    held: Row,
    *,
    direction: Direction,
    key: str,
    body_hash: str,
    text: str,
    operator_id: int | None,
    operator_name: str | None,
    now: datetime,
    state: MessageState | None = None,
    event: Mapping[str, Any] | None = None,
    platform_id: str | None = None,
    is_elsewhere: bool = False,
    words_at: datetime | None = None,
    bot: BotAuthor | None = None,
    buttons: Rows = (),
    pressed: Pressed | None = None,
) -> Message | None:
    """The next message of the conversation, whose row is held; None when its key was used before."""
    seq = held["last_seq"] + 1
    row = tx.row(
        _INSERT_MESSAGE,
        account_id=held["account_id"],
        conversation_id=held["id"],
        seq=seq,
        direction=direction.value,
        operator_id=operator_id,
        key=key,
        body_hash=body_hash,
        text=text,
        created_at=to_ms(now),
        state=None if state is None else state.value,
        event=None if event is None else json.dumps(event, ensure_ascii=False),
        platform_id=platform_id,
        is_elsewhere=is_elsewhere or None,
        words_at=None if words_at is None else to_ms(words_at),
        bot_id=None if bot is None else bot.bot_id,
        bot_name=None if bot is None else bot.name,
        buttons=write_rows(buttons),
        pressed=write_pressed(pressed),
    )
    if row is None:
        return None
    return Message(
        id=MessageId(row["id"]),
        conversation_id=ConversationId(held["id"]),
        seq=seq,
        direction=direction,
        text=text,
        key=key,
        created_at=now,
        state=MessageState.SENT if state is None else state,
        operator_id=None if operator_id is None else OperatorId(operator_id),
        operator_name=operator_name,
        event=event,
        is_elsewhere=is_elsewhere,
        words_at=words_at,
        bot=bot,
        buttons=buttons,
        pressed=pressed,
    )


def find_message(tx: Transaction, held: Row, direction: Direction, key: str) -> tuple[Message, str] | None:
    """The message with this key and the hash of what was sent with it."""
    row = tx.row(
        _FIND_MESSAGE,
        account_id=held["account_id"],
        conversation_id=held["id"],
        direction=direction.value,
        key=key,
    )
    return None if row is None else (_message(row, held), row["body_hash"])


def list_messages(
    tx: Transaction, held: Row, *, after: int | None, before: int | None, limit: int
) -> list[Message]:
    """Messages after or before a number, or the newest; always the oldest first."""
    where = {"account_id": held["account_id"], "conversation_id": held["id"], "most": limit}
    if after is not None:
        return _messages(tx, held, tx.rows(_MESSAGES_AFTER, after_seq=after, **where))
    last = held["last_seq"] + 1 if before is None else before
    return _messages(tx, held, tx.rows(_MESSAGES_BEFORE, before_seq=last, **where)[::-1])


def list_words(
    tx: Transaction, held: Row, *, after: int | None, before: int | None, limit: int
) -> list[Message]:
    """The same as the visitor sees it: without our own lines, which are for operators."""
    where = {"account_id": held["account_id"], "conversation_id": held["id"], "most": limit}
    if after is not None:
        return _messages(tx, held, tx.rows(_WORDS_AFTER, after_seq=after, **where))
    last = held["last_seq"] + 1 if before is None else before
    return _messages(tx, held, tx.rows(_WORDS_BEFORE, before_seq=last, **where)[::-1])


def _messages(tx: Transaction, held: Row, rows: Sequence[Row]) -> list[Message]:
    """The messages with what came with them; in the chat on the page nothing does."""
    shown = [_message(row, held) for row in rows]
    if held["channel_id"] is None or not shown:
        return shown
    came = list_attachments(tx, held["account_id"], [message.id for message in shown])
    return [
        replace(message, attachments=came[message.id]) if message.id in came else message for message in shown
    ]


def find_row(tx: Transaction, account_id: int, conversation_id: int) -> Row | None:
    """The conversation's own row, without holding it."""
    return tx.row(_ROW, account_id=account_id, conversation_id=conversation_id)


def _message(row: Row, held: Row) -> Message:
    operator_id = row["operator_id"]
    direction = Direction(row["direction"])
    return Message(
        id=MessageId(row["id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        seq=row["seq"],
        direction=direction,
        text=row["text"],
        key=row["key"],
        created_at=from_ms(row["created_at"]),
        state=_state(direction, row["seq"], row["state"], held),
        operator_id=None if operator_id is None else OperatorId(operator_id),
        operator_name=row["operator_name"],
        error=row["error"],
        error_detail=row["error_detail"] or "",
        event=None if row["event"] is None else json.loads(row["event"]),
        is_elsewhere=bool(row["is_elsewhere"]),
        edited_at=_moment(row["edited_at"]),
        deleted_at=_moment(row["deleted_at"]),
        words_at=_moment(row["words_at"]),
        bot=None if row["bot_id"] is None else BotAuthor(row["bot_id"], row["bot_name"] or ""),
        buttons=read_rows(row["buttons"]),
        pressed=read_pressed(row["pressed"]),
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _state(direction: Direction, seq: int, kept: str | None, held: Row) -> MessageState:
    """How far a message has come: by what is known of its delivery, then by the marks of the conversation."""
    if kept is not None and kept != MessageState.SENT.value:
        return MessageState(kept)
    if direction is Direction.IN:
        return MessageState.READ if seq <= held["operator_read_seq"] else MessageState.SENT
    if seq <= held["visitor_read_seq"]:
        return MessageState.READ
    return MessageState.DELIVERED if seq <= held["visitor_delivered_seq"] else MessageState.SENT


def _conversation(row: Row) -> Conversation:
    last_at, direction = row["last_message_at"], row["last_direction"]
    return Conversation(
        id=ConversationId(row["id"]),
        source_id=row["source_id"],
        source_name=row["source_name"],
        channel=ChannelKind(row["channel"]),
        status=ConversationStatus(row["status"]),
        visitor_name=row["visitor_name"] or "",
        contact_id=row["contact_id"],
        lead_id=row["lead_id"],
        lead_name=row["lead_name"],
        unsorted_uid=row["unsorted_uid"],
        unsorted_state=row["unsorted_state"],
        last_seq=row["last_seq"],
        last_text=row["last_text"],
        last_direction=None if direction is None else Direction(direction),
        last_message_at=None if last_at is None else from_ms(last_at),
        operator_read_seq=row["operator_read_seq"],
        visitor_read_seq=row["visitor_read_seq"],
        visitor_delivered_seq=row["visitor_delivered_seq"],
        unread=row["unread"],
        page_url=row["page_url"],
        created_at=from_ms(row["created_at"]),
        changed_at=from_ms(row["changed_at"]),
        channel_id=row["channel_id"],
        channel_title=row["channel_title"],
        channel_state=_channel_state(row),
        chat_id=row["chat_id"],
        chat_gone=row["chat_gone"],
        window=read_window(row),
        is_visit_unknown=row["is_visit_unknown"],
        avatar=row["avatar"],
        bot=None
        if row["talking_bot_id"] is None
        else BotAuthor(row["talking_bot_id"], row["talking_bot_name"]),
        bot_run_id=row["bot_run_id"],
    )


def _channel_state(row: Row) -> str | None:
    """How the conversation's channel stands; None for the chat on the page."""
    if row["channel_id"] is None:
        return None
    is_off = row["channel_removed_at"] is not None or not row["is_channel_enabled"]
    return "off" if is_off else str(row["channel_state"])


def read_window(row: Row) -> AnswerWindow | None:
    """Until when answers in this conversation are free; None where there is no such end."""
    if row["window_kind"] is None:
        return None
    return AnswerWindow(
        WindowKind(row["window_kind"]), from_ms(row["window_ends_at"]), _moment(row["window_late_until"])
    )


_FIND_BY_PLATFORM_ID = Statement(
    _MESSAGES.where(messages.c.platform_id == bindparam("platform_id"))
    .order_by(messages.c.seq.desc())
    .limit(1)
)
_LAST_PLATFORM_ID = Statement(
    select(messages.c.platform_id)
    .where(
        messages.c.conversation_id == bindparam("conversation_id"),
        messages.c.seq <= bindparam("until_seq"),
        messages.c.direction == Direction.IN.value,
        messages.c.platform_id.is_not(None),
    )
    .order_by(messages.c.seq.desc())
    .limit(1)
)
_GET_MESSAGE = Statement(_MESSAGES.where(messages.c.id == bindparam("message_id")))
_WITH_BUTTONS = Statement(
    _MESSAGES.where(messages.c.buttons.is_not(None)).order_by(messages.c.seq.desc()).limit(MOST_WITH_BUTTONS)
)
_LINES = Statement(
    select(messages.c.event)
    .where(
        messages.c.account_id == bindparam("account_id"),
        messages.c.conversation_id == bindparam("conversation_id"),
        messages.c.event.is_not(None),
    )
    .order_by(messages.c.seq.desc())
    .limit(MOST_LINES)
)
_EDIT = Statement(
    update(messages).where(messages.c.id == bindparam("of_id")).values(changes("text", "edited_at"))
)
_CHANGE_LAST_TEXT = Statement(
    update(conversations)
    .where(
        conversations.c.account_id == bindparam("account"),
        conversations.c.id == bindparam("of_id"),
        ~exists(
            select(messages.c.id).where(
                messages.c.conversation_id == conversations.c.id,
                messages.c.seq > bindparam("of_seq"),
                messages.c.direction != Direction.SYSTEM.value,
            )
        ),
    )
    .values(changes("last_text"))
)
_SET_WORDS_AT = Statement(
    update(messages).where(messages.c.id == bindparam("of_id")).values(changes("words_at"))
)
_DELETE = Statement(update(messages).where(messages.c.id == bindparam("of_id")).values(changes("deleted_at")))
_SET_STATE = Statement(
    update(messages)
    .where(messages.c.id == bindparam("of_id"))
    .values(changes("state", "error", "error_detail"))
)


def find_by_platform_id(tx: Transaction, held: Row, platform_id: str) -> Message | None:
    """The message that its messenger calls so."""
    row = tx.row(
        _FIND_BY_PLATFORM_ID,
        account_id=held["account_id"],
        conversation_id=held["id"],
        platform_id=platform_id,
    )
    return None if row is None else _messages(tx, held, [row])[0]


def find_last_platform_id(tx: Transaction, conversation_id: int, until_seq: int) -> str | None:
    """What the messenger calls the visitor's last message up to this number."""
    row = tx.row(_LAST_PLATFORM_ID, conversation_id=conversation_id, until_seq=until_seq)
    return None if row is None else str(row["platform_id"])


def find_message_by_id(tx: Transaction, held: Row, message_id: int) -> Message | None:
    """The message as it stands now."""
    row = tx.row(
        _GET_MESSAGE, account_id=held["account_id"], conversation_id=held["id"], message_id=message_id
    )
    return None if row is None else _messages(tx, held, [row])[0]


def find_start(tx: Transaction, held: Row) -> str:
    """What the newest link carried by which the person came here; empty when none did."""
    rows = tx.rows(_LINES, account_id=held["account_id"], conversation_id=held["id"])
    told = (json.loads(row["event"]).get("start", "") for row in rows)
    return next((str(start) for start in told if start), "")


def list_with_buttons(tx: Transaction, held: Row) -> list[Message]:
    """The latest messages with buttons, the newest first."""
    rows = tx.rows(_WITH_BUTTONS, account_id=held["account_id"], conversation_id=held["id"])
    return [_message(row, held) for row in rows]


def edit_message(tx: Transaction, message: Message, text: str, edited_at: datetime | None) -> None:
    """The visitor's own word, changed; without a time, told anew and not changed by anybody."""
    at = None if edited_at is None else to_ms(edited_at)
    tx.run(_EDIT, of_id=message.id, new_text=text, new_edited_at=at)


def change_last_text(tx: Transaction, held: Row, message: Message, text: str) -> None:
    """Have the list show the words as they are now, if it shows those of this message."""
    tx.run(
        _CHANGE_LAST_TEXT,
        account=held["account_id"],
        of_id=held["id"],
        of_seq=message.seq,
        new_last_text=text[:EXCERPT],
    )


def set_words_at(tx: Transaction, message: Message, words_at: datetime) -> None:
    """The messenger's time of the words as they stand now."""
    tx.run(_SET_WORDS_AT, of_id=message.id, new_words_at=to_ms(words_at))


def delete_message(tx: Transaction, message: Message, now: datetime) -> None:
    """The visitor has taken it back; the text stays for the operators."""
    tx.run(_DELETE, of_id=message.id, new_deleted_at=to_ms(now))


def set_message_state(
    tx: Transaction, message_id: int, state: MessageState, error: str | None = None, detail: str = ""
) -> None:
    tx.run(
        _SET_STATE, of_id=message_id, new_state=state.value, new_error=error, new_error_detail=detail or None
    )
