"""The chat of the page, through real HTTP and a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from knopka.db.database import Transaction
from knopka.db.operators import find_by_login, insert_operator
from knopka.domain.conversation import ConversationId, Operator
from knopka.services import desk
from tests.web.running import SHOP, VISIT, Running, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server(store_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(store_url, tmp_path) as server:
        yield server


@pytest.fixture
async def small(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(sqlite_url, tmp_path) as server:
        yield server


class Visitor:
    """A chat frame: its token, and what it can do."""

    def __init__(self, server: Running, token: str) -> None:
        self.server = server
        self.token = token
        self.base = f"/w/chat/{server.button}"
        self.sent = 0

    @classmethod
    async def arrive(cls, server: Running) -> Visitor:
        answer = await server.client.post(f"/w/chat/{server.button}/token", json={})
        assert answer.status_code == 201
        return cls(server, answer.json()["token"])

    async def call(self, path: str, **body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return await self.server.client.post(f"{self.base}/{path}", json=body, headers=headers)

    async def read(self, **query: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return await self.server.client.get(f"{self.base}/messages", params=query, headers=headers)

    async def write(self, text: str, **more: Any) -> dict[str, Any]:
        self.sent += 1
        answer = await self.call(
            "messages", **({"key": f"message-{self.sent}", "text": text, "visit": None} | more)
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @asynccontextmanager
    async def live(self, **hello: Any) -> AsyncIterator[Live]:
        async with self.connect() as socket:
            live = Live(socket)
            await live.send(
                **({"type": "hello", "token": self.token, "conversation_id": None, "after": 0} | hello)
            )
            yield live

    def connect(self) -> connect:
        return connect(self.server.url.replace("http", "ws") + f"{self.base}/live")


class Live:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        with anyio.fail_after(5):
            found: dict[str, Any] = json.loads(await self.socket.recv())
            return found

    async def close_code(self) -> int:
        with anyio.fail_after(8), suppress(ConnectionClosed):
            async for _ in self.socket:
                pass
        assert self.socket.close_code is not None
        return self.socket.close_code


async def answer_as_operator(
    server: Running, conversation_id: int, text: str, key: str = "answer-01"
) -> None:
    await server.house.database.write(_reply_as_anna, conversation_id, key, text, key="desk")


def _reply_as_anna(tx: Transaction, conversation_id: int, key: str, text: str, *, now: datetime) -> None:
    anna = insert_operator(tx, 1, "anna", "Anna", "hash", now)
    if anna is None:
        row = find_by_login(tx, "anna")
        assert row is not None
        anna = Operator(row["id"], "anna", "Anna")
    desk.reply(tx, anna, ConversationId(conversation_id), key, text, now=now)


async def test_a_token_costs_no_row(server: Running) -> None:
    await Visitor.arrive(server)
    assert await server.count_rows() == 0


async def test_the_first_message_opens_the_conversation(server: Running) -> None:
    visitor = await Visitor.arrive(server)
    answer = await visitor.write("Do you have oolong?", page={"url": SHOP, "title": "Shop", "referrer": ""})
    assert answer["message"]["text"] == "Do you have oolong?"
    assert answer["message"]["direction"] == "in"
    assert answer["message"]["seq"] == 1
    assert answer["conversation"]["last_seq"] == 1


async def test_the_same_key_is_the_same_message(server: Running) -> None:
    visitor = await Visitor.arrive(server)
    first = await visitor.write("Hello", key="message-key")
    again = await visitor.call("messages", key="message-key", text="Hello", visit=None)
    assert again.json()["message"] == first["message"]
    other = await visitor.call("messages", key="message-key", text="Something else", visit=None)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    history = await visitor.read(conversation_id=first["conversation"]["id"])
    assert len(history.json()["messages"]) == 1


async def test_history_comes_in_pages_oldest_first(server: Running) -> None:
    visitor = await Visitor.arrive(server)
    answers = [await visitor.write(f"Line {number}") for number in range(1, 6)]
    query = {"conversation_id": answers[0]["conversation"]["id"], "limit": 2}

    async def texts(**more: Any) -> list[str]:
        found = await visitor.read(**query, **more)
        return [message["text"] for message in found.json()["messages"]]

    assert await texts() == ["Line 4", "Line 5"]
    assert await texts(before=4) == ["Line 2", "Line 3"]
    assert await texts(after=1) == ["Line 2", "Line 3"]


async def test_opening_shows_the_conversation_to_its_visitor_alone(server: Running) -> None:
    visitor, stranger = await Visitor.arrive(server), await Visitor.arrive(server)
    written = await visitor.write("Hello")
    shown = (await visitor.call("open", visit=VISIT)).json()
    assert [message["text"] for message in shown["messages"]] == ["Hello"]
    assert (await stranger.call("open", visit=VISIT)).json() == {"conversation": None, "messages": []}
    conversation_id = written["conversation"]["id"]
    foreign = await stranger.read(conversation_id=conversation_id)
    missing = await stranger.read(conversation_id=conversation_id + 1000)
    assert (foreign.status_code, foreign.content) == (404, missing.content)
    seen = {"conversation_id": conversation_id, "delivered_seq": 1, "read_seq": 1}
    assert (await stranger.call("seen", **seen)).status_code == 404


async def test_data_of_the_visit_lands_on_the_card_with_the_first_message(server: Running) -> None:
    await server.post_meta({"lead": {"name": "A box of tea"}})
    visitor = await Visitor.arrive(server)
    await visitor.write("Hello", visit=VISIT)
    answer = await server.client.post(
        f"/w/meta/{server.button}/verdicts",
        json={"visit": VISIT, "keys": ["key-00000"]},
        headers={"origin": SHOP},
    )
    assert answer.json()["calls"][0]["verdicts"][0]["verdict"] == "filled"
    assert answer.json()["window"]["is_open"]


async def test_what_the_visitor_has_seen_is_noted(server: Running) -> None:
    visitor = await Visitor.arrive(server)
    conversation_id = (await visitor.write("Hello"))["conversation"]["id"]
    await answer_as_operator(server, conversation_id, "Good day")
    assert (await visitor.call("open", visit=None)).json()["conversation"]["unread"] == 1
    seen = await visitor.call("seen", conversation_id=conversation_id, delivered_seq=2, read_seq=2)
    assert (seen.status_code, seen.content) == (204, b"")
    assert (await visitor.call("open", visit=None)).json()["conversation"]["unread"] == 0


@pytest.mark.parametrize(
    "token", ["", "Bearer", "Bearer x", "Basic YTpi", f"Bearer {'A' * 56}", "Bearer true"]
)
async def test_a_token_that_we_never_gave_is_refused(small: Running, token: str) -> None:
    answer = await small.client.post(
        f"/w/chat/{small.button}/open", json={}, headers={"authorization": token}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in")


async def test_one_changed_letter_makes_a_token_worthless(small: Running) -> None:
    visitor = await Visitor.arrive(small)
    for at in (0, 20, 40, 55):
        letter = "A" if visitor.token[at] != "A" else "Q"
        forged = Visitor(small, visitor.token[:at] + letter + visitor.token[at + 1 :])
        assert (await forged.call("open", visit=None)).status_code == 401


async def test_cookies_are_not_looked_at(small: Running) -> None:
    visitor = await Visitor.arrive(small)
    answer = await small.client.post(
        f"{visitor.base}/open", json={}, headers={"cookie": f"token={visitor.token}; knopka={visitor.token}"}
    )
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"key": "message-1"}, "$.text"),
        ({"key": "message-1", "text": ""}, "$.text"),
        ({"key": "message-1", "text": " \n\t "}, "$.text"),
        ({"key": "message-1", "text": "\u200b \u2067\u2069"}, "$.text"),
        ({"key": "message-1", "text": 5}, "$.text"),
        ({"key": "message-1", "text": "x" * 10_001}, "$.text"),
        ({"key": "short", "text": "x"}, "$.key"),
        ({"key": True, "text": "x"}, "$.key"),
        ({"text": "x"}, "$.key"),
        ({"key": "message-1", "text": "x", "visit": 5}, "$.visit"),
        ({"key": "message-1", "text": "x", "page": []}, "$.page"),
    ],
)
async def test_a_message_that_cannot_be_read_is_refused_with_its_place(
    small: Running, body: dict[str, Any], place: str
) -> None:
    visitor = await Visitor.arrive(small)
    answer = await visitor.call("messages", **body)
    assert answer.status_code == 400
    assert [fault["path"] for fault in answer.json()["error"]["faults"]] == [place]
    assert await small.count_rows() == 0


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"conversation_id": "x"},
        {"conversation_id": "1", "after": "-1"},
        {"conversation_id": "1", "after": "1", "before": "2"},
        {"conversation_id": "1", "limit": "101"},
        {"conversation_id": "0"},
        {"conversation_id": "9" * 30},
    ],
)
async def test_a_page_of_history_that_cannot_be_is_refused(small: Running, query: dict[str, str]) -> None:
    visitor = await Visitor.arrive(small)
    assert (await visitor.read(**query)).status_code == 400


async def test_the_longest_message_passes(small: Running) -> None:
    visitor = await Visitor.arrive(small)
    assert len((await visitor.write("ж" * 10_000))["message"]["text"]) == 10_000


async def test_an_unknown_button_has_no_chat(small: Running) -> None:
    for path in ("token", "open", "messages", "seen"):
        answer = await small.client.post(f"/w/chat/{small.source.public_id}/{'0' * 64}/{path}", json={})
        assert answer.status_code == 404
    assert (await small.client.get(f"/w/frame/{small.source.public_id}/{'0' * 64}")).status_code == 404


async def test_too_many_messages_are_refused_for_a_while(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path, limits='messages_per_visitor = "3/min"') as server:
        visitor = await Visitor.arrive(server)
        for number in range(3):
            await visitor.write(f"Line {number}")
        answer = await visitor.call("messages", key="message-late", text="Too many", visit=None)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1


async def test_too_many_tokens_are_refused_for_a_while(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path, limits='tokens_per_address = "2/min"') as server:
        path = f"/w/chat/{server.button}/token"
        statuses = [(await server.client.post(path, json={})).status_code for _ in range(3)]
        assert statuses == [201, 201, 429]


async def test_the_socket_welcomes_and_brings_what_is_new(server: Running) -> None:
    visitor = await Visitor.arrive(server)
    conversation_id = (await visitor.write("Hello"))["conversation"]["id"]
    async with visitor.live(conversation_id=conversation_id, after=1) as live:
        assert (await live.hear())["conversation"]["id"] == conversation_id
        await answer_as_operator(server, conversation_id, "Good day")
        news = await live.hear()
        assert (news["type"], news["message"]["text"]) == ("message", "Good day")
        assert news["message"]["author"] == {"kind": "operator", "name": "Anna"}


async def test_S_WS_05_a_socket_that_comes_back_gets_what_it_missed(server: Running) -> None:
    visitor = await Visitor.arrive(server)
    conversation_id = (await visitor.write("Hello"))["conversation"]["id"]
    for number in range(1, 4):
        await answer_as_operator(server, conversation_id, f"Answer {number}", key=f"answer-{number:02}")
    async with visitor.live(conversation_id=conversation_id, after=2) as live:
        assert (await live.hear())["type"] == "welcome"
        assert [(await live.hear())["message"]["seq"] for _ in range(2)] == [3, 4]


async def test_a_socket_open_before_the_first_message_becomes_live_with_it(server: Running) -> None:
    visitor = await Visitor.arrive(server)
    async with visitor.live() as live:
        assert await live.hear() == {"type": "welcome", "conversation": None}
        conversation_id = (await visitor.write("Hello"))["conversation"]["id"]
        assert (await live.hear())["conversation"]["id"] == conversation_id
        assert (await live.hear())["message"]["text"] == "Hello"
        await answer_as_operator(server, conversation_id, "Good day")
        assert (await live.hear())["message"]["text"] == "Good day"


async def test_nobody_hears_of_another_visitors_talk(server: Running) -> None:
    visitor, stranger = await Visitor.arrive(server), await Visitor.arrive(server)
    conversation_id = (await visitor.write("Hello"))["conversation"]["id"]
    await stranger.write("Hello as well")
    async with stranger.live(conversation_id=conversation_id, after=0) as live:
        welcome = await live.hear()
        assert welcome["conversation"]["id"] != conversation_id
        assert (await live.hear())["message"]["text"] == "Hello as well"
        await answer_as_operator(server, conversation_id, "For the first one alone")
        await live.send(type="ping")
        assert (await live.hear())["type"] == "pong"


async def test_typing_is_passed_on_to_operators(small: Running) -> None:
    visitor = await Visitor.arrive(small)
    conversation_id = (await visitor.write("Hello"))["conversation"]["id"]
    heard: list[str] = []

    async def hear(text: str) -> None:
        heard.append(text)

    operators = small.house.hub.subscribe("account:1", hear, lambda _: None)
    operators.uncork()
    async with visitor.live(conversation_id=conversation_id, after=1) as live:
        await live.hear()
        await live.send(type="typing")
        await live.send(type="typing")
        await live.send(type="ping")
        await live.hear()
    assert [json.loads(text) for text in heard] == [{"type": "typing", "conversation_id": conversation_id}]


async def test_S_WS_02_a_socket_without_hello_is_closed(
    small: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knopka.web.chat.HELLO_SECONDS", 0.2)
    visitor = await Visitor.arrive(small)
    async with visitor.connect() as socket:
        assert await Live(socket).close_code() == 4408
    async with visitor.connect() as socket:
        live = Live(socket)
        await live.send(type="ping")
        assert await live.close_code() == 4408


@pytest.mark.parametrize("token", ["x", True, None, 5, ["a"], "A" * 56])
async def test_a_socket_with_a_bad_token_is_closed(small: Running, token: object) -> None:
    visitor = await Visitor.arrive(small)
    async with visitor.live(token=token) as live:
        assert await live.close_code() == 4401


async def test_a_socket_for_an_unknown_button_is_closed(small: Running) -> None:
    visitor = await Visitor.arrive(small)
    visitor.base = f"/w/chat/{small.source.public_id}/{'0' * 64}"
    async with visitor.connect() as socket:
        assert await Live(socket).close_code() == 4404


async def test_S_WS_03_the_sixth_socket_of_a_visitor_is_closed(small: Running) -> None:
    visitor = await Visitor.arrive(small)
    async with (
        visitor.live() as one,
        visitor.live() as two,
        visitor.live() as three,
        visitor.live() as four,
        visitor.live() as five,
    ):
        for live in (one, two, three, four, five):
            assert (await live.hear())["type"] == "welcome"
        async with visitor.live() as sixth:
            assert await sixth.close_code() == 4429


async def test_S_WS_03_who_speaks_too_fast_is_closed(small: Running) -> None:
    visitor = await Visitor.arrive(small)
    async with visitor.live() as live:
        for _ in range(60):
            await live.send(type="ping")
        assert await live.close_code() == 4429


async def test_S_WS_03_who_says_hello_without_end_is_closed(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path, limits='reads_per_visitor = "3/min"') as server:
        visitor = await Visitor.arrive(server)
        async with visitor.live() as live:
            for _ in range(2):
                await live.send(type="hello")
            assert [(await live.hear())["type"] for _ in range(3)] == ["welcome"] * 3
            await live.send(type="hello")
            assert await live.close_code() == 4429
        async with visitor.live() as again:
            assert await again.close_code() == 4429
        async with (await Visitor.arrive(server)).live() as other:
            assert (await other.hear())["type"] == "welcome"


async def test_S_WS_03_a_frame_over_64_kib_is_not_read(small: Running) -> None:
    visitor = await Visitor.arrive(small)
    async with visitor.live() as live:
        await live.hear()
        await live.send(type="x", text="a" * 65_536)
        assert await live.close_code() == 1009


async def test_the_frame_is_shown_on_the_buttons_sites_alone(small: Running) -> None:
    small.pretend_built()
    answer = await small.client.get(f"/w/frame/{small.button}")
    policy = answer.headers["content-security-policy"]
    assert f"frame-ancestors {SHOP} {small.url}" in policy
    assert "script-src 'self';" in policy
    assert "require-trusted-types-for 'script'" in policy
    config = answer.text.partition('id="knopka">')[2].partition("</script>")[0]
    assert json.loads(config) == {
        "id": small.source.public_id,
        "hash": small.source.hash,
        "locale": "en",
        "origins": [SHOP, small.url],
        "name": "Shop",
        "color": "#2f6fed",
        "api": f"/w/chat/{small.button}",
    }


async def test_a_frame_without_built_files_says_how_to_build_them(small: Running) -> None:
    small.house.web.static.manifest = {}
    answer = await small.client.get(f"/w/frame/{small.button}")
    assert answer.status_code == 503
    assert "not built yet" in answer.text
