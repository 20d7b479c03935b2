"""The demo's shop, its clock, and that `serve` has neither."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from knopka.db.clock import from_ms
from knopka.db.database import Database
from knopka.db.operators import count_enabled
from knopka.domain.meta import Entity
from knopka.domain.wording import NAMES
from knopka.services.catalog import load_catalog
from knopka.services.demo import set_up_demo
from knopka.web.demo import TEXTS
from knopka.web.pages.views import FOLDER
from tests.web.running import Running, running

pytestmark = pytest.mark.anyio

SEED_EXAMPLE = """\
amo_social_button.setMeta({
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
})"""


@pytest.fixture
async def demo(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(sqlite_url, tmp_path, demo=True) as server:
        yield server


async def test_serve_has_no_demo_and_no_clock(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path) as server:
        for path in ("/demo", "/demo/clock", "/demo/demo.js"):
            assert (await server.client.get(path)).status_code == 404
        before = server.house.database.clock()
        answer = await server.client.post("/demo/clock", json={"advance": "24h"})
        assert answer.status_code == 404
        assert server.house.database.clock() - before < timedelta(hours=1)


async def test_the_page_carries_the_snippet_and_its_policy_lets_in_nothing_else(demo: Running) -> None:
    answer = await demo.client.get("/demo")
    snippet = re.search("<script>(.*?)</script>", answer.text, re.DOTALL)
    assert snippet is not None
    assert f"{demo.url}/js/button.js" in snippet[1]
    digest = base64.b64encode(hashlib.sha256(snippet[1].encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert answer.text.count("<script>") == 1
    assert " style=" not in answer.text
    assert " on" + "click" not in answer.text


@pytest.mark.parametrize(("accept", "locale"), [("ru-RU,ru;q=0.9", "ru"), ("en", "en"), ("de", "en")])
async def test_the_page_speaks_the_browsers_language(demo: Running, accept: str, locale: str) -> None:
    answer = await demo.client.get("/demo", headers={"accept-language": accept})
    assert f'<html lang="{locale}">' in answer.text
    assert TEXTS[locale]["title"] in answer.text
    switched = await demo.client.get(
        f"/demo?lang={'en' if locale == 'ru' else 'ru'}", headers={"accept-language": accept}
    )
    assert f'<html lang="{locale}">' not in switched.text


async def test_the_password_is_shown_on_this_machine_alone(demo: Running) -> None:
    assert "demo-password" in (await demo.client.get("/demo")).text
    forwarded = await demo.client.get("/demo", headers={"x-forwarded-for": "203.0.113.5"})
    assert "demo-password" not in forwarded.text


@pytest.mark.parametrize(
    ("host", "is_shown"),
    [
        ("127.0.0.1:{port}", True),
        ("localhost:{port}", True),
        ("LOCALHOST:{port}", True),
        ("[::1]:{port}", True),
        ("rebound.example:{port}", False),
        ("localhost.rebound.example:{port}", False),
        ("localhost:1", False),
        ("localhost", False),
        ("", False),
    ],
)
async def test_a_name_that_was_bent_to_this_machine_is_not_shown_the_password(
    demo: Running, host: str, is_shown: bool
) -> None:
    given = host.format(port=demo.url.rpartition(":")[2])
    page = await demo.client.get("/demo", headers={"host": given})
    assert ("demo-password" in page.text) is is_shown


async def test_the_demo_shows_the_password_under_the_name_it_was_given(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with running(sqlite_url, tmp_path, demo=True, KNOPKA_BASE_URL="https://demo.example") as server:
        page = await server.client.get("/demo", headers={"host": "demo.example"})
        assert "demo-password" in page.text


def test_the_example_of_the_documentation_is_there_byte_for_byte() -> None:
    assert SEED_EXAMPLE in (FOLDER / "demo/demo.js").read_text()


def test_every_button_of_the_page_has_its_code_and_both_languages_say_the_same_things() -> None:
    script = (FOLDER / "demo/demo.js").read_text()
    for texts in TEXTS.values():
        assert all(
            f"  {action}: () => amo_social_button.setMeta(" in script for action, _, _ in texts["actions"]
        )
    assert [action for action, _, _ in TEXTS["ru"]["actions"]] == [a for a, _, _ in TEXTS["en"]["actions"]]
    assert TEXTS["ru"].keys() == TEXTS["en"].keys()


async def test_every_verdict_has_its_words_on_the_page(demo: Running) -> None:
    page = (await demo.client.get("/demo?lang=en")).text
    assert all(verdict.value in page for verdict in NAMES)


async def test_the_clock_moves_ahead_for_everything_that_is_written(demo: Running) -> None:
    before = from_ms((await demo.client.get("/demo/clock")).json()["now"])
    answer = await demo.client.post("/demo/clock", json={"advance": "24h"})
    after = from_ms(answer.json()["now"])
    assert timedelta(hours=24) <= after - before < timedelta(hours=24, minutes=1)
    written = await demo.house.database.write(lambda _tx, *, now: now, key="clock")
    assert written >= after


@pytest.mark.parametrize(
    "step", ["", "24", "h", "-1h", "0h", "1.5h", "24H", "367d", "999999d", 24, None, ["1h"], "١h"]
)
async def test_a_step_that_is_none_is_refused(demo: Running, step: object) -> None:
    answer = await demo.client.post("/demo/clock", json={"advance": step})
    assert (answer.status_code, answer.json()["error"]["faults"][0]["path"]) == (400, "$.advance")


async def test_the_clock_never_leaves_the_century(demo: Running) -> None:
    statuses = [
        (await demo.client.post("/demo/clock", json={"advance": "366d"})).status_code for _ in range(90)
    ]
    assert statuses[-1] == 400
    assert (await demo.client.get("/healthz")).status_code == 200


async def test_another_site_cannot_move_the_clock(demo: Running) -> None:
    headers = {"content-type": "text/plain", "origin": "https://evil.example"}
    answer = await demo.client.post("/demo/clock", content='{"advance":"24h"}', headers=headers)
    assert answer.status_code == 415


async def test_the_account_has_the_fields_of_the_documentations_example(database: Database) -> None:
    origins = ("http://127.0.0.1:8000", "http://localhost:8000")
    await database.write(set_up_demo, origins=origins, password_hash="hash", key="demo")
    # Every start asks for it again.
    buttons = await database.write(set_up_demo, origins=origins, password_hash="hash", key="demo")
    catalog = await database.read(load_catalog)
    phone = catalog.fields[123456]
    assert (phone.entity, phone.code) == (Entity.CONTACT, "PHONE")
    assert {option.id: option.code for option in phone.options}[12345] == "WORK"
    assert set(catalog.sources) == {button.public_id for button in buttons.values()}
    assert await database.read(count_enabled) == 1
