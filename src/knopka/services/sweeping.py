"""What lies among the files and belongs to nobody: what a killed process has left, and replaced pictures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from knopka.db import kept_files as db
from knopka.db.database import Database, Transaction
from knopka.db.jobs import Job, set_timer, start_timer
from knopka.domain.errors import Retryable, Unavailable
from knopka.files import FileStore, sweep_drafts
from knopka.services.catalog import ACCOUNT
from knopka.services.jobs import Handler, JobEnd, Outside

log = logging.getLogger(__name__)

SWEEP_TIMER = "files.sweep"
DIGITS = "0123456789abcdef"
"""What a name can begin with: one of them a day, so that a day's work is a sixteenth of the whole."""
EVERY = timedelta(days=1)
DRAFT_AGE = timedelta(hours=1)
"""Nothing is received for so long."""
FILE_AGE = timedelta(days=1)
"""By then a file that was put away is named by a row, or never will be."""
PAGE = 2_000


def start_sweeping(tx: Transaction, *, now: datetime) -> None:
    """Have it begin at once, unless its next day is set already."""
    start_timer(tx, ACCOUNT, SWEEP_TIMER, SWEEP_TIMER, {"digit": DIGITS[0]}, now)


class Sweeper:
    """Looks through one machine's files. Files have their ages by the real clock, which no demo moves."""

    def __init__(
        self, database: Database, files: FileStore, incoming: Path, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._files = files
        self._incoming = incoming
        self._clock = clock

    def handlers(self) -> dict[str, Handler]:
        return {
            SWEEP_TIMER: Outside(
                self.sweep, on_done=_go_on, on_dead=_go_on_anyway, may_repeat=True, at_once=1
            )
        }

    def sweep_incoming(self) -> None:
        """Delete what was half received when a process was killed."""
        swept = sweep_drafts(self._incoming, self._clock() - DRAFT_AGE)
        if swept:
            log.info("%d files that were half received have been deleted", swept)

    async def sweep(self, payload: Mapping[str, Any], _job: Job) -> None:
        """Delete what lies in one part of the store and no row names: a job of SWEEP_TIMER."""
        await asyncio.to_thread(self.sweep_incoming)
        try:
            found = await self._files.list_old(payload["digit"], self._clock() - FILE_AGE)
            unknown = await self._leave_out_known(set(found)) if found else set()
            if 2 * len(unknown) > len(found):
                # A store that is another's as well, or rows that are those of long ago.
                log.warning("%d of %d files are named by no row, and were left", len(unknown), len(found))
                return
            for name in unknown:
                await self._files.delete(name)
        except Unavailable as error:
            raise Retryable(error.message, error.retry_after) from None
        if unknown:
            log.info("%d files that nothing names have been deleted", len(unknown))

    async def _leave_out_known(self, names: set[str]) -> set[str]:
        for list_page in (db.list_of_messages, db.list_of_contacts):
            after = 0
            while page := await self._database.read(list_page, ACCOUNT, after, PAGE):
                names.difference_update(name for name in page.values() if name)
                after = max(page)
        return names


def _go_on(tx: Transaction, payload: Mapping[str, Any], _result: object, *, now: datetime) -> None:
    """Tomorrow the next part."""
    digit = DIGITS[(DIGITS.index(payload["digit"]) + 1) % len(DIGITS)]
    set_timer(tx, ACCOUNT, SWEEP_TIMER, SWEEP_TIMER, {"digit": digit}, now + EVERY)


def _go_on_anyway(tx: Transaction, payload: Mapping[str, Any], _end: JobEnd, *, now: datetime) -> None:
    _go_on(tx, payload, None, now=now)
