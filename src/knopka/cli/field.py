"""`knopka field`: the custom fields of leads and contacts."""

from __future__ import annotations

from typing import BinaryIO

import click

from knopka.cli import store
from knopka.cli.output import json_option, print_json, print_line, print_table
from knopka.domain.catalog import FieldDraft, ImportReport, OptionDraft, Skipped
from knopka.domain.fields import CustomField, FieldType
from knopka.domain.meta import Entity
from knopka.domain.strict_json import read_json
from knopka.domain.wording import say
from knopka.services.catalog import add_field, import_fields, load_catalog
from knopka.services.shapes import custom_field_model

MAX_IMPORT_BYTES = 16 * 1024 * 1024
MAX_IMPORT_NODES = 1_000_000
BOM = b"\xef\xbb\xbf"


class Option(click.ParamType[OptionDraft]):
    """`TEXT`, or `ID=TEXT` where the option keeps an id of another account."""

    name = "option"

    def convert(
        self, value: str | OptionDraft, param: click.Parameter | None, ctx: click.Context | None
    ) -> OptionDraft:
        if isinstance(value, OptionDraft):
            return value
        given_id, equals, text = value.partition("=")
        if not (equals and given_id.isascii() and given_id.isdigit()):
            given_id, text = "", value
        if not text.strip("= ") or (given_id and not 0 < int(given_id) < 2**53):
            self.fail(f"{value!r} is not an option; TEXT is, and ID=TEXT with an id from 1 up")
        return OptionDraft(value=text.strip(), id=int(given_id) if given_id else None)


@click.group()
def field() -> None:
    """Custom fields of leads and contacts."""


@field.command()
@click.option("--entity", type=click.Choice([entity.value for entity in Entity]), required=True)
@click.option("--type", "type_", type=click.Choice([kind.value for kind in FieldType]), required=True)
@click.option("--name", required=True)
@click.option("--id", "field_id", type=click.IntRange(1, 2**53), help="Keep an id that pages use already.")
@click.option("--code", help="Another way for pages to name it, such as PHONE or UTM_SOURCE.")
@click.option(
    "--enum", "options", type=Option(), multiple=True, metavar="[ID=]TEXT", help="An option; repeatable."
)
@click.option("--no-pages", is_flag=True, help="Pages may not write it; what they send is refused.")
@json_option
def add(
    entity: str, type_: str, name: str, field_id: int | None, code: str | None,
    options: tuple[OptionDraft, ...], no_pages: bool, as_json: bool,
) -> None:  # fmt: skip
    """Add a field."""
    draft = FieldDraft(
        entity=Entity(entity), type=FieldType(type_), name=name, id=field_id, code=code, options=options,
        is_page_writable=not no_pages,
    )  # fmt: skip
    added = store.write(add_field, draft, key=("catalog",))
    if as_json:
        print_json(_describe(added))
    else:
        print_line(f"Added the field {added.id}, {added.name!r}, to the {added.entity.value}.")


@field.command("list")
@click.option("--entity", type=click.Choice([entity.value for entity in Entity]))
@json_option
def list_command(entity: str | None, as_json: bool) -> None:
    """List the fields."""
    known = store.read(load_catalog).fields.values()
    fields = [field for field in known if entity is None or field.entity == entity]
    if as_json:
        print_json([_describe(field) for field in fields])
        return
    heads = ("Id", "Entity", "Type", "Code", "Name", "Options", "Pages")
    print_table(heads, [_row(field) for field in fields], empty="No fields yet: knopka field add")


def _describe(field: CustomField) -> dict[str, object]:
    """The model of API v4, and our own word on it."""
    return {**custom_field_model(field), "is_page_writable": field.is_page_writable}


def _row(field: CustomField) -> tuple[object, ...]:
    options, pages = len(field.options) or "", "" if field.is_page_writable else "no"
    return (field.id, field.entity.value, field.type.value, field.code or "", field.name, options, pages)


@field.command("import")
@click.argument("file", type=click.File("rb"), default="-")
@json_option
def import_command(file: BinaryIO, as_json: bool) -> None:
    """Take over an account's fields with their ids.

    FILE is amoCRM's answer to GET /api/v4/leads/custom_fields or …/contacts/custom_fields.
    """
    # Some editors put a byte order mark before what they save.
    body = file.read(MAX_IMPORT_BYTES + 1).removeprefix(BOM)
    document = read_json(body, max_bytes=MAX_IMPORT_BYTES, max_nodes=MAX_IMPORT_NODES)
    report = store.write(import_fields, document, key=("catalog",))
    if report.has_more:
        click.echo("There are further pages: import the answers with page=2 and so on as well.", err=True)
    if as_json:
        print_json(_describe_report(report))
        return
    click.echo(f"Added {len(report.added)}, updated {len(report.updated)}, left out {len(report.skipped)}.")
    for skipped in report.skipped:
        print_line(f"  {skipped.id or '?'} {skipped.name!r}: {say(skipped.reason, 'en')}")


def _describe_report(report: ImportReport) -> dict[str, object]:
    return {
        "added": [_name(field) for field in report.added],
        "updated": [_name(field) for field in report.updated],
        "skipped": [_explain(skipped) for skipped in report.skipped],
    }


def _name(field: CustomField) -> dict[str, object]:
    return {"id": field.id, "entity_type": field.entity.value, "type": field.type.value, "name": field.name}


def _explain(skipped: Skipped) -> dict[str, object]:
    return {"id": skipped.id, "name": skipped.name, "reason": say(skipped.reason, "en")}
