"""What services that a bot calls can check: the token of a call, and the id that continues a run."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

LIFETIME = timedelta(minutes=30)
"""How long the token of a call is good."""

_CONTINUE = re.compile(r"([1-9][0-9]{0,17})-([1-9][0-9]{0,8})-([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Card:
    """Whose card a call is about, by the names of API v4: lead or contact."""

    entity_type: str
    entity_id: int


class Signer:
    """Signs with secrets of one account, each made of the server's key for one purpose alone."""

    def __init__(self, key: bytes, account_id: int, base_url: str) -> None:
        self._key = hmac.digest(key, f"knopka salesbot {account_id}".encode(), hashlib.sha256)
        self._account_id = account_id
        self._base_url = base_url

    @property
    def widget_secret(self) -> str:
        """What the owner gives to the services that are called, so that they can check the token."""
        return hmac.digest(self._key, b"widget", hashlib.sha512).hex()

    def make_token(self, card: Card | None, audience: str, *, now: datetime) -> str:
        """The JWT of a call (HS512; RFC 7515 and 7519), as amoCRM's widget_request sends it."""
        issued = int(now.timestamp())
        claims: dict[str, Any] = {
            "iss": self._base_url,
            "aud": audience,
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "account_id": self._account_id,
            "subdomain": (urlsplit(self._base_url).hostname or "").partition(".")[0],
        }
        if card is not None:
            claims |= {"entity_type": card.entity_type, "entity_id": card.entity_id}
        signed = f"{_encode({'alg': 'HS512', 'typ': 'JWT'})}.{_encode(claims)}"
        return f"{signed}.{_write(hmac.digest(self.widget_secret.encode(), signed.encode(), hashlib.sha512))}"

    def return_url(self, bot_id: int, run_id: int, wait: int) -> str:
        """Where the called service continues the run."""
        return f"{self._base_url}/api/v4/salesbot/{bot_id}/continue/{self.continue_id(run_id, wait)}"

    def continue_id(self, run_id: int, wait: int) -> str:
        """Names one wait of one run; nobody else can make it."""
        return f"{run_id}-{wait}-{self._mark(run_id, wait)}"

    def read_continue_id(self, text: str) -> tuple[int, int] | None:
        """The run and its wait; None for what was not made here."""
        found = _CONTINUE.fullmatch(text)
        if found is None:
            return None
        run_id, wait = int(found[1]), int(found[2])
        return (run_id, wait) if hmac.compare_digest(found[3], self._mark(run_id, wait)) else None

    def _mark(self, run_id: int, wait: int) -> str:
        return _write(hmac.digest(self._key, f"continue {run_id} {wait}".encode(), hashlib.sha256))


def _encode(part: Mapping[str, Any]) -> str:
    return _write(msgspec.json.encode(part))


def _write(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
