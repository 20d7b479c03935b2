"""SQL of visits and visitors, of the windows, and of the journal of setMeta calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Text, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.named import changes, columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import fill_windows, leads, meta_calls, sources, visitors, visits
from knopka.domain.filling import NoteKey
from knopka.domain.verdicts import PathVerdict, Reason, Verdict
from knopka.domain.visit import EXPIRED, WAITS, WAITS_FOR_BOT, Visit, Waiting
from knopka.domain.visitor import FillWindow, Source, WindowMode


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_decode_verdicts = msgspec.json.Decoder(tuple[PathVerdict, ...]).decode
_decode_waiting = msgspec.json.Decoder(Waiting).decode
_decode_params = msgspec.json.Decoder(dict[str, Any]).decode
_decode_notes = msgspec.json.Decoder(tuple[NoteKey, ...]).decode

_VISIT = (
    visits.c.id,
    visits.c.account_id,
    visits.c.source_id,
    visits.c.visitor_id,
    visits.c.contact_id,
    visits.c.lead_id,
    visits.c.waiting_since,
    visits.c.waiting,
    visits.c.bot_params,
)
# DO UPDATE locks the row on PostgreSQL and gives it back as it is after the wait for others.
_TOUCH_VISIT = Statement(
    insert(visits)
    .values(columns("account_id", "source_id", "key_hash", "page_url", "created_at", "seen_at"))
    .on_conflict_do_update(
        index_elements=["source_id", "key_hash"],
        set_={"page_url": bindparam("page_url"), "seen_at": bindparam("seen_at")},
    )
    .returning(*_VISIT)
)
_ONE_VISIT = select(*_VISIT).where(
    visits.c.account_id == bindparam("account_id"), visits.c.id == bindparam("visit_id")
)
_LOCK_VISIT = Statement(_ONE_VISIT.with_for_update())
_LOCK_FREE_VISIT = Statement(_ONE_VISIT.with_for_update(nowait=True))
_FIND_VISIT = Statement(
    select(visits.c.id, visits.c.lead_id, visits.c.waiting_since).where(
        visits.c.source_id == bindparam("source_id"), visits.c.key_hash == bindparam("key_hash")
    )
)
_LAST_VISIT = Statement(
    select(visits.c.id)
    .where(visits.c.account_id == bindparam("account_id"), visits.c.visitor_id == bindparam("visitor_id"))
    .order_by(visits.c.id.desc())
    .limit(1)
)
_WAITING_VISITS = Statement(
    select(visits.c.id)
    .where(
        visits.c.account_id == bindparam("account_id"),
        visits.c.visitor_id == bindparam("visitor_id"),
        visits.c.waiting_since.is_not(None),
    )
    .order_by(visits.c.id)
    .limit(100)
)
_FIND_VISITS_SHOWN = Statement(
    select(visits.c.id)
    .where(
        visits.c.source_id.in_(select(sources.c.id).where(sources.c.account_id == bindparam("account_id"))),
        visits.c.key_hash >= bindparam("first"),
        visits.c.key_hash <= bindparam("last"),
    )
    .limit(100)
)
_UPDATE_WAITING = Statement(
    update(visits)
    .where(visits.c.account_id == bindparam("account"), visits.c.id == bindparam("visit_id"))
    .values(changes("waiting_since", "waiting"))
)
# Only what may name the field is read; the text of a value may hold the same digits, to no harm.
_WAITING_FOR_FIELD = Statement(
    select(visits.c.id, visits.c.waiting)
    .where(
        visits.c.account_id == bindparam("account_id"),
        visits.c.id > bindparam("after"),
        visits.c.waiting_since.is_not(None),
        visits.c.waiting.like(bindparam("pattern")),
    )
    .order_by(visits.c.id)
    .limit(bindparam("most"))
    .with_for_update()
)
_REPLACE_WAITING = Statement(
    update(visits)
    .where(visits.c.account_id == bindparam("account"), visits.c.id == bindparam("visit_id"))
    .values(changes("waiting"))
)
_UPDATE_BOT_PARAMS = Statement(
    update(visits)
    .where(visits.c.account_id == bindparam("account"), visits.c.id == bindparam("visit_id"))
    .values(changes("bot_params"))
)
_BIND_VISIT = Statement(
    update(visits)
    .where(visits.c.account_id == bindparam("account"), visits.c.id == bindparam("visit_id"))
    .values(changes("visitor_id", "contact_id", "lead_id"))
)
_BOT_PARAMS_OF_LEAD = Statement(
    select(visits.c.bot_params)
    .where(
        visits.c.account_id == bindparam("account_id"),
        visits.c.lead_id == bindparam("lead_id"),
        visits.c.bot_params.is_not(None),
    )
    .order_by(visits.c.seen_at, visits.c.id)
    .limit(100)
)

_TOUCH_VISITOR = Statement(
    insert(visitors)
    .values(columns("account_id", "source_id", "token_hash", "created_at", "seen_at"))
    .on_conflict_do_update(index_elements=["token_hash"], set_={"seen_at": bindparam("seen_at")})
    .returning(visitors.c.id, visitors.c.source_id, visitors.c.contact_id)
)
_FIND_VISITOR = Statement(
    select(visitors).where(
        visitors.c.account_id == bindparam("account_id"), visitors.c.token_hash == bindparam("token_hash")
    )
)
_LOCK_VISITOR = Statement(
    select(visitors.c.id).where(visitors.c.id == bindparam("visitor_id")).with_for_update()
)
_BIND_VISITOR = Statement(
    update(visitors)
    .where(visitors.c.account_id == bindparam("account"), visitors.c.id == bindparam("visitor_id"))
    .values(changes("contact_id"))
)

_INSERT_WINDOW = Statement(
    insert(fill_windows)
    .values(columns("account_id", "visit_id", "lead_id", "lead_created_at", "first_data_at"))
    .on_conflict_do_nothing(index_elements=["visit_id", "lead_id"])
)
_UPDATE_WINDOW = Statement(
    update(fill_windows)
    .where(fill_windows.c.visit_id == bindparam("visit_id"), fill_windows.c.lead_id == bindparam("lead_id"))
    .values(changes("first_data_at", "note_hashes"))
)
_WINDOW = Statement(
    select(fill_windows).where(
        fill_windows.c.visit_id == bindparam("visit_id"), fill_windows.c.lead_id == bindparam("lead_id")
    )
)
_LAST_WINDOW = Statement(
    select(fill_windows, sources.c.window_mode)
    .join(leads, leads.c.id == fill_windows.c.lead_id)
    .join(sources, sources.c.id == leads.c.source_id)
    .where(
        fill_windows.c.account_id == bindparam("account_id"), fill_windows.c.lead_id == bindparam("lead_id")
    )
    .order_by(func.coalesce(fill_windows.c.first_data_at, fill_windows.c.lead_created_at).desc())
    .limit(1)
)

_INSERT_CALL = Statement(
    insert(meta_calls)
    .values(
        columns(
            "account_id", "source_id", "visit_id", "lead_id", "key", "body_hash", "body",
            "page_url", "verdicts", "at",
        )
    )
    .on_conflict_do_nothing(index_elements=["visit_id", "key"])
    .returning(meta_calls.c.id)
)  # fmt: skip
_FIND_CALLS = Statement(
    select(meta_calls.c.key, meta_calls.c.body_hash, meta_calls.c.verdicts).where(
        meta_calls.c.visit_id == bindparam("visit_id"),
        meta_calls.c.key.in_(bindparam("keys", expanding=True)),
    )
)
_LIST_VERDICTS = Statement(
    select(meta_calls.c.id, meta_calls.c.verdicts).where(
        meta_calls.c.id.in_(bindparam("call_ids", expanding=True))
    )
)
_UPDATE_VERDICTS = Statement(
    update(meta_calls).where(meta_calls.c.id == bindparam("call_id")).values(changes("verdicts"))
)


def _as_stored(verdict: Verdict, *reasons: Reason) -> str:
    """How a verdict with its first reasons stands in the stored text, and how nothing else can: inside
    a JSON string, where a page may have put the same words, each quotation mark is escaped."""
    text = _encode(PathVerdict("", verdict, reasons))
    return text.removeprefix('{"path":"",').removesuffix("]}")


def _replace_verdicts(texts: Mapping[str, str]) -> Statement:
    """Replace verdicts in all calls of a visit that have something waiting."""
    verdicts: ColumnElement[str] = meta_calls.c.verdicts
    for before, after in texts.items():
        verdicts = func.replace(verdicts, before, after, type_=Text)
    return Statement(
        update(meta_calls)
        .where(
            meta_calls.c.visit_id == bindparam("of_visit"),
            meta_calls.c.verdicts.contains(Verdict.WAITING.value),
        )
        .values(verdicts=verdicts)
    )


_WAITS = _as_stored(Verdict.WAITING, WAITS)
_WAITS_FOR_BOT = _as_stored(Verdict.WAITING, WAITS_FOR_BOT)
_EXPIRED = _as_stored(Verdict.EXPIRED, EXPIRED)
_EXPIRE_WAITING = _replace_verdicts({_WAITS: _EXPIRED, _WAITS_FOR_BOT: _EXPIRED})
_PASS_WAITING = _replace_verdicts({_WAITS_FOR_BOT: _as_stored(Verdict.PASSED_TO_BOT)})
_BIND_CALLS = Statement(
    update(meta_calls)
    .where(meta_calls.c.visit_id == bindparam("visit_id"), meta_calls.c.lead_id.is_(None))
    .values(changes("lead_id"))
)

_ENTRY = (
    meta_calls.c.id,
    meta_calls.c.at,
    meta_calls.c.lead_id,
    meta_calls.c.key,
    meta_calls.c.body,
    meta_calls.c.page_url,
    meta_calls.c.verdicts,
    visits.c.key_hash,
    sources.c.public_id,
)
_ENTRIES = (
    select(*_ENTRY)
    .join(visits, visits.c.id == meta_calls.c.visit_id)
    .join(sources, sources.c.id == meta_calls.c.source_id)
    .where(meta_calls.c.account_id == bindparam("account_id"), meta_calls.c.id > bindparam("after_id"))
    .order_by(meta_calls.c.id)
    .limit(bindparam("most"))
)
_LIST_ENTRIES = Statement(_ENTRIES)
_LIST_ENTRIES_OF_LEAD = Statement(_ENTRIES.where(meta_calls.c.lead_id == bindparam("lead_id")))
_LIST_ENTRIES_OF_VISITS = Statement(
    _ENTRIES.where(meta_calls.c.visit_id.in_(bindparam("visit_ids", expanding=True)))
)
_LAST_ENTRIES_OF_LEAD = Statement(
    select(*_ENTRY)
    .join(visits, visits.c.id == meta_calls.c.visit_id)
    .join(sources, sources.c.id == meta_calls.c.source_id)
    .where(meta_calls.c.account_id == bindparam("account_id"), meta_calls.c.lead_id == bindparam("lead_id"))
    .order_by(meta_calls.c.id.desc())
    .limit(bindparam("most"))
)


def touch_visit(tx: Transaction, source: Source, key_hash: str, page_url: str, now: datetime) -> Visit:
    """Find or make the visit, and hold its row until the transaction ends."""
    row = tx.row(
        _TOUCH_VISIT,
        account_id=source.account_id,
        source_id=source.id,
        key_hash=key_hash,
        page_url=page_url,
        created_at=to_ms(now),
        seen_at=to_ms(now),
    )
    return _visit(returned(row))


def lock_visit(tx: Transaction, account_id: int, visit_id: int, *, may_wait: bool = True) -> Visit | None:
    """The visit, whose row is held until the transaction ends.

    Whoever comes out of the order in which rows are held may not wait: while
    another holds the row, the use case is undone and run again.
    """
    statement = _LOCK_VISIT if may_wait else _LOCK_FREE_VISIT
    row = tx.row(statement, account_id=account_id, visit_id=visit_id)
    return None if row is None else _visit(row)


def find_visit(tx: Transaction, source: Source, key_hash: str) -> Row | None:
    """id, lead_id and waiting_since of the visit."""
    return tx.row(_FIND_VISIT, source_id=source.id, key_hash=key_hash)


def find_last_visit(tx: Transaction, account_id: int, visitor_id: int) -> int | None:
    row = tx.row(_LAST_VISIT, account_id=account_id, visitor_id=visitor_id)
    return None if row is None else int(row["id"])


def list_waiting_visits(tx: Transaction, account_id: int, visitor_id: int) -> list[int]:
    """The visitor's visits that have something waiting for a card."""
    return [row["id"] for row in tx.rows(_WAITING_VISITS, account_id=account_id, visitor_id=visitor_id)]


def find_visits_shown_as(tx: Transaction, account_id: int, shown: str) -> list[int]:
    """The visits whose hash begins with these digits."""
    rows = tx.rows(_FIND_VISITS_SHOWN, account_id=account_id, first=shown, last=shown + "g")
    return [row["id"] for row in rows]


def update_waiting(tx: Transaction, visit: Visit) -> None:
    """Store what the visit has waiting, and since when."""
    has_any = visit.waiting_since is not None
    tx.run(
        _UPDATE_WAITING,
        account=visit.account_id,
        visit_id=visit.id,
        new_waiting_since=None if visit.waiting_since is None else to_ms(visit.waiting_since),
        new_waiting=_encode(visit.waiting) if has_any else None,
    )


def list_waiting_for_field(
    tx: Transaction, account_id: int, field_id: int, *, after: int, most: int
) -> list[tuple[int, Waiting]]:
    """Visits after `after`, by their rows, that may have a value of the field waiting; they are held."""
    rows = tx.rows(
        _WAITING_FOR_FIELD, account_id=account_id, pattern=f'%"field_id":{field_id}%', after=after, most=most
    )
    return [(row["id"], _decode_waiting(row["waiting"])) for row in rows]


def replace_waiting(tx: Transaction, account_id: int, visit_id: int, waiting: Waiting) -> None:
    """Store what the visit has waiting, which waits as long as before."""
    tx.run(_REPLACE_WAITING, account=account_id, visit_id=visit_id, new_waiting=_encode(waiting))


def update_bot_params(tx: Transaction, visit: Visit, bot_params: Mapping[str, Any]) -> None:
    tx.run(
        _UPDATE_BOT_PARAMS, account=visit.account_id, visit_id=visit.id, new_bot_params=_encode(bot_params)
    )


def bind_visit(tx: Transaction, visit: Visit) -> None:
    """Store whose visit it is, and on whose cards it writes."""
    tx.run(
        _BIND_VISIT,
        account=visit.account_id,
        visit_id=visit.id,
        new_visitor_id=visit.visitor_id,
        new_contact_id=visit.contact_id,
        new_lead_id=visit.lead_id,
    )


def list_bot_params(tx: Transaction, account_id: int, lead_id: int) -> list[Mapping[str, Any]]:
    """bot_params of the lead's visits, the visit that was here last at the end."""
    rows = tx.rows(_BOT_PARAMS_OF_LEAD, account_id=account_id, lead_id=lead_id)
    return [_decode_params(row["bot_params"]) for row in rows]


def touch_visitor(tx: Transaction, source: Source, token_hash: str, now: datetime) -> Row:
    """Find or make the visitor, and hold the row until the transaction ends."""
    return returned(
        tx.row(
            _TOUCH_VISITOR,
            account_id=source.account_id,
            source_id=source.id,
            token_hash=token_hash,
            created_at=to_ms(now),
            seen_at=to_ms(now),
        )
    )


def find_visitor(tx: Transaction, source: Source, token_hash: str) -> Row | None:
    """The visitor with this token, if it was given out for this button."""
    row = tx.row(_FIND_VISITOR, account_id=source.account_id, token_hash=token_hash)
    return row if row is not None and row["source_id"] == source.id else None


def find_visitor_by_token(tx: Transaction, account_id: int, token_hash: str) -> Row | None:
    """The visitor with this token, whichever button he came by."""
    return tx.row(_FIND_VISITOR, account_id=account_id, token_hash=token_hash)


def lock_visitor(tx: Transaction, visitor_id: int) -> None:
    """Hold the visitor's row until the transaction ends."""
    tx.run(_LOCK_VISITOR, visitor_id=visitor_id)


def bind_visitor(tx: Transaction, account_id: int, visitor_id: int, contact_id: int) -> None:
    tx.run(_BIND_VISITOR, account=account_id, visitor_id=visitor_id, new_contact_id=contact_id)


def insert_window(
    tx: Transaction, visit: Visit, lead_id: int, *, lead_created_at: int, first_data_at: int | None
) -> None:
    """Open the window of the visit on the lead's cards, unless it has been opened before."""
    tx.run(
        _INSERT_WINDOW,
        account_id=visit.account_id,
        visit_id=visit.id,
        lead_id=lead_id,
        lead_created_at=lead_created_at,
        first_data_at=first_data_at,
    )


def update_window(
    tx: Transaction,
    visit_id: int,
    lead_id: int,
    *,
    first_data_at: datetime | None,
    own_notes: frozenset[NoteKey],
) -> None:
    tx.run(
        _UPDATE_WINDOW,
        visit_id=visit_id,
        lead_id=lead_id,
        new_first_data_at=None if first_data_at is None else to_ms(first_data_at),
        new_note_hashes=_encode(sorted(own_notes)) if own_notes else None,
    )


def read_own_notes(note_hashes: str | None) -> frozenset[NoteKey]:
    """What the visit has noted on the cards of one window."""
    return frozenset(_decode_notes(note_hashes)) if note_hashes else frozenset()


def find_window(tx: Transaction, visit_id: int, lead_id: int, mode: WindowMode) -> FillWindow | None:
    row = tx.row(_WINDOW, visit_id=visit_id, lead_id=lead_id)
    return None if row is None else read_window(row, mode)


def find_last_window(tx: Transaction, account_id: int, lead_id: int) -> FillWindow | None:
    """Of the windows of all visits on this lead the one that was opened last."""
    row = tx.row(_LAST_WINDOW, account_id=account_id, lead_id=lead_id)
    return None if row is None else read_window(row, WindowMode(row["window_mode"]))


def read_window(row: Row, mode: WindowMode) -> FillWindow:
    first = row["first_data_at"]
    return FillWindow(from_ms(row["lead_created_at"]), None if first is None else from_ms(first), mode)


def append_call(
    tx: Transaction,
    source: Source,
    visit_id: int,
    *,
    lead_id: int | None,
    key: str,
    body_hash: str,
    body: str,
    page_url: str,
    verdicts: Sequence[PathVerdict],
    now: datetime,
) -> int | None:
    """The id of the new entry of the journal, or None when the visit has used this key before."""
    row = tx.row(
        _INSERT_CALL,
        account_id=source.account_id,
        source_id=source.id,
        visit_id=visit_id,
        lead_id=lead_id,
        key=key,
        body_hash=body_hash,
        body=body,
        page_url=page_url,
        verdicts=_encode(verdicts),
        at=to_ms(now),
    )
    return None if row is None else int(row["id"])


def list_calls(tx: Transaction, visit_id: int, keys: Sequence[str]) -> Mapping[str, Row]:
    """The entries of the visit with these keys, by key: body_hash and verdicts."""
    rows = tx.rows(_FIND_CALLS, visit_id=visit_id, keys=list(keys))
    return {row["key"]: {**row, "verdicts": read_verdicts(row["verdicts"])} for row in rows}


def list_verdicts(tx: Transaction, call_ids: Sequence[int]) -> Mapping[int, tuple[PathVerdict, ...]]:
    rows = tx.rows(_LIST_VERDICTS, call_ids=list(call_ids))
    return {row["id"]: read_verdicts(row["verdicts"]) for row in rows}


def update_verdicts(tx: Transaction, call_id: int, verdicts: Sequence[PathVerdict]) -> None:
    tx.run(_UPDATE_VERDICTS, call_id=call_id, new_verdicts=_encode(verdicts))


def expire_waiting(tx: Transaction, visit_id: int) -> None:
    """End every path of the visit that still waits, in one statement however many calls there were."""
    tx.run(_EXPIRE_WAITING, of_visit=visit_id)


def pass_waiting_to_bot(tx: Transaction, visit_id: int) -> None:
    """The same for bot_params alone: they stand where bots read them."""
    tx.run(_PASS_WAITING, of_visit=visit_id)


def read_verdicts(text: str) -> tuple[PathVerdict, ...]:
    return _decode_verdicts(text)


def bind_calls(tx: Transaction, visit_id: int, lead_id: int) -> None:
    """Show what the visit sent before there was a lead on this lead's card."""
    tx.run(_BIND_CALLS, visit_id=visit_id, new_lead_id=lead_id)


def list_entries(
    tx: Transaction,
    account_id: int,
    *,
    visit_ids: Sequence[int] | None,
    lead_id: int | None,
    after_id: int,
    limit: int,
) -> list[Row]:
    """The journal in the order of its calls."""
    where: dict[str, Any] = {"account_id": account_id, "after_id": after_id, "most": limit}
    if lead_id is not None:
        return tx.rows(_LIST_ENTRIES_OF_LEAD, lead_id=lead_id, **where)
    if visit_ids is not None:
        return tx.rows(_LIST_ENTRIES_OF_VISITS, visit_ids=list(visit_ids), **where)
    return tx.rows(_LIST_ENTRIES, **where)


def list_last_entries(tx: Transaction, account_id: int, lead_id: int, limit: int) -> list[Row]:
    """The last calls that reached this lead's cards, the newest first."""
    return tx.rows(_LAST_ENTRIES_OF_LEAD, account_id=account_id, lead_id=lead_id, most=limit)


def _visit(row: Row) -> Visit:
    since, waiting, bot_params = row["waiting_since"], row["waiting"], row["bot_params"]
    return Visit(
        id=row["id"],
        account_id=row["account_id"],
        source_id=row["source_id"],
        visitor_id=row["visitor_id"],
        contact_id=row["contact_id"],
        lead_id=row["lead_id"],
        waiting_since=None if since is None else from_ms(since),
        waiting=_decode_waiting(waiting) if waiting else Waiting(),
        bot_params=_decode_params(bot_params) if bot_params else {},
    )
