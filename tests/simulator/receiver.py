"""A webhook on a loopback port that remembers what it was sent, and answers as a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

import uvicorn


@dataclass(frozen=True)
class Received:
    """One request, to the byte."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Answer = tuple[int, str] | tuple[int, str, dict[str, str]]


def confirm(received: Received) -> Answer:
    """What every platform is content with: the challenge given back, or ok."""
    return 200, received.query.get("hub.challenge", "ok")


@dataclass
class Receiver:
    url: str = ""
    got: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Answer] = confirm

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = dict(parse_qsl(scope["query_string"].decode()))
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        received = Received(scope["method"], scope["path"], query, headers, body)
        self.got.append(received)
        status, text, *more_headers = self.answer(received)
        given = [(name.encode(), value.encode()) for name, value in (more_headers or [{}])[0].items()]
        await send({"type": "http.response.start", "status": status, "headers": given})
        await send({"type": "http.response.body", "body": text.encode()})


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Receive until the block is left."""
    receiver = Receiver()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        receiver.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            cast("Any", receiver), ws="none", lifespan="off", log_config=None, access_log=False
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield receiver
        finally:
            server.should_exit = server.force_exit = True
            await task
