"""`knopka journal`: what pages sent, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from knopka.cli import store
from knopka.cli.output import ID, json_option, print_json, print_table, say_time
from knopka.services.journal import JournalEntry, list_journal
from knopka.services.shapes import journal_line

PAGE = 500


@click.command()
@click.option("--visit", help="A visit id, or the 16 digits that stand for it in the journal.")
@click.option("--lead", "lead_id", type=ID, help="Only what reached this lead's cards.")
@click.option(
    "--after", "after_id", type=click.IntRange(0, 2**53), default=0, help="Only what came after this id."
)
@click.option("--limit", type=click.IntRange(min=1), help="No more than this many calls.")
@json_option
def journal(
    visit: str | None, lead_id: int | None, after_id: int, limit: int | None, as_json: bool
) -> None:  # fmt: skip
    """Show setMeta calls in the order in which they came, unchanged, each path with its verdict."""
    entries = islice(_read_all(visit, lead_id, after_id), limit)
    if as_json:
        for entry in entries:
            print_json(journal_line(entry))
        return
    rows = [row for entry in entries for row in _rows(journal_line(entry))]
    columns = ("Id", "At", "Visit", "Lead", "Path", "Verdict", "Reason")
    print_table(columns, rows, empty="No page has called setMeta yet.")


def _read_all(visit: str | None, lead_id: int | None, after_id: int) -> Iterator[JournalEntry]:
    """Page by page, so that a long journal needs little memory."""
    entries: list[JournalEntry] | None = None
    while entries is None or len(entries) == PAGE:
        entries = store.read(list_journal, visit=visit, lead_id=lead_id, after_id=after_id, limit=PAGE)
        yield from entries
        after_id = entries[-1].id if entries else after_id


def _rows(line: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    for item in line["verdicts"]:
        lead = line["lead_id"] or ""
        reason = item["reason"] or ""
        yield line["id"], say_time(line["at"]), line["visit"], lead, item["path"], item["verdict"], reason
