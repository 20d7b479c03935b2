"""A store that an earlier revision has filled: nothing in it is lost or changed, and it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, inspect, text

from knopka.app import House, open_house
from knopka.db import schema
from knopka.db.migrate import migrate
from knopka.domain.conversation import Operator, OperatorId
from knopka.domain.meta import parse_meta
from knopka.domain.visitor import Page, SourceId
from knopka.services import desk
from knopka.services.catalog import load_catalog
from knopka.services.intake import accept_message
from knopka.services.journal import MetaCall, record_meta
from knopka.settings import Settings
from tests import postgres
from tests.store.filled import ROWS, TOKEN_HASH

pytestmark = pytest.mark.anyio

Stored = Mapping[str, list[dict[str, Any]]]
Copy = Callable[[str], str]
"""Gives a copy, which may be changed, of the store as the revision has left it."""

PAGE = Page("https://shop.example/tea", "Чай", "")
PERSON = "Ольга Петрова"
_numbers = count(1)


@pytest.fixture(scope="module")
def filled_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    folder = tmp_path_factory.mktemp("filled")
    growing = folder / "growing.sqlite3"
    for revision in ROWS:
        fill(f"sqlite:///{growing}", revision)
        shutil.copy(growing, folder / revision)

    def copy(revision: str) -> str:
        path = tmp_path_factory.mktemp("copy") / "knopka.sqlite3"
        shutil.copy(folder / revision, path)
        return f"sqlite:///{path}"

    return copy


@pytest.fixture(scope="module")
def filled_postgres(postgres_server: postgres.Server) -> Copy:
    postgres_server.execute("CREATE DATABASE growing")
    for revision in ROWS:
        fill(postgres_server.url("growing"), revision)
        postgres_server.execute(f"CREATE DATABASE filled_{revision} TEMPLATE growing")

    def copy(revision: str) -> str:
        name = f"copy_{next(_numbers)}"
        postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE filled_{revision}")
        return postgres_server.url(name)

    return copy


@pytest.fixture(params=["filled_sqlite", "filled_postgres"])
def filled(request: pytest.FixtureRequest) -> Copy:
    copy: Copy = request.getfixturevalue(request.param)
    return copy


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def fill(url: str, revision: str) -> None:
    """Bring the tables to the revision, and write the rows that it was the first to write."""
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with opened(url) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for table, rows in ROWS[revision].items():
            for row in rows:
                values = ", ".join(f":{name}" for name in row)
                insert = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"  # noqa: S608  # ours
                connection.execute(text(insert), row)
            if connection.dialect.name == "postgresql" and isinstance(rows[0].get("id"), int):
                _count_on(connection, table)


def _count_on(connection: Connection, table: str) -> None:
    """Our rows bring their numbers: the next ones stand behind them."""
    name = connection.execute(text(f"SELECT pg_get_serial_sequence('{table}', 'id')")).scalar()
    if name is not None:
        connection.execute(text(f"SELECT setval('{name}', (SELECT max(id) FROM {table}))"))  # noqa: S608  # ours


def read(url: str) -> Stored:
    """Every row of every table; of SQLite only when all references hold."""
    with opened(url) as connection:
        if connection.dialect.name == "sqlite":
            assert list(connection.execute(text("PRAGMA foreign_key_check"))) == []
        names = sorted({*inspect(connection).get_table_names()} - {"alembic_version"})
        everything = {name: text(f"SELECT * FROM {name}") for name in names}  # noqa: S608  # ours
        return {
            name: [dict(row) for row in connection.execute(select).mappings()]
            for name, select in everything.items()
        }


def cut(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    return sorted(({name: row[name] for name in names} for row in rows), key=repr)


@pytest.mark.parametrize("revision", ROWS)
async def test_a_store_of_an_earlier_revision_keeps_each_row_and_goes_on(
    filled: Copy, revision: str, tmp_path: Path
) -> None:
    url = filled(revision)
    before = read(url)
    assert [name for name, rows in before.items() if not rows] == []
    assert migrate(url).before == revision
    after = read(url)
    for name, rows in before.items():
        known = list(rows[0])
        assert cut(after[name], known) == cut(rows, known), name
        added = {column: row[column] for row in after[name] for column in row if column not in known}
        assert set(added.values()) <= {None}, name
    assert [name for name in after if name not in before and after[name]] == []
    house = await open_house(Settings(database_url=url, data_dir=tmp_path, base_url="http://127.0.0.1:1"))
    try:
        await _write_answer_and_be_known(house)
    finally:
        await house.close()


async def _write_answer_and_be_known(house: House) -> None:
    """A new visit tells its data, the visitor of before writes on, and the operator of before answers."""
    database = house.database
    catalog = await database.read(load_catalog)
    source = catalog.get_source(SourceId(1))
    call = MetaCall("key-00002", "{}", parse_meta({"contact": {"name": PERSON}, "lead": {"sale": 5}}))
    visit = "visit-after-the-upgrade"
    await database.write(record_meta, catalog, source, visit, [call], PAGE, key="visit")
    told = await database.write(
        accept_message, catalog, source, "d2" * 32, visit, "new", "Есть улун?", PAGE, None, key="new"
    )
    again = await database.write(
        accept_message, catalog, source, TOKEN_HASH, None, "next", "Вы здесь?", PAGE, None, key="old"
    )
    assert again.conversation.id == 1
    operator = Operator(OperatorId(1), "anna", "Анна")
    await database.write(
        desk.reply, operator, 1, "answer", "Да, слушаю.", channels=house.web.channels, key="old"
    )
    said = await database.read(desk.list_messages, 1, before=None, after=None, limit=100)
    assert [message.text for message in said] == ["Здравствуйте", "Чем помочь?", "Вы здесь?", "Да, слушаю."]
    shown = {one.id: one for one in (await database.read(desk.list_conversations)).conversations}
    assert shown[told.conversation.id].visitor_name == PERSON
    old = shown[again.conversation.id]
    assert (old.visitor_name, old.last_text) == ("Иван Иванов", "Да, слушаю.")
