"""The child of the kill test of the messengers: a whole server on the listening socket that it is handed.

It is set by the environment as `knopka serve` is, and says `ready` when it answers.
"""

from __future__ import annotations

import os
import socket
import sys
from datetime import timedelta

from knopka.app import build_server, configure_log, open_house, run
from knopka.services.jobs import WorkerLimits
from knopka.settings import Settings

LEASE = timedelta(seconds=2)
"""How long a delivery waits that a killed server had begun; a real server's is longer."""


def say_ready() -> None:
    os.write(1, b"ready\n")


async def main(listener: socket.socket) -> None:
    settings = Settings.from_env(os.environ)
    configure_log(settings.log_level)
    house = await open_house(settings, worker_limits=WorkerLimits(lease=LEASE))
    try:
        house.begin()
        await house.hub.wait_until_it_hears()
        server = build_server(house, on_started=say_ready, handles_signals=True)
        await server.serve(sockets=[listener])
    finally:
        await house.close()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as handed:
        run(main(handed))
