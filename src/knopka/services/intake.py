"""What visitors write: the conversation, and at its first message the cards."""

from __future__ import annotations

from datetime import datetime

from knopka.db import conversations as db
from knopka.db import crm as db_crm
from knopka.db import visitors as db_visitors
from knopka.db.database import Row, Transaction
from knopka.domain.catalog import Catalog
from knopka.domain.conversation import ConversationId, ConversationStatus, Message
from knopka.domain.errors import NotFound
from knopka.domain.messaging import ChannelKind, Direction
from knopka.domain.visit import Visit
from knopka.domain.visitor import Page, Source
from knopka.services import bot_runs, events, opening
from knopka.services.cards import bind_visit
from knopka.services.expiry import expire_if_due
from knopka.services.journal import MAX_URL, hash_visit
from knopka.services.presses import Choice, get_press
from knopka.services.repeats import hash_body, refuse_other
from knopka.services.texts import parse_text
from knopka.services.views import Accepted, Chat, ChatSnapshot

__all__ = [
    "Accepted", "Chat", "ChatSnapshot", "accept_message", "find_chat", "list_history", "mark_seen",
    "open_chat",
]  # fmt: skip

SNAPSHOT = 50
"""Messages that an opened chat shows at first."""


def accept_message(
    tx: Transaction,
    catalog: Catalog,
    source: Source,
    token_hash: str,
    visit: str | None,
    key: str,
    text: str,
    page: Page,
    choice: Choice | None = None,
    *,
    now: datetime,
) -> Accepted:
    """Take a visitor's message. The first one makes visitor, conversation, contact and unsorted lead.

    What the page sent before is then written on the cards. When the lead has
    been declined or closed, the message opens a new one. The same key again is
    the same message; with another text it raises Conflict. What is said by
    pressing a button is what stands on it, whatever the text: NotFound when the
    visitor's own conversation has no such button.
    """
    text = parse_text(text)
    page_url = page.url[:MAX_URL]
    at_visit = _hold_visit(tx, source, token_hash, visit, page_url, now)
    visitor = db_visitors.touch_visitor(tx, source, token_hash, now)
    if visitor["source_id"] != source.id:
        raise NotFound("This chat belongs to another button.")
    held = db.touch_conversation(tx, source, visitor["id"], ChannelKind.ONSITE, page_url, now)
    press = None if choice is None else get_press(tx, held, choice)
    text = text if press is None else press.label
    message = db.append_message(
        tx,
        held,
        direction=Direction.IN,
        key=key,
        body_hash=hash_body(text),
        text=text,
        operator_id=None,
        operator_name=None,
        now=now,
        pressed=None if press is None else press.pressed,
    )
    if message is None:
        return _repeat(tx, held, key, text)
    known = opening.find_lead(tx, held)
    lead = known or opening.open_lead(tx, catalog, source, visitor, at_visit, held, text, page_url, now)
    db.take_message(
        tx,
        held,
        message=message,
        contact_id=lead.contact_id,
        lead_id=lead.id,
        visit_id=held["visit_id"] if at_visit is None else at_visit.id,
        page_url=page_url or held["page_url"],
        now=now,
    )
    if at_visit is not None and opening.may_bind(at_visit, lead):
        bind_visit(
            tx,
            catalog,
            source,
            at_visit,
            visitor_id=visitor["id"],
            contact_id=lead.contact_id,
            lead=lead,
            now=now,
        )
    bot_runs.notice_message(
        tx,
        catalog,
        held,
        message,
        is_first=held["last_seq"] == 0,
        opens_lead=known is None and lead.created_at == now,
        now=now,
    )
    events.publish_conversation(tx, source.account_id, held["id"], message)
    events.publish_message(tx, visitor["id"], message)
    now_held = {**held, "last_seq": message.seq, "status": ConversationStatus.OPEN}
    return Accepted(_chat(tx, now_held), message, is_new=True)


def _hold_visit(
    tx: Transaction, source: Source, token_hash: str, visit: str | None, page_url: str, now: datetime
) -> Visit | None:
    """The visit that a message comes from: the one named, else the last one of the visitor.

    It is held before visitor, conversation and cards, as everywhere.
    """
    if visit is not None:
        found = db_visitors.touch_visit(tx, source, hash_visit(visit), page_url, now)
        return expire_if_due(tx, found, now)
    visitor = db_visitors.find_visitor(tx, source, token_hash)
    last = None if visitor is None else db_visitors.find_last_visit(tx, source.account_id, visitor["id"])
    held = None if last is None else db_visitors.lock_visit(tx, source.account_id, last)
    return None if held is None else expire_if_due(tx, held, now)


def _repeat(tx: Transaction, held: Row, key: str, text: str) -> Accepted:
    """The answer to a message that was taken before."""
    found = db.find_message(tx, held, Direction.IN, key)
    refuse_other(None if found is None else found[1], hash_body(text))
    if found is None:
        raise NotFound("There is no such message.")
    return Accepted(_chat(tx, held), found[0], is_new=False)


def open_chat(
    tx: Transaction,
    catalog: Catalog,
    source: Source,
    token_hash: str,
    visit: str | None,
    *,
    now: datetime,
) -> ChatSnapshot:
    """Show the visitor's chat. The visit then writes on his cards; for who never wrote no row is made."""
    visitor = db_visitors.find_visitor(tx, source, token_hash)
    if visitor is None or visitor["contact_id"] is None:
        return ChatSnapshot()
    if visit is not None:
        held = db_visitors.touch_visit(tx, source, hash_visit(visit), "", now)
        held = expire_if_due(tx, held, now)
        if held.visitor_id is None and held.contact_id is None:
            bind_visit(
                tx,
                catalog,
                source,
                held,
                visitor_id=visitor["id"],
                contact_id=visitor["contact_id"],
                lead=db_crm.find_open_lead(tx, source.account_id, visitor["contact_id"]),
                now=now,
            )
    return _snapshot(tx, source, visitor["id"], limit=SNAPSHOT)


def find_chat(tx: Transaction, source: Source, token_hash: str) -> ChatSnapshot | None:
    """The visitor's conversation without its messages; None for who never wrote."""
    visitor = db_visitors.find_visitor(tx, source, token_hash)
    return None if visitor is None else _snapshot(tx, source, visitor["id"], limit=0)


def _snapshot(tx: Transaction, source: Source, visitor_id: int, *, limit: int) -> ChatSnapshot:
    row = db.find_row_of_visitor(tx, source.account_id, visitor_id, ChannelKind.ONSITE)
    if row is None:
        return ChatSnapshot(visitor_id)
    messages = db.list_words(tx, row, after=None, before=None, limit=limit) if limit else []
    return ChatSnapshot(visitor_id, _chat(tx, row), tuple(messages))


def mark_seen(
    tx: Transaction,
    source: Source,
    token_hash: str,
    conversation_id: ConversationId,
    *,
    delivered_seq: int,
    read_seq: int,
    now: datetime,
) -> None:
    """Note how far operators' messages have come. The marks only ever go forward."""
    _get_own(tx, source, token_hash, conversation_id)
    held = db.lock_conversation(tx, source.account_id, conversation_id)
    if held is None:
        raise NotFound("There is no such conversation.")
    read = max(held["visitor_read_seq"], min(read_seq, held["last_seq"]))
    delivered = max(held["visitor_delivered_seq"], min(delivered_seq, held["last_seq"]), read)
    if (read, delivered) == (held["visitor_read_seq"], held["visitor_delivered_seq"]):
        return
    db.mark(
        tx,
        held,
        operator_read_seq=held["operator_read_seq"],
        visitor_read_seq=read,
        visitor_delivered_seq=delivered,
        unread=held["unread"],
        now=now,
    )
    events.publish_conversation(tx, source.account_id, conversation_id, None)


def list_history(
    tx: Transaction,
    source: Source,
    token_hash: str,
    conversation_id: ConversationId,
    *,
    after: int | None,
    before: int | None,
    limit: int,
) -> list[Message]:
    """Messages of the visitor's own conversation, the oldest first. Raises NotFound for any other."""
    row = _get_own(tx, source, token_hash, conversation_id)
    return db.list_words(tx, row, after=after, before=before, limit=limit)


def _get_own(tx: Transaction, source: Source, token_hash: str, conversation_id: ConversationId) -> Row:
    visitor = db_visitors.find_visitor(tx, source, token_hash)
    row = db.find_row(tx, source.account_id, conversation_id)
    if visitor is None or row is None or row["visitor_id"] != visitor["id"]:
        raise NotFound("There is no such conversation.")
    return row


def _chat(tx: Transaction, row: Row) -> Chat:
    """The conversation as its visitor sees it."""
    return Chat(
        id=ConversationId(row["id"]),
        status=ConversationStatus(row["status"]),
        last_seq=row["last_seq"],
        visitor_read_seq=row["visitor_read_seq"],
        operator_read_seq=row["operator_read_seq"],
        unread=db.count_messages(tx, row["id"], Direction.OUT, row["visitor_read_seq"]),
    )
