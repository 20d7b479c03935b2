"""The cards: who writes first, notes, decisions of operators, visitors who come back."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.db import crm
from knopka.db.database import Database, Transaction
from knopka.domain.crm import LOST
from knopka.domain.errors import Conflict, InvalidInput, NotFound
from knopka.domain.fields import FieldValue
from knopka.domain.meta import Entity
from knopka.services import cards, desk
from knopka.services.catalog import ACCOUNT
from tests.services.story import CITY, EXAMPLE, HOUR, PHONE, SECOND, Story, city, note

pytestmark = pytest.mark.anyio

OTHER = "another-visit-of-theirs"


async def test_a_card_begins_with_names_that_we_make_up(story: Story) -> None:
    card = await story.card(await story.write_in())
    assert card["contact"]["name"] == f"Посетитель #{card['contact']['id']}"
    assert card["lead"]["name"] == f"Сделка #{card['lead']['id']}"
    assert card["lead"]["price"] == 0
    assert (card["unsorted"]["category"], card["unsorted"]["state"]) == ("chats", "unsorted")
    assert len(card["unsorted"]["uid"]) == 32


async def test_the_names_are_in_the_language_of_the_account(database: Database) -> None:
    story = await Story.begin(database, locale="en")
    card = await story.card(await story.write_in())
    assert card["contact"]["name"] == f"Visitor #{card['contact']['id']}"
    assert card["lead"]["name"] == f"Lead #{card['lead']['id']}"


async def test_a_filled_field_keeps_its_value(story: Story) -> None:
    lead_id = await story.write_in()
    assert set((await story.set_meta(EXAMPLE)).values()) == {"filled", "noted"}
    again = await story.set_meta(
        {"contact": {"name": "Пётр"}, "lead": {"name": "Другая", "sale": 1}, "note": {"text": "Ещё"}}
    )
    assert again == {
        "contact.name": "refused_not_empty",
        "lead.name": "refused_not_empty",
        "lead.sale": "refused_not_empty",
        "note": "noted",
    }
    card = await story.card(lead_id)
    assert (card["contact"]["name"], card["lead"]["name"], card["lead"]["price"]) == (
        "Иван Иванов",
        "Название сделки",
        999,
    )


async def test_a_page_does_not_change_what_an_operator_wrote(story: Story) -> None:
    lead_id = await story.write_in()
    contact_id = (await story.card(lead_id))["contact"]["id"]
    await story.write(cards.rename_contact, story.operator.id, contact_id, "Ольга", "edit-001")
    await story.write(cards.rename_lead, story.operator.id, lead_id, "Чай", "edit-001")
    await story.write(cards.set_price, story.operator.id, lead_id, 10, "edit-001")
    assert await story.set_meta({"contact": {"name": "Пётр"}, "lead": {"name": "Другая", "sale": 1}}) == {
        "contact.name": "refused_not_empty",
        "lead.name": "refused_not_empty",
        "lead.sale": "refused_not_empty",
    }


async def test_the_statement_itself_asks_whether_the_place_is_empty(story: Story) -> None:
    """S-WEB-10: even a plan made from an old look at the card overwrites nothing."""
    lead_id = await story.write_in()
    contact_id = (await story.card(lead_id))["contact"]["id"]

    def fill_twice(tx: Transaction, *, now: Any) -> list[bool]:
        wrote = []
        for text in ("first", "second"):
            value = FieldValue(CITY, ({"value": text},))
            wrote += [
                crm.fill_name(tx, ACCOUNT, Entity.CONTACT, contact_id, text, now),
                crm.fill_name(tx, ACCOUNT, Entity.LEAD, lead_id, text, now),
                crm.fill_price(tx, ACCOUNT, lead_id, len(text), now),
                crm.fill_field(tx, ACCOUNT, Entity.LEAD, lead_id, value, now),
            ]
        return wrote

    assert await story.write(fill_twice) == [True] * 4 + [False] * 4
    card = await story.card(lead_id)
    assert (card["contact"]["name"], card["lead"]["name"], card["lead"]["price"]) == ("first", "first", 5)
    assert await story.fields(lead_id) == {CITY: "first"}


async def test_a_place_that_was_filled_meanwhile_is_refused(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_id = await story.write_in()
    await story.set_meta(
        {"lead": {**city("Tver")["lead"], "sale": 5, "name": "Чай"}, "contact": {"name": "Ольга"}}
    )
    monkeypatch.setattr(cards, "plan_fill", _plan_as_if_empty)
    late = {"lead": {**city("Omsk")["lead"], "sale": 6, "name": "Кофе"}, "contact": {"name": "Пётр"}}
    refused = await story.set_meta(late, key="late-001")
    assert set(refused.values()) == {"refused_not_empty"}
    assert len(refused) == 4
    assert await story.verdicts("late-001") == refused
    assert await story.fields(lead_id) == {CITY: "Tver"}


def _plan_as_if_empty(resolved: Any, card: Any, gate: Any) -> Any:
    from knopka.domain.filling import CardState, plan_fill  # the real one, which the test has replaced

    return plan_fill(resolved, CardState(), gate)


async def test_a_note_of_this_visit_is_repeated_and_one_of_another_visit_is_stored_once(story: Story) -> None:
    lead_id = await story.write_in()
    await story.open_chat(visit=OTHER)
    assert await story.set_meta(note("Привет")) == {"note": "noted"}
    assert await story.set_meta(note("Привет")) == {"note": "repeated"}
    assert await story.set_meta(note("Привет"), visit=OTHER) == {"note": "noted"}
    assert await story.set_meta(note("Привет"), visit=OTHER) == {"note": "repeated"}
    assert await story.set_meta(note("Привет", element_type=1)) == {"note": "noted"}
    card = await story.card(lead_id)
    assert sorted(item["entity_type"] for item in card["notes"]) == ["contacts", "leads"]


async def test_the_limit_of_notes_is_the_visits_own(story: Story) -> None:
    await story.write_in()
    await story.open_chat(visit=OTHER)
    for number in range(10):
        await story.set_meta(note(f"note {number}"))
    assert await story.set_meta(note("one more")) == {"note": "refused_limit"}
    assert await story.set_meta(note("one more"), visit=OTHER) == {"note": "noted"}


async def test_an_sms_note_names_the_contacts_phone(story: Story) -> None:
    lead_id = await story.write_in()
    await story.set_meta(EXAMPLE)
    await story.set_meta({"note": {"text": "Позвоните", "note_type": 102}})
    card = await story.card(lead_id)
    assert [item["params"] for item in card["notes"] if item["note_type"] == "sms_in"] == [
        {"text": "Позвоните", "phone": "+7123456789"}
    ]


async def test_accepting_takes_the_lead_to_the_first_stage(story: Story) -> None:
    lead_id = await story.write_in()
    stages = [status for status in story.catalog.main_pipeline.statuses if status.type != 1]
    incoming = await story.accept(lead_id)
    assert incoming.state == "accepted"
    card = await story.card(lead_id)
    assert card["lead"]["status_id"] == stages[0].id
    assert card["unsorted"]["state"] == "accepted"
    assert card["contact"]["is_unsorted"] is False


async def test_a_decision_is_made_once(story: Story) -> None:
    lead_id = await story.write_in()
    uid = (await story.card(lead_id))["unsorted"]["uid"]
    decide = (cards.accept, story.catalog, story.operator.id, uid)
    await story.write(*decide, "decide-1")
    assert (await story.write(*decide, "decide-1")).state == "accepted"
    with pytest.raises(Conflict):
        await story.write(*decide, "decide-1", status_id=142)
    with pytest.raises(Conflict):
        await story.write(*decide, "decide-2")
    with pytest.raises(Conflict):
        await story.write(cards.decline, story.operator.id, uid, "decide-3")
    with pytest.raises(NotFound):
        await story.write(cards.decline, story.operator.id, "0" * 32, "decide-4")


async def test_a_stage_must_belong_to_the_pipeline(story: Story) -> None:
    lead_id = await story.write_in()
    uid = (await story.card(lead_id))["unsorted"]["uid"]
    unsorted = story.catalog.main_pipeline.statuses[0].id
    for stage in ({"pipeline_id": 5}, {"status_id": 5}, {"status_id": unsorted}):
        with pytest.raises(InvalidInput):
            await story.write(cards.accept, story.catalog, story.operator.id, uid, "decide-1", **stage)
    assert (await story.card(lead_id))["unsorted"]["state"] == "unsorted"


async def test_a_declined_lead_is_closed(story: Story) -> None:
    lead_id = await story.write_in()
    await story.decline(lead_id)
    card = await story.card(lead_id)
    assert (card["lead"]["status_id"], card["unsorted"]["state"]) == (LOST, "declined")
    assert card["lead"]["closed_at"] == int(story.now.timestamp())


async def test_unsorted_leads_are_listed_newest_first_page_by_page(story: Story) -> None:
    leads = []
    for number in range(5):
        leads.append(await story.write_in(token=f"visitor-{number}", visit=f"visit-number-{number}-000000"))
        story.pass_time(SECOND * (number % 2))
    await story.decline(leads[2])
    seen: list[int] = []
    before = None
    while True:
        page = await story.read(cards.list_unsorted, before=before, limit=2)
        seen += [item.lead_id for item in page.unsorted]
        if page.next is None:
            break
        before = page.next
    assert sorted(seen) == sorted({*leads} - {leads[2]})
    assert len(seen) == len(set(seen))
    assert (await story.read(cards.list_unsorted)).unsorted[0].last_text == "Здравствуйте!"
    with pytest.raises(InvalidInput):
        await story.read(cards.list_unsorted, before="nonsense")


async def test_leads_are_listed_newest_first(story: Story) -> None:
    leads = [
        await story.write_in(token=f"visitor-{number}", visit=f"visit-number-{number}-000000")
        for number in range(3)
    ]
    assert await story.leads() == leads[::-1]
    rows = await story.read(cards.list_leads, story.catalog, before_id=leads[2], limit=1)
    assert [row.lead.id for row in rows] == [leads[1]]


# Visitors who come back


async def test_a_new_visit_of_a_known_visitor_writes_on_the_open_lead(story: Story) -> None:
    lead_id = await story.write_in()
    story.pass_time(20 * HOUR)
    assert await story.set_meta({**city("Tver"), **note("new visit")}, visit=OTHER, key="other-01") == {
        "lead.custom_fields[0]": "waiting_for_lead",
        "note": "waiting_for_lead",
    }
    await story.open_chat(visit=OTHER)
    assert await story.verdicts("other-01", visit=OTHER) == {
        "lead.custom_fields[0]": "filled",
        "note": "noted",
    }
    assert await story.fields(lead_id) == {CITY: "Tver"}
    assert await story.leads() == [lead_id]


async def test_a_new_visit_is_bound_by_a_message_as_well(story: Story) -> None:
    lead_id = await story.write_in()
    await story.set_meta(city("Tver"), visit=OTHER, key="other-01")
    assert await story.write_in(visit=OTHER) == lead_id
    assert await story.verdicts("other-01", visit=OTHER) == {"lead.custom_fields[0]": "filled"}


async def test_after_a_closed_lead_data_waits_for_the_next_message(story: Story) -> None:
    first = await story.write_in()
    await story.set_meta({"contact": {"name": "Ольга"}})
    uid = (await story.card(first))["unsorted"]["uid"]
    await story.write(cards.accept, story.catalog, story.operator.id, uid, "decide-1", status_id=142)
    await story.open_chat(visit=OTHER)
    params = {**city("Omsk"), "contact": {"name": "Пётр"}, "bot_params": {"a": 1}}
    assert await story.set_meta(params, visit=OTHER, key="other-01") == {
        "contact.name": "waiting_for_lead",
        "lead.custom_fields[0]": "waiting_for_lead",
        "bot_params.a": "passed_to_bot",
    }
    second = await story.write_in(visit=OTHER)
    assert second != first
    assert await story.verdicts("other-01", visit=OTHER) == {
        "contact.name": "refused_not_empty",
        "lead.custom_fields[0]": "filled",
        "bot_params.a": "passed_to_bot",
    }
    assert await story.fields(second) == {CITY: "Omsk"}
    assert (await story.card(second))["contact"]["id"] == (await story.card(first))["contact"]["id"]


async def test_bot_params_of_a_known_visitor_are_merged_without_a_lead(story: Story) -> None:
    await story.decline(await story.write_in())
    await story.open_chat(visit=OTHER)
    assert await story.set_meta({"bot_params": {"a": 1, "b": 1}}, visit=OTHER) == {
        "bot_params.a": "passed_to_bot",
        "bot_params.b": "passed_to_bot",
    }
    await story.set_meta({"bot_params": {"b": 2}}, visit=OTHER)
    lead_id = await story.write_in(visit=OTHER)
    assert (await story.card(lead_id))["bot_params"] == {"a": 1, "b": 2}


async def test_what_waited_too_long_is_not_written_when_its_visitor_is_known_at_last(story: Story) -> None:
    await story.set_meta(city("Tver"), visit=OTHER, key="other-01")
    story.pass_time(24 * HOUR - SECOND)
    lead_id = await story.write_in()
    story.pass_time(SECOND)
    await story.open_chat(visit=OTHER)
    assert await story.verdicts("other-01", visit=OTHER) == {"lead.custom_fields[0]": "expired"}
    assert await story.fields(lead_id) == {}


async def test_data_of_a_visit_that_nobody_writes_from_finds_the_lead_of_another_visit(story: Story) -> None:
    first = await story.write_in()
    await story.decline(first)
    await story.open_chat(visit=OTHER)
    await story.set_meta(city("Omsk"), visit=OTHER, key="other-01")
    second = await story.write_in()
    await story.run_timers()
    assert await story.verdicts("other-01", visit=OTHER) == {"lead.custom_fields[0]": "filled"}
    assert await story.fields(second) == {CITY: "Omsk"}


async def test_a_visit_goes_on_with_the_lead_that_another_visit_opened(story: Story) -> None:
    first = await story.write_in()
    await story.decline(first)
    second = await story.write_in(visit=OTHER)
    assert await story.set_meta({**city("Tver"), "bot_params": {"a": 1}}) == {
        "lead.custom_fields[0]": "filled",
        "bot_params.a": "passed_to_bot",
    }
    assert await story.fields(second) == {CITY: "Tver"}


async def test_two_chats_of_one_visit_share_contact_and_lead(story: Story) -> None:
    first = await story.say(token="one")
    second = await story.say(token="two")
    assert first.conversation.id != second.conversation.id
    assert await story.lead_of(first) == await story.lead_of(second)
    assert len(await story.leads()) == 1


async def test_after_a_decline_two_chats_of_one_visit_share_the_new_lead_too(story: Story) -> None:
    first = await story.lead_of(await story.say(token="one"))
    await story.say(token="two")
    await story.decline(first)
    new = await story.lead_of(await story.say(token="two", visit=None))
    assert new != first
    assert await story.lead_of(await story.say(token="one", visit=None)) == new
    assert await story.set_meta(city("Tver")) == {"lead.custom_fields[0]": "filled"}


async def test_a_visit_keeps_its_cards_when_another_visitor_writes_from_it(story: Story) -> None:
    mine = await story.write_in(token="one")
    theirs = await story.write_in(token="two", visit=OTHER)
    assert mine != theirs
    assert await story.write_in(token="two") == theirs
    await story.set_meta(city("Tver"))
    assert await story.fields(mine) == {CITY: "Tver"}
    assert await story.fields(theirs) == {}


async def test_a_message_without_a_visit_makes_a_card(story: Story) -> None:
    lead_id = await story.write_in(visit=None)
    assert (await story.card(lead_id))["window"] is None


async def test_a_message_without_a_visit_takes_the_data_of_the_last_one(story: Story) -> None:
    first = await story.write_in()
    await story.decline(first)
    await story.open_chat(visit=OTHER)
    await story.set_meta(city("Tver"), visit=OTHER)
    second = await story.write_in(visit=None)
    assert await story.fields(second) == {CITY: "Tver"}


# What operators write


async def test_an_operators_edit_is_told_to_all_and_made_once(story: Story) -> None:
    lead_id = await story.write_in()
    edit = (cards.rename_lead, story.operator.id, lead_id)
    await story.write(*edit, "Чай", "edit-001")
    await story.write(*edit, "Кофе", "edit-002")
    await story.write(*edit, "Чай", "edit-001")
    assert (await story.card(lead_id))["lead"]["name"] == "Кофе"
    with pytest.raises(Conflict):
        await story.write(*edit, "Какао", "edit-001")
    with pytest.raises(InvalidInput):
        await story.write(*edit, " \n", "edit-003")
    with pytest.raises(NotFound):
        await story.write(cards.set_price, story.operator.id, 10_000, 5, "edit-004")
    with pytest.raises(InvalidInput):
        await story.write(cards.set_price, story.operator.id, lead_id, -5, "edit-005")


async def test_a_name_that_is_none_is_told_by_its_own_place(story: Story) -> None:
    lead_id = await story.write_in()
    contact_id = (await story.card(lead_id))["contact"]["id"]
    for rename, card_id, place in (
        (cards.rename_contact, contact_id, "$.contact_name"),
        (cards.rename_lead, lead_id, "$.name"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await story.write(rename, story.operator.id, card_id, "\u200b", "edit-001")
        assert [fault.path for fault in caught.value.faults] == [place]


async def test_an_operators_note_is_made_once(story: Story) -> None:
    lead_id = await story.write_in()
    first = await story.write(desk.add_note, story.operator, Entity.LEAD, lead_id, "note-001", "Перезвонить")
    again = await story.write(desk.add_note, story.operator, Entity.LEAD, lead_id, "note-001", "Перезвонить")
    other = await story.write(desk.add_note, story.operator, Entity.LEAD, lead_id, "note-002", "Перезвонить")
    assert again == first
    assert other.id != first.id
    assert await story.notes(lead_id) == ["Перезвонить", "Перезвонить"]
    with pytest.raises(NotFound):
        await story.write(desk.add_note, story.operator, Entity.CONTACT, 10_000, "note-003", "x")


async def test_the_card_shows_what_the_site_sent_with_each_verdict_in_words(story: Story) -> None:
    await story.set_meta({"lead": {"sale": "cheap"}, "note": {"text": "a" * 2_000}})
    card = await story.card(await story.write_in())
    shown = [(datum["path"], datum["verdict"], datum["verdict_name"]) for datum in card["site_data"]]
    assert shown == [
        ("lead.sale", "refused_bad_value", "refused: bad value"),
        ("note", "noted", "noted"),
    ]
    assert card["site_data"][0]["value"] == "cheap"
    assert "cheap" in card["site_data"][0]["reason"]
    assert card["site_data"][0]["page"] == "https://shop.example/tea"
    assert len(card["site_data"][1]["value"]) == 500


async def test_the_card_has_the_shape_of_api_v4(story: Story) -> None:
    lead_id = await story.write_in()
    bare = await story.card(lead_id)
    assert bare["lead"]["custom_fields_values"] is None
    await story.set_meta(EXAMPLE)
    card = await story.card(lead_id)
    assert card["contact"]["custom_fields_values"] == [
        {
            "field_id": PHONE,
            "field_name": "Телефон",
            "field_code": "PHONE",
            "field_type": "multitext",
            "values": [{"value": "+7123456789", "enum_id": 12345, "enum_code": "WORK"}],
        }
    ]
    plain = ("id", "name", "price", "status_id", "pipeline_id", "updated_at", "closed_at", "account_id")
    assert set(plain) <= set(card["lead"])
    assert card["lead"]["created_at"] == int(story.now.timestamp())
    assert card["notes"][0]["entity_type"] == "contacts"
    assert card["notes"][0]["note_type"] == "common"
    own = [field["id"] for field in card["fields"]["leads"] if field["type"] != "tracking_data"]
    assert own == [CITY, 423456]
    assert set(card) == {
        "lead", "contact", "notes", "site_data", "window", "unsorted", "bot_params", "fields", "claimed"
    }  # fmt: skip


async def test_a_phone_that_a_page_gave_is_shown_as_a_claim(story: Story) -> None:
    lead_id = await story.write_in()
    assert (await story.card(lead_id))["claimed"] == {"leads": [], "contacts": []}
    await story.set_meta({**EXAMPLE, "lead": city("Tver")["lead"]})
    card = await story.card(lead_id)
    assert [field["field_id"] for field in card["lead"]["custom_fields_values"]] == [CITY]
    assert card["claimed"] == {"leads": [], "contacts": [PHONE]}
