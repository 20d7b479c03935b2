"""`demo` and `serve` as a shell starts them: what they say first, what they answer, how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Shell

PATIENCE_S = 60
Start = Callable[..., "Running"]


class Running:
    """A server in a process of its own; its first line on stdout says that it answers."""

    def __init__(self, arguments: tuple[str, ...], settings: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "knopka", *arguments],
            env={"PATH": os.environ["PATH"], **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()

    @property
    def ready(self) -> dict[str, Any]:
        """What --json says, before any line of the log."""
        answer: dict[str, Any] = json.loads(self.first_line)
        return answer

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.rest, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[Running] = []

    def start(*arguments: str, **settings: str) -> Running:
        servers.append(Running(arguments, settings))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.communicate()


def until(holds: Callable[[], bool]) -> float:
    """Ask until it holds; the seconds that it took."""
    began = monotonic()
    while not holds():
        assert monotonic() - began < PATIENCE_S
    return monotonic() - began


def test_the_demo_says_where_it_is_before_its_log(start: Start, tmp_path: Path) -> None:
    server = start("demo", "--json", "--port", "0", KNOPKA_DATA_DIR=str(tmp_path))
    ready = server.ready
    assert set(ready) == {"url", "inbox", "demo_page", "login", "password", "simulator"}
    assert httpx.get(ready["demo_page"]).status_code == 200
    assert httpx.get(ready["inbox"], follow_redirects=True).status_code == 200
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert server.end() == 0


def test_the_demo_keeps_its_operator_and_its_data_until_it_is_told_to_begin_anew(
    start: Start, tmp_path: Path
) -> None:
    first = start("demo", "--json", "--port", "0", KNOPKA_DATA_DIR=str(tmp_path))
    first.end()
    again = start("demo", "--json", "--port", "0", KNOPKA_DATA_DIR=str(tmp_path))
    again.end()
    fresh = start("demo", "--json", "--port", "0", "--fresh", KNOPKA_DATA_DIR=str(tmp_path))
    fresh.end()
    assert first.ready["password"] == again.ready["password"] != fresh.ready["password"]


def test_commands_act_on_the_demo_when_its_folder_is_named(start: Start, tmp_path: Path) -> None:
    start("demo", "--json", "--port", "0", KNOPKA_DATA_DIR=str(tmp_path))
    fields = Shell({"KNOPKA_DATA_DIR": str(tmp_path / "demo")})("field", "list", "--json").json
    (phone,) = [field for field in fields if field["id"] == 123456]
    assert (phone["type"], phone["code"]) == ("multitext", "PHONE")
    assert 12345 in {enum["id"] for enum in phone["enums"]}


def test_the_demo_leaves_the_real_installation_alone(start: Start, shell: Shell) -> None:
    """Settings of a real installation stand in the same environment."""
    before = shell.store.read_bytes()
    settings = {**shell.environment, "KNOPKA_DATABASE_URL": f"sqlite:///{shell.store}"}
    ready = start("demo", "--json", "--port", "0", **settings).ready
    assert ready["url"].startswith("http://127.0.0.1:")
    assert shell.store.read_bytes() == before


def test_a_server_makes_its_store_and_asks_for_the_first_operator(start: Start, bare: Shell) -> None:
    server = start("serve", "--json", **bare.environment, KNOPKA_PORT="0")
    assert server.ready["url"] == bare.environment["KNOPKA_BASE_URL"]
    assert server.ready["setup_code"]
    assert bare("button", "list", "--json").json == []
    assert server.end() == 0


def test_a_server_has_no_demo(start: Start, shell: Shell, free_port: int) -> None:
    start("serve", **shell.environment, KNOPKA_PORT=str(free_port))
    for path in ("/demo", "/demo/clock"):
        assert httpx.get(f"http://127.0.0.1:{free_port}{path}").status_code == 404
    assert httpx.post(f"http://127.0.0.1:{free_port}/demo/clock", json={"advance": "24h"}).status_code == 404


def test_a_running_server_notices_a_new_button_within_a_second(
    start: Start, shell: Shell, free_port: int
) -> None:
    start("serve", **shell.environment, KNOPKA_PORT=str(free_port))
    shop = "https://shop.example"
    added = shell("button", "add", "--name", "Shop", "--origin", shop, "--json").json
    config = f"http://127.0.0.1:{free_port}/w/config/{added['id']}/{added['hash']}"
    with httpx.Client(headers={"Origin": shop}) as client:
        assert until(lambda: client.get(config).status_code == 200) < 2


def test_a_taken_port_is_named(start: Start, shell: Shell, free_port: int) -> None:
    first = start("serve", **shell.environment, KNOPKA_PORT=str(free_port))
    assert first.first_line
    second = start("serve", **shell.environment, KNOPKA_PORT=str(free_port))
    assert second.process.wait(timeout=PATIENCE_S) == 1
    assert "in use" in second.first_line
    assert "Traceback" not in second.first_line


@pytest.mark.parametrize(
    ("arguments", "settings", "names"),
    [
        (("serve",), {"KNOPKA_BASE_URL": "", "KNOPKA_PORT": "0"}, "KNOPKA_BASE_URL"),
        (("serve",), {"KNOPKA_SECRET_KEY": "short", "KNOPKA_PORT": "0"}, "KNOPKA_SECRET_KEY"),
        (("serve", "--no-work"), {"KNOPKA_PORT": "0"}, "--no-work"),
        (("work",), {}, "PostgreSQL"),
        (("demo", "--port", "70000"), {}, "65535"),
    ],
)
def test_what_cannot_be_started_says_why(
    bare: Shell, arguments: tuple[str, ...], settings: dict[str, str], names: str
) -> None:
    answer = bare(*arguments, **settings)
    assert (answer.code, answer.out) == (2, "")
    assert names in answer.err


def test_postgresql_is_never_migrated_by_starting(postgres_server: Any, bare: Shell) -> None:
    """Several servers share it; that is a decision of whoever runs it."""
    postgres_server.execute("CREATE DATABASE knopka_empty")
    answer = bare("serve", KNOPKA_DATABASE_URL=postgres_server.url("knopka_empty"), KNOPKA_PORT="0")
    assert answer.code == 1
    assert "run knopka migrate" in answer.err
