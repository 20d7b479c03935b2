"""Moments as the tables hold them: whole milliseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import time_ns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND


def from_ms(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


class Clock:
    """The process's clock with an offset that only the demo moves."""

    __slots__ = ("offset_ms",)

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self.offset_ms = offset // MILLISECOND

    def __call__(self) -> datetime:
        return from_ms(self.now_ms())

    def now_ms(self) -> int:
        return time_ns() // 1_000_000 + self.offset_ms

    def advance(self, step: timedelta) -> None:
        self.offset_ms += step // MILLISECOND
