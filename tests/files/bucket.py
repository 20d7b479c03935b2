"""A small S3 server that is strict about signatures, by its own reading of AWS's description."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

from tests.files.server import Request, answer

CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request,"
    r" ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


@dataclass
class Bucket:
    """One bucket of one owner. `fault` is answered to everything, while it is set."""

    key: str = "AKIDTEST"
    secret: str = "a/b+c==d"
    region: str = "eu-west-7"
    path: str = "/media"
    now: datetime = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    """By the server's clock."""
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    """Bytes of objects that were given out."""
    fault: tuple[int, str] | None = None

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.asked.append(f"{request.method} {request.target}")
        refused = self.fault or self._refusal(request)
        if refused is not None:
            status, code = refused
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>x</Message></Error>".encode()
            await answer(writer, status, b"" if request.method == "HEAD" else body)
            return
        await self._obey(request, writer)

    async def _obey(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.method == "PUT":
            self.objects[request.target] = (request.body, request.headers["content-type"])
            await answer(writer)
        elif request.method == "DELETE":
            self.objects.pop(request.target, None)
            await answer(writer, 204)
        elif request.target in self.objects:
            await self._give(request, writer, *self.objects[request.target])
        else:
            await answer(writer, 404, b"" if request.method == "HEAD" else b"<Code>NoSuchKey</Code>")

    async def _give(self, request: Request, writer: asyncio.StreamWriter, data: bytes, mime: str) -> None:
        """The object, or the piece that a GET asks for (GetObject, Range)."""
        headers, status, piece = {"content-type": mime}, 200, data
        if request.method == "GET" and "range" in request.headers:
            first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
            status, piece = 206, data[first : last + 1]
            headers["content-range"] = f"bytes {first}-{last}/{len(data)}"
        body = b"" if request.method == "HEAD" else piece
        self.sent += len(body)
        await answer(writer, status, body, headers, length=len(piece))

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        found = CREDENTIAL.fullmatch(request.headers.get("authorization", ""))
        if found is None or found[1] != self.key:
            return 403, "InvalidAccessKeyId"
        moment = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((moment - self.now).total_seconds()) > 900:
            return 403, "RequestTimeTooSkewed"
        if hashlib.sha256(request.body).hexdigest() != request.headers["x-amz-content-sha256"]:
            return 400, "XAmzContentSHA256Mismatch"
        if not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(found[4].split(";")):
            return 403, "AccessDenied"
        if not hmac.compare_digest(self._signature(request, found[2], found[3], found[4]), found[5]):
            return 403, "SignatureDoesNotMatch"
        return None if request.target.startswith(f"{self.path}/") else (404, "NoSuchBucket")

    def _signature(self, request: Request, day: str, region: str, signed: str) -> str:
        """Task 1 to 3 of "Authenticating Requests: Using the Authorization Header"."""
        path, _, query = request.target.partition("?")
        canonical = [request.method, path if unquote(path) == path else "", query]
        canonical += [f"{name}:{request.headers[name]}" for name in signed.split(";")]
        canonical += ["", signed, request.headers["x-amz-content-sha256"]]
        digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        to_sign = [
            "AWS4-HMAC-SHA256",
            request.headers["x-amz-date"],
            f"{day}/{self.region}/s3/aws4_request",
            digest,
        ]
        key = ("AWS4" + self.secret).encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return hmac.new(key, "\n".join(to_sign).encode(), hashlib.sha256).hexdigest()
