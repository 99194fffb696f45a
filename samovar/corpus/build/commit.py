"""Files that are either whole or not there: temporary name, fsync, rename; the commit of a task last.

A commit names the files of its task with their sizes: a file that was cut short afterwards (a full disk, a broken copy) is found when the
build is resumed, and the task is done again. Source: the order of fsync and rename in ext4's and XFS's documentation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from samovar.errors import CorpusError


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when the block ends well.

    The temporary name carries the process: two that write the same file (a retried task and its lost first try) do not mix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Mapping[str, Any] | Sequence[Any], *, indent: int | None = None) -> None:
    """Write a JSON file, whole."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=indent)
    with whole_file(path) as file:
        file.write(text.encode("utf-8", "surrogatepass") + b"\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        CorpusError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"expected a readable JSON file, found: {error} ({path}). Build again with --fresh."
        ) from error


def write_commit(path: Path, files: Sequence[Path], summary: Mapping[str, Any]) -> None:
    """Declare a task complete: its files are in place and on the disk."""
    sync_folders({file.parent for file in files})
    root = path.parent
    sizes = {os.path.relpath(file, root): file.stat().st_size for file in files}
    write_json(path, {"files": sizes, "summary": summary})
    sync_folders({root})


def read_commit(path: Path) -> dict[str, Any] | None:
    """Return the summary of a task that is complete with all its files; None when it is to be done (again)."""
    try:
        commit = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
        whole = all((path.parent / name).stat().st_size == size for name, size in commit["files"].items())
        return dict(commit["summary"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def sync_folders(folders: set[Path]) -> None:
    """Put the names in some folders on the disk."""
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
