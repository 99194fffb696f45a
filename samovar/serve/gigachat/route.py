"""What all routes of the dialect share: the headers that answers carry back, the shape of errors in the API's description.

The service echoes ``x-request-id`` (here: `samovar.serve.protect`, on every answer) and ``x-session-id``; clients keep them in their logs.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from samovar.errors import SamovarError
from samovar.serve.failures import error_response

SESSION = "x-session-id"
_PLAIN = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Failure(BaseModel):
    """An error in this dialect."""

    status: int
    message: str


class EchoRoute(APIRoute):
    """A route whose answers, errors too, carry back the caller's session id, or a new one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()

        async def echo(request: Request) -> Response:
            try:
                response = await handle(request)
            except SamovarError as error:
                response = error_response(request, error)
            except (HTTPException, RequestValidationError) as error:
                handlers = request.app.exception_handlers
                kind = next(kind for kind in type(error).__mro__ if kind in handlers)
                response = await handlers[kind](request, error)
            given = request.headers.get(SESSION, "")
            response.headers[SESSION] = given if _PLAIN.fullmatch(given) else str(uuid.uuid4())
            return response

        return echo


FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure} for status in (400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504)
}


EITHER: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {}, "text/event-stream": {}}}}
"""What a chat route answers: one object, or a stream."""


def make_router() -> APIRouter:
    """Return a router of this dialect."""
    return APIRouter(route_class=EchoRoute, responses=FAILURES, tags=["gigachat"])
