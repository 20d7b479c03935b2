"""The store as a command uses it: opened for one use case, beside a running server or without one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from knopka.db.database import Database
from knopka.db.sqlite import parse_url
from knopka.domain.errors import NotFound
from knopka.settings import Settings

T = TypeVar("T")


def read_settings() -> Settings:
    """The settings of this environment, or InvalidInput with every fault."""
    return Settings.from_env(os.environ)


def read(use_case: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Run one use case on a read connection."""
    return with_database(lambda database: database.read(use_case, *args, **kwargs))


def write(use_case: Callable[..., T], /, *args: Any, key: tuple[object, ...], **kwargs: Any) -> T:
    """Run one use case on the writer; a running server notices it within a second."""
    return with_database(lambda database: database.write(use_case, *args, key=key, **kwargs))


def with_database(job: Callable[[Database], Awaitable[T]]) -> T:
    """Do something with the open store."""
    url = read_settings().store_url
    if url.startswith("sqlite:") and not (path := parse_url(url)).exists():
        raise NotFound(f"There is no store at {path} yet. Make it with: knopka migrate")

    async def run() -> T:
        database = await Database.open(url)
        try:
            return await job(database)
        finally:
            await database.close()

    return asyncio.run(run())
