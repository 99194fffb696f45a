"""The server put together: one FastAPI application, one port. `create_app` builds it, `serve` runs it until it is told to stop.

Order of what a request passes: `protect` (host, size, time, rate, headers) → `login` (who) → `guard` (may they) → route → engine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI

from samovar import __version__
from samovar.app import Samovar
from samovar.errors import UsageError
from samovar.serve import description, failures
from samovar.serve.chat import ChatService
from samovar.serve.engine import Engine
from samovar.serve.state import ServerState
from samovar.settings import Settings

API_DOCS = "/api/samovar/openapi.json"


def create_app(settings: Settings, *, samovar: Samovar | None = None, web: bool = True) -> FastAPI:
    """Return the application. Everything is opened when it starts (lifespan) and closed when it stops.

    `samovar` may be given already opened (tests, embedding in a program). `web` False leaves the pages out.
    """
    app = FastAPI(
        title="Samovar", version=__version__, openapi_url=API_DOCS, docs_url=None, redoc_url=None, lifespan=_lifespan(settings, samovar)
    )  # fmt: skip
    failures.install(app)
    _include_routers(app)
    description.install(app, accounts=asks_for_login(settings))
    if web:
        from samovar.serve.web import install as install_web

        install_web(app, settings)
    from samovar.serve.protect import install as install_protection

    install_protection(app, settings)  # last added is outermost
    from samovar.serve.metrics import CountRequests

    app.add_middleware(CountRequests)
    return app


def _include_routers(app: FastAPI) -> None:
    from samovar.serve import gigachat, native, openai
    from samovar.serve.accounts_api import router as accounts
    from samovar.serve.mcp_http import router as mcp

    for router in (openai.router, gigachat.router, native.router, accounts, mcp):
        app.include_router(router)


def _lifespan(settings: Settings, samovar: Samovar | None) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        from samovar.serve.mcp_http import running as mcp_running
        from samovar.serve.metrics import Metrics
        from samovar.serve.store.store import Store

        opened = samovar or Samovar.open(settings)
        async with AsyncExitStack() as stack:
            store = await asyncio.to_thread(Store.open, settings)
            stack.push_async_callback(asyncio.to_thread, store.close)
            metrics = Metrics()
            engine = await asyncio.to_thread(Engine.open, opened, metrics)
            stack.push_async_callback(asyncio.to_thread, engine.close)
            stack.push_async_callback(engine.drain, settings.serve.shutdown_seconds)
            chat, accounts = ChatService(engine, store), asks_for_login(settings)
            app.state.samovar = ServerState(settings, engine, store, chat, metrics, accounts)
            await stack.enter_async_context(mcp_running(app, settings.serve.max_body_bytes))
            yield

    return lifespan


def serve(
    settings: Settings,
    *,
    samovar: Samovar | None = None,
    listener: socket.socket | None = None,
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C. `on_ready` is told the address when it listens; `listener` is a socket from `listening.bind`.

    Raises:
        UsageError: it should listen beyond loopback, and there are no accounts.
        ListenError: it cannot listen there.
        SamovarError: what opening library, index, model or database raises.
    """
    from samovar.serve.listening import bind, run, url_of
    from samovar.serve.store.store import Store

    with Store.open(settings) as store:
        check_start(settings, store.accounts.count())
    listener = listener or bind(settings.serve.host, settings.serve.port)
    try:
        url = url_of(listener, settings.serve.host)
        run(create_app(settings, samovar=samovar), settings, listener, lambda: on_ready(url))
    finally:
        listener.close()


def asks_for_login(settings: Settings) -> bool:
    """Whether callers must say who they are: on request, and always when others than this machine's users can reach us."""
    return settings.serve.accounts or bool(reachable_as(settings))


def reachable_as(settings: Settings) -> str:
    """Return the address beyond loopback that the settings speak of, "" for none: where we listen, or what a proxy in front goes by.

    Behind a proxy everybody comes from loopback, so listening there alone makes nobody local.
    """
    serve = settings.serve
    names = (serve.host, urlsplit(serve.public_url).hostname or "localhost", *serve.allowed_hosts)
    beyond = [name for name in names if not is_loopback_host(name)]
    return (beyond[0] or "all addresses") if beyond else ", ".join(serve.trusted_proxies)


def check_start(settings: Settings, num_users: int) -> None:
    """Refuse to be reachable beyond loopback without accounts. Raises `UsageError` that says how to make one."""
    if num_users == 0 and (place := reachable_as(settings)):
        how = "listening on" if not is_loopback_host(settings.serve.host) else "serving others through"
        raise UsageError(
            f"expected accounts before {how} {place}, found none. Make the first one:  samovar user add NAME --role admin"
        )


def is_loopback_host(host: str) -> bool:
    """Whether an address to listen on is reachable only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
