"""`knopka lead`: the cards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from knopka.cli import store
from knopka.cli.output import ID, json_option, print_json, print_table, say_time
from knopka.db.database import Transaction
from knopka.services.cards import list_leads, read_card
from knopka.services.catalog import load_catalog
from knopka.services.shapes import lead_row, lead_show

Object = dict[str, Any]
Line = tuple[str, str]


@click.group()
def lead() -> None:
    """Leads and the contacts that belong to them."""


@lead.command("list")
@click.option("--limit", type=click.IntRange(1, 250), default=50, show_default=True)
@click.option("--before", "before_id", type=ID, help="Only leads older than this one.")
@json_option
def list_command(limit: int, before_id: int | None, as_json: bool) -> None:
    """List leads, newest first."""
    leads = store.read(_list, before_id, limit)
    if as_json:
        print_json(leads)
        return
    rows = [
        (lead["id"], lead["name"], lead["price"], _state(lead["unsorted"]), say_time(lead["created_at"]))
        for lead in leads
    ]
    print_table(("Id", "Name", "Price", "State", "Created"), rows, empty="There are no leads yet.")


@lead.command()
@click.argument("lead_id", metavar="ID", type=ID)
@json_option
def show(lead_id: int, as_json: bool) -> None:
    """Show a lead, its contact, their notes and what the site sent."""
    card = store.read(_show, lead_id)
    if as_json:
        print_json(card)
        return
    print_table(("Card", ""), _lines(card), empty="")
    rows = [
        (say_time(item["at"]), item["path"], item["verdict_name"], item["reason"] or "")
        for item in card["site_data"]
    ]
    click.echo()
    print_table(("At", "What the site sent", "Verdict", "Reason"), rows, empty="The site has sent nothing.")


def _list(tx: Transaction, before_id: int | None, limit: int) -> list[Object]:
    return [lead_row(row) for row in list_leads(tx, load_catalog(tx), before_id=before_id, limit=limit)]


def _show(tx: Transaction, lead_id: int) -> Object:
    card = lead_show(read_card(tx, load_catalog(tx), lead_id), "en")
    # The fields' names serve the inbox; `knopka field list` tells them.
    return {name: value for name, value in card.items() if name != "fields"}


def _lines(card: Object) -> Iterator[Line]:
    lead, contact = card["lead"], card["contact"]
    yield f"Lead {lead['id']}", lead["name"]
    yield "  price", str(lead["price"])
    yield from _values(lead)
    yield f"Contact {contact['id']}", contact["name"]
    yield from _values(contact)
    for note in card["notes"]:
        yield f"Note on the {note['entity_type']}", str(note["params"].get("text", ""))
    if card["unsorted"]:
        yield "State", card["unsorted"]["state"]
    if card["window"]:
        state = "open till" if card["window"]["is_open"] else "closed since"
        yield "The page may write", f"{state} {say_time(card['window']['closes_at'])}"


def _values(model: Object) -> Iterator[Line]:
    for field in model["custom_fields_values"] or []:
        texts = [str(item["value"]) for item in field["values"]]
        yield f"  {field['field_name']} ({field['field_id']})", ", ".join(texts)


def _state(unsorted: Object | None) -> str:
    return "" if unsorted is None else unsorted["status"]
