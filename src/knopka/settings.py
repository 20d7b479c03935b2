"""The settings, read once from the environment; app and cli alone know them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from knopka.domain.errors import Fault, InvalidInput

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PREFIX = "KNOPKA_"
SECRETS = frozenset({"DATABASE_URL", "SECRET_KEY", "SECRET_KEY_OLD", "BUS_URL", "SMTP_URL", "FILES"})
"""Settings that may hold a secret: each is also read from the file that `KNOPKA_<NAME>_FILE` names."""
FOREIGN = ("KNOPKA_CHROMIUM", "KNOPKA_BUILD_", "KNOPKA_TEST_")
"""Names (or, ending in _, their beginnings) that belong to the build and the tests."""
LOG_LEVELS = ("debug", "info", "warning", "error")
MIN_SECRET = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; docs/settings.md has a heading for each. Its repr tells no secret."""

    data_dir: Path = Path("knopka-data")
    """Where the SQLite store, the key file and the backups live."""
    database_url: str = field(default="", repr=False)
    """sqlite:///path or postgresql://…; empty: SQLite in the data directory."""
    base_url: str = ""
    """Where browsers reach us, https://host[:port]; `serve` insists on it, the demo makes its own."""
    inbox_url: str = ""
    """Where operators reach us; empty: the base URL. A host of its own keeps sign-ins off the public host."""
    host: str = "127.0.0.1"
    """The address we listen on."""
    port: int = 8000
    """The port we listen on; 0 lets the system choose."""
    secret_key: str = field(default="", repr=False)
    """Signs chat tokens and seals secrets; 32 characters or more. Empty: a key file in the data directory."""
    secret_key_old: tuple[str, ...] = field(default=(), repr=False)
    """Earlier keys, separated by commas: what they sealed is sealed anew with the present one at start."""
    bus_url: str = field(default="", repr=False)
    """Joins several processes; empty: within this process, or LISTEN/NOTIFY on PostgreSQL."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose X-Forwarded-For we believe: addresses or networks, separated by commas."""
    limits: Path | None = None
    """A TOML file with other limits than the built-in ones."""
    files: str = field(default="", repr=False)
    """Where uploaded files go: a folder or an S3 address; empty: a folder in the data directory."""
    log_level: str = "info"
    """debug, info, warning or error."""
    smtp_url: str = field(default="", repr=False)
    """The mail server, smtp://user:password@host:port."""
    telegram_api: str = field(default="", repr=False)
    """Another address for Telegram's Bot API; its host joins the closed list for that platform alone."""
    graph_api: str = field(default="", repr=False)
    """The same for Meta's Graph API."""
    viber_api: str = field(default="", repr=False)
    """The same for Viber's API."""
    vk_api: str = field(default="", repr=False)
    """The same for VK's API."""
    amocrm_api: str = field(default="", repr=False)
    """The same for amoCRM's API."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read every setting, or raise InvalidInput that lists every fault at once."""
        faults = [*_unknown(environ)]
        values: dict[str, object] = {}
        for name, parse in PARSERS.items():
            try:
                text = _text(environ, name)
                if text is not None:
                    values[name.lower()] = parse(text)
            except ValueError as error:
                faults.append(Fault(PREFIX + name, "bad_setting", str(error)))
        if faults:
            raise InvalidInput(*faults)
        return cls(**values)  # type: ignore[arg-type] # each parser gives its own field's type

    @property
    def store_url(self) -> str:
        """The store that is really used."""
        return self.database_url or f"sqlite:///{self.data_dir / 'knopka.db'}"


def _text(environ: Mapping[str, str], name: str) -> str | None:
    """Give a setting's text, from the variable or from the file that the `…_FILE` variable names."""
    value = environ.get(PREFIX + name)
    path = environ.get(f"{PREFIX}{name}_FILE") if name in SECRETS else None
    if path is None:
        return value.strip() or None if value is not None else None
    if value is not None:
        raise ValueError(f"is given twice: as {PREFIX}{name} and as {PREFIX}{name}_FILE; keep one")
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{PREFIX}{name}_FILE cannot be read: {error}") from error


def _unknown(environ: Mapping[str, str]) -> list[Fault]:
    """Refuse a misspelt name: a setting that is silently ignored is worse than a start that fails."""
    known = {PREFIX + name for name in PARSERS} | {f"{PREFIX}{name}_FILE" for name in SECRETS}
    return [
        Fault(name, "unknown_setting", "is not a setting of knopka; docs/settings.md lists them all")
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known and not _is_foreign(name)
    ]


def _is_foreign(name: str) -> bool:
    return any(name.startswith(mark) if mark.endswith("_") else name == mark for mark in FOREIGN)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError(f"{text!r} is not a port; a whole number from 0 to 65535 is")
    return int(text)


def _database_url(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("must begin with sqlite:/// (and a path) or postgresql:// (and a host)")
    return text


def _base_url(text: str) -> str:
    """Only an origin: a path would move /js/button.js, which other people's pages hold on to."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(f"{text!r} is not an address like https://chat.example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r} has a path; only https://host[:port] is taken")
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _any_url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"must be an address that begins with {' or '.join(f'{s}://' for s in schemes)}")
        return text

    return parse


def _secret_key(text: str) -> str:
    """S-SEC-04: a short or sample key would let anybody make chat tokens."""
    if len(text) < MIN_SECRET:
        raise ValueError(f"has {len(text)} characters; at least {MIN_SECRET} random ones are needed")
    if len(set(text)) < 8 or re.search(r"change.?me|secret.?key|example|password", text, re.IGNORECASE):
        raise ValueError(
            "is a sample; make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return text


def _older_keys(text: str) -> tuple[str, ...]:
    return tuple(_secret_key(part.strip()) for part in text.split(",") if part.strip())


def _networks(text: str) -> tuple[Network, ...]:
    found: list[Network] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise ValueError(
                f"{part!r} is neither an address nor a network like 10.0.0.0/8: {error}"
            ) from error
    return tuple(found)


def _log_level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"{text!r} is not a level; {', '.join(LOG_LEVELS)} are")
    return text.lower()


_api = _any_url("http", "https")

PARSERS: Mapping[str, Callable[[str], object]] = {
    "DATA_DIR": Path,
    "DATABASE_URL": _database_url,
    "BASE_URL": _base_url,
    "INBOX_URL": _base_url,
    "HOST": str,
    "PORT": _port,
    "SECRET_KEY": _secret_key,
    "SECRET_KEY_OLD": _older_keys,
    "BUS_URL": _any_url("nats", "tls", "postgresql"),
    "TRUSTED_PROXIES": _networks,
    "LIMITS": Path,
    "FILES": str,
    "LOG_LEVEL": _log_level,
    "SMTP_URL": _any_url("smtp", "smtps"),
    "TELEGRAM_API": _api,
    "GRAPH_API": _api,
    "VIBER_API": _api,
    "VK_API": _api,
    "AMOCRM_API": _api,
}
"""One parser for each field of Settings, by the setting's name."""
