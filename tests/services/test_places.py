"""The fields that every account has, and how they give way to those of the account that is taken over."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.domain.catalog import FieldDraft, OptionDraft
from knopka.domain.errors import Conflict
from knopka.domain.fields import CustomField, FieldType
from knopka.domain.meta import Entity
from knopka.services.catalog import add_field, import_fields, load_catalog
from tests.services.story import Story

pytestmark = pytest.mark.anyio

MAIL = {
    "contact": {"custom_fields": [{"code": "EMAIL", "values": [{"value": "a@b.example", "enum": "PRIV"}]}]}
}
CLICK = {"lead": {"custom_fields": [{"code": "GCLID", "values": [{"value": "click"}]}]}}

EMAIL_MODEL = {
    "id": 4396819,
    "name": "Почта",
    "type": "multitext",
    "code": "EMAIL",
    "sort": 4,
    "entity_type": "contacts",
    "enums": [{"id": 20, "value": "WORK", "sort": 1}, {"id": 21, "value": "PRIV", "sort": 2}],
}
GCLID_MODEL = {"id": 77, "name": "gclid", "type": "tracking_data", "code": "GCLID", "entity_type": "leads"}


def answer(*models: Any) -> dict[str, Any]:
    return {"_embedded": {"custom_fields": list(models)}}


async def reload(story: Story) -> None:
    story.catalog = await story.read(load_catalog)


def ours(story: Story, entity: Entity, code: str) -> CustomField:
    return story.catalog.by_code[entity, code]


async def values_of(story: Story, lead_id: int) -> dict[int, list[Any]]:
    card = await story.card(lead_id)
    cards = (card["contact"], card["lead"])
    return {
        field["field_id"]: field["values"] for one in cards for field in one["custom_fields_values"] or []
    }


MOVED = {
    4396819: [{"value": "a@b.example", "enum_id": 21, "enum_code": "PRIV"}],
    77: [{"value": "click"}],
}


async def test_a_page_fills_the_fields_of_a_new_account_by_their_codes(story: Story) -> None:
    lead_id = await story.write_in()
    assert await story.set_meta(MAIL | CLICK) == {
        "contact.custom_fields[0]": "filled",
        "lead.custom_fields[0]": "filled",
    }
    email, click = ours(story, Entity.CONTACT, "EMAIL"), ours(story, Entity.LEAD, "GCLID")
    assert set(await values_of(story, lead_id)) == {email.id, click.id}


async def test_what_is_on_cards_moves_to_the_ids_of_the_import(story: Story) -> None:
    lead_id = await story.write_in()
    await story.set_meta(MAIL | CLICK)
    before = len(story.catalog.fields)
    report = await story.write(import_fields, answer(EMAIL_MODEL, GCLID_MODEL))
    assert [field.id for field in report.updated] == [4396819, 77]
    assert (report.added, report.skipped) == ((), ())
    await reload(story)
    assert await values_of(story, lead_id) == MOVED
    assert len(story.catalog.fields) == before
    assert ours(story, Entity.CONTACT, "EMAIL").id == 4396819
    again = await story.write(import_fields, answer(EMAIL_MODEL, GCLID_MODEL))
    assert [field.id for field in again.updated] == [4396819, 77]
    assert await story.set_meta(CLICK, key="click-02") == {"lead.custom_fields[0]": "refused_not_empty"}


async def test_what_waits_for_a_card_moves_as_well(story: Story) -> None:
    await story.set_meta(MAIL | CLICK)
    await story.write(import_fields, answer(EMAIL_MODEL, GCLID_MODEL))
    await reload(story)
    assert await values_of(story, await story.write_in()) == MOVED


async def test_a_field_that_is_gone_when_the_card_comes_is_told(story: Story) -> None:
    stale = story.catalog
    await story.write(import_fields, answer(EMAIL_MODEL, GCLID_MODEL))
    assert story.catalog is stale
    await story.set_meta(MAIL | {"lead": {"sale": 5}}, key="stale-01")
    await reload(story)
    lead_id = await story.write_in()
    assert await story.verdicts("stale-01") == {
        "contact.custom_fields[0]": "refused_unknown_field",
        "lead.sale": "filled",
    }
    assert await values_of(story, lead_id) == {}


async def test_a_field_that_is_added_with_its_id_takes_the_place_too(story: Story) -> None:
    lead_id = await story.write_in()
    await story.set_meta(MAIL)
    options = (OptionDraft("PRIV", 21, "PRIV"), OptionDraft("WORK", 20, "WORK"))
    draft = FieldDraft(
        Entity.CONTACT, FieldType.MULTITEXT, "Почта", id=4396819, code="EMAIL", options=options
    )
    place = ours(story, Entity.CONTACT, "EMAIL").sort
    added = await story.write(add_field, draft)
    await reload(story)
    assert story.catalog.fields[4396819] == added
    assert added.sort == place
    assert await values_of(story, lead_id) == {4396819: MOVED[4396819]}


async def test_a_code_stays_where_it_is_for_another_type_or_without_an_id(story: Story) -> None:
    report = await story.write(import_fields, answer(EMAIL_MODEL | {"type": "text", "enums": None}))
    assert [skipped.reason.code for skipped in report.skipped] == ["import_code_taken"]
    for draft in (
        FieldDraft(Entity.CONTACT, FieldType.TEXT, "Почта", id=5, code="EMAIL"),
        FieldDraft(Entity.CONTACT, FieldType.MULTITEXT, "Почта", code="EMAIL"),
        FieldDraft(Entity.CONTACT, FieldType.MULTITEXT, "Почта", id=423456, code="EMAIL"),
    ):
        with pytest.raises(Conflict):
            await story.write(add_field, draft)
    before = story.catalog.fields
    await reload(story)
    assert story.catalog.fields == before


async def test_a_code_of_an_imported_field_stays_with_it(story: Story) -> None:
    await story.write(import_fields, answer(EMAIL_MODEL))
    report = await story.write(import_fields, answer(EMAIL_MODEL | {"id": 8}))
    assert [(skipped.id, skipped.reason.code) for skipped in report.skipped] == [(8, "import_code_taken")]


async def test_more_cards_than_are_held_at_once_all_move(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knopka.services.places.BATCH", 2)
    visits = [f"visit-{number}-of-the-many-" for number in range(5)]
    leads = []
    for number, visit in enumerate(visits):
        leads.append(await story.write_in(visit=visit, token=f"token-{number}"))
        await story.set_meta(MAIL, visit=visit)
        await story.set_meta(MAIL, visit=f"{visit}waits")
    await story.write(import_fields, answer(EMAIL_MODEL))
    await reload(story)
    for number, visit in enumerate(visits):
        leads.append(await story.write_in(visit=f"{visit}waits", token=f"late-{number}"))
    assert [await values_of(story, lead_id) for lead_id in leads] == [{4396819: MOVED[4396819]}] * 10
