"""A small real library and a searcher on it; every test that writes gets its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from search_texts import Opener, make_texts, put

from samovar.corpus.document import Document
from samovar.library import Library
from samovar.search import Searcher
from samovar.settings import SearchSettings


@pytest.fixture
def open_searcher(tmp_path: Path) -> Iterator[Opener]:
    """A function that puts documents into a library under `tmp_path` and opens a searcher on it."""
    with ExitStack() as stack:

        def open_on(documents: Sequence[Document] = (), home: Path | None = None, **given: Any) -> Searcher:
            library = stack.enter_context(Library.open(home or tmp_path / "home"))
            if documents:
                put(library, documents)
            options = {k: given.pop(k) for k in ("embedder", "make_engine") if k in given}
            return stack.enter_context(Searcher.open(library, SearchSettings(**given), **options))

        yield open_on


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    """A searcher on `TEXTS` that no test changes."""
    home = tmp_path_factory.mktemp("home")
    with Library.open(home) as library:
        put(library, make_texts())
        with Searcher.open(library, SearchSettings()) as opened:
            yield opened
