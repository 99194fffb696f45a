"""`kill -9` at any moment, two processes at once, a full disk: nothing acknowledged is lost, nothing needs repair."""

from __future__ import annotations

import errno
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from samovar.corpus.document import Document
from samovar.errors import LibraryBusyError, LibraryError
from samovar.library import Library, check_replay
from samovar.library.lock import WriteLock

Build = Callable[..., Document]
ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from pathlib import Path
from samovar.corpus.document import make_document
from samovar.library.store import Library

home, first = Path(sys.argv[1]), int(sys.argv[2])
with Library.open(home) as library:
    for start in range(first, first + 100000, 3):
        texts = {n: f"Документ номер {n}. " * (1 + n * 37 % 400) for n in range(start, start + 3)}
        batch = [
            make_document(source="s", uri=f"/d/{n}", title=str(n), text=t, language="ru") for n, t in texts.items()
        ]
        with library.writer(words=40, overlap=10) as writer:
            writer.put(batch)
            if start % 4 == 0:  # replacements and removals are interrupted too
                text = texts[start]
                writer.put([make_document(source="s", uri="/often", title=str(start), text=text, language="ru")])
                gone = make_document(source="gone", uri=f"/gone/{start}", title="", text="Уйдёт.", language="ru")
                writer.put([gone])
                writer.remove(source="gone")
        print(*(d.id for d in batch), flush=True)
"""

READER = """
import sys
from pathlib import Path
from samovar.library.store import Library

library, last, rounds = Library.open(Path(sys.argv[1]), read_only=True), -1, 0
print("ready", flush=True)
while rounds < 40 or not (Path(sys.argv[1]) / "done").exists():
    rounds += 1
    with library.snapshot() as view:
        assert view.version >= last
        last = view.version
        documents = list(view.documents(with_text=True))
        assert len(documents) == view.num_documents
        for document in documents[-5:]:
            for passage in view.passages_of(document.id):
                assert document.text[passage.start : passage.end] == passage.text
    library.num_documents
print(last)
"""


def start_child(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def kill_writer(home: Path, first: int, seconds: float) -> list[str]:
    """Run a writer, kill it `seconds` after its first acknowledgement, return the ids that it acknowledged."""
    child = start_child(WRITER, home, first)
    assert child.stdout is not None
    heard = child.stdout.readline()
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    rest, errors = child.communicate()
    assert errors == ""
    lines = (heard + rest).split("\n")
    return [name for line in lines[:-1] for name in line.split()]  # a line without its end was cut off by the kill


def assert_sound(library: Library, acknowledged: list[str]) -> None:
    """Every acknowledged document is there, all passages slice back, the ledger replays, SQLite finds no fault."""
    assert set(acknowledged) <= library.document_heads(acknowledged).keys()
    for document in library.documents(with_text=True):
        assert all(document.text[p.start : p.end] == p.text for p in library.passages_of(document.id))
    assert check_replay(library).equal
    connection = sqlite3.connect(library.path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


@pytest.mark.parametrize("kills", [3, pytest.param(25, marks=pytest.mark.slow)])
def test_kill_9_loses_nothing_acknowledged(home: Path, kills: int) -> None:
    chance, acknowledged = random.Random(20261123 + kills), []
    for round_number in range(kills):
        acknowledged += kill_writer(home, round_number * 100_000, chance.uniform(0.0, 0.25))
        with Library.open(home) as library:
            assert set(acknowledged) <= library.document_heads(acknowledged).keys()
    with Library.open(home) as library:
        assert_sound(library, acknowledged)
        with library.writer() as writer:
            writer.put([])
    assert len(acknowledged) >= 3 * kills


def test_kill_9_leaves_the_write_lock_free(home: Path) -> None:
    kill_writer(home, 0, 0.05)
    with Library.open(home) as library, library.writer(wait_seconds=0.0) as writer:
        assert writer.put([]).version == library.version


@contextmanager
def child_running(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    child = start_child(script, *arguments)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def test_another_process_reads_while_this_one_writes(library: Library, home: Path, build_document: Build) -> None:
    with library.writer() as writer:
        writer.put([build_document(0)])
    with child_running(READER, home) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for number in range(60):
            with library.writer() as writer:
                writer.put([build_document(number)])
                writer.put([build_document(1000, text=f"Каждый раз другое: {number}. " * 50)])
        (home / "done").touch()
        output, errors = reader.communicate(timeout=60)
    assert (reader.returncode, errors) == (0, "")
    assert int(output) <= library.version


def test_two_processes_write_in_turns(library: Library, home: Path, build_document: Build) -> None:
    with child_running(WRITER, home, 0) as other:
        assert other.stdout is not None
        acknowledged = other.stdout.readline().split()
        mine = [build_document(number) for number in range(20)]
        for document in mine:
            with library.writer() as writer:
                writer.put([document])
        acknowledged += [name for _ in range(5) for name in other.stdout.readline().split()]
    assert_sound(library, [*acknowledged, *(d.id for d in mine)])


def test_a_second_writer_waits_and_then_names_the_holder(library: Library) -> None:
    with library.writer(), pytest.raises(LibraryBusyError, match=f"process {os.getpid()} "):
        library.writer(wait_seconds=0.05).__enter__()
    with library.writer(wait_seconds=0.0):
        pass


def test_the_lock_is_given_back_after_an_error(library: Library, build_document: Build) -> None:
    with pytest.raises(RuntimeError), library.writer() as writer:
        writer.put([build_document(1)])
        raise RuntimeError
    with library.writer(wait_seconds=0.0) as writer:
        assert writer.put([build_document(1)]).unchanged == 1


def test_a_lock_file_of_nonsense_does_not_hinder(tmp_path: Path) -> None:
    path = tmp_path / "write.lock"
    path.write_bytes(b"\xff\xfe no number")
    lock, other = WriteLock(path), WriteLock(path)
    lock.acquire()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LibraryBusyError, match="another process"):
        other.acquire(wait_seconds=0.0)
    lock.release()
    lock.release()
    other.acquire(wait_seconds=0.0)
    other.release()


def test_a_file_system_without_locks_is_named(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(LibraryError, match="file system with locks"):
        library.writer().__enter__()


def fill_disk(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Let the file grow by two pages only: SQLite then reports a full disk."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    return connection


def test_a_full_disk_is_an_error_and_loses_nothing(library: Library, build_document: Build) -> None:
    with library.writer() as writer:
        writer.put([build_document(n) for n in range(5)])
    full: Any = library.writer()
    connect = full._connect
    full._connect = lambda: fill_disk(connect())
    with full as writer, pytest.raises(LibraryError, match="Free some space"):
        writer.put([build_document(6, text="Длинный текст. " * 20_000)])
    assert_sound(library, [build_document(n).id for n in range(5)])
    assert library.version == 1
    with library.writer() as writer:
        assert writer.put([build_document(6, text="Длинный текст. " * 20_000)]).added == 1


def test_an_interrupt_inside_a_transaction_rolls_it_back(library: Library, build_document: Build) -> None:
    def documents() -> Iterator[Document]:
        yield build_document(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), library.writer() as writer:
        writer.put(documents())
    assert (library.num_documents, library.version, list(library.ledger())) == (0, 0, [])
