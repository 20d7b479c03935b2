"""Switches: faults on the way in and out, and the readings of what the platforms leave open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from typing import Any

from knopka.domain.errors import Fault as InputFault
from knopka.domain.errors import InvalidInput, NotFound
from knopka.simulator.accounts import Kind


class Trouble(StrEnum):
    """What can go wrong. The first five on what a platform pushes, the others on what it is asked."""

    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY = "delay"
    WRONG_SIGNATURE = "wrong_signature"
    ANSWER_UNSEEN = "answer_unseen"

    TOO_MANY = "too_many"
    FLOOD = "flood"
    SERVER_ERROR = "server_error"
    TIMEOUT_BEFORE = "timeout_before_accept"
    TIMEOUT_AFTER = "timeout_after_accept"
    ANSWER_LOST = "answer_lost"
    BAD_TOKEN = "bad_token"  # noqa: S105 # the name of a fault
    BLOCKED = "blocked_user"
    WINDOW_CLOSED = "window_closed"


INBOUND = frozenset(
    {Trouble.DUPLICATE, Trouble.REORDER, Trouble.DELAY, Trouble.WRONG_SIGNATURE, Trouble.ANSWER_UNSEEN}
)
OUTBOUND = frozenset(Trouble) - INBOUND
EVERY_METHOD = "*"
MAX_FAULTS = 100
MAX_TIMES = 1_000_000
MAX_SECONDS = 86_400
MAX_NAME = 200
USUAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch that is on: where it works, how often, and for how long it holds things up."""

    trouble: Trouble
    kind: Kind | None = None
    account: str | None = None
    method: str | None = None
    """The one method that it meets, `*` for all; by default those that send a message."""
    times: int | None = None
    """How many more pushes or calls it meets; None is until it is switched off."""
    seconds: float = USUAL_SECONDS
    """retry_after, or how long something is held back: real seconds, whatever the simulator's pace."""
    id: int = 0

    def fits(self, kind: Kind, account: str) -> bool:
        return self.kind in (None, kind) and self.account in (None, account)

    def meets(self, method: str, *, sends: bool) -> bool:
        if self.method is None:
            return sends or self.trouble is Trouble.BAD_TOKEN
        return self.method in (EVERY_METHOD, method)


def parse_fault(given: Mapping[str, Any]) -> Fault:
    """Read a fault from JSON: `fault` alone, or with platform, account, method, times and seconds."""
    faults = [InputFault(f"$.{name}", "unknown", "No such field.") for name in given.keys() - _FIELDS.keys()]
    faults += [
        InputFault(f"$.{name}", "not_allowed", words)
        for name, (is_right, words) in _FIELDS.items()
        if (name == "fault" or given.get(name) is not None) and not is_right(given.get(name))
    ]
    if faults:
        raise InvalidInput(*faults)
    platform = given.get("platform")
    return Fault(
        Trouble(given["fault"]),
        None if platform is None else Kind(platform),
        given.get("account"),
        given.get("method"),
        given.get("times"),
        float(given.get("seconds", USUAL_SECONDS)),
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME


_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "fault": (
        lambda value: isinstance(value, str) and value in set(Trouble),
        f"One of {', '.join(Trouble)}.",
    ),
    "platform": (lambda value: isinstance(value, str) and value in set(Kind), f"One of {', '.join(Kind)}."),
    "account": (_is_text, "The account's name."),
    "method": (_is_text, "A method's name, or * for all."),
    "times": (lambda value: type(value) is int and 1 <= value <= MAX_TIMES, "How many calls it meets."),
    "seconds": (
        lambda value: type(value) in (int, float) and 0 <= value <= MAX_SECONDS,
        f"From 0 to {MAX_SECONDS}.",
    ),
}


class Faults:
    """The switches that are on."""

    def __init__(self) -> None:
        self._on: dict[int, Fault] = {}
        self._ids = count(1)

    def switch_on(self, fault: Fault) -> Fault:
        if len(self._on) >= MAX_FAULTS:
            raise InvalidInput(InputFault("$", "too_many", "Too many faults are on; switch some off."))
        kept = replace(fault, id=next(self._ids))
        self._on[kept.id] = kept
        return kept

    def switch_off(self, fault_id: int) -> None:
        if self._on.pop(fault_id, None) is None:
            raise NotFound("No such fault is on.")

    def clear(self) -> None:
        self._on.clear()

    def list(self) -> list[Fault]:
        return list(self._on.values())

    def take_push(self, kind: Kind, account: str, *wanted: Trouble) -> Fault | None:
        """The first fault of the wanted kinds that meets this push; it is counted."""
        fits = (one for one in self._on.values() if one.trouble in wanted and one.fits(kind, account))
        return self._take(fits)

    def take_call(self, kind: Kind, account: str, method: str, *, sends: bool) -> Fault | None:
        """The first fault that meets this call; it is counted."""
        fits = (
            one
            for one in self._on.values()
            if one.trouble in OUTBOUND and one.fits(kind, account) and one.meets(method, sends=sends)
        )
        return self._take(fits)

    def _take(self, fits: Iterable[Fault]) -> Fault | None:
        fault = next(iter(fits), None)
        if fault is None or fault.times is None:
            return fault
        if fault.times > 1:
            self._on[fault.id] = replace(fault, times=fault.times - 1)
        else:
            del self._on[fault.id]
        return fault


READINGS: Mapping[str, tuple[str, ...]] = {
    # Telegram
    "telegram_unblock_event": ("before the message", "after the message"),
    "telegram_start_code": ("kept", "lost by a web client"),
    # Messenger
    "messenger_typed_first": ("with message.referral", "without"),
    "messenger_postback_mid": ("present", "absent"),
    "messenger_delivery_mids": ("present", "absent"),
    "messenger_sticker": ("sticker alone", "sticker and image"),
    "messenger_location": ("fallback", "location"),
    "messenger_shared_phone": ("in quick_reply.payload", "in the text alone"),
    "messenger_blocked_code": ("551", "2"),
    "messenger_edits": ("not told", "told"),
    "messenger_human_agent": ("granted", "not granted"),
    "messenger_older_tags": ("withdrawn", "accepted"),
    "messenger_retry_span": ("36 hours", "1 hour"),
    "messenger_batches": ("one event a call", "two events a call"),
    # Viber
    "viber_started_when_subscribed": ("with each click", "never"),
    "viber_context_when_subscribed": ("present", "absent"),
    "viber_probe": ("signed", "unsigned"),
    "viber_button_text": ("ActionBody", "Text"),
    "viber_voice": ("file", "video", "nothing"),
    "viber_first_message": ("subscribes silently", "with a subscribed event"),
    # VK
    "vk_ref": ("on the first message", "on every message"),
    "vk_start_button": ("on", "off"),
    "vk_first_message": ("with message_allow", "without"),
    "vk_random_id": ("for an hour", "for ever"),
    "vk_text_limit": ("9000", "4096"),
    "vk_ref_limit": ("none", "64"),
    "vk_cropped": ("never", "what is long or has attachments"),
    "vk_confirms": ("within addCallbackServer", "after its answer"),
}
"""What nobody outside the platforms knows for sure: each point with its readings, the usual one first."""


class Readings:
    """Which reading of each open point is in force."""

    def __init__(self) -> None:
        self._chosen = {name: readings[0] for name, readings in READINGS.items()}

    def choose(self, name: str, reading: str) -> None:
        if reading not in READINGS.get(name, ()):
            raise InvalidInput(InputFault(f"$.{name}", "unknown", "No such reading of no such point."))
        self._chosen[name] = reading

    def reset(self) -> None:
        self._chosen = {name: readings[0] for name, readings in READINGS.items()}

    def get(self, name: str) -> str:
        return self._chosen[name]

    def is_usual(self, name: str) -> bool:
        return self._chosen[name] == READINGS[name][0]

    def all(self) -> dict[str, str]:
        return dict(self._chosen)
