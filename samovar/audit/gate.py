"""A demand on the ruler and whether it is met. Knows nothing about what is simulated."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gate:
    """One demand on the ruler. `axis` is the axis it speaks for ("" for all), `value` what was measured, `num` how many simulated audits."""

    name: str
    axis: str
    demand: str
    value: float
    passed: bool
    num: int
    detail: str = ""


def tolerance(rate: float, num: int) -> float:
    """How far a rate of exactly `rate` may be exceeded by chance in `num` simulations (one-sided 99.5 %), at least AUDIT's 1.5 points."""
    return max(0.015, 2.58 * math.sqrt(rate * (1 - rate) / num))


def make_gate(name: str, axis: str, demand: str, value: float, passed: bool, num: int, detail: str = "") -> Gate:
    """Make a gate from plain values."""
    return Gate(name, axis, demand, round(float(value), 4), bool(passed), num, detail)


def alarm_gate(name: str, axis: str, rate: float, num: int) -> Gate:
    """Make the gate of a rate of false claims: at most .05 and the tolerance."""
    limit = 0.05 + tolerance(0.05, num)
    return make_gate(f"false alarm: {name}", axis, f"<= {limit:.3f}", rate, rate <= limit, num)


def coverage_gate(name: str, axis: str, inside: float, num: int) -> Gate:
    """Make the gate of a share of 95 % intervals that hold the truth: .93 to .97 and the Monte-Carlo error."""
    slack = 2.58 * math.sqrt(0.95 * 0.05 / num)
    return make_gate(f"coverage{name}", axis, "0.93 – 0.97", inside, 0.93 - slack <= inside <= 0.97 + slack, num)


def power_gate(name: str, axis: str, found: float, demand: float, num: int, detail: str = "") -> Gate:
    """Make the gate of a planted dose that must be found."""
    return make_gate(f"power: {name}", axis, f">= {demand:.2f}", found, found >= demand, num, detail)
