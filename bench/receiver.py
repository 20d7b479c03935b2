"""Many sockets that count what they are sent, in a process of their own and as lean as Python allows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

from knopka.web.server import raise_file_limit

AT_ONCE = 100
"""Handshakes that are under way together."""
TEXT = 0x81
PING = 0x89
PONG = 0x8A
HEARTBEAT = '{"type":"ping"}'
START_S = 60
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
)


@dataclass(frozen=True, slots=True)
class Opening:
    """How one socket is opened, and what it says first."""

    path: str
    headers: dict[str, str]
    hello: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """How many texts have come since the last count, and the bytes of the last one."""

    texts: int
    size: int


class Receivers:
    """The process of receivers, as the bench speaks to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input = process.stdin
        self._output = process.stdout

    def say(self, line: str) -> None:
        self._input.write(line + "\n")
        self._input.flush()

    def expect(self, frames: int) -> None:
        """Ask to be told, by `wait`, when so many texts have come since the last count."""
        self.say(str(frames))

    def wait(self) -> Count:
        return Count(*json.loads(self._output.readline()))

    def count(self) -> Count:
        self.expect(0)
        return self.wait()

    def drain(self) -> Count:
        """Wait until nothing comes any more; gives the last count that was not zero."""
        last = Count(0, 0)
        while (count := self.count()).texts or not last.size:
            last = count
            time.sleep(0.2)
        return last


@contextlib.contextmanager
def receive(
    port: int, openings: Sequence[Opening], *, heartbeat_s: float | None = None
) -> Iterator[Receivers]:
    """Open these sockets and hold them."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    receivers = Receivers(process)
    try:
        given = {"port": port, "heartbeat_s": heartbeat_s, "openings": [asdict(each) for each in openings]}
        receivers.say(json.dumps(given))
        receivers.wait()
        yield receivers
    finally:
        process.kill()
        process.communicate()


# The rest runs in the receivers' process.


class Tally:
    """The texts that have come to any socket, and how many the bench waits for."""

    def __init__(self) -> None:
        self.seen = 0
        self.size = 0
        self.wanted: int | None = None

    def tell(self) -> None:
        if self.wanted is not None and self.seen >= self.wanted:
            print(json.dumps([self.seen, self.size]), flush=True)
            self.seen, self.wanted = 0, None


class Socket(asyncio.Protocol):
    """One WebSocket. Frames of a server are not masked and ours are short, so little of the RFC is needed."""

    def __init__(self, head: bytes, hello: str, tally: Tally) -> None:
        self.head = head
        self.hello = hello
        self.tally = tally
        self.rest = b""
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self.transport.write(self.head)

    def send(self, text: str) -> None:
        assert self.transport is not None
        self.transport.write(as_frame(TEXT, text.encode()))

    def connection_lost(self, exc: Exception | None) -> None:
        sys.exit(f"a socket was closed: {exc}, after {self.rest!r}")

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        self.rest = self.read(data) if self.is_open.done() else self.read_head(data)

    def read_head(self, data: bytes) -> bytes:
        """Give what follows the answer to the handshake."""
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return data
        if b" 101 " not in head.partition(b"\r\n")[0]:
            sys.exit(f"a socket was refused: {head!r}")
        self.is_open.set_result(None)
        if self.hello:
            self.send(self.hello)
        return self.read(rest)

    def read(self, data: bytes) -> bytes:
        """Count the whole frames, give the beginning of the next."""
        at, size = 0, len(data)
        while size - at >= 2:
            start = at + 2
            length = data[at + 1]
            if length == 126:
                start += 2
                length = int.from_bytes(data[at + 2 : start], "big")
            elif length == 127:
                start += 8
                length = int.from_bytes(data[at + 2 : start], "big")
            if size < start or size < start + length:
                break
            if data[at] == TEXT:
                self.tally.seen += 1
                self.tally.size = length
            elif data[at] == PING and self.transport is not None:
                self.transport.write(as_frame(PONG, data[start : start + length]))
            at = start + length
        self.tally.tell()
        return data[at:]


def as_frame(kind: int, data: bytes) -> bytes:
    """A frame as clients send it: masked, here with zeros."""
    assert len(data) < 65536
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([kind]) + size + b"\0\0\0\0" + data


async def open_all(given: dict[str, object], tally: Tally) -> list[Socket]:
    loop = asyncio.get_running_loop()
    port, openings = given["port"], given["openings"]
    assert isinstance(port, int)
    assert isinstance(openings, list)
    sockets: list[Socket] = []
    for start in range(0, len(openings), AT_ONCE):
        for opening in (Opening(**each) for each in openings[start : start + AT_ONCE]):
            headers = "".join(f"{name}: {value}\r\n" for name, value in opening.headers.items())
            head = HANDSHAKE.format(path=opening.path, port=port, headers=headers).encode()
            socket = Socket(head, opening.hello, tally)
            await loop.create_connection(lambda made=socket: made, "127.0.0.1", port)  # type: ignore[misc] # mypy: lambda
            sockets.append(socket)
        await asyncio.gather(*(socket.is_open for socket in sockets[start:]))
    return sockets


async def beat(sockets: Sequence[Socket], every: float) -> None:
    """Each socket's heartbeat, spread evenly, as those of many browsers are."""
    loop = asyncio.get_running_loop()
    began, sent = loop.time(), 0
    while True:
        due = int((loop.time() - began) / every * len(sockets))
        for number in range(sent, due):
            sockets[number % len(sockets)].send(HEARTBEAT)
        sent = due
        await asyncio.sleep(0.1)


async def main() -> None:
    lines = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    given = json.loads(await lines.readline())
    raise_file_limit(len(given["openings"]))
    tally = Tally()
    async with asyncio.timeout(START_S):
        sockets = await open_all(given, tally)
    beating = asyncio.create_task(beat(sockets, given["heartbeat_s"])) if given["heartbeat_s"] else None
    print(json.dumps([len(sockets), 0]), flush=True)
    while line := await lines.readline():
        tally.wanted = int(line)
        tally.tell()
    if beating is not None:
        beating.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
