"""The part of the native API about people, put together; see `samovar.serve.accounts`."""

from __future__ import annotations

from fastapi import APIRouter

from samovar.serve.accounts import entry, keys, oidc, own, people

__all__ = ["router"]

router = APIRouter(prefix="/api/samovar", tags=["accounts"])
for _part in (entry, own, keys, people, oidc):
    router.include_router(_part.router)
