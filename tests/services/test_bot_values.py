"""What a script may read of the store, by the names that the rules ask for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from knopka.db.conversations import find_row
from knopka.db.database import Transaction
from knopka.services.bot_values import StoreValues
from knopka.services.catalog import ACCOUNT
from tests.services.bot_story import BotStory, act
from tests.services.story import CITY, PHONE, Story

pytestmark = pytest.mark.anyio


async def read(story: Story, path: str, conversation_id: int = 1) -> Any:
    def find(tx: Transaction) -> Any:
        held = find_row(tx, ACCOUNT, conversation_id)
        assert held is not None
        return StoreValues(tx, story.catalog, held, story.now).find(tuple(path.split(".")))

    return await story.read(find)


@pytest.fixture
async def talked(story: Story) -> Story:
    """A visitor of whom much is known, with a bot that put somebody in charge."""
    email = next(field.id for field in story.catalog.fields.values() if field.code == "EMAIL")
    values = {PHONE: "+79123456789", email: "ivan@shop.example"}
    fields = [{"id": number, "values": [{"value": value}]} for number, value in values.items()]
    await story.set_meta(
        {
            "contact": {"name": "Иван", "custom_fields": fields},
            "lead": {"sale": 7, "custom_fields": [{"id": CITY, "values": [{"value": "Тверь"}]}]},
        }
    )
    talk = BotStory(story)
    followed = act("subscribe", type="user", value=story.operator.id)
    await talk.add(
        [{"question": [act("change_responsible_user", value=story.operator.id), followed]}],
        {"on": "first_message"},
    )
    await talk.say()
    return story


VALUES: dict[str, Any] = {
    "contact.name": "Иван",
    "contact.phone": "+79123456789",
    "contact.email": "ivan@shop.example",
    "contact.responsible_user_id": None,
    "lead.price": 7,
    f"lead.cf.{CITY}": "Тверь",
    "lead.cf.999": None,
    "lead.responsible.name": "Анна",
    "lead.users_subscribers": [1],
    "lead.groups_subscribers": [],
    "user.1.id": 1,
    "user.1.name": "Анна",
    "user.1.email": "anna",
    "user.99.name": None,
    "user.x.name": None,
    "origin": "onsite",
    "phone_region": "RU",
    "start_payload": None,
    "message_text": "Здравствуйте!",
    "current_date": "02.03.2026",
    "company.name": None,
    "customer.id": None,
    "cf.talk.nps": None,
    "": None,
}


async def test_each_name_has_its_value(talked: Story) -> None:
    assert {path: await read(talked, path) for path in VALUES} == VALUES


CHANCE = {"rand": "[0-9]{10}", "short_rand": "[A-Z2-9]{6}", "short_rand_num": "[1-9][0-9]{3}"}


async def test_chance_has_its_form_and_is_another_each_time(story: Story) -> None:
    await story.say()
    for path, form in CHANCE.items():
        drawn = [await read(story, path) for _ in range(20)]
        assert all(re.fullmatch(form, one) for one in drawn), path
        assert len(set(drawn)) > 1, path


async def test_the_day_is_that_of_the_account(story: Story) -> None:
    await story.say()
    story.now = story.now.replace(hour=22)  # in Moscow it is the next day
    assert await read(story, "current_date") == "03.03.2026"
    utc = replace(story.catalog.account, timezone="Etc/UTC")
    story.catalog = replace(story.catalog, account=utc)
    assert await read(story, "current_date") == "02.03.2026"
