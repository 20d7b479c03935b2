"""Bots in messengers: buttons, closed windows, people who are gone, and messages that never arrived."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from knopka.domain.bot.payload import write_payload
from knopka.domain.bot.state import EndReason
from knopka.domain.errors import InvalidInput
from knopka.domain.messaging import EventKind
from knopka.domain.meta import Entity
from knopka.services import bot_steps
from tests.services.bot_story import BotStory, act, goto, handler, show
from tests.services.story import CITY, HOUR, Story
from tests.services.toy import Messengers

pytestmark = pytest.mark.anyio

FIRST = {"on": "first_message"}
ASKS = [
    {"question": [show("Кофе или чай?", "Кофе", "Чай")], "answer": [show("{{message_text}}!"), goto(1)]},
    {"question": [show("Сколько?", "1", "2")], "answer": [show("{{message_text}} шт.")]},
]
WITH_ERROR = {
    "0": {"question": [handler("knopka_pause", hours=25), show("Ещё здесь?")], "answer": [show("!")]},
    "error": [act("set_tag", type=2, value="не дошло"), show("Ау")],
}


class Desk:
    """A messenger in which a bot talks."""

    def __init__(self, people: Messengers, talk: BotStory) -> None:
        self.people = people
        self.talk = talk

    async def write(self, text: str = "Привет", **more: Any) -> None:
        await self.people.write(text, **more)
        await self.talk.work()

    async def press(self, run: int, wait: int, option: int) -> None:
        payload = write_payload(run, wait, option)
        await self.people.take(self.people.event(EventKind.CALLBACK, payload=payload, message_id="sent-1"))
        await self.talk.work()


@pytest.fixture
async def desk(story: Story) -> Desk:
    people = await Messengers.begin(story)
    return Desk(people, BotStory(story, people.shelf))


async def test_pressing_start_in_a_messenger_is_a_first_word_and_no_answer(desk: Desk) -> None:
    await desk.talk.add(ASKS, FIRST)
    await desk.people.start(None)
    await desk.talk.work()
    assert await desk.talk.said() == ["Кофе или чай?"]
    await desk.people.start(None)
    await desk.talk.work()
    assert await desk.talk.said() == ["Кофе или чай?"]


async def test_what_the_link_carried_is_written_on_the_card(desk: Desk) -> None:
    places = ["lead.tags", "", f"lead.custom_fields.{CITY}"]
    split = handler("meta", delimiter="__", values=places)
    await desk.talk.add([{"question": [split, show("Откуда?")], "answer": [split]}], FIRST)
    await desk.people.take(desk.people.event(EventKind.OPENED, start="promo__42__Казань"))
    await desk.talk.work()
    lead_id = (await desk.talk.run()).lead_id
    assert lead_id is not None
    assert (await desk.talk.tags(), await desk.talk.story.fields(lead_id)) == (["promo"], {CITY: "Казань"})
    await desk.write("Отсюда", start="sale____Тверь")
    assert (await desk.talk.tags(), await desk.talk.story.fields(lead_id)) == (
        ["promo", "sale"], {CITY: "Тверь"},
    )  # fmt: skip


async def test_a_link_that_a_messenger_names_again_and_again_is_one_line(desk: Desk) -> None:
    for text in ("Раз", "Два"):
        await desk.write(text, start="promo")
    lines = [message.event for message in await desk.talk.messages() if message.event is not None]
    assert lines == [{"kind": "opened", "page_url": "", "page_title": "", "start": "promo"}]


@pytest.mark.parametrize("is_told_in_time", [True, False])
async def test_a_person_who_is_quicker_than_the_page_is_greeted_by_name_once_it_has_told(
    desk: Desk, is_told_in_time: bool
) -> None:
    """START arrives before the page's word of whose visit its code is; the bot does not wait for ever."""
    story = desk.talk.story
    await desk.talk.add([{"question": [show("Здравствуйте, {{bot_params.name}}!")]}], FIRST)
    await story.set_meta({"bot_params": {"name": "Иван"}})
    await desk.people.start()
    await desk.talk.work()
    assert await desk.talk.said() == []
    if is_told_in_time:
        await desk.people.announce()
    story.pass_time(timedelta(seconds=3))
    await desk.talk.work()
    name = "Иван" if is_told_in_time else ""
    assert await desk.talk.said() == [f"Здравствуйте, {name}!"]


async def test_who_comes_after_the_pages_word_is_greeted_at_once(desk: Desk) -> None:
    await desk.talk.add([{"question": [show("Здравствуйте, {{bot_params.name}}!")]}], FIRST)
    await desk.talk.story.set_meta({"bot_params": {"name": "Иван"}})
    await desk.people.announce()
    await desk.people.start()
    await desk.talk.work()
    assert await desk.talk.said() == ["Здравствуйте, Иван!"]


async def test_a_button_is_pressed_and_pressed_again_when_it_is_old(desk: Desk) -> None:
    await desk.talk.add(ASKS, FIRST)
    await desk.write()
    run = await desk.talk.run()
    await desk.press(run.id, 1, 1)
    assert await desk.talk.said() == ["Кофе или чай?", "Чай!", "Сколько?"]
    await desk.press(run.id + 1, 1, 1)  # somebody else's button says nothing here
    await desk.write("2.")
    assert (await desk.talk.said())[3:] == ["2 шт."]
    assert len(await desk.people.deliveries()) == 4


async def test_a_bot_never_talks_into_a_closed_window(desk: Desk) -> None:
    await desk.talk.add(WITH_ERROR, FIRST)
    await desk.write()
    desk.talk.story.pass_time(25 * HOUR)
    await desk.talk.work()
    assert (await desk.talk.said(), await desk.talk.ends()) == ([], [EndReason.WINDOW_CLOSED])
    assert await desk.talk.tags() == ["не дошло"]


async def test_the_window_is_open_again_when_the_person_has_written(desk: Desk) -> None:
    await desk.talk.add(WITH_ERROR, FIRST)
    await desk.write()
    desk.talk.story.pass_time(2 * HOUR)
    await desk.write("Ау")
    desk.talk.story.pass_time(23 * HOUR)
    await desk.talk.work()
    assert await desk.talk.said() == ["Ещё здесь?"]


async def test_a_bot_does_not_talk_to_who_has_blocked_us(desk: Desk) -> None:
    await desk.talk.add([{"question": [handler("knopka_pause", hours=1), show("Ещё здесь?")]}], FIRST)
    await desk.write()
    await desk.people.take(desk.people.event(EventKind.BLOCKED))
    desk.talk.story.pass_time(HOUR)
    await desk.talk.work()
    assert (await desk.talk.said(), await desk.talk.ends()) == ([], [EndReason.CHAT_GONE])


@pytest.mark.parametrize("is_closed", [True, False])
async def test_the_api_starts_no_bot_where_it_could_not_speak(desk: Desk, *, is_closed: bool) -> None:
    bot = await desk.talk.add([{"question": [show("Ещё здесь?")]}])
    await desk.write()
    if is_closed:
        desk.talk.story.pass_time(24 * HOUR)
    else:
        await desk.people.take(desk.people.event(EventKind.BLOCKED))
    lead_id = (await desk.talk.conversation()).lead_id
    args = (bot_steps.start_on_card, bot.id, Entity.LEAD, lead_id)
    with pytest.raises(InvalidInput, match="Nobody can be reached"):
        await desk.talk.story.write(*args, kit=desk.talk.kit)
    assert await desk.talk.runs() == []
    await desk.write("Я тут")
    await desk.talk.story.write(*args, kit=desk.talk.kit)
    await desk.talk.work()
    assert await desk.talk.said() == ["Ещё здесь?"]


@pytest.mark.parametrize(
    ("code", "reason"), [("chat_gone", EndReason.CHAT_GONE), ("bad_request", EndReason.UNDELIVERED)]
)
async def test_error_runs_when_a_message_did_not_arrive(desk: Desk, code: str, reason: EndReason) -> None:
    script = {
        "0": {"question": [show("Привет!")], "answer": [show("!")]},
        "error": [act("set_tag", type=2, value="не дошло")],
    }
    await desk.talk.add(script, FIRST)
    await desk.write()
    (delivery,) = await desk.people.deliveries()
    await desk.people.end(delivery, "rejected", code)
    await desk.talk.work()
    assert (await desk.talk.tags(), await desk.talk.ends()) == (["не дошло"], [reason])


async def test_a_message_in_doubt_is_no_failure(desk: Desk) -> None:
    await desk.talk.add(ASKS, FIRST)
    await desk.write()
    (delivery,) = await desk.people.deliveries()
    await desk.people.end(delivery, "uncertain", "uncertain")
    await desk.talk.work()
    assert await desk.talk.ends() == [None]


async def test_staff_who_answer_in_the_messenger_itself_take_over(desk: Desk) -> None:
    await desk.talk.add(ASKS, FIRST)
    await desk.write()
    echo = desk.people.event(EventKind.ECHO, text="Я отвечу", echo_mark="somebody")
    await desk.people.take(echo)
    await desk.write("Чай")
    assert await desk.talk.said() == ["Кофе или чай?", "Я отвечу"]
    assert await desk.talk.ends() == [EndReason.OPERATOR]


async def test_a_message_goes_to_the_leads_other_conversation(desk: Desk) -> None:
    send = handler(
        "send_external_message",
        message={"type": "external", "text": "Ответим здесь", "buttons": []},
        recipient={"type": "main_contact", "way_of_communication": "last_active"},
        channels=[],
        on_error=None,
    )
    await desk.talk.add([{"question": [send]}], FIRST)
    await desk.write()
    assert await desk.talk.said() == ["Ответим здесь"]


async def test_a_message_that_reaches_nobody_goes_the_way_of_its_error(desk: Desk) -> None:
    send = handler(
        "send_external_message",
        message={"type": "external", "text": "Ответим здесь", "buttons": []},
        recipient={"type": "main_contact", "way_of_communication": "over_all"},
        channels=[{"id": 999}],
        on_error=act("set_tag", type=2, value="никому"),
    )
    await desk.talk.add([{"question": [send, show("Дальше")], "answer": [show("!")]}], FIRST)
    await desk.write()
    assert (await desk.talk.said(), await desk.talk.tags()) == (["Дальше"], ["никому"])
    assert await desk.talk.ends() == [None]


async def test_silence_of_a_day_ends_with_the_window(desk: Desk) -> None:
    await desk.talk.add([{"question": [show("Здесь?")]}], {"on": "no_answer", "minutes": 24 * 60})
    await desk.write()
    desk.talk.story.pass_time(timedelta(days=1))
    await desk.talk.work()
    assert (await desk.talk.said(), await desk.talk.ends()) == ([], [EndReason.WINDOW_CLOSED])


@pytest.mark.parametrize("mark", ["tag", "person", "link"])
async def test_a_lead_that_a_bot_has_marked_does_not_give_way_to_the_visits_own(
    desk: Desk, mark: str
) -> None:
    """The visit has cards of its own from the chat on the page when its messenger turns up."""
    story = desk.talk.story
    other = await story.write_in(text="на сайте")
    marks = {
        "tag": act("set_tag", type=1, value="бот"),
        "person": act("change_responsible_user", value=str(story.operator.id)),
        "link": act("link", **{"from": 1, "to": 2, "to_id": str(other)}),
    }
    await desk.talk.add([{"question": [marks[mark]]}], FIRST, channels=["telegram"])
    await desk.people.announce()
    await desk.write("Привет")
    await desk.people.start()
    assert len(await story.leads()) == 2


async def test_an_untouched_lead_still_gives_way_to_the_visits_own(desk: Desk) -> None:
    story = desk.talk.story
    await story.write_in(text="на сайте")
    await desk.people.announce()
    await desk.write("Привет")
    await desk.people.start()
    assert len(await story.leads()) == 1
