"""Web addresses: what an operator can follow without harm (S-OUT-03)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_SPACE_OR_BACKSLASH = re.compile(r"[\s\\]")


def is_web_address(text: str) -> bool:
    """An address of http or https with a host, whole and without spaces."""
    if _SPACE_OR_BACKSLASH.search(text):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
