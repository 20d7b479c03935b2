"""Dates as pages give them: unix seconds, RFC 3339, or as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from knopka.domain.text import excerpt
from knopka.domain.verdicts import Reason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR, _LAST_YEAR = 1000, 9998
_SECONDS = re.compile(r"[+-]?[0-9]{1,15}")
_TIME = r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d{1,9})?)?)?"
_ZONE = r"\s?(?P<zone>Z|[+-]\d{2}:?\d{2})?"
_FORMS = tuple(
    re.compile(date + _TIME + _ZONE, re.ASCII | re.IGNORECASE)
    for date in (
        r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})",
        r"(?P<day>\d{1,2})[./](?P<month>\d{1,2})[./](?P<year>\d{4})",
    )
)


def read_date_time(value: Any, zone: tzinfo) -> int | Reason:
    """A moment, as unix seconds. `zone` is meant where the text names none."""
    moment = _read_moment(value, zone)
    return moment if isinstance(moment, Reason) else _to_seconds(moment)


def read_date(value: Any, zone: tzinfo) -> int | Reason:
    """A day, as the unix seconds of its first moment in `zone`."""
    moment = _read_moment(value, zone)
    if isinstance(moment, Reason):
        return moment
    day = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return _to_seconds(day)


def _read_moment(value: Any, zone: tzinfo) -> datetime | Reason:
    try:
        moment = _read_seconds(value) or _read_text(value, zone)
    except (ValueError, OverflowError):  # the 31st of February, or a year beyond the calendar
        moment = None
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return Reason("not_a_date", {"value": excerpt(value)})
    return moment


def _read_seconds(value: Any) -> datetime | None:
    """Unix seconds as a number or as digits; a fraction of a second is dropped."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        value = int(value)
    return _EPOCH + timedelta(seconds=int(value)) if isinstance(value, (int, float)) else None


def _read_text(value: Any, zone: tzinfo) -> datetime | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    found = next((match for form in _FORMS if (match := form.fullmatch(value))), None)
    if found is None:
        return None
    numbers = [int(found[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")]
    return datetime(*numbers, tzinfo=_read_zone(found["zone"], zone))  # type: ignore[misc,arg-type]


def _read_zone(text: str | None, zone: tzinfo) -> tzinfo:
    return zone if text is None else datetime.fromisoformat(f"2000-01-01T00:00{text.upper()}").tzinfo or zone


def _to_seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1)
