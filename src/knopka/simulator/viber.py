"""The stand-in of Viber's REST API for bots, and of a person's Viber."""

from __future__ import annotations

import base64
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from knopka.domain.errors import Conflict, InvalidInput
from knopka.simulator.accounts import Account, Kind, ViberAccount
from knopka.simulator.asgi import Reply, Request, reply_json
from knopka.simulator.courier import Manners, Outgoing, Push, Verdict
from knopka.simulator.faults import Fault, Trouble
from knopka.simulator.samples import LATITUDE, LONGITUDE, SECONDS, Piece, Sample
from knopka.simulator.signing import is_same, sign_viber, write_utf8
from knopka.simulator.stand_in import Call, Refusal, StandIn
from knopka.simulator.world import Button, Chat, Grid, Line, Link, Person, Press, Side

HOST = "SN-CHAT-05_"
API_VERSION = 10
"""What the person's Viber is able to show."""
MAX_BYTES = 30 * 1024
MAX_TEXT = 7000
MAX_NAME = 28
MAX_TRACKING = 4000
MAX_CAPTION = 512
HOUR = 3600
SILENT_LIMIT = 100
DETAILS_LIMIT, DETAILS_SPAN = 2, 12 * HOUR
STICKER_ID = 46105
EVENTS = ("delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started")
STATUSES = {
    0: "ok", 1: "invalidUrl", 2: "invalidAuthToken", 3: "badData", 4: "missingData",
    5: "receiverNotRegistered", 6: "receiverNotSubscribed", 7: "publicAccountBlocked",
    8: "publicAccountNotFound", 9: "publicAccountSuspended", 10: "webhookNotSet",
    11: "receiverNoSuitableDevice", 12: "tooManyRequests",
    13: "apiVersionNotSupported", 14: "incompatibleWithVersion",
}  # fmt: skip
NEEDED = {
    "text": ("text",), "picture": ("media",), "video": ("media", "size"),
    "file": ("media", "size", "file_name"),
    "location": ("location",), "contact": ("contact",), "sticker": ("sticker_id",), "url": ("media",),
}  # fmt: skip
"""The types of a message, each with the fields that it cannot be without."""
PRESSES = {
    "reply": Press.CALLBACK, "open-url": Press.LINK, "share-phone": Press.PHONE,
    "location-picker": Press.LOCATION, "none": Press.LINK,
}  # fmt: skip


@dataclass(slots=True)
class Bot:
    """What the platform keeps of one bot."""

    account: ViberAccount
    url: str = ""
    events: tuple[str, ...] = EVENTS
    send_name: bool = False
    send_photo: bool = False
    asked_details: dict[str, deque[float]] = field(default_factory=dict)


def fail(status: int, reason: str = "") -> Refusal:
    words = reason or STATUSES[status]
    body = {"status": status, "status_message": words, "chat_hostname": HOST}
    return Refusal(reply_json(body, outcome=f"error {status}: {words}"))


def succeed(**more: Any) -> Reply:
    return reply_json({"status": 0, "status_message": "ok", "chat_hostname": HOST, **more})


class Viber(StandIn[Bot]):
    kind = Kind.VIBER
    # Viber's FAQ: "several times for an hour, until 200"; the patience is what owners of bots report.
    manners = Manners(patience=5, waits=(5, 30, 120, 300, 600, 900), span=HOUR, in_order=False)
    sending = frozenset({"send_message"})
    abilities = frozenset({"read"})

    def open_house(self, account: Account) -> Bot:
        assert isinstance(account, ViberAccount)  # noqa: S101 # the simulator sorts them by kind
        known = self.houses.get(account.key)
        if known is None:
            return Bot(account)
        known.account = account
        return known

    def user_id(self, account: str, person: Person) -> str:
        """A person has another id for each bot."""
        digest = sha256(f"{account} {self.world.seed} {person.number}".encode()).digest()
        return base64.b64encode(digest[:16]).decode()

    # The REST API.

    def read_call(self, request: Request, path: str) -> Call:
        params = request.json()
        if not isinstance(params, dict):
            raise fail(3, "The body is no JSON object")
        token = request.headers.get("x-viber-auth-token") or params.pop("auth_token", "")
        for bot in self.houses.values():
            if isinstance(token, str) and token and is_same(token, bot.account.token):
                return Call(bot.account.key, path.removeprefix("pa/"), params, request)
        raise fail(2)

    def refuse(self, fault: Fault) -> Reply:
        match fault.trouble:
            case Trouble.TOO_MANY | Trouble.FLOOD:
                refusal = fail(12)
            case Trouble.BAD_TOKEN:
                refusal = fail(2)
            case Trouble.BLOCKED | Trouble.WINDOW_CLOSED:
                refusal = fail(6)
            case _:
                return Reply(503, b"Service Unavailable", {"content-type": "text/plain"}, "error 503")
        return refusal.reply

    async def perform(self, call: Call) -> Reply:
        bot = self.houses[call.account]
        match call.method:
            case "set_webhook":
                return await self._set_webhook(bot, call.params)
            case "get_account_info":
                return self._account_info(bot)
            case "send_message":
                return self._send_message(bot, call)
            case "get_user_details":
                return self._user_details(bot, call)
            case _:
                return Reply(404, b"Not Found", {"content-type": "text/plain"}, "error 404")

    async def _set_webhook(self, bot: Bot, params: Mapping[str, Any]) -> Reply:
        url = params.get("url")
        if not isinstance(url, str):
            raise fail(4, "url is missing")
        if not url:
            bot.url = ""
            self.world.touch()
            return succeed()
        events = params.get("event_types") or list(EVENTS)
        if not isinstance(events, list) or any(
            event not in (*EVENTS, "message", "webhook") for event in events
        ):
            raise fail(3, "event_types is invalid")
        await self._probe(bot, url)
        bot.url, bot.events = url, tuple(events)
        bot.send_name = params.get("send_name") is True
        bot.send_photo = params.get("send_photo") is True
        self.world.touch()
        return succeed(event_types=[*events, "message"])

    async def _probe(self, bot: Bot, url: str) -> None:
        """Call the address during the request itself: it must answer 200 (Viber, "Setting a webhook")."""
        body = self._body("webhook", {})
        content = write_utf8(body)
        headers = {"Content-Type": "application/json"}
        if self.world.readings.is_usual("viber_probe"):
            headers["X-Viber-Content-Signature"] = sign_viber(bot.account.token, content)
        try:
            answer = await self.courier.call(self.kind, Outgoing(url, content, headers))
        except InvalidInput as error:
            raise fail(1, error.faults[0].message) from None
        except httpx.HTTPError as error:
            raise fail(1, f"The webhook cannot be reached: {type(error).__name__}") from None
        if answer.status_code != 200:
            raise fail(1, f"The webhook answered {answer.status_code}")

    def _account_info(self, bot: Bot) -> Reply:
        subscribed = [chat for chat in self._chats(bot) if chat.reachable]
        return succeed(
            id=f"pa:{sha256(bot.account.uri.encode()).hexdigest()[:16]}",
            name=bot.account.name,
            uri=bot.account.uri,
            icon="",
            category="Business",
            subcategory="Retail",
            country="RU",
            webhook=bot.url,
            event_types=list(bot.events),
            subscribers_count=len(subscribed),
        )

    def _chats(self, bot: Bot) -> list[Chat]:
        return [chat for (key, _), chat in self.chats.items() if key == bot.account.key]

    def _user_details(self, bot: Bot, call: Call) -> Reply:
        user_id = call.params.get("id")
        if not isinstance(user_id, str):
            raise fail(4, "id is missing")
        chat = self._subscriber(bot, user_id)
        call.person = chat.person.number
        asked = bot.asked_details.setdefault(user_id, deque(maxlen=DETAILS_LIMIT))
        now = self.world.now()
        if len(asked) == DETAILS_LIMIT and now - asked[0] < DETAILS_SPAN:
            raise fail(12)
        asked.append(now)
        device = {"primary_device_os": "Android 15", "viber_version": "25.0.0", "device_type": "phone"}
        named = {"name": chat.person.name, "avatar": self.world.avatar_url(chat.person)}
        user = {**self._user(bot, chat), **named, **device, "mcc": 250, "mnc": 1}
        return succeed(message_token=_token(), user=user)

    def _subscriber(self, bot: Bot, user_id: str) -> Chat:
        chat = self.find_chat(bot.account.key, user_id)
        if chat is None:
            raise fail(5)
        if not chat.reachable:
            raise fail(6)
        return chat

    def _send_message(self, bot: Bot, call: Call) -> Reply:
        params = call.params
        if not bot.url:
            raise fail(10)
        receiver = params.get("receiver")
        if not isinstance(receiver, str) or not receiver:
            raise fail(4, "receiver is missing")
        if len(call.request.body) > MAX_BYTES:
            raise fail(3, "The request is larger than 30 kB")
        chat = self.find_chat(bot.account.key, receiver)
        call.person = None if chat is None else chat.person.number
        check_message(params)
        chat = self._subscriber(bot, receiver)
        self._check_rate(chat)
        call.text = _shown(params)
        line = self._show(chat, params)
        call.identity = line.id
        if reason := find_keyboard_fault(params):
            self._event(bot, chat, "failed", {"user_id": chat.user_id, "desc": reason}, token=int(line.id))
        else:
            self._event(bot, chat, "delivered", {"user_id": chat.user_id}, token=int(line.id))
        return succeed(message_token=int(line.id), billing_status=1)

    def _check_rate(self, chat: Chat) -> None:
        """At most 100 messages an hour to somebody who does not answer (Viber, "Send message")."""
        recent = [at for at in chat.unanswered if self.world.now() - at < HOUR]
        if len(recent) >= SILENT_LIMIT:
            raise fail(12)

    def _show(self, chat: Chat, params: Mapping[str, Any]) -> Line:
        chat.tracking = str(params.get("tracking_data", ""))
        self.set_keyboard(chat, read_keyboard(params), goes=True)
        what = str(params["type"])
        return self.show(chat, Line(str(_token()), Side.BOT, _shown(params), self.world.now(), what))

    # What a person does.

    def start_label(self, chat: Chat) -> str:
        return "" if self._is_open(chat) or chat.blocked else "message"

    def _is_open(self, chat: Chat) -> bool:
        return chat.opened or chat.has_history

    def can_write(self, chat: Chat) -> bool:
        return self._is_open(chat) and not chat.blocked

    def open(self, chat: Chat, link: Link) -> None:
        """A new person sees the bot's button "Message"; with a history the chat itself opens."""
        chat.link = link
        if not self._is_open(chat):
            return
        if not chat.reachable or self.world.readings.is_usual("viber_started_when_subscribed"):
            self._started(chat)
        chat.take_link()

    def start(self, chat: Chat) -> None:
        if not self.start_label(chat):
            raise Conflict("The chat is open already.")
        chat.opened = True
        self._started(chat)
        chat.take_link()

    def _started(self, chat: Chat) -> None:
        bot = self.houses[chat.account]
        subscribed = chat.reachable
        content: dict[str, Any] = {"type": "open"}
        told = not subscribed or self.world.readings.is_usual("viber_context_when_subscribed")
        if chat.link is not None and chat.link.code and told:
            content["context"] = chat.link.code
        content |= {"user": self._user(bot, chat), "subscribed": subscribed}
        self._event(bot, chat, "conversation_started", content, text=str(content.get("context", "")))

    def _welcome(self, chat: Chat, response: httpx.Response) -> None:
        """Show the one message that the answer to conversation_started may carry."""
        try:
            message = response.json()
            if isinstance(message, dict) and "type" in message:
                check_message(message)
                self._show(chat, message)
        except ValueError:
            return
        except Refusal as refusal:
            self.tell(chat, f"The welcome message was not shown: {refusal.reply.outcome}")

    def say(self, chat: Chat, text: str) -> None:
        self._receive(chat, text, {"type": "text", "text": text})

    def attach(self, chat: Chat, piece: Piece, sample: Sample | None, caption: str) -> None:
        self.needs_reach(chat)
        media = None if sample is None else self.world.keep(sample)
        content: dict[str, Any] | None
        if media is None:
            content = self._place() if piece is Piece.LOCATION else self._contact(chat.person)
        else:
            size = len(media.content)
            match piece:
                case Piece.PHOTO:
                    content = {"type": "picture", "media": media.url, "thumbnail": media.url}
                    content |= {"text": caption[:MAX_CAPTION], "file_name": media.name}
                case Piece.VIDEO:
                    content = {"type": "video", "media": media.url, "duration": SECONDS, "size": size}
                case Piece.STICKER:
                    content = {"type": "sticker", "sticker_id": STICKER_ID, "media": media.url}
                case Piece.VOICE:
                    content = self._voice(media.url, media.name, size)
                case _:
                    content = {"type": "file", "media": media.url, "file_name": media.name, "file_size": size}
        line = self._receive(chat, caption, content, piece)
        line.media = media

    def _voice(self, url: str, name: str, size: int) -> dict[str, Any] | None:
        match self.world.readings.get("viber_voice"):
            case "file":
                return {"type": "file", "media": url, "file_name": name, "file_size": size}
            case "video":
                return {"type": "video", "media": url, "duration": SECONDS, "size": size}
            case _:
                return None

    def _place(self) -> dict[str, Any]:
        return {"type": "location", "location": {"lat": LATITUDE, "lon": LONGITUDE}}

    def _contact(self, person: Person) -> dict[str, Any]:
        return {"type": "contact", "contact": {"name": person.name, "phone_number": person.phone}}

    def press(self, chat: Chat, button: Button, line: Line | None) -> None:
        self.needs_reach(chat)
        match button.press:
            case Press.CALLBACK:
                body = self.world.readings.get("viber_button_text") == "ActionBody"
                self.spend_keyboard(chat)
                said = button.data if body else button.label
                self._receive(chat, button.label, {"type": "text", "text": said})
            case Press.PHONE:
                self.spend_keyboard(chat)
                self._receive(chat, chat.person.phone, self._contact(chat.person), Piece.CONTACT)
            case Press.LOCATION:
                self.spend_keyboard(chat)
                self._receive(chat, "", self._place(), Piece.LOCATION)
            case _:
                self.tell(chat, button.data)

    def block(self, chat: Chat) -> None:
        """The person unsubscribes."""
        if not chat.reachable:
            raise Conflict("The person has not subscribed.")
        chat.blocked, chat.reachable = True, False
        self._event(self.houses[chat.account], chat, "unsubscribed", {"user_id": chat.user_id})

    def unblock(self, chat: Chat) -> None:
        """The person subscribes anew; Viber then forgets what the bot has it keep (Viber, "Subscribed")."""
        chat.blocked, chat.reachable, chat.tracking = False, True, ""
        bot = self.houses[chat.account]
        self._event(bot, chat, "subscribed", {"user": self._user(bot, chat)})

    def read(self, chat: Chat) -> None:
        bot = self.houses[chat.account]
        for line in chat.lines:
            if line.side is Side.BOT and not line.read:
                line.read = True
                self._event(bot, chat, "seen", {"user_id": chat.user_id}, token=int(line.id))

    def _receive(self, chat: Chat, text: str, content: dict[str, Any] | None, what: str = "text") -> Line:
        """A person's message; the first one subscribes him. No content is what a bot never hears of."""
        self.needs_reach(chat)
        if not self._is_open(chat):
            raise Conflict("The person has to press Message first.")
        bot = self.houses[chat.account]
        subscribes = not chat.reachable
        chat.reachable = True
        line = chat.add(Line(str(_token()), Side.PERSON, text, self.world.now(), what))
        if subscribes and not self.world.readings.is_usual("viber_first_message"):
            self._event(bot, chat, "subscribed", {"user": self._user(bot, chat)})
        if content is not None:
            message = {**content, "tracking_data": chat.tracking} if chat.tracking else content
            body = {"sender": self._user(bot, chat), "message": message, "silent": False}
            self._event(bot, chat, "message", body, token=int(line.id), text=text or what)
        self.world.touch()
        return line

    def _user(self, bot: Bot, chat: Chat) -> dict[str, Any]:
        person = chat.person
        user: dict[str, Any] = {"id": chat.user_id}
        if bot.send_name:
            user["name"] = person.name
        if bot.send_photo:
            user["avatar"] = self.world.avatar_url(person)
        return {**user, "country": "RU", "language": person.language, "api_version": API_VERSION}

    # Events on their way.

    def _body(self, event: str, content: Mapping[str, Any], token: int | None = None) -> dict[str, Any]:
        return {
            "event": event,
            "timestamp": int(self.world.now() * 1000),
            "chat_hostname": HOST,
            "message_token": _token() if token is None else token,
            **content,
        }

    def _event(
        self,
        bot: Bot,
        chat: Chat,
        event: str,
        content: Mapping[str, Any],
        *,
        token: int | None = None,
        text: str = "",
    ) -> None:
        """Send an event; `message` cannot be switched off."""
        self.world.touch()
        if not bot.url or (event != "message" and event not in bot.events):
            return
        body = self._body(event, content, token)
        packed = write_utf8(body)
        welcomed = False

        def prepare(wrongly: bool) -> Outgoing | None:
            if not bot.url:
                return None
            secret = f"{bot.account.token}-wrong" if wrongly else bot.account.token
            headers = {
                "Content-Type": "application/json",
                "X-Viber-Content-Signature": sign_viber(secret, packed),
            }
            return Outgoing(bot.url, packed, headers)

        async def judge(response: httpx.Response) -> Verdict:
            nonlocal welcomed
            taken = response.status_code == 200
            if taken and event == "conversation_started" and not welcomed:
                welcomed = True
                self._welcome(chat, response)
            return Verdict(taken)

        person = chat.person.number
        identity = f"{body['message_token']}"
        lane = chat.user_id
        self.courier.send(Push(self.kind, chat.account, lane, event, identity, prepare, judge, person, text))


def check_message(params: Mapping[str, Any]) -> None:
    """Refuse a message that the platform cannot read, of send_message and of a welcome alike."""
    kind = params.get("type")
    if not isinstance(kind, str):
        raise fail(4, "type is missing")
    if kind not in NEEDED:
        raise fail(3, f"type {kind} is not supported")
    for needed in NEEDED[kind]:
        if not params.get(needed):
            raise fail(4, f"{needed} is missing")
    sender = params.get("sender")
    name = sender.get("name") if isinstance(sender, dict) else None
    if not isinstance(name, str) or not name:
        raise fail(4, "sender.name is missing")
    if len(name) > MAX_NAME:
        raise fail(3, "sender.name is too long")
    if len(str(params.get("text", ""))) > (MAX_CAPTION if kind == "picture" else MAX_TEXT):
        raise fail(3, "text is too long")
    if len(str(params.get("tracking_data", ""))) > MAX_TRACKING:
        raise fail(3, "tracking_data is too long")
    version = params.get("min_api_version", 1)
    if not isinstance(version, int):
        raise fail(3, "min_api_version is no number")
    if version > API_VERSION:
        raise fail(13)
    if not isinstance(params.get("keyboard", {}), dict | None):
        raise fail(3, "keyboard is invalid")


def find_keyboard_fault(params: Mapping[str, Any]) -> str:
    """What the person's own Viber finds wrong with a keyboard, after the server has taken it."""
    keyboard = params.get("keyboard")
    if not keyboard:
        return ""
    buttons = keyboard.get("Buttons")
    if keyboard.get("Type") != "keyboard" or not isinstance(buttons, list) or not buttons:
        return "The keyboard needs Type and Buttons"
    for button in buttons:
        if not isinstance(button, dict) or not isinstance(button.get("ActionBody"), str):
            return "A button needs ActionBody"
        if button.get("ActionType", "reply") not in PRESSES:
            return "ActionType is unknown"
        if button.get("ActionType") == "share-phone" and params.get("min_api_version", 1) < 3:
            return "share-phone needs min_api_version 3"
        if button.get("Columns", 6) not in range(1, 7) or button.get("Rows", 1) not in (1, 2):
            return "Columns is from 1 to 6, Rows 1 or 2"
    return ""


def read_keyboard(params: Mapping[str, Any]) -> Grid:
    """The buttons as they stand in a grid of six columns."""
    if not params.get("keyboard") or find_keyboard_fault(params):
        return ()
    rows: list[list[Button]] = []
    room = 0
    for button in params["keyboard"]["Buttons"]:
        width = int(button.get("Columns", 6))
        if width > room:
            rows.append([])
            room = 6
        room -= width
        label = str(button.get("Text") or button["ActionBody"])
        press = PRESSES[button.get("ActionType", "reply")]
        rows[-1].append(Button(label, press, button["ActionBody"]))
    return tuple(tuple(row) for row in rows)


def _shown(params: Mapping[str, Any]) -> str:
    return str(params.get("text") or params.get("media") or params["type"])


def _token() -> int:
    """A message's token: 64 bits, more than a JavaScript number holds."""
    return 2**62 + secrets.randbits(61)
