"""Cases of a script: read with the place of each fault, played, and compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from knopka.domain.bot.cases import MAX_CASES, MAX_CASES_BYTES, Case, Outcome, parse_cases, play_case
from knopka.domain.bot.loading import parse_script
from knopka.domain.errors import InvalidInput
from tests.domain.bot.playing import action, goto, handler, load, show

PAGE = Path(__file__).parents[3] / "docs" / "bot-cases.md"


def read(text: str) -> tuple[Case, ...]:
    return parse_cases(text.encode())


def play(script: Any, text: str) -> Outcome:
    (case,) = read(text)
    return play_case(load(script), case)


def differences(outcome: Outcome) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {".".join(one.expected.what): (one.expected.lines, one.actual) for one in outcome.differences}


def example(kind: str) -> bytes:
    (found,) = re.findall(
        rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return str(found).encode()


def test_the_example_of_the_page_passes() -> None:
    script = parse_script(example("json"))
    outcomes = [play_case(script, case) for case in parse_cases(example("yaml"))]
    assert len(outcomes) == 3
    for outcome in outcomes:
        assert (differences(outcome), outcome.stuck) == ({}, None), outcome.case.name


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("- Thank you!", "- Thanks!", "bot"),
        ("buttons: [Green, Black]", "buttons: [Green]", "buttons"),
        ('PHONE: "+442079460958"', 'PHONE: "+44"', "contact.fields.PHONE"),
        ("223461: Green", "223461: null", "lead.fields.223461"),
        ("tags: [tea bot]", "tags: []", "lead.tags"),
        ("status_id: 143001", "status_id: 142", "lead.status_id"),
        ("decision: accepted", "decision: unsorted", "lead.decision"),
        ("notes: [Likes Green.]", "notes: [Likes Black.]", "notes"),
        ("question 1, answer 1]", "question 1]", "steps"),
        ("ended: done", "ended: stopped", "ended"),
        ("waits: answer", "waits: pause", "waits"),
    ],
)
def test_whatever_is_not_as_expected_is_told(before: str, after: str, what: str) -> None:
    script, text = parse_script(example("json")), example("yaml").decode()
    assert text.count(before) == 1
    outcomes = [play_case(script, case) for case in read(text.replace(before, after))]
    assert [one for outcome in outcomes for one in differences(outcome)] == [what]
    assert sum(outcome.passed for outcome in outcomes) == len(outcomes) - 1


ASKS = [{"question": [show("Which", "Tea", "Coffee")], "answer": [show("You said {{message_text}}.")]}]


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("2", "Coffee"),
        ("'tea'", "Tea"),
        ("{say: Milk}", "Milk"),
        ("{press: 0}", "Tea"),
        ("{press: coffee}", "Coffee"),
    ],
)
def test_a_visitor_writes_or_presses(said: str, heard: str) -> None:
    assert play(ASKS, f"[{{say: [{said}], expect: {{bot: [Which, You said {heard}.]}}}}]").passed


def test_a_button_that_is_not_there_fails_the_case_at_its_place() -> None:
    outcome = play(ASKS, "- say:\n    - press: Milk\n    - Tea\n  expect:\n    bot: [Which]\n")
    assert not outcome.passed
    assert outcome.stuck is not None
    assert (outcome.stuck.path, outcome.stuck.line) == ("$[0].say[0]", 2)
    assert "Tea, Coffee" in outcome.stuck.message
    assert differences(outcome) == {}


def test_an_answer_that_nobody_waits_for_fails_the_case() -> None:
    outcome = play(ASKS, "[{say: [{answer: {}}], expect: {bot: [Which]}}]")
    assert outcome.stuck is not None
    assert outcome.stuck.code == "conflict"


CALLS = [
    {
        "question": [
            handler(
                "knopka_http",
                url="https://stock.example/tea",
                result=[show("{{json.left}} left.")],
                error=[show("Nobody knows.")],
            )
        ]
    }
]


def test_an_address_answers_or_fails() -> None:
    assert play(CALLS, "[{say: [{answer: {left: 3}}], expect: {bot: [3 left.], ended: done}}]").passed
    assert play(CALLS, "[{say: [{fail: status_500}], expect: {bot: [Nobody knows.]}}]").passed
    assert play(CALLS, "[{expect: {bot: [], waits: call}}]").passed


def test_a_message_is_lost_and_the_page_calls_once_more() -> None:
    assert play(ASKS, "[{say: [{lose: chat_gone}], expect: {ended: chat_gone}}]").passed
    script = [{"question": [show("Hi")], "answer": [show("{{bot_params.cart}} in the cart")]}]
    case = (
        "[{given: {bot_params: {cart: 1}}, say: [{set: {cart: 2}}, ok], expect: {bot: [Hi, 2 in the cart]}}]"
    )
    assert play(script, case).passed


def test_time_chance_and_the_channel_are_given() -> None:
    script = [{"question": [show("{{current_date}} {{origin}} {{short_rand_num}}")]}]
    text = "[{given: {time: '2026-03-07T23:30:00-01:00', channel: viber, seed: %d}, expect: {bot: []}}]"
    said = [differences(play(script, text % seed))["bot"][1][0] for seed in (1, 1, 2)]
    assert said[0].startswith("08.03.2026 viber ")
    assert said[0] == said[1] != said[2]


def test_cards_are_given_and_others_are_found() -> None:
    script = [
        {
            "question": [
                show("{{contact.name}} {{contact.phone}} {{lead.price}} {{lead.cf.5}} {{lead.tags}}"),
                action("set_tag", type=2, value="new"),
            ]
        }
    ]
    text = """
- given:
    contact: {name: Анна, phone: "+7 999 123-45-67"}
    lead: {price: 10, fields: {5: [a, b]}, tags: [old]}
    opening: Здравствуйте
  expect:
    bot: "Анна +7 999 123-45-67 10 a, b old"
    lead: {tags: [old, new], price: 10, name: null}
    contact: {tags: []}
"""
    assert differences(play(script, text)) == {}


def test_what_a_case_gives_lies_over_what_all_are_given() -> None:
    script = load([{"question": [show("{{bot_params.a}} {{origin}}")]}])
    text = """
given: {bot_params: {a: 1}, channel: vk}
cases:
  - expect: {bot: [1 vk]}
  - given: {bot_params: {a: 2}}
    expect: {bot: [2 vk]}
"""
    first, second = read(text)
    assert (first.name, second.name) == ("case 1", "case 2")
    assert all(play_case(script, case).passed for case in (first, second))


def test_a_bot_that_goes_round_in_circles_ends() -> None:
    assert play([{"question": [goto(0)]}], "[{expect: {ended: loop}}]").passed


@pytest.mark.parametrize(
    ("text", "path", "line", "code"),
    [
        ("", "$", 1, "no_cases"),
        ("cases: []", "$.cases", 1, "no_cases"),
        ("given: {}", "$", 1, "missing"),
        ("case: []", "$.case", 1, "unknown_key"),
        ("just words", "$", 1, "not_an_array"),
        ("- expect: {bot: []}\n  wait: 1", "$[0].wait", 2, "unknown_key"),
        ("- name: x", "$[0]", 1, "nothing_expected"),
        ("- name: [x]\n  expect: {bot: []}", "$[0].name", 1, "not_a_text"),
        ("- expect:\n    bots: []", "$[0].expect.bots", 2, "unknown_key"),
        ("- expect: {}", "$[0].expect", 1, "nothing_expected"),
        ("- expect: {contact: {}}", "$[0].expect", 1, "nothing_expected"),
        ("- expect: {lead: {fields: {}}}", "$[0].expect", 1, "nothing_expected"),
        ("- expect:\n    bot: [{a: 1}]", "$[0].expect.bot[0]", 2, "not_a_text"),
        ("- expect:\n    ended: sometime", "$[0].expect.ended", 2, "unknown_value"),
        ("- expect:\n    lead: {colour: red}", "$[0].expect.lead.colour", 2, "unknown_key"),
        ("- expect: {bot: []}\n  say: [{shout: Hi}]", "$[0].say[0].shout", 2, "unknown_key"),
        ("- expect: {bot: []}\n  say: [{say: Hi, press: 1}]", "$[0].say[0]", 2, "not_one_turn"),
        ("- expect: {bot: []}\n  say:\n    - wait: soon", "$[0].say[0].wait", 3, "not_a_span"),
        ("- expect: {bot: []}\n  say:\n    - wait: 400 days", "$[0].say[0].wait", 3, "out_of_range"),
        ("- expect: {bot: []}\n  say:\n    - end: me", "$[0].say[0].end", 3, "unknown_value"),
        ("- expect: {bot: []}\n  say: Hi", "$[0].say", 2, "not_an_array"),
        ("- expect: {bot: []}\n  given: {time: soon}", "$[0].given.time", 2, "not_a_time"),
        ("- expect: {bot: []}\n  given: {channel: fax}", "$[0].given.channel", 2, "unknown_value"),
        (
            "- expect: {bot: []}\n  given:\n    lead:\n      price: 1\n      colour: red",
            "$[0].given.lead.colour",
            5,
            "unknown_key",
        ),
        ("- expect: {bot: []}\n  given: {lead: {price: much}}", "$[0].given.lead.price", 2, "not_a_number"),
        ("- expect: {bot: []}\n  expect: {bot: []}", "$[0].expect", 2, "duplicate_key"),
        ("- &a\n  expect: {bot: []}\n- *a", "$", 1, "alias"),
        ("- expect: {bot: [", "$", 1, "not_yaml"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_place_of_each_fault(
    text: str, path: str, line: int, code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(text)
    (fault,) = refused.value.faults
    assert (fault.path, fault.line, fault.code) == (path, line, code)


def test_all_faults_are_told_at_once_in_their_order() -> None:
    with pytest.raises(InvalidInput) as refused:
        read("- expct: {}\n- expect: {bott: []}\n  sya: [Hi]")
    assert [fault.line for fault in refused.value.faults] == sorted(
        fault.line or 0 for fault in refused.value.faults
    )
    told = str(refused.value)
    assert "did you mean expect?" in told
    assert "did you mean bot?" in told
    assert "did you mean say?" in told


def test_no_file_is_too_large_to_be_refused() -> None:
    for text in ("#" * (MAX_CASES_BYTES + 1), "- {expect: {bot: []}}\n" * (MAX_CASES + 1)):
        with pytest.raises(InvalidInput):
            read(text)
    assert len(read("- {expect: {bot: []}}\n" * MAX_CASES)) == MAX_CASES
    many = ", ".join(["a"] * 201)
    with pytest.raises(InvalidInput, match="at most 200 things happen"):
        read(f"- {{say: [{many}], expect: {{bot: []}}}}")
