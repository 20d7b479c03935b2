"""Bringing the tables to this release, after a backup where a database exists already."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from knopka.db import sqlite
from knopka.db.schema import MIGRATIONS, check_revision, list_revisions
from knopka.db.session import UnsafeStore

ONE_AT_A_TIME = 7_302_455_511
"""PostgreSQL's advisory lock of knopka's migrations: any number that nobody else uses."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """Where the tables were, where they are now, and the copy made before (SQLite)."""

    before: str | None
    after: str
    backup: Path | None = None


def migrate(url: str) -> MigrationReport:
    """Bring the tables to this release; does nothing, and no backup, when they are there already.

    Refuses tables that are newer than this release.
    """
    match url.partition(":")[0]:
        case "sqlite":
            return _migrate_sqlite(sqlite.parse_url(url))
        case "postgresql" | "postgres":
            return _migrate_postgres(url)
        case kind:
            raise UnsafeStore(f"no such store: {kind}; allowed are sqlite:///path and postgresql://…")


def backup_sqlite(source: Path, target: Path) -> None:
    """A whole copy of a database in use, on disk when this returns; half a copy never bears the name."""
    partial = target.with_name(target.name + ".part")
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    with (
        contextlib.closing(sqlite3.connect(source)) as connection,
        contextlib.closing(sqlite3.connect(partial)) as copy,
    ):
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    _keep(partial)
    partial.replace(target)
    _keep(target.parent)


def _keep(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _migrate_sqlite(path: Path) -> MigrationReport:
    sqlite.create_file(path)
    before = sqlite.read_revision(path)
    if before == list_revisions()[-1]:
        return MigrationReport(before, before)
    backup = None if before is None else _name_backup(path, before)
    if backup is not None:
        _refuse_newer(before)
        backup_sqlite(path, backup)
    engine = create_engine("sqlite://", creator=lambda: sqlite.connect(path), poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "PRAGMA foreign_keys = OFF"
        )  # tables may be made anew, and it is a no-op later
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        _upgrade(connection)
        connection.exec_driver_sql("COMMIT")
    return MigrationReport(before, list_revisions()[-1], backup)


def _migrate_postgres(url: str) -> MigrationReport:
    from knopka.db import postgres  # psycopg is loaded for PostgreSQL alone

    engine = create_engine("postgresql+psycopg://", creator=lambda: postgres.connect(url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ONE_AT_A_TIME})")
        driver: Any = connection.connection.driver_connection  # made by the creator above
        before = postgres.find_revision(driver)
        if before != list_revisions()[-1]:
            _refuse_newer(before)
            _upgrade(connection)
        connection.exec_driver_sql("COMMIT")
    return MigrationReport(before, list_revisions()[-1])


def _name_backup(path: Path, revision: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return path.with_name(f"{path.name}.before-{revision}-{stamp}.backup")


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in list_revisions():
        check_revision(found)


def _upgrade(connection: Connection) -> None:
    # Alembic costs 15 MB and 100 ms that only a migration needs.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
