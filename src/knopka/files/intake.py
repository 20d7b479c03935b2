"""Takes a file from a messenger in: counted, known by its bytes, made harmless."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import filetype  # type: ignore[import-untyped] # says nothing of its types

from knopka.domain.messaging import AttachmentKind
from knopka.files.labels import clean_label, extension_of
from knopka.files.pictures import PICTURE_WORKERS, Pictures
from knopka.files.refused import Refused
from knopka.files.store import create_file, make_name
from knopka.files.types import DOWNLOAD, FILMS, PICTURES, SHOWN, SOUNDS, FileType, look

ALLOWED: Mapping[AttachmentKind, Mapping[str, FileType]] = {
    AttachmentKind.PHOTO: PICTURES,
    AttachmentKind.STICKER: PICTURES,
    AttachmentKind.VOICE: SOUNDS,
    AttachmentKind.AUDIO: SOUNDS,
    AttachmentKind.VIDEO: FILMS,
}
"""What may be sent as what; a file may be anything, and is only ever saved."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken in. It lies at `path` until whoever asked for it has put it away."""

    path: Path
    mime: str
    size: int
    width: int | None
    height: int | None
    """Of a picture that was drawn anew."""
    name: str
    """What the sender calls it: a label, never a part of a path (S-IN-12)."""


async def take_in(
    stream: AsyncIterator[bytes],
    *,
    kind: str,
    name: str,
    mime: str,
    most: int,
    folder: Path,
    pictures: Pictures | None = None,
) -> Taken:
    """Write a stream to a file in the folder, and make it what it may be (S-IN-11).

    The bytes decide. Pictures are drawn anew; sounds and films are kept when they
    are in a usual container; files may be anything, to be saved and not shown. So
    is what its type or name contradicts. Raises Refused, and what the stream
    raises; then nothing stays behind.
    """
    draft = folder / f"{make_name()}.part"
    label = clean_label(name)
    try:
        size = await _receive(stream, draft, most)
        found = await asyncio.to_thread(look, draft)
        kept_as = _judge(AttachmentKind(kind), found, _plain(mime), extension_of(label))
        if kept_as in SHOWN:
            return await _redraw(draft, label, pictures or PICTURE_WORKERS)
    except BaseException:
        await asyncio.to_thread(draft.unlink, missing_ok=True)
        raise
    return Taken(draft, kept_as, size, None, None, label)


def sweep_drafts(folder: Path, before: datetime) -> int:
    """Delete what a killed process has left half received there; how many they were."""
    swept = 0
    for path in (*folder.glob("*.part"), *folder.glob("*.picture")):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
                swept += 1
    return swept


def _judge(kind: AttachmentKind, found: str, mime: str, extension: str) -> str:
    """The type that a file is kept as; DOWNLOAD where its bytes are contradicted. Raises Refused."""
    if kind is AttachmentKind.FILE:
        return _document(found, mime, extension)
    known = ALLOWED.get(kind, {}).get(found)
    if known is None:
        raise Refused("wrong_type")
    return known.mime if known.agrees(mime, extension) else DOWNLOAD


def _plain(mime: str) -> str:
    """A type without its parameters, `audio/ogg; codecs=opus` as `audio/ogg`."""
    return mime.partition(";")[0].strip().lower()


def _document(found: str, mime: str, extension: str) -> str:
    """The type of a file that is saved: what its bytes say, if nobody contradicts and nothing is shown."""
    kind = filetype.get_type(mime=found) if found.startswith("application/") else None
    if kind is None:
        return DOWNLOAD
    agrees = mime in ("", DOWNLOAD, kind.mime) and extension in ("", kind.extension)
    return str(kind.mime) if agrees else DOWNLOAD


async def _receive(stream: AsyncIterator[bytes], path: Path, most: int) -> int:
    size = 0
    file = await asyncio.to_thread(create_file, path)
    try:
        async for part in stream:
            size += len(part)
            if size > most:
                raise Refused("too_large")
            await asyncio.to_thread(file.write, part)
    finally:
        await asyncio.to_thread(file.close)
    return size


async def _redraw(draft: Path, label: str, pictures: Pictures) -> Taken:
    target = draft.with_suffix(".picture")
    try:
        drawn = await pictures.redraw(draft, target)
        size = (await asyncio.to_thread(target.stat)).st_size
        await asyncio.to_thread(target.replace, draft)
    except FileNotFoundError:
        raise Refused("broken") from None
    finally:
        await asyncio.to_thread(target.unlink, missing_ok=True)
    return Taken(draft, str(drawn.mime), size, drawn.width, drawn.height, label)
