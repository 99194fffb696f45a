"""Causal attention that keeps the documents of a row apart, in the fastest form each device has.

Training on a CPU, queries are taken in blocks: each block multiplies only the keys between the beginning of its first query's document and its
own end, as matrix products that the processor does in bf16 at full speed. What is masked within a block is compared there, so no mask of
length × length is stored. An operator of its own, because which keys a block needs depends on the data; its gradient is another. Elsewhere it is
torch's fused kernel. Knows no weights. Source of the split: FlashAttention-2 (arXiv:2307.08691); unlike there the probabilities are kept for the
backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 128
"""Queries of a block: at 512 positions four blocks compute 62 % of the square. Smaller ones make products too small to be fast."""


def attend(q: Tensor, k: Tensor, v: Tensor, segments: Tensor | None) -> Tensor:
    """Return the mixed values [batch, length, heads, head_dim] of queries (same shape), keys and values [batch, length, kv_heads, head_dim].

    `segments` [batch, length] numbers the documents of a row, never falling; None means one document."""
    if q.device.type == "cpu" and torch.is_grad_enabled():
        return attend_blocks(q.to(v.dtype), k.to(v.dtype), v, segments)[0]
    mask = None if segments is None else make_mask(segments)
    mixed = F.scaled_dot_product_attention(
        q.transpose(1, 2),
        k.transpose(1, 2),
        v.transpose(1, 2),
        attn_mask=mask,
        is_causal=mask is None,
        enable_gqa=q.shape[2] != k.shape[2],
    )
    return mixed.transpose(1, 2)


def make_mask(segments: Tensor) -> Tensor:
    """Return where attention may look, [batch, 1, length, length]: back, and in the same document."""
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    return ((segments[:, :, None] == segments[:, None, :]) & causal)[:, None]


def count_shares(batch: int, length: int, heads: int) -> int:
    """Return the probabilities that training on a CPU keeps for one layer, at most."""
    return batch * heads * sum((min(s + BLOCK, length) - s) * min(s + BLOCK, length) for s in range(0, length, BLOCK))


def list_blocks(batch: int, length: int, segments: Tensor | None) -> Iterator[tuple[int, int, int, int, bool]]:
    """Yield (row, first query, end, first key, whether documents meet) of each block: where its first query's document begins, and whether
    another begins within."""
    for row in range(batch):
        firsts = [0] * length if segments is None else find_beginnings(segments[row].tolist())
        for start in range(0, length, BLOCK):
            end = min(start + BLOCK, length)
            yield row, start, end, firsts[start], firsts[start] != firsts[end - 1]


def find_beginnings(numbers: list[int]) -> list[int]:
    """Return where the document of each position begins."""
    firsts = [0] * len(numbers)
    for place in range(1, len(numbers)):
        firsts[place] = firsts[place - 1] if numbers[place] == numbers[place - 1] else place
    return firsts


def by_key_head(x: Tensor, kv_heads: int) -> Tensor:
    """Return [batch, length, heads, d] as [batch, kv_heads, length · group, d]: the queries that share a key head are rows of one matrix."""
    batch, length, heads, size = x.shape
    grouped = x.reshape(batch, length, kv_heads, heads // kv_heads * size)
    return grouped.transpose(1, 2).contiguous().view(batch, kv_heads, -1, size)


def by_place(x: Tensor, heads: int) -> Tensor:
    """The reverse of `by_key_head`."""
    batch, kv_heads, rows, size = x.shape
    length = rows * kv_heads // heads
    return x.view(batch, kv_heads, length, -1).transpose(1, 2).contiguous().view(batch, length, heads, size)


def hide(scores: Tensor, start: int, first: int, numbers: Tensor | None) -> None:
    """Fill with -inf what a block [kv_heads, queries · group, keys] must not see; `numbers` [length] only where documents meet."""
    keys = scores.shape[-1]
    end = first + keys
    places = torch.arange(first, end)
    mixed = numbers is not None
    begin = first if mixed else start  # before the block's own places everything is seen, if there is one document
    hidden = places[None, begin - first :] > places[start - first :, None]
    if numbers is not None:
        hidden = hidden | (numbers[None, first:end] != numbers[start:end, None])
    group = scores.shape[1] // (end - start)
    scores[:, :, begin - first :].unflatten(1, (end - start, group)).masked_fill_(hidden[None, :, None], -torch.inf)


@torch.library.custom_op("samovar::attend_blocks", mutates_args=())
def attend_blocks(q: Tensor, k: Tensor, v: Tensor, segments: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the mixed values, and the probabilities of all blocks one after another."""
    batch, length, heads, size = q.shape
    kv_heads = k.shape[2]
    group = heads // kv_heads
    queries, keys, values = (by_key_head(x, kv_heads) for x in (q, k, v))
    mixed, kept = torch.empty_like(queries), q.new_empty(count_shares(batch, length, heads))
    used = 0
    for row, start, end, first, meet in list_blocks(batch, length, segments):
        rows = slice(start * group, end * group)
        shape = (kv_heads, (end - start) * group, end - first)
        count = shape[0] * shape[1] * shape[2]
        scores = kept[used : used + count].view(shape)
        torch.baddbmm(scores, queries[row, :, rows], keys[row, :, first:end].mT, beta=0, alpha=size**-0.5, out=scores)
        hide(scores, start, first, segments[row] if meet and segments is not None else None)
        torch.softmax(scores, -1, out=scores)
        mixed[row, :, rows] = torch.bmm(scores, values[row, :, first:end])
        used += count
    kept[used:].zero_()  # a result must not be what happened to lie in memory
    return by_place(mixed, heads), kept


@attend_blocks.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, segments: Tensor | None) -> tuple[Tensor, Tensor]:
    return q.new_empty(q.shape), q.new_empty(count_shares(q.shape[0], q.shape[1], q.shape[2]))


@torch.library.custom_op("samovar::attend_blocks_backward", mutates_args=())
def attend_blocks_backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, segments: Tensor | None, kept: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of queries, keys and values."""
    batch, length, heads, size = q.shape
    kv_heads = k.shape[2]
    group = heads // kv_heads
    grads, queries, keys, values = (by_key_head(x, kv_heads) for x in (grad, q, k, v))
    of_queries = torch.empty_like(queries)
    of_keys, of_values = (torch.zeros(x.shape) for x in (keys, values))
    used = 0
    for row, start, end, first, _ in list_blocks(batch, length, segments):
        rows = slice(start * group, end * group)
        shape = (kv_heads, (end - start) * group, end - first)
        count = shape[0] * shape[1] * shape[2]
        shares, block = kept[used : used + count].view(shape), grads[row, :, rows]
        of_values[row, :, first:end] += torch.bmm(shares.mT, block)
        of_shares = torch.bmm(block, values[row, :, first:end].mT)
        of_scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype)
        of_queries[row, :, rows] = torch.bmm(of_scores, keys[row, :, first:end])
        of_keys[row, :, first:end] += torch.bmm(of_scores.mT, queries[row, :, rows])
        used += count
    scale = size**-0.5
    return (
        by_place(of_queries.mul_(scale), heads),
        by_place(of_keys.mul_(scale).to(k.dtype), kv_heads),
        by_place(of_values.to(v.dtype), kv_heads),
    )


@attend_blocks_backward.register_fake
def _(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, segments: Tensor | None, kept: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs, output[1])
    ctx.mark_non_differentiable(output[1])


def _go_back(ctx: Any, grad: Tensor, unused: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
    return (*attend_blocks_backward(grad, *ctx.saved_tensors), None)


attend_blocks.register_autograd(_go_back, setup_context=_keep)
