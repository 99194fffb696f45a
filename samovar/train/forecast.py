"""How long a run will take and what it will cost: its FLOPs divided by a rate. A calculation, not a promise.

The rate is a share of the maker's bf16 peak (MFU), or tokens a second that were measured on one device with the same model. Communication
between devices is not in it: measure where you will train. Knows no running training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from samovar.errors import UsageError
from samovar.train.config import RunConfig
from samovar.train.hardware import PEAK_BF16, bytes_needed

GPU_MEMORY = {"H200": 141, "H100": 80, "A100": 80, "L40S": 48, "L4": 24, "4090": 24, "3090": 24, "MI300X": 192}
"""10^9 bytes by the same names as `PEAK_BF16`. Source: the makers' data sheets."""
USABLE = 0.9


@dataclass(frozen=True, slots=True)
class Forecast:
    """A run on so many devices. `cost` in the price's money; `memory_bytes` a device with one sequence a pass, `sharded` when only the state in
    parts fits, `fits` when either does, `divides` when the batch can be shared out evenly."""

    gpus: int
    hours: float
    cost: float
    memory_bytes: int
    sharded: bool
    fits: bool
    divides: bool


def forecast(
    plan: RunConfig, gpus: int, *, gpu: str = "H100", mfu: float = 40.0, price: float = 3.0, tokens_per_s: float = 0.0
) -> Forecast:
    """Return time and cost of a run; `mfu` in per cent, `tokens_per_s` of one device overrules it, `price` of a device for an hour.

    Raises:
        UsageError: the device is unknown, or a number is impossible.
    """
    if gpu not in PEAK_BF16:
        raise UsageError(f"expected a device of {', '.join(PEAK_BF16)}, found {gpu!r}")
    if gpus < 1 or not (0 < mfu <= 100 and 0 <= price < math.inf and 0 <= tokens_per_s < math.inf):
        raise UsageError(
            f"expected at least one device, an MFU above 0 and up to 100 % and no negative numbers, found {gpus}, {mfu}, {price}, {tokens_per_s}"
        )
    speed = tokens_per_s or mfu / 100 * PEAK_BF16[gpu] / plan.model.flops_per_token(plan.seq_len)
    hours = plan.num_tokens / (speed * gpus) / 3600
    room = USABLE * GPU_MEMORY[gpu] * 1e9
    whole, parts = (bytes_needed(plan, 1, torch.bfloat16, shards) for shards in (1, gpus))
    sharded = gpus > 1 and whole > room
    return Forecast(
        gpus, hours, hours * gpus * price, parts if sharded else whole, sharded, min(whole, parts) <= room, plan.batch_sequences % gpus == 0
    )  # fmt: skip
