"""A whole server on loopback with an operator, for the tests of the operators' side."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from knopka.app import House, build_server, open_house
from knopka.db.database import Database
from knopka.domain.catalog import SourceDraft
from knopka.domain.visitor import Source
from knopka.services import operators
from knopka.services.catalog import add_source, ensure_account
from knopka.services.passwords import PasswordPool
from knopka.settings import Settings
from knopka.web.desk import Delays, Desk
from knopka.web.server import bind

TLS = ssl.create_default_context()
"""Not used on loopback, but each client would load the system's certificates for itself."""
SHOP = "https://shop.example"
PAGE = {"url": "https://shop.example/shoes", "title": "Shoes", "referrer": ""}
LOGIN = "anna@example.com"
PASSWORD = "correct horse battery"


@dataclass
class MovedClock:
    """The real clock's place in tests: it stands until it is moved."""

    now: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **step: float) -> None:
        self.now += timedelta(**step)

    def seconds(self) -> float:
        return self.now.timestamp()


@dataclass
class Hashing:
    """Stands in for Argon2, which is slow on purpose, and counts what it is asked."""

    compared: list[str] = field(default_factory=list)
    made: int = 0

    def make(self, password: str) -> str:
        self.made += 1
        return f"$plain${password}"

    def compare(self, password_hash: str, password: str) -> bool:
        self.compared.append(password_hash)
        return password_hash == f"$plain${password}"


@dataclass
class Visitor:
    """Writes through the chat's frame."""

    client: httpx.AsyncClient
    chat: str
    token: str
    sent: int = 0

    async def write(self, text: str) -> dict[str, Any]:
        """Send a message; gives the answer's `conversation` and `message`."""
        self.sent += 1
        body = {"key": f"visitor-key-{self.sent}", "text": text, "visit": "v" * 22, "page": PAGE}
        answer = await self.client.post(f"{self.chat}/messages", json=body)
        assert answer.status_code == 201, answer.text
        taken: dict[str, Any] = answer.json()
        return taken


@dataclass
class Office:
    house: House
    url: str
    source: Source
    clock: MovedClock
    hashing: Hashing

    @property
    def database(self) -> Database:
        return self.house.database

    @property
    def desk(self) -> Desk:
        return self.house.web.desk

    @asynccontextmanager
    async def browser(self, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """A browser that keeps cookies and says where a request comes from, as browsers do."""
        ours = {"origin": self.url, "sec-fetch-site": "same-origin", **headers}
        async with httpx.AsyncClient(base_url=self.url, headers=ours, trust_env=False, verify=TLS) as client:
            yield client

    @asynccontextmanager
    async def operator(self, login: str = LOGIN) -> AsyncIterator[httpx.AsyncClient]:
        """A browser in which the operator has signed in."""
        async with self.browser(**{"x-knopka": "inbox"}) as client:
            answer = await sign_in(client, login)
            assert answer.status_code == 303
            yield client

    @property
    def chat(self) -> str:
        return f"/w/chat/{self.source.public_id}/{self.source.hash}"

    @asynccontextmanager
    async def visitor(self) -> AsyncIterator[Visitor]:
        """A visitor with the chat's frame open, who has not written yet."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=TLS) as client:
            answer = await client.post(f"{self.chat}/token", json={})
            client.headers["authorization"] = f"Bearer {answer.json()['token']}"
            yield Visitor(client, self.chat, answer.json()["token"])

    async def add_operator(self, login: str = LOGIN, name: str = "Анна") -> int:
        made = await self.database.write(
            operators.add_operator, login, name, self.hashing.make(PASSWORD), key=("operators", 1)
        )
        return made.id


@asynccontextmanager
async def open_office(
    store_url: str, folder: Path, *, base_url: str | None = None, **settings: Any
) -> AsyncIterator[Office]:
    """Start the server as `serve` does, on a port of the system's choice."""
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    source = await _furnish(store_url)
    house = await open_house(
        Settings(database_url=store_url, data_dir=folder, base_url=base_url or url, **settings)
    )
    clock, hashing = MovedClock(), Hashing()
    house.web.desk = Desk(
        house.web.secret_key,
        clock=clock,
        passwords=PasswordPool(compare=hashing.compare, make_hash=hashing.make, is_outdated=lambda _: False),
        delays=Delays(clock=clock.seconds),
    )
    started = asyncio.Event()
    server = build_server(house, on_started=started.set)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await started.wait()
    try:
        yield Office(house, url, source, clock, hashing)
    finally:
        server.stop()
        await serving
        await house.close()


async def _furnish(store_url: str) -> Source:
    database = await Database.open(store_url)
    await database.write(
        ensure_account, name="Лавка", locale="ru", timezone="Europe/Moscow", currency="RUB", key="account"
    )
    button = SourceDraft(name="Лавка", origins=(SHOP,), locale="ru")
    source = await database.write(add_source, button, key="account")
    await database.close()
    return source


async def until(is_so: Callable[[], bool]) -> None:
    """Let the server run until something is so that nobody announces."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110, the server's own state has no event
            await asyncio.sleep(0.001)


def form_token(page: str) -> str:
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


async def sign_in(
    client: httpx.AsyncClient, login: str = LOGIN, password: str = PASSWORD, **more: str
) -> httpx.Response:
    """Open the page and send its form."""
    page = await client.get("/inbox/sign-in")
    token = form_token(page.text)
    return await client.post(
        "/inbox/sign-in", data={"form": token, "login": login, "password": password, **more}
    )
