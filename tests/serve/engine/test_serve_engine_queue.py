"""The queue of answers: fair, bounded, without leaks, whatever order things happen in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.errors import OverloadedError, RateLimitedError
from samovar.serve.queue import FairQueue, Ticket


def in_loop(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(test(), 20)

    asyncio.run(main())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_turns_go_round_the_users() -> None:
    async def test() -> None:
        queue = FairQueue(1, 100, 50)
        order: list[str] = []

        async def ask(user: str, ticket: Ticket) -> None:
            async with ticket:
                order.append(user)
                await asyncio.sleep(0)

        tickets = [("greedy", queue.admit("greedy")) for _ in range(10)]
        tickets += [(user, queue.admit(user)) for user in ("second", "third")]
        await asyncio.gather(*(ask(user, ticket) for user, ticket in tickets))
        assert order.index("second") <= 2 and order.index("third") <= 3  # not behind ten of another
        assert Counter(order) == {"greedy": 10, "second": 1, "third": 1}
        assert (queue.running, queue.waiting) == (0, 0)

    in_loop(test)


def test_a_user_with_many_is_refused_before_others() -> None:
    async def test() -> None:
        queue = FairQueue(1, 6, 3)
        running = queue.admit("a")
        await running.turn()
        for _ in range(3):
            queue.admit("a")
        with pytest.raises(RateLimitedError) as refused:
            queue.admit("a")
        assert refused.value.retry_after_seconds >= 1
        for _ in range(3):
            queue.admit("b")
        with pytest.raises(OverloadedError) as full:
            queue.admit("c")
        assert not isinstance(full.value, RateLimitedError)
        assert queue.waiting == 6

    in_loop(test)


def test_no_more_run_than_may() -> None:
    async def test() -> None:
        queue = FairQueue(3, 100, 100)
        most = now = 0

        async def ask(user: str) -> None:
            nonlocal most, now
            async with queue.admit(user):
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.001)
                now -= 1

        await asyncio.gather(*(ask(f"u{i % 4}") for i in range(40)))
        assert most == 3
        assert (queue.running, queue.waiting, queue._lines) == (0, 0, {})

    in_loop(test)


def test_cancelled_between_the_turn_and_the_waking_gives_it_back() -> None:
    """The turn is granted in the same step of the loop in which the waiter is cancelled: the worst moment."""

    async def test() -> None:
        queue = FairQueue(1, 10, 10)
        first = queue.admit("a")
        await first.turn()
        second, third = queue.admit("b"), queue.admit("c")

        async def ask(ticket: Ticket) -> None:
            try:
                await ticket.turn()
            finally:
                ticket.leave()

        waiting = asyncio.ensure_future(ask(second))
        after = asyncio.ensure_future(ask(third))
        await settle()
        first.leave()  # grants b
        waiting.cancel()
        await asyncio.wait([waiting, after])
        assert waiting.cancelled() and after.exception() is None
        assert (queue.running, queue.waiting) == (0, 0)

    in_loop(test)


def test_closing_sends_home_who_waits_and_lets_run_who_runs() -> None:
    async def test() -> None:
        queue = FairQueue(1, 10, 10)
        running, early = queue.admit("a"), queue.admit("b")
        await running.turn()
        waiting = asyncio.ensure_future(early.turn())
        late = queue.admit("c")
        await settle()
        queue.close()
        with pytest.raises(OverloadedError):
            await waiting
        with pytest.raises(OverloadedError):
            await late.turn()
        with pytest.raises(OverloadedError):
            queue.admit("d")
        assert queue.running == 1
        running.leave()
        assert (queue.running, queue.waiting) == (0, 0)

    in_loop(test)


def test_a_ticket_gives_one_turn_and_may_be_left_twice() -> None:
    async def test() -> None:
        queue = FairQueue(1, 10, 10)
        ticket = queue.admit("a")
        await ticket.turn()
        with pytest.raises(RuntimeError):
            await ticket.turn()
        ticket.leave()
        ticket.leave()
        ticket.leave_if_waiting()
        assert (queue.running, queue.waiting) == (0, 0)

    in_loop(test)


STEPS = st.lists(
    st.tuples(st.sampled_from(["admit", "turn", "leave", "drop", "cancel"]), st.integers(0, 5)), max_size=60
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(1, 3))
def test_any_order_of_things_leaks_nothing(steps: list[tuple[str, int]], limit: int) -> None:
    """Counts stay right after every step, and when everybody has left, nothing is left."""

    async def test() -> None:
        queue = FairQueue(limit, 8, 4)
        tickets: list[Ticket] = []
        tasks: dict[int, asyncio.Task[None]] = {}
        for step, number in steps:
            at = number % len(tickets) if tickets else -1
            if step == "admit":
                try:
                    tickets.append(queue.admit(f"user{number % 3}"))
                except OverloadedError:
                    assert queue.waiting >= 4 or queue._waiting.get(f"user{number % 3}", 0) >= 4
            elif at >= 0 and step == "turn" and tickets[at]._state == "admitted":
                tasks[at] = asyncio.ensure_future(tickets[at].turn())
            elif at >= 0 and step == "leave":
                tickets[at].leave()
            elif at >= 0 and step == "drop":
                tickets[at].leave_if_waiting()
            elif at in tasks and step == "cancel":
                tasks[at].cancel()
                tickets[at].leave()
            await settle()
            assert 0 <= queue.running <= limit
            assert queue.running == sum(t._state == "running" for t in tickets)
            assert queue.waiting == sum(t._state in ("admitted", "in line") for t in tickets)
            assert queue.running == limit or not queue._lines  # nobody waits beside a free place
        for ticket in tickets:
            ticket.leave()
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert (queue.running, queue.waiting, dict(queue._lines), queue._waiting) == (0, 0, {}, {})

    in_loop(test)
