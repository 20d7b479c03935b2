"""Jobs and timers: work that is promised in the transaction of its cause."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, exists, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import from_ms, to_ms
from knopka.db.statement import Statement
from knopka.db.tables import counters, dead_letters, job_attempts, jobs, timers
from knopka.db.transaction import Row, Transaction

HOLD = timedelta(minutes=10)
"""How long a failing job holds back the later ones of its key (docs/decisions/0002-our-own-job-table.md)."""
PAUSE = "outside_jobs_paused"


@dataclass(frozen=True, slots=True)
class Job:
    """A job under a lease. The fence number tells this lease from any later one."""

    id: int
    account_id: int
    key: str
    kind: str
    payload: Mapping[str, Any]
    attempts: int
    fence: int
    created_at: datetime
    first_tried_at: datetime
    was_left: bool
    """Whether an earlier attempt was begun and never ended: its worker is gone."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that was given up, with the reason."""

    id: int
    account_id: int
    key: str
    kind: str
    payload: Mapping[str, Any]
    created_at: datetime
    died_at: datetime
    attempts: int
    is_out_of_order: bool
    error: str


class StaleLease(Exception):
    """Somebody else holds the job by now: the result of this attempt counts no more."""


_earlier, _later = jobs.alias("earlier"), jobs.alias("later")
# A job is passed only while it waits for its next try, and only once it has failed for so long.
_is_behind = exists().where(
    _earlier.c.account_id == jobs.c.account_id,
    _earlier.c.key == jobs.c.key,
    _earlier.c.id < jobs.c.id,
    or_(
        _earlier.c.due_at <= bindparam("now"),
        _earlier.c.first_tried_at.is_(None),
        _earlier.c.first_tried_at > bindparam("held_since"),
    ),
)
_is_being_passed = exists().where(
    _later.c.account_id == jobs.c.account_id,
    _later.c.key == jobs.c.key,
    _later.c.id > jobs.c.id,
    _later.c.lease_until > bindparam("now"),
)
_is_free = or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= bindparam("now"))
_is_mine = and_(jobs.c.id == bindparam("id"), jobs.c.fence == bindparam("held_fence"))

# One kind at a time: of whatever waits for its turn at a slow platform nothing is looked at by the others.
FIND_DUE = Statement(
    select(jobs)
    .where(
        jobs.c.due_at <= bindparam("now"),
        _is_free,
        jobs.c.kind == bindparam("of_kind"),
        ~_is_behind,
        or_(jobs.c.first_tried_at.is_(None), ~_is_being_passed),
    )
    .order_by(jobs.c.due_at, jobs.c.id)
    .limit(bindparam("most"))
    .with_for_update(of=jobs, skip_locked=True)
)
# From one kind to the next, however many jobs each has.
_kinds = select(func.min(jobs.c.kind).label("kind")).cte("kinds", recursive=True)
LIST_KINDS = Statement(
    select(
        _kinds.union_all(
            select(select(func.min(jobs.c.kind)).where(jobs.c.kind > _kinds.c.kind).scalar_subquery()).where(
                _kinds.c.kind.is_not(None)
            )
        ).c.kind
    )
)
IS_DUE = Statement(
    select(
        or_(
            exists().where(jobs.c.due_at <= bindparam("now"), _is_free),
            exists().where(timers.c.due_at <= bindparam("now")),
        ).label("is_due")
    )
)
LEASE = Statement(
    update(jobs)
    .where(jobs.c.id == bindparam("id"))
    .values(
        fence=jobs.c.fence + 1,
        attempts=jobs.c.attempts + 1,
        lease_until=bindparam("until"),
        first_tried_at=func.coalesce(jobs.c.first_tried_at, bindparam("now")),
    )
)
RENEW = Statement(update(jobs).where(_is_mine).values(lease_until=bindparam("until")))
REMOVE = Statement(delete(jobs).where(_is_mine).returning(jobs))
PUT_BACK = Statement(
    update(jobs)
    .where(_is_mine)
    .values(
        lease_until=null(),
        due_at=bindparam("due"),
        error=bindparam("reason"),
        is_out_of_order=or_(jobs.c.is_out_of_order, jobs.c.first_tried_at <= bindparam("held_since")),
    )
)
PUT_OFF = Statement(
    update(jobs)
    .where(_is_mine)
    .values(
        lease_until=null(),
        due_at=bindparam("due"),
        error=bindparam("reason"),
        attempts=jobs.c.attempts - 1,
        first_tried_at=case((jobs.c.attempts > 1, jobs.c.first_tried_at), else_=null()),
    )
)
CANCEL = Statement(
    delete(jobs)
    .where(
        jobs.c.account_id == bindparam("account_id"),
        jobs.c.key == bindparam("key"),
        jobs.c.payload == bindparam("payload"),
        jobs.c.lease_until.is_(None),
    )
    .returning(jobs.c.id)
)
BEGIN_ATTEMPT = Statement(
    insert(job_attempts).values(
        account_id=bindparam("account_id"),
        job_id=bindparam("job_id"),
        fence=bindparam("fence"),
        started_at=bindparam("now"),
    )
)
END_ATTEMPTS = Statement(
    update(job_attempts)
    .where(job_attempts.c.job_id == bindparam("id"), job_attempts.c.ended_at.is_(None))
    .values(ended_at=bindparam("now"), outcome=bindparam("how"), error=bindparam("reason"))
)
FORGET_ATTEMPTS = Statement(delete(job_attempts).where(job_attempts.c.job_id == bindparam("id")))
BURY = Statement(
    insert(dead_letters).values({column.name: bindparam(column.name) for column in dead_letters.columns})
)
LIST_DEAD = Statement(
    select(dead_letters)
    .where(dead_letters.c.account_id == bindparam("account_id"), dead_letters.c.id < bindparam("before"))
    .order_by(dead_letters.c.id.desc())
    .limit(bindparam("most"))
)
DIG_UP = Statement(
    delete(dead_letters)
    .where(dead_letters.c.account_id == bindparam("account_id"), dead_letters.c.id == bindparam("id"))
    .returning(dead_letters)
)
FIND_DUE_TIMERS = Statement(
    select(timers)
    .where(timers.c.due_at <= bindparam("now"))
    .order_by(timers.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
SET_PAUSE = Statement(
    insert(counters)
    .values(account_id=0, name=PAUSE, value=bindparam("value"))
    .on_conflict_do_update(index_elements=["account_id", "name"], set_={"value": bindparam("value")})
)
FIND_PAUSE = Statement(select(counters.c.value).where(counters.c.account_id == 0, counters.c.name == PAUSE))
HAS_JOB = Statement(
    select(jobs.c.id)
    .where(jobs.c.account_id == bindparam("account_id"), jobs.c.key == bindparam("key"))
    .limit(1)
)
WAKE = Statement(
    update(jobs)
    .where(
        jobs.c.account_id == bindparam("account"),
        jobs.c.kind == bindparam("of_kind"),
        jobs.c.due_at > bindparam("now"),
        jobs.c.lease_until.is_(None),
    )
    .values(due_at=bindparam("now"))
)
INSERT_JOB = Statement(
    insert(jobs)
    .values(
        account_id=bindparam("account_id"),
        key=bindparam("key"),
        kind=bindparam("kind"),
        payload=bindparam("payload"),
        created_at=bindparam("created_at"),
        due_at=bindparam("due_at"),
        attempts=0,
        fence=0,
        is_out_of_order=False,
    )
    .returning(jobs.c.id)
)
TIMER_KEY = ("account_id", "kind", "key")
SET_TIMER = Statement(
    insert(timers)
    .values({name: bindparam(name) for name in (*TIMER_KEY, "payload", "due_at")})
    .on_conflict_do_update(
        index_elements=list(TIMER_KEY), set_={"payload": bindparam("payload"), "due_at": bindparam("due_at")}
    )
)
START_TIMER = Statement(
    insert(timers)
    .values({name: bindparam(name) for name in (*TIMER_KEY, "payload", "due_at")})
    .on_conflict_do_nothing(index_elements=list(TIMER_KEY))
)
CLEAR_TIMER = Statement(
    delete(timers).where(
        timers.c.account_id == bindparam("account_id"),
        timers.c.kind == bindparam("kind"),
        timers.c.key == bindparam("key"),
    )
)


def insert_job(
    tx: Transaction,
    account_id: int,
    key: str,
    kind: str,
    payload: Mapping[str, Any],
    *,
    due_at: datetime | None = None,
) -> int:
    """Promise a piece of work, done once this transaction is committed. Due jobs of one key run in order."""
    now = to_ms(tx.now)
    row = tx.row(
        INSERT_JOB,
        account_id=account_id,
        key=key,
        kind=kind,
        payload=_encode(payload),
        created_at=now,
        due_at=now if due_at is None else to_ms(due_at),
    )
    assert row is not None  # noqa: S101  # RETURNING gives the row that was inserted
    tx.adds_jobs = True
    return int(row["id"])


def has_job(tx: Transaction, account_id: int, key: str) -> bool:
    """Whether any job of this key is waiting or under way."""
    return tx.row(HAS_JOB, account_id=account_id, key=key) is not None


def cancel_job(tx: Transaction, account_id: int, key: str, payload: Mapping[str, Any]) -> None:
    """Take back what was promised with this payload, unless somebody is at it."""
    for row in tx.rows(CANCEL, account_id=account_id, key=key, payload=_encode(payload)):
        tx.run(FORGET_ATTEMPTS, id=row["id"])


def wake_jobs(tx: Transaction, account_id: int, kind: str) -> int:
    """Have every job of the kind be due now: what kept them waiting is mended."""
    woken = tx.run(WAKE, account=account_id, of_kind=kind, now=to_ms(tx.now))
    tx.adds_jobs = tx.adds_jobs or woken > 0
    return woken


def set_timer(
    tx: Transaction, account_id: int, kind: str, key: str, payload: Mapping[str, Any], due_at: datetime
) -> None:
    """Have a job of this kind and key become due then; a timer that is set already is moved."""
    tx.run(SET_TIMER, **_timer(account_id, kind, key, payload, due_at))


def start_timer(
    tx: Transaction, account_id: int, kind: str, key: str, payload: Mapping[str, Any], due_at: datetime
) -> None:
    """The same, but a timer that is set already stays as it is."""
    tx.run(START_TIMER, **_timer(account_id, kind, key, payload, due_at))


def _timer(
    account_id: int, kind: str, key: str, payload: Mapping[str, Any], due_at: datetime
) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "kind": kind,
        "key": key,
        "payload": _encode(payload),
        "due_at": to_ms(due_at),
    }


def _encode(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, ensure_ascii=False)


def clear_timer(tx: Transaction, account_id: int, kind: str, key: str) -> None:
    """Forget the timer; nothing happens if there is none."""
    tx.run(CLEAR_TIMER, account_id=account_id, kind=kind, key=key)


def is_anything_due(tx: Transaction) -> bool:
    """Whether it is worth looking closer; cheap enough to be asked each second."""
    row = tx.row(IS_DUE, now=to_ms(tx.now))
    return row is not None and bool(row["is_due"])


def fire_timers(tx: Transaction, most: int, *, now: datetime) -> int:
    """Make jobs of the timers that are due, the longest due first."""
    due = tx.rows(FIND_DUE_TIMERS, now=to_ms(now), most=most)
    for timer in due:
        insert_job(tx, timer["account_id"], timer["key"], timer["kind"], json.loads(timer["payload"]))
        clear_timer(tx, timer["account_id"], timer["kind"], timer["key"])
    return len(due)


def list_kinds(tx: Transaction) -> list[str]:
    """The kinds that any job is of."""
    return [row["kind"] for row in tx.rows(LIST_KINDS) if row["kind"] is not None]


def take_jobs(
    tx: Transaction,
    kind: str,
    outside: Sequence[str],
    most: int,
    lease: timedelta,
    *,
    now: datetime,
) -> list[Job]:
    """Lease jobs of the kind that are due and whose turn it is, at most one of each key.

    For the kinds that call something outside, the attempt is written down before
    it is made: a crash in the middle is then seen, never taken for "not tried".
    """
    ms = to_ms(now)
    held_since = to_ms(now - HOLD)
    if most <= 0:
        return []
    due = tx.rows(FIND_DUE, now=ms, held_since=held_since, of_kind=kind, most=most)
    return [_lease(tx, row, row["kind"] in outside, ms, to_ms(now + lease)) for row in due]


def _lease(tx: Transaction, row: Row, is_outside: bool, ms: int, until: int) -> Job:
    was_left = tx.run(END_ATTEMPTS, id=row["id"], now=ms, how="uncertain", reason=None) > 0
    tx.run(LEASE, id=row["id"], now=ms, until=until)
    fence = row["fence"] + 1
    if is_outside:
        tx.run(BEGIN_ATTEMPT, account_id=row["account_id"], job_id=row["id"], fence=fence, now=ms)
    return Job(
        id=row["id"],
        account_id=row["account_id"],
        key=row["key"],
        kind=row["kind"],
        payload=json.loads(row["payload"]),
        attempts=row["attempts"] + 1,
        fence=fence,
        created_at=from_ms(row["created_at"]),
        first_tried_at=from_ms(ms if row["first_tried_at"] is None else row["first_tried_at"]),
        was_left=was_left,
    )


def renew_lease(tx: Transaction, job: Job, lease: timedelta, *, now: datetime) -> None:
    """Hold the job longer; StaleLease if it is held by somebody else."""
    if not tx.run(RENEW, id=job.id, held_fence=job.fence, until=to_ms(now + lease)):
        raise StaleLease(job.id)


def remove_job(tx: Transaction, job: Job) -> None:
    """The job is done; StaleLease if that is not ours to say."""
    _take_out(tx, job)
    tx.run(FORGET_ATTEMPTS, id=job.id)


def put_back(tx: Transaction, job: Job, due_at: datetime, reason: str, *, now: datetime) -> None:
    """Try again then. A job that has failed for ten minutes lets the later ones of its key pass."""
    touched = tx.run(
        PUT_BACK,
        id=job.id,
        held_fence=job.fence,
        due=to_ms(due_at),
        reason=reason,
        held_since=to_ms(now - HOLD),
    )
    if not touched:
        raise StaleLease(job.id)
    tx.run(END_ATTEMPTS, id=job.id, now=to_ms(now), how="failed", reason=reason)


def put_off(tx: Transaction, job: Job, due_at: datetime, reason: str, *, now: datetime) -> None:
    """Look again then. Nothing was tried, so the job is as it was before it was taken."""
    if not tx.run(PUT_OFF, id=job.id, held_fence=job.fence, due=to_ms(due_at), reason=reason):
        raise StaleLease(job.id)
    tx.run(END_ATTEMPTS, id=job.id, now=to_ms(now), how="failed", reason=reason)


def bury_job(tx: Transaction, job: Job, how: str, reason: str, *, now: datetime) -> None:
    """Give the job up, in sight of the operators."""
    row = _take_out(tx, job)
    tx.run(END_ATTEMPTS, id=job.id, now=to_ms(now), how=how, reason=reason)
    kept = {
        name: row[name] for name in ("id", "account_id", "key", "kind", "payload", "created_at", "attempts")
    }
    is_late = bool(row["is_out_of_order"]) or row["first_tried_at"] <= to_ms(now - HOLD)
    tx.run(BURY, **kept, is_out_of_order=is_late, error=reason, died_at=to_ms(now))


def _take_out(tx: Transaction, job: Job) -> Row:
    row = tx.row(REMOVE, id=job.id, held_fence=job.fence)
    if row is None:
        raise StaleLease(job.id)
    return row


def list_dead_letters(
    tx: Transaction, account_id: int, *, before: int | None = None, limit: int = 50
) -> list[DeadLetter]:
    """The newest jobs first that were given up."""
    rows = tx.rows(LIST_DEAD, account_id=account_id, before=2**62 if before is None else before, most=limit)
    return [
        DeadLetter(
            id=row["id"],
            account_id=row["account_id"],
            key=row["key"],
            kind=row["kind"],
            payload=json.loads(row["payload"]),
            created_at=from_ms(row["created_at"]),
            died_at=from_ms(row["died_at"]),
            attempts=row["attempts"],
            is_out_of_order=bool(row["is_out_of_order"]),
            error=row["error"],
        )
        for row in rows
    ]


def replay_dead_letter(tx: Transaction, account_id: int, letter_id: int) -> int | None:
    """Make a job of it again: once, for the letter is gone with it. None if there is no such letter."""
    row = tx.row(DIG_UP, account_id=account_id, id=letter_id)
    if row is None:
        return None
    tx.run(FORGET_ATTEMPTS, id=letter_id)
    return insert_job(tx, account_id, row["key"], row["kind"], json.loads(row["payload"]))


def pause_outside_jobs(tx: Transaction, *, is_paused: bool) -> None:
    """Hold back every job that calls something outside: a restored backup may hold what was sent already."""
    tx.run(SET_PAUSE, value=int(is_paused))


def are_outside_jobs_paused(tx: Transaction) -> bool:
    row = tx.row(FIND_PAUSE)
    return row is not None and row["value"] == 1
