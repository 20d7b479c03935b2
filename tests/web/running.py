"""A whole server on a loopback port, with one button, for the tests of what the public calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

from knopka.app import DemoDoor, House, build_server, local_url, open_house
from knopka.db.database import Database, Transaction
from knopka.db.statement import Statement
from knopka.db.tables import metadata
from knopka.domain.catalog import SourceDraft
from knopka.domain.messaging import ChannelKind
from knopka.domain.visitor import Source
from knopka.platforms import PLATFORMS, Platform
from knopka.services.catalog import add_source, ensure_account
from knopka.settings import Settings
from knopka.web.server import Deadlines, bind

SHOP = "https://shop.example"
SECRET = "0123456789abcdef0123456789ABCDEF"
VISIT = "v" * 22
USUAL = Deadlines()
NO_PLATFORMS = {f"KNOPKA_{name}_API": "http://127.0.0.1:9" for name in ("TELEGRAM", "GRAPH", "VIBER", "VK")}
"""Where nobody answers: a test that needs a messenger's platform names its own stand-in."""
GROWING = (
    "visits",
    "visitors",
    "meta_calls",
    "conversations",
    "messages",
    "leads",
    "contacts",
    "notes",
    "answers",
)
"""The tables that strangers can make grow."""


@dataclass
class Running:
    """The server, its button and a client that speaks as the button's page."""

    house: House
    url: str
    source: Source
    client: httpx.AsyncClient
    store_url: str

    @property
    def button(self) -> str:
        return f"{self.source.public_id}/{self.source.hash}"

    async def post_meta(self, *calls: dict[str, Any], **headers: str) -> httpx.Response:
        body = {
            "visit": VISIT,
            "calls": [{"key": f"key-{at:05}", "params": call} for at, call in enumerate(calls)],
        }
        return await self.client.post(
            f"/w/meta/{self.button}", json=body, headers={"origin": SHOP, **headers}
        )

    def pretend_built(self) -> None:
        """The browser code is built by another part of the tests; here its names are enough."""
        names = ("chat.js", "chat.css", "lang-en.js", "lang-ru.js")
        files = {name: f"widget/{name.replace('.', '-0.')}" for name in names}
        self.house.web.static.manifest = {name: {"file": file} for name, file in files.items()}

    async def count_rows(self) -> int:
        """How many rows strangers have made."""
        return await self.house.database.read(_count_rows)


COUNTS = [Statement(select(func.count().label("n")).select_from(metadata.tables[name])) for name in GROWING]


def _count_rows(tx: Transaction) -> int:
    return sum(int((tx.row(count) or {"n": 0})["n"]) for count in COUNTS)


@contextlib.asynccontextmanager
async def running(
    store_url: str,
    folder: Path,
    *,
    deadlines: Deadlines = USUAL,
    limits: str = "",
    demo: bool = False,
    platforms: Mapping[ChannelKind, Platform] = PLATFORMS,
    **environ: str,
) -> AsyncIterator[Running]:
    """Run a server until the block is left."""
    if limits:
        (folder / "limits.toml").write_text(limits)
        environ["KNOPKA_LIMITS"] = str(folder / "limits.toml")
    given = {
        "KNOPKA_DATABASE_URL": store_url,
        "KNOPKA_DATA_DIR": str(folder),
        "KNOPKA_SECRET_KEY": SECRET,
        **NO_PLATFORMS,
    }
    settings = Settings.from_env(given | environ)
    with contextlib.closing(bind("127.0.0.1", 0)) as listener:
        url = local_url(listener)
        source = await _set_up(store_url, url)
        door = DemoDoor("demo-password", dict.fromkeys(("ru", "en"), source.public_id)) if demo else None
        house = await open_house(settings, base_url=settings.base_url or url, demo=door, platforms=platforms)
        server = build_server(house, deadlines=deadlines)
        house.begin()
        await house.hub.wait_until_it_hears()
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                yield Running(house, url, source, client, store_url)
        finally:
            server.stop()
            server.force_exit = True
            await task
            await house.close()


async def _set_up(store_url: str, url: str) -> Source:
    database = await Database.open(store_url)
    try:
        await database.write(
            ensure_account, name="Shop", locale="en", timezone="UTC", currency="EUR", key="account"
        )
        draft = SourceDraft(name="Shop", origins=(SHOP, url), locale="en")
        return await database.write(add_source, draft, key="account")
    finally:
        await database.close()
