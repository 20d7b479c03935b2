"""A script as a drawing: what its steps say and do, and why a run goes from one to another."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.domain.bot.diagram import Arrow, Diagram, draw
from tests.domain.bot.playing import action, goto, handler, load, show


def drawn(*steps: Any, error: Any = None) -> Diagram:
    numbered = {str(number): step for number, step in enumerate(steps)}
    return draw(load(numbered if error is None else {**numbered, "error": error}))


def arrows(diagram: Diagram) -> list[tuple[int | None, int, str]]:
    return [(arrow.source, arrow.to, said(arrow)) for arrow in diagram.arrows]


def said(arrow: Arrow) -> str:
    return " > ".join(
        f"{label.reason}:{label.text}" if label.text else label.reason for label in arrow.labels
    )


END = {"question": [handler("stop")]}


def test_a_step_shows_its_first_words_what_it_does_and_where_it_begins() -> None:
    first = {
        "question": [action("set_tag", type=2, value="tea"), show("Hello"), show("Which tea?")],
        "answer": [goto(1)],
    }
    start, end = drawn(first, END).nodes
    assert (start.step, start.says, start.handlers) == (0, "Hello", ("set_tag", "show", "goto"))
    assert (start.asks, start.ends, start.line) == (True, False, 1)
    assert (end.step, end.says, end.asks, end.ends) == (1, "", False, True)


def test_a_long_text_is_cut_and_a_step_of_nothing_has_no_line() -> None:
    long, empty = drawn({"question": [show("a" * 500), goto(1)]}, {"question": []}).nodes
    assert len(long.says) < 200
    assert (empty.line, empty.says, empty.handlers) == (None, "", ())


def test_each_answer_of_buttons_is_an_arrow_with_its_words() -> None:
    choices = [
        {"value": "Tea", "params": [goto(1)]},
        {"regex": "/coff?ee/iu", "params": [goto(2)]},
        {"value": "More", "params": [goto(0)]},
    ]
    step = {"question": [show("?", "Tea", "More")], "answer": [handler("buttons") | {"params": choices}]}
    assert arrows(drawn(step, END, END)) == [
        (0, 1, "answer:Tea"),
        (0, 2, "pattern:/coff?ee/iu"),
        (0, 0, "answer:More"),
    ]


def test_a_branch_in_a_branch_is_told_from_the_outermost() -> None:
    inner = handler(
        "validations",
        logic="and",
        conditions=[{"client_value": "{{message_text}}", "type": "simple", "operation": "equal",
                     "condition_value": "x"}],
        result=[goto(1)],
        **{"else": [goto(2)]},
    )  # fmt: skip
    outer = handler(
        "conditions", logic="and", conditions=[{"term1": "1", "term2": "1", "operation": "="}], result=[inner]
    )
    assert arrows(drawn({"question": [outer]}, END, END)) == [(0, 1, "yes > yes"), (0, 2, "yes > no")]


def test_calls_time_outs_and_lost_messages_have_arrows_of_their_own() -> None:
    call = handler("knopka_http", url="https://api.example/x", result=[goto(1)], error=[goto(2)])
    wait = handler("knopka_wait", seconds=60, type="answer", step=0, timeout=[goto(2)])
    steps = ({"question": [call], "answer": [show("thanks")]}, {"question": [show("?"), wait]}, END)
    found = drawn(*steps, error=[show("Lost"), goto(2)])
    assert arrows(found) == [
        (0, 1, "ok"),
        (0, 2, "error"),
        (1, 0, ""),
        (1, 2, "timeout"),
        (None, 2, ""),
    ]
    assert [arrow.waits for arrow in found.arrows] == [False, False, True, False, False]
    assert (found.nodes[-1].step, found.nodes[-1].says) == (None, "Lost")


def test_an_arrow_tells_the_part_of_the_step_that_it_leads_to() -> None:
    (arrow,) = drawn({"question": [goto(1, "answer")]}, {"question": [], "answer": [show("x")]}).arrows
    assert arrow.block == "answer"


@pytest.mark.parametrize("as_array", [True, False], ids=["array", "object"])
def test_the_drawing_is_the_same_however_the_script_numbers_its_steps(as_array: bool) -> None:
    steps = [{"question": [goto(1)]}, END]
    script = steps if as_array else {"0": steps[0], "1": steps[1]}
    found = draw(load(script))
    assert ([node.step for node in found.nodes], arrows(found)) == ([0, 1], [(0, 1, "")])
