"""The tables of the server's database, for SQLite and PostgreSQL alike. Knows no query.

Changing one needs a migration in `migrations/versions`; a test compares the two. Times are texts of `moments.written`. Columns that name an owner
have no foreign key: `LOCAL_USER` (a server without accounts) has no row in `users`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.types import TypeDecorator

HEAD = "0001"
"""The newest migration; a database that is there needs nothing done."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    """Return the text with what no database takes replaced by U+FFFD: NUL (PostgreSQL) and lone surrogates (UTF-8)."""
    return text.replace("\0", REPLACEMENT).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Storable(TypeDecorator[str]):
    """Text that was made storable; also where it is only compared, as an id out of an address is."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value if not isinstance(value, str) or (value.isascii() and "\0" not in value) else storable(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *more: Any, **options: Any) -> Column[str]:
    return Column(name, Storable, *more, nullable=False, **options)


users = Table(
    "users",
    metadata,
    _text("id", primary_key=True),
    _text("name"),
    _text("folded"),  # names are taken without regard to case
    _text("role"),
    _text("password"),  # Argon2id; empty: no password, comes by OIDC
    _text("created_at"),
    Column("disabled", Boolean, nullable=False),
    UniqueConstraint("folded"),
)

identities = Table(  # of OpenID Connect: who is who at an issuer
    "identities",
    metadata,
    _text("issuer", primary_key=True),
    _text("subject", primary_key=True),
    _text("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
)

sessions = Table(
    "sessions",
    metadata,
    _text("id", primary_key=True),
    _text("hash"),
    _text("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    _text("created_at"),
    _text("last_used_at"),
    _text("expires_at"),
    _text("agent"),
    _text("address"),
    UniqueConstraint("hash"),
)

keys = Table(
    "keys",
    metadata,
    _text("id", primary_key=True),
    _text("hash"),
    _text("owner_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    _text("name"),
    _text("hint"),
    _text("scopes"),  # separated by spaces
    _text("created_at"),
    _text("expires_at"),
    _text("last_used_at"),
    Column("revoked", Boolean, nullable=False),
    UniqueConstraint("hash"),
)

tokens = Table(
    "tokens",
    metadata,
    _text("hash", primary_key=True),
    _text("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("key_id", Storable, ForeignKey("keys.id", ondelete="CASCADE"), index=True),  # none: made with a password
    _text("scope"),
    _text("created_at"),
    _text("expires_at"),
)

invitations = Table(
    "invitations",
    metadata,
    _text("id", primary_key=True),
    _text("hash"),
    _text("role"),
    _text("invited_by"),
    _text("created_at"),
    _text("expires_at"),
    _text("used_by"),
    UniqueConstraint("hash"),
)

conversations = Table(
    "conversations",
    metadata,
    _text("id", primary_key=True),
    _text("owner_id"),
    _text("title"),
    _text("folded"),  # the title as `folding.fold` writes it
    _text("created_at"),
    _text("updated_at"),
    _text("model"),
    Index(None, "owner_id", "updated_at"),
)

messages = Table(
    "messages",
    metadata,
    _text("id", primary_key=True),
    _text("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE")),
    Column("position", Integer, nullable=False),
    _text("role"),
    _text("text"),
    _text("folded"),
    _text("created_at"),
    _text("status"),
    _text("model"),
    _text("answer"),  # JSON
    Column("superseded", Boolean, nullable=False),
    UniqueConstraint("conversation_id", "position"),
)

feedback = Table(
    "feedback",
    metadata,
    _text("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    _text("owner_id", primary_key=True),
    Column("value", Integer, nullable=False),
    _text("comment"),
    _text("at", index=True),
)

uploads = Table(
    "uploads",
    metadata,
    _text("id", primary_key=True),
    _text("owner_id", index=True),
    _text("name"),
    _text("mime"),
    Column("size_bytes", BigInteger, nullable=False),
    _text("purpose"),
    _text("created_at"),
    _text("path"),
    _text("source"),
    _text("document_ids"),  # JSON
    _text("status"),
    _text("reason"),
)
