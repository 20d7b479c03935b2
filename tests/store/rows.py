"""A table's simplest use: counting by name, and a way to have many writes wait for one batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from datetime import datetime
from threading import Event
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from knopka.db.database import Database, Transaction
from knopka.db.statement import Statement
from knopka.db.tables import counters

COUNT = Statement(
    insert(counters)
    .values(account_id=1, name=bindparam("name"), value=1)
    .on_conflict_do_update(index_elements=["account_id", "name"], set_={"value": counters.c.value + 1})
)
INSERT = Statement(insert(counters).values(account_id=1, name=bindparam("name"), value=1))
LIST = Statement(select(counters).where(counters.c.account_id == 1).order_by(counters.c.name))


def count(tx: Transaction, *names: str, now: datetime) -> None:
    """Add one to each, in the order given."""
    for name in names:
        tx.run(COUNT, name=name)


def insert_twice(tx: Transaction, name: str, *, now: datetime) -> None:
    tx.run(INSERT, name=name)
    tx.run(INSERT, name=name)


async def list_counts(database: Database) -> dict[str, int]:
    rows = await database.read(lambda tx: tx.rows(LIST))
    return {row["name"]: row["value"] for row in rows}


@asynccontextmanager
async def held(database: Database, key: Hashable = 0) -> AsyncIterator[None]:
    """Hold the writer of this key inside a function, so that what is written meanwhile waits behind it."""
    is_held, go_on = asyncio.Event(), Event()
    loop = asyncio.get_running_loop()

    def hold(_tx: Transaction, *, now: datetime) -> None:
        loop.call_soon_threadsafe(is_held.set)
        go_on.wait(10)

    holding = loop.create_task(database.write(hold, key=key))
    await is_held.wait()
    try:
        yield
        await asyncio.sleep(0)  # lets the tasks that were made inside put their writes into the queue
    finally:
        go_on.set()
        await asyncio.gather(holding, return_exceptions=True)  # its batch may be lost with the others


async def write_together(
    database: Database, use_cases: list[Callable[..., Any]], *arguments: tuple[Any, ...]
) -> list[Any]:
    """Queue all of them behind one another for one batch; their answers or errors in order."""
    given = arguments or ((),) * len(use_cases)
    async with held(database):
        writes = [
            asyncio.ensure_future(database.write(use_case, *args, key=0))
            for use_case, args in zip(use_cases, given, strict=True)
        ]
    return await asyncio.gather(*writes, return_exceptions=True)
