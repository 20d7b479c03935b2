"""Recorded runs played once more: the same script goes the same way, and another one parts from it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.rehearsal import Rehearsal
from knopka.domain.bot.replay import Comparison, Recording, compare, replay
from knopka.domain.errors import NotFound
from knopka.outgoing import Reply
from knopka.services import bot_steps, desk
from knopka.services.bot_recordings import read_recording
from tests.services.bot_story import BotStory, act, goto, handler, show
from tests.services.story import CITY, Story

pytestmark = pytest.mark.anyio

FIRST = {"on": "first_message"}
MINUTE = timedelta(minutes=1)
ORDER: list[dict[str, Any]] = [
    {
        "question": [show("{{bot_params.name}}, новый заказ?", "Да", "Нет")],
        "answer": [
            {
                "handler": "buttons",
                "params": [
                    {"value": "Да", "params": [goto(1)]},
                    {"regex": "/нет/iu", "params": [handler("stop")]},
                ],
            }
        ],
    },
    {
        "question": [
            show("Телефон?"),
            handler(
                "knopka_wait",
                minutes=15,
                type="answer",
                step=1,
                timeout=[show("Вы здесь?"), handler("wait_answer", type="answer", step=1)],
            ),
        ],
        "answer": [handler("preset", name="contacts.get_base_info")],
        "finish": [show("Спасибо!")],
    },
]


@pytest.fixture
def talk(story: Story) -> BotStory:
    return BotStory(story)


async def play_again(talk: BotStory, script: Any) -> tuple[Recording, Rehearsal, Comparison]:
    run = (await talk.runs())[-1]
    _, recording = await talk.story.read(read_recording, run.id)
    played = replay(parse_script(json.dumps(script).encode()), recording)
    return recording, played, compare(recording, played)


async def see_the_same(talk: BotStory, script: Any) -> None:
    """The script of the run goes the recorded way, says the same, and stands where it stood."""
    recording, played, compared = await play_again(talk, script)
    assert [visit.place for visit in compared.replayed] == [visit.place for visit in compared.recorded]
    assert compared.is_same
    assert [line.text for line in played.transcript if line.who == "bot"] == list(recording.said)
    assert recording.said


async def say(talk: BotStory, *texts: str) -> None:
    for text in texts:
        talk.story.pass_time(MINUTE)
        await talk.say(text)


async def test_a_run_to_its_end_goes_the_same_way_again(talk: BotStory) -> None:
    await talk.story.set_meta({"bot_params": {"name": "Иван"}})
    await talk.add(ORDER, FIRST)
    await say(talk, "Здравствуйте!", "1", "+7 912 345-67-89", "Ау?")
    assert await talk.ends() == ["done"]
    await see_the_same(talk, ORDER)


async def test_time_an_unfinished_run_and_an_operators_answer_are_played_again(talk: BotStory) -> None:
    await talk.add(ORDER, FIRST)
    await say(talk, "Здравствуйте!", "да")
    talk.story.pass_time(16 * MINUTE)
    await talk.work()
    assert (await talk.said())[-1] == "Вы здесь?"
    await see_the_same(talk, ORDER)
    talk.story.pass_time(MINUTE)
    chat = (await talk.conversation()).id
    await talk.story.write(desk.reply, talk.story.operator, chat, "answer-01", "Слушаю вас")
    await talk.work()
    assert await talk.ends() == ["operator"]
    await see_the_same(talk, ORDER)


async def test_what_was_written_before_the_bot_asked_is_no_answer_again(talk: BotStory) -> None:
    await talk.add(ORDER, FIRST)
    await say(talk, "Здравствуйте!")
    talk.story.pass_time(MINUTE)
    for text in ("да", "и ещё вопрос"):
        await talk.story.say(text)
    await talk.work()
    assert "said_before" in await talk.notes()
    await say(talk, "+7 912 345-67-89")
    await see_the_same(talk, ORDER)


async def test_a_card_is_read_again_as_the_run_has_seen_it_first(talk: BotStory) -> None:
    """What the run wrote later must not send the replayed one another way."""
    asks = {
        "handler": "condition",
        "params": [{"term1": f"{{{{lead.cf.{CITY}}}}}", "term2": "", "operation": "="}],
        "result": [act("set_custom_fields", type=2, custom_fields_id=CITY, value="Тверь"), goto(1)],
        "else": [goto(2)],
    }
    script = [{"question": [asks]}, {"question": [show("Записали.")]}, {"question": [show("Уже знаем.")]}]
    await talk.add(script, FIRST)
    await say(talk, "Здравствуйте!")
    assert await talk.said() == ["Записали."]
    await see_the_same(talk, script)


@pytest.mark.parametrize("save_as", ["", "order"])
@pytest.mark.parametrize("reply", [Reply(200, b'{"left": 3}'), Reply(500, b"{}")])
async def test_an_address_answers_again_as_it_did(talk: BotStory, save_as: str, reply: Reply) -> None:
    path = f"json.{save_as}.left" if save_as else "json.left"
    more = {"save_as": save_as} if save_as else {}
    call = handler(
        "knopka_http",
        url="https://api.example/tea",
        result=[show(f"{{{{{path}}}}} left"), goto(1)],
        error=[goto(2)],
        **more,
    )
    script = [{"question": [call]}, {"question": [show("Order?")]}, {"question": [show("Nobody knows.")]}]
    talk.replies = [reply]
    await talk.add(script, FIRST)
    await say(talk, "Здравствуйте!")
    await see_the_same(talk, script)


async def test_a_called_service_continues_the_run_again(talk: BotStory) -> None:
    call = handler("widget_request", url="https://service.example/hook", data={})
    script = [{"question": [call, show("{{json.status}}")], "answer": [show("Bye")]}]
    bot = await talk.add(script, FIRST)
    await say(talk, "Здравствуйте!")
    continue_id = talk.called[0][2]["return_url"].rpartition("/")[2]
    body = {"data": {"status": "ok"}}
    await talk.story.write(bot_steps.continue_run, bot.id, continue_id, body, kit=talk.kit)
    await talk.work()
    await say(talk, "Спасибо")
    assert await talk.said() == ["ok", "Bye"]
    await see_the_same(talk, script)


async def test_a_text_that_the_log_cuts_is_played_again_in_full(talk: BotStory) -> None:
    script = [{"question": [show("Hi")], "answer": [show("{{message_text}}")]}]
    await talk.add(script, FIRST)
    await say(talk, "Здравствуйте!", "x" * 1_000)
    await see_the_same(talk, script)


async def test_a_run_that_a_keyword_started_does_not_hear_what_came_before(talk: BotStory) -> None:
    script = [{"question": [show("{{message_text}}?")], "answer": [show("Bye")]}]
    await talk.add(script, {"on": "keyword", "words": ["чай"]})
    await say(talk, "Здравствуйте!", "ещё", "чай", "да", "всё")
    await see_the_same(talk, script)


async def test_another_script_parts_where_it_goes_another_way(talk: BotStory) -> None:
    await talk.add(ORDER, FIRST)
    await say(talk, "Здравствуйте!", "да", "+7 912 345-67-89")
    other = json.loads(json.dumps(ORDER).replace('"value": "\\u0414\\u0430"', '"value": "Yes"'))
    recording, played, compared = await play_again(talk, other)
    assert not compared.is_same
    assert compared.same == 2
    assert [visit.place for visit in compared.recorded[:2]] == ["question 0", "answer 0"]
    assert compared.recorded[2].place == "question 1"
    assert len(compared.replayed) == 2
    assert (recording.ended, played.ended, played.waiting is not None) == ("done", None, True)


async def test_a_call_that_was_not_made_fails_when_the_visitor_writes(talk: BotStory) -> None:
    await talk.add(ORDER, FIRST)
    await say(talk, "Здравствуйте!", "да")
    calls = [{"question": [handler("knopka_http", url="https://api.example/", error=[show("Позже")])]}]
    _, played, compared = await play_again(talk, calls)
    assert [line.text for line in played.transcript if line.who == "bot"] == ["Позже"]
    assert not compared.is_same


async def test_a_run_without_a_first_step_and_one_that_is_not_there(talk: BotStory) -> None:
    await talk.add(ORDER, FIRST)
    await talk.story.say("Здравствуйте!")
    recording, _, compared = await play_again(talk, ORDER)
    assert (list(recording.lines), list(compared.recorded), compared.is_same) == ([], [], False)
    with pytest.raises(NotFound):
        await talk.story.read(read_recording, 99)
