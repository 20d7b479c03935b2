"""Bots from the command line: their scripts, versions and starts, and what their runs did."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from knopka.db.database import Database, Row, Transaction
from knopka.domain.bot.script import MAX_SCRIPT_BYTES
from knopka.services.bot_steps import Kit, make_handlers
from knopka.services.catalog import load_catalog
from knopka.services.jobs import InStore
from tests.cli.conftest import Shell
from tests.cli.test_cards import run, write
from tests.services.bot_story import (
    KINDS,
    NEXT_JOB,
    REMOVE_JOB,
    SIGNER,
    NoChannels,
    goto,
    handler,
    show,
)

HELLO = [{"question": [show("Hello!")], "answer": [show("Bye!")]}]
OTHER = [{"question": [show("Good day!")]}]


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(script: Any = HELLO, name: str = "hello.json") -> Path:
        path = tmp_path / name
        path.write_bytes(script if isinstance(script, bytes) else json.dumps(script).encode())
        return path

    return write


File = Callable[..., Path]


# --- Scripts and versions


def test_a_bot_is_added_with_its_script_and_runs_from_then_on(shell: Shell, file: File) -> None:
    assert "No bots yet: knopka bot add FILE" in shell("bot", "list").out
    added = shell("bot", "add", file(), "--on", "first_message", "--on", "keyword:чай, tea")
    assert added.out == "Bot 1, 'hello', has version 1, published.\n"
    (shown,) = shell("bot", "list", "--json").json
    assert (shown["name"], shown["is_enabled"], shown["published_version"]) == ("hello", True, 1)
    assert shown["settings"]["starts"] == [
        {"on": "first_message"},
        {"on": "keyword", "words": ["чай", "tea"]},
    ]
    listed = shell("bot", "list").out
    assert "first_message, keyword:чай,tea" in listed
    assert json.loads(shell("bot", "show", "1", "--script").out) == HELLO


def test_versions_are_put_published_and_rolled_back(shell: Shell, file: File) -> None:
    shell("bot", "add", file(), "--name", "Чайный", "--draft")
    assert "nothing published" in shell("bot", "list").out
    assert shell("bot", "publish", "1", "1").out == "Bot 1, 'Чайный', runs version 1 from now on.\n"
    put = shell("bot", "put", "1", file(OTHER), "--note", "more polite")
    assert "has version 2, not published: knopka bot publish 1 2" in put.out
    kept = shell("bot", "put", "1", file(HELLO), "--publish", "--json").json
    assert (kept["version"], kept["published_version"], kept["warnings"]) == (3, 3, [])
    assert shell("bot", "roll-back", "1", "--json").json["published_version"] == 2
    versions = shell("bot", "versions", "1", "--json").json
    assert [(one["version"], one["is_published"], one["note"]) for one in versions] == [
        (3, False, ""),
        (2, True, "more polite"),
        (1, False, ""),
    ]
    assert "more polite" in shell("bot", "versions", "1").out
    assert json.loads(shell("bot", "show", "1", "--json").json["script"]) == OTHER
    assert json.loads(shell("bot", "show", "1", "--version", "1", "--script").out) == HELLO


def test_a_script_that_cannot_be_run_is_refused_with_its_place_and_leaves_nothing(
    shell: Shell, file: File
) -> None:
    bad = b'[\n  {"question": [{"handler": "goto",\n    "params": {"type": "question", "step": 9}}]}\n]'
    refused = shell("bot", "add", file(bad))
    assert refused.code == 2
    assert "step" in refused.err
    assert "line 3" in refused.err
    assert shell("bot", "list", "--json").json == []


@pytest.mark.parametrize(
    ("script", "place"),
    [
        (b"[" + b" " * MAX_SCRIPT_BYTES, "$"),
        (b'[{"question": [}]', "line 1, column 16"),
        ([{"question": [{"handler": "shout", "params": {}}]}], "$[0].question[0].handler"),
        ([{"question": [goto(7)]}], "$[0].question[0].params.step"),
        (
            [{"answer": [handler("buttons"), {"handler": "buttons", "params": [{"regex": "/(?<=a)b/"}]}]}],
            "$[0].answer[1].params[0].regex",
        ),
        (
            [{"answer": [{"handler": "buttons", "params": [{"regex": "/(a{1,1000}){1,1000}/"}]}]}],
            "$[0].answer[0].params[0].regex",
        ),
        (b"\xff\xfe", "$"),
        (b"", "line 1, column 1"),
    ],
    ids=[
        "too-large",
        "broken-json",
        "unknown-handler",
        "goto-nowhere",
        "look-behind",
        "regex-bomb",
        "no-utf8",
        "empty",
    ],
)
def test_a_check_names_every_fault_with_its_place(bare: Shell, file: File, script: Any, place: str) -> None:
    checked = bare("bot", "check", file(script))
    assert checked.code == 1
    assert place in checked.out
    machine = bare("bot", "check", file(script), "--json")
    assert machine.code == 1
    assert json.loads(machine.out)["faults"]


def test_a_check_of_a_good_script_says_what_it_warns_of_and_keeps_nothing(bare: Shell, file: File) -> None:
    assert bare("bot", "check", file()).out == "The script can be run: 1 steps.\n"
    unreachable = bare("bot", "check", file([{"question": [show("Hi")]}, {"question": [show("Never")]}]))
    assert unreachable.code == 0
    assert "Warning: line 1, column" in unreachable.out
    assert not bare.store.exists()


@pytest.mark.parametrize(
    ("start", "kept"),
    [
        ("incoming_lead", {"on": "incoming_lead"}),
        ("stage:142,143", {"on": "stage", "status_ids": [142, 143]}),
        ("no_answer:15", {"on": "no_answer", "minutes": 15}),
        ("key_action:order", {"on": "key_action", "names": ["order"]}),
    ],
)
def test_a_bot_is_told_when_to_start(shell: Shell, file: File, start: str, kept: dict[str, Any]) -> None:
    shell("bot", "add", file())
    changed = shell("bot", "set", "1", "--on", start)
    assert changed.out == f"Bot 1, 'hello', starts: {start}\n"
    assert shell("bot", "list", "--json").json[0]["settings"]["starts"] == [kept]


@pytest.mark.parametrize("start", ["rain", "keyword", "keyword: ,", "stage:x", "no_answer:1,2", "no_answer:"])
def test_a_start_that_is_none_is_refused_with_those_that_are(shell: Shell, file: File, start: str) -> None:
    refused = shell("bot", "add", file(), "--on", start)
    assert refused.code == 2
    assert "first_message, incoming_lead, keyword:WORD" in refused.err
    assert shell("bot", "list", "--json").json == []


def test_settings_come_from_a_file_as_well(shell: Shell, file: File) -> None:
    schedule = {"on": "schedule", "times": ["09:00"], "status_ids": [142]}
    settings = file({"starts": [schedule], "channels": ["telegram"], "priority": 5}, "settings.json")
    shell("bot", "add", file(), "--settings", settings)
    (shown,) = shell("bot", "list", "--json").json
    assert (shown["settings"]["channels"], shown["settings"]["priority"]) == (["telegram"], 5)
    refused = shell("bot", "set", "1", "--settings", file({"starts": [{"on": "rain"}]}, "bad.json"))
    assert (refused.code, "$.starts[0].on" in refused.err) == (2, True)
    assert shell("bot", "set", "1", "--settings", settings, "--on", "first_message").code == 2
    assert shell("bot", "set", "1").code == 2


def test_a_bot_is_renamed_switched_off_and_on_and_removed(shell: Shell, file: File) -> None:
    shell("bot", "add", file())
    assert shell("bot", "set", "1", "--name", "Чайный", "--json").json["name"] == "Чайный"
    assert shell("bot", "disable", "1").out == "Bot 1, 'Чайный', is off.\n"
    assert shell("bot", "enable", "1").out == "Bot 1, 'Чайный', is on.\n"
    assert shell("bot", "remove", "1").out == "Bot 1 was removed.\n"
    assert shell("bot", "list", "--json").json == []


@pytest.mark.parametrize(
    "command",
    [
        ("show", "9"),
        ("versions", "9"),
        ("publish", "9", "1"),
        ("roll-back", "9"),
        ("set", "9", "--name", "x"),
        ("disable", "9"),
        ("remove", "9"),
        ("run", "9", "--conversation", "1"),
        ("stop", "9", "--lead", "1"),
        ("runs", "9"),
        ("log", "9"),
    ],
)
def test_what_is_not_there_is_said_to_be_not_there(shell: Shell, command: tuple[str, ...]) -> None:
    refused = shell("bot", *command)
    assert (refused.code, refused.out) == (1, "")
    assert "There is no such" in refused.err


# --- Runs


@pytest.fixture
def chat(shell: Shell) -> Shell:
    """A visitor has written: conversation 1 about lead 1 with contact 1."""
    shell("button", "add", "--name", "Shop", "--origin", "https://shop.example")
    write(shell)
    return shell


def work(shell: Shell) -> None:
    """What a running server does with the jobs of bots."""

    async def job(database: Database) -> None:
        catalog = await database.read(load_catalog)
        kit = Kit(NoChannels(), lambda: catalog, SIGNER, call_nobody, database.clock)
        handlers = make_handlers(kit)
        while (row := await database.read(next_job)) is not None:
            found = handlers[row["kind"]]
            assert isinstance(found, InStore)
            await database.write(do, row, found.use_case, key=("bot", row["id"]))

    run(shell, job)


async def call_nobody(*_: Any, **__: Any) -> Any:
    raise AssertionError("these scripts call nobody")


def next_job(tx: Transaction) -> Row | None:
    return tx.row(NEXT_JOB, kinds=list(KINDS))


def do(tx: Transaction, row: Row, use_case: Any, *, now: datetime) -> None:
    tx.run(REMOVE_JOB, of_id=row["id"])
    use_case(tx, json.loads(row["payload"]), now=now)


@pytest.mark.parametrize("place", ["--conversation", "--lead", "--contact"])
def test_a_bot_is_started_and_stopped_and_its_run_read_step_by_step(
    chat: Shell, file: File, place: str
) -> None:
    script = [{"question": [show("Hello, {{contact.name}}!")], "answer": [show("Bye!")]}]
    chat("bot", "add", file(script))
    assert "has not talked with anybody yet" in chat("bot", "runs", "1").out
    assert chat("bot", "run", "1", place, "1").out == "Run 1 has begun: knopka bot log 1\n"
    work(chat)
    log = chat("bot", "log", "1").out
    for text in (
        "Run 1 of bot 1, version 1, in conversation 1: Waits (answer).",
        "question 0",
        "contact.name=",
    ):
        assert text in log
    read = chat("bot", "log", "1", "--json").json
    assert (read["cause"] in ("manual", "api"), read["is_active"]) == (True, True)
    said = [line for line in read["lines"] if line["note"] == "said"]
    assert [(line["handler"], line["step"]) for line in said] == [("show", 0)]
    assert chat("bot", "stop", "1", place, "1").out == "Talks that were ended: 1\n"
    assert chat("bot", "stop", "1", place, "1", "--json").json == {"stopped": 0}
    (told,) = chat("bot", "runs", "1", "--json").json
    assert told["reason"] in ("operator", "stopped_by_api")
    assert "conversation" in chat("bot", "log", "1").out


def test_the_log_of_a_run_obeys_no_visitor(chat: Shell, file: File) -> None:
    """What a visitor wrote is shown as an escape, never obeyed by the terminal."""
    chat("bot", "add", file([{"question": [show("{{message_text}}")]}]), "--on", "first_message")
    write(chat, "\x1b]0;gone\x07 Hi", "0" * 63 + "1")
    work(chat)
    assert "\x1b" not in chat("bot", "log", "1").out
    assert "\x1b" not in chat("bot", "log", "1", "--json").out


@pytest.mark.parametrize("places", [(), ("--lead", "1", "--contact", "1")])
def test_exactly_one_place_is_needed(chat: Shell, file: File, places: tuple[str, ...]) -> None:
    chat("bot", "add", file())
    for command in ("run", "stop"):
        refused = chat("bot", command, "1", *places)
        assert refused.code == 2
        assert "one of --conversation, --lead and --contact" in refused.err


def test_a_bot_that_cannot_start_says_why(chat: Shell, file: File) -> None:
    chat("bot", "add", file(), "--draft")
    refused = chat("bot", "run", "1", "--lead", "1")
    assert (refused.code, "no version of it is published" in refused.err) == (1, True)
    assert chat("bot", "run", "1", "--lead", "9").code == 1
