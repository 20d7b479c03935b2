"""What comes to the webhooks' addresses: who is let in, who is counted, and what is kept of it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from knopka.db.channels import update_channel
from knopka.db.statement import Statement
from knopka.db.tables import channel_events
from knopka.demo_messengers import SAMPLES
from knopka.domain.catalog import ChannelSetup
from knopka.domain.messaging import ChannelConfig, ChannelKind, SetupReport
from knopka.services.channels import add_channel, read_config, store_report
from knopka.services.vault import Vault
from tests.channels.contract import list_samples
from tests.web.running import Running, running

pytestmark = pytest.mark.anyio

KINDS = tuple(SAMPLES)
FEW = 'refused_webhooks_per_address = "3/min"\n'
EVENTS = Statement(select(channel_events.c.event).order_by(channel_events.c.id))
SAMPLE_BODIES = Path(__file__).parents[1] / "channels"


@dataclass
class Stage:
    """A server with one channel, and the platform's place in it."""

    server: Running
    setup: ChannelSetup
    config: ChannelConfig

    async def post(self, body: bytes, *, signed: bool = True, path: str | None = None) -> httpx.Response:
        where = f"/hooks/{self.setup.kind}/{self.setup.path if path is None else path}"
        headers = self._sign(body) if signed else {}
        return await self.server.client.post(where, content=body, headers=headers)

    def _sign(self, body: bytes) -> Mapping[str, str]:
        values = self.config.values
        match self.setup.kind:
            case ChannelKind.TELEGRAM:
                return {"x-telegram-bot-api-secret-token": self.config.webhook_secret}
            case ChannelKind.MESSENGER:
                return {"x-hub-signature-256": f"sha256={_mac(values['app_secret'], body)}"}
            case ChannelKind.VIBER:
                return {"x-viber-content-signature": _mac(values["token"], body)}
            case _:
                return {}

    def fill_in(self, body: dict[str, Any]) -> bytes:
        """A sample as this very channel's platform would have sent it."""
        match self.setup.kind:
            case ChannelKind.VK:
                body["secret"] = self.config.webhook_secret
                body["group_id"] = int(self.config.values["group_id"])
            case ChannelKind.MESSENGER:
                for entry in body.get("entry", []):
                    entry["id"] = self.config.values["page_id"]
            case _:
                pass
        return json.dumps(body).encode()

    async def kept(self) -> list[dict[str, Any]]:
        rows = await self.server.house.database.read(lambda tx: tx.rows(EVENTS))
        return [json.loads(row["event"]) for row in rows]


def _mac(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def connect(server: Running, kind: ChannelKind) -> Stage:
    """Add a channel as if its platform had taken it."""
    messengers = server.house.web.messengers
    assert messengers is not None
    vault: Vault = messengers.connector.vault
    write = server.house.database.write
    parameters = messengers.connector.parameters(kind)
    made = await write(add_channel, vault, kind, parameters, SAMPLES[kind].values, None, "key-1234", key="c")
    setup = await write(store_report, made.id, SetupReport(kind.value), key="c")
    await server.house.catalogs.reload()
    return Stage(server, setup, read_config(vault, setup))


@pytest.fixture(params=KINDS, ids=str)
async def stage(request: pytest.FixtureRequest, store_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with running(store_url, tmp_path) as server:
        yield await connect(server, request.param)


@pytest.fixture
async def wary(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with running(sqlite_url, tmp_path, limits=FEW) as server:
        yield await connect(server, ChannelKind.TELEGRAM)


UPDATE = b'{"update_id": 1}'


async def test_who_is_refused_often_is_not_verified_any_more(wary: Stage) -> None:
    answers = [(await wary.post(UPDATE, signed=False)).status_code for _ in range(4)]
    assert answers == [403, 403, 403, 429]
    assert wary.server.house.web.hooks["telegram", "refused"] == 3
    last = await wary.post(UPDATE, signed=False)
    assert int(last.headers["retry-after"]) > 0


async def test_who_tries_addresses_is_stopped_and_whoever_knows_one_is_not(wary: Stage) -> None:
    answers = [(await wary.post(UPDATE, path=f"guess-{number}")).status_code for number in range(4)]
    assert answers == [404, 404, 404, 429]
    assert (await wary.post(UPDATE)).status_code == 200


async def test_a_stranger_uses_up_nothing_of_the_platforms_rate(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path, limits='webhooks_per_channel = "2/min"\n') as server:
        stage = await connect(server, ChannelKind.TELEGRAM)
        assert {(await stage.post(UPDATE, signed=False)).status_code for _ in range(5)} == {403}
        answers = [(await stage.post(UPDATE)).status_code for _ in range(3)]
        assert answers == [200, 200, 429]


async def test_a_secret_that_another_process_has_just_changed_is_believed(wary: Stage) -> None:
    messengers = wary.server.house.web.messengers
    assert messengers is not None
    opened = {**wary.config.values, "webhook_secret": "made-anew"}
    vault = messengers.connector.vault
    sealed = vault.seal(json.dumps(opened), account_id=1, field=f"channels.secrets:{wary.setup.id}")

    def change(tx: Any, *, now: Any) -> None:
        update_channel(tx, 1, replace(wary.setup, secrets=sealed), now)

    await wary.server.house.database.write(change, key="c")
    headers = {"x-telegram-bot-api-secret-token": "made-anew"}
    path = f"/hooks/telegram/{wary.setup.path}"
    assert (await wary.server.client.post(path, content=UPDATE, headers=headers)).status_code == 200


async def test_a_body_that_tells_nothing_costs_no_transaction(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(sqlite_url, tmp_path) as server:
        stage = await connect(server, ChannelKind.VIBER)

        async def write(*_: Any, **__: Any) -> None:
            raise AssertionError("nothing was to be written")

        monkeypatch.setattr(server.house.database, "write", write)
        answer = await stage.post(b'{"event": "webhook", "timestamp": 1, "message_token": 5}')
        assert answer.status_code == 200


HOSTILE: tuple[Any, ...] = ("\0\x1b[31m\u202e", "x" * 5000, 2**63, 10**30, -(2**63) - 1)
POSTED = 120


async def test_S_HOOK_08_no_part_of_an_event_can_break_its_keeping(stage: Stage) -> None:
    samples = list_samples(SAMPLE_BODIES / stage.setup.kind)
    places = [(sample, path) for sample in samples for path in _leaves(json.loads(sample))]
    for number, (sample, path) in enumerate(places[:: len(places) // POSTED + 1]):
        body = json.loads(sample)
        _put(body, path, HOSTILE[number % len(HOSTILE)])
        answer = await stage.post(stage.fill_in(body))
        assert answer.status_code == 200, (path, answer.text)
    for event in await stage.kept():
        _judge(event)


def _leaves(node: Any, path: tuple[Any, ...] = ()) -> Any:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        if isinstance(value, dict | list):
            yield from _leaves(value, (*path, name))
        elif (*path, name) not in {("group_id",), ("secret",), ("type",), ("update_id",)}:
            yield (*path, name)


def _put(node: Any, path: tuple[Any, ...], value: Any) -> None:
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value


def _judge(event: dict[str, Any]) -> None:
    ids = (event["event_id"], event["chat_id"], event["user_id"], event["message_id"], event["reply_to"])
    assert all(len(one) <= 255 and one.isprintable() for one in ids)
    for attachment in event["attachments"]:
        assert attachment["size"] is None or 0 <= attachment["size"] <= 2**53
        assert attachment["source"].isprintable()
        assert attachment["mime"].isprintable()
        assert attachment["name"].isprintable()
    assert "\\u0000" not in json.dumps(event)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b"{", b'{"again": 1, "again": 2, ', 1),
        lambda body: body.replace(b"{", b'{"number": NaN, ', 1),
    ],
    ids=["a key twice", "NaN"],
)
async def test_S_IN_01_a_body_that_can_be_read_in_two_ways_is_not_read(stage: Stage, change: Any) -> None:
    sample = list_samples(SAMPLE_BODIES / stage.setup.kind)[0]
    answer = await stage.post(change(stage.fill_in(json.loads(sample))))
    # VK's secret stands in the body itself.
    assert answer.status_code == (403 if stage.setup.kind is ChannelKind.VK else 200)
    assert await stage.kept() == []


async def test_S_IN_01_what_is_nested_deep_is_left_out_and_the_rest_is_heard(stage: Stage) -> None:
    sample = list_samples(SAMPLE_BODIES / stage.setup.kind)[0]
    deep: Any = "end"
    for _ in range(60):
        deep = [deep]
    answer = await stage.post(stage.fill_in({**json.loads(sample), "deep": deep}))
    assert answer.status_code == 200
    for event in await stage.kept():
        assert json.dumps(event["raw"]).count("[[[[") == 0 or "end" not in json.dumps(event["raw"])
