"""The plan of a preference run and what it will need: plain data, written beside the run, no torch.

Rates follow one rule: `RATE` for a model 2,048 wide and a run of `LONG` steps; more for narrower ones, more for shorter runs, ten times as much for
low-rank additions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from samovar.errors import TrainingError, UsageError
from samovar.train.drafts import write_json

METHODS = {"dpo": "sigmoid", "ipo": "ipo"}
"""Our names and trl's: Rafailov et al. 2023 (arXiv:2305.18290); Azar et al. 2023 (arXiv:2310.12036)."""
RATE = 2e-6
"""For a model `WIDTH` wide and `LONG` steps: trl's default is 1e-6, published runs of some thousand steps on models of 1 to 8 billion weights have
5e-7 to 2.5e-6."""
LONG, MAX_HASTE = 1000, 20.0
"""AdamW moves each weight by about its rate a step, so how far a run gets is rate times steps. Measured on a toy 128 wide whose pairs differ in one
sign (``benchmarks/train_prefer.py learn``): 30 times the rate over 31 steps, 10 times over 94 and 30 times over 12 moved the mean margin by 18, 19
and 11 nats, whatever the pairs of a step. Hence `LONG` / steps times the rate for shorter runs, but no more than `MAX_HASTE`. Without it a short run
ended long before the chosen answers were the likelier ones: 0 of 53 right before, 0 after."""
WIDTH = 2048
LORA_FACTOR = 10.0
"""On the same toy 62 to 88 %; faster was no better (5 and 20 times 88, 80 times 77 %)."""
LORA_RANK = 16
MAX_BATCH = 32
MIN_STEPS_PER_EPOCH = 30
EPOCHS = 2.0
"""Two slower passes are calmer than one hasty one: see `LONG`."""
MAX_LEN = 1024
WARMUP = 0.1
MOST_EPOCHS = 10_000
GIB = 2**30
DEVICE_TOKENS = {"cpu": 16_384, "cuda": 65_536}
"""Tokens of one forward pass beyond which nothing is gained."""

FREE = frozenset(("device_batch", "save_every", "keep"))
"""What may differ between two starts: it does not change what is learnt, but for the order of sums."""


@dataclass(frozen=True, slots=True)
class PreferPlan:
    """What a run does. `lora_rank` 0 trains all weights; `anchor` weighs the plain log-likelihood of the chosen answer in the loss."""

    method: str
    beta: float
    rate: float
    anchor: float
    num_steps: int
    batch_pairs: int
    seq_len: int
    seed: int
    lora_rank: int
    precision: str
    parent_sha256: str
    data_sha256: str
    device_batch: int = 0
    save_every: int = 100
    keep: int = 2

    def save(self, path: Path) -> None:
        """Write the plan as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a plan.

        Raises:
            TrainingError: the file is none of this version.
        """
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(f"expected the plan of a preference run in {path}, found: {error}") from error

    def list_differences(self, other: PreferPlan) -> list[str]:
        """Return the names of what differs and would change what is learnt."""
        old, new = asdict(self), asdict(other)
        return [name for name in old if name not in FREE and old[name] != new[name]]


def make_plan(
    *,
    num_pairs: int,
    width: int,
    seq_len: int,
    parent_sha256: str,
    data_sha256: str,
    method: str = "dpo",
    beta: float = 0.1,
    rate: float = 0.0,
    anchor: float = 0.0,
    epochs: float = EPOCHS,
    batch_pairs: int = 0,
    seed: int = 0,
    lora: bool = False,
    precision: str = "fp32",
    device_batch: int = 0,
    save_every: int = 0,
) -> PreferPlan:
    """Return the plan for so many pairs and a model so wide; 0 means the rule's own value.

    Raises:
        UsageError: an unknown method, or a number that makes no sense.
    """
    if method not in METHODS:
        raise UsageError(f"expected --method {' or '.join(METHODS)}, found {method}")
    given = {"beta": beta, "epochs": epochs, "rate": rate, "anchor": anchor}
    wrong = [f"{name} {value:g}" for name, value in given.items() if not 0 <= value < math.inf]
    wrong += [f"{name} {given[name]:g}" for name in ("beta", "epochs") if given[name] == 0]
    if wrong or epochs > MOST_EPOCHS:
        raise UsageError(
            f"expected positive beta and epochs ({MOST_EPOCHS:,} at most), rate and anchor not below 0, found {', '.join(wrong) or f'epochs {epochs:g}'}"
        )
    batch = batch_pairs or max(1, min(MAX_BATCH, num_pairs // MIN_STEPS_PER_EPOCH))
    steps = max(1, round(epochs * num_pairs / batch))
    return PreferPlan(
        method=method,
        beta=beta,
        rate=rate or rule_rate(width, steps, lora=lora),
        anchor=anchor,
        num_steps=steps,
        batch_pairs=batch,
        seq_len=seq_len,
        seed=seed,
        lora_rank=LORA_RANK if lora else 0,
        precision=precision,
        parent_sha256=parent_sha256,
        data_sha256=data_sha256,
        device_batch=device_batch,
        save_every=save_every or max(1, min(200, steps // 4)),
    )


def rule_rate(width: int, steps: int, *, lora: bool = False) -> float:
    """Return the highest rate of a run over so many steps for a model so wide."""
    haste = min(MAX_HASTE, max(1.0, LONG / steps))
    return round(RATE * (WIDTH / width) * haste * (LORA_FACTOR if lora else 1.0), 12)


def order_pairs(plan: PreferPlan, num_pairs: int) -> list[int]:
    """Return the numbers of the pairs of all steps: each epoch has its own order, a function of the seed alone."""
    total = plan.num_steps * plan.batch_pairs
    epochs = range(-(-total // num_pairs))
    orders = [np.random.default_rng((plan.seed, epoch)).permutation(num_pairs) for epoch in epochs]
    return [int(number) for number in np.concatenate(orders)[:total]]


def rate_at(plan: PreferPlan, step: int) -> float:
    """Return the rate's share at a step: up over the first tenth, then down to zero in a line."""
    rising = max(1.0, WARMUP * plan.num_steps)
    return min(1.0, (step + 1) / rising) * max(0.0, 1.0 - step / plan.num_steps)


# -- what it needs --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Size:
    """A model's size: all weights, those that are trained, and the shape that activations depend on."""

    num_parameters: int
    num_trained: int
    num_layers: int
    width: int
    inner: int
    vocab_size: int


def memory_needed(size: Size, device_batch: int, seq_len: int, width_bytes: int) -> int:
    """Return an estimate of the bytes that training takes: weights, gradients, AdamW's two moments, and what one pass of
    2 · `device_batch` answers keeps for its gradients. The logits are computed in parts by trl and not kept whole. Measured on one model
    of 27 M weights (8 layers, pairs of 421 tokens, float32, CPU): 2.39 GB, estimated 2.53."""
    state = 4 * size.num_parameters + 12 * size.num_trained
    per_token = size.num_layers * (18 * size.width + 5 * size.inner) * width_bytes
    return state + 2 * device_batch * seq_len * per_token + 256 * 2**20


def disk_needed(size: Size, keep: int) -> int:
    """Return the bytes of a run's folder at its largest: checkpoints (one more while it is written), the parent's copy or the result."""
    return (keep + 1) * 12 * size.num_trained + 2 * 4 * size.num_parameters


def choose_device_batch(plan: PreferPlan, size: Size, longest: int, free: int, kind: str, *, before: int = 0) -> int:
    """Return the pairs of one pass: the plan's; or those of `before` the run was ended, if they still fit; or the largest divisor of a step's pairs
    that fits into `free` bytes (0: unknown).

    Raises:
        TrainingError: it does not divide, or not even one pair fits.
    """
    if plan.device_batch:
        if plan.batch_pairs % plan.device_batch:
            raise TrainingError(
                f"expected --device-batch to divide the {plan.batch_pairs} pairs of a step, found {plan.device_batch}"
            )
        return plan.device_batch
    width_bytes = 2 if plan.precision == "bf16" else 4
    limit = DEVICE_TOKENS.get(kind, DEVICE_TOKENS["cuda"])
    for count in ([before] if before else []) + list(range(plan.batch_pairs, 0, -1)):
        small = count in (1, before) or 2 * count * longest <= limit
        if plan.batch_pairs % count == 0 and small and (not free or memory_needed(size, count, longest, width_bytes) <= 0.9 * free):  # fmt: skip
            return count
    needed = memory_needed(size, 1, longest, width_bytes)
    raise TrainingError(
        f"expected at least {needed / GIB:.1f} GiB of free memory for one pair of {longest} tokens, found {free / GIB:.1f} GiB: "
        "use --lora, a smaller --seq-len or a smaller model"
    )


def check_disk(plan: PreferPlan, size: Size, folder: Path) -> None:
    """Make sure that the run's folder will fit.

    Raises:
        TrainingError: it will not.
    """
    import shutil

    needed, free = disk_needed(size, plan.keep), shutil.disk_usage(folder).free
    if needed > free:
        raise TrainingError(
            f"expected {needed / GIB:.2f} GiB of free space in {folder} for checkpoints and result, found {free / GIB:.2f} GiB: "
            "free some, use --lora, or name another --output"
        )


def clean(values: Any) -> Any:
    """Return plain data with NaN and infinity as None, which JSON has not."""
    if isinstance(values, dict):
        return {key: clean(value) for key, value in values.items()}
    if isinstance(values, Sequence) and not isinstance(values, str):
        return [clean(value) for value in values]
    return None if isinstance(values, float) and not np.isfinite(values) else values
