"""A pressed button of ours: what it says is looked up in our own message, never believed from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from knopka.db import conversations as db
from knopka.db.database import Row, Transaction
from knopka.domain.bot.payload import Pressed, read_payload
from knopka.domain.conversation import Message
from knopka.domain.errors import NotFound
from knopka.domain.messaging import Button


@dataclass(frozen=True, slots=True)
class Choice:
    """A button as a page names it: its message, and its place among that message's, from 0."""

    message_id: int
    option: int


@dataclass(frozen=True, slots=True)
class Press:
    """What the visitor says by it, and which button of which run it was."""

    label: str
    pressed: Pressed | None


def read_press(tx: Transaction, held: Row, payload: str, told: str) -> Press:
    """What somebody says who pressed a button with this payload, of which the messenger tells these words.

    A payload that is not ours changes nothing. One of another chat, or of a run
    that nobody knows here, counts for no more than its label.
    """
    pressed = read_payload(payload)
    if pressed is None:
        return Press(told, None)
    said = (button for message in db.list_with_buttons(tx, held) for button in _buttons(message))
    found = next((button for button in said if button.payload == payload), None)
    if found is None:
        return Press("" if told == payload else told, None)
    return Press(found.label, pressed)


def get_press(tx: Transaction, held: Row, choice: Choice) -> Press:
    """The button of this conversation that was chosen. Raises NotFound when it has none that says so."""
    message = db.find_message_by_id(tx, held, choice.message_id)
    buttons = [] if message is None else list(_buttons(message))
    button = buttons[choice.option] if choice.option < len(buttons) else None
    if button is None or not is_said(button):
        raise NotFound("There is no such button.")
    return Press(button.label, read_payload(button.payload))


def is_said(button: Button) -> bool:
    """Whether a press says the label: a link opens instead, and a phone is shared where that can be done."""
    return not (button.url or button.asks_phone or button.asks_email)


def _buttons(message: Message) -> Iterator[Button]:
    return (button for row in message.buttons for button in row)
