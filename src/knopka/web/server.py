"""The HTTP server under our own deadlines: uvicorn, with limits that it does not have."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from knopka.web.errors import error_body

HEAD_BYTES = 16 * 1024
HEADER_BYTES = 8 * 1024
MAX_HEADERS = 100
MAX_PIPELINE = 16
DRAIN_BYTES = 16 * 1024 * 1024
"""How much of a refused body is still taken, so that its sender can read why it was refused."""
FRAME_BYTES = 64 * 1024
PING_SECONDS = 25.0
PONG_SECONDS = 35.0
"""A silent socket is dead after 60 s: the wait for the next ping and the wait for its answer."""
SOCKET_END_SECONDS = 10.0
"""How long an ended socket may take to send what is left, and to hear that its peer has closed it too."""
SPARE_FILES = 512
STOP_SECONDS = 10
SIGNALS = (signal.SIGINT, signal.SIGTERM)

REFUSALS = {
    400: (b"Bad Request", error_body("bad_request", "The request cannot be read.")),
    408: (b"Request Timeout", error_body("too_slow", "The request did not arrive in time.")),
    431: (
        b"Request Header Fields Too Large",
        error_body("headers_too_large", "The request's line and headers are larger than what is read."),
    ),
    503: (b"Service Unavailable", error_body("too_many_sockets", "Too many connections are open.")),
}
"""What the protocol itself answers, before any handler is reached."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that a client has for each thing it does."""

    head: float = 10.0
    body: float = 30.0
    grace: float = 10.0
    """How long a body may come at any pace; from then on it needs `pace` bytes a second on the average."""
    pace: int = 1024
    check: float = 5.0
    idle: int = 15
    write: float = 30.0
    """How long a client may take nothing of an answer that waits for it."""
    linger: float = 2.0
    """How long a refused client is listened to, so that it can read the refusal."""


@dataclass(slots=True)
class Gate:
    """Counts the open sockets, all and by peer. A proxy that we trust speaks for many and is not counted."""

    most: int
    most_per_peer: int
    is_proxy: Callable[[str], bool]
    open: int = 0
    refused: int = 0
    by_peer: Tally[str] = field(default_factory=Tally)

    def enter(self, peer: str) -> bool:
        """Let one more in, or refuse it; who was refused does not leave."""
        if self.open >= self.most or (self.by_peer[peer] >= self.most_per_peer and not self.is_proxy(peer)):
            self.refused += 1
            return False
        self.open += 1
        self.by_peer[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        self.open -= 1
        self.by_peer[peer] -= 1
        if self.by_peer[peer] <= 0:
            del self.by_peer[peer]


class Config(uvicorn.Config):
    """uvicorn's own settings, with the gate and the deadlines that its protocols share."""

    def __init__(self, app: ASGIApp, gate: Gate, deadlines: Deadlines) -> None:
        super().__init__(
            cast("Any", app),
            http=HttpProtocol,
            ws=SocketProtocol,
            loop="none",
            lifespan="off",
            interface="asgi3",
            ws_max_size=FRAME_BYTES,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PONG_SECONDS,
            ws_per_message_deflate=False,
            timeout_keep_alive=deadlines.idle,
            timeout_graceful_shutdown=STOP_SECONDS,
            server_header=False,
            proxy_headers=False,
            access_log=False,
            log_config=None,
        )
        self.gate = gate
        self.deadlines = deadlines


class Phase(Enum):
    """Where a connection stands."""

    IDLE = "between two requests"
    HEAD = "in the request line and headers"
    BODY = "in the body"
    REFUSED = "answered by a refusal, about to be closed"


class _Stop(Exception):
    """Leaves the parser's callbacks; the status to answer with stands on the protocol."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a limit for each thing that a client could send without end.

    uvicorn alone keeps trickled headers open for ever and reads heads of any
    size. The usual request arrives in one piece and costs no timer here.
    """

    config: Config

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.deadlines = config.deadlines
        self.gate = config.gate
        self.peer: str | None = None
        self.phase = Phase.IDLE
        self.answering: RequestResponseCycle | None = None
        """The request that is being answered; `cycle` is the last one that came, which may wait behind it."""
        self.refusal = 400
        self.head_bytes = 0
        """What came of the head being read, in the chunks before this one."""
        self.head_parsed = 0
        """What the finished parts of that head take: its address and whole headers."""
        self.chunk_done = 0
        """Of the chunk being read: what belongs to finished heads and to bodies."""
        self.body_bytes = 0
        self.body_began = 0.0
        self.deadline: asyncio.TimerHandle | None = None
        self.write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        if self.gate.enter(peer):
            self.peer = peer
            self._arm(self.deadlines.head, self._be_late)
        else:
            self._refuse(503)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        if self.write_deadline is not None:
            self.write_deadline.cancel()
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.phase is Phase.REFUSED:
            return
        self.chunk_done = 0
        super().data_received(data)
        match self.phase:
            case Phase.HEAD:
                self.head_bytes += max(0, len(data) - self.chunk_done)
                if self.head_bytes > HEAD_BYTES:
                    self._refuse(431)
                elif self.deadline is None:
                    self._arm(self.deadlines.head, self._be_late)
            case Phase.BODY if self.deadline is None:
                self.body_began = self.loop.time()
                self._arm(self.deadlines.check, self._check_body)
            case _:
                pass

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.phase = Phase.HEAD
        self.head_bytes = 0
        self.head_parsed = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        size = len(name) + len(value) + 4
        if size > HEADER_BYTES or len(self.headers) > MAX_HEADERS:
            self._stop(431)
        self._count_head(size)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINE or not self._names_its_host():
            self._stop(400)
        self.chunk_done += self.head_parsed
        self._disarm()
        self.phase = Phase.BODY
        self.body_bytes = 0
        last, waiting = self.cycle, len(self.pipeline)
        super().on_headers_complete()
        if self.cycle is not last and len(self.pipeline) == waiting:
            self.answering = self.cycle

    def on_body(self, body: bytes) -> None:
        self.chunk_done += len(body)
        self.body_bytes += len(body)
        if self.body_bytes > DRAIN_BYTES and self.cycle.response_complete:
            self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._disarm()
        self.phase = Phase.IDLE
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.pipeline:
            self.answering = self.pipeline[-1][0]
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over; from now on the socket's own protocol stands for it at the gate."""
        self._disarm()
        super().handle_websocket_upgrade()
        successor = self.transport.get_protocol()
        if isinstance(successor, SocketProtocol):
            successor.leave = self._leave

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the parser gives up; ours says why, in our own shape."""
        self._refuse(self.refusal)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.write_deadline = self.loop.call_later(self.deadlines.write, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.write_deadline is not None:
            self.write_deadline.cancel()
            self.write_deadline = None

    def _names_its_host(self) -> bool:
        """Whether there is one Host, as RFC 9112 §3.2 has it; HTTP/1.0 did without."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        return hosts == 1 or (hosts == 0 and self.parser.get_http_version() == "1.0")

    def _count_head(self, size: int) -> None:
        self.head_parsed += size
        if self.head_parsed > HEAD_BYTES:
            self._stop(431)

    def _stop(self, status: int) -> None:
        self.refusal = status
        raise _Stop

    def _check_body(self) -> None:
        """Look at a body that is still coming; while we do not read, its sender is not to blame."""
        elapsed = self.loop.time() - self.body_began
        if self.flow.read_paused:
            self.body_began += self.deadlines.check
        elif elapsed >= self.deadlines.body or (
            elapsed >= self.deadlines.grace and self.body_bytes < elapsed * self.deadlines.pace
        ):
            self._be_late()
            return
        self._arm(self.deadlines.check, self._check_body)

    def _be_late(self) -> None:
        self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answer for the handler, unless it has begun to answer; then close.

        Closing at once would reset the connection and take the answer away from
        a client that still sends: first only our own side is closed.
        """
        if self.phase is Phase.REFUSED or self.transport.is_closing():
            return
        self.phase = Phase.REFUSED
        now = self.answering
        has_begun = now is not None and now.response_started and not now.response_complete
        self.pipeline.clear()
        if now is not None:
            now.disconnected = True
            now.message_event.set()
        if not has_begun:
            phrase, body = REFUSALS[status]
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: application/json; charset=utf-8\r\n"
                b"content-length: %d\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n"
                b"connection: close\r\n\r\n%s" % (status, phrase, len(body), body)
            )
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._arm(self.deadlines.linger, self.transport.abort)

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        self._disarm()
        self.deadline = self.loop.call_later(seconds, action)

    def _disarm(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _leave(self) -> None:
        if self.peer is not None:
            self.gate.leave(self.peer)
            self.peer = None


class SocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that tells the gate when it is gone, and goes even when its peer takes nothing."""

    leave: Callable[[], None] | None = None
    end: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.end is not None:
            self.end.cancel()
        if self.leave is not None:
            self.leave()
        super().connection_lost(exc)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._end_soon()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._end_soon()

    def _end_soon(self) -> None:
        """Closing waits until everything is sent, which a peer can put off for ever."""
        if self.end is None and not self.disconnected:
            self.end = self.loop.call_later(SOCKET_END_SECONDS, self.transport.abort)


class Server(uvicorn.Server):
    """uvicorn's server, stopped by its owner: a signal asks it to finish and is not raised again."""

    def __init__(
        self, config: Config, *, on_started: Callable[[], None] = lambda: None, handles_signals: bool = False
    ) -> None:
        super().__init__(config)
        self.on_started = on_started
        self.handles_signals = handles_signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if not self.handles_signals:
            yield
            return
        loop = asyncio.get_running_loop()
        for name in SIGNALS:
            loop.add_signal_handler(name, self.stop)
        try:
            yield
        finally:
            for name in SIGNALS:
                loop.remove_signal_handler(name)

    def stop(self) -> None:
        """Finish what is being answered; asked twice, do not even wait for that."""
        self.force_exit = self.should_exit
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """Open the listening socket; port 0 lets the system choose one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def raise_file_limit(sockets: int) -> None:
    """Let this process hold as many sockets as its limits allow, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sockets + SPARE_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
