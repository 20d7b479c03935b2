"""The headers of each surface, put on every answer in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils.path import normalize_path

from knopka.web.answers import Header, answer
from knopka.web.errors import NOTHING_HERE, error_body

REPORTS = "/w/csp"
"""Where browsers report what a policy stopped (S-HDR-03)."""
NO_FEATURES = ", ".join(
    f"{name}=()"
    for name in (
        *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media"),
        *("fullscreen", "geolocation", "gyroscope", "hid", "idle-detection", "magnetometer", "microphone"),
        *("midi", "payment", "picture-in-picture", "screen-wake-lock", "serial", "storage-access", "usb"),
        "xr-spatial-tracking",
    )
)
NOTHING = "default-src 'none'; frame-ancestors 'none'; sandbox"
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; "
    f"report-uri {REPORTS}"
)
OPERATOR = f"{PAGE}; frame-ancestors 'none'"
CORS_ORIGIN = "knopka.origin"
"""The scope's key under which a handler leaves the origin that it has found on the button's list."""


def frame_policy(origins: Sequence[str]) -> str:
    """The chat's frame: shown only on the button's own sites (S-WEB-03). The list holds checked origins."""
    ancestors = " ".join(origins) or "'none'"
    return f"{PAGE}; trusted-types 'none'; frame-ancestors {ancestors}"


@dataclass(frozen=True, slots=True)
class Surface:
    """What answers under one path carry, where the handler itself has not said otherwise."""

    prefix: str
    headers: tuple[Header, ...]


def _headers(**given: str) -> tuple[Header, ...]:
    common = {
        "x_content_type_options": "nosniff",
        "referrer_policy": "no-referrer",
        "permissions_policy": NO_FEATURES,
        "cross_origin_resource_policy": "same-origin",
        "content_security_policy": NOTHING,
        "cache_control": "no-store",
    }
    named = {**common, **given}.items()
    return tuple((name.replace("_", "-").encode(), value.encode()) for name, value in named)


ASSET = _headers(cross_origin_resource_policy="cross-origin", access_control_allow_origin="*")
PAGE_API = _headers(vary="Origin")
SURFACES = (
    Surface("/w/meta/", PAGE_API),
    Surface("/w/config/", PAGE_API),
    Surface("/w/link/", PAGE_API),
    Surface("/w/qr/", PAGE_API),
    Surface("/w/static/", ASSET),
    Surface("/w/frame/", _headers(cross_origin_resource_policy="cross-origin")),
    Surface("/js/", ASSET),
    Surface("/v", ASSET),
    Surface("/inbox", _headers(content_security_policy=OPERATOR, cross_origin_opener_policy="same-origin")),
    Surface("/", _headers()),
)
"""The first prefix that fits rules; the last one is every other address."""

STRICT_TRANSPORT: Header = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
EXPOSED: Header = (b"access-control-expose-headers", b"Retry-After")


class Headers:
    """Wraps the whole application, so that no route and no error can be without its headers.

    It also keeps the operators' host apart: where KNOPKA_INBOX_URL names a host
    of its own, the inbox is there alone and nothing else is.
    """

    def __init__(self, app: ASGIApp, *, is_https: bool, inbox_host: str | None) -> None:
        self.app = app
        self.inbox_host = inbox_host.encode() if inbox_host else None
        extra = (STRICT_TRANSPORT,) if is_https else ()
        self.surfaces = [(surface.prefix, (*surface.headers, *extra)) for surface in SURFACES]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # As the router reads it, or a doubled slash would be another path here than there.
        path = normalize_path(scope["path"])
        wanted = next(headers for prefix, headers in self.surfaces if path.startswith(prefix))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*_complete([*message["headers"]], wanted), *_cors(scope)]
            await send(message)

        if self.inbox_host is not None and not self._is_at_home(scope, path):
            await _refuse(scope, receive, send_with_headers)
            return
        # A socket sends many messages and none of them has headers: it is spared the look at each.
        is_socket = scope["type"] == ScopeType.WEBSOCKET
        await self.app(scope, receive, send if is_socket else send_with_headers)

    def _is_at_home(self, scope: Scope, path: str) -> bool:
        """Whether the path belongs to the host that was asked."""
        if path in (REPORTS, "/healthz", "/readyz", "/metrics"):
            return True
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        return (host.lower() == self.inbox_host) == (path == "/inbox" or path.startswith("/inbox/"))


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == ScopeType.WEBSOCKET:
        await send({"type": "websocket.close", "code": 4404, "reason": ""})
        return
    await answer(error_body("not_found", NOTHING_HERE), status=404)(scope, receive, send)


def _complete(given: list[Header], wanted: tuple[Header, ...]) -> list[Header]:
    names = {name.lower() for name, _ in given}
    given.extend(header for header in wanted if header[0] not in names)
    return given


def _cors(scope: Scope) -> tuple[Header, ...]:
    """Exactly the origin that the handler has accepted, on its refusals as well: a page may read them."""
    origin = scope.get(CORS_ORIGIN)
    if origin is None:
        return ()
    return (b"access-control-allow-origin", str(origin).encode()), EXPOSED
