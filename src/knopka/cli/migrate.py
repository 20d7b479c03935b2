"""`knopka migrate`: makes the store, or brings it to this release."""

from __future__ import annotations

import click

from knopka.cli.output import json_option, print_json
from knopka.cli.store import read_settings
from knopka.db.migrate import migrate as bring_to_this_release


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Make the store or bring it to this release; on SQLite a backup is made first."""
    report = bring_to_this_release(read_settings().store_url)
    backup = str(report.backup) if report.backup else None
    if as_json:
        print_json({"before": report.before, "after": report.after, "backup": backup})
    elif report.before == report.after:
        click.echo(f"The store is at revision {report.after} already.")
    else:
        click.echo(
            f"The store was {f'at {report.before}' if report.before else 'new'} and is at {report.after} now."
        )
        if backup:
            click.echo(f"The store as it was before: {backup}")
