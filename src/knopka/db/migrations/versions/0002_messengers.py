"""Messengers: channels, their events, entry links, deliveries, attachments."""

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
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"

Big: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    widen_tables()
    create_tables()
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER knopka_tell_of_changes AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON channels"
            " FOR EACH STATEMENT EXECUTE FUNCTION knopka_tell_of_changes()"
        )


def _id() -> Column[int]:
    return Column("id", Big, primary_key=True, autoincrement=True)


def _account() -> Column[int]:
    return Column("account_id", Big, nullable=False)


def _needed(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]] = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


CONVERSATION: tuple[Column[Any], ...] = (
    Column("channel_id", Big),
    Column("chat_id", Text),
    Column("chat_gone", Text),
    Column("window_kind", Text),
    Column("window_ends_at", Big),
    Column("window_late_until", Big),
)
MESSAGE: tuple[Column[Any], ...] = (
    Column("state", Text),
    Column("error", Text),
    Column("error_detail", Text),
    Column("event", Text),
    Column("platform_id", Text),
    Column("is_elsewhere", Boolean),
    Column("edited_at", Big),
    Column("deleted_at", Big),
)


def widen_tables() -> None:
    op.add_column("contacts", Column("avatar", Text))
    for column in CONVERSATION:
        op.add_column("conversations", Column(column.name, column.type))
    for column in MESSAGE:
        op.add_column("messages", Column(column.name, column.type))
    op.create_index("conversations_by_channel", "conversations", ["channel_id", "last_message_at", "id"])
    op.create_index("messages_by_platform_id", "messages", ["conversation_id", "platform_id"])
    op.create_index("jobs_by_kind", "jobs", ["kind", "due_at", "id"])


def create_tables() -> None:
    op.create_table(
        "channels",
        _id(),
        _account(),
        _needed("kind"),
        _needed("title"),
        _needed("path"),
        _needed("link"),
        _needed("needs_app", Boolean),
        Column("source_ids", Text),
        _needed("is_enabled", Boolean),
        _needed("is_polling", Boolean),
        _needed("state"),
        _needed("findings"),
        _needed("settings"),
        _needed("secrets"),
        _needed("created_at", Big),
        _needed("changed_at", Big),
        Column("removed_at", Big),
        UniqueConstraint("path"),
        Index("channels_by_account", "account_id", "id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "channel_cursors",
        _account(),
        Column("channel_id", Big, primary_key=True, autoincrement=False),
        _needed("cursor"),
        ForeignKeyConstraint(["channel_id"], ["channels.id"]),
    )
    op.create_table(
        "channel_log",
        _id(),
        _account(),
        _needed("channel_id", Big),
        _needed("level"),
        _needed("code"),
        _needed("detail"),
        _needed("at", Big),
        ForeignKeyConstraint(["channel_id"], ["channels.id"]),
        Index("channel_log_by_channel", "channel_id", "id"),
        Index("channel_log_by_time", "account_id", "at"),
    )
    op.create_table(
        "channel_events",
        _id(),
        _account(),
        _needed("channel_id", Big),
        _needed("identity"),
        Column("event", Text),
        _needed("at", Big),
        UniqueConstraint("channel_id", "identity"),
        ForeignKeyConstraint(["channel_id"], ["channels.id"]),
        Index("channel_events_by_channel", "channel_id", "id"),
        Index(
            "channel_events_with_content",
            "account_id",
            "at",
            sqlite_where=text("event IS NOT NULL"),
            postgresql_where=text("event IS NOT NULL"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "entry_links",
        _id(),
        _account(),
        _needed("code_hash"),
        Column("short_code", Text),
        Column("source_id", Big),
        Column("visit_id", Big),
        _needed("page_url"),
        _needed("page_title"),
        Column("announced_at", Big),
        Column("channel_id", Big),
        Column("chat_id", Text),
        Column("brought_at", Big),
        Column("bound_at", Big),
        _needed("created_at", Big),
        UniqueConstraint("account_id", "code_hash"),
        ForeignKeyConstraint(["source_id"], ["sources.id"]),
        Index("entry_links_by_short_code", "account_id", "short_code"),
        Index("entry_links_by_chat", "channel_id", "chat_id", "id"),
        Index("entry_links_by_visit", "visit_id"),
        Index("entry_links_by_time", "account_id", "created_at"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        _id(),
        _account(),
        _needed("conversation_id", Big),
        _needed("channel_id", Big),
        _needed("message_id", Big),
        _needed("part", Integer),
        _needed("text"),
        _needed("key"),
        _needed("echo_mark"),
        _needed("state"),
        Column("platform_id", Text),
        Column("sent_at", Big),
        UniqueConstraint("key"),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
        ForeignKeyConstraint(["channel_id"], ["channels.id"]),
        ForeignKeyConstraint(["message_id"], ["messages.id"]),
        Index("deliveries_by_message", "message_id", "part"),
        Index("deliveries_by_platform_id", "conversation_id", "platform_id"),
        Index("deliveries_by_mark", "conversation_id", "echo_mark"),
        Index("deliveries_by_state", "channel_id", "state"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "attachments",
        _id(),
        _account(),
        _needed("conversation_id", Big),
        _needed("message_id", Big),
        _needed("kind"),
        _needed("source"),
        _needed("name"),
        _needed("mime"),
        Column("size", Big),
        _needed("state"),
        Column("reason", Text),
        Column("file", Text),
        Column("width", Integer),
        Column("height", Integer),
        _needed("title"),
        _needed("phone"),
        Column("latitude", Text),
        Column("longitude", Text),
        _needed("created_at", Big),
        ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
        ForeignKeyConstraint(["message_id"], ["messages.id"]),
        Index("attachments_by_message", "message_id", "id"),
        sqlite_autoincrement=True,
    )
