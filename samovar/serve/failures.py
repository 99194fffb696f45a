"""From an exception to an HTTP answer, in the dialect of the path: status, words, headers.

What a person may read is the message of a `SamovarError`; anything else is a bug, logged with an id and answered without detail.
Sources: OpenAI's error object; GigaChat's ``{"status","message"}``; RFC 9110 for the status codes.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from samovar.errors import (
    ConflictError,
    DatabaseError,
    ExtractionError,
    ForbiddenError,
    IssuerError,
    LibraryBusyError,
    MissingExtraError,
    ModelError,
    ModelNotFoundError,
    ModelRequestError,
    NotAuthenticatedError,
    NotFoundError,
    OverloadedError,
    PromptTooLongError,
    RateLimitedError,
    SamovarError,
    TooLargeError,
    UsageError,
)

log = logging.getLogger("samovar.serve")

STATUS: Sequence[tuple[type[SamovarError], int]] = (
    (NotAuthenticatedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (RateLimitedError, 429),
    (OverloadedError, 503),
    (LibraryBusyError, 503),
    (DatabaseError, 503),
    (ModelNotFoundError, 404),
    (PromptTooLongError, 400),
    (ModelRequestError, 400),
    (ModelError, 502),
    (IssuerError, 502),
    (MissingExtraError, 501),
    (ExtractionError, 422),
    (TooLargeError, 413),
    (UsageError, 400),
)
"""The first class that fits decides; any other `SamovarError` is 500."""

TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 409: "conflict_error", 413: "request_too_large", 422: "invalid_request_error", 429: "rate_limit_error"}  # fmt: skip
CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded", 503: "overloaded"}


def status_of(error: BaseException) -> int:
    """Return the HTTP status for an error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def message_of(error: BaseException) -> str:
    """Return what may be told: the message of an error raised on purpose, else an id to look for in the log."""
    if isinstance(error, SamovarError):
        return str(error)
    number = secrets.token_hex(4)
    log.error("internal error %s", number, exc_info=error)
    return f"internal error {number}: the server's log has the details"


def headers_of(error: BaseException) -> dict[str, str]:
    """Return the headers that belong to an error: ``Retry-After``, ``WWW-Authenticate``."""
    if isinstance(error, OverloadedError):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_seconds)))}
    if isinstance(error, (LibraryBusyError, DatabaseError)):
        return {"Retry-After": "2"}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, NotAuthenticatedError) else {}


def dialect_of(path: str) -> str:
    """Return ``openai``, ``gigachat`` or ``native``."""
    if path == "/v1" or path.startswith("/v1/"):
        return "openai"
    if path.startswith(("/api/v1", "/api/v2")):
        return "gigachat"
    return "native"


def error_body(dialect: str, status: int, message: str, *, param: str | None = None, code: str | None = None) -> Any:
    """Return the body of an error in a dialect."""
    if dialect == "gigachat":
        return {"status": status, "message": message}
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code or CODES.get(status)}}


def error_response(request: Request, error: BaseException) -> JSONResponse:
    """Return the answer to an error, and count it."""
    state = getattr(request.app.state, "samovar", None)
    if state is not None:
        state.metrics.count_error(error)
    status = status_of(error)
    return JSONResponse(error_body(dialect_of(request.url.path), status, message_of(error)), status, headers_of(error))


def install(app: Any) -> None:
    """Make every failure of the app an honest answer in its dialect."""

    async def on_error(request: Request, error: Exception) -> JSONResponse:
        return error_response(request, error)

    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        body = error_body(dialect_of(request.url.path), error.status_code, str(error.detail))
        return JSONResponse(body, error.status_code, dict(error.headers or {}))

    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0] if error.errors() else {"loc": (), "msg": "invalid"}
        place = ".".join(str(p) for p in first["loc"] if p != "body")
        message = f"expected a valid request, found at {place or 'the body'}: {first['msg']}"
        dialect = dialect_of(request.url.path)
        status = 422 if dialect == "native" else 400
        return JSONResponse(error_body(dialect, status, message, param=place or None), status)

    app.add_exception_handler(SamovarError, on_error)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_error)
