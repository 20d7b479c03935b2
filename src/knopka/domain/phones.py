"""Phone numbers: kept as given, and beside it the international form where it is certain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

_LEAST_DIGITS = 3
_LONGEST = 100
_DIGIT = re.compile(r"\d")
_MOST_CANDIDATES = 5
# Digits with at most two of a number's usual separators between each two: "8 (999) 123-45-67".
_IN_TEXT = re.compile(r"(?<![\w+])\+?\(?\d(?:[ \u00a0().\-]{0,2}\d){4,19}(?!\w)", re.ASCII)

UNKNOWN_REGION = "ZZ"
"""Numbers with a country's code alone can be confirmed."""

_REGIONS = {
    "RUB": "RU", "KZT": "KZ", "BYN": "BY", "UAH": "UA", "UZS": "UZ", "AMD": "AM", "AZN": "AZ", "GEL": "GE",
    "KGS": "KG", "MDL": "MD", "TJS": "TJ", "TRY": "TR", "USD": "US", "GBP": "GB", "BRL": "BR", "MXN": "MX",
    "PLN": "PL", "ILS": "IL", "INR": "IN", "IDR": "ID", "COP": "CO", "ARS": "AR", "CLP": "CL", "PEN": "PE",
}  # fmt: skip


def region_of(currency: str) -> str:
    """The country whose numbers an account's visitors write without a country's code."""
    return _REGIONS.get(currency.upper(), UNKNOWN_REGION)


def looks_like_phone(text: str) -> bool:
    """Whether a text holds anything that could be dialled."""
    return len(text) <= _LONGEST and len(_DIGIT.findall(text)) >= _LEAST_DIGITS


@lru_cache(maxsize=4_096)
def normalise_phone(text: str, region: str) -> str | None:
    """The number in its international form (`+79991234567`), only if it is certainly a valid one.

    Remembered: a page names the same number in call after call, and reading one
    costs as much as all the rest of a call's rules.
    """
    # Loaded late: it costs memory that an account without phones never needs.
    import phonenumbers

    if len(text) > _LONGEST:
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


@dataclass(frozen=True, slots=True)
class FoundPhone:
    """A phone that stands in a text; `is_certain` if it is surely one that can be dialled."""

    number: str
    is_certain: bool


def find_phone(text: str, region: str) -> FoundPhone | None:
    """The first phone in a text: a certain one in its international form, else what has its length.

    In a country with known numbers only a certain one is certain; where the
    country is not known, 7 to 15 digits (E.164) are as much as can be asked.
    """
    likely: str | None = None
    for found in islice(_IN_TEXT.finditer(text), _MOST_CANDIDATES):
        written = found.group()
        digits = "".join(_DIGIT.findall(written))
        number = normalise_phone(written, region) or normalise_phone(f"+{digits}", region)
        if number is not None:
            return FoundPhone(number, is_certain=True)
        if likely is None and 7 <= len(digits) <= 15:
            likely = written
    return None if likely is None else FoundPhone(likely, is_certain=region == UNKNOWN_REGION)
