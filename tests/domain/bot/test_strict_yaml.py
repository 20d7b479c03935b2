"""YAML of people: plain values with their places, and each thing that is not taken with its line."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.domain.bot.strict_yaml import MAX_NODES, read_yaml
from knopka.domain.errors import Fault, InvalidInput

MAX_BYTES = 64 * 1024


def read(text: str | bytes) -> Any:
    return read_yaml(text if isinstance(text, bytes) else text.encode(), max_bytes=MAX_BYTES).value


def refuse(text: str | bytes) -> Fault:
    with pytest.raises(InvalidInput) as refused:
        read(text)
    (fault,) = refused.value.faults
    return fault


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, b: -2.5, c: true, d: false, e: null, f: ~, g: }", [1, -2.5, True, False, None, None, None]),
        ("{a: yes, b: No, c: on, d: True}", ["yes", "No", "on", "True"]),
        (
            "{a: 007, b: +7, c: 1.50, d: 1e3, e: 0x10, f: 1_000}",
            ["007", "+7", "1.50", "1e3", "0x10", "1_000"],
        ),
        ("{a: 2026-03-07, b: 12:30, c: .inf, d: .nan}", ["2026-03-07", "12:30", ".inf", ".nan"]),
        ("{a: '1', b: \"true\", c: ''}", ["1", "true", ""]),
        ("a: |\n  one\n  two\nb: >\n  one\n  two\n", ["one\ntwo\n", "one two\n"]),
    ],
)
def test_what_stands_without_quotes_is_a_number_only_where_it_is_written_like_one(
    text: str, value: list[Any]
) -> None:
    assert list(read(text).values()) == value


def test_every_key_is_a_text() -> None:
    assert read("223461: a\ntrue: b\n~: c\n1.5: d") == {"223461": "a", "true": "b", "~": "c", "1.5": "d"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null"])
def test_an_empty_text_holds_nothing(text: str) -> None:
    assert read(text) is None


def test_json_is_read_as_well() -> None:
    assert read('{"a": [1, "x\\u0416", {"b": null}]}') == {"a": [1, "xЖ", {"b": None}]}


def test_each_value_knows_its_line_and_column() -> None:
    spot = read_yaml("# first\na:\n  - b: один\n    c: текст\n".encode(), max_bytes=MAX_BYTES)
    outer = spot.get("a")
    assert outer is not None
    inner = outer.items()[0].get("c")
    assert inner is not None
    assert (inner.at.path, inner.at.line, inner.at.column) == ("$.a[0].c", 4, 8)


@pytest.mark.parametrize(
    ("text", "code", "path", "line", "column"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", "duplicate_key", "$.b.c", 4, 3),
        ("a: 1\n'a': 2", "duplicate_key", "$.a", 2, 1),
        ("a: &x [1]\nb: *x", "alias", "$.a", 1, 4),
        ("b: *x", "alias", "$.b", 1, 4),
        ("a:\n  <<: {b: 1}", "alias", '$.a["<<"]', 2, 3),
        ("a: !!python/object/apply:os.system [ls]", "tag", "$.a", 1, 4),
        ("a: !x 1", "tag", "$.a", 1, 4),
        ("? [a]\n: b", "bad_key", "$", 1, 3),
        ("a: 1\n---\nb: 2", "several_documents", "$", 2, 1),
        ("a: b: c", "not_yaml", "$", 1, 5),
        ("a:\n\t- b", "not_yaml", "$", 2, 1),
        ("a: [1", "not_yaml", "$", 1, 6),
        ("a: 1\nb: \x07", "not_yaml", "$", 2, 4),
        ("a: 1\nb: \x0b", "not_yaml", "$", 2, 4),
        ('a: "\\ud83d"', "lone_surrogate", "$.a", 1, 4),
    ],
)
def test_what_is_not_taken_is_told_with_its_place(
    text: str, code: str, path: str, line: int, column: int
) -> None:
    fault = refuse(text)
    assert (fault.code, fault.path, fault.line, fault.column) == (code, path, line, column)


def test_a_character_that_yaml_forbids_is_named() -> None:
    assert "U+000B" in refuse("a: \x0b").message


def test_bytes_that_are_no_text_are_told() -> None:
    assert refuse(b"a: \xff").code == "not_utf8"
    assert refuse(b"\xef\xbb\xbfa: 1").code == "byte_order_mark"


def test_a_file_is_read_to_its_last_byte_and_no_further() -> None:
    text = "a: " + "x" * (MAX_BYTES - 3)
    assert len(read(text)["a"]) == MAX_BYTES - 3
    assert refuse(text + "x").code == "too_large"


def test_depth_and_number_of_values_are_bounded() -> None:
    assert refuse("[" * 5_000).code == "too_deep"
    assert refuse("- " * 5_000).code == "too_deep"
    body = ("[" + "1," * MAX_NODES + "]").encode()
    with pytest.raises(InvalidInput) as refused:
        read_yaml(body, max_bytes=len(body))
    assert refused.value.faults[0].code == "too_many_values"
