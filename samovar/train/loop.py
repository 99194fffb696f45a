"""The training loop: read, predict, step, look, save; and go on where it was when it was killed.

A run lives in one folder: ``config.json`` (the plan), ``log.jsonl`` (the curve), ``samples.jsonl``, ``checkpoints/``. What happens at a step is a
function of the last checkpoint and the token shards alone, so a killed run that goes on draws the same curve: bit for bit on one machine's CPU.
When the loss is no number the last good state comes back and the batch that broke it is passed over. Prints nothing: it yields reports.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from samovar.errors import DivergedError, TrainingError
from samovar.train.batches import StepRows
from samovar.train.bits import measure_bits
from samovar.train.checkpoint import (
    Checkpoint,
    find_checkpoint,
    kept_device_batch,
    list_checkpoints,
    name_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from samovar.train.config import RunConfig
from samovar.train.distributed import Team
from samovar.train.generate import continue_greedily
from samovar.train.hardware import (
    check_disk,
    choose_device_batch,
    choose_precision,
    keep_memory,
    peak_flops,
    state_bytes,
)
from samovar.train.lines import append_line, clean_numbers, cut_log, read_lines
from samovar.train.model import IGNORED, number_documents
from samovar.train.pages import join_pages
from samovar.train.placement import place_model
from samovar.train.size import name_options

CONFIG, LOG, SAMPLES, CHECKPOINTS = "config.json", "log.jsonl", "samples.jsonl", "checkpoints"
STRANGERS = (
    LOG,
    SAMPLES,
    "manifest.json",
    "index.json",
    "samovar.json",
    "tokenizer.json",
    "model.safetensors",
    "adapt.json",
    "prefer.json",
)
"""What a new run's folder does not hold: signs of other runs, corpora, tokens, tokenizers and models, which would be mixed up with this one."""
MAX_ROLLBACKS = 3
SAMPLE_TOKENS = 32
JOINED_AFTER, JOINED_FROM = (1, 3), 2**26
"""Steps of a start after which its memory is put into large pages (the first has made nearly all of it), and from how many bytes of state on."""


class Rows(Protocol):
    """Where token rows come from: `samovar.train.batches.Batches`."""

    num_sequences: int

    def read(self, cursor: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return rows `cursor` … `cursor + count - 1` of the endless order, int64 [count, seq_len + 1]."""
        ...


@runtime_checkable
class MaskedRows(Protocol):
    """Rows of which not every token is a target, such as conversations: `samovar.train.chat_rows.ChatRows`."""

    num_sequences: int

    def read_masked(
        self, cursor: int, count: int
    ) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.bool_]]]:
        """Return rows and which of their tokens count as targets, [count, seq_len + 1] each; every row has one that counts."""
        ...


Pair = tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows as tokens and what should follow each, [count, seq_len] each; what does not count is `IGNORED`."""

    rows: Rows | MaskedRows

    def read(self, cursor: int, count: int) -> Pair:
        """Return rows `cursor` … of the endless order."""
        if isinstance(self.rows, MaskedRows):
            read, mask = self.rows.read_masked(cursor, count)
            return read[:, :-1], np.where(mask[:, 1:], read[:, 1:], IGNORED)
        read = self.rows.read(cursor, count)
        return read[:, :-1], read[:, 1:]


class Texts(Protocol):
    """What samples need of a tokenizer."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        ...

    def decode(self, ids: list[int]) -> str:
        """Return the text of tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """One line of the curve. `loss` in nats a token, `bits` bits per byte on held-out text (NaN where not measured), `seconds` of computing
    since the run began, over all its starts, `mfu` the share of the machine's peak FLOP/s."""

    step: int
    tokens: int
    loss: float
    rate: float
    grad_norm: float
    tokens_per_s: float
    mfu: float
    seconds: float
    bits: float = math.nan


def read_reports(folder: Path) -> list[Report]:
    """Return the curve of a run's folder."""
    return [Report(**{"mfu": math.nan, **line}) for line in read_lines(folder / LOG)]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a run reads: rows to train on and to check on, the bytes of each token [vocabulary], the separator's id; and, for samples,
    a tokenizer and texts to continue."""

    train: Rows | MaskedRows
    val: Rows | MaskedRows
    token_bytes: np.ndarray[Any, Any]
    separator: int
    tokenizer: Texts | None = None
    prompts: tuple[str, ...] = ()


class Trainer:
    """A pretraining run in a folder. `run()` goes from where the folder's newest checkpoint is to the last step of the plan."""

    def __init__(
        self,
        plan: RunConfig,
        folder: Path,
        sources: Sources,
        team: Team,
        *,
        warn: Callable[[str], None] = lambda message: None,
        initial: dict[str, Tensor] | None = None,
    ) -> None:
        self.plan, self.folder, self.sources, self.team, self._warn = plan, folder, sources, team, warn
        self._initial = initial
        self._open_folder()
        self.dtype = choose_precision(plan.precision, team.device)
        keep_memory(team.device)
        compiling = plan.compile and can_compile()
        self.placement = place_model(plan, team, self.dtype, compiling=compiling)
        self.model, self._loss = self.placement.model, self.placement.loss
        before = kept_device_batch(folder / CHECKPOINTS, team.device.type)
        shards = team.world if self.placement.sharded else 1
        self.device_batch = team.least(
            choose_device_batch(plan, team.world, team.device, self.dtype, shards, before=before)
        )
        if before not in (0, self.device_batch) and not plan.device_batch and team.is_first:
            warn(
                f"a forward pass had {before} sequences, now {self.device_batch} fit: the curve goes on, but the last digits are rounded otherwise"
            )
        self.peak = peak_flops(team.device, self.dtype) * team.world
        self._token_bytes = torch.as_tensor(np.asarray(sources.token_bytes, dtype=np.int64), device=team.device)
        self._ahead = StepRows(Pairs(sources.train), self._share, plan.batch_sequences)
        self.step = self.cursor = self.num_rollbacks = 0
        self._before, self._returned = plan.num_steps + 1, -1  # checkpoints that are good; the step last returned to
        self.wants_stop = self.stopping = False
        self._taken = 0  # steps since this start
        self.seconds = 0.0
        self._start_over()

    def _open_folder(self) -> None:
        path = self.folder / CONFIG
        if self.team.is_first:
            self.folder.mkdir(parents=True, exist_ok=True)
            check_disk(self.plan, self.folder)
            if not path.exists():
                self._check_strangers()
                self.plan.save(path)
            elif RunConfig.load(path) != self.plan and not self._has_begun():
                self.plan.save(path)  # nothing was done by the one that is there
        self.team.barrier()
        self._compare(RunConfig.load(path))

    def _check_strangers(self) -> None:
        """Make sure that a folder without a plan is nobody else's; checkpoints know their plan themselves."""
        found = find_checkpoint(self.folder / CHECKPOINTS)
        if found is not None and "config" in found.state:
            self._compare(RunConfig.from_dict(found.state["config"]))
            return
        names = [name for name in STRANGERS if (self.folder / name).exists()]
        if names:
            raise TrainingError(
                f"expected a new folder for the run, or that of an old one with its {CONFIG}, found {', '.join(names)} in {self.folder}: name "
                "another --output"
            )

    def _compare(self, begun: RunConfig) -> None:
        differing = list_differences(begun, self.plan)
        if differing:
            options = f" ({name_options(begun)})" if self._initial is None else ""
            raise TrainingError(
                f"expected the plan that {self.folder} was begun with, found other values of {', '.join(differing)}: name another --output to "
                f"begin a new run, or give the same options as then{options}, and the same data, to go on with the old one"
            )

    def _has_begun(self) -> bool:
        """Tell whether a step was done in the folder; the plan of a run that failed before its first one holds nobody up."""
        log = self.folder / LOG
        return (log.exists() and log.stat().st_size > 0) or bool(list_checkpoints(self.folder / CHECKPOINTS))

    # ---- state -------------------------------------------------------------------------------------------------------------

    def _start_over(self) -> None:
        """Take the newest complete checkpoint, or the beginning."""
        self.team.barrier()
        self._optimiser = self.placement.make_optimiser()
        found = self._find(self._before)
        if found is None:
            self.placement.begin(self.plan.seed, self._initial)
            self.step = self.cursor = 0
            self.seconds = 0.0
        else:
            self._restore(found)
        if self.team.is_first:
            for name in (LOG, SAMPLES):
                cut_log(self.folder / name, self.step)

    def _find(self, before: int) -> Checkpoint | None:
        """Return the newest complete checkpoint of a step before `before`; process 0 proves it for all."""
        folder = self.folder / CHECKPOINTS
        found = find_checkpoint(folder, warn=self._warn, before=before) if self.team.is_first else None
        step = self.team.first(found.step if found is not None else -1)
        return found if self.team.is_first or step < 0 else read_checkpoint(name_checkpoint(folder, step), prove=False)

    def _restore(self, found: Checkpoint) -> None:
        tokenizer = str(found.state.get("tokenizer_sha256", ""))
        if tokenizer != self.plan.tokenizer_sha256:
            raise TrainingError(
                f"expected the tokenizer {tokenizer[:12]} that {found.folder} was trained with, found {self.plan.tokenizer_sha256[:12]}"
            )
        self.placement.restore(found)
        try:
            self._optimiser.load_tensors(found.open_optimiser())
        except KeyError as error:
            raise TrainingError(
                f"expected optimiser state for {error} in {found.folder}: delete this folder"
            ) from error
        self.step, self.cursor = found.step, int(found.state["cursor"])
        self.seconds = float(found.state["seconds"])

    def save(self) -> None:
        """Write a checkpoint of this moment; all processes call it."""
        save_checkpoint(
            self.folder / CHECKPOINTS,
            self.step,
            weights=self.placement.weights(),
            optimiser=self._optimiser.state_tensors(own_only=not self.team.is_first),
            state={
                "cursor": self.cursor,
                "seconds": self.seconds,
                "tokenizer_sha256": self.plan.tokenizer_sha256,
                "config": asdict(self.plan),
                "device_batch": self.device_batch,
                "device": self.team.device.type,
            },
            rank=self.team.rank,
            world=self.team.world,
            agree=self.team.any,
            keep=self.plan.keep,
        )
        if self.step >= self._before:  # what led nowhere has been written over
            self._before = self.plan.num_steps + 1

    # ---- the loop ----------------------------------------------------------------------------------------------------------

    def run(self) -> Iterator[Report]:
        """Yield a report for each step until the plan's last, or until asked to stop; checkpoints are written on the way.

        Raises:
            DivergedError: the loss was no number again after `MAX_ROLLBACKS` returns to good states.
            TrainingError: a checkpoint cannot be written.
        """
        with closing(self._ahead):
            while self.step < self.plan.num_steps and not self.stopping:
                report = self._take_step()
                if report is None:
                    self._roll_back()
                    continue
                yield self._look(report)

    def _look(self, report: Report) -> Report:
        """Do what is due after a step: measure, log, write samples, save."""
        last = self.step == self.plan.num_steps
        if last or self.step % self.plan.eval_every == 0:
            report = Report(**{**asdict(report), "bits": self.measure()})
        if self.team.is_first:
            append_line(self.folder / LOG, clean_numbers(asdict(report)))
        if self.plan.sample_every and (last or self.step % self.plan.sample_every == 0):
            self._write_samples()
        if last or self.stopping or self.step % self.plan.save_every == 0:
            self.save()
        return report

    def ask_to_stop(self) -> None:
        """End after this step with a checkpoint, in all processes, whichever of them is asked. Safe in a signal handler."""
        self.wants_stop = True

    def _take_step(self) -> Report | None:
        """Do one optimiser step; None (and nothing changed) when loss or gradients are no numbers."""
        started = time.perf_counter()
        loss = self._accumulate()
        grad_norm = float(self.placement.finish_gradients())
        asked = torch.full_like(loss, float(self.wants_stop))
        value, stop = self.team.mean(torch.stack((loss, asked))).tolist()
        self.stopping = stop > 0
        if not (math.isfinite(value) and math.isfinite(grad_norm)):
            self.model.zero_grad(set_to_none=True)
            return None
        rate = self._optimiser.step(self.step)
        self.model.zero_grad(set_to_none=True)
        self._taken += 1
        if self._taken in JOINED_AFTER and state_bytes(self.plan.model) >= JOINED_FROM:
            join_pages(self.team.device)
        self.step += 1
        self.cursor += self.plan.batch_sequences
        seconds = time.perf_counter() - started
        self.seconds += seconds
        speed = self.plan.batch_tokens / seconds
        flops = self.plan.model.flops_per_token(self.plan.seq_len)
        return Report(
            step=self.step,
            tokens=self.step * self.plan.batch_tokens,
            loss=value,
            rate=rate,
            grad_norm=grad_norm,
            tokens_per_s=speed,
            mfu=speed * flops / self.peak if self.peak else math.nan,
            seconds=self.seconds,
        )

    def _accumulate(self) -> Tensor:
        """Add up the gradients of this process's share of a step; return the mean loss."""
        tokens, targets = self._ahead.take(self.cursor + self.team.rank * self._share)
        parts = range(0, self._share, self.device_batch)
        total = torch.zeros((), device=self.team.device)
        for weight, start in zip(self._weigh(targets), parts, strict=True):
            part = slice(start, start + self.device_batch)
            x, y = self._move(tokens[part]), self._move(targets[part])
            with torch.autocast(self.team.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
                loss = self._loss(x, y, number_documents(x, self.sources.separator))
            (loss / weight).backward()
            total += loss.detach() / weight
        return total

    @property
    def _share(self) -> int:
        """Sequences of a step that this process reads."""
        return self.plan.batch_sequences // self.team.world

    def _weigh(self, targets: np.ndarray[Any, Any]) -> list[float]:
        """Return what the mean loss of each part is divided by, so that every target of the step weighs the same in all processes; infinity for
        a part without targets."""
        count = self._share // self.device_batch
        if not isinstance(self.sources.train, MaskedRows):
            return [count] * count
        counts = (targets != IGNORED).reshape(count, -1).sum(axis=1).tolist()
        total = torch.tensor([float(sum(counts))], device=self.team.device)
        self.team.total(total)
        return [float(total) / (each * self.team.world) if each else math.inf for each in counts]

    def _move(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Tensor:
        return torch.from_numpy(rows).to(self.team.device, non_blocking=True).contiguous()

    def _roll_back(self) -> None:
        """Return to the last good state and pass over what broke it. A checkpoint from which two batches led nowhere is broken itself: then
        the one before it is taken, where there is one."""
        broken_step, broken_cursor = self.step, self.cursor
        self.num_rollbacks += 1
        earlier = self._find(broken_step) if broken_step == self._returned else None
        if self.num_rollbacks > MAX_ROLLBACKS:
            good = earlier if broken_step == self._returned else self._find(self._before)
            where = (
                f"The state of step {good.step} is kept in {good.folder}" if good else "No state was saved before it"
            )
            raise DivergedError(
                f"expected the loss to be a number, found none at step {broken_step} for the {self.num_rollbacks}th time. "
                f"{where}: begin a new run with a lower --matrix-lr."
            )
        if earlier is not None:
            self._before = broken_step
        self._start_over()
        self._returned = self.step
        self._warn(
            f"the loss at step {broken_step} was no number: back to step {self.step}, passing over {self.plan.batch_sequences} sequences"
        )
        self.cursor = (
            broken_cursor + self.plan.batch_sequences
        )  # the steps since the checkpoint are done again with other data

    # ---- looking -----------------------------------------------------------------------------------------------------------

    def measure(self) -> float:
        """Return bits per byte on the held-out text."""
        wanted = max(self.team.world, self.plan.eval_tokens // self.plan.seq_len)
        count = min(wanted, self.sources.val.num_sequences)
        return measure_bits(
            self.model, self._held_out(count), self._token_bytes, self.sources.separator, self.team, self.dtype
        )

    def _held_out(self, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's parts of the held-out rows: as many in each, since a forward pass may be common work; those beyond the
        last count for nothing."""
        starts, rows = range(0, count, self.device_batch), Pairs(self.sources.val)
        for number in range(self.team.rank, -(-len(starts) // self.team.world) * self.team.world, self.team.world):
            start = starts[min(number, len(starts) - 1)]
            tokens, targets = map(self._move, rows.read(start, min(self.device_batch, count - start)))
            yield tokens, targets if number < len(starts) else torch.full_like(targets, IGNORED)

    def _write_samples(self) -> None:
        tokenizer = self.sources.tokenizer
        if tokenizer is None or not (self.team.is_first or self.placement.sharded):
            return
        ends = None if self.placement.sharded else self.sources.separator  # common work has one length in all
        self.model.eval()
        for prompt in self.sources.prompts:
            tokens = [self.sources.separator, *tokenizer.encode(prompt)]
            following = continue_greedily(self.model, tokens, SAMPLE_TOKENS, stop=ends)
            if self.sources.separator in following:
                following = following[: following.index(self.sources.separator)]
            if self.team.is_first:
                text = tokenizer.decode(following)
                append_line(self.folder / SAMPLES, {"step": self.step, "prompt": prompt, "text": text})
        self.model.train()


def list_differences(begun: RunConfig, asked: RunConfig) -> list[str]:
    """Return what differs between two plans and would change the curve, with both values."""
    free = {"device_batch", "compile", "keep", "save_every", "sample_every", "eval_every", "eval_tokens", "shard"}
    old, new = ({**asdict(plan), **{f"model.{k}": v for k, v in asdict(plan.model).items()}} for plan in (begun, asked))
    names = [name for name in old if name not in free and name != "model" and old[name] != new[name]]
    return [f"{name} ({_shown(old[name])} then, {_shown(new[name])} now)" for name in names]


def _shown(value: object) -> str:
    return value[:12] if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def can_compile() -> bool:
    """Tell whether torch.compile can work here: on a CPU it needs a C++ compiler."""
    import shutil

    return torch.cuda.is_available() or any(map(shutil.which, ("g++", "clang++", "c++")))
