"""The button, its visitors, and the 24 hours in which a page may write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

from knopka.domain.crm import AccountId

SourceId = NewType("SourceId", int)
VisitRow = NewType("VisitRow", int)
"""The row of a visit; never shown to a page."""

META_WINDOW = timedelta(hours=24)
"""The page: not longer than 24 hours from the first data or from the unsorted lead."""


class Identity(StrEnum):
    """What an unsigned `user_id` of a page is worth for this button."""

    PLAIN = "plain"
    SIGNED = "signed"
    OFF = "off"


class WindowMode(StrEnum):
    """Which of the two deadlines rules where both exist."""

    LATER = "later"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Source:
    """An installed button («кнопка»)."""

    id: SourceId
    account_id: AccountId
    public_id: str
    hash: str
    name: str
    locale: str
    inline: bool
    color: str
    origins: tuple[str, ...]
    """Exact origins, `https://host[:port]`, on whose pages the button may stand."""
    identity: Identity
    window_mode: WindowMode
    pipeline_id: int
    is_enabled: bool = True
    settings: Mapping[str, Any] | None = None

    def allows_origin(self, origin: str | None) -> bool:
        """The page: the method is called from the site that carries the button."""
        return origin is not None and origin in self.origins


@dataclass(frozen=True, slots=True)
class Page:
    """The page a call or a message came from, as the browser told it."""

    url: str = ""
    title: str = ""
    referrer: str = ""


@dataclass(frozen=True, slots=True)
class FillWindow:
    """The time in which one visit may write on one lead's cards.

    `first_data_at` is None until the visit's first data met this card, or when
    that data had expired before the card existed.
    """

    lead_created_at: datetime
    first_data_at: datetime | None = None
    mode: WindowMode = WindowMode.LATER

    @property
    def closes_at(self) -> datetime:
        """The later of both deadlines; with `strict` the earlier."""
        if self.first_data_at is None:
            return self.lead_created_at + META_WINDOW
        pick = max if self.mode is WindowMode.LATER else min
        return pick(self.lead_created_at, self.first_data_at) + META_WINDOW

    def is_open(self, now: datetime) -> bool:
        return now < self.closes_at
