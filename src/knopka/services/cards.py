"""The cards: made at the first message, filled by the page, accepted or declined by an operator."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from knopka.db import conversations as db_conversations
from knopka.db import crm as db
from knopka.db import tags as db_tags
from knopka.db import visitors as db_visitors
from knopka.db.clock import from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.jobs import clear_timer, set_timer
from knopka.domain.bot_params import merge_bot_params
from knopka.domain.catalog import UNSORTED_TYPE, Catalog, first_stage, unsorted_stage
from knopka.domain.crm import LOST, WON, Contact, IncomingLead, IncomingState, Lead, NameOrigin, Note
from knopka.domain.errors import Conflict, Fault, InvalidInput, NotFound
from knopka.domain.fields import CustomField, FieldValue
from knopka.domain.filling import (
    AddNote,
    CardState,
    FillPlan,
    Gate,
    KeepBotParams,
    RenameContact,
    RenameLead,
    Resolved,
    SetPrice,
    Write,
    WriteField,
    plan_fill,
)
from knopka.domain.meta import MAX_NAME, MAX_SALE, Entity, Json
from knopka.domain.meta_paths import find_value
from knopka.domain.notes import note_params
from knopka.domain.text import clean_name
from knopka.domain.verdicts import PathVerdict, Reason, Verdict
from knopka.domain.visit import Visit, Waiting, wants_card
from knopka.domain.visitor import META_WINDOW, Source
from knopka.services import bot_runs, cursors, events
from knopka.services.catalog import ACCOUNT
from knopka.services.repeats import is_first
from knopka.services.views import LeadCard, LeadRow, SiteDatum, Unsorted, UnsortedPage

WAITING_TIMER = "visit.waiting"
"""The kind of the timer after which what waits for a card expires."""

MOST_CALLS = 200
MOST_NOTES = 200
"""What a card shows of the journal and of its notes: the newest."""

CLIP = 500
"""Characters of a value, as JSON, that a card shows of what the site sent."""

_CONTACT_NAME = {"ru": "Посетитель #{id}", "en": "Visitor #{id}"}
_LEAD_NAME = {"ru": "Сделка #{id}", "en": "Lead #{id}"}


# --- Made at the first message.


def open_incoming_lead(
    tx: Transaction,
    catalog: Catalog,
    source: Source,
    contact: Contact | None,
    *,
    conversation_id: int,
    service: str,
    visit_id: int | None,
    text: str,
    page_url: str,
    now: datetime,
) -> Lead:
    """Make the lead and its unsorted record, and the contact unless there is one.

    Their names are made up by us, in the account's language, and count as empty.
    """
    account = catalog.account
    if contact is None:
        contact = db.insert_contact(tx, account.id, _in_language(_CONTACT_NAME, account.locale), now)
    pipeline = catalog.find_pipeline(source.pipeline_id) or catalog.main_pipeline
    lead = db.insert_lead(
        tx,
        account.id,
        _in_language(_LEAD_NAME, account.locale),
        contact_id=contact.id,
        source_id=source.id,
        pipeline_id=pipeline.id,
        status_id=unsorted_stage(pipeline).id,
        now=now,
    )
    incoming = IncomingLead(
        uid=secrets.token_hex(16),
        lead_id=lead.id,
        contact_id=contact.id,
        conversation_id=conversation_id,
        category="chats",
        pipeline_id=pipeline.id,
        state=IncomingState.UNSORTED,
        created_at=now,
    )
    metadata = {
        "from": contact.name,
        "to": source.name,
        "received_at": to_ms(now) // 1000,
        "service": service,
        "client": {"name": contact.name, "avatar": ""},
        "origin": {"chat_id": str(conversation_id), "ref": page_url, "visitor_uid": ""},
        "last_message_text": text[: db_conversations.EXCERPT],
        "source_name": source.name,
    }
    db.insert_incoming_lead(
        tx, account.id, incoming, visit_id=visit_id, source_id=source.id, metadata=metadata
    )
    return lead


def _in_language(texts: Mapping[str, str], locale: str) -> str:
    return texts["ru" if locale.startswith("ru") else "en"]


def make_pair(
    tx: Transaction, catalog: Catalog, *, source_id: int, stage: tuple[int, int], now: datetime
) -> Lead:
    """Make a contact with a lead in this stage, outside of any conversation; nothing of them is unsorted."""
    account = catalog.account
    contact = db.insert_contact(tx, account.id, _in_language(_CONTACT_NAME, account.locale), now)
    return db.insert_lead(
        tx,
        account.id,
        _in_language(_LEAD_NAME, account.locale),
        contact_id=contact.id,
        source_id=source_id,
        pipeline_id=stage[0],
        status_id=stage[1],
        now=now,
    )


# --- Filled by the page.


class Filling:
    """One visit's writing on the cards of one lead, within one transaction.

    The cards' rows are held from the start to the end of the transaction, in the
    order contact, lead, unsorted lead.
    """

    def __init__(
        self, tx: Transaction, catalog: Catalog, source: Source, visit: Visit, now: datetime
    ) -> None:
        lead_id = visit.lead_id
        row = None if lead_id is None else db.lock_cards(tx, source.account_id, visit.id, lead_id)
        if lead_id is None or row is None:
            raise NotFound(f"The visit {visit.id} has no card to write on.")
        self._tx = tx
        self._catalog = catalog
        self._source = source
        self._visit = visit
        self._now = now
        self._touched: set[Entity] = set()
        self._knows_fields = False
        self.lead_id = lead_id
        self.contact_id: int = row["contact_id"]
        self.is_declined = row["state"] == IncomingState.DECLINED.value
        self.is_over = self.is_declined or row["status_id"] in (WON, LOST)
        self._stored_window = self.window = db_visitors.read_window(row, source.window_mode)
        self.card = CardState(
            contact_name=row["contact_name"],
            contact_name_origin=NameOrigin(row["contact_name_origin"]),
            lead_name=row["lead_name"],
            lead_name_origin=NameOrigin(row["lead_name_origin"]),
            price=row["price"],
            own_notes=db_visitors.read_own_notes(row["note_hashes"]),
            bot_params=visit.bot_params,
        )
        self._stored_card = self.card

    @property
    def gate(self) -> Gate:
        if self.is_declined:
            return Gate.DECLINED
        return Gate.OPEN if self.window.is_open(self._now) else Gate.CLOSED

    def plan(self, resolved: Resolved) -> FillPlan:
        """Decide what of a call is to be written, and what becomes of each of its paths."""
        if resolved.fields and not self._knows_fields and self.gate is Gate.OPEN:
            filled = db.list_filled(self._tx, self._source.account_id, self.contact_id, self.lead_id)
            self.card = replace(self.card, filled=filled)
            self._knows_fields = True
        return plan_fill(resolved, self.card, self.gate)

    def write(self, resolved: Resolved, plan: FillPlan) -> tuple[PathVerdict, ...]:
        """Write what was planned, each only where it is still empty, and say what became of each path.

        The first data for this card opens the window of the visit anew, if it has not closed yet.
        """
        if self.gate is Gate.OPEN and wants_card(resolved) and self.window.first_data_at is None:
            self.window = replace(self.window, first_data_at=self._now)
        lost = {_path_of(write, plan, resolved) for write in plan.writes if not self._write(write)}
        self.card = self.card.after(plan)
        if not lost:
            return plan.verdicts
        return tuple(
            PathVerdict(verdict.path, Verdict.NOT_EMPTY, (Reason("not_empty"),))
            if verdict.path in lost
            else verdict
            for verdict in plan.verdicts
        )

    def finish(self) -> None:
        """Store the window with this visit's notes, and tell the operators."""
        if (self.window, self.card.own_notes) != (self._stored_window, self._stored_card.own_notes):
            db_visitors.update_window(
                self._tx,
                self._visit.id,
                self.lead_id,
                first_data_at=self.window.first_data_at,
                own_notes=self.card.own_notes,
            )
        for entity in (Entity.CONTACT, Entity.LEAD):  # the order in which cards are held
            if entity in self._touched:
                card_id = self.contact_id if entity is Entity.CONTACT else self.lead_id
                db.touch_card(self._tx, self._source.account_id, entity, card_id, self._now)
        if self.card != self._stored_card:
            events.publish_card(self._tx, self._source.account_id, self.lead_id)
        if self._has_new_names():
            events.publish_conversations(self._tx, self._source.account_id, self.lead_id)

    def _has_new_names(self) -> bool:
        before, after = self._stored_card, self.card
        return (before.contact_name, before.lead_name) != (after.contact_name, after.lead_name)

    def _write(self, write: Write) -> bool:
        """One guarded statement; False when somebody else had filled the place."""
        tx, account_id, now = self._tx, self._source.account_id, self._now
        match write:
            case RenameContact(name):
                return db.fill_name(tx, account_id, Entity.CONTACT, self.contact_id, name, now)
            case RenameLead(name):
                return db.fill_name(tx, account_id, Entity.LEAD, self.lead_id, name, now)
            case SetPrice(price):
                return db.fill_price(tx, account_id, self.lead_id, price, now)
            case WriteField(entity, value):
                self._touched.add(entity)
                return db.fill_field(tx, account_id, entity, self._card_id(entity), value, now)
            case AddNote():
                self._append_note(write)
                return True
            case KeepBotParams(params):
                if params != self._visit.bot_params:
                    self._visit = replace(self._visit, bot_params=params)
                    db_visitors.update_bot_params(tx, self._visit, params)
                return True

    def _card_id(self, entity: Entity) -> int:
        return self.contact_id if entity is Entity.CONTACT else self.lead_id

    def _append_note(self, write: AddNote) -> None:
        note = write.note
        phone = self._phone(note.note_type)
        self._touched.add(note.entity)
        db.append_note(
            self._tx,
            self._source.account_id,
            note.entity,
            self._card_id(note.entity),
            note.note_type,
            note_params(note.note_type, note.text, service=self._source.name, phone=phone),
            created_by=0,
            now=self._now,
            window_lead_id=self.lead_id,
            visit_id=self._visit.id,
            text_hash=write.text_hash,
        )

    def _phone(self, note_type: str) -> str:
        """The contact's first phone, for the notes that name one."""
        field = self._catalog.by_code.get((Entity.CONTACT, "PHONE"))
        if field is None or not note_type.startswith("sms_"):
            return ""
        values = db.list_values(self._tx, self._source.account_id, Entity.CONTACT, self.contact_id)
        return next((str(value.items[0]["value"]) for value in values if value.field_id == field.id), "")


def _path_of(write: Write, plan: FillPlan, resolved: Resolved) -> str:
    """The path of the call that a write comes from."""
    match write:
        case RenameContact():
            return "contact.name"
        case RenameLead():
            return "lead.name"
        case SetPrice():
            return "lead.sale"
        case WriteField(value=value):
            filled = {verdict.path for verdict in plan.verdicts if verdict.verdict is Verdict.FILLED}
            return next(
                wish.path
                for wish in resolved.fields
                if wish.value.field_id == value.field_id and wish.path in filled
            )
        case AddNote() | KeepBotParams():
            raise ValueError("notes and bot_params are written whatever stands there")


def bind_visit(
    tx: Transaction,
    catalog: Catalog,
    source: Source,
    visit: Visit,
    *,
    visitor_id: int | None,
    contact_id: int,
    lead: Lead | None,
    now: datetime,
) -> Visit:
    """Say on which cards the visit writes from now on. What it has waiting is written at once.

    Without a lead (the last one is closed) data goes on waiting for the next.
    """
    bound = replace(
        visit,
        visitor_id=visit.visitor_id or visitor_id,
        contact_id=contact_id,
        lead_id=None if lead is None else lead.id,
    )
    if bound != visit:
        db_visitors.bind_visit(tx, bound)
    if lead is None:
        return _pass_waiting_to_bot(tx, bound) if bound.visitor_id is not None else bound
    first_data_at = _first_data(visit.waiting, lead)
    db_visitors.insert_window(
        tx, bound, lead.id, lead_created_at=to_ms(lead.created_at), first_data_at=first_data_at
    )
    return fill_waiting(tx, catalog, source, bound, lead.id, now=now)


def follow_contact(tx: Transaction, catalog: Catalog, source: Source, visit: Visit, now: datetime) -> Visit:
    """A visit of a known contact that has no lead to write on: another visit may have opened one."""
    if visit.lead_id is not None or visit.contact_id is None:
        return visit
    lead = db.find_open_lead(tx, source.account_id, visit.contact_id)
    if lead is None:
        return visit
    return bind_visit(
        tx, catalog, source, visit, visitor_id=None, contact_id=visit.contact_id, lead=lead, now=now
    )


def _first_data(waiting: Waiting, lead: Lead) -> int | None:
    """When the data that waits came, if the window of the lead was not closed by then."""
    at = waiting.first_data_at
    return at if at is not None and from_ms(at) < lead.created_at + META_WINDOW else None


def fill_waiting(
    tx: Transaction, catalog: Catalog, source: Source, visit: Visit, lead_id: int, *, now: datetime
) -> Visit:
    """Write what the visit has waiting on its cards, call by call, and give each path its final verdict."""
    if visit.waiting_since is not None:
        visit = _pass_waiting_to_bot(tx, visit)
    if visit.waiting_since is not None:
        if any(held.wishes.contact_name or held.wishes.lead_name for held in visit.waiting.held):
            # The lists show these names, and conversations are held before the cards.
            db_conversations.touch_unnamed(tx, source.account_id, lead_id, now)
        filling = Filling(tx, catalog, source, visit, now)
        calls = db_visitors.list_verdicts(tx, [held.call_id for held in visit.waiting.held])
        for held in visit.waiting.held:
            wishes = held.wishes.settle_gone(catalog.fields)
            final = filling.write(wishes, filling.plan(wishes))
            verdicts = _replace_waiting(calls[held.call_id], final)
            db_visitors.update_verdicts(tx, held.call_id, verdicts)
        filling.finish()
        visit = end_waiting(tx, visit)
    db_visitors.bind_calls(tx, visit.id, lead_id)
    return visit


def _replace_waiting(
    verdicts: Sequence[PathVerdict], final: Sequence[PathVerdict]
) -> tuple[PathVerdict, ...]:
    by_path = {verdict.path: verdict for verdict in final}
    return tuple(by_path.get(verdict.path, verdict) for verdict in verdicts)


def _pass_waiting_to_bot(tx: Transaction, visit: Visit) -> Visit:
    """Put the bot_params that waited where bots read them; what came later wins."""
    if not visit.waiting.bot_params:
        return visit
    merged, _ = merge_bot_params(visit.waiting.bot_params, visit.bot_params)
    db_visitors.update_bot_params(tx, visit, merged)
    db_visitors.pass_waiting_to_bot(tx, visit.id)
    visit = replace(visit, bot_params=merged, waiting=replace(visit.waiting, bot_params={}))
    if not visit.waiting.held:
        return end_waiting(tx, visit)
    db_visitors.update_waiting(tx, visit)
    return visit


def start_waiting(tx: Transaction, visit: Visit, since: datetime) -> None:
    """Have what the visit has waiting expire in time."""
    set_timer(tx, visit.account_id, WAITING_TIMER, str(visit.id), {"visit_id": visit.id}, since + META_WINDOW)


def end_waiting(tx: Transaction, visit: Visit) -> Visit:
    """Nothing waits any more."""
    visit = replace(visit, waiting=Waiting(), waiting_since=None)
    db_visitors.update_waiting(tx, visit)
    clear_timer(tx, visit.account_id, WAITING_TIMER, str(visit.id))
    return visit


# --- Accepted or declined by an operator.


def accept(
    tx: Transaction,
    catalog: Catalog,
    operator_id: int,
    uid: str,
    key: str,
    *,
    pipeline_id: int | None = None,
    status_id: int | None = None,
    by_run: int | None = None,
    now: datetime,
) -> IncomingLead:
    """Take the unsorted lead into a stage: the one named, else the first usual one.

    It changes nothing about the window. `by_run` is the run of a bot that does it,
    in the place of an operator. Raises Conflict when somebody has decided before.
    """
    incoming = _get_incoming(tx, uid)
    wanted = incoming.pipeline_id if pipeline_id is None else pipeline_id
    if not is_first(tx, ACCOUNT, f"unsorted:{uid}", key, "accept", pipeline_id, status_id, now=now):
        return incoming
    stage = _find_stage(catalog, wanted, status_id)
    return _decide(
        tx, incoming, IncomingState.ACCEPTED, stage, operator_id=operator_id, by_run=by_run, now=now
    )


def decline(
    tx: Transaction, operator_id: int, uid: str, key: str, *, by_run: int | None = None, now: datetime
) -> IncomingLead:
    """Refuse the unsorted lead: nothing is filled from now on, the next message opens a new one."""
    incoming = _get_incoming(tx, uid)
    if not is_first(tx, ACCOUNT, f"unsorted:{uid}", key, "decline", now=now):
        return incoming
    stage = (incoming.pipeline_id, LOST)
    return _decide(
        tx, incoming, IncomingState.DECLINED, stage, operator_id=operator_id, by_run=by_run, now=now
    )


def move_lead(
    tx: Transaction,
    catalog: Catalog,
    operator_id: int,
    lead_id: int,
    status_id: int,
    *,
    by_run: int | None = None,
    now: datetime,
) -> bool:
    """Put the lead into a stage of its own pipeline, else of the one that has it. Whether it was elsewhere.

    An unsorted lead is accepted thereby, or declined where the stage is the lost one.
    Raises NotFound when there is no such lead, InvalidInput when there is no such stage.
    """
    db_conversations.touch_of_lead(tx, ACCOUNT, lead_id, now)
    lead = db.lock_lead(tx, ACCOUNT, lead_id)
    if lead is None:
        raise NotFound(f"There is no lead {lead_id}.")
    pipeline_id = _find_pipeline_with(catalog, lead, status_id)
    if (lead.pipeline_id, lead.status_id) == (pipeline_id, status_id):
        return False
    incoming = db.find_incoming_lead_of(tx, ACCOUNT, lead_id)
    if incoming is not None and incoming.state is IncomingState.UNSORTED:
        state = IncomingState.DECLINED if status_id == LOST else IncomingState.ACCEPTED
        stage = (pipeline_id, status_id)
        _decide(tx, incoming, state, stage, operator_id=operator_id, by_run=by_run, now=now)
    else:
        _move(tx, lead_id, (pipeline_id, status_id), by_run, now)
    return True


def _find_pipeline_with(catalog: Catalog, lead: Lead, status_id: int) -> int:
    """The lead's own pipeline if it has the stage, else the first that has."""
    found = sorted(catalog.pipelines, key=lambda pipeline: pipeline.id != lead.pipeline_id)
    for pipeline in found:
        if any(status.id == status_id and status.type != UNSORTED_TYPE for status in pipeline.statuses):
            return pipeline.id
    raise InvalidInput(Fault("$.status_id", "unknown", f"there is no stage {status_id}"))


def _get_incoming(tx: Transaction, uid: str) -> IncomingLead:
    incoming = db.find_incoming_lead(tx, ACCOUNT, uid)
    if incoming is None:
        raise NotFound("There is no such unsorted lead.")
    return incoming


def _find_stage(catalog: Catalog, pipeline_id: int, status_id: int | None) -> tuple[int, int]:
    pipeline = catalog.find_pipeline(pipeline_id)
    if pipeline is None:
        raise InvalidInput(Fault("$.pipeline_id", "unknown", f"there is no pipeline {pipeline_id}"))
    if status_id is None:
        return pipeline.id, first_stage(pipeline).id
    usual = {status.id for status in pipeline.statuses if status.type != UNSORTED_TYPE}
    if status_id not in usual:
        allowed = ", ".join(map(str, sorted(usual)))
        message = f"{status_id} is no stage of this pipeline; allowed are {allowed}"
        raise InvalidInput(Fault("$.status_id", "unknown", message))
    return pipeline.id, status_id


def _decide(
    tx: Transaction,
    incoming: IncomingLead,
    state: IncomingState,
    stage: tuple[int, int],
    *,
    operator_id: int,
    by_run: int | None,
    now: datetime,
) -> IncomingLead:
    db_conversations.touch_of_lead(tx, ACCOUNT, incoming.lead_id, now)
    db.lock_lead(tx, ACCOUNT, incoming.lead_id)
    if not db.decide(tx, ACCOUNT, incoming.uid, state, operator_id=operator_id, now=now):
        raise Conflict("Somebody has accepted or declined this lead already.")
    _move(tx, incoming.lead_id, stage, by_run, now)
    return replace(incoming, state=state, pipeline_id=stage[0], decided_at=now)


def _move(tx: Transaction, lead_id: int, stage: tuple[int, int], by_run: int | None, now: datetime) -> None:
    """Every change of a stage ends here: the operators see it, and bots end or start by it."""
    pipeline_id, status_id = stage
    db.move_lead(tx, ACCOUNT, lead_id, pipeline_id=pipeline_id, status_id=status_id, now=now)
    bot_runs.notice_stage(tx, lead_id, status_id, by_run=by_run, now=now)
    events.publish_card(tx, ACCOUNT, lead_id)
    events.publish_conversations(tx, ACCOUNT, lead_id)


# --- Written by an operator, whose word stands over the page's.


def rename_contact(
    tx: Transaction, operator_id: int, contact_id: int, name: str, key: str, *, now: datetime
) -> None:
    """Give the contact a name that no page changes."""
    _rename(tx, Entity.CONTACT, contact_id, name, key, operator_id, now)


def rename_lead(
    tx: Transaction, operator_id: int, lead_id: int, name: str, key: str, *, now: datetime
) -> None:
    """Give the lead a name that no page changes."""
    _rename(tx, Entity.LEAD, lead_id, name, key, operator_id, now)


def _rename(
    tx: Transaction, entity: Entity, card_id: int, name: str, key: str, operator_id: int, now: datetime
) -> None:
    cleaned = clean_name(name)
    if not 0 < len(cleaned) <= MAX_NAME:
        place = "$.contact_name" if entity is Entity.CONTACT else "$.name"
        raise InvalidInput(Fault(place, "bad_length", f"a name has 1 to {MAX_NAME} characters"))
    if not is_first(tx, ACCOUNT, f"{entity.value}:{card_id}:name", key, operator_id, cleaned, now=now):
        return
    lead_ids = [card_id] if entity is Entity.LEAD else db.list_lead_ids(tx, ACCOUNT, card_id)
    for lead_id in lead_ids:
        db_conversations.touch_of_lead(tx, ACCOUNT, lead_id, now)
    if not db.rename(tx, ACCOUNT, entity, card_id, cleaned, NameOrigin.OPERATOR, now):
        raise NotFound("There is no such card.")
    for lead_id in lead_ids:
        events.publish_card(tx, ACCOUNT, lead_id)
        events.publish_conversations(tx, ACCOUNT, lead_id)


def set_price(
    tx: Transaction, operator_id: int, lead_id: int, price: int, key: str, *, now: datetime
) -> None:
    """Set the lead's budget; 0 makes it empty again."""
    if not 0 <= price <= MAX_SALE:
        raise InvalidInput(
            Fault("$.price", "out_of_range", f"a price is a whole number from 0 to {MAX_SALE}")
        )
    if not is_first(tx, ACCOUNT, f"leads:{lead_id}:price", key, operator_id, price, now=now):
        return
    if not db.set_price(tx, ACCOUNT, lead_id, price, now):
        raise NotFound("There is no such lead.")
    events.publish_card(tx, ACCOUNT, lead_id)


# --- Shown.


def read_card(tx: Transaction, catalog: Catalog, lead_id: int) -> LeadCard:
    """Everything that a lead's card shows. Raises NotFound."""
    lead = db.find_lead(tx, ACCOUNT, lead_id)
    if lead is None:
        raise NotFound(f"There is no lead {lead_id}.")
    contact = db.find_contact(tx, ACCOUNT, lead.contact_id)
    if contact is None:
        raise NotFound(f"There is no contact {lead.contact_id}.")
    window = db_visitors.find_last_window(tx, ACCOUNT, lead_id)
    bot_params: dict[str, Any] = {}
    for params in db_visitors.list_bot_params(tx, ACCOUNT, lead_id):
        bot_params |= params
    return LeadCard(
        account=catalog.account,
        lead=lead,
        contact=contact,
        lead_values=_with_fields(catalog, db.list_values(tx, ACCOUNT, Entity.LEAD, lead.id)),
        contact_values=_with_fields(catalog, db.list_values(tx, ACCOUNT, Entity.CONTACT, contact.id)),
        notes=_list_notes(tx, lead),
        site_data=_list_site_data(tx, lead_id),
        window=window,
        is_window_open=window is not None and window.is_open(tx.now),
        incoming=db.find_incoming_lead_of(tx, ACCOUNT, lead_id),
        bot_params=bot_params,
        fields=tuple(catalog.fields.values()),
        claimed=_list_claimed(tx, catalog, lead),
        lead_tags=db_tags.list_tags_of(tx, ACCOUNT, Entity.LEAD, [lead.id])[lead.id],
        contact_tags=db_tags.list_tags_of(tx, ACCOUNT, Entity.CONTACT, [contact.id])[contact.id],
    )


def _list_claimed(tx: Transaction, catalog: Catalog, lead: Lead) -> frozenset[int]:
    """S-WEB-07: whoever can open the page can send any phone, so it is shown as a claim."""
    of_lead = db.list_fields_from_site(tx, ACCOUNT, Entity.LEAD, lead.id)
    of_contact = db.list_fields_from_site(tx, ACCOUNT, Entity.CONTACT, lead.contact_id)
    known = (catalog.fields.get(field_id) for field_id in of_lead | of_contact)
    return frozenset(field.id for field in known if field is not None and field.is_way_to_reach)


def _with_fields(
    catalog: Catalog, values: Sequence[FieldValue]
) -> tuple[tuple[CustomField, FieldValue], ...]:
    """Each value with its field, in the order of the fields. A catalog read a moment ago may know fewer."""
    known = [(catalog.fields[value.field_id], value) for value in values if value.field_id in catalog.fields]
    return tuple(sorted(known, key=lambda pair: (pair[0].sort, pair[0].id)))


def _list_notes(tx: Transaction, lead: Lead) -> tuple[Note, ...]:
    """The notes of both cards in the order in which they were made."""
    of_lead = db.list_notes(tx, ACCOUNT, Entity.LEAD, lead.id, MOST_NOTES)
    of_contact = db.list_notes(tx, ACCOUNT, Entity.CONTACT, lead.contact_id, MOST_NOTES)
    return tuple(sorted((*of_lead, *of_contact), key=lambda note: (note.created_at, note.id)))


def _list_site_data(tx: Transaction, lead_id: int) -> tuple[SiteDatum, ...]:
    """What the site sent, path by path, the oldest first."""
    return tuple(
        SiteDatum(
            at=from_ms(row["at"]),
            page=row["page_url"],
            path=verdict.path,
            value=value,
            verdict=verdict,
        )
        for row in reversed(db_visitors.list_last_entries(tx, ACCOUNT, lead_id, MOST_CALLS))
        for verdict, value in _pair(row)
    )


def _pair(row: Row) -> list[tuple[PathVerdict, Json]]:
    """Each verdict of a call with the value that the call gave for its path."""
    params = msgspec.json.decode(row["body"])
    return [
        (verdict, _clip(find_value(params, verdict.path)))
        for verdict in db_visitors.read_verdicts(row["verdicts"])
    ]


def _clip(value: Json) -> Json:
    """The value as it was sent, or the beginning of its text."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return value if len(text) <= CLIP else text[: CLIP - 1] + "…"


def list_leads(
    tx: Transaction, catalog: Catalog, *, before_id: int | None = None, limit: int = 50
) -> list[LeadRow]:
    """Leads, the newest first."""
    found = db.list_leads(tx, ACCOUNT, before_id=before_id, limit=limit)
    values = db.list_values_of_leads(tx, ACCOUNT, [lead.id for lead, _ in found]) if found else {}
    tags = db_tags.list_tags_of(tx, ACCOUNT, Entity.LEAD, [lead.id for lead, _ in found])
    return [
        LeadRow(catalog.account, lead, _with_fields(catalog, values[lead.id]), incoming, tags[lead.id])
        for lead, incoming in found
    ]


def list_unsorted(tx: Transaction, *, before: str | None = None, limit: int = 50) -> UnsortedPage:
    """Leads that nobody has accepted or declined yet, the newest first."""
    place = None if before is None else cursors.read_text(before)
    rows = db.list_unsorted(tx, ACCOUNT, before=place, limit=limit + 1)
    shown = tuple(
        Unsorted(
            uid=row["uid"],
            lead_id=row["lead_id"],
            lead_name=row["lead_name"],
            contact_name=row["contact_name"],
            conversation_id=row["conversation_id"],
            created_at=from_ms(row["created_at"]),
            source_name=row["source_name"],
            last_text=row["last_text"] or "",
        )
        for row in rows[:limit]
    )
    has_more = len(rows) > limit
    last = cursors.write(to_ms(shown[-1].created_at), shown[-1].uid) if has_more else None
    return UnsortedPage(shown, last)
