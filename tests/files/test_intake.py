"""What comes from messengers: counted, known by its bytes, and harmless afterwards."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageSequence

from knopka.channels._http import Api
from knopka.domain.errors import BadRequest
from knopka.domain.messaging import AttachmentKind
from knopka.files import Refused, Taken, take_in
from knopka.files.intake import ALLOWED
from knopka.files.labels import clean_label
from knopka.files.pictures import PictureLimits, Pictures
from knopka.files.types import DOWNLOAD
from knopka.outgoing import make_client
from tests.files import samples
from tests.files.samples import animation, encode, halves, png_header, stream, with_place
from tests.files.server import Request, answer, listening

pytestmark = pytest.mark.anyio
MOST = 20 * 1024 * 1024


async def take(folder: Path, data: bytes, kind: str = "photo", name: str = "", mime: str = "") -> Taken:
    return await take_in(stream(data), kind=kind, name=name, mime=mime, most=MOST, folder=folder)


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def refusal(folder: Path, data: bytes, kind: str = "photo", name: str = "", mime: str = "") -> str:
    with pytest.raises(Refused) as refused:
        await take(folder, data, kind, name, mime)
    assert left_in(folder) == []
    return refused.value.code


KINDS = ["PNG", "JPEG", "GIF", "WEBP"]


@pytest.mark.parametrize("kind", KINDS)
async def test_S_IN_11_a_picture_is_drawn_anew(tmp_path: Path, kind: str) -> None:
    taken = await take(tmp_path, encode(halves(), kind), name=f"cat.{kind}", mime=f"image/{kind.lower()}")
    assert (taken.mime, taken.width, taken.height) == (f"image/{kind.lower()}", 40, 20)
    assert taken.size == taken.path.stat().st_size
    with Image.open(taken.path) as picture:
        red, _, blue = picture.convert("RGB").getpixel((2, 10)) or ()  # type: ignore[misc] # a colour
    assert (red > 200, blue < 60) == (True, True)
    assert left_in(tmp_path) == [taken.path]
    assert taken.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "JPEG") for mode in ("L", "CMYK")),
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGBA", "I;16")),
        *((mode, "GIF") for mode in ("L", "P")),
        ("RGBA", "WEBP"),
    ],
)
async def test_pictures_of_every_usual_mode_are_drawn_anew(tmp_path: Path, mode: str, kind: str) -> None:
    taken = await take(tmp_path, encode(Image.new(mode, (8, 8)), kind))
    assert (taken.mime, taken.width) == (f"image/{kind.lower()}", 8)


async def test_what_shines_through_still_does(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    for kind in ("PNG", "WEBP", "GIF"):
        taken = await take(tmp_path, encode(clear, kind))
        with Image.open(taken.path) as picture:
            assert picture.convert("RGBA").getpixel((4, 4))[3] == 0, kind  # type: ignore[index] # a colour


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_S_IN_11_place_and_camera_go_and_the_picture_stands_upright(tmp_path: Path, kind: str) -> None:
    data = encode(halves(), kind, exif=with_place(6))
    assert b"SecretMaker" in data
    taken = await take(tmp_path, data)
    assert (taken.width, taken.height) == (20, 40)
    assert b"SecretMaker" not in taken.path.read_bytes()
    with Image.open(taken.path) as picture:
        assert dict(picture.getexif()) == {}
        top, bottom = picture.convert("RGB").getpixel((10, 5)), picture.convert("RGB").getpixel((10, 35))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert (top[0] > 200, bottom[2] > 200) == (True, True)


async def test_S_IN_11_comments_and_profiles_go(tmp_path: Path) -> None:
    profile = b"SecretProfile" + bytes(200)
    told: dict[str, dict[str, Any]] = {
        "JPEG": {"comment": "SecretWords", "icc_profile": profile, "xmp": b"SecretWords"},
        "PNG": {"icc_profile": profile},
        "GIF": {"comment": "SecretWords"},
        "WEBP": {"icc_profile": profile, "xmp": b"SecretWords"},
    }
    for kind, options in told.items():
        data = encode(halves(), kind, **options)
        taken = await take(tmp_path, data)
        with Image.open(taken.path) as picture:
            assert not {"icc_profile", "comment", "xmp", "exif"} & set(picture.info), kind
        assert b"Secret" not in taken.path.read_bytes(), kind


async def test_S_IN_11_comments_of_an_animation_go(tmp_path: Path) -> None:
    moving = {
        "GIF": animation("GIF", 3, comment="SecretWords"),
        "WEBP": animation("WEBP", 3, xmp=b"SecretWords", exif=with_place(1)),
    }
    for kind, data in moving.items():
        assert b"Secret" in data
        taken = await take(tmp_path, data)
        assert (taken.mime, b"Secret" in taken.path.read_bytes()) == (f"image/{kind.lower()}", False)


async def test_a_jpeg_with_more_pictures_after_it_becomes_the_first(tmp_path: Path) -> None:
    """Telephones append previews and depths so (CIPA DC-007, Multi-Picture Format)."""
    taken = await take(tmp_path, encode(halves(), "MPO", save_all=True, append_images=[halves(9, 9)]))
    with Image.open(taken.path) as picture:
        assert (taken.mime, picture.format, picture.size) == ("image/jpeg", "JPEG", (40, 20))


async def test_in_a_moving_gif_a_pixel_may_become_clear_again(tmp_path: Path) -> None:
    left, right = (Image.new("RGBA", (20, 10), (0, 0, 0, 0)) for _ in range(2))
    left.paste("red", (0, 0, 8, 10))
    right.paste("red", (12, 0, 20, 10))
    taken = await take(tmp_path, encode(left, "GIF", save_all=True, append_images=[right], disposal=2))
    with Image.open(taken.path) as picture:
        seen = [frame.convert("RGBA").getpixel((2, 5)) for frame in _loaded(picture)]
    assert [color[3] for color in seen if isinstance(color, tuple)] == [255, 0]


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
async def test_an_animation_keeps_its_frames_and_their_pace(tmp_path: Path, kind: str) -> None:
    taken = await take(tmp_path, animation(kind, 7))
    with Image.open(taken.path) as picture:
        pace = [frame.copy().info["duration"] for frame in _loaded(picture)]
    assert pace == [20, 30, 40, 20, 30, 40, 20]


def _loaded(picture: Image.Image) -> list[Image.Image]:
    frames = []
    for frame in ImageSequence.Iterator(picture):
        frame.load()
        frames.append(frame.copy())
    return frames


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
async def test_S_IN_11_of_an_animation_a_hundred_frames_are_kept(tmp_path: Path, kind: str) -> None:
    taken = await take(tmp_path, animation(kind, 103))
    with Image.open(taken.path) as picture:
        assert getattr(picture, "n_frames", 1) == 100


async def test_a_moving_picture_of_png_becomes_a_still_one(tmp_path: Path) -> None:
    taken = await take(tmp_path, animation("PNG", 5), mime="image/apng")
    with Image.open(taken.path) as picture:
        assert (taken.mime, getattr(picture, "n_frames", 1)) == ("image/png", 1)


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("", ""),
        ("photo.png", ""),
        ("photo.PNG", "image/png; charset=binary"),
        ("a.b.png", "application/octet-stream"),
        ("12.05", ""),
        ("no point", "IMAGE/PNG"),
    ],
)
async def test_a_type_that_nobody_contradicts_is_believed(tmp_path: Path, name: str, mime: str) -> None:
    assert (await take(tmp_path, encode(halves(), "PNG"), name=name, mime=mime)).mime == "image/png"


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("photo.jpg", ""),
        ("photo.html", ""),
        ("photo.png.exe", "image/png"),
        ("photo.png", "text/html"),
        ("photo.png", "image/svg+xml"),
        ("", "image/jpeg"),
    ],
)
async def test_S_IN_11_a_picture_that_is_called_something_else_is_only_saved(
    tmp_path: Path, name: str, mime: str
) -> None:
    data = encode(halves(), "PNG")
    taken = await take(tmp_path, data, name=name, mime=mime)
    assert (taken.mime, taken.width, taken.path.read_bytes()) == (DOWNLOAD, None, data)


@pytest.mark.parametrize(
    ("kind", "name", "said", "data", "mime"),
    [
        ("voice", "", "audio/ogg", samples.OGG, "audio/ogg"),
        ("voice", "voice.oga", "audio/ogg; codecs=opus", samples.OGG, "audio/ogg"),
        ("voice", "clip.mp4", "video/mp4", samples.MP4, "audio/mp4"),
        ("audio", "song.mp3", "audio/mpeg", samples.MP3, "audio/mpeg"),
        ("audio", "song.m4a", "audio/x-m4a", samples.M4A, "audio/mp4"),
        ("audio", "s.wav", "", samples.WAV, "audio/wav"),
        ("audio", "s.flac", "audio/flac", samples.FLAC, "audio/flac"),
        ("audio", "s.amr", "", samples.AMR, "audio/amr"),
        ("audio", "s.aac", "", samples.AAC, "audio/aac"),
        ("audio", "", "audio/webm", samples.WEBM, "audio/webm"),
        ("video", "film.mp4", "video/mp4", samples.MP4, "video/mp4"),
        ("video", "", "", samples.MP4_AVC1, "video/mp4"),
        ("video", "film.mov", "video/quicktime", samples.MOV, "video/quicktime"),
        ("video", "film.webm", "video/webm", samples.WEBM, "video/webm"),
        ("video", "film.3gp", "video/3gpp", samples.GP3, "video/3gpp"),
        ("video", "film.exe", "video/mp4", samples.MP4, DOWNLOAD),
        ("video", "film.mp4", "text/html", samples.MP4, DOWNLOAD),
        ("audio", "song.html", "", samples.MP3, DOWNLOAD),
        ("file", "a.pdf", "application/pdf", samples.PDF, "application/pdf"),
        ("file", "a.pdf", "", samples.PDF, "application/pdf"),
        ("file", "a.zip", "application/octet-stream", samples.ZIP, "application/zip"),
        ("file", "a.pdf", "application/pdf", samples.ZIP, DOWNLOAD),
        ("file", "a.pdf", "text/html", samples.PDF, DOWNLOAD),
        ("file", "a.png", "image/png", encode(halves(), "PNG"), DOWNLOAD),
        ("file", "a.mp4", "video/mp4", samples.MP4, DOWNLOAD),
        ("file", "a.svg", "image/svg+xml", samples.SVG, DOWNLOAD),
        ("file", "a.html", "text/html", samples.HTML, DOWNLOAD),
        ("file", "a.js", "text/javascript", b"alert(1)", DOWNLOAD),
        ("file", "a.xml", "application/xml", b"<?xml version='1.0'?><a/>", DOWNLOAD),
        ("file", "", "", b"", DOWNLOAD),
    ],
)
async def test_S_IN_11_the_bytes_say_what_a_file_is(
    tmp_path: Path, kind: str, name: str, said: str, data: bytes, mime: str
) -> None:
    taken = await take(tmp_path, data, kind, name, said)
    assert (taken.mime, taken.size, taken.width, taken.height) == (mime, len(data), None, None)
    assert taken.path.read_bytes() == data


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("photo", samples.SVG),
        ("photo", samples.HTML),
        ("photo", samples.EXE),
        ("photo", samples.MP4),
        ("photo", b"BM" + bytes(64)),
        ("photo", b""),
        ("sticker", samples.WEBM),
        ("voice", encode(halves(), "PNG")),
        ("audio", samples.MOV),
        ("video", samples.MP3),
        ("video", samples.HTML),
        ("location", samples.PDF),
        ("contact", samples.PDF),
        ("link", samples.PDF),
    ],
)
async def test_S_IN_11_what_is_not_of_its_kind_is_refused(tmp_path: Path, kind: str, data: bytes) -> None:
    assert await refusal(tmp_path, data, kind) == "wrong_type"


def test_every_kind_of_attachment_that_has_bytes_has_its_list() -> None:
    assert {*ALLOWED, "file", "location", "contact", "link"} == set(AttachmentKind)


async def test_S_IN_11_of_a_picture_that_is_a_script_the_script_goes(tmp_path: Path) -> None:
    """A GIF whose comment ends what the first bytes began, so that a browser could run it."""
    data = encode(halves(), "GIF", comment=b"*/=1;alert(document.cookie);/*")
    assert b"alert" in data
    taken = await take(tmp_path, data, name="a.gif")
    assert (taken.mime, b"alert" in taken.path.read_bytes()) == ("image/gif", False)
    as_file = await take(tmp_path, data, "file", name="a.gif")
    assert as_file.mime == DOWNLOAD


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a/*" + b"\x00" * 20 + b"*/=1;alert(1)//",
        encode(halves(400, 400), "JPEG")[:900],
        encode(halves(400, 400), "PNG")[:120],
        encode(halves(400, 400), "WEBP")[:80],
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0" + bytes(64),
        b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(40),
    ],
    ids=["script", "cut JPEG", "cut PNG", "cut WebP", "empty PNG", "empty JPEG", "empty WebP"],
)
async def test_S_IN_11_what_cannot_be_decoded_is_broken(tmp_path: Path, data: bytes) -> None:
    assert await refusal(tmp_path, data) == "broken"


@pytest.mark.parametrize("size", [(5001, 5000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
async def test_S_IN_11_a_picture_of_more_than_25_megapixels_is_not_decoded(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    assert await refusal(tmp_path, png_header(*size)) == "too_large"


async def test_S_IN_11_a_picture_of_25_megapixels_fits_the_memory(tmp_path: Path) -> None:
    data = encode(Image.new("RGB", (5000, 5000), "teal"), "JPEG", exif=with_place(8))
    taken = await take(tmp_path, data)
    assert (taken.width, taken.height) == (5000, 5000)


async def test_S_IN_11_what_needs_more_memory_than_a_worker_has_is_too_large(tmp_path: Path) -> None:
    data = encode(Image.new("RGB", (4000, 4000)), "PNG")
    little = Pictures(PictureLimits(memory=80 * 1024 * 1024))
    with pytest.raises(Refused) as refused:
        await take_in(
            stream(data), kind="photo", name="", mime="", most=MOST, folder=tmp_path, pictures=little
        )
    assert (refused.value.code, left_in(tmp_path)) == ("too_large", [])


async def test_S_IN_11_what_would_become_too_large_is_refused(tmp_path: Path) -> None:
    data = encode(Image.effect_noise((500, 500), 90), "PNG")
    little = Pictures(PictureLimits(output=20_000))
    with pytest.raises(Refused) as refused:
        await take_in(
            stream(data), kind="photo", name="", mime="", most=MOST, folder=tmp_path, pictures=little
        )
    assert (refused.value.code, left_in(tmp_path)) == ("too_large", [])


async def test_a_stream_of_more_than_is_taken_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)

    with pytest.raises(Refused) as refused:
        await take_in(endless(), kind="file", name="", mime="", most=10_000, folder=tmp_path)
    assert (refused.value.code, left_in(tmp_path)) == ("too_large", [])
    with pytest.raises(Refused):
        await take_in(stream(bytes(10_001)), kind="file", name="", mime="", most=10_000, folder=tmp_path)
    exact = await take_in(stream(bytes(10_000)), kind="file", name="", mime="", most=10_000, folder=tmp_path)
    assert exact.size == 10_000


async def test_two_gigabytes_that_are_announced_are_not_fetched(tmp_path: Path) -> None:
    async def announce(request: Request, writer: asyncio.StreamWriter) -> None:
        await answer(writer, body=encode(halves(), "PNG"), length=2 * 1024**3)

    async with listening(announce) as server, make_client((), also=server.url) as client:
        parts = Api(client, server.url).fetch(f"{server.url}/file")
        with pytest.raises(BadRequest, match="too_large"):
            await take_in(parts, kind="photo", name="", mime="", most=MOST, folder=tmp_path)
    assert left_in(tmp_path) == []


# --- Workers


def script(text: str) -> tuple[str, ...]:
    """A worker of another making."""
    return (sys.executable, "-c", text)


def say(text: str, code: int = 0) -> str:
    """A script that leaves an empty picture and says this."""
    return f"import sys; open(sys.argv[2], 'w').close(); sys.stdout.write({text!r}); sys.exit({code})"


DRAWN = '{"mime": "image/png", "width": 1, "height": 1}'
DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
HANGS = "import os, signal, sys; open(sys.argv[2], 'w').write(str(os.getpid())); signal.pause()"


@pytest.mark.parametrize(
    "worker",
    [
        DIES,
        HANGS,
        "raise SystemExit(0)",
        "raise MemoryError",
        "print('not JSON')",
        "print('x' * 1_000_000)",
        say(DRAWN.replace("image/png", "text/html")),
        f"print({DRAWN!r})",
        say(DRAWN, code=1),
        say(" " * 2000 + DRAWN),
    ],
)
async def test_S_IN_11_a_worker_that_fails_makes_a_broken_picture(tmp_path: Path, worker: str) -> None:
    pictures = Pictures(PictureLimits(seconds=1), worker=script(worker))
    data = encode(halves(), "PNG")
    with pytest.raises(Refused) as refused:
        await take_in(
            stream(data), kind="photo", name="", mime="", most=MOST, folder=tmp_path, pictures=pictures
        )
    assert (refused.value.code, left_in(tmp_path)) == ("broken", [])


async def test_a_worker_that_says_what_it_drew_is_believed(tmp_path: Path) -> None:
    drawn = await Pictures(worker=script(say(DRAWN))).redraw(tmp_path / "source", tmp_path / "target")
    assert (drawn.mime, drawn.width) == ("image/png", 1)


async def test_S_IN_11_a_worker_that_hangs_is_gone_afterwards(tmp_path: Path) -> None:
    pictures = Pictures(PictureLimits(seconds=1), worker=script(HANGS))
    with pytest.raises(Refused):
        await pictures.redraw(tmp_path / "source", tmp_path / "pid")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_no_more_workers_than_allowed_run_at_once(tmp_path: Path) -> None:
    """Each worker reports to the test and waits to be let go; the third reports when one has gone."""
    came: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await came.put(writer)

    async with await asyncio.start_server(note, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        worker = script(f"import socket; socket.create_connection(('127.0.0.1', {port})).recv(1)")
        pictures = Pictures(at_once=2, worker=worker)
        running = [
            asyncio.create_task(pictures.redraw(tmp_path / "a", tmp_path / str(number)))
            for number in range(3)
        ]
        first, second = await came.get(), await came.get()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(came.get(), 0.5)
        first.close()
        third = await came.get()
        second.close()
        third.close()
        results = await asyncio.gather(*running, return_exceptions=True)
    assert [type(result) for result in results] == [Refused] * 3


async def test_a_worker_sees_no_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOPKA_SECRET_KEY", "s" * 40)
    worker = script("import os, sys; open(sys.argv[2], 'w').write(repr(dict(os.environ)))")
    with pytest.raises(Refused):
        await Pictures(worker=worker).redraw(tmp_path / "source", tmp_path / "seen")
    assert "PATH" in (tmp_path / "seen").read_text()
    assert "KNOPKA" not in (tmp_path / "seen").read_text()


def test_the_server_does_not_load_the_decoder() -> None:
    code = "import knopka.files, sys; print([name for name in sys.modules if name.startswith('PIL')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- Labels


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\evil.exe", "evil.exe"),
        ("a\r\nSet-Cookie: x.txt", "a Set-Cookie: x.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\u200bb\x00c.txt", "abc.txt"),
        ("  ", ""),
        ("фото.jpg", "фото.jpg"),
    ],
)
def test_S_OUT_05_a_given_name_is_a_clean_label(name: str, label: str) -> None:
    assert clean_label(name) == label


def test_S_OUT_05_ten_thousand_marks_on_a_letter_are_clipped() -> None:
    label = clean_label("e" + "\u0301\u0302" * 5000 + ".png")
    assert len(label) <= 10
    assert label.endswith(".png")


def test_S_OUT_05_a_long_name_keeps_its_extension_and_no_letter_loses_its_marks() -> None:
    assert clean_label("x" * 300 + ".pdf") == "x" * 251 + ".pdf"
    assert clean_label("x" * 300) == "x" * 255
    label = clean_label("x" * 250 + "q\u0323\u0307" * 20 + ".pdf")
    assert label == "x" * 250 + ".pdf"


async def test_S_IN_12_the_name_on_disk_is_ours(tmp_path: Path) -> None:
    taken = await take(tmp_path, samples.PDF, "file", name="../../../tmp/evil.pdf")
    assert (taken.path.parent, taken.name) == (tmp_path, "evil.pdf")
    assert "evil" not in taken.path.name
