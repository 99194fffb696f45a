"""Targets in this process: a bare model, and our assistant that answers from the library. They are asked in threads, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from samovar import __version__
from samovar.audit.targets.target import Answered, TargetError
from samovar.errors import ModelError, SamovarError
from samovar.generate.model import GenerationOptions, Message, Model
from samovar.search.query import Filters

if TYPE_CHECKING:
    from samovar.app import Samovar


CONTINUATION = "Q: {{ messages[-1]['content'] }}\nA:"
CONTINUATION_STOPS = ("\nQ:", "\n\n")
"""How a base model, which was never taught to chat, is asked: it goes on after a question mark of ours. Letters of no language but Q and A, no
examples (they would teach it the answers' shape in one language), and it stops where it would ask itself the next question."""


class ModelTarget:
    """A bare model (llama.cpp, GigaChat, any `Model`), asked without a system prompt. `stop` ends an answer; `about` is added to the evidence."""

    def __init__(
        self,
        model: Model,
        *,
        max_tokens: int = 256,
        threads: int = 1,
        stop: tuple[str, ...] = (),
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._model = model
        self._max_tokens = max_tokens
        self._stop = stop
        self._about = dict(about or {})
        self.parallel = threads
        self._pool = ThreadPoolExecutor(threads, "samovar-audit")

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    def describe(self) -> Mapping[str, Any]:
        """Model and parameters."""
        return {
            "kind": "model",
            "model": self._model.name,
            "temperature": 0,
            "max_tokens": self._max_tokens,
            "system_prompt": None,
            **self._about,
        }

    async def ask(self, text: str, *, language: str, limit: int = 0) -> Answered:
        """Ask. See `Target.ask`."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, text)

    def _ask(self, text: str) -> Answered:
        said, finish = [], "stop"
        options = GenerationOptions(max_tokens=self._max_tokens, stop=self._stop)
        try:
            for piece in self._model.stream([Message("user", text)], options):
                said.append(piece.text)
                finish = piece.stop_reason or finish
        except ModelError as error:
            raise TargetError(f"{self._model.name} failed: {error}", retry=True) from error
        if finish == "error":
            raise TargetError(f"{self._model.name} ended the answer with an error", retry=True)
        answer = "".join(said)
        if finish == "refused":
            return Answered(answer, "filter", self._model.name)
        return Answered(answer, "length" if finish == "length" else "stop", self._model.name)

    async def close(self) -> None:
        """Free the model."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._model.close()


class AssistantTarget:
    """Our own assistant over a library: answers with citations, or abstains. Its sources are what it cites. `about` is added to the evidence."""

    def __init__(self, samovar: Samovar, *, threads: int = 1, about: Mapping[str, Any] | None = None) -> None:
        self._samovar = samovar
        self._about = dict(about or {})
        self.parallel = threads
        self._pool = ThreadPoolExecutor(threads, "samovar-audit")

    @property
    def name(self) -> str:
        """``samovar:grounded``, with the model behind it."""
        return f"samovar:{self._samovar.model.name}"

    def describe(self) -> Mapping[str, Any]:
        """Model, settings, and which library: its version and counts."""
        library = self._samovar.library
        return {
            "kind": "assistant",
            "model": self._samovar.model.name,
            "samovar": __version__,
            "assistant": self._samovar.settings.assistant.model_dump(),
            "generate": self._samovar.settings.generate.model_dump(
                include={"max_tokens", "temperature", "context_tokens"}
            ),
            "search": self._samovar.settings.search.model_dump(),
            "library": {"identity": library.identity, "version": library.version, "documents": library.num_documents},
            **self._about,
        }

    async def ask(self, text: str, *, language: str, limit: int = 0) -> Answered:
        """Ask. See `Target.ask`."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, text)

    def _ask(self, text: str) -> Answered:
        try:
            answer = self._samovar.assistant.ask(text)
        except SamovarError as error:
            raise TargetError(f"the assistant failed: {error}") from error
        sources = tuple(dict.fromkeys(c.uri for c in answer.citations))
        finish = "length" if answer.stop_reason == "length" else "stop"
        return Answered(answer.text, finish, __version__, sources)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Close what was opened."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._samovar.close()


class LibrarySearchTarget:
    """Our own search, as a search engine: the addresses of the results; with or without the floor of diversity."""

    def __init__(self, samovar: Samovar, *, diversity: bool = True, threads: int = 1) -> None:
        self._samovar = samovar
        self._diversity = diversity
        self.parallel = threads
        self._pool = ThreadPoolExecutor(threads, "samovar-audit")

    @property
    def name(self) -> str:
        """``search:samovar`` or ``search:samovar-plain`` (without diversity)."""
        return "search:samovar" if self._diversity else "search:samovar-plain"

    def describe(self) -> Mapping[str, Any]:
        """Settings and library."""
        library = self._samovar.library
        return {
            "kind": "search",
            "engine": "samovar",
            "diversity": self._diversity,
            "search": self._samovar.settings.search.model_dump(),
            "library": {"identity": library.identity, "version": library.version, "documents": library.num_documents},
        }

    async def ask(self, text: str, *, language: str, limit: int = 10) -> Answered:
        """Search. See `Target.ask`."""

        def work() -> Answered:
            result = self._samovar.searcher.search(text, k=limit or 10, filters=Filters(), diversity=self._diversity)
            lines = [f"{hit.rank}. {hit.document.title} — {hit.document.uri}" for hit in result.hits]
            return Answered(
                "\n".join(lines),
                "stop",
                __version__,
                tuple(h.document.publisher or h.document.uri for h in result.hits),
            )

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except SamovarError as error:
            raise TargetError(f"the search failed: {error}") from error

    async def close(self) -> None:
        """Close what was opened."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._samovar.close()
