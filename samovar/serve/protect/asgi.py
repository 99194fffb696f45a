"""Small pieces that the middlewares share: reading a header, refusing a request in the dialect of its path, notes about a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from samovar.serve.failures import dialect_of, error_body

POLICY_VIOLATION = 1008  # WebSocket close code, RFC 6455 section 7.4.1
API = ("/api/", "/v1/", "/mcp")
"""Beginnings of the paths that answer programs; everything else is a page or what a page needs."""


@dataclass(slots=True)
class Notes:
    """What is found out about a request on its way in. `user_id` is set by whoever recognises the caller."""

    request_id: str = ""
    address: str = ""
    user_id: str = ""


def notes_of(scope: Scope) -> Notes:
    """Return the notes of this request, made when there are none."""
    notes = scope.get("samovar.notes")
    if notes is None:
        notes = scope["samovar.notes"] = Notes()
    return notes


def header_of(scope: Scope, name: str) -> str:
    """Return a header's value, "" when it is absent; the first one of several."""
    wanted = name.lower().encode("latin-1")
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == wanted), "")


def headers_of(scope: Scope, name: str) -> list[str]:
    """Return all values of a header."""
    wanted = name.lower().encode("latin-1")
    return [value.decode("latin-1") for key, value in scope["headers"] if key == wanted]


def is_api(path: str) -> bool:
    """Whether a path answers programs, not people."""
    return path.startswith(API) or path in ("/v1", "/api")


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, message: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer a request with an error in its dialect; close a socket before it opens (the client sees 403)."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": message[:120]})
        return
    body = error_body(dialect_of(scope["path"]), status, message)
    await JSONResponse(body, status, dict(headers or {}))(scope, receive, send)
