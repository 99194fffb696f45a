"""The engine under people who leave, models that fail, and a server that stops: turns and threads always come back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serve_harness import TEXTS, settings_for, text_document

from samovar.app import Samovar
from samovar.assistant.answer import Done, Found
from samovar.errors import ForbiddenError, ModelError, ModelNotFoundError, NotFoundError, OverloadedError
from samovar.generate.model import Cancel, Message, Piece
from samovar.generate.scripted import ScriptedModel
from samovar.search.query import Filters
from samovar.serve.access import private_source
from samovar.serve.engine import WAITING_EMBEDDINGS, Engine
from samovar.serve.principal import LOCAL, Principal
from samovar.serve.threads import iterate

READER, OTHER = (Principal(f"u{i}", f"user{i}", "reader") for i in (1, 2))
HELLO = [Message("user", "hello")]
Test = Callable[[Engine], Awaitable[None]]


@contextmanager
def open_engine(home: Path, model: Any, **serve: Any) -> Iterator[tuple[Engine, Callable[[Test], None]]]:
    """An engine over three documents, and a function that runs a test in one loop and closes the engine in it."""
    samovar = Samovar.open(settings_for(home, **serve))
    samovar.__dict__["model"] = model
    with samovar.library.writer() as writer:
        writer.put([text_document(name, text) for name, text in TEXTS.items()])
    engine = Engine.open(samovar)

    def run(test: Test) -> None:
        async def main() -> None:
            await asyncio.wait_for(test(engine), 60)

        asyncio.run(main())

    try:
        yield engine, run
    finally:
        engine.close()


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


async def texts(pieces: AsyncIterator[Piece]) -> str:
    return "".join([piece.text async for piece in pieces])


def slow(words: int = 1000, delay: float = 0.01) -> ScriptedModel:
    return ScriptedModel(["слово " * words], delay_seconds=delay)


def test_answers_come_in_turn_and_give_the_turn_back(tmp_path: Path) -> None:
    async def test(engine: Engine) -> None:
        answers = await asyncio.gather(*(texts(engine.complete(READER, "scripted", HELLO)) for _ in range(5)))
        assert answers == ["раз два"] * 5
        await until(lambda: (engine.queue.running, engine.queue.waiting) == (0, 0))

    with open_engine(tmp_path, ScriptedModel(["раз два"])) as (_, run):
        run(test)


@pytest.mark.parametrize("grounded", [False, True])
def test_leaving_in_the_middle_stops_the_model_and_frees_the_turn(tmp_path: Path, grounded: bool) -> None:
    async def test(engine: Engine) -> None:
        cancel = Cancel()
        stream: Any = (
            engine.answer(READER, "Где изобрели самовар?", cancel=cancel)
            if grounded
            else engine.complete(READER, "scripted", HELLO, cancel=cancel)
        )
        async with aclosing(stream):
            async for event in stream:
                if not isinstance(event, Found) and engine.queue.running:
                    break
        assert cancel
        await until(lambda: engine.queue.running == 0)
        assert engine.queue.waiting == 0

    # sentences, so that the draft gives some of them away before its end
    words = "Самовар изобрели в Туле. " * 300
    with open_engine(tmp_path, ScriptedModel([words], delay_seconds=0.01)) as (_, run):
        run(test)


def test_cancelled_while_waiting_in_line_leaves_the_line(tmp_path: Path) -> None:
    async def test(engine: Engine) -> None:
        first = asyncio.ensure_future(texts(engine.complete(READER, "scripted", HELLO)))
        await until(lambda: engine.queue.running == 1)
        second = asyncio.ensure_future(texts(engine.complete(OTHER, "scripted", HELLO)))
        await until(lambda: engine.queue._lines)
        second.cancel()
        with suppress(asyncio.CancelledError):
            await second
        assert engine.queue.waiting == 0
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        await until(lambda: engine.queue.running == 0)

    with open_engine(tmp_path, slow()) as (_, run):
        run(test)


def test_a_stream_that_is_made_and_never_read_holds_nothing_but_its_ticket(tmp_path: Path) -> None:
    async def test(engine: Engine) -> None:
        ticket = engine.admit(READER)
        stream = engine.complete(READER, "scripted", HELLO, ticket=ticket)
        del stream
        assert engine.queue.waiting == 1
        ticket.leave()
        assert (engine.queue.running, engine.queue.waiting) == (0, 0)

    with open_engine(tmp_path, slow()) as (_, run):
        run(test)


@pytest.mark.parametrize("grounded", [False, True])
def test_a_model_that_fails_frees_the_turn_and_the_next_answer_comes(tmp_path: Path, grounded: bool) -> None:
    def reply(messages: Sequence[Message]) -> str | ModelError:
        return ModelError("the backend is gone") if next(failing) else "Самовар изобрели в Туле."

    failing = iter([True, False])

    async def test(engine: Engine) -> None:
        async def ask() -> list[Any]:
            if grounded:
                return [event async for event in engine.answer(READER, "Где изобрели самовар?")]
            return [piece async for piece in engine.complete(READER, "scripted", HELLO)]

        with pytest.raises(ModelError, match="gone"):
            await ask()
        assert await ask()
        await until(lambda: (engine.queue.running, engine.queue.waiting) == (0, 0))

    with open_engine(tmp_path, ScriptedModel(reply)) as (_, run):
        run(test)


def test_a_wrong_name_costs_no_place(tmp_path: Path) -> None:
    async def test(engine: Engine) -> None:
        for name in ("nobody", "samovar"):
            with pytest.raises(ModelNotFoundError):
                await texts(engine.complete(READER, name, HELLO))
        with pytest.raises(ModelNotFoundError):
            async for _ in engine.answer(READER, "?", model="nobody"):
                pass
        assert (engine.queue.running, engine.queue.waiting) == (0, 0)

    with open_engine(tmp_path, slow()) as (_, run):
        run(test)


def test_draining_lets_finish_what_is_nearly_done(tmp_path: Path) -> None:
    async def test(engine: Engine) -> None:
        answer = asyncio.ensure_future(texts(engine.complete(READER, "scripted", HELLO)))
        await until(lambda: engine.queue.running == 1)
        assert await engine.drain(20)
        assert await answer == "слово " * 20
        with pytest.raises(OverloadedError):
            engine.admit(READER)

    with open_engine(tmp_path, slow(20)) as (_, run):
        run(test)


def test_draining_ends_what_takes_too_long_with_a_last_event(tmp_path: Path) -> None:
    async def test(engine: Engine) -> None:
        async def bare() -> list[Piece]:
            return [piece async for piece in engine.complete(READER, "scripted", HELLO)]

        running = asyncio.ensure_future(bare())
        await until(lambda: engine.queue.running == 1)
        waiting = asyncio.ensure_future(bare())
        await until(lambda: engine.queue._lines)
        assert not await engine.drain(0.05)
        pieces = await running
        assert pieces[-1].stop_reason == "cancelled" and len(pieces) > 1
        with pytest.raises(OverloadedError):
            await waiting
        assert (engine.queue.running, engine.queue.waiting) == (0, 0)

    with open_engine(tmp_path, slow()) as (_, run):
        run(test)


def test_draining_ends_a_grounded_answer_with_done(tmp_path: Path) -> None:
    async def test(engine: Engine) -> None:
        async def ask() -> list[Any]:
            return [event async for event in engine.answer(READER, "Где изобрели самовар?")]

        running = asyncio.ensure_future(ask())
        await until(lambda: engine.queue.running == 1)
        await engine.drain(0.05)
        last = (await running)[-1]
        assert isinstance(last, Done) and last.answer.stop_reason == "cancelled"

    with open_engine(tmp_path, slow()) as (_, run):
        run(test)


def test_uploads_do_not_hold_up_searching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen people add documents while one that takes long is being read; a search needs no thread of theirs."""
    import samovar.library.add

    go, begun = threading.Event(), threading.Event()

    def slow_add(*arguments: object, **options: object) -> str:
        begun.set()
        go.wait(30)
        return "report"

    monkeypatch.setattr(samovar.library.add, "add", slow_add)

    async def test(engine: Engine) -> None:
        adds = [asyncio.ensure_future(engine.add(READER, ["x"], private_source("u1"))) for _ in range(12)]
        await until(begun.is_set)
        try:
            found = await asyncio.wait_for(engine.search(OTHER, "самовар"), 10)
            assert found.hits
        finally:
            go.set()
        assert await asyncio.gather(*adds) == ["report"] * 12

    with open_engine(tmp_path, slow()) as (_, run):
        run(test)


def test_others_collections_cannot_be_added_to(tmp_path: Path) -> None:
    async def test(engine: Engine) -> None:
        with pytest.raises(NotFoundError):
            await engine.add(OTHER, ["x"], private_source("u1"))
        with pytest.raises(NotFoundError):  # not even by an admin
            await engine.add(replace(OTHER, role="admin"), ["x"], private_source("u1"))
        with pytest.raises(ForbiddenError):
            await engine.add(READER, ["x"], "shared")

    with open_engine(tmp_path, slow()) as (_, run):
        run(test)


def test_a_collection_that_appears_during_a_search_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race: what is hidden is decided, another's first private document arrives, and only then is searched."""

    async def test(engine: Engine) -> None:
        secret = text_document("secret", "Самовар спрятан под третьей половицей.", source=private_source("u1"))
        decide = engine.visible
        late = iter([True])

        def visible(principal: Principal, filters: Filters = Filters()) -> Filters:
            decided = decide(principal, filters)
            if next(late, False):
                with engine.samovar.library.writer() as writer:
                    writer.put([secret])
                engine.samovar.searcher.sync()
            return decided

        monkeypatch.setattr(engine, "visible", visible)
        found = await engine.search(OTHER, "самовар половица")
        assert found.hits and secret.id not in {hit.document.id for hit in found.hits}
        late = iter([True])
        secret = text_document("again", "Самовар спрятан на чердаке.", source=private_source("u3"))
        events = [event async for event in engine.answer(OTHER, "Где спрятан самовар?")]
        assert isinstance(events[0], Found)
        assert all(hit.document.source == "test" for hit in events[0].hits)
        own = await engine.search(READER, "самовар половица")
        assert private_source("u1") in {hit.document.source for hit in own.hits}

    with open_engine(tmp_path, ScriptedModel(["Не знаю."])) as (_, run):
        run(test)


def test_a_filter_cannot_name_anothers_collection(tmp_path: Path) -> None:
    async def test(engine: Engine) -> None:
        secret = text_document("secret", "Самовар спрятан под половицей.", source=private_source("u1"))
        with engine.samovar.library.writer() as writer:
            writer.put([secret])
        engine.samovar.searcher.sync()
        for filters in (
            Filters(sources=(private_source("u1"),)),
            Filters(document_ids=(secret.id,)),
            Filters(hidden_sources=("nothing",)),
        ):
            found = await engine.search(OTHER, "самовар половица", filters=filters)
            assert secret.id not in {hit.document.id for hit in found.hits}
            assert secret.id in {h.document.id for h in (await engine.search(READER, "самовар", filters=filters)).hits}

    with open_engine(tmp_path, slow()) as (_, run):
        run(test)


def test_embeddings_wait_in_a_line_that_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    class Embedder:
        name = "stub"

        def embed_passages(self, texts: Sequence[str]) -> list[float]:
            go.wait(30)
            return [0.0]

    async def test(engine: Engine) -> None:
        monkeypatch.setattr(engine, "embedder", Embedder)
        tasks = [asyncio.ensure_future(engine.embed(LOCAL, ["a"])) for _ in range(WAITING_EMBEDDINGS)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await engine.embed(LOCAL, ["a"])
        assert (await engine.search(LOCAL, "самовар")).hits  # meanwhile
        go.set()
        assert await asyncio.gather(*tasks) == [("stub", [0.0])] * WAITING_EMBEDDINGS

    with open_engine(tmp_path, slow()) as (_, run):
        run(test)


def test_closing_while_a_model_writes_does_not_hang(tmp_path: Path) -> None:
    with open_engine(tmp_path, slow()) as (engine, run):

        async def test(engine: Engine) -> None:
            stream = engine.complete(READER, "scripted", HELLO)
            await anext(stream)
            await stream.aclose()

        run(test)
        engine.close()
        engine.close()


# -- threads ------------------------------------------------------------------------------------------------------------


def test_an_iterator_is_closed_in_its_thread_when_the_reader_leaves(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    closed, finished = threading.Event(), threading.Event()

    def numbers() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.set()

    async def main() -> None:
        cancel = Cancel()
        with ThreadPoolExecutor(1) as pool:
            stream = iterate(pool, numbers(), cancel, finished=finished.set)
            assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
            await stream.aclose()
            assert cancel
            await until(closed.is_set)
            await until(finished.is_set)

    asyncio.run(main())


def test_finished_is_called_even_if_closing_fails(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    class Rude:
        def __iter__(self) -> Rude:
            return self

        def __next__(self) -> int:
            raise StopIteration

        def close(self) -> None:
            raise ValueError("will not close")

    async def main() -> None:
        finished = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            with pytest.raises(ValueError, match="will not"):
                async for _ in iterate(pool, Rude(), Cancel(), finished=finished.set):
                    pass
            await until(finished.is_set)

    asyncio.run(main())


def test_a_pool_that_is_shut_down_refuses_and_calls_finished() -> None:
    from concurrent.futures import ThreadPoolExecutor

    async def main() -> None:
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
        finished = threading.Event()
        with pytest.raises(OverloadedError):
            await anext(iterate(pool, iter([1]), Cancel(), finished=finished.set))
        assert finished.is_set()

    asyncio.run(main())
