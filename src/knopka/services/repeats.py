"""Idempotency keys of what operators do: the first answer is kept, another body is a conflict."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from knopka.db import crm as db
from knopka.db.database import Transaction
from knopka.domain.errors import Conflict


def hash_body(*body: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()


def is_first(tx: Transaction, account_id: int, scope: str, key: str, *body: Any, now: datetime) -> bool:
    """Whether the key comes for the first time within its scope.

    The same key with another body raises Conflict: two requests cannot be one.
    """
    body_hash = hash_body(*body)
    if db.claim_key(tx, account_id, scope, key, body_hash, now):
        return True
    known = db.find_answer(tx, account_id, scope, key)
    refuse_other(None if known is None else known["body_hash"], body_hash)
    return False


def refuse_other(known_hash: str | None, body_hash: str) -> None:
    """Raise Conflict unless what was accepted under this key is the same."""
    if known_hash != body_hash:
        raise Conflict("This key was used for another request.")
