"""A run from event to event: where it goes, where it waits, and every end that it can take."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from knopka.domain.bot import is_awaited, run
from knopka.domain.bot.effects import (
    CallOut,
    CloseTalk,
    Decide,
    LookUp,
    Note,
    Say,
    SetTimer,
    Tag,
    TellOperators,
    Trace,
    WriteCard,
)
from knopka.domain.bot.limits import Limits
from knopka.domain.bot.loading import parse_continue
from knopka.domain.bot.script import Block, Goto, Place
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
from knopka.domain.meta import Entity
from tests.domain.bot.playing import NOW, Play, Store, action, goto, handler, load, show

TAG = action("set_tag", type=2, value="bot")


def minimal() -> list[Any]:
    """The script of amoCRM's documentation in the wording of our contract, unchanged."""
    return [
        {
            "question": [
                {
                    "handler": "show",
                    "params": {
                        "type": "buttons",
                        "value": "Hi {{contact.name}}, new order?",
                        "buttons": ["Yes", "No"],
                    },
                }
            ],
            "answer": [
                {
                    "handler": "buttons",
                    "params": [
                        {
                            "value": "Yes",
                            "params": [{"handler": "goto", "params": {"type": "question", "step": 1}}],
                        },
                        {
                            "regex": "/no|nope/iu",
                            "params": [{"handler": "stop", "params": {"action": "talk-close"}}],
                        },
                    ],
                }
            ],
        },
        {
            "question": [{"handler": "show", "params": {"type": "text", "value": "Phone?"}}],
            "answer": [{"handler": "preset", "params": {"name": "contacts.get_base_info"}}],
            "finish": [
                {"handler": "action", "params": {"name": "set_tag", "params": {"type": 2, "value": "bot"}}}
            ],
        },
    ]


STORE = {"contact.name": "Ann", "phone_region": "RU"}


# --- The documented script


def test_the_documented_script_runs_to_its_end() -> None:
    play = Play(minimal(), STORE).start()
    say = play.only(Say)
    assert (say.text, [button.text for button in say.buttons]) == ("Hi Ann, new order?", ["Yes", "No"])
    assert play.answer("Yes").said == ["Phone?"]
    play.answer("8 999 123-45-67")
    assert play.done == [
        WriteCard(Entity.CONTACT, "PHONE", "+79991234567", add=True),
        Tag(Entity.LEAD, "bot"),
    ]
    assert play.state.ended is EndReason.DONE


def test_the_documented_script_closes_the_talk_on_a_no() -> None:
    play = Play(minimal(), STORE).start().answer("Nope, thanks")
    assert play.done == [Decide(True), CloseTalk()]
    assert play.state.ended is EndReason.STOPPED


def test_keyed_steps_run_as_an_array_does() -> None:
    play = Play({str(number): step for number, step in enumerate(minimal())}, STORE).start()
    assert play.answer("yes").said == ["Phone?"]


def test_the_log_tells_each_handler_with_its_place_what_it_saw_and_what_it_decided() -> None:
    play = Play(minimal(), STORE).start()
    assert play.notes == [("", Note.STARTED), ("show", Note.SAID), ("", Note.WAITING)]
    line = play.trace("show")
    assert line.at is not None
    assert (line.at.path, line.at.line) == ("$[0].question[0]", 1)
    assert (line.step, line.block, line.seen) == (0, Block.QUESTION, {"contact.name": "Ann"})
    play.answer("Yes")
    assert play.notes[2:5] == [("buttons", Note.BRANCH_TAKEN), ("goto", Note.WENT), ("show", Note.SAID)]


def test_a_marker_without_a_value_is_told_in_a_line_of_its_own() -> None:
    play = Play([{"question": [show("Hi {{bot_params.name}}")]}]).start()
    line = next(e for e in play.last if isinstance(e, Trace) and e.note is Note.UNKNOWN_MARKER)
    assert (line.handler, line.detail) == ("show", "bot_params.name")
    assert play.said == ["Hi "]


# --- Blocks


def test_a_question_without_an_answer_goes_on_to_finish() -> None:
    play = Play([{"question": [show("Bye")], "finish": [TAG]}]).start()
    assert [type(effect) for effect in play.done] == [Say, Tag]
    assert play.state.ended is EndReason.DONE


def test_goto_leaves_the_rest_of_the_handlers() -> None:
    script = [{"question": [goto(1), show("never")]}, {"question": [show("here")]}]
    assert Play(script).start().said == ["here"]


@pytest.mark.parametrize(("block", "said"), [("question", "q"), ("answer", "a"), ("finish", "f")])
def test_goto_leads_to_each_block(block: str, said: str) -> None:
    step = {"question": [show("q")], "answer": [show("a")], "finish": [show("f")]}
    assert Play([{"question": [goto(1, block)]}, step]).start().said[0] == said


def test_a_reply_that_fits_no_button_is_waited_for_again() -> None:
    script = [{"question": [show("?", "A", "B")], "answer": [handler("buttons")], "finish": [TAG]}]
    script[0]["answer"] = [{"handler": "buttons", "params": [{"value": "A", "params": [show("a")]}]}]
    play = Play(script).start().answer("C")
    assert play.notes[-1] == ("", Note.WAITING_AGAIN)
    assert play.answer("1").said == ["a"]
    assert play.state.ended is EndReason.DONE


def test_a_handler_behind_buttons_takes_what_fits_none() -> None:
    buttons = {"handler": "buttons", "params": [{"value": "A", "params": []}]}
    play = Play([{"question": [show("?", "A")], "answer": [buttons, show("else")]}]).start().answer("C")
    assert play.said == ["else"]
    assert play.state.ended is EndReason.DONE


def test_one_branch_of_two_lists_of_buttons_is_enough() -> None:
    first = {"handler": "buttons", "params": [{"value": "A", "params": [show("a")]}]}
    second = {"handler": "buttons", "params": [{"value": "B", "params": [show("b")]}]}
    script = [{"question": [show("?", "A", "B")], "answer": [first, second]}]
    assert Play(script).start().answer("a").state.ended is EndReason.DONE
    assert Play(script).start().answer("b").state.ended is EndReason.DONE
    assert Play(script).start().answer("c").state.ended is None


@pytest.mark.parametrize(("block", "said"), [("question", ["q"]), ("answer", ["a"])])
def test_wait_answer_waits_and_then_goes(block: str, said: list[str]) -> None:
    script = [
        {"question": [show("?"), handler("wait_answer", type=block, step=1), show("never")]},
        {"question": [show("q")], "answer": [show("a")]},
    ]
    play = Play(script).start()
    assert play.said == ["?"]
    assert play.answer("x").said == said


@pytest.mark.parametrize("blank", ["", " ", "\n", "\u200b\u00a0", "\u2800"])
def test_a_message_that_would_show_nothing_is_not_sent(blank: str) -> None:
    play = Play([{"question": [show("{{bot_params.text}}")]}], bot_params={"text": blank}).start()
    assert (play.said, play.state.messages) == ([], 0)


# --- Buttons


def offer(*labels: str) -> Play:
    choices = [{"value": label, "params": [show(f"<{label}>")]} for label in labels]
    return Play(
        [{"question": [show("?", *labels)], "answer": [{"handler": "buttons", "params": choices}]}]
    ).start()


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("Red Tea", ["<Red Tea>"]),
        ("  red   TEA ", ["<Red Tea>"]),
        ("2", ["<Red Tea>"]),
        ("2.", ["<Red Tea>"]),
        ("1)", ["<7>"]),
        ("7", ["<7>"]),
        ("3", []),
        ("0", []),
        ("²", []),
        ("9" * 5000, []),
        ("red", []),
    ],
)
def test_a_typed_label_or_number_is_the_button(reply: str, said: list[str]) -> None:
    assert offer("7", "Red Tea").answer(reply).said == said


def test_a_pressed_button_is_its_label() -> None:
    play = offer("A", "B")
    assert play.answer("cut lab…", option=1, wait=play.only(Say).wait).said == ["<B>"]


@pytest.mark.parametrize("option", [-1, 2, 10**9])
def test_an_option_that_was_not_offered_counts_as_text(option: int) -> None:
    play = offer("A", "B")
    assert play.answer("a", option=option, wait=play.only(Say).wait).said == ["<A>"]


def test_an_old_button_is_answered_like_a_typed_label() -> None:
    two = [show("first?", "A", "B"), show("second?", "B", "A")]
    script = [{"question": two, "answer": [show("{{message_text}}")]}]
    play = Play(script).start()
    first, second = (effect.wait for effect in play.last if isinstance(effect, Say))
    assert first != second
    play.answer("A", option=0, wait=first)
    assert play.said == ["A"]
    again = Play(script).start().answer("A", option=0, wait=second)
    assert again.said == ["B"]


def test_a_number_is_no_button_once_something_else_is_asked() -> None:
    script = [
        {"question": [show("?", "Yes", "No")], "answer": [goto(1)]},
        {"question": [show("How many?")], "answer": [show("<{{message_text}}>")]},
    ]
    assert Play(script).start().answer("1").answer("1").said == ["<1>"]


def test_buttons_of_the_next_question_are_offered_in_their_turn() -> None:
    choice = {"handler": "buttons", "params": [{"value": "Big", "params": [show("big")]}]}
    script = [
        {"question": [show("?", "Yes", "No")], "answer": [goto(1)]},
        {"question": [show("Size?", "Small", "Big")], "answer": [choice]},
    ]
    assert Play(script).start().answer("1").answer("2").said == ["big"]


def test_a_number_is_a_button_while_the_same_is_asked_again() -> None:
    wait = handler("wait_answer", type="answer", step=0)
    buttons = {"handler": "buttons", "params": [{"value": "Yes", "params": [show("yes"), goto(0, "finish")]}]}
    script = [{"question": [show("?", "Yes", "No")], "answer": [buttons, show("Choose!"), wait]}]
    script[0]["finish"] = []
    play = Play(script).start().answer("what?")
    assert play.said == ["Choose!"]
    assert play.answer("1").said == ["yes"]


def test_a_label_may_hold_a_marker_and_comes_back_filled() -> None:
    choice = [{"value": "I am {{contact.name}}", "params": [show("ok")]}]
    script = [
        {
            "question": [show("?", "I am {{contact.name}}", "{{bot_params.no}}")],
            "answer": [{"handler": "buttons", "params": choice}],
        }
    ]
    play = Play(script, STORE).start()
    assert [button.text for button in play.only(Say).buttons] == ["I am Ann"]
    assert play.answer("1").said == ["ok"]


# --- Waiting


def nested(inner: Any) -> list[Any]:
    """A handler deep inside an answer, with something behind it on every level."""
    params = {"term1": "1", "term2": "1", "operation": "=", "result": [show("in"), inner, show("behind 1")]}
    choice = {"regex": "/./", "params": [handler("condition", **params), show("behind 2")]}
    answer = [{"handler": "buttons", "params": [choice]}, show("behind 3")]
    return [{"question": [show("?")], "answer": answer, "finish": [show("finish")]}, {"answer": [show("a1")]}]


BEHIND = ["behind 1", "behind 2", "behind 3", "finish"]


def test_a_pause_goes_on_exactly_behind_itself() -> None:
    play = Play(nested(handler("knopka_pause", hours=24))).start().answer("x")
    assert play.said == ["in"]
    assert play.only(SetTimer).at == NOW + timedelta(hours=24)
    assert play.let_pass(timedelta(hours=24)).said == BEHIND
    assert play.state.ended is EndReason.DONE


def test_a_reply_within_a_pause_is_taken_by_no_step_and_told_in_the_log() -> None:
    play = Play(nested(handler("knopka_pause", hours=24))).start().answer("x")
    before = play.state
    play.answer("hello?")
    assert play.state == before
    assert [(e.note, e.detail) for e in play.last if isinstance(e, Trace)] == [(Note.NOT_LISTENING, "hello?")]
    assert play.let_pass(timedelta(hours=24)).said == BEHIND


def test_a_reply_in_time_goes_to_its_block_and_its_timer_does_nothing_later() -> None:
    wait = handler("knopka_wait", minutes=5, type="answer", step=1, timeout=[show("late")])
    play = Play(nested(wait)).start().answer("x")
    old = play.wait
    assert play.answer("y").said == ["a1"]
    assert play.feed(TimerFired(old)).last == ()


def test_without_a_reply_in_time_the_other_branch_runs_and_then_what_is_behind() -> None:
    wait = handler("knopka_wait", minutes=5, type="answer", step=1, timeout=[show("late")])
    play = Play(nested(wait)).start().answer("x")
    assert play.let_pass(timedelta(minutes=5)).said == ["late", *BEHIND]


def call(**more: Any) -> Any:
    return handler("knopka_http", url="https://api.example/x?key=k", result=[show("ok {{json.n}}")], **more)


def test_an_answer_of_a_call_goes_on_in_its_branch_and_then_behind() -> None:
    play = Play(nested(call(error=[show("bad")]))).start().answer("x")
    assert play.state.waiting is not None
    assert play.state.waiting.kind is WaitKind.CALL
    assert play.feed(Called(wait=play.wait, data={"n": 3})).said == ["ok 3", *BEHIND]


def test_an_answer_that_has_no_room_beside_the_others_fails_and_they_stay() -> None:
    calls = [
        handler("knopka_http", url="https://a.example/", save_as=name, error=[show("no room")])
        for name in ("first", "second", "first")
    ]
    play = Play([{"question": [*calls, show("{{json.first}} {{json.second}}")]}]).start()
    most = play.limits.kept - len('{"first":""}')
    play.feed(Called(wait=play.wait, data="x" * most)).feed(Called(wait=play.wait, data="y"))
    assert play.said == ["no room"]
    assert play.trace("knopka_http").detail == "too_large"
    assert play.feed(Called(wait=play.wait, data="z")).said == ["z "]


def test_a_failed_call_goes_on_in_its_other_branch() -> None:
    play = Play(nested(call(error=[show("bad")]))).start().answer("x")
    assert play.feed(Called(wait=play.wait, error="timeout")).said == ["bad", *BEHIND]
    assert ("knopka_http", Note.CALL_FAILED) in play.notes


def test_a_saved_answer_stands_beside_those_before_it() -> None:
    calls = [handler("knopka_http", url="https://a.example/", save_as=name) for name in ("one", "two")]
    play = Play([{"question": [*calls, show("{{json.one.n}} {{json.two[1]}}")]}]).start()
    play.feed(Called(wait=play.wait, data={"n": 1}))
    play.feed(Called(wait=play.wait, data=[5, 6]))
    assert play.said == ["1 6"]


def test_a_look_up_goes_on_in_its_actions_and_then_behind() -> None:
    find = handler(
        "find",
        type="contact_double",
        params={
            "type": "name",
            "value": "{{contact.name}}",
            "actions": [show("{{contact_double.phone}} {{founded_id}}")],
        },
    )
    play = Play(nested(find), STORE).start().answer("x")
    asked = play.only(LookUp)
    assert (asked.kind, asked.by, asked.value) == ("contact_double", "name", "Ann")
    assert play.last[-1] is asked
    found = Play(nested(find), STORE).start().answer("x")
    assert found.feed(Found(wait=found.wait, card={"id": 12, "phone": "+7"})).said == ["+7 12", *BEHIND]
    assert play.feed(Found(wait=play.wait, card=None)).said == BEHIND


def test_the_called_service_continues_the_run_with_its_data_and_its_handlers_first() -> None:
    request = handler("widget_request", url="https://w.example/hook", data={"id": "{{lead.id}}", "k": [1]})
    play = Play(nested(request), {"lead.id": 55}).start().answer("x")
    out = play.only(CallOut)
    assert (out.is_widget, out.method, out.data) == (True, "POST", {"id": "55", "k": [1]})
    assert play.feed(Called(wait=play.wait)).said == []
    body = {
        "data": {"status": "ok"},
        "execute_handlers": [handler("show", type="text", value="Found {{json.status}}")],
    }
    data, handlers = parse_continue(body, play.script)
    play.feed(Continued(wait=play.wait, data=data, handlers=handlers))
    assert play.said == ["Found ok", *BEHIND]


def test_a_jump_of_the_called_service_leaves_what_is_behind() -> None:
    play = Play(nested(handler("widget_request", url="https://w.example/hook", data={}))).start().answer("x")
    body = {"data": {}, "execute_handlers": [goto(1, "answer"), show("never")]}
    data, handlers = parse_continue(body, play.script)
    assert play.feed(Continued(wait=play.wait, data=data, handlers=handlers)).said == ["a1"]


def test_without_its_service_the_run_goes_on_behind_and_a_late_continue_is_refused() -> None:
    request = handler("widget_request", url="https://w.example/hook", data={})
    play = Play(nested(request)).start().answer("x")
    late = Continued(wait=play.wait, data={})
    assert is_awaited(play.state, late)
    assert play.feed(Called(wait=play.wait, error="timeout")).said == BEHIND
    assert not is_awaited(play.state, late)
    assert play.feed(late).last == ()


def test_data_of_an_earlier_call_does_not_pass_for_that_of_a_failed_service() -> None:
    request = handler("widget_request", url="https://w.example/hook", data={})
    play = Play(
        [{"question": [handler("knopka_http", url="https://a.example/"), request, show("<{{json.n}}>")]}]
    )
    play.start().feed(Called(wait=1, data={"n": 1}))
    assert play.feed(Called(wait=play.wait, error="timeout")).said == ["<>"]


# --- Every event in every state


def waiting_for(kind: str) -> Play:
    match kind:
        case "answer":
            return Play(nested(show("x"))).start()
        case "answer in time":
            wait = handler("knopka_wait", minutes=5, type="answer", step=1)
            return Play(nested(wait)).start().answer("x")
        case "pause":
            return Play(nested(handler("knopka_pause", minutes=5))).start().answer("x")
        case "call":
            return Play(nested(call())).start().answer("x")
        case "continue":
            request = handler("widget_request", url="https://w.example/hook", data={})
            return Play(nested(request)).start().answer("x")
        case "look-up":
            find = handler("find", type="contact_double", params={"type": "name", "value": "x"})
            return Play(nested(find)).start().answer("x")
        case _:
            return Play(nested(show("x"))).start().feed(Ended(EndReason.OPERATOR))


KINDS = ["answer", "answer in time", "pause", "call", "continue", "look-up", "ended"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_late_end_of_an_old_wait_changes_nothing(kind: str) -> None:
    play = waiting_for(kind)
    before = play.state
    number = before.waiting.number - 1 if before.waiting else 1
    events: list[Event] = [
        TimerFired(number),
        Called(wait=number),
        Called(wait=number, error="x"),
        Continued(wait=number, data={}),
        Found(wait=number, card=None),
    ]
    for event in events:
        assert not is_awaited(before, event)
        assert play.feed(event).last == ()
        assert play.state == before


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_waited_for_moves_a_run(kind: str) -> None:
    play = waiting_for(kind)
    number = play.state.waiting.number if play.state.waiting else 1
    moves: dict[str, Event] = {
        "start": Started(),
        "answer": Answered(text="x"),
        "timer": TimerFired(number),
        "called": Called(wait=number),
        "continued": Continued(wait=number, data={}),
        "found": Found(wait=number, card=None),
    }
    awaited = {name for name, event in moves.items() if is_awaited(play.state, event)}
    assert (
        awaited
        == {
            "answer": {"answer"},
            "answer in time": {"answer", "timer"},
            "pause": {"timer"},
            "call": {"called"},
            "continue": {"called", "continued"},
            "look-up": {"found"},
            "ended": set(),
        }[kind]
    )


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_an_end_from_outside_ends_the_run_wherever_it_is(kind: str) -> None:
    play = waiting_for(kind).feed(Ended(EndReason.OPERATOR))
    assert play.state.ended is EndReason.OPERATOR
    assert play.state.waiting is None
    assert play.notes == [("", Note.ENDED)]


def test_after_its_end_a_run_keeps_its_first_reason_and_tells_only_of_people() -> None:
    play = waiting_for("ended")
    assert play.feed(Ended(EndReason.CLOSED)).last == ()
    assert play.feed(Undelivered("x")).last == ()
    assert play.answer("hello?").notes == [("", Note.ALREADY_ENDED)]
    assert play.state.ended is EndReason.OPERATOR


def test_a_second_start_changes_nothing() -> None:
    play = waiting_for("pause")
    before = play.state
    assert play.feed(Started()).notes == [("", Note.ALREADY_STARTED)]
    assert play.state == before


# --- What was not delivered


def failing(error: list[Any]) -> Play:
    steps = {
        "0": {"question": [show("?")], "answer": [show("a")]},
        "1": {"question": [show("again?")], "answer": []},
    }
    return Play({**steps, "error": error} if error else steps).start()


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("window_closed", EndReason.WINDOW_CLOSED),
        ("chat_gone", EndReason.CHAT_GONE),
        ("bad_request", EndReason.UNDELIVERED),
    ],
)
def test_error_runs_and_the_run_ends_with_the_reason(reason: str, end: EndReason) -> None:
    play = failing([TAG]).feed(Undelivered(reason))
    assert play.done == [Tag(Entity.LEAD, "bot")]
    assert play.state.ended is end
    assert play.trace("set_tag").block == "error"


def test_without_error_the_run_ends_at_once() -> None:
    play = failing([]).feed(Undelivered("chat_gone"))
    assert (play.done, play.state.ended) == ([], EndReason.CHAT_GONE)


def test_error_runs_once_even_where_it_leads_on() -> None:
    play = failing([show("sorry"), goto(1)]).feed(Undelivered("bad_request"))
    assert play.said == ["sorry", "again?"]
    play = failing([show("sorry"), handler("wait_answer", step=0)]).feed(Undelivered("bad_request"))
    assert play.state.ended is None
    after = play.feed(Undelivered("chat_gone"))
    assert after.said == []
    assert after.state.ended is EndReason.UNDELIVERED


def test_error_drops_what_was_waited_for() -> None:
    pause = handler("knopka_pause", minutes=5)
    script = {"0": {"question": [pause, show("late")]}, "error": [pause, show("sorry")]}
    play = Play(script).start()
    old = play.wait
    play.feed(Undelivered("bad_request"))
    assert play.feed(TimerFired(old)).last == ()
    assert play.let_pass(timedelta(minutes=5)).said == ["sorry"]


def test_on_error_of_a_message_elsewhere_comes_between_and_the_run_waits_on() -> None:
    message = {"type": "external", "text": "By another channel"}
    send = handler("send_external_message", message=message, on_error=action("set_tag", type=2, value="lost"))
    play = Play(nested(send)).start().answer("x")
    assert play.state.ended is EndReason.DONE
    script = [{"question": [send, show("?")], "answer": [show("a")]}]
    play = Play({"0": script[0], "error": [show("never")]}).start()
    waiting = play.state.waiting
    play.feed(Undelivered("chat_gone", message=1))
    assert play.done == [Tag(Entity.LEAD, "lost")]
    assert play.state.waiting == waiting
    assert play.answer("x").said == ["a"]


# --- The unsorted lead


def test_the_first_answer_accepts_the_unsorted_lead_and_no_later_one() -> None:
    script = [{"question": [show("?")], "answer": [handler("wait_answer", step=0)]}]
    play = Play(script).start()
    assert Decide(True) not in play.last
    assert Decide(True) in play.answer("a").last
    assert Decide(True) not in play.answer("b").last


def test_a_first_show_may_leave_the_lead_unsorted() -> None:
    kept = handler("show", type="text", value="?", accept_unsorted=False)
    script = [{"question": [kept, show("more")], "answer": [handler("wait_answer", step=0)]}]
    assert Decide(True) not in Play(script).start().answer("a").last


# --- What the run has just written


def test_a_handler_reads_what_the_one_before_it_wrote() -> None:
    script = [
        {
            "question": [
                action("set_custom_fields", type=2, custom_fields_id=7, value="new"),
                action("set_budget", value="{{lead.price}} * 2"),
                action("set_custom_fields", type=1, custom_field="{{contact.name}}", value="Bea"),
                action("change_status", value="{{lead.cf.9}}"),
                action("change_responsible_user", value=12),
                action("set_tag", type=2, value="new"),
                action("unset_tag", type=2, value="old"),
                action("subscribe", type="user", value=12),
                action("subscribe", type="group", value=7, entity_type=1),
                action("unsubscribe", type="user", value=11),
                show(
                    "{{lead.cf.7}} {{lead.price}} {{name}} {{lead.status_id}} {{lead.responsible_user_id}} "
                    "{{lead.responsible}} {{lead.tags}} {{lead.users_subscribers}} "
                    "{{contact.groups_subscribers}}"
                ),
            ]
        }
    ]
    store = {
        "lead.cf.7": "old", "lead.price": 50, "contact.name": "Ann", "lead.cf.9": 901, "user.12.name": "Oleg",
        "lead.responsible.name": "Olga", "lead.tags": ["old", "vip"], "lead.users_subscribers": [10, 11],
    }  # fmt: skip
    assert Play(script, store).start().said == ["new 100 Bea 901 12 Oleg vip, new 10, 12 7"]


def test_an_addition_stands_behind_what_was_there() -> None:
    script = [
        {
            "question": [show("?")],
            "answer": [handler("preset", name="contacts.get_base_info"), show("{{contact.email}}")],
        }
    ]
    assert Play(script, {"contact.email": "a@x.example"}).start().answer("b@x.example").said == [
        "a@x.example, b@x.example"
    ]


# --- Guards


def test_a_circle_without_a_word_of_the_visitor_is_found_and_stopped() -> None:
    play = Play([{"question": [show("again"), goto(0)]}]).start()
    assert play.state.ended is EndReason.LOOP
    assert len(play.said) == Limits().visits + 1


def test_a_circle_through_calls_is_found_as_well() -> None:
    play = Play([{"question": [handler("knopka_http", url="https://a.example/"), goto(0)]}]).start()
    while play.state.ended is None:
        play.feed(Called(wait=play.wait, data={}))
    assert play.state.ended is EndReason.LOOP


def test_a_visitor_may_go_round_as_often_as_he_answers() -> None:
    play = Play([{"question": [show("?")], "answer": [goto(0)]}]).start()
    for _ in range(150):
        play.answer("x")
    assert play.state.ended is None


def test_a_circle_with_a_pause_ends_at_the_hundredth_handler() -> None:
    play = Play([{"question": [handler("knopka_pause", hours=1), goto(0)]}]).start()
    turns = 0
    while play.state.ended is None:
        play.let_pass(timedelta(hours=1))
        turns += 1
    assert play.state.ended is EndReason.TOO_MANY_STEPS
    assert turns == Limits().steps / 2


@pytest.mark.parametrize(("count", "end"), [(100, EndReason.DONE), (101, EndReason.TOO_MANY_STEPS)])
def test_a_hundred_handlers_run_without_a_word_of_the_visitor_and_no_more(count: int, end: EndReason) -> None:
    play = Play([{"question": [TAG] * count}]).start()
    assert play.state.ended is end
    assert len(play.done) == 100


@pytest.mark.parametrize(
    ("most", "said", "end"), [(3, 3, EndReason.DONE), (2, 2, EndReason.TOO_MANY_MESSAGES)]
)
def test_a_run_says_so_many_messages_and_no_more(most: int, said: int, end: EndReason) -> None:
    play = Play([{"question": [show("x")] * 3}], limits=Limits(messages=most)).start()
    assert (len(play.said), play.state.ended) == (said, end)


def test_messages_are_counted_over_the_whole_run() -> None:
    play = Play([{"question": [show("?")], "answer": [goto(0)]}]).start()
    while play.state.ended is None:
        play.answer("x")
    assert play.state.messages == 200
    assert play.state.ended is EndReason.TOO_MANY_MESSAGES


@pytest.mark.parametrize(
    ("age", "end"),
    [(timedelta(days=30), EndReason.DONE), (timedelta(days=30, microseconds=1), EndReason.TOO_OLD)],
)
def test_a_run_lasts_thirty_days(age: timedelta, end: EndReason) -> None:
    play = Play([{"question": [show("?")], "answer": [show("a")]}]).start()
    play.now += age
    assert play.answer("x").state.ended is end


def test_a_step_that_is_not_there_ends_the_run_without_a_word() -> None:
    play = waiting_for("continue")
    missing = Goto(Place("$", 1, 1), Block.QUESTION, 99)
    play.feed(Continued(wait=play.wait, data={}, handlers=(missing,)))
    assert (play.state.ended, play.said) == (EndReason.FAILED, [])


@pytest.mark.parametrize("kind", ["answer in time", "pause", "call", "continue", "look-up"])
@pytest.mark.parametrize(
    "other",
    [
        [{"question": [show("other")]}],
        [{"question": [], "answer": [{"handler": "buttons", "params": []}]}],
        [
            {
                "question": [],
                "answer": [{"handler": "buttons", "params": [{"value": "", "params": [show("o")]}]}],
            }
        ],
    ],
)
def test_a_state_of_another_script_ends_the_run_without_a_word(kind: str, other: list[Any]) -> None:
    play = waiting_for(kind)
    play.script = load(other)
    number = play.wait
    events: dict[str, Event] = {
        "answer in time": TimerFired(number),
        "pause": TimerFired(number),
        "call": Called(wait=number),
        "continue": Continued(wait=number, data={}),
        "look-up": Found(wait=number, card={}),
    }
    play.feed(events[kind])
    assert (play.state.ended, play.said) == (EndReason.FAILED, [])


def test_the_same_event_gives_the_same_effects() -> None:
    script, state = load(minimal()), RunState(started_at=NOW)
    first = run(script, state, Started(), Store(STORE), NOW)
    assert run(script, state, Started(), Store(STORE), NOW) == first


def test_operators_are_told_at_a_handover_and_the_run_ends() -> None:
    play = Play([{"question": [handler("knopka_handover", message="Call {{name}}"), show("never")]}], STORE)
    assert play.start().done == [TellOperators("Call Ann")]
    assert play.state.ended is EndReason.STOPPED
