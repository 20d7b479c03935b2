"""Buttons from the command line: their snippets, and amoCRM's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from knopka.domain.snippet import parse_snippet
from tests.cli.conftest import BASE_URL, Answer, Shell

HASH = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
AMOCRM = (
    f"<script>(function(w,o){{w[o]={{id:'10211',hash:'{HASH}',locale:'ru',inline:true,setMeta:function(p)"
    "{}}})(window,'amo_social_button')</script>"
)


def test_an_added_button_answers_with_its_snippet(shell: Shell) -> None:
    added = shell("button", "add", "--name", "Shop", "--origin", "https://shop.example", "--json").json
    assert set(added) == {"id", "hash", "origins", "snippet"}
    assert added["origins"] == ["https://shop.example"]
    assert f"{BASE_URL}/js/button.js" in added["snippet"]
    found = parse_snippet(added["snippet"])
    assert (found.public_id, found.hash) == (added["id"], added["hash"])


def test_two_buttons_share_neither_id_nor_hash(shell: Shell) -> None:
    add = ("button", "add", "--name", "Shop", "--origin", "https://shop.example", "--json")
    first, second = shell(*add).json, shell(*add).json
    assert first["id"] != second["id"]
    assert first["hash"] != second["hash"]


def test_origins_are_kept_as_browsers_write_them(shell: Shell) -> None:
    origins = ("--origin", "HTTPS://Shop.Example:443/", "--origin", "http://localhost:8080")
    added = shell("button", "add", "--name", "Shop", *origins, *origins, "--json").json
    assert added["origins"] == ["https://shop.example", "http://localhost:8080"]


@pytest.mark.parametrize(
    "origin",
    ["shop.example", "https://shop.example/page", "http://shop.example", "*", "https://*.example", ""],
)
def test_a_wrong_origin_is_named_with_what_is_allowed(shell: Shell, origin: str) -> None:
    answer = shell("button", "add", "--name", "Shop", "--origin", origin)
    assert answer.code == 2
    assert answer.out == ""
    assert repr(origin) in answer.err
    assert "https://shop.example.com" in answer.err


def test_a_button_without_an_origin_is_refused(shell: Shell) -> None:
    answer = shell("button", "add", "--name", "Shop")
    assert answer.code == 2
    assert "--origin" in answer.err


@pytest.mark.parametrize("command", ["add", "import"])
def test_the_earlier_deadline_can_be_asked_for(shell: Shell, command: str) -> None:
    name = ("--name", "Shop", "--origin", "https://shop.example")
    shell("button", command, *name, "--window", "strict", stdin=AMOCRM)
    shell("button", command, *name, stdin=AMOCRM.replace("10211", "10212"))
    assert [button["window"] for button in shell("button", "list", "--json").json] == ["strict", "later"]
    answer = shell("button", command, *name, "--window", "earlier", stdin=AMOCRM)
    assert answer.code == 2
    assert "'later', 'strict'" in answer.err


@pytest.mark.parametrize(("command", "usual"), [("add", "signed"), ("import", "plain")])
def test_how_far_a_user_id_is_believed_can_be_chosen(shell: Shell, command: str, usual: str) -> None:
    name = ("--name", "Shop", "--origin", "https://shop.example")
    for number, identity in enumerate(("plain", "signed", "off")):
        stdin = AMOCRM.replace("10211", f"1030{number}")
        assert shell("button", command, *name, "--identity", identity, stdin=stdin).code == 0
    shell("button", command, *name, stdin=AMOCRM)
    listed = [button["identity"] for button in shell("button", "list", "--json").json]
    assert listed == ["plain", "signed", "off", usual]
    answer = shell("button", command, *name, "--identity", "believed", stdin=AMOCRM)
    assert (answer.code, "'plain', 'signed', 'off'" in answer.err) == (2, True)


def test_the_list_shows_every_button(shell: Shell) -> None:
    shell("button", "add", "--name", "Shop", "--origin", "https://shop.example", "--locale", "ru", "--inline")
    (button,) = shell("button", "list", "--json").json
    assert (button["name"], button["locale"], button["inline"]) == ("Shop", "ru", True)
    assert (button["identity"], button["is_enabled"]) == ("signed", True)


def test_the_snippet_can_be_had_again(shell: Shell) -> None:
    added = shell("button", "add", "--name", "Shop", "--origin", "https://shop.example", "--json").json
    assert shell("button", "snippet", added["id"], "--json").json == added
    assert shell("button", "snippet", added["id"]).out == added["snippet"] + "\n"


def test_the_snippet_of_no_button_is_not_found(shell: Shell) -> None:
    answer = shell("button", "snippet", "77")
    assert (answer.code, answer.out) == (1, "")
    assert "'77'" in answer.err


def test_a_snippet_needs_to_know_this_server(shell: Shell) -> None:
    added = shell("button", "add", "--name", "Shop", "--origin", "https://shop.example", "--json").json
    answer = shell("button", "snippet", added["id"], KNOPKA_BASE_URL="")
    assert answer.code == 2
    assert "KNOPKA_BASE_URL" in answer.err


def test_a_button_is_not_added_when_its_snippet_could_not_be_printed(shell: Shell) -> None:
    add = ("button", "add", "--name", "Shop", "--origin", "https://shop.example", "--json")
    assert shell(*add, KNOPKA_BASE_URL="").code == 2
    assert shell("button", "list", "--json").json == []


@pytest.mark.parametrize("by", ["file", "stdin"])
def test_an_amocrm_button_keeps_id_and_hash(shell: Shell, tmp_path: Path, by: str) -> None:
    file = tmp_path / "snippet.html"
    file.write_text(AMOCRM)
    source, stdin = ((str(file),), "") if by == "file" else ((), AMOCRM)
    add = shell("button", "import", *source, "--origin", "https://shop.example", "--json", stdin=stdin).json
    assert (add["id"], add["hash"]) == ("10211", HASH)
    (button,) = shell("button", "list", "--json").json
    assert (button["locale"], button["inline"], button["identity"]) == ("ru", True, "plain")


def test_an_amocrm_button_comes_once(shell: Shell) -> None:
    run = ("button", "import", "--origin", "https://shop.example")
    assert shell(*run, stdin=AMOCRM).code == 0
    answer = shell(*run, stdin=AMOCRM)
    assert answer.code == 1
    assert "10211" in answer.err


def test_an_import_needs_to_know_the_site(shell: Shell) -> None:
    answer = shell("button", "import", stdin=AMOCRM)
    assert answer.code == 2
    assert "--origin" in answer.err


@pytest.mark.parametrize("text", ["", "<p>nothing</p>", b"\xff\xfe", AMOCRM.replace(HASH, "x")])
def test_what_is_no_snippet_is_refused(shell: Shell, text: str | bytes) -> None:
    answer = shell("button", "import", "--origin", "https://shop.example", stdin=text)
    assert answer.code == 2
    assert answer.err


@pytest.mark.parametrize("by", ["file", "stdin"])
def test_a_page_of_64_kib_is_read_and_one_byte_more_is_not(shell: Shell, tmp_path: Path, by: str) -> None:
    file = tmp_path / "page.html"

    def take(size: int) -> Answer:
        page = AMOCRM + "\u044f" * ((size - len(AMOCRM)) // 2) + " " * ((size - len(AMOCRM)) % 2)
        file.write_text(page, encoding="utf-8")
        source, stdin = ((str(file),), "") if by == "file" else ((), page)
        return shell("button", "import", *source, "--origin", "https://shop.example", stdin=stdin)

    refused = take(65_537)
    assert (refused.code, refused.out) == (2, "")
    assert "64 KiB" in refused.err
    assert take(65_536).code == 0


@pytest.mark.parametrize("command", ["add", "import"])
@pytest.mark.parametrize("name", ["", " ", "\u200b", "x" * 256])
def test_a_name_that_is_none_is_named_with_what_is_allowed(shell: Shell, command: str, name: str) -> None:
    given = ("--name", name, "--origin", "https://shop.example")
    answer = shell("button", command, *given, stdin=AMOCRM)
    assert (answer.code, answer.out) == (2, "")
    assert "name: '" in answer.err
    assert "1 to 255" in answer.err
    assert shell("button", "list", "--json").json == []


def test_a_wrong_hash_is_named(shell: Shell) -> None:
    snippet = AMOCRM.replace(HASH, "short")
    assert "'short'" in shell("button", "import", "--origin", "https://shop.example", stdin=snippet).err


def test_a_button_without_a_store_names_the_command_that_makes_it(bare: Shell) -> None:
    answer = bare("button", "list")
    assert answer.code == 1
    assert "knopka migrate" in answer.err


def test_a_name_cannot_play_with_the_terminal(shell: Shell) -> None:
    shell("button", "add", "--name", "[red]Shop[/red]", "--origin", "https://shop.example")
    assert "[red]Shop[/red]" in shell("button", "list").out
    with sqlite3.connect(shell.store) as connection:
        assert connection.execute("SELECT count(*) FROM sources").fetchone() == (1,)
    connection.close()
