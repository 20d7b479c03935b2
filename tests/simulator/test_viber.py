"""Viber, judged by viberbot as a reader of what is pushed; the API by hand: that library's host is fixed."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from viberbot import Api, BotConfiguration
from viberbot.api.viber_requests import (
    ViberConversationStartedRequest,
    ViberDeliveredRequest,
    ViberFailedRequest,
    ViberMessageRequest,
    ViberSeenRequest,
    ViberSubscribedRequest,
    ViberUnsubscribedRequest,
)

from knopka.domain import errors
from knopka.simulator.accounts import Kind
from knopka.simulator.samples import Piece
from knopka.simulator.world import Chat, Side
from tests.simulator.conftest import CODE, VIBER, Stage, last_of, shown
from tests.simulator.receiver import Received

pytestmark = pytest.mark.anyio

WELCOME = '{"type":"text","text":"Welcome","sender":{"name":"Shop"},"tracking_data":"kept"}'
BUTTON = {"ActionType": "reply", "ActionBody": "b:1", "Text": "Yes", "Columns": 3}
KEYBOARD = {"Type": "keyboard", "Buttons": [BUTTON, {**BUTTON, "Text": "No", "ActionBody": "b:2"}]}
SENDER = {"name": "Shop"}


def read(received: Received) -> Any:
    """What the library makes of a push whose signature it accepts."""
    logging.getLogger("viber.bot.api").setLevel(logging.CRITICAL)
    bot = Api(BotConfiguration(name="Shop", avatar="", auth_token=VIBER.token))
    assert bot.verify_signature(received.body, received.headers["x-viber-content-signature"])
    return bot.parse_request(received.body)


async def events(stage: Stage) -> list[Any]:
    return [read(received) for received in await stage.pushed()]


def opened(stage: Stage) -> Chat:
    return stage.simulator.open_link(stage.person(), stage.link(Kind.VIBER))


async def test_message_starts_the_conversation_with_the_code(stage: Stage) -> None:
    await stage.connect_viber()
    chat = opened(stage)
    assert await events(stage) == []
    stage.simulator.start(chat)
    [event] = await events(stage)
    assert isinstance(event, ViberConversationStartedRequest)
    assert (event.context, event.subscribed, event.user.id) == (CODE, False, chat.user_id)
    assert event.user.name == chat.person.name


async def test_without_a_link_there_is_no_context(stage: Stage) -> None:
    await stage.connect_viber()
    stage.simulator.start(stage.simulator.chat(stage.person(), Kind.VIBER))
    [received] = await stage.pushed()
    assert "context" not in received.json()


async def test_the_welcome_message_is_shown_and_its_tracking_data_comes_back(stage: Stage) -> None:
    await stage.connect_viber()
    stage.hook.answer = lambda _: (200, WELCOME)
    chat = opened(stage)
    stage.simulator.start(chat)
    await stage.pushed()
    assert shown(chat) == ["Welcome"]
    stage.simulator.say(chat, "Hello")
    [event] = await events(stage)
    assert isinstance(event, ViberMessageRequest)
    assert (event.message.text, event.message.tracking_data) == ("Hello", "kept")


async def test_a_bad_welcome_message_is_not_shown(stage: Stage) -> None:
    await stage.connect_viber()
    stage.hook.answer = lambda _: (200, '{"type":"text","text":"Welcome"}')
    chat = opened(stage)
    stage.simulator.start(chat)
    await stage.pushed()
    assert shown(chat) == []
    assert last_of(chat, Side.NOTE).text.startswith("The welcome message was not shown")


async def test_the_first_message_subscribes_silently(stage: Stage) -> None:
    await stage.connect_viber()
    chat = opened(stage)
    stage.simulator.start(chat)
    await stage.pushed()
    assert (await stage.send(chat, "Hi")).json()["status"] == 6
    stage.simulator.say(chat, "Hello")
    assert [type(event) for event in await events(stage)] == [ViberMessageRequest]
    assert (await stage.send(chat, "Hi")).json()["status"] == 0


async def test_the_first_message_may_come_with_a_subscribed_event(stage: Stage) -> None:
    await stage.connect_viber()
    stage.simulator.readings.choose("viber_first_message", "with a subscribed event")
    chat = opened(stage)
    stage.simulator.start(chat)
    await stage.pushed()
    stage.simulator.say(chat, "Hello")
    assert [type(event) for event in await events(stage)] == [ViberSubscribedRequest, ViberMessageRequest]


async def test_nothing_is_said_before_message_is_pressed(stage: Stage) -> None:
    with pytest.raises(errors.Conflict):
        stage.simulator.say(opened(stage), "Hello")


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ({}, [(CODE, True)]),
        ({"viber_context_when_subscribed": "absent"}, [(None, True)]),
        ({"viber_started_when_subscribed": "never"}, []),
    ],
)
async def test_a_click_of_a_subscribed_person(
    stage: Stage, readings: dict[str, str], expected: list[tuple[str | None, bool]]
) -> None:
    chat = await stage.meet(Kind.VIBER)
    for name, reading in readings.items():
        stage.simulator.readings.choose(name, reading)
    stage.simulator.open_link(chat.person.number, stage.link(Kind.VIBER))
    assert [(event.context, event.subscribed) for event in await events(stage)] == expected


@pytest.mark.parametrize("piece", list(Piece))
async def test_every_kind_of_message_is_read(stage: Stage, piece: Piece) -> None:
    chat = await stage.meet(Kind.VIBER)
    stage.simulator.attach(chat, piece, caption="See")
    [event] = await events(stage)
    kind = {Piece.PHOTO: "picture", Piece.VOICE: "file"}.get(piece, piece.value)
    assert event.message._message_type == kind


@pytest.mark.parametrize(("reading", "types"), [("video", ["video"]), ("nothing", [])])
async def test_readings_of_a_voice_message(stage: Stage, reading: str, types: list[str]) -> None:
    chat = await stage.meet(Kind.VIBER)
    stage.simulator.readings.choose("viber_voice", reading)
    stage.simulator.attach(chat, Piece.VOICE)
    assert [event.message._message_type for event in await events(stage)] == types


async def test_a_picture_can_be_fetched(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    stage.simulator.attach(chat, Piece.PHOTO)
    [event] = await events(stage)
    assert (await stage.http.get(event.message.media)).content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(("reading", "text"), [("ActionBody", "b:1"), ("Text", "Yes")])
async def test_a_button_says_its_action(stage: Stage, reading: str, text: str) -> None:
    chat = await stage.meet(Kind.VIBER)
    given = {"receiver": chat.user_id, "type": "text", "text": "Sure?", "sender": SENDER}
    assert (await stage.viber("send_message", **given, keyboard=KEYBOARD))["status"] == 0
    await stage.pushed()
    stage.simulator.readings.choose("viber_button_text", reading)
    assert [[button.label for button in row] for row in chat.keyboard] == [["Yes", "No"]]
    stage.simulator.press(chat, "Yes")
    [event] = await events(stage)
    assert event.message.text == text
    assert last_of(chat, Side.PERSON).text == "Yes"


async def test_a_shared_phone_is_a_contact(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    share = {
        "Type": "keyboard",
        "Buttons": [{"ActionType": "share-phone", "ActionBody": "p", "Text": "Phone"}],
    }
    given = {"receiver": chat.user_id, "type": "text", "text": "Phone?", "sender": SENDER}
    await stage.viber("send_message", **given, keyboard=share, min_api_version=3)
    await stage.pushed()
    stage.simulator.press(chat, "Phone")
    [event] = await events(stage)
    assert event.message.contact.phone_number == chat.person.phone


async def test_what_is_sent_is_delivered_and_seen(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    token = (await stage.send(chat, "Hi")).json()["message_token"]
    [delivered] = await events(stage)
    stage.simulator.read(chat)
    [seen] = await events(stage)
    assert (type(delivered), type(seen)) == (ViberDeliveredRequest, ViberSeenRequest)
    assert delivered.message_token == seen.message_token == token
    assert token > 2**53


async def test_a_keyboard_that_the_phone_cannot_show_fails_after_status_0(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    bad = {"Type": "keyboard", "Buttons": [{"ActionType": "reply"}]}
    given = {"receiver": chat.user_id, "type": "text", "text": "Sure?", "sender": SENDER}
    assert (await stage.viber("send_message", **given, keyboard=bad))["status"] == 0
    [event] = await events(stage)
    assert isinstance(event, ViberFailedRequest)
    assert event.desc == "A button needs ActionBody"


async def test_unsubscribing_and_coming_back(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    stage.simulator.block(chat)
    assert (await stage.send(chat, "Hi")).json()["status"] == 6
    stage.simulator.unblock(chat)
    assert (await stage.send(chat, "Hi")).json()["status"] == 0
    kinds = [type(event) for event in await events(stage)]
    assert kinds == [ViberUnsubscribedRequest, ViberSubscribedRequest, ViberDeliveredRequest]


async def test_subscribing_anew_forgets_the_tracking_data(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    given = {
        "receiver": chat.user_id,
        "type": "text",
        "text": "Hi",
        "sender": SENDER,
        "tracking_data": "kept",
    }
    await stage.viber("send_message", **given)
    stage.simulator.block(chat)
    stage.simulator.unblock(chat)
    await stage.pushed()
    stage.simulator.say(chat, "Back")
    [event] = await events(stage)
    assert event.message.tracking_data is None


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"receiver": ""}, 4),
        ({"receiver": "nobody"}, 5),
        ({"text": ""}, 4),
        ({"text": "x" * 7001}, 3),
        ({"tracking_data": "x" * 31_000}, 3),
        ({"sender": {}}, 4),
        ({"sender": {"name": "x" * 29}}, 3),
        ({"type": "hologram"}, 3),
        ({"min_api_version": 11}, 13),
        ({"keyboard": "[]"}, 3),
    ],
)
async def test_a_bad_message_is_refused(stage: Stage, given: dict[str, Any], status: int) -> None:
    chat = await stage.meet(Kind.VIBER)
    usual = {"receiver": chat.user_id, "type": "text", "text": "x" * 7000, "sender": SENDER}
    answer = await stage.viber("send_message", **(usual | given))
    assert answer["status"] == status
    assert shown(chat) == []
    assert (await stage.viber("send_message", **usual))["status"] == 0


async def test_a_silent_person_gets_at_most_100_messages_an_hour(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    chat.unanswered.extend([stage.simulator.world.now()] * 100)
    assert (await stage.send(chat, "Hi")).json()["status"] == 12
    stage.simulator.world.advance(3601)
    assert (await stage.send(chat, "Hi")).json()["status"] == 0


async def test_a_wrong_token_is_told_with_status_2(stage: Stage) -> None:
    answer = await stage.http.post("/viber/pa/get_account_info", json={"auth_token": "wrong"})
    assert (answer.status_code, answer.json()["status"]) == (200, 2)
    answer = await stage.http.post("/viber/pa/get_account_info", json={"auth_token": VIBER.token})
    assert (answer.json()["status"], answer.json()["uri"]) == (0, "shopbot")


async def test_without_a_webhook_nothing_can_be_sent(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    await stage.viber("set_webhook", url="")
    assert (await stage.send(chat, "Hi")).json()["status"] == 10


@pytest.mark.parametrize(("reading", "signed"), [("signed", True), ("unsigned", False)])
async def test_setting_a_webhook_calls_it_at_once(stage: Stage, reading: str, signed: bool) -> None:
    stage.simulator.readings.choose("viber_probe", reading)
    answer = await stage.viber("set_webhook", url=stage.hook.url, event_types=["seen"])
    assert (answer["status"], answer["event_types"]) == (0, ["seen", "message"])
    [probe] = stage.hook.got
    assert probe.json()["event"] == "webhook"
    assert ("x-viber-content-signature" in probe.headers) is signed


@pytest.mark.parametrize("status", [201, 404, 500])
async def test_a_webhook_must_answer_200(stage: Stage, status: int) -> None:
    stage.hook.answer = lambda _: (status, "")
    assert (await stage.viber("set_webhook", url=stage.hook.url))["status"] == 1
    assert (await stage.viber("get_account_info"))["webhook"] == ""


async def test_a_webhook_elsewhere_is_refused(stage: Stage) -> None:
    answer = await stage.viber("set_webhook", url="https://shop.example/viber")
    assert answer["status"] == 1
    assert "this machine alone" in answer["status_message"]


async def test_names_come_only_when_asked_for(stage: Stage) -> None:
    await stage.viber("set_webhook", url=stage.hook.url)
    stage.hook.got.clear()
    stage.simulator.start(opened(stage))
    [received] = await stage.pushed()
    assert received.json()["user"].keys() == {"id", "country", "language", "api_version"}


async def test_details_can_be_asked_twice_in_twelve_hours(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    first = await stage.viber("get_user_details", id=chat.user_id)
    assert first["user"]["name"] == chat.person.name
    await stage.viber("get_user_details", id=chat.user_id)
    assert (await stage.viber("get_user_details", id=chat.user_id))["status"] == 12
    stage.simulator.world.advance(12 * 3600)
    assert (await stage.viber("get_user_details", id=chat.user_id))["status"] == 0


async def test_a_slow_or_refused_event_is_repeated_with_its_token(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    answers = iter([(500, ""), (404, "")])
    stage.hook.answer = lambda _: next(answers, (200, ""))
    stage.simulator.say(chat, "Again")
    got = await stage.pushed()
    assert len(got) == 3
    assert len({received.json()["message_token"] for received in got}) == 1
