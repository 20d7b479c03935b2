"""Starts and wires: the only place that names concrete classes and hands settings to them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import httpx
import structlog
import uvloop
from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ASGIApp

from knopka.db.database import Database
from knopka.db.schema import list_revisions
from knopka.domain.catalog import Catalog, ChannelSetup
from knopka.domain.errors import Fault, InvalidInput, KnopkaError, Unavailable
from knopka.domain.messaging import ChannelKind
from knopka.files import open_files
from knopka.live import Hub, MemoryBus, PostgresBus
from knopka.outgoing import call_out, make_client, make_open_client
from knopka.platforms import PLATFORMS, Apis, ChannelShelf, Platform
from knopka.services import demo as services_demo
from knopka.services.bot_signing import Signer
from knopka.services.bot_steps import Kit, make_handlers
from knopka.services.cards import WAITING_TIMER
from knopka.services.catalog import ACCOUNT, ensure_account, load_catalog
from knopka.services.channels import Connector, reseal_channels, start_channels
from knopka.services.courier import Courier
from knopka.services.expiry import expire_waiting
from knopka.services.jobs import Handler, InStore, Worker, WorkerLimits
from knopka.services.operators import make_setup_code
from knopka.services.passwords import hash_password
from knopka.services.retention import RETENTION_TIMER, delete_old, go_on_tomorrow, start_retention
from knopka.services.sweeping import Sweeper, start_sweeping
from knopka.services.vault import Vault
from knopka.settings import Settings
from knopka.web.context import Demo, Messengers, Web
from knopka.web.desk import real_now
from knopka.web.errors import HANDLERS
from knopka.web.headers import Headers
from knopka.web.limits import Limits
from knopka.web.routes import DEMO, OPERATORS, PUBLIC
from knopka.web.server import SIGNALS, Config, Deadlines, Gate, Server, bind, raise_file_limit

log = structlog.get_logger(__name__)
KEY_FILE = "secret.key"
HANDLED_JOBS: Mapping[str, Handler] = {
    WAITING_TIMER: InStore(expire_waiting),
    RETENTION_TIMER: InStore(partial(delete_old, sign_in_clock=real_now), on_dead=go_on_tomorrow),
}
"""What becomes of each kind of job."""
COLLECT_AFTER = 10_000
"""New objects after which the youngest are searched for cyclic garbage; Python's own figure is 700."""
FIRST_ACCOUNT = {"name": "knopka", "locale": "ru", "timezone": "Europe/Moscow", "currency": "RUB"}
"""What a new installation begins with."""


class CatalogCache:
    """The account's set-up in memory: read at start, and again after each change of it."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog
        self._reading: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._is_stale = False
        self.on_change: Callable[[], None] = lambda: None

    def get(self) -> Catalog:
        return self._catalog

    def notice(self) -> None:
        """Somebody wrote; read again soon. Many notices at once cost one reading more, not many."""
        self._is_stale = True
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def reload(self) -> None:
        """Read again now: for our own writes to the catalog. One after another, so that the newest stays."""
        async with self._lock:
            self._catalog = await self._database.read(load_catalog)
            self.on_change()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    async def _read(self) -> None:
        try:
            while self._is_stale:
                self._is_stale = False
                try:
                    await self.reload()
                except Unavailable:
                    log.warning("the catalog could not be read again; the earlier one stays")
        finally:
            self._reading = None


@dataclass(slots=True)
class House:
    """Everything that runs; close it to let go of all of it."""

    database: Database
    hub: Hub
    catalogs: CatalogCache
    web: Web
    app: ASGIApp
    worker: Worker
    desk: Switchboard
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def begin(self, *, works: bool = True) -> None:
        """Start what runs beside the answering: the bus, and the jobs unless another process has them."""
        begin = asyncio.get_running_loop().create_task
        self.tasks.append(begin(self.hub.run()))
        if works:
            self.tasks.append(begin(self.worker.run()))

    async def close(self) -> None:
        """Stop in the order in which things need one another: work first, the store last."""
        await self.worker.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.catalogs.close()
        await self.desk.close()
        await self.database.close()


@dataclass(frozen=True, slots=True)
class Ready:
    """What a newcomer needs to know once the server answers."""

    url: str
    inbox: str
    demo_page: str | None = None
    login: str | None = None
    password: str | None = None
    setup_code: str | None = None
    """To make the first operator with, at /inbox/setup; None when there is one."""
    simulator: str | None = None
    """Where the demo's messengers are."""


async def open_house(
    settings: Settings,
    *,
    base_url: str | None = None,
    demo: DemoDoor | None = None,
    platforms: Mapping[ChannelKind, Platform] = PLATFORMS,
    worker_limits: WorkerLimits = WorkerLimits(),  # noqa: B008  # frozen
    on_broken: Callable[[str], None] = lambda _reason: None,
) -> House:
    """Open the store and put everything together; nothing listens yet."""
    base_url = base_url or settings.base_url
    hub = Hub(PostgresBus(settings.store_url) if settings.store_url.startswith("postgres") else MemoryBus())
    cache: list[CatalogCache] = []
    database = await Database.open(
        settings.store_url,
        on_publish=hub.publish,
        on_foreign_write=lambda: cache[0].notice() if cache else None,
        on_broken=on_broken,
    )
    cache.append(CatalogCache(database, await database.read(load_catalog)))
    limits = read_limits(settings)
    trusted = settings.trusted_proxies
    desk = Switchboard(database, cache[0], settings, base_url, platforms)
    web = Web(
        database=database,
        hub=hub,
        catalog=cache[0].get,
        base_url=base_url,
        inbox_url=settings.inbox_url or base_url,
        secret_key=read_secret_key(settings),
        limits=limits,
        channels=desk.shelf,
        messengers=Messengers(desk.connector, desk.courier, desk.files),
        bots=desk.bots,
        reload=cache[0].reload,
        trusted_proxies=trusted,
        demo=None if demo is None else _make_demo(database, demo),
    )
    web.gate = Gate(limits.sockets, limits.sockets_per_address, web.trusts)
    worker = Worker(database, {**HANDLED_JOBS, **desk.handlers()}, limits=worker_limits)
    return House(database, hub, cache[0], web, build_app(web), worker, desk)


class Switchboard:
    """Everything that the messengers are made of, put together once for a server or a worker."""

    def __init__(
        self,
        database: Database,
        catalogs: CatalogCache,
        settings: Settings,
        base_url: str,
        platforms: Mapping[ChannelKind, Platform] = PLATFORMS,
    ) -> None:
        self.vault = open_vault(settings)
        self.apis = Apis(api_addresses(settings), platforms)
        self.shelf = ChannelShelf(catalogs.get, self.vault, self.apis)
        self.files = open_files(settings.files, settings.data_dir, connect_to)
        self.connector = Connector(
            database,
            self.vault,
            self.apis.make,
            self.apis.parameters_of,
            partial(webhook_url, self.apis, base_url),
            catalogs.reload,
            read_limits(settings).channels,
        )
        folder = settings.data_dir / "incoming"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.bot_client = make_open_client()
        self.bots = Kit(
            channels=self.shelf,
            catalog=catalogs.get,
            signer=Signer(read_secret_key(settings), ACCOUNT, base_url),
            call=partial(call_out, self.bot_client),
            now=database.clock,
        )
        self.courier = Courier(
            database,
            self.shelf,
            catalogs.get,
            self.connector,
            self.files,
            folder,
            catalogs.reload,
            read_limits(settings).media_bytes_per_day,
        )
        self.sweeper = Sweeper(database, self.files, folder, real_now)
        self.sweeper.sweep_incoming()

    async def close(self) -> None:
        """Let go of every connection."""
        await self.apis.close()
        await self.files.close()
        await self.bot_client.aclose()

    def handlers(self) -> Mapping[str, Handler]:
        kinds = {kind: platform.caps.has_send_key for kind, platform in self.apis.platforms.items()}
        return {
            **self.courier.handlers(kinds),
            **self.sweeper.handlers(),
            **make_handlers(self.bots),
        }


def connect_to(address: str) -> httpx.AsyncClient:
    """An HTTP client for this one address."""
    return make_client((), also=address)


def api_addresses(settings: Settings) -> Mapping[str, str]:
    """The other addresses of the platforms' APIs, by the names of their settings."""
    return {platform.setting: getattr(settings, platform.setting) for platform in PLATFORMS.values()}


def webhook_url(apis: Apis, base_url: str, setup: ChannelSetup) -> str:
    """Where the channel's platform sends what happens; empty where no platform could reach us."""
    if not base_url.startswith("https:") and not apis.is_simulated(setup.kind):
        return ""
    return f"{base_url}/hooks/{setup.kind.value}/{setup.path}"


def build_app(web: Web) -> ASGIApp:
    """Give the application: the routes of this kind of server, every answer with its headers."""
    litestar = Litestar(
        route_handlers=[*PUBLIC, *OPERATORS, *(DEMO if web.demo else ())],
        exception_handlers={**HANDLERS},
        state=State({"web": web}),
        openapi_config=None,  # S-OPS-06: the document is made from web/openapi.py and not served
        logging_config=None,
        request_max_body_size=None,  # web/bodies.py counts while it reads
    )
    inbox_host = web.inbox_host if web.is_inbox_apart else None
    return Headers(litestar, is_https=web.base_url.startswith("https:"), inbox_host=inbox_host)


def serve(
    settings: Settings,
    *,
    demo: bool = False,
    works: bool = True,
    on_ready: Callable[[Ready], None] = lambda _ready: None,
) -> None:
    """Run the server until a signal ends it. Faults of settings and store are raised before it listens."""
    configure_log(settings.log_level)
    run(_serve(settings, demo=demo, works=works, on_ready=on_ready))


def work(settings: Settings) -> None:
    """Run the jobs alone, beside servers that leave them to us (PostgreSQL), until a signal ends it."""
    configure_log(settings.log_level)
    run(_work(settings))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    broken: list[str] = []

    def end(reason: str) -> None:
        broken.append(reason)
        stop.set()

    for name in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    cache: list[CatalogCache] = []
    database = await Database.open(
        settings.store_url,
        on_foreign_write=lambda: cache[0].notice() if cache else None,
        on_broken=end,
    )
    cache.append(CatalogCache(database, await database.read(load_catalog)))
    desk = Switchboard(database, cache[0], settings, settings.base_url)
    worker = Worker(database, {**HANDLED_JOBS, **desk.handlers()})
    running = asyncio.create_task(worker.run())
    try:
        await stop.wait()
    finally:
        await worker.stop()
        await running
        await cache[0].close()
        await desk.close()
        await database.close()
    if broken:
        raise Unavailable(f"The store is broken: {broken[0]}")


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def _serve(settings: Settings, *, demo: bool, works: bool, on_ready: Callable[[Ready], None]) -> None:
    with contextlib.closing(bind(settings.host, settings.port)) as listener:
        await _serve_on(listener, settings, demo=demo, works=works, on_ready=on_ready)


async def _serve_on(
    listener: socket.socket,
    settings: Settings,
    *,
    demo: bool,
    works: bool,
    on_ready: Callable[[Ready], None],
) -> None:
    base_url = settings.base_url or (local_url(listener) if demo else "")
    if not base_url:
        message = "must say where browsers reach us, like https://chat.example.com"
        raise InvalidInput(Fault("KNOPKA_BASE_URL", "missing", message))
    prepare_store(settings)
    async with contextlib.AsyncExitStack() as stack:
        simulator = None
        if demo:
            from knopka.demo_messengers import at_simulator  # late: only the demo needs the simulator

            simulator = await _start_simulator(stack, settings, listener)
            settings = at_simulator(settings, simulator)
        await _serve_at(
            listener, settings, base_url, simulator=simulator, demo=demo, works=works, on_ready=on_ready
        )


async def _start_simulator(
    stack: contextlib.AsyncExitStack, settings: Settings, listener: socket.socket
) -> str:
    """The messengers of the demo, on the next port if that is free."""
    from knopka.demo_messengers import start_simulator

    port = listener.getsockname()[1] + 1 if settings.port else 0
    server = await start_simulator("127.0.0.1", port)
    stack.push_async_callback(server.stop)
    return server.url


async def _serve_at(
    listener: socket.socket,
    settings: Settings,
    base_url: str,
    *,
    simulator: str | None,
    demo: bool,
    works: bool,
    on_ready: Callable[[Ready], None],
) -> None:
    broken: list[str] = []
    server: Server | None = None

    def end(reason: str) -> None:
        """D-09: what the disk did not keep cannot be promised; the process ends."""
        broken.append(reason)
        if server is not None:
            server.stop()

    door = await set_up(settings, base_url, demo=demo)
    house = await open_house(settings, base_url=base_url, demo=door, on_broken=end)
    try:
        ready = replace(await _describe(house, door), simulator=simulator)
        house.begin(works=works)
        await house.hub.wait_until_it_hears()

        def announce() -> None:
            if simulator is None:
                on_ready(ready)
            else:
                house.tasks.append(asyncio.create_task(_open_demo(house, simulator, lambda: on_ready(ready))))

        server = build_server(house, on_started=announce, handles_signals=True)
        if not broken:
            await server.serve(sockets=[listener])
    finally:
        await house.close()
    if broken:
        raise Unavailable(f"The store is broken: {broken[0]}")


async def _open_demo(house: House, simulator: str, on_ready: Callable[[], None]) -> None:
    """Connect the demo's messengers, which call back, so that somebody has to answer already."""
    from knopka.demo_messengers import connect_samples

    assert house.web.messengers is not None  # noqa: S101  # open_house made them
    known = {setup.kind: setup for setup in house.catalogs.get().channels.values()}
    try:
        await connect_samples(house.web.messengers.connector, known, simulator)
        await house.catalogs.reload()
    except KnopkaError:
        log.exception("the demo's messengers could not be connected")
    on_ready()


def _make_demo(database: Database, door: DemoDoor) -> Demo:
    return Demo(database.advance_clock, database.clock, services_demo.LOGIN, door.password, door.buttons)


@dataclass(frozen=True, slots=True)
class DemoDoor:
    """How a newcomer gets into the demo."""

    password: str
    buttons: Mapping[str, str]


async def set_up(settings: Settings, base_url: str, *, demo: bool) -> DemoDoor | None:
    """Make the account unless it is there, with its retention; for the demo, its shop as well."""
    database = await Database.open(settings.store_url)
    try:
        await database.write(start_retention, key=("account", 1))
        await database.write(start_sweeping, key=("account", 1))
        await database.write(reseal_channels, open_vault(settings), key=("account", 1))
        await database.write(start_channels, key=("account", 1))
        if not demo:
            await database.write(ensure_account, **FIRST_ACCOUNT, key=("account", 1))
            return None
        password = services_demo.read_password(settings.data_dir)
        sources = await database.write(
            services_demo.set_up_demo,
            origins=demo_origins(base_url),
            password_hash=hash_password(password),
            key=("account", 1),
        )
        await database.write(services_demo.set_up_bot, services_demo.read_script(), key=("account", 1))
        return DemoDoor(password, {locale: source.public_id for locale, source in sources.items()})
    finally:
        await database.close()


def demo_origins(base_url: str) -> tuple[str, ...]:
    """The demo's page is opened by its address and, on this computer, by the name localhost too."""
    return tuple(dict.fromkeys((base_url, base_url.replace("//127.0.0.1:", "//localhost:"))))


async def _describe(house: House, door: DemoDoor | None) -> Ready:
    url, inbox = house.web.base_url, f"{house.web.inbox_url}/inbox"
    if door is not None:
        return Ready(url, inbox, f"{url}/demo", services_demo.LOGIN, door.password)
    return Ready(url, inbox, setup_code=await house.database.write(make_setup_code, key=("account", 1)))


def calm_collector() -> None:
    """Have the search for cyclic garbage come less often than Python would.

    A request leaves next to none, and each search walks through everything that
    the requests in flight hold. What is loaded by now stays, and is never searched.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def build_server(
    house: House,
    *,
    on_started: Callable[[], None] = lambda: None,
    handles_signals: bool = False,
    deadlines: Deadlines = Deadlines(),  # noqa: B008  # frozen
) -> Server:
    assert house.web.gate is not None  # noqa: S101  # open_house made it
    raise_file_limit(house.web.limits.sockets)
    calm_collector()
    config = Config(house.app, house.web.gate, deadlines)
    return Server(config, on_started=on_started, handles_signals=handles_signals)


def local_url(listener: socket.socket) -> str:
    """Where this very computer reaches the socket."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def prepare_store(settings: Settings) -> None:
    """Make or migrate an SQLite store; on PostgreSQL that is a decision of whoever runs it."""
    if not settings.store_url.startswith("sqlite:"):
        return
    from knopka.db import sqlite

    path = sqlite.parse_url(settings.store_url)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sqlite.read_revision(path) != list_revisions()[-1]:
        from knopka.db.migrate import migrate  # late: Alembic and Mako take 20 MB

        migrate(settings.store_url)


def configure_log(level: str) -> None:
    """One JSON object a line on stderr; outside words are values in it, never its message (S-OUT-09)."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(render, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # Its warnings repeat what strangers send; what we refuse is counted instead.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    # `knopka migrate` tells what it did; a start has one line of its own to say first.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def hide_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """S-SEC-05: whoever logs a secret by mistake logs its name alone."""
    for name in event:
        if any(mark in name.lower() for mark in ("token", "password", "secret", "authorization", "cookie")):
            event[name] = "[hidden]"
    return event


def read_limits(settings: Settings) -> Limits:
    if settings.limits is None:
        return Limits()
    try:
        return Limits.from_toml(settings.limits.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(Fault("KNOPKA_LIMITS", "unreadable", f"cannot be read: {error}")) from error


def open_vault(settings: Settings) -> Vault:
    """What seals with this server's key, and opens what an earlier one has sealed."""
    return Vault(read_secret_key(settings), *map(_hash_key, settings.secret_key_old))


def _hash_key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def read_secret_key(settings: Settings) -> bytes:
    """Give the key that signs; without a setting it is made once, in a file for us alone (S-SEC-04)."""
    if settings.secret_key:
        return _hash_key(settings.secret_key)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = settings.data_dir / KEY_FILE
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    if path.stat().st_mode & 0o077:
        raise InvalidInput(Fault(str(path), "open_key_file", f"others may read it; run: chmod 600 {path}"))
    key = path.read_text().strip()
    if len(key) < 64:
        raise InvalidInput(Fault(str(path), "short_key", "is not whole; delete it to have a new key made"))
    return _hash_key(key)


def demo_settings(settings: Settings) -> Settings:
    """The demo keeps to its own folder and to this computer."""
    folder = settings.data_dir / "demo"
    return replace(settings, data_dir=folder, database_url="", base_url="", inbox_url="")
