"""The inbox for every eye: no accessibility fault in any theme and language, and few bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import brotli
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.browser.fake_inbox import STATIC, FakeInbox, serve
from tests.browser.until import until

FIRST_LOAD = 90_000
LATER_CHUNK = 30_000
DESKTOP = ViewportSize(width=1440, height=900)
TABLET = ViewportSize(width=900, height=800)
PHONE = ViewportSize(width=390, height=844)


@pytest.fixture(params=["en", "ru"])
def inbox(request: pytest.FixtureRequest) -> Iterator[FakeInbox]:
    with serve(FakeInbox(locale=request.param)) as fake:
        fake.add("محمد علي", "مرحبا", "Ещё вопрос", unread=1, unsorted="unsorted")
        fake.add("Bob", "two")
        fake.add("Ann", "Do you have chairs? https://shop.example/chairs", unsorted="unsorted")
        yield fake
        assert fake.reports == []


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(color_scheme=request.param, viewport=DESKTOP, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def faults(page: Page) -> list[str]:
    """What axe finds wrong on the page as it stands: the rule and the element."""
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    violations = found.response["violations"]
    return [f"{violation['id']}: {node['html']}" for violation in violations for node in violation["nodes"]]


def open_dialog(name: Literal["help", "settings", "palette"]) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        if name == "settings":
            page.locator(".tools button").last.click()
        else:
            page.keyboard.press({"help": "?", "palette": "Control+k"}[name])
        expect(page.get_by_role("dialog")).to_be_visible()

    return act


def open_decision(name: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.locator(".decision button").filter(has_text=re.compile(name)).click()
        expect(page.get_by_role("dialog")).to_be_visible()

    return act


def nothing(_page: Page) -> None:
    """The view as it opens."""


VIEWS: dict[str, tuple[str, ViewportSize, Callable[[Page], None]]] = {
    "list": ("/inbox/", DESKTOP, nothing),
    "conversation and card": ("/inbox/c/3", DESKTOP, nothing),
    "two panes with the card": ("/inbox/c/3/card", TABLET, nothing),
    "phone list": ("/inbox/", PHONE, nothing),
    "phone conversation": ("/inbox/c/1", PHONE, nothing),
    "phone card": ("/inbox/c/1/card", PHONE, nothing),
    "help": ("/inbox/", DESKTOP, open_dialog("help")),
    "settings": ("/inbox/", DESKTOP, open_dialog("settings")),
    "palette": ("/inbox/c/3", DESKTOP, open_dialog("palette")),
    "accept": ("/inbox/c/3", DESKTOP, open_decision("Accept|Принять")),
    "decline": ("/inbox/c/3", DESKTOP, open_decision("Decline|Отклонить")),
    "nothing there": ("/inbox/c/99", DESKTOP, nothing),
}


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_has_an_accessibility_fault(view: str, inbox: FakeInbox, themed: Page) -> None:
    path, size, act = VIEWS[view]
    themed.set_viewport_size(size)
    themed.goto(inbox.url + path)
    expect(themed.locator(".skeleton")).to_have_count(0)
    expect(themed.locator(".row, .conversation h2, .card h2").first).to_be_attached()
    # A virtual list measures its rows before it shows them.
    until(
        themed,
        "[...document.querySelectorAll('nav li')]"
        ".every(row => row.offsetParent === null || row.style.visibility !== 'hidden')",
    )
    act(themed)
    assert faults(themed) == []


def test_the_account_says_the_language_and_the_operator_may_choose_another(
    browser: Browser, page: Page
) -> None:
    with serve(FakeInbox(locale="ru")) as fake:
        page.goto(fake.url + "/inbox/")
        expect(page.get_by_role("heading", name="Диалоги", exact=True)).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", "ru")
        page.get_by_role("button", name="Настройки").click()
        page.get_by_role("radio", name="English").check()
        expect(page.get_by_role("dialog", name="Settings")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_dark_follows_the_system_until_it_is_chosen(page: Page) -> None:
    def is_dark() -> bool:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return max(map(int, re.findall(r"\d+", colour))) < 128

    with serve(FakeInbox()) as fake:
        page.emulate_media(color_scheme="dark")
        page.goto(fake.url + "/inbox/")
        expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()
        assert is_dark()
        page.get_by_role("button", name="Settings").click()
        page.get_by_role("radio", name="Light").check()
        assert not is_dark()
        page.emulate_media(color_scheme="light")
        page.get_by_role("radio", name="Dark").check()
        page.reload()
        expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()
        assert is_dark()


def test_text_twice_as_large_loses_nothing(context: BrowserContext) -> None:
    page = context.new_page()
    page.set_viewport_size(DESKTOP)
    with serve(FakeInbox()) as fake:
        fake.add("Ann", "one", unsorted="unsorted")
        page.goto(fake.url + "/inbox/c/1")
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        expect(page.get_by_role("textbox", name="Your answer")).to_be_in_viewport()
        assert page.evaluate("document.documentElement.scrollWidth") <= DESKTOP["width"]


def test_the_first_load_is_small() -> None:
    index = (STATIC / "index.html").read_text(encoding="utf-8")
    named = set(re.findall(r'(?:src|href)="/inbox/(assets/[^"]+)"', index))
    assert len(named) >= 3, "the page names its script, its style and its icon"
    assert sum(map(packed, (STATIC / "index.html", *(STATIC / name for name in named)))) <= FIRST_LOAD
    later = [path for path in STATIC.glob("assets/*.js") if f"assets/{path.name}" not in named]
    assert all(packed(path) <= LATER_CHUNK for path in later)


def test_the_page_needs_no_wider_policy() -> None:
    index = (STATIC / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\ssrc=)", index) == []
    assert "<style" not in index
    assert "style=" not in index
    assert all("data:" not in path.read_text(encoding="utf-8") for path in STATIC.glob("assets/*.css"))


def packed(path: Path) -> int:
    return len(brotli.compress(path.read_bytes(), quality=11))
