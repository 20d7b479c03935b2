"""Where a script can go: steps that nothing leads to, and circles without a word of the visitor in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

from knopka.domain.bot.script import (
    Block,
    Buttons,
    Filter,
    FindDouble,
    Goto,
    Handler,
    Http,
    If,
    Pause,
    Place,
    SendExternal,
    Step,
    Validate,
    WaitAnswer,
    WaitFor,
    WidgetRequest,
)

MAX_CIRCLES: Final = 5
"""Further ones are left unsaid."""

_Spot = tuple[int, Block]


@dataclass(frozen=True, slots=True)
class _Way:
    """One way out of a list of handlers, and whether anything is waited for before it is taken."""

    to: _Spot
    at: Place
    waits: bool


def branches(handler: Handler) -> tuple[tuple[Handler, ...], ...]:
    """The lists of handlers inside a handler."""
    match handler:
        case Buttons():
            return tuple(choice.handlers for choice in handler.choices)
        case If() | Validate():
            return handler.result, handler.otherwise
        case FindDouble() | Filter():
            return (handler.actions,)
        case SendExternal():
            return (handler.on_error,)
        case WaitFor():
            return (handler.timeout,)
        case Http():
            return handler.result, handler.error
        case _:
            return ()


def every_handler(handlers: Iterable[Handler]) -> Iterator[Handler]:
    """These and all inside them."""
    for handler in handlers:
        yield handler
        for inner in branches(handler):
            yield from every_handler(inner)


def find_unreachable(steps: Mapping[int, Step], error: tuple[Handler, ...]) -> list[int]:
    """Steps that a run cannot come to. A service that continues a run may send it anywhere."""
    seen: set[_Spot] = set()
    waiting: list[_Spot] = [(0, Block.QUESTION), *(way.to for way in _ways(error))]
    while waiting:
        spot = waiting.pop()
        if spot in seen or spot[0] not in steps:
            continue
        seen.add(spot)
        handlers = steps[spot[0]].handlers(spot[1])
        if any(isinstance(handler, WidgetRequest) for handler in every_handler(handlers)):
            return []
        waiting += [way.to for way in _ways(handlers)]
        if spot[1] != Block.FINISH:
            waiting += [(spot[0], Block.ANSWER), (spot[0], Block.FINISH)]
    reached = {number for number, _ in seen}
    return [number for number in steps if number not in reached]


def find_circles(steps: Mapping[int, Step]) -> list[tuple[Place, list[int]]]:
    """Circles of `goto` in which nobody is waited for: the jump that closes each, and its steps."""
    ways = {
        (number, block): {way.to: way.at for way in reversed([*_ways(handlers)]) if not way.waits}
        for number, step in steps.items()
        for block in Block
        if (handlers := step.handlers(block))
    }
    found: list[tuple[Place, list[int]]] = []
    while len(found) < MAX_CIRCLES:
        try:
            TopologicalSorter(ways).prepare()
        except CycleError as error:
            circle: list[_Spot] = error.args[1]  # each is a way from the next one
            found.append((ways[circle[1]].pop(circle[0]), sorted({number for number, _ in circle})))
        else:
            break
    return found


def _ways(handlers: Iterable[Handler], waits: bool = False) -> Iterator[_Way]:
    for handler in handlers:
        match handler:
            case Goto():
                yield _Way((handler.step, handler.block), handler.at, waits)
            case WaitAnswer() | WaitFor():
                yield _Way((handler.step, handler.block), handler.at, True)
            case _:
                pass
        waits |= isinstance(handler, (WaitAnswer, WaitFor, Pause, Http, WidgetRequest))
        for inner in branches(handler):
            yield from _ways(inner, waits)
