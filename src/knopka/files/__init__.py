"""Media from messengers: taken in, kept, and given out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx

from knopka.files.folder import FolderStore
from knopka.files.intake import Taken, take_in
from knopka.files.refused import Refused
from knopka.files.s3 import S3Address, S3Store
from knopka.files.serving import headers_for
from knopka.files.store import FileStore, Opened, make_name

__all__ = ["FileStore", "Opened", "Refused", "Taken", "headers_for", "make_name", "open_files", "take_in"]


def open_files(setting: str, data_dir: Path, connect: Callable[[str], httpx.AsyncClient]) -> FileStore:
    """The store that KNOPKA_FILES names: a folder, or `s3://…`; empty: a folder in the data directory.

    `connect` makes an HTTP client that reaches this one address. Raises InvalidInput.
    """
    if not setting.startswith("s3:"):
        return FolderStore(Path(setting) if setting else data_dir / "files")
    address = S3Address.parse(setting)
    return S3Store(address, connect(address.endpoint), lambda: datetime.now(UTC))
