"""Fields from the command line, and amoCRM's with their ids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from knopka.app import FIRST_ACCOUNT
from tests.cli.conftest import Shell

PHONES = {
    "id": 345,
    "name": "Телефон",
    "type": "multitext",
    "entity_type": "contacts",
    "code": "PHONE",
    "sort": 4,
    "enums": [{"id": 765, "value": "WORK", "sort": 1}, {"id": 767, "value": "MOB", "sort": 2}],
}
CITY = {
    "id": 346,
    "name": "Город",
    "type": "select",
    "entity_type": "leads",
    "code": None,
    "sort": 5,
    "enums": [{"id": 900, "value": "Москва", "sort": 1}, {"id": 901, "value": "Тверь", "sort": 2}],
}


def answer_of(*models: Any) -> str:
    """amoCRM's answer to GET /api/v4/…/custom_fields."""
    return json.dumps({"_total_items": len(models), "_page": 1, "_embedded": {"custom_fields": models}})


def list_given(shell: Shell, *options: str) -> list[Any]:
    """The fields whose ids were given, without those that every account has from its first day."""
    return [
        field for field in shell("field", "list", *options, "--json").json if field["id"] <= 1_000_000_000
    ]


def test_a_new_account_has_the_fields_of_every_account(shell: Shell) -> None:
    fields = shell("field", "list", "--json").json
    assert [field["code"] for field in fields if field["entity_type"] == "contacts"] == [
        "PHONE", "EMAIL", "POSITION",
    ]  # fmt: skip
    assert len([field for field in fields if field["type"] == "tracking_data"]) == 19
    assert len(fields) == 22


def test_an_added_field_answers_with_its_model(shell: Shell) -> None:
    enums = ("--enum", "12345=WORK", "--enum", "12346=MOB")
    kind = ("--entity", "contacts", "--type", "multitext", "--name", "Телефон")
    added = shell("field", "add", *kind, "--id", "123456", "--code", "PHONE", *enums, "--json").json
    assert (added["id"], added["entity_type"], added["type"], added["code"]) == (
        123456, "contacts", "multitext", "PHONE",
    )  # fmt: skip
    assert [(enum["id"], enum["value"]) for enum in added["enums"]] == [(12345, "WORK"), (12346, "MOB")]


def test_ids_of_our_own_begin_where_nobody_elses_are(shell: Shell) -> None:
    add = ("field", "add", "--entity", "leads", "--type", "select", "--name", "Size", "--json")
    first = shell(*add, "--enum", "S", "--enum", "M").json
    second = shell(*add).json
    assert first["id"] > 1_000_000_000
    assert second["id"] == first["id"] + 1
    assert all(enum["id"] > 1_000_000_000 for enum in first["enums"])


def test_a_taken_id_is_named(shell: Shell) -> None:
    add = ("field", "add", "--entity", "leads", "--type", "text", "--name", "Size", "--id", "77")
    assert shell(*add).code == 0
    answer = shell(*add)
    assert (answer.code, answer.out) == (1, "")
    assert "77" in answer.err


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--entity", "companies", "leads"),
        ("--type", "phone", "multitext"),
        ("--id", "0", "1<=x"),
        ("--enum", "7= ", "ID=TEXT"),
        ("--enum", "=", "ID=TEXT"),
        ("--enum", "7==", "ID=TEXT"),
        ("--enum", "0=M", "ID=TEXT"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(
    shell: Shell, option: str, value: str, allowed: str
) -> None:
    right = {"--entity": "leads", "--type": "text", "--name": "Size"}
    given = [word for pair in {**right, option: value}.items() for word in pair]
    answer = shell("field", "add", *given)
    assert (answer.code, answer.out) == (2, "")
    assert value in answer.err
    assert allowed in answer.err


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (("leads", "text", "Size", "--id", "345"), 1, ("The id 345", "'Телефон'", "contacts")),
        (
            ("contacts", "text", "Size", "--code", "PHONE"),
            1,
            ("The code PHONE", "the field 345", "'Телефон'"),
        ),
        (
            ("leads", "text", "Size", "--enum", "S"),
            2,
            ("text", "select, multiselect, radiobutton, multitext"),
        ),
        (("leads", "text", " "), 2, ("''", "1 to 255")),
        (("leads", "select", "Size", "--enum", "7=S", "--enum", "7=M"), 2, ("7",)),
    ],
)
def test_a_field_that_cannot_be_added_is_refused_with_what_stands_in_the_way(
    shell: Shell, given: tuple[str, ...], code: int, said: tuple[str, ...]
) -> None:
    shell("field", "import", stdin=answer_of(PHONES))
    entity, type, name, *rest = given
    answer = shell("field", "add", "--entity", entity, "--type", type, "--name", name, *rest)
    assert (answer.code, answer.out) == (code, "")
    assert all(words in answer.err for words in said), answer.err
    assert [field["id"] for field in list_given(shell)] == [345]


def test_a_monetary_field_has_the_currency_of_the_account(shell: Shell) -> None:
    def add(type: str) -> Any:
        return shell("field", "add", "--entity", "leads", "--type", type, "--name", "Cost", "--json").json

    assert (add("monetary")["currency"], add("text")["currency"]) == (FIRST_ACCOUNT["currency"], None)


def test_further_pages_of_an_answer_are_asked_for(shell: Shell) -> None:
    whole = json.loads(answer_of(CITY)) | {"_links": {"self": {"href": "…?page=1"}}}
    assert shell("field", "import", stdin=json.dumps(whole)).err == ""
    whole["_links"]["next"] = {"href": "…?page=2"}
    assert "further pages" in shell("field", "import", stdin=json.dumps(whole)).err


def test_text_that_is_no_json_is_refused_with_line_and_column(shell: Shell) -> None:
    assert "line 2, column 3" in shell("field", "import", stdin='{"a":\n  }').err


def test_imported_fields_keep_their_ids_and_those_of_their_options(shell: Shell) -> None:
    report = shell("field", "import", "--json", stdin=answer_of(PHONES, CITY)).json
    assert [field["id"] for field in report["added"]] == [346]
    assert [field["id"] for field in report["updated"]] == [345]
    phones, city = list_given(shell)
    assert [enum["id"] for enum in phones["enums"]] == [765, 767]
    assert [(enum["id"], enum["value"]) for enum in city["enums"]] == [(900, "Москва"), (901, "Тверь")]


def test_a_second_import_brings_fields_up_to_date(shell: Shell) -> None:
    shell("field", "import", stdin=answer_of(CITY))
    newer = {**CITY, "name": "Город доставки", "enums": [{"id": 901, "value": "Тверь", "sort": 1}]}
    report = shell("field", "import", "--json", stdin=answer_of(newer)).json
    assert [field["id"] for field in report["updated"]] == [346]
    (city,) = list_given(shell)
    assert (city["name"], [enum["id"] for enum in city["enums"]]) == ("Город доставки", [901])


def test_what_an_import_leaves_out_is_told_with_the_reason(shell: Shell) -> None:
    payer = {**CITY, "id": 347, "type": "payer"}
    report = shell("field", "import", "--json", stdin=answer_of(payer, CITY)).json
    assert [field["id"] for field in report["added"]] == [346]
    assert [(field["id"], "payer" in field["reason"]) for field in report["skipped"]] == [(347, True)]


def test_a_byte_order_mark_does_not_matter(shell: Shell) -> None:
    assert shell("field", "import", stdin=b"\xef\xbb\xbf" + answer_of(CITY).encode()).code == 0


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("", "$"),
        ("[]", "custom_fields"),
        ('{"_embedded": {}}', "custom_fields"),
        ("{'a': 1}", "$"),
        (b"\xff", "UTF-8"),
    ],
)
def test_what_is_no_answer_of_amocrm_is_refused_with_the_place(
    shell: Shell, body: str | bytes, place: str
) -> None:
    answer = shell("field", "import", stdin=body)
    assert (answer.code, answer.out) == (2, "")
    assert place in answer.err
    assert list_given(shell) == []


def test_the_list_can_be_narrowed_to_one_card(shell: Shell) -> None:
    shell("field", "import", stdin=answer_of(PHONES, CITY))
    assert [field["id"] for field in list_given(shell, "--entity", "leads")] == [346]
    assert "Город" in shell("field", "list").out


def test_a_field_can_be_kept_from_pages(shell: Shell) -> None:
    add = ("field", "add", "--entity", "leads", "--type", "text", "--json", "--name")
    added = [shell(*add, "Margin", "--no-pages").json, shell(*add, "Size").json]
    assert [field["is_page_writable"] for field in added] == [False, True]
    listed = {field["name"]: field["is_page_writable"] for field in shell("field", "list", "--json").json}
    assert (listed["Margin"], listed["Size"]) == (False, True)
    rows = {
        name: line.split()[-1]
        for line in shell("field", "list").out.splitlines()
        for name in listed
        if name in line
    }
    assert (rows["Margin"], rows["Size"]) == ("no", "Size")
