"""Walking files and folders: order, links, hidden names, special files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from samovar.corpus.document import LedgerRow
from samovar.corpus.extract import extract_path, name_path
from samovar.corpus.sources import walk


def reasons(paths: list[str]) -> dict[str, str]:
    return {
        item.uri if isinstance(item, LedgerRow) else str(item): item.reason if isinstance(item, LedgerRow) else "file"
        for item in walk(paths)
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b/2.txt", "b/10.txt", "a.txt", "б/в г.txt", ".hidden/x.txt", "c/.secret"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


def test_folder_in_order_with_hidden_names_noted(tree: Path) -> None:
    items = [(item.uri, item.reason) if isinstance(item, LedgerRow) else item for item in walk([str(tree)])]
    assert items == [
        (str(tree / ".hidden"), "hidden"),
        tree / "a.txt",
        tree / "b/10.txt",
        tree / "b/2.txt",
        (str(tree / "c/.secret"), "hidden"),
        tree / "б/в г.txt",
    ]


def test_named_files_are_taken_even_when_hidden(tree: Path) -> None:
    assert list(walk([str(tree / "c/.secret"), str(tree / "a.txt")])) == [tree / "c/.secret", tree / "a.txt"]


def test_globs(tree: Path) -> None:
    assert list(walk([str(tree / "b/*.txt")])) == [tree / "b/10.txt", tree / "b/2.txt"]
    assert [path for path in walk([str(tree / "**/*.txt")]) if isinstance(path, Path)] == [
        tree / "a.txt",
        tree / "b/10.txt",
        tree / "b/2.txt",
        tree / "б/в г.txt",
    ]
    assert reasons([str(tree / "*.nothing")]) == {str(tree / "*.nothing"): "not_found"}


def test_name_with_glob_characters_is_literal_when_it_exists(tmp_path: Path) -> None:
    (tmp_path / "a[1]*.txt").write_text("x")
    (tmp_path / "a1.txt").write_text("x")
    assert list(walk([str(tmp_path / "a[1]*.txt")])) == [tmp_path / "a[1]*.txt"]


def test_links(tree: Path) -> None:
    (tree / "b/up").symlink_to(tree)
    (tree / "b/self").symlink_to(tree / "b/self")
    (tree / "z.txt").symlink_to(tree / "a.txt")
    (tree / "gone.txt").symlink_to(tree / "nothing")
    found = reasons([str(tree)])
    assert found[str(tree / "b/up")] == "symlink_loop"
    assert found[str(tree / "b/self")] == "symlink_loop"
    assert found[str(tree / "z.txt")] == "duplicate"
    assert found[str(tree / "gone.txt")] == "not_found"
    assert list(found.values()).count("file") == 4


def test_link_to_a_folder_elsewhere_is_followed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "x.txt").write_text("x")
    (tree / "elsewhere").symlink_to(other)
    assert reasons([str(tree)])[str(tree / "elsewhere/x.txt")] == "file"


def test_special_files_never_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.txt"))
        found = reasons([str(tmp_path), "/dev/zero", "/dev/null"])
    assert set(found.values()) == {"not_a_file"}
    (row,) = extract_path(tmp_path / "pipe.txt")
    assert isinstance(row, LedgerRow) and (row.reason, row.value) == ("not_a_file", "fifo")


def test_names_that_are_not_utf8_are_shown_and_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.txt"))
    path.write_text("Letters enough for a document in this file.")
    (item,) = extract_path(path)
    assert item.uri == name_path(path) == f"{tmp_path}/\\xff\\xfe.txt"
    assert list(walk([str(tmp_path)])) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_permission_denied(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    path.chmod(0)
    (row,) = extract_path(path)
    assert isinstance(row, LedgerRow) and row.reason == "permission"


def test_a_file_named_twice_by_the_user_comes_twice_only_without_links(tree: Path) -> None:
    assert list(walk([str(tree / "a.txt"), str(tree / "a.txt")])) == [tree / "a.txt"] * 2
    assert reasons([str(tree / "b"), str(tree / "b")])[str(tree / "b")] == "duplicate"
