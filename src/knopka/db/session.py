"""One connection as the writer and the readers use it, and what a store's error means."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from knopka.db.statement import DialectName
from knopka.db.transaction import Transaction
from knopka.domain.errors import KnopkaError, Unavailable

log = logging.getLogger(__name__)


class UnsafeStore(KnopkaError):
    """The store is set up so that it could lose what was acknowledged."""

    code = "unsafe_store"


class WrongSchema(KnopkaError):
    """The tables are older or newer than this release of knopka."""

    code = "wrong_schema"


class StatementFailed(Exception):
    """The store refused a statement of ours. The message carries no value of any row, so it may be logged."""


class Trouble(Enum):
    """What an error of the store means for the one function that met it, and for its batch."""

    OWN = auto()
    """The function's own: it is undone and answered with it."""
    PASSING = auto()
    """Somebody else holds the rows: undo the function and try again in a later batch."""
    LOST = auto()
    """The whole transaction is gone: each function runs again, alone, once."""
    DOUBT = auto()
    """The answer to COMMIT was lost: nobody is told anything but "come again"."""
    FATAL = auto()
    """The disk did not keep what it was given (fsync failed): nothing more may be acknowledged."""


class Session(Protocol):
    """A connection that runs one transaction at a time. `transaction` is the same object throughout."""

    @property
    def transaction(self) -> Transaction: ...
    def begin(self) -> None:
        """Open a transaction for writing and read the clock once; connects again if need be."""

    def begin_reading(self) -> None: ...
    def savepoint(self) -> None: ...
    def release(self) -> None: ...
    def undo(self) -> None:
        """Back to the savepoint, which is released as well."""

    def commit(self) -> None: ...
    def rollback(self) -> None:
        """End the transaction without a word, whatever state it is in."""

    def judge(self, error: BaseException, *, at_commit: bool = False) -> Trouble: ...
    def translate(self, error: BaseException) -> BaseException:
        """The driver's own errors as StatementFailed or Unavailable, any other as it is."""

    def has_foreign_write(self) -> bool:
        """Whether somebody else has written since this was last asked."""

    def close(self) -> None: ...


class Store(Protocol):
    """What the two stores do differently before the first statement."""

    dialect: DialectName
    writers: int

    def find_revision(self) -> str | None:
        """The revision of the tables, None where there are none; UnsafeStore for unsafe settings."""

    def open_session(self, *, for_reading: bool = False) -> Session: ...
    async def listen(self, *, on_change: Callable[[], None], on_jobs: Callable[[], None]) -> None:
        """Pass on what other processes say, until cancelled."""


def refer_to_nothing(error: BaseException) -> Unavailable:
    """What a row would refer to was removed meanwhile: a field that an import has replaced, say.

    Who comes again meets the set-up as it is then. It is logged, for it may be a fault of ours.
    """
    log.warning("a reference leads nowhere: %s", explain(error))
    return Unavailable("nothing was accepted: what it refers to has just been replaced", retry_after=1.0)


def explain(error: BaseException) -> str:
    """What the store said, in one line and without the values of any row."""
    diagnosis = getattr(error, "diag", None)  # psycopg's; its whole text would hold the row
    said = getattr(diagnosis, "message_primary", None) or str(error)
    return str(said).partition("\n")[0]
