"""Media from messengers: taken in, kept, and given out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx

from knopka.files.folder import FolderStore
from knopka.files.intake import Taken, sweep_drafts, take_in
from knopka.files.refused import Refused
from knopka.files.s3 import S3Address, S3Store
from knopka.files.serving import headers_for
from knopka.files.store import FileStore, Opened, make_name

__all__ = [
    "FileStore",
    "Opened",
    "Refused",
    "Taken",
    "headers_for",
    "make_name",
    "open_files",
    "place_of",
    "sweep_drafts",
    "take_in",
]


def open_files(setting: str, data_dir: Path, connect: Callable[[str], httpx.AsyncClient]) -> FileStore:
    """The store that KNOPKA_FILES names: a folder, or `s3://…`; empty: a folder in the data directory.

    `connect` makes an HTTP client that reaches this one address. Raises InvalidInput.
    """
    place = place_of(setting, data_dir)
    if isinstance(place, Path):
        return FolderStore(place)
    return S3Store(place, connect(place.endpoint), lambda: datetime.now(UTC))


def place_of(setting: str, data_dir: Path) -> Path | S3Address:
    """Where the store keeps its files. Raises InvalidInput."""
    if setting.startswith("s3:"):
        return S3Address.parse(setting)
    return Path(setting) if setting else data_dir / "files"
