"""Where a run stands between two events, and the events that move it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from knopka.domain.bot.script import Block, Goto, Show


class EndReason(StrEnum):
    """Why a run ended; each stands in the run's log in words."""

    DONE = "done"
    STOPPED = "stopped"
    """By the script's own `stop`, or by `knopka_handover`."""
    STOPPED_BY_API = "stopped_by_api"
    OPERATOR = "operator"
    """A person answered."""
    REPLACED = "replaced"
    """Another bot was started in its place."""
    LOOP = "loop"
    TOO_MANY_STEPS = "too_many_steps"
    TOO_MANY_MESSAGES = "too_many_messages"
    TOO_OLD = "too_old"
    WINDOW_CLOSED = "window_closed"
    CHAT_GONE = "chat_gone"
    UNDELIVERED = "undelivered"
    """A message did not arrive, for another reason than these two."""
    CLOSED = "closed"
    """The lead was declined or closed, or the conversation's cards are gone."""
    SWITCHED_OFF = "switched_off"
    """The bot was switched off or removed."""
    FAILED = "failed"
    """An error of ours; the operators see it."""


class WaitKind(StrEnum):
    ANSWER = "answer"
    PAUSE = "pause"
    CALL = "call"
    """An HTTP call is under way."""
    CONTINUE = "continue"
    """The service that widget_request called is to continue the run."""
    LOOKUP = "lookup"
    """The store is asked; answered at once by whoever called `run`."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One list of handlers that a run is inside of, and the index of the next handler in it.

    The path begins with a step's number and a block, or with "error". Then it
    goes down in pairs: the index of a handler, and the name of a list in it
    ("result", "actions", …) or, in `buttons`, the number of a choice. A run is
    pinned to its version of the script, so paths stay true.
    """

    path: tuple[str | int, ...]
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a run waits for. `number` counts the waits of the run: the late end of an old one is known."""

    kind: WaitKind
    number: int
    step: int
    block: Block
    """ANSWER: where the reply goes."""
    resume: tuple[Frame, ...] = ()
    """Else, and after a time-out: the lists that the run goes on in, the innermost last."""
    until: datetime | None = None
    """PAUSE, and ANSWER with a time-out: when the timer fires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """Everything a run knows between two events. Plain values, kept as JSON (`write_state`, `read_state`)."""

    step: int = 0
    block: Block = Block.QUESTION
    in_error: bool = False
    """The `error` list of the script runs, and no block."""
    waiting: Waiting | None = None
    waits: int = 0
    """Counts waits and offers of buttons."""
    steps_since_input: int = 0
    jumps: Mapping[str, int] = field(default_factory=dict)
    """How often each `goto` was taken since the last input or timer, by its place."""
    messages: int = 0
    started_at: datetime
    offered: tuple[str, ...] = ()
    """Labels of the buttons shown last: a typed number or label is the button."""
    offer: int = 0
    """Say.wait of the message that they stand under."""
    offered_to: tuple[int, Block] | None = None
    """Where a reply to them has gone already: they count on while the same is waited for."""
    reply: str | None = None
    """What the visitor said last to the run: `{{message_text}}`."""
    matched: bool = False
    """A branch of `buttons` was taken since the block began."""
    accept_unsorted: bool | None = None
    """What the first `show` said; False as soon as the first answer has accepted the lead."""
    failure: EndReason | None = None
    """Why `error` ran, which is also how the run ends behind it: it runs once."""
    elsewhere: Mapping[int, tuple[str | int, ...]] = field(default_factory=dict)
    """Messages of send_external_message that have an on_error: its path by the message's number."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """json, last_validation_result, founded_id, contact_double, external_contact, external_lead; and
    base_info, what validate_base_info has got so far, which no marker reads."""
    bot_params: Mapping[str, Any] = field(default_factory=dict)
    """Copied at the start, refreshed by later calls of the page."""
    ended: EndReason | None = None


# --- Events


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins at question 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The visitor wrote, or pressed a button: `option` is its number in `RunState.offered`, from 0."""

    text: str
    option: int | None = None
    wait: int | None = None
    """Whose button it was (Say.wait); an old button is answered like a typed label."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    wait: int


@dataclass(frozen=True, slots=True)
class Called:
    """An HTTP call ended. `error` is empty when `data` is the answer's JSON."""

    wait: int
    data: Any = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Continued:
    """The called service sent data and, checked by `parse_continue`, handlers to run first."""

    wait: int
    data: Mapping[str, Any]
    handlers: tuple[Show | Goto, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a LookUp found: the card as markers read it, or None."""

    wait: int
    card: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A message of the run could not be delivered: `error` runs, or the on_error of its handler.

    `reason` is "window_closed", "chat_gone" or any other code; `message` is the number of its Say.
    """

    reason: str
    message: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """From outside: an operator answered, the API stopped it, the lead was closed."""

    reason: EndReason


Event = Started | Answered | TimerFired | Called | Continued | Found | Undelivered | Ended
