"""The worker: does what was promised, in the order of each key, and gives up in sight."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from time import monotonic
from typing import Any

from knopka.db.database import Database, Transaction
from knopka.db.jobs import (
    Job,
    StaleLease,
    are_outside_jobs_paused,
    bury_job,
    fire_timers,
    is_anything_due,
    put_back,
    remove_job,
    renew_lease,
    take_jobs,
)
from knopka.domain.errors import DeliveryError, Retryable, Unavailable, Uncertain

log = logging.getLogger(__name__)

FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=6)
HORIZON = timedelta(hours=72)
"""After this long a job that keeps failing is given up (security D-05)."""
RECORD_TRIES = 5
_chance = SystemRandom().random


@dataclass(frozen=True, slots=True)
class InStore:
    """A job whose whole effect is in the store: effect and end of the job are one transaction."""

    use_case: Callable[..., None]
    """`use_case(tx, payload, *, now)`."""
    on_dead: Callable[..., None] | None = None
    """`on_dead(tx, payload, reason, *, now)`, in the transaction that gives the job up."""


@dataclass(frozen=True, slots=True)
class Outside:
    """A job that calls something outside, without any transaction open.

    The call fails with Retryable (surely not taken: again later), Uncertain
    (stop: an operator decides) or another DeliveryError (never: the reason is
    shown). Whatever else it raises is taken as uncertain.
    """

    call: Callable[[Mapping[str, Any], Job], Awaitable[Any]]
    on_done: Callable[..., None] | None = None
    """`on_done(tx, payload, result, *, now)`, in the transaction that ends the job."""
    on_dead: Callable[..., None] | None = None
    may_repeat: bool = False
    """Whether the other side takes a repeat for what it is, so that doubt is no reason to stop."""


Handler = InStore | Outside


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How much the worker takes upon itself."""

    at_once: int = 16
    """Most jobs under way, and most that are taken in one tick."""
    timers: int = 200
    """Most timers that fire in one tick, however far the clock has jumped."""
    lease: timedelta = timedelta(seconds=30)
    poll_seconds: float = 1.0
    """The net below the wake-up after a commit."""
    stop_seconds: float = 10.0


def plan_delay(attempts: int, chance: float) -> timedelta:
    """How long to wait after so many attempts: exponential from 5 s to 6 h, with full jitter."""
    doubled: timedelta = FIRST_DELAY * 2 ** min(attempts - 1, 20)
    return min(doubled, LONGEST_DELAY) * chance


class Worker:
    """Runs the jobs of one process until it is stopped."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        limits: WorkerLimits = WorkerLimits(),  # frozen
        chance: Callable[[], float] = _chance,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._kinds = tuple(handlers)
        self._outside = tuple(kind for kind, handler in handlers.items() if isinstance(handler, Outside))
        self._limits = limits
        self._chance = chance
        self._pause = pause
        self._running: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def run(self) -> None:
        """Work until `stop`; a store that cannot be reached is asked again."""
        while not self._is_stopping:
            self._database.jobs_waiting.clear()
            try:
                has_more = await self.tick()
            except Unavailable as unavailable:
                log.warning("the worker waits: %s", unavailable.message)
                has_more = False
            except Exception:
                log.exception("the worker goes on after an error")
                has_more = False
            if not has_more:
                await self._wait()

    async def stop(self) -> None:
        """Take no more, give what is under way a while to end, then leave it to its lease."""
        self._is_stopping = True
        self._database.jobs_waiting.set()
        if self._running:
            await asyncio.wait(self._running, timeout=self._limits.stop_seconds)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def tick(self) -> bool:
        """Fire timers and start jobs that are due, a bounded number of each; True if there may be more."""
        room = self._limits.at_once - len(self._running)
        if room <= 0 or not await self._database.read(is_anything_due):
            return False
        fired, taken = await self._database.write(self._take, room, key="jobs")
        for job in taken:
            task = asyncio.get_running_loop().create_task(self._do(job))
            self._running.add(task)
            task.add_done_callback(self._finished)
        return fired == self._limits.timers or bool(taken)

    async def settle(self) -> None:
        """Wait until no job is under way."""
        while self._running:
            await asyncio.wait(self._running)

    def _take(self, tx: Transaction, room: int, *, now: datetime) -> tuple[int, list[Job]]:
        fired = fire_timers(tx, self._limits.timers, now=now)
        kinds = self._kinds
        if are_outside_jobs_paused(tx):
            kinds = tuple(kind for kind in kinds if kind not in self._outside)
        return fired, take_jobs(tx, kinds, self._outside, room, self._limits.lease, now=now)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.poll_seconds):
                await self._database.jobs_waiting.wait()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._database.jobs_waiting.set()  # the next job of its key may go now
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a job could not be ended; its lease will run out", exc_info=error)

    async def _do(self, job: Job) -> None:
        handler = self._handlers[job.kind]
        try:
            match handler:
                case InStore():
                    await self._do_in_store(job, handler)
                case Outside():
                    await self._do_outside(job, handler)
        except StaleLease:
            log.warning("job %d is held by another worker; this result is refused", job.id)

    async def _do_in_store(self, job: Job, handler: InStore) -> None:
        try:
            await self._database.write(_finish_in_store, job, handler, key=job.key)
        except (StaleLease, Unavailable):
            raise
        except Exception as error:
            log.exception("job %d (%s) failed", job.id, job.kind)
            await self._try_again(job, handler, _describe(error), 0.0)

    async def _do_outside(self, job: Job, handler: Outside) -> None:
        if job.was_left and not handler.may_repeat:
            await self._give_up(job, handler, "uncertain", "the attempt before was begun and never ended")
            return
        try:
            result = await self._call(job, handler)
        except Retryable as error:
            await self._try_again(job, handler, error.message, error.after)
        except (StaleLease, asyncio.CancelledError):
            raise
        except Exception as error:
            await self._judge(job, handler, error)
        else:
            await self._write_surely(_finish_outside, job, handler, result)

    async def _judge(self, job: Job, handler: Outside, error: Exception) -> None:
        """An error that does not ask for another try: doubt, or a refusal for good."""
        is_refusal = isinstance(error, DeliveryError) and not isinstance(error, Uncertain)
        if is_refusal:
            await self._give_up(job, handler, "rejected", _describe(error))
        elif handler.may_repeat:
            await self._try_again(job, handler, _describe(error), 0.0)
        else:
            await self._give_up(job, handler, "uncertain", _describe(error))

    async def _call(self, job: Job, handler: Outside) -> Any:
        """Make the call while the lease is renewed beside it; a lost lease ends the call."""
        call = asyncio.ensure_future(handler.call(job.payload, job))
        renewal = asyncio.ensure_future(self._keep_lease(job))
        try:
            await asyncio.wait({call, renewal}, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
            return renewal.result()  # ends only by StaleLease
        finally:
            for task in (call, renewal):
                task.cancel()
            await asyncio.gather(call, renewal, return_exceptions=True)

    async def _keep_lease(self, job: Job) -> None:
        lease = self._limits.lease
        ends = monotonic() + lease.total_seconds()
        while True:
            await self._pause(lease.total_seconds() / 3)
            try:
                await self._database.write(renew_lease, job, lease, key=job.key)
            except Unavailable:
                if monotonic() > ends:
                    raise StaleLease(job.id) from None
            else:
                ends = monotonic() + lease.total_seconds()

    async def _try_again(self, job: Job, handler: Handler, reason: str, after: float) -> None:
        delay = max(plan_delay(job.attempts, self._chance()), timedelta(seconds=after))
        await self._write_surely(_fail, job, handler, reason, delay)

    async def _give_up(self, job: Job, handler: Outside, how: str, reason: str) -> None:
        log.error("job %d (%s) is given up (%s)", job.id, job.kind, how)
        await self._write_surely(_bury, job, handler, how, reason)

    async def _write_surely(self, use_case: Callable[..., None], job: Job, *args: Any) -> None:
        """The outcome of a call cannot be had again: a store that is busy is asked some more times."""
        for attempt in range(1, RECORD_TRIES + 1):
            try:
                await self._database.write(use_case, job, *args, key=job.key)
            except Unavailable as unavailable:
                if attempt == RECORD_TRIES:
                    raise
                await self._pause(unavailable.retry_after)
            else:
                return


def _finish_in_store(tx: Transaction, job: Job, handler: InStore, *, now: datetime) -> None:
    remove_job(tx, job)
    handler.use_case(tx, job.payload, now=now)


def _finish_outside(tx: Transaction, job: Job, handler: Outside, result: Any, *, now: datetime) -> None:
    remove_job(tx, job)
    if handler.on_done is not None:
        handler.on_done(tx, job.payload, result, now=now)


def _fail(
    tx: Transaction, job: Job, handler: Handler, reason: str, delay: timedelta, *, now: datetime
) -> None:
    """Later, or never once the horizon is passed; the last try falls on the horizon itself."""
    horizon = job.first_tried_at + HORIZON
    if now >= horizon:
        _bury(tx, job, handler, "failed", reason, now=now)
    else:
        put_back(tx, job, min(now + delay, horizon), reason, now=now)


def _bury(tx: Transaction, job: Job, handler: Handler, how: str, reason: str, *, now: datetime) -> None:
    bury_job(tx, job, how, reason, now=now)
    if handler.on_dead is not None:
        handler.on_dead(tx, job.payload, reason, now=now)


def _describe(error: BaseException) -> str:
    """What an operator may read: our own words, or the kind of a foreign error."""
    return error.message if isinstance(error, DeliveryError) else type(error).__name__
