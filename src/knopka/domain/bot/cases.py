"""Cases of a script: what is given, what happens, and what must have become of it. Read, played, compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from knopka.domain.bot.given import MAX_EVENTS, Act, Given, happen, read_given
from knopka.domain.bot.markers import Json, as_text
from knopka.domain.bot.places import Node
from knopka.domain.bot.reading import Spot
from knopka.domain.bot.rehearsal import Card, Rehearsal, Who, steps_of
from knopka.domain.bot.script import Place, Script
from knopka.domain.bot.state import EndReason, WaitKind
from knopka.domain.bot.strict_yaml import read_yaml
from knopka.domain.bot.turns import read_turn, refuse_unknown
from knopka.domain.errors import Fault, InvalidInput
from knopka.domain.text import clean_message, clean_name

MAX_CASES_BYTES = 256 * 1024
MAX_CASES = 500
BEGINNING = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When a case begins that does not say when."""

_ENDS = {reason.value: reason for reason in EndReason}
_WAITS = {kind.value: kind for kind in WaitKind if kind is not WaitKind.LOOKUP}


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be there at the end, as lines; none means that nothing may be there."""

    what: tuple[str, ...]
    """`bot`, `steps`, … or a card with its part: `lead`, `fields`, `223461`."""
    lines: tuple[str, ...]
    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    at: Place
    given: Given
    acts: tuple[tuple[Place, Act], ...]
    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Something is not there as it was expected."""

    expected: Expected
    actual: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case that was played."""

    case: Case
    played: Rehearsal
    differences: tuple[Difference, ...]
    stuck: Fault | None = None
    """What could not happen, with its place; the case was played up to there."""

    @property
    def passed(self) -> bool:
        return not self.differences and self.stuck is None


def play_case(script: Script, case: Case) -> Outcome:
    """Play a case from its beginning, and compare what has become of it."""
    played = case.given.begin(script, BEGINNING)
    stuck = None
    for place, act in case.acts:
        try:
            played = happen(played, act, place.path)
        except InvalidInput as error:
            stuck = replace(error.faults[0], line=place.line, column=place.column)
            break
    return Outcome(case, played, tuple(_compare(case, played)), stuck)


def _compare(case: Case, played: Rehearsal) -> Iterator[Difference]:
    for expected in case.expected:
        actual = _observe(played, expected.what)
        wanted = expected.lines
        if expected.what[-1] == "tags":
            actual, wanted = tuple(sorted(actual)), tuple(sorted(wanted))
        if actual != wanted:
            yield Difference(replace(expected, lines=wanted), actual)


def _observe(played: Rehearsal, what: tuple[str, ...]) -> tuple[str, ...]:
    """What is there now, as lines."""
    match what:
        case ("bot" | "operators" | "elsewhere" as who,):
            return tuple(line.text for line in played.transcript if line.who is Who(who))
        case ("buttons",):
            said = [line for line in played.transcript if line.who is Who.BOT]
            return tuple(button.text for button in said[-1].buttons) if said else ()
        case ("notes",):
            return tuple(clean_message(note.text) for note in played.notes)
        case ("ended",):
            return () if played.ended is None else (played.ended.value,)
        case ("waits",):
            return () if played.waiting is None else (played.waiting.kind.value,)
        case ("steps",):
            return tuple(steps_of(played.traces))
        case ("contact", *rest):
            return _observe_card(played.stage.contact, tuple(rest))
        case (_, *rest):
            return _observe_card(played.stage.lead, tuple(rest))
        case _:
            return ()


def _observe_card(card: Card, part: tuple[str, ...]) -> tuple[str, ...]:
    match part:
        case ("fields", name):
            return _lines_of(card.fields.get(name))
        case ("tags",):
            return card.tags
        case ("responsible",):
            return _lines_of(card.responsible.get("id"))
        case (name,):
            return _lines_of(getattr(card, name))
        case _:
            return ()


def _lines_of(value: Json) -> tuple[str, ...]:
    """A value as lines: a list one a line, nothing as none."""
    values = value if isinstance(value, list) else [value]
    return tuple(text for one in values if (text := clean_message(as_text(one))))


# --- Reading


def parse_cases(body: bytes) -> tuple[Case, ...]:
    """The cases of a YAML text: a list of them, or `{given, cases}` with what is given in all of them.

    Raises InvalidInput with every fault, each with its path, line and column.
    """
    root = read_yaml(body, max_bytes=MAX_CASES_BYTES)
    cases = _read_cases(root)
    faults = root.findings.faults
    if faults:
        raise InvalidInput(*sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0)))
    return cases


def _read_cases(root: Spot) -> tuple[Case, ...]:
    shared: Spot | None = None
    listed: Spot | None = root
    if isinstance(root.value, dict):
        refuse_unknown(root, ("given", "cases"))
        shared, listed = root.get("given"), root.get("cases")
        if listed is None and not root.findings.faults:
            root.require("cases")
    if shared is not None:
        _read_given(shared)
    if listed is None or root.findings.faults:
        return ()
    items = [] if listed.value is None else listed.items()
    if not items and not root.findings.faults:
        listed.refuse("no_cases", "there is no case here")
    if len(items) > MAX_CASES:
        listed.refuse("too_many_cases", f"a file has at most {MAX_CASES} cases, not {len(items)}")
        return ()
    return tuple(case for number, item in enumerate(items, 1) if (case := _read_case(item, shared, number)))


def _read_case(spot: Spot, shared: Spot | None, number: int) -> Case | None:
    if not refuse_unknown(spot, ("name", "given", "say", "expect")):
        return None
    given, say, expect = (spot.get(key) for key in ("given", "say", "expect"))
    if expect is None:
        spot.refuse("nothing_expected", "expect is missing here: what must have become of it")
    return Case(
        name=_read_name(spot) or f"case {number}",
        at=spot.at,
        given=_read_given(_lay_over(shared, given)),
        acts=() if say is None else tuple(_read_acts(say)),
        expected=() if expect is None else tuple(_read_expected(expect)),
    )


def _read_name(spot: Spot) -> str:
    name = spot.get("name")
    if name is not None and not isinstance(name.value, str):
        name.refuse("not_a_text", "a name is a text")
        return ""
    return "" if name is None else clean_name(name.value)


def _read_acts(spot: Spot) -> Iterator[tuple[Place, Act]]:
    items = spot.items()
    if len(items) > MAX_EVENTS:
        spot.refuse("too_many", f"at most {MAX_EVENTS} things happen in a case, not {len(items)}")
        return
    for item in items:
        act = read_turn(item)
        if act is not None:
            yield item.at, act


def _lay_over(shared: Spot | None, own: Spot | None) -> Spot | None:
    """What is given in one case over what is given in all of them, key by key."""
    if shared is None or own is None or not isinstance(own.value, dict):
        return own or shared
    node = Node(own.node.offset, {**shared.node.inside, **own.node.inside})
    return Spot({**(shared.value or {}), **own.value}, own.path, node, own.findings)


def _read_given(spot: Spot | None) -> Given:
    """As an event of the inbox has it (given.py), and `time` as people write it."""
    if spot is None or not spot.expect_object():
        return Given()
    time = spot.get("time")
    rest = {key: value for key, value in spot.value.items() if key != "time"} if spot.value else {}
    given = read_given(Spot(rest, spot.path, spot.node, spot.findings))
    return given if time is None else replace(given, at=_read_time(time))


def _read_time(spot: Spot) -> datetime | None:
    """A moment of ISO 8601; without a zone in UTC."""
    try:
        moment = datetime.fromisoformat(str(spot.value))
    except ValueError:
        moment = None
    if moment is None or not 2000 <= moment.year <= 2100:
        spot.refuse("not_a_time", "a moment must stand here, such as 2026-03-07T12:00:00Z")
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


# --- What is expected

_LISTS = ("bot", "operators", "elsewhere", "buttons", "notes", "steps")
_OF_CONTACT = ("name", "fields", "tags", "responsible")
_OF_CARDS: Mapping[str, tuple[str, ...]] = {
    "contact": _OF_CONTACT,
    "lead": (*_OF_CONTACT, "price", "status_id", "pipeline_id", "source_id", "decision"),
}
_EXPECT = (*_LISTS, "ended", "waits", *_OF_CARDS)


def _read_expected(spot: Spot) -> Iterator[Expected]:
    if not refuse_unknown(spot, _EXPECT):
        return
    if not any(map(_names_something, spot.value.values() if spot.value else ())):
        spot.refuse("nothing_expected", f"nothing is compared here: name one of {', '.join(_EXPECT)}")
    for key, below in spot.entries():
        match key:
            case "ended" if below.value is not None:
                below.as_one_of(_ENDS, EndReason.DONE)
                yield Expected((key,), (str(below.value),), below.at)
            case "waits" if below.value is not None:
                below.as_one_of(_WAITS, WaitKind.ANSWER)
                yield Expected((key,), (str(below.value),), below.at)
            case "contact" | "lead":
                yield from _read_expected_card(key, below)
            case _ if key in _EXPECT:
                yield _read_lines((key,), below)
            case _:  # refused already
                pass


def _names_something(value: Json) -> bool:
    """An object without any value in it, however deep, leaves nothing to compare."""
    return any(map(_names_something, value.values())) if isinstance(value, dict) else True


def _read_expected_card(card: str, spot: Spot) -> Iterator[Expected]:
    if not refuse_unknown(spot, _OF_CARDS[card]):
        return
    for key, below in spot.entries():
        if key == "fields":
            if below.expect_object():
                for name, value in below.entries():
                    yield _read_lines((card, key, name), value)
        elif key in _OF_CARDS[card]:
            yield _read_lines((card, key), below)


def _read_lines(what: tuple[str, ...], spot: Spot) -> Expected:
    """One text or a list of them; null is nothing."""
    items = spot.items() if isinstance(spot.value, list) else [spot]
    for item in items:
        if isinstance(item.value, (dict, list)):
            item.refuse("not_a_text", "a text must stand here, or a list of them")
    return Expected(what, _lines_of(spot.value), spot.at)
