"""A run's state in the store: written, read back, and read by another release."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from knopka.domain.bot.script import Block
from knopka.domain.bot.state import EndReason, Frame, RunState, Waiting, WaitKind
from knopka.domain.bot.state_json import read_state, write_state
from tests.domain.bot.playing import NOW

FULL = RunState(
    step=2,
    block=Block.ANSWER,
    in_error=True,
    waiting=Waiting(
        kind=WaitKind.PAUSE,
        number=7,
        step=2,
        block=Block.FINISH,
        resume=(Frame((2, "answer"), 1), Frame((2, "answer", 0, 3, 1, "result"), 2)),
        until=NOW + timedelta(days=3),
    ),
    waits=7,
    steps_since_input=12,
    jumps={"$[0].question[1]": 2},
    messages=5,
    started_at=NOW,
    offered=("Да", "No"),
    offer=6,
    offered_to=(2, Block.ANSWER),
    reply="{{lead.id}} ☺",
    matched=True,
    accept_unsorted=False,
    failure=EndReason.CHAT_GONE,
    elsewhere={3: (0, "question", 4)},
    variables={"json": {"a": [1, 2.5, None, {"b": "c"}]}, "__proto__": {"x": 1}},
    bot_params={"{{contact.name}}": ["x"]},
    ended=EndReason.LOOP,
)


@pytest.mark.parametrize("state", [FULL, RunState(started_at=NOW)])
def test_a_state_is_read_as_it_was_written(state: RunState) -> None:
    assert read_state(write_state(state)) == state
    assert read_state(write_state(state).encode()) == state


def test_what_a_later_release_adds_is_left_out_and_what_it_leaves_out_is_as_in_a_fresh_run() -> None:
    kept = {"step": 3, "started_at": "2026-03-07T12:00:00Z", "mood": {"of": "later"}}
    assert read_state(json.dumps(kept)) == RunState(step=3, started_at=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"ended": "tired"},
        {"block": "prologue"},
        {"waiting": {"kind": "dream", "number": 1, "step": 0, "block": "answer"}},
        {"waiting": {"number": 1}},
    ],
)
def test_a_state_that_this_release_cannot_go_on_with_has_ended(change: dict[str, object]) -> None:
    state = read_state(json.dumps(json.loads(write_state(FULL)) | change))
    assert (state.ended, state.waiting, state.started_at) == (EndReason.FAILED, None, NOW)
