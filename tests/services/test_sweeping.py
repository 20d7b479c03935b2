"""Files that nobody knows are deleted when they are old, and nothing else ever is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from knopka.app import open_house, set_up
from knopka.db import attachments as db
from knopka.db import crm as db_crm
from knopka.db.database import Transaction
from knopka.db.statement import Statement
from knopka.db.tables import timers
from knopka.domain.errors import NotFound
from knopka.domain.messaging import AttachmentKind, InAttachment
from knopka.files.folder import FolderStore
from knopka.services import sweeping
from knopka.services.catalog import ACCOUNT
from knopka.services.sweeping import SWEEP_TIMER, Sweeper
from knopka.settings import Settings
from tests.services.story import Story
from tests.services.toy import Messengers

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
JOB: Any = None
TIMER = Statement(select(timers.c.payload).where(timers.c.kind == SWEEP_TIMER))


def name(number: int, digit: str = "a") -> str:
    return f"{digit}{number:031x}"


class Files:
    """A folder of files, the rows that name some of them, and the sweeper between them."""

    def __init__(self, chat: Messengers, folder: Path) -> None:
        self.chat = chat
        self.incoming = folder / "incoming"
        self.incoming.mkdir()
        self.folder = folder / "files"
        self.store = FolderStore(self.folder)
        self.sweeper = Sweeper(chat.story.database, self.store, self.incoming, lambda: NOW)

    async def put(self, file: str, age: timedelta = 2 * DAY) -> None:
        source = self.incoming / "source"
        source.write_bytes(b"x")
        await self.store.put(file, source, "audio/ogg")
        source.unlink()
        for path in self.folder.glob(f"*/*/{file}.*"):
            set_age(path, age)

    async def name_in_a_message(self, files: Sequence[str]) -> None:
        """Have them named by attachments."""
        came = tuple(InAttachment(kind=AttachmentKind.FILE, source=file) for file in files)
        await self.chat.write("", attachments=came)
        for one in (await self.chat.messages())[-1].attachments:
            await self.chat.story.write(keep, one.id, one.source)

    async def sweep(self, digit: str = "a") -> None:
        await self.sweeper.sweep({"digit": digit}, JOB)

    async def are_left(self, *files: str) -> list[bool]:
        return [await self._is_left(file) for file in files]

    async def _is_left(self, file: str) -> bool:
        try:
            await self.store.open(file)
        except NotFound:
            return False
        return True


def keep(tx: Transaction, attachment_id: int, file: str, *, now: Any) -> None:
    more: dict[str, Any] = {"name": "a", "mime": "audio/ogg", "size": 1, "width": None, "height": None}
    db.store_attachment(tx, ACCOUNT, attachment_id, file=file, **more)


def set_age(path: Path, age: timedelta) -> None:
    moment = (NOW - age).timestamp()
    os.utime(path, (moment, moment))


@pytest.fixture
async def files(story: Story, tmp_path: Path) -> Files:
    return Files(await Messengers.begin(story), tmp_path)


async def test_an_old_file_that_no_row_names_is_deleted_and_the_named_stay(files: Files) -> None:
    known = [name(number) for number in range(3)]
    for file in (*known, name(9), name(8, "b")):
        await files.put(file)
    await files.name_in_a_message(known)
    await files.sweep()
    assert await files.are_left(*known, name(9), name(8, "b")) == [True, True, True, False, True]


async def test_a_persons_picture_stays_and_the_one_before_it_goes(files: Files) -> None:
    for number in range(2):
        await files.put(name(number))
    await files.chat.write()
    contact = (await files.chat.conversation()).contact_id or 0
    for number in range(2):
        await files.chat.story.write(
            lambda tx, *, now, file: db_crm.set_avatar(tx, ACCOUNT, contact, file), file=name(number)
        )
    await files.sweep()
    assert await files.are_left(name(0), name(1)) == [False, True]


@pytest.mark.parametrize(("age", "is_left"), [(DAY - MINUTE, True), (DAY + MINUTE, False)])
async def test_a_file_whose_row_may_still_come_stays(files: Files, age: timedelta, is_left: bool) -> None:
    await files.put(name(1))
    await files.name_in_a_message([name(1)])
    await files.put(name(9), age)
    await files.sweep()
    assert await files.are_left(name(1), name(9)) == [True, is_left]


async def test_many_rows_are_read_page_by_page(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "PAGE", 2)
    known = [name(number) for number in range(7)]
    for file in (*known, name(9)):
        await files.put(file)
    await files.name_in_a_message(known)
    await files.sweep()
    assert await files.are_left(*known, name(9)) == [True] * 7 + [False]


async def test_where_most_are_unknown_the_folder_is_anothers_and_nothing_is_deleted(files: Files) -> None:
    for number in range(3):
        await files.put(name(number))
    await files.name_in_a_message([name(0)])
    await files.sweep()
    assert await files.are_left(name(0), name(1), name(2)) == [True] * 3


async def test_a_half_that_a_killed_process_has_left_in_the_store_goes(files: Files) -> None:
    await files.put(name(0))
    await files.name_in_a_message([name(0)])
    half = files.folder / name(9)[:2] / name(9)[2:4] / f"{name(9)}.part"
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_bytes(b"ha")
    set_age(half, 2 * DAY)
    stranger = half.with_name("readme.txt")
    stranger.write_text("not ours")
    set_age(stranger, 2 * DAY)
    await files.sweep()
    assert (half.exists(), stranger.exists()) == (False, True)


@pytest.mark.parametrize(("age", "is_left"), [(HOUR - MINUTE, True), (HOUR + MINUTE, False)])
@pytest.mark.parametrize("ending", ["part", "picture"])
async def test_what_was_half_received_is_deleted_after_an_hour(
    files: Files, age: timedelta, is_left: bool, ending: str
) -> None:
    draft = files.incoming / f"{name(1)}.{ending}"
    draft.write_bytes(b"ha")
    set_age(draft, age)
    await files.sweep()
    assert draft.exists() is is_left


async def test_each_day_another_part_has_its_turn(files: Files) -> None:
    handler: Any = files.sweeper.handlers()[SWEEP_TIMER]
    digits = []
    for digit in sweeping.DIGITS:
        await files.chat.story.write(handler.on_done, {"digit": digit}, None)
        (row,) = await files.chat.story.read(lambda tx: tx.rows(TIMER))
        digits.append(row["payload"])
    assert digits[0] == '{"digit": "1"}'
    assert digits[-1] == '{"digit": "0"}'


async def test_a_start_deletes_what_was_half_received_and_sets_the_sweep(
    sqlite_url: str, tmp_path: Path
) -> None:
    settings = Settings(database_url=sqlite_url, data_dir=tmp_path, base_url="https://chat.example")
    await set_up(settings, settings.base_url, demo=False)
    (tmp_path / "incoming").mkdir()
    draft = tmp_path / "incoming" / f"{name(1)}.part"
    draft.write_bytes(b"ha")
    os.utime(draft, (1, 1))
    house = await open_house(settings)
    try:
        assert not draft.exists()
        assert len(await house.database.read(lambda tx: tx.rows(TIMER))) == 1
    finally:
        await house.close()
