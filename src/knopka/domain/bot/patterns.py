"""Patterns of scripts: matched by RE2, so that no text of a visitor takes more than linear time."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from knopka.domain.bot.linear import CACHED, compile_re2
from knopka.domain.bot.pcre import FRAME, KINDS, OTHER_KIND, SPACE_KIND, PatternError, translate
from knopka.domain.bot.script import Pattern

MAX_TEXT: Final = 4_096
"""Characters of a text that are looked at; what is beyond them matches nothing."""
MAX_PROGRAM: Final = 4_000
"""Instructions of a compiled pattern: with the length of the text they bound the time of a match."""

_FRAMED = re.compile(r".\x01(.)[a-]", re.DOTALL)


def read_pattern(literal: str) -> Pattern:
    """Check and translate a PCRE literal; PatternError says what cannot be read, and where in the literal."""
    source, frames = translate(literal)
    try:
        size = compile_re2(source).programsize
    except ValueError as error:
        raise PatternError("pattern_too_large", f"the pattern cannot be compiled: {error}", 0) from None
    if size > MAX_PROGRAM:
        raise PatternError("pattern_too_large", "the pattern is too large: repeat less, or shorter parts", 0)
    return Pattern(literal, source, frames)


def size_of(pattern: Pattern) -> int:
    """Instructions of a pattern that was read: what it costs to compile and to match."""
    return int(compile_re2(pattern.re2).programsize)


def find(pattern: Pattern, text: str) -> tuple[str, ...] | None:
    """The first match: the whole of it, then its groups in order; a group that took no part is empty."""
    text = text[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
    found = compile_re2(pattern.re2).search(_frame(text) if pattern.frames else text)
    if found is None:
        return None
    parts = (found.group(), *(part or "" for part in found.groups()))
    return tuple(_FRAMED.sub(r"\1", part) for part in parts) if pattern.frames else parts


def first_group(literal: str, text: str) -> str:
    """What `{{regexp./…/}}` stands for: the first group, or the whole match of a pattern without groups.

    Empty when nothing matches, and when the literal is none (the loader has told it already).
    """
    try:
        found = find(_read_cached(literal), text)
    except PatternError:
        return ""
    if found is None:
        return ""
    return found[1] if len(found) > 1 else found[0]


_read_cached = lru_cache(CACHED)(read_pattern)


def _frame(text: str) -> str:
    r"""Each character between two ASCII ones: first its kind, then whether it is part of a word.

    RE2's \b knows ASCII letters alone; between the frames it is right for every alphabet,
    and \w costs no table of all letters. A line feed stays bare, so that ^ and $ see it.
    """
    return "".join(map(_frame_one, text.replace(FRAME, " ")))


@lru_cache(4_096)
def _frame_one(char: str) -> str:
    if char == "\n":
        return char
    is_space = char in "\t\v\f\r\x85"
    kind = SPACE_KIND if is_space else KINDS.get(unicodedata.category(char), OTHER_KIND)
    return f"{kind}{FRAME}{char}{'a' if kind.isalpha() else '-'}"
