"""The chat on the page, asked what every messenger is asked."""

from __future__ import annotations

import pytest

from knopka.channels.onsite import Onsite
from knopka.domain.errors import BadRequest, UntrustedWebhook
from knopka.domain.messaging import Channel, ChannelKind, HttpReply, Level, OutboundMessage
from tests.channels.contract import KEY, WEBHOOK

pytestmark = pytest.mark.anyio


def make() -> Channel:
    return Onsite()


def test_it_has_no_link_and_asks_its_owner_for_nothing() -> None:
    channel = make()
    assert channel.kind is ChannelKind.ONSITE
    assert (channel.deep_link().url, channel.parameters) == ("", ())


@pytest.mark.parametrize("body", [b"", b"{}", b'{"event":"webhook"}'])
def test_S_HOOK_01_nobody_is_believed(body: bytes) -> None:
    with pytest.raises(UntrustedWebhook):
        make().verify({}, {}, body)


def test_nothing_is_read_and_nothing_answered() -> None:
    channel = make()
    assert channel.parse(b'{"text":"Hello"}') == []
    assert channel.reply([]) == HttpReply()
    assert channel.answer_challenge({"hub.mode": "subscribe"}) is None


async def test_a_message_is_sent_by_its_own_key_however_often() -> None:
    channel = make()
    message = OutboundMessage(chat_id="1", text="Hello")
    assert channel.caps.has_send_key
    assert (
        (await channel.send(message, KEY)).message_id == (await channel.send(message, KEY)).message_id == KEY
    )


async def test_it_always_stands() -> None:
    channel = make()
    for url in (WEBHOOK, ""):
        assert (await channel.setup(url)).level is (await channel.check(url)).level is Level.OK
    await channel.leave()


async def test_it_tells_nobody_anything_and_has_no_files_elsewhere() -> None:
    channel = make()
    await channel.type("1")
    await channel.mark_read("1", "2")
    assert await channel.profile("1") is None
    with pytest.raises(BadRequest):
        [part async for part in channel.fetch("https://media.example/a.jpg")]
