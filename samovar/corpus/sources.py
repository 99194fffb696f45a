"""From what the user names to files: single files, folders (recursive, in order), quoted globs. Safe from symlink
loops.

Opens no file and knows no format; addresses of the web are `samovar.corpus.fetch`'s.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from samovar.corpus.document import LedgerRow
from samovar.corpus.extract import name_path
from samovar.corpus.extracted import drop

_MAGIC = frozenset("*?[")
_KINDS = ((stat.S_ISFIFO, "fifo"), (stat.S_ISSOCK, "socket"), (stat.S_ISBLK, "device"), (stat.S_ISCHR, "device"))


def walk(paths: Sequence[str], *, inside: bool = False) -> Iterator[Path | LedgerRow]:
    """Yield every regular file under the named paths once, sorted within a folder, and a dropped row for what is
    passed over.

    Rows: ``hidden`` (names that begin with a dot, found in a folder; a hidden file named by the user is taken),
    ``not_found``, ``permission``, ``not_a_file``, ``symlink_loop``, ``duplicate`` (the same file reached twice
    through links). With `inside`, links that lead out of the named folder are not followed: ``outside_folder``.
    """
    visited: set[tuple[int, int]] = set()
    for name in paths:
        for path in _expand(name):
            yield from _walk_path(path, visited, frozenset(), os.path.realpath(path) if inside else "")


def _expand(name: str) -> list[Path]:
    """Expand a glob; a path that exists is taken literally, whatever characters it has."""
    path = Path(name).expanduser()
    if os.path.lexists(path) or not _MAGIC & set(name):
        return [path]
    found = sorted(glob.glob(str(path), recursive=True, include_hidden=False))
    # "**" finds a folder and all that is in it: the folder itself would bring everything twice
    files = [Path(item) for item in found if "**" not in name or not os.path.isdir(item)]
    return files or [path]


def _walk_path(
    path: Path, visited: set[tuple[int, int]], above: frozenset[tuple[int, int]], root: str
) -> Iterator[Path | LedgerRow]:
    if root and path.is_symlink() and not _is_inside(os.path.realpath(path), root):
        yield drop(name_path(path), "outside_folder")
        return
    try:
        state = path.stat()
    except (OSError, ValueError) as error:
        yield _refuse(path, error)
        return
    key = (state.st_dev, state.st_ino)
    if stat.S_ISDIR(state.st_mode):
        if key in above:
            yield drop(name_path(path), "symlink_loop")
        elif key in visited:
            yield drop(name_path(path), "duplicate")
        else:
            visited.add(key)
            yield from _walk_folder(path, visited, above | {key}, root)
    elif not stat.S_ISREG(state.st_mode):
        kind = next((kind for test, kind in _KINDS if test(state.st_mode)), "special file")
        yield drop(name_path(path), "not_a_file", kind)
    elif key in visited and path.is_symlink():
        yield drop(name_path(path), "duplicate")
    else:
        visited.add(key)
        yield path


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _walk_folder(
    folder: Path, visited: set[tuple[int, int]], above: frozenset[tuple[int, int]], root: str
) -> Iterator[Path | LedgerRow]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield _refuse(folder, error)
        return
    for name in names:
        path = folder / name
        if name.startswith("."):
            yield drop(name_path(path), "hidden")
        else:
            yield from _walk_path(path, visited, above, root)


def _refuse(path: Path, error: Exception) -> LedgerRow:
    if isinstance(error, FileNotFoundError):
        return drop(name_path(path), "not_found")
    if isinstance(error, PermissionError):
        return drop(name_path(path), "permission")
    loop = isinstance(error, OSError) and "symbolic links" in str(error)
    return drop(name_path(path), "symlink_loop" if loop else "unreadable", error)
