"""Files that pages load: our own (``/_samovar/<hash>/…``) and NiceGUI's (``/_nicegui/…``), compressed once, cached by browsers for a year.

The hash is that of all our files, so a new version has new addresses. Knows nothing about callers: these files are the same for everybody.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).parent / "static"
PREFIX = "/_samovar/"
FOREVER = b"public, max-age=31536000, immutable"
LEAST_TO_COMPRESS = 700  # bytes: below that the header costs what is saved
MOST_KEPT = 512  # NiceGUI has some 200 files


@dataclass(frozen=True, slots=True)
class Asset:
    """A file ready to send; `packed` is its gzip form, empty when that is no gain."""

    body: bytes
    packed: bytes
    media_type: bytes


def make_asset(body: bytes, media_type: str) -> Asset:
    """Compress a file once."""
    packed = gzip.compress(body, 6, mtime=0) if len(body) >= LEAST_TO_COMPRESS else b""
    return Asset(body, packed if len(packed) < len(body) * 0.9 else b"", media_type.encode())


@lru_cache(maxsize=1)
def own_assets() -> dict[str, Asset]:
    """Return our files by name; read and compressed at the first call."""
    assets: dict[str, Asset] = {}
    for path in sorted(STATIC.iterdir()):
        if path.is_file():
            media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            text = media_type.startswith("text/") or media_type.endswith("javascript")
            assets[path.name] = make_asset(path.read_bytes(), media_type + ("; charset=utf-8" if text else ""))
    return assets


@lru_cache(maxsize=1)
def _version() -> str:
    digest = hashlib.sha256()
    for name, asset in own_assets().items():
        digest.update(name.encode() + b"\0" + asset.body)
    return digest.hexdigest()[:12]


def asset_url(name: str) -> str:
    """Return the address of one of our files."""
    return f"{PREFIX}{_version()}/{name}"


async def serve_own(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI: answer a request for one of our files; any hash will do, so that a page of the version before still finds its own names."""
    name = scope["path"].removeprefix(PREFIX).partition("/")[2]
    asset = own_assets().get(name)
    await _send(scope, send, asset)


class CompressedFiles:
    """ASGI around NiceGUI's app: its versioned static files are taken from it once, compressed, and then sent from memory."""

    def __init__(self, inner: ASGIApp, prefixes: tuple[str, ...]) -> None:
        self._inner = inner
        self._prefixes = prefixes
        self._kept: dict[str, Asset] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not path.startswith(self._prefixes):
            await self._inner(scope, receive, send)
            return
        asset = self._kept.get(path) or await self._take(scope, path)
        await _send(scope, send, asset)

    async def warm(self, paths: Iterable[str]) -> None:
        """Take files before anybody asks for them, so that the first visitor does not wait for their compression."""
        for path in paths:
            if path not in self._kept:
                await self._take(
                    {
                        "type": "http",
                        "http_version": "1.1",
                        "path": path,
                        "raw_path": path.encode(),
                        "query_string": b"",
                    },
                    path,
                )

    async def _take(self, scope: Scope, path: str) -> Asset | None:
        status, media_type, parts = 500, "application/octet-stream", list[bytes]()

        asked = asyncio.Event()

        async def receive() -> Message:
            if asked.is_set():  # whoever listens for the end of the connection waits until it is cancelled
                await asyncio.Event().wait()
            asked.set()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def catch(message: Message) -> None:
            nonlocal status, media_type
            if message["type"] == "http.response.start":
                status = message["status"]
                media_type = Headers(raw=message["headers"]).get("content-type", media_type)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self._inner({**scope, "method": "GET", "headers": [], "extensions": {}}, receive, catch)
        if status != 200:
            return None
        asset = await asyncio.to_thread(make_asset, b"".join(parts), media_type)
        if len(self._kept) < MOST_KEPT:
            self._kept[path] = asset
        return asset


async def _send(scope: Scope, send: Send, asset: Asset | None) -> None:
    if asset is None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"9"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"Not Found"})
        return
    packed = asset.packed and "gzip" in Headers(scope=scope).get("accept-encoding", "")
    body = asset.packed if packed else asset.body
    headers = [
        (b"content-type", asset.media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", FOREVER),
        (b"vary", b"Accept-Encoding"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if packed:
        headers.append((b"content-encoding", b"gzip"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
