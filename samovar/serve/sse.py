"""Answers that come in pieces: the first event before the headers, a comment in silence, an end when the reader leaves; and plain answers
that are given up then, too. All dialects stream with this.

Source: HTML Living Standard, "Server-sent events"; the official clients skip comments. Knows nothing about what is in the events.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PING_SECONDS = 10.0  # proxies cut silent connections after 30 or 60
PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"

T = TypeVar("T")
OnError = Callable[[Exception], bytes]


class ReaderLeft(HTTPException):
    """The client left before there was an answer: nobody reads what this becomes (499 is nginx's number for it)."""

    def __init__(self) -> None:
        super().__init__(499, "the client left")


def event_bytes(data: Mapping[str, Any], name: str = "") -> bytes:
    """Return one event."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode("utf-8", "replace")


async def begin(request: Request, events: AsyncGenerator[bytes], on_error: OnError) -> EventStream:
    """Wait for the first event, so that a failure before it is an HTTP status of its own; return the stream. Raises `ReaderLeft`.

    `on_error` makes the last event of a stream that fails after it has begun. Nobody waits longer than `PING_SECONDS` for the headers: a request that is still in line then goes on as a stream with comments.
    """
    coming = asyncio.ensure_future(_next_of(events))
    leaving = asyncio.ensure_future(_wait_for_leaving(request.receive))
    stream = EventStream(events, coming, on_error)
    try:
        await asyncio.wait({coming, leaving}, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            coming.result()  # raises what it failed with
        elif leaving.done():
            raise ReaderLeft
        return stream
    except BaseException:
        await stream.close()
        raise
    finally:
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


class EventStream(Response):
    """A stream of events; what makes them is ended for certain when the reader leaves."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes], coming: asyncio.Future[bytes | None], on_error: OnError) -> None:
        self._events = events
        self._coming: asyncio.Future[bytes | None] | None = coming
        self._on_error = on_error
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.body = b""
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all."""
        leaving = asyncio.ensure_future(_wait_for_leaving(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while (data := await self._next(leaving)) is not None:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            if not leaving.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            pass  # the client left in the middle of a write
        finally:
            leaving.cancel()
            await self.close()

    async def _next(self, leaving: asyncio.Future[None]) -> bytes | None:
        """The next event, a comment when there is none for a while, None at the end."""
        if self._coming is None:
            self._coming = asyncio.ensure_future(_next_of(self._events))
        waited: set[asyncio.Future[Any]] = {self._coming, leaving}
        await asyncio.wait(waited, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            return None
        if not self._coming.done():
            return PING
        coming, self._coming = self._coming, None
        try:
            return coming.result()
        except Exception as error:  # the status has been sent: say it in the stream
            return self._on_error(error)

    async def close(self) -> None:
        """End what makes the events."""
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        with suppress(RuntimeError):
            await self._events.aclose()


async def _next_of(events: AsyncGenerator[bytes]) -> bytes | None:
    """Return the next event, None at the end."""
    return await anext(events, None)


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns, or cancel it and raise `ReaderLeft` when the client leaves meanwhile."""
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_wait_for_leaving(request.receive))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ReaderLeft
        return task.result()
    finally:
        task.cancel()
        leaving.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


async def _wait_for_leaving(receive: Receive) -> None:
    """Return when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
