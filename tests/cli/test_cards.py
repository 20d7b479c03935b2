"""Leads and the journal, as the command line shows them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from knopka.cli import journal as journal_command
from knopka.db.database import Database
from knopka.domain.meta import parse_meta
from knopka.domain.visitor import Page, Source
from knopka.services.catalog import load_catalog
from knopka.services.intake import accept_message
from knopka.services.journal import MetaCall, hash_visit, record_meta
from tests.cli.conftest import Shell

VISIT = "visit-of-the-shop-0001"
PAGE = Page(url="https://shop.example/tea")
CALL = {
    "note": {"text": "Текст примечания", "element_type": 1},
    "contact": {
        "name": "Иван Иванов",
        "custom_fields": [{"id": 123456, "values": [{"value": "+7123456789"}]}],
    },
    "lead": {"sale": 999},
    "zzz": 1,
}
Job = Callable[[Database], Awaitable[Any]]


@pytest.fixture
def shop(shell: Shell) -> Shell:
    """A button and the field of the page's example."""
    shell("button", "add", "--name", "Shop", "--origin", "https://shop.example")
    phone = (
        "--entity",
        "contacts",
        "--type",
        "multitext",
        "--name",
        "Phone",
        "--id",
        "123456",
        "--code",
        "PHONE",
    )
    shell("field", "add", *phone, "--enum", "12345=WORK")
    return shell


def run(shell: Shell, job: Job) -> Any:
    async def inside() -> Any:
        database = await Database.open(f"sqlite:///{shell.store}")
        try:
            return await job(database)
        finally:
            await database.close()

    return asyncio.run(inside())


async def button_of(database: Database) -> Source:
    catalog = await database.read(load_catalog)
    return next(iter(catalog.sources.values()))


def send(shell: Shell, *calls: dict[str, Any]) -> None:
    """The page's script, at its work."""

    async def job(database: Database) -> None:
        source, catalog = await button_of(database), await database.read(load_catalog)
        made = [
            MetaCall(f"key-0000000{n}", json.dumps(call), parse_meta(call)) for n, call in enumerate(calls)
        ]
        await database.write(record_meta, catalog, source, VISIT, made, PAGE, key=("visit", source.id, VISIT))

    run(shell, job)


def write(shell: Shell, text: str = "Здравствуйте", visitor: str = "0" * 64) -> None:
    """The visitor, in the chat."""

    async def job(database: Database) -> None:
        source, catalog = await button_of(database), await database.read(load_catalog)
        about = (catalog, source, visitor, VISIT, "message-1", text, PAGE)
        await database.write(accept_message, *about, key=("visit", source.id, VISIT))

    run(shell, job)


def test_a_lead_shows_what_the_site_sent(shop: Shell) -> None:
    send(shop, CALL)
    write(shop)
    (lead,) = shop("lead", "list", "--json").json
    assert (lead["price"], set(lead["unsorted"])) == (999, {"uid", "category", "created_at", "status"})
    card = shop("lead", "show", str(lead["id"]), "--json").json
    assert {"lead", "contact", "notes", "site_data", "window"} <= set(card)
    assert card["contact"]["name"] == "Иван Иванов"
    (phone,) = card["contact"]["custom_fields_values"]
    assert (phone["field_id"], phone["values"][0]["value"]) == (123456, "+7123456789")
    assert [(note["entity_type"], note["params"]["text"]) for note in card["notes"]] == [
        ("contacts", "Текст примечания")
    ]
    assert {item["path"]: item["verdict"] for item in card["site_data"]} == {
        "note": "noted",
        "contact.name": "filled",
        "contact.custom_fields[0]": "filled",
        "lead.sale": "filled",
        "zzz": "ignored_unknown_key",
    }
    assert card["window"]["closes_at"] - card["window"]["opened_at"] in range(86_400, 86_500)


def test_a_lead_reads_well_too(shop: Shell) -> None:
    send(shop, CALL)
    write(shop)
    shown = shop("lead", "show", "1").out
    for text in (
        "Иван Иванов",
        "+7123456789",
        "Текст примечания",
        "999",
        "contact.custom_fields[0]",
        "open till",
    ):
        assert text in shown
    assert "Lead #1" in shop("lead", "list").out or "Сделка #1" in shop("lead", "list").out


def test_leads_come_newest_first_and_page_by_page(shop: Shell) -> None:
    write(shop)
    assert [lead["id"] for lead in shop("lead", "list", "--json").json] == [1]
    assert shop("lead", "list", "--before", "1", "--json").json == []


def test_a_lead_that_is_not_there_is_not_found(shop: Shell) -> None:
    answer = shop("lead", "show", "7")
    assert (answer.code, answer.out) == (1, "")
    assert "7" in answer.err


def journal(shell: Shell, *options: str) -> list[dict[str, Any]]:
    answer = shell("journal", *options, "--json")
    assert answer.code == 0, answer.err
    return [json.loads(line) for line in answer.out.splitlines()]


def test_the_journal_keeps_a_call_unchanged_with_its_verdicts(shop: Shell) -> None:
    send(shop, CALL)
    (line,) = journal(shop)
    assert line["call"] == CALL
    assert (line["page"], line["visit"], line["lead_id"]) == (PAGE.url, hash_visit(VISIT)[:16], None)
    assert {item["verdict"] for item in line["verdicts"]} == {"waiting_for_lead", "ignored_unknown_key"}
    write(shop)
    (line,) = journal(shop)
    assert line["call"] == CALL
    assert line["lead_id"] == 1
    assert {item["verdict"] for item in line["verdicts"]} == {"noted", "filled", "ignored_unknown_key"}


def test_the_journal_is_found_by_visit_and_by_lead(shop: Shell) -> None:
    send(shop, CALL)
    write(shop)
    shown = hash_visit(VISIT)[:16]
    assert len(journal(shop, "--visit", VISIT)) == len(journal(shop, "--visit", shown)) == 1
    assert len(journal(shop, "--lead", "1")) == 1
    assert journal(shop, "--visit", "another-visit-of-the-shop") == []
    assert journal(shop, "--lead", "2") == []


def test_a_long_journal_comes_whole_and_can_be_cut(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_command, "PAGE", 2)
    send(shop, *({"lead": {"sale": price}} for price in range(5)))
    prices = [line["call"]["lead"]["sale"] for line in journal(shop)]
    assert prices == [0, 1, 2, 3, 4]
    assert len(journal(shop, "--limit", "3")) == 3
    last = journal(shop)[2]["id"]
    assert [line["call"]["lead"]["sale"] for line in journal(shop, "--after", str(last))] == [3, 4]


def test_nothing_yet_is_said(shop: Shell) -> None:
    assert journal(shop) == []
    assert "No page" in shop("journal").out
    assert "no leads" in shop("lead", "list").out


@pytest.mark.parametrize(
    "command",
    [("lead", "show"), ("lead", "list", "--before"), ("journal", "--lead"), ("journal", "--after")],
)
def test_a_number_that_no_store_holds_is_refused(shop: Shell, command: tuple[str, ...]) -> None:
    answer = shop(*command, "9" * 20)
    assert answer.code == 2
    assert "is not in the range" in answer.err
