"""What a page sends before there is a card."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from knopka.services import desk
from knopka.services.journal import list_journal
from tests.services.story import CITY, EXAMPLE, HOUR, PHONE, SECOND, VISIT, Story, city, note

pytestmark = pytest.mark.anyio

DAY = timedelta(hours=24)


async def test_the_example_of_the_page_waits_and_is_written_at_the_first_message(story: Story) -> None:
    waiting = await story.set_meta(EXAMPLE, key="example-1")
    assert set(waiting.values()) == {"waiting_for_lead"}
    lead_id = await story.write_in()
    assert await story.verdicts("example-1") == {
        "note": "noted",
        "contact.name": "filled",
        "contact.custom_fields[0]": "filled",
        "lead.name": "filled",
        "lead.sale": "filled",
    }
    card = await story.card(lead_id)
    assert card["contact"]["name"] == "Иван Иванов"
    assert (card["lead"]["name"], card["lead"]["price"]) == ("Название сделки", 999)
    assert card["contact"]["custom_fields_values"][0]["values"] == [
        {"value": "+7123456789", "enum_id": 12345, "enum_code": "WORK"}
    ]
    assert [(item["entity_type"], item["params"]["text"]) for item in card["notes"]] == [
        ("contacts", "Текст примечания")
    ]


async def test_bad_values_are_refused_at_once_and_the_rest_waits(story: Story) -> None:
    verdicts = await story.set_meta(
        {
            "lead": {
                "sale": "cheap",
                "custom_fields": [
                    {"id": 1, "values": [{"value": "x"}]},
                    {"id": PHONE, "values": [{"value": "+7123456789"}]},
                    {"id": 423456, "values": [{"value": "many"}]},
                    {"id": CITY, "values": [{"value": "Tver"}]},
                ],
            },
            "test": True,
        }
    )
    assert verdicts == {
        "lead.sale": "refused_bad_value",
        "lead.custom_fields[0]": "refused_unknown_field",
        "lead.custom_fields[1]": "refused_wrong_entity",
        "lead.custom_fields[2]": "refused_bad_value",
        "lead.custom_fields[3]": "waiting_for_lead",
        "test": "ignored_unknown_key",
    }


async def test_the_first_value_that_waits_keeps_its_place(story: Story) -> None:
    assert await story.set_meta(city("Tver"), key="first-01") == {"lead.custom_fields[0]": "waiting_for_lead"}
    assert await story.set_meta(city("Omsk"), key="second-1") == {
        "lead.custom_fields[0]": "refused_not_empty"
    }
    await story.set_meta({"lead": {"sale": 5}, "contact": {"name": "Olga"}})
    later = await story.set_meta({"lead": {"sale": 6, "name": "Deal"}, "contact": {"name": "Pavel"}})
    assert later == {
        "lead.sale": "refused_not_empty",
        "lead.name": "waiting_for_lead",
        "contact.name": "refused_not_empty",
    }
    lead_id = await story.write_in()
    card = await story.card(lead_id)
    assert (card["lead"]["price"], card["lead"]["name"], card["contact"]["name"]) == (5, "Deal", "Olga")
    assert await story.fields(lead_id) == {CITY: "Tver"}
    assert await story.verdicts("second-1") == {"lead.custom_fields[0]": "refused_not_empty"}


@pytest.mark.parametrize(
    ("params", "reason"),
    [(city("Tver"), "earlier_value_waits"), (note("Asked about oolong"), "same_note_waits")],
)
async def test_what_an_earlier_call_has_taken_is_not_said_to_stand_on_a_card(
    story: Story, params: dict[str, Any], reason: str
) -> None:
    await story.set_meta(params)
    recorded = await story.send(story.call(params))
    assert [reason.code for verdict in recorded.calls[0].verdicts for reason in verdict.reasons] == [reason]


async def test_a_bad_value_leaves_the_place_to_the_next_good_one(story: Story) -> None:
    await story.set_meta({"lead": {"sale": "cheap"}})
    assert await story.set_meta({"lead": {"sale": 7}}) == {"lead.sale": "waiting_for_lead"}
    assert (await story.card(await story.write_in()))["lead"]["price"] == 7


async def test_ten_notes_wait_and_the_eleventh_is_over_the_limit(story: Story) -> None:
    for number in range(10):
        assert await story.set_meta(note(f"note {number}")) == {"note": "waiting_for_lead"}
    assert await story.set_meta(note("note 10")) == {"note": "refused_limit"}
    assert await story.set_meta(note("note 3")) == {"note": "repeated"}
    lead_id = await story.write_in()
    assert await story.notes(lead_id) == [f"note {number}" for number in range(10)]
    assert await story.set_meta(note("note 11")) == {"note": "refused_limit"}
    assert await story.set_meta(note("note 4")) == {"note": "repeated"}


async def test_bot_params_wait_merged_by_their_keys(story: Story) -> None:
    assert await story.set_meta({"bot_params": {"a": 1, "b": {"x": 1}}}, key="bot-0001") == {
        "bot_params.a": "waiting_for_lead",
        "bot_params.b": "waiting_for_lead",
    }
    await story.set_meta({"bot_params": {"b": 2}, **city("Tver")}, key="bot-0002")
    lead_id = await story.write_in()
    assert (await story.card(lead_id))["bot_params"] == {"a": 1, "b": 2}
    assert await story.verdicts("bot-0001") == {
        "bot_params.a": "passed_to_bot",
        "bot_params.b": "passed_to_bot",
    }
    assert await story.verdicts("bot-0002") == {
        "bot_params.b": "passed_to_bot",
        "lead.custom_fields[0]": "filled",
    }


async def test_a_key_named_like_a_verdict_is_not_taken_for_one(story: Story) -> None:
    tricky = {
        'x","verdict":"waiting_for_lead","reasons":[{"code":"waiting","values":{}}': 1,
        "waiting_for_lead": 2,
    }
    before = await story.set_meta(tricky, key="tricky-1")
    await story.set_meta({"bot_params": tricky}, key="tricky-2")
    story.pass_time(DAY)
    await story.run_timers()
    assert await story.verdicts("tricky-1") == before
    assert set((await story.verdicts("tricky-2")).values()) == {"expired"}


@pytest.mark.parametrize(
    ("waited", "verdict"),
    [(DAY - SECOND, "filled"), (DAY, "expired"), (DAY + SECOND, "expired")],
    ids=["23:59:59", "24:00:00", "24:00:01"],
)
async def test_data_waits_for_24_hours_even_when_no_timer_has_run(
    story: Story, waited: timedelta, verdict: str
) -> None:
    await story.set_meta({**city("Tver"), "bot_params": {"a": 1}}, key="early-01")
    story.pass_time(waited)
    lead_id = await story.write_in()
    passed = "passed_to_bot" if verdict == "filled" else "expired"
    assert await story.verdicts("early-01") == {"lead.custom_fields[0]": verdict, "bot_params.a": passed}
    assert await story.fields(lead_id) == ({CITY: "Tver"} if verdict == "filled" else {})


async def test_nobody_is_told_that_expired_data_still_waits(story: Story) -> None:
    await story.set_meta(EXAMPLE, key="early-01")
    story.pass_time(DAY - SECOND)
    assert set((await story.verdicts("early-01")).values()) == {"waiting_for_lead"}
    story.pass_time(SECOND)
    assert set((await story.verdicts("early-01")).values()) == {"expired"}


async def test_the_timer_ends_what_waited(story: Story) -> None:
    await story.set_meta(EXAMPLE, key="early-01")

    async def kept() -> set[str]:
        entries = await story.read(list_journal, visit=VISIT, lead_id=None, after_id=0, limit=1)
        return {verdict.verdict.value for verdict in entries[0].verdicts}

    story.pass_time(DAY - SECOND)
    await story.run_timers()
    assert await kept() == {"waiting_for_lead"}
    story.pass_time(SECOND)
    await story.run_timers()
    assert await kept() == {"expired"}


async def test_the_wait_counts_from_the_first_call_and_a_later_one_begins_anew(story: Story) -> None:
    await story.set_meta(city("Tver"), key="early-01")
    story.pass_time(23 * HOUR)
    await story.set_meta({"lead": {"sale": 5}}, key="early-02")
    story.pass_time(HOUR)
    assert await story.set_meta(
        {**city("Omsk"), "lead": city("Omsk")["lead"] | {"sale": 6}}, key="later-01"
    ) == {
        "lead.custom_fields[0]": "waiting_for_lead",
        "lead.sale": "waiting_for_lead",
    }
    assert await story.verdicts("early-01", "early-02") == {
        "lead.custom_fields[0]": "expired",
        "lead.sale": "expired",
    }
    story.pass_time(23 * HOUR)
    lead_id = await story.write_in()
    assert await story.fields(lead_id) == {CITY: "Omsk"}


async def test_a_card_shows_what_had_expired_before_it(story: Story) -> None:
    await story.set_meta(city("Tver"))
    story.pass_time(DAY)
    card = await story.card(await story.write_in())
    assert [(datum["path"], datum["verdict"]) for datum in card["site_data"]] == [
        ("lead.custom_fields[0]", "expired")
    ]


async def test_a_visit_without_a_message_makes_no_card(story: Story) -> None:
    await story.set_meta(EXAMPLE)
    assert await story.leads() == []


async def test_thousands_of_calls_that_wait_end_in_one_statement(story: Story) -> None:
    for _ in range(20):
        await story.send(*(story.call({"bot_params": {"page": 1}}) for _ in range(20)))
    await story.set_meta({"bot_params": {"page": 2}}, key="last-001")
    await story.write_in()
    assert await story.verdicts("last-001", "key-000001", "key-000400") == {
        "bot_params.page": "passed_to_bot"
    }


async def test_a_name_that_waited_reaches_an_inbox_that_was_away(story: Story) -> None:
    said = await story.say()
    story.pass_time(HOUR)
    seen = story.now
    other = "visit-2-of-the-story--"
    await story.set_meta({"contact": {"name": "Иван"}}, visit=other)
    await story.open_chat(visit=other)
    changes = await story.read(desk.list_changes, since=seen)
    assert [(shown.id, shown.visitor_name) for shown in changes.conversations] == [
        (said.conversation.id, "Иван")
    ]
