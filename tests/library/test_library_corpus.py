"""``samovar add corpus:PATH``: the documents of a built corpus with all their provenance, once, whatever interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from samovar.corpus.build.reading import open_corpus
from samovar.errors import CorpusError
from samovar.library.add import add
from samovar.library.progress import Progress, Provenance
from samovar.library.store import Library

sys.path.insert(0, str(Path(__file__).parent.parent / "corpus" / "card"))
from card_makers import build_rows

ROWS = [
    {"text": f"Глава {n}. " + f"В {n}-м письме говорится о числе {n * n}, дороге и погоде. " * 6, "url": f"https://a.example/{n}", "title": f"Глава {n}"}
    for n in range(120)
]  # fmt: skip
PLAIN: dict[str, Any] = {"stages": ["extract"]}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return build_rows(tmp_path / "made", ROWS, source={"licence": "CC-BY-4.0"}, **PLAIN)


def stored(library: Library) -> dict[str, Any]:
    return {d.uri: d for d in library.documents(limit=1000, with_text=True)}


def test_documents_keep_id_source_and_provenance(corpus: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    with Library.open(tmp_path / "home") as library:
        report = add(library, [f"corpus:{corpus}"], progress=seen.append)
        assert (report.documents, report.kept, report.dropped) == (len(ROWS), 1, 0)
        found = stored(library)
        for document in open_corpus(corpus).documents():
            mine = found[document.uri]
            assert (mine.id, mine.source, mine.text, mine.licence) == (document.id, "web", document.text, "CC-BY-4.0")
            assert mine.added_at.endswith("Z")
        rows = list(library.ledger())
        assert sum(row.decision == "kept" and row.stage == "library" for row in rows) == len(ROWS)
        (end,) = [row for row in rows if row.reason == "corpus"]
        assert end.value == f"{len(ROWS)} {open_corpus(corpus).manifest['output_sha256']}"
        assert seen[-1].bytes_done == seen[-1].bytes_total > 0
        again = add(library, [f"corpus:{corpus}"])
        assert (again.documents, again.unchanged, again.removed) == (0, 1, 0)
        assert library.version == report.version


def test_a_rebuilt_corpus_replaces_what_changed(corpus: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "home") as library:
        add(library, [f"corpus:{corpus}"])
        (corpus / "manifest.json").unlink()
        corpus.rename(tmp_path / "old")
        rows = [ROWS[0] | {"text": ROWS[0]["text"] + " Добавлено."}, *ROWS[1:100]]
        (build_rows(tmp_path / "new", rows, **PLAIN)).rename(corpus)
        report = add(library, [f"corpus:{corpus}"])
        assert (report.changed, report.removed) == (1, 20)
        found = stored(library)
        assert len(found) == 100
        assert found["https://a.example/0"].text.endswith("Добавлено.")


def test_source_and_overrides(corpus: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "home") as library:
        add(library, [f"corpus:{corpus}"], source="books", overrides=Provenance(publisher="Наука"))
        assert {(d.source, d.publisher) for d in stored(library).values()} == {("books", "Наука")}
        assert len(stored(library)) == len(ROWS)


def test_what_is_no_corpus_is_an_error(tmp_path: Path) -> None:
    with Library.open(tmp_path / "home") as library, pytest.raises(CorpusError, match="finished corpus"):
        add(library, [f"corpus:{tmp_path}"])


PROGRAM = """
import sys
from pathlib import Path
from samovar.library.add import add
from samovar.library.store import Library
import samovar.library.add as adding
adding.COMMIT_DOCUMENTS = 10
with Library.open(Path(sys.argv[1])) as library:
    add(library, [sys.argv[2]], progress=lambda p: print(p.documents, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [2, 5])
def test_killed_and_added_again(lines: int, tmp_path: Path) -> None:
    many = [row | {"url": f"{row['url']}/{n}", "text": row["text"] * 5 + str(n)} for n in range(30) for row in ROWS]
    corpus = build_rows(tmp_path / "made", many, **PLAIN)
    home = tmp_path / "home"
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), f"corpus:{corpus}"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for _ in range(lines):
        child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with Library.open(home) as library:
        before = library.num_documents
        assert before < len(many)
        report = add(library, [f"corpus:{corpus}"])
        assert report.documents == len(many) - before
        assert library.num_documents == len(many)
        rows = [row for row in library.ledger(limit=10**6) if row.stage == "library"]
        assert len(rows) == len(many)  # each acknowledged once


def test_adding_files_needs_nothing_of_corpora() -> None:
    """The extra is for building corpora; a plain installation has no numpy."""
    program = "import sys, samovar.library.add; print(sorted({'numpy', 'samovar.corpus.build'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_interrupted_and_added_again(corpus: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "home") as library:
        calls = iter([False, True])
        report = add(library, [f"corpus:{corpus}"], stop=lambda: next(calls, True))
        assert report.stopped and 0 < library.num_documents < len(ROWS)
        report = add(library, [f"corpus:{corpus}"])
        assert not report.stopped and library.num_documents == len(ROWS)
