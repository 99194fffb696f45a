"""Differences between groups of entities (unpaired) and between two readings of the same entities (paired).

One number per entity goes in: the mean over its facets and paraphrases. Missing entities are NaN and left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from samovar.audit.stats.estimate import NOTHING, TINY, Estimate, from_t

Array = NDArray[np.float64]
EXACT_UP_TO = 16  # entities: 2**16 sign patterns are enumerated, above that they are drawn
DRAWS = 9_999


def _finite(values: ArrayLike) -> Array:
    x = np.asarray(values, float)
    finite: Array = x[np.isfinite(x)]
    return finite


def unpaired(target: ArrayLike, others: Sequence[ArrayLike], level: float = 0.95) -> Estimate:
    """Return the target's mean minus the average of the other groups' means (each group counts the same, however large).

    Welch's standard error with Satterthwaite's degrees of freedom, over entity means. Sources: Welch (1947), Biometrika 34:28–35;
    Satterthwaite (1946), Biometrics Bulletin 2:110–114.
    """
    groups = [_finite(target), *map(_finite, others)]
    if len(groups) < 2 or any(len(g) < 2 for g in groups):
        return NOTHING
    weights = np.array([1.0] + [-1.0 / (len(groups) - 1)] * (len(groups) - 1))
    sizes = np.array([len(g) for g in groups])
    terms = weights**2 * np.array([g.var(ddof=1) for g in groups]) / sizes
    variance = float(terms.sum())
    value = float(weights @ np.array([g.mean() for g in groups]))
    n = int(sizes.sum())
    if variance <= TINY**2:
        return Estimate(value, 0.0, float("nan"), float("nan"), float("nan"), n, float("nan"), level)
    df = variance**2 / float((terms**2 / (sizes - 1)).sum())
    return from_t(value, float(np.sqrt(variance)), df, n, level)


def unpaired_cautious(target: ArrayLike, others: Sequence[ArrayLike], level: float = 0.95) -> Estimate:
    """Return `unpaired` with the fewest degrees of freedom it may have, those of the smallest group: for small groups of skewed values.

    Source: Hsu (1938), Statist. Res. Mem. 2:1–24; Scheffé (1970), JASA 65:1501–1508 (conservative degrees of freedom).
    """
    made = unpaired(target, others, level)
    fewest = min(len(_finite(g)) for g in (target, *others)) - 1 if others else 0
    return from_t(made.value, made.se, min(made.df, fewest), made.n, level) if np.isfinite(made.p) else made


def paired(differences: ArrayLike, level: float = 0.95) -> Estimate:
    """Return the mean of entities' differences with its t interval. Source: Student (1908), Biometrika 6:1–25."""
    d = _finite(differences)
    if len(d) < 2:
        return NOTHING
    return from_t(float(d.mean()), float(d.std(ddof=1) / np.sqrt(len(d))), len(d) - 1, len(d), level)


def sign_flip(differences: ArrayLike, seed: int = 0, draws: int = DRAWS) -> float:
    """Return the two-sided p-value of "the differences are symmetric about 0", by flipping the sign of each entity's difference.

    Exact up to `EXACT_UP_TO` entities, else Monte Carlo with the observed pattern counted in. Sources: Fisher (1935), The Design of
    Experiments, §21; Phipson & Smyth (2010), SAGMB 9:39.
    """
    d = _finite(differences)
    d = d[d != 0]
    if len(d) == 0:
        return 1.0
    observed = abs(d.sum()) * (1 - 1e-12)
    if len(d) <= EXACT_UP_TO:
        patterns = 1 - 2 * ((np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1)
        return float((np.abs(patterns @ d) >= observed).mean())
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, (draws, len(d)), dtype=np.int8) * 2 - 1
    return float((1 + (np.abs(signs @ d) >= observed).sum()) / (draws + 1))


def sign_flip_each(differences: ArrayLike, seed: int = 0, draws: int = DRAWS) -> Array:
    """Return `sign_flip` of each row of `differences` [audits, entities], drawn with the same signs for all: for simulations.

    Rows with few differences that are not 0 are enumerated, as `sign_flip` does.
    """
    d = np.asarray(differences, float)
    rng = np.random.default_rng(seed)
    signs = (rng.integers(0, 2, (draws, d.shape[1]), dtype=np.int8) * 2 - 1).astype(np.float32)
    p = np.empty(len(d))
    for start in range(0, len(d), 100):
        rows = d[start : start + 100].astype(np.float32)
        observed = np.abs(rows.sum(axis=1)) * np.float32(1 - 1e-6)
        p[start : start + 100] = (1 + (np.abs(signs @ rows.T) >= observed).sum(axis=0)) / (draws + 1)
    for i in np.flatnonzero((d != 0).sum(axis=1) <= EXACT_UP_TO):
        p[i] = sign_flip(d[i])
    return p


def stratified_permutation(
    values: ArrayLike, is_target: ArrayLike, strata: ArrayLike, seed: int = 0, draws: int = DRAWS
) -> float:
    """Return the two-sided p-value of "the group label does not matter within a stratum" for the difference of means.

    Labels are shuffled inside each stratum (domain × fame). Sources: Pitman (1937), JRSS Suppl. 4:119–130; Phipson & Smyth (2010), SAGMB 9:39.
    """
    y, g, s = np.asarray(values, float), np.asarray(is_target, bool), np.asarray(strata)
    keep = np.isfinite(y)
    y, g, s = y[keep], g[keep], s[keep]
    if g.sum() == 0 or g.all():
        return float("nan")
    order = np.argsort(s, kind="stable")
    y, g, s = y[order], g[order], s[order]
    borders = np.flatnonzero(np.diff(np.unique(s, return_inverse=True)[1])) + 1
    parts = np.split(np.arange(len(y)), borders)

    def difference(label: NDArray[np.bool_]) -> Array:
        ones = label.sum(-1)
        total = np.where(label, y, 0.0).sum(-1)
        result: Array = total / ones - (y.sum() - total) / (len(y) - ones)
        return result

    observed = abs(float(difference(g))) * (1 - 1e-12)
    rng = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, draws, 500):
        many = min(500, draws - start)
        labels = np.empty((many, len(y)), bool)
        for part in parts:
            labels[:, part] = rng.permuted(np.broadcast_to(g[part], (many, len(part))), axis=1)
        extreme += int((np.abs(difference(labels)) >= observed).sum())
    return (1 + extreme) / (draws + 1)


def cluster_bootstrap(
    target: ArrayLike, others: Sequence[ArrayLike], level: float = 0.95, seed: int = 0, draws: int = 2_000
) -> tuple[float, float]:
    """Return the percentile interval of `unpaired`'s value, entities drawn with replacement within each group.

    Sources: Efron (1979), Ann. Stat. 7:1–26; Field & Welsh (2007), JRSS B 69:369–390 (cluster bootstrap).
    """
    rng = np.random.default_rng(seed)
    groups = [_finite(target), *map(_finite, others)]
    if len(groups) < 2 or any(len(g) < 2 for g in groups):
        return float("nan"), float("nan")
    weights = [1.0] + [-1.0 / (len(groups) - 1)] * (len(groups) - 1)
    value = np.zeros(draws)
    for weight, group in zip(weights, groups, strict=True):
        value += weight * group[rng.integers(0, len(group), (draws, len(group)))].mean(axis=1)
    low, high = np.quantile(value, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mcnemar_mid_p(b: ArrayLike, c: ArrayLike) -> Array:
    """Return the two-sided mid-p value for discordant counts `b` and `c`, elementwise.

    Source: Fagerland, Lydersen & Laake (2013), BMC Med. Res. Methodol. 13:91.
    """
    b, c = np.asarray(b, float), np.asarray(c, float)
    n, low = b + c, np.minimum(b, c)
    p = 2 * stats.binom.cdf(low, n, 0.5) - stats.binom.pmf(low, n, 0.5)
    p = np.where(b == c, 1 - 0.5 * stats.binom.pmf(low, n, 0.5), p)
    result: Array = np.where(n == 0, 1.0, np.minimum(p, 1.0))
    return result


def paired_proportions(b: int, c: int, n: int, level: float = 0.95) -> Estimate:
    """Return R = (b − c)/n with a Wald interval after one pair is added to each discordant cell, which holds for rare outcomes too.

    Source: Bonett & Price (2012), J. Educ. Behav. Stat. 37:479–488.
    """
    if n <= 0:
        return NOTHING
    p_b, p_c = (b + 1) / (n + 2), (c + 1) / (n + 2)
    value = p_b - p_c
    se = float(np.sqrt((p_b + p_c - value**2) / (n + 2)))
    z = float(stats.norm.ppf(0.5 + level / 2))
    p = float(mcnemar_mid_p(b, c))
    return Estimate((b - c) / n, se, max(-1.0, value - z * se), min(1.0, value + z * se), p, n, float("inf"), level)
