"""Any script with any events: nothing raises, every run waits or has ended, and values stay data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from knopka.domain.bot import is_awaited, run
from knopka.domain.bot.effects import CallOut, Effect, LookUp, Say, SayElsewhere, SetTimer
from knopka.domain.bot.patterns import read_pattern
from knopka.domain.bot.script import (
    AddLeadContact,
    AddNote,
    Block,
    Buttons,
    ChangeResponsible,
    ChangeStatus,
    Check,
    Choice,
    DecideUnsorted,
    Filter,
    FindDouble,
    GetBaseInfo,
    Goto,
    Handler,
    Handover,
    Http,
    If,
    Link,
    NewCard,
    NewField,
    Nothing,
    Pause,
    Place,
    Script,
    ScriptButton,
    SendExternal,
    SendInternal,
    SetBudget,
    SetField,
    SetTag,
    Show,
    Split,
    Step,
    Stop,
    Subscribe,
    Term,
    UnsetTag,
    Validate,
    ValidateBaseInfo,
    WaitAnswer,
    WaitFor,
    WidgetRequest,
)
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
    WaitKind,
)
from knopka.domain.bot.state_json import read_state, write_state
from knopka.domain.meta import Entity
from tests.domain.bot.playing import NOW

FORBIDDEN = ("lead", "secret")
"""No script below names it. Only values do, and values are not read as markers."""
EVIL = "{{lead.secret}}"


class Shelf:
    """Has something for most names, and remembers whether it was asked for what no script names."""

    def __init__(self) -> None:
        self.asked: set[tuple[str, ...]] = set()

    def find(self, path: tuple[str, ...]) -> Any:
        self.asked.add(path)
        if path == FORBIDDEN:
            return "SECRET"
        return (None, EVIL, 901, "10,5", ["a", EVIL], {"x": EVIL}, "", True)[len("".join(path)) % 8]


texts = st.sampled_from(
    [
        "", " ", "Yes", "no", "{{name}}", "{{bot_params.a.b[0]}}", "{{json.x.y}} {{json[0]}}", "5", "901",
        "{{message_text}}", "{{message_text.phone}}{{message_text.email}}", "{{lead.price}}", "{{lead.cf.7}}",
        "{{lead.price}}*2+(1/{{lead.cf.1}})", "{{regexp./(\\d+)/}}", "{{contact_double.name}}", "lead.tags",
        "{{last_validation_result}}", "{{founded_id}}", "{{rand}}", "{{current_date}}", "{{lead.tags}}",
        "{{bot_params.__proto__}}", "{{unknown}}", "{{", "{{}}", "1/0", "{{external_lead.cf.1}}",
    ]
)  # fmt: skip
places = st.integers(0, 99).map(lambda n: Place(f"$[{n}]", 1, n + 1))
blocks = st.sampled_from(list(Block))
steps = st.sampled_from([0, 0, 1, 1, 1, 2, 2, 2, 2, 99])
entities = st.sampled_from(list(Entity))
logics = st.sampled_from(["and", "or"])
patterns = st.sampled_from([read_pattern(literal) for literal in ("/yes|да/iu", r"/(\d+) pcs/", "/.*/s")])
spans = st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds))
buttons = st.lists(
    st.builds(ScriptButton, texts, st.sampled_from(["", "https://x.example/{{name}}"])), max_size=3
).map(tuple)
terms = st.lists(
    st.builds(
        Term,
        texts,
        texts,
        st.sampled_from(["=", "!=", "in", "not_in", "in_range", ">", "<", ">=", "<="]),
        texts,
        texts,
    ),
    max_size=2,
).map(tuple)
checks = st.lists(
    st.builds(
        Check,
        texts,
        st.sampled_from(["simple", "email", "phone", "regex", "range_numbers"]),
        st.sampled_from(["equal", "not_equal", "length", "contains", "not_contains"]),
        texts,
        st.none() | patterns,
        texts,
        texts,
    ),
    max_size=2,
).map(tuple)
cards = st.builds(
    NewCard,
    name=texts,
    status_id=texts,
    responsible_user_id=texts,
    price=texts,
    tags=st.lists(texts, max_size=2).map(tuple),
    fields=st.lists(st.builds(NewField, st.just(7), texts, texts), max_size=2).map(tuple),
)
asked_texts = st.dictionaries(
    st.sampled_from(["empty_all", "empty_phone", "empty_email", "invalid_phone", "success", "all_doubles"]),
    texts,
    max_size=3,
)
shows = st.builds(Show, at=places, value=texts, buttons=buttons, accept_unsorted=st.booleans())
simple: st.SearchStrategy[Handler] = st.one_of(
    shows,
    shows,
    shows,
    st.builds(Goto, places, blocks, steps),
    st.builds(WaitAnswer, places, blocks, steps),
    st.builds(GetBaseInfo, places),
    st.builds(
        ValidateBaseInfo,
        at=places,
        texts=asked_texts,
        check_doubles=st.booleans(),
        use_quick_replies=st.booleans(),
    ),
    st.builds(
        Split,
        places,
        st.sampled_from(["_", "{", ","]),
        st.lists(
            st.sampled_from(["", "lead.tags", "lead.price", "x", "contact.custom_fields.5"]), max_size=3
        ).map(tuple),
    ),
    st.builds(
        Stop, places, st.sampled_from(["talk-close", "salesbot-start", ""]), st.none() | st.integers(1, 9)
    ),
    st.builds(WidgetRequest, places, st.just("https://w.example/{{name}}"), st.lists(texts, max_size=2)),
    st.builds(SendInternal, places, texts, entities, texts, texts),
    st.builds(Nothing, places, texts, st.sampled_from(["drawing_only", "no_such_part"])),
    st.builds(Pause, places, spans),
    st.builds(Handover, places, texts),
    st.builds(DecideUnsorted, places, st.booleans()),
    st.builds(ChangeStatus, places, texts, st.booleans()),
    st.builds(SetTag, places, entities, texts),
    st.builds(UnsetTag, places, entities, st.lists(texts, max_size=2).map(tuple)),
    st.builds(
        SetField,
        at=places,
        entity=entities,
        target=st.sampled_from([7, "price", "name"]),
        value=texts,
        enum=texts,
        calculated=st.booleans(),
        add=st.booleans(),
    ),
    st.builds(SetBudget, places, texts),
    st.builds(Subscribe, places, st.booleans(), st.sampled_from(["group", "user", "all"]), texts, entities),
    st.builds(AddLeadContact, at=places, lead=cards, contact=cards, requires_way_to_reach=st.booleans()),
    st.builds(AddNote, places, entities, st.just("common"), texts),
    st.builds(Link, places, entities, texts, entities, texts),
    st.builds(ChangeResponsible, places, texts, st.none() | entities),
)


def nest(inner: st.SearchStrategy[Handler]) -> st.SearchStrategy[Handler]:
    some = st.lists(inner, max_size=3).map(tuple)
    choices = st.builds(Choice, st.none() | texts, st.none() | patterns, some)
    return st.one_of(
        st.builds(Buttons, places, st.lists(choices, max_size=3).map(tuple)),
        st.builds(If, places, logics, terms, some, some),
        st.builds(Validate, places, logics, checks, some, some),
        st.builds(FindDouble, places, st.sampled_from(["name", "phone", "email", "shoe"]), texts, some),
        st.builds(Filter, places, entities, st.just(7), texts, some),
        st.builds(
            SendExternal,
            at=places,
            text=texts,
            recipient=st.sampled_from(["main_contact", "filtered_contacts"]),
            terms=terms,
            on_error=some,
        ),
        st.builds(WaitFor, places, spans, steps, blocks, some),
        st.builds(
            Http,
            at=places,
            method=st.just("POST"),
            url=st.just("https://x.example/"),
            data=texts,
            headers=st.just({"A": "{{name}}"}),
            save_as=st.sampled_from(["", "x"]),
            result=some,
            error=some,
        ),
    )


handler = st.recursive(simple, nest, max_leaves=6)
handlers = st.lists(handler, max_size=4).map(tuple)
some_handlers = st.lists(handler, min_size=1, max_size=6).map(tuple)
a_step = st.builds(Step, some_handlers, some_handlers, handlers)
scripts = st.builds(
    Script, st.tuples(a_step, a_step, a_step).map(lambda three: dict(enumerate(three))), handlers
)
values = st.sampled_from(
    [None, EVIL, 5, "x", [1, EVIL], {"x": {"y": EVIL}, "id": 7, "name": EVIL, EVIL: 1, "__proto__": 2}]
)
replies = st.sampled_from(
    ["", "yes", "1", "2", "12 pcs", EVIL, "ann@x.example +79991234567", "x" * 9000, "{{", "\U0001f600"]
)
numbers = st.sampled_from([0, 0, 0, 0, -1, 1])
"""How far from the wait of the moment: 0 is its own number."""
goes_on = st.tuples(st.just("go on"), values, st.booleans(), numbers)
event_kinds = st.one_of(
    goes_on,
    goes_on,
    st.tuples(st.just("answer"), replies, st.none() | st.integers(-1, 4), numbers),
    st.tuples(
        st.just("anything"), st.sampled_from(["start", "timer", "call", "continue", "found"]), values, numbers
    ),
    st.tuples(
        st.just("undelivered"),
        st.sampled_from(["window_closed", "x"]),
        st.none() | st.integers(1, 3),
        numbers,
    ),
    st.tuples(st.just("later"), st.integers(1, 9), st.none(), numbers),
)


def make_event(state: RunState, kind: tuple[Any, Any, Any, int]) -> Event:
    """An event that suits the state, or that anybody else might send."""
    name, one, two, off = kind
    number = (state.waiting.number if state.waiting else 0) + off
    card = one if isinstance(one, dict) else None
    jump = Goto(Place("$", 1, 1), Block.QUESTION, 1)
    match name, one:
        case "answer", _:
            return Answered(text=one, option=two, wait=state.offer + off)
        case "undelivered", _:
            return Undelivered(one, two)
        case "anything", "start":
            return Started()
        case "anything", "timer":
            return TimerFired(number)
        case "anything", "call":
            return Called(wait=number, data=two)
        case "anything", "continue":
            return Continued(wait=number, data={"x": two}, handlers=(jump,))
        case "anything", "found":
            return Found(wait=number, card=None)
        case _:
            pass
    match state.waiting.kind if state.waiting else None:
        case WaitKind.PAUSE:
            return TimerFired(number)
        case WaitKind.CALL:
            return Called(wait=number, data=one, error="x" if two else "")
        case WaitKind.CONTINUE:
            return Continued(wait=number, data={"x": one})
        case WaitKind.LOOKUP:
            return Found(wait=number, card=card)
        case _:
            return TimerFired(number) if two else Answered(text="yes")


@settings(max_examples=80, deadline=None)
@given(scripts, st.lists(event_kinds, min_size=5, max_size=15), values)
def test_any_run_waits_or_has_ended_and_reads_no_value_as_a_marker(
    script: Script, kinds: list[tuple[Any, Any, Any, int]], value: Any
) -> None:
    shelf, now = Shelf(), NOW
    bot_params: Mapping[str, Any] = {"a": {"b": [EVIL, value]}, "__proto__": EVIL, EVIL: EVIL}
    state = RunState(started_at=NOW, bot_params=bot_params)
    said: list[int] = []
    for kind in (("anything", "start", None, 0), *kinds):
        if kind[0] == "later":
            now += timedelta(days=kind[1])
        event = make_event(state, kind)
        after, effects = run(script, state, event, shelf, now)
        assert run(script, read_state(write_state(state)), event, shelf, now) == (after, effects)
        assert after.ended is not None or after.waiting is not None
        if is_awaited(state, event):
            check_waits(after, effects)
        else:
            assert after == state
        assert "SECRET" not in repr(effects)
        said += [effect.number for effect in effects if isinstance(effect, (Say, SayElsewhere))]
        state = after
    assert FORBIDDEN not in shelf.asked
    assert said == list(range(1, len(said) + 1))
    ended, effects = run(script, state, Ended(EndReason.OPERATOR), shelf, now)
    assert ended.ended is (state.ended or EndReason.OPERATOR)


def check_waits(state: RunState, effects: tuple[Effect, ...]) -> None:
    """What was asked for is what is waited for, and a look-up is the last that is asked."""
    asked = [effect for effect in effects if isinstance(effect, (SetTimer, LookUp, CallOut))]
    assert len(asked) <= 1
    for effect in asked:
        assert state.waiting is not None
        assert state.waiting.number == effect.wait
        assert not isinstance(effect, LookUp) or effects[-1] is effect
    if any(isinstance(effect, SetTimer) for effect in asked):
        assert state.waiting is not None
        assert state.waiting.until is not None
