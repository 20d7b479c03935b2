"""Comparisons: condition, conditions, validations, and the values they leave."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.domain.bot.effects import Note
from tests.domain.bot.playing import Play, handler, show

STORE = {
    "lead.tags": ["VIP", "repeat order"],
    "origin": "telegram",
    "lead.price": 1200,
    "contact.name": "Ann",
    "lead.cf.7": "10,50",
    "phone_region": "RU",
}
PARAMS = {"locale": "en", "n": 5, "tag": "{{lead.price}}"}


def decide(name: str, params: Any, reply: str = "I want 12 or 40 pieces, call 8 999 123-45-67") -> list[str]:
    """What is said after a condition in `answer`: "then" or "else"."""
    script = [{"question": [show("?")], "answer": [{"handler": name, "params": params}]}]
    return Play(script, STORE, PARAMS).start().answer(reply).said


@pytest.mark.parametrize(
    ("term1", "operation", "term2", "is_true"),
    [
        ("{{bot_params.locale}}", "=", "en", True),
        ("{{bot_params.locale}}", "=", " EN ", True),
        ("{{bot_params.locale}}", "!=", "en", False),
        ("{{bot_params.n}}", "=", "5.0", True),
        ("{{bot_params.missing}}", "=", "", True),
        ("{{bot_params.missing}}", "!=", "", False),
        ("{{bot_params.tag}}", "=", "1200", False),
        ("{{contact.name}}", "=", "{{name}}", True),
        ("lead.tags", "in", "new, vip", True),
        ("lead.tags", "in", "repeat", False),
        ("lead.tags", "not_in", "new", True),
        ("lead.tags", "not_in", "vip", False),
        ("{{lead.tags}}", "in", "Repeat  Order", True),
        ("chat.origin", "=", "telegram", True),
        ("contact.name", "=", "Ann", False),
        ("", "in", "", False),
        ("{{message_text}}", "in_range", {"from": 10, "to": 20}, True),
        ("{{message_text}}", "in_range", {"from": 13, "to": 39}, False),
        ("{{message_text}}", "in_range", {"from": 41}, True),
        ("{{message_text}}", "in_range", {"to": 3}, False),
        ("{{contact.name}}", "in_range", {"from": 0}, False),
        ("{{lead.price}}", "in_range", {"from": "{{bot_params.n}}", "to": "{{lead.price}}"}, True),
        ("{{lead.price}}", "in_range", {"from": "{{contact.name}}"}, False),
        ("{{lead.price}}", ">", "1199.5", True),
        ("{{lead.price}}", "<", "1 200", False),
        ("{{lead.price}}", ">=", "1200", True),
        ("{{lead.cf.7}}", "<=", "10.5", True),
        ("{{contact.name}}", ">", "1", False),
        ("{{contact.name}}", "<", "1", False),
    ],
)
def test_a_condition_compares(term1: str, operation: str, term2: Any, is_true: bool) -> None:
    params = {
        "term1": term1,
        "term2": term2,
        "operation": operation,
        "result": [show("then")],
        "else": [show("else")],
    }
    assert decide("condition", params) == ["then" if is_true else "else"]


EN = {"term1": "{{bot_params.locale}}", "term2": "en", "operation": "="}
DE = {"term1": "{{bot_params.locale}}", "term2": "de", "operation": "="}


@pytest.mark.parametrize(
    ("logic", "terms", "is_true"),
    [("and", [EN, EN], True), ("and", [EN, DE], False), ("or", [DE, EN], True), ("or", [DE, DE], False)],
)
def test_conditions_join_by_their_logic(logic: str, terms: list[Any], is_true: bool) -> None:
    params = {"logic": logic, "conditions": terms, "result": [show("then")], "else": [show("else")]}
    assert decide("conditions", params) == ["then" if is_true else "else"]


@pytest.mark.parametrize(("terms", "said"), [([EN], ["then"]), ([EN, DE], ["else"])])
def test_the_page_s_array_of_comparisons_is_joined_by_and(terms: list[Any], said: list[str]) -> None:
    condition = {"handler": "condition", "params": terms, "result": [show("then")], "else": [show("else")]}
    assert Play([{"question": [condition]}], STORE, PARAMS).start().said == said


def test_without_an_else_the_run_goes_on_behind() -> None:
    script = [{"question": [handler("condition", **DE, result=[show("then")]), show("behind")]}]
    play = Play(script, STORE, PARAMS).start()
    assert play.said == ["behind"]
    assert ("condition", Note.NO_MATCH) in play.notes
    assert play.trace("condition").seen == {"bot_params.locale": "en"}


def check(type: str, operation: str = "contains", value: Any = None, client: str = "{{message_text}}") -> Any:
    more = {} if value is None else {"condition_value": value}
    return {"client_value": client, "type": type, "operation": operation, **more}


@pytest.mark.parametrize(
    ("checks", "reply", "said"),
    [
        ([check("simple", "equal", "yes")], " Yes", ["then: Yes"]),
        ([check("simple", "equal", "yes")], "no", ["else:"]),
        ([check("simple", "not_equal", "yes")], "no", ["then:"]),
        ([check("simple", "length", "4")], "1234", ["then:1234"]),
        ([check("simple", "length", "4")], "12345", ["else:"]),
        ([check("simple", "length", {"from": 3, "to": 5})], "12345", ["then:12345"]),
        ([check("simple", "contains", "cup")], "Two CUPS", ["then:Two CUPS"]),
        ([check("email")], "it is ann@example.com!", ["then:ann@example.com"]),
        ([check("email")], "it is ann@", ["else:"]),
        ([check("email", "not_contains")], "no mail", ["then:"]),
        ([check("phone")], "call 8 (999) 123-45-67", ["then:+79991234567"]),
        ([check("phone")], "call 12", ["else:"]),
        ([check("regex", "contains", r"/\d+ pcs/i")], "need 12 PCS now", ["then:12 PCS"]),
        ([check("regex", "contains", r"/\d+ pcs/i")], "need some", ["else:"]),
        ([check("regex", "not_contains", "/spam/")], "ham", ["then:"]),
        ([check("range_numbers", "contains", {"from": 5, "to": 9})], "3, 7 or 12", ["then:7"]),
        ([check("range_numbers", "contains", {"from": 5, "to": 9})], "3 or 12", ["else:"]),
        ([check("email"), check("phone")], "a@b.example 8 999 123-45-67", ["then:+79991234567"]),
        ([check("email"), check("phone")], "a@b.example", ["else:"]),
    ],
)
def test_validations_leave_the_part_that_was_found(checks: list[Any], reply: str, said: list[str]) -> None:
    params = {
        "logic": "and",
        "conditions": checks,
        "result": [show("then:{{last_validation_result}}")],
        "else": [show("else:{{last_validation_result}}")],
    }
    assert decide("validations", params, reply) == said


def test_one_check_is_enough_for_or() -> None:
    checks = [check("email"), check("phone")]
    params = {"logic": "or", "conditions": checks, "result": [show("{{last_validation_result}}")]}
    assert decide("validations", params, "8 999 123-45-67") == ["+79991234567"]
    assert decide("validations", params, "nothing") == []
