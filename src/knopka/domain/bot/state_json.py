"""A run's state as it is stored between two events."""

from __future__ import annotations

from datetime import datetime

import msgspec

from knopka.domain.bot.state import EndReason, RunState

_encoder = msgspec.json.Encoder()
_decode_state = msgspec.json.Decoder(RunState).decode


class _Start(msgspec.Struct):
    started_at: datetime


_decode_start = msgspec.json.Decoder(_Start).decode


def write_state(state: RunState) -> str:
    """The state as a JSON text, which `read_state` reads to the same state."""
    return _encoder.encode(state).decode()


def read_state(text: str | bytes) -> RunState:
    """A stored state. What this release does not know is left out; what it misses is as in a fresh run.

    A state that it cannot go on with, such as a wait for something that only
    a later release waits for, reads as one that has ended with FAILED.
    """
    try:
        return _decode_state(text)
    except msgspec.ValidationError:
        return RunState(started_at=_decode_start(text).started_at, ended=EndReason.FAILED)
