"""Rankings and shares: how many sources there really are, and how alike two lists are."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike


def hhi(counts: ArrayLike) -> float:
    """Return the Herfindahl–Hirschman index, 1/n (even) … 1 (one source). Source: Hirschman (1964), Am. Econ. Rev. 54:761–762."""
    c = np.asarray(counts, float)
    total = c.sum()
    return float(((c / total) ** 2).sum()) if total > 0 else float("nan")


def effective_number(counts: ArrayLike) -> float:
    """Return e^H, the number of equally used sources with the same entropy. Source: Hill (1973), Ecology 54:427–432 (order 1)."""
    c = np.asarray(counts, float)
    c = c[c > 0]
    if len(c) == 0:
        return float("nan")
    p = c / c.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def rarefied_effective_number(counts: Sequence[int], size: int, seed: int = 0, draws: int = 400) -> float:
    """Return the expected `effective_number` of `size` citations drawn without replacement: lists of different lengths become comparable.

    NaN when there are fewer than `size`. Source: Hurlbert (1971), Ecology 52:577–586 (rarefaction; here of e^H, by drawing).
    """
    c = np.asarray(counts, np.int64)
    if size <= 0 or c.sum() < size:
        return float("nan")
    if c.sum() == size:
        return effective_number(c)
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(c, size, size=draws)
    return float(np.mean([effective_number(row) for row in drawn]))


def jaccard(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """Return the share of the union that both lists hold; 1 for two empty lists. Source: Jaccard (1912), New Phytologist 11:37–50."""
    x, y = set(a), set(b)
    return len(x & y) / len(x | y) if x | y else 1.0


def rbo(a: Sequence[Hashable], b: Sequence[Hashable], p: float = 0.9) -> float:
    """Return rank-biased overlap, extrapolated (RBO_ext), 0 … 1; handles lists of different lengths.

    Source: Webber, Moffat & Zobel (2010), ACM TOIS 28(4):20, eq. 32.
    """
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    s, big = len(short), len(long)
    if s == 0:
        return 1.0 if big == 0 else 0.0
    seen_short: set[Hashable] = set()
    seen_long: set[Hashable] = set()
    overlaps = []
    for depth in range(big):
        seen_long.add(long[depth])
        if depth < s:
            seen_short.add(short[depth])
        overlaps.append(len(seen_short & seen_long))
    x_s, x_l = overlaps[s - 1], overlaps[-1]
    total = sum(overlaps[d - 1] / d * p**d for d in range(1, big + 1))
    total += sum(x_s * (d - s) / (s * d) * p**d for d in range(s + 1, big + 1))
    return (1 - p) / p * total + ((x_l - x_s) / big + x_s / s) * p**big
