"""SQL of channels, of the events that came through them, and of their logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, func, null, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.named import changes, columns
from knopka.db.statement import Statement
from knopka.db.tables import channel_cursors, channel_events, channel_log, channels, deliveries
from knopka.domain.catalog import ChannelSetup, ChannelState
from knopka.domain.messaging import ChannelEvent, ChannelId, ChannelKind, Finding, Level

_decode_findings = msgspec.json.Decoder(tuple[Finding, ...]).decode
_decode_values = msgspec.json.Decoder(dict[str, str]).decode
_decode_ids = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_event = msgspec.json.Decoder(ChannelEvent).decode

_LIST = Statement(
    select(channels)
    .where(channels.c.account_id == bindparam("account_id"), channels.c.removed_at.is_(None))
    .order_by(channels.c.id)
)
_LOCK = Statement(
    select(channels)
    .where(
        channels.c.account_id == bindparam("account_id"),
        channels.c.id == bindparam("channel_id"),
        channels.c.removed_at.is_(None),
    )
    .with_for_update()
)
_INSERT = Statement(
    insert(channels)
    .values(
        columns(
            "account_id", "kind", "title", "path", "link", "needs_app", "source_ids", "is_enabled",
            "is_polling", "state", "findings", "settings", "secrets", "created_at", "changed_at",
        )
    )
    .returning(channels.c.id)
)  # fmt: skip
_UPDATE = Statement(
    update(channels)
    .where(channels.c.account_id == bindparam("account"), channels.c.id == bindparam("channel_id"))
    .values(
        changes(
            "title", "link", "needs_app", "source_ids", "is_enabled", "is_polling", "state", "findings",
            "settings", "secrets", "changed_at",
        )
    )
)  # fmt: skip
_REMOVE = Statement(
    update(channels)
    .where(
        channels.c.account_id == bindparam("account"),
        channels.c.id == bindparam("channel_id"),
        channels.c.removed_at.is_(None),
    )
    .values(changes("removed_at", "secrets"))
)

_INSERT_EVENT = Statement(
    insert(channel_events)
    .values(columns("account_id", "channel_id", "identity", "event", "at"))
    .on_conflict_do_nothing(index_elements=["channel_id", "identity"])
    .returning(channel_events.c.id)
)
_FIND_EVENT = Statement(
    select(channel_events).where(
        channel_events.c.account_id == bindparam("account_id"), channel_events.c.id == bindparam("event_id")
    )
)
_LET_WAIT = Statement(
    update(channel_events)
    .where(channel_events.c.account_id == bindparam("account"), channel_events.c.id == bindparam("event_id"))
    .values(changes("waits_for"))
)
_END_WAIT = Statement(
    update(channel_events)
    .where(
        channel_events.c.channel_id == bindparam("of_channel"),
        channel_events.c.waits_for == bindparam("what"),
    )
    .values(waits_for=null())
    .returning(channel_events.c.id, channel_events.c.at)
)
_LAST_EVENT = Statement(
    select(channel_events.c.at)
    .where(channel_events.c.channel_id == bindparam("channel_id"))
    .order_by(channel_events.c.id.desc())
    .limit(1)
)
_FIND_CURSOR = Statement(
    select(channel_cursors.c.cursor).where(channel_cursors.c.channel_id == bindparam("channel_id"))
)
_SET_CURSOR = Statement(
    insert(channel_cursors)
    .values(columns("account_id", "channel_id", "cursor"))
    .on_conflict_do_update(index_elements=["channel_id"], set_={"cursor": bindparam("cursor")})
)
_APPEND_LOG = Statement(
    insert(channel_log).values(columns("account_id", "channel_id", "level", "code", "detail", "at"))
)
_LAST_FAULT = Statement(
    select(channel_log)
    .where(channel_log.c.channel_id == bindparam("channel_id"), channel_log.c.level != Level.OK.value)
    .order_by(channel_log.c.id.desc())
    .limit(1)
)
_LIST_LOG = Statement(
    select(channel_log)
    .where(channel_log.c.channel_id == bindparam("channel_id"))
    .order_by(channel_log.c.id.desc())
    .limit(bindparam("most"))
)
_COUNT_WAITING = Statement(
    select(func.count().label("waiting")).where(
        deliveries.c.channel_id == bindparam("channel_id"), deliveries.c.state == bindparam("state")
    )
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One thing that happened to a channel."""

    level: Level
    code: str
    detail: str
    at: datetime


def list_channels(tx: Transaction, account_id: int) -> list[ChannelSetup]:
    return [_channel(row) for row in tx.rows(_LIST, account_id=account_id)]


def lock_channel(tx: Transaction, account_id: int, channel_id: int) -> ChannelSetup | None:
    """The channel, whose row is held until the transaction ends; None when it was removed."""
    row = tx.row(_LOCK, account_id=account_id, channel_id=channel_id)
    return None if row is None else _channel(row)


def insert_channel(
    tx: Transaction,
    account_id: int,
    *,
    kind: ChannelKind,
    path: str,
    source_ids: tuple[int, ...] | None,
    now: datetime,
) -> ChannelId:
    """A new channel that nothing is known of yet; its secrets are sealed for its id and stored next."""
    row = tx.row(
        _INSERT,
        account_id=account_id,
        kind=kind.value,
        title="",
        path=path,
        link="",
        needs_app=False,
        source_ids=_encode_ids(source_ids),
        is_enabled=True,
        is_polling=False,
        state=ChannelState.NEW.value,
        findings="[]",
        settings="{}",
        secrets="",
        created_at=to_ms(now),
        changed_at=to_ms(now),
    )
    assert row is not None  # noqa: S101  # RETURNING gives the row that was inserted
    return ChannelId(row["id"])


def update_channel(tx: Transaction, account_id: int, channel: ChannelSetup, now: datetime) -> None:
    """Store the channel as it is now."""
    tx.run(
        _UPDATE,
        account=account_id,
        channel_id=channel.id,
        new_title=channel.title,
        new_link=channel.link,
        new_needs_app=channel.needs_app,
        new_source_ids=_encode_ids(channel.source_ids),
        new_is_enabled=channel.is_enabled,
        new_is_polling=channel.is_polling,
        new_state=channel.state.value,
        new_findings=_encode(channel.findings),
        new_settings=_encode(dict(channel.values)),
        new_secrets=channel.secrets,
        new_changed_at=to_ms(now),
    )


def remove_channel(tx: Transaction, account_id: int, channel_id: int, now: datetime) -> bool:
    """Forget the channel and its secrets; its conversations stay. Whether there was one."""
    return bool(
        tx.run(_REMOVE, account=account_id, channel_id=channel_id, new_removed_at=to_ms(now), new_secrets="")
    )


def insert_event(
    tx: Transaction, account_id: int, channel_id: int, identity: str, event: ChannelEvent, now: datetime
) -> int | None:
    """Keep an event that came; None when the same one came before, however long ago."""
    row = tx.row(
        _INSERT_EVENT,
        account_id=account_id,
        channel_id=channel_id,
        identity=identity,
        event=_encode(event),
        at=to_ms(now),
    )
    return None if row is None else int(row["id"])


def find_event(tx: Transaction, account_id: int, event_id: int) -> ChannelEvent | None:
    """The event, unless its content has been deleted for its age."""
    row = tx.row(_FIND_EVENT, account_id=account_id, event_id=event_id)
    return None if row is None or row["event"] is None else _decode_event(row["event"])


def let_wait(tx: Transaction, account_id: int, event_id: int, waits_for: str) -> None:
    """Note what an event that was kept is about, which is not known yet."""
    tx.run(_LET_WAIT, account=account_id, event_id=event_id, new_waits_for=waits_for)


def end_wait(tx: Transaction, channel_id: int, what: str) -> list[tuple[int, datetime]]:
    """The events that have waited for this, in the order in which they came, and when that was."""
    rows = tx.rows(_END_WAIT, of_channel=channel_id, what=what)
    return sorted((row["id"], from_ms(row["at"])) for row in rows)


def find_last_event_at(tx: Transaction, channel_id: int) -> datetime | None:
    row = tx.row(_LAST_EVENT, channel_id=channel_id)
    return None if row is None else from_ms(row["at"])


def find_cursor(tx: Transaction, channel_id: int) -> str:
    """Where a poll goes on; empty before the first."""
    row = tx.row(_FIND_CURSOR, channel_id=channel_id)
    return "" if row is None else str(row["cursor"])


def set_cursor(tx: Transaction, account_id: int, channel_id: int, cursor: str) -> None:
    tx.run(_SET_CURSOR, account_id=account_id, channel_id=channel_id, cursor=cursor)


def append_log(tx: Transaction, account_id: int, channel_id: int, finding: Finding, now: datetime) -> None:
    tx.run(
        _APPEND_LOG,
        account_id=account_id,
        channel_id=channel_id,
        level=finding.level.value,
        code=finding.code,
        detail=finding.detail,
        at=to_ms(now),
    )


def find_last_fault(tx: Transaction, channel_id: int) -> LogLine | None:
    """What went wrong last."""
    row = tx.row(_LAST_FAULT, channel_id=channel_id)
    return None if row is None else _line(row)


def list_log(tx: Transaction, channel_id: int, limit: int) -> list[LogLine]:
    """The newest lines first."""
    return [_line(row) for row in tx.rows(_LIST_LOG, channel_id=channel_id, most=limit)]


def count_waiting(tx: Transaction, channel_id: int, state: str) -> int:
    """How many messages of ours are in this state."""
    row = tx.row(_COUNT_WAITING, channel_id=channel_id, state=state)
    return 0 if row is None else int(row["waiting"])


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _encode_ids(source_ids: Sequence[int] | None) -> str | None:
    return None if source_ids is None else _encode(source_ids)


def _line(row: Row) -> LogLine:
    return LogLine(Level(row["level"]), row["code"], row["detail"], from_ms(row["at"]))


def _channel(row: Mapping[str, Any]) -> ChannelSetup:
    ids = row["source_ids"]
    return ChannelSetup(
        id=ChannelId(row["id"]),
        kind=ChannelKind(row["kind"]),
        title=row["title"],
        path=row["path"],
        link=row["link"],
        needs_app=row["needs_app"],
        source_ids=None if ids is None else _decode_ids(ids),
        is_enabled=row["is_enabled"],
        is_polling=row["is_polling"],
        state=ChannelState(row["state"]),
        findings=_decode_findings(row["findings"]),
        values=_decode_values(row["settings"]),
        secrets=row["secrets"],
        created_at=from_ms(row["created_at"]),
        changed_at=from_ms(row["changed_at"]),
    )
