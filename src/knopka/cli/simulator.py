"""`knopka simulator`: stand-ins of the messengers' servers, to try everything without internet."""

from __future__ import annotations

import asyncio
import signal

import click

from knopka.cli.output import json_option, print_json
from knopka.simulator.run import run_simulator

APIS = {"TELEGRAM": "/telegram", "GRAPH": "/graph", "VIBER": "/viber", "VK": "/vk"}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8090, show_default=True,
    help="The port; 0 lets the system choose.",
)  # fmt: skip
@click.option(
    "--pace", type=click.FloatRange(0.0, 10.0), default=1.0, show_default=True,
    help="How long the platforms' pauses are: 1 as in reality, 0.01 a hundredth of it.",
)  # fmt: skip
@json_option
def simulator(host: str, port: int, pace: float, as_json: bool) -> None:
    """Run the simulator of the four messengers until it is told to stop."""
    asyncio.run(_run(host, port, pace, as_json=as_json))


async def _run(host: str, port: int, pace: float, *, as_json: bool) -> None:
    server = await run_simulator(host, port, pace=pace)
    settings = {f"KNOPKA_{name}_API": server.url + path for name, path in APIS.items()}
    if as_json:
        print_json({"url": server.url, "settings": settings})
    else:
        click.echo(f"The simulator answers at {server.url}. Have knopka use it by these settings:\n")
        for name, value in settings.items():
            click.echo(f"  {name}={value}")
        click.echo()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop()
