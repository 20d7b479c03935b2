"""`knopka bot`: scripts of Salesbot, their versions, and what their runs did."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any, BinaryIO

import click

from knopka.cli import bot_play, store
from knopka.cli.output import ID, json_option, print_json, print_line, print_table, say_time
from knopka.db.clock import to_ms
from knopka.db.database import Row
from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.script import MAX_SCRIPT_BYTES, Script
from knopka.domain.bot.setup import Bot, BotRun, BotVersion, LogLine, write_settings
from knopka.domain.bot.wording import say_end, say_note
from knopka.domain.errors import Fault, InvalidInput, ScriptError
from knopka.domain.meta import Entity
from knopka.domain.strict_json import read_json
from knopka.services import bot_runs, bots

AUTHOR = "command line"
"""Whom versions are by that were put from here."""
MAX_SETTINGS = 65_536
MOST_LISTED = 100

_NUMBER = re.compile("[0-9]{1,16}")

FILE = click.argument("file", type=click.File("rb"))
BOT = click.argument("bot_id", type=ID, metavar="ID")


class StartParam(click.ParamType[dict[str, Any]]):
    """`first_message`, `incoming_lead`, `keyword:tea,coffee`, `key_action:…`, `stage:142`, `no_answer:15`."""

    name = "start"

    def convert(
        self, value: str | dict[str, Any], param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        found = value if isinstance(value, dict) else _read_start(value)
        if found is None:
            self.fail(
                f"{value!r} is no start; these are: first_message, incoming_lead, keyword:WORD,…, "
                "key_action:NAME,…, stage:ID,… and no_answer:MINUTES. A schedule stands in --settings"
            )
        return found


def _read_start(text: str) -> dict[str, Any] | None:
    on, _, given = text.partition(":")
    parts = [part.strip() for part in given.split(",") if part.strip()]
    are_numbers = bool(parts) and all(_NUMBER.fullmatch(part) for part in parts)
    match on:
        case "first_message" | "incoming_lead" if not given:
            return {"on": on}
        case "keyword" if parts:
            return {"on": on, "words": parts}
        case "key_action" if parts:
            return {"on": on, "names": parts}
        case "stage" if are_numbers:
            return {"on": on, "status_ids": [int(part) for part in parts]}
        case "no_answer" if are_numbers and len(parts) == 1:
            return {"on": on, "minutes": int(parts[0])}
        case _:
            return None


def starts_options(command: Any) -> Any:
    """When a bot starts: in a few words, or all of it from a file."""
    for option in (
        click.option(
            "--settings", "settings_file", type=click.File("rb"), help="When and where it starts, as JSON."
        ),
        click.option(
            "--on", "starts", type=StartParam(), multiple=True, metavar="START",
            help="What it starts at; repeatable. Without any it is started by hand or by the API.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def _read_settings(starts: tuple[dict[str, Any], ...], file: BinaryIO | None) -> dict[str, Any] | None:
    """The settings that were given in one way or the other; None when they were not."""
    if file is None:
        return {"starts": list(starts)} if starts else None
    if starts:
        raise InvalidInput(Fault("--settings", "given_twice", "give either --on or --settings"))
    body = file.read(MAX_SETTINGS + 1)
    settings = read_json(body, max_bytes=MAX_SETTINGS)
    if not isinstance(settings, dict):
        raise InvalidInput(Fault("$", "not_an_object", "settings are an object"))
    return settings


def read_script(file: BinaryIO) -> bytes:
    """The file's bytes; of one that is too large enough to be refused."""
    return file.read(MAX_SCRIPT_BYTES + 1)


@click.group()
def bot() -> None:
    """Salesbot: scripts that talk with visitors, and what became of it."""


# --- Scripts and versions


@bot.command()
@FILE
@click.option("--name", help="What operators and visitors call it; the file's name if left out.")
@starts_options
@click.option("--draft", is_flag=True, help="Keep the script without publishing it.")
@json_option
def add(
    file: BinaryIO, name: str | None, starts: tuple[dict[str, Any], ...], settings_file: BinaryIO | None,
    draft: bool, as_json: bool,
) -> None:  # fmt: skip
    """Add a bot with the script in FILE, and let it run from now on."""
    put = store.write(
        bots.add_with_script,
        name or Path(file.name).stem,
        read_script(file),
        settings=_read_settings(starts, settings_file),
        author=AUTHOR,
        is_published=not draft,
        key=("bots", 0),
    )
    _tell_version(put, as_json=as_json)


@bot.command()
@BOT
@FILE
@click.option("--note", default="", help="What is new in it.")
@click.option("--publish", "is_published", is_flag=True, help="Run it from now on.")
@json_option
def put(bot_id: int, file: BinaryIO, note: str, is_published: bool, as_json: bool) -> None:
    """Keep FILE as a new version of a bot's script."""
    kept = store.write(
        bots.put_version,
        bot_id,
        read_script(file),
        secrets.token_hex(16),
        author=AUTHOR,
        note=note,
        is_published=is_published,
        key=("bot", bot_id),
    )
    _tell_version(kept, as_json=as_json)


def _tell_version(kept: bots.Put, *, as_json: bool) -> None:
    found, version = kept.bot, kept.version.version
    if as_json:
        print_json({**_describe(found), "version": version, "warnings": _describe_warnings(kept.script)})
        return
    is_published = found.published_version == version
    state = "published" if is_published else f"not published: knopka bot publish {found.id} {version}"
    print_line(f"Bot {found.id}, {found.name!r}, has version {version}, {state}.")
    _say_warnings(kept.script)


@bot.command()
@BOT
@click.argument("version", type=ID)
@json_option
def publish(bot_id: int, version: int, as_json: bool) -> None:
    """Let runs that begin from now on use this version."""
    _tell_published(store.write(bots.publish, bot_id, version, key=("bot", bot_id)), as_json=as_json)


@bot.command("roll-back")
@BOT
@json_option
def roll_back(bot_id: int, as_json: bool) -> None:
    """Publish the version before the published one."""
    _tell_published(store.write(bots.roll_back, bot_id, key=("bot", bot_id)), as_json=as_json)


def _tell_published(found: Bot, *, as_json: bool) -> None:
    if as_json:
        print_json(_describe(found))
    else:
        print_line(f"Bot {found.id}, {found.name!r}, runs version {found.published_version} from now on.")


@bot.command()
@BOT
@json_option
def versions(bot_id: int, as_json: bool) -> None:
    """List the versions of a bot's script, the newest first."""
    found = store.read(bots.get_bot, bot_id)
    listed = store.read(bots.list_versions, bot_id, limit=MOST_LISTED)
    if as_json:
        print_json([_describe_version(version, found) for version in listed])
        return
    rows = [
        (
            version.version,
            "published" if version.version == found.published_version else "",
            _say_moment(to_ms(version.created_at)),
            version.author,
            version.note,
        )
        for version in listed
    ]
    columns = ("Version", "State", "Put", "By", "Note")
    print_table(columns, rows, empty=f"No versions yet: knopka bot put {bot_id} FILE")


@bot.command()
@FILE
@json_option
def check(file: BinaryIO, as_json: bool) -> None:
    """Say everything that is wrong with the script in FILE; nothing is kept, and no store is needed."""
    script, faults = _load(read_script(file))
    if as_json:
        told = [] if script is None else _describe_warnings(script)
        print_json({"faults": [_describe_fault(fault) for fault in faults], "warnings": told})
    elif script is None:
        for fault in faults:
            print_line(_say_place(fault.line, fault.column, fault.path, fault.message))
    else:
        print_line(f"The script can be run: {len(script.steps)} steps.")
        _say_warnings(script)
    if script is None:
        raise click.exceptions.Exit(1)


def _load(text: bytes) -> tuple[Script | None, tuple[Fault, ...]]:
    try:
        return parse_script(text), ()
    except ScriptError as error:
        return None, error.faults


# --- Bots


@bot.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the bots."""
    found = store.read(bots.list_bots)
    if as_json:
        print_json([_describe(one) for one in found])
        return
    rows = [
        (one.id, one.name, _state(one), one.published_version or "", one.last_version, _say_starts(one))
        for one in found
    ]
    columns = ("Id", "Name", "State", "Published", "Newest", "Starts")
    print_table(columns, rows, empty="No bots yet: knopka bot add FILE")


@bot.command()
@BOT
@click.option("--version", type=ID, help="Another version than the published one.")
@click.option("--script", "is_script", is_flag=True, help="Print the script alone, as it was put.")
@json_option
def show(bot_id: int, version: int | None, is_script: bool, as_json: bool) -> None:
    """Show a bot, or the script that it runs."""
    found = store.read(bots.get_bot, bot_id)
    number = version or found.published_version or found.last_version
    kept = store.read(bots.get_version, bot_id, number) if number else None
    if as_json:
        print_json({**_describe(found), "script": None if kept is None else kept.script})
    elif is_script:
        click.echo("" if kept is None else kept.script, nl=False)
    else:
        print_line(f"Bot {found.id}, {found.name!r}: {_state(found)}")
        print_line(f"  Starts: {_say_starts(found) or 'by hand or by the API'}")
        print_line(f"  Versions: {found.last_version}, published: {found.published_version or 'none'}")


@bot.command("set")
@BOT
@starts_options
@click.option("--name", help="Another name.")
@json_option
def set_command(
    bot_id: int, starts: tuple[dict[str, Any], ...], settings_file: BinaryIO | None, name: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Say when a bot starts, or give it another name; what is left out stays."""
    settings = _read_settings(starts, settings_file)
    if settings is None and name is None:
        raise click.UsageError("Nothing to set: give --on, --settings or --name.")
    changed = store.write(bots.change, bot_id, name=name, settings=settings, key=("bot", bot_id))
    if as_json:
        print_json(_describe(changed))
    else:
        print_line(f"Bot {changed.id}, {changed.name!r}, starts: {_say_starts(changed) or 'by hand'}")


@bot.command()
@BOT
@json_option
def enable(bot_id: int, as_json: bool) -> None:
    """Let a bot start again."""
    _switch(bot_id, is_enabled=True, as_json=as_json)


@bot.command()
@BOT
@json_option
def disable(bot_id: int, as_json: bool) -> None:
    """Stop a bot wherever it talks, and let it start no more."""
    _switch(bot_id, is_enabled=False, as_json=as_json)


def _switch(bot_id: int, *, is_enabled: bool, as_json: bool) -> None:
    changed = store.write(bots.enable, bot_id, is_enabled=is_enabled, key=("bot", bot_id))
    if as_json:
        print_json(_describe(changed))
    else:
        print_line(f"Bot {changed.id}, {changed.name!r}, is {_state(changed)}.")


@bot.command()
@BOT
@json_option
def remove(bot_id: int, as_json: bool) -> None:
    """Take a bot away and end its talks; what its runs did can still be read."""
    store.write(bots.remove, bot_id, key=("bot", bot_id))
    if as_json:
        print_json({"removed": bot_id})
    else:
        print_line(f"Bot {bot_id} was removed.")


# --- Runs


def place_options(command: Any) -> Any:
    """Where a bot is to start or stop: exactly one of three."""
    for name, what in (
        ("contact", "In the contact's conversation with the newest message."),
        ("lead", "In the lead's conversation with the newest message."),
        ("conversation", "In this conversation."),
    ):
        command = click.option(f"--{name}", type=ID, metavar="ID", help=what)(command)
    return command


def _find_place(conversation: int | None, lead: int | None, contact: int | None) -> tuple[Entity | None, int]:
    """The card and its id, or None and the id of a conversation."""
    given: list[tuple[Entity | None, int]] = [
        (entity, number)
        for entity, number in ((None, conversation), (Entity.LEAD, lead), (Entity.CONTACT, contact))
        if number is not None
    ]
    if len(given) != 1:
        raise click.UsageError("Say where: one of --conversation, --lead and --contact.")
    return given[0]


@bot.command()
@BOT
@place_options
@json_option
def run(bot_id: int, conversation: int | None, lead: int | None, contact: int | None, as_json: bool) -> None:
    """Start a bot; in a conversation it takes the place of one that talks there.

    The running server does what it says, within a second.
    """
    entity, number = _find_place(conversation, lead, contact)
    if entity is None:
        run_id = store.write(bot_runs.start_in, bot_id, number, key=("conversation", number))
    else:
        run_id = store.write(
            bot_runs.start_for_card, bot_id, entity, number, _is_there, key=("card", entity, number)
        )
    if as_json:
        print_json({"run_id": run_id})
    else:
        print_line(f"Run {run_id} has begun: knopka bot log {run_id}")


def _is_there(held: Row) -> bool:
    """Whether the chat can be reached, as far as it is known here; the run itself looks again."""
    return held["chat_gone"] is None


@bot.command()
@BOT
@place_options
@json_option
def stop(bot_id: int, conversation: int | None, lead: int | None, contact: int | None, as_json: bool) -> None:
    """Stop a bot where it talks; that it talks nowhere is no fault."""
    entity, number = _find_place(conversation, lead, contact)
    if entity is None:
        stopped = int(store.write(bot_runs.stop_in, number, bot_id, key=("conversation", number)))
    else:
        stopped = store.write(bot_runs.stop_for_card, bot_id, entity, number, key=("card", entity, number))
    if as_json:
        print_json({"stopped": stopped})
    else:
        print_line(f"Talks that were ended: {stopped}")


@bot.command()
@BOT
@json_option
def runs(bot_id: int, as_json: bool) -> None:
    """List what a bot has done, the newest run first."""
    store.read(bots.get_bot, bot_id)
    found = store.read(bots.list_runs, bot_id=bot_id, limit=MOST_LISTED)
    if as_json:
        print_json([_describe_run(one) for one in found])
        return
    rows = [
        (
            one.id,
            one.conversation_id,
            one.version,
            one.cause,
            _say_moment(to_ms(one.started_at)),
            _say_end(one),
        )
        for one in found
    ]
    columns = ("Run", "Conversation", "Version", "Started by", "Started", "How it stands")
    print_table(columns, rows, empty="This bot has not talked with anybody yet.")


@bot.command()
@click.argument("run_id", type=ID, metavar="RUN")
@json_option
def log(run_id: int, as_json: bool) -> None:
    """Show a run step by step, with the values that each step saw."""
    found = store.read(bots.get_run, run_id)
    if as_json:
        print_json({**_describe_run(found.run), "lines": [_describe_line(line) for line in found.lines]})
        return
    told = found.run
    print_line(
        f"Run {told.id} of bot {told.bot_id}, version {told.version}, "
        f"in conversation {told.conversation_id}: {_say_end(told)}"
    )
    rows = [
        (
            _say_moment(to_ms(line.at)),
            _say_step(line),
            line.line["handler"],
            _say_note(line),
            ", ".join(f"{name}={value}" for name, value in line.line["seen"].items()),
        )
        for line in found.lines
    ]
    print_table(("At", "Step", "Handler", "What", "It saw"), rows, empty="Nothing has happened yet.")


# --- In words


def _state(found: Bot) -> str:
    if not found.is_enabled:
        return "off"
    return "on" if found.published_version else "nothing published"


def _say_starts(found: Bot) -> str:
    return ", ".join(_say_start(start) for start in _describe_settings(found)["starts"])


def _say_start(start: dict[str, Any]) -> str:
    """As `--on` takes it."""
    rest = [value for name, value in start.items() if name not in ("on", "weekdays")]
    parts = [str(part) for value in rest for part in (value if isinstance(value, list) else [value])]
    return f"{start['on']}:{','.join(parts)}" if parts else str(start["on"])


def _say_end(told: BotRun) -> str:
    if told.reason is not None:
        return say_end(told.reason, "en")
    return f"Waits ({told.wait})." if told.wait else "Runs."


def _say_step(line: LogLine) -> str:
    step, block = line.line.get("step"), line.line.get("block")
    return "" if step is None else f"{block} {step}"


def _say_note(line: LogLine) -> str:
    note, detail = str(line.line["note"]), str(line.line["detail"])
    if note == "ended":
        return say_end(detail, "en")
    return say_note(note, "en") + (f" ({detail})" if detail else "")


def _say_warnings(script: Script) -> None:
    for warning in script.warnings:
        at = warning.at
        print_line("  Warning: " + _say_place(at.line, at.column, at.path, warning.message))


def _say_place(line: int | None, column: int | None, path: str, message: str) -> str:
    place = "" if line is None else f"line {line}, column {column}, "
    return f"{place}{path}: {message}"


def _say_moment(ms: int) -> str:
    return say_time(ms // 1000)


# --- For machines


def _describe(found: Bot) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "is_enabled": found.is_enabled,
        "published_version": found.published_version,
        "last_version": found.last_version,
        "settings": _describe_settings(found),
    }


def _describe_settings(found: Bot) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(write_settings(found.settings))
    return settings


def _describe_version(version: BotVersion, found: Bot) -> dict[str, Any]:
    return {
        "version": version.version,
        "is_published": version.version == found.published_version,
        "note": version.note,
        "author": version.author,
        "created_at": to_ms(version.created_at) // 1000,
    }


def _describe_warnings(script: Script) -> list[dict[str, Any]]:
    return [
        {
            "path": warning.at.path,
            "code": warning.code,
            "message": warning.message,
            "line": warning.at.line,
            "column": warning.at.column,
        }
        for warning in script.warnings
    ]


def _describe_fault(fault: Fault) -> dict[str, Any]:
    return {
        "path": fault.path,
        "code": fault.code,
        "message": fault.message,
        "line": fault.line,
        "column": fault.column,
    }


def _describe_run(told: BotRun) -> dict[str, Any]:
    return {
        "id": told.id,
        "bot_id": told.bot_id,
        "version": told.version,
        "conversation_id": told.conversation_id,
        "lead_id": told.lead_id,
        "is_active": told.is_active,
        "cause": told.cause,
        "started_at": to_ms(told.started_at) // 1000,
        "ended_at": None if told.ended_at is None else to_ms(told.ended_at) // 1000,
        "reason": told.reason,
    }


def _describe_line(line: LogLine) -> dict[str, Any]:
    return {"seq": line.seq, "at": to_ms(line.at) // 1000, **line.line}


for tried in (bot_play.test, bot_play.play, bot_play.replay):
    bot.add_command(tried)
