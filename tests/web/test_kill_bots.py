"""The server is killed again and again while a bot talks with many: each step is done once, in its order."""

from __future__ import annotations

import asyncio
import json
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import bindparam, select

from knopka.db.statement import Statement
from knopka.db.tables import jobs, messages
from knopka.domain.catalog import FieldDraft
from knopka.domain.fields import FieldType
from knopka.domain.messaging import ChannelKind, Direction, MessageState
from knopka.domain.meta import Entity
from knopka.services.bot_runs import EVENT, WAKE
from knopka.services.catalog import add_field, load_catalog
from knopka.services.outbox import deliver_kind
from knopka.simulator.accounts import Kind
from tests.services.bot_story import act, goto, handler, show
from tests.web.office import TLS
from tests.web.test_kill_messengers import KILLS, KINDS, LIST_DEAD, PATIENCE_S, SENT, Stage, Talk, staged

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

QUESTIONS = 4
PAUSED = 2
"""The question before which the bot rests for a second."""
PEOPLE = 2
"""Of each channel."""
MOST_STEPS = 40
"""Lines of the simulator's log between a server's first answer and its death: about a second of talk."""
PRODUCT = 223457

LIST_WORDS = Statement(
    select(messages.c.direction, messages.c.text, messages.c.state)
    .where(
        messages.c.conversation_id == bindparam("conversation"),
        messages.c.direction != Direction.SYSTEM.value,
    )
    .order_by(messages.c.seq)
)
LIST_PROMISED = Statement(select(jobs.c.kind).where(jobs.c.kind.in_((EVENT, WAKE))))


def ask(nth: int) -> dict[str, Any]:
    """One step: the question names the words before it, and the answer is written everywhere."""
    rest = [handler("knopka_pause", seconds=1)] if nth == PAUSED else []
    return {
        "question": [*rest, show(f"Question {nth} after {{{{message_text}}}}")],
        "answer": [
            act("set_custom_fields", type=2, custom_fields_id=PRODUCT, value="{{message_text}}"),
            act("set_tag", type=2, value=f"step {nth}"),
            act("add_note", element_type=2, note_type=4, text="Noted {{message_text}}"),
            goto(nth + 1),
        ],
    }


SCRIPT = [
    *map(ask, range(QUESTIONS)),
    {
        "question": [
            show("Thanks after {{message_text}}"),
            handler("knopka_handover", message="Ready {{message_text}}"),
        ]
    },
]
STEPS = [
    step
    for nth in range(QUESTIONS)
    for step in (
        *(["knopka_pause"] * 2 if nth == PAUSED else []),
        "show", "waiting", "answered", "set_custom_fields", "set_tag", "add_note", "goto",
    )
] + ["show", "knopka_handover"]  # fmt: skip


@dataclass
class Person(ABC):
    """Talks with the bot from its greeting to its end, and then again."""

    stage: Stage
    said: list[str] = field(default_factory=list)
    rounds: int = 0

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    async def send(self, text: str) -> None:
        """Return when it is acknowledged, however often the server is killed meanwhile."""

    @abstractmethod
    async def find_conversation(self) -> int: ...

    async def talk(self) -> None:
        """Go on until the load is over; the last talk is ended as well."""
        while not self.stage.is_over:
            await self.say(f"bot {self.name} {self.rounds}")
            for nth in range(QUESTIONS):
                await self.hear(f"Question {nth} after {self.said[-1]}")
                await self.say(f"{self.name} answers {self.rounds}-{nth}")
            await self.hear(f"Thanks after {self.said[-1]}")
            self.rounds += 1

    async def say(self, text: str) -> None:
        self.said.append(text)
        await self.send(text)

    async def hear(self, text: str) -> None:
        """Wait until the bot has promised it: whether it arrives is judged at the end."""
        conversation = await self.find_conversation()

        async def is_there() -> bool:
            return any(row["text"] == text for row in await self.words(conversation))

        await self.stage.watch.until(is_there)

    async def words(self, conversation: int) -> list[Mapping[str, Any]]:
        return await self.stage.store.read(lambda tx: tx.rows(LIST_WORDS, conversation=conversation))

    def expected(self) -> list[str]:
        """The whole talk: what was said, each with the bot's one answer to it."""
        return [
            line
            for at, text in enumerate(self.said)
            for line in (text, f"{_name_answer(at % (QUESTIONS + 1))} after {text}")
        ]


def _name_answer(nth: int) -> str:
    return f"Question {nth}" if nth < QUESTIONS else "Thanks"


@dataclass
class Friend(Person):
    """Writes in a messenger of the simulator."""

    place: Talk = field(kw_only=True)

    @property
    def name(self) -> str:
        return self.place.name

    async def send(self, text: str) -> None:
        self.stage.simulator.simulator.say(self.place.chat, text)
        await self.stage.watch.until(lambda: bool(self.stage.watch.taken[text]))

    async def find_conversation(self) -> int:
        return await self.stage.find_conversation(self.place)

    @property
    def shown(self) -> list[str]:
        return self.stage.watch.shown[self.place.place]


@dataclass
class Guest(Person):
    """Writes in the chat of the page."""

    number: int = field(kw_only=True)
    path: str = field(kw_only=True)
    client: httpx.AsyncClient = field(kw_only=True)
    conversation: int = 0

    @property
    def name(self) -> str:
        return f"guest {self.number}"

    async def send(self, text: str) -> None:
        """With the same key again until it is accepted."""
        body = {
            "key": text.replace(" ", "-"),
            "text": text,
            "visit": f"visit-of-guest-{self.number:08}",
            "page": {"url": "https://shop.example/tea"},
        }
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await self.client.post(f"{self.path}/messages", json=body)
                except httpx.TransportError:
                    continue  # the server was killed; the next one is waited for by the socket
                if answer.status_code == 201:
                    self.conversation = answer.json()["conversation"]["id"]
                    return
                assert answer.status_code == 503, answer.text  # the store was busy, and nothing was accepted

    async def find_conversation(self) -> int:
        return self.conversation


async def add_bot(stage: Stage) -> None:
    """Add it as an author does, before anybody has written."""
    await stage.store.write(_add_field, key="account")
    settings = {"starts": [{"on": "keyword", "words": ["bot"]}]}
    keys = count(1)
    for path, body in (
        ("bots", {"name": "Robot", "settings": settings}),
        ("bots/1/versions", {"script": json.dumps(SCRIPT)}),
        ("bots/1/publish", {"version": 1}),
    ):
        answer = await stage.client.post(
            f"/inbox/api/{path}", json={"key": f"author-{next(keys):05}", **body}
        )
        assert answer.status_code in (200, 201), answer.text


def _add_field(tx: Any, *, now: Any) -> None:
    add_field(tx, FieldDraft(Entity.LEAD, FieldType.TEXT, "Product", id=PRODUCT), now=now)


@asynccontextmanager
async def met(stage: Stage, number: int) -> AsyncIterator[Guest]:
    """A visitor of the page with its chat open."""
    (source,) = (await stage.store.read(load_catalog)).sources.values()
    path = f"/w/chat/{source.public_id}/{source.hash}"
    async with httpx.AsyncClient(
        base_url=stage.client.base_url, trust_env=False, verify=TLS, timeout=10
    ) as client:
        answer = await client.post(f"{path}/token", json={})
        client.headers["authorization"] = f"Bearer {answer.json()['token']}"
        yield Guest(stage, number=number, path=path, client=client)


async def test_twelve_kills_lose_and_repeat_no_step_of_a_bot(store_url: str, tmp_path: Path) -> None:
    seed = random.randrange(2**32)  # noqa: S311  # shown when the test fails
    limits = tmp_path / "limits.toml"
    limits.write_text('messages_per_visitor = "9999/min"\n')
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(store_url, tmp_path, KNOPKA_LIMITS=str(limits)))
        for kind in KINDS:
            await stage.connect(kind)
        await add_bot(stage)
        guests = [await stack.enter_async_context(met(stage, number)) for number in range(PEOPLE)]
        places = [stage.meet(Kind(kind.value)) for kind in KINDS for _ in range(PEOPLE)]
        friends = [Friend(stage, place=place) for place in places]
        everybody: list[Person] = [*guests, *friends]
        async with asyncio.TaskGroup() as people:
            for person in everybody:
                _ = people.create_task(person.talk())
            await stage.kill_again_and_again(random.Random(seed), MOST_STEPS)  # noqa: S311
            stage.is_over = True
        await stage.settle()

        assert stage.server.kills == KILLS
        assert await stage.store.read(lambda tx: tx.rows(LIST_PROMISED)) == []
        for person in everybody:
            await judge(person, f"seed {seed}, {person.name}")
        for friend in friends:
            await judge_shown(friend, f"seed {seed}, {friend.name}")
        dead = [row["kind"] for row in await stage.store.read(lambda tx: tx.rows(LIST_DEAD))]
        assert all(kind.startswith(deliver_kind(ChannelKind.TELEGRAM)) for kind in dead), f"seed {seed}"


async def judge(person: Person, context: str) -> None:
    """Each word has its one answer at its place; each note, tag, field and line of the log is there once."""
    conversation = await person.find_conversation()
    assert [row["text"] for row in await person.words(conversation)] == person.expected(), context
    get = person.stage.client.get
    shown = (await get(f"/inbox/api/conversations/{conversation}")).json()
    assert shown["bot"] is None, context
    card = (await get(f"/inbox/api/leads/{shown['lead_id']}")).json()
    answers = [text for text in person.said if not text.startswith("bot ")]
    noted = [note["params"]["text"] for note in card["notes"]]
    assert sorted(noted) == sorted(f"Noted {text}" for text in answers), context
    tags = [tag["name"] for tag in card["lead"]["_embedded"]["tags"]]
    assert sorted(tags) == [f"step {nth}" for nth in range(QUESTIONS)], context
    (product,) = card["lead"]["custom_fields_values"]
    assert [value["value"] for value in product["values"]] == [answers[-1]], context
    await judge_runs(person, conversation, context)


async def judge_runs(person: Person, conversation: int, context: str) -> None:
    get = person.stage.client.get
    found = (await get("/inbox/api/bots/1/runs?limit=100")).json()["runs"]
    mine = [run for run in found if run["conversation_id"] == conversation]
    assert [run["reason"] for run in mine] == ["stopped"] * person.rounds, context
    for run in mine:
        lines = (await get(f"/inbox/api/bot-runs/{run['id']}")).json()["lines"]
        assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1)), context
        steps = [line["handler"] or line["note"] for line in lines]
        done = [step for step in steps if step not in ("started", "unsorted_accepted", "ended")]
        assert done == STEPS, context


async def judge_shown(friend: Friend, context: str) -> None:
    """Everything arrived once and in order, but what a messenger without a send key leaves in doubt."""
    rows = await friend.words(await friend.find_conversation())
    told = [row for row in rows if row["direction"] == Direction.OUT.value]
    doubtful = {row["text"] for row in told if row["state"] == MessageState.UNCERTAIN.value}
    assert {row["state"] for row in told} <= SENT | {MessageState.UNCERTAIN.value}, context
    assert not doubtful or friend.place.chat.kind is Kind.TELEGRAM, context
    texts = [row["text"] for row in told]
    assert len(friend.shown) == len(set(friend.shown)), context
    assert set(texts) - doubtful <= set(friend.shown), context
    assert friend.shown == [text for text in texts if text in set(friend.shown)], context
