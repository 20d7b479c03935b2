"""The simulator as one ASGI application: four platforms' APIs and its own page on one port."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from knopka.simulator.asgi import (
    MAX_BODY,
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    read_request,
    reply_json,
    send_reply,
)
from knopka.simulator.control import Control
from knopka.simulator.simulator import Simulator


class SimulatorApp:
    """Each platform under its own prefix, so that one setting sends a client here."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._control = Control(simulator)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = await read_request(scope, receive)
        if request is None:
            reply = reply_json(
                {"error": "too_large", "message": f"A body has at most {MAX_BODY} bytes."}, 413
            )
        elif not self._knows_host(request.headers.get("host", "")):
            reply = reply_json({"error": "wrong_host", "message": "The simulator has no such name."}, 421)
        else:
            reply = await self._answer(request)
        await send_reply(reply, scope, receive, send, self.simulator.world.closing)

    def _knows_host(self, host: str) -> bool:
        """Whether we are called by a name of our own; another may be a foreign page's (DNS rebinding)."""
        name = urlsplit(f"//{host}").hostname or ""
        if name in ("localhost", urlsplit(self.simulator.world.public_url).hostname):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name.endswith(".localhost")

    async def _answer(self, request: Request) -> Reply:
        head, _, rest = request.path.lstrip("/").partition("/")
        simulator = self.simulator
        match head:
            case "telegram" if rest.startswith("file/"):
                return simulator.telegram.download(rest.removeprefix("file/"))
            case "telegram":
                return await simulator.telegram.answer(request, rest)
            case "graph":
                return await simulator.messenger.answer(request, rest)
            case "viber":
                return await simulator.viber.answer(request, rest)
            case "vk":
                return await simulator.vk.answer(request, rest)
            case _:
                return await self._control.answer(request)


def build_simulator(public_url: str, *, pace: float = 1.0) -> SimulatorApp:
    """Make the application; `public_url` is where people and webhooks find it.

    Its `simulator` holds everything. Two of its faults end a connection without
    an answer, which takes the server of `run_simulator`; under another one
    they hold the connection until the client gives up.
    """
    return SimulatorApp(Simulator(public_url, pace=pace))
