"""Messenger with the simulator's Page, in every reading of what Meta leaves open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from knopka.channels._http import Api
from knopka.channels.messenger import Messenger
from knopka.domain.errors import ChatGone, WindowClosed
from knopka.domain.messaging import (
    AttachmentKind,
    Button,
    ChannelConfig,
    EventKind,
    Finding,
    Level,
    OutboundMessage,
    OutboxKey,
    Profile,
)
from knopka.simulator.accounts import MessengerAccount
from knopka.simulator.samples import Piece
from knopka.simulator.world import Chat
from tests.channels.contract import KEY
from tests.channels.simulated import Stage, simulated

pytestmark = pytest.mark.anyio

PAGE = MessengerAccount("100200300", "EAAB-page-token", "555", "app-secret", "shop.page", "Shop")
CODE = "k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUF"
OTHER_CODE = CODE[::-1]
DAY = 24 * 3600


def make(api: Api, url: str, _hook: str) -> Messenger:
    values = {
        "page_id": PAGE.page_id,
        "page_token": PAGE.page_token,
        "app_secret": PAGE.app_secret,
        "app_id": PAGE.app_id,
        "username": PAGE.username,
        "human_agent": "on",
    }
    config = ChannelConfig(values=values, webhook_secret="the-word", link_base=f"{url}/open/messenger")
    return Messenger(config, api)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with simulated(PAGE, make, "/graph") as stage:
        report = await stage.channel.setup(stage.hook)
        assert report.findings == (Finding(Level.OK, "webhook_set"),)
        yield stage


async def meet(stage: Stage) -> Chat:
    """A person who came by the link and said a word."""
    chat = await stage.open_link(CODE)
    stage.simulator.start(chat)
    stage.simulator.say(chat, "Hello")
    await stage.told()
    return chat


async def test_what_was_set_up_stands_until_it_is_left(stage: Stage) -> None:
    report = await stage.channel.check(stage.hook)
    assert report.findings == (Finding(Level.OK, "webhook_set"),)
    assert (report.title, report.values) == ("Shop", {"name": "Shop", "username": "shop.page"})
    await stage.channel.leave()
    assert "not_subscribed" in [finding.code for finding in (await stage.channel.check(stage.hook)).findings]


@pytest.mark.parametrize("reading", ["present", "absent"])
async def test_a_new_person_brings_the_code_with_get_started(stage: Stage, reading: str) -> None:
    stage.simulator.readings.choose("messenger_postback_mid", reading)
    chat = await stage.open_link(CODE)
    stage.simulator.start(chat)
    event = await stage.told_of(EventKind.OPENED)
    assert (event.code, event.chat_id) == (CODE, chat.user_id)


@pytest.mark.parametrize(("reading", "code"), [("with message.referral", CODE), ("without", None)])
async def test_a_new_person_who_types_first(stage: Stage, reading: str, code: str | None) -> None:
    stage.simulator.readings.choose("messenger_typed_first", reading)
    chat = await stage.open_link(CODE)
    stage.simulator.say(chat, "Hello")
    event = await stage.told_of(EventKind.MESSAGE)
    assert (event.code, event.text) == (code, "Hello")


async def test_a_person_with_a_history_brings_the_next_code_by_the_click_alone(stage: Stage) -> None:
    chat = await meet(stage)
    url = stage.channel.deep_link().url.format(code=OTHER_CODE, short="7Q4K2M5X")
    stage.simulator.open_link(chat.person.number, url)
    event = await stage.told_of(EventKind.OPENED)
    assert (event.code, event.chat_id) == (OTHER_CODE, chat.user_id)


@pytest.mark.parametrize("reading", ["present", "absent"])
async def test_our_message_comes_back_with_our_mark_and_is_delivered_and_read(
    stage: Stage, reading: str
) -> None:
    stage.simulator.readings.choose("messenger_delivery_mids", reading)
    chat = await meet(stage)
    sent = await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text="*Hello*"), KEY)
    stage.simulator.read(chat)
    told = {event.kind: event for event in await stage.told()}
    assert told.keys() == {EventKind.ECHO, EventKind.DELIVERED, EventKind.READ}
    echo, delivered = told[EventKind.ECHO], told[EventKind.DELIVERED]
    assert (echo.message_id, echo.echo_mark) == (sent.message_id, stage.channel.echo_mark(KEY))
    assert (echo.text, echo.chat_id) == ("Hello", chat.user_id)
    assert delivered.message_ids == ((sent.message_id,) if reading == "present" else ())
    assert delivered.watermark is not None


async def test_lines_that_follow_a_long_text_come_back_as_ours_and_only_the_last_settles_it(
    stage: Stage,
) -> None:
    chat = await meet(stage)
    rows = tuple((Button(f"Tea {number}", f"b:1:2:{number}"),) for number in range(20))
    text = "a" * (stage.channel.caps.text_most - 10)
    sent = await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text=text, buttons=rows), KEY)
    begun, ended = [event for event in await stage.told() if event.kind is EventKind.ECHO]
    mark = stage.channel.echo_mark(KEY)
    assert (begun.text, begun.echo_mark != mark, mark in begun.begins) == (text, True, True)
    assert (ended.message_id, ended.echo_mark) == (sent.message_id, mark)
    assert stage.channel.echo_mark(OutboxKey("another")) not in begun.begins


async def test_a_pressed_quick_reply_comes_back_as_it_was_sent(stage: Stage) -> None:
    chat = await meet(stage)
    choices = ((Button("Tea", "b:1:2:0"), Button("Coffee", "b:1:2:1")),)
    await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text="Which?", buttons=choices), KEY)
    stage.simulator.press(chat, "Coffee")
    event = await stage.told_of(EventKind.MESSAGE)
    assert (event.text, event.payload) == ("Coffee", "b:1:2:1")


@pytest.mark.parametrize(
    ("reading", "is_own"), [("in quick_reply.payload", [True]), ("in the text alone", [])]
)
async def test_a_phone_that_was_asked_for(stage: Stage, reading: str, is_own: list[bool]) -> None:
    stage.simulator.readings.choose("messenger_shared_phone", reading)
    chat = await meet(stage)
    ask = OutboundMessage(
        chat_id=chat.user_id, text="Your phone?", buttons=((Button("Share", asks_phone=True),),)
    )
    await stage.channel.send(ask, KEY)
    stage.simulator.press(chat, chat.keyboard[0][0].label)
    event = await stage.told_of(EventKind.MESSAGE)
    assert event.text == chat.person.phone
    assert [shared.is_own_phone for shared in event.attachments] == is_own


@pytest.mark.parametrize("reading", ["sticker alone", "sticker and image"])
async def test_a_sticker_is_one_in_either_form(stage: Stage, reading: str) -> None:
    stage.simulator.readings.choose("messenger_sticker", reading)
    chat = await meet(stage)
    stage.simulator.attach(chat, Piece.STICKER)
    event = await stage.told_of(EventKind.MESSAGE)
    assert [one.kind for one in event.attachments] == [AttachmentKind.STICKER]


@pytest.mark.parametrize(
    ("reading", "kind"), [("fallback", AttachmentKind.LINK), ("location", AttachmentKind.LOCATION)]
)
async def test_a_place_in_either_form(stage: Stage, reading: str, kind: AttachmentKind) -> None:
    stage.simulator.readings.choose("messenger_location", reading)
    chat = await meet(stage)
    stage.simulator.attach(chat, Piece.LOCATION)
    event = await stage.told_of(EventKind.MESSAGE)
    assert [one.kind for one in event.attachments] == [kind]


@pytest.mark.parametrize(
    ("piece", "kind"),
    [
        (Piece.PHOTO, AttachmentKind.PHOTO),
        (Piece.FILE, AttachmentKind.FILE),
        (Piece.VOICE, AttachmentKind.AUDIO),
        (Piece.VIDEO, AttachmentKind.VIDEO),
    ],
)
async def test_a_file_can_be_fetched(stage: Stage, piece: Piece, kind: AttachmentKind) -> None:
    chat = await meet(stage)
    stage.simulator.attach(chat, piece)
    (attachment,) = (await stage.told_of(EventKind.MESSAGE)).attachments
    assert attachment.kind is kind
    assert b"".join([part async for part in stage.channel.fetch(attachment.source)])


async def test_an_edit_is_of_its_message(stage: Stage) -> None:
    stage.simulator.readings.choose("messenger_edits", "told")
    chat = await meet(stage)
    stage.simulator.say(chat, "Teh tea")
    said = await stage.told_of(EventKind.MESSAGE)
    stage.simulator.edit(chat, said.message_id, "The tea")
    edited = await stage.told_of(EventKind.EDITED)
    assert (edited.message_id, edited.text) == (said.message_id, "The tea")


async def test_two_events_of_one_call_are_both_read(stage: Stage) -> None:
    chat = await meet(stage)
    stage.simulator.readings.choose("messenger_batches", "two events a call")
    stage.simulator.say(chat, "One")
    stage.simulator.say(chat, "Two")
    assert [event.text for event in await stage.told()] == ["One", "Two"]


async def test_who_has_blocked_us_is_gone(stage: Stage) -> None:
    chat = await meet(stage)
    stage.simulator.block(chat)
    with pytest.raises(ChatGone):
        await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text="Hello?"), KEY)


async def test_the_window_closes_after_a_day_and_a_person_may_be_late(stage: Stage) -> None:
    chat = await meet(stage)
    stage.simulator.world.advance(DAY + 1)
    message = OutboundMessage(chat_id=chat.user_id, text="Sorry")
    with pytest.raises(WindowClosed):
        await stage.channel.send(message, KEY)
    late = OutboundMessage(chat_id=chat.user_id, text="Sorry", is_beyond_window=True)
    assert (await stage.channel.send(late, KEY)).message_id
    stage.simulator.readings.choose("messenger_human_agent", "not granted")
    with pytest.raises(WindowClosed):
        await stage.channel.send(late, KEY)


async def test_a_person_has_a_name_and_a_picture(stage: Stage) -> None:
    chat = await meet(stage)
    profile = await stage.channel.profile(chat.user_id)
    assert profile is not None
    assert profile == Profile(name=chat.person.name, language="ru", avatar=profile.avatar)
    assert b"".join([part async for part in stage.channel.fetch(profile.avatar)])
    assert await stage.channel.profile("7009999") is None


async def test_typing_and_reading_are_told(stage: Stage) -> None:
    chat = await meet(stage)
    await stage.channel.type(chat.user_id)
    assert chat.typing
    await stage.channel.mark_read(chat.user_id, "")
