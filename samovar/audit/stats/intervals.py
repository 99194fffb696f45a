"""Intervals for one proportion of independent items, and for one mean of clustered ones.

Where responses are clustered (paraphrases and facets of one entity) use `mean_interval` on the entities' means; a binomial interval there
is too narrow, and a t-Wald interval covers only .45–.87 at p = .02, so rare outcomes of independent items take Wilson or Jeffreys.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from samovar.audit.stats.estimate import NOTHING, Estimate, from_t

Array = NDArray[np.float64]


def wilson(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Return Wilson's score interval [low, high], elementwise. Source: Wilson (1927), JASA 22:209–212."""
    k, m = np.asarray(successes, float), np.asarray(n, float)
    z2 = float(stats.norm.ppf(0.5 + level / 2)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        p = k / m
        centre = (p + z2 / (2 * m)) / (1 + z2 / m)
        half = np.sqrt(z2 * (p * (1 - p) / m + z2 / (4 * m**2))) / (1 + z2 / m)
        low = np.where(k == 0, 0.0, centre - half)
        high = np.where(k == m, 1.0, centre + half)
    empty = m <= 0
    return np.where(empty, 0.0, low), np.where(empty, 1.0, high)


def jeffreys(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Return the equal-tailed Jeffreys interval, with 0 and 1 at the ends. Source: Brown, Cai & DasGupta (2001), Stat. Sci. 16:101–133."""
    k, m = np.asarray(successes, float), np.asarray(n, float)
    tail = (1 - level) / 2
    low = np.where(k == 0, 0.0, stats.beta.ppf(tail, k + 0.5, m - k + 0.5))
    high = np.where(k == m, 1.0, stats.beta.ppf(1 - tail, k + 0.5, m - k + 0.5))
    return low, high


def mean_interval(cluster_means: ArrayLike, level: float = 0.95) -> Estimate:
    """Return the mean of clusters' means with a t interval on n − 1 degrees of freedom.

    Source: the "entity mean" analysis, e.g. Donner & Klar (2000), Design and Analysis of Cluster Randomization Trials, ch. 6.
    """
    x = np.asarray(cluster_means, float)
    x = x[np.isfinite(x)]
    if len(x) < 2:
        return NOTHING
    return from_t(float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x))), len(x) - 1, len(x), level)


def cluster_proportion(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> Estimate:
    """Return a proportion of clustered items with an interval that stays inside [0, 1]: Wilson's with the effective sample size.

    The effective size is the number of items divided by Kish's design effect, estimated from the data and never below 1, so that nothing is
    gained from repeats. Sources: Kish (1965), Survey Sampling; Korn & Graubard (1998), Survey Methodology 24:193–201.
    """
    k, m = np.asarray(successes, float), np.asarray(n, float)
    k, m = k[m > 0], m[m > 0]
    clusters = len(m)
    if clusters < 2:
        return NOTHING
    total = m.sum()
    p = float(k.sum() / total)
    residual = k - p * m
    variance = clusters / (clusters - 1) * float((residual**2).sum()) / total**2
    simple = p * (1 - p) / total
    effect = max(variance / simple, 1.0) if simple > 0 else float(m.mean())  # all alike: count clusters, not items
    z = float(stats.norm.ppf(0.5 + level / 2))
    t = float(stats.t.ppf(0.5 + level / 2, clusters - 1))
    size = total / effect * (z / t) ** 2
    low, high = wilson(p * size, size, level)
    se = float(np.sqrt(max(variance, simple)))
    return Estimate(p, se, float(low), float(high), float("nan"), clusters, clusters - 1, level)


def to_array(values: Any) -> Array:
    """Return a float array, None as NaN."""
    return np.array([np.nan if v is None else v for v in values], float)
