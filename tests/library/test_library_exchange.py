"""Export and import: the same library comes back; an unfinished, damaged or foreign export is refused by name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samovar.corpus.document import Document, LedgerRow, make_document
from samovar.digests import hash_file
from samovar.errors import LibraryError
from samovar.library import Input, Library, check_replay, exchange, export_library, import_library
from samovar.library.exchange import read_manifest

Build = Callable[..., Document]


@pytest.fixture
def filled(library: Library, build_document: Build) -> Library:
    """A library with a history: replaced and removed documents, odd texts, inputs, rows of other stages."""
    odd = make_document(
        source="s", uri="/odd", title="a\tb", text=' \ufeffТекст\x00 "с"\u2028 переводом\r\n\n.  ', language="und"
    )
    with library.writer(words=30, overlap=8) as writer:
        writer.put([build_document(n, metadata={"aliases": f"Имя {n}; Name {n}"}) for n in range(25)])
        writer.put(
            [odd, build_document(3, text="Замена. " * 50)], [LedgerRow("/x", "extract", "dropped", "empty", "0")]
        )
        writer.put([], inputs=[Input("test", "/texts/3.txt", 9, 9, "ab", "kept", "1", 1, "2026-01-01T00:00:00Z")])
        writer.remove(uri="/texts/7.txt")
        writer.set_meta({"starter.pack": "ru"})
    return library


def content(library: Library) -> dict[str, Any]:
    """All that an import must give back."""
    return {
        "stored": list(library.stored()),
        "passages": [p for d in library.documents() for p in library.passages_of(d.id)],
        "ledger": list(library.ledger()),
        "inputs": library.inputs(),
        "withheld": library.withheld(),
        "counts": (library.num_documents, library.num_passages),
        "starter": library.info().starter,
    }


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "other") as library:
        yield library


def test_import_gives_the_same_library_back(filled: Library, other: Library, tmp_path: Path) -> None:
    manifest = export_library(filled, tmp_path / "out")
    result = import_library(other, tmp_path / "out")
    assert content(other) == content(filled)
    assert result.added == manifest.num_documents == filled.num_documents
    assert check_replay(other).equal
    assert other.identity != filled.identity
    assert export_library(other, tmp_path / "again").files == manifest.files


def test_an_imported_library_goes_on(filled: Library, other: Library, tmp_path: Path, build_document: Build) -> None:
    export_library(filled, tmp_path / "out")
    import_library(other, tmp_path / "out")
    highest = max(p.id for p in content(other)["passages"])
    with other.writer() as writer:
        assert writer.put([build_document(77)]).added == 1
    assert min(p.id for p in other.passages_of(build_document(77).id)) > highest


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=80), max_size=5))
def test_any_text_survives(tmp_path_factory: Any, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("exchange")
    documents = [
        make_document(source=t[:3], uri=f"{i}{t}", title=t, text=t * 9, language="und") for i, t in enumerate(texts)
    ]
    with Library.open(folder / "a") as library, Library.open(folder / "b") as other:
        with library.writer(words=4, overlap=1) as writer:
            writer.put(documents)
        export_library(library, folder / "out")
        import_library(other, folder / "out")
        assert content(other) == content(library)


def test_parquet_holds_the_same_columns(filled: Library, tmp_path: Path) -> None:
    export_library(filled, tmp_path / "out")
    table = pyarrow.parquet.read_table(tmp_path / "out" / exchange.TABLE).to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "out" / exchange.DOCUMENTS).read_bytes().split(b"\n")[:-1]]
    assert [{**row, "metadata": dict(row["metadata"])} for row in table] == lines
    row = next(row for row in table if row["uri"] == "/texts/20.txt")
    document = next(filled.documents(uri="/texts/20.txt", with_text=True))
    assert row["text"] == document.text
    assert [row["text"][a:b] for a, b in row["passages"]] == [p.text for p in filled.passages_of(document.id)]


def test_merging_into_a_library_that_is_not_empty(
    filled: Library, other: Library, tmp_path: Path, build_document: Build
) -> None:
    with other.writer() as writer:
        writer.put([build_document(1), build_document(900)])
    export_library(filled, tmp_path / "out")
    result = import_library(other, tmp_path / "out")
    assert {d.id for d in other.documents()} == {d.id for d in filled.documents()} | {build_document(900).id}
    assert result.added == filled.num_documents - 1
    assert check_replay(other).equal


@pytest.mark.parametrize("name", [exchange.DOCUMENTS, exchange.TABLE, exchange.LEDGER, exchange.INPUTS])
@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_damage_is_refused_by_name_and_nothing_imported(
    filled: Library, other: Library, tmp_path: Path, name: str, damage: str
) -> None:
    export_library(filled, tmp_path / "out")
    path = tmp_path / "out" / name
    data = bytearray(path.read_bytes())
    if damage == "delete":
        path.unlink()
    else:
        middle = len(data) // 2
        path.write_bytes(
            data[:middle] if damage == "cut" else data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        )
    with pytest.raises(LibraryError, match=name):
        import_library(other, tmp_path / "out")
    assert (other.num_documents, other.version, list(other.ledger())) == (0, 0, [])


def forge(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the first document of an export and put the manifest right, as somebody with an editor would."""
    path = folder / exchange.DOCUMENTS
    first, *rest = path.read_bytes().split(b"\n")
    record = json.loads(first)
    change(record)
    path.write_bytes(b"\n".join([json.dumps(record).encode(), *rest]))
    manifest = json.loads((folder / exchange.MANIFEST).read_bytes())
    manifest["files"][exchange.DOCUMENTS] = hash_file(path)
    (folder / exchange.MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(text=r["text"] + "!"), "hash of its source"),
        (lambda r: r.update(passages=[[0, 10**6]]), "passages in order"),
        (lambda r: r.update(passages=[[0, 9], [0, 9]]), "passages in order"),
        (lambda r: r.update(passages=[[5, 5]]), "passages in order"),
        (lambda r: r.pop("uri"), "line 1"),
        (lambda r: r.update(passages=7), "line 1"),
    ],
)
def test_a_forged_document_is_refused_whole(
    filled: Library, other: Library, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    export_library(filled, tmp_path / "out")
    forge(tmp_path / "out", change)
    with pytest.raises(LibraryError, match=message):
        import_library(other, tmp_path / "out")
    assert (other.num_documents, other.num_passages, list(other.ledger())) == (0, 0, [])


def test_an_unfinished_export_is_refused(filled: Library, other: Library, tmp_path: Path) -> None:
    export_library(filled, tmp_path / "out")
    (tmp_path / "out" / exchange.MANIFEST).unlink()
    with pytest.raises(LibraryError, match="did not finish"):
        import_library(other, tmp_path / "out")


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"format": 99}'])
def test_a_strange_manifest_is_refused(filled: Library, other: Library, tmp_path: Path, manifest: str) -> None:
    export_library(filled, tmp_path / "out")
    path = tmp_path / "out" / exchange.MANIFEST
    loaded = json.loads(path.read_bytes())
    path.write_text(json.dumps({**loaded, **json.loads(manifest)}) if manifest.startswith('{"') else manifest)
    with pytest.raises(LibraryError, match=r"manifest\.json"):
        import_library(other, tmp_path / "out")


def test_a_failing_export_leaves_no_manifest(filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_library(filled, tmp_path / "out")

    def fail(item: object) -> dict[str, Any]:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(exchange, "to_record", fail)
    with pytest.raises(LibraryError, match="Free some space"):
        export_library(filled, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert exchange.MANIFEST not in names
    assert not any(name.endswith(".tmp") for name in names)


def test_export_to_a_file_is_an_error(filled: Library, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="expected to write the export"):
        export_library(filled, tmp_path / "file")


def test_export_leaves_the_files_of_others_alone(filled: Library, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "documents.jsonl").write_text("mine")
    (folder / "manifest.json").write_text('{"name": "my site"}')
    with pytest.raises(LibraryError, match=r"found other files named manifest\.json, documents\.jsonl"):
        export_library(filled, folder)
    assert {p.name: p.read_text() for p in folder.iterdir()} == {
        "documents.jsonl": "mine",
        "manifest.json": '{"name": "my site"}',
    }


def test_an_export_that_was_cut_short_is_written_again(
    filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_library(filled, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(exchange, "hash_file", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export_library(filled, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    export_library(filled, tmp_path / "out")
    assert exchange.read_manifest(tmp_path / "out").num_documents == filled.num_documents
    assert not (tmp_path / "out" / "export.unfinished").exists()


def test_export_is_one_version_while_others_write(
    filled: Library, home: Path, tmp_path: Path, build_document: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, before = exchange.to_record, content(filled)

    def write_meanwhile(item: Any) -> dict[str, Any]:
        with Library.open(home) as busy, busy.writer() as writer:
            writer.put([build_document(500, text=f"Позже {item.first_passage}.")])
        return real(item)

    monkeypatch.setattr(exchange, "to_record", write_meanwhile)
    manifest = export_library(filled, tmp_path / "out")
    assert filled.version > manifest.version
    with Library.open(tmp_path / "other") as other:
        import_library(other, tmp_path / "out")
        assert content(other)["stored"] == before["stored"]
        assert check_replay(other).equal


def test_a_copied_export_is_as_good(filled: Library, other: Library, tmp_path: Path) -> None:
    export_library(filled, tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "moved")
    shutil.rmtree(tmp_path / "out")
    import_library(other, tmp_path / "moved")
    assert replace(read_manifest(tmp_path / "moved"), files={}).num_documents == other.num_documents
