"""Where everything stands in a JSON text: the offset of each value, and its line and column."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from knopka.domain.bot.script import Place
from knopka.domain.strict_json import join_path

MAX_REPEATS: Final = 100
"""Further ones are left unsaid."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}:,]|[^\s\[\]{}:,"]++', re.DOTALL)
_PART: Final = re.compile(r'\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*+")\]')


@dataclass(slots=True)
class Node:
    """One value: where it begins, and what is in it by key or index."""

    offset: int
    inside: dict[str | int, Node] = field(default_factory=dict)


class Places:
    """The places of one text: JSON that has been read already, or another one whose tree is known."""

    def __init__(self, text: str, root: Node | None = None) -> None:
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.repeats: list[tuple[str, Node]] = []
        """Path and value of each key that stands in its object already."""
        self.root = _scan(text, self.repeats) if root is None else root

    def place(self, path: str, node: Node) -> Place:
        """The place of a node that is known already, under its path."""
        line = bisect_right(self._line_starts, node.offset)
        return Place(path, line, node.offset - self._line_starts[line - 1] + 1)

    def find(self, path: str) -> Place:
        """The place of a JSON path; of what holds it where the path leads further than the text."""
        node = self.root
        for key in _split(path):
            below = node.inside.get(key)
            if below is None:
                break
            node = below
        return self.place(path, node)


def _split(path: str) -> Iterator[str | int]:
    """The keys and indexes of a path as `strict_json.join_path` writes it."""
    end = 1
    while part := _PART.match(path, end):
        name, index, quoted = part.groups()
        yield int(index) if index else name or json.loads(quoted)
        end = part.end()


def _join(keys: list[str | int]) -> str:
    path = "$"
    for key in keys:
        path = f"{path}[{key}]" if isinstance(key, int) else join_path(path, key)
    return path


def _scan(text: str, repeats: list[tuple[str, Node]]) -> Node:
    """The tree of a text, in one pass. A key that stands twice has its last place, and is a repeat."""
    root = Node(0)
    holder: Node = Node(0)
    stack: list[Node] = []
    keys: list[str | int] = []  # of each open array or object: what comes next in it
    holder.inside[""] = root
    key: str | int = ""
    expects_key = False
    for found in _TOKEN.finditer(text):
        token = found.group()
        match token[0]:
            case ",":
                expects_key = isinstance(key, str)
                if not isinstance(key, str):
                    key += 1
            case ":":
                expects_key = False
            case "]" | "}":
                holder, key = stack.pop(), keys.pop()
                expects_key = False
            case '"' if expects_key:
                key = json.loads(token) if "\\" in token else token[1:-1]
            case first:
                node = Node(found.start())
                if stack and key in holder.inside and len(repeats) < MAX_REPEATS:
                    repeats.append((_join([*keys[1:], key]), node))
                holder.inside[key] = node
                if first in "[{":
                    stack.append(holder)
                    keys.append(key)
                    holder, key, expects_key = node, "" if first == "{" else 0, first == "{"
    return holder.inside[""]
