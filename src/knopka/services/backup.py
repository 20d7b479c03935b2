"""A whole copy of the store, made while it is in use and checked before it gets its name."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from knopka.db import sqlite
from knopka.db.migrate import backup_sqlite
from knopka.domain.errors import Conflict, KnopkaError, NotFound


class BackupFailed(KnopkaError):
    """No usable copy was made, and nothing is left that looks like one."""

    code = "backup_failed"


@dataclass(frozen=True, slots=True)
class Backup:
    file: Path
    bytes: int
    kind: str
    """`sqlite`, the store itself, or `pg_dump`, its custom format."""


def back_up(url: str, target: Path) -> Backup:
    """Copy the store that `url` names to `target`, which must not exist yet."""
    if target.exists():
        raise Conflict(f"{target} exists already; a backup never replaces a file.")
    if not target.absolute().parent.is_dir():
        raise NotFound(f"{target.absolute().parent} is not a folder.")
    draft = target.with_name(target.name + ".unchecked")
    try:
        kind = _copy(url, draft)
        os.link(draft, target)  # unlike a rename, this cannot replace what came there in the meantime
    except FileExistsError as error:
        raise Conflict(f"{target} has come into being meanwhile; a backup never replaces a file.") from error
    except (OSError, sqlite3.Error) as error:
        raise BackupFailed(f"No backup was made: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return Backup(target, target.stat().st_size, kind)


def _copy(url: str, draft: Path) -> str:
    if not url.startswith("sqlite:"):
        _dump_postgres(url, draft)
        return "pg_dump"
    path = sqlite.parse_url(url)
    if not path.exists():
        raise NotFound(f"There is no store at {path}.")
    backup_sqlite(path, draft)
    _check_sqlite(draft)
    return "sqlite"


def _check_sqlite(copy: Path) -> None:
    """A copy that cannot be read whole is no backup."""
    with contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        strays = connection.execute("PRAGMA foreign_key_check").fetchone()
    if verdict != "ok" or strays is not None:
        raise BackupFailed(
            f"The copy is damaged, and so may be the store: {verdict if verdict != 'ok' else strays}"
        )


def _dump_postgres(url: str, draft: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise BackupFailed(
            "pg_dump is missing. It comes with PostgreSQL's client: apt-get install postgresql-client"
        )
    parts = conninfo_to_dict(url)
    # The password travels in the environment: arguments are shown to everybody on the machine.
    password = {"PGPASSWORD": str(parts.pop("password"))} if "password" in parts else {}
    database = make_conninfo("", **parts)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    done = subprocess.run(  # noqa: S603  # our own arguments
        [program, "--format=custom", "--no-password", f"--file={draft}", f"--dbname={database}"],
        env={**os.environ, **password},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BackupFailed(f"pg_dump failed: {done.stderr.strip()}")
