"""Sockets as the inbox and the chat's frame open them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.web.office import Office, Visitor


@asynccontextmanager
async def line(office: Office, cookie: str | None, **headers: str | None) -> AsyncIterator[ClientConnection]:
    """An operator's socket; a header given as None is left out."""
    given = {"origin": office.url, "cookie": cookie, **headers}
    sent = {name: value for name, value in given.items() if value is not None}
    url = office.url.replace("http:", "ws:") + "/inbox/api/live"
    async with connect(url, additional_headers=sent, proxy=None, compression=None) as socket:
        yield socket


@asynccontextmanager
async def open_line(office: Office, cookie: str) -> AsyncIterator[ClientConnection]:
    """The same, once it follows the account: then it answers."""
    async with line(office, cookie) as socket:
        await socket.send('{"type": "ping"}')
        assert (await hear(socket))["type"] == "pong"
        yield socket


@asynccontextmanager
async def visitor_line(
    office: Office, visitor: Visitor, conversation_id: int | None = None, after: int = 0
) -> AsyncIterator[ClientConnection]:
    """A visitor's socket, after its welcome."""
    url = office.url.replace("http:", "ws:") + f"{visitor.chat}/live"
    async with connect(url, origin=None, proxy=None, compression=None) as socket:
        hello = {"type": "hello", "token": visitor.token, "conversation_id": conversation_id, "after": after}
        await socket.send(json.dumps(hello))
        assert (await hear(socket))["type"] == "welcome"
        yield socket


async def hear(socket: ClientConnection) -> Any:
    async with asyncio.timeout(10):
        return json.loads(await socket.recv())


async def hear_of(socket: ClientConnection, kind: str) -> Any:
    """The next event of this type; others are passed over."""
    while True:
        event = await hear(socket)
        if event["type"] == kind:
            return event


async def closing(socket: ClientConnection) -> int:
    """Wait for the end and give its code."""
    with pytest.raises(ConnectionClosed):
        await hear_of(socket, "the end")
    assert socket.close_code is not None
    return socket.close_code
