"""The demo's bot as everybody meets it: on the page, in each messenger, and in the inbox afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_demo_story import (
    BUTTON,
    MESSENGERS,
    PATIENCE_MS,
    follow,
    open_chat,
    operator,
    run_action,
    run_demo,
    visitor,
)
from tests.web.test_demo_bot import EN, STEPS, list_steps

__all__ = ["operator", "visitor"]
"""Fixtures of that story."""

pytestmark = pytest.mark.timeout(180)

ACTION = "A talk with the bot"
PAGE = "the page"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One `knopka demo` for all talks: each visitor is another one."""
    with run_demo(tmp_path_factory.mktemp("demo")) as said:
        yield said


class Talk:
    """One window in which the visitor reads, writes and presses: of the page's chat or of a messenger."""

    def __init__(self, log: Locator, box: Locator, buttons: Locator) -> None:
        self._log = log
        self._box = box
        self._buttons = buttons

    def hear(self, text: str, times: int = 1) -> None:
        expect(self._log.get_by_text(text, exact=True)).to_have_count(times, timeout=PATIENCE_MS)

    def say(self, text: str) -> None:
        self._box.fill(text)
        self._box.press("Enter")
        expect(self._log.get_by_text(text, exact=True).last).to_be_visible(timeout=PATIENCE_MS)

    def press(self, label: str) -> None:
        self._buttons.get_by_role("button", name=label, exact=True).click()


def begin(page: Page, where: str) -> Talk:
    """The visitor's first word, as far as the place asks for one."""
    if where == PAGE:
        frame = open_chat(page)
        talk = Talk(frame.get_by_role("log"), frame.get_by_role("textbox"), frame.get_by_role("log"))
        talk.say("Good day!")
        return talk
    page.get_by_role("button", name=BUTTON).click()
    phone = follow(page, where)
    phone.get_by_role("button", name=MESSENGERS[where], exact=True).click()
    window = phone.locator(f"#{where.lower()}")
    box = phone.get_by_role("textbox", name=f"Message, {where}")
    if where == "Viber":
        expect(box).not_to_have_value("")
        box.press("Enter")
    return Talk(window.get_by_role("log"), box, window)


@pytest.mark.parametrize("where", [PAGE, *MESSENGERS])
def test_the_bot_greets_asks_fills_tags_hands_over_and_is_silent(
    visitor: Page, operator: Page, where: str
) -> None:
    run_action(visitor, ACTION)
    talk = begin(visitor, where)
    talk.hear(EN.hello)
    talk.press("Oolong")
    talk.hear(EN.ask_phone)
    talk.say("42")
    talk.hear(EN.ask_again)
    talk.say(EN.phone)
    talk.hear(EN.thanks)

    operator.get_by_text("Visitor #" if where == PAGE else f"{where} ·").first.click()
    card = operator.get_by_role("region", name="Card")
    for text in ("Oolong", EN.kept_phone, "tea bot"):
        expect(card.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)
    expect(operator.get_by_text(EN.told)).to_be_visible()
    answer = operator.get_by_role("textbox", name="Your answer")
    answer.fill("Oolong it is!")
    answer.press("Enter")
    talk.hear("Oolong it is!")
    talk.say("Green after all")
    expect(operator.get_by_role("log").get_by_text("Green after all")).to_be_visible(timeout=PATIENCE_MS)
    for text in (EN.hello, EN.ask_phone, EN.ask_again, EN.thanks):
        talk.hear(text)

    run = read_last_run(operator)
    assert (run["is_active"], run["reason"], list_steps(run)) == (False, "stopped", STEPS)
    for page in (visitor, operator):
        assert page.evaluate("window.reports") == []


def read_last_run(operator: Page) -> dict[str, Any]:
    """The log of the newest run, as the inbox asks for it."""
    found: dict[str, Any] = operator.evaluate(
        """async () => {
          const headers = { "x-knopka": "inbox" };
          const ask = async (path) => (await fetch(`/inbox/api/${path}`, { headers })).json();
          const [newest] = (await ask("bots/1/runs?limit=1")).runs;
          return ask(`bot-runs/${newest.id}`);
        }"""
    )
    return found
