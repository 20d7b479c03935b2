"""What the messengers post to us: trusted by its bytes, kept before it is answered, worked later."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from litestar import Request, get, post

from knopka.domain.catalog import ChannelSetup
from knopka.domain.errors import NotFound, Unavailable, UnreadableUpdate, UntrustedWebhook
from knopka.domain.messaging import Channel, ChannelEvent, EventKind, HttpReply
from knopka.services.updates import accept_updates
from knopka.web.answers import Answer, answer
from knopka.web.bodies import read_body
from knopka.web.context import Web, web_of
from knopka.web.errors import NOTHING_HERE

log = structlog.get_logger(__name__)
AnyRequest = Request[Any, Any, Any]
HOOK = "/hooks/{kind:str}/{path:str}"
BUDGET_S = 2.0
"""How long a platform is kept waiting for the disk (S-HOOK-04); it sends again what we did not promise."""


@post(HOOK, status_code=200)
async def post_update(request: AnyRequest) -> Answer:
    """Keep what a platform tells us: verified on the raw bytes, then on disk, then answered."""
    web = web_of(request)
    setup, channel = await _find(request)
    kind = setup.kind.value
    stranger = f"{setup.id} {web.address(request)}"
    web.counters.refused_webhooks_per_address.look(stranger)
    body = await read_body(request, web.limits.webhook_bytes)
    try:
        setup, channel = await _verify(request, setup, channel, body)
    except UntrustedWebhook as error:
        web.hooks[kind, "refused"] += 1
        log.warning("a webhook was refused", channel=setup.id, reason=error.message)
        web.counters.refused_webhooks_per_address.take(stranger)
        return answer(b"", status=403)
    web.counters.webhooks_per_channel.take(str(setup.id))
    try:
        came = channel.parse(body)
    except UnreadableUpdate as error:
        # Sent again it would be no more readable, and would hold up what comes behind it.
        web.hooks[kind, "unreadable"] += 1
        log.warning("a webhook could not be read", channel=setup.id, reason=error.message)
        return _answer(channel.reply([]))
    if any(event.kind is EventKind.CHALLENGE for event in came):
        return await _answer_challenge(request, came)
    if not came:
        return _answer(channel.reply(came))
    try:
        async with asyncio.timeout(BUDGET_S):
            chat = came[0].chat_id
            accepted = await web.database.write(accept_updates, setup, came, key=("chat", setup.id, chat))
    except TimeoutError:
        raise Unavailable("The event could not be stored in time.") from None
    web.hooks[kind, "accepted"] += accepted.new
    web.hooks[kind, "repeated"] += len(came) - accepted.new
    if accepted.unknown:
        web.hooks[kind, "unknown"] += accepted.unknown
        log.debug("events of an unknown kind were left alone", channel=setup.id, count=accepted.unknown)
    return _answer(channel.reply(came))


async def _verify(
    request: AnyRequest, setup: ChannelSetup, channel: Channel, body: bytes
) -> tuple[ChannelSetup, Channel]:
    """The channel that this body is for. Raises UntrustedWebhook.

    Its secret may have been changed a moment ago by another process, and platforms call while that happens.
    """
    try:
        channel.verify(_headers(request), _query(request), body)
    except UntrustedWebhook:
        web = web_of(request)
        if not web.may_reload:
            raise
        await web.reload_catalog()
        found = _look(web, *_place(request))
        if found is None or found[0] == setup:
            raise
        setup, channel = found
        channel.verify(_headers(request), _query(request), body)
    return setup, channel


async def _answer_challenge(request: AnyRequest, came: Sequence[ChannelEvent]) -> Answer:
    """The platform asks in the middle of a set-up, perhaps of another process: what was kept a moment ago
    is the answer."""
    web = web_of(request)
    if web.reload is not None:
        await web.reload()
    _, channel = await _find(request)
    return _answer(channel.reply(came))


@get(HOOK)
async def get_challenge(request: AnyRequest) -> Answer:
    """Prove to a platform that asks that the address is ours."""
    web = web_of(request)
    setup, channel = await _find(request)
    stranger = f"{setup.id} {web.address(request)}"
    web.counters.refused_webhooks_per_address.look(stranger)
    reply = channel.answer_challenge(_query(request))
    if reply is None:
        raise NotFound(NOTHING_HERE)
    if reply.status != 200:
        web.counters.refused_webhooks_per_address.take(stranger)
    return _answer(reply)


async def _find(request: AnyRequest) -> tuple[ChannelSetup, Channel]:
    """The channel whose address this is. One that was added a moment ago may not be in memory yet.

    Who tries addresses is counted, and waits for no reading when he has tried enough; whoever knows one is
    never held up by that, even where a proxy gives both the same address.
    """
    web = web_of(request)
    found = _look(web, *_place(request))
    if found is None:
        web.counters.refused_webhooks_per_address.look(web.address(request))
        await web.reload_catalog()
        found = _look(web, *_place(request))
    if found is None:
        web.counters.refused_webhooks_per_address.take(web.address(request))
        raise NotFound(NOTHING_HERE)
    return found


def _place(request: AnyRequest) -> tuple[str, str]:
    params = request.scope["path_params"]
    return str(params["kind"]), str(params["path"])


def _look(web: Web, kind: str, path: str) -> tuple[ChannelSetup, Channel] | None:
    for setup in web.catalog().channels.values():
        if setup.kind.value == kind and hmac.compare_digest(setup.path.encode(), path.encode()):
            channel = web.channels.find(setup.id)
            return None if channel is None else (setup, channel)
    return None


def _headers(request: AnyRequest) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}


def _query(request: AnyRequest) -> Mapping[str, str]:
    return {name: value for name, value in request.query_params.items() if isinstance(value, str)}


def _answer(reply: HttpReply) -> Answer:
    headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers]
    return answer(reply.body, status=reply.status, kind=reply.media_type.encode(), headers=headers)
