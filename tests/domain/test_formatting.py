"""Our markdown: what is a mark, what stays as it was typed, and how messengers show it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knopka.domain.formatting import Span, Style, parse_marks, split_marked, to_entities, to_plain
from knopka.domain.splitting import count_units

BOLD, ITALIC, CODE, BLOCK = (frozenset({style}) for style in Style)

marked = st.lists(
    st.sampled_from(
        ["*", "**", "_", "`", "```", "[", "]", "(", ")", "](http://a)", "a", "б", " ", "\n", "👍"]
    )
    | st.characters(exclude_categories=["Cs", "Cc"]),
    max_size=60,
).map("".join)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("", []),
        ("plain", [Span("plain")]),
        ("**b**", [Span("b", BOLD)]),
        ("*i*", [Span("i", ITALIC)]),
        ("_i_", [Span("i", ITALIC)]),
        ("`c`", [Span("c", CODE)]),
        ("```\na *b*\n\n```", [Span("a *b*", BLOCK)]),
        ("a **b c** d", [Span("a "), Span("b c", BOLD), Span(" d")]),
        ("**b _both_**", [Span("b ", BOLD), Span("both", BOLD | ITALIC)]),
        ("(**b**), *i*!", [Span("("), Span("b", BOLD), Span("), "), Span("i", ITALIC), Span("!")]),
        ("`**c**`", [Span("**c**", CODE)]),
        ("**`c`**", [Span("c", BOLD | CODE)]),
        ("**two\nlines**", [Span("two\nlines", BOLD)]),
        ("[shop](https://shop.example/a_b)", [Span("shop", url="https://shop.example/a_b")]),
        ("**[shop](http://a)**", [Span("shop", BOLD, "http://a")]),
        ("[a](http://a)[b](http://a)", [Span("a", url="http://a"), Span("b", url="http://a")]),
        ("[w](http://a/b_(c))", [Span("w", url="http://a/b_(c)")]),
        ("([w](http://a))", [Span("("), Span("w", url="http://a"), Span(")")]),
        ("[post](mailto:a@b.example)", [Span("post", url="mailto:a@b.example")]),
        ("[call](tel:+7912)", [Span("call", url="tel:+7912")]),
        ("[[a](http://a)", [Span("["), Span("a", url="http://a")]),
    ],
)
def test_a_mark_with_both_halves_gives_its_words_a_look(text: str, spans: list[Span]) -> None:
    assert list(parse_marks(text)) == spans


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3 * 4",
        "2*3*4",
        "2 ** 3 ** 4",
        "snake_case_names",
        "snake_case_",
        "a*b*",
        "__init__",
        "a_b and c_d",
        "*",
        "**",
        "****",
        "** b **",
        "***",
        "**b",
        "b**",
        "*i",
        "* one\n* two",
        "**over\n\nparagraphs**",
        "`",
        "``",
        "`over\nlines`",
        "```never closed",
        "``````",
        "[label]",
        "[label] (http://a)",
        "[](http://a)",
        "[a]()",
        "[a](http://a b)",
        "[a](http://a",
    ],
)
def test_what_has_no_other_half_stays_as_it_was_typed(text: str) -> None:
    assert parse_marks(text) == (Span(text),)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert",
        "java\tscript:alert",
        "java&#115;cript:alert",
        "data:text/html,x",
        "file:///etc/passwd",
        "//evil.example",
        "/path",
        "http:",
        "https://",
        "http://a\x00b",
        "http://a\u202eb",
        "vbscript:x",
        "tel:",
        "mailto:",
    ],
)
def test_S_OUT_03_a_link_leads_only_where_it_may(address: str) -> None:
    assert all(not span.url for span in parse_marks(f"[label]({address})"))
    assert to_plain(f"[label]({address})") == f"[label]({address})"


def test_of_crossing_marks_the_one_that_ends_first_holds() -> None:
    assert parse_marks("**a _b** c_") == (Span("a _b", BOLD), Span(" c_"))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("**b** and *i* and `c`", "b and i and c"),
        ("see [shop](https://shop.example)", "see shop (https://shop.example)"),
        ("[https://a.example](https://a.example)", "https://a.example"),
        ("[a@b.example](mailto:a@b.example)", "a@b.example"),
        ("[write](mailto:a@b.example)", "write (a@b.example)"),
        ("[call](tel:+7912)", "call (+7912)"),
    ],
)
def test_the_plain_text_says_where_a_link_leads(text: str, plain: str) -> None:
    assert to_plain(text) == plain


@pytest.mark.parametrize(
    ("text", "plain", "entities"),
    [
        ("👍 **b**", "👍 b", [{"type": "bold", "offset": 3, "length": 1}]),
        (
            "**a _👍_ c**",
            "a 👍 c",
            [{"type": "bold", "offset": 0, "length": 6}, {"type": "italic", "offset": 2, "length": 2}],
        ),
        ("**`c`**", "c", [{"type": "code", "offset": 0, "length": 1}]),
        ("```x```", "x", [{"type": "pre", "offset": 0, "length": 1}]),
        ("[s](http://a)", "s", [{"type": "text_link", "offset": 0, "length": 1, "url": "http://a"}]),
        ("[call](tel:+7)", "call (+7)", []),
        (
            "*a* *b*",
            "a b",
            [{"type": "italic", "offset": 0, "length": 1}, {"type": "italic", "offset": 2, "length": 1}],
        ),
    ],
)
def test_telegram_gets_places_in_utf_16_units(text: str, plain: str, entities: list[Any]) -> None:
    assert to_entities(text) == (plain, entities)


@given(marked)
def test_no_word_is_lost_and_the_plain_text_is_never_longer(text: str) -> None:
    spans = parse_marks(text)
    assert all(span.text for span in spans)
    assert len(to_plain(text)) <= len(text)
    shown = "".join(span.text + span.url for span in spans)
    assert [char for char in text if char not in "*_`[]()\n"] == [
        char for char in shown if char not in "*_`[]()\n"
    ]


@given(marked)
def test_entities_stand_within_the_text_and_never_cross(text: str) -> None:
    plain, entities = to_entities(text)
    length = len(plain.encode("utf-16-le")) // 2
    places = sorted((entity["offset"], entity["offset"] + entity["length"]) for entity in entities)
    assert all(0 <= start < end <= length for start, end in places)
    for start, end in places:
        assert not any(start < other < end < other_end for other, other_end in places)


@pytest.mark.parametrize(
    "unit",
    [
        "*",
        "**a ",
        "_a",
        "* ",
        "`",
        "` ",
        "``` ",
        "[",
        "[a](",
        "[a](http://a",
        "]",
        "(",
        "*a _b ",
        "a_b*c`",
        "[](",
    ],
)
def test_S_IN_05_marks_without_their_other_half_are_read_in_linear_time(unit: str) -> None:
    began = time.process_time()
    parse_marks(unit * 50_000)
    assert time.process_time() - began < 3


# --- Long texts


@pytest.mark.parametrize(
    ("text", "most", "parts"),
    [
        ("**short**", 10, ["**short**"]),
        (" ", 10, []),
        ("`   `", 10, []),
        ("one two three", 9, ["one two", "three"]),
        ("**one two three**", 9, ["**one two**", "**three**"]),
        ("*one two three*", 9, ["_one two_", "_three_"]),
        ("a **one _two three_ four**", 9, ["a **one _two_**", "**_three_**", "**four**"]),
        ("`one two three`", 9, ["`one two`", "`three`"]),
        ("```\none\ntwo\nthree\n```", 8, ["```\none\ntwo\n```", "```\nthree\n```"]),
        ("see [the shop](http://a.b) now", 25, ["see [the shop](http://a.b)", "now"]),
        ("[one two](http://a.b) end", 14, ["one two", "(http://a.b)", "end"]),
        ("**eight888**", 8, ["**eight888**"]),
        ("2 * 3 * 4 and 5 * 6", 9, ["2 * 3 * 4", "and 5 * 6"]),
    ],
)
def test_a_look_ends_before_a_cut_and_begins_anew_behind_it(text: str, most: int, parts: list[str]) -> None:
    assert split_marked(text, most) == parts


def letters(text: str) -> str:
    """What is seen, without the space that may be lost at a cut."""
    return "".join(to_plain(text).split())


@given(marked, st.integers(2, 40))
def test_the_parts_say_what_the_whole_says_and_each_is_short_enough(text: str, most: int) -> None:
    parts = split_marked(text, most)
    assert "".join(map(letters, parts)) == letters(text)
    for part in parts:
        assert 0 < count_units(to_plain(part)) <= most
        assert count_units(to_entities(part)[0]) <= most


def test_what_would_become_a_mark_in_a_part_of_its_own_stays_text() -> None:
    assert to_plain("***_*_") == "****"
    parts = split_marked("***_*_", 2)
    assert [to_plain(part) for part in parts] == ["**", "**"]
    assert to_entities(parts[1]) == ("**", [])


words = st.lists(st.sampled_from(["a", "bb", "ccc", "👍", "dd.", "e\n"]), min_size=1, max_size=6).map(
    lambda some: " ".join(some).strip()
)
wrapped = st.builds(
    str.format,
    st.sampled_from(
        ["{}", "**{}**", "_{}_", "**_{}_**", "**_{}_ {}**", "_{} **{}** {}_", "**{} _{}_** {}", "_**{}** {}_"]
    ),
    *[words] * 3,
)


@given(st.lists(wrapped | words.map(lambda text: f"`{text.split()[0]}`"), max_size=6), st.integers(4, 30))
def test_every_letter_keeps_its_look_across_the_cuts(texts: list[str], most: int) -> None:
    text = " ".join(texts)
    looks = [
        [
            (char, span.styles)
            for part in told
            for span in parse_marks(part)
            for char in span.text
            if not char.isspace()
        ]
        for told in ([text], split_marked(text, most))
    ]
    assert looks[0] == looks[1]
