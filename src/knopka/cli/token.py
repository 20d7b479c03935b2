"""`knopka token`: what integrators call the API with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from knopka.cli import store
from knopka.cli.output import ID, json_option, print_json, print_line, print_table, say_time
from knopka.db.clock import to_ms
from knopka.domain.api_tokens import ApiToken, Scope
from knopka.services import api_tokens
from knopka.services.bot_signing import Signer
from knopka.services.catalog import ACCOUNT

SCOPES = click.Choice([scope.value for scope in Scope])
DAYS = click.IntRange(1, 3650)


@click.group()
def token() -> None:
    """Tokens, with which integrators call the API."""


@token.command()
@click.option("--name", required=True, help="Who will use it.")
@click.option("--scope", "scopes", type=SCOPES, multiple=True, help="What it opens; everything if left out.")
@click.option("--days", type=DAYS, help="How long it holds; until it is removed if left out.")
@json_option
def add(name: str, scopes: tuple[str, ...], days: int | None, as_json: bool) -> None:
    """Make a token and print it, once."""
    made = store.write(
        api_tokens.add_token,
        name,
        frozenset(map(Scope, scopes)) or frozenset(Scope),
        lifetime=None if days is None else timedelta(days=days),
        key=("tokens",),
    )
    if as_json:
        print_json({**_describe(made.token), "token": made.text})
        return
    print_line(f"Token {made.token.id} of {made.token.name}, shown this once:")
    click.echo(made.text)


@token.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the tokens with when each was used; never the tokens themselves."""
    tokens = store.read(api_tokens.list_tokens)
    if as_json:
        print_json([_describe(token) for token in tokens])
        return
    rows = [
        (
            token.id,
            token.name,
            " ".join(sorted(token.scopes)),
            _state(token),
            say_time(_seconds(token.created_at)),
            say_time(_seconds(token.last_used_at)),
        )
        for token in tokens
    ]
    columns = ("Id", "Name", "Opens", "State", "Made", "Last used")
    print_table(columns, rows, empty="No tokens yet: knopka token add --name NAME")


@token.command()
@click.argument("token_id", type=ID, metavar="ID")
@json_option
def remove(token_id: int, as_json: bool) -> None:
    """Let a token open nothing any more, from the next call on."""
    store.write(api_tokens.remove_token, token_id, key=("tokens",))
    if as_json:
        print_json({"removed": token_id})
    else:
        print_line(f"Token {token_id} opens nothing any more.")


@token.command()
@json_option
def secret(as_json: bool) -> None:
    """Print what a service that a bot calls checks the call's token with."""
    from knopka.app import read_secret_key  # late: the other commands need no server

    settings = store.read_settings()
    signer = Signer(read_secret_key(settings), ACCOUNT, settings.base_url)
    if as_json:
        print_json({"secret": signer.widget_secret})
    else:
        click.echo(signer.widget_secret)


def _describe(token: ApiToken) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "state": _state(token),
        "created_at": _seconds(token.created_at),
        "expires_at": _seconds(token.expires_at),
        "last_used_at": _seconds(token.last_used_at),
    }


def _state(token: ApiToken) -> str:
    if token.revoked_at is not None:
        return "removed"
    return "active" if token.holds(datetime.now(UTC)) else "expired"


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment) // 1000
