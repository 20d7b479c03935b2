"""Viber: what it sends, what we send, and what each refusal means."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from viberbot import Api as ViberApi
from viberbot import BotConfiguration
from viberbot.api.viber_requests import (
    ViberConversationStartedRequest,
    create_request,
)

from knopka.channels._http import Api
from knopka.channels.viber import EVENTS, Viber
from knopka.domain.errors import BadRequest, ChannelBroken, ChatGone, Retryable, UntrustedWebhook
from knopka.domain.messaging import (
    AttachmentKind,
    Button,
    ChannelConfig,
    ChannelEvent,
    EventKind,
    Finding,
    HttpReply,
    InAttachment,
    Level,
    OutboundMessage,
    Profile,
    SetupReport,
    Window,
    WindowKind,
)
from tests.channels.contract import (
    KEY,
    SILENCE,
    WEBHOOK,
    Fault,
    Hook,
    Platform,
    Said,
    SignedContract,
    list_samples,
)

HERE = Path(__file__).parent
TOKEN = "4453b6ac12345678-e02c5f12174805f9-knopkatesttoken1"
PERSON = "01234567890A="
CODE = "k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUF"
SAVED_CODE = "m2Zm9vYmFyQUJDREVGR0hJSktMTU5PUF"

STARTED = (
    '{"event":"conversation_started","timestamp":1767225600123,"chat_hostname":"SN-CHAT-01_",'
    '"message_token":4912661846655238145,"type":"open","context":"kn_Zm9vYmFy-01","user":{"id":"01234567890A=",'
    '"name":"Иван","avatar":"https://media.example/avatar.jpg","country":"RU","language":"ru",'
    '"api_version":10},"subscribed":false}'
).encode()
STARTED_SIGNATURE = "d22cca9728106e4f8ca5832fb813652a38bc4571b587cd14aa6af1bfac181b0f"
PROBE = b'{"event":"webhook","timestamp":1767225600000,"message_token":241256543215,"chat_hostname":"SN_"}'
ACCOUNT = {
    "status": 0,
    "status_message": "ok",
    "id": "pa:75346594275468546724",
    "name": "Tea",
    "uri": "teashop",
    "webhook": WEBHOOK,
    "event_types": ["message", *EVENTS],
}


def refuse(status: int, words: str = "no") -> dict[str, Any]:
    return {"status": status, "status_message": words}


def make(platform: Platform = SILENCE, **values: str) -> Viber:
    given = {"token": TOKEN, "uri": "teashop", "name": "Tea", **values}
    return Viber(ChannelConfig(values=given), Api(platform.client(), "https://chatapi.viber.com"))


def judge() -> ViberApi:
    """Viber's own library for bots."""
    return ViberApi(BotConfiguration(name="Tea", avatar="", auth_token=TOKEN))


def sign(body: bytes, token: str = TOKEN) -> str:
    return hmac.new(token.encode(), body, hashlib.sha256).hexdigest()


def event(name: str, **more: Any) -> bytes:
    return json.dumps({"event": name, "timestamp": 1767225600123, "message_token": 49, **more}).encode()


def read(name: str) -> ChannelEvent:
    """The one event of a sample."""
    (found,) = make().parse((HERE / f"{name}.json").read_bytes())
    return found


def attached(name: str) -> InAttachment:
    found = read(name)
    assert found.kind is EventKind.MESSAGE
    (attachment,) = found.attachments
    return attachment


class TestViber(SignedContract):
    samples: ClassVar[Path] = HERE
    secret = TOKEN
    hidden = (TOKEN,)
    chat_id = PERSON
    taken = b'{"status":0,"message_token":1}'
    unknown = (
        event("client_status", user={"id": PERSON}),
        event("message", sender={"id": PERSON}, message={"type": "hologram"}),
        event("message", sender={"id": PERSON}, message={"type": "picture"}),
        event("message", message={"type": "text", "text": "From nobody"}),
        event("seen", user_id=PERSON, message_token=None),
        event("conversation_started", type="open", subscribed=False),
    )
    unreadable = (b'{"event":""}', b'{"event":7}', b'{"status":0}')
    faults = (
        *(Fault(f"nobody there: {status}", refuse(status), ChatGone) for status in (5, 6, 11, 13)),
        *(
            Fault(f"for the owner: {status}", refuse(status), ChannelBroken)
            for status in (2, 7, 8, 9, 10, 14, 15)
        ),
        *(Fault(f"our defect: {status}", refuse(status), BadRequest) for status in (1, 3, 4)),
        Fault("too many to one who is silent", refuse(12), Retryable, 3600.0),
        Fault("a status that nobody knows", refuse(24), Retryable, 0.0),
        Fault("told how long", httpx.Response(429, headers={"retry-after": "9"}), Retryable, 9.0),
        Fault("bad gateway", httpx.Response(502, text="<html>"), Retryable),
        Fault("a page of somebody else's", httpx.Response(403, text="<html>"), BadRequest),
    )

    def make(self, platform: Platform = SILENCE, *, secret: str | None = None) -> Viber:
        return make(platform, token=TOKEN if secret is None else secret)

    def sign(self, body: bytes, secret: str | None) -> Hook:
        return Hook(body, {} if secret is None else {"x-viber-content-signature": sign(body, secret)})

    # Who is believed

    def test_S_HOOK_01_a_known_signature_is_believed_here_and_by_vibers_own_library(self) -> None:
        make().verify({"x-viber-content-signature": STARTED_SIGNATURE}, {}, STARTED)
        assert judge().verify_signature(STARTED, STARTED_SIGNATURE)

    def test_vibers_own_library_reads_the_samples_as_we_do(self) -> None:
        started = create_request(json.loads(STARTED))
        assert isinstance(started, ViberConversationStartedRequest)
        (ours,) = make().parse(STARTED)
        assert ours.profile is not None
        assert (started.user.id, started.user.name) == (ours.chat_id, ours.profile.name)
        for body in list_samples(HERE):
            if b"hologram" not in body:
                assert str(create_request(json.loads(body)).event_type) == json.loads(body)["event"]
            assert judge().verify_signature(body, self.sign(body, TOKEN).headers["x-viber-content-signature"])

    def test_S_HOOK_01_a_signature_in_capitals_or_with_a_prefix_is_refused(self) -> None:
        for given in (STARTED_SIGNATURE.upper(), f"sha256={STARTED_SIGNATURE}", "é"):
            with pytest.raises(UntrustedWebhook):
                make().verify({"x-viber-content-signature": given}, {}, STARTED)

    def test_the_question_whether_anybody_is_there_may_be_signed_or_not_and_changes_nothing(self) -> None:
        make().verify({}, {}, PROBE)
        make().verify({"x-viber-content-signature": sign(PROBE)}, {}, PROBE)
        assert make().parse(PROBE) == []
        assert make().reply([]) == HttpReply()

    @pytest.mark.parametrize(
        "body",
        [
            PROBE.replace(b'"webhook"', b'"Webhook"'),
            PROBE.replace(b'"webhook"', b'["webhook"]'),
            b'{"event":"webhook","event":"message"}',
            b"webhook",
        ],
    )
    def test_S_HOOK_01_nothing_else_passes_without_a_signature(self, body: bytes) -> None:
        with pytest.raises(UntrustedWebhook):
            make().verify({}, {}, body)

    def test_S_HOOK_01_a_wrong_signature_is_refused_even_of_that_question(self) -> None:
        with pytest.raises(UntrustedWebhook):
            make().verify({"x-viber-content-signature": sign(PROBE, "another")}, {}, PROBE)

    def test_S_HOOK_01_without_a_token_even_that_question_is_refused(self) -> None:
        with pytest.raises(UntrustedWebhook):
            make(token="").verify({}, {}, PROBE)

    # The link

    def test_the_link_is_of_the_app_and_brings_both_codes(self) -> None:
        link = make().deep_link()
        assert link.needs_app
        assert link.url.startswith("viber://pa?chatURI=teashop&context={code}&text=")
        asked = parse_qs(urlsplit(link.url.format(code=CODE, short="7Q4K2M5X")).query)
        assert asked == {"chatURI": ["teashop"], "context": [CODE], "text": ["Здравствуйте! [kn:7Q4K2M5X]"]}

    def test_the_link_may_begin_elsewhere(self) -> None:
        config = ChannelConfig(values={"uri": "tea shop"}, link_base="http://127.0.0.1:8090/viber")
        link = Viber(config, Api(SILENCE.client(), "https://chatapi.viber.com")).deep_link()
        assert link.url.startswith("http://127.0.0.1:8090/viber?chatURI=tea%20shop&context={code}&text=")

    # What is read

    def test_who_opens_the_chat_for_the_first_time_cannot_be_written_to_yet(self) -> None:
        found = read("conversation_started__first")
        assert (found.kind, found.code, found.chat_id) == (EventKind.OPENED, CODE, PERSON)
        assert not found.may_answer
        assert found.profile == Profile(name="Иван", language="ru-RU", avatar="https://media.example/a.jpg")
        assert found.at == datetime.fromtimestamp(1767225660, UTC)

    def test_who_opens_it_again_can_be_written_to(self) -> None:
        found = read("conversation_started__known")
        assert (found.kind, found.code, found.may_answer) == (EventKind.OPENED, SAVED_CODE, True)

    def test_a_context_that_is_missing_or_of_another_form_is_no_code(self) -> None:
        assert read("conversation_started__without_link").code is None
        assert make().parse(STARTED)[0].code is None
        assert make().parse(STARTED)[0].start == "kn_Zm9vYmFy-01"

    def test_the_code_comes_a_second_time_with_the_first_words(self) -> None:
        found = read("message__tracking_data")
        assert (found.kind, found.code, found.text) == (EventKind.MESSAGE, CODE, "Здравствуйте!")

    def test_S_HOOK_05_a_long_token_keeps_all_its_digits(self) -> None:
        (found,) = make().parse(STARTED)
        assert found.event_id == "conversation_started:4912661846655238145"

    def test_S_HOOK_05_delivered_and_seen_of_one_message_are_two_events(self) -> None:
        told = [
            make().parse(event(name, user_id=person))[0].event_id
            for name in ("delivered", "seen")
            for person in ("A=", "B=")
        ]
        assert len(set(told)) == 4

    def test_who_comes_back_is_unblocked_and_who_leaves_is_blocked(self) -> None:
        back, gone = read("subscribed__again"), read("unsubscribed__person")
        assert (back.kind, gone.kind) == (EventKind.UNBLOCKED, EventKind.BLOCKED)
        assert back.chat_id == gone.chat_id == PERSON
        assert back.profile is not None
        assert back.profile.name == "Ivan"

    @pytest.mark.parametrize(
        ("name", "kind", "reason"),
        [
            ("delivered__ours", EventKind.DELIVERED, ""),
            ("seen__ours", EventKind.READ, ""),
            ("failed__keyboard", EventKind.FAILED, "The keyboard is not valid"),
        ],
    )
    def test_how_far_a_message_came_names_the_message(self, name: str, kind: EventKind, reason: str) -> None:
        found = read(name)
        assert (found.kind, found.reason, found.chat_id) == (kind, reason, PERSON)
        assert found.message_ids == (str(found.raw["message_token"]),)

    def test_a_message_has_its_sender(self) -> None:
        found = read("message__text")
        assert (found.kind, found.text, found.user_id) == (EventKind.MESSAGE, "Good evening", PERSON)
        assert found.profile == Profile(name="Ivan", language="en", avatar="https://media.example/a.jpg")

    def test_a_pressed_button_of_ours_shows_its_label(self) -> None:
        found = read("message__button")
        assert (found.kind, found.text, found.payload) == (
            EventKind.MESSAGE,
            "Delivery to Vilnius",
            "b:1:2:0",
        )

    @pytest.mark.parametrize(
        ("name", "kind", "called"),
        [
            ("message__picture", AttachmentKind.PHOTO, "p.jpg"),
            ("message__video", AttachmentKind.VIDEO, ""),
            ("message__file", AttachmentKind.FILE, "price list.pdf"),
            ("message__sticker", AttachmentKind.STICKER, ""),
            ("message__unknown_with_media", AttachmentKind.FILE, "h.holo"),
        ],
    )
    def test_what_has_a_file_is_fetched_from_its_address(
        self, name: str, kind: AttachmentKind, called: str
    ) -> None:
        attachment = attached(name)
        assert (attachment.kind, attachment.name) == (kind, called)
        assert attachment.source.startswith("https://media.example/")

    def test_a_picture_keeps_its_words_and_a_file_its_size(self) -> None:
        assert read("message__picture").text == "see"
        assert (attached("message__file").size, attached("message__video").size) == (2100, 1200)

    def test_a_sticker_without_a_picture_is_still_a_sticker(self) -> None:
        assert attached("message__sticker_bare") == InAttachment(kind=AttachmentKind.STICKER)

    def test_nobody_vouches_for_a_shared_phone(self) -> None:
        contact = attached("message__contact")
        assert (contact.kind, contact.title, contact.phone) == (AttachmentKind.CONTACT, "Ivan", "37060000000")
        assert not contact.is_own_phone

    def test_a_place_has_its_coordinates_and_a_link_its_address(self) -> None:
        place, link = attached("message__location"), attached("message__url")
        assert (place.latitude, place.longitude) == (54.687157, 25.0)
        assert (link.kind, link.title, link.source) == (AttachmentKind.LINK, "https://shop.example/tea", "")

    # What it is answered with

    def test_the_first_opening_is_welcomed_in_the_persons_language(self) -> None:
        reply = make().reply([read("conversation_started__first")])
        assert reply.media_type.startswith("application/json")
        assert json.loads(reply.body) == {
            "type": "text",
            "text": "Здравствуйте! Напишите нам, и мы ответим здесь.",
            "sender": {"name": "Tea"},
            "tracking_data": CODE,
            "min_api_version": 1,
        }

    def test_the_owner_may_welcome_in_other_words(self) -> None:
        reply = make(welcome="Come in!").reply([read("conversation_started__without_link")])
        assert json.loads(reply.body)["text"] == "Come in!"
        assert "tracking_data" not in json.loads(reply.body)
        english = json.loads(make().reply([read("conversation_started__without_link")]).body)["text"]
        assert english.startswith("Hello!")

    def test_everything_else_is_answered_with_nothing(self) -> None:
        for body in list_samples(HERE):
            events = make().parse(body)
            if events[0].may_answer:
                assert make().reply(events) == HttpReply()

    # What is sent

    async def test_a_text_is_sent_in_the_bots_name(self) -> None:
        platform = Platform({"send_message": {"status": 0, "message_token": 4912661846655238145}})
        sent = await make(platform).send(OutboundMessage(chat_id=PERSON, text="**Yes**, it is."), KEY)
        (request,) = platform.requests
        assert sent.message_id == "4912661846655238145"
        assert request.url.path == "/pa/send_message"
        assert request.headers["x-viber-auth-token"] == TOKEN
        assert json.loads(request.content) == {
            "receiver": PERSON,
            "type": "text",
            "text": "Yes, it is.",
            "sender": {"name": "Tea"},
            "min_api_version": 1,
        }

    async def test_a_senders_name_is_cut_to_what_is_taken(self) -> None:
        platform = Platform({"send_message": {"status": 0, "message_token": 1}})
        await make(platform, sender_name="The friendly tea shop of Vilnius").send(
            OutboundMessage(chat_id=PERSON, text="Hello"), KEY
        )
        assert json.loads(platform.requests[0].content)["sender"] == {"name": "The friendly tea shop of Vil"}

    async def test_buttons_are_a_keyboard_of_six_columns(self) -> None:
        rows = (
            (
                Button("Tea & <cake>", "b:1:2:0"),
                Button("Coffee", "b:1 %:1"),
                Button("None"),
                Button("All", "b:3"),
            ),
            (Button("Our site", url="https://shop.example"), Button("My phone", asks_phone=True)),
        )
        body = await self._sent(rows)
        keys = body["keyboard"]["Buttons"]
        assert [key["Columns"] for key in keys] == [2, 2, 1, 1, 3, 3]
        assert keys[0] == {
            "Columns": 2,
            "Rows": 1,
            "ActionType": "reply",
            "ActionBody": "knopka:b:1:2:0 Tea & <cake>",
            "Text": "Tea &amp; &lt;cake&gt;",
            "Silent": True,
        }
        assert [(key["ActionType"], key["ActionBody"]) for key in keys[2:]] == [
            ("reply", "None"),
            ("reply", "knopka:b:3 All"),
            ("open-url", "https://shop.example"),
            ("share-phone", "phone"),
        ]
        assert body["min_api_version"] == 3

    @pytest.mark.parametrize("payload", ["b:1:2:0", "b:1 %:1", "да", "a b c"])
    async def test_what_a_button_carries_comes_back_as_it_was(self, payload: str) -> None:
        body = await self._sent(((Button("Tea & cake", payload),),))
        assert body["min_api_version"] == 1
        said = {"type": "text", "text": body["keyboard"]["Buttons"][0]["ActionBody"]}
        (found,) = make().parse(event("message", sender={"id": PERSON}, message=said))
        assert (found.payload, found.text) == (payload, "Tea & cake")

    async def test_buttons_without_room_are_numbered_lines(self) -> None:
        rows = tuple((Button(f"Choice {number}", f"b:{number}"),) for number in range(1, 15))
        body = await self._sent((*rows, (Button("Our site", url="https://shop.example"),)))
        assert len(body["keyboard"]["Buttons"]) == 12
        assert body["text"] == "Which one?\n13. Choice 13\n14. Choice 14\n15. Our site: https://shop.example"

    async def test_a_row_that_is_too_long_goes_on_in_the_next_one(self) -> None:
        body = await self._sent((tuple(Button(str(number), f"b:{number}") for number in range(8)),))
        assert [key["Columns"] for key in body["keyboard"]["Buttons"]] == [1, 1, 1, 1, 1, 1, 3, 3]

    async def _sent(self, buttons: tuple[tuple[Button, ...], ...]) -> dict[str, Any]:
        platform = Platform({"send_message": {"status": 0, "message_token": 1}})
        await make(platform).send(OutboundMessage(chat_id=PERSON, text="Which one?", buttons=buttons), KEY)
        body: dict[str, Any] = json.loads(platform.requests[0].content)
        return body

    async def test_an_unknown_status_says_that_it_may_not_pass(self) -> None:
        with pytest.raises(Retryable, match="a status that is not known"):
            await self._send(refuse(24))

    def test_an_answer_after_a_day_costs_but_is_taken(self) -> None:
        assert make().caps.window == Window(WindowKind.COSTS, timedelta(hours=24))

    async def test_a_file_is_fetched_from_its_address_without_the_token(self) -> None:
        platform = Platform({"p.jpg": httpx.Response(200, content=b"picture")})
        assert (
            b"".join([part async for part in make(platform).fetch("https://media.example/p.jpg")])
            == b"picture"
        )
        assert "x-viber-auth-token" not in platform.requests[0].headers

    # Who somebody is

    async def test_a_person_has_name_language_and_picture(self) -> None:
        told = {"id": PERSON, "name": "Ivan", "language": "ru", "avatar": "https://p"}
        platform = Platform({"get_user_details": {"status": 0, "user": told}})
        assert await make(platform).profile(PERSON) == Profile(name="Ivan", language="ru", avatar="https://p")
        assert json.loads(platform.requests[0].content) == {"id": PERSON}

    @pytest.mark.parametrize("status", [12, 6, 3, 24])
    async def test_who_was_asked_for_too_often_has_no_profile(self, status: int) -> None:
        assert await make(Platform({"get_user_details": refuse(status)})).profile(PERSON) is None

    async def test_a_revoked_token_is_seen_at_a_profile_too(self) -> None:
        with pytest.raises(ChannelBroken):
            await make(Platform({"get_user_details": refuse(2)})).profile(PERSON)

    # Setting up

    async def test_the_bot_is_told_where_to_send(self) -> None:
        platform = Platform({"get_account_info": ACCOUNT, "set_webhook": {"status": 0}})
        report = await make(platform).setup(WEBHOOK)
        assert report == SetupReport(
            "Tea", {"name": "Tea", "uri": "teashop"}, (Finding(Level.OK, "webhook_set"),), str(ACCOUNT["id"])
        )
        assert [json.loads(one.content) for one in platform.asked("set_webhook")] == [
            {"url": WEBHOOK, "event_types": list(EVENTS), "send_name": True, "send_photo": True}
        ]

    async def test_without_a_public_address_nothing_is_changed(self) -> None:
        platform = Platform({"get_account_info": ACCOUNT})
        for report in (await make(platform).setup(""), await make(platform).check("")):
            assert report.findings == (Finding(Level.BROKEN, "needs_public_address"),)
            assert report.title == "Tea"

    @pytest.mark.parametrize(
        ("name", "said", "code"),
        [
            ("get_account_info", refuse(2), "token_rejected"),
            ("get_account_info", refuse(7), "refused"),
            ("get_account_info", {"status": 0, "name": "Tea"}, "no_uri"),
            ("set_webhook", refuse(1), "webhook_error"),
            ("set_webhook", refuse(24), "webhook_error"),
        ],
    )
    async def test_each_refusal_of_the_set_up_has_its_code(self, name: str, said: Said, code: str) -> None:
        answers: dict[str, Said] = {"get_account_info": ACCOUNT, "set_webhook": {"status": 0}, name: said}
        report = await make(Platform(answers)).setup(WEBHOOK)
        assert [(finding.level, finding.code) for finding in report.findings] == [(Level.BROKEN, code)]

    async def test_a_set_up_that_meets_a_limit_may_be_tried_again(self) -> None:
        with pytest.raises(Retryable):
            await make(Platform({"get_account_info": refuse(12)})).setup(WEBHOOK)

    @pytest.mark.parametrize(
        ("changed", "found"),
        [
            ({}, (Finding(Level.OK, "webhook_set"),)),
            ({"webhook": "https://other.example/"}, (Finding(Level.BROKEN, "webhook_elsewhere"),)),
            ({"webhook": ""}, (Finding(Level.BROKEN, "webhook_removed"),)),
            (
                {"event_types": [*EVENTS[1:]]},
                (Finding(Level.OK, "webhook_set"), Finding(Level.WARNING, "events_missing", "delivered")),
            ),
        ],
    )
    async def test_a_check_finds_what_has_changed(
        self, changed: dict[str, Any], found: tuple[Finding, ...]
    ) -> None:
        platform = Platform({"get_account_info": {**ACCOUNT, **changed}})
        assert (await make(platform).check(WEBHOOK)).findings == found

    async def test_leaving_takes_the_webhook_away(self) -> None:
        platform = Platform({"set_webhook": {"status": 0}})
        await make(platform).leave()
        assert json.loads(platform.requests[0].content) == {"url": ""}
