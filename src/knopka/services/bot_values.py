"""What a script may read of the store: asked for by the names of its markers, read when it asks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from knopka.db import bot_cards
from knopka.db import conversations as db_conversations
from knopka.db import crm as db_crm
from knopka.db import operators as db_operators
from knopka.db import tags as db_tags
from knopka.db.database import Row, Transaction
from knopka.domain.bot.markers import walk
from knopka.domain.catalog import Catalog
from knopka.domain.crm import Contact, Lead
from knopka.domain.fields import CustomField, FieldType
from knopka.domain.messaging import Direction
from knopka.domain.meta import Entity, Json
from knopka.domain.phones import region_of
from knopka.services.bot_runs import find_zone

LOOKED_BACK = 20
"""Messages among which the visitor's last one is looked for."""

_CARDS = {"contact": Entity.CONTACT, "lead": Entity.LEAD}
_SHORT = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class StoreValues:
    """The markers of one conversation, within one transaction (domain/bot/scope.py: Values).

    A card is read once: whoever has written on it asks a new one.
    """

    def __init__(self, tx: Transaction, catalog: Catalog, held: Row, now: datetime) -> None:
        self._tx = tx
        self._catalog = catalog
        self._held = held
        self._now = now
        self._cards: dict[Entity, Mapping[str, Json]] = {}

    def find(self, path: tuple[str, ...]) -> Json | None:
        match path:
            case ("contact" | "lead" as card, "cf", field_id, part):
                return self._find_part(_CARDS[card], field_id, part)
            case ("contact" | "lead" as card, *rest):
                return walk(self._card(_CARDS[card]), tuple(rest)) if rest else None
            case ("origin",):
                return self._held["channel"]
            case ("message_text",):
                return self._last_words
            case ("start_payload",):
                return db_conversations.find_start(self._tx, self._held) or None
            case ("visitor_uid",):
                return str(self._held["visitor_id"])
            case ("session_id",):
                return None if self._held["visit_id"] is None else str(self._held["visit_id"])
            case ("utm", name):
                return self._find_by_code(Entity.LEAD, f"UTM_{name.upper()}")
            case ("user", number, *rest) if number.isascii() and number.isdecimal():
                return walk(_person(self._tx, self._catalog, int(number)), tuple(rest))
            case _:
                return self._find_plain(path)

    def _find_plain(self, path: tuple[str, ...]) -> Json | None:
        """Chance, the calendar and the account."""
        match path:
            case ("rand",):
                return str(secrets.randbelow(9 * 10**9) + 10**9)
            case ("short_rand",):
                return "".join(secrets.choice(_SHORT) for _ in range(6))
            case ("short_rand_num",):
                return str(secrets.randbelow(9999 - 1111 + 1) + 1111)
            case ("current_date",):
                zone = find_zone(self._catalog.account.timezone)
                return f"{self._now.astimezone(zone):%d.%m.%Y}"
            case ("phone_region",):
                return region_of(self._catalog.account.currency)
            case _:
                return None

    @cached_property
    def _last_words(self) -> str | None:
        """What the visitor wrote last."""
        shown = db_conversations.list_messages(
            self._tx, self._held, after=None, before=None, limit=LOOKED_BACK
        )
        return next((one.text for one in reversed(shown) if one.direction is Direction.IN), None)

    def _find_by_code(self, entity: Entity, code: str) -> Json | None:
        field = self._catalog.by_code.get((entity, code))
        return None if field is None else walk(self._card(entity), ("cf", str(field.id)))

    def _find_part(self, entity: Entity, field_id: str, part: str) -> Json | None:
        """Of a checkbox whether it is set, of lists and phones the value of one option or kind, by its id."""
        card_id = self._card(entity).get("id")
        values = (
            [] if card_id is None else db_crm.list_values(self._tx, self._catalog.account.id, entity, card_id)
        )
        items = next((value.items for value in values if str(value.field_id) == field_id), ())
        if part == "is_checked":
            return any(item.get("value") is True for item in items)
        return next((item.get("value") for item in items if str(item.get("enum_id")) == part), None)

    def _card(self, entity: Entity) -> Mapping[str, Json]:
        if entity not in self._cards:
            card_id = self._held["contact_id" if entity is Entity.CONTACT else "lead_id"]
            self._cards[entity] = (
                {} if card_id is None else read_card(self._tx, self._catalog, entity, card_id)
            )
        return self._cards[entity]


def read_card(tx: Transaction, catalog: Catalog, entity: Entity, card_id: int) -> dict[str, Json]:
    """The card as markers read it; empty when there is none."""
    account_id = catalog.account.id
    found: Contact | Lead | None
    if entity is Entity.CONTACT:
        found = db_crm.find_contact(tx, account_id, card_id)
    else:
        found = db_crm.find_lead(tx, account_id, card_id)
    if found is None:
        return {}
    responsible = db_tags.find_responsible(tx, account_id, entity, card_id)
    card: dict[str, Json] = {
        "id": card_id,
        "name": found.name,
        "tags": db_tags.list_tags(tx, account_id, entity, card_id),
        "responsible_user_id": responsible,
        "responsible": {} if responsible is None else _person(tx, catalog, responsible),
        "users_subscribers": list(db_tags.list_subscribers(tx, account_id, entity, card_id, "user")),
        "groups_subscribers": list(db_tags.list_subscribers(tx, account_id, entity, card_id, "group")),
        "cf": _read_fields(tx, catalog, entity, card_id),
    }
    if isinstance(found, Lead):
        source_id = bot_cards.find_source_of(tx, account_id, card_id)
        card |= {"price": found.price, "status_id": found.status_id, "pipeline_id": found.pipeline_id}
        card["source_id"] = source_id
    else:
        card |= {"phone": _first(card, catalog, "PHONE"), "email": _first(card, catalog, "EMAIL")}
    return card


def _first(card: Mapping[str, Json], catalog: Catalog, code: str) -> Json | None:
    """The contact's first phone or e-mail."""
    field = catalog.by_code.get((Entity.CONTACT, code))
    value = None if field is None else card["cf"].get(str(field.id))
    return value[0] if isinstance(value, list) else value


def _read_fields(tx: Transaction, catalog: Catalog, entity: Entity, card_id: int) -> dict[str, Json]:
    zone = find_zone(catalog.account.timezone)
    values = db_crm.list_values(tx, catalog.account.id, entity, card_id)
    return {
        str(value.field_id): _read_field(catalog.fields[value.field_id], value.items, zone)
        for value in values
        if value.field_id in catalog.fields
    }


def _read_field(field: CustomField, items: Sequence[Mapping[str, Json]], zone: ZoneInfo) -> Json:
    """One value as it is, several as a list."""
    shown = [_show(field, item.get("value"), zone) for item in items]
    return shown[0] if len(shown) == 1 else shown


def _show(field: CustomField, value: Json, zone: ZoneInfo) -> Json:
    match field.type:
        case FieldType.DATE | FieldType.BIRTHDAY if isinstance(value, int):
            return f"{datetime.fromtimestamp(value, zone):%d.%m.%Y}"
        case FieldType.DATE_TIME if isinstance(value, int):
            return f"{datetime.fromtimestamp(value, zone):%d.%m.%Y %H:%M}"
        case _:
            return value


def _person(tx: Transaction, catalog: Catalog, operator_id: int) -> dict[str, Json]:
    """An operator as markers read one."""
    found = db_operators.find_operator(tx, catalog.account.id, operator_id)
    return {} if found is None else {"id": found.id, "name": found.name, "email": found.login}
