"""What the launcher asks once on each page: how the button looks and where it leads."""

from __future__ import annotations

import hashlib
from typing import Any

from litestar import Request, get, route
from litestar.enums import HttpMethod

from knopka.domain.catalog import Catalog
from knopka.domain.messaging import NAMES, ChannelKind
from knopka.domain.visitor import Source
from knopka.web.admission import admit_page
from knopka.web.answers import Answer, Header, answer, encode
from knopka.web.bodies import header
from knopka.web.context import web_of
from knopka.web.static_files import matches

AnyRequest = Request[Any, Any, Any]
CONFIG = "/w/config/{id:str}/{hash:str}"
FIVE_MINUTES = b"public, max-age=300"


@get(CONFIG)
async def get_config(request: AnyRequest) -> Answer:
    """Describe the button. No row is read and none is written: a visitor who only looks costs nothing."""
    source = admit_page(request)
    body = encode(show_config(source, web_of(request).catalog()))
    etag = b'"' + hashlib.sha256(body).hexdigest()[:24].encode() + b'"'
    headers: list[Header] = [(b"cache-control", FIVE_MINUTES), (b"etag", etag)]
    if matches(header(request, b"if-none-match"), etag):
        return answer(status=304, headers=headers)
    return answer(body, headers=headers)


@route(CONFIG, http_method=[HttpMethod.OPTIONS])
async def preflight_config(request: AnyRequest) -> Answer:
    """For a launcher whose page adds a header of its own to each request."""
    admit_page(request)
    return answer(status=204, headers=[(b"access-control-allow-methods", b"GET")])


def show_channels(source: Source, catalog: Catalog) -> list[dict[str, Any]]:
    """What a visitor can write through: the chat on the page, and the messengers of this button.

    A messenger's link holds `{code}` where the launcher puts its own link code.
    """
    messengers = [
        {
            "kind": channel.kind.value,
            "title": NAMES[channel.kind],
            "link": channel.link,
            "needs_app": channel.needs_app,
        }
        for channel in catalog.channels_of(source)
    ]
    chat = {"kind": ChannelKind.ONSITE.value, "title": None, "link": None, "needs_app": False}
    return [*messengers, chat]


def show_config(source: Source, catalog: Catalog) -> dict[str, Any]:
    return {
        "id": source.public_id,
        "name": source.name,
        "locale": source.locale,
        "inline": source.inline,
        "color": source.color,
        "identity": source.identity.value,
        "origins": source.origins,
        "channels": show_channels(source, catalog),
        "frame": f"/w/frame/{source.public_id}/{source.hash}",
    }
