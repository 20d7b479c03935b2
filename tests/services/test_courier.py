"""What is carried to the platforms and fetched from them, through channels that fail as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from knopka.db import channels as db_channels
from knopka.db import crm as db_crm
from knopka.db.database import Transaction
from knopka.db.jobs import list_dead_letters
from knopka.db.statement import Statement
from knopka.db.tables import jobs
from knopka.domain.catalog import ChannelState
from knopka.domain.conversation import AttachmentState, Conversation
from knopka.domain.errors import (
    BadRequest,
    ChannelBroken,
    ChatGone,
    Conflict,
    DeliveryError,
    Retryable,
    Uncertain,
    WindowClosed,
)
from knopka.domain.messaging import (
    AttachmentKind,
    ChannelKind,
    Finding,
    InAttachment,
    Level,
    MessageState,
    OutboundMessage,
    OutboxKey,
    Polled,
    Profile,
    SentMessage,
    SetupReport,
)
from knopka.files.folder import FolderStore
from knopka.services import channels, desk
from knopka.services.catalog import ACCOUNT, load_catalog
from knopka.services.courier import DELIVERIES_AT_ONCE, Courier
from knopka.services.jobs import Worker
from knopka.services.vault import Vault
from tests.files.samples import encode, halves
from tests.services.story import Story
from tests.services.toy import CODE, IVAN, Messengers, Toy, add_toy

pytestmark = pytest.mark.anyio

LONG = "Первое предложение довольно длинное, в полсотни знаков. Второе стоит в конце."
MINUTE = timedelta(minutes=1)
WORKS = SetupReport("@toy")
BROKEN = SetupReport("@toy", findings=(Finding(Level.BROKEN, "refused", "revoked"),))
ALL_JOBS = Statement(select(jobs).order_by(jobs.c.id))


@dataclass
class Moody(Toy):
    """Stands as it is told, hangs while it is told to, and can be asked for news."""

    stands: SetupReport | Exception = WORKS
    hangs: asyncio.Event | None = None
    has_sent: asyncio.Event = field(default_factory=asyncio.Event)
    profiles: list[Exception] = field(default_factory=list)
    """What the next questions for a profile fail with."""
    polls: list[Exception | Polled] = field(default_factory=list)
    """What the questions for news come to; the last one stays."""
    on_poll: Callable[[], None] = lambda: None
    polled: int = 0
    on_read: Callable[[str], Any] | None = None
    """What happens while the person is told how far he was read."""
    picture: bytes = b"a file"

    async def check(self, webhook_url: str) -> SetupReport:
        if isinstance(self.stands, Exception):
            raise self.stands
        return self.stands

    async def send(self, message: OutboundMessage, key: OutboxKey) -> SentMessage:
        if self.hangs is not None:
            await self.hangs.wait()
        sent = await super().send(message, key)
        self.has_sent.set()
        return sent

    async def profile(self, chat_id: str) -> Profile | None:
        if self.profiles:
            raise self.profiles.pop(0)
        return self.known

    async def fetch(self, source: str) -> AsyncIterator[bytes]:
        yield self.picture

    async def mark_read(self, chat_id: str, message_id: str) -> None:
        self.read.append(message_id)
        if self.on_read is not None:
            await self.on_read(message_id)

    async def poll(self, cursor: str) -> Polled:
        self.polled += 1
        self.on_poll()
        came = self.polls.pop(0) if len(self.polls) > 1 else self.polls[0]
        if isinstance(came, Exception):
            raise came
        return came


class Post:
    """The story's messengers with the worker that carries for them."""

    def __init__(self, chat: Messengers, toy: Moody, folder: Path) -> None:
        self.chat = chat
        self.toy = toy
        self.story = chat.story
        self.database = chat.story.database
        self.connector = channels.Connector(
            self.database,
            Vault(b"k" * 32),
            lambda _kind, _config: toy,
            lambda _kind: (),
            lambda _setup: "https://chat.example/hooks",
            self.reload,
        )
        courier = Courier(
            self.database,
            chat.shelf,
            lambda: self.story.catalog,
            self.connector,
            FolderStore(folder / "files"),
            folder,
            self.reload,
            media_a_day=2**30,
        )
        handlers = courier.handlers({ChannelKind.TELEGRAM: False})
        self.worker = Worker(self.database, handlers, chance=lambda: 1.0, pause=_never)

    async def reload(self) -> None:
        self.story.catalog = await self.story.read(load_catalog)

    async def work(self) -> None:
        """Tick until nothing more is due."""
        while await self.worker.tick():
            await self.worker.settle()
        await self.worker.settle()

    async def pass_time(self, span: timedelta) -> None:
        self.database.advance_clock(span)
        await self.work()

    async def jobs(self, kind: str) -> list[Any]:
        rows = await self.database.read(lambda tx: tx.rows(ALL_JOBS))
        return [row for row in rows if row["kind"].startswith(kind)]

    async def state(self) -> ChannelState:
        await self.reload()
        return self.story.catalog.channels[self.chat.setup.id].state

    async def seen(self, seq: int) -> None:
        conversation = await self.conversation()
        await self.story.write(
            desk.mark_read, self.story.operator, conversation.id, seq, channels=self.chat.shelf
        )

    async def conversation(self) -> Conversation:
        """The one of the messenger."""
        (found,) = [one for one in await self.chat.conversations() if one.channel_id is not None]
        return found

    async def answer(self) -> tuple[str, str | None]:
        """How the newest message stands."""
        message = (await self.chat.messages())[-1]
        return message.state.value, message.error

    async def send_again(self, key: str) -> None:
        message = (await self.chat.messages())[-1]
        await self.story.write(
            desk.resend,
            self.story.operator,
            message.conversation_id,
            message.id,
            key,
            channels=self.chat.shelf,
        )

    def texts(self) -> list[str]:
        return [message.text for message, _ in self.toy.sent]


async def _never(_seconds: float) -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def post(story: Story, tmp_path: Path) -> Post:
    toy = Moody()
    return Post(await Messengers.begin(story, toy), toy, tmp_path)


# --- A channel that is broken, and mended.


async def break_channel(post: Post) -> None:
    """The first answer finds out."""
    post.toy.failures = [ChannelBroken("revoked")]
    post.toy.stands = BROKEN
    await post.chat.answer("ответ 1", key="answer-1")
    await post.work()
    assert await post.state() is ChannelState.BROKEN


async def test_what_waits_for_a_broken_channel_is_not_tried_and_goes_in_its_order_once_it_is_mended(
    post: Post,
) -> None:
    await post.chat.write()
    await break_channel(post)
    for number in (2, 3, 4):
        await post.chat.answer(f"ответ {number}", key=f"answer-{number}")
        await post.pass_time(11 * MINUTE)
    waiting = await post.jobs("deliver")
    assert [(row["attempts"], row["first_tried_at"], row["is_out_of_order"]) for row in waiting] == [
        (0, None, False)
    ] * 4
    post.toy.stands = WORKS
    await post.pass_time(11 * MINUTE)
    assert post.texts() == [f"ответ {number}" for number in (1, 2, 3, 4)]
    assert await post.answer() == ("sent", None)


async def test_errands_that_wait_for_a_broken_channel_are_done_once_it_is_mended(post: Post) -> None:
    await post.chat.write()
    await post.work()
    await break_channel(post)
    came = InAttachment(kind=AttachmentKind.FILE, source="file-1", name="price.txt")
    await post.chat.write("вот", attachments=(came,))
    await post.pass_time(11 * MINUTE)
    assert (await post.chat.messages())[-1].attachments[0].state is AttachmentState.WAITING
    post.toy.stands = WORKS
    await post.pass_time(11 * MINUTE)
    assert (await post.chat.messages())[-1].attachments[0].state is AttachmentState.STORED


async def test_a_mended_channel_is_asked_at_once_for_what_had_failed_before(post: Post) -> None:
    post.toy.profiles = [Retryable("later", after=6 * 3_600)]
    post.toy.known = Profile(name="Ваня")
    await post.chat.write()
    await post.work()
    await break_channel(post)
    post.toy.stands = WORKS
    await post.pass_time(11 * MINUTE)
    assert (await post.conversation()).visitor_name == "Ваня"


@pytest.mark.parametrize("trouble", [RuntimeError("a defect"), Retryable("away")])
async def test_a_broken_channel_is_looked_at_again_whatever_became_of_the_last_look(
    post: Post, trouble: Exception
) -> None:
    await post.chat.write()
    await break_channel(post)
    post.toy.stands = trouble
    await post.pass_time(11 * MINUTE)
    await post.pass_time(timedelta(hours=73))
    await post.work()
    assert await post.state() is ChannelState.BROKEN
    post.toy.stands = WORKS
    await post.pass_time(11 * MINUTE)
    assert await post.state() is ChannelState.OK
    assert post.texts() == ["ответ 1"]


async def test_a_platform_that_is_away_is_polled_each_minute_and_a_broken_channel_less_often(
    post: Post,
) -> None:
    post.toy.polls = [Retryable("away")]
    setup = replace(post.chat.setup, is_polling=True)
    await post.story.write(lambda tx, *, now: db_channels.update_channel(tx, ACCOUNT, setup, now))
    await post.reload()
    await post.story.write(lambda tx, *, now: channels.start_polling(tx, setup, tx.now))
    await post.work()
    for asked in range(1, 15):
        assert post.toy.polled == asked
        await post.pass_time(MINUTE)
    post.toy.polls = [ChannelBroken("revoked")]
    post.toy.stands = BROKEN
    await post.pass_time(MINUTE)
    asked = post.toy.polled
    await post.pass_time(9 * MINUTE)
    assert post.toy.polled == asked
    await post.pass_time(2 * MINUTE)
    assert post.toy.polled == asked + 1


async def test_polling_goes_on_where_memory_does_not_know_the_channel_yet(post: Post) -> None:
    """A worker beside the server may take up the first poll before it has heard of the channel."""
    setup = replace(post.chat.setup, is_polling=True)
    await post.story.write(lambda tx, *, now: db_channels.update_channel(tx, ACCOUNT, setup, now))
    await post.story.write(lambda tx, *, now: channels.start_polling(tx, setup, tx.now))
    await post.work()
    assert post.toy.polled == 0
    await post.reload()
    knows = post.story.catalog
    post.toy.polls = [Polled((), "7"), Retryable("away")]
    post.toy.on_poll = lambda: setattr(post.story, "catalog", replace(knows, channels={}))
    await post.pass_time(MINUTE)
    assert post.toy.polled == 1
    assert await post.database.read(db_channels.find_cursor, setup.id) == "7"
    post.story.catalog = knows
    await post.pass_time(MINUTE)
    assert post.toy.polled == 2
    assert await post.database.read(list_dead_letters, ACCOUNT) == []


@pytest.mark.parametrize(("is_enabled", "is_polling"), [(False, True), (True, False)])
async def test_what_was_polled_is_kept_and_nothing_more_is_once_that_is_over(
    post: Post, *, is_enabled: bool, is_polling: bool
) -> None:
    setup = replace(post.chat.setup, is_polling=True)
    await post.story.write(lambda tx, *, now: db_channels.update_channel(tx, ACCOUNT, setup, now))
    await post.reload()
    await post.story.write(lambda tx, *, now: channels.start_polling(tx, setup, tx.now))
    over = replace(setup, is_enabled=is_enabled, is_polling=is_polling)
    await post.story.write(lambda tx, *, now: db_channels.update_channel(tx, ACCOUNT, over, now))
    post.toy.polls = [Polled((), "7")]
    await post.work()
    assert await post.database.read(db_channels.find_cursor, setup.id) == "7"
    await post.pass_time(15 * MINUTE)
    assert post.toy.polled == 1


async def test_what_was_told_is_kept_until_its_channel_can_be_had_again(post: Post) -> None:
    await post.chat.tell(post.chat.event(text="Раз"), post.chat.event(text="Два"))
    away = post.chat.shelf.channels
    post.chat.shelf.channels = {}
    for _ in range(20):
        await post.pass_time(MINUTE)
    assert await post.database.read(list_dead_letters, ACCOUNT) == []
    post.chat.shelf.channels = away
    await post.pass_time(MINUTE)
    assert [message.text for message in await post.chat.messages()] == ["Раз", "Два"]


# --- One channel that is stuck.


async def test_a_channel_that_hangs_leaves_room_for_another_one_of_its_platform(
    post: Post, tmp_path: Path
) -> None:
    other = Moody()
    second = await post.story.write(add_toy, ChannelKind.TELEGRAM, path="path-of-the-other")
    post.chat.shelf.channels[second.id] = other
    await post.reload()
    post.toy.hangs = asyncio.Event()
    for number in range(DELIVERIES_AT_ONCE):
        await post.chat.write(chat=str(number))
    for conversation in await post.chat.conversations():
        await answer(post, conversation, "ответ")
    await post.worker.tick()
    await post.worker.tick()
    beside = Messengers(post.story, second, other)
    beside.shelf = post.chat.shelf
    await beside.write()
    (its_own,) = [one for one in await beside.conversations() if one.channel_id == second.id]
    await answer(post, its_own, "другой ответ")
    await post.worker.tick()
    async with asyncio.timeout(5):
        await other.has_sent.wait()
    assert post.toy.sent == []
    post.toy.hangs.set()
    await post.worker.settle()
    await post.work()
    assert len(post.toy.sent) == DELIVERIES_AT_ONCE


async def answer(post: Post, conversation: Conversation, text: str) -> None:
    await post.story.write(
        desk.reply,
        post.story.operator,
        conversation.id,
        f"answer-{conversation.id}",
        text,
        channels=post.chat.shelf,
    )


# --- Profiles.


async def test_a_profile_lands_on_the_card_that_the_chat_stands_on_by_now(post: Post) -> None:
    post.toy.known = Profile(name="Ваня", avatar="photo-1")
    post.toy.picture = encode(halves(), "PNG")
    await post.chat.start()
    await post.story.say()
    await post.chat.announce()
    assert len(await post.story.leads()) == 1
    await post.work()
    shown = await post.conversation()
    assert (shown.visitor_name, shown.avatar is not None) == ("Ваня", True)
    assert await post.database.read(list_dead_letters, ACCOUNT) == []


@pytest.mark.parametrize("name", ["", "Иван Иванов"])
async def test_what_a_messenger_has_told_goes_on_with_the_chat_where_its_card_gives_way(
    post: Post, name: str
) -> None:
    await post.chat.write(code=CODE, profile=Profile(name="Ваня"))
    own = (await post.conversation()).contact_id

    def show(tx: Transaction, *, now: Any) -> None:
        assert own is not None
        db_crm.set_avatar(tx, ACCOUNT, own, "a" * 32)

    await post.story.write(show)
    await post.story.say()
    if name:
        await post.story.set_meta({"contact": {"name": name}})
    await post.chat.announce()
    assert len(await post.story.leads()) == 1
    shown = await post.conversation()
    assert (shown.visitor_name, shown.avatar) == (name or "Ваня", "a" * 32)


# --- How far the person has been read.


async def test_the_newest_message_that_was_read_is_told_however_long_an_older_one_waits(post: Post) -> None:
    await post.chat.write(message_id="in-a")
    await post.seen(1)
    await post.chat.write(message_id="in-b")
    await post.seen(2)
    assert len(await read_errands(post)) == 1
    await post.work()
    assert post.toy.read == ["in-b"]


@pytest.mark.parametrize("refusal", [None, BadRequest("That message was deleted.")])
async def test_what_is_read_while_an_older_message_is_told_is_told_next(
    post: Post, refusal: DeliveryError | None
) -> None:
    await post.chat.write(message_id="in-a")
    await post.seen(1)

    async def read_on(told: str) -> None:
        if told == "in-a":
            await post.chat.write(message_id="in-b")
            await post.seen(2)
            if refusal is not None:
                raise refusal

    post.toy.on_read = read_on
    await post.work()
    assert post.toy.read == ["in-a", "in-b"]
    assert await read_errands(post) == []


async def read_errands(post: Post) -> list[Mapping[str, Any]]:
    return [row for row in await post.jobs("chore") if '"read"' in row["payload"]]


# --- A message in several parts.


@pytest.mark.parametrize(
    ("trouble", "state", "error"),
    [
        (BadRequest("too long"), MessageState.FAILED, "bad_request"),
        (WindowClosed("too late"), MessageState.FAILED, "window_closed"),
        (Uncertain("the answer was lost"), MessageState.UNCERTAIN, "uncertain"),
    ],
)
async def test_no_part_goes_behind_one_that_did_not_come_through_until_all_are_sent_again(
    post: Post, trouble: DeliveryError, state: MessageState, error: str
) -> None:
    await post.chat.write()
    await post.chat.answer(LONG)
    await post.chat.answer("Ещё одно", key="answer-2")
    post.toy.failures = [trouble]
    await post.work()
    assert post.texts() == ["Ещё одно"]
    failed = (await post.chat.messages())[-2]
    assert (failed.state, failed.error, failed.error_detail) == (state, error, trouble.message)
    await post.story.write(
        desk.resend,
        post.story.operator,
        failed.conversation_id,
        failed.id,
        "resend-1",
        channels=post.chat.shelf,
    )
    await post.work()
    assert " ".join(post.texts()[1:]) == LONG
    assert (await post.chat.messages())[-2].state is MessageState.SENT
    assert await post.jobs("deliver") == []


async def test_the_parts_of_a_message_to_one_who_has_left_are_not_tried_one_by_one(post: Post) -> None:
    await post.chat.write()
    await post.chat.answer(LONG)
    post.toy.failures = [ChatGone("blocked by the user")]
    await post.work()
    assert post.texts() == []
    assert await post.answer() == ("failed", "chat_gone")
    assert len(await post.database.read(list_dead_letters, ACCOUNT)) == 1


async def test_a_part_does_not_pass_the_one_before_it_however_long_that_fails(post: Post) -> None:
    await post.chat.write()
    await post.chat.answer(LONG)
    post.toy.failures = [Retryable("away", after=1_800)]
    await post.work()
    for _ in range(2):
        await post.pass_time(11 * MINUTE)
    assert post.texts() == []
    for _ in range(8):
        await post.pass_time(11 * MINUTE)
    assert " ".join(post.texts()) == LONG


async def test_what_is_on_its_way_is_not_sent_again(post: Post) -> None:
    await post.chat.write(chat=IVAN)
    await post.chat.answer()
    post.toy.failures = [Retryable("away", after=60)]
    await post.work()
    with pytest.raises(Conflict, match="on its way already"):
        await post.send_again("resend-1")
    await post.pass_time(2 * MINUTE)
    assert len(post.texts()) == 1
    with pytest.raises(Conflict, match="Nothing of this message"):
        await post.send_again("resend-2")
