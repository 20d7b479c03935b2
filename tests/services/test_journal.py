"""The journal of setMeta calls."""

from __future__ import annotations

import json

import pytest

from knopka.domain.errors import Conflict
from knopka.services.journal import list_journal
from knopka.services.shapes import journal_line, recorded
from tests.services.story import EXAMPLE, SECOND, VISIT, Story, city, note

pytestmark = pytest.mark.anyio

OTHER = "another-visit-of-theirs"


@pytest.mark.parametrize("has_card", [False, True], ids=["waiting", "on-a-card"])
async def test_the_same_key_with_the_same_body_is_answered_as_it_stands(story: Story, has_card: bool) -> None:
    lead_id = await story.write_in() if has_card else 0
    first = await story.set_meta(note("Привет"), key="note-001")
    story.pass_time(SECOND)
    assert await story.set_meta(note("Привет"), key="note-001") == first
    if not has_card:
        lead_id = await story.write_in()
    assert await story.set_meta(note("Привет"), key="note-001") == {"note": "noted"}
    assert await story.notes(lead_id) == ["Привет"]


@pytest.mark.parametrize("has_card", [False, True], ids=["waiting", "on-a-card"])
async def test_the_same_key_with_another_body_is_a_conflict_and_keeps_nothing(
    story: Story, has_card: bool
) -> None:
    lead_id = await story.write_in() if has_card else 0
    await story.set_meta(city("Tver"), key="city-001")
    with pytest.raises(Conflict):
        await story.send(story.call(note("lost"), "note-001"), story.call(city("Omsk"), "city-001"))
    assert await story.verdicts("note-001") == {}
    lead_id = lead_id or await story.write_in()
    assert await story.notes(lead_id) == []


async def test_a_key_belongs_to_its_visit(story: Story) -> None:
    await story.set_meta(note("one"), key="note-001")
    assert await story.set_meta(note("two"), key="note-001", visit=OTHER) == {"note": "waiting_for_lead"}


@pytest.mark.parametrize("has_card", [False, True], ids=["waiting", "on-a-card"])
async def test_the_calls_of_one_request_are_taken_in_their_order(story: Story, has_card: bool) -> None:
    if has_card:
        await story.write_in()
    calls = [story.call(city(name)) for name in ("Tver", "Omsk")]
    answer = await story.send(*calls, calls[0])
    taken = "filled" if has_card else "waiting_for_lead"
    assert [call.verdicts[0].verdict for call in answer.calls] == [taken, "refused_not_empty", taken]
    assert await story.fields(await story.write_in()) == {223456: "Tver"}


async def test_a_call_is_kept_as_it_came(story: Story) -> None:
    call = story.call(EXAMPLE, "example-1")
    await story.send(call)
    entries = await story.read(list_journal, visit=VISIT, lead_id=None, after_id=0, limit=10)
    assert [(entry.key, entry.body, entry.page_url) for entry in entries] == [
        ("example-1", call.body, "https://shop.example/tea")
    ]
    assert json.loads(entries[0].body) == EXAMPLE
    line = journal_line(entries[0])
    assert {"at", "button", "visit", "page", "call", "verdicts", "lead_id"} <= set(line)
    assert line["call"] == EXAMPLE
    assert (line["at"], line["button"], line["lead_id"]) == (
        int(story.now.timestamp()),
        story.source.public_id,
        None,
    )
    assert len(line["visit"]) == 16
    assert VISIT not in json.dumps(line)


async def test_the_journal_is_read_by_visit_by_its_short_name_by_lead_and_page_by_page(story: Story) -> None:
    await story.set_meta(note("one"), key="note-001")
    await story.set_meta(note("two"), key="note-002", visit=OTHER)
    lead_id = await story.write_in()
    await story.set_meta(note("three"), key="note-003")

    async def keys(
        visit: str | None = None, lead: int | None = None, after: int = 0, limit: int = 10
    ) -> list[str]:
        found = await story.read(list_journal, visit=visit, lead_id=lead, after_id=after, limit=limit)
        return [entry.key for entry in found]

    assert await keys() == ["note-001", "note-002", "note-003"]
    assert await keys(limit=2) == ["note-001", "note-002"]
    entries = await story.read(list_journal, visit=VISIT, lead_id=None, after_id=0, limit=10)
    assert [entry.key for entry in entries] == ["note-001", "note-003"]
    assert await keys(visit=entries[0].visit) == ["note-001", "note-003"]
    assert await keys(lead=lead_id) == ["note-001", "note-003"]
    assert await keys(after=entries[0].id) == ["note-002", "note-003"]
    assert await keys(visit="f" * 16) == []


async def test_a_visit_learns_the_verdicts_of_its_own_calls_alone(story: Story) -> None:
    await story.set_meta(note("one"), key="note-001")
    assert await story.verdicts("note-001", visit=OTHER) == {}
    await story.set_meta(note("two"), key="note-002", visit=OTHER)
    assert await story.verdicts("note-001", "unknown-1", visit=OTHER) == {}


async def test_the_answer_to_a_page_says_the_reasons_and_the_window(story: Story) -> None:
    waiting = recorded(await story.send(story.call({"lead": {"sale": "cheap"}}, "cheap-01")), "ru")
    assert waiting["window"] is None
    assert waiting["calls"][0]["key"] == "cheap-01"
    path = waiting["calls"][0]["verdicts"][0]
    assert (path["path"], path["verdict"]) == ("lead.sale", "refused_bad_value")
    assert "cheap" in path["reason"]
    await story.write_in()
    answer = recorded(await story.send(story.call(note("one"))), "ru")
    start = int(story.now.timestamp() * 1000)
    assert answer["window"] == {"opened_at": start, "closes_at": start + 24 * 3_600_000, "is_open": True}
    assert answer["calls"][0]["verdicts"] == [{"path": "note", "verdict": "noted", "reason": None}]
