"""Buttons under a message: what may stand on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knopka.domain.messaging import Button, Capabilities
from knopka.domain.text import clean_name
from knopka.domain.urls import is_linkable

Rows = tuple[tuple[Button, ...], ...]

MOST_BUTTONS = 100
MOST_LABEL = 255
MOST_URL = 2_048


def clean_buttons(rows: Sequence[Sequence[Button]]) -> Rows:
    """The buttons as they are kept: labels of one line, and no link that may not be followed (S-OUT-03).

    A button without a label is left out, and so is one whose address may not be
    followed: what it says it cannot do.
    """
    kept: list[tuple[Button, ...]] = []
    left = MOST_BUTTONS
    for row in rows:
        cleaned = tuple(button for given in row if (button := _clean(given)) is not None)[:left]
        left -= len(cleaned)
        if cleaned:
            kept.append(cleaned)
    return tuple(kept)


def _clean(button: Button) -> Button | None:
    label = clean_name(button.label[: MOST_LABEL * 4])[:MOST_LABEL]
    is_safe = not button.url or (len(button.url) <= MOST_URL and is_linkable(button.url))
    return replace(button, label=label) if label and is_safe else None


def leave_out_unanswerable(rows: Rows, caps: Capabilities) -> Rows:
    """Without what asks for something that the platform has no way to give: the text asks as well."""
    kept = (
        tuple(
            button
            for button in row
            if (caps.asks_phone or not button.asks_phone) and (caps.asks_email or not button.asks_email)
        )
        for row in rows
    )
    return tuple(row for row in kept if row)
