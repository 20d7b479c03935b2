"""What a use case is handed: statements in, rows out, and what to say after the commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from knopka.db.clock import EPOCH
from knopka.db.statement import DialectName, Prepared, Statement

Row = Mapping[str, Any]
Event = tuple[str, Mapping[str, Any]]


class Cursor(Protocol):
    """The little that both drivers' cursors have in common."""

    @property
    def rowcount(self) -> int: ...
    @property
    def description(self) -> Any: ...
    def execute(self, query: Any, params: Any = ..., /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Transaction:
    """One use case's hold of the store. It may run twice, so it does no other input or output.

    A statement that fails (a constraint, a bad value) fails the use case: on
    PostgreSQL nothing can follow it, so it is not to be caught inside.
    """

    __slots__ = ("_cursor", "_dialect", "adds_jobs", "events", "now")

    def __init__(self, dialect: DialectName, cursor: Cursor) -> None:
        self._dialect = dialect
        self._cursor = cursor
        self.now: datetime = EPOCH
        self.events: list[Event] = []
        self.adds_jobs = False
        """Set by whoever inserts a job that is due: wakes the worker after the commit."""

    def rows(self, statement: Statement, /, **params: Any) -> list[Row]:
        prepared = self._execute(statement, params)
        columns = prepared.columns or tuple(column[0] for column in self._cursor.description)
        found: list[Any] = [dict(zip(columns, values, strict=True)) for values in self._cursor.fetchall()]
        if prepared.booleans and self._dialect == "sqlite":
            _make_booleans(found, prepared.booleans)
        return found

    def row(self, statement: Statement, /, **params: Any) -> Row | None:
        """The first row, or None."""
        found = self.rows(statement, **params)
        return found[0] if found else None

    def run(self, statement: Statement, /, **params: Any) -> int:
        """How many rows the statement touched."""
        self._execute(statement, params)
        return self._cursor.rowcount

    def publish(self, topic: str, event: Mapping[str, Any]) -> None:
        """Say this after the commit; it is dropped if the use case is undone."""
        self.events.append((topic, event))

    def _execute(self, statement: Statement, params: dict[str, Any]) -> Prepared:
        prepared: Prepared | None = getattr(statement, self._dialect)
        if prepared is None:
            prepared, params = statement.prepare(self._dialect, params)
        elif prepared.constants:
            params = {**prepared.constants, **params}
        self._cursor.execute(prepared.text, params)
        return prepared


def _make_booleans(found: Sequence[dict[str, Any]], columns: tuple[str, ...]) -> None:
    for row in found:
        for column in columns:
            if row[column] is not None:
                row[column] = bool(row[column])
