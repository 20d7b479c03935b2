"""What a page sends by setMeta, through real HTTP: what is taken, and what is refused with its place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import anyio
import httpx
import pytest

from knopka.db.database import Database
from knopka.domain.catalog import SourceDraft
from knopka.services.catalog import add_source
from knopka.web.meta import weigh
from tests.web.running import SHOP, VISIT, Running, running

pytestmark = pytest.mark.anyio

NAME = {"lead": {"name": "A box of tea"}}


@pytest.fixture
async def server(store_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(store_url, tmp_path) as server:
        yield server


@pytest.fixture
async def small(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A server on SQLite alone, for what never reaches the store."""
    async with running(sqlite_url, tmp_path) as server:
        yield server


async def send(server: Running, body: bytes | str, path: str = "", **headers: str) -> httpx.Response:
    given = {"origin": SHOP, "content-type": "application/json", **headers}
    return await server.client.post(f"/w/meta/{server.button}{path}", content=body, headers=given)


def verdicts_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {v["path"]: v["verdict"] for call in answer.json()["calls"] for v in call["verdicts"]}


async def test_a_call_is_taken_and_each_path_told(server: Running) -> None:
    answer = await server.post_meta(NAME)
    assert answer.json() == {
        "calls": [
            {
                "key": "key-00000",
                "verdicts": [
                    {
                        "path": "lead.name",
                        "verdict": "waiting_for_lead",
                        "reason": answer.json()["calls"][0]["verdicts"][0]["reason"],
                    }
                ],
            }
        ],
        "window": None,
    }


async def test_the_page_may_read_the_answer_and_nobody_else(server: Running) -> None:
    answer = await server.post_meta(NAME)
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["access-control-expose-headers"] == "Retry-After"


async def test_text_plain_with_json_is_read_for_beacons(server: Running) -> None:
    body = json.dumps({"visit": VISIT, "calls": [{"key": "key-00000", "params": NAME}]})
    answer = await send(server, body, **{"content-type": "text/plain;charset=UTF-8"})
    assert verdicts_of(answer) == {"lead.name": "waiting_for_lead"}


async def test_the_bracket_form_of_the_page_is_read_as_one_call(server: Running) -> None:
    form = {
        "visit": VISIT,
        "key": "key-00000",
        "page[url]": SHOP,
        "lead[name]": "A box",
        "note[text]": "green",
    }
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = await send(server, urlencode(form), **kind)
    assert verdicts_of(answer) == {"lead.name": "waiting_for_lead", "note": "waiting_for_lead"}
    assert answer.json()["calls"][0]["key"] == "key-00000"


async def test_calls_are_answered_in_their_order(server: Running) -> None:
    answer = await server.post_meta(NAME, {"note": {"text": "green"}}, {"test": True})
    assert [call["key"] for call in answer.json()["calls"]] == ["key-00000", "key-00001", "key-00002"]
    assert verdicts_of(answer)["test"] == "ignored_unknown_key"


async def test_the_same_key_gives_the_same_answer_and_stores_nothing_new(server: Running) -> None:
    first = await server.post_meta(NAME)
    rows = await server.count_rows()
    again = await server.post_meta(NAME)
    assert again.json() == first.json()
    assert await server.count_rows() == rows


async def test_the_same_key_with_another_body_is_a_conflict(server: Running) -> None:
    await server.post_meta(NAME)
    rows = await server.count_rows()
    answer = await server.post_meta({"lead": {"name": "Another"}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert await server.count_rows() == rows


async def test_what_waited_can_be_asked_for_later(server: Running) -> None:
    await server.post_meta(NAME)
    answer = await server.client.post(
        f"/w/meta/{server.button}/verdicts",
        json={"visit": VISIT, "keys": ["key-00000", "key-unknown"]},
        headers={"origin": SHOP},
    )
    assert verdicts_of(answer) == {"lead.name": "waiting_for_lead"}


async def test_another_visit_learns_nothing_of_the_calls_of_this_one(server: Running) -> None:
    await server.post_meta(NAME)
    answer = await server.client.post(
        f"/w/meta/{server.button}/verdicts",
        json={"visit": "w" * 22, "keys": ["key-00000"]},
        headers={"origin": SHOP},
    )
    assert verdicts_of(answer) == {}


async def test_one_bad_path_does_not_lose_the_rest(server: Running) -> None:
    answer = await server.post_meta(
        {"lead": {"name": 5, "sale": "much"}, "note": {"text": "good"}, "contact": "x"}
    )
    verdicts = verdicts_of(answer)
    assert verdicts["note"] == "waiting_for_lead"
    assert all(
        verdict.startswith("refused_")
        for path, verdict in verdicts.items()
        if path not in ("note", "lead.name")
    )


def sent(rest: str) -> str:
    return '{"visit":"' + VISIT + '",' + rest + "}"


def call(params: str) -> str:
    return sent('"calls":[{"key":"key-00000","params":' + params + "}]")


DEEP = "[" * 40 + "]" * 40
PLACE = "$.calls[0].params"
BAD = [
    pytest.param('{"visit":', 400, {"$": "not_json"}, id="unreadable JSON"),
    pytest.param("", 400, {"$": "not_json"}, id="nothing"),
    pytest.param("[]", 400, {"$": "not_an_object"}, id="an array"),
    pytest.param("null", 400, {"$": "not_an_object"}, id="null"),
    pytest.param(call(f'{{"lead":{DEEP}}}'), 400, {"$": "too_deep"}, id="too deep"),
    pytest.param(call("[" * 20_000 + "]" * 20_000), 400, {"$": "too_deep"}, id="much too deep"),
    pytest.param(call('{"a":1,"a":2}'), 400, {f"{PLACE}.a": "duplicate_key"}, id="duplicate key"),
    pytest.param(call('{"lead":{"sale":NaN}}'), 400, {f"{PLACE}.lead.sale": "not_a_number"}, id="NaN"),
    pytest.param(call('{"a":-Infinity}'), 400, {f"{PLACE}.a": "not_a_number"}, id="Infinity"),
    pytest.param(call('{"a":1e999}'), 400, {f"{PLACE}.a": "number_too_large"}, id="a number over all bounds"),
    pytest.param(
        call('{"lead":{"sale":%s}}' % ("9" * 40)),
        400,
        {f"{PLACE}.lead.sale": "integer_too_large"},
        id="40 digits",
    ),
    pytest.param(call('{"note":{"text":"\\u0000"}}'), 400, {f"{PLACE}.note.text": "nul"}, id="NUL"),
    pytest.param(
        call('{"note":{"text":"\\ud83d"}}'),
        400,
        {f"{PLACE}.note.text": "lone_surrogate"},
        id="lone surrogate",
    ),
    pytest.param(call("5"), 400, {PLACE: "not_an_object"}, id="params are no object"),
    pytest.param(call("null"), 400, {PLACE: "not_an_object"}, id="params are null"),
    pytest.param('{"calls":[{"key":"key-00000","params":{}}]}', 400, {"$.visit": "missing"}, id="no visit"),
    pytest.param(
        '{"visit":true,"calls":[{"key":"key-00000","params":{}}]}',
        400,
        {"$.visit": "bad_id"},
        id="visit is true",
    ),
    pytest.param(sent('"calls":[]'), 400, {"$.calls": "bad_list"}, id="no calls"),
    pytest.param(sent('"calls":{}'), 400, {"$.calls": "bad_list"}, id="calls are no list"),
    pytest.param(
        sent('"calls":[' + ",".join(['{"key":"key-00000","params":{}}'] * 21) + "]"),
        400,
        {"$.calls": "bad_list"},
        id="21 calls",
    ),
    pytest.param(sent('"calls":[1]'), 400, {"$.calls[0]": "not_an_object"}, id="a call is a number"),
    pytest.param(
        sent('"calls":[{"key":"x","params":{}}]'),
        400,
        {"$.calls[0].key": "bad_id"},
        id="short key",
    ),
    pytest.param(
        sent('"page":"x","calls":[{"key":"key-00000","params":{}}]'),
        400,
        {"$.page": "not_an_object"},
        id="page is a text",
    ),
    pytest.param(
        sent('"page":{"url":5},"calls":[{"key":"key-00000","params":{}}]'),
        400,
        {"$.page.url": "not_a_text"},
        id="address of the page is a number",
    ),
]


@pytest.mark.parametrize(("body", "status", "faults"), BAD)
async def test_what_cannot_be_read_is_refused_with_its_place_and_stores_nothing(
    small: Running, body: str, status: int, faults: dict[str, str]
) -> None:
    answer = await send(small, body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == "invalid_input"
    assert {fault["path"]: fault["code"] for fault in error["faults"]} == faults
    assert all(fault["message"] for fault in error["faults"])
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert await small.count_rows() == 0


async def test_unreadable_json_is_told_by_line_and_column(small: Running) -> None:
    answer = await send(small, '{\n  "visit": ,')
    fault = answer.json()["error"]["faults"][0]
    assert (fault["line"], fault["column"]) == (2, 12)


async def test_invalid_utf_8_is_told_by_line_and_column(small: Running) -> None:
    answer = await send(small, b'{"visit":\n"\xff"}')
    fault = answer.json()["error"]["faults"][0]
    assert (answer.status_code, fault["code"], fault["line"], fault["column"]) == (400, "not_utf8", 2, 2)


@pytest.mark.parametrize("body", [b"visit=%zz", b"lead[name=x", b"lead=1&lead[name]=2", b"a=%00", b"a=%ff"])
async def test_an_unreadable_form_is_refused(small: Running, body: bytes) -> None:
    answer = await send(small, body, **{"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_input")
    assert await small.count_rows() == 0


async def test_a_body_of_64_kib_is_read_and_one_byte_more_is_not(small: Running) -> None:
    empty = len(call('{"x":""}'))
    answer = await send(small, call('{"x":"%s"}' % ("a" * (65_536 - empty))))
    assert answer.status_code == 200
    answer = await send(small, call('{"x":"%s"}' % ("a" * (65_537 - empty))))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "kind", ["", "application/xml", "multipart/form-data", "application/json; charset=utf-16"]
)
async def test_another_kind_of_body_is_refused(small: Running, kind: str) -> None:
    answer = await send(small, call("{}"), **{"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "wrong_media_type")


async def test_an_unknown_button_and_a_foreign_page_get_the_same_404(small: Running) -> None:
    source = small.source
    unknown = [
        (f"/w/meta/nobody/{source.hash}", SHOP),
        (f"/w/meta/{source.public_id}/{'0' * 64}", SHOP),
        (f"/w/meta/{small.button}", "https://evil.example"),
        (f"/w/meta/{small.button}", "https://shop.example.evil.example"),
        (f"/w/meta/{small.button}", "http://shop.example"),
        (f"/w/meta/{small.button}", "null"),
        (f"/w/meta/{small.button}", ""),
    ]
    answers = []
    for path, origin in unknown:
        headers = {"content-type": "text/plain"} | ({"origin": origin} if origin else {})
        answers.append(await small.client.post(path, content=call(json.dumps(NAME)), headers=headers))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    told = [dict(answer.headers) | {"date": ""} for answer in answers]
    assert all(given == told[0] for given in told)
    assert "access-control-allow-origin" not in told[0]
    assert await small.count_rows() == 0


async def test_a_listed_page_may_ask_before_it_sends_json(small: Running) -> None:
    answer = await small.client.options(f"/w/meta/{small.button}", headers={"origin": SHOP})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-headers"] == "Content-Type"
    refused = await small.client.options(
        f"/w/meta/{small.button}", headers={"origin": "https://evil.example"}
    )
    assert refused.status_code == 404


async def test_too_many_calls_of_one_visit_are_refused_for_a_while(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path, limits='meta_per_visit = "5/min"') as server:
        await server.post_meta(*({"x": number} for number in range(4)))
        rows = await server.count_rows()
        answer = await send(
            server,
            json.dumps({"visit": VISIT, "calls": [{"key": f"late-{n:05}", "params": {}} for n in range(2)]}),
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert await server.count_rows() == rows
        other = json.dumps({"visit": "w" * 22, "calls": [{"key": "key-00000", "params": {}}]})
        assert (await send(server, other)).status_code == 200


async def test_S_IN_09_each_call_counts_for_its_address_and_so_does_a_bad_body(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with running(sqlite_url, tmp_path, limits='meta_per_address = "6/min"') as server:
        assert (await send(server, "{")).status_code == 400
        assert (await server.post_meta(*({"x": number} for number in range(5)))).status_code == 200
        assert (await send(server, "{")).status_code == 429


async def test_S_WEB_14_a_large_body_counts_for_its_address_as_more_calls(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with running(sqlite_url, tmp_path, limits='meta_per_address = "60/min"') as server:
        assert (await send(server, call('{"zzz":"%s"}' % ("a" * 60_000)))).status_code == 200
        large = call('{"zzz":"%s"}' % ("b" * 10_000)).replace("key-00000", "key-00001")
        assert (await send(server, large)).status_code == 429
        small = call("{}").replace("key-00000", "key-00002")
        assert (await send(server, small)).status_code == 200


@pytest.mark.parametrize("path", ["", "/verdicts"])
async def test_S_WEB_14_a_large_body_is_weighed_before_it_is_parsed(
    sqlite_url: str, tmp_path: Path, path: str
) -> None:
    async with running(sqlite_url, tmp_path, limits='meta_per_address = "8/min"') as server:
        answers = [await send(server, "[" * 9_000, path=path) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [400, 429]


@pytest.mark.parametrize(
    ("size", "calls"), [(0, 0), (4_096, 0), (4_097, 1), (5_120, 1), (5_121, 2), (65_536, 60)]
)
def test_D_08_a_body_beyond_4_kib_weighs_one_call_for_each_kib(size: int, calls: int) -> None:
    assert weigh(size) == calls


async def test_the_config_says_how_the_button_looks(small: Running) -> None:
    answer = await small.client.get(f"/w/config/{small.button}", headers={"origin": SHOP})
    assert answer.json() == {
        "id": small.source.public_id,
        "name": "Shop",
        "locale": "en",
        "inline": False,
        "color": "#2f6fed",
        "identity": "signed",
        "origins": [SHOP, small.url],
        "channels": [{"kind": "onsite", "title": None, "link": None, "needs_app": False}],
        "frame": f"/w/frame/{small.button}",
    }
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["vary"] == "Origin"


async def test_an_unchanged_config_is_not_sent_again(small: Running) -> None:
    first = await small.client.get(f"/w/config/{small.button}", headers={"origin": SHOP})
    headers = {"origin": SHOP, "if-none-match": first.headers["etag"]}
    again = await small.client.get(f"/w/config/{small.button}", headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["access-control-allow-origin"] == SHOP


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"referer": "{url}/demo"}, 200),
        ({"referer": "https://evil.example/"}, 404),
        ({"sec-fetch-site": "cross-site"}, 404),
        ({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, 404),
        ({}, 404),
    ],
)
async def test_a_page_of_ours_is_known_without_an_origin(
    small: Running, headers: dict[str, str], status: int
) -> None:
    given = {name: value.format(url=small.url) for name, value in headers.items()}
    assert (await small.client.get(f"/w/config/{small.button}", headers=given)).status_code == status


async def test_who_only_looks_costs_no_row(small: Running) -> None:
    for _ in range(3):
        await small.client.get(f"/w/config/{small.button}", headers={"origin": SHOP})
    await small.client.get("/js/button.js")
    assert await small.count_rows() == 0


async def test_a_button_added_beside_the_running_server_works_within_seconds(server: Running) -> None:
    other = await Database.open(server.store_url)
    source = await other.write(add_source, SourceDraft(name="New", origins=(SHOP,)), key="account")
    await other.close()
    changed = anyio.Event()
    server.house.catalogs.on_change = changed.set
    if server.house.web.catalog().find_source(source.public_id, source.hash) is None:
        with anyio.fail_after(5):
            await changed.wait()
    assert server.house.web.catalog().find_source(source.public_id, source.hash) == source
