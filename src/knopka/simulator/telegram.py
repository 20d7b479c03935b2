"""The stand-in of Telegram's Bot API (core.telegram.org/bots/api) and of a person's Telegram."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from knopka.domain.errors import Conflict, InvalidInput
from knopka.simulator.accounts import Account, Kind, TelegramAccount
from knopka.simulator.asgi import Reply, Request, Upload, reply_json
from knopka.simulator.courier import (
    Courier,
    Manners,
    Outgoing,
    Push,
    Verdict,
    check_loopback,
    read_retry_after,
)
from knopka.simulator.faults import Fault, Trouble
from knopka.simulator.samples import LATITUDE, LONGITUDE, PHOTO_SIZE, SECONDS, STICKER_EMOJI, Piece, Sample
from knopka.simulator.stand_in import Call, Refusal, StandIn
from knopka.simulator.telegram_text import MAX_TEXT, BadText, find_commands, parse_text
from knopka.simulator.world import Button, Chat, Grid, Line, Link, Media, Person, Press, Side, World

HEADER = "X-Telegram-Bot-Api-Secret-Token"
MAX_UPDATES = 1000
MAX_CAPTION = 1024
MAX_DOWNLOAD = 20 * 1024 * 1024
QUERY_SECONDS = 150
MAX_QUERIES = 1000
MAX_DATA = 64
USUAL_CONNECTIONS = 40
SECRET = re.compile(r"[A-Za-z0-9_-]*")
MAX_SECRET = 256
MAX_RETRY_AFTER = 3600.0
UPDATE_KINDS = ("message", "edited_message", "callback_query", "my_chat_member")
FOLDERS = {"image/jpeg": "photos", "audio/ogg": "voice", "video/mp4": "videos", "image/webp": "stickers"}
SENT_FILES = {
    "sendphoto": "photo", "senddocument": "document", "sendvoice": "voice", "sendvideo": "video",
    "sendaudio": "audio",
}  # fmt: skip


@dataclass(eq=False, slots=True)
class Update:
    """An update that nobody has taken yet."""

    id: int
    what: str
    body: dict[str, Any]
    lane: str
    identity: str
    person: int
    text: str


@dataclass(slots=True)
class Bot:
    """What the server keeps of one bot."""

    account: TelegramAccount
    url: str = ""
    secret: str = ""
    allowed: tuple[str, ...] = ()
    connections: int = USUAL_CONNECTIONS
    updates: OrderedDict[int, Update] = field(default_factory=OrderedDict)
    queries: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)
    """Presses that may still be answered: the person, and when."""
    last_error: tuple[float, str] | None = None
    message_ids: count[int] = field(default_factory=lambda: count(1))
    update_ids: count[int] = field(default_factory=lambda: count(secrets.randbelow(10**8) + 1))
    poll: asyncio.Event | None = None
    """Of the getUpdates that waits now; a second one ends it."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def me(self) -> dict[str, Any]:
        return {
            "id": self.account.bot_id,
            "is_bot": True,
            "first_name": self.account.title,
            "username": self.account.username,
        }


def ok(result: Any, **more: Any) -> Reply:
    return reply_json({"ok": True, "result": result, **more})


def fail(code: int, description: str, **parameters: int) -> Refusal:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    headers = {"retry_after": str(parameters["retry_after"])} if "retry_after" in parameters else {}
    return Refusal(reply_json(body, code, outcome=f"error {code}: {description}", **headers))


def bad(description: str) -> Refusal:
    return fail(400, f"Bad Request: {description}")


class Telegram(StandIn[Bot]):
    kind = Kind.TELEGRAM
    # tdlib/telegram-bot-api, WebhookActor: the first retry at once, then doubling up to about a minute and
    # a half; one update of a chat is in flight; updates live for a day.
    manners = Manners(patience=60, waits=(0, 2, 4, 8, 16, 32, 64, 90), span=24 * 3600, in_order=True)
    sending = frozenset({"sendmessage", *SENT_FILES})
    abilities = frozenset({"edit"})

    def __init__(self, world: World, courier: Courier) -> None:
        super().__init__(world, courier)
        self._paths: OrderedDict[str, str] = OrderedDict()
        """The file path that getFile gave, and the file behind it."""

    def open_house(self, account: Account) -> Bot:
        assert isinstance(account, TelegramAccount)  # noqa: S101 # the simulator sorts them by kind
        known = self.houses.get(account.key)
        if known is None:
            return Bot(account)
        known.account = account
        return known

    def names(self, house: Bot) -> set[str]:
        return {house.account.username}

    def user_id(self, account: str, person: Person) -> str:
        return str(self.world.seed * 1000 + person.number)

    # The Bot API.

    def read_call(self, request: Request, path: str) -> Call:
        found = re.fullmatch(r"bot([^/]+)/(?:test/)?([A-Za-z]+)", path)
        if found is None:
            raise fail(404, "Not Found")
        bot = self._bot_of(found[1])
        return Call(bot.account.key, found[2].lower(), request.params(), request)

    def _bot_of(self, token: str) -> Bot:
        bot = next((bot for bot in self.houses.values() if bot.account.token == token), None)
        if bot is None:
            raise fail(401, "Unauthorized")
        return bot

    def refuse(self, fault: Fault) -> Reply:
        match fault.trouble:
            case Trouble.TOO_MANY | Trouble.FLOOD:
                seconds = max(1, round(fault.seconds))
                refusal = fail(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
            case Trouble.BAD_TOKEN:
                refusal = fail(401, "Unauthorized")
            case Trouble.BLOCKED | Trouble.WINDOW_CLOSED:
                refusal = fail(403, "Forbidden: bot was blocked by the user")
            case _:
                refusal = fail(502, "Bad Gateway")
        return refusal.reply

    async def perform(self, call: Call) -> Reply:
        bot = self.houses[call.account]
        match call.method:
            case "getme":
                return ok(
                    {
                        **bot.me(),
                        "can_join_groups": False,
                        "can_read_all_group_messages": False,
                        "supports_inline_queries": False,
                    }
                )
            case "setwebhook":
                return self._set_webhook(bot, call.params)
            case "deletewebhook":
                return self._delete_webhook(bot, call.params)
            case "getwebhookinfo":
                return self._webhook_info(bot)
            case "getupdates":
                return await self._get_updates(bot, call.params)
            case "sendmessage":
                return self._send_message(bot, call)
            case method if method in SENT_FILES:
                return self._send_file(bot, call, SENT_FILES[method])
            case "sendchataction":
                self._recipient(call).typing = call.params.get("action") == "typing"
                self.world.touch()
                return ok(True)
            case "answercallbackquery":
                return self._answer_query(bot, call)
            case "getchat":
                return ok(self._full_chat(self._recipient(call)))
            case "getuserprofilephotos":
                return self._profile_photos(call)
            case "getfile":
                return self._get_file(call.params)
            case _:
                raise fail(404, "Not Found")

    def _set_webhook(self, bot: Bot, params: Mapping[str, Any]) -> Reply:
        url = str(params.get("url", ""))
        if not url:
            return self._delete_webhook(bot, params)
        secret = str(params.get("secret_token", ""))
        if len(secret) > MAX_SECRET:
            raise bad("secret token is too long")
        if not SECRET.fullmatch(secret):
            raise bad("secret token contains unallowed characters")
        self._check_url(url)
        connections = _whole(params.get("max_connections", USUAL_CONNECTIONS))
        if connections is None or not 1 <= connections <= 100:
            raise bad("max_connections must be between 1 and 100")
        same = (bot.url, bot.secret) == (url, secret)
        bot.url, bot.secret, bot.connections = url, secret, connections
        bot.last_error = None
        self._set_allowed(bot, params)
        self._drop_pending(bot, params)
        if not same:
            for update in bot.updates.values():
                self._push(bot, update)
        self.world.touch()
        return ok(True, description="Webhook is already set" if same else "Webhook was set")

    def _check_url(self, url: str) -> None:
        """The real server wants https; here http is enough, for loopback alone may be called."""
        try:
            check_loopback(url)
        except InvalidInput as error:
            raise bad(f"bad webhook: {error.faults[0].message}") from None

    def _delete_webhook(self, bot: Bot, params: Mapping[str, Any]) -> Reply:
        was_set = bool(bot.url)
        bot.url, bot.secret = "", ""
        self._drop_pending(bot, params)
        self.world.touch()
        return ok(True, description="Webhook was deleted" if was_set else "Webhook is already deleted")

    def _set_allowed(self, bot: Bot, params: Mapping[str, Any]) -> None:
        allowed = _read_json(params.get("allowed_updates"))
        if isinstance(allowed, list):
            bot.allowed = tuple(str(one) for one in allowed)

    def _drop_pending(self, bot: Bot, params: Mapping[str, Any]) -> None:
        if _is_true(params.get("drop_pending_updates")):
            bot.updates.clear()

    def _webhook_info(self, bot: Bot) -> Reply:
        info: dict[str, Any] = {
            "url": bot.url,
            "has_custom_certificate": False,
            "pending_update_count": len(bot.updates),
        }
        if bot.url:
            info |= {"max_connections": bot.connections, "ip_address": "127.0.0.1"}
        if bot.allowed:
            info["allowed_updates"] = list(bot.allowed)
        if bot.last_error is not None:
            info |= {"last_error_date": int(bot.last_error[0]), "last_error_message": bot.last_error[1]}
        return ok(info)

    async def _get_updates(self, bot: Bot, params: Mapping[str, Any]) -> Reply:
        if bot.url:
            raise fail(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        if bot.poll is not None:
            bot.poll.set()
        self._set_allowed(bot, params)
        self._forget_before(bot, _whole(params.get("offset")) or 0)
        limit = min(max(1, _whole(params.get("limit")) or 100), 100)
        seconds = min(max(0, _whole(params.get("timeout")) or 0), 50)
        if not bot.updates and seconds:
            await self._wait_for_update(bot, seconds)
        chosen = list(bot.updates.values())[:limit]
        return ok([{"update_id": update.id, update.what: update.body} for update in chosen])

    def _forget_before(self, bot: Bot, offset: int) -> None:
        """A positive offset confirms what came before it; a negative one counts from the end."""
        ids = list(bot.updates)
        gone = ids[:offset] if offset < 0 else [one for one in ids if one < offset]
        for one in gone:
            del bot.updates[one]

    async def _wait_for_update(self, bot: Bot, seconds: int) -> None:
        stop = bot.poll = asyncio.Event()
        bot.arrived.clear()
        events = (bot.arrived, stop, self.world.closing)
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            if bot.poll is stop:
                bot.poll = None
        if stop.is_set():
            raise fail(
                409,
                "Conflict: terminated by other getUpdates request; "
                "make sure that only one bot instance is running",
            )

    def _recipient(self, call: Call) -> Chat:
        """The chat that the call names, if the bot may write there."""
        chat = self.find_chat(call.account, call.params.get("chat_id", ""))
        if not call.params.get("chat_id"):
            raise bad("chat_id is empty")
        if chat is None or not chat.reachable:
            raise bad("chat not found")
        call.person = chat.person.number
        if chat.blocked:
            raise fail(403, "Forbidden: bot was blocked by the user")
        return chat

    def _send_message(self, bot: Bot, call: Call) -> Reply:
        chat = self._recipient(call)
        text = _text(call.params.get("text"))
        call.text = text
        shown, entities = self._format(call.params, text, "entities")
        if not shown.strip():
            raise bad("message text is empty")
        if len(shown) > MAX_TEXT:
            raise bad("message is too long")
        markup = self._read_markup(call.params)
        body: dict[str, Any] = {"text": shown}
        if entities:
            body["entities"] = entities
        return self._show_message(bot, call, chat, shown, body, markup)

    def _send_file(self, bot: Bot, call: Call, name: str) -> Reply:
        chat = self._recipient(call)
        caption, entities = self._format(call.params, _text(call.params.get("caption")), "caption_entities")
        call.text = caption or name
        if len(caption) > MAX_CAPTION:
            raise bad("message caption is too long")
        media = self._sent_media(call.params.get(name), name)
        markup = self._read_markup(call.params)
        body = self._media_body(name, media, caption)
        if entities:
            body["caption_entities"] = entities
        return self._show_message(bot, call, chat, caption, body, markup, what=name, media=media)

    def _sent_media(self, given: object, name: str) -> Media:
        """The file that a bot sends: its bytes, or the id of one that is here. Links are not fetched."""
        if isinstance(given, Upload):
            return self.world.keep(Sample(given.name, given.type, given.content))
        known = self.world.media(given) if isinstance(given, str) else None
        if known is not None:
            return known
        if isinstance(given, str) and given.startswith(("http://", "https://")):
            raise bad("failed to get HTTP URL content")
        raise bad(
            f"there is no {name} in the request" if not given else "wrong remote file identifier specified"
        )

    def _format(self, params: Mapping[str, Any], text: str, key: str) -> tuple[str, list[dict[str, Any]]]:
        given = _read_json(params.get(key))
        if isinstance(given, list):
            return text, given
        try:
            return parse_text(text, _text(params.get("parse_mode")))
        except BadText as error:
            words = str(error)
            raise bad(
                words if words == "unsupported parse_mode" else f"can't parse entities: {words}"
            ) from None

    def _read_markup(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        given = params.get("reply_markup")
        if given in (None, ""):
            return {}
        markup = _read_json(given)
        if not isinstance(markup, dict):
            raise bad("can't parse reply keyboard markup JSON object")
        read_markup(markup)
        return markup

    def _show_message(
        self,
        bot: Bot,
        call: Call,
        chat: Chat,
        text: str,
        content: Mapping[str, Any],
        markup: Mapping[str, Any],
        *,
        what: str = "text",
        media: Media | None = None,
    ) -> Reply:
        message = self._message(bot, chat, bot.me(), content)
        call.identity = str(message["message_id"])
        if "inline_keyboard" in markup:
            message["reply_markup"] = markup
        buttons = read_markup(markup)
        inline = "inline_keyboard" in markup
        line = Line(
            call.identity,
            Side.BOT,
            text,
            self.world.now(),
            what,
            media,
            buttons if inline else (),
            body=message,
        )
        if "keyboard" in markup:
            self.set_keyboard(chat, buttons, goes=_is_true(markup.get("one_time_keyboard")))
        elif "remove_keyboard" in markup:
            self.set_keyboard(chat, (), goes=False)
        self.show(chat, line)
        return ok(message)

    def _answer_query(self, bot: Bot, call: Call) -> Reply:
        query = bot.queries.pop(_text(call.params.get("callback_query_id")), None)
        if query is None or self.world.now() - query[1] > QUERY_SECONDS:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        call.person = query[0]
        if text := _text(call.params.get("text")):
            self.tell(self.chats[call.account, query[0]], text)
        return ok(True)

    def _full_chat(self, chat: Chat) -> dict[str, Any]:
        gifts = (
            "unlimited_gifts",
            "limited_gifts",
            "unique_gifts",
            "premium_subscription",
            "gifts_from_channels",
        )
        return {
            **self._chat_body(chat),
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": dict.fromkeys(gifts, True),
        }

    def _profile_photos(self, call: Call) -> Reply:
        chat = self.find_chat(call.account, call.params.get("user_id", ""))
        if chat is None or not chat.reachable:
            raise bad("user not found")
        call.person = chat.person.number
        size = {"width": 100, "height": 100}
        photo = {**size, **_file_ids(self.world.avatar(chat.person.number))}
        return ok({"total_count": 1, "photos": [[photo]]})

    def _get_file(self, params: Mapping[str, Any]) -> Reply:
        media = self._find_media(_text(params.get("file_id")))
        if media is None:
            raise bad("wrong file_id or the file is temporarily unavailable")
        if len(media.content) > MAX_DOWNLOAD:
            raise bad("file is too big")
        suffix = media.name.rpartition(".")[2]
        path = f"{FOLDERS.get(media.type, 'documents')}/file_{media.id}.{suffix}"
        self._paths[path] = media.id
        while len(self._paths) > MAX_UPDATES:
            self._paths.popitem(last=False)
        return ok({**_file_ids(media), "file_path": path})

    def download(self, path: str) -> Reply:
        """Give a file by the path that getFile told: `bot<token>/<path>`."""
        found = re.fullmatch(r"bot([^/]+)/(.+)", path)
        try:
            if found is None:
                raise fail(404, "Not Found")
            self._bot_of(found[1])
            media = self._find_media(self._paths.get(found[2], ""))
            if media is None:
                raise fail(404, "Not Found")
        except Refusal as refusal:
            return refusal.reply
        return Reply(200, media.content, {"content-type": "application/octet-stream"})

    def _find_media(self, media_id: str) -> Media | None:
        number = media_id.removeprefix("avatar-")
        if number != media_id and number.isdigit() and int(number) in self.world.people:
            return self.world.avatar(int(number))
        return self.world.media(media_id)

    # What a person does.

    def start_label(self, chat: Chat) -> str:
        return "start" if chat.blocked or chat.link is not None or not chat.has_history else ""

    def can_write(self, chat: Chat) -> bool:
        return chat.reachable and not chat.blocked

    def open(self, chat: Chat, link: Link) -> None:
        """A deep link only makes the START button appear, in an old chat as well."""
        kept = self.world.readings.is_usual("telegram_start_code")
        chat.link = link if kept else Link(source=link.source)

    def start(self, chat: Chat) -> None:
        link = chat.take_link()
        text = f"/start {link.code}" if link and link.code else "/start"
        was_blocked = chat.blocked
        event_first = self.world.readings.is_usual("telegram_unblock_event")
        if was_blocked and event_first:
            self.unblock(chat)
        chat.reachable, chat.blocked = True, False
        self._say(chat, text, shown="/start")
        if was_blocked and not event_first:
            self._member_event(chat, blocked=False)

    def say(self, chat: Chat, text: str) -> None:
        self._needs_start(chat)
        self._say(chat, text)

    def _say(self, chat: Chat, text: str, shown: str = "") -> None:
        """A person's own window does not show what a deep link has added to /start."""
        content: dict[str, Any] = {"text": text}
        if entities := find_commands(text):
            content["entities"] = entities
        line = self._receive(chat, text, content)
        line.text = shown or text

    def attach(self, chat: Chat, piece: Piece, sample: Sample | None, caption: str) -> None:
        self._needs_start(chat)
        media = None if sample is None else self.world.keep(sample)
        self._receive(chat, caption, self._piece_body(chat, piece, media, caption), piece, media)

    def _piece_body(self, chat: Chat, piece: Piece, media: Media | None, caption: str) -> dict[str, Any]:
        if media is not None:
            name = "document" if piece is Piece.FILE else piece.value
            return self._media_body(name, media, caption)
        if piece is Piece.CONTACT:
            person = chat.person
            own = {
                "phone_number": person.phone,
                "first_name": person.first_name,
                "last_name": person.last_name,
            }
            return {"contact": {**own, "user_id": int(chat.user_id)}}
        return {"location": {"latitude": LATITUDE, "longitude": LONGITUDE}}

    def _media_body(self, name: str, media: Media, caption: str) -> dict[str, Any]:
        ids = _file_ids(media)
        width, height = PHOTO_SIZE
        size = {"width": width, "height": height}
        match name:
            case "photo":
                content: Any = [{**ids, "width": 90, "height": 67, "file_size": 900}, {**ids, **size}]
            case "voice" | "audio":
                content = {**ids, "duration": SECONDS, "mime_type": media.type}
            case "video":
                content = {
                    **ids,
                    **size,
                    "duration": SECONDS,
                    "mime_type": media.type,
                    "file_name": media.name,
                }
            case "sticker":
                kinds = {"type": "regular", "is_animated": False, "is_video": False, "emoji": STICKER_EMOJI}
                content = {**ids, "width": 128, "height": 128, **kinds}
            case _:
                content = {**ids, "mime_type": media.type, "file_name": media.name}
        body = {name: content}
        return {**body, "caption": caption} if caption and name != "sticker" else body

    def edit(self, chat: Chat, line: Line, text: str) -> None:
        self.needs_reach(chat)
        if line.what != "text":
            raise Conflict("Only a text can be edited here.")
        bot = self.houses[chat.account]
        line.text, line.edited = text, True
        line.body = {**line.body, "text": text, "edit_date": int(self.world.now())}
        self._add_update(bot, chat, "edited_message", line.body, "chat", f"{line.id} edited", text)

    def press(self, chat: Chat, button: Button, line: Line | None) -> None:
        self._needs_start(chat)
        match button.press:
            case Press.CALLBACK if line is not None:
                self._query(chat, button, line)
            case Press.PHONE:
                self.spend_keyboard(chat)
                self.attach(chat, Piece.CONTACT, None, "")
            case Press.LOCATION:
                self.spend_keyboard(chat)
                self.attach(chat, Piece.LOCATION, None, "")
            case Press.SAY:
                self.spend_keyboard(chat)
                self._say(chat, button.label)
            case _:
                self.tell(chat, button.data)

    def _query(self, chat: Chat, button: Button, line: Line) -> None:
        bot = self.houses[chat.account]
        query_id = str(secrets.randbits(62))
        bot.queries[query_id] = (chat.person.number, self.world.now())
        while len(bot.queries) > MAX_QUERIES:
            bot.queries.popitem(last=False)
        body = {
            "id": query_id,
            "from": self._user(chat),
            "message": line.body,
            "chat_instance": str(int(chat.user_id) * 7),
            "data": button.data,
        }
        self._add_update(bot, chat, "callback_query", body, "queries", query_id, button.label)

    def block(self, chat: Chat) -> None:
        self._needs_start(chat)
        chat.blocked = True
        self._member_event(chat, blocked=True)

    def unblock(self, chat: Chat) -> None:
        if not chat.blocked:
            raise Conflict("The person has not blocked this bot.")
        chat.blocked = False
        self._member_event(chat, blocked=False)

    def _member_event(self, chat: Chat, *, blocked: bool) -> None:
        bot = self.houses[chat.account]
        kicked = {"status": "kicked", "user": bot.me(), "until_date": 0}
        member = {"status": "member", "user": bot.me()}
        old, new = (member, kicked) if blocked else (kicked, member)
        body = {
            "chat": self._chat_body(chat),
            "from": self._user(chat),
            "date": int(self.world.now()),
            "old_chat_member": old,
            "new_chat_member": new,
        }
        self._add_update(
            bot, chat, "my_chat_member", body, "members", secrets.token_hex(8), str(new["status"])
        )

    def _needs_start(self, chat: Chat) -> None:
        self.needs_reach(chat)
        if not chat.reachable:
            raise Conflict("The person has to press START first.")

    def _receive(
        self,
        chat: Chat,
        text: str,
        content: Mapping[str, Any],
        what: str = "text",
        media: Media | None = None,
    ) -> Line:
        """A person's message reaches the server."""
        bot = self.houses[chat.account]
        message = self._message(bot, chat, self._user(chat), content)
        line_id = str(message["message_id"])
        line = chat.add(Line(line_id, Side.PERSON, text, self.world.now(), what, media, body=message))
        self._add_update(bot, chat, "message", message, "chat", line_id, text or what)
        return line

    def _message(
        self, bot: Bot, chat: Chat, sender: Mapping[str, Any], content: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "message_id": next(bot.message_ids),
            "from": sender,
            "chat": self._chat_body(chat),
            "date": int(self.world.now()),
            **content,
        }

    def _chat_body(self, chat: Chat) -> dict[str, Any]:
        person = chat.person
        names = {"first_name": person.first_name, "last_name": person.last_name, "username": person.username}
        return {"id": int(chat.user_id), **names, "type": "private"}

    def _user(self, chat: Chat) -> dict[str, Any]:
        person = chat.person
        return {
            "id": int(chat.user_id),
            "is_bot": False,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "username": person.username,
            "language_code": person.language,
        }

    # Updates on their way.

    def _add_update(
        self, bot: Bot, chat: Chat, what: str, body: Mapping[str, Any], queue: str, identity: str, text: str
    ) -> None:
        if bot.allowed and what not in bot.allowed:
            return
        lane = f"{queue} {chat.user_id}"
        update = Update(next(bot.update_ids), what, dict(body), lane, identity, chat.person.number, text)
        bot.updates[update.id] = update
        while len(bot.updates) > MAX_UPDATES:
            bot.updates.popitem(last=False)
        bot.arrived.set()
        if bot.url:
            self._push(bot, update)
        self.world.touch()

    def _push(self, bot: Bot, update: Update) -> None:
        content = json.dumps({"update_id": update.id, update.what: update.body}).encode()
        url = bot.url

        def prepare(wrongly: bool) -> Outgoing | None:
            if bot.url != url or update.id not in bot.updates:
                return None
            headers = {"Content-Type": "application/json"}
            secret = f"{bot.secret}-wrong" if wrongly else bot.secret
            if secret:
                headers[HEADER] = secret
            return Outgoing(url, content, headers)

        async def judge(response: httpx.Response) -> Verdict:
            if not response.is_success:
                return Verdict(False, read_retry_after(response, self.world.now(), MAX_RETRY_AFTER))
            if bot.updates.pop(update.id, None) is not None:
                await self._run_answer(bot, response)
            return Verdict(True)

        def on_failure(reason: str) -> None:
            bot.last_error = (self.world.now(), reason)

        self.courier.send(
            Push(
                self.kind,
                bot.account.key,
                update.lane,
                update.what,
                update.identity,
                prepare,
                judge,
                update.person,
                update.text,
                on_failure,
            )
        )

    async def _run_answer(self, bot: Bot, response: httpx.Response) -> None:
        """An answer that names a method is a call of it, and its result is told to nobody (Bot API)."""
        body = _read_json(response.text)
        if isinstance(body, dict) and isinstance(body.get("method"), str):
            params = {key: value for key, value in body.items() if key != "method"}
            request = Request("POST", "", {}, {}, b"", _nothing_more)
            await self._perform(Call(bot.account.key, body["method"].lower(), params, request))


async def _nothing_more() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def read_markup(markup: Mapping[str, Any]) -> Grid:
    """The buttons of a keyboard of either kind; raises the platform's refusals."""
    rows = markup.get("inline_keyboard", markup.get("keyboard", ()))
    read = _inline_button if "inline_keyboard" in markup else _reply_button
    if not isinstance(rows, list | tuple) or not all(isinstance(row, list) for row in rows):
        raise bad("can't parse keyboard: an Array of Arrays is expected")
    return tuple(tuple(read(button) for button in row) for row in rows)


def _inline_button(button: Any) -> Button:
    if not isinstance(button, dict) or not isinstance(button.get("text"), str) or not button["text"]:
        raise bad('can\'t parse inline keyboard button: Field "text" must be of type String')
    data, url = button.get("callback_data"), button.get("url")
    if isinstance(data, str):
        if not 1 <= len(data.encode()) <= MAX_DATA:
            raise bad("BUTTON_DATA_INVALID")
        return Button(button["text"], Press.CALLBACK, data)
    if isinstance(url, str):
        if not url.startswith(("http://", "https://", "tg://")):
            raise bad(f"inline keyboard button URL '{url}' is invalid: Unsupported URL protocol")
        return Button(button["text"], Press.LINK, url)
    raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")


def _reply_button(button: Any) -> Button:
    given = {"text": button} if isinstance(button, str) else button
    if not isinstance(given, dict) or not isinstance(given.get("text"), str) or not given["text"]:
        raise bad('can\'t parse keyboard button: Field "text" must be of type String')
    if given.get("request_contact"):
        return Button(given["text"], Press.PHONE)
    if given.get("request_location"):
        return Button(given["text"], Press.LOCATION)
    return Button(given["text"], Press.SAY)


def _file_ids(media: Media) -> dict[str, Any]:
    return {"file_id": media.id, "file_unique_id": f"u-{media.id}", "file_size": len(media.content)}


def _read_json(value: object) -> Any:
    """A parameter that is JSON: parsed already, or as the text of a form."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "1")
