"""Viber: the chat of one bot, through the REST API and its webhook."""

from __future__ import annotations

import hashlib
import hmac
import html
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from knopka.channels._buttons import add_lines, number_rows, send_each, write_lines
from knopka.channels._http import Api
from knopka.channels._json import (
    get,
    get_count,
    get_degrees,
    get_dict,
    get_moment_or_epoch,
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
)
from knopka.domain.formatting import to_plain
from knopka.domain.messaging import (
    CODE,
    SHORT,
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

EVENTS = ("delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started")
"""What Viber tells beside messages, which cannot be switched off."""
GREETING = "Здравствуйте!"
GREETING_MOST = 200
"""As much as an address and its QR code hold beside the rest."""
WELCOME = {
    "ru": "Здравствуйте! Напишите нам, и мы ответим здесь.",
    "en": "Hello! Write to us, and we will answer here.",
}

MOST_NAME = 28
COLUMNS = 6
SILENT_USER_PAUSE = 3600.0
"""A person who does not answer gets 100 messages an hour (Viber REST API, send_message)."""

_OF_OURS = "knopka:"
_PHONE_LEVEL = 3
"""The version of the app's API from which a button can share a phone (Viber REST API, keyboards)."""
_OWNER_MUST_MEND = (2, 7, 8, 9, 10, 14, 15)
_NOBODY_THERE = (5, 6, 11, 13)
_OUR_DEFECT = (1, 3, 4)
_TOO_MANY = 12


class Viber:
    """The chat of one bot. People are known by an id that is valid for this bot alone."""

    kind: ChannelKind = ChannelKind.VIBER
    caps: Capabilities = Capabilities(
        text_most=7000,
        per_second=40.0,
        window=Window(WindowKind.COSTS, timedelta(hours=24)),
        buttons_most=12,
        label_most=250,
        tells_delivered=True,
        tells_read=True,
        asks_phone=True,
    )
    parameters: tuple[Parameter, ...] = (
        Parameter("token", "partners.viber.com, your bot, Edit info, Your app key.", is_secret=True),
        Parameter(
            "sender_name",
            "Who writes, at most 28 characters; else the bot's own name.",
            is_required=False,
            units_most=MOST_NAME,
        ),
        Parameter(
            "greeting",
            "The words in the visitor's input; else “Здравствуйте!”.",
            is_required=False,
            units_most=GREETING_MOST,
        ),
        Parameter(
            "welcome", "Said when the chat is first opened; else a sentence of ours.", is_required=False
        ),
    )

    def __init__(self, config: ChannelConfig, api: Api) -> None:
        self._config = config
        self._api = api
        self._token = config.values.get("token", "")

    def deep_link(self) -> DeepLink:
        """A link of the app's own scheme: without the app nothing happens."""
        base = self._config.link_base or "viber://pa"
        uri = quote(self._config.values.get("uri", ""), safe="")
        greeting = self._config.values.get("greeting", "") or GREETING
        text = f"{quote(f'{greeting} [kn:', safe='')}{SHORT}{quote(']', safe='')}"
        return DeepLink(f"{base}?chatURI={uri}&context={CODE}&text={text}", needs_app=True)

    # --- Webhooks.

    def verify(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None:
        """Every body is signed, but perhaps for the one that asks whether anybody is there, and changes
        nothing."""
        if not self._token:
            raise UntrustedWebhook("There is no token to compare with.")
        given = headers.get("x-viber-content-signature", "")
        if not given and _is_probe(body):
            return
        wanted = hmac.new(self._token.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), given.encode()):
            raise UntrustedWebhook("The signature is not the bot's.")

    def answer_challenge(self, query: Mapping[str, str]) -> HttpReply | None:
        return None

    def parse(self, body: bytes) -> list[ChannelEvent]:
        event = read_object(body)
        name = event.get("event")
        if not isinstance(name, str) or not name:
            raise UnreadableUpdate("The body names no event.")
        return [] if name == "webhook" else [_read_event(name, event)]

    def reply(self, events: Sequence[ChannelEvent]) -> HttpReply:
        """The one message that may be sent before the person writes. It brings the code back with his words.

        Who has written before is not greeted again.
        """
        match events:
            case [ChannelEvent(kind=EventKind.OPENED, may_answer=False) as opened]:
                body = msgspec.json.encode(self._welcome(opened))
                return HttpReply(body=body, media_type="application/json; charset=utf-8")
            case _:
                return HttpReply()

    def _welcome(self, opened: ChannelEvent) -> dict[str, Any]:
        language = "" if opened.profile is None else opened.profile.language
        usual = WELCOME["ru" if language.startswith("ru") else "en"]
        message = {**self._envelope(), "text": self._config.values.get("welcome", "") or usual}
        return message if opened.code is None else {**message, "tracking_data": opened.code}

    def echo_mark(self, key: OutboxKey) -> str:
        return ""

    # --- Setting up.

    async def setup(self, webhook_url: str) -> SetupReport:
        """Ask for the bot's name and address, and have its events sent here; Viber tries that at once."""
        report, _ = await self._look_at_account(webhook_url)
        if report.level is Level.BROKEN:
            return report
        json = {"url": webhook_url, "event_types": EVENTS, "send_name": True, "send_photo": True}
        refused = _find_refusal(await self._ask("set_webhook", json), "webhook_error")
        return replace(report, findings=(refused or Finding(Level.OK, "webhook_set"),))

    async def check(self, webhook_url: str) -> SetupReport:
        report, account = await self._look_at_account(webhook_url)
        if report.level is Level.BROKEN:
            return report
        return replace(report, findings=tuple(_find_webhook(account, webhook_url)))

    async def leave(self) -> None:
        _need(await self._ask("set_webhook", {"url": ""}))

    async def _look_at_account(self, webhook_url: str) -> tuple[SetupReport, dict[str, Any]]:
        account = await self._ask("get_account_info", {})
        refused = _find_refusal(account, "refused")
        if refused is not None:
            return SetupReport("", findings=(refused,)), account
        values = {name: get_text(account, name) for name in ("name", "uri")}
        found: list[Finding] = []
        if not values["uri"]:
            found.append(Finding(Level.BROKEN, "no_uri"))
        if not webhook_url:
            found.append(Finding(Level.BROKEN, "needs_public_address"))
        own_id = get_text(account, "id")
        return SetupReport(values["name"], values, tuple(found), own_id), account

    # --- Calls.

    async def send(self, message: OutboundMessage, key: OutboxKey) -> SentMessage:
        """Send a text, with a keyboard if there are buttons; those without room stand under it as lines."""
        rows, left = _lay_out(message.buttons)

        async def send(_number: int, text: str, is_last: bool) -> SentMessage:
            level = _PHONE_LEVEL if is_last and _asks_phone(rows) else 1
            json = {**self._envelope(level), "receiver": message.chat_id, "text": text}
            if rows and is_last:
                buttons = [_key(button, width) for row in rows for button, width in _share(row)]
                json["keyboard"] = {"Type": "keyboard", "DefaultHeight": False, "Buttons": buttons}
            answer = _need(await self._ask("send_message", json, sends=True))
            message_id = get_text(answer, "message_token")
            if not message_id:
                raise Uncertain("Viber's answer names no message.")
            return SentMessage(message_id)

        return await send_each(add_lines(to_plain(message.text), left, self.caps.text_most), send)

    def _envelope(self, level: int = 1) -> dict[str, Any]:
        values = self._config.values
        name = values.get("sender_name", "") or values.get("name", "") or values.get("uri", "")
        return {"type": "text", "min_api_version": level, "sender": {"name": name[:MOST_NAME]}}

    async def answer_callback(self, event: ChannelEvent) -> None:
        """Nobody waits: a pressed button is a message."""

    async def type(self, chat_id: str) -> None:
        """Viber has no way to show it."""

    async def mark_read(self, chat_id: str, message_id: str) -> None:
        """Viber has no way to tell it."""

    async def profile(self, chat_id: str) -> Profile | None:
        """Two calls for one person in 12 hours are all that is answered (Viber REST API, get_user_details).

        The events tell the same, so a refusal is no loss.
        """
        answer = await self._ask("get_user_details", {"id": chat_id})
        if answer["status"] in _OWNER_MUST_MEND:
            _need(answer)
        return _read_profile(get_dict(answer, "user"))

    def fetch(self, source: str) -> AsyncIterator[bytes]:
        return self._api.fetch(source)

    async def _ask(self, method: str, json: Mapping[str, Any], *, sends: bool = False) -> dict[str, Any]:
        """The answer's object, which holds the number `status`: 0 for done."""
        headers = {"x-viber-auth-token": self._token}
        answer = await self._api.call("POST", f"/pa/{method}", json=json, headers=headers, sends=sends)
        if answer.status == 429 or answer.status >= 500:
            raise Retryable(f"Viber cannot take it now (HTTP {answer.status}).", answer.retry_after)
        if type(get(answer.body, "status")) is int:
            return get_dict(answer.body)
        if answer.status != 200:
            raise BadRequest(f"Viber refused it (HTTP {answer.status}).")
        unread = "Viber's answer cannot be read."
        raise Uncertain(unread) if sends else Retryable(unread)


def _need(answer: dict[str, Any]) -> dict[str, Any]:
    if answer["status"] != 0:
        raise _fault(answer)
    return answer


def _fault(answer: dict[str, Any]) -> DeliveryError:
    """What a status other than 0 means (Viber REST API, error codes)."""
    status, words = answer["status"], _say(answer)
    if status in _OWNER_MUST_MEND:
        return ChannelBroken(words)
    if status in _NOBODY_THERE:
        return ChatGone(words)
    if status in _OUR_DEFECT:
        return BadRequest(words)
    if status == _TOO_MANY:
        return Retryable(words, SILENT_USER_PAUSE)
    return Retryable(f"{words}: a status that is not known, so it may not pass by itself")


def _say(answer: dict[str, Any]) -> str:
    return f"{get_text(answer, 'status_message')} ({answer['status']})".strip()


def _find_refusal(answer: dict[str, Any], code: str) -> Finding | None:
    """What a refused step of the set-up means. Raises Retryable when only the moment is wrong."""
    match answer["status"]:
        case 0:
            return None
        case 2:
            return Finding(Level.BROKEN, "token_rejected", _say(answer))
        case 12:
            raise _fault(answer)
        case _:
            return Finding(Level.BROKEN, code, _say(answer))


def _find_webhook(account: dict[str, Any], webhook_url: str) -> Iterator[Finding]:
    """A bot has one webhook: whoever sets it last has it."""
    given = get_text(account, "webhook")
    if not given:
        yield Finding(Level.BROKEN, "webhook_removed")
    elif given != webhook_url:
        yield Finding(Level.BROKEN, "webhook_elsewhere")
    else:
        yield Finding(Level.OK, "webhook_set")
    missing = set(EVENTS) - set(get_texts(account, "event_types"))
    if "event_types" in account and missing:
        yield Finding(Level.WARNING, "events_missing", ", ".join(sorted(missing)))


def _is_probe(body: bytes) -> bool:
    try:
        return read_object(body).get("event") == "webhook"
    except UnreadableUpdate:
        return False


# --- What is sent.


def _lay_out(rows: Sequence[Sequence[Button]]) -> tuple[list[Sequence[Button]], list[str]]:
    """Rows that the keyboard's grid takes, and a numbered line for every button that it does not."""
    numbered, left = number_rows(rows)
    cut = [row[at : at + COLUMNS] for row in numbered for at in range(0, len(row), COLUMNS)]
    most = Viber.caps.buttons_most
    left += [one for row in cut[most:] for one in row]
    return [[button for _, button in row] for row in cut[:most]], write_lines(left)


def _asks_phone(rows: Sequence[Sequence[Button]]) -> bool:
    return any(button.asks_phone for row in rows for button in row)


def _share(row: Sequence[Button]) -> Iterator[tuple[Button, int]]:
    """Each button of a row with its columns: a row that is not full leaves a hole for the next one."""
    width, more = divmod(COLUMNS, len(row))
    for at, button in enumerate(row):
        yield button, width + (at < more)


def _key(button: Button, width: int) -> dict[str, Any]:
    """One button of the keyboard; its text may hold markup (Viber REST API, keyboards)."""
    action, body = _action(button)
    return {
        "Columns": width,
        "Rows": 1,
        "ActionType": action,
        "ActionBody": body,
        "Text": html.escape(button.label[: Viber.caps.label_most], quote=False),
        "Silent": action == "reply" and bool(button.payload),
    }


def _action(button: Button) -> tuple[str, str]:
    """What a press does. A reply is a message of the ActionBody: payload and label, of which the person
    sees nothing (`Silent`)."""
    if button.url:
        return "open-url", button.url
    if button.asks_phone:
        return "share-phone", "phone"
    if not button.payload:
        return "reply", button.label
    return "reply", f"{_OF_OURS}{quote(button.payload, safe=':')} {button.label}"


# --- What comes.


def _read_event(name: str, event: dict[str, Any]) -> ChannelEvent:
    match name:
        case "conversation_started":
            return _read_opened(event)
        case "message":
            return _read_message(event)
        case "subscribed":
            return _of_person(EventKind.UNBLOCKED, event, get_dict(event, "user"))
        case "unsubscribed":
            return _of_person(EventKind.BLOCKED, event, {"id": get_text(event, "user_id")})
        case "delivered":
            return _read_mark(EventKind.DELIVERED, event)
        case "seen":
            return _read_mark(EventKind.READ, event)
        case "failed":
            return replace(_read_mark(EventKind.FAILED, event), reason=get_text(event, "desc"))
        case _:
            return _other(event)


def _name(event: dict[str, Any], *more: str) -> str:
    """The event's identity. Viber repeats an event with the same message_token."""
    token = get_text(event, "message_token")
    return ":".join((get_text(event, "event"), token or hash_node(event), *more))


def _other(event: dict[str, Any]) -> ChannelEvent:
    at = get_moment_or_epoch(event, "timestamp")
    return ChannelEvent(kind=EventKind.OTHER, event_id=_name(event), chat_id="", at=at, raw=event)


def _of_person(kind: EventKind, event: dict[str, Any], person: dict[str, Any]) -> ChannelEvent:
    """An event of this person; without one it is nothing for us."""
    person_id = get_text(person, "id")
    if not person_id:
        return _other(event)
    return ChannelEvent(
        kind=kind,
        event_id=_name(event),
        chat_id=person_id,
        user_id=person_id,
        at=get_moment_or_epoch(event, "timestamp"),
        profile=_read_profile(person),
        raw=event,
    )


def _read_opened(event: dict[str, Any]) -> ChannelEvent:
    """A press on the link, the first or any other: `subscribed` tells whether we may write already."""
    opened = _of_person(EventKind.OPENED, event, get_dict(event, "user"))
    context = get_text(event, "context")
    return replace(
        opened,
        code=parse_entry_token(context),
        start=read_start(context),
        may_answer=event.get("subscribed") is True,
    )


def _read_message(event: dict[str, Any]) -> ChannelEvent:
    said = get_dict(event, "message")
    attachment = _read_attachment(said)
    payload, text = _read_press(get_text(said, "text"))
    if not (text or payload or attachment):
        return _other(event)
    return replace(
        _of_person(EventKind.MESSAGE, event, get_dict(event, "sender")),
        code=parse_entry_token(get_text(said, "tracking_data")),
        text=text,
        payload=payload,
        attachments=() if attachment is None else (attachment,),
        message_id=get_text(event, "message_token"),
    )


def _read_press(text: str) -> tuple[str, str]:
    """Payload and label of a pressed button of ours (`_action`); of any other text, itself."""
    if not text.startswith(_OF_OURS):
        return "", text
    payload, _, label = text.removeprefix(_OF_OURS).partition(" ")
    return unquote(payload), label


def _read_mark(kind: EventKind, event: dict[str, Any]) -> ChannelEvent:
    """How far a message of ours has come: its message_token is the one that sending it gave."""
    person, token = get_text(event, "user_id"), get_text(event, "message_token")
    if not person or not token:
        return _other(event)
    marked = _of_person(kind, event, {"id": person})
    return replace(marked, event_id=_name(event, person), message_id=token, message_ids=(token,))


def _read_profile(person: dict[str, Any]) -> Profile | None:
    told = Profile(
        name=get_text(person, "name"),
        language=get_text(person, "language"),
        avatar=get_text(person, "avatar"),
    )
    return None if told == Profile() else told


def _read_attachment(said: dict[str, Any]) -> InAttachment | None:
    """What a message brings beside its text. Who a shared phone belongs to, Viber does not say."""
    media = get_text(said, "media")
    match get_text(said, "type"):
        case "text":
            return None
        case "contact":
            name, phone = get_text(said, "contact", "name"), get_text(said, "contact", "phone_number")
            return InAttachment(kind=AttachmentKind.CONTACT, title=name, phone=phone)
        case "location":
            return _read_place(get_dict(said, "location"))
        case "sticker":
            return InAttachment(kind=AttachmentKind.STICKER, source=media)
        case _ if not media:
            return None
        case "picture":
            return InAttachment(kind=AttachmentKind.PHOTO, source=media, name=get_text(said, "file_name"))
        case "video":
            return InAttachment(kind=AttachmentKind.VIDEO, source=media, size=get_count(said, "size"))
        case "url":
            return InAttachment(kind=AttachmentKind.LINK, title=media)
        case _:
            name, size = get_text(said, "file_name"), get_count(said, "file_size")
            return InAttachment(kind=AttachmentKind.FILE, source=media, name=name, size=size)


def _read_place(place: dict[str, Any]) -> InAttachment | None:
    latitude, longitude = get_degrees(place, "lat"), get_degrees(place, "lon")
    if latitude is None or longitude is None:
        return None
    return InAttachment(kind=AttachmentKind.LOCATION, latitude=latitude, longitude=longitude)
