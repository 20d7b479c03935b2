"""(i) Salesbot: handlers that the pure engine runs in a second of one core."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any

from bench.rows import Row
from knopka.domain.bot import run
from knopka.domain.bot.loading import parse_script
from knopka.domain.bot.state import Answered, Event, RunState, Started
from knopka.domain.bot.state_json import read_state, write_state

ROUNDS = 9
RUNS = 400
"""Visitors of one round, each of whom answers as in ANSWERS."""
WANTED = 20_000
NOW = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
ANSWERS = ("2", "Need 12 pcs, please", "what?", "ann@example.com", "yes")


def _handler(name: str, params: Any) -> dict[str, Any]:
    return {"handler": name, "params": params}


def _show(value: str, *buttons: str) -> dict[str, Any]:
    return _handler(
        "show", {"type": "buttons" if buttons else "text", "value": value, "buttons": list(buttons)}
    )


def _action(name: str, **params: Any) -> dict[str, Any]:
    return _handler("action", {"name": name, "params": params})


def _goto(step: int) -> dict[str, Any]:
    return _handler("goto", {"type": "question", "step": step})


IS_ENGLISH = [{"term1": "{{bot_params.locale}}", "term2": "en", "operation": "="}]
HAS_EMAIL = [{"client_value": "{{message_text}}", "type": "email", "operation": "contains"}]
SCRIPT = [
    {
        "question": [
            _handler(
                "condition", {"conditions": IS_ENGLISH, "result": [_show("Hi {{bot_params.username}}!")]}
            ),
            _show("{{contact.name}}, what will it be?", "Tea", "Cups", "Nothing"),
        ],
        "answer": [
            _handler(
                "buttons",
                [
                    {"value": "Tea", "params": [_goto(1)]},
                    {
                        "regex": "/^cups?|чашк/iu",
                        "params": [_action("set_tag", type=2, value="cups"), _goto(1)],
                    },
                    {"value": "Nothing", "params": [_handler("stop", {"action": "talk-close"})]},
                ],
            )
        ],
    },
    {
        "question": [_show("How many?")],
        "answer": [
            _action("set_custom_fields", type=2, custom_fields_id=7, value=r"{{regexp./(\d+) pcs/}}"),
            _action("set_budget", value="{{lead.cf.7}} * 450 + {{lead.price}}"),
            _handler(
                "condition",
                {
                    "term1": "{{lead.cf.7}}",
                    "term2": {"from": 10},
                    "operation": "in_range",
                    "result": [_action("add_note", element_type=2, note_type=4, text="Many: {{lead.cf.7}}")],
                },
            ),
            _goto(2),
        ],
    },
    {
        "question": [_show("Your e-mail?")],
        "answer": [
            _handler(
                "validations",
                {
                    "logic": "and",
                    "conditions": HAS_EMAIL,
                    "result": [_handler("preset", {"name": "contacts.get_base_info"}), _goto(3)],
                },
            ),
            _show("That is no e-mail."),
            _handler("wait_answer", {"type": "answer", "step": 2}),
        ],
    },
    {
        "question": [_show("Write to {{last_validation_result}}?", "Yes", "No")],
        "answer": [_action("change_status", value=142), _action("unset_tag", type=2, value="new")],
        "finish": [_show("Thanks, {{contact.name}}: {{lead.price}}.")],
    },
]


STORED = {("contact", "name"): "Ann", ("lead", "price"): 100, ("lead", "cf", "7"): "12"}


class _Store:
    def find(self, path: tuple[str, ...]) -> Any:
        return STORED.get(path)


def measure_bot() -> Iterator[Row]:
    """Runs of one script from their start to their end, with and without the state's way into the store."""
    pure = [_play(through_json=False) for _ in range(ROUNDS)]
    stored = [_play(through_json=True) for _ in range(ROUNDS)]
    yield Row(
        "i",
        "Salesbot: handlers of the pure engine on one core",
        median(pure),
        "/s",
        bound=WANTED,
        detail=f"from {min(pure):,.0f} to {max(pure):,.0f} in {ROUNDS} turns; each with its line in the log; "
        f"{median(stored):,.0f} when each event reads the state from JSON and writes it again",
    )


def _play(*, through_json: bool) -> float:
    script, store = parse_script(json.dumps(SCRIPT).encode()), _Store()
    events: tuple[Event, ...] = (Started(), *(Answered(text=text) for text in ANSWERS))
    handlers = 0
    began = time.process_time()
    for _ in range(RUNS):
        state = RunState(started_at=NOW, bot_params={"username": "Ivan", "locale": "en"})
        for event in events:
            state, _effects = run(script, state, event, store, NOW)
            handlers += state.steps_since_input
            if through_json:
                state = read_state(write_state(state))
        assert state.ended is not None
    return handlers / (time.process_time() - began)
