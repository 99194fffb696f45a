"""The Qdrant engine, in process and through the client's local mode: the same hits as Tantivy's."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from search_texts import Opener, make_texts, put, uris

from samovar.search import Filters
from samovar.search.explain import verify, verify_order
from samovar.search.qdrant import QdrantFactory, make_point, term_number

QUESTIONS = (
    "Кто написал «Мёртвые души»?",
    "пушкн",
    "сталь",
    "маршрутизация",
    "самовар чай +тула",
    "мёртвые души -крестьян",
    '"мёртвые души"',
    "tea",
)


def make_factory(kind: str) -> QdrantFactory:
    if kind == "edge":
        pytest.importorskip("qdrant_edge", reason="needs the extra 'qdrant'")
        return QdrantFactory()
    client = pytest.importorskip("qdrant_client", reason="needs the extra 'qdrant'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return QdrantFactory(client=client.QdrantClient(":memory:"))


@pytest.fixture(params=["edge", "client"])
def factory(request: pytest.FixtureRequest) -> QdrantFactory:
    return make_factory(request.param)


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_same_hits_as_tantivy(open_searcher: Opener, factory: QdrantFactory) -> None:
    tantivy = open_searcher(make_texts())
    qdrant = open_searcher(make_engine=factory)
    for question in QUESTIONS:
        ours, theirs = tantivy.search(question), qdrant.search(question)
        assert [(h.passage.id, h.score) for h in ours.hits] == [(h.passage.id, h.score) for h in theirs.hits], question
        assert all(verify(h) for h in theirs.hits)
        assert verify_order(theirs.hits)
    assert tantivy.index.folder.exists()
    assert qdrant.index.folder.exists()


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_filters_changes_and_counts(open_searcher: Opener, factory: QdrantFactory) -> None:
    documents = make_texts({"a": ("", "Самовар первый.")}, published="1999", source="one") + make_texts(
        {"b": ("", "Самовар второй.")}, source="two"
    )
    searcher = open_searcher(documents, make_engine=factory)
    assert uris(searcher.search("самовар", filters=Filters(sources=("two",)))) == ["b"]
    assert uris(searcher.search("самовар", filters=Filters(hidden_sources=("one",)))) == ["b"]
    assert uris(searcher.search("самовар", filters=Filters(published_from="1998", published_to="2000"))) == ["a"]
    put(searcher.library, make_texts({"a": ("", "Чайник первый.")}, source="one"))
    assert uris(searcher.search("самовар")) == ["b"]
    assert uris(searcher.search("чайник")) == ["a"]
    engine = searcher.index.engine
    assert engine.highest_id() == max(
        p.id for d in searcher.library.documents() for p in searcher.library.passages_of(d.id)
    )


def test_reopened_from_disk(open_searcher: Opener, tmp_path: Path) -> None:
    searcher = open_searcher(make_texts(), make_engine=make_factory("edge"))
    before = uris(searcher.search("самовар"))
    searcher.close()
    assert uris(open_searcher(make_engine=make_factory("edge")).search("самовар")) == before


def test_sparse_vector_of_a_passage() -> None:
    from samovar.search.engine import EngineRow

    fields: dict[str, Any] = dict.fromkeys(
        ("document_id", "source", "language", "origin", "licence", "publisher", "published"), ""
    )
    point = make_point(EngineRow(id=1, terms="чай чай самовар", **fields))
    values = dict(zip(point.indices, point.values, strict=True))
    assert values[term_number("чай")] > values[term_number("самовар")] > 0
    assert point.payload["terms"] == sorted(values)
