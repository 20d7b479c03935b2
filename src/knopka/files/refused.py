"""Why a file from outside is not kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from knopka.domain.errors import KnopkaError

Reason = Literal["too_large", "wrong_type", "broken"]
_REASONS: Mapping[Reason, str] = {
    "too_large": "The file is too large.",
    "wrong_type": "The file is not of the kind that it was sent as.",
    "broken": "The picture cannot be read.",
}


class Refused(KnopkaError):
    """A file that is not kept; the code says why."""

    def __init__(self, code: Reason) -> None:
        super().__init__(_REASONS[code])
        self.code = code
