"""What a file is by its bytes, and what others may call it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import filetype  # type: ignore[import-untyped] # says nothing of its types

DOWNLOAD = "application/octet-stream"
"""The type of what is only ever saved, never shown."""
_HEADER = 8192
_MIME = re.compile(r"[a-z]+/[a-z0-9.+-]+")


@dataclass(frozen=True, slots=True)
class FileType:
    """A type that is shown, and everything that others call it."""

    mime: str
    other_mimes: frozenset[str]
    extensions: frozenset[str]

    def agrees(self, mime: str, extension: str) -> bool:
        """Whether the platform and the name say the same, or nothing."""
        said = mime in ("", DOWNLOAD, self.mime) or mime in self.other_mimes
        return said and (not extension or extension in self.extensions)


def _type(mime: str, extensions: str, *other_mimes: str) -> FileType:
    return FileType(mime, frozenset(other_mimes), frozenset(extensions.split()))


_PNG = _type("image/png", "png apng", "image/apng", "image/x-png")
_JPEG = _type("image/jpeg", "jpg jpeg jpe jfif", "image/jpg", "image/pjpeg")
PICTURES: Mapping[str, FileType] = {
    "image/png": _PNG,
    "image/apng": _PNG,
    "image/jpeg": _JPEG,
    "image/gif": _type("image/gif", "gif"),
    "image/webp": _type("image/webp", "webp"),
}
"""By what filetype calls them; they are drawn anew."""

_MP4_NAMES = ("video/mp4", "audio/mp4", "audio/m4a", "audio/x-m4a", "video/x-m4v")
_MP4_SOUND = _type("audio/mp4", "m4a m4b mp4", *_MP4_NAMES)
_OGG_NAMES = ("application/ogg", "audio/opus", "audio/ogg", "video/ogg")
SOUNDS: Mapping[str, FileType] = {
    "audio/ogg": _type("audio/ogg", "ogg oga opus", *_OGG_NAMES),
    "audio/mpeg": _type("audio/mpeg", "mp3", "audio/mp3", "audio/x-mp3", "audio/x-mpeg"),
    "audio/mp4": _MP4_SOUND,
    "video/mp4": _MP4_SOUND,
    "audio/aac": _type("audio/aac", "aac", "audio/aacp", "audio/x-aac"),
    "audio/x-wav": _type("audio/wav", "wav wave", "audio/x-wav", "audio/wave"),
    "audio/x-flac": _type("audio/flac", "flac", "audio/x-flac"),
    "audio/amr": _type("audio/amr", "amr"),
    "video/webm": _type("audio/webm", "webm weba", "video/webm"),
}
_MP4_FILM = _type("video/mp4", "mp4 m4v", *_MP4_NAMES)
FILMS: Mapping[str, FileType] = {
    "video/mp4": _MP4_FILM,
    "video/x-m4v": _MP4_FILM,
    "video/webm": _type("video/webm", "webm"),
    "video/quicktime": _type("video/quicktime", "mov qt"),
    "video/3gpp": _type("video/3gpp", "3gp 3gpp"),
    "audio/ogg": _type("video/ogg", "ogv ogg", *_OGG_NAMES),
}
"""By what filetype calls them: it names a container, and the message's kind says what is in it."""

SHOWN = frozenset(known.mime for known in PICTURES.values())
PLAYED = frozenset(known.mime for known in (*SOUNDS.values(), *FILMS.values()))


def look(path: Path) -> str:
    """What the bytes are by their own witness; empty for what has none, such as text, HTML and SVG."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    found: str = filetype.guess_mime(header) or ""
    return found or _brand(header)


def _brand(header: bytes) -> str:
    """MP4 and 3GP by the major brand, which filetype leaves out (ISO/IEC 14496-12, ftyp)."""
    if header[4:8] != b"ftyp":
        return ""
    brand = header[8:12]
    if brand.startswith(b"3g"):
        return "video/3gpp"
    return "video/mp4" if brand in (b"avc1", b"dash", b"iso2", b"iso5", b"iso6", b"MSNV") else ""


def safe_mime(mime: str) -> str:
    """A type as it may stand in a header."""
    return mime if _MIME.fullmatch(mime) else DOWNLOAD
