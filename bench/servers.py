"""The servers that are measured, each a process of its own on a port that the system chose."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from knopka.db.database import Database
from knopka.db.migrate import migrate
from knopka.domain.catalog import FieldDraft, OptionDraft, SourceDraft
from knopka.domain.fields import FieldType
from knopka.domain.meta import Entity
from knopka.domain.visitor import Source
from knopka.services.catalog import add_field, add_source, ensure_account

SHOP = "https://shop.example"
START_S = 20


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    process: psutil.Process
    port: int
    seconds_to_start: float

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def resident_mb(self) -> float:
        return float(self.process.memory_info().rss / 2**20)


@contextlib.contextmanager
def run_python(*arguments: str, **environment: str) -> Iterator[Running]:
    """Start a Python program that prints `{"url": …}` on one line once it answers."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                said.seek(0)
                raise RuntimeError(f"{' '.join(arguments)} did not start:\n{said.read()}")
            port = int(json.loads(line)["url"].rpartition(":")[2])
            yield Running(psutil.Process(process.pid), port, time.perf_counter() - started)
        finally:
            process.terminate()
            process.wait(START_S)
            process.stdout.close()


def serve(folder: Path, store_url: str, **settings: str) -> contextlib.AbstractContextManager[Running]:
    """Start `knopka serve` on a store that is set up."""
    environment = knopka_environment(folder, store_url) | settings
    return run_python("-m", "knopka", "serve", "--json", **environment)


def knopka_environment(folder: Path, store_url: str) -> dict[str, str]:
    """The settings of `knopka serve` behind a trusted proxy on this computer."""
    port = find_port()
    return {
        "KNOPKA_DATA_DIR": str(folder),
        "KNOPKA_DATABASE_URL": store_url,
        "KNOPKA_BASE_URL": f"http://127.0.0.1:{port}",
        "KNOPKA_PORT": str(port),
        "KNOPKA_TRUSTED_PROXIES": "127.0.0.1",
        "KNOPKA_LOG_LEVEL": "warning",
    }


def find_port() -> int:
    """A port that is free at this moment: browsers are told the address before the server starts."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


async def set_up(store_url: str, *origins: str) -> Source:
    """Make the account, the fields that the load fills, and a button for the shop and these sites."""
    migrate(store_url)
    database = await Database.open(store_url)
    try:
        await database.write(
            ensure_account, name="Shop", locale="en", timezone="UTC", currency="EUR", key="catalog"
        )
        for draft in FIELDS:
            await database.write(add_field, draft, key="catalog")
        return await database.write(
            add_source, SourceDraft(name="Shop", origins=(SHOP, *origins)), key="catalog"
        )
    finally:
        await database.close()


PHONE = 123456
FIELDS = (
    FieldDraft(
        Entity.CONTACT, FieldType.MULTITEXT, "Phone", id=PHONE, code="PHONE",
        options=(OptionDraft("WORK", 12345, code="WORK"),),
    ),
)  # fmt: skip
