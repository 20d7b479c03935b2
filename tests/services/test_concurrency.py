"""Many callers at once: on PostgreSQL they meet on several connections, each with its own transaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import psycopg
import pytest

from knopka.db import visitors
from knopka.db.database import Database, Transaction, WriterLimits
from knopka.domain.errors import Conflict, Unavailable
from knopka.services import cards, desk
from knopka.services.cards import Filling
from knopka.services.journal import hash_visit
from tests.services.story import CITY, VISIT, Story, city, note, verdicts

pytestmark = pytest.mark.anyio

OTHER = "another-visit-of-theirs"


@pytest.fixture
async def story(store_url: str) -> AsyncIterator[Story]:
    """One transaction for each function, so that as much as possible happens at once."""
    database = await Database.open(store_url, limits=WriterLimits(rows=1, writers=8))
    yield await Story.begin(database)
    await database.close()


async def together(*work: Any) -> list[Any]:
    return list(await asyncio.gather(*(again(item) for item in work)))


async def again(work: Any) -> Any:
    """As clients do: what was refused with "come again" is sent again, its key tells the rest."""
    for _ in range(20):
        try:
            return await work()
        except Unavailable:
            await asyncio.sleep(0)
    raise AssertionError("refused twenty times")


async def test_first_messages_of_one_visit_make_one_lead_however_many_come_at_once(story: Story) -> None:
    await story.set_meta(city("Tver"), key="city-001")
    said = await together(
        *(
            lambda number=number: story.say(token=f"t{number}", key=f"message-{number}", shard=number)
            for number in range(8)
        )
    )
    assert len({accepted.conversation.id for accepted in said}) == 8
    assert len(await story.leads()) == 1
    assert await story.verdicts("city-001") == {"lead.custom_fields[0]": "filled"}


async def test_the_same_first_message_sent_many_times_is_one(story: Story) -> None:
    said = await together(
        *(lambda shard=shard: story.say(key="message-1", shard=shard) for shard in range(8))
    )
    assert Counter(accepted.is_new for accepted in said) == {False: 7, True: 1}
    assert len({accepted.message.id for accepted in said}) == 1
    assert len(await story.leads()) == 1


async def test_messages_of_one_visitor_have_numbers_without_gaps(story: Story) -> None:
    said = await together(
        *(
            lambda number=number: story.say(
                visit=(VISIT, OTHER, None)[number % 3], key=f"message-{number}", shard=number
            )
            for number in range(24)
        )
    )
    assert sorted(accepted.message.seq for accepted in said) == list(range(1, 25))
    assert len(await story.leads()) == 1
    conversation = await story.read(desk.get_conversation, said[0].conversation.id)
    assert (conversation.last_seq, conversation.unread) == (24, 24)


async def test_data_and_the_first_message_at_once_lose_nothing(story: Story) -> None:
    async def send(number: int) -> None:
        await story.send(story.call(note(f"note {number}"), f"note-{number:03}"), key=number)

    await together(
        *(lambda number=number: send(number) for number in range(8)),
        lambda: story.say(shard="message"),
    )
    (lead_id,) = await story.leads()
    assert sorted(await story.notes(lead_id)) == [f"note {number}" for number in range(8)]
    told = await story.verdicts(*(f"note-{number:03}" for number in range(8)))
    assert set(told.values()) == {"noted"}


async def test_of_many_values_for_one_field_one_is_written_and_the_rest_refused(story: Story) -> None:
    lead_id = await story.write_in()
    visits = [f"visit-number-{number}-000000" for number in range(8)]
    for visit in visits:
        await story.open_chat(visit=visit)
    call = {**city("Tver"), "contact": {"name": "Ольга"}}
    answers = await together(
        *(
            lambda visit=visit: story.send(story.call(call, "call-001"), visit=visit, key=visit)
            for visit in visits
        )
    )
    for path in ("lead.custom_fields[0]", "contact.name"):
        outcome = Counter(verdicts(answer)[path] for answer in answers)
        assert outcome == {"filled": 1, "refused_not_empty": 7}
    assert await story.fields(lead_id) == {CITY: "Tver"}


async def test_the_same_call_sent_many_times_is_kept_once(story: Story) -> None:
    lead_id = await story.write_in()
    answers = await together(
        *(
            lambda shard=shard: story.send(story.call(note("one"), "note-001"), key=shard)
            for shard in range(8)
        )
    )
    assert [verdicts(answer) for answer in answers] == [{"note": "noted"}] * 8
    assert await story.notes(lead_id) == ["one"]


async def test_a_message_a_decline_and_data_at_once_leave_at_most_one_open_lead(story: Story) -> None:
    for attempt in range(6):
        lead_id = await story.write_in(key=f"before-{attempt}")
        uid = (await story.card(lead_id))["unsorted"]["uid"]

        async def decline(uid: str = uid) -> None:
            await story.write(cards.decline, story.operator.id, uid, "decide-1", key="decline")

        await together(
            decline,
            lambda attempt=attempt: story.say(key=f"at-once-{attempt}", shard="message"),
            lambda attempt=attempt: story.send(
                story.call(note(str(attempt)), f"note-{attempt:03}"), key="page"
            ),
            lambda attempt=attempt: story.say(token="two", key=f"two-{attempt:04}", shard="second"),
        )
        await story.say(key=f"after-{attempt:03}")
        page = await story.read(cards.list_unsorted)
        assert len(page.unsorted) == 1
        assert page.unsorted[0].lead_id != lead_id


async def test_two_chats_of_one_contact_that_write_at_once_open_one_new_lead(story: Story) -> None:
    lead_id = await story.write_in()
    await story.say(token="two")
    for attempt in range(8):
        await story.decline(lead_id)
        said = await together(
            lambda attempt=attempt: story.say(visit=None, key=f"one-{attempt:04}", shard="one"),
            lambda attempt=attempt: story.say(token="two", visit=None, key=f"two-{attempt:04}", shard="two"),
        )
        leads = {await story.lead_of(accepted) for accepted in said}
        assert len(leads) == 1
        (lead_id,) = leads


async def test_the_cards_are_held_while_a_page_writes_on_them(
    story: Story, request: pytest.FixtureRequest
) -> None:
    """S-WEB-10, asked from a second connection: SQLite has one writer, there nobody can ask."""
    lead_id = await story.write_in()
    if story.database.dialect == "sqlite":
        return
    url = request.getfixturevalue("store_url")

    def held_tables(tx: Transaction, *, now: datetime) -> list[str]:
        visit = visitors.touch_visit(tx, story.source, hash_visit(VISIT), "", now)
        Filling(tx, story.catalog, story.source, visit, now)
        return [table for table in CARDS if _is_held(url, table, lead_id)]

    assert await story.write(held_tables) == list(CARDS)


CARDS = {
    "contacts": "SELECT 1 FROM contacts WHERE id = (SELECT contact_id FROM leads WHERE id = %s)",
    "leads": "SELECT 1 FROM leads WHERE id = %s",
    "incoming_leads": "SELECT 1 FROM incoming_leads WHERE lead_id = %s",
}


def _is_held(url: str, table: str, lead_id: int) -> bool:
    with psycopg.connect(url) as other:
        try:
            other.execute(f"{CARDS[table]} FOR UPDATE NOWAIT".encode(), (lead_id,))
        except psycopg.errors.LockNotAvailable:
            return True
    return False


async def test_two_operators_who_decide_at_once_do_not_both_succeed(story: Story) -> None:
    lead_id = await story.write_in()
    uid = (await story.card(lead_id))["unsorted"]["uid"]

    async def decide(use_case: Any, *args: Any) -> bool:
        try:
            await story.write(use_case, *args, key=args[-1])
        except Conflict:
            return False
        return True

    done = await together(
        lambda: decide(cards.accept, story.catalog, story.operator.id, uid, "decide-1"),
        lambda: decide(cards.decline, story.operator.id, uid, "decide-2"),
    )
    assert sorted(done) == [False, True]


async def test_the_visitor_and_an_operator_write_at_once(story: Story) -> None:
    chat = (await story.say()).conversation.id
    await together(
        *(lambda number=number: story.say(key=f"message-{number}", shard=number) for number in range(8)),
        *(
            lambda number=number: story.write(
                desk.reply, story.operator, chat, f"answer-{number}", "Добрый день!", key=f"desk {number}"
            )
            for number in range(8)
        ),
    )
    messages = await story.read(desk.list_messages, chat, before=None, after=0, limit=100)
    assert [message.seq for message in messages] == list(range(1, 18))
