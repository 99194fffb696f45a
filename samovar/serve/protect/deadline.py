"""How long one request may take: so long until its answer begins, and so long between two parts of it; an upload gets time as it comes.

A stream that goes on is never cut. When the time is up the route's task is cancelled, which stops its model.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samovar.serve.protect.asgi import refuse

UPLOAD_STEP_BYTES = 64 * 1024  # a slower upload than one step per deadline is not going anywhere
log = logging.getLogger("samovar.serve")


class Deadline:
    """Ends requests that stand still: 504."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False
        num_bytes = 0
        loop = asyncio.get_running_loop()
        extended = loop.time()

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)
            extend()

        async def watched_receive() -> Message:
            nonlocal num_bytes
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if num_bytes >= UPLOAD_STEP_BYTES:
                num_bytes = 0
                extend()
            return message

        def extend() -> None:
            nonlocal extended
            now = loop.time()
            if now - extended > self.seconds / 50 and not limit.expired():  # not for each of a hundred tokens a second
                extended = now
                limit.reschedule(now + self.seconds)

        try:
            async with asyncio.timeout(self.seconds) as limit:
                await self.app(scope, watched_receive, watched_send)
        except TimeoutError:
            if not limit.expired():
                raise
            if started:  # nothing can be said any more: the connection is cut, so that nobody takes it for the end
                log.warning("a stream stood still for %g s and was ended: %s", self.seconds, scope["path"])
                raise
            await refuse(scope, receive, send, 504, f"the answer took longer than {self.seconds:g} s")
