"""What an account is set up with: its buttons, fields and pipelines, held together for the rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from knopka.domain.bot.setup import Bot
from knopka.domain.crm import AccountId, Pipeline, Status
from knopka.domain.errors import Fault, InvalidInput, NotFound
from knopka.domain.fields import CustomField, FieldType
from knopka.domain.messaging import ChannelId, ChannelKind, Finding
from knopka.domain.meta import Entity
from knopka.domain.verdicts import Reason
from knopka.domain.visitor import Identity, Source, SourceId, WindowMode

UNSORTED_TYPE = 1
"""The `type` of the stage in which unsorted leads stand (API v4)."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Account:
    id: AccountId
    name: str
    locale: str
    timezone: str
    currency: str


class ChannelState(StrEnum):
    """How a channel stands. A NEW one has not been set up at its platform yet; OFF is its owner's wish."""

    NEW = "new"
    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSetup:
    """A messenger account of ours («канал»), as it is kept."""

    id: ChannelId
    kind: ChannelKind
    title: str
    path: str
    """The unguessable end of the address that its webhooks come to."""
    link: str
    """Where the button's icon leads, with the place for the code; empty until it is set up."""
    needs_app: bool
    source_ids: tuple[int, ...] | None
    """The buttons that show it; None for every button."""
    is_enabled: bool
    is_polling: bool
    state: ChannelState
    findings: tuple[Finding, ...]
    values: Mapping[str, str]
    """What its owner gave and what its set-up found, secrets left out."""
    secrets: str
    """Sealed; services/vault.py opens it."""
    created_at: datetime
    changed_at: datetime

    def stands_on(self, source: Source) -> bool:
        """Whether the button shows this channel."""
        is_listed = self.source_ids is None or source.id in self.source_ids
        return self.is_enabled and bool(self.link) and is_listed


@dataclass(frozen=True, slots=True)
class Catalog:
    """The account as every request needs it; read once and again after a change."""

    account: Account
    sources: Mapping[str, Source]
    """The buttons by the id that stands in their snippet."""
    fields: Mapping[int, CustomField]
    by_code: Mapping[tuple[Entity, str], CustomField]
    pipelines: tuple[Pipeline, ...]
    channels: Mapping[ChannelId, ChannelSetup] = field(default_factory=dict)
    bots: tuple[Bot, ...] = ()
    """Those that may start."""

    def find_source(self, public_id: str, hash: str) -> Source | None:
        """The button with this id and hash. Unknown and switched off are the same to a stranger."""
        source = self.sources.get(public_id)
        return source if source is not None and source.hash == hash and source.is_enabled else None

    def get_source(self, source_id: SourceId) -> Source:
        """The button with this row's id; a button is switched off, never deleted."""
        found = next((source for source in self.sources.values() if source.id == source_id), None)
        if found is None:
            raise NotFound("The button was added a moment ago and is not in memory yet.")
        return found

    def channels_of(self, source: Source) -> list[ChannelSetup]:
        """The messengers that a button shows, in the order in which they were added."""
        return [channel for channel in self.channels.values() if channel.stands_on(source)]

    def source_of(self, channel: ChannelSetup) -> Source | None:
        """The button that a conversation belongs to when no link code tells which one it came from."""
        own = (source for source in self.sources.values() if source.is_enabled)
        listed = (source for source in own if channel.source_ids is None or source.id in channel.source_ids)
        return min(listed, key=lambda source: source.id, default=None)

    @property
    def main_pipeline(self) -> Pipeline:
        return next(pipeline for pipeline in self.pipelines if pipeline.is_main)

    def find_pipeline(self, pipeline_id: int) -> Pipeline | None:
        return next((pipeline for pipeline in self.pipelines if pipeline.id == pipeline_id), None)


@dataclass(frozen=True, slots=True)
class SourceDraft:
    """A button that is to be added. Without `public_id` and `hash` new ones are made."""

    name: str
    origins: tuple[str, ...]
    locale: str = "en"
    inline: bool = False
    color: str = "#2f6fed"
    identity: Identity = Identity.SIGNED
    window_mode: WindowMode = WindowMode.LATER
    public_id: str | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class OptionDraft:
    """An option of a list or a kind of a multitext; without an id it gets one of ours."""

    value: str
    id: int | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class FieldDraft:
    """A field that is to be added; without an id it gets one of ours."""

    entity: Entity
    type: FieldType
    name: str
    id: int | None = None
    code: str | None = None
    options: tuple[OptionDraft, ...] = ()
    currency: str | None = None
    is_page_writable: bool = True


@dataclass(frozen=True, slots=True)
class Skipped:
    """A field of an import that was left out, and why."""

    id: int | None
    name: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import of fields took, and what it did not."""

    added: tuple[CustomField, ...]
    updated: tuple[CustomField, ...]
    skipped: tuple[Skipped, ...]
    has_more: bool = False
    """Whether the answer was one page of several and not the last."""


def parse_origin(text: str) -> str:
    """Read an exact origin, `https://host[:port]`, as browsers write it.

    Plain http is taken for this computer's own addresses alone. Raises InvalidInput.
    """
    parts = urlsplit(text.strip().lower())
    try:
        port = parts.port
    except ValueError:
        port = -1
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not (_HOST.fullmatch(host) and is_bare and is_safe) or port in (-1, 0):
        raise InvalidInput(Fault("origin", "not_an_origin", f"not https://host[:port]: {text!r}"))
    usual = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None and port != usual else "")


def first_stage(pipeline: Pipeline) -> Status:
    """Where an accepted lead goes unless the operator says otherwise: the first usual stage."""
    usual = (status for status in pipeline.statuses if status.type != UNSORTED_TYPE)
    return min(usual, key=lambda status: status.sort)


def unsorted_stage(pipeline: Pipeline) -> Status:
    """Where a new lead stands until somebody accepts it."""
    return next(status for status in pipeline.statuses if status.type == UNSORTED_TYPE)
