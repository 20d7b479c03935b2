"""How the commands speak: JSON for machines, tables for people."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

ID = click.IntRange(1, 2**53)
"""The id of a row; longer numbers are no store's."""
_JOINERS = "\u200c\u200d"
"""Persian words and many emoji are written with them."""
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Beside those that JSON escapes by itself."""
UNBOUND = 100_000
"""Wider than any row."""

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Give a command its --json, told to it as `as_json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
    return option(command)


def print_json(value: Any) -> None:
    """One value on one line of stdout; what a terminal obeys is written as an escape of JSON's."""
    click.echo(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False)))


def print_line(text: str) -> None:
    """A sentence in which outside text may stand."""
    click.echo(plain(text))


def plain(text: str) -> str:
    """The text with everything that a terminal obeys, or that turns or hides what is near, as an escape."""
    return text if text.isprintable() else "".join(map(_show, text))


def _show(char: str) -> str:
    is_kept = char in _JOINERS or (unicodedata.category(char)[0] != "C" and char not in "\u2028\u2029")
    return char if is_kept else char.encode("unicode_escape").decode()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table, or the sentence that says why there is none. Cells are plain text, never markup.

    A long cell is folded, never cut; into a file or a pipe every row is one line.
    """
    lines = [[Text(plain(str(cell))) for cell in row] for row in rows]
    if not lines:
        click.echo(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*line)
    Console(width=None if sys.stdout.isatty() else UNBOUND).print(table)


def say_time(seconds: int | None) -> str:
    """A moment of API v4 in words, in UTC so that two machines print the same."""
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
