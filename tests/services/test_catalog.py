"""Setting the account up, and taking fields over from amoCRM."""

from __future__ import annotations

from typing import Any

import pytest

from knopka.db.database import Database
from knopka.domain.catalog import Catalog, FieldDraft, OptionDraft, SourceDraft, parse_origin
from knopka.domain.errors import Conflict, InvalidInput, NotFound
from knopka.domain.fields import FieldOption, FieldType
from knopka.domain.meta import Entity
from knopka.services.catalog import add_field, add_source, ensure_account, import_fields, load_catalog
from knopka.services.shapes import custom_field_model

pytestmark = pytest.mark.anyio

TEXT = FieldDraft(Entity.LEAD, FieldType.TEXT, "Город")


@pytest.fixture
async def account(database: Database) -> Database:
    for _ in range(2):
        await database.write(
            ensure_account, name="Shop", locale="ru", timezone="Europe/Moscow", currency="RUB", key="set-up"
        )
    return database


async def catalog_of(database: Database) -> Catalog:
    return await database.read(load_catalog)


async def write(database: Database, use_case: Any, *args: Any) -> Any:
    return await database.write(use_case, *args, key="catalog")


async def test_an_account_has_a_pipeline_with_its_stages(account: Database) -> None:
    catalog = await catalog_of(account)
    assert catalog.account.timezone == "Europe/Moscow"
    (pipeline,) = catalog.pipelines
    assert pipeline.is_main
    assert [status.type for status in pipeline.statuses] == [1, 0, 0, 0, 0, 0, 0]
    assert [(status.id, status.sort) for status in pipeline.statuses[-2:]] == [(142, 10_000), (143, 11_000)]
    assert pipeline.statuses[0].name == "Неразобранное"


async def test_an_account_that_was_not_set_up_is_said_to_be_missing(database: Database) -> None:
    with pytest.raises(NotFound):
        await catalog_of(database)


async def test_a_button_is_found_by_its_id_and_hash(account: Database) -> None:
    source = await write(account, add_source, SourceDraft("Чай", ("https://Shop.example:443/",)))
    assert source.origins == ("https://shop.example",)
    catalog = await catalog_of(account)
    assert catalog.find_source(source.public_id, source.hash) == source
    assert catalog.find_source(source.public_id, "0" * 64) is None
    assert catalog.find_source("unknown", source.hash) is None
    assert source.pipeline_id == catalog.main_pipeline.id


async def test_an_imported_button_keeps_its_id_and_its_hash(account: Database) -> None:
    draft = SourceDraft("Чай", ("https://shop.example",), public_id="4711", hash="a" * 64)
    source = await write(account, add_source, draft)
    assert (source.public_id, source.hash) == ("4711", "a" * 64)
    with pytest.raises(Conflict):
        await write(account, add_source, draft)
    with pytest.raises(InvalidInput):
        await write(account, add_source, SourceDraft("Чай", ()))


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://Shop.Example:8443/", "https://shop.example:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost", "http://localhost"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "", "shop.example", "http://shop.example", "https://", "https://shop.example/tea", "https://*.example",
        "https://user@shop.example", "https://shop.example?x", "https://shop.example:0", "https://a:99999",
        "javascript:alert(1)", "null", "https://чай.example",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_origin(text)


async def test_own_ids_begin_where_nobody_elses_are(account: Database) -> None:
    last = max((await catalog_of(account)).fields)
    taken = FieldDraft(Entity.LEAD, FieldType.TEXT, "Занято", id=last + 1)
    await write(account, add_field, taken)
    first = await write(account, add_field, TEXT)
    second = await write(account, add_field, TEXT)
    assert (first.id, second.id) == (last + 2, last + 3)


async def test_a_taken_id_or_code_is_a_conflict(account: Database) -> None:
    draft = FieldDraft(Entity.LEAD, FieldType.TEXT, "Город", id=5, code="CITY")
    field = await write(account, add_field, draft)
    with pytest.raises(Conflict):
        await write(account, add_field, FieldDraft(Entity.CONTACT, FieldType.TEXT, "Другое", id=5))
    with pytest.raises(Conflict):
        await write(account, add_field, FieldDraft(Entity.LEAD, FieldType.TEXT, "Другое", code="CITY"))
    same_code = FieldDraft(Entity.CONTACT, FieldType.TEXT, "Другое", code="CITY")
    assert (await write(account, add_field, same_code)).code == "CITY"
    catalog = await catalog_of(account)
    assert catalog.by_code[Entity.LEAD, "CITY"] == field == catalog.fields[5]


async def test_a_phone_has_its_kinds_without_being_told(account: Database) -> None:
    draft = FieldDraft(Entity.CONTACT, FieldType.MULTITEXT, "Телефон", id=5, code="PHONE")
    field = await write(account, add_field, draft)
    assert [option.code for option in field.options] == ["WORK", "WORKDD", "MOB", "FAX", "HOME", "OTHER"]
    assert len({option.id for option in field.options}) == 6


async def test_two_options_with_one_id_are_refused(account: Database) -> None:
    options = (OptionDraft("a", 1), OptionDraft("b", 1))
    with pytest.raises(InvalidInput):
        await write(account, add_field, FieldDraft(Entity.LEAD, FieldType.SELECT, "Список", options=options))


def answer(*models: Any) -> dict[str, Any]:
    """amoCRM's answer to GET /api/v4/leads/custom_fields."""
    return {"_total_items": len(models), "_page": 1, "_embedded": {"custom_fields": list(models)}}


SELECT = {
    "id": 4439091,
    "name": "Покупатель",
    "type": "select",
    "account_id": 1,
    "code": None,
    "sort": 504,
    "is_api_only": False,
    "enums": [
        {"id": 4419613, "value": "Опт", "sort": 2},
        {"id": 4419611, "value": "Розница", "sort": 1, "code": "RETAIL"},
    ],
    "group_id": None,
    "entity_type": "leads",
}


async def test_an_import_keeps_every_id(account: Database) -> None:
    phone = {
        "id": 4396817,
        "name": "Телефон",
        "type": "multitext",
        "code": "PHONE",
        "sort": 4,
        "entity_type": "contacts",
        "enums": [{"id": 10, "value": "WORK", "sort": 2, "code": "WORK"}],
    }
    money = {
        "id": 7,
        "name": "Сумма",
        "type": "monetary",
        "currency": "RUB",
        "entity_type": "leads",
        "is_computed": True,
    }
    report = await write(account, import_fields, answer(SELECT, phone, money))
    assert [field.id for field in report.added] == [4439091, 7]
    assert [field.id for field in report.updated] == [4396817]
    assert report.skipped == ()
    catalog = await catalog_of(account)
    assert catalog.fields[4439091].options == (
        FieldOption(4419611, "Розница", "RETAIL", 1),
        FieldOption(4419613, "Опт", None, 2),
    )
    assert catalog.by_code[Entity.CONTACT, "PHONE"].id == 4396817
    assert (catalog.fields[7].currency, catalog.fields[7].is_computed) == ("RUB", True)
    model = custom_field_model(catalog.fields[4439091])
    assert model["enums"][0] == {"id": 4419611, "value": "Розница", "sort": 1, "code": "RETAIL"}
    assert (model["entity_type"], model["type"]) == ("leads", "select")


async def test_importing_again_brings_a_field_up_to_date(account: Database) -> None:
    await write(account, import_fields, answer(SELECT))
    changed = SELECT | {"name": "Клиент", "enums": [{"id": 4419613, "value": "Оптом", "sort": 1}]}
    report = await write(account, import_fields, answer(changed))
    assert ([field.id for field in report.updated], report.added) == ([4439091], ())
    field = (await catalog_of(account)).fields[4439091]
    assert (field.name, field.options) == ("Клиент", (FieldOption(4419613, "Оптом", None, 1),))


async def test_what_cannot_be_taken_is_told_with_the_reason(account: Database) -> None:
    await write(account, add_field, FieldDraft(Entity.LEAD, FieldType.TEXT, "Город", id=5, code="CITY"))
    report = await write(
        account,
        import_fields,
        answer(
            SELECT,
            SELECT | {"id": 8, "type": "category"},
            SELECT | {"id": 9, "entity_type": "companies"},
            SELECT | {"id": 10, "code": "CITY"},
            SELECT | {"id": 5, "code": "CITY"},
            SELECT | {"id": 11, "enums": [{"value": "x"}]},
            SELECT | {"id": "12"},
            SELECT | {"id": True},
            "nonsense",
        ),
    )
    assert [field.id for field in report.added] == [4439091]
    assert [(skipped.id, skipped.reason.code) for skipped in report.skipped] == [
        (8, "import_kind_unknown"),
        (9, "import_kind_unknown"),
        (10, "import_code_taken"),
        (5, "import_type_changed"),
        (11, "import_bad_options"),
        (None, "import_not_a_field"),
        (None, "import_not_a_field"),
        (None, "import_not_a_field"),
    ]


@pytest.mark.parametrize("document", [None, [], {}, {"_embedded": []}, {"_embedded": {"custom_fields": {}}}])
async def test_what_is_no_answer_of_amocrm_is_refused(account: Database, document: Any) -> None:
    with pytest.raises(InvalidInput):
        await write(account, import_fields, document)
