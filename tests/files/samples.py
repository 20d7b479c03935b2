"""Files as messengers bring them, and files that are not what they seem."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

from PIL import Image

MP4 = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 512, b"isom", b"mp41") + bytes(64)
MP4_AVC1 = struct.pack(">I4s4sI", 16, b"ftyp", b"avc1", 0) + bytes(64)
M4A = struct.pack(">I4s4sI4s", 20, b"ftyp", b"M4A ", 0, b"M4A ") + bytes(64)
MOV = struct.pack(">I4s4sI4s", 20, b"ftyp", b"qt  ", 0, b"qt  ") + bytes(64)
GP3 = struct.pack(">I4s4sI4s", 20, b"ftyp", b"3gp5", 0, b"3gp5") + bytes(64)
OGG = b"OggS" + bytes(24) + b"OpusHead" + bytes(64)
MP3 = b"ID3\x04\x00\x00" + bytes(64)
WAV = b"RIFF" + struct.pack("<I", 2**31) + b"WAVEfmt " + bytes(64)
"""Says that it is 2 GB long."""
FLAC = b"fLaC" + bytes(64)
AMR = b"#!AMR\n" + bytes(64)
AAC = b"\xff\xf1" + bytes(64)
WEBM = b"\x1a\x45\xdf\xa3" + bytes(8) + b"\x42\x82\x84webm" + bytes(64)
PDF = b"%PDF-1.7\n" + bytes(64)
ZIP = b"PK\x03\x04" + bytes(64)
EXE = b"MZ" + bytes(64)
HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


async def stream(data: bytes, part: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), part):
        yield data[start : start + part]


def halves(width: int = 40, height: int = 20, mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new(mode, (width, height), "blue")
    image.paste("red", (0, 0, width // 2, height))
    return image


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_place(orientation: int) -> Image.Exif:
    """What a telephone writes: where it was, who made it, and how it was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SecretMaker"
    exif.get_ifd(0x8825).update({1: "N", 2: (55.0, 45.0, 7.0), 29: "2026:11:26"})
    return exif


def png_header(width: int, height: int) -> bytes:
    """A picture that says it is as large, with hardly a byte behind it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def animation(kind: str, frames: int, **options: Any) -> bytes:
    """Each frame of another colour, and each of another length."""
    colours = [(67 * number % 256, 131 * number % 256, 90) for number in range(frames)]
    drawn = [Image.new("RGB", (16, 12), colour) for colour in colours]
    pace = [20 + 10 * (number % 3) for number in range(frames)]
    return encode(drawn[0], kind, save_all=True, append_images=drawn[1:], duration=pace, loop=0, **options)
