"""Tokens of integrators, who call the API: of each only its hash."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint
from sqlalchemy.types import TypeEngine

revision = "0006"
down_revision = "0005"

Big: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        Column("id", Big, primary_key=True, autoincrement=True),
        _needed("account_id", Big),
        _needed("name"),
        _needed("token_hash"),
        _needed("scopes"),
        _needed("created_at", Big),
        Column("expires_at", Big),
        Column("last_used_at", Big),
        Column("revoked_at", Big),
        UniqueConstraint("token_hash"),
        Index("api_tokens_by_account", "account_id", "id"),
        sqlite_autoincrement=True,
    )


def _needed(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]] = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)
