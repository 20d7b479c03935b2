"""The simulator's page: a link is opened, START pressed, a word said, the bot's answer seen and pressed."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from knopka.simulator.accounts import Account, Kind
from knopka.simulator.run import SimulatorServer
from tests.browser.conftest import WATCH_POLICY
from tests.simulator.conftest import CODE, MESSENGER, PLAIN, TELEGRAM, VIBER, VK
from tests.simulator.receiver import receiving

DESKTOP: ViewportSize = {"width": 1360, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


@dataclass
class Running:
    """The simulator, run by a thread of its own, and a client that speaks as the bots' owner."""

    url: str
    http: httpx.Client
    hook: str
    """A webhook that is content with whatever it is told."""

    def send(self, chat_id: int, text: str, **more: object) -> None:
        body = {"chat_id": chat_id, "text": text, **more}
        answer = self.http.post(f"/telegram/bot{TELEGRAM.token}/sendMessage", json=body).json()
        assert answer["ok"], answer

    def updates(self) -> list[dict[str, dict[str, str]]]:
        given = {"timeout": 5}
        answer = self.http.post(f"/telegram/bot{TELEGRAM.token}/getUpdates", json=given).json()
        updates: list[dict[str, dict[str, str]]] = answer["result"]
        return updates

    def chat_id(self) -> int:
        """Of the person whose browser this is, as an action of the API tells it."""
        answer = self.http.post("/api/persons/1/say", json={"platform": "telegram", "text": "My number?"})
        return int(answer.json()["user_id"])


@pytest.fixture
def simulator() -> Iterator[Running]:
    accounts: tuple[Account, ...] = (TELEGRAM, MESSENGER, VIBER, VK)
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    urls: list[str] = []

    async def live() -> None:
        server = SimulatorServer(pace=0.001)
        await server.start()
        for account in accounts:
            server.simulator.add_account(account)
        async with receiving() as receiver:
            loops.append(asyncio.get_running_loop())
            urls.extend((server.url, receiver.url))
            ready.set()
            await stop.wait()
            await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert ready.wait(10)
    try:
        with httpx.Client(base_url=urls[0], trust_env=False, verify=PLAIN, timeout=10) as http:
            yield Running(urls[0], http, urls[1])
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    """A page on which nothing may be stopped by the policy and no error may be thrown."""
    page.set_default_timeout(10_000)
    page.set_viewport_size(DESKTOP)
    page.add_init_script(WATCH_POLICY)
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    yield page
    assert thrown == []
    assert page.evaluate("window.reports") == []


def test_an_empty_page_says_what_to_do(watched: Page, simulator: Running) -> None:
    watched.goto(simulator.url)
    window = watched.get_by_role("region", name="Viber, a person’s window")
    expect(window).to_contain_text("Press a messenger’s icon of the button on the demo page")
    expect(watched.get_by_label("Person", exact=True)).to_have_text("Nobody yet")


def test_a_person_comes_by_a_link_and_talks_with_the_bot(watched: Page, simulator: Running) -> None:
    watched.goto(f"{simulator.url}/open/telegram/shop_bot?start={CODE}")
    window = watched.get_by_role("region", name="Telegram, a person’s window")
    expect(window).to_contain_text("The link brought a code.")
    expect(window.get_by_label("Message, Telegram")).to_be_hidden()
    window.get_by_role("button", name="START").click()
    expect(window.get_by_role("log")).to_contain_text("/start")
    window.get_by_label("Message, Telegram").fill("Сколько стоит доставка?")
    window.get_by_role("button", name="Send, Telegram").click()
    expect(window.get_by_role("log")).to_contain_text("Сколько стоит доставка?")
    texts = [update["message"]["text"] for update in simulator.updates()]
    assert texts == [f"/start {CODE}", "Сколько стоит доставка?"]
    keyboard = {"inline_keyboard": [[{"text": "Да", "callback_data": "b:1"}]]}
    simulator.send(simulator.chat_id(), "300 рублей. <b>Оформить?</b>", reply_markup=keyboard)
    expect(window.get_by_role("log")).to_contain_text("300 рублей. <b>Оформить?</b>")
    window.get_by_role("button", name="Да").click()
    watched.get_by_text("What happened").click()
    expect(watched.get_by_role("row", name=re.compile("person press Да"))).to_be_visible()


@dataclass(frozen=True)
class Offer:
    """Where a person comes from, and how a bot offers tea and coffee there."""

    name: str
    link: str
    path: str
    headers: Mapping[str, str]
    buttons: Callable[[str], Mapping[str, object]]
    """The body, or VK's form, for a person."""


OFFERS = {
    Kind.TELEGRAM: Offer(
        "Telegram",
        f"telegram/shop_bot?start={CODE}",
        f"/telegram/bot{TELEGRAM.token}/sendMessage",
        {},
        lambda chat: {
            "chat_id": chat,
            "text": "Which?",
            "reply_markup": {
                "inline_keyboard": [[{"text": name, "callback_data": name}] for name in ("Tea", "Coffee")]
            },
        },
    ),
    Kind.MESSENGER: Offer(
        "Messenger",
        f"messenger/shop.page?ref={CODE}&text=Hello",
        f"/graph/v26.0/me/messages?access_token={MESSENGER.page_token}",
        {},
        lambda chat: {
            "recipient": {"id": chat},
            "messaging_type": "RESPONSE",
            "message": {
                "text": "Which?",
                "quick_replies": [
                    {"content_type": "text", "title": name, "payload": name} for name in ("Tea", "Coffee")
                ],
            },
        },
    ),
    Kind.VIBER: Offer(
        "Viber",
        f"viber?chatURI=shopbot&context={CODE}",
        "/viber/pa/send_message",
        {"X-Viber-Auth-Token": VIBER.token},
        lambda chat: {
            "receiver": chat,
            "type": "text",
            "text": "Which?",
            "sender": {"name": "Shop"},
            "keyboard": {
                "Type": "keyboard",
                "Buttons": [{"ActionBody": name, "Text": name} for name in ("Tea", "Coffee")],
            },
        },
    ),
    Kind.VK: Offer(
        "VK",
        f"vk/shop_vk?ref={CODE}&ref_source=button",
        "/vk/method/messages.send",
        {"Authorization": f"Bearer {VK.token}"},
        lambda chat: {
            "peer_id": chat,
            "message": "Which?",
            "random_id": 7,
            "v": "5.199",
            "keyboard": json.dumps(
                {
                    "inline": True,
                    "buttons": [[{"action": {"type": "text", "label": name}}] for name in ("Tea", "Coffee")],
                }
            ),
        },
    ),
}


@pytest.mark.parametrize("kind", OFFERS, ids=str)
def test_a_bots_buttons_are_shown_and_pressed_in_every_messenger(
    watched: Page, simulator: Running, kind: Kind
) -> None:
    offer = OFFERS[kind]
    if kind is Kind.VIBER:  # which lets nobody send who cannot be told
        hook = {"url": simulator.hook}
        told = simulator.http.post("/viber/pa/set_webhook", json=hook, headers=offer.headers).json()
        assert told["status"] == 0, told
    watched.goto(f"{simulator.url}/open/{offer.link}")
    window = watched.get_by_role("region", name=f"{offer.name}, a person’s window")
    if kind is not Kind.MESSENGER:
        window.locator(".start").click()
    window.get_by_label(f"Message, {offer.name}").fill("Hello")
    window.get_by_role("button", name=f"Send, {offer.name}").click()
    expect(window.get_by_role("log")).to_contain_text("Hello")
    person = simulator.http.post("/api/persons/1/say", json={"platform": kind.value, "text": "I"}).json()
    body = offer.buttons(person["user_id"])
    given = {"data": body} if kind is Kind.VK else {"json": body}
    answer = simulator.http.post(offer.path, headers=offer.headers, **given)  # type: ignore[arg-type]  # either
    assert answer.status_code == 200, answer.text
    expect(window.get_by_role("button", name="Coffee")).to_be_visible()
    window.get_by_role("button", name="Coffee").click()
    watched.get_by_text("What happened").click()
    expect(watched.get_by_role("row", name=re.compile("person press Coffee"))).to_be_visible()
    if kind in (Kind.MESSENGER, Kind.VIBER):
        expect(window.get_by_role("button", name="Tea")).to_be_hidden()


def test_edits_files_and_blocking_by_the_page(watched: Page, simulator: Running) -> None:
    watched.goto(f"{simulator.url}/open/telegram/shop_bot?start={CODE}")
    window = watched.get_by_role("region", name="Telegram, a person’s window")
    window.get_by_role("button", name="START").click()
    field = window.get_by_label("Message, Telegram")
    field.fill("Helo")
    field.press("Enter")
    window.get_by_role("listitem").filter(has_text="Helo").get_by_role("button", name="Edit").click()
    field.fill("Hello")
    window.get_by_role("button", name="Save the edit, Telegram").click()
    expect(window.get_by_role("listitem").filter(has_text="Hello")).to_contain_text("edited")
    window.get_by_label("Attach, Telegram").click()
    window.get_by_role("button", name="Photo").click()
    expect(window.get_by_role("img", name="Photo")).to_be_visible()
    window.get_by_label("Menu, Telegram").click()
    window.get_by_role("button", name="Block", exact=True).click()
    expect(window).to_contain_text("You have blocked this account.")
    expect(field).to_be_hidden()
    kinds = [next(key for key in update if key != "update_id") for update in simulator.updates()]
    assert kinds == ["message", "message", "edited_message", "message", "my_chat_member"]


def test_a_fault_is_switched_on_and_off_by_the_page(watched: Page, simulator: Running) -> None:
    watched.goto(simulator.url)
    watched.get_by_text("Faults", exact=True).click()
    watched.get_by_label("What goes wrong").select_option("too_many")
    watched.get_by_label("Where").select_option("telegram")
    watched.get_by_label("How many times").fill("3")
    watched.get_by_role("button", name="Switch on").click()
    switch = watched.get_by_role("listitem").filter(has_text="Out: too many calls · Telegram · 3 more")
    expect(switch).to_be_visible()
    switch.get_by_role("button", name="Switch off").click()
    expect(switch).to_be_hidden()
    watched.get_by_text("Open points").click()
    watched.get_by_label("vk ref", exact=True).select_option("on every message")
    expect(watched.get_by_label("vk ref", exact=True)).to_have_value("on every message")


def test_what_cannot_be_done_is_told(watched: Page, simulator: Running) -> None:
    watched.goto(f"{simulator.url}/open/viber?chatURI=shopbot&context={CODE}")
    window = watched.get_by_role("region", name="Viber, a person’s window")
    window.get_by_role("button", name="Message", exact=True).click()
    window.get_by_label("Menu, Viber").click()
    window.get_by_role("button", name="Block", exact=True).click()
    expect(watched.get_by_role("alert")).to_have_text("The person has not subscribed.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_and_nothing_is_cut_off(
    watched: Page, simulator: Running, scheme: Literal["light", "dark"], size: ViewportSize
) -> None:
    watched.emulate_media(color_scheme=scheme)
    watched.set_viewport_size(size)
    for kind, path in {
        Kind.TELEGRAM: f"telegram/shop_bot?start={CODE}",
        Kind.MESSENGER: f"messenger/shop.page?ref={CODE}&text=Hello",
        Kind.VIBER: f"viber?chatURI=shopbot&context={CODE}",
        Kind.VK: f"vk/shop_vk?ref={CODE}&ref_source=button",
    }.items():
        watched.goto(f"{simulator.url}/open/{path}")
        window = watched.locator(f"#{kind}")
        if kind is not Kind.MESSENGER:
            window.locator(".start").click()
        expect(window.locator(".composer")).to_be_visible()
    keyboard = {
        "inline_keyboard": [[{"text": "Yes", "callback_data": "1"}, {"text": "No", "callback_data": "2"}]]
    }
    simulator.send(simulator.chat_id(), "Shall we call you?", reply_markup=keyboard)
    expect(watched.locator("#telegram")).to_contain_text("Shall we call you?")
    for name in ("Faults", "Open points", "What happened"):
        watched.get_by_text(name, exact=True).click()
    found = Axe().run(watched, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    assert watched.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_speaks_russian(simulator: Running, browser: Browser) -> None:
    context = browser.new_context(locale="ru-RU")
    page = context.new_page()
    page.goto(f"{simulator.url}/open/vk/shop_vk?ref={CODE}")
    window = page.get_by_role("region", name="VK, окно человека")
    window.get_by_role("button", name="Начать").click()
    expect(window.get_by_role("log")).to_contain_text("Начать")
    assert page.evaluate("document.documentElement.lang") == "ru"
    context.close()
