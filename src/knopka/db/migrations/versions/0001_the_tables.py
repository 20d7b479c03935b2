"""The tables of the first release."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None

Big: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
KEPT_IN_MEMORY = ("accounts", "pipelines", "statuses", "custom_fields", "field_options", "sources")
"""Tables whose change every process has to hear of; SQLite tells by its data_version."""
WITHOUT_CARD = "visitor_id IS NULL AND contact_id IS NULL AND lead_id IS NULL"


def upgrade() -> None:
    create_tables()
    if op.get_context().dialect.name == "postgresql":
        tell_of_changes()


def _id() -> Column[int]:
    return Column("id", Big, primary_key=True, autoincrement=True)


def _account() -> Column[int]:
    return Column("account_id", Big, nullable=False)


def _needed(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]] = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


def tell_of_changes() -> None:
    op.execute(
        "CREATE FUNCTION knopka_tell_of_changes() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NOTIFY knopka_changes; RETURN NULL; END $$"
    )
    for table in KEPT_IN_MEMORY:
        op.execute(
            f"CREATE TRIGGER knopka_tell_of_changes AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION knopka_tell_of_changes()"
        )


def create_tables() -> None:
    op.create_table(
        "accounts",
        Column("account_id", Big, primary_key=True, autoincrement=False),
        _needed("name"),
        _needed("locale"),
        _needed("timezone"),
        _needed("currency"),
        _needed("created_at", Big),
    )
    op.create_table(
        "counters",
        _account(),
        _needed("name"),
        _needed("value", Big),
        PrimaryKeyConstraint("account_id", "name"),
    )
    op.create_table(
        "pipelines",
        _account(),
        _needed("id", Big),
        _needed("name"),
        _needed("sort", Integer),
        _needed("is_main", Boolean),
        PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_table(
        "statuses",
        _account(),
        _needed("pipeline_id", Big),
        _needed("id", Big),
        _needed("name"),
        _needed("sort", Integer),
        _needed("color"),
        _needed("type", Integer),
        PrimaryKeyConstraint("account_id", "pipeline_id", "id"),
        ForeignKeyConstraint(["account_id", "pipeline_id"], ["pipelines.account_id", "pipelines.id"]),
    )
    op.create_table(
        "custom_fields",
        _account(),
        _needed("id", Big),
        _needed("entity"),
        _needed("type"),
        _needed("name"),
        Column("code", Text),
        _needed("sort", Integer),
        Column("currency", Text),
        _needed("is_computed", Boolean),
        _needed("is_page_writable", Boolean),
        PrimaryKeyConstraint("account_id", "id"),
        UniqueConstraint("account_id", "entity", "code"),
    )
    op.create_table(
        "field_options",
        _account(),
        _needed("field_id", Big),
        _needed("id", Big),
        _needed("value"),
        Column("code", Text),
        _needed("sort", Integer),
        PrimaryKeyConstraint("account_id", "field_id", "id"),
        ForeignKeyConstraint(["account_id", "field_id"], ["custom_fields.account_id", "custom_fields.id"]),
    )
    op.create_table(
        "sources",
        _id(),
        _account(),
        _needed("public_id"),
        _needed("hash"),
        _needed("name"),
        _needed("locale"),
        _needed("inline", Boolean),
        _needed("color"),
        _needed("origins"),
        _needed("identity"),
        _needed("window_mode"),
        _needed("pipeline_id", Big),
        _needed("is_enabled", Boolean),
        _needed("settings"),
        _needed("created_at", Big),
        _needed("changed_at", Big),
        UniqueConstraint("public_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "contacts",
        _id(),
        _account(),
        _needed("name"),
        _needed("name_origin"),
        _needed("created_at", Big),
        _needed("updated_at", Big),
        Index("contacts_by_account", "account_id", "id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "leads",
        _id(),
        _account(),
        _needed("contact_id", Big),
        _needed("source_id", Big),
        _needed("name"),
        _needed("name_origin"),
        _needed("price", Big),
        _needed("pipeline_id", Big),
        _needed("status_id", Big),
        _needed("created_at", Big),
        _needed("updated_at", Big),
        Column("closed_at", Big),
        ForeignKeyConstraint(["contact_id"], ["contacts.id"]),
        ForeignKeyConstraint(["source_id"], ["sources.id"]),
        Index("leads_by_account", "account_id", "id"),
        Index("leads_by_contact", "contact_id", "id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "visitors",
        _id(),
        _account(),
        _needed("source_id", Big),
        _needed("token_hash"),
        Column("contact_id", Big),
        _needed("created_at", Big),
        _needed("seen_at", Big),
        UniqueConstraint("token_hash"),
        ForeignKeyConstraint(["source_id"], ["sources.id"]),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "visits",
        _id(),
        _account(),
        _needed("source_id", Big),
        _needed("key_hash"),
        Column("visitor_id", Big),
        Column("contact_id", Big),
        Column("lead_id", Big),
        Column("waiting_since", Big),
        Column("waiting", Text),
        Column("bot_params", Text),
        _needed("page_url"),
        _needed("created_at", Big),
        _needed("seen_at", Big),
        UniqueConstraint("source_id", "key_hash"),
        ForeignKeyConstraint(["source_id"], ["sources.id"]),
        Index("visits_by_lead", "lead_id", "id"),
        Index("visits_by_visitor", "visitor_id", "id"),
        Index(
            "visits_without_card",
            "account_id",
            "seen_at",
            "id",
            sqlite_where=text(WITHOUT_CARD),
            postgresql_where=text(WITHOUT_CARD),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "meta_calls",
        _id(),
        _account(),
        _needed("source_id", Big),
        _needed("visit_id", Big),
        Column("lead_id", Big),
        _needed("key"),
        _needed("body_hash"),
        _needed("body"),
        _needed("page_url"),
        _needed("verdicts"),
        _needed("at", Big),
        UniqueConstraint("visit_id", "key"),
        ForeignKeyConstraint(["visit_id"], ["visits.id"]),
        Index("meta_calls_by_lead", "lead_id", "id"),
        Index("meta_calls_by_account", "account_id", "id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "fill_windows",
        _account(),
        _needed("visit_id", Big),
        _needed("lead_id", Big),
        _needed("lead_created_at", Big),
        Column("first_data_at", Big),
        # What this visit has noted on this card: it bounds the notes, and tells `repeated`
        # without a word about the notes of other visits.
        Column("note_hashes", Text),
        PrimaryKeyConstraint("visit_id", "lead_id"),
        ForeignKeyConstraint(["visit_id"], ["visits.id"]),
        ForeignKeyConstraint(["lead_id"], ["leads.id"]),
        Index("fill_windows_by_lead", "lead_id"),
    )
    op.create_table(
        "field_values",
        _account(),
        _needed("entity"),
        _needed("entity_id", Big),
        _needed("field_id", Big),
        _needed("items"),
        _needed("origin"),
        _needed("at", Big),
        PrimaryKeyConstraint("account_id", "entity", "entity_id", "field_id"),
        ForeignKeyConstraint(["account_id", "field_id"], ["custom_fields.account_id", "custom_fields.id"]),
    )
    op.create_table(
        "notes",
        _id(),
        _account(),
        _needed("entity"),
        _needed("entity_id", Big),
        _needed("note_type"),
        _needed("params"),
        Column("window_lead_id", Big),
        Column("visit_id", Big),
        Column("text_hash", Text),
        _needed("created_by", Big),
        _needed("created_at", Big),
        # The same text for the same card within one window is stored once; a note of an
        # operator has no window, and NULLs are distinct in a unique constraint.
        UniqueConstraint("account_id", "entity", "entity_id", "window_lead_id", "text_hash"),
        Index("notes_by_card", "account_id", "entity", "entity_id", "id"),
    )
    op.create_table(
        "incoming_leads",
        Column("uid", Text, primary_key=True),
        _account(),
        _needed("lead_id", Big),
        _needed("contact_id", Big),
        Column("conversation_id", Big),
        Column("visit_id", Big),
        _needed("source_id", Big),
        _needed("category"),
        _needed("pipeline_id", Big),
        _needed("state"),
        _needed("created_at", Big),
        Column("decided_at", Big),
        Column("decided_by", Big),
        _needed("metadata"),
        UniqueConstraint("lead_id"),
        ForeignKeyConstraint(["lead_id"], ["leads.id"]),
        ForeignKeyConstraint(["contact_id"], ["contacts.id"]),
        Index("incoming_leads_by_state", "account_id", "state", "created_at", "uid"),
    )
    op.create_table(
        "conversations",
        _id(),
        _account(),
        _needed("source_id", Big),
        _needed("channel"),
        _needed("visitor_id", Big),
        Column("visit_id", Big),
        Column("contact_id", Big),
        Column("lead_id", Big),
        _needed("status"),
        _needed("is_visit_unknown", Boolean),
        _needed("last_seq", Big),
        _needed("last_text"),
        Column("last_direction", Text),
        Column("last_message_at", Big),
        _needed("operator_read_seq", Big),
        _needed("visitor_read_seq", Big),
        _needed("visitor_delivered_seq", Big),
        _needed("unread", Integer),
        _needed("page_url"),
        _needed("created_at", Big),
        _needed("changed_at", Big),
        # One visitor has one conversation in a channel; a new message opens it again.
        UniqueConstraint("visitor_id", "channel"),
        ForeignKeyConstraint(["source_id"], ["sources.id"]),
        ForeignKeyConstraint(["visitor_id"], ["visitors.id"]),
        Index("conversations_by_change", "account_id", "changed_at", "id"),
        Index("conversations_by_message", "account_id", "status", "last_message_at", "id"),
        Index("conversations_by_time", "account_id", "last_message_at", "id"),
        Index("conversations_by_lead", "lead_id"),
        Index("conversations_by_visit", "visit_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "messages",
        _id(),
        _account(),
        _needed("conversation_id", Big),
        _needed("seq", Big),
        _needed("direction"),
        Column("operator_id", Big),
        _needed("key"),
        _needed("body_hash"),
        _needed("text"),
        _needed("created_at", Big),
        UniqueConstraint("conversation_id", "seq"),
        UniqueConstraint("conversation_id", "direction", "key"),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
    )
    op.create_table(
        "answers",
        _account(),
        _needed("scope"),
        _needed("key"),
        _needed("body_hash"),
        _needed("answer"),
        _needed("at", Big),
        PrimaryKeyConstraint("account_id", "scope", "key"),
        Index("answers_by_time", "account_id", "at"),
    )
    op.create_table(
        "operators",
        _id(),
        _account(),
        _needed("login"),
        _needed("name"),
        _needed("password_hash"),
        _needed("is_enabled", Boolean),
        _needed("created_at", Big),
        UniqueConstraint("login"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "logins",
        Column("token_hash", Text, primary_key=True),
        _account(),
        _needed("operator_id", Big),
        _needed("created_at", Big),
        _needed("seen_at", Big),
        _needed("agent"),
        _needed("address"),
        ForeignKeyConstraint(["operator_id"], ["operators.id"]),
        Index("logins_by_operator", "operator_id"),
        Index("logins_by_time", "account_id", "created_at"),
    )
    op.create_table(
        "setup_codes",
        Column("code_hash", Text, primary_key=True),
        _account(),
        _needed("created_at", Big),
        Column("used_at", Big),
    )
    op.create_table(
        "jobs",
        _id(),
        _account(),
        _needed("key"),
        _needed("kind"),
        _needed("payload"),
        _needed("created_at", Big),
        _needed("due_at", Big),
        _needed("attempts", Integer),
        Column("first_tried_at", Big),
        Column("lease_until", Big),
        _needed("fence", Big),
        _needed("is_out_of_order", Boolean),
        Column("error", Text),
        Index("jobs_by_due", "due_at", "id"),
        Index("jobs_by_key", "key", "id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job_attempts",
        _id(),
        _account(),
        _needed("job_id", Big),
        _needed("fence", Big),
        _needed("started_at", Big),
        Column("ended_at", Big),
        Column("outcome", Text),
        Column("error", Text),
        Index("job_attempts_by_job", "job_id", "id"),
    )
    op.create_table(
        "dead_letters",
        Column("id", Big, primary_key=True, autoincrement=False),
        _account(),
        _needed("key"),
        _needed("kind"),
        _needed("payload"),
        _needed("created_at", Big),
        _needed("attempts", Integer),
        _needed("is_out_of_order", Boolean),
        _needed("error"),
        _needed("died_at", Big),
        Index("dead_letters_by_account", "account_id", "id"),
    )
    op.create_table(
        "timers",
        _account(),
        _needed("kind"),
        _needed("key"),
        _needed("payload"),
        _needed("due_at", Big),
        PrimaryKeyConstraint("account_id", "kind", "key"),
        Index("timers_by_due", "due_at"),
    )
