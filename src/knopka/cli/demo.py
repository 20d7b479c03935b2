"""`knopka demo`: a shop with the button, its operator, and a clock that can be moved."""

from __future__ import annotations

import shutil
from dataclasses import replace

import click

from knopka import app
from knopka.cli.output import json_option, print_json
from knopka.cli.store import read_settings


@click.command()
@click.option("--fresh", is_flag=True, help="Empty the demo's folder first.")
@click.option("--host", help="The address to listen on; KNOPKA_HOST when left out.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 lets the system choose.")
@json_option
def demo(fresh: bool, host: str | None, port: int | None, as_json: bool) -> None:
    """Open the demo: it keeps its data in <data dir>/demo and touches nothing else."""
    settings = app.demo_settings(read_settings())
    if host is not None:
        settings = replace(settings, host=host)
    if port is not None:
        settings = replace(settings, port=port)
    if fresh and settings.data_dir.exists():
        shutil.rmtree(settings.data_dir)

    def announce(ready: app.Ready) -> None:
        if as_json:
            print_json(
                {
                    "url": ready.url,
                    "inbox": ready.inbox,
                    "demo_page": ready.demo_page,
                    "login": ready.login,
                    "password": ready.password,
                    "simulator": ready.simulator,
                }
            )
            return
        click.echo("The demo is ready. Stop it with Ctrl-C.\n")
        click.echo(f"  Demo page  {ready.demo_page}")
        click.echo(f"  Inbox      {ready.inbox}")
        click.echo(f"  Messengers {ready.simulator}")
        click.echo(f"  Login      {ready.login}")
        click.echo(f"  Password   {ready.password}\n")

    app.serve(settings, demo=True, on_ready=announce)
