"""A new document is found before the engine's merges are waited for; what waits for them keeps nobody out longer than it must."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from search_texts import Opener, make_texts, put, uris

from samovar.search import Searcher
from samovar.search import index as index_module
from samovar.search.engine import EngineQuery, TantivyEngine
from samovar.search.index import SearchIndex
from samovar.search.sync_lock import SyncLock


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must come."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def add(searcher: Searcher, number: int) -> None:
    """Put one more document into the library."""
    put(searcher.library, make_texts({f"n{number}": ("", f"Слово{number} стоит здесь.")}))


def num_segments(searcher: Searcher) -> int:
    """Segments that the engine searches."""
    engine = searcher.index.engine
    assert isinstance(engine, TantivyEngine)
    return int(engine._searcher.num_segments)


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Let the engine's merges last until this is set."""
    free = Event()
    finish = TantivyEngine.finish

    def wait(self: TantivyEngine) -> None:
        assert free.wait(20)
        finish(self)

    monkeypatch.setattr(TantivyEngine, "finish", wait)
    return free


def test_a_new_document_is_found_while_the_engine_merges(open_searcher: Opener, blocked: Event, tmp_path: Path) -> None:
    searcher = open_searcher(make_texts())
    add(searcher, 1)
    assert uris(searcher.search("слово1")) == ["n1"]
    assert not blocked.is_set()
    other = SearchIndex(searcher.library, tmp_path / "home")
    assert other.refresh() == searcher.library.version  # another process sees it too
    add(searcher, 2)
    assert not other.sync().complete  # and cannot write meanwhile
    blocked.set()
    until(lambda: searcher.index._tidier is None)
    assert other.sync().complete
    assert uris(searcher.search("слово2")) == ["n2"]
    other.close()


def test_the_next_documents_do_not_wait(open_searcher: Opener, monkeypatch: pytest.MonkeyPatch, blocked: Event) -> None:
    """They come while the writer is kept for them; then one thread merges for all, at the latest when the index is closed."""
    monkeypatch.setattr(index_module, "QUIET_SECONDS", 60.0)
    searcher = open_searcher(make_texts())
    for number in range(20):
        add(searcher, number)
        assert uris(searcher.search(f"слово{number}")) == [f"n{number}"]
    assert [t.name for t in threading.enumerate()].count("samovar-index") == 1
    blocked.set()
    searcher.close()
    assert not searcher.index._writing.is_held
    assert "samovar-index" not in [t.name for t in threading.enumerate()]
    again = open_searcher()
    assert num_segments(again) < 10
    assert len(again.index.engine.find(EngineQuery(()), 100).ids) == again.library.num_passages


def test_documents_coming_and_going_while_it_merges(open_searcher: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pause so short that syncs and tidying meet in every way."""
    monkeypatch.setattr(index_module, "QUIET_SECONDS", 0.002)
    searcher = open_searcher(make_texts())
    for number in range(40):
        add(searcher, number)
        if number % 5 == 4:
            with searcher.library.writer() as writer:
                writer.remove(uri=f"n{number - 2}")
        assert uris(searcher.search(f"слово{number}")) == [f"n{number}"]
        time.sleep(number % 4 * 0.001)
    until(lambda: searcher.index._tidier is None)
    assert num_segments(searcher) < 20
    assert len(searcher.index.engine.find(EngineQuery(()), 100).ids) == searcher.library.num_passages


def test_a_rebuild_while_tidying(open_searcher: Opener, blocked: Event) -> None:
    searcher = open_searcher(make_texts())
    add(searcher, 1)
    searcher.sync()
    threading.Timer(0.3, blocked.set).start()
    searcher.index.rebuild()
    assert uris(searcher.search("слово1")) == ["n1"]
    searcher.close()
    assert not searcher.index._writing.is_held


def test_a_failed_merge_harms_nothing(open_searcher: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = open_searcher(make_texts())
    until(lambda: searcher.index._tidier is None)

    class Full:
        def wait_merging_threads(self) -> None:
            raise ValueError("No space left on device")

    add(searcher, 1)
    searcher.sync()
    with searcher.index._lock:
        writer, searcher.index.engine._writer = searcher.index.engine._writer, Full()  # type: ignore[attr-defined]
        del writer
    until(lambda: searcher.index._tidier is None)
    add(searcher, 2)
    assert uris(searcher.search("слово1")) == ["n1"]
    assert uris(searcher.search("слово2")) == ["n2"]


def test_a_sync_that_fails_gives_the_lock_back(open_searcher: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = open_searcher(make_texts())
    add(searcher, 1)
    searcher.sync()
    add(searcher, 2)
    with monkeypatch.context() as patched:
        patched.setattr(searcher.index.library, "changes", None)
        with pytest.raises(TypeError):
            searcher.sync()
    until(lambda: not searcher.index._writing.is_held)
    assert uris(searcher.search("слово2")) == ["n2"]


# -- the lock -------------------------------------------------------------------------------------------------------------
HOLDER = """
import sys, time
from pathlib import Path
from samovar.search.sync_lock import SyncLock
lock = SyncLock(Path(sys.argv[1]))
assert lock.acquire()
if sys.argv[2] == "tidying":
    lock.say_tidying()
print("held", flush=True)
time.sleep(float(sys.argv[3]))
lock.release()
time.sleep(60)
"""


def hold(path: Path, how: str, seconds: float) -> subprocess.Popen[bytes]:
    """Another process that holds the lock so long."""
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), how, str(seconds)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"held\n"
    return child


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience for a busy machine."""
    monkeypatch.setattr("samovar.search.sync_lock.TIDYING_SECONDS", 20.0)


@pytest.mark.parametrize("how", ["working", "tidying"])
def test_tidying_is_waited_for_and_work_is_not(tmp_path: Path, no_waiting: None, how: str) -> None:
    child, lock = hold(tmp_path / "lock", how, 0.2 if how == "tidying" else 60.0), SyncLock(tmp_path / "lock")
    try:
        assert lock.acquire() is (how == "tidying")
        assert lock.is_held is (how == "tidying")
    finally:
        lock.release()
        child.kill()
        child.communicate()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, no_waiting: None) -> None:
    child, lock = hold(tmp_path / "lock", "tidying", 60.0), SyncLock(tmp_path / "lock")
    threading.Timer(0.1, child.send_signal, (signal.SIGKILL,)).start()
    assert lock.acquire()
    child.communicate()
    assert (tmp_path / "lock").read_bytes() == b""  # what it said is not ours
    assert lock.acquire()  # again: held already
    lock.release()
    lock.release()
    assert not lock.is_held
