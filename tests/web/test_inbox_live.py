"""The operators' socket: who may open it, what it carries, what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from knopka.services import operators
from knopka.web import live, server
from knopka.web.desk import WATCH_SECONDS
from knopka.web.live import CLOSE_SECONDS
from tests.web.lines import closing, hear, line, open_line
from tests.web.office import Office, open_office, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def office(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(sqlite_url, tmp_path) as opened:
        await opened.add_operator()
        yield opened


async def sign_in_cookie(office: Office) -> str:
    async with office.operator() as client:
        return f"knopka={client.cookies['knopka']}"


async def test_events_of_the_account_reach_every_open_inbox(office: Office) -> None:
    cookie = await sign_in_cookie(office)
    async with open_line(office, cookie) as one, open_line(office, cookie) as two:
        office.house.hub.publish("account:1", {"type": "card", "lead_id": 7})
        assert await hear(one) == await hear(two) == {"type": "card", "lead_id": 7}


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://evil.example", "OURS.evil.example", "HTTPS", "OURS/", "OURS:1", "LOCALHOST"],
)
async def test_a_socket_from_elsewhere_is_refused_before_it_is_accepted(
    office: Office, origin: str | None
) -> None:
    """S-WS-01: a socket carries the cookie from any site, so a missing Origin is a wrong one."""
    cookie = await sign_in_cookie(office)
    spelt = origin and {
        "HTTPS": office.url.replace("http:", "https:"),
        "LOCALHOST": office.url.replace("127.0.0.1", "localhost"),
    }.get(origin, origin.replace("OURS", office.url))
    with pytest.raises(InvalidStatus) as refused:
        async with line(office, cookie, origin=spelt):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("cookie", [None, "knopka=", "knopka=" + "A" * 43, "knopka=x", "__Host-knopka=REAL"])
async def test_a_socket_without_a_sign_in_is_refused_before_it_is_accepted(
    office: Office, cookie: str | None
) -> None:
    real = await sign_in_cookie(office)
    spelt = cookie and cookie.replace("REAL", real.partition("=")[2])
    with pytest.raises(InvalidStatus) as refused:
        async with line(office, spelt):
            pass
    assert refused.value.response.status_code == 403


async def test_a_ping_is_answered_with_the_server_s_time(office: Office) -> None:
    async with line(office, await sign_in_cookie(office)) as socket:
        await socket.send('{"type": "ping"}')
        answer = await hear(socket)
        assert answer["type"] == "pong"
        assert abs(answer["now"] / 1000 - office.database.clock().timestamp()) < 60


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 1007),
        ("{", 1007),
        ("[]", 1007),
        ('"ping"', 1007),
        ("{}", 1007),
        ('{"type": 1}', 1007),
        ("[" * 5000, 1007),
    ],
)
async def test_what_cannot_be_read_ends_the_socket(office: Office, text: str, code: int) -> None:
    async with line(office, await sign_in_cookie(office)) as socket:
        await socket.send(text)
        assert await closing(socket) == code


async def test_an_unknown_message_is_passed_over(office: Office) -> None:
    async with line(office, await sign_in_cookie(office)) as socket:
        await socket.send('{"type": "news"}')
        for number in ("null", "-1", "true", '"1"', "1e3", "99999999999999999999", "12"):
            await socket.send(f'{{"type": "typing", "conversation_id": {number}}}')
        await socket.send('{"type": "ping"}')
        assert (await hear(socket))["type"] == "pong"


@pytest.mark.parametrize(("size", "code"), [(64 * 1024, 1007), (64 * 1024 + 1, 1009)])
async def test_a_frame_has_at_most_64_kib(office: Office, size: int, code: int) -> None:
    async with line(office, await sign_in_cookie(office)) as socket:
        await socket.send("x" * size)
        assert await closing(socket) == code


async def test_more_than_twenty_messages_at_once_end_the_socket(office: Office) -> None:
    async with line(office, await sign_in_cookie(office)) as socket:
        for _ in range(20):
            await socket.send('{"type": "ping"}')
        for _ in range(20):
            assert (await hear(socket))["type"] == "pong"
        for _ in range(5):
            await socket.send('{"type": "ping"}')
        assert await closing(socket) == 4429


async def test_an_operator_has_at_most_twenty_sockets(office: Office) -> None:
    one, two = await sign_in_cookie(office), await sign_in_cookie(office)
    async with AsyncExitStack() as held:
        for number in range(20):
            await held.enter_async_context(open_line(office, one if number % 2 else two))
        async with line(office, one) as refused:
            assert await closing(refused) == 4429
    await until(lambda: office.desk.sockets.token_hashes() == [])
    async with open_line(office, one):
        pass


async def test_signing_out_ends_the_sockets_of_this_sign_in_alone(office: Office) -> None:
    office.desk.watch_seconds = 3600
    async with office.operator() as client, open_line(office, await sign_in_cookie(office)) as other:
        async with open_line(office, f"knopka={client.cookies['knopka']}") as socket:
            assert (await client.post("/inbox/sign-out")).status_code == 204
            assert await closing(socket) == 4401
        office.house.hub.publish("account:1", {"type": "card", "lead_id": 7})
        assert await hear(other) == {"type": "card", "lead_id": 7}


async def test_a_sign_in_that_ends_elsewhere_ends_its_sockets(office: Office) -> None:
    """S-WS-04: another process deletes the sign-in; this one sees it when it looks the next time."""
    office.desk.watch_seconds = 0.01
    cookie = await sign_in_cookie(office)
    async with open_line(office, cookie) as socket, open_line(office, await sign_in_cookie(office)) as other:
        token_hash = operators.hash_token(cookie.partition("=")[2])
        await office.database.write(operators.sign_out, token_hash, key=1)
        assert await closing(socket) == 4401
        await other.send('{"type": "ping"}')
        assert (await hear(other))["type"] == "pong"


async def test_a_sign_in_that_expires_ends_its_sockets(office: Office) -> None:
    office.desk.watch_seconds = 0.01
    async with open_line(office, await sign_in_cookie(office)) as socket:
        office.clock.advance(hours=12)
        assert await closing(socket) == 4401


def test_sockets_are_looked_after_often_enough() -> None:
    assert WATCH_SECONDS + CLOSE_SECONDS <= 5


async def test_nothing_is_kept_of_a_socket_that_has_gone(office: Office) -> None:
    async with open_line(office, await sign_in_cookie(office)):
        assert office.house.hub.count("account:1") == len(office.desk.sockets.token_hashes()) == 1
    await until(lambda: office.house.hub.count("account:1") == 0)
    assert office.desk.sockets.token_hashes() == []


async def test_a_socket_that_takes_nothing_is_ended_and_harms_nobody(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-WS-05: its events wait within their bound, then it goes, whether it takes the news or not."""
    monkeypatch.setattr(live, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(server, "SOCKET_END_SECONDS", 0.05)
    cookie = await sign_in_cookie(office)
    gate = office.house.web.gate
    assert gate is not None
    async with open_line(office, cookie) as quick:
        before = gate.open
        reader, writer = await _open_raw(office, cookie)
        await until(lambda: office.house.hub.count("account:1") == 2)
        sent = 0
        while office.house.hub.count("account:1") == 2:
            office.house.hub.publish("account:1", {"type": "card", "lead_id": sent, "text": "x" * 40_000})
            sent += 1
            assert (await hear(quick))["lead_id"] == sent - 1
            assert sent < 1000
        await until(lambda: gate.open == before)
        assert len(office.desk.sockets.token_hashes()) == 1
        writer.transport.abort()
        del reader


async def _open_raw(office: Office, cookie: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open the socket by hand, and read no more than the answer to the handshake."""
    host, port = office.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    head = (
        f"GET /inbox/api/live HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {office.url}\r\nCookie: {cookie}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(head.encode())
    assert b" 101 " in await reader.readline()
    return reader, writer
