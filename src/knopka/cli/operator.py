"""`knopka operator`: who answers."""

from __future__ import annotations

import secrets
import sys

import click

from knopka.cli import store
from knopka.cli.output import json_option, print_json, print_line
from knopka.services.operators import add_operator, parse_login
from knopka.services.passwords import check_new_password, hash_password

# Without 0 and o, 1 and l: a generated password is read from a screen and typed.
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


@click.group()
def operator() -> None:
    """Operators, who sign in to the inbox and answer."""


@operator.command()
@click.argument("login")
@click.option("--name", help="What visitors see; the login when left out.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
@click.option("--generate", is_flag=True, help="Make a password and print it, once.")
@json_option
def add(login: str, name: str | None, password_stdin: bool, generate: bool, as_json: bool) -> None:
    """Add an operator. The password is asked for, read from stdin or generated; never an argument."""
    login = parse_login(login)
    password = _choose_password(from_stdin=password_stdin, generate=generate)
    check_new_password(password, login)
    added = store.write(add_operator, login, name or login, hash_password(password), key=("operator", login))
    if as_json:
        made = {"password": password} if generate else {}
        print_json({"id": added.id, "login": added.login, "name": added.name, **made})
        return
    print_line(f"Added {added.login} ({added.name}).")
    if generate:
        click.echo(f"Password, shown this once: {password}")


def make_password() -> str:
    """80 random bits in four groups."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))


def _choose_password(*, from_stdin: bool, generate: bool) -> str:
    if from_stdin and generate:
        raise click.UsageError("--password-stdin and --generate exclude each other.")
    if generate:
        return make_password()
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: give --password-stdin or --generate.")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return answer
