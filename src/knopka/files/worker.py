"""Decodes one picture from outside and draws it anew: a process of its own, where alone Pillow is loaded.

`python worker.py SOURCE TARGET LIMITS` prints one line of JSON: what was
drawn, or why nothing was. It dies of whatever goes wrong beyond that. It imports
nothing of ours, so that a process costs no more than Pillow.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import sys
import warnings
from collections.abc import Mapping
from itertools import islice
from typing import Any

from PIL import (
    GifImagePlugin,
    Image,
    ImageOps,
    ImageSequence,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

READERS = {
    plugin.format: plugin
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        GifImagePlugin.GifImageFile,
        WebPImagePlugin.WebPImageFile,
    )
}
"""Nothing else is decoded."""
MIMES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
KEPT = ("transparency", "loop", "background")
"""Of what a file tells beside its pixels only this is drawn anew; camera, place, comments and profiles go."""
MODES = {"JPEG": {"L", "RGB"}, "WEBP": {"RGB", "RGBA"}}
"""What a format can hold, where that is little; the rest becomes RGB, or RGBA where it shines through."""
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "PNG": {"compress_level": 4},
    "JPEG": {"quality": 90},
    "GIF": {},
    "WEBP": {"quality": 90, "method": 2},
}


def redraw(source: str, target: str, *, pixels: int, frames: int) -> Mapping[str, Any]:
    """Write the picture anew, upright and without what is not seen, and tell its type and size.

    What has more pixels than allowed raises by its header alone, before anything is decoded.
    """
    Image.MAX_IMAGE_PIXELS = pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    with Image.open(source, formats=tuple(READERS)) as picture:
        kind = "JPEG" if picture.format == "MPO" else str(picture.format)  # MPO: a JPEG with more after it
        if kind in ("GIF", "WEBP") and getattr(picture, "is_animated", False):
            size = _draw_frames(picture, target, kind, frames)
        else:
            size = _draw(picture, target, kind)
    return {"mime": MIMES[kind], "width": size[0], "height": size[1]}


def _draw(picture: Image.Image, target: str, kind: str) -> tuple[int, int]:
    ImageOps.exif_transpose(picture, in_place=True)
    picture = _convert(picture, kind)
    _bare(picture)
    picture.save(target, kind, **OPTIONS[kind])
    return picture.size


def _draw_frames(picture: Image.Image, target: str, kind: str, most: int) -> tuple[int, int]:
    """An animation, with the pace of its frames; those beyond the limit are left out."""
    frames, pace = [], []
    for frame in islice(ImageSequence.Iterator(picture), most):
        frame.load()
        pace.append(frame.info.get("duration", 0))
        frames.append(_bare(_convert(frame.copy(), kind)))
    shines = any(frame.mode == "RGBA" for frame in frames)
    # Clearing what stood before is what lets a pixel become transparent again (GIF89a, disposal method 2).
    options = {"disposal": 2} if kind == "GIF" and shines else {}
    frames[0].save(
        target, kind, save_all=True, append_images=frames[1:], duration=pace, **options, **OPTIONS[kind]
    )
    return picture.size


def _convert(picture: Image.Image, kind: str) -> Image.Image:
    if picture.mode in MODES.get(kind, (picture.mode,)):
        return picture
    shines = kind != "JPEG" and picture.has_transparency_data
    return picture.convert("RGBA" if shines else "RGB")


def _bare(picture: Image.Image) -> Image.Image:
    picture.info = {name: value for name, value in picture.info.items() if name in KEPT}
    return picture


def confine(*, memory: int, seconds: int, output: int) -> None:
    """Give up the right to more than this, for as long as the process lives."""
    os.umask(0o077)
    limits = {"RLIMIT_CPU": seconds, "RLIMIT_FSIZE": output, "RLIMIT_CORE": 0, "RLIMIT_NOFILE": 16}
    if sys.platform != "darwin":  # macOS knows the name and refuses any value
        limits["RLIMIT_AS"] = memory
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, name), (most, most))


def main(source: str, target: str, limits: str) -> None:
    allowed = json.loads(limits)
    confine(memory=allowed["memory"], seconds=allowed["seconds"], output=allowed["output"])
    try:
        told = redraw(source, target, pixels=allowed["pixels"], frames=allowed["frames"])
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        told = {"refused": "too_large"}
    except OSError as error:
        told = {"refused": "too_large" if error.errno == errno.EFBIG else "broken"}
    except (SyntaxError, ValueError, EOFError):
        told = {"refused": "broken"}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
