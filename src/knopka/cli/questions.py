"""The questions of `knopka check`: each looks at one thing and says how to mend it."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from knopka.app import KEY_FILE, connect_to, open_vault, read_limits
from knopka.cli.store import read_settings
from knopka.db import postgres
from knopka.db.database import Database, Transaction, UnsafeStore
from knopka.db.sqlite import parse_url
from knopka.domain.catalog import Catalog
from knopka.domain.channel_wording import explain
from knopka.domain.errors import InvalidInput, KnopkaError, NotFound
from knopka.domain.messaging import NAMES, Level
from knopka.domain.visitor import Identity
from knopka.files import FileStore, open_files, place_of
from knopka.services.catalog import load_catalog
from knopka.services.channels import read_config
from knopka.services.operators import has_operators
from knopka.services.vault import Vault
from knopka.settings import Settings
from knopka.web.static_files import FOLDER

State = Literal["ok", "warning", "fault"]

TLS = "Put a proxy with TLS before knopka (docs/operations.md), and say https."
LITTLE_SPACE = 1024**3
MIN_SPACE = 200 * 1024**2
MAX_CLOCK_DRIFT = timedelta(seconds=2)
BUILT_AFTER = datetime(2026, 11, 1, tzinfo=UTC)
"""A clock that shows an earlier moment has been reset."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one question found. `fix` is what to do; empty where all is well."""

    name: str
    state: State
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the questions about the store's contents need, read once."""

    catalog: Catalog
    has_operators: bool


def look_around() -> Iterator[Finding]:
    """Every finding, in the order in which things are mended."""
    yield _look_at_static_files(FOLDER)
    try:
        settings = read_settings()
    except InvalidInput as error:
        for fault in error.faults:
            yield Finding("settings", "fault", f"{fault.path}: {fault.message}", "See docs/settings.md.")
        return
    yield Finding("settings", "ok", "Every setting can be read.")
    for question in QUESTIONS:
        yield from question(settings)
    yield from look_at_store(settings)


def look_at_limits(settings: Settings) -> Iterator[Finding]:
    try:
        read_limits(settings)
    except InvalidInput as error:
        for fault in error.faults:
            yield Finding(
                "limits", "fault", f"{fault.path}: {fault.message}", "See docs/operations.md, Limits."
            )
    else:
        yield Finding("limits", "ok", f"From {settings.limits or 'the built-in table'}.")


def look_at_data_dir(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        fix = f"Make {folder.absolute()} writable for the user that runs knopka, or set KNOPKA_DATA_DIR."
        yield Finding("data directory", "fault", f"Nothing can be written there: {error.strerror}", fix)
        return
    if folder.stat().st_mode & 0o007:
        message = f"Every user of this machine may look into {folder.absolute()}."
        yield Finding("data directory", "warning", message, f"chmod 700 {folder.absolute()}")
    else:
        yield Finding("data directory", "ok", f"{folder.absolute()} is writable.")


def look_at_disk(settings: Settings) -> Iterator[Finding]:
    """A full disk loses nothing that was acknowledged, and takes nothing more."""
    folders = {settings.data_dir.absolute()}
    if (path := _sqlite_path(settings)) is not None:
        folders.add(path.absolute().parent)
    if settings.files and not settings.files.startswith("s3:"):
        folders.add(Path(settings.files).absolute())
    for folder in sorted(folder for folder in folders if folder.is_dir()):
        free = shutil.disk_usage(folder).free
        message = f"{free / 1024**3:.1f} GiB are free for {folder}."
        fix = "Make room, or move the data with KNOPKA_DATA_DIR, the files with KNOPKA_FILES."
        state: State = "fault" if free < MIN_SPACE else "warning" if free < LITTLE_SPACE else "ok"
        yield Finding("disk", state, message, "" if state == "ok" else fix)


def look_at_files(settings: Settings) -> Iterator[Finding]:
    """Whether what visitors send can be kept: a small file is put there, read and taken away."""
    try:
        place = place_of(settings.files, settings.data_dir)
        wrong = asyncio.run(_try_files(open_files(settings.files, settings.data_dir, connect_to)))
    except InvalidInput as error:
        for fault in error.faults:
            yield Finding("files", "fault", f"{fault.path} {fault.message}.", "See docs/files.md, A bucket.")
        return
    if isinstance(place, Path):
        told = f"{place.absolute()} takes files."
        fix = f"Make {place.absolute()} writable for the user that runs knopka, or set KNOPKA_FILES."
    else:
        told = f"The bucket {place.endpoint}{place.path} takes files."
        fix = "Check the address, the key and its rights in KNOPKA_FILES (docs/files.md, A bucket)."
    yield Finding("files", "fault", wrong, fix) if wrong else Finding("files", "ok", told)


async def _try_files(store: FileStore) -> str | None:
    try:
        return await store.check()
    finally:
        await store.close()


def look_at_key(settings: Settings) -> Iterator[Finding]:
    path = settings.data_dir / KEY_FILE
    if settings.secret_key:
        yield Finding("secret key", "ok", "From KNOPKA_SECRET_KEY.")
    elif not path.exists():
        yield Finding("secret key", "ok", f"The first start makes {path}.")
    elif path.stat().st_mode & 0o077:
        yield Finding(
            "secret key",
            "fault",
            f"Others may read {path}, and make chat tokens with it.",
            f"chmod 600 {path}",
        )
    else:
        yield Finding("secret key", "ok", f"In {path}, for its owner alone.")


def look_at_base_url(settings: Settings) -> Iterator[Finding]:
    fix = "Set KNOPKA_BASE_URL to where browsers reach this server, such as https://chat.example.com."
    if not settings.base_url:
        yield Finding("base URL", "fault", "KNOPKA_BASE_URL is not set, and `serve` needs it.", fix)
    elif settings.base_url.startswith("http:") and not _is_local(settings.base_url):
        message = f"{settings.base_url} is plain http: whoever is on the way reads and changes everything."
        yield Finding("base URL", "warning", message, TLS)
    else:
        yield Finding("base URL", "ok", settings.base_url)


def look_at_proxy(settings: Settings) -> Iterator[Finding]:
    """TLS ends at a proxy; unless we believe what it forwards, all visitors are one."""
    if settings.base_url.startswith("https:") and not settings.trusted_proxies:
        message = "KNOPKA_TRUSTED_PROXIES is empty: all visitors share the proxy's address, and its limits."
        yield Finding("proxy", "warning", message, "Name the proxy: KNOPKA_TRUSTED_PROXIES=127.0.0.1")
    elif any(network.prefixlen == 0 for network in settings.trusted_proxies):
        message = "KNOPKA_TRUSTED_PROXIES holds every address: anybody may claim to be anybody."
        yield Finding("proxy", "fault", message, "Name the proxy's own address.")
    else:
        yield Finding(
            "proxy", "ok", ", ".join(map(str, settings.trusted_proxies)) or "None, and none is needed."
        )


def look_at_inbox(settings: Settings) -> Iterator[Finding]:
    if (
        settings.base_url
        and urlsplit(settings.inbox_url or settings.base_url).netloc == urlsplit(settings.base_url).netloc
    ):
        message = "Operators sign in on the host that strangers' pages load from."
        fix = "Give the inbox a host of its own: KNOPKA_INBOX_URL=https://inbox.example.com"
        yield Finding("inbox host", "warning", message, fix)
    elif settings.inbox_url.startswith("http:") and not _is_local(settings.inbox_url):
        message = f"{settings.inbox_url} is plain http: passwords would travel in the clear."
        yield Finding("inbox host", "warning", message, TLS)
    else:
        yield Finding("inbox host", "ok", settings.inbox_url or "Not needed before there is a base URL.")


def look_at_clock(settings: Settings) -> Iterator[Finding]:
    now = datetime.now(UTC)
    fix = "Set the clock, and keep it right with NTP (timedatectl set-ntp true)."
    if now < BUILT_AFTER:
        yield Finding("clock", "fault", f"It shows {now:%Y-%m-%d}, before this release was made.", fix)
        return
    path = _sqlite_path(settings)
    if path is not None and path.exists() and path.stat().st_mtime > (now + MAX_CLOCK_DRIFT).timestamp():
        yield Finding("clock", "fault", "It shows a moment before the store was last written.", fix)
        return
    yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S}Z")


def look_at_backup_tool(settings: Settings) -> Iterator[Finding]:
    if not settings.store_url.startswith("sqlite:") and shutil.which("pg_dump") is None:
        message = "pg_dump is missing, so `knopka backup` cannot work."
        yield Finding("backup", "warning", message, "apt-get install postgresql-client")


def look_at_store(settings: Settings) -> Iterator[Finding]:
    """The store itself, and what stands in it."""
    try:
        stored = asyncio.run(_read_store(settings.store_url))
    except KnopkaError as error:
        yield Finding("store", "fault", error.message, _fix_store(error))
        return
    kind = "SQLite" if settings.store_url.startswith("sqlite:") else "PostgreSQL"
    yield Finding("store", "ok", f"{kind}, reachable, safe and current.")
    if not settings.store_url.startswith("sqlite:"):
        yield _compare_clocks(settings.store_url)
    yield from look_at_operators(stored)
    yield from look_at_buttons(stored.catalog)
    yield from look_at_channels(settings, stored.catalog)


def look_at_operators(stored: Stored) -> Iterator[Finding]:
    if stored.has_operators:
        yield Finding("operators", "ok", "There is somebody to answer.")
    else:
        yield Finding("operators", "fault", "There is nobody to answer.", "knopka operator add LOGIN")


def look_at_buttons(catalog: Catalog) -> Iterator[Finding]:
    if not catalog.sources:
        fix = "knopka button add --name Shop --origin https://shop.example.com"
        yield Finding("buttons", "warning", "There is no button yet.", fix)
    for source in catalog.sources.values():
        name = f"button {source.public_id}"
        plain = [origin for origin in source.origins if origin.startswith("http:") and not _is_local(origin)]
        if not source.origins:
            yield Finding(name, "fault", "It may stand on no page.", "Add a button with --origin.")
        elif plain:
            message = f"{', '.join(plain)} is plain http: whoever is on the way may write on the cards."
            yield Finding(name, "warning", message, "Serve the site by https.")
        elif source.identity is Identity.PLAIN:
            message = (
                "identity is plain: an unsigned user_id of 32 or more characters opens that user's chat "
                "to whoever learns it."
            )
            fix = "Sign the ids, or make sure that they are secret and random (docs/button.md)."
            yield Finding(name, "warning", message, fix)
        else:
            yield Finding(name, "ok", f"For {', '.join(source.origins)}.")


def look_at_channels(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """How each channel stood when it was looked at last, and whether our key still opens its secrets."""
    if not catalog.channels:
        return
    vault = open_vault(settings)
    yield from _look_at_older_keys(settings, catalog, vault)
    for channel in catalog.channels.values():
        name = f"channel {channel.id}"
        told = f"{NAMES[channel.kind]} {channel.title}".strip()
        worst = max(channel.findings, key=lambda one: _LEVELS.index(one.level), default=None)
        try:
            read_config(vault, channel)
        except KnopkaError as error:
            fix = (
                "Bring the earlier key back in KNOPKA_SECRET_KEY_OLD, or enter the secrets again: "
                f"knopka channel change {channel.kind.value} {channel.id}"
            )
            yield Finding(name, "fault", f"{told}: {error.message}", fix)
            continue
        if not channel.is_enabled:
            yield Finding(name, "ok", f"{told} is switched off.")
        elif worst is None or worst.level is Level.OK:
            yield Finding(name, "ok", f"{told} works.")
        else:
            message, fix = explain(worst.code, "en")
            state: State = "fault" if worst.level is Level.BROKEN else "warning"
            yield Finding(name, state, f"{told}: {message}", fix)


def _look_at_older_keys(settings: Settings, catalog: Catalog, vault: Vault) -> Iterator[Finding]:
    """An earlier key is needed until a start has sealed everything with the present one."""
    if not settings.secret_key_old:
        return
    sealed = [channel.id for channel in catalog.channels.values() if not vault.is_newest(channel.secrets)]
    if sealed:
        message = f"The secrets of {len(sealed)} channels are not sealed with the present key yet."
        yield Finding("earlier keys", "warning", message, "Start the server once: it seals them anew.")
    else:
        yield Finding("earlier keys", "ok", "Nothing needs KNOPKA_SECRET_KEY_OLD any more: remove it.")


_LEVELS = (Level.OK, Level.WARNING, Level.BROKEN)


QUESTIONS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    look_at_limits,
    look_at_data_dir,
    look_at_disk,
    look_at_files,
    look_at_key,
    look_at_base_url,
    look_at_proxy,
    look_at_inbox,
    look_at_clock,
    look_at_backup_tool,
)


async def _read_store(url: str) -> Stored:
    if url.startswith("sqlite:") and not parse_url(url).exists():
        raise NotFound(f"There is no store at {parse_url(url)} yet.")
    database = await Database.open(url)
    try:
        return await database.read(_read_contents)
    finally:
        await database.close()


def _read_contents(tx: Transaction) -> Stored:
    return Stored(load_catalog(tx), has_operators(tx))


def _fix_store(error: KnopkaError) -> str:
    match error.code:
        case "not_found" | "wrong_schema":
            return "knopka migrate"
        case "unsafe_store":
            return "Set the store up so that a commit lasts (docs/operations.md, One process or several)."
        case _:
            return "Start the store, or mend KNOPKA_DATABASE_URL."


def _compare_clocks(url: str) -> Finding:
    with closing(postgres.connect(url)) as connection:
        (theirs,) = connection.execute("SELECT clock_timestamp()").fetchone() or (datetime.now(UTC),)
    drift = abs(datetime.now(UTC) - theirs)
    if drift > MAX_CLOCK_DRIFT:
        message = f"This machine and the database are {drift.total_seconds():.0f} s apart."
        return Finding("database clock", "warning", message, "Keep both right with NTP.")
    return Finding("database clock", "ok", "The same as here.")


def _look_at_static_files(static: Path) -> Finding:
    """A wheel carries the built browser code; a clone builds it."""
    fix = "Install the wheel, or build it in a clone: make run, or python hatch_build.py."
    try:
        manifest = json.loads((static / "manifest.json").read_text(encoding="utf-8"))
        files = [entry["file"] for entry in manifest.values()] + ["inbox/index.html"]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return Finding("browser code", "fault", "The button, the chat and the inbox are not built.", fix)
    missing = [name for name in files if not (static / name).is_file()]
    if missing:
        return Finding("browser code", "fault", f"Missing: {', '.join(missing)}", fix)
    return Finding("browser code", "ok", f"{len(files)} files.")


def _sqlite_path(settings: Settings) -> Path | None:
    """Where the store lies; None for PostgreSQL, and for an address that the store itself will refuse."""
    try:
        return parse_url(settings.store_url) if settings.store_url.startswith("sqlite:") else None
    except UnsafeStore:
        return None


def _is_local(url: str) -> bool:
    return (urlsplit(url).hostname or "") in ("localhost", "127.0.0.1", "::1")
