"""The page's bracket form, `contact[custom_fields][0][id]=…`, as the value that JSON would have given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from knopka.domain.errors import Fault, InvalidInput, TooLarge
from knopka.domain.strict_json import MAX_DEPTH, MAX_KEY, MAX_NODES, join_path

Form = dict[str, Any]
"""Texts and further forms. An array is a form whose keys are its indexes."""

_BOM: Final = "\ufeff"
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")


def read_form(body: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES) -> Form:
    """Read application/x-www-form-urlencoded. Pairs are parted by `&` alone: `;` is an ordinary character.

    Fails with TooLarge, or with InvalidInput at the first pair that cannot be read.
    """
    if len(body) > max_bytes:
        raise TooLarge(f"the body has {len(body)} bytes, {max_bytes} are allowed")
    form = _FormBuilder(max_depth, max_nodes)
    for column, pair in _split_pairs(body):
        name, _, value = pair.partition(b"=")
        form.add(_decode(name, column), _decode(value, column + len(name) + 1), column)
    return form.root


def _split_pairs(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Each pair with the column where it starts."""
    start = 0
    while start <= len(body):
        end = body.find(b"&", start)
        end = len(body) if end < 0 else end
        if end > start:
            yield start + 1, body[start:end]
        start = end + 1


def _decode(part: bytes, column: int) -> str:
    if wrong := _BAD_ESCAPE.search(part):
        raise InvalidInput(Fault("$", "not_a_form", "a % without two digits", 1, column + wrong.start()))
    try:
        text = unquote_to_bytes(part.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(Fault("$", "not_utf8", "not UTF-8", 1, column)) from None
    if "\0" in text:
        raise InvalidInput(Fault("$", "nul", "holds the character U+0000", 1, column))
    return text


def _join(path: str, key: str) -> str:
    """The JSON path of a key; an index stands as in an array."""
    return f"{path}[{key}]" if key.isascii() and key.isdigit() else join_path(path, key)


class _FormBuilder:
    """Puts pairs in their places; the same limits and the same faults as in JSON."""

    def __init__(self, max_depth: int, max_nodes: int) -> None:
        self.root: Form = {}
        self._max_depth = max_depth
        self._nodes_left = max_nodes - 1

    def add(self, name: str, value: str, column: int) -> None:
        keys = self._split_name(name, column)
        path, place = "$", self.root
        for key in keys[:-1]:
            key = key or str(len(place))
            path = _join(path, key)
            inner = place.get(key)
            if inner is None:
                self._count(path, column)
                inner = place[key] = {}
            if not isinstance(inner, dict):
                raise InvalidInput(Fault(path, "duplicate_key", "is a text and has parts as well", 1, column))
            place = inner
        key = keys[-1] or str(len(place))
        path = _join(path, key)
        if key in place:
            raise InvalidInput(Fault(path, "duplicate_key", "this key stands twice", 1, column))
        self._count(path, column)
        place[key] = value

    def _split_name(self, name: str, column: int) -> list[str]:
        """`a[b][]` is a, b and the next index."""
        found = _NAME.fullmatch(name)
        if found is None or name.startswith(_BOM):
            raise InvalidInput(Fault("$", "not_a_form", "a name that cannot be read", 1, column))
        keys = [found[1], *_PART.findall(found[2])]
        if len(keys) > self._max_depth:
            raise InvalidInput(Fault("$", "too_deep", f"nested deeper than {self._max_depth}", 1, column))
        if max(map(len, keys)) > MAX_KEY:
            message = f"a key has at most {MAX_KEY} characters"
            raise InvalidInput(Fault("$", "key_too_long", message, 1, column))
        return keys

    def _count(self, path: str, column: int) -> None:
        self._nodes_left -= 1
        if self._nodes_left < 0:
            message = "more values than are read in one body"
            raise InvalidInput(Fault(path, "too_many_values", message, 1, column))
