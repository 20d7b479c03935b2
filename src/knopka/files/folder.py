"""Files in a folder of this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from knopka.domain.errors import NotFound, Unavailable
from knopka.files.store import PART, Opened, create_file, folders_of, is_name, read_file, try_out
from knopka.files.types import safe_mime

_DRAFT = ".part"


class FolderStore:
    """Files in a folder: `ab/cd/abcd….image~png`, the type in the name's end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, path: Path, mime: str) -> None:
        *folders, leaf = folders_of(name)
        target = self._folder.joinpath(*folders, f"{leaf}.{safe_mime(mime).replace('/', '~')}")
        with _told_as_unavailable():
            await asyncio.to_thread(_keep, path, target)

    async def open(self, name: str) -> Opened:
        with _told_as_unavailable():
            path, size = await asyncio.to_thread(self._find, name)
        return Opened(size, path.name.partition(".")[2].replace("~", "/"), partial(read_file, path))

    async def delete(self, name: str) -> None:
        """With the draft of it that a killed process has left."""
        with suppress(NotFound), _told_as_unavailable():
            for path in await asyncio.to_thread(self._list, name):
                await asyncio.to_thread(path.unlink, missing_ok=True)

    async def list_old(self, digit: str, before: datetime) -> list[str]:
        with _told_as_unavailable():
            return await asyncio.to_thread(self._list_old, digit, before.timestamp())

    async def check(self) -> str | None:
        return await try_out(self)

    async def close(self) -> None:
        """Nothing is held open."""

    def _find(self, name: str) -> tuple[Path, int]:
        for path in self._list(name):
            if path.suffix != _DRAFT:
                return path, path.stat().st_size
        raise NotFound("There is no such file.")

    def _list(self, name: str) -> list[Path]:
        *folders, leaf = folders_of(name)
        return list(self._folder.joinpath(*folders).glob(f"{leaf}.*"))

    def _list_old(self, digit: str, before: float) -> list[str]:
        """What is not named as our files are is somebody else's, and no matter of ours."""
        found = set()
        for path in self._folder.glob(f"{digit}[0-9a-f]/[0-9a-f][0-9a-f]/*.*"):
            name = path.name.partition(".")[0]
            with suppress(FileNotFoundError):
                if is_name(name) and path.stat().st_mtime < before:
                    found.add(name)
        return sorted(found)


def _keep(source: Path, target: Path) -> None:
    """Copy a file so that after a power cut there is the whole of it or nothing under its name."""
    new = [folder for folder in (target.parent, *target.parent.parents[:2]) if not folder.exists()]
    for folder in reversed(new):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = target.with_name(target.name.partition(".")[0] + _DRAFT)
    try:
        with source.open("rb") as given, create_file(draft) as copy:
            shutil.copyfileobj(given, copy, PART)
            copy.flush()
            os.fsync(copy.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    for folder in (target.parent, *(folder.parent for folder in new)):
        _sync(folder)


def _sync(folder: Path) -> None:
    """Have a folder's own entries on disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _told_as_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"The folder of files fails: {error.strerror}.") from error
