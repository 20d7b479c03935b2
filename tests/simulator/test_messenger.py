"""Messenger: the Graph API by hand, its signature by pywa's validator."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from pywa.utils import webhook_updates_validator

from knopka.domain import errors
from knopka.simulator.accounts import Kind
from knopka.simulator.samples import Piece
from knopka.simulator.world import Chat, Side
from tests.simulator.conftest import CODE, MESSENGER, Stage, last_of, shown

pytestmark = pytest.mark.anyio

DAY = 24 * 3600


def opened(stage: Stage) -> Chat:
    return stage.simulator.open_link(stage.person(), stage.link(Kind.MESSENGER))


async def events(stage: Stage) -> list[Any]:
    """What was pushed; each call signed in the way that pywa and SHA-1's older readers accept."""
    read: list[Any] = []
    for received in await stage.pushed():
        assert webhook_updates_validator(
            MESSENGER.app_secret, received.body, received.headers["x-hub-signature-256"]
        )
        older = hmac.digest(MESSENGER.app_secret.encode(), received.body, "sha1").hex()
        assert received.headers["x-hub-signature"] == f"sha1={older}"
        assert received.body.isascii()
        body = received.json()
        assert body["object"] == "page"
        read += [event for entry in body["entry"] for event in entry["messaging"]]
    return read


async def send(stage: Stage, chat: Chat, **given: Any) -> Any:
    usual = {"recipient": {"id": chat.user_id}, "messaging_type": "RESPONSE", "message": {"text": "Hi"}}
    return await stage.graph("POST", "me/messages", **(usual | given))


async def test_get_started_brings_the_ref_in_the_postback(stage: Stage) -> None:
    await stage.connect_messenger()
    chat = opened(stage)
    assert await events(stage) == []
    stage.simulator.start(chat)
    [event] = await events(stage)
    assert event["sender"] == {"id": chat.user_id}
    assert event["recipient"] == {"id": "100200300"}
    assert event["postback"]["payload"] == "GET_STARTED"
    assert event["postback"]["referral"] == {"ref": CODE, "source": "SHORTLINK", "type": "OPEN_THREAD"}
    assert event["postback"]["mid"].startswith("m_")


async def test_an_older_postback_has_no_mid(stage: Stage) -> None:
    await stage.connect_messenger()
    stage.simulator.readings.choose("messenger_postback_mid", "absent")
    stage.simulator.start(opened(stage))
    [event] = await events(stage)
    assert "mid" not in event["postback"]


@pytest.mark.parametrize(("reading", "told"), [("with message.referral", True), ("without", False)])
async def test_who_types_first_in_a_new_thread(stage: Stage, reading: str, told: bool) -> None:
    await stage.connect_messenger()
    stage.simulator.readings.choose("messenger_typed_first", reading)
    chat = opened(stage)
    stage.simulator.say(chat, "Привет")
    stage.simulator.say(chat, "Again")
    first, second = await events(stage)
    assert first["message"]["text"] == "Привет"
    assert (first["message"].get("referral", {}).get("ref") == CODE) is told
    assert "referral" not in second["message"]


async def test_without_a_get_started_button_a_new_thread_tells_no_ref(stage: Stage) -> None:
    await stage.connect_messenger()
    await stage.graph("DELETE", "me/messenger_profile", fields=["get_started"])
    chat = opened(stage)
    assert stage.simulator.messenger.start_label(chat) == ""
    with pytest.raises(errors.Conflict):
        stage.simulator.start(chat)
    stage.simulator.say(chat, "Hello")
    [event] = await events(stage)
    assert "referral" not in event["message"]


async def test_a_click_in_an_old_thread_is_told_at_once_and_opens_the_window(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.world.advance(DAY + 1)
    assert (await send(stage, chat))["error"]["error_subcode"] == 2018278
    stage.simulator.open_link(chat.person.number, stage.link(Kind.MESSENGER, "second"))
    [event] = await events(stage)
    assert event["referral"] == {"ref": "second", "source": "SHORTLINK", "type": "OPEN_THREAD"}
    assert "message" not in event
    assert (await send(stage, chat))["recipient_id"] == chat.user_id


async def test_a_drafted_text_waits_in_the_window(stage: Stage) -> None:
    person = stage.person()
    stage.simulator.open_link(person, f"{stage.link(Kind.MESSENGER)}&text=Hello%20there")
    window = stage.simulator.show_state(person)["windows"][1]
    assert window["chats"]["100200300"]["draft"] == "Hello there"


async def test_a_person_has_another_id_for_each_page(stage: Stage) -> None:
    person = stage.simulator.world.person(stage.person())
    messenger = stage.simulator.messenger
    assert messenger.user_id("1", person) != messenger.user_id("2", person)


@pytest.mark.parametrize("piece", list(Piece))
async def test_every_kind_of_message(stage: Stage, piece: Piece) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.attach(chat, piece)
    [event] = await events(stage)
    if piece is Piece.CONTACT:
        assert event["message"]["text"] == chat.person.phone
        return
    [attachment] = event["message"]["attachments"]
    names = {Piece.PHOTO: "image", Piece.VOICE: "audio", Piece.LOCATION: "fallback"}
    assert attachment["type"] == names.get(piece, piece.value)
    if piece is not Piece.LOCATION:
        assert (await stage.http.get(attachment["payload"]["url"])).status_code == 200


async def test_readings_of_stickers_and_places(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.readings.choose("messenger_sticker", "sticker and image")
    stage.simulator.readings.choose("messenger_location", "location")
    stage.simulator.attach(chat, Piece.STICKER)
    stage.simulator.attach(chat, Piece.LOCATION)
    sticker, place = [event["message"]["attachments"] for event in await events(stage)]
    assert [one["type"] for one in sticker] == ["sticker", "image"]
    assert place[0]["payload"]["coordinates"].keys() == {"lat", "long"}


async def test_a_quick_reply_brings_its_payload(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    quick = [{"content_type": "text", "title": "Yes", "payload": "b:1"}]
    await send(stage, chat, message={"text": "Sure?", "quick_replies": quick})
    await stage.pushed()
    stage.simulator.press(chat, "Yes")
    [event] = await events(stage)
    assert event["message"]["text"] == "Yes"
    assert event["message"]["quick_reply"] == {"payload": "b:1"}
    assert chat.keyboard == ()


@pytest.mark.parametrize(("reading", "has"), [("in quick_reply.payload", True), ("in the text alone", False)])
async def test_a_shared_phone(stage: Stage, reading: str, has: bool) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.readings.choose("messenger_shared_phone", reading)
    await send(
        stage, chat, message={"text": "Phone?", "quick_replies": [{"content_type": "user_phone_number"}]}
    )
    await stage.pushed()
    stage.simulator.press(chat, "Share phone number")
    [event] = await events(stage)
    assert event["message"]["text"] == chat.person.phone
    assert (event["message"].get("quick_reply") == {"payload": chat.person.phone}) is has


async def test_a_shared_email(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    await send(stage, chat, message={"text": "E-mail?", "quick_replies": [{"content_type": "user_email"}]})
    await stage.pushed()
    stage.simulator.press(chat, "Share e-mail")
    [event] = await events(stage)
    email = chat.person.email
    assert (event["message"]["text"], event["message"]["quick_reply"]) == (email, {"payload": email})
    assert chat.keyboard == ()


async def test_a_template_button_is_a_postback(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    buttons = [{"type": "postback", "title": "Yes", "payload": "b:1"}]
    template = {"template_type": "button", "text": "Sure?", "buttons": buttons}
    await send(stage, chat, message={"attachment": {"type": "template", "payload": template}})
    await stage.pushed()
    stage.simulator.press(chat, "Yes")
    [event] = await events(stage)
    assert (event["postback"]["title"], event["postback"]["payload"]) == ("Yes", "b:1")
    assert "referral" not in event["postback"]


async def test_what_is_sent_comes_back_as_an_echo_and_is_delivered_and_read(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    sent = await send(stage, chat, message={"text": "Hi", "metadata": "outbox-7"})
    stage.simulator.read(chat)
    told = {
        key: event for event in await events(stage) for key in ("message", "delivery", "read") if key in event
    }
    echo, delivery, read = (told[key] for key in ("message", "delivery", "read"))
    assert echo["sender"] == {"id": "100200300"}
    assert echo["message"] == {
        "mid": sent["message_id"],
        "is_echo": True,
        "app_id": 555,
        "text": "Hi",
        "metadata": "outbox-7",
    }
    assert delivery["delivery"]["mids"] == [sent["message_id"]]
    assert read["read"]["watermark"] >= echo["timestamp"]


async def test_a_delivery_may_come_without_mids(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.readings.choose("messenger_delivery_mids", "absent")
    await send(stage, chat)
    deliveries = [event["delivery"] for event in await events(stage) if "delivery" in event]
    assert [delivery.keys() for delivery in deliveries] == [{"watermark"}]


async def test_typing_is_shown_until_it_is_switched_off(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    recipient = {"id": chat.user_id}
    answer = await stage.graph("POST", "me/messages", recipient=recipient, sender_action="typing_on")
    assert answer == {"recipient_id": chat.user_id}
    assert chat.typing
    await stage.graph("POST", "me/messages", recipient=recipient, sender_action="typing_off")
    assert not chat.typing


async def test_edits_and_unsent_messages_are_told_in_one_reading_alone(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    line = last_of(chat, Side.PERSON)
    stage.simulator.edit(chat, line.id, "Quietly")
    assert await events(stage) == []
    stage.simulator.readings.choose("messenger_edits", "told")
    stage.simulator.edit(chat, line.id, "Aloud")
    stage.simulator.delete(chat, line.id)
    edit, deletion = await events(stage)
    assert edit["message_edit"] == {"mid": line.id, "text": "Aloud", "num_edit": 1}
    assert deletion["message"] == {"mid": line.id, "is_deleted": True}


@pytest.mark.parametrize(("reading", "code", "status"), [("551", 551, 400), ("2", 2, 500)])
async def test_a_block_is_seen_only_when_sending(stage: Stage, reading: str, code: int, status: int) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.readings.choose("messenger_blocked_code", reading)
    stage.simulator.block(chat)
    assert await events(stage) == []
    answer = await stage.send(chat, "Hi")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    stage.simulator.unblock(chat)
    assert (await stage.send(chat, "Hi")).status_code == 200


@pytest.mark.parametrize(
    ("later", "given", "code"),
    [
        (DAY - 5, {}, None),
        (DAY + 1, {}, 10),
        (DAY + 1, {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}, None),
        (7 * DAY + 1, {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}, 10),
        (DAY + 1, {"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}, 100),
        (DAY + 1, {"messaging_type": "MESSAGE_TAG"}, 100),
    ],
)
async def test_the_window_for_answers(
    stage: Stage, later: float, given: dict[str, str], code: int | None
) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.world.advance(later)
    assert (await send(stage, chat, **given)).get("error", {}).get("code") == code


async def test_readings_of_the_tags(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.world.advance(DAY + 1)
    stage.simulator.readings.choose("messenger_human_agent", "not granted")
    stage.simulator.readings.choose("messenger_older_tags", "accepted")
    tagged = {"messaging_type": "MESSAGE_TAG"}
    assert (await send(stage, chat, **tagged, tag="HUMAN_AGENT"))["error"]["error_subcode"] == 2018276
    assert "message_id" in await send(stage, chat, **tagged, tag="ACCOUNT_UPDATE")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"recipient": {"id": "1"}}, 100),
        ({"recipient": {}}, 100),
        ({"message": {}}, 100),
        ({"message": {"text": "x" * 2001}}, 100),
        ({"message": {"text": "Hi", "metadata": "x" * 1001}}, 100),
        ({"message": {"text": "Hi", "quick_replies": [{"content_type": "text", "title": "x"}]}}, 100),
        ({"message": {"text": "Hi", "quick_replies": [{"content_type": "user_phone_number"}] * 14}}, 100),
        ({"access_token": "wrong"}, 190),
        ({"appsecret_proof": "wrong"}, 100),
    ],
)
async def test_a_bad_message_is_refused(stage: Stage, given: dict[str, Any], code: int) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    usual = {"recipient": {"id": chat.user_id}, "message": {"text": "x" * 2000}}
    answer = await stage.http.post("/graph/v26.0/me/messages", json={"access_token": "", **usual, **given})
    if "access_token" not in given:
        answer = await stage.http.post(
            "/graph/v26.0/me/messages", params={"access_token": MESSENGER.page_token}, json=usual | given
        )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, code)
    assert error["fbtrace_id"]
    assert shown(chat) == []
    assert "message_id" in await send(stage, chat, **usual)


async def test_the_right_proof_and_a_bearer_token_are_taken(stage: Stage) -> None:
    proof = hmac.digest(MESSENGER.app_secret.encode(), MESSENGER.page_token.encode(), "sha256").hex()
    headers = {"Authorization": f"Bearer {MESSENGER.page_token}"}
    query = {"fields": "id,name,username", "appsecret_proof": proof}
    answer = await stage.http.get("/graph/v25.0/100200300", params=query, headers=headers)
    assert answer.json() == {"id": "100200300", "name": "Shop", "username": "shop.page"}


async def test_the_profile_of_a_person(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    fields = "first_name,last_name,profile_pic,locale"
    profile = await stage.graph("GET", chat.user_id, fields=fields)
    assert profile["first_name"] == chat.person.first_name
    assert (await stage.http.get(profile["profile_pic"])).headers["content-type"] == "image/png"
    unknown = await stage.graph("GET", "7001")
    assert (unknown["error"]["code"], unknown["error"]["error_subcode"]) == (100, 33)


async def test_a_webhook_has_to_know_the_verify_token(stage: Stage) -> None:
    given = {"object": "page", "callback_url": stage.hook.url, "verify_token": "verify", "fields": "messages"}
    stage.hook.answer = lambda received: (
        (200, received.query["hub.challenge"])
        if received.query["hub.verify_token"] == "verify"
        else (403, "")
    )
    answer = await stage.graph("POST", "555/subscriptions", **(given | {"verify_token": "guess"}))
    assert answer["error"]["code"] == 2200
    assert await stage.graph("GET", "555/subscriptions") == {"data": []}
    assert await stage.graph("POST", "555/subscriptions", **given) == {"success": True}
    [subscription] = (await stage.graph("GET", "555/subscriptions"))["data"]
    assert subscription["callback_url"] == stage.hook.url
    assert stage.hook.got[0].query["hub.mode"] == "subscribe"


@pytest.mark.parametrize(
    "given",
    [
        {"callback_url": "https://shop.example/"},
        {"callback_url": "http://127.0.0.1:1/"},
        {"object": "user"},
        {"fields": "messages,everything"},
    ],
)
async def test_a_bad_subscription_is_refused(stage: Stage, given: dict[str, str]) -> None:
    usual = {"object": "page", "callback_url": stage.hook.url, "verify_token": "v", "fields": "messages"}
    assert "error" in await stage.graph("POST", "555/subscriptions", **(usual | given))
    assert await stage.graph("POST", "555/subscriptions", **usual) == {"success": True}


async def test_a_page_is_subscribed_apart_from_the_app(stage: Stage) -> None:
    await stage.connect_messenger()
    assert await stage.graph("DELETE", "me/subscribed_apps") == {"success": True}
    assert await stage.graph("GET", "me/subscribed_apps") == {"data": []}
    chat = opened(stage)
    stage.simulator.start(chat)
    assert await stage.pushed() == []
    await stage.graph("POST", "me/subscribed_apps", subscribed_fields="messages")
    [app] = (await stage.graph("GET", "100200300/subscribed_apps"))["data"]
    assert (app["id"], app["subscribed_fields"]) == ("555", ["messages"])
    stage.simulator.say(chat, "Hello")
    assert len(await stage.pushed()) == 1


async def test_the_messenger_profile_is_kept(stage: Stage) -> None:
    menu = [{"locale": "default", "call_to_actions": []}]
    refused = await stage.graph("POST", "me/messenger_profile", persistent_menu=menu)
    assert refused["error"]["code"] == 100
    await stage.graph("POST", "me/messenger_profile", get_started={"payload": "GO"})
    kept = await stage.graph("GET", "me/messenger_profile", fields="get_started,greeting")
    assert kept == {"data": [{"get_started": {"payload": "GO"}}]}


async def test_two_events_may_come_in_one_call(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.readings.choose("messenger_batches", "two events a call")
    stage.simulator.say(chat, "One")
    assert await stage.pushed() == []
    stage.simulator.say(chat, "Two")
    [received] = await stage.pushed()
    texts = [event["message"]["text"] for event in received.json()["entry"][0]["messaging"]]
    assert texts == ["One", "Two"]


async def test_messages_are_pushed_in_order_while_one_fails(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    answers = iter([(500, ""), (500, "")])
    stage.hook.answer = lambda _: next(answers, (200, ""))
    stage.simulator.say(chat, "One")
    stage.simulator.say(chat, "Two")
    assert [event["message"]["text"] for event in await events(stage)] == ["One", "One", "One", "Two"]


@pytest.mark.parametrize(("reading", "tries"), [("36 hours", 25), ("1 hour", 7)])
async def test_meta_gives_up_some_day(stage: Stage, reading: str, tries: int) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.simulator.world.pace = 0.000001
    stage.simulator.readings.choose("messenger_retry_span", reading)
    stage.hook.answer = lambda _: (500, "")
    stage.simulator.say(chat, "Lost")
    assert len(await stage.pushed()) == tries
    assert stage.outcomes("push")[-1] == "given up"


@pytest.mark.parametrize(("fault", "code"), [("too_many", 613), ("bad_token", 190), ("window_closed", 10)])
async def test_faults_speak_the_platforms_words(stage: Stage, fault: str, code: int) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    stage.fault(fault, platform="messenger", times=1)
    assert (await send(stage, chat))["error"]["code"] == code
    assert "message_id" in await send(stage, chat)
