"""The stand-in of Facebook's Graph API for Messenger, and of a person's Messenger."""

from __future__ import annotations

import json
import re
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from knopka.domain.errors import Conflict, InvalidInput
from knopka.simulator.accounts import Account, Kind, MessengerAccount
from knopka.simulator.asgi import Reply, Request, reply_json
from knopka.simulator.courier import Manners, Outgoing, Push, Verdict
from knopka.simulator.faults import Fault, Trouble
from knopka.simulator.samples import LATITUDE, LONGITUDE, Piece, Sample
from knopka.simulator.signing import is_same, prove_app, sign_meta, write_meta
from knopka.simulator.stand_in import Call, Refusal, StandIn
from knopka.simulator.world import Button, Chat, Grid, Line, Link, Person, Press, Side

MAX_TEXT = 2000
MAX_METADATA = 1000
MAX_QUICK = 13
MAX_TITLE = 20
MAX_PAYLOAD = 1000
MAX_TEMPLATE_TEXT = 640
MAX_TEMPLATE_BUTTONS = 3
WINDOW = 24 * 3600
HUMAN_WINDOW = 7 * 24 * 3600
HOUR = 3600.0
PAGE_FIELDS = (
    "messages", "messaging_postbacks", "messaging_referrals", "message_echoes", "message_deliveries",
    "message_reads", "message_reactions", "message_edits", "messaging_optins", "messaging_handovers",
    "standby", "feed",
)  # fmt: skip
PROFILE_FIELDS = ("get_started", "greeting", "ice_breakers", "persistent_menu", "whitelisted_domains")
OLDER_TAGS = ("CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE", "ACCOUNT_UPDATE")
ACTIONS = ("typing_on", "typing_off", "mark_seen")
STICKER_ID = 369239263222822
PIECE_TYPES = {
    Piece.PHOTO: "image", Piece.FILE: "file", Piece.VOICE: "audio", Piece.VIDEO: "video",
    Piece.STICKER: "sticker",
}  # fmt: skip
PATH = re.compile(r"(?:v\d+\.\d+/)?([^/]+)(?:/([a-z_]+))?/?")


@dataclass(slots=True)
class Subscription:
    """Where Meta sends the events of an app's pages."""

    url: str
    verify_token: str
    fields: tuple[str, ...]


@dataclass(slots=True)
class Page:
    """What the platform keeps of one Page and its app."""

    account: MessengerAccount
    webhook: Subscription | None = None
    subscribed: tuple[str, ...] | None = None
    """The fields of this Page that the app gets; None when the app is not subscribed."""
    profile: dict[str, Any] = field(default_factory=dict)
    waiting: deque[tuple[dict[str, Any], str, Chat, str, str]] = field(default_factory=deque)
    """An event that waits for a second one to fill a batch."""


def fail(
    code: int, message: str, subcode: int | None = None, status: int = 400, kind: str = "OAuthException"
) -> Refusal:
    error: dict[str, Any] = {"message": message, "type": kind, "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    error["fbtrace_id"] = secrets.token_urlsafe(8)
    place = f"{code}" if subcode is None else f"{code}/{subcode}"
    return Refusal(reply_json({"error": error}, status, outcome=f"error {place}: {message}"))


def bad(message: str) -> Refusal:
    return fail(100, f"(#100) {message}")


BAD_TOKEN = "Invalid OAuth access token - Cannot parse access token"  # noqa: S105 # the platform's words
NOT_THERE = (
    "Unsupported {method} request. Object with ID '{id}' does not exist, cannot be loaded due to missing "
    "permissions, or does not support this operation."
)


class Messenger(StandIn[Page]):
    kind = Kind.MESSENGER
    # Meta's documentation: an answer within 20 s, then "immediately, then a few more times with decreasing
    # frequency"; the figures are ours.
    manners = Manners(
        patience=20, waits=(0, 15, 60, 300, 900, 1800, 3600, 7200), span=36 * HOUR, in_order=True
    )
    sending = frozenset({"messages"})
    abilities = frozenset({"edit", "delete", "read"})

    def open_house(self, account: Account) -> Page:
        assert isinstance(account, MessengerAccount)  # noqa: S101 # the simulator sorts them by kind
        known = self.houses.get(account.key)
        if known is None:
            return Page(account)
        known.account = account
        return known

    def names(self, house: Page) -> set[str]:
        return {house.account.page_id, house.account.username}

    def user_id(self, account: str, person: Person) -> str:
        """A person has another id for each Page."""
        digest = sha256(f"{account} {self.world.seed} {person.number}".encode()).digest()
        return str(7 * 10**15 + int.from_bytes(digest[:6]) % 10**15)

    # The Graph API.

    def read_call(self, request: Request, path: str) -> Call:
        found = PATH.fullmatch(path)
        if found is None:
            raise fail(2500, "Unknown path components", status=400)
        node, edge = found[1], found[2] or ""
        params = request.params()
        token = str(params.pop("access_token", "") or request.bearer())
        page = self._page_of(token, node, edge)
        self._check_proof(page, token, params)
        params["node"] = node
        return Call(page.account.key, edge or "get", params, request)

    def _page_of(self, token: str, node: str, edge: str) -> Page:
        for page in self.houses.values():
            account = page.account
            mine = f"{account.app_id}|{account.app_secret}" if edge == "subscriptions" else account.page_token
            if token and is_same(token, mine):
                return page
        raise fail(190, BAD_TOKEN)

    def _check_proof(self, page: Page, token: str, params: dict[str, Any]) -> None:
        proof = params.pop("appsecret_proof", None)
        if proof is not None and not is_same(str(proof), prove_app(page.account.app_secret, token)):
            raise fail(
                100,
                "Invalid appsecret_proof provided in the API argument",
                kind="GraphMethodException",
            )

    def refuse(self, fault: Fault) -> Reply:
        match fault.trouble:
            case Trouble.TOO_MANY | Trouble.FLOOD:
                refusal = fail(613, "(#613) Calls to this api have exceeded the rate limit.")
            case Trouble.BAD_TOKEN:
                words = "Error validating access token: The session has been invalidated."
                refusal = fail(190, words, 460)
            case Trouble.BLOCKED:
                refusal = self._blocked()
            case Trouble.WINDOW_CLOSED:
                refusal = _window_closed()
            case _:
                refusal = fail(
                    2, "An unexpected error has occurred. Please retry your request later.", status=500
                )
        return refusal.reply

    def _blocked(self) -> Refusal:
        if self.world.readings.is_usual("messenger_blocked_code"):
            return fail(551, "(#551) This person isn't available right now.", 1545041)
        return fail(2, "(#2) Service temporarily unavailable", status=500)

    async def perform(self, call: Call) -> Reply:
        page = self.houses[call.account]
        verb, node = call.request.method, str(call.params["node"])
        own = node in ("me", page.account.page_id, page.account.username)
        match (call.method, verb):
            case ("subscriptions", _) if node == page.account.app_id:
                return await self._subscriptions(page, verb, call.params)
            case ("messages", "POST") if own:
                return self._send(page, call)
            case ("subscribed_apps", _) if own:
                return self._subscribed_apps(page, verb, call.params)
            case ("messenger_profile", _) if own:
                return self._messenger_profile(page, verb, call.params)
            case ("get", "GET") if own:
                return reply_json(_pick(_page_body(page), call.params, ("id", "name")))
            case ("get", "GET"):
                return self._profile(call, node)
            case _:
                words = NOT_THERE.format(method=verb.lower(), id=node)
                raise fail(100, words, 33, kind="GraphMethodException")

    async def _subscriptions(self, page: Page, verb: str, params: Mapping[str, Any]) -> Reply:
        match verb:
            case "POST":
                return await self._subscribe(page, params)
            case "DELETE":
                page.webhook = None
                self.world.touch()
                return reply_json({"success": True})
            case _:
                return reply_json({"data": _subscription_body(page)})

    async def _subscribe(self, page: Page, params: Mapping[str, Any]) -> Reply:
        """Keep the webhook once it has proved that it knows the verify token (Meta, "Getting started")."""
        if params.get("object") != "page":
            raise bad("Param object must be one of {page}")
        fields = _names(params.get("fields"))
        if unknown := [one for one in fields if one not in PAGE_FIELDS]:
            raise bad(f"Param fields[0] must be one of {{{', '.join(PAGE_FIELDS)}}} - got {unknown[0]}")
        url, verify_token = str(params.get("callback_url", "")), str(params.get("verify_token", ""))
        await self._challenge(url, verify_token)
        page.webhook = Subscription(url, verify_token, fields)
        self.world.touch()
        return reply_json({"success": True})

    async def _challenge(self, url: str, verify_token: str) -> None:
        challenge = str(secrets.randbelow(10**9))
        asked = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            answer = await self.courier.ask(self.kind, url, asked)
        except InvalidInput as error:
            raise fail(100, f"(#100) {error.faults[0].message}") from None
        except httpx.HTTPError as error:
            raise _unverified(type(error).__name__) from None
        if answer.status_code != 200:
            raise _unverified(f"HTTP Status Code = {answer.status_code}")
        if answer.text.strip() != challenge:
            raise _unverified("the response does not match challenge")

    def _subscribed_apps(self, page: Page, verb: str, params: Mapping[str, Any]) -> Reply:
        match verb:
            case "POST":
                fields = _names(params.get("subscribed_fields"))
                if not fields or any(one not in PAGE_FIELDS for one in fields):
                    raise bad(f"Param subscribed_fields[0] must be one of {{{', '.join(PAGE_FIELDS)}}}")
                page.subscribed = fields
                self.world.touch()
                return reply_json({"success": True})
            case "DELETE":
                page.subscribed = None
                self.world.touch()
                return reply_json({"success": True})
            case _:
                app = {"id": page.account.app_id, "name": "App", "category": "Business"}
                fields = page.subscribed or ()
                return reply_json({"data": [{**app, "subscribed_fields": list(fields)}] if fields else []})

    def _messenger_profile(self, page: Page, verb: str, params: Mapping[str, Any]) -> Reply:
        if verb == "GET":
            wanted = _names(params.get("fields"))
            found = {name: value for name, value in page.profile.items() if name in wanted}
            return reply_json({"data": [found] if found else []})
        if verb == "DELETE":
            for name in _names(params.get("fields")):
                page.profile.pop(name, None)
        else:
            given = {name: _read_json(params[name]) for name in PROFILE_FIELDS if name in params}
            if not given:
                raise bad("Requires one of the params: " + ",".join(PROFILE_FIELDS))
            if "persistent_menu" in given and not {"get_started"} & (page.profile.keys() | given.keys()):
                raise bad("You must set a Get Started button if you also wish to use persistent menu")
            page.profile |= given
        self.world.touch()
        return reply_json({"result": "success"})

    def _profile(self, call: Call, psid: str) -> Reply:
        chat = self.find_chat(call.account, psid)
        if chat is None or not chat.has_history:
            words = NOT_THERE.format(method="get", id=psid)
            raise fail(100, words, 33, kind="GraphMethodException")
        person = chat.person
        call.person = person.number
        body = {
            "id": psid,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "name": person.name,
            "profile_pic": self.world.avatar_url(person),
            "locale": "ru_RU",
            "timezone": 3,
        }
        return reply_json(_pick(body, call.params, ("first_name", "last_name", "profile_pic")))

    # Sending.

    def _send(self, page: Page, call: Call) -> Reply:
        params = call.params
        chat = self._recipient(call)
        action = params.get("sender_action")
        if action is not None:
            return self._act(chat, str(action))
        message = _read_json(params.get("message"))
        if not isinstance(message, dict):
            raise bad("Param message must be non-empty.")
        self._check_window(chat, params)
        if chat.blocked:
            raise self._blocked()
        text, what, buttons, quick = read_message(message)
        call.text = text or what
        line = Line(f"m_{secrets.token_urlsafe(24)}", Side.BOT, text, self.world.now(), what, buttons=buttons)
        call.identity = line.id
        self.set_keyboard(chat, quick, goes=True)
        self.show(chat, line)
        self._echo(page, chat, line, message)
        self._tell_delivery(page, chat, line)
        return reply_json({"recipient_id": chat.user_id, "message_id": line.id})

    def _recipient(self, call: Call) -> Chat:
        recipient = _read_json(call.params.get("recipient"))
        psid = recipient.get("id") if isinstance(recipient, dict) else None
        if not psid:
            raise bad("The parameter recipient is required")
        chat = self.find_chat(call.account, psid)
        if chat is None or chat.acted_at is None:
            raise fail(100, "(#100) No matching user found", 2018001)
        call.person = chat.person.number
        return chat

    def _act(self, chat: Chat, action: str) -> Reply:
        if action.lower() not in ACTIONS:
            raise bad(f"Param sender_action must be one of {{{', '.join(ACTIONS)}}}")
        if chat.blocked:
            raise self._blocked()
        if action.lower() != "mark_seen":
            chat.typing = action.lower() == "typing_on"
            self.world.touch()
        return reply_json({"recipient_id": chat.user_id})

    def _check_window(self, chat: Chat, params: Mapping[str, Any]) -> None:
        silent = self.world.now() - (chat.acted_at or 0)
        tagged = str(params.get("messaging_type", "RESPONSE")).upper() == "MESSAGE_TAG"
        tag = str(params.get("tag", "")).upper()
        if tagged and tag in OLDER_TAGS:
            if self.world.readings.is_usual("messenger_older_tags"):
                raise bad("Param tag must be one of {HUMAN_AGENT} - the tag has been withdrawn")
            return
        if tagged and tag != "HUMAN_AGENT":
            raise bad("Param tag must be one of {HUMAN_AGENT}")
        if tagged and not self.world.readings.is_usual("messenger_human_agent"):
            raise fail(100, "(#100) Tag HUMAN_AGENT is not approved for this app", 2018276)
        if silent > (HUMAN_WINDOW if tagged else WINDOW):
            raise _window_closed()

    def _echo(self, page: Page, chat: Chat, line: Line, message: Mapping[str, Any]) -> None:
        body: dict[str, Any] = {"mid": line.id, "is_echo": True, "app_id": int(page.account.app_id)}
        body |= {key: message[key] for key in ("text", "metadata") if key in message}
        event = {
            "sender": {"id": page.account.page_id},
            "recipient": {"id": chat.user_id},
            "timestamp": self._ms(),
            "message": body,
        }
        self._push(page, chat, event, "message_echoes", line.id, line.text)

    def _tell_delivery(self, page: Page, chat: Chat, line: Line) -> None:
        delivery: dict[str, Any] = {"watermark": self._ms()}
        if self.world.readings.is_usual("messenger_delivery_mids"):
            delivery["mids"] = [line.id]
        self._event(page, chat, {"delivery": delivery}, "message_deliveries", f"{line.id} delivered")

    # What a person does.

    def start_label(self, chat: Chat) -> str:
        has_button = "get_started" in self.houses[chat.account].profile
        return "get_started" if has_button and not chat.has_history else ""

    def open(self, chat: Chat, link: Link) -> None:
        """In an old thread the click itself is told; in a new one Get Started or a message tells it."""
        chat.link = link
        if not chat.has_history:
            return
        chat.take_link()
        chat.acted_at = self.world.now()
        event = {"referral": _referral(link)}
        self._event(
            self.houses[chat.account], chat, event, "messaging_referrals", secrets.token_hex(8), link.code
        )

    def start(self, chat: Chat) -> None:
        self.needs_reach(chat)
        page = self.houses[chat.account]
        started = page.profile.get("get_started")
        if not isinstance(started, dict) or chat.has_history:
            raise Conflict("There is no Get Started button here.")
        link = chat.take_link()
        mid = f"m_{secrets.token_urlsafe(24)}"
        chat.add(Line(mid, Side.PERSON, "Get Started", self.world.now()))
        chat.acted_at = self.world.now()
        self._postback(page, chat, mid, "Get Started", str(started.get("payload", "")), link)

    def _postback(
        self, page: Page, chat: Chat, mid: str, title: str, payload: str, link: Link | None
    ) -> None:
        postback: dict[str, Any] = {"title": title, "payload": payload}
        if self.world.readings.is_usual("messenger_postback_mid"):
            postback["mid"] = mid
        if link is not None and link.code:
            postback["referral"] = _referral(link)
        self._event(page, chat, {"postback": postback}, "messaging_postbacks", mid, title)

    def say(self, chat: Chat, text: str) -> None:
        self._receive(chat, text, {"text": text})

    def attach(self, chat: Chat, piece: Piece, sample: Sample | None, caption: str) -> None:
        media = None if sample is None else self.world.keep(sample)
        url = "" if media is None else media.url
        match piece:
            case Piece.CONTACT:
                content: dict[str, Any] = {"text": chat.person.phone}
            case Piece.LOCATION:
                content = {"attachments": [self._location()]}
            case Piece.STICKER:
                content = {"sticker_id": STICKER_ID, "attachments": self._sticker(url)}
            case _:
                content = {"attachments": [{"type": PIECE_TYPES[piece], "payload": {"url": url}}]}
        shown = chat.person.phone if piece is Piece.CONTACT else ""
        line = self._receive(chat, shown, content, piece)
        line.media = media
        if caption:
            self.say(chat, caption)

    def _location(self) -> dict[str, Any]:
        if self.world.readings.is_usual("messenger_location"):
            url = f"https://maps.example/?where={LATITUDE},{LONGITUDE}"
            return {"type": "fallback", "payload": {"url": url, "title": "Pinned location"}}
        coordinates = {"lat": LATITUDE, "long": LONGITUDE}
        return {"type": "location", "payload": {"coordinates": coordinates}}

    def _sticker(self, url: str) -> list[dict[str, Any]]:
        payload = {"url": url, "sticker_id": STICKER_ID}
        kinds = ["sticker"] if self.world.readings.is_usual("messenger_sticker") else ["sticker", "image"]
        return [{"type": kind, "payload": payload} for kind in kinds]

    def press(self, chat: Chat, button: Button, line: Line | None) -> None:
        self.needs_reach(chat)
        match button.press:
            case Press.CALLBACK:
                mid = f"m_{secrets.token_urlsafe(24)}"
                chat.add(Line(mid, Side.PERSON, button.label, self.world.now()))
                chat.acted_at = self.world.now()
                self._postback(self.houses[chat.account], chat, mid, button.label, button.data, None)
            case Press.SAY:
                self.spend_keyboard(chat)
                self._receive(
                    chat, button.label, {"text": button.label, "quick_reply": {"payload": button.data}}
                )
            case Press.PHONE:
                self.spend_keyboard(chat)
                self._receive(chat, chat.person.phone, self._shared_phone(chat.person.phone))
            case Press.EMAIL:
                self.spend_keyboard(chat)
                email = chat.person.email
                self._receive(chat, email, {"text": email, "quick_reply": {"payload": email}})
            case _:
                self.tell(chat, button.data)

    def _shared_phone(self, phone: str) -> dict[str, Any]:
        usual = self.world.readings.is_usual("messenger_shared_phone")
        return {"text": phone, "quick_reply": {"payload": phone}} if usual else {"text": phone}

    def edit(self, chat: Chat, line: Line, text: str) -> None:
        self.needs_reach(chat)
        line.text, line.edited = text, True
        if not self.world.readings.is_usual("messenger_edits"):
            event = {"message_edit": {"mid": line.id, "text": text, "num_edit": 1}}
            self._event(self.houses[chat.account], chat, event, "message_edits", f"{line.id} edited", text)

    def delete(self, chat: Chat, line: Line) -> None:
        self.needs_reach(chat)
        line.deleted = True
        if not self.world.readings.is_usual("messenger_edits"):
            event = {"message": {"mid": line.id, "is_deleted": True}}
            self._event(self.houses[chat.account], chat, event, "messages", f"{line.id} deleted")

    def block(self, chat: Chat) -> None:
        """Nobody is told: the Page learns it from its next message."""
        chat.blocked = True

    def unblock(self, chat: Chat) -> None:
        chat.blocked = False

    def read(self, chat: Chat) -> None:
        unread = [line for line in chat.lines if line.side is Side.BOT and not line.read]
        for line in unread:
            line.read = True
        if unread:
            event = {"read": {"watermark": self._ms()}}
            self._event(self.houses[chat.account], chat, event, "message_reads", f"{unread[-1].id} read")

    def _receive(self, chat: Chat, text: str, content: dict[str, Any], what: str = "text") -> Line:
        self.needs_reach(chat)
        mid = f"m_{secrets.token_urlsafe(24)}"
        is_new = not chat.has_history
        line = chat.add(Line(mid, Side.PERSON, text, self.world.now(), what))
        chat.acted_at = self.world.now()
        message: dict[str, Any] = {"mid": mid, **content}
        link = chat.take_link()
        told = self.world.readings.is_usual("messenger_typed_first")
        if is_new and link is not None and link.code and told and self._has_get_started(chat):
            message["referral"] = _referral(link)
        self._event(self.houses[chat.account], chat, {"message": message}, "messages", mid, text or what)
        return line

    def _has_get_started(self, chat: Chat) -> bool:
        """Without that button a new thread tells no ref at all (Meta, "m.me links")."""
        return "get_started" in self.houses[chat.account].profile

    # Events on their way.

    def _ms(self) -> int:
        return int(self.world.now() * 1000)

    def _event(
        self, page: Page, chat: Chat, content: dict[str, Any], name: str, identity: str, text: str = ""
    ) -> None:
        event = {
            "sender": {"id": chat.user_id},
            "recipient": {"id": page.account.page_id},
            "timestamp": self._ms(),
            **content,
        }
        self._push(page, chat, event, name, identity, text)

    def _push(
        self, page: Page, chat: Chat, event: dict[str, Any], name: str, identity: str, text: str
    ) -> None:
        webhook = page.webhook
        if webhook is None or name not in webhook.fields or name not in (page.subscribed or ()):
            return
        if self.world.readings.is_usual("messenger_batches"):
            self._send_entry(page, chat, [event], name, identity, text)
            return
        page.waiting.append((event, name, chat, identity, text))
        if len(page.waiting) < 2:
            return
        events = [one[0] for one in page.waiting]
        names = ", ".join(one[1] for one in page.waiting)
        identities = ", ".join(one[3] for one in page.waiting)
        page.waiting.clear()
        self._send_entry(page, chat, events, names, identities, text)

    def _send_entry(
        self, page: Page, chat: Chat, events: list[dict[str, Any]], name: str, identity: str, text: str
    ) -> None:
        entry = {"id": page.account.page_id, "time": self._ms(), "messaging": events}
        content = write_meta({"object": "page", "entry": [entry]})

        def prepare(wrongly: bool) -> Outgoing | None:
            if page.webhook is None:
                return None
            secret = f"{page.account.app_secret}-wrong" if wrongly else page.account.app_secret
            headers = {"Content-Type": "application/json", **sign_meta(secret, content)}
            return Outgoing(page.webhook.url, content, headers)

        async def judge(response: httpx.Response) -> Verdict:
            return Verdict(response.status_code == 200)

        person = chat.person.number
        usual = self.world.readings.is_usual("messenger_retry_span")
        span = None if usual else HOUR
        lane = f"page {page.account.page_id}" if name == "messages" else f"{name} {chat.user_id}"
        account = page.account.key
        self.courier.send(
            Push(self.kind, account, lane, name, identity, prepare, judge, person, text, span=span)
        )


def read_message(message: Mapping[str, Any]) -> tuple[str, str, Grid, Grid]:
    """A message's text, what it is, its buttons and its quick replies; raises the platform's refusals."""
    metadata = message.get("metadata", "")
    if not isinstance(metadata, str) or len(metadata) > MAX_METADATA:
        raise bad(f"Length of param message[metadata] must be less than or equal to {MAX_METADATA}")
    quick = _read_quick(message.get("quick_replies", []))
    attachment = message.get("attachment")
    if isinstance(attachment, dict):
        text, what, buttons = _read_attachment(attachment)
        return text, what, buttons, quick
    said = message.get("text")
    if not isinstance(said, str) or not said:
        raise bad("Param message[text] must be a non-empty UTF-8 encoded string")
    if len(said) > MAX_TEXT:
        raise bad(f"Length of param message[text] must be less than or equal to {MAX_TEXT}")
    return said, "text", (), quick


def _read_quick(replies: object) -> Grid:
    if not isinstance(replies, list) or len(replies) > MAX_QUICK:
        raise bad(f"Param message[quick_replies] must be an array of at most {MAX_QUICK} elements")
    row = tuple(_read_quick_reply(reply) for reply in replies)
    return (row,) if row else ()


def _read_quick_reply(reply: Any) -> Button:
    match reply:
        case {"content_type": "user_phone_number"}:
            return Button("Share phone number", Press.PHONE)
        case {"content_type": "user_email"}:
            return Button("Share e-mail", Press.EMAIL)
        case {"content_type": "text", "title": str(title), "payload": str(payload)} if title:
            if len(title) > MAX_TITLE or len(payload) > MAX_PAYLOAD:
                raise bad(f"Quick reply: title at most {MAX_TITLE}, payload at most {MAX_PAYLOAD} characters")
            return Button(title, Press.SAY, payload)
        case _:
            raise bad("Param message[quick_replies][0] must have content_type, title and payload")


def _read_attachment(attachment: Mapping[str, Any]) -> tuple[str, str, Grid]:
    kind, payload = attachment.get("type"), attachment.get("payload")
    if kind in ("image", "audio", "video", "file") and isinstance(payload, dict):
        if not isinstance(payload.get("url") or payload.get("attachment_id"), str):
            raise bad("Param message[attachment][payload] must have url or attachment_id")
        return str(payload.get("url", "")), str(kind), ()
    match attachment:
        case {
            "type": "template",
            "payload": {"template_type": "button", "text": str(text), "buttons": list(buttons)},
        }:
            if not text or len(text) > MAX_TEMPLATE_TEXT or not 1 <= len(buttons) <= MAX_TEMPLATE_BUTTONS:
                raise bad("The button template has up to 640 characters and from 1 to 3 buttons")
            return text, "text", tuple((_read_button(button),) for button in buttons)
        case _:
            raise bad("Param message[attachment] is not of a supported kind")


def _read_button(button: Any) -> Button:
    match button:
        case {"type": "postback", "title": str(title), "payload": str(payload)} if (
            0 < len(title) <= MAX_TITLE
        ):
            return Button(title, Press.CALLBACK, payload)
        case {"type": "web_url", "title": str(title), "url": str(url)} if 0 < len(title) <= MAX_TITLE:
            return Button(title, Press.LINK, url)
        case _:
            raise bad("A button has a type, a title of at most 20 characters, and a payload or url")


def _referral(link: Link) -> dict[str, str]:
    return {"ref": link.code, "source": "SHORTLINK", "type": "OPEN_THREAD"}


def _window_closed() -> Refusal:
    words = "(#10) This message is sent outside of allowed window."
    return fail(10, words, 2018278)


def _unverified(reason: str) -> Refusal:
    return fail(2200, f"(#2200) Callback verification failed with the following errors: {reason}")


def _page_body(page: Page) -> dict[str, Any]:
    account = page.account
    link = f"https://www.facebook.com/{account.username}"
    return {"id": account.page_id, "name": account.name, "username": account.username, "link": link}


def _subscription_body(page: Page) -> list[dict[str, Any]]:
    if page.webhook is None:
        return []
    fields = [{"name": name, "version": "v26.0"} for name in page.webhook.fields]
    return [{"object": "page", "callback_url": page.webhook.url, "active": True, "fields": fields}]


def _pick(body: Mapping[str, Any], params: Mapping[str, Any], usual: tuple[str, ...]) -> dict[str, Any]:
    """The fields that were asked for, and the id, which always comes."""
    wanted = (*(_names(params.get("fields")) or usual), "id")
    return {name: value for name, value in body.items() if name in wanted}


def _names(value: object) -> tuple[str, ...]:
    """A list of names: a JSON array, or a text with commas."""
    read = _read_json(value)
    if isinstance(read, list):
        return tuple(str(one) for one in read)
    return tuple(one.strip() for one in str(value).split(",") if one.strip()) if value else ()


def _read_json(value: object) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
