"""How many entities, pairs or prompts are needed, and what a design can see. Formulas as in AUDIT; z-approximations."""

from __future__ import annotations

import math

from scipy import stats


def _sum_z(power: float, alpha: float) -> float:
    return float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))


def size_unpaired(p1: float, p2: float, *, power: float = 0.8, alpha: float = 0.05, effect: float = 1.0) -> int:
    """Return n per group to see p1 against p2; `effect` is the design effect. Source: Fleiss, Levin & Paik (2003), ch. 4 (no continuity term)."""
    z = _sum_z(power, alpha)
    return math.ceil(effect * z**2 * (p1 * (1 - p1) + p2 * (1 - p2)) / (p1 - p2) ** 2)


def size_paired(discordant: float, difference: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Return the number of pairs to see a difference at a share of discordant pairs. Source: Connor (1987), Biometrics 43:207–211 (approximation)."""
    z = _sum_z(power, alpha)
    return math.ceil(z**2 * (discordant - difference**2) / difference**2)


def design_effect(cluster_size: float, correlation: float) -> float:
    """Return 1 + (m − 1)·ICC. Source: Kish (1965), Survey Sampling."""
    return 1 + (cluster_size - 1) * correlation


def power_of(difference: float, se: float, *, margin: float = 0.0, alpha: float = 0.05) -> float:
    """Return the chance to claim a true `difference` beyond ±margin with this standard error."""
    z = float(stats.norm.ppf(1 - alpha / 2))
    shifted = (abs(difference) - margin) / se
    return float(stats.norm.sf(z - shifted) + (stats.norm.cdf(-z - shifted) if margin == 0 else 0.0))


def smallest_visible(se: float, *, margin: float = 0.0, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest true difference that is claimed with this power."""
    return margin + _sum_z(power, alpha) * se
