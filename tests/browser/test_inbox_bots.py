"""Bots in the inbox: who spoke, what the visitor was offered, and that an answer stops the bot."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.fake_inbox import FakeInbox
from tests.browser.inbox_samples import Json
from tests.browser.test_inbox import composer, log, row
from tests.browser.test_inbox_channels import HOSTILE, Open, inbox, open_inbox

__all__ = ["inbox", "open_inbox"]
"""Fixtures of the inbox's own tests."""

ROBOT = {"kind": "bot", "name": "Чайный бот"}


def choice(option: int, label: str, **more: str) -> Json:
    return {"option": option, "label": label, "url": None, "asks": None, **more}


def ask(inbox: FakeInbox, *choices: Json) -> int:
    """A conversation in which a bot has asked something."""
    number = inbox.add("Ivan", "Hello")
    inbox.say(number, "out", "Which tea?", author=ROBOT, buttons=[list(choices)])
    inbox.change(number, bot={"id": 3, "name": "Чайный бот", "run_id": 7})
    return number


def message(page: Page, text: str) -> Locator:
    return log(page).get_by_role("listitem").filter(has_text=text)


def test_a_bots_words_stand_under_its_name_with_what_it_offered(inbox: FakeInbox, open_inbox: Open) -> None:
    site = choice(2, "Our site", url="https://shop.example/tea")
    number = ask(inbox, choice(0, "Black"), choice(1, HOSTILE), site)
    page = open_inbox(f"/inbox/c/{number}")
    said = message(page, "Which tea?")
    expect(said).to_contain_text("Bot: Чайный бот")
    offered = said.get_by_role("list", name="Buttons under the message").get_by_role("listitem")
    expect(offered).to_have_text(["Black", HOSTILE, "Our site"])
    for role in ("button", "link"):
        expect(said.get_by_role(role)).to_have_count(0)


def test_a_bot_of_the_operators_own_name_is_still_a_bot(inbox: FakeInbox, open_inbox: Open) -> None:
    number = inbox.add("Ivan", "Hello")
    inbox.say(number, "out", "By a person")
    inbox.say(number, "out", "By a bot", author={"kind": "bot", "name": "Olga"})
    page = open_inbox(f"/inbox/c/{number}")
    expect(message(page, "By a person")).not_to_contain_text("Bot")
    expect(message(page, "By a bot")).to_contain_text("Bot: Olga")


def test_what_the_visitor_pressed_is_his_message(inbox: FakeInbox, open_inbox: Open) -> None:
    number = ask(inbox, choice(0, "Black"))
    page = open_inbox(f"/inbox/c/{number}")
    expect(message(page, "Which tea?")).to_be_visible()
    inbox.say(number, "in", "Black", is_press=True)
    pressed = log(page).locator("li.message.in").last
    expect(pressed).to_contain_text("Ivan")
    expect(pressed).to_contain_text("Pressed a button")
    inbox.say(number, "in", "Typed")
    expect(log(page).locator("li.message.in").last).not_to_contain_text("Pressed")


def test_list_and_conversation_tell_that_a_bot_talks_and_what_stops_it(
    inbox: FakeInbox, open_inbox: Open
) -> None:
    number = ask(inbox, choice(0, "Black"))
    page = open_inbox(f"/inbox/c/{number}")
    notice = page.get_by_role("status").filter(has_text="“Чайный бот” is talking. Your answer stops it.")
    expect(notice).to_be_visible()
    expect(row(page, "Ivan")).to_contain_text("A bot is talking")
    expect(row(page, "Ivan")).to_contain_text("Bot: Which tea?")
    composer(page).fill("It is me, Olga")
    composer(page).press("Enter")
    expect(message(page, "It is me, Olga")).to_be_visible()
    inbox.change(number, bot=None)
    expect(notice).to_be_hidden()
    expect(row(page, "Ivan")).not_to_contain_text("bot")
    expect(row(page, "Ivan")).to_contain_text("Answer: It is me, Olga")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_a_bot_talks(inbox: FakeInbox, open_inbox: Open, scheme: str) -> None:
    site = choice(1, "Our site", url="https://shop.example/tea")
    number = ask(inbox, choice(0, "Black"), site, choice(2, "Phone", asks="phone"))
    inbox.say(number, "in", "Black", is_press=True)
    page = open_inbox("/inbox/")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
    page.goto(re.sub("/inbox/$", f"/inbox/c/{number}", page.url))
    expect(message(page, "Which tea?")).to_be_visible()
    found = Axe().run(page).response["violations"]
    assert [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]] == []
