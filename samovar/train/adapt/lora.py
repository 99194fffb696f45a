"""Train an adapted model of any architecture further: low-rank additions to its matrices, and its tables of tokens whole.

transformers computes, peft holds the additions; afterwards they are merged, so the result is an ordinary folder. Documents follow one
another in a row and do not see each other, see `samovar.train.adapt.packing`. A killed run goes on from its last checkpoint with the same
data. One process only: several are refused. Source: Hu et al. 2021 (arXiv:2106.09685).
"""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from samovar.errors import DivergedError, MissingExtraError, TrainingError
from samovar.train.adapt.card import CARD, training_lines
from samovar.train.adapt.huggingface import open_folder, read_json
from samovar.train.adapt.material import Material
from samovar.train.adapt.packing import compute_row, keeps_apart
from samovar.train.adapt.quality import Encode, measure_causal, open_causal, open_encoder, quiet
from samovar.train.disk import writing
from samovar.train.size import check_horizon

MODEL, CHECKPOINTS = "model", "checkpoints"
Rows = npt.NDArray[np.int64]
BATCH_ROWS = 8
TABLE_STEPS = 1 / 3
"""Share of the steps for which new rows are trained alone after a transfer; measured on a toy only (docs/LAB.md)."""


@dataclass(frozen=True, slots=True)
class LoraPlan:
    """A run: `rank` of the additions, peak `rate` of AdamW for them (the tables have a tenth), sequences and steps. For the first
    `table_steps` only the tables are trained, at the whole rate times `table_share`: new rows find their place before the rest moves."""

    num_steps: int
    seq_len: int = 1024
    batch_rows: int = BATCH_ROWS
    rank: int = 16
    rate: float = 2e-4
    save_every: int = 100
    seed: int = 0
    table_steps: int = 0
    table_share: float = 5.0


def plan_lora(num_tokens: int, *, seq_len: int = 1024, batch_tokens: int = 0, new_rows: bool = False) -> LoraPlan:
    """Return the plan of a run over `num_tokens`, by steps of `batch_tokens` (0: `BATCH_ROWS` rows, or as many as there are tokens for); `new_rows`:
    after a transfer the tables are trained alone first.

    Raises:
        TrainingError: a step has more tokens than the whole run.
    """
    rows = batch_tokens // seq_len if batch_tokens else min(BATCH_ROWS, num_tokens // seq_len)
    rows = max(1, rows)
    check_horizon(num_tokens, rows * seq_len, seq_len)
    steps = num_tokens // (rows * seq_len)
    return LoraPlan(steps, seq_len, rows, table_steps=int(TABLE_STEPS * steps) if new_rows else 0)


def check_lora(source: Path, plan: LoraPlan) -> None:
    """Make sure that a model can be trained by a plan, as far as its ``config.json`` tells; before it is adapted, which may take long.

    Raises:
        TrainingError: the rows are longer than the model reads, or several processes are at work.
        MissingExtraError: peft is not installed.
    """
    from importlib.util import find_spec

    from samovar.train.distributed import read_environment

    if find_spec("peft") is None:
        raise MissingExtraError("adapt", "training low-rank additions")
    if (processes := read_environment()[1]) > 1:
        raise TrainingError(f"expected one process for --lora, found {processes}: start it without torchrun")
    longest = read_json(source / "config.json").get("max_position_embeddings", plan.seq_len)
    if plan.seq_len > longest:
        raise TrainingError(f"expected --seq-len of at most {longest} (the model's), found {plan.seq_len}")


@dataclass(frozen=True, slots=True)
class LoraReport:
    """One step; `loss` in nats a token."""

    step: int
    loss: float
    rate: float


def pack_rows(texts: Iterable[str], encode: Encode, separator: int, length: int) -> Rows:
    """Return the texts one after another, each ended by `separator`, as rows [count, length + 1] that overlap by one token.

    Raises:
        TrainingError: they do not fill one row.
    """
    ids = np.fromiter((number for text in texts for number in (*encode(text), separator)), np.int64)
    count = (len(ids) - 1) // length
    if count < 1:
        raise TrainingError(
            f"expected more than {length} tokens of text, found {len(ids)}: add texts or use a smaller --seq-len"
        )
    starts = np.arange(count)[:, None] * length
    return np.asarray(ids[starts + np.arange(length + 1)])


def read_batch(rows: Rows, step: int, plan: LoraPlan) -> Rows:
    """Return the rows of a step: each epoch has its own order, a function of the seed alone."""
    numbers = np.arange(step * plan.batch_rows, (step + 1) * plan.batch_rows)
    orders = {
        epoch: np.random.default_rng((plan.seed, epoch)).permutation(len(rows))
        for epoch in {*(numbers // len(rows)).tolist()}
    }
    return rows[[orders[number // len(rows)][number % len(rows)] for number in numbers.tolist()]]


class LoraRun:
    """A run in a folder: `train()` goes from the newest checkpoint to the last step, `finish()` writes the merged model."""

    def __init__(self, source: Path, material: Material, folder: Path, plan: LoraPlan, *, device: str = "auto") -> None:
        import torch

        from samovar.train.distributed import join_team

        check_lora(source, plan)
        self.source, self.material, self.folder, self.plan = source, material, folder, plan
        opened = open_folder(source)
        self.encode, self.separator = open_encoder(source), _separator(opened.config)
        texts = (piece for batch in material.batches() for piece in batch)
        self.rows = pack_rows(texts, self.encode, self.separator, plan.seq_len)
        self.device = join_team(device).device
        torch.manual_seed(plan.seed)
        self.model = _add_lora(open_causal(source), plan.rank).to(self.device)
        self.together = keeps_apart(self.model, opened.num_rows)
        self.trained = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        groups = [{"params": [weight], "table": "lora_" not in name} for name, weight in self.trained.items()]
        self._adam = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.95), weight_decay=0.0)
        self.step = 0
        self._restore()

    def measure(self, texts: Sequence[str] | None = None) -> float:
        """Return bits per byte, on the held-out texts or on others."""
        self.model.eval()
        return measure_causal(self.model, self.encode, self.material.held if texts is None else texts)

    def train(self) -> Iterator[LoraReport]:
        """Yield a report for each step left.

        Raises:
            DivergedError: the loss is no number.
        """
        while self.step < self.plan.num_steps:
            yield self._take_step()
            if self.step == self.plan.num_steps or self.step % self.plan.save_every == 0:
                self.save()

    def _take_step(self) -> LoraReport:
        import torch

        self.model.train()
        rate = self.plan.rate * _shape(self.step, self.plan.num_steps)
        total = 0.0
        batch = torch.from_numpy(read_batch(self.rows, self.step, self.plan)).to(self.device)
        for row in batch.split(1):
            scores = compute_row(self.model, row[:, :-1], self.separator, together=self.together)
            loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1).float(), row[:, 1:].flatten()) / len(batch)
            loss.backward()
            total += float(loss.detach())
        if not math.isfinite(total):
            raise DivergedError(
                f"expected the loss to be a number, found none at step {self.step}: begin again in a new folder with other texts; the last "
                f"good state is in {self.folder / CHECKPOINTS}"
            )
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), 1.0)
        for group in self._adam.param_groups:
            group["lr"] = rate * _share(self.plan, self.step, group["table"])
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        self.step += 1
        return LoraReport(self.step, total, rate)

    # ---- state -------------------------------------------------------------------------------------------------------------
    def save(self) -> None:
        """Write a checkpoint: what is trained, and AdamW's state."""
        from samovar.train.checkpoint import save_checkpoint

        state = {
            f"{name}.{key}": value
            for name, weight in self.trained.items()
            for key, value in self._adam.state[weight].items()
        }
        save_checkpoint(
            self.folder / CHECKPOINTS, self.step, weights=dict(self.trained), optimiser=state, state={"plan": _about(self)}
        )  # fmt: skip

    def _restore(self) -> None:
        import torch

        from samovar.train.checkpoint import find_checkpoint

        found = find_checkpoint(self.folder / CHECKPOINTS)
        if found is None:
            return
        if found.state.get("plan") != _about(self):
            raise TrainingError(
                f"expected the options and texts that {self.folder} was begun with, found others: name another --output for a new run"
            )
        weights, state = found.weights(), found.optimiser()
        with torch.no_grad():
            for name, weight in self.trained.items():
                weight.copy_(weights[name])
                keys = [key for key in state if key.rpartition(".")[0] == name]
                self._adam.state[weight] = {key.rpartition(".")[2]: state[key] for key in keys}
        self.step = found.step

    def finish(self, figures: Mapping[str, tuple[float | None, float]] | None = None) -> Path:
        """Merge the additions into the weights and write an ordinary model folder; return its place. `figures` for the card: bits per byte
        before and after, by the name of the texts."""
        import torch

        place, draft = self.folder / MODEL, self.folder / f".{MODEL}.tmp"
        shutil.rmtree(draft, ignore_errors=True)
        kind = read_json(self.source / "config.json")
        name = str(kind.get("dtype") or kind.get("torch_dtype") or "float32")
        merged = self.model.merge_and_unload().to("cpu", getattr(torch, name))
        with quiet(), writing(draft):
            merged.save_pretrained(draft)
        for path in self.source.iterdir():
            if path.is_file() and path.suffix != ".safetensors" and not (draft / path.name).exists():
                shutil.copyfile(path, draft / path.name)
        plan = self.plan
        with (draft / CARD).open("a", encoding="utf-8") as card:
            card.write(
                "\n".join(training_lines(plan.rank, plan.num_steps, plan.batch_rows * plan.seq_len, figures or {}))
                + "\n"
            )
        if (draft / "model.safetensors").exists():  # written whole: the parent's list of parts is not true of it
            (draft / "model.safetensors.index.json").unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        draft.rename(place)
        return place


def _about(run: LoraRun) -> dict[str, Any]:
    plan = run.plan
    return {
        "num_steps": plan.num_steps, "seq_len": plan.seq_len, "batch_rows": plan.batch_rows, "rank": plan.rank, "rate": plan.rate,
        "seed": plan.seed, "num_rows": len(run.rows), "first_tokens": int(run.rows[0].sum()), "documents": "apart", "table_steps": plan.table_steps, "table_share": plan.table_share,
    }  # fmt: skip


def _share(plan: LoraPlan, step: int, table: bool) -> float:
    """Return the share of the rate that the tables or the additions have at a step."""
    if step < plan.table_steps:
        return plan.table_share if table else 0.0
    return 0.1 if table else 1.0


def _shape(step: int, num_steps: int) -> float:
    """Rise over 2 % of the steps, then fall in a line."""
    return min(1.0, (step + 1) / max(1.0, 0.02 * num_steps)) * (1.0 - step / num_steps)


def _separator(config: dict[str, Any]) -> int:
    for key in ("eos_token_id", "bos_token_id", "pad_token_id"):
        value = config.get(key)
        value = value[-1] if isinstance(value, Sequence) and value else value
        if isinstance(value, int):
            return value
    raise TrainingError("expected eos_token_id in config.json: nothing would part the documents")


def _add_lora(model: Any, rank: int) -> Any:
    """Return the model with additions to all its matrices; they and the tables of tokens are what is trained."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtraError("adapt", "training low-rank additions") from error
    with warnings.catch_warnings():  # peft asks transformers by a name that is to go; nothing its caller can change
        warnings.simplefilter("ignore", FutureWarning)
        made = get_peft_model(
            model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
        )
    for table in (model.get_input_embeddings(), model.get_output_embeddings()):
        if table is not None:
            table.weight.requires_grad_(True)
    return made
