"""A field of ours gives its place to one with the same code that comes with its own id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from knopka.db import catalog as db
from knopka.db import crm as db_crm
from knopka.db import visitors as db_visitors
from knopka.db.database import Transaction
from knopka.domain.catalog import FieldDraft
from knopka.domain.fields import CustomField, FieldOption, FieldValue
from knopka.domain.visit import Waiting

BATCH = 500
"""Rows that are held in memory at once."""

Items = Sequence[Mapping[str, Any]]


def gives_way(ours: CustomField, field: CustomField | FieldDraft) -> bool:
    """Whether a field stands there for want of the true one: an id of ours, and values of the same kind."""
    return ours.id >= db.FIRST_OWN_ID and (ours.entity, ours.type) == (field.entity, field.type)


def take_place(tx: Transaction, account_id: int, ours: CustomField, field: CustomField) -> bool:
    """Put the field where ours stood, and move what cards and waiting visits hold to its ids.

    False when its id belongs to another field; then nothing may be kept of the transaction.
    """
    kinds = _match_options(ours.options, field.options)
    # A page's call holds its visit before it touches a field; so do we.
    _move_waiting(tx, account_id, ours, field, kinds)
    db.clear_code(tx, account_id, ours.id)
    if not db.insert_field(tx, account_id, field):
        return False
    db_crm.move_values(tx, account_id, ours.id, field.id)
    if kinds:
        _renumber_values(tx, account_id, field, kinds)
    db.delete_field(tx, account_id, ours.id)
    return True


def _match_options(ours: Sequence[FieldOption], theirs: Sequence[FieldOption]) -> dict[int, FieldOption]:
    """For each option of ours, by its id, the one that is meant: the same code, or else the same text."""
    by_mark = {mark: option for option in reversed(theirs) for mark in (option.value, option.code) if mark}
    found = {option.id: by_mark.get(option.code or option.value) for option in ours}
    return {option_id: option for option_id, option in found.items() if option is not None}


def _renumber(items: Items, kinds: Mapping[int, FieldOption]) -> tuple[Mapping[str, Any], ...]:
    """The items with the new options' ids; one whose option is gone keeps what it says."""
    return tuple(_renumber_one(item, kinds.get(item.get("enum_id", 0))) for item in items)


def _renumber_one(item: Mapping[str, Any], option: FieldOption | None) -> Mapping[str, Any]:
    if option is None:
        return item
    # A list shows the code as it is; a multitext always has one (see domain/field_values).
    code = option.code if item.get("enum_code") is None else option.code or option.value
    return {**item, "enum_id": option.id, "enum_code": code}


def _renumber_values(
    tx: Transaction, account_id: int, field: CustomField, kinds: Mapping[int, FieldOption]
) -> None:
    after = 0
    while rows := db_crm.list_values_of_field(tx, account_id, field, after=after, most=BATCH):
        for card_id, items in rows:
            db_crm.update_items(tx, account_id, field, card_id, _renumber(items, kinds))
            after = card_id


def _move_waiting(
    tx: Transaction, account_id: int, ours: CustomField, field: CustomField, kinds: Mapping[int, FieldOption]
) -> None:
    """What waits for a card would else be written to a field that is gone."""
    after = 0
    while rows := db_visitors.list_waiting_for_field(tx, account_id, ours.id, after=after, most=BATCH):
        for visit_id, waiting in rows:
            db_visitors.replace_waiting(
                tx, account_id, visit_id, _move_wishes(waiting, ours.id, field.id, kinds)
            )
            after = visit_id


def _move_wishes(waiting: Waiting, old: int, new: int, kinds: Mapping[int, FieldOption]) -> Waiting:
    def move(value: FieldValue) -> FieldValue:
        return FieldValue(new, _renumber(value.items, kinds)) if value.field_id == old else value

    held = tuple(
        replace(
            call,
            wishes=replace(
                call.wishes,
                fields=tuple(replace(wish, value=move(wish.value)) for wish in call.wishes.fields),
            ),
        )
        for call in waiting.held
    )
    return replace(waiting, held=held)
