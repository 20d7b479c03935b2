"""Web addresses: what an operator can follow without harm (S-OUT-03)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

PERSONAL_SCHEMES = ("mailto:", "tel:")
"""Where a link leads to somebody and not to a site."""
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


def is_linkable(address: str) -> bool:
    """Whether a link may lead there (S-OUT-03): to a web address, or to somebody's mail or phone."""
    if not address.isprintable():
        return False
    personal = next((scheme for scheme in PERSONAL_SCHEMES if address.lower().startswith(scheme)), "")
    return len(address) > len(personal) if personal else is_web_address(address)
