"""bot_params: how much fits, and how the calls of one visit are merged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from knopka.domain.verdicts import Reason

MAX_BOT_BYTES = 8 * 1024
MAX_BOT_DEPTH = 8
MAX_BOT_KEYS = 200


class BotParamsRoom:
    """What is still free in one visit's bot_params; whatever does not fit leaves it as it was."""

    def __init__(self) -> None:
        self._bytes = MAX_BOT_BYTES - 1  # n keys have two braces and n - 1 commas around them: n + 1
        self._keys = MAX_BOT_KEYS

    def take(self, key: str, value: Any) -> Reason | None:
        """Take the room of one top-level key, or say why there is none."""
        depth, keys = _measure(value)
        if depth + 1 > MAX_BOT_DEPTH:
            return Reason("bot_params_depth", {"limit": str(MAX_BOT_DEPTH)})
        if keys + 1 > self._keys:
            return Reason("bot_params_keys", {"limit": str(MAX_BOT_KEYS)})
        text = json.dumps({key: value}, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode("utf-8", "replace")) - 1  # a comma in the place of its two braces
        if size > self._bytes:
            return Reason("bot_params_bytes", {"limit": str(MAX_BOT_BYTES)})
        self._bytes -= size
        self._keys -= keys + 1
        return None


def merge_bot_params(
    kept: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[dict[str, Any], Mapping[str, Reason]]:
    """Merge by top-level key, the last call wins; keys of the new call that no longer fit, and why."""
    merged = {key: value for key, value in kept.items() if key not in new}
    room = BotParamsRoom()
    for key, value in merged.items():
        room.take(key, value)
    refused: dict[str, Reason] = {}
    for key, value in new.items():
        if fault := room.take(key, value):
            refused[key] = fault
            if key in kept:
                merged[key] = kept[key]
        else:
            merged[key] = value
    return merged, refused


def _measure(value: Any) -> tuple[int, int]:
    """Depth of a JSON value (a plain one has 0) and the number of its keys; stops below the limit."""
    depth = keys = 0
    level = [value]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        depth += 1
        if depth > MAX_BOT_DEPTH:
            break
        keys += sum(len(item) for item in level if isinstance(item, dict))
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth, keys
