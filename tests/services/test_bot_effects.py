"""What a bot does beside talking: each effect with what stands on the cards afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.db.tags import list_joined
from knopka.domain.catalog import FieldDraft, OptionDraft
from knopka.domain.crm import LOST, WON
from knopka.domain.fields import FieldType
from knopka.domain.meta import Entity
from knopka.services import cards, desk
from knopka.services.catalog import add_field
from tests.services.bot_story import BotStory, act, handler, show
from tests.services.story import CITY, PHONE, Story

pytestmark = pytest.mark.anyio

FIRST = {"on": "first_message"}
COLORS = 523456


@pytest.fixture
def talk(story: Story) -> BotStory:
    return BotStory(story)


async def play(talk: BotStory, *handlers: dict[str, Any], **more: Any) -> None:
    """A bot that does this at the first message, and is done."""
    await talk.add([{"question": list(handlers)}], FIRST, **more)
    await talk.say()


def set_field(target: Any, value: str, **more: Any) -> dict[str, Any]:
    where = {"custom_field": target} if isinstance(target, str) else {"custom_fields_id": target}
    return act("set_custom_fields", value=value, **where, **more)


async def test_names_budget_and_fields_are_written_over_what_stands_there(talk: BotStory) -> None:
    await talk.story.set_meta(
        {
            "contact": {"name": "Аня"},
            "lead": {
                "name": "Заказ",
                "sale": 5,
                "custom_fields": [{"id": CITY, "values": [{"value": "Тверь"}]}],
            },
        }
    )
    await play(
        talk,
        set_field("{{contact.name}}", "Анна", type=1),
        set_field("{{lead.name}}", "Чай", type=2),
        act("set_budget", value="{{lead.price}} * 2 + 90"),
        set_field(CITY, "Москва ({{lead.cf.223456}})", type=2),
    )
    card = await talk.card()
    assert (card["contact"]["name"], card["lead"]["name"], card["lead"]["price"]) == ("Анна", "Чай", 100)
    assert (await talk.story.fields(card["lead"]["id"]))[CITY] == "Москва (Тверь)"


async def test_the_page_writes_nothing_over_a_bots_words(talk: BotStory) -> None:
    await play(talk, set_field("{{contact.name}}", "Анна", type=1), set_field(CITY, "Москва", type=2))
    said = await talk.story.set_meta(
        {
            "contact": {"name": "Аня"},
            "lead": {"custom_fields": [{"id": CITY, "values": [{"value": "Тверь"}]}]},
        }
    )
    assert set(said.values()) == {"refused_not_empty"}


async def test_a_value_is_added_beside_the_others_once(talk: BotStory) -> None:
    phones = [
        set_field(PHONE, number, type=1, option="add")
        for number in ("+7 912 345-67-89", "+7 912 000-00-00", "8 912 345 67 89")
    ]
    await play(talk, *phones)
    (field,) = (await talk.card())["contact"]["custom_fields_values"]
    assert [item["value"] for item in field["values"]] == ["+7 912 345-67-89", "+7 912 000-00-00"]


async def test_options_of_a_list_are_set_by_name_and_added_by_id(talk: BotStory) -> None:
    options = (OptionDraft("Красный", 1), OptionDraft("Синий", 2))
    draft = FieldDraft(Entity.LEAD, FieldType.MULTISELECT, "Цвет", id=COLORS, options=options)
    await talk.story.write(add_field, draft)
    await play(
        talk,
        set_field(COLORS, "Красный", type=2),
        set_field(COLORS, "", type=2, enum="2", option="add"),
    )
    (field,) = (await talk.card())["lead"]["custom_fields_values"]
    assert [item["value"] for item in field["values"]] == ["Красный", "Синий"]


async def test_a_bad_value_is_a_line_of_the_log_and_nothing_else(talk: BotStory) -> None:
    await play(
        talk,
        set_field(PHONE, "нет телефона", type=1),
        set_field(999, "x", type=2),
        act("change_status", value="777"),
        act("change_responsible_user", value="777"),
        show("Готово"),
    )
    assert await talk.said() == ["Готово"]
    notes = await talk.notes()
    assert (notes.count("bad_value"), notes.count("not_there")) == (1, 3)
    assert (await talk.card())["contact"]["custom_fields_values"] is None


async def test_tags_are_one_whatever_their_case(talk: BotStory) -> None:
    await play(
        talk,
        act("set_tag", type=2, value="VIP"),
        act("set_tag", type=2, value="vip"),
        act("set_tag", type=2, value="{{origin}}"),
        act("set_tag", type=2, value="gone"),
        act("unset_tag", type=2, value=["GONE", "never"]),
        act("set_tag", type=1, value="client"),
        handler("condition", term1="lead.tags", term2="vip", operation="in", result=[show("Привет, VIP")]),
    )
    assert (await talk.tags(), await talk.tags("contact")) == (["VIP", "onsite"], ["client"])
    assert await talk.said() == ["Привет, VIP"]


async def test_notes_are_written_with_their_types(talk: BotStory) -> None:
    await play(
        talk,
        set_field(PHONE, "+7 912 345-67-89", type=1),
        act("add_note", element_type=2, note_type=4, text="Написал в {{origin}}"),
        act("add_note", element_type=1, note_type=25, text="Служебное"),
        act("add_note", element_type=1, note_type=102, text="СМС"),
        name="Робот",
    )
    notes = {note["params"]["text"]: note for note in (await talk.card())["notes"]}
    assert notes["Написал в onsite"]["entity_type"] == "leads"
    assert (notes["Служебное"]["note_type"], notes["Служебное"]["params"]["service"]) == (
        "service_message", "Робот",
    )  # fmt: skip
    assert notes["СМС"]["params"]["phone"] == "+7 912 345-67-89"


async def test_a_lead_is_moved_and_thereby_accepted(talk: BotStory) -> None:
    stage = talk.story.catalog.main_pipeline.statuses[2].id
    await play(talk, act("change_status", value=str(stage)))
    card = await talk.card()
    assert (card["lead"]["status_id"], card["unsorted"]["state"]) == (stage, "accepted")


@pytest.mark.parametrize(("status", "state"), [(WON, "accepted"), (LOST, "declined")])
async def test_a_bot_that_closes_its_lead_goes_on_to_its_end(talk: BotStory, status: int, state: str) -> None:
    await play(talk, act("change_status", value=str(status)), show("Спасибо!"))
    card = await talk.card()
    assert (card["lead"]["status_id"], card["unsorted"]["state"]) == (status, state)
    assert (await talk.said(), await talk.ends()) == (["Спасибо!"], ["done"])


@pytest.mark.parametrize(("value", "state"), [("accept", "accepted"), ("decline", "declined")])
async def test_an_unsorted_lead_is_decided(talk: BotStory, value: str, state: str) -> None:
    await play(talk, act("unsorted", value=value), act("unsorted", value="accept"))
    assert (await talk.card())["unsorted"]["state"] == state


async def test_a_lead_that_a_person_has_accepted_stays_as_it_is(talk: BotStory) -> None:
    await talk.add(
        [{"question": [show("Да?")], "answer": [act("unsorted", value="decline"), show("Ок")]}], FIRST
    )
    await talk.say()
    lead_id = (await talk.conversation()).lead_id
    assert lead_id is not None
    await talk.story.accept(lead_id)
    await talk.say("да")
    assert (await talk.card())["unsorted"]["state"] == "accepted"
    assert await talk.said() == ["Да?", "Ок"]


async def test_people_are_put_in_charge_and_subscribed(talk: BotStory) -> None:
    operator = talk.story.operator.id
    await play(
        talk,
        act("change_responsible_user", value=str(operator)),
        act("change_responsible_user", value=str(operator), type=1),
        act("subscribe", type="all", value=""),
        act("subscribe", type="group", value="7", entity_type=2),
        act("subscribe", type="user", value="99", entity_type=2),
        show("{{lead.responsible.name}}, {{contact.responsible.email}}"),
        act("unsubscribe", type="user", value=str(operator), entity_type=2),
    )
    card = await talk.card()
    assert card["lead"]["responsible_user_id"] == card["contact"]["responsible_user_id"] == operator
    assert await talk.said() == ["Анна, anna"]
    assert "not_there" in await talk.notes()


async def test_a_lead_and_a_contact_are_made(talk: BotStory) -> None:
    stage = talk.story.catalog.main_pipeline.statuses[3].id
    await play(
        talk,
        act(
            "add_lead_contact",
            preset="contacts.require_email_or_phone",
            lead={
                "name": "Новая",
                "status_id": str(stage),
                "price": "1500",
                "tags": ["бот"],
                "custom_fields": [{"id": CITY, "value": "Омск"}],
            },
            contact={
                "name": "Пётр",
                "responsible_user_id": str(talk.story.operator.id),
                "custom_fields": [{"id": PHONE, "value": "+7 912 345-67-89"}],
            },
        ),
    )
    made, _ = await talk.story.leads()
    card = await talk.story.card(made)
    assert (card["lead"]["name"], card["lead"]["price"], card["lead"]["status_id"]) == ("Новая", 1500, stage)
    assert card["contact"]["name"] == "Пётр"
    assert card["contact"]["responsible_user_id"] == talk.story.operator.id
    assert [tag["name"] for tag in card["lead"]["_embedded"]["tags"]] == ["бот"]
    assert await talk.story.fields(made) == {CITY: "Омск", PHONE: "+7 912 345-67-89"}


async def test_a_double_is_found_by_phone_name_and_field(talk: BotStory) -> None:
    await talk.story.set_meta(
        {
            "contact": {
                "name": "Ольга",
                "custom_fields": [{"id": PHONE, "values": [{"value": "+79123456789"}]}],
            },
            "lead": {"custom_fields": [{"id": CITY, "values": [{"value": "Тверь"}]}]},
        },
        visit="visit-of-olga-00000001",
    )
    await talk.story.say(token="token-of-olga", visit="visit-of-olga-00000001")
    found = show("{{contact_double.name}} {{founded_id}}")
    await talk.add(
        [
            {
                "question": [
                    handler(
                        "find",
                        type="contact_double",
                        params={"type": "phone", "value": "8 912 345-67-89", "actions": [found]},
                    ),
                    handler(
                        "find",
                        type="contact_double",
                        params={"type": "name", "value": "ольга", "actions": [found]},
                    ),
                    handler(
                        "filter",
                        type=2,
                        custom_fields_id=CITY,
                        value="тверь",
                        actions=[show("{{external_lead.id}} {{external_lead.cf.223456}}")],
                    ),
                    handler(
                        "find",
                        type="contact_double",
                        params={"type": "name", "value": "Никто", "actions": [show("!")]},
                    ),
                ]
            }
        ],
        {"on": "keyword", "words": ["бот"]},
    )
    await talk.story.say("бот", token="token-2", visit="visit-2-of-the-story--")
    await talk.work()
    run = await talk.run()
    said = await talk.story.read(desk.list_messages, run.conversation_id, before=None, after=None, limit=20)
    assert [message.text for message in said][1:] == ["Ольга 1", "Ольга 1", "1 Тверь"]


async def test_the_double_is_never_the_contact_itself(talk: BotStory) -> None:
    await play(
        talk,
        set_field("{{contact.name}}", "Ольга", type=1),
        handler(
            "find", type="contact_double", params={"type": "name", "value": "Ольга", "actions": [show("!")]}
        ),
    )
    assert await talk.said() == []


async def test_operators_are_told_what_the_visitor_does_not_see(talk: BotStory) -> None:
    await play(talk, handler("knopka_handover", message="Клиент хочет {{message_text}}"), name="Робот")
    lines = [message for message in await talk.messages() if message.event is not None]
    assert [line.event for line in lines] == [
        {"kind": "bot_told", "text": "Клиент хочет Здравствуйте!", "bot": "Робот"}
    ]
    assert (await talk.said(), await talk.ends()) == ([], ["stopped"])


async def test_the_contact_is_linked_with_another_lead(talk: BotStory) -> None:
    other = await talk.story.write_in(token="token-of-olga", visit="visit-of-olga-00000001")
    links = [act("link", **{"from": 1, "to": 2, "to_id": str(number)}) for number in (other, 99)]
    await talk.add([{"question": links}], {"on": "keyword", "words": ["бот"]})
    await talk.say("бот")
    contact_id = (await talk.run()).contact_id
    assert await talk.story.read(list_joined, 1, other) == [contact_id]
    assert (await talk.notes()).count("not_there") == 1


async def test_what_the_store_says_stands_in_texts(talk: BotStory) -> None:
    await talk.story.set_meta(
        {"lead": {"sale": 7, "custom_fields": [{"id": 323456, "values": [{"value": "ads"}]}]}}
    )
    await play(
        talk,
        show(
            "{{lead.price}}|{{utm.source}}|{{origin}}|{{current_date}}|{{message_text}}|{{nothing}}|{{lead.source_id}}"
        ),
        show("{{short_rand_num}}"),
    )
    first, number = await talk.said()
    assert first == f"7|ads|onsite|02.03.2026|Здравствуйте!||{talk.story.source.id}"
    assert 1111 <= int(number) <= 9999


async def test_a_visitors_braces_are_words(talk: BotStory) -> None:
    await talk.add([{"question": [show("?")], "answer": [show("{{message_text}}")]}], FIRST)
    await talk.say()
    await talk.say("{{lead.id}}")
    assert await talk.said() == ["?", "{{lead.id}}"]


async def test_cards_do_not_forget_a_bot_when_they_are_read(talk: BotStory) -> None:
    await play(talk, act("set_tag", type=2, value="бот"))
    (row,) = await talk.story.read(cards.list_leads, talk.story.catalog)
    assert [tag.name for tag in row.tags] == ["бот"]
