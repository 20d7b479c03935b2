"""SQL of the tokens of integrators."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, insert, or_, select, update

from knopka.db.clock import from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.named import columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import api_tokens
from knopka.domain.api_tokens import ApiToken, Scope

_INSERT = Statement(
    insert(api_tokens)
    .values(columns("account_id", "name", "token_hash", "scopes", "created_at", "expires_at"))
    .returning(api_tokens.c.id)
)
_FIND = Statement(select(api_tokens).where(api_tokens.c.token_hash == bindparam("token_hash")))
_LIST = Statement(
    select(api_tokens).where(api_tokens.c.account_id == bindparam("account_id")).order_by(api_tokens.c.id)
)
_TOUCH = Statement(
    update(api_tokens)
    .where(
        api_tokens.c.account_id == bindparam("account"),
        api_tokens.c.id == bindparam("of_id"),
        or_(api_tokens.c.last_used_at.is_(None), api_tokens.c.last_used_at < bindparam("at")),
    )
    .values(last_used_at=bindparam("at"))
)
_REVOKE = Statement(
    update(api_tokens)
    .where(
        api_tokens.c.account_id == bindparam("account"),
        api_tokens.c.id == bindparam("of_id"),
        api_tokens.c.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("at"))
)


def insert_token(
    tx: Transaction,
    account_id: int,
    name: str,
    token_hash: str,
    scopes: Collection[Scope],
    *,
    expires_at: datetime | None,
    now: datetime,
) -> int:
    row = tx.row(
        _INSERT,
        account_id=account_id,
        name=name,
        token_hash=token_hash,
        scopes=" ".join(sorted(scopes)),
        created_at=to_ms(now),
        expires_at=None if expires_at is None else to_ms(expires_at),
    )
    return int(returned(row)["id"])


def find_token(tx: Transaction, token_hash: str) -> ApiToken | None:
    """The token of this hash, whether it holds or not."""
    row = tx.row(_FIND, token_hash=token_hash)
    return None if row is None else _token(row)


def list_tokens(tx: Transaction, account_id: int) -> list[ApiToken]:
    """Every token there ever was, the oldest first."""
    return [_token(row) for row in tx.rows(_LIST, account_id=account_id)]


def touch_token(tx: Transaction, account_id: int, token_id: int, at: datetime) -> None:
    tx.run(_TOUCH, account=account_id, of_id=token_id, at=to_ms(at))


def revoke_token(tx: Transaction, account_id: int, token_id: int, now: datetime) -> bool:
    """Whether there was such a token that had not been revoked before."""
    return tx.run(_REVOKE, account=account_id, of_id=token_id, at=to_ms(now)) == 1


def _token(row: Row) -> ApiToken:
    known = {scope.value for scope in Scope}
    return ApiToken(
        id=row["id"],
        name=row["name"],
        # A name that this release does not know opens nothing.
        scopes=frozenset(Scope(name) for name in row["scopes"].split() if name in known),
        created_at=from_ms(row["created_at"]),
        expires_at=_moment(row["expires_at"]),
        last_used_at=_moment(row["last_used_at"]),
        revoked_at=_moment(row["revoked_at"]),
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
