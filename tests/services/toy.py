"""A messenger of the tests' own: it keeps what it is sent, and fails as it is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import bindparam, delete, select

from knopka.db import channels as db_channels
from knopka.db.database import Transaction
from knopka.db.statement import Statement
from knopka.db.tables import jobs
from knopka.domain.catalog import ChannelSetup, ChannelState
from knopka.domain.conversation import Conversation, Message
from knopka.domain.errors import DeliveryError
from knopka.domain.messaging import (
    Capabilities,
    Channel,
    ChannelEvent,
    ChannelKind,
    DeepLink,
    EntryToken,
    EventKind,
    HttpReply,
    OutboundMessage,
    OutboxKey,
    Parameter,
    Profile,
    SentMessage,
    SetupReport,
    Window,
    WindowKind,
)
from knopka.domain.visitor import Source
from knopka.services import desk, early, links, outbox, updates
from knopka.services.catalog import ACCOUNT, load_catalog
from knopka.services.jobs import JobEnd, share_of
from tests.services.story import PAGE, START, VISIT, Story

CODE = EntryToken("A" * 31 + "1")
OTHER_CODE = EntryToken("B" * 31 + "2")
IVAN, OLGA = "55", "77"

JOBS = Statement(select(jobs.c.payload).where(jobs.c.kind == bindparam("kind")).order_by(jobs.c.id))
REMOVE_JOBS = Statement(delete(jobs).where(jobs.c.kind == bindparam("kind")))


@dataclass
class Toy:
    """Obeys the protocol Channel without any network."""

    kind: ChannelKind = ChannelKind.TELEGRAM
    caps: Capabilities = field(
        default_factory=lambda: Capabilities(
            text_most=80,
            per_second=1000,
            window=Window(WindowKind.CLOSES, timedelta(hours=24)),
            marks_read=True,
        )
    )
    parameters: tuple[Parameter, ...] = ()
    sent: list[tuple[OutboundMessage, OutboxKey]] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    failures: list[DeliveryError] = field(default_factory=list)
    """What the next calls fail with."""
    numbers: Any = field(default_factory=lambda: count(1))
    known: Profile | None = None

    def deep_link(self) -> DeepLink:
        return DeepLink("https://toy.example/?start={code}")

    def verify(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None: ...

    def parse(self, body: bytes) -> list[ChannelEvent]:
        return []

    def reply(self, events: Sequence[ChannelEvent]) -> HttpReply:
        return HttpReply()

    def answer_challenge(self, query: Mapping[str, str]) -> HttpReply | None:
        return None

    def echo_mark(self, key: OutboxKey) -> str:
        return f"mark-{key}"

    async def setup(self, webhook_url: str) -> SetupReport:
        return SetupReport("@toy")

    async def check(self, webhook_url: str) -> SetupReport:
        return SetupReport("@toy")

    async def leave(self) -> None: ...

    async def send(self, message: OutboundMessage, key: OutboxKey) -> SentMessage:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((message, key))
        return SentMessage(f"sent-{next(self.numbers)}")

    async def answer_callback(self, event: ChannelEvent) -> None: ...

    async def type(self, chat_id: str) -> None: ...

    async def mark_read(self, chat_id: str, message_id: str) -> None:
        self.read.append(message_id)

    async def profile(self, chat_id: str) -> Profile | None:
        return self.known

    async def fetch(self, source: str) -> AsyncIterator[bytes]:
        yield source.encode()


class Shelf:
    """The channels by their ids."""

    def __init__(self) -> None:
        self.channels: dict[int, Channel] = {}

    def find(self, channel_id: int) -> Channel | None:
        return self.channels.get(channel_id)


class Messengers:
    """The story's messengers: what people do in them, and what the worker makes of it."""

    def __init__(self, story: Story, setup: ChannelSetup, toy: Toy) -> None:
        self.story = story
        self.setup = setup
        self.toy = toy
        self.shelf = Shelf()
        self.shelf.channels[setup.id] = toy
        self.numbers = count(1)

    @classmethod
    async def begin(cls, story: Story, toy: Toy | None = None) -> Messengers:
        toy = toy or Toy()
        setup = await story.write(add_toy, toy.kind)
        story.catalog = await story.read(load_catalog)
        return cls(story, setup, toy)

    # The page

    async def announce(
        self, code: EntryToken = CODE, *, visit: str = VISIT, source: Source | None = None, key: Any = "story"
    ) -> None:
        await self.story.write(
            links.announce_link, self.story.catalog, source or self.story.source, visit, code, PAGE, key=key
        )

    # The person

    def event(self, kind: EventKind = EventKind.MESSAGE, *, chat: str = IVAN, **more: Any) -> ChannelEvent:
        number = next(self.numbers)
        return ChannelEvent(
            kind=kind,
            **{"event_id": f"event-{number}", "message_id": f"in-{number}", "at": START, **more},
            chat_id=chat,
            user_id=chat,
        )

    async def tell(self, *came: ChannelEvent, key: Any = "story") -> updates.Accepted:
        """The platform's webhook: kept, and nothing more."""
        return await self.story.write(updates.accept_updates, self.setup, came, key=key)

    async def work(self, *, key: Any = "story") -> None:
        """Work off every event that was kept, as the worker does."""
        while await self.story.write(self._work, key=key):
            pass

    def _work(self, tx: Transaction, *, now: Any) -> int:
        promised = tx.rows(JOBS, kind=early.EVENT_JOB)
        tx.run(REMOVE_JOBS, kind=early.EVENT_JOB)
        for row in promised:
            updates.take_event(
                tx,
                json.loads(row["payload"]),
                channels=self.shelf,
                catalog=lambda: self.story.catalog,
                now=now,
            )
        return len(promised)

    async def take(self, *came: ChannelEvent) -> None:
        await self.tell(*came)
        await self.work()

    async def start(self, code: EntryToken | None = CODE, *, chat: str = IVAN) -> None:
        """The person presses START in a chat that a link has opened."""
        await self.take(self.event(EventKind.OPENED, chat=chat, code=code))

    async def write(self, text: str = "Привет", *, chat: str = IVAN, **more: Any) -> None:
        await self.take(self.event(chat=chat, text=text, **more))

    # The desk

    async def conversations(self) -> list[Conversation]:
        return list((await self.story.read(desk.list_conversations)).conversations)

    async def conversation(self) -> Conversation:
        """The only one there is."""
        (found,) = await self.conversations()
        return found

    async def messages(self, conversation_id: int | None = None) -> list[Message]:
        number = conversation_id or (await self.conversation()).id
        return await self.story.read(desk.list_messages, number, before=None, after=None, limit=100)

    async def deliveries(self) -> list[Mapping[str, Any]]:
        """What is promised to the messenger, in its order."""
        return await self.story.read(
            lambda tx: [
                json.loads(row["payload"])
                for row in tx.rows(JOBS, kind=share_of(outbox.deliver_kind(self.toy.kind), self.setup.id))
            ]
        )

    async def end(self, delivery: Mapping[str, Any], how: str, code: str, reason: str = "") -> None:
        """The platform, or nobody, has had the last word on a delivery."""
        await self.story.write(outbox.note_end, delivery, JobEnd(how, code, reason))

    async def sent(self, delivery: Mapping[str, Any], platform_id: str) -> None:
        await self.story.write(outbox.note_sent, delivery, SentMessage(platform_id))

    async def answer(self, text: str = "Добрый день!", key: str = "answer-1") -> Message:
        conversation = await self.conversation()
        return await self.story.write(
            desk.reply, self.story.operator, conversation.id, key, text, channels=self.shelf
        )


def add_toy(tx: Transaction, kind: ChannelKind, *, path: str = "path-of-the-toy", now: Any) -> ChannelSetup:
    number = db_channels.insert_channel(tx, ACCOUNT, kind=kind, path=path, source_ids=None, now=now)
    setup = db_channels.list_channels(tx, ACCOUNT)[-1]
    assert setup.id == number
    ready = replace(setup, title="@toy", link="https://toy.example/?start={code}", state=ChannelState.OK)
    db_channels.update_channel(tx, ACCOUNT, ready, now)
    return ready
