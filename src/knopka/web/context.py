"""What every handler is given: the store, the hub, the catalog and the values of this server."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache, partial
from time import monotonic
from typing import Any, cast
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection

from knopka.db.database import Database
from knopka.domain.catalog import Catalog
from knopka.domain.messaging import Channels
from knopka.files import FileStore
from knopka.live import Hub
from knopka.services.bot_steps import Kit
from knopka.services.channels import Connector
from knopka.services.courier import Courier
from knopka.services.desk import NoChannels
from knopka.web.desk import Desk
from knopka.web.limits import Counters, Limits
from knopka.web.server import Gate
from knopka.web.static_files import StaticFiles

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
RELOAD_S = 1.0
"""Strangers who try addresses of webhooks cost one reading of the catalog in so many seconds."""
LONGEST_ADDRESS = 64
"""Longer texts are no addresses, and would fill the memory of what was read before."""

_HOP = re.compile(r"(?:(?P<v4>[0-9.]+)|\[(?P<v6>[0-9A-Fa-f:.]+)\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Demo:
    """What only `knopka demo` has: a clock that can be moved, an operator, a button for each language."""

    advance: Callable[[timedelta], None]
    now: Callable[[], datetime]
    login: str
    password: str
    buttons: Mapping[str, str]


class ChatSockets:
    """How many sockets each visitor holds open."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: Tally[str] = Tally()

    @contextmanager
    def hold(self, token_hash: str) -> Iterator[bool]:
        """Count one more for as long as it is held; False, and nothing is counted, when there are enough."""
        if self._open[token_hash] >= self.most:
            yield False
            return
        self._open[token_hash] += 1
        try:
            yield True
        finally:
            self._open[token_hash] -= 1
            if self._open[token_hash] == 0:
                del self._open[token_hash]


@dataclass(frozen=True, slots=True)
class Messengers:
    """What carries to and from the messengers' platforms, and the store of their files."""

    connector: Connector
    courier: Courier
    files: FileStore


@dataclass(slots=True)
class Web:
    """Everything a handler may use besides its request."""

    database: Database
    hub: Hub
    catalog: Callable[[], Catalog]
    base_url: str
    inbox_url: str
    secret_key: bytes
    limits: Limits
    channels: Channels = field(default_factory=NoChannels)
    messengers: Messengers | None = None
    """Set up by app.py; without it there are no messengers, as in some tests."""
    bots: Kit | None = None
    """As with messengers."""
    hooks: Tally[tuple[str, str]] = field(default_factory=Tally)
    """How many webhooks of each kind of messenger ended how, since the start."""
    reload: Callable[[], Awaitable[None]] | None = None
    trusted_proxies: tuple[Network, ...] = ()
    demo: Demo | None = None
    static: StaticFiles = field(default_factory=StaticFiles)
    gate: Gate | None = None
    csp_reports: int = 0
    reloaded_at: float = -RELOAD_S
    reloading: asyncio.Task[None] | None = None
    chat_sockets: ChatSockets = field(init=False)
    counters: Counters = field(init=False)
    desk: Desk = field(init=False)
    count_short: Callable[[str, str], str] = field(init=False)
    """`count_address` with our proxies, remembered: reading addresses costs more than the rest of a limit."""
    public_host: str = field(init=False)
    inbox_host: str = field(init=False)

    def __post_init__(self) -> None:
        self.counters = Counters(self.limits)
        self.chat_sockets = ChatSockets(self.limits.sockets_per_visitor)
        self.desk = Desk(self.secret_key)
        self.public_host = urlsplit(self.base_url).netloc
        self.inbox_host = urlsplit(self.inbox_url).netloc
        self.count_short = lru_cache(maxsize=16_384)(partial(count_address, trusted=self.trusted_proxies))

    async def reload_catalog(self) -> None:
        """Read the catalog again, for what another process has just written: at most once in RELOAD_S,
        and once for all who ask meanwhile."""
        if self.reload is None:
            return
        if self.reloading is None:
            self.reloading = asyncio.get_running_loop().create_task(self._reload_soon(self.reload))
        await asyncio.shield(self.reloading)

    async def _reload_soon(self, reload: Callable[[], Awaitable[None]]) -> None:
        try:
            await asyncio.sleep(max(0.0, self.reloaded_at + RELOAD_S - monotonic()))
            await reload()
        finally:
            self.reloaded_at = monotonic()
            self.reloading = None

    @property
    def may_reload(self) -> bool:
        """Whether the catalog could be read again at once."""
        return monotonic() - self.reloaded_at >= RELOAD_S

    @property
    def is_inbox_apart(self) -> bool:
        """Whether operators have a host of their own, where nothing of the visitors is served."""
        return self.inbox_host != self.public_host

    def trusts(self, peer: str) -> bool:
        """Whether this peer is a proxy that speaks for others."""
        known = _parse(peer)
        return known is not None and _is_trusted(known, self.trusted_proxies)

    def address(self, connection: ASGIConnection[Any, Any, Any, Any]) -> str:
        """Give the caller's address as the limits count it: IPv6 by its /64."""
        client = connection.scope.get("client")
        peer = client[0] if client else ""
        if not self.trusted_proxies:
            return count_address(peer, "", ())
        # A proxy may add a line of its own below the one that the caller made up: all of them are one list.
        lines = [value for name, value in connection.scope["headers"] if name == b"x-forwarded-for"]
        forwarded = b",".join(lines).decode("latin-1")
        if len(forwarded) <= LONGEST_ADDRESS:
            return self.count_short(peer, forwarded)
        return count_address(peer, forwarded, self.trusted_proxies)


def web_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Web:
    return cast("Web", connection.app.state.web)


def is_from_here(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether the caller sits at this very machine; what a proxy forwards comes from somewhere else."""
    client = connection.scope.get("client")
    known = _parse(client[0]) if client else None
    is_forwarded = any(name in (b"x-forwarded-for", b"forwarded") for name, _ in connection.scope["headers"])
    return known is not None and known.is_loopback and not is_forwarded


def count_address(peer: str, forwarded: str, trusted: tuple[Network, ...]) -> str:
    """The peer's address, or the right-most untrusted hop when the peer is a proxy that we trust.

    A hop that cannot be read ends the search: what stands left of it is a claim of somebody unknown.
    """
    known = _parse(peer)
    if known is None:
        return peer
    for hop in reversed(forwarded.split(",")) if trusted else ():
        if not _is_trusted(known, trusted):
            break
        earlier = _parse(_without_port(hop.strip()))
        if earlier is None:
            break
        known = earlier
    return _group(known)


@lru_cache(maxsize=16_384)
def _is_trusted(address: Address, trusted: tuple[Network, ...]) -> bool:
    return any(address in network for network in trusted)


def _without_port(hop: str) -> str:
    """The address of a hop, which some proxies write as `ip:port` or `[ip6]:port`."""
    match = _HOP.fullmatch(hop) if len(hop) <= LONGEST_ADDRESS else None
    return (match["v4"] or match["v6"]) if match else hop


def _parse(text: str) -> Address | None:
    return _parse_short(text) if len(text) <= LONGEST_ADDRESS else None


@lru_cache(maxsize=16_384)
def _parse_short(text: str) -> Address | None:
    """Read an address; an IPv4 address that travels as IPv6 is the IPv4 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=16_384)
def _group(address: Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
