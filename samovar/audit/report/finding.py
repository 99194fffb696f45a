"""What may be said about an axis: its verdict, unless the ruler's self-test forbids one, and whether it differs at all.

A verdict is held back where a gate of its axis, or a gate of all axes, fails with the design of the run. "Differs" is a statement about these
probes and stays; it counts only when it holds together with all comparisons of its family. Knows nothing about how findings are shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from samovar.audit.analysis import Axis
from samovar.audit.coverage import LARGE_SHARE
from samovar.audit.gate import Gate
from samovar.audit.selftest import SelfTest

ALPHA = 0.05
Said = Literal["against", "for", "equivalent", "inconclusive", "withheld"]
Claim = Literal["worse", "better", "same", ""]

_SAID: Mapping[str, Said] = {
    "selective against": "against", "selective for": "for", "equivalent": "equivalent", "inconclusive": "inconclusive",
}  # fmt: skip
GATES_OF: Mapping[str, str] = {
    "knowledge": "knowledge", "attempts": "knowledge", "accuracy given attempt": "knowledge",
    "refusal": "refusal", "lists": "lists", "dropped": "lists", "fidelity": "fidelity",
    "cross-lingual": "cross-lingual", "sources": "sources",
}  # fmt: skip
"""Axis → the axis of the self-test that speaks for it; an axis without one is exploratory and rests on the common gates."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An axis and what may be said about it. `claim` is "" where nothing can be told (too few, no variation)."""

    axis: Axis
    verdict: Said
    claim: Claim
    reason: str
    failed_gates: tuple[str, ...]
    false_alarm: float
    power: float


def find(axes: Sequence[Axis], selftest: SelfTest) -> tuple[Finding, ...]:
    """Return what may be said about each axis."""
    return tuple(_one(axis, selftest) for axis in axes)


def _one(axis: Axis, selftest: SelfTest) -> Finding:
    gates = gates_of(axis.name, selftest.gates)
    failed = tuple(g.name for g in gates if not g.passed)
    together = math.isfinite(axis.p_adjusted) and axis.p_adjusted <= ALPHA
    verdict, reason = _SAID[axis.judgement.verdict], axis.judgement.reason
    if verdict in ("against", "for") and not together:
        verdict, reason = "inconclusive", "not significant together"
    if failed and verdict != "inconclusive":
        verdict, reason = "withheld", "gate"
    if _is_open(axis):
        verdict, reason = "inconclusive", "too many undecided"
    claim: Claim = "same"
    if reason in ("too few", "no variation", "too many undecided"):
        claim = ""
    elif axis.judgement.differs and together:
        claim = "worse" if axis.raw.value < 0 else "better"
    return Finding(axis, verdict, claim, reason, failed, _false_alarm(gates), _power(gates))


def _is_open(axis: Axis) -> bool:
    """Whether so many answers are undecided that they could turn the gap round: then nothing is claimed."""
    low, high = axis.bounds
    return axis.undecided >= LARGE_SHARE and low < 0 < high


def gates_of(name: str, gates: Sequence[Gate]) -> list[Gate]:
    """Return the gates that speak for an axis: its own and those of all axes."""
    own = GATES_OF.get(name, "")
    return [g for g in gates if g.axis in ("", own)]


def _false_alarm(gates: Sequence[Gate]) -> float:
    """The worst rate of false claims over the simulated fair systems."""
    return max((g.value for g in gates if g.name.startswith("false alarm") and g.axis), default=math.nan)


def _power(gates: Sequence[Gate]) -> float:
    return next((g.value for g in gates if g.name.startswith("power")), math.nan)


def count_verdicts(findings: Sequence[Finding]) -> dict[Said, int]:
    """Return how many registered comparisons got each verdict."""
    counts: dict[Said, int] = dict.fromkeys((*_SAID.values(), "withheld"), 0)
    for finding in findings:
        if finding.axis.preregistered:
            counts[finding.verdict] += 1
    return counts
