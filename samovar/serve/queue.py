"""Turns at the model: so many answers at once, the rest wait, round robin over users so that nobody's hundred requests hold up one of another.

A request is admitted or refused at once (`admit`), so that a refusal can still be an honest HTTP status; its turn is waited for later.
All of it runs on one event loop. Knows nothing about HTTP or models.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from types import TracebackType

from samovar.errors import OverloadedError, RateLimitedError

FIRST_GUESS_SECONDS = 2.0  # an answer's length before one was measured
SMOOTHING = 0.2  # weight of the newest answer in the running mean


class FairQueue:
    """`limit` turns at once; `max_waiting` in line, `max_waiting_per_user` of them from one user."""

    def __init__(self, limit: int, max_waiting: int, max_waiting_per_user: int) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.max_waiting_per_user = max_waiting_per_user
        self.running = 0
        self._lines: OrderedDict[str, deque[Ticket]] = OrderedDict()
        self._waiting: dict[str, int] = {}
        self._mean_seconds = FIRST_GUESS_SECONDS
        self.closed = False  # nobody new is admitted
        self._dismissed = False  # nobody begins any more

    @property
    def waiting(self) -> int:
        """Number of admitted requests that have not had their turn."""
        return sum(self._waiting.values())

    def admit(self, user_id: str) -> Ticket:
        """Take a place in line, or refuse.

        Raises:
            RateLimitedError: this user has too many waiting.
            OverloadedError: everybody together has, or the server is stopping.
        """
        if self.closed:
            raise _stopping()
        free = self.limit - self.running
        if free <= self.waiting:
            if self._waiting.get(user_id, 0) >= self.max_waiting_per_user:
                raise RateLimitedError(
                    f"{self.max_waiting_per_user} of your requests are waiting already: let some finish first",
                    self.estimate(),
                )
            if self.waiting >= self.max_waiting + max(free, 0):
                raise OverloadedError(f"{self.waiting} requests are waiting already: ask again later", self.estimate())
        self._waiting[user_id] = self._waiting.get(user_id, 0) + 1
        return Ticket(self, user_id)

    def close(self) -> None:
        """Take nobody in any more; who waits in line is told so (`OverloadedError` from `turn`), who runs goes on."""
        self.closed = self._dismissed = True
        for line in list(self._lines.values()):
            for ticket in list(line):
                ticket._refuse(_stopping())

    def estimate(self) -> float:
        """Seconds until a new request would have its turn, as far as can be told."""
        return max(1.0, self._mean_seconds * (self.waiting + 1) / max(self.limit, 1))

    def _line_up(self, ticket: Ticket) -> None:
        self._lines.setdefault(ticket.user_id, deque()).append(ticket)
        self._serve_next()

    def _serve_next(self) -> None:
        while self.running < self.limit and self._lines:
            user_id, line = next(iter(self._lines.items()))
            ticket = line.popleft()
            if line:
                self._lines.move_to_end(user_id)
            else:
                del self._lines[user_id]
            self.running += 1
            self._forget_waiting(user_id)
            ticket._begin()

    def _forget_waiting(self, user_id: str) -> None:
        left = self._waiting.get(user_id, 0) - 1
        if left > 0:
            self._waiting[user_id] = left
        else:
            self._waiting.pop(user_id, None)

    def _drop(self, ticket: Ticket) -> None:
        line = self._lines.get(ticket.user_id)
        if line is not None and ticket in line:
            line.remove(ticket)
            if not line:
                del self._lines[ticket.user_id]

    def _done(self, seconds: float) -> None:
        self.running -= 1
        self._mean_seconds += SMOOTHING * (seconds - self._mean_seconds)
        self._serve_next()


class Ticket:
    """A place in line. ``await ticket.turn()`` waits; `leave` gives the place or the turn back and may be called at any time, more than once."""

    def __init__(self, queue: FairQueue, user_id: str) -> None:
        self._queue = queue
        self.user_id = user_id
        self._turn: asyncio.Future[None] | None = None
        self._began = 0.0
        self._state = "admitted"

    async def turn(self) -> None:
        """Wait for the turn. Raises `OverloadedError` when the server stops meanwhile."""
        if self._state != "admitted":
            raise RuntimeError("a ticket gives one turn")
        if self._queue._dismissed:
            self.leave()
            raise _stopping()
        self._turn = asyncio.get_running_loop().create_future()
        self._state = "in line"
        self._queue._line_up(self)
        await self._turn

    def _begin(self) -> None:
        self._state = "running"
        self._began = asyncio.get_running_loop().time()
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def _refuse(self, error: OverloadedError) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_exception(error)
        self.leave()

    def leave(self) -> None:
        """Give back the place in line, or the turn."""
        state, self._state = self._state, "left"
        if state == "running":
            self._queue._done(asyncio.get_running_loop().time() - self._began)
        elif state in ("admitted", "in line"):
            self._queue._drop(self)
            self._queue._forget_waiting(self.user_id)

    def leave_if_waiting(self) -> None:
        """Give back the place in line if the turn has not come; a running turn ends when its thread does."""
        if self._state != "running":
            self.leave()

    async def __aenter__(self) -> Ticket:
        await self.turn()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


def _stopping() -> OverloadedError:
    return OverloadedError("the server is stopping: ask again in a moment", 5.0)
