"""A long text in parts that a messenger takes, cut where a reader would pause."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum

_GAP = re.compile(r"\s+")
_SENTENCE_ENDS = ".!?…。！？"
_JOINER = "\u200d"


class _Pause(IntEnum):
    """How natural it is to stop before a gap between two words."""

    WORD = 0
    SENTENCE = 1
    LINE = 2
    PARAGRAPH = 3


def count_units(text: str) -> int:
    """UTF-16 units, in which the messengers count."""
    return len(text) + sum(char > "\uffff" for char in text)


def split_text(text: str, most: int) -> list[str]:
    """Cut a text into parts of at most `most` UTF-16 units, two at least.

    A part ends with a paragraph, else a line, a sentence or a word, provided
    that it is half full by then. A word is cut only where it is too long for
    any part, and then between two graphemes. No part is blank, and nothing but
    space is lost between two of them.
    """
    return [text[start:end] for start, end in find_parts(text, most)]


def find_parts(text: str, most: int) -> Iterator[tuple[int, int]]:
    """Where the parts of `split_text` begin and end."""
    start = len(text) - len(text.lstrip())
    text = text.rstrip()
    while start < len(text):
        end, after = _cut(text, start, most)
        if not text[start:end].isspace():
            yield start, end
        start = after


def _cut(text: str, start: int, most: int) -> tuple[int, int]:
    """Where the part that begins at `start` ends, and where the next one begins."""
    end = _reach(text, start, most)
    if end == len(text):
        return end, end
    half = (start + end + 1) // 2
    best: tuple[_Pause, int, int] | None = None
    for gap in _GAP.finditer(text, start):
        if gap.start() > end:
            break
        if _extends(text[gap.end()]):
            continue
        found = (_judge(text, gap), gap.start(), gap.end())
        if best is None or best[1] < half or found[0] >= best[0]:
            best = found
    if best is not None:
        return best[1], best[2]
    end = _last_boundary(text, start, end)
    return end, end


def _reach(text: str, start: int, most: int) -> int:
    """Where a part that begins at `start` ends at the latest."""
    end = min(len(text), start + most)
    units = count_units(text[start:end])
    while units > most and end > start + 1:
        end -= 1
        units -= count_units(text[end])
    return end


def _judge(text: str, gap: re.Match[str]) -> _Pause:
    lines = gap[0].count("\n")
    if lines > 1:
        return _Pause.PARAGRAPH
    if lines:
        return _Pause.LINE
    return _Pause.SENTENCE if text[gap.start() - 1] in _SENTENCE_ENDS else _Pause.WORD


def _last_boundary(text: str, start: int, end: int) -> int:
    """The last place up to `end` between two graphemes; a grapheme that fills a whole part is cut."""
    for at in range(end, start, -1):
        if not _holds_together(text, start, at):
            return at
    return end


def _holds_together(text: str, start: int, at: int) -> bool:
    """Whether what stands before `at` and what follows make one grapheme (Unicode, UAX #29)."""
    if text[at - 1] == _JOINER or _extends(text[at]):
        return True
    if not (_is_flag_half(text[at - 1]) and _is_flag_half(text[at])):
        return False
    halves = 0
    while at - halves > start and _is_flag_half(text[at - halves - 1]):
        halves += 1
    return halves % 2 == 1


def _extends(char: str) -> bool:
    """Whether a character belongs to the one before it: a mark, a joiner, a skin tone, a tag, a vowel."""
    if char < "\u0300":
        return False
    return (
        unicodedata.category(char).startswith("M")
        or char in "\u200c\u200d\uff9e\uff9f"
        or "\u1160" <= char <= "\u11ff"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
    )


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
