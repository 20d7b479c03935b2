"""What a page sends by setMeta, and what became of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from litestar import Request, post, route
from litestar.enums import HttpMethod

from knopka.domain.meta import parse_meta
from knopka.domain.strict_json import Json, read_json
from knopka.domain.visitor import Page
from knopka.services import shapes
from knopka.services.journal import MetaCall, read_verdicts, record_meta
from knopka.web.admission import admit_page
from knopka.web.answers import Answer, answer, answer_json, encode
from knopka.web.bodies import FORM, JSON, TEXT, media_type, read_body
from knopka.web.bracket_form import read_form
from knopka.web.context import web_of
from knopka.web.envelope import Envelope

AnyRequest = Request[Any, Any, Any]
META = "/w/meta/{id:str}/{hash:str}"
MAX_CALLS = 20
FREE_BYTES = 4 * 1024
BYTES_OF_A_CALL = 1024
"""Beyond its first FREE_BYTES a body counts as one more call for each of so many."""
FOR_PREFLIGHT = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"Content-Type"),
    (b"access-control-max-age", b"7200"),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One readable request of the launcher: which visit, from which page, and its calls in order."""

    visit: str
    page: Page
    calls: tuple[MetaCall, ...]


@route([META, f"{META}/verdicts"], http_method=[HttpMethod.OPTIONS])
async def preflight_meta(request: AnyRequest) -> Answer:
    """Let a listed page send JSON; text/plain, which the launcher sends, needs no such question."""
    admit_page(request)
    return answer(status=204, headers=FOR_PREFLIGHT)


@post(META, status_code=200)
async def post_meta(request: AnyRequest) -> Answer:
    """Take up to 20 setMeta calls of one visit and tell what became of each path.

    The limits count what was parsed (S-IN-09): each call, for its visit and for
    its address; a body that cannot be read counts as one for the address. A large
    body counts for the address as more calls, as it costs more (S-WEB-14).
    """
    web = web_of(request)
    source = admit_page(request)
    address = web.address(request)
    web.counters.meta_per_address.take(address)
    sent = await read_sent(request)
    if len(sent.calls) > 1:
        web.counters.meta_per_address.take(address, len(sent.calls) - 1)
    web.counters.meta_per_visit.take(f"{source.id} {sent.visit}", len(sent.calls))
    recorded = await web.database.write(
        record_meta,
        web.catalog(),
        source,
        sent.visit,
        sent.calls,
        sent.page,
        key=("visit", source.id, sent.visit),
    )
    return answer_json(shapes.recorded(recorded, source.locale))


@post(f"{META}/verdicts", status_code=200)
async def post_verdicts(request: AnyRequest) -> Answer:
    """Tell what has become of earlier calls of the same visit: of those that waited for a card above all."""
    web = web_of(request)
    source = admit_page(request)
    web.counters.meta_per_address.take(web.address(request))
    media_type(request, (JSON, TEXT))
    body = await read_weighed(request)
    envelope = Envelope(read_json(body, max_bytes=web.limits.meta_bytes))
    visit = envelope.visit()
    keys = envelope.items("keys", MAX_CALLS)
    known = [envelope.match_key(key, f"$.keys[{index}]") for index, key in enumerate(keys)]
    envelope.check()
    recorded = await web.database.read(read_verdicts, source, visit, known)
    return answer_json(shapes.recorded(recorded, source.locale))


async def read_sent(request: AnyRequest) -> Sent:
    """Read the body in whichever of its three kinds it came."""
    kind = media_type(request, (JSON, TEXT, FORM))
    body = await read_weighed(request)
    max_bytes = web_of(request).limits.meta_bytes
    if kind == FORM:
        return parse_form(read_form(body, max_bytes=max_bytes))
    return parse_sent(read_json(body, max_bytes=max_bytes))


async def read_weighed(request: AnyRequest) -> bytes:
    """Read the body, and count a large one for its address before anybody parses it."""
    web = web_of(request)
    body = await read_body(request, web.limits.meta_bytes)
    if len(body) > FREE_BYTES:
        web.counters.meta_per_address.take(web.address(request), weigh(len(body)))
    return body


def weigh(size: int) -> int:
    """How many calls a body of so many bytes counts as, besides those it carries."""
    return math.ceil(max(0, size - FREE_BYTES) / BYTES_OF_A_CALL)


def parse_sent(body: Json) -> Sent:
    """Read the launcher's envelope; raises InvalidInput with every fault. Unknown keys are left alone."""
    envelope = Envelope(body)
    visit, page = envelope.visit(), envelope.page()
    items = envelope.items("calls", MAX_CALLS)
    calls = [_read_call(envelope, call, f"$.calls[{index}]") for index, call in enumerate(items)]
    envelope.check()
    return Sent(visit, page, tuple(_make_call(key, params) for key, params in calls))


def _read_call(envelope: Envelope, call: Json, place: str) -> tuple[str, Json]:
    if not isinstance(call, dict):
        envelope.blame(place, "not_an_object", "A call is an object with key and params.")
        return "", {}
    if not isinstance(call.get("params"), dict):
        envelope.blame(f"{place}.params", "not_an_object", "setMeta takes an object.")
    return envelope.match_key(call.get("key"), f"{place}.key"), call.get("params")


def parse_form(form: Json) -> Sent:
    """Read the page's bracket form: `visit`, `key` and `page[…]` are ours, the rest is one call."""
    envelope = Envelope(form)
    visit, page, key = envelope.visit(), envelope.page(), envelope.key()
    envelope.check()
    params = {name: value for name, value in form.items() if name not in ("visit", "key", "page")}
    return Sent(visit, page, (_make_call(key, params),))


def _make_call(key: str, params: Json) -> MetaCall:
    return MetaCall(key, encode(params).decode(), parse_meta(params))
