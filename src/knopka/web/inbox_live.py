"""The operators' live line: the account's events, as long as the sign-in holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import WebSocket, websocket

from knopka.db.clock import to_ms
from knopka.db.conversations import find_visitor_of
from knopka.domain.errors import Unavailable
from knopka.services import operators
from knopka.services.operators import Session
from knopka.web.context import Web, web_of
from knopka.web.live import TOO_MANY, LiveSocket

TOPIC = f"account:{operators.ACCOUNT}"


@websocket("/live")
async def get_live(socket: WebSocket[Session, Any, Any]) -> None:
    """Events of the account from now on; what was missed before, the client fetches (S-WS-05)."""
    web = web_of(socket)
    session = socket.user
    sockets = web.desk.sockets
    async with LiveSocket(socket) as line:
        if sockets.count(session.operator.id) >= web.limits.sockets_per_operator:
            line.end(TOO_MANY)
            return
        sockets.add(session.token_hash, session.operator.id, line)
        web.desk.watch(lambda: _end_ended(web))
        try:
            line.follow(web.hub, TOPIC).uncork()
            async for message in line.messages(pong=lambda: {"now": to_ms(web.database.clock())}):
                if message["type"] == "typing":
                    await _tell_visitor(web, message)
        finally:
            sockets.remove(session.token_hash, line)


async def _tell_visitor(web: Web, message: Mapping[str, Any]) -> None:
    """Pass on that the operator is writing; a conversation that does not exist has nobody to tell."""
    number = message.get("conversation_id")
    if type(number) is not int or not 0 < number < 2**53:
        return
    visitor = await web.database.read(find_visitor_of, operators.ACCOUNT, number)
    if visitor is not None:
        web.hub.publish(f"visitor:{visitor}", {"type": "typing", "conversation_id": number})


async def _end_ended(web: Web) -> None:
    """Close the sockets whose sign-in has ended, here or in another process (S-WS-04)."""
    open_now = web.desk.sockets.token_hashes()
    try:
        holding = await web.database.read(operators.list_sessions, open_now, at=web.desk.clock())
    except Unavailable:
        return
    web.desk.sockets.end(set(open_now) - {session.token_hash for session in holding})
