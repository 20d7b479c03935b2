"""A script played over the inbox's API: what it says and would change, with nothing kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from knopka.domain.bot.script import MAX_SCRIPT_BYTES
from tests.services.bot_story import act, goto, handler, show
from tests.shop import Shop, open_shop

pytestmark = pytest.mark.anyio

ORDER = [
    {
        "question": [show("Hello, {{bot_params.username}}! Tea?", "Yes", "No")],
        "answer": [
            {
                "handler": "buttons",
                "params": [
                    {"value": "Yes", "params": [act("set_tag", type=2, value="tea"), goto(1)]},
                    {"value": "No", "params": [handler("stop")]},
                ],
            }
        ],
    },
    {"question": [handler("knopka_pause", seconds=3600), show("Is it good, {{contact.name}}?")]},
]


@pytest.fixture
async def shop(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """One store is enough: nothing here is ever read from it or written to it."""
    async with open_shop(sqlite_url, tmp_path) as opened:
        yield opened


async def play(
    shop: Shop, script: Any = ORDER, events: Any = (), given: Any = None, status: int = 200
) -> dict[str, Any]:
    text = script if isinstance(script, str) else json.dumps(script)
    body = {"script": text, "given": given or {}, "events": list(events)}
    answer = await shop.operator.post("/inbox/api/bots/play", json=body)
    assert answer.status_code == status, answer.text
    read: dict[str, Any] = answer.json()
    return read


def say(text: str) -> dict[str, Any]:
    return {"do": "say", "text": text}


def said(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(line["who"], line["text"]) for moment in told["moments"] for line in moment["lines"]]


async def test_a_story_is_told_from_its_beginning(shop: Shop) -> None:
    given = {"bot_params": {"username": "Ivan"}, "contact": {"name": "Иван"}}
    told = await play(shop, given=given)
    assert said(told) == [("bot", "Hello, Ivan! Tea?")]
    (line,) = told["moments"][0]["lines"]
    assert [button["label"] for button in line["buttons"]] == ["Yes", "No"]
    assert told["waiting"] == {"kind": "answer", "until": None}

    events = [{"do": "press", "button": 0}, {"do": "wait", "seconds": 7200}]
    told = await play(shop, given=given, events=events)
    assert said(told) == [
        ("bot", "Hello, Ivan! Tea?"),
        ("visitor", "Yes"),
        ("bot", "Is it good, Иван?"),
    ]
    assert told["lead"]["tags"] == ["tea"]
    assert [change["what"] for change in told["moments"][1]["changes"]] == ["decide", "tag"]
    assert (told["waiting"], told["ended"]) == (None, "done")
    assert told["ended_text"]
    seen = told["moments"][0]["traces"][1]["seen"]
    assert seen == {"bot_params.username": "Ivan"}


async def test_nothing_is_kept(shop: Shop) -> None:
    await play(shop, events=[say("Yes")])
    assert (await shop.operator.get("/inbox/api/bots")).json()["bots"] == []
    assert (await shop.operator.get("/inbox/api/conversations")).json()["conversations"] == []


async def test_a_called_address_answers_what_the_author_says(shop: Shop) -> None:
    call = handler(
        "knopka_http", url="https://api.example/x", result=[show("{{json.name}}")], error=[show("Later")]
    )
    told = await play(shop, [{"question": [call]}])
    assert (told["waiting"]["kind"], told["call"]["url"]) == ("call", "https://api.example/x")
    good = await play(shop, [{"question": [call]}], [{"do": "answer", "data": {"name": "{{lead.id}}"}}])
    assert said(good) == [("bot", "{{lead.id}}")]
    bad = await play(shop, [{"question": [call]}], [{"do": "answer", "error": "status_500"}])
    assert said(bad) == [("bot", "Later")]


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"events": [{"do": "press", "button": 2}]}, "$.events[0]"),
        ({"events": [say("Yes"), {"do": "answer"}]}, "$.events[1]"),
        ({"events": [{"do": "dance"}]}, "$.events[0].do"),
        ({"events": [{"do": "wait", "seconds": 0}]}, "$.events[0].seconds"),
        ({"events": [say("x")] * 201}, "$.events"),
        ({"events": [say("x" * 10_001)]}, "$.events[0].text"),
        ({"given": {"lead": {"price": -1}}}, "$.given.lead.price"),
        ({"given": {"owner": 1}}, "$.given.owner"),
        ({"given": {"bot_params": {"a": "x" * 9_000}}}, "$.given.bot_params.a"),
    ],
)
async def test_what_cannot_happen_is_refused_with_its_place(
    shop: Shop, changed: dict[str, Any], place: str
) -> None:
    refused = await play(shop, status=400, **changed)
    assert refused["error"]["faults"][0]["path"] == place


async def test_a_script_that_cannot_be_run_is_refused_as_when_it_is_kept(shop: Shop) -> None:
    refused = await play(shop, "[{]", status=400)
    assert refused["error"]["code"] == "script_error"
    assert (refused["error"]["faults"][0]["line"], refused["error"]["faults"][0]["column"]) == (1, 3)
    await play(shop, " " * (MAX_SCRIPT_BYTES + 1), status=400)


async def test_a_script_without_end_ends_here_too(shop: Shop) -> None:
    """A year of a bot that wakes every second is cut short by the engine's own guards."""
    forever = [{"question": [handler("knopka_pause", seconds=1), goto(0)]}]
    told = await play(shop, forever, [{"do": "wait", "seconds": 366 * 86_400}])
    assert told["ended"] in ("loop", "too_many_steps", "too_many_messages", "too_old")
    circle = [{"question": [goto(1)]}, {"question": [goto(0)]}]
    assert (await play(shop, circle))["ended"] == "loop"
    chatty = [{"question": [show("x")] * 90, "answer": [goto(0)]}]
    refused = await play(shop, chatty, [say("x")] * 199)
    assert refused["ended"] == "too_many_messages"


async def test_a_script_that_says_too_much_is_stopped_between_two_events(shop: Shop) -> None:
    """Texts grow to their bound, and 90 of them are said at once; what was played before can be seen."""
    long = {"bot_params": {"a": "x" * 8_000}}
    flood = [{"question": [show("{{bot_params.a}}" * 30)] * 90, "answer": [goto(0)]}]
    told = await play(shop, flood, given=long)
    assert len(told["moments"][0]["lines"]) == 90
    refused = await play(shop, flood, [say("x")] * 200, given=long, status=400)
    (fault,) = refused["error"]["faults"]
    assert (fault["path"], fault["code"]) == ("$.events[0]", "too_much")


async def test_values_and_words_of_the_play_are_data(shop: Shop) -> None:
    script = [{"question": [show("{{contact.name}}")], "answer": [show("{{message_text}}")]}]
    told = await play(shop, script, [say("{{lead.id}}")], {"contact": {"name": "{{lead.price}} <b>"}})
    assert [text for _, text in said(told)] == ["{{lead.price}} <b>", "{{lead.id}}", "{{lead.id}}"]


async def test_everything_that_is_given_is_read_by_the_script(shop: Shop) -> None:
    names = ("contact.name", "contact.cf.7", "lead.price", "lead.tags", "lead.status_id", "lead.responsible")
    script = [{"question": [show("|".join(f"{{{{{name}}}}}" for name in (*names, "chat.origin")))]}]
    lead = {"price": 500, "tags": ["a", "b"], "status_id": 142, "responsible": {"id": 1, "name": "Olga"}}
    contact = {"name": "Ivan", "phone": "+79161234567", "fields": {"7": "seven"}}
    given = {"contact": contact, "lead": lead, "channel": "vk", "seed": 5, "at": 1_772_884_800_000}
    told = await play(shop, script, given=given)
    assert said(told) == [("bot", "Ivan|seven|500|a, b|142|Olga|vk")]
    assert (told["now"], told["contact"]["phone"]) == (1_772_884_800_000, "+79161234567")


async def test_the_page_an_operator_and_the_messenger_can_interfere(shop: Shop) -> None:
    script = {
        "0": {"question": [show("First")], "answer": [show("{{bot_params.a}}"), goto(0)]},
        "error": [act("set_tag", type=2, value="lost")],
    }
    more = {"do": "set", "bot_params": {"a": "later"}}
    told = await play(shop, script, [more, say("x"), {"do": "lose", "reason": "window_closed"}])
    assert [text for who, text in said(told) if who == "bot"] == ["First", "later", "First"]
    assert (told["ended"], told["lead"]["tags"]) == ("window_closed", ["lost"])
    told = await play(shop, script, [{"do": "end"}, say("x")])
    assert told["ended"] == "operator"
