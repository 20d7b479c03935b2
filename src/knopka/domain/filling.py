"""What of one setMeta call may be written on the cards: the page's central rule, as a pure decision."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from knopka.domain.bot_params import merge_bot_params
from knopka.domain.crm import NameOrigin
from knopka.domain.field_meta import FieldMeta
from knopka.domain.field_values import read_values
from knopka.domain.fields import CustomField, FieldValue
from knopka.domain.meta import Entity, Meta, NoteMeta
from knopka.domain.notes import hash_note
from knopka.domain.text import excerpt
from knopka.domain.verdicts import PathVerdict, Reason, Verdict

MAX_NOTES = 10
"""Notes that one visit may put on the cards within one window."""

NoteKey = tuple[Entity, str]
"""The card a note is for, and the hash of its text."""


# --- First half: everything that needs the account's fields, but no card.


@dataclass(frozen=True, slots=True)
class WantedField:
    """One entry of custom_fields whose field exists, may be written, and has a good value."""

    path: str
    entity: Entity
    value: FieldValue
    reasons: tuple[Reason, ...] = ()
    """The values that were skipped, named."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """One call, met with the account's fields. What is not `settled` waits for its card."""

    note: NoteMeta | None = None
    contact_name: str | None = None
    lead_name: str | None = None
    sale: int | None = None
    fields: tuple[WantedField, ...] = ()
    bot_params: Mapping[str, Any] = field(default_factory=dict)
    settled: tuple[PathVerdict, ...] = ()
    paths: tuple[str, ...] = ()
    remarks: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left that a card could take."""
        return len(self.settled) == len(self.paths)

    def settle_gone(self, fields: Container[int]) -> Resolved:
        """A field that was there when the call came may be gone when its card is."""
        gone = [wish for wish in self.fields if wish.value.field_id not in fields]
        unknown = (
            PathVerdict(
                wish.path,
                Verdict.UNKNOWN_FIELD,
                (Reason("unknown_field", {"field": str(wish.value.field_id)}),),
            )
            for wish in gone
        )
        kept = tuple(wish for wish in self.fields if wish not in gone)
        return replace(self, fields=kept, settled=(*self.settled, *unknown)) if gone else self

    def wait(self) -> tuple[PathVerdict, ...]:
        """No card exists yet: what is open waits for it."""
        return self.settle_rest(Verdict.WAITING, Reason("waiting"))

    def expire(self) -> tuple[PathVerdict, ...]:
        """No card came within the 24 hours."""
        return self.settle_rest(Verdict.EXPIRED, Reason("expired"))

    def settle_rest(self, verdict: Verdict, *reasons: Reason) -> tuple[PathVerdict, ...]:
        """One verdict for every path that is still open."""
        rest = {wish: PathVerdict(wish, verdict, reasons) for wish in self.paths}
        return _in_order(self.paths, rest | _by_path(self.settled))


def resolve(
    meta: Meta,
    fields_by_id: Mapping[int, CustomField],
    fields_by_code: Mapping[tuple[Entity, str], CustomField],
    *,
    region: str,
    timezone: str,
) -> Resolved:
    """Meet the account's fields: unknown ones, another card's, unwritable ones and bad values are settled."""
    settled = list(meta.settled)
    wanted: list[WantedField] = []
    for entity, card in ((Entity.CONTACT, meta.contact), (Entity.LEAD, meta.lead)):
        for entry in card.fields:
            found = _find_field(entry, entity, fields_by_id, fields_by_code)
            wish = found if isinstance(found, PathVerdict) else _read_wanted(entry, found, region, timezone)
            if isinstance(wish, PathVerdict):
                settled.append(wish)
            else:
                wanted.append(wish)
    return Resolved(
        note=meta.note,
        contact_name=meta.contact.name,
        lead_name=meta.lead.name,
        sale=meta.lead.sale,
        fields=tuple(wanted),
        bot_params=meta.bot_params,
        settled=tuple(settled),
        paths=meta.paths,
        remarks=meta.remarks,
    )


def _find_field(
    entry: FieldMeta,
    entity: Entity,
    fields_by_id: Mapping[int, CustomField],
    fields_by_code: Mapping[tuple[Entity, str], CustomField],
) -> CustomField | PathVerdict:
    """The field that an entry names, if it stands on the card that the entry is for."""
    if entry.field_id is not None:
        name = str(entry.field_id)
        found = fields_by_id.get(entry.field_id)
    else:
        name = entry.field_code or ""
        other = Entity.LEAD if entity is Entity.CONTACT else Entity.CONTACT
        found = fields_by_code.get((entity, name)) or fields_by_code.get((other, name))
    if found is None:
        unknown = Reason("unknown_field", {"field": excerpt(name)})
        return PathVerdict(entry.path, Verdict.UNKNOWN_FIELD, (unknown,))
    if found.entity is not entity:
        values = {"field": excerpt(name)}
        is_lead = found.entity is Entity.LEAD
        reason = Reason("field_of_lead", values) if is_lead else Reason("field_of_contact", values)
        return PathVerdict(entry.path, Verdict.WRONG_ENTITY, (reason,))
    return found


def _read_wanted(
    entry: FieldMeta, found: CustomField, region: str, timezone: str
) -> WantedField | PathVerdict:
    parsed = read_values(found, entry.values, region=region, timezone=timezone)
    reasons = entry.skipped + parsed.reasons
    if parsed.value is not None:
        return WantedField(entry.path, found.entity, parsed.value, reasons)
    verdict = parsed.verdict or Verdict.BAD_VALUE
    if verdict is Verdict.EMPTY and reasons:
        verdict = Verdict.BAD_VALUE
    return PathVerdict(entry.path, verdict, reasons)


# --- Second half: the cards as they are now.


class Gate(StrEnum):
    """Whether the cards take the page's data at this moment."""

    OPEN = "open"
    CLOSED = "closed"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class CardState:
    """What the decision must know of a lead's and its contact's cards."""

    contact_name: str = ""
    contact_name_origin: NameOrigin = NameOrigin.MADE_UP
    lead_name: str = ""
    lead_name_origin: NameOrigin = NameOrigin.MADE_UP
    price: int = 0
    filled: frozenset[int] = frozenset()
    """Ids of the fields that have a value, on both cards (an id is unique in the account)."""
    notes: frozenset[NoteKey] = frozenset()
    """Notes that pages put on these cards within this window."""
    own_notes: frozenset[NoteKey] = frozenset()
    """Those of them that this visit has sent."""
    bot_params: Mapping[str, Any] = field(default_factory=dict)
    """What this visit has passed on before."""

    def after(self, plan: FillPlan) -> CardState:
        """The cards once a plan has been written."""
        state = self
        for write in plan.writes:
            state = _apply(state, write)
        return state


@dataclass(frozen=True, slots=True)
class RenameContact:
    name: str


@dataclass(frozen=True, slots=True)
class RenameLead:
    name: str


@dataclass(frozen=True, slots=True)
class SetPrice:
    price: int


@dataclass(frozen=True, slots=True)
class WriteField:
    """The whole of a field's values: an address and a list are one unit, never merged."""

    entity: Entity
    value: FieldValue


@dataclass(frozen=True, slots=True)
class AddNote:
    """A note to append. `is_stored` tells that another visit's note of the same text stands there already."""

    note: NoteMeta
    text_hash: str
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class KeepBotParams:
    """The visit's bot_params, merged."""

    params: Mapping[str, Any]


Write = RenameContact | RenameLead | SetPrice | WriteField | AddNote | KeepBotParams


@dataclass(frozen=True, slots=True)
class FillPlan:
    """What to write, in this order, and the final verdict of every path of the call."""

    writes: tuple[Write, ...]
    verdicts: tuple[PathVerdict, ...]

    def bot_params(self, before: Mapping[str, Any]) -> Mapping[str, Any]:
        """The visit's bot_params once the plan has been written."""
        return next((write.params for write in self.writes if isinstance(write, KeepBotParams)), before)


def plan_fill(resolved: Resolved, card: CardState, gate: Gate) -> FillPlan:
    """Decide which of the wanted values may be written on the cards.

    The page: a field that is filled already cannot be updated, and data is taken
    no longer than 24 hours. Neither holds for bot_params, which bots may always read.
    """
    plan = _Plan(card, resolved.remarks)
    if gate is Gate.OPEN:
        plan.fill(resolved)
    else:
        plan.verdicts |= _by_path(_refuse_all(resolved, gate))
    plan.pass_to_bot(resolved.bot_params)
    return FillPlan(tuple(plan.writes), _in_order(resolved.paths, plan.verdicts | _by_path(resolved.settled)))


def _refuse_all(resolved: Resolved, gate: Gate) -> tuple[PathVerdict, ...]:
    if gate is Gate.DECLINED:
        return resolved.settle_rest(Verdict.DECLINED, Reason("declined"))
    return resolved.settle_rest(Verdict.WINDOW_CLOSED, Reason("window_closed"))


class _Plan:
    """A plan as it grows. Of two entries of one call that name the same field, the first wins."""

    def __init__(self, card: CardState, remarks: Mapping[str, tuple[Reason, ...]]) -> None:
        self.card = card
        self.remarks = remarks
        self.filled = set(card.filled)
        self.writes: list[Write] = []
        self.verdicts: dict[str, PathVerdict] = {}

    def fill(self, resolved: Resolved) -> None:
        card = self.card
        if resolved.note is not None:
            self._append_note(resolved.note)
        if resolved.contact_name is not None:
            is_empty = _is_name_empty(card.contact_name, card.contact_name_origin)
            self._write_if("contact.name", RenameContact(resolved.contact_name), is_empty)
        if resolved.lead_name is not None:
            is_empty = _is_name_empty(card.lead_name, card.lead_name_origin)
            self._write_if("lead.name", RenameLead(resolved.lead_name), is_empty)
        if resolved.sale is not None:
            self._write_if("lead.sale", SetPrice(resolved.sale), card.price == 0)
        for wish in resolved.fields:
            is_empty = wish.value.field_id not in self.filled
            self.filled.add(wish.value.field_id)
            self._write_if(wish.path, WriteField(wish.entity, wish.value), is_empty, wish.reasons)

    def _write_if(self, path: str, write: Write, is_empty: bool, reasons: tuple[Reason, ...] = ()) -> None:
        """The page: if the field is filled already, it cannot be updated."""
        if is_empty:
            self.writes.append(write)
            self._say(path, Verdict.FILLED, *self.remarks.get(path, ()), *reasons)
        else:
            self._say(path, Verdict.NOT_EMPTY, Reason("not_empty"))

    def _append_note(self, note: NoteMeta) -> None:
        """A note is always appended; the same text for the same card within the window is stored once.

        Only the notes of this visit are told to it as repeated: it must not learn what others wrote.
        """
        key = (note.entity, hash_note(note.text))
        if key in self.card.own_notes:
            self._say("note", Verdict.REPEATED, Reason("note_repeated"))
        elif len(self.card.own_notes) >= MAX_NOTES:
            self._say("note", Verdict.LIMIT, Reason("too_many_notes", {"limit": str(MAX_NOTES)}))
        else:
            self.writes.append(AddNote(note, key[1], is_stored=key in self.card.notes))
            self._say("note", Verdict.NOTED, *note.reasons)

    def pass_to_bot(self, params: Mapping[str, Any]) -> None:
        """The page: bot_params are passed on to Salesbot. The last call wins, key by key."""
        if not params:
            return
        merged, refused = merge_bot_params(self.card.bot_params, params)
        self.writes.append(KeepBotParams(merged))
        for key in params:
            if key in refused:
                self._say(f"bot_params.{key}", Verdict.LIMIT, refused[key])
            else:
                self._say(f"bot_params.{key}", Verdict.PASSED_TO_BOT)

    def _say(self, path: str, verdict: Verdict, *reasons: Reason) -> None:
        self.verdicts[path] = PathVerdict(path, verdict, reasons)


def _is_name_empty(name: str, origin: NameOrigin) -> bool:
    """A name that we made up, or that a messenger's profile brought, counts as empty."""
    return not name or origin.counts_as_empty


def _apply(card: CardState, write: Write) -> CardState:
    match write:
        case RenameContact(name):
            return replace(card, contact_name=name, contact_name_origin=NameOrigin.SITE)
        case RenameLead(name):
            return replace(card, lead_name=name, lead_name_origin=NameOrigin.SITE)
        case SetPrice(price):
            return replace(card, price=price)
        case WriteField(value=value):
            return replace(card, filled=card.filled | {value.field_id})
        case AddNote(note, text_hash):
            key = {(note.entity, text_hash)}
            return replace(card, notes=card.notes | key, own_notes=card.own_notes | key)
        case KeepBotParams(params):
            return replace(card, bot_params=params)


def _by_path(verdicts: Iterable[PathVerdict]) -> dict[str, PathVerdict]:
    return {verdict.path: verdict for verdict in verdicts}


def _in_order(paths: tuple[str, ...], verdicts: Mapping[str, PathVerdict]) -> tuple[PathVerdict, ...]:
    return tuple(verdicts[path] for path in paths)
