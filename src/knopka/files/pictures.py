"""Has pictures drawn anew by processes that may cost only so much."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import msgspec

from knopka.files.refused import Refused


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What the drawing of one picture may cost: pixels, frames, bytes of memory and of output, seconds."""

    pixels: int = 25_000_000
    frames: int = 100
    memory: int = 256 * 1024 * 1024
    output: int = 40 * 1024 * 1024
    seconds: int = 10


class Redrawn(msgspec.Struct, forbid_unknown_fields=True):
    mime: Literal["image/png", "image/jpeg", "image/gif", "image/webp"] | None = None
    width: int = 0
    height: int = 0
    refused: Literal["too_large", "broken"] | None = None


WORKER = (sys.executable, "-P", str(Path(__file__).with_name("worker.py")))
"""Started by its path: so it loads Pillow, and nothing of ours."""
MOST_SAID = 1024
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
"""Of our environment a worker sees this alone: no secret is in it."""


class Pictures:
    """Draws pictures anew, each in a process of its own, so many at once."""

    def __init__(
        self,
        limits: PictureLimits = PictureLimits(),
        *,
        at_once: int = 2,
        worker: tuple[str, ...] = WORKER,
    ) -> None:
        self._limits = limits
        self._gate = asyncio.Semaphore(at_once)
        self._worker = worker

    async def redraw(self, source: Path, target: Path) -> Redrawn:
        """Raises Refused; a worker that dies or takes too long makes the picture a broken one."""
        async with self._gate, self._running(source, target) as worker:
            try:
                async with asyncio.timeout(self._limits.seconds):
                    said = await _listen(worker)
                    code = await worker.wait()
            except TimeoutError:
                raise Refused("broken") from None
        try:
            told = msgspec.json.decode(said, type=Redrawn)
        except msgspec.DecodeError:
            raise Refused("broken") from None
        if told.refused is not None or told.mime is None or code != 0:
            raise Refused(told.refused or "broken")
        return told

    @asynccontextmanager
    async def _running(self, source: Path, target: Path) -> AsyncIterator[asyncio.subprocess.Process]:
        worker = await asyncio.create_subprocess_exec(
            *self._worker,
            str(source),
            str(target),
            json.dumps(asdict(self._limits)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        )
        try:
            yield worker
        finally:
            if worker.returncode is None:
                with suppress(ProcessLookupError):
                    worker.kill()
                await worker.communicate()


PICTURE_WORKERS = Pictures()
"""The bound is the machine's, so there is one for the whole process."""


async def _listen(worker: asyncio.subprocess.Process) -> bytes:
    """What the worker says until it falls silent; of a long speech the beginning, which is then no JSON."""
    said = b""
    while worker.stdout is not None and (part := await worker.stdout.read(MOST_SAID)):
        said = (said + part)[:MOST_SAID]
    return said
