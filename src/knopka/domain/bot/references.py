"""What texts of a script may refer to: markers in their closed set of names, and addresses of the outside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from knopka.domain.bot import markers
from knopka.domain.bot.pcre import PatternError
from knopka.domain.bot.scope import OF_STORE, VARIABLES
from knopka.domain.bot.script import Pattern
from knopka.domain.text import excerpt
from knopka.domain.urls import is_web_address

MAX_ADDRESS: Final = 2_048
"""Characters of an address (S-SSRF-03)."""
ReadPattern = Callable[[str], Pattern]
"""Raises PatternError."""

_LINK_SCHEMES: Final = ("https", "http", "mailto", "tel")
_APP_SCHEMES: Final = ("tg", "viber")

_ROOTS = OF_STORE | VARIABLES | {"bot_params", "name", "chat", "regexp"}
_CARD = frozenset(
    {
        "id", "name", "cf", "responsible", "responsible_user_id", "tags", "price", "status_id", "pipeline_id",
        "source_id", "users_subscribers", "groups_subscribers", "phone", "email", "next_price", "created_at",
    }
)  # fmt: skip
_CARDS = frozenset({"lead", "contact", "company", "customer"})
_WHOLE_OR_DEEPER = {"message_text": frozenset({"phone", "email"}), "chat": frozenset({"origin"})}
_BEFORE_QUERY = re.compile(r"(?:\{\{[^{}]*+\}\}|[^?#{]|\{(?!\{))*+")
_MARKER = re.compile(r"\{\{[^{}]*+\}\}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True)
class Finding:
    is_fault: bool
    code: str
    message: str
    name: str = ""
    known: Iterable[str] = ()
    """A name that is unknown, and those that are known: what is close is looked for when it is told."""


def suggest(name: str, known: Iterable[str]) -> str:
    """`: did you mean …?` where something known is close, else nothing."""
    close = get_close_matches(name[:64], sorted(known), 1)
    return f": did you mean {close[0]}?" if close else ""


def check_text(text: str, read: ReadPattern, names: str = "") -> Iterator[Finding]:
    """What is wrong with the markers of a text.

    `names` says what the text names, if it names a user, a status, an address and
    the like: then the page's own data may not decide on it (S-WEB-13).
    """
    if "{{" not in text:
        return
    parts = markers.split(text)
    for index, part in enumerate(parts):
        if isinstance(part, markers.Marker):
            yield from _check_marker(part, read, names)
        elif "{{" in part:
            if index + 1 < len(parts):
                yield Finding(
                    True,
                    "nested_marker",
                    "a marker stands inside another one: values are never read as markers",
                )
            else:
                yield Finding(False, "unclosed_marker", "this {{ is not closed and will be shown as it is")


def _check_marker(marker: markers.Marker, read: ReadPattern, names: str) -> Iterator[Finding]:
    name = excerpt(marker.name)
    if names and marker.name.startswith("bot_params"):
        yield Finding(True, "bot_params_name", f"bot_params come from the page and may not name {names}")
        return
    if not marker.path:
        yield Finding(False, "unknown_marker", f"{{{{{name}}}}} cannot be read and will be empty")
        return
    root, *rest = marker.path
    known = _known_below(root)
    if root == "regexp":
        yield from _check_pattern(".".join(rest), read)
    elif root not in _ROOTS:
        yield _unknown(name, root, _ROOTS)
    elif rest and known and rest[0] not in known:
        yield _unknown(name, rest[0], known)
    elif root in ("company", "customer"):
        yield Finding(False, "no_such_part", f"{{{{{name}}}}} is always empty: knopka has no {root}")


def _known_below(root: str) -> frozenset[str]:
    """The names that may follow; none where any may."""
    return _CARD if root in _CARDS else _WHOLE_OR_DEEPER.get(root, frozenset())


def _unknown(name: str, part: str, known: frozenset[str]) -> Finding:
    return Finding(False, "unknown_marker", f"{{{{{name}}}}} is no marker and will be empty", part, known)


def _check_pattern(literal: str, read: ReadPattern) -> Iterator[Finding]:
    try:
        read(literal)
    except PatternError as error:
        yield Finding(True, error.code, f"the pattern of this marker: {error.message}")


def check_called(url: str, read: ReadPattern, *, https_only: bool) -> Iterator[Finding]:
    """What is wrong with an address that knopka itself calls: its host stands in the script, in full."""
    yield from check_text(url, read, "an address that is called")
    if len(url) > MAX_ADDRESS:
        yield Finding(True, "address_too_long", f"an address has at most {MAX_ADDRESS} characters")
        return
    plain = _MARKER.sub("x", url)
    if not is_web_address(plain):
        yield Finding(True, "bad_address", "this must be an address in full: https://…")
        return
    parts = urlsplit(plain)
    authority = url.split("://", 1)[-1].partition("/")[0].partition("?")[0].partition("#")[0]
    if "{{" in authority or not url.lower().startswith(("http://", "https://")):
        yield Finding(True, "marker_in_host", "no marker may stand in the scheme or the host of an address")
    if "@" in authority:
        yield Finding(True, "userinfo", "no name or password may stand in an address: use headers")
    if parts.scheme != "https":
        if https_only:
            yield Finding(True, "not_https", "only https addresses are called")
        else:
            yield Finding(False, "not_https", "http addresses are called only where the server allows them")


def check_shown(url: str, read: ReadPattern) -> Iterator[Finding]:
    """What is wrong with an address under a button: only its query may hold what the page gave."""
    before_query = _BEFORE_QUERY.match(url)
    head = before_query.group() if before_query else ""
    yield from check_text(head, read, "an address")
    yield from check_text(url[len(head) :], read)
    if url.startswith("{{"):
        return  # wholly a value, which is judged when it is there
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found else ""
    if scheme in _APP_SCHEMES:
        message = f"{scheme}: opens an app and is left out of chats: write its https address"
        yield Finding(False, "app_link", message)
    elif scheme not in _LINK_SCHEMES:
        message = f"a button leads to an address that begins with one of {', '.join(_LINK_SCHEMES)}"
        yield Finding(True, "bad_address", message)
