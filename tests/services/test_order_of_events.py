"""What messengers tell twice, too early or too late: nothing doubles, nothing is lost, the newest stays."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from knopka.db import channels as db_channels
from knopka.db import visitors as db_visitors
from knopka.db.database import Database, Transaction, WriterLimits
from knopka.db.statement import Statement
from knopka.db.tables import deliveries
from knopka.domain.conversation import Message
from knopka.domain.errors import KnopkaError
from knopka.domain.messaging import AttachmentKind, EventKind, InAttachment, SentMessage
from knopka.services import links, outbox
from knopka.services.channels import remove_channel
from knopka.services.early import PATIENCE
from knopka.services.journal import hash_visit
from tests.services.story import CITY, HOUR, PAGE, PHONE, SECOND, START, VISIT, Story, city
from tests.services.toy import CODE, Messengers

pytestmark = pytest.mark.anyio

MARKS = Statement(select(deliveries.c.echo_mark))
LATER = START + SECOND
NEVER = datetime.fromtimestamp(0, UTC)
"""What a channel gives for a time that its platform does not tell."""


@pytest.fixture
async def chat(story: Story) -> Messengers:
    begun = await Messengers.begin(story)
    story.pass_time(HOUR)  # the platform's times are past by then
    return begun


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages]


# --- The same words, told more than once.


async def test_a_message_that_comes_after_its_change_is_not_said_twice(chat: Messengers) -> None:
    await chat.take(chat.event(EventKind.EDITED, message_id="m1", text="Привет", at=LATER))
    await chat.write("Превет", message_id="m1")
    (message,) = await chat.messages()
    assert message.text == "Привет"
    await chat.write("Есть улун?", message_id="m2")
    assert texts(await chat.messages()) == ["Привет", "Есть улун?"]
    assert (await chat.conversation()).unread == 2


async def test_a_message_after_its_change_does_whatever_else_a_message_does(chat: Messengers) -> None:
    photo = InAttachment(kind=AttachmentKind.PHOTO, source="file-1", name="tea.png")
    phone = InAttachment(kind=AttachmentKind.CONTACT, phone="+79991234567", is_own_phone=True)
    await chat.announce()
    await chat.take(chat.event(EventKind.EDITED, message_id="m1", text="Вот", at=LATER))
    first = (await chat.conversation()).window
    chat.story.pass_time(HOUR)
    await chat.write("вот", message_id="m1", attachments=(photo, phone), code=CODE)
    conversation = await chat.conversation()
    assert first is not None
    assert conversation.window is not None
    assert conversation.window.ends_at - first.ends_at == HOUR
    assert not conversation.is_visit_unknown
    assert conversation.lead_id is not None
    assert (await chat.story.fields(conversation.lead_id))[PHONE] == "+79991234567"
    said, opened = await chat.messages()
    assert said.text == "Вот"
    assert [one.kind.value for one in said.attachments] == ["photo", "contact"]
    assert opened.event is not None


async def test_what_came_with_the_change_is_not_kept_twice(chat: Messengers) -> None:
    photo = InAttachment(kind=AttachmentKind.PHOTO, source="file-1")
    await chat.take(chat.event(EventKind.EDITED, message_id="m1", attachments=(photo,), at=LATER))
    await chat.write("", message_id="m1", attachments=(photo,))
    (message,) = await chat.messages()
    assert len(message.attachments) == 1


async def test_what_staff_wrote_elsewhere_is_shown_once_however_often_it_is_told(chat: Messengers) -> None:
    await chat.write()
    for _ in range(2):
        await chat.take(chat.event(EventKind.ECHO, text="Здравствуйте, это Пётр", message_id="out-77"))
    await chat.take(chat.event(EventKind.ECHO, text="Чем помочь?", message_id="out-78"))
    assert texts(await chat.messages()) == ["Привет", "Здравствуйте, это Пётр", "Чем помочь?"]


async def test_one_number_in_two_chats_is_two_messages(chat: Messengers) -> None:
    await chat.write("Раз", chat="1", message_id="m1")
    await chat.write("Два", chat="2", message_id="m1")
    said = [texts(await chat.messages(found.id)) for found in await chat.conversations()]
    assert sorted(said) == [["Два"], ["Раз"]]


# --- Taken back before it came.


@pytest.mark.parametrize(
    "order", list(itertools.permutations(("said", "changed", "taken back"))), ids=" ".join
)
async def test_a_message_that_was_taken_back_is_shown_as_that_in_whatever_order_it_is_told(
    chat: Messengers, order: tuple[str, ...]
) -> None:
    came = {
        "said": chat.event(text="Превет", message_id="m1"),
        "changed": chat.event(EventKind.EDITED, text="Привет", message_id="m1", at=LATER),
        "taken back": chat.event(EventKind.DELETED, message_id="m1", at=LATER + SECOND),
    }
    for name in order:
        await chat.take(came[name])
    (message,) = await chat.messages()
    assert (message.text, message.deleted_at is not None) == ("Привет", True)


async def test_what_was_taken_back_takes_no_other_message_with_it(chat: Messengers) -> None:
    await chat.take(chat.event(EventKind.DELETED, message_id="m1"))
    assert await chat.conversations() == []
    await chat.write("Раз", message_id="m2")
    await chat.write("Два", message_id="m1", chat="another")
    for found in await chat.conversations():
        assert [message.deleted_at for message in await chat.messages(found.id)] == [None]


# --- The older after the newer.


async def test_an_older_change_after_a_newer_one_is_left_out(chat: Messengers) -> None:
    await chat.write("Превет", message_id="m1")
    for text, at, shown in (
        ("Привет!", LATER, "Привет!"),
        ("Привет", START, "Привет!"),
        ("Привет!!", LATER, "Привет!!"),
        ("Добрый день", NEVER, "Добрый день"),
    ):
        await chat.take(chat.event(EventKind.EDITED, message_id="m1", text=text, at=at))
        assert texts(await chat.messages()) == [shown]


async def test_a_change_from_the_future_does_not_keep_the_next_ones_out(chat: Messengers) -> None:
    await chat.write("Превет", message_id="m1")
    far = START + timedelta(days=3650)
    await chat.take(chat.event(EventKind.EDITED, message_id="m1", text="Привет", at=far))
    chat.story.pass_time(SECOND)
    await chat.take(chat.event(EventKind.EDITED, message_id="m1", text="Добрый день", at=chat.story.now))
    assert texts(await chat.messages()) == ["Добрый день"]


BLOCK, UNBLOCK, MESSAGE = EventKind.BLOCKED, EventKind.UNBLOCKED, EventKind.MESSAGE


@pytest.mark.parametrize(
    ("told", "gone"),
    [
        (((BLOCK, 5),), "blocked"),
        (((MESSAGE, 9), (BLOCK, 5)), None),
        (((MESSAGE, 5), (BLOCK, 9)), "blocked"),
        (((MESSAGE, 5), (BLOCK, 5)), "blocked"),
        (((BLOCK, 5), (MESSAGE, 9)), None),
        (((BLOCK, 9), (MESSAGE, 5)), "blocked"),
        (((UNBLOCK, 9), (BLOCK, 5)), None),
        (((BLOCK, 9), (UNBLOCK, 5)), "blocked"),
        (((BLOCK, 5), (UNBLOCK, 5)), None),
        (((BLOCK, 5), (BLOCK, 9), (UNBLOCK, 7)), "blocked"),
        (((BLOCK, 5), (UNBLOCK, 9), (MESSAGE, 7), (BLOCK, 8)), None),
        (((MESSAGE, 9), (BLOCK, None)), "blocked"),
        (((BLOCK, None), (MESSAGE, 5)), None),
        (((BLOCK, 9), (UNBLOCK, None)), None),
    ],
)
async def test_whether_a_person_can_be_reached_is_told_by_what_happened_last(
    chat: Messengers, told: tuple[tuple[EventKind, int | None], ...], gone: str | None
) -> None:
    await chat.write()
    for kind, second in told:
        at = NEVER if second is None else START + second * SECOND
        await chat.take(chat.event(kind, at=at, text="Я" if kind is MESSAGE else ""))
    assert (await chat.conversation()).chat_gone == gone


async def test_a_block_from_the_future_ends_with_the_next_message(chat: Messengers) -> None:
    await chat.write()
    await chat.take(chat.event(EventKind.BLOCKED, at=START + timedelta(days=3650)))
    assert (await chat.conversation()).chat_gone == "blocked"
    chat.story.pass_time(SECOND)
    await chat.write("Я здесь", at=chat.story.now)
    assert (await chat.conversation()).chat_gone is None


async def test_a_press_on_a_button_reaches_though_its_message_is_old(chat: Messengers) -> None:
    await chat.write(at=LATER)
    await chat.answer()
    await chat.end((await chat.deliveries())[0], "rejected", "chat_gone")
    assert (await chat.conversation()).chat_gone == "gone"
    await chat.take(chat.event(EventKind.CALLBACK, text="Да", message_id="", at=START))
    assert (await chat.conversation()).chat_gone is None


# --- What overtakes the answer of our own sending.


async def state_of(chat: Messengers) -> tuple[str, str | None]:
    answer = (await chat.messages())[-1]
    return answer.state.value, answer.error


async def note_sent(chat: Messengers, platform_id: str, begun_at: datetime | None = None) -> None:
    """The platform's answer to the sending of the last delivery."""
    delivery = (await chat.deliveries())[-1]
    await chat.story.write(outbox.note_sent, delivery, SentMessage(platform_id, begun_at))
    await chat.work()


EARLY: dict[str, dict[str, Any]] = {
    "failed": {"message_ids": ("m1",), "reason": "not on Viber"},
    "delivered": {"message_ids": ("m1",)},
    "read": {"message_ids": ("m1",)},
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", EARLY)
async def test_a_mark_counts_whether_it_comes_before_or_after_the_answer_of_the_sending(
    chat: Messengers, kind: str, when: str
) -> None:
    await chat.write()
    await chat.answer()
    mark = chat.event(EventKind(kind), message_id="", **EARLY[kind])
    if when == "before":
        await chat.take(mark)
        assert await state_of(chat) == ("waiting", None)
    await note_sent(chat, "m1")
    if when == "after":
        await chat.take(mark)
    assert await state_of(chat) == (kind, "rejected" if kind == "failed" else None)


async def test_the_persons_next_words_do_not_wait_for_a_mark_that_waits(chat: Messengers) -> None:
    await chat.write()
    await chat.answer()
    await chat.tell(
        chat.event(EventKind.READ, message_ids=("m1",)), chat.event(text="И ещё вопрос", message_id="in-next")
    )
    await chat.work()
    assert texts(await chat.messages())[-1] == "И ещё вопрос"


@pytest.mark.parametrize(("late", "state"), [(timedelta(0), "read"), (HOUR, "sent")])
async def test_a_mark_up_to_a_moment_is_about_what_was_handed_over_by_then(
    chat: Messengers, late: timedelta, state: str
) -> None:
    await chat.write()
    await chat.answer()
    moment = chat.story.now
    await chat.take(chat.event(EventKind.READ, message_id="", watermark=moment))
    chat.story.pass_time(SECOND)
    await note_sent(chat, "m1", moment + late)
    assert await state_of(chat) == (state, None)


async def test_a_mark_that_names_two_of_which_one_is_known_waits_for_the_other(chat: Messengers) -> None:
    await chat.write()
    await chat.answer("Раз", key="answer-1")
    await note_sent(chat, "m1")
    await chat.answer("Два", key="answer-2")
    await chat.take(chat.event(EventKind.DELIVERED, message_ids=("m1", "m2")))
    assert [message.state.value for message in (await chat.messages())[1:]] == ["delivered", "waiting"]
    await note_sent(chat, "m2")
    assert [message.state.value for message in (await chat.messages())[1:]] == ["delivered", "delivered"]


async def test_a_failure_of_what_is_in_doubt_is_seen_once_the_doubt_is_settled(chat: Messengers) -> None:
    await chat.write()
    await chat.answer()
    await chat.end((await chat.deliveries())[0], "uncertain", "uncertain")
    await chat.take(chat.event(EventKind.FAILED, message_id="m1", reason="not shown"))
    assert await state_of(chat) == ("uncertain", "uncertain")
    mark = await chat.story.read(lambda tx: next(row["echo_mark"] for row in tx.rows(MARKS)))
    await chat.take(chat.event(EventKind.ECHO, echo_mark=mark, message_id="m1"))
    assert await state_of(chat) == ("failed", "rejected")


@pytest.mark.parametrize(
    ("passed", "state"),
    [(PATIENCE - SECOND, "read"), (PATIENCE, "sent"), (PATIENCE + SECOND, "sent")],
)
async def test_a_mark_waits_for_some_hours_at_most(chat: Messengers, passed: timedelta, state: str) -> None:
    await chat.write()
    await chat.answer()
    await chat.take(chat.event(EventKind.READ, message_ids=("m1",)))
    chat.story.pass_time(passed)
    await note_sent(chat, "m1")
    assert await state_of(chat) == (state, None)


# --- A visit that is joined after its lead was declined.


async def test_data_of_a_visit_that_is_joined_after_a_decline_waits_for_the_next_lead(
    chat: Messengers,
) -> None:
    await chat.start()
    declined = (await chat.conversation()).lead_id
    assert declined is not None
    await chat.story.decline(declined)
    await chat.story.set_meta(city("Tver"), key="city-001")
    await chat.announce()
    joined = await chat.conversation()
    assert (joined.is_visit_unknown, joined.lead_id) == (False, declined)
    await chat.story.set_meta({"lead": {"sale": 5}}, key="sale-001")
    for key, path in (("city-001", "lead.custom_fields[0]"), ("sale-001", "lead.sale")):
        assert await chat.story.verdicts(key) == {path: "waiting_for_lead"}
    await chat.write("Я всё же спрошу")
    await chat.story.run_timers()
    lead = (await chat.conversation()).lead_id
    assert lead not in (None, declined)
    assert await chat.story.verdicts("city-001") == {"lead.custom_fields[0]": "filled"}
    assert await chat.story.verdicts("sale-001") == {"lead.sale": "filled"}
    assert await chat.story.fields(declined) == {}


async def test_data_that_waits_after_a_decline_expires_like_any_other(chat: Messengers) -> None:
    await chat.start()
    lead = (await chat.conversation()).lead_id
    assert lead is not None
    await chat.story.decline(lead)
    await chat.story.set_meta(city("Tver"), key="city-001")
    await chat.announce()
    chat.story.pass_time(24 * HOUR)
    await chat.write("Я всё же спрошу")
    await chat.story.run_timers()
    assert await chat.story.verdicts("city-001") == {"lead.custom_fields[0]": "expired"}


async def test_an_open_lead_of_the_same_contact_takes_the_data_at_once(chat: Messengers) -> None:
    await chat.start()
    declined = (await chat.conversation()).lead_id
    assert declined is not None
    await chat.announce()  # the contact's first visit, which also writes in the chat on the page
    await chat.story.say()
    await chat.story.decline(declined)
    await chat.story.say(key="message-2")
    (opened,) = {found.lead_id for found in await chat.conversations()} - {declined}
    assert opened is not None
    second, code = "second-visit-of-theirs", type(CODE)("C" * 32)
    await chat.take(chat.event(EventKind.OPENED, code=code, may_answer=False))
    await chat.story.set_meta(city("Perm"), visit=second, key="city-002")
    await chat.announce(code, visit=second)
    assert (await chat.story.fields(opened))[CITY] == "Perm"


# --- Who knows the channel.


async def test_an_event_of_a_channel_that_memory_does_not_know_yet_is_not_lost(chat: Messengers) -> None:
    read_again = chat.story.catalog
    chat.story.catalog = replace(read_again, channels={})
    await chat.tell(chat.event(text="Привет"))
    toy = chat.shelf.channels.pop(chat.setup.id)
    with pytest.raises(KnopkaError, match="at the moment"):
        await chat.work()
    chat.shelf.channels[chat.setup.id] = toy
    await chat.work()
    assert texts(await chat.messages()) == ["Привет"]
    chat.story.catalog = read_again
    await chat.write("Ещё")
    assert texts(await chat.messages()) == ["Привет", "Ещё"]


async def test_an_event_of_a_channel_whose_button_is_new_is_not_lost(chat: Messengers) -> None:
    chat.story.catalog = replace(chat.story.catalog, sources={})
    await chat.write("Привет")
    assert texts(await chat.messages()) == ["Привет"]


async def test_an_event_of_a_channel_that_was_removed_leaves_a_line_in_its_log(chat: Messengers) -> None:
    await chat.tell(chat.event(text="Привет"))
    await chat.story.write(remove_channel, chat.setup.id)
    chat.story.catalog = replace(chat.story.catalog, channels={})
    await chat.work()
    assert await chat.conversations() == []
    logged = await chat.story.read(db_channels.list_log, chat.setup.id, 10)
    assert [line.code for line in logged] == ["came_after_removal"]


# --- Pages and chats at once, on PostgreSQL: SQLite has one writer, there nobody can meet.


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[Messengers, psycopg.Connection[Any]]]:
    """A chat whose page and whose messenger are written by two, and somebody who sees who waits."""
    database = await Database.open(postgres_url, limits=WriterLimits(writers=2))
    chat = await Messengers.begin(await Story.begin(database))
    with psycopg.connect(postgres_url, autocommit=True) as other:
        yield chat, other
    await database.close()


async def until_somebody_waits(other: psycopg.Connection[Any]) -> None:
    while other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is None:  # noqa: ASYNC110
        await asyncio.sleep(0)  # nobody announces that a row is waited for


class SlowPage:
    """Announces the code as a page does, and stands still where a test wants it."""

    def __init__(self, chat: Messengers) -> None:
        self.chat = chat
        self.holds, self.may_go_on = Event(), Event()

    def announce_holding_its_visit(self, tx: Transaction, *, now: datetime) -> None:
        db_visitors.touch_visit(tx, self.chat.story.source, hash_visit(VISIT), "", now)
        self._stand_still()
        self._announce(tx, now)

    def announce_slowly(self, tx: Transaction, *, now: datetime) -> None:
        self._announce(tx, now)
        self._stand_still()

    def _announce(self, tx: Transaction, now: datetime) -> None:
        story = self.chat.story
        links.announce_link(tx, story.catalog, story.source, VISIT, CODE, PAGE, now=now)

    def _stand_still(self) -> None:
        self.holds.set()
        self.may_go_on.wait(5)


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_page_that_announces_and_a_chat_that_brings_the_code_do_not_hold_each_other_up(
    two: tuple[Messengers, psycopg.Connection[Any]], is_known: bool
) -> None:
    chat, other = two
    page = SlowPage(chat)
    if is_known:
        await chat.announce(key=0)
    await chat.tell(chat.event(EventKind.OPENED, code=CODE), key=1)
    announce = page.announce_holding_its_visit if is_known else page.announce_slowly
    announcing = asyncio.create_task(chat.story.write(announce, key=0))
    await asyncio.to_thread(page.holds.wait, 5)
    bringing = asyncio.create_task(chat.work(key=1))
    await until_somebody_waits(other)
    page.may_go_on.set()
    await asyncio.gather(announcing, bringing)
    assert chat.story.database.counters.tried_again == 0
    assert not (await chat.conversation()).is_visit_unknown


async def test_a_change_that_comes_first_and_a_page_that_announces_do_not_hold_each_other_up(
    two: tuple[Messengers, psycopg.Connection[Any]],
) -> None:
    chat, other = two
    page = SlowPage(chat)
    await chat.write()
    await chat.announce(key=0)
    await chat.take(chat.event(EventKind.OPENED, code=CODE, may_answer=False))
    await chat.tell(chat.event(EventKind.EDITED, text="Привет", message_id="m1"), key=1)
    announcing = asyncio.create_task(chat.story.write(page.announce_holding_its_visit, key=0))
    await asyncio.to_thread(page.holds.wait, 5)
    bringing = asyncio.create_task(chat.work(key=1))
    await until_somebody_waits(other)
    page.may_go_on.set()
    await asyncio.gather(announcing, bringing)
    assert chat.story.database.counters.tried_again == 0
