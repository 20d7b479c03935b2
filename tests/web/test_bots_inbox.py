"""What authors of bots do over the inbox's API: scripts, versions, starts, runs, bots in conversations."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.bot_story import goto, handler, show
from tests.shop import VISIT, Shop, open_shop

pytestmark = pytest.mark.anyio

GREET = [
    {
        "question": [show("Hello, {{bot_params.username}}!", "Yes", "No")],
        "answer": [{"handler": "buttons", "params": [{"value": "Yes", "params": [goto(1)]}]}],
    },
    {"question": [show("Fine."), handler("stop")]},
]
_keys = count(1)


@pytest.fixture
async def shop(store_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(store_url, tmp_path) as opened:
        yield opened


class Author:
    """An operator who keeps bots."""

    def __init__(self, shop: Shop) -> None:
        self.client = shop.operator

    async def get(self, path: str, status: int = 200) -> dict[str, Any]:
        return self._read(await self.client.get(f"/inbox/api/{path}"), status)

    async def post(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = await self.client.post(
            f"/inbox/api/{path}", json={"key": f"author-{next(_keys):05}", **body}
        )
        return self._read(answer, status)

    async def patch(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = await self.client.patch(
            f"/inbox/api/{path}", json={"key": f"author-{next(_keys):05}", **body}
        )
        return self._read(answer, status)

    def _read(self, answer: httpx.Response, status: int) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        read: dict[str, Any] = answer.json()
        return read

    async def add(self, script: Any = GREET, *starts: dict[str, Any]) -> int:
        """A bot whose first version is published."""
        bot = await self.post("bots", 201, name="Робот", settings={"starts": list(starts)})
        number: int = bot["id"]
        await self.post(f"bots/{number}/versions", 201, script=json.dumps(script), note="the first")
        await self.post(f"bots/{number}/publish", version=1)
        return number


@pytest.fixture
def author(shop: Shop) -> Author:
    return Author(shop)


async def work(shop: Shop) -> None:
    """Let the server's worker do what is due."""
    worker = shop.office.house.worker
    while await worker.tick():
        await worker.settle()


async def said_by_bots(shop: Shop, conversation_id: int = 1) -> list[str]:
    answer = await shop.operator.get(f"/inbox/api/conversations/{conversation_id}/messages")
    return [one["text"] for one in answer.json()["messages"] if one["author"]["kind"] == "bot"]


# --- Bots


async def test_a_new_bot_is_on_the_list_and_says_nothing_before_it_is_published(author: Author) -> None:
    key = "the-very-same-key"
    bot = await author.post("bots", 201, key=key, name="Робот")
    assert await author.post("bots", 201, key=key, name="Робот") == bot
    (shown,) = (await author.get("bots"))["bots"]
    assert (shown["id"], shown["name"], shown["is_enabled"]) == (bot["id"], "Робот", True)
    assert (shown["published_version"], shown["last_run"]) == (None, None)
    assert (await author.get(f"bots/{bot['id']}"))["published"] is None


async def test_the_list_names_what_settings_may_name(author: Author) -> None:
    shown = await author.get("bots")
    assert "Лавка" in [source["name"] for source in shown["sources"]]
    assert all(stage["id"] and stage["name"] and stage["pipeline"] for stage in shown["stages"])


async def test_a_bot_is_renamed_switched_and_told_when_to_start(shop: Shop, author: Author) -> None:
    number = await author.add()
    starts = [{"on": "keyword", "words": ["чай"]}]
    await author.patch(f"bots/{number}", name="Чайный", settings={"starts": starts})
    shown = await author.get(f"bots/{number}")
    assert (shown["name"], shown["settings"]["starts"]) == ("Чайный", starts)
    refused = await author.patch(f"bots/{number}", 400, name="Other", settings={"starts": [{"on": "rain"}]})
    assert refused["error"]["faults"][0]["path"] == "$.starts[0].on"
    assert (await author.get(f"bots/{number}"))["name"] == "Чайный"  # all of it or nothing
    await shop.write("Есть чай?")
    await work(shop)
    assert await said_by_bots(shop) == ["Hello, !"]
    await author.patch(f"bots/{number}", is_enabled=False)
    (run,) = (await author.get(f"bots/{number}/runs"))["runs"]
    assert (run["reason"], (await author.get("conversations/1"))["bot"]) == ("switched_off", None)


async def test_a_change_that_says_nothing_is_refused(author: Author) -> None:
    number = await author.add()
    assert (await author.patch(f"bots/{number}", 400))["error"]["faults"][0]["code"] == "empty"


async def test_a_removed_bot_is_gone_and_its_runs_can_be_read(shop: Shop, author: Author) -> None:
    number = await author.add(GREET, {"on": "first_message"})
    await shop.write("Hi")
    await work(shop)
    (run,) = (await author.get(f"bots/{number}/runs"))["runs"]
    path = f"/inbox/api/bots/{number}"
    answer = await shop.operator.request("DELETE", path, json={"key": "remove-the-bot"})
    assert answer.status_code == 204
    assert (await author.get("bots"))["bots"] == []
    await author.get(f"bots/{number}", 404)
    assert (await author.get(f"bot-runs/{run['id']}"))["reason"] == "switched_off"


# --- Scripts and versions


async def test_a_script_is_checked_with_every_fault_at_its_place(author: Author) -> None:
    script = '[\n {"question": [\n  {"handler": "goto", "params": {"type": "question", "step": 9}},\n'
    script += '  {"handler": "dance"}\n ]}\n]'
    found = await author.post("bots/check", 400, script=script)
    assert found["error"]["faults"][0]["path"] == "$.key"  # a check has none: it keeps nothing
    answer = await author.client.post("/inbox/api/bots/check", json={"script": script})
    shown = answer.json()
    places = {(fault["path"], fault["line"]) for fault in shown["faults"]}
    assert {("$[0].question[0].params.step", 3), ("$[0].question[1].handler", 4)} <= places
    assert (shown["diagram"], shown["warnings"]) == (None, [])


async def test_a_sound_script_is_shown_as_steps_and_arrows(author: Author) -> None:
    script = json.dumps([*GREET, {"question": [show("Nobody comes here")]}], indent=1)
    answer = await author.client.post("/inbox/api/bots/check", json={"script": script})
    shown = answer.json()
    assert (shown["faults"], [warning["code"] for warning in shown["warnings"]]) == ([], ["unreachable_step"])
    nodes, (arrow,) = shown["diagram"]["nodes"], shown["diagram"]["arrows"]
    assert [(node["step"], node["asks"], node["ends"]) for node in nodes] == [
        (0, True, False), (1, False, True), (2, False, False),
    ]  # fmt: skip
    assert (arrow["source"], arrow["to"]) == (0, 1)
    assert arrow["labels"] == [{"reason": "answer", "text": "Yes"}]
    assert '"goto"' in script.splitlines()[arrow["line"]]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("[" + " " * (64 * 1024), "too_large"),
        ('"' * (64 * 1024 + 1), "too_large"),
        ("[{", "bad_json"),
        ("[]", "empty_script"),
    ],
    ids=["one byte too many", "too many quotes", "broken", "empty"],
)
async def test_no_version_is_made_of_what_cannot_be_run(author: Author, script: str, code: str) -> None:
    number = await author.add()
    refused = await author.post(f"bots/{number}/versions", 400, script=script)
    assert refused["error"]["code"] == "script_error"
    fault = refused["error"]["faults"][0]
    assert fault["message"]
    if code != "bad_json":
        assert fault["code"] == code
    assert (await author.get(f"bots/{number}"))["last_version"] == 1


async def test_versions_are_kept_published_and_rolled_back(author: Author) -> None:
    number = await author.add()
    text = '[ {"question": []} ]'
    again = {"key": "version-two-key", "script": text, "note": "empty"}
    put = await author.post(f"bots/{number}/versions", 201, **again)
    assert await author.post(f"bots/{number}/versions", 201, **again) == put
    assert (put["version"]["version"], put["bot"]["published_version"]) == (2, 1)
    page = await author.get(f"bots/{number}/versions?limit=1")
    assert ([one["version"] for one in page["versions"]], page["next"]) == ([2], 2)
    page = await author.get(f"bots/{number}/versions?limit=1&before={page['next']}")
    (first,) = page["versions"]
    assert (first["version"], first["note"], first["author"], page["next"]) == (1, "the first", "Анна", None)
    assert (await author.get(f"bots/{number}/versions/2"))["script"] == text
    assert (await author.post(f"bots/{number}/publish", version=2))["published_version"] == 2
    back = await author.post(f"bots/{number}/roll-back", key="roll-back-once")
    assert await author.post(f"bots/{number}/roll-back", key="roll-back-once") == back
    assert back["published_version"] == 1
    await author.post(f"bots/{number}/roll-back", 409)
    await author.post(f"bots/{number}/publish", 404, version=3)


# --- Runs


async def test_a_run_is_read_step_by_step_with_what_it_saw(shop: Shop, author: Author) -> None:
    number = await author.add(GREET, {"on": "first_message"})
    await shop.set_meta({"bot_params": {"username": "Ann"}})
    await shop.write("Hi")
    await work(shop)
    await shop.write("yes")
    await work(shop)
    shown = await author.get(f"bots/{number}")
    (run,) = shown["runs"]
    assert (run["cause"], run["reason"], run["is_active"]) == ("first_message", "stopped", False)
    assert shown["last_run"]["id"] == run["id"]
    answer = await shop.operator.get(f"/inbox/api/bot-runs/{run['id']}", headers={"accept-language": "ru"})
    lines = answer.json()["lines"]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    greeting = next(line for line in lines if line["handler"] == "show")
    assert greeting["seen"] == {"bot_params.username": "Ann"}
    assert (greeting["step"], greeting["text"], greeting["path"]) == (
        0, "Сказано посетителю.", "$[0].question[0]",
    )  # fmt: skip
    assert lines[-1]["text"] == "Скрипт остановил бота."


async def test_runs_come_in_pages_without_a_gap(shop: Shop, author: Author) -> None:
    number = await author.add()
    await shop.write("Hi")
    for _ in range(3):
        await author.post("conversations/1/bot", bot_id=number)
    seen: list[int] = []
    before = ""
    while True:
        page = await author.get(f"bots/{number}/runs?limit=2{before}")
        seen += [run["id"] for run in page["runs"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 3


# --- In a conversation


async def test_an_operator_starts_and_stops_a_bot_in_a_conversation(shop: Shop, author: Author) -> None:
    number = await author.add()
    await shop.write("Hi")
    shown = await author.post("conversations/1/bot", key="start-it-once", bot_id=number)
    assert await author.post("conversations/1/bot", key="start-it-once", bot_id=number) == shown
    (begun,) = (await author.get(f"bots/{number}/runs"))["runs"]
    assert shown["bot"] == {"id": number, "name": "Робот", "run_id": begun["id"]}
    await work(shop)
    assert await said_by_bots(shop) == ["Hello, !"]
    for _ in range(2):
        assert (await author.post("conversations/1/bot/stop"))["bot"] is None
    (run,) = (await author.get(f"bots/{number}/runs"))["runs"]
    assert (run["cause"], run["reason"]) == ("manual", "operator")


async def test_a_bot_without_a_published_version_does_not_start(shop: Shop, author: Author) -> None:
    bot = await author.post("bots", 201, name="Draft")
    await shop.write("Hi")
    await author.post("conversations/1/bot", 409, bot_id=bot["id"])
    await author.post("conversations/1/bot", 404, bot_id=999)


async def test_a_published_bot_starts_without_a_restart(shop: Shop, author: Author) -> None:
    await author.add(GREET, {"on": "first_message"})
    await shop.write("Hi", visit=VISIT)
    await work(shop)
    assert await said_by_bots(shop) == ["Hello, !"]
