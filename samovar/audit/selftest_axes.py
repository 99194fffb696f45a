"""The ruler's gates for two axes: one language against another, and the variety of sources. False alarms, coverage and power, each by simulation.

The same estimators judge simulated and real runs: entity differences by sign flips, query means by Welch's interval with cautious degrees of freedom, query pairs by sign flips.
Source of the demands: AUDIT.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from samovar.audit.gate import Gate, alarm_gate, coverage_gate, power_gate
from samovar.audit.simulate import NULLS, Design, System, draw_languages, draw_variety
from samovar.audit.stats.contrasts import paired, sign_flip_each, unpaired_cautious
from samovar.audit.stats.estimate import Estimate
from samovar.audit.verdict import judge

Array = NDArray[np.float64]
CHUNK = 100  # simulations drawn at once
LOST = 0.10  # points of right answers lost in one language
TAKEN_PAIR, TAKEN_CULTURE = 0.20, 0.40  # share of the places that goes to one source


# -- simulated audits -----------------------------------------------------------------------------------------------------
def language_audits(design: Design, system: System, lost: float, num: int, seed: int) -> list[Estimate]:
    """Return `num` simulated contrasts of one culture's entities in two languages."""
    rows = []
    for start in range(0, num, CHUNK):
        one, other = draw_languages(design, system, lost, min(CHUNK, num - start), np.random.default_rng([seed, start]))
        rows.append(one - other)
    return _paired_each(np.concatenate(rows), seed)


def pair_variety_audits(design: Design, taken: float, num: int, seed: int) -> list[Estimate]:
    """Return `num` simulated contrasts of variety between two languages of the same queries."""
    rng = np.random.default_rng([seed, 4])
    shape = (num, design.queries)
    return _paired_each(draw_variety(shape, taken, rng) - draw_variety(shape, 0.0, rng), seed)


def culture_variety_audits(design: Design, taken: float, num: int, seed: int) -> list[Estimate]:
    """Return `num` simulated contrasts of variety between the queries about culture 0 and those about the others."""
    rng = np.random.default_rng([seed, 5])
    own = draw_variety((num, design.queries_each), taken, rng)
    rest = draw_variety((num, design.cultures - 1, design.queries_each), 0.0, rng)
    return [unpaired_cautious(a, list(b)) for a, b in zip(own, rest, strict=True)]


def _paired_each(differences: Array, seed: int) -> list[Estimate]:
    """The estimate of each row as the analysis makes it: a t interval, and p by sign flips."""
    p = sign_flip_each(differences, seed)
    return [replace(paired(row), p=float(q)) for row, q in zip(differences, p, strict=True)]


# -- gates ------------------------------------------------------------------------------------------------------------------
def language_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """Items may differ between languages by chance without a claim; ten points lost in one language are found, and intervals hold them."""
    gates = []
    for null in NULLS[:3]:
        fair = language_audits(design, null, 0.0, num, seed)
        gates.append(alarm_gate(null.name, "cross-lingual", _claims(fair), num))
    lost = language_audits(design, System(), LOST, num, seed + 1)
    about = f"{design.entities} entities"
    gates.append(power_gate("10 points in one language", "cross-lingual", _claims(lost, worse=True), 0.80, num, about))
    for name, made, truth in ((" of no difference", language_audits(design, NULLS[0], 0.0, num, seed + 2), 0.0), (" of 10 points", lost, -LOST)):  # fmt: skip
        gates.append(coverage_gate(name, "cross-lingual", _inside(made, truth), num))
    return gates


def source_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """Variety of sources: no claim between alike languages or cultures; places given to one source are found, and intervals hold the difference."""
    gates = [
        alarm_gate("fair, two languages", "sources", _claims(pair_variety_audits(design, 0.0, num, seed)), num),
        alarm_gate("fair, cultures", "sources", _claims(culture_variety_audits(design, 0.0, num, seed), few=True), num),
    ]
    pairs = pair_variety_audits(design, TAKEN_PAIR, num, seed + 1)
    cultures = culture_variety_audits(design, TAKEN_CULTURE, num, seed + 1)
    truth = [_loss(taken, seed) for taken in (TAKEN_PAIR, TAKEN_CULTURE)]
    gates.append(power_gate("a fifth of the places in one language to one source", "sources", _claims(pairs, worse=True), 0.80, num, f"{design.queries} query pairs"))  # fmt: skip
    gates.append(power_gate("two fifths of the places of one culture to one source", "sources", _claims(cultures, worse=True, few=True), 0.80, num, f"{design.queries_each} queries a culture"))  # fmt: skip
    gates.append(coverage_gate(" of the difference between languages", "sources", _inside(pairs, truth[0]), num))
    gates.append(coverage_gate(" of the difference between cultures", "sources", _inside(cultures, truth[1]), num))
    return gates


def _loss(taken: float, seed: int) -> float:
    """The true difference in variety, by brute force."""
    rng = np.random.default_rng([seed, 6])
    return float(draw_variety((60_000,), taken, rng).mean() - draw_variety((60_000,), 0.0, rng).mean())


def _claims(made: Sequence[Estimate], *, worse: bool = False, few: bool = False) -> float:
    """The share of simulated audits with a claim (that the target fares worse); `few`: judged however few units there are."""
    said = [judge(e, fewest=2) if few else judge(e) for e in made]
    return float(np.mean([j.differs and (e.value < 0 or not worse) for j, e in zip(said, made, strict=True)]))


def _inside(made: Sequence[Estimate], truth: float) -> float:
    return float(np.mean([e.low <= truth <= e.high for e in made]))
