"""`knopka journal`: what pages sent, and what became of it."""

from __future__ import annotations

import click

from knopka.cli import store
from knopka.cli.output import json_option, print_json, print_table, say_time
from knopka.services.journal import list_journal
from knopka.services.shapes import journal_line


@click.command()
@click.option("--visit", help="A visit id, or the 16 digits that stand for it in the journal.")
@click.option("--lead", "lead_id", type=click.IntRange(min=1), help="What reached this lead's cards.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--after", "after_id", type=click.IntRange(min=0), default=0, help="Only calls after this one.")
@json_option
def journal(visit: str | None, lead_id: int | None, limit: int, after_id: int, as_json: bool) -> None:
    """Show setMeta calls in the order they came, unchanged, each path with its verdict."""
    entries = store.read(list_journal, visit=visit, lead_id=lead_id, after_id=after_id, limit=limit)
    lines = [journal_line(entry) for entry in entries]
    if as_json:
        for line in lines:
            print_json(line)
        return
    rows = [
        (
            say_time(line["at"]),
            line["visit"],
            line["lead_id"] or "",
            item["path"],
            item["verdict"],
            item["reason"] or "",
        )
        for line in lines
        for item in line["verdicts"]
    ]
    print_table(
        ("At", "Visit", "Lead", "Path", "Verdict", "Reason"), rows, empty="No page has called setMeta yet."
    )
