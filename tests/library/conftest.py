"""Helpers of the library tests: a library in a temporary home, documents by the number, and a text source of a few
lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from samovar.corpus.document import Document, LedgerRow, make_document
from samovar.corpus.extracted import Extracted, drop
from samovar.library.store import Library


def _build_document(number: int, text: str = "", **fields: Any) -> Document:
    """A document of a few sentences; the same number always gives the same one."""
    body = text or " ".join(
        f"Предложение {i} документа {number} говорит о реке и о городе." for i in range(number % 40 + 1)
    )
    defaults = {"source": "test", "uri": f"/texts/{number}.txt", "title": f"Документ {number}", "language": "ru"}
    return make_document(**{**defaults, **fields}, text=body)


class _PlainSource:
    """A text source in process: ``.txt`` is one text, ``.pack`` a JSON object of members, anything else is refused."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.closed = False

    def extract(self, path: Path, uri: str | None = None) -> Iterator[Extracted | LedgerRow]:
        address = uri or str(path)
        self.read.append(path.name)
        content = path.read_text()
        if path.suffix == ".pack":
            for name, text in json.loads(content).items():
                yield (
                    Extracted(f"{address}!/{name}", name, text, "ru")
                    if text
                    else drop(f"{address}!/{name}", "empty", 0)
                )
        elif path.suffix == ".txt" and content.startswith("REFUSE"):
            yield drop(address, content.split()[1], 1)
        elif path.suffix == ".txt":
            yield Extracted(
                address, path.stem, content, "ru", changed=(("encoding", "cp1251"),) if "cp1251" in content else ()
            )
        else:
            yield drop(address, "unsupported", path.suffix)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Library.open(home) as opened:
        yield opened


@pytest.fixture
def build_document() -> Callable[..., Document]:
    """The function ``(number, text="", **fields) → Document``."""
    return _build_document


@pytest.fixture
def plain_source() -> type[_PlainSource]:
    """The class of the small text source."""
    return _PlainSource
