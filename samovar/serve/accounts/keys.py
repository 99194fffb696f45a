"""One's own API keys."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from samovar.serve.accounts import shapes
from samovar.serve.accounts.shapes import Id, KeyBody, KeyList, NewKeyShape, Ok, check_owner
from samovar.serve.guard import Need
from samovar.serve.native.answers import failures
from samovar.serve.principal import Principal
from samovar.serve.state import state_of

router = APIRouter(prefix="/keys")
Own = Annotated[Principal, Depends(Need("use_own_keys"))]


@router.get("", response_model=KeyList, responses=failures())
async def list_keys(request: Request, caller: Own) -> dict[str, Any]:
    """The caller's keys, also revoked and expired ones."""
    state = state_of(request)
    found = await state.engine.work(lambda: state.store.keys.list(caller.user_id))
    return {"keys": [shapes.key_as_json(key) for key in found]}


@router.post("", response_model=NewKeyShape, status_code=201, responses=failures(404))
async def create_key(request: Request, body: KeyBody, caller: Own) -> dict[str, Any]:
    """Make a key. Its text is in this answer and nowhere else. What it may do never exceeds its owner's role."""
    state = state_of(request)
    keys = state.store.keys
    text, key = await state.engine.work(lambda: keys.create(caller.user_id, body.name, body.scopes, body.expires_at))
    return shapes.key_as_json(key) | {"key": text}


@router.delete("/{key_id}", response_model=Ok, responses=failures(404))
async def revoke_key(request: Request, key_id: Id, caller: Own) -> Ok:
    """Make one of the caller's keys stop working."""
    state = state_of(request)
    found = await state.engine.work(lambda: state.store.keys.get(key_id))
    check_owner(caller, "use_own_keys", found.owner_id if found else None)
    await state.engine.work(lambda: state.store.keys.revoke(key_id))
    return Ok()
