"""From a path back to the value that the page gave for it."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.domain.meta import parse_meta
from knopka.domain.meta_paths import find_value

ENTRY = {"id": 1, "values": [{"value": "x"}]}
CALL: dict[str, Any] = {
    "note": {"text": "Привет", "colour": "red"},
    "contact": {"name": "Ольга", "custom_fields": {"0": ENTRY, "7": ENTRY}},
    "lead": {"price": 5, "custom_fields": [ENTRY], "strange key.with [marks]": 6},
    "bot_params": {"a.b": {"c": 1}},
    "test": True,
    'quoted "key"': 7,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("note", "Привет"),
        ("note.colour", "red"),
        ("contact.name", "Ольга"),
        ("contact.custom_fields[7]", ENTRY),
        ("lead.sale", 5),
        ("lead.custom_fields[0]", ENTRY),
        ('lead["strange key.with [marks]"]', 6),
        ("bot_params.a.b", {"c": 1}),
        ("test", True),
        ('["quoted \\"key\\""]', 7),
    ],
)
def test_a_path_leads_back_to_its_value(path: str, value: Any) -> None:
    assert find_value(CALL, path) == value


def test_every_path_of_a_call_leads_back_to_something() -> None:
    for path in parse_meta(CALL).paths:
        assert find_value(CALL, path) is not None, path


@pytest.mark.parametrize(
    "path",
    ["*", "lead.custom_fields[9]", "lead.custom_fields[250:]", "bot_params[250:]", "note.text.more", ""],
)
def test_a_path_that_names_nothing_gives_nothing(path: str) -> None:
    assert find_value({"note": {"text": "x"}} if path else None, path) is None


def test_the_sale_is_the_sale_when_both_names_are_given() -> None:
    assert find_value({"lead": {"price": 5, "sale": 6}}, "lead.sale") == 6
