"""One builder per output folder: a lock that the kernel takes back when its holder dies. Source: flock(2)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from samovar.errors import CorpusBusyError, CorpusError


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock of a build for a ``with`` block.

    Raises:
        CorpusBusyError: another build holds it.
        CorpusError: the file system has no locks.
    """
    new, alone = not path.exists(), not path.parent.exists()
    descriptor = _open(path)
    try:
        _take(descriptor, path)
        while not _is_same(descriptor, path):  # its last holder took it away meanwhile
            os.close(descriptor)
            descriptor = _open(path)
            _take(descriptor, path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        try:
            yield
        except BaseException:
            if new and not (path.parent / "work" / "plan.json").exists():  # nothing was built: nothing stays
                path.unlink(missing_ok=True)
                with suppress(OSError):
                    if alone:
                        path.parent.rmdir()
            raise
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CorpusError(
            f"expected to write in {path.parent}, found: {error.strerror}. Name another --output."
        ) from error


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "?"
        raise CorpusBusyError(
            f"expected to be the only builder of {path.parent}, found process {holder} at work. Wait for it, or name another --output.",
            holder,
        ) from None
    except OSError as error:
        raise CorpusError(
            f"expected a file system with locks in {path.parent}, found: {error.strerror}. Name another --output."
        ) from error
