"""`knopka lead`: the cards."""

from __future__ import annotations

from typing import Any

import click

from knopka.cli import store
from knopka.cli.output import json_option, print_json, print_table, say_time
from knopka.db.database import Transaction
from knopka.services.cards import list_leads, read_card
from knopka.services.catalog import load_catalog
from knopka.services.shapes import lead_show


@click.group()
def lead() -> None:
    """Leads and the contacts that belong to them."""


@lead.command("list")
@click.option("--limit", type=click.IntRange(1, 250), default=50, show_default=True)
@click.option("--before", "before_id", type=click.IntRange(min=1), help="Only leads older than this one.")
@json_option
def list_command(limit: int, before_id: int | None, as_json: bool) -> None:
    """List leads, newest first."""
    leads = store.read(_list, before_id, limit)
    if as_json:
        print_json(leads)
        return
    rows = [
        (
            lead["id"],
            lead["name"],
            lead["price"],
            lead["unsorted"]["status"] if lead["unsorted"] else "",
            say_time(lead["created_at"]),
        )
        for lead in leads
    ]
    print_table(("Id", "Name", "Price", "Unsorted", "Created"), rows, empty="There are no leads yet.")


@lead.command()
@click.argument("lead_id", metavar="ID", type=click.IntRange(min=1))
@json_option
def show(lead_id: int, as_json: bool) -> None:
    """Show a lead, its contact, their notes and what the site sent."""
    card = store.read(_show, lead_id)
    if as_json:
        print_json(card)
        return
