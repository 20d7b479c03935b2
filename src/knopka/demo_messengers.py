"""The demo's messengers: accounts at the simulator, and a channel for each, so that no internet is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from knopka.domain.catalog import ChannelSetup
from knopka.domain.messaging import ChannelKind
from knopka.platforms import PLATFORMS
from knopka.services.channels import LINK_BASE, Connector
from knopka.settings import Settings
from knopka.simulator.accounts import Account, MessengerAccount, TelegramAccount, ViberAccount, VkAccount
from knopka.simulator.run import SimulatorServer


@dataclass(frozen=True, slots=True)
class Sample:
    """One messenger of the demo: the account there, and what its owner gives us."""

    account: Account
    values: Mapping[str, str]
    api: str
    links: str
    """Where its API and its links are at the simulator."""


NAME = "The tea shop"
# These secrets open nothing but the simulator of this very process.
SAMPLES: Mapping[ChannelKind, Sample] = {
    ChannelKind.TELEGRAM: Sample(
        TelegramAccount("100200300:demo-token-of-the-simulator-only", "tea_shop_bot", NAME),
        {"token": "100200300:demo-token-of-the-simulator-only"},
        "/telegram",
        "/open/telegram",
    ),
    ChannelKind.MESSENGER: Sample(
        MessengerAccount("100200300", "demo-page-token", "555", "demo-app-secret", "tea.shop", NAME),
        {
            "page_id": "100200300",
            "page_token": "demo-page-token",
            "app_secret": "demo-app-secret",
            "app_id": "555",
        },
        "/graph",
        "/open/messenger",
    ),
    ChannelKind.VIBER: Sample(
        ViberAccount("4453b6ac12345678-demo-token", "teashop", NAME),
        {"token": "4453b6ac12345678-demo-token"},
        "/viber",
        "/open/viber",
    ),
    ChannelKind.VK: Sample(
        VkAccount(123, "demo-community-token", "tea_shop", NAME),
        {"token": "demo-community-token", "group_id": "123"},
        "/vk",
        "/open/vk",
    ),
}


def at_simulator(settings: Settings, url: str) -> Settings:
    """The settings with every platform's API at the simulator."""
    addresses: dict[str, Any] = {
        PLATFORMS[kind].setting: url + sample.api for kind, sample in SAMPLES.items()
    }
    return replace(settings, **addresses)


async def start_simulator(host: str, port: int) -> SimulatorServer:
    """Run the simulator with the demo's accounts; on another port when this one is taken."""
    try:
        server = SimulatorServer(host, port)
    except OSError:
        server = SimulatorServer(host, 0)
    await server.start()
    for sample in SAMPLES.values():
        server.simulator.add_account(sample.account)
    return server


async def connect_samples(connector: Connector, known: Mapping[ChannelKind, ChannelSetup], url: str) -> None:
    """Set every messenger of the demo up at the simulator, which remembers nothing of earlier starts."""
    for kind, sample in SAMPLES.items():
        values = {**sample.values, LINK_BASE: url + sample.links}
        if kind in known:
            await connector.change(known[kind], values)
        else:
            await connector.add(kind, values, None)
