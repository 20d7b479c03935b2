"""Sums of scripts: + - * / and brackets over numbers, exact, with a reader of its own and no `eval`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from knopka.domain.bot.effects import Note
from knopka.domain.numbers import read_decimal

MAX_TOKENS = 200
MAX_DEPTH = 32
DECIMALS = 10
"""Of a result; what is behind them is rounded, a half away from zero."""

_TOKEN = re.compile(r"\s*(?:(\d+(?:[.,]\d+)?)|([-+*/()]))", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Unreadable(Exception):
    note: Note


def compute(parts: Iterable[str | Decimal]) -> Decimal | Note:
    """The value of a sum, or why it has none.

    Texts are the script's own and hold numbers, signs and brackets. A Decimal
    is a value that stood in a marker's place: one operand, whatever it was
    written as, so that nobody's text is ever read as a sum.
    """
    try:
        value = _Sum(_split(parts)).read()
    except _Unreadable as error:
        return error.note
    except ZeroDivisionError:
        return Note.DIVISION_BY_ZERO
    return _as_decimal(value)


def _split(parts: Iterable[str | Decimal]) -> list[str | Fraction]:
    tokens: list[str | Fraction] = []
    for part in parts:
        if isinstance(part, Decimal):
            tokens.append(Fraction(part))
        else:
            tokens += _split_text(part)
        if len(tokens) > MAX_TOKENS:
            raise _Unreadable(Note.NOT_A_SUM)
    return tokens


def _split_text(text: str) -> Iterable[str | Fraction]:
    text = text.strip()
    end = 0
    while end < len(text):
        found = _TOKEN.match(text, end)
        if found is None:
            raise _Unreadable(Note.NOT_A_SUM)
        number, sign = found.groups()
        value = read_decimal(number) if number else None
        if number and value is None:
            raise _Unreadable(Note.NOT_A_SUM)
        yield sign if value is None else Fraction(value)
        end = found.end()


class _Sum:
    """Recursive descent: a sum of products of signed operands."""

    def __init__(self, tokens: Sequence[str | Fraction]) -> None:
        self._tokens = tokens
        self._at = 0

    def read(self) -> Fraction:
        value = self._sum(0)
        if self._at < len(self._tokens):
            raise _Unreadable(Note.NOT_A_SUM)
        return value

    def _sum(self, depth: int) -> Fraction:
        value = self._product(depth)
        while sign := self._take("+", "-"):
            right = self._product(depth)
            value = value + right if sign == "+" else value - right
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._operand(depth)
        while sign := self._take("*", "/"):
            right = self._operand(depth)
            value = value * right if sign == "*" else value / right
        return value

    def _operand(self, depth: int) -> Fraction:
        if depth > MAX_DEPTH or self._at >= len(self._tokens):
            raise _Unreadable(Note.NOT_A_SUM)
        token = self._tokens[self._at]
        self._at += 1
        match token:
            case Fraction():
                return token
            case "+":
                return self._operand(depth + 1)
            case "-":
                return -self._operand(depth + 1)
            case "(":
                value = self._sum(depth + 1)
                if self._take(")"):
                    return value
            case _:
                pass
        raise _Unreadable(Note.NOT_A_SUM)

    def _take(self, *signs: str) -> str:
        """The next token if it is one of these signs, else nothing."""
        token = self._tokens[self._at] if self._at < len(self._tokens) else ""
        if not isinstance(token, str) or token not in signs:
            return ""
        self._at += 1
        return token


def _as_decimal(value: Fraction) -> Decimal:
    scaled = abs(value) * 10**DECIMALS
    digits = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal((int(value < 0), tuple(int(digit) for digit in str(digits)), -DECIMALS))
