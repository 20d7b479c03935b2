"""Reading: a few threads with a connection each, every use case on one snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

from knopka.db.session import Session, Trouble
from knopka.domain.errors import Unavailable

T = TypeVar("T")


class Readers:
    """A bounded pool. Its connections are opened as they are first needed."""

    def __init__(self, open_session: Callable[[], Session], *, threads: int, most_waiting: int) -> None:
        self._open_session = open_session
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="knopka-reader")
        self._idle: SimpleQueue[Session] = SimpleQueue()
        self._waiting = 0
        self._most_waiting = most_waiting
        self.refused = 0

    async def read(self, use_case: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        if self._waiting >= self._most_waiting:
            self.refused += 1
            raise Unavailable("too many are reading", retry_after=1.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, self._run, use_case, args, kwargs
            )
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End what is running, then the connections."""
        self._pool.shutdown()
        while not self._idle.empty():
            self._idle.get().close()

    def _run(self, use_case: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        session = self._open_session() if self._idle.empty() else self._idle.get()
        try:
            return self._run_on(session, use_case, args, kwargs)
        finally:
            self._idle.put(session)

    def _run_on(
        self, session: Session, use_case: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        for is_last in (False, True):
            try:
                session.begin_reading()
                try:
                    return use_case(session.transaction, *args, **kwargs)
                finally:
                    session.rollback()
            except Exception as error:
                # Reading again does no harm: a server that was restarted is found by the next try.
                if is_last or session.judge(error) is not Trouble.LOST:
                    raise session.translate(error) from None
        raise AssertionError("unreachable")
