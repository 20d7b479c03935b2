"""(f) How soon `knopka serve` answers, and what it holds when nobody calls."""

from __future__ import annotations

import asyncio
import http.client
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.rows import Row
from bench.servers import serve, set_up

ROUNDS = 5


def measure_start() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/knopka.db"
        asyncio.run(set_up(url))
        times, held, cpu = [], [], []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            with serve(Path(name), url) as running:
                ask(running.port)
                times.append(time.perf_counter() - began)
                held.append(running.resident_mb())
                cpu.append(running.cpu_seconds())
    detail = f"from {min(times):.2f} to {max(times):.2f} s, of which the processor {median(cpu):.2f} s"
    yield Row(
        "f", "knopka serve: first answer", median(times), "s", bound=1.0, is_at_most=True, detail=detail
    )
    yield Row("f", "knopka serve: idle memory", median(held), "MB", bound=120, is_at_most=True)


def ask(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
