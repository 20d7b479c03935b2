"""(h) Webhooks accepted, the way to the operator's screen and back, and many waiting deliveries."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

import httpx

from bench.bot_api import BotApi, bot_api
from bench.browser import chromium
from bench.load import post
from bench.meta_calls import ROUNDS, WARM_UP_S, Measured, measure, store_of
from bench.people import sign_operators_in
from bench.rows import Row, spread
from bench.screen import PAUSE_S, WAIT_S, Screen
from bench.screen import row as arrivals
from bench.servers import Running, knopka_environment, run_python, serve, set_up
from bench.start import ask
from knopka.app import read_secret_key
from knopka.channels.telegram import SECRET_HEADER, Telegram
from knopka.db import jobs as db_jobs
from knopka.db.database import Database, Transaction
from knopka.domain.messaging import NAMES, ChannelKind, DeepLink, SetupReport
from knopka.domain.visitor import Source
from knopka.services.catalog import ACCOUNT
from knopka.services.channels import add_channel, read_config, store_report
from knopka.services.jobs import Handler, Outside, Worker, share_of
from knopka.services.outbox import deliver_kind, lane
from knopka.services.vault import Vault
from knopka.settings import Settings
from tests.plans import explain, walks_a_table

LIMITS = 'webhooks_per_channel = "1000000/s"\n'
"""The limiter runs, and lets through what one bot's platform would never send at once."""
CHATS = 1_000
CONNECTIONS = 64
PATIENCE_S = 120.0

RATE = 50
SCREEN_S = 10
SCREEN_CHATS = 40
"""Each is heard again before an operator has read its last word, and keeps its place on the screen."""
ANSWERS = 200
WARM_UP = 10

DELIVERIES = share_of(deliver_kind(ChannelKind.TELEGRAM), 1)
"""The kind of the jobs of the one channel that there is."""
WAITING = 50_000
CONVERSATIONS = 5_000
DRAIN_S = 15
TICKS = 200


@dataclass(frozen=True, slots=True)
class Hook:
    """The channel as its platform knows it."""

    id: int
    path: str
    secret: str


def measure_messengers() -> Iterator[Row]:
    with bot_api() as api:
        for kind in ("SQLite", "PostgreSQL"):
            with tempfile.TemporaryDirectory() as name, store_of(kind, Path(name)) as url:
                yield from measure_webhooks(kind, Path(name), url, api)
        with tempfile.TemporaryDirectory() as name:
            yield from measure_ways(Path(name), api)
        with tempfile.TemporaryDirectory() as name:
            yield from measure_waiting(Path(name), api)


async def connect(store_url: str, folder: Path) -> Hook:
    """Make the channel as its set-up would have left it."""
    vault = Vault(read_secret_key(Settings(data_dir=folder)))
    database = await Database.open(store_url)

    def add(tx: Transaction, *, now: datetime) -> Hook:
        values = {"token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"}
        setup = add_channel(
            tx, vault, ChannelKind.TELEGRAM, Telegram.parameters, values, None, "bench", now=now
        )
        report = SetupReport("@tea_bot", {"username": "tea_bot", "bot_id": "110201543"})
        setup = store_report(
            tx, setup.id, report, now=now, link=DeepLink("https://t.me/tea_bot?start={code}")
        )
        return Hook(setup.id, f"/hooks/telegram/{setup.path}", read_config(vault, setup).webhook_secret)

    try:
        return await database.write(add, key="channel")
    finally:
        await database.close()


def settings(folder: Path, api: BotApi) -> dict[str, str]:
    limits = folder / "limits.toml"
    limits.write_text(LIMITS)
    return {"KNOPKA_TELEGRAM_API": api.url, "KNOPKA_LIMITS": str(limits)}


def make_update(hook: Hook, number: int, chat: int, text: str) -> tuple[bytes, dict[str, str]]:
    """One message to the bot: body and headers (Bot API, Update)."""
    update = {
        "update_id": number,
        "message": {
            "message_id": number,
            "from": {
                "id": chat, "is_bot": False, "first_name": "Ann", "last_name": "Lee",
                "username": f"ann_{chat}", "language_code": "en",
            },
            "chat": {"id": chat, "first_name": "Ann", "last_name": "Lee", "type": "private"},
            "date": int(time.time()),
            "text": text,
        },
    }  # fmt: skip
    headers = {"Content-Type": "application/json", SECRET_HEADER: hook.secret}
    return json.dumps(update).encode(), headers


def make_requests(hook: Hook, run: int) -> Callable[[int], bytes]:
    """The webhooks of one run, every message of it new."""

    def make(number: int) -> bytes:
        body, headers = make_update(
            hook, run * 10_000_000 + number, 1_000 + number % CHATS, "Do you have the spring harvest?"
        )
        return post(hook.path, body, headers)

    return make


# --- Webhooks accepted.


def measure_webhooks(kind: str, folder: Path, url: str, api: BotApi) -> Iterator[Row]:
    """The server that keeps, against the same one that does not: with its worker beside it, and without."""
    asyncio.run(set_up(url))
    hook = asyncio.run(connect(url, folder))
    environment = knopka_environment(folder, url) | settings(folder, api)
    with run_python("-m", "bench.memory_server", **environment) as memory:
        with serve(folder, url, **settings(folder, api)) as whole:
            what = f"Webhooks on {kind} while the worker takes them in, against memory"
            yield compare(what, whole, memory, hook, 1, lambda: asyncio.run(wait_for_worker(url)))
        with run_python("-m", "bench.memory_server", "--keep", **environment) as keeping:
            what = f"Webhooks verified, stored and committed on {kind}, against memory"
            yield compare(what, keeping, memory, hook, 101, lambda: None, bound=0.40)


def compare(
    what: str,
    full: Running,
    memory: Running,
    hook: Hook,
    run: int,
    calm: Callable[[], None],
    *,
    bound: float | None = None,
) -> Row:
    """Drive both in turn; `calm` lets the work of one turn end before it can fall on the next."""
    measure(memory, make_requests(hook, run), CONNECTIONS, WARM_UP_S)
    measure(full, make_requests(hook, run), CONNECTIONS, WARM_UP_S)
    rounds: list[tuple[Measured, Measured]] = []
    for turn in range(run + 1, run + 1 + ROUNDS):
        calm()
        unkept = measure(memory, make_requests(hook, turn), CONNECTIONS)
        rounds.append((measure(full, make_requests(hook, turn), CONNECTIONS), unkept))
    shares = [kept.per_second / unkept.per_second for kept, unkept in rounds]
    rates = [median(row[at].per_second for row in rounds) for at in (0, 1)]
    p99 = median(kept.p99_ms for kept, _ in rounds)
    detail = f"{rates[0]:,.0f} against {rates[1]:,.0f} a second, p99 {p99:.0f} ms; {spread(shares)}"
    return Row("h", what, median(shares), bound=bound, detail=detail)


async def wait_for_worker(url: str) -> None:
    """Until every event that was accepted has been worked off."""
    database = await Database.open(url)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while await database.read(db_jobs.is_anything_due):  # noqa: ASYNC110  # of another process
                await asyncio.sleep(0.2)
    finally:
        await database.close()


# --- To the operator's screen, and back.


def measure_ways(folder: Path, api: BotApi) -> Iterator[Row]:
    url = f"sqlite:///{folder}/knopka.db"
    asyncio.run(set_up(url))
    hook = asyncio.run(connect(url, folder))
    (token,) = asyncio.run(sign_operators_in(url, 1))
    with serve(folder, url, **settings(folder, api)) as running:
        yield asyncio.run(measure_arrivals(running, hook, token))
        yield measure_answers(running, api, token)


async def measure_arrivals(running: Running, hook: Hook, token: str) -> Row:
    """Events at a steady pace, whatever becomes of the earlier ones; counted from when each was due."""
    here = f"http://127.0.0.1:{running.port}"
    async with chromium() as browser, httpx.AsyncClient(base_url=here, trust_env=False) as platform:
        context = await browser.new_context(locale="en", viewport={"width": 1440, "height": 900})
        await context.add_cookies([{"name": "knopka", "value": token, "url": here}])
        screen = Screen(await context.new_page())
        await screen.page.expose_function("tellSeen", screen.see)
        screen.page.on("request", lambda request: screen.count(request.url))

        async def tell(number: int) -> float:
            mark = f"mark-{number}"
            seen: asyncio.Future[float] = asyncio.get_running_loop().create_future()
            screen.waiting[mark] = seen
            text = f"{mark}: do you have it in large tins?"
            body, headers = make_update(hook, number, 1_000 + number % SCREEN_CHATS, text)
            sent = time.time() * 1000
            (await platform.post(hook.path, content=body, headers=headers)).raise_for_status()
            async with asyncio.timeout(WAIT_S):
                return await seen - sent

        async def keep_pace(first: int, count: int) -> list[float]:
            async with asyncio.TaskGroup() as group:
                began = time.perf_counter()
                tasks = []
                for number in range(count):
                    await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
                    tasks.append(group.create_task(tell(first + number)))
            return [task.result() for task in tasks]

        await screen.watch(running, "/inbox", "#rows")
        await keep_pace(1, SCREEN_CHATS)
        await screen.page.wait_for_load_state("networkidle")
        screen.asked = 0
        times = await keep_pace(1 + SCREEN_CHATS, RATE * SCREEN_S)
        what = f"A messenger's event to the operator's screen at {RATE} a second"
        return arrivals("h", what, times, 300, screen.asked)


def measure_answers(running: Running, api: BotApi, token: str) -> Row:
    """From the operator's sending to the moment the platform has the message, one at a time."""
    here = f"http://127.0.0.1:{running.port}"
    headers = {"Cookie": f"knopka={token}", "Origin": here, "X-Knopka": "inbox"}
    times = []
    with httpx.Client(base_url=here, trust_env=False, headers=headers) as desk:
        listed = desk.get("/inbox/api/conversations").raise_for_status().json()["conversations"]
        for number in range(WARM_UP + ANSWERS):
            time.sleep(PAUSE_S)
            conversation = listed[number % len(listed)]["id"]
            body = {"key": f"answer-{number:06}", "text": f"answer-{number}: yes, we have"}
            began = time.perf_counter()
            desk.post(f"/inbox/api/conversations/{conversation}/messages", json=body).raise_for_status()
            arrived, text = api.came.get(timeout=WAIT_S)
            assert text == body["text"]
            times.append((arrived - began) * 1000)
    times = sorted(times[WARM_UP:])
    return Row(
        "h",
        "An operator's answer to the platform's socket, idle, p99",
        times[int(len(times) * 0.99)],
        "ms",
        bound=300,
        is_at_most=True,
        detail=f"{len(times)} times, median {median(times):.0f} ms",
    )


# --- Many waiting deliveries.


def measure_waiting(folder: Path, api: BotApi) -> Iterator[Row]:
    """What a day without the platform leaves behind, and how it goes out afterwards."""
    (folder / "idle").mkdir()
    url, idle_url = f"sqlite:///{folder}/knopka.db", f"sqlite:///{folder}/idle/knopka.db"
    source = asyncio.run(set_up(url))
    asyncio.run(set_up(idle_url))
    hook = asyncio.run(connect(url, folder))
    fill(folder / "knopka.db", source, hook)
    walks = [name for name, plan in plans(url).items() if walks_a_table(plan)]
    yield Row(
        "h",
        f"Tables read whole in a tick with {WAITING:,} waiting deliveries",
        len(walks),
        bound=0,
        is_at_most=True,
        detail=", ".join(walks) or f"by the planner's word on {', '.join(plans(url))}",
    )
    api.drain()
    began = time.perf_counter()
    with serve(folder, url, **settings(folder, api)) as running:
        ask(running.port)
        yield Row(
            "h",
            f"First answer with {WAITING:,} waiting deliveries",
            time.perf_counter() - began,
            "s",
            bound=5,
            is_at_most=True,
        )
        first, _ = api.came.get(timeout=WAIT_S)
        time.sleep(DRAIN_S)
        moments = [first, *api.drain()]
    yield drained(moments)
    full, idle = asyncio.run(time_ticks(url)), asyncio.run(time_ticks(idle_url))
    yield Row(
        "h",
        f"A tick that takes a delivery of {WAITING:,}, against one of a single delivery",
        median(full) / median(idle),
        "×",
        bound=2,
        is_at_most=True,
        detail=f"median {median(full):.2f} ms against {median(idle):.2f} ms",
    )


def drained(moments: list[float]) -> Row:
    """How much of what the platform allows was used, from the first message on."""
    came = [moment - moments[0] for moment in moments if moment - moments[0] < DRAIN_S]
    a_second = len(came) / DRAIN_S
    busiest = max(sum(at <= other < at + 1 for other in came) for at in came)
    return Row(
        "h",
        "Drain against what the platform allows",
        a_second / Telegram.caps.per_second,
        bound=0.95,
        detail=f"{a_second:.1f} a second of {Telegram.caps.per_second:g}, {busiest} in the busiest second",
    )


def plans(url: str) -> dict[str, str]:
    """What the store says of the statements that a tick runs."""
    now = int(time.time() * 1000)
    due = {"now": now, "held_since": now, "of_kind": DELIVERIES, "most": 12}
    return {
        "IS_DUE": explain(url, db_jobs.IS_DUE, now=now),
        "FIND_DUE_TIMERS": explain(url, db_jobs.FIND_DUE_TIMERS, now=now, most=200),
        "FIND_DUE": explain(url, db_jobs.FIND_DUE, **due),
    }


async def time_ticks(url: str) -> list[float]:
    """Milliseconds of ticks that take one delivery each; where none waits, one is promised first."""
    database = await Database.open(url)

    async def send_nothing(*_: object) -> None: ...

    def promise(tx: Transaction, *, now: datetime) -> None:
        if not db_jobs.is_anything_due(tx):
            db_jobs.insert_job(tx, ACCOUNT, "out:1:1", DELIVERIES, {})

    handlers: dict[str, Handler] = {deliver_kind(one): Outside(send_nothing, at_once=1) for one in NAMES}
    worker = Worker(database, handlers)
    times = []
    try:
        for _ in range(TICKS):
            await database.write(promise, key="bench")
            began = time.perf_counter()
            await worker.tick()
            times.append((time.perf_counter() - began) * 1000)
            await worker.settle()
    finally:
        await database.close()
    return times


def fill(path: Path, source: Source, hook: Hook) -> None:
    """Ten answers wait in each of many conversations."""
    now = int(time.time() * 1000) - WAITING
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")  # of this filling alone; the server sets its own
        for table, rows in tables(source, hook, now):
            first = next(rows)
            marks = ", ".join(f":{name}" for name in first)
            statement = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({marks})"  # noqa: S608  # our own names
            connection.execute(statement, first)
            connection.executemany(statement, rows)


def tables(source: Source, hook: Hook, now: int) -> Iterator[tuple[str, Iterator[dict[str, object]]]]:
    account, button = source.account_id, source.id
    people, answers = range(1, CONVERSATIONS + 1), range(1, WAITING + 1)
    each = WAITING // CONVERSATIONS
    known = {"account_id": account, "created_at": now}

    kind = share_of(deliver_kind(ChannelKind.TELEGRAM), hook.id)

    def chat(answer: int) -> int:
        return (answer - 1) % CONVERSATIONS + 1

    def text(answer: int) -> str:
        return f"answer-{answer}: yes, we have it in large tins"

    yield (
        "contacts",
        ({**known, "id": n, "name": f"Ann {n}", "name_origin": "profile", "updated_at": now} for n in people),
    )
    yield "leads", (
        {
            **known, "id": n, "contact_id": n, "source_id": button, "name": f"Order {n}",
            "name_origin": "auto", "price": 0, "pipeline_id": 1, "status_id": 1, "updated_at": now,
        }
        for n in people
    )  # fmt: skip
    yield (
        "visitors",
        (
            {
                **known,
                "id": n,
                "source_id": button,
                "token_hash": f"{n:064x}",
                "contact_id": n,
                "seen_at": now,
            }
            for n in people
        ),
    )
    yield "conversations", (
        {
            **known, "id": n, "source_id": button, "channel": "telegram", "visitor_id": n, "contact_id": n,
            "lead_id": n, "status": "open", "is_visit_unknown": False, "last_seq": each, "last_text": "yes",
            "last_direction": "out", "last_message_at": now, "operator_read_seq": 0, "visitor_read_seq": 0,
            "visitor_delivered_seq": 0, "unread": 0, "page_url": "", "changed_at": n,
            "channel_id": hook.id, "chat_id": str(1_000 + n),
        }
        for n in people
    )  # fmt: skip
    yield "messages", (
        {
            **known, "id": n, "conversation_id": chat(n), "seq": (n - 1) // CONVERSATIONS + 1,
            "direction": "out", "key": f"key-{n:012}", "body_hash": f"{n:064x}", "text": text(n),
            "state": "waiting",
        }
        for n in answers
    )  # fmt: skip
    yield "deliveries", (
        {
            "account_id": account, "id": n, "conversation_id": chat(n), "channel_id": hook.id,
            "message_id": n, "part": 0, "text": text(n), "key": f"{n:032x}", "echo_mark": "",
            "state": "waiting",
        }
        for n in answers
    )  # fmt: skip
    yield "jobs", (
        {
            **known, "key": lane(hook.id, chat(n)), "kind": kind,
            "payload": json.dumps({"delivery": n, "channel": hook.id, "conversation": chat(n)}),
            "due_at": now + n, "attempts": 0, "fence": 0, "is_out_of_order": False,
        }
        for n in answers
    )  # fmt: skip
