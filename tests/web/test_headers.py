"""The headers of every surface (S-HDR-01), and the operators' host that stands apart."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from knopka.web.openapi import OPERATIONS, SOCKET
from tests.web.running import SHOP, Running, running

pytestmark = pytest.mark.anyio

NOTHING = "default-src 'none'; frame-ancestors 'none'; sandbox"
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; "
    "report-uri /w/csp"
)
EVERYWHERE = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
API = {
    "content-security-policy": NOTHING,
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
ASSET = {
    "content-security-policy": NOTHING,
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
}
PAGE_API = {**API, "vary": "Origin"}
INBOX = {
    "content-security-policy": f"{PAGE}; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

FORMS = ("/inbox/sign-in", "/inbox/sign-out", "/inbox/setup")
"""A form of a page without referrer would come with the Origin "null"."""


def expected(path: str) -> dict[str, str]:
    """The snapshot, by surface; a page of its own policy is tested beside its handler."""
    if path.startswith(("/js/", "/v0", "/v1", "/w/static/")):
        return ASSET
    if path.startswith(("/w/meta/", "/w/config/")):
        return PAGE_API
    if path.startswith("/w/frame/"):
        return {"cross-origin-resource-policy": "cross-origin", "cache-control": "no-store"}
    if path.startswith("/inbox"):
        return {name: value for name, value in INBOX.items() if name != "content-security-policy"}
    return API


@pytest.fixture
async def server(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(sqlite_url, tmp_path) as server:
        yield server


@pytest.fixture
async def https(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A server as a proxy with TLS shows it, with a host of its own for operators."""
    base, inbox = "https://chat.example", "https://desk.example"
    async with running(sqlite_url, tmp_path, KNOPKA_BASE_URL=base, KNOPKA_INBOX_URL=inbox) as server:
        yield server


async def test_S_HDR_01_every_answer_carries_the_headers_of_its_surface(server: Running) -> None:
    server.pretend_built()
    routes = [(o.method, o.path) for o in OPERATIONS if o.method != SOCKET]
    differing = {route: await compare(server, *route) for route in routes}
    assert {route: found for route, found in differing.items() if found} == {}


async def compare(server: Running, method: str, path: str) -> dict[str, tuple[str | None, str]]:
    """What differs from the snapshot, with what it should be."""
    real = path.replace("{id}/{hash}", server.button).replace("{name}", "chat-0.js").replace("{id}", "1")
    answer = await server.client.request(method, real, headers={"origin": SHOP})
    wanted = EVERYWHERE | expected(path)
    if path in FORMS and "text/html" in answer.headers.get("content-type", ""):
        wanted["referrer-policy"] = "same-origin"
    if path.startswith("/w/config/") and method == "GET":
        wanted["cache-control"] = "public, max-age=300"
    told = {name: answer.headers.get(name) for name in wanted}
    assert "server" not in answer.headers
    assert "=()" in answer.headers["permissions-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    return {name: (told[name], wanted[name]) for name in wanted if told[name] != wanted[name]}


async def test_an_unknown_path_has_the_strictest_headers(server: Running) -> None:
    answer = await server.client.get("/nowhere")
    assert answer.headers["content-security-policy"] == NOTHING
    assert answer.headers["cache-control"] == "no-store"


async def test_the_frame_of_a_button_names_its_sites_and_no_other_page_does(server: Running) -> None:
    server.pretend_built()
    frame = await server.client.get(f"/w/frame/{server.button}")
    policy = frame.headers["content-security-policy"]
    assert policy == f"{PAGE}; trusted-types 'none'; frame-ancestors {SHOP} {server.url}"
    assert "set-cookie" not in frame.headers


async def test_every_feature_is_named_once_and_off(server: Running) -> None:
    named = (await server.client.get("/healthz")).headers["permissions-policy"].split(", ")
    assert len(named) == len(set(named)) > 10
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*=\(\)", feature) and len(feature) > 5 for feature in named)


async def test_plain_http_promises_no_tls(server: Running) -> None:
    assert "strict-transport-security" not in (await server.client.get("/healthz")).headers


async def test_https_is_promised_for_two_years(https: Running) -> None:
    answer = await https.client.get("/healthz", headers={"host": "chat.example"})
    assert answer.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"


PLACES = [
    ("desk.example", "/inbox/sign-in", True),
    ("DESK.example", "/inbox/sign-in", True),
    ("chat.example", "/inbox/sign-in", False),
    ("chat.example", "//inbox/sign-in", False),
    ("chat.example", "/inbox//sign-in/", False),
    ("desk.example", "/js/button.js", False),
    ("desk.example", "//js//button.js", False),
    ("desk.example", "/w/frame/{button}", False),
    ("chat.example", "/w/frame/{button}", True),
    ("desk.example", "/api/v4/bots", False),
    ("chat.example", "/api/v4/bots", True),
    ("desk.example", "/healthz", True),
    ("chat.example", "/healthz", True),
]


async def test_operators_have_a_host_of_their_own_and_visitors_another(https: Running) -> None:
    https.pretend_built()
    for host, path, is_there in PLACES:
        url = https.url + path.format(button=https.button)
        answer = await https.client.get(url, headers={"host": host})
        assert (answer.status_code != 404) == is_there, (host, path)


async def test_a_report_of_a_policy_is_taken_on_both_hosts(https: Running) -> None:
    report = {"csp-report": {"effective-directive": "img-src", "blocked-uri": "inline"}}
    for host in ("desk.example", "chat.example"):
        assert (await https.client.post("/w/csp", json=report, headers={"host": host})).status_code == 204
