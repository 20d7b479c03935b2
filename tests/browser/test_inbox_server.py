"""The inbox on the whole server: from the sign-in to the answer, with what the site sent on the card."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.shop import CUSTOMER, PHONE, WHOLESALE, Shop, open_shop
from tests.web.office import LOGIN, PASSWORD

T = TypeVar("T")


@dataclass
class Served:
    """A shop that lives on a loop of its own, so that the browser can be driven beside it."""

    shop: Shop
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return self.shop.office.url

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(step, self.loop).result(30)

    def history(self, conversation_id: int) -> list[str]:
        path = f"/inbox/api/conversations/{conversation_id}/messages"
        answer: httpx.Response = self.do(self.shop.operator.get(path))
        return [message["text"] for message in answer.json()["messages"]]


@pytest.fixture
def served(sqlite_url: str, tmp_path: Path) -> Iterator[Served]:
    opened: list[Served] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def live() -> None:
        async with open_shop(sqlite_url, tmp_path) as shop:
            opened.append(Served(shop, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert ready.wait(30)
    yield opened[0]
    opened[0].loop.call_soon_threadsafe(stop.set)
    thread.join(30)


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    """A page of which every script error and every report of the content security policy is a fault."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if request.url.endswith("/w/csp") else None)
    page.set_viewport_size({"width": 1440, "height": 900})
    yield page
    assert faults == []


def sign_in(page: Page, url: str, path: str = "/inbox/") -> None:
    page.goto(url + path)
    fill_sign_in(page)


def fill_sign_in(page: Page) -> None:
    page.locator("#login").fill(LOGIN)
    page.locator("#password").fill(PASSWORD)
    page.locator("button[type=submit]").click()


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("tabpanel").get_by_role("link").filter(has_text=text)


def log(page: Page) -> Locator:
    return page.get_by_role("log")


def card(page: Page) -> Locator:
    return page.get_by_role("region", name="Карточка")


def section(page: Page, heading: str) -> Locator:
    return card(page).locator("section", has=page.get_by_role("heading", name=heading))


def go_live(page: Page) -> None:
    expect(page.locator(".state.live")).to_be_attached()


def test_from_the_sign_in_to_the_answer(served: Served, watched: Page) -> None:
    served.do(served.shop.write("Есть ли улун?"))
    sign_in(watched, served.url, "/inbox/c/1")
    expect(log(watched)).to_contain_text("Есть ли улун?")
    expect(watched).to_have_url(f"{served.url}/inbox/c/1")
    answer = watched.get_by_role("textbox", name="Ваш ответ")
    answer.fill("Есть, три вида.")
    answer.press("Enter")
    expect(log(watched).get_by_text("Есть, три вида.")).to_have_count(1)
    expect(log(watched).locator(".state.sent")).to_be_visible()
    served.do(served.shop.write("А молочный?"))
    expect(log(watched)).to_contain_text("А молочный?")
    expect(row(watched, "А молочный?")).to_be_visible()
    assert served.history(1) == ["Есть ли улун?", "Есть, три вида.", "А молочный?"]


def test_a_cut_connection_is_bridged(served: Served, watched: Page, context: BrowserContext) -> None:
    served.do(served.shop.write("до"))
    sign_in(watched, served.url, "/inbox/c/1")
    go_live(watched)
    expect(log(watched)).to_contain_text("до")
    context.set_offline(True)
    watched.evaluate("window.dispatchEvent(new Event('offline'))")
    expect(watched.locator(".state.offline")).to_be_attached()
    for text in ("раз", "два", "три"):
        served.do(served.shop.write(text))
    answer = watched.get_by_role("textbox", name="Ваш ответ")
    answer.fill("из метро")
    answer.press("Enter")
    expect(log(watched).get_by_text("Ждёт связи")).to_be_visible()
    context.set_offline(False)
    expect(log(watched).locator(".bubble .rich")).to_have_text(["до", "раз", "два", "три", "из метро"])
    go_live(watched)
    served.do(served.shop.write("четыре"))
    expect(log(watched).locator(".bubble .rich").last).to_have_text("четыре")
    assert served.history(1) == ["до", "раз", "два", "три", "из метро", "четыре"]


def test_the_card_shows_what_the_site_sent_and_takes_the_operators_word(
    served: Served, watched: Page
) -> None:
    served.do(served.shop.write("Здравствуйте"))
    sign_in(watched, served.url, "/inbox/c/1")
    go_live(watched)
    expect(card(watched).get_by_text("Сайт может заполнять пустые поля ещё")).to_be_visible()
    phone = {"id": PHONE, "values": [{"value": "+7 912 345-67-89", "enum": 12345}]}
    kind = {"id": CUSTOMER, "values": [{"enum": WHOLESALE}]}
    call = {
        "contact": {"name": "Ирина", "custom_fields": [phone]},
        "lead": {"sale": 999, "custom_fields": [kind, {"id": 5, "values": [{"value": "x"}]}]},
        "note": {"text": "Из каталога"},
        "bot_params": {"cart": 3},
    }
    served.do(served.shop.set_meta(call))
    expect(card(watched).get_by_role("link", name="+7 912 345-67-89")).to_have_attribute(
        "href", "tel:+79123456789"
    )
    expect(section(watched, "Сделка")).to_contain_text("Опт")
    expect(section(watched, "Сделка")).to_contain_text("999 ₽")
    expect(section(watched, "Примечания")).to_contain_text("Из каталога")
    expect(section(watched, "Для бота")).to_contain_text("cart")
    refused = section(watched, "Что прислал сайт").get_by_role("listitem").filter(has_text="custom_fields[1]")
    expect(refused.locator(".chip.bad")).to_be_visible()
    expect(refused.locator(".reason")).not_to_be_empty()
    expect(row(watched, "Ирина")).to_be_visible()
    card(watched).get_by_role("button", name="Изменить: Бюджет").click()
    price = card(watched).get_by_role("textbox", name="Бюджет")
    price.fill("12990")
    price.press("Enter")
    expect(watched.get_by_text("Сохранено.")).to_be_visible()
    card(watched).get_by_role("button", name="Добавить примечание").click()
    card(watched).get_by_role("textbox", name="Добавить примечание").fill("Перезвонить")
    card(watched).get_by_role("button", name="Сохранить").click()
    expect(section(watched, "Примечания")).to_contain_text("Перезвонить")
    kept = served.do(served.shop.card(1))
    assert kept["lead"]["price"] == 12990
    assert [note["params"]["text"] for note in kept["notes"]].count("Перезвонить") == 1


def test_an_unsorted_lead_is_accepted(served: Served, watched: Page) -> None:
    served.do(served.shop.write("Здравствуйте"))
    sign_in(watched, served.url)
    watched.get_by_role("tab", name="Неразобранное").click()
    row(watched, "Здравствуйте").click()
    card(watched).get_by_role("button", name="Принять").click()
    dialog = watched.get_by_role("dialog", name="Принять заявку")
    dialog.get_by_role("button", name="Принять").click()
    expect(watched.get_by_text("Заявка принята.")).to_be_visible()
    expect(watched.get_by_text("Разбирать нечего")).to_be_visible()
    assert served.do(served.shop.card(1))["unsorted"]["state"] == "accepted"


def test_a_declined_lead_takes_nothing_more(served: Served, watched: Page) -> None:
    served.do(served.shop.write("Здравствуйте"))
    sign_in(watched, served.url, "/inbox/c/1")
    card(watched).get_by_role("button", name="Отклонить").click()
    watched.get_by_role("dialog").get_by_role("button", name="Отклонить заявку").click()
    expect(card(watched)).to_contain_text("Отклонена")
    assert served.do(served.shop.card(1))["unsorted"]["state"] == "declined"


def test_closing_reading_and_signing_out(served: Served, watched: Page) -> None:
    served.do(served.shop.write("Здравствуйте"))
    sign_in(watched, served.url)
    go_live(watched)
    expect(row(watched, "Здравствуйте")).to_contain_text("1 непрочитанное сообщение")
    row(watched, "Здравствуйте").click()
    expect(row(watched, "Здравствуйте")).not_to_contain_text("непрочитанное")
    watched.get_by_role("button", name="Готово").click()
    expect(watched.get_by_text("Всем ответили")).to_be_visible()
    served.do(served.shop.write("Ещё вопрос"))
    expect(row(watched, "Ещё вопрос")).to_be_visible()
    watched.get_by_role("button", name="Настройки").click()
    watched.get_by_role("button", name="Выйти").click()
    expect(watched.locator("#password")).to_be_visible()
    watched.goto(served.url + "/inbox/c/1")
    expect(watched.locator("#password")).to_be_visible()


def test_a_sign_in_that_ends_elsewhere_ends_here(served: Served, watched: Page) -> None:
    served.do(served.shop.write("Здравствуйте"))
    sign_in(watched, served.url, "/inbox/c/1")
    go_live(watched)
    watched.evaluate("fetch('/inbox/sign-out', {method: 'POST', headers: {'X-Knopka': 'inbox'}})")
    expect(watched.locator("#password")).to_be_visible()
    fill_sign_in(watched)
    expect(log(watched)).to_contain_text("Здравствуйте")
    expect(watched).to_have_url(f"{served.url}/inbox/c/1")
