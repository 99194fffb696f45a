"""One's own account: who am I, password, sessions, everything kept about me, and farewell."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from samovar.errors import ForbiddenError, UsageError
from samovar.serve import login
from samovar.serve.accounts import removal, shapes
from samovar.serve.accounts.shapes import (
    AccountShape,
    ExportShape,
    FarewellBody,
    Id,
    Ok,
    PasswordBody,
    SessionList,
    check_owner,
)
from samovar.serve.exchange import export_json
from samovar.serve.guard import Need
from samovar.serve.native.answers import failures
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState, state_of
from samovar.serve.store.moments import utc, written
from samovar.serve.store.records import User
from samovar.serve.store.store import Store

router = APIRouter()
Own = Annotated[Principal, Depends(Need("use_own_account"))]


@router.get("/account", response_model=AccountShape, responses=failures())
async def who_am_i(request: Request, caller: Own) -> dict[str, Any]:
    """Who the caller is."""
    state = state_of(request)
    user = await state.engine.work(lambda: state.store.accounts.get(caller.user_id))
    return shapes.account_as_json(caller, user, state.accounts)


@router.post("/account/password", response_model=Ok, responses=failures(404))
async def change_password(request: Request, body: PasswordBody, caller: Own) -> Ok:
    """Change one's own password; all other sessions end."""
    state = state_of(request)
    await _check_password(state, caller, body.old)
    accounts, kept = state.store.accounts, caller.credential_id
    await login.with_passwords(lambda: accounts.set_password(caller.user_id, body.new, keep_session=kept))
    return Ok()


async def _check_password(state: ServerState, caller: Principal, password: str) -> User:
    """Let only who knows the password do what cannot be undone. A user without one shows who they are by logging in."""
    user = await state.engine.work(lambda: state.store.accounts.get(caller.user_id))
    if user is None:
        raise UsageError("expected an account, found a server without logins: there is nothing to change.")
    if user.has_password:
        right = await login.with_passwords(lambda: state.store.accounts.check_password(user.name, password))
        if right is None:
            raise ForbiddenError("expected the present password, found another. Try again.")
    return user


@router.get("/account/export", response_model=ExportShape, responses=failures())
async def export_account(request: Request, caller: Own) -> dict[str, Any]:
    """Everything kept about the caller: conversations, opinions, uploads, keys and sessions (without secrets)."""
    state = state_of(request)
    return await state.engine.work(lambda: _everything(state.store, caller))


def _everything(store: Store, caller: Principal) -> dict[str, Any]:
    conversations = store.conversations.all_of(caller.user_id)
    return {
        "user": shapes.account_as_json(caller, store.accounts.get(caller.user_id), True)["user"],
        "exported_at": written(utc()),
        "conversations": [export_json(c, store.conversations.messages(c.id)) for c in conversations],
        "feedback": [asdict(given) for given in store.feedback.of_owner(caller.user_id)],
        "uploads": [shapes.upload_as_json(upload) for upload in store.uploads.list(caller.user_id)],
        "keys": [shapes.key_as_json(key) for key in store.keys.list(caller.user_id)],
        "sessions": [shapes.session_as_json(s, caller) for s in store.sessions.list(caller.user_id)],
    }


@router.post("/account/delete", response_model=Ok, responses=failures(404, 409))
async def delete_account(request: Request, response: Response, body: FarewellBody, caller: Own) -> Ok:
    """Delete one's own account with conversations, keys, uploads and their documents. It cannot be undone."""
    state = state_of(request)
    user = await _check_password(state, caller, body.password)
    await removal.remove_user(state, user)
    login.clear_session_cookie(response, request)
    return Ok()


# -- sessions -------------------------------------------------------------------------------------------------------
@router.get("/sessions", response_model=SessionList, responses=failures())
async def list_sessions(request: Request, caller: Own) -> dict[str, Any]:
    """The caller's logins."""
    state = state_of(request)
    found = await state.engine.work(lambda: state.store.sessions.list(caller.user_id))
    return {"sessions": [shapes.session_as_json(session, caller) for session in found]}


@router.delete("/sessions", response_model=Ok, responses=failures())
async def end_sessions(request: Request, caller: Own) -> Ok:
    """End all the caller's logins but the one that asks."""
    state = state_of(request)
    await state.engine.work(lambda: state.store.sessions.end_all(caller.user_id, caller.credential_id))
    return Ok()


@router.delete("/sessions/{session_id}", response_model=Ok, responses=failures(404))
async def end_session(request: Request, session_id: Id, caller: Own) -> Ok:
    """End one of the caller's logins; its open pages are closed at once."""
    state = state_of(request)
    found = await state.engine.work(lambda: state.store.sessions.get(session_id))
    check_owner(caller, "use_own_account", found.user_id if found else None)
    await state.engine.work(lambda: state.store.sessions.end(session_id))
    return Ok()
