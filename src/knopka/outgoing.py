"""The one HTTP client: it reaches the hosts that it was made for, at public addresses, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import httpcore
import httpx

from knopka.domain.errors import BadRequest, Retryable, Uncertain

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a name."""

CONNECT = 5.0
TOTAL = 20.0
OPEN_TOTAL = 10.0
MOST_REPLY = 256 * 1024
"""Bytes of an answer to `call_out`, after inflation."""
MOST_URL = 2_048
MOST_CONNECTIONS = 50
MOST_IDLE = 10
IDLE = 30.0
PIECE = 1024
"""Bytes that are inflated at a time: deflate makes a thousand of one, so a mebibyte at most."""
MOST_TRIED = 4
"""Addresses of one name that are tried."""

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label of this form makes an address of a name, however the rest is written (WHATWG URL, 3.5)."""
_CODINGS = ("", "identity", "gzip", "deflate")
_PORTS = {"http": 80, "https": 443}
_CHATTY = ("httpx", "httpcore.connection", "httpcore.http11")

# What ipaddress calls global although a packet may end inside: special assignments of RFC 6890, and the
# IPv6 forms that carry an IPv4 address (NAT64 of RFC 6052 and 8215, 6to4, Teredo, IPv4-compatible).
_NEVER = tuple(
    map(
        ip_network,
        ("192.0.0.0/24", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"),
    )
)

_NAMESAKES: Mapping[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ReadError: httpx.ReadError,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
    httpcore.WriteError: httpx.WriteError,
    httpcore.WriteTimeout: httpx.WriteTimeout,
}
"""What httpcore raises, and what callers of httpx know it as."""


class HostRefused(httpx.UnsupportedProtocol):
    """The address is none that this client may call. Nothing was resolved or sent."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@cache
def _verify() -> ssl.SSLContext:
    """One for all clients: reading the certificates takes longer than the rest of a client."""
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What a client stands on, and its patience in seconds."""

    resolve: Resolve = resolve
    network: httpcore.AsyncNetworkBackend = field(default_factory=httpcore.AnyIOBackend)
    tls: ssl.SSLContext = field(default_factory=_verify)
    connect: float = CONNECT
    total: float = TOTAL


def make_client(hosts: Collection[str], *, also: str = "", wire: Wire | None = None) -> httpx.AsyncClient:
    """A client for https on port 443 of these hosts: exact names, or `.example.com` for all names below.

    `also` is one more address, of which scheme, host and port count: loopback,
    private addresses and plain http are fine there, as whoever runs the server
    named it. Anything else raises HostRefused, redirects are not followed, and
    nothing of an address is logged. A request with a read timeout of its own
    may take that long, any other `wire.total` from its start to its last byte.
    """
    return _make(_Reach(frozenset(hosts), _origin_of(also)), wire or Wire())


def _origin_of(url: str) -> _Origin | None:
    return _Origin.of(httpx.URL(url)) if url else None


def _make(reach: _Reach, wire: Wire) -> httpx.AsyncClient:
    quiet_loggers()
    return httpx.AsyncClient(
        transport=_Transport(reach, wire),
        timeout=httpx.Timeout(wire.total, connect=wire.connect, pool=wire.connect),
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "gzip, deflate", "User-Agent": "knopka"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


def make_open_client(*, also: str = "", wire: Wire | None = None) -> httpx.AsyncClient:
    """A client for addresses that an owner of the account names: any public host by its name, https on port
    443 alone (S-SSRF-03). The rest is as in `make_client`."""
    return _make(_Reach(frozenset(), _origin_of(also), is_open=True), wire or Wire(total=OPEN_TOTAL))


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody's server answered."""

    status: int
    body: bytes


async def call_out(
    client: httpx.AsyncClient, method: str, url: str, *, json: Any = None, headers: Mapping[str, str]
) -> Reply:
    """Make one call with a client of `make_open_client`, and read at most MOST_REPLY of the answer.

    Raises BadRequest for what may not be called and for an answer that is too long,
    Retryable when the request surely did not arrive, and Uncertain when nobody
    knows. None of them tells anything of the address (S-SSRF-08).
    """
    try:
        if len(url) > MOST_URL:
            raise BadRequest("bad_address")
        request = client.build_request(method, url, json=json, headers=dict(headers))
        response = await client.send(request, stream=True)
        try:
            return Reply(response.status_code, await _read_reply(response))
        finally:
            await response.aclose()
    except (httpx.InvalidURL, HostRefused, UnicodeError, httpx.LocalProtocolError):
        raise BadRequest("bad_address") from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        raise Retryable("unreachable") from None
    except httpx.HTTPError:
        raise Uncertain("no_answer") from None


async def _read_reply(response: httpx.Response) -> bytes:
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MOST_REPLY:
            raise BadRequest("too_large")
    return body


def quiet_loggers() -> None:
    """Silence the loggers that tell addresses, whatever their level: tokens stand in them (S-SEC-05)."""
    for name in _CHATTY:
        logging.getLogger(name).disabled = True


def is_public(address: str) -> bool:
    """Whether a packet to the address leaves for the internet (S-SSRF-05). What is no address is not."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NEVER)


@dataclass(frozen=True, slots=True)
class _Origin:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> _Origin:
        return cls(url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS.get(url.scheme, 0))


@dataclass(frozen=True, slots=True)
class _Reach:
    """The closed list of one client."""

    hosts: frozenset[str]
    also: _Origin | None
    is_open: bool = False
    """Every name may be called, if all its addresses are public."""

    def check(self, url: httpx.URL) -> None:
        """Raise HostRefused unless the list holds the address."""
        origin = _Origin.of(url)
        if url.userinfo or not (origin == self.also or self._lists(origin)):
            raise HostRefused("The address is not on the list of hosts that may be called.")

    def _lists(self, origin: _Origin) -> bool:
        if (origin.scheme, origin.port) != ("https", 443) or not _NAME.fullmatch(origin.host):
            return False
        if self.is_open:
            return not _NUMBER.fullmatch(origin.host.rpartition(".")[2])
        return origin.host in self.hosts or any(
            origin.host.endswith(name) for name in self.hosts if name.startswith(".")
        )

    def is_trusted(self, host: str, port: int) -> bool:
        return self.also is not None and (host, port) == (self.also.host, self.also.port)


class _PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks every address and connects to one that was checked (S-SSRF-04).

    This is the place below the pool, so that connections stay sorted by name: Host
    header, SNI and certificate are the name's, and no second look-up can give
    another address. Rewriting the address of the request instead would let two
    names that share an address share a connection, and with it a certificate.
    """

    def __init__(self, reach: _Reach, wire: Wire) -> None:
        self._reach = reach
        self._wire = wire

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 # httpcore's own parameter
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        patience = self._wire.connect if timeout is None else timeout
        try:
            async with asyncio.timeout(patience):
                addresses = await self._look_up(host, port)
                return await self._connect(addresses, port, patience)
        except TimeoutError:
            raise httpcore.ConnectTimeout("The connection took too long.") from None

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._wire.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"The name was not found ({type(error).__name__}).") from None
        if not addresses:
            raise httpcore.ConnectError("The name has no address.")
        if not self._reach.is_trusted(host, port) and not all(map(is_public, addresses)):
            raise httpcore.ConnectError("The name leads to an address that is not public.")
        return addresses[:MOST_TRIED]

    async def _connect(
        self, addresses: Sequence[str], port: int, patience: float
    ) -> httpcore.AsyncNetworkStream:
        """The first address that answers; a silent one leaves time for those after it."""
        *others, last = addresses
        for address in others:
            try:
                return await self._wire.network.connect_tcp(address, port, patience / len(addresses))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._wire.network.connect_tcp(last, port, patience)


class _Transport(httpx.AsyncBaseTransport):
    """httpx over httpcore. httpx's own transport takes no network backend, and its pool is private; both
    packages document what is used here: httpx "Custom transports", httpcore "Network backends"."""

    def __init__(self, reach: _Reach, wire: Wire) -> None:
        self._reach = reach
        self._total = wire.total
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=wire.tls,
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=MOST_IDLE,
            keepalive_expiry=IDLE,
            network_backend=_PinnedNetwork(reach, wire),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._reach.check(request.url)
        timeouts = request.extensions.get("timeout", {})
        deadline = asyncio.get_running_loop().time() + max(self._total, timeouts.get("read") or 0.0)
        async with _in_time(deadline):
            answer = await self._pool.handle_async_request(_for_httpcore(request, timeouts))
        body = _Body(answer, deadline)
        try:
            body.judge_coding()
        except httpx.DecodingError:
            await body.aclose()
            raise
        return httpx.Response(
            answer.status, headers=answer.headers, stream=body, extensions=answer.extensions
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


def _for_httpcore(request: httpx.Request, timeouts: dict[str, float | None]) -> httpcore.Request:
    """Of the extensions only the timeouts: others could name another target or certificate."""
    url = request.url
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions={"timeout": timeouts},
    )


class _Body(httpx.AsyncByteStream):
    """An answer's body, which must have come before the deadline."""

    def __init__(self, answer: httpcore.Response, deadline: float) -> None:
        self._answer = answer
        self._deadline = deadline
        self._coding = ",".join(
            value.decode("latin-1").strip().lower()
            for name, value in answer.headers
            if name.lower() == b"content-encoding"
        )

    def judge_coding(self) -> None:
        """Refuse a coding that was not asked for, and several around each other (S-IN-08)."""
        if self._coding not in _CODINGS:
            raise httpx.DecodingError("The answer is coded in a way that was not asked for.")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = self._answer.aiter_stream()
        while True:
            async with _in_time(self._deadline):
                part = await anext(parts, None)
            if part is None:
                return
            for piece in self._pieces(part):
                yield piece

    def _pieces(self, part: bytes) -> Iterable[bytes]:
        """A compressed part in small pieces, so that whoever counts can stop before it has grown far."""
        if self._coding in ("", "identity"):
            return (part,)
        return (part[start : start + PIECE] for start in range(0, len(part), PIECE))

    async def aclose(self) -> None:
        await self._answer.aclose()


@asynccontextmanager
async def _in_time(deadline: float) -> AsyncIterator[None]:
    """End what is inside at the deadline, and raise the errors of httpcore as those of httpx."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise httpx.ReadTimeout("The answer took too long.") from None
    except tuple(_NAMESAKES) as error:
        raise _NAMESAKES[type(error)](str(error)) from error
