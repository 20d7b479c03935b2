"""The product as a newcomer meets it: page, chat and inbox of the demo, on the real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect

from tests.browser.conftest import WATCH_POLICY

pytestmark = pytest.mark.timeout(180)

PATIENCE_MS = 20_000
BUTTON = re.compile("^(Связаться с нами|Contact us)")
CHAT = re.compile("^(Чат|Chat)")


@contextmanager
def run_demo(folder: Path) -> Iterator[dict[str, Any]]:
    """`knopka demo` with its data in the folder; gives what it says first."""
    process = subprocess.Popen(
        [sys.executable, "-m", "knopka", "demo", "--json", "--port", "0"],
        env={"PATH": os.environ["PATH"], "KNOPKA_DATA_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """`knopka demo` with nothing in it yet."""
    with run_demo(tmp_path) as said:
        yield said


@pytest.fixture
def visitor(context: BrowserContext, demo: dict[str, Any]) -> Page:
    """The demo's page in the visitor's browser."""
    page = _open(context)
    page.goto(f"{demo['demo_page']}?lang=en")
    return page


@pytest.fixture
def operator(browser: Browser, demo: dict[str, Any]) -> Iterator[Page]:
    """The inbox, in another browser where the demo's operator has signed in."""
    context = browser.new_context(locale="en-US")
    page = _open(context)
    page.goto(demo["inbox"])
    page.get_by_label("Login").fill(demo["login"])
    page.get_by_label("Password").fill(demo["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()
    yield page
    context.close()


def _open(context: BrowserContext) -> Page:
    context.add_init_script(WATCH_POLICY)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    return page


def action(page: Page, title: str) -> Locator:
    return page.locator("article").filter(has=page.get_by_role("heading", name=title, exact=True))


def run_action(page: Page, title: str) -> Locator:
    """Press the button beside the code; gives the entry in which its verdicts appear."""
    action(page, title).get_by_role("button").click()
    entry = page.locator("li.entry").first
    expect(entry.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=PATIENCE_MS)
    return entry


def verdicts(entry: Locator, path: str) -> Locator:
    """What has become of the path: a waiting verdict, then its final one."""
    row = entry.locator("dt").filter(has_text=path)
    return row.locator("xpath=following-sibling::dd[1]").locator(".verdict")


def open_chat(page: Page) -> FrameLocator:
    page.get_by_role("button", name=BUTTON).click()
    page.get_by_role("button", name=CHAT).click()
    return page.frame_locator("iframe")


def say(chat: FrameLocator, text: str) -> None:
    box = chat.get_by_role("textbox")
    box.fill(text)
    box.press("Enter")
    expect(chat.get_by_role("log")).to_contain_text(text)


def test_a_visitors_data_lands_on_the_card_and_the_operator_answers(visitor: Page, operator: Page) -> None:
    example = run_action(visitor, "The documentation's example")
    expect(verdicts(example, "lead.sale")).to_have_count(1)
    assert verdicts(example, "lead.sale").first.get_attribute("title") == "waiting_for_lead"

    chat = open_chat(visitor)
    say(chat, "Do you have Tie Guan Yin?")
    for path, verdict in {"note": "noted", "contact.name": "filled", "lead.sale": "filled"}.items():
        expect(verdicts(example, path).last).to_have_attribute("title", verdict, timeout=PATIENCE_MS)
        assert verdicts(example, path).count() == 2

    refused = run_action(visitor, "The same with other values")
    expect(verdicts(refused, "lead.name").last).to_have_attribute(
        "title", "refused_not_empty", timeout=PATIENCE_MS
    )

    row = operator.get_by_text("Do you have Tie Guan Yin?").first
    row.click()
    card = operator.get_by_role("region", name="Card")
    for text in ("Название сделки", "999", "Иван Иванов", "+7123456789", "Текст примечания"):
        expect(card.get_by_text(text).first).to_be_visible()

    answer = operator.get_by_role("textbox", name="Your answer")
    answer.fill("Yes, 100 g left")
    answer.press("Enter")
    expect(chat.get_by_role("log")).to_contain_text("Yes, 100 g left")

    for page in (visitor, operator):
        assert page.evaluate("window.reports") == []


MESSENGERS = {"Telegram": "START", "Messenger": "Get started", "Viber": "Message", "VK": "Start"}


@pytest.mark.parametrize(("messenger", "start"), MESSENGERS.items())
def test_the_visit_is_carried_into_a_messenger_and_the_answer_comes_back(
    visitor: Page, operator: Page, messenger: str, start: str
) -> None:
    run_action(visitor, "The documentation's example")
    visitor.get_by_role("button", name=BUTTON).click()
    phone = follow(visitor, messenger)
    phone.get_by_role("button", name=start, exact=True).click()
    if messenger == "Viber":
        # There nobody may be written to who has not written; the text that the link has brought is enough.
        box = phone.get_by_role("textbox", name=f"Message, {messenger}")
        expect(box).not_to_have_value("")
        box.press("Enter")
    operator.get_by_text(f"{messenger} ·").first.click()
    card = operator.get_by_role("region", name="Card")
    for text in ("Название сделки", "999", "Иван Иванов", "+7123456789", "Текст примечания"):
        expect(card.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)
    expect(operator.get_by_text("Opened the chat from")).to_be_visible()
    answer = operator.get_by_role("textbox", name="Your answer")
    answer.fill("Good day! How can I help?")
    answer.press("Enter")
    expect(phone.get_by_text("Good day! How can I help?")).to_be_visible(timeout=PATIENCE_MS)
    assert operator.evaluate("window.reports") == []


def follow(page: Page, messenger: str) -> Page:
    """Press the messenger's icon. Viber's needs its app: its link stands beside a QR code."""
    link = page.get_by_role("link", name=messenger).first
    if messenger == "Viber":
        page.get_by_role("button", name=messenger).first.click()
        link = page.get_by_role("link", name="open it on this computer")
    with page.context.expect_page() as opened:
        link.click()
    expect(page.get_by_role("heading", name="Tea worth waiting for")).to_be_visible()
    return opened.value


def test_a_press_counts_though_the_window_comes_before_the_release(visitor: Page) -> None:
    box = visitor.get_by_role("button", name=BUTTON).bounding_box()
    assert box is not None
    visitor.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visitor.mouse.down()
    visitor.locator("#amobutton section .window").wait_for(state="attached")
    visitor.mouse.up()
    expect(visitor.get_by_role("button", name=CHAT)).to_be_visible(timeout=PATIENCE_MS)


def test_after_24_hours_the_page_may_write_no_more(visitor: Page) -> None:
    say(open_chat(visitor), "Hello")
    noted = run_action(visitor, "A note on the contact")
    expect(verdicts(noted, "note").last).to_have_attribute("title", "noted", timeout=PATIENCE_MS)
    with visitor.expect_response(
        lambda answer: answer.request.method == "POST" and "/demo/clock" in answer.url
    ):
        visitor.get_by_role("button", name="+24 hours").click()
    late = run_action(visitor, "An address by its parts")
    expect(verdicts(late, "contact.custom_fields[0]").last).to_have_attribute(
        "title", "refused_window_closed"
    )


def test_a_declined_lead_takes_nothing_more_until_the_next_message(visitor: Page, operator: Page) -> None:
    chat = open_chat(visitor)
    say(chat, "Hello")
    operator.get_by_text("Hello").first.click()
    operator.get_by_role("button", name="Decline").first.click()
    operator.get_by_role("dialog").get_by_role("button", name="Decline").click()
    expect(operator.get_by_role("dialog")).to_have_count(0)
    declined = run_action(visitor, "The documentation's example")
    expect(verdicts(declined, "lead.sale").last).to_have_attribute(
        "title", "refused_declined", timeout=PATIENCE_MS
    )


@pytest.mark.parametrize("lang", ["en", "ru"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page_of_the_demo(
    browser: Browser, demo: dict[str, Any], lang: str, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = _open(context)
    page.goto(f"{demo['demo_page']}?lang={lang}")
    expect(page.get_by_role("button", name=BUTTON)).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    context.close()
