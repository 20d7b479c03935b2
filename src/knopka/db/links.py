"""SQL of entry links: which visit a code stands for, and which chat has brought it first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.named import changes, columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import entry_links


@dataclass(frozen=True, slots=True)
class EntryLink:
    """One link code. The page announces it and a chat brings it, in whichever order."""

    id: int
    source_id: int | None
    visit_id: int | None
    page_url: str
    page_title: str
    announced_at: datetime | None
    channel_id: int | None
    chat_id: str | None
    brought_at: datetime | None
    bound_at: datetime | None


# DO UPDATE holds the row on PostgreSQL and gives it back as it is after the wait for others.
# The first to announce and the first to bring keep their place.
_ANNOUNCE = Statement(
    insert(entry_links)
    .values(
        columns(
            "account_id", "code_hash", "short_code", "source_id", "visit_id", "page_url", "page_title",
            "announced_at", "created_at",
        )
    )
    .on_conflict_do_update(
        index_elements=["account_id", "code_hash"],
        set_={
            name: func.coalesce(entry_links.c[name], bindparam(name))
            for name in ("short_code", "source_id", "visit_id", "announced_at")
        }
        | {
            name: func.coalesce(func.nullif(entry_links.c[name], ""), bindparam(name))
            for name in ("page_url", "page_title")
        },
    )
    .returning(entry_links)
)  # fmt: skip
_BRING = Statement(
    insert(entry_links)
    .values(
        columns(
            "account_id", "code_hash", "page_url", "page_title", "channel_id", "chat_id", "brought_at",
            "created_at",
        )
    )
    .on_conflict_do_update(
        index_elements=["account_id", "code_hash"],
        set_={
            name: func.coalesce(entry_links.c[name], bindparam(name))
            for name in ("channel_id", "chat_id", "brought_at")
        },
    )
    .returning(entry_links)
)  # fmt: skip
_FIND = Statement(
    select(entry_links).where(
        entry_links.c.account_id == bindparam("account_id"), entry_links.c.code_hash == bindparam("code_hash")
    )
)
_SHORT = (
    select(entry_links)
    .where(
        entry_links.c.account_id == bindparam("account_id"),
        entry_links.c.short_code == bindparam("short_code"),
        entry_links.c.announced_at > bindparam("since"),
    )
    .order_by(entry_links.c.id.desc())
    .limit(2)
)
_FIND_SHORT = Statement(_SHORT)
_LOCK_SHORT = Statement(_SHORT.with_for_update())
_TAKE_SHORT = Statement(
    update(entry_links)
    .where(entry_links.c.id == bindparam("link_id"))
    .values(changes("channel_id", "chat_id", "brought_at"))
)
_OF_CHAT = Statement(
    select(entry_links)
    .where(
        entry_links.c.channel_id == bindparam("channel_id"),
        entry_links.c.chat_id == bindparam("chat_id"),
        entry_links.c.bound_at.is_(None),
        entry_links.c.visit_id.is_not(None),
    )
    .order_by(entry_links.c.id.desc())
    .limit(10)
)
_SET_BOUND = Statement(
    update(entry_links).where(entry_links.c.id == bindparam("link_id")).values(changes("bound_at"))
)


def announce(
    tx: Transaction,
    account_id: int,
    code_hash: str,
    *,
    short_code: str,
    source_id: int,
    visit_id: int,
    page_url: str,
    page_title: str,
    now: datetime,
) -> EntryLink:
    """Say which visit the code stands for, unless that has been said; the row is held."""
    return _link(
        returned(
            tx.row(
                _ANNOUNCE,
                account_id=account_id,
                code_hash=code_hash,
                short_code=short_code,
                source_id=source_id,
                visit_id=visit_id,
                page_url=page_url,
                page_title=page_title,
                announced_at=to_ms(now),
                created_at=to_ms(now),
            )
        )
    )


def bring(
    tx: Transaction, account_id: int, code_hash: str, *, channel_id: int, chat_id: str, now: datetime
) -> EntryLink:
    """Note that a chat has brought the code, unless another had before; the row is held."""
    return _link(
        returned(
            tx.row(
                _BRING,
                account_id=account_id,
                code_hash=code_hash,
                page_url="",
                page_title="",
                channel_id=channel_id,
                chat_id=chat_id,
                brought_at=to_ms(now),
                created_at=to_ms(now),
            )
        )
    )


def find_link(tx: Transaction, account_id: int, code_hash: str) -> EntryLink | None:
    """The link of this code, without holding it."""
    row = tx.row(_FIND, account_id=account_id, code_hash=code_hash)
    return None if row is None else _link(row)


def list_short(tx: Transaction, account_id: int, short_code: str, since: datetime) -> list[EntryLink]:
    """The same as `lock_short`, without holding them."""
    rows = tx.rows(_FIND_SHORT, account_id=account_id, short_code=short_code, since=to_ms(since))
    return [_link(row) for row in rows]


def lock_short(tx: Transaction, account_id: int, short_code: str, since: datetime) -> list[EntryLink]:
    """Links announced since then whose short code this is: two are no answer."""
    rows = tx.rows(_LOCK_SHORT, account_id=account_id, short_code=short_code, since=to_ms(since))
    return [_link(row) for row in rows]


def take_short(tx: Transaction, link: EntryLink, *, channel_id: int, chat_id: str, now: datetime) -> None:
    """The same as `bring`, for a link that was found by its short code."""
    tx.run(
        _TAKE_SHORT,
        link_id=link.id,
        new_channel_id=channel_id,
        new_chat_id=chat_id,
        new_brought_at=to_ms(now),
    )


def list_unbound(tx: Transaction, channel_id: int, chat_id: str) -> list[EntryLink]:
    """Links that this chat has brought and whose visit is known and not bound yet, the newest first."""
    return [_link(row) for row in tx.rows(_OF_CHAT, channel_id=channel_id, chat_id=chat_id)]


def set_bound(tx: Transaction, link_id: int, now: datetime) -> None:
    tx.run(_SET_BOUND, link_id=link_id, new_bound_at=to_ms(now))


def _link(row: Row) -> EntryLink:
    return EntryLink(
        id=row["id"],
        source_id=row["source_id"],
        visit_id=row["visit_id"],
        page_url=row["page_url"],
        page_title=row["page_title"],
        announced_at=_moment(row["announced_at"]),
        channel_id=row["channel_id"],
        chat_id=row["chat_id"],
        brought_at=_moment(row["brought_at"]),
        bound_at=_moment(row["bound_at"]),
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
