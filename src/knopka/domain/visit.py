"""One visit, and what its page sent before there was a card: that waits, at most 24 hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from knopka.domain.crm import AccountId, NameOrigin
from knopka.domain.filling import CardState, Gate, Resolved, plan_fill
from knopka.domain.notes import hash_note
from knopka.domain.verdicts import PathVerdict, Reason, Verdict
from knopka.domain.visitor import META_WINDOW, SourceId, VisitRow

WAITS = Reason("waiting")
"""The first reason of every path that waits for a card."""

WAITS_FOR_BOT = Reason("waiting", {"for": "bot"})
"""The reason of bot_params that wait; a conversation is enough for them."""

EXPIRED = Reason("expired")

EARLIER_WAITS = {
    Verdict.NOT_EMPTY: Reason("earlier_value_waits"),
    Verdict.REPEATED: Reason("same_note_waits"),
}
"""What an earlier call has taken already, while there is no card that could be said to hold it."""

_BOT = "bot_params."
_UNTOUCHED = CardState()
_TAKEN = frozenset({Verdict.FILLED, Verdict.NOTED, Verdict.PASSED_TO_BOT})


@dataclass(frozen=True, slots=True)
class Held:
    """What one call has waiting for the cards; its bot_params are merged with those of the others."""

    call_id: int
    wishes: Resolved


@dataclass(frozen=True, slots=True)
class Waiting:
    """Everything that one visit has waiting, in the order in which it came."""

    held: tuple[Held, ...] = ()
    bot_params: Mapping[str, Any] = field(default_factory=dict)
    first_data_at: int | None = None
    """When the first data for a card came, in milliseconds; bot_params open no window."""

    def as_card(self) -> CardState:
        """The cards as they will be if nobody else writes on them first."""
        if not self.held:
            return CardState(bot_params=self.bot_params) if self.bot_params else _UNTOUCHED
        wishes = [held.wishes for held in self.held]
        contact_names = [wish.contact_name for wish in wishes if wish.contact_name is not None]
        lead_names = [wish.lead_name for wish in wishes if wish.lead_name is not None]
        notes = frozenset(
            (wish.note.entity, hash_note(wish.note.text)) for wish in wishes if wish.note is not None
        )
        return CardState(
            contact_name=contact_names[0] if contact_names else "",
            contact_name_origin=NameOrigin.SITE if contact_names else NameOrigin.MADE_UP,
            lead_name=lead_names[0] if lead_names else "",
            lead_name_origin=NameOrigin.SITE if lead_names else NameOrigin.MADE_UP,
            price=next((wish.sale for wish in wishes if wish.sale), 0),
            filled=frozenset(wanted.value.field_id for wish in wishes for wanted in wish.fields),
            notes=notes,
            own_notes=notes,
            bot_params=self.bot_params,
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit, as the writer holds it: whose it is, on which cards it writes, what it has waiting."""

    id: VisitRow
    account_id: AccountId
    source_id: SourceId
    visitor_id: int | None = None
    contact_id: int | None = None
    lead_id: int | None = None
    waiting_since: datetime | None = None
    waiting: Waiting = Waiting()
    bot_params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hold:
    """What becomes of one call that has no card yet: its verdicts, and what of it has to wait."""

    verdicts: tuple[PathVerdict, ...]
    wishes: Resolved
    bot_params: Mapping[str, Any]
    """The merged bot_params of the visit."""

    @property
    def has_data(self) -> bool:
        return wants_card(self.wishes)


def has_expired(waiting_since: datetime, now: datetime) -> bool:
    """Data of a visit without a card waits for 24 hours from the first call."""
    return now >= waiting_since + META_WINDOW


def end_of_waiting(verdicts: tuple[PathVerdict, ...]) -> tuple[PathVerdict, ...]:
    """What becomes of a call's verdicts when nobody wrote in time."""
    return tuple(
        PathVerdict(verdict.path, Verdict.EXPIRED, (EXPIRED, *verdict.reasons[1:]))
        if verdict.verdict is Verdict.WAITING
        else verdict
        for verdict in verdicts
    )


def wants_card(resolved: Resolved) -> bool:
    """Whether a call brings data for a card. Values that cannot be read are none, and open no window."""
    return bool(
        resolved.fields
        or resolved.note is not None
        or resolved.contact_name is not None
        or resolved.lead_name is not None
        or resolved.sale is not None
    )


def hold(waiting: Waiting, resolved: Resolved, *, passes_to_bot: bool, bot_params: Mapping[str, Any]) -> Hold:
    """Decide what of a call waits. The first good value of a field, a name or the price keeps its place.

    `passes_to_bot` tells that the visitor's conversation is there, with these
    `bot_params`: then only the rest of the call waits.
    """
    card = waiting.as_card()
    if passes_to_bot:
        card = replace(card, bot_params=bot_params)
    plan = plan_fill(resolved, card, Gate.OPEN)
    taken = {verdict.path for verdict in plan.verdicts if verdict.verdict in _TAKEN}
    verdicts = tuple(
        [
            _wait(verdict, passes_to_bot) if verdict.path in taken else _yield_to_earlier(verdict)
            for verdict in plan.verdicts
        ]
    )
    return Hold(verdicts, _keep(resolved, taken), plan.bot_params(card.bot_params))


def add(waiting: Waiting, call_id: int, held: Hold, *, passes_to_bot: bool, now_ms: int) -> Waiting:
    """The visit's waiting data with one more call."""
    grown = waiting
    if held.has_data:
        since = now_ms if waiting.first_data_at is None else waiting.first_data_at
        grown = replace(grown, held=(*waiting.held, Held(call_id, held.wishes)), first_data_at=since)
    if not passes_to_bot and held.bot_params != waiting.bot_params:
        grown = replace(grown, bot_params=held.bot_params)
    return grown


def _wait(verdict: PathVerdict, passes_to_bot: bool) -> PathVerdict:
    """What a verdict becomes that a card would have taken."""
    if not verdict.path.startswith(_BOT):
        return PathVerdict(verdict.path, Verdict.WAITING, (WAITS, *verdict.reasons))
    if passes_to_bot:
        return verdict
    return PathVerdict(verdict.path, Verdict.WAITING, (WAITS_FOR_BOT, *verdict.reasons))


def _yield_to_earlier(verdict: PathVerdict) -> PathVerdict:
    """What an earlier call keeps from this one is told as that: no card holds it yet."""
    reason = EARLIER_WAITS.get(verdict.verdict)
    return verdict if reason is None else replace(verdict, reasons=(reason,))


def _keep(resolved: Resolved, taken: set[str]) -> Resolved:
    """Those wishes of a call that have to wait for a card."""
    return Resolved(
        note=resolved.note if "note" in taken else None,
        contact_name=resolved.contact_name if "contact.name" in taken else None,
        lead_name=resolved.lead_name if "lead.name" in taken else None,
        sale=resolved.sale if "lead.sale" in taken else None,
        fields=tuple([wish for wish in resolved.fields if wish.path in taken]),
        paths=tuple([path for path in resolved.paths if path in taken and not path.startswith(_BOT)]),
        remarks={path: reasons for path, reasons in resolved.remarks.items() if path in taken},
    )
