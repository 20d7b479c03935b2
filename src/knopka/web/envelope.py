"""What the bodies of a page and of the chat have in common: keys, the visit, the page they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping

from knopka.domain.errors import Fault, InvalidInput
from knopka.domain.strict_json import MAX_FAULTS, Json
from knopka.domain.text import clean_message, clean_text
from knopka.domain.visitor import Page

VISIT = re.compile(r"[A-Za-z0-9_-]{22,64}")
KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
MAX_ADDRESS = 2_048
MAX_TITLE = 255
MAX_NUMBER = 2**53 - 1
"""What a browser can count to."""


class Envelope:
    """Reads the members of one body and collects every fault; `check` raises them all."""

    def __init__(self, body: Json) -> None:
        if not isinstance(body, dict):
            raise InvalidInput(Fault("$", "not_an_object", "The body must be an object."))
        self.body: Mapping[str, Json] = body
        self.faults: list[Fault] = []

    def check(self) -> None:
        if self.faults:
            raise InvalidInput(*self.faults[:MAX_FAULTS])

    def blame(self, place: str, code: str, message: str) -> None:
        self.faults.append(Fault(place, code, message))

    def visit(self) -> str:
        return self.match(self.body.get("visit"), VISIT, "$.visit", "22 to 64 letters, digits, - and _")

    def visit_or_none(self) -> str | None:
        return None if self.body.get("visit") is None else self.visit()

    def key(self) -> str:
        return self.match_key(self.body.get("key"), "$.key")

    def match_key(self, value: Json, place: str) -> str:
        return self.match(value, KEY, place, "8 to 64 letters, digits, - and _")

    def match(self, value: Json, shape: re.Pattern[str], place: str, wanted: str) -> str:
        """A text of this shape. Anything else is a fault: nothing else is ever compared with a secret."""
        if isinstance(value, str) and shape.fullmatch(value):
            return value
        self.blame(place, "missing" if value is None else "bad_id", f"This must be a text of {wanted}.")
        return ""

    def items(self, name: str, most: int) -> list[Json]:
        value = self.body.get(name)
        if isinstance(value, list) and 1 <= len(value) <= most:
            return value
        self.blame(f"$.{name}", "bad_list", f"This must be a list of 1 to {most}.")
        return []

    def text(self, name: str, most: int) -> str:
        """A cleaned text of which something can be seen."""
        value = self.body.get(name)
        text = clean_message(value) if isinstance(value, str) and len(value) <= most * 4 else None
        if text is None or not 1 <= len(text) <= most:
            self.blame(f"$.{name}", "bad_text", f"This must be a text of 1 to {most} characters.")
            return ""
        return text

    def number(self, name: str) -> int:
        value = self.body.get(name)
        if type(value) is int and 0 <= value <= MAX_NUMBER:
            return value
        self.blame(f"$.{name}", "bad_number", f"This must be a whole number from 0 to {MAX_NUMBER}.")
        return 0

    def page(self) -> Page:
        """Where the page says it is; that is only ever shown, so what is too long is cut."""
        page = self.body.get("page")
        if page is None:
            return Page()
        if not isinstance(page, dict):
            self.blame("$.page", "not_an_object", "A page is an object with url, title and referrer.")
            return Page()
        parts = (("url", MAX_ADDRESS), ("title", MAX_TITLE), ("referrer", MAX_ADDRESS))
        return Page(*(self._clip(page.get(name), f"$.page.{name}", most) for name, most in parts))

    def _clip(self, value: Json, place: str, most: int) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            self.blame(place, "not_a_text", "This must be a text.")
            return ""
        return clean_text(value[: most * 2])[:most]
