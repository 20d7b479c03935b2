"""Markers: every documented one, what has no value, and that a value is never read again."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knopka.domain.bot.limits import MAX_FILLED
from knopka.domain.bot.markers import fill, read_path
from knopka.domain.bot.scope import Scope
from knopka.domain.bot.state import RunState
from tests.domain.bot.playing import NOW, Play, Store, action, show

STORE = {
    "contact.name": "Ann", "contact.id": 7, "lead.id": 55, "lead.price": 1200, "lead.status_id": 901,
    "lead.source_id": 3, "lead.responsible_user_id": 9, "lead.responsible.id": 9,
    "lead.responsible.name": "Olga", "lead.responsible.email": "olga@example.com",
    "lead.users_subscribers": [9, 10], "lead.groups_subscribers": [1],
    "lead.cf.201": "Moscow", "lead.cf.202.is_checked": True,
    "contact.cf.123456": "+79991234567", "company.cf.5": "", "origin": "telegram", "rand": "8714",
    "short_rand": "x4f", "short_rand_num": 4242, "cf.talk.nps": 10, "visitor_uid": "v-1", "session_id": "s-1",
    "utm.source": "ads", "phone_region": "RU",
}  # fmt: skip
VARIABLES = {
    "json": {"order": {"items": [{"name": "Cup"}, {"name": "Tea"}]}, "ok": True, "sum": 10.5, "none": None},
    "last_validation_result": "42",
    "founded_id": 12,
    "contact_double": {"id": 12, "name": "Anna", "cf": {"201": "Perm"}},
    "external_contact": {"name": "Boris"},
    "external_lead": {"price": 5},
    "base_info": {"phone": "+1"},
}
BOT_PARAMS = {
    "username": "Ivan",
    "vip": False,
    "a": {"b": [{"c": "deep"}, {"c": 2}]},
    "evil": "{{lead.id}}",
    "{{contact.name}}": "key",
    "__proto__": {"polluted": "yes"},
    "null": None,
}


def fill_in(text: str, reply: str | None = "Need 12 pcs, ann@example.com or 8 (999) 123-45-67.") -> str:
    state = RunState(started_at=NOW, variables=VARIABLES, bot_params=BOT_PARAMS, reply=reply)
    return Scope(state, Store(STORE), NOW).fill(text)


@pytest.mark.parametrize(
    ("marker", "value"),
    [
        ("contact.name", "Ann"),
        ("name", "Ann"),
        (" name ", "Ann"),
        ("lead.id", "55"),
        ("contact.id", "7"),
        ("customer.id", ""),
        ("origin", "telegram"),
        ("chat.origin", ""),
        ("lead.source_id", "3"),
        ("lead.price", "1200"),
        ("lead.status_id", "901"),
        ("lead.responsible_user_id", "9"),
        ("message_text", "Need 12 pcs, ann@example.com or 8 (999) 123-45-67."),
        ("message_text.email", "ann@example.com"),
        ("message_text.phone", "+79991234567"),
        ("message_text.length", ""),
        ("lead.cf.201", "Moscow"),
        ("contact.cf.123456", "+79991234567"),
        ("company.cf.5", ""),
        ("customer.cf.5", ""),
        ("lead.cf.202.is_checked", "true"),
        ("lead.responsible.id", "9"),
        ("lead.responsible.name", "Olga"),
        ("lead.responsible.email", "olga@example.com"),
        ("lead.responsible", "Olga"),
        ("lead.users_subscribers", "9, 10"),
        ("lead.groups_subscribers", "1"),
        ("rand", "8714"),
        ("short_rand", "x4f"),
        ("short_rand_num", "4242"),
        ("current_date", "07.03.2026"),
        (r"regexp./(\d+) pcs/", "12"),
        (r"regexp./(\d{1,2}) PCS/i", "12"),
        (r"regexp./(\d{2})/", "12"),
        (r"regexp./nothing (\w)/", ""),
        ("cf.talk.nps", "10"),
        ("last_validation_result", "42"),
        ("founded_id", "12"),
        ("contact_double.name", "Anna"),
        ("contact_double.cf.201", "Perm"),
        ("external_contact.name", "Boris"),
        ("external_lead.price", "5"),
        ("external_customer.name", ""),
        ("json.order.items[1].name", "Tea"),
        ("json.order.items.0.name", "Cup"),
        ("json.order.items[2].name", ""),
        ("json.order.items", '[{"name":"Cup"},{"name":"Tea"}]'),
        ("json.ok", "true"),
        ("json.sum", "10.5"),
        ("json.none", ""),
        ("bot_params.username", "Ivan"),
        ("bot_params.vip", "false"),
        ("bot_params.a.b[0].c", "deep"),
        ("bot_params.a.b.1.c", "2"),
        ("bot_params.a.b[-1].c", ""),
        ("bot_params.missing.deeper", ""),
        ("bot_params.username.length", ""),
        ("bot_params.__proto__.polluted", "yes"),
        ("bot_params.constructor", ""),
        ("visitor_uid", "v-1"),
        ("session_id", "s-1"),
        ("utm.source", "ads"),
        ("", ""),
        ("unknown", ""),
        ("lead..price", ""),
        (".name", ""),
        ("base_info.phone", ""),
        ("settings.secret_key", ""),
        ("user.9.name", ""),
        ("phone_region", ""),
        ("start_payload", ""),
    ],
)
def test_a_marker_gives_its_value(marker: str, value: str) -> None:
    if marker == "chat.origin":
        value = "telegram"
    assert fill_in(f"<{{{{{marker}}}}}>") == f"<{value}>"


def test_the_store_is_asked_for_nothing_outside_the_closed_set_of_names() -> None:
    store = Store(STORE)
    scope = Scope(RunState(started_at=NOW, bot_params=BOT_PARAMS), store, NOW)
    scope.fill("{{settings.secret}} {{bot_params.username}} {{json.a}} {{__class__}} {{lead.name}}")
    assert store.asked == [("lead", "name")]


def test_before_the_first_reply_the_message_is_that_of_the_store() -> None:
    scope = Scope(RunState(started_at=NOW), Store({"message_text": "Hello, a@b.example"}), NOW)
    assert scope.fill("{{message_text}} {{message_text.email}}") == "Hello, a@b.example a@b.example"


def test_the_account_tells_its_own_date() -> None:
    scope = Scope(RunState(started_at=NOW), Store({"current_date": "08.03.2026"}), NOW)
    assert scope.fill("{{current_date}}") == "08.03.2026"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{bot_params.evil}}", "{{lead.id}}"),
        ("{{bot_params.{{contact.name}}}}", "{{bot_params.Ann}}"),
        ("{{{{name}}}}", "{{Ann}}"),
        ("{{name", "{{name"),
        ("{name}} {{name}}", "{name}} Ann"),
        ("{{name}}{{name}}", "AnnAnn"),
        ("{% for x in y %}{{ x }}", "{% for x in y %}"),
        ("{{name|upper}} {{name.__class__}} {{''.join}}", "  "),
    ],
)
def test_S_OUT_10_a_value_is_never_read_as_a_marker_and_a_marker_is_no_code(text: str, filled: str) -> None:
    assert fill_in(text) == filled


def test_a_visitor_who_writes_a_marker_is_repeated_word_for_word() -> None:
    script = [{"question": [show("Name?")], "answer": [show("Hello, {{message_text}}!")]}]
    assert Play(script, {"lead.id": 55}).start().answer("{{lead.id}}").said == ["Hello, {{lead.id}}!"]


def test_a_name_that_holds_a_marker_goes_to_the_card_as_it_is() -> None:
    script = [{"question": [action("add_note", element_type=2, note_type=4, text="{{bot_params.evil}}")]}]
    note = next(iter(Play(script, bot_params=BOT_PARAMS).start().done))
    assert getattr(note, "text", "") == "{{lead.id}}"


def test_what_a_marker_became_is_seen_cut_and_what_had_no_value_is_named() -> None:
    filled = fill("{{a}} {{b}} {{a}}", lambda path: "x" * 500 if path == ("a",) else None)
    assert filled.text == f"{'x' * 500}  {'x' * 500}"
    assert filled.seen == {"a": "x" * 199 + "…", "b": ""}
    assert filled.unknown == ("b",)


def test_a_text_grows_no_further_than_its_bound_however_often_it_names_a_value() -> None:
    asked: list[tuple[str, ...]] = []

    def lookup(path: tuple[str, ...]) -> str:
        asked.append(path)
        return "я" * 8_000

    filled = fill("{{bot_params.a}}" * 3_000, lookup)
    assert filled.text == "я" * MAX_FILLED
    assert len(asked) == 9
    assert fill("=" * 10 + "{{x}}", lambda _: "1").text == "=" * 10 + "1"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("bot_params.a.b[0].c", ("bot_params", "a", "b", "0", "c")),
        ("bot_params.a b.ключ", ("bot_params", "a b", "ключ")),
        ("a[b]", ()),
        ("a.", ()),
        ("[0]", ()),
    ],
)
def test_paths_are_read_by_dots_and_indexes(name: str, path: tuple[str, ...]) -> None:
    assert read_path(name) == path


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(st.sampled_from("{}/.[]a0 \n"), max_size=60) | st.text(max_size=40), json_values)
def test_any_text_can_be_filled_with_any_value(text: str, value: Any) -> None:
    filled = fill(text, lambda path: value)
    assert "{{" in text or filled.text == text


@given(json_values)
def test_a_value_is_data_wherever_it_comes_from(value: Any) -> None:
    looked_up: list[tuple[str, ...]] = []

    def look_up(path: tuple[str, ...]) -> Any:
        looked_up.append(path)
        return {"x": ["{{y}}", value]}

    assert fill("{{x}}", look_up).text.count("{{y}}") >= 1
    assert looked_up == [("x",)]


@pytest.mark.parametrize("unit", ["{{", "{{regexp./a", "{{ ", "{{a}}", "{{regexp./(", "}}"])
def test_a_text_is_read_in_linear_time(unit: str) -> None:
    began = time.process_time()
    fill(unit * (64 * 1024 // len(unit)), lambda path: "v")
    assert time.process_time() - began < 2
