"""Answers that come in pieces: server-sent events, kept alive, ended when the reader leaves; and plain answers given up then, too.

Source: HTML Living Standard, "Server-sent events". Knows nothing about what is in the events.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from samovar.serve.failures import error_body, message_of, status_of

T = TypeVar("T")
PING_SECONDS = 10.0  # proxies cut silent connections after 30 or 60
PING = b": ping\n\n"


class ReaderLeft(HTTPException):
    """The client has closed the connection: nobody waits for the answer any more (499 is nginx's number for it)."""

    def __init__(self) -> None:
        super().__init__(499, "the client left")


def event_bytes(name: str, data: Mapping[str, Any]) -> bytes:
    """Return one event."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")


def error_event(error: Exception) -> bytes:
    """Return the event that ends a stream which failed after it had begun."""
    return event_bytes("error", error_body("native", status_of(error), message_of(error)))


async def begin(events: AsyncGenerator[bytes]) -> EventStream:
    """Wait for the first event, so that a failure before it is an HTTP status of its own; return the response."""
    try:
        first = await anext(events)
    except StopAsyncIteration:  # the source always yields or raises
        first = b""
    except BaseException:
        await events.aclose()
        raise
    return EventStream(first, events)


class EventStream(StreamingResponse):
    """A stream of events; what makes them is closed for certain when the reader leaves, also in the middle of a write."""

    def __init__(self, first: bytes, events: AsyncGenerator[bytes]) -> None:
        self._events = events
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(with_pings(first, events), media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with (
                anyio.CancelScope(shield=True),
                suppress(RuntimeError),
            ):  # RuntimeError: it is running, and will end by itself
                await self._events.aclose()


async def with_pings(first: bytes, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the first event and the rest, with a comment whenever nothing has come for `PING_SECONDS`; a failure is the last event."""
    yield first
    coming: asyncio.Future[bytes] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({coming}, timeout=PING_SECONDS)
            if not done:
                yield PING
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            except Exception as error:  # the status has been sent: say it in the stream
                yield error_event(error)
                return
            coming = None
            yield event
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(BaseException):
                await coming


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns, or cancel it and raise `ReaderLeft` when the client leaves meanwhile."""
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_wait_for_leaving(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ReaderLeft
        return task.result()
    finally:
        for one in (leaving, task):
            if not one.done():
                one.cancel()
        await asyncio.gather(leaving, task, return_exceptions=True)


async def _wait_for_leaving(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def last_of(events: AsyncGenerator[T]) -> T:
    """Return the last event of a stream that has one."""
    last: T | None = None
    async with aclosing(events) as stream:
        async for event in stream:
            last = event
    assert last is not None
    return last
