"""SQL of deliveries: what is on its way to a messenger, part by part."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.buttons import read_rows, write_rows
from knopka.db.clock import from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.named import changes, columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import conversations, deliveries, messages
from knopka.domain.buttons import Rows
from knopka.domain.messaging import MessageState, OutboxKey


@dataclass(frozen=True, slots=True)
class Delivery:
    """One part of a message on its way («доставка»): WAITING, SENT, FAILED or UNCERTAIN."""

    id: int
    conversation_id: int
    channel_id: int
    message_id: int
    part: int
    text: str
    key: OutboxKey
    state: MessageState
    platform_id: str | None
    sent_at: datetime | None
    buttons: Rows = ()


_INSERT = Statement(
    insert(deliveries)
    .values(
        columns(
            "account_id", "conversation_id", "channel_id", "message_id", "part", "text", "key", "echo_mark",
            "state", "buttons",
        )
    )
    .returning(deliveries.c.id)
)  # fmt: skip
_FIND = Statement(
    select(
        deliveries,
        conversations.c.chat_id,
        conversations.c.chat_gone,
        conversations.c.window_ends_at,
        messages.c.bot_id,
    )
    .join(conversations, conversations.c.id == deliveries.c.conversation_id)
    .join(messages, messages.c.id == deliveries.c.message_id)
    .where(deliveries.c.account_id == bindparam("account_id"), deliveries.c.id == bindparam("delivery_id"))
)
_OF_MESSAGE = Statement(
    select(deliveries).where(deliveries.c.message_id == bindparam("message_id")).order_by(deliveries.c.part)
)
_SET_STATE = Statement(
    update(deliveries).where(deliveries.c.id == bindparam("delivery_id")).values(changes("state"))
)
_SET_SENT = Statement(
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery_id"))
    .values(changes("state", "platform_id", "sent_at"))
)
_BY_PLATFORM_ID = Statement(
    select(deliveries).where(
        deliveries.c.conversation_id == bindparam("conversation_id"),
        deliveries.c.platform_id.in_(bindparam("platform_ids", expanding=True)),
    )
)
_BY_MARK = Statement(
    select(deliveries)
    .where(
        deliveries.c.conversation_id == bindparam("conversation_id"),
        deliveries.c.echo_mark.in_(bindparam("echo_marks", expanding=True)),
    )
    .limit(1)
)
_LAST_SEQ_SENT = Statement(
    select(func.max(messages.c.seq).label("seq"))
    .select_from(deliveries)
    .join(messages, messages.c.id == deliveries.c.message_id)
    .where(
        deliveries.c.conversation_id == bindparam("conversation_id"),
        deliveries.c.state == MessageState.SENT.value,
        deliveries.c.sent_at <= bindparam("until"),
    )
)
_LAST_SEQ_OF = Statement(
    select(
        func.max(messages.c.seq).label("seq"),
        func.count(deliveries.c.platform_id.distinct()).label("known"),
    )
    .select_from(deliveries)
    .join(messages, messages.c.id == deliveries.c.message_id)
    .where(
        deliveries.c.conversation_id == bindparam("conversation_id"),
        deliveries.c.platform_id.in_(bindparam("platform_ids", expanding=True)),
    )
)
_HAS_UNNAMED = Statement(
    select(deliveries.c.id)
    .where(
        deliveries.c.conversation_id == bindparam("conversation_id"),
        deliveries.c.platform_id.is_(None),
        deliveries.c.state.in_((MessageState.WAITING.value, MessageState.UNCERTAIN.value)),
    )
    .limit(1)
)


def insert_delivery(
    tx: Transaction,
    held: Row,
    message_id: int,
    part: int,
    text: str,
    key: OutboxKey,
    echo_mark: str,
    buttons: Rows = (),
) -> int:
    """Keep one part of a message of the conversation whose row is held."""
    row = tx.row(
        _INSERT,
        account_id=held["account_id"],
        conversation_id=held["id"],
        channel_id=held["channel_id"],
        message_id=message_id,
        part=part,
        text=text,
        key=key,
        echo_mark=echo_mark,
        state=MessageState.WAITING.value,
        buttons=write_rows(buttons),
    )
    return int(returned(row)["id"])


def find_delivery(tx: Transaction, account_id: int, delivery_id: int) -> tuple[Delivery, Row] | None:
    """The delivery, where it goes (chat_id, chat_gone and window_ends_at of its conversation), and the bot
    that says it, if one does."""
    row = tx.row(_FIND, account_id=account_id, delivery_id=delivery_id)
    return None if row is None else (_delivery(row), row)


def list_deliveries(tx: Transaction, message_id: int) -> list[Delivery]:
    """The parts of a message in their order."""
    return [_delivery(row) for row in tx.rows(_OF_MESSAGE, message_id=message_id)]


def set_state(tx: Transaction, delivery_id: int, state: MessageState) -> None:
    tx.run(_SET_STATE, delivery_id=delivery_id, new_state=state.value)


def send_anew(tx: Transaction, delivery_id: int) -> None:
    """It is to be sent once more: what the messenger called the first try is forgotten."""
    tx.run(
        _SET_SENT,
        delivery_id=delivery_id,
        new_state=MessageState.WAITING.value,
        new_platform_id=None,
        new_sent_at=None,
    )


def set_sent(tx: Transaction, delivery_id: int, platform_id: str, sent_at: datetime) -> None:
    """The messenger has taken it, and calls it so."""
    tx.run(
        _SET_SENT,
        delivery_id=delivery_id,
        new_state=MessageState.SENT.value,
        new_platform_id=platform_id,
        new_sent_at=to_ms(sent_at),
    )


def find_by_platform_id(tx: Transaction, conversation_id: int, platform_id: str) -> Delivery | None:
    rows = tx.rows(_BY_PLATFORM_ID, conversation_id=conversation_id, platform_ids=[platform_id])
    return _delivery(rows[0]) if rows else None


def find_by_mark(tx: Transaction, conversation_id: int, *echo_marks: str) -> Delivery | None:
    """The delivery whose echo carries one of these marks."""
    row = tx.row(_BY_MARK, conversation_id=conversation_id, echo_marks=list(echo_marks))
    return None if row is None else _delivery(row)


def find_last_seq_of(
    tx: Transaction, conversation_id: int, platform_ids: tuple[str, ...]
) -> tuple[int, bool]:
    """The number of the last message among these, as the messenger calls them (0 when none is ours), and
    whether all of them are ours."""
    row = returned(tx.row(_LAST_SEQ_OF, conversation_id=conversation_id, platform_ids=list(platform_ids)))
    return int(row["seq"] or 0), row["known"] == len(set(platform_ids))


def has_unnamed(tx: Transaction, conversation_id: int) -> bool:
    """Whether the messenger may have taken something of which we do not know yet how it calls it."""
    return tx.row(_HAS_UNNAMED, conversation_id=conversation_id) is not None


def find_last_seq_sent(tx: Transaction, conversation_id: int, until: datetime) -> int:
    """The number of the last message that was sent by then; 0 when there is none."""
    row = tx.row(_LAST_SEQ_SENT, conversation_id=conversation_id, until=to_ms(until))
    return int(returned(row)["seq"] or 0)


def _delivery(row: Row) -> Delivery:
    sent = row["sent_at"]
    return Delivery(
        id=row["id"],
        conversation_id=row["conversation_id"],
        channel_id=row["channel_id"],
        message_id=row["message_id"],
        part=row["part"],
        text=row["text"],
        key=OutboxKey(row["key"]),
        state=MessageState(row["state"]),
        platform_id=row["platform_id"],
        sent_at=None if sent is None else from_ms(sent),
        buttons=read_rows(row["buttons"]),
    )
