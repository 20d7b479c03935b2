"""What became of each path of a setMeta call: the closed set of verdicts and their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """The one end of a path (docs/button.md). WAITING alone is later replaced."""

    FILLED = "filled"
    NOTED = "noted"
    PASSED_TO_BOT = "passed_to_bot"
    WAITING = "waiting_for_lead"
    NOT_EMPTY = "refused_not_empty"
    WINDOW_CLOSED = "refused_window_closed"
    UNKNOWN_FIELD = "refused_unknown_field"
    WRONG_ENTITY = "refused_wrong_entity"
    BAD_VALUE = "refused_bad_value"
    NOT_WRITABLE = "refused_not_writable"
    DECLINED = "refused_declined"
    LIMIT = "refused_limit"
    EMPTY = "ignored_empty"
    UNKNOWN_KEY = "ignored_unknown_key"
    REPEATED = "repeated"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a code and its values; `domain.wording` says it in words."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """A path of one call, such as `contact.custom_fields[0]`, with its verdict."""

    path: str
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
