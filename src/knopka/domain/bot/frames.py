"""From a path in a run's state to the list of handlers that it names, and back."""

from __future__ import annotations

from knopka.domain.bot.script import (
    Block,
    Buttons,
    Filter,
    FindDouble,
    Handler,
    Http,
    If,
    Script,
    SendExternal,
    Validate,
    WaitFor,
)

Path = tuple[str | int, ...]
_BLOCKS = frozenset(Block)


class Running:
    """One list that a run is inside of. `index` is the next handler's."""

    __slots__ = ("handlers", "index", "path")

    def __init__(self, path: Path, handlers: tuple[Handler, ...], index: int) -> None:
        self.path = path
        self.handlers = handlers
        self.index = index


def resolve(script: Script, path: Path) -> tuple[Handler, ...] | None:
    """The list at a path (`Frame`), or None where the script has no such place."""
    match path:
        case ("error", *rest):
            handlers: tuple[Handler, ...] | None = script.error
        case (int() as number, str() as block, *rest) if number in script.steps and block in _BLOCKS:
            handlers = script.steps[number].handlers(Block(block))
        case _:
            return None
    while rest and handlers is not None:
        match rest:
            case (int() as index, name, *rest) if 0 <= index < len(handlers):
                handlers = inside(handlers[index], name)
            case _:
                return None
    return handlers


def inside(handler: Handler, name: str | int) -> tuple[Handler, ...] | None:
    """A handler's own list: by its name, or in `buttons` by the choice's number."""
    match handler, name:
        case Buttons(), int() if 0 <= name < len(handler.choices):
            return handler.choices[name].handlers
        case ((If() | Validate() | Http()), "result"):
            return handler.result
        case ((If() | Validate()), "otherwise"):
            return handler.otherwise
        case ((FindDouble() | Filter()), "actions"):
            return handler.actions
        case WaitFor(), "timeout":
            return handler.timeout
        case Http(), "error":
            return handler.error
        case SendExternal(), "on_error":
            return handler.on_error
        case _:
            return None
