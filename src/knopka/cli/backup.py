"""`knopka backup`: a whole copy of the store, while the server runs."""

from __future__ import annotations

from pathlib import Path

import click

from knopka.cli.output import json_option, print_json
from knopka.cli.store import read_settings
from knopka.services.backup import back_up


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Write a whole, checked copy of the store to FILE, which must not exist yet."""
    made = back_up(read_settings().store_url, file)
    if as_json:
        print_json({"file": str(made.file), "bytes": made.bytes, "kind": made.kind})
        return
    click.echo(
        f"Wrote {made.file}: {made.bytes:,} bytes, checked. Keep the key file as well (docs/operations.md)."
    )
