"""(g) The same calls in a store with a million journal rows and 200,000 cards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.meta_calls import WARM_UP_S, make_requests, measure
from bench.rows import Row, spread
from bench.servers import serve, set_up
from knopka.domain.visitor import Source

JOURNAL = 1_000_000
CARDS = 200_000
ROUNDS = 9
CONNECTIONS = 64
DAY_MS = 86_400_000
CALL = json.dumps({"lead": {"sale": 999}, "note": {"text": "From the spring letter"}})
VERDICTS = json.dumps([["lead.sale", "filled", []], ["note", "noted", []]])


def measure_grown() -> Iterator[Row]:
    """An empty store and a grown one are driven in turn."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        running = []
        for kind in ("empty", "grown"):
            folder = Path(name) / kind
            folder.mkdir()
            url = f"sqlite:///{folder}/knopka.db"
            source = asyncio.run(set_up(url))
            if kind == "grown":
                grow(folder / "knopka.db", source)
            running.append((stack.enter_context(serve(folder, url)), source))
        for at, (server, source) in enumerate(running):
            measure(server, make_requests(source, f"warm{at}"), CONNECTIONS, WARM_UP_S)
        shares = []
        for number in range(ROUNDS):
            empty, grown = (
                measure(server, make_requests(source, f"turn{number}{at}"), CONNECTIONS)
                for at, (server, source) in enumerate(running)
            )
            shares.append(grown.per_second / empty.per_second)
    yield Row(
        "g",
        f"setMeta with {JOURNAL:,} journal rows and {CARDS:,} cards, against an empty store",
        median(shares),
        bound=0.9,
        detail=spread(shares),
    )


def grow(path: Path, source: Source) -> None:
    """Fill the store as a year of a busy site would: five calls to each card."""
    now = int(time.time() * 1000)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")  # of this filling alone; the server sets its own
        for statement, rows in tables(source, now):
            connection.executemany(statement, rows)
        connection.execute("ANALYZE")


def tables(source: Source, now: int) -> Iterator[tuple[str, Iterator[tuple[object, ...]]]]:
    account, button, numbers = source.account_id, source.id, range(1, CARDS + 1)

    def past(number: int) -> int:
        return now - DAY_MS * 365 + number * (DAY_MS * 364 // JOURNAL)

    yield (
        "INSERT INTO contacts (id, account_id, name, name_origin, created_at, updated_at)"
        " VALUES (?,?,?,?,?,?)",
        ((n, account, f"Ann {n}", "site", past(n), past(n)) for n in numbers),
    )
    yield (
        "INSERT INTO leads (id, account_id, contact_id, source_id, name, name_origin, price, pipeline_id,"
        " status_id, created_at, updated_at) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        ((n, account, n, button, f"Order {n}", "site", 999, 1, 1, past(n), past(n)) for n in numbers),
    )
    yield (
        "INSERT INTO visits (id, account_id, source_id, key_hash, contact_id, lead_id, page_url, created_at,"
        " seen_at) VALUES (?,?,?,?,?,?,?,?,?)",
        ((n, account, button, f"{n:064x}", n, n, "https://shop.example/", past(n), past(n)) for n in numbers),
    )
    yield (
        "INSERT INTO meta_calls (account_id, source_id, visit_id, lead_id, key, body_hash, body, page_url,"
        " verdicts, at) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            (
                account, button, n % CARDS + 1, n % CARDS + 1, f"key-{n:012}", f"{n:064x}", CALL,
                "https://shop.example/tea", VERDICTS, past(n),
            )
            for n in range(JOURNAL)
        ),
    )  # fmt: skip
