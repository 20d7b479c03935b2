"""One account on one store, with pages, visitors and operators that act at moments of the test's choice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from sqlalchemy import bindparam, select

from knopka.db.database import Database, Transaction
from knopka.db.statement import Statement
from knopka.db.tables import timers
from knopka.domain.catalog import Catalog, FieldDraft, OptionDraft, SourceDraft
from knopka.domain.conversation import Operator
from knopka.domain.crm import IncomingLead
from knopka.domain.fields import FieldType
from knopka.domain.meta import Entity, parse_meta
from knopka.domain.visitor import Page, Source, WindowMode
from knopka.services import cards, desk, intake, journal
from knopka.services.catalog import add_field, add_source, ensure_account, load_catalog
from knopka.services.expiry import expire_waiting
from knopka.services.operators import add_operator
from knopka.services.presses import Choice
from knopka.services.shapes import lead_show
from knopka.services.views import Accepted, Recorded

T = TypeVar("T")

TIMERS = Statement(
    select(timers.c.payload).where(timers.c.kind == cards.WAITING_TIMER, timers.c.due_at <= bindparam("now"))
)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
VISIT = "visit-1-of-the-story--"
TOKEN = "token-1"  # a name for the tests; the hash is made of it
PAGE = Page("https://shop.example/tea", "Tea", "")

PHONE, CITY, UTM = 123456, 223456, 323456

FIELDS = (
    FieldDraft(
        Entity.CONTACT,
        FieldType.MULTITEXT,
        "Телефон",
        id=PHONE,
        code="PHONE",
        options=(OptionDraft("WORK", 12345, "WORK"),),
    ),
    FieldDraft(Entity.LEAD, FieldType.TEXT, "Город", id=CITY),
    FieldDraft(Entity.LEAD, FieldType.TRACKING_DATA, "utm", id=UTM, code="UTM_SOURCE"),
    FieldDraft(Entity.LEAD, FieldType.NUMERIC, "Число", id=423456),
)

EXAMPLE: Mapping[str, Any] = {
    "note": {"text": "Текст примечания", "element_type": 1, "note_type": "common"},
    "contact": {
        "name": "Иван Иванов",
        "custom_fields": [{"id": PHONE, "values": [{"enum": 12345, "value": "+7123456789"}]}],
    },
    "lead": {"name": "Название сделки", "sale": 999},
}


def city(name: str) -> dict[str, Any]:
    """A call that wants one field of the lead."""
    return {"lead": {"custom_fields": [{"id": CITY, "values": [{"value": name}]}]}}


def note(text: str, element_type: int = 2) -> dict[str, Any]:
    return {"note": {"text": text, "element_type": element_type}}


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Story:
    """What happens on the site and at the desk; `now` stands still unless the test moves it."""

    def __init__(self, database: Database, catalog: Catalog, source: Source, operator: Operator) -> None:
        self.database = database
        self.catalog = catalog
        self.source = source
        self.operator = operator
        self.now = START
        self.keys = count(1)

    @classmethod
    async def begin(
        cls, database: Database, *, mode: WindowMode = WindowMode.LATER, locale: str = "ru"
    ) -> Story:
        """Set up an account with one button, a few fields and an operator."""

        def set_up(tx: Transaction, *, now: datetime) -> tuple[Catalog, Source, Operator]:
            ensure_account(tx, name="Shop", locale=locale, timezone="Europe/Moscow", currency="RUB", now=now)
            draft = SourceDraft("Чай", ("https://shop.example",), locale=locale, window_mode=mode)
            source = add_source(tx, draft, now=now)
            for field in FIELDS:
                add_field(tx, field, now=now)
            operator = add_operator(tx, "anna", "Анна", "hash", now=now)
            return load_catalog(tx), source, operator

        catalog, source, operator = await database.write(set_up, key=("catalog",))
        return cls(database, catalog, source, operator)

    def next_key(self) -> str:
        return f"key-{next(self.keys):06}"

    def pass_time(self, span: timedelta) -> None:
        self.now += span

    async def write(self, use_case: Callable[..., T], *args: Any, key: Any = "story", **kwargs: Any) -> T:
        moment = self.now

        def at_moment(tx: Transaction, *, now: datetime) -> T:
            return use_case(tx, *args, now=moment, **kwargs)

        return await self.database.write(at_moment, key=key)

    async def read(self, use_case: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        moment = self.now

        def at_moment(tx: Transaction) -> T:
            tx.now = moment
            return use_case(tx, *args, **kwargs)

        return await self.database.read(at_moment)

    # The page

    def call(self, params: Mapping[str, Any], key: str | None = None) -> journal.MetaCall:
        return journal.MetaCall(
            key or self.next_key(), json.dumps(params, ensure_ascii=False), parse_meta(params)
        )

    async def send(self, *calls: journal.MetaCall, visit: str = VISIT, key: Any = "story") -> Recorded:
        return await self.write(journal.record_meta, self.catalog, self.source, visit, calls, PAGE, key=key)

    async def set_meta(
        self, params: Mapping[str, Any], *, visit: str = VISIT, key: str | None = None
    ) -> dict[str, str]:
        """One call; what became of each path."""
        recorded = await self.send(self.call(params, key), visit=visit)
        return verdicts(recorded)

    async def verdicts(self, *keys: str, visit: str = VISIT) -> dict[str, str]:
        return verdicts(await self.read(journal.read_verdicts, self.source, visit, keys))

    # The visitor

    async def say(
        self,
        text: str = "Здравствуйте!",
        *,
        token: str = TOKEN,
        visit: str | None = VISIT,
        key: str | None = None,
        choice: Choice | None = None,
        shard: Any = "story",
    ) -> Accepted:
        return await self.write(
            intake.accept_message,
            self.catalog,
            self.source,
            hash_token(token),
            visit,
            key or self.next_key(),
            text,
            PAGE,
            choice,
            key=shard,
        )

    async def open_chat(self, *, token: str = TOKEN, visit: str | None = VISIT) -> intake.ChatSnapshot:
        return await self.write(intake.open_chat, self.catalog, self.source, hash_token(token), visit)

    async def lead_of(self, accepted: Accepted) -> int:
        conversation = await self.read(desk.get_conversation, accepted.conversation.id)
        assert conversation.lead_id is not None
        return conversation.lead_id

    async def write_in(self, **kwargs: Any) -> int:
        """A message, and the id of the lead that it belongs to."""
        return await self.lead_of(await self.say(**kwargs))

    # The desk

    async def card(self, lead_id: int) -> dict[str, Any]:
        return lead_show(await self.read(cards.read_card, self.catalog, lead_id), "en")

    async def fields(self, lead_id: int) -> dict[int, Any]:
        """The first value of each field of both cards."""
        card = await self.card(lead_id)
        return {
            field["field_id"]: field["values"][0]["value"]
            for side in ("lead", "contact")
            for field in card[side]["custom_fields_values"] or []
        }

    async def notes(self, lead_id: int) -> list[str]:
        return [item["params"]["text"] for item in (await self.card(lead_id))["notes"]]

    async def accept(self, lead_id: int) -> IncomingLead:
        uid = (await self.card(lead_id))["unsorted"]["uid"]
        return await self.write(cards.accept, self.catalog, self.operator.id, uid, self.next_key())

    async def decline(self, lead_id: int) -> IncomingLead:
        uid = (await self.card(lead_id))["unsorted"]["uid"]
        return await self.write(cards.decline, self.operator.id, uid, self.next_key())

    async def leads(self) -> list[int]:
        return [row.lead.id for row in await self.read(cards.list_leads, self.catalog)]

    async def run_timers(self) -> None:
        """Do what the worker does once timers are due."""

        def run(tx: Transaction, *, now: datetime) -> None:
            for row in tx.rows(TIMERS, now=int(now.timestamp() * 1000)):
                expire_waiting(tx, json.loads(row["payload"]), now=now)

        await self.write(run)


def verdicts(recorded: Recorded) -> dict[str, str]:
    return {item.path: item.verdict.value for call in recorded.calls for item in call.verdicts}
