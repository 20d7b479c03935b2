"""SQLAlchemy Core statements, compiled once for each store and run through the bare driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Boolean, ClauseElement, Executable, Insert, Update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import Compiled, SQLCompiler

DialectName = Literal["sqlite", "postgresql"]

DIALECTS: Mapping[DialectName, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": postgresql.psycopg.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
}


class Prepared:
    """A statement's text for one store, and what turns its tuples into rows.

    `constants` are the values that stand in the statement itself; `booleans`
    are the columns that SQLite gives back as 0 and 1.
    """

    __slots__ = ("booleans", "columns", "constants", "text")

    def __init__(
        self, text: str, constants: dict[str, Any], columns: tuple[str, ...], booleans: tuple[str, ...]
    ) -> None:
        self.text = text
        self.constants = constants
        self.columns = columns
        self.booleans = booleans


class Statement:
    """A statement that is written once, in SQLAlchemy Core, and compiled once for each store.

    An INSERT or UPDATE without `values(…)` takes its columns from the names it
    is called with; `bindparam(…, expanding=True)` takes a list. A computed
    column wants a `label(…)`, which is its name in the row.
    """

    __slots__ = ("_executable", "_expansions", "_listed", "_shapes", "_takes_columns", "postgresql", "sqlite")

    def __init__(self, executable: Executable) -> None:
        if not isinstance(executable, ClauseElement):
            raise TypeError(f"not a statement: {executable!r}")
        self._executable = executable
        self._takes_columns = _takes_columns_from_call(executable)
        self._listed: dict[str, Any] | None = None
        self._shapes: dict[tuple[object, ...], Prepared] = {}
        self._expansions: dict[tuple[object, ...], Mapping[str, list[str]]] = {}
        self.sqlite: Prepared | None = None
        self.postgresql: Prepared | None = None
        """Filled at first use, and only for a statement whose text is always the same."""

    def prepare(self, dialect: DialectName, params: dict[str, Any]) -> tuple[Prepared, dict[str, Any]]:
        """The text for this store and the parameters to send with it."""
        if self._takes_columns:
            return self._prepare_columns(dialect, params)
        prepared: Prepared | None = getattr(self, dialect)
        if prepared is None and self._listed is None:
            compiled = _compile(self._executable, dialect)
            self._listed = _find_lists(compiled)
            if self._listed is None:
                prepared = _prepared(self._executable, compiled)
                setattr(self, dialect, prepared)
        if prepared is None:
            return self._prepare_lists(dialect, {**(self._listed or {}), **params})
        return prepared, {**prepared.constants, **params} if prepared.constants else params

    def _prepare_columns(
        self, dialect: DialectName, params: dict[str, Any]
    ) -> tuple[Prepared, dict[str, Any]]:
        shape = (dialect, *params)
        prepared = self._shapes.get(shape)
        if prepared is None:
            compiled = _compile(self._executable, dialect, column_keys=list(params))
            prepared = self._shapes[shape] = _prepared(self._executable, compiled)
        return prepared, {**prepared.constants, **params}

    def _prepare_lists(self, dialect: DialectName, params: dict[str, Any]) -> tuple[Prepared, dict[str, Any]]:
        lengths = (
            (name, len(values)) for name, values in params.items() if isinstance(values, (list, tuple))
        )
        shape = (dialect, *lengths)
        prepared = self._shapes.get(shape)
        if prepared is None:
            compiled = _compile(self._executable, dialect)
            state = compiled.construct_expanded_state(params)
            prepared = self._shapes[shape] = _prepared(self._executable, compiled, state.statement)
            self._expansions[shape] = state.parameter_expansion
        flat = {**prepared.constants, **params}
        for name, expanded in self._expansions[shape].items():
            flat.update(zip(expanded, flat.pop(name), strict=True))
        return prepared, flat


def _takes_columns_from_call(executable: ClauseElement) -> bool:
    """SQLAlchemy has no public question for "were values given?"."""
    if not isinstance(executable, (Insert, Update)):
        return False
    names = ("_values", "_multi_values", "select")
    return not any(getattr(executable, name, None) for name in names)


def _find_lists(compiled: SQLCompiler) -> dict[str, Any] | None:
    """The values of the lists that stand in the statement, or None if it knows no list at all."""
    lists = [bind for bind in compiled.bind_names if bind.expanding]
    if not lists:
        return None
    return {compiled.bind_names[bind]: bind.effective_value for bind in lists if not bind.required}


def _compile(
    executable: ClauseElement, dialect: DialectName, column_keys: list[str] | None = None
) -> SQLCompiler:
    return _narrow(executable.compile(dialect=DIALECTS[dialect], column_keys=column_keys))


def _narrow(compiled: Compiled) -> SQLCompiler:
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"not a statement: {compiled}")
    return compiled


def _prepared(executable: ClauseElement, compiled: SQLCompiler, text: str | None = None) -> Prepared:
    returned = getattr(executable, "exported_columns", None)  # a bare text() has none
    columns = {} if returned is None else dict(returned.items())
    return Prepared(
        text=text or compiled.string,
        constants={
            name: bind.effective_value
            for bind, name in compiled.bind_names.items()
            if not bind.required and not bind.expanding
        },
        columns=tuple(columns),
        booleans=tuple(name for name, column in columns.items() if isinstance(column.type, Boolean)),
    )
