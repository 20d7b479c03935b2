"""KnopkaError to status and body: the only place that knows status codes."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import msgspec
import structlog
from litestar.connection import Request
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.utils.path import normalize_path

from knopka.domain.errors import (
    Conflict,
    Fault,
    InvalidInput,
    KnopkaError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    ScriptError,
    TooLarge,
    TooMany,
    Unavailable,
    WrongMediaType,
)
from knopka.web.answers import Answer, Header, answer

log = structlog.get_logger(__name__)

STATUSES: dict[type[KnopkaError], int] = {
    InvalidInput: 400,
    ScriptError: 400,
    NotSignedIn: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    WrongMediaType: 415,
    TooMany: 429,
    Unavailable: 503,
}
NOTHING_HERE = "There is nothing at this address."
"""One sentence for an unknown button, a switched-off one and a page that is not on its list (S-WEB-03)."""
AnyRequest = Request[Any, Any, Any]


def status_of(error: KnopkaError) -> int:
    """The status of the nearest known class; an error that nobody named is ours: 500."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return 500


def error_body(code: str, message: str, faults: tuple[Fault, ...] = ()) -> bytes:
    """Our own error shape; that of API v4 is web/salesbot.py's."""
    shown = [
        {"path": f.path, "code": f.code, "message": f.message, "line": f.line, "column": f.column}
        for f in faults
    ]
    return msgspec.json.encode({"error": {"code": code, "message": message, "faults": shown}})


INTERNAL = error_body("internal", "Something went wrong on our side.")


def render_known(_: AnyRequest, error: KnopkaError) -> Answer:
    status = status_of(error)
    if status == 500:
        log_ours(error)
        return answer(INTERNAL, status=500)
    faults = error.faults if isinstance(error, InvalidInput) else ()
    message = NOTHING_HERE if isinstance(error, NotFound) else error.message
    return answer(error_body(error.code, message, faults), status=status, headers=retry_after(error))


def log_ours(error: KnopkaError) -> None:
    """A refusal that nobody named is a defect of ours."""
    log.error("unexpected refusal", code=error.code, exc_info=error)


def retry_after(error: KnopkaError) -> list[Header]:
    if not isinstance(error, TooMany | Unavailable):
        return []
    return [(b"retry-after", str(max(1, math.ceil(error.retry_after))).encode())]


def render_http(request: AnyRequest, error: HTTPException) -> Answer:
    """What the framework itself refuses: an unknown path, a method that an address does not know."""
    match error:
        case NotFoundException():
            return answer(error_body("not_found", NOTHING_HERE), status=404)
        case MethodNotAllowedException():
            body = error_body("method_not_allowed", f"This address does not answer {request.method}.")
            allow = ", ".join(_methods_of(request)).encode()
            return answer(body, status=405, headers=[(b"allow", allow)])
        case _ if error.status_code < 500:
            return answer(error_body("bad_request", "The request cannot be read."), status=error.status_code)
        case _:
            return render_unknown(request, error)


def _methods_of(request: AnyRequest) -> list[str]:
    """The methods that an address answers (RFC 9110 wants them told); the router knows but does not say."""
    found = []
    for method in HttpMethod:
        with contextlib.suppress(HTTPException):
            request.app.asgi_router.handle_routing(path=normalize_path(request.url.path), method=method.value)
            found.append(method.value)
    return sorted(found)


def render_unknown(request: AnyRequest, error: Exception) -> Answer:
    """A defect of ours: the trace goes to the log, nothing of it to the caller."""
    route = request.scope.get("path_template")
    log.error("unexpected error", method=request.method, route=route, exc_info=error)
    return answer(INTERNAL, status=500)


HANDLERS: dict[int | type[Exception], Any] = {
    KnopkaError: render_known,
    HTTPException: render_http,
    Exception: render_unknown,
}
"""What the framework is given; its own type for this wants its own response classes."""
