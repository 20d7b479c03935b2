"""What authors of bots do: versions, publishing, settings, and what they may read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from knopka.domain.errors import Conflict, InvalidInput, NotFound, ScriptError
from knopka.services import bots
from knopka.services.retention import KEPT, delete_old
from tests.services.bot_story import BotStory, show
from tests.services.story import SECOND, Story

pytestmark = pytest.mark.anyio

SCRIPT = b'[{"question":[{"handler":"show","params":{"type":"text","value":"Hi"}}]}]'
FIRST = {"on": "first_message"}


@pytest.fixture
def talk(story: Story) -> BotStory:
    return BotStory(story)


async def test_a_version_is_kept_as_it_was_given_and_published_by_hand(story: Story) -> None:
    bot = await story.write(bots.add_bot, "Робот", "bot-00001")
    put = await story.write(bots.put_version, bot.id, SCRIPT, "version-1", author="Анна", note="first")
    again = await story.write(bots.put_version, bot.id, SCRIPT, "version-1", author="Анна", note="first")
    assert (put.version, put.version.script.encode()) == (again.version, SCRIPT)
    assert (put.bot.published_version, put.bot.may_start) == (None, False)
    for number in (2, 3):
        await story.write(bots.put_version, bot.id, SCRIPT, f"version-{number}", author="Анна")
    assert (await story.write(bots.publish, bot.id, 3)).published_version == 3
    assert (await story.write(bots.roll_back, bot.id)).published_version == 2
    await story.write(bots.roll_back, bot.id)
    with pytest.raises(Conflict):
        await story.write(bots.roll_back, bot.id)
    with pytest.raises(NotFound):
        await story.write(bots.publish, bot.id, 4)
    listed = await story.read(bots.list_versions, bot.id, before=3)
    assert [version.version for version in listed] == [2, 1]


async def test_the_same_key_is_the_same_bot(story: Story) -> None:
    first = await story.write(bots.add_bot, "Робот", "bot-00001")
    assert await story.write(bots.add_bot, "Робот", "bot-00001") == first
    with pytest.raises(Conflict):
        await story.write(bots.add_bot, "Другой", "bot-00001")
    assert await story.read(bots.list_bots) == [first]


@pytest.mark.parametrize(
    "script",
    [b"", b"{", b"[]", b'[{"question":[{"handler":"fly","params":{}}]}]', b"[" + b" " * 64 * 1024 + b"]"],
)
async def test_a_script_that_cannot_be_run_is_refused_and_nothing_is_kept(
    story: Story, script: bytes
) -> None:
    bot = await story.write(bots.add_bot, "Робот", "bot-00001")
    with pytest.raises(ScriptError):
        await story.write(bots.put_version, bot.id, script, "version-1", author="Анна")
    assert await story.read(bots.list_versions, bot.id) == []


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"starts": [{"on": "never"}]}, "$.starts[0].on"),
        ({"starts": [{"on": "keyword", "words": [" "]}]}, "$.starts[0].words[0]"),
        ({"starts": [{"on": "no_answer", "minutes": 0}]}, "$.starts[0].minutes"),
        ({"starts": [{"on": "schedule", "times": ["24:00"], "status_ids": [1]}]}, "$.starts[0].times[0]"),
        ({"channels": ["pager"]}, "$.channels[0]"),
        ({"priority": "high"}, "$.priority"),
        ([], "$"),
    ],
)
async def test_settings_are_refused_with_their_place(story: Story, settings: Any, place: str) -> None:
    bot = await story.write(bots.add_bot, "Робот", "bot-00001")
    with pytest.raises(InvalidInput) as refused:
        await story.write(bots.set_settings, bot.id, settings)
    assert refused.value.faults[0].path == place


@pytest.mark.parametrize("name", ["", " \u200b ", "x" * 256])
async def test_a_bot_has_a_name(story: Story, name: str) -> None:
    with pytest.raises(InvalidInput):
        await story.write(bots.add_bot, name, "bot-00001")
    bot = await story.write(bots.add_bot, "Робот", "bot-00002")
    assert (await story.write(bots.rename, bot.id, " Новый  робот ")).name.split() == ["Новый", "робот"]
    with pytest.raises(InvalidInput):
        await story.write(bots.rename, bot.id, name)


async def test_a_removed_bot_is_gone_and_its_runs_can_still_be_read(talk: BotStory) -> None:
    bot = await talk.add([{"question": [show("Привет!")], "answer": [show("!")]}], FIRST)
    await talk.say()
    await talk.story.write(bots.remove, bot.id)
    await talk.reload()
    await talk.say("Ау")
    assert (await talk.said(), await talk.ends()) == (["Привет!"], ["switched_off"])
    with pytest.raises(NotFound):
        await talk.story.read(bots.get_bot, bot.id)
    assert [line["note"] for line in await talk.log()][-1] == "ended"


async def test_a_log_tells_step_by_step_what_was_seen(talk: BotStory) -> None:
    await talk.add([{"question": [show("Привет, {{contact.name}}!")]}], FIRST)
    await talk.say()
    log = await talk.log()
    assert [line["note"] for line in log] == ["started", "said", "ended"]
    said = log[1]
    assert (said["handler"], said["path"], said["row"]) == ("show", "$[0].question[0]", 1)
    assert list(said["seen"]) == ["contact.name"]


async def test_runs_are_listed_by_key_of_a_bot_and_of_a_conversation(talk: BotStory) -> None:
    bot = await talk.add([{"question": [show("Привет!")]}], {"on": "keyword", "words": ["бот"]})
    for _ in range(3):
        await talk.say("бот")
    first, second, third = [run.id for run in await talk.runs(bot_id=bot.id)]
    assert [run.id for run in await talk.runs(before=third, limit=1)] == [second]
    conversation_id = (await talk.conversation()).id
    assert [run.id for run in await talk.runs(conversation_id=conversation_id)] == [first, second, third]
    assert await talk.runs(bot_id=99) == []


async def test_what_runs_did_is_forgotten_after_thirty_days(talk: BotStory) -> None:
    await talk.add([{"question": [show("Привет!")]}], {"on": "keyword", "words": ["бот"]})
    await talk.say("бот")
    story = talk.story
    story.pass_time(KEPT - SECOND)
    await story.write(delete_old, {}, sign_in_clock=lambda: story.now)
    assert len(await talk.log()) == 3
    story.pass_time(timedelta(seconds=1))
    await story.write(delete_old, {}, sign_in_clock=lambda: story.now)
    assert await talk.runs() == []
    assert await talk.said() == ["Привет!"]
