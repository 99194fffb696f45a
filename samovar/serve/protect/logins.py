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
from samovar.serve.store.folding import fold_name

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
        names = names_in(scope, first.get("body", b"")) if not first.get("more_body") else set[str]()
        wait = self.places.take(notes_of(scope).address)
        for name in sorted(names):
            wait = wait or self.names.take(name)
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


def names_in(scope: Scope, body: bytes) -> set[str]:
    """Return who wants to log in, as far as it can be seen: from HTTP Basic, JSON and a form, whichever the route will read, so that
    a header nobody asked for hides no name. Folded as accounts are looked up: another way of writing a name is no other name."""
    found = (_in_basic(header_of(scope, "authorization")), _in_form(scope, body), _in_json(body))
    return {name for text in found if isinstance(text, str) and (name := fold_name(text.strip())[:LONGEST_NAME])}


def _in_basic(header: str) -> str:
    """As `samovar.serve.gigachat.access` reads it, which takes what is not Base64 as it is."""
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        text = value.strip()
    return text.partition(":")[0]


def _in_form(scope: Scope, body: bytes) -> str:
    if "form" not in header_of(scope, "content-type"):
        return ""
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=20).get("name", [""])[0]
    except ValueError:  # too many fields: no form of ours
        return ""


def _in_json(body: bytes) -> object:
    try:
        record = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return ""
    return record.get("name", "") if isinstance(record, dict) else ""
