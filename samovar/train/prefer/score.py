"""How likely a model finds answers: sums of log-probabilities, and how often the chosen one of a pair is the likelier.

The same few lines score a model of ours and one of transformers; no code of trl's is in them, so they are a check on it. Rows are padded on
the right, where a causal model never looks. Knows no training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from samovar.train.evaluate import wilson
from samovar.train.prefer.parent import Coded

Logits = Callable[[Tensor], Tensor]
"""Tokens [batch, length] → logits [batch, length, vocabulary]."""
ROW_BYTES = 128 * 2**20
"""Bytes of logits at once."""


@dataclass(frozen=True, slots=True)
class Preference:
    """What a model prefers on pairs it was not trained on. `accuracy`: share of pairs whose chosen answer has the larger log-likelihood
    (sum over its tokens; equal ones do not count as right), with Wilson's 95 % interval. `accuracy_per_token` compares means over tokens,
    which does not favour short answers. `margin` is the mean difference in nats, `chosen` and `rejected` the mean log-likelihoods.
    `moved`: share of pairs whose difference grew against the parent; None for the parent itself. `kinds` and `kinds_moved` are accuracy and
    `moved` by kind."""

    num_pairs: int
    accuracy: float
    low: float
    high: float
    accuracy_per_token: float
    margin: float
    chosen: float
    rejected: float
    moved: float | None = None
    kinds: dict[str, float] | None = None
    kinds_moved: dict[str, float] | None = None


def score_answers(
    logits: Logits, pairs: Sequence[Coded], vocab_size: int, device: torch.device, pad: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:  # fmt: skip
    """Return the log-likelihoods of chosen and rejected answers, float32 [pairs, 2], in nats."""
    found = torch.zeros(len(pairs), 2)
    order = sorted(range(len(pairs)), key=lambda n: pairs[n].length)
    start = 0
    while start < len(order):
        count = _fitting(pairs, order, start, vocab_size)
        part = order[start : start + count]
        both = [pairs[n].chosen for n in part] + [pairs[n].rejected for n in part]
        sums = _score_rows(logits, [pairs[n].prompt for n in part] * 2, both, device, pad)
        found[part] = sums.view(2, len(part)).T
        start += count
        progress(start, len(order))
    return found


def _fitting(pairs: Sequence[Coded], order: Sequence[int], start: int, vocab_size: int) -> int:
    """Return how many pairs, at least one, may be scored together from `start` on; they come in the order of their lengths."""
    count = 1
    while start + count < len(order):
        longest = pairs[order[start + count]].length
        if 2 * (count + 1) * longest * vocab_size * 4 > ROW_BYTES:
            break
        count += 1
    return count


@torch.no_grad()
def _score_rows(
    logits: Logits, prompts: Sequence[list[int]], answers: Sequence[list[int]], device: torch.device, pad: int
) -> Tensor:
    length = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
    tokens = torch.full((len(prompts), length), pad)
    mask = torch.zeros(len(prompts), length, dtype=torch.bool)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        tokens[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        mask[row, len(prompt) : len(prompt) + len(answer)] = True
    tokens, mask = tokens.to(device), mask.to(device)
    scores = logits(tokens[:, :-1]).float()
    nats = F.cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none").view(len(prompts), -1)
    return -(nats * mask[:, 1:]).sum(1).cpu()


def sum_up(scores: Tensor, pairs: Sequence[Coded], kinds: Sequence[str], parent: Tensor | None = None) -> Preference:
    """Return what scores [pairs, 2] say; `kinds` are those of the pairs, `parent` the scores of the model before."""
    chosen, rejected = scores[:, 0], scores[:, 1]
    lengths = torch.tensor([[len(pair.chosen), len(pair.rejected)] for pair in pairs])
    right = chosen > rejected
    means = scores / lengths
    low, high = wilson(int(right.sum()), len(pairs))
    grew = (chosen - rejected) > (parent[:, 0] - parent[:, 1]) if parent is not None else None
    return Preference(
        len(pairs), float(right.float().mean()), low, high, float((means[:, 0] > means[:, 1]).float().mean()),
        float((chosen - rejected).mean()), float(chosen.mean()), float(rejected.mean()),
        None if grew is None else float(grew.float().mean()), _by_kind(right, kinds), None if grew is None else _by_kind(grew, kinds),
    )  # fmt: skip


def _by_kind(facts: Tensor, kinds: Sequence[str]) -> dict[str, float] | None:
    """Return the share of true facts for each kind that has a name."""
    return {
        kind: round(float(facts[[n for n, one in enumerate(kinds) if one == kind]].float().mean()), 4)
        for kind in sorted(set(kinds) - {""})
    } or None


def all_finite(scores: Tensor) -> bool:
    """Whether every log-likelihood is a number."""
    return bool(math.isfinite(float(scores.sum())))
