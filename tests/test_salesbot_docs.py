"""docs/salesbot.md tells the truth: each of its examples is loaded, played and compared."""

from __future__ import annotations

import re

import pytest

from knopka.domain.bot.actions import ACTIONS
from knopka.domain.bot.cases import play_case
from knopka.domain.bot.handlers import HANDLERS, PRESETS
from knopka.domain.bot.limits import LIMITS
from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.scope import OF_STORE, VARIABLES
from knopka.domain.errors import ScriptError
from tests.salesbot_docs import PAGE, Example, read_examples

EXAMPLES = read_examples()
PLAYED = [example for example in EXAMPLES if example.cases]
LOADED = [example for example in EXAMPLES if example.told]


def test_every_block_of_the_page_is_an_example() -> None:
    assert PAGE.read_text(encoding="utf-8").count("```json\n") == len(PLAYED) + len(LOADED) > 40


@pytest.mark.parametrize("example", PLAYED, ids=lambda example: example.name)
def test_an_example_plays_as_the_page_tells(example: Example) -> None:
    script = parse_script(example.script)
    for case in example.cases:
        outcome = play_case(script, case)
        told = [(difference.expected, difference.actual) for difference in outcome.differences]
        assert (case.name, outcome.stuck, told) == (case.name, None, [])


@pytest.mark.parametrize("example", LOADED, ids=lambda example: example.name)
def test_what_is_wrong_with_an_example_is_what_the_page_tells(example: Example) -> None:
    try:
        told = [warning.code for warning in parse_script(example.script).warnings]
    except ScriptError as error:
        told = [fault.code for fault in error.faults]
    assert tuple(told) == example.told


def test_every_handler_action_and_preset_is_in_an_example() -> None:
    scripts = b"\n".join(example.script for example in EXAMPLES).decode()
    assert set(HANDLERS) <= set(re.findall(r'"handler": ?"(\w+)"', scripts))
    assert {*ACTIONS, *PRESETS} <= set(re.findall(r'"name": ?"([\w.]+)"', scripts))


def test_every_marker_has_its_line() -> None:
    markers = PAGE.read_text(encoding="utf-8").split("\n## Markers\n")[1].split("\n## ")[0]
    named = set(re.findall(r"\{\{(\w+)", markers))
    assert named >= OF_STORE | VARIABLES


def test_the_guards_are_those_of_the_engine() -> None:
    limits = PAGE.read_text(encoding="utf-8").split("\n## Limits\n")[1]
    most = [row.split("|")[2].strip() for row in limits.split("\n") if row.startswith("| ")]
    assert most[1:5] == [
        str(LIMITS.steps), str(LIMITS.visits), str(LIMITS.messages), f"{LIMITS.age.days} days",
    ]  # fmt: skip
