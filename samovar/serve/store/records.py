"""The records that leave the store. Times are ISO 8601 UTC; ids are random; `owner_id` is a user's id (or `LOCAL_USER`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from samovar.serve.principal import Role, Scope

MessageStatus = Literal["complete", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class User:
    """An account. `name` is what one logs in with (case-insensitive); `disabled` ends all its sessions and keys."""

    id: str
    name: str
    role: Role
    created_at: str
    disabled: bool = False
    has_password: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """A login on the web. The token itself is only in the cookie; the store has its hash."""

    id: str
    user_id: str
    created_at: str
    last_used_at: str
    expires_at: str
    agent: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key. The key's text is shown once, when it is made; the store has its hash and `hint`, its last four characters."""

    id: str
    owner_id: str
    name: str
    hint: str
    scopes: frozenset[Scope]
    created_at: str
    expires_at: str = ""
    last_used_at: str = ""
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation to make an account. Its token is shown once."""

    id: str
    role: Role
    invited_by: str
    created_at: str
    expires_at: str
    used_by: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The head of a conversation."""

    id: str
    owner_id: str
    title: str
    created_at: str
    updated_at: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message. `answer` is the JSON shape of `answer_as_json` without hits (hits' heads under ``found``), for an assistant's message.

    `position` orders messages; a message that was edited or regenerated away keeps its row, marked `superseded`, and is not listed.
    """

    id: str
    conversation_id: str
    position: int
    role: Literal["user", "assistant"]
    text: str
    created_at: str
    status: MessageStatus = "complete"
    model: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a reader thought of an answer: +1 or -1, and why."""

    message_id: str
    owner_id: str
    value: int
    comment: str
    at: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file somebody gave us; its documents are in the collection `source`. The bytes lie in home/serve/uploads under a name of ours."""

    id: str
    owner_id: str
    name: str
    mime: str
    size_bytes: int
    purpose: str
    created_at: str
    path: str
    source: str
    document_ids: tuple[str, ...] = ()
    status: Literal["processing", "ready", "refused"] = "processing"
    reason: str = ""
