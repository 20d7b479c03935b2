"""A bare `websockets` server: what its one speaker says, all others are sent."""

from __future__ import annotations

import asyncio
import json

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from knopka.web.server import raise_file_limit

SOCKETS = 10_000
SPEAKER = "/speak"
listeners: set[ServerConnection] = set()


async def handle(socket: ServerConnection) -> None:
    """Hold the socket; what the speaker says is passed on to all the others."""
    assert socket.request is not None
    if socket.request.path == SPEAKER:
        async for text in socket:
            broadcast(listeners, text)
        return
    listeners.add(socket)
    try:
        await socket.wait_closed()
    finally:
        listeners.discard(socket)


async def main() -> None:
    raise_file_limit(SOCKETS)
    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"url": f"http://127.0.0.1:{port}"}))
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
