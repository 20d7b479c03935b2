"""Bots in conversations: what starts them, what moves them on, what ends them, and what is said only once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from knopka.domain.bot.state import EndReason
from knopka.domain.errors import Conflict, NotFound
from knopka.domain.meta import Entity
from knopka.services import bot_runs, bot_steps, bots, cards, desk
from knopka.services.bot_steps import give_up
from knopka.services.jobs import JobEnd
from tests.services.bot_story import ALL_JOBS, BotStory, act, goto, handler, show
from tests.services.story import HOUR, SECOND, Story

pytestmark = pytest.mark.anyio

FIRST = {"on": "first_message"}
MINIMAL: list[dict[str, Any]] = [
    {
        "question": [show("Новый заказ?", "Да", "Нет")],
        "answer": [
            {
                "handler": "buttons",
                "params": [
                    {"value": "Да", "params": [goto(1)]},
                    {"regex": "/нет|no/iu", "params": [handler("stop", action="talk-close")]},
                ],
            }
        ],
    },
    {
        "question": [show("Телефон?")],
        "answer": [handler("preset", name="contacts.get_base_info")],
        "finish": [act("set_tag", type=2, value="bot"), show("Спасибо!")],
    },
]
HELLO = [{"question": [show("Привет!")], "answer": [show("Понятно.")]}]


@pytest.fixture
def talk(story: Story) -> BotStory:
    return BotStory(story)


async def test_the_minimal_script_is_played_to_its_end(talk: BotStory) -> None:
    await talk.add(MINIMAL, FIRST)
    await talk.say()
    assert await talk.said() == ["Новый заказ?"]
    await talk.say("да")
    await talk.say("+7 912 345-67-89")
    assert await talk.said() == ["Новый заказ?", "Телефон?", "Спасибо!"]
    assert await talk.ends() == [EndReason.DONE]
    conversation = await talk.conversation()
    assert conversation.unsorted_state == "accepted"


async def test_a_reply_after_the_end_is_nobodys(talk: BotStory) -> None:
    await talk.add(MINIMAL, FIRST)
    for text in ("Здравствуйте!", "да", "+7 912 345-67-89", "Ау?"):
        await talk.say(text)
    assert await talk.said() == ["Новый заказ?", "Телефон?", "Спасибо!"]
    assert len(await talk.runs()) == 1


# --- What starts a bot.


async def test_a_keyword_starts_a_bot_as_a_whole_word_in_any_case(talk: BotStory) -> None:
    await talk.add(HELLO, {"on": "keyword", "words": ["Цена", "how much"]})
    for text in ("оценаа", "бесценак", "how, much"):
        await talk.say(text)
    assert await talk.said() == []
    await talk.say("какая ЦЕНА?")
    assert await talk.said() == ["Привет!"]
    assert (await talk.run()).cause == "keyword"


async def test_a_message_that_opens_a_new_lead_starts_the_bot_of_incoming_leads(talk: BotStory) -> None:
    await talk.add([{"question": [show("Привет!")]}], {"on": "incoming_lead"})
    await talk.say()
    await talk.say("Ещё вопрос")
    assert await talk.said() == ["Привет!"]
    lead_id = (await talk.conversation()).lead_id
    assert lead_id is not None
    await talk.story.decline(lead_id)
    talk.story.pass_time(SECOND)
    await talk.say("Я снова здесь")
    assert await talk.said() == ["Привет!", "Привет!"]


async def test_of_several_bots_the_highest_priority_starts_then_the_oldest(talk: BotStory) -> None:
    await talk.add([{"question": [show("one")]}], FIRST)
    await talk.add([{"question": [show("two")]}], FIRST, priority=5)
    await talk.add([{"question": [show("three")]}], FIRST, priority=5)
    await talk.say()
    assert await talk.said() == ["two"]


@pytest.mark.parametrize("settings", [{"channels": ["telegram"]}, {"source_ids": [99]}, {"channels": [7]}])
async def test_a_bot_keeps_to_its_channels_and_buttons(talk: BotStory, settings: dict[str, Any]) -> None:
    bot = await talk.add(HELLO, FIRST, {"on": "keyword", "words": ["бот"]}, **settings)
    await talk.say()
    assert await talk.runs() == []
    here = {"channels": ["onsite"], "source_ids": [talk.story.source.id]}
    await talk.story.write(
        bots.set_settings, bot.id, {"starts": [{"on": "keyword", "words": ["бот"]}], **here}
    )
    await talk.reload()
    await talk.say("бот")
    assert await talk.said() == ["Привет!"]


async def test_a_key_action_starts_its_bot_in_the_visitors_conversation(talk: BotStory) -> None:
    await talk.add(HELLO, {"on": "key_action", "names": ["Заказ"]})
    chat = await talk.say()
    start = bot_runs.start_by_key_action
    assert await talk.story.write(start, talk.story.catalog, chat, "другое") is None
    assert await talk.story.write(start, talk.story.catalog, chat, "заказ") is not None
    await talk.work()
    assert await talk.said() == ["Привет!"]


async def test_a_stage_starts_its_bot(talk: BotStory) -> None:
    stage = talk.story.catalog.main_pipeline.statuses[2].id
    await talk.add(HELLO, {"on": "stage", "status_ids": [stage]})
    await talk.say()
    lead_id = (await talk.conversation()).lead_id
    assert lead_id is not None
    uid = (await talk.story.card(lead_id))["unsorted"]["uid"]
    story = talk.story
    await story.write(cards.accept, story.catalog, story.operator.id, uid, story.next_key(), status_id=stage)
    await talk.work()
    assert await talk.said() == ["Привет!"]


async def test_silence_of_the_operators_starts_a_bot_and_an_answer_prevents_it(talk: BotStory) -> None:
    await talk.add([{"question": [show("Скоро ответим.")]}], {"on": "no_answer", "minutes": 10})
    await talk.say()
    talk.story.pass_time(timedelta(minutes=10) - SECOND)
    await talk.work()
    assert await talk.said() == []
    talk.story.pass_time(SECOND)
    await talk.work()
    assert await talk.said() == ["Скоро ответим."]
    chat = await talk.say("Жду")
    await answer(talk, chat)
    talk.story.pass_time(HOUR)
    await talk.work()
    assert await talk.said() == ["Скоро ответим.", "Я здесь"]


async def answer(talk: BotStory, chat: int, text: str = "Я здесь") -> None:
    await talk.story.write(desk.reply, talk.story.operator, chat, talk.story.next_key(), text)


async def test_a_schedule_starts_a_bot_at_its_hour_of_the_accounts_day(talk: BotStory) -> None:
    """The story begins on a Monday at 12:00 in Moscow."""
    status = talk.story.catalog.main_pipeline.statuses[0].id
    hours = {"on": "schedule", "times": ["11:00", "18:00"], "weekdays": [1, 3], "status_ids": [status]}
    await talk.add(
        [{"question": [show("Как дела?")]}], hours, {**hours, "status_ids": [1], "times": ["12:30"]}
    )
    await talk.say()
    talk.story.pass_time(6 * HOUR - SECOND)
    await talk.work()
    assert await talk.said() == []
    talk.story.pass_time(SECOND)
    await talk.work()
    assert await talk.said() == ["Как дела?"]
    talk.story.pass_time(17 * HOUR)  # Tuesday at 11:00
    await talk.work()
    assert len(await talk.said()) == 1
    talk.story.pass_time(24 * HOUR)
    await talk.work()
    assert len(await talk.said()) == 2


async def test_an_hour_that_comes_too_late_is_left_out(talk: BotStory) -> None:
    status = talk.story.catalog.main_pipeline.statuses[0].id
    await talk.add(HELLO, {"on": "schedule", "times": ["18:00"], "status_ids": [status]})
    await talk.say()
    talk.story.pass_time(8 * HOUR)
    await talk.work()
    assert await talk.said() == []
    talk.story.pass_time(22 * HOUR)
    await talk.work()
    assert await talk.said() == ["Привет!"]


async def test_an_operator_starts_a_bot_once_for_each_request(talk: BotStory) -> None:
    bot = await talk.add(HELLO)
    other = await talk.add([{"question": [show("Другой")], "answer": [show("…")]}])
    chat = await talk.say()
    start, operator = bot_runs.start_by_hand, talk.story.operator
    await talk.story.write(start, operator, chat, bot.id, "start-001")
    assert await talk.story.write(start, operator, chat, bot.id, "start-001") is None
    await talk.work()
    await talk.story.write(start, operator, chat, other.id, "start-002")
    await talk.work()
    assert await talk.said() == ["Привет!", "Другой"]
    assert await talk.ends() == [EndReason.REPLACED, None]


async def start_on_card(talk: BotStory, bot_id: int, entity: Entity, number: int) -> int:
    return await talk.story.write(bot_steps.start_on_card, bot_id, entity, number, kit=talk.kit)


async def test_the_api_starts_and_stops_a_bot_on_a_card(talk: BotStory) -> None:
    bot = await talk.add(HELLO)
    await talk.say()
    conversation = await talk.conversation()
    lead_id, contact_id = conversation.lead_id, conversation.contact_id
    assert lead_id is not None
    assert contact_id is not None
    run_id = await start_on_card(talk, bot.id, Entity.LEAD, lead_id)
    with pytest.raises(Conflict, match="talks there already"):
        await start_on_card(talk, bot.id, Entity.CONTACT, contact_id)
    await talk.work()
    stop = bot_runs.stop_for_card
    assert await talk.story.write(stop, bot.id, Entity.CONTACT, contact_id) == 1
    assert await talk.story.write(stop, bot.id, Entity.CONTACT, contact_id) == 0
    await talk.say("Есть кто?")
    assert await talk.said() == ["Привет!"]
    (run,) = await talk.runs()
    assert (run.id, run.reason) == (run_id, EndReason.STOPPED_BY_API)
    for entity, number, bot_id in ((Entity.LEAD, 99, bot.id), (Entity.LEAD, lead_id, 99)):
        with pytest.raises(NotFound):
            await start_on_card(talk, bot_id, entity, number)


async def test_thirty_runs_an_hour_are_enough_for_one_conversation(talk: BotStory) -> None:
    await talk.add([{"question": [show("Да?")]}], {"on": "keyword", "words": ["бот"]})
    for _ in range(31):
        await talk.say("бот")
    assert len(await talk.runs()) == 30
    talk.story.pass_time(HOUR)
    await talk.say("бот")
    assert len(await talk.runs()) == 31


# --- Moving on, once.


async def test_two_messages_at_once_are_one_answer_and_one_that_came_too_early(talk: BotStory) -> None:
    await talk.add(
        [
            {"question": [show("one")], "answer": [goto(1)]},
            {"question": [show("two")], "answer": [show("three")]},
        ],
        FIRST,
    )
    await talk.say()
    await talk.story.say("first")
    await talk.story.say("second")
    await talk.work()
    assert await talk.said() == ["one", "two"]
    assert (await talk.notes()).count("said_before") == 1
    await talk.say("third")
    assert await talk.said() == ["one", "two", "three"]


async def test_words_before_the_first_question_are_no_answer_to_it(talk: BotStory) -> None:
    await talk.add(HELLO, FIRST)
    await talk.story.say("Здравствуйте")
    await talk.story.say("Вопрос есть")
    await talk.work()
    assert await talk.said() == ["Привет!"]


async def test_a_step_that_fails_leaves_nothing_half_done(
    talk: BotStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await talk.add(
        [{"question": [act("set_tag", type=2, value="a"), show("Привет!")], "answer": [show("!")]}], FIRST
    )
    await talk.story.say()
    row = await talk.next_job()
    assert row is not None

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the store has gone")

    with monkeypatch.context() as broken:
        broken.setattr("knopka.db.bots.update_run", fail)
        with pytest.raises(RuntimeError):
            await talk.do(row)
    assert (await talk.said(), await talk.log()) == ([], [])
    assert (await talk.card())["lead"]["_embedded"]["tags"] == []
    await talk.work()
    assert (await talk.said(), await talk.tags()) == (["Привет!"], ["a"])


async def test_the_same_event_twice_moves_a_run_once(talk: BotStory) -> None:
    await talk.add(HELLO, FIRST)
    await talk.story.say()
    row = await talk.next_job()
    assert row is not None
    await talk.do(row)
    await talk.do(row)
    assert await talk.said() == ["Привет!"]
    assert (await talk.notes())[-1] == "already_started"


async def test_a_pause_of_a_day_goes_on_when_the_day_is_over(talk: BotStory) -> None:
    pause = handler("knopka_pause", hours=24)
    await talk.add([{"question": [show("Пока"), pause, show("Снова я")]}], FIRST)
    await talk.say()
    talk.story.pass_time(24 * HOUR - SECOND)
    await talk.say("Ау")
    assert await talk.said() == ["Пока"]
    talk.story.pass_time(SECOND)
    await talk.work()
    assert await talk.said() == ["Пока", "Снова я"]
    assert await talk.ends() == [EndReason.DONE]


async def test_an_old_timer_does_nothing(talk: BotStory) -> None:
    wait = handler("knopka_wait", minutes=10, step=1, type="question", timeout=[show("Вы тут?")])
    await talk.add(
        [{"question": [show("one"), wait]}, {"question": [show("two")], "answer": [show("three")]}], FIRST
    )
    await talk.say()
    await talk.say("Тут")
    talk.story.pass_time(HOUR)
    await talk.work()
    assert await talk.said() == ["one", "two"]


async def test_nobody_answers_in_time(talk: BotStory) -> None:
    wait = handler("knopka_wait", minutes=10, step=1, type="question", timeout=[show("Вы тут?")])
    await talk.add(
        [{"question": [show("one"), wait]}, {"question": [show("two")], "answer": [show("three")]}], FIRST
    )
    await talk.say()
    talk.story.pass_time(timedelta(minutes=10))
    await talk.work()
    assert await talk.said() == ["one", "Вы тут?"]


async def test_bot_params_are_those_that_the_page_gave_last(talk: BotStory) -> None:
    hello = show("Привет, {{bot_params.user.names[0]}}!")
    await talk.story.set_meta({"bot_params": {"user": {"names": ["Аня"]}}})
    await talk.add(
        [{"question": [hello], "answer": [show("Пока, {{bot_params.user.names.0}}{{bot_params.no}}")]}], FIRST
    )
    await talk.say()
    await talk.story.set_meta({"bot_params": {"user": {"names": ["Оля"]}}})
    await talk.say("ок")
    assert await talk.said() == ["Привет, Аня!", "Пока, Оля"]


# --- What ends a run.


async def test_a_person_who_answers_takes_over(talk: BotStory) -> None:
    await talk.add(MINIMAL, FIRST)
    chat = await talk.say()
    await answer(talk, chat)
    await talk.say("да")
    assert await talk.said() == ["Новый заказ?", "Я здесь"]
    assert await talk.ends() == [EndReason.OPERATOR]
    assert (await talk.log())[-1]["detail"] == "operator"


async def test_a_person_who_is_quicker_than_the_step_is_not_talked_over(talk: BotStory) -> None:
    await talk.add(MINIMAL, FIRST)
    chat = (await talk.story.say()).conversation.id
    await answer(talk, chat)
    await talk.work()
    assert await talk.said() == ["Я здесь"]


async def test_a_repeated_answer_of_a_person_does_not_end_a_bot_of_later(talk: BotStory) -> None:
    await talk.add(HELLO, {"on": "keyword", "words": ["бот"]})
    chat = await talk.say()
    reply = (desk.reply, talk.story.operator, chat, "answer-01", "Да?")
    await talk.story.write(*reply)
    await talk.say("бот")
    await talk.story.write(*reply)
    assert (await talk.run()).is_active


async def test_closing_the_conversation_or_declining_the_lead_ends_the_bot(talk: BotStory) -> None:
    await talk.add(HELLO, FIRST, {"on": "keyword", "words": ["бот"]})
    chat = await talk.say()
    await talk.story.write(desk.close, talk.story.operator, chat, "close-001")
    await talk.say("бот")
    lead_id = (await talk.conversation()).lead_id
    assert lead_id is not None
    await talk.story.decline(lead_id)
    assert await talk.ends() == [EndReason.CLOSED, EndReason.CLOSED]


async def test_a_bot_that_is_switched_off_says_nothing_more(talk: BotStory) -> None:
    bot = await talk.add(HELLO, FIRST, {"on": "keyword", "words": ["бот"]})
    await talk.say()
    await talk.story.write(bots.enable, bot.id, is_enabled=False)
    await talk.reload()
    await talk.say("бот")
    assert (await talk.said(), await talk.ends()) == (["Привет!"], [EndReason.SWITCHED_OFF])
    with pytest.raises(Conflict):
        await start_on_card(talk, bot.id, Entity.LEAD, 1)


async def test_a_run_keeps_to_the_version_that_it_began_with(talk: BotStory) -> None:
    bot = await talk.add(HELLO, FIRST)
    await talk.say()
    changed = b'[{"question":[{"handler":"show","params":{"type":"text","value":"New"}}]}]'
    await talk.story.write(bots.put_version, bot.id, changed, "version-2", author="Анна")
    await talk.story.write(bots.publish, bot.id, 2)
    await talk.say("ок")
    assert await talk.said() == ["Привет!", "Понятно."]


async def test_a_loop_is_ended_with_its_reason(talk: BotStory) -> None:
    await talk.add([{"question": [goto(0)]}], FIRST)
    await talk.say()
    assert await talk.ends() == [EndReason.LOOP]
    assert (await talk.said(), (await talk.log())[-1]["detail"]) == ([], "loop")


async def test_a_log_has_an_end(talk: BotStory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot_runs, "MOST_LINES", 5)
    await talk.add(MINIMAL, FIRST)
    for text in ("Здравствуйте!", "да", "+7 912 345-67-89"):
        await talk.say(text)
    log = await talk.log()
    assert (len(log), log[-1]["note"], log[-1]["detail"]) == (5, "ended", "done")


async def test_a_bot_that_starts_another_gives_way_to_it(talk: BotStory) -> None:
    other = await talk.add([{"question": [show("Другой")], "answer": [show("…")]}])
    await talk.add(
        [{"question": [show("Первый"), handler("stop", action="salesbot-start", bot=other.id)]}], FIRST
    )
    await talk.say()
    assert await talk.said() == ["Первый", "Другой"]
    assert [(run.cause, run.reason) for run in await talk.runs()] == [
        ("first_message", EndReason.STOPPED), ("bot", None),
    ]  # fmt: skip


async def test_closing_a_talk_starts_the_nps_bot_and_its_own_close_does_not(talk: BotStory) -> None:
    close = handler("stop", action="talk-close")
    await talk.add([{"question": [show("Оцените")], "answer": [close]}], is_nps=True)
    await talk.add([{"question": [show("Пока"), close]}], FIRST)
    await talk.say()
    assert await talk.said() == ["Пока", "Оцените"]
    await talk.say("5")
    assert [run.cause for run in await talk.runs()] == ["first_message", "nps"]
    assert (await talk.conversation()).status == "closed"


async def test_an_operator_stops_a_bot_without_a_word(talk: BotStory) -> None:
    await talk.add(HELLO, FIRST)
    chat = await talk.say()
    assert await talk.story.write(bot_runs.stop_in, chat)
    assert not await talk.story.write(bot_runs.stop_in, chat)
    await talk.say("Ау")
    assert (await talk.said(), await talk.ends()) == (["Привет!"], [EndReason.OPERATOR])


async def test_a_step_that_fails_again_and_again_ends_the_run(talk: BotStory) -> None:
    await talk.add(HELLO, FIRST)
    chat = (await talk.story.say()).conversation.id
    row = await talk.next_job()
    assert row is not None
    payload = {"conversation": chat, "run": (await talk.run()).id}
    end = JobEnd("failed", "internal", "RuntimeError")
    await talk.story.write(talk._finish, row, give_up, payload, end)
    assert await talk.ends() == [EndReason.FAILED]
    assert (await talk.log())[-1]["seen"] == {"why": "RuntimeError"}


async def test_steps_and_answers_of_many_chats_go_on_side_by_side(talk: BotStory) -> None:
    """Each conversation has its lane; nobody waits for a row that another holds the other way round."""
    await talk.add(
        [{"question": [act("set_tag", type=1, value="a"), show("Привет!")], "answer": [show("!")]}], FIRST
    )
    names = [f"visitor-{number}" for number in range(8)]
    said = [talk.story.say(token=name, visit=f"visit-of-{name}-000000", shard=name) for name in names]
    await asyncio.gather(*said)
    rows = await talk.story.read(lambda tx: tx.rows(ALL_JOBS, kind=bot_runs.EVENT))
    await asyncio.gather(*(talk.do(row, key=row["key"]) for row in rows))
    assert [run.wait for run in await talk.runs()] == ["answer"] * 8
