"""What strangers leave behind: nothing after a refusal, no words in the log, no way in by an empty header."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.web.running import running

pytestmark = pytest.mark.anyio

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize("end", [GET * 30, b"\0\r\n\r\n"])
async def test_requests_that_wait_behind_another_end_with_a_refusal(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, end: bytes
) -> None:
    async with running(sqlite_url, tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        writer.write(GET * 5 + end)
        heard = await reader.read()
        writer.close()
        assert (await server.client.get("/healthz")).status_code == 200
    assert heard.startswith(b"HTTP/1.1 400")
    assert heard.count(b"HTTP/1.1") == 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_an_empty_forwarded_header_is_from_somewhere_else_as_well(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A proxy adds its own line below the one that the caller sent empty."""
    async with running(sqlite_url, tmp_path) as server:
        for name in ("x-forwarded-for", "forwarded"):
            lines = [(name, ""), (name, "203.0.113.9")]
            assert (await server.client.get("/metrics", headers=lines)).status_code == 404


async def test_S_LOG_01_a_report_leaves_no_query_in_the_log(sqlite_url: str, tmp_path: Path) -> None:
    report = {"document-uri": "https://shop.example/tea?tel=+79990001122#mine", "blocked-uri": "inline"}
    async with running(sqlite_url, tmp_path) as server:
        with capture_logs() as logged:
            answer = await server.client.post(
                "/w/csp", json={"csp-report": report}, headers={"content-type": "application/csp-report"}
            )
    assert answer.status_code == 204
    assert [(entry["document"], entry["blocked"]) for entry in logged] == [
        ("https://shop.example/tea", "inline")
    ]
