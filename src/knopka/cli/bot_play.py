"""`knopka bot test`, `play` and `replay`: a script tried out without touching anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any, BinaryIO, TypeVar

import click
from rich.console import Console
from rich.text import Text

from knopka.cli.output import json_option, plain, print_json
from knopka.domain.bot.cases import MAX_CASES_BYTES, Case, Difference, Outcome, parse_cases, play_case
from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.rehearsal import Line, Rehearsal, Who, steps_of
from knopka.domain.bot.script import MAX_SCRIPT_BYTES, Script
from knopka.domain.errors import Fault, InvalidInput

T = TypeVar("T")

SCRIPT = click.argument("file", type=click.File("rb"), metavar="SCRIPT")
WHO = {
    Who.VISITOR: ("Visitor", "cyan"),
    Who.BOT: ("Bot", "bold"),
    Who.OPERATORS: ("For operators", "yellow"),
    Who.ELSEWHERE: ("In another chat", "magenta"),
}


def read_file(file: BinaryIO, read: Callable[[bytes], T], most: int) -> T:
    """What stands in the file. InvalidInput names it before each path."""
    try:
        return read(file.read(most + 1))
    except InvalidInput as error:
        raise InvalidInput(*(_name_file(file, fault) for fault in error.faults)) from None


def _name_file(file: BinaryIO, fault: Fault) -> Fault:
    return replace(fault, path=f"{file.name} {fault.path}")


def read_script(file: BinaryIO) -> Script:
    return read_file(file, parse_script, MAX_SCRIPT_BYTES)


def out() -> Console:
    """Colours in a terminal alone; no line is cut or folded."""
    return Console(soft_wrap=True, highlight=False)


# --- test


@dataclass(frozen=True, slots=True)
class Tested:
    file: str
    outcome: Outcome


@click.command()
@SCRIPT
@click.argument("files", type=click.File("rb"), metavar="CASES...", nargs=-1)
@click.option("--talk", "with_talk", is_flag=True, help="Show what was said in each case.")
@json_option
def test(file: BinaryIO, files: tuple[BinaryIO, ...], with_talk: bool, as_json: bool) -> None:
    """Play the cases in the files CASES on the script, and show what is not as it was expected.

    Nothing is kept and no store is needed. Exits with 1 when a case fails.
    """
    if not files:
        raise click.UsageError("Missing CASES: name at least one file with cases (docs/bot-cases.md).")
    script = read_script(file)
    tested = [Tested(name, play_case(script, case)) for name, case in _read_all(files)]
    failed = sum(not one.outcome.passed for one in tested)
    if as_json:
        told = [_describe_tested(one) for one in tested]
        print_json({"ok": not failed, "passed": len(tested) - failed, "failed": failed, "cases": told})
    else:
        _print_tested(tested, with_talk=with_talk)
    if failed:
        raise click.exceptions.Exit(1)


def _read_all(files: tuple[BinaryIO, ...]) -> list[tuple[str, Case]]:
    """Every case with the name of its file; the faults of all files together."""
    cases: list[tuple[str, Case]] = []
    faults: list[Fault] = []
    for file in files:
        try:
            cases += [(file.name, case) for case in read_file(file, parse_cases, MAX_CASES_BYTES)]
        except InvalidInput as error:
            faults += error.faults
    if faults:
        raise InvalidInput(*faults)
    return cases


def _print_tested(tested: list[Tested], *, with_talk: bool) -> None:
    console = out()
    for number, one in enumerate(tested):
        if number == 0 or tested[number - 1].file != one.file:
            console.print(Text(plain(one.file)))
        _print_outcome(console, one.outcome, with_talk=with_talk)
    failed = sum(not one.outcome.passed for one in tested)
    console.print(Text(f"{len(tested) - failed} passed, {failed} failed."))


def _print_outcome(console: Console, outcome: Outcome, *, with_talk: bool) -> None:
    case = outcome.case
    mark = ("  ok    ", "green") if outcome.passed else ("  FAIL  ", "bold red")
    place = "" if outcome.passed else f" (line {case.at.line})"
    console.print(Text.assemble(mark, plain(case.name), place))
    if outcome.stuck is not None:
        stuck = outcome.stuck
        console.print(Text(plain(f"        Stopped at line {stuck.line}, {stuck.path}: {stuck.message}")))
    for difference in outcome.differences:
        for text in _say_difference(difference):
            console.print(Text("        ").append(text))
    if with_talk:
        for line in outcome.played.transcript:
            console.print(Text("        ").append(say_line(line)))


def _say_difference(difference: Difference) -> Iterator[Text]:
    expected = difference.expected
    yield Text(plain(f"{'.'.join(expected.what)} (line {expected.at.line}): - expected, + what came"))
    yield from say_diff(expected.lines, difference.actual)


def say_diff(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Text]:
    """Both, line by line: what stands in the first alone with a minus, in the second alone with a plus."""
    for kind, first, last, begin, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from (Text(plain(f"    {line}")) for line in before[first:last])
        else:
            yield from (Text(plain(f"  - {line}"), style="red") for line in before[first:last])
            yield from (Text(plain(f"  + {line}"), style="green") for line in after[begin:end])


def say_line(line: Line) -> Text:
    """One thing that was said, with its buttons."""
    who, style = WHO[line.who]
    buttons = "".join(f" [{button.text}]" for button in line.buttons)
    asked = "".join(f" [{name}]" for name in line.quick_replies)
    return Text.assemble((f"{who}: ", style), plain(f"{line.text}{buttons}{asked}"))


# --- For machines


def _describe_tested(one: Tested) -> dict[str, Any]:
    outcome, case = one.outcome, one.outcome.case
    stuck = outcome.stuck
    return {
        "file": one.file,
        "name": case.name,
        "line": case.at.line,
        "ok": outcome.passed,
        "stuck": None if stuck is None else _describe_fault(stuck),
        "differences": [
            {
                "what": ".".join(difference.expected.what),
                "line": difference.expected.at.line,
                "expected": list(difference.expected.lines),
                "actual": list(difference.actual),
            }
            for difference in outcome.differences
        ],
        **describe_play(outcome.played),
    }


def _describe_fault(fault: Fault) -> dict[str, Any]:
    return {
        "path": fault.path,
        "code": fault.code,
        "message": fault.message,
        "line": fault.line,
        "column": fault.column,
    }


def describe_play(played: Rehearsal) -> dict[str, Any]:
    """What was said, the way through the script, and how it stands."""
    return {
        "talk": [describe_line(line) for line in played.transcript],
        "steps": steps_of(played.traces),
        "waits": None if played.waiting is None else played.waiting.kind.value,
        "ended": None if played.ended is None else played.ended.value,
    }


def describe_line(line: Line) -> dict[str, Any]:
    return {
        "who": line.who.value,
        "text": line.text,
        "buttons": [button.text for button in line.buttons],
        "quick_replies": list(line.quick_replies),
    }
