"""From a path of a setMeta call back to the value that the call gave for it."""

from __future__ import annotations

import json
import re
from typing import Any

_PART = re.compile(r"""\.?([^.\[\]"]+)|\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*")\]""")
_BOT = "bot_params."


def find_value(params: Any, path: str) -> Any:
    """What stands at the path, as it was sent; None where the path names nothing or several things."""
    if path.startswith(_BOT):
        return _step(_step(params, "bot_params"), path.removeprefix(_BOT))
    if path == "note":
        return _step(_step(params, "note"), "text")
    if path == "lead.sale":
        lead = _step(params, "lead")
        return _step(lead, "sale" if isinstance(lead, dict) and "sale" in lead else "price")
    value, end = params, 0
    while part := _PART.match(path, end):
        name, index, quoted = part.groups()
        value = _step(value, name or index or json.loads(quoted))
        end = part.end()
    return value if end == len(path) else None


def _step(value: Any, name: str) -> Any:
    """One step down. The form encoding gives an array as an object with numbers for keys."""
    match value:
        case dict():
            return value.get(name)
        case list() if name.isdecimal() and int(name) < len(value):
            return value[int(name)]
        case _:
            return None
