"""A stand-in of our server for the browser's tests: remembers all it is asked, misbehaves on demand."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import segno
import uvicorn

STATIC = Path(__file__).parents[2] / "src/knopka/web/static"
BUTTON, HASH = "1", "0123456789abcdef0123456789abcdef"
CHAT = f"/w/chat/{BUTTON}/{HASH}"
META = f"/w/meta/{BUTTON}/{HASH}"
LINK = f"/w/link/{BUTTON}/{HASH}"
QR = f"/w/qr/{BUTTON}/{HASH}"
CHAT_CHANNEL = {"kind": "onsite", "title": None, "link": None, "needs_app": False}
TELEGRAM = {
    "kind": "telegram",
    "title": "Telegram",
    "link": "https://t.me/shop_bot?start={code}",
    "needs_app": False,
}
VIBER = {
    "kind": "viber",
    "title": "Viber",
    "link": "viber://pa?chatURI=shop&context={code}&text=Hello%20%5Bkn%3A{short}%5D",
    "needs_app": True,
}
FRAME_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; frame-ancestors {origins}"
)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def show(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), headers=headers)


@dataclass
class Call:
    """One setMeta call as it arrived."""

    key: str
    params: Any
    visit: str
    at: float


@dataclass
class Told:
    """One link code as it was announced; `kind` when it was drawn."""

    code: str
    visit: str
    page: dict[str, str]
    kind: str | None


class StandIn:
    """One button, one visitor, and an operator who says what a test wants."""

    def __init__(self) -> None:
        self.url = ""
        self.origins: list[str] = []
        self.config: dict[str, Any] = {}
        self.requests: list[tuple[str, str]] = []
        self.calls: list[Call] = []
        self.codes: list[Told] = []
        self.messages: list[dict[str, Any]] = []
        self.answers: list[Answer | None] = []
        """What the next setMeta requests are answered with; None is the usual answer."""
        self.refusals: list[Answer | None] = []
        """The same for the messages of the chat."""
        self.link_refusals: list[Answer] = []
        """The same for the link codes."""
        self.verdict = "waiting_for_lead"
        self.final_verdict = "filled"
        self.presses: list[dict[str, int] | None] = []
        """Of each message, the button that was pressed for it."""
        self.visitor_read = 0
        self.operator_read = 0
        self.typing = 0
        self.is_deaf = False
        """Refuses sockets."""
        self.gate = threading.Event()
        """While clear, setMeta requests wait here: a slow server."""
        self.gate.set()
        self.kinds: dict[str, str] = {}
        """The last Content-Type of each path."""
        self._news = threading.Condition()
        self._sockets: set[asyncio.Queue[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    # What the operator does

    def say(self, text: str, name: str = "Анна") -> None:
        self._tell(self.store("out", text, None, name))

    def say_as_bot(self, text: str, *choices: dict[str, Any], name: str = "Чайный бот") -> None:
        message = self.store("out", text, None, name)
        message["author"]["kind"] = "bot"
        rows = [[{"option": nth, "url": None, "asks": None, **one}] for nth, one in enumerate(choices)]
        message["buttons"] = rows
        self._tell(message)

    def _tell(self, message: dict[str, Any]) -> None:
        self.publish({"type": "message", "conversation_id": 7, "message": message})

    def read(self, seq: int) -> None:
        self.operator_read = seq
        self.publish({"type": "seen", "conversation_id": 7, "operator_read_seq": seq})

    def publish(self, event: Any) -> None:
        assert self._loop is not None
        for queue in list(self._sockets):
            self._loop.call_soon_threadsafe(queue.put_nowait, event)

    def cut(self) -> None:
        """End every socket without a word."""
        self.publish(None)

    def wait(self, is_so: Callable[[], bool]) -> None:
        """Wait until what the browser sent makes it so."""
        with self._news:
            assert self._news.wait_for(is_so, timeout=10), self.requests

    def paths(self, start: str = "/") -> list[str]:
        return [path for _, path in self.requests if path.startswith(start)]

    # What the browser hears

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        if scope["type"] == "websocket":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        self.requests.append((scope["method"], scope["path"]))
        given = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.kinds[scope["path"]] = given.get("content-type", "")
        origin = given.get("origin", "")
        answer = await self._answer(scope, origin, body)
        with self._news:
            self._news.notify_all()
        allowed = {"access-control-allow-origin": origin} if origin in self.origins else {}
        headers = {"content-type": f"{answer.kind}; charset=utf-8", **allowed, **answer.headers}
        shown = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": shown})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: dict[str, Any], origin: str, body: bytes) -> Answer:
        path, method = scope["path"], scope["method"]
        if path == "/js/button.js":
            return Answer(200, (STATIC / "widget/button.js").read_bytes(), "text/javascript")
        if path.startswith("/w/static/"):
            return _static(path.removeprefix("/w/static/"))
        if path == f"/w/frame/{BUTTON}/{HASH}":
            return self._frame()
        if (
            path in (f"/w/config/{BUTTON}/{HASH}", META, f"{META}/verdicts", LINK, QR)
            and origin not in self.origins
        ):
            return show({"error": {"code": "not_found"}}, 404)
        if path == f"/w/config/{BUTTON}/{HASH}":
            return show(self._config())
        if path == META:
            return await self._meta(body)
        if path in (LINK, QR):
            return self._told(_read_strictly(body), is_drawn=path == QR)
        if path == f"{META}/verdicts":
            keys = json.loads(body)["keys"]
            return show(self._verdicts([call for call in self.calls if call.key in keys], self.final_verdict))
        if path.startswith(CHAT):
            return self._chat(method, path.removeprefix(CHAT), scope, body)
        return show({"error": {"code": "not_found"}}, 404)

    def _config(self) -> dict[str, Any]:
        return {
            "id": BUTTON,
            "name": "Чайная лавка",
            "locale": "ru",
            "inline": False,
            "color": "#2f6fed",
            "identity": "plain",
            "origins": self.origins,
            "channels": [CHAT_CHANNEL],
            "frame": f"/w/frame/{BUTTON}/{HASH}",
            **self.config,
        }

    def _frame(self) -> Answer:
        manifest = json.loads((STATIC / "manifest.json").read_text())
        script, style = (f"/w/static/{Path(manifest[name]['file']).name}" for name in ("chat.js", "chat.css"))
        config = {**self._config(), "hash": HASH, "api": CHAT}
        page = (
            '<!doctype html><html lang="ru"><head><meta charset="utf-8"><title>Чат</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="stylesheet" href="{style}">'
            f'<script type="application/json" id="knopka">{json.dumps(config)}</script>'
            f'<script type="module" src="{script}"></script></head><body></body></html>'
        )
        policy = FRAME_POLICY.format(origins=" ".join(self.origins))
        return Answer(200, page.encode(), "text/html", {"content-security-policy": policy})

    async def _meta(self, body: bytes) -> Answer:
        await asyncio.to_thread(self.gate.wait, 30)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            return answer
        sent = _read_strictly(body)
        visit, calls = sent["visit"], sent["calls"]
        assert re.fullmatch(r"[A-Za-z0-9_-]{22,64}", visit)
        assert 1 <= len(calls) <= 20
        assert set(sent["page"]) == {"url", "title", "referrer"}
        arrived = [Call(call["key"], call["params"], visit, time.monotonic()) for call in calls]
        known = {call.key: call for call in self.calls}
        for call in arrived:
            assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}", call.key)
            if call.key not in known:
                self.calls.append(call)
            elif known[call.key].params != call.params:
                return show({"error": {"code": "conflict", "message": "the same key, another body"}}, 409)
        return show(self._verdicts(arrived, self.verdict))

    def _told(self, sent: dict[str, Any], *, is_drawn: bool) -> Answer:
        if self.link_refusals:
            return self.link_refusals.pop(0)
        assert set(sent) == ({"visit", "page", "code", "kind"} if is_drawn else {"visit", "page", "code"})
        assert re.fullmatch(r"[A-Za-z0-9_-]{32}", sent["code"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{22,64}", sent["visit"])
        assert set(sent["page"]) == {"url", "title", "referrer"}
        kind = sent.get("kind")
        self.codes.append(Told(sent["code"], sent["visit"], sent["page"], kind))
        if not is_drawn:
            return Answer(204)
        channels = self._config()["channels"]
        link = next(channel["link"] for channel in channels if channel["kind"] == kind)
        matrix = segno.make(link.replace("{code}", sent["code"]), micro=False).matrix
        dark = [(x, y) for y, row in enumerate(matrix, 4) for x, module in enumerate(row, 4) if module]
        return show({"size": len(matrix) + 8, "path": "".join(f"M{x},{y}h1v1h-1z" for x, y in dark)})

    def _verdicts(self, calls: list[Call], verdict: str) -> dict[str, Any]:
        def of(call: Call) -> list[dict[str, Any]]:
            return [{"path": path, "verdict": verdict, "reason": None} for path in call.params]

        window = {"opened_at": 1, "closes_at": 2, "is_open": True} if self.messages else None
        return {"calls": [{"key": call.key, "verdicts": of(call)} for call in calls], "window": window}

    def _chat(self, method: str, path: str, scope: dict[str, Any], body: bytes) -> Answer:
        if path == "/token":
            return show({"token": "t" * 54}, 201)
        if dict(scope["headers"]).get(b"authorization") != b"Bearer " + b"t" * 54:
            return show({"error": {"code": "not_signed_in"}}, 401)
        if path == "/open":
            return show({"conversation": self._conversation(), "messages": self.messages[-50:]})
        if path == "/seen":
            self.visitor_read = max(self.visitor_read, json.loads(body)["read_seq"])
            return Answer(204)
        if path == "/messages" and method == "GET":
            return show({"messages": self._page(parse_qs(scope["query_string"].decode()))})
        if path == "/messages":
            return self._take(_read_strictly(body))
        return show({"error": {"code": "not_found"}}, 404)

    def _page(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        limit = int(query["limit"][0])
        if "after" in query:
            return [one for one in self.messages if one["seq"] > int(query["after"][0])][:limit]
        return [one for one in self.messages if one["seq"] < int(query["before"][0])][-limit:]

    def _take(self, sent: dict[str, Any]) -> Answer:
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            return refusal
        known = next((one for one in self.messages if one["key"] == sent["key"]), None)
        message = known or self.store("in", sent["text"], sent["key"], None)
        if known is None:
            self.presses.append(sent.get("pressed"))
            self.publish({"type": "message", "conversation_id": 7, "message": message})
        return show({"conversation": self._conversation(), "message": message}, 201)

    def store(self, direction: str, text: str, key: str | None, name: str | None) -> dict[str, Any]:
        seq = len(self.messages) + 1
        message = {
            "id": 1000 + seq,
            "conversation_id": 7,
            "seq": seq,
            "direction": direction,
            "author": {"kind": "visitor" if direction == "in" else "operator", "name": name},
            "text": text,
            "buttons": [],
            "key": key,
            "state": "sent",
            "created_at": int(time.time() * 1000),
        }
        self.messages.append(message)
        return message

    def _conversation(self) -> dict[str, Any] | None:
        if not self.messages:
            return None
        unread = [
            one for one in self.messages if one["direction"] == "out" and one["seq"] > self.visitor_read
        ]
        return {
            "id": 7,
            "status": "open",
            "last_seq": len(self.messages),
            "visitor_read_seq": self.visitor_read,
            "operator_read_seq": self.operator_read,
            "unread": len(unread),
        }

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        if self.is_deaf:
            await send({"type": "websocket.close", "code": 1013})
            return
        await send({"type": "websocket.accept"})
        hello = json.loads((await receive())["text"])
        queue: asyncio.Queue[Any] = asyncio.Queue()
        queue.put_nowait({"type": "welcome", "conversation": self._conversation()})
        for message in self.messages[hello["after"] :]:
            queue.put_nowait({"type": "message", "conversation_id": 7, "message": message})
        self._sockets.add(queue)
        hearing = asyncio.create_task(self._hear(receive, queue))
        try:
            while (event := await queue.get()) is not None:
                await send({"type": "websocket.send", "text": json.dumps(event)})
            await send({"type": "websocket.close", "code": 1001})
        finally:
            self._sockets.discard(queue)
            hearing.cancel()

    async def _hear(self, receive: Receive, queue: asyncio.Queue[Any]) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                queue.put_nowait(None)
                return
            match json.loads(message["text"]):
                case {"type": "ping"}:
                    queue.put_nowait({"type": "pong"})
                case {"type": "typing"}:
                    self.typing += 1
                case other:
                    raise AssertionError(other)


def _static(name: str) -> Answer:
    path = STATIC / "widget" / name
    kind = "text/css" if name.endswith(".css") else "text/javascript"
    return Answer(200, path.read_bytes(), kind) if path.is_file() else show({}, 404)


def _read_strictly(body: bytes) -> dict[str, Any]:
    """What the server's reader refuses, the launcher must never send."""
    assert len(body) <= 65_536

    def no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        assert all(len(key) <= 128 for key, _ in pairs)
        return dict(pairs)

    def no_constant(name: str) -> None:
        raise AssertionError(name)

    text = body.decode("utf-8")
    assert "\\u0000" not in text
    assert not re.search(r"\\ud[89a-f]", text)
    found: dict[str, Any] = json.loads(text, object_pairs_hook=no_doubles, parse_constant=no_constant)
    return found


@contextmanager
def serve(app: Any, host: str = "127.0.0.1") -> Iterator[str]:
    """Run an application on a port of the system's choice, in a thread, and give its address."""
    listener = socket.socket()
    listener.bind((host, 0))
    config = uvicorn.Config(app, log_level="critical", ws="websockets-sansio", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.force_exit = server.should_exit = True
        thread.join()
        listener.close()
