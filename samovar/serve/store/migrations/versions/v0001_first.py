"""The first schema: accounts, sessions, keys, tokens, invitations, conversations, feedback, uploads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    _people()
    _credentials()
    _conversations()
    _table(
        "uploads",
        *_texts("id", "owner_id", "name", "mime", "purpose", "created_at", "path", "source", "document_ids"),
        *_texts("status", "reason"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
    )
    _index("uploads", "owner_id")


def _people() -> None:
    _table(
        "users",
        *_texts("id", "name", "folded", "role", "password", "created_at"),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        _unique("users", "folded"),
    )
    _table(
        "identities",
        *_texts("issuer", "subject", "user_id"),
        _belongs("identities", "user_id", "users"),
        primary=("issuer", "subject"),
    )
    _index("identities", "user_id")
    _table(
        "invitations",
        *_texts("id", "hash", "role", "invited_by", "created_at", "expires_at", "used_by"),
        _unique("invitations", "hash"),
    )


def _credentials() -> None:
    _table(
        "sessions",
        *_texts("id", "hash", "user_id", "created_at", "last_used_at", "expires_at", "agent", "address"),
        _belongs("sessions", "user_id", "users"),
        _unique("sessions", "hash"),
    )
    _index("sessions", "user_id")
    _table(
        "keys",
        *_texts("id", "hash", "owner_id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at"),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        _belongs("keys", "owner_id", "users"),
        _unique("keys", "hash"),
    )
    _index("keys", "owner_id")
    _table(
        "tokens",
        *_texts("hash", "user_id", "scope", "created_at", "expires_at"),
        sa.Column("key_id", sa.Text(), nullable=True),
        _belongs("tokens", "user_id", "users"),
        _belongs("tokens", "key_id", "keys"),
        primary=("hash",),
    )
    _index("tokens", "user_id")
    _index("tokens", "key_id")


def _conversations() -> None:
    _table("conversations", *_texts("id", "owner_id", "title", "folded", "created_at", "updated_at", "model"))
    _index("conversations", "owner_id", "updated_at")
    _table(
        "messages",
        *_texts("id", "conversation_id", "role", "text", "folded", "created_at", "status", "model", "answer"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        _belongs("messages", "conversation_id", "conversations"),
        _unique("messages", "conversation_id", "position"),
    )
    _table(
        "feedback",
        *_texts("message_id", "owner_id", "comment", "at"),
        sa.Column("value", sa.Integer(), nullable=False),
        _belongs("feedback", "message_id", "messages"),
        primary=("message_id", "owner_id"),
    )
    _index("feedback", "at")


def _table(name: str, *items: sa.schema.SchemaItem, primary: tuple[str, ...] = ("id",)) -> None:
    op.create_table(name, *items, sa.PrimaryKeyConstraint(*primary, name=f"pk_{name}"))


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=f"uq_{table}_{'_'.join(columns)}")


def _belongs(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))
