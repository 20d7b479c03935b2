"""SQL of what bots write over and look up on cards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import to_ms
from knopka.db.database import Transaction
from knopka.db.named import columns
from knopka.db.statement import Statement
from knopka.db.tables import contacts, field_values, leads
from knopka.domain.crm import NameOrigin
from knopka.domain.fields import FieldValue
from knopka.domain.meta import Entity

NEWEST = 5_000
"""Cards, by their ids, among which a value is looked for: there is no index of values, and none is needed
by anybody else."""

_SET_FIELD = Statement(
    insert(field_values)
    .values(columns("account_id", "entity", "entity_id", "field_id", "items", "origin", "at"))
    .on_conflict_do_update(
        index_elements=["account_id", "entity", "entity_id", "field_id"],
        set_={"items": bindparam("items"), "origin": bindparam("origin"), "at": bindparam("at")},
    )
)
_SOURCE_OF = Statement(
    select(leads.c.source_id).where(
        leads.c.account_id == bindparam("account_id"), leads.c.id == bindparam("lead_id")
    )
)
_CARDS = {Entity.CONTACT: contacts, Entity.LEAD: leads}
_NEWEST = {
    entity: Statement(
        select(table.c.id)
        .where(table.c.account_id == bindparam("account_id"))
        .order_by(table.c.id.desc())
        .limit(1)
    )
    for entity, table in _CARDS.items()
}
_NAMED = {
    entity: Statement(
        select(table.c.id, table.c.name)
        .where(table.c.account_id == bindparam("account_id"), table.c.id > bindparam("after"))
        .order_by(table.c.id.desc())
    )
    for entity, table in _CARDS.items()
}
_VALUED = Statement(
    select(field_values.c.entity_id, field_values.c["items"])
    .where(
        field_values.c.account_id == bindparam("account_id"),
        field_values.c.entity == bindparam("entity"),
        field_values.c.entity_id > bindparam("after"),
        field_values.c.field_id == bindparam("field_id"),
    )
    .order_by(field_values.c.entity_id.desc())
)


def set_field(
    tx: Transaction,
    account_id: int,
    entity: Entity,
    card_id: int,
    value: FieldValue,
    now: datetime,
    *,
    origin: NameOrigin,
) -> None:
    """Write the values over what stands in the field."""
    tx.run(
        _SET_FIELD,
        account_id=account_id,
        entity=entity.value,
        entity_id=card_id,
        field_id=value.field_id,
        items=msgspec.json.encode(value.items).decode(),
        origin=origin.value,
        at=to_ms(now),
    )


def find_source_of(tx: Transaction, account_id: int, lead_id: int) -> int | None:
    """The button that the lead came through."""
    row = tx.row(_SOURCE_OF, account_id=account_id, lead_id=lead_id)
    return None if row is None else int(row["source_id"])


def list_names(tx: Transaction, account_id: int, entity: Entity) -> list[tuple[int, str]]:
    """The newest cards with their names, the newest first."""
    rows = tx.rows(_NAMED[entity], account_id=account_id, after=_floor(tx, account_id, entity))
    return [(row["id"], row["name"]) for row in rows]


def list_values(
    tx: Transaction, account_id: int, entity: Entity, field_id: int
) -> list[tuple[int, list[Mapping[str, Any]]]]:
    """What the newest cards hold in the field, the newest card first."""
    rows = tx.rows(
        _VALUED,
        account_id=account_id,
        entity=entity.value,
        field_id=field_id,
        after=_floor(tx, account_id, entity),
    )
    return [(row["entity_id"], msgspec.json.decode(row["items"])) for row in rows]


def _floor(tx: Transaction, account_id: int, entity: Entity) -> int:
    row = tx.row(_NEWEST[entity], account_id=account_id)
    return 0 if row is None else max(0, row["id"] - NEWEST)
