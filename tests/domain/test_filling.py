"""What may be written on the cards: only empty fields, the first one wins, within the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from knopka.domain.crm import NameOrigin
from knopka.domain.fields import FieldType
from knopka.domain.filling import (
    AddNote,
    CardState,
    FillPlan,
    Gate,
    KeepBotParams,
    RenameContact,
    RenameLead,
    Resolved,
    SetPrice,
    WriteField,
    plan_fill,
    resolve,
)
from knopka.domain.meta import Entity, parse_meta
from knopka.domain.notes import hash_note, note_params
from knopka.domain.verdicts import PathVerdict, Verdict
from knopka.domain.visitor import FillWindow, WindowMode
from tests.domain.reference_model import DAY, ReferenceVisit
from tests.domain.samples import ADDRESS, BY_CODE, BY_ID, CITY, COLOUR, EXAMPLE, PHONE, SUM, UTM, make_field


def resolve_params(params: Any) -> Resolved:
    return resolve(parse_meta(params), BY_ID, BY_CODE, region="RU", timezone="Europe/Moscow")


NEW_CARD = CardState()


def fill(params: Any, card: CardState = NEW_CARD, gate: Gate = Gate.OPEN) -> FillPlan:
    return plan_fill(resolve_params(params), card, gate)


def verdicts(found: FillPlan | tuple[PathVerdict, ...]) -> dict[str, str]:
    given = found.verdicts if isinstance(found, FillPlan) else found
    return {verdict.path: verdict.verdict.value for verdict in given}


def field_of(card: str, id: Any, *values: Any) -> dict[str, Any]:
    return {card: {"custom_fields": [{"id": id, "values": [{"value": value} for value in values]}]}}


def test_the_pages_example_fills_both_cards() -> None:
    plan = fill(EXAMPLE)
    assert verdicts(plan) == {
        "note": "noted",
        "contact.name": "filled",
        "contact.custom_fields[0]": "filled",
        "lead.name": "filled",
        "lead.sale": "filled",
    }
    note, contact_name, lead_name, price, phone = plan.writes
    assert isinstance(note, AddNote)
    assert note.note.entity is Entity.CONTACT
    assert (contact_name, lead_name) == (RenameContact("Иван Иванов"), RenameLead("Название сделки"))
    assert price == SetPrice(999)
    assert isinstance(phone, WriteField)
    assert phone.entity is Entity.CONTACT
    assert phone.value.items == ({"value": "+7123456789", "enum_id": 12345, "enum_code": "WORK"},)


# A filled field keeps its value


@pytest.mark.parametrize(
    ("params", "path"),
    [
        (field_of("contact", CITY.id, "Москва"), "contact.custom_fields[0]"),
        (field_of("contact", PHONE.id, "+79161234567"), "contact.custom_fields[0]"),
        (field_of("lead", SUM.id, 0), "lead.custom_fields[0]"),
        (
            {"lead": {"custom_fields": [{"id": ADDRESS.id, "values": [{"value": "x", "subtype": "zip"}]}]}},
            "lead.custom_fields[0]",
        ),
    ],
)
def test_filled_field_keeps_its_value(params: Any, path: str) -> None:
    assert verdicts(fill(params)) == {path: "filled"}
    full = CardState(filled=frozenset(BY_ID))
    plan = fill(params, full)
    assert (verdicts(plan), plan.writes) == ({path: "refused_not_empty"}, ())


@pytest.mark.parametrize(
    ("name", "origin", "verdict"),
    [
        ("", NameOrigin.OPERATOR, "filled"),
        ("Посетитель #5", NameOrigin.MADE_UP, "filled"),
        ("Ivan from Telegram", NameOrigin.PROFILE, "filled"),
        ("Иван", NameOrigin.SITE, "refused_not_empty"),
        ("Иван", NameOrigin.OPERATOR, "refused_not_empty"),
    ],
)
def test_a_name_that_we_made_up_counts_as_empty(name: str, origin: NameOrigin, verdict: str) -> None:
    card = CardState(contact_name=name, contact_name_origin=origin, lead_name=name, lead_name_origin=origin)
    plan = fill({"contact": {"name": "Пётр"}, "lead": {"name": "Заказ"}}, card)
    assert verdicts(plan) == {"contact.name": verdict, "lead.name": verdict}


@pytest.mark.parametrize(("price", "verdict"), [(0, "filled"), (1, "refused_not_empty")])
def test_a_budget_of_nothing_counts_as_empty(price: int, verdict: str) -> None:
    assert verdicts(fill({"lead": {"sale": 5}}, CardState(price=price))) == {"lead.sale": verdict}


def test_of_two_wishes_in_one_call_the_first_wins() -> None:
    entries = [
        {"id": CITY.id, "values": [{"value": "Москва"}]},
        {"id": str(CITY.id), "values": [{"value": "Тула"}]},
    ]
    plan = fill({"contact": {"custom_fields": entries}})
    assert verdicts(plan) == {
        "contact.custom_fields[0]": "filled",
        "contact.custom_fields[1]": "refused_not_empty",
    }
    (write,) = plan.writes
    assert isinstance(write, WriteField)
    assert write.value.items == ({"value": "Москва"},)


def test_of_two_calls_the_first_wins_field_by_field() -> None:
    first = fill({"contact": {"name": "Иван"}, "lead": {"sale": 5}})
    card = CardState().after(first)
    second = fill({"contact": {"name": "Пётр"}, "lead": {"sale": 6, "name": "Заказ"}}, card)
    assert verdicts(second) == {
        "contact.name": "refused_not_empty",
        "lead.sale": "refused_not_empty",
        "lead.name": "filled",
    }
    assert card.after(second).contact_name == "Иван"


def test_a_second_address_neither_merges_nor_erases() -> None:
    def part(value: str, subtype: str) -> Any:
        return {
            "lead": {"custom_fields": [{"id": ADDRESS.id, "values": [{"value": value, "subtype": subtype}]}]}
        }

    card = CardState().after(fill(part("Москва", "city")))
    plan = fill(part("101000", "zip"), card)
    assert (verdicts(plan), plan.writes) == ({"lead.custom_fields[0]": "refused_not_empty"}, ())


# Fields of the account


@pytest.mark.parametrize(
    ("params", "verdict", "code"),
    [
        (field_of("lead", 999, "x"), Verdict.UNKNOWN_FIELD, "unknown_field"),
        (field_of("lead", -1, "x"), Verdict.UNKNOWN_FIELD, "unknown_field"),
        (field_of("lead", CITY.id, "x"), Verdict.WRONG_ENTITY, "field_of_contact"),
        (field_of("contact", UTM.id, "x"), Verdict.WRONG_ENTITY, "field_of_lead"),
        (field_of("lead", COLOUR.id, "Pink"), Verdict.BAD_VALUE, "option_unknown"),
        (field_of("lead", 305, "x"), Verdict.NOT_WRITABLE, "type_not_writable"),
    ],
)
def test_a_field_that_cannot_take_the_value_is_settled_without_a_card(
    params: Any, verdict: Verdict, code: str
) -> None:
    resolved = resolve_params(params)
    (settled,) = resolved.settled
    assert resolved.is_settled
    assert (settled.verdict, [reason.code for reason in settled.reasons]) == (verdict, [code])
    assert resolved.wait() == resolved.settled


def test_a_field_is_found_by_its_code_on_its_own_card() -> None:
    entry = {"custom_fields": [{"code": "UTM_SOURCE", "values": [{"value": "google"}]}]}
    assert verdicts(fill({"lead": entry})) == {"lead.custom_fields[0]": "filled"}
    assert verdicts(fill({"contact": entry})) == {"contact.custom_fields[0]": "refused_wrong_entity"}
    twin = make_field(FieldType.TEXT, id=900, entity=Entity.CONTACT, code="UTM_SOURCE")
    both = {**BY_CODE, (Entity.CONTACT, "UTM_SOURCE"): twin}
    resolved = resolve(parse_meta({"contact": entry}), BY_ID, both, region="RU", timezone="UTC")
    assert resolved.fields[0].value.field_id == 900


def test_a_field_of_which_some_values_were_good_is_filled_and_the_rest_named() -> None:
    params = field_of("contact", PHONE.id, "+79161234567", "nobody")
    params["contact"]["custom_fields"][0]["values"].append("plain")
    (verdict,) = fill(params).verdicts
    assert verdict.verdict is Verdict.FILLED
    assert [reason.code for reason in verdict.reasons] == ["value_not_an_object", "not_a_phone"]


def test_a_field_whose_only_readable_value_says_nothing_names_the_unreadable() -> None:
    entry = {"id": CITY.id, "values": ["plain", {"enum": 5}]}
    (verdict,) = fill({"contact": {"custom_fields": [entry]}}).verdicts
    assert (verdict.verdict, verdict.reasons[0].code) == (Verdict.BAD_VALUE, "value_not_an_object")


def test_a_rounded_budget_is_filled_with_its_remark() -> None:
    (verdict,) = fill({"lead": {"sale": "99,5"}}).verdicts
    assert (verdict.verdict, verdict.reasons[0].code) == (Verdict.FILLED, "rounded")


# Gates


@pytest.mark.parametrize(
    ("gate", "refused"), [(Gate.CLOSED, "refused_window_closed"), (Gate.DECLINED, "refused_declined")]
)
def test_a_closed_gate_refuses_all_but_bot_params(gate: Gate, refused: str) -> None:
    plan = fill({**EXAMPLE, "test": 1, "bot_params": {"a": 1}}, gate=gate)
    assert verdicts(plan) == {
        **dict.fromkeys(verdicts(fill(EXAMPLE)), refused),
        "test": "ignored_unknown_key",
        "bot_params.a": "passed_to_bot",
    }
    assert plan.writes == (KeepBotParams({"a": 1}),)


def test_what_waits_and_what_expires_leaves_settled_paths_alone() -> None:
    resolved = resolve_params({"lead": {"sale": 5, "name": 7}, "bot_params": {"a": 1}})
    assert verdicts(resolved.wait()) == {
        "lead.sale": "waiting_for_lead",
        "lead.name": "refused_bad_value",
        "bot_params.a": "waiting_for_lead",
    }
    assert verdicts(resolved.expire())["lead.sale"] == "expired"


# Notes


def test_the_same_note_for_the_same_card_is_stored_once() -> None:
    note = {"note": {"text": "x", "element_type": 1}}
    card = CardState().after(fill(note))
    assert verdicts(fill(note, card)) == {"note": "repeated"}
    assert fill(note, card).writes == ()
    assert verdicts(fill({"note": {"text": "x", "element_type": 2}}, card)) == {"note": "noted"}
    assert verdicts(fill({"note": {"text": "y", "element_type": 1}}, card)) == {"note": "noted"}


def test_a_visit_never_learns_of_another_visits_note() -> None:
    card = CardState().after(fill({"note": {"text": "x"}}))
    other = replace(card, own_notes=frozenset())
    plan = fill({"note": {"text": "x"}}, other)
    (write,) = plan.writes
    assert isinstance(write, AddNote)
    assert (verdicts(plan), write.is_stored) == ({"note": "noted"}, True)


def test_limit_of_notes_of_one_visit() -> None:
    keys = frozenset((Entity.LEAD, hash_note(str(number))) for number in range(9))
    card = CardState(notes=keys, own_notes=keys)
    card = card.after(fill({"note": {"text": "tenth"}}, card))
    assert verdicts(fill({"note": {"text": "eleventh"}}, card)) == {"note": "refused_limit"}
    assert verdicts(fill({"note": {"text": "tenth"}}, card)) == {"note": "repeated"}


def test_params_of_a_note_follow_its_type() -> None:
    def params(note_type: str) -> dict[str, str]:
        return note_params(note_type, "x", service="Shop", phone="+7")

    assert params("common") == {"text": "x"}
    assert params("service_message") == {"service": "Shop", "text": "x"}
    assert params("extended_service_message") == {"service": "Shop", "text": "x"}
    assert params("sms_in") == {"text": "x", "phone": "+7"}
    assert params("sms_out") == {"text": "x", "phone": "+7"}


# bot_params


def test_bot_params_are_merged_key_by_key_and_the_last_wins() -> None:
    card = CardState(bot_params={"a": {"x": 1}, "b": 2})
    plan = fill({"bot_params": {"a": {"y": 1}, "c": None}}, card)
    assert plan.writes == (KeepBotParams({"a": {"y": 1}, "b": 2, "c": None}),)


def test_bot_params_of_many_calls_stay_within_their_limit() -> None:
    card = CardState(bot_params={"a": "x" * 8000})
    plan = fill({"bot_params": {"b": "x" * 300, "c": 1}}, card)
    assert verdicts(plan) == {"bot_params.b": "refused_limit", "bot_params.c": "passed_to_bot"}
    assert card.after(plan).bot_params == {"a": "x" * 8000, "c": 1}
    plan = fill({"bot_params": {"a": "short", "b": "x" * 300}}, card)
    assert verdicts(plan) == {"bot_params.a": "passed_to_bot", "bot_params.b": "passed_to_bot"}


def test_a_key_that_no_longer_fits_keeps_what_it_was() -> None:
    card = CardState(bot_params={"a": 1, "b": "x" * 8000})
    plan = fill({"bot_params": {"a": "x" * 400}}, card)
    assert verdicts(plan) == {"bot_params.a": "refused_limit"}
    assert dict(card.after(plan).bot_params) == {"a": 1, "b": "x" * 8000}


# The clock

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("lead", "data", "mode", "closes"),
    [
        (23, 0, WindowMode.LATER, 47),
        (25, None, WindowMode.LATER, 49),
        (0, 10, WindowMode.LATER, 34),
        (0, None, WindowMode.LATER, 24),
        (23, 0, WindowMode.STRICT, 24),
        (0, 10, WindowMode.STRICT, 24),
    ],
)
def test_the_window_closes_24_hours_after_the_later_beginning(
    lead: int, data: int | None, mode: WindowMode, closes: int
) -> None:
    first_data_at = None if data is None else START + data * HOUR
    window = FillWindow(START + lead * HOUR, first_data_at, mode)
    assert window.closes_at == START + closes * HOUR
    assert window.is_open(window.closes_at - SECOND)
    assert not window.is_open(window.closes_at)
    assert not window.is_open(window.closes_at + SECOND)


# Any sequence of calls, messages, declines and hours, against the reference model

PATHS: dict[str, Callable[[str], Any]] = {
    "note": lambda value: {"note": {"text": value}},
    "contact.name": lambda value: {"contact": {"name": value}},
    "lead.name": lambda value: {"lead": {"name": value}},
    "contact.custom_fields[0]": lambda value: field_of("contact", CITY.id, value),
    "lead.custom_fields[0]": lambda value: field_of("lead", UTM.id, value),
}


class SingleVisit(RuleBasedStateMachine):
    """The rules as a caller uses them: resolve, the window, plan_fill, the cards after it."""

    @initialize(strict=st.booleans())
    def start(self, strict: bool) -> None:
        self.model = ReferenceVisit(strict=strict)
        self.mode = WindowMode.STRICT if strict else WindowMode.LATER
        self.now = START
        self.card = CardState()
        self.window: FillWindow | None = None
        self.declined = False
        self.waiting: list[Resolved] = []
        self.waiting_since: datetime | None = None

    @rule(minutes=st.sampled_from([0, 1, 60, 11 * 60, 24 * 60 - 1, 24 * 60, 24 * 60 + 1]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(path=st.sampled_from(sorted(PATHS)), value=st.sampled_from("abc"))
    def call(self, path: str, value: str) -> None:
        expected = self.model.call({path: value}, self.now)
        resolved = resolve_params(PATHS[path](value))
        if self.window is None:
            if self.waiting_since is None or self.now >= self.waiting_since + DAY:
                self.waiting, self.waiting_since = [], self.now
            self.waiting.append(resolved)
            assert verdicts(resolved.wait()) == expected
            return
        gate = Gate.DECLINED if self.declined else Gate.OPEN if self.window.is_open(self.now) else Gate.CLOSED
        if gate is Gate.OPEN and self.window.first_data_at is None:
            self.window = replace(self.window, first_data_at=self.now)
        plan = plan_fill(resolved, self.card, gate)
        self.card = self.card.after(plan)
        assert verdicts(plan) == expected

    @rule()
    def write_message(self) -> None:
        expected = self.model.write_message(self.now)
        if self.window is not None and not self.declined:
            assert expected == []
            return
        if self.declined:
            contact = self.card.filled & {CITY.id, PHONE.id}
            kept = (self.card.contact_name, self.card.contact_name_origin)
            self.card = CardState(*kept, filled=contact)
        self.declined = False
        is_alive = self.waiting_since is not None and self.now < self.waiting_since + DAY
        self.window = FillWindow(self.now, self.waiting_since if is_alive else None, self.mode)
        found = []
        for resolved in self.waiting:
            plan = plan_fill(resolved, self.card, Gate.OPEN)
            found.append(verdicts(plan) if is_alive else verdicts(resolved.expire()))
            self.card = self.card.after(plan) if is_alive else self.card
        self.waiting, self.waiting_since = [], None
        assert found == expected

    @rule()
    def decline(self) -> None:
        self.model.decline()
        self.declined = self.window is not None


SingleVisit.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestOneVisitAgreesWithTheReferenceModel = SingleVisit.TestCase
