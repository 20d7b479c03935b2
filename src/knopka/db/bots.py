"""SQL of bots, their versions, their runs and the log of each run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.named import changes, columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import bot_log, bot_runs, bot_versions, bots, conversations, leads
from knopka.domain.bot.setup import (
    Bot,
    BotRun,
    BotSettings,
    BotVersion,
    LogLine,
    read_settings,
    write_settings,
)
from knopka.domain.conversation import ConversationStatus

_NOT_REMOVED = and_(bots.c.account_id == bindparam("account_id"), bots.c.removed_at.is_(None))
_LIST = Statement(select(bots).where(_NOT_REMOVED).order_by(bots.c.id))
_GET = Statement(select(bots).where(_NOT_REMOVED, bots.c.id == bindparam("bot_id")))
_LOCK = Statement(select(bots).where(_NOT_REMOVED, bots.c.id == bindparam("bot_id")).with_for_update())
_INSERT = Statement(
    insert(bots)
    .values(
        columns("account_id", "name", "is_enabled", "last_version", "settings", "created_at", "changed_at")
    )
    .returning(bots.c.id)
)
_UPDATE = Statement(
    update(bots)
    .where(bots.c.account_id == bindparam("account"), bots.c.id == bindparam("of_id"))
    .values(
        changes(
            "name", "is_enabled", "published_version", "last_version", "settings", "changed_at", "removed_at"
        )
    )
)

_INSERT_VERSION = Statement(
    insert(bot_versions).values(
        columns("account_id", "bot_id", "version", "script", "note", "author", "created_at")
    )
)
_OF_BOT = and_(
    bot_versions.c.account_id == bindparam("account_id"), bot_versions.c.bot_id == bindparam("bot_id")
)
_GET_VERSION = Statement(select(bot_versions).where(_OF_BOT, bot_versions.c.version == bindparam("version")))
_LIST_VERSIONS = Statement(
    select(bot_versions)
    .where(_OF_BOT, bot_versions.c.version < bindparam("before"))
    .order_by(bot_versions.c.version.desc())
    .limit(bindparam("most"))
)

_INSERT_RUN = Statement(
    insert(bot_runs)
    .values(
        columns(
            "account_id", "bot_id", "version", "conversation_id", "lead_id", "contact_id", "state",
            "is_active", "cause", "said_seq", "calls", "lines", "started_at", "changed_at",
        )
    )
    .returning(bot_runs.c.id)
)  # fmt: skip
_GET_RUN = Statement(
    select(bot_runs).where(
        bot_runs.c.account_id == bindparam("account_id"), bot_runs.c.id == bindparam("run_id")
    )
)
_UPDATE_RUN = Statement(
    update(bot_runs)
    .where(bot_runs.c.id == bindparam("of_id"), bot_runs.c.is_active)
    .values(changes("state", "wait", "said_seq", "calls", "lines", "changed_at"))
)
_END_RUN = Statement(
    update(bot_runs)
    .where(bot_runs.c.id == bindparam("of_id"), bot_runs.c.is_active)
    .values(
        {
            **changes("ended_at", "reason", "changed_at"),
            "is_active": False,
            "wait": None,
            "lines": bot_runs.c.lines + 1,
        }
    )
    .returning(bot_runs.c.lines)
)
_COUNT_RUNS = Statement(
    select(func.count().label("runs"))
    .select_from(bot_runs)
    .where(
        bot_runs.c.conversation_id == bindparam("conversation_id"),
        bot_runs.c.started_at > bindparam("since"),
    )
)
_RUNS = (
    select(bot_runs)
    .where(bot_runs.c.account_id == bindparam("account_id"), bot_runs.c.id < bindparam("before"))
    .order_by(bot_runs.c.id.desc())
    .limit(bindparam("most"))
)
_LIST_RUNS = Statement(_RUNS)
_LIST_RUNS_OF_BOT = Statement(_RUNS.where(bot_runs.c.bot_id == bindparam("bot_id")))
_LIST_RUNS_OF_CONVERSATION = Statement(
    _RUNS.where(bot_runs.c.conversation_id == bindparam("conversation_id"))
)

_APPEND_LOG = Statement(insert(bot_log).values(columns("account_id", "run_id", "seq", "at", "line")))
_LIST_LOG = Statement(
    select(bot_log)
    .where(
        bot_log.c.account_id == bindparam("account_id"),
        bot_log.c.run_id == bindparam("run_id"),
        bot_log.c.seq > bindparam("after"),
    )
    .order_by(bot_log.c.seq)
    .limit(bindparam("most"))
)

_SET_BOT_RUN = Statement(
    update(conversations)
    .where(conversations.c.account_id == bindparam("account"), conversations.c.id == bindparam("of_id"))
    .values(changes("bot_run_id", "changed_at"))
)
_OF_LEAD_WITH_RUN = Statement(
    select(conversations)
    .where(
        conversations.c.account_id == bindparam("account_id"),
        conversations.c.lead_id == bindparam("lead_id"),
        conversations.c.bot_run_id.is_not(None),
    )
    .order_by(conversations.c.id)
    .with_for_update()
)
_WITH_RUN_OF_BOT = Statement(
    select(bot_runs.c.conversation_id)
    .where(
        bot_runs.c.account_id == bindparam("account_id"),
        bot_runs.c.bot_id == bindparam("bot_id"),
        bot_runs.c.is_active,
    )
    .order_by(bot_runs.c.id)
    .limit(bindparam("most"))
)
_LATEST_OF_LEAD = Statement(
    select(conversations)
    .where(
        conversations.c.account_id == bindparam("account_id"), conversations.c.lead_id == bindparam("lead_id")
    )
    .order_by(conversations.c.last_message_at.desc(), conversations.c.id.desc())
    .limit(bindparam("most"))
)
# A slice of the conversations in which a schedule may start a bot; their ids lead from one to the next.
_SCHEDULED = Statement(
    select(
        conversations.c.id,
        conversations.c.status,
        conversations.c.bot_run_id,
        conversations.c.chat_gone,
        leads.c.status_id,
    )
    .join(leads, leads.c.id == conversations.c.lead_id, isouter=True)
    .where(
        conversations.c.id > bindparam("after"),
        conversations.c.id <= bindparam("until"),
        # Not as a plain column: SQLite would walk through the account and sort.
        conversations.c.account_id + 0 == bindparam("account_id"),
    )
    .order_by(conversations.c.id)
)
_LAST_CONVERSATION = Statement(
    select(conversations.c.id.label("last"))
    .where(conversations.c.account_id == bindparam("account_id"))
    .order_by(conversations.c.id.desc())
    .limit(1)
)


# --- Bots and versions.


def list_bots(tx: Transaction, account_id: int) -> list[Bot]:
    """The bots that were not removed, the oldest first."""
    return [_bot(row) for row in tx.rows(_LIST, account_id=account_id)]


def find_bot(tx: Transaction, account_id: int, bot_id: int) -> Bot | None:
    row = tx.row(_GET, account_id=account_id, bot_id=bot_id)
    return None if row is None else _bot(row)


def lock_bot(tx: Transaction, account_id: int, bot_id: int) -> Bot | None:
    row = tx.row(_LOCK, account_id=account_id, bot_id=bot_id)
    return None if row is None else _bot(row)


def insert_bot(tx: Transaction, account_id: int, name: str, settings: BotSettings, now: datetime) -> int:
    row = tx.row(
        _INSERT,
        account_id=account_id,
        name=name,
        is_enabled=True,
        last_version=0,
        settings=write_settings(settings),
        created_at=to_ms(now),
        changed_at=to_ms(now),
    )
    return int(returned(row)["id"])


def update_bot(tx: Transaction, account_id: int, bot: Bot, now: datetime) -> None:
    tx.run(
        _UPDATE,
        account=account_id,
        of_id=bot.id,
        new_name=bot.name,
        new_is_enabled=bot.is_enabled,
        new_published_version=bot.published_version,
        new_last_version=bot.last_version,
        new_settings=write_settings(bot.settings),
        new_changed_at=to_ms(now),
        new_removed_at=None if bot.removed_at is None else to_ms(bot.removed_at),
    )


def insert_version(tx: Transaction, account_id: int, version: BotVersion) -> None:
    tx.run(
        _INSERT_VERSION,
        account_id=account_id,
        bot_id=version.bot_id,
        version=version.version,
        script=version.script,
        note=version.note,
        author=version.author,
        created_at=to_ms(version.created_at),
    )


def find_version(tx: Transaction, account_id: int, bot_id: int, version: int) -> BotVersion | None:
    row = tx.row(_GET_VERSION, account_id=account_id, bot_id=bot_id, version=version)
    return None if row is None else _version(row)


def list_versions(
    tx: Transaction, account_id: int, bot_id: int, *, before: int | None, limit: int
) -> list[BotVersion]:
    """The versions of a bot, the newest first."""
    last = 2**31 - 1 if before is None else before
    rows = tx.rows(_LIST_VERSIONS, account_id=account_id, bot_id=bot_id, before=last, most=limit)
    return [_version(row) for row in rows]


# --- Runs.


def insert_run(
    tx: Transaction, held: Row, bot: Bot, *, version: int, state: str, cause: str, now: datetime
) -> int:
    """Begin a run in the conversation, whose row is held and which no other bot talks in."""
    row = tx.row(
        _INSERT_RUN,
        account_id=held["account_id"],
        bot_id=bot.id,
        version=version,
        conversation_id=held["id"],
        lead_id=held["lead_id"],
        contact_id=held["contact_id"],
        state=state,
        is_active=True,
        cause=cause,
        said_seq=0,
        calls="[]",
        lines=0,
        started_at=to_ms(now),
        changed_at=to_ms(now),
    )
    return int(returned(row)["id"])


def find_run(tx: Transaction, account_id: int, run_id: int) -> BotRun | None:
    row = tx.row(_GET_RUN, account_id=account_id, run_id=run_id)
    return None if row is None else _run(row)


def update_run(tx: Transaction, run: BotRun, now: datetime) -> None:
    """Store how far the run has come. The row of its conversation is held."""
    tx.run(
        _UPDATE_RUN,
        of_id=run.id,
        new_state=run.state,
        new_wait=run.wait,
        new_said_seq=run.said_seq,
        new_calls=json.dumps(run.calls),
        new_lines=run.lines,
        new_changed_at=to_ms(now),
    )


def end_run(tx: Transaction, run_id: int, reason: str, now: datetime) -> int | None:
    """The number for the last line of its log, or None when the run had ended before."""
    at = to_ms(now)
    row = tx.row(_END_RUN, of_id=run_id, new_ended_at=at, new_reason=reason, new_changed_at=at)
    return None if row is None else int(row["lines"])


def count_runs(tx: Transaction, conversation_id: int, since: datetime) -> int:
    """How many runs were begun in the conversation since then."""
    row = tx.row(_COUNT_RUNS, conversation_id=conversation_id, since=to_ms(since))
    return int(returned(row)["runs"])


def list_runs(
    tx: Transaction,
    account_id: int,
    *,
    bot_id: int | None,
    conversation_id: int | None,
    before: int | None,
    limit: int,
) -> list[BotRun]:
    """Runs, the newest first: of a bot, of a conversation, or all."""
    where = {"account_id": account_id, "before": 2**62 if before is None else before, "most": limit}
    if conversation_id is not None:
        rows = tx.rows(_LIST_RUNS_OF_CONVERSATION, conversation_id=conversation_id, **where)
    elif bot_id is not None:
        rows = tx.rows(_LIST_RUNS_OF_BOT, bot_id=bot_id, **where)
    else:
        rows = tx.rows(_LIST_RUNS, **where)
    return [_run(row) for row in rows]


def append_log(
    tx: Transaction, account_id: int, run_id: int, seq: int, line: Mapping[str, Any], now: datetime
) -> None:
    text = msgspec.json.encode(line).decode()
    tx.run(_APPEND_LOG, account_id=account_id, run_id=run_id, seq=seq, at=to_ms(now), line=text)


def list_log(tx: Transaction, account_id: int, run_id: int, *, after: int, limit: int) -> list[LogLine]:
    rows = tx.rows(_LIST_LOG, account_id=account_id, run_id=run_id, after=after, most=limit)
    return [LogLine(row["seq"], from_ms(row["at"]), msgspec.json.decode(row["line"])) for row in rows]


# --- Conversations, as bots see them.


def set_bot_run(tx: Transaction, held: Row, run_id: int | None, now: datetime) -> None:
    """Store which run talks in the conversation, whose row is held."""
    tx.run(
        _SET_BOT_RUN,
        account=held["account_id"],
        of_id=held["id"],
        new_bot_run_id=run_id,
        new_changed_at=to_ms(now),
    )


def lock_talks_of_lead(tx: Transaction, account_id: int, lead_id: int) -> list[Row]:
    """The lead's conversations in which a bot talks, held."""
    return tx.rows(_OF_LEAD_WITH_RUN, account_id=account_id, lead_id=lead_id)


def list_talks_of_bot(tx: Transaction, account_id: int, bot_id: int, most: int) -> list[int]:
    """Conversations in which the bot talks."""
    rows = tx.rows(_WITH_RUN_OF_BOT, account_id=account_id, bot_id=bot_id, most=most)
    return [row["conversation_id"] for row in rows]


def list_latest_of_lead(tx: Transaction, account_id: int, lead_id: int, most: int) -> list[Row]:
    """The lead's conversations, the one with the newest message first; none is held."""
    return tx.rows(_LATEST_OF_LEAD, account_id=account_id, lead_id=lead_id, most=most)


def list_scheduled(
    tx: Transaction, account_id: int, statuses: Collection[int], *, after: int, until: int
) -> list[int]:
    """Of conversations by their ids the open ones without a bot, whose lead stands in one of the stages."""
    rows = tx.rows(_SCHEDULED, account_id=account_id, after=after, until=until)
    return [row["id"] for row in rows if row["status_id"] in statuses and _may_be_talked_to(row)]


def _may_be_talked_to(row: Row) -> bool:
    """Whether a conversation is open, can be reached and has no bot."""
    is_open = row["status"] == ConversationStatus.OPEN.value
    return is_open and row["bot_run_id"] is None and row["chat_gone"] is None


def find_last_conversation(tx: Transaction, account_id: int) -> int:
    row = tx.row(_LAST_CONVERSATION, account_id=account_id)
    return 0 if row is None else int(row["last"])


def _bot(row: Row) -> Bot:
    return Bot(
        id=row["id"],
        name=row["name"],
        is_enabled=row["is_enabled"],
        published_version=row["published_version"],
        last_version=row["last_version"],
        settings=read_settings(row["settings"]),
        created_at=from_ms(row["created_at"]),
        changed_at=from_ms(row["changed_at"]),
        removed_at=None if row["removed_at"] is None else from_ms(row["removed_at"]),
    )


def _version(row: Row) -> BotVersion:
    return BotVersion(
        bot_id=row["bot_id"],
        version=row["version"],
        script=row["script"],
        note=row["note"],
        author=row["author"],
        created_at=from_ms(row["created_at"]),
    )


def _run(row: Row) -> BotRun:
    return BotRun(
        id=row["id"],
        bot_id=row["bot_id"],
        version=row["version"],
        conversation_id=row["conversation_id"],
        lead_id=row["lead_id"],
        contact_id=row["contact_id"],
        state=row["state"],
        is_active=row["is_active"],
        wait=row["wait"],
        cause=row["cause"],
        said_seq=row["said_seq"],
        calls=tuple(json.loads(row["calls"])),
        lines=row["lines"],
        started_at=from_ms(row["started_at"]),
        changed_at=from_ms(row["changed_at"]),
        ended_at=None if row["ended_at"] is None else from_ms(row["ended_at"]),
        reason=row["reason"],
    )
