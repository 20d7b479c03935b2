"""A channel in front of the simulator: another reading of the same platform, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from knopka.channels._http import Api
from knopka.domain.messaging import Channel, ChannelEvent, EventKind
from knopka.simulator.accounts import Account
from knopka.simulator.run import run_simulator
from knopka.simulator.simulator import Simulator
from knopka.simulator.world import Chat
from tests.simulator.receiver import Answer, Received, receiving


@dataclass
class Stage:
    """The simulator, the channel, and what the channel was told."""

    simulator: Simulator
    url: str
    channel: Channel
    hook: str
    events: list[ChannelEvent] = field(default_factory=list)

    def hear(self, received: Received) -> Answer:
        """What our webhook does: verify, read, answer."""
        if received.method == "GET":
            reply = self.channel.answer_challenge(received.query)
            assert reply is not None
        else:
            self.channel.verify(received.headers, received.query, received.body)
            events = self.channel.parse(received.body)
            self.events += events
            reply = self.channel.reply(events)
        return reply.status, reply.body.decode(), {"content-type": reply.media_type}

    async def told(self) -> list[ChannelEvent]:
        """What was told since the last look, when nothing more is on its way."""
        await self.simulator.settled()
        told, self.events = self.events, []
        return told

    async def told_of(self, kind: EventKind) -> ChannelEvent:
        """The one event of this kind among them."""
        (event,) = [event for event in await self.told() if event.kind is kind]
        return event

    async def open_link(self, code: str) -> Chat:
        """A new person comes by the channel's link with this code."""
        url = self.channel.deep_link().url.format(code=code, short="7Q4K2M5X")
        return self.simulator.open_link(self.simulator.add_person().number, url)


@asynccontextmanager
async def simulated(
    account: Account, make: Callable[[Api, str, str], Channel], api: str
) -> AsyncIterator[Stage]:
    """`make` is given the API, the simulator's address, and where the webhook is."""
    server = await run_simulator(pace=0.001)
    try:
        server.simulator.add_account(account)
        async with receiving() as hook, httpx.AsyncClient(trust_env=False, timeout=5) as http:
            channel = make(Api(http, server.url + api), server.url, hook.url)
            stage = Stage(server.simulator, server.url, channel, hook.url)
            hook.answer = stage.hear
            yield stage
    finally:
        await server.stop()
