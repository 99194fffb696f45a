"""Who is at the other end: the peer's address, or, behind a proxy that is trusted, the one it names. Everybody else's ``X-Forwarded-*`` is removed.

Sources: RFC 7239 section 8 (forged headers); the rightmost address that is not a trusted proxy is the client.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from samovar.errors import SettingsError
from samovar.serve.protect.asgi import header_of, headers_of, notes_of

FORWARDING = (b"x-forwarded-", b"forwarded", b"x-real-ip")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Addresses:
    """Sets ``scope["client"]`` and ``scope["scheme"]`` from trusted proxies, and the address in the request's notes."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str] = ()) -> None:
        self.app = app
        self.trusted = [_network(text) for text in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            peer = scope["client"][0] if scope.get("client") else ""
            if self._is_trusted(peer):
                self._believe(scope, peer)
            scope["headers"] = [(k, v) for k, v in scope["headers"] if not k.startswith(FORWARDING)]
            notes_of(scope).address = group_of(scope["client"][0] if scope.get("client") else "")
        await self.app(scope, receive, send)

    def _is_trusted(self, address: str) -> bool:
        try:
            found = _plain(ipaddress.ip_address(address))
        except ValueError:
            return False
        return any(found in network for network in self.trusted)

    def _believe(self, scope: Scope, peer: str) -> None:
        chain = [a.strip() for line in headers_of(scope, "x-forwarded-for") for a in line.split(",")] + [peer]
        client = peer
        for address in reversed(chain):
            client = address.strip("[]")
            if not self._is_trusted(client):
                break
        try:
            scope["client"] = (str(ipaddress.ip_address(client)), 0)
        except ValueError:  # a proxy that writes names or ports: keep what is certain
            scope["client"] = (peer, 0)
        proto = header_of(scope, "x-forwarded-proto").rpartition(",")[2].strip().lower()
        if proto in ("http", "https"):
            scope["scheme"] = {"http": "ws", "https": "wss"}[proto] if scope["type"] == "websocket" else proto


def group_of(address: str) -> str:
    """Return what counts as one caller's place: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer has."""
    try:
        found = _plain(ipaddress.ip_address(address))
    except ValueError:
        return address or "unknown"
    if found.version == 6 and not found.is_loopback:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise SettingsError(
            f"expected addresses or networks in serve.trusted_proxies (10.0.0.1, 10.0.0.0/8), found {text!r}"
        ) from error
