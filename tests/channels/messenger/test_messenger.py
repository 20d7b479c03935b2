"""Facebook Messenger: what Meta sends, what we send, and what each refusal means."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from pywa.utils import webhook_updates_validator

from knopka.channels._http import Api
from knopka.channels.messenger import FIELDS, Messenger
from knopka.domain.errors import (
    BadRequest,
    ChannelBroken,
    ChatGone,
    Retryable,
    UntrustedWebhook,
    WindowClosed,
)
from knopka.domain.messaging import (
    AttachmentKind,
    Button,
    ChannelConfig,
    ChannelEvent,
    EventKind,
    Finding,
    InAttachment,
    Level,
    OutboundMessage,
    Profile,
    SetupReport,
    WindowKind,
)
from tests.channels.contract import KEY, SILENCE, WEBHOOK, Fault, Hook, Platform, Said, SignedContract

HERE = Path(__file__).parent
SECRET = "knopka-test-app-secret"
TOKEN = "EAAB-test-page-token"
WORD = "the-word-of-our-webhook"
PAGE = "100200300"
APP = "4001"
PROOF = "f395d02a0a17cd5f1ee56610f7771b70ed4da2c9ee53bb5de9e7da890286a56b"
PERSON = "7001"
CODE = "k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUF"

STARTED = (
    b'{"object":"page","entry":[{"id":"100200300","time":1767225600000,"messaging":[{"sender":{"id":"7001"},'
    b'"recipient":{"id":"100200300"},"timestamp":1767225600123,"postback":{"mid":"m_AAA","title":'
    b'"Get Started","payload":"GET_STARTED","referral":{"ref":"kn_Zm9vYmFy-01","source":"SHORTLINK",'
    b'"type":"OPEN_THREAD"}}}]}]}'
)
STARTED_SIGNATURE = "sha256=af6ede2eb7428bf02afdcf9e10e72e0fb5e9de55ce43673fc933f2ba2a051bab"
ESCAPED = (
    b'{"object":"page","entry":[{"id":"100200300","time":1767225601000,"messaging":[{"sender":{"id":"7001"},'
    b'"recipient":{"id":"100200300"},"timestamp":1767225601123,"message":{"mid":"m_BBB","text":'
    b'"\\u041f\\u0440\\u0438\\u0432\\u0435\\u0442"}}]}]}'
)
ESCAPED_SIGNATURE = "sha256=ec1a1b9b37d9fb8502f273fce0a2f7e8f3a414f029c0dd584dae7040a798da3d"
REWRITTEN_SIGNATURE = "sha256=05b241a1d8f004b0f70a19b4c1c56091717b8ce9874a9f8f5fb8521346389c0d"
INSTAGRAM = (
    b'{"object":"instagram","entry":[{"id":"17841400000000000","time":1767225600000,"messaging":[{"sender":'
    b'{"id":"8001"},"recipient":{"id":"17841400000000000"},"timestamp":1767225600123,"referral":{"ref":'
    b'"kn_Zm9vYmFy-01","source":"SHORTLINKS","type":"OPEN_THREAD"}}]}]}'
)
INSTAGRAM_SIGNATURE = "sha256=70768fe56440a94fefb23d0e9a51b9699772aa95f07ef9b75a5c443c9c1098dc"
WHATSAPP = (
    b'{"object":"whatsapp_business_account","entry":[{"id":"222333444","changes":[{"field":"messages","value":'
    b'{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001111","phone_number_id":'
    b'"555666777"},"contacts":[{"profile":{"name":"Ivan"},"wa_id":"79990001122","user_id":'
    b'"RU.13491208655302741918"}],"messages":[{"from":"79990001122","from_user_id":"RU.13491208655302741918",'
    b'"id":"wamid.TEST1","timestamp":"1767225600","type":"text","text":{"body":"Hello [kn:Zm9vYmFy]"}}]}}]}]}'
)
WHATSAPP_SIGNATURE = "sha256=abcbb6437ca06da16aac48f6fdc8431a70a42b77c19bba9e3b38d41eed1700c6"


def refuse(code: int, subcode: int = 0, status: int = 400, message: str = "No") -> httpx.Response:
    """An error of the Graph API."""
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A"}
    return httpx.Response(
        status, json={"error": {**error, **({"error_subcode": subcode} if subcode else {})}}
    )


def make(platform: Platform = SILENCE, **values: str) -> Messenger:
    given = {"page_id": PAGE, "page_token": TOKEN, "app_secret": SECRET, **values}
    return Messenger(
        ChannelConfig(values=given, webhook_secret=WORD), Api(platform.client(), "https://graph.facebook.com")
    )


def envelope(*items: dict[str, Any], page: str = PAGE) -> bytes:
    return json.dumps({"object": "page", "entry": [{"id": page, "time": 1, "messaging": items}]}).encode()


def item(**more: Any) -> dict[str, Any]:
    return {"sender": {"id": PERSON}, "recipient": {"id": PAGE}, "timestamp": 1767225600123, **more}


def read(name: str) -> ChannelEvent:
    """The one event of a sample."""
    (event,) = make().parse((HERE / f"{name}.json").read_bytes())
    return event


def attached(name: str) -> tuple[InAttachment, ...]:
    event = read(name)
    assert event.kind is EventKind.MESSAGE
    return event.attachments


class TestMessenger(SignedContract):
    samples: ClassVar[Path] = HERE
    secret = SECRET
    hidden = (SECRET, TOKEN, WORD, PROOF)
    chat_id = PERSON
    taken = b'{"message_id":"m_new"}'
    unknown = (
        INSTAGRAM,
        WHATSAPP,
        envelope(item(message={"mid": "m_1", "text": "To another Page"}), page="999"),
        envelope(item(reaction={"mid": "m_ours_1", "action": "react", "emoji": "❤", "reaction": "love"})),
        envelope(item(optin={"type": "notification_messages", "payload": "x"})),
        envelope(item(message={"mid": "m_2", "is_unsupported": True})),
        envelope(
            item(
                message={"mid": "m_3", "attachments": [{"type": "appointment_booking", "payload": {"id": 1}}]}
            )
        ),
        envelope({**item(message={"mid": "m_4", "text": "Hi"}), "sender": {"user_ref": "a"}}),
        b'{"object":"page","entry":[{"id":"100200300","standby":[{"sender":{"id":"7001"},"message":{"mid":"a"}}]}]}',
        b'{"object":"page","entry":[{"id":"100200300","changes":[{"field":"feed","value":{"item":"like"}}]}]}',
    )
    unreadable = (
        b'{"object":"page"}',
        b'{"object":"page","entry":{}}',
        b'{"entry":[]}',
        b'{"object":1.5,"entry":[]}',
    )
    faults = (
        Fault("the person is not available", refuse(551, 1545041), ChatGone),
        Fault("nobody of this id", refuse(100, 2018001), ChatGone),
        Fault("blocked, told by the subcode alone", refuse(200, 1545041), ChatGone),
        Fault("the app is not live", refuse(200, 2018108), ChatGone),
        Fault("the 24 hours are over", refuse(10, 2018278), WindowClosed),
        Fault("over, as Instagram says it", refuse(10, 2534022), WindowClosed),
        Fault("Human Agent was not approved", refuse(100, 2018276), WindowClosed),
        Fault("the token was revoked", refuse(190, 460, 401, f"Malformed token {TOKEN}"), ChannelBroken),
        Fault("a right is missing", refuse(10), ChannelBroken),
        Fault("a right of the app is missing", refuse(200, status=403), ChannelBroken),
        Fault("blocked for a breach of the rules", refuse(368), ChannelBroken),
        Fault("the Page cannot be seen", refuse(100, 33), ChannelBroken),
        Fault("unknown error", refuse(1, status=500), Retryable),
        Fault("service unavailable", refuse(2, status=500), Retryable, 0.0),
        *(Fault(f"too many: {code}", refuse(code), Retryable, 60.0) for code in (4, 17, 32, 613, 80004)),
        Fault("told how long", httpx.Response(429, headers={"retry-after": "7"}), Retryable, 7.0),
        Fault("bad gateway", httpx.Response(502, text="<html>"), Retryable),
        Fault("a parameter is wrong", refuse(100), BadRequest),
        Fault("a code that nobody knows", refuse(987654), BadRequest),
    )  # fmt: skip

    def make(self, platform: Platform = SILENCE, *, secret: str | None = None) -> Messenger:
        return make(platform, app_secret=SECRET if secret is None else secret)

    def sign(self, body: bytes, secret: str | None) -> Hook:
        if secret is None:
            return Hook(body)
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return Hook(body, {"x-hub-signature-256": f"sha256={digest}"})

    # Who is believed

    @pytest.mark.parametrize(
        ("body", "signature"),
        [
            (STARTED, STARTED_SIGNATURE),
            (ESCAPED, ESCAPED_SIGNATURE),
            (INSTAGRAM, INSTAGRAM_SIGNATURE),
            (WHATSAPP, WHATSAPP_SIGNATURE),
        ],
    )
    def test_S_HOOK_01_known_signatures_are_believed_here_and_by_others(
        self, body: bytes, signature: str
    ) -> None:
        make().verify({"x-hub-signature-256": signature}, {}, body)
        assert webhook_updates_validator(SECRET, body, signature)

    def test_S_HOOK_02_the_signature_of_a_rewritten_body_is_another_one(self) -> None:
        rewritten = json.dumps(json.loads(ESCAPED), separators=(",", ":"), ensure_ascii=False).encode()
        assert len(ESCAPED) == 235
        assert len(rewritten) == 211
        make().verify({"x-hub-signature-256": REWRITTEN_SIGNATURE}, {}, rewritten)
        with pytest.raises(UntrustedWebhook):
            make().verify({"x-hub-signature-256": REWRITTEN_SIGNATURE}, {}, ESCAPED)

    def test_S_HOOK_01_the_older_signature_counts_for_nothing(self) -> None:
        sha1 = "sha1=183f1e8412618db188cf4a4df26bdadff95666f6"
        for headers in ({"x-hub-signature": sha1}, {"x-hub-signature-256": sha1}):
            with pytest.raises(UntrustedWebhook):
                make().verify(headers, {}, STARTED)

    def test_S_HOOK_01_a_signature_without_its_prefix_or_in_capitals_is_refused(self) -> None:
        for given in (STARTED_SIGNATURE.removeprefix("sha256="), STARTED_SIGNATURE.upper(), "sha256=é"):
            with pytest.raises(UntrustedWebhook):
                make().verify({"x-hub-signature-256": given}, {}, STARTED)

    def test_who_knows_our_word_gets_the_number_back(self) -> None:
        asked = {"hub.mode": "subscribe", "hub.verify_token": WORD, "hub.challenge": "1158201444"}
        answer = make().answer_challenge(asked)
        assert answer is not None
        assert (answer.status, answer.body) == (200, b"1158201444")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"hub.verify_token": WORD[:-1]},
            {"hub.verify_token": ""},
            {"hub.mode": "unsubscribe"},
            {"hub.mode": ""},
        ],
    )
    def test_who_does_not_know_our_word_gets_nothing(self, wrong: dict[str, str]) -> None:
        asked = {"hub.mode": "subscribe", "hub.verify_token": WORD, "hub.challenge": "1158201444"}
        answer = make().answer_challenge({**asked, **wrong})
        assert answer is not None
        assert (answer.status, answer.body) == (403, b"")

    def test_S_HOOK_01_without_a_word_nobody_knows_it(self) -> None:
        channel = Messenger(ChannelConfig(values={}), Api(SILENCE.client(), "https://graph.facebook.com"))
        for given in ({}, {"hub.verify_token": ""}):
            answer = channel.answer_challenge({"hub.mode": "subscribe", "hub.challenge": "1", **given})
            assert answer is not None
            assert answer.status == 403

    # The link

    def test_the_link_is_of_the_page_and_brings_both_codes(self) -> None:
        url = make(username="tea.shop").deep_link().url
        assert url.startswith("https://m.me/tea.shop?ref={code}&text=")
        asked = parse_qs(urlsplit(url.format(code=CODE, short="7Q4K2M5X")).query)
        assert asked == {"ref": [CODE], "text": ["Здравствуйте! [kn:7Q4K2M5X]"]}

    def test_a_page_without_a_name_is_linked_by_its_number(self) -> None:
        assert make().deep_link().url.startswith(f"https://m.me/{PAGE}?")

    def test_the_link_may_begin_elsewhere_and_greet_in_other_words(self) -> None:
        config = ChannelConfig(
            values={"page_id": PAGE, "greeting": "Hi & {you}"}, link_base="http://127.0.0.1:8090/m"
        )
        link = Messenger(config, Api(SILENCE.client(), "https://graph.facebook.com")).deep_link()
        assert link.url.startswith(f"http://127.0.0.1:8090/m/{PAGE}?ref=")
        assert "text=Hi%20%26%20%7Byou%7D%20%5Bkn%3A{short}%5D" in link.url
        assert not link.needs_app

    # What is read

    def test_get_started_opens_the_chat_and_brings_the_code(self) -> None:
        event = read("postback__get_started")
        assert (event.kind, event.code, event.chat_id) == (EventKind.OPENED, CODE, PERSON)
        assert event.event_id == "mid:m_started"
        assert event.text == ""
        assert event.at == datetime.fromtimestamp(event.raw["timestamp"] / 1000, UTC)

    def test_a_ref_of_another_form_is_foreign(self) -> None:
        (event,) = make().parse(STARTED)
        assert (event.kind, event.code, event.event_id) == (EventKind.OPENED, None, "mid:m_AAA")

    def test_get_started_by_itself_opens_the_chat_without_a_code(self) -> None:
        event = read("postback__get_started_alone")
        assert (event.kind, event.code) == (EventKind.OPENED, None)

    def test_a_click_in_an_old_chat_opens_it_with_the_code(self) -> None:
        event = read("referral__existing_thread")
        assert event.kind is EventKind.OPENED
        assert event.code is not None

    def test_what_a_link_of_somebodys_own_carried_is_told_apart_from_our_code(self) -> None:
        clicks = [make().parse(envelope(item(referral={"ref": ref})))[0] for ref in ("promo__42", CODE)]
        assert [(event.start, event.code) for event in clicks] == [("promo__42", None), ("", CODE)]

    def test_S_HOOK_05_two_clicks_are_two_events_and_a_repeat_is_none(self) -> None:
        first = item(referral={"ref": CODE})
        others = [
            first,
            {**first, "timestamp": 1767225600124},
            {**first, "sender": {"id": "7002"}},
            item(referral={"ref": CODE[::-1]}),
        ]
        assert len({make().parse(envelope(one))[0].event_id for one in others}) == len(others)
        assert make().parse(envelope(first))[0].event_id == make().parse(envelope(first))[0].event_id

    def test_who_writes_first_brings_the_code_with_the_message(self) -> None:
        event = read("message__with_code")
        assert (event.kind, event.code) == (EventKind.MESSAGE, CODE)
        assert event.text == "Hello [kn:7Q4K2M5X]"

    def test_a_message_knows_what_it_answers(self) -> None:
        event = read("message__reply")
        assert (event.message_id, event.reply_to, event.text) == ("m_reply", "m_ours_1", "That one")

    def test_a_pressed_quick_reply_is_a_message_with_its_payload(self) -> None:
        event = read("message__quick_reply")
        assert (event.kind, event.text, event.payload) == (EventKind.MESSAGE, "Delivery", "b:1:2:0")

    def test_a_shared_phone_is_the_persons_own(self) -> None:
        event = read("message__quick_reply_phone")
        shared = InAttachment(kind=AttachmentKind.CONTACT, phone="+37060000000", is_own_phone=True)
        assert (event.kind, event.attachments, event.payload) == (EventKind.MESSAGE, (shared,), "")

    def test_a_typed_phone_is_a_text(self) -> None:
        (event,) = make().parse(envelope(item(message={"mid": "m_1", "text": "+37060000000"})))
        assert (event.text, event.attachments) == ("+37060000000", ())

    def test_any_other_postback_is_a_pressed_button(self) -> None:
        event = read("postback__button")
        assert (event.kind, event.payload, event.text) == (EventKind.CALLBACK, "b:1:2:0", "Delivery")
        assert event.event_id == "mid:m_pressed"

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("message__audio", AttachmentKind.AUDIO),
            ("message__video", AttachmentKind.VIDEO),
            ("message__sticker", AttachmentKind.STICKER),
            ("message__file", AttachmentKind.FILE),
            ("message__unknown_file", AttachmentKind.FILE),
        ],
    )
    def test_what_has_a_file_is_fetched_from_its_address(self, name: str, kind: AttachmentKind) -> None:
        (attachment,) = attached(name)
        assert attachment.kind is kind
        assert attachment.source.startswith("https://")

    def test_every_picture_of_a_message_is_kept(self) -> None:
        assert [one.kind for one in attached("message__image")] == [AttachmentKind.PHOTO] * 2

    def test_a_file_is_called_as_the_end_of_its_address(self) -> None:
        assert attached("message__file")[0].name == "price list.pdf"

    def test_a_sticker_with_its_picture_is_one_sticker(self) -> None:
        assert attached("message__sticker_pair") == attached("message__sticker")

    def test_a_place_has_its_coordinates(self) -> None:
        (place,) = attached("message__location")
        assert (place.title, place.latitude, place.longitude) == ("The office", 54.687157, 25.0)

    @pytest.mark.parametrize(
        ("name", "label"),
        [
            ("message__fallback", "Tea"),
            ("message__reel", "A cup"),
            ("message__post", "A pot"),
            ("message__unknown_link", "A thing"),
        ],
    )
    def test_what_stands_elsewhere_is_a_link(self, name: str, label: str) -> None:
        (link,) = attached(name)
        assert (link.kind, link.source, link.name) == (AttachmentKind.LINK, "", label)
        assert link.title.startswith("https://")

    def test_our_own_message_comes_back_with_its_mark(self) -> None:
        event = read("message__echo_of_ours")
        assert (event.kind, event.chat_id, event.message_id) == (EventKind.ECHO, PERSON, "m_ours_1")
        assert event.echo_mark == make().echo_mark(KEY) == f"knopka:{KEY}"

    def test_what_staff_writes_elsewhere_has_no_mark(self) -> None:
        event = read("message__echo_of_staff")
        assert (event.kind, event.echo_mark, event.text) == (EventKind.ECHO, "", "Written in Business Suite")

    def test_an_edit_is_of_its_message_and_has_an_identity_of_its_own(self) -> None:
        event = read("message_edit__second")
        assert (event.kind, event.message_id, event.text) == (EventKind.EDITED, "m_text", "Good evening!")
        third = make().parse(envelope(item(message_edit={"mid": "m_text", "text": "No", "num_edit": 3})))[0]
        assert len({event.event_id, third.event_id, read("message__text").event_id}) == 3

    def test_what_was_taken_back_is_deleted(self) -> None:
        event = read("message__deleted")
        assert (event.kind, event.message_id) == (EventKind.DELETED, "m_gone")

    def test_delivered_names_messages_or_a_time(self) -> None:
        named, timed = read("delivery__mids"), read("delivery__watermark")
        assert named.kind is timed.kind is EventKind.DELIVERED
        assert named.message_ids == ("m_ours_1", "m_ours_2")
        assert (timed.message_ids, timed.watermark) == ((), datetime.fromtimestamp(1767225801, UTC))

    def test_read_is_up_to_a_time(self) -> None:
        event = read("read__watermark")
        assert (event.kind, event.watermark) == (EventKind.READ, datetime.fromtimestamp(1767225802, UTC))

    def test_a_batch_is_read_whole_and_in_its_order(self) -> None:
        events = make().parse((HERE / "batch__two_entries.json").read_bytes())
        assert [event.text for event in events] == ["One", "Two", "Three"]

    def test_another_pages_message_is_never_ours(self) -> None:
        said = item(message={"mid": "m_1", "text": "To whom?"})
        entries = [{"id": page, "time": 1, "messaging": [said]} for page in (PAGE, "999")]
        ours, theirs = make().parse(json.dumps({"object": "page", "entry": entries}).encode())
        assert (ours.kind, theirs.kind, theirs.chat_id) == (EventKind.MESSAGE, EventKind.OTHER, "")

    # What is sent

    async def test_a_text_is_sent_as_an_answer_with_our_mark(self) -> None:
        platform = Platform({"messages": {"recipient_id": PERSON, "message_id": "m_new"}})
        message = OutboundMessage(chat_id=PERSON, text="**Yes**, it is.")
        sent = await make(platform).send(message, KEY)
        (request,) = platform.requests
        assert sent.message_id == "m_new"
        assert request.url.path == f"/v26.0/{PAGE}/messages"
        assert json.loads(request.content) == {
            "recipient": {"id": PERSON},
            "messaging_type": "RESPONSE",
            "message": {"text": "Yes, it is.", "metadata": f"knopka:{KEY}"},
        }

    async def test_S_SEC_05_the_token_travels_in_a_header_and_its_proof_in_the_address(self) -> None:
        platform = Platform({"messages": {"message_id": "m_new"}})
        await make(platform).send(OutboundMessage(chat_id=PERSON, text="Hello"), KEY)
        (request,) = platform.requests
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert dict(request.url.params) == {"appsecret_proof": PROOF}

    async def test_buttons_are_quick_replies(self) -> None:
        buttons = (
            (Button("Delivery", "b:1:2:0"), Button("A label that is longer than twenty", "p" * 2000)),
            (Button("Just words"), Button("My phone", asks_phone=True)),
        )
        content = await self._sent("Which one?", buttons)
        assert content["quick_replies"] == [
            {"content_type": "text", "title": "Delivery", "payload": "b:1:2:0"},
            {"content_type": "text", "title": "A label that is long", "payload": "p" * 1000},
            {"content_type": "text", "title": "Just words", "payload": "Just words"},
            {"content_type": "user_phone_number"},
        ]

    async def test_an_email_is_asked_for_by_a_quick_reply_of_its_own(self) -> None:
        content = await self._sent("Your e-mail?", ((Button("My e-mail", asks_email=True),),))
        assert content["quick_replies"] == [{"content_type": "user_email"}]

    async def test_buttons_without_room_are_numbered_lines(self) -> None:
        buttons = tuple((Button(f"Choice {number}", f"b:{number}"),) for number in range(1, 16))
        content = await self._sent(
            "Which one?", (*buttons, (Button("Our site", url="https://shop.example"),))
        )
        assert len(content["quick_replies"]) == 13
        assert content["text"] == (
            "Which one?\n14. Choice 14\n15. Choice 15\n16. Our site: https://shop.example"
        )

    async def _sent(self, text: str, buttons: tuple[tuple[Button, ...], ...]) -> dict[str, Any]:
        platform = Platform({"messages": {"message_id": "m_new"}})
        await make(platform).send(OutboundMessage(chat_id=PERSON, text=text, buttons=buttons), KEY)
        content: dict[str, Any] = json.loads(platform.requests[0].content)["message"]
        return content

    async def test_beyond_the_window_an_approved_app_answers_as_a_person(self) -> None:
        platform = Platform({"messages": {"message_id": "m_new"}})
        late = OutboundMessage(chat_id=PERSON, text="Sorry for the wait", is_beyond_window=True)
        await make(platform, human_agent="on").send(late, KEY)
        body = json.loads(platform.requests[0].content)
        assert (body["messaging_type"], body["tag"]) == ("MESSAGE_TAG", "HUMAN_AGENT")
        await make(platform, human_agent="on").send(replace(late, is_beyond_window=False), KEY)
        assert json.loads(platform.requests[1].content)["messaging_type"] == "RESPONSE"

    async def test_beyond_the_window_nothing_is_even_tried_without_that_right(self) -> None:
        late = OutboundMessage(chat_id=PERSON, text="Sorry for the wait", is_beyond_window=True)
        with pytest.raises(WindowClosed):
            await make(SILENCE).send(late, KEY)
        assert SILENCE.requests == []

    def test_the_window_tells_whether_a_person_may_be_late(self) -> None:
        usual, approved = make().caps.window, make(human_agent="on").caps.window
        assert usual is not None
        assert approved is not None
        assert (usual.kind, usual.length, usual.late) == (WindowKind.CLOSES, timedelta(hours=24), None)
        assert approved == replace(usual, late=timedelta(days=7))

    async def test_typing_and_reading_are_told(self) -> None:
        platform = Platform({"messages": {"recipient_id": PERSON}})
        await make(platform).type(PERSON)
        await make(platform).mark_read(PERSON, "m_text")
        actions = [json.loads(request.content)["sender_action"] for request in platform.requests]
        assert actions == ["typing_on", "mark_seen"]

    async def test_a_file_is_fetched_from_its_address_without_the_token(self) -> None:
        platform = Platform({"a.jpg": httpx.Response(200, content=b"picture")})
        source = "https://scontent.xx.fbcdn.net/v/a.jpg?oh=1"
        assert b"".join([part async for part in make(platform).fetch(source)]) == b"picture"
        assert "authorization" not in platform.requests[0].headers

    # Who somebody is

    async def test_a_person_has_name_language_and_picture(self) -> None:
        told = {
            "id": PERSON,
            "first_name": "Ivan",
            "last_name": "Petrov",
            "locale": "ru_RU",
            "profile_pic": "https://p",
        }
        platform = Platform({PERSON: told})
        expected = Profile(name="Ivan Petrov", language="ru", avatar="https://p")
        assert await make(platform).profile(PERSON) == expected

    @pytest.mark.parametrize(
        "said", [refuse(100, 2018218), refuse(100, 33), refuse(10), refuse(200, status=403), refuse(551)]
    )
    async def test_who_tells_nothing_has_no_profile_and_the_chat_goes_on(self, said: Said) -> None:
        assert await make(Platform({PERSON: said})).profile(PERSON) is None

    async def test_a_revoked_token_is_seen_at_a_profile_too(self) -> None:
        with pytest.raises(ChannelBroken):
            await make(Platform({PERSON: refuse(190, 460)})).profile(PERSON)

    # Setting up

    async def test_the_page_is_subscribed_and_shows_get_started(self) -> None:
        platform = Platform(ready())
        report = await make(platform).setup(WEBHOOK)
        assert report == SetupReport(
            "Tea",
            {"name": "Tea", "username": "tea.shop"},
            (Finding(Level.WARNING, "webhook_by_hand", WEBHOOK),),
            PAGE,
        )
        (subscribed,) = platform.asked("subscribed_apps")
        assert subscribed.method == "POST"
        assert subscribed.url.params["subscribed_fields"].split(",") == list(FIELDS)
        (shown,) = platform.asked("messenger_profile")
        assert json.loads(shown.content) == {"get_started": {"payload": "GET_STARTED"}}

    async def test_with_its_id_the_app_is_told_where_to_send(self) -> None:
        platform = Platform(ready())
        report = await make(platform, app_id=APP).setup(WEBHOOK)
        assert report.findings == (Finding(Level.OK, "webhook_set"),)
        (told,) = platform.asked("subscriptions")
        assert told.url.path == f"/v26.0/{APP}/subscriptions"
        assert told.headers["authorization"] == f"Bearer {APP}|{SECRET}"
        assert SECRET not in str(told.url)
        assert dict(parse_qsl(told.content.decode())) == {
            "object": "page",
            "callback_url": WEBHOOK,
            "verify_token": WORD,
            "fields": ",".join(FIELDS),
        }

    async def test_without_a_public_address_nothing_is_changed(self) -> None:
        platform = Platform(ready())
        for report in (await make(platform).setup(""), await make(platform).check("")):
            assert report.findings == (Finding(Level.BROKEN, "needs_public_address"),)
            assert report.title == "Tea"
        assert {request.method for request in platform.requests} == {"GET"}

    @pytest.mark.parametrize(
        ("name", "said", "code"),
        [
            (PAGE, refuse(190, 460, 401, f"Malformed access token {TOKEN}"), "token_rejected"),
            (PAGE, refuse(10), "permission_missing"),
            (PAGE, refuse(100, 33), "page_not_found"),
            (PAGE, {"id": "999", "name": "Another"}, "page_not_found"),
            ("subscribed_apps", refuse(200, status=403), "permission_missing"),
            ("subscribed_apps", refuse(100), "not_subscribed"),
            ("messenger_profile", refuse(100), "no_get_started"),
            ("subscriptions", refuse(2200), "webhook_error"),
        ],
    )
    async def test_each_refusal_of_the_set_up_has_its_code(self, name: str, said: Said, code: str) -> None:
        report = await make(Platform({**ready(), name: said}), app_id=APP).setup(WEBHOOK)
        (broken,) = [finding for finding in report.findings if finding.level is Level.BROKEN]
        assert broken.code == code
        assert TOKEN not in broken.detail

    async def test_a_set_up_that_meets_a_limit_may_be_tried_again(self) -> None:
        with pytest.raises(Retryable):
            await make(Platform({**ready(), PAGE: refuse(4)})).setup(WEBHOOK)

    async def test_a_check_of_what_stands_finds_it_and_changes_nothing(self) -> None:
        platform = Platform(standing())
        report = await make(platform, app_id=APP).check(WEBHOOK)
        assert report.findings == (Finding(Level.OK, "webhook_set"),)
        assert {request.method for request in platform.requests} == {"GET"}

    @pytest.mark.parametrize(
        ("name", "said", "found"),
        [
            (
                "subscribed_apps",
                {"data": [{"id": APP, "subscribed_fields": [*FIELDS[1:]]}]},
                Finding(Level.BROKEN, "not_subscribed", "messages"),
            ),
            (
                "subscribed_apps",
                {"data": [{"id": "another", "subscribed_fields": [*FIELDS]}]},
                Finding(Level.BROKEN, "not_subscribed", ", ".join(sorted(FIELDS))),
            ),
            ("messenger_profile", {"data": []}, Finding(Level.WARNING, "no_get_started")),
            ("subscriptions", {"data": []}, Finding(Level.BROKEN, "webhook_elsewhere")),
            (
                "subscriptions",
                {"data": [{"object": "page", "callback_url": "https://other.example/", "active": True}]},
                Finding(Level.BROKEN, "webhook_elsewhere"),
            ),
        ],
    )
    async def test_a_check_finds_what_has_changed(self, name: str, said: Said, found: Finding) -> None:
        report = await make(Platform({**standing(), name: said}), app_id=APP).check(WEBHOOK)
        assert [one for one in report.findings if one.level is not Level.OK] == [found]

    async def test_leaving_ends_this_pages_events_alone(self) -> None:
        platform = Platform({"subscribed_apps": {"success": True}})
        await make(platform).leave()
        assert [(one.method, one.url.path) for one in platform.requests] == [
            ("DELETE", f"/v26.0/{PAGE}/subscribed_apps")
        ]


def ready() -> dict[str, Said]:
    """A Page that takes whatever is set up."""
    done = {"success": True}
    return {
        PAGE: {"id": PAGE, "name": "Tea", "username": "tea.shop"},
        "subscribed_apps": done,
        "messenger_profile": {"result": "success"},
        "subscriptions": done,
    }


def standing() -> dict[str, Said]:
    """A Page on which everything is set up."""
    return {
        PAGE: {"id": PAGE, "name": "Tea", "username": "tea.shop"},
        "subscribed_apps": {"data": [{"id": APP, "subscribed_fields": [*FIELDS, "feed"]}]},
        "messenger_profile": {"data": [{"get_started": {"payload": "GET_STARTED"}}]},
        "subscriptions": {
            "data": [{"object": "page", "callback_url": WEBHOOK, "active": True, "fields": []}]
        },
    }
