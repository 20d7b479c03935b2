"""SQL of the account, its buttons, fields and pipelines."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from knopka.db.clock import to_ms
from knopka.db.database import Row, Transaction
from knopka.db.named import changes, columns, returned
from knopka.db.statement import Statement
from knopka.db.tables import (
    accounts,
    counters,
    custom_fields,
    field_options,
    pipelines,
    sources,
    statuses,
)
from knopka.domain.catalog import Account, SourceDraft
from knopka.domain.crm import AccountId, Pipeline, Status
from knopka.domain.fields import CustomField, FieldOption, FieldType
from knopka.domain.meta import Entity
from knopka.domain.visitor import Identity, Source, SourceId, WindowMode

FIRST_OWN_ID = 1_000_000_001
"""Ids of our own begin here and meet none that was imported."""

_ACCOUNT = Statement(select(accounts).where(accounts.c.account_id == bindparam("account_id")))
_INSERT_ACCOUNT = Statement(
    insert(accounts)
    .values(columns("account_id", "name", "locale", "timezone", "currency", "created_at"))
    .on_conflict_do_nothing(index_elements=["account_id"])
)
_COUNT_UP = Statement(
    insert(counters)
    .values(columns("account_id", "name") | {"value": FIRST_OWN_ID})
    .on_conflict_do_update(index_elements=["account_id", "name"], set_={"value": counters.c.value + 1})
    .returning(counters.c.value)
)

_PIPELINES = Statement(
    select(pipelines)
    .where(pipelines.c.account_id == bindparam("account_id"))
    .order_by(pipelines.c.sort, pipelines.c.id)
)
_STATUSES = Statement(
    select(statuses)
    .where(statuses.c.account_id == bindparam("account_id"))
    .order_by(statuses.c.sort, statuses.c.id)
)
_INSERT_PIPELINE = Statement(
    insert(pipelines)
    .values(columns("account_id", "id", "name", "sort", "is_main"))
    .on_conflict_do_nothing(index_elements=["account_id", "id"])
)
_INSERT_STATUS = Statement(
    insert(statuses)
    .values(columns("account_id", "pipeline_id", "id", "name", "sort", "color", "type"))
    .on_conflict_do_nothing(index_elements=["account_id", "pipeline_id", "id"])
)

_SOURCES = Statement(
    select(sources).where(sources.c.account_id == bindparam("account_id")).order_by(sources.c.id)
)
_INSERT_SOURCE = Statement(
    insert(sources)
    .values(
        columns(
            "account_id", "public_id", "hash", "name", "locale", "inline", "color", "origins",
            "identity", "window_mode", "pipeline_id", "is_enabled", "settings", "created_at", "changed_at",
        )
    )
    .on_conflict_do_nothing(index_elements=["public_id"])
    .returning(sources)
)  # fmt: skip

_FIELDS = Statement(
    select(custom_fields)
    .where(custom_fields.c.account_id == bindparam("account_id"))
    .order_by(custom_fields.c.sort, custom_fields.c.id)
)
_OPTIONS = Statement(
    select(field_options)
    .where(field_options.c.account_id == bindparam("account_id"))
    .order_by(field_options.c.sort, field_options.c.id)
)
# Without a target: a taken id and a taken code are both conflicts.
_INSERT_FIELD = Statement(
    insert(custom_fields)
    .values(
        columns(
            "account_id", "id", "entity", "type", "name", "code", "sort", "currency",
            "is_computed", "is_page_writable",
        )
    )
    .on_conflict_do_nothing()
)  # fmt: skip
_UPDATE_FIELD = Statement(
    update(custom_fields)
    .where(custom_fields.c.account_id == bindparam("account"), custom_fields.c.id == bindparam("field_id"))
    .values(changes("name", "code", "sort", "currency", "is_computed"))
)
_INSERT_OPTION = Statement(
    insert(field_options).values(columns("account_id", "field_id", "id", "value", "code", "sort"))
)
_CLEAR_CODE = Statement(
    update(custom_fields)
    .where(custom_fields.c.account_id == bindparam("account"), custom_fields.c.id == bindparam("field_id"))
    .values(code=None)
)
_DELETE_FIELD = Statement(
    delete(custom_fields).where(
        custom_fields.c.account_id == bindparam("account_id"), custom_fields.c.id == bindparam("field_id")
    )
)
_DELETE_OPTIONS = Statement(
    delete(field_options).where(
        field_options.c.account_id == bindparam("account_id"),
        field_options.c.field_id == bindparam("field_id"),
    )
)


def find_account(tx: Transaction, account_id: int) -> Account | None:
    row = tx.row(_ACCOUNT, account_id=account_id)
    if row is None:
        return None
    return Account(AccountId(row["account_id"]), row["name"], row["locale"], row["timezone"], row["currency"])


def insert_account(tx: Transaction, account: Account, now: datetime) -> bool:
    """Whether the account is new."""
    return bool(
        tx.run(
            _INSERT_ACCOUNT,
            account_id=account.id,
            name=account.name,
            locale=account.locale,
            timezone=account.timezone,
            currency=account.currency,
            created_at=to_ms(now),
        )
    )


def next_id(tx: Transaction, account_id: int, name: str) -> int:
    """The next id of our own in this row of numbers."""
    return int(returned(tx.row(_COUNT_UP, account_id=account_id, name=name))["value"])


def list_pipelines(tx: Transaction, account_id: int) -> tuple[Pipeline, ...]:
    stages: dict[int, list[Status]] = defaultdict(list)
    for row in tx.rows(_STATUSES, account_id=account_id):
        status = Status(row["id"], row["name"], row["sort"], row["color"], row["type"])
        stages[row["pipeline_id"]].append(status)
    return tuple(
        Pipeline(row["id"], row["name"], row["sort"], row["is_main"], tuple(stages[row["id"]]))
        for row in tx.rows(_PIPELINES, account_id=account_id)
    )


def insert_pipeline(tx: Transaction, account_id: int, pipeline: Pipeline) -> None:
    tx.run(
        _INSERT_PIPELINE,
        account_id=account_id,
        id=pipeline.id,
        name=pipeline.name,
        sort=pipeline.sort,
        is_main=pipeline.is_main,
    )
    for status in pipeline.statuses:
        tx.run(
            _INSERT_STATUS,
            account_id=account_id,
            pipeline_id=pipeline.id,
            id=status.id,
            name=status.name,
            sort=status.sort,
            color=status.color,
            type=status.type,
        )


def list_sources(tx: Transaction, account_id: int) -> list[Source]:
    return [_source(row) for row in tx.rows(_SOURCES, account_id=account_id)]


def insert_source(
    tx: Transaction,
    account_id: int,
    draft: SourceDraft,
    *,
    public_id: str,
    hash: str,
    pipeline_id: int,
    now: datetime,
) -> Source | None:
    """The new button, or None when its id is taken."""
    row = tx.row(
        _INSERT_SOURCE,
        account_id=account_id,
        public_id=public_id,
        hash=hash,
        name=draft.name,
        locale=draft.locale,
        inline=draft.inline,
        color=draft.color,
        origins=json.dumps(draft.origins),
        identity=draft.identity.value,
        window_mode=draft.window_mode.value,
        pipeline_id=pipeline_id,
        is_enabled=True,
        settings="{}",
        created_at=to_ms(now),
        changed_at=to_ms(now),
    )
    return None if row is None else _source(row)


def list_fields(tx: Transaction, account_id: int) -> list[CustomField]:
    options: dict[int, list[FieldOption]] = defaultdict(list)
    for row in tx.rows(_OPTIONS, account_id=account_id):
        options[row["field_id"]].append(FieldOption(row["id"], row["value"], row["code"], row["sort"]))
    return [_field(row, options[row["id"]]) for row in tx.rows(_FIELDS, account_id=account_id)]


def insert_field(tx: Transaction, account_id: int, field: CustomField) -> bool:
    """Whether the field was free to add: neither its id nor its code was taken."""
    is_new = tx.run(
        _INSERT_FIELD,
        account_id=account_id,
        id=field.id,
        entity=field.entity.value,
        type=field.type.value,
        name=field.name,
        code=field.code,
        sort=field.sort,
        currency=field.currency,
        is_computed=field.is_computed,
        is_page_writable=field.is_page_writable,
    )
    if is_new:
        _insert_options(tx, account_id, field)
    return bool(is_new)


def update_field(tx: Transaction, account_id: int, field: CustomField) -> None:
    """Take the field's new name, code and options. Whether a page may write it stays as it is."""
    tx.run(
        _UPDATE_FIELD,
        account=account_id,
        field_id=field.id,
        new_name=field.name,
        new_code=field.code,
        new_sort=field.sort,
        new_currency=field.currency,
        new_is_computed=field.is_computed,
    )
    tx.run(_DELETE_OPTIONS, account_id=account_id, field_id=field.id)
    _insert_options(tx, account_id, field)


def clear_code(tx: Transaction, account_id: int, field_id: int) -> None:
    """Free the field's code for another field."""
    tx.run(_CLEAR_CODE, account=account_id, field_id=field_id)


def delete_field(tx: Transaction, account_id: int, field_id: int) -> None:
    """Remove a field that no card has a value of."""
    tx.run(_DELETE_OPTIONS, account_id=account_id, field_id=field_id)
    tx.run(_DELETE_FIELD, account_id=account_id, field_id=field_id)


def _insert_options(tx: Transaction, account_id: int, field: CustomField) -> None:
    for option in field.options:
        tx.run(
            _INSERT_OPTION,
            account_id=account_id,
            field_id=field.id,
            id=option.id,
            value=option.value,
            code=option.code,
            sort=option.sort,
        )


def _source(row: Row) -> Source:
    settings: Mapping[str, object] = json.loads(row["settings"])
    return Source(
        id=SourceId(row["id"]),
        account_id=AccountId(row["account_id"]),
        public_id=row["public_id"],
        hash=row["hash"],
        name=row["name"],
        locale=row["locale"],
        inline=row["inline"],
        color=row["color"],
        origins=tuple(json.loads(row["origins"])),
        identity=Identity(row["identity"]),
        window_mode=WindowMode(row["window_mode"]),
        pipeline_id=row["pipeline_id"],
        is_enabled=row["is_enabled"],
        settings=settings,
    )


def _field(row: Row, options: Iterable[FieldOption]) -> CustomField:
    return CustomField(
        id=row["id"],
        entity=Entity(row["entity"]),
        type=FieldType(row["type"]),
        name=row["name"],
        code=row["code"],
        sort=row["sort"],
        options=tuple(options),
        currency=row["currency"],
        is_computed=row["is_computed"],
        is_page_writable=row["is_page_writable"],
    )
