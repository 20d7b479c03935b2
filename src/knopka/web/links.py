"""What a page says of its messengers' links: which visit a code stands for, and a link as a QR code."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, post, route
from litestar.enums import HttpMethod

from knopka.domain.errors import Fault, InvalidInput
from knopka.domain.messaging import CODE, SHORT, EntryToken, shorten
from knopka.domain.strict_json import Json, read_json
from knopka.domain.visitor import Page, Source
from knopka.services.links import announce_link
from knopka.web.admission import admit_page
from knopka.web.answers import Answer, answer, answer_json
from knopka.web.bodies import JSON, TEXT, media_type
from knopka.web.config import show_channels
from knopka.web.context import web_of
from knopka.web.envelope import Envelope
from knopka.web.limits import Counter
from knopka.web.meta import FOR_PREFLIGHT, read_weighed

AnyRequest = Request[Any, Any, Any]
LINK = "/w/link/{id:str}/{hash:str}"
QR = "/w/qr/{id:str}/{hash:str}"
LINK_CODE = re.compile(r"[A-Za-z0-9_-]{32}")
QUIET_ZONE = 4
"""White modules that a scanner wants on each side (ISO/IEC 18004)."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A code that a messenger's link carries, told before the visitor leaves."""

    visit: str
    page: Page
    code: EntryToken


@route([LINK, QR], http_method=[HttpMethod.OPTIONS])
async def preflight_links(request: AnyRequest) -> Answer:
    """Let a listed page send JSON; text/plain, which the launcher sends, needs no such question."""
    admit_page(request)
    return answer(status=204, headers=FOR_PREFLIGHT)


@post(LINK)
async def post_link(request: AnyRequest) -> Answer:
    """Take the code of a link that is about to be used."""
    source = _admit(request, web_of(request).counters.meta_per_address)
    announced = parse_announcement(await _read(request))
    web_of(request).counters.meta_per_visit.take(f"{source.id} {announced.visit}")
    await _announce(request, source, announced)
    return answer(status=204)


@post(QR, status_code=200)
async def post_qr(request: AnyRequest) -> Answer:
    """Draw a channel's link for a phone's camera, and take its code as told."""
    source = _admit(request, web_of(request).counters.qr_per_address)
    body = await _read(request)
    announced = parse_announcement(body)
    link = _find_link(show_channels(source, web_of(request).catalog()), body)
    await _announce(request, source, announced)
    return answer_json(await asyncio.to_thread(draw_code, fill_in(link, announced.code)))


def parse_announcement(body: Json) -> Announcement:
    """Read the launcher's envelope; raises InvalidInput with every fault. Unknown keys are left alone."""
    envelope = Envelope(body)
    visit, page = envelope.visit(), envelope.page()
    code = envelope.match(envelope.body.get("code"), LINK_CODE, "$.code", "32 letters, digits, - and _")
    envelope.check()
    return Announcement(visit, page, EntryToken(code))


def fill_in(link: str, code: EntryToken) -> str:
    """The link as the launcher fills it in."""
    return link.replace(CODE, code).replace(SHORT, shorten(code))


def draw_code(text: str) -> dict[str, Any]:
    """The text as a QR code: one SVG path of its dark modules in a square of `size`, quiet zone included."""
    import segno  # late: 30 ms of every start, for what few visitors ask

    try:
        matrix = segno.make(text, micro=False).matrix
    except segno.DataOverflowError:
        raise InvalidInput(Fault("$.kind", "too_long", "This link is longer than a QR code holds.")) from None
    rows = (_draw_row(row, y) for y, row in enumerate(matrix, QUIET_ZONE))
    return {"size": len(matrix) + 2 * QUIET_ZONE, "path": "".join(rows)}


def _draw_row(row: Sequence[int], y: int) -> str:
    """Each run of dark modules as one rectangle."""
    drawn: list[str] = []
    start = 0
    for end in range(1, len(row) + 1):
        if end < len(row) and row[end] == row[start]:
            continue
        if row[start]:
            width = end - start
            drawn.append(f"M{start + QUIET_ZONE},{y}h{width}v1h-{width}z")
        start = end
    return "".join(drawn)


def _admit(request: AnyRequest, counter: Counter) -> Source:
    """The button, when the page may speak to it; each request counts for its address (S-WEB-14)."""
    source = admit_page(request)
    counter.take(web_of(request).address(request))
    return source


async def _read(request: AnyRequest) -> Json:
    media_type(request, (JSON, TEXT))
    return read_json(await read_weighed(request), max_bytes=web_of(request).limits.meta_bytes)


async def _announce(request: AnyRequest, source: Source, told: Announcement) -> None:
    web = web_of(request)
    await web.database.write(
        announce_link,
        web.catalog(),
        source,
        told.visit,
        told.code,
        told.page,
        key=("visit", source.id, told.visit),
    )


def _find_link(channels: Sequence[dict[str, Any]], body: Json) -> str:
    """The link of the channel of this kind; the chat on the page has none."""
    kind = body.get("kind") if isinstance(body, dict) else None
    links = [str(channel["link"]) for channel in channels if channel["link"] and channel["kind"] == kind]
    if links:
        return links[0]
    fault = "missing" if kind is None else "unknown_kind"
    raise InvalidInput(Fault("$.kind", fault, "The button has no messenger of this kind."))
