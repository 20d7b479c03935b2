"""The statements that run each second, and those of each job, find their rows by an index."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from knopka.db import jobs
from knopka.db.statement import Statement
from knopka.db.tables import jobs as table
from tests.plans import explain, walks_a_table

NOW = 1_700_000_000_000
STATEMENTS: dict[str, tuple[Statement, dict[str, Any]]] = {
    "FIND_DUE": (jobs.FIND_DUE, {"now": NOW, "held_since": NOW, "of_kind": "a", "most": 16}),
    "FIND_DUE_TIMERS": (jobs.FIND_DUE_TIMERS, {"now": NOW, "most": 200}),
    "IS_DUE": (jobs.IS_DUE, {"now": NOW}),
    "LEASE": (jobs.LEASE, {"id": 1, "now": NOW, "until": NOW}),
    "REMOVE": (jobs.REMOVE, {"id": 1, "held_fence": 1}),
    "END_ATTEMPTS": (jobs.END_ATTEMPTS, {"id": 1, "now": NOW, "how": "failed", "reason": None}),
    "PUT_OFF": (jobs.PUT_OFF, {"id": 1, "held_fence": 1, "due": NOW, "reason": "broken"}),
    "CANCEL": (jobs.CANCEL, {"account_id": 1, "key": "a", "payload": "{}"}),
    "WAKE": (jobs.WAKE, {"account": 1, "of_kind": "a", "now": NOW}),
    "LIST_DEAD": (jobs.LIST_DEAD, {"account_id": 1, "before": 10, "most": 50}),
    "CLEAR_TIMER": (jobs.CLEAR_TIMER, {"account_id": 1, "kind": "a", "key": "b"}),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_of_the_jobs_finds_its_rows_by_an_index(store_url: str, name: str) -> None:
    statement, params = STATEMENTS[name]
    plan = explain(store_url, statement, **params)
    assert not walks_a_table(plan), plan


def test_the_kinds_are_found_without_a_look_at_each_job(store_url: str) -> None:
    plan = explain(store_url, jobs.LIST_KINDS)
    assert "jobs_by_kind" in plan, plan
    assert "SCAN jobs" not in plan, plan
    assert "Seq Scan" not in plan, plan


WAITING = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 50000)
    INSERT INTO jobs (account_id, key, kind, payload, created_at, due_at, attempts, fence, is_out_of_order)
    SELECT 1, 'out:1:' || (n % 5000), 'deliver', '{}', 0, n, 0, 0, false FROM numbers
"""


def test_of_many_jobs_that_wait_at_one_platform_the_others_see_none(store_url: str) -> None:
    if store_url.startswith("sqlite:"):
        with closing(sqlite3.connect(store_url.removeprefix("sqlite:///"))) as store, store:
            store.execute(WAITING)
            store.execute("ANALYZE")
    else:
        with psycopg.connect(store_url) as server:
            server.execute(WAITING)
            server.execute("ANALYZE")
    statement, params = STATEMENTS["FIND_DUE"]
    plan = explain(store_url, statement, **{**params, "of_kind": "another"})
    assert "jobs_by_kind" in plan, plan
    assert not walks_a_table(plan), plan


def test_a_walk_is_seen_where_there_is_one(store_url: str) -> None:
    plan = explain(store_url, Statement(select(table).where(table.c.error == "none").order_by(table.c.error)))
    assert walks_a_table(plan), plan
