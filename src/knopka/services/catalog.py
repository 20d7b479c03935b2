"""Setting an account up: its pipelines, buttons and fields."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from knopka.db import catalog as db
from knopka.db.bots import list_bots
from knopka.db.channels import list_channels
from knopka.db.database import Transaction
from knopka.domain.catalog import (
    UNSORTED_TYPE,
    Account,
    Catalog,
    FieldDraft,
    ImportReport,
    OptionDraft,
    Skipped,
    SourceDraft,
    parse_origin,
)
from knopka.domain.crm import LOST, WON, AccountId, Pipeline, Status
from knopka.domain.errors import Conflict, Fault, InvalidInput, NotFound
from knopka.domain.fields import CustomField, FieldOption, FieldType
from knopka.domain.meta import MAX_NAME, Entity, Json
from knopka.domain.text import clean_name, excerpt
from knopka.domain.usual_fields import usual_fields
from knopka.domain.verdicts import Reason
from knopka.domain.visitor import Source
from knopka.services.places import gives_way, take_place

ACCOUNT = AccountId(1)
"""The one account of this release; every table carries it."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "PHONE": ("WORK", "WORKDD", "MOB", "FAX", "HOME", "OTHER"),
    "EMAIL": ("WORK", "PRIV", "OTHER"),
}
"""The kinds of a phone and of an e-mail by their codes (API v4); another multitext has OTHER alone."""

WITH_OPTIONS = (FieldType.SELECT, FieldType.MULTISELECT, FieldType.RADIOBUTTON, FieldType.MULTITEXT)

_STAGES = {
    "ru": (
        "Воронка",
        "Неразобранное",
        ("Первичный контакт", "Переговоры", "Принимают решение", "Согласование договора"),
        "Успешно реализовано",
        "Закрыто и не реализовано",
    ),
    "en": (
        "Pipeline",
        "Incoming leads",
        ("Initial contact", "Discussions", "Decision making", "Contract discussion"),
        "Closed - won",
        "Closed - lost",
    ),
}
_COLORS = ("#99ccff", "#ffff99", "#ffcc66", "#ffcccc")


def load_catalog(tx: Transaction) -> Catalog:
    """Read the account as a whole. Raises NotFound when it has not been set up yet."""
    account = db.find_account(tx, ACCOUNT)
    if account is None:
        raise NotFound("The account has not been set up yet.")
    fields = db.list_fields(tx, ACCOUNT)
    return Catalog(
        account=account,
        sources={source.public_id: source for source in db.list_sources(tx, ACCOUNT)},
        fields={field.id: field for field in fields},
        by_code={(field.entity, field.code): field for field in fields if field.code},
        pipelines=db.list_pipelines(tx, ACCOUNT),
        channels={channel.id: channel for channel in list_channels(tx, ACCOUNT)},
        bots=tuple(bot for bot in list_bots(tx, ACCOUNT) if bot.may_start),
    )


def ensure_account(
    tx: Transaction, *, name: str, locale: str, timezone: str, currency: str, now: datetime
) -> None:
    """Make the account with its main pipeline and its usual fields, unless it is there already."""
    if db.insert_account(tx, Account(ACCOUNT, name, locale, timezone, currency), now):
        db.insert_pipeline(tx, ACCOUNT, _main_pipeline(tx, locale))
        for sort, draft in enumerate(usual_fields(locale), start=1):
            field = _draw_up(tx, draft, sort)
            db.insert_field(tx, ACCOUNT, replace(field, id=db.next_id(tx, ACCOUNT, "fields")))


def _main_pipeline(tx: Transaction, locale: str) -> Pipeline:
    """A pipeline as a new amoCRM account has it: the unsorted stage, usual ones, won and lost."""
    title, unsorted, usual, won, lost = _STAGES["ru" if locale.startswith("ru") else "en"]
    stages = [Status(db.next_id(tx, ACCOUNT, "statuses"), unsorted, 10, "#c1c1c1", UNSORTED_TYPE)]
    for number, (stage, color) in enumerate(zip(usual, _COLORS, strict=True), start=2):
        stages.append(Status(db.next_id(tx, ACCOUNT, "statuses"), stage, number * 10, color))
    stages += [Status(WON, won, 10_000, "#ccff66"), Status(LOST, lost, 11_000, "#d5d8db")]
    pipeline_id = db.next_id(tx, ACCOUNT, "pipelines")
    return Pipeline(pipeline_id, title, sort=1, is_main=True, statuses=tuple(stages))


def add_source(tx: Transaction, draft: SourceDraft, *, now: datetime) -> Source:
    """Add a button, whose leads go to the main pipeline. Raises Conflict when its id is taken."""
    faults = _check_name(draft.name)
    if not draft.origins:
        faults.append(Fault("origin", "missing", "a button needs the address of at least one site"))
    if faults:
        raise InvalidInput(*faults)
    draft = replace(
        draft,
        name=clean_name(draft.name),
        origins=tuple(dict.fromkeys(parse_origin(origin) for origin in draft.origins)),
    )
    source = db.insert_source(
        tx,
        ACCOUNT,
        draft,
        public_id=draft.public_id or str(db.next_id(tx, ACCOUNT, "sources")),
        hash=draft.hash or secrets.token_hex(32),
        pipeline_id=_main(db.list_pipelines(tx, ACCOUNT)).id,
        now=now,
    )
    if source is None:
        raise Conflict(f"There is a button with the id {draft.public_id} already.")
    return source


def _main(pipelines: Sequence[Pipeline]) -> Pipeline:
    main = next((pipeline for pipeline in pipelines if pipeline.is_main), None)
    if main is None:
        raise NotFound("The account has not been set up yet.")
    return main


def add_field(tx: Transaction, draft: FieldDraft, *, now: datetime) -> CustomField:
    """Add a field with its options. Raises Conflict when its id or its code is taken.

    A field with an id of its own takes the place of one of ours that has its code.
    """
    _check_draft(draft)
    known = db.list_fields(tx, ACCOUNT)
    field = _draw_up(tx, draft, len(known) + 1)
    owner = _find_owner(known, field)
    if draft.id is not None and owner is not None and gives_way(owner, field):
        field = replace(field, id=draft.id, sort=owner.sort)
        if field.id == owner.id or not take_place(tx, ACCOUNT, owner, field):
            raise Conflict(_say_taken(tx, field))
        return field
    while True:
        field = replace(field, id=draft.id or db.next_id(tx, ACCOUNT, "fields"))
        if db.insert_field(tx, ACCOUNT, field):
            return field
        if draft.id is not None or owner is not None:
            raise Conflict(_say_taken(tx, field))
        # Somebody gave a number of our own row by hand: the next one may be free.


def _draw_up(tx: Transaction, draft: FieldDraft, sort: int) -> CustomField:
    """The field that a draft is for, with ids for its options and none for itself."""
    code = draft.code or None
    return CustomField(
        id=0,
        entity=draft.entity,
        type=draft.type,
        name=clean_name(draft.name),
        code=code,
        sort=sort,
        options=_number(tx, draft.options or _usual_kinds(draft.type, code)),
        currency=draft.currency or (_currency(tx) if draft.type is FieldType.MONETARY else None),
        is_page_writable=draft.is_page_writable,
    )


def _find_owner(known: Iterable[CustomField], field: CustomField) -> CustomField | None:
    """The field that has this one's code on the same card."""
    if field.code is None:
        return None
    same = (other for other in known if (other.entity, other.code) == (field.entity, field.code))
    return next(same, None)


def _check_name(name: str) -> list[Fault]:
    if 0 < len(clean_name(name)) <= MAX_NAME:
        return []
    message = f"{excerpt(name)!r} is no name; a name has 1 to {MAX_NAME} characters"
    return [Fault("name", "bad_length", message)]


def _check_draft(draft: FieldDraft) -> None:
    faults = _check_name(draft.name)
    if draft.type is FieldType.TRACKING_DATA and draft.entity is not Entity.LEAD:
        faults.append(Fault("entity", "not_for_contacts", "only leads have tracking_data fields"))
    if draft.options and draft.type not in WITH_OPTIONS:
        message = f"a field of the type {draft.type} has no options; {', '.join(WITH_OPTIONS)} have"
        faults.append(Fault("enum", "no_options", message))
    if faults:
        raise InvalidInput(*faults)


def _currency(tx: Transaction) -> str | None:
    account = db.find_account(tx, ACCOUNT)
    return None if account is None else account.currency


def _say_taken(tx: Transaction, field: CustomField) -> str:
    """Which of the two is taken, and by whom."""
    for other in db.list_fields(tx, ACCOUNT):
        if other.id == field.id:
            return f"The id {field.id} belongs to the field {other.name!r} of the {other.entity} already."
        if field.code is not None and (other.entity, other.code) == (field.entity, field.code):
            return f"The code {field.code} belongs to the field {other.id}, {other.name!r}, already."
    return f"The id {field.id} or the code {field.code} belongs to another field."


def _usual_kinds(type: FieldType, code: str | None) -> tuple[OptionDraft, ...]:
    if type is not FieldType.MULTITEXT:
        return ()
    return tuple(OptionDraft(kind, code=kind) for kind in KINDS.get(code or "", ("OTHER",)))


def _number(tx: Transaction, drafts: Sequence[OptionDraft]) -> tuple[FieldOption, ...]:
    """Give every option an id, and refuse two of the same."""
    given = [draft.id for draft in drafts if draft.id is not None]
    if twice := sorted({str(id) for id in given if given.count(id) > 1}):
        raise InvalidInput(Fault("enum", "repeated", f"two options have the same id: {', '.join(twice)}"))
    options = []
    for sort, draft in enumerate(drafts, start=1):
        option_id = draft.id
        while option_id is None or (draft.id is None and option_id in given):
            option_id = db.next_id(tx, ACCOUNT, "options")
        options.append(FieldOption(option_id, draft.value, draft.code, sort))
    return tuple(options)


def import_fields(tx: Transaction, document: Json, *, now: datetime) -> ImportReport:
    """Take the fields of amoCRM's answer to `GET /api/v4/{leads|contacts}/custom_fields`.

    Every id is kept, so the ids in a site's code stay true; a field that is
    known is brought up to date, and one of ours with the same code gives it its
    place and its values. What cannot be taken is told with the reason.
    Raises InvalidInput when the document is no such answer.
    """
    known = {field.id: field for field in db.list_fields(tx, ACCOUNT)}
    added: list[CustomField] = []
    updated: list[CustomField] = []
    skipped: list[Skipped] = []
    for model in _models(document):
        match _take_field(tx, known, model):
            case Skipped() as left_out:
                skipped.append(left_out)
            case field, before:
                (added if before is None else updated).append(field)
                if before is not None:
                    del known[before.id]
                known[field.id] = field
    links = document.get("_links")
    has_more = isinstance(links, dict) and "next" in links
    return ImportReport(tuple(added), tuple(updated), tuple(skipped), has_more)


def _models(document: Json) -> list[Any]:
    embedded = document.get("_embedded") if isinstance(document, dict) else None
    models = embedded.get("custom_fields") if isinstance(embedded, dict) else None
    if not isinstance(models, list):
        message = "not amoCRM's answer: there is no _embedded.custom_fields"
        raise InvalidInput(Fault("$._embedded.custom_fields", "missing", message))
    return models


def _take_field(
    tx: Transaction, known: Mapping[int, CustomField], model: Json
) -> tuple[CustomField, CustomField | None] | Skipped:
    """The field as it stands now, and the one that stood there before."""
    field = _read_field(model)
    if isinstance(field, Skipped):
        return field
    before = known.get(field.id)
    if before is not None and (before.type, before.entity) != (field.type, field.entity):
        return Skipped(field.id, field.name, Reason("import_type_changed", {"type": before.type.value}))
    owner = _find_owner(known.values(), field)
    if owner is not None and owner.id != field.id:
        if before is not None or not gives_way(owner, field):
            taken = Reason("import_code_taken", {"code": owner.code or "", "id": str(owner.id)})
            return Skipped(field.id, field.name, taken)
        field = replace(field, is_page_writable=owner.is_page_writable)
        take_place(tx, ACCOUNT, owner, field)
        return field, owner
    if before is None:
        db.insert_field(tx, ACCOUNT, field)
        return field, None
    db.update_field(tx, ACCOUNT, field)
    return replace(field, is_page_writable=before.is_page_writable), before


def _read_field(model: Json) -> CustomField | Skipped:
    """One custom_field model of API v4."""
    if not isinstance(model, dict):
        return Skipped(None, "", Reason("import_not_a_field"))
    field_id, name = _id(model.get("id")), str(model.get("name") or "")
    if field_id is None:
        return Skipped(None, name, Reason("import_not_a_field"))
    given = {"entity": excerpt(model.get("entity_type")), "type": excerpt(model.get("type"))}
    try:
        entity, type = Entity(given["entity"]), FieldType(given["type"])
    except ValueError:
        return Skipped(field_id, name, Reason("import_kind_unknown", given))
    options = _read_options(model.get("enums"))
    if options is None:
        return Skipped(field_id, name, Reason("import_bad_options"))
    return CustomField(
        id=field_id,
        entity=entity,
        type=type,
        name=name,
        code=_text(model.get("code")),
        sort=_whole(model.get("sort")),
        options=options,
        currency=_text(model.get("currency")),
        is_computed=model.get("is_computed") is True,
    )


def _read_options(enums: Json) -> tuple[FieldOption, ...] | None:
    """The options, or None when they cannot be read or two share an id."""
    if not enums:
        return ()
    if not isinstance(enums, list):
        return None
    options = []
    for item in enums:
        option_id = _id(item.get("id")) if isinstance(item, dict) else None
        if option_id is None or not isinstance(item.get("value"), str):
            return None
        options.append(
            FieldOption(option_id, item["value"], _text(item.get("code")), _whole(item.get("sort")))
        )
    is_unique = len({option.id for option in options}) == len(options)
    return tuple(options) if is_unique else None


def _id(value: Json) -> int | None:
    return value if type(value) is int and 0 < value < 2**53 else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: Json) -> int:
    return value if type(value) is int and abs(value) < 2**31 else 0
