"""Tokens of integrators from the command line: printed once, listed without their text, removed at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.cli.conftest import Shell


def add(shell: Shell, *more: str, name: str = "Склад") -> dict[str, Any]:
    made: dict[str, Any] = shell("token", "add", "--name", name, *more, "--json").json
    return made


def test_a_token_is_printed_once_and_kept_by_its_hash(shell: Shell) -> None:
    made = add(shell)
    text = made.pop("token")
    assert text.startswith("knp_")
    assert made == {
        "id": 1,
        "name": "Склад",
        "scopes": ["bots"],
        "state": "active",
        "created_at": made["created_at"],
        "expires_at": None,
        "last_used_at": None,
    }
    assert shell("token", "list", "--json").json == [made]
    with closing(sqlite3.connect(shell.store)) as connection:
        dump = "\n".join(connection.iterdump())
    assert "Склад" in dump
    assert text not in dump
    assert text.removeprefix("knp_") not in dump


def test_people_can_copy_the_token_from_a_line_of_its_own(shell: Shell) -> None:
    answer = shell("token", "add", "--name", "Склад")
    said, text = answer.out.splitlines()
    assert "1" in said
    assert text.startswith("knp_")
    listed = shell("token", "list").out
    assert "Склад" in listed
    assert text not in listed


def test_two_tokens_differ(shell: Shell) -> None:
    assert add(shell)["token"] != add(shell)["token"]


def test_a_token_holds_as_long_as_it_is_told(shell: Shell) -> None:
    made = add(shell, "--scope", "bots", "--days", "30")
    assert made["expires_at"] - made["created_at"] == 30 * 86_400


def test_a_removed_token_is_told_as_such(shell: Shell) -> None:
    kept, gone = add(shell)["id"], add(shell)["id"]
    assert shell("token", "remove", str(gone), "--json").json == {"removed": gone}
    states = {token["id"]: token["state"] for token in shell("token", "list", "--json").json}
    assert states == {kept: "active", gone: "removed"}


@pytest.mark.parametrize("number", ["1", "99"])
def test_a_token_that_is_not_there_is_not_removed(shell: Shell, number: str) -> None:
    shell("token", "remove", add(shell)["id"])
    answer = shell("token", "remove", number)
    assert (answer.code, answer.out) == (1, "")
    assert "knopka token list" in answer.err


def test_without_tokens_the_list_says_how_to_make_one(shell: Shell) -> None:
    assert "knopka token add" in shell("token", "list").out
    assert shell("token", "list", "--json").json == []


def test_the_secret_for_called_services_stays_until_the_servers_key_is_another(shell: Shell) -> None:
    secret = shell("token", "secret", "--json").json["secret"]
    assert len(secret) == 128
    assert shell("token", "secret").out == f"{secret}\n"
    other = shell("token", "secret", KNOPKA_SECRET_KEY="another key of thirty-two letters").out
    assert other.strip() != secret


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((), "--name"),
        (("--name", ""), "name"),
        (("--name", "x" * 300), "name"),
        (("--name", "a", "--scope", "leads"), "bots"),
        (("--name", "a", "--days", "0"), "3650"),
        (("--name", "a", "--days", "3651"), "3650"),
        (("--name", "a", "--days", "soon"), "--days"),
    ],
)
def test_what_cannot_be_taken_is_named(shell: Shell, options: tuple[str, ...], named: str) -> None:
    answer = shell("token", "add", *options)
    assert (answer.code, answer.out) == (2, "")
    assert named in answer.err
    assert shell("token", "list", "--json").json == []


def test_a_hundred_tokens_are_enough(shell: Shell) -> None:
    numbers = [add(shell)["id"] for _ in range(100)]
    answer = shell("token", "add", "--name", "one more")
    assert answer.code == 1
    assert "100" in answer.err
    shell("token", "remove", numbers[0])
    assert add(shell)["state"] == "active"
