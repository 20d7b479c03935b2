"""VK: the questions of every channel, and what is VK's own."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from knopka.channels._http import Api
from knopka.channels.vk import VK
from knopka.domain.errors import BadRequest, ChannelBroken, ChatGone, Retryable, Uncertain
from knopka.domain.messaging import (
    AttachmentKind,
    Button,
    ChannelConfig,
    ChannelEvent,
    EventKind,
    Level,
    OutboundMessage,
    OutboxKey,
)
from tests.channels.contract import KEY, SILENCE, WEBHOOK, ChannelContract, Fault, Hook, Platform

TOKEN = "vk1.a.Token-Of-The-Community"
SECRET = "s3cretKey"
REF = "k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUF"


def error(code: int) -> dict[str, Any]:
    return {"error": {"error_code": code, "error_msg": "what VK says"}}


def other(kind: str, found: Any = None) -> bytes:
    return json.dumps({"type": kind, "group_id": 123, "secret": SECRET, "object": found or {}}).encode()


class TestVk(ChannelContract):
    samples = Path(__file__).parent
    secret = SECRET
    hidden = (TOKEN, SECRET)
    chat_id = "77"
    taken = b'{"response":51}'
    unknown = (
        other("wall_post_new"),
        other("message_new", {"message": {"peer_id": 2_000_000_001, "from_id": 77, "text": "to all"}}),
        other("message_new"),
        other("message_new", {"message": {"peer_id": 77, "from_id": 77, "text": "", "id": 9}}),
        other("message_deny"),
    )
    unreadable = (b'{"type":1}', b'{"type":""}', b'{"object":{}}')
    faults = (
        *(Fault(f"error {code}", error(code), Retryable) for code in (1, 10, 36)),
        Fault("too many a second", error(6), Retryable, 1.0),
        Fault("flood", error(9), Retryable, 3600.0),
        Fault("too many a day", error(29), Retryable, 3600.0),
        *(Fault(f"error {code}", error(code), ChatGone) for code in (900, 901, 902, 936, 950)),
        *(Fault(f"error {code}", error(code), ChannelBroken) for code in (5, 7, 14, 15, 27, 38, 912)),
        *(Fault(f"error {code}", error(code), BadRequest) for code in (100, 911, 913, 914, 0)),
        Fault("a message without a number", {"response": []}, Uncertain),
        Fault("its own error", httpx.Response(502, text="<html>"), Retryable),
        Fault("too many", httpx.Response(429, headers={"retry-after": "7"}), Retryable, 7.0),
    )

    def make(self, platform: Platform = SILENCE, *, secret: str | None = None) -> VK:
        values = {"token": TOKEN, "group_id": "123", "screen_name": "tea_shop", "confirmation": "c0nf"}
        config = ChannelConfig(values=values, webhook_secret=self.secret if secret is None else secret)
        return VK(config, Api(platform.client(), "https://api.vk.ru"))

    def sign(self, body: bytes, secret: str | None) -> Hook:
        sent = json.loads(body)
        sent.pop("secret", None)
        if secret is not None:
            sent["secret"] = secret
        return Hook(json.dumps(sent).encode())


def make(platform: Platform = SILENCE, **values: str) -> VK:
    given = {"token": TOKEN, "group_id": "123", "screen_name": "tea_shop", **values}
    config = ChannelConfig(values=given, webhook_secret=SECRET)
    return VK(config, Api(platform.client(), "https://api.vk.ru"))


def read(name: str) -> ChannelEvent:
    (event,) = make().parse((Path(__file__).parent / f"{name}.json").read_bytes())
    return event


def form(request: httpx.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.content.decode()).items()}


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("message_new__start_with_ref", EventKind.OPENED, REF),
        ("message_new__text_with_ref", EventKind.MESSAGE, REF),
        ("message_new__foreign_ref", EventKind.MESSAGE, None),
        ("message_new__text", EventKind.MESSAGE, None),
        ("message_new__before_5_103", EventKind.MESSAGE, None),
        ("message_allow__with_code", EventKind.OPENED, REF),
        ("message_allow__without_key", EventKind.UNBLOCKED, None),
        ("message_deny__blocked", EventKind.BLOCKED, None),
        ("message_edit__text", EventKind.EDITED, None),
        ("message_reply__of_staff", EventKind.ECHO, None),
        ("message_read__up_to", EventKind.READ, None),
        ("message_typing_state__typing", EventKind.TYPING, None),
        ("message_event__press", EventKind.CALLBACK, None),
    ],
)
def test_each_event_is_what_it_is(name: str, kind: EventKind, code: str | None) -> None:
    event = read(name)
    assert (event.kind, event.code) == (kind, code)
    assert event.chat_id in ("77", "78", "79")


def test_what_a_link_of_somebodys_own_carried_is_told_apart_from_our_code() -> None:
    events = map(read, ("message_new__foreign_ref", "message_new__text_with_ref"))
    assert [event.start for event in events] == ["summer_sale", ""]


def test_a_changed_message_is_as_old_as_its_change() -> None:
    assert read("message_edit__text").at - read("message_new__text").at == timedelta(seconds=60)


@pytest.mark.parametrize(("number", "named"), [(4, "4"), (0, "2")])
def test_a_message_without_a_number_of_its_own_is_named_by_its_place_in_the_chat(
    number: int, named: str
) -> None:
    body = json.loads((Path(__file__).parent / "message_new__text.json").read_text())
    body["object"]["message"]["id"] = number
    assert make().parse(json.dumps(body).encode())[0].message_id == named


def test_the_press_of_start_is_no_word_of_the_visitors() -> None:
    assert read("message_new__start_with_ref").text == ""


def test_a_message_that_comes_under_another_event_id_is_the_same_message() -> None:
    body = json.loads((Path(__file__).parent / "message_new__text.json").read_text())
    again = {**body, "event_id": "another"}
    assert make().parse(json.dumps(body).encode())[0].event_id == (
        make().parse(json.dumps(again).encode())[0].event_id
    )


def test_S_HOOK_01_another_community_with_our_secret_is_refused() -> None:
    channel = make()
    body = json.dumps({"type": "message_new", "group_id": 124, "secret": SECRET, "object": {}}).encode()
    with pytest.raises(Exception, match="not the one of this channel"):
        channel.verify({}, {}, body)


@pytest.mark.parametrize(
    ("name", "kind", "source"),
    [
        ("message_new__photo", AttachmentKind.PHOTO, "https://sun9-1.userapi.com/x.jpg"),
        ("message_new__file", AttachmentKind.FILE, "https://vk.com/doc77_1"),
        ("message_new__voice", AttachmentKind.VOICE, "https://psv4.userapi.com/v.mp3"),
        ("message_new__video", AttachmentKind.PHOTO, "https://sun9-1.userapi.com/v2.jpg"),
        ("message_new__sticker", AttachmentKind.STICKER, "https://vk.com/sticker/1-9-512"),
        ("message_new__location", AttachmentKind.LOCATION, ""),
        ("message_new__link_and_wall", AttachmentKind.LINK, ""),
    ],
)
def test_each_attachment_is_what_it_is(name: str, kind: AttachmentKind, source: str) -> None:
    first = read(name).attachments[0]
    assert (first.kind, first.source) == (kind, source)


def test_what_is_passed_on_stands_below_as_a_quotation() -> None:
    event = read("message_new__forwarded")
    assert event.text == "> Заказ 15:\n> чай, 2 пачки"
    assert [one.source for one in event.attachments] == ["https://sun9-1.userapi.com/f.jpg"]


def test_what_a_button_of_ours_carries_comes_back() -> None:
    assert read("message_new__button").payload == "b:1:2:3"
    assert read("message_event__press").payload == "b:1:2:3"


def test_vk_hears_ok_and_its_first_question_the_code() -> None:
    channel = make(confirmation="c0nf")
    assert channel.reply([read("message_new__text")]).body == b"ok"
    assert channel.reply([]).body == b"ok"
    assert channel.reply(channel.parse(other("confirmation"))).body == b"c0nf"


def test_the_echo_of_our_own_message_carries_its_mark() -> None:
    mark = make().echo_mark(KEY)
    assert 0 < int(mark) < 2**31
    assert make().echo_mark(KEY) == mark
    assert read("message_reply__of_ours").echo_mark == "1234567"


def test_a_random_id_is_a_number_of_31_bits_and_never_none() -> None:
    marks = [int(make().echo_mark(OutboxKey(f"{number:032x}"))) for number in range(200)]
    assert all(0 < mark < 2**31 for mark in marks)
    assert len(set(marks)) == len(marks)


@pytest.mark.anyio
async def test_a_message_is_a_form_with_its_random_id_and_the_token_in_a_header() -> None:
    platform = Platform({"messages.send": {"response": 51}})
    rows = ((Button("Курьер", "b:1"), Button("Сайт", url="https://shop.example")),)
    sent = await make(platform).send(
        OutboundMessage(chat_id="77", text="**Как** доставить?", buttons=rows), KEY
    )
    assert sent.message_id == "51"
    (request,) = platform.asked("messages.send")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(request.url)
    fields = form(request)
    assert (fields["peer_id"], fields["message"]) == ("77", "Как доставить?")
    assert fields["random_id"] == make().echo_mark(KEY)
    actions = [button["action"]["type"] for button in json.loads(fields["keyboard"])["buttons"][0]]
    assert actions == ["text", "open_link"]


WHOLE = {
    "id": 21, "conversation_message_id": 19, "peer_id": 77, "from_id": 77, "date": 1767225600, "version": 11,
    "text": "The beginning of a long story", "attachments": [{"type": "link", "link": {"url": "https://a.example"}}],
}  # fmt: skip


@pytest.mark.anyio
async def test_a_message_that_is_told_cut_can_be_had_whole() -> None:
    told = read("message_new__cropped")
    assert (told.kind, told.text, told.cut) == (EventKind.MESSAGE, "The beginning of a long", "19")
    platform = Platform({"messages.getByConversationMessageId": {"response": {"count": 1, "items": [WHOLE]}}})
    whole = await make(platform).reload(told.chat_id, told.cut)
    assert whole is not None
    assert (whole.kind, whole.is_whole, whole.cut) == (EventKind.EDITED, True, "")
    assert (whole.message_id, whole.text) == (told.message_id, "The beginning of a long story")
    assert [one.title for one in whole.attachments] == ["https://a.example"]
    (request,) = platform.asked("messages.getByConversationMessageId")
    fields = form(request)
    assert (fields["peer_id"], fields["conversation_message_ids"], fields["group_id"]) == ("77", "19", "123")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "items", [[], [{**WHOLE, "conversation_message_id": 20}], [{**WHOLE, "peer_id": 78}], None]
)
async def test_another_message_is_never_taken_for_the_one_that_was_cut(items: Any) -> None:
    platform = Platform({"messages.getByConversationMessageId": {"response": {"items": items}}})
    assert await make(platform).reload("77", "19") is None


def test_a_picture_alone_that_is_cut_away_is_still_a_message() -> None:
    body = {"message": {"peer_id": 77, "from_id": 77, "text": "", "id": 9, "is_cropped": True}}
    body["message"]["conversation_message_id"] = 7
    (event,) = make().parse(other("message_new", body))
    assert (event.kind, event.cut) == (EventKind.MESSAGE, "7")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("count", "shown", "lines"),
    [
        (6, [1, 1, 1, 1, 1, 1], ""),
        (7, [2, 2, 2, 1], ""),
        (12, [2, 2, 2, 2, 2], "\n11. Tea 11\n12. Tea 12"),
    ],
)
async def test_more_buttons_than_vk_shows_stand_closer_and_then_as_lines(
    count: int, shown: list[int], lines: str
) -> None:
    platform = Platform({"messages.send": {"response": 51}})
    rows = tuple((Button(f"Tea {number}", f"b:{number}"),) for number in range(1, count + 1))
    await make(platform).send(OutboundMessage(chat_id="77", text="Which?", buttons=rows), KEY)
    (request,) = platform.asked("messages.send")
    fields = form(request)
    assert fields["message"] == f"Which?{lines}"
    assert [len(row) for row in json.loads(fields["keyboard"])["buttons"]] == shown


@pytest.mark.anyio
async def test_lines_that_follow_a_long_text_are_a_message_with_a_random_id_of_its_own() -> None:
    platform = Platform({"messages.send": {"response": 51}})
    rows = tuple((Button(f"Tea {number}", f"b:{number}"),) for number in range(1, 12))
    message = OutboundMessage(chat_id="77", text="a" * 4090, buttons=rows)
    for _ in range(2):
        await make(platform).send(message, KEY)
    marks = [form(request)["random_id"] for request in platform.asked("messages.send")]
    assert marks[:2] == marks[2:]
    assert marks[0] != marks[1] == make().echo_mark(KEY)


GROUP = {"response": {"groups": [{"id": 123, "name": "The tea shop", "screen_name": "tea_shop"}]}}


@pytest.mark.anyio
@pytest.mark.parametrize("group", [GROUP, {"response": GROUP["response"]["groups"]}])
async def test_set_up_places_one_callback_server(group: dict[str, Any]) -> None:
    def add_server(_request: httpx.Request) -> httpx.Response:
        stands = [{"id": 4, "url": WEBHOOK, "status": "ok"}]
        platform.answers["groups.getCallbackServers"] = {"response": {"count": 1, "items": stands}}
        return httpx.Response(200, json={"response": {"server_id": 4}})

    platform = Platform(
        {
            "groups.getById": group,
            "groups.getCallbackConfirmationCode": {"response": {"code": "c0de"}},
            "groups.getCallbackServers": {"response": {"count": 0, "items": []}},
            "groups.addCallbackServer": add_server,
            "groups.setCallbackSettings": {"response": 1},
        }
    )
    channel = make(platform)
    report = await channel.setup(WEBHOOK)
    assert (report.title, report.level) == ("The tea shop", Level.OK)
    assert report.values == {"screen_name": "tea_shop", "confirmation": "c0de", "server_id": "4"}
    added = form(platform.asked("groups.addCallbackServer")[0])
    assert (added["url"], added["secret_key"]) == (WEBHOOK, SECRET)
    assert form(platform.asked("groups.setCallbackSettings")[0])["message_allow"] == "1"
    assert channel.reply(channel.parse(other("confirmation"))).body == b"c0de"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "level", "code"),
    [
        ("ok", Level.OK, "webhook_set"),
        ("wait", Level.WARNING, "webhook_unconfirmed"),
        ("failed", Level.BROKEN, "webhook_unconfirmed"),
        (None, Level.BROKEN, "webhook_removed"),
    ],
)
async def test_a_check_tells_how_the_callback_server_stands(
    status: str | None, level: Level, code: str
) -> None:
    items = [] if status is None else [{"id": 4, "url": WEBHOOK, "status": status}]
    platform = Platform(
        {"groups.getById": GROUP, "groups.getCallbackServers": {"response": {"items": items}}}
    )
    report = await make(platform).check(WEBHOOK)
    assert (report.level, report.findings[-1].code) == (level, code)


@pytest.mark.anyio
@pytest.mark.parametrize("status", ["wait", "failed"])
async def test_set_up_tells_when_vk_has_not_confirmed_the_address(status: str) -> None:
    stands = [{"id": 4, "url": WEBHOOK, "status": status}]
    platform = Platform(
        {
            "groups.getById": GROUP,
            "groups.getCallbackConfirmationCode": {"response": {"code": "c0de"}},
            "groups.getCallbackServers": {"response": {"count": 1, "items": stands}},
            "groups.editCallbackServer": {"response": 1},
            "groups.setCallbackSettings": {"response": 1},
        }
    )
    report = await make(platform).setup(WEBHOOK)
    assert [finding.code for finding in report.findings] == ["webhook_unconfirmed"]
    assert report.values["confirmation"] == "c0de"


@pytest.mark.anyio
async def test_without_a_public_address_vk_cannot_reach_us() -> None:
    channel = make(Platform({"groups.getById": GROUP}))
    for report in (await channel.setup(""), await channel.check("")):
        assert [finding.code for finding in report.findings] == ["needs_public_address"]


@pytest.mark.anyio
async def test_a_repeat_of_a_server_that_was_removed_there_makes_a_new_one() -> None:
    platform = Platform(
        {
            "groups.getById": GROUP,
            "groups.getCallbackConfirmationCode": {"response": {"code": "c0de"}},
            "groups.getCallbackServers": {"response": {"count": 0, "items": []}},
            "groups.editCallbackServer": error(100),
            "groups.addCallbackServer": {"response": {"server_id": 5}},
            "groups.setCallbackSettings": {"response": 1},
        }
    )
    report = await make(platform, server_id="4").setup(WEBHOOK)
    assert form(platform.asked("groups.editCallbackServer")[0])["server_id"] == "4"
    assert report.values["server_id"] == "5"


@pytest.mark.anyio
async def test_a_profile_is_a_name_and_a_picture() -> None:
    person = {"id": 77, "first_name": "Иван", "last_name": "Иванов", "photo_200": "https://x.userapi.com/a"}
    profile = await make(Platform({"users.get": {"response": [person]}})).profile("77")
    assert profile is not None
    assert (profile.name, profile.avatar) == ("Иван Иванов", "https://x.userapi.com/a")
    assert await make(Platform({"users.get": {"response": []}})).profile("77") is None
