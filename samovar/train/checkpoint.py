"""Checkpoints that are whole or not there: written beside, synced, renamed; read back from the newest that is complete.

``step-0000500/``: ``model.safetensors``, ``optimizer-0of1.safetensors`` (one a process), ``state.json`` last, with the size and the hash of the
others. A run killed while writing leaves a ``.tmp`` folder that nobody reads. Knows no model. Source of the rename rule: POSIX rename(2).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from samovar.errors import TrainingError

STATE = "state.json"
WEIGHTS = "model.safetensors"
_NAME = re.compile(r"step-(\d{7})")
_OPTIMISER = re.compile(r"optimizer-\d+of\d+\.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete checkpoint: where it lies, the step it was made after, and the state that is not tensors."""

    folder: Path
    step: int
    state: Mapping[str, Any]

    def weights(self) -> dict[str, Tensor]:
        """Return the weights by name."""
        return _load(self.folder / WEIGHTS)

    def optimiser(self) -> dict[str, Tensor]:
        """Return the optimiser's tensors of all processes together."""
        tensors: dict[str, Tensor] = {}
        for path in sorted(self.folder.glob("optimizer-*.safetensors")):
            tensors |= _load(path)
        return tensors


def save_checkpoint(
    folder: Path,
    step: int,
    *,
    weights: Mapping[str, Tensor] | None,
    optimiser: Mapping[str, Tensor],
    state: Mapping[str, Any],
    rank: int = 0,
    world: int = 1,
    barrier: Callable[[], None] = lambda: None,
    keep: int = 2,
) -> Path:
    """Write one checkpoint; every process calls it, process 0 gives the weights and keeps the newest `keep`.

    Raises:
        TrainingError: it cannot be written (no space, no permission); earlier checkpoints are untouched.
    """
    final, draft = folder / f"step-{step:07d}", folder / f".step-{step:07d}.tmp"
    try:
        if rank == 0:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
        barrier()
        _save(draft / f"optimizer-{rank}of{world}.safetensors", optimiser)
        if weights is not None:
            _save(draft / WEIGHTS, weights)
        barrier()
        if rank == 0:
            _commit(draft, final, {**state, "step": step, "world": world})
            _forget_old(folder, keep)
    except (OSError, RuntimeError) as error:  # safetensors reports a full disk as its own error
        if not _is_writing_error(error):
            raise
        if rank == 0:
            shutil.rmtree(draft, ignore_errors=True)
        raise TrainingError(
            f"expected to write a checkpoint to {final}, found: {error}. Free some space and give the same command "
            "again: the run goes on from the last complete checkpoint."
        ) from error
    return final


def _is_writing_error(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.startswith("safetensors") or "I/O" in str(error)


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file({name: t.detach().contiguous().cpu() for name, t in tensors.items()}, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    _sync(path)


def _load(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"expected tensors in {path}, found: {error}. Delete the folder to use an earlier one."
        ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _commit(draft: Path, final: Path, state: Mapping[str, Any]) -> None:
    files = {p.name: {"bytes": p.stat().st_size, "sha256": _hash(p)} for p in sorted(draft.glob("*.safetensors"))}
    (draft / STATE).write_text(json.dumps({**state, "files": files}, indent=2) + "\n", "utf-8")
    _sync(draft / STATE)
    shutil.rmtree(final, ignore_errors=True)
    draft.rename(final)
    _sync(final.parent)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forget_old(folder: Path, keep: int) -> None:
    for path in list_checkpoints(folder)[:-keep] if keep else []:
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(".step-*.tmp"):
        shutil.rmtree(path, ignore_errors=True)


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the folders of checkpoints by step; damaged ones are among them."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())
    return []


def find_checkpoint(folder: Path, *, warn: Callable[[str], None] = lambda message: None) -> Checkpoint | None:
    """Return the newest complete checkpoint; damaged ones are passed over and `warn` is told which and why."""
    for path in reversed(list_checkpoints(folder)):
        try:
            return read_checkpoint(path)
        except TrainingError as error:
            warn(str(error))
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the state of a checkpoint and prove its files.

    Raises:
        TrainingError: it is incomplete or damaged.
    """
    try:
        state = json.loads((path / STATE).read_text("utf-8"))
        files, step = dict(state["files"]), int(state["step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"expected a complete checkpoint in {path}, found: {error}") from error
    for name, facts in files.items():
        file = path / name
        if not file.is_file() or file.stat().st_size != facts["bytes"] or _hash(file) != facts["sha256"]:
            raise TrainingError(f"expected {file} as it was written, found it missing or changed")
    if WEIGHTS not in files or not any(map(_OPTIMISER.fullmatch, files)):
        raise TrainingError(f"expected weights and optimiser state in {path}, found {', '.join(files) or 'nothing'}")
    return Checkpoint(path, step, state)
