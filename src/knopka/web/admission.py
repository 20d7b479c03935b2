"""Whether a page may speak to a button: the one check that every address of a button begins with."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection

from knopka.domain.errors import NotFound
from knopka.domain.visitor import Source
from knopka.web.bodies import header
from knopka.web.context import Web, web_of
from knopka.web.errors import NOTHING_HERE
from knopka.web.headers import CORS_ORIGIN

AnyRequest = Request[Any, Any, Any]


def find_button(connection: ASGIConnection[Any, Any, Any, Any]) -> Source:
    """The button that the path names; unknown and switched off are the same to a stranger."""
    params = connection.scope["path_params"]
    source = web_of(connection).catalog().find_source(str(params["id"]), str(params["hash"]))
    if source is None:
        raise NotFound(NOTHING_HERE)
    return source


def admit_page(request: AnyRequest) -> Source:
    """The button, when the page that asks stands on its list (S-WEB-04).

    Unknown button, other site and no site at all: the same NotFound. The origin
    is left for the headers of the answer, whatever the answer will be.
    """
    source = find_button(request)
    origin = header(request, b"origin") or _own_origin(request, web_of(request))
    if not source.allows_origin(origin):
        raise NotFound(NOTHING_HERE)
    request.scope[CORS_ORIGIN] = origin  # type: ignore[literal-required] # a key of our own
    return source


def _own_origin(request: AnyRequest, web: Web) -> str | None:
    """Our own origin, for a GET by a page of ours: browsers send no Origin with it."""
    if request.scope["method"] != "GET":
        return None
    if header(request, b"sec-fetch-site") == "same-origin":
        return web.base_url
    parts = urlsplit(header(request, b"referer"))
    return web.base_url if f"{parts.scheme}://{parts.netloc}" == web.base_url else None
