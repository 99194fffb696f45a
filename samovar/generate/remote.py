"""What all remote models share: a background event loop whose requests can be cancelled at any phase.

Requests run on asyncio because a task can be cancelled while it connects, waits for the first byte or reads, and
closing its connection is what makes the far end stop working; a blocked thread cannot be woken. Knows no dialect of
any service.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ipaddress
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit

from samovar.errors import ModelError
from samovar.generate.model import Piece
from samovar.generate.pieces import PieceChannel

CLOSE_SECONDS = 5.0

Work = Callable[[], Coroutine[Any, Any, Any]]


class BackgroundLoop:
    """An event loop in a thread of its own, started on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def submit(self, work: Work) -> concurrent.futures.Future[Any]:
        """Run a coroutine in the background; cancelling the future cancels it there."""
        with self._lock:
            if self._closed:
                raise ModelError("the model is closed: load it again")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=self._loop.run_forever, name="samovar-remote", daemon=True)
                thread.start()
                self._finalize = weakref.finalize(self, _shut_down, self._loop, thread)
            return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def stream(self, work: Work, channel: PieceChannel) -> Iterator[Piece]:
        """Drain a channel that the work fills; leaving early for any reason cancels the work."""
        future = self.submit(lambda: _watch(work, channel))

        def cancel() -> None:
            future.cancel()

        return channel.drain(on_abandon=cancel)

    def close(self, last: Work | None = None) -> None:
        """Run `last` (closing clients), cancel what is left and end the thread; safe to call twice."""
        with self._lock:
            closed, self._closed, loop = self._closed, True, self._loop
        if closed or loop is None:
            return
        if last is not None:  # a client that will not close is dropped with its loop
            with contextlib.suppress(TimeoutError, concurrent.futures.TimeoutError, OSError, RuntimeError):
                asyncio.run_coroutine_threadsafe(last(), loop).result(CLOSE_SECONDS)
        self._finalize()


def _shut_down(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    async def cancel_all() -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with contextlib.suppress(TimeoutError, concurrent.futures.TimeoutError):
        asyncio.run_coroutine_threadsafe(cancel_all(), loop).result(CLOSE_SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(CLOSE_SECONDS)
    if not thread.is_alive():
        loop.close()


async def _watch(work: Work, channel: PieceChannel) -> None:
    """Do the work; its failure ends the channel. Cancelled by `close` (nobody else listens then), the channel fails too."""
    try:
        await work()
    except asyncio.CancelledError:
        channel.fail(ModelError("the model was closed in the middle of an answer"))
        raise
    except Exception as error:  # raised again in the reader's thread
        channel.fail(error)


def check_url(url: str, setting: str) -> str:
    """Return the address without a trailing slash; raise `ModelError` naming the setting unless it is http(s)."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelError(f"expected an address such as http://127.0.0.1:8000/v1 in {setting}, found {url!r}")
    return url.strip().rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether an address names this machine; such requests must not go through a proxy."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def shorten(text: str, limit: int = 300) -> str:
    """One line of at most `limit` characters, for quoting a service's answer in a message."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
