"""A command as a shell runs it: its own environment, its own store."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from knopka.cli import main

BASE_URL = "https://chat.shop.example"


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value that a command with --json prints, on one line."""
        assert self.code == 0, self.err
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """Runs commands with these settings and no others."""

    environment: dict[str, str]

    def __call__(self, *arguments: str | Path, stdin: str | bytes = "", **settings: str) -> Answer:
        """Run `knopka` with these arguments; a setting is given by its name, `KNOPKA_PORT="0"`."""
        done = CliRunner().invoke(
            main, [str(argument) for argument in arguments], input=stdin, env={**self.environment, **settings}
        )
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Answer(done.exit_code, done.stdout, done.stderr)

    @property
    def data_dir(self) -> Path:
        return Path(self.environment["KNOPKA_DATA_DIR"])

    @property
    def store(self) -> Path:
        return self.data_dir / "knopka.db"


@pytest.fixture
def bare(tmp_path: Path) -> Shell:
    """Settings, and no store yet."""
    return Shell({"KNOPKA_DATA_DIR": str(tmp_path / "data"), "KNOPKA_BASE_URL": BASE_URL})


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its account, to be copied."""
    folder = tmp_path_factory.mktemp("store")
    assert Shell({"KNOPKA_DATA_DIR": str(folder)})("migrate").code == 0
    return folder / "knopka.db"


@pytest.fixture
def shell(bare: Shell, template: Path) -> Shell:
    """Settings and a store that holds an account and nothing else."""
    bare.data_dir.mkdir(mode=0o700)
    shutil.copy(template, bare.store)
    return bare


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
