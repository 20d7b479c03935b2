"""YAML of people, read as strictly as JSON: plain values with their places, or every fault with its own.

Nothing of YAML's own types is made: no dates, no `yes` that means true, no
object of a program, and no part that stands for another one.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from knopka.domain.bot.places import Node, Places
from knopka.domain.bot.reading import Findings, Spot
from knopka.domain.errors import Fault, InvalidInput
from knopka.domain.strict_json import decode_utf8, join_path

MAX_DEPTH = 32
MAX_NODES = 50_000

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?")
_HALF = re.compile("[\ud800-\udfff]")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}


def read_yaml(body: bytes, *, max_bytes: int) -> Spot:
    """The one document of a text, each value with its line and column.

    A text without quotes is a number only where it is written as the number
    would be; `yes`, `007` and `2026-03-07` are texts, and every key is one.
    Raises InvalidInput for what is too large or no YAML, for keys that stand
    twice, and for anchors, aliases, merges and tags.
    """
    if len(body) > max_bytes:
        message = f"the file has {len(body)} bytes, at most {max_bytes} are read"
        raise InvalidInput(Fault("$", "too_large", message))
    text = decode_utf8(body)
    try:
        value, node = _Reader(text).read()
    except yaml.MarkedYAMLError as error:
        raise InvalidInput(_say(error)) from None
    except yaml.reader.ReaderError as error:
        message = f"holds the character U+{error.character:04X}, which YAML does not allow"
        raise InvalidInput(Fault("$", "not_yaml", message, *_find_line(text, error.position))) from None
    return Spot(value, "$", node, Findings(Places(text, node)))


def _say(error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    told = ", ".join(part for part in (error.context, error.problem) if part)
    line, column = (None, None) if mark is None else (mark.line + 1, mark.column + 1)
    return Fault("$", "not_yaml", f"not YAML: {told}", line, column)


def _find_line(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class _Reader:
    """Values and their places out of the events of a text. The first fault ends it."""

    def __init__(self, text: str) -> None:
        # The reader in Python: that of libyaml gives other words for its faults, and may be missing.
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)
        self._nodes = 0

    def read(self) -> tuple[Any, Node]:
        first = self._next("$")
        while not isinstance(first, (yaml.NodeEvent, yaml.StreamEndEvent)):
            first = self._next("$")
        if isinstance(first, yaml.StreamEndEvent):
            return None, Node(0)
        read = self._value(first, "$", 1)
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise _refuse(event, "$", "several_documents", "one file holds one document: leave out ---")
        return read

    def _next(self, path: str) -> Any:
        event = next(self._events)
        self._nodes += isinstance(event, yaml.NodeEvent)
        if self._nodes > MAX_NODES:
            raise _refuse(event, path, "too_many_values", "more values than are read in one file")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            message = "anchors and aliases, &name and *name, are not taken: write it out"
            raise _refuse(event, path, "alias", message)
        if getattr(event, "tag", None):
            raise _refuse(event, path, "tag", f"tags such as {event.tag} are not taken")
        return event

    def _value(self, event: Any, path: str, depth: int) -> tuple[Any, Node]:
        node = Node(event.start_mark.index)
        if depth > MAX_DEPTH:
            raise _refuse(event, path, "too_deep", f"nested deeper than {MAX_DEPTH}")
        match event:
            case yaml.SequenceStartEvent():
                return self._items(path, node, depth), node
            case yaml.MappingStartEvent():
                return self._entries(path, node, depth), node
            case _:
                if _HALF.search(event.value):
                    raise _refuse(event, path, "lone_surrogate", "holds half a character")
                return _read_scalar(event), node

    def _items(self, path: str, node: Node, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(path), yaml.SequenceEndEvent):
            index = len(items)
            item, node.inside[index] = self._value(event, f"{path}[{index}]", depth + 1)
            items.append(item)
        return items

    def _entries(self, path: str, node: Node, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := self._next(path), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _refuse(event, path, "bad_key", "a key is one text")
            key = event.value
            place = join_path(path, key)
            if key in entries:
                raise _refuse(event, place, "duplicate_key", "this key stands twice")
            if key == "<<" and event.style is None:
                raise _refuse(event, place, "alias", "<< is not taken: write out what it would merge")
            entries[key], node.inside[key] = self._value(self._next(place), place, depth + 1)
        return entries


def _read_scalar(event: Any) -> Any:
    """Only what stands without quotes may be anything but a text."""
    text = event.value
    if event.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        number = json.loads(text)
        return number if json.dumps(number) == text else text
    return text


def _refuse(event: Any, path: str, code: str, message: str) -> InvalidInput:
    mark = event.start_mark
    return InvalidInput(Fault(path, code, message, mark.line + 1, mark.column + 1))
