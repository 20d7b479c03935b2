"""One visitor on the demo's page, from setMeta to the operator's answer, on the real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.conftest import WATCH_POLICY
from tests.browser.test_widget import EXAMPLE


class Demo:
    """A running demo and its operator."""

    def __init__(self, ready: dict[str, str]) -> None:
        self.page = ready["demo_page"]
        ours = {"origin": ready["url"], "sec-fetch-site": "same-origin", "x-knopka": "inbox"}
        self.operator = httpx.Client(base_url=ready["url"], headers=ours, trust_env=False)
        form = re.search(r'name="form" value="([^"]+)"', self.operator.get("/inbox/sign-in").text)
        assert form is not None
        data = {"form": form[1], "login": ready["login"], "password": ready["password"]}
        assert self.operator.post("/inbox/sign-in", data=data).status_code == 303
        self._keys = iter(range(10_000_000, 20_000_000))

    def newest(self) -> dict[str, Any]:
        found: dict[str, Any] = self.operator.get("/inbox/api/conversations").json()["conversations"][0]
        return found

    def answer(self, text: str) -> None:
        path = f"/inbox/api/conversations/{self.newest()['id']}/messages"
        body = {"key": f"key-{next(self._keys)}", "text": text}
        assert self.operator.post(path, json=body).status_code == 201

    def read(self) -> None:
        newest = self.newest()
        path = f"/inbox/api/conversations/{newest['id']}/read"
        assert self.operator.post(path, json={"seq": newest["last_seq"]}).status_code == 204

    def messages(self) -> list[str]:
        path = f"/inbox/api/conversations/{self.newest()['id']}/messages"
        return [one["text"] for one in self.operator.get(path).json()["messages"]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    environment = {**os.environ, "KNOPKA_DATA_DIR": str(tmp_path_factory.mktemp("demo"))}
    command = [sys.executable, "-m", "knopka", "demo", "--json", "--port", "0"]
    log = Path(environment["KNOPKA_DATA_DIR"]) / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        demo = Demo(json.loads(line))
        yield demo
        demo.operator.close()
        process.terminate()


@pytest.fixture
def visitor(page: Page, demo: Demo) -> Page:
    page.set_default_timeout(10_000)
    page.context.add_init_script(WATCH_POLICY)
    page.goto(demo.page)
    return page


def open_chat(page: Page) -> FrameLocator:
    page.get_by_role("button", name=re.compile("^(Связаться с нами|Contact us)")).click()
    page.get_by_role("button", name=re.compile("^(Чат|Chat)")).click()
    chat = page.frame_locator("iframe")
    expect(chat.get_by_role("textbox")).to_be_visible()
    return chat


def write(chat: FrameLocator, text: str) -> None:
    chat.get_by_role("textbox").fill(text)
    chat.get_by_role("textbox").press("Enter")


def test_a_visitor_from_the_pages_example_to_the_operators_answer(
    visitor: Page, demo: Demo, faults: list[str]
) -> None:
    visitor.evaluate("window.heard = []; amoSocialButton('onMetaResult', (verdicts) => heard.push(verdicts))")
    waiting = visitor.evaluate(f"amo_social_button.setMeta({EXAMPLE})")
    assert {one["verdict"] for one in waiting} == {"waiting_for_lead"}
    chat = open_chat(visitor)
    write(chat, "Есть ли у вас молочный улун?")
    expect(chat.locator(".meta.sent, .meta.delivered")).to_be_visible()
    visitor.wait_for_function("() => heard.length === 2")
    final = {one["path"]: one["verdict"] for one in visitor.evaluate("heard[1]")}
    assert final == {
        "note": "noted",
        "contact.name": "filled",
        "contact.custom_fields[0]": "filled",
        "lead.name": "filled",
        "lead.sale": "filled",
    }
    lead = demo.newest()["lead_id"]
    card = demo.operator.get(f"/inbox/api/leads/{lead}").json()
    assert (card["lead"]["name"], card["lead"]["price"]) == ("Название сделки", 999)
    demo.answer("Да, есть.")
    expect(chat.get_by_role("log")).to_contain_text("Да, есть.")
    demo.read()
    expect(chat.locator(".own .meta.read")).to_be_visible()
    assert [frame.evaluate("window.reports") for frame in visitor.frames] == [[], []]
    assert faults == []


def test_a_reload_and_a_cut_lose_nothing_and_double_nothing(visitor: Page, demo: Demo) -> None:
    chat = open_chat(visitor)
    write(chat, "Раз")
    expect(chat.locator(".own .meta.sent, .own .meta.delivered")).to_have_count(1)
    demo.answer("Два")
    expect(chat.get_by_role("log")).to_contain_text("Два")
    visitor.context.set_offline(True)
    demo.answer("Три")
    write(chat, "Четыре")
    expect(chat.locator(".meta.sending, .message .failure")).to_have_count(1)
    visitor.context.set_offline(False)
    expect(chat.get_by_role("log")).to_contain_text("Три")
    expect(chat.locator(".meta.sending, .message .failure")).to_have_count(0)
    assert demo.messages() == ["Раз", "Два", "Три", "Четыре"]
    visitor.reload()
    again = open_chat(visitor)
    expect(again.locator(".text")).to_have_text(["Раз", "Два", "Три", "Четыре"])


def test_an_answer_that_comes_while_the_chat_is_closed_is_counted_on_the_button(
    visitor: Page, demo: Demo
) -> None:
    chat = open_chat(visitor)
    write(chat, "Вернусь")
    expect(chat.locator(".own .meta.sent, .own .meta.delivered")).to_have_count(1)
    visitor.goto("about:blank")
    demo.answer("Ждём вас")
    visitor.goto(demo.page)
    badge = visitor.get_by_role("button", name=re.compile("(не прочитано|unread): 1"))
    expect(badge).to_be_visible()
    badge.click()
    visitor.get_by_role("button", name=re.compile("^(Чат|Chat)")).click()
    expect(visitor.frame_locator("iframe").get_by_text("Ждём вас")).to_be_visible()
    expect(visitor.get_by_role("button", name=re.compile("не прочитано|unread"))).to_have_count(0)
