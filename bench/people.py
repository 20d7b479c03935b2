"""Visitors who write through the chat's real addresses, and operators whose sign-ins stand in the store."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from bench.receiver import Opening
from bench.servers import Running
from knopka.db.database import Database
from knopka.domain.visitor import Source
from knopka.services.operators import add_operator, hash_token, make_token, sign_in

LIMITS = 'messages_per_visitor = "100000/min"\ntokens_per_button = "100000/min"\n'
"""The limiter runs, and does not refuse visitors who are each as many as the bench has."""
_numbers = itertools.count()


def address(number: int) -> dict[str, str]:
    """A client address of its own, told by the trusted proxy that the bench is."""
    return {"X-Forwarded-For": f"198.{18 + number // 65536 % 2}.{number // 256 % 256}.{number % 256}"}


class Site:
    """The chat of one button, on one connection pool."""

    def __init__(self, running: Running, source: Source) -> None:
        self.chat = f"/w/chat/{source.public_id}/{source.hash}"
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        url = f"http://127.0.0.1:{running.port}"
        self.client = httpx.AsyncClient(base_url=url, trust_env=False, limits=limits, timeout=30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        answer = await self.client.post(self.chat + path, json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()

    async def visitor(self) -> Visitor:
        """Somebody who has just opened the chat."""
        headers = address(next(_numbers))
        token = (await self.post("/token", {}, headers))["token"]
        return Visitor(self, token, {**headers, "Authorization": f"Bearer {token}"})


@dataclass(slots=True)
class Visitor:
    """A visitor with a chat token."""

    site: Site
    token: str
    headers: dict[str, str]
    written: int = field(default=0)

    async def write(self, text: str) -> int:
        """Send a message and give its conversation's number."""
        self.written += 1
        page = {"url": "https://shop.example/tea", "title": "Tea", "referrer": ""}
        body = {"key": f"message-{self.written:06}", "text": text, "visit": None, "page": page}
        answer = await self.site.post("/messages", body, self.headers)
        return int(answer["conversation"]["id"])


async def sign_operators_in(store_url: str, count: int) -> list[str]:
    """Make operators, each signed in once; gives the values of their cookies."""
    database = await Database.open(store_url)
    try:
        tokens = []
        for _ in range(count):
            name = f"operator-{secrets.token_hex(4)}"
            operator = await database.write(add_operator, name, name, "no password", key="operators")
            token = make_token()
            await database.write(
                sign_in,
                operator.id,
                hash_token(token),
                replaces=None,
                new_password_hash=None,
                agent="bench",
                address="127.0.0.1",
                at=database.clock(),
                key="operators",
            )
            tokens.append(token)
        return tokens
    finally:
        await database.close()


def operator_sockets(running: Running, tokens: list[str], count: int) -> list[Opening]:
    """So many sockets of the inbox, evenly among the operators."""
    origin = f"http://127.0.0.1:{running.port}"
    return [
        Opening(
            "/inbox/api/live",
            {"Cookie": f"knopka={tokens[number % len(tokens)]}", "Origin": origin, **address(number)},
        )
        for number in range(count)
    ]
