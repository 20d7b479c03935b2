"""The examples of docs/salesbot.md: each script with its cases, or with what is told when it is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knopka.domain.bot.cases import MAX_CASES_BYTES, Case, parse_cases
from knopka.domain.bot.strict_yaml import read_yaml

PAGE = Path(__file__).parent.parent / "docs" / "salesbot.md"
_EXAMPLE = re.compile(r"^```json\n(.*?)^```\n```(yaml|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """One script of the page, as a whole script."""

    name: str
    """The heading that it stands under, and its line."""
    script: bytes
    cases: tuple[Case, ...] = ()
    turns: tuple[tuple[Any, ...], ...] = ()
    """What happens in each case, as the page has it: a text, or an object with one key."""
    told: tuple[str, ...] = ()
    """Codes of the warnings or faults, in the order of their places."""


def read_examples() -> list[Example]:
    """Every example of the page, in its order."""
    return list(_read(PAGE.read_text(encoding="utf-8")))


def _read(page: str) -> Iterator[Example]:
    for found in _EXAMPLE.finditer(page):
        script, language, beside = found.groups()
        *_, heading = _HEADING.findall(page, 0, found.start())
        name = f"{heading}, line {page.count(chr(10), 0, found.start()) + 1}"
        whole = _complete(script)
        if language == "yaml":
            body = beside.encode()
            turns = (tuple(case.get("say", ())) for case in read_yaml(body, max_bytes=MAX_CASES_BYTES).value)
            yield Example(name, whole, cases=parse_cases(body), turns=tuple(turns))
        else:
            yield Example(name, whole, told=tuple(beside.strip().split(", ")))


def _complete(script: str) -> bytes:
    """A list of handlers alone is the question of step 0."""
    value: Any = json.loads(script)
    is_handlers = isinstance(value, list) and all("handler" in item for item in value)
    return (f'[{{"question": {script}}}]' if is_handlers else script).encode()
