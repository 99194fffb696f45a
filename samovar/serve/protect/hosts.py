"""The name a request was sent to must be ours: otherwise a stranger's web page, whose name was made to resolve to this machine, could read answers.

An address in numbers cannot be rebound, so loopback addresses always pass, and any address when we listen on all of them. Ports are not compared:
they differ behind tunnels and containers, and rebinding cannot change a name. Source: OWASP, DNS rebinding; RFC 9110 section 15.5.20 (421).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from samovar.serve.protect.asgi import headers_of, refuse

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+(?:%25[\w.~-]+)?\]|[A-Za-z0-9_.-]+)(?::(?P<port>\d{1,5}))?")
WILDCARDS = ("0.0.0.0", "::", "")


class Hosts:
    """Refuses requests to names that are not ours: 421, 400 when the header is missing, doubled or malformed."""

    def __init__(self, app: ASGIApp, host: str = "", allowed: Sequence[str] = (), public_url: str = "") -> None:
        self.app = app
        self.everywhere = host.strip("[]") in WILDCARDS
        names = [host, urlsplit(public_url).hostname or "", *allowed]
        self.names = {name for text in names if (name := _clean(text)) and not name.startswith("*.")}
        self.endings = tuple(_clean(text)[1:] for text in allowed if text.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        name = host_name(headers_of(scope, "host"))
        if name is None:
            await refuse(scope, receive, send, 400, "expected one well-formed Host header")
        elif not self.is_ours(name):
            hint = "If it is right, add it to serve.allowed_hosts (SAMOVAR_SERVE__ALLOWED_HOSTS)."
            await refuse(scope, receive, send, 421, f"this server does not go by the name {name!r}. {hint}")
        elif "\0" in scope["path"] or any(ord(c) < 32 for c in scope["path"]):
            await refuse(scope, receive, send, 400, "expected a path without control characters")
        else:
            await self.app(scope, receive, send)

    def is_ours(self, name: str) -> bool:
        """Whether a host name or address (without port) is one of this server's."""
        if name in self.names or name == "localhost" or (self.endings and name.endswith(self.endings)):
            return True
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return self.everywhere or address.is_loopback


def host_name(values: Sequence[str]) -> str | None:
    """Return the name in a Host header in lower case without port and final dot, None unless there is exactly one good header."""
    match = _HOST.fullmatch(values[0].strip()) if len(values) == 1 else None
    if match is None or int(match["port"] or 0) > 65535:
        return None
    return _clean(match["name"]) or None


def _clean(text: str) -> str:
    text = text.strip().lower()
    match = _HOST.fullmatch(text)
    return (match["name"] if match else text).rstrip(".")
