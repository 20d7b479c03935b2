"""The dry run of a script in the inbox: what was given and what happened come in, the whole play goes out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from litestar import post

from knopka.db.clock import to_ms
from knopka.domain.bot.effects import (
    Assign,
    CloseTalk,
    Decide,
    Effect,
    Join,
    MakeCards,
    MoveLead,
    SetSubscription,
    StartBot,
    Tag,
    Trace,
    Untag,
    WriteCard,
    WriteNote,
)
from knopka.domain.bot.given import MAX_EVENTS, Act, Given, happen, read_act, read_given
from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.places import Places
from knopka.domain.bot.reading import Findings, Spot
from knopka.domain.bot.rehearsal import Card, Line, Moment, Rehearsal, read_card
from knopka.domain.bot.script import NewCard
from knopka.domain.bot.wording import say_end, say_note
from knopka.domain.errors import Fault, InvalidInput, Unavailable
from knopka.domain.meta import Entity
from knopka.web.answers import Answer, answer, encode
from knopka.web.bodies import read_object
from knopka.web.bots import MAX_BODY, locale_of
from knopka.web.context import web_of
from knopka.web.inbox import OperatorRequest
from knopka.web.wants import take

MAX_SECONDS = 1.0
"""No further event is played once a play has taken so long."""
MAX_SHOWN = 500_000
"""Characters that were said, after which nothing more happens in a play."""
PATIENCE_S = 5.0
"""So long a play waits for the one before it."""

Object = dict[str, Any]


class Turns:
    """One play at a time, beside the server's own work."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(1)

    async def play(self, body: Object, now: datetime, locale: str) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable("Other scripts are being tried; try again.") from None
        try:
            return await asyncio.to_thread(play, body, now, locale)
        finally:
            self._free.release()


_TURNS = Turns()


@post("/bots/play", status_code=200)
async def post_play(request: OperatorRequest) -> Answer:
    """Play a script from its beginning through everything that has happened; nothing is kept or sent."""
    body = take(await read_object(request, MAX_BODY), {"script": str}, {"given": dict, "events": list})
    now = web_of(request).database.clock()
    return answer(await _TURNS.play(body, now, locale_of(request)))


def play(body: Object, now: datetime, locale: str) -> bytes:
    """The JSON of a play. Raises ScriptError, and InvalidInput with the places in `given` and `events`."""
    script = parse_script(body["script"].encode())
    given, acts = _read(body.get("given", {}), body.get("events", []))
    start = time.thread_time()
    played = given.begin(script, now)
    for index, act in enumerate(acts):
        path = f"$.events[{index}]"
        if time.thread_time() - start > MAX_SECONDS or sum(map(_weigh, played.moments)) > MAX_SHOWN:
            message = "this script says or does too much to be tried out further"
            raise InvalidInput(Fault(path, "too_much", message))
        played = happen(played, act, path)
    return encode(_show(played, locale))


def _weigh(moment: Moment) -> int:
    return sum(len(line.text) for line in moment.lines)


def _read(given: Any, events: list[Any]) -> tuple[Given, list[Act]]:
    if len(events) > MAX_EVENTS:
        raise InvalidInput(Fault("$.events", "too_many", f"at most {MAX_EVENTS} events are played"))
    findings = Findings(Places(json.dumps({"given": given, "events": events})))
    root = findings.places.root
    read = read_given(Spot(given, "$.given", root.inside["given"], findings))
    spot = Spot(events, "$.events", root.inside["events"], findings)
    acts = [act for item in spot.items() if (act := read_act(item)) is not None]
    if findings.faults:
        raise InvalidInput(*(Fault(fault.path, fault.code, fault.message) for fault in findings.faults))
    return read, acts


# --- What is shown


def _show(played: Rehearsal, locale: str) -> Object:
    waiting, ended, call = played.waiting, played.ended, played.call
    return {
        "moments": [_show_moment(moment, locale) for moment in played.moments],
        "now": to_ms(played.now),
        "waiting": None
        if waiting is None
        else {
            "kind": waiting.kind.value,
            "until": None if waiting.until is None else to_ms(waiting.until),
        },
        "call": None
        if call is None
        else {"method": call.method, "url": call.url, "is_widget": call.is_widget},
        "ended": None if ended is None else ended.value,
        "ended_text": None if ended is None else say_end(ended, locale),
        "contact": _show_card(played.stage.contact, Entity.CONTACT),
        "lead": _show_card(played.stage.lead, Entity.LEAD),
    }


def _show_moment(moment: Moment, locale: str) -> Object:
    return {
        "at": to_ms(moment.at),
        "lines": [_show_line(line) for line in moment.lines],
        "changes": [_show_change(change) for change in moment.changes],
        "traces": [_show_trace(trace, locale) for trace in moment.traces],
    }


def _show_line(line: Line) -> Object:
    return {
        "who": line.who.value,
        "text": line.text,
        "buttons": [{"label": button.text, "url": button.url or None} for button in line.buttons],
        "quick_replies": line.quick_replies,
    }


def _show_trace(trace: Trace, locale: str) -> Object:
    """As a line of a run's log."""
    is_end = trace.note == "ended"
    at = trace.at
    return {
        "step": trace.step,
        "block": str(trace.block),
        "path": "" if at is None else at.path,
        "line": None if at is None else at.line,
        "handler": trace.handler,
        "seen": trace.seen,
        "note": trace.note.value,
        "text": say_end(trace.detail, locale) if is_end else say_note(trace.note, locale),
        "detail": "" if is_end else trace.detail,
    }


def _show_change(change: Effect) -> Object:
    """What was done to cards and the conversation. `what` says which members there are."""
    match change:
        case WriteCard():
            value = change.value or change.enum
            return {
                "what": "write_card",
                "entity": change.entity.value,
                "target": change.target,
                "value": value,
                "add": change.add,
            }
        case Tag(entity, value):
            return {"what": "tag", "entity": entity.value, "value": value}
        case Untag(entity, values):
            return {"what": "untag", "entity": entity.value, "values": values}
        case WriteNote(entity, note_type, text):
            return {"what": "write_note", "entity": entity.value, "note_type": note_type, "text": text}
        case MoveLead(status_id, of_double):
            return {"what": "move_lead", "status_id": status_id, "of_double": of_double}
        case Decide(accept):
            return {"what": "decide", "accept": accept}
        case Assign(user_id, entity):
            return {"what": "assign", "user_id": user_id, "entity": None if entity is None else entity.value}
        case SetSubscription():
            return {
                "what": "set_subscription",
                "is_on": change.is_on,
                "type": change.type,
                "id": change.id,
                "entity": change.entity.value,
            }
        case MakeCards(lead, contact):
            return {"what": "make_cards", "lead": _show_new(lead), "contact": _show_new(contact)}
        case Join():
            return {
                "what": "join",
                "from_entity": change.from_entity.value,
                "from_id": change.from_id,
                "to_entity": change.to_entity.value,
                "to_id": change.to_id,
            }
        case CloseTalk():
            return {"what": "close_talk"}
        case StartBot(bot):
            return {"what": "start_bot", "bot": bot}
        case _:
            raise AssertionError(f"{type(change).__name__} is no change")


def _show_new(card: NewCard) -> Object:
    fields: Sequence[Object] = [{"field_id": one.field_id, "value": one.value} for one in card.fields]
    return {"name": card.name, "price": card.price, "tags": card.tags, "fields": fields}


def _show_card(card: Card, entity: Entity) -> Object:
    """As markers read it, with what has become of an incoming lead."""
    shown = read_card(card, entity)
    return {**shown, "decision": card.decision} if entity is Entity.LEAD else shown
