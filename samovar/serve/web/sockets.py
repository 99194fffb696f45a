"""Live connections belong to people: a NiceGUI client and its sockets may only be used by the session that its page was made for.

NiceGUI identifies a client by an unguessable id and nothing else. Here each client is bound to its caller when its page is made; a socket
must bring the same caller's cookie, an event must come through a socket of that client, an upload must come from that caller; and when a
session ends, for whatever reason, its clients are thrown out at once.
"""

from __future__ import annotations

import logging
import re
from typing import Any
from weakref import WeakKeyDictionary

from nicegui import Client, background_tasks, core
from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from samovar.serve.principal import Principal

log = logging.getLogger("samovar.serve.web")
_owners: WeakKeyDictionary[Client, Principal] = WeakKeyDictionary()
_OF_CLIENT = re.compile(r"/_nicegui/client/([^/]+)/")
_guarded = False


def own(client: Client, principal: Principal) -> None:
    """Bind a client to the caller its page is made for."""
    _owners[client] = principal


def owner_of(client_id: str) -> Principal | None:
    """Return whom a client belongs to; None when there is no such client."""
    client = Client.instances.get(client_id)
    return None if client is None else _owners.get(client)


def same_caller(one: Principal | None, other: Principal | None) -> bool:
    """Whether two principals are one person who came in by one login."""
    if one is None or other is None:
        return False
    return (one.user_id, one.way, one.credential_id) == (other.user_id, other.way, other.credential_id)


async def may_use(connection: HTTPConnection, client_id: str) -> bool:
    """Whether this connection's caller is the owner of the client, now: a session that has ended owns nothing."""
    from samovar.serve.login import principal_of

    owner = owner_of(client_id)
    return owner is not None and same_caller(owner, await principal_of(connection))


def guard_sockets() -> None:
    """Let an event, an answer, an acknowledgement count only for a client whose room its socket is in (once per process)."""
    global _guarded
    if _guarded:
        return
    _guarded = True
    handlers = core.sio.handlers["/"]
    for name in ("event", "javascript_response", "ack", "log"):
        core.sio.on(name, _only_of_own_room(handlers[name]))


def _only_of_own_room(handler: Any) -> Any:
    def checked(sid: str, message: Any) -> Any:
        client_id = message.get("client_id") if isinstance(message, dict) else None
        if not isinstance(client_id, str) or client_id not in core.sio.rooms(sid):
            log.warning("refused a message for a client that is not the sender's")
            return None
        try:
            return handler(sid, message)
        except (KeyError, TypeError, ValueError) as error:  # what no page of ours sends
            log.warning("refused a malformed message from a browser: %s", error)
            return None

    return checked


class SocketGuard:
    """ASGI around NiceGUI: sockets and client-bound addresses (uploads) only for the client's owner."""

    def __init__(self, inner: ASGIApp, state_app: Any) -> None:
        self._inner = inner
        self._app = state_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            client_id = _client_id(scope)
            if client_id is not None and not await may_use(HTTPConnection({**scope, "app": self._app}), client_id):
                await _refuse(scope, receive, send)
                return
        await self._inner(scope, receive, send)


def _client_id(scope: Scope) -> str | None:
    """The client an address speaks for; "" when it should name one and does not; None when it needs none."""
    path = scope["path"]
    if path.startswith("/_nicegui_ws/"):
        return QueryParams(scope.get("query_string", b"")).get("client_id", "")
    match = _OF_CLIENT.match(path)
    return match.group(1) if match else None


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4403})
        return
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": b"Forbidden"})


def throw_out(session_id: str) -> None:
    """End the live clients of a session; may be called from any thread."""
    loop = core.loop
    if loop is None or loop.is_closed():
        return
    loop.call_soon_threadsafe(_throw_out_now, session_id)


def _throw_out_now(session_id: str) -> None:
    for client in list(Client.instances.values()):
        owner = _owners.get(client)
        if owner is not None and owner.way == "session" and owner.credential_id == session_id:
            sockets = list(core.sio.manager.get_participants("/", client.id))
            for (
                waiting
            ) in client._delete_tasks.values():  # pages just left: NiceGUI would delete the client once more, and fail
                waiting.cancel()
            client._delete_tasks.clear()
            client.delete()
            for sid, _ in sockets:
                background_tasks.create(_close(sid), name="close socket")


async def _close(sid: str) -> None:
    await core.sio.emit("samovar_left", {}, to=sid)
    await core.sio.disconnect(sid)
