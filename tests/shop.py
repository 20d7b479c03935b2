"""A shop's site with a button on a whole server: what its page, its visitor and its operator can do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from knopka.domain.catalog import FieldDraft, OptionDraft, SourceDraft
from knopka.domain.fields import FieldType
from knopka.domain.meta import Entity
from knopka.domain.visitor import Source
from knopka.services.catalog import add_field, add_source
from knopka.services.journal import JournalEntry, list_journal
from tests.web.office import Office, open_office

SHOP = "https://shop.example"
VISIT = "visit-of-the-shop-0001"

PHONE = 123456
"""The contact's field of the page's example; its kind 12345 is WORK."""
ADDRESS = 123458
CUSTOMER = 223456
WHOLESALE = 777
"""The option «Опт» of the lead's list CUSTOMER."""

FIELDS = (
    FieldDraft(
        Entity.CONTACT,
        FieldType.MULTITEXT,
        "Телефон",
        id=PHONE,
        code="PHONE",
        options=(OptionDraft("WORK", 12345, code="WORK"), OptionDraft("MOB", 12346, code="MOB")),
    ),
    FieldDraft(Entity.CONTACT, FieldType.SMART_ADDRESS, "Адрес", id=ADDRESS),
    FieldDraft(
        Entity.LEAD, FieldType.SELECT, "Покупатель", id=CUSTOMER, options=(OptionDraft("Опт", WHOLESALE),)
    ),
)


@dataclass
class Shop:
    """The site, one of its visitors and one of its operators."""

    office: Office
    source: Source
    page: httpx.AsyncClient
    operator: httpx.AsyncClient
    keys: count[int]
    token: str | None = None

    @property
    def path(self) -> str:
        return f"{self.source.public_id}/{self.source.hash}"

    def advance(self, *, seconds: float) -> None:
        """Let the store's clock go on."""
        self.office.database.advance_clock(timedelta(seconds=seconds))

    def next_key(self) -> str:
        return f"key-{next(self.keys):08}"

    async def post_meta(
        self, params: Any, *, origin: str | None = SHOP, key: str | None = None, visit: str = VISIT
    ) -> httpx.Response:
        body = {
            "visit": visit,
            "page": {"url": f"{SHOP}/tea", "title": "Чай", "referrer": ""},
            "calls": [{"key": key or self.next_key(), "params": params}],
        }
        headers = {} if origin is None else {"origin": origin}
        return await self.page.post(f"/w/meta/{self.path}", json=body, headers=headers)

    async def set_meta(self, params: Any, *, key: str | None = None, visit: str = VISIT) -> dict[str, str]:
        """Call setMeta as the button's script does, and give each path's verdict."""
        answer = await self.post_meta(params, key=key, visit=visit)
        assert answer.status_code == 200, answer.text
        return _by_path(answer.json())

    async def post_form(self, fields: dict[str, str]) -> httpx.Response:
        form = {"visit": VISIT, "key": self.next_key(), **fields}
        return await self.page.post(f"/w/meta/{self.path}", data=form, headers={"origin": SHOP})

    async def verdicts(self, key: str, *, visit: str = VISIT) -> dict[str, str]:
        """Ask what has become of an earlier call."""
        answer = await self.page.post(
            f"/w/meta/{self.path}/verdicts", json={"visit": visit, "keys": [key]}, headers={"origin": SHOP}
        )
        assert answer.status_code == 200, answer.text
        return _by_path(answer.json())

    async def journal(self) -> list[JournalEntry]:
        """Every call that was kept."""
        return await self.office.database.read(list_journal, visit=None, lead_id=None, after_id=0, limit=100)

    async def write(self, text: str, *, visit: str = VISIT) -> int:
        """Write in the chat of the page, and give the lead that the message belongs to."""
        chat = f"/w/chat/{self.path}"
        if self.token is None:
            self.token = (await self.page.post(f"{chat}/token", json={})).json()["token"]
        answer = await self.page.post(
            f"{chat}/messages",
            json={"key": self.next_key(), "text": text, "visit": visit, "page": {"url": f"{SHOP}/tea"}},
            headers={"authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == 201, answer.text
        summary = await self.operator.get(f"/inbox/api/conversations/{answer.json()['conversation']['id']}")
        lead_id: int = summary.json()["lead_id"]
        return lead_id

    async def card(self, lead_id: int) -> dict[str, Any]:
        """The card as the operator is shown it."""
        answer = await self.operator.get(f"/inbox/api/leads/{lead_id}")
        assert answer.status_code == 200, answer.text
        card: dict[str, Any] = answer.json()
        return card

    async def decide(self, lead_id: int, decision: str) -> None:
        """Accept or decline the unsorted lead."""
        uid = (await self.card(lead_id))["unsorted"]["uid"]
        answer = await self.operator.post(
            f"/inbox/api/unsorted/{uid}/{decision}", json={"key": self.next_key()}
        )
        assert answer.status_code == 200, answer.text


def _by_path(answer: dict[str, Any]) -> dict[str, str]:
    return {verdict["path"]: verdict["verdict"] for verdict in answer["calls"][0]["verdicts"]}


@asynccontextmanager
async def open_shop(store_url: str, folder: Path) -> AsyncIterator[Shop]:
    """Start a server whose account has one button, the fields above and an operator."""
    async with AsyncExitStack() as stack:
        office = await stack.enter_async_context(open_office(store_url, folder))
        draft = SourceDraft(name="Лавка", origins=(SHOP,), locale="ru")
        source = await office.database.write(add_source, draft, key="catalog")
        for field in FIELDS:
            await office.database.write(add_field, field, key="catalog")
        await office.house.catalogs.reload()
        await office.add_operator()
        page = await stack.enter_async_context(httpx.AsyncClient(base_url=office.url, trust_env=False))
        operator = await stack.enter_async_context(office.operator())
        yield Shop(office, source, page, operator, count(1))
