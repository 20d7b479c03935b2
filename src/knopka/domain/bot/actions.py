"""The actions of scripts, as they are read: `action` with a name and params (amoCRM, Salesbot)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final, Literal

from knopka.domain.bot import markers
from knopka.domain.bot.arithmetic import compute
from knopka.domain.bot.effects import Note
from knopka.domain.bot.reading import Spot
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
    Nothing,
    Place,
    SetBudget,
    SetField,
    SetTag,
    Subscribe,
    UnsetTag,
)
from knopka.domain.meta import Entity
from knopka.domain.notes import read_note_type

CONTACT: Final = {"1": Entity.CONTACT, "contact": Entity.CONTACT, "contacts": Entity.CONTACT}
LEAD: Final = {"2": Entity.LEAD, "lead": Entity.LEAD, "leads": Entity.LEAD}
ELSEWHERE: Final = dict.fromkeys(
    ("3", "company", "companies", "11", "catalog_element", "catalog_elements", "12", "customer", "customers")
)
CARDS: Final[dict[str, Entity | None]] = CONTACT | LEAD | ELSEWHERE
"""None for a part of a CRM that knopka has not."""

_FIELD = re.compile(r"(?:\{\{\s*)?(?:(lead|contact)\.(price|name|cf\.([0-9]{1,15}))|([a-z_.]+))(?:\s*\}\})?")
_USER = "a user or a group"


def read_action(spot: Spot, at: Place) -> Action | Nothing:
    """One action, from the params of its handler; `at` is the handler's place."""
    if not spot.expect_object():
        return nothing(at, "action")
    name = spot.text("name")
    read = ACTIONS.get(name)
    if read is None:
        if spot.get("name") is not None:
            spot.refuse("unknown_action", f"there is no action {name[:60]}", name, ACTIONS)
        return nothing(at, "action")
    params = spot.get("params")
    if params is None:
        params = spot
    elif not params.expect_object():
        return nothing(at, name)
    action = read(params, at)
    if not isinstance(action, Nothing):
        params.warn_of_unread()
    return action


def nothing(at: Place, name: str) -> Nothing:
    return Nothing(at, name, "no_such_part")


def no_such_part(spot: Spot, at: Place, name: str, part: str) -> Nothing:
    """Accept what acts on a part of a CRM that knopka has not, and say that it will do nothing."""
    spot.warn("no_such_part", f"{name} does nothing here: knopka has no {part}")
    return nothing(at, name)


def read_card(spot: Spot, key: str, default: Entity | None = None) -> Entity | None:
    """Which card is meant; None for one that knopka has not."""
    if default is not None and spot.get(key) is None:
        return default
    return spot.one_of(key, CARDS)


def _read_unsorted(spot: Spot, at: Place) -> DecideUnsorted:
    return DecideUnsorted(at, spot.one_of("value", {"accept": True, "decline": False}))


def _read_change_status(spot: Spot, at: Place) -> ChangeStatus:
    of_double = spot.one_of("entity", {"double": True, "lead": False, "2": False}, False)
    return ChangeStatus(at, spot.text("value", names="a status"), of_double)


def _read_set_tag(spot: Spot, at: Place) -> SetTag | Nothing:
    entity, value = read_card(spot, "type", Entity.LEAD), spot.text("value")
    return SetTag(at, entity, value) if entity else no_such_part(spot, at, "set_tag", "such cards")


def _read_unset_tag(spot: Spot, at: Place) -> UnsetTag | Nothing:
    entity, values = read_card(spot, "type", Entity.LEAD), spot.texts("value")
    spot.require("value")
    return UnsetTag(at, entity, values) if entity else no_such_part(spot, at, "unset_tag", "such cards")


def _read_set_custom_fields(spot: Spot, at: Place) -> SetField | Nothing:
    name = "set_custom_fields"
    target = _read_target(spot)
    if target is None:
        return no_such_part(spot, at, name, "such field")
    of_field, field = target
    entity = read_card(spot, "type", of_field)
    if entity is None:
        return no_such_part(spot, at, name, "such cards")
    if of_field is not None and of_field != entity:
        spot.refuse("wrong_card", "type names another card than custom_field does")
    is_calculated = spot.flag("calculated", False)
    value = spot.text("value", "" if spot.get("enum") is not None else None)
    if is_calculated:
        check_sum(spot.get("value"))
    return SetField(
        at=at,
        entity=entity,
        target=field,
        value=value,
        enum=spot.text("enum", ""),
        calculated=is_calculated,
        add=spot.one_of("option", {"add": True, "": False}, False),
    )


def _read_target(spot: Spot) -> tuple[Entity | None, int | Literal["price", "name"]] | None:
    """The field that is meant, and whose it is if it says so; None for one that knopka has not."""
    named = spot.get("custom_field")
    if named is None or spot.get("custom_fields_id") is not None:
        return None, spot.whole("custom_fields_id")
    found = _FIELD.fullmatch(named.value.strip()) if isinstance(named.value, str) else None
    if found is None:
        named.refuse("unknown_field", "this must be a field such as {{lead.price}} or {{lead.cf.123}}")
        return None, 0
    card, field, number, other = found.groups()
    if other is not None:
        if other not in ("customer.next_price", "cf.talk.nps"):
            named.refuse("unknown_field", f"there is no field {other}", other, _NAMED_FIELDS)
        return None
    entity = Entity.LEAD if card == "lead" else Entity.CONTACT
    return entity, int(number) if number else "price" if field == "price" else "name"


_NAMED_FIELDS = ("lead.price", "lead.name", "contact.name", "customer.next_price", "cf.talk.nps")


def check_sum(spot: Spot | None) -> None:
    """Warn of a sum that cannot be one, whatever its markers are."""
    if spot is None or not isinstance(spot.value, str):
        return
    parts = (part if isinstance(part, str) else Decimal(1) for part in markers.split(spot.value))
    if compute(parts) == Note.NOT_A_SUM:
        spot.warn("not_a_sum", "this is no sum: numbers, markers, + - * / and brackets are read")


def _read_set_budget(spot: Spot, at: Place) -> SetBudget:
    value = spot.text("value")
    check_sum(spot.get("value"))
    return SetBudget(at, value)


def _read_subscription(spot: Spot, at: Place, name: str) -> Subscribe | Nothing:
    types: dict[str, Literal["group", "user", "all"]] = {"group": "group", "user": "user", "all": "all"}
    type_ = spot.one_of("type", types)
    value = spot.text("value", "" if type_ == "all" else None, names=_USER)
    entity = read_card(spot, "entity_type", Entity.LEAD)
    if entity is None:
        return no_such_part(spot, at, name, "such chats")
    return Subscribe(at, name == "subscribe", type_, value if type_ != "all" else "", entity)


def _read_add_lead_contact(spot: Spot, at: Place) -> AddLeadContact:
    presets = {"contacts.require_email_or_phone": True, "": False}
    return AddLeadContact(
        at=at,
        lead=_read_new_card(spot, "lead"),
        contact=_read_new_card(spot, "contact"),
        requires_way_to_reach=spot.one_of("preset", presets, False),
    )


def _read_new_card(params: Spot, key: str) -> NewCard:
    spot = params.get(key)
    if spot is None or not spot.expect_object():
        return NewCard()
    fields = spot.get("custom_fields")
    card = NewCard(
        name=spot.text("name", ""),
        status_id=spot.text("status_id", "", names="a status"),
        responsible_user_id=spot.text("responsible_user_id", "", names="a user"),
        price=spot.text("price", ""),
        tags=spot.texts("tags"),
        fields=tuple(field for one in (fields.items() if fields else []) for field in _read_new_fields(one)),
    )
    spot.warn_of_unread()
    return card


def _read_new_fields(spot: Spot) -> list[NewField]:
    """The values of one field, each with its enum."""
    if not spot.expect_object():
        return []
    field_id = spot.whole("id")
    values = spot.get("values")
    return [
        NewField(field_id, one.text("value", ""), one.text("enum", ""))
        for one in (values.items() if values else [spot])
        if one.expect_object()
    ]


def _read_add_linked_company(spot: Spot, at: Place) -> Nothing:
    return no_such_part(spot, at, "add_linked_company", "companies")


def _read_add_note(spot: Spot, at: Place) -> AddNote | Nothing:
    entity, text = read_card(spot, "element_type", Entity.LEAD), spot.text("text")
    given = spot.get("note_type")
    note_type, reasons = read_note_type(None if given is None else given.value)
    if given is not None and reasons:
        given.warn("note_type", "this type of note cannot be written from a text: it becomes a common note")
    if entity is None:
        return no_such_part(spot, at, "add_note", "such cards")
    return AddNote(at, entity, note_type, text)


def _read_link(spot: Spot, at: Place) -> Link | Nothing:
    from_entity, to_entity = read_card(spot, "from"), read_card(spot, "to")
    from_id, to_id = spot.text("from_id", "", names="a card"), spot.text("to_id", names="a card")
    if from_entity is None or to_entity is None:
        return no_such_part(spot, at, "link", "such parts to link")
    if from_entity == to_entity:
        spot.refuse("wrong_card", "a lead is linked with a contact: from and to name the same kind of card")
    return Link(at, from_entity, from_id, to_entity, to_id)


def _read_change_responsible(spot: Spot, at: Place) -> ChangeResponsible | Nothing:
    entity, value = read_card(spot, "type", Entity.LEAD), spot.text("value", names="a user")
    if entity is None:
        return no_such_part(spot, at, "change_responsible_user", "such cards")
    return ChangeResponsible(at, value, entity)


def _read_link_to_unsorted(spot: Spot, at: Place) -> Nothing:
    spot.warn(
        "no_such_part", "link_to_unsorted does nothing here: a chat has its cards from its first message"
    )
    return nothing(at, "link_to_unsorted")


ACTIONS: Final[dict[str, Callable[[Spot, Place], Action | Nothing]]] = {
    "unsorted": _read_unsorted,
    "change_status": _read_change_status,
    "set_tag": _read_set_tag,
    "unset_tag": _read_unset_tag,
    "set_custom_fields": _read_set_custom_fields,
    "set_budget": _read_set_budget,
    "subscribe": lambda spot, at: _read_subscription(spot, at, "subscribe"),
    "unsubscribe": lambda spot, at: _read_subscription(spot, at, "unsubscribe"),
    "add_lead_contact": _read_add_lead_contact,
    "add_linked_company": _read_add_linked_company,
    "add_note": _read_add_note,
    "link": _read_link,
    "change_responsible_user": _read_change_responsible,
    "link_to_unsorted": _read_link_to_unsorted,
}
