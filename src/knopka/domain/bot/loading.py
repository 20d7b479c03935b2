"""A script's bytes to a Script: everything that is wrong with it told at once, each with its place."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from knopka.domain.bot.flow import find_circles, find_unreachable
from knopka.domain.bot.handlers import read_handlers
from knopka.domain.bot.places import Places
from knopka.domain.bot.reading import Findings, Spot, is_number_key
from knopka.domain.bot.references import Finding
from knopka.domain.bot.script import MAX_SCRIPT_BYTES, Block, Goto, Handler, Script, Show, Step
from knopka.domain.errors import Fault, InvalidInput, ScriptError, TooLarge
from knopka.domain.strict_json import read_json
from knopka.domain.text import excerpt

MAX_STEPS: Final = 1_000
MAX_DEPTH: Final = 64
MAX_NODES: Final = 20_000

_BLOCKS: Final = tuple(block.value for block in Block)


def parse_script(text: bytes) -> Script:
    """Read a script as amoCRM documents it. ScriptError tells every fault, at most 20."""
    value = _read_json(text)
    findings = Findings(Places(text.decode()))
    _warn_of_repeats(findings)
    root = Spot(value, "$", findings.places.root, findings)
    steps, blocks, error = _read_steps(root)
    if not findings.faults and not steps:
        root.refuse("empty_script", 'the script has no steps: [{"question": […], "answer": […]}]')
    elif steps and 0 not in steps:
        root.refuse("no_first_step", "there is no step 0: a run begins there")
    _check_jumps(findings, blocks)
    if findings.faults:
        raise ScriptError(*sorted(findings.faults, key=lambda fault: (fault.line or 0, fault.column or 0)))
    _warn_of_flow(findings, steps, error)
    return Script(steps, error, tuple(findings.warnings))


def _read_json(text: bytes) -> Any:
    """The JSON of a script; its faults get their lines here, where the text is known."""
    try:
        return read_json(
            text,
            max_bytes=MAX_SCRIPT_BYTES,
            max_depth=MAX_DEPTH,
            max_nodes=MAX_NODES,
            takes_last=True,
        )
    except TooLarge:
        message = f"the script has {len(text)} bytes, at most {MAX_SCRIPT_BYTES} are read"
        raise ScriptError(Fault("$", "too_large", message)) from None
    except InvalidInput as error:
        faults = error.faults
    if all(fault.line is None for fault in faults):
        places = Places(text.decode())
        found = [(places.find(fault.path), fault) for fault in faults]
        faults = tuple(
            Fault(fault.path, fault.code, fault.message, at.line, at.column) for at, fault in found
        )
    raise ScriptError(*faults)


def _warn_of_repeats(findings: Findings) -> None:
    """amoCRM's own page has a script with a key that stands twice; PHP takes the last one, and so do we."""
    for path, node in findings.places.repeats:
        message = "this key stands twice in one object: only this last one counts"
        findings.add(findings.places.place(path, node), Finding(False, "duplicate_key", message))


# --- Steps


_Blocks = Mapping[int, Collection[Block]]


def _read_steps(root: Spot) -> tuple[dict[int, Step], _Blocks, tuple[Handler, ...]]:
    """Steps by number, the blocks that each really has, and the handlers of `error`."""
    numbered, error = _list_steps(root)
    if len(numbered) > MAX_STEPS:
        root.refuse("too_many_steps", f"a script has at most {MAX_STEPS} steps, not {len(numbered)}")
        return {}, {}, ()
    steps: dict[int, Step] = {}
    blocks: dict[int, Collection[Block]] = {}
    for number, spot in numbered.items():
        if spot.expect_object():
            steps[number], blocks[number] = _read_step(spot)
    return steps, blocks, read_handlers(error)


def _list_steps(root: Spot) -> tuple[dict[int, Spot], Spot | None]:
    """An array of steps, or an object with their numbers for keys and `error` beside them."""
    match root.value:
        case list():
            return dict(enumerate(root.items())), None
        case dict():
            pass
        case _:
            root.refuse("not_a_script", "a script is an array of steps, or an object with keys 0, 1, 2 …")
            return {}, None
    numbered: dict[int, Spot] = {}
    error = None
    for key, spot in root.entries():
        if key == "error":
            error = spot
        elif is_number_key(key):
            numbered[int(key)] = spot
        else:
            spot.refuse(
                "bad_step_key",
                f"{excerpt(key)} is no number of a step: keys are 0, 1, 2 … and error",
                key,
                ["error"],
            )
    return dict(sorted(numbered.items())), error


def _read_step(spot: Spot) -> tuple[Step, Collection[Block]]:
    given = {block: spot.get(block.value) for block in Block}
    read = {block.value: read_handlers(handlers) for block, handlers in given.items()}
    for key, other in spot.entries():
        if key not in _BLOCKS:
            other.refuse(
                "unknown_block", f"a step has question, answer and finish, not {excerpt(key)}", key, _BLOCKS
            )
    return Step(**read), [block for block, handlers in given.items() if handlers is not None]


def _check_jumps(findings: Findings, blocks: _Blocks) -> None:
    for spot, block, step in findings.jumps:
        if step not in blocks:
            spot.refuse("no_such_step", f"there is no step {step}: {_name_steps(blocks)}")
        elif block not in blocks[step]:
            spot.refuse("no_such_block", f"step {step} has no {block.value}")


def _name_steps(blocks: _Blocks) -> str:
    numbers = sorted(blocks)
    if len(numbers) > 10:
        return f"there are {len(numbers)}, from {numbers[0]} to {numbers[-1]}"
    return f"there are {', '.join(map(str, numbers))}" if numbers else "there are none"


def _warn_of_flow(findings: Findings, steps: Mapping[int, Step], error: tuple[Handler, ...]) -> None:
    root = findings.places.root
    is_array = 0 in root.inside
    for number in find_unreachable(steps, error):
        key: int | str = number if is_array else str(number)
        path = f"$[{number}]" if is_array else f'$["{number}"]'
        at = findings.places.place(path, root.inside[key])
        findings.add(at, Finding(False, "unreachable_step", f"nothing leads to step {number}"))
    for at, numbers in find_circles(steps):
        named = ", ".join(map(str, numbers[:10]))
        message = f"nobody is waited for in the circle of steps {named}: a run that stays in it is stopped"
        findings.add(at, Finding(False, "loop_without_wait", message))


# --- What a called service sends to continue a run

MAX_CONTINUED: Final = 10
MAX_CONTINUED_TEXT: Final = 80
MAX_CONTINUED_BUTTONS: Final = 25
"""Handlers, characters of each text, and buttons under it (amoCRM, continuing a bot)."""


def parse_continue(body: Any, script: Script) -> tuple[dict[str, Any], tuple[Show | Goto, ...]]:
    """The data and the handlers with which a service continues a run. InvalidInput tells every fault."""
    findings = Findings(Places(json.dumps(body)))
    root = Spot(body, "$", findings.places.root, findings)
    data: dict[str, Any] = {}
    handlers: tuple[Handler, ...] = ()
    if root.expect_object():
        given, execute = root.get("data"), root.get("execute_handlers")
        if given is not None and given.expect_object():
            data = given.value or {}
        if execute is not None:
            handlers = _read_continued(execute)
    _check_jumps(findings, {number: tuple(Block) for number in script.steps})
    if findings.faults:
        raise InvalidInput(*(replace(fault, line=None, column=None) for fault in findings.faults))
    return data, tuple(handler for handler in handlers if isinstance(handler, (Show, Goto)))


def _read_continued(spot: Spot) -> tuple[Handler, ...]:
    items = spot.items()
    if len(items) > MAX_CONTINUED:
        spot.refuse("too_many_handlers", f"at most {MAX_CONTINUED} handlers continue a run, not {len(items)}")
        return ()
    for item in items:
        name = item.value.get("handler") if isinstance(item.value, dict) else None
        if name not in ("show", "goto"):
            item.refuse("unknown_handler", "only show and goto continue a run")
    handlers = read_handlers(spot)
    for item, handler in zip(items, handlers, strict=False):
        if not isinstance(handler, Show):
            continue
        if len(handler.buttons) > MAX_CONTINUED_BUTTONS:
            item.refuse(
                "too_many_buttons", f"at most {MAX_CONTINUED_BUTTONS} buttons stand under such a text"
            )
        if len(handler.value) > MAX_CONTINUED_TEXT:
            item.refuse(
                "text_too_long", f"a text that continues a run has at most {MAX_CONTINUED_TEXT} characters"
            )
    return handlers
