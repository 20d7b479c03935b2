"""The button on a customer's page: what sites hold on to, and what it must never do to them."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import Site
from tests.browser.stand_in import BUTTON, HASH, META, StandIn, serve, show

EXAMPLE = """{
  note: {
    text: 'Текст примечания',
    element_type: 1,
    note_type: "common",
  },
  contact: {
    name: 'Иван Иванов',
    custom_fields: [
      {
        id: 123456, values:
          [
            {
              enum: 12345,
              value: '+7123456789',
            }
         ]
      }
    ]
  },
  lead: {
    name: 'Название сделки',
    sale: 999,
  }
}"""
SENT = {
    "note": {"text": "Текст примечания", "element_type": 1, "note_type": "common"},
    "contact": {
        "name": "Иван Иванов",
        "custom_fields": [{"id": 123456, "values": [{"enum": 12345, "value": "+7123456789"}]}],
    },
    "lead": {"name": "Название сделки", "sale": 999},
}
OPEN = "Чат"


def script(text: str) -> str:
    return f"<script>{text}</script>"


def set_meta(page: Page, params: str) -> list[dict[str, Any]]:
    """Call setMeta as a page does and wait for its verdicts."""
    verdicts: list[dict[str, Any]] = page.evaluate(f"amo_social_button.setMeta({params})")
    return verdicts


def wait_ready(page: Page) -> None:
    expect(page.get_by_role("button", name=OPEN)).to_be_visible()


@pytest.fixture
def shop(page: Page, site: Site, snippet: str, faults: list[str]) -> Page:
    """A page with the snippet, open, with its button drawn."""
    page.goto(site.put("/", "shop.html", snippet=snippet))
    wait_ready(page)
    return page


def test_the_pages_example_through_the_snippet_arrives_as_given(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    late = script(f"window.early = amo_social_button.setMeta({EXAMPLE})")
    page.goto(site.put("/", "shop.html", snippet=snippet, late=late))
    wait_ready(page)
    page.wait_for_function("!!window.knopka")
    assert set_meta(page, EXAMPLE) == [
        {"path": path, "verdict": "waiting_for_lead", "reason": None} for path in ("note", "contact", "lead")
    ]
    assert [call.params for call in server.calls] == [SENT]
    assert faults == []


def test_calls_and_commands_from_before_the_script_keep_their_order(
    page: Page, site: Site, server: StandIn, snippet: str
) -> None:
    late = script(
        """
        window.heard = [];
        for (let i = 0; i < 5; i++) amo_social_button.setMeta({ bot_params: { i } });
        amoSocialButton("onMetaResult", (verdicts) => heard.push(verdicts));
        amoSocialButton.q.push(["onChatReady", () => heard.push("ready")]);
        """
    )
    page.goto(site.put("/", "shop.html", snippet=snippet, late=late))
    page.wait_for_function("heard.length === 6")
    assert [call.params["bot_params"]["i"] for call in server.calls] == [0, 1, 2, 3, 4]
    assert server.paths(META) == [META]
    assert "ready" in page.evaluate("heard")


def test_a_callback_for_readiness_is_called_at_once_when_the_button_stands(shop: Page) -> None:
    assert shop.evaluate("(() => { let n = 0; amoSocialButton('onChatReady', () => n++); return n; })()") == 1


def test_calls_are_gathered_and_never_more_than_one_request_a_second(shop: Page, server: StandIn) -> None:
    shop.evaluate(
        """async () => {
          const first = [1, 2, 3].map((i) => amo_social_button.setMeta({ bot_params: { i } }));
          await Promise.all(first);
          await amo_social_button.setMeta({ bot_params: { i: 4 } });
        }"""
    )
    assert len(server.paths(META)) == 2
    assert [call.params["bot_params"]["i"] for call in server.calls] == [1, 2, 3, 4]
    assert server.calls[3].at - server.calls[0].at >= 0.9


def test_many_or_large_calls_are_split_in_order(shop: Page, server: StandIn) -> None:
    shop.evaluate(
        """Promise.all(Array.from({ length: 23 }, (_, i) =>
             amo_social_button.setMeta({ bot_params: { i, text: "ж".repeat(i < 3 ? 14000 : 1) } })))"""
    )
    assert [call.params["bot_params"]["i"] for call in server.calls] == list(range(23))
    assert len(server.paths(META)) == 3


def test_the_same_call_from_a_timer_costs_one_request(shop: Page, server: StandIn) -> None:
    first = set_meta(shop, "{ lead: { name: 'Чай' } }")
    again = shop.evaluate(
        "Promise.all(Array.from({ length: 50 }, () => amo_social_button.setMeta({ lead: { name: 'Чай' } })))"
    )
    assert again == [first] * 50
    assert len(server.calls) == 1


def test_what_json_cannot_carry_is_dropped_with_a_verdict(shop: Page, server: StandIn) -> None:
    verdicts = shop.evaluate(
        r"""() => {
          const loop = { ok: 1 };
          loop.self = loop;
          const trap = {};
          Object.defineProperty(trap, "x", { enumerable: true, get() { throw new Error("no"); } });
          const bare = Object.create(null);
          bare.a = 1;
          return amo_social_button.setMeta({
            note: { text: "полэмодзи \ud83d и\0нуль", at: new Date(0), skip: undefined },
            bot_params: { loop, trap, bare, f() {}, big: 10n, nan: NaN, huge: 1e19, node: document.body,
              list: [1, () => 1, "три"], "\ud800": 1, "\ud801": 2, ["к".repeat(200)]: 1,
              json: { toJSON: () => ({ made: true }) },
              constructor: 1, ["__proto__"]: { polluted: 1 } },
          });
        }"""
    )
    sent = server.calls[0].params
    assert sent["note"] == {"text": "полэмодзи \ufffd инуль", "at": "1970-01-01T00:00:00.000Z"}
    assert sent["bot_params"] == {
        "loop": {"ok": 1},
        "trap": {},
        "bare": {"a": 1},
        "list": [1, None, "три"],
        "\ufffd": 2,
        "json": {"made": True},
    }
    dropped = {one["path"]: one["verdict"] for one in verdicts if one["reason"]}
    bad = ("loop.self", "trap.x", "f", "big", "nan", "huge", "node", "list[1]")
    assert {path for path, verdict in dropped.items() if verdict == "refused_bad_value"} == {
        f"bot_params.{path}" for path in bad
    }
    assert dropped["bot_params.constructor"] == "ignored_unknown_key"


@pytest.mark.parametrize("params", ["null", "undefined", "'text'", "7", "[]", "() => 1", "Symbol('s')"])
def test_what_is_no_object_is_refused_without_a_request(shop: Page, server: StandIn, params: str) -> None:
    assert [one["verdict"] for one in set_meta(shop, params)] == ["refused_bad_value"]
    assert server.calls == []


def test_an_endless_object_takes_no_time_and_keeps_the_rest(shop: Page, server: StandIn) -> None:
    spent = shop.evaluate(
        """() => {
          const wide = Array.from({ length: 200000 }, (_, i) => ({ i }));
          const deep = {};
          for (let at = deep, i = 0; i < 100; i++) at = at.in = {};
          const start = performance.now();
          window.sent = amo_social_button.setMeta({ lead: { name: "Чай" }, bot_params: { deep, wide } });
          return performance.now() - start;
        }"""
    )
    verdicts = shop.evaluate("sent")
    assert spent < 50
    assert server.calls[0].params["lead"] == {"name": "Чай"}
    assert "refused_limit" in {one["verdict"] for one in verdicts}


def test_commands_that_never_existed_do_nothing(shop: Page, faults: list[str]) -> None:
    shop.evaluate(
        """() => {
          for (const name of ["open", "show", "init", "constructor", "toString", null, 7, {}, Symbol("s")])
            amoSocialButton(name);
          amoSocialButton();
          amoSocialButton("onChatMessage", () => 1);
          amo_social_button.setMeta();
          knopka("runShow");
        }"""
    )
    assert [fault for fault in faults if "TypeError" in fault] == []


def test_a_page_whose_callback_throws_hears_its_own_error_and_nothing_else_breaks(shop: Page) -> None:
    shop.evaluate(
        """() => {
          window.heard = [];
          amoSocialButton("onMetaResult", () => { throw new Error("theirs"); });
          amoSocialButton("onMetaResult", (verdicts) => heard.push(verdicts.length));
        }"""
    )
    set_meta(shop, "{ note: { text: 'а' } }")
    assert shop.evaluate("heard") == [1]


def test_a_callback_registered_on_every_tick_is_called_once(shop: Page) -> None:
    shop.evaluate(
        """() => {
          window.clicks = [];
          for (let i = 0; i < 30; i++)
            amoSocialButton("onButtonClick", (service, link) => clicks.push([service, link]));
        }"""
    )
    shop.get_by_role("button", name=OPEN).click()
    shop.wait_for_function("clicks.length > 0")
    assert shop.evaluate("clicks") == [["livechat", ""]]


def test_a_second_inclusion_draws_nothing_twice_and_loses_no_call(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    page.goto(site.put("/", "shop.html", snippet=snippet, late=snippet))
    wait_ready(page)
    with page.expect_response("**/js/button.js") as arrived:
        page.evaluate(
            """(code) => {
              const again = document.createElement("script");
              again.textContent = code;
              document.head.append(again);
              amo_social_button.setMeta({ note: { text: "из второго" } });
            }""",
            snippet.removeprefix("<script>").removesuffix("</script>"),
        )
    arrived.value.finished()
    page.wait_for_function("amo_social_button.setMeta === knopka.setMeta")
    assert set_meta(page, "{ note: { text: 'из второго' } }")
    assert [call.params["note"]["text"] for call in server.calls] == ["из второго"]
    assert len(server.paths("/w/config")) == 1
    assert page.locator("#amobutton").count() == 1
    assert faults == []


def test_a_visitor_who_only_looks_costs_the_loader_and_the_config(
    page: Page, site: Site, server: StandIn, snippet: str
) -> None:
    page.goto(site.put("/", "shop.html", snippet=snippet), wait_until="networkidle")
    wait_ready(page)
    page.get_by_role("button", name=OPEN).hover()
    assert [path for path in server.paths() if path != "/favicon.ico"] == [
        "/js/button.js",
        "/w/config/1/0123456789abcdef0123456789abcdef",
    ]
    assert page.context.cookies() == []


def test_the_page_pays_little_before_the_click(page: Page, site: Site, snippet: str) -> None:
    early = script(
        """
        window.shifts = [];
        new PerformanceObserver((list) => shifts.push(...list.getEntries()))
          .observe({ type: "layout-shift" });
        window.before = Object.keys(window);
        """
    )
    page.goto(site.put("/", "shop.html", snippet=snippet, early=early), wait_until="networkidle")
    wait_ready(page)
    assert page.evaluate("shifts.length") == 0
    assert page.evaluate("Object.keys(window).filter((name) => !before.includes(name))") == [
        "before",
        "amo_social_button",
        "amoSocialButton",
        "knopka",
    ]
    count = """() => {
      const count = (node) => 1 + [...node.children, ...(node.shadowRoot?.children ?? [])]
        .reduce((sum, child) => sum + count(child), 0);
      return count(document.querySelector("#amobutton"));
    }"""
    assert page.evaluate(count) <= 40


def test_names_that_sites_look_for_are_there(shop: Page) -> None:
    holder = shop.locator("#amobutton.amo-button-holder")
    expect(holder).to_have_count(1)
    expect(shop.locator("#amo-livechat.amo-livechat_hidden")).to_have_count(1)
    main = holder.locator(".amo-button.amo-button--main")
    expect(main).to_be_visible()
    main.click()
    expect(shop.locator("#amo-livechat.amo-livechat_chat")).to_have_count(1)
    expect(holder.locator(".amo-button--livechat")).to_be_visible()
    main.click()
    shop.add_style_tag(content=".amo-button-holder { display: none }")
    expect(shop.get_by_role("button", name=OPEN)).to_be_hidden()


def test_data_set_while_leaving_arrives_with_a_beacon(shop: Page, site: Site, server: StandIn) -> None:
    shop.evaluate(
        "addEventListener('pagehide', () => { amo_social_button.setMeta({ note: { text: 'ухожу' } }); })"
    )
    shop.goto(site.url + "/away")
    server.wait(lambda: [call.params for call in server.calls] == [{"note": {"text": "ухожу"}}])
    assert server.kinds[META] == "text/plain;charset=UTF-8"


def test_setting_data_and_going_at_once_loses_nothing_and_doubles_nothing(
    shop: Page, site: Site, server: StandIn
) -> None:
    server.gate.clear()
    with shop.expect_request("**/w/meta/**"):
        shop.evaluate("void amo_social_button.setMeta({ note: { text: 'в пути' } })")
    shop.evaluate("void amo_social_button.setMeta({ note: { text: 'в очереди' } })")
    shop.goto(site.url + "/away")
    server.gate.set()
    shop.goto(site.url + "/")
    wait_ready(shop)
    shop.wait_for_function("!Object.keys(localStorage).some((name) => name.startsWith('knopka.unsent.'))")
    assert [call.params["note"]["text"] for call in server.calls] == ["в пути", "в очереди"]


def test_a_dead_server_costs_one_line_and_the_data_waits(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    page.route("**/w/meta/**", lambda route: route.abort())
    page.goto(site.put("/", "shop.html", snippet=snippet))
    wait_ready(page)
    with page.expect_event("requestfailed"):
        page.evaluate("void (window.sent = amo_social_button.setMeta({ note: { text: 'а' } }))")
    page.unroute("**/w/meta/**")
    page.evaluate("dispatchEvent(new Event('online'))")
    assert page.evaluate("sent")[0]["verdict"] == "waiting_for_lead"
    assert len(faults) <= 1


def test_a_server_that_never_answers_leaves_the_page_alone(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    page.route("**/w/config/**", lambda _: None)
    page.goto(site.put("/", "shop.html", snippet=snippet))
    page.wait_for_function("!!window.knopka")
    page.evaluate("amoSocialButton('runChatShow')")
    assert set_meta(page, "{ note: { text: 'а' } }")
    assert page.locator("#amobutton").count() == 0
    assert faults == []


def test_a_server_that_is_gone_leaves_the_stubs_working(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    page.route("**/js/button.js", lambda route: route.abort())
    page.goto(site.put("/", "shop.html", snippet=snippet))
    page.evaluate(f"amo_social_button.setMeta({EXAMPLE})")
    assert page.evaluate("amo_social_button.params.length") == 1
    assert faults == []


def test_retry_after_is_obeyed_with_the_promise_waiting(shop: Page, server: StandIn) -> None:
    server.answers = [show({}, 503, **{"Retry-After": "2", "Access-Control-Expose-Headers": "Retry-After"})]
    spent = shop.evaluate(
        """async () => {
          const start = performance.now();
          await amo_social_button.setMeta({ note: { text: "а" } });
          return performance.now() - start;
        }"""
    )
    assert spent >= 2000
    assert len(server.calls) == 1


def test_one_unreadable_call_spoils_nobody_elses(shop: Page, server: StandIn) -> None:
    refused = show({"error": {"code": "invalid_input", "message": "Nicht lesbar"}}, 400)
    server.answers = [refused, None, refused]
    verdicts = shop.evaluate(
        "Promise.all([1, 2, 3].map((i) => amo_social_button.setMeta({ note: { text: `${i}` } })))"
    )
    assert [one[0]["verdict"] for one in verdicts] == [
        "waiting_for_lead",
        "refused_bad_value",
        "waiting_for_lead",
    ]
    assert verdicts[1][0]["reason"] == "Nicht lesbar"


def test_an_origin_that_is_not_on_the_list_shows_and_stores_nothing(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    server.origins = ["https://elsewhere.example"]
    page.goto(site.put("/", "shop.html", snippet=snippet))
    with page.expect_event("requestfailed", lambda request: "/w/meta/" in request.url):
        page.evaluate("amo_social_button.setMeta({ note: { text: 'а' } }) && 1")
    assert server.calls == []
    assert len(faults) <= 1
    assert page.locator("#amobutton").count() == 0


def test_a_waiting_verdict_is_told_again_when_it_is_final(shop: Page, server: StandIn) -> None:
    shop.evaluate(
        """() => {
          window.heard = [];
          amoSocialButton("onMetaResult", (verdicts, key) => heard.push([verdicts[0].verdict, key]));
        }"""
    )
    set_meta(shop, "{ note: { text: 'а' } }")
    server.say("карточка есть")
    set_meta(shop, "{ note: { text: 'б' } }")
    shop.wait_for_function("heard.filter(([verdict]) => verdict === 'filled').length === 2")
    heard = shop.evaluate("heard")
    assert {key for verdict, key in heard if verdict == "filled"} == {call.key for call in server.calls}
    assert set_meta(shop, "{ note: { text: 'а' } }")[0]["verdict"] == "filled"


STRICT = (
    "default-src 'none'; script-src 'nonce-n0nce' 'strict-dynamic'; style-src 'none'; "
    "connect-src {url}; frame-src {url}; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def test_a_strict_policy_with_trusted_types_has_nothing_to_report(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    # The snippet sets a script's address, which is the site's own code and needs the site's own policy.
    loader = (
        f'<script nonce="n0nce" async id="amo_social_button_script" src="{server.url}/js/button.js"></script>'
    )
    stub = f"""<script nonce="n0nce">
      window.amo_social_button = {{
        id: "{BUTTON}", hash: "{HASH}", locale: "ru",
        setMeta(params) {{ this.params = (this.params || []).concat([params]); }},
      }};
      amo_social_button.setMeta({EXAMPLE});
    </script>"""
    headers = (("content-security-policy", STRICT.format(url=server.url)),)
    page.goto(site.put("/", "strict.html", headers=headers, snippet=stub + loader))
    page.get_by_role("button", name=OPEN).click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("textbox").fill("Здравствуйте")
    frame.get_by_role("textbox").press("Enter")
    expect(frame.get_by_role("log")).to_contain_text("Здравствуйте")
    assert [call.params for call in server.calls] == [SENT]
    assert [frame.evaluate("window.reports") for frame in page.frames] == [[], []]
    assert faults == []


def test_a_page_that_breaks_everything_still_has_its_button(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    page.goto(site.put("/", "hostile.html", snippet=snippet))
    button = page.get_by_role("button", name=OPEN)
    box = button.bounding_box()
    size = page.viewport_size
    assert box is not None
    assert size is not None
    assert (round(box["width"]), round(box["height"])) == (60, 60)
    assert (round(box["x"]), round(box["y"])) == (size["width"] - 84, size["height"] - 84)
    button.click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("textbox").fill("Здравствуйте")
    frame.get_by_role("textbox").press("Enter")
    expect(frame.get_by_role("log")).to_contain_text("Здравствуйте")
    assert (
        page.evaluate("amo_social_button.setMeta({ bot_params: { list: [1, 2] } }).then(() => 'told')")
        == "told"
    )
    assert server.calls[0].params == {"bot_params": {"list": [1, 2]}}
    assert faults == []


def test_blocked_storage_is_replaced_by_memory(
    page: Page, site: Site, server: StandIn, snippet: str, faults: list[str]
) -> None:
    page.add_init_script(
        """Object.defineProperty(window, "localStorage", {
             get() { throw new DOMException("no", "SecurityError"); }
           })"""
    )
    page.goto(site.put("/", "shop.html", snippet=snippet))
    page.get_by_role("button", name=OPEN).click()
    set_meta(page, "{ note: { text: 'а' } }")
    frame = page.frame_locator("iframe")
    frame.get_by_role("textbox").fill("Здравствуйте")
    frame.get_by_role("textbox").press("Enter")
    expect(frame.get_by_role("log")).to_contain_text("отправлено")
    assert faults == []


def test_the_visit_stays_for_the_browser_and_changes_for_another_user(
    page: Page, site: Site, server: StandIn, snippet: str
) -> None:
    url = site.put("/", "shop.html", snippet=snippet)
    site.put(
        "/other",
        "shop.html",
        snippet=snippet,
        early=script("amoSocialButtonConfig = { onlinechat: { user_id: 'b' } }"),
    )
    visits = []
    for path in ("", "", "other", "other"):
        page.goto(url + path)
        wait_ready(page)
        visits.append(page.evaluate("localStorage['knopka.visit']"))
    assert visits[0] == visits[1] != visits[2] == visits[3]
    page.evaluate(
        """() => {
          const of = localStorage["knopka.visit.of"];
          localStorage["knopka.visit.of"] = of.replace(/^\\d+/, (at) => at - 31 * 864e5);
        }"""
    )
    page.reload()
    wait_ready(page)
    assert page.evaluate("localStorage['knopka.visit']") != visits[3]


def test_a_page_that_swaps_its_body_keeps_the_button(shop: Page) -> None:
    shop.evaluate("document.documentElement.replaceChild(document.createElement('body'), document.body)")
    wait_ready(shop)
    shop.evaluate("document.documentElement.replaceChildren(document.createElement('body'))")
    wait_ready(shop)


def test_destroy_removes_all_and_a_new_snippet_brings_it_back(
    shop: Page, site: Site, server: StandIn, snippet: str
) -> None:
    shop.evaluate("amoSocialButton('runDestroy')")
    expect(shop.locator("#amobutton")).to_have_count(0)
    assert set_meta(shop, "{ note: { text: 'и без кнопки' } }")[0]["verdict"] == "waiting_for_lead"
    shop.evaluate(
        """(code) => {
          const again = document.createElement("script");
          again.textContent = code;
          document.head.append(again);
        }""",
        snippet.removeprefix("<script>").removesuffix("</script>"),
    )
    wait_ready(shop)


def test_several_channels_make_a_menu_that_keyboards_can_walk(
    page: Page, site: Site, server: StandIn, snippet: str
) -> None:
    server.config["channels"] = [
        {"kind": "onsite", "title": None, "link": None},
        {"kind": "telegram", "title": "Telegram", "link": "https://t.me/shop"},
        {"kind": "vk", "title": "ВКонтакте", "link": "https://vk.me/shop"},
    ]
    page.goto(site.put("/", "shop.html", snippet=snippet))
    main = page.get_by_role("button", name="Связаться с нами")
    main.focus()
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="Telegram")
    expect(link).to_have_attribute("href", "https://t.me/shop")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(link).to_have_attribute("target", "_blank")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name=OPEN)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(link).to_be_focused()
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    expect(main).to_be_focused()
    main.click()
    page.mouse.click(5, 5)
    expect(link).to_be_hidden()
    main.click()
    page.get_by_role("button", name=OPEN, exact=True).click()
    expect(page.frame_locator("iframe").get_by_role("textbox")).to_be_visible()


def test_inline_channels_stand_in_a_row(page: Page, site: Site, server: StandIn, snippet: str) -> None:
    server.config["channels"] = [
        {"kind": "onsite", "title": None, "link": None},
        {"kind": "telegram", "title": "Telegram", "link": "https://t.me/shop"},
    ]
    page.goto(site.put("/", "shop.html", snippet=snippet.replace('"inline": false', '"inline": true')))
    expect(page.get_by_role("link", name="Telegram")).to_be_visible()
    expect(page.get_by_role("button", name=OPEN)).to_be_visible()
    expect(page.get_by_role("button", name="Связаться с нами")).to_be_hidden()


def test_print_shows_no_button(shop: Page) -> None:
    shop.emulate_media(media="print")
    expect(shop.get_by_role("button", name=OPEN)).to_be_hidden()


def test_another_window_cannot_speak_for_the_frame(shop: Page, server: StandIn) -> None:
    shop.evaluate(
        """() => {
          window.heard = [];
          amoSocialButton("onUnreadChange", (count) => heard.push(count));
          postMessage({ knopka: 1, type: "unread", count: 9 }, "*");
        }"""
    )
    shop.get_by_role("button", name=OPEN).click()
    expect(shop.frame_locator("iframe").get_by_role("textbox")).to_be_visible()
    shop.evaluate("postMessage({ knopka: 1, type: 'close' }, '*')")
    assert shop.evaluate("new Promise((done) => setTimeout(() => done(heard)))") == []
    expect(shop.get_by_role("button", name="Закрыть")).to_be_visible()


def test_a_site_that_is_not_listed_cannot_frame_the_chat(
    browser: Browser, site: Site, server: StandIn, snippet: str
) -> None:
    stranger = Site()
    with serve(stranger, "localhost") as url:
        stranger.url = url
        page = browser.new_page()
        html = f'<iframe src="{server.url}/w/frame/1/0123456789abcdef0123456789abcdef"></iframe>'
        page.goto(stranger.put("/", "shop.html", late=html))
        assert page.frames[1].url.startswith("chrome-error:")
        page.close()
