"""The worker: does what was promised, in the order of each key, and gives up in sight."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
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
    list_kinds,
    put_back,
    put_off,
    remove_job,
    renew_lease,
    take_jobs,
)
from knopka.domain.errors import DeliveryError, NotYet, Retryable, Unavailable, Uncertain

log = logging.getLogger(__name__)

FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=6)
HORIZON = timedelta(hours=72)
"""After this long a job that keeps failing is given up (security D-05)."""
RECORD_TRIES = 5
_chance = SystemRandom().random


@dataclass(frozen=True, slots=True)
class JobEnd:
    """Why a job was given up."""

    how: str
    """failed, rejected or uncertain."""
    code: str
    """The code of the error."""
    reason: str
    """What an operator may read."""


@dataclass(frozen=True, slots=True)
class InStore:
    """A job whose whole effect is in the store: effect and end of the job are one transaction.

    It fails with NotYet where it was no try at all, so that none is counted.
    """

    use_case: Callable[..., None]
    """`use_case(tx, payload, *, now)`."""
    on_dead: Callable[..., None] | None = None
    """`on_dead(tx, payload, end, *, now)`, in the transaction that gives the job up."""
    most_tries: int | None = None
    """After so many failures the job goes to the dead letters and the later ones of its key go on
    (S-HOOK-06); None for as long as any job is tried."""


@dataclass(frozen=True, slots=True)
class Outside:
    """A job that calls something outside, without any transaction open.

    The call fails with Retryable (surely not taken: again later), NotYet (no
    try at all: none is counted), Uncertain (stop: an operator decides) or
    another DeliveryError (never: the reason is shown). Whatever else it raises
    is taken as uncertain.
    """

    call: Callable[[Mapping[str, Any], Job], Awaitable[Any]]
    on_done: Callable[..., None] | None = None
    """`on_done(tx, payload, result, *, now)`, in the transaction that ends the job."""
    on_dead: Callable[..., None] | None = None
    may_repeat: bool = False
    """Whether the other side takes a repeat for what it is, so that doubt is no reason to stop."""
    at_once: int | None = None
    """Most jobs of the kind under way at once, so that a stuck platform leaves room for the others.
    Of these each share of the kind has at most half of what the other shares leave (`share_of`)."""
    is_held: Callable[[str], bool] | None = None
    """Of whose share (`share_of`) the jobs are left as they are for now, since none could be done."""
    longest_delay: timedelta = LONGEST_DELAY
    is_wait: bool = False
    """The call mostly waits for news: it is cut short when we stop, and begins anew later."""


Handler = InStore | Outside


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How much the worker takes upon itself."""

    at_once: int = 160
    """Most jobs under way, and most that are taken in one tick. More than all kinds with bounds of their
    own may have together (Outside.at_once)."""
    timers: int = 200
    """Most timers that fire in one tick, however far the clock has jumped."""
    lease: timedelta = timedelta(seconds=30)
    poll_seconds: float = 1.0
    """The net below the wake-up after a commit."""
    stop_seconds: float = 10.0


def plan_delay(attempts: int, chance: float, longest: timedelta = LONGEST_DELAY) -> timedelta:
    """How long to wait after so many attempts: exponential from 5 s to 6 h, with full jitter."""
    doubled: timedelta = FIRST_DELAY * 2 ** min(attempts - 1, 20)
    return min(doubled, longest) * chance


def share_of(kind: str, owner: int) -> str:
    """The kind of a job of which each owner has a share: one that is stuck leaves room for the others."""
    return f"{kind}.{owner}"


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
        self._limits = limits
        self._chance = chance
        self._pause = pause
        self._running: dict[asyncio.Task[None], Job] = {}
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
        for task, job in self._running.items():
            handler = self._handlers[self._split(job.kind)[0]]
            if isinstance(handler, Outside) and handler.is_wait:
                task.cancel()
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
        under_way = Counter(job.kind for job in self._running.values())
        fired, taken = await self._database.write(self._take, room, under_way, key="jobs")
        for job in taken:
            task = asyncio.get_running_loop().create_task(self._do(job))
            self._running[task] = job
            task.add_done_callback(self._finished)
        return fired == self._limits.timers or bool(taken)

    async def settle(self) -> None:
        """Wait until no job is under way."""
        while self._running:
            await asyncio.wait(self._running)

    def _take(
        self, tx: Transaction, room: int, under_way: Counter[str], *, now: datetime
    ) -> tuple[int, list[Job]]:
        fired = fire_timers(tx, self._limits.timers, now=now)
        is_paused = are_outside_jobs_paused(tx)
        under_way = under_way.copy()
        taken: list[Job] = []
        for kind in self._sort(list_kinds(tx)):
            base, owner = self._split(kind)
            handler = self._handlers[base]
            if _rests(handler, owner, is_paused=is_paused):
                continue
            outside = (kind,) if isinstance(handler, Outside) else ()
            most = min(room - len(taken), self._room_of(kind, under_way))
            came = take_jobs(tx, kind, outside, most, self._limits.lease, now=now)
            under_way[kind] += len(came)
            taken += came
        return fired, taken

    def _split(self, kind: str) -> tuple[str, str]:
        """The handler's name for a kind of job, and whose share it is, if it is one."""
        if kind in self._handlers:
            return kind, ""
        base, _, owner = kind.rpartition(".")
        return base, owner

    def _sort(self, kinds: list[str]) -> list[str]:
        """The kinds that somebody handles, in the order of the handlers; no share is always the first."""
        places = {base: place for place, base in enumerate(self._handlers)}
        known = [kind for kind in kinds if self._split(kind)[0] in places]
        return sorted(known, key=lambda kind: (places[self._split(kind)[0]], self._chance()))

    def _room_of(self, kind: str, under_way: Counter[str]) -> int:
        """How many more jobs of the kind may be taken."""
        base, owner = self._split(kind)
        handler = self._handlers[base]
        if not isinstance(handler, Outside) or handler.at_once is None:
            return self._limits.at_once
        others = sum(
            count for other, count in under_way.items() if other != kind and self._split(other)[0] == base
        )
        left = handler.at_once - others
        return ((left + 1) // 2 if owner else left) - under_way[kind]

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.poll_seconds):
                await self._database.jobs_waiting.wait()

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._database.jobs_waiting.set()  # the next job of its key may go now
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a job could not be ended; its lease will run out", exc_info=error)

    async def _do(self, job: Job) -> None:
        handler = self._handlers[self._split(job.kind)[0]]
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
        except NotYet as error:
            after = timedelta(seconds=error.after)
            await self._write_surely(_wait, job, handler, _end("failed", error), after)
        except Exception as error:
            log.exception("job %d (%s) failed", job.id, job.kind)
            if handler.most_tries is not None and job.attempts >= handler.most_tries:
                await self._give_up(job, handler, _end("failed", error))
            else:
                await self._try_again(job, handler, _end("failed", error), 0.0)

    async def _do_outside(self, job: Job, handler: Outside) -> None:
        if job.was_left and not handler.may_repeat:
            left = Uncertain("The attempt before was begun and never ended.")
            await self._give_up(job, handler, _end("uncertain", left))
            return
        try:
            result = await self._call(job, handler)
        except NotYet as error:
            after = timedelta(seconds=error.after)
            await self._write_surely(_wait, job, handler, _end("failed", error), after)
        except Retryable as error:
            await self._try_again(job, handler, _end("failed", error), error.after)
        except asyncio.CancelledError:
            if handler.is_wait:
                await self._database.write(_release, job, key=job.key)
            raise
        except StaleLease:
            raise
        except Exception as error:
            await self._judge(job, handler, error)
        else:
            await self._keep(job, handler, result)

    async def _keep(self, job: Job, handler: Outside, result: Any) -> None:
        """Write the result down. The call is made already: what cannot be kept is no reason to repeat it."""
        try:
            await self._write_surely(_finish_outside, job, handler, result)
        except (StaleLease, Unavailable):
            raise
        except Exception as error:
            log.exception("the result of job %d (%s) could not be kept", job.id, job.kind)
            await self._give_up(job, handler, _end("uncertain", error))

    async def _judge(self, job: Job, handler: Outside, error: Exception) -> None:
        """An error that does not ask for another try: doubt, or a refusal for good."""
        is_refusal = isinstance(error, DeliveryError) and not isinstance(error, Uncertain)
        if not isinstance(error, DeliveryError):
            log.error("job %d (%s) failed outside", job.id, job.kind, exc_info=error)
        if is_refusal:
            await self._give_up(job, handler, _end("rejected", error))
        elif handler.may_repeat:
            await self._try_again(job, handler, _end("uncertain", error), 0.0)
        else:
            await self._give_up(job, handler, _end("uncertain", error))

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

    async def _try_again(self, job: Job, handler: Handler, end: JobEnd, after: float) -> None:
        longest = handler.longest_delay if isinstance(handler, Outside) else LONGEST_DELAY
        delay = max(plan_delay(job.attempts, self._chance(), longest), timedelta(seconds=after))
        await self._write_surely(_fail, job, handler, end, delay)

    async def _give_up(self, job: Job, handler: Handler, end: JobEnd) -> None:
        log.error("job %d (%s) is given up (%s)", job.id, job.kind, end.how)
        await self._write_surely(_bury, job, handler, end)

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


def _rests(handler: Handler, owner: str, *, is_paused: bool) -> bool:
    """Whether no job of the kind is to be taken for now."""
    if isinstance(handler, InStore):
        return False
    return is_paused or (owner != "" and handler.is_held is not None and handler.is_held(owner))


def _finish_in_store(tx: Transaction, job: Job, handler: InStore, *, now: datetime) -> None:
    remove_job(tx, job)
    handler.use_case(tx, job.payload, now=now)


def _finish_outside(tx: Transaction, job: Job, handler: Outside, result: Any, *, now: datetime) -> None:
    remove_job(tx, job)
    if handler.on_done is not None:
        handler.on_done(tx, job.payload, result, now=now)


def _fail(
    tx: Transaction, job: Job, handler: Handler, end: JobEnd, delay: timedelta, *, now: datetime
) -> None:
    """Later, or never once the horizon is passed; the last try falls on the horizon itself."""
    horizon = job.first_tried_at + HORIZON
    if now >= horizon:
        _bury(tx, job, handler, end, now=now)
    else:
        put_back(tx, job, min(now + delay, horizon), end.reason, now=now)


def _wait(
    tx: Transaction, job: Job, handler: Handler, end: JobEnd, delay: timedelta, *, now: datetime
) -> None:
    """Later, as if nothing had been; but who waits longer than any job is tried for is given up as well."""
    began_at = job.created_at if job.attempts == 1 else job.first_tried_at
    if now >= began_at + HORIZON:
        _bury(tx, job, handler, end, now=now)
    else:
        put_off(tx, job, now + delay, end.reason, now=now)


def _release(tx: Transaction, job: Job, *, now: datetime) -> None:
    """Let anybody take the job at once."""
    put_back(tx, job, now, "The server was stopped.", now=now)


def _bury(tx: Transaction, job: Job, handler: Handler, end: JobEnd, *, now: datetime) -> None:
    bury_job(tx, job, end.how, end.reason, now=now)
    if handler.on_dead is not None:
        handler.on_dead(tx, job.payload, end, now=now)


def _end(how: str, error: BaseException) -> JobEnd:
    """What may be told: our own words, or the kind of a foreign error."""
    if isinstance(error, DeliveryError):
        return JobEnd(how, error.code, error.message)
    return JobEnd(how, "internal", type(error).__name__)
