"""SQL of what came with visitors' messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import to_ms
from knopka.db.database import Row, Transaction
from knopka.db.named import changes, columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import attachments, messages
from knopka.domain.conversation import (
    Attachment,
    AttachmentId,
    AttachmentState,
    ConversationId,
    Message,
    MessageId,
)
from knopka.domain.messaging import AttachmentKind, InAttachment

_INSERT = Statement(
    insert(attachments)
    .values(
        columns(
            "account_id", "conversation_id", "message_id", "kind", "source", "name", "mime", "size", "state",
            "title", "phone", "latitude", "longitude", "created_at",
        )
    )
    .returning(attachments)
)  # fmt: skip
_OF_MESSAGES = Statement(
    select(attachments)
    .where(
        attachments.c.account_id == bindparam("account_id"),
        attachments.c.message_id.in_(bindparam("message_ids", expanding=True)),
    )
    .order_by(attachments.c.id)
)
_FIND = Statement(
    select(attachments).where(
        attachments.c.account_id == bindparam("account_id"), attachments.c.id == bindparam("attachment_id")
    )
)
# Found by the index of a conversation's messages, and bounded however many of them there are.
_COUNT_STORED = Statement(
    select(func.coalesce(func.sum(attachments.c.size), 0).label("stored")).where(
        attachments.c.account_id == bindparam("account_id"),
        attachments.c.message_id.in_(
            select(messages.c.id)
            .where(messages.c.conversation_id == bindparam("conversation_id"))
            .order_by(messages.c.seq.desc())
            .limit(bindparam("most"))
        ),
        attachments.c.state == bindparam("state"),
        attachments.c.created_at > bindparam("since"),
    )
)
_STORE = Statement(
    update(attachments)
    .where(attachments.c.account_id == bindparam("account"), attachments.c.id == bindparam("attachment_id"))
    .values(changes("state", "file", "name", "mime", "size", "width", "height"))
)
_FAIL = Statement(
    update(attachments)
    .where(attachments.c.account_id == bindparam("account"), attachments.c.id == bindparam("attachment_id"))
    .values(changes("state", "reason"))
)


def insert_attachment(
    tx: Transaction, account_id: int, message: Message, came: InAttachment, name: str, now: datetime
) -> Attachment:
    """Keep what came with a message; `name` is its cleaned label."""
    state = AttachmentState.WAITING if came.source else AttachmentState.NONE
    row = tx.row(
        _INSERT,
        account_id=account_id,
        conversation_id=message.conversation_id,
        message_id=message.id,
        kind=came.kind.value,
        source=came.source,
        name=name,
        mime=came.mime,
        size=came.size,
        state=state.value,
        title=came.title,
        phone=came.phone,
        latitude=None if came.latitude is None else f"{came.latitude:.6f}",
        longitude=None if came.longitude is None else f"{came.longitude:.6f}",
        created_at=to_ms(now),
    )
    return _attachment(returned(row))


def list_attachments(
    tx: Transaction, account_id: int, message_ids: Sequence[int]
) -> Mapping[int, tuple[Attachment, ...]]:
    """What came with these messages, by message; those with nothing are left out."""
    found: dict[int, tuple[Attachment, ...]] = defaultdict(tuple)
    for row in tx.rows(_OF_MESSAGES, account_id=account_id, message_ids=list(message_ids)):
        found[row["message_id"]] += (_attachment(row),)
    return found


def find_attachment(tx: Transaction, account_id: int, attachment_id: int) -> Attachment | None:
    row = tx.row(_FIND, account_id=account_id, attachment_id=attachment_id)
    return None if row is None else _attachment(row)


def count_stored(
    tx: Transaction, account_id: int, conversation_id: int, since: datetime, *, most: int
) -> int:
    """The bytes that lie in the store of what came since then with the newest messages, so many of them."""
    row = tx.row(
        _COUNT_STORED,
        account_id=account_id,
        conversation_id=conversation_id,
        most=most,
        state=AttachmentState.STORED.value,
        since=to_ms(since),
    )
    return 0 if row is None else int(row["stored"])


def store_attachment(
    tx: Transaction,
    account_id: int,
    attachment_id: int,
    *,
    file: str,
    name: str,
    mime: str,
    size: int,
    width: int | None,
    height: int | None,
) -> None:
    """It lies in the file store now."""
    tx.run(
        _STORE,
        account=account_id,
        attachment_id=attachment_id,
        new_state=AttachmentState.STORED.value,
        new_file=file,
        new_name=name,
        new_mime=mime,
        new_size=size,
        new_width=width,
        new_height=height,
    )


def fail_attachment(tx: Transaction, account_id: int, attachment_id: int, reason: str) -> None:
    """It could not be had, and will not be."""
    tx.run(
        _FAIL,
        account=account_id,
        attachment_id=attachment_id,
        new_state=AttachmentState.FAILED.value,
        new_reason=reason,
    )


def _attachment(row: Row) -> Attachment:
    return Attachment(
        id=AttachmentId(row["id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        message_id=MessageId(row["message_id"]),
        kind=AttachmentKind(row["kind"]),
        source=row["source"],
        name=row["name"],
        mime=row["mime"],
        size=row["size"],
        state=AttachmentState(row["state"]),
        reason=row["reason"],
        file=row["file"],
        width=row["width"],
        height=row["height"],
        title=row["title"],
        phone=row["phone"],
        latitude=row["latitude"],
        longitude=row["longitude"],
    )
