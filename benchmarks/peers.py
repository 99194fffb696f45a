"""Other engines on the same passages, each with its own usual setting for the language: what Samovar is compared with.

Every peer is a class with `name`, `index(texts)` and `search(question, k) -> list of text numbers`. They run in the process of the benchmark
and keep their indexes in memory or in a temporary folder.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

_WORD = re.compile(r"\w+")
SNOWBALL = {"ru": "russian", "en": "english"}


class Peer(Protocol):
    """An engine to compare with."""

    name: str

    def index(self, texts: Sequence[str]) -> None:
        """Index the texts; their numbers are their places."""

    def search(self, question: str, k: int) -> list[int]:
        """Return the numbers of the `k` best texts."""


class StemmingWords:
    """Lower-cased words stemmed by Snowball: the usual analysis."""

    def __init__(self, language: str) -> None:
        import Stemmer

        self._stemmer = Stemmer.Stemmer(SNOWBALL[language])

    def __call__(self, text: str) -> list[str]:
        stems: list[str] = self._stemmer.stemWords(_WORD.findall(text.lower()))
        return stems


class Bm25sPeer:
    """bm25s (static index, Lucene's BM25) with Snowball stems."""

    name = "bm25s+snowball"

    def __init__(self, language: str) -> None:
        self._words = StemmingWords(language)
        self._retriever: Any = None

    def index(self, texts: Sequence[str]) -> None:
        import bm25s

        self._retriever = bm25s.BM25()
        self._retriever.index([self._words(t) for t in texts], show_progress=False)

    def search(self, question: str, k: int) -> list[int]:
        words = self._words(question)
        numbers, scores = self._retriever.retrieve([words], k=k, show_progress=False)
        return [int(n) for n, s in zip(numbers[0], scores[0], strict=True) if s > 0]


class TantivyPeer:
    """Tantivy with its own tokenizer, lower case and stemmer of the language, its query parser (lenient)."""

    name = "tantivy+own-stemmer"

    def __init__(self, language: str) -> None:
        import tantivy

        self._t = tantivy
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", tokenizer_name="peer", index_option="freq")
        builder.add_unsigned_field("number", fast=True)
        self._folder = tempfile.TemporaryDirectory()
        self._index = tantivy.Index(builder.build(), path=self._folder.name)
        analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.lowercase())
        self._index.register_tokenizer("peer", analyzer.filter(tantivy.Filter.stemmer(SNOWBALL[language])).build())

    def index(self, texts: Sequence[str]) -> None:
        writer = self._index.writer(120_000_000, 1)
        for number, text in enumerate(texts):
            document = self._t.Document()
            document.add_text("body", text)
            document.add_unsigned("number", number)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()

    def search(self, question: str, k: int) -> list[int]:
        query, _ = self._index.parse_query_lenient(question, ["body"])
        hits = self._searcher.search(query, k, count=False).hits
        numbers: list[int] = self._searcher.fast_field_values("number", [address for _, address in hits])
        return numbers


class Fts5Peer:
    """SQLite FTS5 with its bm25() over Snowball stems, any word may match."""

    name = "sqlite-fts5+snowball"

    def __init__(self, language: str) -> None:
        self._words = StemmingWords(language)
        self._connection = sqlite3.connect(":memory:")
        self._connection.execute("CREATE VIRTUAL TABLE texts USING fts5(body, content='', tokenize='unicode61')")

    def index(self, texts: Sequence[str]) -> None:
        rows = ((number, " ".join(self._words(text))) for number, text in enumerate(texts))
        self._connection.executemany("INSERT INTO texts (rowid, body) VALUES (?, ?)", rows)

    def search(self, question: str, k: int) -> list[int]:
        query = " OR ".join(f'"{stem}"' for stem in dict.fromkeys(self._words(question)))
        if not query:
            return []
        statement = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY bm25(texts), rowid LIMIT ?"
        return [row[0] for row in self._connection.execute(statement, (query, k))]


PEERS: dict[str, Any] = {peer.name: peer for peer in (Bm25sPeer, TantivyPeer, Fts5Peer)}


def folder_bytes(folder: Path) -> int:
    """Total size of the files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
