"""The same server with no store behind setMeta and webhooks; with `--keep`, with its store and no worker."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Hashable
from typing import Any

import uvloop

from knopka.app import build_server, open_house
from knopka.domain.verdicts import PathVerdict, Verdict
from knopka.services.journal import CallVerdicts, Recorded, record_meta
from knopka.services.updates import Accepted, accept_updates
from knopka.settings import Settings
from knopka.web.server import bind


def answer_from_memory(database: Any) -> None:
    """Let the database take setMeta calls and messengers' events without keeping them."""
    write = database.write

    async def take(use_case: Callable[..., Any], *args: Any, key: Hashable, **kwargs: Any) -> Any:
        if use_case is accept_updates:
            return Accepted(new=len(args[1]), unknown=0)
        if use_case is not record_meta:
            return await write(use_case, *args, key=key, **kwargs)
        calls = args[3]
        return Recorded(
            tuple(
                CallVerdicts(call.key, tuple(PathVerdict(path, Verdict.WAITING) for path in call.meta.paths))
                for call in calls
            ),
            None,
        )

    database.write = take


async def main() -> None:
    settings = Settings.from_env(os.environ)
    listener = bind("127.0.0.1", 0)
    house = await open_house(settings)
    if "--keep" not in sys.argv:
        answer_from_memory(house.database)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = build_server(house, on_started=lambda: print(json.dumps({"url": url})), handles_signals=True)
    try:
        await server.serve(sockets=[listener])
    finally:
        await house.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
