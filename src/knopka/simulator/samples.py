"""The files that people send: small, made up, and of the kind that they say."""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image


class Piece(StrEnum):
    """What a person can send besides text."""

    PHOTO = "photo"
    FILE = "file"
    VOICE = "voice"
    VIDEO = "video"
    LOCATION = "location"
    CONTACT = "contact"
    STICKER = "sticker"


FILES = frozenset({Piece.PHOTO, Piece.FILE, Piece.VOICE, Piece.VIDEO, Piece.STICKER})
PHOTO_SIZE = (320, 240)
STICKER_SIZE = (128, 128)
LATITUDE, LONGITUDE = 55.7539, 37.6208
STICKER_EMOJI = "👍"
SECONDS = 3
"""How long each sample of sound and picture says it lasts."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A file before it is kept."""

    name: str
    type: str
    content: bytes


def make_sample(piece: Piece) -> Sample:
    """A file of that kind. Location and contact are no files."""
    match piece:
        case Piece.PHOTO:
            return Sample("photo.jpg", "image/jpeg", _draw(PHOTO_SIZE, (88, 130, 200), "JPEG"))
        case Piece.STICKER:
            return Sample("sticker.webp", "image/webp", _draw(STICKER_SIZE, (240, 180, 60), "WEBP"))
        case Piece.FILE:
            return Sample("Счёт 17.pdf", "application/pdf", _PDF)
        case Piece.VOICE:
            return Sample("voice.ogg", "audio/ogg", _OGG)
        case Piece.VIDEO:
            return Sample("video.mp4", "video/mp4", _MP4)
        case Piece.LOCATION | Piece.CONTACT:
            raise ValueError(piece)


def draw_avatar(number: int) -> Sample:
    """A plain square; each person has a colour."""
    colour = (60 + number * 53 % 150, 60 + number * 97 % 150, 60 + number * 31 % 150)
    return Sample("avatar.png", "image/png", _draw((100, 100), colour, "PNG"))


def _draw(size: tuple[int, int], colour: tuple[int, int, int], kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)
# RFC 3533 page with the identification header of RFC 7845: one channel, 48 kHz.
_OGG = (
    b"OggS\x00\x02" + bytes(8) + b"\x01\x00\x00\x00" + bytes(8) + b"\x01\x13"
    b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
)
_MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"\x00\x00\x00\x08free" + b"\x00\x00\x00\x08mdat"
