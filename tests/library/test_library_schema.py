"""Opening: fast, private, and clear about files that are not ours, newer, older or damaged."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from samovar.corpus.document import Document
from samovar.errors import HomeError, LibraryError
from samovar.library import Library, schema, store

Build = Callable[..., Document]


def file_of(home: Path) -> Path:
    return home / "library" / "library.sqlite"


def test_folders_are_private(library: Library, home: Path) -> None:
    modes = [stat.S_IMODE(folder.stat().st_mode) for folder in (home, home / "library")]
    assert modes == [0o700, 0o700]


def test_the_store_is_in_wal_mode_and_syncs_every_commit(library: Library) -> None:
    rows = [
        library._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "page_size")
    ]
    assert rows == ["wal", 2, schema.PAGE_BYTES]


def test_identity_stays_and_differs_between_libraries(library: Library, home: Path, tmp_path: Path) -> None:
    with Library.open(home) as again, Library.open(tmp_path / "other") as other:
        assert again.identity == library.identity != other.identity
        assert len(library.identity) == 32


def test_reading_where_nothing_is(home: Path) -> None:
    with pytest.raises(LibraryError, match="expected a library"):
        Library.open(home, read_only=True)
    assert not home.exists()


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="SAMOVAR_HOME"):
        Library.open(tmp_path / "file" / "home")


def test_a_file_that_is_no_database(home: Path) -> None:
    file_of(home).parent.mkdir(parents=True)
    file_of(home).write_text("Это не база данных. " * 500)
    for read_only in (False, True):
        with pytest.raises(LibraryError, match="damaged"):
            Library.open(home, read_only=read_only)
    assert file_of(home).read_text().startswith("Это не база")


def test_another_programs_database(home: Path) -> None:
    file_of(home).parent.mkdir(parents=True)
    connection = sqlite3.connect(file_of(home))
    connection.execute("CREATE TABLE bookmarks (x)")
    connection.close()
    with pytest.raises(LibraryError, match="another program"):
        Library.open(home)


def test_a_newer_layout(library: Library, home: Path) -> None:
    library._connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    library.close()
    for read_only in (False, True):
        with pytest.raises(LibraryError, match=r"newer Samovar.*pip install --upgrade"):
            Library.open(home, read_only=read_only)


def test_an_older_layout_without_a_way_up(library: Library, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.close()
    monkeypatch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)
    monkeypatch.setattr(store, "SCHEMA_VERSION", schema.SCHEMA_VERSION)
    with pytest.raises(LibraryError, match="can be brought to layout"):
        Library.open(home)
    with pytest.raises(LibraryError, match="once to update it"):
        Library.open(home, read_only=True)


def test_a_migration_runs_once_and_whole(library: Library, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = schema.SCHEMA_VERSION
    library.close()
    monkeypatch.setattr(schema, "SCHEMA_VERSION", first + 1)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (x)")
        raise sqlite3.OperationalError("stopped in the middle")

    def succeed(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (x)")

    path = file_of(home)
    connection = schema.connect(path)
    with pytest.raises(LibraryError, match="stopped in the middle"):
        schema.prepare(connection, path, {first: fail})
    assert schema.layout_of(connection) == first
    schema.prepare(connection, path, {first: succeed})
    schema.prepare(connection, path, {first: fail})
    assert schema.layout_of(connection) == first + 1
    connection.close()


def test_a_truncated_file_is_reported(library: Library, home: Path, build_document: Build) -> None:
    with library.writer() as writer:
        writer.put([build_document(n, text=f"Слова {n}. " * 2000) for n in range(20)])
    library.close()
    with file_of(home).open("r+b") as file:
        file.truncate(schema.PAGE_BYTES * 9)
    with pytest.raises(LibraryError, match="damaged"), Library.open(home) as opened:
        list(opened.documents(with_text=True))


def test_a_closed_library_is_one_file_that_may_be_copied(
    library: Library, home: Path, tmp_path: Path, build_document: Build
) -> None:
    with library.writer() as writer:
        writer.put([build_document(1)])
    library.close()
    library.close()
    assert sorted(p.name for p in (home / "library").iterdir()) == ["library.sqlite", "write.lock", "write.queue"]
    shutil.copytree(home, tmp_path / "copy")
    with Library.open(tmp_path / "copy", read_only=True) as copy:
        assert copy.document(build_document(1).id).text == build_document(1).text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_can_be_read(library: Library, home: Path, build_document: Build) -> None:
    with library.writer() as writer:
        writer.put([build_document(1)])
    library.close()
    (home / "library").chmod(0o500)
    try:
        with Library.open(home, read_only=True) as reader:
            assert reader.num_documents == 1
    finally:
        (home / "library").chmod(0o700)


def test_a_read_only_medium_can_be_read(
    library: Library, home: Path, build_document: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write into any folder, so what the system says about it is replaced here; the opening itself is real."""
    with library.writer() as writer:
        writer.put([build_document(1)])
    library.close()
    monkeypatch.setattr(schema.os, "access", lambda path, mode: False)
    with Library.open(home, read_only=True) as reader:
        assert reader.document(build_document(1).id).title == build_document(1).title
    assert sorted(p.name for p in (home / "library").iterdir()) == ["library.sqlite", "write.lock", "write.queue"]


def test_two_processes_create_the_library_at_once(home: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from samovar.library.store import Library; "
        "print(Library.open(Path(sys.argv[1])).identity)"
    )
    root = str(Path(__file__).parents[2])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(home)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )
        for _ in range(4)
    ]
    identities = {child.communicate()[0] for child in children}
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    assert len(identities) == 1
    assert identities != {""}


def test_importing_does_no_work(tmp_path: Path) -> None:
    script = (
        "import sys; import samovar.library; heavy = {'sqlite3', 'pyarrow', 'pydantic'} & set(sys.modules); "
        "from samovar.library import Library, split_passages; heavy |= {'pyarrow', 'pydantic'} & set(sys.modules); "
        "print(heavy or 'light')"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root, "SAMOVAR_HOME": str(tmp_path / "home")},
    )
    assert done.stdout == "light\n"
    assert list(tmp_path.iterdir()) == []
