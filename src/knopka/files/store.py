"""What every store of files does, and the names that it knows them by."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import tempfile
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from knopka.domain.errors import KnopkaError, NotFound

PART = 64 * 1024
_NAME = re.compile(r"[0-9a-f]{32}")


class Opened(NamedTuple):
    """A file that is kept. Nothing is held open before its bytes are asked for."""

    size: int
    mime: str
    read: Callable[[int, int], AsyncGenerator[bytes, None]]
    """Its bytes, as they come: from which on, and how many."""


class FileStore(Protocol):
    """Keeps files under names that `make_name` made. Raises NotFound, and Unavailable when it fails."""

    async def put(self, name: str, path: Path, mime: str) -> None:
        """Keep a copy of the file. It is on disk when this returns."""

    async def open(self, name: str) -> Opened: ...

    async def delete(self, name: str) -> None:
        """Forget the file; one that is not there is forgotten already."""

    async def list_old(self, digit: str, before: datetime) -> list[str]:
        """The names beginning with this digit under which something lies that is older; none where files
        are not looked through."""

    async def check(self) -> str | None:
        """Put a small file there and take it away again; what went wrong, in words without secrets."""

    async def close(self) -> None: ...


def make_name() -> str:
    """A name that nobody can guess: 128 random bits, 32 hexadecimal digits."""
    return secrets.token_hex(16)


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def folders_of(name: str) -> tuple[str, str, str]:
    """A name in two levels of folders, so that none of them grows large."""
    if not is_name(name):
        raise NotFound("There is no such file.")
    return name[:2], name[2:4], name


async def try_out(store: FileStore) -> str | None:
    """Put a small file there and take it away again; what went wrong, in words."""
    name, text = make_name(), b"knopka was here"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe"
        path.write_bytes(text)
        try:
            await store.put(name, path, "text/plain")
            opened = await store.open(name)
            came = b"".join([part async for part in opened.read(0, opened.size)])
            await store.delete(name)
        except KnopkaError as error:
            return error.message
    return None if came == text else "The store of files gives back other bytes than it was given."


def create_file(path: Path) -> BinaryIO:
    """A new file for our eyes alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


async def read_file(path: Path, first: int, length: int) -> AsyncGenerator[bytes, None]:
    """Bytes of a file, which is opened when the first are asked for."""
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError:
        raise NotFound("There is no such file.") from None
    try:
        await asyncio.to_thread(file.seek, first)
        while part := await asyncio.to_thread(file.read, min(PART, length)):
            yield part
            length -= len(part)
    finally:
        await asyncio.to_thread(file.close)
