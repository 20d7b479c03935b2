"""Operators: who they are, how they sign in and out, and the first one of a new installation."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from knopka.db import operators as db
from knopka.db.clock import from_ms
from knopka.db.database import Row, Transaction
from knopka.domain.conversation import Operator
from knopka.domain.errors import Conflict, Fault, InvalidInput, NotAllowed
from knopka.domain.text import clean_name, excerpt

ACCOUNT = 1
IDLE = timedelta(hours=12)
LIFETIME = timedelta(days=14)
"""A sign-in ends after 12 hours without a request, and after 14 days in any case (S-AU-05)."""
SEEN_STEP = timedelta(minutes=1)
"""How exactly the last request is remembered, so that reading costs no write."""
CODE_LIFETIME = timedelta(hours=72)
MAX_LOGIN = 100
MAX_NAME = 100
_LOGIN = re.compile(r"[\w.@+-]{1,100}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a password is compared with."""

    operator_id: int
    password_hash: str


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in that holds."""

    token_hash: str
    operator: Operator
    seen_at: datetime

    def is_to_be_touched(self, now: datetime) -> bool:
        return now - self.seen_at >= SEEN_STEP


def normal_login(text: str) -> str:
    """A login as it is looked up: what differs in case or in the way it is typed is the same."""
    return clean_name(text[: MAX_LOGIN * 4]).casefold()[:MAX_LOGIN]


def parse_login(text: str) -> str:
    """A login as it is stored: lower case, letters, digits and . @ + - _."""
    login = clean_name(text[: MAX_LOGIN * 4]).casefold()
    if _LOGIN.fullmatch(login) is None:
        message = f"A login has 1 to {MAX_LOGIN} letters, digits and . @ + - _; {excerpt(text)!r} is none."
        raise InvalidInput(Fault("login", "bad_login", message))
    return login


def parse_name(text: str) -> str:
    name = clean_name(text)
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidInput(Fault("name", "bad_name", f"A name has 1 to {MAX_NAME} characters."))
    return name


def make_token() -> str:
    """256 random bits: the value of a sign-in's cookie."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """All that is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_operator(tx: Transaction, login: str, name: str, password_hash: str, *, now: datetime) -> Operator:
    """Add an operator, or raise Conflict when the login is taken."""
    operator = db.insert_operator(tx, ACCOUNT, parse_login(login), parse_name(name), password_hash, now)
    if operator is None:
        raise Conflict(f"The login {login!r} is taken.")
    return operator


def has_operators(tx: Transaction) -> bool:
    return db.count_enabled(tx) > 0


def find_credentials(tx: Transaction, login: str) -> Credentials | None:
    """What to compare a password with; None for nobody and for who may not sign in, without a difference."""
    row = db.find_by_login(tx, login)
    if row is None or not row["is_enabled"]:
        return None
    return Credentials(row["id"], row["password_hash"])


def sign_in(
    tx: Transaction,
    operator_id: int,
    token_hash: str,
    *,
    replaces: str | None,
    new_password_hash: str | None,
    agent: str,
    address: str,
    at: datetime,
    now: datetime,
) -> None:
    """Begin a sign-in; the one that the browser had before ends, and so do the operator's expired ones."""
    if replaces is not None:
        db.delete_login(tx, replaces)
    if new_password_hash is not None:
        db.update_password_hash(tx, operator_id, new_password_hash)
    db.delete_expired_logins(tx, operator_id, created_after=at - LIFETIME, seen_after=at - IDLE)
    owner = {"account_id": ACCOUNT, "operator_id": operator_id}
    db.insert_login(tx, token_hash=token_hash, agent=clean_name(agent)[:200], address=address, at=at, **owner)


def sign_out(tx: Transaction, token_hash: str, *, now: datetime) -> None:
    db.delete_login(tx, token_hash)


def list_sessions(tx: Transaction, token_hashes: Sequence[str], *, at: datetime) -> list[Session]:
    """Those of these sign-ins that hold at this moment."""
    rows = db.list_logins(tx, token_hashes, created_after=at - LIFETIME, seen_after=at - IDLE)
    return [_session(row) for row in rows]


def find_session(tx: Transaction, token_hash: str, *, at: datetime) -> Session | None:
    return next(iter(list_sessions(tx, [token_hash], at=at)), None)


def touch_session(tx: Transaction, token_hash: str, *, at: datetime, now: datetime) -> None:
    """Remember that the operator was here."""
    db.touch_login(tx, token_hash, at)


def make_setup_code(tx: Transaction, *, now: datetime) -> str | None:
    """A one-time code for the first operator, to be printed to the console; None when there is one.

    It is good for 72 hours, for one use, and until the next is made (S-AU-11).
    """
    if has_operators(tx):
        return None
    letters = base64.b32encode(secrets.token_bytes(20)).decode()
    db.replace_setup_code(tx, ACCOUNT, hash_token(letters), now)
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def check_setup_code(tx: Transaction, code: str, *, at: datetime) -> None:
    """Raise NotAllowed unless the code would be taken now."""
    is_good = db.has_setup_code(tx, _hash_code(code), created_after=at - CODE_LIFETIME)
    if not is_good or has_operators(tx):
        raise NotAllowed("This code is not valid.")


def set_up(
    tx: Transaction, code: str, login: str, name: str, password_hash: str, *, now: datetime
) -> Operator:
    """Make the first operator of an installation for who brings its code, or raise NotAllowed."""
    is_good = db.use_setup_code(tx, _hash_code(code), created_after=now - CODE_LIFETIME, now=now)
    if not is_good or has_operators(tx):
        raise NotAllowed("This code is not valid.")
    return add_operator(tx, login, name, password_hash, now=now)


def _hash_code(code: str) -> str:
    """The code's hash; the dashes and the case in which it is typed do not count."""
    return hash_token(re.sub(r"[^A-Z2-7]", "", code.upper()))


def _session(row: Row) -> Session:
    return Session(row["token_hash"], db.to_operator(row), from_ms(row["seen_at"]))
