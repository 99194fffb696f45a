"""Errors and notes of the rooms below, raised for real, are known by their form and said in the user's language."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samovar.commands.said import in_own_words
from samovar.corpus.document import make_document
from samovar.errors import SamovarError
from samovar.library import Library
from samovar.library.lock import WriteLock
from samovar.library.plan import plan_jobs
from samovar.messages import use_language
from samovar.search import Searcher
from samovar.settings import SearchSettings

CYRILLIC = re.compile("[а-яё]")


@pytest.fixture(autouse=True)
def _in_russian() -> Iterator[None]:
    use_language("ru")
    yield
    use_language("en")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Library.open(tmp_path / "home") as library, library.writer() as writer:
        text = "Самовар кипит на столе, и все пьют чай."
        writer.put([make_document(source="s", uri=f"s:{n}", title=f"{n}", text=text, language="ru") for n in range(2)])
    return tmp_path / "home"


def ask_for_nothing(home: Path) -> None:
    with Library.open(home) as library:
        library.document("0" * 32)


def write_read_only(home: Path) -> None:
    with Library.open(home, read_only=True) as library:
        library.writer()


def write_twice(home: Path) -> None:
    lock = WriteLock(home / "library" / "write.lock")
    lock.acquire()
    try:
        WriteLock(home / "library" / "write.lock").acquire(wait_seconds=0.01)
    finally:
        lock.release()


def open_other_program(home: Path) -> None:
    file = home / "other" / "library" / "library.sqlite"
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    Library.open(home / "other")


def open_newer(home: Path) -> None:
    with sqlite3.connect(home / "library" / "library.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    Library.open(home)


def make_under_a_file(home: Path) -> None:
    (home / "file").write_text("")
    Library.open(home / "file")


def index_under_a_file(home: Path) -> None:
    (home / "index").write_text("")
    with Library.open(home) as library:
        Searcher.open(library, SearchSettings())


def add_nothing(home: Path) -> None:
    list(plan_jobs([" "], None, lambda paths: [], lambda uri: []))


@pytest.mark.parametrize(
    "fail",
    [
        ask_for_nothing,
        write_read_only,
        write_twice,
        open_other_program,
        open_newer,
        make_under_a_file,
        index_under_a_file,
        add_nothing,
    ],
)
def test_real_errors_are_said_in_russian(fail: Callable[[Path], None], home: Path) -> None:
    with pytest.raises(SamovarError) as caught:
        fail(home)
    said = in_own_words(str(caught.value))
    assert CYRILLIC.search(said) and "expected" not in said and "{" not in said
    use_language("en")
    assert in_own_words(str(caught.value)) == str(caught.value)


def test_real_notes_are_said_in_russian(home: Path) -> None:
    with Library.open(home) as library, Searcher.open(library, SearchSettings()) as searcher:
        (copies,) = searcher.search("самовар").notes
        phrase = searcher.search("самовар «чай кипит»").notes[0]
    assert in_own_words(copies) == "Место 1: ещё отрывков с точно таким же текстом — 1."
    assert in_own_words(phrase).startswith("Слов «чай кипит» в этом порядке нет")


def test_other_messages_stay() -> None:
    assert in_own_words("expected a {thing}, found (nothing)") == "expected a {thing}, found (nothing)"
