"""Checkpoints that are whole or not there: written beside, synced, renamed; read back from the newest that is complete.

``step-0000500/``: ``model.safetensors``, ``optimizer-0of1.safetensors`` (one a process), ``state.json`` last, with the size and the hash of the
others. A run killed while writing leaves a ``.tmp`` folder that nobody reads. Knows no model. Source of the rename rule: POSIX rename(2).
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from samovar.corpus.build.commit import sync_folders, whole_file
from samovar.digests import hash_file
from samovar.errors import TrainingError
from samovar.train.disk import disk_errors

STATE = "state.json"
WEIGHTS = "model.safetensors"
_NAME = re.compile(r"step-(\d{7,})")
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
        for path in self._optimiser_files():
            tensors |= _load(path)
        return tensors

    def open_weights(self) -> Tensors:
        """Return the weights, to be read one by one."""
        return Tensors([self.folder / WEIGHTS])

    def open_optimiser(self) -> Tensors:
        """Return the optimiser's tensors of all processes together, to be read one by one."""
        return Tensors(self._optimiser_files())

    def _optimiser_files(self) -> list[Path]:
        return sorted(self.folder.glob("optimizer-*.safetensors"))


class Tensors(Mapping[str, Tensor]):
    """The tensors of some files by name; what is not asked for is not read."""

    def __init__(self, paths: Iterable[Path]) -> None:
        from safetensors import SafetensorError, safe_open

        self._files: dict[str, Any] = {}
        for path in paths:
            try:
                file = safe_open(path, "pt")  # type: ignore[no-untyped-call]
            except (OSError, SafetensorError) as error:
                raise _unreadable(path, error) from error
            self._files |= dict.fromkeys(file.keys(), file)

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._files[name].get_tensor(name)
        return tensor

    def rows(self, name: str, wanted: range) -> Tensor:
        """Return some rows of a tensor."""
        tensor: Tensor = self._files[name].get_slice(name)[wanted.start : wanted.stop]
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def save_checkpoint(
    folder: Path,
    step: int,
    *,
    weights: Mapping[str, Tensor] | None,
    optimiser: Mapping[str, Tensor],
    state: Mapping[str, Any],
    rank: int = 0,
    world: int = 1,
    agree: Callable[[bool], bool] = bool,
    keep: int = 2,
) -> Path:
    """Write one checkpoint; every process calls it, process 0 gives the weights and keeps the newest `keep`. `agree` tells whether
    something is true in any process, and so waits for all.

    Raises:
        TrainingError: one of the processes cannot write (no space, no permission); earlier checkpoints are untouched.
    """
    final, draft = name_checkpoint(folder, step), folder / f".step-{step:07d}.tmp"

    def begin() -> None:
        if rank == 0:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)

    def write() -> None:
        _save(draft / f"optimizer-{rank}of{world}.safetensors", optimiser)
        if weights is not None:
            _save(draft / WEIGHTS, weights)

    def commit() -> None:
        if rank == 0:
            _commit(draft, final, {**state, "step": step, "world": world})

    for work in (begin, write, commit):
        failure = _try(work)
        if agree(failure is not None):
            if rank == 0:
                shutil.rmtree(draft, ignore_errors=True)
            raise TrainingError(
                f"expected to write a checkpoint to {final}, found: {failure or 'another process could not'}. Free some space and give the "
                "same command again: the run goes on from the last complete checkpoint."
            ) from failure
    if rank == 0:
        _forget_old(folder, keep)
    return final


def _try(work: Callable[[], None]) -> Exception | None:
    """Do something and return what hindered it from writing."""
    try:
        work()
    except (OSError, RuntimeError) as error:  # safetensors reports a full disk as its own error
        if not _is_writing_error(error):
            raise
        return error
    return None


def _is_writing_error(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.startswith("safetensors") or "I/O" in str(error)


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save_file

    with disk_errors():
        save_file({name: t.detach().contiguous().cpu() for name, t in tensors.items()}, path)
    sync_folders({path})


def _load(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> TrainingError:
    return TrainingError(f"expected tensors in {path}, found: {error}. Delete the folder to use an earlier one.")


def _commit(draft: Path, final: Path, state: Mapping[str, Any]) -> None:
    files = {p.name: {"bytes": p.stat().st_size, "sha256": hash_file(p)} for p in sorted(draft.glob("*.safetensors"))}
    with whole_file(draft / STATE) as file:
        file.write((json.dumps({**state, "files": files}, indent=2) + "\n").encode())
    sync_folders({draft})
    shutil.rmtree(final, ignore_errors=True)
    draft.rename(final)
    sync_folders({final.parent})


def _forget_old(folder: Path, keep: int) -> None:
    for path in list_checkpoints(folder)[:-keep] if keep else []:
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(".step-*.tmp"):
        shutil.rmtree(path, ignore_errors=True)


def name_checkpoint(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies."""
    return folder / f"step-{step:07d}"


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the folders of checkpoints by step; damaged ones are among them."""
    with contextlib.suppress(FileNotFoundError):
        return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()), key=step_of)
    return []


def step_of(path: Path) -> int:
    """Return the step that the folder of a checkpoint is named after."""
    return int(path.name.removeprefix("step-"))


def find_checkpoint(
    folder: Path, *, warn: Callable[[str], None] = lambda message: None, before: int | None = None
) -> Checkpoint | None:
    """Return the newest complete checkpoint, of a step before `before` if given; damaged ones are passed over and `warn` is told which and why."""
    for path in reversed(list_checkpoints(folder)):
        if before is not None and step_of(path) >= before:
            continue
        try:
            return read_checkpoint(path)
        except TrainingError as error:
            warn(str(error))
    return None


def kept_device_batch(folder: Path, device: str) -> int:
    """Return the rows of one forward pass that the newest readable checkpoint was made with on such a device; 0 where there is none, or it does not say."""
    for path in reversed(list_checkpoints(folder)):
        with contextlib.suppress(TrainingError):
            state = read_checkpoint(path, prove=False).state
            return int(state.get("device_batch", 0)) if state.get("device") == device else 0
    return 0


def read_checkpoint(path: Path, *, prove: bool = True) -> Checkpoint:
    """Read the state of a checkpoint and prove its files, unless another process has done so.

    Raises:
        TrainingError: it is incomplete or damaged.
    """
    try:
        state = json.loads((path / STATE).read_text("utf-8"))
        files, step = dict(state["files"]), int(state["step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"expected a complete checkpoint in {path}, found: {error}") from error
    for name, facts in files.items() if prove else ():
        file = path / name
        if not file.is_file() or file.stat().st_size != facts["bytes"] or hash_file(file) != facts["sha256"]:
            raise TrainingError(f"expected {file} as it was written, found it missing or changed")
    if WEIGHTS not in files or not any(map(_OPTIMISER.fullmatch, files)):
        raise TrainingError(f"expected weights and optimiser state in {path}, found {', '.join(files) or 'nothing'}")
    return Checkpoint(path, step, state)
