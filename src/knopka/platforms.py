"""Every messenger in one table: its class, where its API is, and which hosts it may be called at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import httpx

from knopka.channels._http import Api
from knopka.channels.messenger import Messenger
from knopka.channels.telegram import Telegram
from knopka.channels.viber import Viber
from knopka.channels.vk import VK
from knopka.domain.catalog import Catalog, ChannelSetup
from knopka.domain.errors import KnopkaError
from knopka.domain.messaging import (
    Capabilities,
    Channel,
    ChannelConfig,
    ChannelId,
    ChannelKind,
    Parameter,
)
from knopka.outgoing import make_client
from knopka.services.channels import read_config
from knopka.services.vault import Vault


@dataclass(frozen=True, slots=True)
class Platform:
    """One messenger: what makes a channel of it, and where its servers are."""

    make: Callable[[ChannelConfig, Api], Channel]
    caps: Capabilities
    parameters: Sequence[Parameter]
    base: str
    hosts: tuple[str, ...]
    """Where its API and its files live; a name that begins with a dot stands for all below it."""
    setting: str
    """The setting that names another address of its API."""


PLATFORMS: Mapping[ChannelKind, Platform] = {
    ChannelKind.TELEGRAM: Platform(
        Telegram, Telegram.caps, Telegram.parameters, "https://api.telegram.org", ("api.telegram.org",),
        "telegram_api",
    ),
    ChannelKind.MESSENGER: Platform(
        Messenger, Messenger.caps, Messenger.parameters, "https://graph.facebook.com",
        ("graph.facebook.com", ".fbcdn.net", ".fbsbx.com", ".facebook.com"), "graph_api",
    ),
    ChannelKind.VIBER: Platform(
        Viber, Viber.caps, Viber.parameters, "https://chatapi.viber.com",
        ("chatapi.viber.com", ".viber.com"), "viber_api",
    ),
    ChannelKind.VK: Platform(
        VK, VK.caps, VK.parameters, "https://api.vk.ru",
        (".vk.ru", ".vk.com", ".userapi.com", ".vkuserphoto.ru", ".vkuseraudio.net"), "vk_api",
    ),
}  # fmt: skip


class Apis:
    """One HTTP client for each platform, made when it is first needed."""

    def __init__(
        self, addresses: Mapping[str, str], platforms: Mapping[ChannelKind, Platform] = PLATFORMS
    ) -> None:
        self._addresses = addresses
        self.platforms = platforms
        self._apis: dict[ChannelKind, Api] = {}
        self._clients: list[httpx.AsyncClient] = []
        self._lock = Lock()

    def get(self, kind: ChannelKind) -> Api:
        with self._lock:  # channels are also looked up by the writer's thread
            if kind not in self._apis:
                platform = self.platforms[kind]
                other = self._addresses.get(platform.setting, "")
                client = make_client(platform.hosts, also=other)
                self._clients.append(client)
                self._apis[kind] = Api(client, other or platform.base)
            return self._apis[kind]

    def is_simulated(self, kind: ChannelKind) -> bool:
        """Whether the platform's API is at another address than the platform's own."""
        return bool(self._addresses.get(self.platforms[kind].setting))

    def make(self, kind: ChannelKind, config: ChannelConfig) -> Channel:
        return self.platforms[kind].make(config, self.get(kind))

    def parameters_of(self, kind: ChannelKind) -> Sequence[Parameter]:
        """What the owner of such a channel has to give."""
        return self.platforms[kind].parameters

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


class ChannelShelf:
    """The channels that are set up and switched on, made of the catalog as it stands."""

    def __init__(self, catalog: Callable[[], Catalog], vault: Vault, apis: Apis) -> None:
        self._catalog = catalog
        self._vault = vault
        self._apis = apis
        self._made: dict[int, tuple[ChannelSetup, Channel]] = {}

    def find(self, channel_id: int) -> Channel | None:
        """The channel, unless it was removed, switched off, or its secrets were sealed with another key."""
        setup = self._catalog().channels.get(ChannelId(channel_id))
        if setup is None or not setup.is_enabled:
            return None
        made = self._made.get(channel_id)
        if made is not None and made[0] is setup:
            return made[1]
        try:
            channel = self._apis.make(setup.kind, read_config(self._vault, setup))
        except KnopkaError:
            return None
        self._made[channel_id] = (setup, channel)
        return channel
