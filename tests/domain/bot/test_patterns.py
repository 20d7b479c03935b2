"""Patterns of scripts: what PCRE finds is found in linear time, and what cannot be is refused by name."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knopka.domain.bot.patterns import MAX_TEXT, find, first_group, read_pattern
from knopka.domain.bot.pcre import MAX_LITERAL, PatternError


@pytest.mark.parametrize(
    ("literal", "text", "found"),
    [
        ("/no|nope/iu", "NOPE", ("NO",)),
        ("/да/iu", "ну ДА", ("ДА",)),
        ("/Ё/i", "ёж", ("ё",)),
        ("/[а-я]+/iu", "ПРИВЕТ", ("ПРИВЕТ",)),
        ("/да/u", "ДА", None),
        # Delimiters
        ("#a/b#", "a/b", ("a/b",)),
        ("~a~", "a", ("a",)),
        ("!a\\!b!", "a!b", ("a!b",)),
        ("{a{2}}", "aa", ("aa",)),
        ("(a(b))", "ab", ("ab", "b")),
        (" /a/ ", "a", ("a",)),
        ("//", "x", ("",)),
        # Flags
        ("/a b # c/x", "ab", ("ab",)),
        ("/a [ ] b/x", "a b", ("a b",)),
        ("/a.b/s", "a\nb", ("a\nb",)),
        ("/a.b/", "a\nb", None),
        ("/^b$/m", "a\nb\nc", ("b",)),
        ("/^b$/", "a\nb\nc", None),
        ("/a$/", "a\n", ("a\n",)),
        ("/a$/D", "a\n", None),
        ("/a/A", "ba", None),
        ("/a+/U", "aaa", ("a",)),
        ("/a+?/U", "aaa", ("aaa",)),
        ("/(a)(?<n>b)/n", "ab", ("ab", "b")),
        ("/(?i)a(?-i)b/", "Ab", ("Ab",)),
        ("/(?i:a)b/", "AB", None),
        ("/(a(?i)b|c)/", "C", ("C", "C")),
        ("/(?x: a b )c/", "abc", ("abc",)),
        # Without /u classes are ASCII, with it they know every alphabet
        (r"/\d+/", "٣٤", None),
        (r"/\d+/u", "٣٤", ("٣٤",)),
        (r"/\w+/", "где", None),
        (r"/\w+/u", "где_1", ("где_1",)),
        (r"/\W/u", "где?", ("?",)),
        (r"/^\s$/", "\v", ("\v",)),
        (r"/^\s$/", "\u00a0", None),
        (r"/^\s$/u", "\u00a0", ("\u00a0",)),
        (r"/\bда\b/iu", "ну ДА!", ("ДА",)),
        (r"/\bда\b/iu", "куда", None),
        (r"/\bда\b/iu", "дал", None),
        (r"/\Bда/u", "куда", ("да",)),
        (r"/\bno\b/", "no!", ("no",)),
        (r"/^[\w\s-]{2,50}$/u", "Анна-Мария де", ("Анна-Мария де",)),
        (r"/[^\W\d_]+/u", "12_да", ("да",)),
        (r"/[^\W\d_]+/", "12_ab", ("ab",)),
        (r"/[^\s,]+/u", " ,да", ("да",)),
        (r"/[^\S\n]/u", "\n\t", ("\t",)),
        (r"/[\Wб]+/u", "аб!", ("б!",)),
        (r"/\w$/mu", "да\nx", ("а",)),
        # Escapes
        (r"/\h+/", "a \t\u00a0b", (" \t\u00a0",)),
        (r"/a\Rb/", "a\r\nb", ("a\r\nb",)),
        (r"/a\Rb/u", "a\u2028b", ("a\u2028b",)),
        (r"/\x41\x{436}\103\o{104}/", "AжCD", ("AжCD",)),
        (r"/\N{U+416}\N/u", "Жa", ("Жa",)),
        (r"/\cA\e\t/", "\x01\x1b\t", ("\x01\x1b\t",)),
        (r"/\Qa.b\E+/", "a.bb", ("a.bb",)),
        (r"/[\Q]\E]/", "]", ("]",)),
        (r"/[]a]/", "]", ("]",)),
        (r"/[\b]/", "\b", ("\b",)),
        (r"/[a-]/", "-", ("-",)),
        (r"/[\d-z]+/", "1-z", ("1-z",)),
        (r"/\p{Cyrillic}+/u", "x где", ("где",)),
        (r"/\P{Cyrillic}/u", "гx", ("x",)),
        (r"/\p{^L}/u", "г1", ("1",)),
        (r"/\p{Lu}\pL/u", "гДе", ("Де",)),
        (r"/\p{L&}\p{Xan}/u", "г1", ("г1",)),
        (r"/[[:alpha:]]+/u", "1где", ("где",)),
        (r"/[[:alpha:]]+/", "1где", None),
        (r"/[[:^digit:]]/u", "1г", ("г",)),
        (r"/\A.\z/u", "ё", ("ё",)),
        (r"/(*UTF8)(*UCP)\w/", "ё", ("ё",)),
        # Groups and quantifiers
        (r"/(?<year>\d{4})-(?P<month>\d\d)(?'d'-)?/", "2026-11", ("2026-11", "2026", "11", "")),
        (r"/a(?#comment)b/", "ab", ("ab",)),
        (r"/a{,2}/", "a{,2}", ("a{,2}",)),
        (r"/x{y}/", "x{y}", ("x{y}",)),
        (r"/(\d+) вещей/", "12 вещей", ("12 вещей", "12")),
        # Atomic parts that change nothing
        (r"/\d++/", "12", ("12",)),
        (r"/\d++a/", "12a", ("12a",)),
        (r"/[^,]*+,/", "a,", ("a,",)),
        (r"/(?>a+b)c/", "aabc", ("aabc",)),
        (r"/(?>a|ab)/", "ab", ("a",)),
        (r"/\d*+$/", "12", ("12",)),
    ],
)
def test_a_pattern_finds_what_pcre_finds(literal: str, text: str, found: tuple[str, ...] | None) -> None:
    assert find(read_pattern(literal), text) == found


@pytest.mark.parametrize(
    ("literal", "code", "offset"),
    [
        ("", "pattern_no_delimiter", 0),
        ("yes|no", "pattern_no_delimiter", 0),
        ("да", "pattern_no_delimiter", 0),
        ("/yes", "pattern_no_delimiter", 0),
        ("{yes", "pattern_no_delimiter", 0),
        ("/yes/g", "pattern_flag", 5),
        ("/yes/ie", "pattern_flag", 6),
        ("/" + "a" * MAX_LITERAL + "/", "pattern_too_long", MAX_LITERAL),
        (r"/(a)\1/", "pattern_not_linear", 4),
        (r"/(?<n>a)\k<n>/", "pattern_not_linear", 8),
        (r"/(?<n>a)(?P=n)/", "pattern_not_linear", 8),
        (r"/(a)\g{1}/", "pattern_not_linear", 4),
        ("/x(?=a)/", "pattern_not_linear", 2),
        ("/x(?!a)/", "pattern_not_linear", 2),
        ("/(?<=a)x/", "pattern_not_linear", 1),
        ("/(?<!a)x/", "pattern_not_linear", 1),
        ("/(?R)/", "pattern_not_linear", 1),
        ("/(a)(?1)/", "pattern_not_linear", 4),
        ("/(a)?(?(1)b|c)/", "pattern_not_linear", 5),
        ("/(?|a|b)/", "pattern_not_linear", 1),
        ("/a(*SKIP)b/", "pattern_not_linear", 2),
        (r"/a\Kb/", "pattern_not_linear", 2),
        (r"/\d++5/", "pattern_not_linear", 3),
        (r"/(?>a|ab)c/", "pattern_not_linear", 1),
        (r"/(?>a|ab)$/", "pattern_not_linear", 1),
        (r"/(?:a|ab)*+$/", "pattern_not_linear", 9),
        (r"/(?:\d++)*1/", "pattern_not_linear", 6),
        ("/a{1001}/", "pattern_repeat", 2),
        ("/(a{1000}){1000}/", "pattern_too_large", 0),
        ("/(?:(?:a{10}){10}){10}b{1000}c{1000}d{1000}e{1000}/", "pattern_too_large", 0),
        ("/" + "(a)" * 30 + "/", "pattern_too_large", 61),
        ("/" + "(?:" * 40 + ")" * 40 + "/", "pattern_too_deep", 94),
        ("/(/", "pattern_syntax", 1),
        ("/)/", "pattern_syntax", 1),
        ("/[a/", "pattern_syntax", 1),
        ("/*a/", "pattern_syntax", 1),
        ("/a**/", "pattern_syntax", 3),
        ("/a{2}{3}/", "pattern_syntax", 5),
        ("/a{3,2}/", "pattern_syntax", 2),
        ("/[z-a]/", "pattern_syntax", 2),
        ("/[[:wrod:]]/", "pattern_syntax", 2),
        (r"/\u0041/", "pattern_syntax", 1),
        (r"/\p{Klingon}/", "pattern_syntax", 3),
        (r"/\x{110000}/", "pattern_syntax", 1),
        (r"/\x{d800}/", "pattern_syntax", 1),
        ("/(?#a/", "pattern_syntax", 1),
        ("/(?Z)/", "pattern_syntax", 1),
    ],
)
def test_what_cannot_be_matched_is_refused_with_its_place(literal: str, code: str, offset: int) -> None:
    with pytest.raises(PatternError) as refused:
        read_pattern(literal)
    assert (refused.value.code, refused.value.offset) == (code, offset)


def test_the_refusal_says_what_to_do() -> None:
    with pytest.raises(PatternError, match=r"write /да\|нет/iu"):
        read_pattern("да|нет")


@pytest.mark.parametrize(
    ("literal", "text", "value"),
    [
        ("/([1-9]+) вещей/", "у меня 12 вещей", "12"),
        ("/вещ/", "вещи", "вещ"),
        ("/(a)|b/", "b", ""),
        ("/x/", "y", ""),
        ("/(/", "(", ""),
    ],
)
def test_the_marker_of_a_pattern_is_its_first_group(literal: str, text: str, value: str) -> None:
    assert first_group(literal, text) == value


@pytest.mark.parametrize(
    "literal",
    [r"/(a+)+$/", r"/(\w+\s?)*!/u", r"/(x+x+)+y/", r"/^(?:a|a|aa)+$/", r"/(.*?,){11}P/", r"/\b(\w+)+\b!/u"],
)
def test_S_OUT_10_a_pattern_that_would_explode_is_matched_at_once(literal: str) -> None:
    pattern = read_pattern(literal)
    began = time.process_time()
    for char in "ax,я":
        find(pattern, char * 100_000 + "!")
    assert time.process_time() - began < 3


def test_only_the_beginning_of_a_text_is_looked_at() -> None:
    assert find(read_pattern("/b/"), "a" * (MAX_TEXT - 1) + "b") == ("b",)
    assert find(read_pattern("/b/"), "a" * MAX_TEXT + "b") is None


@pytest.mark.parametrize("literal", ["/./", r"/\w|./u"])
def test_a_text_with_half_a_character_is_no_error(literal: str) -> None:
    assert find(read_pattern(literal), "\ud800") == ("?",)


def test_a_bad_pattern_is_quiet_and_re2_is_loaded_late() -> None:
    code = (
        "import sys\n"
        "from knopka.domain.bot import patterns\n"
        "assert 're2' not in sys.modules\n"
        "try: patterns.read_pattern('/(a{1000}){1000}/')\n"
        "except patterns.PatternError: pass\n"
        "assert 're2' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


pieces = st.sampled_from(
    [
        *"ab1б ()[]{}|*+?^$.,-\\/#:<>=!PQE",
        "(?",
        "(?:",
        "(?i)",
        "\\d",
        "\\W",
        "\\b",
        "[^",
        "[:alpha:]",
        "{2,3}",
        "++",
        "\\x{",
    ]
)


@given(
    st.lists(pieces, max_size=14).map("".join) | st.text(max_size=10),
    st.sampled_from(["", "u", "iu", "x", "msUD"]),
)
def test_any_text_is_a_pattern_or_refused(body: str, flags: str) -> None:
    try:
        pattern = read_pattern(f"~{body}~{flags}")
    except PatternError as error:
        refused = error
    else:
        find(pattern, "ab1 бx\n")
        return
    assert refused.message
    assert 0 <= refused.offset <= len(body) + 2 + len(flags)
