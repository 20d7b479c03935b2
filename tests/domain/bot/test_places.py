"""Line and column of everything in a JSON text, judged by the standard reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knopka.domain.bot.places import Places
from knopka.domain.strict_json import join_path

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=25,
)


def walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield path, value
    match value:
        case dict():
            for key, item in value.items():
                yield from walk(join_path(path, key), item)
        case list():
            for index, item in enumerate(value):
                yield from walk(f"{path}[{index}]", item)
        case _:
            pass


@given(values, st.sampled_from([None, 0, 2]), st.booleans())
def test_what_stands_at_the_place_of_a_path_is_its_value(
    value: Any, indent: int | None, only_ascii: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=only_ascii)
    places = Places(text)
    lines = text.split("\n")
    for path, expected in walk("$", value):
        place = places.find(path)
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        found, _ = json.JSONDecoder().raw_decode(rest)
        assert place.path == path
        assert repr(found) == repr(expected)


@pytest.mark.parametrize(
    ("text", "path", "line", "column"),
    [
        ("[]", "$", 1, 1),
        (" \n  []", "$", 2, 3),
        ('{"a": 1,\n "b": [true,\r\n  null]}', "$.b[1]", 3, 3),
        ('{"да":\n1}', '$["\\u0434\\u0430"]', 2, 1),
        (r'{"a\"b": {"]": 7}}', r'$["a\"b"]["]"]', 1, 16),
        ('{"a": {"b": 1}}', "$.a.c.d", 1, 7),
        ('{"a": 1,\n"a": 2}', "$.a", 2, 6),
    ],
)
def test_a_place_has_line_and_column_from_one(text: str, path: str, line: int, column: int) -> None:
    place = Places(text).find(path)
    assert (place.line, place.column) == (line, column)


@pytest.mark.parametrize(
    "text", ['"' + "\\" * 60_000 + '"', "[" * 900 + "]" * 900, "[" + "0," * 30_000 + "0]"]
)
def test_a_hostile_text_is_scanned_in_one_pass(text: str) -> None:
    assert Places(text).find("$").line == 1
