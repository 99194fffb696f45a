"""How often one caller may ask: a bucket for each user, for each credential whose user is not known yet, and for each address without one.

A credential that turns out to be no good costs its address: inventing credentials opens no new buckets. What a page loads (scripts, styles,
its socket) is not counted. Logins have a limit of their own (`logins`).
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samovar.serve.protect.asgi import header_of, notes_of, refuse
from samovar.serve.protect.buckets import MOST_BUCKETS, Buckets

UNCOUNTED = ("/_nicegui", "/_samovar/", "/favicon", "/api/samovar/health")
COOKIE = "samovar_session="


class Rates:
    """Refuses callers who ask too often: 429 with ``Retry-After``."""

    def __init__(self, app: ASGIApp, per_minute: int = 600) -> None:
        self.app = app
        self.buckets = Buckets(per_minute)
        self._users: OrderedDict[str, str] = OrderedDict()  # credential → user, for those that were good

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNCOUNTED):
            await self.app(scope, receive, send)
            return
        notes = notes_of(scope)
        place = f"address {notes.address}"
        credential = credential_of(scope)
        user = self._users.get(credential, "") if credential else ""
        key = f"user {user}" if user else place
        wait = self.buckets.take(key)
        if wait:
            headers = {"Retry-After": str(max(1, math.ceil(wait)))}
            await refuse(scope, receive, send, 429, f"too many requests: ask again in {math.ceil(wait)} s", headers)
            return

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and credential and notes.user_id != user:
                if user:
                    self._unlearn(credential, user, place)
                self._learn(credential, notes.user_id, place)
            await send(message)

        await self.app(scope, receive, watch)

    def _learn(self, credential: str, user: str, place: str) -> None:
        """After the first request with a credential: when it was good its user pays instead of its address."""
        if not user:
            return
        self.buckets.give_back(place)
        self.buckets.take(f"user {user}")
        self._users[credential] = user
        if len(self._users) > MOST_BUCKETS:
            self._users.popitem(last=False)

    def _unlearn(self, credential: str, user: str, place: str) -> None:
        """A credential that is good no more: who still shows it pays from their own address, not from its former owner's bucket."""
        self._users.pop(credential, None)
        self.buckets.give_back(f"user {user}")
        self.buckets.take(place)


def credential_of(scope: Scope) -> str:
    """Return a digest of what the caller shows to be recognised, "" when it is nothing."""
    shown = header_of(scope, "authorization")
    if not shown:
        cookies = (part.strip() for part in header_of(scope, "cookie").split(";"))
        shown = next((c for c in cookies if c.startswith(COOKIE)), "")
    return hashlib.sha256(shown.encode("utf-8", "surrogateescape")).hexdigest()[:32] if shown else ""
