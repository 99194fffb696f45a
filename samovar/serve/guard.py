"""The dependency every route carries: who is it, and may they? `Need` names the action, so that a test can list what each route demands.

@router.get("/things/{id}")
async def thing(id: str, caller: Annotated[Principal, Depends(Need("search"))]) -> …:
"""

from __future__ import annotations

from starlette.requests import HTTPConnection

from samovar.serve.access import Action, authorise
from samovar.serve.principal import LOCAL, Principal


class Need:
    """A FastAPI dependency: returns the caller, after `authorise` for this action (objects' owners are checked where the object is known)."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, connection: HTTPConnection) -> Principal:
        from samovar.serve.login import principal_of
        from samovar.serve.protect.asgi import notes_of

        principal = await principal_of(connection)
        if principal is not None:
            notes_of(connection.scope).user_id = principal.user_id
        authorise(principal, self.action)
        return principal if principal is not None else NOBODY


NOBODY = Principal("", "", "reader", frozenset(), "open")
"""Stands for the caller of a public route; may nothing (every rule needs a known user: it is never in the store)."""

__all__ = ["LOCAL", "NOBODY", "Need"]
