"""One builder per output folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samovar.errors import CorpusBusyError, CorpusError
from samovar.locks import hold_at_once, remove_lock


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock of a build for a ``with`` block. One that fails before there is a plan leaves neither lock nor folder behind.

    Raises:
        CorpusBusyError: another build holds it.
        CorpusError: the folder cannot be written, or its file system has no locks.
    """

    def busy(holder: str) -> CorpusBusyError:
        return CorpusBusyError(
            f"expected to be the only builder of {path.parent}, found process {holder} at work. Wait for it, or name another --output."
        )

    new, alone = not path.exists(), not path.parent.exists()
    with hold_at_once(path, busy=busy, failed=CorpusError):
        try:
            yield
        except BaseException:
            if new and not (path.parent / "work" / "plan.json").exists():  # nothing was built: nothing stays
                remove_lock(path, with_folder=alone)
            raise
