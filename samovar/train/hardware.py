"""What the machine can do: precision, peak speed, memory; and what a run will need, asked before hours are spent.

Peak numbers of GPUs are the makers' dense bf16 figures; a CPU is measured with one matrix product. Knows no training loop.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import torch

from samovar.errors import TrainingError
from samovar.train.config import ModelConfig, RunConfig

PEAK_BF16 = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "4090": 165e12,
    "3090": 71e12,
    "MI300X": 1307e12,
}
"""Dense bf16 FLOP/s by a part of the device's name. Source: the makers' data sheets."""
GIB = 2**30
PROBE_SECONDS = 0.15
"""Of multiplying on a CPU: six products were half as fast, since threads start and clocks rise during the first 50 ms."""


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """Return the type of activations: bf16 where the machine multiplies it fast, else float32. Weights are float32 always.

    Raises:
        TrainingError: an unknown precision.
    """
    if wanted not in ("auto", "bf16", "fp32"):
        raise TrainingError(f"expected the precision auto, bf16 or fp32, found {wanted!r}")
    if wanted == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_multiplies_bf16()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if wanted == "bf16" else torch.float32


def _cpu_multiplies_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Return the FLOP/s that MFU is counted against; 0 when unknown."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return next((peak for part, peak in PEAK_BF16.items() if part in name), 0.0)
    a, b = torch.randn(1024, 1024).to(dtype), torch.randn(1024, 1024).to(dtype)
    out = torch.empty_like(a)
    best, until = float("inf"), time.perf_counter() + PROBE_SECONDS
    while time.perf_counter() < until:
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * 1024**3 / best


def keep_memory(device: torch.device) -> None:
    """Have the C library keep freed memory for the next step, where it is glibc and the device a CPU.

    By default it gives large blocks back to the system and takes them anew each step: 26,000 page faults and 5 % of a step's time, measured with
    2,048 tokens and 8.9 million weights; with this, none."""
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 * 2**20)  # the most it takes
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of <malloc.h>


def bytes_needed(plan: RunConfig, device_batch: int, dtype: torch.dtype, shards: int = 1) -> int:
    """Return an estimate of the memory a process needs: its part of weights, gradients and optimiser, activations and the output layer."""
    model = plan.model
    width = 2 if dtype == torch.bfloat16 else 4
    per_token = model.num_layers * (14 * model.hidden_size + 4 * model.intermediate_size) * width
    # attention's probabilities, kept on a CPU
    per_token += model.num_layers * model.num_heads * plan.seq_len // 2 * width
    head = 2 * 4 * model.vocab_size * model.hidden_size  # the output layer's gradient; logits are made in chunks
    return state_bytes(plan.model, shards) + head + device_batch * plan.seq_len * per_token


def state_bytes(model: ModelConfig, shards: int = 1) -> int:
    """Return the bytes of weights, gradients and optimiser state in each of `shards` parts, and of what is together for a while: two
    blocks and the tables, with their gradients."""
    kept = 4 * 4 * model.num_parameters // shards
    if shards == 1:
        return kept
    blocks = 2 * model.num_matrix_parameters // model.num_layers
    tables = model.vocab_size * model.hidden_size * (1 if model.tie_embeddings else 2)
    return kept + 2 * 4 * (blocks + tables)


def free_memory(device: torch.device) -> int:
    """Return the bytes free on the device; 0 when unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) if hasattr(os, "sysconf") else 0


def share_of_memory(device: torch.device) -> int:
    """Return the bytes that one process may fill: nine tenths of what is free, a CPU's shared by the processes of this machine; 0 when unknown."""
    neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if device.type == "cpu" else 1
    return int(0.9 * free_memory(device)) // max(1, neighbours)


def check_memory(plan: RunConfig, dtype: torch.dtype, device: torch.device, shards: int = 1) -> None:
    """Make sure that one sequence fits.

    Raises:
        TrainingError: it does not.
    """
    free, needed = share_of_memory(device), bytes_needed(plan, 1, dtype, shards)
    if free and needed > free:
        parts = f" with the state in {shards} parts" if shards > 1 else ""
        more = "" if shards > 1 else ", or more processes and --shard on"
        raise TrainingError(
            f"expected at least {needed / GIB:.1f} GiB of free memory for one sequence of {plan.seq_len} tokens{parts}, found "
            f"{free / GIB:.1f} GiB for a process: use a smaller --depth, --seq-len or vocabulary{more}"
        )


def choose_device_batch(
    plan: RunConfig, world: int, device: torch.device, dtype: torch.dtype, shards: int = 1, *, before: int = 0
) -> int:
    """Return the sequences of one forward pass: the plan's; or those of `before` the run was ended, if they still fit, since other parts of a step are
    rounded otherwise; or the largest that divides the step evenly and fits in memory.

    Raises:
        TrainingError: the step cannot be divided among the processes, or not even one sequence fits.
    """
    if plan.batch_sequences % world:
        raise TrainingError(
            f"expected the {plan.batch_sequences} sequences of a step to divide among {world} processes: "
            "change --batch-tokens or the number of processes"
        )
    share = plan.batch_sequences // world
    if plan.device_batch:
        if share % plan.device_batch:
            raise TrainingError(f"expected --device-batch to divide {share} sequences, found {plan.device_batch}")
        return plan.device_batch
    limit = 4_096 if device.type == "cpu" else 131_072  # tokens; beyond that nothing is gained
    free = share_of_memory(device)
    if before and share % before == 0 and (not free or bytes_needed(plan, before, dtype, shards) <= free):
        return before
    for size in range(share, 0, -1):
        divides = share % size == 0 and size * plan.seq_len <= max(limit, plan.seq_len)
        if divides and (not free or bytes_needed(plan, size, dtype, shards) <= free):
            return size
    check_memory(plan, dtype, device, shards)
    return 1


def check_disk(plan: RunConfig, folder: Path) -> None:
    """Make sure that the run's checkpoints will fit.

    Raises:
        TrainingError: they will not.
    """
    needed = (plan.keep + 1) * 3 * 4 * plan.model.num_parameters
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise TrainingError(
            f"expected {needed / GIB:.2f} GiB of free space in {folder} for {plan.keep + 1} checkpoints, found "
            f"{free / GIB:.2f} GiB: free some, or name another --output"
        )
