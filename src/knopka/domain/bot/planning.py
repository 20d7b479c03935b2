"""What `action` and `meta` want written, or why nothing is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from knopka.domain.bot.arithmetic import compute
from knopka.domain.bot.effects import (
    Assign,
    Decide,
    Effect,
    Join,
    MakeCards,
    MoveLead,
    Note,
    SetSubscription,
    Tag,
    Untag,
    WriteCard,
    WriteNote,
)
from knopka.domain.bot.scope import Scope
from knopka.domain.bot.script import (
    Action,
    AddLeadContact,
    AddNote,
    ChangeResponsible,
    ChangeStatus,
    DecideUnsorted,
    Link,
    NewCard,
    NewField,
    SetBudget,
    SetField,
    SetTag,
    Split,
    Subscribe,
    UnsetTag,
)
from knopka.domain.emails import find_email
from knopka.domain.meta import MAX_SALE, Entity
from knopka.domain.numbers import plain, read_decimal, round_half_up

_MAX_ID = 2**63 - 1
_ID = re.compile(r"[0-9]{1,19}")
_TARGET = re.compile(r"(lead|contact)\.(?:(tags|name|price)|(?:custom_fields|cf)\.([0-9]{1,18}))")
_ENTITIES = {"lead": Entity.LEAD, "contact": Entity.CONTACT}


@dataclass(frozen=True, slots=True)
class Undone:
    """Why a handler writes nothing."""

    note: Note
    detail: str = ""


def plan_action(action: Action, scope: Scope) -> Effect | Undone:
    """The effect of one action. A value that does not fit, which only a marker can bring, has none."""
    match action:
        case DecideUnsorted(accept=accept):
            return Decide(accept)
        case ChangeStatus():
            status = _fill_id(action.status_id, scope)
            return status if isinstance(status, Undone) else MoveLead(status, action.of_double)
        case SetTag(entity=entity):
            value = scope.fill(action.value).strip()
            return Tag(entity, value) if value else Undone(Note.EMPTY_VALUE)
        case UnsetTag(entity=entity):
            values = tuple(filter(None, (scope.fill(value).strip() for value in action.values)))
            return Untag(entity, values) if values else Undone(Note.EMPTY_VALUE)
        case SetField():
            return _plan_field(action, scope)
        case SetBudget():
            return _plan_price(_compute(action.value, scope))
        case Subscribe():
            return _plan_subscription(action, scope)
        case AddLeadContact():
            return _plan_cards(action, scope)
        case AddNote(entity=entity, note_type=note_type):
            text = scope.fill(action.text)
            return WriteNote(entity, note_type, text) if text.strip() else Undone(Note.EMPTY_VALUE)
        case Link():
            return _plan_link(action, scope)
        case ChangeResponsible(entity=card):
            user = _fill_id(action.value, scope)
            return user if isinstance(user, Undone) else Assign(user, card)


def read_id(text: str) -> int | None:
    """A number that names something; None when the text is none."""
    text = text.strip()
    number = int(text) if _ID.fullmatch(text) else 0
    return number if 0 < number <= _MAX_ID else None


def _fill_id(text: str, scope: Scope) -> int | Undone:
    filled = scope.fill(text)
    number = read_id(filled)
    return Undone(Note.NOT_A_NUMBER, filled) if number is None else number


def _compute(text: str, scope: Scope) -> Decimal | Undone:
    parts = scope.fill_sum(text)
    value = parts if isinstance(parts, Note) else compute(parts)
    return Undone(value, text) if isinstance(value, Note) else value


def _plan_price(value: Decimal | Undone) -> Effect | Undone:
    """A budget is a whole number that is not negative, as everywhere else in knopka."""
    if isinstance(value, Undone):
        return value
    if not 0 <= value <= MAX_SALE:
        return Undone(Note.OUT_OF_RANGE, plain(value))
    return WriteCard(Entity.LEAD, "price", str(round_half_up(value)))


def _plan_field(action: SetField, scope: Scope) -> Effect | Undone:
    if action.calculated:
        number = _compute(action.value, scope)
        if isinstance(number, Undone) or action.target == "price":
            return _plan_price(number)
        value = plain(number)
    else:
        value = scope.fill(action.value)
        if action.target == "price":
            read = read_decimal(value)
            return _plan_price(Undone(Note.NOT_A_NUMBER, value) if read is None else read)
    if action.target == "name" and not value.strip():
        return Undone(Note.EMPTY_VALUE)
    return WriteCard(action.entity, action.target, value, scope.fill(action.enum), action.add)


def _plan_subscription(action: Subscribe, scope: Scope) -> Effect | Undone:
    if action.type == "all":
        return SetSubscription(action.is_on, action.type, None, action.entity)
    number = _fill_id(action.value, scope)
    if isinstance(number, Undone):
        return number
    return SetSubscription(action.is_on, action.type, number, action.entity)


def _plan_link(action: Link, scope: Scope) -> Effect | Undone:
    from_id = _fill_id(action.from_id, scope) if action.from_id else None
    to_id = _fill_id(action.to_id, scope)
    if isinstance(from_id, Undone):
        return from_id
    if isinstance(to_id, Undone):
        return to_id
    return Join(action.from_entity, from_id, action.to_entity, to_id)


def _plan_cards(action: AddLeadContact, scope: Scope) -> Effect | Undone:
    contact = _fill_card(action.contact, scope)
    if action.requires_way_to_reach and not any(_is_way_to_reach(new.value, scope) for new in contact.fields):
        return Undone(Note.NO_WAY_TO_REACH)
    return MakeCards(_fill_card(action.lead, scope), contact)


def _fill_card(card: NewCard, scope: Scope) -> NewCard:
    """Every marker filled in. A number that is none is left out, and the card is made all the same."""
    price = read_decimal(scope.fill(card.price))
    return NewCard(
        name=scope.fill(card.name).strip(),
        status_id=_fill_number(card.status_id, scope),
        responsible_user_id=_fill_number(card.responsible_user_id, scope),
        price="" if price is None or not 0 <= price <= MAX_SALE else str(round_half_up(price)),
        tags=tuple(filter(None, (scope.fill(tag).strip() for tag in card.tags))),
        fields=tuple(
            NewField(new.field_id, scope.fill(new.value), scope.fill(new.enum)) for new in card.fields
        ),
    )


def _fill_number(text: str, scope: Scope) -> str:
    number = read_id(scope.fill(text))
    return "" if number is None else str(number)


def _is_way_to_reach(value: str, scope: Scope) -> bool:
    return find_email(value) is not None or scope.find_phone(value) is not None


# --- meta


def plan_split(handler: Split, payload: str) -> tuple[list[Effect], list[Undone]]:
    """The parts of a start payload, each into the place at its position; an empty part changes nothing."""
    effects: list[Effect] = []
    undone: list[Undone] = []
    parts = payload.split(handler.delimiter) if handler.delimiter else [payload]
    for target, part in zip(handler.targets, parts, strict=False):
        if not target:  # only keeps the others in their places
            continue
        outcome = _plan_part(target, part.strip()) if part.strip() else Undone(Note.EMPTY_VALUE, target)
        if isinstance(outcome, Undone):
            undone.append(outcome)
        else:
            effects.append(outcome)
    return effects, undone


def _plan_part(target: str, value: str) -> Effect | Undone:
    found = _TARGET.fullmatch(target.strip().removeprefix("{{").removesuffix("}}").strip())
    if found is None:
        return Undone(Note.UNKNOWN_TARGET, target)
    entity = _ENTITIES[found[1]]
    match found[2]:
        case "tags":
            return Tag(entity, value)
        case "name":
            return WriteCard(entity, "name", value)
        case "price" if entity is Entity.LEAD:
            number = read_decimal(value)
            return _plan_price(Undone(Note.NOT_A_NUMBER, value) if number is None else number)
        case None:
            return WriteCard(entity, int(found[3]), value)
        case _:
            return Undone(Note.UNKNOWN_TARGET, target)
