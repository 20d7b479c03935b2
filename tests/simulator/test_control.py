"""The simulator's own addresses: entry links, its files, the API for tests, and what it refuses."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from knopka.simulator.accounts import Kind
from knopka.simulator.run import run_simulator
from tests.simulator.conftest import CODE, MESSENGER, TELEGRAM, VIBER, VK, Stage, shown

pytestmark = pytest.mark.anyio

ACCOUNTS: list[dict[str, Any]] = [
    {"platform": "telegram", "token": "1:AA", "username": "other_bot", "title": "Other"},
    {
        "platform": "messenger",
        "page_id": "7",
        "page_token": "t",
        "app_id": "8",
        "app_secret": "s",
        "username": "other",
        "name": "Other",
    },
    {"platform": "viber", "token": "t", "uri": "other", "name": "Other"},
    {"platform": "vk", "group_id": 9, "token": "t", "screen_name": "other", "name": "Other"},
]


async def act(stage: Stage, person: int, action: str, **given: Any) -> httpx.Response:
    return await stage.http.post(f"/api/persons/{person}/{action}", json=given)


@pytest.mark.parametrize("account", ACCOUNTS, ids=[one["platform"] for one in ACCOUNTS])
async def test_an_account_is_opened(stage: Stage, account: dict[str, Any]) -> None:
    answer = await stage.http.post("/api/accounts", json=account)
    assert answer.status_code == 201
    assert answer.json().keys() == {"platform", "account"}
    for name in account.keys() - {"platform"}:
        less = {key: value for key, value in account.items() if key != name}
        for bad in (less, account | {name: ""}, account | {name: True}, account | {"colour": "red"}):
            assert (await stage.http.post("/api/accounts", json=bad)).status_code == 400, bad


async def test_an_account_with_a_new_token_keeps_its_chats(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    given = {"platform": "viber", "token": "new", "uri": VIBER.uri, "name": "Shop"}
    await stage.http.post("/api/accounts", json=given)
    assert (await stage.send(chat, "Hi")).json()["status"] == 2
    body = {
        "receiver": chat.user_id,
        "type": "text",
        "text": "Hi",
        "sender": {"name": "Shop"},
        "auth_token": "new",
    }
    assert (await stage.http.post("/viber/pa/send_message", json=body)).json()["status"] == 0


async def test_a_whole_story_by_http_alone(stage: Stage) -> None:
    await stage.connect_telegram()
    person = (await stage.http.post("/api/persons", json={})).json()["id"]
    opened = await act(stage, person, "open", link=stage.link(Kind.TELEGRAM))
    assert opened.json()["account"] == "shop_bot"
    for action, given in [
        ("start", {}),
        ("say", {"text": "Hello"}),
        ("attach", {"what": "contact"}),
        ("attach", {"what": "file", "name": "a.txt", "type": "text/plain", "content": "aGk="}),
        ("block", {}),
        ("unblock", {}),
    ]:
        answer = await act(stage, person, action, platform="telegram", **given)
        assert answer.status_code == 200, answer.text
    assert (await stage.http.post("/api/settle", json={})).json() == {"settled": True}
    log = (await stage.http.get("/api/log", params={"platform": "telegram", "person": person})).json()
    assert [entry["outcome"] for entry in log if entry["what"] == "push"] == ["200"] * 6
    state = (await stage.http.get("/api/state", params={"person": person})).json()
    lines = state["windows"][0]["chats"]["shop_bot"]["lines"]
    assert [line["text"] for line in lines] == ["/start", "Hello", "", ""]
    media = lines[3]["media"]
    assert media["name"] == "a.txt"
    assert (await stage.http.get(media["url"])).content == base64.b64decode("aGk=")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/persons/1/say", {"platform": "telegram", "text": ""}, 400),
        ("/api/persons/1/say", {"platform": "icq", "text": "Hi"}, 400),
        ("/api/persons/1/say", {"platform": "telegram", "text": "Hi"}, 409),
        ("/api/persons/1/fly", {"platform": "telegram"}, 404),
        ("/api/persons/99/say", {"platform": "telegram", "text": "Hi"}, 404),
        ("/api/persons/1/attach", {"platform": "vk", "what": "hologram"}, 400),
        ("/api/persons/1/attach", {"platform": "vk", "what": "file", "content": "?"}, 400),
        ("/api/persons/1/press", {"platform": "vk", "label": "Nothing"}, 404),
        ("/api/persons/1/edit", {"platform": "vk", "line": "7", "text": "x"}, 404),
        ("/api/persons/1/open", {"link": "https://t.me/shop_bot?start=x"}, 404),
        ("/api/persons/1/open", {"link": "/open/telegram/unknown_bot?start=x"}, 404),
        ("/api/readings", {"vk_ref": "sometimes"}, 400),
        ("/api/faults", {"fault": "gremlins"}, 400),
        ("/api/clock", {"advance": "1d"}, 400),
        ("/api/nothing", {}, 404),
        ("/api/settle", [], 400),
    ],
)
async def test_what_cannot_be_done_is_refused(stage: Stage, path: str, body: Any, status: int) -> None:
    stage.person()
    answer = await stage.http.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json().keys() >= {"error", "message"}


async def test_faults_readings_and_the_clock_are_set_by_http(stage: Stage) -> None:
    chat = await stage.meet(Kind.MESSENGER)
    fault = (await stage.http.post("/api/faults", json={"fault": "too_many", "times": 2})).json()
    assert (await stage.send(chat, "Hi")).json()["error"]["code"] == 613
    state = (await stage.http.get("/api/state")).json()
    assert [(one["trouble"], one["times"]) for one in state["faults"]] == [("too_many", 1)]
    await stage.http.request("DELETE", "/api/faults", json={"id": fault["id"]})
    assert (await stage.send(chat, "Hi")).status_code == 200
    await stage.http.post("/api/faults", json={"fault": "too_many"})
    assert (await stage.http.request("DELETE", "/api/faults", json={})).json() == {"faults": 0}
    readings = (await stage.http.post("/api/readings", json={"vk_ref": "on every message"})).json()
    assert readings["vk_ref"] == "on every message"
    await stage.http.post("/api/clock", json={"advance": 90_000})
    assert (await stage.send(chat, "Hi")).json()["error"]["code"] == 10


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_link_opens_the_page_as_a_person_of_this_browser(stage: Stage, kind: Kind) -> None:
    path = stage.link(kind).removeprefix(stage.url)
    first = await stage.http.get(path)
    assert first.status_code == 303
    assert first.headers["location"] == f"/?person=1&account={account_of(kind)}#{kind}"
    assert "HttpOnly" in first.headers["set-cookie"]
    again = await stage.http.get(path)
    assert again.headers["location"] == first.headers["location"]
    stage.http.cookies.clear()
    other = await stage.http.get(path)
    assert "person=2&" in other.headers["location"]
    named = await stage.http.get(f"{path}&person=1")
    assert named.headers["location"] == first.headers["location"]
    assert (await stage.http.get(f"{path}&person=77")).status_code == 404
    chats = {chat.link.code for chat in stage.simulator.stand_in(kind).chats.values() if chat.link}
    assert chats == {CODE}


def account_of(kind: Kind) -> str:
    match kind:
        case Kind.TELEGRAM:
            return TELEGRAM.username
        case Kind.MESSENGER:
            return MESSENGER.page_id
        case Kind.VIBER:
            return VIBER.uri
        case Kind.VK:
            return str(VK.group_id)


async def test_an_unknown_bot_opens_nothing(stage: Stage) -> None:
    answer = await stage.http.get("/open/telegram/unknown_bot?start=x")
    assert answer.status_code == 404
    assert "set-cookie" not in answer.headers


async def test_the_state_waits_for_a_change(stage: Stage) -> None:
    version = (await stage.http.get("/api/state")).json()["version"]
    waiting = stage.http.build_request("GET", "/api/state", params={"after": version})
    stage.person()
    answer = await stage.http.send(waiting)
    assert answer.json()["version"] > version


async def test_only_json_changes_anything(stage: Stage) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await stage.http.post("/api/persons", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415
    assert stage.simulator.world.people == {}


async def test_a_foreign_host_name_is_refused(stage: Stage) -> None:
    for name, status in [("shop.example", 421), ("127.0.0.1.shop.example", 421), ("localhost:1", 200)]:
        answer = await stage.http.get("/api/state", headers={"host": name})
        assert answer.status_code == status


async def test_the_page_may_load_its_own_files_alone(stage: Stage) -> None:
    answer = await stage.http.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ")
    assert "unsafe" not in policy
    for name in ("page.js", "words.js", "page.css", "icon.svg"):
        assert (await stage.http.get(f"/page/{name}")).status_code == 200
    assert (await stage.http.get("/page/../app.py")).status_code == 404
    assert (await stage.http.get("/page/%2e%2e/app.py")).status_code == 404


async def test_a_file_that_is_no_picture_is_only_ever_a_download(stage: Stage) -> None:
    person = stage.person()
    given = {"what": "file", "name": "x.html", "type": "text/html", "content": "PHNjcmlwdD4="}
    await act(stage, person, "attach", platform="vk", **given)
    [line] = stage.simulator.show_state(person)["windows"][3]["chats"]["123"]["lines"]
    answer = await stage.http.get(line["media"]["url"])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_no_secret_is_shown(stage: Stage) -> None:
    chats = [await stage.meet(kind) for kind in Kind]
    for chat in chats:
        await stage.send(chat, "Hi")
    person = chats[0].person.number
    texts = [
        (await stage.http.get("/api/state", params={"person": person})).text,
        (await stage.http.get("/api/log")).text,
        repr([TELEGRAM, MESSENGER, VIBER, VK]),
    ]
    tokens = (TELEGRAM.token, MESSENGER.page_token, VIBER.token, VK.token)
    secrets = (*tokens, MESSENGER.app_secret, "s3cret_T-1", "s3cret")
    assert not [secret for secret in secrets for text in texts if secret in text]


async def test_people_of_another_run_are_other_people(stage: Stage) -> None:
    other = await run_simulator(pace=0.001)
    try:
        other.simulator.world.seed = stage.simulator.world.seed + 1
        for account in (TELEGRAM, MESSENGER, VIBER, VK):
            other.simulator.add_account(account)
        for kind in Kind:
            here = stage.simulator.chat(stage.person(), kind)
            there = other.simulator.chat(other.simulator.add_person().number, kind)
            assert here.user_id != there.user_id
    finally:
        await other.stop()


async def test_stopping_lets_held_connections_go(stage: Stage) -> None:
    chat = await stage.meet(Kind.VK)
    stage.fault("timeout_after_accept")
    stage.http.timeout = httpx.Timeout(0.05)
    with pytest.raises(httpx.ReadTimeout):
        await stage.send(chat, "Hi")
    assert shown(chat) == ["Hi"]
