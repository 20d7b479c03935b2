"""What a command prints for people: outside text moves no terminal, and JSON stays as it is."""

from __future__ import annotations

import json

import pytest

from knopka.cli.output import print_json, print_line, print_table

HOSTILE = "[red]\x1b[2J\x1b]0;gone\x07[/red]\u202e\r"
SHOWN = "[red]\\x1b[2J\\x1b]0;gone\\x07[/red]\\u202e\\r"


def test_S_OUT_09_a_table_shows_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("Name",), [(HOSTILE,), ("a\nb\tc",), ("Имя\u00a0😀\u200d",)], empty="")
    rows = [line.rstrip(" ") for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [SHOWN, "a\\nb\\tc", "Имя\u00a0😀\u200d"]


def test_S_OUT_09_so_does_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(f"Added {HOSTILE}.")
    assert capsys.readouterr().out == f"Added {SHOWN}.\n"


def test_json_says_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(HOSTILE + "\x9b2J")
    shown = capsys.readouterr().out
    assert json.loads(shown) == HOSTILE + "\x9b2J"
    assert shown.removesuffix("\n").isprintable()
