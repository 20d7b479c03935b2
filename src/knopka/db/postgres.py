"""PostgreSQL: sharded writers through psycopg 3, and what the server tells us by NOTIFY."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from time import monotonic
from typing import Any, Final, Literal

import psycopg
from psycopg import errors as pg
from psycopg.adapt import Buffer, Loader
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from knopka.db.clock import Clock, from_ms
from knopka.db.session import StatementFailed, Trouble, UnsafeStore, explain, refer_to_nothing
from knopka.db.statement import DialectName
from knopka.db.transaction import Transaction
from knopka.domain.errors import Unavailable

OLDEST = 150_000
CHANGES: Final = "knopka_changes"
"""Said by triggers on the tables that are kept in memory (buttons, fields, pipelines)."""
JOBS: Final = "knopka_jobs"
"""A hint that a job is due; the poll each second is the net."""
RECONNECT_AFTER_S = 1.0
HINT_EVERY_S = 0.1
"""NOTIFY takes a lock of the whole database at COMMIT, so a busy writer hints seldom."""

CONNECT_OPTIONS: Final[dict[str, int | str]] = {
    "application_name": "knopka",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "target_session_attrs": "read-write",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
SETTINGS: Final = (
    "SET lock_timeout = '500ms'; SET statement_timeout = '15s';"
    " SET idle_in_transaction_session_timeout = '30s'; SET timezone = 'UTC'"
)
SAFETY: Final = (
    "SELECT name, setting FROM pg_settings WHERE name IN"
    " ('fsync', 'full_page_writes', 'synchronous_commit', 'data_sync_retry',"
    " 'server_encoding', 'server_version_num')"
)
NOW: Final = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
BEGIN: Final = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {NOW}; SAVEPOINT f"
BEGIN_READING: Final = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {NOW}"

PASSING = (pg.DeadlockDetected, pg.SerializationFailure, pg.LockNotAvailable)
NO_ROOM = ("53", "58")
"""Classes of "out of disk, memory or slots" and "system error"."""


class _WholeNumber(Loader):
    """sum() of a bigint is numeric here and a whole number in SQLite; no column of ours has fractions."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data).decode()
        return float(text) if "." in text else int(text)


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection in which every transaction is opened by us; refused where a commit would not last."""
    connection = psycopg.connect(url, autocommit=True, prepare_threshold=1, **CONNECT_OPTIONS)  # type: ignore[arg-type]
    try:
        connection.execute(SETTINGS)
        check_safety(connection)
    except BaseException:
        connection.close()
        raise
    # One type for every int: else each mix of small and large values is a statement of its own.
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_loader("numeric", _WholeNumber)
    connection.prepared_max = 1_000
    return connection


def check_safety(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    found = dict(connection.execute(SAFETY).fetchall())
    if int(found["server_version_num"]) < OLDEST:
        raise UnsafeStore("PostgreSQL is too old; 15 or newer is needed")
    if found["server_encoding"] != "UTF8":
        raise UnsafeStore(
            f"the database keeps text as {found['server_encoding']}; it has to be made with UTF8"
        )
    unsafe = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "data_sync_retry": "on"}
    for name, danger in unsafe.items():
        if found[name] == danger:
            needed = "off" if danger == "on" else "on"
            raise UnsafeStore(
                f"{name}={danger} could lose what was acknowledged; set {name}={needed} in PostgreSQL"
            )


def find_revision(connection: psycopg.Connection[tuple[Any, ...]]) -> str | None:
    """The schema's revision, None where there is no schema."""
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


class PostgresSession:
    """One connection, opened again by `begin` when it was lost.

    BEGIN, the clock and the first savepoint travel together, and so do a
    function's RELEASE and the next one's SAVEPOINT: a round trip each.
    """

    __slots__ = (
        "_backend",
        "_backends",
        "_clock",
        "_connection",
        "_cursor",
        "_for_reading",
        "_hint_after",
        "_savepoint",
        "_url",
        "transaction",
    )

    def __init__(self, url: str, clock: Clock, backends: set[int], *, for_reading: bool = False) -> None:
        self._for_reading = for_reading
        self._url = url
        self._clock = clock
        self._backends = backends
        self._hint_after = 0.0
        self._savepoint: Literal["none", "fresh", "used"] = "none"
        self._open()

    def _open(self) -> None:
        self._connection = connect(self._url)
        self._backend = self._connection.info.backend_pid
        self._backends.add(self._backend)
        self._cursor = self._connection.cursor()
        self.transaction = Transaction("postgresql", self._cursor)

    def begin(self) -> None:
        self._begin(BEGIN)
        self._savepoint = "fresh"

    def begin_reading(self) -> None:
        self._begin(BEGIN_READING)

    def _begin(self, text: str) -> None:
        try:
            self._cursor.execute(text.encode())
        except psycopg.OperationalError:
            if not self._connection.closed:
                raise
            self._backends.discard(self._backend)
            self._open()
            self._cursor.execute(text.encode())
        self._cursor.nextset()
        row = self._cursor.fetchone()
        if row is None:
            raise Unavailable("the database did not tell the time")
        self.transaction.now = from_ms(row[0] + self._clock.offset_ms)

    def savepoint(self) -> None:
        if self._savepoint == "used":
            self._cursor.execute(b"RELEASE f; SAVEPOINT f")
            self._savepoint = "fresh"

    def release(self) -> None:
        if self._connection.pgconn.transaction_status != TransactionStatus.INTRANS:
            raise pg.InFailedSqlTransaction("a failed statement was caught inside the use case")
        self._savepoint = "used"

    def undo(self) -> None:
        self._cursor.execute(b"ROLLBACK TO f")
        self._savepoint = "fresh"

    def commit(self) -> None:
        if self.transaction.adds_jobs and monotonic() >= self._hint_after:
            self._hint_after = monotonic() + HINT_EVERY_S
            self._cursor.execute(f"NOTIFY {JOBS}; COMMIT".encode())
        else:
            self._cursor.execute(b"COMMIT")

    def rollback(self) -> None:
        try:
            if self._connection.pgconn.transaction_status != TransactionStatus.IDLE:
                self._cursor.execute(b"ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def judge(self, error: BaseException, *, at_commit: bool = False) -> Trouble:
        if isinstance(error, pg.ReadOnlySqlTransaction) and not self._for_reading:
            self._connection.close()  # this server is no longer the one to write to: look for it anew
            return Trouble.LOST
        if self._connection.closed:
            return Trouble.DOUBT if at_commit else Trouble.LOST
        if at_commit:
            return Trouble.LOST
        if isinstance(error, PASSING):
            return Trouble.PASSING
        if isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(NO_ROOM):
            return Trouble.LOST
        return Trouble.OWN

    def translate(self, error: BaseException) -> BaseException:
        if isinstance(error, pg.ForeignKeyViolation):
            return refer_to_nothing(error)
        return StatementFailed(explain(error)) if isinstance(error, psycopg.Error) else error

    def has_foreign_write(self) -> bool:
        """The server says it by NOTIFY: see `listen`."""
        return False

    def close(self) -> None:
        self._connection.close()


async def listen(
    url: str, backends: set[int], *, on_change: Callable[[], None], on_jobs: Callable[[], None]
) -> None:
    """Pass on what others say, for ever; what was said during a lost connection counts as said."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                url,
                autocommit=True,
                **CONNECT_OPTIONS,  # type: ignore[arg-type]
            ) as connection:
                await connection.execute(f"LISTEN {CHANGES}".encode())
                await connection.execute(f"LISTEN {JOBS}".encode())
                on_change()
                on_jobs()
                async for notice in connection.notifies():
                    if notice.channel == JOBS:
                        on_jobs()
                    elif notice.pid not in backends:
                        on_change()
        except psycopg.OperationalError:
            await asyncio.sleep(RECONNECT_AFTER_S)


class PostgresStore:
    """A server, written by several threads, each with the keys that fall to it."""

    dialect: DialectName = "postgresql"

    def __init__(self, url: str, clock: Clock, writers: int) -> None:
        self._url = url
        self._clock = clock
        self._backends: set[int] = set()
        self.writers = writers

    def find_revision(self) -> str | None:
        try:
            with closing(connect(self._url)) as connection:
                return find_revision(connection)
        except psycopg.Error as error:
            raise Unavailable(f"the store cannot be opened: {error}") from error

    def open_session(self, *, for_reading: bool = False) -> PostgresSession:
        return PostgresSession(self._url, self._clock, self._backends, for_reading=for_reading)

    async def listen(self, *, on_change: Callable[[], None], on_jobs: Callable[[], None]) -> None:
        await listen(self._url, self._backends, on_change=on_change, on_jobs=on_jobs)
