"""Every example of docs/salesbot.md in a real store: what is said, and what becomes of the cards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from sqlalchemy import delete

from knopka.db.database import Transaction
from knopka.db.statement import Statement
from knopka.db.tables import field_values
from knopka.domain.bot.cases import Expected
from knopka.domain.bot.given import Given
from knopka.domain.bot.markers import as_text
from knopka.domain.bot.rehearsal import Card
from knopka.domain.bot.turns import parse_span
from knopka.domain.conversation import Message
from knopka.domain.messaging import Direction
from knopka.domain.meta import Entity
from knopka.outgoing import Reply
from knopka.services import bot_runs, bot_steps, bots, desk
from knopka.services.presses import Choice
from tests.salesbot_docs import read_examples
from tests.services.bot_story import BotStory, act, handler
from tests.services.story import PHONE, Story

pytestmark = pytest.mark.anyio

FIRST = {"on": "first_message"}
IN_A_MESSENGER = {"three parts"}
"""Cases whose START a messenger's link has brought (test_bot_messengers.py)."""
FORGET_FIELDS = Statement(delete(field_values))


async def test_every_example_of_the_page_does_in_a_store_what_the_page_tells(story: Story) -> None:
    """One store for all: each case has a visitor and a bot of its own."""
    talk = BotStory(story)
    told, wanted = {}, {}
    cases = [
        (example, case, turns)
        for example in read_examples()
        for case, turns in zip(example.cases, example.turns, strict=True)
    ]
    for number, (example, case, turns) in enumerate(cases):
        if case.name in IN_A_MESSENGER:
            continue
        actor = Actor(talk, number)
        await actor.play(example.script, case.given, turns)
        for expected in case.expected:
            what = (example.name, case.name, *expected.what)
            wanted[what] = _sort(expected, expected.lines)
            told[what] = _sort(expected, await actor.observe(expected.what))
        await actor.leave()
    assert told == wanted
    assert len(told) > 100


async def test_the_operators_see_whom_a_line_is_for(story: Story) -> None:
    talk = BotStory(story)
    told = {"entity_id": "{{lead.id}}", "entity_type": "2", "message": "Клиент ждёт"}
    sends = [handler("send_internal", **told, **to) for to in ({"user_id": 1}, {"user_id": 1, "group_id": 7})]
    await talk.add([{"question": sends}], FIRST, name="Робот")
    await talk.say()
    line = {"kind": "bot_told", "text": "Клиент ждёт", "bot": "Робот"}
    lines = [message.event for message in await talk.messages() if message.event is not None]
    assert lines == [line | {"user_id": "1"}, line | {"group_id": "7"}]


async def test_the_open_lead_of_a_double_is_moved_and_the_own_one_stays(story: Story) -> None:
    talk = BotStory(story)
    first, second = (status.id for status in story.catalog.main_pipeline.statuses[1:3])
    await story.set_meta({"contact": {"name": "Ольга"}}, visit="visit-of-olga-00000001")
    other = await story.write_in(token="token-of-olga", visit="visit-of-olga-00000001")
    found = handler("find", type="contact_double", params={"type": "name", "value": "Ольга", "actions": []})
    moves = [act("change_status", value=second, entity="double"), act("change_status", value=first)]
    await talk.add([{"question": [found, *moves]}], {"on": "keyword", "words": ["бот"]})
    own = await story.write_in(text="бот")
    await talk.work()
    stages = [(await story.card(lead))["lead"]["status_id"] for lead in (other, own)]
    assert stages == [second, first]


def _sort(expected: Expected, lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(lines)) if expected.what[-1] == "tags" else lines


class Actor:
    """The visitor of one case, with all that happens to them."""

    def __init__(self, talk: BotStory, number: int) -> None:
        self.talk = talk
        self.story = talk.story
        self.token = f"token-of-{number}"
        self.visit = f"visit-of-case-{number:010}"
        self.conversation_id = 0
        self.bot_id = 0

    async def play(self, script: bytes, given: Given, turns: Sequence[Any]) -> None:
        """Everything from what is given to the last that happens."""
        for number, (entity, card) in enumerate(given.stage.others):
            other = f"other-{number}-of-{self.visit}"
            await self.story.set_meta({entity.value.removesuffix("s"): _as_meta(card)}, visit=other)
            await self.story.say(token=other, visit=other)
        cards = {"contact": _as_meta(given.stage.contact), "lead": _as_meta(given.stage.lead)}
        await self.story.set_meta({**cards, "bot_params": dict(given.bot_params)}, visit=self.visit)
        self.bot_id = (await self.talk.add(script, FIRST)).id
        self._get_ready_for(*turns[:1])
        await self._say(given.opening or "Hi")
        for number, turn in enumerate(turns, 1):
            self._get_ready_for(*turns[number : number + 1])
            await self._do(turn)
            await self.talk.work()
        run_id = (await self.talk.runs(conversation_id=self.conversation_id))[-1].id
        self.found = await self.story.read(bots.get_run, run_id)

    async def leave(self) -> None:
        """Make room for the next case: its bot alone starts, and its cards alone are found."""
        await self.story.write(bots.remove, self.bot_id)
        await self.talk.reload()
        await self.story.write(_forget_fields)

    def _get_ready_for(self, turn: Any = None) -> None:
        """A called address answers at once, so what it will say is laid ready before the call."""
        match turn:
            case {"answer": data}:
                self.talk.replies = [Reply(200, json.dumps(data).encode())]
            case {"fail": error}:
                self.talk.replies = [Reply(int(error.removeprefix("status_")), b"")]
            case _:
                self.talk.replies = []

    async def _do(self, turn: Any) -> None:
        match turn:
            case str() | int():
                await self._say(str(turn))
            case {"press": label}:
                shown = [message for message in await self._messages() if message.buttons][-1]
                labels = [button.label for row in shown.buttons for button in row]
                await self._say(label, choice=Choice(shown.id, labels.index(label)))
            case {"wait": span}:
                self.story.pass_time(parse_span(span) or timedelta())
            case {"lose": reason}:
                said = [message for message in await self._messages() if message.bot is not None]
                await self.story.write(_lose, said[-1], reason)
            case {"answer": data} if self._asked_widget:
                continue_id = self.talk.called[-1][2]["return_url"].rpartition("/")[2]
                await self.story.write(
                    bot_steps.continue_run, self.bot_id, continue_id, data, kit=self.talk.kit
                )
            case {"answer": _} | {"fail": _}:
                pass  # it has answered at once
            case _:
                raise NotImplementedError(turn)

    @property
    def _asked_widget(self) -> bool:
        return "return_url" in (self.talk.called[-1][2] or {})

    async def _say(self, text: str, **more: Any) -> None:
        self.conversation_id = await self.talk.say(text, token=self.token, visit=self.visit, **more)

    async def _messages(self) -> list[Message]:
        return await self.story.read(
            desk.list_messages, self.conversation_id, before=None, after=None, limit=100
        )

    # What has become of it, as cases.py tells it

    async def observe(self, what: tuple[str, ...]) -> tuple[str, ...]:
        said = [message for message in await self._messages() if message.direction is Direction.OUT]
        match what:
            case ("bot" | "elsewhere",):
                return tuple(message.text for message in said)
            case ("operators",):
                lines = [message.event or {} for message in await self._messages()]
                return tuple(line["text"] for line in lines if line.get("kind") == "bot_told")
            case ("buttons",):
                return tuple(button.label for row in said[-1].buttons for button in row)
            case ("ended",):
                return _lines(self.found.run.reason)
            case ("waits",):
                return _lines(self.found.run.wait)
            case ("steps",):
                return self._steps()
            case ("notes",):
                return tuple(note["params"]["text"] for note in await self._card("notes"))
            case (side, *part):
                return await self._observe_card(side, tuple(part))
            case _:
                raise NotImplementedError(what)

    def _steps(self) -> tuple[str, ...]:
        lines = [line.line for line in self.found.lines if "step" in line.line]
        return tuple(way for way, _ in groupby(f"{line['block']} {line['step']}" for line in lines))

    async def _observe_card(self, side: str, part: tuple[str, ...]) -> tuple[str, ...]:
        card = await self._card(side)
        match part:
            case ("tags",):
                return tuple(tag["name"] for tag in card["_embedded"]["tags"])
            case ("responsible",):
                return _lines(card["responsible_user_id"] or None)
            case ("decision",):
                return _lines((await self._card("unsorted"))["state"])
            case ("fields", name):
                wanted = {"PHONE": PHONE, "EMAIL": self._email}.get(name) or int(name)
                fields = card["custom_fields_values"] or []
                return tuple(
                    as_text(item["value"])
                    for field in fields
                    if field["field_id"] == wanted
                    for item in field["values"]
                )
            case (name,):
                return _lines(card[name])
            case _:
                raise NotImplementedError(part)

    async def _card(self, part: str) -> Any:
        lead_id = (await self.story.read(desk.get_conversation, self.conversation_id)).lead_id
        assert lead_id is not None
        return (await self.story.card(lead_id))[part]

    @property
    def _email(self) -> int:
        return self.story.catalog.by_code[Entity.CONTACT, "EMAIL"].id


def _as_meta(card: Card) -> dict[str, Any]:
    """What a page sends to have such a card."""
    fields = [
        {"id": {"PHONE": PHONE}.get(name) or int(name), "values": [{"value": value}]}
        for name, value in card.fields.items()
    ]
    known: dict[str, Any] = {"name": card.name, "sale": card.price, "custom_fields": fields}
    return {key: value for key, value in known.items() if value}


def _lines(value: Any) -> tuple[str, ...]:
    return () if value is None else (str(value),)


def _lose(tx: Transaction, message: Message, reason: str, *, now: datetime) -> None:
    bot_runs.notice_undelivered(tx, message, reason)


def _forget_fields(tx: Transaction, *, now: datetime) -> None:
    tx.run(FORGET_FIELDS)
