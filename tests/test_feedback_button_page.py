"""The page «Добавление информации. Кнопка обратной связи», sentence by sentence, through HTTP.

What the page says of its script is in tests/browser/test_widget.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from knopka.domain.messaging import ChannelKind
from tests.shop import ADDRESS, CUSTOMER, PHONE, SHOP, WHOLESALE, Shop, open_shop

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(store_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(store_url, tmp_path) as opened:
        yield opened


EXAMPLE: dict[str, Any] = {
    "note": {"text": "Текст примечания", "element_type": 1, "note_type": "common"},
    "contact": {
        "name": "Иван Иванов",
        "custom_fields": [{"id": PHONE, "values": [{"enum": 12345, "value": "+7123456789"}]}],
    },
    "lead": {"name": "Название сделки", "sale": 999},
}
"""The example of the page, value by value."""


def values_of(card: dict[str, Any], field_id: int) -> list[dict[str, Any]]:
    fields = card["custom_fields_values"] or []
    return next((field["values"] for field in fields if field["field_id"] == field_id), [])


def texts_of(card: dict[str, Any], entity: str) -> list[str]:
    return [note["params"]["text"] for note in card["notes"] if note["entity_type"] == entity]


# «…написал в чат через Telegram, Facebook Messenger, Viber, Вконтакте, Онлайн чат…»


def test_the_channels_are_those_of_the_page() -> None:
    assert {kind.value for kind in ChannelKind} == {"telegram", "messenger", "viber", "vk", "onsite"}


async def test_a_visitor_who_writes_in_the_chat_of_the_page_gets_a_card(shop: Shop) -> None:
    lead_id = await shop.write("Здравствуйте!")
    card = await shop.card(lead_id)
    assert card["unsorted"]["state"] == "unsorted"
    assert card["unsorted"]["category"] == "chats"


# «…собрать информацию с сайта (например, UTM метки) и добавить ее в карточку сделки или контакта,
# заполнив поля или добавив примечание»


async def test_information_of_the_site_fills_the_fields_of_both_cards(shop: Shop) -> None:
    await shop.set_meta({"lead": {"custom_fields": [{"code": "UTM_SOURCE", "values": [{"value": "mail"}]}]}})
    await shop.set_meta(EXAMPLE)
    card = await shop.card(await shop.write("Здравствуйте!"))
    tracking = [
        field for field in card["lead"]["custom_fields_values"] if field["field_code"] == "UTM_SOURCE"
    ]
    assert tracking[0]["values"] == [{"value": "mail"}]
    assert card["contact"]["name"] == "Иван Иванов"
    assert card["lead"]["name"] == "Название сделки"
    assert card["lead"]["price"] == 999


async def test_the_example_of_the_page_works_as_it_stands(shop: Shop) -> None:
    waiting = await shop.set_meta(EXAMPLE, key="example-1")
    assert set(waiting.values()) == {"waiting_for_lead"}
    card = await shop.card(await shop.write("Здравствуйте!"))
    phone = values_of(card["contact"], PHONE)
    assert [(item["value"], item["enum_id"], item["enum_code"]) for item in phone] == [
        ("+7123456789", 12345, "WORK")
    ]
    assert texts_of(card, "contacts") == ["Текст примечания"]
    assert await shop.verdicts("example-1") == {
        "note": "noted",
        "contact.name": "filled",
        "contact.custom_fields[0]": "filled",
        "lead.name": "filled",
        "lead.sale": "filled",
    }


# «Однако, если поле уже заполнено, обновить информацию нельзя»


async def test_a_filled_field_keeps_its_value(shop: Shop) -> None:
    await shop.set_meta(EXAMPLE)
    lead_id = await shop.write("Здравствуйте!")
    again = await shop.set_meta(
        {
            "contact": {
                "name": "Пётр",
                "custom_fields": [{"id": PHONE, "values": [{"value": "+79160000000"}]}],
            },
            "lead": {"name": "Другая", "sale": 5},
        }
    )
    assert set(again.values()) == {"refused_not_empty"}
    card = await shop.card(lead_id)
    assert (card["contact"]["name"], card["lead"]["name"], card["lead"]["price"]) == (
        "Иван Иванов",
        "Название сделки",
        999,
    )
    assert [item["value"] for item in values_of(card["contact"], PHONE)] == ["+7123456789"]


# «…не дольше чем, 24 часа с момента отправки первых данных или создания неразобранного в аккаунте»


@pytest.mark.parametrize(
    ("first_data", "lead", "call", "verdict"),
    [
        (0, 23 * 3600, 47 * 3600 - 1, "filled"),
        (0, 23 * 3600, 47 * 3600, "refused_window_closed"),
        (0, 23 * 3600, 47 * 3600 + 1, "refused_window_closed"),
        (None, 0, 24 * 3600 - 1, "filled"),
        (None, 0, 24 * 3600, "refused_window_closed"),
        (None, 0, 24 * 3600 + 1, "refused_window_closed"),
    ],
)
async def test_data_is_taken_for_24_hours_from_the_first_data_or_the_unsorted_lead(
    shop: Shop, first_data: int | None, lead: int, call: int, verdict: str
) -> None:
    at = 0
    if first_data is not None:
        await shop.set_meta({"lead": {"name": "Первые данные"}})
    shop.advance(seconds=lead - at)
    await shop.write("Здравствуйте!")
    shop.advance(seconds=call - lead)
    assert await shop.set_meta({"lead": {"sale": 7}}) == {"lead.sale": verdict}


async def test_data_without_a_card_waits_24_hours_and_no_longer(shop: Shop) -> None:
    await shop.set_meta({"lead": {"sale": 7}}, key="waits-a-day")
    shop.advance(seconds=24 * 3600)
    card = await shop.card(await shop.write("Здравствуйте!"))
    assert card["lead"]["price"] == 0
    assert await shop.verdicts("waits-a-day") == {"lead.sale": "expired"}


# note[text], note[element_type], note[note_type]


@pytest.mark.parametrize(
    ("element_type", "entity"), [(1, "contacts"), (2, "leads"), ("1", "contacts"), (None, "leads")]
)
async def test_element_type_names_the_card_of_the_note(
    shop: Shop, element_type: int | str | None, entity: str
) -> None:
    note = {"text": "Пришёл с рассылки", "note_type": "common"}
    await shop.set_meta({"note": note if element_type is None else {**note, "element_type": element_type}})
    card = await shop.card(await shop.write("Здравствуйте!"))
    assert texts_of(card, entity) == ["Пришёл с рассылки"]
    assert len(card["notes"]) == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("common", "common"),
        (4, "common"),
        ("service_message", "service_message"),
        (25, "service_message"),
        ("call_in", "common"),
        (10, "common"),
    ],
)
async def test_note_type_is_taken_by_name_and_by_number(shop: Shop, given: str | int, kept: str) -> None:
    await shop.set_meta({"note": {"text": "Звонок", "element_type": 2, "note_type": given}})
    card = await shop.card(await shop.write("Здравствуйте!"))
    assert [note["note_type"] for note in card["notes"]] == [kept]


# custom_fields[0][id], values[0][value], values[0][enum]


@pytest.mark.parametrize(
    "value",
    [{"enum": WHOLESALE}, {"enum": str(WHOLESALE)}, {"value": "Опт"}, {"value": "опт ", "enum": WHOLESALE}],
)
async def test_a_list_takes_a_known_option_by_enum_or_by_text(shop: Shop, value: dict[str, Any]) -> None:
    await shop.set_meta({"lead": {"custom_fields": [{"id": CUSTOMER, "values": [value]}]}})
    card = await shop.card(await shop.write("Здравствуйте!"))
    assert [item["enum_id"] for item in values_of(card["lead"], CUSTOMER)] == [WHOLESALE]


async def test_an_unknown_option_is_refused_and_never_made(shop: Shop) -> None:
    meta = {"lead": {"custom_fields": [{"id": CUSTOMER, "values": [{"value": "Розница", "enum": 99}]}]}}
    assert await shop.set_meta(meta) == {"lead.custom_fields[0]": "refused_bad_value"}
    card = await shop.card(await shop.write("Здравствуйте!"))
    assert values_of(card["lead"], CUSTOMER) == []


async def test_a_field_is_named_by_its_id_and_stands_on_its_own_card(shop: Shop) -> None:
    verdicts = await shop.set_meta(
        {
            "contact": {"custom_fields": [{"id": str(PHONE), "values": [{"value": "+79161234567"}]}]},
            "lead": {
                "custom_fields": [
                    {"id": PHONE, "values": [{"value": "1"}]},
                    {"id": 404404, "values": [{"value": "1"}]},
                ]
            },
        }
    )
    assert verdicts == {
        "contact.custom_fields[0]": "waiting_for_lead",
        "lead.custom_fields[0]": "refused_wrong_entity",
        "lead.custom_fields[1]": "refused_unknown_field",
    }


# «Тип изменяемого элемента дополнительного поля типа "адрес". Внимание, все не указанные типы будут стёрты»


async def test_an_address_is_one_whole_and_is_neither_merged_nor_erased_later(shop: Shop) -> None:
    def address(*parts: tuple[str, str]) -> dict[str, Any]:
        values = [{"subtype": subtype, "value": value} for subtype, value in parts]
        return {"contact": {"custom_fields": [{"id": ADDRESS, "values": values}]}}

    await shop.set_meta(address(("city", "Москва"), ("zip", "101000")))
    lead_id = await shop.write("Здравствуйте!")
    assert await shop.set_meta(address(("country", "RU"))) == {
        "contact.custom_fields[0]": "refused_not_empty"
    }
    card = await shop.card(lead_id)
    parts = {item["enum_code"]: item["value"] for item in values_of(card["contact"], ADDRESS)}
    assert parts == {"city": "Москва", "zip": "101000"}


# bot_params: «Произвольный json-объект через который можно пробросить параметры в Salesbot»


async def test_bot_params_are_merged_and_stand_where_bots_read_them(shop: Shop) -> None:
    await shop.set_meta({"bot_params": {"plan": "basic", "cart": {"sum": 5}}}, key="bot-params-1")
    lead_id = await shop.write("Здравствуйте!")
    assert await shop.verdicts("bot-params-1") == {
        "bot_params.plan": "passed_to_bot",
        "bot_params.cart": "passed_to_bot",
    }
    shop.advance(seconds=30 * 3600)
    assert await shop.set_meta({"bot_params": {"plan": "pro"}}) == {"bot_params.plan": "passed_to_bot"}
    card = await shop.card(lead_id)
    assert card["bot_params"] == {"plan": "pro", "cart": {"sum": 5}}


# «Метод должен быть вызван из js части вашего сайта, на котором находится кнопка обратной связи»


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://shop.example", None])
async def test_only_the_site_that_carries_the_button_may_call(shop: Shop, origin: str | None) -> None:
    refused = await shop.post_meta(EXAMPLE, origin=origin)
    assert refused.status_code == 404
    assert await shop.journal() == []
    taken = await shop.post_meta(EXAMPLE, origin=SHOP)
    assert taken.status_code == 200


async def test_the_parameters_are_also_read_in_the_bracket_form_of_the_page(shop: Shop) -> None:
    answer = await shop.post_form(
        {
            "note[text]": "Текст примечания",
            "note[element_type]": "1",
            "note[note_type]": "common",
            "contact[name]": "Иван Иванов",
            "contact[custom_fields][0][id]": str(PHONE),
            "contact[custom_fields][0][values][0][value]": "+7123456789",
            "contact[custom_fields][0][values][0][enum]": "12345",
            "lead[name]": "Название сделки",
            "lead[sale]": "999",
        }
    )
    assert answer.status_code == 200
    card = await shop.card(await shop.write("Здравствуйте!"))
    assert (card["contact"]["name"], card["lead"]["price"]) == ("Иван Иванов", 999)
    assert [item["enum_id"] for item in values_of(card["contact"], PHONE)] == [12345]


async def test_after_a_decline_nothing_is_filled_and_the_next_message_opens_a_new_lead(shop: Shop) -> None:
    lead_id = await shop.write("Здравствуйте!")
    await shop.decide(lead_id, "decline")
    assert await shop.set_meta({"lead": {"sale": 3}}) == {"lead.sale": "refused_declined"}
    next_id = await shop.write("Это снова я")
    assert next_id != lead_id
    assert await shop.set_meta({"lead": {"sale": 3}}) == {"lead.sale": "filled"}
