"""What starts a bot, moves its run on and ends it: each cause promises a step in its own transaction.

The steps themselves are services/bot_steps.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from knopka.db import bots as db
from knopka.db import catalog as db_catalog
from knopka.db import conversations as db_conversations
from knopka.db import crm as db_crm
from knopka.db.clock import MILLISECOND, from_ms, to_ms
from knopka.db.database import Row, Transaction
from knopka.db.jobs import clear_timer, insert_job, set_timer
from knopka.domain.bot.setup import (
    Bot,
    FirstMessage,
    IncomingLead,
    KeyAction,
    Keyword,
    NoAnswer,
    Schedule,
    StageChange,
    Start,
    holds_word,
    name_start,
    pick,
)
from knopka.domain.bot.state import EndReason, RunState
from knopka.domain.bot.state_json import write_state
from knopka.domain.catalog import Catalog
from knopka.domain.conversation import ConversationStatus, Message, Operator
from knopka.domain.crm import LOST, WON
from knopka.domain.errors import Conflict, Fault, InvalidInput, NotFound
from knopka.domain.messaging import ChannelKind, Direction
from knopka.domain.meta import Entity
from knopka.services import events
from knopka.services.catalog import ACCOUNT
from knopka.services.repeats import is_first

EVENT = "bot.event"
"""The kind of the job that takes a run one event further."""
WAKE = "bot.wake"
"""The kind of the timer of a run that waits; its job does the same."""
SILENCE = "bot.silence"
"""The kind of the timer that runs while a visitor waits for an answer."""
SCHEDULE = "bot.schedule"
"""The kind of the timer of a bot's hours."""

_MESSAGE_KEY = re.compile(r"bot:([0-9]{1,18}):([0-9]{1,9})")
HOUR = timedelta(hours=1)
MOST_RUNS = 30
"""Runs an hour in one conversation (security.md §4)."""
_TOO_OFTEN = f"Bots have been started {MOST_RUNS} times within an hour there."
MOST_LINES = 1_000
"""Lines in the log of one run; the last one tells why it ended, and comes in any case."""
MOST_TALKS = 20
"""How many conversations of a card are looked at for one that a bot can talk in."""
LATEST = timedelta(hours=1)
"""How late an hour may still be rung."""
PAGES_WORD = timedelta(seconds=3)
"""How long a bot waits for the page to tell whose visit a chat is, where the visitor was quicker."""
SLICE = 500
"""Conversations, by their ids, that one job of a schedule looks at."""


def lane(conversation_id: int) -> str:
    """The key of everything that moves bots in one conversation: it keeps its order."""
    return f"bot:{conversation_id}"


def schedule_key(bot_id: int) -> str:
    return f"bot-schedule:{bot_id}"


# --- Begin, move on, end.


def start(
    tx: Transaction, bot: Bot, held: Row, cause: str, *, wait: timedelta | None = None, now: datetime
) -> int | None:
    """Begin a run of the bot in a conversation whose row is held, and promise its first step, after a wait.

    None when a bot talks there already, when the bot has no published version,
    or after 30 runs within an hour.
    """
    current = db_conversations.find_row(tx, held["account_id"], held["id"])
    if current is None or current["bot_run_id"] is not None or bot.published_version is None:
        return None  # the row as handed in may be older than what this transaction has written
    if db.count_runs(tx, held["id"], now - HOUR) >= MOST_RUNS:
        return None
    state = write_state(RunState(started_at=now))
    run_id = db.insert_run(tx, current, bot, version=bot.published_version, state=state, cause=cause, now=now)
    db.set_bot_run(tx, held, run_id, now)
    started = {"type": "started"}
    if wait is None:
        promise(tx, held["id"], run_id, started)
    else:
        payload = job_payload(held["id"], run_id, started)
        set_timer(tx, ACCOUNT, WAKE, lane(held["id"]), payload, now + wait)
    return run_id


def promise(tx: Transaction, conversation_id: int, run_id: int, event: Mapping[str, Any]) -> None:
    """Have the run taken one event further, after all that came before in its conversation."""
    insert_job(tx, ACCOUNT, lane(conversation_id), EVENT, job_payload(conversation_id, run_id, event))


def job_payload(conversation_id: int, run_id: int, event: Mapping[str, Any]) -> dict[str, Any]:
    return {"conversation": conversation_id, "run": run_id, "event": dict(event)}


def stop(tx: Transaction, held: Row, reason: EndReason, *, bot_id: int | None = None, now: datetime) -> bool:
    """End the run that talks in a conversation whose row is held. Whether there was one (of this bot)."""
    if held["bot_run_id"] is None:
        return False
    run = db.find_run(tx, held["account_id"], held["bot_run_id"])
    if run is None or bot_id not in (None, run.bot_id):
        return False
    return end(tx, held, run.id, reason, now=now)


def end(
    tx: Transaction, held: Row, run_id: int, reason: EndReason, *, detail: str = "", now: datetime
) -> bool:
    """End this run, with the reason in its log. Whether it had not ended before."""
    seq = db.end_run(tx, run_id, reason.value, now)
    if seq is None:
        return False
    clear_timer(tx, held["account_id"], WAKE, lane(held["id"]))
    db.set_bot_run(tx, held, None, now)
    line = {"handler": "", "note": "ended", "detail": reason.value, "seen": {"why": detail} if detail else {}}
    db.append_log(tx, held["account_id"], run_id, seq, line, now)
    return True


# --- What happens in conversations.


def notice_message(
    tx: Transaction,
    catalog: Catalog,
    held: Row,
    message: Message,
    *,
    is_first: bool,
    opens_lead: bool,
    is_visit_to_come: bool = False,
    now: datetime,
) -> None:
    """The visitor has written, pressed a button, or opened a chat by its START: answer a bot or start one.

    `held` is the conversation as it stood before the message; `opens_lead` tells that the
    message has made the lead that it belongs to; `is_visit_to_come` that the chat has brought a
    code of which the page has not told yet whose it is: without it a bot would know no name.
    """
    is_word = message.direction is Direction.IN
    if held["bot_run_id"] is not None:
        if is_word:
            promise(tx, held["id"], held["bot_run_id"], _answer(message, held["bot_run_id"]))
    elif catalog.bots:
        found = _pick(catalog.bots, held, _wants_message(message, is_first=is_first, opens_lead=opens_lead))
        if found is not None:
            bot, cause = found
            wait = PAGES_WORD if is_visit_to_come else None
            start(tx, bot, held, name_start(cause), wait=wait, now=now)
    if is_word and catalog.bots:
        _await_answer(tx, catalog.bots, held, now, since=now)


def _answer(message: Message, run_id: int) -> dict[str, Any]:
    """The event of an answer. A button of an earlier run says its label and no more."""
    pressed = message.pressed
    own = pressed if pressed is not None and pressed.run == run_id else None
    return {
        "type": "answered",
        "text": message.text,
        "seq": message.seq,
        "option": None if own is None else own.option,
        "wait": None if own is None else own.wait,
    }


def _wants_message(message: Message, *, is_first: bool, opens_lead: bool) -> Callable[[Start], bool]:
    is_word = message.direction is Direction.IN

    def wants(start: Start) -> bool:
        match start:
            case FirstMessage():
                return is_first
            case IncomingLead():
                return opens_lead
            case Keyword():
                return is_word and holds_word(start, message.text)
            case _:
                return False

    return wants


def _pick(bots: Sequence[Bot], held: Row, wants: Callable[[Start], bool]) -> tuple[Bot, Start] | None:
    """The bot that an occasion starts in this conversation."""
    return pick(
        bots,
        wants,
        kind=ChannelKind(held["channel"]),
        channel_id=held["channel_id"],
        source_id=held["source_id"],
    )


def pick_nps(bots: Sequence[Bot], held: Row) -> Bot | None:
    """The bot that asks how it was, in this conversation."""
    here = (ChannelKind(held["channel"]), held["channel_id"], held["source_id"])
    found = (bot for bot in bots if bot.settings.is_nps and bot.may_start and bot.serves(*here))
    return min(found, key=lambda bot: (-bot.settings.priority, bot.id), default=None)


def notice_undelivered(tx: Transaction, message: Message, reason: str) -> None:
    """A message did not reach its reader; the run of a bot that said it, and still talks, is told."""
    named = None if message.bot is None else read_message_key(message.key)
    run = None if named is None else db.find_run(tx, ACCOUNT, named[0])
    if named is not None and run is not None and run.is_active:
        told = {"type": "undelivered", "reason": reason, "message": named[1]}
        promise(tx, run.conversation_id, run.id, told)


def message_key(run_id: int, number: int) -> str:
    """The key of what a run says: said again by a repeated step it is the same message."""
    return f"bot:{run_id}:{number}"


def read_message_key(key: str) -> tuple[int, int] | None:
    """The run and the number of its message."""
    found = _MESSAGE_KEY.fullmatch(key)
    return None if found is None else (int(found[1]), int(found[2]))


# --- What happens to cards.


def notice_stage(
    tx: Transaction, lead_id: int, status_id: int, *, by_run: int | None = None, now: datetime
) -> None:
    """The lead has come into a stage: its end ends the talks of bots, and the stage may start one.

    The conversations of the lead are held. `by_run` is the run that moved it, which goes on.
    """
    if status_id in (WON, LOST):
        stop_of_lead(tx, lead_id, EndReason.CLOSED, but=by_run, now=now)
    bots = [bot for bot in db.list_bots(tx, ACCOUNT) if bot.may_start]

    def wants(start: Start) -> bool:
        return isinstance(start, StageChange) and status_id in start.status_ids

    if not any(wants(start) for bot in bots for start in bot.settings.starts):
        return
    for held in _list_reachable(tx, lead_id):
        found = _pick(bots, held, wants)
        if found is not None:
            start(tx, found[0], held, name_start(found[1]), now=now)
            return


def stop_of_lead(
    tx: Transaction, lead_id: int, reason: EndReason, *, but: int | None = None, now: datetime
) -> None:
    """End what bots say in the lead's conversations, but for one run."""
    for held in db.lock_talks_of_lead(tx, ACCOUNT, lead_id):
        if held["bot_run_id"] != but:
            stop(tx, held, reason, now=now)


def _list_reachable(tx: Transaction, lead_id: int) -> list[Row]:
    """The lead's conversations that can be reached, held, the one with the newest message first."""
    found = db.list_latest_of_lead(tx, ACCOUNT, lead_id, MOST_TALKS)
    ids = [row["id"] for row in found if row["chat_gone"] is None]
    held = {number: db_conversations.lock_conversation(tx, ACCOUNT, number) for number in sorted(ids)}
    return [row for number in ids if (row := held[number]) is not None]


# --- Key actions, silence, hours.


def start_by_key_action(
    tx: Transaction, catalog: Catalog, conversation_id: int, name: str, *, now: datetime
) -> int | None:
    """A page has reported a key action: start the bot that waits for it in the visitor's conversation."""
    held = _hold(tx, conversation_id)
    folded = name.casefold().strip()

    def wants(start: Start) -> bool:
        return isinstance(start, KeyAction) and folded in (known.casefold().strip() for known in start.names)

    found = _pick(catalog.bots, held, wants)
    return None if found is None else start(tx, found[0], held, name_start(found[1]), now=now)


def _await_answer(tx: Transaction, bots: Sequence[Bot], held: Row, now: datetime, *, since: datetime) -> None:
    """Have the first bot looked for that waits for silence longer than there has been one already."""
    spans = [
        timedelta(minutes=start.minutes)
        for bot in bots
        for start in bot.settings.starts
        if isinstance(start, NoAnswer)
    ]
    due = min((since + span for span in spans if since + span > now), default=None)
    if due is not None:
        payload = {"conversation": held["id"], "since": to_ms(since)}
        set_timer(tx, ACCOUNT, SILENCE, lane(held["id"]), payload, due)


def take_silence(
    tx: Transaction, payload: Mapping[str, Any], *, catalog: Callable[[], Catalog], now: datetime
) -> None:
    """Nobody may have answered for so long: a job of the kind SILENCE. An answer makes it do nothing."""
    held = db_conversations.lock_conversation(tx, ACCOUNT, payload["conversation"])
    if held is None or held["bot_run_id"] is not None or held["status"] != ConversationStatus.OPEN.value:
        return
    if held["last_direction"] != Direction.IN.value:
        return
    since = from_ms(payload["since"])
    bots = catalog().bots

    def wants(start: Start) -> bool:
        return isinstance(start, NoAnswer) and since + timedelta(minutes=start.minutes) <= now

    found = _pick(bots, held, wants)
    if found is None or start(tx, found[0], held, name_start(found[1]), now=now) is None:
        _await_answer(tx, bots, held, now, since=since)


def set_schedule(tx: Transaction, bot: Bot, *, now: datetime) -> None:
    """Have the next of the bot's hours be rung; none for a bot that has none, or may not start."""
    zone = _find_zone(tx)
    dues = [schedule.next_after(now, zone) for schedule in _list_schedules(bot)]
    if dues and bot.may_start:
        payload = {"bot": bot.id, "due": to_ms(min(dues)), "after": 0}
        set_timer(tx, ACCOUNT, SCHEDULE, schedule_key(bot.id), payload, min(dues))
    else:
        clear_timer(tx, ACCOUNT, SCHEDULE, schedule_key(bot.id))


def _list_schedules(bot: Bot) -> list[Schedule]:
    return [start for start in bot.settings.starts if isinstance(start, Schedule)]


def take_schedule(tx: Transaction, payload: Mapping[str, Any], *, now: datetime) -> None:
    """A bot's hour, or the next slice of its conversations: a job of the kind SCHEDULE.

    An hour that comes too late, because we were away, is left out.
    """
    bot = db.find_bot(tx, ACCOUNT, payload["bot"])
    if bot is None or not bot.may_start:
        return
    due, after = from_ms(payload["due"]), payload["after"]
    if after == 0:
        set_schedule(tx, bot, now=now)
    if now < due + LATEST:
        zone = _find_zone(tx)
        rung = [plan for plan in _list_schedules(bot) if plan.next_after(due - MILLISECOND, zone) == due]
        _start_slice(tx, bot, rung, payload, now)


def _start_slice(
    tx: Transaction, bot: Bot, schedules: Sequence[Schedule], payload: Mapping[str, Any], now: datetime
) -> None:
    after = payload["after"]
    until = after + SLICE
    statuses = {status for schedule in schedules for status in schedule.status_ids}
    for conversation_id in db.list_scheduled(tx, ACCOUNT, statuses, after=after, until=until):
        held = db_conversations.lock_conversation(tx, ACCOUNT, conversation_id)
        if held is not None and bot.serves(
            ChannelKind(held["channel"]), held["channel_id"], held["source_id"]
        ):
            start(tx, bot, held, "schedule", now=now)
    if db.find_last_conversation(tx, ACCOUNT) > until:
        insert_job(tx, ACCOUNT, schedule_key(bot.id), SCHEDULE, {**payload, "after": until})


def _find_zone(tx: Transaction) -> ZoneInfo:
    account = db_catalog.find_account(tx, ACCOUNT)
    return find_zone("UTC" if account is None else account.timezone)


def find_zone(timezone: str) -> ZoneInfo:
    """The account's time zone; where the system does not know it, UTC."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


# --- By a person, and by the API.


def start_by_hand(
    tx: Transaction, operator: Operator, conversation_id: int, bot_id: int, key: str, *, now: datetime
) -> int | None:
    """An operator starts a bot in a conversation; it takes the place of one that talks there.

    The same key again starts nothing more, and gives None. Raises Conflict when the bot cannot start.
    """
    held = _hold(tx, conversation_id)
    bot = _get_startable(tx, bot_id)
    if not is_first(tx, ACCOUNT, f"conversation:{conversation_id}:bot", key, operator.id, bot_id, now=now):
        return None
    return _replace(tx, bot, held, now)


def start_in(tx: Transaction, bot_id: int, conversation_id: int, *, now: datetime) -> int:
    """Start a bot in a conversation, in the place of one that talks there. Gives the run's id.

    Raises NotFound, and Conflict when the bot cannot start.
    """
    held = _hold(tx, conversation_id)
    return _replace(tx, _get_startable(tx, bot_id), held, now)


def _replace(tx: Transaction, bot: Bot, held: Row, now: datetime) -> int:
    stop(tx, held, EndReason.REPLACED, now=now)
    run_id = start(tx, bot, held, "manual", now=now)
    if run_id is None:
        raise Conflict(_TOO_OFTEN)
    events.publish_conversation(tx, ACCOUNT, held["id"], None)
    return run_id


def stop_in(tx: Transaction, conversation_id: int, bot_id: int | None = None, *, now: datetime) -> bool:
    """Stop the bot that talks in a conversation, if it is this one; whether it was. Raises NotFound."""
    return _stop_and_tell(tx, _hold(tx, conversation_id), EndReason.OPERATOR, bot_id, now)


def start_for_card(
    tx: Transaction,
    bot_id: int,
    entity: Entity,
    card_id: int,
    can_be_answered: Callable[[Row], bool],
    *,
    now: datetime,
) -> int:
    """Start a bot on a lead or a contact: in its conversation with the newest message, of those that can
    be answered. Gives the run's id.

    Raises NotFound when there is no such bot or card, InvalidInput when nobody can be
    reached, and Conflict when the bot cannot start or another one talks there.
    """
    bot = _get_startable(tx, bot_id)
    talks = [
        row
        for lead_id in _list_leads(tx, entity, card_id)
        for row in db.list_latest_of_lead(tx, ACCOUNT, lead_id, MOST_TALKS)
        if can_be_answered(row)
    ]
    newest = max(talks, key=lambda row: (row["last_message_at"] or 0, row["id"]), default=None)
    if newest is None:
        message = "Nobody can be reached: there is no conversation of this card that a bot may answer in now."
        raise InvalidInput(Fault("$.entity_id", "not_reachable", message))
    held = _hold(tx, newest["id"])
    if held["bot_run_id"] is not None:
        raise Conflict("A bot talks there already.")
    run_id = start(tx, bot, held, "api", now=now)
    if run_id is None:
        raise Conflict(_TOO_OFTEN)
    events.publish_conversation(tx, ACCOUNT, held["id"], None)
    return run_id


def stop_for_card(tx: Transaction, bot_id: int, entity: Entity, card_id: int, *, now: datetime) -> int:
    """The API stops a bot on a lead or a contact. How many talks were ended. Raises NotFound."""
    if db.find_bot(tx, ACCOUNT, bot_id) is None:
        raise NotFound("There is no such bot.")
    talks = [
        held
        for lead_id in sorted(_list_leads(tx, entity, card_id))
        for held in db.lock_talks_of_lead(tx, ACCOUNT, lead_id)
    ]
    return sum(_stop_and_tell(tx, held, EndReason.STOPPED_BY_API, bot_id, now) for held in talks)


def _stop_and_tell(tx: Transaction, held: Row, reason: EndReason, bot_id: int | None, now: datetime) -> bool:
    is_stopped = stop(tx, held, reason, bot_id=bot_id, now=now)
    if is_stopped:
        events.publish_conversation(tx, ACCOUNT, held["id"], None)
    return is_stopped


def _get_startable(tx: Transaction, bot_id: int) -> Bot:
    bot = db.find_bot(tx, ACCOUNT, bot_id)
    if bot is None:
        raise NotFound("There is no such bot.")
    if not bot.may_start:
        raise Conflict("The bot is switched off, or no version of it is published.")
    return bot


def _list_leads(tx: Transaction, entity: Entity, card_id: int) -> list[int]:
    """The lead, or the contact's leads, the newest first. Raises NotFound."""
    if entity is Entity.LEAD:
        if db_crm.find_lead(tx, ACCOUNT, card_id) is None:
            raise NotFound("There is no such lead.")
        return [card_id]
    if db_crm.find_contact(tx, ACCOUNT, card_id) is None:
        raise NotFound("There is no such contact.")
    return db_crm.list_lead_ids(tx, ACCOUNT, card_id)


def _hold(tx: Transaction, conversation_id: int) -> Row:
    held = db_conversations.lock_conversation(tx, ACCOUNT, conversation_id)
    if held is None:
        raise NotFound("There is no such conversation.")
    return held
