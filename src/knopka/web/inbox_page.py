"""The single page of the operators' inbox, and the files it is built of."""

from __future__ import annotations

from typing import Any

from litestar import Request, route

from knopka.web.answers import Answer, answer
from knopka.web.auth import sign_in_address
from knopka.web.context import web_of
from knopka.web.guard import find_session
from knopka.web.headers import OPERATOR
from knopka.web.static_files import IMMUTABLE, READ

AnyRequest = Request[Any, Any, Any]

INDEX_POLICY = f"{OPERATOR}; trusted-types svelte-trusted-html".encode()
"""Svelte fills its templates through one policy of its own; no other may be made."""


@route(["/inbox", "/inbox/{place:path}"], http_method=READ)
async def get_page(request: AnyRequest) -> Answer:
    """The single page of the inbox, at every place within it; who is not signed in is sent to the sign-in."""
    if await find_session(request) is None:
        return answer(status=303, headers=[(b"location", sign_in_address(request.url.path).encode())])
    page = web_of(request).static.answer(request, "inbox/index.html", b"no-store")
    page.headers.append((b"content-security-policy", INDEX_POLICY))
    return page


@route("/inbox/assets/{name:str}", http_method=READ)
async def get_asset(request: AnyRequest) -> Answer:
    """A file of the inbox; its name holds the hash of its content."""
    return web_of(request).static.answer(request, f"inbox/assets/{request.path_params['name']}", IMMUTABLE)
