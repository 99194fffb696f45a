"""Users and invitations, for administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from samovar.errors import NotFoundError, UsageError
from samovar.serve.accounts import removal
from samovar.serve.accounts.shapes import (
    ChangeBody,
    Id,
    InvitationList,
    InviteBody,
    NewInvitationShape,
    Ok,
    UserBody,
    UserList,
    UserShape,
)
from samovar.serve.guard import Need
from samovar.serve.login import with_passwords
from samovar.serve.native.answers import failures
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState, state_of
from samovar.serve.store.records import User

router = APIRouter()
Admin = Annotated[Principal, Depends(Need("manage_users"))]
INVITE_PAGE = "/invite/"


@router.get("/users", response_model=UserList, responses=failures())
async def list_users(request: Request, caller: Admin) -> dict[str, Any]:
    """All accounts."""
    state = state_of(request)
    return {"users": await state.engine.work(state.store.accounts.list)}


@router.post("/users", response_model=UserShape, status_code=201, responses=failures(409))
async def create_user(request: Request, body: UserBody, caller: Admin) -> User:
    """Make an account. Inviting is better: then nobody but its owner knows the password."""
    state = state_of(request)
    accounts = state.store.accounts
    return await with_passwords(lambda: accounts.create(body.name, body.password, body.role))


@router.patch("/users/{user_id}", response_model=UserShape, responses=failures(404, 409))
async def change_user(request: Request, user_id: Id, body: ChangeBody, caller: Admin) -> User:
    """Change an account's role, disable or enable it, or set a new password; its sessions end."""
    state = state_of(request)
    if body.password is not None and user_id == caller.user_id:
        raise UsageError("expected another's account, found your own: change your password with /account/password.")
    await _existing(state, user_id)

    def change() -> User | None:
        accounts = state.store.accounts
        if body.disabled is not None:
            accounts.set_disabled(user_id, body.disabled)
        if body.role is not None:
            accounts.set_role(user_id, body.role)
        if body.password is not None:
            accounts.set_password(user_id, body.password)
        return accounts.get(user_id)

    changed = await with_passwords(change)
    if changed is None:
        raise NotFoundError("there is no such user.")
    return changed


@router.delete("/users/{user_id}", response_model=Ok, responses=failures(404, 409))
async def delete_user(request: Request, user_id: Id, caller: Admin) -> Ok:
    """Delete an account with conversations, keys, uploads and their documents. It cannot be undone."""
    state = state_of(request)
    await removal.remove_user(state, await _existing(state, user_id))
    return Ok()


@router.delete("/users/{user_id}/sessions", response_model=Ok, responses=failures(404))
async def end_user_sessions(request: Request, user_id: Id, caller: Admin) -> Ok:
    """End all logins of a user."""
    state = state_of(request)
    await _existing(state, user_id)
    await state.engine.work(lambda: state.store.sessions.end_all(user_id))
    return Ok()


async def _existing(state: ServerState, user_id: str) -> User:
    user = await state.engine.work(lambda: state.store.accounts.get(user_id))
    if user is None:
        raise NotFoundError("there is no such user.")
    return user


# -- invitations ----------------------------------------------------------------------------------------------------
@router.get("/invitations", response_model=InvitationList, responses=failures())
async def list_invitations(request: Request, caller: Admin) -> dict[str, Any]:
    """All invitations, also used and expired ones."""
    state = state_of(request)
    return {"invitations": await state.engine.work(state.store.invitations.list)}


@router.post("/invitations", response_model=NewInvitationShape, status_code=201, responses=failures())
async def invite(request: Request, body: InviteBody, caller: Admin) -> dict[str, Any]:
    """Invite somebody. The token, and the path of the page to send them, are in this answer and nowhere else."""
    state = state_of(request)
    invitations = state.store.invitations
    token, made = await state.engine.work(lambda: invitations.create(body.role, caller.user_id, body.days))
    names = ("id", "role", "invited_by", "created_at", "expires_at", "used_by")
    return {name: getattr(made, name) for name in names} | {"token": token, "path": INVITE_PAGE + token}


@router.delete("/invitations/{invitation_id}", response_model=Ok, responses=failures(404))
async def delete_invitation(request: Request, invitation_id: Id, caller: Admin) -> Ok:
    """Take an invitation back."""
    state = state_of(request)
    if await state.engine.work(lambda: state.store.invitations.get(invitation_id)) is None:
        raise NotFoundError("there is no such invitation.")
    await state.engine.work(lambda: state.store.invitations.delete(invitation_id))
    return Ok()
