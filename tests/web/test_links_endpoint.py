"""What a page says of its messengers' links, through real HTTP: the code, and the link as a QR code."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import segno
from sqlalchemy import select

from knopka.db.database import Row, Transaction
from knopka.db.statement import Statement
from knopka.db.tables import entry_links
from knopka.domain.messaging import ChannelKind, DeepLink, EntryToken, SetupReport, shorten
from knopka.services.channels import add_channel, store_report
from knopka.services.links import hash_code
from knopka.services.vault import Vault
from knopka.web.links import draw_code
from tests.web.running import SHOP, VISIT, Running, running

pytestmark = pytest.mark.anyio

CODE = "Abcdefghij_KLMNOPQRST-uvwxyz0123"
PAGE = {"url": f"{SHOP}/tea", "title": "Tea", "referrer": ""}
TELEGRAM = DeepLink("https://t.me/shop_bot?start={code}")
VIBER = DeepLink("viber://pa?chatURI=shop&context={code}&text=Hi%20%5Bkn%3A{short}%5D", needs_app=True)
STORED = Statement(select(entry_links))


def list_links(tx: Transaction) -> list[Row]:
    return list(tx.rows(STORED))


@pytest.fixture
async def server(store_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(store_url, tmp_path) as server:
        await add_messengers(server)
        yield server


@pytest.fixture
async def small(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A server on SQLite alone, for what never reaches the store."""
    async with running(sqlite_url, tmp_path) as server:
        await add_messengers(server)
        yield server


async def add_messengers(server: Running) -> None:
    vault, write = Vault(server.house.web.secret_key), server.house.database.write
    for kind, link in ((ChannelKind.TELEGRAM, TELEGRAM), (ChannelKind.VIBER, VIBER)):
        made = await write(add_channel, vault, kind, (), {}, None, f"key-{kind}", key="channels")
        await write(store_report, made.id, SetupReport(kind.value), link=link, key="channels")
    await server.house.web.reload_catalog()


def said(**changed: Any) -> dict[str, Any]:
    return {"visit": VISIT, "page": PAGE, "code": CODE, **changed}


async def send(server: Running, what: str, body: Any, **headers: str) -> httpx.Response:
    given = {"origin": SHOP, "content-type": "text/plain;charset=UTF-8", **headers}
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return await server.client.post(f"/w/{what}/{server.button}", content=text, headers=given)


def fault_of(answer: httpx.Response) -> tuple[int, str, str]:
    (fault,) = answer.json()["error"]["faults"]
    return answer.status_code, fault["path"], fault["code"]


async def test_a_code_is_kept_with_its_visit_and_page(server: Running) -> None:
    answer = await send(server, "link", said())
    assert (answer.status_code, answer.content) == (204, b"")
    (link,) = await server.house.database.read(list_links)
    assert link["code_hash"] == hash_code(CODE)
    assert link["short_code"] == shorten(EntryToken(CODE))
    assert (link["page_url"], link["page_title"]) == (PAGE["url"], PAGE["title"])
    assert link["visit_id"] is not None
    assert CODE not in str(link)


async def test_a_code_that_is_told_again_is_one_code(server: Running) -> None:
    for _ in range(2):
        assert (await send(server, "link", said())).status_code == 204
    assert len(await server.house.database.read(list_links)) == 1


async def test_json_is_read_as_well(small: Running) -> None:
    answer = await send(small, "link", said(), **{"content-type": "application/json"})
    assert answer.status_code == 204


@pytest.mark.parametrize("what", ["link", "qr"])
async def test_the_page_may_read_the_answer_and_nobody_else(small: Running, what: str) -> None:
    answer = await send(small, what, said(kind="viber"))
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("what", ["link", "qr"])
async def test_a_browser_that_asks_first_is_told_what_it_may_send(small: Running, what: str) -> None:
    path = f"/w/{what}/{small.button}"
    answer = await small.client.options(path, headers={"origin": SHOP})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-methods"] == "POST"
    stranger = await small.client.options(path, headers={"origin": "https://evil.example"})
    assert stranger.status_code == 404


@pytest.mark.parametrize("what", ["link", "qr"])
async def test_S_WEB_04_another_site_and_an_unknown_button_are_told_the_same(
    small: Running, what: str
) -> None:
    other_site = await send(small, what, said(kind="viber"), origin="https://evil.example")
    no_site = await small.client.post(f"/w/{what}/{small.button}", json=said(kind="viber"))
    unknown = await small.client.post(
        f"/w/{what}/{small.source.public_id}/{'0' * 32}", json=said(kind="viber"), headers={"origin": SHOP}
    )
    assert {answer.status_code for answer in (other_site, no_site, unknown)} == {404}
    assert other_site.json() == no_site.json() == unknown.json()
    assert await small.house.database.read(list_links) == []


@pytest.mark.parametrize("what", ["link", "qr"])
@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (None, "missing"),
        ("a" * 31, "bad_id"),
        ("a" * 33, "bad_id"),
        ("a" * 31 + "+", "bad_id"),
        ("a" * 32 + "\n", "bad_id"),
        ("ж" * 32, "bad_id"),
        (7, "bad_id"),
        (["a" * 32], "bad_id"),
    ],
)
async def test_what_is_no_code_is_refused_with_its_place(
    small: Running, what: str, code: Any, fault: str
) -> None:
    answer = await send(small, what, said(code=code, kind="viber"))
    assert fault_of(answer) == (400, "$.code", fault)
    assert await small.house.database.read(list_links) == []


@pytest.mark.parametrize(
    ("body", "status"), [("", 400), ("[]", 400), ("{", 400), ('{"visit":1', 400), ("x" * 70_000, 413)]
)
async def test_what_cannot_be_read_is_refused(small: Running, body: str, status: int) -> None:
    assert (await send(small, "link", body)).status_code == status


async def test_a_form_is_not_read(small: Running) -> None:
    answer = await send(small, "link", said(), **{"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("what", "limit"), [("link", "meta_per_visit"), ("link", "meta_per_address"), ("qr", "qr_per_address")]
)
async def test_codes_count_for_their_visit_and_their_address(
    sqlite_url: str, tmp_path: Path, what: str, limit: str
) -> None:
    async with running(sqlite_url, tmp_path, limits=f'{limit} = "2/min"') as server:
        await add_messengers(server)
        statuses = [
            (await send(server, what, said(code=f"{n}" * 32, kind="viber"))).status_code for n in range(3)
        ]
        assert statuses[:2] == [204, 204] if what == "link" else [200, 200]
        assert statuses[2] == 429
        assert len(await server.house.database.read(list_links)) == 2


async def test_a_qr_code_is_the_channels_link_and_tells_its_code(server: Running) -> None:
    answer = await send(server, "qr", said(kind="viber"))
    assert answer.status_code == 200
    short = shorten(EntryToken(CODE))
    assert answer.json() == draw_code(f"viber://pa?chatURI=shop&context={CODE}&text=Hi%20%5Bkn%3A{short}%5D")
    (link,) = await server.house.database.read(list_links)
    assert link["code_hash"] == hash_code(CODE)


@pytest.mark.parametrize("kind", [None, "whatsapp", "onsite", "", 7, ["viber"], {"viber": 1}])
async def test_a_kind_that_the_button_has_not_is_refused(small: Running, kind: Any) -> None:
    answer = await send(small, "qr", said(kind=kind))
    assert fault_of(answer) == (400, "$.kind", "missing" if kind is None else "unknown_kind")
    assert await small.house.database.read(list_links) == []


def paint(drawn: dict[str, Any]) -> list[list[int]]:
    """The modules that the path fills, as a browser would."""
    rows = [[0] * drawn["size"] for _ in range(drawn["size"])]
    runs = re.findall(r"M(\d+),(\d+)h(\d+)v1h-(\d+)z", drawn["path"])
    assert "".join(f"M{x},{y}h{w}v1h-{back}z" for x, y, w, back in runs) == drawn["path"]
    for x, y, width, back in runs:
        assert width == back
        for at in range(int(x), int(x) + int(width)):
            rows[int(y)][at] += 1
    return rows


@pytest.mark.parametrize("text", ["a", TELEGRAM.url, VIBER.url * 3])
def test_the_path_fills_the_modules_of_the_code_and_leaves_a_quiet_zone(text: str) -> None:
    wanted = [list(row) for row in segno.make(text, micro=False).matrix_iter(border=4)]
    assert paint(draw_code(text)) == wanted


async def test_S_WEB_14_a_qr_code_has_a_rate_of_its_own(sqlite_url: str, tmp_path: Path) -> None:
    limits = 'meta_per_address = "1/min"\nmeta_per_visit = "1/min"\nqr_per_address = "2/min"\n'
    async with running(sqlite_url, tmp_path, limits=limits) as server:
        await add_messengers(server)
        drawn = [(await send(server, "qr", said(kind="viber"))).status_code for _ in range(3)]
        told = [(await send(server, "link", said())).status_code for _ in range(2)]
    assert (drawn, told) == ([200, 200, 429], [204, 429])
