"""A Salesbot script as it is run: steps of blocks of handlers, each with its place in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

from knopka.domain.meta import Entity

MAX_SCRIPT_BYTES = 64 * 1024


class Block(StrEnum):
    """The parts of a step: what the bot says, what it does with the reply, what it does at the end."""

    QUESTION = "question"
    ANSWER = "answer"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the script: the JSON path, and line and column from 1."""

    path: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A PCRE literal such as `/no|nope/iu`, checked and translated for RE2 (domain/bot/patterns.py)."""

    literal: str
    re2: str
    frames: bool = False
    """Matched on framed characters: it asks for word boundaries in alphabets that RE2's do not know."""


# --- Conditions


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison of `condition` and `conditions`. `low` and `high` are those of in_range."""

    term1: str
    term2: str
    operation: Literal["=", "!=", "in", "not_in", "in_range", ">", "<", ">=", "<="]
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of `validations`."""

    client_value: str
    type: Literal["simple", "email", "phone", "regex", "range_numbers"]
    operation: Literal["equal", "not_equal", "length", "contains", "not_contains"]
    condition_value: str = ""
    pattern: Pattern | None = None
    low: str = ""
    high: str = ""


Logic = Literal["and", "or"]


# --- Handlers. `at` is the place of the handler's object.


@dataclass(frozen=True, slots=True)
class ScriptButton:
    text: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    at: Place
    value: str
    buttons: tuple[ScriptButton, ...] = ()
    quick_replies: tuple[str, ...] = ()
    """user_phone_number, user_email."""
    accept_unsorted: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """One branch of `buttons`: an exact reply, or a pattern."""

    value: str | None
    pattern: Pattern | None
    handlers: tuple[Handler, ...]


@dataclass(frozen=True, slots=True)
class Buttons:
    at: Place
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Goto:
    at: Place
    block: Block
    step: int


@dataclass(frozen=True, slots=True)
class WaitAnswer:
    at: Place
    block: Block
    step: int


@dataclass(frozen=True, slots=True)
class If:
    """`condition`, `conditions` and the condition of the page's first step: all or any, then, else."""

    at: Place
    logic: Logic
    terms: tuple[Term, ...]
    result: tuple[Handler, ...]
    otherwise: tuple[Handler, ...] = ()


@dataclass(frozen=True, slots=True)
class Validate:
    """`validations`."""

    at: Place
    logic: Logic
    checks: tuple[Check, ...]
    result: tuple[Handler, ...]
    otherwise: tuple[Handler, ...] = ()


@dataclass(frozen=True, slots=True)
class FindDouble:
    """`find` of contact_double: a contact with the same value; `actions` run when one was found."""

    at: Place
    by: str
    value: str
    actions: tuple[Handler, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """`filter`: the card whose field has this value, into external_contact or external_lead."""

    at: Place
    entity: Entity
    field_id: int
    value: str
    actions: tuple[Handler, ...]


@dataclass(frozen=True, slots=True)
class GetBaseInfo:
    """`preset contacts.get_base_info`: takes phone and e-mail out of the reply."""

    at: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateBaseInfo:
    """`preset contacts.validate_base_info`: asks on until both are there."""

    at: Place
    texts: Mapping[str, str] = field(default_factory=dict)
    """By name: empty_email, empty_phone, invalid_phone, success, empty_all, phone_doubles, email_doubles,
    all_doubles."""
    check_doubles: bool = False
    use_quick_replies: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """`meta`: the payload that the chat was opened with, cut at the delimiter, into these places in turn."""

    at: Place
    delimiter: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    at: Place
    action: Literal["talk-close", "salesbot-start", ""]
    bot: int | None = None


@dataclass(frozen=True, slots=True)
class WidgetRequest:
    at: Place
    url: str
    data: Any
    """JSON whose texts may hold markers."""


@dataclass(frozen=True, slots=True)
class SendInternal:
    at: Place
    message: str
    entity: Entity
    group_id: str = ""
    user_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendExternal:
    """`send_external_message`."""

    at: Place
    text: str
    buttons: tuple[ScriptButton, ...] = ()
    recipient: Literal["all_contacts", "main_contact", "filtered_contacts"] = "main_contact"
    way: Literal["over_all", "any_first", "last_active"] = "last_active"
    logic: Logic = "and"
    terms: tuple[Term, ...] = ()
    channels: tuple[int, ...] = ()
    on_error: tuple[Handler, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """Accepted and of no effect here: `exits`, catalogs, customers."""

    at: Place
    name: str
    why: Literal["drawing_only", "no_such_part"]


# --- Ours


@dataclass(frozen=True, slots=True)
class Pause:
    """`knopka_pause`: the run goes on after so long, whatever is written meanwhile."""

    at: Place
    span: timedelta


@dataclass(frozen=True, slots=True)
class WaitFor:
    """`knopka_wait`: the reply goes to `answer` of the step; without one in time `timeout` runs."""

    at: Place
    span: timedelta
    step: int
    block: Block
    timeout: tuple[Handler, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """`knopka_http`: the answer's JSON into `{{json.*}}`, under `save_as` if given; then one branch."""

    at: Place
    method: Literal["GET", "POST", "PUT", "PATCH"]
    url: str
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    save_as: str = ""
    result: tuple[Handler, ...] = ()
    error: tuple[Handler, ...] = ()


@dataclass(frozen=True, slots=True)
class Handover:
    """`knopka_handover`: the bot ends and the operators are told why."""

    at: Place
    message: str


# --- Actions


@dataclass(frozen=True, slots=True)
class DecideUnsorted:
    at: Place
    accept: bool


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    at: Place
    status_id: str
    of_double: bool = False


@dataclass(frozen=True, slots=True)
class SetTag:
    at: Place
    entity: Entity
    value: str


@dataclass(frozen=True, slots=True)
class UnsetTag:
    at: Place
    entity: Entity
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetField:
    """`set_custom_fields`: of a custom field by its id, or of `lead.price`, `lead.name`, `contact.name`."""

    at: Place
    entity: Entity
    target: int | Literal["price", "name"]
    value: str
    enum: str = ""
    calculated: bool = False
    add: bool = False


@dataclass(frozen=True, slots=True)
class SetBudget:
    at: Place
    value: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`subscribe`, and `unsubscribe` with `is_on` False. `value` is empty for all."""

    at: Place
    is_on: bool
    type: Literal["group", "user", "all"]
    value: str
    entity: Entity


@dataclass(frozen=True, slots=True)
class NewField:
    """A custom field of a card that is to be made."""

    field_id: int
    value: str
    enum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCard:
    name: str = ""
    status_id: str = ""
    responsible_user_id: str = ""
    price: str = ""
    tags: tuple[str, ...] = ()
    fields: tuple[NewField, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddLeadContact:
    at: Place
    lead: NewCard
    contact: NewCard
    requires_way_to_reach: bool = False


@dataclass(frozen=True, slots=True)
class AddNote:
    at: Place
    entity: Entity
    note_type: str
    """Its name, as in domain/notes.py."""
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """`link` between lead and contact."""

    at: Place
    from_entity: Entity
    from_id: str
    to_entity: Entity
    to_id: str


@dataclass(frozen=True, slots=True)
class ChangeResponsible:
    at: Place
    value: str
    entity: Entity | None
    """None: of both cards."""


Action = (
    DecideUnsorted | ChangeStatus | SetTag | UnsetTag | SetField | SetBudget | Subscribe | AddLeadContact
    | AddNote | Link | ChangeResponsible
)  # fmt: skip
Handler = (
    Show | Buttons | Goto | WaitAnswer | If | Validate | FindDouble | Filter | GetBaseInfo | ValidateBaseInfo
    | Split | Stop | WidgetRequest | SendInternal | SendExternal | Nothing | Pause | WaitFor | Http | Handover
    | Action
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One step («шаг»). A block that is not there has no handlers."""

    question: tuple[Handler, ...] = ()
    answer: tuple[Handler, ...] = ()
    finish: tuple[Handler, ...] = ()

    def handlers(self, block: Block) -> tuple[Handler, ...]:
        match block:
            case Block.QUESTION:
                return self.question
            case Block.ANSWER:
                return self.answer
            case Block.FINISH:
                return self.finish


@dataclass(frozen=True, slots=True)
class Warning:
    """Something that is accepted and will do nothing, or not what it says."""

    code: str
    message: str
    at: Place


@dataclass(frozen=True, slots=True)
class Script:
    """What was loaded («скрипт»): steps by number; `error` runs when a message could not be delivered."""

    steps: Mapping[int, Step]
    error: tuple[Handler, ...] = ()
    warnings: tuple[Warning, ...] = ()
