"""Conversations and their messages. Positions within one count up by one whoever appends, from any thread or process.

Nothing is authorised here: owners are checked where objects are loaded for somebody (`samovar.serve.access`). Knows nothing about models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from samovar.errors import NotFoundError, UsageError
from samovar.serve.store.database import Database
from samovar.serve.store.folding import fold
from samovar.serve.store.moments import Clock, utc, written
from samovar.serve.store.records import ChatMessage, Conversation, MessageStatus
from samovar.serve.store.rows import conversation_of, message_of
from samovar.serve.store.secrets import new_id
from samovar.serve.store.tables import conversations, messages, storable

TITLE_CHARS = 200
QUERY_WORDS = 12  # of a search; more are left out
MAX_LISTED = 1000
ConversationList = list[Conversation]
MessageList = list[ChatMessage]
_SHOWN = [column for column in messages.c if column.name != "folded"]


class Conversations:
    """All conversations. Thread-safe."""

    def __init__(self, database: Database, clock: Clock = utc) -> None:
        self._database = database
        self._clock = clock

    # -- heads ------------------------------------------------------------------------------------------------------
    def create(self, owner_id: str, title: str, model: str = "") -> Conversation:
        """Start a conversation."""
        with self._database.write() as connection:
            return self._insert(connection, owner_id, title, model)

    def _insert(
        self, connection: Connection, owner_id: str, title: str, model: str, created_at: str = ""
    ) -> Conversation:
        now = written(self._clock())
        made = Conversation(new_id(), owner_id, _title(title), created_at or now, now, storable(model))
        row = {name: getattr(made, name) for name in Conversation.__dataclass_fields__}
        connection.execute(conversations.insert().values(folded=fold(made.title), **row))
        return made

    def get(self, conversation_id: str) -> Conversation | None:
        """Return the head of one."""
        with self._database.read() as connection:
            row = connection.execute(_head(conversation_id)).one_or_none()
        return conversation_of(row) if row is not None else None

    def list(self, owner_id: str, query: str = "", limit: int = 100, before: str = "") -> ConversationList:
        """Return a user's conversations, the last changed first; after the one whose id (or `updated_at`) is `before`, for the next page.

        `query` finds those whose title and messages (not superseded ones) have all its words in them, as parts of words too, without regard to case
        and accents. In quotes it is looked for as a whole.
        """
        chosen = sa.select(conversations).where(conversations.c.owner_id == owner_id)
        for word in words_of(query):
            chosen = chosen.where(_has(word))
        with self._database.read() as connection:
            if before:
                chosen = chosen.where(_after(connection, before))
            chosen = chosen.order_by(conversations.c.updated_at.desc(), conversations.c.id.desc())
            return [conversation_of(row) for row in connection.execute(chosen.limit(max(0, min(limit, MAX_LISTED))))]

    def all_of(self, owner_id: str) -> ConversationList:
        """Return all conversations of a user, the last changed first."""
        chosen = sa.select(conversations).where(conversations.c.owner_id == owner_id)
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(conversations.c.updated_at.desc(), conversations.c.id.desc()))
            return [conversation_of(row) for row in rows]

    def rename(self, conversation_id: str, title: str) -> Conversation:
        """Give a title; where the conversation stands in the list does not change."""
        if not title.strip():
            raise UsageError("expected a title, found nothing.")
        values = {"title": _title(title), "folded": fold(_title(title))}
        with self._database.write() as connection:
            connection.execute(conversations.update().where(conversations.c.id == conversation_id).values(**values))
            row = connection.execute(_head(conversation_id)).one_or_none()
        if row is None:
            raise _missing()
        return conversation_of(row)

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation with its messages and what was thought of them."""
        with self._database.write() as connection:
            connection.execute(conversations.delete().where(conversations.c.id == conversation_id))

    # -- messages ---------------------------------------------------------------------------------------------------
    def append(
        self,
        conversation_id: str,
        role: Literal["user", "assistant"],
        text: str,
        *,
        status: MessageStatus = "complete",
        model: str = "",
        answer: Mapping[str, Any] | None = None,
    ) -> ChatMessage:
        """Add a message; it is on the disk when this returns.

        Raises:
            NotFoundError: there is no such conversation.
        """
        with self._database.write() as connection:
            connection.execute(_head(conversation_id).with_for_update()).one_or_none()  # PostgreSQL: one at a time
            position = _next_position(connection, conversation_id)
            now = written(self._clock())
            changed = conversations.update().where(conversations.c.id == conversation_id).values(updated_at=now)
            if connection.execute(changed).rowcount != 1:
                raise _missing()
            message = ChatMessage(
                new_id(), conversation_id, position, role, storable(text), now, status, storable(model), answer or {}
            )
            _insert_message(connection, message)
        return message

    def messages(self, conversation_id: str) -> MessageList:
        """Return its messages in order, without superseded ones; none for a conversation that is not there."""
        chosen = sa.select(*_SHOWN).where(
            messages.c.conversation_id == conversation_id, messages.c.superseded.is_(False)
        )
        with self._database.read() as connection:
            return [message_of(row) for row in connection.execute(chosen.order_by(messages.c.position))]

    def message(self, message_id: str) -> ChatMessage | None:
        """Return one, also a superseded one."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_SHOWN).where(messages.c.id == message_id)).one_or_none()
        return message_of(row) if row is not None else None

    def supersede_from(self, conversation_id: str, position: int) -> None:
        """Mark the message at this position and all after it as edited or regenerated away."""
        later = (messages.c.conversation_id == conversation_id) & (messages.c.position >= position)
        with self._database.write() as connection:
            connection.execute(_head(conversation_id).with_for_update()).one_or_none()
            connection.execute(messages.update().where(later).values(superseded=True))

    # -- import -----------------------------------------------------------------------------------------------------
    def import_json(self, owner_id: str, data: Any) -> Conversation:
        """Keep a conversation from an export (ours, or the one of ``samovar chat``) as a new one of this owner.

        Raises:
            UsageError: it is no such export; the message says where.
        """
        from samovar.serve.exchange import read_export

        found = read_export(data)
        with self._database.write() as connection:
            made = self._insert(connection, owner_id, found.title, found.model, found.created_at)
            for position, m in enumerate(found.messages):
                at = m.at or made.updated_at
                _insert_message(
                    connection,
                    ChatMessage(new_id(), made.id, position, m.role, m.text, at, m.status, m.model, m.answer),
                )
        return made


# -- queries --------------------------------------------------------------------------------------------------------
def words_of(query: str) -> tuple[str, ...]:
    """Return the folded pieces a search looks for: its words, or the whole when it stands in quotes."""
    folded = fold(storable(query[:1000]))
    pairs = ('""', "«»", "“”", "„“")
    if len(folded) > 2 and folded[0] + folded[-1] in pairs:
        return (folded[1:-1].strip(),)
    return tuple(dict.fromkeys(folded.split()))[:QUERY_WORDS]


def _has(word: str) -> sa.ColumnElement[bool]:
    said = sa.exists().where(
        messages.c.conversation_id == conversations.c.id,
        messages.c.superseded.is_(False),
        messages.c.folded.contains(word, autoescape=True),
    )
    either: sa.ColumnElement[bool] = sa.or_(conversations.c.folded.contains(word, autoescape=True), said)
    return either


def _after(connection: Connection, before: str) -> sa.ColumnElement[bool]:
    """What comes in the list behind a conversation, or a time."""
    row = connection.execute(_head(before)).one_or_none()
    at = conversations.c.updated_at
    later: sa.ColumnElement[bool] = at < before
    if row is not None:
        later = (at < row.updated_at) | ((at == row.updated_at) & (conversations.c.id < row.id))
    return later


def _head(conversation_id: str) -> sa.Select[Any]:
    return sa.select(conversations).where(conversations.c.id == conversation_id)


def _next_position(connection: Connection, conversation_id: str) -> int:
    last = sa.select(sa.func.max(messages.c.position)).where(messages.c.conversation_id == conversation_id)
    found = connection.execute(last).scalar()
    return 0 if found is None else int(found) + 1


def _insert_message(connection: Connection, message: ChatMessage) -> None:
    row = {name: getattr(message, name) for name in ChatMessage.__dataclass_fields__}
    answer = json.dumps(message.answer, ensure_ascii=False) if message.answer else ""
    connection.execute(messages.insert().values(row | {"answer": answer, "folded": fold(message.text)}))


def _title(title: str) -> str:
    return " ".join(storable(title).split())[:TITLE_CHARS]


def _missing() -> NotFoundError:
    return NotFoundError("there is no such conversation, or it is not yours.")
