"""One run a folder: two trainings that wrote into one folder would spoil each other's curve and checkpoints.

The lock is the kernel's (flock on a file ``.lock``, see `samovar.locks`): it is gone when its holder is, however that died, so a killed run
goes on by the same command. Of torchrun's processes only the first takes it. Knows no training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from samovar.errors import RunBusyError, TrainingError
from samovar.locks import hold_at_once, remove_lock

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

    def busy(holder: str) -> RunBusyError:
        return RunBusyError(
            f"expected to be the only run in {folder}, found process {holder} at work there. Wait for it or end it (then this command goes on "
            "from its last checkpoint), or name another --output."
        )

    alone = not path.parent.exists()
    with hold_at_once(path, busy=busy, failed=TrainingError):
        try:
            yield
        except BaseException:
            remove_lock(path, with_folder=alone)
            raise
        remove_lock(path, with_folder=False)  # before it is given back: whoever comes next makes its own


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
