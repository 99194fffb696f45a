"""Many axes at once: which of the claims hold together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def holm(p: ArrayLike) -> Array:
    """Return Holm's adjusted p-values (family-wise error); NaN stays NaN and counts as no test. Source: Holm (1979), Scand. J. Stat. 6:65–70."""
    return _step(np.asarray(p, float), lambda sorted_p, m: np.maximum.accumulate(sorted_p * (m - np.arange(m))))


def benjamini_hochberg(p: ArrayLike) -> Array:
    """Return adjusted p-values for the false discovery rate. Source: Benjamini & Hochberg (1995), JRSS B 57:289–300."""
    return _step(
        np.asarray(p, float),
        lambda sorted_p, m: np.minimum.accumulate((sorted_p * m / np.arange(1, m + 1))[::-1])[::-1],
    )


def _step(p: Array, adjust: Callable[[Array, int], Array]) -> Array:
    out = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    if len(known):
        order = known[np.argsort(p[known], kind="stable")]
        out[order] = np.minimum(adjust(p[order], len(order)), 1.0)
    return out


def max_t_quantile(influence: ArrayLike, level: float = 0.95, seed: int = 0, draws: int = 4_000) -> float:
    """Return the critical value c for which every |estimate − truth| ≤ c·se holds at once with probability `level`.

    `influence` [units, axes] holds each unit's contribution to each axis' estimate (0 where it has none); axes that share units are
    correlated through it. Source: Chernozhukov, Chetverikov & Kato (2013), Ann. Stat. 41:2786–2819 (multiplier bootstrap of the maximum);
    Westfall & Young (1993), Resampling-Based Multiple Testing.
    """
    x = np.asarray(influence, float)
    scale = np.sqrt((x**2).sum(axis=0))
    x = x[:, scale > 0] / scale[scale > 0]
    if x.shape[1] == 0:
        return float("nan")
    rng = np.random.default_rng(seed)
    largest = np.empty(draws)
    for start in range(0, draws, 500):
        signs = rng.integers(0, 2, (min(500, draws - start), len(x)), dtype=np.int8) * 2.0 - 1.0
        largest[start : start + len(signs)] = np.abs(signs @ x).max(axis=1)
    return float(np.quantile(largest, level))
