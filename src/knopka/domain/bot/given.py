"""What a played script is given, and what happens in it, read from values with their places.

A window of the inbox sends them as JSON. Everything is data: no text here is
looked through for markers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from knopka.domain.bot.markers import Json, as_text
from knopka.domain.bot.reading import Spot
from knopka.domain.bot.rehearsal import (
    ACCEPTED,
    DECLINED,
    MAX_SPAN,
    UNSORTED,
    Card,
    Rehearsal,
    Stage,
    begin,
)
from knopka.domain.bot.script import Script
from knopka.domain.errors import Conflict, Fault, InvalidInput
from knopka.domain.messaging import ChannelKind
from knopka.domain.meta import MAX_NAME, MAX_SALE, Entity, parse_meta
from knopka.domain.text import clean_json, excerpt
from knopka.domain.verdicts import Verdict
from knopka.domain.wording import name as name_verdict
from knopka.domain.wording import say_all

MAX_EVENTS = 200
MAX_TEXT = 20_000
"""Characters of a field's value."""
MAX_OTHERS = 20
MAX_MESSAGE = 10_000

Act = Callable[[Rehearsal], Rehearsal]
"""One thing that happens, as in Rehearsal's own methods."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_REGION = re.compile("[A-Z]{2}")
_PARTS = frozenset(
    {
        "bot_params", "contact", "lead", "others", "channel", "opening", "region", "start_payload", "seed",
        "at",
    }
)  # fmt: skip
_OF_CARD = frozenset({"id", "name", "fields", "tags", "responsible"})
_OF_CONTACT = _OF_CARD | {"phone", "email"}
_OF_LEAD = _OF_CARD | {"price", "status_id", "pipeline_id", "source_id", "decision"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """How a play begins."""

    stage: Stage = field(default_factory=Stage)
    bot_params: Mapping[str, Json] = field(default_factory=dict)
    opening: str | None = None
    """What the visitor wrote before, which started the bot."""
    at: datetime | None = None

    def begin(self, script: Script, now: datetime) -> Rehearsal:
        """Start the script, at the moment that was given, else now."""
        return begin(
            script,
            now=self.at or now,
            bot_params=self.bot_params,
            stage=self.stage,
            opening=self.opening,
        )


# --- What is there


def read_given(spot: Spot) -> Given:
    """`{"bot_params": {…}, "contact": {…}, "channel": "telegram", …}`, every part of it optional.

    Faults stay with the spot; what is given then is of no use.
    """
    _refuse_others(spot, _PARTS)
    opening = spot.get("opening")
    return Given(
        stage=Stage(
            contact=_read_contact(spot.get("contact")),
            lead=_read_lead(spot.get("lead")),
            others=_read_others(spot.get("others")),
            channel=spot.one_of("channel", _CHANNELS, ChannelKind.ONSITE).value,
            region=_read_region(spot),
            start_payload=_text(spot, "start_payload"),
            seed=_number(spot, "seed") or 0,
        ),
        bot_params=_take_bot_params(spot.get("bot_params")),
        opening=None if opening is None else _as_text(opening) or None,
        at=_read_moment(spot),
    )


_CHANNELS = {kind.value: kind for kind in ChannelKind}


def _take_bot_params(given: Spot | None) -> Mapping[str, Json]:
    """As the page's setMeta takes them; a value that it would not take is a fault here."""
    if given is None or not given.expect_object():
        return {}
    meta = parse_meta({"bot_params": given.value})
    refused = {one.path: one for one in meta.settled if one.verdict is not Verdict.EMPTY}
    for key, part in given.entries():
        verdict = refused.pop(f"bot_params.{key}", None)
        if verdict is not None:
            part.refuse("not_taken", _say(verdict.verdict, verdict.reasons))
    for verdict in refused.values():
        given.refuse("not_taken", _say(verdict.verdict, verdict.reasons))
    return meta.bot_params


def _say(verdict: Verdict, reasons: Any) -> str:
    return f"setMeta does not take this: {say_all(reasons, 'en') or name_verdict(verdict, 'en')}"


def _read_region(spot: Spot) -> str:
    given = spot.get("region")
    text = "" if given is None else _as_text(given).upper()
    if given is not None and text and _REGION.fullmatch(text) is None:
        given.refuse("bad_region", 'a country has two letters: "RU"')
        return ""
    return text


def _read_moment(spot: Spot) -> datetime | None:
    given = spot.get("at")
    if given is None:
        return None
    number = given.as_whole()
    if not 0 < number < _LAST_MS:
        given.refuse("out_of_range", "these are milliseconds since 1970, before the year 2200")
        return None
    return _EPOCH + timedelta(milliseconds=number)


# --- Cards


def _read_contact(spot: Spot | None) -> Card:
    if spot is None or not spot.expect_object():
        return Card()
    _refuse_others(spot, _OF_CONTACT)
    ways = {
        code: value
        for key, code in (("phone", "PHONE"), ("email", "EMAIL"))
        if (value := _read_value(spot.get(key)))
    }
    card = _read_card(spot)
    return replace(card, fields={**card.fields, **ways})


def _read_lead(spot: Spot | None) -> Card:
    if spot is None or not spot.expect_object():
        return Card()
    _refuse_others(spot, _OF_LEAD)
    return replace(
        _read_card(spot),
        price=_number(spot, "price") or 0,
        status_id=_number(spot, "status_id"),
        pipeline_id=_number(spot, "pipeline_id"),
        source_id=_number(spot, "source_id"),
        decision=spot.one_of("decision", {one: one for one in (UNSORTED, ACCEPTED, DECLINED)}, UNSORTED),
    )


def _read_card(spot: Spot) -> Card:
    name = spot.get("name")
    text = "" if name is None else _as_text(name)
    if name is not None and len(text) > MAX_NAME:
        name.refuse("too_long", f"a name has at most {MAX_NAME} characters")
    return Card(
        id=_number(spot, "id") or 0,
        name=text,
        fields=_read_fields(spot.get("fields")),
        tags=_read_tags(spot.get("tags")),
        responsible=_read_responsible(spot.get("responsible")),
    )


def _read_fields(spot: Spot | None) -> Mapping[str, Json]:
    """By the field's id, or by a code such as PHONE."""
    if spot is None or not spot.expect_object():
        return {}
    read = {key: _read_value(part) for key, part in spot.entries()}
    return {key: value for key, value in read.items() if value}


def _read_value(spot: Spot | None) -> Json:
    """A text, or a list of them; None says that the field is empty."""
    if spot is None or spot.value is None:
        return None
    if isinstance(spot.value, list):
        return [text for one in spot.items() if (text := _as_text(one))] or None
    return _as_text(spot) or None


def _read_tags(spot: Spot | None) -> tuple[str, ...]:
    return () if spot is None else tuple(text for one in spot.items() if (text := _as_text(one)))


def _read_responsible(spot: Spot | None) -> Mapping[str, Json]:
    if spot is None or not spot.expect_object():
        return {}
    _refuse_others(spot, frozenset({"id", "name", "email"}))
    read = {"id": _number(spot, "id"), "name": _text(spot, "name"), "email": _text(spot, "email")}
    return {key: value for key, value in read.items() if value}


def _read_others(spot: Spot | None) -> tuple[tuple[Entity, Card], ...]:
    """Further cards: `{"contact": {…}}` or `{"lead": {…}}` each."""
    items = [] if spot is None else spot.items()
    if spot is not None and len(items) > MAX_OTHERS:
        spot.refuse("too_many_cards", f"at most {MAX_OTHERS} further cards are looked through")
        return ()
    found: list[tuple[Entity, Card]] = []
    for item in items:
        if not item.expect_object():
            continue
        _refuse_others(item, frozenset({"contact", "lead"}))
        if (contact := item.get("contact")) is not None:
            found.append((Entity.CONTACT, _read_contact(contact)))
        if (lead := item.get("lead")) is not None:
            found.append((Entity.LEAD, _read_lead(lead)))
    return tuple(found)


# --- What happens


def read_act(spot: Spot) -> Act | None:
    """One thing that happens; None where it cannot be read.

    `{"do": "say", "text": "Hi"}`, `{"do": "press", "button": 0}` or its label,
    `{"do": "wait", "seconds": 60}`, `{"do": "answer", "data": JSON}` or
    `{"do": "answer", "error": "status_500"}` of a called address,
    `{"do": "lose", "reason": "window_closed"}` of a message that does not
    arrive, `{"do": "end"}` when an operator answers, and
    `{"do": "set", "bot_params": {…}}` when the page calls setMeta once more.
    """
    if not spot.expect_object():
        return None
    named = spot.require("do")
    if named is None:
        return None
    read, known = named.as_one_of(_ACTS, _ACTS["end"])
    _refuse_others(spot, {"do", *known})
    return read(spot)


def _read_say(spot: Spot) -> Act:
    part = spot.require("text")
    text = "" if part is None else _as_text(part, MAX_MESSAGE)
    return lambda played: played.say(text)


def _read_press(spot: Spot) -> Act:
    part = spot.require("button")
    button = "" if part is None else part.value if type(part.value) is int else _as_text(part)
    return lambda played: played.press(button)


def _read_wait(spot: Spot) -> Act:
    part = spot.require("seconds")
    seconds = 1 if part is None else part.as_whole()
    if part is not None and not 0 < seconds <= MAX_SPAN.total_seconds():
        part.refuse("out_of_range", f"from a second to {MAX_SPAN.days} days pass at once")
        seconds = 1
    return lambda played: played.pass_time(timedelta(seconds=seconds))


def _read_answer(spot: Spot) -> Act:
    data, error = spot.get("data"), _text(spot, "error")
    value = None if data is None else clean_json(data.value)
    return lambda played: played.answer_call(value, error)


def _read_lose(spot: Spot) -> Act:
    reason = _text(spot, "reason") or "undelivered"
    return lambda played: played.lose(reason)


def _read_end(_: Spot) -> Act:
    return lambda played: played.end()


def _read_set(spot: Spot) -> Act:
    bot_params = _take_bot_params(spot.require("bot_params"))
    return lambda played: played.set_bot_params(bot_params)


_ACTS: dict[str, tuple[Callable[[Spot], Act], tuple[str, ...]]] = {
    "say": (_read_say, ("text",)),
    "press": (_read_press, ("button",)),
    "wait": (_read_wait, ("seconds",)),
    "answer": (_read_answer, ("data", "error")),
    "lose": (_read_lose, ("reason",)),
    "end": (_read_end, ()),
    "set": (_read_set, ("bot_params",)),
}


def happen(played: Rehearsal, act: Act, path: str) -> Rehearsal:
    """Let it happen. InvalidInput names `path` when it cannot: no such button, nothing was called."""
    try:
        return act(played)
    except Conflict as error:
        raise InvalidInput(Fault(path, error.code, error.message)) from None
    except InvalidInput as error:
        raise InvalidInput(*(replace(fault, path=path) for fault in error.faults)) from None


# --- Values


def _text(spot: Spot, key: str) -> str:
    part = spot.get(key)
    return "" if part is None else _as_text(part)


def _as_text(spot: Spot, most: int = MAX_TEXT) -> str:
    """A text as it is, braces and all; a number as it is written."""
    match spot.value:
        case bool():
            pass
        case str() as text if len(text) > most:
            spot.refuse("too_long", f"a text has at most {most} characters")
            return ""
        case str() as text:
            return text
        case int() | float() as number:
            return as_text(number)
        case _:
            pass
    spot.refuse("not_a_text", 'this must be a text: "…"')
    return ""


def _number(spot: Spot, key: str) -> int | None:
    part = spot.get(key)
    if part is None:
        return None
    number = part.as_whole()
    if number > MAX_SALE:
        part.refuse("out_of_range", f"this must be from 0 to {MAX_SALE}")
    return number


def _refuse_others(spot: Spot, known: Collection[str]) -> None:
    for key, part in spot.entries():
        if key not in known:
            part.refuse("unknown_key", f"{excerpt(key)} is not read here", key, known)
