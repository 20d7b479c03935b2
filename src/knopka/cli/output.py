"""How the commands speak: JSON for machines, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

ID = click.IntRange(1, 2**53)
"""The id of a row; longer numbers are no store's."""
UNBOUND = 100_000
"""Wider than any row."""

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Give a command its --json, told to it as `as_json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
    return option(command)


def print_json(value: Any) -> None:
    """One value on one line of stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table, or the sentence that says why there is none. Cells are plain text, never markup.

    A long cell is folded, never cut; into a file or a pipe every row is one line.
    """
    lines = [[Text(str(cell)) for cell in row] for row in rows]
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
