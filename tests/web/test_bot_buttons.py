"""A bot's buttons from `speak` to the press: on the page through HTTP, in each messenger at the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from knopka.db.conversations import lock_conversation
from knopka.db.database import Transaction
from knopka.domain.bot.payload import Pressed, write_payload
from knopka.domain.conversation import BotAuthor, Message
from knopka.domain.messaging import NAMES, Button, ChannelKind, Channels
from knopka.platforms import PLATFORMS
from knopka.services import desk, shapes
from knopka.services.catalog import ACCOUNT
from knopka.services.desk import NoChannels
from knopka.services.speech import speak
from knopka.simulator.world import Chat
from tests.web.running import Running
from tests.web.test_chat_endpoint import Visitor, server
from tests.web.test_messenger_story import Stage, kind, stage

__all__ = ["kind", "server", "stage"]
"""Fixtures of those two stories."""

pytestmark = pytest.mark.anyio

ROBOT = BotAuthor(3, "Чайный бот")
SITE = Button("Сайт", url="https://shop.example/tea_and_*cake*")


def choices(most: int) -> list[Button]:
    return [Button(f"Сорт чая {nth}", write_payload(7, 1, nth)) for nth in range(most)]


def say(
    tx: Transaction,
    conversation_id: int,
    text: str,
    rows: Sequence[Sequence[Button]],
    channels: Channels,
    *,
    now: datetime,
) -> Message:
    """What a bot does in place of which this stands."""
    held = lock_conversation(tx, ACCOUNT, conversation_id)
    assert held is not None
    key = f"bot:7:{held['last_seq']}"
    return speak(tx, held, key=key, text=text, buttons=rows, author=ROBOT, channels=channels, now=now)


# --- The page


async def robot_says(server: Running, conversation_id: int, *rows: Sequence[Button]) -> Message:
    said: Message = await server.house.database.write(
        say, conversation_id, "Заварить?", rows, NoChannels(), key="desk"
    )
    return said


async def test_the_page_is_told_the_labels_and_nothing_of_what_they_carry(server: Running) -> None:
    visitor = await Visitor.arrive(server)
    number = (await visitor.write("Привет"))["conversation"]["id"]
    async with visitor.live() as live:
        assert (await live.hear())["type"] == "welcome"
        await live.hear()
        await robot_says(server, number, choices(2), [SITE, Button("Телефон", asks_phone=True)])
        heard = (await live.hear())["message"]
    (shown,) = (await visitor.read(conversation_id=number, after=1)).json()["messages"]
    assert heard == shown
    assert shown["author"] == {"kind": "bot", "name": "Чайный бот"}
    assert shown["buttons"] == [
        [
            {"option": 0, "label": "Сорт чая 0", "url": None, "asks": None},
            {"option": 1, "label": "Сорт чая 1", "url": None, "asks": None},
        ],
        [
            {"option": 2, "label": "Сайт", "url": SITE.url, "asks": None},
            {"option": 3, "label": "Телефон", "url": None, "asks": "phone"},
        ],
    ]
    assert "b:7" not in str(shown)


async def test_a_press_on_the_page_is_the_label_of_our_own_button(server: Running) -> None:
    visitor = await Visitor.arrive(server)
    number = (await visitor.write("Привет"))["conversation"]["id"]
    asked = await robot_says(server, number, choices(2))
    pressed = {"message_id": asked.id, "option": 1}
    accepted = await visitor.write("Отдайте даром", key="press-0001", pressed=pressed)
    assert accepted["message"]["text"] == "Сорт чая 1"
    again = await visitor.write("Отдайте даром", key="press-0001", pressed=pressed)
    assert again["message"]["id"] == accepted["message"]["id"]
    kept = (await messages(server, number))[-1]
    assert kept.pressed == Pressed(7, 1, 1)
    assert shapes.desk_message(kept)["is_press"]


async def test_a_button_that_is_not_in_the_conversation_cannot_be_pressed(server: Running) -> None:
    visitor, other = await Visitor.arrive(server), await Visitor.arrive(server)
    number = (await visitor.write("Привет"))["conversation"]["id"]
    await other.write("Добрый день")
    asked = await robot_says(server, number, [*choices(1), SITE])
    for who, message_id, option in (
        (other, asked.id, 0),
        (visitor, asked.id - 1, 0),
        (visitor, asked.id, 1),
        (visitor, asked.id, 2),
    ):
        answer = await who.call(
            "messages", key="press-0001", text="x", pressed={"message_id": message_id, "option": option}
        )
        assert answer.status_code == 404
    assert [message.text for message in await messages(server, number)] == ["Привет", "Заварить?"]


@pytest.mark.parametrize(
    ("pressed", "paths"),
    [
        (1, ["$.pressed"]),
        ({}, ["$.pressed.message_id", "$.pressed.option"]),
        ({"message_id": "1", "option": -1}, ["$.pressed.message_id", "$.pressed.option"]),
    ],
)
async def test_a_press_that_names_no_button_is_told_where(
    server: Running, pressed: Any, paths: list[str]
) -> None:
    visitor = await Visitor.arrive(server)
    answer = await visitor.call("messages", key="press-0001", text="Да", pressed=pressed)
    assert answer.status_code == 400
    assert [fault["path"] for fault in answer.json()["error"]["faults"]] == paths


async def messages(server: Running, number: int) -> list[Message]:
    found: list[Message] = await server.house.database.read(
        desk.list_messages, number, before=None, after=None, limit=100
    )
    return found


# --- The messengers


async def begin(stage: Stage) -> Chat:
    """A person whose chat is open."""
    chat = await stage.open_link()
    await stage.begin(chat)

    async def has_begun() -> bool:
        return bool(await stage.conversations())

    await stage.until(has_begun)
    return chat


async def offer(stage: Stage, chat: Chat, *rows: Sequence[Button]) -> None:
    """The bot offers these, and the person sees it."""
    (only,) = await stage.conversations()
    channels = stage.server.house.web.channels
    await stage.database.write(say, only.id, "Что *заварить*?", rows, channels, key=("conversation", only.id))

    async def is_sent() -> bool:
        said = [message for message in await stage.messages() if message.bot]
        return bool(said) and said[-1].state.value in ("sent", "delivered", "read")

    await stage.until(is_sent)
    assert any("заварить?" in text for text in stage.seen(chat))


async def answered(stage: Stage, before: int) -> Any:
    """What the person has said beyond the first so many messages."""

    async def has_answered() -> bool:
        found = await stage.messages()
        return len(found) > before and found[-1].direction.value == "in"

    await stage.until(has_answered)
    return (await stage.messages())[-1]


@pytest.mark.parametrize(("most", "nth"), [(1, 0), (3, 2), (10, 9)])
async def test_a_button_is_shown_and_pressed_and_its_label_stands_in_the_inbox(
    stage: Stage, most: int, nth: int
) -> None:
    chat = await begin(stage)
    await offer(stage, chat, *([button] for button in choices(most)))
    before = len(await stage.messages())
    stage.platform.press(chat, f"Сорт чая {nth}")
    said = await answered(stage, before)
    assert (said.text, said.pressed) == (f"Сорт чая {nth}", Pressed(7, 1, nth))
    assert (await stage.conversations())[0].last_text == said.text


async def test_every_button_is_there_to_be_pressed_or_typed(stage: Stage) -> None:
    """Whatever a platform has no room for is a numbered line."""
    chat = await begin(stage)
    await offer(stage, chat, *([button] for button in choices(30)), [SITE])
    shown = {button.label for row in chat.keyboard for button in row}
    shown |= {button.label for line in chat.lines for row in line.buttons for button in row}
    said = "\n".join(stage.seen(chat))
    for nth in range(30):
        assert f"Сорт чая {nth}" in shown or f"{nth + 1}. Сорт чая {nth}" in said
    assert "Сайт" in shown or f"31. Сайт: {SITE.url}" in said


async def test_a_label_that_is_cut_for_the_messenger_comes_back_whole(stage: Stage) -> None:
    chat = await begin(stage)
    label = "Молочный улун высшего сорта с Тайваня, двести пятьдесят граммов"
    await offer(stage, chat, [Button(label, write_payload(7, 1, 0))])
    grid = chat.keyboard or next(line.buttons for line in reversed(chat.lines) if line.buttons)
    before = len(await stage.messages())
    stage.platform.press(chat, grid[0][0].label)
    said = await answered(stage, before)
    assert said.text == label
    assert said.pressed == Pressed(7, 1, 0)


async def test_a_phone_is_asked_for_where_the_messenger_can(stage: Stage) -> None:
    chat = await begin(stage)
    await offer(stage, chat, [Button("Мой телефон", asks_phone=True)], choices(1))
    grid = [*chat.keyboard, *(row for line in chat.lines for row in line.buttons)]
    presses = {button.press.value for row in grid for button in row}
    assert ("phone" in presses) == PLATFORMS[stage.kind].caps.asks_phone
    if stage.kind is ChannelKind.VK:
        return
    before = len(await stage.messages())
    (label,) = [button.label for row in grid for button in row if button.press.value == "phone"]
    stage.platform.press(chat, label)
    said = await answered(stage, before)
    assert chat.person.phone in (said.text, *(came.phone for came in said.attachments))


async def test_an_email_is_asked_for_where_the_messenger_can(stage: Stage) -> None:
    chat = await begin(stage)
    await offer(stage, chat, [Button("Моя почта", asks_email=True)], choices(1))
    labels = [button.label for row in chat.keyboard for button in row]
    if stage.kind is not ChannelKind.MESSENGER:
        assert not any("почта" in label or "mail" in label for label in labels), NAMES[stage.kind]
        return
    before = len(await stage.messages())
    stage.platform.press(chat, "Share e-mail")
    assert (await answered(stage, before)).text == chat.person.email
