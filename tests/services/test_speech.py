"""How a bot speaks and is answered: buttons under its words, presses that are looked up, never believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from knopka.db.conversations import lock_conversation
from knopka.db.database import Row, Transaction
from knopka.db.outbox import Delivery, list_deliveries
from knopka.domain.bot.payload import Pressed, write_payload
from knopka.domain.bot.state import EndReason
from knopka.domain.conversation import BotAuthor, Message
from knopka.domain.errors import Conflict, InvalidInput, NotFound
from knopka.domain.messaging import (
    Button,
    Capabilities,
    Channels,
    EventKind,
    MessageState,
    Window,
    WindowKind,
)
from knopka.services.catalog import ACCOUNT
from knopka.services.desk import NoChannels
from knopka.services.presses import Choice
from knopka.services.speech import may_speak, speak
from tests.services.story import HOUR, SECOND, Story
from tests.services.test_courier import MINUTE, Post, post
from tests.services.toy import IVAN, OLGA, Messengers, Shelf, Toy

__all__ = ["post"]
"""A fixture of the courier's tests."""

pytestmark = pytest.mark.anyio

DAY = 24 * HOUR
ROBOT = BotAuthor(3, "Чайный бот")
YES, NO = Button("Да", write_payload(7, 1, 0)), Button("Нет", write_payload(7, 1, 1))
SITE, PHONE = Button("Сайт", url="https://shop.example"), Button("Телефон", asks_phone=True)


@pytest.fixture
async def chat(story: Story) -> Messengers:
    begun = await Messengers.begin(story)
    await begun.write("Есть улун?")
    return begun


def hold(tx: Transaction, conversation_id: int) -> Row:
    held = lock_conversation(tx, ACCOUNT, conversation_id)
    assert held is not None
    return held


def say(
    tx: Transaction,
    conversation_id: int,
    text: str,
    buttons: Sequence[Sequence[Button]],
    key: str,
    channels: Channels,
    *,
    now: datetime,
) -> Message:
    return speak(
        tx,
        hold(tx, conversation_id),
        key=key,
        text=text,
        buttons=buttons,
        author=ROBOT,
        channels=channels,
        now=now,
    )


async def robot_says(
    chat: Messengers, text: str = "Заварить?", *rows: Sequence[Button], key: str = "bot:7:1"
) -> Message:
    number = await number_of(chat, IVAN)
    return await chat.story.write(say, number, text, rows or ((YES, NO),), key, chat.shelf)


async def number_of(chat: Messengers, person: str) -> int:
    (found,) = [one.id for one in await chat.conversations() if one.chat_id == person]
    return found


async def parts(chat: Messengers, message: Message) -> list[Delivery]:
    return await chat.story.read(list_deliveries, message.id)


# --- Speaking


async def test_a_bot_speaks_under_its_name_with_its_buttons(chat: Messengers) -> None:
    said = await robot_says(chat, "Заварить?", (YES, NO), (SITE,))
    (_, shown) = await chat.messages()
    assert shown == said
    assert (shown.bot, shown.buttons) == (ROBOT, ((YES, NO), (SITE,)))
    assert (shown.operator_id, shown.state) == (None, MessageState.WAITING)
    assert (await chat.conversation()).last_text == "Заварить?"


async def test_the_name_of_a_bot_is_the_one_that_it_had(chat: Messengers) -> None:
    await robot_says(chat)
    number = (await chat.conversation()).id
    renamed = replace(ROBOT, name="Кофейный бот")

    def say_again(tx: Transaction, *, now: datetime) -> Message:
        held = hold(tx, number)
        return speak(tx, held, key="bot:7:2", text="Ещё?", author=renamed, channels=chat.shelf, now=now)

    await chat.story.write(say_again)
    assert [message.bot for message in await chat.messages()] == [None, ROBOT, renamed]


async def test_the_buttons_go_with_the_last_part(chat: Messengers) -> None:
    said = await robot_says(chat, "Первое предложение, и оно довольно длинное. " * 4)
    first, *others, last = await parts(chat, said)
    assert first.buttons == ()
    assert not any(part.buttons for part in others)
    assert last.buttons == said.buttons


async def test_what_the_messenger_cannot_ask_for_is_kept_and_not_sent(chat: Messengers) -> None:
    said = await robot_says(chat, "Ваш телефон?", (PHONE, NO))
    assert said.buttons == ((PHONE, NO),)
    (part,) = await parts(chat, said)
    assert part.buttons == ((NO,),)


async def test_a_bot_may_say_several_things_at_once_and_each_only_once(chat: Messengers) -> None:
    number = (await chat.conversation()).id

    def say_all(tx: Transaction, *, now: datetime) -> list[int]:
        held = hold(tx, number)
        said = [
            speak(tx, held, key=f"bot:7:{nth}", text=str(nth), author=ROBOT, channels=chat.shelf, now=now)
            for nth in (1, 2, 3, 1)
        ]
        return [message.seq for message in said]

    assert await chat.story.write(say_all) == [2, 3, 4, 2]
    with pytest.raises(Conflict):
        await robot_says(chat, "1", (YES,), key="bot:7:1")
    with pytest.raises(InvalidInput):
        await robot_says(chat, "\u200b", key="bot:7:9")


async def test_after_a_bots_words_the_operator_answers_as_ever(chat: Messengers) -> None:
    await robot_says(chat)
    answer = await chat.answer("Здравствуйте!")
    assert (answer.operator_name, answer.bot, answer.buttons) == ("Анна", None, ())


# --- Whether it may


@pytest.mark.parametrize(
    ("late", "why"),
    [(DAY - SECOND, None), (DAY, EndReason.WINDOW_CLOSED), (DAY + SECOND, EndReason.WINDOW_CLOSED)],
)
async def test_a_bot_never_speaks_beyond_the_window(
    chat: Messengers, late: timedelta, why: EndReason | None
) -> None:
    chat.story.pass_time(late)
    assert await asked_whether(chat) == why
    if why is None:
        await robot_says(chat)
    else:
        with pytest.raises(Conflict, match="time for answers"):
            await robot_says(chat)


@pytest.mark.parametrize(
    ("late", "how"), [(DAY - MINUTE, ("sent", None)), (DAY, ("failed", "window_closed"))]
)
async def test_what_a_bot_has_said_is_not_sent_beyond_the_window_and_a_persons_answer_is(
    post: Post, late: timedelta, how: tuple[str, str | None]
) -> None:
    post.story.now = post.database.clock()
    await post.chat.write()
    await robot_says(post.chat)
    post.database.advance_clock(late)
    await post.work()
    assert await post.answer() == how
    await post.chat.answer()
    await post.work()
    assert await post.answer() == ("sent", None)
    assert post.toy.sent[-1][0].is_beyond_window == (late == DAY)


@pytest.mark.parametrize(
    "window", [Window(WindowKind.CLOSES, DAY, late=7 * DAY), Window(WindowKind.COSTS, DAY)]
)
async def test_where_a_person_may_answer_late_a_bot_may_not(story: Story, window: Window) -> None:
    caps = Capabilities(text_most=80, per_second=1000, window=window)
    chat = await Messengers.begin(story, Toy(caps=caps))
    await chat.write()
    story.pass_time(DAY)
    assert await asked_whether(chat) is EndReason.WINDOW_CLOSED
    with pytest.raises(Conflict, match="time for answers"):
        await robot_says(chat)
    await chat.answer()


async def test_what_is_sent_has_its_buttons(post: Post) -> None:
    post.story.now = post.database.clock()
    await post.chat.write()
    said = await robot_says(post.chat)
    await post.work()
    assert [(message.text, message.buttons) for message, _ in post.toy.sent] == [("Заварить?", said.buttons)]


async def test_a_bot_does_not_speak_where_nobody_is(chat: Messengers) -> None:
    await chat.take(chat.event(EventKind.BLOCKED))
    assert await asked_whether(chat) is EndReason.CHAT_GONE
    with pytest.raises(Conflict, match="until they write again"):
        await robot_says(chat)


async def test_a_bot_does_not_speak_through_a_channel_that_is_gone(chat: Messengers) -> None:
    chat.shelf.channels.clear()
    assert await asked_whether(chat) is EndReason.CHAT_GONE
    with pytest.raises(Conflict, match="removed or switched off"):
        await robot_says(chat)


async def test_on_the_page_a_bot_may_always_speak(story: Story) -> None:
    accepted = await story.say("Привет")
    story.pass_time(30 * DAY)

    def ask(tx: Transaction, *, now: datetime) -> EndReason | None:
        return may_speak(hold(tx, accepted.conversation.id), NoChannels(), now)

    assert await story.write(ask) is None


async def asked_whether(chat: Messengers) -> EndReason | None:
    number = (await chat.conversation()).id

    def ask(tx: Transaction, *, now: datetime) -> EndReason | None:
        return may_speak(hold(tx, number), chat.shelf, now)

    return await chat.story.write(ask)


# --- Presses in a messenger


async def press(chat: Messengers, payload: str, *, told: str = "", by: str = IVAN, **more: Any) -> Message:
    """What the visitor says by a press of which the messenger tells this payload and these words."""
    kind = more.pop("kind", EventKind.CALLBACK)
    await chat.take(chat.event(kind, chat=by, payload=payload, text=told, **more))
    return (await chat.messages(await number_of(chat, by)))[-1]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (EventKind.CALLBACK, "Нет"),
        (EventKind.CALLBACK, ""),
        (EventKind.CALLBACK, NO.payload),
        (EventKind.MESSAGE, "Не"),
        (EventKind.MESSAGE, "Передай оператору всё"),
    ],
)
async def test_a_press_says_what_stands_on_our_button(chat: Messengers, kind: EventKind, told: str) -> None:
    await robot_says(chat)
    said = await press(chat, NO.payload, told=told, kind=kind)
    assert (said.text, said.pressed) == ("Нет", Pressed(7, 1, 1))
    assert (await chat.conversation()).last_text == "Нет"


@pytest.mark.parametrize("payload", ["b:7:1:2", "b:7:2:0", "b:8:1:0", "b:1:1:1"])
@pytest.mark.parametrize(("told", "shown"), [("Да", "Да"), ("", ""), (None, "")])
async def test_a_button_that_we_never_showed_is_only_its_label(
    chat: Messengers, payload: str, told: str | None, shown: str
) -> None:
    await robot_says(chat)
    said = await press(chat, payload, told=payload if told is None else told)
    assert (said.text, said.pressed) == (shown, None)


async def test_a_button_of_another_chat_is_only_its_label(chat: Messengers) -> None:
    await robot_says(chat)
    await chat.write("Привет", chat=OLGA)
    said = await press(chat, YES.payload, told="Сделай, как скажу", by=OLGA)
    assert (said.text, said.pressed) == ("Сделай, как скажу", None)
    assert (await press(chat, YES.payload, by=IVAN)).pressed == Pressed(7, 1, 0)


@pytest.mark.parametrize("payload", ["MENU", '{"command":"help"}', "b:7:1:0:1"])
async def test_a_payload_of_somebody_else_stays_what_it_is(chat: Messengers, payload: str) -> None:
    await robot_says(chat)
    said = await press(chat, payload, told="Меню")
    assert (said.text, said.pressed) == ("Меню", None)


async def test_a_press_that_is_told_twice_is_said_once_and_two_presses_twice(chat: Messengers) -> None:
    await robot_says(chat)
    for identity in ("press-1", "press-1", "press-2"):
        await press(chat, YES.payload, event_id=identity, message_id="")
    assert [message.text for message in await chat.messages()][2:] == ["Да", "Да"]


async def test_an_older_button_is_found_behind_many_newer_ones(chat: Messengers) -> None:
    await robot_says(chat)
    for wait in range(2, 30):
        await robot_says(chat, "Ещё?", (Button("Да", write_payload(7, wait, 0)),), key=f"bot:7:{wait}")
    assert (await press(chat, NO.payload)).pressed == Pressed(7, 1, 1)


# --- Presses on the page


async def said_on_page(story: Story) -> Message:
    accepted = await story.say("Привет")
    rows = ((YES, SITE), (PHONE, NO))
    return await story.write(say, accepted.conversation.id, "Заварить?", rows, "bot:7:1", Shelf())


async def test_a_press_on_the_page_says_what_stands_on_our_button(story: Story) -> None:
    asked = await said_on_page(story)
    key = story.next_key()
    for _ in range(2):
        accepted = await story.say("Что угодно", choice=Choice(asked.id, 3), key=key)
        assert (accepted.message.text, accepted.message.pressed) == ("Нет", Pressed(7, 1, 1))
    snapshot = await story.open_chat()
    assert [message.text for message in snapshot.messages] == ["Привет", "Заварить?", "Нет"]


@pytest.mark.parametrize("option", [1, 2, 4, 10**9])
async def test_what_says_nothing_cannot_be_pressed(story: Story, option: int) -> None:
    asked = await said_on_page(story)
    with pytest.raises(NotFound):
        await story.say("Да", choice=Choice(asked.id, option))


async def test_nobody_presses_the_buttons_of_another_visitor(story: Story) -> None:
    asked = await said_on_page(story)
    for message_id in (asked.id, asked.id - 1, asked.id + 100):
        with pytest.raises(NotFound):
            await story.say("Да", choice=Choice(message_id, 0), token="token-2", visit=None)
