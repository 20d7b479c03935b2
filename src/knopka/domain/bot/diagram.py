"""A script as a drawing: its steps, and the arrows by which a run goes from one to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from knopka.domain.bot.flow import every_handler
from knopka.domain.bot.naming import name_handler
from knopka.domain.bot.script import (
    Block,
    Buttons,
    Choice,
    Filter,
    FindDouble,
    Goto,
    Handler,
    Handover,
    Http,
    If,
    Place,
    Script,
    SendExternal,
    Show,
    Step,
    Stop,
    Validate,
    WaitAnswer,
    WaitFor,
)
from knopka.domain.text import excerpt

Reason = Literal["answer", "pattern", "else", "yes", "no", "found", "ok", "error", "undelivered", "timeout"]


@dataclass(frozen=True, slots=True)
class Label:
    """Why an arrow is gone: a branch by its kind, and of an answer what it is."""

    reason: Reason
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step, or the list `error`, whose step is None."""

    step: int | None
    line: int | None
    says: str
    """The first thing that it says."""
    handlers: tuple[str, ...]
    """What it does, each kind once, in the script's order."""
    asks: bool
    """An answer is waited for here."""
    ends: bool
    """A handler of it ends the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    source: int | None
    to: int
    block: Block
    """The part of the step that it leads to."""
    waits: bool
    """Gone with the visitor's next answer."""
    labels: tuple[Label, ...]
    """From the outermost branch to the innermost."""
    line: int


@dataclass(frozen=True, slots=True)
class Diagram:
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]


def draw(script: Script) -> Diagram:
    """The drawing of a script: steps in their order, `error` last if there is one."""
    nodes = [_draw_step(number, step) for number, step in script.steps.items()]
    arrows = [
        arrow
        for number, step in script.steps.items()
        for block in Block
        for arrow in _arrows(number, step.handlers(block))
    ]
    if script.error:
        nodes.append(_draw_list(None, script.error, asks=False))
        arrows += _arrows(None, script.error)
    return Diagram(tuple(nodes), tuple(arrows))


def _draw_step(number: int, step: Step) -> Node:
    return _draw_list(number, [*step.question, *step.answer, *step.finish], asks=bool(step.answer))


def _draw_list(number: int | None, handlers: Iterable[Handler], *, asks: bool) -> Node:
    every = list(every_handler(handlers))
    said = next((handler.value for handler in every if isinstance(handler, Show)), "")
    return Node(
        step=number,
        line=every[0].at.line if every else None,
        says=excerpt(said) if said else "",
        handlers=tuple(dict.fromkeys(map(name_handler, every))),
        asks=asks,
        ends=any(isinstance(handler, (Stop, Handover)) for handler in every),
    )


def _arrows(
    source: int | None, handlers: Iterable[Handler], labels: tuple[Label, ...] = ()
) -> Iterator[Arrow]:
    for handler in handlers:
        match handler:
            case Goto(at=at, block=block, step=step):
                yield _arrow(source, step, block, at, labels, waits=False)
            case WaitAnswer(at=at, block=block, step=step) | WaitFor(at=at, block=block, step=step):
                yield _arrow(source, step, block, at, labels, waits=True)
            case _:
                pass
        for label, inner in _branches(handler):
            yield from _arrows(source, inner, (*labels, label))


def _arrow(
    source: int | None, to: int, block: Block, at: Place, labels: tuple[Label, ...], *, waits: bool
) -> Arrow:
    return Arrow(source=source, to=to, block=block, waits=waits, labels=labels, line=at.line)


def _branches(handler: Handler) -> Iterator[tuple[Label, tuple[Handler, ...]]]:
    """The lists inside a handler, each with the reason for which it is taken."""
    match handler:
        case Buttons(choices=choices):
            for choice in choices:
                yield _label(choice), choice.handlers
        case If(result=result, otherwise=otherwise) | Validate(result=result, otherwise=otherwise):
            yield Label("yes"), result
            yield Label("no"), otherwise
        case FindDouble(actions=actions) | Filter(actions=actions):
            yield Label("found"), actions
        case SendExternal(on_error=on_error):
            yield Label("undelivered"), on_error
        case WaitFor(timeout=timeout):
            yield Label("timeout"), timeout
        case Http(result=result, error=error):
            yield Label("ok"), result
            yield Label("error"), error
        case _:
            pass


def _label(choice: Choice) -> Label:
    if choice.pattern is not None:
        return Label("pattern", choice.pattern.literal)
    return Label("else") if choice.value is None else Label("answer", choice.value)
