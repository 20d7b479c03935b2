"""The built browser code as it is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import knopka
from knopka.domain.errors import NotFound, Unavailable
from knopka.web.static_files import StaticFiles, matches
from tests.web.running import Running, running

pytestmark = pytest.mark.anyio

LOADER = b"/* the loader */"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "widget").mkdir(parents=True)
    (folder / "widget/button.js").write_bytes(LOADER)
    (folder / "widget/button.js.br").write_bytes(b"brotli")
    (folder / "widget/button.js.gz").write_bytes(b"gzip")
    (folder / "widget/chat-0a1b.js").write_bytes(b"chat")
    (folder / ".built-from").write_bytes(b"hidden")
    manifest = {"button.js": {"file": "widget/button.js"}, "chat.js": {"file": "widget/chat-0a1b.js"}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
async def server(sqlite_url: str, tmp_path: Path, built: Path) -> AsyncIterator[Running]:
    async with running(sqlite_url, tmp_path) as server:
        server.house.web.static = StaticFiles(built)
        yield server


async def test_the_loader_may_be_five_minutes_old(server: Running) -> None:
    for path in ("/js/button.js", "/v1/button.js"):
        answer = await server.client.get(path, headers={"accept-encoding": "identity"})
        assert answer.content == LOADER
        assert answer.headers["cache-control"] == "public, max-age=300, stale-while-revalidate=86400"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_the_loader_of_a_release_never_changes(server: Running) -> None:
    path, plain = f"/v{knopka.__version__}/button.js", {"accept-encoding": "identity"}
    answer = await server.client.get(path, headers=plain)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await server.client.get("/v0.0.1/button.js")).status_code == 404


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br; q=0.000", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_the_smallest_copy_that_the_browser_takes_is_sent(
    server: Running, accepted: str, coding: str | None
) -> None:
    request = server.client.build_request("GET", "/js/button.js", headers={"accept-encoding": accepted})
    answer = await server.client.send(request, stream=True)
    sent = b"".join([part async for part in answer.aiter_raw()])
    await answer.aclose()
    assert answer.headers.get("content-encoding") == coding
    assert sent == {"br": b"brotli", "gzip": b"gzip", None: LOADER}[coding]
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_a_copy_that_is_still_good_is_not_sent_again(server: Running) -> None:
    first = await server.client.get("/js/button.js", headers={"accept-encoding": "identity"})
    again = await server.client.get("/js/button.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_head_tells_the_same_without_the_body(server: Running) -> None:
    answer = await server.client.head("/js/button.js", headers={"accept-encoding": "identity"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(LOADER))


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "../manifest.json",
        "..%2fmanifest.json",
        "%2e%2e/manifest.json",
        "button.js.br",
        ".built-from",
    ],
)
async def test_nothing_but_the_built_files_is_served(server: Running, name: str) -> None:
    assert (await server.client.get(f"/w/static/{name}")).status_code == 404


async def test_a_missing_build_is_told_in_plain_words(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path) as server:
        server.house.web.static = StaticFiles(tmp_path / "nowhere")
        answer = await server.client.get("/js/button.js")
        assert answer.status_code == 503
        assert "not built yet" in answer.text
        assert answer.headers["content-type"].startswith("text/plain")


def test_the_manifest_names_the_hashed_files(built: Path) -> None:
    files = StaticFiles(built)
    assert files.url("chat.js") == "/w/static/chat-0a1b.js"
    with pytest.raises(Unavailable):
        files.url("chat.css")
    with pytest.raises(NotFound):
        files.get("widget/chat-ffff.js")


@pytest.mark.parametrize(
    ("given", "is_match"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("", False),
        ("a", False),
    ],
)
def test_validators_are_compared_weakly(given: str, is_match: bool) -> None:
    assert matches(given, b'"a"') is is_match
