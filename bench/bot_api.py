"""A stand-in of Telegram's Bot API on loopback: it takes whatever is sent and tells when that came."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue

from bench.load import content_length


class BotApi:
    """What came, in its order: the moment and the text of each message."""

    def __init__(self) -> None:
        self.came: SimpleQueue[tuple[float, str]] = SimpleQueue()
        self.url = ""
        self._taken = 0

    def take(self, target: bytes, body: bytes) -> bytes:
        """Answer one call. Calls that send nothing are taken as well and learn nothing."""
        if target.endswith(b"/sendMessage"):
            self.came.put((time.perf_counter(), json.loads(body)["text"]))
        self._taken += 1
        return b'{"ok":true,"result":{"message_id":%d}}' % self._taken

    def drain(self) -> list[float]:
        """The moments of all that came since it was asked last."""
        moments = []
        while not self.came.empty():
            moments.append(self.came.get()[0])
        return moments


class _Connection(asyncio.Protocol):
    def __init__(self, api: BotApi) -> None:
        self._api = api
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        while (head_end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:head_end].lower()
            end = head_end + 4 + content_length(head + b"\r\n", head_end)
            if len(self._buffer) < end:
                return
            target = self._buffer.split(b" ", 2)[1]
            answer = self._api.take(target, self._buffer[head_end + 4 : end])
            self._buffer = self._buffer[end:]
            kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
            self._transport.write(kind + b"%d\r\n\r\n" % len(answer) + answer)


@contextlib.contextmanager
def bot_api() -> Iterator[BotApi]:
    """Run the stand-in on a thread of its own."""
    api = BotApi()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: _Connection(api), "127.0.0.1", 0))
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
