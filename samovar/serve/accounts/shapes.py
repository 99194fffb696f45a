"""What the routes about people take and send. Unknown keys are refused; every string is bounded."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from samovar.errors import NotFoundError
from samovar.serve.access import Action, authorise
from samovar.serve.principal import SCOPES, Principal, Role, Scope, Way
from samovar.serve.store.records import ApiKey, Session, Upload, User

_PLAIN = r"^[^\x00]*$"
Id = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z_-]+$", description="Id of the object")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PLAIN)]
Password = Annotated[str, StringConstraints(max_length=1024)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[0-9A-Za-z_-]+$")]
Expiry = Annotated[str, StringConstraints(max_length=40, pattern=r"^[0-9TZ:.+-]*$")]


class Shape(BaseModel):
    """Base of what is sent."""

    model_config = ConfigDict(from_attributes=True)


class Body(BaseModel):
    """Base of what is taken."""

    model_config = ConfigDict(extra="forbid")


# -- sent -----------------------------------------------------------------------------------------------------------
class Ok(Shape):
    """It is done."""

    done: bool = True


class UserShape(Shape):
    """An account."""

    id: str
    name: str
    role: Role
    created_at: str
    disabled: bool
    has_password: bool


class AccountShape(Shape):
    """Who the caller is. `login_needed` is false on a server without accounts, where everybody is the local admin."""

    user: UserShape
    way: Way
    scopes: list[Scope]
    login_needed: bool


class LoginShape(Shape):
    """Answer to a login; the session is in the cookie."""

    user: UserShape


class SessionShape(Shape):
    """A login; `current` is the one that asks."""

    id: str
    created_at: str
    last_used_at: str
    expires_at: str
    agent: str
    address: str
    current: bool


class SessionList(Shape):
    """The caller's logins, the last used first."""

    sessions: list[SessionShape]


class KeyShape(Shape):
    """An API key; `hint` are its last four characters."""

    id: str
    name: str
    hint: str
    scopes: list[Scope]
    created_at: str
    expires_at: str
    last_used_at: str
    revoked: bool


class NewKeyShape(KeyShape):
    """A key that was just made: its text is shown this once."""

    key: str


class KeyList(Shape):
    """The caller's keys, the newest first."""

    keys: list[KeyShape]


class UserList(Shape):
    """All accounts, by name."""

    users: list[UserShape]


class InvitationShape(Shape):
    """An invitation; `used_by` is the id of the user who came with it."""

    id: str
    role: Role
    invited_by: str
    created_at: str
    expires_at: str
    used_by: str


class NewInvitationShape(InvitationShape):
    """An invitation that was just made: its token, and the path of its page, are shown this once."""

    token: str
    path: str


class InvitationList(Shape):
    """All invitations, the newest first."""

    invitations: list[InvitationShape]


class OfferShape(Shape):
    """What somebody is invited to."""

    role: Role
    expires_at: str


class ExportShape(Shape):
    """Everything kept about the caller, but the bytes of uploads and what makes credentials work."""

    user: UserShape
    exported_at: str
    conversations: list[dict[str, Any]]
    feedback: list[dict[str, Any]]
    uploads: list[dict[str, Any]]
    keys: list[KeyShape]
    sessions: list[SessionShape]


# -- taken ----------------------------------------------------------------------------------------------------------
class LoginBody(Body):
    """A login."""

    name: Name
    password: Password


class PasswordBody(Body):
    """A change of one's own password."""

    old: Password
    new: Password


class FarewellBody(Body):
    """Deleting one's own account; an account without a password sends "" ."""

    password: Password = ""


class KeyBody(Body):
    """A new key."""

    name: Name
    scopes: list[Scope] = Field(["ask", "search"], max_length=len(SCOPES))
    expires_at: Expiry = Field("", description="A date (counts to its end) or moment, ISO 8601; empty: never")


class UserBody(Body):
    """A new account; without a password it is for who comes by OpenID Connect."""

    name: Name
    password: Password | None = None
    role: Role = "reader"


class ChangeBody(Body):
    """What is to change of an account."""

    role: Role | None = None
    disabled: bool | None = None
    password: Password | None = None


class InviteBody(Body):
    """A new invitation."""

    role: Role = "reader"
    days: float = Field(7, gt=0, le=365)


class TokenBody(Body):
    """An invitation's token (in the body: addresses end up in logs)."""

    token: Token


class AcceptBody(TokenBody):
    """The account somebody makes with an invitation."""

    name: Name
    password: Password


# -- made -----------------------------------------------------------------------------------------------------------
def account_as_json(caller: Principal, user: User | None, login_needed: bool) -> dict[str, Any]:
    """Return who the caller is; the local admin of a server without accounts has no record."""
    known = user or User(caller.user_id, caller.name, caller.role, "", has_password=False)
    scopes = [scope for scope in SCOPES if scope in caller.scopes]
    return {"user": known, "way": caller.way, "scopes": scopes, "login_needed": login_needed}


def session_as_json(session: Session, caller: Principal) -> dict[str, Any]:
    """Return a login as its user sees it."""
    names = ("id", "created_at", "last_used_at", "expires_at", "agent", "address")
    current = caller.way == "session" and caller.credential_id == session.id
    return {name: getattr(session, name) for name in names} | {"current": current}


def key_as_json(key: ApiKey) -> dict[str, Any]:
    """Return a key as its owner sees it."""
    names = ("id", "name", "hint", "created_at", "expires_at", "last_used_at", "revoked")
    return {name: getattr(key, name) for name in names} | {"scopes": [s for s in SCOPES if s in key.scopes]}


def upload_as_json(upload: Upload) -> dict[str, Any]:
    """Return an upload without where its bytes lie."""
    names = ("id", "name", "mime", "size_bytes", "purpose", "created_at", "source", "status", "reason")
    return {name: getattr(upload, name) for name in names} | {"document_ids": list(upload.document_ids)}


def check_owner(caller: Principal, action: Action, owner: str | None) -> None:
    """Refuse what is not the caller's in the same words as what is not there (`owner` None)."""
    authorise(caller, action, owner)
    if owner is None:
        raise NotFoundError("there is no such object, or it is not yours.")
