"""Telegram: the questions of every channel, and what is Telegram's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from telegram import Update

from knopka.channels._http import LONGEST_WAIT, Api
from knopka.channels.telegram import POLL_SECONDS, SECRET_HEADER, UPDATES, Telegram
from knopka.domain.errors import BadRequest, ChannelBroken, ChatGone, DeliveryError, Retryable, Uncertain
from knopka.domain.messaging import (
    AttachmentKind,
    Button,
    ChannelConfig,
    ChannelEvent,
    EventKind,
    Level,
    OutboundMessage,
)
from tests.channels.contract import KEY, SILENCE, WEBHOOK, ChannelContract, Fault, Hook, Platform

HERE = Path(__file__).parent
TOKEN = "100200300:AAToken-of-the-bot"
SECRET = "s3cret_TOKEN-1"
CODE = "k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUF"
PRIVATE = {"id": 55, "type": "private", "first_name": "Ivan"}
CHAT = {"id": -100, "type": "supergroup", "title": "All"}


def refusal(status: int, words: str, **parameters: Any) -> httpx.Response:
    body = {"ok": False, "error_code": status, "description": words}
    return httpx.Response(status, json=body | ({"parameters": parameters} if parameters else {}))


def update(**found: Any) -> bytes:
    return json.dumps({"update_id": 7, **found}).encode()


class TestTelegram(ChannelContract):
    samples = HERE
    secret = SECRET
    hidden = (TOKEN, SECRET)
    chat_id = "55"
    taken = b'{"ok":true,"result":{"message_id":7}}'
    unknown = (
        update(poll={"id": "1"}),
        update(message={"message_id": 1, "date": 1, "chat": CHAT, "text": "to all"}),
        update(my_chat_member={"chat": CHAT, "date": 1, "new_chat_member": {"status": "kicked"}}),
        update(message={"date": 1}),
        update(callback_query={}),
        update(callback_query={"id": "1", "from": {"id": 55}, "message": {"message_id": 1, "chat": CHAT}}),
        update(message={"message_id": 1, "date": 1, "chat": PRIVATE, "pinned_message": {"message_id": 2}}),
        update(edited_message={"message_id": 1, "date": 1, "edit_date": 2, "chat": PRIVATE}),
        update(),
    )
    unreadable = (b'{"message":{}}', b'{"update_id":"x"}')
    faults = (
        Fault("flood", refusal(429, "Too Many Requests: retry after 7", retry_after=7), Retryable, 7.0),
        Fault(
            "flood for ever", refusal(429, "Too Many Requests", retry_after=10**9), Retryable, LONGEST_WAIT
        ),
        Fault("flood without a figure", refusal(429, "Too Many Requests"), Retryable, 1.0),
        *(Fault(f"status {status}", httpx.Response(status), Retryable) for status in (500, 502, 503, 504)),
        Fault("blocked", refusal(403, "Forbidden: bot was blocked by the user"), ChatGone),
        Fault("deactivated", refusal(403, "Forbidden: user is deactivated"), ChatGone),
        Fault("no chat", refusal(400, "Bad Request: chat not found"), ChatGone),
        Fault("moved", refusal(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-5), ChatGone),
        Fault("revoked", refusal(401, "Unauthorized"), ChannelBroken),
        Fault("bad token", refusal(404, "Not Found"), ChannelBroken),
        Fault("conflict", refusal(409, "Conflict"), ChannelBroken),
        Fault("too long", refusal(400, "Bad Request: message is too long"), BadRequest),
    )

    def make(self, platform: Platform = SILENCE, *, secret: str | None = None) -> Telegram:
        config = ChannelConfig(
            values={"token": TOKEN, "username": "tea_shop_bot"},
            webhook_secret=self.secret if secret is None else secret,
        )
        return Telegram(config, Api(platform.client(), "https://api.telegram.org"))

    def sign(self, body: bytes, secret: str | None) -> Hook:
        return Hook(body, {} if secret is None else {SECRET_HEADER: secret})


def make(platform: Platform = SILENCE, **values: str) -> Telegram:
    config = ChannelConfig(
        values={"token": TOKEN, "username": "tea_shop_bot", **values}, webhook_secret=SECRET
    )
    return Telegram(config, Api(platform.client(), "https://api.telegram.org"))


def read(name: str) -> ChannelEvent:
    (event,) = make().parse((HERE / f"{name}.json").read_bytes())
    return event


def asked(platform: Platform, method: str) -> dict[str, Any]:
    (request,) = platform.asked(method)
    found: dict[str, Any] = json.loads(request.content)
    return found


def ok(result: Any) -> dict[str, Any]:
    return {"ok": True, "result": result}


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("message__start_with_code", EventKind.OPENED, CODE),
        ("message__start_at_bot", EventKind.OPENED, CODE),
        ("message__start_alone", EventKind.OPENED, None),
        ("message__start_foreign", EventKind.OPENED, None),
        ("message__text", EventKind.MESSAGE, None),
        ("message__poll", EventKind.MESSAGE, None),
        ("message__dice", EventKind.MESSAGE, None),
        ("message__album_part", EventKind.MESSAGE, None),
        ("edited_message__text", EventKind.EDITED, None),
        ("edited_message__live_location", EventKind.EDITED, None),
        ("callback_query__press", EventKind.CALLBACK, None),
        ("callback_query__old_message", EventKind.CALLBACK, None),
        ("my_chat_member__kicked", EventKind.BLOCKED, None),
        ("my_chat_member__member", EventKind.UNBLOCKED, None),
    ],
)
def test_each_update_is_what_it_is(name: str, kind: EventKind, code: str | None) -> None:
    event = read(name)
    assert (event.kind, event.code, event.chat_id) == (kind, code, "55")


def test_what_a_link_of_somebodys_own_carried_is_told_apart_from_our_code() -> None:
    events = map(read, ("message__start_foreign", "message__start_with_code", "message__start_alone"))
    assert [event.start for event in events] == ["summer", "", ""]


def test_the_command_of_start_is_no_word_of_the_visitors() -> None:
    assert read("message__start_with_code").text == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("message__album_part", "С двух сторон"),
        ("message__poll", "Чай или кофе?"),
        ("message__dice", "🎲"),
        ("callback_query__old_message", "b:1:2:4"),
    ],
)
def test_what_has_no_text_says_what_it_shows(name: str, words: str) -> None:
    assert read(name).text == words


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.json")))
def test_another_library_reads_the_samples_as_we_do(name: str) -> None:
    event = read(name)
    update = Update.de_json(json.loads((HERE / f"{name}.json").read_text()), None)
    assert update is not None
    assert update.effective_user is not None
    assert str(update.effective_user.id) == event.user_id
    if event.profile is not None:
        assert update.effective_user.full_name == event.profile.name
    message = update.effective_message
    if message is not None:
        assert str(message.message_id) == (event.message_id or str(message.message_id))
        assert str(message.chat.id) == event.chat_id


@pytest.mark.parametrize("text", ["/start me up please", "/starting", "say /start", "/start " + "x" * 65])
def test_what_only_looks_like_start_is_a_message(text: str) -> None:
    message = {"message_id": 1, "date": 1, "chat": {"id": 55, "type": "private"}, "text": text}
    (event,) = make().parse(update(message=message))
    assert (event.kind, event.text) == (EventKind.MESSAGE, text)


def test_S_HOOK_05_a_number_that_begins_anew_makes_no_other_message() -> None:
    body = json.loads((HERE / "message__text.json").read_text())
    again = make().parse(json.dumps({**body, "update_id": 5}).encode())
    assert again[0].event_id == read("message__text").event_id


@pytest.mark.parametrize(
    ("name", "kind", "source"),
    [
        ("message__photo", AttachmentKind.PHOTO, "photo-x"),
        ("message__document", AttachmentKind.FILE, "doc-1"),
        ("message__voice", AttachmentKind.VOICE, "voice-1"),
        ("message__audio", AttachmentKind.AUDIO, "audio-1"),
        ("message__video", AttachmentKind.VIDEO, "video-1"),
        ("message__video_note", AttachmentKind.VIDEO, "note-1"),
        ("message__animation", AttachmentKind.VIDEO, "anim-1"),
        ("message__sticker", AttachmentKind.STICKER, "sticker-1"),
        ("message__animated_sticker", AttachmentKind.STICKER, ""),
        ("message__location", AttachmentKind.LOCATION, ""),
        ("message__venue", AttachmentKind.LOCATION, ""),
        ("message__own_contact", AttachmentKind.CONTACT, ""),
    ],
)
def test_each_attachment_is_what_it_is(name: str, kind: AttachmentKind, source: str) -> None:
    (only,) = read(name).attachments
    assert (only.kind, only.source) == (kind, source)


def test_a_phone_is_ones_own_only_if_telegram_says_so() -> None:
    assert read("message__own_contact").attachments[0].is_own_phone
    assert not read("message__other_contact").attachments[0].is_own_phone


def test_a_press_says_what_stood_on_the_button() -> None:
    event = read("callback_query__press")
    assert (event.text, event.payload) == ("Курьер", "b:1:2:3")


def test_the_link_names_the_bot() -> None:
    assert make().deep_link().url == "https://t.me/tea_shop_bot?start={code}"


@pytest.mark.anyio
async def test_a_message_shows_its_marks_and_buttons() -> None:
    platform = Platform({"sendMessage": ok({"message_id": 31})})
    rows = ((Button("Курьер", "b:1"),), (Button("Сайт", url="https://shop.example"),))
    message = OutboundMessage(chat_id="55", text="**Как** доставить?", buttons=rows)
    sent = await make(platform).send(message, KEY)
    assert sent.message_id == "31"
    said = asked(platform, "sendMessage")
    assert (said["chat_id"], said["text"]) == ("55", "Как доставить?")
    assert said["entities"] == [{"type": "bold", "offset": 0, "length": 3}]
    assert said["reply_markup"]["inline_keyboard"][0] == [{"text": "Курьер", "callback_data": "b:1"}]


@pytest.mark.anyio
async def test_a_button_that_asks_for_a_phone_stands_below_the_input() -> None:
    platform = Platform({"sendMessage": ok({"message_id": 31})})
    rows = ((Button("Поделиться телефоном", asks_phone=True),),)
    await make(platform).send(OutboundMessage(chat_id="55", text="Телефон?", buttons=rows), KEY)
    keys = asked(platform, "sendMessage")["reply_markup"]["keyboard"]
    assert keys == [[{"text": "Поделиться телефоном", "request_contact": True}]]


@pytest.mark.anyio
async def test_a_link_beside_such_a_button_keeps_its_address() -> None:
    platform = Platform({"sendMessage": ok({"message_id": 31})})
    rows = (
        (Button("Поделиться телефоном", asks_phone=True), Button("Сайт", url="https://shop.example/a_b")),
        (Button("Карта", url="https://maps.example"),),
    )
    await make(platform).send(OutboundMessage(chat_id="55", text="**Телефон?**", buttons=rows), KEY)
    said = asked(platform, "sendMessage")
    assert said["text"] == "Телефон?\n2. Сайт: https://shop.example/a_b\n3. Карта: https://maps.example"
    assert said["entities"] == [{"type": "bold", "offset": 0, "length": 8}]
    assert [[key["text"] for key in row] for row in said["reply_markup"]["keyboard"]] == [
        ["Поделиться телефоном"]
    ]


LONG = ((Button("Phone", asks_phone=True), Button("Shop", url="https://shop.example/" + "a" * 80)),)


@pytest.mark.anyio
async def test_lines_without_room_under_the_text_follow_it_with_the_keyboard() -> None:
    platform = Platform({"sendMessage": ok({"message_id": 31})})
    await make(platform).send(OutboundMessage(chat_id="55", text="a" * 4090, buttons=LONG), KEY)
    said = [json.loads(request.content) for request in platform.requests]
    assert [len(one["text"]) for one in said] == [4090, 110]
    assert said[1]["text"].startswith("2. Shop: https://shop.example/")
    assert ["reply_markup" in one for one in said] == [False, True]


@pytest.mark.anyio
async def test_what_fails_after_its_beginning_was_taken_is_in_doubt_and_before_that_is_not() -> None:
    def answer_first(_request: httpx.Request) -> httpx.Response:
        is_first = len(platform.requests) == 1
        return httpx.Response(200 if is_first else 429, json=ok({"message_id": 31}) if is_first else {})

    message = OutboundMessage(chat_id="55", text="a" * 4090, buttons=LONG)
    platform = Platform({"sendMessage": answer_first})
    with pytest.raises(Uncertain, match="Only its beginning was taken"):
        await make(platform).send(message, KEY)
    with pytest.raises(Retryable):
        await make(Platform({"sendMessage": httpx.Response(429, json={})})).send(message, KEY)


@pytest.mark.anyio
async def test_more_buttons_than_telegram_shows_are_numbered_lines() -> None:
    platform = Platform({"sendMessage": ok({"message_id": 31})})
    rows = tuple((Button(f"Tea {number}", f"b:{number}"),) for number in range(1, 103))
    await make(platform).send(OutboundMessage(chat_id="55", text="Which?", buttons=rows), KEY)
    said = asked(platform, "sendMessage")
    assert said["text"] == "Which?\n101. Tea 101\n102. Tea 102"
    assert len(said["reply_markup"]["inline_keyboard"]) == 100


@pytest.mark.anyio
async def test_a_payload_that_telegram_would_refuse_is_not_sent() -> None:
    rows = ((Button("x", "ж" * 33),),)
    with pytest.raises(BadRequest):
        await make().send(OutboundMessage(chat_id="55", text="?", buttons=rows), KEY)


BOT = ok({"id": 9, "username": "tea_shop_bot"})


@pytest.mark.anyio
async def test_set_up_sets_the_webhook_with_its_secret() -> None:
    platform = Platform({"getMe": BOT, "setWebhook": ok(True)})
    report = await make(platform).setup(WEBHOOK)
    assert (report.title, report.level) == ("@tea_shop_bot", Level.OK)
    assert report.values == {"username": "tea_shop_bot", "bot_id": "9"}
    said = asked(platform, "setWebhook")
    assert (said["url"], said["secret_token"]) == (WEBHOOK, SECRET)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [401, 404])
async def test_a_token_that_nobody_knows_is_a_finding(status: int) -> None:
    platform = Platform({"getMe": refusal(status, "Unauthorized")})
    for asks in (make(platform).setup, make(platform).check):
        report = await asks(WEBHOOK)
        assert [(finding.level, finding.code) for finding in report.findings] == [
            (Level.BROKEN, "token_rejected")
        ]


@pytest.mark.anyio
async def test_without_a_public_address_telegram_is_asked_for_news() -> None:
    platform = Platform({"getMe": BOT, "deleteWebhook": ok(True)})
    report = await make(platform).setup("")
    assert [finding.code for finding in report.findings] == ["polling"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("info", "level", "codes"),
    [
        ({"url": WEBHOOK, "pending_update_count": 0}, Level.OK, ["webhook_set"]),
        ({"url": WEBHOOK, "allowed_updates": [*UPDATES, "poll"]}, Level.OK, ["webhook_set"]),
        ({"url": WEBHOOK, "allowed_updates": ["message"]}, Level.WARNING, ["events_missing"]),
        ({"url": WEBHOOK, "last_error_message": "Timeout, long ago"}, Level.OK, ["webhook_set"]),
        ({"url": ""}, Level.BROKEN, ["webhook_removed"]),
        ({"url": "https://other.example/"}, Level.BROKEN, ["webhook_elsewhere"]),
        (
            {"url": WEBHOOK, "pending_update_count": 200, "last_error_message": "Connection refused"},
            Level.WARNING,
            ["webhook_error", "pending_updates"],
        ),
    ],
)
async def test_a_check_tells_how_the_webhook_stands(
    info: dict[str, Any], level: Level, codes: list[str]
) -> None:
    report = await make(Platform({"getMe": BOT, "getWebhookInfo": ok(info)})).check(WEBHOOK)
    assert (report.level, [finding.code for finding in report.findings]) == (level, codes)


@pytest.mark.anyio
async def test_a_poll_goes_on_behind_the_last_update() -> None:
    platform = Platform({"getUpdates": ok([{"update_id": 81, "message": {}}, {"update_id": 82}])})
    polled = await make(platform).poll("81")
    assert (len(polled.bodies), polled.cursor) == (2, "83")
    assert asked(platform, "getUpdates")["offset"] == 81
    assert platform.requests[0].extensions["timeout"]["read"] > POLL_SECONDS
    nothing = await make(Platform({"getUpdates": ok([])})).poll("83")
    assert (nothing.bodies, nothing.cursor) == ((), "83")


@pytest.mark.anyio
async def test_a_profile_is_a_name_and_the_largest_picture() -> None:
    photos = {"total_count": 1, "photos": [[{"file_id": "a", "width": 160}, {"file_id": "b", "width": 640}]]}
    platform = Platform({"getChat": ok({"id": 55, "first_name": "Ivan"}), "getUserProfilePhotos": ok(photos)})
    profile = await make(platform).profile("55")
    assert profile is not None
    assert (profile.name, profile.avatar) == ("Ivan", "b")


@pytest.mark.anyio
async def test_a_file_is_fetched_by_its_id() -> None:
    platform = Platform(
        {"getFile": ok({"file_path": "photos/1.jpg"}), "1.jpg": httpx.Response(200, text="JPEG")}
    )
    parts = [part async for part in make(platform).fetch("photo-x")]
    assert b"".join(parts) == b"JPEG"
    assert platform.requests[-1].url.path == f"/file/bot{TOKEN}/photos/1.jpg"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("words", "reason"),
    [("Bad Request: file is too big", "too_large"), ("Bad Request: wrong file_id", "gone")],
)
async def test_a_file_that_telegram_does_not_give_has_a_reason(words: str, reason: str) -> None:
    platform = Platform({"getFile": refusal(400, words)})
    with pytest.raises(BadRequest, match=f"^{reason}$"):
        [part async for part in make(platform).fetch("photo-x")]


@pytest.mark.anyio
async def test_S_SEC_05_a_file_that_is_gone_tells_no_token() -> None:
    platform = Platform({"getFile": ok({"file_path": "photos/1.jpg"}), "1.jpg": httpx.Response(404)})
    with pytest.raises(DeliveryError) as failure:
        [part async for part in make(platform).fetch("photo-x")]
    assert failure.value.message == "gone"
    assert TOKEN not in repr(failure.value)
