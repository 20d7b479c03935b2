"""How far a run may go before it is ended, and how much of a text is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The guards of one run; each that is met ends it with its own reason, but for `kept`."""

    steps: int = 100
    """Handlers since the visitor's last word."""
    visits: int = 5
    """How often the same jump is taken with neither a word of the visitor nor a timer in between."""
    messages: int = 200
    age: timedelta = timedelta(days=30)
    kept: int = 256 * 1024
    """Bytes of all that called addresses have answered, as JSON; a call whose answer has no room fails."""


LIMITS = Limits()

MAX_SEEN = 200
"""Characters of a value in the run's log."""
MAX_FILLED = 64 * 1024
"""Characters of a text with its values: what is beyond them is cut off, however often a value is named."""
