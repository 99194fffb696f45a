"""A change may be asked for by our own pages and by programs, not by other sites' pages in the reader's browser; a socket likewise.

Browsers name the page's origin with every unsafe request and socket; programs do not. A request with an ``Authorization`` header is let through:
no other site can send one without our consent (CORS, which we never give). This holds without accounts, too: there the danger is greatest.
Sources: OWASP, Cross-Site Request Forgery Prevention; the Fetch standard, sections on Origin and Sec-Fetch-Site.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from samovar.serve.protect.asgi import header_of, headers_of, refuse

SAFE = ("GET", "HEAD", "OPTIONS")
OWN_SITE = ("same-origin", "none")
DEFAULT_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}


class Origins:
    """Refuses unsafe requests and sockets that another origin's page sends: 403."""

    def __init__(self, app: ASGIApp, public_url: str = "") -> None:
        self.app = app
        self.public = _place(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        checked = scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in SAFE)
        if checked and not header_of(scope, "authorization") and not self.is_own(scope):
            await refuse(scope, receive, send, 403, "this request came from another site's page: open Samovar itself")
            return
        await self.app(scope, receive, send)

    def is_own(self, scope: Scope) -> bool:
        """Whether our own page, or no browser at all, sent this."""
        origins = headers_of(scope, "origin")
        site = header_of(scope, "sec-fetch-site")
        if origins and origins != ["null"]:
            place = _place(origins[0])
            return len(origins) == 1 and bool(place) and place in (self.public, _host(scope))
        if site:  # the browser's own word, which pages cannot change
            return site in OWN_SITE
        if origins:  # "null": a sandboxed frame, a local file
            return False
        return scope["type"] == "http" or not header_of(scope, "cookie")  # every browser's socket has an origin


def _place(url: str) -> str:
    """``host:port`` of an origin, without the scheme's usual port; "" when it is none."""
    try:
        parts = urlsplit(url.strip().lower())
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        return ""
    return parts.netloc.removesuffix(DEFAULT_PORTS[parts.scheme])


def _host(scope: Scope) -> str:
    return header_of(scope, "host").strip().lower().removesuffix(DEFAULT_PORTS.get(scope.get("scheme", "http"), ":80"))
