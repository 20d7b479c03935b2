"""What the button and the chat bear: garbage in the storage, in answers, on the socket, on the page."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser.site import Site
from tests.browser.stand_in import CHAT, META, Answer, StandIn, show
from tests.browser.test_chat import Chat, said
from tests.browser.test_widget import set_meta, wait_ready
from tests.browser.until import until

WATCH_TIMERS = """
window.delays = [];
const plain = window.setTimeout;
window.setTimeout = (work, delay) => (window.delays.push(delay ?? 0), plain(() => work(), delay));
"""
LONGEST_TIMER_MS = 2**31 - 1
NEVER = {"Retry-After": "3000000", "access-control-expose-headers": "Retry-After"}


@pytest.fixture
def shop(page: Page, site: Site, snippet: str, faults: list[str]) -> Page:
    page.goto(site.put("/", "shop.html", snippet=snippet))
    wait_ready(page)
    return page


@pytest.mark.parametrize("visit", ["null", '"', "x" * 5000, "__proto__", ""])
def test_a_spoilt_visit_id_is_replaced(shop: Page, server: StandIn, visit: str) -> None:
    shop.evaluate("visit => localStorage.setItem('knopka.visit', visit)", visit)
    shop.reload()
    wait_ready(shop)
    assert [one["verdict"] for one in set_meta(shop, "{ lead: { name: 'Чай' } }")] == ["waiting_for_lead"]
    assert re.fullmatch(r"[\w-]{22,64}", server.calls[0].visit)


def test_a_visit_from_a_clock_that_ran_ahead_does_not_live_for_ever(shop: Page) -> None:
    before = shop.evaluate(
        """() => {
          const [, owner] = localStorage.getItem("knopka.visit.of").split(" ");
          localStorage.setItem("knopka.visit.of", `${Date.now() + 365 * 24 * 3600e3} ${owner}`);
          return localStorage.getItem("knopka.visit");
        }"""
    )
    shop.reload()
    wait_ready(shop)
    assert shop.evaluate("localStorage.getItem('knopka.visit')") != before


def test_a_wait_of_weeks_is_no_flood_of_requests(shop: Page, server: StandIn) -> None:
    server.answers = [show({}, 429, **NEVER)] * 100
    shop.evaluate(WATCH_TIMERS)
    shop.evaluate("void amo_social_button.setMeta({ lead: { name: 'Чай' } })")
    until(shop, "delays.some((delay) => delay > 60_000)")
    assert max(shop.evaluate("delays")) <= LONGEST_TIMER_MS
    assert server.paths(META) == [META]


def test_a_wait_of_weeks_is_no_flood_of_messages(shop: Page, server: StandIn) -> None:
    server.refusals = [show({}, 429, **NEVER)] * 100
    chat = Chat(shop).open()
    chat.inside(WATCH_TIMERS)
    chat.write("Здравствуйте")
    until(shop.frames[1], "delays.some((delay) => delay > 60_000)")
    assert max(chat.inside("delays")) <= LONGEST_TIMER_MS
    assert server.paths(CHAT).count(f"{CHAT}/messages") == 1


@pytest.mark.parametrize("calls", [7, "x", {}, [None], [{}], [7]])
def test_verdicts_that_cannot_be_read_are_asked_for_again(
    shop: Page, server: StandIn, faults: list[str], calls: object
) -> None:
    server.answers = [show({"calls": calls, "window": None})]
    assert [one["verdict"] for one in set_meta(shop, "{ lead: { name: 'Чай' } }")] == ["waiting_for_lead"]
    assert server.paths(META) == [META, META]
    assert [call.params for call in server.calls] == [{"lead": {"name": "Чай"}}]
    assert faults == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<h1>Hotel WLAN</h1>", "text/html"),
        show({}),
        show(None),
        show([], 201),
        Answer(201, b'{"mess'),
    ],
)
def test_an_answer_that_says_nothing_is_asked_for_again_after_a_pause(
    shop: Page, server: StandIn, faults: list[str], answer: Answer
) -> None:
    server.refusals = [answer]
    chat = Chat(shop).open()
    start = time.monotonic()
    chat.write("Здравствуйте")
    server.wait(lambda: said(server) == ["Здравствуйте"])
    assert time.monotonic() - start > 0.4
    expect(chat.messages).to_contain_text("отправлено")
    chat.write("Вы тут?")
    server.wait(lambda: len(server.messages) == 2)
    assert faults == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("knopka.token.1", "ж\n"),
        ("knopka.token.1", "t" * 5000),
        ("knopka.unsent.1.aaaaaaaaaaaaaaaa", "null"),
        ("knopka.unsent.1.aaaaaaaaaaaaaaaa", '"'),
        ("knopka.unsent.1.aaaaaaaaaaaaaaaa", "9e99 давно"),
        ("knopka.unsent.1.aaaaaaaaaaaaaaaa", ""),
        ("knopka.draft.1", "null"),
    ],
)
def test_garbage_in_the_chats_storage_stops_no_message(
    shop: Page, server: StandIn, faults: list[str], name: str, value: str
) -> None:
    Chat(shop).open().inside(f"localStorage.setItem({name!r}, {value!r})")
    shop.reload()
    wait_ready(shop)
    chat = Chat(shop).open()
    chat.write("Здравствуйте")
    server.wait(lambda: "Здравствуйте" in said(server))
    expect(chat.messages.last).to_contain_text("отправлено")
    assert faults == []


def test_half_an_emoji_in_the_pages_title_stops_no_message(shop: Page, server: StandIn) -> None:
    shop.evaluate(r"document.title = 'Чай \ud83d'")
    chat = Chat(shop).open()
    chat.inside(r"void (document.querySelector('textarea').value = 'Улун \ud83c и \0 всё')")
    chat.input.press("Enter")
    server.wait(lambda: said(server) == ["Улун \ufffd и  всё"])


def test_garbage_on_the_socket_is_passed_over(
    page: Page, shop: Page, server: StandIn, faults: list[str]
) -> None:
    lines: list[WebSocketRoute] = []

    def join(line: WebSocketRoute) -> None:
        line.connect_to_server()
        lines.append(line)

    page.route_web_socket(re.compile(r"/live$"), join)
    chat = Chat(shop).open()
    chat.write("Здравствуйте")
    expect(chat.messages).to_contain_text("отправлено")
    for text in ("garbage", "null", "[]", "7", '"', "", '{"type":"__proto__"}', '{"type":"seen"}'):
        lines[0].send(text)
    server.say("Добрый день!")
    expect(chat.log).to_contain_text("Добрый день!")
    assert faults == []


@pytest.mark.parametrize("locale", ["constructor", "__proto__", "toString"])
def test_a_language_that_every_object_has_is_none_of_ours(
    page: Page, site: Site, snippet: str, faults: list[str], locale: str
) -> None:
    page.goto(site.put("/", "shop.html", snippet=snippet.replace('"locale": "ru"', f'"locale": "{locale}"')))
    page.get_by_role("button", name="Chat").click()
    expect(
        page.frame_locator("iframe").get_by_placeholder(re.compile("message", re.IGNORECASE))
    ).to_be_visible()
    assert faults == []


def test_two_tabs_that_write_their_first_word_at_once_are_one_visitor(
    page: Page, shop: Page, server: StandIn
) -> None:
    held: list[Route] = []
    page.context.route("**/token", lambda route: held.append(route))
    other = page.context.new_page()
    other.goto(shop.url)
    wait_ready(other)
    tabs = [Chat(shop).open(), Chat(other).open()]
    for tab, word in zip(tabs, ("Раз", "Два"), strict=True):
        with tab.page.expect_request("**/token"):
            tab.write(word)
    ours = "t" * 54
    held[0].fulfill(status=201, json={"token": ours})
    server.wait(lambda: said(server) == ["Раз"])
    held[1].fulfill(status=201, json={"token": "u" * 54})
    server.wait(lambda: said(server) == ["Раз", "Два"])
    assert tabs[1].inside("localStorage.getItem('knopka.token.1')") == ours
    assert len(held) == 2
