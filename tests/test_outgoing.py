"""The one HTTP client: what it reaches, what it refuses before a packet leaves, and how long it waits."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import logging
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpcore
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from knopka.channels._http import MOST_ANSWER, Api
from knopka.domain.errors import BadRequest, Retryable, Uncertain
from knopka.outgoing import (
    MOST_REPLY,
    HostRefused,
    Reply,
    Wire,
    call_out,
    is_public,
    make_client,
    make_open_client,
    quiet_loggers,
)
from tests.files.server import Handler, Request, answer, listening

pytestmark = pytest.mark.anyio

HOSTS = ("api.telegram.org", ".fbcdn.net")
PUBLIC = "149.154.167.220"
TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


@dataclass
class Names:
    """A resolver whose answers are written down before; the last one stays."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Detour(httpcore.AsyncNetworkBackend):
    """A network on which every address leads to one port of ours, but for the dead ones."""

    port: int = 0
    dead: frozenset[str] = frozenset()
    connected: list[tuple[str, int]] = field(default_factory=list)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 # httpcore's own parameter
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError("dead")
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.port, timeout)


def certify(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side with a certificate for the name, and a client's side that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://127.1:{port}/",
        "http://0:{port}/",
        "https://149.154.167.220/",
        "http://api.telegram.org/",
        "http://api.telegram.org:443/",
        "https://api.telegram.org:8443/",
        "https://api.telegram.org:80/",
        "ftp://api.telegram.org/",
        "https://user@api.telegram.org/",
        "https://user:password@api.telegram.org/",
        "https://api.telegram.org@127.0.0.1:{port}/",
        "https://api.telegram.org./",
        "https://evilapi.telegram.org/",
        "https://x.api.telegram.org/",
        "https://api.telegram.org.evil.example/",
        "https://fbcdn.net/",
        "https://.fbcdn.net/",
        "https://xfbcdn.net/",
        "https://a..fbcdn.net/",
        "https://x.fbcdn.net.evil.example/",
        "https://a%2fb.fbcdn.net/",
    ],
)
async def test_S_SSRF_02_what_is_not_on_the_list_is_refused_before_a_name_is_asked(url: str) -> None:
    names = Names([["127.0.0.1"]])
    async with listening() as canary, make_client(HOSTS, wire=Wire(resolve=names)) as client:
        with pytest.raises(HostRefused):
            await client.get(url.format(port=canary.port))
    assert (canary.hits, names.asked) == (0, [])


@pytest.mark.parametrize(
    "url",
    ["https://0177.0.0.1/", "https://①②⑦.⓪.⓪.①/", "https://127.0.0.1.1/", "https://[::1/", "https://a b/"],
)
async def test_S_SSRF_05_what_is_no_address_is_refused_by_the_parser(url: str) -> None:
    names = Names([["127.0.0.1"]])
    async with make_client(HOSTS, wire=Wire(resolve=names)) as client:
        with pytest.raises((HostRefused, httpx.InvalidURL)):
            await client.get(url)
    assert names.asked == []


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2001:67c:4e8:f004::9", "::ffff:8.8.8.8"])
def test_S_SSRF_05_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 # nothing is bound
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.1",
        "0177.0.0.1",
        "0x7f000001",
        "2130706433",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:192.0.0.8",
        "::ffff:224.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
        "localhost",
        "",
    ],
)
def test_S_SSRF_05_other_addresses_are_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::1", PUBLIC], ["10.0.0.1"], []]
)
async def test_S_SSRF_04_one_address_that_is_not_public_spoils_the_name(addresses: list[str]) -> None:
    network = Detour()
    async with make_client(HOSTS, wire=Wire(resolve=Names([addresses]), network=network)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("https://api.telegram.org/")
    assert network.connected == []


async def test_S_SSRF_04_a_name_is_asked_once_and_the_connection_keeps_it(tmp_path: Path) -> None:
    """The second answer of the resolver would lead to loopback; nobody asks for it."""
    server_side, client_side = certify(tmp_path, "api.telegram.org")
    greeted: list[str | None] = []
    server_side.sni_callback = lambda _socket, name, _context: greeted.append(name)
    names = Names([[PUBLIC], ["127.0.0.1"]])
    async with listening(tls=server_side) as server:
        network = Detour(server.port)
        wire = Wire(resolve=names, network=network, tls=client_side)
        async with make_client(HOSTS, wire=wire) as client:
            assert (await client.get("https://API.telegram.org/x")).json() == {"ok": True}
    assert (names.asked, network.connected) == (["api.telegram.org"], [(PUBLIC, 443)])
    assert greeted == ["api.telegram.org"]
    assert server.requests[0].headers["host"] == "api.telegram.org"


async def test_S_SSRF_04_a_name_that_comes_to_lead_elsewhere_is_not_followed(tmp_path: Path) -> None:
    server_side, client_side = certify(tmp_path, "api.telegram.org")
    async with listening(tls=server_side) as server:
        network = Detour(server.port)
        wire = Wire(resolve=Names([[PUBLIC], ["127.0.0.1"]]), network=network, tls=client_side)
        async with make_client(HOSTS, wire=wire) as client:
            await client.get("https://api.telegram.org/")
            with pytest.raises(httpx.ConnectError):
                await client.get("https://api.telegram.org/")
    assert (server.hits, network.connected) == (1, [(PUBLIC, 443)])


async def test_S_SSRF_04_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    server_side, client_side = certify(tmp_path, "evil.example")
    async with listening(tls=server_side) as server:
        wire = Wire(resolve=Names([[PUBLIC]]), network=Detour(server.port), tls=client_side)
        async with make_client(HOSTS, wire=wire) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("https://api.telegram.org/")
    assert server.requests == []


async def test_the_next_address_is_tried_when_one_is_dead(tmp_path: Path) -> None:
    server_side, client_side = certify(tmp_path, "scontent.xx.fbcdn.net")
    async with listening(tls=server_side) as server:
        network = Detour(server.port, dead=frozenset({"2001:67c:4e8:f004::9"}))
        wire = Wire(resolve=Names([["2001:67c:4e8:f004::9", PUBLIC]]), network=network, tls=client_side)
        async with make_client(HOSTS, wire=wire) as client:
            assert (await client.get("https://scontent.xx.fbcdn.net/a.jpg")).status_code == 200
    assert [host for host, _ in network.connected] == ["2001:67c:4e8:f004::9", PUBLIC]


async def test_a_name_that_does_not_exist_cannot_be_reached() -> None:
    async with make_client((), also="http://nobody.invalid:1") as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://nobody.invalid:1/")


async def test_S_SSRF_09_the_address_of_a_setting_is_reached_and_its_neighbours_are_not() -> None:
    async with listening() as server, listening() as canary:
        async with make_client(HOSTS, also=f"{server.url}/prefix") as client:
            assert (await client.get(f"{server.url}/anything")).status_code == 200
            for url in (canary.url, f"https://127.0.0.1:{server.port}", f"http://localhost:{server.port}"):
                with pytest.raises(HostRefused):
                    await client.get(url)
        async with make_client(HOSTS) as client:
            with pytest.raises(HostRefused):
                await client.get(server.url)
    assert (server.hits, canary.hits) == (1, 0)


async def test_S_SSRF_09_another_port_of_the_setting_s_host_is_no_exception() -> None:
    network = Detour()
    wire = Wire(resolve=Names([["127.0.0.1"]]), network=network)
    async with make_client(HOSTS, also="http://api.telegram.org:8081", wire=wire) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("https://api.telegram.org/")
    assert network.connected == []


async def test_S_SSRF_06_a_redirect_is_an_answer_like_any_other() -> None:
    async with listening() as canary:

        async def redirect(request: Request, writer: asyncio.StreamWriter) -> None:
            await answer(writer, 302, headers={"location": canary.url})

        async with listening(redirect) as server, make_client((), also=server.url) as client:
            assert (await client.get(server.url)).status_code == 302
            with pytest.raises(HostRefused):
                await client.get(server.url, follow_redirects=True)
    assert canary.hits == 0


async def test_S_SSRF_07_the_environment_names_no_proxy_and_no_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with listening() as proxy, listening() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with make_client((), also=server.url) as client:
            assert (await client.get(server.url)).status_code == 200
    assert (proxy.hits, server.hits) == (0, 1)
    assert "authorization" not in server.requests[0].headers


async def wait_for_the_end(request: Request, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side has gone."""
    await writer.wait_closed()


async def flood(request: Request, writer: asyncio.StreamWriter) -> None:
    """An answer without an end, so that no single read ever waits."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 1024)
        await writer.drain()


async def say_half(request: Request, writer: asyncio.StreamWriter) -> None:
    await answer(writer, body=b"half", length=8)
    await writer.wait_closed()


@pytest.mark.parametrize("handler", [wait_for_the_end, flood, say_half])
async def test_S_SSRF_07_an_exchange_ends_in_time(handler: Handler) -> None:
    wire = Wire(total=0.2)
    async with listening(handler) as server, make_client((), also=server.url, wire=wire) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(server.url)


async def test_S_SSRF_07_a_connection_is_waited_for_a_while() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.get_running_loop().create_future()
        return ()

    async with make_client(HOSTS, wire=Wire(resolve=never, connect=0.1)) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get("https://api.telegram.org/")


async def test_a_long_poll_may_take_the_time_that_it_asks_for() -> None:
    """The server answers when four times the client's usual patience has passed."""

    async def answer_late(request: Request, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 0.2)
        await answer(writer, body=b"late")

    wire = Wire(total=0.05)
    async with listening(answer_late) as server, make_client((), also=server.url, wire=wire) as client:
        assert (await client.get(server.url, timeout=30.0)).content == b"late"
        with pytest.raises(httpx.ReadTimeout):
            await client.get(server.url)


async def test_cookies_are_not_kept() -> None:
    async def set_cookie(request: Request, writer: asyncio.StreamWriter) -> None:
        await answer(writer, headers={"set-cookie": "remember=me; Path=/"})

    async with listening(set_cookie) as server, make_client((), also=server.url) as client:
        await client.get(server.url)
        await client.get(server.url)
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


async def test_S_SEC_05_no_address_is_logged_whatever_the_level(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as server, make_client((), also=server.url) as client:
        loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
        for logger in loggers:
            caplog.set_level(logging.DEBUG, logger.name)
        logging.getLogger("test").debug("the net is open")
        await client.get(f"{server.url}/bot{TOKEN}/getMe")
        with pytest.raises(HostRefused) as refused:
            await client.get(f"https://evil.example/bot{TOKEN}/getMe")
    assert "the net is open" in caplog.text
    assert TOKEN not in caplog.text + str(refused.value)
    assert TOKEN in server.requests[0].target


def test_S_SEC_05_loggers_that_tell_addresses_are_named() -> None:
    quiet_loggers()
    telling = [
        name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("httpx", "httpcore")
    ]
    loud = [name for name in telling if not logging.getLogger(name).disabled]
    assert set(loud) <= {"httpcore", "httpcore.proxy", "httpcore.socks", "httpcore.http2"}


BOMB = gzip.compress(bytes(200 * 1024 * 1024), compresslevel=9)


async def send_bomb(request: Request, writer: asyncio.StreamWriter) -> None:
    await answer(writer, body=BOMB, headers={"content-encoding": "gzip"})


async def test_S_IN_08_an_answer_that_inflates_is_read_to_the_cap_alone() -> None:
    async with listening(send_bomb) as server, make_client((), also=server.url) as client:
        tracemalloc.start()
        found = await Api(client, server.url).call("GET", "/")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (found.status, found.body) == (200, None)
    assert peak < 6 * MOST_ANSWER


async def test_S_IN_08_a_file_that_inflates_is_refused_at_the_cap() -> None:
    got = [0]

    async def count(parts: AsyncIterator[bytes]) -> None:
        async for part in parts:
            got.append(len(part))

    async with listening(send_bomb) as server, make_client((), also=server.url) as client:
        with pytest.raises(BadRequest, match="too_large"):
            await count(Api(client, server.url).fetch(f"{server.url}/file"))
    assert 10 * 1024 * 1024 < sum(got) <= 20 * 1024 * 1024
    assert max(got) <= 2 * 1024 * 1024


async def test_a_compressed_answer_is_read() -> None:
    async def compressed(request: Request, writer: asyncio.StreamWriter) -> None:
        await answer(writer, body=gzip.compress(b'{"ok":1}'), headers={"content-encoding": "gzip"})

    async with listening(compressed) as server, make_client((), also=server.url) as client:
        assert (await Api(client, server.url).call("GET", "/")).body == {"ok": 1}


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "deflate, gzip"])
async def test_S_IN_08_a_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    async def coded(request: Request, writer: asyncio.StreamWriter) -> None:
        await answer(writer, body=b"x", headers={"content-encoding": coding})

    async with listening(coded) as server, make_client((), also=server.url) as client:
        with pytest.raises(httpx.DecodingError):
            await client.get(server.url)
    assert server.requests[0].headers["accept-encoding"] == "gzip, deflate"


# --- The client for addresses that an owner of the account names.

HOOK = "hooks.shop.example"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.shop.example/",
        "https://hooks.shop.example:8443/",
        "https://hooks.shop.example:80/",
        "ftp://hooks.shop.example/",
        "https://user@hooks.shop.example/",
        "https://127.0.0.1/",
        "https://149.154.167.220/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://a.127.0.0.0x1/",
        "https://[::1]/",
        "https://[2001:67c:4e8:f004::9]/",
        "https://localhost/",
        "https://intranet/",
        "https://hooks.shop.example./",
        "https://0177.0.0.1/",
        "https://①②⑦.⓪.⓪.①/",
        "https://[::1/",
        "https://a b/",
        f"https://hooks.shop.example/{'x' * 2048}",
        "",
    ],
)
async def test_S_SSRF_03_an_owner_names_a_host_on_port_443_and_nothing_else(url: str) -> None:
    names = Names([[PUBLIC]])
    network = Detour()
    async with make_open_client(wire=Wire(resolve=names, network=network)) as client:
        with pytest.raises(BadRequest, match="bad_address"):
            await call_out(client, "GET", url, headers={})
    assert (names.asked, network.connected) == ([], [])


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fd00::1"],
        [],
    ],
)
async def test_S_SSRF_04_a_name_that_leads_inside_is_not_called(addresses: list[str]) -> None:
    network = Detour()
    async with make_open_client(wire=Wire(resolve=Names([addresses]), network=network)) as client:
        with pytest.raises(Retryable, match="unreachable"):
            await call_out(client, "GET", f"https://{HOOK}/", headers={})
    assert network.connected == []


async def test_S_SSRF_04_an_owners_name_is_looked_up_once_and_its_certificate_checked(tmp_path: Path) -> None:
    server_side, client_side = certify(tmp_path, HOOK)
    async with listening(tls=server_side) as server:
        names, network = Names([[PUBLIC], ["127.0.0.1"]]), Detour(server.port)
        async with make_open_client(wire=Wire(resolve=names, network=network, tls=client_side)) as client:
            reply = await call_out(
                client, "POST", f"https://{HOOK}/x?y=1", json={"a": 1}, headers={"X-Key": "k"}
            )
            with pytest.raises(Retryable):
                await call_out(client, "GET", "https://other.example/", headers={})
    assert (reply.status, reply.body) == (200, b'{"ok":true}')
    assert network.connected == [(PUBLIC, 443)]
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("POST", "/x?y=1", b'{"a":1}')
    assert (request.headers["host"], request.headers["x-key"]) == (HOOK, "k")


async def call_hook(tmp_path: Path, handler: Handler, *, total: float = 10.0) -> Reply:
    server_side, client_side = certify(tmp_path, HOOK)
    async with listening(handler, tls=server_side) as server:
        wire = Wire(resolve=Names([[PUBLIC]]), network=Detour(server.port), tls=client_side, total=total)
        async with make_open_client(wire=wire) as client:
            return await call_out(client, "GET", f"https://{HOOK}/", headers={})


async def test_S_SSRF_06_an_owners_host_leads_nobody_elsewhere(tmp_path: Path) -> None:
    async def redirect(request: Request, writer: asyncio.StreamWriter) -> None:
        await answer(writer, 302, headers={"location": "https://elsewhere.example/"})

    assert (await call_hook(tmp_path, redirect)).status == 302


async def test_S_SSRF_07_an_owners_host_has_a_deadline_and_a_cap(tmp_path: Path) -> None:
    async def say_much(request: Request, writer: asyncio.StreamWriter) -> None:
        body = gzip.compress(bytes(MOST_REPLY + 1))
        await answer(writer, body=body, headers={"content-encoding": "gzip"})

    async def say_nothing(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    with pytest.raises(BadRequest, match="too_large"):
        await call_hook(tmp_path, say_much)
    with pytest.raises(Uncertain, match="no_answer"):
        await call_hook(tmp_path, say_nothing, total=0.2)


async def test_S_SSRF_08_what_went_wrong_tells_nothing_of_the_address(tmp_path: Path) -> None:
    wire = Wire(resolve=Names([["10.0.0.1"]]), network=Detour())
    async with make_open_client(wire=wire) as client:
        with pytest.raises(Retryable) as refused:
            await call_out(client, "GET", f"https://{HOOK}/{TOKEN}", headers={})
    assert str(refused.value) == "unreachable"
    assert refused.value.__cause__ is None
