"""A store that could lose what was acknowledged is refused, and so are tables of another release."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import bindparam, update

from knopka.db.database import Database, Transaction, UnsafeStore, WrongSchema
from knopka.db.migrate import migrate
from knopka.db.sqlite import connect
from knopka.db.statement import Statement
from knopka.db.tables import accounts
from tests import postgres
from tests.store.rows import count

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "option",
    ["synchronous=NORMAL", "synchronous=off", "journal_mode=DELETE", "journal_mode=memory", "cache=shared"],
)
async def test_options_that_endanger_what_was_acknowledged_are_refused(sqlite_url: str, option: str) -> None:
    with pytest.raises(UnsafeStore, match="allowed"):
        await Database.open(f"{sqlite_url}?{option}")


async def test_options_that_hold_anyway_may_be_written_down(sqlite_url: str) -> None:
    database = await Database.open(f"{sqlite_url}?synchronous=FULL&journal_mode=wal")
    await database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://x/y", "knopka"])
async def test_what_is_no_durable_store_is_refused(url: str) -> None:
    with pytest.raises((UnsafeStore, WrongSchema)):
        await Database.open(url)


def test_a_database_on_which_wal_cannot_be_had_is_refused() -> None:
    with pytest.raises(UnsafeStore, match="WAL cannot be had"):
        connect(Path(":memory:"))


def test_every_connection_is_durable_and_checks_foreign_keys(sqlite_template: Path) -> None:
    with closing(connect(sqlite_template)) as connection:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5_000}


@pytest.mark.parametrize(
    ("setting", "value"),
    [("synchronous_commit", "off"), ("fsync", "off"), ("full_page_writes", "off"), ("data_sync_retry", "on")],
)
async def test_unsafe_settings_of_postgresql_are_refused(
    postgres_server: postgres.Server, postgres_url: str, setting: str, value: str
) -> None:
    if setting == "synchronous_commit":
        database = postgres_url.partition("@/")[2].partition("?")[0]
        postgres_server.execute(f"ALTER DATABASE {database} SET {setting} = {value}")
        with pytest.raises(UnsafeStore, match=f"{setting}={value}"):
            await Database.open(postgres_url)
        return
    apply = postgres_server.restart if setting == "data_sync_retry" else postgres_server.reload
    postgres_server.execute(f"ALTER SYSTEM SET {setting} = {value}")
    try:
        apply()
        with pytest.raises(UnsafeStore, match=f"{setting}={value}"):
            await Database.open(postgres_url)
    finally:
        postgres_server.execute(f"ALTER SYSTEM RESET {setting}")
        apply()


async def test_an_unsafe_setting_in_the_address_is_refused(postgres_url: str) -> None:
    with pytest.raises(UnsafeStore, match="synchronous_commit"):
        await Database.open(f"{postgres_url}&options=-csynchronous_commit%3Doff")


async def test_a_database_that_keeps_no_utf_8_is_refused(postgres_server: postgres.Server) -> None:
    postgres_server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(UnsafeStore, match="LATIN1"):
        await Database.open(postgres_server.url("latin"))


async def test_a_missing_database_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(WrongSchema, match="run knopka migrate"):
        await Database.open(f"sqlite:///{tmp_path}/none.sqlite3")
    assert os.listdir(tmp_path) == []


def set_revision(url: str, revision: str) -> None:
    statement = f"UPDATE alembic_version SET version_num = '{revision}'"  # noqa: S608  # our own text
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(statement)
    else:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(statement.encode())


async def test_tables_of_a_newer_release_are_refused_by_open_and_by_migrate(store_url: str) -> None:
    set_revision(store_url, "9999")
    with pytest.raises(WrongSchema, match="newer release"):
        await Database.open(store_url)
    with pytest.raises(WrongSchema, match="newer release"):
        migrate(store_url)


async def test_a_write_of_another_process_is_noticed_within_a_second(sqlite_url: str) -> None:
    noticed = asyncio.Event()
    database = await Database.open(sqlite_url, on_foreign_write=noticed.set)
    for _ in range(2):  # the second is answered after the first was looked at
        await database.write(count, "own", key=0)
    other = await Database.open(sqlite_url)
    assert not noticed.is_set(), "one's own write is no news"
    await other.write(count, "foreign", key=0)
    async with asyncio.timeout(1):
        await noticed.wait()
    await other.close()
    await database.close()


async def test_a_button_changed_by_another_process_is_noticed_within_a_second(postgres_url: str) -> None:
    listens, noticed = asyncio.Event(), asyncio.Event()

    def note() -> None:
        assert not noticed.is_set(), "one's own change is no news"
        (noticed if listens.is_set() else listens).set()

    database = await Database.open(postgres_url, on_foreign_write=note)
    await listens.wait()  # told once when it begins to listen: what came before may have been missed
    await database.write(rename_account, "own", key=0)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        async with asyncio.timeout(1):
            await other.execute("UPDATE accounts SET name = 'foreign'")
            await noticed.wait()
    await database.close()


RENAME = Statement(update(accounts).values(name=bindparam("new_name")))


def rename_account(tx: Transaction, name: str, *, now: datetime) -> None:
    tx.run(RENAME, new_name=name)
