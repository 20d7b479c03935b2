"""Live updates: the hub carries an event to the sockets of its topic, the bus to the other processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    import psycopg

MAX_WAITING_MESSAGES = 256
MAX_WAITING_BYTES = 1024 * 1024
"""What may wait for one slow receiver (S-WS-05)."""

Send = Callable[[str], Coroutine[Any, Any, None]]
"""Writes one text to a receiver; waits while the receiver takes no more.

Up to its first wait it runs within the publisher: it must not ask for its own
task there (as `asyncio.timeout` does), nor take long.
"""

logger = logging.getLogger(__name__)
encode = msgspec.json.Encoder().encode


class End(Enum):
    """Why the hub ended a subscription. In each case the receiver comes again and fetches what it missed."""

    TOO_SLOW = "too slow"
    GAP = "events were lost on the way"


class Subscription:
    """One receiver of a topic's events.

    Made corked: events wait until `uncork`, so that what was missed before can
    be sent first and nothing falls between the two. A receiver that takes its
    events at once costs no task and no queue; for a slow one at most 256
    messages or 1 MiB wait, then the subscription ends.
    """

    __slots__ = (
        "_drain",
        "_hub",
        "_is_closed",
        "_is_corked",
        "_on_end",
        "_send",
        "_size",
        "_waiting",
        "topic",
    )

    def __init__(self, hub: Hub, topic: str, send: Send, on_end: Callable[[End], None]) -> None:
        self.topic = topic
        self._hub = hub
        self._send = send
        self._on_end = on_end
        self._is_corked = True
        self._is_closed = False
        self._waiting: deque[str] | None = None
        self._size = 0
        self._drain: asyncio.Task[None] | None = None

    def uncork(self) -> None:
        """Let the events flow, first those that waited."""
        self._is_corked = False
        if self._waiting and self._drain is None and not self._is_closed:
            self._drain = asyncio.get_running_loop().create_task(self._send_waiting(None))

    def offer(self, text: str) -> None:
        """Send the text now if the receiver takes it at once, else when its turn comes."""
        if self._is_closed:
            return
        if self._is_corked or self._drain is not None:
            self._queue(text)
            return
        begun = _begin(self._send(text))
        if begun is not None:
            self._drain = asyncio.get_running_loop().create_task(self._send_waiting(begun))

    def end(self, reason: End) -> None:
        """Close the subscription and tell its owner why."""
        if not self._is_closed:
            self.close()
            self._on_end(reason)

    def close(self) -> None:
        """Take no further event; what waits is dropped."""
        self._is_closed = True
        self._waiting = None
        self._hub.forget(self)
        if self._drain is not None:
            self._drain.cancel()

    def _queue(self, text: str) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(text)
        self._size += len(text.encode())
        if len(self._waiting) > MAX_WAITING_MESSAGES or self._size > MAX_WAITING_BYTES:
            self.end(End.TOO_SLOW)

    async def _send_waiting(self, begun: Awaitable[None] | None) -> None:
        """Send what waits, in order, until nothing is left; a receiver that is gone is forgotten."""
        try:
            if begun is not None:
                await begun
            while self._waiting:
                text = self._waiting.popleft()
                self._size -= len(text.encode())
                await self._send(text)
        except Exception:
            logger.debug("a receiver went away", exc_info=True)
            self._drain = None
            self.close()
        else:
            self._drain = None
            self._waiting = None


class Receiver(Protocol):
    """What a bus gives its news to."""

    def deliver(self, topic: str, text: str) -> None: ...
    def lose(self, topic: str | None) -> None: ...


class Bus(Protocol):
    """Carries events to the other processes of one installation. It may lose some, and then says so."""

    def send(self, topic: str, text: str) -> None:
        """Hand an event over; never waits."""

    async def listen(self, receiver: Receiver) -> None:
        """Give what other processes sent to the receiver, until cancelled."""


class MemoryBus:
    """The bus of an installation of one process: there is nobody else to tell."""

    def send(self, topic: str, text: str) -> None:
        pass

    async def listen(self, receiver: Receiver) -> None:
        await asyncio.Event().wait()


class Hub:
    """The sockets of each topic. Used on the event loop alone; the store brings its events there."""

    def __init__(self, bus: Bus | None = None) -> None:
        self._bus = bus or MemoryBus()
        self._is_alone = isinstance(self._bus, MemoryBus)
        self._topics: dict[str, set[Subscription]] = {}
        self._hears = asyncio.Event()

    def subscribe(self, topic: str, send: Send, on_end: Callable[[End], None]) -> Subscription:
        """Add a receiver. It is corked: call `uncork` when it may be sent to.

        `on_end` is called when the hub gives the receiver up, never after `close`.
        """
        subscription = Subscription(self, topic, send, on_end)
        self._topics.setdefault(topic, set()).add(subscription)
        return subscription

    def count(self, topic: str) -> int:
        """How many receivers a topic has in this process."""
        return len(self._topics.get(topic, ()))

    def publish(self, topic: str, event: Mapping[str, Any]) -> None:
        """Send an event to every receiver of its topic, here and in the other processes; encoded once."""
        if self._is_alone and topic not in self._topics:
            return
        text = encode(event).decode()
        self.deliver(topic, text)
        self._bus.send(topic, text)

    async def run(self) -> None:
        """Listen to the bus until cancelled."""
        await self._bus.listen(self)

    async def wait_until_it_hears(self) -> None:
        """Until the other processes are heard for the first time; at once when there are none.

        A socket that is opened earlier would be closed then: nobody knows what it has missed.
        """
        if not self._is_alone:
            await self._hears.wait()

    def deliver(self, topic: str, text: str) -> None:
        """Give an encoded event to the receivers in this process."""
        for subscription in tuple(self._topics.get(topic, ())):
            subscription.offer(text)

    def lose(self, topic: str | None) -> None:
        """Events of a topic (None: of any) were lost: its receivers come again and fetch."""
        if topic is None:
            self._hears.set()
        lost = list(self._topics) if topic is None else [topic]
        for name in lost:
            for subscription in tuple(self._topics.get(name, ())):
                subscription.end(End.GAP)

    def forget(self, subscription: Subscription) -> None:
        members = self._topics.get(subscription.topic)
        if members is None:
            return
        members.discard(subscription)
        if not members:
            del self._topics[subscription.topic]


def _begin(step: Coroutine[Any, Any, None]) -> Awaitable[None] | None:
    """Run a coroutine up to its first wait, without a task; None when it is done already.

    A socket's send waits only while the socket takes no more, so nearly every
    message is written by this alone, at 0.74 of the speed of a bare `websockets`
    server (2,000 sockets, bench/).
    """
    try:
        waits_for = step.send(None)
    except StopIteration:
        return None
    except Exception:
        # The receiver went away; its owner learns it from its own reading.
        logger.debug("a receiver went away", exc_info=True)
        return None
    return _Begun(step, waits_for)


class _Begun:
    """A coroutine that waits already, to be awaited to its end inside a task."""

    def __init__(self, step: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._step = step
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    answer = yield waits_for
                except BaseException as error:
                    waits_for = self._step.throw(error)
                else:
                    waits_for = self._step.send(answer)
        except StopIteration:
            return


class PostgresBus:
    """LISTEN and NOTIFY between the processes that share a database.

    NOTIFY carries less than 8,000 bytes: a longer event goes without its
    message, and the client that sees a gap in the numbers fetches it. While the
    connection is away events are lost, so every receiver is sent to fetch when
    it is back.

    psycopg is loaded where it is used: 9 MB that an installation on SQLite does without.
    """

    CHANNEL = "knopka_live"
    MAX_PAYLOAD = 7900
    MAX_WAITING = 10_000
    BATCH = 100
    PAUSE = 1.0
    """Seconds between two tries to connect."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._me = secrets.token_hex(8)
        self._waiting: deque[str] = deque()
        self._has_some = asyncio.Event()

    def send(self, topic: str, text: str) -> None:
        if len(self._waiting) >= self.MAX_WAITING:
            self._lose_all()
        self._waiting.append(self._fit(topic, text))
        self._has_some.set()

    async def listen(self, receiver: Receiver) -> None:
        import psycopg

        sender = asyncio.create_task(self._keep_sending())
        try:
            while True:
                try:
                    await self._hear(receiver)
                except psycopg.OperationalError as error:
                    logger.warning("the bus lost its connection: %s", type(error).__name__)
                await asyncio.sleep(self.PAUSE)
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    async def _hear(self, receiver: Receiver) -> None:
        import psycopg

        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {self.CHANNEL}")
            receiver.lose(None)  # whatever was said while nobody listened
            async for notice in connection.notifies():
                self._tell(receiver, notice.payload)

    def _tell(self, receiver: Receiver, payload: str) -> None:
        sender, topic, text = payload.split("|", 2)
        if sender == self._me:
            return
        if text:
            receiver.deliver(topic, text)
        else:
            receiver.lose(topic or None)

    async def _keep_sending(self) -> None:
        import psycopg

        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
                async with connection:
                    await self._send_over(connection)
            except psycopg.OperationalError as error:
                logger.warning("the bus cannot send: %s", type(error).__name__)
                self._lose_all()
                await asyncio.sleep(self.PAUSE)

    async def _send_over(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            self._has_some.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self.BATCH, len(self._waiting)))]
                await connection.execute(
                    "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload", (self.CHANNEL, batch)
                )
            await self._has_some.wait()

    def _lose_all(self) -> None:
        """One notice stands for everything that waits and for what was on its way."""
        self._waiting.clear()
        self._waiting.append(self._payload("", ""))

    def _fit(self, topic: str, text: str) -> str:
        payload = self._payload(topic, text)
        if len(payload.encode()) <= self.MAX_PAYLOAD:
            return payload
        short = self._payload(topic, encode(msgspec.json.decode(text) | {"message": None}).decode())
        return short if len(short.encode()) <= self.MAX_PAYLOAD else self._payload(topic, "")

    def _payload(self, topic: str, text: str) -> str:
        return f"{self._me}|{topic}|{text}"
