"""The store against a dict model, passages against slices, a following index against the truth, the ledger against the
library.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from samovar.corpus.document import Document, LedgerRow, make_document
from samovar.errors import LibraryError, UsageError
from samovar.library import Library, check_replay, replay_ledger
from samovar.library.records import Input

Build = Callable[..., Document]
SOURCES = st.sampled_from(["a", "b"])
URIS = st.sampled_from(
    ["/x/1.txt", "/x/2.txt", "/x/z.zip!/1", "/x/z.zip!/2", "/y/t.csv#row=1", "/y/t.csv", "/y/C", "/y/C#.md"]
)
TEXTS = st.sampled_from(
    ["", " \n", "Один.", "  Два слова. И ещё.\n\n", "Три. " * 60, "Ёж\x00 и\u2028 кот. " * 40, "\ufeffтекст " * 300]
)


class LibraryMachine(RuleBasedStateMachine):
    """Random puts, replacements and removals; a dict (source, uri) → document is the model, an index follows
    `changes`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.library = Library.open(Path(self.folder.name))
        self.model: dict[tuple[str, str], Document] = {}
        self.index: dict[int, str] = {}
        self.stamp = 0

    def teardown(self) -> None:
        self.library.close()
        self.folder.cleanup()

    @rule(batch=st.lists(st.tuples(SOURCES, URIS, TEXTS, st.sampled_from(["unknown", "MIT"])), min_size=1, max_size=4))
    def put(self, batch: list[tuple[str, str, str, str]]) -> None:
        documents = [make_document(source=s, uri=u, title=u, text=t, language="ru", licence=x) for s, u, t, x in batch]
        before, changed = self.library.version, False
        with self.library.writer(words=12, overlap=3) as writer:
            result = writer.put(documents)
        for document in documents:
            place = document.source, document.uri
            held = self.model.get(place)
            if held is None or replace(held, added_at="") != replace(document, added_at=""):
                self.model[place] = document
                changed = True
        assert result.version == self.library.version == before + changed
        assert result.added + result.replaced + result.unchanged == len(documents)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove_one(self, data: st.DataObject) -> None:
        document = data.draw(st.sampled_from(sorted(self.model.values(), key=lambda d: d.id)))
        with self.library.writer() as writer:
            assert writer.remove(document_id=document.id) == 1
        del self.model[document.source, document.uri]

    @rule(source=SOURCES)
    def remove_source(self, source: str) -> None:
        self._remove({place for place in self.model if place[0] == source}, source=source)

    @rule(
        source=SOURCES,
        path=st.sampled_from(["/x", "/x/", "/x/z.zip", "/y/t.csv", "/y/C", "/x/z.zip!/1", "/", "/nowhere"]),
    )
    def remove_path(self, source: str, path: str) -> None:
        inside = {
            "/x": {"/x/1.txt", "/x/2.txt", "/x/z.zip!/1", "/x/z.zip!/2"},
            "/x/z.zip": {"/x/z.zip!/1", "/x/z.zip!/2"},
            "/y/t.csv": {"/y/t.csv", "/y/t.csv#row=1"},
            "/y/C": {"/y/C"},
            "/x/z.zip!/1": {"/x/z.zip!/1"},
        }
        names = {uri for _, uri in self.model} if path == "/" else inside.get(path.rstrip("/"), set())
        self._remove(
            {place for place in self.model if place[0] == source and place[1] in names}, source=source, path=path
        )

    def _remove(self, places: set[tuple[str, str]], **what: Any) -> None:
        before = self.library.version
        with self.library.writer() as writer:
            assert writer.remove(**what) == len(places)
        for place in places:
            del self.model[place]
        assert self.library.version == before + bool(places)

    @rule(batch=st.integers(1, 7), steps=st.integers(0, 9))
    def follow(self, batch: int, steps: int) -> None:
        """An index that may stop after any change, stamps itself with what that change says, and starts empty at 0."""
        if self.stamp == 0:
            self.index.clear()
        for count, change in enumerate(self.library.changes(self.stamp, batch=batch)):
            if count == steps:
                return
            assert {p.document_id for p in change.passages} == set(change.documents)
            for passage in change.passages:
                if change.kind == "removed":
                    self.index.pop(passage.id, None)
                else:
                    self.index[passage.id] = passage.text
            self.stamp = change.version

    @invariant()
    def library_is_the_model(self) -> None:
        held = {(d.source, d.uri): d for d in self.library.documents(with_text=True)}
        assert held.keys() == self.model.keys()
        assert all(replace(held[place], added_at="") == replace(self.model[place], added_at="") for place in held)
        assert self.library.num_documents == len(held)

    @invariant()
    def passages_slice_back(self) -> None:
        total = 0
        for document in self.model.values():
            passages = self.library.passages_of(document.id)
            assert all(document.text[p.start : p.end] == p.text for p in passages)
            assert self.library.passages([p.id for p in passages]) == {p.id: p for p in passages}
            total += len(passages)
        assert self.library.num_passages == total

    @invariant()
    def ledger_replays(self) -> None:
        assert check_replay(self.library).equal
        assert replay_ledger(self.library.ledger()) == {place: d.id for place, d in self.model.items()}

    @invariant()
    def a_followed_index_is_complete(self) -> None:
        index = dict(self.index) if self.stamp else {}
        stamp = self.stamp
        for change in self.library.changes(self.stamp, batch=3):
            for passage in change.passages:
                if change.kind == "removed":
                    index.pop(passage.id, None)
                else:
                    index[passage.id] = passage.text
            stamp = change.version
        truth = {p.id: p.text for d in self.model.values() for p in self.library.passages_of(d.id)}
        assert index == truth
        assert stamp == self.library.version


LibraryMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
test_library_is_a_dict = LibraryMachine.TestCase


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), max_size=300), data=st.data())
def test_any_slice_of_any_text_comes_back(library: Library, text: str, data: st.DataObject) -> None:
    document = make_document(source="s", uri="u", title="", text=text, language="und")
    with library.writer(words=5, overlap=2) as writer:
        writer.put([document])
    assert library.document(document.id).text == document.text
    start = data.draw(st.integers(0, len(document.text)))
    end = data.draw(st.integers(start, len(document.text)))
    assert library.texts([(document.id, start, end)]) == [document.text[start:end]]


def test_same_document_again_is_no_op(library: Library, build_document: Build) -> None:
    with library.writer() as writer:
        writer.put([build_document(1)])
        again = writer.put([build_document(1, added_at="2030-01-01T00:00:00Z")])
    assert (again.unchanged, again.added, again.replaced, again.version) == (1, 0, 0, 1)
    assert len(list(library.ledger())) == 1


def test_new_provenance_replaces_and_gives_new_passages(library: Library, build_document: Build) -> None:
    with library.writer() as writer:
        writer.put([build_document(1)])
        before = library.passages_of(build_document(1).id)
        result = writer.put([build_document(1, licence="CC0-1.0")])
    assert result.replaced == 1
    assert library.document(build_document(1).id).licence == "CC0-1.0"
    assert {p.id for p in library.passages_of(build_document(1).id)}.isdisjoint(p.id for p in before)


def test_passage_ids_are_never_reused(library: Library, build_document: Build) -> None:
    seen: set[int] = set()
    for _ in range(4):
        with library.writer() as writer:
            writer.put([build_document(30)])
            ids = {p.id for p in library.passages_of(build_document(30).id)}
            writer.remove(source="test")
        assert ids
        assert seen.isdisjoint(ids)
        seen |= ids


def test_heads_have_no_text_and_unknown_ids_are_left_out(library: Library, build_document: Build) -> None:
    document = build_document(3, metadata={"aliases": "Ёлка; ель"}, published="1842", publisher="Дом", origin="RU")
    with library.writer() as writer:
        writer.put([document])
    assert library.document_heads([document.id, "no such"]) == {document.id: replace(document, text="")}
    passages = library.passages_of(document.id)
    found = library.passages_with_heads([*(p.id for p in passages), 10**6])
    assert found == {p.id: (p, replace(document, text="")) for p in passages} != {}
    assert library.passages([10**9]) == {}
    assert library.passages_of("no such") == []


def test_walk_filters_pages_and_offsets(library: Library, build_document: Build) -> None:
    documents = [
        build_document(i, text=f"Текст {i}.", source="ab"[i % 2], language=["ru", "tt"][i % 3 == 0])
        for i in range(1200)
    ]
    with library.writer() as writer:
        writer.put(documents)
    assert [d.id for d in library.documents()] == [d.id for d in documents]
    assert [d.id for d in library.documents(offset=995, limit=10)] == [d.id for d in documents[995:1005]]
    assert list(library.documents(with_text=True, limit=45)) == documents[:45]
    expected = [d.id for d in documents if d.source == "a" and d.language == "tt"]
    assert [d.id for d in library.documents(source="a", language="tt")] == expected
    assert [d.id for d in library.documents(source="a", language="tt", offset=3)] == expected[3:]
    assert [d.id for d in library.documents(uri="/texts/77.txt")] == [documents[77].id]
    assert list(library.documents(offset=5000)) == list(library.documents(limit=0)) == []


def test_info_counts(library: Library, build_document: Build) -> None:
    row = LedgerRow("/z", "extract", "dropped", "empty")
    record = Input("s", "/z", 0, 0, "", "dropped")
    with library.writer() as writer:
        writer.put([build_document(i, origin="RU", published=f"19{i}0") for i in range(3)], [row], [record])
        writer.put([build_document(9, source="other", language="tt", publisher="Дом")])
    info = library.info()
    assert (info.num_documents, info.num_inputs, info.version) == (4, 1, 2)
    assert info.by_source == {"test": 3, "other": 1}
    assert info.by_language == {"ru": 3, "tt": 1}
    assert info.by_origin == {"RU": 3, "unknown": 1}
    assert info.by_publisher == {"": 3, "Дом": 1}
    assert (info.earliest_published, info.latest_published) == ("1900", "1920")
    assert info.ledger == {"kept": 4, "dropped": 1}
    assert info.num_characters == sum(len(d.text) for d in library.documents(with_text=True))
    assert info.size_bytes > 0


def test_ledger_filters_and_order(library: Library, build_document: Build) -> None:
    rows = [
        LedgerRow(f"/a/{i}", "extract", "dropped", ["empty", "encrypted"][i % 2], str(i), "2026-01-01T00:00:00Z")
        for i in range(1300)
    ]
    with library.writer() as writer:
        writer.record(rows)
        writer.put([build_document(1)])
    assert list(library.ledger(stage="extract")) == rows
    assert list(library.ledger(stage="extract", newest_first=True)) == rows[::-1]
    assert list(library.ledger(reason="encrypted", limit=3)) == [rows[1], rows[3], rows[5]]
    assert [row.decision for row in library.ledger(uri="/texts/1.txt")] == ["kept"]
    assert [row.uri for row in library.ledger(uri="/a", decision="dropped", limit=2)] == ["/a/0", "/a/1"]
    assert library.version == 1


def test_a_wrong_id_and_a_lone_surrogate_are_refused_and_change_nothing(
    library: Library, build_document: Build
) -> None:
    broken = make_document(source="s", uri="u", title="t", text="плохо \ud800 плохо", language="ru")
    with library.writer() as writer:
        with pytest.raises(LibraryError, match="hash of its source"):
            writer.put([build_document(1), replace(build_document(2), text="другое")])
        with pytest.raises(LibraryError, match="lone surrogate"):
            writer.put([build_document(1), broken])
    assert (library.version, library.num_documents, list(library.ledger())) == (0, 0, [])


def test_removing_nothing_named_is_a_usage_error(library: Library) -> None:
    with library.writer() as writer, pytest.raises(UsageError, match="something to remove"):
        writer.remove()


def test_unknown_documents_and_wrong_offsets_are_errors(library: Library, build_document: Build) -> None:
    with library.writer() as writer:
        writer.put([build_document(1)])
    with pytest.raises(LibraryError, match="expected a document"):
        library.document("no such")
    with pytest.raises(LibraryError, match="expected a document"):
        library.texts([("no such", 0, 1)])
    with pytest.raises(ValueError, match="expected 0 <= start"):
        library.texts([(build_document(1).id, 0, 10**6)])


def test_removal_forgets_the_input(library: Library, build_document: Build) -> None:
    record = Input("test", "/texts/1.txt", 5, 5, "x", "kept", num_documents=1)
    with library.writer() as writer:
        writer.put([build_document(1), build_document(2)], inputs=[record, replace(record, uri="/texts/2.txt")])
        writer.remove(uri="/texts/1.txt")
    assert [r.uri for r in library.inputs()] == ["/texts/2.txt"]


def test_a_snapshot_does_not_move(library: Library, build_document: Build) -> None:
    with library.writer() as writer:
        writer.put([build_document(1)])
        with library.snapshot() as view:
            writer.put([build_document(2)])
            writer.remove(document_id=build_document(1).id)
            assert (view.version, view.num_documents) == (1, 1)
            assert view.document(build_document(1).id).text == build_document(1).text
    assert library.version == 3


def test_writing_outside_the_block_or_read_only_is_refused(library: Library, home: Path, build_document: Build) -> None:
    writer = library.writer()
    with pytest.raises(LibraryError, match="write lock"):
        writer.put([build_document(1)])
    with Library.open(home, read_only=True) as reader, pytest.raises(LibraryError, match="read-only"):
        reader.writer()


def test_threads_share_a_library(library: Library, build_document: Build) -> None:
    errors: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(60):
                for document in library.documents(with_text=True):
                    spans = [(document.id, p.start, p.end) for p in library.passages_of(document.id)]
                    assert all(text for text in library.texts(spans))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        with library.writer() as writer:
            writer.put([build_document(number)])
    for thread in threads:
        thread.join()
    assert errors == []
    assert library.num_documents == 10
