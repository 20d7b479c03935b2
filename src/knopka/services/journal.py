"""The journal: every setMeta call as it came, with what became of each of its paths."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from knopka.db import conversations as db_conversations
from knopka.db import crm as db_crm
from knopka.db import visitors as db
from knopka.db.clock import from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.domain.catalog import Catalog
from knopka.domain.errors import Conflict
from knopka.domain.filling import Resolved, resolve
from knopka.domain.meta import Meta
from knopka.domain.phones import region_of
from knopka.domain.verdicts import PathVerdict
from knopka.domain.visit import Visit, add, end_of_waiting, has_expired, hold
from knopka.domain.visitor import Page, Source
from knopka.services.cards import Filling, bind_visit, follow_contact, start_waiting
from knopka.services.catalog import ACCOUNT
from knopka.services.expiry import expire_if_due
from knopka.services.views import CallVerdicts, JournalEntry, Recorded

__all__ = [
    "CallVerdicts", "JournalEntry", "MetaCall", "Recorded", "hash_visit", "list_journal", "read_verdicts",
    "record_meta",
]  # fmt: skip

MAX_URL = 2_000
"""Characters of a page's address that are kept."""

_SHOWN = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class MetaCall:
    """One setMeta call. `key` tells a repeat from a new call; `body` is its params as JSON, as received."""

    key: str
    body: str
    meta: Meta

    @property
    def body_hash(self) -> str:
        return hashlib.sha256(self.body.encode()).hexdigest()


def hash_visit(visit: str) -> str:
    """What is kept of a visit id, which itself would let anybody write."""
    return hashlib.sha256(visit.encode()).hexdigest()


def record_meta(
    tx: Transaction,
    catalog: Catalog,
    source: Source,
    visit: str,
    calls: Sequence[MetaCall],
    page: Page,
    *,
    now: datetime,
) -> Recorded:
    """Keep the calls of a page in their order, and write on the cards what may be written.

    Without a card the data waits for one. A call that was kept before is answered
    as it stands now; Conflict when its key comes with another body, and then
    nothing of the request is kept.
    """
    held = db.touch_visit(tx, source, hash_visit(visit), page.url[:MAX_URL], now)
    held = expire_if_due(tx, held, now)
    held = follow_contact(tx, catalog, source, held, now)
    recorder = _Recorder(tx, catalog, source, held, page, now)
    return recorder.record_on_cards(calls) if held.lead_id is not None else recorder.record_waiting(calls)


class _Recorder:
    """One request of one visit, on its way into the journal."""

    def __init__(
        self, tx: Transaction, catalog: Catalog, source: Source, visit: Visit, page: Page, now: datetime
    ) -> None:
        self._tx = tx
        self._catalog = catalog
        self._source = source
        self._visit = visit
        self._page = page
        self._now = now

    def record_waiting(self, calls: Sequence[MetaCall]) -> Recorded:
        """There is no card: decide what waits, then keep the calls and what waits."""
        visit = self._visit
        passes_to_bot = visit.visitor_id is not None
        answers = []
        for call in calls:
            outcome = hold(
                visit.waiting, self._resolve(call), passes_to_bot=passes_to_bot, bot_params=visit.bot_params
            )
            call_id = self._append(call, outcome.verdicts)
            if call_id is None:
                answers.append(self._repeat(call))
                continue
            answers.append(CallVerdicts(call.key, outcome.verdicts))
            waiting = add(
                visit.waiting, call_id, outcome, passes_to_bot=passes_to_bot, now_ms=to_ms(self._now)
            )
            bot_params = outcome.bot_params if passes_to_bot else visit.bot_params
            visit = replace(visit, waiting=waiting, bot_params=bot_params)
        self._store_waiting(visit)
        return Recorded(tuple(answers), None)

    def _store_waiting(self, visit: Visit) -> None:
        before = self._visit
        if visit.waiting != before.waiting:
            if before.waiting_since is None:
                visit = replace(visit, waiting_since=self._now)
                start_waiting(self._tx, visit, self._now)
            db.update_waiting(self._tx, visit)
        if visit.bot_params != before.bot_params:
            db.update_bot_params(self._tx, visit, visit.bot_params)

    def record_on_cards(self, calls: Sequence[MetaCall]) -> Recorded:
        """There are cards: plan each call, keep it with its verdicts, then write what was planned."""
        lead_id = self._visit.lead_id
        if lead_id is not None and any(call.meta.contact.name or call.meta.lead.name for call in calls):
            # Conversations come before the cards in the order in which rows are held.
            db_conversations.touch_unnamed(self._tx, self._source.account_id, lead_id, self._now)
        filling = self._begin_filling()
        answers = tuple(self._record_one(filling, call) for call in calls)
        filling.finish()
        return Recorded(answers, filling.window, filling.window.is_open(self._now))

    def _begin_filling(self) -> Filling:
        """On the cards of the visit, or after their lead has ended on those of the contact's open one."""
        filling = self._fill(self._visit)
        if not filling.is_over:
            return filling
        lead = db_crm.find_open_lead(self._tx, self._source.account_id, filling.contact_id)
        if lead is None:
            return filling
        self._visit = bind_visit(
            self._tx,
            self._catalog,
            self._source,
            self._visit,
            visitor_id=None,
            contact_id=filling.contact_id,
            lead=lead,
            now=self._now,
        )
        return self._fill(self._visit)

    def _fill(self, visit: Visit) -> Filling:
        return Filling(self._tx, self._catalog, self._source, visit, self._now)

    def _record_one(self, filling: Filling, call: MetaCall) -> CallVerdicts:
        resolved = self._resolve(call)
        plan = filling.plan(resolved)
        call_id = self._append(call, plan.verdicts)
        if call_id is None:
            return self._repeat(call)
        verdicts = filling.write(resolved, plan)
        if verdicts != plan.verdicts:
            db.update_verdicts(self._tx, call_id, verdicts)
        return CallVerdicts(call.key, verdicts)

    def _resolve(self, call: MetaCall) -> Resolved:
        account = self._catalog.account
        return resolve(
            call.meta,
            self._catalog.fields,
            self._catalog.by_code,
            region=region_of(account.currency),
            timezone=account.timezone,
        )

    def _append(self, call: MetaCall, verdicts: Sequence[PathVerdict]) -> int | None:
        return db.append_call(
            self._tx,
            self._source,
            self._visit.id,
            lead_id=self._visit.lead_id,
            key=call.key,
            body_hash=call.body_hash,
            body=call.body,
            page_url=self._page.url[:MAX_URL],
            verdicts=verdicts,
            now=self._now,
        )

    def _repeat(self, call: MetaCall) -> CallVerdicts:
        """The answer to a call that was kept before."""
        known = db.list_calls(self._tx, self._visit.id, [call.key])[call.key]
        if known["body_hash"] != call.body_hash:
            raise Conflict("This key was used for another call.")
        return CallVerdicts(call.key, known["verdicts"])


def read_verdicts(tx: Transaction, source: Source, visit: str, keys: Sequence[str]) -> Recorded:
    """What has become of earlier calls of the visit, by now. Keys that it never used are left out."""
    found = db.find_visit(tx, source, hash_visit(visit))
    if found is None:
        return Recorded((), None)
    known = db.list_calls(tx, found["id"], keys)
    since = found["waiting_since"]
    is_late = since is not None and has_expired(from_ms(since), tx.now)
    calls = tuple(
        CallVerdicts(key, end_of_waiting(known[key]["verdicts"]) if is_late else known[key]["verdicts"])
        for key in dict.fromkeys(keys)
        if key in known
    )
    if found["lead_id"] is None:
        return Recorded(calls, None)
    window = db.find_window(tx, found["id"], found["lead_id"], source.window_mode)
    return Recorded(calls, window, window is not None and window.is_open(tx.now))


def list_journal(
    tx: Transaction, *, visit: str | None, lead_id: int | None, after_id: int, limit: int
) -> list[JournalEntry]:
    """Calls in the order in which they came, of one visit, of one lead, or all.

    `visit` is a visit id, or the 16 digits that stand for it in the journal.
    """
    visit_ids = None
    if visit is not None:
        shown = visit if _SHOWN.fullmatch(visit) else hash_visit(visit)
        visit_ids = db.find_visits_shown_as(tx, ACCOUNT, shown)
        if not visit_ids:
            return []
    rows = db.list_entries(tx, ACCOUNT, visit_ids=visit_ids, lead_id=lead_id, after_id=after_id, limit=limit)
    return [_entry(row) for row in rows]


def _entry(row: Row) -> JournalEntry:
    return JournalEntry(
        id=row["id"],
        at=from_ms(row["at"]),
        source_public_id=row["public_id"],
        visit=row["key_hash"][:16],
        page_url=row["page_url"],
        key=row["key"],
        body=row["body"],
        verdicts=db.read_verdicts(row["verdicts"]),
        lead_id=row["lead_id"],
    )
