"""The child of the kill test: writes and works as fast as it can, and says what it was promised.

`ack CLIENT N` is said after a write was answered, `call KEY N` when something outside is called.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, exists, select
from sqlalchemy.dialects.postgresql import insert

from knopka.db.database import Database, Transaction
from knopka.db.jobs import Job, insert_job
from knopka.db.statement import Statement
from knopka.db.tables import counters, jobs
from knopka.services.jobs import Handler, InStore, Outside, Worker, WorkerLimits

CLIENTS = 8
JOB_EVERY = 4
COUNT = Statement(
    insert(counters)
    .values(account_id=1, name=bindparam("name"), value=1)
    .on_conflict_do_update(index_elements=["account_id", "name"], set_={"value": counters.c.value + 1})
    .returning(counters.c.value)
)
HAS_JOBS = Statement(select(exists().select_from(jobs).label("has_jobs")))


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def count(tx: Transaction, name: str) -> int:
    row = tx.row(COUNT, name=name)
    assert row is not None
    return int(row["value"])


def store_one(tx: Transaction, client: int, *, now: datetime) -> int:
    """The client's next number, a row of its own, and now and then a job of each kind."""
    n = count(tx, f"stored {client}")
    count(tx, f"row {client} {n}")
    if n % JOB_EVERY == 0:
        insert_job(tx, 1, f"inside {client}", "inside", {"client": client, "n": n // JOB_EVERY})
        insert_job(tx, 1, f"outside {client}", "outside", {"client": client, "n": n // JOB_EVERY})
    return n


def do_inside(tx: Transaction, payload: Mapping[str, Any], *, now: datetime) -> None:
    """Counts the jobs of a client; one that is not the next in its order is counted as wrong."""
    if count(tx, f"done {payload['client']}") != payload["n"]:
        count(tx, "wrong order")


async def do_outside(payload: Mapping[str, Any], job: Job) -> None:
    say("call", payload["client"], payload["n"])


async def write_for_ever(database: Database, client: int) -> None:
    while True:
        say("ack", client, await database.write(store_one, client, key=("client", client)))


async def drain(database: Database, worker: Worker) -> None:
    """Work until no job is left."""
    while (await database.read(lambda tx: tx.rows(HAS_JOBS)))[0]["has_jobs"]:
        if not await worker.tick():
            await asyncio.sleep(0.05)
        await worker.settle()


async def main(url: str, mode: str) -> None:
    database = await Database.open(url)
    handlers: dict[str, Handler] = {"inside": InStore(do_inside), "outside": Outside(do_outside)}
    worker = Worker(database, handlers, limits=WorkerLimits(lease=timedelta(seconds=1)))
    if mode == "drain":
        await drain(database, worker)
        await database.close()
        return
    await asyncio.gather(worker.run(), *(write_for_ever(database, client) for client in range(CLIENTS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
