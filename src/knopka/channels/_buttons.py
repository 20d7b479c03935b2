"""Buttons that a platform has no room for: numbered lines under the text, or after it where it is long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from operator import itemgetter

from knopka.domain.errors import DeliveryError, Uncertain
from knopka.domain.messaging import Button, SentMessage
from knopka.domain.splitting import count_units, split_text
from knopka.domain.urls import is_web_address

Numbered = tuple[int, Button]
"""A button with its number among all of the message, by which it can be typed."""


def number_rows(
    rows: Sequence[Sequence[Button]], *, has_links: bool = True
) -> tuple[list[list[Numbered]], list[Numbered]]:
    """The buttons, and apart those that open what no button of the platform does: a mail, a phone, and
    without `has_links` any address."""
    kept: list[list[Numbered]] = []
    left: list[Numbered] = []
    number = 0
    for row in rows:
        kept.append([])
        for button in row:
            number += 1
            can_open = not button.url or (has_links and is_web_address(button.url))
            (kept[-1] if can_open else left).append((number, button))
    return [row for row in kept if row], left


def write_lines(left: Iterable[Numbered]) -> list[str]:
    """A line for each, in their order."""
    return [_write_line(number, button) for number, button in sorted(left, key=itemgetter(0))]


def _write_line(number: int, button: Button) -> str:
    return f"{number}. {button.label}: {button.url}" if button.url else f"{number}. {button.label}"


def add_lines(text: str, lines: Sequence[str], most: int) -> list[str]:
    """The text with the lines under it; where both are longer than a message, the lines follow it."""
    whole = "\n".join((text, *lines))
    return [whole] if count_units(whole) <= most else [text, *split_text("\n".join(lines), most)]


async def send_each(
    texts: Sequence[str], send: Callable[[int, str, bool], Awaitable[SentMessage]]
) -> SentMessage:
    """Send one after the other; `send` is told its number and whether it is the last, which has the buttons.

    What fails after the first has been taken is in doubt: to begin anew would say that one again.
    """
    sent: SentMessage | None = None
    for number, text in enumerate(texts):
        try:
            sent = await send(number, text, number == len(texts) - 1)
        except DeliveryError as error:
            if sent is None:
                raise
            raise Uncertain(f"Only its beginning was taken. {error.message}") from error
    if sent is None:
        raise ValueError("There is nothing to send.")
    return sent
