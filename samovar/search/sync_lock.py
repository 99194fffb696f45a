"""The lock of the one who writes an index, among processes: a file of the index's folder under ``flock``, free again when its holder dies.

Its holder may say that nothing is left to do but tidying up (merging segments). Others wait a moment for that, for real work not at all.
Knows nothing about what it protects.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from samovar.locks import open_lock, try_lock

TIDYING = b"tidying"
TIDYING_SECONDS = 0.3  # worth waiting for somebody's tidying; the merge of a few small segments takes 0.05
_PAUSE_SECONDS = 0.01


class SyncLock:
    """One lock; not shared between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object has the lock."""
        return self._descriptor is not None

    def acquire(self, wait_seconds: float = 0.0) -> bool:
        """Take the lock, waiting so long for it (a little longer where its holder is tidying up); return whether it is held now."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            return True
        descriptor = open_lock(self.path, 0o666)
        began = time.monotonic()
        while not try_lock(descriptor):
            patience = max(wait_seconds, TIDYING_SECONDS if os.pread(descriptor, 16, 0) == TIDYING else 0.0)
            if time.monotonic() - began >= patience:
                os.close(descriptor)
                return False
            time.sleep(_PAUSE_SECONDS)
        os.ftruncate(descriptor, 0)
        self._descriptor = descriptor
        return True

    def say_tidying(self) -> None:
        """Tell others that the lock will be free soon."""
        if self._descriptor is not None:
            os.pwrite(self._descriptor, TIDYING, 0)

    def release(self) -> None:
        """Give the lock back; safe to call when it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # also where a forked child has the file open
            os.close(descriptor)
