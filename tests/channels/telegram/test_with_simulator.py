"""Telegram with the simulator's bot, by webhook and by polling."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from knopka.channels._http import Api
from knopka.channels.telegram import Telegram
from knopka.domain.errors import ChannelBroken, ChatGone
from knopka.domain.messaging import (
    AttachmentKind,
    Button,
    ChannelConfig,
    EventKind,
    Finding,
    Level,
    OutboundMessage,
)
from knopka.simulator.accounts import TelegramAccount
from knopka.simulator.samples import Piece
from knopka.simulator.world import Chat, Side
from tests.channels.contract import KEY
from tests.channels.simulated import Stage, simulated

pytestmark = pytest.mark.anyio

BOT = TelegramAccount("100200300:AAToken-of-the-bot", "tea_shop_bot", "The tea shop")
CODE = "k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUF"


def make(api: Api, url: str, _hook: str) -> Telegram:
    values = {"token": BOT.token, "username": BOT.username}
    config = ChannelConfig(values=values, webhook_secret="s3cret_TOKEN-1", link_base=f"{url}/open/telegram")
    return Telegram(config, api)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A bot whose webhook was set."""
    async with simulated(BOT, make, "/telegram") as stage:
        assert (await stage.channel.setup(stage.hook)).findings == (Finding(Level.OK, "webhook_set"),)
        yield stage


async def meet(stage: Stage) -> Chat:
    """A person who came by the link and pressed START."""
    chat = await stage.open_link(CODE)
    stage.simulator.start(chat)
    await stage.told()
    return chat


async def test_what_was_set_up_stands_until_it_is_left(stage: Stage) -> None:
    report = await stage.channel.check(stage.hook)
    assert (report.title, report.findings) == ("@tea_shop_bot", (Finding(Level.OK, "webhook_set"),))
    await stage.channel.leave()
    left = await stage.channel.check(stage.hook)
    assert [finding.code for finding in left.findings] == ["webhook_removed"]


async def test_start_brings_the_code_and_the_person(stage: Stage) -> None:
    chat = await stage.open_link(CODE)
    assert await stage.told() == []
    stage.simulator.start(chat)
    opened = await stage.told_of(EventKind.OPENED)
    assert (opened.code, opened.chat_id, opened.text) == (CODE, chat.user_id, "")
    assert opened.profile is not None
    assert chat.person.name.startswith(opened.profile.name.split()[0])
    stage.simulator.say(chat, "Good evening")
    said = await stage.told_of(EventKind.MESSAGE)
    assert (said.text, said.code) == ("Good evening", None)
    line = next(line for line in chat.lines if line.text == "Good evening")
    stage.simulator.edit(chat, line.id, "Good morning")
    edited = await stage.told_of(EventKind.EDITED)
    assert (edited.text, edited.message_id) == ("Good morning", said.message_id)


async def test_our_message_is_shown_with_its_marks(stage: Stage) -> None:
    chat = await meet(stage)
    text = "👍 **Bold _and_** [shop](https://shop.example)"
    sent = await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text=text), KEY)
    (line,) = [line for line in chat.lines if line.side is Side.BOT]
    assert (line.text, line.id) == ("👍 Bold and shop", sent.message_id)


async def test_a_pressed_button_comes_back_with_its_label(stage: Stage) -> None:
    chat = await meet(stage)
    choices = ((Button("Tea", "b:1:2:0"), Button("Coffee", "b:1:2:1")),)
    await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text="Which?", buttons=choices), KEY)
    stage.simulator.press(chat, "Coffee")
    event = await stage.told_of(EventKind.CALLBACK)
    assert (event.text, event.payload, event.chat_id) == ("Coffee", "b:1:2:1", chat.user_id)
    await stage.channel.answer_callback(event)


async def test_a_phone_that_was_asked_for_is_the_persons_own(stage: Stage) -> None:
    chat = await meet(stage)
    rows = ((Button("Share", asks_phone=True),),)
    await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text="Your phone?", buttons=rows), KEY)
    stage.simulator.press(chat, "Share")
    (contact,) = (await stage.told_of(EventKind.MESSAGE)).attachments
    assert (contact.kind, contact.is_own_phone) == (AttachmentKind.CONTACT, True)
    assert contact.phone.lstrip("+") == chat.person.phone.lstrip("+")


@pytest.mark.parametrize(
    ("piece", "kind"),
    [
        (Piece.PHOTO, AttachmentKind.PHOTO),
        (Piece.FILE, AttachmentKind.FILE),
        (Piece.VOICE, AttachmentKind.VOICE),
        (Piece.VIDEO, AttachmentKind.VIDEO),
        (Piece.STICKER, AttachmentKind.STICKER),
    ],
)
async def test_a_file_can_be_fetched(stage: Stage, piece: Piece, kind: AttachmentKind) -> None:
    chat = await meet(stage)
    stage.simulator.attach(chat, piece)
    (attachment,) = (await stage.told_of(EventKind.MESSAGE)).attachments
    assert attachment.kind is kind
    assert b"".join([part async for part in stage.channel.fetch(attachment.source)])


async def test_who_blocks_us_is_told_and_gone_until_he_comes_back(stage: Stage) -> None:
    chat = await meet(stage)
    stage.simulator.block(chat)
    assert (await stage.told_of(EventKind.BLOCKED)).chat_id == chat.user_id
    message = OutboundMessage(chat_id=chat.user_id, text="Hello?")
    with pytest.raises(ChatGone):
        await stage.channel.send(message, KEY)
    stage.simulator.unblock(chat)
    assert EventKind.UNBLOCKED in [event.kind for event in await stage.told()]
    assert (await stage.channel.send(message, KEY)).message_id


async def test_somebody_types_and_has_a_profile(stage: Stage) -> None:
    chat = await meet(stage)
    await stage.channel.type(chat.user_id)
    assert chat.typing
    profile = await stage.channel.profile(chat.user_id)
    assert profile is not None
    assert profile.name
    if profile.avatar:
        assert b"".join([part async for part in stage.channel.fetch(profile.avatar)])


async def test_without_a_webhook_the_same_events_are_asked_for(stage: Stage) -> None:
    channel = stage.channel
    assert isinstance(channel, Telegram)
    with pytest.raises(ChannelBroken):
        await channel.poll("")
    assert (await channel.setup("")).findings == (Finding(Level.OK, "polling"),)
    chat = await stage.open_link(CODE)
    stage.simulator.start(chat)
    stage.simulator.say(chat, "Good evening")
    polled = await channel.poll("")
    events = [event for body in polled.bodies for event in channel.parse(body)]
    assert [(event.kind, event.code) for event in events] == [
        (EventKind.OPENED, CODE),
        (EventKind.MESSAGE, None),
    ]
    stage.simulator.say(chat, "Is anybody there?")
    later = await channel.poll(polled.cursor)
    (event,) = [event for body in later.bodies for event in channel.parse(body)]
    assert event.text == "Is anybody there?"
