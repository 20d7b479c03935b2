"""A script played event by event, with a small store that tests fill as they like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from knopka.domain.bot import run
from knopka.domain.bot.effects import Effect, Note, Say, Trace
from knopka.domain.bot.limits import LIMITS, Limits
from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.script import Script
from knopka.domain.bot.state import Answered, Event, RunState, Started, TimerFired
from knopka.domain.bot.state_json import read_state, write_state

NOW = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)

_E = TypeVar("_E")


class Store:
    """Values by the marker's name: `{"lead.price": 10}`. `asked` are the paths in their order."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.values = dict(values or {})
        self.asked: list[tuple[str, ...]] = []

    def find(self, path: tuple[str, ...]) -> Any:
        self.asked.append(path)
        return self.values.get(".".join(path))


def load(script: Any) -> Script:
    return parse_script(json.dumps(script, ensure_ascii=False).encode())


def handler(name: str, /, **params: Any) -> dict[str, Any]:
    return {"handler": name, "params": params}


def action(name: str, /, **params: Any) -> dict[str, Any]:
    return handler("action", name=name, params=params)


def show(text: str, *buttons: str) -> dict[str, Any]:
    more = {"type": "buttons", "buttons": list(buttons)} if buttons else {"type": "text"}
    return {"handler": "show", "params": {"value": text, **more}}


def goto(step: int, block: str = "question") -> dict[str, Any]:
    return handler("goto", type=block, step=step)


class Play:
    """One run. After each event its state goes through JSON, as it does in the store."""

    def __init__(
        self,
        script: Any,
        values: Mapping[str, Any] | None = None,
        bot_params: Mapping[str, Any] | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.script = script if isinstance(script, Script) else load(script)
        self.store = Store(values)
        self.limits = limits
        self.now = NOW
        self.state = RunState(started_at=NOW, bot_params=bot_params or {})
        self.last: tuple[Effect, ...] = ()

    def start(self) -> Play:
        return self.feed(Started())

    def answer(self, text: str, **more: Any) -> Play:
        return self.feed(Answered(text=text, **more))

    def let_pass(self, span: timedelta) -> Play:
        """The time goes by, and the timer of the wait fires."""
        self.now += span
        return self.feed(TimerFired(self.wait))

    def feed(self, event: Event) -> Play:
        state, self.last = run(self.script, self.state, event, self.store, self.now, self.limits)
        assert read_state(write_state(state)) == state
        self.state = read_state(write_state(state))
        return self

    @property
    def wait(self) -> int:
        assert self.state.waiting is not None
        return self.state.waiting.number

    @property
    def said(self) -> list[str]:
        """What the last event made the bot say."""
        return [effect.text for effect in self.last if isinstance(effect, Say)]

    @property
    def done(self) -> list[Effect]:
        """The last event's effects without its log."""
        return [effect for effect in self.last if not isinstance(effect, Trace)]

    @property
    def notes(self) -> list[tuple[str, Note]]:
        """The last event's log: handler and note."""
        return [(effect.handler, effect.note) for effect in self.last if isinstance(effect, Trace)]

    def only(self, kind: type[_E]) -> _E:
        """The one effect of this kind."""
        (found,) = [effect for effect in self.last if isinstance(effect, kind)]
        return found

    def trace(self, name: str) -> Trace:
        """The first line of the log about this handler."""
        return next(effect for effect in self.last if isinstance(effect, Trace) and effect.handler == name)
