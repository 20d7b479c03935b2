"""Addresses of mail: their form alone; nobody is asked whether they exist."""

from __future__ import annotations

import re
from itertools import islice

_LONGEST = 254
_MOST_CANDIDATES = 5
_BETWEEN = re.compile(r"[\s,;:<>()\[\]\"]+")


def is_email(text: str) -> bool:
    """Whether mail could be addressed so."""
    # Loaded late: it costs memory that an account without mail addresses never needs.
    from email_validator import EmailNotValidError, validate_email

    if len(text) > _LONGEST:
        return False
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def find_email(text: str) -> str | None:
    """The first address of mail that stands in a text."""
    words = (word.strip(".!?'`*_") for word in _BETWEEN.split(text) if "@" in word)
    return next((word for word in islice(words, _MOST_CANDIDATES) if is_email(word)), None)
