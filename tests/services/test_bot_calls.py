"""Calls of bots: what is sent, what the run is told, and how a called service continues it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from knopka.domain.bot.state import EndReason
from knopka.domain.errors import BadRequest, Conflict, InvalidInput, NotFound, Retryable, Uncertain
from knopka.domain.meta import Entity
from knopka.outgoing import Reply
from knopka.services import bot_runs, bot_steps
from knopka.services.bot_effects import CALL, FETCH
from knopka.services.jobs import JobEnd, Outside
from tests.services.bot_story import BASE_URL, SIGNER, BotStory, handler, show
from tests.services.story import Story

pytestmark = pytest.mark.anyio

FIRST = {"on": "first_message"}
URL = "https://api.example/orders"


@pytest.fixture
def talk(story: Story) -> BotStory:
    return BotStory(story)


def http(**params: Any) -> dict[str, Any]:
    return handler(
        "knopka_http",
        url=URL,
        result=[show("{{json.name}}")],
        error=[show("Позже")],
        **params,
    )


async def test_an_answer_stands_in_markers(talk: BotStory) -> None:
    talk.replies = [Reply(200, b'{"name": "{{lead.id}}"}')]
    call = http(data={"text": "{{message_text}}"}, headers={"X-Key": "secret"})
    await talk.add([{"question": [call]}], FIRST)
    await talk.say()
    assert talk.called == [("POST", URL, {"text": "Здравствуйте!"}, {"X-Key": "secret"})]
    assert await talk.said() == ["{{lead.id}}"]
    assert "secret" not in json.dumps([dict(line) for line in await talk.log()])


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b"{}"),
        Reply(302, b""),
        Reply(200, b"<html>"),
        BadRequest("bad_address"),
        Uncertain("no_answer"),
    ],
)
async def test_a_call_that_fails_goes_the_other_way(talk: BotStory, reply: Any) -> None:
    talk.replies = [reply]
    await talk.add([{"question": [http(data={})]}], FIRST)
    await talk.say()
    assert (await talk.said(), len(talk.called)) == (["Позже"], 1)


async def test_a_call_waits_for_no_visitor(talk: BotStory) -> None:
    await talk.add([{"question": [http()]}], FIRST)
    await talk.story.say()
    first = await talk.next_job()
    assert first is not None
    await talk.do(first)
    await talk.story.say("Ау")
    await talk.work()
    assert "not_listening" in await talk.notes()


@pytest.mark.parametrize(
    ("method", "fault", "is_tried_again"),
    [
        ("POST", Retryable("unreachable"), True),
        ("GET", Retryable("unreachable"), True),
        ("GET", Uncertain("no_answer"), True),
        ("POST", Uncertain("no_answer"), False),
        ("GET", BadRequest("too_large"), False),
    ],
)
async def test_what_did_not_arrive_is_tried_again_and_in_doubt_only_what_asks(
    talk: BotStory, method: str, fault: Any, is_tried_again: bool
) -> None:
    talk.replies = [fault, fault]
    await talk.add([{"question": [http(method=method)]}], FIRST)
    await talk.story.say()
    first = await talk.next_job()
    assert first is not None
    await talk.do(first)
    row = await talk.next_job()
    assert row is not None
    assert row["kind"] == (FETCH if method == "GET" else CALL)
    if is_tried_again:
        with pytest.raises(Retryable):
            await talk.do(row)
    await talk.do(row, attempts=3 if is_tried_again else 1)
    await talk.work()
    assert await talk.said() == ["Позже"]


async def test_a_call_of_a_server_that_died_is_not_made_again_unless_it_only_asks(talk: BotStory) -> None:
    kinds = {kind: found for kind, found in talk.handlers.items() if isinstance(found, Outside)}
    assert {kind: found.may_repeat for kind, found in kinds.items()} == {CALL: False, FETCH: True}
    await talk.add([{"question": [http(data={})]}], FIRST)
    await talk.story.say()
    first = await talk.next_job()
    assert first is not None
    await talk.do(first)
    row = await talk.next_job()
    assert row is not None
    end = JobEnd("uncertain", "uncertain", "The attempt before was begun and never ended.")
    await talk.story.write(talk._finish, row, bot_steps.note_not_called, json.loads(row["payload"]), end)
    await talk.work()
    assert (await talk.said(), talk.called) == (["Позже"], [])


async def test_ten_calls_a_minute_are_enough_for_a_run(talk: BotStory) -> None:
    call = handler("knopka_http", url=URL, error=[show("Хватит")])
    await talk.add([{"question": [call] * 11}], FIRST)
    await talk.say()
    assert (len(talk.called), await talk.said()) == (10, ["Хватит"])
    assert any(line["detail"] == "too_many_calls" for line in await talk.log())


# --- widget_request and continue

WIDGET = [
    {
        "question": [
            handler("widget_request", url="https://widget.example/hook", data={"n": "{{contact.name}}"}),
            show("Итог: {{json.status}}"),
        ]
    },
    {"question": [show("Второй шаг")]},
]


async def ask_widget(talk: BotStory) -> tuple[int, str, dict[str, Any]]:
    """The bot, the id that continues its run, and what was posted."""
    bot = await talk.add(WIDGET, FIRST)
    await talk.say()
    ((method, _, body, _),) = talk.called
    assert method == "POST"
    prefix = f"{BASE_URL}/api/v4/salesbot/{bot.id}/continue/"
    assert body["return_url"].startswith(prefix)
    return bot.id, body["return_url"].removeprefix(prefix), body


async def go_on(talk: BotStory, bot_id: int, continue_id: str, body: Any) -> None:
    await talk.story.write(bot_steps.continue_run, bot_id, continue_id, body, kit=talk.kit)
    await talk.work()


async def test_the_called_service_can_check_who_calls(talk: BotStory) -> None:
    _, _, body = await ask_widget(talk)
    head, claims, mark = body["token"].split(".")
    wanted = hmac.digest(SIGNER.widget_secret.encode(), f"{head}.{claims}".encode(), hashlib.sha512)
    assert base64.urlsafe_b64decode(mark + "==") == wanted
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS512", "typ": "JWT"}
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    issued = int(talk.story.now.timestamp())
    assert told == {
        "iss": BASE_URL, "aud": "https://widget.example/hook", "iat": issued, "nbf": issued,
        "exp": issued + 1800, "account_id": 1, "subdomain": "chat", "entity_type": "lead", "entity_id": 1,
    }  # fmt: skip
    assert set(body) == {"token", "data", "return_url"}


async def test_a_run_waits_until_it_is_continued(talk: BotStory) -> None:
    bot_id, continue_id, _ = await ask_widget(talk)
    assert (await talk.run()).wait == "continue"
    await go_on(talk, bot_id, continue_id, {"data": {"status": "ok"}})
    assert await talk.said() == ["Итог: ok"]
    with pytest.raises(Conflict):
        await go_on(talk, bot_id, continue_id, {"data": {"status": "ok"}})


async def test_a_wait_that_is_over_is_not_continued_again(talk: BotStory) -> None:
    talk_on = [WIDGET[0] | {"answer": [show("Понятно")]}, WIDGET[1]]
    bot = await talk.add(talk_on, FIRST)
    await talk.say()
    continue_id = talk.called[0][2]["return_url"].rpartition("/")[2]
    await go_on(talk, bot.id, continue_id, {"data": {"status": "ok"}})
    with pytest.raises(Conflict):
        await go_on(talk, bot.id, continue_id, {"data": {"status": "again"}})
    assert (await talk.said(), (await talk.run()).wait) == (["Итог: ok"], "answer")


async def test_handlers_of_the_service_run_first(talk: BotStory) -> None:
    bot_id, continue_id, _ = await ask_widget(talk)
    handlers = [show("Нашли"), {"handler": "goto", "params": {"type": "question", "step": 1}}]
    await go_on(talk, bot_id, continue_id, {"data": {}, "execute_handlers": handlers})
    assert await talk.said() == ["Нашли", "Второй шаг"]


@pytest.mark.parametrize(
    "handlers",
    [
        [],
        [show("x")] * 11,
        [show("x" * 81)],
        [show("x", *(f"b{number}" for number in range(26)))],
        [handler("stop")],
        [handler("action", name="set_tag", params={"type": 2, "value": "x"})],
        [{"handler": "goto", "params": {"type": "question", "step": 9}}],
        "show",
    ],
)
async def test_a_service_may_only_show_and_go(talk: BotStory, handlers: Any) -> None:
    bot_id, continue_id, _ = await ask_widget(talk)
    with pytest.raises(InvalidInput):
        await go_on(talk, bot_id, continue_id, {"data": {}, "execute_handlers": handlers})
    assert (await talk.said(), (await talk.run()).wait) == ([], "continue")


async def test_only_the_id_that_was_given_continues_a_run(talk: BotStory) -> None:
    bot_id, continue_id, _ = await ask_widget(talk)
    run_id, wait, mark = continue_id.split("-", 2)
    forged = [
        f"{run_id}-{int(wait) + 1}-{mark}",
        f"{int(run_id) + 1}-{wait}-{mark}",
        f"{run_id}-{wait}-{'A' * 43}",
        "1",
        "",
    ]
    for text in forged:
        with pytest.raises(NotFound):
            await go_on(talk, bot_id, text, {"data": {}})
    with pytest.raises(NotFound):
        await go_on(talk, bot_id + 1, continue_id, {"data": {}})
    assert (await talk.run()).wait == "continue"


async def test_a_stopped_run_is_not_continued(talk: BotStory) -> None:
    bot_id, continue_id, _ = await ask_widget(talk)
    await talk.story.write(bot_runs.stop_for_card, bot_id, Entity.LEAD, 1)
    with pytest.raises(Conflict):
        await go_on(talk, bot_id, continue_id, {"data": {}})
    assert (await talk.said(), await talk.ends()) == ([], [EndReason.STOPPED_BY_API])


async def test_a_service_that_cannot_be_reached_is_not_waited_for(talk: BotStory) -> None:
    talk.replies = [BadRequest("bad_address")]
    await talk.add(WIDGET, FIRST)
    await talk.say()
    assert await talk.said() == ["Итог:"]
