"""A small closed-loop HTTP load: n connections, each sends its next request when the answer is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Load:
    """What one run has seen: answers by status, seconds, and each answer's latency in seconds."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.statuses.get(200, 0) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Connection(asyncio.Protocol):
    """One keep-alive connection. Answers must carry Content-Length, as ours do."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.transport: asyncio.Transport | None = None
        self.buffer = b""
        self.sent_at = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        assert self.transport is not None
        now = time.perf_counter()
        if now >= self.run.ends_at:
            self.transport.close()
            return
        self.sent_at = now
        self.transport.write(self.run.next_request())

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        while True:
            head_end = self.buffer.find(b"\r\n\r\n")
            if head_end < 0:
                return
            end = head_end + 4 + content_length(self.buffer, head_end)
            if len(self.buffer) < end:
                return
            self.run.answered(int(self.buffer[9:12]), time.perf_counter() - self.sent_at)
            self.buffer = self.buffer[end:]
            self.send()
            if not self.buffer:
                return

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


def content_length(buffer: bytes, head_end: int) -> int:
    """The answer's Content-Length, 0 where there is none."""
    start = buffer.find(b"content-length: ", 0, head_end)
    if start < 0:
        return 0
    return int(buffer[start + 16 : buffer.find(b"\r\n", start)])


class Run:
    """The requests of one run and what came back."""

    def __init__(self, make_request: Callable[[int], bytes], seconds: float) -> None:
        self.make_request = make_request
        self.ends_at = time.perf_counter() + seconds
        self.sent = 0
        self.load = Load()

    def next_request(self) -> bytes:
        self.sent += 1
        return self.make_request(self.sent)

    def answered(self, status: int, latency: float) -> None:
        load = self.load
        load.statuses[status] = load.statuses.get(status, 0) + 1
        load.latencies.append(latency)


async def drive(
    host: str, port: int, make_request: Callable[[int], bytes], *, connections: int, seconds: float
) -> Load:
    """Keep `connections` requests in flight for `seconds` and tell what came back."""
    loop = asyncio.get_running_loop()
    run = Run(make_request, seconds)
    started = time.perf_counter()
    opened = [await loop.create_connection(lambda: Connection(run), host, port) for _ in range(connections)]
    await asyncio.gather(*(protocol.closed for _, protocol in opened))
    run.load.seconds = time.perf_counter() - started
    return run.load


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of one POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
