"""A bot's script in the inbox: written beside its drawing, kept as versions, and tried out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.browser.test_inbox_channels import HOSTILE
from tests.browser.test_inbox_server import Served, served, sign_in, watched
from tests.services.bot_story import act, goto, handler, show
from tests.web.test_bots_inbox import Author

__all__ = ["served", "watched"]
"""Fixtures of the whole server's own tests."""

BOTS = "/inbox/settings/bots"
ASK = [
    {
        "question": [show("Hello, {{bot_params.username}}! Tea?", "Yes", "No")],
        "answer": [
            {
                "handler": "buttons",
                "params": [
                    {"value": "Yes", "params": [act("set_tag", type=2, value="tea"), goto(1)]},
                    {"value": "No", "params": [goto(0)]},
                ],
            }
        ],
    },
    {"question": [handler("knopka_pause", seconds=3600), show("Is it good?"), handler("stop")]},
]
BROKEN = '[\n {"question": [\n  {"handler": "stop"},\n  {"handler": "dance"}\n ]}\n]'


def pretty(script: Any) -> str:
    return json.dumps(script, indent=1)


@pytest.fixture
def author(served: Served) -> Author:
    return Author(served.shop)


def add_bot(served: Served, author: Author, script: Any = None) -> str:
    """The bot's address; a script becomes its first version."""
    number = served.do(author.post("bots", 201, name="Чайный бот"))["id"]
    if script is not None:
        served.do(author.post(f"bots/{number}/versions", 201, script=pretty(script)))
    return f"{BOTS}/{number}"


def text_of(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Скрипт в формате JSON")


def write(page: Page, script: str) -> None:
    """As a paste does; typing 5,000 lines one after another would try the browser, not us."""
    text_of(page).evaluate(
        "(area, text) => { area.value = text; area.dispatchEvent(new Event('input', {bubbles: true})) }",
        script,
    )


def state(page: Page) -> Locator:
    return page.locator(".state.small[role=status]")


def step(page: Page, number: int) -> Locator:
    return page.get_by_role("region", name="Шаги и куда они ведут").locator(f'[data-step="{number}"]')


def caret_line(page: Page) -> int:
    line: int = text_of(page).evaluate("area => area.value.slice(0, area.selectionStart).split('\\n').length")
    return line


def save(page: Page) -> Locator:
    return page.get_by_role("button", name="Сохранить новую версию")


# --- The editor


def test_an_empty_bot_begins_with_an_example_that_can_be_run(
    served: Served, watched: Page, author: Author
) -> None:
    path = add_bot(served, author)
    sign_in(watched, served.url, f"{path}/script")
    expect(state(watched)).to_contain_text("Здесь ещё ничего нет")
    expect(save(watched)).to_be_disabled()
    watched.get_by_role("button", name="Начать с примера").click()
    expect(state(watched)).to_contain_text("Скрипт можно запускать.")
    expect(state(watched)).not_to_contain_text("замечан")
    expect(step(watched, 0)).to_contain_text("Здравствуйте, {{name}}!")
    expect(watched.get_by_text("Ещё не сохранено")).to_be_visible()
    watched.get_by_role("textbox", name="Что нового").fill("Начало")
    watched.keyboard.press("Control+s")
    expect(watched.get_by_text("Версия 1 сохранена.", exact=True)).to_be_visible()
    expect(watched.get_by_text("Ещё не сохранено")).to_have_count(0)
    expect(watched.get_by_role("button", name="Опубликовать версию 1")).to_be_visible()
    (kept,) = served.do(author.get("bots/1/versions"))["versions"]
    assert (kept["note"], kept["author"]) == ("Начало", "Анна")
    assert served.do(author.get("bots/1/versions/1"))["script"] == text_of(watched).input_value()


def test_a_fault_is_named_with_its_place_and_leads_there(
    served: Served, watched: Page, author: Author
) -> None:
    path = add_bot(served, author, ASK)
    sign_in(watched, served.url, f"{path}/script")
    expect(step(watched, 1)).to_be_visible()
    write(watched, BROKEN)
    fault = watched.get_by_role("list", name="Что не так").get_by_role("listitem")
    expect(fault).to_contain_text("Строка 4, знак 15")
    expect(fault).to_contain_text("$[0].question[1].handler")
    expect(fault).to_contain_text("dance")
    expect(text_of(watched)).to_have_attribute("aria-invalid", "true")
    expect(watched.get_by_text("Это схема последнего скрипта")).to_be_visible()
    fault.get_by_role("button").click()
    expect(text_of(watched)).to_be_focused()
    assert caret_line(watched) == 4
    assert text_of(watched).evaluate("area => area.value.slice(area.selectionStart)").startswith('"dance"')
    save(watched).click()
    expect(watched.get_by_role("alert")).to_have_text("Не сохранено: исправьте 1 место.")
    assert text_of(watched).input_value() == BROKEN
    assert served.do(author.get("bots/1"))["last_version"] == 1
    write(watched, BROKEN.replace("dance", "stop"))
    expect(state(watched)).to_contain_text("Скрипт можно запускать.")
    expect(fault).to_have_count(0)


def test_warnings_are_told_and_do_not_keep_from_saving(served: Served, watched: Page, author: Author) -> None:
    path = add_bot(served, author)
    sign_in(watched, served.url, f"{path}/script")
    write(watched, pretty([{"question": [show("x")]}, {"question": [show("y")]}]))
    expect(state(watched)).to_contain_text("1 замечание")
    expect(watched.get_by_role("list", name="Что не подействует")).to_contain_text("nothing leads to step 1")
    expect(step(watched, 1)).to_contain_text("сюда ничто не ведёт")
    save(watched).click()
    expect(watched.get_by_text("Версия 1 сохранена.", exact=True)).to_be_visible()


def test_the_draft_outlives_a_reload_and_another_part(served: Served, watched: Page, author: Author) -> None:
    path = add_bot(served, author, ASK)
    sign_in(watched, served.url, f"{path}/script")
    expect(step(watched, 1)).to_be_visible()
    write(watched, BROKEN)
    expect(watched.get_by_text("Ещё не сохранено")).to_be_visible()
    watched.reload()
    expect(text_of(watched)).to_have_value(BROKEN)
    watched.get_by_role("link", name="Версии").click()
    watched.get_by_role("link", name="Скрипт", exact=True).click()
    expect(text_of(watched)).to_have_value(BROKEN)
    watched.get_by_role("button", name="Отбросить мои правки").click()
    expect(text_of(watched)).to_have_value(pretty(ASK))
    watched.get_by_role("button", name="Отменить").click()
    expect(text_of(watched)).to_have_value(BROKEN)


def test_a_version_that_came_meanwhile_takes_nothing_away(
    served: Served, watched: Page, author: Author
) -> None:
    path = add_bot(served, author, ASK)
    sign_in(watched, served.url, f"{path}/script")
    expect(step(watched, 1)).to_be_visible()
    write(watched, BROKEN)
    expect(watched.get_by_text("Ещё не сохранено")).to_be_visible()
    served.do(author.post("bots/1/versions", 201, script=pretty(ASK[1:])))
    watched.reload()
    expect(watched.get_by_text("сохранена версия 2; ваш текст начат с версии 1")).to_be_visible()
    expect(text_of(watched)).to_have_value(BROKEN)


def test_the_newest_answer_of_the_check_wins(served: Served, watched: Page, author: Author) -> None:
    held: list[Route] = []

    def hold_the_broken(route: Route) -> None:
        if "dance" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    path = add_bot(served, author)
    watched.route("**/bots/check", hold_the_broken)
    sign_in(watched, served.url, f"{path}/script")
    with watched.expect_request("**/bots/check"):
        write(watched, BROKEN)
    write(watched, pretty(ASK))
    expect(state(watched)).to_contain_text("Скрипт можно запускать.")
    with watched.expect_response("**/bots/check"):
        held[0].continue_()
    expect(state(watched)).to_contain_text("Скрипт можно запускать.")
    expect(watched.get_by_role("list", name="Что не так")).to_have_count(0)


def test_a_cut_connection_keeps_the_text_and_makes_one_version(
    served: Served, watched: Page, author: Author, context: BrowserContext
) -> None:
    path = add_bot(served, author)
    sign_in(watched, served.url, f"{path}/script")
    expect(text_of(watched)).to_be_visible()
    context.set_offline(True)
    write(watched, pretty(ASK))
    expect(state(watched)).to_contain_text("Скрипт не удалось проверить")
    save(watched).click()
    expect(watched.get_by_role("alert")).to_be_visible()
    context.set_offline(False)
    watched.get_by_role("button", name="Проверить снова").click()
    expect(state(watched)).to_contain_text("Скрипт можно запускать.")
    # The version is kept, and its answer is lost on the way.
    watched.route("**/versions", lambda route: (route.fetch(), route.abort())[-1], times=1)
    save(watched).click()
    expect(watched.get_by_role("alert")).to_be_visible()
    save(watched).click()
    expect(watched.get_by_text("Версия 1 сохранена.", exact=True)).to_be_visible()
    assert served.do(author.get("bots/1"))["last_version"] == 1


def test_a_script_of_64_kb_is_taken_and_one_byte_more_is_not(
    served: Served, watched: Page, author: Author
) -> None:
    path = add_bot(served, author)
    sign_in(watched, served.url, f"{path}/script")
    small = json.dumps([{"question": []}])
    write(watched, small + " " * (64 * 1024 - len(small)))
    expect(watched.get_by_text("64,0 из 64 КБ")).to_be_visible()
    expect(state(watched)).to_contain_text("Скрипт можно запускать.")
    write(watched, small + "\n" * (64 * 1024 - len(small) + 1))
    expect(state(watched)).to_contain_text("В скрипте не больше 64 КБ.")
    expect(save(watched)).to_be_disabled()


def test_a_script_is_formatted_opened_and_downloaded(
    served: Served, watched: Page, author: Author, tmp_path: Path
) -> None:
    path = add_bot(served, author)
    sign_in(watched, served.url, f"{path}/script")
    given = tmp_path / "script.json"
    twice = '{"handler":"stop","handler":"stop"}'
    odd = f'{{"1":{{"question":[]}},"0":{{"question":[{twice}],"answer":[]}},"error":[1e400]}}'
    given.write_text(odd)
    watched.locator("input[type=file]").set_input_files(given)
    expect(text_of(watched)).to_have_value(odd)
    watched.get_by_role("button", name="Оформить").click()
    neat = text_of(watched).input_value()
    assert re.sub(r"\s", "", neat) == odd
    assert '\n  "0": {' in neat
    with watched.expect_download() as told:
        watched.get_by_role("button", name="Скачать").click()
    assert told.value.suggested_filename == "bot-1.json"
    assert Path(told.value.path()).read_text() == neat
    write(watched, "[{]")
    watched.get_by_role("button", name="Оформить").click()
    expect(watched.get_by_role("alert")).to_have_text("Оформить можно, когда это станет JSON.")
    given.write_bytes(b"\xff\xfe[]")
    watched.locator("input[type=file]").set_input_files(given)
    expect(watched.get_by_role("alert")).to_have_text("Этот файл — не текст в UTF-8.")
    given.write_bytes(b" " * (64 * 1024 + 1))
    watched.locator("input[type=file]").set_input_files(given)
    expect(watched.get_by_role("alert")).to_have_text("Файл больше 64 КБ.")
    expect(text_of(watched)).to_have_value("[{]")


# --- The drawing


def test_drawing_and_text_lead_to_one_another(served: Served, watched: Page, author: Author) -> None:
    path = add_bot(served, author, ASK)
    sign_in(watched, served.url, f"{path}/script")
    first, second = step(watched, 0), step(watched, 1)
    expect(first.get_by_role("button", name="Yes , к шагу 1")).to_be_visible()
    expect(first.get_by_role("button", name="No , к шагу 0")).to_be_visible()
    expect(first).to_contain_text("вопрос")
    expect(second).to_contain_text("конец")
    expect(watched.locator("svg path.arrow")).to_have_count(2)
    expect(watched.locator("svg path.arrow.back")).to_have_count(1)
    second.get_by_role("button", name="Шаг 1").click()
    assert '"knopka_pause"' in pretty(ASK).splitlines()[caret_line(watched)]
    expect(second).to_have_class(re.compile("here"))
    first.get_by_role("button", name="Yes , к шагу 1").click()
    assert '"goto"' in pretty(ASK).splitlines()[caret_line(watched)]
    expect(first).to_have_class(re.compile("here"))
    expect(watched.locator("svg path.arrow.here")).to_have_count(1)


def test_a_hundred_steps_stand_beside_one_another_and_can_be_found(
    served: Served, watched: Page, author: Author
) -> None:
    count = 100
    script = [
        {"question": [show(f"Number {n}")], "answer": [goto((n + 1) % count), goto(n * 7 % count)]}
        for n in range(count)
    ]
    path = add_bot(served, author)
    sign_in(watched, served.url, f"{path}/script")
    write(watched, pretty(script))
    expect(watched.get_by_text("100 шагов")).to_be_visible()
    nodes = watched.locator("[data-step]")
    expect(nodes).to_have_count(count)
    overlaps = nodes.evaluate_all(
        """nodes => {
          const boxes = nodes.map(node => node.getBoundingClientRect());
          return boxes.filter((a, i) => boxes.some((b, j) => i < j
            && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)).length;
        }"""
    )
    assert overlaps == 0
    line = 1 + next(n for n, text in enumerate(pretty(script).splitlines()) if "Number 77" in text)
    text_of(watched).evaluate(
        """(area, line) => {
          const at = area.value.split("\\n").slice(0, line - 1).join("\\n").length + 1;
          area.focus(); area.setSelectionRange(at, at);
        }""",
        line,
    )
    watched.keyboard.press("ArrowRight")
    expect(step(watched, 77)).to_be_in_viewport()
    expect(step(watched, 77)).to_have_class(re.compile("here"))


def test_the_list_for_lost_messages_is_drawn(served: Served, watched: Page, author: Author) -> None:
    path = add_bot(served, author)
    sign_in(watched, served.url, f"{path}/script")
    write(watched, pretty({"0": {"question": [show(HOSTILE)]}, "error": [show("Lost"), goto(0)]}))
    lost = watched.locator('[data-step="error"]')
    expect(lost).to_contain_text("Когда сообщение не дошло")
    expect(lost.get_by_role("button", name="дальше , к шагу 0")).to_be_visible()
    expect(step(watched, 0)).to_contain_text(HOSTILE)


# --- The dry run


def chat(page: Page) -> Locator:
    return page.get_by_role("log")


def press(page: Page, label: str) -> None:
    page.get_by_role("button", name=f"Нажать «{label}»").last.click()


def region(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name)


def test_a_script_is_tried_and_nothing_is_touched(served: Served, watched: Page, author: Author) -> None:
    path = add_bot(served, author, ASK)
    sign_in(watched, served.url, f"{path}/try")
    expect(watched.get_by_text("Это проба: ничего не отправляется")).to_be_visible()
    expect(chat(watched)).to_contain_text("Hello, ! Tea?")
    watched.get_by_text("Что дано боту").click()
    watched.get_by_role("textbox", name="bot_params").fill(json.dumps({"username": HOSTILE}))
    watched.get_by_role("button", name="Начать", exact=True).click()
    expect(chat(watched)).to_contain_text(f"Hello, {HOSTILE}! Tea?")
    press(watched, "Yes")
    expect(region(watched, "Что изменилось")).to_contain_text("Тег (сделка): tea")
    expect(state(watched)).to_contain_text("Выжидает")
    watched.get_by_role("button", name="До его срока").click()
    expect(chat(watched)).to_contain_text("Is it good?")
    expect(state(watched)).to_contain_text("Скрипт остановил бота.")
    steps = region(watched, "Шаги")
    expect(steps).to_contain_text(f"bot_params.username = {HOSTILE}")
    watched.get_by_role("button", name="Шаг назад").click()
    expect(chat(watched)).not_to_contain_text("Is it good?")
    watched.get_by_role("button", name="Шаг назад").click()
    expect(region(watched, "Что изменилось")).to_contain_text("На карточках пока ничего.")
    watched.get_by_role("textbox", name="Написать за посетителя").fill("nO")
    watched.keyboard.press("Enter")
    expect(chat(watched).get_by_text("Tea?")).to_have_count(2)
    # A button of the older message counts as its words.
    watched.get_by_role("button", name="Нажать «Yes»").first.click()
    expect(state(watched)).to_contain_text("Выжидает")
    watched.get_by_role("button", name="Заново").click()
    expect(chat(watched).get_by_text("Tea?")).to_have_count(1)
    assert served.do(author.get("conversations"))["conversations"] == []
    assert served.do(author.get("bots/1/runs"))["runs"] == []


def test_what_cannot_be_given_stands_at_its_field(served: Served, watched: Page, author: Author) -> None:
    path = add_bot(served, author, ASK)
    sign_in(watched, served.url, f"{path}/try")
    expect(chat(watched)).to_contain_text("Tea?")
    watched.get_by_text("Что дано боту").click()
    params = watched.get_by_role("textbox", name="bot_params")
    start = watched.get_by_role("button", name="Начать", exact=True)
    for wrong, said in (("{a", "Это не JSON"), ("[1]", "Здесь должен быть объект")):
        params.fill(wrong)
        start.click()
        expect(params).to_be_focused()
        expect(params).to_have_accessible_description(re.compile(re.escape(said)))
    params.fill(json.dumps({"a": "x" * 9_000}))
    start.click()
    expect(params).to_have_accessible_description(re.compile("bot_params.a: setMeta does not take this"))
    params.fill("{}")
    watched.get_by_role("textbox", name="Бюджет").fill("-5")
    more = watched.get_by_role("textbox", name="Прочее")
    more.fill('{"region": "Russia"}')
    start.click()
    expect(watched.get_by_role("textbox", name="Бюджет")).to_be_focused()
    watched.get_by_role("textbox", name="Бюджет").fill("500")
    start.click()
    expect(more).to_be_focused()
    expect(more).to_have_accessible_description(re.compile("region: a country has two letters"))
    more.fill("")
    start.click()
    expect(more).to_be_hidden()


def test_a_called_address_answers_what_the_author_says(served: Served, watched: Page, author: Author) -> None:
    call = handler(
        "knopka_http", url="https://api.example/x", result=[show("{{json.name}}")], error=[show("Later")]
    )
    path = add_bot(served, author, [{"question": [call]}])
    sign_in(watched, served.url, f"{path}/try")
    expect(watched.get_by_text("Был бы вызван GET https://api.example/x")).to_be_visible()
    reply = watched.get_by_role("textbox", name="Ответ в формате JSON")
    reply.fill("{x")
    watched.get_by_role("button", name="Отвечает", exact=True).click()
    expect(watched.get_by_role("alert")).to_contain_text("Это не JSON")
    reply.fill('{"name": "Ann"}')
    watched.get_by_role("button", name="Отвечает", exact=True).click()
    expect(chat(watched)).to_contain_text("Ann")
    watched.get_by_role("button", name="Шаг назад").click()
    watched.get_by_role("button", name="Не отвечает").click()
    expect(chat(watched)).to_contain_text("Later")


def test_what_is_written_and_not_saved_is_what_is_played(
    served: Served, watched: Page, author: Author
) -> None:
    path = add_bot(served, author)
    sign_in(watched, served.url, f"{path}/try")
    expect(watched.get_by_text("Скрипта ещё нет")).to_be_visible()
    watched.get_by_role("link", name="Скрипт", exact=True).click()
    write(watched, pretty([{"question": [show("A draft")]}]))
    watched.get_by_role("link", name="Испытать").click()
    expect(chat(watched)).to_contain_text("A draft")
    expect(watched.get_by_text("ещё не сохранили")).to_be_visible()
    watched.get_by_role("link", name="Скрипт", exact=True).click()
    write(watched, BROKEN)
    watched.get_by_role("link", name="Испытать").click()
    expect(watched.get_by_role("alert")).to_contain_text("dance")


# --- For everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("part", ["script", "try"])
def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(
    served: Served, watched: Page, author: Author, part: str, scheme: str
) -> None:
    path = add_bot(served, author, ASK)
    watched.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
    sign_in(watched, served.url, f"{path}/{part}")
    if part == "script":
        expect(step(watched, 1)).to_be_visible()
        write(watched, BROKEN)
        expect(watched.get_by_role("list", name="Что не так")).to_be_visible()
    else:
        press(watched, "Yes")
        expect(state(watched)).to_contain_text("Выжидает")
        watched.get_by_text("Что дано боту").click()
    for width in (1280, 390):
        watched.set_viewport_size({"width": width, "height": 844})
        found = Axe().run(watched).response["violations"]
        assert [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]] == []
        assert watched.evaluate("document.documentElement.scrollWidth") <= width
