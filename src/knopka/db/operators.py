"""SQL of the operators, their sign-ins and the first start's one-time code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import to_ms
from knopka.db.database import Row, Transaction
from knopka.db.statement import Statement
from knopka.db.tables import logins, operators, setup_codes
from knopka.domain.conversation import Operator, OperatorId

_FIND_BY_LOGIN = Statement(select(operators).where(operators.c.login == bindparam("login")))
_GET = Statement(
    select(operators).where(
        operators.c.account_id == bindparam("account_id"), operators.c.id == bindparam("operator_id")
    )
)
_ENABLED = Statement(
    select(operators)
    .where(operators.c.account_id == bindparam("account_id"), operators.c.is_enabled.is_(True))
    .order_by(operators.c.id)
)
_COUNT = Statement(
    select(func.count().label("operators")).select_from(operators).where(operators.c.is_enabled.is_(True))
)
_INSERT = Statement(
    insert(operators)
    .values(
        account_id=bindparam("account_id"),
        login=bindparam("login"),
        name=bindparam("name"),
        password_hash=bindparam("password_hash"),
        is_enabled=True,
        created_at=bindparam("created_at"),
    )
    .on_conflict_do_nothing(index_elements=["login"])
    .returning(operators.c.id)
)
_UPDATE_PASSWORD = Statement(
    update(operators)
    .where(operators.c.id == bindparam("operator_id"))
    .values(password_hash=bindparam("new_hash"))
)
_INSERT_LOGIN = Statement(
    insert(logins).values(
        token_hash=bindparam("token_hash"),
        account_id=bindparam("account_id"),
        operator_id=bindparam("operator_id"),
        created_at=bindparam("at"),
        seen_at=bindparam("at"),
        agent=bindparam("agent"),
        address=bindparam("address"),
    )
)
_LOGIN_COLUMNS = (
    logins.c.token_hash,
    logins.c.created_at,
    logins.c.seen_at,
    operators.c.id,
    operators.c.login,
    operators.c.name,
    operators.c.is_enabled,
)
_FIND_LOGINS = Statement(
    select(*_LOGIN_COLUMNS)
    .join(operators, operators.c.id == logins.c.operator_id)
    .where(
        logins.c.token_hash.in_(bindparam("token_hashes", expanding=True)),
        logins.c.created_at > bindparam("created_after"),
        logins.c.seen_at > bindparam("seen_after"),
        operators.c.is_enabled.is_(True),
    )
)
_TOUCH_LOGIN = Statement(
    update(logins)
    .where(logins.c.token_hash == bindparam("hash"), logins.c.seen_at < bindparam("at"))
    .values(seen_at=bindparam("at"))
)
_DELETE_LOGIN = Statement(delete(logins).where(logins.c.token_hash == bindparam("token_hash")))
_DELETE_EXPIRED = Statement(
    delete(logins).where(
        logins.c.operator_id == bindparam("operator_id"),
        (logins.c.created_at <= bindparam("created_after")) | (logins.c.seen_at <= bindparam("seen_after")),
    )
)
_INSERT_CODE = Statement(
    insert(setup_codes).values(
        code_hash=bindparam("code_hash"), account_id=bindparam("account_id"), created_at=bindparam("at")
    )
)
_DELETE_CODES = Statement(delete(setup_codes).where(setup_codes.c.account_id == bindparam("account_id")))
_FIND_CODE = Statement(
    select(setup_codes.c.created_at).where(
        setup_codes.c.code_hash == bindparam("code_hash"),
        setup_codes.c.used_at.is_(None),
        setup_codes.c.created_at > bindparam("created_after"),
    )
)
_USE_CODE = Statement(
    update(setup_codes)
    .where(
        setup_codes.c.code_hash == bindparam("hash"),
        setup_codes.c.used_at.is_(None),
        setup_codes.c.created_at > bindparam("created_after"),
    )
    .values(used_at=bindparam("at"))
)


def find_by_login(tx: Transaction, login: str) -> Row | None:
    """The operator's row with the password's hash, for the sign-in alone."""
    return tx.row(_FIND_BY_LOGIN, login=login)


def find_operator(tx: Transaction, account_id: int, operator_id: int) -> Operator | None:
    row = tx.row(_GET, account_id=account_id, operator_id=operator_id)
    return None if row is None else to_operator(row)


def list_enabled(tx: Transaction, account_id: int) -> list[Operator]:
    """The operators who may work, the oldest first."""
    return [to_operator(row) for row in tx.rows(_ENABLED, account_id=account_id)]


def count_enabled(tx: Transaction) -> int:
    row = tx.row(_COUNT)
    return int(row["operators"]) if row else 0


def insert_operator(
    tx: Transaction, account_id: int, login: str, name: str, password_hash: str, now: datetime
) -> Operator | None:
    """The new operator, or None when the login is taken."""
    row = tx.row(
        _INSERT,
        account_id=account_id,
        login=login,
        name=name,
        password_hash=password_hash,
        created_at=to_ms(now),
    )
    return None if row is None else Operator(OperatorId(row["id"]), login, name)


def update_password_hash(tx: Transaction, operator_id: int, password_hash: str) -> None:
    tx.run(_UPDATE_PASSWORD, operator_id=operator_id, new_hash=password_hash)


def insert_login(
    tx: Transaction, *, token_hash: str, agent: str, address: str, at: datetime, **owner: Any
) -> None:
    """Keep a sign-in; `owner` is its account_id and operator_id."""
    tx.run(_INSERT_LOGIN, token_hash=token_hash, agent=agent, address=address, at=to_ms(at), **owner)


def list_logins(
    tx: Transaction, token_hashes: Sequence[str], *, created_after: datetime, seen_after: datetime
) -> list[Row]:
    """Those of these sign-ins that still hold: in time, and of an operator who may work."""
    return tx.rows(
        _FIND_LOGINS,
        token_hashes=list(token_hashes),
        created_after=to_ms(created_after),
        seen_after=to_ms(seen_after),
    )


def touch_login(tx: Transaction, token_hash: str, at: datetime) -> None:
    tx.run(_TOUCH_LOGIN, hash=token_hash, at=to_ms(at))


def delete_login(tx: Transaction, token_hash: str) -> int:
    return tx.run(_DELETE_LOGIN, token_hash=token_hash)


def delete_expired_logins(
    tx: Transaction, operator_id: int, *, created_after: datetime, seen_after: datetime
) -> None:
    tx.run(
        _DELETE_EXPIRED,
        operator_id=operator_id,
        created_after=to_ms(created_after),
        seen_after=to_ms(seen_after),
    )


def replace_setup_code(tx: Transaction, account_id: int, code_hash: str, now: datetime) -> None:
    """Keep this code and no other."""
    tx.run(_DELETE_CODES, account_id=account_id)
    tx.run(_INSERT_CODE, account_id=account_id, code_hash=code_hash, at=to_ms(now))


def has_setup_code(tx: Transaction, code_hash: str, *, created_after: datetime) -> bool:
    return tx.row(_FIND_CODE, code_hash=code_hash, created_after=to_ms(created_after)) is not None


def use_setup_code(tx: Transaction, code_hash: str, *, created_after: datetime, now: datetime) -> bool:
    """Whether the code was good; it is not from now on."""
    used = tx.run(_USE_CODE, hash=code_hash, created_after=to_ms(created_after), at=to_ms(now))
    return used == 1


def to_operator(row: Row) -> Operator:
    return Operator(OperatorId(row["id"]), row["login"], row["name"], bool(row["is_enabled"]))
