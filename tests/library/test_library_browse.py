"""Pages of the library for readers who may not see all of it: every page together is exactly what may be seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.corpus.document import Document, LedgerRow, make_document
from samovar.library.browse import (
    EVERYTHING,
    NEWEST,
    Sight,
    count_by,
    count_decisions,
    count_documents,
    find_listed,
    list_documents,
    list_rows,
    list_spans,
    sum_documents,
)
from samovar.library.store import Library

SOURCES = ("shared", "user:a", "user:b", "user:", "users", "user", "")
TITLES = ("Гоголь", "ГОГОЛЬ и сыны", "Straße", "STRASSE", "", "сад")
ROWS = st.tuples(st.sampled_from(SOURCES), st.sampled_from(("ru", "en")), st.sampled_from(TITLES))


def documents_of(rows: list[tuple[str, str, str]]) -> list[Document]:
    return [
        make_document(
            source=source,
            uri=f"/{number}",
            title=title,
            text="Текст о саде. " * (number % 3 + 1),
            language=language,
            published=("", "1999", "2001-05-02")[number % 3],
        )
        for number, (source, language, title) in enumerate(rows)
    ]


def walk(library: Library, sight: Sight, limit: int, **filters: str) -> list[Document]:
    """All pages, put together."""
    found, before = [], NEWEST
    while page := list_documents(library, sight, before=before, limit=limit, **filters):
        assert len(page) <= limit
        found += [one.document for one in page]
        before = page[-1].number
    return found


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(ROWS, min_size=1, max_size=20),
    own=st.sampled_from(("user:a", "user:c", "user:")),
    limit=st.integers(1, 7),
    source=st.sampled_from(("", *SOURCES[:3])),
    language=st.sampled_from(("", "ru", "tt")),
    title=st.sampled_from(("", "гоголь", "strasse", "САД", "%", "_")),
)
def test_pages_are_what_may_be_seen(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    own: str,
    limit: int,
    source: str,
    language: str,
    title: str,
) -> None:
    documents = documents_of(rows)
    sight = Sight("user:", own)
    with Library.open(tmp_path_factory.mktemp("home")) as library:
        with library.writer() as writer:
            writer.put(documents)
            writer.put(
                [], [LedgerRow(f"/lost{n}", "extract", "dropped", "empty", source=s) for n, s in enumerate(SOURCES)]
            )
        seen = [d for d in documents if not d.source.startswith("user:") or d.source == own]
        wanted = [
            d
            for d in seen
            if source in ("", d.source) and language in ("", d.language) and title.casefold() in d.title.casefold()
        ]
        found = walk(library, sight, limit, source=source, language=language, title=title)
        assert [d.uri for d in found] == [d.uri for d in reversed(wanted)]
        assert all(d.text == "" for d in found)
        if not title:
            assert count_documents(library, sight, source=source, language=language) == len(wanted)
        assert sum(count_by(library, "source", sight).values()) == len(seen)
        assert set(count_by(library, "source", sight)) == {d.source for d in seen}
        assert set(count_by(library, "published", sight)) == {d.published[:4] for d in seen}
        sums = sum_documents(library, sight)
        assert (sums.num_documents, sums.num_characters) == (len(seen), sum(len(d.text) for d in seen))
        ledger = list_rows(library, sight, limit=200)
        assert all(sight.sees(one.row.source) for one in ledger)
        assert {one.row.source for one in ledger} >= {d.source for d in seen}
        assert sum(count_decisions(library, sight).values()) == len(ledger)
        assert len(list_rows(library, EVERYTHING, limit=200)) == len(documents) + len(SOURCES)


def test_rows_are_filtered_and_paged(tmp_path: Path) -> None:
    with Library.open(tmp_path) as library:
        rows = [
            LedgerRow(f"/a/{n}.txt", "extract", "dropped", "empty" if n % 2 else "encrypted", source="s")
            for n in range(9)
        ]
        with library.writer() as writer:
            writer.put([], [*rows, LedgerRow("/ab/0.txt", "add", "kept", "added", source="s")])
        first = list_rows(library, reason="empty", limit=3)
        rest = list_rows(library, reason="empty", before=first[-1].number, limit=3)
        assert [one.row.uri for one in [*first, *rest]] == ["/a/7.txt", "/a/5.txt", "/a/3.txt", "/a/1.txt"]
        assert {one.row.uri for one in list_rows(library, uri="/a", limit=50)} == {row.uri for row in rows}
        assert [one.row.uri for one in list_rows(library, decision="kept")] == ["/ab/0.txt"]
        assert list_rows(library, stage="clean") == []


def test_one_document(tmp_path: Path) -> None:
    with Library.open(tmp_path) as library:
        document = documents_of([("shared", "ru", "Гоголь")])[0]
        with library.writer() as writer:
            writer.put([document])
        found = find_listed(library, document.id)
        assert found is not None
        assert (found.document.title, found.num_characters) == ("Гоголь", len(document.text))
        assert found.num_passages == len(library.passages_of(document.id))
        assert find_listed(library, "0" * 32) is None


def test_spans_are_the_passages(tmp_path: Path) -> None:
    with Library.open(tmp_path) as library:
        long = make_document(source="s", uri="/long", title="t", text="Самовар кипел у окна. " * 900, language="ru")
        with library.writer() as writer:
            writer.put([long])
        wanted = [(p.start, p.end) for p in library.passages_of(long.id)]
        assert len(wanted) > 10
        assert list_spans(library, long.id, limit=1_000) == wanted
        assert list_spans(library, long.id, offset=3, limit=4) == wanted[3:7]
        assert list_spans(library, long.id, offset=len(wanted), limit=4) == []
        assert list_spans(library, "0" * 32) == []
