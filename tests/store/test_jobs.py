"""Jobs and timers: order, leases, attempts, back-off and dead letters, the clock in the test's hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from knopka.db.database import Database, Transaction
from knopka.db.jobs import (
    DeadLetter,
    Job,
    StaleLease,
    cancel_job,
    clear_timer,
    insert_job,
    list_dead_letters,
    pause_outside_jobs,
    put_back,
    remove_job,
    renew_lease,
    replay_dead_letter,
    set_timer,
    take_jobs,
    wake_jobs,
)
from knopka.db.statement import Statement
from knopka.db.tables import job_attempts, jobs
from knopka.domain.errors import DeliveryError, NotYet, Retryable, Uncertain
from knopka.services.jobs import (
    Handler,
    InStore,
    JobEnd,
    Outside,
    Worker,
    WorkerLimits,
    plan_delay,
    share_of,
)

pytestmark = pytest.mark.anyio

ALL_JOBS = Statement(select(jobs).order_by(jobs.c.id))
ALL_ATTEMPTS = Statement(select(job_attempts).order_by(job_attempts.c.id))
LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


class Log:
    """A handler that remembers what it was given and fails as it is told."""

    def __init__(self, *failures: Exception | None) -> None:
        self.seen: list[Any] = []
        self.dead: list[tuple[Any, str]] = []
        self.failures = list(failures)

    def _note(self, payload: Mapping[str, Any]) -> None:
        self.seen.append(payload["n"])
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure

    def in_store(self, _tx: Transaction, payload: Mapping[str, Any], *, now: datetime) -> None:
        self._note(payload)

    async def outside(self, payload: Mapping[str, Any], _job: Job) -> str:
        self._note(payload)
        return "taken"

    def bury(self, _tx: Transaction, payload: Mapping[str, Any], end: JobEnd, *, now: datetime) -> None:
        self.dead.append((payload["n"], end.reason))


def make_worker(database: Database, limits: WorkerLimits | None = None, **handlers: Handler) -> Worker:
    return Worker(database, handlers, limits=limits or WorkerLimits(), chance=lambda: 1.0, pause=_never)


async def _never(_seconds: float) -> None:
    await asyncio.Event().wait()


async def add(database: Database, n: int, key: str = "a", kind: str = "say") -> int:
    def use_case(tx: Transaction, *, now: datetime) -> int:
        return insert_job(tx, 1, key, kind, {"n": n})

    return await database.write(use_case, key=key)


async def work(worker: Worker) -> None:
    """Tick until nothing more is due."""
    while await worker.tick():
        await worker.settle()
    await worker.settle()


async def list_jobs(database: Database) -> list[Any]:
    return await database.read(lambda tx: tx.rows(ALL_JOBS))


async def list_dead(database: Database) -> list[DeadLetter]:
    return await database.read(list_dead_letters, 1)


async def take(database: Database, *, most: int = 10, outside: tuple[str, ...] = ()) -> list[Job]:
    return await database.write(take_jobs, "say", outside, most, LEASE, key="jobs")


async def test_jobs_of_one_key_run_in_order_and_leave_nothing_behind(database: Database) -> None:
    log = Log()
    for n in range(5):
        await add(database, n)
    await work(make_worker(database, say=InStore(log.in_store)))
    assert log.seen == [0, 1, 2, 3, 4]
    assert await list_jobs(database) == []


async def test_only_the_first_of_a_key_is_taken_while_other_keys_go_on(database: Database) -> None:
    for n, key in enumerate(["a", "a", "b", "b"]):
        await add(database, n, key)
    assert [job.payload["n"] for job in await take(database)] == [0, 2]
    assert await take(database) == []


async def test_a_failing_job_holds_its_key_and_is_tried_again(database: Database) -> None:
    log = Log(ValueError("once"))
    worker = make_worker(database, say=InStore(log.in_store))
    await add(database, 0)
    await add(database, 1)
    await work(worker)
    assert log.seen == [0]
    database.advance_clock(timedelta(seconds=5))
    await work(worker)
    assert log.seen == [0, 0, 1]


async def test_a_failed_effect_leaves_no_trace_in_the_store(database: Database) -> None:
    def fail(tx: Transaction, _payload: Mapping[str, Any], *, now: datetime) -> None:
        insert_job(tx, 1, "half", "written", {})
        raise ValueError("after a write")

    await add(database, 0)
    await work(make_worker(database, say=InStore(fail)))
    assert [row["kind"] for row in await list_jobs(database)] == ["say"]


async def test_a_job_that_fails_for_ten_minutes_steps_aside(database: Database) -> None:
    log = Log(Retryable("busy", after=3_600), None, Retryable("busy", after=3_600))
    worker = make_worker(database, say=Outside(log.outside))
    await add(database, 0)
    await add(database, 1)
    await work(worker)
    database.advance_clock(timedelta(minutes=10) - SECOND)
    await work(worker)
    assert log.seen == [0]
    database.advance_clock(SECOND * 2)
    await work(worker)
    assert log.seen == [0, 1]
    database.advance_clock(timedelta(hours=1))
    await work(worker)
    assert log.seen == [0, 1, 0]
    [left] = await list_jobs(database)
    assert left["is_out_of_order"] is True


async def fail(database: Database, job: Job, pause: timedelta) -> None:
    """The job was tried, and is due again after the pause."""
    await database.write(put_back, job, database.clock() + pause, "busy", key=job.key)


async def end(database: Database, job: Job) -> None:
    def use_case(tx: Transaction, *, now: datetime) -> None:
        remove_job(tx, job)

    await database.write(use_case, key=job.key)


async def test_of_the_jobs_that_stepped_aside_the_older_goes_first_and_one_at_a_time(
    database: Database,
) -> None:
    for n in range(3):
        await add(database, n)
    for pause in (120, 60):  # minutes: the younger is due again before the older
        (tried,) = await take(database)
        await fail(database, tried, timedelta(minutes=pause))
        database.advance_clock(timedelta(minutes=11))
    (third,) = await take(database)
    await end(database, third)
    database.advance_clock(timedelta(minutes=120))
    left = []
    for _ in range(2):
        (job,) = await take(database)
        assert await take(database) == []
        left.append(job.payload["n"])
        await end(database, job)
    assert left == [0, 1]


async def test_a_job_that_was_passed_waits_for_the_one_that_is_passing_it(database: Database) -> None:
    for n in range(2):
        await add(database, n)
    (older,) = await take(database)
    await fail(database, older, timedelta(minutes=10) + SECOND * 20)
    database.advance_clock(timedelta(minutes=10) + SECOND)
    (younger,) = await take(database)
    assert younger.payload == {"n": 1}
    database.advance_clock(SECOND * 20)
    assert await take(database) == []
    await end(database, younger)
    assert [job.payload for job in await take(database)] == [{"n": 0}]


async def test_a_try_that_was_none_is_not_counted_and_nobody_passes(database: Database) -> None:
    log = Log(NotYet("broken", after=60), NotYet("broken", after=3_600))
    worker = make_worker(database, say=Outside(log.outside))
    for n in range(2):
        await add(database, n)
    await work(worker)
    for minutes in (1, 30):
        database.advance_clock(timedelta(minutes=minutes))
        await work(worker)
    assert log.seen == [0, 0]
    row, _ = await list_jobs(database)
    assert (row["attempts"], row["first_tried_at"], row["is_out_of_order"]) == (0, None, False)
    database.advance_clock(timedelta(minutes=31))
    await work(worker)
    assert log.seen == [0, 0, 0, 1]


async def test_a_try_that_was_none_keeps_count_of_those_before(database: Database) -> None:
    log = Log(Retryable("busy"), NotYet("broken", after=60))
    worker = make_worker(database, say=Outside(log.outside))
    await add(database, 0)
    await work(worker)
    (tried,) = await list_jobs(database)
    database.advance_clock(timedelta(seconds=5))
    await work(worker)
    (row,) = await list_jobs(database)
    assert log.seen == [0, 0]
    assert (row["attempts"], row["first_tried_at"]) == (1, tried["first_tried_at"])


async def test_what_cannot_even_be_tried_is_given_up_once_it_has_waited_seventy_two_hours(
    database: Database,
) -> None:
    log = Log(NotYet("broken"), NotYet("broken"))
    worker = make_worker(database, say=Outside(log.outside, on_dead=log.bury))
    await add(database, 0)
    database.advance_clock(timedelta(hours=71))
    await worker.tick()
    await worker.settle()
    assert log.dead == []
    database.advance_clock(timedelta(hours=1))
    await work(worker)
    assert log.dead == [(0, "broken")]


async def test_a_job_is_given_up_after_seventy_two_hours(database: Database) -> None:
    log = Log(*[Retryable("busy")] * 1_000)
    worker = make_worker(database, say=Outside(log.outside, on_dead=log.bury))
    await add(database, 0)
    await work(worker)
    for _ in range(11):
        database.advance_clock(timedelta(hours=6, minutes=32))
        await work(worker)
    assert await list_dead(database) == []
    database.advance_clock(timedelta(minutes=10))
    await work(worker)
    [letter] = await list_dead(database)
    assert (letter.payload, letter.error, letter.is_out_of_order) == ({"n": 0}, "busy", True)
    assert log.dead == [(0, "busy")]
    assert await list_jobs(database) == []


async def test_a_dead_letter_is_replayed_once(database: Database) -> None:
    log = Log(DeliveryError("the chat is gone"))
    worker = make_worker(database, say=Outside(log.outside))
    await add(database, 0)
    await work(worker)
    [letter] = await list_dead(database)

    def replay(tx: Transaction, *, now: datetime) -> int | None:
        return replay_dead_letter(tx, 1, letter.id)

    assert await database.write(replay, key="a") is not None
    assert await database.write(replay, key="a") is None
    await work(worker)
    assert log.seen == [0, 0]
    assert await list_dead(database) == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DeliveryError("the chat is gone"), "the chat is gone"),
        (Uncertain("the answer was lost"), "the answer was lost"),
        (RuntimeError("who knows"), "RuntimeError"),
    ],
)
async def test_refusal_and_doubt_stop_a_call_that_may_not_be_repeated(
    database: Database, error: Exception, reason: str
) -> None:
    log = Log(error)
    await add(database, 0)
    await work(make_worker(database, say=Outside(log.outside, on_dead=log.bury)))
    assert log.dead == [(0, reason)]
    assert [letter.error for letter in await list_dead(database)] == [reason]


async def test_doubt_is_no_reason_to_stop_where_a_repeat_does_no_harm(database: Database) -> None:
    log = Log(Uncertain("the answer was lost"))
    worker = make_worker(database, say=Outside(log.outside, may_repeat=True))
    await add(database, 0)
    await work(worker)
    database.advance_clock(timedelta(seconds=5))
    await work(worker)
    assert log.seen == [0, 0]
    assert await list_jobs(database) == []


async def test_a_call_asked_to_wait_waits_at_least_so_long(database: Database) -> None:
    log = Log(Retryable("slow down", after=40))
    worker = make_worker(database, say=Outside(log.outside))
    await add(database, 0)
    await work(worker)
    database.advance_clock(timedelta(seconds=39))
    await work(worker)
    assert log.seen == [0]
    database.advance_clock(SECOND * 2)
    await work(worker)
    assert log.seen == [0, 0]


async def test_the_attempt_is_on_disk_before_the_call_and_gone_after_it(database: Database) -> None:
    attempts: list[Any] = []

    async def look(_payload: Mapping[str, Any], _job: Job) -> None:
        attempts.extend(await database.read(lambda tx: tx.rows(ALL_ATTEMPTS)))

    await add(database, 0)
    await work(make_worker(database, say=Outside(look)))
    assert [(row["fence"], row["ended_at"]) for row in attempts] == [(1, None)]
    assert await database.read(lambda tx: tx.rows(ALL_ATTEMPTS)) == []


async def test_a_crash_in_the_middle_of_a_call_is_seen_as_uncertain(database: Database) -> None:
    log = Log()
    await add(database, 0)
    await take(database, outside=("say",))  # and this worker is never heard of again
    database.advance_clock(LEASE)
    await work(make_worker(database, say=Outside(log.outside, on_dead=log.bury)))
    assert log.seen == []
    assert [reason for _, reason in log.dead] == ["The attempt before was begun and never ended."]
    [attempt, _] = await database.read(lambda tx: tx.rows(ALL_ATTEMPTS))
    assert attempt["outcome"] == "uncertain"


async def test_a_crash_in_the_middle_of_a_job_in_the_store_is_just_run_again(database: Database) -> None:
    log = Log()
    await add(database, 0)
    await take(database)
    worker = make_worker(database, say=InStore(log.in_store))
    await work(worker)
    assert log.seen == []
    database.advance_clock(LEASE)
    await work(worker)
    assert log.seen == [0]


async def test_a_stale_worker_can_neither_end_nor_keep_nor_put_back_a_job(database: Database) -> None:
    await add(database, 0)
    [stale] = await take(database)
    database.advance_clock(LEASE)
    [fresh] = await take(database)

    def end(tx: Transaction, job: Job, *, now: datetime) -> None:
        remove_job(tx, job)

    with pytest.raises(StaleLease):
        await database.write(end, stale, key="a")
    with pytest.raises(StaleLease):
        await database.write(renew_lease, stale, LEASE, key="a")
    with pytest.raises(StaleLease):
        await database.write(put_back, stale, database.clock(), "late", key="a")
    await database.write(end, fresh, key="a")
    assert await list_jobs(database) == []


async def test_a_renewed_lease_keeps_others_away(database: Database) -> None:
    await add(database, 0)
    [job] = await take(database)
    database.advance_clock(LEASE - SECOND)
    await database.write(renew_lease, job, LEASE, key="a")
    database.advance_clock(LEASE - SECOND)
    assert await take(database) == []
    database.advance_clock(SECOND * 2)
    assert [job.fence for job in await take(database)] == [2]


async def test_a_call_whose_lease_is_lost_is_ended_and_its_result_refused(database: Database) -> None:
    called, ended, renew = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hang(_payload: Mapping[str, Any], _job: Job) -> None:
        called.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def wait_for_test(_seconds: float) -> None:
        await renew.wait()

    await add(database, 0)
    worker = Worker(database, {"say": Outside(hang)}, pause=wait_for_test)
    await worker.tick()
    await called.wait()
    database.advance_clock(LEASE)
    [taken_over] = await take(database)
    renew.set()
    await worker.settle()
    assert ended.is_set()
    [row] = await list_jobs(database)
    assert row["fence"] == taken_over.fence


async def test_a_timer_becomes_a_job_when_it_is_due_and_not_before(database: Database) -> None:
    log = Log()
    worker = make_worker(database, say=InStore(log.in_store))

    def set_them(tx: Transaction, *, now: datetime) -> None:
        set_timer(tx, 1, "say", "moved", {"n": 1}, now + SECOND)
        set_timer(tx, 1, "say", "moved", {"n": 2}, now + timedelta(hours=24))
        set_timer(tx, 1, "say", "cleared", {"n": 3}, now + timedelta(hours=24))
        clear_timer(tx, 1, "say", "cleared")

    await database.write(set_them, key="a")
    database.advance_clock(timedelta(hours=24) - SECOND)
    await work(worker)
    assert log.seen == []
    database.advance_clock(SECOND * 2)
    await work(worker)
    assert log.seen == [2]


async def test_a_clock_that_jumps_fires_no_more_timers_than_one_tick_may(database: Database) -> None:
    def set_them(tx: Transaction, *, now: datetime) -> None:
        for n in range(5):
            set_timer(tx, 1, "later", str(n), {}, now + SECOND)

    await database.write(set_them, key="a")
    database.advance_clock(timedelta(days=365))
    worker = make_worker(database, WorkerLimits(timers=2))
    assert await worker.tick()
    assert len(await list_jobs(database)) == 2


async def test_no_more_jobs_are_under_way_than_the_limit(database: Database) -> None:
    running, most = 0, 0
    full, go_on = asyncio.Event(), asyncio.Event()

    async def count(_payload: Mapping[str, Any], _job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 4:
            full.set()
        await go_on.wait()
        running -= 1

    for n in range(6):
        await add(database, n, key=str(n))
    worker = make_worker(database, WorkerLimits(at_once=4), say=Outside(count))
    await worker.tick()
    await full.wait()
    assert not await worker.tick()
    go_on.set()
    await worker.settle()
    await work(worker)
    assert most == 4
    assert await list_jobs(database) == []


async def test_outside_jobs_wait_while_they_are_paused(database: Database) -> None:
    log, inside = Log(), Log()
    worker = make_worker(database, say=Outside(log.outside), note=InStore(inside.in_store))

    def pause(tx: Transaction, is_paused: bool, *, now: datetime) -> None:
        pause_outside_jobs(tx, is_paused=is_paused)

    await database.write(pause, True, key="jobs")
    await add(database, 0)
    await add(database, 1, key="b", kind="note")
    await work(worker)
    assert (log.seen, inside.seen) == ([], [1])
    await database.write(pause, False, key="jobs")
    await work(worker)
    assert log.seen == [0]


async def test_a_commit_wakes_the_running_worker_and_stop_lets_it_end(database: Database) -> None:
    done = asyncio.Event()

    async def note(_payload: Mapping[str, Any], _job: Job) -> None:
        done.set()

    limits = WorkerLimits(poll_seconds=600)  # the net is far away: only the wake-up can be in time
    worker = make_worker(database, limits, say=Outside(note))
    running = asyncio.get_running_loop().create_task(worker.run())
    await add(database, 0)
    async with asyncio.timeout(5):
        await done.wait()
        await worker.stop()
        await running
    assert await list_jobs(database) == []


async def test_a_job_of_a_kind_that_nobody_knows_stays_where_it_is(database: Database) -> None:
    await add(database, 0, kind="of-a-newer-release")
    await work(make_worker(database, say=InStore(Log().in_store)))
    assert [row["attempts"] for row in await list_jobs(database)] == [0]


def test_the_delay_doubles_from_five_seconds_to_six_hours_with_full_jitter() -> None:
    assert [plan_delay(n, 1.0).total_seconds() for n in (1, 2, 3, 10)] == [5, 10, 20, 2_560]
    assert plan_delay(1_000, 1.0) == timedelta(hours=6)
    assert plan_delay(5, 0.0) == timedelta(0)


async def test_a_stuck_kind_leaves_room_for_the_others(database: Database) -> None:
    """Of what waits for a platform that does not answer, so many are under way and no more."""
    log = Log()
    is_free = asyncio.Event()

    async def hang(_payload: Mapping[str, Any], _job: Job) -> None:
        await is_free.wait()

    worker = make_worker(
        database, WorkerLimits(at_once=5), stuck=Outside(hang, at_once=2), say=InStore(log.in_store)
    )
    for n in range(6):
        await add(database, n, key=f"stuck-{n}", kind="stuck")
    for n in range(3):
        await add(database, n, key=f"say-{n}")
    await worker.tick()
    await worker.tick()
    leased = [row for row in await list_jobs(database) if row["kind"] == "stuck" and row["lease_until"]]
    assert len(leased) == 2
    is_free.set()
    await worker.settle()
    await work(worker)
    assert sorted(log.seen) == [0, 1, 2]
    assert await list_jobs(database) == []


async def test_an_owner_that_is_stuck_leaves_half_of_what_there_is_to_each_next_one(
    database: Database,
) -> None:
    is_free = asyncio.Event()

    async def hang(_payload: Mapping[str, Any], _job: Job) -> None:
        await is_free.wait()

    worker = make_worker(database, say=Outside(hang, at_once=6))
    leased = []
    for owner in range(4):
        for n in range(6):
            await add(database, n, key=f"{owner}:{n}", kind=share_of("say", owner))
        await worker.tick()
        await worker.tick()
        rows = [row for row in await list_jobs(database) if row["kind"] == share_of("say", owner)]
        leased.append(sum(row["lease_until"] is not None for row in rows))
    assert leased == [3, 2, 1, 0]
    is_free.set()
    await worker.settle()
    await work(worker)
    assert await list_jobs(database) == []


async def test_while_a_share_is_held_its_jobs_stay_as_they_are(database: Database) -> None:
    log, held = Log(), {"1"}
    worker = make_worker(database, say=Outside(log.outside, is_held=lambda owner: owner in held))
    for n, owner in enumerate((1, 1, 2)):
        await add(database, n, key=f"key-{owner}", kind=share_of("say", owner))
    await work(worker)
    assert log.seen == [2]
    assert [row["attempts"] for row in await list_jobs(database)] == [0, 0]
    held.clear()
    await work(worker)
    assert log.seen == [2, 0, 1]


async def test_no_delay_is_longer_than_the_longest_of_its_kind(database: Database) -> None:
    log = Log(*[Uncertain("nobody answers")] * 20)
    worker = make_worker(
        database, say=Outside(log.outside, may_repeat=True, longest_delay=timedelta(seconds=60))
    )
    await add(database, 0)
    await work(worker)
    for tries in range(1, 20):
        assert log.seen == [0] * tries
        database.advance_clock(timedelta(seconds=60))
        await work(worker)


async def test_what_was_promised_is_taken_back_unless_somebody_is_at_it(database: Database) -> None:
    log = Log()
    begun, is_free = asyncio.Event(), asyncio.Event()

    async def hang(payload: Mapping[str, Any], _job: Job) -> None:
        begun.set()
        await is_free.wait()
        log.seen.append(payload["n"])

    worker = make_worker(database, say=Outside(hang))
    for n in range(3):
        await add(database, n)
    await worker.tick()
    await begun.wait()

    def cancel(tx: Transaction, *, now: datetime) -> None:
        for n in (0, 1):
            cancel_job(tx, 1, "a", {"n": n})

    await database.write(cancel, key="a")
    assert [row["payload"] for row in await list_jobs(database)] == ['{"n": 0}', '{"n": 2}']
    is_free.set()
    await worker.settle()
    await work(worker)
    assert log.seen == [0, 2]


async def test_a_wait_for_news_is_cut_short_by_a_stop_and_can_be_taken_at_once(database: Database) -> None:
    begun = asyncio.Event()

    async def wait(_payload: Mapping[str, Any], _job: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    worker = make_worker(database, say=Outside(wait, may_repeat=True, is_wait=True))
    await add(database, 0)
    await worker.tick()
    await begun.wait()
    await worker.stop()
    [job] = await take(database)
    assert job.payload == {"n": 0}


async def test_S_HOOK_06_after_so_many_failures_the_later_ones_go_on(database: Database) -> None:
    log = Log(*[ValueError("always")] * 5)
    worker = make_worker(database, say=InStore(log.in_store, on_dead=log.bury, most_tries=5))
    await add(database, 0)
    await add(database, 1)
    for _ in range(5):
        await work(worker)
        database.advance_clock(timedelta(minutes=2))
    assert log.dead == [(0, "ValueError")]
    assert log.seen == [0, 0, 0, 0, 0, 1]
    assert [letter.payload for letter in await list_dead(database)] == [{"n": 0}]


async def test_what_is_mended_wakes_what_waited_for_it(database: Database) -> None:
    log = Log(Retryable("broken", after=600), Retryable("broken", after=600))
    worker = make_worker(database, say=Outside(log.outside))
    await add(database, 0, key="out:7:1", kind=share_of("say", 7))
    await add(database, 1, key="out:70:1", kind=share_of("say", 70))
    await work(worker)
    assert await database.write(lambda tx, *, now: wake_jobs(tx, 1, share_of("say", 7)), key="jobs") == 1
    await work(worker)
    assert log.seen == [0, 1, 0]
