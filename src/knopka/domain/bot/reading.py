"""Values of a script with their places: read one by one, with every fault kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from knopka.domain.bot.patterns import MAX_PROGRAM, read_pattern, size_of
from knopka.domain.bot.pcre import PatternError
from knopka.domain.bot.places import Node, Places
from knopka.domain.bot.references import Finding, check_text, suggest
from knopka.domain.bot.script import Block, Pattern, Place, Warning
from knopka.domain.errors import Fault
from knopka.domain.strict_json import join_path
from knopka.domain.text import excerpt

MAX_FAULTS: Final = 20
MAX_WARNINGS: Final = 100
"""Further ones are left unsaid: the answer stays small whatever was sent."""
MAX_PATTERNS: Final = 200_000
"""Instructions of all patterns of a script together: they bound the time that loading takes."""

_T = TypeVar("_T")
_ON = {"true": True, "1": True, "false": False, "0": False, "": False}


class Findings:
    """What is wrong with a script, what of it will do nothing, and the steps that it names."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._room = MAX_PATTERNS
        self.faults: list[Fault] = []
        self.warnings: list[Warning] = []
        self.jumps: list[tuple[Spot, Block, int]] = []
        """Each step that a handler names, checked when all steps are known."""

    def read_pattern(self, literal: str) -> Pattern:
        """As in patterns.py, as long as there is room for patterns in the script."""
        if self._room <= 0:
            message = "the patterns of this script are too large together: repeat less in them"
            raise PatternError("patterns_too_large", message, 0)
        self._room -= 2 * MAX_PROGRAM  # of one that is refused
        pattern = read_pattern(literal)
        self._room += 2 * MAX_PROGRAM - size_of(pattern)
        return pattern

    def add(self, at: Place, finding: Finding) -> None:
        found, most = (self.faults, MAX_FAULTS) if finding.is_fault else (self.warnings, MAX_WARNINGS)
        if len(found) >= most:
            return
        message = finding.message + suggest(finding.name, finding.known)
        if finding.is_fault:
            self.faults.append(Fault(at.path, finding.code, message, at.line, at.column))
        else:
            self.warnings.append(Warning(finding.code, message, at))


class Spot:
    """One value of the script. A reader gives a value of its type whatever is there, and keeps the fault."""

    __slots__ = ("_asked", "findings", "node", "path", "value")

    def __init__(self, value: Any, path: str, node: Node, findings: Findings) -> None:
        self.value = value
        self.path = path
        self.node = node
        self.findings = findings
        self._asked: set[str] = set()

    @property
    def at(self) -> Place:
        return self.findings.places.place(self.path, self.node)

    def refuse(self, code: str, message: str, name: str = "", known: Iterable[str] = ()) -> None:
        self.findings.add(self.at, Finding(True, code, message, name, known))

    def warn(self, code: str, message: str, name: str = "", known: Iterable[str] = ()) -> None:
        self.findings.add(self.at, Finding(False, code, message, name, known))

    def tell(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.findings.add(self.at, finding)

    # --- What is in it

    def get(self, key: str) -> Spot | None:
        """What stands under a key; None where it is missing or null, and in what is no object."""
        self._asked.add(key)
        if not isinstance(self.value, dict) or self.value.get(key) is None:
            return None
        return self._below(key, self.value[key], join_path(self.path, key))

    def _below(self, key: str | int, value: Any, path: str) -> Spot:
        return Spot(value, path, self.node.inside[key], self.findings)

    def entries(self) -> Iterator[tuple[str, Spot]]:
        """Keys and values of an object."""
        for key, value in self.value.items() if isinstance(self.value, dict) else ():
            yield key, self._below(key, value, join_path(self.path, key))

    def items(self) -> list[Spot]:
        """The items of an array, also of one that PHP wrote as an object with numbers for keys."""
        match self.value:
            case list():
                return [
                    self._below(index, item, f"{self.path}[{index}]") for index, item in enumerate(self.value)
                ]
            case dict() if all(is_number_key(key) for key in self.value):
                return [item for _, item in self.entries()]
            case _:
                self.refuse("not_an_array", "this must be an array: [ … ]")
                return []

    def expect_object(self) -> bool:
        """Whether this is an object; PHP writes an empty one as []."""
        if isinstance(self.value, dict) or self.value == []:
            return True
        self.refuse("not_an_object", "this must be an object: { … }")
        return False

    def warn_of_unread(self) -> None:
        """Tell of the keys that nothing has asked for: a misspelt one would do nothing, silently."""
        for key, spot in self.entries():
            if key not in self._asked:
                missing = {asked for asked in self._asked if asked not in self.value}
                spot.warn("unknown_param", f"{excerpt(key)} is not read here", key, missing)

    # --- Readers of one key

    def text(self, key: str, default: str | None = None, *, names: str = "") -> str:
        """A text, or a number as it is written. `names` says what the text names, if it names something."""
        spot = self._need(key, default)
        return (default or "") if spot is None else spot.as_text(names=names)

    def as_text(self, *, names: str = "") -> str:
        match self.value:
            case bool():
                text = "1" if self.value else "0"
            case str():
                text = self.value
            case int() | float():
                text = json.dumps(self.value)
            case _:
                self.refuse("not_a_text", 'this must be a text: "…"')
                return ""
        self.tell(check_text(text, self.findings.read_pattern, names))
        return text

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number, also as digits in a text."""
        spot = self._need(key, default)
        return (default or 0) if spot is None else spot.as_whole()

    def as_whole(self) -> int:
        match self.value:
            case bool():
                pass
            case int() if self.value >= 0:
                return self.value
            case str() if is_number_key(self.value.strip()):
                return int(self.value)
        self.refuse("not_a_number", "this must be a whole number")
        return 0

    def flag(self, key: str, default: bool) -> bool:
        spot = self.get(key)
        if spot is None:
            return default
        known = _ON.get(str(spot.value).lower()) if isinstance(spot.value, (bool, int, str)) else None
        if known is None:
            spot.refuse("not_a_flag", "this must be true or false")
        return bool(known)

    def one_of(self, key: str, choices: Mapping[str, _T], default: _T | None = None) -> _T:
        spot = self._need(key, default)
        fallback = next(iter(choices.values())) if default is None else default
        return fallback if spot is None else spot.as_one_of(choices, fallback)

    def as_one_of(self, choices: Mapping[str, _T], fallback: _T) -> _T:
        name = str(self.value).strip() if isinstance(self.value, (str, int)) else ""
        if name in choices and not isinstance(self.value, bool):
            return choices[name]
        self.refuse("unknown_value", f"this must be one of {', '.join(choices)}", name, choices)
        return fallback

    def texts(self, key: str, *, names: str = "") -> tuple[str, ...]:
        """One text, or an array of them; empty ones are left out."""
        spot = self.get(key)
        if spot is None:
            return ()
        spots = spot.items() if isinstance(spot.value, (list, dict)) else [spot]
        return tuple(text for one in spots if (text := one.as_text(names=names)))

    def require(self, key: str) -> Spot | None:
        """What stands under a key that must be there."""
        return self._need(key, None)

    def _need(self, key: str, default: object) -> Spot | None:
        spot = self.get(key)
        if spot is None and default is None:
            self.refuse("missing", f"{key} is missing here")
        return spot


def is_number_key(text: str) -> bool:
    """A number as a key of PHP's arrays: digits without a zero before them, of a size that makes sense."""
    return text.isascii() and text.isdigit() and len(text) <= 15 and (text == "0" or text[0] != "0")
