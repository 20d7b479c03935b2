"""A script tried out from the command line: its cases, a talk in the terminal, a recorded talk once more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from knopka.db.database import Database
from knopka.services.catalog import load_catalog
from knopka.services.intake import accept_message
from tests.cli.conftest import Shell
from tests.cli.test_bot import work
from tests.cli.test_cards import PAGE as VISITED
from tests.cli.test_cards import VISIT, button_of, run
from tests.services.bot_story import goto, show

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


# --- play


TALK = "Green\n\n/back\n/wait 20 min\n2\nmy number is 020 7946 0958\nanybody?\n"


def test_a_talk_is_read_from_standard_input_and_shown_without_any_store(bare: Shell, put: Put) -> None:
    script = put("s.json", example("json"))
    given = ("--bot-params", "{username: Ivan}", "--region", "GB", "--time", "2026-03-07T12:00:00")
    talked = bare("bot", "play", script, *given, "--lead", '{"tags": ["old"]}', stdin=TALK)
    assert (talked.code, talked.err) == (0, "")
    assert talked.out == (
        "Bot: Hello, Ivan! Which tea? [Green] [Black]\n"
        "  The bot waits (answer, until 2026-03-07 12:15:00Z).\n"
        "Visitor: Green\n"
        "Bot: Which number may we call?\n"
        "  * lead.decision: accepted\n"
        "  * lead.cf.223461: Green\n"
        "  The bot waits (answer).\n"
        "  The bot waits (answer, until 2026-03-07 12:15:00Z).\n"
        "  [2026-03-07 12:20:00Z]\n"
        "Bot: Are you still there?\n"
        "  The bot waits (answer).\n"
        "Visitor: 2\n"
        "Bot: Which number may we call?\n"
        "  * lead.decision: accepted\n"
        "  * lead.cf.223461: Black\n"
        "  The bot waits (answer).\n"
        "Visitor: my number is 020 7946 0958\n"
        "Bot: Thank you!\n"
        "  * lead.tags: old, tea bot\n"
        "  * lead.status_id: 143001\n"
        "  * contact.cf.PHONE: +442079460958\n"
        "  * a note on the lead: Likes Black.\n"
        "  The script came to its end.\n"
        "Visitor: anybody?\n"
        "  The script came to its end.\n"
        "The way was: question 0, answer 0, question 1, answer 1\n"
    )
    assert not bare.store.exists()


def test_a_talk_for_machines_has_one_line_for_each_thing_that_happens(bare: Shell, put: Put) -> None:
    talked = bare("bot", "play", put("s.json", example("json")), "--json", stdin="Green\n/end\n/quit\nlost\n")
    steps = [json.loads(line) for line in talked.out.splitlines()]
    assert [[line["who"] for line in step["lines"]] for step in steps] == [["bot"], ["visitor", "bot"], []]
    assert [(step["waits"], step["ended"]) for step in steps] == [
        ("answer", None),
        ("answer", None),
        (None, "operator"),
    ]
    assert steps[1]["steps"] == ["question 0", "answer 0", "question 1"]
    assert (steps[1]["lead"]["cf"], steps[1]["lead"]["decision"]) == ({"223461": "Green"}, "accepted")


CALLS = """[{"question": [{"handler": "knopka_http", "params": {"url": "https://stock.example/",
  "result": [{"handler": "show", "params": {"type": "text", "value": "{{json.left}} left"}}],
  "error": [{"handler": "show", "params": {"type": "text", "value": "Nobody knows"}}]}}]}]"""


def test_a_called_address_is_answered_by_the_author(bare: Shell, put: Put) -> None:
    script = put("s.json", CALLS)
    talked = bare("bot", "play", script, stdin='/answer {"left": 3}\n/back\n/fail status_500\n/log\n')
    assert "The bot calls GET https://stock.example/: give /answer JSON or /fail ERROR." in talked.out
    assert "Bot: 3 left\n" in talked.out
    assert "Bot: Nobody knows\n" in talked.out
    assert "The call failed. (status_500)" in talked.out


def test_the_other_things_that_can_happen_have_their_commands(bare: Shell, put: Put) -> None:
    script = put("s.json", answering("{{bot_params.a}}"))
    said = "/help\n/set {a: 5}\n/say /slash\n/back\n/lose chat_gone\n"
    talked = bare("bot", "play", script, stdin=said)
    assert talked.code == 0
    assert "/wait TIME" in talked.out
    assert "Visitor: /slash\nBot: 5\n" in talked.out
    assert "The visitor has left the chat." in talked.out


def answering(text: str) -> str:
    return json.dumps([{"question": [show("Hi")], "answer": [show(text)]}])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/press Blue", "/press: there is no button 'Blue': Green, Black"),
        ("/press 7", "/press: there is no button 7: Green, Black"),
        ("/answer {}", "/answer: The bot waits for no answer of an address."),
        ("/answer {", "not YAML"),
        ("/wait soon", "/wait: a time must stand here, such as 90s"),
        ("/set [1]", "/set"),
        ("/end me", "/end: only an operator"),
        ("/hop", "/hop: these are known: /say, /press"),
        ("/back", "There is nothing to take back"),
        ("x" * 10_001, "at most 10000 characters"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_line_that_cannot_happen_ends_a_talk_from_a_pipe(
    bare: Shell, put: Put, line: str, told: str, options: tuple[str, ...]
) -> None:
    refused = bare("bot", "play", put("s.json", example("json")), *options, stdin=f"{line}\nGreen\n")
    assert refused.code in (1, 2)
    assert told in refused.err
    assert "Green" not in refused.err or "Blue" in refused.err or "7" in refused.err
    assert "number" not in refused.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--lead", "{nmae: x}"), "$.lead.nmae: nmae is not read here: did you mean name?"),
        (("--contact", "["), "--contact, line 1, column 2: not YAML"),
        (("--bot-params", "[1]"), "$.bot_params: this must be an object"),
        (("--channel", "fax"), "$.channel: this must be one of"),
        (("--region", "Britain"), "$.region: a country has two letters"),
        (("--seed", "x"), "--seed"),
        (("--time", "noon"), "--time"),
    ],
)
def test_what_is_given_wrongly_is_refused(bare: Shell, put: Put, options: tuple[str, ...], told: str) -> None:
    script = put("s.json", example("json"))
    refused = bare("bot", "play", script, *options)
    assert (refused.code, refused.out) == (2, "")
    assert told in refused.err


def test_a_script_that_cannot_be_run_is_not_played(bare: Shell, put: Put) -> None:
    refused = bare("bot", "play", put("s.json", "[]"), stdin="Hi\n")
    assert (refused.code, refused.out) == (2, "")
    assert "the script has no steps" in refused.err


def test_what_is_said_in_a_talk_obeys_no_terminal(bare: Shell, put: Put) -> None:
    script = put("s.json", answering("{{message_text}}"))
    for options in ((), ("--json",)):
        talked = bare("bot", "play", script, *options, stdin="\x1b]0;gone\x07\u202etxet\n")
        assert "\x1b" not in talked.out
        assert "\u202e" not in talked.out


# --- replay


@pytest.fixture
def recorded(shell: Shell, put: Put) -> Shell:
    """Bot 1 has talked with a visitor who wrote, and then answered: run 1."""
    shell("button", "add", "--name", "Shop", "--origin", "https://shop.example")
    shell("bot", "add", put("tea.json", TEA), "--on", "first_message")
    write(shell)
    work(shell)
    write(shell, "чёрный", "message-2")
    work(shell)
    assert shell("bot", "runs", "1", "--json").json[0]["reason"] == "done"
    return shell


def tea(word: str) -> str:
    """A script that goes to step 1 for the word, and else to step 2."""
    branch = {
        "handler": "condition",
        "params": [{"term1": "{{message_text}}", "term2": word, "operation": "="}],
        "result": [goto(1)],
        "else": [goto(2)],
    }
    first = {"question": [show("Which?")], "answer": [branch]}
    return json.dumps([first, {"question": [show("Black.")]}, {"question": [show("No such.")]}])


TEA = tea("чёрный")


def write(shell: Shell, text: str = "Здравствуйте", key: str = "message-1") -> None:
    async def job(database: Database) -> None:
        source, catalog = await button_of(database), await database.read(load_catalog)
        about = (catalog, source, "0" * 64, VISIT, key, text, VISITED)
        await database.write(accept_message, *about, key=("visit", source.id, VISIT))

    run(shell, job)


def test_a_recorded_run_goes_the_same_way_on_its_own_version(recorded: Shell) -> None:
    replayed = recorded("bot", "replay", "1")
    assert (replayed.code, replayed.err) == (0, "")
    assert replayed.out == (
        "Run 1 of bot 1, recorded on version 1, played on version 1:\n"
        "  Both go: question 0, answer 0, question 1\n"
        "  The same way to its end: The script came to its end.\n"
    )
    told = recorded("bot", "replay", "1", "--json").json
    assert (told["is_same"], told["same_blocks"]) == (True, 3)
    assert told["recorded"]["said"] == told["replayed"]["said"] == ["Which?", "Black."]


def test_where_another_script_goes_another_way_is_shown_with_the_reason(recorded: Shell, put: Put) -> None:
    other = put("other.json", tea("зелёный"))
    replayed = recorded("bot", "replay", "1", other)
    assert replayed.code == 1
    for text in (
        f"played on {other}:\n",
        "  Both go: question 0, answer 0\n  There they part.\n  recorded: goes to question 1\n",
        "  replayed: goes to question 2\n",
        "    since line 1, condition: It is so: this branch is taken.",
        "    since line 1, condition: It is not so: the other branch is taken.",
        "; it saw message_text=чёрный",
        "    Which?\n  - Black.\n  + No such.\n",
    ):
        assert text in replayed.out, replayed.out
    told = recorded("bot", "replay", "1", other, "--json")
    assert told.code == 1
    assert json.loads(told.out)["replayed"]["steps"] == ["question 0", "answer 0", "question 2"]


def test_a_new_version_is_tried_before_it_is_published(recorded: Shell, put: Put) -> None:
    recorded("bot", "put", "1", put("v2.json", tea("зелёный")))
    assert recorded("bot", "replay", "1", "--version", "2").code == 1
    assert recorded("bot", "replay", "1").code == 0
    recorded("bot", "publish", "1", "2")
    assert "played on version 2" in recorded("bot", "replay", "1").out


def test_a_replay_changes_nothing(recorded: Shell, put: Put) -> None:
    before = recorded("lead", "show", "1", "--json").json, recorded("bot", "log", "1", "--json").json
    tags = {"handler": "action", "params": {"name": "set_tag", "params": {"type": 2, "value": "x"}}}
    recorded("bot", "replay", "1", put("s.json", json.dumps([{"question": [tags]}])))
    assert before == (
        recorded("lead", "show", "1", "--json").json,
        recorded("bot", "log", "1", "--json").json,
    )


def test_what_cannot_be_replayed_says_why(recorded: Shell, put: Put) -> None:
    for options, code, told in (
        (("9",), 1, "There is no such run."),
        (("1", "--version", "9"), 1, "The bot has no version 9."),
        (("1", "--version", "1", str(put("s.json", TEA))), 2, "either SCRIPT or --version"),
        (("1", str(put("bad.json", "[]"))), 2, "bad.json $"),
        (("x",), 2, "RUN"),
    ):
        refused = recorded("bot", "replay", *options)
        assert (refused.code, refused.out) == (code, "")
        assert told in refused.err
    recorded("bot", "remove", "1")
    assert recorded("bot", "replay", "1").code == 1
    assert recorded("bot", "replay", "1", "--version", "1").code == 0
