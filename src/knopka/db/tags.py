"""SQL of what bots put on cards beside fields: tags, people in charge, subscribers, further contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import to_ms
from knopka.db.database import Transaction
from knopka.db.named import changes, columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import card_subscribers, card_tags, contacts, lead_contacts, leads, tags
from knopka.domain.crm import CardTag
from knopka.domain.meta import Entity

# Of two spellings the first one stays; the update only makes the row come back.
_TOUCH_TAG = Statement(
    insert(tags)
    .values(columns("account_id", "name", "key"))
    .on_conflict_do_update(index_elements=["account_id", "key"], set_={"key": bindparam("key")})
    .returning(tags.c.id)
)
_ADD = Statement(
    insert(card_tags).values(columns("account_id", "entity", "entity_id", "tag_id")).on_conflict_do_nothing()
)
_THE_CARD = and_(
    card_tags.c.account_id == bindparam("account_id"),
    card_tags.c.entity == bindparam("entity"),
    card_tags.c.entity_id == bindparam("entity_id"),
)
_REMOVE = Statement(
    delete(card_tags).where(
        _THE_CARD,
        card_tags.c.tag_id.in_(
            select(tags.c.id).where(
                tags.c.account_id == bindparam("account_id"), tags.c.key == bindparam("key")
            )
        ),
    )
)
_LIST = Statement(
    select(tags.c.name)
    .join(card_tags, card_tags.c.tag_id == tags.c.id)
    .where(_THE_CARD)
    .order_by(card_tags.c.tag_id)
)

_LIST_OF = Statement(
    select(card_tags.c.entity_id, tags.c.id, tags.c.name)
    .join(tags, tags.c.id == card_tags.c.tag_id)
    .where(
        card_tags.c.account_id == bindparam("account_id"),
        card_tags.c.entity == bindparam("entity"),
        card_tags.c.entity_id.in_(bindparam("entity_ids", expanding=True)),
    )
    .order_by(card_tags.c.entity_id, card_tags.c.tag_id)
)

_CARDS = {Entity.CONTACT: contacts, Entity.LEAD: leads}
_ASSIGN = {
    entity: Statement(
        update(table)
        .where(table.c.account_id == bindparam("account"), table.c.id == bindparam("card_id"))
        .values(changes("responsible_user_id", "updated_at"))
    )
    for entity, table in _CARDS.items()
}
_RESPONSIBLE = {
    entity: Statement(
        select(table.c.responsible_user_id).where(
            table.c.account_id == bindparam("account_id"), table.c.id == bindparam("entity_id")
        )
    )
    for entity, table in _CARDS.items()
}

_SUBSCRIBE = Statement(
    insert(card_subscribers)
    .values(columns("account_id", "entity", "entity_id", "kind", "subscriber_id"))
    .on_conflict_do_nothing()
)
_ITS_SUBSCRIBERS = and_(
    card_subscribers.c.account_id == bindparam("account_id"),
    card_subscribers.c.entity == bindparam("entity"),
    card_subscribers.c.entity_id == bindparam("entity_id"),
    card_subscribers.c.kind == bindparam("kind"),
)
_UNSUBSCRIBE = Statement(
    delete(card_subscribers).where(
        _ITS_SUBSCRIBERS, card_subscribers.c.subscriber_id == bindparam("subscriber_id")
    )
)
_SUBSCRIBERS = Statement(
    select(card_subscribers.c.subscriber_id)
    .where(_ITS_SUBSCRIBERS)
    .order_by(card_subscribers.c.subscriber_id)
)

_JOIN = Statement(
    insert(lead_contacts).values(columns("account_id", "lead_id", "contact_id")).on_conflict_do_nothing()
)
_JOINED = Statement(
    select(lead_contacts.c.contact_id)
    .where(
        lead_contacts.c.account_id == bindparam("account_id"), lead_contacts.c.lead_id == bindparam("lead_id")
    )
    .order_by(lead_contacts.c.contact_id)
)


def add_tag(tx: Transaction, account_id: int, entity: Entity, card_id: int, name: str) -> bool:
    """Whether the card did not have the tag yet; case makes no difference."""
    row = tx.row(_TOUCH_TAG, account_id=account_id, name=name, key=name.casefold())
    return bool(
        tx.run(
            _ADD,
            account_id=account_id,
            entity=entity.value,
            entity_id=card_id,
            tag_id=returned(row)["id"],
        )
    )


def remove_tag(tx: Transaction, account_id: int, entity: Entity, card_id: int, name: str) -> bool:
    """Whether the card had the tag."""
    return bool(
        tx.run(_REMOVE, account_id=account_id, entity=entity.value, entity_id=card_id, key=name.casefold())
    )


def list_tags(tx: Transaction, account_id: int, entity: Entity, card_id: int) -> list[str]:
    """The card's tags, in the order in which the account came to know them."""
    rows = tx.rows(_LIST, account_id=account_id, entity=entity.value, entity_id=card_id)
    return [row["name"] for row in rows]


def list_tags_of(
    tx: Transaction, account_id: int, entity: Entity, card_ids: Sequence[int]
) -> Mapping[int, tuple[CardTag, ...]]:
    """The tags of each of these cards."""
    found: dict[int, list[CardTag]] = {card_id: [] for card_id in card_ids}
    if card_ids:
        rows = tx.rows(_LIST_OF, account_id=account_id, entity=entity.value, entity_ids=list(card_ids))
        for row in rows:
            found[row["entity_id"]].append(CardTag(row["id"], row["name"]))
    return {card_id: tuple(tags_of) for card_id, tags_of in found.items()}


def assign(
    tx: Transaction, account_id: int, entity: Entity, card_id: int, operator_id: int, now: datetime
) -> None:
    """Put an operator in charge of the card."""
    tx.run(
        _ASSIGN[entity],
        account=account_id,
        card_id=card_id,
        new_responsible_user_id=operator_id,
        new_updated_at=to_ms(now),
    )


def find_responsible(tx: Transaction, account_id: int, entity: Entity, card_id: int) -> int | None:
    """The operator in charge of the card."""
    row = tx.row(_RESPONSIBLE[entity], account_id=account_id, entity_id=card_id)
    return None if row is None else row["responsible_user_id"]


def set_subscription(
    tx: Transaction,
    account_id: int,
    entity: Entity,
    card_id: int,
    kind: str,
    subscriber_id: int,
    *,
    is_on: bool,
) -> None:
    """Subscribe a user or a group to the card, or end that."""
    tx.run(
        _SUBSCRIBE if is_on else _UNSUBSCRIBE,
        account_id=account_id,
        entity=entity.value,
        entity_id=card_id,
        kind=kind,
        subscriber_id=subscriber_id,
    )


def list_subscribers(
    tx: Transaction, account_id: int, entity: Entity, card_id: int, kind: str
) -> Sequence[int]:
    rows = tx.rows(_SUBSCRIBERS, account_id=account_id, entity=entity.value, entity_id=card_id, kind=kind)
    return [row["subscriber_id"] for row in rows]


def join_contact(tx: Transaction, account_id: int, lead_id: int, contact_id: int) -> None:
    """Add a further contact to the lead."""
    tx.run(_JOIN, account_id=account_id, lead_id=lead_id, contact_id=contact_id)


def list_joined(tx: Transaction, account_id: int, lead_id: int) -> Sequence[int]:
    """The lead's contacts beside its own one."""
    return [row["contact_id"] for row in tx.rows(_JOINED, account_id=account_id, lead_id=lead_id)]
