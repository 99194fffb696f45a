"""What every answer carries: a content security policy, no sniffing, no framing, no referrer to others, no sharing across origins, an id.

A page brings a policy of its own (`samovar.serve.web.csp`: our own files, and inline scripts with that answer's nonce); everything else may do
nothing at all in a browser.
The referrer policy is ``same-origin``, not ``no-referrer``: with the latter browsers send ``Origin: null`` with our own forms.
Sources: CSP level 3; OWASP Secure Headers Project; the Fetch standard.
"""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samovar.serve.protect.asgi import header_of, is_api, notes_of

POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), display-capture=(), browsing-topics=()",
}
SHARING = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods", "access-control-expose-headers")  # fmt: skip
HSTS = "max-age=31536000"

_GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Headers:
    """Gives every request an id and every answer its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = header_of(scope, "x-request-id")
        notes = notes_of(scope)
        notes.request_id = asked if _GOOD_ID.fullmatch(asked) else secrets.token_hex(8)
        api = is_api(scope["path"])

        async def dress(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name in SHARING:
                    del headers[name]
                for name, value in COMMON.items():
                    headers[name] = value
                headers.setdefault("X-Request-ID", notes.request_id)
                if api or "content-security-policy" not in headers:
                    headers["Content-Security-Policy"] = POLICY
                if api:
                    headers.setdefault("Cache-Control", "no-store")
                if scope.get("scheme") == "https":
                    headers["Strict-Transport-Security"] = HSTS
                message["headers"] = headers.raw
            await send(message)

        await self.app(scope, receive, dress)
