"""Helpers of the assistant's tests: a library in a temporary home with the documents of a test, searched and asked for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from samovar.assistant.assistant import Assistant
from samovar.corpus.document import Document, make_document
from samovar.generate.model import Model
from samovar.library.store import Library
from samovar.search.searcher import Searcher
from samovar.settings import AssistantSettings, GenerateSettings, LibrarySettings, Settings


class Room:
    """A library and its searcher, and assistants over them."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, library=LibrarySettings(starter=False))
        self.library = Library.open(home)
        self.searcher: Searcher | None = None

    def put(self, *texts: str | Document, title: str = "", language: str = "ru", **metadata: str) -> list[Document]:
        """Add documents, plain texts under one title."""
        made = [
            t if isinstance(t, Document)
            else make_document(source="test", uri=f"/{title or 'text'}-{i}.txt", title=title, text=t, language=language, metadata=metadata)
            for i, t in enumerate(texts)
        ]  # fmt: skip
        with self.library.writer() as writer:
            writer.put(made)
        if self.searcher is not None:
            self.searcher.sync()
        return made

    def assistant(self, model: Model, **sections: dict[str, Any]) -> Assistant:
        """Return an assistant; `sections` are ``assistant={…}`` and ``generate={…}`` settings."""
        settings = self.settings.model_copy(
            update={
                "assistant": AssistantSettings(**sections.get("assistant", {})),
                "generate": GenerateSettings(**sections.get("generate", {})),
            }
        )
        if self.searcher is None:
            self.searcher = Searcher.open(self.library, settings.search, home=settings.home)
        return Assistant(self.searcher, model, settings, languages=("ru", "en"))

    def close(self) -> None:
        if self.searcher is not None:
            self.searcher.close()
        self.library.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    opened = Room(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def open_room() -> Callable[[Path], Room]:
    """The function that opens a room in a folder, for fixtures of a wider scope; its caller closes it."""
    return Room
