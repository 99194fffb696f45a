"""Causal attention that keeps the documents of a row apart, in the fastest form each device has.

Training on a CPU, queries are taken in blocks: each block multiplies only the keys between the beginning of its first query's document and its
own end, as matrix products that the processor does in bf16 at full speed. What is masked within a block is compared there, so no mask of
length × length is stored. An operator of its own, because which keys a block needs depends on the data; its gradient is another. Elsewhere it is
torch's fused kernel. Knows no weights. Source of the split: FlashAttention-2 (arXiv:2307.08691); unlike there the probabilities are kept for the
backward pass. Rows of a batch whose blocks need nearly the same keys are multiplied together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 128
"""Queries of a block: at 512 positions four blocks compute 62 % of the square. Smaller ones make products too small to be fast."""

SPARE = 2**21
"""Multiplications of queries with keys that nobody asked for and that still cost less than the calls of a block more (measured)."""


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


@dataclass(frozen=True, slots=True)
class Block:
    """Queries `start` … `end` - 1 of the rows `rows`, who look at the keys from `first` on; `meet`: some of them must not see all of these, because
    other documents lie there too."""

    rows: slice
    start: int
    end: int
    first: int
    meet: bool


def list_blocks(batch: int, length: int, width: int, segments: Tensor | None) -> Iterator[Block]:
    """Yield the blocks: neighbouring rows are one block where what they need is nearly the same. `width` is that of all heads together."""
    if segments is None:
        yield from (Block(slice(0, batch), s, min(s + BLOCK, length), 0, False) for s in range(0, length, BLOCK))
        return
    starts = range(0, length, BLOCK)
    ends = [min(start + BLOCK, length) for start in starts]
    places = segments[:, [*starts, *(end - 1 for end in ends)]].contiguous()
    firsts = torch.searchsorted(segments, places).tolist()  # where the documents of these places begin
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        spare = SPARE // (width * (end - start))
        for rows in join_rows([row[number] for row in firsts], end, spare):
            own = firsts[rows]
            first = min(row[number] for row in own)
            yield Block(rows, start, end, first, any(row[len(ends) + number] > first for row in own))


def join_rows(firsts: list[int], end: int, spare: int) -> Iterator[slice]:
    """Yield runs of rows whose keys, `firsts` … `end`, are taken together: another row joins where that is at most `spare` keys more work."""
    begin, least = 0, firsts[0]
    for row, first in enumerate(firsts[1:], 1):
        both = min(least, first)
        if (row - begin) * (least - both) + first - both > spare:
            yield slice(begin, row)
            begin, both = row, first
        least = both
    yield slice(begin, len(firsts))


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


def hide(scores: Tensor, block: Block, segments: Tensor | None) -> None:
    """Add -inf to what a block of scores [rows · kv_heads, queries · group, keys] must not see."""
    queries, bias = block.end - block.start, hide_future(block.end - block.start, scores.dtype)
    if block.meet and segments is not None:
        numbers = segments[block.rows]
        others = numbers[:, None, block.first : block.end] != numbers[:, block.start : block.end, None]
        own = scores.new_zeros(others.shape).masked_fill_(others, -torch.inf)
        own[:, :, block.start - block.first :] += bias
        bias = own
    rows, keys = block.rows.stop - block.rows.start, bias.shape[-1]
    seen = scores[:, :, -keys:]  # one document: before the block's own places everything is seen
    seen.view(rows, -1, queries, seen.shape[1] // queries, keys).add_(bias[:, None, :, None])


@cache
def hide_future(queries: int, dtype: torch.dtype) -> Tensor:
    """Return -inf for the places after each query's own, 0 for the others, [1, queries, queries]."""
    return torch.full((1, queries, queries), -torch.inf, dtype=dtype).triu(1)


@torch.library.custom_op("samovar::attend_blocks", mutates_args=())
def attend_blocks(q: Tensor, k: Tensor, v: Tensor, segments: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the mixed values, and the probabilities of all blocks one after another."""
    batch, length, heads, size = q.shape
    kv_heads = k.shape[2]
    group = heads // kv_heads
    queries, keys, values = (by_key_head(x, kv_heads) for x in (q, k, v))
    mixed, kept = torch.empty_like(queries), q.new_empty(count_shares(batch, length, heads))
    used = 0
    for block in list_blocks(batch, length, heads * size, segments):
        asking, asked = slice(block.start * group, block.end * group), slice(block.first, block.end)
        part, own_keys = (x[block.rows, :, r].flatten(0, 1) for x, r in ((queries, asking), (keys, asked)))
        shape = (len(part), part.shape[1], block.end - block.first)
        scores = kept[used : used + math.prod(shape)].view(shape)
        torch.baddbmm(scores, part, own_keys.mT, beta=0, alpha=size**-0.5, out=scores)
        hide(scores, block, segments)
        torch.softmax(scores, -1, out=scores)
        found = torch.bmm(scores, values[block.rows, :, asked].flatten(0, 1))
        mixed[block.rows, :, asking] = found.unflatten(0, (-1, kv_heads))
        used += scores.numel()
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
    for block in list_blocks(batch, length, heads * size, segments):
        asking, asked = slice(block.start * group, block.end * group), slice(block.first, block.end)
        part, grad_part = (x[block.rows, :, asking].flatten(0, 1) for x in (queries, grads))
        own_keys, own_values = (x[block.rows, :, asked].flatten(0, 1) for x in (keys, values))
        shape = (len(part), part.shape[1], block.end - block.first)
        shares = kept[used : used + math.prod(shape)].view(shape)
        of_values[block.rows, :, asked] += torch.bmm(shares.mT, grad_part).unflatten(0, (-1, kv_heads))
        of_shares = torch.bmm(grad_part, own_values.mT)
        of_scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype)
        of_queries[block.rows, :, asking] = torch.bmm(of_scores, own_keys).unflatten(0, (-1, kv_heads))
        of_keys[block.rows, :, asked] += torch.bmm(of_scores.mT, part).unflatten(0, (-1, kv_heads))
        used += shares.numel()
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
