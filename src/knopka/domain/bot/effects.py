"""What a run wants done: carried out by services, in the transaction that keeps the run's new state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from knopka.domain.bot.script import Block, NewCard, Place, ScriptButton
from knopka.domain.meta import Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """A message to the visitor, in the run's conversation."""

    text: str
    buttons: tuple[ScriptButton, ...] = ()
    quick_replies: tuple[str, ...] = ()
    wait: int = 0
    """Goes into the buttons' payloads and comes back in Answered; no two messages with buttons share one."""
    number: int = 0
    """Counts the run's messages from 1: what makes its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SayElsewhere:
    """send_external_message: to these contacts of the lead, by these channels."""

    text: str
    buttons: tuple[ScriptButton, ...]
    recipient: Literal["all_contacts", "main_contact", "filtered_contacts"]
    way: Literal["over_all", "any_first", "last_active"]
    channels: tuple[int, ...]
    number: int = 0
    """As in Say; comes back in Undelivered."""


@dataclass(frozen=True, slots=True)
class TellOperators:
    """send_internal and knopka_handover: a line that only operators see."""

    text: str
    user_id: int | None = None
    group_id: int | None = None


@dataclass(frozen=True, slots=True)
class WriteCard:
    """Set a field, a name or the budget, over what stands there; with `add` beside it."""

    entity: Entity
    target: int | Literal["price", "name", "PHONE", "EMAIL"]
    """A custom field by its id, or by the code that every account has."""
    value: str
    enum: str = ""
    add: bool = False


@dataclass(frozen=True, slots=True)
class Tag:
    entity: Entity
    value: str


@dataclass(frozen=True, slots=True)
class Untag:
    entity: Entity
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WriteNote:
    entity: Entity
    note_type: str
    text: str


@dataclass(frozen=True, slots=True)
class MoveLead:
    status_id: int
    of_double: bool = False


@dataclass(frozen=True, slots=True)
class Decide:
    """Accept or decline the unsorted lead; an accepted one stays as it is."""

    accept: bool


@dataclass(frozen=True, slots=True)
class Assign:
    user_id: int
    entity: Entity | None


@dataclass(frozen=True, slots=True)
class SetSubscription:
    is_on: bool
    type: Literal["group", "user", "all"]
    id: int | None
    entity: Entity


@dataclass(frozen=True, slots=True)
class MakeCards:
    lead: NewCard
    contact: NewCard
    """With every marker filled in."""


@dataclass(frozen=True, slots=True)
class Join:
    """Link a lead with a contact."""

    from_entity: Entity
    from_id: int | None
    to_entity: Entity
    to_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """Ask the store; the answer comes as `Found` in the same transaction."""

    wait: int
    kind: Literal["contact_double", "external_contact", "external_lead"]
    by: Literal["name", "phone", "email", "field"]
    field_id: int | None = None
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOut:
    """An HTTP call outside any transaction. A widget's answer is only 200; `continue` comes by the API."""

    wait: int
    is_widget: bool
    method: str
    url: str
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetTimer:
    wait: int
    at: datetime


@dataclass(frozen=True, slots=True)
class CloseTalk:
    """The conversation is put away; outside an NPS bot the NPS bot of the account starts."""


@dataclass(frozen=True, slots=True)
class StartBot:
    bot: int


class Note(StrEnum):
    """What a handler or an event came to; each has its sentence in domain/bot/wording.py."""

    STARTED = "started"
    ANSWERED = "answered"
    NOT_LISTENING = "not_listening"
    ALREADY_ENDED = "already_ended"
    ALREADY_STARTED = "already_started"
    WAITING = "waiting"
    WAITING_AGAIN = "waiting_again"
    TIME_OVER = "time_over"
    ENDED = "ended"
    DONE = "done"
    SAID = "said"
    TOLD = "told"
    WENT = "went"
    BRANCH_TAKEN = "branch_taken"
    ELSE_TAKEN = "else_taken"
    NO_MATCH = "no_match"
    UNKNOWN_MARKER = "unknown_marker"
    EMPTY_VALUE = "empty_value"
    NOT_A_NUMBER = "not_a_number"
    OUT_OF_RANGE = "out_of_range"
    NOT_A_SUM = "not_a_sum"
    DIVISION_BY_ZERO = "division_by_zero"
    NOTHING_FOUND = "nothing_found"
    FOUND = "found"
    ASKED_FOR = "asked_for"
    DOUBLES = "doubles"
    LOOKING_UP = "looking_up"
    CANNOT_LOOK_UP = "cannot_look_up"
    CALLING = "calling"
    CALLED = "called"
    CALL_FAILED = "call_failed"
    CONTINUED = "continued"
    UNSORTED_ACCEPTED = "unsorted_accepted"
    UNKNOWN_TARGET = "unknown_target"
    NO_RECIPIENT = "no_recipient"
    NO_WAY_TO_REACH = "no_way_to_reach"
    UNDELIVERED = "undelivered"
    NO_STEP = "no_step"
    PLACE_LOST = "place_lost"
    DRAWING_ONLY = "drawing_only"
    NO_SUCH_PART = "no_such_part"
    BAD_VALUE = "bad_value"
    NOT_THERE = "not_there"
    SAID_BEFORE = "said_before"
    NOT_STARTED = "not_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One line of the run's log: which handler ran, what its markers were, what it decided."""

    step: int
    block: Block | Literal["error"]
    at: Place | None
    handler: str
    seen: Mapping[str, str] = field(default_factory=dict)
    """Marker and value; long values are cut."""
    note: Note
    detail: str = ""
    """What the note is about: a branch, a step, a marker; never a secret of a call."""


Effect = (
    Say | SayElsewhere | TellOperators | WriteCard | Tag | Untag | WriteNote | MoveLead | Decide | Assign
    | SetSubscription | MakeCards | Join | LookUp | CallOut | SetTimer | CloseTalk | StartBot | Trace
)  # fmt: skip
