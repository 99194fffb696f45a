"""How often passwords may be tried: from one place, and for one name from anywhere. Knows nothing about what a right one is.

The second limit is wider, so that nobody can lock another out with a handful of wrong tries.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samovar.serve.protect.asgi import header_of, notes_of, refuse
from samovar.serve.protect.buckets import Buckets

PATHS = (
    "/api/samovar/login",
    "/api/samovar/account/password",
    "/api/samovar/account/delete",
    "/api/samovar/invitations/accept",
    "/api/v1/token",
    "/api/v1/oauth",
    "/api/v2/oauth",
    "/login",
)
PER_NAME = 5  # times as many for one name from all places together
LONGEST_NAME = 200


class Logins:
    """Refuses further tries: 429 with ``Retry-After``. Sits inside `bodies`, so the body is small and whole."""

    def __init__(self, app: ASGIApp, per_minute: int = 10) -> None:
        self.app = app
        self.places = Buckets(per_minute)
        self.names = Buckets(per_minute * PER_NAME)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not is_login(scope["path"]):
            await self.app(scope, receive, send)
            return
        first = await receive()
        name = name_in(scope, first.get("body", b"")) if not first.get("more_body") else ""
        wait = self.places.take(notes_of(scope).address)
        if not wait and name:
            wait = self.names.take(name)
        if wait:
            headers = {"Retry-After": str(max(1, math.ceil(wait)))}
            message = f"too many tries to log in: try again in {math.ceil(wait)} s"
            await refuse(scope, receive, send, 429, message, headers)
            return

        async def replay() -> Message:
            nonlocal first
            message, first = first, None  # type: ignore[assignment]
            return message if message is not None else await receive()

        await self.app(scope, replay, send)


def is_login(path: str) -> bool:
    """Whether a path takes a password or stands for one."""
    return path.rstrip("/") in PATHS


def name_in(scope: Scope, body: bytes) -> str:
    """Return who wants to log in, as far as it can be seen: from HTTP Basic, JSON or a form."""
    kind, _, value = header_of(scope, "authorization").partition(" ")
    if kind.lower() == "basic":
        try:
            found: object = base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[0]
        except (binascii.Error, ValueError):
            return ""
    elif "form" in header_of(scope, "content-type"):
        found = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20).get("name", [""])[0]
    else:
        try:
            record = json.loads(body or b"{}")
        except ValueError:
            return ""
        found = record.get("name", "") if isinstance(record, dict) else ""
    return found.strip().casefold()[:LONGEST_NAME] if isinstance(found, str) else ""
