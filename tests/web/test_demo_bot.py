"""The demo's bot through HTTP: whom it greets, what it fills, how it takes hostile words; a day's pause."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from knopka.app import set_up
from knopka.db.database import Database
from knopka.services import bots
from knopka.services.demo import BOT_NAME, INTERESTS, LOGIN, read_script, set_up_bot, set_up_demo
from knopka.settings import Settings
from tests.services.bot_story import handler, show
from tests.shop import SHOP, Shop, open_shop
from tests.web.office import Office, open_office
from tests.web.test_bots_at_work import chat, press, work

pytestmark = pytest.mark.anyio

ORIGIN = "http://127.0.0.1:8000"


# --- Set-up


async def test_data_of_a_demo_from_before_gets_the_bot_once(store_url: str, tmp_path: Path) -> None:
    database = await Database.open(store_url)
    await database.write(set_up_demo, origins=(ORIGIN,), password_hash="hash", key="account")
    assert await database.read(bots.list_bots) == []
    settings = Settings(database_url=store_url, data_dir=tmp_path)
    for _ in range(2):
        assert await set_up(settings, ORIGIN, demo=True) is not None
    (bot,) = await database.read(bots.list_bots)
    version = await database.read(bots.get_version, bot.id, 1)
    assert (bot.name, bot.published_version, bot.is_enabled) == (BOT_NAME, 1, True)
    assert version.script.encode() == read_script()
    await database.close()


async def test_a_bot_that_its_owner_has_changed_stays_so(database: Database) -> None:
    await database.write(set_up_demo, origins=(ORIGIN,), password_hash="hash", key="account")
    await database.write(set_up_bot, read_script(), key="account")
    (bot,) = await database.read(bots.list_bots)
    await database.write(bots.rename, bot.id, "Mine", key="bot")
    await database.write(bots.put_version, bot.id, b'[{"question": []}]', "mine", author=LOGIN, key="bot")
    await database.write(bots.publish, bot.id, 2, key="bot")
    await database.write(set_up_bot, read_script(), key="account")
    (kept,) = await database.read(bots.list_bots)
    assert (kept.name, kept.published_version, kept.last_version) == ("Mine", 2, 2)


# --- The talk


@dataclass(frozen=True)
class Words:
    """The demo's talk in one language."""

    params: dict[str, str]
    hello: str
    ask_phone: str
    ask_again: str
    thanks: str
    told: str
    phone: str
    kept_phone: str


EN = Words(
    {"username": "Ivan", "locale": "en"},
    "Hello, Ivan! I am the shop's bot. Which tea do you like?",
    "A good choice! Which phone number may we call?",
    "I see no phone number there. Write it like this, please:\n+44 20 7946 0958",
    "Thank you, Ivan! Anna will answer you here.",
    "Ivan waits for a person. Interests: Oolong. Phone: +442079460958.",
    "+44 20 7946 0958",
    "+442079460958",
)
RU = Words(
    {"username": "Иван", "locale": "ru"},
    "Здравствуйте, Иван! Я бот магазина. Какой чай вы любите?",
    "Хороший выбор! По какому номеру вам позвонить?",
    "Не вижу номера. Напишите его, пожалуйста, так:\n+7 999 123-45-67",
    "Спасибо, Иван! Анна ответит вам здесь.",
    "Иван ждёт человека. Интересы: Oolong. Телефон: +79991234567.",
    "+7 999 123-45-67",
    "+79991234567",
)
BOTH = pytest.mark.parametrize("words", [EN, RU], ids=["en", "ru"])
OOLONG = 2
"""The place of its button."""


@pytest.fixture
async def shop(store_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop whose account has been set up as the demo's is."""
    async with open_shop(store_url, tmp_path) as opened:
        write = opened.office.database.write
        await write(set_up_demo, origins=(SHOP,), password_hash="hash", key="account")
        await write(set_up_bot, read_script(), key="account")
        await opened.office.house.catalogs.reload()
        yield opened


async def say(shop: Shop, text: str) -> int:
    lead_id = await shop.write(text)
    await work(shop)
    return lead_id


async def said(shop: Shop) -> list[str]:
    """What the visitor has been told."""
    return [message["text"] for message in await chat(shop) if message["direction"] == "out"]


async def log_of_run(shop: Shop) -> dict[str, Any]:
    """The only run, as an operator reads it."""
    (run,) = (await shop.operator.get("/inbox/api/bots/1/runs")).json()["runs"]
    shown: dict[str, Any] = (await shop.operator.get(f"/inbox/api/bot-runs/{run['id']}")).json()
    return shown


STEPS = [
    "show", "waiting", "answered", "set_custom_fields", "show", "waiting", "answered", "show", "waiting",
    "answered", "contacts.get_base_info", "set_tag", "show", "knopka_handover", "ended",
]  # fmt: skip
"""What the log tells of a talk in which a tea is chosen and a phone is given at the second try."""
UNTOLD = {"condition", "buttons", "goto", "wait_answer"}
"""Handlers that only lead to others."""


def list_steps(run: dict[str, Any]) -> list[str]:
    """The log of a run in short: what was done, and what the run waited for."""
    return [
        line["handler"] or line["note"]
        for line in run["lines"]
        if line["handler"] not in UNTOLD and line["note"] not in ("started", "unsorted_accepted")
    ]


@BOTH
async def test_it_greets_asks_fills_tags_and_hands_over(shop: Shop, words: Words) -> None:
    await shop.set_meta({"bot_params": words.params})
    lead_id = await say(shop, "?")
    asked = (await chat(shop))[-1]
    assert asked["text"] == words.hello
    await press(shop, asked, OOLONG)
    await work(shop)
    await say(shop, "42")
    await say(shop, words.phone)
    assert await said(shop) == [words.hello, words.ask_phone, words.ask_again, words.thanks]

    card = await shop.card(lead_id)
    fields = {field["field_id"]: field["values"] for field in card["lead"]["custom_fields_values"]}
    assert [value["value"] for value in fields[INTERESTS]] == ["Oolong"]
    (phone,) = card["contact"]["custom_fields_values"]
    assert [value["value"] for value in phone["values"]] == [words.kept_phone]
    assert [tag["name"] for tag in card["lead"]["_embedded"]["tags"]] == ["tea bot"]
    shown = (await shop.operator.get("/inbox/api/conversations/1/messages")).json()["messages"]
    assert [line["event"]["text"] for line in shown if line["event"]][-1] == words.told

    run = await log_of_run(shop)
    assert (run["is_active"], run["reason"]) == (False, "stopped")
    assert list_steps(run) == STEPS


@BOTH
async def test_words_that_name_no_tea_are_asked_for_again_and_a_person_can_be_called(
    shop: Shop, words: Words
) -> None:
    await shop.set_meta({"bot_params": words.params})
    await say(shop, "?")
    asked = (await chat(shop))[-1]
    await say(shop, "coffee")
    assert len(await said(shop)) == 2
    await press(shop, asked, 3)
    await work(shop)
    assert (await said(shop))[-1] == words.thanks
    assert (await log_of_run(shop))["reason"] == "stopped"


@pytest.mark.parametrize("params", [None, {}, {"locale": "en"}, {"username": ""}], ids=str)
async def test_whom_the_page_has_not_named_hears_no_bot(shop: Shop, params: dict[str, str] | None) -> None:
    if params is not None:
        await shop.set_meta({"bot_params": params})
    await say(shop, "Hello")
    assert await said(shop) == []
    shown = await shop.operator.get("/inbox/api/conversations/1")
    assert shown.json()["bot"] is None


async def answer(shop: Shop, text: str) -> None:
    """The operator answers."""
    body = {"key": shop.next_key(), "text": text}
    posted = await shop.operator.post("/inbox/api/conversations/1/messages", json=body)
    assert posted.status_code == 201, posted.text


async def test_who_is_named_later_calls_the_bot_by_its_word(shop: Shop) -> None:
    await say(shop, "Hello")
    await answer(shop, "Good day!")
    await shop.set_meta({"bot_params": EN.params})
    await say(shop, "Bot")
    assert await said(shop) == ["Good day!", EN.hello]


async def test_an_operator_who_answers_silences_it(shop: Shop) -> None:
    await shop.set_meta({"bot_params": EN.params})
    await say(shop, "Hi")
    await answer(shop, "It is me")
    await say(shop, "Green")
    assert await said(shop) == [EN.hello, "It is me"]
    assert (await log_of_run(shop))["reason"] == "operator"


# --- Hostile


async def test_a_visitors_marker_is_words_everywhere(shop: Shop) -> None:
    await shop.set_meta({"bot_params": {"username": "{{contact.name}}{{lead.id}}", "locale": "en"}})
    lead_id = await say(shop, "{{lead.id}}")
    await say(shop, "green {{lead.price}}")
    await say(shop, "{{bot_params.username}} +44 20 7946 0958 {{contact.phone}}")
    assert (await said(shop))[0].startswith("Hello, {{contact.name}}{{lead.id}}! ")
    assert (await said(shop))[-1].startswith("Thank you, {{contact.name}}{{lead.id}}! ")
    (phone,) = (await shop.card(lead_id))["contact"]["custom_fields_values"]
    assert [value["value"] for value in phone["values"]] == [EN.kept_phone]


async def test_replies_after_the_end_are_the_operators_and_change_nothing(shop: Shop) -> None:
    await shop.set_meta({"bot_params": EN.params})
    await say(shop, "Hi")
    asked = (await chat(shop))[-1]
    await say(shop, "Ask a person")
    before, log = await said(shop), await log_of_run(shop)
    await say(shop, "Green")
    await press(shop, asked, OOLONG)
    await work(shop)
    assert await said(shop) == before
    assert await log_of_run(shop) == log
    assert log["lines"][-1]["note"] == "ended"
    assert log["lines"][-1]["text"]


async def test_bot_params_of_a_megabyte_are_refused_and_the_talk_begins_without_them(shop: Shop) -> None:
    answer = await shop.post_meta({"bot_params": {"username": "x" * 1024 * 1024}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    await say(shop, "Hi")
    assert await said(shop) == []


async def test_S_WEB_13_keys_that_would_reach_further_are_dropped_or_words(shop: Shop) -> None:
    hostile = '{"bot_params": {"__proto__": {"username": "x"}, "constructor": 1, "{{contact.name}}": "x",'
    hostile += '"username": "Ann", "locale": {"a": [1]}, "toString": "{{lead.id}}"}}'
    verdicts = await shop.set_meta(json.loads(hostile))
    assert verdicts["bot_params.__proto__"] == "ignored_unknown_key"
    await say(shop, "Hi")
    assert await said(shop) == [EN.hello.replace("Ivan", "Ann")]


# --- Time


PAUSE = [{"question": [show("Until tomorrow"), handler("knopka_pause", hours=24), show("Good morning")]}]
ONCE, TWICE = ["Until tomorrow"], ["Until tomorrow", "Good morning"]


async def test_a_pause_of_a_day_outlives_restarts_and_ends_once(store_url: str, tmp_path: Path) -> None:
    """Each server is another one, which finds the timer in the store; its clock has been moved so far."""
    async with open_office(store_url, tmp_path) as office:
        await office.add_operator()
        await add_pausing_bot(office)
        async with office.visitor() as visitor:
            await visitor.write("Hi")
        assert await told(office) == ONCE
    for hours, expected in ((23.9, ONCE), (24.1, TWICE), (25, TWICE), (49, TWICE)):
        async with open_office(store_url, tmp_path) as office:
            office.database.advance_clock(timedelta(hours=hours))
            assert await told(office) == expected, hours


async def add_pausing_bot(office: Office) -> None:
    write = office.database.write
    settings = {"starts": [{"on": "first_message"}]}
    bot = await write(bots.add_bot, "Robot", "bot-00001", settings=settings, key="bots")
    await write(bots.put_version, bot.id, json.dumps(PAUSE).encode(), "version-1", author="Anna", key="bots")
    await write(bots.publish, bot.id, 1, key="bots")
    await office.house.catalogs.reload()


async def told(office: Office) -> list[str]:
    """What the bot has said when the worker has done what is due."""
    while await office.house.worker.tick():
        await office.house.worker.settle()
    async with office.operator() as operator:
        shown = (await operator.get("/inbox/api/conversations/1/messages")).json()
    return [message["text"] for message in shown["messages"] if message["author"]["kind"] == "bot"]
