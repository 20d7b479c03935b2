"""Tokens of integrators: made, shown once, found by their hash, revoked (S-AU-10)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from knopka.db import api_tokens as db
from knopka.db.database import Transaction
from knopka.domain.api_tokens import PREFIX, ApiToken, Scope
from knopka.domain.errors import Conflict, NotFound
from knopka.services.catalog import ACCOUNT
from knopka.services.operators import hash_token, make_token, parse_name

MOST_TOKENS = 100
"""Tokens that may hold at the same time."""
_SHAPE = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, slots=True)
class Made:
    """A new token, and the text of it, which nobody can read again."""

    token: ApiToken
    text: str


def add_token(
    tx: Transaction,
    name: str,
    scopes: Collection[Scope],
    *,
    lifetime: timedelta | None = None,
    now: datetime,
) -> Made:
    """Make a token of 256 random bits; without a lifetime it holds until it is removed."""
    name = parse_name(name)
    if sum(token.holds(now) for token in db.list_tokens(tx, ACCOUNT)) >= MOST_TOKENS:
        raise Conflict(f"There are {MOST_TOKENS} tokens already; remove one that is not needed.")
    text = PREFIX + make_token()
    expires_at = None if lifetime is None else now + lifetime
    token_id = db.insert_token(tx, ACCOUNT, name, hash_token(text), scopes, expires_at=expires_at, now=now)
    return Made(ApiToken(token_id, name, frozenset(scopes), now, expires_at, None, None), text)


def list_tokens(tx: Transaction) -> list[ApiToken]:
    """Every token there ever was, the oldest first."""
    return db.list_tokens(tx, ACCOUNT)


def remove_token(tx: Transaction, token_id: int, *, now: datetime) -> None:
    """Let the token open nothing any more. Raises NotFound."""
    if not db.revoke_token(tx, ACCOUNT, token_id, now):
        raise NotFound(f"There is no token {token_id}; `knopka token list` shows them all.")


def find_token(tx: Transaction, text: str, *, at: datetime) -> ApiToken | None:
    """The token that somebody brings, if it holds.

    It is looked for by the hash of all of it, so how long that takes tells nothing of its text.
    """
    if _SHAPE.fullmatch(text) is None:
        return None
    token = db.find_token(tx, hash_token(text))
    return token if token is not None and token.holds(at) else None


def touch_token(tx: Transaction, token_id: int, *, at: datetime, now: datetime) -> None:
    """Remember that the token was used."""
    db.touch_token(tx, ACCOUNT, token_id, at)
