"""Telegram: private chats with one bot, through the Bot API, by webhook or by polling."""

from __future__ import annotations

import hmac
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from knopka.channels._buttons import add_lines, number_rows, send_each, write_lines
from knopka.channels._http import LONGEST_WAIT, Answer, Api
from knopka.channels._json import (
    get,
    get_count,
    get_degrees,
    get_dict,
    get_dicts,
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
)
from knopka.domain.formatting import to_entities
from knopka.domain.messaging import (
    CODE,
    AttachmentKind,
    Button,
    Capabilities,
    ChannelConfig,
    ChannelEvent,
    ChannelKind,
    DeepLink,
    EventKind,
    Finding,
    Form,
    HttpReply,
    InAttachment,
    Level,
    OutboundMessage,
    OutboxKey,
    Parameter,
    Polled,
    Profile,
    SentMessage,
    SetupReport,
    parse_entry_token,
    read_start,
)

UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")
"""What we ask for; the rest would only be counted (Bot API, setWebhook, allowed_updates)."""
SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105  # its name, not the secret
POLL_SECONDS = 25
POLL_SPARE = 10
"""Seconds beyond those of the poll itself until its answer must be here."""
MOST_POLLED = 100
MOST_PAYLOAD = 64
"""Bytes of a button's callback_data (Bot API, InlineKeyboardButton)."""
MANY_PENDING = 100
TOKEN = Form(
    r"[0-9]{1,20}:[A-Za-z0-9_-]{30,100}",
    "the bot's number, a colon, and 30 or more letters, digits, - and _",
)

_START = re.compile(r"/start(?:@\w+)?(?:\s+(\S{1,64}))?\s*")
"""A START button sends this; 64 characters are all that a link can carry (Telegram, deep linking)."""
_WITH_FILE = {
    "document": AttachmentKind.FILE,
    "voice": AttachmentKind.VOICE,
    "audio": AttachmentKind.AUDIO,
    "video": AttachmentKind.VIDEO,
    "video_note": AttachmentKind.VIDEO,
    "animation": AttachmentKind.VIDEO,
}


class Telegram:
    """Private chats with one bot. Groups and channels are nothing for us."""

    kind: ChannelKind = ChannelKind.TELEGRAM
    caps: Capabilities = Capabilities(
        text_most=4096,
        per_second=25.0,  # Telegram's own advice is about 30 a second for a bot
        buttons_most=100,
        label_most=64,
        has_typing=True,
        asks_phone=True,
    )
    parameters: tuple[Parameter, ...] = (
        Parameter(
            "token",
            "From @BotFather: /newbot, or /token for a bot that is there.",
            is_secret=True,
            form=TOKEN,
        ),
    )

    def __init__(self, config: ChannelConfig, api: Api) -> None:
        self._config = config
        self._api = api
        self._token = config.values.get("token", "")

    def deep_link(self) -> DeepLink:
        base = self._config.link_base or "https://t.me"
        return DeepLink(f"{base}/{quote(self._config.values.get('username', ''), safe='')}?start={CODE}")

    # --- Webhooks.

    def verify(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None:
        """Telegram signs nothing: it sends back the secret that the webhook was set with."""
        wanted = self._config.webhook_secret.encode()
        given = headers.get(SECRET_HEADER, "").encode(errors="replace")
        if not wanted or not hmac.compare_digest(given, wanted):
            raise UntrustedWebhook("The secret is not the one of this channel.")

    def parse(self, body: bytes) -> list[ChannelEvent]:
        update = read_object(body)
        if get_count(update, "update_id") is None:
            raise UnreadableUpdate("An update of Telegram has a number.")
        for name, read in _READERS.items():
            if isinstance(update.get(name), dict):
                return [read(update, update[name])]
        return [_other(update)]

    def reply(self, events: Sequence[ChannelEvent]) -> HttpReply:
        """An empty 200: a body could be taken for a call of a method (Bot API, making requests)."""
        return HttpReply()

    def answer_challenge(self, query: Mapping[str, str]) -> HttpReply | None:
        return None

    def echo_mark(self, key: OutboxKey) -> str:
        """A bot is not told of its own messages."""
        return ""

    async def poll(self, cursor: str) -> Polled:
        """Wait for updates. The cursor is the number behind the last one (Bot API, getUpdates)."""
        asked: dict[str, Any] = {
            "timeout": POLL_SECONDS,
            "limit": MOST_POLLED,
            "allowed_updates": UPDATES,
        }
        if cursor:
            asked["offset"] = int(cursor)
        found = await self._ask("getUpdates", patience=POLL_SECONDS + POLL_SPARE, **asked)
        updates = get_dicts({"updates": found}, "updates")
        numbers = [number for update in updates if (number := get_count(update, "update_id")) is not None]
        bodies = tuple(msgspec.json.encode(update) for update in updates)
        return Polled(bodies, str(numbers[-1] + 1) if numbers else cursor)

    # --- Set-up.

    async def setup(self, webhook_url: str) -> SetupReport:
        try:
            bot = await self._introduce()
        except ChannelBroken as error:
            return _report_bad_token(error)
        if not webhook_url:
            await self._ask("deleteWebhook")
            return replace(bot, findings=(Finding(Level.OK, "polling"),))
        await self._ask(
            "setWebhook",
            url=webhook_url,
            secret_token=self._config.webhook_secret,
            allowed_updates=UPDATES,
            max_connections=40,
        )
        return replace(bot, findings=(Finding(Level.OK, "webhook_set"),))

    async def check(self, webhook_url: str) -> SetupReport:
        try:
            bot = await self._introduce()
        except ChannelBroken as error:
            return _report_bad_token(error)
        info = await self._ask("getWebhookInfo")
        return replace(bot, findings=tuple(_judge_webhook(info, webhook_url)))

    async def leave(self) -> None:
        await self._ask("deleteWebhook")

    async def _introduce(self) -> SetupReport:
        """The bot's name, which also proves that the token is good."""
        bot = await self._ask("getMe")
        username, bot_id = get_text(bot, "username"), get_text(bot, "id")
        return SetupReport(f"@{username}", {"username": username, "bot_id": bot_id}, account=bot_id)

    # --- Messages.

    async def send(self, message: OutboundMessage, key: OutboxKey) -> SentMessage:
        """Send a text, with a keyboard if there are buttons; those without room stand under it as lines."""
        shown, entities = to_entities(message.text)
        rows, lines = _lay_out(message.buttons)
        keyboard = _write_keyboard(rows) if rows else None

        async def send(number: int, text: str, is_last: bool) -> SentMessage:
            asked: dict[str, Any] = {
                "chat_id": message.chat_id,
                "text": text,
                "link_preview_options": {"is_disabled": True},
            }
            if entities and number == 0:
                asked["entities"] = entities
            if keyboard and is_last:
                asked["reply_markup"] = keyboard
            sent = await self._ask("sendMessage", sends=True, **asked)
            message_id = get_text(sent, "message_id")
            if not message_id:
                raise Uncertain("Telegram's answer could not be read.")
            return SentMessage(message_id)

        return await send_each(add_lines(shown, lines, self.caps.text_most), send)

    async def answer_callback(self, event: ChannelEvent) -> None:
        """Without an answer the button shows that it waits (Bot API, answerCallbackQuery)."""
        await self._ask("answerCallbackQuery", callback_query_id=event.event_id.removeprefix("callback:"))

    async def type(self, chat_id: str) -> None:
        await self._ask("sendChatAction", chat_id=chat_id, action="typing")

    async def mark_read(self, chat_id: str, message_id: str) -> None:
        """A bot cannot tell that it has read."""

    async def profile(self, chat_id: str) -> Profile | None:
        chat = await self._ask("getChat", chat_id=chat_id)
        photos = await self._ask("getUserProfilePhotos", user_id=chat_id, limit=1)
        sizes = get(photos, "photos")
        first = sizes[0] if isinstance(sizes, list) and sizes else []
        return Profile(
            name=_full_name(chat if isinstance(chat, dict) else {}),
            username=get_text(chat, "username"),
            avatar=_largest({"sizes": first}, "sizes"),
        )

    async def fetch(self, source: str) -> AsyncIterator[bytes]:
        try:
            file = await self._ask("getFile", file_id=source)
        except BadRequest as error:
            # A bot gets files of at most 20 MB (Bot API, getFile).
            raise BadRequest("too_large" if "too big" in error.message else "gone") from None
        path = get_text(file, "file_path")
        if not path:
            raise BadRequest("gone")
        url = f"{self._api.base}/file/bot{self._token}/{quote(path)}"
        async for part in self._api.fetch(url):
            yield part

    async def _ask(
        self, method: str, *, sends: bool = False, patience: float | None = None, **asked: Any
    ) -> Any:
        path = f"/bot{self._token}/{method}"
        answer = await self._api.call("POST", path, json=asked, sends=sends, patience=patience)
        if answer.status == 200 and get(answer.body, "ok") is True and "result" in answer.body:
            return answer.body["result"]
        if answer.status == 200:
            raise (Uncertain if sends else Retryable)("Telegram's answer could not be read.")
        raise _judge(answer)


def _judge(answer: Answer) -> DeliveryError:
    """What a refusal means for us (Bot API, making requests; ResponseParameters)."""
    words = f"Telegram: {get_text(answer.body, 'description')[:200]} ({answer.status})"
    parameters = get_dict(answer.body, "parameters")
    if answer.status == 429:
        wait = get_count(parameters, "retry_after") or answer.retry_after or 1.0
        return Retryable(words, min(float(wait), LONGEST_WAIT))
    if answer.status >= 500:
        return Retryable(words, answer.retry_after)
    if answer.status in (401, 404, 409):
        return ChannelBroken(words)
    if answer.status == 403 or "chat not found" in words.lower() or "migrate_to_chat_id" in parameters:
        return ChatGone(words)
    return BadRequest(words)


def _report_bad_token(error: ChannelBroken) -> SetupReport:
    return SetupReport("", findings=(Finding(Level.BROKEN, "token_rejected", error.message),))


def _judge_webhook(info: Any, webhook_url: str) -> Iterator[Finding]:
    """How the webhook stands; a bot that is polled has none."""
    url = get_text(info, "url")
    pending = get_count(info, "pending_update_count") or 0
    if url != webhook_url:
        yield Finding(Level.BROKEN, "webhook_elsewhere" if url else "webhook_removed")
    elif pending and (error := get_text(info, "last_error_message")):
        yield Finding(Level.WARNING, "webhook_error", error[:200])
    elif not _asks_for_all(info):
        yield Finding(Level.WARNING, "events_missing")
    else:
        yield Finding(Level.OK, "webhook_set" if webhook_url else "polling")
    if pending >= MANY_PENDING:
        yield Finding(Level.WARNING, "pending_updates", str(pending))


def _asks_for_all(info: Any) -> bool:
    """Whether everything that we read is sent; no list stands for the usual (Bot API, WebhookInfo)."""
    allowed = get_texts(info, "allowed_updates")
    return not allowed or set(UPDATES) <= set(allowed)


# --- Updates.


def _read_message(update: Mapping[str, Any], message: Mapping[str, Any]) -> ChannelEvent:
    chat_id, message_id = get_text(message, "chat", "id"), get_text(message, "message_id")
    if not _is_private(message) or not message_id:
        return _other(update)
    text, attachments = _read_words(message), tuple(_read_attachments(message))
    if not text and not attachments:
        return _other(update)
    start = _START.fullmatch(get_text(message, "text"))
    brought = (start[1] or "") if start else ""
    return ChannelEvent(
        kind=EventKind.OPENED if start else EventKind.MESSAGE,
        event_id=f"message:{chat_id}:{message_id}",
        chat_id=chat_id,
        user_id=get_text(message, "from", "id"),
        at=_moment(message),
        code=parse_entry_token(brought),
        start=read_start(brought),
        text="" if start else text,
        attachments=attachments,
        message_id=message_id,
        reply_to=get_text(message, "reply_to_message", "message_id"),
        profile=_read_profile(get_dict(message, "from")),
        raw=update,
    )


def _read_words(message: Mapping[str, Any]) -> str:
    """What the message says; of a poll its question, of a die its emoji."""
    places = (("text",), ("caption",), ("poll", "question"), ("dice", "emoji"))
    return next((words for place in places if (words := get_text(message, *place))), "")


def _read_edit(update: Mapping[str, Any], message: Mapping[str, Any]) -> ChannelEvent:
    event = _read_message(update, message)
    if event.kind is EventKind.OTHER:
        return event
    edited = get_text(message, "edit_date")
    return ChannelEvent(
        kind=EventKind.EDITED,
        event_id=f"edited:{event.chat_id}:{event.message_id}:{edited}",
        chat_id=event.chat_id,
        user_id=event.user_id,
        at=_moment(message, "edit_date"),
        text=_read_words(message),
        attachments=event.attachments,
        message_id=event.message_id,
        profile=event.profile,
        raw=update,
    )


def _read_callback(update: Mapping[str, Any], query: Mapping[str, Any]) -> ChannelEvent:
    """A button's press; the message that it stands under may be too old to be told of."""
    user, number = get_text(query, "from", "id"), get_text(query, "id")
    message = get_dict(query, "message")
    chat_id = get_text(message, "chat", "id") or user
    if not number or not chat_id or (message and not _is_private(message)):
        return _other(update)
    payload = get_text(query, "data")
    return ChannelEvent(
        kind=EventKind.CALLBACK,
        event_id=f"callback:{number}",
        chat_id=chat_id,
        user_id=user,
        at=_moment(message),
        text=_label_of(query, payload),
        payload=payload,
        profile=_read_profile(get_dict(query, "from")),
        raw=update,
    )


def _label_of(query: Mapping[str, Any], payload: str) -> str:
    """What stood on the button that was pressed."""
    rows = get(query, "message", "reply_markup", "inline_keyboard")
    for row in rows if isinstance(rows, list) else ():
        for button in get_dicts({"row": row}, "row"):
            if get_text(button, "callback_data") == payload:
                return get_text(button, "text")
    return payload


def _read_member(update: Mapping[str, Any], change: Mapping[str, Any]) -> ChannelEvent:
    """In a private chat this tells of blocking and unblocking alone (Bot API, Update.my_chat_member)."""
    status = get_text(change, "new_chat_member", "status")
    kind = {"kicked": EventKind.BLOCKED, "member": EventKind.UNBLOCKED}.get(status)
    chat_id = get_text(change, "chat", "id")
    if kind is None or not _is_private(change):
        return _other(update)
    return ChannelEvent(
        kind=kind,
        event_id=f"member:{chat_id}:{get_text(change, 'date')}:{status}",
        chat_id=chat_id,
        user_id=get_text(change, "from", "id"),
        at=_moment(change),
        raw=update,
    )


_READERS = {
    "message": _read_message,
    "edited_message": _read_edit,
    "callback_query": _read_callback,
    "my_chat_member": _read_member,
}


def _other(update: Mapping[str, Any]) -> ChannelEvent:
    return ChannelEvent(
        kind=EventKind.OTHER,
        event_id=f"update:{hash_node(update)}",
        chat_id="",
        at=get_moment_or_epoch(None),
        raw=update,
    )


def _is_private(found: Mapping[str, Any]) -> bool:
    return get_text(found, "chat", "type") == "private" and bool(get_text(found, "chat", "id"))


def _moment(found: Mapping[str, Any], name: str = "date") -> datetime:
    seconds = get_number(found, name)
    return get_moment_or_epoch({"at": None if seconds is None else seconds * 1000}, "at")


def _read_profile(user: Mapping[str, Any]) -> Profile | None:
    if not user:
        return None
    return Profile(
        name=_full_name(user),
        username=get_text(user, "username"),
        language=get_text(user, "language_code"),
    )


def _full_name(user: Mapping[str, Any]) -> str:
    return f"{get_text(user, 'first_name')} {get_text(user, 'last_name')}".strip()


def _read_attachments(message: Mapping[str, Any]) -> Iterator[InAttachment]:
    photo = _largest(message, "photo")
    if photo:
        yield InAttachment(kind=AttachmentKind.PHOTO, source=photo)
    for name, kind in _WITH_FILE.items():
        file = get_dict(message, name)
        # An animation comes with a document of the same file beside it (Bot API, Message.animation).
        if get_text(file, "file_id") and not (name == "document" and get_dict(message, "animation")):
            yield InAttachment(
                kind=kind,
                source=get_text(file, "file_id"),
                name=get_text(file, "file_name"),
                mime=get_text(file, "mime_type"),
                size=get_count(file, "file_size"),
            )
    sticker = get_dict(message, "sticker")
    if sticker:
        is_still = not (get(sticker, "is_animated") is True or get(sticker, "is_video") is True)
        yield InAttachment(
            kind=AttachmentKind.STICKER,
            source=get_text(sticker, "file_id") if is_still else "",
            title=get_text(sticker, "emoji"),
        )
    yield from _read_place(message)
    contact = get_dict(message, "contact")
    if contact:
        yield InAttachment(
            kind=AttachmentKind.CONTACT,
            title=_full_name(contact),
            phone=get_text(contact, "phone_number"),
            is_own_phone=bool(get_text(contact, "user_id"))
            and get_text(contact, "user_id") == get_text(message, "from", "id"),
        )


def _read_place(message: Mapping[str, Any]) -> Iterator[InAttachment]:
    """A venue comes with its location beside it (Bot API, Message.venue)."""
    place = get_dict(message, "location")
    if place:
        yield InAttachment(
            kind=AttachmentKind.LOCATION,
            title=get_text(message, "venue", "title"),
            latitude=get_degrees(place, "latitude"),
            longitude=get_degrees(place, "longitude"),
        )


def _largest(found: Mapping[str, Any], name: str) -> str:
    """The id of the largest of a picture's sizes."""
    sizes = get_dicts(found, name)
    return get_text(max(sizes, key=lambda size: get_number(size, "width") or 0), "file_id") if sizes else ""


def _lay_out(rows: Sequence[Sequence[Button]]) -> tuple[list[list[Button]], list[str]]:
    """The rows of the keyboard, and a numbered line for each button that has no place in them.

    Beside one that asks for a phone no link can stand: those keys only say what
    is on them (Bot API, KeyboardButton).
    """
    numbered, left = number_rows(rows, has_links=not _asks_phone(rows))
    kept: list[list[Button]] = []
    placed = 0
    for row in numbered:
        room = max(Telegram.caps.buttons_most - placed, 0)
        kept.append([button for _, button in row[:room]])
        left += row[room:]
        placed += len(kept[-1])
    return [row for row in kept if row], write_lines(left)


def _asks_phone(rows: Sequence[Sequence[Button]]) -> bool:
    return any(button.asks_phone for row in rows for button in row)


def _write_keyboard(rows: Sequence[Sequence[Button]]) -> dict[str, Any]:
    """Buttons under the message; one that asks for a phone can only stand below the input."""
    if _asks_phone(rows):
        keys = [[{"text": one.label, "request_contact": one.asks_phone} for one in row] for row in rows]
        return {"keyboard": keys, "one_time_keyboard": True, "resize_keyboard": True}
    return {"inline_keyboard": [[_write_button(button) for button in row] for row in rows]}


def _write_button(button: Button) -> dict[str, str]:
    if button.url:
        return {"text": button.label, "url": button.url}
    if not 1 <= len(button.payload.encode()) <= MOST_PAYLOAD:
        raise BadRequest("A button's payload has from 1 to 64 bytes in Telegram.")
    return {"text": button.label, "callback_data": button.payload}
