"""Reading of one setMeta call: every path in one verdict, or carried on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knopka.domain.bot_params import MAX_BOT_BYTES
from knopka.domain.errors import InvalidInput
from knopka.domain.field_meta import FieldMeta, RawValue
from knopka.domain.meta import Entity, Meta, NoteMeta, parse_meta
from knopka.domain.notes import NUMBERS
from knopka.domain.verdicts import Verdict
from tests.domain.samples import EXAMPLE


def settled(meta: Meta) -> dict[str, Verdict]:
    return {verdict.path: verdict.verdict for verdict in meta.settled}


def reason_codes(meta: Meta) -> list[str]:
    return [reason.code for verdict in meta.settled for reason in verdict.reasons]


def read_entry(entry: Any) -> FieldMeta | Verdict:
    """One entry of the lead's custom_fields, or the verdict on it."""
    meta = parse_meta({"lead": {"custom_fields": [entry]}})
    return meta.lead.fields[0] if meta.lead.fields else settled(meta)["lead.custom_fields[0]"]


def test_the_pages_example_is_carried_on_whole() -> None:
    meta = parse_meta(EXAMPLE)
    assert meta.note == NoteMeta("Текст примечания", Entity.CONTACT, "common")
    assert meta.contact.name == "Иван Иванов"
    assert meta.contact.fields == (
        FieldMeta("contact.custom_fields[0]", 123456, None, (RawValue("+7123456789", "12345"),)),
    )
    assert (meta.lead.name, meta.lead.sale) == ("Название сделки", 999)
    assert meta.paths == ("note", "contact.name", "contact.custom_fields[0]", "lead.name", "lead.sale")
    assert meta.settled == ()


@pytest.mark.parametrize("params", [None, 1, "x", [], [EXAMPLE], True])
def test_only_a_value_that_is_no_object_is_refused_whole(params: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_meta(params)
    assert refusal.value.faults[0].path == "$"


def test_an_empty_call_has_no_paths() -> None:
    assert parse_meta({}).paths == ()
    assert parse_meta({"contact": {}, "lead": {"custom_fields": []}, "bot_params": {}}).paths == ()


@pytest.mark.parametrize(
    ("params", "path", "verdict"),
    [
        ({"note": None}, "note", Verdict.EMPTY),
        ({"note": {}}, "note", Verdict.EMPTY),
        ({"note": {"text": " \n"}}, "note", Verdict.EMPTY),
        ({"note": "text"}, "note", Verdict.BAD_VALUE),
        ({"note": {"text": 5}}, "note", Verdict.BAD_VALUE),
        ({"note": {"text": "x" * 20_001}}, "note", Verdict.LIMIT),
        ({"note": {"text": "x", "colour": 1}}, "note.colour", Verdict.UNKNOWN_KEY),
        ({"contact": []}, "contact", Verdict.BAD_VALUE),
        ({"contact": None}, "contact", Verdict.EMPTY),
        ({"contact": {"name": ""}}, "contact.name", Verdict.EMPTY),
        ({"contact": {"name": "\u200b"}}, "contact.name", Verdict.EMPTY),
        ({"contact": {"name": {"first": "Иван"}}}, "contact.name", Verdict.BAD_VALUE),
        ({"contact": {"name": 0}}, "contact.name", Verdict.BAD_VALUE),
        ({"contact": {"name": "x" * 256}}, "contact.name", Verdict.LIMIT),
        ({"contact": {"sale": 5}}, "contact.sale", Verdict.UNKNOWN_KEY),
        ({"contact": {"foo": 5}}, "contact.foo", Verdict.UNKNOWN_KEY),
        ({"lead": {"custom_fields": "x"}}, "lead.custom_fields", Verdict.BAD_VALUE),
        ({"lead": {"custom_fields": {"id": 1}}}, "lead.custom_fields", Verdict.BAD_VALUE),
        ({"lead": {"custom_fields": None}}, "lead.custom_fields", Verdict.EMPTY),
        ({"lead": {"custom_fields": [5]}}, "lead.custom_fields[0]", Verdict.BAD_VALUE),
        ({"test": True}, "test", Verdict.UNKNOWN_KEY),
        ({"__proto__": {"a": 1}}, "__proto__", Verdict.UNKNOWN_KEY),
        ({"bot_params": None}, "bot_params", Verdict.EMPTY),
        ({"bot_params": "x"}, "bot_params", Verdict.BAD_VALUE),
        ({"bot_params": [1]}, "bot_params", Verdict.BAD_VALUE),
        ({"bot_params": {"__proto__": 1}}, "bot_params.__proto__", Verdict.UNKNOWN_KEY),
    ],
)
def test_a_path_that_reading_alone_decides(params: Any, path: str, verdict: Verdict) -> None:
    assert settled(parse_meta(params)) == {path: verdict}


def test_one_bad_path_leaves_the_others_alone() -> None:
    meta = parse_meta({**EXAMPLE, "note": 5, "lead": {"name": [], "sale": 999}})
    assert settled(meta) == {"note": Verdict.BAD_VALUE, "lead.name": Verdict.BAD_VALUE}
    assert (meta.contact.name, meta.lead.sale) == ("Иван Иванов", 999)


def test_a_key_of_the_page_cannot_pose_as_a_path() -> None:
    meta = parse_meta({"contact.name": 1, "contact": {"name": "Иван", "custom_fields[0]": 1}})
    assert meta.paths == ('["contact.name"]', "contact.name", 'contact["custom_fields[0]"]')


# note[element_type], note[note_type]


@pytest.mark.parametrize(
    ("element_type", "card"),
    [(1, "contacts"), ("1", "contacts"), (2, "leads"), (" 2 ", "leads"), (None, "leads"), ("", "leads")],
)
def test_element_type_names_the_card(element_type: Any, card: str) -> None:
    note = parse_meta({"note": {"text": "x", "element_type": element_type}}).note
    assert note is not None
    assert note.entity == card


def test_a_note_without_element_type_is_the_leads() -> None:
    note = parse_meta({"note": {"text": "x"}}).note
    assert note is not None
    assert note.entity is Entity.LEAD


@pytest.mark.parametrize("element_type", [0, 3, 12, "x", True, [1], {"a": 1}, 1.5, -1])
def test_a_note_for_another_element_is_refused(element_type: Any) -> None:
    meta = parse_meta({"note": {"text": "x", "element_type": element_type}})
    assert settled(meta) == {"note": Verdict.BAD_VALUE}
    assert reason_codes(meta) == ["element_type_unknown"]


@pytest.mark.parametrize(
    ("note_type", "became", "reasons"),
    [
        (None, "common", []),
        ("", "common", []),
        ("common", "common", []),
        (" Common", "common", []),
        (4, "common", []),
        ("4", "common", []),
        ("service_message", "service_message", []),
        (25, "service_message", []),
        ("extended_service_message", "extended_service_message", []),
        ("sms_in", "sms_in", []),
        (102, "sms_in", []),
        ("103", "sms_out", []),
        ("sms_out", "sms_out", []),
        *((number, "common", ["note_type_needs_more"]) for number in (5, 10, 11)),
        *(
            (name, "common", ["note_type_needs_more"])
            for name in ("attachment", "call_in", "call_out", "message_cashier", "geolocation")
        ),
        *((number, "common", ["note_type_read_only"]) for number in (1, 2, 3, 12, "13")),
        *(
            (name, "common", ["note_type_read_only"])
            for name in (
                "amomail_message", "chat", "site_visit", "targeting_in", "targeting_out", "transaction",
                "invoice_paid", "zoom_meeting", "dropbox_attachment", "link_followed", "bill_paid",
                "ai_result",
            )
        ),
        *((odd, "common", ["note_type_unknown"]) for odd in ("bold", 999, True, [4], {"a": 1}, 4.5)),
        ("9" * 99, "common", ["note_type_unknown"]),
    ],
)  # fmt: skip
def test_every_note_type_by_name_and_by_number(note_type: Any, became: str, reasons: list[str]) -> None:
    note = parse_meta({"note": {"text": "x", "note_type": note_type}}).note
    assert note is not None
    assert (note.note_type, [reason.code for reason in note.reasons]) == (became, reasons)


def test_every_number_of_a_note_type_is_a_known_one() -> None:
    for number in NUMBERS:
        note = parse_meta({"note": {"text": "x", "note_type": number}}).note
        assert note is not None
        assert "note_type_unknown" not in [reason.code for reason in note.reasons]


# lead[sale]


@pytest.mark.parametrize(
    ("given_sale", "sale"),
    [
        (999, 999),
        ("999", 999),
        (" 1 500 ", 1500),
        ("1 234 567", 1234567),
        (999.4, 999),
        (999.5, 1000),
        ("999,50", 1000),
        (0.5, 1),
        (2**53 - 1, 2**53 - 1),
    ],
)
def test_the_budget_is_a_whole_number(given_sale: Any, sale: int) -> None:
    assert parse_meta({"lead": {"sale": given_sale}}).lead.sale == sale


def test_the_budget_may_be_called_price_as_in_api_v4() -> None:
    meta = parse_meta({"lead": {"price": 5}})
    assert (meta.lead.sale, meta.paths) == (5, ("lead.sale",))
    meta = parse_meta({"lead": {"price": 5, "sale": 7}})
    assert (meta.lead.sale, settled(meta)) == (7, {"lead.price": Verdict.UNKNOWN_KEY})


def test_a_rounded_budget_says_so() -> None:
    assert parse_meta({"lead": {"sale": 1.5}}).remarks["lead.sale"][0].code == "rounded"
    assert parse_meta({"lead": {"sale": "2,00"}}).remarks == {}


@pytest.mark.parametrize("empty", [None, "", "  ", 0, "0", 0.2, -0.0])
def test_an_empty_budget_asks_for_nothing(empty: Any) -> None:
    assert settled(parse_meta({"lead": {"sale": empty}})) == {"lead.sale": Verdict.EMPTY}


@pytest.mark.parametrize("bad", [-1, "-1", True, [], {}, "many", "1,000.50", 2**53, 1e300, "1" * 60, "1e3"])
def test_a_bad_budget_is_refused_with_words(bad: Any) -> None:
    meta = parse_meta({"lead": {"sale": bad}})
    assert settled(meta) == {"lead.sale": Verdict.BAD_VALUE}
    assert reason_codes(meta)


# custom_fields


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ({"id": 123456}, (123456, None)),
        ({"id": "123456"}, (123456, None)),
        ({"id": " 123456 "}, (123456, None)),
        ({"field_id": 5}, (5, None)),
        ({"code": "PHONE"}, (None, "PHONE")),
        ({"field_code": "UTM_SOURCE"}, (None, "UTM_SOURCE")),
        ({"id": None, "code": "PHONE"}, (None, "PHONE")),
        ({"id": "", "field_id": "", "code": "", "field_code": "X"}, (None, "X")),
        ({"id": 5, "code": "PHONE"}, (5, None)),
        ({"id": -5}, (-5, None)),
    ],
)
def test_a_field_is_named_by_id_or_by_code(key: dict[str, Any], found: tuple[Any, Any]) -> None:
    entry = read_entry({**key, "values": [{"value": "x"}]})
    assert isinstance(entry, FieldMeta)
    assert (entry.field_id, entry.field_code) == found


NO_IDS: list[Any] = [{}, [1], True, False, 1.5, "x", "-1", "9" * 40, "²", None]
NO_CODES: list[Any] = [5, {"a": 1}, "x" * 256]


@pytest.mark.parametrize(
    "key", [{}, *({"id": wrong} for wrong in NO_IDS), *({"code": wrong} for wrong in NO_CODES)]
)
def test_a_field_that_is_not_named_is_refused(key: dict[str, Any]) -> None:
    assert read_entry({**key, "values": [{"value": "x"}]}) is Verdict.BAD_VALUE


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([{"value": "x"}], [RawValue("x")]),
        ([{"value": " x\u0000\r\n"}], [RawValue("x")]),
        ([{"value": "e\u0301"}], [RawValue("é")]),
        ([{"value": 5}], [RawValue(5)]),
        ([{"value": 0}], [RawValue(0)]),
        ([{"value": False}], [RawValue(False)]),
        ([{"value": "x", "enum": 12345}], [RawValue("x", "12345")]),
        ([{"value": "x", "enum": "MOB"}], [RawValue("x", "MOB")]),
        ([{"value": "x", "enum_id": 5}], [RawValue("x", "5")]),
        ([{"value": "x", "enum_code": "PRIV"}], [RawValue("x", "PRIV")]),
        ([{"value": "x", "enum": None, "enum_id": "", "enum_code": "A"}], [RawValue("x", "A")]),
        ([{"value": "", "enum": 7}], [RawValue(None, "7")]),
        ([{"enum": 7}], [RawValue(None, "7")]),
        ([{"value": "x", "subtype": 3}], [RawValue("x", None, "3")]),
        ([{"value": "x", "subtype": "city"}], [RawValue("x", None, "city")]),
        ([{"value": ""}, {"value": "y"}, {"value": None}, {}], [RawValue("y")]),
        ({"0": {"value": "x"}, "1": {"value": "y"}}, [RawValue("x"), RawValue("y")]),
    ],
)
def test_values_are_taken_as_given_and_cleaned(values: Any, read: list[RawValue]) -> None:
    entry = read_entry({"id": 1, "values": values})
    assert isinstance(entry, FieldMeta)
    assert list(entry.values) == read


@pytest.mark.parametrize("values", [None, [], {}, [{}], [{"value": ""}], [{"value": None}, {"value": "  "}]])
def test_a_field_without_any_value_is_ignored_as_empty(values: Any) -> None:
    assert read_entry({"id": 1, "values": values}) is Verdict.EMPTY
    assert read_entry({"id": 1}) is Verdict.EMPTY


def test_an_item_that_speaks_under_other_names_is_left_to_the_field() -> None:
    entry = read_entry({"id": 1, "values": [{"catalog_id": 1, "catalog_element_id": 2}]})
    assert isinstance(entry, FieldMeta)
    assert list(entry.values) == [RawValue()]
    assert read_entry({"id": 1, "values": [{"value": "", "subtype": "city", "name": None}]}) is Verdict.EMPTY


@pytest.mark.parametrize("values", ["x", 5, {"value": "x"}, ["x"], [[{"value": "x"}]], [None], True])
def test_values_of_another_shape_are_refused(values: Any) -> None:
    assert read_entry({"id": 1, "values": values}) is Verdict.BAD_VALUE


def test_a_good_value_beside_an_unreadable_one_is_carried_with_the_reason() -> None:
    entry = read_entry({"id": 1, "values": ["plain", {"value": "x"}]})
    assert isinstance(entry, FieldMeta)
    assert entry.values == (RawValue("x"),)
    assert [reason.code for reason in entry.skipped] == ["value_not_an_object"]


def test_an_object_with_numbers_for_keys_is_an_array() -> None:
    meta = parse_meta(
        {"lead": {"custom_fields": {"0": {"id": "1", "values": {"0": {"value": "x"}}}, "7": 5}}}
    )
    assert meta.paths == ("lead.custom_fields[0]", "lead.custom_fields[7]")
    assert meta.lead.fields[0].values == (RawValue("x"),)


# Limits: just under passes, just over is refused


def test_limit_of_fields_in_one_call() -> None:
    entry = {"id": 1, "values": [{"value": "x"}]}
    meta = parse_meta({"contact": {"custom_fields": [entry] * 20}, "lead": {"custom_fields": [entry] * 31}})
    assert (len(meta.contact.fields), len(meta.lead.fields)) == (20, 30)
    assert settled(meta) == {"lead.custom_fields[30]": Verdict.LIMIT}


def test_entries_far_beyond_the_limit_share_one_path() -> None:
    meta = parse_meta({"lead": {"custom_fields": [0] * 4000}})
    assert len(meta.paths) == 251
    assert meta.paths[-1] == "lead.custom_fields[250:]"


def test_unknown_keys_far_beyond_any_use_share_one_path() -> None:
    meta = parse_meta({f"k{number}": 1 for number in range(4000)})
    assert len(meta.paths) == 251
    assert meta.paths[-1] == "*"


def test_limit_of_values_in_one_field() -> None:
    assert isinstance(read_entry({"id": 1, "values": [{"value": "x"}] * 20}), FieldMeta)
    assert read_entry({"id": 1, "values": [{"value": "x"}] * 21}) is Verdict.LIMIT


@pytest.mark.parametrize("wrap", [lambda text: text, lambda text: {"name": text}])
def test_limit_of_a_value(wrap: Any) -> None:
    assert isinstance(read_entry({"id": 1, "values": [{"value": wrap("x" * 3_900)}]}), FieldMeta)
    assert read_entry({"id": 1, "values": [{"value": wrap("x" * 4_001)}]}) is Verdict.LIMIT


def test_limit_of_an_enum_text() -> None:
    assert read_entry({"id": 1, "values": [{"value": "x", "enum": "x" * 4_001}]}) is Verdict.LIMIT


def test_limits_of_note_and_name_let_the_longest_pass() -> None:
    meta = parse_meta({"note": {"text": "x" * 20_000}, "lead": {"name": "x" * 255}})
    assert meta.settled == ()


def test_limit_of_bot_params_in_bytes_takes_keys_while_there_is_room() -> None:
    meta = parse_meta({"bot_params": {"a": "x" * 8000, "b": "я" * 200, "c": "short"}})
    assert settled(meta) == {"bot_params.b": Verdict.LIMIT}
    assert set(meta.bot_params) == {"a", "c"}


@pytest.mark.parametrize("keys", [1, 2, 30])
def test_limit_of_bot_params_in_bytes_is_that_of_their_json(keys: int) -> None:
    params = {f"k{number:02}": "" for number in range(keys)}
    room = MAX_BOT_BYTES - len(json.dumps(params, separators=(",", ":")))
    assert parse_meta({"bot_params": params | {"k00": "x" * room}}).settled == ()
    assert parse_meta({"bot_params": params | {"k00": "x" * (room + 1)}}).settled != ()


def test_limit_of_bot_params_in_depth() -> None:
    def nest(levels: int) -> Any:
        return {"a": nest(levels - 1)} if levels else 1

    assert parse_meta({"bot_params": nest(8)}).settled == ()
    assert settled(parse_meta({"bot_params": nest(9)})) == {"bot_params.a": Verdict.LIMIT}
    assert settled(parse_meta({"bot_params": {"a": [[[[[[[[1]]]]]]]]}})) == {"bot_params.a": Verdict.LIMIT}


def test_limit_of_bot_params_in_keys() -> None:
    params = {f"k{number}": {"in": 1} for number in range(101)}
    meta = parse_meta({"bot_params": params})
    assert settled(meta) == {"bot_params.k100": Verdict.LIMIT}


def test_bot_params_carry_any_json_and_drop_keys_that_reach_a_prototype() -> None:
    meta = parse_meta({"bot_params": {"a": None, "b": [1, {"constructor": 1, "ok": "x\x01"}], "c": True}})
    assert meta.bot_params == {"a": None, "b": [1, {"ok": "x"}], "c": True}


# Cleaning (S-IN-04, S-OUT-05)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (" Иван ", "Иван"),
        ("Иван\nИванов", "Иван Иванов"),
        ("Ivan   \u00a0 Ivanov", "Ivan Ivanov"),
        ("И\u0306ван", "Йван"),
        ("ad\u200bmin\u202e", "admin"),
        ("a\x07b", "ab"),
        ("\ud800x", "x"),
        ("a" + "\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308", "á\u0302\u0303\u0304\u0305\u0306"),
    ],
)
def test_S_IN_04_a_name_is_cleaned(raw: str, clean: str) -> None:
    assert parse_meta({"contact": {"name": raw}}).contact.name == clean


def test_S_IN_04_a_note_keeps_its_lines_and_tabs() -> None:
    note = parse_meta({"note": {"text": "\ta\r\nb\rc\x00\x1b[31m\x85 "}}).note
    assert note is not None
    assert note.text == "a\nb\nc[31m"


# Any JSON at all

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
# fmt: off
known_keys = st.sampled_from([
    "note", "contact", "lead", "bot_params", "text", "element_type", "note_type", "name", "sale", "price",
    "custom_fields", "id", "field_id", "code", "values", "value", "enum", "subtype", "0", "1", "*", "a.b",
])
# fmt: on
any_json = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(known_keys | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


def carried_paths(meta: Meta) -> list[str]:
    """The paths that something carried on stands for."""
    paths = [field.path for card in (meta.contact, meta.lead) for field in card.fields]
    paths += ["note"] * (meta.note is not None)
    paths += ["contact.name"] * (meta.contact.name is not None)
    paths += ["lead.name"] * (meta.lead.name is not None)
    paths += ["lead.sale"] * (meta.lead.sale is not None)
    open_paths = set(meta.paths) - {verdict.path for verdict in meta.settled}
    return paths + [path for path in open_paths if path.startswith("bot_params.")]


@settings(max_examples=300, deadline=None)
@given(params=st.dictionaries(known_keys | st.text(max_size=5), any_json, max_size=5))
def test_any_object_is_read_and_each_path_has_one_end(params: dict[str, Any]) -> None:
    meta = parse_meta(params)
    assert len(set(meta.paths)) == len(meta.paths)
    ends = [verdict.path for verdict in meta.settled] + carried_paths(meta)
    assert sorted(ends) == sorted(meta.paths)
    json.dumps(meta.bot_params).encode()
