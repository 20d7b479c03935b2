"""The chat in its frame: nothing said is lost, nothing is said twice, and everybody can use it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.browser.site import Site
from tests.browser.stand_in import CHAT, StandIn, show

OPEN = "Чат"


class Chat:
    """The open chat as its visitor sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frame: FrameLocator = page.frame_locator("iframe")
        self.input: Locator = self.frame.get_by_role("textbox")
        self.log: Locator = self.frame.get_by_role("log")
        self.messages: Locator = self.frame.locator(".message")

    def open(self) -> Chat:
        self.page.get_by_role("button", name=OPEN).click()
        expect(self.input).to_be_visible()
        return self

    def write(self, text: str) -> None:
        self.input.fill(text)
        self.input.press("Enter")

    def texts(self) -> list[str]:
        return [text or "" for text in self.frame.locator(".text").all_text_contents()]

    def inside(self, script: str) -> Any:
        """Run in the frame's own world."""
        return self.page.frames[1].evaluate(script)


@pytest.fixture
def shop(page: Page, site: Site, snippet: str, faults: list[str]) -> Page:
    page.goto(site.put("/", "shop.html", snippet=snippet))
    expect(page.get_by_role("button", name=OPEN)).to_be_visible()
    return page


@pytest.fixture
def chat(shop: Page) -> Chat:
    return Chat(shop).open()


def said(server: StandIn) -> list[str]:
    return [message["text"] for message in server.messages]


def test_opening_asks_for_no_token_and_the_first_word_for_one(chat: Chat, server: StandIn) -> None:
    assert server.paths(CHAT) == []
    chat.write("Здравствуйте")
    expect(chat.messages).to_contain_text("отправлено")
    chat.write("Вы тут?")
    expect(chat.messages.nth(1)).to_contain_text("отправлено")
    assert server.paths(CHAT).count(f"{CHAT}/token") == 1
    assert said(server) == ["Здравствуйте", "Вы тут?"]


def test_answers_arrive_and_the_operator_sees_what_was_read(chat: Chat, server: StandIn) -> None:
    chat.write("Здравствуйте")
    expect(chat.messages).to_contain_text("отправлено")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    server.say("Добрый день!")
    expect(chat.log).to_contain_text("Добрый день!")
    expect(chat.log).to_contain_text("Анна")
    server.wait(lambda: server.visitor_read == 2)
    server.read(1)
    expect(chat.messages.first).to_contain_text("прочитано")


def test_the_operators_typing_shows_until_the_answer_comes(chat: Chat, server: StandIn) -> None:
    chat.write("Здравствуйте")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    server.publish({"type": "typing", "conversation_id": 7})
    expect(chat.frame.get_by_text("печатает…")).to_be_visible()
    server.say("Да?")
    expect(chat.frame.get_by_text("печатает…")).to_be_hidden()
    chat.input.press_sequentially("Ещё")
    expect(chat.log).to_contain_text("Да?")


def test_history_is_there_after_a_reload_without_a_click(chat: Chat, server: StandIn, shop: Page) -> None:
    chat.write("Первое")
    expect(chat.messages).to_contain_text("отправлено")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    server.say("Второе")
    expect(chat.log).to_contain_text("Второе")
    shop.reload()
    again = Chat(shop)
    expect(again.frame.get_by_text("Второе")).to_be_attached()
    again.open()
    assert again.texts() == ["Первое", "Второе"]
    assert again.log.get_attribute("aria-live") == "polite"


def test_unread_answers_are_counted_on_the_button_and_told_to_the_page(
    chat: Chat, server: StandIn, shop: Page
) -> None:
    shop.evaluate("window.counts = []; amoSocialButton('onUnreadChange', (count) => counts.push(count))")
    chat.write("Здравствуйте")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    chat.frame.get_by_role("button", name="Закрыть чат").click()
    server.say("Раз")
    server.say("Два")
    button = shop.get_by_role("button", name="не прочитано: 2")
    expect(button).to_be_visible()
    expect(button).to_be_focused()
    button.click()
    shop.wait_for_function("counts.at(-1) === 0")
    assert shop.evaluate("counts") == [1, 2, 0]


def test_the_unread_count_outlives_a_reload(chat: Chat, server: StandIn, shop: Page) -> None:
    chat.write("Здравствуйте")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    shop.goto("about:blank")
    server.say("Пока вас не было")
    shop.go_back()
    expect(shop.get_by_role("button", name="не прочитано: 1")).to_be_visible()


def test_escape_closes_and_gives_the_focus_back(chat: Chat, shop: Page) -> None:
    shop.evaluate("window.heard = []; amoSocialButton('onChatShow|onChatHide', () => heard.push(1))")
    chat.input.press("Escape")
    expect(chat.input).to_be_hidden()
    expect(shop.get_by_role("button", name=OPEN)).to_be_focused()
    shop.keyboard.press("Enter")
    expect(chat.input).to_be_visible()
    assert shop.evaluate("heard") == [1, 1]


def test_commands_open_and_close_once_per_change(shop: Page) -> None:
    shop.evaluate(
        """() => {
          window.heard = [];
          amoSocialButton("onChatShow", () => heard.push("show"));
          amoSocialButton("onChatHide", () => heard.push("hide"));
          for (const name of ["runChatShow", "runChatShow", "runChatHide", "runChatHide"])
            amoSocialButton(name);
        }"""
    )
    shop.wait_for_function("heard.length === 2")
    assert shop.evaluate("heard") == ["show", "hide"]


def test_unsent_text_survives_a_reload(chat: Chat, shop: Page) -> None:
    chat.input.fill("Недописанное")
    shop.reload()
    again = Chat(shop).open()
    expect(again.input).to_have_value("Недописанное")


def test_unsent_messages_survive_a_reload_and_go_once(chat: Chat, server: StandIn, shop: Page) -> None:
    shop.route("**/w/chat/**/messages", lambda route: route.abort())
    chat.write("Раз")
    chat.write("Два")
    expect(chat.messages).to_have_count(2)
    shop.unroute("**/w/chat/**/messages")
    shop.reload()
    again = Chat(shop).open()
    expect(again.messages.nth(1)).to_contain_text("отправлено")
    assert said(server) == ["Раз", "Два"]
    assert again.texts() == ["Раз", "Два"]


def test_a_message_whose_answer_was_lost_is_sent_again_and_stored_once(
    chat: Chat, server: StandIn, shop: Page
) -> None:
    server.refusals = [None, None]

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    shop.route("**/w/chat/**/messages", lose, times=1)
    chat.write("Раз")
    expect(chat.messages).to_contain_text("отправлено")
    chat.write("Два")
    expect(chat.messages.nth(1)).to_contain_text("отправлено")
    assert said(server) == ["Раз", "Два"]
    assert chat.texts() == ["Раз", "Два"]


def test_a_refused_message_says_so_and_can_be_tried_again(chat: Chat, server: StandIn) -> None:
    server.refusals = [show({"error": {}}, 413)]
    chat.write("Слишком")
    retry = chat.frame.get_by_role("button", name="Повторить")
    expect(retry).to_be_visible()
    expect(chat.messages).to_contain_text("Не отправлено")
    retry.click()
    expect(chat.messages).to_contain_text("отправлено")
    expect(retry).to_be_hidden()
    assert said(server) == ["Слишком"]


def test_a_busy_server_is_waited_for(chat: Chat, server: StandIn) -> None:
    server.refusals = [show({"error": {}}, 429, **{"Retry-After": "1"})]
    chat.write("Терпение")
    expect(chat.frame.get_by_role("status")).to_contain_text("Слишком много сообщений")
    expect(chat.messages).to_contain_text("отправлено")
    assert server.paths(CHAT).count(f"{CHAT}/messages") == 2


def test_a_cut_connection_loses_nothing_and_doubles_nothing(chat: Chat, server: StandIn, shop: Page) -> None:
    chat.write("Раз")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    shop.context.set_offline(True)
    server.cut()
    server.say("Пока вас не было")
    chat.write("Без сети")
    expect(chat.frame.get_by_role("status")).to_contain_text("Нет связи")
    assert said(server) == ["Раз", "Пока вас не было"]
    shop.context.set_offline(False)
    expect(chat.log).to_contain_text("Пока вас не было")
    expect(chat.messages.nth(2)).to_contain_text("отправлено")
    expect(chat.frame.get_by_role("status")).to_be_empty()
    assert chat.texts() == ["Раз", "Пока вас не было", "Без сети"]


def test_without_sockets_the_chat_asks_by_itself(chat: Chat, server: StandIn) -> None:
    server.is_deaf = True
    chat.write("Раз")
    expect(chat.messages).to_contain_text("отправлено")
    server.say("По почте")
    expect(chat.log).to_contain_text("По почте", timeout=20_000)
    assert chat.texts() == ["Раз", "По почте"]


def test_a_message_that_overtakes_another_leaves_no_gap(chat: Chat, server: StandIn) -> None:
    chat.write("Раз")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    missed = server.store("out", "Пропущенное", None, "Анна")
    server.say("Дошедшее")
    expect(chat.log).to_contain_text("Пропущенное")
    assert missed["seq"] == 2
    assert chat.texts() == ["Раз", "Пропущенное", "Дошедшее"]


def test_long_histories_come_in_pages_and_never_fill_the_page(
    chat: Chat, server: StandIn, shop: Page
) -> None:
    chat.write("Начало")
    expect(chat.messages).to_contain_text("отправлено")
    for number in range(2, 321):
        server.store("out", f"№ {number}", None, "Анна")
    shop.reload()
    again = Chat(shop).open()
    expect(again.frame.get_by_text("№ 320", exact=True)).to_be_visible()
    for first in (221, 171, 121, 71, 21):
        again.frame.get_by_role("button", name="Более ранние").click()
        expect(again.frame.get_by_text(f"№ {first}", exact=True)).to_be_attached()
        assert again.messages.count() <= 200
    again.frame.get_by_role("button", name="К последнему").click()
    expect(again.frame.get_by_text("№ 320", exact=True)).to_be_visible()


def test_texts_are_shown_as_given_and_only_safe_links_can_be_followed(chat: Chat, server: StandIn) -> None:
    chat.write("Раз")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    server.say(
        "<img src=x onerror=alert(1)> javascript:alert(1) data:text/html,1 "
        "(https://a.example/b_(c)?d=1), http://x.example.",
        name="\u202eаннА",
    )
    links = chat.frame.get_by_role("link")
    expect(links).to_have_count(2)
    assert [link.get_attribute("href") for link in links.all()] == [
        "https://a.example/b_(c)?d=1",
        "http://x.example/",
    ]
    assert {link.get_attribute("rel") for link in links.all()} == {"noopener noreferrer nofollow ugc"}
    expect(chat.log).to_contain_text("<img src=x onerror=alert(1)>")
    expect(chat.frame.locator(".who")).to_have_text("аннА")


def test_enter_sends_and_shift_enter_breaks_the_line(chat: Chat, server: StandIn) -> None:
    chat.input.press_sequentially("Раз")
    chat.input.press("Shift+Enter")
    chat.input.press_sequentially("Два")
    chat.input.press("Enter")
    expect(chat.messages).to_contain_text("отправлено")
    assert said(server) == ["Раз\nДва"]


def test_a_phone_shows_the_chat_on_the_whole_screen_and_keeps_the_focus_inside(
    chat: Chat, shop: Page
) -> None:
    shop.set_viewport_size({"width": 390, "height": 780})
    dialog = chat.frame.get_by_role("dialog")
    expect(dialog).to_have_attribute("aria-modal", "true")
    assert shop.locator("iframe").bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 780}
    chat.input.fill("а")
    close = chat.frame.get_by_role("button", name="Закрыть чат")
    send = chat.frame.get_by_role("button", name="Отправить")
    send.focus()
    shop.keyboard.press("Tab")
    expect(close).to_be_focused()
    shop.keyboard.press("Shift+Tab")
    expect(send).to_be_focused()
    shop.set_viewport_size({"width": 1200, "height": 800})
    expect(dialog).not_to_have_attribute("aria-modal", "true")


def test_a_frame_that_nobody_listed_stays_silent(shop: Page, server: StandIn, site: Site) -> None:
    server.config["origins"] = ["https://elsewhere.example"]
    shop.evaluate("window.heard = 0; addEventListener('message', () => heard++)")
    shop.get_by_role("button", name=OPEN).click()
    expect(shop.frame_locator("iframe").get_by_role("textbox")).to_be_attached()
    assert shop.evaluate("heard") == 0
    expect(shop.get_by_text("Загрузка…")).to_be_visible()


def test_a_browser_that_keeps_nothing_for_foreign_frames_still_lets_the_visitor_talk(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    # A private window gives no storage to a frame of another site; 127.0.0.1 is another site than localhost.
    page.goto(site.put("/", "shop.html", snippet=snippet.replace("//localhost", "//127.0.0.1")))
    chat = Chat(page).open()
    chat.write("Здравствуйте")
    expect(chat.messages).to_contain_text("отправлено")
    assert (
        chat.inside("(() => { try { return localStorage.length } catch { return 'blocked' } })()")
        == "blocked"
    )
    assert faults == []


@pytest.mark.parametrize("locale", ["ru", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_button_the_menu_and_the_chat(
    page: Page, site: Site, server: StandIn, snippet: str, scheme: Any, locale: str
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    server.config["locale"] = locale
    server.config["channels"] = [
        {"kind": "onsite", "title": None, "link": None},
        {"kind": "telegram", "title": "Telegram", "link": "https://t.me/shop"},
    ]
    page.goto(site.put("/", "shop.html", snippet=snippet.replace('"locale": "ru"', f'"locale": "{locale}"')))
    main = page.get_by_role("button", name=re.compile("Связаться|Contact"))
    expect(main).to_be_visible()
    assert violations(page) == []
    main.click()
    assert violations(page) == []
    page.get_by_role("button", name=re.compile("^(Чат|Chat)$")).click()
    chat = Chat(page)
    expect(chat.input).to_be_visible()
    assert violations(page) == []
    server.refusals = [None, show({"error": {}}, 413)]
    chat.write("Здравствуйте")
    server.wait(lambda: f"{CHAT}/seen" in server.paths(CHAT))
    server.say("Добрый день! https://shop.example/tea")
    server.read(1)
    server.publish({"type": "typing", "conversation_id": 7})
    chat.write("Не дойдёт")
    expect(chat.frame.get_by_role("button", name=re.compile("Повторить|Try again"))).to_be_visible()
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]
    ]
