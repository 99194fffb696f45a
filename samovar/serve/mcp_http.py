"""The MCP server over HTTP, at ``/mcp`` of the running server: same port, same keys, same limits.

Stateless: every request brings its own credentials and no session outlives it, so there is nothing to take over and a revoked key ends at
once. There is no stream from the server's side (GET) and no session to end (DELETE): the protocol lets a server answer these with 405.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from samovar.serve.engine import Engine
from samovar.serve.guard import Need
from samovar.serve.mcp_server import make_server
from samovar.serve.principal import Principal
from samovar.serve.state import state_of

router = APIRouter()
CALLER = "samovar.caller"
"""Key of the request's scope under which the guard's finding travels to the tools."""


@router.post("/mcp", include_in_schema=False)
async def speak(request: Request, caller: Annotated[Principal, Depends(Need("search"))]) -> Response:
    """One message of the protocol. Tools that need more than searching check it themselves."""
    request.scope[CALLER] = caller
    return _Handled(request.app.state.mcp)


class _Handled(Response):
    """A response that the protocol's own transport writes."""

    def __init__(self, manager: Any) -> None:
        super().__init__()
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._manager.handle_request(scope, receive, send)


def who(context: Context) -> tuple[Engine, Principal]:
    """Return the engine and the caller of a call that came by HTTP."""
    request: Any = context.request_context.request
    caller: Principal = request.scope[CALLER]
    return state_of(request).engine, caller


@asynccontextmanager
async def running(app: FastAPI, max_body_bytes: int) -> AsyncIterator[None]:
    """Keep the transport open while the application runs."""
    server = make_server(who)
    # Host and Origin are checked for all of the application by `protect`
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    server.streamable_http_app(stateless_http=True, transport_security=security, max_request_body_size=max_body_bytes)
    app.state.mcp = server.session_manager
    async with server.session_manager.run():
        yield
