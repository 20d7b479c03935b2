"""The stand-in of VK's API and Callback API for a community, and of a person's VK."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from knopka.domain.errors import Conflict, InvalidInput
from knopka.simulator.accounts import Account, Kind, VkAccount
from knopka.simulator.asgi import Reply, Request, reply_json
from knopka.simulator.courier import Manners, Outgoing, Push, Verdict, check_loopback, read_retry_after
from knopka.simulator.faults import Fault, Trouble
from knopka.simulator.samples import LATITUDE, LONGITUDE, PHOTO_SIZE, SECONDS, Piece, Sample
from knopka.simulator.signing import is_same, write_utf8
from knopka.simulator.stand_in import Call, Refusal, StandIn
from knopka.simulator.world import Button, Chat, Grid, Line, Link, Media, Person, Press, Side

MAX_SERVERS = 10
MAX_TITLE = 14
MAX_SECRET = 50
MAX_LABEL = 40
MAX_PAYLOAD = 255
HOUR = 3600.0
MAX_RETRY_AFTER = 3 * HOUR
MAX_SENT = 1000
MAX_ASKED = 100
CROPPED_TEXT = 100
"""What is left of a message that is told cut; VK tells no figure, so this one is ours."""
START_TEXT = "Начать"
START_PAYLOAD = '{"command":"start"}'
STICKER_ID = 9019
EVENTS = (
    "message_new", "message_reply", "message_edit", "message_allow", "message_deny", "message_read",
    "message_typing_state", "message_event", "message_reaction_event",
)  # fmt: skip
SHAPE_OF_THE_MESSAGE = (5, 103)
"""From this version on message_new holds the message and client_info (dev.vk.com, "Community events")."""
CLIENT_INFO = {
    "button_actions": ["text", "vkpay", "open_app", "location", "open_link", "callback"],
    "keyboard": True,
    "inline_keyboard": True,
    "carousel": True,
    "lang_id": 0,
}
PRESSES = {
    "text": Press.SAY, "callback": Press.CALLBACK, "open_link": Press.LINK, "location": Press.LOCATION,
}  # fmt: skip


@dataclass(slots=True)
class Server:
    """One callback server of a community."""

    id: int
    url: str
    title: str
    secret: str
    status: str = "unconfigured"
    events: frozenset[str] = frozenset({"message_new"})
    version: str = "5.199"

    def is_since(self, version: tuple[int, int]) -> bool:
        major, _, minor = self.version.partition(".")
        return (int(major), int(minor)) >= version


@dataclass(slots=True)
class Community:
    """What VK keeps of one community."""

    account: VkAccount
    servers: dict[int, Server] = field(default_factory=dict)
    code: str = field(default_factory=lambda: secrets.token_hex(4))
    """What a server must answer to be confirmed."""
    server_ids: count[int] = field(default_factory=lambda: count(1))
    message_ids: count[int] = field(default_factory=lambda: count(1))
    sent: OrderedDict[tuple[str, int], tuple[float, int]] = field(default_factory=OrderedDict)
    """By peer and random_id: when a message was sent, and its id."""
    waiting: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """Presses of callback buttons that may still be answered, and whose they are."""


def fail(code: int, message: str) -> Refusal:
    body = {"error": {"error_code": code, "error_msg": message, "request_params": []}}
    return Refusal(reply_json(body, outcome=f"error {code}: {message}"))


def bad(message: str) -> Refusal:
    return fail(100, f"One of the parameters specified was missing or invalid: {message}")


def respond(response: Any) -> Reply:
    return reply_json({"response": response})


class Vk(StandIn[Community]):
    kind = Kind.VK
    # VK says only that it tries again and that several errors pause the delivery; the figures are ours.
    manners = Manners(patience=10, waits=(10, 30, 60, 120, 300, 600, 1800), span=3 * HOUR, in_order=False)
    sending = frozenset({"messages.send"})
    abilities = frozenset({"edit", "read", "allow", "type"})

    def open_house(self, account: Account) -> Community:
        assert isinstance(account, VkAccount)  # noqa: S101 # the simulator sorts them by kind
        known = self.houses.get(account.key)
        if known is None:
            return Community(account)
        known.account = account
        return known

    def names(self, house: Community) -> set[str]:
        account = house.account
        return {account.screen_name, f"club{account.group_id}", f"public{account.group_id}"}

    def user_id(self, account: str, person: Person) -> str:
        """Of a person, not of a chat: those begin at 2,000,000,000."""
        return str(100_000_000 + self.world.seed % 1_000_000 * 1000 + person.number)

    # The API.

    def read_call(self, request: Request, path: str) -> Call:
        method = path.removeprefix("method/")
        if request.media_type == "application/json":
            raise bad("the body must be a form")
        params = request.params()
        token = str(params.pop("access_token", "") or request.bearer())
        if not token:
            raise fail(5, "User authorization failed: no access_token passed.")
        for community in self.houses.values():
            if is_same(token, community.account.token):
                if not params.get("v"):
                    raise fail(8, "Invalid request: v (version) is required")
                return Call(community.account.key, method, params, request)
        raise fail(5, "User authorization failed: invalid access_token (4).")

    def refuse(self, fault: Fault) -> Reply:
        match fault.trouble:
            case Trouble.TOO_MANY:
                refusal = fail(6, "Too many requests per second")
            case Trouble.FLOOD:
                refusal = fail(9, "Flood control")
            case Trouble.BAD_TOKEN:
                refusal = fail(5, "User authorization failed: access_token has expired.")
            case Trouble.BLOCKED | Trouble.WINDOW_CLOSED:
                refusal = _not_allowed()
            case _:
                return Reply(502, b"Bad Gateway", {"content-type": "text/plain"}, "error 502")
        return refusal.reply

    async def perform(self, call: Call) -> Reply:
        community = self.houses[call.account]
        if call.method.startswith("groups."):
            return await self._groups(community, call)
        match call.method:
            case "messages.send":
                return self._send(community, call)
            case "messages.setActivity":
                self._peer(call).typing = call.params.get("type", "typing") == "typing"
                self.world.touch()
                return respond(1)
            case "messages.markAsRead":
                self._mark_as_read(call)
                return respond(1)
            case "messages.getByConversationMessageId":
                return self._get_messages(call)
            case "messages.sendMessageEventAnswer":
                return self._answer_event(community, call)
            case "users.get":
                return self._users(community, call)
            case _:
                raise fail(3, "Unknown method passed")

    async def _groups(self, community: Community, call: Call) -> Reply:
        params = call.params
        if call.method == "groups.getById":
            return respond(_group_body(community, str(params["v"])))
        if str(params.get("group_id", "")) != community.account.key:
            raise fail(15, "Access denied: no access to this group")
        match call.method:
            case "groups.getCallbackConfirmationCode":
                return respond({"code": community.code})
            case "groups.getCallbackServers":
                items = [_server_body(server) for server in community.servers.values()]
                return respond({"count": len(items), "items": items})
            case "groups.addCallbackServer":
                return await self._add_server(community, params)
            case "groups.editCallbackServer":
                return await self._edit_server(community, params)
            case "groups.deleteCallbackServer":
                del community.servers[self._server(community, params).id]
                self.world.touch()
                return respond(1)
            case "groups.setCallbackSettings":
                return self._set_settings(community, params)
            case "groups.getCallbackSettings":
                server = self._server(community, params)
                events = {event: int(event in server.events) for event in EVENTS}
                return respond({"api_version": server.version, "events": events})
            case _:
                raise fail(3, "Unknown method passed")

    def _server(self, community: Community, params: Mapping[str, Any]) -> Server:
        server = community.servers.get(_whole(params.get("server_id")) or 0)
        if server is None:
            raise bad("server_id not found")
        return server

    async def _add_server(self, community: Community, params: Mapping[str, Any]) -> Reply:
        if len(community.servers) >= MAX_SERVERS:
            raise fail(2000, "Cannot add more than 10 servers")
        url, title, secret = self._server_params(params)
        server = Server(next(community.server_ids), url, title, secret)
        community.servers[server.id] = server
        await self._confirm_when_due(community, server)
        return respond({"server_id": server.id})

    async def _edit_server(self, community: Community, params: Mapping[str, Any]) -> Reply:
        server = self._server(community, params)
        server.url, server.title, server.secret = self._server_params(params)
        await self._confirm_when_due(community, server)
        return respond(1)

    def _server_params(self, params: Mapping[str, Any]) -> tuple[str, str, str]:
        url, title, secret = (str(params.get(name, "")) for name in ("url", "title", "secret_key"))
        try:
            check_loopback(url)
        except InvalidInput as error:
            raise bad(f"url: {error.faults[0].message}") from None
        if not title or len(title) > MAX_TITLE:
            raise bad(f"title is from 1 to {MAX_TITLE} characters")
        if len(secret) > MAX_SECRET:
            raise bad(f"secret_key is at most {MAX_SECRET} characters")
        return url, title, secret

    async def _confirm_when_due(self, community: Community, server: Server) -> None:
        server.status = "wait"
        if self.world.readings.is_usual("vk_confirms"):
            await self._confirm(community, server)
        else:
            self.courier.start(self._confirm_later(community, server))

    async def _confirm_later(self, community: Community, server: Server) -> None:
        await asyncio.sleep(self.world.pace)
        await self._confirm(community, server)

    async def _confirm(self, community: Community, server: Server) -> None:
        """Ask the server for the community's code; only with it the server gets events."""
        body = {"type": "confirmation", "group_id": community.account.group_id}
        if server.secret:
            body |= {"secret": server.secret}
        try:
            answer = await self.courier.call(self.kind, Outgoing(server.url, write_utf8(body), JSON))
            confirmed = answer.status_code == 200 and answer.text.strip() == community.code
            outcome = str(answer.status_code)
        except httpx.HTTPError as error:
            confirmed, outcome = False, f"failed: {type(error).__name__}"
        server.status = "ok" if confirmed else "failed"
        self.world.note(
            self.kind, community.account.key, "push", "confirmation", f"{outcome}, {server.status}"
        )
        if confirmed:
            community.code = secrets.token_hex(4)

    def _set_settings(self, community: Community, params: Mapping[str, Any]) -> Reply:
        server = self._server(community, params)
        version = str(params.get("api_version", server.version))
        if not version.replace(".", "", 1).isdigit() or "." not in version:
            raise bad("api_version is incorrect")
        server.version = version
        given = {event: str(params[event]) == "1" for event in EVENTS if event in params}
        kept = {event for event in server.events if event not in given}
        server.events = frozenset(kept | {event for event, on in given.items() if on})
        self.world.touch()
        return respond(1)

    def _users(self, community: Community, call: Call) -> Reply:
        wanted = [one.strip() for one in str(call.params.get("user_ids", "")).split(",") if one.strip()]
        people = (self._find_person(community, one) for one in wanted)
        fields = {one.strip() for one in str(call.params.get("fields", "")).split(",")}
        return respond([self._user(*found, fields) for found in people if found is not None])

    def _find_person(self, community: Community, wanted: str) -> tuple[str, Person] | None:
        """By number or by screen name; profiles are open to everybody."""
        for person in self.world.people.values():
            user_id = self.user_id(community.account.key, person)
            if wanted in (user_id, f"id{user_id}", person.username):
                return user_id, person
        return None

    def _user(self, user_id: str, person: Person, fields: set[str]) -> dict[str, Any]:
        more = {
            "photo_200": self.world.avatar_url(person),
            "screen_name": person.username,
            "domain": person.username,
            "city": {"id": 1, "title": "Москва"},
        }
        return {
            "id": int(user_id),
            "first_name": person.first_name,
            "last_name": person.last_name,
            "can_access_closed": True,
            "is_closed": False,
            **{name: value for name, value in more.items() if name in fields},
        }

    def _peer(self, call: Call) -> Chat:
        """The chat of a call, if the person lets the community write."""
        peer = call.params.get("peer_id") or call.params.get("user_id")
        if not peer:
            raise bad("peer_id is undefined")
        chat = self.find_chat(call.account, peer)
        call.person = None if chat is None else chat.person.number
        if chat is None or not chat.reachable:
            raise _not_allowed()
        return chat

    def _send(self, community: Community, call: Call) -> Reply:
        params = call.params
        random_id = _whole(params.get("random_id"))
        if random_id is None:
            raise bad("random_id is undefined")
        chat = self._peer(call)
        earlier = self._find_sent(community, chat, random_id)
        if earlier is not None:
            call.identity = str(earlier)
            return respond(earlier)
        text = str(params.get("message", ""))
        call.text = text
        if not text and not params.get("attachment"):
            raise bad("message is empty or invalid")
        if len(text) > int(self.world.readings.get("vk_text_limit")):
            raise fail(914, "Message is too long")
        line = self._show(community, chat, text or str(params.get("attachment")), params)
        call.identity = line.id
        if random_id:
            community.sent[chat.user_id, random_id] = (self.world.now(), int(line.id))
            while len(community.sent) > MAX_SENT:
                community.sent.popitem(last=False)
        body = self._message(chat, line, text, {"random_id": random_id, "out": 1})
        body["from_id"] = -community.account.group_id
        self._event(community, chat, "message_reply", body, line.id, text)
        return respond(int(line.id))

    def _find_sent(self, community: Community, chat: Chat, random_id: int) -> int | None:
        """The message that was sent under this random_id already; 0 is no key."""
        sent = community.sent.get((chat.user_id, random_id))
        if random_id == 0 or sent is None:
            return None
        for_ever = not self.world.readings.is_usual("vk_random_id")
        return sent[1] if for_ever or self.world.now() - sent[0] < HOUR else None

    def _show(self, community: Community, chat: Chat, text: str, params: Mapping[str, Any]) -> Line:
        keyboard = _read_json(params.get("keyboard"))
        line = Line(str(next(community.message_ids)), Side.BOT, text, self.world.now())
        if keyboard is not None:
            buttons = read_keyboard(keyboard)
            if keyboard.get("inline"):
                line.buttons = buttons
            else:
                self.set_keyboard(chat, buttons, goes=bool(keyboard.get("one_time")))
        return self.show(chat, line)

    def _mark_as_read(self, call: Call) -> None:
        for line in self._peer(call).lines:
            if line.side is Side.PERSON:
                line.read = True
        self.world.touch()

    def _get_messages(self, call: Call) -> Reply:
        """Messages of the chat, whole; what is not there is left out."""
        wanted = str(call.params.get("conversation_message_ids", "")).split(",")
        if not 1 <= len(wanted) <= MAX_ASKED or not all(one.strip().isdigit() for one in wanted):
            raise bad("conversation_message_ids not valid")
        chat = self.find_chat(call.account, call.params.get("peer_id"))
        numbers = {one.strip() for one in wanted}
        lines = () if chat is None else chat.lines
        items = [line.body for line in lines if line.id in numbers and line.body]
        return respond({"count": len(items), "items": items})

    def _answer_event(self, community: Community, call: Call) -> Reply:
        event_id = str(call.params.get("event_id", ""))
        waits = community.waiting.get(event_id)
        chat = self._peer(call)
        if waits != chat.person.number:
            raise bad("event_id is invalid or has been answered")
        del community.waiting[event_id]
        answer = _read_json(call.params.get("event_data"))
        if isinstance(answer, dict) and answer.get("type") == "show_snackbar":
            self.tell(chat, str(answer.get("text", "")))
        return respond(1)

    # What a person does.

    def start_label(self, chat: Chat) -> str:
        enabled = self.world.readings.is_usual("vk_start_button")
        return "start" if enabled and not chat.has_history and not chat.blocked else ""

    def open(self, chat: Chat, link: Link) -> None:
        """Nothing is told yet: the code rides on the next message."""
        chat.link = link

    def start(self, chat: Chat) -> None:
        if not self.start_label(chat):
            raise Conflict("There is no Start button here.")
        self._receive(chat, START_TEXT, {"payload": START_PAYLOAD})

    def say(self, chat: Chat, text: str) -> None:
        self._receive(chat, text, {})

    def attach(self, chat: Chat, piece: Piece, sample: Sample | None, caption: str) -> None:
        media = None if sample is None else self.world.keep(sample)
        match piece:
            case Piece.LOCATION:
                coordinates = {"latitude": LATITUDE, "longitude": LONGITUDE}
                content: dict[str, Any] = {"geo": {"type": "point", "coordinates": coordinates}}
            case Piece.CONTACT:
                raise Conflict("VK has no contacts to send; a phone is written as text.")
            case _:
                content = {"attachments": [self._attachment(chat, piece, media)] if media else []}
        line = self._receive(chat, caption, content, piece)
        line.media = media

    def _attachment(self, chat: Chat, piece: Piece, media: Media) -> dict[str, Any]:
        own = {
            "id": secrets.randbelow(10**9),
            "owner_id": int(chat.user_id),
            "access_key": secrets.token_hex(8),
        }
        now = int(self.world.now())
        width, height = PHOTO_SIZE
        match piece:
            case Piece.PHOTO:
                sizes = [
                    {"type": "s", "url": media.url, "width": 75, "height": 56},
                    {"type": "x", "url": media.url, "width": width, "height": height},
                ]
                return {"type": "photo", "photo": {**own, "album_id": -3, "date": now, "sizes": sizes}}
            case Piece.VOICE:
                links = {"link_ogg": media.url, "link_mp3": media.url}
                voice = {**own, **links, "duration": SECONDS, "waveform": [1, 5, 9, 5]}
                return {"type": "audio_message", "audio_message": voice}
            case Piece.VIDEO:
                image = [{"url": self.world.avatar_url(chat.person), "width": width, "height": height}]
                video = {**own, "title": media.name, "duration": SECONDS, "image": image, "date": now}
                return {"type": "video", "video": video}
            case Piece.STICKER:
                images = [{"url": media.url, "width": 128, "height": 128}]
                return {"type": "sticker", "sticker": {"sticker_id": STICKER_ID, "images": images}}
            case _:
                file = {
                    "title": media.name,
                    "ext": media.name.rpartition(".")[2],
                    "url": media.url,
                    "type": 1,
                }
                return {"type": "doc", "doc": {**own, **file, "size": len(media.content), "date": now}}

    def press(self, chat: Chat, button: Button, line: Line | None) -> None:
        self.needs_reach(chat)
        match button.press:
            case Press.SAY:
                self.spend_keyboard(chat)
                self._receive(chat, button.label, {"payload": button.data} if button.data else {})
            case Press.LOCATION:
                self.spend_keyboard(chat)
                self.attach(chat, Piece.LOCATION, None, "")
            case Press.CALLBACK:
                self._press_callback(chat, button, line)
            case _:
                self.tell(chat, button.data)

    def _press_callback(self, chat: Chat, button: Button, line: Line | None) -> None:
        community = self.houses[chat.account]
        event_id = secrets.token_hex(6)
        community.waiting[event_id] = chat.person.number
        while len(community.waiting) > MAX_SENT:
            community.waiting.popitem(last=False)
        body = {
            "user_id": int(chat.user_id),
            "peer_id": int(chat.user_id),
            "event_id": event_id,
            "payload": _read_json(button.data),
        }
        if line is not None:
            body["conversation_message_id"] = int(line.id)
        self._event(community, chat, "message_event", body, event_id, button.label)

    def edit(self, chat: Chat, line: Line, text: str) -> None:
        self.needs_reach(chat)
        line.text, line.edited = text, True
        community = self.houses[chat.account]
        line.body = {**line.body, "text": text, "update_time": int(self.world.now())}
        self._event(community, chat, "message_edit", self._crop(line.body), f"{line.id} edited", text)

    def block(self, chat: Chat) -> None:
        """The person forbids the community to write."""
        if not chat.reachable:
            raise Conflict("The community may not write to this person anyway.")
        chat.blocked, chat.reachable = True, False
        self._event(self.houses[chat.account], chat, "message_deny", {"user_id": int(chat.user_id)}, "deny")

    def unblock(self, chat: Chat) -> None:
        self.allow(chat, "")

    def allow(self, chat: Chat, key: str) -> None:
        """The person allows messages, on a page of the site or in VK; `key` is what that page has given."""
        chat.blocked, chat.reachable = False, True
        body = {"user_id": int(chat.user_id), "key": key}
        self._event(self.houses[chat.account], chat, "message_allow", body, "allow", key)

    def type(self, chat: Chat) -> None:
        community = self.houses[chat.account]
        body = {"state": "typing", "from_id": int(chat.user_id), "to_id": -community.account.group_id}
        self._event(community, chat, "message_typing_state", body, "typing")

    def read(self, chat: Chat) -> None:
        unread = [line for line in chat.lines if line.side is Side.BOT and not line.read]
        for line in unread:
            line.read = True
        if unread:
            last = int(unread[-1].id)
            user_id = int(chat.user_id)
            body = {
                "from_id": user_id,
                "peer_id": user_id,
                "read_message_id": last,
                "conversation_message_id": last,
            }
            self._event(self.houses[chat.account], chat, "message_read", body, f"{last} read")

    def _receive(self, chat: Chat, text: str, content: Mapping[str, Any], what: str = "text") -> Line:
        self.needs_reach(chat)
        community = self.houses[chat.account]
        allows = not chat.reachable
        chat.reachable = True
        if allows and self.world.readings.is_usual("vk_first_message"):
            self.allow(chat, "")
        line = chat.add(Line(str(next(community.message_ids)), Side.PERSON, text, self.world.now(), what))
        message = self._message(chat, line, text, {**content, **self._ref(chat)})
        line.body = message
        self._event(community, chat, "message_new", self._crop(message), line.id, text or what)
        return line

    def _crop(self, message: dict[str, Any]) -> dict[str, Any]:
        """The message as an event tells it: whole, or cut to its beginning."""
        is_short = len(message["text"]) <= CROPPED_TEXT and not message["attachments"]
        if is_short or self.world.readings.is_usual("vk_cropped"):
            return message
        return {**message, "text": message["text"][:CROPPED_TEXT], "attachments": [], "is_cropped": True}

    def _ref(self, chat: Chat) -> dict[str, str]:
        """The link's code, on the message after the click; whether later ones repeat it is not documented."""
        fresh = chat.take_link()
        repeats = not self.world.readings.is_usual("vk_ref")
        link = fresh or (chat.kept_link if repeats else None)
        if link is None or not link.code:
            return {}
        limit = None if self.world.readings.is_usual("vk_ref_limit") else 64
        ref = {"ref": link.code[:limit]}
        return {**ref, "ref_source": link.source} if link.source else ref

    def _message(self, chat: Chat, line: Line, text: str, content: Mapping[str, Any]) -> dict[str, Any]:
        user_id = int(chat.user_id)
        return {
            "id": int(line.id),
            "date": int(line.at),
            "peer_id": user_id,
            "from_id": user_id,
            "out": 0,
            "version": 10000 + int(line.id),
            "conversation_message_id": int(line.id),
            "text": text,
            "attachments": [],
            "fwd_messages": [],
            "important": False,
            "is_hidden": False,
            "random_id": 0,
            **content,
        }

    # Events on their way.

    def _event(
        self,
        community: Community,
        chat: Chat,
        event: str,
        content: Mapping[str, Any],
        identity: str,
        text: str = "",
    ) -> None:
        """Send an event to each confirmed server that wants it."""
        self.world.touch()
        for server in list(community.servers.values()):
            if server.status == "ok" and event in server.events:
                self._push(community, server, chat, event, content, identity, text)

    def _push(
        self,
        community: Community,
        server: Server,
        chat: Chat,
        event: str,
        content: Mapping[str, Any],
        identity: str,
        text: str,
    ) -> None:
        shaped = event == "message_new" and server.is_since(SHAPE_OF_THE_MESSAGE)
        body: dict[str, Any] = {
            "type": event,
            "object": {"client_info": CLIENT_INFO, "message": content} if shaped else content,
            "group_id": community.account.group_id,
            "event_id": secrets.token_hex(20),
            "v": server.version,
        }
        tries = count()

        def prepare(wrongly: bool) -> Outgoing | None:
            if server.id not in community.servers:
                return None
            secret = f"{server.secret}-wrong" if wrongly else server.secret
            signed = {**body, "secret": secret} if secret else body
            number = next(tries)
            headers = {**JSON, "X-Retry-Counter": str(number)} if number else JSON
            return Outgoing(server.url, write_utf8(signed), headers)

        async def judge(response: httpx.Response) -> Verdict:
            words = response.text.strip()
            if response.status_code == 200 and words == "remove":
                community.servers.pop(server.id, None)
            if response.status_code == 200 and words in ("ok", "remove"):
                return Verdict(True)
            waits = response.status_code in (410, 429, 503)
            after = read_retry_after(response, self.world.now(), MAX_RETRY_AFTER) if waits else None
            return Verdict(False, after)

        person = chat.person.number
        lane = f"{server.id} {chat.user_id}"
        self.courier.send(Push(self.kind, chat.account, lane, event, identity, prepare, judge, person, text))


JSON = {"Content-Type": "application/json"}


def read_keyboard(keyboard: Any) -> Grid:
    """The buttons of a keyboard; raises the platform's refusals."""
    rows = keyboard.get("buttons") if isinstance(keyboard, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise fail(911, "Keyboard format is invalid: buttons must be an array of arrays")
    wide, high, most = (5, 6, 10) if keyboard.get("inline") else (5, 10, 40)
    if len(rows) > high or any(len(row) > wide for row in rows) or sum(map(len, rows)) > most:
        raise fail(911, "Keyboard format is invalid: too many buttons")
    return tuple(tuple(_read_button(button) for button in row) for row in rows)


def _read_button(button: Any) -> Button:
    action = button.get("action") if isinstance(button, dict) else None
    if not isinstance(action, dict) or action.get("type") not in PRESSES:
        raise fail(911, "Keyboard format is invalid: button action is invalid")
    kind, label, payload = action["type"], action.get("label", ""), action.get("payload", "")
    payload = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    if payload and _read_json(payload) is None:
        raise fail(911, "Keyboard format is invalid: payload is not valid JSON")
    if len(label) > MAX_LABEL or len(payload) > MAX_PAYLOAD:
        raise fail(911, "Keyboard format is invalid: label or payload is too long")
    if kind == "location":
        return Button("Location", Press.LOCATION, payload)
    if not label:
        raise fail(911, "Keyboard format is invalid: label is empty")
    return Button(label, PRESSES[kind], str(action.get("link", "")) if kind == "open_link" else payload)


def _not_allowed() -> Refusal:
    return fail(901, "Can't send messages for users without permission")


def _group_body(community: Community, version: str) -> Any:
    """From 5.139 the groups stand in an object (VK's API schema)."""
    account = community.account
    group = {
        "id": account.group_id,
        "name": account.name,
        "screen_name": account.screen_name,
        "is_closed": 0,
        "type": "group",
    }
    minor = version.partition(".")[2]
    return [group] if minor.isdigit() and int(minor) < 139 else {"groups": [group], "profiles": []}


def _server_body(server: Server) -> dict[str, Any]:
    return {
        "id": server.id,
        "title": server.title,
        "creator_id": 0,
        "url": server.url,
        "secret_key": server.secret,
        "status": server.status,
    }


def _whole(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _read_json(value: object) -> Any:
    if not isinstance(value, str) or not value:
        return None if value == "" else value
    try:
        return json.loads(value)
    except ValueError:
        return None
