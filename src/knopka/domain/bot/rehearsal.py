"""A script played without touching anything: what is said, what becomes of the cards, and the log.

A Rehearsal is a value. Each thing that happens gives a new one, so a window of
the inbox, a command and a case of tests play alike, and may go back a step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from knopka.domain.bot.conditions import fold
from knopka.domain.bot.effects import (
    Assign,
    CallOut,
    Decide,
    Effect,
    LookUp,
    MoveLead,
    Note,
    Say,
    SayElsewhere,
    SetSubscription,
    SetTimer,
    Tag,
    TellOperators,
    Trace,
    Untag,
    WriteCard,
    WriteNote,
)
from knopka.domain.bot.engine import run
from knopka.domain.bot.limits import LIMITS, Limits
from knopka.domain.bot.loading import parse_continue
from knopka.domain.bot.markers import Json, as_text, walk
from knopka.domain.bot.script import Script, ScriptButton
from knopka.domain.bot.state import (
    Answered,
    Called,
    Continued,
    Ended,
    EndReason,
    Event,
    Found,
    RunState,
    Started,
    TimerFired,
    Undelivered,
    Waiting,
)
from knopka.domain.crm import LOST, IncomingState
from knopka.domain.errors import Conflict, Fault, InvalidInput
from knopka.domain.meta import MAX_NAME, MAX_SALE, Entity
from knopka.domain.numbers import read_decimal, round_half_up
from knopka.domain.phones import UNKNOWN_REGION, normalise_phone
from knopka.domain.text import clean_message, clean_name, clean_text

MAX_SPAN = timedelta(days=366)
"""The longest time that is let pass at once; a run is older than it may be long before."""
MAX_LOOKUPS = 100
"""How often one event asks for cards, as in the store."""

UNSORTED, ACCEPTED, DECLINED = (
    state.value for state in (IncomingState.UNSORTED, IncomingState.ACCEPTED, IncomingState.DECLINED)
)
"""What has become of an incoming lead."""

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_DATE = "%d.%m.%Y"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A contact or a lead, as far as markers read it and a script changes it."""

    id: int = 0
    name: str = ""
    fields: Mapping[str, Json] = field(default_factory=dict)
    """By the id, or by a code such as PHONE: a text, or a list of them."""
    tags: tuple[str, ...] = ()
    responsible: Mapping[str, Json] = field(default_factory=dict)
    """id, name and email."""
    subscribers: tuple[tuple[str, int], ...] = ()
    """`user` or `group`, and its number."""
    price: int = 0
    status_id: int | None = None
    pipeline_id: int | None = None
    source_id: int | None = None
    decision: str = UNSORTED
    """Of a lead: UNSORTED, ACCEPTED or DECLINED."""


class Who(StrEnum):
    VISITOR = "visitor"
    BOT = "bot"
    OPERATORS = "operators"
    """Told to the operators alone."""
    ELSEWHERE = "elsewhere"
    """Said in another conversation, by send_external_message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was said."""

    who: Who
    text: str
    buttons: tuple[ScriptButton, ...] = ()
    quick_replies: tuple[str, ...] = ()
    wait: int = 0
    """Say.wait: whose buttons these are."""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What one thing that happened has brought about."""

    at: datetime
    lines: tuple[Line, ...] = ()
    changes: tuple[Effect, ...] = ()
    """What was done to cards, and to the conversation, in its order."""
    traces: tuple[Trace, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a script may read, and changes."""

    contact: Card = Card()
    lead: Card = Card()
    others: tuple[tuple[Entity, Card], ...] = ()
    """Further cards, in which `find` and `filter` look."""
    channel: str = "onsite"
    last_words: str | None = None
    region: str = ""
    """The country of numbers without a code; empty knows none."""
    start_payload: str = ""
    seed: int = 0
    drawn: int = 0
    """How many random values were given out: the next one is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A script on the stage, as far as it has been played."""

    script: Script
    stage: Stage
    state: RunState
    now: datetime
    moments: tuple[Moment, ...] = ()
    call: CallOut | None = None
    """The HTTP call whose answer is waited for; nobody makes it here."""
    limits: Limits = LIMITS

    # --- What can happen

    def say(self, text: str) -> Rehearsal:
        """The visitor writes. A number or the label of an offered button counts as that button."""
        text = clean_message(text)
        line = Line(who=Who.VISITOR, text=text)
        return self._hear(line, Answered(text=text))

    def press(self, button: str | int) -> Rehearsal:
        """The visitor presses a button of the last message that has any: by its label, or its number from 0.

        Raises InvalidInput when there is no such button, or when it only opens an address.
        """
        shown = self.offer
        buttons = () if shown is None else shown.buttons
        option = _find_button(buttons, button)
        label = buttons[option].text
        wait = None if shown is None else shown.wait
        return self._hear(Line(who=Who.VISITOR, text=label), Answered(text=label, option=option, wait=wait))

    def pass_time(self, span: timedelta) -> Rehearsal:
        """Time goes by, and whatever is due in it happens at its own moment. At most a year at once."""
        target = self.now + min(max(span, timedelta()), MAX_SPAN)
        played = _Played(self)
        while (waiting := played.state.waiting) and waiting.until is not None and waiting.until <= target:
            played.now = max(played.now, waiting.until)
            played.take(TimerFired(waiting.number))
        played.now = target
        return played.put_together()

    def answer_call(self, data: Json = None, error: str = "") -> Rehearsal:
        """The called address answers: with JSON, or with an error such as `status_500`.

        After widget_request `data` is what the service sends to continue the run,
        `{"data": …, "execute_handlers": […]}`. Raises Conflict when nothing was
        called, and InvalidInput when the service may not send this.
        """
        if self.call is None:
            raise Conflict("The bot waits for no answer of an address.")
        played = _Played(self)
        wait = self.call.wait
        if error or not self.call.is_widget:
            played.take(Called(wait, data=data, error=error))
        else:
            given, handlers = parse_continue(data, self.script)
            played.take(Called(wait))
            played.take(Continued(wait, data=given, handlers=handlers))
        return played.put_together()

    def lose(self, reason: str = "undelivered") -> Rehearsal:
        """The last message does not arrive: `window_closed`, `chat_gone`, or any other reason."""
        ours = (Who.BOT, Who.ELSEWHERE)
        last = next((line for line in reversed(self.transcript) if line.who in ours), None)
        return self._happen(Undelivered(reason, None if last is None else last.number))

    def end(self, reason: EndReason = EndReason.OPERATOR) -> Rehearsal:
        """It is ended from outside: as a rule because an operator answers."""
        return self._happen(Ended(reason))

    def set_bot_params(self, bot_params: Mapping[str, Json]) -> Rehearsal:
        """The page calls setMeta once more: its parameters lie over the earlier ones."""
        return replace(self, state=replace(self.state, bot_params={**self.state.bot_params, **bot_params}))

    def _hear(self, line: Line, event: Answered) -> Rehearsal:
        heard = replace(self, stage=replace(self.stage, last_words=line.text))
        played = _Played(heard)
        played.lines.append(line)
        played.take(event)
        return played.put_together()

    def _happen(self, *events: Event) -> Rehearsal:
        played = _Played(self)
        for event in events:
            played.take(event)
        return played.put_together()

    # --- How it stands

    @property
    def last(self) -> Moment:
        return self.moments[-1]

    @property
    def transcript(self) -> list[Line]:
        """Everything that was said, in its order."""
        return [line for moment in self.moments for line in moment.lines]

    @property
    def offer(self) -> Line | None:
        """The last message to the visitor that had buttons."""
        said = (line for line in reversed(self.transcript) if line.who is Who.BOT)
        return next((line for line in said if line.buttons), None)

    @property
    def traces(self) -> list[Trace]:
        return [trace for moment in self.moments for trace in moment.traces]

    @property
    def changes(self) -> list[Effect]:
        return [change for moment in self.moments for change in moment.changes]

    @property
    def notes(self) -> list[WriteNote]:
        """The notes that were written on the cards."""
        return [change for change in self.changes if isinstance(change, WriteNote)]

    @property
    def waiting(self) -> Waiting | None:
        """What it waits for; None when it has ended."""
        return self.state.waiting

    @property
    def ended(self) -> EndReason | None:
        return self.state.ended


def begin(
    script: Script,
    *,
    now: datetime,
    bot_params: Mapping[str, Json] | None = None,
    stage: Stage | None = None,
    opening: str | None = None,
    limits: Limits = LIMITS,
) -> Rehearsal:
    """Start the script, at question 0. `opening` is what the visitor wrote before, which started it."""
    stage = stage or Stage()
    line = None if opening is None else Line(who=Who.VISITOR, text=clean_message(opening))
    if line is not None:
        stage = replace(stage, last_words=line.text)
    state = RunState(started_at=now, bot_params=dict(bot_params or {}))
    played = _Played(Rehearsal(script=script, stage=stage, state=state, now=now, limits=limits))
    played.lines += [] if line is None else [line]
    played.take(Started())
    return played.put_together()


def _find_button(buttons: tuple[ScriptButton, ...], wanted: str | int) -> int:
    labels = [fold(button.text) for button in buttons]
    option = labels.index(fold(wanted)) if isinstance(wanted, str) and fold(wanted) in labels else wanted
    if not isinstance(option, int) or not 0 <= option < len(buttons):
        shown = ", ".join(button.text for button in buttons) or "none"
        raise InvalidInput(Fault("$.press", "unknown_button", f"there is no button {wanted!r}: {shown}"))
    if buttons[option].url:
        raise InvalidInput(Fault("$.press", "is_a_link", f"{buttons[option].text!r} only opens an address"))
    return option


class _Played:
    """One thing that happens: the rehearsal taken apart, and put together again at the end."""

    def __init__(self, before: Rehearsal) -> None:
        self._before = before
        self.stage = before.stage
        self.state = before.state
        self.now = before.now
        self.call = before.call
        self.lines: list[Line] = []
        self.changes: list[Effect] = []
        self.traces: list[Trace] = []

    def take(self, event: Event) -> None:
        """Run the script, do what it wants, and tell it at once which card was found."""
        waiting: list[Event] = [event]
        for _ in range(MAX_LOOKUPS):
            values = _Values(self.stage, self.now)
            before = self._before
            self.state, effects = run(
                before.script, self.state, waiting.pop(0), values, self.now, before.limits
            )
            self.stage = replace(self.stage, drawn=values.drawn)
            for effect in effects:
                if isinstance(effect, LookUp):
                    waiting.append(Found(effect.wait, self._look_up(effect)))
                else:
                    self._do(effect)
            if not waiting:
                return
        self.state = replace(self.state, ended=EndReason.TOO_MANY_STEPS, waiting=None)

    def put_together(self) -> Rehearsal:
        moment = Moment(
            at=self.now,
            lines=tuple(self.lines),
            changes=tuple(self.changes),
            traces=tuple(self.traces),
        )
        waiting = self.state.waiting
        is_called = self.call is not None and waiting is not None and waiting.number == self.call.wait
        return replace(
            self._before,
            stage=self.stage,
            state=self.state,
            now=self.now,
            moments=(*self._before.moments, moment),
            call=self.call if is_called else None,
        )

    def _do(self, effect: Effect) -> None:
        match effect:
            case Trace():
                self.traces.append(effect)
            case Say(text=text, wait=wait, number=number):
                self._speak(Who.BOT, text, effect.buttons, effect.quick_replies, wait, number)
            case SayElsewhere(text=text, number=number):
                self._speak(Who.ELSEWHERE, text, effect.buttons, number=number)
            case TellOperators(text=text):
                self._speak(Who.OPERATORS, text)
            case CallOut():
                self.call = effect
            case SetTimer() | LookUp():
                pass
            case WriteNote() if not clean_message(effect.text):
                pass
            case _:
                self.changes.append(effect)
                self.stage = change_stage(self.stage, effect)

    def _speak(
        self,
        who: Who,
        text: str,
        buttons: tuple[ScriptButton, ...] = (),
        quick_replies: tuple[str, ...] = (),
        wait: int = 0,
        number: int = 0,
    ) -> None:
        """A text of which nothing can be seen is not sent."""
        text = clean_message(text)
        if text:
            line = Line(
                who=who, text=text, buttons=buttons, quick_replies=quick_replies, wait=wait, number=number
            )
            self.lines.append(line)

    def _look_up(self, effect: LookUp) -> Mapping[str, Json] | None:
        """The first further card with the value."""
        entity = Entity.LEAD if effect.kind == "external_lead" else Entity.CONTACT
        for kind, card in self.stage.others:
            if kind is entity and _has_value(card, effect, self.stage.region):
                return read_card(card, entity)
        return None


def _has_value(card: Card, effect: LookUp, region: str) -> bool:
    """Phones are the same one however they are written."""
    match effect.by:
        case "name":
            found: Json = card.name
        case "field":
            found = card.fields.get(str(effect.field_id))
        case by:
            found = card.fields.get(by.upper())
    held = [as_text(value) for value in (found if isinstance(found, list) else [found])]
    if effect.by == "phone" and (wanted := normalise_phone(effect.value, region or UNKNOWN_REGION)):
        return wanted in (normalise_phone(text, region or UNKNOWN_REGION) for text in held)
    return fold(effect.value) in map(fold, held)


# --- Cards


def change_stage(stage: Stage, effect: Effect) -> Stage:
    """The stage after an effect on its cards; other effects leave it as it is."""
    match effect:
        case WriteCard(entity=entity) | Tag(entity, _) | Untag(entity, _) | SetSubscription(entity=entity):
            return _with_card(stage, entity, effect)
        case MoveLead(status_id, False):
            return replace(stage, lead=_move(stage.lead, status_id))
        case Decide(True) if stage.lead.decision == UNSORTED:
            return replace(stage, lead=replace(stage.lead, decision=ACCEPTED))
        case Decide(False) if stage.lead.decision == UNSORTED:
            return replace(stage, lead=_move(stage.lead, LOST))
        case Assign(entity=entity):
            for one in (Entity.CONTACT, Entity.LEAD) if entity is None else (entity,):
                stage = _with_card(stage, one, effect)
            return stage
        case _:
            return stage


def _move(lead: Card, status_id: int) -> Card:
    """A stage decides on an unsorted lead as well."""
    decided = DECLINED if status_id == LOST else ACCEPTED
    decision = decided if lead.decision == UNSORTED and status_id != lead.status_id else lead.decision
    return replace(lead, status_id=status_id, decision=decision)


def _with_card(stage: Stage, entity: Entity, effect: Effect) -> Stage:
    if entity is Entity.LEAD:
        return replace(stage, lead=_change_card(stage.lead, effect))
    return replace(stage, contact=_change_card(stage.contact, effect))


def _change_card(card: Card, effect: Effect) -> Card:
    match effect:
        case WriteCard():
            return _write(card, effect)
        case Tag(_, value):
            name = clean_name(value)
            known = {"", *(tag.casefold() for tag in card.tags)}
            return card if name.casefold() in known else replace(card, tags=(*card.tags, name))
        case Untag(_, values):
            names = {clean_name(value).casefold() for value in values}
            return replace(card, tags=tuple(tag for tag in card.tags if tag.casefold() not in names))
        case Assign(user_id, _):
            return replace(card, responsible={"id": user_id})
        case SetSubscription():
            return _subscribe(card, effect)
        case _:
            return card


def _write(card: Card, effect: WriteCard) -> Card:
    """What the card cannot take leaves it as it is."""
    match effect.target:
        case "name":
            name = clean_name(effect.value)[:MAX_NAME]
            return replace(card, name=name) if name else card
        case "price":
            number = read_decimal(effect.value)
            price = None if number is None else round_half_up(number)
            return card if price is None or not 0 <= price <= MAX_SALE else replace(card, price=price)
        case target:
            key = str(target)
    value = clean_text(effect.value) or effect.enum
    before = card.fields.get(key)
    held = before if isinstance(before, list) else [] if before in (None, "") else [before]
    if effect.add and held:
        known = {as_text(one).casefold() for one in held}
        after: Json = before if value.casefold() in known else [*held, value]
    else:
        after = value
    return replace(card, fields={**card.fields, key: after})


def _subscribe(card: Card, effect: SetSubscription) -> Card:
    """`all` has no names here: whom it means is known to the store alone."""
    if effect.id is None:
        return card
    one = ("group" if effect.type == "group" else "user", effect.id)
    others = tuple(known for known in card.subscribers if known != one)
    return replace(card, subscribers=tuple(sorted((*others, one))) if effect.is_on else others)


def read_card(card: Card, entity: Entity) -> dict[str, Json]:
    """The card as markers read it."""
    shown: dict[str, Json] = {
        "id": card.id or None,
        "name": card.name,
        "tags": list(card.tags),
        "responsible_user_id": card.responsible.get("id"),
        "responsible": dict(card.responsible),
        "users_subscribers": [number for kind, number in card.subscribers if kind == "user"],
        "groups_subscribers": [number for kind, number in card.subscribers if kind == "group"],
        "cf": dict(card.fields),
    }
    if entity is Entity.LEAD:
        return shown | {
            "price": card.price,
            "status_id": card.status_id,
            "pipeline_id": card.pipeline_id,
            "source_id": card.source_id,
        }
    return shown | {"phone": _first(card, "PHONE"), "email": _first(card, "EMAIL")}


def _first(card: Card, code: str) -> Json:
    value = card.fields.get(code)
    return value[0] if isinstance(value, list) and value else value


class _Values:
    """The markers of a stage (scope.py: Values). Chance is the seed's: the same each time it is played."""

    def __init__(self, stage: Stage, now: datetime) -> None:
        self._stage = stage
        self._now = now
        self.drawn = stage.drawn

    def find(self, path: tuple[str, ...]) -> Json | None:
        stage = self._stage
        match path:
            case ("contact", *rest):
                return walk(read_card(stage.contact, Entity.CONTACT), tuple(rest))
            case ("lead", *rest):
                return walk(read_card(stage.lead, Entity.LEAD), tuple(rest))
            case ("origin",):
                return stage.channel
            case ("message_text",):
                return stage.last_words
            case ("utm", name):
                return stage.lead.fields.get(f"UTM_{name.upper()}")
            case ("start_payload",):
                return stage.start_payload or None
            case ("phone_region",):
                return stage.region or None
            case ("user", number, *rest):
                return walk({"id": int(number)} if number.isdecimal() else {}, tuple(rest))
            case _:
                return self._find_chance(path)

    def _find_chance(self, path: tuple[str, ...]) -> Json | None:
        match path:
            case ("rand",):
                return str(self._draw(9 * 10**9) + 10**9)
            case ("short_rand",):
                return "".join(_LETTERS[self._draw(len(_LETTERS))] for _ in range(6))
            case ("short_rand_num",):
                return str(self._draw(9999 - 1111 + 1) + 1111)
            case ("current_date",):
                return self._now.strftime(_DATE)
            case ("visitor_uid" | "session_id" as name,):
                return f"{name.partition('_')[0]}-{self._stage.seed}"
            case _:
                return None

    def _draw(self, below: int) -> int:
        digest = hashlib.sha256(f"{self._stage.seed}:{self.drawn}".encode()).digest()
        self.drawn += 1
        return int.from_bytes(digest[:8], "big") % below


@dataclass(frozen=True, slots=True)
class Visit:
    """A block on the way through the script, and what the log tells of it."""

    place: str
    traces: tuple[Trace, ...]


def visits_of(traces: Iterable[Trace]) -> list[Visit]:
    """The way through the script; a block is named once while it lasts.

    One in which nothing ran is not on the way: what is told of the end, and of words behind it.
    """
    ran = (trace for trace in traces if trace.note not in (Note.ENDED, Note.ALREADY_ENDED))
    return [Visit(place, tuple(inside)) for place, inside in groupby(ran, _place_of)]


def _place_of(trace: Trace) -> str:
    return f"{trace.block} {trace.step}"


def steps_of(traces: Iterable[Trace]) -> list[str]:
    """The way through the script in words such as `question 0`."""
    return [visit.place for visit in visits_of(traces)]
