"""What authors of bots do: write versions, publish one, say when it starts, and read what runs did."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from knopka.db import bots as db
from knopka.db import conversations as db_conversations
from knopka.db import crm as db_crm
from knopka.db.database import Transaction
from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.script import Script
from knopka.domain.bot.setup import Bot, BotRun, BotSettings, BotVersion, LogLine, parse_settings
from knopka.domain.bot.state import EndReason
from knopka.domain.errors import Conflict, Fault, InvalidInput, NotFound
from knopka.domain.meta import MAX_NAME
from knopka.domain.text import clean_name
from knopka.services import bot_runs
from knopka.services.catalog import ACCOUNT
from knopka.services.repeats import is_first

MAX_NOTE = 1_000
MOST_BOTS = 200
MOST_ENDED = 500
"""Most talks that the removal of a bot ends at once; the rest end with their next event."""
LINES = 1_000
"""How many lines of a log are read at once: no run has more (bot_runs.MOST_LINES)."""


@dataclass(frozen=True, slots=True)
class Put:
    """A new version, and what was understood of it: its warnings among the rest."""

    bot: Bot
    version: BotVersion
    script: Script


@dataclass(frozen=True, slots=True)
class RunWithLog:
    run: BotRun
    lines: tuple[LogLine, ...]


def add_bot(tx: Transaction, name: str, key: str, *, settings: Any = None, now: datetime) -> Bot:
    """Add a bot without any script: it starts nowhere before a version is published.

    The same key again is the same bot. Raises InvalidInput for a bad name or bad settings.
    """
    name = _parse_name(name)
    parsed = BotSettings() if settings is None else parse_settings(settings)
    if not is_first(tx, ACCOUNT, "bots", key, name, settings, now=now):
        known = db_crm.find_answer(tx, ACCOUNT, "bots", key)
        return get_bot(tx, 0 if known is None else int(known["answer"]))
    if len(db.list_bots(tx, ACCOUNT)) >= MOST_BOTS:
        raise Conflict(f"There are {MOST_BOTS} bots already; remove one that is not needed.")
    bot_id = db.insert_bot(tx, ACCOUNT, name, parsed, now)
    db_crm.keep_answer(tx, ACCOUNT, "bots", key, str(bot_id))
    return get_bot(tx, bot_id)


def _parse_name(name: str) -> str:
    cleaned = clean_name(name)
    if not 0 < len(cleaned) <= MAX_NAME:
        raise InvalidInput(Fault("$.name", "bad_length", f"a name has 1 to {MAX_NAME} characters"))
    return cleaned


def put_version(
    tx: Transaction,
    bot_id: int,
    script: bytes,
    key: str,
    *,
    author: str,
    note: str = "",
    is_published: bool = False,
    now: datetime,
) -> Put:
    """Keep a new version of the bot's script, and publish it if wanted: else what is published stays so.

    Raises ScriptError with every fault when the script cannot be run. The same
    key again is the same version.
    """
    parsed = parse_script(script)
    text = script.decode()
    scope = f"bot:{bot_id}:version"
    bot = _hold(tx, bot_id)
    if not is_first(tx, ACCOUNT, scope, key, text, note, now=now):
        known = db_crm.find_answer(tx, ACCOUNT, scope, key)
        return Put(bot, get_version(tx, bot_id, 0 if known is None else int(known["answer"])), parsed)
    version = BotVersion(
        bot_id=bot_id,
        version=bot.last_version + 1,
        script=text,
        note=clean_name(note)[:MAX_NOTE],
        author=clean_name(author)[:MAX_NAME],
        created_at=now,
    )
    db.insert_version(tx, ACCOUNT, version)
    db_crm.keep_answer(tx, ACCOUNT, scope, key, str(version.version))
    published = version.version if is_published else bot.published_version
    bot = replace(bot, last_version=version.version, published_version=published)
    return Put(_store(tx, bot, now), version, parsed)


def add_with_script(
    tx: Transaction,
    name: str,
    script: bytes,
    *,
    settings: Any = None,
    author: str,
    is_published: bool,
    now: datetime,
) -> Put:
    """Add a bot with its first version, published or not: all of it or nothing."""
    key = secrets.token_hex(16)
    bot = add_bot(tx, name, key, settings=settings, now=now)
    return put_version(tx, bot.id, script, key, author=author, is_published=is_published, now=now)


def publish(tx: Transaction, bot_id: int, version: int, *, now: datetime) -> Bot:
    """Have runs that begin from now on use this version; those under way keep theirs."""
    bot = _hold(tx, bot_id)
    get_version(tx, bot_id, version)
    return _store(tx, replace(bot, published_version=version), now)


def roll_back(tx: Transaction, bot_id: int, *, now: datetime) -> Bot:
    """Publish the version before the published one. Raises Conflict when there is none."""
    bot = _hold(tx, bot_id)
    if bot.published_version is None or bot.published_version == 1:
        raise Conflict("There is no version before the published one.")
    return _store(tx, replace(bot, published_version=bot.published_version - 1), now)


def rename(tx: Transaction, bot_id: int, name: str, *, now: datetime) -> Bot:
    """Give the bot another name."""
    return _store(tx, replace(_hold(tx, bot_id), name=_parse_name(name)), now)


def set_settings(tx: Transaction, bot_id: int, settings: Any, *, now: datetime) -> Bot:
    """Say when and where the bot starts. Raises InvalidInput."""
    return _store(tx, replace(_hold(tx, bot_id), settings=parse_settings(settings)), now)


def enable(tx: Transaction, bot_id: int, *, is_enabled: bool, now: datetime) -> Bot:
    """Let the bot start again, or no more; one that is switched off says nothing more in talks under way."""
    bot = _store(tx, replace(_hold(tx, bot_id), is_enabled=is_enabled), now)
    if not is_enabled:
        _end_talks(tx, bot_id, now)
    return bot


def change(
    tx: Transaction,
    bot_id: int,
    *,
    name: str | None = None,
    settings: Any = None,
    is_enabled: bool | None = None,
    now: datetime,
) -> Bot:
    """Change what is given, all of it or nothing; what is left out stays."""
    bot = get_bot(tx, bot_id)
    if name is not None:
        bot = rename(tx, bot_id, name, now=now)
    if settings is not None:
        bot = set_settings(tx, bot_id, settings, now=now)
    if is_enabled is not None:
        bot = enable(tx, bot_id, is_enabled=is_enabled, now=now)
    return bot


def remove(tx: Transaction, bot_id: int, *, now: datetime) -> None:
    """Take the bot away, with the talks it has. What its runs did can still be read."""
    bot = _hold(tx, bot_id)
    _store(tx, replace(bot, is_enabled=False, removed_at=now), now)
    _end_talks(tx, bot_id, now)


def _end_talks(tx: Transaction, bot_id: int, now: datetime) -> None:
    for conversation_id in db.list_talks_of_bot(tx, ACCOUNT, bot_id, MOST_ENDED):
        held = db_conversations.lock_conversation(tx, ACCOUNT, conversation_id)
        if held is not None:
            bot_runs.stop(tx, held, EndReason.SWITCHED_OFF, bot_id=bot_id, now=now)


def _store(tx: Transaction, bot: Bot, now: datetime) -> Bot:
    bot = replace(bot, changed_at=now)
    db.update_bot(tx, ACCOUNT, bot, now)
    bot_runs.set_schedule(tx, bot, now=now)
    return bot


def _hold(tx: Transaction, bot_id: int) -> Bot:
    return _known(db.lock_bot(tx, ACCOUNT, bot_id))


def _known(bot: Bot | None) -> Bot:
    if bot is None:
        raise NotFound("There is no such bot.")
    return bot


# --- Read.


def list_bots(tx: Transaction) -> list[Bot]:
    """The bots, the oldest first."""
    return db.list_bots(tx, ACCOUNT)


def get_bot(tx: Transaction, bot_id: int) -> Bot:
    return _known(db.find_bot(tx, ACCOUNT, bot_id))


def get_version(tx: Transaction, bot_id: int, version: int) -> BotVersion:
    found = db.find_version(tx, ACCOUNT, bot_id, version)
    if found is None:
        raise NotFound(f"The bot has no version {version}.")
    return found


def list_versions(
    tx: Transaction, bot_id: int, *, before: int | None = None, limit: int = 50
) -> list[BotVersion]:
    """The versions of a bot, the newest first; `before` is the last one of the page before."""
    get_bot(tx, bot_id)
    return db.list_versions(tx, ACCOUNT, bot_id, before=before, limit=limit)


def list_runs(
    tx: Transaction,
    *,
    bot_id: int | None = None,
    conversation_id: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[BotRun]:
    """Runs, the newest first; `before` is the id of the last one of the page before."""
    return db.list_runs(
        tx, ACCOUNT, bot_id=bot_id, conversation_id=conversation_id, before=before, limit=limit
    )


def get_run(tx: Transaction, run_id: int) -> RunWithLog:
    """The run with its log, step by step. Raises NotFound."""
    run = db.find_run(tx, ACCOUNT, run_id)
    if run is None:
        raise NotFound("There is no such run.")
    return RunWithLog(run, tuple(db.list_log(tx, ACCOUNT, run_id, after=0, limit=LINES + 1)))
