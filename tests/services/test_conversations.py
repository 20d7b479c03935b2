"""Conversations: numbers, marks, repeats, lists, and what is told to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from knopka.db.database import Database
from knopka.domain.catalog import SourceDraft
from knopka.domain.errors import Conflict, InvalidInput, NotFound
from knopka.domain.messaging import MessageState
from knopka.services import desk, intake, shapes
from knopka.services.catalog import add_source
from tests.services.story import HOUR, SECOND, TOKEN, Story, hash_token

pytestmark = pytest.mark.anyio


async def reply(
    story: Story, conversation_id: int, text: str = "Добрый день!", key: str | None = None
) -> Any:
    return await story.write(desk.reply, story.operator, conversation_id, key or story.next_key(), text)


async def history(story: Story, conversation_id: int, **where: Any) -> list[Any]:
    places = {"after": None, "before": None, "limit": 100} | where
    return await story.read(intake.list_history, story.source, hash_token(TOKEN), conversation_id, **places)


async def seen(story: Story, conversation_id: int, delivered: int, read: int, token: str = TOKEN) -> None:
    await story.write(
        intake.mark_seen,
        story.source,
        hash_token(token),
        conversation_id,
        delivered_seq=delivered,
        read_seq=read,
    )


async def test_numbers_have_no_gaps_whoever_writes(story: Story) -> None:
    chat = (await story.say("one")).conversation.id
    await reply(story, chat, "two")
    await story.say("three")
    await reply(story, chat, "four")
    messages = await history(story, chat)
    assert [(message.seq, message.text) for message in messages] == [
        (1, "one"), (2, "two"), (3, "three"), (4, "four"),
    ]  # fmt: skip
    assert messages[1].operator_name == "Анна"


async def test_the_same_message_is_taken_once(story: Story) -> None:
    first = await story.say("one", key="message-1")
    again = await story.say("one", key="message-1")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.message.id == first.message.id
    assert again.conversation == first.conversation
    with pytest.raises(Conflict):
        await story.say("two", key="message-1")
    conversation = await story.read(desk.get_conversation, first.conversation.id)
    assert (conversation.last_seq, conversation.unread) == (1, 1)


async def test_the_same_reply_is_sent_once(story: Story) -> None:
    chat = (await story.say(key="message-1")).conversation.id
    first = await reply(story, chat, "two", "message-1")
    assert (await reply(story, chat, "two", "message-1")).id == first.id
    with pytest.raises(Conflict):
        await reply(story, chat, "three", "message-1")
    assert len(await history(story, chat)) == 2


@pytest.mark.parametrize("text", ["", "  \n ", "\u0000", "x" * 10_001])
async def test_a_text_has_something_in_it_and_an_end(story: Story, text: str) -> None:
    with pytest.raises(InvalidInput):
        await story.say(text)
    assert await story.leads() == []


async def test_S_OUT_05_neither_side_sends_what_shows_nothing_or_turns_the_rest(story: Story) -> None:
    chat = (await story.say("one\u202e")).conversation.id
    await reply(story, chat, "two\u2067", "reply-001")
    with pytest.raises(InvalidInput):
        await story.say("\u200b\u2060")
    with pytest.raises(InvalidInput):
        await reply(story, chat, "\u200b\u2060", "reply-002")
    said = [message.text for message in await history(story, chat)]
    assert said == ["one\u202e\u202c", "two\u2067\u2069"]


async def test_marks_only_go_forward_and_never_beyond_the_last_message(story: Story) -> None:
    chat = (await story.say()).conversation.id
    for _ in range(3):
        await reply(story, chat)
    await seen(story, chat, 3, 2)
    assert [message.state for message in await history(story, chat, after=1)] == [
        MessageState.READ,
        MessageState.DELIVERED,
        MessageState.SENT,
    ]
    await seen(story, chat, 1, 1)
    conversation = await story.read(desk.get_conversation, chat)
    assert (conversation.visitor_read_seq, conversation.visitor_delivered_seq) == (2, 3)
    await seen(story, chat, 0, 99)
    conversation = await story.read(desk.get_conversation, chat)
    assert (conversation.visitor_read_seq, conversation.visitor_delivered_seq) == (4, 4)
    with pytest.raises(NotFound):
        await seen(story, chat, 1, 1, token="somebody else")


async def test_unread_messages_are_counted_on_both_sides(story: Story) -> None:
    chat = (await story.say()).conversation.id
    await story.say("two")
    await reply(story, chat)
    snapshot = await story.open_chat()
    assert snapshot.conversation is not None
    assert snapshot.conversation.unread == 1
    assert (await story.read(desk.get_conversation, chat)).unread == 2
    await story.write(desk.mark_read, story.operator, chat, 1)
    assert (await story.read(desk.get_conversation, chat)).unread == 1
    await story.write(desk.mark_read, story.operator, chat, 99)
    await story.write(desk.mark_read, story.operator, chat, 1)
    conversation = await story.read(desk.get_conversation, chat)
    assert (conversation.unread, conversation.operator_read_seq) == (0, 3)
    assert (await history(story, chat))[0].state is MessageState.READ


async def test_a_closed_conversation_opens_with_the_next_message(story: Story) -> None:
    chat = (await story.say()).conversation.id
    closed = await story.write(desk.close, story.operator, chat, "close-001")
    assert closed.status == "closed"
    assert (await story.say("again")).conversation.status == "open"
    assert (await story.write(desk.close, story.operator, chat, "close-001")).status == "open"
    await story.write(desk.close, story.operator, chat, "close-002")
    assert (await story.write(desk.reopen, story.operator, chat, "open-0001")).status == "open"
    with pytest.raises(NotFound):
        await story.write(desk.close, story.operator, 10_000, "close-003")


async def test_history_is_read_in_both_directions(story: Story) -> None:
    chat = (await story.say("1")).conversation.id
    for number in range(2, 8):
        await story.say(str(number))

    async def texts(**where: Any) -> str:
        return "".join(message.text for message in await history(story, chat, **where))

    assert await texts() == "1234567"
    assert await texts(limit=3) == "567"
    assert await texts(after=2, limit=3) == "345"
    assert await texts(before=5, limit=3) == "234"
    with pytest.raises(NotFound):
        await story.read(
            intake.list_history, story.source, hash_token("x"), chat, after=0, before=None, limit=5
        )


async def test_looking_at_the_chat_makes_no_row(story: Story) -> None:
    assert await story.open_chat() == intake.ChatSnapshot()
    assert await story.read(intake.find_chat, story.source, hash_token(TOKEN)) is None
    entries = (await story.read(desk.list_conversations)).conversations
    assert entries == ()


async def test_an_opened_chat_shows_the_last_fifty_messages(story: Story) -> None:
    for number in range(52):
        await story.say(str(number))
    snapshot = await story.open_chat()
    assert [message.text for message in snapshot.messages] == [str(number) for number in range(2, 52)]
    found = await story.read(intake.find_chat, story.source, hash_token(TOKEN))
    assert found is not None
    assert (found.visitor_id, found.conversation) == (snapshot.visitor_id, snapshot.conversation)


async def test_conversations_are_listed_by_their_newest_message_page_by_page(story: Story) -> None:
    chats = []
    for number in range(5):
        chats.append((await story.say(token=f"t{number}", visit=None)).conversation.id)
        story.pass_time(SECOND * (number % 2))
    await story.write(desk.close, story.operator, chats[1], "close-001")
    story.pass_time(HOUR)
    await story.say(token="t0", visit=None)

    async def pages(status: str) -> list[int]:
        shown: list[int] = []
        before = None
        while True:
            page = await story.read(desk.list_conversations, status=status, before=before, limit=2)
            shown += [conversation.id for conversation in page.conversations]
            if page.next is None:
                return shown
            before = page.next

    assert await pages("all") == [chats[0], chats[4], chats[3], chats[2], chats[1]]
    assert await pages("open") == [chats[0], chats[4], chats[3], chats[2]]
    assert await pages("closed") == [chats[1]]
    page = await story.read(desk.list_conversations)
    assert page.unread == 5
    with pytest.raises(InvalidInput):
        await story.read(desk.list_conversations, before="nonsense")


async def test_changes_are_found_by_a_cursor_even_when_many_share_one_moment(story: Story) -> None:
    """The writer's clock is read once a batch, so a whole batch may have changed at one moment."""
    chats = [(await story.say(token=f"t{number}", visit=None)).conversation.id for number in range(7)]
    story.pass_time(SECOND)
    chats.append((await story.say(token="later", visit=None)).conversation.id)
    since = story.now
    found: list[int] = []
    for _ in range(5):
        page = await story.read(desk.list_changes, since=since, limit=3)
        found += [conversation.id for conversation in page.conversations]
        since = page.cursor
        if not page.has_more:
            break
    assert found == chats
    story.pass_time(HOUR)
    assert (await story.read(desk.list_changes, since=story.now)).conversations == ()


async def test_a_decision_about_the_lead_is_a_change_of_its_conversation(story: Story) -> None:
    lead_id = await story.write_in()
    story.pass_time(HOUR)
    since = story.now
    await story.accept(lead_id)
    changed = await story.read(desk.list_changes, since=since)
    assert [conversation.unsorted_state for conversation in changed.conversations] == ["accepted"]


async def test_a_name_from_the_page_is_a_change_of_the_conversation(story: Story) -> None:
    await story.say()
    story.pass_time(HOUR)
    since = story.now
    await story.set_meta({"contact": {"name": "Ольга"}})
    changed = await story.read(desk.list_changes, since=since)
    assert [conversation.visitor_name for conversation in changed.conversations] == ["Ольга"]


async def test_a_name_that_waited_is_a_change_of_the_conversation_too(story: Story) -> None:
    await story.say()
    other = "another-visit-of-theirs"
    story.pass_time(HOUR)
    await story.set_meta({"contact": {"name": "Ольга"}}, visit=other)
    since = story.now
    await story.open_chat(visit=other)
    changed = await story.read(desk.list_changes, since=since)
    assert [conversation.visitor_name for conversation in changed.conversations] == ["Ольга"]


async def test_a_chat_belongs_to_one_button(story: Story) -> None:
    chat = (await story.say()).conversation.id
    draft = SourceDraft("Другая", ("https://other.example",))
    mine, story.source = story.source, await story.write(add_source, draft)
    with pytest.raises(NotFound):
        await story.say("again")
    assert await story.open_chat() == intake.ChatSnapshot()
    with pytest.raises(NotFound):
        await history(story, chat)
    story.source = mine
    assert len(await history(story, chat)) == 1


# What is told to whom


class Told:
    """What the store said after its commits."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, topic: str, event: Mapping[str, Any]) -> None:
        self.events.append((topic, event))

    def take(self) -> list[tuple[str, Mapping[str, Any]]]:
        taken, self.events = self.events, []
        return taken


@pytest.fixture
async def told(store_url: str) -> Any:
    told = Told()
    database = await Database.open(store_url, on_publish=told)
    told.story = await Story.begin(database)  # type: ignore[attr-defined]
    told.take()
    yield told
    await database.close()


async def test_a_visitors_message_is_told_to_operators_and_to_his_other_windows(told: Any) -> None:
    accepted = await told.story.say("Здравствуйте!")
    events = dict(told.take())
    assert events["account:1"]["type"] == "conversation"
    assert events["account:1"]["conversation"]["unread"] == 1
    assert events["account:1"]["conversation"]["unsorted"]["state"] == "unsorted"
    assert events["account:1"]["message"] == shapes.desk_message(accepted.message)
    visitor = next(topic for topic in events if topic.startswith("visitor:"))
    assert events[visitor] == {
        "type": "message",
        "conversation_id": accepted.conversation.id,
        "message": shapes.message(accepted.message),
    }
    await told.story.say("Здравствуйте!", key="message-1")
    told.take()
    await told.story.say("Здравствуйте!", key="message-1")
    assert told.take() == []


async def test_a_reply_is_told_to_the_visitor_and_to_all_operators(told: Any) -> None:
    chat = (await told.story.say()).conversation.id
    told.take()
    message = await reply(told.story, chat)
    events = told.take()
    assert [(topic.split(":")[0], event["type"]) for topic, event in events] == [
        ("account", "conversation"),
        ("visitor", "message"),
    ]
    assert events[0][1]["message"] == shapes.desk_message(message)
    assert events[1][1]["message"] == shapes.message(message)
    assert events[0][1]["message"]["author"] == {"kind": "operator", "name": "Анна"}


async def test_reading_is_told_to_both_sides(told: Any) -> None:
    chat = (await told.story.say()).conversation.id
    await reply(told.story, chat)
    told.take()
    await told.story.write(desk.mark_read, told.story.operator, chat, 1)
    assert [event["type"] for _, event in told.take()] == ["conversation", "seen"]
    await seen(told.story, chat, 2, 2)
    ((topic, event),) = told.take()
    assert (topic, event["conversation"]["visitor_read_seq"]) == ("account:1", 2)
    await seen(told.story, chat, 2, 2)
    assert told.take() == []


async def test_what_a_page_writes_on_a_card_is_told_and_what_it_cannot_write_is_not(told: Any) -> None:
    lead_id = await told.story.write_in()
    told.take()
    await told.story.set_meta({"lead": {"sale": 5}})
    assert told.take() == [("account:1", {"type": "card", "lead_id": lead_id})]
    await told.story.set_meta({"lead": {"sale": 6}})
    assert told.take() == []
    await told.story.set_meta({"contact": {"name": "Ольга"}})
    assert [event["type"] for _, event in told.take()] == ["card", "conversation"]
