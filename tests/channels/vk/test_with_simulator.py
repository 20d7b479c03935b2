"""VK with the simulator's community, in every reading of what VK leaves open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from knopka.channels._http import Api
from knopka.channels.vk import VK
from knopka.domain.errors import ChatGone
from knopka.domain.messaging import (
    AttachmentKind,
    Button,
    ChannelConfig,
    EventKind,
    Finding,
    Level,
    OutboundMessage,
    OutboxKey,
)
from knopka.simulator.accounts import VkAccount
from knopka.simulator.samples import Piece
from knopka.simulator.world import Chat, Side
from tests.channels.contract import KEY
from tests.channels.simulated import Stage, simulated

pytestmark = pytest.mark.anyio

COMMUNITY = VkAccount(123, "vk1.a.Token-Of-The-Community", "tea_shop", "The tea shop")
CODE = "k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUF"
STANDS = (Finding(Level.OK, "webhook_set"),)


def make(api: Api, url: str, _hook: str) -> VK:
    values = {"token": COMMUNITY.token, "group_id": "123", "screen_name": "tea_shop"}
    config = ChannelConfig(values=values, webhook_secret="s3cretKey", link_base=f"{url}/open/vk")
    return VK(config, api)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A community whose callback server was confirmed."""
    async with simulated(COMMUNITY, make, "/vk") as stage:
        assert (await stage.channel.setup(stage.hook)).findings == STANDS
        await stage.told()
        yield stage


async def meet(stage: Stage) -> Chat:
    """A person who came by the link and pressed Start."""
    chat = await stage.open_link(CODE)
    stage.simulator.start(chat)
    await stage.told()
    return chat


async def test_what_was_set_up_stands_and_is_not_set_up_twice(stage: Stage) -> None:
    report = await stage.channel.check(stage.hook)
    assert (report.title, report.findings) == ("The tea shop", STANDS)
    again = await stage.channel.setup(stage.hook)
    assert (again.findings, again.values["server_id"]) == (STANDS, "1")


async def test_what_is_left_sends_nothing_more(stage: Stage) -> None:
    await stage.channel.leave()
    left = await stage.channel.check(stage.hook)
    assert [finding.code for finding in left.findings] == ["webhook_removed"]


async def test_an_address_that_vk_confirms_later_stands_then(stage: Stage) -> None:
    stage.simulator.readings.choose("vk_confirms", "after its answer")
    await stage.channel.setup(stage.hook)
    await stage.told()
    assert (await stage.channel.check(stage.hook)).findings == STANDS


@pytest.mark.parametrize("reading", ["on the first message", "on every message"])
async def test_start_brings_the_code_however_often_it_is_repeated(stage: Stage, reading: str) -> None:
    stage.simulator.readings.choose("vk_ref", reading)
    chat = await stage.open_link(CODE)
    stage.simulator.start(chat)
    opened = await stage.told_of(EventKind.OPENED)
    assert (opened.code, opened.chat_id, opened.text) == (CODE, chat.user_id, "")
    stage.simulator.say(chat, "Good evening")
    said = await stage.told_of(EventKind.MESSAGE)
    assert said.text == "Good evening"
    assert said.code == (CODE if reading == "on every message" else None)


@pytest.mark.parametrize("reading", ["with message_allow", "without"])
async def test_who_types_first_brings_the_code_with_his_word(stage: Stage, reading: str) -> None:
    stage.simulator.readings.choose("vk_start_button", "off")
    stage.simulator.readings.choose("vk_first_message", reading)
    chat = await stage.open_link(CODE)
    stage.simulator.say(chat, "Good evening")
    events = {event.kind: event for event in await stage.told()}
    assert events[EventKind.MESSAGE].code == CODE
    assert (EventKind.UNBLOCKED in events) == (reading == "with message_allow")


async def test_our_message_comes_back_as_an_echo_with_its_mark(stage: Stage) -> None:
    chat = await meet(stage)
    sent = await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text="**Hello**"), KEY)
    echo = await stage.told_of(EventKind.ECHO)
    assert (echo.echo_mark, echo.message_id) == (stage.channel.echo_mark(KEY), sent.message_id)
    assert [line.text for line in chat.lines if line.side is Side.BOT] == ["Hello"]
    stage.simulator.read(chat)
    assert (await stage.told_of(EventKind.READ)).message_ids == (sent.message_id,)


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


async def test_the_same_key_again_shows_nothing_again(stage: Stage) -> None:
    chat = await meet(stage)
    message = OutboundMessage(chat_id=chat.user_id, text="Hello")
    first = await stage.channel.send(message, KEY)
    assert await stage.channel.send(message, KEY) == first
    other = await stage.channel.send(message, OutboxKey(KEY[::-1]))
    assert other != first
    assert len([line for line in chat.lines if line.side is Side.BOT]) == 2


async def test_a_pressed_button_comes_back_with_its_label(stage: Stage) -> None:
    chat = await meet(stage)
    choices = ((Button("Tea", "b:1:2:0"), Button("Coffee", "b:1:2:1")),)
    await stage.channel.send(OutboundMessage(chat_id=chat.user_id, text="Which?", buttons=choices), KEY)
    await stage.told()
    stage.simulator.press(chat, "Coffee")
    event = await stage.told_of(EventKind.MESSAGE)
    assert (event.text, event.payload) == ("Coffee", "b:1:2:1")


@pytest.mark.parametrize(
    ("piece", "kind"),
    [
        (Piece.PHOTO, AttachmentKind.PHOTO),
        (Piece.FILE, AttachmentKind.FILE),
        (Piece.VOICE, AttachmentKind.VOICE),
        (Piece.STICKER, AttachmentKind.STICKER),
    ],
)
async def test_a_file_can_be_fetched(stage: Stage, piece: Piece, kind: AttachmentKind) -> None:
    chat = await meet(stage)
    stage.simulator.attach(chat, piece)
    attachment = (await stage.told_of(EventKind.MESSAGE)).attachments[0]
    assert attachment.kind is kind
    assert b"".join([part async for part in stage.channel.fetch(attachment.source)])


async def test_who_denies_messages_is_told_and_gone_until_he_allows_them(stage: Stage) -> None:
    chat = await meet(stage)
    stage.simulator.block(chat)
    assert (await stage.told_of(EventKind.BLOCKED)).chat_id == chat.user_id
    message = OutboundMessage(chat_id=chat.user_id, text="Hello?")
    with pytest.raises(ChatGone):
        await stage.channel.send(message, KEY)
    stage.simulator.allow(chat)
    assert (await stage.told_of(EventKind.UNBLOCKED)).chat_id == chat.user_id
    assert (await stage.channel.send(message, OutboxKey(KEY[::-1]))).message_id


async def test_allowing_messages_can_bring_the_code_without_a_word(stage: Stage) -> None:
    chat = await stage.open_link(CODE)
    stage.simulator.allow(chat, CODE)
    opened = await stage.told_of(EventKind.OPENED)
    assert (opened.code, opened.may_answer) == (CODE, True)


async def test_typing_reading_and_profiles_go_both_ways(stage: Stage) -> None:
    chat = await meet(stage)
    stage.simulator.type(chat)
    assert (await stage.told_of(EventKind.TYPING)).chat_id == chat.user_id
    await stage.channel.type(chat.user_id)
    assert chat.typing
    stage.simulator.say(chat, "Good evening")
    said = await stage.told_of(EventKind.MESSAGE)
    await stage.channel.mark_read(chat.user_id, said.message_id)
    profile = await stage.channel.profile(chat.user_id)
    assert profile is not None
    assert profile.name
