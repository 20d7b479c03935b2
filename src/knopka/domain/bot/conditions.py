"""Comparisons of scripts: `condition`, `conditions` and `validations`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from knopka.domain.bot import patterns
from knopka.domain.bot.scope import Scope
from knopka.domain.bot.script import Check, Logic, Term
from knopka.domain.emails import find_email
from knopka.domain.numbers import read_decimal

_INTEGER = re.compile(r"(?<![\d.,])-?\d+|\d+", re.ASCII)


def hold(logic: Logic, terms: Iterable[Term], scope: Scope) -> bool:
    """Whether all (and) or any (or) of the comparisons are true; reads no further than it must."""
    results = (holds(term, scope) for term in terms)
    return all(results) if logic == "and" else any(results)


def holds(term: Term, scope: Scope) -> bool:
    """One comparison. Case and the space around a text are ignored; two numbers are compared as numbers."""
    left = scope.fill_term(term.term1)
    match term.operation:
        case "in_range":
            low, high = scope.fill(term.low), scope.fill(term.high)
            return next(_integers_within(left, low, high), None) is not None
        case "in" | "not_in":
            is_in = bool(_items(left) & _items(scope.fill(term.term2)))
            return is_in == (term.operation == "in")
        case "=" | "!=":
            return are_same(left, scope.fill(term.term2)) == (term.operation == "=")
        case ">" | "<" | ">=" | "<=":
            return _is_ordered(read_decimal(left), term.operation, read_decimal(scope.fill(term.term2)))


def fold(text: str) -> str:
    """A text as it is compared: its case, the space around it and the kind of space in it are ignored."""
    return " ".join(text.split()).casefold()


def are_same(left: str, right: str) -> bool:
    if fold(left) == fold(right):
        return True
    number = read_decimal(left)
    return number is not None and number == read_decimal(right)


def _items(text: str) -> set[str]:
    return {item for item in map(fold, text.split(",")) if item}


def _is_ordered(left: Decimal | None, operation: str, right: Decimal | None) -> bool:
    if left is None or right is None:
        return False
    match operation:
        case ">":
            return left > right
        case "<":
            return left < right
        case ">=":
            return left >= right
        case _:
            return left <= right


def _integers_within(text: str, low: str, high: str) -> Iterator[str]:
    """The whole numbers of a text from `low` to `high`; an empty bound is none, a bad one lets none in."""
    bounds = read_decimal(low), read_decimal(high)
    if any(bound is None and written.strip() for bound, written in zip(bounds, (low, high), strict=True)):
        return
    least, most = bounds
    for found in _INTEGER.finditer(text[: patterns.MAX_TEXT]):
        number = Decimal(found.group())
        if (least is None or number >= least) and (most is None or number <= most):
            yield found.group()


# --- validations


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether a reply passed, and the part that made it pass: `{{last_validation_result}}`."""

    passed: bool
    found: str


def validate(logic: Logic, checks: Iterable[Check], scope: Scope) -> Validation:
    """All (and) or any (or) of the checks. The last part that was found is the result; a failure has none."""
    found = ""
    passed = logic == "and"
    for check in checks:
        part = _find_part(check, scope)
        is_true = (part is not None) != (check.operation in ("not_equal", "not_contains"))
        found = part if part is not None and is_true else found
        if is_true != (logic == "and"):
            passed = is_true
            break
    return Validation(passed, found if passed else "")


def _find_part(check: Check, scope: Scope) -> str | None:
    """What of the value fits the check's type; None if nothing does."""
    value = scope.fill(check.client_value)[: patterns.MAX_TEXT]
    match check.type:
        case "simple":
            return value if _is_simple(check, value, scope) else None
        case "email":
            return find_email(value)
        case "phone":
            phone = scope.find_phone(value)
            return phone.number if phone is not None and phone.is_certain else None
        case "regex":
            matched = None if check.pattern is None else patterns.find(check.pattern, value)
            return None if matched is None else matched[0]
        case "range_numbers":
            return next(_integers_within(value, scope.fill(check.low), scope.fill(check.high)), None)


def _is_simple(check: Check, value: str, scope: Scope) -> bool:
    if check.operation != "length":
        wanted = scope.fill(check.condition_value)
        if check.operation in ("contains", "not_contains"):
            return fold(wanted) in fold(value)
        return are_same(value, wanted)
    length = str(len(value.strip()))
    if check.low or check.high:
        return next(_integers_within(length, scope.fill(check.low), scope.fill(check.high)), None) is not None
    return are_same(length, scope.fill(check.condition_value))
