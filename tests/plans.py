"""The planner's own word on a statement: which tables it walks whole, which indexes it uses."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg

from knopka.db.statement import Statement


def explain(url: str, statement: Statement, **params: Any) -> str:
    """The plan that the store chooses for this statement, as text.

    PostgreSQL is told that walking a table is dear: with the few rows of a test
    it would walk, and the question is whether it has another way at all.
    """
    if url.startswith("sqlite:"):
        prepared, values = statement.prepare("sqlite", params)
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            rows = connection.execute(f"EXPLAIN QUERY PLAN {prepared.text}", values).fetchall()
        return "\n".join(row[3] for row in rows)
    prepared, values = statement.prepare("postgresql", params)
    with psycopg.connect(url) as server:
        server.execute("SET enable_seqscan = off; SET enable_sort = off")
        lines = server.execute(f"EXPLAIN {prepared.text}".encode(), values).fetchall()
    return "\n".join(line[0] for line in lines)


def walks_a_table(plan: str) -> bool:
    """Whether some table is read from its first row to its last, or sorted whole."""
    return any(_is_walk(line.strip().lstrip("-> ")) for line in plan.splitlines())


def _is_walk(step: str) -> bool:
    if step.startswith("SCAN "):
        return "INDEX" not in step and "CONSTANT ROW" not in step
    return step.startswith(("Seq Scan", "Sort ", "USE TEMP B-TREE FOR ORDER BY"))
