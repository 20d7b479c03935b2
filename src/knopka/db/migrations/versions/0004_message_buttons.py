"""Messages of bots: who spoke, the buttons under a message, and which one the visitor pressed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text, text
from sqlalchemy.types import TypeEngine

revision = "0004"
down_revision = "0003"

Big: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("messages", Column("bot_id", Big))
    op.add_column("messages", Column("bot_name", Text))
    op.add_column("messages", Column("buttons", Text))
    op.add_column("messages", Column("pressed", Text))
    op.add_column("deliveries", Column("buttons", Text))
    op.create_index(
        "messages_with_buttons",
        "messages",
        ["conversation_id", "seq"],
        sqlite_where=text("buttons IS NOT NULL"),
        postgresql_where=text("buttons IS NOT NULL"),
    )
