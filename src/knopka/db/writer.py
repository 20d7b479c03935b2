"""The writer: takes what is queued, gives each function a savepoint, commits once, then answers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from random import SystemRandom
from threading import Thread
from time import monotonic, sleep
from typing import Any, Literal

from sqlalchemy.dialects.postgresql import insert

from knopka.db.session import Session, Trouble, explain
from knopka.db.statement import Statement
from knopka.db.tables import counters
from knopka.db.transaction import Event
from knopka.domain.errors import Unavailable

PROBE = Statement(
    insert(counters)
    .values(account_id=0, name="probe", value=1)
    .on_conflict_do_update(
        index_elements=[counters.c.account_id, counters.c.name], set_={"value": counters.c.value + 1}
    )
)

log = logging.getLogger(__name__)

LONGEST_STEP_ASIDE_S = 0.05
"""Two that met in crossed order give up in the same moment: without chance they would meet again."""
_chance = SystemRandom().random

NOTICE_S = 0.25
"""How soon a busy writer looks again whether somebody else has written (promised: within a second)."""

MOST_TRIES = 5
"""How often a function that met rows held by others is tried (docs/decisions/0001-one-way-to-write.md)."""


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """The bounds of one writer. A lone write never waits for others to come."""

    rows: int = 256
    """Most functions in one transaction."""
    milliseconds: int = 50
    """How long functions are taken into one transaction before it is committed."""
    queue: int = 2_000
    """Most functions that wait; the next one is refused."""
    writers: int = 4
    """Writers of one process on PostgreSQL; SQLite has one."""
    readers: int = 4
    """Connections for reading."""
    reads: int = 1_000
    """Most reads that wait; the next one is refused."""
    stop_seconds: float = 10.0
    """How long a clean stop goes on finishing what is queued before it refuses the rest."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the store can say of itself, for the page that tells whether we are ready."""

    state: Literal["ok", "failing", "broken", "stopped"] = "ok"
    reason: str = ""
    since: datetime | None = None


@dataclass(slots=True)
class Counters:
    """What a writer, or all of a database, has done since the start."""

    batches: int = 0
    written: int = 0
    refused: int = 0
    tried_again: int = 0
    lost_batches: int = 0
    refused_reads: int = 0

    @classmethod
    def total(cls, parts: Sequence[Counters], refused_reads: int) -> Counters:
        sums = {field.name: sum(getattr(part, field.name) for part in parts) for field in fields(cls)}
        return cls(**{**sums, "refused_reads": refused_reads})


class Task:
    """One function on its way to the store and its answer on the way back."""

    __slots__ = ("args", "error", "future", "kwargs", "tries", "use_case", "value")

    def __init__(
        self,
        use_case: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        future: asyncio.Future[Any],
    ) -> None:
        self.use_case = use_case
        self.args = args
        self.kwargs = kwargs
        self.future = future
        self.tries = 0
        self.value: Any = None
        self.error: BaseException | None = None


class _Lost(Exception):
    """The whole transaction is gone."""

    def __init__(self, cause: BaseException, trouble: Trouble) -> None:
        super().__init__(str(cause))
        self.trouble = trouble


class _Stop:
    """The last thing in the queue of a writer that is to end."""


class Writer:
    """One thread, one connection, one queue."""

    def __init__(
        self,
        session: Session,
        limits: WriterLimits,
        *,
        deliver: Callable[[list[Task], list[Event], bool], None],
        on_health: Callable[[Health], None],
        on_foreign_write: Callable[[], None],
    ) -> None:
        self._session = session
        self._limits = limits
        self.counters = Counters()
        self._deliver = deliver
        self._on_health = on_health
        self._on_foreign_write = on_foreign_write
        self._queue: SimpleQueue[Task | _Stop] = SimpleQueue()
        self._later: deque[Task] = deque()
        self._health = Health()
        self._stop_by: float | None = None
        self._notice_at = 0.0
        self._thread = Thread(target=self._work, name="knopka-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, task: Task) -> None:
        """Queue the function, or refuse it before anything is promised."""
        if self._stop_by is not None:
            raise Unavailable("the server is stopping", retry_after=2.0)
        if self._health.state == "broken":
            raise Unavailable(self._health.reason, retry_after=30.0)
        if self._queue.qsize() >= self._limits.queue:
            self.counters.refused += 1
            raise Unavailable("too much is waiting to be stored", retry_after=1.0)
        self._queue.put(task)

    def stop(self) -> None:
        """Finish what is queued, refuse what cannot be finished in time, and end."""
        if self._stop_by is None:
            self._stop_by = monotonic() + self._limits.stop_seconds
            self._queue.put(_Stop())

    def join(self) -> None:
        self._thread.join()

    # The rest runs in the writer's thread.

    def _work(self) -> None:
        try:
            while (task := self._take(wait=True)) is not None:
                self._run_batch(task)
                self._notice()
        except BaseException as error:
            log.critical("the writer has ended", exc_info=error)
            self._say("broken", "the writer has ended; the log tells why")
            self._refuse(self._drain(), self._health.reason)
        finally:
            self._session.close()

    def _take(self, *, wait: bool) -> Task | None:
        """The next function; None when the queue is empty (or, if we wait, at the end)."""
        if self._later:
            task = self._later.popleft()
            sleep(task.tries * LONGEST_STEP_ASIDE_S * _chance())
            return task
        while True:
            try:
                item = self._queue.get(wait, 0.5 if wait else None)
            except Empty:
                if not wait:
                    return None
                self._notice()
                self._probe()
                continue
            match item:
                case Task():
                    return item
                case _Stop():
                    # Seen in the middle of a batch it is put back, to be met again when the batch is done.
                    if not wait:
                        self._queue.put(item)
                    return None

    def _run_batch(self, task: Task) -> None:
        if self._is_over():
            self._refuse([task], "the server is stopping")
            return
        if not self._begin():
            self._refuse([task, *self._drain()], "the database cannot be reached")
            return
        batch: list[Task] = []
        try:
            self._fill_batch(batch, task)
            self._commit(batch)
        except _Lost as lost:
            self._session.rollback()
            self._recover(batch, lost)

    def _begin(self) -> bool:
        try:
            self._session.begin()
        except Exception as error:
            self._session.rollback()
            self._say_failing(error)
            return False
        transaction = self._session.transaction
        transaction.events = []
        transaction.adds_jobs = False
        return True

    def _fill_batch(self, batch: list[Task], first: Task) -> None:
        """Run functions until none is waiting or a bound is met; `batch` keeps those that ran.

        A function whose rows are held by others goes to the next batch, and this
        one is committed at once: it may be what the others wait for.
        """
        until = monotonic() + self._limits.milliseconds / 1000
        task: Task | None = first
        while task is not None:
            batch.append(task)
            if not self._run(task):
                batch.pop()
                self._try_later(task)
                return
            if len(batch) >= self._limits.rows or monotonic() >= until:
                return
            task = self._take(wait=False)

    def _run(self, task: Task) -> bool:
        """Run one function inside its savepoint; False if it has to be tried again later."""
        session = self._session
        transaction = session.transaction
        said = len(transaction.events)
        session.savepoint()
        try:
            task.value = task.use_case(transaction, *task.args, now=transaction.now, **task.kwargs)
            session.release()
        except BaseException as error:
            trouble = session.judge(error)
            if trouble in (Trouble.LOST, Trouble.FATAL):
                raise _Lost(error, trouble) from error
            session.undo()
            del transaction.events[said:]
            if trouble is Trouble.PASSING:
                return False
            task.error = session.translate(error)
        return True

    def _try_later(self, task: Task) -> None:
        task.tries += 1
        if task.tries == MOST_TRIES:
            self._refuse([task], "the rows are held by others")
            return
        self.counters.tried_again += 1
        self._later.appendleft(task)

    def _commit(self, batch: list[Task]) -> None:
        """Commit, and only then answer. A COMMIT whose answer is lost is answered "come again"."""
        session = self._session
        try:
            session.commit()
        except Exception as error:
            trouble = session.judge(error, at_commit=True)
            if trouble is not Trouble.DOUBT:
                raise _Lost(error, trouble) from error
            self._say_failing(error)
            self._refuse(batch, "the database did not say whether it was stored")
            return
        self.counters.batches += 1
        self.counters.written += len(batch)
        if self._health.state == "failing":
            self._say("ok", "")
        self._deliver(batch, session.transaction.events, session.transaction.adds_jobs)

    def _recover(self, batch: list[Task], lost: _Lost) -> None:
        """Nobody in a lost batch was answered: each function runs again alone, once."""
        self.counters.lost_batches += 1
        if lost.trouble is Trouble.FATAL:
            self._say("broken", f"the disk did not keep what it was given ({lost}); nothing more is accepted")
            self._refuse(batch, self._health.reason)
            return
        self._say_failing(lost)
        for task in batch:
            if not self._run_alone(task):
                self._refuse([task], "the store could not keep it")

    def _run_alone(self, task: Task) -> bool:
        task.value = task.error = None
        if self._is_over() or not self._begin():
            return False
        try:
            if not self._run(task):
                self._session.rollback()
                return False
            self._commit([task])
        except _Lost as lost:
            self._session.rollback()
            self._say_failing(lost)
            return False
        return True

    def _refuse(self, tasks: list[Task], reason: str) -> None:
        for task in tasks:
            task.error = Unavailable(f"nothing was accepted: {reason}")
        self.counters.refused += len(tasks)
        self._deliver(tasks, [], False)

    def _drain(self) -> list[Task]:
        """Everything that waits now."""
        found: list[Task] = []
        while (task := self._take(wait=False)) is not None and len(found) < self._limits.queue:
            found.append(task)
        return found

    def _is_over(self) -> bool:
        return self._health.state == "broken" or (self._stop_by is not None and monotonic() > self._stop_by)

    def _notice(self) -> None:
        """Looked after between batches, a few times a second: has somebody else written?"""
        if monotonic() < self._notice_at:
            return
        self._notice_at = monotonic() + NOTICE_S
        if self._session.has_foreign_write():
            self._on_foreign_write()

    def _probe(self) -> None:
        """Try a store that failed with a write of our own: while we are not ready, nobody may come."""
        if self._health.state == "failing" and self._begin():
            try:
                self._session.transaction.run(PROBE)
                self._commit([])
            except Exception as error:
                self._session.rollback()
                self._say_failing(error)

    def _say_failing(self, error: BaseException) -> None:
        self._say("failing", explain(error))

    def _say(self, state: Literal["ok", "failing", "broken", "stopped"], reason: str) -> None:
        if (state, reason) == (self._health.state, self._health.reason):
            return
        log.log(logging.INFO if state == "ok" else logging.ERROR, "the store is %s: %s", state, reason)
        self._health = Health(state, reason, datetime.now(UTC))
        self._on_health(self._health)
