"""One step of a run: an event in, its effects and its new state out, in one transaction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from knopka.db import bots as db
from knopka.db import conversations as db_conversations
from knopka.db import visitors as db_visitors
from knopka.db.database import Row, Transaction
from knopka.db.jobs import Job
from knopka.domain.bot.effects import Note, Trace
from knopka.domain.bot.engine import is_awaited, run
from knopka.domain.bot.loading import parse_continue, parse_script
from knopka.domain.bot.script import Goto, Script, Show
from knopka.domain.bot.setup import BotRun
from knopka.domain.bot.state import (
    Answered,
    Called,
    Continued,
    EndReason,
    Event,
    RunState,
    Started,
    TimerFired,
    Undelivered,
)
from knopka.domain.bot.state_json import read_state, write_state
from knopka.domain.catalog import Catalog
from knopka.domain.errors import (
    BadRequest,
    Conflict,
    DeliveryError,
    Fault,
    InvalidInput,
    NotFound,
    Retryable,
    ScriptError,
    TooLarge,
)
from knopka.domain.messaging import Channels
from knopka.domain.meta import Entity
from knopka.domain.strict_json import read_json
from knopka.outgoing import MOST_REPLY, Reply
from knopka.services import bot_runs, events
from knopka.services.bot_effects import CALL, FETCH, Hands, Talk
from knopka.services.bot_signing import Card, Signer
from knopka.services.catalog import ACCOUNT
from knopka.services.jobs import Handler, InStore, JobEnd, Outside
from knopka.services.repeats import is_first
from knopka.services.speech import may_speak

MOST_TRIES = 5
"""After so many failures a run is ended, with FAILED."""
MOST_CALL_TRIES = 3
"""How often a call is made that did not arrive; then the script goes its `error` way."""
CALLS_AT_ONCE = 32
MOST_BUTTONS = 25
"""Buttons under a text with which a service continues a run."""
MOST_ROUNDS = 100
"""How often a step comes back from the store within one transaction (look-ups)."""
MOST_SCRIPTS = 64
"""Scripts kept ready; any other is read again."""

CallOutside = Callable[..., Awaitable[Reply]]
"""`call(method, url, *, json, headers)`: outgoing.call_out with its client."""


class Scripts:
    """The scripts of versions, read once: a version never changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int], Script] = OrderedDict()

    def get(self, tx: Transaction, bot_id: int, version: int) -> Script:
        """Raises ScriptError when this release cannot run it any more."""
        key = (bot_id, version)
        script = self._known.get(key)
        if script is None:
            found = db.find_version(tx, ACCOUNT, bot_id, version)
            if found is None:
                raise NotFound(f"The bot has no version {version}.")
            script = self._known[key] = parse_script(found.script.encode())
            if len(self._known) > MOST_SCRIPTS:
                self._known.popitem(last=False)
        return script


@dataclass(frozen=True, slots=True)
class Kit:
    """What runs need beside the store."""

    channels: Channels
    catalog: Callable[[], Catalog]
    signer: Signer
    call: CallOutside
    now: Callable[[], datetime]
    scripts: Scripts = field(default_factory=Scripts)


def make_handlers(kit: Kit) -> dict[str, Handler]:
    """What becomes of each kind of a bot's jobs."""

    def take(tx: Transaction, payload: Mapping[str, Any], *, now: datetime) -> None:
        advance(tx, payload, kit=kit, now=now)

    def take_silence(tx: Transaction, payload: Mapping[str, Any], *, now: datetime) -> None:
        bot_runs.take_silence(tx, payload, catalog=kit.catalog, now=now)

    async def call(payload: Mapping[str, Any], job: Job) -> dict[str, Any]:
        return await make_call(kit, payload, job)

    step = InStore(take, on_dead=give_up, most_tries=MOST_TRIES)
    return {
        bot_runs.EVENT: step,
        bot_runs.WAKE: step,
        bot_runs.SILENCE: InStore(take_silence, most_tries=MOST_TRIES),
        bot_runs.SCHEDULE: InStore(bot_runs.take_schedule, most_tries=MOST_TRIES),
        CALL: Outside(call, on_done=note_called, on_dead=note_not_called, at_once=CALLS_AT_ONCE),
        FETCH: Outside(
            call, on_done=note_called, on_dead=note_not_called, may_repeat=True, at_once=CALLS_AT_ONCE
        ),
    }


# --- One step.


def advance(tx: Transaction, payload: Mapping[str, Any], *, kit: Kit, now: datetime) -> None:
    """Take a run one event further: a job of the kind EVENT or WAKE.

    What comes after the run's end is nobody's any more, and does nothing.
    """
    held = db_conversations.lock_conversation(tx, ACCOUNT, payload["conversation"])
    if held is None or held["bot_run_id"] != payload["run"]:
        return
    found = db.find_run(tx, ACCOUNT, payload["run"])
    if found is None or not found.is_active:
        return
    bot = db.find_bot(tx, ACCOUNT, found.bot_id)
    if bot is None or not bot.is_enabled:
        _end(tx, held, found, EndReason.SWITCHED_OFF, now)
        return
    try:
        script = kit.scripts.get(tx, found.bot_id, found.version)
    except (ScriptError, NotFound) as error:
        _end(tx, held, found, EndReason.FAILED, now, detail=str(error))
        return
    talk = Talk(bot, found, held, kit.catalog(), kit.channels, now)
    _Step(tx, talk, script).take(payload["event"])


def _end(
    tx: Transaction, held: Row, found: BotRun, reason: EndReason, now: datetime, *, detail: str = ""
) -> None:
    bot_runs.end(tx, held, found.id, reason, detail=detail, now=now)
    events.publish_conversation(tx, ACCOUNT, held["id"], None)


class _Step:
    """One event of one run."""

    def __init__(self, tx: Transaction, talk: Talk, script: Script) -> None:
        self._tx = tx
        self._talk = talk
        self._script = script
        self._hands = Hands(tx, talk)

    def take(self, given: Mapping[str, Any]) -> None:
        state = self._refresh(read_state(self._talk.run.state))
        event = read_event(given, self._script)
        if event is None or _was_said_before(given, state, self._talk.run):
            self._hands.note(Note.SAID_BEFORE, str(given.get("text", "")))
        else:
            state = self._move(state, event)
        self._store(state)

    def _refresh(self, state: RunState) -> RunState:
        """bot_params as the page gave them by now: those of the lead's visits, the newest at the end."""
        lead_id = self._talk.held["lead_id"]
        fresh = dict(state.bot_params)
        if lead_id is not None:
            for params in db_visitors.list_bot_params(self._tx, ACCOUNT, lead_id):
                fresh |= params
        return replace(state, bot_params=fresh)

    def _move(self, state: RunState, event: Event) -> RunState:
        """Run the script, do what it wants, and tell it at once what the store answers."""
        talk = self._talk
        waiting = [event]
        for _ in range(MOST_ROUNDS):
            state, effects = run(self._script, state, waiting.pop(0), self._hands.values, talk.now)
            self._hands.carry_out(effects, state)
            waiting += talk.feedback
            talk.feedback.clear()
            if not waiting:
                return state
        return replace(state, ended=EndReason.TOO_MANY_STEPS, waiting=None)

    def _store(self, state: RunState) -> None:
        """Keep the state with its log, or end the run."""
        talk = self._talk
        wait = None if state.waiting is None else state.waiting.kind.value
        stored = replace(talk.run, state=write_state(state), wait=wait)
        stored = replace(stored, lines=self._append_log(stored.lines))
        db.update_run(self._tx, stored, talk.now)
        reason = talk.unsaid or state.ended
        if reason is not None and bot_runs.end(self._tx, talk.held, talk.run.id, reason, now=talk.now):
            bots = [bot for bot in db.list_bots(self._tx, ACCOUNT) if bot.may_start]
            self._hands.finish(bots)

    def _append_log(self, lines: int) -> int:
        """The lines of this step; beyond the last that a log has room for they are left out."""
        for trace in self._talk.traces:
            if trace.note is Note.ENDED or lines >= bot_runs.MOST_LINES - 1:
                continue  # how it ended is the last line of each log, whatever ended it
            lines += 1
            db.append_log(self._tx, ACCOUNT, self._talk.run.id, lines, write_line(trace), self._talk.now)
        return lines


def _was_said_before(given: Mapping[str, Any], state: RunState, found: BotRun) -> bool:
    """Whether the visitor had written this before the bot said its last word: then it is no answer to that.

    A button of the bot's last offer is one, whenever it was pressed.
    """
    if given["type"] != "answered" or given["seq"] > found.said_seq:
        return False
    return given["wait"] is None or given["wait"] != state.offer


def write_line(trace: Trace) -> dict[str, Any]:
    """One line of the log, as the inbox and the command line read it."""
    return {
        "step": trace.step,
        "block": str(trace.block),
        "path": "" if trace.at is None else trace.at.path,
        "row": None if trace.at is None else trace.at.line,
        "handler": trace.handler,
        "seen": dict(trace.seen),
        "note": trace.note.value,
        "detail": trace.detail,
    }


def read_event(given: Mapping[str, Any], script: Script) -> Event | None:
    """The event that a job carries."""
    match given["type"]:
        case "started":
            return Started()
        case "answered":
            return Answered(text=given["text"], option=given["option"], wait=given["wait"])
        case "timer":
            return TimerFired(given["wait"])
        case "called":
            return Called(wait=given["wait"], data=given.get("data"), error=given["error"])
        case "continued":
            data, handlers = parse_continue(given["body"], script)
            return Continued(wait=given["wait"], data=data, handlers=handlers)
        case "undelivered":
            return Undelivered(given["reason"], message=given.get("message"))
        case _:
            return None


def give_up(tx: Transaction, payload: Mapping[str, Any], end: JobEnd, *, now: datetime) -> None:
    """A step has failed again and again: the run ends, in sight of the operators."""
    held = db_conversations.lock_conversation(tx, ACCOUNT, payload["conversation"])
    if held is not None and held["bot_run_id"] == payload["run"]:
        bot_runs.end(tx, held, payload["run"], EndReason.FAILED, detail=end.reason, now=now)
        events.publish_conversation(tx, ACCOUNT, held["id"], None)


# --- Calls.


async def make_call(kit: Kit, payload: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """Call the address, outside of any transaction. Gives what the run is told: data, or an error.

    What surely did not arrive is tried again a few times. In doubt only what asks is.
    """
    try:
        reply = await kit.call(
            payload["method"], payload["url"], json=_body(kit, payload), headers=payload["headers"]
        )
    except DeliveryError as error:
        may_repeat = isinstance(error, Retryable) or payload["method"] == "GET"
        if may_repeat and not isinstance(error, BadRequest) and job.attempts < MOST_CALL_TRIES:
            raise Retryable(error.message) from None
        return {"error": error.message}
    return {"error": ""} if payload["is_widget"] and reply.status == 200 else _read_reply(reply)


def _body(kit: Kit, payload: Mapping[str, Any]) -> Any:
    if not payload["is_widget"]:
        return None if payload["method"] == "GET" else payload["data"]
    lead_id = payload["lead"]
    card = None if lead_id is None else Card("lead", lead_id)
    now = kit.now()
    return {
        "token": kit.signer.make_token(card, payload["url"], now=now),
        "data": payload["data"],
        "return_url": kit.signer.return_url(payload["bot"], payload["run"], payload["wait"]),
    }


def _read_reply(reply: Reply) -> dict[str, Any]:
    if not 200 <= reply.status < 300:
        return {"error": f"status_{reply.status}"}
    if not reply.body.strip():
        return {"error": "", "data": None}
    try:
        return {"error": "", "data": read_json(reply.body, max_bytes=MOST_REPLY)}
    except (InvalidInput, TooLarge):
        return {"error": "not_json"}


def note_called(
    tx: Transaction, payload: Mapping[str, Any], result: Mapping[str, Any], *, now: datetime
) -> None:
    """The call has ended: the run is told, after all that came before."""
    told = {"type": "called", "wait": payload["wait"], **result}
    bot_runs.promise(tx, payload["conversation"], payload["run"], told)


def note_not_called(tx: Transaction, payload: Mapping[str, Any], end: JobEnd, *, now: datetime) -> None:
    """Nobody knows whether the call was made: the script goes its `error` way."""
    told = {"type": "called", "wait": payload["wait"], "error": end.how}
    bot_runs.promise(tx, payload["conversation"], payload["run"], told)


# --- What integrations ask for


def start_on_card(
    tx: Transaction, bot_id: int, entity: Entity, card_id: int, *, kit: Kit, now: datetime
) -> int:
    """Start a bot on a lead or a contact where it may say something now. Gives the run's id.

    Raises NotFound when there is no such bot or card, InvalidInput when nobody can be
    reached, and Conflict when the bot cannot start or another one talks there.
    """

    def can_be_answered(held: Row) -> bool:
        return may_speak(held, kit.channels, now) is None

    return bot_runs.start_for_card(tx, bot_id, entity, card_id, can_be_answered, now=now)


def continue_run(
    tx: Transaction,
    bot_id: int,
    continue_id: str,
    body: Any,
    *,
    kit: Kit,
    now: datetime,
) -> None:
    """The service that widget_request called continues the run with `{data, execute_handlers}`.

    Without handlers the run goes on as it is. Raises NotFound for an id that was not
    made here or is another bot's, InvalidInput for handlers that may not be
    executed, and Conflict when the run waits for this no more or has been continued.
    """
    named = kit.signer.read_continue_id(continue_id)
    found = None if named is None else db.find_run(tx, ACCOUNT, named[0])
    if named is None or found is None or found.bot_id != bot_id:
        raise NotFound("There is no such run.")
    held = db_conversations.lock_conversation(tx, ACCOUNT, found.conversation_id)
    found = db.find_run(tx, ACCOUNT, found.id) or found
    data, handlers = parse_continue(body, kit.scripts.get(tx, found.bot_id, found.version))
    _refuse_empty(body, handlers)
    if held is None or held["bot_run_id"] != found.id:
        raise Conflict("The run has ended.")
    if not is_awaited(read_state(found.state), Continued(named[1], data, handlers)):
        raise Conflict("The run waits for this no more.")
    # The run itself moves on only when its job is done.
    if not is_first(tx, ACCOUNT, f"bot-run:{found.id}:continue", str(named[1]), now=now):
        raise Conflict("The run has been continued already.")
    bot_runs.promise(tx, held["id"], found.id, {"type": "continued", "wait": named[1], "body": body})


def _refuse_empty(body: Any, handlers: Sequence[Show | Goto]) -> None:
    """amoCRM refuses handlers that are none, and more buttons than it shows."""
    if isinstance(body, dict) and body.get("execute_handlers") == []:
        raise InvalidInput(Fault("$.execute_handlers", "too_few", "give at least one handler, or no list"))
    for number, handler in enumerate(handlers):
        if isinstance(handler, Show) and len(handler.buttons) > MOST_BUTTONS:
            message = f"at most {MOST_BUTTONS} buttons"
            raise InvalidInput(Fault(f"$.execute_handlers[{number}].params.buttons", "too_many", message))
