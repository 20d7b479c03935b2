"""Addresses of mail: their form alone; nobody is asked whether they exist."""

from __future__ import annotations

_LONGEST = 254


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
