"""The index follows the library: step by step equals at once, other processes are seen, kills and damage heal themselves."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_texts import TEXTS, Opener, make_texts, put, uris

from samovar.errors import SearchError
from samovar.library import Library
from samovar.search import Searcher, analysis
from samovar.search import index as index_module
from samovar.search.engine import EngineQuery
from samovar.search.index import SearchIndex, SyncProgress
from samovar.settings import SearchSettings

QUESTIONS = ("Кто написал «Мёртвые души»?", "пушкн", "стальной мост", "самовар чай", "tea", "документ река 17")


def state_of(searcher: Searcher) -> list[list[tuple[int, float]]]:
    """Ids and scores of all questions."""
    return [[(hit.passage.id, hit.score) for hit in searcher.search(q, k=50, diversity=False).hits] for q in QUESTIONS]


def check_engine(searcher: Searcher) -> None:
    """The engine holds exactly the library's passages, each once."""
    found = searcher.index.engine.find(EngineQuery(()), 100_000)
    library = searcher.library
    assert sorted(found.ids) == sorted(p.id for d in library.documents() for p in library.passages_of(d.id))


def numbered(number: int) -> dict[str, tuple[str, str]]:
    """A text for a number."""
    return {
        f"n{number}": (
            f"Документ {number}",
            f"Это документ {number}. Река и мост номер {number % 5}. {'Самовар стоит.' * (number % 3)}",
        )
    }


@given(st.lists(st.tuples(st.sampled_from(["put", "remove"]), st.integers(0, 11)), min_size=1, max_size=12))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_step_by_step_equals_at_once(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    home = tmp_path_factory.mktemp("steps")
    with Library.open(home) as library, Searcher.open(library, SearchSettings()) as searcher:
        put(library, make_texts())
        for kind, number in steps:
            if kind == "put":
                put(library, make_texts(numbered(number) | {"shared": ("", f"Общий самовар {number}.")}))
            else:
                with library.writer() as writer:
                    writer.remove(uri=f"n{number}")
            searcher.sync()
        statistics = searcher.index.rows.statistics()
        # so small a library changes less than a tenth in no step: weights as in a new index
        with searcher.index.rows.transaction():
            searcher.index.rows.set_meta("grams_counted_at", "")
            searcher.index.rows.recount_grams()
        searcher._planner = None
        stepwise = state_of(searcher)
        check_engine(searcher)
        searcher.index.rebuild()
        searcher._planner = None
        assert searcher.index.rows.statistics().num_passages == statistics.num_passages == library.num_passages
        assert searcher.index.rows.statistics().average_length == statistics.average_length
        assert state_of(searcher) == stepwise


def test_report_and_progress(open_searcher: Opener, tmp_path: Path) -> None:
    searcher = open_searcher()
    put(searcher.library, make_texts())
    seen: list[SyncProgress] = []
    report = searcher.sync(seen.append)
    assert (report.added, report.removed, report.complete) == (len(TEXTS), 0, True)
    assert report.version == searcher.library.version
    assert seen[-1].done == seen[-1].total == len(TEXTS)
    again = searcher.sync()
    assert (again.added, again.version) == (0, report.version)


def test_replaced_document_is_found_under_its_new_text_only(open_searcher: Opener) -> None:
    searcher = open_searcher(make_texts({"u": ("", "Старое слово кибитка.")}))
    put(searcher.library, make_texts({"u": ("", "Новое слово карета.")}))
    assert uris(searcher.search("карета")) == ["u"]
    check_engine(searcher)
    assert uris(searcher.search("кибитка")) == []


def test_index_of_another_analyser_is_rebuilt(
    open_searcher: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_searcher(make_texts())
    old = first.index.folder
    monkeypatch.setattr(analysis, "CODE_REVISION", analysis.CODE_REVISION + 1)
    second = open_searcher()
    assert second.index.folder != old
    assert not old.exists()
    assert uris(second.search("самовар"))[:1] == ["samovar"]


def test_index_of_another_library_is_not_used(open_searcher: Opener, tmp_path: Path) -> None:
    searcher = open_searcher(make_texts(), home=tmp_path / "a")
    with Library.open(tmp_path / "b") as other:
        put(other, make_texts({"x": ("", "Совсем другое.")}))
        with Searcher.open(other, SearchSettings(), home=tmp_path / "a") as second:
            assert uris(second.search("другое")) == ["x"]
            assert uris(second.search("самовар")) == []
    assert searcher.library.num_documents == len(TEXTS)


def test_library_put_back_to_an_older_copy(open_searcher: Opener, tmp_path: Path) -> None:
    home = tmp_path / "home"
    searcher = open_searcher(make_texts())
    with Library.open(home) as library:
        copy = sqlite3.connect(tmp_path / "old.sqlite")
        sqlite3.connect(library.path).backup(copy)
        copy.close()
    put(searcher.library, make_texts({"new": ("", "Ленинград.")}))
    assert uris(searcher.search("ленинград")) == ["new"]
    searcher.close()
    searcher.library.close()
    for name in ("", "-wal", "-shm"):
        Path(f"{home}/library/library.sqlite{name}").unlink(missing_ok=True)
    (tmp_path / "old.sqlite").rename(home / "library" / "library.sqlite")
    again = open_searcher()
    assert again.search("ленинград").hits == ()
    assert uris(again.search("самовар"))[:1] == ["samovar"]


@pytest.mark.parametrize("damage", ["rows", "rows gone", "engine", "engine gone", "segment"])
def test_damage_is_repaired(open_searcher: Opener, tmp_path: Path, damage: str) -> None:
    first = open_searcher(make_texts())
    folder = first.index.folder
    first.close()
    if damage == "rows":
        (folder / "rows.sqlite").write_bytes(b"not a database" * 1000)
        (folder / "rows.sqlite-wal").unlink(missing_ok=True)
    elif damage == "rows gone":
        for path in folder.glob("rows.sqlite*"):
            path.unlink()
    elif damage == "engine":
        (folder / "engine" / "meta.json").write_text("{", "utf-8")
    elif damage == "engine gone":
        for path in (folder / "engine").iterdir():
            path.unlink()
    else:
        for path in (folder / "engine").glob("*.store"):
            path.unlink()
        for path in (folder / "engine").glob("*.term"):
            path.write_bytes(b"")
    searcher = open_searcher()
    assert uris(searcher.search("самовар"))[:1] == ["samovar"]
    check_engine(searcher)


def test_cut_off_first_build_starts_again(open_searcher: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows written, version not: what a kill inside the very first batch leaves."""
    calls = []

    def fail(*_: object, **__: object) -> None:
        calls.append(1)
        raise SearchError("cut off")

    monkeypatch.setattr(index_module.TantivyEngine, "write", fail)
    with pytest.raises(SearchError, match="cut off"):
        open_searcher(make_texts())
    monkeypatch.undo()
    searcher = open_searcher()
    assert calls
    assert searcher.index.rows.statistics().num_passages == len(TEXTS)
    assert uris(searcher.search("самовар"))[:1] == ["samovar"]


def test_batch_given_again_counts_once(open_searcher: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and engine committed, version not: the batch comes again and replaces itself."""
    searcher = open_searcher(make_texts())
    put(searcher.library, make_texts({"new": ("", "Ленинград на реке.")}))
    monkeypatch.setattr(searcher.index.rows, "set_meta", _only_counts(searcher.index.rows.set_meta))
    searcher.sync()
    monkeypatch.undo()
    assert searcher.index.version < searcher.library.version
    searcher.sync()
    assert searcher.index.rows.statistics().num_passages == len(TEXTS) + 1
    assert searcher.index.rows.document_frequencies(["ленинград"]) == {"ленинград": 1}
    check_engine(searcher)
    assert uris(searcher.search("ленинград")) == ["new"]


def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a build of some twenty passages go the way of a large one: batches of 3, the engine's commit after every third."""
    monkeypatch.setattr(index_module, "BATCH_PASSAGES", 3)
    monkeypatch.setattr(index_module, "LARGE_PASSAGES", 4)
    monkeypatch.setattr(index_module, "COMMIT_PASSAGES", 7)


def test_a_large_build_commits_less_often_and_holds_the_same(
    open_searcher: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = make_texts({**TEXTS, **{k: v for n in range(16) for k, v in numbered(n).items()}})
    at_once = open_searcher(texts, home=tmp_path / "at once")
    small_batches(monkeypatch)
    commits = []
    write = index_module.TantivyEngine.write

    def counted(self: index_module.TantivyEngine, *args: object, commit: bool = True, **given: object) -> None:
        commits.append(commit)
        write(self, *args, commit=commit, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(index_module.TantivyEngine, "write", counted)
    searcher = open_searcher(texts, home=tmp_path / "in batches")
    assert commits == [True, False, False, True, False, False, True, False, True]  # the last one for what waited
    assert state_of(searcher) == state_of(at_once)
    assert searcher.index.rows.form_counts(["самовар", "мост"]) == at_once.index.rows.form_counts(["самовар", "мост"])
    check_engine(searcher)


@pytest.mark.parametrize("calls", range(1, 10))
def test_a_build_cut_off_between_commits_is_made_good(
    open_searcher: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Each document is a version of its own, so the build goes on from the last commit instead of starting again."""
    small_batches(monkeypatch)
    with Library.open(tmp_path / "home") as library:
        for document in make_texts({**TEXTS, **{k: v for n in range(16) for k, v in numbered(n).items()}}):
            put(library, [document])
    left = [calls]
    write = index_module.TantivyEngine.write

    def fail(self: index_module.TantivyEngine, *args: object, **given: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise SearchError("cut off")
        write(self, *args, **given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(index_module.TantivyEngine, "write", fail)
        with pytest.raises(SearchError, match="cut off"):
            open_searcher()
    searcher = open_searcher()
    assert searcher.index.version == searcher.library.version
    assert searcher.index.rows.statistics().num_passages == searcher.library.num_passages == len(TEXTS) + 16
    assert searcher.index.rows.document_frequencies(["гогол", "онегин"]) == {"гогол": 1, "онегин": 1}
    check_engine(searcher)


def test_an_open_searcher_survives_a_rebuild(open_searcher: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rebuilt vocabulary has other numbers: what was planned with the old ones must not be used."""
    searcher = open_searcher(make_texts())
    put(searcher.library, make_texts({"first": ("", "Ленинград на реке.")}))
    before = state_of(searcher)
    with searcher.library.writer() as writer:
        writer.remove(uri="gogol")
        writer.put(make_texts({"gogol": TEXTS["gogol"]}))  # comes last now
    searcher.search("река")
    searcher.index.rebuild()
    monkeypatch.setattr(searcher.index, "rebuild", None)  # a second one is not needed
    assert [len(found) for found in state_of(searcher)] == [len(found) for found in before]
    assert uris(searcher.search("Кто написал «Мёртвые души»?"))[0] == "gogol"
    assert uris(searcher.search("ленинград")) == ["first"]


def _only_counts(set_meta):  # type: ignore[no-untyped-def]
    def write(key: str, value: str) -> None:
        if key != "version":
            set_meta(key, value)

    return write


# -- other processes ------------------------------------------------------------------------------------------------------
WRITER = """
import sys
from pathlib import Path
from samovar.corpus.document import make_document
from samovar.library import Library
from samovar.search import Searcher
from samovar.settings import SearchSettings
home, count = Path(sys.argv[1]), int(sys.argv[2])
with Library.open(home) as library, Searcher.open(library, SearchSettings()) as searcher:
    for n in range(library.num_documents, count):
        text = f"Запись {n} о реке, мосте и самоваре. Слово{n} стоит здесь. " * 3
        with library.writer() as writer:
            writer.put([make_document(source="s", uri=f"u{n}", title="", text=text, language="ru")])
        if n % 3 == 0:
            searcher.sync()
            print(n, flush=True)
    searcher.sync()
"""


@pytest.mark.slow
def test_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    home, draw = tmp_path / "home", random.Random(3)
    with Library.open(home) as library:
        put(library, make_texts())
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(home), "100000"], stdout=subprocess.PIPE, cwd=os.getcwd()
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(draw.random() * 0.15)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        with Library.open(home) as library, Searcher.open(library, SearchSettings()) as searcher:
            assert searcher.index.version == library.version
            assert searcher.index.rows.statistics().num_passages == library.num_passages
            last = library.num_documents - len(TEXTS) - 1
            for n in {0, max(last, 0)}:
                if last >= 0:
                    found = uris(searcher.search(f"слово{n + len(TEXTS)}"))
                    assert found == [f"u{n + len(TEXTS)}"]
            check_engine(searcher)


def test_a_reader_sees_what_another_process_indexed(open_searcher: Opener, tmp_path: Path) -> None:
    searcher = open_searcher(make_texts())
    subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "home"), str(len(TEXTS) + 4)], check=True, capture_output=True
    )
    assert uris(searcher.search(f"слово{len(TEXTS) + 2}")) == [f"u{len(TEXTS) + 2}"]


def test_readers_go_on_while_another_process_syncs(open_searcher: Opener, tmp_path: Path) -> None:
    searcher = open_searcher(make_texts())
    other = SearchIndex(searcher.library, tmp_path / "home")
    with other._exclusive() as held:
        assert held
        put(searcher.library, make_texts({"new": ("", "Ленинград.")}))
        result = searcher.search("самовар")
        assert uris(result)[:1] == ["samovar"]
        assert any("behind" in note for note in result.notes)
        assert not searcher.sync().complete
    other.close()
    assert uris(searcher.search("ленинград")) == ["new"]
