"""Sums of scripts: what they come to, and what is none."""

from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knopka.domain.bot.arithmetic import MAX_TOKENS, compute
from knopka.domain.bot.effects import Note
from knopka.domain.numbers import plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("8 - 3 - 2", "3"),
        ("8 / 4 / 2", "1"),
        ("0.1 + 0.2", "0.3"),
        ("1,5*2", "3"),
        ("1 / 3 * 3", "1"),
        ("2 / 3", "0.6666666667"),
        ("-2 / 3", "-0.6666666667"),
        ("-(2 - 5) * -+1", "-3"),
        ("((((7))))", "7"),
        ("999999999999999999999999999999 + 1", "1000000000000000000000000000000"),
    ],
)
def test_a_sum_is_exact(text: str, value: str) -> None:
    result = compute([text])
    assert isinstance(result, Decimal)
    assert plain(result) == value


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("1 / 0", Note.DIVISION_BY_ZERO),
        ("1 / (2 - 2)", Note.DIVISION_BY_ZERO),
        ("", Note.NOT_A_SUM),
        ("1 +", Note.NOT_A_SUM),
        ("1 2", Note.NOT_A_SUM),
        ("(1", Note.NOT_A_SUM),
        ("1)", Note.NOT_A_SUM),
        ("2 ** 9", Note.NOT_A_SUM),
        ("__import__('os')", Note.NOT_A_SUM),
        ("1e9", Note.NOT_A_SUM),
        ("(" * 40 + "1" + ")" * 40, Note.NOT_A_SUM),
        ("-" * 40 + "1", Note.NOT_A_SUM),
        ("+".join("1" * MAX_TOKENS), Note.NOT_A_SUM),
        ("1" * 31, Note.NOT_A_SUM),
    ],
)
def test_what_is_no_sum_has_a_reason(text: str, note: Note) -> None:
    assert compute([text]) is note


def test_a_value_is_one_operand_whatever_its_sign() -> None:
    assert compute(["10 -", Decimal(-3)]) == 13
    assert compute([Decimal(2), "*(", Decimal("1.5"), "+1)"]) == 5


def test_two_values_beside_each_other_are_no_number() -> None:
    assert compute([Decimal(1), Decimal(2)]) is Note.NOT_A_SUM
    assert compute(["1", Decimal(2)]) is Note.NOT_A_SUM


@given(
    st.lists(st.text("0123456789+-*/()., x", max_size=30) | st.decimals(-1000, 1000, places=3), max_size=6)
)
def test_any_text_is_a_number_or_has_a_reason(parts: list[str | Decimal]) -> None:
    assert isinstance(compute(parts), (Decimal, Note))


@given(st.lists(st.tuples(st.sampled_from("+-*/"), st.integers(1, 99)), min_size=1, max_size=8))
def test_a_sum_is_what_python_says_in_fractions(pairs: list[tuple[str, int]]) -> None:
    text = "1" + "".join(f"{sign}{number}" for sign, number in pairs)
    exact = eval("Fraction(1)" + "".join(f"{sign}Fraction({number})" for sign, number in pairs))  # noqa: S307 -- our own text, as the judge
    result = compute([text])
    assert isinstance(result, Decimal)
    assert abs(Fraction(result) - exact) <= Fraction(1, 2 * 10**10)
    assert isinstance(exact, Fraction)


def test_a_long_sum_takes_no_time() -> None:
    began = time.process_time()
    compute(["(1" * 32_000])
    compute(["/".join(["9" * 30] * 100)])
    assert time.process_time() - began < 1
