"""Operators from the command line: a password is never an argument and never stored."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from knopka.services.passwords import is_password
from tests.cli.conftest import Shell


def stored_hash(shell: Shell, login: str) -> str:
    with closing(sqlite3.connect(shell.store)) as connection:
        row = connection.execute("SELECT password_hash FROM operators WHERE login = ?", (login,)).fetchone()
    return str(row[0])


def test_a_password_comes_from_stdin(shell: Shell) -> None:
    added = shell(
        "operator", "add", "Anna", "--name", "Анна", "--password-stdin", "--json", stdin="a long secret\n"
    )
    assert added.json == {"id": 1, "login": "anna", "name": "Анна"}
    assert is_password(stored_hash(shell, "anna"), "a long secret")


def test_a_generated_password_is_printed_once_and_opens(shell: Shell) -> None:
    added = shell("operator", "add", "anna", "--generate", "--json").json
    assert is_password(stored_hash(shell, "anna"), added["password"])
    assert len(set(added["password"])) > 5


def test_generated_passwords_differ(shell: Shell) -> None:
    first, second = (
        shell("operator", "add", login, "--generate", "--json").json for login in ("anna", "boris")
    )
    assert first["password"] != second["password"]


def test_a_password_cannot_be_an_argument(shell: Shell) -> None:
    assert shell("operator", "add", "anna", "--password", "a long secret").code == 2
    assert shell("operator", "add", "anna", "a long secret").code == 2


def test_without_a_terminal_the_ways_to_give_a_password_are_named(shell: Shell) -> None:
    answer = shell("operator", "add", "anna")
    assert answer.code == 2
    assert "--password-stdin" in answer.err
    assert "--generate" in answer.err


def test_two_ways_at_once_are_refused(shell: Shell) -> None:
    assert shell("operator", "add", "anna", "--generate", "--password-stdin", stdin="a long secret").code == 2


@pytest.mark.parametrize(("password", "why"), [("hush", "8"), ("password123", "guessed"), ("", "8")])
def test_a_weak_password_is_refused_with_the_reason(shell: Shell, password: str, why: str) -> None:
    answer = shell("operator", "add", "anna", "--password-stdin", stdin=password)
    assert answer.code == 2
    assert why in answer.err
    assert password == "" or password not in answer.err


@pytest.mark.parametrize("login", ["", "a b", "<script>", "x" * 101])
def test_a_wrong_login_is_refused(shell: Shell, login: str) -> None:
    answer = shell("operator", "add", login, "--generate")
    assert answer.code == 2
    assert repr(login[:50])[:-1] in answer.err


def test_a_taken_login_is_named(shell: Shell) -> None:
    shell("operator", "add", "anna", "--generate")
    answer = shell("operator", "add", "ANNA", "--generate")
    assert (answer.code, answer.out) == (1, "")
    assert "'anna'" in answer.err
