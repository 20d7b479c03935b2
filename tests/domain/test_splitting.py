"""Long texts in parts: where they are cut, and what is never cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knopka.domain.splitting import count_units, split_text

FAMILY = "\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1f7\U0001f1fa"
WAVE = "\U0001f44b\U0001f3fd"

texts = st.text(
    st.sampled_from(["a", "б", ".", " ", "\n", "\u0301", "\u200d", "\ufe0f", *FAMILY, *FLAG, *WAVE]),
    max_size=120,
)


@pytest.mark.parametrize(
    ("text", "most", "parts"),
    [
        ("short", 10, ["short"]),
        ("", 10, []),
        (" \n ", 10, []),
        ("one two\n\nthree four", 14, ["one two", "three four"]),
        ("one two\nthree four", 14, ["one two", "three four"]),
        ("Do. Re mi. Fa so la", 16, ["Do. Re mi.", "Fa so la"]),
        ("one two three", 9, ["one two", "three"]),
        ("one two", 3, ["one", "two"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("see abcdefgh", 9, ["see", "abcdefgh"]),
        ("a\n\nbbbb cccc dddd", 12, ["a\n\nbbbb cccc", "dddd"]),
        (FAMILY * 2, 6, [FAMILY, FAMILY]),
        (f"ab{FAMILY}", 5, ["ab", FAMILY]),
        (FLAG * 3, 6, [FLAG] * 3),
        (FLAG * 3, 9, [FLAG * 2, FLAG]),
        (WAVE * 2, 6, [WAVE, WAVE]),
        ("ae\u0301" * 2, 4, ["ae\u0301a", "e\u0301"]),
        ("❤\ufe0f" * 2, 3, ["❤\ufe0f"] * 2),
        ("ab \u0301c", 3, ["ab", " \u0301c"]),
    ],
)
def test_a_text_is_cut_where_a_reader_would_pause(text: str, most: int, parts: list[str]) -> None:
    assert split_text(text, most) == parts


@given(texts, st.integers(2, 30))
def test_every_part_is_short_enough_and_nothing_but_space_is_lost(text: str, most: int) -> None:
    parts = split_text(text, most)
    assert all(part.strip() and count_units(part) <= most for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@given(texts, st.integers(2, 30))
def test_a_word_that_fits_is_never_cut(text: str, most: int) -> None:
    plain = "".join(char for char in text if char in "aб. \n")
    words = [word for part in split_text(plain, most) for word in part.split()]
    if all(count_units(word) <= most for word in plain.split()):
        assert words == plain.split()


@given(texts)
def test_no_part_begins_inside_a_grapheme_that_fits(text: str) -> None:
    marks = ("\u0301", "\ufe0f", WAVE[1])
    kept = [char for char in text if char != "\u200d"]
    held = "".join(
        char
        for before, char in zip(["", *kept], kept, strict=False)
        if char not in marks or before in ("a", "б")
    )
    assert not any(part.startswith(marks) for part in split_text(held, 4)[1:])


def test_a_grapheme_longer_than_a_part_is_cut_between_characters() -> None:
    parts = split_text("e" + "\u0301" * 9, 4)
    assert [len(part) for part in parts] == [4, 4, 2]


@pytest.mark.parametrize("unit", ["a", "a ", "\n", "a\n\n", FLAG, FAMILY, "\u0301", ". "])
def test_S_IN_05_a_text_of_one_kind_is_cut_in_linear_time(unit: str) -> None:
    began = time.process_time()
    split_text(unit * 100_000, 4096)
    assert time.process_time() - began < 3
