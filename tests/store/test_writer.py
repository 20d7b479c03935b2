"""The one way to write: what is acknowledged is on disk, and nobody spoils another's write."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, text

from knopka.db.clock import Clock, to_ms
from knopka.db.database import Database, StatementFailed, Transaction, WriterLimits
from knopka.db.session import Trouble
from knopka.db.sqlite import SqliteSession
from knopka.db.statement import Statement
from knopka.db.tables import field_values
from knopka.domain.errors import Unavailable
from tests.store.rows import COUNT, LIST, count, held, insert_twice, list_counts, write_together

pytestmark = pytest.mark.anyio

KILL_MYSELF = Statement(text("SELECT pg_terminate_backend(pg_backend_pid())"))
BIG = "x" * 200_000
FILL = Statement(
    field_values.insert()
    .values(account_id=1, entity="leads", entity_id=1, items="[]", origin="site", at=0)
    .values(field_id=bindparam("field_id"))
)


def fail(tx: Transaction, name: str, *, now: datetime) -> None:
    count(tx, name, now=now)
    raise ValueError(name)


async def test_one_failing_function_of_thirty_two_fails_alone(database: Database) -> None:
    use_cases = [fail if n == 7 else count for n in range(32)]
    answers = await write_together(database, use_cases, *((f"{n:02}",) for n in range(32)))
    assert [type(answer) for answer in answers] == [ValueError if n == 7 else type(None) for n in range(32)]
    assert list(await list_counts(database)) == [f"{n:02}" for n in range(32) if n != 7]
    assert database.counters.batches <= 2, (
        "the thirty-two were together; who held them up may have gone before"
    )


async def test_a_refused_statement_fails_its_function_alone_and_says_no_value(database: Database) -> None:
    answers = await write_together(database, [count, insert_twice, count], ("a",), ("secret",), ("b",))
    assert isinstance(answers[1], StatementFailed)
    assert "secret" not in str(answers[1])
    assert await list_counts(database) == {"a": 1, "b": 1}


async def test_an_error_caught_inside_a_use_case_never_lets_half_of_it_through(database: Database) -> None:
    def swallow(tx: Transaction, *, now: datetime) -> None:
        try:
            insert_twice(tx, "half", now=now)
        except Exception as error:
            raise ValueError("turned into another") from error

    with pytest.raises(ValueError, match="turned"):
        await database.write(swallow, key=0)
    assert await list_counts(database) == {}


async def test_an_answer_is_given_only_after_the_commit(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_commit, go_on = asyncio.Event(), Event()
    loop = asyncio.get_running_loop()
    commit = SqliteSession.commit

    def slow_commit(session: SqliteSession) -> None:
        loop.call_soon_threadsafe(at_commit.set)
        go_on.wait(10)
        commit(session)

    published: list[str] = []
    database = await Database.open(sqlite_url, on_publish=lambda topic, _event: published.append(topic))
    monkeypatch.setattr(SqliteSession, "commit", slow_commit)

    def say(tx: Transaction, *, now: datetime) -> None:
        tx.publish("topic", {})

    writing = asyncio.ensure_future(database.write(say, key=0))
    await at_commit.wait()
    assert (writing.done(), published) == (False, [])
    go_on.set()
    await writing
    assert published == ["topic"]
    await database.close()


async def test_what_a_failed_function_published_is_not_sent(store_url: str) -> None:
    sent: list[tuple[str, Mapping[str, Any]]] = []
    database = await Database.open(store_url, on_publish=lambda topic, event: sent.append((topic, event)))

    def say(tx: Transaction, n: int, *, now: datetime) -> None:
        tx.publish("topic", {"n": n})
        if n == 1:
            raise ValueError(n)

    await write_together(database, [say] * 3, (0,), (1,), (2,))
    assert sent == [("topic", {"n": 0}), ("topic", {"n": 2})]
    await database.close()


async def test_a_subscriber_that_fails_spoils_no_answer(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_topic: str, _event: Mapping[str, Any]) -> None:
        raise ValueError("a broken subscriber")

    def say(tx: Transaction, *, now: datetime) -> str:
        tx.publish("topic", {})
        return "stored"

    database = await Database.open(sqlite_url, on_publish=refuse)
    assert await database.write(say, key=0) == "stored"
    assert "could not be published" in caplog.text
    await database.close()


async def test_a_batch_is_bounded_in_rows(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, limits=WriterLimits(rows=4, milliseconds=60_000))
    await write_together(database, [count] * 15, *((str(n),) for n in range(15)))
    assert database.counters.batches == 4
    await database.close()


async def test_a_batch_is_bounded_in_milliseconds(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, limits=WriterLimits(milliseconds=0))
    await write_together(database, [count] * 4, *((str(n),) for n in range(4)))
    assert database.counters.batches == 5
    await database.close()


async def test_a_lone_write_waits_for_nobody(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, limits=WriterLimits(milliseconds=60_000))
    async with asyncio.timeout(5):
        await database.write(count, "a", key=0)
    await database.close()


async def test_writes_of_one_key_run_in_the_order_in_which_they_came(database: Database) -> None:
    seen: list[int] = []

    def note(_tx: Transaction, n: int, *, now: datetime) -> None:
        seen.append(n)

    await asyncio.gather(*(database.write(note, n, key="one") for n in range(200)))
    assert seen == list(range(200))


async def test_a_full_queue_refuses_before_anything_is_promised(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, limits=WriterLimits(queue=3))
    async with held(database):
        waiting = [asyncio.ensure_future(database.write(count, "a", key=0)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await database.write(count, "refused", key=0)
    assert refused.value.retry_after > 0
    await asyncio.gather(*waiting)
    assert await list_counts(database) == {"a": 3}
    assert database.counters.refused == 1
    await database.close()


async def test_a_clean_stop_finishes_what_is_queued_and_refuses_what_comes_later(store_url: str) -> None:
    database = await Database.open(store_url)
    async with held(database):
        waiting = [asyncio.ensure_future(database.write(count, "a", key=0)) for _ in range(5)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(database.close())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(closing, *waiting)
    with pytest.raises(Unavailable):
        await database.write(count, "late", key=0)
    again = await Database.open(store_url)
    assert await list_counts(again) == {"a": 5}
    await again.close()


async def test_a_stop_whose_time_is_up_refuses_what_is_still_queued(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, limits=WriterLimits(stop_seconds=0, rows=1))
    async with held(database):
        waiting = [asyncio.ensure_future(database.write(count, "a", key=0)) for _ in range(3)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(database.close())
        await asyncio.sleep(0)
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    await closing
    assert database.health.state == "stopped"


async def test_a_row_that_refers_to_what_is_gone_is_for_another_try(database: Database) -> None:
    def fill(tx: Transaction, *, now: datetime) -> None:
        tx.run(FILL, field_id=404)

    with pytest.raises(Unavailable, match="replaced"):
        await database.write(fill, key=0)
    await database.write(count, "after", key=0)
    assert await list_counts(database) == {"after": 1}


async def test_who_asked_may_go_away_without_harm_to_the_others(database: Database) -> None:
    async with held(database):
        gone = asyncio.ensure_future(database.write(count, "gone", key=0))
        stays = asyncio.ensure_future(database.write(count, "stays", key=0))
        await asyncio.sleep(0)
        gone.cancel()
    await stays
    assert (await list_counts(database))["stays"] == 1


async def test_a_read_can_write_nothing(database: Database) -> None:
    with pytest.raises(StatementFailed):
        await database.read(lambda tx: tx.run(COUNT, name="a"))
    await database.write(count, "b", key=0)
    assert await list_counts(database) == {"b": 1}


async def test_the_batch_has_one_clock_and_the_demo_can_move_it(database: Database) -> None:
    def tell(tx: Transaction, *, now: datetime) -> datetime:
        assert now == tx.now
        return now

    first, second = await write_together(database, [tell, tell])
    assert first == second
    assert abs(to_ms(first) - to_ms(database.clock())) < 60_000
    database.advance_clock(timedelta(hours=24))
    later = await database.write(tell, key=0)
    assert timedelta(hours=24) <= later - first < timedelta(hours=24, minutes=1)
    assert await database.read(lambda tx: tx.now) >= later


# SQLite: a disk that is full or does not keep what it is given.


async def set_most_pages(database: Database, pages: int) -> int:
    """The most pages that the file may have: beyond it SQLite answers as it does when the disk is full."""

    def use_case(tx: Transaction, *, now: datetime) -> int:
        [row] = tx.rows(Statement(text(f"PRAGMA max_page_count = {pages}")))
        return int(row["max_page_count"])

    return await database.write(use_case, key=0)


async def test_a_disk_full_in_the_middle_of_a_batch_acknowledges_nobody_and_is_said(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = await Database.open(sqlite_url)
    await set_most_pages(database, 1)
    answers = await write_together(database, [count] * 32, *((f"{n}{BIG}",) for n in range(32)))
    assert [type(answer) for answer in answers] == [Unavailable] * 32
    assert await list_counts(database) == {}
    assert (database.health.state, database.health.reason) == ("failing", "database or disk is full")
    assert "database or disk is full" in caplog.text
    await set_most_pages(database, 1_000_000)
    await database.write(count, "a", key=0)
    assert database.health.state == "ok"
    await database.close()


async def test_what_still_finds_room_on_a_full_disk_is_stored_alone_and_once(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    await database.write(count, "small", key=0)
    await set_most_pages(database, 1)
    answers = await write_together(database, [count] * 3, ("small",), (BIG,), ("small",))
    assert [type(answer) for answer in answers] == [type(None), Unavailable, type(None)]
    assert await list_counts(database) == {"small": 3}
    await database.close()


async def test_a_store_that_is_well_again_says_so_without_being_asked(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.open(sqlite_url)
    well = asyncio.Event()
    note = database._note_health

    def watch(health: Any) -> None:
        note(health)
        if health.state == "ok":
            well.set()

    monkeypatch.setattr(database, "_note_health", watch)
    await set_most_pages(database, 1)
    with pytest.raises(Unavailable):
        await database.write(count, BIG, key=0)
    assert database.health.state == "failing"
    async with asyncio.timeout(5):
        await well.wait()
    await database.close()


def fail_at_commit(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Have SQLite report this code at the next COMMIT, as its operating system would make it do."""
    commit = SqliteSession.commit

    def broken(session: SqliteSession) -> None:
        monkeypatch.setattr(SqliteSession, "commit", commit)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(SqliteSession, "commit", broken)


async def test_a_failed_fsync_ends_all_writing_and_is_said(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[str] = []
    database = await Database.open(sqlite_url, on_broken=broken.append)
    fail_at_commit(monkeypatch, sqlite3.SQLITE_IOERR_FSYNC)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await database.write(count, "a", key=0)
    assert database.health.state == "broken"
    assert len(broken) == 1
    await database.close()
    again = await Database.open(sqlite_url)
    assert await list_counts(again) == {}
    await again.close()


async def test_a_failed_write_at_commit_is_run_again_alone_once(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.open(sqlite_url)
    fail_at_commit(monkeypatch, sqlite3.SQLITE_IOERR_WRITE)
    assert await write_together(database, [count] * 3, ("a",), ("a",), ("b",)) == [None] * 3
    assert await list_counts(database) == {"a": 2, "b": 1}
    assert database.counters.lost_batches == 1
    await database.close()


# PostgreSQL: lost connections, and rows that others hold.


async def test_a_lost_connection_runs_each_function_again_alone_once(postgres_url: str) -> None:
    database = await Database.open(postgres_url, limits=WriterLimits(writers=1))
    kills: list[Callable[..., Any]] = [lambda tx: tx.rows(KILL_MYSELF)]

    def kill_once(tx: Transaction, name: str, *, now: datetime) -> None:
        count(tx, name, now=now)
        if kills:
            kills.pop()(tx)

    names = [f"{n:02}" for n in range(32)]
    use_cases = [kill_once if n == 16 else count for n in range(32)]
    answers = await write_together(database, use_cases, *((name,) for name in names))
    assert answers == [None] * 32
    assert await list_counts(database) == dict.fromkeys(names, 1)
    assert database.counters.lost_batches == 1
    assert database.health.state == "ok"
    await database.close()


async def test_a_function_that_loses_the_connection_again_is_refused_and_spoils_nobody(
    postgres_url: str,
) -> None:
    def kill(tx: Transaction, *, now: datetime) -> None:
        tx.rows(KILL_MYSELF)

    database = await Database.open(postgres_url, limits=WriterLimits(writers=1))
    answers = await write_together(database, [count, kill, count], ("a",), (), ("b",))
    assert [type(answer) for answer in answers] == [type(None), Unavailable, type(None)]
    assert await list_counts(database) == {"a": 1, "b": 1}
    await database.close()


async def test_a_commit_whose_answer_is_lost_is_promised_to_nobody(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER kill AFTER INSERT ON counters DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW WHEN (NEW.name = 'deadly') EXECUTE FUNCTION kill()"
        )
    database = await Database.open(postgres_url, limits=WriterLimits(writers=1))
    answers = await write_together(database, [count, count], ("a",), ("deadly",))
    assert [type(answer) for answer in answers] == [Unavailable] * 2
    await database.write(count, "later", key=0)
    assert await list_counts(database) == {"later": 1}
    await database.close()


async def test_a_restarted_server_is_found_by_the_next_write_and_the_next_read(postgres_url: str) -> None:
    database = await Database.open(postgres_url, limits=WriterLimits(writers=1, readers=1))
    await database.write(count, "a", key=0)
    await list_counts(database)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    await database.write(count, "a", key=0)
    assert await list_counts(database) == {"a": 2}
    await database.close()


async def test_two_shards_taking_the_same_rows_in_crossed_order_lose_nothing(postgres_url: str) -> None:
    database = await Database.open(postgres_url, limits=WriterLimits(writers=2))
    await database.write(count, "left", "right", key=0)
    began = [Event(), Event()]

    def cross(tx: Transaction, me: int, first: str, second: str, *, now: datetime) -> None:
        count(tx, first, now=now)
        began[me].set()
        began[1 - me].wait(5)  # both hold their first row before either asks for its second
        count(tx, second, now=now)

    for _ in range(3):
        for event in began:
            event.clear()
        start = monotonic()
        async with asyncio.timeout(3):
            await asyncio.gather(
                database.write(cross, 0, "left", "right", key=0),
                database.write(cross, 1, "right", "left", key=1),
                *(database.write(count, f"bystander {n}", key=n) for n in range(10)),
            )
        assert monotonic() - start < 3
    counts = await list_counts(database)
    assert (counts["left"], counts["right"]) == (7, 7)
    assert counts["bystander 9"] == 3
    assert database.counters.tried_again >= 3
    await database.close()


async def test_rows_that_others_hold_for_long_are_given_up_after_five_tries(postgres_url: str) -> None:
    database = await Database.open(postgres_url, limits=WriterLimits(writers=1))
    await database.write(count, "a", key=0)
    tries: list[datetime] = []

    def try_it(tx: Transaction, *, now: datetime) -> None:
        tries.append(now)
        count(tx, "a", now=now)

    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("UPDATE counters SET value = value + 100")
        with pytest.raises(Unavailable):
            await database.write(try_it, key=0)
        await other.rollback()
    assert len(tries) == 5
    assert len(set(tries)) == 5, "each try is in a batch of its own"
    assert await list_counts(database) == {"a": 1}
    await database.close()


async def test_a_write_waits_its_turn_behind_one_of_its_key_that_is_tried_again(postgres_url: str) -> None:
    database = await Database.open(postgres_url, limits=WriterLimits(writers=1))
    await database.write(count, "a", key=0)
    order: list[str] = []
    tried, loop = asyncio.Event(), asyncio.get_running_loop()

    def first(tx: Transaction, *, now: datetime) -> None:
        try:
            count(tx, "a", now=now)
        finally:
            loop.call_soon_threadsafe(tried.set)
        order.append("first")

    def second(_tx: Transaction, *, now: datetime) -> None:
        order.append("second")

    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("UPDATE counters SET value = value + 100")
        writes = [asyncio.ensure_future(database.write(use_case, key=0)) for use_case in (first, second)]
        await tried.wait()
        await other.rollback()
    await asyncio.gather(*writes)
    assert order == ["first", "second"]
    await database.close()


def test_the_list_statement_is_compiled_for_both_stores() -> None:
    assert LIST.prepare("sqlite", {})[0].columns == LIST.prepare("postgresql", {})[0].columns


def test_an_error_that_is_not_the_stores_is_the_functions_own(sqlite_template: Path) -> None:
    session = SqliteSession(sqlite_template, Clock())
    session.begin()
    assert session.judge(ValueError()) is Trouble.OWN
    session.rollback()
    assert session.judge(ValueError()) is Trouble.LOST
    session.close()
