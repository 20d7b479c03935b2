"""Bots in the inbox: who spoke, what was offered, what stops the bot, and how its authors keep it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.fake_inbox import FakeInbox
from tests.browser.inbox_samples import Json
from tests.browser.test_inbox import composer, log, row
from tests.browser.test_inbox_channels import HOSTILE, Open, inbox, open_inbox
from tests.browser.test_inbox_server import Served, served, sign_in, watched
from tests.browser.test_inbox_server import log as spoken
from tests.services.bot_story import handler, show
from tests.web.test_bots_inbox import GREET, Author, work

__all__ = ["inbox", "open_inbox", "served", "watched"]
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


# --- Bots and their settings, on the whole server

BOTS = "/inbox/settings/bots"
PHONE_WIDE = 390


@pytest.fixture
def author(served: Served) -> Author:
    return Author(served.shop)


def add_bot(served: Served, author: Author, *starts: dict[str, Any]) -> int:
    return served.do(author.add(GREET, *starts))


def settle(served: Served) -> None:
    """Let the server's worker do what is due."""
    served.do(work(served.shop))


def part(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Разделы бота").get_by_role("link", name=name).click()


def start_of(page: Page, number: int) -> Locator:
    return page.get_by_role("group", name=f"Условие {number}", exact=True)


def test_the_empty_list_says_what_a_bot_is_and_adds_one(served: Served, watched: Page) -> None:
    sign_in(watched, served.url)
    expect(watched.get_by_role("heading", name="Диалоги", exact=True)).to_be_visible()
    watched.keyboard.press("b")
    expect(watched.get_by_text("Ботов ещё нет")).to_be_visible()
    expect(watched.get_by_text("Бот отвечает посетителям по вашему скрипту")).to_be_visible()
    watched.get_by_role("button", name="Добавить бота").click()
    dialog = watched.get_by_role("dialog", name="Новый бот")
    name = dialog.get_by_role("textbox", name="Название")
    expect(name).to_be_focused()
    dialog.get_by_role("button", name="Добавить").click()
    expect(dialog.get_by_role("alert")).to_have_text("Нужно название")
    name.fill("Чайный бот")
    name.press("Enter")
    expect(watched.get_by_role("heading", name="Чайный бот")).to_be_focused()
    expect(watched).to_have_url(f"{served.url}{BOTS}/1/script")
    expect(watched.get_by_text("Не опубликован")).to_be_visible()
    part(watched, "Версии")
    expect(watched.get_by_text("Версий ещё нет")).to_be_visible()
    part(watched, "Запуски")
    expect(watched.get_by_text("Бот ещё не запускался")).to_be_visible()
    watched.get_by_role("link", name="Все боты").click()
    listed = watched.get_by_role("main").get_by_role("listitem")
    expect(listed).to_contain_text("Запускается вручную, другим ботом или через API")
    expect(listed).to_contain_text("Ещё не запускался")


def test_settings_are_kept_and_each_fault_stands_at_its_field(
    served: Served, watched: Page, author: Author
) -> None:
    number = add_bot(served, author)
    sign_in(watched, served.url, f"{BOTS}/{number}/settings")
    add, save = (watched.get_by_role("button", name=name) for name in ("Добавить условие", "Сохранить"))
    kinds = ("keyword", "no_answer", "schedule", "stage")
    for count, kind in enumerate(kinds, 1):
        add.click()
        start = start_of(watched, count)
        expect(start.get_by_role("combobox")).to_be_focused()
        start.get_by_role("combobox").select_option(kind)
    watched.get_by_role("radio", name="Только на этих").check()
    watched.get_by_role("textbox", name="Приоритет").fill("много")
    start_of(watched, 2).get_by_role("textbox", name="Минуты").fill("0")
    start_of(watched, 3).get_by_role("textbox", name="Время").fill("9:00, 25:00")
    save.click()
    words = start_of(watched, 1).get_by_role("textbox", name="Слова и фразы")
    expect(words).to_be_focused()
    expect(words).to_have_accessible_description("Нужно хотя бы одно слово, в каждом не больше 100 знаков")
    for place, fault in (
        (start_of(watched, 2), "Целое число от 1 до 10080"),
        (start_of(watched, 3), "Время вида 09:00"),
        (start_of(watched, 3), "Выберите хотя бы один этап"),
        (start_of(watched, 4), "Выберите хотя бы один этап"),
        (watched.get_by_role("group", name="На каких кнопках"), "Выберите хотя бы одну кнопку"),
        (watched.get_by_role("form"), "Целое число от −1000 до 1000"),
    ):
        expect(place).to_contain_text(fault)
    expect(watched.get_by_role("alert")).to_have_text("Не сохранено: исправьте 7 мест.")
    assert served.do(author.get(f"bots/{number}"))["settings"]["starts"] == []
    words.fill("чай\n\n  улун ")
    start_of(watched, 2).get_by_role("textbox", name="Минуты").fill("15")
    start_of(watched, 3).get_by_role("textbox", name="Время").fill("9:00, 18:30")
    start_of(watched, 3).get_by_role("checkbox", name="Вс").uncheck()
    start_of(watched, 3).get_by_role("checkbox", name="Переговоры").check()
    start_of(watched, 4).get_by_role("button", name="Удалить условие 4").click()
    expect(add).to_be_focused()
    watched.get_by_role("checkbox", name="Лавка").first.check()
    watched.get_by_role("radio", name="Только в этих").check()
    watched.get_by_role("checkbox", name="Все каналы: Telegram").check()
    watched.get_by_role("textbox", name="Приоритет").fill("-5")
    watched.get_by_role("textbox", name="Название").fill("Чайный")
    expect(watched.get_by_text("Ещё не сохранено")).to_be_visible()
    save.click()
    expect(watched.get_by_text("Сохранено.", exact=True)).to_be_visible()
    expect(watched.get_by_text("Ещё не сохранено")).to_have_count(0)
    kept = served.do(author.get(f"bots/{number}"))
    (stage,) = (one["id"] for one in kept["stages"] if one["name"] == "Переговоры")
    source = kept["sources"][0]["id"]
    schedule = {"times": ["09:00", "18:30"], "status_ids": [stage], "weekdays": [1, 2, 3, 4, 5, 6]}
    assert kept["name"] == "Чайный"
    assert kept["settings"] == {
        "starts": [
            {"on": "keyword", "words": ["чай", "улун"]},
            {"on": "no_answer", "minutes": 15},
            {"on": "schedule", **schedule},
        ],
        "channels": ["telegram"],
        "source_ids": [source],
        "is_nps": False,
        "priority": -5,
    }
    watched.get_by_role("link", name="Все боты").click()
    expect(watched.get_by_role("main").get_by_role("listitem")).to_contain_text(
        "Слова: чай, улун; нет ответа 15 минут; Пн, Вт, Ср, Чт, Пт, Сб в 09:00, 18:30"
    )


def test_what_the_server_refuses_stands_at_its_field(served: Served, watched: Page, author: Author) -> None:
    number = add_bot(served, author)
    sign_in(watched, served.url, f"{BOTS}/{number}/settings")
    name = watched.get_by_role("textbox", name="Название")
    name.fill("\u200b")
    watched.get_by_role("button", name="Сохранить").click()
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description(re.compile("a name has 1 to"))
    expect(watched.get_by_role("alert")).to_have_text("Не сохранено: исправьте 1 место.")


def test_versions_are_compared_published_and_rolled_back(
    served: Served, watched: Page, author: Author
) -> None:
    number = add_bot(served, author)
    for text in ("Fine.", "Splendid."):
        script = json.dumps([{"question": [show(text), handler("stop")]}], indent=1)
        served.do(author.post(f"bots/{number}/versions", 201, script=script, note=f"says {text}"))
    served.do(author.post(f"bots/{number}/publish", version=2))
    sign_in(watched, served.url, f"{BOTS}/{number}/versions")
    rows = watched.get_by_role("main").get_by_role("listitem")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="Версия 3")).to_contain_text("says Splendid.")
    expect(rows.filter(has_text="Опубликована")).to_contain_text("Версия 2")
    watched.get_by_role("link", name="Версия 3").click()
    expect(watched.get_by_role("region", name="Скрипт")).to_contain_text("Splendid.")
    watched.get_by_role("radio", name="Отличия от опубликованной версии 2").check()
    difference = watched.get_by_role("region", name="Отличия")
    expect(difference.locator("tr.gone")).to_have_count(1)
    expect(difference.locator("tr.gone")).to_contain_text("Fine.")
    expect(difference.locator("tr.new")).to_contain_text("Splendid.")
    watched.get_by_role("button", name="Опубликовать версию 3").click()
    expect(watched.get_by_text("Версия 3 опубликована: новые разговоры")).to_be_visible()
    assert served.do(author.get(f"bots/{number}"))["published_version"] == 3
    watched.get_by_role("link", name="Все версии").click()
    watched.get_by_role("button", name="Откатить на версию 2").click()
    expect(rows.filter(has_text="Опубликована")).to_contain_text("Версия 2")
    watched.get_by_role("button", name="Откатить на версию 1").click()
    expect(rows.filter(has_text="Опубликована")).to_contain_text("Версия 1")
    expect(watched.get_by_role("button", name="Откатить")).to_have_count(0)
    expect(watched.get_by_role("link", name="Версия 1")).to_be_focused()
    watched.get_by_role("button", name="Опубликовать версию 3").click()
    expect(rows.filter(has_text="Опубликована")).to_contain_text("Версия 3")
    watched.get_by_role("button", name="Отменить").last.click()
    expect(rows.filter(has_text="Опубликована")).to_contain_text("Версия 1")
    assert served.do(author.get(f"bots/{number}"))["published_version"] == 1


def test_a_run_is_read_step_by_step_while_it_goes_on(served: Served, watched: Page, author: Author) -> None:
    number = add_bot(served, author, {"on": "first_message"})
    served.do(served.shop.set_meta({"bot_params": {"username": f"Ann {HOSTILE}"}}))
    served.do(served.shop.write("Hi"))
    settle(served)
    sign_in(watched, served.url, f"{BOTS}/{number}/runs")
    expect(watched.get_by_role("main").get_by_role("listitem")).to_contain_text("Ждёт ответа")
    watched.get_by_role("link", name="Запуск 1, шаг за шагом").click()
    steps = watched.get_by_role("region", name="Шаги").get_by_role("listitem")
    said = steps.filter(has_text="Сказано посетителю.")
    expect(said).to_contain_text("bot_params.username")
    expect(said).to_contain_text(f"Ann {HOSTILE}")
    expect(said).to_contain_text("строка 1")
    expect(watched.get_by_text("Новые шаги появляются сами.")).to_be_visible()
    served.do(served.shop.write("yes"))
    settle(served)
    expect(steps.last).to_contain_text("Скрипт остановил бота.")
    expect(watched.get_by_text("Новые шаги появляются сами.")).to_have_count(0)
    watched.get_by_role("link", name="К диалогу").click()
    expect(spoken(watched)).to_contain_text("Fine.")


def test_an_operator_starts_and_stops_a_bot_where_it_talks(
    served: Served, watched: Page, author: Author
) -> None:
    served.do(served.shop.write("Hi"))
    sign_in(watched, served.url, "/inbox/c/1")
    expect(spoken(watched)).to_contain_text("Hi")
    watched.get_by_role("button", name="Запустить бота").click()
    dialog = watched.get_by_role("dialog", name="Какой бот будет говорить?")
    expect(dialog).to_contain_text("Запустить некого")
    watched.keyboard.press("Escape")
    number = add_bot(served, author)
    served.do(author.post("bots", 201, name="Черновик"))
    watched.keyboard.press("Control+k")
    watched.get_by_role("combobox").fill("Запустить бота")
    watched.keyboard.press("Enter")
    expect(dialog.get_by_role("listitem")).to_have_text(["Робот"])
    dialog.get_by_role("button", name="Робот").click()
    notice = watched.get_by_role("status").filter(has_text="Разговор ведёт бот «Робот»")
    expect(notice).to_be_visible()
    settle(served)
    expect(spoken(watched)).to_contain_text("Hello, !")
    watched.get_by_role("button", name="Остановить бота").click()
    expect(notice).to_be_hidden()
    expect(watched.get_by_role("textbox", name="Ваш ответ")).to_be_focused()
    (run,) = served.do(author.get(f"bots/{number}/runs"))["runs"]
    assert (run["cause"], run["reason"]) == ("manual", "operator")
    watched.get_by_role("button", name="Запустить бота").click()
    dialog.get_by_role("button", name="Робот").click()
    watched.get_by_role("link", name="Что он делал").click()
    expect(watched.get_by_role("heading", name="Запуск 2")).to_be_visible()
    watched.get_by_role("link", name="Все боты").click()
    watched.keyboard.press("Escape")
    expect(watched).to_have_url(f"{served.url}/inbox/c/1")


def test_a_bot_is_switched_off_and_removed(served: Served, watched: Page, author: Author) -> None:
    number = add_bot(served, author, {"on": "first_message"})
    served.do(served.shop.write("Hi"))
    settle(served)
    sign_in(watched, served.url, f"{BOTS}/{number}/settings")
    watched.get_by_role("button", name="Выключить").click()
    expect(watched.get_by_text("Бот выключен: нигде не запускается")).to_be_visible()
    assert served.do(author.get(f"bots/{number}"))["is_enabled"] is False
    watched.get_by_role("button", name="Включить").click()
    expect(watched.get_by_text("Работает")).to_be_visible()
    watched.get_by_role("button", name="Удалить", exact=True).click()
    dialog = watched.get_by_role("dialog", name="Удалить бота «Робот»?")
    dialog.get_by_role("button", name="Отмена").click()
    assert len(served.do(author.get("bots"))["bots"]) == 1
    watched.get_by_role("button", name="Удалить", exact=True).click()
    dialog.get_by_role("button", name="Удалить бота").click()
    expect(watched.get_by_text("Ботов ещё нет")).to_be_visible()
    assert served.do(author.get("bots"))["bots"] == []
    watched.goto(f"{served.url}{BOTS}/{number}/runs")
    expect(watched.get_by_text("Такого бота нет")).to_be_visible()
    watched.goto(f"{served.url}{BOTS}/{number}/runs/1")
    expect(watched.get_by_text("Бот удалён; что он делал, ещё можно прочитать.")).to_be_visible()
    steps = watched.get_by_role("region", name="Шаги").get_by_role("listitem")
    expect(steps.last).to_contain_text("Бот выключен или удалён.")


def test_what_cannot_be_loaded_is_tried_again(served: Served, watched: Page, author: Author) -> None:
    number = add_bot(served, author)
    sign_in(watched, served.url)
    for address, path in (("bots", BOTS), (f"bots/{number}/versions*", f"{BOTS}/{number}/versions")):
        pattern = f"**/inbox/api/{address}"
        watched.route(pattern, lambda route: route.abort())
        watched.goto(served.url + path)
        again = watched.get_by_role("button", name="Повторить")
        expect(again).to_be_visible()
        watched.unroute(pattern)
        again.click()
        expect(watched.get_by_role("main").get_by_role("listitem")).to_have_count(1)


@pytest.mark.parametrize(("scheme", "language"), [("light", "Русский"), ("dark", "English")])
def test_axe_finds_nothing_in_the_section_of_bots(
    served: Served, watched: Page, author: Author, scheme: str, language: str
) -> None:
    schedule = {"on": "schedule", "times": ["09:00"], "status_ids": [142]}
    number = add_bot(served, author, {"on": "first_message"}, {"on": "keyword", "words": ["чай"]}, schedule)
    script = json.dumps([{"question": [show("Fine.")]}])
    served.do(author.post(f"bots/{number}/versions", 201, script=script))
    served.do(served.shop.write("Hi"))
    settle(served)
    watched.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
    sign_in(watched, served.url)
    watched.get_by_role("button", name="Настройки").click()
    watched.get_by_role("radio", name=language).check()
    for path in ("", "/1/versions", "/1/versions/2", "/1/runs", "/1/runs/1", "/1/settings"):
        watched.goto(f"{served.url}{BOTS}{path}")
        expect(watched.get_by_role("main")).to_contain_text("Робот")
        expect(watched.locator(".skeleton")).to_have_count(0)
        if path == "/1/versions/2":
            watched.get_by_role("radio").last.check()
            expect(watched.locator("tr.new").first).to_be_visible()
        if path == "/1/settings":
            watched.get_by_role("radio").nth(1).check()
            watched.locator("textarea").fill("")
            watched.get_by_role("form").locator("button[type=submit]").click()
            expect(watched.get_by_role("alert")).to_be_visible()
        for width in (1280, PHONE_WIDE):
            watched.set_viewport_size({"width": width, "height": 844})
            found = Axe().run(watched).response["violations"]
            assert [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]] == [], path
            assert watched.evaluate("document.documentElement.scrollWidth") <= width, path
