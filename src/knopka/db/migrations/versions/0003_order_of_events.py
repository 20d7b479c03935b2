"""What messengers tell too early or too late: which word is the newest, and what waits for its message."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text, text
from sqlalchemy.types import TypeEngine

revision = "0003"
down_revision = "0002"

Big: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("conversations", Column("reach_at", Big))
    op.add_column("messages", Column("words_at", Big))
    op.add_column("channel_events", Column("waits_for", Text))
    op.create_index(
        "channel_events_that_wait",
        "channel_events",
        ["channel_id", "waits_for"],
        sqlite_where=text("waits_for IS NOT NULL"),
        postgresql_where=text("waits_for IS NOT NULL"),
    )
