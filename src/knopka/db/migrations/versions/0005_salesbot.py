"""Salesbot: bots, their versions, runs and logs; tags, people in charge and subscribers of cards."""

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

revision = "0005"
down_revision = "0004"

Big: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("contacts", Column("responsible_user_id", Big))
    op.add_column("leads", Column("responsible_user_id", Big))
    op.add_column("conversations", Column("bot_run_id", Big))
    create_bots()
    create_marks_of_cards()
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER knopka_tell_of_changes AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bots"
            " FOR EACH STATEMENT EXECUTE FUNCTION knopka_tell_of_changes()"
        )


def _id() -> Column[int]:
    return Column("id", Big, primary_key=True, autoincrement=True)


def _account() -> Column[int]:
    return Column("account_id", Big, nullable=False)


def _needed(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]] = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


def create_bots() -> None:
    op.create_table(
        "bots",
        _id(),
        _account(),
        _needed("name"),
        _needed("is_enabled", Boolean),
        Column("published_version", Integer),
        _needed("last_version", Integer),
        _needed("settings"),
        _needed("created_at", Big),
        _needed("changed_at", Big),
        Column("removed_at", Big),
        Index("bots_by_account", "account_id", "id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "bot_versions",
        _account(),
        _needed("bot_id", Big),
        _needed("version", Integer),
        _needed("script"),
        _needed("note"),
        _needed("author"),
        _needed("created_at", Big),
        PrimaryKeyConstraint("bot_id", "version"),
        ForeignKeyConstraint(["bot_id"], ["bots.id"]),
    )
    op.create_table(
        "bot_runs",
        _id(),
        _account(),
        _needed("bot_id", Big),
        _needed("version", Integer),
        _needed("conversation_id", Big),
        Column("lead_id", Big),
        Column("contact_id", Big),
        _needed("state"),
        _needed("is_active", Boolean),
        Column("wait", Text),
        _needed("cause"),
        _needed("said_seq", Big),
        _needed("calls"),
        _needed("lines", Integer),
        _needed("started_at", Big),
        _needed("changed_at", Big),
        Column("ended_at", Big),
        Column("reason", Text),
        ForeignKeyConstraint(["bot_id"], ["bots.id"]),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
        Index("bot_runs_by_bot", "bot_id", "id"),
        Index("bot_runs_by_account", "account_id", "id"),
        Index("bot_runs_by_conversation", "conversation_id", "started_at"),
        Index("bot_runs_by_end", "account_id", "ended_at"),
        Index(
            "bot_runs_active",
            "conversation_id",
            unique=True,
            sqlite_where=text("is_active"),
            postgresql_where=text("is_active"),
        ),
        Index(
            "bot_runs_active_of_bot",
            "bot_id",
            "id",
            sqlite_where=text("is_active"),
            postgresql_where=text("is_active"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "bot_log",
        _account(),
        _needed("run_id", Big),
        _needed("seq", Integer),
        _needed("at", Big),
        _needed("line"),
        PrimaryKeyConstraint("run_id", "seq"),
        ForeignKeyConstraint(["run_id"], ["bot_runs.id"]),
        Index("bot_log_by_time", "account_id", "at"),
    )


def create_marks_of_cards() -> None:
    op.create_table(
        "tags",
        _id(),
        _account(),
        _needed("name"),
        _needed("key"),
        UniqueConstraint("account_id", "key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "card_tags",
        _account(),
        _needed("entity"),
        _needed("entity_id", Big),
        _needed("tag_id", Big),
        PrimaryKeyConstraint("account_id", "entity", "entity_id", "tag_id"),
        ForeignKeyConstraint(["tag_id"], ["tags.id"]),
    )
    op.create_table(
        "card_subscribers",
        _account(),
        _needed("entity"),
        _needed("entity_id", Big),
        _needed("kind"),
        _needed("subscriber_id", Big),
        PrimaryKeyConstraint("account_id", "entity", "entity_id", "kind", "subscriber_id"),
    )
    op.create_table(
        "lead_contacts",
        _account(),
        _needed("lead_id", Big),
        _needed("contact_id", Big),
        PrimaryKeyConstraint("lead_id", "contact_id"),
        ForeignKeyConstraint(["lead_id"], ["leads.id"]),
        ForeignKeyConstraint(["contact_id"], ["contacts.id"]),
    )
