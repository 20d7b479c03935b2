"""What is deleted for its age: visits of people who never wrote, kept answers, and ended sign-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from knopka.db import retention as db
from knopka.db.database import Transaction
from knopka.db.jobs import insert_job, set_timer, start_timer
from knopka.services.catalog import ACCOUNT
from knopka.services.jobs import JobEnd
from knopka.services.operators import LIFETIME

RETENTION_TIMER = "retention"
KEPT = timedelta(days=30)
"""How long a visit without a message is kept after it was last seen (S-WEB-14, S-PRV-03)."""
EVENTS_KEPT = timedelta(days=14)
"""How long the content of what a messenger told is kept beside the messages made of it (S-PRV-03)."""
EVERY = timedelta(days=1)
MOST_VISITS = 500
MOST_ROWS = 2_000
"""Most of each other kind in one transaction, so that it holds the writer for a moment only."""


def start_retention(tx: Transaction, *, now: datetime) -> None:
    """Have it begin at once, unless its next day is set already."""
    start_timer(tx, ACCOUNT, RETENTION_TIMER, RETENTION_TIMER, {}, now)


def delete_old(
    tx: Transaction, payload: Mapping[str, Any], *, sign_in_clock: Callable[[], datetime], now: datetime
) -> None:
    """Delete one batch; while there is more, the next one follows at once, else in a day.

    Sign-ins have a clock of their own, which the demo's does not move.
    """
    may_have_more = (
        db.delete_visits(tx, ACCOUNT, now - KEPT, most=MOST_VISITS, most_calls=MOST_ROWS),
        db.delete_answers(tx, ACCOUNT, now - KEPT, most=MOST_ROWS),
        db.forget_events(tx, ACCOUNT, now - EVENTS_KEPT, most=MOST_ROWS),
        db.delete_channel_log(tx, ACCOUNT, now - KEPT, most=MOST_ROWS),
        db.delete_bot_runs(tx, ACCOUNT, now - KEPT, most=MOST_ROWS),
        db.delete_links(tx, ACCOUNT, now - KEPT, most=MOST_ROWS),
        db.delete_logins(tx, ACCOUNT, sign_in_clock() - LIFETIME, most=MOST_ROWS),
    )
    if any(may_have_more):
        insert_job(tx, ACCOUNT, RETENTION_TIMER, RETENTION_TIMER, {})
    _set_next(tx, now)


def go_on_tomorrow(tx: Transaction, payload: Mapping[str, Any], end: JobEnd, *, now: datetime) -> None:
    """A batch that was given up is not the last one."""
    _set_next(tx, now)


def _set_next(tx: Transaction, now: datetime) -> None:
    set_timer(tx, ACCOUNT, RETENTION_TIMER, RETENTION_TIMER, {}, now + EVERY)
