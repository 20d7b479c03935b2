"""RE2 itself: loaded late, silent, and with bounds on what it keeps."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

MAX_MEMORY: Final = 1 << 20
"""Bytes for one compiled pattern, its cache of states included."""
CACHED: Final = 128


@lru_cache(CACHED)
def compile_re2(source: str) -> Any:
    """The compiled pattern; ValueError with RE2's own words when it cannot be compiled."""
    # Loaded late: most scripts, and every start of the server, need none.
    import re2

    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        return re2.compile(source, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise ValueError(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)) from None
