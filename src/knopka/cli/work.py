"""`knopka work`: the jobs alone, beside servers that leave them to it."""

from __future__ import annotations

import click

from knopka import app
from knopka.cli.output import json_option, print_json
from knopka.cli.store import read_settings


@click.command()
@json_option
def work(as_json: bool) -> None:
    """Run the jobs until told to stop, beside `knopka serve --no-work`. PostgreSQL only."""
    settings = read_settings()
    if settings.store_url.startswith("sqlite:"):
        raise click.UsageError("On SQLite the server itself runs the jobs; `knopka work` needs PostgreSQL.")
    if as_json:
        print_json({"state": "working"})
    else:
        click.echo("Working on the jobs. Stop it with Ctrl-C.")
    app.work(settings)
