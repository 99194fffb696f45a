"""From table rows to records. Knows no query."""

from __future__ import annotations

import json
from typing import Any

from samovar.serve.store.records import ApiKey, ChatMessage, Conversation, Feedback, Invitation, Session, Upload, User


def user_of(row: Any) -> User:
    """Return the user of a row of `users`."""
    return User(row.id, row.name, row.role, row.created_at, bool(row.disabled), bool(row.password))


def session_of(row: Any) -> Session:
    """Return the session of a row of `sessions`."""
    return Session(row.id, row.user_id, row.created_at, row.last_used_at, row.expires_at, row.agent, row.address)


def key_of(row: Any) -> ApiKey:
    """Return the key of a row of `keys`."""
    return ApiKey(
        row.id,
        row.owner_id,
        row.name,
        row.hint,
        frozenset(row.scopes.split()),
        row.created_at,
        row.expires_at,
        row.last_used_at,
        bool(row.revoked),
    )


def invitation_of(row: Any) -> Invitation:
    """Return the invitation of a row of `invitations`."""
    return Invitation(row.id, row.role, row.invited_by, row.created_at, row.expires_at, row.used_by)


def conversation_of(row: Any) -> Conversation:
    """Return the head of a conversation of a row of `conversations`."""
    return Conversation(row.id, row.owner_id, row.title, row.created_at, row.updated_at, row.model)


def message_of(row: Any) -> ChatMessage:
    """Return the message of a row of `messages`."""
    return ChatMessage(
        row.id,
        row.conversation_id,
        row.position,
        row.role,
        row.text,
        row.created_at,
        row.status,
        row.model,
        json.loads(row.answer) if row.answer else {},
        bool(row.superseded),
    )


def feedback_of(row: Any) -> Feedback:
    """Return the feedback of a row of `feedback`."""
    return Feedback(row.message_id, row.owner_id, row.value, row.comment, row.at)


def upload_of(row: Any) -> Upload:
    """Return the upload of a row of `uploads`."""
    return Upload(
        row.id,
        row.owner_id,
        row.name,
        row.mime,
        row.size_bytes,
        row.purpose,
        row.created_at,
        row.path,
        row.source,
        tuple(json.loads(row.document_ids)) if row.document_ids else (),
        row.status,
        row.reason,
    )
