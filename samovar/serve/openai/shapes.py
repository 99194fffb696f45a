"""What routes of this dialect answer with besides their results, for the API's description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class ErrorObject(BaseModel):
    """What went wrong, and whose fault it is."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """An error."""

    error: ErrorObject


FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": words}
    for status, words in {
        400: "The request is malformed, or asks for what is not offered",
        401: "The key is missing or wrong",
        403: "The key may not do this",
        404: "There is no such model or object",
        408: "The request did not arrive in time",
        413: "The request is too large",
        422: "Not used in this dialect: a malformed request is 400",
        429: "Too many requests at once; see Retry-After",
        500: "A mistake in the server; the message has an id to look for in its log",
        501: "An optional part is not installed",
        502: "The model failed",
        503: "No room now, or the server is stopping; see Retry-After",
        504: "The answer took too long",
    }.items()
}

EITHER: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {}, "text/event-stream": {}}}}
"""What a route answers that can stream: one object, or events."""
