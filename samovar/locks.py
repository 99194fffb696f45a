"""Locks among processes: a file under flock(2), which the kernel takes back when its holder dies, however it dies.

The lock belongs to the open file: two holders in one process exclude each other too, and who only reads the file releases nothing. How long
somebody waits for it, and what its holder says in it, is the affair of the rooms. Knows nothing of what is protected.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from samovar.errors import SamovarError


def open_lock(path: Path, mode: int = 0o600) -> int:
    """Open the file of a lock, which is made if need be, and return its descriptor: closing it gives the lock back.

    Raises:
        OSError: it cannot be opened.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file unless somebody has it; return whether it is held now.

    Raises:
        OSError: the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sign(descriptor: int, text: str) -> None:
    """Write into the file of a lock that is held what others may read of its holder."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


@contextmanager
def hold_at_once(
    path: Path, *, busy: Callable[[str], SamovarError], failed: Callable[[str], SamovarError]
) -> Iterator[None]:
    """Hold a lock for a ``with`` block, or raise at once; its folder is made if need be. The file says the holder's process id, and may be
    deleted while it is held. `busy` makes the error of a lock that is taken, from its holder ("?" if unknown); `failed` that of a folder
    which cannot be written or has no locks, from what is wrong.
    """
    descriptor = _acquire(path, busy, failed)
    try:
        sign(descriptor, f"{os.getpid()}\n")
        yield
    finally:
        os.close(descriptor)


def remove_lock(path: Path, *, with_folder: bool) -> None:
    """Delete the file of a lock that is held; `with_folder`: its folder too, if there is nothing else in it."""
    path.unlink(missing_ok=True)
    if with_folder:
        with suppress(OSError):
            path.parent.rmdir()


def _acquire(path: Path, busy: Callable[[str], SamovarError], failed: Callable[[str], SamovarError]) -> int:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = open_lock(path, 0o644)
        except OSError as error:
            raise failed(
                f"expected to write in {path.parent}, found: {error.strerror}. Name another --output."
            ) from error
        try:
            if not try_lock(descriptor):
                raise busy(os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "?")
            if _is_same(descriptor, path):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            raise failed(
                f"expected a file system with locks in {path.parent}, found: {error.strerror}. Name another --output."
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last holder took the file away meanwhile


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
