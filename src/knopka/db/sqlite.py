"""SQLite: one writer, durable at every commit, through the driver of the standard library."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from knopka.db.clock import Clock, from_ms
from knopka.db.session import StatementFailed, Trouble, UnsafeStore, WrongSchema, explain, refer_to_nothing
from knopka.db.statement import DialectName
from knopka.db.transaction import Transaction
from knopka.domain.errors import Unavailable

OLDEST = (3, 35, 0)
"""The first version with RETURNING."""
BUSY_TIMEOUT_MS = 5_000
CACHE_KIB = 16_384
CHECKPOINT_PAGES = 4_000
WAL_LIMIT_BYTES = 64 * 1024 * 1024

DISK_ERRORS = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_INTERRUPT,
    }
)
"""Primary codes after which SQLite may have undone the whole transaction by itself."""
FSYNC_ERRORS = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})


def parse_url(url: str) -> Path:
    """The file that `sqlite:///path` names (an absolute path has four strokes).

    Durability is not a matter of taste, so the only options are the values that
    hold anyway; a URL that asks for less is refused, not bent.
    """
    address, _, query = url.removeprefix("sqlite:///").partition("?")
    if not url.startswith("sqlite:///") or not address:
        raise UnsafeStore("an SQLite database is named by its file: sqlite:///knopka-data/knopka.sqlite3")
    needed = {"synchronous": "full", "journal_mode": "wal"}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in needed:
            raise UnsafeStore(
                f"{name}: SQLite has no such option here; allowed are synchronous=FULL and journal_mode=WAL"
            )
        if value.lower() != needed[name]:
            raise UnsafeStore(
                f"{name}={value} could lose what was acknowledged; allowed is {name}={needed[name].upper()}"
            )
    return Path(unquote(address))


def connect(path: Path) -> sqlite3.Connection:
    """A connection without any transaction of the driver's own; refused where a commit would not last."""
    if sqlite3.sqlite_version_info < OLDEST:
        raise UnsafeStore(f"SQLite {sqlite3.sqlite_version} is too old; 3.35 or newer is needed")
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    try:
        _make_safe(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def create_file(path: Path) -> None:
    """An empty database that only its owner may read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def read_revision(path: Path) -> str | None:
    """The revision of the tables in this file, None where there are none; Unavailable for a broken file."""
    if not path.exists():
        return None
    try:
        with closing(connect(path)) as connection:
            return find_revision(connection)
    except sqlite3.Error as error:
        raise Unavailable(f"the store {path} cannot be opened: {error}") from error


def find_revision(connection: sqlite3.Connection) -> str | None:
    """The schema's revision, None where there is no schema; WrongSchema for the tables of something else."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if names and "alembic_version" not in names:
        raise WrongSchema(f"the file holds tables of something else: {', '.join(sorted(names)[:3])}")
    if not names:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _make_safe(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    journal = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if journal != "wal":
        raise UnsafeStore(
            f"journal_mode=WAL cannot be had (it stays {journal}): the database needs a file on a local disk"
        )
    for pragma in (
        "synchronous = FULL",
        "fullfsync = ON",  # macOS alone: its fsync does not reach the platters
        "checkpoint_fullfsync = ON",
        "foreign_keys = ON",
        "temp_store = MEMORY",
        f"cache_size = -{CACHE_KIB}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        f"journal_size_limit = {WAL_LIMIT_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    _check(connection, "synchronous", 2)
    _check(connection, "foreign_keys", 1)


def _check(connection: sqlite3.Connection, pragma: str, needed: int) -> None:
    found = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    if found != needed:
        raise UnsafeStore(f"SQLite keeps {pragma}={found} where {needed} is needed")


class SqliteSession:
    """One connection; for reading it refuses every write."""

    __slots__ = ("_clock", "_connection", "_cursor", "_data_version", "transaction")

    def __init__(self, path: Path, clock: Clock, *, for_reading: bool = False) -> None:
        self._clock = clock
        self._connection = connect(path)
        if for_reading:
            self._connection.execute("PRAGMA query_only = ON")
        self._cursor = self._connection.cursor()
        self._data_version = self._read_data_version()
        self.transaction = Transaction("sqlite", self._cursor)

    def begin(self) -> None:
        self._cursor.execute("BEGIN IMMEDIATE")
        self.transaction.now = from_ms(self._clock.now_ms())

    def begin_reading(self) -> None:
        self._cursor.execute("BEGIN")
        self.transaction.now = from_ms(self._clock.now_ms())

    def savepoint(self) -> None:
        self._cursor.execute("SAVEPOINT f")

    def release(self) -> None:
        self._cursor.execute("RELEASE f")

    def undo(self) -> None:
        self._cursor.execute("ROLLBACK TO f")
        self._cursor.execute("RELEASE f")

    def commit(self) -> None:
        self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")

    def judge(self, error: BaseException, *, at_commit: bool = False) -> Trouble:
        if not isinstance(error, sqlite3.Error):
            return Trouble.OWN if self._connection.in_transaction else Trouble.LOST
        code = getattr(error, "sqlite_errorcode", 0) or 0
        if code in FSYNC_ERRORS:
            return Trouble.FATAL
        if at_commit or code & 0xFF in DISK_ERRORS or not self._connection.in_transaction:
            return Trouble.LOST
        return Trouble.OWN

    def translate(self, error: BaseException) -> BaseException:
        if not isinstance(error, sqlite3.Error):
            return error
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            return refer_to_nothing(error)
        return StatementFailed(explain(error))

    def has_foreign_write(self) -> bool:
        before, self._data_version = self._data_version, self._read_data_version()
        return before != self._data_version

    def close(self) -> None:
        self._connection.close()

    def _read_data_version(self) -> int:
        version: int = self._cursor.execute("PRAGMA data_version").fetchone()[0]
        return version


class SqliteStore:
    """A file on this machine, written by one thread."""

    dialect: DialectName = "sqlite"
    writers = 1

    def __init__(self, url: str, clock: Clock) -> None:
        self._path = parse_url(url)
        self._clock = clock

    def find_revision(self) -> str | None:
        return read_revision(self._path)

    def open_session(self, *, for_reading: bool = False) -> SqliteSession:
        return SqliteSession(self._path, self._clock, for_reading=for_reading)

    async def listen(self, *, on_change: Callable[[], None], on_jobs: Callable[[], None]) -> None:
        """Nobody calls: the writer itself sees that the file was changed."""
