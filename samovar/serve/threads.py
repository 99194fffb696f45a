"""From a blocking iterator in a thread to an asynchronous one, with cancelling in both directions. Knows nothing about models or HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

from samovar.generate.model import Cancel

T = TypeVar("T")


class _End:
    """Marks the end of a stream, with the error that ended it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


async def iterate(
    pool: Executor, iterator: Iterator[T], cancel: Cancel, *, finished: Callable[[], None] | None = None
) -> AsyncIterator[T]:
    """Yield what `iterator` yields, driven in a thread of `pool`.

    Leaving early (break, aclose, a cancelled task) sets `cancel`; the thread then ends by itself. `finished` is called on the event loop
    when the thread has really ended, however it ended: what the thread occupied is free only then.
    """
    loop = asyncio.get_running_loop()
    channel: asyncio.Queue[T | _End] = asyncio.Queue()

    def put(item: T | _End) -> None:
        try:
            loop.call_soon_threadsafe(channel.put_nowait, item)
        except RuntimeError:  # the loop has been closed: nobody listens any more
            cancel.set()

    def work() -> None:
        end = _End()
        try:
            for item in iterator:
                put(item)
        except BaseException as error:  # raised again where the stream is read
            end = _End(error)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            put(end)
            if finished is not None and not loop.is_closed():
                loop.call_soon_threadsafe(finished)

    pool.submit(work)
    try:
        while True:
            item = await channel.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        cancel.set()


async def run(pool: Executor, work: Callable[[], T]) -> T:
    """Run a blocking call in a thread of `pool` and return what it returns."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)
