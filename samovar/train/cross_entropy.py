"""The last layer and its loss in one: the logits of a few rows at a time, never of all.

The forward pass computes each chunk's logits, their cross-entropy and at once the gradients, in place, so that the logits are used while they are
in the cache and then overwritten; the backward pass only scales. Products run in the type that autocast asks for, softmax and sums in float32.
An operator of its own: torch.compile calls it and does not unroll its loop (unrolled, it took minutes to compile and was no faster). Knows no
model. Source of the idea: Cut Your Losses (arXiv:2411.09009), Liger kernels (arXiv:2410.10989).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_BYTES = {"cpu": 8 * 2**20, "cuda": 2**28}
"""Logits of one chunk. CPU: what the caches hold; GPU: enough to fill it."""
BLOCK_BYTES = {"cpu": 2**26, "cuda": 2**30}
"""Logits kept for one product with the inputs: fewer, larger products for the weight's gradient, and fewer sums of their results."""
_BLOCKS: dict[torch.dtype, Tensor] = {}
"""A CPU's memory for such a block. Above 32 MiB the C library would give it back to the system each time: 26,000 page faults a step."""


def mean_nats(hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int) -> Tensor:
    """Return the mean cross-entropy in nats of `hidden` [rows, size] against `targets` [rows] under the output layer `weight`
    [vocabulary, size]; targets `ignored` do not count. Where none counts it is 0."""
    dtype = product_type(hidden)
    compiled = torch.compiler.is_compiling()
    loss, _, _ = fused(hidden.to(dtype), weight, targets, ignored, compiled)
    return loss


def list_nats(hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int) -> Tensor:
    """Return the cross-entropy in nats of each row, [rows], 0 where ignored; for looking."""
    dtype = product_type(hidden)
    matrix = weight.to(dtype)
    size = rows_of(CHUNK_BYTES, hidden.device, len(weight), dtype)
    parts = [
        F.cross_entropy(F.linear(h.to(dtype), matrix).float(), t, ignore_index=ignored, reduction="none")
        for h, t in zip(hidden.split(size), targets.split(size), strict=True)
    ]
    return torch.cat(parts)


def product_type(hidden: Tensor) -> torch.dtype:
    """Return the type in which autocast wants matrix products, or that of `hidden`."""
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


def rows_of(budget: dict[str, int], device: torch.device, vocabulary: int, dtype: torch.dtype) -> int:
    """Return how many rows of logits fit a budget."""
    return max(1, budget.get(device.type, budget["cuda"]) // (vocabulary * dtype.itemsize))


def turn_into_powers(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Replace logits [rows, vocabulary] by exp(logits - most); return the most of each row and the sum of its powers, float32 [rows].

    The sum is that of the powers as they are kept, so that the shares of a row add up to 1 exactly; and a sum of them before rounding would be
    compiled to a loop of its own (7.5 ms instead of 3 for 256 x 16,384)."""
    most = logits.amax(dim=-1, keepdim=True).float()
    powers = (logits.float() - most).exp().to(logits.dtype)
    sums = powers.float().sum(dim=-1)
    logits.copy_(powers)
    return most[:, 0], sums


def take_block(rows: int, vocabulary: int, like: Tensor) -> Tensor:
    """Return memory for logits [rows, vocabulary] in the type and on the device of `like`: on a CPU the same each time."""
    if like.device.type != "cpu":
        return like.new_empty((rows, vocabulary))
    kept = _BLOCKS.get(like.dtype)
    if kept is None or kept.numel() < rows * vocabulary:
        kept = _BLOCKS[like.dtype] = like.new_empty(rows * vocabulary)
    return kept[: rows * vocabulary].view(rows, vocabulary)


@cache
def compile_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the compiled form of one of the steps above."""
    return torch.compile(function, dynamic=False)


# torch.compile's cache on disk knows an operator by its name alone: who changes the types or shapes of its results must change the name, or graphs
# compiled before read beyond their memory.
@torch.library.custom_op("samovar::linear_cross_entropy_2", mutates_args=())
def fused(
    hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int, compiled: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean loss and its gradients to `hidden` and to `weight`, in the type of `hidden`, which is that of the products."""
    turn = compile_once(turn_into_powers) if compiled else turn_into_powers
    dtype, device = hidden.dtype, hidden.device
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        matrix = weight.to(dtype)
        counts = targets != ignored
        scales = counts / counts.sum().clamp(min=1)  # a part without targets has a loss of 0, not 0 / 0
        wanted = torch.where(counts, targets, 0)
        chunk = min(rows_of(CHUNK_BYTES, device, len(weight), dtype), len(hidden))
        block = min(chunk * max(1, rows_of(BLOCK_BYTES, device, len(weight), dtype) // chunk), len(hidden))
        buffer = take_block(block, len(weight), hidden)
        of_hidden, of_weight = hidden.new_empty(hidden.shape), hidden.new_empty(0)
        total = torch.zeros((), device=device)
        for first in range(0, len(hidden), block):
            rows = hidden[first : first + block]
            factors = scales[first : first + block].clone()
            for start in range(0, len(rows), chunk):
                part = buffer[start : min(start + chunk, len(rows))]
                place = slice(first + start, first + start + len(part))
                torch.mm(hidden[place], matrix.t(), out=part)
                at = wanted[place] + torch.arange(0, part.numel(), len(weight), device=device)
                right = part.take(at).float()
                most, sums = turn(part)
                total += (most + sums.log() - right) @ scales[place]
                part.put_(at, ((right - most).exp() - sums).to(dtype))  # `scatter_` would copy the part twice
                factors[start : start + len(part)] /= sums
            # what the powers lack to be gradients is one factor a row: applied to the small matrices
            powers = buffer[: len(rows)]
            torch.mm(powers, matrix, out=of_hidden[first : first + block]).mul_(factors[:, None])
            part = torch.mm(powers.t(), (rows * factors[:, None]).to(dtype))
            of_weight = of_weight.float().add_(part) if first else part
    return total, of_hidden, of_weight.to(dtype)


@fused.register_fake
def _(hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int, compiled: bool) -> tuple[Tensor, Tensor, Tensor]:
    loss = torch.empty((), device=hidden.device)
    return loss, hidden.new_empty(hidden.shape), hidden.new_empty(weight.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    ctx.save_for_backward(output[1], output[2])
    ctx.weight_type = inputs[1].dtype
    ctx.mark_non_differentiable(output[1], output[2])


def _scale(ctx: Any, grad: Tensor, *unused: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
    of_hidden, of_weight = ctx.saved_tensors
    return of_hidden * grad.to(of_hidden.dtype), of_weight.to(ctx.weight_type) * grad, None, None, None


fused.register_autograd(_scale, setup_context=_keep)
