"""SQL of which files the store of files must keep: page by page, along the rows that name them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Table, bindparam, select
from sqlalchemy.sql.elements import ColumnElement

from knopka.db.database import Transaction
from knopka.db.statement import Statement
from knopka.db.tables import attachments, contacts


def _page(table: Table, name: ColumnElement[str]) -> Statement:
    return Statement(
        select(table.c.id, name.label("file"))
        .where(table.c.account_id == bindparam("account_id"), table.c.id > bindparam("after"))
        .order_by(table.c.id)
        .limit(bindparam("most"))
    )


_OF_MESSAGES = _page(attachments, attachments.c.file)
_OF_CONTACTS = _page(contacts, contacts.c.avatar)


def list_of_messages(tx: Transaction, account_id: int, after: int, most: int) -> Mapping[int, str | None]:
    """The files of attachments by their ids, those behind an id; None where there is no file."""
    return _list(tx, _OF_MESSAGES, account_id, after, most)


def list_of_contacts(tx: Transaction, account_id: int, after: int, most: int) -> Mapping[int, str | None]:
    """The same of contacts' pictures."""
    return _list(tx, _OF_CONTACTS, account_id, after, most)


def _list(
    tx: Transaction, statement: Statement, account_id: int, after: int, most: int
) -> Mapping[int, str | None]:
    rows = tx.rows(statement, account_id=account_id, after=after, most=most)
    return {row["id"]: row["file"] for row in rows}
