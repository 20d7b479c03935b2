"""Jobs and timers: work that is promised in the transaction of its cause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import to_ms
from knopka.db.statement import Statement
from knopka.db.tables import jobs, timers
from knopka.db.transaction import Transaction

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
        payload=json.dumps(payload, ensure_ascii=False),
        created_at=now,
        due_at=now if due_at is None else to_ms(due_at),
    )
    assert row is not None  # noqa: S101  # RETURNING gives the row that was inserted
    tx.adds_jobs = True
    return int(row["id"])


def set_timer(
    tx: Transaction, account_id: int, kind: str, key: str, payload: Mapping[str, Any], due_at: datetime
) -> None:
    """Have a job of this kind and key become due then; a timer that is set already is moved."""
    tx.run(
        SET_TIMER,
        account_id=account_id,
        kind=kind,
        key=key,
        payload=json.dumps(payload, ensure_ascii=False),
        due_at=to_ms(due_at),
    )


def clear_timer(tx: Transaction, account_id: int, kind: str, key: str) -> None:
    """Forget the timer; nothing happens if there is none."""
    tx.run(CLEAR_TIMER, account_id=account_id, kind=kind, key=key)
