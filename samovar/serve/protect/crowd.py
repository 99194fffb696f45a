"""How many requests may be open at once, in all and from one address; the queue of answers (`samovar.serve.queue`) is narrower and comes later.

This bounds what slow or silent clients can hold: sockets, bodies half sent, streams nobody reads.
"""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from samovar.serve.protect.asgi import notes_of, refuse

MOST_OPEN = 4096
MOST_OPEN_PER_ADDRESS = 1024  # a proxy that is not declared is one address with many people behind it


class Crowd:
    """Refuses what is too much at once: 503, 429 when it is one address's doing."""

    def __init__(self, app: ASGIApp, most: int = MOST_OPEN, most_per_address: int = MOST_OPEN_PER_ADDRESS) -> None:
        self.app = app
        self.most = most
        self.most_per_address = most_per_address
        self.open: Counter[str] = Counter()
        self.total = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        address = notes_of(scope).address
        if self.total >= self.most:
            await refuse(scope, receive, send, 503, "too many requests are open: ask again soon", {"Retry-After": "2"})
            return
        if self.open[address] >= self.most_per_address:
            await refuse(
                scope, receive, send, 429, "too many of your requests are open: let some finish", {"Retry-After": "2"}
            )
            return
        self.open[address] += 1
        self.total += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.total -= 1
            self.open[address] -= 1
            if self.open[address] <= 0:
                del self.open[address]
