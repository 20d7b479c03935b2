"""Values of every field type: their normal form, and their refusal in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knopka.domain.field_meta import RawValue
from knopka.domain.field_values import UNWRITABLE, Parsed, read_values
from knopka.domain.fields import CustomField, FieldOption, FieldType
from knopka.domain.phones import region_of
from knopka.domain.text import excerpt
from knopka.domain.verdicts import Verdict
from knopka.domain.wording import say
from tests.domain.samples import COLOURS, EMAIL, PHONE, make_field

# fmt: off
TRACKING_CODES = [
    "UTM_CONTENT", "UTM_MEDIUM", "UTM_CAMPAIGN", "UTM_SOURCE", "UTM_TERM", "UTM_REFERRER", "ROISTAT",
    "REFERRER", "OPENSTAT_SERVICE", "OPENSTAT_CAMPAIGN", "OPENSTAT_AD", "OPENSTAT_SOURCE", "FROM",
    "GCLIENTID", "_YM_UID", "_YM_COUNTER", "GCLID", "YCLID", "FBCLID",
]
# fmt: on


def read(field: CustomField, *values: Any, region: str = "RU", timezone: str = "Europe/Moscow") -> Parsed:
    raw = tuple(value if isinstance(value, RawValue) else RawValue(value) for value in values)
    return read_values(field, raw, region=region, timezone=timezone)


def items(parsed: Parsed) -> list[dict[str, Any]]:
    return [dict(item) for item in parsed.value.items] if parsed.value else []


def codes(parsed: Parsed) -> list[str]:
    return [reason.code for reason in parsed.reasons]


# Types of one value: (type, given, normal form)

GOOD = [
    ("text", "x", "x"),
    ("text", 5, "5"),
    ("text", 0.1, "0.1"),
    ("text", 1e21, "1000000000000000000000"),
    ("text", True, "true"),
    ("textarea", "a\nb", "a\nb"),
    ("streetaddress", "Тверская, 1", "Тверская, 1"),
    ("tracking_data", "google", "google"),
    ("numeric", "12.50", "12.5"),
    ("numeric", "12,5", "12.5"),
    ("numeric", "1 234,50", "1234.5"),
    ("numeric", "1\u00a0234\u202f567", "1234567"),
    ("numeric", "+007", "7"),
    ("numeric", "-0", "0"),
    ("numeric", "-0.50", "-0.5"),
    ("numeric", ".5", "0.5"),
    ("numeric", "5.", "5"),
    ("numeric", 0, "0"),
    ("numeric", 0.1, "0.1"),
    ("numeric", 1e-7, "0.0000001"),
    ("numeric", 2**63 - 1, "9223372036854775807"),
    ("numeric", "0.1234567890123456789", "0.1234567890123456789"),
    ("monetary", "10.5", "10.50"),
    ("monetary", "10,505", "10.505"),
    ("monetary", "10.500", "10.50"),
    ("monetary", 999, "999"),
    ("monetary", 19.99, "19.99"),
    ("checkbox", True, True),
    ("checkbox", False, False),
    ("checkbox", 1, True),
    ("checkbox", 0, False),
    ("checkbox", "1", True),
    ("checkbox", "yes", True),
    ("checkbox", "ДА", True),
    ("checkbox", "нет", False),
    ("checkbox", "off", False),
    ("url", "https://shop.example/a?b=в#c", "https://shop.example/a?b=в#c"),
    ("url", "http://пример.рф:8080/", "http://пример.рф:8080/"),
    # 2026-01-31 00:00 in Moscow is 21:00 of the day before in UTC.
    ("date", "31.01.2026", 1769806800),
    ("date", "31/01/2026", 1769806800),
    ("date", "2026-01-31", 1769806800),
    ("date", "2026-01-31T23:59:59+03:00", 1769806800),
    ("date", "2026-01-30T21:00:00Z", 1769806800),
    ("date", 1769806800, 1769806800),
    ("date", 1769850000, 1769806800),
    ("date", "1769850000", 1769806800),
    ("birthday", "01.05.1990", 641505600),
    ("birthday", "1950-03-01", -626065200),
    ("date_time", 1769850000, 1769850000),
    ("date_time", 1769850000.9, 1769850000),
    ("date_time", "2026-01-31T12:00:00+03:00", 1769850000),
    ("date_time", "2026-01-31T09:00:00.123Z", 1769850000),
    ("date_time", "2026-01-31T09:00:00z", 1769850000),
    ("date_time", "2026-01-31 12:00", 1769850000),
    ("date_time", "31.01.2026 12:00:00", 1769850000),
    ("date_time", "31.01.2026, 12:00", 1769850000),
    ("date_time", "2026-01-31T12:00+0300", 1769850000),
    ("date_time", 0, 0),
]


@pytest.mark.parametrize(("type", "given_value", "normal"), GOOD)
def test_a_good_value_has_one_normal_form(type: str, given_value: Any, normal: Any) -> None:
    parsed = read(make_field(FieldType(type)), given_value)
    assert items(parsed) == [{"value": normal}]
    assert (parsed.verdict, parsed.reasons) == (None, ())


# fmt: off
NO_NUMBERS: list[Any] = [
    "x", "1e5", "1,000.50", "1 23", "--1", "inf", "nan", "٣", ".", "-", "1" * 31,
    True, {}, [5], 1e300, 10**40,
]
NO_CHECKS: list[Any] = ["maybe", 2, -1, {}, [True]]
NO_ADDRESSES: list[Any] = [
    "javascript:alert(1)", "java\tscript:x", "shop.example", "//shop.example", "ftp://a.b", "http://", 5,
    "https://a b", "http://[", "http://a:99999/", "http://a\\b", "mailto:a@b.c", "https:///x",
]
NO_DATES: list[Any] = [
    "31.02.2026", "2026-13-01", "01.02.26", "yesterday", 1769850000000, "1769850000000", True, {}, 1e300,
    "0000-01-01", "2026-01-31T25:00", "2026-01-31T10:00+99:99", "9" * 15, "2026-01-31T10:60",
    "2026-01-31 10:00 Moscow", "٣١.٠١.٢٠٢٦", "1" * 5000,
]
# fmt: on


@pytest.mark.parametrize(
    ("type", "bad", "code"),
    [
        ("text", {"a": 1}, "not_text"),
        ("text", [1], "not_text"),
        *(("numeric", bad, "not_a_number") for bad in NO_NUMBERS),
        ("monetary", "999 ₽", "not_a_number"),
        *(("checkbox", bad, "not_yes_or_no") for bad in NO_CHECKS),
        *(("url", bad, "not_a_web_address") for bad in NO_ADDRESSES),
        *(("date", bad, "not_a_date") for bad in NO_DATES),
        ("date_time", "31.01", "not_a_date"),
        ("legal_entity", "ООО «Ромашка»", "not_a_legal_entity"),
        ("legal_entity", {"vat_id": "77"}, "legal_entity_without_name"),
        ("legal_entity", {"name": ""}, "legal_entity_without_name"),
    ],
)
def test_a_bad_value_is_refused_with_its_reason(type: str, bad: Any, code: str) -> None:
    parsed = read(make_field(FieldType(type)), bad)
    assert (parsed.value, parsed.verdict) == (None, Verdict.BAD_VALUE)
    assert code in codes(parsed)
    if isinstance(bad, str):
        assert excerpt(bad) in say(parsed.reasons[0], "en")


@pytest.mark.parametrize(
    ("type", "first", "second"),
    [
        ("text", "a", "b"),
        ("numeric", 1, 2),
        ("monetary", 1, 2),
        ("checkbox", True, False),
        ("url", "https://a.example", "https://b.example"),
        ("date", "01.01.2026", "02.01.2026"),
        ("select", "Red", "Blue"),
        ("radiobutton", "Red", "Blue"),
    ],
)
def test_a_field_of_one_value_takes_the_first_good_one_and_names_the_rest(
    type: str, first: Any, second: Any
) -> None:
    field = make_field(FieldType(type), options=COLOURS)
    parsed = read(field, [1], first, second)
    assert items(parsed) == items(read(field, first))
    assert (len(parsed.reasons), codes(parsed)[-1]) == (2, "one_value_only")


@pytest.mark.parametrize("type", ["text", "numeric", "date", "url", "multitext", "smart_address", "checkbox"])
def test_an_enum_without_a_value_says_nothing_to_a_field_without_options(type: str) -> None:
    parsed = read(make_field(FieldType(type)), RawValue(None, "5"))
    assert (parsed.value, parsed.verdict) == (None, Verdict.EMPTY)


# Fields that no page writes


@pytest.mark.parametrize("type", ["file", "chained_list", "linked_entity", "items"])
def test_a_type_that_a_page_cannot_write_is_refused_with_that_reason(type: str) -> None:
    for value in ("x", RawValue()):  # an item of a chained list has no value
        parsed = read(make_field(FieldType(type)), value)
        assert (parsed.verdict, codes(parsed)) == (Verdict.NOT_WRITABLE, ["type_not_writable"])


@pytest.mark.parametrize("type", [type for type in FieldType if type not in UNWRITABLE])
def test_a_blank_value_says_nothing(type: FieldType) -> None:
    assert read(make_field(type), RawValue()) == Parsed(None, Verdict.EMPTY)


def test_a_computed_field_and_one_not_on_the_list_are_refused() -> None:
    parsed = read(make_field(FieldType.TEXT, is_computed=True), "x")
    assert (parsed.verdict, codes(parsed)) == (Verdict.NOT_WRITABLE, ["field_computed"])
    parsed = read(make_field(FieldType.TEXT, is_page_writable=False), "x")
    assert (parsed.verdict, codes(parsed)) == (Verdict.NOT_WRITABLE, ["field_not_listed"])


# Lists

RED = {"value": "Red", "enum_id": 501, "enum_code": "RED"}
GREEN = {"value": "Зелёный", "enum_id": 502, "enum_code": None}


@pytest.mark.parametrize(
    ("raw", "option"),
    [
        (RawValue(None, "501"), RED),
        (RawValue(None, "RED"), RED),
        (RawValue(None, "red"), RED),
        (RawValue("anything", "501"), RED),
        (RawValue("Red"), RED),
        (RawValue("red"), RED),
        (RawValue(501), RED),
        (RawValue("501"), RED),
        (RawValue("ЗЕЛЁНЫЙ"), GREEN),
        (RawValue(" Зелёный"), GREEN),
        (RawValue(None, "Зелёный"), GREEN),
    ],
)
@pytest.mark.parametrize("type", ["select", "radiobutton", "multiselect"])
def test_an_option_is_found_by_id_code_or_text(type: str, raw: RawValue, option: dict[str, Any]) -> None:
    parsed = read(make_field(FieldType(type), options=COLOURS), raw)
    assert (items(parsed), parsed.reasons) == ([option], ())


@pytest.mark.parametrize("raw", [RawValue("Pink"), RawValue(None, "999"), RawValue({"a": 1}), RawValue(True)])
@pytest.mark.parametrize("type", ["select", "radiobutton", "multiselect"])
def test_an_unknown_option_is_refused_and_never_made(type: str, raw: RawValue) -> None:
    parsed = read(make_field(FieldType(type), options=COLOURS), raw)
    assert (parsed.value, parsed.verdict, codes(parsed)) == (None, Verdict.BAD_VALUE, ["option_unknown"])
    assert "Red (501)" in say(parsed.reasons[0], "en")


def test_an_unknown_enum_gives_way_to_a_text_that_names_an_option() -> None:
    parsed = read(make_field(FieldType.SELECT, options=COLOURS), RawValue("Red", "77"))
    assert (items(parsed), codes(parsed)) == ([RED], ["enum_unknown_value_used"])


def test_a_multiselect_takes_every_option_once_and_names_the_unknown() -> None:
    field = make_field(FieldType.MULTISELECT, options=COLOURS)
    parsed = read(field, "Red", RawValue(None, "501"), "Pink", "Зелёный")
    assert (items(parsed), codes(parsed)) == ([RED, GREEN], ["option_unknown"])


def test_an_id_wins_over_a_text_of_the_same_digits() -> None:
    options = (*COLOURS, type(COLOURS[0])(600, "501"))
    assert items(read(make_field(FieldType.SELECT, options=options), "501")) == [RED]


# Multitext: phones, mail


def test_the_pages_phone_is_kept_as_given_without_a_normal_form() -> None:
    parsed = read(PHONE, RawValue("+7123456789", "12345"))
    assert items(parsed) == [{"value": "+7123456789", "enum_id": 12345, "enum_code": "WORK"}]
    assert parsed.reasons == ()


@pytest.mark.parametrize(
    ("text", "region", "normal"),
    [
        ("8 (916) 123-45-67", "RU", "+79161234567"),
        ("+7 916 123 45 67", "ZZ", "+79161234567"),
        ("79161234567", "RU", "+79161234567"),
        (79161234567, "RU", "+79161234567"),
        ("8 (916) 123-45-67", "ZZ", None),
        ("8 (916) 123-45-67", "nowhere", None),
        ("112", "RU", None),
    ],
)
def test_a_phone_has_its_international_form_only_where_it_is_certain(
    text: Any, region: str, normal: str | None
) -> None:
    (item,) = items(read(PHONE, text, region=region))
    assert (item["value"], item.get("normal")) == (str(text), normal)


def test_a_region_follows_from_the_currency() -> None:
    assert (region_of("RUB"), region_of("kzt"), region_of("EUR")) == ("RU", "KZ", "ZZ")


@pytest.mark.parametrize("bad", ["call me", "+7", "x" * 50 + "1" * 51, {"a": 1}, [7]])
def test_what_cannot_be_dialled_is_no_phone(bad: Any) -> None:
    assert read(PHONE, bad).verdict is Verdict.BAD_VALUE


@pytest.mark.parametrize("good", ["a@shop.example", "иван@почта.рф", "a.b+c@x.co"])
def test_a_good_mail_address_is_kept(good: str) -> None:
    assert items(read(EMAIL, good))[0]["value"] == good


@pytest.mark.parametrize("bad", ["a@", "@b.c", "a b@c.d", "a@b", "x" * 255 + "@a.example", 5, "a@b.c\nd"])
def test_a_bad_mail_address_is_refused(bad: Any) -> None:
    parsed = read(EMAIL, bad)
    assert (parsed.verdict, codes(parsed)) == (Verdict.BAD_VALUE, ["not_an_email"])


@pytest.mark.parametrize(
    ("enum", "code", "reasons"),
    [
        (None, "WORK", []),
        ("12346", "MOB", []),
        ("MOB", "MOB", []),
        ("mob", "MOB", []),
        ("999", "WORK", ["kind_unknown"]),
        ('{"a": 1}', "WORK", ["kind_unknown"]),
    ],
)
def test_an_unknown_kind_is_kept_under_the_first(enum: str | None, code: str, reasons: list[str]) -> None:
    parsed = read(PHONE, RawValue("+79161234567", enum))
    assert (items(parsed)[0]["enum_code"], codes(parsed)) == (code, reasons)


def test_many_values_go_in_together_and_bad_ones_are_named() -> None:
    parsed = read(PHONE, "+79161234567", "nobody", RawValue(None, "MOB"), "+79161234568")
    assert [item["value"] for item in items(parsed)] == ["+79161234567", "+79161234568"]
    assert codes(parsed) == ["not_a_phone"]


def test_only_a_phone_has_a_normal_form() -> None:
    assert items(read(make_field(FieldType.MULTITEXT), "+79161234567")) == [{"value": "+79161234567"}]


def test_the_code_of_a_kind_without_one_is_its_text() -> None:
    kinds = (FieldOption(765, "WORK"), FieldOption(767, "MOB"))  # as amoCRM lists them
    parsed = read(make_field(FieldType.MULTITEXT, options=kinds), RawValue("x", "MOB"))
    assert items(parsed) == [{"value": "x", "enum_id": 767, "enum_code": "MOB"}]


def test_a_multitext_without_kinds_keeps_the_text() -> None:
    parsed = read(make_field(FieldType.MULTITEXT, code="IM"), RawValue("@ivan", "SKYPE"))
    assert (items(parsed), codes(parsed)) == ([{"value": "@ivan"}], ["kind_unknown"])


# Addresses


def test_an_address_is_written_whole_in_the_order_of_its_parts() -> None:
    parsed = read(
        make_field(FieldType.SMART_ADDRESS),
        RawValue("ru", None, "country"),
        RawValue("Тверская, 1", None, "1"),
        RawValue(101000, None, "zip"),
        RawValue("Москва", "city"),
        RawValue("2", None, " ADDRESS_LINE_2 "),
        RawValue("МО", None, "4"),
    )
    assert items(parsed) == [
        {"value": "Тверская, 1", "enum_id": 1, "enum_code": "address_line_1"},
        {"value": "2", "enum_id": 2, "enum_code": "address_line_2"},
        {"value": "Москва", "enum_id": 3, "enum_code": "city"},
        {"value": "МО", "enum_id": 4, "enum_code": "state"},
        {"value": "101000", "enum_id": 5, "enum_code": "zip"},
        {"value": "RU", "enum_id": 6, "enum_code": "country"},
    ]
    assert parsed.reasons == ()


def test_a_part_given_twice_has_its_last_value_and_says_so() -> None:
    parsed = read(
        make_field(FieldType.SMART_ADDRESS), RawValue("Тула", None, "city"), RawValue("Москва", None, "3")
    )
    assert [item["value"] for item in items(parsed)] == ["Москва"]
    assert codes(parsed) == ["subtype_repeated"]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (RawValue("x"), "subtype_missing"),
        (RawValue("x", None, "street"), "subtype_unknown"),
        (RawValue("x", None, "7"), "subtype_unknown"),
        (RawValue("x", None, "0"), "subtype_unknown"),
        (RawValue({"a": 1}, None, "city"), "not_text"),
        (RawValue("Россия", None, "country"), "country_unreadable"),
        (RawValue("R1", None, "country"), "country_unreadable"),
        (RawValue("ру", None, "country"), "country_unreadable"),
    ],
)
def test_a_bad_part_of_an_address_is_skipped_and_named(raw: RawValue, code: str) -> None:
    field = make_field(FieldType.SMART_ADDRESS)
    assert codes(read(field, raw)) == [code]
    parsed = read(field, raw, RawValue("Москва", None, "city"))
    assert ([item["value"] for item in items(parsed)], codes(parsed)) == (["Москва"], [code])


# Legal entities


def test_a_legal_entity_keeps_what_is_known_and_names_the_rest() -> None:
    parsed = read(
        make_field(FieldType.LEGAL_ENTITY),
        {"vat_id": 7701234567, "name": "ООО «Ромашка»", "entity_type": "2", "kpp": None, "colour": "red"},
    )
    assert items(parsed) == [{"value": {"name": "ООО «Ромашка»", "entity_type": 2, "vat_id": "7701234567"}}]
    assert codes(parsed) == ["legal_entity_part_unknown"]


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"entity_type": 3}, "legal_entity_type_unknown"),
        ({"entity_type": True}, "legal_entity_part_unreadable"),
        ({"director": ["x"]}, "legal_entity_part_unreadable"),
        ({"address": "x" * 501}, "legal_entity_part_unreadable"),
    ],
)
def test_a_bad_part_of_a_legal_entity_is_left_out(part: dict[str, Any], code: str) -> None:
    parsed = read(make_field(FieldType.LEGAL_ENTITY), {"name": "ИП", **part})
    assert (items(parsed), codes(parsed)) == ([{"value": {"name": "ИП"}}], [code])


# Tracking, time zones


@pytest.mark.parametrize("code", TRACKING_CODES)
def test_every_tracking_field_holds_its_text(code: str) -> None:
    assert items(read(make_field(FieldType.TRACKING_DATA, code=code), "x=1&y=я")) == [{"value": "x=1&y=я"}]


def test_a_day_begins_at_midnight_of_the_account() -> None:
    field = make_field(FieldType.DATE)
    assert items(read(field, "31.01.2026", timezone="America/New_York")) == [{"value": 1769835600}]
    assert items(read(field, "31.01.2026", timezone="UTC")) == [{"value": 1769817600}]


def test_a_time_zone_that_the_system_does_not_know_means_utc() -> None:
    field = make_field(FieldType.DATE)
    for timezone in ("Nowhere/City", "", "../etc", "\0"):
        assert items(read(field, "31.01.2026", timezone=timezone)) == [{"value": 1769817600}]


# Any value at all

raw_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
numbers_and_dates = st.from_regex(r"[-+0-9., :/TZ]{1,30}", fullmatch=True)
marks = st.none() | st.text(max_size=10) | st.sampled_from(["501", "MOB", "city", "6", "country"])


@settings(max_examples=400, deadline=None)
@given(
    type=st.sampled_from(FieldType),
    code=st.sampled_from([None, "PHONE", "EMAIL"]),
    values=st.lists(st.builds(RawValue, raw_json | numbers_and_dates, marks, marks), max_size=5),
)
def test_reading_never_fails_and_never_makes_an_option(
    type: FieldType, code: str | None, values: list[RawValue]
) -> None:
    parsed = read(make_field(type, code=code, options=COLOURS), *values)
    assert (parsed.value is None) == (parsed.verdict is not None)
    if parsed.verdict is Verdict.BAD_VALUE:
        assert parsed.reasons
    if type in (FieldType.SELECT, FieldType.RADIOBUTTON, FieldType.MULTISELECT):
        assert {item["enum_id"] for item in items(parsed)} <= {option.id for option in COLOURS}
    for reason in parsed.reasons:
        assert say(reason, "ru") != reason.code


@settings(max_examples=200, deadline=None)
@given(
    type=st.sampled_from([FieldType.NUMERIC, FieldType.MONETARY, FieldType.DATE_TIME]),
    value=st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9) | numbers_and_dates,
)
def test_a_normal_form_is_its_own_normal_form(type: FieldType, value: Any) -> None:
    once = items(read(make_field(type), value))
    again = items(read(make_field(type), *[item["value"] for item in once]))
    assert again == once
