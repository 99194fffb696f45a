"""One run a folder: two trainings that wrote into one folder would spoil each other's curve and checkpoints.

The lock is the kernel's (flock on a file ``.lock``, see `samovar.corpus.build.lock`): it is gone when its holder is, however that died, so
a killed run goes on by the same command. Of torchrun's processes only the first takes it. Knows no training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from samovar.corpus.build.lock import hold
from samovar.errors import CorpusBusyError, CorpusError, RunBusyError, TrainingError

LOCK = ".lock"


@contextmanager
def hold_run(folder: Path, lock: Path | None = None) -> Iterator[None]:
    """Be the only process that trains in `folder`, for a ``with`` block; the folder is made if need be. `lock`: another file than
    ``.lock`` in it, for results that are put in their place at the end.

    Raises:
        RunBusyError: another process is at work; the message names it and the folder.
        TrainingError: the folder cannot be written, or its file system has no locks.
    """
    path = lock or folder / LOCK
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(path))
        except CorpusBusyError as error:
            raise RunBusyError(
                f"expected to be the only run in {folder}, found process {error.holder} at work there. Wait for it or end it (then this "
                "command goes on from its last checkpoint), or name another --output.",
                error.holder,
            ) from error
        except CorpusError as error:
            raise TrainingError(str(error)) from error
        stack.callback(path.unlink, missing_ok=True)  # before the lock is given back: whoever comes next makes its own
        yield


@contextmanager
def hold_team(folder: Path, device: str = "auto") -> Iterator[None]:
    """Be the only run in `folder`, whatever the number of its processes: the first one holds the lock, all learn when it could not.

    Raises:
        RunBusyError: another run is at work.
        TrainingError: see `hold_run`, and `samovar.train.distributed.join_team`.
    """
    from samovar.train.distributed import join_team

    team = join_team(device)
    failure: TrainingError | None = None
    with ExitStack() as stack:
        if team.is_first:
            try:
                stack.enter_context(hold_run(folder))
            except TrainingError as error:
                failure = error
        if team.any(failure is not None):
            raise failure or RunBusyError(
                f"expected to be the only run in {folder}: process 0 says what it found there"
            )
        yield
