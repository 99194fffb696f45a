"""Listening: the socket, uvicorn with bounds on what a connection may do before it has asked anything, and an end without broken streams.

Uvicorn itself bounds neither the size of a request's head nor the time it may take (0.54); `BoundedProtocol` does. When told to stop
(SIGTERM, Ctrl-C) no connection is taken any more, running answers go on for ``serve.shutdown_seconds`` and are then ended with their last
event; a second signal ends the process at once. One process, one worker: the library has one writer and the model one memory.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from samovar.errors import ListenError
from samovar.serve.engine import ENDING_SECONDS
from samovar.serve.state import ServerState
from samovar.settings import Settings

# of a request: request line and headers together; browsers send 1–2 KB, cookies of neighbours on the host included
HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 20.0  # for all of it, from the first byte (or from the opening of the connection)
KEEP_ALIVE_SECONDS = 30
SOCKET_MESSAGE_BYTES = 2**20  # of a web socket: events of a page; files come by HTTP
BACKLOG = 512
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
FORCED = 130  # exit status after a second signal


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with a limit on the size of a request's head and on the time it takes to come."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        self._head_bytes = 0
        self._in_head = True
        self._clock: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._give_up)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on, unless it makes the head too large."""
        super().data_received(data)
        if self._in_head and self.transport is not None and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.transport.write(TOO_LARGE)
                self._give_up()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head_bytes = 0
        self._in_head = True
        if self._clock is None:
            self._clock = self.loop.call_later(HEAD_SECONDS, self._give_up)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It is whole."""
        self._in_head = False
        self._stop_clock()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._in_head = False
        self._stop_clock()
        super().connection_lost(exc)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _give_up(self) -> None:
        self._in_head = False
        self._stop_clock()
        self.transport.close()


class PatientServer(uvicorn.Server):
    """Uvicorn that says when it is ready, and lets answers end when it is told to stop."""

    def __init__(self, config: uvicorn.Config, state: Callable[[], ServerState], on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._state = state
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the doors, and let those inside finish."""
        state = self._state()
        draining = asyncio.ensure_future(state.engine.drain(state.settings.serve.shutdown_seconds))
        try:
            await super().shutdown(sockets)
        finally:
            draining.cancel()
            with suppress(asyncio.CancelledError):
                await draining

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: stop; second: at once. (Uvicorn raises the signal again at its end; a server that was told to stop ends well.)"""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


def make_server(
    app: FastAPI, settings: Settings, state: Callable[[], ServerState], on_ready: Callable[[], None]
) -> PatientServer:
    """Return the server of an application whose lifespan is run by the caller."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="websockets-sansio",
        ws_max_size=SOCKET_MESSAGE_BYTES,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # `protect.addresses` believes serve.trusted_proxies, and nobody else
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.serve.shutdown_seconds + ENDING_SECONDS) + 2,
    )
    return PatientServer(config, state, on_ready)


def run(app: FastAPI, settings: Settings, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Open the application, serve it on a bound socket until a signal says to stop, close it. Raises what opening it raises."""

    async def main() -> None:
        async with app.router.lifespan_context(app):
            server = make_server(app, settings, lambda: app.state.samovar, on_ready)
            await server.serve(sockets=[listener])
            if server.force_exit:
                leave_at_once()

    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def leave_at_once() -> None:
    """End the process without waiting for threads (a model in the middle of a word). What was acknowledged is on the disk."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(FORCED)


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the address. Who connects before the server is ready waits; nobody else can take the port.

    Raises:
        ListenError: the port is taken, needs more rights, or the address is not of this machine.
    """
    name = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ListenError(
            f"expected an address of this machine, found {host!r}: {_reason(error)}. See --host."
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            with suppress(OSError, AttributeError):  # [::] listens on IPv4 as well
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(_explain(error, host, port)) from error
    listener.setblocking(False)
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"expected port {port} on {host} to be free, found another program listening there. "
            f"Choose another:  samovar serve --port {port + 1 if port < 65535 else 8080}   (0 takes any free one)"
        )
    if error.errno == errno.EACCES:
        return f"expected to be allowed port {port}, found that it needs more rights. Choose one above 1023:  samovar serve --port 8080"
    return f"expected to listen on {host} port {port}, found: {_reason(error)}. See --host and --port."


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def url_of(listener: socket.socket, host: str) -> str:
    """Return the address to type into a browser on this machine."""
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host.strip("[]"), host)
    return f"http://{f'[{name}]' if ':' in name and not name.startswith('[') else name}:{port}/"
