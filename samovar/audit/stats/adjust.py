"""Controls: difficulty (fame, a panel of reference systems), items that work differently between groups, and the grader's own errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from samovar.audit.stats.contrasts import unpaired
from samovar.audit.stats.estimate import NOTHING, Estimate, from_t

Array = NDArray[np.float64]


def fame_adjusted(values: ArrayLike, is_target: ArrayLike, fame: ArrayLike, level: float = 0.95) -> Estimate:
    """Return the target group's difference at equal fame: the coefficient of the group in a linear regression on fame anchors and their squares.

    `fame` [entities, anchors]. Heteroscedasticity-robust HC3 standard error. Sources: MacKinnon & White (1985), J. Econometrics 29:305–325;
    Lin (2013), Ann. Appl. Stat. 7:295–318 (adjustment with robust errors; here without interactions).
    """
    y, g = np.asarray(values, float), np.asarray(is_target, float)
    f = np.asarray(fame, float).reshape(len(y), -1)
    keep = np.isfinite(y) & np.isfinite(f).all(axis=1)
    y, g, f = y[keep], g[keep], f[keep]
    f = f - f.mean(axis=0) if len(f) else f
    design = _independent(np.column_stack([np.ones(len(y)), g, f, f**2]))
    if len(y) <= design.shape[1] + 1 or g.sum() < 2 or (1 - g).sum() < 2 or design.shape[1] < 2:
        return NOTHING
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    residual = (y - design @ beta) / np.maximum(1 - leverage, 1e-9)
    covariance = inverse @ (design.T * residual**2) @ design @ inverse
    return from_t(float(beta[1]), float(np.sqrt(covariance[1, 1])), len(y) - design.shape[1], len(y), level)


def _independent(design: Array) -> Array:
    """Leave out columns that earlier ones explain (a square of a two-valued anchor, an anchor that does not vary)."""
    kept: list[int] = []
    for column in range(design.shape[1]):
        if np.linalg.matrix_rank(design[:, [*kept, column]]) == len(kept) + 1:
            kept.append(column)
    result: Array = design[:, kept]
    return result


def panel_adjusted(
    target: ArrayLike,
    others: Sequence[ArrayLike],
    panel_target: ArrayLike,
    panel_others: Sequence[ArrayLike],
    level: float = 0.95,
) -> Estimate:
    """Return the gap of a system minus the gap of a panel of reference systems on the same entities (difference in differences).

    `panel_…` are the panel's means of the same entities in the same order. Blind to what the whole panel shares. Source: Card & Krueger (1994),
    Am. Econ. Rev. 84:772–793.
    """
    own = np.asarray(target, float) - np.asarray(panel_target, float)
    rest = [np.asarray(a, float) - np.asarray(b, float) for a, b in zip(others, panel_others, strict=True)]
    return unpaired(own, rest, level)


def mantel_haenszel(tables: ArrayLike) -> tuple[float, float, float]:
    """Return (common odds ratio, ETS delta, p) of one item over strata; `tables` [strata, group, right/wrong].

    |delta| ≥ 1.5 with p < .05 marks an item that works differently for the two groups (class C). Sources: Mantel & Haenszel (1959), JNCI
    22:719–748; Holland & Thayer (1988) in Test Validity, 129–145.
    """
    t = np.asarray(tables, float)
    t = t[t.sum(axis=(1, 2)) > 1]
    if len(t) == 0:
        return float("nan"), float("nan"), float("nan")
    a, b, c, d = t[:, 0, 0], t[:, 0, 1], t[:, 1, 0], t[:, 1, 1]
    n = t.sum(axis=(1, 2))
    above, below = float((a * d / n).sum()), float((b * c / n).sum())
    odds = above / below if below > 0 else (float("inf") if above > 0 else float("nan"))
    expected = (a + b) * (a + c) / n
    variance = (a + b) * (c + d) * (a + c) * (b + d) / (n**2 * (n - 1))
    if variance.sum() <= 0:
        return odds, float("nan"), float("nan")
    chi2 = max(abs(float((a - expected).sum())) - 0.5, 0.0) ** 2 / float(variance.sum())
    delta = -2.35 * float(np.log(odds)) if 0 < odds < np.inf else float("nan")
    return odds, delta, float(stats.chi2.sf(chi2, 1))


def log_odds_error(tables: ArrayLike) -> float:
    """Return the standard error of the logarithm of the Mantel–Haenszel odds ratio; `tables` as in `mantel_haenszel`.

    Holds for few large tables and for many small ones. Source: Robins, Breslow & Greenland (1986), Biometrics 42:311–323.
    """
    t = np.asarray(tables, float)
    t = t[t.sum(axis=(1, 2)) > 0]
    if len(t) == 0:
        return float("nan")
    a, b, c, d = t[:, 0, 0], t[:, 0, 1], t[:, 1, 0], t[:, 1, 1]
    n = t.sum(axis=(1, 2))
    p, q, r, s = (a + d) / n, (b + c) / n, a * d / n, b * c / n
    if r.sum() <= 0 or s.sum() <= 0:
        return float("nan")
    variance = (
        (p * r).sum() / (2 * r.sum() ** 2)
        + (p * s + q * r).sum() / (2 * r.sum() * s.sum())
        + (q * s).sum() / (2 * s.sum() ** 2)
    )
    return float(np.sqrt(variance))


def exact_odds_p(tables: ArrayLike, odds: float = 1.0) -> float:
    """Return the two-sided mid-p value of "the common odds ratio is `odds`" given the margins of `tables` (as in `mantel_haenszel`).

    For few replies, where the chi-square does not hold; tables as likely as the observed one count half. Sources: Gart (1970), Biometrika
    57:471–475 (exact, by convolution over strata); Lancaster (1961), JASA 56:223–234 (mid-p).
    """
    total, low, observed = np.ones(1), 0, 0
    for (a, b), (c, d) in np.asarray(tables, int):
        start, chances = _conditional(int(a + b), int(c + d), int(a + c), odds)
        total, low, observed = np.convolve(total, chances), low + start, observed + int(a)
    here = total[observed - low]
    alike = np.isclose(total, here, rtol=1e-9, atol=0.0)
    return float(min(1.0, total[(total < here) & ~alike].sum() + total[alike].sum() / 2))


@lru_cache(maxsize=10_000)
def _conditional(first: int, second: int, right: int, odds: float) -> tuple[int, Array]:
    """The chances of the upper left cell of one table given its margins, from its smallest value on (Fisher's noncentral hypergeometric)."""
    low, high = max(0, right - second), min(first, right)
    weights = np.array(
        [math.comb(first, k) * math.comb(second, right - k) * odds ** (k - low) for k in range(low, high + 1)]
    )
    return low, weights / weights.sum()


def rogan_gladen(
    successes: float, n: float, sensitive: tuple[float, float], specific: tuple[float, float], level: float = 0.95
) -> Estimate:
    """Return a true share from a graded one: `sensitive` and `specific` are (right, of how many) in the grader's own validation.

    The uncertainty of the validation is in the interval. Sources: Rogan & Gladen (1978), Am. J. Epidemiol. 107:71–76 (point);
    Lang & Reiczigel (2014), Prev. Vet. Med. 113:13–22 (interval).
    """
    if n <= 0 or sensitive[1] <= 0 or specific[1] <= 0:
        return NOTHING
    se, sp = sensitive[0] / sensitive[1], specific[0] / specific[1]
    if se + sp - 1 <= 0:
        return NOTHING
    point = float(np.clip((successes / n + sp - 1) / (se + sp - 1), 0, 1))
    z = float(stats.norm.ppf(0.5 + level / 2))
    size, size_se, size_sp = n + z**2, sensitive[1] + 2, specific[1] + 2
    apparent = (successes + z**2 / 2) / size
    se2, sp2 = (sensitive[0] + 1) / size_se, (specific[0] + 1) / size_sp
    youden = se2 + sp2 - 1
    middle = (apparent + sp2 - 1) / youden
    shift = 2 * z**2 * (middle * se2 * (1 - se2) / size_se - (1 - middle) * sp2 * (1 - sp2) / size_sp)
    variance = (
        apparent * (1 - apparent) / size
        + middle**2 * se2 * (1 - se2) / size_se
        + (1 - middle) ** 2 * sp2 * (1 - sp2) / size_sp
    ) / youden**2
    error = float(np.sqrt(variance))
    low, high = np.clip([middle + shift - z * error, middle + shift + z * error], 0, 1)
    return Estimate(point, error, float(low), float(high), float("nan"), int(n), float("inf"), level)
