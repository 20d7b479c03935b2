"""A socket under our limits: what both the visitors' and the operators' sockets share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, cast

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect
from litestar.types.asgi_types import WebSocketSendEvent

from knopka.live import End, Hub, Subscription

BAD_TOKEN = 4401
UNKNOWN_BUTTON = 4404
NO_HELLO = 4408
TOO_SLOW = 4413
TOO_MANY = 4429
GOING_AWAY = 1001
UNREADABLE = 1007
TOO_LARGE = 1009
RESTART = 1012
"""Close codes. After 1001, 1012 and 4413 the client comes again and fetches what it missed."""

MAX_FRAME_BYTES = 64 * 1024
MESSAGES_A_SECOND = 20
CLOSE_SECONDS = 2.0
"""How long a socket that takes nothing is given to hear that it is closed."""

GONE = (WebSocketDisconnect, OSError)
"""How the framework and the server say that the other side has left."""

encode = msgspec.json.Encoder().encode


class LiveSocket:
    """One accepted socket; use it as a context manager in the handler's own task.

    Whatever ends it, the handler simply leaves its loop over `messages`.
    """

    __slots__ = (
        "_allowance",
        "_closing",
        "_counted_at",
        "_is_cancelled",
        "_socket",
        "_subscriptions",
        "_task",
    )

    def __init__(self, socket: WebSocket[Any, Any, Any]) -> None:
        self._socket = socket
        self._task = asyncio.current_task()
        self._closing: asyncio.Task[None] | None = None
        self._is_cancelled = False
        self._subscriptions: list[Subscription] = []
        self._allowance = float(MESSAGES_A_SECOND)
        self._counted_at = asyncio.get_running_loop().time()

    async def __aenter__(self) -> Self:
        await self._socket.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        for subscription in self._subscriptions:
            subscription.close()
        if self._closing is not None:
            await asyncio.wait([self._closing])
        if isinstance(error, asyncio.CancelledError) and self._is_cancelled and self._task is not None:
            self._task.uncancel()
            return True
        return isinstance(error, GONE)

    def follow(self, hub: Hub, topic: str) -> Subscription:
        """Subscribe to a topic. Corked: send what was missed, then call `uncork`."""
        subscription = hub.subscribe(topic, self._write, self._give_up)
        self._subscriptions.append(subscription)
        return subscription

    async def send(self, event: Mapping[str, Any]) -> None:
        await self._socket.send_text(encode(event).decode())

    def end(self, code: int) -> None:
        """Close the socket; may be called from anywhere on the loop, and more than once."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(code))

    async def receive(self) -> Mapping[str, Any]:
        """The next message, within the limits; ends the socket and waits for the end when it breaks them."""
        text = await self._socket.receive_text()
        message = self._read(text)
        if isinstance(message, int):
            self.end(message)
            while True:
                await self._socket.receive_text()
        return message

    async def messages(
        self, pong: Callable[[], Mapping[str, Any]] = dict
    ) -> AsyncIterator[Mapping[str, Any]]:
        """What the client says, but for its heartbeat, which is answered here (with `pong` in the answer)."""
        with contextlib.suppress(*GONE):
            while True:
                message = await self.receive()
                if message["type"] == "ping":
                    await self.send({"type": "pong", **pong()})
                else:
                    yield message

    def _write(self, text: str) -> Coroutine[Any, Any, None]:
        """What `send_text` of the socket does, without its layers: they are a tenth of a fan-out."""
        event: WebSocketSendEvent = {"type": "websocket.send", "text": text, "bytes": None}
        return cast("Coroutine[Any, Any, None]", self._socket.send(event))

    def _read(self, text: str) -> Mapping[str, Any] | int:
        """The message, or the code to close with."""
        if not self._may_speak():
            return TOO_MANY
        if len(text.encode()) > MAX_FRAME_BYTES:
            return TOO_LARGE
        try:
            message = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return UNREADABLE
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            return UNREADABLE
        return message

    def _may_speak(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._allowance += (now - self._counted_at) * MESSAGES_A_SECOND
        self._allowance = min(self._allowance, MESSAGES_A_SECOND) - 1
        self._counted_at = now
        return self._allowance >= 0

    def _give_up(self, reason: End) -> None:
        match reason:
            case End.TOO_SLOW:
                self.end(TOO_SLOW)
            case End.GAP:
                self.end(RESTART)

    async def _close(self, code: int) -> None:
        with contextlib.suppress(TimeoutError, *GONE):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code)
            return
        # It takes nothing, not even the news of its end: leave it to the transport.
        if self._task is not None:
            self._is_cancelled = True
            self._task.cancel()
