"""What a file is served with, so that it can do no harm in a browser."""

from __future__ import annotations

import re
from urllib.parse import quote

from knopka.files.labels import clean_label
from knopka.files.types import PLAYED, SHOWN, safe_mime


def headers_for(mime: str, name: str, is_picture: bool) -> list[tuple[bytes, bytes]]:
    """What a file is served with: pictures that were drawn anew, sounds and films are shown, the rest saved.

    Whatever it is, a browser neither guesses another type nor lets it act as a page of ours.
    """
    is_shown = mime in PLAYED or (is_picture and mime in SHOWN)
    return [
        (b"content-type", safe_mime(mime).encode()),
        (b"content-disposition", _disposition("inline" if is_shown else "attachment", name)),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"sandbox; default-src 'none'"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cache-control", b"private, max-age=300"),
    ]


def _disposition(how: str, name: str) -> bytes:
    """RFC 6266: a name for everybody in ASCII, and the true one as RFC 8187 writes it."""
    label = clean_label(name) or "file"
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", label)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(label, safe='')}".encode()
