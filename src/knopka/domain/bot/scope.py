"""What markers mean in one call of `run`: a closed set of names, over the store and the run's own writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import quote

from knopka.domain.bot import markers
from knopka.domain.bot.effects import (
    Assign,
    Effect,
    MoveLead,
    Note,
    SetSubscription,
    Tag,
    Untag,
    WriteCard,
)
from knopka.domain.bot.markers import Json
from knopka.domain.bot.patterns import MAX_TEXT, first_group
from knopka.domain.bot.state import RunState
from knopka.domain.emails import find_email
from knopka.domain.meta import Entity
from knopka.domain.numbers import read_decimal
from knopka.domain.phones import UNKNOWN_REGION, FoundPhone, find_phone
from knopka.domain.urls import is_linkable

VARIABLES = frozenset(
    {
        "json", "last_validation_result", "founded_id", "contact_double", "external_contact", "external_lead",
        "external_customer",
    }
)  # fmt: skip
"""What the run itself has come to know."""
OF_STORE = frozenset(
    {
        "lead", "contact", "company", "customer", "origin", "rand", "short_rand", "short_rand_num", "cf",
        "visitor_uid", "session_id", "utm", "message_text", "current_date",
    }
)  # fmt: skip
"""What `Values` is asked for; any other name has no value, whatever it is."""
BARE = frozenset({"lead.tags", "chat.origin"})
"""What a comparison may name without braces."""

_OWNERS = frozenset({"lead", "contact", "company", "customer"})
_CARDS = {Entity.LEAD: "lead", Entity.CONTACT: "contact"}
_HIDDEN = "…"
_NOTHING: Mapping[str, str] = {}


class Values(Protocol):
    """What a run may read of the store, asked for only when a script names it.

    Paths are those of the markers after these readings: `{{name}}` is
    ("contact", "name"), `chat.origin` is ("origin",) and `{{lead.responsible}}`
    is ("lead", "responsible", "name"). Chance and the calendar come from here
    as well, since the rules have neither: ("rand",), ("short_rand",),
    ("short_rand_num",), and ("current_date",) in the account's own time (a run
    without it writes the date of `now` in UTC).

    Four more are asked for, which no marker names: ("phone_region",), the
    country of numbers without a code (`domain/phones.py`); ("start_payload",),
    what the chat was opened with; ("contact", "phone") and ("contact",
    "email"), the contact's first ones; and ("user", id, "id" | "name" |
    "email") after the run has changed who is responsible.
    """

    def find(self, path: tuple[str, ...]) -> Json | None: ...


class Scope:
    """Reads markers for one call of `run`, and keeps what the current handler has seen."""

    def __init__(self, state: RunState, values: Values, now: datetime) -> None:
        self._values = values
        self._now = now
        self._bot_params: Mapping[str, Any] = state.bot_params
        self._written: dict[tuple[str, ...], Json] = {}
        self._seen: dict[str, str] = {}
        self._unknown: list[str] = []
        self.reply = state.reply
        self.variables: Mapping[str, Any] = state.variables

    # --- Reading

    def find(self, path: tuple[str, ...]) -> Json | None:
        """The value of a marker's path, or None."""
        root = path[0]
        if root in VARIABLES:
            return markers.walk(self.variables, path)
        match path:
            case ("bot_params", *rest):
                return markers.walk(self._bot_params, tuple(rest))
            case ("name",):
                return self._find_stored(("contact", "name"))
            case ("chat", "origin"):
                return self._values.find(("origin",))
            case ("message_text", *rest):
                return self._find_in_reply(tuple(rest))
            case ("regexp", literal):
                return first_group(literal, self.reply or "")
            case ("current_date",):
                return self._values.find(path) or f"{self._now:%d.%m.%Y}"
            case (owner, "responsible") if owner in _OWNERS:
                return self._find_stored((owner, "responsible", "name"))
            case _:
                pass
        return self._find_stored(path) if root in OF_STORE else None

    def ask(self, path: tuple[str, ...]) -> str:
        """Something of the store that no marker names, as a text."""
        return markers.as_text(self._values.find(path))

    def find_phone(self, text: str) -> FoundPhone | None:
        return find_phone(text[:MAX_TEXT], self.ask(("phone_region",)) or UNKNOWN_REGION)

    def _find_in_reply(self, rest: tuple[str, ...]) -> Json | None:
        text = self.reply
        if text is None:
            text = self.ask(("message_text",))
        match rest:
            case ():
                return text
            case ("phone",):
                phone = self.find_phone(text)
                return phone and phone.number
            case ("email",):
                return find_email(text[:MAX_TEXT])
            case _:
                return None

    def _find_stored(self, path: tuple[str, ...]) -> Json | None:
        if not self._written:
            return self._values.find(path)
        if path in self._written:
            return self._written[path]
        if path[:3] in self._written:  # deeper than a value that was just written whole
            return markers.walk(self._written[path[:3]], path[3:])
        if path[1:2] == ("responsible",) and (user := self._written.get((path[0], "responsible_user_id"))):
            return self._values.find(("user", str(user), *path[2:]))
        return self._values.find(path)

    # --- Filling in

    def fill(self, text: str) -> str:
        """The text with its markers' values, which the handler has then seen."""
        if "{{" not in text:
            return text
        filled = markers.fill(text, self.find)
        self._seen |= filled.seen
        self._unknown += filled.unknown
        return filled.text

    def fill_secret(self, text: str) -> str:
        """A header of a call: no line ends, and its values are seen by nobody."""
        filled = markers.fill(text, self.find)
        self._seen |= dict.fromkeys(filled.seen, _HIDDEN)
        self._unknown += filled.unknown
        return " ".join(filled.text.split())

    def fill_url(self, text: str) -> str:
        """An address: a value stays within its part, whatever signs it holds."""
        parts = markers.split(text)
        return "".join(part if isinstance(part, str) else quote(self._see(part), safe="") for part in parts)

    def fill_link(self, text: str) -> str:
        """The address under a button. One that is a value must be such as can be opened without harm."""
        first, *rest = markers.split(text) or ("",)
        if isinstance(first, str):
            return self.fill_url(text)
        address = self._see(first) + "".join(
            part if isinstance(part, str) else quote(self._see(part), safe="") for part in rest
        )
        return address if is_linkable(address) else ""

    def fill_json(self, value: Json) -> Json:
        """JSON with the markers of its texts filled in; keys are taken as they are."""
        match value:
            case str():
                return self.fill(value)
            case dict():
                return {key: self.fill_json(item) for key, item in value.items()}
            case list() | tuple():
                return [self.fill_json(item) for item in value]
            case _:
                return value

    def fill_sum(self, text: str) -> list[str | Decimal] | Note:
        """A sum's own signs as texts, and each marker's value as one number; nothing counts as 0."""
        parts: list[str | Decimal] = []
        for part in markers.split(text):
            if isinstance(part, str):
                parts.append(part)
                continue
            written = self._see(part).strip()
            number = read_decimal(written) if written else Decimal(0)
            if number is None:
                return Note.NOT_A_NUMBER
            parts.append(number)
        return parts

    def fill_term(self, text: str) -> str:
        """One side of a comparison: a text with markers, or one of the names that need no braces."""
        if text.strip() in BARE:
            text = f"{{{{{text.strip()}}}}}"
        return self.fill(text)

    def _see(self, marker: markers.Marker) -> str:
        value = markers.find(marker, self.find)
        if value is None:
            self._unknown.append(marker.name)
        written = markers.as_text(value)
        self._seen[marker.name] = markers.cut(written)
        return written

    def take_seen(self) -> tuple[Mapping[str, str], Sequence[str]]:
        """What was seen since it was asked last, and the names that had no value."""
        if not self._seen:
            return _NOTHING, ()
        taken = self._seen, self._unknown
        self._seen, self._unknown = {}, []
        return taken

    # --- What the run itself has just written

    def record(self, effect: Effect) -> None:
        """Lay an effect over the store, for the handlers that follow in the same call."""
        match effect:
            case WriteCard(entity, target, value, enum, add):
                self._record_value(_path_of(entity, target), value or enum, add)
            case MoveLead(status_id, False):
                self._written["lead", "status_id"] = status_id
            case Assign(user_id, entity):
                for card in _CARDS.values() if entity is None else (_CARDS[entity],):
                    self._written[card, "responsible_user_id"] = user_id
            case Tag(entity, value):
                self._record_list(entity, "tags", lambda tags: _with(tags, value))
            case Untag(entity, values):
                self._record_list(entity, "tags", lambda tags: [tag for tag in tags if tag not in values])
            case SetSubscription(True, "user" | "group" as kind, number, entity):
                self._record_list(entity, f"{kind}s_subscribers", lambda known: _with(known, number))
            case SetSubscription(False, "user" | "group" as kind, number, entity):
                self._record_list(
                    entity, f"{kind}s_subscribers", lambda known: [one for one in known if one != number]
                )
            case _:
                pass

    def _record_value(self, path: tuple[str, ...], value: str, add: bool) -> None:
        before = markers.as_text(self._find_stored(path)) if add else ""
        self._written[path] = f"{before}, {value}" if before else value

    def _record_list(self, entity: Entity, name: str, change: Callable[[list[Any]], list[Any]]) -> None:
        path = (_CARDS[entity], name)
        before = self._find_stored(path)
        self._written[path] = change(before if isinstance(before, list) else [])


def _with(known: list[Any], new: Any) -> list[Any]:
    return known if new in known else [*known, new]


def _path_of(entity: Entity, target: int | str) -> tuple[str, ...]:
    card = _CARDS[entity]
    match target:
        case int():
            return (card, "cf", str(target))
        case _:
            return (card, target.lower())
