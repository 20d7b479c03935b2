"""Files in a bucket of a store that speaks S3."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import httpx

from knopka.domain.errors import Fault, InvalidInput, NotFound, Unavailable
from knopka.files.store import PART, Opened, folders_of, read_file, try_out
from knopka.files.types import safe_mime


@dataclass(frozen=True, slots=True)
class S3Address:
    """`s3://KEY:SECRET@host[:port]/bucket[/prefix][?region=…&insecure=1]`, both keys percent-encoded."""

    endpoint: str
    """`https://host[:port]`, or http where `insecure=1` says so."""
    path: str
    """`/bucket[/prefix]`."""
    region: str
    key: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> S3Address:
        """Raises InvalidInput, which repeats nothing of the address: the secret is in it."""
        found = _S3.fullmatch(text)
        options = dict(parse_qsl(found["options"] or "", keep_blank_values=True)) if found else {}
        if found is None or int(found["port"] or 0) > 65535 or not set(options) <= {"region", "insecure"}:
            raise InvalidInput(
                Fault(
                    "KNOPKA_FILES",
                    "bad_setting",
                    "is not like s3://KEY:SECRET@host/bucket; a / or + in the secret is written %2F or %2B",
                )
            )
        scheme = "http" if options.get("insecure") == "1" else "https"
        return cls(
            endpoint=f"{scheme}://{found['host'].lower()}",
            path=found["path"].rstrip("/"),
            region=options.get("region", "us-east-1"),
            key=unquote(found["key"]),
            secret=unquote(found["secret"]),
        )

    @property
    def host(self) -> str:
        """As the Host header says it: without the port that goes without saying."""
        parts = urlsplit(self.endpoint)
        usual = {"https": 443, "http": 80}[parts.scheme]
        return parts.netloc if parts.port not in (None, usual) else str(parts.hostname)


_S3 = re.compile(
    r"s3://(?P<key>[^:@/?#]+):(?P<secret>[^:@/?#]+)@(?P<host>[A-Za-z0-9.-]+(:(?P<port>[0-9]{1,5}))?)"
    r"(?P<path>(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/?)(\?(?P<options>[^#]*))?"
)
_EMPTY = hashlib.sha256(b"").hexdigest()
_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_MOST_FAULT = 16 * 1024
_PATIENCE = httpx.Timeout(60.0, connect=5.0, pool=10.0)


def sign(
    address: S3Address, method: str, path: str, headers: Mapping[str, str], digest: str, at: datetime
) -> dict[str, str]:
    """The headers of a request with its signature, AWS Signature Version 4 in the Authorization header.

    `headers` have names in lower case; `digest` is the SHA-256 of the body, in hexadecimal.
    """
    moment = at.strftime("%Y%m%dT%H%M%SZ")
    told = {"host": address.host, **headers, "x-amz-content-sha256": digest, "x-amz-date": moment}
    names = sorted(told)
    lines = [f"{name}:{told[name].strip()}\n" for name in names]
    request = "\n".join((method, quote(path, safe="/-_.~"), "", "".join(lines), ";".join(names), digest))
    scope = f"{moment[:8]}/{address.region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{address.secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={address.key}/{scope}"
    signed = f"SignedHeaders={';'.join(names)}"
    return told | {"authorization": f"AWS4-HMAC-SHA256 {credential},{signed},Signature={signature}"}


class S3Store:
    """Files in a bucket, each at `<prefix>/ab/cd/abcd…`; a put, a get, a delete, and no more of S3."""

    def __init__(self, address: S3Address, client: httpx.AsyncClient, now: Callable[[], datetime]) -> None:
        self._address = address
        self._client = client
        self._now = now

    async def put(self, name: str, path: Path, mime: str) -> None:
        size, digest = await asyncio.to_thread(_digest, path)
        request = self._request("PUT", name, {"content-type": safe_mime(mime)}, digest)
        request.headers["content-length"] = str(size)
        request.stream = _Sent(path, size)
        await self._expect(await self._send(request), 200)

    async def open(self, name: str) -> Opened:
        answer = await self._send(self._request("HEAD", name))
        await self._expect(answer, 200)
        size, mime = answer.headers.get("content-length", ""), answer.headers.get("content-type", "")
        if not size.isdigit():
            raise Unavailable("The S3 store does not say how large a file is.")
        return Opened(int(size), safe_mime(mime), partial(self._read, name, int(size)))

    async def delete(self, name: str) -> None:
        with suppress(NotFound):
            await self._expect(await self._send(self._request("DELETE", name)), 200, 204)

    async def list_old(self, digit: str, before: datetime) -> list[str]:
        """None: to list a bucket is a right of its own, which the key need not have."""
        return []

    async def check(self) -> str | None:
        return await try_out(self)

    async def close(self) -> None:
        await self._client.aclose()

    def _request(
        self, method: str, name: str, headers: Mapping[str, str] | None = None, digest: str = _EMPTY
    ) -> httpx.Request:
        path = "/".join((self._address.path, *folders_of(name)))
        return self._client.build_request(
            method,
            self._address.endpoint + path,
            headers=sign(self._address, method, path, headers or {}, digest, self._now()),
            timeout=_PATIENCE,
        )

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise Unavailable(f"The S3 store gave no answer ({type(error).__name__}).") from None

    async def _read(self, name: str, size: int, first: int, length: int) -> AsyncGenerator[bytes, None]:
        headers, status = {"accept-encoding": "identity"}, 200
        if length < size:
            headers["range"], status = f"bytes={first}-{first + length - 1}", 206
        answer = await self._send(self._request("GET", name, headers))
        try:
            if answer.status_code != status:
                await self._expect(answer, status)
            async for part in answer.aiter_bytes(PART):
                yield part
        except httpx.HTTPError as error:
            raise Unavailable(f"The S3 store broke off ({type(error).__name__}).") from None
        finally:
            await answer.aclose()

    async def _expect(self, answer: httpx.Response, *statuses: int) -> None:
        """End the exchange. Raises NotFound or, with the store's own word for it, Unavailable."""
        try:
            text = await _beginning(answer)
        except httpx.HTTPError:
            text = ""
        finally:
            await answer.aclose()
        if answer.status_code in statuses:
            return
        if answer.status_code == 404 and "NoSuchBucket" not in text:
            raise NotFound("There is no such file.")
        code = _CODE.search(text)
        raise Unavailable(f"The S3 store refuses ({answer.status_code}{f' {code[1]}' if code else ''}).")


class _Sent(httpx.AsyncByteStream):
    """A file's bytes on their way out."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in read_file(self._path, 0, self._size):
            yield part


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


async def _beginning(answer: httpx.Response) -> str:
    text = b""
    async for part in answer.aiter_bytes():
        text += part
        if len(text) > _MOST_FAULT:
            break
    return text[:_MOST_FAULT].decode("utf-8", "replace")
