"""Our markdown: bold, italic, code and links in what operators and bots say (S-OUT-02)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from knopka.domain.splitting import count_units, find_parts
from knopka.domain.urls import PERSONAL_SCHEMES, is_linkable, is_web_address

_FENCE = "```"
_NO_MARKS = "\x02"
"""Begins a part of a text whose stars and brackets are no marks; nobody can type it (S-IN-04)."""


class Style(StrEnum):
    BOLD = "bold"
    ITALIC = "italic"
    CODE = "code"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text that looks the same from its beginning to its end. Of a link, `text` is the label."""

    text: str
    styles: frozenset[Style] = frozenset()
    url: str = ""


_MARKS = {"**": Style.BOLD, "*": Style.ITALIC, "_": Style.ITALIC}
_WRITTEN = {Style.BOLD: "**", Style.ITALIC: "_"}


@dataclass(slots=True)
class _Piece:
    """A span in the making. A piece that may be a mark is one as soon as its other half is found."""

    text: str
    styles: frozenset[Style] = frozenset()
    url: str = ""
    opens: bool = False
    closes: bool = False
    step: int = 0
    """1 where a style begins, -1 where it ends: of a mark with its other half."""


def parse_marks(text: str) -> tuple[Span, ...]:
    """Read a text's marks. What has no other half, or stands inside a word, is text like any other.

    Takes time in proportion to the text's length, whatever stands in it (S-IN-05).
    """
    if text.startswith(_NO_MARKS):
        return (Span(text[1:]),)
    pieces = list(_cut(text))
    _pair(pieces)
    return tuple(_join(pieces))


def to_plain(text: str) -> str:
    """The text without its marks, for channels that show none; never longer than it was."""
    return "".join(_spell(span) if span.url else span.text for span in parse_marks(text))


def split_marked(text: str, most: int) -> list[str]:
    """Cut a text into parts of at most `most` UTF-16 units as the person sees them (splitting.py).

    A look that goes on behind a cut ends before it and begins anew. Together the
    parts say what the whole says: marks that would mean something else in a part of
    their own are no marks there, and a link that is cut is spelled.
    """
    shown = to_plain(text)
    if count_units(shown) <= most:
        return [text.strip()] if shown.strip() else []
    spans = parse_marks(text)
    return [_write_part(tuple(_take(spans, start, end))) for start, end in find_parts(shown, most)]


def _take(spans: tuple[Span, ...], start: int, end: int) -> Iterator[Span]:
    """The piece of the spans that stands between two places of the plain text."""
    held: Span | None = None
    at = 0
    for span in spans:
        words = _spell(span) if span.url else span.text
        first, last = max(start - at, 0), min(end - at, len(words))
        at += len(words)
        if first >= last:
            continue
        piece = span if last - first == len(words) else Span(words[first:last], span.styles)
        if held is not None and not (held.url or piece.url) and held.styles == piece.styles:
            held = Span(held.text + piece.text, held.styles)
            continue
        if held is not None:
            yield held
        held = piece
    if held is not None:
        yield held


def _write_part(spans: tuple[Span, ...]) -> str:
    """The text that is read as these spans."""
    written = _write_marks(spans)
    if parse_marks(written) == spans:
        return written
    return _NO_MARKS + "".join(_spell(span) if span.url else span.text for span in spans)


def _write_marks(spans: tuple[Span, ...]) -> str:
    """The spans with marks around them. A style that goes on is left open, and what ends first is within."""
    written: list[str] = []
    opened: list[Style] = []
    for number, span in enumerate((*spans, Span(""))):
        kept = next((at for at, style in enumerate(opened) if style not in span.styles), len(opened))
        written += [_WRITTEN[style] for style in reversed(opened[kept:])]
        new = [style for style in _WRITTEN if style in span.styles and style not in opened[:kept]]
        new.sort(key=partial(_find_end, spans, number), reverse=True)
        opened[kept:] = new
        written += [_WRITTEN[style] for style in new]
        written.append(_write_words(span))
    return "".join(written)


def _find_end(spans: tuple[Span, ...], start: int, style: Style) -> int:
    """Which span is the first without the style."""
    return next((at for at in range(start, len(spans)) if style not in spans[at].styles), len(spans))


def _write_words(span: Span) -> str:
    if Style.BLOCK in span.styles:
        return f"{_FENCE}\n{span.text}\n{_FENCE}"
    if Style.CODE in span.styles:
        return f"`{span.text}`"
    return f"[{span.text}]({span.url})" if span.url else span.text


def to_entities(text: str) -> tuple[str, list[dict[str, Any]]]:
    """The text without its marks, and where they were, as Telegram wants it (Bot API, MessageEntity).

    Offsets are UTF-16 units. Code is code alone, because no other style may go
    with it there; an address that no link may lead to there stands behind its label.
    """
    shown: list[str] = []
    entities: list[dict[str, Any]] = []
    offset = 0
    for span in parse_marks(text):
        is_link = is_web_address(span.url)
        words = span.text if is_link or not span.url else _spell(span)
        length = count_units(words)
        for kind in _entity_kinds(span.styles):
            _append_entity(entities, kind, offset, length)
        if is_link:
            entities.append({"type": "text_link", "offset": offset, "length": length, "url": span.url})
        shown.append(words)
        offset += length
    return "".join(shown), entities


def _entity_kinds(styles: frozenset[Style]) -> list[str]:
    if Style.BLOCK in styles:
        return ["pre"]
    if Style.CODE in styles:
        return ["code"]
    return sorted(styles)


def _append_entity(entities: list[dict[str, Any]], kind: str, offset: int, length: int) -> None:
    """Add an entity, or make the one longer that it continues."""
    for entity in entities[-4:]:
        if entity["type"] == kind and entity["offset"] + entity["length"] == offset:
            entity["length"] += length
            return
    entities.append({"type": kind, "offset": offset, "length": length})


def _spell(span: Span) -> str:
    """A link in words."""
    address = span.url
    for scheme in PERSONAL_SCHEMES:
        if address.lower().startswith(scheme):
            address = address[len(scheme) :]
    return span.text if span.text in (span.url, address) else f"{span.text} ({address})"


def _cut(text: str) -> Iterator[_Piece]:
    """Cut the text at everything that may be a mark."""
    plain = at = 0
    while at < len(text):
        found = _read_special(text, at)
        if found is None:
            at += 1
            continue
        piece, end = found
        if plain < at:
            yield _Piece(text[plain:at])
        yield piece
        plain = at = end
    if plain < at:
        yield _Piece(text[plain:at])


def _read_special(text: str, at: int) -> tuple[_Piece, int] | None:
    """The code, link or mark that begins here, and where it ends."""
    match text[at]:
        case "`":
            return _read_code(text, at)
        case "[":
            return _read_link(text, at)
        case "*" | "_":
            return _read_mark(text, at)
        case _:
            return None


def _read_code(text: str, at: int) -> tuple[_Piece, int]:
    """A block, a code within its line, or the run of backticks that is neither."""
    run = _run_end(text, at) - at
    if run == len(_FENCE):
        end = text.find(_FENCE, at + run)
        inner = text[at + run : end].strip("\n") if end > 0 else ""
        if inner:
            return _Piece(inner, frozenset({Style.BLOCK})), end + run
    elif run == 1:
        end = _find_any(text, at + 1, "`\n")
        if end < len(text) and text[end] == "`":
            return _Piece(text[at + 1 : end], frozenset({Style.CODE})), end + 1
    return _Piece(text[at : at + run]), at + run


def _read_link(text: str, at: int) -> tuple[_Piece, int] | None:
    """`[label](address)`. No scan goes beyond the next bracket, so many of them cost no more than one."""
    middle = _find_any(text, at + 1, "[]\n")
    label = text[at + 1 : middle]
    if not label.strip() or not text.startswith("](", middle):
        return None
    start = middle + 2
    end = _address_end(text, start)
    address = text[start:end]
    if not text.startswith(")", end) or not is_linkable(address):
        return None
    return _Piece(label, url=address), end + 1


def _address_end(text: str, start: int) -> int:
    """Where an address ends: before the bracket that it has not opened itself."""
    depth = 0
    for at in range(start, len(text)):
        char = text[at]
        if char.isspace() or char in "[]<>`":
            return at
        if char == "(":
            depth += 1
        elif char == ")":
            if depth == 0:
                return at
            depth -= 1
    return len(text)


def _read_mark(text: str, at: int) -> tuple[_Piece, int]:
    """A mark with what its neighbours let it be: it begins before a word and ends behind one."""
    end = _run_end(text, at)
    run = text[at:end]
    before = text[at - 1] if at else " "
    after = text[end] if end < len(text) else " "
    is_mark = run in _MARKS
    return _Piece(
        run,
        opens=is_mark and not before.isalnum() and not after.isspace(),
        closes=is_mark and not before.isspace() and not after.isalnum(),
    ), end


def _run_end(text: str, at: int) -> int:
    end = at + 1
    while end < len(text) and text[end] == text[at]:
        end += 1
    return end


def _find_any(text: str, start: int, wanted: str) -> int:
    """Where the first of the wanted characters stands, or the text's length."""
    return next((at for at in range(start, len(text)) if text[at] in wanted), len(text))


def _pair(pieces: list[_Piece]) -> None:
    """Find every mark's other half in its paragraph. Of pairs that cross, the one that ends first holds."""
    open_marks: list[_Piece] = []
    waiting = dict.fromkeys(_MARKS, 0)
    for piece in pieces:
        if piece.closes and waiting[piece.text]:
            while True:
                other = open_marks.pop()
                waiting[other.text] -= 1
                if other.text == piece.text:
                    break
            other.step, piece.step = 1, -1
        elif piece.opens:
            open_marks.append(piece)
            waiting[piece.text] += 1
        elif "\n\n" in piece.text:
            open_marks.clear()
            waiting = dict.fromkeys(_MARKS, 0)


def _join(pieces: list[_Piece]) -> Iterator[Span]:
    """The pieces as spans, neighbours of one look as one span."""
    depth = dict.fromkeys(Style, 0)
    held: list[str] = []
    look = (frozenset[Style](), "")
    for piece in pieces:
        if piece.step:
            depth[_MARKS[piece.text]] += piece.step
            continue
        styles = piece.styles | {style for style in Style if depth[style]}
        if held and (piece.url or (styles, piece.url) != look):
            yield Span("".join(held), *look)
            held.clear()
        held.append(piece.text)
        look = (styles, piece.url)
    if held:
        yield Span("".join(held), *look)
