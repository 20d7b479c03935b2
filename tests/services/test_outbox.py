"""What operators answer in a messenger: promised with its cause, and its outcome shown."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from knopka.db.outbox import find_delivery, list_deliveries
from knopka.db.statement import Statement
from knopka.db.tables import deliveries
from knopka.domain.errors import Conflict
from knopka.domain.formatting import Style, parse_marks
from knopka.domain.messaging import EventKind, MessageState
from knopka.services import desk
from knopka.services.catalog import ACCOUNT
from tests.services.story import HOUR, START, Story
from tests.services.toy import Messengers

pytestmark = pytest.mark.anyio

LONG = "Первое предложение довольно длинное, в полсотни знаков. Второе стоит в конце."

MARKS = Statement(select(deliveries.c.echo_mark))


@pytest.fixture
async def chat(story: Story) -> Messengers:
    begun = await Messengers.begin(story)
    await begun.write("Есть улун?", message_id="in-first")
    return begun


async def state_of(chat: Messengers) -> tuple[str, str | None]:
    answer = (await chat.messages())[-1]
    return answer.state.value, answer.error


async def test_an_answer_waits_until_the_messenger_has_taken_it(chat: Messengers) -> None:
    answer = await chat.answer("Есть!")
    assert answer.state is MessageState.WAITING
    (delivery,) = await chat.deliveries()
    await chat.sent(delivery, "m1")
    assert await state_of(chat) == ("sent", None)


async def test_the_same_answer_again_is_promised_once(chat: Messengers) -> None:
    first = await chat.answer("Есть!", key="answer-1")
    assert await chat.answer("Есть!", key="answer-1") == first
    with pytest.raises(Conflict):
        await chat.answer("Нет", key="answer-1")
    assert len(await chat.deliveries()) == 1


async def test_a_long_answer_goes_in_parts_and_is_sent_when_all_of_them_are(chat: Messengers) -> None:
    await chat.answer(LONG)
    parts = await chat.deliveries()
    assert len(parts) == 2
    await chat.sent(parts[0], "m1")
    assert await state_of(chat) == ("waiting", None)
    await chat.sent(parts[1], "m2")
    assert await state_of(chat) == ("sent", None)


@pytest.mark.parametrize(
    ("how", "code", "state", "error"),
    [
        ("uncertain", "uncertain", "uncertain", "uncertain"),
        ("rejected", "bad_request", "failed", "bad_request"),
        ("rejected", "window_closed", "failed", "window_closed"),
        ("rejected", "channel_broken", "failed", "channel_broken"),
        ("failed", "retryable", "failed", "gave_up"),
    ],
)
async def test_what_became_of_an_answer_is_shown_with_its_reason(
    chat: Messengers, how: str, code: str, state: str, error: str
) -> None:
    await chat.answer()
    (delivery,) = await chat.deliveries()
    await chat.end(delivery, how, code, "in the platform's words")
    assert await state_of(chat) == (state, error)
    assert (await chat.messages())[-1].error_detail == "in the platform's words"


async def test_a_chat_that_is_gone_takes_no_answers_until_the_person_writes(chat: Messengers) -> None:
    await chat.answer()
    (delivery,) = await chat.deliveries()
    await chat.end(delivery, "rejected", "chat_gone", "blocked by the user")
    assert (await chat.conversation()).chat_gone == "gone"
    with pytest.raises(Conflict, match="until they write again"):
        await chat.answer(key="answer-2")
    await chat.write("Я здесь")
    await chat.answer(key="answer-2")


async def test_what_is_in_doubt_is_sent_again_when_the_operator_says_so(chat: Messengers) -> None:
    answer = await chat.answer()
    (delivery,) = await chat.deliveries()
    await chat.end(delivery, "uncertain", "uncertain")
    for _ in range(2):
        again = await chat.story.write(
            desk.resend,
            chat.story.operator,
            answer.conversation_id,
            answer.id,
            "resend-1",
            channels=chat.shelf,
        )
        assert again.state is MessageState.WAITING
    assert len(await chat.deliveries()) == 2
    await chat.sent(delivery, "m1")
    assert await state_of(chat) == ("sent", None)
    with pytest.raises(Conflict, match="Nothing of this message"):
        await chat.story.write(
            desk.resend,
            chat.story.operator,
            answer.conversation_id,
            answer.id,
            "resend-2",
            channels=chat.shelf,
        )


async def test_what_is_bold_across_a_cut_is_bold_in_both_messages(chat: Messengers) -> None:
    await chat.write()
    message = await chat.answer("**" + "слово " * 15 + "слово**")
    parts = await chat.story.read(list_deliveries, message.id)
    assert len(parts) == 2
    for part in parts:
        (span,) = parse_marks(part.text)
        assert span.styles == {Style.BOLD}


async def test_only_the_part_that_failed_is_sent_again(chat: Messengers) -> None:
    answer = await chat.answer(LONG)
    first, second = await chat.deliveries()
    await chat.sent(first, "m1")
    await chat.end(second, "uncertain", "uncertain")
    await chat.story.write(
        desk.resend, chat.story.operator, answer.conversation_id, answer.id, "resend-1", channels=chat.shelf
    )
    assert [part["delivery"] for part in await chat.deliveries()] == [
        first["delivery"],
        second["delivery"],
        second["delivery"],
    ]


async def test_an_echo_settles_a_doubt(chat: Messengers) -> None:
    await chat.answer()
    (delivery,) = await chat.deliveries()
    await chat.end(delivery, "uncertain", "uncertain")
    mark = await chat.story.read(lambda tx: next(row["echo_mark"] for row in tx.rows(MARKS)))
    await chat.take(chat.event(EventKind.ECHO, echo_mark=mark, message_id="m1", text="Добрый день!"))
    assert await state_of(chat) == ("sent", None)
    assert len(await chat.messages()) == 2


async def test_the_echo_of_a_beginning_is_ours_and_settles_nothing(chat: Messengers) -> None:
    answer = await chat.answer()
    (delivery,) = await chat.deliveries()
    mark = await chat.story.read(lambda tx: next(row["echo_mark"] for row in tx.rows(MARKS)))
    begun: dict[str, Any] = {"echo_mark": "its-beginning", "begins": ("somebody", mark), "text": "Добрый"}
    await chat.take(chat.event(EventKind.ECHO, **begun, message_id="m1"))
    await chat.end(delivery, "uncertain", "uncertain")
    await chat.take(chat.event(EventKind.ECHO, **begun, message_id="m2"))
    assert await state_of(chat) == ("uncertain", "uncertain")
    assert (await chat.messages())[-1].id == answer.id
    await chat.take(chat.event(EventKind.ECHO, echo_mark="x", begins=("somebody",), text="Это Пётр"))
    assert (await chat.messages())[-1].text == "Это Пётр"


async def test_marks_of_the_messenger_tell_how_far_answers_have_come(chat: Messengers) -> None:
    for number in (1, 2):
        await chat.answer(key=f"answer-{number}")
        await chat.sent((await chat.deliveries())[-1], f"m{number}")
    await chat.take(chat.event(EventKind.DELIVERED, watermark=START))
    assert await state_of(chat) == ("delivered", None)
    await chat.take(chat.event(EventKind.READ, message_ids=("m1",)))
    assert [message.state.value for message in (await chat.messages())[-2:]] == ["read", "delivered"]
    await chat.take(chat.event(EventKind.READ, message_ids=("nobody-knows",)))
    assert await state_of(chat) == ("delivered", None)


async def test_a_message_that_was_not_shown_after_all_has_failed(chat: Messengers) -> None:
    await chat.answer()
    await chat.sent((await chat.deliveries())[0], "m1")
    await chat.take(chat.event(EventKind.FAILED, message_ids=("m1",), reason="bad keyboard"))
    assert await state_of(chat) == ("failed", "rejected")


async def test_after_the_window_an_answer_is_refused_before_it_is_written(chat: Messengers) -> None:
    chat.story.pass_time(24 * HOUR)
    with pytest.raises(Conflict, match="time for answers"):
        await chat.answer()
    await chat.write("Ещё один вопрос")
    await chat.answer()


async def test_a_channel_that_was_removed_takes_no_answers(chat: Messengers) -> None:
    chat.shelf.channels.clear()
    with pytest.raises(Conflict, match="removed or switched off"):
        await chat.answer()
    assert len(await chat.messages()) == 1


async def test_what_failed_after_it_was_taken_is_really_sent_again(chat: Messengers) -> None:
    answer = await chat.answer()
    (delivery,) = await chat.deliveries()
    await chat.sent(delivery, "m1")
    await chat.take(chat.event(EventKind.FAILED, message_ids=("m1",), reason="bad keyboard"))
    await chat.story.write(
        desk.resend, chat.story.operator, answer.conversation_id, answer.id, "resend-1", channels=chat.shelf
    )
    found = await chat.story.read(find_delivery, ACCOUNT, delivery["delivery"])
    assert found is not None
    assert (found[0].state, found[0].platform_id) == (MessageState.WAITING, None)
