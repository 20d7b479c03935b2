"""What is deleted for its age, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from knopka import app
from knopka.db import retention as db
from knopka.db.channels import find_event
from knopka.db.database import Database, StatementFailed, Transaction
from knopka.db.jobs import DeadLetter, list_dead_letters
from knopka.db.operators import insert_login
from knopka.db.statement import Statement
from knopka.db.tables import answers, entry_links, jobs, logins, meta_calls, timers, visits
from knopka.services import desk, retention
from knopka.services.catalog import ACCOUNT
from knopka.services.jobs import Handler, InStore, Worker
from knopka.services.journal import hash_visit
from knopka.services.operators import LIFETIME
from knopka.services.retention import (
    MOST_VISITS,
    RETENTION_TIMER,
    delete_old,
    go_on_tomorrow,
    start_retention,
)
from knopka.settings import Settings
from tests.plans import explain, walks_a_table
from tests.services.story import EXAMPLE, SECOND, VISIT, Story
from tests.services.toy import Messengers

pytestmark = pytest.mark.anyio

KEPT = timedelta(days=30)
DAY = timedelta(days=1)
OTHER_VISIT = "visit-2-of-the-story--"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
COUNTS = {
    table.name: Statement(select(func.count().label("n")).select_from(table))
    for table in (visits, meta_calls, answers, logins, jobs, timers)
}
TIMER = Statement(select(timers.c.due_at).where(timers.c.kind == RETENTION_TIMER))
LINKS = Statement(select(entry_links.c.id))
IDS = Statement(select(meta_calls.c.id, meta_calls.c.visit_id))
SHOWN_VISITS = Statement(select(visits.c.key_hash))
OLD = {"account_id": 1, "until": 1_700_000_000_000, "most": 500}
STATEMENTS: Mapping[str, tuple[Statement, dict[str, Any]]] = {
    "old visits": (db._OLD_VISITS, OLD),
    "their calls": (db._DELETE_CALLS, {"visit_ids": [1, 2], "most": 500}),
    "the visits": (db._DELETE_VISITS, {"visit_ids": [1, 2]}),
    "old answers": (db._DELETE_ANSWERS, OLD),
    "old sign-ins": (db._DELETE_LOGINS, OLD),
    "old events": (db._FORGET_EVENTS, OLD),
    "old logs of channels": (db._DELETE_LOG, OLD),
    "old link codes": (db._DELETE_LINKS, OLD),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_old_is_found_by_an_index(store_url: str, name: str) -> None:
    statement, params = STATEMENTS[name]
    plan = explain(store_url, statement, **params)
    assert not walks_a_table(plan), plan


def test_visits_with_a_card_are_not_even_looked_at(store_url: str) -> None:
    assert "visits_without_card" in explain(store_url, db._OLD_VISITS, **OLD)


def count_rows(tx: Transaction, name: str) -> int:
    row = tx.row(COUNTS[name])
    assert row is not None
    return int(row["n"])


async def count(story: Story, name: str) -> int:
    return await story.read(count_rows, name)


async def delete(story: Story, *, sign_in_clock: datetime = LONG_AGO) -> None:
    await story.write(delete_old, {}, sign_in_clock=lambda: sign_in_clock)


async def read_timer(database: Database) -> list[int]:
    return [row["due_at"] for row in await database.read(lambda tx: tx.rows(TIMER))]


async def work(database: Database, handler: Handler) -> None:
    """Do what is due, as the server's worker does, until nothing is."""
    worker = Worker(database, {RETENTION_TIMER: handler})
    while await worker.tick():
        await worker.settle()


@pytest.mark.parametrize(
    ("unseen", "is_kept"),
    [(KEPT - SECOND, True), (KEPT, False), (KEPT + SECOND, False)],
    ids=["29 d 23:59:59", "30 d", "30 d 00:00:01"],
)
async def test_a_visit_without_a_message_goes_with_its_calls_after_30_days(
    story: Story, unseen: timedelta, is_kept: bool
) -> None:
    await story.set_meta(EXAMPLE)
    await story.set_meta({"lead": {"sale": 5}})
    story.pass_time(unseen)
    await delete(story)
    assert (await count(story, "visits"), await count(story, "meta_calls")) == ((1, 2) if is_kept else (0, 0))


async def test_a_visit_that_wrote_stays_for_ever(story: Story) -> None:
    await story.set_meta(EXAMPLE, key="early-01")
    lead_id = await story.write_in()
    story.pass_time(DAY)
    before = await story.card(lead_id)
    story.pass_time(3650 * DAY)
    await delete(story)
    assert await story.card(lead_id) == before
    assert before["site_data"]
    assert set((await story.verdicts("early-01")).values()) == {"filled", "noted"}


async def test_a_visit_of_a_known_contact_stays_without_a_lead_of_its_own(story: Story) -> None:
    await story.decline(await story.write_in())
    await story.open_chat(visit=OTHER_VISIT)
    story.pass_time(KEPT)
    await delete(story)
    assert await count(story, "visits") == 2


async def test_a_visit_that_was_seen_again_stays_whole(story: Story) -> None:
    await story.set_meta(EXAMPLE, key="early-01")
    await story.set_meta(EXAMPLE, visit=OTHER_VISIT)
    story.pass_time(KEPT - SECOND)
    await story.set_meta({"lead": {"sale": 5}}, key="later-01")
    story.pass_time(SECOND)
    await delete(story)
    shown = await story.read(lambda tx: tx.rows(SHOWN_VISITS))
    assert [row["key_hash"] for row in shown] == [hash_visit(VISIT)]
    assert set((await story.verdicts("early-01")).values()) == {"expired"}


async def test_who_comes_back_after_that_begins_anew(story: Story) -> None:
    await story.set_meta(EXAMPLE, key="early-01")
    story.pass_time(KEPT)
    await delete(story)
    assert await story.verdicts("early-01") == {}
    assert set((await story.set_meta(EXAMPLE, key="early-01")).values()) == {"waiting_for_lead"}


@pytest.fixture
async def story_with_others(postgres_url: str) -> AsyncIterator[tuple[Story, psycopg.Connection[Any]]]:
    """A visit that is old by now, and somebody else at work on the same store."""
    database = await Database.open(postgres_url)
    story = await Story.begin(database)
    await story.set_meta(EXAMPLE)
    story.pass_time(KEPT)
    with psycopg.connect(postgres_url) as other:
        yield story, other
    await database.close()


async def test_a_visit_that_somebody_holds_at_this_moment_is_passed_over(
    story_with_others: tuple[Story, psycopg.Connection[Any]],
) -> None:
    story, other = story_with_others
    other.execute("SELECT id FROM visits FOR UPDATE")
    await delete(story)
    assert (await count(story, "visits"), await count(story, "meta_calls")) == (1, 1)
    other.rollback()
    await delete(story)
    assert (await count(story, "visits"), await count(story, "meta_calls")) == (0, 0)


async def test_who_comes_back_while_it_is_being_deleted_begins_anew(
    story_with_others: tuple[Story, psycopg.Connection[Any]],
) -> None:
    story, other = story_with_others
    other.execute("DELETE FROM meta_calls")
    other.execute("DELETE FROM visits")
    coming = asyncio.create_task(story.set_meta({"lead": {"sale": 5}}))
    while other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is None:  # noqa: ASYNC110
        await asyncio.sleep(0)  # nobody announces that a row is waited for
    other.commit()
    assert await coming == {"lead.sale": "waiting_for_lead"}
    assert (await count(story, "visits"), await count(story, "meta_calls")) == (1, 1)


async def test_an_id_of_the_journal_is_never_given_again(story: Story) -> None:
    """Whoever follows the journal asks for what came after the last id."""
    await story.set_meta(EXAMPLE)
    before = await story.read(lambda tx: tx.rows(IDS))
    story.pass_time(KEPT)
    await delete(story)
    await story.set_meta(EXAMPLE)
    after = await story.read(lambda tx: tx.rows(IDS))
    assert after[0]["visit_id"] > before[0]["visit_id"]
    assert after[0]["id"] > before[0]["id"]


async def test_an_operators_key_is_remembered_for_30_days(story: Story) -> None:
    said = await story.say()
    await story.write(desk.close, story.operator, said.conversation.id, "close-key-01")
    kept = await count(story, "answers")
    story.pass_time(KEPT - SECOND)
    await delete(story)
    assert await count(story, "answers") == kept > 0
    story.pass_time(SECOND)
    await delete(story)
    assert await count(story, "answers") == 0


async def test_sign_ins_go_when_their_14_days_are_over_by_their_own_clock(story: Story) -> None:
    def sign_in(tx: Transaction, *, now: datetime) -> None:
        owner = {"account_id": ACCOUNT, "operator_id": story.operator.id}
        insert_login(tx, token_hash="hash", agent="", address="", at=now, **owner)

    begun = story.now
    await story.write(sign_in)
    story.pass_time(365 * DAY)
    await delete(story, sign_in_clock=begun + LIFETIME - SECOND)
    assert await count(story, "logins") == 1
    await delete(story, sign_in_clock=begun + LIFETIME)
    assert await count(story, "logins") == 0


async def make_visits(story: Story, number: int) -> None:
    async with asyncio.TaskGroup() as group:
        for at in range(number):
            group.create_task(story.set_meta({"page": at}, visit=f"visit-{at:016}"))


class Counting:
    """The handler of the server, which notes what each transaction left."""

    def __init__(self) -> None:
        self.left: list[int] = []

    def __call__(self, tx: Transaction, payload: Mapping[str, Any], *, now: datetime) -> None:
        delete_old(tx, payload, sign_in_clock=lambda: LONG_AGO, now=now)
        self.left.append(count_rows(tx, "visits"))


async def test_1200_visits_go_in_three_transactions(story: Story) -> None:
    await make_visits(story, 1_200)  # in March 2026, by the story's clock
    counting = Counting()
    await story.database.write(start_retention, key="start")
    story.database.advance_clock(KEPT)
    await work(story.database, InStore(counting))
    assert counting.left == [1_200 - MOST_VISITS, 1_200 - 2 * MOST_VISITS, 0]
    assert (await count(story, "meta_calls"), await count(story, "jobs")) == (0, 0)


async def test_a_visit_with_very_many_calls_goes_with_the_last_of_them(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MOST_ROWS", 10)
    for _ in range(25):
        await story.set_meta({"bot_params": {"page": 1}})
    story.pass_time(KEPT)
    left = []
    for _ in range(3):
        await delete(story)
        left.append(
            (await count(story, "meta_calls"), await count(story, "visits"), await count(story, "jobs"))
        )
    assert left == [(15, 1, 1), (5, 1, 2), (0, 0, 2)]


async def test_it_sets_itself_again_for_the_next_day(database: Database) -> None:
    await database.write(start_retention, key="start")
    first = await read_timer(database)
    handler = InStore(Counting())
    await work(database, handler)
    second = await read_timer(database)
    assert second[0] - first[0] >= DAY.total_seconds() * 1000
    await work(database, handler)
    assert await read_timer(database) == second
    database.advance_clock(DAY)
    await work(database, handler)
    third = await read_timer(database)
    assert len(third) == 1
    assert third[0] - second[0] >= DAY.total_seconds() * 1000


async def test_a_batch_that_is_given_up_does_not_end_it(database: Database) -> None:
    def fail(_tx: Transaction, _payload: Mapping[str, Any], *, now: datetime) -> None:
        raise StatementFailed("the disk is odd")

    async def dead() -> list[DeadLetter]:
        return await database.read(list_dead_letters, ACCOUNT)

    await database.write(start_retention, key="start")
    broken = InStore(fail, on_dead=go_on_tomorrow)
    while not await dead():
        await work(database, broken)
        database.advance_clock(6 * timedelta(hours=1))
    assert len(await read_timer(database)) == 1


async def test_a_second_start_of_the_server_neither_doubles_nor_delays_it(
    database: Database, store_url: str, tmp_path: Path
) -> None:
    settings = Settings.from_env({"KNOPKA_DATABASE_URL": store_url, "KNOPKA_DATA_DIR": str(tmp_path)})
    await app.set_up(settings, "http://127.0.0.1:8000", demo=False)
    first = await read_timer(database)
    assert len(first) == 1
    await app.set_up(settings, "http://127.0.0.1:8000", demo=True)
    assert await read_timer(database) == first
    await work(database, app.HANDLED_JOBS[RETENTION_TIMER])
    second = await read_timer(database)
    await app.set_up(settings, "http://127.0.0.1:8000", demo=False)
    assert await read_timer(database) == second


async def test_S_HOOK_07_what_a_messenger_told_is_forgotten_and_known_again(story: Story) -> None:
    chat = await Messengers.begin(story)
    event = chat.event(text="Привет")
    await chat.take(event)
    await chat.announce()
    story.pass_time(retention.EVENTS_KEPT - SECOND)
    await delete(story)
    assert await story.read(find_event, ACCOUNT, 1) is not None
    story.pass_time(SECOND)
    await delete(story)
    assert await story.read(find_event, ACCOUNT, 1) is None
    assert (await chat.tell(event)).new == 0
    assert [message.text for message in await chat.messages()] == ["Привет"]
    story.pass_time(KEPT)
    await delete(story)
    assert await story.read(lambda tx: tx.rows(LINKS)) == []
