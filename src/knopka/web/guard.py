"""The one policy of the operators' addresses: who is asking, and from which site."""

from __future__ import annotations

import contextlib
import re
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers.base import BaseRouteHandler

from knopka.domain.errors import NotAllowed, NotSignedIn, Unavailable
from knopka.services import operators
from knopka.services.operators import Session
from knopka.web.context import Web, web_of

Connection = ASGIConnection[Any, Any, Any, Any]
SAFE_METHODS = ("GET", "HEAD")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class ForeignForm(NotAllowed):
    """The request was caused by another site."""

    code = "foreign_form"


def is_https(web: Web) -> bool:
    return web.inbox_url.startswith("https://")


def cookie_name(web: Web, base: str = "knopka") -> str:
    """`__Host-` binds a cookie to this very host; browsers take such a name over https alone."""
    return f"__Host-{base}" if is_https(web) else base


def inbox_origin(web: Web) -> str:
    parts = urlsplit(web.inbox_url)
    return f"{parts.scheme}://{parts.netloc}"


def check_site(connection: Connection) -> None:
    """Let a change through only when a page of ours caused it (S-AU-08), or raise ForeignForm.

    Every browser tells the one or the other; a request that tells neither is
    none of a browser's, and nobody else has a use for these addresses.
    """
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    is_told = site is not None or origin is not None
    is_ours = site in (None, "same-origin") and _is_own(origin, connection, site)
    if not (is_told and is_ours):
        raise ForeignForm("This request was caused by another site.")


def _is_own(origin: str | None, connection: Connection, site: str | None) -> bool:
    if origin == "null":
        # What a browser sends from a page without referrer; then its other word must be there.
        return site == "same-origin"
    return origin is None or origin == inbox_origin(web_of(connection))


def check_socket_origin(connection: Connection) -> None:
    """A socket carries the cookie from any site, so the Origin must be there and be ours (S-WS-01)."""
    if connection.headers.get("origin") != inbox_origin(web_of(connection)):
        raise ForeignForm("This socket was opened by another site.")


def session_cookie(connection: Connection) -> str | None:
    """The hash of the sign-in that the browser brings, whether it holds or not."""
    token = connection.cookies.get(cookie_name(web_of(connection)), "")
    return operators.hash_token(token) if _TOKEN.fullmatch(token) else None


async def find_session(connection: Connection) -> Session | None:
    """The sign-in that the browser brings, if it holds; its last use is remembered."""
    token_hash = session_cookie(connection)
    if token_hash is None:
        return None
    web = web_of(connection)
    now = web.desk.clock()
    session = await web.database.read(operators.find_session, token_hash, at=now)
    if session is not None and session.is_to_be_touched(now):
        # A store that is busy for a moment signs nobody out.
        with contextlib.suppress(Unavailable):
            await web.database.write(
                operators.touch_session, token_hash, at=now, key=("operator", session.operator.id)
            )
    return session


async def operators_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Stand before every address of the inbox's API; leaves the session as the connection's `user`."""
    if connection.scope["type"] == ScopeType.WEBSOCKET:
        check_socket_origin(connection)
    elif connection.scope["method"] in SAFE_METHODS:
        if connection.headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
            raise ForeignForm("This request was caused by another site.")
    else:
        check_change(connection)
    session = await find_session(connection)
    if session is None:
        raise NotSignedIn("Sign in first.")
    connection.scope["user"] = session


def check_change(connection: Connection) -> None:
    """A change by the inbox's script: a header that no form can send, and our own site."""
    if connection.headers.get("x-knopka") != "inbox":
        raise ForeignForm("The header X-Knopka is missing.")
    check_site(connection)
