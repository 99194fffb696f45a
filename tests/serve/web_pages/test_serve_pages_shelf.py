"""The shelf: lists, totals, ledger pages and passage spans agree with the library, and what is out of sight leaves no trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.corpus.document import Document, LedgerRow, make_document
from samovar.errors import NotFoundError
from samovar.library.browse import Sight
from samovar.library.shelf import FIELDS, browsing, fold
from samovar.library.store import Library

WORDS = ("ёлка", "Байкал", "чай", "Café", "самовар", "Łódź")
SENTENCE = "Это предложение номер {n} о том, как самовар стоял на столе и кипел весь вечер. "


def document(number: int, source: str) -> Document:
    """Documents that differ in every field a list may filter by."""
    return make_document(
        source=source,
        uri=f"/{source}/{number}.txt",
        title=f"{WORDS[number % len(WORDS)]} {number}",
        text="".join(SENTENCE.format(n=i) for i in range(1, 3 + 30 * (number % 3))),
        language="ru" if number % 2 else "en",
        published=("", "1831", "1900-05", "2001-02-03")[number % 4],
        publisher=("", "A", "B")[number % 3],
        origin=("unknown", "RU")[number % 2],
        licence=("unknown", "CC-BY-4.0")[number % 2],
        metadata={"topic": "tea; water" if number % 2 else "tea"},
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    home: Path = tmp_path_factory.mktemp("shelf")
    with Library.open(home) as opened, opened.writer() as writer:
        for source in ("shared", "user:a", "user:b"):
            writer.put([document(number, source) for number in range(12)])
        writer.record([LedgerRow("/secret.pdf", "extract", "dropped", "encrypted", "", "", "user:gone")])
        yield opened


def test_totals_and_pages_agree_with_the_library(library: Library) -> None:
    with browsing(library) as shelf:
        everything = [d.id for d in library.documents()]
        paged = [d.id for offset in range(0, 40, 7) for d in shelf.documents(limit=7, offset=offset).documents]
        assert paged == everything[::-1]
        assert shelf.documents().total == library.num_documents == 36
        counts, info = shelf.counts(), library.info()
        assert (counts.num_documents, counts.num_passages, counts.num_characters) == (
            info.num_documents,
            info.num_passages,
            info.num_characters,
        )
        for name in FIELDS:
            assert dict(getattr(counts, f"by_{name}")) == dict(getattr(info, f"by_{name}"))
        assert dict(counts.ledger) == dict(info.ledger)
        assert counts.by_year == {"": 9, "1831": 9, "1900": 9, "2001": 9}
        assert shelf.metadata_values("topic") == {"tea": 36, "water": 18}


def test_what_is_remembered_is_forgotten_when_something_changes(tmp_path: Path) -> None:
    with Library.open(tmp_path) as library:
        for number in range(3):
            with library.writer() as writer:
                writer.put([document(number, "shared")])
                writer.record([LedgerRow(f"/{number}", "extract", "dropped", f"reason{number}", "", "", "shared")])
            with browsing(library) as shelf:
                counts = shelf.counts()
                assert counts is shelf.counts()
                assert (counts.num_documents, counts.ledger["dropped"]) == (number + 1, number + 1)
                assert f"reason{number}" in shelf.reasons()
            with browsing(library, Sight("sha")) as nothing:
                assert nothing.counts().num_documents == 0


def test_what_is_out_of_sight_leaves_no_trace(library: Library) -> None:
    with browsing(library, Sight("user:", "user:a")) as shelf:
        assert {d.source for d in shelf.documents(limit=100).documents} == {"shared", "user:a"}
        assert shelf.documents(filters={"source": "user:b"}).total == 0
        assert set(shelf.counts().by_source) == {"shared", "user:a"}
        # not even of a collection without documents
        assert {row.source for _, row in shelf.ledger(limit=500).rows} == {"shared", "user:a"}
        assert "encrypted" not in shelf.reasons() and "dropped" not in shelf.counts().ledger
        assert sum(shelf.reasons().values()) == sum(shelf.counts().ledger.values()) == 24
        others = next(library.documents(source="user:b"))
        with pytest.raises(NotFoundError):
            shelf.document(others.id)
        with pytest.raises(NotFoundError):
            shelf.document("0" * 32)
        assert shelf.document(next(library.documents(source="user:a")).id).num_passages > 0


@pytest.mark.parametrize(
    ("text", "title"), [("ЕЛКА", "ёлка"), ("cafe", "Café"), ("ŁÓDŹ", "Łódź"), ("байкал shared", "Байкал"), ("баик", "Байкал")]
)  # fmt: skip
def test_lists_are_searched_in_any_script_without_case_and_marks(library: Library, text: str, title: str) -> None:
    with browsing(library) as shelf:
        found = shelf.documents(text=text, limit=100)
    assert found.total == len(found.documents) > 0
    assert {d.title.split()[0] for d in found.documents} == {title}


def test_a_filter_that_does_not_exist_is_a_mistake_of_the_program(library: Library) -> None:
    with browsing(library) as shelf, pytest.raises(KeyError):
        shelf.documents(filters={"title": "x"})


@given(st.text(max_size=30))
@settings(max_examples=50, deadline=None)
def test_any_text_may_be_searched_for(library: Library, text: str) -> None:
    with browsing(library) as shelf:
        found = shelf.documents(text=text, limit=100)
        words = fold(text).split()[:12]
        expected = [d.id for d in library.documents() if all(w in fold(f"{d.title} {d.uri}") for w in words)]
        assert {d.id for d in found.documents} == set(expected)
        assert found.total == len(expected)
        shelf.ledger(text=text)


@given(start=st.integers(0, 6000), length=st.integers(1, 3000), number=st.integers(0, 11))
@settings(max_examples=60, deadline=None)
def test_the_spans_of_a_stretch_are_the_passages_that_reach_into_it(
    library: Library, start: int, length: int, number: int
) -> None:
    document_id = document(number, "shared").id
    passages = library.passages_of(document_id)
    with browsing(library) as shelf:
        found = shelf.spans(document_id, start, start + length)
    expected = [(n, p.start, p.end) for n, p in enumerate(passages, 1) if p.start < start + length and p.end > start]
    assert [(s.number, s.start, s.end) for s in found] == expected


def test_the_ledger_goes_on_where_a_page_ended(library: Library) -> None:
    with browsing(library) as shelf:
        before, seen = 0, []
        while True:
            page = shelf.ledger(before=before, limit=10)
            seen += [number for number, _ in page.rows]
            if not page.next:
                break
            before = page.next
        assert seen == sorted(seen, reverse=True)
        assert len(seen) == sum(1 for _ in library.ledger())
        dropped = shelf.ledger(decision="dropped").rows
        assert [row.reason for _, row in dropped] == ["encrypted"]
        assert Counter(row.reason for _, row in shelf.ledger(reason="added", limit=500).rows) == {"added": 36}
