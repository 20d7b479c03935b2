"""The tables after every migration are those of `db/tables.py`, and a backup stands before each."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from knopka.db import schema
from knopka.db.migrate import MigrationReport, migrate
from knopka.db.session import WrongSchema
from knopka.db.tables import metadata
from knopka.domain.errors import Unavailable


def test_the_migrations_make_exactly_the_tables(store_url: str) -> None:
    engine = create_engine(store_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrating_again_does_nothing(store_url: str) -> None:
    assert migrate(store_url) == MigrationReport(before="0006", after="0006")


def test_a_new_database_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "knopka.sqlite3"
    assert migrate(f"sqlite:///{path}") == MigrationReport(before=None, after="0006")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "knopka.sqlite3"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(Unavailable, match="cannot be opened"):
        migrate(f"sqlite:///{path}")


def test_the_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE goods (id INTEGER)")
    with pytest.raises(WrongSchema, match="goods"):
        migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("goods",)]


def test_an_existing_database_is_copied_before_it_is_migrated(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO counters VALUES (1, 'kept', 7)")
    monkeypatch.setattr("knopka.db.migrate.list_revisions", lambda: [f"{n:04}" for n in range(1, 8)])
    monkeypatch.setattr("knopka.db.migrate._upgrade", lambda _connection: None)
    report = migrate(sqlite_url)
    assert report.backup is not None
    assert report.backup.stat().st_mode & 0o777 == 0o600
    assert [name.name for name in path.parent.glob("*.part")] == []
    with closing(sqlite3.connect(report.backup)) as copy:
        assert copy.execute("SELECT value FROM counters WHERE name = 'kept'").fetchone() == (7,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: object) -> None:
        connection.exec_driver_sql("DROP TABLE answers")  # type: ignore[attr-defined]  # it is a connection
        raise RuntimeError("in the middle")

    monkeypatch.setattr("knopka.db.migrate.list_revisions", lambda: [f"{n:04}" for n in range(1, 8)])
    monkeypatch.setattr("knopka.db.migrate._upgrade", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        migrate(sqlite_url)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchone() == (0,)


def test_revisions_are_named_by_their_files() -> None:
    for path in (schema.MIGRATIONS / "versions").glob("*.py"):
        assert f'revision = "{path.name.partition("_")[0]}"' in path.read_text()


def test_migrations_import_no_code_of_the_application() -> None:
    for path in schema.MIGRATIONS.rglob("*.py"):
        lines = path.read_text().splitlines()
        assert [line for line in lines if line.startswith(("from knopka", "import knopka"))] == []


def test_opening_a_database_loads_no_alembic() -> None:
    """It costs memory and time that only a migration needs."""
    code = "import sys, knopka.db.database, knopka.db.migrate; print('alembic' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
