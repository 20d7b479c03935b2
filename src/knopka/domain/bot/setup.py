"""Bots as their authors keep them: versions, settings, and what each of them starts at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

from knopka.domain.errors import Fault, InvalidInput
from knopka.domain.messaging import ChannelKind

MAX_MATCHED = 4_096
"""Characters of a message in which keywords are looked for."""

_Word = Annotated[str, msgspec.Meta(pattern=r"\S", max_length=100)]
_Id = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
_Ids = Annotated[tuple[_Id, ...], msgspec.Meta(max_length=100)]
_SomeIds = Annotated[tuple[_Id, ...], msgspec.Meta(min_length=1, max_length=100)]
_Words = Annotated[tuple[_Word, ...], msgspec.Meta(min_length=1, max_length=100)]


class FirstMessage(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="on", tag="first_message"
):
    """The visitor's first word in a conversation."""


class IncomingLead(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="on", tag="incoming_lead"
):
    """A message that opens a lead: the first one, or one after the last lead had ended."""


class Keyword(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="on", tag="keyword"):
    """A message that holds one of these words or phrases, as whole words, in any case."""

    words: _Words


class KeyAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="on", tag="key_action"):
    """The page reports one of these key actions («ключевое действие»)."""

    names: _Words


class StageChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="on", tag="stage"):
    """The lead comes into one of these stages."""

    status_ids: _SomeIds


class NoAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="on", tag="no_answer"):
    """Nobody has answered the visitor for so long."""

    minutes: Annotated[int, msgspec.Meta(ge=1, le=7 * 24 * 60)]


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="on", tag="schedule"):
    """At these times of the account's day, in open conversations whose lead stands in one of the stages."""

    times: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")], ...],
        msgspec.Meta(min_length=1, max_length=24),
    ]
    status_ids: _SomeIds
    weekdays: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1, le=7)], ...], msgspec.Meta(min_length=1, max_length=7)
    ] = (1, 2, 3, 4, 5, 6, 7)
    """1 is Monday."""

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first of its times after the moment."""
        today = moment.astimezone(zone).date()
        days = (today + timedelta(days=number) for number in range(9))
        return min(
            at
            for day in days
            if day.isoweekday() in self.weekdays
            for clock in self.times
            if (at := datetime.combine(day, time.fromisoformat(clock), zone)) > moment
        )


Start = FirstMessage | IncomingLead | Keyword | KeyAction | StageChange | NoAnswer | Schedule


class BotSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a bot starts by itself, and where. Without any start it is started by hand or by the API."""

    starts: Annotated[tuple[Start, ...], msgspec.Meta(max_length=20)] = ()
    channels: Annotated[tuple[ChannelKind | _Id, ...], msgspec.Meta(max_length=100)] = ()
    """Kinds of channels and ids of single ones; none means every channel."""
    source_ids: _Ids = ()
    """Buttons; none means every button."""
    is_nps: bool = False
    """Starts when a conversation is closed by another bot."""
    priority: Annotated[int, msgspec.Meta(ge=-1_000, le=1_000)] = 0
    """Of several bots that could start the highest does; of equal ones the oldest."""


def parse_settings(settings: Any) -> BotSettings:
    """Read the settings of a bot. Raises InvalidInput, with the place."""
    try:
        return msgspec.convert(settings, BotSettings)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        raise InvalidInput(Fault(place.strip("`") or "$", "bad_setting", message)) from None


def read_settings(text: str) -> BotSettings:
    """What `write_settings` wrote."""
    return msgspec.json.decode(text, type=BotSettings)


def write_settings(settings: BotSettings) -> str:
    return msgspec.json.encode(settings).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """A Salesbot («бот»). It runs what was published; a run keeps to the version it began with."""

    id: int
    name: str
    is_enabled: bool
    published_version: int | None
    last_version: int
    settings: BotSettings
    created_at: datetime
    changed_at: datetime
    removed_at: datetime | None = None

    @property
    def may_start(self) -> bool:
        return self.is_enabled and self.published_version is not None and self.removed_at is None

    def serves(self, kind: ChannelKind, channel_id: int | None, source_id: int) -> bool:
        """Whether the bot talks in this channel and for this button."""
        settings = self.settings
        is_channel = not settings.channels or kind in settings.channels or channel_id in settings.channels
        return is_channel and (not settings.source_ids or source_id in settings.source_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class BotVersion:
    """One state of a bot's script, exactly as its author gave it."""

    bot_id: int
    version: int
    script: str
    note: str
    author: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BotRun:
    """One run of a bot («запуск») in a conversation. `state` is its RunState as JSON."""

    id: int
    bot_id: int
    version: int
    conversation_id: int
    lead_id: int | None
    contact_id: int | None
    state: str
    is_active: bool
    wait: str | None
    """The WaitKind of what it waits for; None before its first step and after its end."""
    cause: str
    """What started it: the `on` of a start, or `manual`, `api`, `bot`, `nps`."""
    said_seq: int
    """Number of the last message it said; what the visitor wrote before that is no answer to it."""
    calls: tuple[int, ...]
    """When its last HTTP calls were made, in milliseconds."""
    lines: int
    """How many lines its log has."""
    started_at: datetime
    changed_at: datetime
    ended_at: datetime | None = None
    reason: str | None = None
    """The EndReason."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log, as it was written (effects.Trace, or one of ours)."""

    seq: int
    at: datetime
    line: Mapping[str, Any]


def pick(
    bots: Iterable[Bot],
    wants: Callable[[Start], bool],
    *,
    kind: ChannelKind,
    channel_id: int | None,
    source_id: int,
) -> tuple[Bot, Start] | None:
    """The bot that an occasion starts here, with the start that it answers."""
    found = (
        (bot, start)
        for bot in sorted(bots, key=lambda bot: (-bot.settings.priority, bot.id))
        if bot.may_start and bot.serves(kind, channel_id, source_id)
        for start in bot.settings.starts
        if wants(start)
    )
    return next(found, None)


def name_start(start: Start) -> str:
    """The `on` of a start, as it is kept with the runs that it began."""
    return str(type(start).__struct_config__.tag)


def holds_word(start: Keyword, text: str) -> bool:
    """Whether one of the words stands in the text, as a whole word and in any case."""
    return bool(_words(start.words).search(_fold(text[:MAX_MATCHED])))


@lru_cache(maxsize=256)
def _words(words: tuple[str, ...]) -> re.Pattern[str]:
    """Words that were escaped: nothing in the pattern repeats, so its time is linear."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(_fold(word)) for word in words)})(?!\w)")


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
