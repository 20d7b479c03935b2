"""SQL of the cards: contacts, leads, unsorted leads, their fields and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, delete, exists, or_, select, tuple_, union_all, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.named import changes, columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import (
    answers,
    card_subscribers,
    card_tags,
    contacts,
    conversations,
    field_values,
    fill_windows,
    incoming_leads,
    lead_contacts,
    leads,
    notes,
    sources,
)
from knopka.domain.crm import (
    LOST,
    WON,
    Contact,
    ContactId,
    IncomingLead,
    IncomingState,
    Lead,
    LeadId,
    NameOrigin,
    Note,
)
from knopka.domain.fields import CustomField, FieldValue
from knopka.domain.meta import Entity

_other_leads = leads.alias("other_leads")
EMPTY_NAMES = tuple(origin.value for origin in NameOrigin if origin.counts_as_empty)
"""Origins of a name over which a page may write."""

_INSERT_CONTACT = Statement(
    insert(contacts)
    .values(columns("account_id", "name", "name_origin", "created_at", "updated_at"))
    .returning(contacts.c.id)
)
_INSERT_LEAD = Statement(
    insert(leads)
    .values(
        columns(
            "account_id", "contact_id", "source_id", "name", "name_origin", "price",
            "pipeline_id", "status_id", "created_at", "updated_at",
        )
    )
    .returning(leads.c.id)
)  # fmt: skip
_INSERT_INCOMING = Statement(
    insert(incoming_leads).values(
        columns(
            "uid", "account_id", "lead_id", "contact_id", "conversation_id", "visit_id", "source_id",
            "category", "pipeline_id", "state", "created_at", "metadata",
        )
    )
)  # fmt: skip

_THE_CONTACT = and_(contacts.c.account_id == bindparam("account"), contacts.c.id == bindparam("card_id"))
_THE_LEAD = and_(leads.c.account_id == bindparam("account"), leads.c.id == bindparam("card_id"))
_RENAME = {
    Entity.CONTACT: Statement(
        update(contacts).where(_THE_CONTACT).values(changes("name", "name_origin", "updated_at"))
    ),
    Entity.LEAD: Statement(
        update(leads).where(_THE_LEAD).values(changes("name", "name_origin", "updated_at"))
    ),
}
_TOUCH = {
    Entity.CONTACT: Statement(update(contacts).where(_THE_CONTACT).values(changes("updated_at"))),
    Entity.LEAD: Statement(update(leads).where(_THE_LEAD).values(changes("updated_at"))),
}
_SET_PRICE = Statement(update(leads).where(_THE_LEAD).values(changes("price", "updated_at")))
_MOVE = Statement(
    update(leads).where(_THE_LEAD).values(changes("pipeline_id", "status_id", "closed_at", "updated_at"))
)

# S-WEB-10: a page writes only what is empty, and each time the statement itself asks whether it is.
_FILL_NAME = {
    Entity.CONTACT: Statement(
        update(contacts)
        .where(_THE_CONTACT, or_(contacts.c.name_origin.in_(EMPTY_NAMES), contacts.c.name == ""))
        .values(changes("name", "name_origin", "updated_at"))
    ),
    Entity.LEAD: Statement(
        update(leads)
        .where(_THE_LEAD, or_(leads.c.name_origin.in_(EMPTY_NAMES), leads.c.name == ""))
        .values(changes("name", "name_origin", "updated_at"))
    ),
}
_FILL_PRICE = Statement(
    update(leads).where(_THE_LEAD, leads.c.price == 0).values(changes("price", "updated_at"))
)
_FILL_FIELD = Statement(
    insert(field_values)
    .values(columns("account_id", "entity", "entity_id", "field_id", "items", "origin", "at"))
    .on_conflict_do_update(
        index_elements=["account_id", "entity", "entity_id", "field_id"],
        set_={"items": bindparam("items"), "origin": bindparam("origin"), "at": bindparam("at")},
        where=field_values.c["items"] == "[]",
    )
)
_HAND_ON_NAME = Statement(
    update(contacts)
    .where(_THE_CONTACT, or_(contacts.c.name_origin == NameOrigin.MADE_UP.value, contacts.c.name == ""))
    .values(changes("name", "name_origin", "updated_at"))
)
_HAND_ON_AVATAR = Statement(
    update(contacts).where(_THE_CONTACT, contacts.c.avatar.is_(None)).values(changes("avatar"))
)
_SET_AVATAR = Statement(update(contacts).where(_THE_CONTACT).values(changes("avatar")))
# What bots leave on cards beside fields and notes.
_HAS_MARKS = or_(
    *(
        exists().where(
            table.c.account_id == bindparam("account_id"),
            table.c.entity == entity.value,
            table.c.entity_id == bindparam(name),
        )
        for table in (card_tags, card_subscribers)
        for entity, name in ((Entity.LEAD, "lead_id"), (Entity.CONTACT, "contact_id"))
    ),
    exists().where(lead_contacts.c.lead_id == bindparam("lead_id")),
    exists().where(
        lead_contacts.c.account_id == bindparam("account_id"),
        lead_contacts.c.contact_id == bindparam("contact_id"),
    ),
)
_IS_TOUCHED = Statement(
    select(
        or_(
            incoming_leads.c.state != IncomingState.UNSORTED.value,
            leads.c.price != 0,
            leads.c.name_origin.not_in(EMPTY_NAMES),
            contacts.c.name_origin.not_in(EMPTY_NAMES),
            exists().where(
                field_values.c.account_id == bindparam("account_id"),
                or_(
                    and_(
                        field_values.c.entity == Entity.LEAD.value,
                        field_values.c.entity_id == bindparam("lead_id"),
                    ),
                    and_(
                        field_values.c.entity == Entity.CONTACT.value,
                        field_values.c.entity_id == bindparam("contact_id"),
                    ),
                ),
            ),
            exists().where(
                notes.c.account_id == bindparam("account_id"),
                or_(
                    and_(notes.c.entity == Entity.LEAD.value, notes.c.entity_id == bindparam("lead_id")),
                    and_(
                        notes.c.entity == Entity.CONTACT.value, notes.c.entity_id == bindparam("contact_id")
                    ),
                ),
            ),
            exists().where(fill_windows.c.lead_id == bindparam("lead_id")),
            leads.c.responsible_user_id.is_not(None),
            contacts.c.responsible_user_id.is_not(None),
            _HAS_MARKS,
            exists().where(
                _other_leads.c.contact_id == bindparam("contact_id"),
                _other_leads.c.id != bindparam("lead_id"),
            ),
        ).label("is_touched")
    )
    .select_from(leads)
    .join(contacts, contacts.c.id == leads.c.contact_id)
    .join(incoming_leads, incoming_leads.c.lead_id == leads.c.id)
    .where(leads.c.account_id == bindparam("account_id"), leads.c.id == bindparam("lead_id"))
)
_DELETE_INCOMING = Statement(
    delete(incoming_leads).where(
        incoming_leads.c.account_id == bindparam("account"), incoming_leads.c.lead_id == bindparam("of_lead")
    )
)
_DELETE_LEAD = Statement(
    delete(leads).where(leads.c.account_id == bindparam("account"), leads.c.id == bindparam("of_lead"))
)
_DELETE_CONTACT = Statement(
    delete(contacts).where(
        contacts.c.account_id == bindparam("account"), contacts.c.id == bindparam("of_contact")
    )
)
_INSERT_NOTE = Statement(
    insert(notes)
    .values(
        columns(
            "account_id", "entity", "entity_id", "note_type", "params", "window_lead_id", "visit_id",
            "text_hash", "created_by", "created_at",
        )
    )
    .on_conflict_do_nothing()
    .returning(notes.c.id)
)  # fmt: skip

# The cards that one visit writes on, with its window; the rows are held in the order contact,
# lead, unsorted lead. PostgreSQL reads a held row again after the wait for it, and only a held
# one: so the unsorted lead is held as well, for its state decides.
_CARDS = (
    select(
        contacts.c.name.label("contact_name"),
        contacts.c.name_origin.label("contact_name_origin"),
        leads.c.contact_id,
        leads.c.name.label("lead_name"),
        leads.c.name_origin.label("lead_name_origin"),
        leads.c.price,
        leads.c.status_id,
        incoming_leads.c.state,
        fill_windows.c.lead_created_at,
        fill_windows.c.first_data_at,
        fill_windows.c.note_hashes,
    )
    .select_from(contacts)
    .join(leads, leads.c.contact_id == contacts.c.id)
    .join(incoming_leads, incoming_leads.c.lead_id == leads.c.id)
    .join(fill_windows, fill_windows.c.lead_id == leads.c.id)
    .where(
        leads.c.account_id == bindparam("account_id"),
        leads.c.id == bindparam("lead_id"),
        fill_windows.c.visit_id == bindparam("visit_id"),
    )
)
_LOCK_CARDS = Statement(_CARDS.with_for_update(of=(contacts, leads, incoming_leads)))
_LOCK_CONTACT = Statement(
    select(contacts)
    .where(contacts.c.account_id == bindparam("account_id"), contacts.c.id == bindparam("contact_id"))
    .with_for_update()
)
_LOCK_LEAD = Statement(
    select(leads)
    .where(leads.c.account_id == bindparam("account_id"), leads.c.id == bindparam("lead_id"))
    .with_for_update()
)
_GET_CONTACT = Statement(
    select(contacts).where(
        contacts.c.account_id == bindparam("account_id"), contacts.c.id == bindparam("contact_id")
    )
)
_GET_LEAD = Statement(
    select(leads).where(leads.c.account_id == bindparam("account_id"), leads.c.id == bindparam("lead_id"))
)
_IS_OPEN = and_(incoming_leads.c.state != IncomingState.DECLINED.value, leads.c.status_id.not_in((WON, LOST)))
_FIND_OPEN_LEAD = Statement(
    select(leads)
    .join(incoming_leads, incoming_leads.c.lead_id == leads.c.id)
    .where(
        leads.c.account_id == bindparam("account_id"), leads.c.contact_id == bindparam("contact_id"), _IS_OPEN
    )
    .order_by(leads.c.id.desc())
    .limit(1)
)
_FILLED = Statement(
    union_all(
        *(
            select(field_values.c.field_id).where(
                field_values.c.account_id == bindparam("account_id"),
                field_values.c.entity == entity.value,
                field_values.c.entity_id == bindparam(name),
                field_values.c["items"] != "[]",
            )
            for entity, name in ((Entity.CONTACT, "contact_id"), (Entity.LEAD, "lead_id"))
        )
    )
)
_VALUES = Statement(
    select(field_values.c.field_id, field_values.c["items"])
    .where(
        field_values.c.account_id == bindparam("account_id"),
        field_values.c.entity == bindparam("entity"),
        field_values.c.entity_id == bindparam("entity_id"),
        field_values.c["items"] != "[]",
    )
    .order_by(field_values.c.field_id)
)
_MOVE_VALUES = Statement(
    update(field_values)
    .where(field_values.c.account_id == bindparam("account"), field_values.c.field_id == bindparam("old_id"))
    .values(changes("field_id"))
)
_VALUES_OF_FIELD = Statement(
    select(field_values.c.entity_id, field_values.c["items"])
    .where(
        field_values.c.account_id == bindparam("account_id"),
        field_values.c.entity == bindparam("entity"),
        field_values.c.entity_id > bindparam("after"),
        field_values.c.field_id == bindparam("field_id"),
    )
    .order_by(field_values.c.entity_id)
    .limit(bindparam("most"))
)
_UPDATE_ITEMS = Statement(
    update(field_values)
    .where(
        field_values.c.account_id == bindparam("account"),
        field_values.c.entity == bindparam("of_entity"),
        field_values.c.entity_id == bindparam("card_id"),
        field_values.c.field_id == bindparam("of_field"),
    )
    .values(changes("items"))
)
_FROM_SITE = Statement(
    select(field_values.c.field_id).where(
        field_values.c.account_id == bindparam("account_id"),
        field_values.c.entity == bindparam("entity"),
        field_values.c.entity_id == bindparam("entity_id"),
        field_values.c.origin == NameOrigin.SITE.value,
        field_values.c["items"] != "[]",
    )
)
_VALUES_OF_LEADS = Statement(
    select(field_values.c.entity_id, field_values.c.field_id, field_values.c["items"])
    .where(
        field_values.c.account_id == bindparam("account_id"),
        field_values.c.entity == Entity.LEAD.value,
        field_values.c.entity_id.in_(bindparam("lead_ids", expanding=True)),
        field_values.c["items"] != "[]",
    )
    .order_by(field_values.c.entity_id, field_values.c.field_id)
)
_LAST_NOTES = Statement(
    select(notes)
    .where(
        notes.c.account_id == bindparam("account_id"),
        notes.c.entity == bindparam("entity"),
        notes.c.entity_id == bindparam("entity_id"),
    )
    .order_by(notes.c.id.desc())
    .limit(bindparam("most"))
)
_GET_NOTE = Statement(
    select(notes).where(notes.c.account_id == bindparam("account_id"), notes.c.id == bindparam("note_id"))
)

_LEADS = (
    select(leads, incoming_leads.c.uid, incoming_leads.c.category, incoming_leads.c.state,
           incoming_leads.c.created_at.label("unsorted_at"))
    .join(incoming_leads, incoming_leads.c.lead_id == leads.c.id, isouter=True)
    .where(leads.c.account_id == bindparam("account_id"))
    .order_by(leads.c.id.desc())
    .limit(bindparam("most"))
)  # fmt: skip
_LIST_LEADS = Statement(_LEADS)
_LIST_LEADS_BEFORE = Statement(_LEADS.where(leads.c.id < bindparam("before_id")))
_LEAD_IDS_OF_CONTACT = Statement(
    select(leads.c.id)
    .where(leads.c.account_id == bindparam("account_id"), leads.c.contact_id == bindparam("contact_id"))
    .order_by(leads.c.id.desc())
    .limit(20)
)

_GET_INCOMING = Statement(
    select(incoming_leads).where(
        incoming_leads.c.account_id == bindparam("account_id"), incoming_leads.c.uid == bindparam("uid")
    )
)
_LOCK_INCOMING = Statement(
    select(incoming_leads)
    .where(incoming_leads.c.account_id == bindparam("account_id"), incoming_leads.c.uid == bindparam("uid"))
    .with_for_update()
)
_INCOMING_OF_LEAD = Statement(
    select(incoming_leads).where(
        incoming_leads.c.account_id == bindparam("account_id"),
        incoming_leads.c.lead_id == bindparam("lead_id"),
    )
)
_DECIDE = Statement(
    update(incoming_leads)
    .where(
        incoming_leads.c.account_id == bindparam("account"),
        incoming_leads.c.uid == bindparam("of_uid"),
        incoming_leads.c.state == IncomingState.UNSORTED.value,
    )
    .values(changes("state", "decided_at", "decided_by"))
)
_UNSORTED = (
    select(
        incoming_leads.c.uid,
        incoming_leads.c.lead_id,
        incoming_leads.c.conversation_id,
        incoming_leads.c.created_at,
        leads.c.name.label("lead_name"),
        contacts.c.name.label("contact_name"),
        sources.c.name.label("source_name"),
        conversations.c.last_text,
    )
    .join(leads, leads.c.id == incoming_leads.c.lead_id)
    .join(contacts, contacts.c.id == incoming_leads.c.contact_id)
    .join(sources, sources.c.id == incoming_leads.c.source_id)
    .join(conversations, conversations.c.id == incoming_leads.c.conversation_id, isouter=True)
    .where(
        incoming_leads.c.account_id == bindparam("account_id"),
        incoming_leads.c.state == IncomingState.UNSORTED.value,
    )
    .order_by(incoming_leads.c.created_at.desc(), incoming_leads.c.uid.desc())
    .limit(bindparam("most"))
)
_LIST_UNSORTED = Statement(_UNSORTED)
_LIST_UNSORTED_BEFORE = Statement(
    _UNSORTED.where(
        tuple_(incoming_leads.c.created_at, incoming_leads.c.uid)
        < tuple_(bindparam("before_at"), bindparam("before_uid"))
    )
)

_REMEMBER = Statement(
    insert(answers)
    .values(columns("account_id", "scope", "key", "body_hash", "answer", "at"))
    .on_conflict_do_nothing(index_elements=["account_id", "scope", "key"])
)
_REMEMBERED = Statement(
    select(answers.c.body_hash, answers.c.answer).where(
        answers.c.account_id == bindparam("account_id"),
        answers.c.scope == bindparam("scope"),
        answers.c.key == bindparam("key"),
    )
)
_ANSWER = Statement(
    update(answers)
    .where(
        answers.c.account_id == bindparam("account"),
        answers.c.scope == bindparam("in_scope"),
        answers.c.key == bindparam("for_key"),
    )
    .values(changes("answer"))
)


def insert_contact(tx: Transaction, account_id: int, name_of: str, now: datetime) -> Contact:
    """A contact with a name that we make up from its id; `name_of` holds `{id}`."""
    at = to_ms(now)
    made_up = NameOrigin.MADE_UP
    row = tx.row(
        _INSERT_CONTACT,
        account_id=account_id,
        name="",
        name_origin=made_up.value,
        created_at=at,
        updated_at=at,
    )
    contact_id = ContactId(returned(row)["id"])
    name = name_of.format(id=contact_id)
    rename(tx, account_id, Entity.CONTACT, contact_id, name, made_up, now)
    return Contact(contact_id, name, made_up, now, now)


def insert_lead(
    tx: Transaction,
    account_id: int,
    name_of: str,
    *,
    contact_id: int,
    source_id: int,
    pipeline_id: int,
    status_id: int,
    now: datetime,
) -> Lead:
    """A lead with a name that we make up from its id; `name_of` holds `{id}`."""
    at = to_ms(now)
    made_up = NameOrigin.MADE_UP
    row = tx.row(
        _INSERT_LEAD,
        account_id=account_id,
        contact_id=contact_id,
        source_id=source_id,
        name="",
        name_origin=made_up.value,
        price=0,
        pipeline_id=pipeline_id,
        status_id=status_id,
        created_at=at,
        updated_at=at,
    )
    lead_id = LeadId(returned(row)["id"])
    name = name_of.format(id=lead_id)
    rename(tx, account_id, Entity.LEAD, lead_id, name, made_up, now)
    return Lead(lead_id, ContactId(contact_id), name, made_up, 0, pipeline_id, status_id, now, now)


def insert_incoming_lead(
    tx: Transaction,
    account_id: int,
    incoming: IncomingLead,
    *,
    visit_id: int | None,
    source_id: int,
    metadata: Mapping[str, Any],
) -> None:
    tx.run(
        _INSERT_INCOMING,
        uid=incoming.uid,
        account_id=account_id,
        lead_id=incoming.lead_id,
        contact_id=incoming.contact_id,
        conversation_id=incoming.conversation_id,
        visit_id=visit_id,
        source_id=source_id,
        category=incoming.category,
        pipeline_id=incoming.pipeline_id,
        state=incoming.state.value,
        created_at=to_ms(incoming.created_at),
        metadata=_encode(metadata),
    )


def rename(
    tx: Transaction,
    account_id: int,
    entity: Entity,
    card_id: int,
    name: str,
    origin: NameOrigin,
    now: datetime,
) -> bool:
    """Give the card another name, whatever it has now. Whether there is such a card."""
    return bool(
        tx.run(
            _RENAME[entity],
            account=account_id,
            card_id=card_id,
            new_name=name,
            new_name_origin=origin.value,
            new_updated_at=to_ms(now),
        )
    )


def set_price(tx: Transaction, account_id: int, lead_id: int, price: int, now: datetime) -> bool:
    """Whether there is such a lead."""
    return bool(
        tx.run(_SET_PRICE, account=account_id, card_id=lead_id, new_price=price, new_updated_at=to_ms(now))
    )


def move_lead(
    tx: Transaction,
    account_id: int,
    lead_id: int,
    *,
    pipeline_id: int,
    status_id: int,
    now: datetime,
) -> None:
    """Put the lead into a stage; won and lost close it."""
    tx.run(
        _MOVE,
        account=account_id,
        card_id=lead_id,
        new_pipeline_id=pipeline_id,
        new_status_id=status_id,
        new_closed_at=to_ms(now) if status_id in (WON, LOST) else None,
        new_updated_at=to_ms(now),
    )


def fill_name(
    tx: Transaction, account_id: int, entity: Entity, card_id: int, name: str, now: datetime
) -> bool:
    """Give the card the page's name if it has none of its own. Whether it was written."""
    return bool(
        tx.run(
            _FILL_NAME[entity],
            account=account_id,
            card_id=card_id,
            new_name=name,
            new_name_origin=NameOrigin.SITE.value,
            new_updated_at=to_ms(now),
        )
    )


def give_profile_name(tx: Transaction, account_id: int, contact_id: int, name: str, now: datetime) -> bool:
    """Call the contact as his messenger does, unless the site or an operator gave a name."""
    return bool(
        tx.run(
            _FILL_NAME[Entity.CONTACT],
            account=account_id,
            card_id=contact_id,
            new_name=name,
            new_name_origin=NameOrigin.PROFILE.value,
            new_updated_at=to_ms(now),
        )
    )


def set_avatar(tx: Transaction, account_id: int, contact_id: int, file: str) -> None:
    """The name under which the contact's picture lies in the file store."""
    tx.run(_SET_AVATAR, account=account_id, card_id=contact_id, new_avatar=file)


def find_avatar(tx: Transaction, account_id: int, contact_id: int) -> str | None:
    row = tx.row(_GET_CONTACT, account_id=account_id, contact_id=contact_id)
    return None if row is None else row["avatar"]


def hand_on_profile(tx: Transaction, account_id: int, from_id: int, to_id: int) -> bool:
    """Give what a messenger has told of the one contact to the other, as far as that has neither name nor
    picture. Whether it was given."""
    told = tx.row(_GET_CONTACT, account_id=account_id, contact_id=from_id)
    card = {"account": account_id, "card_id": to_id}
    given = 0
    if told is not None and told["name_origin"] == NameOrigin.PROFILE.value:
        given += tx.run(
            _HAND_ON_NAME,
            **card,
            new_name=told["name"],
            new_name_origin=told["name_origin"],
            new_updated_at=to_ms(tx.now),
        )
    if told is not None and told["avatar"] is not None:
        given += tx.run(_HAND_ON_AVATAR, **card, new_avatar=told["avatar"])
    return given > 0


def is_untouched(tx: Transaction, account_id: int, lead: Lead) -> bool:
    """Whether the lead and its contact hold nothing but what we made up, and nobody has decided on it."""
    row = tx.row(
        _IS_TOUCHED,
        account_id=account_id,
        lead_id=lead.id,
        contact_id=lead.contact_id,
    )
    return row is not None and not row["is_touched"]


def delete_untouched(tx: Transaction, account_id: int, lead: Lead) -> None:
    """Take a lead that nobody has touched away, with its contact: it was somebody else's from the start."""
    tx.run(_DELETE_INCOMING, account=account_id, of_lead=lead.id)
    tx.run(_DELETE_LEAD, account=account_id, of_lead=lead.id)
    tx.run(_DELETE_CONTACT, account=account_id, of_contact=lead.contact_id)


def fill_price(tx: Transaction, account_id: int, lead_id: int, price: int, now: datetime) -> bool:
    """Whether the price was empty, and is now this one."""
    return bool(
        tx.run(_FILL_PRICE, account=account_id, card_id=lead_id, new_price=price, new_updated_at=to_ms(now))
    )


def fill_field(
    tx: Transaction,
    account_id: int,
    entity: Entity,
    card_id: int,
    value: FieldValue,
    now: datetime,
    *,
    origin: NameOrigin = NameOrigin.SITE,
) -> bool:
    """Whether the field was empty, and now has these values."""
    return bool(
        tx.run(
            _FILL_FIELD,
            account_id=account_id,
            entity=entity.value,
            entity_id=card_id,
            field_id=value.field_id,
            items=_encode(value.items),
            origin=origin.value,
            at=to_ms(now),
        )
    )


def touch_card(tx: Transaction, account_id: int, entity: Entity, card_id: int, now: datetime) -> bool:
    """Whether there is such a card; it is marked as changed, and held."""
    return bool(tx.run(_TOUCH[entity], account=account_id, card_id=card_id, new_updated_at=to_ms(now)))


def append_note(
    tx: Transaction,
    account_id: int,
    entity: Entity,
    card_id: int,
    note_type: str,
    params: Mapping[str, Any],
    *,
    created_by: int,
    now: datetime,
    window_lead_id: int | None = None,
    visit_id: int | None = None,
    text_hash: str | None = None,
) -> int | None:
    """The id of the new note, or None when the window has one with this text on the same card."""
    row = tx.row(
        _INSERT_NOTE,
        account_id=account_id,
        entity=entity.value,
        entity_id=card_id,
        note_type=note_type,
        params=_encode(params),
        window_lead_id=window_lead_id,
        visit_id=visit_id,
        text_hash=text_hash,
        created_by=created_by,
        created_at=to_ms(now),
    )
    return None if row is None else int(row["id"])


def lock_cards(tx: Transaction, account_id: int, visit_id: int, lead_id: int) -> Row | None:
    """What decides whether this visit may write on the lead's cards; their rows are held."""
    return tx.row(_LOCK_CARDS, account_id=account_id, visit_id=visit_id, lead_id=lead_id)


def lock_contact(tx: Transaction, account_id: int, contact_id: int) -> Contact | None:
    row = tx.row(_LOCK_CONTACT, account_id=account_id, contact_id=contact_id)
    return None if row is None else _contact(row)


def lock_lead(tx: Transaction, account_id: int, lead_id: int) -> Lead | None:
    row = tx.row(_LOCK_LEAD, account_id=account_id, lead_id=lead_id)
    return None if row is None else _lead(row)


def find_contact(tx: Transaction, account_id: int, contact_id: int) -> Contact | None:
    row = tx.row(_GET_CONTACT, account_id=account_id, contact_id=contact_id)
    return None if row is None else _contact(row)


def find_lead(tx: Transaction, account_id: int, lead_id: int) -> Lead | None:
    row = tx.row(_GET_LEAD, account_id=account_id, lead_id=lead_id)
    return None if row is None else _lead(row)


def find_open_lead(tx: Transaction, account_id: int, contact_id: int) -> Lead | None:
    """The contact's newest lead that is neither declined nor closed."""
    row = tx.row(_FIND_OPEN_LEAD, account_id=account_id, contact_id=contact_id)
    return None if row is None else _lead(row)


def list_filled(tx: Transaction, account_id: int, contact_id: int, lead_id: int) -> frozenset[int]:
    """Ids of the fields that have a value on either card."""
    rows = tx.rows(_FILLED, account_id=account_id, contact_id=contact_id, lead_id=lead_id)
    return frozenset(row["field_id"] for row in rows)


def list_values(tx: Transaction, account_id: int, entity: Entity, card_id: int) -> list[FieldValue]:
    rows = tx.rows(_VALUES, account_id=account_id, entity=entity.value, entity_id=card_id)
    return [FieldValue(row["field_id"], tuple(msgspec.json.decode(row["items"]))) for row in rows]


def move_values(tx: Transaction, account_id: int, old_id: int, new_id: int) -> None:
    """Put the values of one field under the id of another, which has none yet."""
    tx.run(_MOVE_VALUES, account=account_id, old_id=old_id, new_field_id=new_id)


def list_values_of_field(
    tx: Transaction, account_id: int, field: CustomField, *, after: int, most: int
) -> list[tuple[int, list[Mapping[str, Any]]]]:
    """Cards by their ids, from the one after `after` on, with what they hold in the field."""
    rows = tx.rows(
        _VALUES_OF_FIELD,
        account_id=account_id, entity=field.entity.value, field_id=field.id, after=after, most=most,
    )  # fmt: skip
    return [(row["entity_id"], msgspec.json.decode(row["items"])) for row in rows]


def update_items(
    tx: Transaction, account_id: int, field: CustomField, card_id: int, items: Sequence[Mapping[str, Any]]
) -> None:
    tx.run(
        _UPDATE_ITEMS,
        account=account_id, of_entity=field.entity.value, card_id=card_id, of_field=field.id,
        new_items=_encode(items),
    )  # fmt: skip


def list_fields_from_site(tx: Transaction, account_id: int, entity: Entity, card_id: int) -> set[int]:
    """The fields of a card whose value is a page's word."""
    rows = tx.rows(_FROM_SITE, account_id=account_id, entity=entity.value, entity_id=card_id)
    return {row["field_id"] for row in rows}


def list_values_of_leads(
    tx: Transaction, account_id: int, lead_ids: Sequence[int]
) -> Mapping[int, list[FieldValue]]:
    found: dict[int, list[FieldValue]] = {lead_id: [] for lead_id in lead_ids}
    for row in tx.rows(_VALUES_OF_LEADS, account_id=account_id, lead_ids=list(lead_ids)):
        value = FieldValue(row["field_id"], tuple(msgspec.json.decode(row["items"])))
        found[row["entity_id"]].append(value)
    return found


def list_notes(tx: Transaction, account_id: int, entity: Entity, card_id: int, limit: int) -> list[Note]:
    """The card's last notes, the oldest of them first."""
    rows = tx.rows(_LAST_NOTES, account_id=account_id, entity=entity.value, entity_id=card_id, most=limit)
    return [_note(row) for row in reversed(rows)]


def find_note(tx: Transaction, account_id: int, note_id: int) -> Note | None:
    row = tx.row(_GET_NOTE, account_id=account_id, note_id=note_id)
    return None if row is None else _note(row)


def list_leads(
    tx: Transaction, account_id: int, *, before_id: int | None, limit: int
) -> list[tuple[Lead, IncomingLead | None]]:
    """Leads, the newest first, each with what it was as an unsorted one."""
    if before_id is None:
        rows = tx.rows(_LIST_LEADS, account_id=account_id, most=limit)
    else:
        rows = tx.rows(_LIST_LEADS_BEFORE, account_id=account_id, most=limit, before_id=before_id)
    return [(_lead(row), _incoming_of(row)) for row in rows]


def list_lead_ids(tx: Transaction, account_id: int, contact_id: int) -> list[int]:
    """The contact's newest leads."""
    rows = tx.rows(_LEAD_IDS_OF_CONTACT, account_id=account_id, contact_id=contact_id)
    return [row["id"] for row in rows]


def find_incoming_lead(tx: Transaction, account_id: int, uid: str) -> IncomingLead | None:
    row = tx.row(_GET_INCOMING, account_id=account_id, uid=uid)
    return None if row is None else _incoming(row)


def lock_incoming_lead(tx: Transaction, account_id: int, uid: str) -> IncomingLead | None:
    row = tx.row(_LOCK_INCOMING, account_id=account_id, uid=uid)
    return None if row is None else _incoming(row)


def find_incoming_lead_of(tx: Transaction, account_id: int, lead_id: int) -> IncomingLead | None:
    row = tx.row(_INCOMING_OF_LEAD, account_id=account_id, lead_id=lead_id)
    return None if row is None else _incoming(row)


def decide(
    tx: Transaction, account_id: int, uid: str, state: IncomingState, *, operator_id: int, now: datetime
) -> bool:
    """Accept or decline the unsorted lead. Whether nobody had done it before."""
    return bool(
        tx.run(
            _DECIDE,
            account=account_id,
            of_uid=uid,
            new_state=state.value,
            new_decided_at=to_ms(now),
            new_decided_by=operator_id,
        )
    )


def list_unsorted(
    tx: Transaction, account_id: int, *, before: tuple[int, str] | None, limit: int
) -> list[Row]:
    """Unsorted leads with what a list shows of them, the newest first."""
    if before is None:
        return tx.rows(_LIST_UNSORTED, account_id=account_id, most=limit)
    at, uid = before
    return tx.rows(_LIST_UNSORTED_BEFORE, account_id=account_id, most=limit, before_at=at, before_uid=uid)


def claim_key(tx: Transaction, account_id: int, scope: str, key: str, body_hash: str, now: datetime) -> bool:
    """Whether the idempotency key is new within its scope."""
    return bool(
        tx.run(
            _REMEMBER,
            account_id=account_id,
            scope=scope,
            key=key,
            body_hash=body_hash,
            answer="null",
            at=to_ms(now),
        )
    )


def find_answer(tx: Transaction, account_id: int, scope: str, key: str) -> Row | None:
    """body_hash and answer of the call that used the key first."""
    return tx.row(_REMEMBERED, account_id=account_id, scope=scope, key=key)


def keep_answer(tx: Transaction, account_id: int, scope: str, key: str, answer: str) -> None:
    tx.run(_ANSWER, account=account_id, in_scope=scope, for_key=key, new_answer=answer)


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _contact(row: Row) -> Contact:
    return Contact(
        ContactId(row["id"]),
        row["name"],
        NameOrigin(row["name_origin"]),
        from_ms(row["created_at"]),
        from_ms(row["updated_at"]),
        row["responsible_user_id"],
    )


def _lead(row: Row) -> Lead:
    return Lead(
        id=LeadId(row["id"]),
        contact_id=ContactId(row["contact_id"]),
        name=row["name"],
        name_origin=NameOrigin(row["name_origin"]),
        price=row["price"],
        pipeline_id=row["pipeline_id"],
        status_id=row["status_id"],
        created_at=from_ms(row["created_at"]),
        updated_at=from_ms(row["updated_at"]),
        closed_at=_moment(row["closed_at"]),
        responsible_user_id=row["responsible_user_id"],
    )


def _incoming(row: Row) -> IncomingLead:
    return IncomingLead(
        uid=row["uid"],
        lead_id=LeadId(row["lead_id"]),
        contact_id=ContactId(row["contact_id"]),
        conversation_id=row["conversation_id"],
        category=row["category"],
        pipeline_id=row["pipeline_id"],
        state=IncomingState(row["state"]),
        created_at=from_ms(row["created_at"]),
        decided_at=_moment(row["decided_at"]),
    )


def _incoming_of(row: Row) -> IncomingLead | None:
    """The unsorted lead of a row that is a lead joined with it."""
    if row["uid"] is None:
        return None
    return IncomingLead(
        uid=row["uid"],
        lead_id=LeadId(row["id"]),
        contact_id=ContactId(row["contact_id"]),
        conversation_id=None,
        category=row["category"],
        pipeline_id=row["pipeline_id"],
        state=IncomingState(row["state"]),
        created_at=from_ms(row["unsorted_at"]),
    )


def _note(row: Row) -> Note:
    return Note(
        id=row["id"],
        entity=Entity(row["entity"]),
        entity_id=row["entity_id"],
        note_type=row["note_type"],
        params=msgspec.json.decode(row["params"]),
        created_at=from_ms(row["created_at"]),
        created_by=row["created_by"],
    )
