"""A process killed at any moment under load: what it acknowledged is there once, jobs kept their order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import func, select

from knopka.db.database import Database
from knopka.db.statement import Statement
from knopka.db.tables import counters, dead_letters
from tests.store.killed import CLIENTS, JOB_EVERY

pytestmark = pytest.mark.anyio

KILLS = 20
CHILD = Path(__file__).with_name("killed.py")
LIST = Statement(select(counters))
DEAD = Statement(select(func.count().label("n")).select_from(dead_letters))


def start(url: str, mode: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, CHILD, url, mode], stdout=subprocess.PIPE)


def run_and_kill(url: str, after_s: float) -> list[bytes]:
    """What the child said until it was killed, so long after its first word."""
    child = start(url, "write")
    assert child.stdout is not None
    said = [child.stdout.readline()]
    until = monotonic() + after_s
    while monotonic() < until:
        said.append(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    said += child.stdout.readlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return [line for line in said if line.endswith(b"\n")]


def run_to_the_end(url: str) -> list[bytes]:
    """What a child said that was left alone until no job was left."""
    done = subprocess.run([sys.executable, CHILD, url, "drain"], stdout=subprocess.PIPE, check=True)
    return done.stdout.splitlines()


def gather(lines: Iterable[bytes], word: bytes) -> dict[int, list[int]]:
    """The numbers that were said of each client, in the order in which they were said."""
    found: dict[int, list[int]] = defaultdict(list)
    for line in lines:
        kind, client, n = line.split()
        if kind == word:
            found[int(client)].append(int(n))
    return found


async def test_what_was_acknowledged_outlives_twenty_kills(store_url: str) -> None:
    seed = random.randrange(2**32)  # noqa: S311  # shown when the test fails
    chance = random.Random(seed)  # noqa: S311
    lines = [line for _ in range(KILLS) for line in run_and_kill(store_url, chance.uniform(0.0, 0.25))]
    lines += run_to_the_end(store_url)

    database = await Database.open(store_url)
    rows = await database.read(lambda tx: tx.rows(LIST))
    [dead] = await database.read(lambda tx: tx.rows(DEAD))
    await database.close()
    kept = {row["name"]: row["value"] for row in rows}
    promised, called = gather(lines, b"ack"), gather(lines, b"call")
    context = f"seed {seed}"
    assert sum(map(len, promised.values())) > KILLS * CLIENTS, context
    for client in range(CLIENTS):
        stored = kept[f"stored {client}"]
        lost = set(promised[client]) - set(range(1, stored + 1))
        assert not lost, context
        assert len(promised[client]) == len(set(promised[client])), context
        assert stored - len(promised[client]) <= KILLS, "one write was under way at each kill"
        assert {kept[f"row {client} {n}"] for n in range(1, stored + 1)} == {1}, context
        assert kept[f"done {client}"] == stored // JOB_EVERY, context
        assert called[client] == sorted(set(called[client])), "called in order, and never twice"
    assert "wrong order" not in kept, context
    assert dead["n"] <= KILLS * CLIENTS, "only a call that was cut by a kill is in doubt"
    calls = sum(map(len, called.values()))
    jobs = sum(kept[f"stored {client}"] // JOB_EVERY for client in range(CLIENTS))
    assert jobs - dead["n"] <= calls <= jobs, context
