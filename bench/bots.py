"""(j) Bots in the store: runs a second, and a hundred thousand that sleep while a thousand wake."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from sqlalchemy import (
    ClauseElement,
    Column,
    Executable,
    Integer,
    Select,
    Table,
    Text,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)

from bench.meta_calls import store_of
from bench.rows import Row, spread
from bench.servers import Running, serve, set_up
from knopka.db import bots as db
from knopka.db import tables
from knopka.db.database import Database, Transaction
from knopka.db.jobs import set_timer
from knopka.db.statement import DIALECTS, DialectName, Statement
from knopka.domain.bot.setup import Bot
from knopka.domain.catalog import Catalog
from knopka.domain.messaging import Channels
from knopka.domain.visitor import Page, Source
from knopka.outgoing import Reply
from knopka.services import bot_runs, bots, intake
from knopka.services.bot_signing import Signer
from knopka.services.bot_steps import Kit, make_handlers
from knopka.services.catalog import ACCOUNT, load_catalog
from knopka.services.jobs import Worker

TALKS = 400
"""Conversations in which a round has a bot run from its beginning to its end."""
ROUNDS = 7
BARE = 10
"""Bare writes for each run, so that both sides of the ratio take a time that can be measured."""
SLEEPING = 100_000
WAKING = 1_000
SETTLED_S = 3.0
"""From the server's first answer to the moment at which its memory is looked at."""
TO_WAKE_S = 6.0
MOST_WAIT_S = 60.0
PAGE = Page("https://shop.example/tea", "Tea", "")


def _handler(handler: str, /, **params: Any) -> dict[str, Any]:
    return {"handler": handler, "params": params}


ASKS = [
    {
        "question": [
            {"handler": "show", "params": {"type": "buttons", "value": "Tea?", "buttons": ["Yes", "No"]}}
        ],
        "answer": [
            {
                "handler": "action",
                "params": {"name": "set_tag", "params": {"type": 2, "value": "{{message_text}}"}},
            },
            _handler("show", value="Thanks, {{contact.name}}!"),
        ],
    }
]
SLEEPS = [
    {
        "question": [
            _handler("knopka_pause", days=7),
            _handler("show", value="Still there, {{contact.name}}?"),
        ]
    }
]


def measure_bots() -> Iterator[Row]:
    for kind in ("SQLite", "PostgreSQL"):
        with tempfile.TemporaryDirectory() as name, store_of(kind, Path(name)) as url:
            yield asyncio.run(_measure_runs(kind, url))
        with tempfile.TemporaryDirectory() as name, store_of(kind, Path(name)) as url:
            yield from _measure_sleep(kind, Path(name), url)


# --- Runs a second


class _NoChannels(Channels):
    def find(self, channel_id: int) -> None:
        return None


async def _call(*_: Any, **__: Any) -> Reply:
    raise NotImplementedError("these scripts call nothing")


@dataclass(frozen=True, slots=True)
class Shop:
    """A store with visitors who have written, and with the worker that moves their bots."""

    database: Database
    worker: Worker
    bot: Bot
    conversations: tuple[int, ...]

    @classmethod
    async def open(cls, database: Database, source: Source, script: Any, talks: int) -> Shop:
        catalog = await database.read(load_catalog)
        conversations = [
            database.write(_write_in, catalog, source, number, key=number) for number in range(talks)
        ]
        made = await asyncio.gather(*conversations)
        put = await database.write(
            bots.add_with_script,
            "Bot",
            json.dumps(script).encode(),
            author="Bench",
            is_published=True,
            key="bots",
        )
        kit = Kit(
            channels=_NoChannels(),
            catalog=lambda: catalog,
            signer=Signer(b"k" * 32, ACCOUNT, "https://shop.example"),
            call=_call,
            now=database.clock,
        )
        return cls(database, Worker(database, make_handlers(kit)), put.bot, tuple(made))

    async def have_runs(self) -> float:
        """Have a bot run in each conversation; how many that were a second."""
        began = time.perf_counter()
        await self.database.write(self._start_all, key="bots")
        await self.work()
        await self.database.write(self._answer_all, key="bots")
        await self.work()
        return len(self.conversations) / (time.perf_counter() - began)

    def _start_all(self, tx: Transaction, *, now: datetime) -> None:
        for number in self.conversations:
            bot_runs.start_in(tx, self.bot.id, number, now=now)

    def _answer_all(self, tx: Transaction, *, now: datetime) -> None:
        for run in db.list_runs(
            tx, ACCOUNT, bot_id=self.bot.id, conversation_id=None, before=None, limit=len(self.conversations)
        ):
            answer = {"type": "answered", "text": "1", "seq": run.said_seq + 1, "option": None, "wait": None}
            bot_runs.promise(tx, run.conversation_id, run.id, answer)

    async def work(self) -> None:
        """Until nothing is due."""
        while await self.worker.tick():
            await self.worker.settle()

    async def write_barely(self) -> float:
        """One small row in a transaction of its own, again and again; how many that were a second."""
        began = time.perf_counter()
        for turn in range(BARE):
            await asyncio.gather(
                *(
                    self.database.write(_write_row, f"{turn}-{number}", key=number)
                    for number in self.conversations
                )
            )
        return BARE * len(self.conversations) / (time.perf_counter() - began)

    async def count_ended(self) -> int:
        runs = await self.database.read(
            db.list_runs, ACCOUNT, bot_id=self.bot.id, conversation_id=None, before=None, limit=1_000_000
        )
        return sum(run.reason == "done" for run in runs)


def _write_in(tx: Transaction, catalog: Catalog, source: Source, number: int, *, now: datetime) -> int:
    accepted = intake.accept_message(
        tx, catalog, source, f"{number:064x}", None, f"key-{number:012}", "Hello", PAGE, now=now
    )
    return int(accepted.conversation.id)


def _write_row(tx: Transaction, name: str, *, now: datetime) -> None:
    set_timer(tx, ACCOUNT, "bench", name, {}, now + timedelta(days=1))


async def _measure_runs(kind: str, url: str) -> Row:
    """Runs and bare writes in turn."""
    source = await set_up(url)
    database = await Database.open(url)
    try:
        shop = await Shop.open(database, source, ASKS, TALKS)
        await shop.write_barely()
        await shop.have_runs()
        rounds = [(await shop.have_runs(), await shop.write_barely()) for _ in range(ROUNDS)]
        if await shop.count_ended() != TALKS * (ROUNDS + 1):
            raise RuntimeError("not every run came to its end")
    finally:
        await database.close()
    shares = [writes / runs for runs, writes in rounds]
    runs, writes = (median(one[at] for one in rounds) for at in range(2))
    return Row(
        "j",
        f"A bot's run on {kind} against a bare write of one row",
        median(shares),
        "×",
        detail=f"{runs:,.0f} runs a second, each two steps with two messages, a tag and a log; "
        f"{writes:,.0f} bare writes; {spread(shares)}",
    )


# --- Sleep


def _measure_sleep(kind: str, folder: Path, url: str) -> Iterator[Row]:
    """The same server on a store with one run that sleeps, and with very many."""
    asyncio.run(_fall_asleep(url))
    with serve(folder, url) as running:
        alone = _memory(running)
    _multiply(url)
    due = time.time() + TO_WAKE_S
    _wake_soon(url, due)
    with serve(folder, url) as running:
        many = _memory(running)
        took = asyncio.run(_await_wakes(url, due))
        after = running.resident_mb()
    yield Row(
        "j",
        f"Memory of the server on {kind} with {SLEEPING:,} runs that sleep, against one",
        many / alone,
        bound=1.1,
        is_at_most=True,
        detail=f"{many:.0f} MiB against {alone:.0f}; {after:.0f} after {WAKING:,} have woken",
    )
    yield Row(
        "j",
        f"{WAKING:,} runs of {SLEEPING:,} wake at one moment on {kind}",
        took,
        "s",
        bound=5,
        is_at_most=True,
        detail="until the last has spoken and ended",
    )


def _memory(running: Running) -> float:
    time.sleep(SETTLED_S)
    return running.resident_mb()


async def _fall_asleep(url: str) -> None:
    source = await set_up(url)
    database = await Database.open(url)
    try:
        shop = await Shop.open(database, source, SLEEPS, 1)
        await database.write(shop._start_all, key="bots")
        await shop.work()
    finally:
        await database.close()


def _multiply(url: str) -> None:
    """Have as many conversations with a sleeping run, each a copy of the first."""
    (payload,) = _execute(url, select(tables.timers.c.payload).where(_is_wake))
    numbered: Mapping[Table, Mapping[str, Any]] = {
        tables.visitors: {"id": _N, "token_hash": _text("token-", _N)},
        tables.contacts: {"id": _N},
        tables.leads: {"id": _N, "contact_id": _N},
        tables.conversations: {
            "id": _N, "visitor_id": _N, "contact_id": _N, "lead_id": _N, "bot_run_id": _N,
        },
        tables.bot_runs: {"id": _N, "conversation_id": _N, "lead_id": _N, "contact_id": _N},
        tables.timers: {"key": _text("bot:", _N), "payload": _fill(payload)},
    }  # fmt: skip
    for table, changes in numbered.items():
        _execute(url, insert(table).from_select(list(table.c.keys()), _copies(table, changes)))


def _wake_soon(url: str, due: float) -> None:
    keys = [bot_runs.lane(number) for number in range(1, WAKING + 1)]
    _execute(url, update(tables.timers).where(tables.timers.c.key.in_(keys)).values(due_at=int(due * 1000)))


def _execute(url: str, statement: Executable) -> list[Any]:
    """Run it through the bare driver; the first column of what it gives."""
    assert isinstance(statement, ClauseElement)
    kind: DialectName = "sqlite" if url.startswith("sqlite") else "postgresql"
    text = str(statement.compile(dialect=DIALECTS[kind], compile_kwargs={"literal_binds": True}))
    if kind == "sqlite":
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            return [row[0] for row in connection.execute(text)]
    with psycopg.connect(url) as server:
        found = server.execute(text.encode())
        return [] if found.description is None else [row[0] for row in found]


_NUMBERS = select(literal(2, Integer).label("n")).cte("numbers", recursive=True)
_NUMBERS = _NUMBERS.union_all(select(_NUMBERS.c.n + 1).where(_NUMBERS.c.n < SLEEPING))
_N: Any = _NUMBERS.c.n
_is_wake = tables.timers.c.kind == bot_runs.WAKE


def _copies(table: Table, changes: Mapping[str, Any]) -> Select[Any]:
    """The table's one row with each number."""
    is_first = _is_wake if table is tables.timers else table.c.id == 1
    columns: list[Column[Any]] = [changes.get(column.name, column) for column in table.c]
    return select(*columns).select_from(table).join(_NUMBERS, literal(1) == literal(1)).where(is_first)


def _text(before: str, number: Any) -> Any:
    return literal(before, Text) + cast(number, Text)


def _fill(payload: str) -> Any:
    """The payload of the first run's timer, with the numbers of the others."""
    told = json.loads(payload)
    event = json.dumps(told["event"])
    return _text('{"conversation": ', _N) + _text(', "run": ', _N) + literal(f', "event": {event}}}', Text)


async def _await_wakes(url: str, due: float) -> float:
    """Seconds from the moment at which they were due to the end of the last of them."""
    ended = Statement(
        select(func.count().label("number"), func.max(tables.bot_runs.c.ended_at).label("last")).where(
            tables.bot_runs.c.ended_at.is_not(None)
        )
    )
    database = await Database.open(url)
    try:
        while time.time() < due + MOST_WAIT_S:
            row = await database.read(lambda tx: tx.row(ended))
            assert row is not None
            if row["number"] == WAKING:
                return float(row["last"] / 1000 - due)
            await asyncio.sleep(0.2)
    finally:
        await database.close()
    raise RuntimeError(f"after {MOST_WAIT_S:.0f} s not all of them have woken")
