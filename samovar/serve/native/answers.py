"""Which failures a route may answer with: the ``responses`` of its OpenAPI entry."""

from __future__ import annotations

from typing import Any

from samovar.serve.failures import error_body, message_of, status_of
from samovar.serve.native.shapes import Failure
from samovar.serve.sse import event_bytes

WORDS = {
    400: "The request cannot be understood",
    401: "Nobody is logged in, or the key is wrong",
    403: "The role or the key's scope does not allow it",
    404: "There is no such object, or it is not yours",
    409: "It clashes with the present state",
    413: "The body is larger than the server takes",
    415: "Another content type was expected",
    422: "A value is missing or outside its bounds",
    429: "Too many requests; see Retry-After",
    500: "A mistake in the server",
    501: "An optional part is not installed",
    502: "The model failed",
    503: "No room at the moment; see Retry-After",
}
USUAL = (400, 401, 403, 413, 422, 429, 500, 503)


def failures(*more: int, public: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the declarations of the usual failures and of some more; a `public` route asks nobody who they are."""
    usual = set(USUAL) - ({401, 403} if public else set())
    statuses = sorted(usual | set(more))
    return {status: {"model": Failure, "description": WORDS[status]} for status in statuses}


def event_stream(*names: str) -> dict[str, Any]:
    """Return the declaration of an answer that may be server-sent events of these names, or one named ``error`` after some; their data is JSON."""
    event = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"enum": [*names, "error"]},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
    }
    return {"text/event-stream": {"schema": event}}


def error_event(error: Exception) -> bytes:
    """Return the event that ends a stream which failed after it had begun."""
    return event_bytes(error_body("native", status_of(error), message_of(error)), "error")
