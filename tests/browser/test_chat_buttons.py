"""The buttons of a bot in the chat's frame: pressed by mouse and by keyboard, once, by everybody."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site
from tests.browser.stand_in import CHAT, Answer, StandIn
from tests.browser.test_chat import OPEN, Chat, violations

YES, NO = {"label": "Да, чёрный"}, {"label": "Нет"}
SITE = {"label": "Наш сайт", "url": "https://shop.example/tea?a=1&b=2"}


@pytest.fixture
def chat(page: Page, site: Site, snippet: str, faults: list[str], server: StandIn) -> Chat:
    """A chat in which the visitor has written."""
    page.goto(site.put("/", "shop.html", snippet=snippet))
    expect(page.get_by_role("button", name=OPEN)).to_be_visible()
    opened = Chat(page).open()
    opened.write("Здравствуйте")
    expect(opened.messages).to_contain_text("отправлено")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    return opened


def choice(chat: Chat, name: str) -> Locator:
    return chat.frame.get_by_role("group", name="Выберите ответ").get_by_role("button", name=name)


def test_a_press_says_the_label_and_which_button_it_was(chat: Chat, server: StandIn) -> None:
    server.say_as_bot("Заварить чай?", YES, NO)
    expect(chat.log).to_contain_text("Чайный бот")
    choice(chat, "Да, чёрный").click()
    expect(chat.messages.nth(2)).to_contain_text("отправлено")
    assert [message["text"] for message in server.messages] == ["Здравствуйте", "Заварить чай?", "Да, чёрный"]
    assert server.presses == [None, {"message_id": server.messages[1]["id"], "option": 0}]


def test_buttons_are_pressed_by_keyboard_and_keep_the_focus(chat: Chat, server: StandIn, page: Page) -> None:
    server.say_as_bot("Заварить чай?", YES, NO)
    expect(choice(chat, "Нет")).to_be_visible()
    chat.input.press("Shift+Tab")
    expect(choice(chat, "Нет")).to_be_focused()
    page.keyboard.press("Enter")
    expect(chat.messages.nth(2)).to_contain_text("отправлено")
    expect(choice(chat, "Нет")).to_be_focused()
    assert [message["text"] for message in server.messages][2:] == ["Нет"]


def test_a_button_is_pressed_once_and_stays_to_be_read(chat: Chat, server: StandIn) -> None:
    server.say_as_bot("Заварить чай?", YES, NO)
    choice(chat, "Нет").dblclick()
    expect(choice(chat, "Нет")).to_have_attribute("aria-disabled", "true")
    for name in ("Да, чёрный", "Нет"):
        choice(chat, name).click(force=True)
    chat.write("Ещё слово")
    expect(chat.messages.nth(3)).to_contain_text("отправлено")
    assert [message["text"] for message in server.messages][2:] == ["Нет", "Ещё слово"]


def test_who_types_an_answer_has_answered(chat: Chat, server: StandIn) -> None:
    server.say_as_bot("Заварить чай?", YES, NO)
    expect(choice(chat, "Нет")).to_have_attribute("aria-disabled", "false")
    chat.write("Какой у вас есть?")
    expect(choice(chat, "Нет")).to_have_attribute("aria-disabled", "true")


def test_a_persons_answer_ends_the_bots_question(chat: Chat, server: StandIn) -> None:
    server.say_as_bot("Заварить чай?", YES, NO)
    server.say_as_bot("Я подожду.")
    expect(chat.log).to_contain_text("Я подожду.")
    expect(choice(chat, "Нет")).to_have_attribute("aria-disabled", "false")
    server.say("Здравствуйте, это Анна")
    expect(choice(chat, "Нет")).to_have_attribute("aria-disabled", "true")


def test_only_the_last_question_can_be_answered(chat: Chat, server: StandIn) -> None:
    server.say_as_bot("Заварить чай?", YES)
    server.say_as_bot("Или кофе?", NO)
    expect(choice(chat, "Нет")).to_have_attribute("aria-disabled", "false")
    expect(choice(chat, "Да, чёрный")).to_have_attribute("aria-disabled", "true")


def test_buttons_are_there_after_a_reload(chat: Chat, server: StandIn, page: Page) -> None:
    server.say_as_bot("Заварить чай?", YES, NO)
    expect(choice(chat, "Нет")).to_be_visible()
    page.reload()
    again = Chat(page).open()
    choice(again, "Нет").click()
    expect(again.messages.nth(2)).to_contain_text("отправлено")
    assert server.presses[-1] == {"message_id": server.messages[1]["id"], "option": 1}


def test_a_press_that_was_refused_can_be_tried_again(chat: Chat, server: StandIn) -> None:
    server.refusals = [Answer(404, b"{}")]
    server.say_as_bot("Заварить чай?", YES, NO)
    choice(chat, "Нет").click()
    chat.frame.get_by_role("button", name="Повторить").click()
    expect(chat.messages.nth(2)).to_contain_text("отправлено")
    assert server.presses[-1] == {"message_id": server.messages[1]["id"], "option": 1}


def test_S_OUT_03_a_link_opens_elsewhere_and_only_where_it_may_lead(chat: Chat, server: StandIn) -> None:
    harmful = [{"label": "Зло", "url": url} for url in ("javascript:alert(1)", "data:text/html,x", "/x")]
    mail = {"label": "Почта", "url": "mailto:tea@shop.example"}
    phone = {"label": "Звонок", "url": "tel:+7495"}
    server.say_as_bot("Загляните к нам", SITE, *harmful, mail, phone, {"label": "Телефон", "asks": "phone"})
    link = chat.frame.get_by_role("link", name="Наш сайт")
    expect(link).to_have_attribute("href", "https://shop.example/tea?a=1&b=2")
    expect(link).to_have_attribute("target", "_blank")
    assert {"noopener", "noreferrer"} <= set((link.get_attribute("rel") or "").split())
    expect(chat.frame.locator(".choice")).to_have_text(["Наш сайт", "Почта", "Звонок"])
    chat.write("Спасибо")
    expect(link).not_to_have_attribute("aria-disabled", "true")


def test_the_bots_words_are_read_aloud_once(chat: Chat, server: StandIn) -> None:
    """A reader hears what is added to the log: a press must not add the question again."""
    server.say_as_bot("Заварить чай?", YES, NO)
    expect(choice(chat, "Нет")).to_be_visible()
    chat.inside(
        """() => { window.added = []; new MutationObserver((all) => all.forEach(({ addedNodes }) =>
        added.push(...[...addedNodes].map((node) => node.textContent)))).observe(
        document.querySelector('.log'), { childList: true, subtree: true }) }"""
    )
    choice(chat, "Нет").click()
    expect(chat.messages.nth(2)).to_contain_text("отправлено")
    assert not any("Заварить" in text for text in chat.inside("added"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_buttons(chat: Chat, server: StandIn, page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    server.say_as_bot("Заварить чай?", YES, NO)
    choice(chat, "Нет").click()
    expect(chat.messages.nth(2)).to_contain_text("отправлено")
    server.say_as_bot("Что-нибудь ещё?", YES, SITE)
    expect(choice(chat, "Да, чёрный").nth(1)).to_be_visible()
    assert violations(page) == []
