"""The 24 hours in which a page may write on the cards."""

from __future__ import annotations

from datetime import timedelta

import pytest

from knopka.db.database import Database
from knopka.domain.visitor import WindowMode
from tests.services.story import HOUR, SECOND, START, Story, city, note

pytestmark = pytest.mark.anyio

LATER, STRICT = WindowMode.LATER, WindowMode.STRICT

# D is the first data and C the unsorted lead, in hours; the window is open until the last hour.
CASES = [
    (LATER, 0, 23, 47),
    (LATER, 0, 25, 49),
    (LATER, 10, 0, 34),
    (LATER, 30, 0, 24),
    (LATER, None, 0, 24),
    (STRICT, 0, 23, 24),
    (STRICT, 0, 25, 49),
    (STRICT, 10, 0, 24),
    (STRICT, 30, 0, 24),
]


@pytest.mark.parametrize(("mode", "data", "created", "closes"), CASES)
async def test_the_window_closes_when_the_table_says(
    database: Database, mode: WindowMode, data: int | None, created: int, closes: int
) -> None:
    """Asked by three visitors, each at one moment: asking is data as well, and may open a window anew."""
    story = await Story.begin(database, mode=mode)
    closing = START + closes * HOUR
    asked = {
        closing - SECOND: "noted",
        closing: "refused_window_closed",
        closing + SECOND: "refused_window_closed",
    }
    visits = {moment: f"visit-that-asks-at-{moment:%H-%M-%S}" for moment in asked}
    leads = {}
    steps = [(created, "card")] if data is None else sorted([(created, "card"), (data, "data")])
    for hour, step in steps:
        story.now = START + hour * HOUR
        for moment, visit in visits.items():
            if step == "card":
                leads[moment] = await story.write_in(token=visit, visit=visit)
            else:
                await story.set_meta({"lead": {"sale": 1}}, visit=visit)
    for moment, verdict in asked.items():
        if moment >= story.now:
            story.now = moment
            assert await story.set_meta(note("?"), visit=visits[moment]) == {"note": verdict}, moment
    window = (await story.card(leads[closing + SECOND]))["window"]
    assert window["closes_at"] == int(closing.timestamp())
    assert window["is_open"] is False


async def test_a_closed_window_stays_closed(story: Story) -> None:
    await story.write_in()
    story.pass_time(30 * HOUR)
    assert await story.set_meta(city("Tver")) == {"lead.custom_fields[0]": "refused_window_closed"}
    story.pass_time(HOUR)
    assert await story.set_meta(city("Tver")) == {"lead.custom_fields[0]": "refused_window_closed"}


async def test_values_that_cannot_be_read_open_no_window(story: Story) -> None:
    await story.write_in()
    story.pass_time(10 * HOUR)
    await story.set_meta({"lead": {"sale": "cheap"}, "unknown": 1, "bot_params": {"a": 1}})
    story.pass_time(14 * HOUR)
    assert await story.set_meta(city("Tver")) == {"lead.custom_fields[0]": "refused_window_closed"}


async def test_a_refused_value_is_data_too(story: Story) -> None:
    await story.set_meta(city("Tver"))
    await story.write_in()
    story.pass_time(20 * HOUR)
    other = "another-visit-of-theirs"
    await story.open_chat(visit=other)
    assert await story.set_meta(city("Omsk"), visit=other) == {"lead.custom_fields[0]": "refused_not_empty"}
    story.pass_time(20 * HOUR)
    assert await story.set_meta({"lead": {"sale": 5}}, visit=other) == {"lead.sale": "filled"}


async def test_each_visit_has_its_own_window_on_the_same_card(story: Story) -> None:
    await story.set_meta(city("Tver"))
    await story.write_in()
    story.pass_time(10 * HOUR)
    other = "another-visit-of-theirs"
    await story.open_chat(visit=other)
    await story.set_meta({"lead": {"sale": 5}}, visit=other)
    story.pass_time(20 * HOUR)
    assert await story.set_meta(note("one")) == {"note": "refused_window_closed"}
    assert await story.set_meta(note("two"), visit=other) == {"note": "noted"}


async def test_data_counts_from_when_it_came_even_if_its_visit_was_known_later(story: Story) -> None:
    await story.write_in()
    other = "another-visit-of-theirs"
    story.pass_time(20 * HOUR)
    await story.set_meta(city("Tver"), visit=other, key="other-01")
    story.pass_time(10 * HOUR)
    await story.open_chat(visit=other)
    assert await story.verdicts("other-01", visit=other) == {"lead.custom_fields[0]": "filled"}
    story.pass_time(14 * HOUR - SECOND)
    assert await story.set_meta(note("44 hours less a second"), visit=other) == {"note": "noted"}
    story.pass_time(SECOND)
    assert await story.set_meta(note("44 hours"), visit=other) == {"note": "refused_window_closed"}


async def test_data_that_came_after_the_window_had_closed_does_not_open_it(story: Story) -> None:
    await story.write_in()
    other = "another-visit-of-theirs"
    story.pass_time(24 * HOUR)
    await story.set_meta(city("Tver"), visit=other, key="other-01")
    await story.open_chat(visit=other)
    assert await story.verdicts("other-01", visit=other) == {"lead.custom_fields[0]": "refused_window_closed"}


async def test_accepting_changes_nothing(story: Story) -> None:
    lead_id = await story.write_in()
    await story.accept(lead_id)
    story.pass_time(timedelta(hours=24) - SECOND)
    assert await story.set_meta(city("Tver")) == {"lead.custom_fields[0]": "filled"}


async def test_after_a_decline_nothing_is_filled_and_a_new_lead_opens_its_own_window(story: Story) -> None:
    first = await story.write_in()
    await story.decline(first)
    assert await story.set_meta({**city("Tver"), "bot_params": {"a": 1}}) == {
        "lead.custom_fields[0]": "refused_declined",
        "bot_params.a": "passed_to_bot",
    }
    story.pass_time(30 * HOUR)
    second = await story.write_in(text="Ещё вопрос")
    assert second != first
    assert await story.set_meta(city("Tver")) == {"lead.custom_fields[0]": "filled"}
    old, new = await story.card(first), await story.card(second)
    assert old["contact"]["id"] == new["contact"]["id"]
    assert old["lead"]["custom_fields_values"] is None
    assert new["window"]["closes_at"] == int((story.now + 24 * HOUR).timestamp())


async def test_bot_params_know_no_window(story: Story) -> None:
    lead_id = await story.write_in()
    story.pass_time(100 * HOUR)
    assert await story.set_meta({"bot_params": {"a": 1}}) == {"bot_params.a": "passed_to_bot"}
    assert (await story.card(lead_id))["bot_params"] == {"a": 1}
