"""How much a request may send, and what: a small body is read whole, and looked at, before the route sees it; an upload is counted as it comes.

A body that does not arrive is not waited for. Sources: RFC 9110 sections 15.5.14 (413), 15.5.9 (408); OWASP, Denial of Service.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samovar.serve.protect.asgi import header_of, headers_of, refuse
from samovar.serve.protect.json_shape import json_problem

UPLOADS = re.compile(r"/api/v1/files|/api/samovar/documents|/_nicegui/client/.*")
"""Paths that take files, as ``multipart/form-data`` (the third NiceGUI makes for its upload fields)."""

FORM_BYTES = 64 * 1024  # what a form adds around the file
BODY_SECONDS = 30.0  # for a whole small body, and for each next part of an upload
MOST_HELD_BYTES = 256 * 2**20
"""Of small bodies in memory at once, from everybody: they are read before anybody knows whose they are."""

CLOSE = {"Connection": "close"}  # the rest of the body is not read


class Bodies:
    """Refuses bodies that are too large (413), too slow (408) or malformed (400)."""

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        max_upload_bytes: int,
        body_seconds: float = BODY_SECONDS,
        most_held_bytes: int = MOST_HELD_BYTES,
    ) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.max_upload_bytes = max_upload_bytes + FORM_BYTES
        self.body_seconds = body_seconds
        self.most_held_bytes = max(most_held_bytes, max_body_bytes)
        self.held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        upload = is_upload(scope)
        limit = self.max_upload_bytes if upload else self.max_body_bytes
        lengths = headers_of(scope, "content-length")
        if lengths and (len(set(lengths)) > 1 or not lengths[0].isascii() or not lengths[0].isdigit()):
            await refuse(scope, receive, send, 400, "expected one Content-Length in digits", CLOSE)
            return
        if lengths and (len(lengths[0]) > 18 or int(lengths[0]) > limit):
            await refuse(scope, receive, send, 413, too_large(limit), CLOSE)
            return
        if upload:
            await self.app(scope, _Counted(receive, limit, self.body_seconds), send)
            return
        held = _Held(self)
        try:
            await self._small(scope, receive, send, limit, held)
        finally:
            self.held_bytes -= held.num_bytes

    async def _small(self, scope: Scope, receive: Receive, send: Send, limit: int, held: _Held) -> None:
        try:
            async with asyncio.timeout(self.body_seconds):
                body = await read_body(receive, limit, held)
        except TimeoutError:
            await refuse(scope, receive, send, 408, "the body did not arrive in time", CLOSE)
            return
        except HTTPException as error:
            await refuse(scope, receive, send, error.status_code, error.detail, CLOSE | dict(error.headers or {}))
            return
        if body is None:  # the client has gone
            return
        if body and is_json(scope) and (problem := json_problem(body)):
            await refuse(scope, receive, send, 400, problem)
            return
        await self.app(scope, _Replay(body, receive), send)


@dataclass(slots=True)
class _Held:
    """What one request holds of the memory for small bodies, from its first byte to its answer's last."""

    bodies: Bodies
    num_bytes: int = 0

    def __call__(self, num_bytes: int) -> None:
        """Take some more. Raises `HTTPException` 503 when there is no more."""
        if self.bodies.held_bytes + num_bytes > self.bodies.most_held_bytes:
            raise HTTPException(503, "too many bodies are being read: ask again soon", {"Retry-After": "2"})
        self.bodies.held_bytes += num_bytes
        self.num_bytes += num_bytes


@dataclass(slots=True)
class _Replay:
    """Gives a body that was read already, then what comes after it (the disconnect)."""

    body: bytes
    receive: Receive
    given: bool = False

    async def __call__(self) -> Message:
        if self.given:
            return await self.receive()
        self.given = True
        body, self.body = self.body, b""
        return {"type": "http.request", "body": body, "more_body": False}


@dataclass(slots=True)
class _Counted:
    """Gives a body as it comes; the route gets 413 or 408 in the middle of it."""

    receive: Receive
    limit: int
    seconds: float
    num_bytes: int = 0
    whole: bool = False

    async def __call__(self) -> Message:
        if self.whole:
            return await self.receive()
        try:
            message = await asyncio.wait_for(self.receive(), self.seconds)
        except TimeoutError:
            raise HTTPException(408, "the body did not arrive in time", CLOSE) from None
        self.num_bytes += len(message.get("body", b""))
        self.whole = not message.get("more_body", False)
        if self.num_bytes > self.limit:
            raise HTTPException(413, too_large(self.limit - FORM_BYTES), CLOSE)
        return message


async def read_body(receive: Receive, limit: int, hold: Callable[[int], None]) -> bytes | None:
    """Return the whole body, None when the client went away meanwhile; `hold` is told of each part. Raises `HTTPException` 413, and what `hold` does."""
    parts: list[bytes] = []
    num_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        num_bytes += len(parts[-1])
        if num_bytes > limit:
            raise HTTPException(413, too_large(limit))
        hold(len(parts[-1]))
        if not message.get("more_body", False):
            return b"".join(parts)


def is_upload(scope: Scope) -> bool:
    """Whether a request may be as large as an upload."""
    multipart = header_of(scope, "content-type").lower().startswith("multipart/form-data")
    return multipart and UPLOADS.fullmatch(scope["path"].rstrip("/")) is not None


def is_json(scope: Scope) -> bool:
    """Whether the body may be parsed as JSON by a route; said to be, or not said to be anything else."""
    kind = header_of(scope, "content-type").lower().partition(";")[0].strip()
    return not kind or "json" in kind or kind == "text/plain"


def too_large(limit: int) -> str:
    """The words of a 413."""
    return f"expected a body of at most {limit} bytes. The limits are serve.max_body_bytes and serve.max_upload_bytes"
