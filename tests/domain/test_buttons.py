"""Buttons: what a bot's payload says, and what may stand under a message."""

from __future__ import annotations

import pytest

from knopka.domain.bot.payload import Pressed, read_payload, write_payload
from knopka.domain.buttons import MOST_BUTTONS, MOST_LABEL, clean_buttons, leave_out_unanswerable
from knopka.domain.messaging import Button, Capabilities

LARGEST = 10**18 - 1


@pytest.mark.parametrize("numbers", [(1, 2, 0), (7, 0, 12), (LARGEST, LARGEST, LARGEST)])
def test_a_payload_is_read_as_it_was_written_and_fits_every_platform(numbers: tuple[int, int, int]) -> None:
    payload = write_payload(*numbers)
    assert read_payload(payload) == Pressed(*numbers)
    assert len(payload.encode()) <= 64


@pytest.mark.parametrize(
    "text",
    [
        "", "b", "b:1:2", "b:1:2:3:4", "b:1:2:x", "b:1:2:-1", "b:01:2:3", "b:1:2:3\n", " b:1:2:3", "B:1:2:3",
        "b:1:2:١", f"b:1:2:{LARGEST + 1}", '{"command":"start"}', "GET_STARTED",
    ],
)  # fmt: skip
def test_anything_else_is_somebody_elses(text: str) -> None:
    assert read_payload(text) is None


def test_a_label_is_one_line_in_which_something_can_be_seen() -> None:
    given = [[Button("  Да,\nконечно \u202e ", "b:1:2:0"), Button("\u200b")], [Button(" ")]]
    assert clean_buttons(given) == ((Button("Да, конечно", "b:1:2:0"),),)
    ((cut,),) = clean_buttons([[Button("д" * 1000)]])
    assert cut.label == "д" * MOST_LABEL


@pytest.mark.parametrize(
    ("url", "is_kept"),
    [
        ("https://shop.example/tea", True),
        ("http://shop.example", True),
        ("mailto:tea@shop.example", True),
        ("tel:+74951234567", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False),
        ("data:text/html,x", False),
        ("//shop.example", False),
        ("tel:", False),
        ("https://shop.example/" + "x" * 2048, False),
    ],
)
def test_S_OUT_03_a_link_that_may_not_be_followed_is_no_button(url: str, is_kept: bool) -> None:
    assert bool(clean_buttons([[Button("Сайт", url=url)]])) == is_kept


def test_there_is_an_end_to_the_buttons_of_one_message() -> None:
    rows = clean_buttons([[Button(str(number)), Button("и")] for number in range(1000)])
    assert sum(map(len, rows)) == MOST_BUTTONS


def test_what_a_platform_cannot_give_is_not_asked_for() -> None:
    phone, email = Button("Телефон", asks_phone=True), Button("Почта", asks_email=True)
    rows = ((Button("Да"), phone), (email,))

    def shown(*, phone: bool, email: bool) -> object:
        return leave_out_unanswerable(
            rows, Capabilities(text_most=1, per_second=1, asks_phone=phone, asks_email=email)
        )

    assert shown(phone=True, email=True) == rows
    assert shown(phone=True, email=False) == ((Button("Да"), phone),)
    assert shown(phone=False, email=False) == ((Button("Да"),),)
