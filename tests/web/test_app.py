"""How a server starts, what it makes for itself, and what it refuses to start with."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from knopka.app import (
    CatalogCache,
    demo_origins,
    demo_settings,
    prepare_store,
    read_limits,
    read_secret_key,
)
from knopka.db.migrate import migrate
from knopka.domain.errors import InvalidInput, Unavailable
from knopka.settings import Settings
from tests.web.running import running

pytestmark = pytest.mark.anyio


def settings(folder: Path, **environ: str) -> Settings:
    return Settings.from_env({"KNOPKA_DATA_DIR": str(folder / "data"), **environ})


def test_without_a_secret_key_one_is_made_for_us_alone_and_kept(tmp_path: Path) -> None:
    key = read_secret_key(settings(tmp_path))
    file = tmp_path / "data/secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_secret_key(settings(tmp_path)) == key
    assert len(file.read_text()) == 64


def test_S_SEC_04_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    read_secret_key(settings(tmp_path))
    (tmp_path / "data/secret.key").chmod(0o644)
    with pytest.raises(InvalidInput, match="chmod 600"):
        read_secret_key(settings(tmp_path))


def test_a_key_file_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    read_secret_key(settings(tmp_path))
    (tmp_path / "data/secret.key").write_text("")
    with pytest.raises(InvalidInput, match="not whole"):
        read_secret_key(settings(tmp_path))


async def test_of_two_readings_of_the_catalog_the_newest_stays() -> None:
    slow = asyncio.Event()

    class Store:
        began = 0

        async def read(self, _: Any) -> Any:
            self.began += 1
            number = self.began
            if number == 1:
                await slow.wait()
            return number

    store: Any = Store()
    nothing: Any = None
    cache = CatalogCache(store, nothing)
    readings = [asyncio.create_task(cache.reload()) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    slow.set()
    await asyncio.gather(*readings)
    newest: Any = cache.get()
    assert newest == 2


def test_a_file_of_limits_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="KNOPKA_LIMITS"):
        read_limits(settings(tmp_path, KNOPKA_LIMITS=str(tmp_path / "nowhere")))


@pytest.mark.parametrize(
    "make",
    [read_secret_key, prepare_store, lambda settings: migrate(settings.store_url)],
    ids=["key", "start", "migrate"],
)
def test_the_folder_that_is_made_for_the_data_is_ours_alone(
    tmp_path: Path, make: Callable[[Settings], object]
) -> None:
    make(settings(tmp_path))
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_store_is_made_once(tmp_path: Path) -> None:
    prepare_store(settings(tmp_path))
    made = (tmp_path / "data/knopka.db").stat()
    prepare_store(settings(tmp_path))
    assert (tmp_path / "data/knopka.db").stat().st_ino == made.st_ino


def test_a_store_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/knopka.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(Unavailable, match="cannot be opened"):
        prepare_store(settings(tmp_path))


def test_the_demo_keeps_to_its_own_folder(tmp_path: Path) -> None:
    assert demo_settings(settings(tmp_path)).data_dir == tmp_path / "data/demo"


def test_the_demo_may_be_opened_by_the_name_localhost() -> None:
    assert demo_origins("http://127.0.0.1:8000") == ("http://127.0.0.1:8000", "http://localhost:8000")
    assert demo_origins("https://demo.example") == ("https://demo.example",)


async def test_a_stopped_server_has_let_go_of_its_store(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path) as server:
        pass
    assert server.house.database.health.state == "stopped"


START = """
import os
from knopka import app
from knopka.settings import Settings
def tell(ready):
    print(ready.url, ready.setup_code, flush=True)
app.serve(Settings.from_env(os.environ), on_ready=tell)
"""


def start(folder: Path, **environ: str) -> subprocess.Popen[str]:
    given = {"KNOPKA_DATA_DIR": str(folder / "data"), "KNOPKA_PORT": "0", **environ}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KNOPKA_")}
    return subprocess.Popen(
        [sys.executable, "-c", START],
        env=clean | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def listening_port(process: subprocess.Popen[str]) -> int:
    found = psutil.Process(process.pid).net_connections()
    return int(next(connection.laddr.port for connection in found if connection.status == "LISTEN"))


def test_serve_answers_soon_stays_small_and_ends_at_a_signal(tmp_path: Path) -> None:
    began = time.monotonic()
    with start(tmp_path, KNOPKA_BASE_URL="https://chat.example") as process:
        try:
            assert process.stdout is not None
            url, setup_code = process.stdout.readline().split()
            answer = httpx.get(f"http://127.0.0.1:{listening_port(process)}/healthz", trust_env=False)
            took = time.monotonic() - began
            memory = psutil.Process(process.pid).memory_info().rss
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    assert answer.status_code == 200
    assert url == "https://chat.example"
    assert setup_code.count("-") == 7
    # The promise is 1 s and 120 MB on an idle machine (make bench); here others run beside us.
    assert took < 10
    assert memory < 120_000_000


def test_S_SEC_04_serve_does_not_start_without_its_address(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "KNOPKA_BASE_URL" in errors
