"""The native API, ``/api/samovar``: everything the assistant can do, in the shapes of DESIGN.md, described by its OpenAPI document."""

from __future__ import annotations

from fastapi import APIRouter

from samovar.serve.native import additions, conversations, documents, library, search, server, talk

__all__ = ["router"]

router = APIRouter(prefix="/api/samovar")
for _part, _tag in (
    (search, "search"), (documents, "library"), (additions, "library"), (library, "library"),
    (talk, "conversations"), (conversations, "conversations"), (server, "server"),
):  # fmt: skip
    router.include_router(_part.router, tags=[_tag])
