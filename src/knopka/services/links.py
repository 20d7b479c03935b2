"""Entry links: the page says which visit a code stands for, a messenger's chat brings the code back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from knopka.db import conversations as db_conversations
from knopka.db import crm as db_crm
from knopka.db import links as db
from knopka.db import visitors as db_visitors
from knopka.db.database import Row, Transaction
from knopka.db.links import EntryLink
from knopka.domain.catalog import Catalog, ChannelSetup
from knopka.domain.conversation import Message
from knopka.domain.crm import Lead
from knopka.domain.messaging import Direction, EntryToken, shorten
from knopka.domain.visit import Visit
from knopka.domain.visitor import Page, Source
from knopka.services import events, opening
from knopka.services.cards import bind_visit
from knopka.services.catalog import ACCOUNT
from knopka.services.expiry import expire_if_due
from knopka.services.journal import MAX_URL, hash_visit

LIFETIME = timedelta(hours=24)
"""How far a code's announcement and its arrival may lie apart (S-WEB-09)."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a chat has brought: the visits it stands for, whose rows are held, and the page it came from."""

    links: tuple[EntryLink, ...] = ()
    visits: tuple[Visit, ...] = ()

    @property
    def visit(self) -> Visit | None:
        """The newest of them."""
        return self.visits[0] if self.visits else None

    @property
    def page_url(self) -> str:
        return self.links[0].page_url if self.links else ""

    @property
    def page_title(self) -> str:
        return self.links[0].page_title if self.links else ""


def hash_code(code: str) -> str:
    """What is kept of a link code, which itself would bind a chat to a visit."""
    return hashlib.sha256(code.encode()).hexdigest()


def chat_token(channel_id: int, chat_id: str) -> str:
    """Under what a messenger's user is kept among the visitors."""
    return hashlib.sha256(f"channel:{channel_id}:{chat_id}".encode()).hexdigest()


def announce_link(
    tx: Transaction,
    catalog: Catalog,
    source: Source,
    visit: str,
    code: EntryToken,
    page: Page,
    *,
    now: datetime,
) -> None:
    """Take the page's word for which visit a code stands for. The first word holds.

    A chat that has brought the code before is joined to the visit now.
    """
    held = db_visitors.touch_visit(tx, source, hash_visit(visit), page.url[:MAX_URL], now)
    held = expire_if_due(tx, held, now)
    link = db.announce(
        tx,
        source.account_id,
        hash_code(code),
        short_code=shorten(code),
        source_id=source.id,
        visit_id=held.id,
        page_url=page.url[:MAX_URL],
        page_title=page.title[:MAX_URL],
        now=now,
    )
    if link.visit_id == held.id and link.chat_id is not None and is_alive(link):
        _join(tx, catalog, source, held, link, now)


def is_alive(link: EntryLink) -> bool:
    """Whether the link was announced and brought, within its lifetime, and is not bound yet."""
    if link.announced_at is None or link.brought_at is None or link.bound_at is not None:
        return False
    return abs(link.announced_at - link.brought_at) < LIFETIME


def bring_code(
    tx: Transaction,
    channel: ChannelSetup,
    chat_id: str,
    code: EntryToken | None,
    short: str,
    *,
    now: datetime,
) -> Brought:
    """Note what a chat brings, and hold the visits it stands for. Later bringers bring nothing.

    What the chat brought earlier, before anybody could tell which visit it was, counts as well.
    A visit comes before its link in the order in which rows are held, as when a page announces it:
    so the links are looked at first, and what was announced meanwhile is held only if it is free.
    """
    likely = _peek(tx, channel, chat_id, code, short, now)
    held = _hold_visits(tx, [link.visit_id for link in likely], now)
    if code is not None:
        db.bring(tx, ACCOUNT, hash_code(code), channel_id=channel.id, chat_id=chat_id, now=now)
    elif short:
        _bring_short(tx, channel, chat_id, short, now)
    links = [link for link in db.list_unbound(tx, channel.id, chat_id) if is_alive(link)]
    late = [link.visit_id for link in links if link.visit_id not in held]
    held |= _hold_visits(tx, late, now, may_wait=False)
    return Brought(
        tuple(link for link in links if link.visit_id in held),
        tuple(held[link.visit_id] for link in links if link.visit_id in held),
    )


def _peek(
    tx: Transaction,
    channel: ChannelSetup,
    chat_id: str,
    code: EntryToken | None,
    short: str,
    now: datetime,
) -> list[EntryLink]:
    """The links that the chat has brought, and the one that it brings now, without holding them."""
    own = [link for link in db.list_unbound(tx, channel.id, chat_id) if is_alive(link)]
    named: EntryLink | None = None
    if code is not None:
        named = db.find_link(tx, ACCOUNT, hash_code(code))
    elif short:
        named = _pick_short(db.list_short(tx, ACCOUNT, short, now - LIFETIME))
    return own if named is None or named.chat_id is not None else [*own, named]


def _bring_short(tx: Transaction, channel: ChannelSetup, chat_id: str, short: str, now: datetime) -> None:
    named = _pick_short(db.lock_short(tx, ACCOUNT, short, now - LIFETIME))
    if named is not None:
        db.take_short(tx, named, channel_id=channel.id, chat_id=chat_id, now=now)


def _pick_short(found: Sequence[EntryLink]) -> EntryLink | None:
    """Forty bits are no secret, so only one live link that nobody has brought is taken for it."""
    return found[0] if len(found) == 1 and found[0].chat_id is None else None


def _hold_visits(
    tx: Transaction, visit_ids: Sequence[int | None], now: datetime, *, may_wait: bool = True
) -> dict[int | None, Visit]:
    """The visits' rows, held in the order of their ids."""
    held: dict[int | None, Visit] = {}
    for visit_id in sorted({visit_id for visit_id in visit_ids if visit_id is not None}):
        visit = db_visitors.lock_visit(tx, ACCOUNT, visit_id, may_wait=may_wait)
        if visit is not None:
            held[visit_id] = expire_if_due(tx, visit, now)
    return held


def bind_brought(
    tx: Transaction,
    catalog: Catalog,
    brought: Brought,
    *,
    visitor_id: int,
    lead: Lead,
    now: datetime,
) -> None:
    """Have the visits write on the cards of the conversation, unless they have cards of another contact."""
    for link, visit in zip(brought.links, brought.visits, strict=True):
        if opening.may_bind(visit, lead):
            bind_visit(
                tx,
                catalog,
                catalog.get_source(visit.source_id),
                visit,
                visitor_id=visitor_id,
                contact_id=lead.contact_id,
                lead=lead,
                now=now,
            )
        db.set_bound(tx, link.id, now)


def _join(
    tx: Transaction, catalog: Catalog, source: Source, visit: Visit, link: EntryLink, now: datetime
) -> None:
    """The conversation of an unknown visit turns out to be this one's.

    A lead that was declined or closed takes nothing more, and only a message
    opens the next one. What the visit has sent then goes on waiting, now as
    this contact's: for the lead that the next message opens, as long as data
    waits at all (amocrm.md §2.5). An open lead of another of the contact's
    chats takes it at once, as it takes whatever the page sends from now on.
    """
    assert link.channel_id is not None  # noqa: S101  # it stands beside chat_id
    assert link.chat_id is not None  # noqa: S101  # the caller has looked
    visitor = db_visitors.find_visitor_by_token(tx, ACCOUNT, chat_token(link.channel_id, link.chat_id))
    if visitor is None:
        return  # a chat that was opened and has not written yet: its first message binds the visit
    db_visitors.lock_visitor(tx, visitor["id"])
    held = db_conversations.lock_conversation_of(tx, ACCOUNT, visitor["id"])
    if held is None:
        return
    changed = {"contact_id": held["contact_id"], "lead_id": held["lead_id"], "visit_id": visit.id}
    if opening.find_lead(tx, held) is None:
        db_conversations.move_to_lead(tx, held, **changed, now=now)
        _leave_waiting(tx, catalog, source, visit, link, visitor["id"], held["contact_id"], now)
    else:
        lead = settle_lead(tx, source, visit, visitor, held)
        changed |= {"contact_id": lead.contact_id, "lead_id": lead.id}
        db_conversations.move_to_lead(tx, held, **changed, now=now)
        bind_brought(tx, catalog, Brought((link,), (visit,)), visitor_id=visitor["id"], lead=lead, now=now)
    line = append_line(
        tx,
        {**held, **changed},
        {"kind": "joined", "page_url": link.page_url, "page_title": link.page_title},
        key=f"joined:{link.id}",
        now=now,
    )
    events.publish_conversation(tx, ACCOUNT, held["id"], line)
    events.publish_card(tx, ACCOUNT, changed["lead_id"])


def _leave_waiting(
    tx: Transaction,
    catalog: Catalog,
    source: Source,
    visit: Visit,
    link: EntryLink,
    visitor_id: int,
    contact_id: int,
    now: datetime,
) -> None:
    """The visit is the contact's, whose lead is over: what it has waiting is for the next one."""
    db_crm.lock_contact(tx, ACCOUNT, contact_id)
    if visit.contact_id is None:
        bind_visit(
            tx,
            catalog,
            source,
            visit,
            visitor_id=visitor_id,
            contact_id=contact_id,
            lead=db_crm.find_open_lead(tx, ACCOUNT, contact_id),
            now=now,
        )
    db.set_bound(tx, link.id, now)


def settle_lead(tx: Transaction, source: Source, visit: Visit, visitor: Row, held: Row) -> Lead:
    """One visit, one lead: where it has cards already, those made for the unknown visit give way."""
    own = _get_lead(tx, held["lead_id"])
    if visit.contact_id is None or visit.contact_id == own.contact_id:
        return own
    for contact_id in sorted((visit.contact_id, own.contact_id)):
        db_crm.lock_contact(tx, ACCOUNT, contact_id)
    other = db_crm.find_open_lead(tx, ACCOUNT, visit.contact_id)
    is_alone = db_conversations.count_of_contact(tx, ACCOUNT, own.contact_id) == 1
    if other is None or not is_alone or not db_crm.is_untouched(tx, ACCOUNT, own):
        return own
    db_visitors.bind_visitor(tx, ACCOUNT, visitor["id"], other.contact_id)
    if db_crm.hand_on_profile(tx, ACCOUNT, own.contact_id, other.contact_id):
        events.publish_conversations(tx, ACCOUNT, other.id)
    db_crm.delete_untouched(tx, ACCOUNT, own)
    return other


def _get_lead(tx: Transaction, lead_id: int) -> Lead:
    lead = db_crm.find_lead(tx, ACCOUNT, lead_id)
    assert lead is not None  # noqa: S101  # a messenger's conversation is made with its lead
    return lead


def append_line(
    tx: Transaction, held: Row, event: dict[str, str], *, key: str, now: datetime
) -> Message | None:
    """Put a line of ours into the conversation; None when it stands there already."""
    line = db_conversations.append_message(
        tx,
        held,
        direction=Direction.SYSTEM,
        key=key,
        body_hash="",
        text="",
        operator_id=None,
        operator_name=None,
        now=now,
        event=event,
    )
    if line is not None:
        db_conversations.take_message(
            tx,
            held,
            message=line,
            contact_id=held["contact_id"],
            lead_id=held["lead_id"],
            visit_id=held["visit_id"],
            page_url=event.get("page_url") or held["page_url"],
            now=now,
        )
    return line
