"""A messenger added as CONTRIBUTING.md tells: the contract, its size, and one conversation through it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from knopka.channels._http import Api
from knopka.domain.catalog import ChannelSetup
from knopka.domain.conversation import Conversation, Message
from knopka.domain.errors import BadRequest, ChannelBroken, ChatGone, Retryable
from knopka.domain.messaging import Channel, ChannelConfig, MessageState
from knopka.platforms import PLATFORMS
from knopka.services import desk, operators
from tests.channels.contract import KEY, SILENCE, Fault, Hook, Platform, SignedContract
from tests.channels.toy.platform import TOY
from tests.channels.toy.toy import Toy
from tests.simulator.receiver import Answer, Received, receiving
from tests.web.running import Running, running

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).with_name("toy")
MOST_LINES = 150
TOKEN = "the-Token-of-the-toy"
MAY_IMPORT = re.compile(r"knopka\.(channels\._\w+|domain\.(messaging|errors|formatting))")
PATIENCE_S = 20.0


def sign(body: bytes, secret: str | None) -> Hook:
    if secret is None:
        return Hook(body)
    mark = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Hook(body, {"x-toy-signature": mark})


class TestToy(SignedContract):
    samples = FOLDER
    secret = "s3cret-of-the-Webhook"
    hidden = (TOKEN, secret)
    chat_id = "ivan"
    taken = b'{"id":"1"}'
    unknown = (b'{"type": "party", "chat": "ivan"}', b'{"type": "joined", "number": 7}')
    unreadable = (b'{"type": "message", "id": "3"}', b'{"type": ["message"]}')
    faults = (
        Fault("too_many", httpx.Response(429, headers={"retry-after": "7"}), Retryable, after=7.0),
        Fault("down", httpx.Response(503), Retryable),
        Fault("token", httpx.Response(401), ChannelBroken),
        Fault("gone", httpx.Response(404), ChatGone),
        Fault("refused", httpx.Response(400), BadRequest),
    )

    def make(self, platform: Platform = SILENCE, *, secret: str | None = None) -> Channel:
        config = ChannelConfig(
            values={"token": TOKEN, "account": "tea"},
            webhook_secret=self.secret if secret is None else secret,
        )
        return Toy(config, Api(platform.client(), TOY.base))

    def sign(self, body: bytes, secret: str | None) -> Hook:
        return sign(body, secret)


def test_a_new_channel_takes_less_than_150_lines() -> None:
    lines = [line for path in FOLDER.glob("*.py") for line in path.read_text().splitlines()]
    assert 0 < len(lines) < MOST_LINES


def test_a_new_channel_knows_messages_and_nothing_else_of_ours() -> None:
    imported = re.findall(r"^from (knopka\.[\w.]+) import", (FOLDER / "toy.py").read_text(), re.MULTILINE)
    assert imported
    assert [name for name in imported if not MAY_IMPORT.fullmatch(name)] == []


@dataclass
class ToyServer:
    """The toy's side: the webhook that it was told, and what it was asked to show."""

    hook: str = ""
    secret: str = ""
    shown: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, received: Received) -> Answer:
        asked = received.json()
        if received.headers["authorization"] != f"Bearer {TOKEN}":
            return 401, "{}"
        match received.path:
            case "/webhook":
                self.hook, self.secret = asked["url"], asked["secret"]
                return 200, "{}"
            case "/messages":
                self.shown.append((asked["chat"], asked["text"]))
                return 200, json.dumps({"id": f"out-{len(self.shown)}"})
            case _:
                return 404, "{}"


@dataclass
class Stage:
    """Our server with the toy in its table, and the toy's own server."""

    server: Running
    toy: ToyServer
    setup: ChannelSetup

    async def post(self, body: bytes, secret: str) -> int:
        """What the toy does when a person writes."""
        hook = sign(body, secret)
        answer = await self.server.client.post(self.toy.hook, content=hook.body, headers=dict(hook.headers))
        return answer.status_code

    async def conversations(self) -> list[Conversation]:
        page = await self.server.house.database.read(desk.list_conversations)
        return list(page.conversations)

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        """Look again at each thing that operators are told, until it is so."""
        told = asyncio.Event()

        async def hear(_event: str) -> None:
            told.set()

        line = self.server.house.hub.subscribe("account:1", hear, lambda _reason: None)
        line.uncork()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await is_so():
                    await told.wait()
                    told.clear()
        finally:
            line.close()

    async def messages(self) -> list[Message]:
        """Those of the one conversation, if there is one yet."""
        return [
            message
            for conversation in await self.conversations()
            for message in await self.server.house.database.read(
                desk.list_messages, conversation.id, before=None, after=None, limit=100
            )
        ]

    async def answer(self, text: str) -> None:
        (conversation,) = await self.conversations()
        database = self.server.house.database
        anna = await database.write(operators.add_operator, "anna", "Anna", "hash", key="account")
        await database.write(
            desk.reply, anna, conversation.id, KEY, text,
            channels=self.server.house.web.channels, key=("conversation", conversation.id),
        )  # fmt: skip


@pytest.fixture
async def stage(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    toy = ToyServer()
    table = {**PLATFORMS, Toy.kind: TOY}
    async with receiving() as platform:
        platform.answer = toy.answer
        async with running(sqlite_url, tmp_path, platforms=table, KNOPKA_VIBER_API=platform.url) as server:
            messengers = server.house.web.messengers
            assert messengers is not None
            values = {"token": TOKEN, "account": "tea"}
            yield Stage(server, toy, await messengers.connector.add(Toy.kind, values, None))


async def test_a_person_writes_and_the_operators_answer_is_shown(stage: Stage) -> None:
    assert (stage.setup.title, stage.setup.state.value) == ("tea", "ok")
    body = (FOLDER / "message__text.json").read_bytes()
    assert await stage.post(body, stage.toy.secret) == 200
    assert await stage.post(body, stage.toy.secret) == 200

    async def is_heard() -> bool:
        return bool(await stage.messages())

    await stage.until(is_heard)
    assert [message.text for message in await stage.messages()] == ["Hello"]
    assert [conversation.visitor_name for conversation in await stage.conversations()] == ["Ivan"]

    await stage.answer("**Good evening**, Ivan!")

    async def is_sent() -> bool:
        return (await stage.messages())[-1].state is MessageState.SENT

    await stage.until(is_sent)
    assert stage.toy.shown == [("ivan", "Good evening, Ivan!")]


async def test_S_HOOK_01_who_signs_with_another_secret_is_refused(stage: Stage) -> None:
    body = (FOLDER / "message__text.json").read_bytes()
    assert await stage.post(body, "another-secret") == 403
    assert await stage.post(body, stage.toy.secret) == 200
