"""The chat on the page: its frame, its token, its messages and its socket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any

from litestar import Request, WebSocket, get, post, websocket

from knopka.domain.conversation import ConversationId
from knopka.domain.errors import Fault, InvalidInput, NotFound, NotSignedIn, TooMany
from knopka.domain.visitor import Source
from knopka.live import Subscription
from knopka.services import shapes
from knopka.services.intake import accept_message, find_chat, list_history, mark_seen, open_chat
from knopka.services.presses import Choice
from knopka.web.admission import find_button
from knopka.web.answers import HTML, Answer, answer, answer_json
from knopka.web.bodies import header, read_object
from knopka.web.context import Web, web_of
from knopka.web.envelope import MAX_NUMBER, Envelope
from knopka.web.headers import frame_policy
from knopka.web.live import BAD_TOKEN, NO_HELLO, TOO_MANY, UNKNOWN_BUTTON, LiveSocket
from knopka.web.pages import views
from knopka.web.wants import read_limit, read_number

AnyRequest = Request[Any, Any, Any]
CHAT = "/w/chat/{id:str}/{hash:str}"
MAX_TEXT = 10_000
HELLO_SECONDS = 5.0
PAGE = 100
MAX_MISSED = 1_000
"""How much a socket sends of what was missed; a client that missed more asks for the pages."""
TYPING_SECONDS = 1.0
RANDOM_BYTES = 26
TOKEN = re.compile(r"[A-Za-z0-9_-]{56}")


def make_token(web: Web, source: Source) -> str:
    """A chat token: random bits with our signature for this button, so that no row is needed to know it."""
    body = secrets.token_bytes(RANDOM_BYTES)
    return base64.urlsafe_b64encode(body + _sign(web, source, body)).decode()


def read_token(web: Web, source: Source, token: object) -> str:
    """The hash under which a token's visitor is kept, or NotSignedIn when we never gave this token out."""
    if not isinstance(token, str) or TOKEN.fullmatch(token) is None:
        raise NotSignedIn("The chat token is not known.")
    raw = base64.urlsafe_b64decode(token)
    body, signature = raw[:RANDOM_BYTES], raw[RANDOM_BYTES:]
    if not hmac.compare_digest(signature, _sign(web, source, body)):
        raise NotSignedIn("The chat token is not known.")
    return hashlib.sha256(token.encode()).hexdigest()


def _sign(web: Web, source: Source, body: bytes) -> bytes:
    key = hmac.digest(web.secret_key, b"knopka chat token", "sha256")
    return hmac.digest(key, body + source.public_id.encode(), "sha256")[:16]


def _visitor(request: AnyRequest, source: Source) -> str:
    """Who asks, by the token in the header; cookies are never looked at (S-AU-08)."""
    scheme, _, token = header(request, b"authorization").partition(" ")
    return read_token(web_of(request), source, token.strip() if scheme.lower() == "bearer" else None)


@get("/w/frame/{id:str}/{hash:str}")
async def get_frame(request: AnyRequest) -> Answer:
    """The document of the chat's frame. Which sites may show it is the browser's to enforce (S-WEB-03)."""
    web, source = web_of(request), find_button(request)
    config = {
        "id": source.public_id,
        "hash": source.hash,
        "locale": source.locale,
        "origins": source.origins,
        "name": source.name,
        "color": source.color,
        "api": f"/w/chat/{source.public_id}/{source.hash}",
    }
    locale = source.locale if source.locale in views.LOCALES else "en"
    page = views.render(
        "frame.html",
        locale,
        config=config,
        words=web.static.url(f"lang-{locale}.js"),
        script=web.static.url("chat.js"),
        style=web.static.url("chat.css"),
    )
    policy = (b"content-security-policy", frame_policy(source.origins).encode())
    return answer(page, kind=HTML, headers=[policy])


@post(f"{CHAT}/token")
async def post_token(request: AnyRequest) -> Answer:
    """Give a new token. Nothing is stored until its bearer writes."""
    web, source = web_of(request), find_button(request)
    web.counters.tokens_per_address.take(web.address(request))
    web.counters.tokens_per_button.take(source.public_id)
    await read_object(request, web.limits.message_bytes)
    return answer_json({"token": make_token(web, source)}, status=201)


@post(f"{CHAT}/open", status_code=200)
async def post_open(request: AnyRequest) -> Answer:
    """Give the visitor's conversation with its latest messages, and bind the page's visit to the visitor."""
    web, source = web_of(request), find_button(request)
    token_hash = _visitor(request, source)
    web.counters.reads_per_visitor.take(token_hash)
    envelope = Envelope(await read_object(request, web.limits.message_bytes))
    visit = envelope.visit_or_none()
    envelope.check()
    key = ("visitor", token_hash)
    chat = await web.database.write(open_chat, web.catalog(), source, token_hash, visit, key=key)
    return answer_json(
        {
            "conversation": chat.conversation and shapes.chat(chat.conversation),
            "messages": [shapes.message(message) for message in chat.messages],
        }
    )


@post(f"{CHAT}/messages")
async def post_message(request: AnyRequest) -> Answer:
    """Take a message. The first one of a visitor opens the conversation, and the lead with it."""
    web, source = web_of(request), find_button(request)
    token_hash = _visitor(request, source)
    envelope = Envelope(await read_object(request, web.limits.message_bytes))
    key, text = envelope.key(), envelope.text("text", MAX_TEXT)
    visit, page, choice = envelope.visit_or_none(), envelope.page(), _read_choice(envelope)
    envelope.check()
    web.counters.messages_per_visitor.take(token_hash)
    accepted = await web.database.write(
        accept_message,
        web.catalog(),
        source,
        token_hash,
        visit,
        key,
        text,
        page,
        choice,
        key=("visitor", token_hash),
    )
    if accepted.is_new and accepted.message.seq == 1:
        # A socket that was open before the visitor existed now has somebody to be live for.
        web.hub.publish(_topic_of_token(token_hash), {"type": "begun"})
    shown = {"conversation": shapes.chat(accepted.conversation), "message": shapes.message(accepted.message)}
    return answer_json(shown, status=201)


def _read_choice(envelope: Envelope) -> Choice | None:
    """Which button was pressed instead of writing, if one was."""
    given = envelope.body.get("pressed")
    if given is None:
        return None
    if not isinstance(given, dict):
        envelope.blame("$.pressed", "not_an_object", "A press is an object with message_id and option.")
        return None
    pressed = Envelope(given)
    choice = Choice(pressed.number("message_id"), pressed.number("option"))
    for fault in pressed.faults:
        envelope.blame(fault.path.replace("$", "$.pressed", 1), fault.code, fault.message)
    return choice


@get(f"{CHAT}/messages")
async def get_messages(request: AnyRequest) -> Answer:
    """A page of the visitor's own conversation, oldest first."""
    web, source = web_of(request), find_button(request)
    token_hash = _visitor(request, source)
    web.counters.reads_per_visitor.take(token_hash)
    query = request.query_params
    conversation_id = read_number(query, "conversation_id", least=1)
    after, before = read_number(query, "after"), read_number(query, "before")
    if conversation_id is None or (after is not None and before is not None):
        raise InvalidInput(
            Fault("conversation_id", "missing", "Name the conversation, and at most one of after and before.")
        )
    found = await web.database.read(
        list_history,
        source,
        token_hash,
        ConversationId(conversation_id),
        after=after,
        before=before,
        limit=read_limit(query),
    )
    return answer_json({"messages": [shapes.message(message) for message in found]})


@post(f"{CHAT}/seen")
async def post_seen(request: AnyRequest) -> Answer:
    """Note how far the operator's answers have come: to the browser, and before the visitor's eyes."""
    web, source = web_of(request), find_button(request)
    token_hash = _visitor(request, source)
    web.counters.reads_per_visitor.take(token_hash)
    envelope = Envelope(await read_object(request, web.limits.message_bytes))
    conversation_id = ConversationId(envelope.number("conversation_id"))
    seqs = {"delivered_seq": envelope.number("delivered_seq"), "read_seq": envelope.number("read_seq")}
    envelope.check()
    key = ("conversation", conversation_id)
    await web.database.write(mark_seen, source, token_hash, conversation_id, key=key, **seqs)
    return answer(status=204)


@websocket(f"{CHAT}/live")
async def get_live(socket: WebSocket[Any, Any, Any]) -> None:
    """The visitor's socket: after a hello with the token, what was missed and then what comes."""
    web = web_of(socket)
    async with LiveSocket(socket) as live_socket:
        try:
            source = find_button(socket)
        except NotFound:
            live_socket.end(UNKNOWN_BUTTON)
            return
        hello = await _hear_hello(live_socket)
        if hello is None:
            live_socket.end(NO_HELLO)
            return
        try:
            token_hash = read_token(web, source, hello.get("token"))
        except NotSignedIn:
            live_socket.end(BAD_TOKEN)
            return
        with web.chat_sockets.hold(token_hash) as is_admitted:
            if not is_admitted:
                live_socket.end(TOO_MANY)
                return
            await Visitor(web, source, token_hash, live_socket).serve(hello)


async def _hear_hello(live_socket: LiveSocket) -> Mapping[str, Any] | None:
    """The first message, when it comes in time and is a hello (S-WS-02)."""
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            message = await live_socket.receive()
    except TimeoutError:
        return None
    return message if message["type"] == "hello" else None


class Visitor:
    """One visitor's socket after its hello."""

    def __init__(self, web: Web, source: Source, token_hash: str, live_socket: LiveSocket) -> None:
        self.web = web
        self.source = source
        self.token_hash = token_hash
        self.live_socket = live_socket
        self.conversation_id: ConversationId | None = None
        self.typed_at = -TYPING_SECONDS
        self.loop = asyncio.get_running_loop()
        self._news: Subscription | None = None

    async def serve(self, hello: Mapping[str, Any]) -> None:
        """Send what was missed and what comes, until the socket ends."""
        begun = self.web.hub.subscribe(_topic_of_token(self.token_hash), self._begin, lambda _reason: None)
        begun.uncork()
        try:
            await self._greet(hello)
            async for message in self.live_socket.messages():
                match message["type"]:
                    case "typing":
                        self._tell_typing()
                    case "hello":
                        await self._greet(message)
                    case _:
                        pass
        finally:
            begun.close()

    async def _greet(self, hello: Mapping[str, Any]) -> None:
        """Answer a hello. Each one asks for what was missed once more, so it counts as a read (S-WS-03)."""
        try:
            self.web.counters.reads_per_visitor.take(self.token_hash)
        except TooMany:
            self.live_socket.end(TOO_MANY)
            return
        await self._resume(hello)

    async def _begin(self, _: str) -> None:
        """The visitor's first message was accepted elsewhere."""
        if self._news is None:
            await self._resume({})

    async def _resume(self, hello: Mapping[str, Any]) -> None:
        """Follow the visitor's topic, then send what the client does not have yet.

        Followed first, read second: what comes in between arrives twice rather
        than never, and the client drops repeats.
        """
        database = self.web.database
        found = await database.read(find_chat, self.source, self.token_hash)
        if found is None or found.conversation is None:
            await self.live_socket.send({"type": "welcome", "conversation": None})
            return
        if self._news is None:
            self._news = self.live_socket.follow(self.web.hub, f"visitor:{found.visitor_id}")
        self.conversation_id = found.conversation.id
        await self.live_socket.send({"type": "welcome", "conversation": shapes.chat(found.conversation)})
        knows = hello.get("conversation_id") == found.conversation.id
        await self._send_missed(_count(hello.get("after")) if knows else 0)
        self._news.uncork()

    async def _send_missed(self, after: int) -> None:
        """What was said since, page by page; nobody who missed very much is sent all of it."""
        assert self.conversation_id is not None  # noqa: S101  # _resume has just found it
        for _ in range(MAX_MISSED // PAGE):
            missed = await self.web.database.read(
                list_history,
                self.source,
                self.token_hash,
                self.conversation_id,
                after=after,
                before=None,
                limit=PAGE,
            )
            for message in missed:
                after = message.seq
                shown = shapes.message(message)
                await self.live_socket.send(
                    {"type": "message", "conversation_id": self.conversation_id, "message": shown}
                )
            if len(missed) < PAGE:
                return

    def _tell_typing(self) -> None:
        """Pass it on at most once a second, and only of a visitor whom operators see."""
        now = self.loop.time()
        if self.conversation_id is not None and now - self.typed_at >= TYPING_SECONDS:
            self.typed_at = now
            self.web.hub.publish(
                f"account:{self.source.account_id}",
                {"type": "typing", "conversation_id": self.conversation_id},
            )


def _topic_of_token(token_hash: str) -> str:
    return f"chat:{token_hash}"


def _count(value: object) -> int:
    """A sequence number from outside; what is none counts as the beginning."""
    return value if type(value) is int and 0 <= value <= MAX_NUMBER else 0
