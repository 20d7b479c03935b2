"""What the server does with clients that send too much, too slowly or too cleverly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from litestar import Request

from knopka.db.database import Health
from knopka.domain.errors import TooLarge
from knopka.web.bodies import read_body
from knopka.web.server import Deadlines
from tests.web.running import Running, running

pytestmark = pytest.mark.anyio

QUICK = Deadlines(head=0.3, body=0.9, grace=0.4, pace=1024, check=0.1, idle=1, linger=0.2)
HEAD = b"POST /w/csp HTTP/1.1\r\nhost: x\r\ncontent-type: application/csp-report\r\n"


@pytest.fixture
async def server(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(sqlite_url, tmp_path, deadlines=QUICK) as server:
        yield server


class Line:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, url: str) -> Line:
        host, port = url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self) -> tuple[int, dict[str, object]]:
        """The status of the next answer, and its body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length"))
        body = await self.reader.readexactly(length)
        return int(lines[0].split()[1]), json.loads(body) if body else {}

    async def ends(self) -> bool:
        """Whether the server closes the connection without a further word."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True

    def close(self) -> None:
        self.writer.close()


@pytest.fixture
async def line(server: Running) -> AsyncIterator[Line]:
    line = await Line.open(server.url)
    yield line
    line.close()


def code(answer: tuple[int, dict[str, object]]) -> tuple[int, str]:
    error = answer[1]["error"]
    assert isinstance(error, dict)
    return answer[0], error["code"]


async def test_a_usual_request_is_answered_and_the_connection_kept(line: Line) -> None:
    for _ in range(3):
        line.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await line.hear() == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"x-long: " + b"a" * 9000 + b"\r\n", id="one header over 8 KiB"),
        pytest.param(b"".join(b"x-%d: 1\r\n" % number for number in range(101)), id="over 100 headers"),
        pytest.param(b"".join(b"x-%d: %s\r\n" % (n, b"a" * 4000) for n in range(5)), id="over 16 KiB"),
        pytest.param(b"x-endless: " + b"a" * 20_000, id="a header that does not end"),
    ],
)
async def test_heads_over_the_limit_are_refused_with_431(line: Line, head: bytes) -> None:
    line.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n")
    assert code(await line.hear()) == (431, "headers_too_large")
    assert await line.ends()


async def test_an_address_over_the_limit_is_refused_with_431(line: Line) -> None:
    line.send(b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    assert code(await line.hear()) == (431, "headers_too_large")


async def test_heads_just_under_the_limits_pass(line: Line) -> None:
    many = b"".join(b"x-%d: %s\r\n" % (number, b"a" * 80) for number in range(98))
    line.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + many + b"\r\n")
    assert (await line.hear())[0] == 200
    line.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 8000 + b"\r\n\r\n")
    assert (await line.hear())[0] == 200


async def test_a_large_body_in_the_same_piece_is_no_large_head(line: Line) -> None:
    body = b"[" + b" " * 15_000 + b"]"
    line.send(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body + b"GET /healthz HTTP/1.1\r\nhost")
    assert (await line.hear())[0] == 400
    line.send(b": x\r\n\r\n")
    assert (await line.hear())[0] == 200


async def test_headers_that_trickle_in_are_cut_off(line: Line) -> None:
    line.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
    assert code(await line.hear()) == (408, "too_slow")
    assert await line.ends()


async def test_a_connection_that_says_nothing_is_closed(line: Line) -> None:
    assert code(await line.hear()) == (408, "too_slow")
    assert await line.ends()


async def test_the_head_of_a_later_request_has_its_deadline_too(line: Line) -> None:
    line.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    await line.hear()
    line.send(b"GET /heal")
    assert code(await line.hear()) == (408, "too_slow")


async def test_a_body_that_stops_coming_is_cut_off(line: Line) -> None:
    line.send(HEAD + b"content-length: 1000\r\n\r\n{")
    assert code(await line.hear()) == (408, "too_slow")
    assert await line.ends()


async def test_a_body_under_the_least_pace_is_cut_off_long_before_its_deadline(
    sqlite_url: str, tmp_path: Path
) -> None:
    patient = replace(QUICK, body=600.0)
    async with running(sqlite_url, tmp_path, deadlines=patient) as server:
        line = await Line.open(server.url)
        line.send(HEAD + b"content-length: 1000\r\n\r\n{")
        with anyio.fail_after(5):
            assert code(await line.hear()) == (408, "too_slow")
        line.close()


async def test_a_body_at_a_fair_pace_is_cut_off_at_its_deadline(sqlite_url: str, tmp_path: Path) -> None:
    slowest = replace(QUICK, grace=0.0, pace=0)
    async with running(sqlite_url, tmp_path, deadlines=slowest) as server:
        line = await Line.open(server.url)
        line.send(HEAD + b"content-length: 1000\r\n\r\n{")
        with anyio.fail_after(5):
            assert code(await line.hear()) == (408, "too_slow")
        line.close()


async def test_an_idle_connection_is_closed_without_a_word(line: Line) -> None:
    line.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    await line.hear()
    assert await line.ends()


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param(b"content-length: 2\r\ntransfer-encoding: chunked\r\n", id="both lengths"),
        pytest.param(b"transfer-encoding: chunked\r\ncontent-length: 2\r\n", id="both, the other way"),
        pytest.param(b"content-length: 2\r\ncontent-length: 3\r\n", id="two lengths"),
        pytest.param(b"content-length: -2\r\n", id="negative length"),
        pytest.param(b"content-length: 2 2\r\n", id="no number"),
        pytest.param(b"transfer-encoding: gzip, chunked, identity\r\n", id="chunked is not last"),
    ],
)
async def test_framing_that_can_be_read_in_two_ways_is_refused_and_closed(line: Line, framing: bytes) -> None:
    line.send(HEAD + framing + b"\r\n{}")
    status, _ = await line.hear()
    assert status == 400
    assert await line.ends()


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\0\0\0"]
)
async def test_what_is_no_request_gets_400(line: Line, junk: bytes) -> None:
    line.send(junk)
    assert (await line.hear())[0] == 400


@pytest.mark.parametrize("hosts", [b"", b"host: x\r\nHost: x\r\n", b"host: x\r\nhost: y\r\n"])
async def test_RFC_9112_a_request_without_exactly_one_host_is_refused_and_closed(
    line: Line, hosts: bytes
) -> None:
    line.send(b"GET /healthz HTTP/1.1\r\n" + hosts + b"\r\n")
    assert code(await line.hear()) == (400, "bad_request")
    assert await line.ends()


@pytest.mark.parametrize(("hosts", "status"), [(b"", 200), (b"host: x\r\n" * 2, 400)])
async def test_RFC_9112_http_1_0_knew_no_host_but_never_two(line: Line, hosts: bytes, status: int) -> None:
    line.send(b"GET /healthz HTTP/1.0\r\n" + hosts + b"\r\n")
    assert (await line.hear())[0] == status


async def test_a_great_many_requests_in_one_piece_are_refused(line: Line) -> None:
    line.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 500)
    answered = await line.reader.read()
    assert answered.count(b"HTTP/1.1 200") <= 20
    assert b"HTTP/1.1 400" in answered


async def test_compressed_bodies_are_refused(server: Running) -> None:
    headers = {"content-type": "application/csp-report", "content-encoding": "gzip"}
    answer = await server.client.post("/w/csp", content=b"\x1f\x8b", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "wrong_media_type")


async def test_not_a_byte_is_read_after_the_one_too_many() -> None:
    parts = 0

    async def receive() -> Any:
        nonlocal parts
        parts += 1
        return {"type": "http.request", "body": b"x" * 600, "more_body": True}

    scope: Any = {"type": "http", "method": "POST", "path": "/", "headers": [], "state": {}}
    with pytest.raises(TooLarge):
        await read_body(Request(scope, receive), 1000)
    assert parts == 2


async def test_bodies_over_the_cap_are_refused_while_they_come(server: Running) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 65_536

    headers = {"content-type": "application/csp-report"}
    answer = await server.client.post("/w/csp", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


async def test_bodies_announced_over_the_cap_are_not_even_read(server: Running) -> None:
    headers = {"content-type": "application/csp-report"}
    answer = await server.client.post("/w/csp", content=b" " * 1_000_000, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


async def test_no_more_sockets_than_allowed_are_open_at_once(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path, limits="sockets_per_address = 3") as server:
        lines = [await Line.open(server.url) for _ in range(3)]
        for line in lines:
            line.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await line.hear())[0] == 200
        refused = await Line.open(server.url)
        assert code(await refused.hear()) == (503, "too_many_sockets")
        lines[0].close()
        await lines[0].writer.wait_closed()
        async with asyncio.timeout(5):
            while True:
                again = await Line.open(server.url)
                again.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                if (await again.hear())[0] == 200:
                    break
        for line in (*lines, refused, again):
            line.close()


async def test_proxy_headers_count_only_from_a_trusted_peer(sqlite_url: str, tmp_path: Path) -> None:
    limits = 'reports_per_address = "2/min"'
    report = {"csp-report": {"effective-directive": "img-src", "blocked-uri": "inline"}}

    async def send(server: Running, address: str) -> int:
        headers = {"x-forwarded-for": address}
        return (await server.client.post("/w/csp", json=report, headers=headers)).status_code

    async with running(sqlite_url, tmp_path, limits=limits) as server:
        assert [await send(server, f"198.51.100.{n}") for n in range(3)] == [204, 204, 429]


async def test_a_trusted_proxy_speaks_for_each_of_its_callers(sqlite_url: str, tmp_path: Path) -> None:
    limits = 'reports_per_address = "2/min"'
    report = {"csp-report": {"effective-directive": "img-src", "blocked-uri": "inline"}}
    async with running(sqlite_url, tmp_path, limits=limits, KNOPKA_TRUSTED_PROXIES="127.0.0.1") as server:
        for number in range(4):
            headers = {"x-forwarded-for": f"6.6.6.6, 198.51.100.{number}"}
            assert (await server.client.post("/w/csp", json=report, headers=headers)).status_code == 204
        again = {"x-forwarded-for": "198.51.100.0"}
        assert (await server.client.post("/w/csp", json=report, headers=again)).status_code == 204
        refused = await server.client.post("/w/csp", json=report, headers=again)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1


async def test_the_server_says_nothing_of_itself(server: Running) -> None:
    answer = await server.client.get("/healthz")
    assert "server" not in answer.headers


async def test_a_wrong_method_is_told_which_ones_are_right(server: Running) -> None:
    answer = await server.client.put("/healthz")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_the_numbers_are_for_this_machine_alone(server: Running) -> None:
    assert (await server.client.get("/metrics")).status_code == 200
    through_proxy = await server.client.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"})
    assert through_proxy.status_code == 404


async def test_the_numbers_can_be_read_by_a_collector(server: Running) -> None:
    answer = await server.client.get("/metrics")
    assert "knopka_store_ok 1.0" in answer.text
    assert "knopka_sockets 1.0" in answer.text


@pytest.mark.parametrize("report", [{"x": 1}, [], [1], {"csp-report": "x"}, "text"])
async def test_what_is_no_report_is_refused(server: Running, report: object) -> None:
    answer = await server.client.post("/w/csp", json=report)
    assert answer.status_code == 400


async def test_a_report_in_either_shape_is_counted(server: Running) -> None:
    new = [
        {
            "type": "csp-violation",
            "body": {"effectiveDirective": "img-src", "blockedURL": "https://x.example"},
        }
    ]
    old = {"csp-report": {"effective-directive": "img-src", "blocked-uri": "https://x.example"}}
    for report in (new, old):
        assert (await server.client.post("/w/csp", json=report)).status_code == 204
    assert server.house.web.csp_reports == 2


async def test_a_failing_store_is_told_by_readyz_and_not_by_healthz(server: Running) -> None:
    assert (await server.client.get("/readyz")).status_code == 200
    server.house.database.health = Health("failing", "disk full at /var", datetime(2026, 1, 1, tzinfo=UTC))
    answer = await server.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not_ready", "store": "failing", "since": "2026-01-01T00:00:00+00:00"}
    assert (await server.client.get("/healthz")).status_code == 200


async def test_a_line_that_the_proxy_added_below_the_callers_own_is_the_one_that_counts(
    sqlite_url: str, tmp_path: Path
) -> None:
    report = {"csp-report": {"effective-directive": "img-src", "blocked-uri": "inline"}}
    limits = 'reports_per_address = "2/min"'
    async with running(sqlite_url, tmp_path, limits=limits, KNOPKA_TRUSTED_PROXIES="127.0.0.1") as server:
        statuses = []
        for number in range(3):
            lines = [("x-forwarded-for", f"6.6.6.{number}"), ("x-forwarded-for", "198.51.100.7")]
            statuses.append((await server.client.post("/w/csp", json=report, headers=lines)).status_code)
    assert statuses == [204, 204, 429]
