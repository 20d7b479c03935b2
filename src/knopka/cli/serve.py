"""`knopka serve`: the server of a real installation."""

from __future__ import annotations

import click

from knopka import app
from knopka.cli.output import json_option, print_json
from knopka.cli.store import read_settings


@click.command()
@click.option("--no-work", is_flag=True, help="Leave the jobs to `knopka work` (PostgreSQL only).")
@json_option
def serve(no_work: bool, as_json: bool) -> None:
    """Run the server until it is told to stop; on SQLite it makes and migrates its store itself."""
    settings = read_settings()
    if no_work and settings.store_url.startswith("sqlite:"):
        raise click.UsageError("--no-work needs PostgreSQL: on SQLite the server itself must run the jobs.")

    def announce(ready: app.Ready) -> None:
        if as_json:
            print_json({"url": ready.url, "inbox": ready.inbox, "setup_code": ready.setup_code})
            return
        click.echo(f"knopka answers at {ready.url}, operators at {ready.inbox}")
        if ready.setup_code:
            click.echo(f"There is no operator yet. Make the first one at {ready.inbox}/setup with the code")
            click.echo(f"    {ready.setup_code}")

    app.serve(settings, works=not no_work, on_ready=announce)
