"""How much is taken from whom: sizes, rates and open sockets, each with a default that can be changed."""

from __future__ import annotations

import math
import re
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from knopka.domain.errors import Fault, InvalidInput, TooMany

PERIODS = {"s": 1, "min": 60, "15min": 900, "h": 3600, "12h": 43_200, "day": 86_400}
MAX_KEYS = 100_000
"""How many callers one counter remembers in each period (D-08); the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any `seconds`."""

    count: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `60/min`; a limit can be changed, never switched off."""
        match = re.fullmatch(r"([1-9][0-9]{0,8})/(s|min|15min|h|12h|day)", text)
        if match is None:
            raise ValueError(f"{text!r} is not a rate; a number and one of {', '.join(PERIODS)} is: 60/min")
        return cls(int(match[1]), PERIODS[match[2]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The defaults; KNOPKA_LIMITS names a TOML file with others under the same names (docs/operations.md)."""

    meta_per_visit: Rate = Rate(60, 60)
    meta_per_address: Rate = Rate(3000, 60)
    qr_per_address: Rate = Rate(60, 60)
    tokens_per_address: Rate = Rate(60, 60)
    tokens_per_button: Rate = Rate(600, 60)
    messages_per_visitor: Rate = Rate(20, 60)
    reads_per_visitor: Rate = Rate(240, 60)
    sign_ins_per_account: Rate = Rate(10, 900)
    sign_ins_per_address: Rate = Rate(30, 900)
    reports_per_address: Rate = Rate(60, 60)
    webhooks_per_channel: Rate = Rate(500, 1)
    refused_webhooks_per_address: Rate = Rate(60, 60)
    api_calls_per_token: Rate = Rate(7, 1)
    refused_tokens_per_address: Rate = Rate(60, 60)
    sockets_per_visitor: int = 5
    sockets_per_operator: int = 20
    sockets_per_address: int = 500
    sockets: int = 10_000
    channels: int = 100
    meta_bytes: int = 65_536
    message_bytes: int = 65_536
    webhook_bytes: int = 1_048_576
    media_bytes_per_day: int = 104_857_600
    """Of files that one person sends through a messenger; what is beyond is not fetched."""

    @classmethod
    def from_toml(cls, text: str) -> Limits:
        """Read the file of KNOPKA_LIMITS, or raise InvalidInput that lists every fault."""
        try:
            given = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(Fault("KNOPKA_LIMITS", "unreadable", str(error))) from error
        known = {field.name: field.default for field in fields(cls)}
        faults: list[Fault] = []
        values: dict[str, Any] = {}
        for name, value in given.items():
            try:
                values[name] = _parse_limit(name, value, known)
            except ValueError as error:
                faults.append(Fault(f"KNOPKA_LIMITS: {name}", "bad_limit", str(error)))
        if faults:
            raise InvalidInput(*faults)
        return replace(cls(), **values)


def _parse_limit(name: str, value: object, known: Mapping[str, object]) -> Rate | int:
    if name not in known:
        raise ValueError(f"is not a limit; these are: {', '.join(known)}")
    if isinstance(known[name], Rate):
        return Rate.parse(str(value))
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is not a limit; a whole number from 1 up is")
    return value


@dataclass(slots=True)
class Counter:
    """Counts callers against one rate, in memory that is bounded whoever calls.

    Two periods are kept; the previous one counts by the share of it that still lies
    within the last `rate.seconds`, so a burst at the border of two periods is seen.
    Written here because the store of the package `limits` grows with every new
    key until the key expires, and clears itself from a thread of its own.
    """

    rate: Rate
    clock: Callable[[], float] = time.monotonic
    max_keys: int = MAX_KEYS
    _period: int = -1
    _now: dict[str, int] = field(default_factory=dict)
    _before: dict[str, int] = field(default_factory=dict)
    forgotten: int = 0
    refused: int = 0

    def take(self, key: str, cost: int = 1) -> None:
        """Count `cost` for this caller, or raise TooMany and count nothing."""
        cost = min(cost, self.rate.count)
        used = self.look(key, cost)
        if used == 0 and len(self._now) >= self.max_keys:
            del self._now[next(iter(self._now))]
            self.forgotten += 1
        self._now[key] = used + cost

    def look(self, key: str, cost: int = 1) -> int:
        """What this caller has used of the present period. Raises TooMany when `cost` more is too much."""
        share = self._turn()
        used = self._now.get(key, 0)
        if used + self._before.get(key, 0) * share + cost > self.rate.count:
            self.refused += 1
            raise TooMany("Too many calls; come again later.", self._wait(key, used, cost, share))
        return used

    def _turn(self) -> float:
        """Begin a new period when it is time; give the share of the previous one that still counts."""
        periods = self.clock() / self.rate.seconds
        period = int(periods)
        if period != self._period:
            self._before = self._now if period == self._period + 1 else {}
            self._now = {}
            self._period = period
        return 1 - (periods - period)

    def _wait(self, key: str, used: int, cost: int, share: float) -> float:
        """Seconds until the same call would be taken, if nothing else comes."""
        before = self._before.get(key, 0)
        room = self.rate.count - cost
        if used <= room and before:
            seconds = (share - (room - used) / before) * self.rate.seconds
        else:
            seconds = (share + 1 - room / max(used, 1)) * self.rate.seconds
        return max(1, math.ceil(seconds))


@dataclass(slots=True)
class Counters:
    """One counter for each rate of the limits."""

    limits: Limits
    meta_per_visit: Counter = field(init=False)
    meta_per_address: Counter = field(init=False)
    qr_per_address: Counter = field(init=False)
    tokens_per_address: Counter = field(init=False)
    tokens_per_button: Counter = field(init=False)
    messages_per_visitor: Counter = field(init=False)
    reads_per_visitor: Counter = field(init=False)
    sign_ins_per_account: Counter = field(init=False)
    sign_ins_per_address: Counter = field(init=False)
    reports_per_address: Counter = field(init=False)
    webhooks_per_channel: Counter = field(init=False)
    refused_webhooks_per_address: Counter = field(init=False)
    api_calls_per_token: Counter = field(init=False)
    refused_tokens_per_address: Counter = field(init=False)

    def __post_init__(self) -> None:
        for name in COUNTED:
            setattr(self, name, Counter(getattr(self.limits, name)))

    def by_name(self) -> Iterator[tuple[str, Counter]]:
        return ((name, getattr(self, name)) for name in COUNTED)


COUNTED = tuple(field.name for field in fields(Counters) if field.name != "limits")
