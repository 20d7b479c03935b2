"""Who calls the API in the name of an integration, and what it may do there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

PREFIX = "knp_"
"""Tells people, and programs that look for secrets in code, what such a text is."""
SEEN_STEP = timedelta(minutes=1)
"""How exactly the last use is remembered, so that reading costs no write."""


class Scope(StrEnum):
    """What a token opens."""

    BOTS = "bots"


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as it is known here: everything but the token."""

    id: int
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it opens anything at this moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def is_to_be_touched(self, now: datetime) -> bool:
        return self.last_used_at is None or now - self.last_used_at >= SEEN_STEP
