"""Facebook Messenger: the chat of one Page, through Meta's Graph API and its webhooks."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote

from knopka.channels._buttons import add_lines, number_rows, send_each, write_lines
from knopka.channels._http import Answer, Api
from knopka.channels._json import (
    get_degrees,
    get_dict,
    get_dicts,
    get_moment,
    get_moment_or_epoch,
    get_number,
    get_text,
    get_texts,
    hash_node,
    read_object,
)
from knopka.domain.errors import (
    BadRequest,
    ChannelBroken,
    ChatGone,
    DeliveryError,
    Retryable,
    Uncertain,
    UnreadableUpdate,
    UntrustedWebhook,
    WindowClosed,
)
from knopka.domain.formatting import to_plain
from knopka.domain.messaging import (
    CODE,
    DIGITS,
    SHORT,
    SWITCH,
    AttachmentKind,
    Button,
    Capabilities,
    ChannelConfig,
    ChannelEvent,
    ChannelKind,
    DeepLink,
    EventKind,
    Finding,
    HttpReply,
    InAttachment,
    Level,
    OutboundMessage,
    OutboxKey,
    Parameter,
    Profile,
    SentMessage,
    SetupReport,
    Window,
    WindowKind,
    parse_entry_token,
    read_start,
)

VERSION = "v26.0"
GET_STARTED = "GET_STARTED"
"""What the button of that name sends. Without it a new chat brings no code (Messenger, m.me links)."""
FIELDS = (
    "messages", "messaging_postbacks", "messaging_referrals", "message_echoes", "message_deliveries",
    "message_reads", "message_reactions", "message_edits", "messaging_optins", "messaging_handovers",
    "standby",
)  # fmt: skip
GREETING = "Здравствуйте!"
GREETING_MOST = 200
"""As much as an address and its QR code hold beside the rest."""

MOST_PAYLOAD = 1000
RATE_PAUSE = 60.0
"""Seconds to wait when Meta counts too many calls: its limits are looked at over minutes and hours."""

_OF_OURS = "knopka:"
_BEGINNING = "#"
"""Stands in the mark of what goes before the rest of a message, between that one's and a number."""
_PHONE = re.compile(r"\+?\d[\d ().-]{5,18}\d")
_OWN_FILES = re.compile(r"https://[a-z0-9.-]+\.(?:fbcdn\.net|fbsbx\.com)/")
_WITH_FILE = {
    "image": AttachmentKind.PHOTO,
    "audio": AttachmentKind.AUDIO,
    "video": AttachmentKind.VIDEO,
    "file": AttachmentKind.FILE,
}


class Messenger:
    """The chat of one Page. People are known by an id that is valid for this Page alone."""

    kind: ChannelKind = ChannelKind.MESSENGER
    caps: Capabilities = Capabilities(
        text_most=2000,
        per_second=30.0,  # from 40 a second on, Meta shuts the Page's own inbox (Messenger, rate limiting)
        window=Window(WindowKind.CLOSES, timedelta(hours=24)),
        buttons_most=13,
        label_most=20,
        tells_delivered=True,
        tells_read=True,
        has_typing=True,
        marks_read=True,
        asks_phone=True,
        asks_email=True,
    )
    parameters: tuple[Parameter, ...] = (
        Parameter("page_id", "The Page's number: its About section, “Page transparency”.", form=DIGITS),
        Parameter(
            "page_token",
            "developers.facebook.com, your app, Messenger, Generate access tokens.",
            is_secret=True,
        ),
        Parameter("app_secret", "developers.facebook.com, your app, App settings, Basic.", is_secret=True),
        Parameter(
            "app_id",
            "The same place; with it the webhook is entered for you.",
            is_required=False,
            form=DIGITS,
        ),
        Parameter(
            "human_agent",
            "“on” if Meta has approved Human Agent for the app: operators may answer for 7 days.",
            is_required=False,
            form=SWITCH,
        ),
        Parameter(
            "greeting",
            "The words in the visitor's input; else “Здравствуйте!”.",
            is_required=False,
            units_most=GREETING_MOST,
        ),
    )

    def __init__(self, config: ChannelConfig, api: Api) -> None:
        self._config = config
        self._api = api
        self._page_id = config.values.get("page_id", "")
        self._token = config.values.get("page_token", "")
        self._secret = config.values.get("app_secret", "")
        self._app_id = config.values.get("app_id", "")
        self._has_human_agent = config.values.get("human_agent", "").strip().lower() == "on"
        if self._has_human_agent:
            window = Window(WindowKind.CLOSES, timedelta(hours=24), late=timedelta(days=7))
            self.caps = replace(Messenger.caps, window=window)

    def deep_link(self) -> DeepLink:
        """The Page's link. The code's short form stands in the text for whoever writes instead of pressing
        Get Started."""
        base = self._config.link_base or "https://m.me"
        name = quote(self._config.values.get("username", "") or self._page_id, safe="")
        greeting = self._config.values.get("greeting", "") or GREETING
        text = f"{quote(f'{greeting} [kn:', safe='')}{SHORT}{quote(']', safe='')}"
        return DeepLink(f"{base}/{name}?ref={CODE}&text={text}")

    # --- Webhooks.

    def verify(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None:
        """The signature is of the bytes as they came: Meta writes other letters as \\uXXXX."""
        if not self._secret:
            raise UntrustedWebhook("There is no app secret to compare with.")
        wanted = f"sha256={_sign(self._secret, body)}".encode()
        given = headers.get("x-hub-signature-256", "").encode()
        if not hmac.compare_digest(wanted, given):
            raise UntrustedWebhook("The signature is not the app's.")

    def answer_challenge(self, query: Mapping[str, str]) -> HttpReply | None:
        """Whoever knows our word is Meta, and gets its number back."""
        wanted = self._config.webhook_secret.encode()
        given = query.get("hub.verify_token", "").encode()
        is_trusted = bool(wanted) and hmac.compare_digest(wanted, given)
        if not is_trusted or query.get("hub.mode") != "subscribe":
            return HttpReply(403)
        return HttpReply(200, query.get("hub.challenge", "").encode())

    def parse(self, body: bytes) -> list[ChannelEvent]:
        update = read_object(body)
        if not get_text(update, "object") or not isinstance(update.get("entry"), list):
            raise UnreadableUpdate("The body is no envelope of Meta's.")
        is_page = update["object"] == "page"
        return [
            event
            for entry in get_dicts(update, "entry")
            for event in self._read_entry(entry, is_page=is_page)
        ]

    def _read_entry(self, entry: dict[str, Any], *, is_page: bool) -> Iterator[ChannelEvent]:
        """A webhook may bring what happens on other Pages of the same app, too."""
        is_ours = is_page and bool(self._page_id) and get_text(entry, "id") == self._page_id
        for item in get_dicts(entry, "messaging"):
            # What people say to another Page is nobody's business here.
            yield _read_item(item) if is_ours else replace(_other(item), raw={})
        for item in [*get_dicts(entry, "standby"), *get_dicts(entry, "changes")]:
            yield replace(_other(item), raw={})

    def reply(self, events: Sequence[ChannelEvent]) -> HttpReply:
        return HttpReply()

    def echo_mark(self, key: OutboxKey) -> str:
        return f"{_OF_OURS}{key}"

    # --- Setting up.

    async def setup(self, webhook_url: str) -> SetupReport:
        """Have the Page's events sent to the app, Get Started shown, and the app told where to send."""
        report = await self._look_at_page(webhook_url)
        if report.level is Level.BROKEN:
            return report
        told = [
            self._judge_step(await self._subscribe_page(), "not_subscribed"),
            self._judge_step(await self._show_get_started(), "no_get_started"),
            await self._tell_webhook(webhook_url),
        ]
        return replace(report, findings=tuple(finding for finding in told if finding is not None))

    async def check(self, webhook_url: str) -> SetupReport:
        report = await self._look_at_page(webhook_url)
        if report.level is Level.BROKEN:
            return report
        told = [
            await self._find_subscription(),
            await self._find_get_started(),
            await self._find_webhook(webhook_url),
        ]
        return replace(report, findings=tuple(finding for finding in told if finding is not None))

    async def leave(self) -> None:
        """The app gets nothing of this Page any more; its other Pages are left alone."""
        self._need(await self._ask("DELETE", f"/{self._page_id}/subscribed_apps"))

    async def _look_at_page(self, webhook_url: str) -> SetupReport:
        """The Page's name, which its token alone can tell."""
        answer = await self._ask("GET", f"/{self._page_id}", query={"fields": "id,name,username"})
        refused = self._judge_step(answer, "page_not_found")
        if refused is None and get_text(answer.body, "id") != self._page_id:
            refused = Finding(Level.BROKEN, "page_not_found")
        if refused is not None:
            return SetupReport("", findings=(refused,))
        values = {name: get_text(answer.body, name) for name in ("name", "username")}
        closed = () if webhook_url else (Finding(Level.BROKEN, "needs_public_address"),)
        return SetupReport(values["name"], values, closed, account=self._page_id)

    async def _subscribe_page(self) -> Answer:
        query = {"subscribed_fields": ",".join(FIELDS)}
        return await self._ask("POST", f"/{self._page_id}/subscribed_apps", query=query)

    async def _show_get_started(self) -> Answer:
        json = {"get_started": {"payload": GET_STARTED}}
        return await self._ask("POST", f"/{self._page_id}/messenger_profile", json=json)

    async def _tell_webhook(self, webhook_url: str) -> Finding:
        """With the app's id Meta is told, and asks our address at once; without it the owner does it."""
        if not self._app_id:
            return Finding(Level.WARNING, "webhook_by_hand", webhook_url)
        form = {
            "object": "page",
            "callback_url": webhook_url,
            "verify_token": self._config.webhook_secret,
            "fields": ",".join(FIELDS),
        }
        refused = self._judge_step(await self._ask_as_app("POST", form=form), "webhook_error")
        return refused or Finding(Level.OK, "webhook_set")

    async def _find_subscription(self) -> Finding | None:
        answer = await self._ask("GET", f"/{self._page_id}/subscribed_apps")
        apps = get_dicts(answer.body, "data")
        fields = {
            field
            for app in apps
            if not self._app_id or get_text(app, "id") == self._app_id
            for field in get_texts(app, "subscribed_fields")
        }
        if answer.status == 200 and not fields.issuperset(FIELDS):
            return Finding(Level.BROKEN, "not_subscribed", ", ".join(sorted(set(FIELDS) - fields)))
        return self._judge_step(answer, "not_subscribed")

    async def _find_get_started(self) -> Finding | None:
        path = f"/{self._page_id}/messenger_profile"
        answer = await self._ask("GET", path, query={"fields": "get_started"})
        payloads = [get_text(one, "get_started", "payload") for one in get_dicts(answer.body, "data")]
        if answer.status == 200 and GET_STARTED not in payloads:
            return Finding(Level.WARNING, "no_get_started")
        return self._judge_step(answer, "no_get_started")

    async def _find_webhook(self, webhook_url: str) -> Finding:
        if not self._app_id:
            return Finding(Level.WARNING, "webhook_by_hand", webhook_url)
        answer = await self._ask_as_app("GET")
        pages = [one for one in get_dicts(answer.body, "data") if get_text(one, "object") == "page"]
        is_told = any(get_text(one, "callback_url") == webhook_url and one.get("active") for one in pages)
        if answer.status == 200 and not is_told:
            return Finding(Level.BROKEN, "webhook_elsewhere")
        return self._judge_step(answer, "webhook_elsewhere") or Finding(Level.OK, "webhook_set")

    def _judge_step(self, answer: Answer, code: str) -> Finding | None:
        """What a refused step means; the general reasons have their own codes. Raises Retryable."""
        if answer.status == 200:
            return None
        fault = self._fault(answer)
        if isinstance(fault, Retryable):
            raise fault
        match get_number(answer.body, "error", "code"):
            case 102 | 190:
                return Finding(Level.BROKEN, "token_rejected", fault.message)
            case 10:
                return Finding(Level.BROKEN, "permission_missing", fault.message)
            case number if number is not None and 200 <= number < 300:
                return Finding(Level.BROKEN, "permission_missing", fault.message)
            case _:
                return Finding(Level.BROKEN, code, fault.message)

    # --- Calls.

    async def send(self, message: OutboundMessage, key: OutboxKey) -> SentMessage:
        """Send a text, with buttons as quick replies; those without room stand under it as numbered lines."""
        if message.is_beyond_window and not self._has_human_agent:
            raise WindowClosed("The 24 hours since the person's last message are over.")
        replies, lines = _lay_out(message.buttons)

        async def send(number: int, text: str, is_last: bool) -> SentMessage:
            mark = self.echo_mark(key)
            content: dict[str, Any] = {
                "text": text,
                "metadata": mark if is_last else f"{mark}{_BEGINNING}{number}",
            }
            if replies and is_last:
                content["quick_replies"] = replies
            json = {"recipient": {"id": message.chat_id}, **_purpose(message), "message": content}
            answer = await self._ask("POST", f"/{self._page_id}/messages", json=json, sends=True)
            message_id = get_text(self._need(answer).body, "message_id")
            if not message_id:
                raise Uncertain("Meta's answer names no message.")
            return SentMessage(message_id)

        return await send_each(add_lines(to_plain(message.text), lines, self.caps.text_most), send)

    async def answer_callback(self, event: ChannelEvent) -> None:
        """Nobody waits: a pressed button of Messenger shows its own title."""

    async def type(self, chat_id: str) -> None:
        await self._act(chat_id, "typing_on")

    async def mark_read(self, chat_id: str, message_id: str) -> None:
        await self._act(chat_id, "mark_seen")

    async def _act(self, chat_id: str, action: str) -> None:
        json = {"recipient": {"id": chat_id}, "sender_action": action}
        self._need(await self._ask("POST", f"/{self._page_id}/messages", json=json))

    async def profile(self, chat_id: str) -> Profile | None:
        """Needs a right of its own (Business Asset User Profile Access): without it nobody has a name."""
        fields = "first_name,last_name,name,profile_pic,locale"
        answer = await self._ask("GET", f"/{quote(chat_id, safe='')}", query={"fields": fields})
        if _tells_nobody(answer):
            return None
        body = self._need(answer).body
        parts = (get_text(body, "first_name"), get_text(body, "last_name"))
        return Profile(
            name=get_text(body, "name") or " ".join(part for part in parts if part),
            language=get_text(body, "locale")[:2],
            avatar=get_text(body, "profile_pic"),
        )

    def fetch(self, source: str) -> AsyncIterator[bytes]:
        return self._api.fetch(source)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, str] | None = None,
        sends: bool = False,
    ) -> Answer:
        return await self._api.call(
            method,
            f"/{VERSION}{path}",
            json=json,
            query={**(query or {}), "appsecret_proof": _sign(self._secret, self._token.encode())},
            headers={"authorization": f"Bearer {self._token}"},
            sends=sends,
        )

    async def _ask_as_app(self, method: str, *, form: Mapping[str, str] | None = None) -> Answer:
        token = f"{self._app_id}|{self._secret}"
        return await self._api.call(
            method,
            f"/{VERSION}/{self._app_id}/subscriptions",
            form=form,
            headers={"authorization": f"Bearer {token}"},
        )

    def _need(self, answer: Answer) -> Answer:
        if answer.status != 200:
            raise self._fault(answer)
        return answer

    def _fault(self, answer: Answer) -> DeliveryError:
        """What an answer other than 200 means (Graph API, error handling; Messenger, error codes)."""
        error = get_dict(answer.body, "error")
        code, subcode = get_number(error, "code"), get_number(error, "error_subcode")
        words = self._say(answer, error)
        match code, subcode:
            case (551, _) | (100, 2018001) | (_, 1545041 | 2018108 | 2018218):
                return ChatGone(words)
            case (_, 2018278 | 2534022 | 2018276):  # too late, or the app has no Human Agent to be late with
                return WindowClosed(words)
            case (10 | 102 | 190 | 368, _) | (100, 33):
                return ChannelBroken(words)
            case (1 | 2, _):
                return Retryable(words, answer.retry_after)
            case (4 | 17 | 32 | 613 | 1200 | 80004, _):
                return Retryable(words, answer.retry_after or RATE_PAUSE)
            case (number, _) if number is not None and 200 <= number < 300:
                return ChannelBroken(words)
            case _ if answer.status == 429 or answer.status >= 500:
                return Retryable(words, answer.retry_after)
            case _:
                return BadRequest(words)

    def _say(self, answer: Answer, error: Mapping[str, Any]) -> str:
        """Meta's words and numbers. A token that it cannot read stands in them (S-SEC-05)."""
        numbers = [get_text(error, name) for name in ("code", "error_subcode")]
        named = "/".join(number for number in numbers if number) or f"HTTP {answer.status}"
        words = get_text(error, "message")
        for secret in filter(None, (self._token, self._secret)):
            words = words.replace(secret, "…")
        return f"{words} ({named})".strip()


def _sign(secret: str, content: bytes) -> str:
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def _tells_nobody(answer: Answer) -> bool:
    """No profile to be had, or no right to it; neither stands in the way of the chat."""
    code, subcode = (
        get_number(answer.body, "error", "code"),
        get_number(answer.body, "error", "error_subcode"),
    )
    return subcode == 2018218 or (code is not None and (code in (10, 100, 551) or 200 <= code < 300))


# --- What is sent.


def _purpose(message: OutboundMessage) -> dict[str, str]:
    if message.is_beyond_window:
        return {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    return {"messaging_type": "RESPONSE"}


def _lay_out(rows: Sequence[Sequence[Button]]) -> tuple[list[dict[str, str]], list[str]]:
    """The quick replies, and a numbered line for each button that has no room there. A link cannot be one."""
    numbered, left = number_rows(rows, has_links=False)
    flat, most = [one for row in numbered for one in row], Messenger.caps.buttons_most
    return [_reply(button) for _, button in flat[:most]], write_lines([*left, *flat[most:]])


def _reply(button: Button) -> dict[str, str]:
    if button.asks_phone:
        return {"content_type": "user_phone_number"}
    if button.asks_email:
        return {"content_type": "user_email"}
    label = button.label[: Messenger.caps.label_most]
    payload = (button.payload or button.label)[:MOST_PAYLOAD]
    return {"content_type": "text", "title": label, "payload": payload}


# --- What comes.


def _read_item(item: dict[str, Any]) -> ChannelEvent:
    """One event of our Page. Without the person it happened to, it is nothing for us."""
    match item:
        case {"message": {"is_echo": True} as message}:
            return _read_echo(item, message)
        case _ if not get_text(item, "sender", "id"):
            return _other(item)
        case {"message": {"is_deleted": True, "mid": str()} as message}:
            return _event(item, EventKind.DELETED, f"deleted:{get_text(message, 'mid')}", message)
        case {"message": dict(message)}:
            return _read_message(item, message)
        case {"message_edit": {"mid": str()} as edit}:
            return _read_edit(item, edit)
        case {"postback": dict(postback)}:
            return _read_postback(item, postback)
        case {"referral": dict(referral)}:
            event = _event(item, EventKind.OPENED, _name(item, "referral", get_text(referral, "ref")))
            return _with_brought(event, item)
        case {"delivery": dict(marks)}:
            return _read_marks(item, EventKind.DELIVERED, marks)
        case {"read": dict(marks)}:
            return _read_marks(item, EventKind.READ, marks)
        case _:
            return _other(item)


def _other(item: dict[str, Any]) -> ChannelEvent:
    at = get_moment_or_epoch(item, "timestamp")
    return ChannelEvent(
        kind=EventKind.OTHER, event_id=f"other:{hash_node(item)}", chat_id="", at=at, raw=item
    )


def _event(
    item: dict[str, Any], kind: EventKind, event_id: str, message: Mapping[str, Any] | None = None
) -> ChannelEvent:
    """An event of the person who is the item's sender, about a message if one is given."""
    person = get_text(item, "sender", "id")
    return ChannelEvent(
        kind=kind,
        event_id=event_id,
        chat_id=person,
        user_id=person,
        at=get_moment_or_epoch(item, "timestamp"),
        message_id=get_text(message, "mid"),
        raw=item,
    )


def _name(item: dict[str, Any], kind: str, detail: str) -> str:
    """The identity of an event that has no mid."""
    people = (get_text(item, "sender", "id"), get_text(item, "recipient", "id"))
    parts = (kind, *people, get_text(item, "timestamp"), detail)
    return f"{kind}:{hashlib.sha256('|'.join(parts).encode()).hexdigest()}"


def _name_said(item: dict[str, Any], said: Mapping[str, Any]) -> str:
    mid = get_text(said, "mid")
    words = [get_text(said, name) for name in ("text", "title", "payload")]
    return f"mid:{mid}" if mid else _name(item, "said", "|".join([*words, get_text(said, "referral", "ref")]))


def _with_brought(event: ChannelEvent, item: Mapping[str, Any]) -> ChannelEvent:
    """The event with what the link carried that led here."""
    brought = get_text(item, "referral", "ref")
    return replace(event, code=parse_entry_token(brought), start=read_start(brought))


def _read_message(item: dict[str, Any], message: dict[str, Any]) -> ChannelEvent:
    attachments = _read_attachments(message)
    payload = get_text(message, "quick_reply", "payload")
    if _PHONE.fullmatch(payload):
        shared = InAttachment(kind=AttachmentKind.CONTACT, phone=payload, is_own_phone=True)
        attachments, payload = (*attachments, shared), ""
    text = get_text(message, "text")
    if not (text or attachments or payload):
        return _other(item)
    event = _event(item, EventKind.MESSAGE, _name_said(item, message), message)
    return replace(
        _with_brought(event, message),
        text=text,
        attachments=attachments,
        reply_to=get_text(message, "reply_to", "mid"),
        payload=payload,
    )


def _read_echo(item: dict[str, Any], message: dict[str, Any]) -> ChannelEvent:
    """What our side said: the sender is the Page, so the person is the other one."""
    person = get_text(item, "recipient", "id")
    if not person:
        return _other(item)
    mark = get_text(message, "metadata")
    begun, _, _ = mark.rpartition(_BEGINNING)
    return replace(
        _event(item, EventKind.ECHO, _name_said(item, message), message),
        chat_id=person,
        user_id="",
        text=get_text(message, "text"),
        attachments=_read_attachments(message),
        echo_mark=mark,
        begins=(begun,) if begun else (),
    )


def _read_edit(item: dict[str, Any], edit: dict[str, Any]) -> ChannelEvent:
    which = get_text(edit, "num_edit") or get_text(item, "timestamp")
    event = _event(item, EventKind.EDITED, f"edited:{get_text(edit, 'mid')}:{which}", edit)
    return replace(event, text=get_text(edit, "text"))


def _read_postback(item: dict[str, Any], postback: dict[str, Any]) -> ChannelEvent:
    """Get Started, or a button that came by a link, opens the chat; any other is an answer."""
    payload = get_text(postback, "payload")
    if payload == GET_STARTED or get_dict(postback, "referral"):
        event = _event(item, EventKind.OPENED, _name_said(item, postback), postback)
        return _with_brought(event, postback)
    event = _event(item, EventKind.CALLBACK, _name_said(item, postback), postback)
    return replace(event, text=get_text(postback, "title"), payload=payload)


def _read_marks(item: dict[str, Any], kind: EventKind, marks: dict[str, Any]) -> ChannelEvent:
    """How far our messages have come: up to a time, and sometimes by their names."""
    mids = get_texts(marks, "mids")
    detail = ",".join((get_text(marks, "watermark"), *mids))
    event = _event(item, kind, _name(item, kind.value, detail))
    return replace(event, message_ids=mids, watermark=get_moment(marks, "watermark"))


def _read_attachments(message: dict[str, Any]) -> tuple[InAttachment, ...]:
    """Until 30 August 2026 a sticker came with a picture of itself (Messenger, webhook event messages)."""
    items = get_dicts(message, "attachments")
    read = [one for one in map(_read_attachment, items) if one is not None]
    sticker = next((one for one in read if one.kind is AttachmentKind.STICKER), None)
    if sticker is None:
        return tuple(read)
    return (sticker, *(one for one in read if one.kind not in (AttachmentKind.STICKER, AttachmentKind.PHOTO)))


def _read_attachment(item: dict[str, Any]) -> InAttachment | None:
    """One piece of a message; None of something that has neither a file nor a place nor an address."""
    kind, payload = get_text(item, "type"), get_dict(item, "payload")
    url = get_text(payload, "url") or get_text(item, "url")
    title = get_text(item, "title") or get_text(payload, "title")
    if kind == "location" or "coordinates" in payload:
        return _read_place(payload, title)
    if not url:
        return None
    if kind == "sticker" or "sticker_id" in payload:
        return InAttachment(kind=AttachmentKind.STICKER, source=url)
    if kind in _WITH_FILE:
        name = _file_name(url) if kind == "file" else ""
        return InAttachment(kind=_WITH_FILE[kind], source=url, name=name)
    if kind in ("fallback", "reel", "ig_reel", "post", "ig_post") or not _OWN_FILES.match(url):
        return InAttachment(kind=AttachmentKind.LINK, title=url, name=title)
    return InAttachment(kind=AttachmentKind.FILE, source=url, name=title or _file_name(url))


def _read_place(payload: dict[str, Any], title: str) -> InAttachment | None:
    latitude = get_degrees(payload, "coordinates", "lat")
    longitude = get_degrees(payload, "coordinates", "long")
    if latitude is None or longitude is None:
        return None
    return InAttachment(kind=AttachmentKind.LOCATION, title=title, latitude=latitude, longitude=longitude)


def _file_name(url: str) -> str:
    """A file's name is told by the end of its address alone."""
    return unquote(url.partition("?")[0].rpartition("/")[2])
