"""`knopka bot test`, `play` and `replay`: a script tried out without touching anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any, BinaryIO, TypeVar

import click
from rich.console import Console
from rich.text import Text

from knopka.cli import store
from knopka.cli.output import ID, json_option, plain, print_json, print_line, print_table, say_time
from knopka.domain.bot.cases import MAX_CASES_BYTES, Case, Difference, Outcome, parse_cases, play_case
from knopka.domain.bot.effects import (
    CloseTalk,
    Effect,
    Join,
    MakeCards,
    MoveLead,
    Note,
    StartBot,
    Trace,
    WriteNote,
)
from knopka.domain.bot.given import Act, Given, happen, read_given
from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.markers import as_text
from knopka.domain.bot.places import Node, Places
from knopka.domain.bot.reading import Findings, Spot
from knopka.domain.bot.rehearsal import Line, Rehearsal, Stage, Visit, Who, read_card, steps_of
from knopka.domain.bot.replay import Comparison, Recording, compare, find_reason
from knopka.domain.bot.replay import replay as play_again
from knopka.domain.bot.script import MAX_SCRIPT_BYTES, Script
from knopka.domain.bot.setup import BotRun
from knopka.domain.bot.strict_yaml import read_yaml
from knopka.domain.bot.turns import SPANS, TURNS, read_named
from knopka.domain.bot.wording import say_end, say_note
from knopka.domain.errors import Conflict, Fault, InvalidInput
from knopka.domain.meta import Entity
from knopka.services import bots
from knopka.services.bot_recordings import read_recording

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


# --- play

HELP = (
    "A plain line is what the visitor writes; a number or a label is the offered button.",
    "/press LABEL      the same as a press; /press 0 is the first button",
    f"/wait TIME        time goes by: {SPANS}",
    "/answer JSON      the called address answers",
    "/fail ERROR       the call fails",
    "/lose REASON      the last message does not arrive: window_closed, chat_gone, …",
    "/set JSON         the page gives further bot_params",
    "/end              an operator answers",
    "/say TEXT         the visitor writes a text that begins with /",
    "/back             takes the last thing back",
    "/log              what the script did since the last line, with the values that it saw",
    "/quit             ends, as the end of the input does",
)
_AS_JSON = ("answer", "set")
"""What stands behind these is read as a value."""


def given_options(command: Any) -> Any:
    """What a played script finds."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option("--time", type=click.DateTime(["%Y-%m-%dT%H:%M:%S"]), help="When it begins, in UTC."),
        click.option("--seed", type=click.IntRange(0, 2**31), help="Another number gives other chances."),
        click.option("--opening", help="What the visitor wrote that started the bot."),
        click.option("--start-payload", help="What came with the link that opened the chat."),
        click.option("--region", help="The country of phone numbers without a code, such as GB."),
        click.option("--channel", help="onsite, telegram, messenger, viber or vk."),
        click.option("--lead", metavar="JSON", help="The lead's card: '{price: 10, tags: [new]}'."),
        click.option("--contact", metavar="JSON", help="The contact's card: '{name: Ivan}'."),
        click.option("--bot-params", metavar="JSON", help="What the page gave to setMeta, as JSON or YAML."),
    )
    for option in options:
        command = option(command)
    return command


def _read_given(options: Mapping[str, Any]) -> Given:
    """What was given by options; the faults of all of them together."""
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for name, text in options.items():
        if name in ("bot_params", "contact", "lead"):
            try:
                values[name] = read_yaml(text.encode(errors="replace"), max_bytes=MAX_CASES_BYTES).value
            except InvalidInput as error:
                faults += (replace(fault, path=f"--{name.replace('_', '-')}") for fault in error.faults)
        else:
            values[name] = text
    findings = Findings(Places(json.dumps(values)))
    given = read_given(Spot(values, "$", findings.places.root, findings))
    faults += (replace(fault, line=None, column=None) for fault in findings.faults)
    if faults:
        raise InvalidInput(*faults)
    return given


@click.command()
@SCRIPT
@given_options
@json_option
def play(file: BinaryIO, time: datetime | None, as_json: bool, **options: Any) -> None:
    """Talk with the script in the terminal, or with the lines of standard input.

    Nothing is kept and no store is needed: what the script would change is shown. /help tells what
    can happen beside a visitor's words. With --json one line is printed for each thing that happens.
    """
    script = read_script(file)
    given = _read_given({name: value for name, value in options.items() if value is not None})
    begun = given.begin(script, datetime.now(UTC) if time is None else time.replace(tzinfo=UTC))
    talk = _Talk(begun, as_json=as_json, is_typed=sys.stdin.isatty())
    talk.show(_Since(given.stage, begun.now, 0))
    for line in _read_lines(talk.is_typed and not as_json):
        if line.strip() == "/quit":
            break
        talk.take(line)
    talk.close()


def _read_lines(with_prompt: bool) -> Iterator[str]:
    """Line by line, without its end; empty ones are left out."""
    while True:
        if with_prompt:
            click.echo("> ", nl=False)
        line = sys.stdin.buffer.readline().decode(errors="replace")
        if not line:
            break
        if line.strip():
            yield line.rstrip("\r\n")


@dataclass(frozen=True, slots=True)
class _Since:
    """How it stood before something happened."""

    stage: Stage
    now: datetime
    moments: int


class _Talk:
    """A talk with a script, step by step; each step can be taken back."""

    def __init__(self, begun: Rehearsal, *, as_json: bool, is_typed: bool) -> None:
        self._steps = [begun]
        self._as_json = as_json
        self.is_typed = is_typed

    @property
    def _now(self) -> Rehearsal:
        return self._steps[-1]

    def take(self, line: str) -> None:
        """One line of the author. After what cannot happen a typed talk goes on, and one from a pipe ends."""
        try:
            self._obey(line)
        except (InvalidInput, Conflict) as error:
            if not self.is_typed or self._as_json:
                raise
            print_line(f"  {error.message}")

    def _obey(self, line: str) -> None:
        match line.strip():
            case "/help" if not self._as_json:
                for text in HELP:
                    print_line(f"  {text}")
            case "/log" if not self._as_json:
                _print_log(self._now.last.traces)
            case "/back":
                if len(self._steps) == 1:
                    raise Conflict("There is nothing to take back: this is the beginning.")
                self._steps.pop()
                self.show(_stand(self._now))
            case _:
                before = self._now
                self._steps.append(_read_act(line)(before))
                self.show(_stand(before))

    def show(self, since: _Since) -> None:
        """What has happened since then, and what the bot waits for."""
        if self._as_json:
            print_json(_describe_step(since, self._now))
            return
        console = out()
        for text in _say_step(since, self._now, with_visitor=not self.is_typed):
            console.print(text)

    def close(self) -> None:
        if not self._as_json:
            print_line(f"The way was: {', '.join(steps_of(self._now.traces)) or 'none'}")


def _stand(played: Rehearsal) -> _Since:
    return _Since(played.stage, played.now, len(played.moments))


def _read_act(line: str) -> Act:
    """What a line of the author lets happen. Raises InvalidInput."""
    name, _, rest = line.strip().removeprefix("/").partition(" ")
    if not line.strip().startswith("/"):
        name, rest = "say", line
    if name not in TURNS:
        known = ", ".join(f"/{turn}" for turn in TURNS)
        raise InvalidInput(
            Fault(f"/{name}", "unknown_command", f"these are known: {known}, /back, /log, /quit")
        )
    spot = _read_value(name, rest.strip())
    act = read_named(name, spot)
    if spot.findings.faults or act is None:
        raise InvalidInput(*(Fault(f"/{name}", fault.code, fault.message) for fault in spot.findings.faults))
    return lambda played: happen(played, act, f"/{name}")


def _read_value(name: str, text: str) -> Spot:
    if name in _AS_JSON:
        return read_yaml(text.encode(errors="replace"), max_bytes=MAX_CASES_BYTES)
    value: Any = text
    if name == "press" and text.isascii() and text.isdecimal() and len(text) < 6:
        value = int(text)
    if name == "end" and not text:
        value = None
    return Spot(value, "$", Node(0), Findings(Places("", Node(0))))


# --- What has happened, in words


def _say_step(since: _Since, now: Rehearsal, *, with_visitor: bool) -> Iterator[Text]:
    moments = now.moments[since.moments :]
    if now.now != since.now:
        yield Text(f"  [{say_time(int(now.now.timestamp()))}]", style="dim")
    for line in (line for moment in moments for line in moment.lines):
        if with_visitor or line.who is not Who.VISITOR:
            yield say_line(line)
    before, after = _flatten(since.stage), _flatten(now.stage)
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield Text(plain(f"  * {name}: {after.get(name) or 'empty'}"), style="dim")
    for text in (text for moment in moments for change in moment.changes if (text := _say_change(change))):
        yield Text(plain(f"  * {text}"), style="dim")
    yield Text(plain(f"  {_say_state(now)}"), style="dim")


def _flatten(stage: Stage) -> dict[str, str]:
    """The values of both cards by the names of their markers."""
    values: dict[str, Any] = {}
    for name, entity, card in (("contact", Entity.CONTACT, stage.contact), ("lead", Entity.LEAD, stage.lead)):
        shown = read_card(card, entity)
        fields = {f"cf.{part}": value for part, value in shown.pop("cf").items()}
        for part in ("responsible", "phone", "email"):  # they stand there once more
            shown.pop(part, None)
        values |= {f"{name}.{part}": value for part, value in (shown | fields).items()}
    values["lead.decision"] = stage.lead.decision
    return {name: as_text(value) for name, value in values.items()}


def _say_change(change: Effect) -> str:
    """What is done beside the values of cards; nothing for these."""
    match change:
        case WriteNote(entity=entity, text=text):
            return f"a note on the {'lead' if entity is Entity.LEAD else 'contact'}: {text}"
        case MakeCards():
            return "a new lead with a contact is made"
        case Join():
            return "a lead and a contact are linked"
        case CloseTalk():
            return "the conversation is closed"
        case StartBot(bot):
            return f"bot {bot} is started"
        case MoveLead(status_id, True):
            return f"the other contact's lead goes to stage {status_id}"
        case _:
            return ""


def _say_state(now: Rehearsal) -> str:
    if now.ended is not None:
        return say_end(now.ended.value, "en")
    if now.call is not None:
        call = now.call
        return f"The bot calls {call.method} {call.url}: give /answer JSON or /fail ERROR."
    waiting = now.waiting
    if waiting is None:
        return "The bot waits for nothing."
    until = "" if waiting.until is None else f", until {say_time(int(waiting.until.timestamp()))}"
    return f"The bot waits ({waiting.kind.value}{until})."


def _say_trace(trace: Trace) -> str:
    if trace.note is Note.ENDED:
        return say_end(trace.detail, "en")
    return say_note(trace.note, "en") + (f" ({trace.detail})" if trace.detail else "")


def _print_log(traces: Sequence[Trace]) -> None:
    rows = [
        (
            f"{trace.block} {trace.step}",
            "" if trace.at is None else f"line {trace.at.line}",
            trace.handler,
            _say_trace(trace),
            ", ".join(f"{name}={value}" for name, value in trace.seen.items()),
        )
        for trace in traces
    ]
    print_table(("Step", "Where", "Handler", "What", "It saw"), rows, empty="The script did nothing.")


# --- replay


@click.command()
@click.argument("run_id", type=ID, metavar="RUN")
@click.argument("file", type=click.File("rb"), metavar="[SCRIPT]", required=False)
@click.option("--version", type=ID, help="A version of the run's bot; the published one if left out.")
@json_option
def replay(run_id: int, file: BinaryIO | None, version: int | None, as_json: bool) -> None:
    """Play a recorded run once more, on SCRIPT or on a version of its bot, and compare the ways.

    Nothing is kept, sent or called: addresses answer as they did. Exits with 1 when the script
    goes another way or ends otherwise.
    """
    if file is not None and version is not None:
        raise click.UsageError("Give either SCRIPT or --version.")
    given = None if file is None else read_script(file)
    run, recording = store.read(read_recording, run_id)
    script, name = (given, plain(file.name)) if file and given else _read_version(run, version)
    played = play_again(script, recording)
    compared = compare(recording, played)
    if as_json:
        print_json(_describe_replay(run, recording, played, compared, name))
    else:
        for text in _say_replay(run, recording, played, compared, name):
            out().print(text)
    if not compared.is_same:
        raise click.exceptions.Exit(1)


def _read_version(run: BotRun, version: int | None) -> tuple[Script, str]:
    """The script of the version, and how it is called."""
    if version is None:
        version = store.read(bots.get_bot, run.bot_id).published_version
    if version is None:
        raise Conflict("No version of the run's bot is published: name one by --version, or give SCRIPT.")
    return parse_script(
        store.read(bots.get_version, run.bot_id, version).script.encode()
    ), f"version {version}"


def _say_replay(
    run: BotRun, recording: Recording, played: Rehearsal, compared: Comparison, name: str
) -> Iterator[Text]:
    yield Text(f"Run {run.id} of bot {run.bot_id}, recorded on version {run.version}, played on {name}:")
    way = ", ".join(visit.place for visit in compared.recorded[: compared.same])
    yield Text(f"  Both go: {way or 'nowhere'}")
    if not compared.is_same:
        yield Text("  There they part.", style="bold")
        one, other = find_reason(compared)
        end = _say_recorded_end(recording)
        yield from _say_side("recorded", compared.recorded[compared.same :], one, end)
        yield from _say_side("replayed", compared.replayed[compared.same :], other, _say_state(played))
    else:
        yield Text(f"  The same way to its end: {_say_state(played)}", style="green")
    said = tuple(line.text for line in played.transcript if line.who is Who.BOT)
    if said != tuple(recording.said):
        yield Text("What the bot says: - recorded, + replayed")
        yield from say_diff(tuple(recording.said), said)


def _say_side(name: str, rest: Sequence[Visit], reason: Trace | None, end: str) -> Iterator[Text]:
    """Where one of them goes on, and what happened in it before."""
    yield Text(plain(f"  {name}: {f'goes to {rest[0].place}' if rest else f'goes no further. {end}'}"))
    if reason is not None:
        row = "" if reason.at is None else f"line {reason.at.line}, "
        saw = "".join(f"; it saw {marker}={value}" for marker, value in reason.seen.items())
        told = _say_trace(reason)
        yield Text(plain(f"    since {row}{reason.handler or 'the run'}: {told}{saw}"), style="dim")


def _say_recorded_end(recording: Recording) -> str:
    if recording.ended is not None:
        return say_end(recording.ended, "en")
    return f"The bot waits ({recording.waits})." if recording.waits else "The bot waits for nothing."


# --- For machines


def _describe_replay(
    run: BotRun, recording: Recording, played: Rehearsal, compared: Comparison, name: str
) -> dict[str, Any]:
    replayed = describe_play(played)
    del replayed["talk"]
    return {
        "run_id": run.id,
        "bot_id": run.bot_id,
        "version": run.version,
        "played_on": name,
        "is_same": compared.is_same,
        "same_blocks": compared.same,
        "recorded": {
            "steps": [visit.place for visit in compared.recorded],
            "waits": recording.waits,
            "ended": recording.ended,
            "said": list(recording.said),
        },
        "replayed": {
            **replayed,
            "said": [line.text for line in played.transcript if line.who is Who.BOT],
        },
    }


def _describe_step(since: _Since, now: Rehearsal) -> dict[str, Any]:
    """One thing that happened, and how it stands behind it."""
    moments = now.moments[since.moments :]
    return {
        "at": int(now.now.timestamp()),
        "lines": [describe_line(line) for moment in moments for line in moment.lines],
        "steps": steps_of([trace for moment in moments for trace in moment.traces]),
        "notes": [note.text for note in now.notes],
        "contact": read_card(now.stage.contact, Entity.CONTACT),
        "lead": {**read_card(now.stage.lead, Entity.LEAD), "decision": now.stage.lead.decision},
        "call": None if now.call is None else {"method": now.call.method, "url": now.call.url},
        "waits": None if now.waiting is None else now.waiting.kind.value,
        "ended": None if now.ended is None else now.ended.value,
    }


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
