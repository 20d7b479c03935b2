"""A bot on a whole server: the page's bot_params, the chat on the page, the worker, the operator's card."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from knopka.domain.bot.setup import Bot
from knopka.services import bots
from tests.services.bot_story import act, goto, handler, show
from tests.shop import CUSTOMER, SHOP, VISIT, Shop, open_shop

pytestmark = pytest.mark.anyio

SCRIPT: list[dict[str, Any]] = [
    {
        "question": [
            {
                "handler": "condition",
                "params": [{"term1": "{{bot_params.locale}}", "term2": "en", "operation": "="}],
                "result": [show("Hello, {{bot_params.username}}!")],
                "else": [show("Здравствуйте, {{bot_params.username}}! Опт?", "Да", "Нет")],
            }
        ],
        "answer": [
            {
                "handler": "buttons",
                "params": [
                    {"value": "Да", "params": [goto(1)]},
                    {"value": "Нет", "params": [handler("stop")]},
                ],
            }
        ],
    },
    {
        "question": [
            act("set_custom_fields", type=2, custom_fields_id=CUSTOMER, value="Опт"),
            act("set_tag", type=2, value="опт"),
            show("Зову человека"),
            handler("knopka_handover", message="Оптовик"),
        ]
    },
]


@pytest.fixture
async def shop(store_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(store_url, tmp_path) as opened:
        yield opened


async def add_bot(shop: Shop) -> Bot:
    write = shop.office.database.write
    settings = {"starts": [{"on": "first_message"}]}
    bot = await write(bots.add_bot, "Робот", "bot-00001", settings=settings, key="bots")
    script = json.dumps(SCRIPT).encode()
    await write(bots.put_version, bot.id, script, "version-1", author="Анна", key="bots")
    await write(bots.publish, bot.id, 1, key="bots")
    await shop.office.house.catalogs.reload()
    return bot


async def work(shop: Shop) -> None:
    """Let the server's worker do what is due."""
    worker = shop.office.house.worker
    while await worker.tick():
        await worker.settle()


async def chat(shop: Shop) -> list[dict[str, Any]]:
    """What the visitor sees."""
    opened = await shop.page.post(
        f"/w/chat/{shop.path}/open", json={"visit": VISIT}, headers={"authorization": f"Bearer {shop.token}"}
    )
    assert opened.status_code == 200, opened.text
    messages: list[dict[str, Any]] = opened.json()["messages"]
    return messages


async def press(shop: Shop, message: dict[str, Any], option: int) -> None:
    body = {
        "key": shop.next_key(),
        "text": "…",
        "visit": VISIT,
        "page": {"url": f"{SHOP}/tea"},
        "pressed": {"message_id": message["id"], "option": option},
    }
    answer = await shop.page.post(
        f"/w/chat/{shop.path}/messages", json=body, headers={"authorization": f"Bearer {shop.token}"}
    )
    assert answer.status_code == 201, answer.text


async def test_a_bot_greets_by_name_asks_fills_tags_and_hands_over(shop: Shop) -> None:
    await add_bot(shop)
    await shop.set_meta({"bot_params": {"username": "Иван", "locale": "ru"}})
    lead_id = await shop.write("Привет")
    await work(shop)
    *_, asked = await chat(shop)
    assert (asked["text"], asked["author"]) == (
        "Здравствуйте, Иван! Опт?", {"kind": "bot", "name": "Робот"},
    )  # fmt: skip
    await press(shop, asked, 0)
    await work(shop)
    said = [message["text"] for message in await chat(shop)]
    assert said == ["Привет", "Здравствуйте, Иван! Опт?", "Да", "Зову человека"]
    card = await shop.card(lead_id)
    assert [tag["name"] for tag in card["lead"]["_embedded"]["tags"]] == ["опт"]
    (field,) = card["lead"]["custom_fields_values"]
    assert (field["field_id"], field["values"][0]["value"]) == (CUSTOMER, "Опт")
    (run,) = await shop.office.database.read(bots.list_runs)
    assert (run.reason, card["unsorted"]["state"]) == ("stopped", "accepted")


async def test_an_operator_sees_the_bot_until_a_person_answers(shop: Shop) -> None:
    bot = await add_bot(shop)
    await shop.set_meta({"bot_params": {"username": "Ann", "locale": "en"}})
    await shop.write("Hi")
    await work(shop)
    (shown,) = (await shop.operator.get("/inbox/api/conversations")).json()["conversations"]
    conversation_id = shown["id"]
    path = f"/inbox/api/conversations/{conversation_id}"
    talks = (await shop.operator.get(path)).json()["bot"]
    assert (talks["id"], talks["name"]) == (bot.id, "Робот")
    body = {"key": shop.next_key(), "text": "Hello, it is me"}
    answer = await shop.operator.post(f"{path}/messages", json=body)
    assert answer.status_code in (200, 201), answer.text
    assert (await shop.operator.get(path)).json()["bot"] is None
    await shop.write("Yes")
    await work(shop)
    said = [message["text"] for message in await chat(shop) if message["direction"] == "out"]
    assert said == ["Hello, Ann!", "Hello, it is me"]
