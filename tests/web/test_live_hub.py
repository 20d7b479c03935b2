"""The hub: who gets an event, in which order, and what becomes of a receiver that is too slow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from knopka import live
from knopka.live import MAX_WAITING_BYTES, MAX_WAITING_MESSAGES, End, Hub, PostgresBus, Subscription

pytestmark = pytest.mark.anyio


class Receiver:
    """Keeps what it gets; while `gate` is closed it takes nothing."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.ended: list[End] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Event()

    async def send(self, text: str) -> None:
        await self.gate.wait()
        self.texts.append(text)
        self.changed.set()

    def give_up(self, end: End) -> None:
        self.ended.append(end)
        self.changed.set()

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()

    def follow(self, hub: Hub, topic: str) -> Subscription:
        subscription = hub.subscribe(topic, self.send, self.give_up)
        subscription.uncork()
        return subscription

    @property
    def numbers(self) -> list[int]:
        return [json.loads(text)["n"] for text in self.texts]


async def settle() -> None:
    """Let everything that can run without waiting run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_event_reaches_every_receiver_of_its_topic_and_nobody_else() -> None:
    hub = Hub()
    here, too, elsewhere = Receiver(), Receiver(), Receiver()
    here.follow(hub, "visitor:1")
    too.follow(hub, "visitor:1")
    elsewhere.follow(hub, "visitor:2")
    hub.publish("visitor:1", {"n": 1})
    assert here.numbers == too.numbers == [1]
    assert elsewhere.numbers == []


async def test_an_event_is_encoded_once_however_many_receive_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def encode(event: Any) -> bytes:
        calls.append(event)
        return json.dumps(event).encode()

    monkeypatch.setattr(live, "encode", encode)
    hub = Hub()
    receivers = [Receiver() for _ in range(50)]
    for receiver in receivers:
        receiver.follow(hub, "account:1")
    hub.publish("account:1", {"n": 1})
    hub.publish("account:2", {"n": 2})
    assert calls == [{"n": 1}]
    assert all(receiver.numbers == [1] for receiver in receivers)


async def test_a_receiver_that_takes_at_once_costs_no_task() -> None:
    hub = Hub()
    receiver = Receiver()
    receiver.follow(hub, "account:1")
    before = asyncio.all_tasks()
    hub.publish("account:1", {"n": 1})
    assert receiver.numbers == [1]
    assert asyncio.all_tasks() == before


async def test_a_corked_subscription_keeps_its_events_until_what_was_missed_is_sent() -> None:
    hub = Hub()
    receiver = Receiver()
    subscription = hub.subscribe("visitor:1", receiver.send, receiver.give_up)
    hub.publish("visitor:1", {"n": 2})
    hub.publish("visitor:1", {"n": 3})
    await receiver.send('{"n": 1}')
    subscription.uncork()
    hub.publish("visitor:1", {"n": 4})
    await settle()
    assert receiver.numbers == [1, 2, 3, 4]


async def test_a_slow_receiver_gets_everything_in_order_when_it_takes_again() -> None:
    hub = Hub()
    slow, quick = Receiver(), Receiver()
    slow.follow(hub, "account:1")
    quick.follow(hub, "account:1")
    slow.gate.clear()
    for number in range(100):
        hub.publish("account:1", {"n": number})
    assert quick.numbers == list(range(100))
    assert slow.numbers == []
    slow.gate.set()
    await settle()
    hub.publish("account:1", {"n": 100})
    assert slow.numbers == list(range(101))
    assert slow.ended == []


@pytest.mark.parametrize(
    ("fits", "text"),
    [(MAX_WAITING_MESSAGES, ""), (16, "x" * (MAX_WAITING_BYTES // 16 - 20))],
    ids=["messages", "bytes"],
)
async def test_a_receiver_that_stays_slow_is_given_up(fits: int, text: str) -> None:
    hub = Hub()
    slow, quick = Receiver(), Receiver()
    slow.follow(hub, "account:1")
    quick.follow(hub, "account:1")
    slow.gate.clear()
    for number in range(1 + fits):  # the first is on its way, the rest waits
        hub.publish("account:1", {"n": number, "text": text})
    assert slow.ended == []
    hub.publish("account:1", {"n": 0, "text": text})
    hub.publish("account:1", {"n": 0, "text": text})
    assert slow.ended == [End.TOO_SLOW]
    assert hub.count("account:1") == 1
    assert len(quick.texts) == fits + 3
    await settle()
    slow.gate.set()
    await settle()
    assert slow.texts == []


async def test_a_receiver_that_is_gone_harms_nobody() -> None:
    hub = Hub()
    quick = Receiver()

    async def gone(text: str) -> None:
        raise ConnectionError

    hub.subscribe("account:1", gone, quick.give_up).uncork()
    quick.follow(hub, "account:1")
    hub.publish("account:1", {"n": 1})
    assert quick.numbers == [1]


async def test_a_closed_subscription_gets_nothing_more_and_its_topic_is_forgotten() -> None:
    hub = Hub()
    receiver = Receiver()
    subscription = receiver.follow(hub, "account:1")
    subscription.close()
    hub.publish("account:1", {"n": 1})
    assert receiver.numbers == []
    assert receiver.ended == []
    assert hub.count("account:1") == 0


@asynccontextmanager
async def joined(url: str, count: int) -> AsyncIterator[list[Hub]]:
    """Hubs of several processes that share a database, each of them listening."""
    hubs = [Hub(PostgresBus(url)) for _ in range(count)]
    tasks = [asyncio.create_task(hub.run()) for hub in hubs]
    try:
        async with asyncio.timeout(10):
            for hub in hubs:
                await hub.wait_until_it_hears()
        yield hubs
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def hear(receiver: Receiver, count: int) -> list[Any]:
    await receiver.until(lambda: len(receiver.texts) >= count)
    return [json.loads(text) for text in receiver.texts]


async def test_the_bus_tells_other_processes_and_nobody_twice(postgres_url: str) -> None:
    async with joined(postgres_url, 2) as (one, two):
        here, there = Receiver(), Receiver()
        here.follow(one, "account:1")
        there.follow(two, "account:1")
        for number in range(150):
            one.publish("account:1", {"n": number, "text": "привет|'\\"})
        assert [event["n"] for event in await hear(there, 150)] == list(range(150))
        two.publish("account:1", {"n": 150})
        await hear(here, 151)
        assert here.numbers == there.numbers == list(range(151))


async def test_an_event_too_long_for_the_bus_goes_without_its_message(postgres_url: str) -> None:
    async with joined(postgres_url, 2) as (one, two):
        here, there = Receiver(), Receiver()
        here.follow(one, "account:1")
        there.follow(two, "account:1")
        event = {"type": "conversation", "conversation": {"id": 1}, "message": {"text": "я" * 5000}}
        one.publish("account:1", event)
        assert await hear(there, 1) == [{**event, "message": None}]
        assert json.loads(here.texts[0]) == event


async def test_an_event_too_long_even_so_sends_its_receivers_to_fetch(postgres_url: str) -> None:
    async with joined(postgres_url, 2) as (one, two):
        there, aside = Receiver(), Receiver()
        there.follow(two, "account:1")
        aside.follow(two, "account:2")
        one.publish("account:1", {"type": "conversation", "conversation": {"text": "я" * 5000}})
        one.publish("account:2", {"n": 1})
        await hear(aside, 1)
        assert there.ended == [End.GAP]


async def test_a_bus_that_lost_its_connection_comes_back_and_sends_everybody_to_fetch(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresBus, "PAUSE", 0.01)
    async with joined(postgres_url, 2) as (one, two):
        there = Receiver()
        there.follow(two, "account:1")
        one.publish("account:1", {"n": 0})
        await hear(there, 1)  # the sender's connection stands as well
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await there.until(lambda: there.ended)
        assert there.ended == [End.GAP]
        # The next event finds the sender's connection dead as well: it is lost, and that is said.
        again = Receiver()
        again.follow(two, "account:1")
        one.publish("account:1", {"n": 1})
        await again.until(lambda: again.ended)
        at_last = Receiver()
        at_last.follow(two, "account:1")
        one.publish("account:1", {"n": 2})
        assert await hear(at_last, 1) == [{"n": 2}]
