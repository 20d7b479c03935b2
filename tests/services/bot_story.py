"""Bots in the story: their authors, and the worker that moves them at moments of the test's choice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import bindparam, delete, select

from knopka.db.database import Transaction
from knopka.db.jobs import Job, fire_timers
from knopka.db.statement import Statement
from knopka.db.tables import jobs
from knopka.domain.bot.setup import Bot, BotRun
from knopka.domain.conversation import Conversation, Message
from knopka.domain.errors import DeliveryError
from knopka.domain.messaging import Channels, Direction
from knopka.outgoing import Reply
from knopka.services import bot_runs, bots, desk
from knopka.services.bot_effects import CALL, FETCH
from knopka.services.bot_signing import Signer
from knopka.services.bot_steps import Kit, make_handlers
from knopka.services.catalog import load_catalog
from knopka.services.jobs import InStore, Outside
from tests.services.story import Story

KINDS = (bot_runs.EVENT, bot_runs.WAKE, bot_runs.SILENCE, bot_runs.SCHEDULE, CALL, FETCH)
NEXT_JOB = Statement(
    select(jobs).where(jobs.c.kind.in_(bindparam("kinds", expanding=True))).order_by(jobs.c.id).limit(1)
)
ALL_JOBS = Statement(select(jobs).where(jobs.c.kind == bindparam("kind")).order_by(jobs.c.id))
REMOVE_JOB = Statement(delete(jobs).where(jobs.c.id == bindparam("of_id")))
BASE_URL = "https://chat.example"
SIGNER = Signer(b"k" * 32, 1, BASE_URL)


def show(text: str, *buttons: str) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "buttons", "buttons": list(buttons)} if buttons else {"type": "text"}
    return {"handler": "show", "params": {**kind, "value": text}}


def goto(step: int, block: str = "question") -> dict[str, Any]:
    return {"handler": "goto", "params": {"type": block, "step": step}}


def act(name: str, /, **params: Any) -> dict[str, Any]:
    return {"handler": "action", "params": {"name": name, "params": params}}


def handler(name: str, /, **params: Any) -> dict[str, Any]:
    return {"handler": name, "params": params}


class NoChannels:
    def find(self, channel_id: int) -> None:
        return None


class BotStory:
    """What authors and visitors do with bots."""

    def __init__(self, story: Story, channels: Channels | None = None) -> None:
        self.story = story
        self.called: list[tuple[str, str, Any, Mapping[str, str]]] = []
        self.replies: list[Reply | DeliveryError] = []
        """What the next calls are answered with; then with 200 and an empty object."""
        self.numbers = count(1)
        self.kit = Kit(
            channels=channels or NoChannels(),
            catalog=lambda: story.catalog,
            signer=SIGNER,
            call=self._call,
            now=lambda: story.now,
        )
        self.handlers = make_handlers(self.kit)

    async def _call(self, method: str, url: str, *, json: Any, headers: Mapping[str, str]) -> Reply:
        self.called.append((method, url, json, headers))
        answer = self.replies.pop(0) if self.replies else Reply(200, b"{}")
        if isinstance(answer, DeliveryError):
            raise answer
        return answer

    async def add(self, script: Any, *starts: Mapping[str, Any], name: str = "", **settings: Any) -> Bot:
        """A bot whose first version is published."""
        number = next(self.numbers)
        given = {"starts": list(starts), **settings}
        bot = await self.story.write(
            bots.add_bot, name or f"Bot {number}", f"bot-{number:05}", settings=given
        )
        text = script if isinstance(script, bytes) else json.dumps(script, ensure_ascii=False).encode()
        await self.story.write(bots.put_version, bot.id, text, f"version-{number}", author="Анна")
        bot = await self.story.write(bots.publish, bot.id, 1)
        await self.reload()
        return bot

    async def reload(self) -> None:
        self.story.catalog = await self.story.read(load_catalog)

    async def work(self) -> None:
        """Do what the worker does until nothing of bots is due."""
        await self.story.write(fire_timers, 200)
        while (row := await self.next_job()) is not None:
            await self.do(row)

    async def next_job(self) -> Mapping[str, Any] | None:
        return await self.story.read(lambda tx: tx.row(NEXT_JOB, kinds=list(KINDS)))

    async def do(self, row: Mapping[str, Any], *, attempts: int = 1, key: str = "story") -> None:
        """One job: its effect and its end in one transaction."""
        payload = json.loads(row["payload"])
        found = self.handlers[row["kind"]]
        if isinstance(found, InStore):
            await self.story.write(self._finish, row, found.use_case, payload, key=key)
            return
        assert isinstance(found, Outside)
        result = await found.call(payload, job(row, attempts))
        await self.story.write(self._finish, row, found.on_done, payload, result)

    def _finish(
        self, tx: Transaction, row: Mapping[str, Any], use_case: Any, *args: Any, now: datetime
    ) -> None:
        tx.run(REMOVE_JOB, of_id=row["id"])
        use_case(tx, *args, now=now)

    # What can be seen

    async def say(self, text: str = "Здравствуйте!", **more: Any) -> int:
        """The visitor writes, and the bot has done what it does about it."""
        accepted = await self.story.say(text, **more)
        await self.work()
        return accepted.conversation.id

    async def conversation(self) -> Conversation:
        (found,) = (await self.story.read(desk.list_conversations)).conversations
        return found

    async def messages(self) -> list[Message]:
        number = (await self.conversation()).id
        return await self.story.read(desk.list_messages, number, before=None, after=None, limit=100)

    async def said(self) -> list[str]:
        """What bots and operators have said to the visitor."""
        return [message.text for message in await self.messages() if message.direction is Direction.OUT]

    async def runs(self, **where: Any) -> list[BotRun]:
        """The oldest first."""
        return (await self.story.read(bots.list_runs, **where))[::-1]

    async def run(self) -> BotRun:
        """The only one there is."""
        (found,) = await self.runs()
        return found

    async def ends(self) -> list[str | None]:
        return [run.reason for run in await self.runs()]

    async def log(self, run_id: int | None = None) -> list[Mapping[str, Any]]:
        number = (await self.run()).id if run_id is None else run_id
        return [line.line for line in (await self.story.read(bots.get_run, number)).lines]

    async def notes(self) -> list[str]:
        return [line["note"] for line in await self.log()]

    async def card(self) -> Mapping[str, Any]:
        lead_id = (await self.conversation()).lead_id
        assert lead_id is not None
        return await self.story.card(lead_id)

    async def tags(self, side: str = "lead") -> list[str]:
        return [tag["name"] for tag in (await self.card())[side]["_embedded"]["tags"]]


def job(row: Mapping[str, Any], attempts: int) -> Job:
    return Job(
        id=row["id"],
        account_id=1,
        key=row["key"],
        kind=row["kind"],
        payload=json.loads(row["payload"]),
        attempts=attempts,
        fence=1,
        created_at=datetime.min,  # noqa: DTZ901 # not looked at
        first_tried_at=datetime.min,  # noqa: DTZ901
        was_left=False,
    )


def texts(said: Sequence[Message]) -> list[str]:
    return [message.text for message in said]
