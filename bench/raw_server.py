"""The least a server can do: one raw ASGI endpoint that reads a body and answers, under our server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import uvloop

from knopka.web.server import Config, Deadlines, Gate, Server, bind

ANSWER = json.dumps(
    {"calls": [{"key": "key", "verdicts": [{"path": "note", "verdict": "noted"}] * 5}]}
).encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


async def main() -> None:
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    gate = Gate(10_000, 10_000, lambda _address: True)
    server = Server(
        Config(app, gate, Deadlines()),
        on_started=lambda: print(json.dumps({"url": url})),
        handles_signals=True,
    )
    await server.serve(sockets=[listener])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
