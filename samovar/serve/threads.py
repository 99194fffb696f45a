"""From a blocking iterator in a thread to an asynchronous one, with cancelling in both directions. Knows nothing about models or HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from typing import TypeVar

from samovar.errors import OverloadedError
from samovar.generate.model import Cancel

T = TypeVar("T")


class _End:
    """Marks the end of a stream, with the error that ended it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


async def iterate(
    pool: Executor, iterator: Iterator[T], cancel: Cancel, *, finished: Callable[[], None] | None = None
) -> AsyncGenerator[T, None]:
    """Yield what `iterator` yields, driven in a thread of `pool`.

    Leaving early (break, aclose, a cancelled task) sets `cancel`; the thread then ends by itself. `finished` is called on the event loop
    when the thread has really ended, however it ended: what the thread occupied is free only then.
    """
    loop = asyncio.get_running_loop()
    channel: asyncio.Queue[T | _End] = asyncio.Queue()
    left = threading.Event()

    def put(item: T | _End) -> None:
        try:
            loop.call_soon_threadsafe(channel.put_nowait, item)
        except RuntimeError:  # the loop has been closed: nobody listens any more
            cancel.set()

    def drive() -> _End:
        try:
            for item in iterator:
                if left.is_set():
                    break
                put(item)
        except BaseException as error:  # raised again where the stream is read
            return _End(error)
        return _End()

    def work() -> None:
        end = _End()
        try:
            end = drive()
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            end = _End(error)
        finally:
            if finished is not None:
                with suppress(RuntimeError):  # the loop has been closed: nothing is counted any more
                    loop.call_soon_threadsafe(finished)
            put(end)

    try:
        pool.submit(work)
    except RuntimeError as error:  # the pool is shut down
        cancel.set()
        if finished is not None:
            finished()
        raise OverloadedError("the server is stopping: ask again in a moment", 5.0) from error
    try:
        while True:
            item = await channel.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        left.set()
        cancel.set()


async def run(pool: Executor, work: Callable[[], T]) -> T:
    """Run a blocking call in a thread of `pool` and return what it returns."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)
