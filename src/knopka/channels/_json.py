"""Reading JSON from outside, of which any part may be missing or of another type."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from knopka.domain.errors import InvalidInput, UnreadableUpdate
from knopka.domain.strict_json import read_foreign

_MOST_ID = 2**64 - 1
_EPOCH = datetime.fromtimestamp(0, UTC)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a webhook's body is. Raises UnreadableUpdate."""
    try:
        found = read_foreign(body)
    except InvalidInput:
        raise UnreadableUpdate("The body is not JSON as it is read here.") from None
    if not isinstance(found, dict):
        raise UnreadableUpdate("The body is not a JSON object.")
    return found


def read_answer(text: bytes | str) -> Any:
    """The JSON that this is; None when it is none."""
    try:
        return read_foreign(text.encode() if isinstance(text, str) else text)
    except InvalidInput:
        return None


def get(node: Any, *path: str) -> Any:
    """What stands at the end of the path; None where something on it is missing."""
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def get_text(node: Any, *path: str) -> str:
    """The text there, an id also where it is written as a number; else an empty one."""
    found = get(node, *path)
    if isinstance(found, str):
        return found
    return str(found) if type(found) is int and abs(found) <= _MOST_ID else ""


def get_dict(node: Any, *path: str) -> dict[str, Any]:
    found = get(node, *path)
    return found if isinstance(found, dict) else {}


def get_dicts(node: Any, *path: str) -> list[dict[str, Any]]:
    """The objects of the list there."""
    found = get(node, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def get_texts(node: Any, *path: str) -> tuple[str, ...]:
    """The texts of the list there."""
    found = get(node, *path)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def get_number(node: Any, *path: str) -> float | None:
    found = get(node, *path)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def get_degrees(node: Any, *path: str) -> float | None:
    """The latitude or longitude there."""
    number = get_number(node, *path)
    return float(number) if number is not None and -180 <= number <= 180 else None


def get_count(node: Any, *path: str) -> int | None:
    """The whole number there, unless it is negative."""
    found = get(node, *path)
    return (
        found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _MOST_ID else None
    )


def get_moment(node: Any, *path: str) -> datetime | None:
    """The time there, which is in milliseconds since 1970."""
    number = get_number(node, *path)
    if number is None:
        return None
    try:
        return datetime.fromtimestamp(number / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def get_moment_or_epoch(node: Any, *path: str) -> datetime:
    return get_moment(node, *path) or _EPOCH


def hash_node(node: Any) -> str:
    """A name for something that has none: the same for what is the same, in whatever order it is written."""
    return hashlib.sha256(msgspec.json.encode(node, order="sorted")).hexdigest()
