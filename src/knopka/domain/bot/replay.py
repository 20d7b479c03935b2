"""What a recorded run was given and heard, played once more on a script, and the two ways compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from knopka.domain.bot.effects import Note, Trace
from knopka.domain.bot.frames import resolve
from knopka.domain.bot.markers import Json
from knopka.domain.bot.rehearsal import MAX_SPAN, Rehearsal, Stage, Visit, begin, visits_of
from knopka.domain.bot.script import Http, Place, Script
from knopka.domain.bot.setup import LogLine
from knopka.domain.bot.state import EndReason

NOT_RECORDED = "not_recorded"
"""The error of a call that the recorded run did not make."""

_HEARD = {Note.ANSWERED.value, Note.NOT_LISTENING.value, Note.SAID_BEFORE.value}
"""One such line stands in the log for each message of the visitor that the run was given."""
_BY_ITSELF = frozenset(
    {
        EndReason.DONE, EndReason.STOPPED, EndReason.LOOP, EndReason.TOO_MANY_STEPS,
        EndReason.TOO_MANY_MESSAGES, EndReason.TOO_OLD, EndReason.FAILED,
    }
)  # fmt: skip
_ENDS = {reason.value: reason for reason in EndReason if reason not in _BY_ITSELF}
_NOTES = {note.value: note for note in Note}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A run as the store has kept it."""

    started_at: datetime
    stage: Stage
    bot_params: Mapping[str, Json]
    opening: str | None
    words: Sequence[str | None]
    """What the visitor wrote after the beginning; None for words that were changed later. May be too few."""
    said: Sequence[str]
    """What the bot said, in its order."""
    lines: Sequence[LogLine]
    json: Json
    """What the run's last calls were answered with, as `{{json}}` had it at the end."""
    ended: str | None
    waits: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The recorded way and the replayed one."""

    recorded: Sequence[Visit]
    replayed: Sequence[Visit]
    same: int
    """How many blocks both have gone through before they part."""
    is_same_end: bool

    @property
    def is_same(self) -> bool:
        return self.is_same_end and self.same == len(self.recorded) == len(self.replayed)


def replay(script: Script, recording: Recording) -> Rehearsal:
    """Let everything happen to the script that happened to the run, each at its moment.

    The visitor's words, time, lost messages and an end from outside are as they
    were. A call is answered as it was; one that was not made then fails with
    NOT_RECORDED.
    """
    lines = [line for line in recording.lines if line.line.get("note") in _NOTES]
    played = begin(
        script,
        now=lines[0].at if lines else recording.started_at,
        bot_params=recording.bot_params,
        stage=recording.stage,
        opening=recording.opening,
    )
    words = iter(_texts(lines, recording.words))
    for line in lines:
        note = line.line["note"]
        if note in _HEARD:
            text = next(words)
            if note != Note.SAID_BEFORE:
                played = _fail_call(_let_pass(played, line.at)).say(text)
        else:
            played = _happen(played, script, line, recording.json)
    return played


def _texts(lines: Iterable[LogLine], words: Sequence[str | None]) -> Iterator[str]:
    """The words in full as far as they are kept, else what the log tells of them."""
    told = [str(line.line.get("detail", "")) for line in lines if line.line["note"] in _HEARD]
    known = words if len(words) >= len(told) else [None] * len(told)
    for detail, text in zip(told, known, strict=False):
        yield detail if text is None else text


def _let_pass(played: Rehearsal, until: datetime) -> Rehearsal:
    while played.now < until:
        played = played.pass_time(min(until - played.now, MAX_SPAN))
    return played


def _fail_call(played: Rehearsal) -> Rehearsal:
    """A call that is under way still would have been answered before the visitor wrote."""
    return played if played.call is None else played.answer_call(error=NOT_RECORDED)


def _happen(played: Rehearsal, script: Script, line: LogLine, json: Json) -> Rehearsal:
    """What a line of the log tells of the outside; the other lines are the script's own doing."""
    detail = str(line.line.get("detail", ""))
    match line.line["note"]:
        case Note.TIME_OVER:
            return _let_pass(played, line.at)
        case Note.CALLED if played.call is not None and not played.call.is_widget:
            return _let_pass(played, line.at).answer_call(_answer(played, script, json))
        case Note.CONTINUED if played.call is not None and played.call.is_widget:
            return _let_pass(played, line.at).answer_call({"data": json if isinstance(json, dict) else {}})
        case Note.CALL_FAILED if played.call is not None:
            return _let_pass(played, line.at).answer_call(error=detail or "failed")
        case Note.UNDELIVERED:
            return _let_pass(played, line.at).lose(detail)
        case Note.ENDED if played.ended is None and detail in _ENDS:
            return _let_pass(played, line.at).end(_ENDS[detail])
        case _:
            return played


def _answer(played: Rehearsal, script: Script, json: Json) -> Json:
    """What this call was answered with: all of `{{json}}`, or what is kept there under the call's name."""
    frames = () if played.waiting is None else played.waiting.resume
    for frame in frames[-1:]:
        handlers = resolve(script, frame.path) or ()
        handler = handlers[frame.index - 1] if 0 < frame.index <= len(handlers) else None
        if isinstance(handler, Http) and handler.save_as and isinstance(json, dict):
            return json.get(handler.save_as)
    return json


# --- The two ways


def find_reason(compared: Comparison) -> tuple[Trace | None, Trace | None]:
    """Of the recorded and the replayed way, the first lines that differ in the last block of both."""
    if not compared.same:
        return None, None
    one, other = (way[compared.same - 1].traces for way in (compared.recorded, compared.replayed))
    pairs = zip(one, other, strict=False)
    least = min(len(one), len(other)) - 1
    at = next((at for at, (left, right) in enumerate(pairs) if _differ(left, right)), least)
    return one[at], other[at]


def _differ(one: Trace, other: Trace) -> bool:
    return (one.handler, one.note, one.detail) != (other.handler, other.note, other.detail)


def compare(recording: Recording, played: Rehearsal) -> Comparison:
    recorded = visits_of(traces_of(recording.lines))
    replayed = visits_of(played.traces)
    pairs = zip(recorded, replayed, strict=False)
    same = next((at for at, (one, other) in enumerate(pairs) if one.place != other.place), None)
    waits = None if played.waiting is None else played.waiting.kind.value
    ended = None if played.ended is None else played.ended.value
    return Comparison(
        recorded,
        replayed,
        min(len(recorded), len(replayed)) if same is None else same,
        is_same_end=(ended, waits) == (recording.ended, recording.waits),
    )


def traces_of(lines: Iterable[LogLine]) -> Iterator[Trace]:
    """The lines that tell of the script; those that this release does not know are left out."""
    for one in lines:
        line: Mapping[str, Any] = one.line
        note = _NOTES.get(line.get("note", ""))
        if note is None or note is Note.SAID_BEFORE or line.get("step") is None:
            continue
        row = line.get("row")
        yield Trace(
            step=line["step"],
            block=line["block"],
            at=None if row is None else Place(line["path"], row, 1),
            handler=line["handler"],
            seen=line["seen"],
            note=note,
            detail=line["detail"],
        )
