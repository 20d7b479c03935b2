"""A small stand-in of the operators' API: its shapes, a live line, and faults on demand."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from tests.browser.inbox_samples import full_card, kinds, pipelines

Json = dict[str, Any]
Scope = Mapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Any], Any]

STATIC = Path(__file__).parents[2] / "src/knopka/web/static/inbox"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html; report-uri /w/csp"
)
SIGN_IN = "<!doctype html><html lang=en><title>Sign in</title><h1>Sign in</h1>"
PAGE = 50


@dataclass
class Fault:
    """The next answers of one address: this status, and whether the server did the work all the same."""

    pattern: re.Pattern[str]
    status: int
    times: int
    works: bool = False
    message: str = "Not this time."
    faults: tuple[tuple[str, str], ...] = ()


@dataclass
class FakeInbox:
    """One account in memory. The test's thread changes it; the server's thread answers from it."""

    locale: str = "en"
    url: str = ""
    signed_in: bool = True
    accepts_sockets: bool = True
    conversations: dict[int, Json] = field(default_factory=dict)
    messages: dict[int, list[Json]] = field(default_factory=dict)
    cards: dict[int, Json] = field(default_factory=dict)
    channels: dict[int, Json] = field(default_factory=dict)
    sources: list[Json] = field(
        default_factory=lambda: [{"id": 1, "name": "Shop"}, {"id": 2, "name": "Blog"}]
    )
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    bodies: list[tuple[str, Json]] = field(default_factory=list)
    """What was sent to be written, in order: the call and its body."""
    reports: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    typed: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    clock_ahead_ms: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: list[asyncio.Queue[Json | None]] = []
        self._last_ms = 0

    # --- what a test does ---------------------------------------------------------------------

    def now(self) -> int:
        """A clock that never stands still between two events."""
        with self._lock:
            self._last_ms = max(self._last_ms + 1, int(time.time() * 1000) + self.clock_ahead_ms)
            return self._last_ms

    def add(
        self,
        name: str,
        *texts: str,
        unread: int = 0,
        at: int | None = None,
        unsorted: str | None = None,
        **news: Any,
    ) -> int:
        """A conversation with these messages of the visitor, the last `unread` of them not read yet."""
        with self._lock:
            number = len(self.conversations) + 1
            at = at or self.now()
            self.messages[number] = []
            self.conversations[number] = {
                "id": number,
                "channel": "onsite",
                "channel_id": None,
                "channel_title": None,
                "channel_state": None,
                "is_visit_unknown": False,
                "chat_gone": None,
                "window": None,
                "bot": None,
                "avatar_url": None,
                "source": {"id": 1, "name": "Shop"},
                "status": "open",
                "visitor_name": name,
                "contact_id": number,
                "lead_id": number,
                "lead_name": f"Lead {number}",
                "unsorted": {"uid": f"{number:032x}", "state": unsorted} if unsorted else None,
                "last_seq": 0,
                "last_message": None,
                "operator_read_seq": len(texts) - unread,
                "visitor_read_seq": 0,
                "visitor_delivered_seq": 0,
                "unread": 0,
                "page_url": "https://shop.example/catalog/chairs?utm_source=mail",
                "created_at": at,
                "changed_at": at,
                **news,
            }
            self.cards[number] = full_card(number, name, unsorted, at // 1000)
            for text in texts:
                self._append(number, "in", text, f"v{number}-{self.now()}", at)
            return number

    def visitor_writes(self, number: int, text: str, *, silently: bool = False) -> Json:
        """A message of the visitor; `silently` drops its event, as a broken line would."""
        with self._lock:
            message = self._append(number, "in", text, f"v{number}-{self.now()}", self.now())
        if not silently:
            self._tell_conversation(number, message)
        return message

    def say(
        self, number: int, direction: str, text: str = "", *, silently: bool = False, **news: Any
    ) -> Json:
        """A message of any direction, with what a messenger adds to it."""
        with self._lock:
            message = self._append(number, direction, text, f"m{number}-{self.now()}", self.now())
            message.update(news)
        if not silently:
            self._tell_conversation(number, message)
        return message

    def change_message(self, number: int, seq: int, *, silently: bool = False, **news: Any) -> None:
        """What became of a message: a state, an edit, a file that has come."""
        with self._lock:
            message = self.messages[number][seq - 1]
            message.update(news)
            self._touch(self.conversations[number])
        if not silently:
            self._tell_conversation(number, message)

    def change(self, number: int, **news: Any) -> None:
        """What became of a conversation: a window, a blocked chat, a visit that is known now."""
        with self._lock:
            self.conversations[number].update(news, changed_at=self.now())
        self._tell_conversation(number, None)

    def change_channel(self, number: int, **news: Any) -> None:
        with self._lock:
            self.channels[number].update(news)
        self._publish({"type": "channels"})

    def publish(self, event: Json) -> None:
        """Any word on the live line."""
        self._publish(event)

    def written(self, pattern: str) -> list[Json]:
        """The bodies of the calls whose method and path fit."""
        with self._lock:
            return [body for call, body in self.bodies if re.search(pattern, call)]

    def visitor_types(self, number: int) -> None:
        self._publish({"type": "typing", "conversation_id": number})

    def visitor_reads(self, number: int) -> None:
        with self._lock:
            conversation = self.conversations[number]
            conversation["visitor_read_seq"] = conversation["visitor_delivered_seq"] = conversation[
                "last_seq"
            ]
            conversation["changed_at"] = self.now()
        self._tell_conversation(number, None)

    def change_card(self, number: int, change: Callable[[Json], None]) -> None:
        with self._lock:
            change(self.cards[number])
        self._publish({"type": "card", "lead_id": number})

    def drop_sockets(self) -> None:
        self._on_loop(lambda: self._tell_all(None))

    def fail(self, pattern: str, status: int, *, times: int = 1, works: bool = False, **said: Any) -> None:
        self.faults.append(Fault(re.compile(pattern), status, times, works, **said))

    def texts(self, number: int) -> list[str]:
        with self._lock:
            return [message["text"] for message in self.messages[number]]

    # --- the state ----------------------------------------------------------------------------

    def _append(self, number: int, direction: str, text: str, key: str, at: int) -> Json:
        conversation, messages = self.conversations[number], self.messages[number]
        authors = {
            "in": {"kind": "visitor", "name": None},
            "out": {"kind": "operator", "name": "Olga"},
            "system": {"kind": "system", "name": None},
        }
        message = {
            "id": number * 100_000 + len(messages) + 1,
            "conversation_id": number,
            "seq": len(messages) + 1,
            "direction": direction,
            "author": authors[direction],
            "text": text,
            "buttons": [],
            "is_press": False,
            "key": key,
            "state": "sent",
            "error": None,
            "attachments": [],
            "edited_at": None,
            "deleted_at": None,
            "event": None,
            "is_elsewhere": False,
            "created_at": at,
        }
        messages.append(message)
        if direction == "in":
            conversation["status"] = "open"
        conversation["last_seq"] = message["seq"]
        conversation["last_message"] = {"text": text, "direction": direction, "created_at": at}
        self._touch(conversation)
        return message

    def _touch(self, conversation: Json) -> None:
        read = conversation["operator_read_seq"]
        waiting = [m for m in self.messages[conversation["id"]] if m["direction"] == "in" and m["seq"] > read]
        conversation["unread"] = len(waiting)
        conversation["changed_at"] = self.now()

    def _unread(self) -> int:
        return sum(conversation["unread"] for conversation in self.conversations.values())

    def _tell_conversation(self, number: int, message: Json | None) -> None:
        self._publish(
            {"type": "conversation", "conversation": self.conversations[number], "message": message}
        )

    def _publish(self, event: Json) -> None:
        copy = json.loads(json.dumps(event))
        self._on_loop(lambda: self._tell_all(copy))

    def _tell_all(self, event: Json | None) -> None:
        for queue in self._queues:
            queue.put_nowait(event)

    def _on_loop(self, act: Callable[[], object]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(act)

    # --- the API ------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Json) -> tuple[int, Any]:
        """The status and the JSON of one call."""
        with self._lock:
            for pattern, act in self._routes():
                found = re.fullmatch(pattern, f"{method} {path}")
                if found:
                    return act(*(found.groups()), query, body)
        return 404, _error("not_found")

    def _routes(self) -> tuple[tuple[str, Callable[..., tuple[int, Any]]], ...]:
        return (
            (r"GET me", self._me),
            (r"GET conversations", self._list),
            (r"GET changes", self._changes),
            (r"GET conversations/(\d+)", self._conversation),
            (r"GET conversations/(\d+)/messages", self._messages),
            (r"POST conversations/(\d+)/messages", self._reply),
            (r"POST conversations/(\d+)/messages/(\d+)/resend", self._resend),
            (r"POST conversations/(\d+)/typing", self._typing),
            (r"POST conversations/(\d+)/read", self._read),
            (r"POST conversations/(\d+)/(close|reopen)", self._set_status),
            (r"GET leads/(\d+)", self._card),
            (r"PATCH leads/(\d+)", self._edit),
            (r"POST leads/(\d+)/notes", self._note),
            (r"GET unsorted", self._unsorted),
            (r"POST unsorted/(\w+)/(accept|decline)", self._decide),
            (r"GET pipelines", lambda _query, _body: (200, {"pipelines": pipelines()})),
            (r"GET channels", self._channels),
            (r"POST channels", self._add_channel),
            (r"PATCH channels/(\d+)", self._edit_channel),
            (r"DELETE channels/(\d+)", self._remove_channel),
            (r"POST channels/(\d+)/check", self._check_channel),
            (r"POST channels/(\d+)/test", self._test_channel),
        )

    def _me(self, _query: Any, _body: Any) -> tuple[int, Any]:
        account = {
            "id": 1,
            "name": "Chairs & Co",
            "locale": self.locale,
            "timezone": "Europe/Moscow",
            "currency": "RUB",
        }
        operator = {"id": 7, "login": "olga", "name": "Olga"}
        return 200, {"operator": operator, "account": account, "now": self.now()}

    def _list(self, query: Mapping[str, str], _body: Any) -> tuple[int, Any]:
        status, limit = query.get("status", "open"), int(query.get("limit", PAGE))
        found = [c for c in self.conversations.values() if status in ("all", c["status"])]
        found.sort(key=lambda c: (_newest(c), c["id"]), reverse=True)
        if before := query.get("before"):
            at, number = map(int, before.split("-"))
            found = [c for c in found if (_newest(c), c["id"]) < (at, number)]
        page, rest = found[:limit], found[limit:]
        following = f"{_newest(page[-1])}-{page[-1]['id']}" if rest else None
        return 200, {
            "conversations": page,
            "next": following,
            "cursor": self.now(),
            "unread": self._unread(),
        }

    def _changes(self, query: Mapping[str, str], _body: Any) -> tuple[int, Any]:
        since = int(query["since"]) - 60_000
        changed = [c for c in self.conversations.values() if c["changed_at"] > since]
        return 200, {"conversations": changed, "cursor": self.now(), "more": False}

    def _conversation(self, number: str, _query: Any, _body: Any) -> tuple[int, Any]:
        found = self.conversations.get(int(number))
        return (200, found) if found else (404, _error("not_found"))

    def _messages(self, number: str, query: Mapping[str, str], _body: Any) -> tuple[int, Any]:
        messages, limit = self.messages.get(int(number), []), int(query.get("limit", PAGE))
        if "after" in query:
            return 200, {"messages": [m for m in messages if m["seq"] > int(query["after"])][:limit]}
        before = int(query.get("before", 2**53))
        return 200, {"messages": [m for m in messages if m["seq"] < before][-limit:]}

    def _reply(self, number: str, _query: Any, body: Json) -> tuple[int, Any]:
        known = next((m for m in self.messages[int(number)] if m["key"] == body["key"]), None)
        if known:
            return 201, known
        message = self._append(int(number), "out", body["text"], body["key"], self.now())
        self._tell_conversation(int(number), message)
        return 201, message

    def _resend(self, number: str, message_id: str, _query: Any, _body: Json) -> tuple[int, Any]:
        message = next(m for m in self.messages[int(number)] if m["id"] == int(message_id))
        message.update(state="waiting", error=None)
        self._touch(self.conversations[int(number)])
        self._tell_conversation(int(number), message)
        return 200, message

    def _typing(self, number: str, _query: Any, _body: Json) -> tuple[int, Any]:
        self.typed.append(int(number))
        return 204, None

    def _read(self, number: str, _query: Any, body: Json) -> tuple[int, Any]:
        conversation = self.conversations[int(number)]
        conversation["operator_read_seq"] = max(conversation["operator_read_seq"], body["seq"])
        self._touch(conversation)
        self._tell_conversation(int(number), None)
        return 204, None

    def _set_status(self, number: str, verb: str, _query: Any, _body: Json) -> tuple[int, Any]:
        conversation = self.conversations[int(number)]
        conversation["status"] = "closed" if verb == "close" else "open"
        conversation["changed_at"] = self.now()
        self._tell_conversation(int(number), None)
        return 200, conversation

    def _card(self, number: str, _query: Any, _body: Any) -> tuple[int, Any]:
        return 200, self.cards[int(number)]

    def _edit(self, number: str, _query: Any, body: Json) -> tuple[int, Any]:
        card = self.cards[int(number)]
        card["lead"].update({name: body[name] for name in ("name", "price") if name in body})
        card["contact"]["name"] = body.get("contact_name", card["contact"]["name"])
        return 200, card

    def _note(self, number: str, _query: Any, body: Json) -> tuple[int, Any]:
        card = self.cards[int(number)]
        if all(note.get("key") != body["key"] for note in card["notes"]):
            card["notes"].append(
                {
                    "id": 9000 + len(card["notes"]),
                    "entity_id": int(number),
                    "entity_type": body["entity"],
                    "note_type": "common",
                    "created_at": self.now() // 1000,
                    "created_by": 7,
                    "params": {"text": body["text"]},
                    "key": body["key"],
                }
            )
        return 201, {}

    def _unsorted(self, _query: Any, _body: Any) -> tuple[int, Any]:
        waiting = [
            c for c in self.conversations.values() if c["unsorted"] and c["unsorted"]["state"] == "unsorted"
        ]
        rows = [
            {
                "uid": c["unsorted"]["uid"],
                "lead_id": c["lead_id"],
                "lead_name": c["lead_name"],
                "contact_name": c["visitor_name"],
                "conversation_id": c["id"],
                "created_at": c["created_at"],
                "source_name": c["source"]["name"],
                "last_text": (c["last_message"] or {"text": ""})["text"],
            }
            for c in waiting
        ]
        return 200, {"unsorted": rows[::-1], "next": None}

    def _decide(self, uid: str, verb: str, _query: Any, body: Json) -> tuple[int, Any]:
        conversation = next(c for c in self.conversations.values() if (c["unsorted"] or {}).get("uid") == uid)
        card = self.cards[conversation["lead_id"]]
        state = "accepted" if verb == "accept" else "declined"
        card["unsorted"]["state"] = conversation["unsorted"]["state"] = state
        if "status_id" in body:
            card["lead"].update(pipeline_id=body["pipeline_id"], status_id=body["status_id"])
        conversation["changed_at"] = self.now()
        self._tell_conversation(conversation["id"], None)
        return 200, card

    def _channels(self, _query: Any, _body: Any) -> tuple[int, Any]:
        return 200, {"channels": list(self.channels.values()), "kinds": kinds(), "sources": self.sources}

    def add_channel(self, kind: str, title: str, **news: Any) -> int:
        """A channel that works, unless the news say otherwise."""
        with self._lock:
            number = len(self.channels) + 1
            self.channels[number] = {
                "id": number,
                "kind": kind,
                "title": title,
                "state": "ok",
                "webhook_url": f"https://desk.example/w/hook/{number}-abcdef",
                "is_polling": False,
                "link": f"https://t.example/{kind}?start=code",
                "source_ids": None,
                "created_at": self.now(),
                "last_event_at": self.now(),
                "last_error": None,
                "findings": [],
                "values": {},
                "secrets": {"token": "…1234"},
                "waiting": 0,
                **news,
            }
            return number

    def _add_channel(self, _query: Any, body: Json) -> tuple[int, Any]:
        found = _finding("ok", "The token is good.")
        number = self.add_channel(
            body["kind"], "@new_bot", source_ids=body["source_ids"], findings=[found], last_event_at=None
        )
        self._keep(number, body["values"])
        return 201, self.channels[number]

    def _edit_channel(self, number: str, _query: Any, body: Json) -> tuple[int, Any]:
        channel = self.channels[int(number)]
        self._keep(int(number), body.get("values", {}))
        if "source_ids" in body:
            channel["source_ids"] = body["source_ids"]
        if "is_enabled" in body:
            channel["state"] = "ok" if body["is_enabled"] else "off"
        return 200, channel

    def _keep(self, number: int, values: Json) -> None:
        channel = self.channels[number]
        hidden = {p["name"] for kind in kinds() for p in kind["parameters"] if p["is_secret"]}
        for name, text in values.items():
            kept = channel["secrets"] if name in hidden else channel["values"]
            kept[name] = f"…{text[-4:]}" if name in hidden else text

    def _remove_channel(self, number: str, _query: Any, _body: Any) -> tuple[int, Any]:
        del self.channels[int(number)]
        return 204, None

    def _check_channel(self, number: str, _query: Any, _body: Any) -> tuple[int, Any]:
        channel = self.channels[int(number)]
        channel.update(state="ok", last_error=None, findings=[_finding("ok", "The webhook is set.")])
        return 200, channel

    def _test_channel(self, number: str, _query: Any, _body: Any) -> tuple[int, Any]:
        of_it = [c for c in self.conversations.values() if c["channel_id"] == int(number)]
        if not of_it:
            return 409, _error("nobody_there", "Nobody has written there yet.")
        conversation = max(of_it, key=_newest)
        message = self._append(conversation["id"], "out", "A test.", f"t{self.now()}", self.now())
        self._tell_conversation(conversation["id"], message)
        return 200, {"conversation_id": conversation["id"], "message": message}

    # --- the server ---------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._live(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = b""
        more = True
        while more:
            part = await receive()
            raw, more = raw + part.get("body", b""), part.get("more_body", False)
        path: str = scope["path"]
        self.calls[f"{scope['method']} {path}"] += 1
        if path == "/w/csp":
            self.reports.append(raw.decode())
            await _send(send, 204, b"", "text/plain")
        elif path == "/inbox/api/contacts/1/avatar" and "avatar" in self.files:
            await _send(send, 200, self.files["avatar"][1], self.files["avatar"][0])
        elif path.startswith("/inbox/api/files/"):
            kind, content = self.files.get(path.removeprefix("/inbox/api/files/"), ("text/plain", b""))
            await _send(send, 200 if content else 404, content, kind)
        elif path.startswith("/inbox/api/"):
            await self._api(scope, raw, send)
        elif path.startswith("/inbox/assets/"):
            file = STATIC / path.removeprefix("/inbox/")
            await _send(send, 200, file.read_bytes(), mimetypes.guess_type(file.name)[0] or "text/plain")
        elif path == "/inbox/sign-in" or not self.signed_in:
            await _send(send, 200, SIGN_IN.encode(), "text/html; charset=utf-8")
        else:
            await _send(send, 200, (STATIC / "index.html").read_bytes(), "text/html; charset=utf-8")

    async def _api(self, scope: Scope, raw: bytes, send: Send) -> None:
        path = scope["path"].removeprefix("/inbox/api/")
        method, headers = scope["method"], dict(scope["headers"])
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        if method != "GET":
            self.bodies.append((f"{method} {path}", json.loads(raw) if raw else {}))
        fault = self._take_fault(f"{method} {path}")
        if not self.signed_in:
            status, body = 401, _error("not_signed_in")
        elif method != "GET" and headers.get(b"x-knopka") != b"inbox":
            status, body = 403, _error("not_allowed")
        elif fault and not fault.works:
            status, body = fault.status, _error("fault", fault.message, fault.faults)
        else:
            status, body = self.answer(method, path, query, json.loads(raw) if raw else {})
            status = fault.status if fault else status
        content = b"" if body is None else json.dumps(body).encode()
        await _send(send, status, content, "application/json")

    def _take_fault(self, call: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.pattern.search(call):
                fault.times -= 1
                return fault
        return None

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        if not (self.signed_in and self.accepts_sockets):
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        queue: asyncio.Queue[Json | None] = asyncio.Queue()
        self._queues.append(queue)
        speaker = asyncio.create_task(_speak(queue, send))
        try:
            while (heard := await receive())["type"] == "websocket.receive":
                event = json.loads(heard["text"])
                if event["type"] == "ping":
                    queue.put_nowait({"type": "pong", "now": self.now()})
                elif event["type"] == "typing":
                    self.typed.append(event["conversation_id"])
        finally:
            self._queues.remove(queue)
            speaker.cancel()


async def _speak(queue: asyncio.Queue[Json | None], send: Send) -> None:
    while (event := await queue.get()) is not None:
        await send({"type": "websocket.send", "text": json.dumps(event)})
    await send({"type": "websocket.close", "code": 1001})


async def _send(send: Send, status: int, body: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-security-policy", POLICY.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _error(code: str, message: str = "Not this time.", faults: tuple[tuple[str, str], ...] = ()) -> Json:
    told = [{"path": path, "code": "bad", "message": text} for path, text in faults]
    return {"error": {"code": code, "message": message, "faults": told}}


def _finding(level: str, message: str, fix: str = "", detail: str = "") -> Json:
    return {"level": level, "code": "any", "message": message, "fix": fix, "detail": detail}


def _newest(conversation: Json) -> int:
    last = conversation["last_message"]
    at: int = last["created_at"] if last else conversation["created_at"]
    return at


@contextmanager
def serve(inbox: FakeInbox) -> Iterator[FakeInbox]:
    """Serve it on a free port of this machine until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    inbox.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(inbox, log_level="error", lifespan="off", ws="websockets-sansio")
    server = uvicorn.Server(config)
    started = threading.Event()

    async def run() -> None:
        inbox._loop = asyncio.get_running_loop()
        started.set()
        await server.serve([listener])

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        started.wait(10)
        yield inbox
    finally:
        inbox.drop_sockets()
        server.should_exit = True
        thread.join(10)
        listener.close()
