"""What came with messages, as an operator's browser gets it: whole, or the piece that a player seeks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from knopka.db import attachments
from knopka.db import conversations as db_conversations
from knopka.db.database import Transaction
from knopka.domain.messaging import AttachmentKind, InAttachment
from knopka.files import make_name
from knopka.services.catalog import ACCOUNT
from tests.files.bucket import Bucket
from tests.files.server import listening
from tests.web.office import Office, open_office

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * 1000
SIZE = len(DATA)


@dataclass
class Player:
    """An operator's browser in front of one sound."""

    client: httpx.AsyncClient
    url: str

    async def ask(self, wanted: str, *, method: str = "GET", **headers: str) -> httpx.Response:
        return await self.client.request(method, self.url, headers={"range": wanted, **headers})


@pytest.fixture(params=["folder", "s3"])
async def player(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Player]:
    async with AsyncExitStack() as stack:
        files = str(tmp_path / "media")
        if request.param == "s3":
            server = await stack.enter_async_context(listening(Bucket(now=datetime.now(UTC))))
            key = "AKIDTEST:a%2Fb%2Bc%3D%3Dd"
            files = f"s3://{key}@127.0.0.1:{server.port}/media?region=eu-west-7&insecure=1"
        office = await stack.enter_async_context(open_office(sqlite_url, tmp_path, files=files))
        await office.add_operator()
        url = await keep_sound(office, tmp_path)
        yield Player(await stack.enter_async_context(office.operator()), url)


async def keep_sound(office: Office, folder: Path) -> str:
    """Have a sound lie in the store as if it had come with a visitor's message."""
    messengers = office.house.web.messengers
    assert messengers is not None
    async with office.visitor() as visitor:
        taken = await visitor.write("Послушайте")
    name, source = make_name(), folder / "sound"
    source.write_bytes(DATA)
    await messengers.files.put(name, source, "audio/ogg")
    number = await office.database.write(attach, taken["conversation"]["id"], name, key="attachment")
    return f"/inbox/api/files/{number}"


def attach(tx: Transaction, conversation_id: int, file: str, *, now: datetime) -> int:
    held = db_conversations.find_row(tx, ACCOUNT, conversation_id)
    assert held is not None
    (message,) = db_conversations.list_messages(tx, held, after=None, before=None, limit=1)
    came = InAttachment(kind=AttachmentKind.VOICE, source="https://cdn.example/1.ogg")
    kept = attachments.insert_attachment(tx, ACCOUNT, message, came, "1.ogg", now)
    attachments.store_attachment(
        tx, ACCOUNT, kept.id, file=file, name="1.ogg", mime="audio/ogg", size=SIZE, width=None, height=None
    )
    return kept.id


async def test_a_sound_is_given_whole_and_tells_that_it_can_be_sought(player: Player) -> None:
    answer = await player.client.get(player.url)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "audio/ogg"


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=1000-70999", 1000, 70_999),
        ("bytes=255999-", SIZE - 1, SIZE - 1),
        ("bytes=255999-99999999", SIZE - 1, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        ("bytes=-99999999", 0, SIZE - 1),
    ],
)
async def test_the_piece_that_a_player_seeks_is_given(
    player: Player, wanted: str, first: int, last: int
) -> None:
    answer = await player.ask(wanted)
    assert (answer.status_code, answer.content) == (206, DATA[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-disposition"].startswith("inline;")


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", "bytes=99999999-", "bytes=-0"])
async def test_behind_the_end_there_is_nothing(player: Player, wanted: str) -> None:
    answer = await player.ask(wanted)
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=0-1,4-5", "items=0-1", "0-1", "bytes=1e3-",
        "bytes=-1-2", "bytes=٣-٤".encode().decode("latin-1"), "bytes=" + "9" * 4000 + "-",
    ],
)  # fmt: skip
async def test_what_is_not_one_range_is_answered_with_the_whole(player: Player, wanted: str) -> None:
    answer = await player.client.get(player.url, headers={b"range": wanted.encode("latin-1")})
    assert (answer.status_code, answer.content) == (200, DATA)
    assert "content-range" not in answer.headers


async def test_a_piece_of_another_file_is_never_put_together_with_this_one(player: Player) -> None:
    etag = (await player.client.get(player.url)).headers["etag"]
    same = await player.ask("bytes=1-2", **{"if-range": etag})
    assert (same.status_code, same.content) == (206, DATA[1:3])
    for other in ('"another"', f"W/{etag}", "Thu, 26 Nov 2026 12:00:00 GMT"):
        answer = await player.ask("bytes=1-2", **{"if-range": other})
        assert (answer.status_code, len(answer.content)) == (200, SIZE)


async def test_head_tells_the_length_and_sends_nothing(player: Player) -> None:
    answer = await player.ask("bytes=1-2", method="HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["accept-ranges"] == "bytes"
