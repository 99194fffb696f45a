"""What the service has and we have not (assistants, threads, batches, checks, balance): a clean 501; another method than
a route takes: 405; anything else in the dialect's paths: 404."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from samovar.serve.gigachat import access, catalogue, chat_v1, chat_v2, files
from samovar.serve.gigachat.route import make_router
from samovar.serve.guard import Need
from samovar.serve.principal import Principal

router = make_router()

ABSENT = frozenset({"ai", "assistants", "balance", "batches", "filter", "functions", "threads"})
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@router.api_route("/api/v1/{rest:path}", methods=METHODS, include_in_schema=False)
@router.api_route("/api/v2/{rest:path}", methods=METHODS, include_in_schema=False)
async def missing(request: Request, rest: str, caller: Annotated[Principal, Depends(Need("ask"))]) -> Response:
    """Say that this is not here, or that it takes other methods."""
    path, head = request.url.path, rest.partition("/")[0]
    if methods := methods_at(path):
        raise HTTPException(
            405, f"expected {' or '.join(methods)}, found {request.method}.", {"Allow": ", ".join(methods)}
        )
    if head in ABSENT:
        raise HTTPException(501, f"Samovar does not offer {head} in this dialect.")
    raise HTTPException(404, f"there is nothing at {request.method} {path[:200]}")


def methods_at(path: str) -> list[str]:
    """Return the methods that the dialect's other routes take there, none where there is nothing."""
    parts = (access.router, catalogue.router, chat_v1.router, chat_v2.router, files.router)
    routes = (route for part in parts for route in part.routes if isinstance(route, APIRoute))
    return sorted({method for route in routes if route.path_regex.match(path) for method in route.methods or ()})
