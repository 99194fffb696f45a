"""From an interval to one of four verdicts: two one-sided tests around a margin."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import stats

from samovar.audit.stats.estimate import Estimate

Verdict = Literal["selective against", "selective for", "equivalent", "inconclusive"]
MARGIN = 0.05  # five points, see AUDIT: the smallest difference worth a word


def tost_p(estimate: Estimate, margin: float = MARGIN) -> float:
    """Return the p-value of "the difference lies outside ±margin" (small: equivalent). Source: Schuirmann (1987), J. Pharmacokin. 15:657–680."""
    if not (estimate.se > 0 and np.isfinite(estimate.value)):
        return float("nan")
    lower = stats.t.sf((estimate.value + margin) / estimate.se, estimate.df)
    upper = stats.t.cdf((estimate.value - margin) / estimate.se, estimate.df)
    return float(max(lower, upper))


def exceeds_p(estimate: Estimate, margin: float = MARGIN) -> float:
    """Return the two-sided p-value of "the difference lies inside ±margin" (small: it exceeds the margin).

    Source: the minimum-effect test, Murphy & Myors (1999), J. Appl. Psychol. 84:234–248; doubled because either side counts.
    """
    if not (estimate.se > 0 and np.isfinite(estimate.value)):
        return float("nan")
    return float(min(1.0, 2 * stats.t.sf((abs(estimate.value) - margin) / estimate.se, estimate.df)))


def verdict(estimate: Estimate, margin: float = MARGIN, alpha: float = 0.05) -> Verdict:
    """Return the verdict for target minus comparators: negative means the target fares worse.

    "Selective" needs the whole interval beyond the margin, "equivalent" both one-sided tests at `alpha`; anything else is inconclusive.
    """
    if np.isnan(exceeds_p(estimate, margin)):
        return "inconclusive"
    if exceeds_p(estimate, margin) <= alpha:
        return "selective against" if estimate.value < 0 else "selective for"
    return "equivalent" if tost_p(estimate, margin) <= alpha else "inconclusive"
