"""Channels that are added, changed, and have lost their key: whose account tells us what afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from knopka.app import set_up
from knopka.demo_messengers import SAMPLES
from knopka.domain.catalog import ChannelSetup, ChannelState
from knopka.domain.errors import Conflict, InvalidInput
from knopka.domain.messaging import ChannelConfig, ChannelKind, EntryToken
from knopka.platforms import PLATFORMS, Apis
from knopka.services.channels import (
    LINK_BASE,
    ChangeRefused,
    ChannelView,
    Connector,
    read_config,
    report_broken,
)
from knopka.services.vault import Vault, WrongKey
from knopka.settings import Settings
from knopka.simulator.accounts import (
    Account,
    Kind,
    MessengerAccount,
    TelegramAccount,
    ViberAccount,
    VkAccount,
)
from knopka.simulator.faults import Fault, Trouble
from knopka.simulator.run import SimulatorServer, run_simulator
from knopka.web.links import draw_code, fill_in
from tests.web.office import open_office
from tests.web.running import SECRET, Running, running

pytestmark = pytest.mark.anyio

KINDS = tuple(SAMPLES)
ANOTHER_KEY = "fedcba9876543210FEDCBA9876543210"
OTHERS: dict[ChannelKind, tuple[Account, dict[str, str]]] = {
    ChannelKind.TELEGRAM: (
        TelegramAccount("777:another-bot-of-the-very-same-shop", "other_shop_bot", "Other"),
        {"token": "777:another-bot-of-the-very-same-shop"},
    ),
    ChannelKind.MESSENGER: (
        MessengerAccount("900", "other-page-token", "556", "other-app-secret", "other.shop", "Other"),
        {
            "page_id": "900",
            "page_token": "other-page-token",
            "app_secret": "other-app-secret",
            "app_id": "556",
        },
    ),
    ChannelKind.VIBER: (
        ViberAccount("5553b6ac12345678-other-token", "othershop", "Other"),
        {"token": "5553b6ac12345678-other-token"},
    ),
    ChannelKind.VK: (
        VkAccount(456, "other-community-token", "other_shop", "Other"),
        {"token": "other-community-token", "group_id": "456"},
    ),
}
"""Of each messenger a second account of the same owner."""
BAD: dict[ChannelKind, dict[str, str]] = {
    ChannelKind.TELEGRAM: {"token": "777:nobody-has-ever-given-this-token"},
    ChannelKind.MESSENGER: {"page_id": "900", "page_token": "nobody-has-this"},
    ChannelKind.VIBER: {"token": "nobody-has-this"},
    ChannelKind.VK: {"token": "nobody-has-this", "group_id": "456"},
}


@dataclass
class Stage:
    """The server, and the simulator with two accounts of one messenger, the first of which is connected."""

    server: Running
    simulator: SimulatorServer
    kind: ChannelKind
    setup: ChannelSetup

    @property
    def connector(self) -> Connector:
        assert self.server.house.web.messengers is not None
        return self.server.house.web.messengers.connector

    async def views(self) -> list[ChannelView]:
        return await self.connector.list_views()

    async def only(self) -> ChannelSetup:
        """The one channel, as if it had never been touched since it was connected."""
        (view,) = await self.views()
        return replace(view.setup, changed_at=self.setup.changed_at)

    def heard_at(self, account: Account) -> set[str]:
        """Where this account's platform sends its events."""
        house: Any = self.simulator.simulator.stand_in(Kind(self.kind.value)).houses[account.key]
        match self.kind:
            case ChannelKind.VK:
                return {server.url for server in house.servers.values()}
            case ChannelKind.MESSENGER:
                return {house.webhook.url} if house.webhook and house.subscribed else set()
            case _:
                return {house.url} - {""}

    def address(self, setup: ChannelSetup) -> str:
        return self.connector.webhook_url(setup)

    def values(self, **given: str) -> dict[str, str]:
        return {**given, LINK_BASE: self.simulator.url + SAMPLES[self.kind].links}


@asynccontextmanager
async def simulating(kind: ChannelKind) -> AsyncIterator[SimulatorServer]:
    simulator = await run_simulator(pace=0.001)
    for account in (SAMPLES[kind].account, OTHERS[kind][0]):
        simulator.simulator.add_account(account)
    try:
        yield simulator
    finally:
        await simulator.stop()


@asynccontextmanager
async def serving(
    simulator: SimulatorServer, kind: ChannelKind, store_url: str, folder: Path, **environ: Any
) -> AsyncIterator[Stage]:
    """A server beside the simulator, with the channel that it has had before or a new one."""
    sample = SAMPLES[kind]
    environ[f"KNOPKA_{PLATFORMS[kind].setting.upper()}"] = simulator.url + sample.api
    async with running(store_url, folder, **environ) as server:
        assert server.house.web.messengers is not None
        connector = server.house.web.messengers.connector
        known = [view.setup for view in await connector.list_views()]
        values = {**sample.values, LINK_BASE: simulator.url + sample.links}
        yield Stage(server, simulator, kind, known[0] if known else await connector.add(kind, values, None))


@asynccontextmanager
async def staged(kind: ChannelKind, store_url: str, folder: Path) -> AsyncIterator[Stage]:
    async with simulating(kind) as simulator, serving(simulator, kind, store_url, folder) as stage:
        assert stage.setup.state is ChannelState.OK, stage.setup.findings
        yield stage


@pytest.fixture(params=KINDS, ids=str)
async def stage(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(request.param, sqlite_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def telegram(store_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(ChannelKind.TELEGRAM, store_url, tmp_path) as opened:
        yield opened


# --- Another account.


async def test_another_account_is_heard_and_the_earlier_one_is_left(stage: Stage) -> None:
    account, values = OTHERS[stage.kind]
    changed = await stage.connector.change(stage.setup, values)
    assert (changed.state, changed.id) == (ChannelState.OK, (await stage.only()).id)
    assert stage.heard_at(account) == {stage.address(changed)}
    assert stage.heard_at(SAMPLES[stage.kind].account) == set()


async def test_S_HOOK_03_another_account_has_another_address_and_another_secret(stage: Stage) -> None:
    changed = await stage.connector.change(stage.setup, OTHERS[stage.kind][1])
    before, after = (read_config(stage.connector.vault, setup) for setup in (stage.setup, changed))
    assert changed.path != stage.setup.path
    assert after.webhook_secret != before.webhook_secret
    answer = await stage.server.client.post(f"/hooks/{stage.kind}/{stage.setup.path}", content=b"{}")
    assert answer.status_code == 404


async def test_a_platform_that_is_away_holds_no_change_up(stage: Stage) -> None:
    kind, before = Kind(stage.kind.value), SAMPLES[stage.kind].account.key
    stage.simulator.simulator.faults.switch_on(Fault(Trouble.SERVER_ERROR, kind, before, "*"))
    changed = await stage.connector.change(stage.setup, OTHERS[stage.kind][1])
    assert changed.state is ChannelState.OK
    assert (await stage.only()).id == changed.id


async def test_a_change_that_the_platform_refuses_leaves_the_channel_as_it_was(stage: Stage) -> None:
    address = stage.address(stage.setup)
    with pytest.raises(ChangeRefused, match="stays as it was"):
        await stage.connector.change(stage.setup, BAD[stage.kind])
    assert await stage.only() == stage.setup
    assert stage.heard_at(SAMPLES[stage.kind].account) == {address}


async def test_a_set_up_that_fails_half_way_leaves_the_channel_as_it_was(telegram: Stage) -> None:
    account, values = OTHERS[ChannelKind.TELEGRAM]
    fault = Fault(Trouble.SERVER_ERROR, Kind.TELEGRAM, account.key, "setwebhook")
    telegram.simulator.simulator.faults.switch_on(fault)
    with pytest.raises(ChangeRefused, match="no answer"):
        await telegram.connector.change(telegram.setup, values)
    assert await telegram.only() == telegram.setup
    assert telegram.heard_at(SAMPLES[ChannelKind.TELEGRAM].account) == {telegram.address(telegram.setup)}


async def test_a_new_token_of_the_same_account_is_the_same_channel(telegram: Stage) -> None:
    bot = SAMPLES[ChannelKind.TELEGRAM].account
    assert isinstance(bot, TelegramAccount)
    token = f"{bot.bot_id}:the-token-that-botfather-made-anew"
    telegram.simulator.simulator.add_account(TelegramAccount(token, bot.username, bot.title))
    changed = await telegram.connector.change(telegram.setup, {"token": token})
    assert (changed.id, changed.path) == (telegram.setup.id, telegram.setup.path)
    assert telegram.heard_at(bot) == {telegram.address(changed)}


async def test_what_the_platform_refuses_takes_the_place_of_nothing_in_a_broken_channel_either(
    telegram: Stage,
) -> None:
    write, vault = telegram.server.house.database.write, telegram.connector.vault
    await write(report_broken, telegram.setup.id, "revoked", key="channel")
    with pytest.raises(ChangeRefused):
        await telegram.connector.change(await telegram.only(), BAD[ChannelKind.TELEGRAM])
    kept = read_config(vault, await telegram.only()).values
    assert kept == read_config(vault, telegram.setup).values


async def test_the_inbox_changes_a_channel_and_is_told_what_is_refused(
    sqlite_url: str, tmp_path: Path
) -> None:
    kind, path = ChannelKind.TELEGRAM, "/inbox/api/channels"
    async with simulating(kind) as simulator:
        api = simulator.url + SAMPLES[kind].api
        async with open_office(sqlite_url, tmp_path, telegram_api=api) as office:
            await office.add_operator()
            async with office.operator() as operator:
                added = {"kind": "telegram", "values": SAMPLES[kind].values}
                first = (await operator.post(path, json={"key": "key-00001", **added})).json()
                again = await operator.post(path, json={"key": "key-00002", **added})
                assert (again.status_code, f"Channel {first['id']} " in again.text) == (409, True)

                where, faults = f"{path}/{first['id']}", []
                for values in (BAD[kind], {"token": "short"}):
                    body = {"key": "key-00003", "values": values}
                    answer = await operator.patch(where, json=body, headers={"accept-language": "ru"})
                    assert answer.status_code == 400
                    faults += answer.json()["error"]["faults"]
                assert [(fault["path"], fault["code"]) for fault in faults] == [
                    ("$.values", "token_rejected"),
                    ("$.values.token", "bad_value"),
                ]
                assert faults[0]["message"].endswith("Канал остался прежним.")

                body = {"key": "key-00004", "values": OTHERS[kind][1]}
                changed = (await operator.patch(where, json=body)).json()
                assert (changed["title"], changed["state"]) == ("@other_shop_bot", "ok")
                listed = (await operator.get(path)).json()["channels"]
                assert [channel["id"] for channel in listed] == [changed["id"]]


# --- One account, one channel.


async def test_the_same_account_twice_is_refused_by_the_name_of_its_channel(stage: Stage) -> None:
    with pytest.raises(Conflict, match=f"Channel {stage.setup.id} "):
        await stage.connector.add(stage.kind, stage.values(**SAMPLES[stage.kind].values), None)
    assert await stage.only() == stage.setup
    assert stage.heard_at(SAMPLES[stage.kind].account) == {stage.address(stage.setup)}


async def test_no_channel_is_changed_to_the_account_of_another(stage: Stage) -> None:
    second = await stage.connector.add(stage.kind, stage.values(**OTHERS[stage.kind][1]), None)
    with pytest.raises(Conflict, match=f"Channel {stage.setup.id} "):
        await stage.connector.change(second, SAMPLES[stage.kind].values)
    assert {view.setup.id for view in await stage.views()} == {stage.setup.id, second.id}


async def test_an_account_that_was_removed_may_come_back(telegram: Stage) -> None:
    await telegram.connector.remove(telegram.setup)
    values = telegram.values(**SAMPLES[ChannelKind.TELEGRAM].values)
    again = await telegram.connector.add(ChannelKind.TELEGRAM, values, None)
    assert again.state is ChannelState.OK


async def test_an_account_that_could_not_tell_its_name_is_known_later_for_a_double(telegram: Stage) -> None:
    faults = telegram.simulator.simulator.faults
    away = faults.switch_on(Fault(Trouble.SERVER_ERROR, Kind.TELEGRAM, None, "*"))
    values = telegram.values(**SAMPLES[ChannelKind.TELEGRAM].values)
    second = await telegram.connector.add(ChannelKind.TELEGRAM, values, None)
    assert [finding.code for finding in second.findings] == ["unreachable"]
    faults.switch_off(away.id)
    second = await telegram.connector.check(second)
    assert [finding.code for finding in second.findings] == ["account_taken"]
    assert f"Channel {telegram.setup.id} " in second.findings[0].detail
    assert telegram.heard_at(SAMPLES[ChannelKind.TELEGRAM].account) == {telegram.address(telegram.setup)}


async def test_there_are_as_many_channels_as_the_limit_says(sqlite_url: str, tmp_path: Path) -> None:
    async with running(sqlite_url, tmp_path, limits="channels = 1\n") as server:
        assert server.house.web.messengers is not None
        add = server.house.web.messengers.connector.add
        await add(ChannelKind.TELEGRAM, SAMPLES[ChannelKind.TELEGRAM].values, None)
        with pytest.raises(Conflict, match="1 channels already"):
            await add(ChannelKind.VK, SAMPLES[ChannelKind.VK].values, None)


# --- Another key.


async def test_S_SEC_01_a_start_seals_with_the_present_key_what_an_earlier_one_sealed(
    store_url: str, tmp_path: Path
) -> None:
    async with staged(ChannelKind.TELEGRAM, store_url, tmp_path) as stage:
        known = read_config(stage.connector.vault, stage.setup)
    settings = Settings.from_env(
        {
            "KNOPKA_DATABASE_URL": store_url,
            "KNOPKA_DATA_DIR": str(tmp_path),
            "KNOPKA_SECRET_KEY": ANOTHER_KEY,
            "KNOPKA_SECRET_KEY_OLD": SECRET,
        }
    )
    await set_up(settings, "https://chat.example", demo=False)
    async with running(store_url, tmp_path, KNOPKA_SECRET_KEY=ANOTHER_KEY) as server:
        (setup,) = server.house.catalogs.get().channels.values()
        assert server.house.web.messengers is not None
        opened = read_config(server.house.web.messengers.connector.vault, setup)
        assert (opened.values, opened.webhook_secret) == (known.values, known.webhook_secret)


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_S_SEC_01_without_the_earlier_key_a_channel_is_broken_until_its_secrets_are_entered_again(
    sqlite_url: str, tmp_path: Path, kind: ChannelKind
) -> None:
    async with simulating(kind) as simulator:
        async with serving(simulator, kind, sqlite_url, tmp_path) as stage:
            number = stage.setup.id
        async with serving(simulator, kind, sqlite_url, tmp_path, KNOPKA_SECRET_KEY=ANOTHER_KEY) as stage:
            await is_broken_until_entered_again(stage, number)


async def is_broken_until_entered_again(stage: Stage, number: int) -> None:
    connector, names = stage.connector, _secrets(stage.kind)
    (view,) = await stage.views()
    assert (view.setup.state, view.hints) == (ChannelState.BROKEN, {})
    checked = await connector.check(stage.setup)
    for setup in (view.setup, checked):
        assert [finding.code for finding in setup.findings] == ["secrets_lost"]
    with pytest.raises(InvalidInput) as refusal:
        await connector.change(checked, dict.fromkeys(names, ""))
    assert {fault.path for fault in refusal.value.faults} == {f"$.values.{name}" for name in names}

    changed = await connector.change(checked, SAMPLES[stage.kind].values)
    assert (changed.id, changed.state) == (number, ChannelState.OK)
    assert stage.heard_at(SAMPLES[stage.kind].account) == {stage.address(changed)}
    with pytest.raises(WrongKey):
        read_config(Vault(b"k" * 32), changed)


async def test_a_channel_whose_secrets_are_lost_can_be_switched_off_and_removed(telegram: Stage) -> None:
    telegram.connector.vault = Vault(ANOTHER_KEY.encode())
    off = await telegram.connector.change(telegram.setup, {}, is_enabled=False)
    assert not off.is_enabled
    await telegram.connector.remove(off)
    assert await telegram.views() == []


def _secrets(kind: ChannelKind) -> set[str]:
    return {parameter.name for parameter in PLATFORMS[kind].parameters if parameter.is_secret}


# --- What is given.


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (ChannelKind.TELEGRAM, "token", "777"),
        (ChannelKind.TELEGRAM, "token", "777:too-short"),
        (ChannelKind.TELEGRAM, "token", "bot:another-bot-of-the-very-same-shop"),
        (ChannelKind.MESSENGER, "page_id", "my.page"),
        (ChannelKind.MESSENGER, "page_id", "1" * 21),
        (ChannelKind.MESSENGER, "page_id", "١٢٣"),
        (ChannelKind.MESSENGER, "app_id", "-5"),
        (ChannelKind.MESSENGER, "page_token", "two words"),
        (ChannelKind.MESSENGER, "page_token", "маркер"),
        (ChannelKind.MESSENGER, "app_secret", "a\nb"),
        (ChannelKind.MESSENGER, "human_agent", "perhaps"),
        (ChannelKind.MESSENGER, "greeting", "я" * 201),
        (ChannelKind.MESSENGER, "greeting", "😀" * 101),
        (ChannelKind.VIBER, "sender_name", "x" * 29),
        (ChannelKind.VIBER, "greeting", "я" * 201),
        (ChannelKind.VIBER, "welcome", "я" * 1001),
        (ChannelKind.VIBER, "token", "x" * 1001),
        (ChannelKind.VK, "group_id", "club5"),
        (ChannelKind.VK, "token", "a b"),
    ],
)
async def test_what_cannot_be_a_value_is_refused_at_its_place_before_anybody_is_asked(
    sqlite_url: str, tmp_path: Path, kind: ChannelKind, name: str, value: str
) -> None:
    async with running(sqlite_url, tmp_path) as server:
        assert server.house.web.messengers is not None
        connector = server.house.web.messengers.connector
        with pytest.raises(InvalidInput) as refusal:
            await connector.add(kind, {**SAMPLES[kind].values, name: value}, None)
        assert [fault.path for fault in refusal.value.faults] == [f"$.values.{name}"]
        assert await connector.list_views() == []


@pytest.mark.parametrize("kind", [ChannelKind.MESSENGER, ChannelKind.VIBER], ids=str)
def test_the_longest_greeting_still_fits_a_qr_code(kind: ChannelKind) -> None:
    values = {**SAMPLES[kind].values, "greeting": "😀" * 100, "uri": "x" * 40, "username": "x" * 40}
    channel = Apis({}).make(kind, ChannelConfig(values=values))
    assert draw_code(fill_in(channel.deep_link().url, EntryToken("k" * 32)))["size"] > 0
