"""The one way that JSON comes in: bytes to values, or every fault with its place (S-IN-01)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from knopka.domain.errors import Fault, InvalidInput, TooLarge

Json = Any

MAX_DEPTH: Final = 32
MAX_NODES: Final = 5_000
MAX_KEY: Final = 128
MAX_FAULTS: Final = 10
"""Further faults are left unsaid: the answer stays small whatever was sent."""

_LEAST, _MOST = -(2**63), 2**63 - 1
_BOM = b"\xef\xbb\xbf"
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# An unfinished string matches to the end of the text, so that no search starts twice.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def read_json(
    body: bytes,
    *,
    max_bytes: int,
    max_depth: int = MAX_DEPTH,
    max_nodes: int = MAX_NODES,
    takes_last: bool = False,
) -> Json:
    """Read one JSON text.

    Fails with TooLarge, or with InvalidInput whose faults give line and column
    where the text cannot be parsed, and else the path of each wrong value. A key
    that stands twice in one object is such a fault, unless `takes_last`: then
    its last value counts.
    """
    if len(body) > max_bytes:
        raise TooLarge(f"the body has {len(body)} bytes, {max_bytes} are allowed")
    text = decode_utf8(body)
    try:
        value = _FAST.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(_say_syntax(error)) from None
    except (_Suspect, ValueError, RecursionError):
        faults = _list_faults(text, max_depth, max_nodes, takes_last=takes_last)
        if faults or not takes_last:
            raise InvalidInput(*faults) from None
        return json.loads(text)  # nothing was wrong but keys that stand twice
    if not _is_surely_clean(body, value, max_depth, max_nodes):
        faults = _list_faults(text, max_depth, max_nodes)
        if faults:
            raise InvalidInput(*faults)
    return value


def decode_utf8(body: bytes) -> str:
    """The text of a body; a byte order mark is refused, as RFC 8259 allows."""
    if body.startswith(_BOM):
        raise InvalidInput(Fault("$", "byte_order_mark", "starts with a byte order mark", 1, 1))
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        before = body[: error.start].decode("utf-8")
        message = f"not UTF-8: byte 0x{body[error.start]:02x}"
        raise InvalidInput(Fault("$", "not_utf8", message, *_place(before, len(before)))) from None


class _Suspect(Exception):
    """The fast look met something that is not taken as it is."""


def _read_pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs) or (found and max(map(len, found)) > MAX_KEY):
        raise _Suspect
    return found


def _read_int(text: str) -> int:
    number = int(text)
    if not _LEAST <= number <= _MOST:
        raise _Suspect
    return number


def _read_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Suspect
    return number


def _read_constant(_: str) -> float:
    raise _Suspect


_FAST = json.JSONDecoder(
    object_pairs_hook=_read_pairs, parse_int=_read_int, parse_float=_read_float, parse_constant=_read_constant
)


def _is_surely_clean(body: bytes, value: Json, max_depth: int, max_nodes: int) -> bool:
    """Judge by counting bytes alone wherever that can be done; in doubt the exact look decides."""
    opened = body.count(b"{") + body.count(b"[")
    return (
        opened + body.count(b",") < max_nodes
        and not (b"\\u" in body and _may_hide_half_a_character(body))
        and (opened <= max_depth or not _is_deeper(value, max_depth))
    )


def _may_hide_half_a_character(body: bytes) -> bool:
    return b"\\u0000" in body or b"\\ud" in body or b"\\uD" in body


def _is_deeper(value: Json, max_depth: int) -> bool:
    level = [value]
    for _ in range(max_depth):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


# What a platform wrote, which nobody can ask to write it otherwise.

MAX_FOREIGN_NODES: Final = 50_000
"""One webhook of Meta's may bring a thousand events (Messenger, webhooks)."""
_MOST_FOREIGN = 2**64 - 1
"""Viber's and Meta's numbers are unsigned."""
_UNKEPT = re.compile(r"[\0\ud800-\udfff]")


def read_foreign(body: bytes, *, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_FOREIGN_NODES) -> Json:
    """Read one JSON text of a messenger's platform.

    What is no JSON, names a thing twice or holds too much is refused with
    InvalidInput. A number, a character or a depth that is not taken from
    anybody is left out and the rest is read: people who write to a bot decide
    on such parts, and must not decide on whether the bot is heard.
    """
    text = decode_utf8(body)
    try:
        value = _FOREIGN.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(_say_syntax(error)) from None
    except (_Suspect, ValueError, RecursionError):
        raise InvalidInput(Fault("$", "not_strict", "is JSON that can be read in two ways")) from None
    nodes = iter(range(max_nodes))
    if not _is_surely_clean(body, value, max_depth, max_nodes):
        value = _mend(value, max_depth, nodes)
    return value


def _read_foreign_int(text: str) -> int | None:
    number = int(text) if len(text) <= len(str(_LEAST)) else _MOST_FOREIGN + 1
    return number if _LEAST <= number <= _MOST_FOREIGN else None


def _read_foreign_float(text: str) -> float | None:
    number = float(text)
    return None if math.isinf(number) else number


_FOREIGN = json.JSONDecoder(
    object_pairs_hook=_read_pairs,
    parse_int=_read_foreign_int,
    parse_float=_read_foreign_float,
    parse_constant=_read_constant,
)


def _mend(value: Json, depth: int, nodes: Iterator[int]) -> Json:
    """The value without what cannot be kept; `depth` levels may be opened in it."""
    if next(nodes, None) is None:
        raise InvalidInput(Fault("$", "too_many_values", "more values than are read in one body"))
    match value:
        case str():
            return _UNKEPT.sub("", value)
        case dict() | list() if depth == 0:
            return None
        case dict():
            return {_UNKEPT.sub("", key): _mend(one, depth - 1, nodes) for key, one in value.items()}
        case list():
            return [_mend(one, depth - 1, nodes) for one in value]
        case _:
            return value


# The exact look: every object keeps its pairs, every number its digits.


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, repeated keys and all."""


class _Literal(str):
    """A number, or one of the words that JSON has no numbers for."""

    __slots__ = ()


_EXACT = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_Literal, parse_float=_Literal, parse_constant=_Literal
)


def _list_faults(text: str, max_depth: int, max_nodes: int, *, takes_last: bool = False) -> tuple[Fault, ...]:
    """The faults of a text in their order, at most MAX_FAULTS."""
    deep = _find_too_deep(text, max_depth)
    if deep is not None:
        return (deep,)
    try:
        tree = _EXACT.decode(text)
    except json.JSONDecodeError as error:
        return (_say_syntax(error),)
    faults: list[Fault] = []
    found = _walk("$", tree, iter(range(max_nodes)))
    counted = (fault for fault in found if not (takes_last and fault.code == "duplicate_key"))
    for fault in islice(counted, MAX_FAULTS):
        faults.append(fault)
        if fault.code == "too_many_values":
            break
    return tuple(faults)


def _find_too_deep(text: str, max_depth: int) -> Fault | None:
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        token = found.group()
        if token in ("{", "["):
            depth += 1
            if depth > max_depth:
                message = f"nested deeper than {max_depth}"
                return Fault("$", "too_deep", message, *_place(text, found.start()))
        elif token in ("}", "]"):
            depth -= 1
    return None


def _walk(path: str, value: Json, nodes: Iterator[int]) -> Iterator[Fault]:
    """Faults of one value and of what is in it. `nodes` runs out with the nodes that are allowed."""
    if next(nodes, None) is None:
        yield Fault(path, "too_many_values", "more values than are read in one body")
        return
    match value:
        case _Pairs():
            yield from _walk_pairs(path, value, nodes)
        case list():
            for index, item in enumerate(value):
                yield from _walk(f"{path}[{index}]", item, nodes)
        case _Literal():
            yield from _judge_number(path, value)
        case str():
            yield from _judge_text(path, value)
        case _:
            pass


def _walk_pairs(path: str, pairs: _Pairs, nodes: Iterator[int]) -> Iterator[Fault]:
    seen: set[str] = set()
    for key, item in pairs:
        place = join_path(path, key)
        if key in seen:
            yield Fault(place, "duplicate_key", "this key stands twice in one object")
        if len(key) > MAX_KEY:
            yield Fault(place, "key_too_long", f"a key has at most {MAX_KEY} characters")
        seen.add(key)
        yield from _judge_text(place, key)
        yield from _walk(place, item, nodes)


def join_path(path: str, key: str) -> str:
    """The JSON path of a key; long and unusual keys are shortened and quoted."""
    if _PLAIN_KEY.fullmatch(key) and len(key) <= MAX_KEY:
        return f"{path}.{key}"
    return f"{path}[{json.dumps(key if len(key) <= MAX_KEY else key[:MAX_KEY] + '…')}]"


def _judge_number(path: str, literal: str) -> Iterator[Fault]:
    if literal in ("NaN", "Infinity", "-Infinity"):
        yield Fault(path, "not_a_number", f"{literal} is no JSON number")
    elif not literal.lstrip("-").isdigit():
        if math.isinf(float(literal)):
            yield Fault(path, "number_too_large", f"{_shorten(literal)} is beyond what a number holds")
    elif len(literal) > len(str(_LEAST)) or not _LEAST <= int(literal) <= _MOST:
        yield Fault(path, "integer_too_large", f"{_shorten(literal)} is beyond 64 bits")


def _shorten(literal: str) -> str:
    return literal if len(literal) <= 24 else literal[:24] + "…"


def _judge_text(path: str, text: str) -> Iterator[Fault]:
    if "\0" in text:
        yield Fault(path, "nul", "holds the character U+0000")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        yield Fault(path, "lone_surrogate", f"holds half a character, U+{code:04X}")


def _say_syntax(error: json.JSONDecodeError) -> Fault:
    return Fault("$", "not_json", f"not JSON: {error.msg}", error.lineno, error.colno)


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
