"""A script tried out from the command line: its cases, a talk in the terminal, a recorded talk once more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

PAGE = Path(__file__).parents[2] / "docs" / "bot-cases.md"
Put = Callable[[str, str | bytes], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """A file of the author's."""

    def write(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def example(kind: str) -> str:
    (found,) = re.findall(
        rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return str(found)


# --- test


def test_the_example_of_the_page_passes_without_any_store(bare: Shell, put: Put) -> None:
    script, cases = put("tea.json", example("json")), put("tea.yaml", example("yaml"))
    tested = bare("bot", "test", script, cases)
    assert (tested.code, tested.err) == (0, "")
    assert f"{cases}\n  ok    A visitor chooses a tea and leaves a number\n" in tested.out
    assert tested.out.endswith("3 passed, 0 failed.\n")
    told = bare("bot", "test", script, cases, "--json").json
    assert (told["ok"], told["passed"], [case["ok"] for case in told["cases"]]) == (True, 3, [True] * 3)
    assert told["cases"][0]["talk"][0] == {
        "who": "bot",
        "text": "Hello, Ivan! Which tea?",
        "buttons": ["Green", "Black"],
        "quick_replies": [],
    }
    assert not bare.store.exists()


def test_a_case_that_fails_is_shown_line_by_line_and_exits_with_1(bare: Shell, put: Put) -> None:
    script = put("tea.json", example("json"))
    cases = put("tea.yaml", example("yaml").replace("- Thank you!", "- Thanks!"))
    tested = bare("bot", "test", script, put("good.yaml", example("yaml")), cases)
    assert tested.code == 1
    shown = (
        "  FAIL  A visitor chooses a tea and leaves a number (line 6)\n"
        "        bot (line 12): - expected, + what came\n"
        "            Hello, Ivan! Which tea?\n"
        "            Which number may we call?\n"
        "          - Thanks!\n"
        "          + Thank you!\n"
    )
    assert shown in tested.out
    assert tested.out.endswith("5 passed, 1 failed.\n")
    told = bare("bot", "test", script, cases, "--json")
    assert told.code == 1
    (failed,) = [case for case in json.loads(told.out)["cases"] if not case["ok"]]
    assert failed["file"] == str(cases)
    assert failed["differences"] == [
        {
            "what": "bot",
            "line": 12,
            "expected": ["Hello, Ivan! Which tea?", "Which number may we call?", "Thanks!"],
            "actual": ["Hello, Ivan! Which tea?", "Which number may we call?", "Thank you!"],
        }
    ]


def test_a_case_that_cannot_go_on_says_where_it_stopped(bare: Shell, put: Put) -> None:
    script = put("tea.json", example("json"))
    cases = put("tea.yaml", example("yaml").replace("press: Green", "press: Blue"))
    tested = bare("bot", "test", script, cases)
    assert tested.code == 1
    assert "Stopped at line 8, $.cases[0].say[0]: there is no button 'Blue': Green, Black" in tested.out
    assert json.loads(bare("bot", "test", script, cases, "--json").out)["cases"][0]["stuck"]["line"] == 8


def test_the_talk_of_each_case_is_shown_if_wanted(bare: Shell, put: Put) -> None:
    tested = bare("bot", "test", put("s.json", example("json")), put("c.yaml", example("yaml")), "--talk")
    assert "        Bot: Hello, Ivan! Which tea? [Green] [Black]\n        Visitor: Green\n" in tested.out


def test_what_a_case_holds_obeys_no_terminal(bare: Shell, put: Put) -> None:
    cases = put("c.yaml", '- name: "\\e]0;x\\a"\n  say: ["\\e[31m"]\n  expect: {bot: ["\\e[2J"]}\n')
    for options in ((), ("--talk",), ("--json",)):
        tested = bare("bot", "test", put("s.json", example("json")), cases, *options)
        assert tested.code == 1
        assert "\x1b" not in tested.out


@pytest.mark.parametrize(
    ("script", "cases", "place"),
    [
        ("[", "- expect: {bot: []}", "s.json $, line 1, column 2"),
        (
            '[{"question": [{"handler": "shout"}]}]',
            "- expect: {bot: []}",
            "s.json $[0].question[0].handler, line 1",
        ),
        ("[" + " " * 65_536, "- expect: {bot: []}", "s.json $: the script has"),
        ("", "- expect: {bot: []}", "c.yaml $[0].expct, line 1, column 10: expct is not read here"),
        ("", "", "c.yaml $"),
        ("", "- &a {expect: {bot: []}}", "c.yaml $"),
        ("", "x" * 300_000, "c.yaml $: the file has"),
    ],
    ids=["broken-json", "unknown-handler", "large-script", "unknown-key", "empty", "anchor", "large-file"],
)
def test_a_file_that_cannot_be_read_is_named_with_the_place(
    bare: Shell, put: Put, script: str, cases: str, place: str
) -> None:
    if "expct" in place:
        cases = "- expct: {bot: []}"
    refused = bare("bot", "test", put("s.json", script or example("json")), put("c.yaml", cases))
    assert (refused.code, refused.out) == (2, "")
    assert place in refused.err


def test_the_faults_of_all_files_are_told_together(bare: Shell, put: Put) -> None:
    bad = [put(name, "- expct: {}") for name in ("a.yaml", "b.yaml")]
    refused = bare("bot", "test", put("s.json", example("json")), *bad)
    assert refused.code == 2
    assert "a.yaml $[0].expct" in refused.err
    assert "b.yaml $[0].expct" in refused.err


def test_cases_are_needed(bare: Shell, put: Put) -> None:
    refused = bare("bot", "test", put("s.json", example("json")))
    assert refused.code == 2
    assert "CASES" in refused.err
