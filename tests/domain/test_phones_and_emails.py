"""Phones and addresses of mail that stand in a text."""

from __future__ import annotations

import time

import pytest

from knopka.domain.emails import find_email
from knopka.domain.phones import UNKNOWN_REGION, FoundPhone, find_phone


@pytest.mark.parametrize(
    ("text", "region", "number", "is_certain"),
    [
        ("call 8 (999) 123-45-67, please", "RU", "+79991234567", True),
        ("+7 999 123 45 67", UNKNOWN_REGION, "+79991234567", True),
        ("79991234567", UNKNOWN_REGION, "+79991234567", True),
        ("order 12345, phone 89991234567", "RU", "+79991234567", True),
        ("8 999 123", "RU", "8 999 123", False),
        ("123-45-67", "RU", "123-45-67", False),
        ("123-45-67", UNKNOWN_REGION, "123-45-67", True),
    ],
)
def test_a_phone_is_found_in_a_text(text: str, region: str, number: str, is_certain: bool) -> None:
    assert find_phone(text, region) == FoundPhone(number, is_certain)


@pytest.mark.parametrize("text", ["", "12", "abc1234567def", "1.5", "4276 1234 5678 9012 3456 7"])
def test_what_is_no_phone_is_none(text: str) -> None:
    assert find_phone(text, "RU") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Mail: <ann.b+1@example.co.uk>.", "ann.b+1@example.co.uk"),
        ("ann@example.com, bea@example.com", "ann@example.com"),
        ("not@ one, but two@example.com!", "two@example.com"),
        ("ann at example.com", None),
        ("@ann", None),
        ("", None),
    ],
)
def test_an_address_of_mail_is_found_in_a_text(text: str, found: str | None) -> None:
    assert find_email(text) == found


@pytest.mark.parametrize("unit", ["1", "1 ", "@", "a@", "(1-", "1.", "+"])
def test_a_long_text_takes_no_time(unit: str) -> None:
    began = time.process_time()
    find_phone(unit * 4096, "RU")
    find_email(unit * 4096)
    assert time.process_time() - began < 1
