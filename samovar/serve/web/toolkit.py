"""NiceGUI set up inside our application: its files and its socket at their own addresses, its life tied to ours. Nothing else of it is mounted,
so an unknown address is answered by us.

NiceGUI keeps its state in module globals: one running web application per process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from nicegui import background_tasks, core, ui
from nicegui.version import __version__ as toolkit_version
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from samovar.serve.web.assets import PREFIX, CompressedFiles, own_assets, serve_own
from samovar.serve.web.icons import favicon
from samovar.serve.web.page import RECONNECT_SECONDS
from samovar.serve.web.sockets import SocketGuard, guard_sockets

FIRST_FILES = (
    "vue.esm-browser.prod.js",
    "quasar.umd.prod.js",
    "quasar.unimportant.prod.css",
    "quasar.important.prod.css",
    "nicegui.js",
    "nicegui.css",
    "socket.io.min.js",
    "dompurify.mjs",
    "fonts.css",
)
"""What every first page loads; a name that a later NiceGUI has no more costs nothing."""


class PrefixRoute(BaseRoute):
    """Everything below some prefixes goes to one ASGI app; `action` tells the authorisation test what it needs."""

    def __init__(self, name: str, prefixes: tuple[str, ...], app: ASGIApp, *, websocket: bool = False) -> None:
        self.name = name
        self.prefixes = prefixes
        self.app = app
        self.kinds = ("http", "websocket") if websocket else ("http",)
        self.action = "public"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Starlette's question: is this yours?"""
        mine = scope["type"] in self.kinds and scope["path"].startswith(self.prefixes)
        return (Match.FULL, {"endpoint": self.app}) if mine else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's order: answer it."""
        await self.app(scope, receive, send)


@lru_cache(maxsize=1)
def _shell() -> FastAPI:
    """Configure NiceGUI, once per process, on an application of its own whose lifespan we borrow."""
    shell = FastAPI()
    ui.run_with(
        shell,
        title="Samovar",
        favicon=favicon(),
        tailwind=False,
        gzip_middleware_factory=None,
        reconnect_timeout=RECONNECT_SECONDS,
        show_welcome_message=False,
        binding_refresh_interval=None,
        message_history_length=4000,
    )
    guard_sockets()
    return shell


def install_toolkit(app: FastAPI) -> None:
    """Put NiceGUI's files, its socket and our static files into the application."""
    shell = _shell()
    versioned = f"/_nicegui/{toolkit_version}/"
    kept = tuple(versioned + folder for folder in ("static/", "components/", "libraries/", "esm/"))
    files = CompressedFiles(core.app, kept)
    app.router.routes.append(
        PrefixRoute("nicegui", ("/_nicegui/", "/_nicegui_ws/"), SocketGuard(files, app), websocket=True)
    )
    app.router.routes.append(PrefixRoute("static", (PREFIX,), serve_own))
    first = [versioned + "static/" + name for name in FIRST_FILES]
    ours = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(inner: Any) -> AsyncIterator[Any]:
        async with shell.router.lifespan_context(shell), ours(inner) as state:
            await asyncio.to_thread(own_assets)
            background_tasks.create(files.warm(first), name="compress files")
            yield state

    app.router.lifespan_context = lifespan
