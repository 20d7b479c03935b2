"""What waited 24 hours for a card that never came."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from knopka.db import visitors as db
from knopka.db.database import Transaction
from knopka.domain.visit import Visit, has_expired
from knopka.services.cards import end_waiting, follow_contact, start_waiting
from knopka.services.catalog import ACCOUNT, load_catalog


def expire_if_due(tx: Transaction, visit: Visit, now: datetime) -> Visit:
    """The visit, without what has waited too long.

    Called wherever a visit is met, so that the rule holds even when the timer is late.
    """
    if visit.waiting_since is None or not has_expired(visit.waiting_since, now):
        return visit
    db.expire_waiting(tx, visit.id)
    return end_waiting(tx, visit)


def expire_waiting(tx: Transaction, payload: Mapping[str, Any], *, now: datetime) -> None:
    """The timer of a visit has run out: a job of the kind `cards.WAITING_TIMER`.

    It also runs when the visitor has got a lead through another visit; what
    waits is then written on its cards.
    """
    visit = db.lock_visit(tx, ACCOUNT, payload["visit_id"])
    if visit is None or expire_if_due(tx, visit, now).waiting_since is None:
        return
    catalog = load_catalog(tx)
    source = catalog.get_source(visit.source_id)
    visit = follow_contact(tx, catalog, source, visit, now)
    if visit.waiting_since is not None:
        start_waiting(tx, visit, visit.waiting_since)
