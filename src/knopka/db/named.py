"""Small words of our SQL: parameters named as the columns they fill, and the row that must come back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, bindparam

from knopka.db.transaction import Row


def columns(*names: str) -> dict[str, BindParameter[Any]]:
    """For an INSERT: each column takes the parameter of its own name."""
    return {name: bindparam(name) for name in names}


def changes(*names: str) -> dict[str, BindParameter[Any]]:
    """For an UPDATE: the column `price` takes the parameter `new_price`.

    SQLAlchemy keeps the bare names for itself there.
    """
    return {name: bindparam(f"new_{name}") for name in names}


def returned(row: Row | None) -> Row:
    """The row of a statement that always gives one, such as INSERT … ON CONFLICT DO UPDATE … RETURNING."""
    if row is None:
        raise RuntimeError("a statement that always gives a row gave none")
    return row
