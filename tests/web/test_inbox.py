"""The inbox's API through a real server: what operators see and do, and who may."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar

from tests.web.lines import hear, hear_of, open_line, visitor_line
from tests.web.office import LOGIN, SHOP, Office, Visitor, open_office

pytestmark = pytest.mark.anyio

KEY = "operator-key-1"
UID = "0" * 32
ROUTES: dict[tuple[str, str], tuple[str, dict[str, Any] | None, int]] = {
    # route: a request to it, and its answer to an operator of an account where nothing has happened
    ("GET", "/inbox/api/me"): ("/inbox/api/me", None, 200),
    ("GET", "/inbox/api/conversations"): ("/inbox/api/conversations", None, 200),
    ("GET", "/inbox/api/changes"): ("/inbox/api/changes?since=0", None, 200),
    ("GET", "/inbox/api/conversations/{}"): ("/inbox/api/conversations/1", None, 404),
    ("GET", "/inbox/api/conversations/{}/messages"): ("/inbox/api/conversations/1/messages", None, 404),
    ("POST", "/inbox/api/conversations/{}/messages"): (
        "/inbox/api/conversations/1/messages",
        {"key": KEY, "text": "x"},
        404,
    ),
    ("POST", "/inbox/api/conversations/{}/read"): ("/inbox/api/conversations/1/read", {"seq": 1}, 404),
    ("POST", "/inbox/api/conversations/{}/close"): ("/inbox/api/conversations/1/close", {"key": KEY}, 404),
    ("POST", "/inbox/api/conversations/{}/reopen"): ("/inbox/api/conversations/1/reopen", {"key": KEY}, 404),
    ("POST", "/inbox/api/conversations/{}/messages/{}/resend"): (
        "/inbox/api/conversations/1/messages/1/resend",
        {"key": KEY},
        404,
    ),
    ("POST", "/inbox/api/conversations/{}/typing"): ("/inbox/api/conversations/1/typing", {}, 404),
    ("GET", "/inbox/api/files/{}"): ("/inbox/api/files/1", None, 404),
    ("GET", "/inbox/api/contacts/{}/avatar"): ("/inbox/api/contacts/1/avatar", None, 404),
    ("GET", "/inbox/api/channels"): ("/inbox/api/channels", None, 200),
    ("POST", "/inbox/api/channels"): (
        "/inbox/api/channels",
        {"key": KEY, "kind": "telegram", "values": {}},
        400,
    ),
    ("PATCH", "/inbox/api/channels/{}"): ("/inbox/api/channels/1", {"key": KEY, "is_enabled": False}, 404),
    ("DELETE", "/inbox/api/channels/{}"): ("/inbox/api/channels/1", {"key": KEY}, 404),
    ("POST", "/inbox/api/channels/{}/check"): ("/inbox/api/channels/1/check", {"key": KEY}, 404),
    ("POST", "/inbox/api/channels/{}/test"): ("/inbox/api/channels/1/test", {"key": KEY}, 404),
    ("GET", "/inbox/api/bots"): ("/inbox/api/bots", None, 200),
    ("POST", "/inbox/api/bots"): ("/inbox/api/bots", {"key": KEY, "name": ""}, 400),
    ("POST", "/inbox/api/bots/check"): ("/inbox/api/bots/check", {"script": "[]"}, 200),
    ("POST", "/inbox/api/bots/play"): ("/inbox/api/bots/play", {"script": "[]"}, 400),
    ("GET", "/inbox/api/bots/{}"): ("/inbox/api/bots/1", None, 404),
    ("PATCH", "/inbox/api/bots/{}"): ("/inbox/api/bots/1", {"key": KEY, "is_enabled": False}, 404),
    ("DELETE", "/inbox/api/bots/{}"): ("/inbox/api/bots/1", {"key": KEY}, 404),
    ("GET", "/inbox/api/bots/{}/versions"): ("/inbox/api/bots/1/versions", None, 404),
    ("POST", "/inbox/api/bots/{}/versions"): (
        "/inbox/api/bots/1/versions",
        {"key": KEY, "script": '[{"question": []}]'},
        404,
    ),
    ("GET", "/inbox/api/bots/{}/versions/{}"): ("/inbox/api/bots/1/versions/1", None, 404),
    ("POST", "/inbox/api/bots/{}/publish"): ("/inbox/api/bots/1/publish", {"key": KEY, "version": 1}, 404),
    ("POST", "/inbox/api/bots/{}/roll-back"): ("/inbox/api/bots/1/roll-back", {"key": KEY}, 404),
    ("GET", "/inbox/api/bots/{}/runs"): ("/inbox/api/bots/1/runs", None, 404),
    ("GET", "/inbox/api/bot-runs/{}"): ("/inbox/api/bot-runs/1", None, 404),
    ("POST", "/inbox/api/conversations/{}/bot"): (
        "/inbox/api/conversations/1/bot",
        {"key": KEY, "bot_id": 1},
        404,
    ),
    ("POST", "/inbox/api/conversations/{}/bot/stop"): (
        "/inbox/api/conversations/1/bot/stop",
        {"key": KEY},
        404,
    ),
    ("GET", "/inbox/api/leads/{}"): ("/inbox/api/leads/1", None, 404),
    ("PATCH", "/inbox/api/leads/{}"): ("/inbox/api/leads/1", {"key": KEY, "name": "x"}, 404),
    ("POST", "/inbox/api/leads/{}/notes"): (
        "/inbox/api/leads/1/notes",
        {"key": KEY, "entity": "leads", "text": "x"},
        404,
    ),
    ("GET", "/inbox/api/unsorted"): ("/inbox/api/unsorted", None, 200),
    ("POST", "/inbox/api/unsorted/{}/accept"): (f"/inbox/api/unsorted/{UID}/accept", {"key": KEY}, 404),
    ("POST", "/inbox/api/unsorted/{}/decline"): (f"/inbox/api/unsorted/{UID}/decline", {"key": KEY}, 404),
    ("GET", "/inbox/api/pipelines"): ("/inbox/api/pipelines", None, 200),
}


@pytest.fixture
async def office(store_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(store_url, tmp_path) as opened:
        await opened.add_operator()
        yield opened


@pytest.fixture
async def sqlite_office(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    """For what is the same on either store."""
    async with open_office(sqlite_url, tmp_path) as opened:
        await opened.add_operator()
        yield opened


@dataclass
class Talk:
    """A visitor who has written, and the operator who reads it."""

    office: Office
    visitor: Visitor
    operator: httpx.AsyncClient
    conversation_id: int

    @property
    def cookie(self) -> str:
        return f"knopka={self.operator.cookies['knopka']}"

    @property
    def path(self) -> str:
        return f"/inbox/api/conversations/{self.conversation_id}"

    async def summary(self) -> dict[str, Any]:
        answer = await self.operator.get(self.path)
        assert answer.status_code == 200
        shown: dict[str, Any] = answer.json()
        return shown

    async def card_path(self) -> str:
        return f"/inbox/api/leads/{(await self.summary())['lead_id']}"

    async def reply(self, key: str, text: str) -> httpx.Response:
        return await self.operator.post(f"{self.path}/messages", json={"key": key, "text": text})


@asynccontextmanager
async def talking(office: Office) -> AsyncIterator[Talk]:
    async with office.visitor() as visitor, office.operator() as operator:
        taken = await visitor.write("Есть ли 42-й размер?")
        yield Talk(office, visitor, operator, taken["conversation"]["id"])


@pytest.fixture
async def talk(office: Office) -> AsyncIterator[Talk]:
    async with talking(office) as opened:
        yield opened


@pytest.fixture
async def sqlite_talk(sqlite_office: Office) -> AsyncIterator[Talk]:
    async with talking(sqlite_office) as opened:
        yield opened


# Who may


def list_routes(office: Office) -> set[tuple[str, str]]:
    """Every method and path under /inbox/api that the application answers by HTTP."""
    app: Any = office.house.app
    while not isinstance(app, Litestar):
        app = app.app
    return {
        (method, re.sub(r"\{[^}]*\}", "{}", route.path))
        for route in app.routes
        if route.path.startswith("/inbox/api/")
        for method in getattr(route, "methods", ())
        if method not in ("OPTIONS", "HEAD")
    }


async def test_every_route_has_its_row_here(sqlite_office: Office) -> None:
    assert list_routes(sqlite_office) == ROUTES.keys()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_who_may_call_a_route(sqlite_office: Office, route: tuple[str, str]) -> None:
    """S-AC-06: signed in from our own site, and nobody else; a refusal stores nothing and tells nothing."""
    path, body, status = ROUTES[route]
    method = route[0]
    office = sqlite_office

    async def call(client: httpx.AsyncClient, **headers: str) -> int:
        answer = await client.request(method, path, json=body, headers=headers)
        return answer.status_code

    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    async with office.browser(**{"x-knopka": "inbox"}) as stranger:
        assert await call(stranger) == 401
        assert await call(stranger, cookie="knopka=" + "A" * 43) == 401
        assert await call(stranger, **foreign) == 403
    async with office.operator() as operator:
        assert await call(operator, **foreign) == 403
        assert await call(operator, **{"sec-fetch-site": "same-site"}) == 403
        if method != "GET":
            assert await call(operator, **{"x-knopka": ""}) == 403
            assert await call(operator, origin="https://evil.example") == 403
            assert await call(operator, origin="null", **{"sec-fetch-site": ""}) == 403
        assert await call(operator) == status


@pytest.mark.parametrize("route", [route for route in ROUTES if route[0] != "GET"], ids=" ".join)
async def test_a_change_is_taken_as_json_alone(sqlite_office: Office, route: tuple[str, str]) -> None:
    path, _, _ = ROUTES[route]
    async with sqlite_office.operator() as operator:
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "",
        ):
            answer = await operator.request(route[0], path, content=b"{}", headers={"content-type": kind})
            assert answer.status_code == 415
        for content in (b"", b"{", b"[]", b'{"key":"a","key":"b"}', b'{"key":NaN}', b"\xff"):
            answer = await operator.request(
                route[0], path, content=content, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 400
        answer = await operator.request(route[0], path, json={"key": KEY, "account_id": 2, "is_admin": True})
        assert answer.status_code == 400
        assert {"$.account_id", "$.is_admin"} <= {fault["path"] for fault in answer.json()["error"]["faults"]}


@pytest.mark.parametrize(
    "ident",
    [
        "0",
        "-1",
        "1.0",
        "9" * 15,
        "9" * 19,
        "9" * 40,
        "abc",
        "%00",
        "1%20",
        "١",
        "1'--",
        UID,
        "f" * 32,
        "F" * 32,
    ],
)
async def test_ids_of_nobody_get_one_and_the_same_answer(sqlite_office: Office, ident: str) -> None:
    """S-AC-02: missing, foreign and unreadable are one."""
    async with sqlite_office.operator() as operator:
        expected = (await operator.get("/inbox/api/conversations/404")).content
        for path in (f"conversations/{ident}", f"conversations/{ident}/messages", f"leads/{ident}"):
            answer = await operator.get(f"/inbox/api/{path}")
            assert (answer.status_code, answer.content) == (404, expected)
        answer = await operator.post(f"/inbox/api/unsorted/{ident}/accept", json={"key": KEY})
        assert (answer.status_code, answer.content) == (404, expected)
        answer = await operator.post(
            f"/inbox/api/leads/{ident}/notes", json={"key": KEY, "entity": "leads", "text": "x"}
        )
        assert (answer.status_code, answer.content) == (404, expected)


def cursor(place: bytes) -> str:
    """What a list gives as `next`, or would never give."""
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


@pytest.mark.parametrize(
    "query",
    [
        "conversations?status=all;drop",
        "conversations?limit=0",
        "conversations?limit=101",
        "conversations?limit=x",
        "conversations?before=x",
        "conversations?before=" + "A" * 500,
        "changes",
        "changes?since=-1",
        "changes?since=1e9",
        "changes?since=" + "9" * 30,
        "changes?since=253402300800000",
        "unsorted?before=%00",
        *(f"conversations?before={cursor(place)}" for place in (b"[9223372036854775808,1]", b"[1,-1e30]")),
        *(f"unsorted?before={cursor(place)}" for place in (b'[1,"\xff"]', b'[1,"\\u0000"]')),
        "unsorted?limit=-5",
    ],
)
async def test_a_query_that_cannot_be_read_is_named(sqlite_office: Office, query: str) -> None:
    async with sqlite_office.operator() as operator:
        answer = await operator.get(f"/inbox/api/{query}")
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_input"


async def test_an_unknown_address_under_the_api_is_not_the_page(sqlite_office: Office) -> None:
    async with sqlite_office.operator() as operator:
        for path in ("/inbox/api/nothing", "/inbox/api", "/inbox/assets/nothing.js"):
            answer = await operator.get(path)
            assert answer.status_code in (404, 503)
            assert not answer.headers["content-type"].startswith("text/html")


# What operators see


async def test_me(sqlite_office: Office) -> None:
    async with sqlite_office.operator() as operator:
        me = (await operator.get("/inbox/api/me")).json()
    assert me["operator"] == {"id": 1, "login": LOGIN, "name": "Анна"}
    assert me["account"] == {
        "id": 1,
        "name": "Лавка",
        "locale": "ru",
        "timezone": "Europe/Moscow",
        "currency": "RUB",
    }
    assert abs(me["now"] / 1000 - sqlite_office.database.clock().timestamp()) < 60


async def test_a_new_conversation_stands_in_the_list(talk: Talk) -> None:
    page = (await talk.operator.get("/inbox/api/conversations")).json()
    (shown,) = page["conversations"]
    assert shown["id"] == talk.conversation_id
    assert shown["status"] == "open"
    assert shown["unread"] == page["unread"] == 1
    assert shown["last_message"]["text"] == "Есть ли 42-й размер?"
    assert shown["page_url"] == f"{SHOP}/shoes"
    assert shown["unsorted"]["state"] == "unsorted"
    assert page["next"] is None
    assert shown == await talk.summary()
    closed = (await talk.operator.get("/inbox/api/conversations?status=closed")).json()
    assert closed["conversations"] == []


async def test_the_list_goes_on_page_by_page(sqlite_office: Office) -> None:
    async with sqlite_office.operator() as operator:
        for number in range(5):
            async with sqlite_office.visitor() as visitor:
                await visitor.write(f"Сообщение {number}")
        pages = [(await operator.get("/inbox/api/conversations?limit=2")).json()]
        while pages[-1]["next"] is not None:
            path = f"/inbox/api/conversations?limit=2&before={pages[-1]['next']}"
            pages.append((await operator.get(path)).json())
    seen = [[shown["last_message"]["text"] for shown in page["conversations"]] for page in pages]
    assert seen == [
        ["Сообщение 4", "Сообщение 3"],
        ["Сообщение 2", "Сообщение 1"],
        ["Сообщение 0"],
    ]


async def test_an_answer_is_given_once_however_often_it_is_sent(talk: Talk) -> None:
    first = await talk.reply(KEY, "Есть, примерить?")
    again = await talk.reply(KEY, "Есть, примерить?")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.json()["author"] == {"kind": "operator", "name": "Анна"}
    assert (first.json()["seq"], first.json()["direction"]) == (2, "out")
    other = await talk.reply(KEY, "Нет")
    assert other.status_code == 409
    messages = (await talk.operator.get(f"{talk.path}/messages")).json()["messages"]
    assert [message["text"] for message in messages] == ["Есть ли 42-й размер?", "Есть, примерить?"]


@pytest.mark.parametrize("text", ["", "  ", "x" * 10_001])
async def test_a_text_that_is_no_message_is_refused(sqlite_talk: Talk, text: str) -> None:
    answer = await sqlite_talk.reply(KEY, text)
    assert answer.status_code == 400
    assert len((await sqlite_talk.operator.get(f"{sqlite_talk.path}/messages")).json()["messages"]) == 1


async def test_messages_are_read_before_and_after_a_number(sqlite_talk: Talk) -> None:
    for number in range(2, 7):
        await sqlite_talk.visitor.write(f"{number}")

    async def numbers(query: str) -> list[int]:
        answer = await sqlite_talk.operator.get(f"{sqlite_talk.path}/messages?{query}")
        return [message["seq"] for message in answer.json()["messages"]]

    assert await numbers("limit=3") == [4, 5, 6]
    assert await numbers("before=4&limit=2") == [2, 3]
    assert await numbers("after=4&limit=50") == [5, 6]


async def test_reading_closing_and_opening_again(talk: Talk) -> None:
    assert (await talk.operator.post(f"{talk.path}/read", json={"seq": 1})).status_code == 204
    assert (await talk.summary())["unread"] == 0
    assert (await talk.summary())["operator_read_seq"] == 1
    closed = await talk.operator.post(f"{talk.path}/close", json={"key": "closing-key-1"})
    assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    opened = await talk.operator.post(f"{talk.path}/reopen", json={"key": "opening-key-1"})
    assert (opened.status_code, opened.json()["status"]) == (200, "open")


async def test_the_card_and_the_operator_s_word_on_it(talk: Talk) -> None:
    path = await talk.card_path()
    edit = {"key": KEY, "name": "Кроссовки", "price": 4990, "contact_name": "Иван"}
    answer = await talk.operator.patch(path, json=edit)
    assert answer.status_code == 200
    card = (await talk.operator.get(path)).json()
    assert card == answer.json()
    assert (card["lead"]["name"], card["lead"]["price"], card["contact"]["name"]) == (
        "Кроссовки",
        4990,
        "Иван",
    )
    assert (await talk.summary())["visitor_name"] == "Иван"
    assert (await talk.operator.patch(path, json=edit)).status_code == 200
    assert (await talk.operator.patch(path, json={**edit, "price": 1})).status_code == 409
    part = {"key": KEY, "name": "Кроссовки"}
    assert (await talk.operator.patch(path, json=part)).status_code == 409
    other = {"key": "edit-key-2", "price": 1}
    assert (await talk.operator.patch(path, json=other)).status_code == 200
    other_part = {"key": "edit-key-2", "name": "Сапоги"}
    assert (await talk.operator.patch(path, json=other_part)).status_code == 409
    assert (await talk.operator.patch(path, json={"key": "edit-key-3", "price": 4990})).status_code == 200
    lead = (await talk.operator.get(path)).json()["lead"]
    assert (lead["name"], lead["price"]) == ("Кроссовки", 4990)


@pytest.mark.parametrize(
    "edit",
    [
        {},
        {"name": ""},
        {"name": None},
        {"price": "1"},
        {"price": 1.5},
        {"price": -1},
        {"price": True},
        {"status_id": 142},
    ],
)
async def test_an_edit_that_is_none_changes_nothing(sqlite_talk: Talk, edit: dict[str, Any]) -> None:
    path = await sqlite_talk.card_path()
    before = (await sqlite_talk.operator.get(path)).json()
    good = {"contact_name": "Иван"} if edit else {}
    answer = await sqlite_talk.operator.patch(path, json={"key": KEY, **good, **edit})
    assert answer.status_code == 400
    assert (await sqlite_talk.operator.get(path)).json() == before


@pytest.mark.parametrize("entity", ["leads", "contacts"])
async def test_a_note_stands_on_its_card(sqlite_talk: Talk, entity: str) -> None:
    path = await sqlite_talk.card_path()
    note = {"key": KEY, "entity": entity, "text": "Перезвонить"}
    first = await sqlite_talk.operator.post(f"{path}/notes", json=note)
    assert first.status_code == 201
    assert (await sqlite_talk.operator.post(f"{path}/notes", json=note)).json() == first.json()
    card = (await sqlite_talk.operator.get(path)).json()
    shown = [one for one in card["notes"] if one["params"].get("text") == "Перезвонить"]
    assert [(one["entity_type"], one["entity_id"]) for one in shown] == [
        (entity, card["lead" if entity == "leads" else "contact"]["id"])
    ]
    wrong = await sqlite_talk.operator.post(f"{path}/notes", json={**note, "entity": "companies"})
    assert wrong.status_code == 400


async def test_an_unsorted_lead_is_accepted_into_a_stage(talk: Talk) -> None:
    (waiting,) = (await talk.operator.get("/inbox/api/unsorted")).json()["unsorted"]
    assert waiting["conversation_id"] == talk.conversation_id
    (pipeline,) = (await talk.operator.get("/inbox/api/pipelines")).json()["pipelines"]
    stage = [status for status in pipeline["statuses"] if status["type"] != 1][1]
    body = {"key": KEY, "pipeline_id": pipeline["id"], "status_id": stage["id"]}
    path = f"/inbox/api/unsorted/{waiting['uid']}"
    answer = await talk.operator.post(f"{path}/accept", json=body)
    assert answer.status_code == 200
    assert answer.json()["lead"]["status_id"] == stage["id"]
    assert answer.json()["unsorted"]["state"] == "accepted"
    assert (await talk.operator.post(f"{path}/accept", json=body)).status_code == 200
    assert (await talk.operator.post(f"{path}/decline", json={"key": "decline-key"})).status_code == 409
    assert (await talk.operator.get("/inbox/api/unsorted")).json()["unsorted"] == []
    assert (await talk.summary())["unsorted"]["state"] == "accepted"


async def test_an_unsorted_lead_is_declined(talk: Talk) -> None:
    (waiting,) = (await talk.operator.get("/inbox/api/unsorted")).json()["unsorted"]
    path = f"/inbox/api/unsorted/{waiting['uid']}"
    wrong = await talk.operator.post(f"{path}/accept", json={"key": KEY, "pipeline_id": 1, "status_id": 7})
    assert wrong.status_code == 400
    answer = await talk.operator.post(f"{path}/decline", json={"key": KEY})
    assert answer.json()["unsorted"]["state"] == "declined"
    assert (await talk.operator.get("/inbox/api/unsorted")).json()["unsorted"] == []


async def test_verdicts_and_errors_speak_the_language_that_is_asked_for(sqlite_talk: Talk) -> None:
    meta = {"visit": "v" * 22, "calls": [{"key": "meta-key-1", "params": {"lead": {"name": "Кеды"}}}]}
    source = sqlite_talk.office.source
    async with httpx.AsyncClient(base_url=sqlite_talk.office.url, trust_env=False) as page:
        sent = await page.post(
            f"/w/meta/{source.public_id}/{source.hash}", json=meta, headers={"origin": SHOP}
        )
        assert sent.status_code == 200
    path = await sqlite_talk.card_path()
    names = []
    for language in ("ru", "en"):
        card = (await sqlite_talk.operator.get(path, headers={"accept-language": language})).json()
        names.append(card["site_data"][0]["verdict_name"])
    assert re.search("[а-я]", names[0])
    assert re.fullmatch("[ -~]+", names[1])


# Live


async def test_a_visitor_s_message_reaches_the_operator_live_and_the_answer_the_visitor(talk: Talk) -> None:
    async with open_line(talk.office, talk.cookie) as inbox, visitor_line(talk.office, talk.visitor) as frame:
        await hear_of(frame, "message")  # the first one, sent before the frame was open
        taken = await talk.visitor.write("И белые?")
        heard = await hear_of(inbox, "conversation")
        while heard["message"] is None:
            heard = await hear_of(inbox, "conversation")
        assert {name: heard["message"][name] for name in taken["message"]} == taken["message"]
        assert heard["conversation"] == await talk.summary()
        assert (await hear_of(frame, "message"))["message"] == taken["message"]
        answer = (await talk.reply(KEY, "И белые")).json()
        got = await hear_of(frame, "message")
        seen = {name: answer[name] for name in taken["message"]}
        assert got == {"type": "message", "conversation_id": talk.conversation_id, "message": seen}
        await talk.operator.post(f"{talk.path}/read", json={"seq": 2})
        assert (await hear_of(frame, "seen"))["operator_read_seq"] == 2


async def test_a_new_visitor_appears_in_every_open_inbox(talk: Talk) -> None:
    async with open_line(talk.office, talk.cookie) as inbox, talk.office.visitor() as other:
        taken = await other.write("Здравствуйте")
        heard = await hear_of(inbox, "conversation")
        assert heard["conversation"]["id"] == taken["conversation"]["id"] != talk.conversation_id
        assert heard["conversation"]["unread"] == 1


async def test_a_cut_is_bridged_from_the_cursor_without_a_lost_message(talk: Talk) -> None:
    """What came while there was no socket is in the changes, and each thread's gap is read by number."""
    async with open_line(talk.office, talk.cookie):
        cursor = (await talk.operator.get("/inbox/api/conversations")).json()["cursor"]
    for number in range(3):
        await talk.visitor.write(f"пропущено {number}")
    async with talk.office.visitor() as other, open_line(talk.office, talk.cookie) as inbox:
        new = await other.write("Новый разговор")
        changes = (await talk.operator.get(f"/inbox/api/changes?since={cursor}")).json()
        changed = {shown["id"]: shown for shown in changes["conversations"]}
        assert changed.keys() == {talk.conversation_id, new["conversation"]["id"]}
        assert changed[talk.conversation_id]["last_seq"] == 4
        assert not changes["more"]
        missed = (await talk.operator.get(f"{talk.path}/messages?after=1")).json()["messages"]
        assert [message["text"] for message in missed] == [f"пропущено {number}" for number in range(3)]
        assert changes["cursor"] >= cursor
        await hear_of(inbox, "conversation")


async def test_a_visitor_s_cut_is_bridged_from_the_last_number(talk: Talk) -> None:
    async with visitor_line(talk.office, talk.visitor, talk.conversation_id, 1):
        pass
    for number in range(3):
        await talk.reply(f"operator-key-{number}", f"пропущено {number}")
    async with visitor_line(talk.office, talk.visitor, talk.conversation_id, 1) as frame:
        texts = [(await hear_of(frame, "message"))["message"]["text"] for _ in range(3)]
        assert texts == [f"пропущено {number}" for number in range(3)]


async def test_typing_is_seen_on_the_other_side_and_stored_nowhere(talk: Talk) -> None:
    async with (
        open_line(talk.office, talk.cookie) as inbox,
        visitor_line(talk.office, talk.visitor, talk.conversation_id, 1) as frame,
    ):
        before = await talk.summary()
        said = {"type": "typing", "conversation_id": talk.conversation_id}
        await inbox.send(f'{{"type": "typing", "conversation_id": {talk.conversation_id}}}')
        assert await hear(frame) == said
        await frame.send('{"type": "typing"}')
        assert await hear(inbox) == said
        assert await talk.summary() == before


async def test_another_visitor_hears_nothing_of_it(talk: Talk) -> None:
    async with talk.office.visitor() as other:
        own = await other.write("Здравствуйте")
        async with visitor_line(talk.office, other, own["conversation"]["id"], 1) as frame:
            await talk.reply(KEY, "Только вам")
            await frame.send('{"type": "ping"}')
            assert (await hear(frame))["type"] == "pong"


# The page


async def test_the_page_has_a_policy_that_runs_our_own_script_alone(sqlite_office: Office) -> None:
    async with sqlite_office.operator() as operator:
        for path in ("/inbox", "/inbox/", "/inbox/c/1/card"):
            answer = await operator.get(path)
            if answer.status_code == 503:
                pytest.fail("the browser code is not built: make build")
            assert answer.status_code == 200
            policy = answer.headers["content-security-policy"].split("; ")
            assert {
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "connect-src 'self'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
                "trusted-types svelte-trusted-html",
            } <= set(policy)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"


async def test_nobody_in_the_inbox_decides_where_a_channels_links_begin(sqlite_office: Office) -> None:
    body = {"key": KEY, "kind": "telegram", "values": {"token": "1:x", "link_base": "javascript:alert(1)//"}}
    async with sqlite_office.operator() as operator:
        answer = await operator.post("/inbox/api/channels", json=body)
        assert answer.status_code == 400
        assert [fault["path"] for fault in answer.json()["error"]["faults"]] == ["$.values.link_base"]
        assert (await operator.get("/inbox/api/channels")).json()["channels"] == []


async def test_what_a_channel_asks_for_is_told_in_the_operators_language(sqlite_office: Office) -> None:
    hints = []
    async with sqlite_office.operator() as operator:
        for language in ("ru", "en"):
            told = await operator.get("/inbox/api/channels", headers={"accept-language": language})
            (telegram,) = [kind for kind in told.json()["kinds"] if kind["kind"] == "telegram"]
            hints.append(telegram["parameters"][0]["hint"])
    assert re.search("[а-я]", hints[0])
    assert re.fullmatch("[ -~]+", hints[1])
