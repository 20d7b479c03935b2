"""One visitor from setMeta to the operator's answer, through each messenger, at the simulator.

The simulator is another reading of the platforms' contracts and shares no code
with the channels: what passes here passes between two who have not agreed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from knopka.db.channels import list_log
from knopka.db.clock import to_ms
from knopka.db.statement import Statement
from knopka.db.tables import jobs
from knopka.demo_messengers import SAMPLES
from knopka.domain.messaging import ChannelKind, EntryToken, MessageState
from knopka.domain.visitor import Page
from knopka.platforms import PLATFORMS
from knopka.services import cards, desk, operators
from knopka.services.catalog import add_field, load_catalog
from knopka.services.channels import LINK_BASE
from knopka.services.demo import FIELDS
from knopka.services.links import announce_link
from knopka.services.shapes import lead_show
from knopka.simulator.accounts import Kind
from knopka.simulator.faults import Fault, Trouble
from knopka.simulator.run import SimulatorServer, run_simulator
from knopka.simulator.samples import Piece, Sample
from knopka.simulator.world import Chat, Side
from tests.web.running import SHOP, VISIT, Running, running

pytestmark = pytest.mark.anyio

CODE = EntryToken("k1Zm9vYmFyQUJDREVGR0hJSktMTU5PUF")
PATIENCE_S = 40.0
"""Longer than the deadline of a call that is never answered."""
LOOK_AGAIN_S = 0.25
"""For what operators are not told of: a try that failed and waits for the next."""
EXAMPLE = {
    "note": {"text": "Текст примечания", "element_type": 1, "note_type": "common"},
    "contact": {
        "name": "Иван Иванов",
        "custom_fields": [{"id": 123456, "values": [{"enum": 12345, "value": "+7123456789"}]}],
    },
    "lead": {"name": "Название сделки", "sale": 999},
}
LATER = Statement(select(jobs.c.due_at).where(jobs.c.kind.like("deliver.%"), jobs.c.lease_until.is_(None)))
KINDS = tuple(kind for kind in ChannelKind if kind is not ChannelKind.ONSITE)


@dataclass
class Stage:
    """The server, the simulator, one channel between them, and one person."""

    server: Running
    simulator: SimulatorServer
    kind: ChannelKind
    operator: Any

    @property
    def database(self) -> Any:
        return self.server.house.database

    @property
    def platform(self) -> Any:
        return self.simulator.simulator

    async def open_link(self, code: EntryToken = CODE, person: int | None = None) -> Chat:
        """A person, new unless named, follows the link of the button's icon."""
        (channel,) = self.server.house.catalogs.get().channels.values()
        number = person or self.platform.add_person().number
        chat: Chat = self.platform.open_link(number, channel.link.format(code=code, short="ABCDEFGH"))
        return chat

    async def begin(self, chat: Chat) -> None:
        """START, Get started, Start; in Viber the person has to write as well."""
        self.platform.start(chat)
        if self.kind is ChannelKind.VIBER:
            await self.platform.settled()
            self.platform.say(chat, "Здравствуйте")

    async def announce(self, code: EntryToken = CODE, visit: str = VISIT) -> None:
        catalog = self.server.house.catalogs.get()
        page = Page("https://shop.example/tea", "Tea")
        await self.database.write(
            announce_link, catalog, self.server.source, visit, code, page, key=("visit", visit)
        )

    async def conversations(self) -> Any:
        return (await self.database.read(desk.list_conversations)).conversations

    async def messages(self) -> Any:
        (only,) = await self.conversations()
        return await self.database.read(desk.list_messages, only.id, before=None, after=None, limit=100)

    async def card(self) -> dict[str, Any]:
        (only,) = await self.conversations()
        card = await self.database.read(cards.read_card, self.server.house.catalogs.get(), only.lead_id)
        return lead_show(card, "en")

    async def answer(self, text: str, key: str) -> Any:
        (only,) = await self.conversations()
        return await self.database.write(
            desk.reply,
            self.operator,
            only.id,
            key,
            text,
            channels=self.server.house.web.channels,
            key=("conversation", only.id),
        )

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
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_AGAIN_S):
                            await told.wait()
                    told.clear()
        finally:
            line.close()

    async def pass_the_wait(self) -> None:
        """Move the clock to the next try of what has failed; nothing is under way then."""
        rows = await self.database.read(lambda tx: tx.rows(LATER))
        now = to_ms(self.database.clock())
        for row in rows:
            if row["due_at"] > now:
                self.database.advance_clock(timedelta(milliseconds=row["due_at"] - now + 1))

    def seen(self, chat: Chat) -> list[str]:
        """What the person reads of ours."""
        return [line.text for line in chat.lines if line.side is Side.BOT]


@asynccontextmanager
async def staged(
    kind: ChannelKind, store_url: str, folder: Path, *, is_reachable: bool = True, **settings: Any
) -> AsyncIterator[Stage]:
    simulator = await run_simulator(pace=0.001)
    sample = SAMPLES[kind]
    simulator.simulator.add_account(sample.account)
    setting: dict[str, Any] = {f"KNOPKA_{PLATFORMS[kind].setting.upper()}": simulator.url + sample.api}
    try:
        async with running(store_url, folder, **setting, **settings) as server:
            house = server.house
            await house.database.write(_add_fields, key="account")
            operator_id = await house.database.write(
                operators.add_operator, "anna", "Anna", "hash", key="account"
            )
            await house.catalogs.reload()
            assert house.web.messengers is not None
            if not is_reachable:
                house.web.messengers.connector.webhook_url = lambda _setup: ""
            values = {**sample.values, LINK_BASE: simulator.url + sample.links}
            setup = await house.web.messengers.connector.add(kind, values, None)
            await house.catalogs.reload()
            assert setup.state.value == "ok", setup.findings
            yield Stage(server, simulator, kind, operator_id)
    finally:
        await simulator.stop()


def _add_fields(tx: Any, *, now: Any) -> None:
    catalog = load_catalog(tx)
    for draft in FIELDS:
        if draft.id not in catalog.fields:
            add_field(tx, draft, now=now)


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> ChannelKind:
    found: ChannelKind = request.param
    return found


@pytest.fixture
async def stage(kind: ChannelKind, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(kind, sqlite_url, tmp_path) as opened:
        yield opened


async def test_the_visit_is_carried_along_and_the_answer_comes_back(
    kind: ChannelKind, store_url: str, tmp_path: Path
) -> None:
    async with staged(kind, store_url, tmp_path) as stage:
        await _carry_a_visit_along_and_answer(stage)


async def _carry_a_visit_along_and_answer(stage: Stage) -> None:
    await stage.server.post_meta(EXAMPLE)
    await stage.announce()
    chat = await stage.open_link()
    await stage.begin(chat)

    async def is_filled() -> bool:
        found = await stage.conversations()
        return bool(found) and found[0].visitor_name == "Иван Иванов"

    await stage.until(is_filled)
    card = await stage.card()
    assert (card["lead"]["name"], card["lead"]["price"]) == ("Название сделки", 999)
    (phone,) = card["contact"]["custom_fields_values"]
    assert phone["values"][0]["value"] == "+7123456789"
    assert [note["params"]["text"] for note in card["notes"]] == ["Текст примечания"]
    await stage.answer("Здравствуйте! Чем помочь?", "answer-1")

    async def is_seen() -> bool:
        return "Здравствуйте! Чем помочь?" in stage.seen(chat)

    await stage.until(is_seen)

    async def is_sent() -> bool:
        return (await stage.messages())[-1].state.value in ("sent", "delivered", "read")

    await stage.until(is_sent)
    opened = next(line for line in await stage.messages() if line.event)
    assert opened.event["page_url"] == "https://shop.example/tea"
    assert stage.server.source.origins[0] == SHOP


FAULTS_OUT = (
    Trouble.TOO_MANY,
    Trouble.SERVER_ERROR,
    Trouble.TIMEOUT_AFTER,
    Trouble.ANSWER_LOST,
    Trouble.BLOCKED,
    Trouble.WINDOW_CLOSED,
)
FAULTS_IN = (
    Trouble.DUPLICATE,
    Trouble.REORDER,
    Trouble.DELAY,
    Trouble.WRONG_SIGNATURE,
    Trouble.ANSWER_UNSEEN,
)


@pytest.mark.parametrize("trouble", FAULTS_IN)
async def test_whatever_happens_on_the_way_in_nothing_is_lost_or_doubled(
    stage: Stage, trouble: Trouble
) -> None:
    chat = await stage.open_link()
    await stage.begin(chat)
    stage.platform.faults.switch_on(Fault(trouble, Kind(stage.kind.value), times=3, seconds=0.05))
    said = [f"сообщение {number}" for number in range(6)]
    for text in said:
        stage.platform.say(chat, text)

    async def is_there() -> bool:
        found = await stage.conversations()
        if not found:
            return False
        return set(said) <= {message.text for message in await stage.messages()}

    await stage.until(is_there)
    await stage.platform.settled()
    heard = [message.text for message in await stage.messages() if message.text.startswith("сообщение")]
    assert sorted(heard) == sorted(said)


@pytest.mark.parametrize("trouble", FAULTS_OUT)
async def test_whatever_happens_on_the_way_out_nothing_is_doubled_and_doubt_is_shown(
    stage: Stage, trouble: Trouble
) -> None:
    chat = await stage.open_link()
    await stage.begin(chat)

    async def has_begun() -> bool:
        return bool(await stage.conversations())

    await stage.until(has_begun)
    stage.platform.faults.switch_on(Fault(trouble, Kind(stage.kind.value), times=1, seconds=0.05))
    await stage.answer("Первый ответ", "answer-1")

    async def has_ended() -> bool:
        await stage.pass_the_wait()
        return (await stage.messages())[-1].state is not MessageState.WAITING

    await stage.until(has_ended)
    message = (await stage.messages())[-1]
    shown = stage.seen(chat).count("Первый ответ")
    match message.state.value:
        case "sent" | "delivered" | "read":
            assert shown == 1
        case "uncertain":
            assert not PLATFORMS[stage.kind].caps.has_send_key
            assert shown <= 1
        case state:
            assert state == "failed"
            assert message.error in (
                "chat_gone",
                "window_closed",
                "bad_request",
                "rejected",
                "channel_broken",
            )
            assert shown == 0


async def test_what_vk_tells_cut_is_fetched_and_is_no_edit(sqlite_url: str, tmp_path: Path) -> None:
    async with staged(ChannelKind.VK, sqlite_url, tmp_path) as stage:
        stage.platform.readings.choose("vk_cropped", "what is long or has attachments")
        chat = await stage.open_link()
        await stage.begin(chat)
        said = ("слово " * 100).strip()
        stage.platform.attach(chat, Piece.PHOTO, caption=said)

        async def is_whole() -> bool:
            if not await stage.conversations():
                return False
            last = (await stage.messages())[-1]
            return last.text == said and [one.state.value for one in last.attachments] == ["stored"]

        await stage.until(is_whole)
        last = (await stage.messages())[-1]
        assert last.edited_at is None
        (line,) = [line for line in chat.lines if line.text == said]
        stage.platform.edit(chat, line.id, "иначе " * 50)

        async def is_edited() -> bool:
            return bool((await stage.messages())[-1].text == ("иначе " * 50).strip())

        await stage.until(is_edited)
        assert (await stage.messages())[-1].edited_at is not None


async def test_more_files_than_are_fetched_in_a_day_are_shown_as_that(
    sqlite_url: str, tmp_path: Path
) -> None:
    few = "media_bytes_per_day = 1000"
    async with staged(ChannelKind.TELEGRAM, sqlite_url, tmp_path, limits=few) as stage:
        chat = await stage.open_link()
        await stage.begin(chat)

        async def ends() -> list[tuple[str, str | None]]:
            if not await stage.conversations():
                return []
            came = [one for message in await stage.messages() for one in message.attachments]
            return [(one.state.value, one.reason) for one in came if one.state.value != "waiting"]

        for count in (1, 2):
            stage.platform.attach(chat, Piece.FILE, Sample("a.bin", "application/octet-stream", bytes(900)))

            async def are_looked_at(count: int = count) -> bool:
                return len(await ends()) == count

            await stage.until(are_looked_at)
        assert await ends() == [("stored", None), ("failed", "quota")]
        (channel,) = stage.server.house.catalogs.get().channels.values()
        log = await stage.database.read(list_log, channel.id, 10)
        assert [line.code for line in log] == ["media_quota"]


async def test_telegram_is_asked_for_news_where_no_webhook_reaches_us(store_url: str, tmp_path: Path) -> None:
    async with staged(ChannelKind.TELEGRAM, store_url, tmp_path, is_reachable=False) as stage:
        (channel,) = stage.server.house.catalogs.get().channels.values()
        assert channel.is_polling
        chat = await stage.open_link()
        await stage.begin(chat)
        said = [f"сообщение {number}" for number in range(5)]
        for text in said:
            stage.platform.say(chat, text)

        async def is_there() -> bool:
            found = await stage.conversations()
            return bool(found) and {message.text for message in await stage.messages()} >= set(said)

        await stage.until(is_there)
        heard = [message.text for message in await stage.messages() if message.text]
        assert heard == said
        await stage.answer("Слышу вас", "answer-1")

        async def is_seen() -> bool:
            return "Слышу вас" in stage.seen(chat)

        await stage.until(is_seen)
