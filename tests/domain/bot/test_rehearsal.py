"""A script played without touching anything: what is heard, what becomes of the cards, and its way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from knopka.domain.bot.effects import Note
from knopka.domain.bot.limits import Limits
from knopka.domain.bot.rehearsal import MAX_SPAN, Card, Rehearsal, Stage, Who, begin, steps_of
from knopka.domain.bot.state import EndReason, WaitKind
from knopka.domain.crm import LOST
from knopka.domain.errors import Conflict, InvalidInput
from knopka.domain.meta import Entity
from tests.domain.bot.playing import NOW, action, goto, handler, load, show

HOUR = timedelta(hours=1)
MINIMAL = [
    {
        "question": [show("Hi {{contact.name}}, new order?", "Yes", "No")],
        "answer": [
            handler("buttons")
            | {
                "params": [
                    {"value": "Yes", "params": [goto(1)]},
                    {"regex": "/no|nope/iu", "params": [handler("stop", action="talk-close")]},
                ]
            }
        ],
    },
    {
        "question": [show("Phone?")],
        "answer": [handler("preset", name="contacts.get_base_info")],
        "finish": [action("set_tag", type=2, value="bot"), show("Thanks!")],
    },
]


def play(script: Any, **more: Any) -> Rehearsal:
    return begin(load(script), **({"now": NOW} | more))


def do(*handlers: Any, **more: Any) -> Rehearsal:
    """A script of one question."""
    return play([{"question": list(handlers)}], **more)


def ask(*handlers: Any, **more: Any) -> Rehearsal:
    """A script that asks, and does this with the answer."""
    return play([{"question": [show("?")], "answer": list(handlers) or [show("Well.")]}], **more)


def said(played: Rehearsal) -> list[str]:
    return [line.text for line in played.transcript if line.who is Who.BOT]


def notes(played: Rehearsal) -> list[Note]:
    return [trace.note for trace in played.traces]


# --- What can happen


def test_a_script_is_played_to_its_end() -> None:
    stage = Stage(contact=Card(name="Ann"), region="RU")
    played = play(MINIMAL, stage=stage, opening="Hello!").say("yes").say("8 999 123-45-67")
    assert [(line.who.value, line.text) for line in played.transcript] == [
        ("visitor", "Hello!"),
        ("bot", "Hi Ann, new order?"),
        ("visitor", "yes"),
        ("bot", "Phone?"),
        ("visitor", "8 999 123-45-67"),
        ("bot", "Thanks!"),
    ]
    assert played.ended is EndReason.DONE
    assert played.waiting is None
    assert played.stage.contact.fields == {"PHONE": "+79991234567"}
    assert (played.stage.lead.tags, played.stage.lead.decision) == (("bot",), "accepted")
    assert steps_of(played.traces) == ["question 0", "answer 0", "question 1", "answer 1", "finish 1"]


@pytest.mark.parametrize("answer", ["Yes", " YES ", "1", "1."])
def test_a_button_is_written_by_its_label_or_its_number(answer: str) -> None:
    assert said(play(MINIMAL).say(answer))[-1] == "Phone?"


@pytest.mark.parametrize("button", ["Yes", "yes", 0])
def test_a_button_is_pressed_by_its_label_or_its_number_from_0(button: str | int) -> None:
    played = play(MINIMAL).press(button)
    assert said(played)[-1] == "Phone?"
    assert played.last.lines[0].text == "Yes"


def test_a_button_can_be_pressed_below_later_lines() -> None:
    played = play(
        [{"question": [show("?", "A", "B"), show("Take your time.")], "answer": [show("{{message_text}}")]}]
    )
    assert said(played.press("b"))[-1] == "B"


@pytest.mark.parametrize(
    ("button", "code"),
    [("Maybe", "unknown_button"), (2, "unknown_button"), (-1, "unknown_button"), ("1", "unknown_button")],
)
def test_a_button_that_is_not_there_is_refused_with_those_that_are(button: str | int, code: str) -> None:
    with pytest.raises(InvalidInput, match="Yes, No") as refused:
        play(MINIMAL).press(button)
    assert refused.value.faults[0].code == code


def test_without_any_button_none_is_pressed() -> None:
    with pytest.raises(InvalidInput, match="none"):
        ask().press("A")


def test_a_button_that_opens_an_address_says_nothing_to_the_bot() -> None:
    links = handler(
        "show", type="buttons_url", value="Look", buttons=[{"text": "Shop", "url": "https://shop.example/"}]
    )
    with pytest.raises(InvalidInput, match="only opens") as refused:
        do(links).press("Shop")
    assert refused.value.faults[0].code == "is_a_link"


def test_a_number_counts_among_the_buttons_as_in_the_messenger() -> None:
    """The second of two offers is meant; a press of the first one's label is then a text."""
    script = [
        {"question": [show("?", "A", "B")], "answer": [goto(1)]},
        {"question": [show("And?", "C", "D")], "answer": [show("{{message_text}}")]},
    ]
    assert said(play(script).press("A").say("2"))[-1] == "D"
    with pytest.raises(InvalidInput, match="C, D"):
        play(script).press("A").press("A")


def test_time_brings_each_timer_at_its_own_moment() -> None:
    late = datetime(2026, 3, 7, 22, 30, tzinfo=UTC)
    played = do(
        handler("knopka_pause", hours=2),
        show("{{current_date}}"),
        handler("knopka_pause", hours=24),
        show("{{current_date}}"),
        now=late,
    )
    assert said(played) == []
    assert played.waiting is not None
    assert (played.waiting.kind, played.waiting.until) == (WaitKind.PAUSE, late + 2 * HOUR)
    assert said(played.pass_time(2 * HOUR - timedelta(seconds=1))) == []
    assert said(played.pass_time(2 * HOUR)) == ["08.03.2026"]
    later = played.pass_time(timedelta(days=5))
    assert said(later) == ["08.03.2026", "09.03.2026"]
    assert (later.now, later.ended) == (late + timedelta(days=5), EndReason.DONE)


def test_an_answer_in_time_is_not_overtaken_by_the_timer() -> None:
    wait = handler("knopka_wait", minutes=15, type="answer", step=0, timeout=[show("Hello?")])
    played = play([{"question": [show("?"), wait], "answer": [show("Good.")]}])
    assert said(played.pass_time(HOUR)) == ["?", "Hello?"]
    assert said(played.pass_time(timedelta(minutes=14)).say("Here").pass_time(HOUR)) == ["?", "Good."]


@pytest.mark.parametrize(("span", "passed"), [(-HOUR, timedelta()), (MAX_SPAN * 2, MAX_SPAN)])
def test_time_never_goes_back_and_at_most_a_year_on(span: timedelta, passed: timedelta) -> None:
    assert ask().pass_time(span).now == NOW + passed


def test_a_run_that_is_too_old_ends_at_the_next_word() -> None:
    assert ask().pass_time(timedelta(days=30)).say("Still there?").ended is EndReason.DONE
    assert ask().pass_time(timedelta(days=30, seconds=1)).say("Still there?").ended is EndReason.TOO_OLD


def test_an_address_is_called_by_nobody_and_answers_what_it_is_told() -> None:
    call = handler(
        "knopka_http",
        method="POST",
        url="https://api.example/price?q={{message_text}}",
        data={"name": "{{contact.name}}"},
        result=[show("{{json.price}} euro")],
        error=[show("Not now.")],
    )
    called = ask(call, stage=Stage(contact=Card(name="Ann"))).say("green tea")
    assert called.call is not None
    assert (called.call.method, called.call.url, called.call.data) == (
        "POST", "https://api.example/price?q=green%20tea", {"name": "Ann"},
    )  # fmt: skip
    answered = called.answer_call({"price": 12})
    assert (said(answered), answered.ended, answered.call) == (["?", "12 euro"], EndReason.DONE, None)
    failed = called.answer_call(error="status_500")
    assert (said(failed), failed.ended) == (["?", "Not now."], EndReason.DONE)
    assert Note.CALL_FAILED in notes(failed)


def test_what_was_not_called_does_not_answer() -> None:
    with pytest.raises(Conflict, match="waits for no answer"):
        ask().answer_call({})


def test_a_service_continues_the_bot_as_the_api_would_let_it() -> None:
    called = do(handler("widget_request", url="https://api.example/", data={}), show("{{json.status}}"))
    assert called.call is not None
    assert called.call.is_widget
    continued = called.answer_call({"data": {"status": "ok"}, "execute_handlers": [show("Found")]})
    assert said(continued) == ["Found", "ok"]
    assert said(called.answer_call({"data": {"status": "ok"}})) == ["ok"]
    with pytest.raises(InvalidInput, match="only show and goto"):
        called.answer_call({"execute_handlers": [handler("stop", action="talk-close")]})
    failed = called.answer_call(error="unreachable")
    assert (said(failed), failed.ended) == ([], EndReason.DONE)


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("window_closed", EndReason.WINDOW_CLOSED),
        ("chat_gone", EndReason.CHAT_GONE),
        ("too_long", EndReason.UNDELIVERED),
    ],
)
def test_a_message_that_is_lost_runs_error_and_ends_the_bot(reason: str, end: EndReason) -> None:
    script = {"0": MINIMAL[0], "1": MINIMAL[1], "error": [action("set_tag", type=2, value="lost")]}
    played = play(script).lose(reason)
    assert (played.ended, played.stage.lead.tags) == (end, ("lost",))
    assert play(MINIMAL).lose(reason).ended is end


def test_a_message_in_another_chat_that_is_lost_does_not_end_the_bot() -> None:
    elsewhere = handler(
        "send_external_message",
        message={"type": "external", "text": "Look here"},
        recipient={"type": "main_contact", "way_of_communication": "last_active"},
        on_error=action("set_tag", type=2, value="not told"),
    )
    played = play([{"question": [elsewhere], "answer": [show("Well.")]}])
    assert [(line.who, line.text) for line in played.transcript] == [(Who.ELSEWHERE, "Look here")]
    lost = played.lose("chat_gone")
    assert (lost.ended, lost.stage.lead.tags) == (None, ("not told",))


def test_an_operator_ends_the_bot_and_it_says_no_more() -> None:
    played = play(MINIMAL).end()
    assert played.ended is EndReason.OPERATOR
    assert said(played.say("yes").pass_time(HOUR)) == said(play(MINIMAL))
    assert played.end(EndReason.CLOSED).ended is EndReason.OPERATOR


def test_the_page_calls_once_more() -> None:
    script = [{"question": [show("{{bot_params.a}}{{bot_params.b}}")], "answer": [goto(0)]}]
    played = play(script, bot_params={"a": "x", "b": "y"}).set_bot_params({"b": "z"}).say("again")
    assert said(played) == ["xy", "xz"]


def test_the_first_words_stand_in_the_first_question() -> None:
    assert said(do(show("You said: {{message_text}}"), opening="Tea?")) == ["You said: Tea?"]


def test_a_play_goes_back_by_its_earlier_value() -> None:
    asked = play(MINIMAL)
    before = (said(asked), asked.stage, asked.state)
    assert said(asked.press("Yes"))[-1] == "Phone?"
    assert asked.press("No").ended is EndReason.STOPPED
    assert (said(asked), asked.stage, asked.state) == before


# --- What is seen


def test_a_text_of_which_nothing_is_seen_is_not_said() -> None:
    played = do(
        show("{{bot_params.nothing}}"),
        show("\u2060 \u200b"),
        action("add_note", element_type=2, note_type=4, text="{{bot_params.nothing}}"),
        handler("knopka_handover", message="{{bot_params.nothing}}"),
    )
    assert played.transcript == []
    assert played.notes == []
    assert played.ended is EndReason.STOPPED


def test_operators_are_told_apart_from_the_visitor() -> None:
    played = do(
        handler("send_internal", entity_type=2, message="Call {{name}}"),
        stage=Stage(contact=Card(name="Ann")),
    )
    assert [(line.who, line.text) for line in played.transcript] == [(Who.OPERATORS, "Call Ann")]


def test_the_log_names_what_each_step_saw() -> None:
    played = ask(show("{{message_text}} {{contact.name}}"), stage=Stage(contact=Card(name="Ann"))).say("Hi")
    seen = next(trace for trace in played.last.traces if trace.handler == "show")
    assert seen.seen == {"message_text": "Hi", "contact.name": "Ann"}


def test_braces_of_a_visitor_and_of_a_page_are_data() -> None:
    played = ask(
        show("{{message_text}} {{bot_params.x}}"),
        stage=Stage(lead=Card(id=7)),
        bot_params={"x": "{{contact.name}}"},
    ).say("{{lead.id}}")
    assert said(played)[-1] == "{{lead.id}} {{contact.name}}"


def test_chance_is_the_seeds() -> None:
    chance = show("{{rand}} {{short_rand}} {{short_rand_num}} {{visitor_uid}}")
    first, again, other = (said(do(chance, chance, stage=Stage(seed=seed))) for seed in (1, 1, 2))
    assert first == again
    assert first[0] != first[1]
    assert set(first).isdisjoint(other)
    rand, short, number, _ = first[0].split()
    assert 10**9 <= int(rand) < 10**10
    assert len(short) == 6
    assert 1111 <= int(number) <= 9999


def test_chance_goes_on_from_one_event_to_the_next() -> None:
    played = ask(show("{{rand}}"), goto(0)).say("a").say("b")
    numbers = [text for text in said(played) if text != "?"]
    assert len(set(numbers)) == len(numbers) == 2


def test_everything_that_a_marker_may_name_is_on_the_stage() -> None:
    contact = Card(
        id=3, name="Ann", fields={"PHONE": ["+1", "+2"], "5": "Rome"}, responsible={"id": 9, "name": "Eve"}
    )
    lead = Card(
        id=4, name="Tea", price=50, status_id=6, pipeline_id=8, source_id=2, tags=("a", "b"),
        fields={"UTM_SOURCE": "ads"}, subscribers=(("group", 2), ("user", 9)),
    )  # fmt: skip
    names = (
        "contact.id", "name", "contact.cf.5", "contact.responsible.name", "lead.responsible.id", "lead.id",
        "lead.name", "lead.price", "lead.status_id", "lead.source_id", "lead.tags", "lead.users_subscribers",
        "lead.groups_subscribers", "utm.source", "origin", "customer.id", "unknown",
    )  # fmt: skip
    text = "|".join(f"{{{{{name}}}}}" for name in names)
    stage = Stage(contact=contact, lead=lead, channel="viber")
    assert said(do(show(text), stage=stage)) == ["3|Ann|Rome|Eve||4|Tea|50|6|2|a, b|9|2|ads|viber||"]


# --- What becomes of the cards


def set_field(target: Any, value: str, **more: Any) -> dict[str, Any]:
    where = {"custom_field": target} if isinstance(target, str) else {"custom_fields_id": target}
    return action("set_custom_fields", value=value, **where, **more)


@pytest.mark.parametrize(
    ("before", "handlers", "after"),
    [
        (Card(), [set_field("{{lead.name}}", " Tea\nof {{name}} ", type=2)], Card(name="Tea of Ann")),
        (Card(name="Tea"), [set_field("{{lead.name}}", "{{lead.cf.1}}", type=2)], Card(name="Tea")),
        (Card(price=5), [action("set_budget", value="{{lead.price}} * 2 + 0.5")], Card(price=11)),
        (Card(price=5), [action("set_budget", value="0 - 1")], Card(price=5)),
        (Card(price=5), [set_field("{{lead.price}}", "much", type=2)], Card(price=5)),
        (Card(fields={"7": "a"}), [set_field(7, "b", type=2)], Card(fields={"7": "b"})),
        (Card(fields={"7": "a"}), [set_field(7, "b", type=2, option="add")], Card(fields={"7": ["a", "b"]})),
        (Card(fields={"7": "a"}), [set_field(7, "A", type=2, option="add")], Card(fields={"7": "a"})),
        (Card(tags=("Tea",)), [action("set_tag", type=2, value="TEA")], Card(tags=("Tea",))),
        (Card(tags=("Tea",)), [action("set_tag", type=2, value="{{origin}}")], Card(tags=("Tea", "onsite"))),
        (Card(tags=("Tea", "New")), [action("unset_tag", type=2, value=["tea", "x"])], Card(tags=("New",))),
        (Card(), [action("set_tag", type=2, value="{{lead.cf.1}}")], Card()),
        (Card(status_id=1), [action("change_status", value=5)], Card(status_id=5, decision="accepted")),
        (Card(status_id=5), [action("change_status", value=5)], Card(status_id=5)),
        (Card(), [action("change_status", value=LOST)], Card(status_id=LOST, decision="declined")),
        (Card(), [action("unsorted", value="accept")], Card(decision="accepted")),
        (Card(), [action("unsorted", value="decline")], Card(status_id=LOST, decision="declined")),
        (Card(decision="accepted"), [action("unsorted", value="decline")], Card(decision="accepted")),
        (
            Card(responsible={"id": 1, "name": "Eve"}),
            [action("change_responsible_user", value=2, type=2)],
            Card(responsible={"id": 2}),
        ),
        (
            Card(),
            [action("subscribe", type="user", value=9), action("subscribe", type="group", value=2)],
            Card(subscribers=(("group", 2), ("user", 9))),
        ),
        (Card(subscribers=(("user", 9),)), [action("unsubscribe", type="user", value=9)], Card()),
    ],
)  # fmt: skip
def test_a_lead_is_changed_as_in_the_store(before: Card, handlers: list[Any], after: Card) -> None:
    played = do(*handlers, stage=Stage(contact=Card(name="Ann"), lead=before))
    assert played.stage.lead == after
    assert played.stage.contact == Card(name="Ann")


def test_a_contact_is_changed_and_read_by_the_next_step() -> None:
    played = (
        ask(
            handler("preset", name="contacts.get_base_info"),
            action("set_tag", type=1, value="known"),
            show("{{contact.cf.EMAIL}} {{contact.tags}}"),
            goto(0),
        )
        .say("ann@example.com")
        .say("eve@example.com")
    )
    assert played.stage.contact.fields == {"EMAIL": ["ann@example.com", "eve@example.com"]}
    assert played.stage.contact.tags == ("known",)


def test_the_first_answer_accepts_the_lead_unless_the_script_says_no() -> None:
    ask_plainly = {"handler": "show", "params": {"type": "text", "value": "?", "accept_unsorted": False}}
    assert ask().say("Hi").stage.lead.decision == "accepted"
    assert (
        play([{"question": [ask_plainly], "answer": [show("Well.")]}]).say("Hi").stage.lead.decision
        == "unsorted"
    )


def test_a_double_is_found_among_the_other_cards_alone() -> None:
    find = handler(
        "find",
        type="contact_double",
        params={"type": "phone", "value": "{{message_text}}", "actions": [show("{{contact_double.name}}")]},
    )
    known = (
        (Entity.LEAD, Card(id=1, name="A lead", fields={"PHONE": "+79991234567"})),
        (
            Entity.CONTACT,
            Card(id=2, name="Eve", fields={"PHONE": ["+7 (912) 000-00-00", "+7 999 123-45-67"]}),
        ),
    )
    own = Card(id=3, name="Ann", fields={"PHONE": "+79998887766"})
    stage = Stage(contact=own, others=known, region="RU")
    assert said(ask(find, stage=stage).say("8 999 123 45 67")) == ["?", "Eve"]
    assert said(ask(find, stage=stage).say("+79998887766")) == ["?"]


def test_a_lead_is_found_by_its_field() -> None:
    look = handler(
        "filter",
        type=2,
        custom_fields_id=7,
        value="{{message_text}}",
        actions=[show("{{external_lead.name}}")],
    )
    others = (
        (Entity.CONTACT, Card(id=1, name="x", fields={"7": "A-1"})),
        (Entity.LEAD, Card(id=2, name="Tea", fields={"7": "A-1"})),
    )
    assert said(ask(look, stage=Stage(others=others)).say(" a-1 ")) == ["?", "Tea"]
    assert said(ask(look, stage=Stage(others=others)).say("a-2")) == ["?"]


# --- Guards


def test_a_circle_ends_with_its_reason() -> None:
    played = do(show("again"), goto(0))
    assert (played.ended, played.waiting) == (EndReason.LOOP, None)
    assert played.traces[-1].note is Note.ENDED
    assert do(show("again"), goto(0), limits=Limits(visits=1)).ended is EndReason.LOOP


def test_pauses_in_a_circle_end_as_well() -> None:
    played = do(handler("knopka_pause", seconds=1), goto(0)).pass_time(MAX_SPAN)
    assert played.ended is EndReason.TOO_MANY_STEPS


def test_a_block_in_which_nothing_ran_is_not_on_the_way() -> None:
    script = [
        {"question": [goto(1)]},
        {"question": [show("?")], "answer": [show("Bye.")], "finish": []},
    ]
    assert steps_of(play(script).say("Hm").say("Hello?").traces) == ["question 0", "question 1", "answer 1"]
