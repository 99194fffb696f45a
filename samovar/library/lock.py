"""The single-writer lock: one lock file per library, held by at most one writer in all processes and threads (see `samovar.locks`).

A second file is the turnstile: whoever waits for the lock holds it, so a process that writes all the time cannot take the lock again before
one that waits (without it a waiter needed 12 s for 20 turns against a busy writer). Knows nothing about the database.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from samovar.corpus.document import utc_now
from samovar.errors import LibraryBusyError, LibraryError
from samovar.locks import open_lock, sign, try_lock

WAIT_SECONDS = 30.0
MAX_PAUSE = 0.02  # between two tries; a commit takes about as long


class WriteLock:
    """The lock of one library folder. `acquire` and `release` pair up; not re-entrant."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self, wait_seconds: float = WAIT_SECONDS) -> None:
        """Take the lock, waiting for another holder up to `wait_seconds`.

        Raises:
            LibraryBusyError: it is still held; the message names the holder's process id.
            LibraryError: the lock file cannot be opened.
        """
        if self.held:
            raise LibraryError(
                "expected a free lock, found it taken by this very writer. Use one `with library.writer()` at a time."
            )
        deadline = time.monotonic() + wait_seconds
        turnstile = self._open(self.path.with_suffix(".queue"))
        try:
            self._wait(turnstile, deadline, wait_seconds)
            self._descriptor = self._take(deadline, wait_seconds)
        finally:
            os.close(turnstile)

    def _take(self, deadline: float, wait_seconds: float) -> int:
        descriptor = self._open(self.path)
        try:
            self._wait(descriptor, deadline, wait_seconds)
            sign(descriptor, f"{os.getpid()} {utc_now()}\n")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _open(self, path: Path) -> int:
        try:
            return open_lock(path)
        except OSError as error:
            raise LibraryError(
                f"expected to write in {path.parent}, found: {error.strerror}. Check the permissions."
            ) from error

    def _wait(self, descriptor: int, deadline: float, wait_seconds: float) -> None:
        pause = 0.001
        while not self._try(descriptor):
            if time.monotonic() >= deadline:
                raise LibraryBusyError(
                    f"expected to be the only writer of {self.path.parent}, found {describe_holder(self.path)} writing after "
                    f"{wait_seconds:g} s of waiting. Run the command again when it is done."
                )
            time.sleep(pause)
            pause = min(pause * 1.5, MAX_PAUSE)

    def _try(self, descriptor: int) -> bool:
        try:
            return try_lock(descriptor)
        except OSError as error:
            raise LibraryError(
                f"expected a file system with locks in {self.path.parent}, found: {error.strerror}. "
                "Name a folder on a local disk with SAMOVAR_HOME."
            ) from error

    def release(self) -> None:
        """Give the lock back; safe to call when it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)  # closing the only descriptor of an open file releases its flock


def describe_holder(path: Path) -> str:
    """Return "process 1234 (since …)" from a lock file, or "another process" when it does not say."""
    try:
        process, _, since = path.read_text().strip().partition(" ")
    except (OSError, UnicodeDecodeError):
        return "another process"
    return f"process {process} (since {since})" if process.isdigit() else "another process"
