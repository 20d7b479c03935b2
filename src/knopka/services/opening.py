"""Which lead a message belongs to: the conversation's, the contact's open one, or a new one."""

from __future__ import annotations

from datetime import datetime

from knopka.db import crm as db_crm
from knopka.db import visitors as db_visitors
from knopka.db.database import Row, Transaction
from knopka.db.jobs import set_timer
from knopka.domain.catalog import Catalog
from knopka.domain.crm import Contact, Lead
from knopka.domain.visit import Visit
from knopka.domain.visitor import Source
from knopka.services.cards import WAITING_TIMER, open_incoming_lead


def find_lead(tx: Transaction, held: Row) -> Lead | None:
    """The conversation's lead, while it is neither declined nor closed."""
    if held["lead_id"] is None or held["contact_id"] is None:
        return None
    lead = db_crm.find_open_lead(tx, held["account_id"], held["contact_id"])
    return lead if lead is not None and lead.id == held["lead_id"] else None


def open_lead(
    tx: Transaction,
    catalog: Catalog,
    source: Source,
    visitor: Row,
    visit: Visit | None,
    held: Row,
    text: str,
    page_url: str,
    now: datetime,
) -> Lead:
    """The open lead of the visitor's contact, or a new one. The contact is held: of two who come
    at once, the second finds the lead of the first."""
    contact = _hold_contact(tx, source, visitor, visit)
    lead = None if contact is None else db_crm.find_open_lead(tx, source.account_id, contact.id)
    if lead is None:
        lead = open_incoming_lead(
            tx,
            catalog,
            source,
            contact,
            conversation_id=held["id"],
            service=held["channel"],
            visit_id=None if visit is None else visit.id,
            text=text,
            page_url=page_url,
            now=now,
        )
    if visitor["contact_id"] is None:
        db_visitors.bind_visitor(tx, source.account_id, visitor["id"], lead.contact_id)
    else:
        _wake_other_visits(tx, source, visitor["id"], visit, now)
    return lead


def _hold_contact(tx: Transaction, source: Source, visitor: Row, visit: Visit | None) -> Contact | None:
    """The visitor's contact, else the one that the visit has got through another chat."""
    contact_id = visitor["contact_id"] or (visit.contact_id if visit is not None else None)
    return None if contact_id is None else db_crm.lock_contact(tx, source.account_id, contact_id)


def _wake_other_visits(
    tx: Transaction, source: Source, visitor_id: int, visit: Visit | None, now: datetime
) -> None:
    """Data of the visitor's other visits waits for this very lead. Their rows come before the cards in
    the order in which rows are held, so each is filled by a job of its own."""
    for visit_id in db_visitors.list_waiting_visits(tx, source.account_id, visitor_id):
        if visit is None or visit_id != visit.id:
            set_timer(tx, source.account_id, WAITING_TIMER, str(visit_id), {"visit_id": visit_id}, now)


def may_bind(visit: Visit, lead: Lead) -> bool:
    """Whether the visit is to write on this lead's cards: not while it has those of another contact."""
    return visit.contact_id in (None, lead.contact_id) and visit.lead_id != lead.id
