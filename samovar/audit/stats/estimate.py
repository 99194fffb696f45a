"""The result every estimator gives: a value with its standard error, interval and p-value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

TINY = 1e-12  # a standard error below this is the rounding of values that are all alike


@dataclass(frozen=True, slots=True)
class Estimate:
    """`value` with `se`; [`low`, `high`] covers the truth with probability `level`; `p` is two-sided against 0. NaN where it cannot be told.

    `n` counts units of inference (entities, pairs, prompts), `df` are the degrees of freedom of the t distribution used (inf: normal).
    """

    value: float
    se: float
    low: float
    high: float
    p: float
    n: int
    df: float
    level: float = 0.95


NOTHING = Estimate(float("nan"), float("nan"), float("nan"), float("nan"), float("nan"), 0, float("nan"))


def from_t(value: float, se: float, df: float, n: int, level: float = 0.95) -> Estimate:
    """Make an estimate whose error is t-distributed. A standard error of 0 (but for rounding) gives no interval: none narrower than the data warrant."""
    if not (se > TINY and df > 0 and np.isfinite(se)):
        return Estimate(value, se, float("nan"), float("nan"), float("nan"), n, df, level)
    half = float(stats.t.ppf(0.5 + level / 2, df)) * se
    p = float(2 * stats.t.sf(abs(value) / se, df))
    return Estimate(value, se, value - half, value + half, p, n, df, level)
