"""The store: one way to write, one way to read, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Hashable, Mapping
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from knopka.db.clock import Clock
from knopka.db.reader import Readers
from knopka.db.schema import check_revision
from knopka.db.session import StatementFailed, Store, UnsafeStore, WrongSchema
from knopka.db.sqlite import SqliteStore
from knopka.db.statement import DialectName
from knopka.db.transaction import Event, Row, Transaction
from knopka.db.writer import Counters, Health, Task, Writer, WriterLimits

__all__ = [
    "Counters",
    "Database",
    "Health",
    "Row",
    "StatementFailed",
    "Transaction",
    "UnsafeStore",
    "WriterLimits",
    "WrongSchema",
]

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")
Publish = Callable[[str, Mapping[str, Any]], None]


def choose_store(url: str, clock: Clock, limits: WriterLimits) -> Store:
    """The store that the address names; anything else is refused."""
    match url.partition(":")[0]:
        case "sqlite":
            return SqliteStore(url, clock)
        case "postgresql" | "postgres":
            # psycopg costs 8 MB and 100 ms that nobody with SQLite needs.
            from knopka.db.postgres import PostgresStore

            return PostgresStore(url, clock, limits.writers)
        case kind:
            raise UnsafeStore(f"no such store: {kind}; allowed are sqlite:///path and postgresql://…")


def _nothing() -> None: ...


class Database:
    """The one door to the store. Made by `open`; belongs to the event loop that opened it.

    >>> lead = await database.write(open_lead, contact, key=("visit", 1, visit))

    `health` tells whether what comes is being kept; `jobs_waiting` is set when a
    job may be due.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: WriterLimits,
        *,
        on_publish: Publish,
        on_foreign_write: Callable[[], None],
        on_broken: Callable[[str], None],
    ) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._on_publish = on_publish
        self._on_foreign_write = on_foreign_write
        self._on_broken = on_broken
        self._listener: asyncio.Task[None] | None = None
        self._is_closed = False
        self.clock = clock
        self.health = Health()
        self.jobs_waiting = asyncio.Event()
        self._writers: list[Writer] = []
        self._readers = Readers(
            lambda: store.open_session(for_reading=True), threads=limits.readers, most_waiting=limits.reads
        )
        self._limits = limits

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        on_publish: Publish = lambda _topic, _event: None,
        on_foreign_write: Callable[[], None] = _nothing,
        on_broken: Callable[[str], None] = lambda _reason: None,
        clock_offset: timedelta = timedelta(0),
        limits: WriterLimits = WriterLimits(),  # noqa: B008  # frozen
    ) -> Database:
        """Open the store, or refuse it: UnsafeStore for its settings, WrongSchema for its tables.

        `on_publish` gets what use cases published, after their commit.
        `on_foreign_write` is called within a second of a change by another
        process (on PostgreSQL: of what is kept in memory, such as buttons).
        `on_broken` is called when the disk did not keep what it was given: the
        process is then to end, for nothing more can be acknowledged.
        """
        clock = Clock(clock_offset)
        store = choose_store(url, clock, limits)
        check_revision(await asyncio.to_thread(store.find_revision))
        database = cls(
            store,
            clock,
            limits,
            on_publish=on_publish,
            on_foreign_write=on_foreign_write,
            on_broken=on_broken,
        )
        try:
            await database._start()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def dialect(self) -> DialectName:
        return self._store.dialect

    @property
    def counters(self) -> Counters:
        """What all writers and readers have done since the start."""
        return Counters.total([writer.counters for writer in self._writers], self._readers.refused)

    async def write(
        self,
        use_case: Callable[..., T],  # (tx, *args, now, **kwargs): `now` is ours, which no ParamSpec can say
        /,
        *args: Any,
        key: Hashable,
        **kwargs: Any,
    ) -> T:
        """Run `use_case(tx, *args, now=…, **kwargs)` and answer when its effect is on disk.

        Raises what the use case raised. Unavailable means that nothing is
        promised: the same call may be sent again, its idempotency key tells
        whether it had been stored after all. Writes of one key run in the order
        in which they came; `key` names what the use case locks.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        writers = self._writers
        writer = writers[0] if len(writers) == 1 else writers[hash(key) % len(writers)]
        writer.put(Task(use_case, args, kwargs, future))
        return await future

    async def read(
        self, use_case: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `use_case(tx, *args, **kwargs)` on one snapshot; it can write nothing."""
        return await self._readers.read(use_case, args, dict(kwargs))

    def advance_clock(self, step: timedelta) -> None:
        """Move the clock of everything that is written from now on. The demo's alone."""
        self.clock.advance(step)
        self.jobs_waiting.set()

    async def close(self) -> None:
        """Finish or refuse what is queued, then let go of the store."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        for writer in self._writers:
            writer.stop()
        for writer in self._writers:
            await asyncio.to_thread(writer.join)
        await asyncio.to_thread(self._readers.close)
        await asyncio.sleep(0)  # the last answers were handed to this loop before the writers ended
        self.health = Health("stopped")

    async def _start(self) -> None:
        for _ in range(self._store.writers):
            session = await asyncio.to_thread(self._store.open_session)
            writer = Writer(
                session,
                self._limits,
                deliver=self._deliver_soon,
                on_health=lambda health: self._call_soon(self._note_health, health),
                on_foreign_write=lambda: self._call_soon(self._on_foreign_write),
            )
            writer.start()
            self._writers.append(writer)
        self._listener = self._loop.create_task(
            self._store.listen(on_change=self._on_foreign_write, on_jobs=self.jobs_waiting.set)
        )

    def _call_soon(self, callback: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *args)

    def _deliver_soon(self, tasks: list[Task], events: list[Event], adds_jobs: bool) -> None:
        self._call_soon(self._deliver, tasks, events, adds_jobs)

    def _deliver(self, tasks: list[Task], events: list[Event], adds_jobs: bool) -> None:
        for topic, event in events:
            try:
                self._on_publish(topic, event)
            except Exception:
                log.exception("an event could not be published")
        for task in tasks:
            if task.future.done():
                continue  # whoever asked has gone away
            if task.error is not None:
                task.future.set_exception(task.error)
            else:
                task.future.set_result(task.value)
        if adds_jobs:
            self.jobs_waiting.set()

    def _note_health(self, health: Health) -> None:
        self.health = health
        if health.state == "broken":
            self._on_broken(health.reason)
