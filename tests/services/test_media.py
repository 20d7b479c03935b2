"""How much of what one person sends is fetched in a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from knopka.db import attachments as db
from knopka.db import channels as db_channels
from knopka.db.database import Transaction
from knopka.domain.messaging import AttachmentKind, InAttachment
from knopka.services import media
from knopka.services.catalog import ACCOUNT
from tests.plans import explain, walks_a_table
from tests.services.story import HOUR, SECOND, Story
from tests.services.toy import IVAN, OLGA, Messengers

pytestmark = pytest.mark.anyio

MIB = 1024**2
A_DAY = 100 * MIB


@pytest.fixture
async def chat(story: Story) -> Messengers:
    return await Messengers.begin(story)


async def send_file(chat: Messengers, size: int, *, person: str = IVAN) -> int:
    """A person sends a file, which is fetched; gives the attachment's id."""
    file = InAttachment(kind=AttachmentKind.FILE, source="file-1")
    await chat.write("", chat=person, attachments=(file,))
    found = {one.chat_id: one for one in await chat.conversations()}
    (came,) = (await chat.messages(found[person].id))[-1].attachments
    await chat.story.write(keep, came.id, size)
    return came.id


def keep(tx: Transaction, attachment_id: int, size: int, *, now: Any) -> None:
    more: dict[str, Any] = {"file": "f" * 32, "name": "a", "mime": "audio/ogg", "width": None, "height": None}
    db.store_attachment(tx, ACCOUNT, attachment_id, size=size, **more)


async def left(chat: Messengers, attachment_id: int) -> int:
    came, room = await chat.story.read(media.find_media, attachment_id, A_DAY, now=chat.story.now)
    assert came is not None
    return room


async def test_what_one_person_sends_in_a_day_is_counted_together(chat: Messengers) -> None:
    await send_file(chat, 60 * MIB)
    last = await send_file(chat, 30 * MIB)
    assert await left(chat, last) == 10 * MIB
    other = await send_file(chat, MIB, person=OLGA)
    assert await left(chat, other) == 99 * MIB


@pytest.mark.parametrize(("later", "room"), [(24 * HOUR - SECOND, 40 * MIB), (24 * HOUR, 100 * MIB)])
async def test_what_came_a_day_ago_counts_no_more(chat: Messengers, later: timedelta, room: int) -> None:
    number = await send_file(chat, 60 * MIB)
    chat.story.pass_time(later)
    assert await left(chat, number) == room


async def test_what_was_not_fetched_takes_no_room(chat: Messengers) -> None:
    number = await send_file(chat, 60 * MIB)
    await chat.story.write(lambda tx, *, now: db.fail_attachment(tx, ACCOUNT, number, "gone"))
    assert await left(chat, number) == A_DAY


async def test_the_channels_log_says_it_once_a_day(chat: Messengers) -> None:
    async def lines() -> int:
        log = await chat.story.read(db_channels.list_log, chat.setup.id, 100)
        return len([line for line in log if line.code == "media_quota"])

    for _ in range(3):
        await chat.story.write(media.note_over_quota, chat.setup.id)
    assert await lines() == 1
    chat.story.pass_time(24 * HOUR)
    await chat.story.write(media.note_over_quota, chat.setup.id)
    assert await lines() == 2


async def test_a_count_walks_no_table(chat: Messengers, store_url: str) -> None:
    given = {"account_id": 1, "conversation_id": 1, "most": 1000, "state": "stored", "since": 1}
    plan = explain(store_url, db._COUNT_STORED, **given)
    assert not walks_a_table(plan), plan
