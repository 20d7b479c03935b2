"""The one outgoing call of every channel: its deadline, its caps, and what its failures mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from knopka.channels._json import read_answer
from knopka.domain.errors import BadRequest, Retryable, Uncertain

MOST_ANSWER = 1024 * 1024
"""Bytes of an answer that are read, after inflation (S-IN-08)."""
MOST_FILE = 20 * 1024 * 1024
"""Bytes of a file that are fetched (security.md §4)."""
LONGEST_WAIT = 24 * 3600.0
FOR_A_FILE = httpx.Timeout(120.0, connect=5.0)
"""Twenty mebibytes may come slowly."""

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform answered. `body` is the JSON, or None when it was none."""

    status: int
    body: Any
    retry_after: float = 0.0
    """Seconds that the header Retry-After asks for."""


class Api:
    """The HTTP side of one platform's API. No address is told in an error: tokens may stand in it (S-SEC-05).

    `client` comes from outgoing.py, which lets it reach the platform's own hosts alone.
    """

    def __init__(self, client: httpx.AsyncClient, base: str) -> None:
        self._client = client
        self.base = base.rstrip("/")

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        sends: bool = False,
        patience: float | None = None,
    ) -> Answer:
        """Make one call and give whatever status was answered; the caller knows what it means.

        `patience` is how many seconds the answer may take, where that is not as
        usual. `sends` says that the call shows something to a person. Raises Retryable
        when the request surely did not arrive (or, without `sends`, may be made
        again), and Uncertain when nobody knows.
        """
        try:
            request = self._client.build_request(
                method,
                self.base + path,
                json=json,
                data=form,
                files=files,
                params=query,
                headers=headers,
                timeout=self._client.timeout if patience is None else patience,
            )
        except (UnicodeError, httpx.InvalidURL):
            # The error would tell the value, which may be a secret (S-SEC-05).
            raise BadRequest("A value that was entered cannot stand in a request.") from None
        try:
            response = await self._client.send(request, stream=True)
            try:
                text = await _read(response)
            finally:
                await response.aclose()
        except _NEVER_LEFT as error:
            raise Retryable(f"The platform cannot be reached ({type(error).__name__}).") from None
        except httpx.HTTPError as error:
            kind = Uncertain if sends else Retryable
            raise kind(f"The platform gave no answer ({type(error).__name__}).") from None
        return Answer(response.status_code, read_answer(text), _retry_after(response))

    async def fetch(self, url: str, *, most: int = MOST_FILE) -> AsyncIterator[bytes]:
        """The bytes at an address of the platform. Raises BadRequest when they are gone or too many."""
        try:
            async with self._client.stream("GET", url, timeout=FOR_A_FILE) as response:
                _judge_file(response, most)
                size = 0
                async for part in response.aiter_bytes():
                    size += len(part)
                    if size > most:
                        raise BadRequest("too_large")
                    yield part
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            # No address, or none that this platform's files may lie at (S-HOOK-08).
            raise BadRequest("gone") from None
        except httpx.HTTPError as error:
            raise Retryable(f"The file did not come ({type(error).__name__}).") from None


def _judge_file(response: httpx.Response, most: int) -> None:
    if response.status_code == 429 or response.status_code >= 500:
        raise Retryable(f"The file did not come ({response.status_code}).", _retry_after(response))
    if response.status_code != 200:
        raise BadRequest("gone")
    announced = response.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > most:
        raise BadRequest("too_large")


async def _read(response: httpx.Response) -> bytes:
    """The answer's body; of an endless one the beginning, which is then no JSON."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        parts.append(part)
        if size > MOST_ANSWER:
            break
    return b"".join(parts)


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0
