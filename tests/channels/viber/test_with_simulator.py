"""Viber with the simulator's bot, in every reading of what Viber leaves open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from knopka.channels._http import Api
from knopka.channels.viber import Viber
from knopka.domain.errors import ChatGone, Retryable
from knopka.domain.messaging import (
    AttachmentKind,
    Button,
    ChannelConfig,
    EventKind,
    Finding,
    Level,
    OutboundMessage,
)
from knopka.simulator.accounts import ViberAccount
from knopka.simulator.samples import Piece
from knopka.simulator.world import Chat, Side
from tests.channels.contract import KEY
from tests.channels.simulated import Stage, simulated

pytestmark = pytest.mark.anyio

BOT = ViberAccount("4453b6ac12345678-e02c5f12174805f9-knopkatesttoken1", "shopbot", "Shop")
CODE = "k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUF"
OTHER_CODE = CODE[::-1]
STANDS = (Finding(Level.OK, "webhook_set"),)


def make(api: Api, url: str, _hook: str) -> Viber:
    values = {"token": BOT.token, "uri": BOT.uri, "name": BOT.name}
    return Viber(ChannelConfig(values=values, link_base=f"{url}/open/viber"), api)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A bot that was set up."""
    async with simulated(BOT, make, "/viber") as stage:
        assert (await stage.channel.setup(stage.hook)).findings == STANDS
        yield stage


async def meet(stage: Stage) -> Chat:
    """A person who came by the link and said a word."""
    chat = await stage.open_link(CODE)
    stage.simulator.start(chat)
    await stage.told()
    stage.simulator.say(chat, "Hello")
    await stage.told()
    return chat


async def test_what_was_set_up_stands_until_it_is_left(stage: Stage) -> None:
    report = await stage.channel.check(stage.hook)
    assert (report.title, report.values) == ("Shop", {"name": "Shop", "uri": "shopbot"})
    assert report.findings == STANDS
    await stage.channel.leave()
    left = await stage.channel.check(stage.hook)
    assert "webhook_removed" in [finding.code for finding in left.findings]


@pytest.mark.parametrize("reading", ["signed", "unsigned"])
async def test_vibers_first_question_is_answered_and_is_no_event(stage: Stage, reading: str) -> None:
    stage.simulator.readings.choose("viber_probe", reading)
    assert (await stage.channel.setup(stage.hook)).findings == STANDS
    assert await stage.told() == []


@pytest.mark.parametrize("reading", ["subscribes silently", "with a subscribed event"])
async def test_a_new_person_is_welcomed_and_brings_the_code_twice(stage: Stage, reading: str) -> None:
    stage.simulator.readings.choose("viber_first_message", reading)
    chat = await stage.open_link(CODE)
    stage.simulator.start(chat)
    opened = await stage.told_of(EventKind.OPENED)
    assert (opened.code, opened.may_answer, opened.chat_id) == (CODE, False, chat.user_id)
    (welcome,) = [line for line in chat.lines if line.side is Side.BOT]
    assert welcome.text.startswith(("Hello!", "Здравствуйте!"))
    stage.simulator.say(chat, "Good evening")
    said = await stage.told_of(EventKind.MESSAGE)
    assert (said.text, said.chat_id) == ("Good evening", chat.user_id)
    assert said.profile is not None
    assert said.profile.name == chat.person.name
    if reading == "subscribes silently":
        assert said.code == CODE


@pytest.mark.parametrize(("reading", "code"), [("present", OTHER_CODE), ("absent", None)])
async def test_a_person_with_a_history_opens_the_chat_again(
    stage: Stage, reading: str, code: str | None
) -> None:
    stage.simulator.readings.choose("viber_context_when_subscribed", reading)
    chat = await meet(stage)
    spoken = len(chat.lines)
    url = stage.channel.deep_link().url.format(code=OTHER_CODE, short="7Q4K2M5X")
    stage.simulator.open_link(chat.person.number, url)
    opened = await stage.told_of(EventKind.OPENED)
    assert (opened.code, opened.may_answer) == (code, True)
    assert len(chat.lines) == spoken


async def test_our_message_is_delivered_and_seen(stage: Stage) -> None:
    chat = await meet(stage)
    sent = await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text="*Hello*"), KEY)
    stage.simulator.read(chat)
    told = {event.kind: event for event in await stage.told()}
    assert told.keys() == {EventKind.DELIVERED, EventKind.READ}
    assert {event.message_ids for event in told.values()} == {(sent.message_id,)}


@pytest.mark.parametrize(("reading", "payload"), [("ActionBody", "b:1:2:1"), ("Text", "")])
async def test_a_pressed_button_comes_back_with_its_label(stage: Stage, reading: str, payload: str) -> None:
    stage.simulator.readings.choose("viber_button_text", reading)
    chat = await meet(stage)
    choices = ((Button("Tea", "b:1:2:0"), Button("Coffee", "b:1:2:1")),)
    await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text="Which?", buttons=choices), KEY)
    stage.simulator.press(chat, "Coffee")
    event = await stage.told_of(EventKind.MESSAGE)
    assert (event.text, event.payload) == ("Coffee", payload)


async def test_a_phone_that_was_asked_for_is_a_contact(stage: Stage) -> None:
    chat = await meet(stage)
    ask = OutboundMessage(
        chat_id=chat.user_id, text="Your phone?", buttons=((Button("Share", asks_phone=True),),)
    )
    await stage.channel.send(ask, KEY)
    stage.simulator.press(chat, "Share")
    (contact,) = (await stage.told_of(EventKind.MESSAGE)).attachments
    assert (contact.kind, contact.phone) == (AttachmentKind.CONTACT, chat.person.phone)


@pytest.mark.parametrize(
    ("piece", "kind"),
    [
        (Piece.PHOTO, AttachmentKind.PHOTO),
        (Piece.FILE, AttachmentKind.FILE),
        (Piece.VOICE, AttachmentKind.FILE),
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


async def test_who_leaves_is_told_and_gone_until_he_writes_again(stage: Stage) -> None:
    chat = await meet(stage)
    stage.simulator.block(chat)
    assert (await stage.told_of(EventKind.BLOCKED)).chat_id == chat.user_id
    message = OutboundMessage(chat_id=chat.user_id, text="Hello?")
    with pytest.raises(ChatGone):
        await stage.channel.send(message, KEY)
    stage.simulator.unblock(chat)
    stage.simulator.say(chat, "I am back")
    assert EventKind.MESSAGE in [event.kind for event in await stage.told()]
    assert (await stage.channel.send(message, KEY)).message_id


async def test_a_person_is_asked_for_twice_at_most(stage: Stage) -> None:
    chat = await meet(stage)
    profiles = [await stage.channel.profile(chat.user_id) for _ in range(3)]
    assert [profile is None for profile in profiles] == [False, False, True]


async def test_a_person_who_is_silent_gets_a_hundred_messages_an_hour(stage: Stage) -> None:
    chat = await meet(stage)
    message = OutboundMessage(chat_id=chat.user_id, text="Hello?")
    for _ in range(100):
        await stage.channel.send(message, KEY)
    with pytest.raises(Retryable) as refusal:
        await stage.channel.send(message, KEY)
    assert refusal.value.after >= 3600
