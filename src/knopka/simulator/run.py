"""Runs the simulator on a port of its own, beside whatever else the process does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from knopka.simulator.app import SimulatorApp, build_simulator
from knopka.simulator.asgi import ABORT
from knopka.simulator.simulator import Simulator


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which also lets the application end a connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[Any, Any] = {ABORT: self.transport.abort}
        cast("dict[str, Any]", self.scope)["extensions"] = extensions


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves the signals to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class SimulatorServer:
    """A simulator with its own listening socket. `url` is known at once, `start` opens the doors."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, pace: float = 1.0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._listener.getsockname()[1]}"
        self._pace = pace
        self._app: SimulatorApp | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def simulator(self) -> Simulator:
        if self._app is None:
            raise RuntimeError("The simulator has not been started.")
        return self._app.simulator

    async def start(self) -> None:
        """Begin to answer; returns when it does."""
        self._app = build_simulator(self.url, pace=self._pace)
        config = uvicorn.Config(
            cast("Any", self._app),
            http=_Protocol,
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([self._listener]))

    async def stop(self) -> None:
        """Close every connection and forget everything."""
        if self._app is not None and self._server is not None and self._serving is not None:
            await self._app.simulator.close()
            self._server.should_exit = True
            await self._serving
        self._listener.close()


async def run_simulator(host: str = "127.0.0.1", port: int = 0, *, pace: float = 1.0) -> SimulatorServer:
    """Start a simulator in this event loop and give it; whoever starts it stops it."""
    server = SimulatorServer(host, port, pace=pace)
    await server.start()
    return server
