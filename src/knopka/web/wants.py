"""What our own API takes: exact types, no unknown names, every fault at once (S-IN-02)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from knopka.domain.errors import Fault, InvalidInput, NotFound

KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
MAX_ID = 2**53 - 1
"""What a browser can count to."""
MAX_PAGE = 100


def take(
    body: Mapping[str, Any], needed: Mapping[str, type], optional: Mapping[str, type] | None = None
) -> dict[str, Any]:
    """The members of a body, each of exactly its type, or InvalidInput with every fault.

    `key` is checked to be an idempotency key. An optional member may be left out, not be null.
    """
    known = {**needed, **(optional or {})}
    faults = [
        Fault(f"$.{name}", "unknown_field", "This field is not known here.")
        for name in body
        if name not in known
    ]
    for name, kind in known.items():
        if name not in body:
            if name in needed:
                faults.append(Fault(f"$.{name}", "missing", "This field is needed."))
        elif type(body[name]) is not kind:
            faults.append(Fault(f"$.{name}", "wrong_type", f"This must be {_WORDS[kind]}."))
        elif name == "key" and KEY.fullmatch(body[name]) is None:
            faults.append(Fault("$.key", "bad_key", "A key has 8 to 64 letters, digits, - and _."))
        elif kind is int and not 0 <= body[name] <= MAX_ID:
            faults.append(Fault(f"$.{name}", "out_of_range", f"This must be from 0 to {MAX_ID}."))
    if faults:
        raise InvalidInput(*faults)
    return dict(body)


_WORDS = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def read_id(text: str) -> int:
    """An id in a path; what is none is nobody's."""
    number = int(text) if re.fullmatch(r"[1-9][0-9]{0,15}", text) else 0
    if not 0 < number <= MAX_ID:
        raise NotFound("There is nothing at this address.")
    return number


def read_number(query: Mapping[str, str], name: str, *, least: int = 0, most: int = MAX_ID) -> int | None:
    """A whole number of the query, or None when it is not given."""
    text = query.get(name)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,16}", text) is None or not least <= int(text) <= most:
        raise InvalidInput(Fault(name, "bad_number", f"This must be a whole number from {least} to {most}."))
    return int(text)


def read_limit(query: Mapping[str, str], default: int = 50) -> int:
    return read_number(query, "limit", least=1, most=MAX_PAGE) or default


def read_choice(query: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """One of the allowed words; the first is taken when none is given."""
    word = query.get(name, allowed[0])
    if word not in allowed:
        raise InvalidInput(Fault(name, "bad_choice", f"This must be one of: {', '.join(allowed)}."))
    return word
