"""`knopka button`: the buttons that stand on pages."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import click

from knopka.cli import store
from knopka.cli.output import json_option, print_json, print_table
from knopka.domain.catalog import SourceDraft, parse_origin
from knopka.domain.errors import InvalidInput, NotFound
from knopka.domain.snippet import parse_snippet, render_snippet
from knopka.domain.visitor import Identity, Source, WindowMode
from knopka.services.catalog import add_source, load_catalog

Command = Callable[..., Any]

MAX_SNIPPET_BYTES = 64 * 1024


class Origin(click.ParamType[str]):
    """`https://host[:port]`, as browsers write it."""

    name = "origin"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_origin(value)
        except InvalidInput:
            self.fail(
                f"{value!r} is not an origin such as https://shop.example.com (http for this machine alone)"
            )


class Locale(click.ParamType[str]):
    """A language such as `ru` or `en`."""

    name = "locale"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", value):
            self.fail(f"{value!r} is not a language such as ru, en or pt-BR")
        return value


origin_option = click.option(
    "--origin", "origins", type=Origin(), multiple=True, metavar="https://HOST[:PORT]",
    help="An origin on whose pages the button may stand; repeat it for more.",
)  # fmt: skip

window_option = click.option(
    "--window", type=click.Choice([mode.value for mode in WindowMode]), default=WindowMode.LATER.value,
    show_default=True, help="Which of the two deadlines ends the 24 hours: the later, or the earlier one.",
)  # fmt: skip


def identity_option(default: Identity) -> Callable[[Command], Command]:
    """How far the user id that a page gives is believed."""
    return click.option(
        "--identity", type=click.Choice([identity.value for identity in Identity]), default=default.value,
        show_default=True, help="Whether a page's user id is taken as it is, taken when signed, or left out.",
    )  # fmt: skip


@click.group()
def button() -> None:
    """Buttons, and the snippets that put them on pages."""


@button.command()
@click.option("--name", required=True, help="How operators see it.")
@origin_option
@click.option("--locale", type=Locale(), default="en", show_default=True, help="The language of the chat.")
@click.option("--inline", is_flag=True, help="Show the channels in a row instead of one round button.")
@window_option
@identity_option(Identity.SIGNED)
@json_option
def add(
    name: str, origins: tuple[str, ...], locale: str, inline: bool, window: str, identity: str, as_json: bool
) -> None:  # fmt: skip
    """Add a button and print the snippet for the pages."""
    if not origins:
        raise click.UsageError("A button stands somewhere: give --origin https://host[:port] at least once.")
    base_url = _read_base_url()
    draft = SourceDraft(
        name=name, origins=origins, locale=locale, inline=inline, identity=Identity(identity),
        window_mode=WindowMode(window),
    )  # fmt: skip
    _print_added(store.write(add_source, draft, key=("catalog",)), base_url, as_json=as_json)


@button.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the buttons."""
    sources = store.read(load_catalog).sources.values()
    if as_json:
        print_json([_describe(source) for source in sources])
        return
    rows = [(s.public_id, s.name, s.locale, s.identity.value, " ".join(s.origins)) for s in sources]
    print_table(
        ("Id", "Name", "Locale", "Identity", "Origins"), rows, empty="No buttons yet: knopka button add"
    )


@button.command()
@click.argument("button_id", metavar="ID")
@json_option
def snippet(button_id: str, as_json: bool) -> None:
    """Print the snippet of a button once more."""
    base_url = _read_base_url()
    source = store.read(load_catalog).sources.get(button_id)
    if source is None:
        raise NotFound(f"There is no button {button_id!r}; `knopka button list` shows them all.")
    if as_json:
        print_json(_describe_with_snippet(source, base_url))
    else:
        click.echo(_snippet(source, base_url))


@button.command("import")
@click.argument("file", type=click.File("rb"), default="-")
@origin_option
@click.option("--name", help="How operators see it; the id when left out.")
@window_option
@identity_option(Identity.PLAIN)
@json_option
def import_command(
    file: BinaryIO, origins: tuple[str, ...], name: str | None, window: str, identity: str, as_json: bool
) -> None:  # fmt: skip
    """Take over an amoCRM or Kommo button from its snippet in FILE or on stdin, with its id and hash.

    The page then changes the script's host and nothing else. Unless --identity says otherwise,
    unsigned user ids are taken as amoCRM takes them; `knopka check` says what that means. At most
    64 KiB are read.
    """
    base_url = _read_base_url()
    found = parse_snippet(_read_text(file))
    draft = SourceDraft(
        name=f"amoCRM {found.public_id}" if name is None else name,
        origins=origins or _ask_origins(file),
        locale=found.locale,
        inline=found.inline,
        identity=Identity(identity),
        window_mode=WindowMode(window),
        public_id=found.public_id,
        hash=found.hash,
    )
    _print_added(store.write(add_source, draft, key=("catalog",)), base_url, as_json=as_json)


def _read_text(file: BinaryIO) -> str:
    body = file.read(MAX_SNIPPET_BYTES + 1)
    if len(body) > MAX_SNIPPET_BYTES:
        raise click.UsageError(
            f"The file has more than {MAX_SNIPPET_BYTES // 1024} KiB, which is all that is read: "
            "give the snippet alone."
        )
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"The file is not UTF-8 text: {error.reason} at byte {error.start}."
        ) from error


def _ask_origins(file: BinaryIO) -> tuple[str, ...]:
    """A snippet does not say where it stands."""
    if file is sys.stdin.buffer or not sys.stdin.isatty():
        raise click.UsageError(
            "A snippet does not say on which site it stands: give --origin https://host[:port]."
        )
    question = "On which site does it stand (https://host[:port])"
    answer: str = click.prompt(question, value_proc=lambda text: Origin().convert(text, None, None), err=True)
    return (answer,)


def _print_added(source: Source, base_url: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_describe_with_snippet(source, base_url))
        return
    click.echo(f"Added the button {source.public_id} for {', '.join(source.origins)}. Its snippet:\n")
    click.echo(_snippet(source, base_url))


def _describe(source: Source) -> dict[str, object]:
    return {
        "id": source.public_id,
        "hash": source.hash,
        "name": source.name,
        "origins": list(source.origins),
        "locale": source.locale,
        "inline": source.inline,
        "color": source.color,
        "identity": source.identity.value,
        "window": source.window_mode.value,
        "is_enabled": source.is_enabled,
    }


def _describe_with_snippet(source: Source, base_url: str) -> dict[str, object]:
    described = {"id": source.public_id, "hash": source.hash, "origins": list(source.origins)}
    return {**described, "snippet": _snippet(source, base_url)}


def _snippet(source: Source, base_url: str) -> str:
    return render_snippet(base_url, source.public_id, source.hash, source.locale, inline=source.inline)


def _read_base_url() -> str:
    """Where the script will be loaded from; asked for before anything is written."""
    base_url = store.read_settings().base_url
    if not base_url:
        message = "The snippet names this server: set KNOPKA_BASE_URL to where browsers reach it, such as "
        raise click.UsageError(message + "https://chat.example.com.")
    return base_url
