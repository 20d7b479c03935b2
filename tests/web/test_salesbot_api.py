"""What integrations do with bots over the API: list, start, stop and continue them, each with a token."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from knopka.domain.api_tokens import Scope
from knopka.outgoing import Reply, Wire, make_open_client
from knopka.services import api_tokens, bots
from knopka.web.limits import Rate
from tests.files.server import Request, answer, listening
from tests.services.bot_story import goto, handler, show
from tests.shop import Shop, open_shop
from tests.test_outgoing import PUBLIC, Detour, Names, certify

pytestmark = pytest.mark.anyio

HELLO = [{"question": [show("Hello!")], "answer": [show("Bye!")]}]
ASKS_SERVICE = [
    {
        "question": [
            handler("widget_request", url="https://service.example/hook", data={"n": 1}),
            show("Then: {{json.status}}"),
        ]
    },
    {"question": [show("Second")]},
]
RUNS = "/api/v2/salesbot/run"
ALL = frozenset(Scope)


class Integration:
    """A program of somebody else's, with a token."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.called: list[tuple[str, str, Any]] = []
        self.headers: dict[str, str] = {}

    async def take_token(self, scopes: frozenset[Scope] = ALL, days: int | None = None) -> int:
        """Bring a new token from now on; gives its number."""
        lifetime = None if days is None else timedelta(days=days)
        made = await self.shop.office.database.write(
            api_tokens.add_token, "CRM", scopes, lifetime=lifetime, key=("tokens",)
        )
        self.headers["authorization"] = f"Bearer {made.text}"
        return made.token.id

    async def call(self, method: str, path: str, body: Any = None, status: int = 202) -> dict[str, Any]:
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**self.headers, "content-type": "application/json"}
        told = await self.shop.page.request(method, path, content=content, headers=headers)
        assert told.status_code == status, told.text
        kind = "problem" if status >= 400 else "hal"
        assert told.headers["content-type"] == f"application/{kind}+json"
        self.last = told
        read: dict[str, Any] = told.json()
        return read

    async def faults(self, method: str, path: str, body: Any) -> set[tuple[str, str]]:
        """Of a refused body: the number of the request and the path of each fault."""
        problem = await self.call(method, path, body, 400)
        return {
            (group["request_id"], error["path"])
            for group in problem["validation-errors"]
            for error in group["errors"]
        }

    async def add_bot(self, script: Sequence[Any] = HELLO, name: str = "Робот") -> int:
        """A bot that is started by nobody but us."""
        database = self.shop.office.database
        bot = await database.write(bots.add_bot, name, f"add-{name}", key=("bots", 0))
        text = json.dumps(script).encode()
        await database.write(bots.put_version, bot.id, text, "the-first", author="Анна", key=("bots", 0))
        await database.write(bots.publish, bot.id, 1, key=("bots", 0))
        return bot.id

    async def work(self) -> None:
        """Let the server's worker do what is due."""
        worker = self.shop.office.house.worker
        while await worker.tick():
            await worker.settle()

    async def said(self, conversation_id: int = 1) -> list[str]:
        told = await self.shop.operator.get(f"/inbox/api/conversations/{conversation_id}/messages")
        return [one["text"] for one in told.json()["messages"] if one["author"]["kind"] == "bot"]


@asynccontextmanager
async def open_integration(store_url: str, folder: Path) -> AsyncIterator[Integration]:
    async with open_shop(store_url, folder) as shop:
        shop.office.house.web.counters.api_calls_per_token.rate = Rate(1_000, 1)
        integration = Integration(shop)
        await integration.take_token()
        yield integration


@pytest.fixture
async def crm(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Integration]:
    """With a token, and a service at the other end of widget_request that takes every call."""
    called: list[tuple[str, str, Any]] = []

    async def take_call(_: httpx.AsyncClient, method: str, url: str, *, json: Any, headers: Any) -> Reply:
        called.append((method, url, json))
        return Reply(200, b"")

    monkeypatch.setattr("knopka.app.call_out", take_call)
    async with open_integration(store_url, tmp_path) as integration:
        integration.called = called
        yield integration


# --- Who may call


CALLS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/v4/bots", None),
    ("GET", "/api/v4/bots/1", None),
    ("POST", "/api/v4/bots/1/run", {"entity_id": 1, "entity_type": "leads"}),
    ("POST", "/api/v4/bots/1/stop", {"entity_id": 1, "entity_type": "leads"}),
    ("POST", RUNS, [{"bot_id": 1, "entity_id": 1, "entity_type": 2}]),
    ("POST", "/api/v4/salesbot/1/continue/1-1-x", {}),
)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer knp_", f"Bearer knp_{'x' * 43}", f"Basic {'x' * 43}"]
)
async def test_S_AU_10_without_a_token_that_holds_nothing_is_told_or_done(
    crm: Integration, header: str
) -> None:
    await crm.add_bot()
    await crm.shop.write("Hi")
    crm.headers = {"authorization": header}
    for method, path, body in CALLS:
        problem = await crm.call(method, path, body, 401)
        assert (problem["status"], problem["title"]) == (401, "Unauthorized")
        assert crm.last.headers["www-authenticate"] == "Bearer"
    await crm.work()
    assert await crm.said() == []


async def test_S_AU_10_a_token_ends_when_it_is_removed_and_when_its_time_is_over(crm: Integration) -> None:
    await crm.call("GET", "/api/v4/bots", status=200)
    await crm.take_token(days=1)
    await crm.call("GET", "/api/v4/bots", status=200)
    crm.shop.advance(seconds=2 * 86_400)
    await crm.call("GET", "/api/v4/bots", status=401)
    number = await crm.take_token()
    await crm.call("GET", "/api/v4/bots", status=200)
    await crm.shop.office.database.write(api_tokens.remove_token, number, key=("tokens",))
    await crm.call("GET", "/api/v4/bots", status=401)


async def test_S_AU_10_a_token_opens_what_it_was_made_for(crm: Integration) -> None:
    await crm.take_token(frozenset())
    problem = await crm.call("GET", "/api/v4/bots", status=403)
    assert problem["detail"] == "This token does not open bots."


async def test_S_AU_10_a_token_in_the_address_or_a_cookie_is_none(crm: Integration) -> None:
    text = crm.headers.pop("authorization").removeprefix("Bearer ")
    await crm.call("GET", f"/api/v4/bots?access_token={text}", status=401)
    crm.headers["cookie"] = f"knopka={text}"
    await crm.call("GET", "/api/v4/bots", status=401)


async def test_the_last_use_of_a_token_is_known(crm: Integration) -> None:
    await crm.call("GET", "/api/v4/bots", status=200)
    (token,) = await crm.shop.office.database.read(api_tokens.list_tokens)
    assert token.last_used_at is not None
    assert token.last_used_at >= token.created_at


async def test_one_removed_token_ends_no_other(crm: Integration) -> None:
    kept = dict(crm.headers)
    number = await crm.take_token()
    await crm.shop.office.database.write(api_tokens.remove_token, number, key=("tokens",))
    await crm.call("GET", "/api/v4/bots", status=401)
    crm.headers = kept
    await crm.call("GET", "/api/v4/bots", status=200)


async def test_each_token_has_a_rate_of_its_own(crm: Integration) -> None:
    crm.shop.office.house.web.counters.api_calls_per_token.rate = Rate(2, 3600)
    for _ in range(2):
        await crm.call("GET", "/api/v4/bots", status=200)
    await crm.call("GET", "/api/v4/bots", status=429)
    assert int(crm.last.headers["retry-after"]) >= 1
    await crm.take_token()
    await crm.call("GET", "/api/v4/bots", status=200)


async def test_who_guesses_tokens_is_stopped(crm: Integration) -> None:
    crm.shop.office.house.web.counters.refused_tokens_per_address.rate = Rate(3, 3600)
    crm.headers["authorization"] = f"Bearer knp_{'x' * 43}"
    for _ in range(3):
        await crm.call("GET", "/api/v4/bots", status=401)
    await crm.call("GET", "/api/v4/bots", status=429)
    await crm.take_token()  # behind the same address
    await crm.call("GET", "/api/v4/bots", status=200)


async def test_S_SEC_05_a_token_stands_in_no_answer_and_no_log(
    crm: Integration, capfd: pytest.CaptureFixture[str]
) -> None:
    held = crm.headers["authorization"].removeprefix("Bearer ")
    refused = f"knp_{'x' * 43}"
    with capture_logs() as lines:
        for text in (held, refused):
            crm.headers["authorization"] = f"Bearer {text}"
            for method, path, body in CALLS:
                told = await crm.shop.page.request(method, path, json=body, headers=crm.headers)
                assert text not in f"{told.headers}{told.text}"
    out, err = capfd.readouterr()
    logged = f"{lines}{out}{err}"
    assert held not in logged
    assert refused not in logged


# --- Lists


async def test_bots_are_listed_in_the_shape_of_api_v4(crm: Integration) -> None:
    assert (await crm.call("GET", "/api/v4/bots", status=200))["_embedded"] == {"bots": []}
    number = await crm.add_bot()
    listed = await crm.call("GET", "/api/v4/bots", status=200)
    (shown,) = listed["_embedded"]["bots"]
    assert (shown["id"], shown["name"], shown["is_active"]) == (number, "Робот", True)
    assert await crm.call("GET", f"/api/v4/bots/{number}", status=200) == shown
    assert shown["_links"]["self"]["href"].endswith(f"/api/v4/bots/{number}")
    for unknown in ("99", "0", "x", "9" * 30):
        problem = await crm.call("GET", f"/api/v4/bots/{unknown}", status=404)
        assert "status" in problem
    # A client of amoCRM's takes an answer with `status` at its top for a refusal.
    assert "status" not in listed


# --- Start and stop


async def test_a_bot_is_started_and_stopped_on_a_lead_and_on_a_contact(crm: Integration) -> None:
    number = await crm.add_bot()
    lead_id = await crm.shop.write("Hi")
    contact_id = (await crm.shop.card(lead_id))["contact"]["id"]
    on_lead = {"entity_id": lead_id, "entity_type": "leads"}
    on_contact = {"entity_id": str(contact_id), "entity_type": "contacts"}
    assert (await crm.call("POST", f"/api/v4/bots/{number}/run", on_lead))["run_id"] == 1
    await crm.work()
    assert await crm.said() == ["Hello!"]
    await crm.call("POST", f"/api/v4/bots/{number}/run", on_contact, 409)
    assert (await crm.call("POST", f"/api/v4/bots/{number}/stop", on_contact))["stopped"] == 1
    assert (await crm.call("POST", f"/api/v4/bots/{number}/stop", on_lead))["stopped"] == 0
    await crm.shop.write("Are you there?")
    await crm.work()
    assert await crm.said() == ["Hello!"]
    assert (await crm.call("POST", f"/api/v4/bots/{number}/run", on_contact))["run_id"] == 2
    await crm.work()
    assert await crm.said() == ["Hello!", "Hello!"]


async def test_older_clients_start_many_at_once(crm: Integration) -> None:
    number = await crm.add_bot()
    lead_id = await crm.shop.write("Hi")
    run = {"bot_id": number, "entity_id": lead_id, "entity_type": 2}
    started = await crm.call("POST", RUNS, [run])
    assert started == {"_links": {"self": {"href": RUNS, "method": "post"}}, "success": True}
    await crm.work()
    assert await crm.said() == ["Hello!"]
    await crm.call("POST", f"/api/v4/bots/{number}/stop", {"entity_id": lead_id, "entity_type": "leads"})
    told = await crm.call("POST", RUNS, [{**run, "entity_id": 99}, {**run, "entity_type": "2"}, run])
    assert told["success"] is False
    assert [(one["request_id"], one["detail"]) for one in told["errors"]] == [
        ("0", "There is no such lead."),
        ("2", "A bot talks there already."),
    ]
    await crm.call("POST", RUNS, [{**run, "entity_id": 99}], 404)
    await crm.call("POST", RUNS, [run], 409)


async def test_what_cannot_start_says_why(crm: Integration) -> None:
    number = await crm.add_bot()
    lead_id = await crm.shop.write("Hi")
    on_lead = {"entity_id": lead_id, "entity_type": "leads"}
    await crm.call("POST", "/api/v4/bots/99/run", on_lead, 404)
    await crm.call("POST", f"/api/v4/bots/{number}/run", {**on_lead, "entity_id": 99}, 404)
    await crm.call("POST", f"/api/v4/bots/{number}/stop", {**on_lead, "entity_id": 99}, 404)
    await crm.shop.office.database.write(bots.enable, number, is_enabled=False, key=("bots", 0))
    problem = await crm.call("POST", f"/api/v4/bots/{number}/run", on_lead, 409)
    assert problem["detail"] == "The bot is switched off, or no version of it is published."


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, {("0", "entity_id")}),
        ([], {("0", "")}),
        ({"entity_id": 1}, {("0", "entity_type")}),
        ({"entity_id": 1, "entity_type": "companies"}, {("0", "entity_type")}),
        ({"entity_id": 1, "entity_type": True}, {("0", "entity_type")}),
        ({"entity_id": True, "entity_type": "leads"}, {("0", "entity_id")}),
        ({"entity_id": 1.0, "entity_type": "leads"}, {("0", "entity_id")}),
        ({"entity_id": -1, "entity_type": "leads"}, {("0", "entity_id")}),
        ({"entity_id": "1 OR 1=1", "entity_type": "leads"}, {("0", "entity_id")}),
        ({"entity_id": "٣", "entity_type": "leads"}, {("0", "entity_id")}),
        ({"entity_id": 2**53, "entity_type": "leads"}, {("0", "entity_id")}),
    ],
)
async def test_a_bad_body_names_its_place(crm: Integration, body: Any, places: set[tuple[str, str]]) -> None:
    assert await crm.faults("POST", "/api/v4/bots/1/run", body) == places


async def test_of_many_runs_every_fault_is_named_and_none_is_started(crm: Integration) -> None:
    number = await crm.add_bot()
    lead_id = await crm.shop.write("Hi")
    good = {"bot_id": number, "entity_id": lead_id, "entity_type": 2}
    bad = [good, {**good, "bot_id": "x"}, {**good, "entity_type": 3}]
    assert await crm.faults("POST", RUNS, bad) == {("1", "bot_id"), ("2", "entity_type")}
    assert await crm.faults("POST", RUNS, []) == {("0", "")}
    assert await crm.faults("POST", RUNS, [good] * 101) == {("0", "")}
    await crm.call("POST", RUNS, b"[" + b" " * 65_536 + b"]", 413)
    await crm.call("POST", RUNS, b'[{"bot_id": 1, "bot_id": 1}]', 400)
    await crm.call("POST", RUNS, b"[{", 400)
    await crm.work()
    assert await crm.said() == []


async def test_a_body_of_another_kind_is_not_read(crm: Integration) -> None:
    body = b'{"entity_id": 1, "entity_type": "leads"}'
    for headers, status in (
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json; charset=koi8-r"}, 415),
        ({"content-type": "application/json", "transfer-encoding": "chunked"}, 400),
    ):
        told = await crm.shop.page.post(
            "/api/v4/bots/1/run",
            content=_trickle(b"{") if status == 400 else body,
            headers={**crm.headers, **headers},
        )
        assert (told.status_code, told.json()["status"]) == (status, status)


async def _trickle(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


# --- Continue


async def wait_for_service(crm: Integration) -> tuple[int, str]:
    """A run that waits for the service; gives its bot, and where the service continues it."""
    number = await crm.add_bot(ASKS_SERVICE)
    lead_id = await crm.shop.write("Hi")
    body = {"entity_id": lead_id, "entity_type": "leads"}
    await crm.call("POST", f"/api/v4/bots/{number}/run", body)
    await crm.work()
    ((method, url, sent),) = crm.called
    assert (method, url, sent["data"]) == ("POST", "https://service.example/hook", {"n": 1})
    path = httpx.URL(sent["return_url"]).path
    assert path.startswith(f"/api/v4/salesbot/{number}/continue/")
    return number, path


async def test_the_called_service_continues_the_run_once(crm: Integration) -> None:
    _, path = await wait_for_service(crm)
    assert await crm.said() == []
    body = {"data": {"status": "ok"}, "execute_handlers": [show("Found"), goto(1)]}
    await crm.call("POST", path, body)
    await crm.work()
    assert await crm.said() == ["Found", "Second"]
    await crm.call("POST", path, body, 409)
    await crm.work()
    assert await crm.said() == ["Found", "Second"]


async def test_of_two_continuations_at_once_one_is_taken(crm: Integration) -> None:
    _, path = await wait_for_service(crm)
    bodies = [{"data": {"status": status}} for status in ("one", "two", "two")]
    answers = await asyncio.gather(
        *(crm.shop.page.post(path, json=body, headers=crm.headers) for body in bodies)
    )
    assert sorted(told.status_code for told in answers) == [202, 409, 409]
    taken = next(
        body["data"]["status"] for body, told in zip(bodies, answers, strict=True) if told.status_code == 202
    )
    await crm.work()
    assert await crm.said() == [f"Then: {taken}"]


async def test_without_handlers_the_run_goes_on_with_the_data(crm: Integration) -> None:
    _, path = await wait_for_service(crm)
    await crm.call("POST", path.replace("/salesbot/", "/marketingbot/"), {"data": {"status": "{{lead.id}}"}})
    await crm.work()
    assert await crm.said() == ["Then: {{lead.id}}"]


async def test_nobody_continues_a_run_by_guessing(crm: Integration) -> None:
    number, path = await wait_for_service(crm)
    other = await crm.add_bot(HELLO, "Другой")
    head, mark = path[:-44], path[-43:]
    flipped = ("A" if mark[0] != "A" else "B") + mark[1:]
    for wrong in (
        f"{head}-{flipped}",
        f"{head}-",
        path.replace(f"/{number}/", f"/{other}/"),
        path.replace("/salesbot/", "/otherbot/"),
        path.replace("continue/1-", "continue/2-"),
    ):
        await crm.call("POST", wrong, {"data": {}}, 404)
    await crm.work()
    assert await crm.said() == []
    await crm.call("POST", path, {"data": {"status": "ok"}})


async def test_what_a_service_may_not_send_is_refused_and_the_run_still_waits(crm: Integration) -> None:
    _, path = await wait_for_service(crm)
    bad: list[Any] = [
        "x",
        {"data": {}, "execute_handlers": []},
        {"execute_handlers": [handler("stop")]},
        {"execute_handlers": [goto(9)]},
        {"execute_handlers": [show("x")] * 11},
        {"execute_handlers": [show("x" * 81)]},
        {"data": "{" * 10, "execute_handlers": "show"},
    ]
    for body in bad:
        assert await crm.faults("POST", path, body), body
    await crm.call("POST", path, {"data": {"text": "x" * 65_536}}, 413)
    await crm.work()
    assert await crm.said() == []
    await crm.call("POST", path, {"data": {"status": "ok"}})
    await crm.work()
    assert await crm.said() == ["Then: ok"]


async def test_a_run_that_was_stopped_is_continued_by_nobody(crm: Integration) -> None:
    number, path = await wait_for_service(crm)
    await crm.call("POST", f"/api/v4/bots/{number}/stop", {"entity_id": 1, "entity_type": "leads"})
    await crm.call("POST", path, {"data": {}}, 409)


@pytest.mark.parametrize("is_quick", [True, False], ids=["before it answers", "after it has answered"])
async def test_a_service_checks_who_calls_and_continues_the_run(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_quick: bool
) -> None:
    """Over real connections in both directions."""
    server_side, client_side = certify(tmp_path, "service.example")
    done: list[str] = []

    async def serve(request: Request, writer: asyncio.StreamWriter) -> None:
        sent = json.loads(request.body)
        head, claims, mark = sent["token"].split(".")
        kit = crm.shop.office.house.web.bots
        assert kit is not None
        key = kit.signer.widget_secret.encode()
        wanted = hmac.digest(key, f"{head}.{claims}".encode(), hashlib.sha512)
        assert hmac.compare_digest(base64.urlsafe_b64decode(mark + "=="), wanted)
        if is_quick:
            await finish(sent["return_url"])
        await answer(writer, body=b"OK")
        done.append(sent["return_url"])

    async def finish(return_url: str) -> None:
        assert return_url.startswith(crm.shop.office.url)
        async with httpx.AsyncClient(headers=crm.headers, trust_env=False) as service:
            told = await service.post(return_url, json={"data": {"status": "paid"}})
        assert told.status_code == 202, told.text

    async with listening(serve, tls=server_side) as server:
        wire = Wire(resolve=Names([[PUBLIC]]), network=Detour(server.port), tls=client_side)
        monkeypatch.setattr("knopka.app.make_open_client", lambda: make_open_client(wire=wire))
        async with open_integration(store_url, tmp_path) as crm:
            number = await crm.add_bot(ASKS_SERVICE)
            lead_id = await crm.shop.write("Hi")
            await crm.call(
                "POST", f"/api/v4/bots/{number}/run", {"entity_id": lead_id, "entity_type": "leads"}
            )
            await crm.work()
            (return_url,) = done
            if not is_quick:
                assert await crm.said() == []
                await finish(return_url)
                await crm.work()
            assert await crm.said() == ["Then: paid"]
