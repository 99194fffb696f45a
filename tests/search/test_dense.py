"""Dense vectors: mixed as an exact component, made when needed, kept on disk, useful without and harmless with."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from search_texts import Opener, make_texts, put, uris

np = pytest.importorskip("numpy", reason="needs the extra 'dense'")
pytest.importorskip("usearch", reason="needs the extra 'dense'")

from samovar.search.explain import verify, verify_order  # noqa: E402


class LetterEmbedder:
    """A small real embedder: counts of letter pairs, hashed. Similar spelling, near vectors."""

    name = "letter-pairs"
    dimensions = 64

    def __init__(self) -> None:
        self.embedded = 0

    def embed_queries(self, texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for a, b in zip(text.lower(), text.lower()[1:], strict=False):
                row[zlib.crc32((a + b).encode()) % self.dimensions] += 1
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    def embed_passages(self, texts: Sequence[str]) -> Any:
        self.embedded += len(texts)
        return self.embed_queries(texts)


def test_component_is_exact_and_changes_the_order_only_through_the_score(open_searcher: Opener) -> None:
    searcher = open_searcher(make_texts(), embedder=LetterEmbedder())
    for question in ("мёртвые души крестьян", "Кто написал «Мёртвые души»?", "самовар чай мост", "пушкн"):
        result = searcher.search(question)
        assert result.hits
        assert all(verify(hit) for hit in result.hits)
        assert verify_order(result.hits)
    assert any(c.name == "dense" for h in searcher.search("мёртвые души крестьян").hits for c in h.explain)


def test_no_weight_means_no_change(open_searcher: Opener) -> None:
    plain = open_searcher(make_texts())
    mixed = open_searcher(embedder=LetterEmbedder(), dense_weight=0.0)
    question = "мёртвые души крестьян"
    assert [(h.passage.id, h.score) for h in mixed.search(question).hits] == [
        (h.passage.id, h.score) for h in plain.search(question).hits
    ]


def test_vectors_are_made_once_and_kept(open_searcher: Opener, tmp_path: Path) -> None:
    first = LetterEmbedder()
    searcher = open_searcher(make_texts(), embedder=first)
    searcher.search("мёртвые души крестьян")
    made = first.embedded
    assert made > 0
    searcher.search("мёртвые души крестьян")
    assert first.embedded == made
    searcher.close()
    second = LetterEmbedder()
    open_searcher(embedder=second).search("мёртвые души крестьян")
    assert second.embedded == 0


def test_neighbours_without_a_common_word(open_searcher: Opener) -> None:
    searcher = open_searcher(make_texts(), embedder=LetterEmbedder())
    dense = searcher._dense
    assert dense is not None
    assert dense.neighbours("самоварчик", searcher.library.num_passages) == []
    assert dense.embed_all(searcher.library) == searcher.library.num_passages
    assert dense.num_vectors == searcher.library.num_passages
    assert "samovar" in uris(searcher.search("маршрут самоварища"))
    put(searcher.library, make_texts({"new": ("", "Ленинград на реке.")}))
    assert uris(searcher.search("ленинград"))[:1] == ["new"]


def test_damaged_vectors_are_made_again(open_searcher: Opener) -> None:
    searcher = open_searcher(make_texts(), embedder=LetterEmbedder())
    searcher.search("мёртвые души")
    searcher.close()
    (file,) = searcher.index.folder.glob("vectors-*.usearch")
    file.write_bytes(b"broken")
    again = LetterEmbedder()
    assert open_searcher(embedder=again).search("мёртвые души").hits
    assert again.embedded > 0
