"""A server killed again and again while people write in messengers and operators answer: nothing is lost.

The simulator lives in the test's own process and outlives the server. Telegram
has no key against sending twice and VK has one, so each stands for its kind.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import bindparam, exists, or_, select

from knopka.db.database import Database, Transaction
from knopka.db.statement import Statement
from knopka.db.tables import conversations, dead_letters, jobs, messages
from knopka.demo_messengers import SAMPLES
from knopka.domain.catalog import SourceDraft
from knopka.domain.messaging import ChannelKind, Direction, MessageState
from knopka.platforms import PLATFORMS
from knopka.services import operators
from knopka.services.catalog import add_source, ensure_account
from knopka.services.early import EVENT_JOB
from knopka.services.outbox import deliver_kind
from knopka.services.passwords import hash_password
from knopka.simulator.accounts import Kind
from knopka.simulator.run import SimulatorServer, run_simulator
from knopka.simulator.world import Chat, Entry
from tests.web.office import LOGIN, PASSWORD, TLS, sign_in

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

KILLS = 12
PEOPLE = 4
"""Of each messenger."""
MOST_STEPS = 250
"""Lines of the simulator's log between a server's first answer and its death: about a second of load."""
BURST = {Kind.TELEGRAM: 3, Kind.VK: 1}
"""Messages that a person writes in one go. VK lets a later event overtake one that it has to repeat."""
ANSWERS = 2
KINDS = (ChannelKind.TELEGRAM, ChannelKind.VK)
CHILD = Path(__file__).with_name("killed_server.py")
SECRET = "0123456789abcdef0123456789ABCDEF"
PATIENCE_S = 60.0
LOOK_AGAIN_S = 0.25
"""For what nobody tells the test of: rows of the store."""
SENT = {MessageState.SENT.value, MessageState.DELIVERED.value, MessageState.READ.value}

FIND_CONVERSATION = Statement(
    select(conversations.c.id).where(
        conversations.c.chat_id == bindparam("chat"), conversations.c.channel == bindparam("kind")
    )
)
LIST_MESSAGES = Statement(
    select(messages.c.direction, messages.c.text, messages.c.state)
    .where(messages.c.conversation_id == bindparam("conversation"))
    .order_by(messages.c.seq)
)
HAS_WORK = Statement(
    select(
        exists()
        .where(or_(jobs.c.kind == EVENT_JOB, *(jobs.c.kind.startswith(deliver_kind(kind)) for kind in KINDS)))
        .label("has_work")
    )
)
LIST_DEAD = Statement(select(dead_letters.c.kind))


@dataclass
class Server:
    """Our server as a process of its own, on a socket that outlives it."""

    listener: socket.socket
    environ: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None
    kills: int = 0

    async def start(self) -> None:
        """Start it; return when it answers."""
        number = self.listener.fileno()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, CHILD, str(number),
            pass_fds=(number,), stdout=asyncio.subprocess.PIPE, env={**os.environ, **self.environ},
        )  # fmt: skip
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert await self.process.stdout.readline() == b"ready\n"

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        assert await self.process.wait() == -signal.SIGKILL
        self.process = None
        self.kills += 1

    async def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            assert await self.process.wait() == 0


@dataclass
class Watch:
    """What the simulator's log says, and waiting for it."""

    platform: Any
    steps: int = 0
    taken: Counter[str] = field(default_factory=Counter)
    """By text: how often the webhook of a person's message was answered with 200."""
    given_up: list[Entry] = field(default_factory=list)
    shown: dict[tuple[Kind, int | None], list[str]] = field(default_factory=lambda: defaultdict(list))
    """What each person was shown of ours, in its order."""

    def look(self) -> None:
        """Read on in the log."""
        new: list[Entry] = []
        for entry in reversed(self.platform.world.log):
            if entry.number <= self.steps:
                break
            new.append(entry)
        for entry in reversed(new):
            self.steps = entry.number
            match entry.what, entry.name:
                case "push", "message" | "message_new" if entry.outcome == "200":
                    self.taken[entry.text] += 1
                case "push", _ if entry.outcome == "given up":
                    self.given_up.append(entry)
                case "seen", _:
                    self.shown[entry.kind, entry.person].append(entry.text)
                case _:
                    pass

    async def until(self, is_so: Callable[[], bool | Awaitable[bool]]) -> None:
        """Look again whenever something happens at the simulator, and now and then, until it is so."""
        world = self.platform.world
        async with asyncio.timeout(PATIENCE_S):
            while True:
                version = world.version
                self.look()
                found = is_so()
                if found if isinstance(found, bool) else await found:
                    return
                await world.wait_for_change(version, LOOK_AGAIN_S)

    async def until_more(self, steps: int) -> None:
        """Wait for so many new lines of the log."""
        self.look()
        last = self.steps + steps
        await self.until(lambda: self.steps >= last)


@dataclass
class Talk:
    """One chat: what its person wrote, and what the server promised to send him."""

    chat: Chat
    said: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.chat.kind} {self.chat.person.number}"

    @property
    def place(self) -> tuple[Kind, int | None]:
        return self.chat.kind, self.chat.person.number


@dataclass
class Stage:
    simulator: SimulatorServer
    server: Server
    store: Database
    client: httpx.AsyncClient
    """An operator's browser."""
    watch: Watch
    is_over: bool = False

    async def connect(self, kind: ChannelKind) -> None:
        """Add the channel as an operator does."""
        sample = SAMPLES[kind]
        values = dict(sample.values)
        body = {"key": f"add-channel-{kind}", "kind": kind.value, "values": values}
        answer = await self.client.post("/inbox/api/channels", json=body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["state"] == "ok", answer.text

    def meet(self, kind: Kind) -> Talk:
        """A new person opens a chat."""
        platform = self.simulator.simulator
        chat = platform.chat(platform.add_person().number, kind)
        if kind is Kind.TELEGRAM:
            platform.start(chat)
        return Talk(chat)

    async def chat_on(self, talk: Talk) -> None:
        """The person writes, an operator answers, and so on until the load is over."""
        while not self.is_over:
            await self.write(talk)
            conversation = await self.find_conversation(talk)
            for _ in range(ANSWERS):
                await self.answer(talk, conversation)
            await self.until_answered(talk)

    async def write(self, talk: Talk) -> None:
        """Return when every message was acknowledged."""
        for _ in range(BURST[talk.chat.kind]):
            talk.said.append(f"{talk.name} said {len(talk.said)}")
            self.simulator.simulator.say(talk.chat, talk.said[-1])
        new = talk.said[-BURST[talk.chat.kind] :]
        await self.watch.until(lambda: all(self.watch.taken[text] for text in new))

    async def find_conversation(self, talk: Talk) -> int:
        found: list[int] = []

        async def is_there() -> bool:
            rows = await self.store.read(
                lambda tx: tx.rows(FIND_CONVERSATION, chat=talk.chat.user_id, kind=talk.chat.kind.value)
            )
            found.extend(row["id"] for row in rows)
            return bool(found)

        await self.watch.until(is_there)
        return found[0]

    async def answer(self, talk: Talk, conversation: int) -> None:
        """Post one answer, with the same key again until it is accepted."""
        text = f"{talk.name} heard {len(talk.accepted)}"
        body = {"key": text.replace(" ", "-"), "text": text}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await self.client.post(
                        f"/inbox/api/conversations/{conversation}/messages", json=body
                    )
                except httpx.TransportError:
                    continue  # the server was killed; the next one is waited for by the socket
                if answer.status_code == 201:
                    talk.accepted.append(text)
                    return
                assert answer.status_code == 503, answer.text  # the store was busy, and nothing was accepted

    async def until_answered(self, talk: Talk) -> None:
        """Wait for the last answer; what a kill holds up may come later."""
        kills, last = self.server.kills, talk.accepted[-1]
        await self.watch.until(lambda: self.server.kills > kills or last in self.watch.shown[talk.place])

    async def kill_again_and_again(self, chance: random.Random, most_steps: int = MOST_STEPS) -> None:
        """Kill at a random step of somebody's; what all the others are doing then is as random."""
        for _ in range(KILLS):
            await self.watch.until_more(chance.randrange(1, most_steps))
            await self.server.kill()
            await self.server.start()

    async def settle(self) -> None:
        """Wait until nothing is on its way, neither here nor there."""

        async def is_done() -> bool:
            (row,) = await self.store.read(lambda tx: tx.rows(HAS_WORK))
            return not row["has_work"]

        await self.watch.until(is_done)
        await self.simulator.simulator.settled(PATIENCE_S)
        await self.watch.until(is_done)

    async def kept(self, talk: Talk) -> list[Mapping[str, Any]]:
        """The chat as the store has it, without our own lines."""
        number = await self.find_conversation(talk)
        rows = await self.store.read(lambda tx: tx.rows(LIST_MESSAGES, conversation=number))
        return [row for row in rows if row["direction"] != Direction.SYSTEM.value]


@asynccontextmanager
async def staged(store_url: str, folder: Path, **settings: str) -> AsyncIterator[Stage]:
    simulator = await run_simulator(pace=0.001)
    store = await Database.open(store_url)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    environ = {
        "KNOPKA_DATABASE_URL": store_url,
        "KNOPKA_DATA_DIR": str(folder),
        "KNOPKA_BASE_URL": url,
        "KNOPKA_SECRET_KEY": SECRET,
        "KNOPKA_LOG_LEVEL": "error",
        **{f"KNOPKA_{PLATFORMS[kind].setting.upper()}": simulator.url + SAMPLES[kind].api for kind in KINDS},
        **settings,
    }
    for kind in KINDS:
        simulator.simulator.add_account(SAMPLES[kind].account)
    await store.write(_furnish, key="account")
    server = Server(listener, environ)
    headers = {"origin": url, "sec-fetch-site": "same-origin", "x-knopka": "inbox"}
    with closing(listener):
        try:
            await server.start()
            async with httpx.AsyncClient(
                base_url=url, headers=headers, trust_env=False, verify=TLS, timeout=10
            ) as client:
                assert (await sign_in(client)).status_code == 303
                yield Stage(simulator, server, store, client, Watch(simulator.simulator))
        finally:
            await server.stop()
            await store.close()
            await simulator.stop()


def _furnish(tx: Transaction, *, now: Any) -> None:
    ensure_account(tx, name="Shop", locale="en", timezone="UTC", currency="EUR", now=now)
    add_source(tx, SourceDraft(name="Shop", origins=("https://shop.example",), locale="en"), now=now)
    operators.add_operator(tx, LOGIN, "Anna", hash_password(PASSWORD), now=now)


async def test_twelve_kills_lose_and_double_nothing(store_url: str, tmp_path: Path) -> None:
    seed = random.randrange(2**32)  # noqa: S311  # shown when the test fails
    async with staged(store_url, tmp_path) as stage:
        for kind in KINDS:
            await stage.connect(kind)
        talks = [stage.meet(Kind(kind.value)) for kind in KINDS for _ in range(PEOPLE)]
        async with asyncio.TaskGroup() as people:
            for talk in talks:
                _ = people.create_task(stage.chat_on(talk))
            await stage.kill_again_and_again(random.Random(seed))  # noqa: S311
            stage.is_over = True
        await stage.settle()

        assert stage.server.kills == KILLS
        assert stage.watch.given_up == []
        for talk in talks:
            await judge(stage, talk, f"seed {seed}, {talk.name}")
        dead = [row["kind"] for row in await stage.store.read(lambda tx: tx.rows(LIST_DEAD))]
        assert all(kind.startswith(deliver_kind(ChannelKind.TELEGRAM)) for kind in dead), f"seed {seed}"
        assert len(dead) <= KILLS * PEOPLE, "only what was under way at a kill is in doubt"


async def judge(stage: Stage, talk: Talk, context: str) -> None:
    """What was acknowledged is there once and in order, and what was accepted was shown as its state says."""
    kept = await stage.kept(talk)
    assert all(stage.watch.taken[text] for text in talk.said), context
    assert [row["text"] for row in kept if row["direction"] == Direction.IN.value] == talk.said, context
    answers = [row for row in kept if row["direction"] == Direction.OUT.value]
    assert [row["text"] for row in answers] == talk.accepted, context
    assert len(talk.accepted) > KILLS, context

    shown = stage.watch.shown[talk.place]
    doubtful = {row["text"] for row in answers if row["state"] == MessageState.UNCERTAIN.value}
    assert {row["state"] for row in answers} <= SENT | {MessageState.UNCERTAIN.value}, context
    assert not doubtful or talk.chat.kind is Kind.TELEGRAM, context
    assert len(shown) == len(set(shown)), context
    assert set(talk.accepted) - doubtful <= set(shown) <= set(talk.accepted), context
    assert shown == [text for text in talk.accepted if text in set(shown)], context
