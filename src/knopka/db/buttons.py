"""Buttons as the store keeps them with a message: JSON."""

from __future__ import annotations

import msgspec

from knopka.domain.bot.payload import Pressed
from knopka.domain.buttons import Rows

_rows = msgspec.json.Decoder(Rows)
_pressed = msgspec.json.Decoder(Pressed)


def write_rows(rows: Rows) -> str | None:
    return msgspec.json.encode(rows).decode() if rows else None


def read_rows(kept: str | None) -> Rows:
    return () if kept is None else _rows.decode(kept)


def write_pressed(pressed: Pressed | None) -> str | None:
    return None if pressed is None else msgspec.json.encode(pressed).decode()


def read_pressed(kept: str | None) -> Pressed | None:
    return None if kept is None else _pressed.decode(kept)
