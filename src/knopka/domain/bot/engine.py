"""The run of a script: one event in, the run's new state and what it wants done out. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from knopka.domain.bot import patterns, presets
from knopka.domain.bot.conditions import fold, hold, validate
from knopka.domain.bot.effects import (
    CallOut,
    CloseTalk,
    Decide,
    Effect,
    LookUp,
    Note,
    Say,
    SayElsewhere,
    SetTimer,
    StartBot,
    TellOperators,
    Trace,
)
from knopka.domain.bot.frames import Path, Running, inside, resolve
from knopka.domain.bot.limits import LIMITS, Limits
from knopka.domain.bot.markers import Json, cut
from knopka.domain.bot.naming import name_handler
from knopka.domain.bot.planning import Undone, plan_action, plan_split, read_id
from knopka.domain.bot.scope import Scope, Values
from knopka.domain.bot.script import (
    Block,
    Buttons,
    Choice,
    Filter,
    FindDouble,
    GetBaseInfo,
    Goto,
    Handler,
    Handover,
    Http,
    If,
    Nothing,
    Pause,
    Script,
    ScriptButton,
    SendExternal,
    SendInternal,
    Show,
    Split,
    Stop,
    Validate,
    ValidateBaseInfo,
    WaitAnswer,
    WaitFor,
    WidgetRequest,
)
from knopka.domain.bot.state import (
    Answered,
    Called,
    Continued,
    Ended,
    EndReason,
    Event,
    Found,
    Frame,
    RunState,
    Started,
    TimerFired,
    Undelivered,
    Waiting,
    WaitKind,
)
from knopka.domain.meta import Entity
from knopka.domain.text import clean_message

_NO_TEXT = "…"
"""Stands above buttons whose own text came out empty: no messenger shows buttons alone."""
_LOOKUPS: Mapping[str, Literal["name", "phone", "email"]] = {
    "name": "name",
    "phone": "phone",
    "email": "email",
}
_FAILURES = {reason.value: reason for reason in (EndReason.WINDOW_CLOSED, EndReason.CHAT_GONE)}


def run(
    script: Script, run_state: RunState, event: Event, values: Values, now: datetime, limits: Limits = LIMITS
) -> tuple[RunState, tuple[Effect, ...]]:
    """Move a run by one event. State and effects belong into one transaction.

    The effects stand in the order of the handlers that want them. Afterwards
    the run waits for something or has ended; nothing raises, whatever the event.

    - An event that nobody waits for any more (the end of an old wait, a second
      start, anything after the end) changes nothing. `is_awaited` tells so
      beforehand: a caller of `continue` is owed a refusal.
    - A reply while the run waits for something else than a reply is taken by no
      step; it stands in the conversation, and a line of the log tells of it.
    - `Found` answers the LookUp that is the last effect before its state; it is
      given at once, in the same transaction.
    """
    if not is_awaited(run_state, event):
        return run_state, _refuse(run_state, event)
    return _Run(script, run_state, values, now, limits).take(event)


def is_awaited(state: RunState, event: Event) -> bool:
    """Whether the run is moved by the event as it stands now."""
    if state.ended is not None:
        return False
    waiting = state.waiting
    match event:
        case Ended() | Undelivered():
            return True
        case Started():
            return waiting is None
        case Answered():
            return waiting is not None and waiting.kind is WaitKind.ANSWER
        case TimerFired(wait):
            return waiting is not None and waiting.number == wait and waiting.until is not None
        case Called(wait):
            return _is_of(waiting, wait, WaitKind.CALL, WaitKind.CONTINUE)
        case Continued(wait):
            return _is_of(waiting, wait, WaitKind.CONTINUE)
        case Found(wait):
            return _is_of(waiting, wait, WaitKind.LOOKUP)


def _is_of(waiting: Waiting | None, number: int, *kinds: WaitKind) -> bool:
    return waiting is not None and waiting.number == number and waiting.kind in kinds


def _refuse(state: RunState, event: Event) -> tuple[Trace, ...]:
    """A word of a person leaves a line; the late end of an old wait leaves none."""
    match event:
        case Answered(text=text) if state.ended is None:
            note, detail = Note.NOT_LISTENING, cut(text)
        case Answered():
            note, detail = Note.ALREADY_ENDED, str(state.ended)
        case Started():
            note, detail = Note.ALREADY_STARTED, ""
        case _:
            return ()
    return (Trace(step=state.step, block=_place(state), at=None, handler="", note=note, detail=detail),)


def _place(state: RunState) -> Block | Literal["error"]:
    return "error" if state.in_error else state.block


class _Run:
    """One call of `run`: a RunState taken apart, and put together again at the end."""

    def __init__(
        self, script: Script, state: RunState, values: Values, now: datetime, limits: Limits
    ) -> None:
        self.script = script
        self.state = state
        self.scope = Scope(state, values, now)
        self.now = now
        self.limits = limits
        self.effects: list[Effect] = []
        self.frames: list[Running] = []
        self.step = state.step
        self.block = state.block
        self.in_error = state.in_error
        self.waiting: Waiting | None = None
        self.interrupted: Waiting | None = None
        """What an on_error comes in between: it is waited for again afterwards."""
        self.waits = state.waits
        self.steps = state.steps_since_input
        self.jumps = dict(state.jumps)
        self.messages = state.messages
        self.offered = state.offered
        self.offer = state.offer
        self.offered_to = state.offered_to
        self.matched = state.matched
        self.unmatched = False
        """The handler before this one was `buttons` without a match."""
        self.accept_unsorted = state.accept_unsorted
        self.failure = state.failure
        self.elsewhere = state.elsewhere
        self.ended: EndReason | None = None

    def take(self, event: Event) -> tuple[RunState, tuple[Effect, ...]]:
        if isinstance(event, Ended):
            self.end(event.reason)
        elif self.now - self.state.started_at > self.limits.age:
            self.end(EndReason.TOO_OLD)
        else:
            self.begin(event)
            self.go_on()
        return self.put_together(), tuple(self.effects)

    def put_together(self) -> RunState:
        return RunState(
            step=self.step,
            block=self.block,
            in_error=self.in_error,
            waiting=self.waiting,
            waits=self.waits,
            steps_since_input=self.steps,
            jumps=self.jumps,
            messages=self.messages,
            started_at=self.state.started_at,
            offered=self.offered,
            offer=self.offer,
            offered_to=self.offered_to,
            reply=self.scope.reply,
            matched=self.matched,
            accept_unsorted=self.accept_unsorted,
            failure=self.failure,
            elsewhere=self.elsewhere,
            variables=self.scope.variables,
            bot_params=self.state.bot_params,
            ended=self.ended,
        )

    # --- Events

    def begin(self, event: Event) -> None:
        """Put the run where the event lets it go on."""
        match event:
            case Started():
                self.trace(None, Note.STARTED)
                self.enter(0, Block.QUESTION)
            case Answered():
                self.take_answer(event)
            case TimerFired():
                self.take_timer()
            case Called():
                self.take_call(event)
            case Continued(data=data, handlers=handlers):
                self.resume()
                self.set("json", dict(data))
                self.trace(None, Note.CONTINUED)
                self.frames.append(Running((), tuple(handlers), 0))
            case Found(card=card):
                self.take_found(card)
            case Undelivered():
                self.take_failure(event)
            case Ended(reason=reason):
                self.end(reason)

    def take_answer(self, event: Answered) -> None:
        """The reply goes to the block that waits for it; the first one accepts the unsorted lead."""
        waiting = self.awaited()
        self.steps = 0
        self.jumps = {}
        self.scope.reply = self.read_button(event)
        self.trace(None, Note.ANSWERED, self.scope.reply)
        if self.accept_unsorted is not False:
            self.do(Decide(accept=True))
            self.trace(None, Note.UNSORTED_ACCEPTED)
        self.accept_unsorted = False
        self.offered_to = (waiting.step, waiting.block)
        self.enter(waiting.step, waiting.block)

    def read_button(self, event: Answered) -> str:
        """The label of the offered button that was pressed, typed, or named by its number; else the text."""
        if event.option is not None and event.wait == self.offer and 0 <= event.option < len(self.offered):
            return self.offered[event.option]
        if not self.offered:
            return event.text
        typed = fold(event.text)
        for label in self.offered:
            if fold(label) == typed:
                return label
        number = read_id(typed.rstrip(".)"))
        return event.text if number is None or number > len(self.offered) else self.offered[number - 1]

    def take_timer(self) -> None:
        """A pause is over, or nobody has answered in time."""
        waiting = self.awaited()
        self.jumps = {}
        handler = self.resume()
        self.trace(handler, Note.TIME_OVER)
        if waiting.kind is WaitKind.ANSWER:
            self.go_into("timeout")

    def take_call(self, event: Called) -> None:
        """The end of knopka_http, or the first answer to widget_request, which is only a receipt."""
        if self.awaited().kind is WaitKind.CONTINUE:
            if not event.error:
                self.waiting = self.state.waiting
                self.trace(None, Note.CALLED)
                return
            # A service that was never reached will not continue the run: it goes on without.
            self.set("json", {})
            self.trace(self.resume(), Note.CALL_FAILED, event.error)
            return
        handler = self.resume()
        error = event.error
        if isinstance(handler, Http) and not error:
            error = self.keep_json(handler.save_as, event.data)
        if error or not isinstance(handler, Http):
            self.trace(handler, Note.CALL_FAILED, error)
            self.go_into("error")
            return
        self.trace(handler, Note.CALLED)
        self.go_into("result")

    def keep_json(self, name: str, data: Json) -> str:
        """An answer under its name beside the others, or in place of all; an error when there is no room."""
        before = self.scope.variables.get("json")
        if name:
            data = {**(before if isinstance(before, dict) else {}), name: data}
        if len(msgspec.json.encode(data)) > self.limits.kept:
            return "too_large"
        self.set("json", data)
        return ""

    def take_found(self, card: Mapping[str, Any] | None) -> None:
        handler = self.resume()
        match handler:
            case FindDouble():
                self.keep_card("contact_double", card)
            case Filter(entity=Entity.CONTACT):
                self.keep_card("external_contact", card)
            case Filter():
                self.keep_card("external_lead", card)
            case ValidateBaseInfo():
                self.take_double(handler, card)
                return
            case _:
                pass
        self.trace(handler, Note.NOTHING_FOUND if card is None else Note.FOUND)
        if card is not None:
            self.go_into("actions")

    def keep_card(self, name: str, card: Mapping[str, Any] | None) -> None:
        self.set(name, {} if card is None else dict(card))
        self.set("founded_id", "" if card is None else card.get("id", ""))

    def take_failure(self, event: Undelivered) -> None:
        """`on_error` of the message's own handler, or `error` of the script, once; then the run ends."""
        self.trace(None, Note.UNDELIVERED, event.reason)
        path = None if event.message is None else self.elsewhere.get(event.message)
        if event.message is not None and path is not None:
            self.elsewhere = {n: kept for n, kept in self.elsewhere.items() if n != event.message}
            self.interrupted = self.state.waiting
            self.push((*path, "on_error"), 0)
            return
        reason = _FAILURES.get(event.reason, EndReason.UNDELIVERED)
        if self.failure is not None or not self.script.error:
            self.end(self.failure or reason)
            return
        self.failure = reason
        self.in_error = True
        self.push(("error",), 0)

    # --- Where the run is

    def awaited(self) -> Waiting:
        """What the run has waited for until now; `is_awaited` has made sure that it did."""
        assert self.state.waiting is not None  # noqa: S101 -- told to the type checker alone
        return self.state.waiting

    def resume(self) -> Handler | None:
        """Stand behind the handler that has made the run wait, and name it."""
        for frame in self.awaited().resume:
            self.push(frame.path, frame.index)
        if self.ended is not None or not self.frames:
            return None
        inner = self.frames[-1]
        return inner.handlers[inner.index - 1] if 0 < inner.index <= len(inner.handlers) else None

    def push(self, path: Path, index: int) -> None:
        """Go on in a list of the script. A place that is not there ends the run: the script is another."""
        handlers = resolve(self.script, path)
        if handlers is not None and 0 <= index <= len(handlers):
            self.frames.append(Running(path, handlers, index))
        elif self.ended is None:
            self.trace(None, Note.PLACE_LOST)
            self.end(EndReason.FAILED)

    def go_into(self, name: str | int) -> None:
        """Run a list of the handler that was met last, then what follows it."""
        if not self.frames or self.ended is not None:
            return
        inner = self.frames[-1]
        index = inner.index - 1
        handlers = inside(inner.handlers[index], name) if index >= 0 else ()
        if handlers:
            self.frames.append(Running((*inner.path, index, name), handlers, 0))

    def enter(self, step: int, block: Block) -> None:
        """Begin a block; whatever ran before is left."""
        self.interrupted = None
        found = self.script.steps.get(step)
        if found is None:
            self.trace(None, Note.NO_STEP, str(step))
            self.end(EndReason.FAILED)
            return
        self.step, self.block, self.in_error = step, block, False
        self.matched = self.unmatched = False
        self.frames = [Running((step, block.value), found.handlers(block), 0)]

    def go_on(self) -> None:
        """Run handlers until the run waits or has ended."""
        while self.waiting is None and self.ended is None:
            if not self.frames:
                self.end_block()
                continue
            inner = self.frames[-1]
            if inner.index >= len(inner.handlers):
                self.frames.pop()
                continue
            handler = inner.handlers[inner.index]
            inner.index += 1
            self.steps += 1
            if self.steps > self.limits.steps:
                self.end(EndReason.TOO_MANY_STEPS)
                return
            was_unmatched, self.unmatched = self.unmatched, False
            self.handle(handler, was_unmatched)

    def end_block(self) -> None:
        """A question waits for its answer, an answer is followed by finish, and then all is done."""
        if self.interrupted is not None:
            self.waiting = self.interrupted
            return
        if self.in_error:
            self.end(self.failure or EndReason.UNDELIVERED)
            return
        match self.block:
            case Block.QUESTION if self.script.steps[self.step].answer:
                self.wait_answer(self.step, Block.ANSWER)
            case Block.ANSWER if self.unmatched and not self.matched:
                self.wait_answer(self.step, Block.ANSWER, Note.WAITING_AGAIN)
            case Block.FINISH:
                self.end(EndReason.DONE)
            case _:
                self.enter(self.step, Block.FINISH)

    def end(self, reason: EndReason) -> None:
        self.ended = reason
        self.waiting = None
        self.frames = []
        self.trace(None, Note.ENDED, reason.value)

    # --- Waiting

    def wait(
        self, kind: WaitKind, to: tuple[int, Block] | None = None, *, span: timedelta | None = None
    ) -> int:
        """Stop here. What is behind goes on later, but for a plain wait for a reply, which goes elsewhere."""
        self.waits += 1
        step, block = to or (self.step, self.block)
        goes_on = kind is not WaitKind.ANSWER or span is not None
        until = None if span is None else self.now + span
        self.waiting = Waiting(
            kind=kind,
            number=self.waits,
            step=step,
            block=block,
            resume=tuple(Frame(frame.path, frame.index) for frame in self.frames) if goes_on else (),
            until=until,
        )
        if until is not None:
            self.do(SetTimer(self.waits, until))
        return self.waits

    def wait_answer(
        self, step: int, block: Block, note: Note = Note.WAITING, *, span: timedelta | None = None
    ) -> None:
        """Wait for a reply. Buttons that were answered already count on where the same is asked again."""
        if self.offered_to is not None and self.offered_to != (step, block):
            self.offered = ()
        self.trace(None, note, f"{block.value} {step}")
        self.wait(WaitKind.ANSWER, (step, block), span=span)

    # --- What comes out

    def do(self, effect: Effect) -> None:
        self.effects.append(effect)
        self.scope.record(effect)

    def set(self, name: str, value: Json) -> None:
        """Keep a variable of the run."""
        self.scope.variables = {**self.scope.variables, name: value}

    def trace(self, handler: Handler | None, note: Note, detail: str = "") -> None:
        seen, unknown = self.scope.take_seen()
        block: Block | Literal["error"] = "error" if self.in_error else self.block
        at = None if handler is None else handler.at
        name = "" if handler is None else name_handler(handler)
        self.effects.append(
            Trace(step=self.step, block=block, at=at, handler=name, seen=seen, note=note, detail=cut(detail))
        )
        if unknown:
            names = cut(", ".join(unknown))
            line = Trace(
                step=self.step, block=block, at=at, handler=name, note=Note.UNKNOWN_MARKER, detail=names
            )
            self.effects.append(line)

    def count_message(self) -> bool:
        """Whether the run may say one more thing; if not, it has ended."""
        if self.messages >= self.limits.messages:
            self.end(EndReason.TOO_MANY_MESSAGES)
            return False
        self.messages += 1
        return True

    # --- Handlers

    def handle(self, handler: Handler, was_unmatched: bool) -> None:
        match handler:
            case Show():
                self.show(handler)
            case Buttons():
                self.choose(handler, was_unmatched)
            case Goto():
                self.go_to(handler)
            case WaitAnswer():
                self.trace(handler, Note.DONE)
                self.wait_answer(handler.step, handler.block)
            case If():
                self.branch(handler, hold(handler.logic, handler.terms, self.scope))
            case Validate():
                result = validate(handler.logic, handler.checks, self.scope)
                self.set("last_validation_result", result.found)
                self.branch(handler, result.passed)
            case FindDouble():
                self.find_double(handler)
            case Filter():
                self.look_for_card(handler)
            case GetBaseInfo():
                self.get_base_info(handler)
            case ValidateBaseInfo():
                self.validate_base_info(handler)
            case Split():
                self.split(handler)
            case Stop():
                self.stop(handler)
            case WidgetRequest():
                self.request_widget(handler)
            case SendInternal():
                self.tell_operators(handler)
            case SendExternal():
                self.say_elsewhere(handler)
            case Nothing(why=why):
                self.trace(handler, Note.DRAWING_ONLY if why == "drawing_only" else Note.NO_SUCH_PART)
            case Pause():
                self.trace(handler, Note.WAITING)
                self.wait(WaitKind.PAUSE, span=handler.span)
            case WaitFor():
                self.trace(handler, Note.DONE)
                self.wait_answer(handler.step, handler.block, span=handler.span)
            case Http():
                self.call(handler)
            case Handover():
                self.hand_over(handler)
            case _:
                outcome = plan_action(handler, self.scope)
                if isinstance(outcome, Undone):
                    self.trace(handler, outcome.note, outcome.detail)
                else:
                    self.trace(handler, Note.DONE)
                    self.do(outcome)

    def show(self, handler: Show) -> None:
        if self.accept_unsorted is None:
            self.accept_unsorted = handler.accept_unsorted
        text = self.scope.fill(handler.value)
        self.say(handler, text, self.fill_buttons(handler.buttons), handler.quick_replies)

    def say(
        self, handler: Handler, text: str, buttons: tuple[ScriptButton, ...] = (), quick: tuple[str, ...] = ()
    ) -> None:
        """One message to the visitor; nothing where it would show nothing."""
        if not clean_message(text):
            if not buttons:
                self.trace(handler, Note.EMPTY_VALUE)
                return
            text = _NO_TEXT
        if not self.count_message():
            return
        self.trace(handler, Note.SAID)
        if buttons:
            self.waits += 1
            self.offer = self.waits
            self.offered = tuple(button.text for button in buttons)
            self.offered_to = None
        wait = self.offer if buttons else 0
        self.do(Say(text=text, buttons=buttons, quick_replies=quick, wait=wait, number=self.messages))

    def fill_buttons(self, buttons: tuple[ScriptButton, ...]) -> tuple[ScriptButton, ...]:
        if not buttons:
            return ()
        filled = [
            ScriptButton(self.scope.fill(button.text), self.scope.fill_link(button.url)) for button in buttons
        ]
        return tuple(button for button in filled if clean_message(button.text))

    def choose(self, handler: Buttons, was_unmatched: bool) -> None:
        """The first choice that the reply fits. Without one the run goes on behind, or waits again there."""
        reply = self.scope.reply or ""
        for index, choice in enumerate(handler.choices):
            if self.fits(choice, reply):
                literal = choice.value if choice.pattern is None else choice.pattern.literal
                self.trace(handler, Note.BRANCH_TAKEN, literal or "")
                self.matched = True
                self.go_into(index)
                return
        self.trace(handler, Note.NO_MATCH)
        self.unmatched = True

    def fits(self, choice: Choice, reply: str) -> bool:
        if choice.pattern is not None:
            return patterns.find(choice.pattern, reply) is not None
        return choice.value is not None and fold(self.scope.fill(choice.value)) == fold(reply)

    def branch(self, handler: If | Validate, is_true: bool) -> None:
        if is_true:
            self.trace(handler, Note.BRANCH_TAKEN)
            self.go_into("result")
        elif handler.otherwise:
            self.trace(handler, Note.ELSE_TAKEN)
            self.go_into("otherwise")
        else:
            self.trace(handler, Note.NO_MATCH)

    def go_to(self, handler: Goto) -> None:
        taken = self.jumps.get(handler.at.path, 0) + 1
        self.jumps[handler.at.path] = taken
        self.trace(handler, Note.WENT, f"{handler.block.value} {handler.step}")
        if taken > self.limits.visits:
            self.end(EndReason.LOOP)
        else:
            self.enter(handler.step, handler.block)

    def find_double(self, handler: FindDouble) -> None:
        value = self.scope.fill(handler.value).strip()
        by = _LOOKUPS.get(handler.by)
        if by is None or not value:
            self.keep_card("contact_double", None)
            self.trace(handler, Note.EMPTY_VALUE if by else Note.CANNOT_LOOK_UP, handler.by)
            return
        self.trace(handler, Note.LOOKING_UP)
        number = self.wait(WaitKind.LOOKUP)
        self.do(LookUp(wait=number, kind="contact_double", by=by, value=value))

    def look_for_card(self, handler: Filter) -> None:
        kind: Literal["external_contact", "external_lead"]
        kind = "external_contact" if handler.entity is Entity.CONTACT else "external_lead"
        value = self.scope.fill(handler.value).strip()
        if not value:
            self.keep_card(kind, None)
            self.trace(handler, Note.EMPTY_VALUE)
            return
        self.trace(handler, Note.LOOKING_UP)
        number = self.wait(WaitKind.LOOKUP)
        self.do(LookUp(wait=number, kind=kind, by="field", field_id=handler.field_id, value=value))

    def get_base_info(self, handler: GetBaseInfo) -> None:
        found = presets.plan_additions(presets.read_reply(self.scope))
        self.trace(handler, Note.FOUND if found else Note.NOTHING_FOUND)
        for effect in found:
            self.do(effect)

    def validate_base_info(self, handler: ValidateBaseInfo) -> None:
        """Takes what the reply holds; asks on for what is missing; then looks for doubles, if it is to."""
        known, new = presets.take_reply(
            presets.read_info(self.scope.variables), presets.read_reply(self.scope)
        )
        for effect in presets.plan_additions(new):
            self.do(effect)
        self.set(presets.BASE_INFO, presets.write_info(known))
        has_phone = bool(known.phone or self.scope.ask(("contact", "phone")))
        has_email = bool(known.email or self.scope.ask(("contact", "email")))
        fault = presets.find_fault(known, has_phone, has_email)
        if not fault:
            self.ask_for_doubles(handler, known)
            return
        quick = ("user_phone_number",) * (not has_phone) + ("user_email",) * (not has_email)
        self.trace(handler, Note.ASKED_FOR, fault)
        self.say(
            handler,
            self.scope.fill(handler.texts.get(fault, "")),
            quick=quick if handler.use_quick_replies else (),
        )
        if self.ended is None and not self.in_error:
            self.wait_answer(self.step, self.block, Note.WAITING_AGAIN)

    def ask_for_doubles(self, handler: ValidateBaseInfo, info: presets.BaseInfo) -> None:
        """One look-up for the phone, one for the e-mail, then the last word."""
        kind = presets.next_to_ask(info) if handler.check_doubles else None
        if kind is None:
            self.trace(handler, Note.DOUBLES if info.doubles else Note.DONE, ", ".join(info.doubles))
            self.set(presets.BASE_INFO, presets.write_info(presets.BaseInfo(info.phone, info.email)))
            self.say(handler, self.scope.fill(presets.pick_last_text(handler, info.doubles)))
            return
        self.set(presets.BASE_INFO, presets.write_info(info.asking(kind)))
        self.trace(handler, Note.LOOKING_UP, kind)
        number = self.wait(WaitKind.LOOKUP)
        self.do(LookUp(wait=number, kind="contact_double", by=kind, value=info.get(kind)))

    def take_double(self, handler: ValidateBaseInfo, card: Mapping[str, Any] | None) -> None:
        info = presets.read_info(self.scope.variables)
        if card is not None:
            self.keep_card("contact_double", card)
            info = info.with_double()
        self.ask_for_doubles(handler, info)

    def split(self, handler: Split) -> None:
        payload = self.scope.ask(("start_payload",))
        effects, undone = plan_split(handler, payload) if payload else ([], [])
        self.trace(handler, Note.DONE if effects else Note.EMPTY_VALUE, payload)
        for fault in undone:
            self.trace(handler, fault.note, fault.detail)
        for effect in effects:
            self.do(effect)

    def stop(self, handler: Stop) -> None:
        self.trace(handler, Note.DONE, handler.action)
        if handler.action == "talk-close":
            self.do(CloseTalk())
        elif handler.action == "salesbot-start" and handler.bot is not None:
            self.do(StartBot(handler.bot))
        self.end(EndReason.STOPPED)

    def request_widget(self, handler: WidgetRequest) -> None:
        url, data = self.scope.fill_url(handler.url), self.scope.fill_json(handler.data)
        self.trace(handler, Note.CALLING, _without_secrets(url))
        number = self.wait(WaitKind.CONTINUE)
        self.do(CallOut(wait=number, is_widget=True, method="POST", url=url, data=data))

    def call(self, handler: Http) -> None:
        url, data = self.scope.fill_url(handler.url), self.scope.fill_json(handler.data)
        headers = {name: self.scope.fill_secret(value) for name, value in handler.headers.items()}
        self.trace(handler, Note.CALLING, f"{handler.method} {_without_secrets(url)}")
        number = self.wait(WaitKind.CALL)
        self.do(
            CallOut(wait=number, is_widget=False, method=handler.method, url=url, data=data, headers=headers)
        )

    def tell_operators(self, handler: SendInternal) -> None:
        """Told to a group, else to one operator, else to all: a name that cannot be read loses no message."""
        text = self.scope.fill(handler.message)
        group, user = self.scope.fill(handler.group_id), self.scope.fill(handler.user_id)
        if not text.strip():
            self.trace(handler, Note.EMPTY_VALUE)
            return
        group_id = read_id(group)
        user_id = read_id(user) if group_id is None else None
        unread = (group.strip() or user.strip()) if group_id is None and user_id is None else ""
        self.trace(handler, Note.NOT_A_NUMBER if unread else Note.TOLD, unread)
        self.do(TellOperators(text, user_id, group_id))

    def say_elsewhere(self, handler: SendExternal) -> None:
        """send_external_message. A lead has one contact here, so a filter lets the message go or not."""
        if handler.recipient == "filtered_contacts" and not hold(handler.logic, handler.terms, self.scope):
            self.trace(handler, Note.NO_RECIPIENT)
            return
        text, buttons = self.scope.fill(handler.text), self.fill_buttons(handler.buttons)
        if not clean_message(text):
            self.trace(handler, Note.EMPTY_VALUE)
            return
        if not self.count_message():
            return
        self.trace(handler, Note.SAID)
        inner = self.frames[-1]
        if handler.on_error:
            self.elsewhere = {**self.elsewhere, self.messages: (*inner.path, inner.index - 1)}
        self.do(
            SayElsewhere(
                text=text,
                buttons=buttons,
                recipient=handler.recipient,
                way=handler.way,
                channels=handler.channels,
                number=self.messages,
            )
        )

    def hand_over(self, handler: Handover) -> None:
        text = self.scope.fill(handler.message)
        self.trace(handler, Note.TOLD)
        self.do(TellOperators(text))
        self.end(EndReason.STOPPED)


def _without_secrets(url: str) -> str:
    """An address without what may carry a key: query, fragment and a name before the host."""
    scheme, _, rest = url.partition("://")
    rest = rest.partition("?")[0].partition("#")[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
