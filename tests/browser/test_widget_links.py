"""From the page to the messenger: the code in the links, what is told of it and when, and the QR code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect

from knopka.domain.messaging import EntryToken, shorten
from tests.browser.conftest import WATCH_POLICY
from tests.browser.site import Site
from tests.browser.stand_in import CHAT_CHANNEL, LINK, META, QR, TELEGRAM, VIBER, StandIn, show
from tests.browser.test_widget import STRICT, script

VK = {"kind": "vk", "title": "ВКонтакте", "link": "https://vk.me/shop?ref={code}", "needs_app": False}
CONTACT = re.compile("^(Связаться с нами|Contact us)$")
MISSING = "Ничего не произошло? Установите Viber или выберите другой способ."
NO_APPS = """
addEventListener("click", (event) => {
  if (event.composedPath().some((one) => one.protocol === "viber:")) event.preventDefault();
});
"""
"""Chromium would ask the machine for Viber, and keep input from the page meanwhile."""
CODE = re.compile(r"[A-Za-z0-9_-]{32}")


@pytest.fixture(autouse=True)
def messengers(page: Page) -> None:
    """The platforms' own pages and apps, which no test may ask."""
    answer_for_platforms(page.context)


def answer_for_platforms(context: BrowserContext) -> None:
    context.add_init_script(NO_APPS)
    for host in ("t.me", "vk.me"):
        context.route(f"https://{host}/**", lambda route: route.fulfill(body="<title>messenger</title>"))


@pytest.fixture
def put(site: Site, server: StandIn, snippet: str) -> Callable[..., str]:
    """Put up the shop with these channels on its button."""

    def put(*channels: dict[str, Any], locale: str = "ru", early: str = "") -> str:
        server.config["channels"] = [*channels]
        given = snippet.replace('"locale": "ru"', f'"locale": "{locale}"')
        return site.put("/", "shop.html", snippet=given, early=early)

    return put


@pytest.fixture
def menu(page: Page, put: Callable[..., str], faults: list[str]) -> Page:
    """A page whose menu of three channels is open."""
    page.goto(put(TELEGRAM, VIBER, CHAT_CHANNEL))
    page.get_by_role("button", name=CONTACT).click()
    expect(page.get_by_role("link", name="Telegram", exact=True)).to_be_visible()
    return page


@pytest.fixture
def phone(browser: Browser, playwright: Playwright, put: Callable[..., str], site: Site) -> Iterator[Page]:
    """The same page on a phone."""
    context = browser.new_context(**playwright.devices["Pixel 5"])
    context.add_init_script(WATCH_POLICY)
    answer_for_platforms(context)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(put(TELEGRAM, VIBER, CHAT_CHANNEL))
    page.get_by_role("button", name=CONTACT).tap()
    yield page
    context.close()


def link_of(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=name, exact=True)


def address_of(link: Locator) -> str:
    address = link.get_attribute("href")
    assert address is not None
    return address


def code_of(link: Locator) -> str:
    found = CODE.search(address_of(link))
    assert found is not None
    return found[0]


def codes(server: StandIn) -> list[str]:
    return [told.code for told in server.codes]


def test_the_code_stands_in_every_link_before_any_press(phone: Page, server: StandIn) -> None:
    code = code_of(link_of(phone, "Telegram"))
    assert address_of(link_of(phone, "Telegram")) == f"https://t.me/shop_bot?start={code}"
    short = shorten(EntryToken(code))
    assert address_of(link_of(phone, "Viber")) == (
        f"viber://pa?chatURI=shop&context={code}&text=Hello%20%5Bkn%3A{short}%5D"
    )
    assert server.codes == []


def test_each_page_has_a_code_of_its_own(menu: Page) -> None:
    first = code_of(link_of(menu, "Telegram"))
    menu.reload()
    menu.get_by_role("button", name=CONTACT).click()
    assert code_of(link_of(menu, "Telegram")) != first


def test_a_press_tells_the_code_before_it_is_let_go(menu: Page, server: StandIn) -> None:
    link = link_of(menu, "Telegram")
    code = code_of(link)
    link.hover()
    assert server.codes == []
    menu.mouse.down()
    server.wait(lambda: codes(server) == [code])
    (told,) = server.codes
    assert told.visit == menu.evaluate("localStorage['knopka.visit']")
    assert told.page == {"url": menu.url, "title": "Чайная лавка", "referrer": ""}
    assert server.kinds[LINK] == "text/plain;charset=UTF-8"
    assert code_of(link) == code


def test_a_press_and_its_click_tell_one_code_and_open_the_messenger_with_it(
    menu: Page, server: StandIn
) -> None:
    link = link_of(menu, "Telegram")
    code = code_of(link)
    with menu.expect_popup() as opened:
        link.click()
    assert opened.value.url == f"https://t.me/shop_bot?start={code}"
    assert codes(server) == [code]


def test_what_is_told_goes_on_when_the_page_is_left_at_once(page: Page, put: Callable[..., str]) -> None:
    early = script(
        """
        window.sent = [];
        const { fetch } = window;
        window.fetch = (url, init) => {
          sent.push([new URL(url).pathname, init.method, init.keepalive, init.credentials]);
          return fetch(url, init);
        };
        """
    )
    page.goto(put(TELEGRAM, CHAT_CHANNEL, early=early))
    page.get_by_role("button", name=CONTACT).click()
    link_of(page, "Telegram").dispatch_event("pointerdown")
    assert page.evaluate("sent.at(-1)") == [LINK, "POST", True, "omit"]


def test_the_next_use_has_a_fresh_code(menu: Page, server: StandIn) -> None:
    used = []
    for _ in range(3):
        link = link_of(menu, "Telegram")
        with menu.expect_popup() as opened:
            link.click()
        used.append(opened.value.url.rpartition("=")[2])
        opened.value.close()
        menu.get_by_role("button", name=CONTACT).click()
    server.wait(lambda: len(server.codes) == 3)
    assert used == codes(server)
    assert len(set(used)) == 3


def test_a_middle_click_tells_the_code_that_it_opens(
    page: Page, put: Callable[..., str], site: Site, server: StandIn
) -> None:
    page.goto(put({**TELEGRAM, "link": f"{site.url}/bot?start={{code}}"}, CHAT_CHANNEL))
    page.get_by_role("button", name=CONTACT).click()
    with page.context.expect_page() as opened:
        link_of(page, "Telegram").click(button="middle")
    server.wait(lambda: len(server.codes) == 1)
    opened.value.wait_for_url(f"{site.url}/bot?start={server.codes[0].code}")


def test_who_copies_the_address_from_the_context_menu_copies_a_told_code(menu: Page, server: StandIn) -> None:
    link = link_of(menu, "Telegram")
    link.click(button="right")
    server.wait(lambda: code_of(link) in codes(server))


def test_a_context_menu_without_a_press_tells_the_code(menu: Page, server: StandIn) -> None:
    link = link_of(menu, "Telegram")
    link.dispatch_event("contextmenu")
    server.wait(lambda: codes(server) == [code_of(link)])


def test_a_keyboards_use_tells_its_code_each_time(menu: Page, server: StandIn) -> None:
    used = []
    for _ in range(2):
        link_of(menu, "Telegram").focus()
        with menu.expect_popup() as opened:
            menu.keyboard.press("Enter")
        used.append(opened.value.url.rpartition("=")[2])
        opened.value.close()
        menu.get_by_role("button", name=CONTACT).click()
    server.wait(lambda: len(server.codes) == 2)
    assert used == codes(server)
    assert len(set(used)) == 2


def test_who_walks_through_the_menu_tells_nothing(menu: Page, server: StandIn) -> None:
    for _ in range(3):
        menu.keyboard.press("ArrowDown")
    expect(menu.get_by_role("button", name="Viber", exact=True)).to_be_focused()
    menu.keyboard.press("Tab")
    link_of(menu, "Telegram").hover()
    menu.keyboard.press("Escape")
    menu.wait_for_load_state("networkidle")
    assert server.paths(LINK) == server.paths(QR) == []


def test_a_code_that_could_not_be_told_is_told_at_the_next_sign(menu: Page, server: StandIn) -> None:
    server.link_refusals = [show({"error": {}}, 503)]
    link = link_of(menu, "Telegram")
    code = code_of(link)
    link.hover()
    with menu.expect_response(f"**{LINK}") as refused:
        menu.mouse.down()
    refused.value.finished()
    assert server.codes == []
    with menu.expect_popup():
        menu.mouse.up()
    server.wait(lambda: codes(server) == [code])


def test_a_dead_servers_codes_are_all_told_when_it_is_back(
    menu: Page, server: StandIn, faults: list[str]
) -> None:
    used = []
    menu.route(f"**{LINK}", lambda route: route.abort())
    for _ in range(2):
        with menu.expect_popup() as opened:
            link_of(menu, "Telegram").click()
        used.append(opened.value.url.rpartition("=")[2])
        opened.value.close()
        menu.get_by_role("button", name=CONTACT).click()
    assert server.codes == []
    menu.unroute(f"**{LINK}")
    with menu.expect_popup():
        link_of(menu, "Telegram").click()
    server.wait(lambda: set(used) <= set(codes(server)))
    assert faults == []


def test_data_that_waits_is_on_its_way_at_the_press(menu: Page, server: StandIn) -> None:
    menu.evaluate("amo_social_button.setMeta({ note: { text: 'первое' } })")
    menu.evaluate("void amo_social_button.setMeta({ note: { text: 'второе' } })")
    assert [call.params["note"]["text"] for call in server.calls] == ["первое"]
    with menu.expect_request(lambda sent: sent.url.endswith(META) and sent.resource_type == "ping"):
        link_of(menu, "Telegram").dispatch_event("pointerdown")
    server.wait(lambda: [call.params["note"]["text"] for call in server.calls] == ["первое", "второе"])
    assert {call.visit for call in server.calls} == {told.visit for told in server.codes}


def test_a_button_with_one_messenger_is_itself_the_link(
    page: Page, put: Callable[..., str], server: StandIn, faults: list[str]
) -> None:
    page.goto(put(TELEGRAM))
    link = link_of(page, "Telegram")
    code = code_of(link)
    page.wait_for_load_state("networkidle")
    assert server.paths("/w/static") == server.paths(LINK) == []
    page.evaluate("amoSocialButton('onButtonClick', (...told) => window.told = told)")
    with page.expect_popup() as opened:
        link.click()
    assert opened.value.url == f"https://t.me/shop_bot?start={code}"
    server.wait(lambda: codes(server) == [code])
    page.wait_for_function("!!window.told")
    assert page.evaluate("told") == ["telegram", f"https://t.me/shop_bot?start={code}"]
    opened.value.close()
    with page.expect_popup() as again:
        link.press("Enter")
    server.wait(lambda: len(server.codes) == 2)
    assert again.value.url == f"https://t.me/shop_bot?start={server.codes[1].code}"
    assert faults == []


def test_sites_are_told_which_messenger_was_pressed_and_its_link(menu: Page) -> None:
    menu.evaluate("amoSocialButton('onButtonClick', (...told) => window.told = told)")
    with menu.expect_popup() as opened:
        link_of(menu, "Telegram").click()
    assert menu.evaluate("told") == ["telegram", opened.value.url]


def test_links_that_need_an_app_leave_no_empty_tab(phone: Page) -> None:
    expect(link_of(phone, "Viber")).to_have_attribute("target", "")
    expect(link_of(phone, "Telegram")).to_have_attribute("target", "_blank")


def test_a_computer_shows_a_qr_code_for_what_needs_an_app(
    menu: Page, server: StandIn, faults: list[str]
) -> None:
    menu.evaluate("amoSocialButton('onButtonClick', (...told) => window.told = told)")
    opener = menu.get_by_role("button", name="Viber", exact=True)
    opener.click()
    panel = menu.get_by_role("dialog", name="Viber")
    expect(panel.get_by_role("img", name="QR-код: Viber")).to_be_visible()
    expect(panel).to_contain_text("Наведите камеру телефона или откройте на этом компьютере.")
    link = panel.get_by_role("link")
    assert menu.evaluate("told") == ["viber", address_of(link)]
    (told,) = server.codes
    assert told.kind == "viber"
    assert told.code != code_of(link)
    box = panel.get_by_role("img").bounding_box()
    assert box is not None
    assert box["width"] == box["height"] >= 200
    panel.get_by_role("button", name="Назад").click()
    expect(panel).to_have_count(0)
    expect(opener).to_be_focused()
    assert faults == []


def test_each_showing_of_a_qr_code_has_a_fresh_code(menu: Page, server: StandIn) -> None:
    for _ in range(2):
        menu.get_by_role("button", name="Viber", exact=True).click()
        expect(menu.get_by_role("img")).to_be_visible()
        menu.keyboard.press("Escape")
    assert len(set(codes(server))) == len(server.codes) == 2


def test_the_link_beside_the_qr_code_is_told_when_it_is_pressed(menu: Page, server: StandIn) -> None:
    menu.get_by_role("button", name="QR-код: Telegram").click()
    panel = menu.get_by_role("dialog", name="Telegram")
    expect(panel.get_by_role("img")).to_be_visible()
    with menu.expect_popup() as opened:
        panel.get_by_role("link").click()
    server.wait(lambda: len(server.codes) == 2)
    shown, pressed = server.codes
    assert (shown.kind, pressed.kind) == ("telegram", None)
    assert opened.value.url == f"https://t.me/shop_bot?start={pressed.code}"
    expect(panel).to_be_visible()


def test_a_keyboard_reaches_the_qr_code_and_comes_back(menu: Page) -> None:
    menu.get_by_role("button", name="Закрыть").focus()
    for _ in range(2):
        menu.keyboard.press("ArrowDown")
    opener = menu.get_by_role("button", name="QR-код: Telegram")
    expect(opener).to_be_focused()
    menu.keyboard.press("Enter")
    panel = menu.get_by_role("dialog", name="Telegram")
    expect(panel.get_by_role("button", name="Назад")).to_be_focused()
    menu.keyboard.press("Tab")
    expect(panel.get_by_role("link")).to_be_focused()
    menu.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(opener).to_be_focused()
    menu.keyboard.press("Escape")
    expect(opener).to_be_hidden()
    expect(menu.get_by_role("button", name=CONTACT)).to_be_focused()


def test_a_click_outside_closes_the_qr_code(menu: Page) -> None:
    menu.get_by_role("button", name="Viber", exact=True).click()
    expect(menu.get_by_role("dialog")).to_be_visible()
    menu.mouse.click(5, 5)
    expect(menu.get_by_role("dialog")).to_have_count(0)
    expect(link_of(menu, "Telegram")).to_be_hidden()


def test_what_is_pressed_is_large_enough(menu: Page) -> None:
    menu.get_by_role("button", name="QR-код: Telegram").hover()
    for control in menu.get_by_role("button").or_(menu.get_by_role("link")).all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    menu.get_by_role("button", name="Viber", exact=True).click()
    box = menu.get_by_role("button", name="Назад").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44


def test_a_phone_shows_no_qr_code(phone: Page, server: StandIn) -> None:
    expect(link_of(phone, "Viber")).to_be_visible()
    expect(phone.get_by_role("button", name=re.compile("QR"))).to_have_count(0)
    code = code_of(link_of(phone, "Viber"))
    link_of(phone, "Viber").tap()
    server.wait(lambda: codes(server) == [code])
    expect(phone.get_by_role("dialog")).to_have_count(0)


def test_one_messenger_that_needs_an_app_offers_its_qr_code_on_a_computer(
    page: Page, put: Callable[..., str], server: StandIn
) -> None:
    page.goto(put(VIBER))
    main = link_of(page, "Viber")
    main.click()
    panel = page.get_by_role("dialog", name="Viber")
    expect(panel.get_by_role("img")).to_be_visible()
    assert [told.kind for told in server.codes] == [None, "viber"]
    panel.get_by_role("button", name="Назад").click()
    expect(panel).to_have_count(0)
    expect(main).to_be_focused()
    expect(main).to_have_accessible_name("Viber")


def test_a_qr_code_that_cannot_be_drawn_leaves_the_link(menu: Page, server: StandIn) -> None:
    server.link_refusals = [show({"error": {}}, 503)]
    menu.get_by_role("button", name="Viber", exact=True).click()
    panel = menu.get_by_role("dialog", name="Viber")
    expect(panel.get_by_role("status")).to_have_text("Сейчас код показать нельзя.")
    assert address_of(panel.get_by_role("link")).startswith("viber://pa?chatURI=shop&context=")


def test_where_the_panel_cannot_be_loaded_the_link_itself_is_used(
    menu: Page, server: StandIn, faults: list[str]
) -> None:
    menu.route("**/qr-1.js", lambda route: route.abort())
    with menu.expect_popup() as opened:
        menu.get_by_role("button", name="QR-код: Telegram").click()
    server.wait(lambda: len(server.codes) == 1)
    assert opened.value.url == f"https://t.me/shop_bot?start={server.codes[0].code}"
    assert faults == []


def test_who_lacks_the_app_is_told_what_to_do(phone: Page) -> None:
    link_of(phone, "Viber").tap()
    expect(link_of(phone, "Viber")).to_be_hidden()
    expect(phone.get_by_role("status").filter(has_text=MISSING)).to_be_visible()
    expect(link_of(phone, "Telegram")).to_be_visible()
    phone.get_by_role("heading").dispatch_event("pointerdown")
    expect(phone.get_by_text(MISSING)).to_have_count(0)


@pytest.mark.parametrize("sign", ["blur", "pagehide", "visibilitychange"])
def test_who_has_the_app_is_told_nothing(phone: Page, sign: str) -> None:
    phone.clock.install()
    link_of(phone, "Viber").tap()
    expect(link_of(phone, "Viber")).to_be_hidden()
    phone.evaluate("(sign) => dispatchEvent(new Event(sign))", sign)
    phone.clock.fast_forward(10_000)
    expect(phone.get_by_text(MISSING)).to_have_count(0)


def test_the_help_stands_below_the_qr_code_of_who_tried_this_computer(menu: Page) -> None:
    menu.get_by_role("button", name="Viber", exact=True).click()
    panel = menu.get_by_role("dialog", name="Viber")
    panel.get_by_role("link").click()
    expect(menu.get_by_text(MISSING)).to_be_visible()
    expect(panel).to_be_visible()


@pytest.mark.parametrize("locale", ["ru", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_menu_the_qr_code_and_the_help(
    page: Page, put: Callable[..., str], scheme: Any, locale: str
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(put(TELEGRAM, VIBER, VK, CHAT_CHANNEL, locale=locale))
    page.get_by_role("button", name=CONTACT).click()
    expect(link_of(page, "Telegram")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Viber", exact=True).click()
    panel = page.get_by_role("dialog", name="Viber")
    words = {"ru": "Наведите камеру телефона", "en": "Scan with your phone’s camera"}
    expect(panel).to_contain_text(words[locale])
    expect(panel.get_by_role("img")).to_be_visible()
    assert violations(page) == []
    panel.get_by_role("link").click()
    expect(page.get_by_text({"ru": MISSING, "en": "Nothing happened? Install Viber"}[locale])).to_be_visible()
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    return [f"{one['id']}: {one['nodes']}" for one in Axe().run(page).response["violations"]]


def test_a_strict_policy_has_nothing_to_report(
    page: Page, site: Site, server: StandIn, faults: list[str]
) -> None:
    server.config["channels"] = [TELEGRAM, VIBER, CHAT_CHANNEL]
    stub = """<script nonce="n0nce">
      window.amo_social_button = { id: "1", hash: "0123456789abcdef0123456789abcdef", locale: "ru" };
    </script>"""
    loader = (
        f'<script nonce="n0nce" async id="amo_social_button_script" src="{server.url}/js/button.js"></script>'
    )
    headers = (("content-security-policy", STRICT.format(url=server.url)),)
    page.goto(site.put("/", "strict.html", headers=headers, snippet=stub + loader))
    page.get_by_role("button", name=CONTACT).click()
    page.get_by_role("button", name="Viber", exact=True).click()
    expect(page.get_by_role("img", name="QR-код: Viber")).to_be_visible()
    page.keyboard.press("Escape")
    code = code_of(link_of(page, "Telegram"))
    with page.expect_popup():
        link_of(page, "Telegram").click()
    server.wait(lambda: codes(server)[1:] == [code])
    assert page.evaluate("window.reports") == []
    assert faults == []


@pytest.mark.parametrize("page_name", ["shop.html", "hostile.html"])
def test_a_hostile_page_with_blocked_storage_still_has_working_links(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str], page_name: str
) -> None:
    page.add_init_script(
        """Object.defineProperty(window, "localStorage", {
             get() { throw new DOMException("no", "SecurityError"); }
           })"""
    )
    server.config["channels"] = [TELEGRAM, VIBER, CHAT_CHANNEL]
    page.goto(site.put("/", page_name, snippet=snippet))
    page.get_by_role("button", name=CONTACT).click()
    page.get_by_role("button", name="QR-код: Telegram").click()
    expect(page.get_by_role("img")).to_be_visible()
    page.keyboard.press("Escape")
    with page.expect_popup() as opened:
        link_of(page, "Telegram").click()
    server.wait(lambda: len(server.codes) == 2)
    assert opened.value.url == f"https://t.me/shop_bot?start={server.codes[1].code}"
    assert faults == []


def test_a_server_that_dies_after_the_button_stands_leaves_its_link(
    page: Page, put: Callable[..., str], faults: list[str]
) -> None:
    page.goto(put(TELEGRAM))
    expect(link_of(page, "Telegram")).to_be_visible()
    page.route(re.compile("/w/"), lambda route: route.abort())
    with page.expect_popup() as opened:
        link_of(page, "Telegram").click()
    assert CODE.fullmatch(opened.value.url.rpartition("=")[2])
    assert len(faults) <= 1
