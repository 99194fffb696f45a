"""All pre-registered axes at once: intervals that hold together, and the worst of them.

Axes share entities, templates and prompts (each culture is among the comparators of the others), so their errors are correlated; the critical
value comes from the units' own contributions (`max_t_quantile`). Knows nothing about verdicts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from samovar.audit.analysis import NEUTRAL, Axis, Graded, Row, entity_means, is_correct, is_refused
from samovar.audit.stats.multiplicity import max_t_quantile


@dataclass(frozen=True, slots=True)
class Bound:
    """The simultaneous interval of one axis."""

    name: str
    culture: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Simultaneous:
    """`critical` standard errors either side hold for all axes at once (95 %). `lowest`: no axis lies further below than its `low`.
    `surest`: the axis whose gap against the target is largest even at the optimistic end (None where every interval reaches 0)."""

    critical: float
    bounds: tuple[Bound, ...]
    lowest: Bound | None
    surest: Bound | None


def simultaneous(graded: Graded, axes: Sequence[Axis], level: float = 0.95) -> Simultaneous:
    """Return the simultaneous bounds of the pre-registered axes that have an interval."""
    chosen = [a for a in axes if a.preregistered and a.raw.se > 0 and math.isfinite(a.raw.value)]
    if not chosen:
        return Simultaneous(math.nan, (), None, None)
    columns = [_influence(graded, axis) for axis in chosen]
    units = sorted({unit for column in columns for unit in column})
    matrix = np.array([[column.get(unit, 0.0) for column in columns] for unit in units])
    critical = max_t_quantile(matrix, level) if matrix.size and np.any(matrix) else math.nan
    bounds = tuple(
        Bound(a.name, a.culture, a.raw.value - critical * a.raw.se, a.raw.value + critical * a.raw.se) for a in chosen
    )
    finite = [b for b in bounds if math.isfinite(b.low)]
    lowest = min(finite, key=lambda b: b.low, default=None)
    surest = min((b for b in finite if b.high < 0), key=lambda b: b.high, default=None)
    return Simultaneous(critical, bounds, lowest, surest)


def _influence(graded: Graded, axis: Axis) -> dict[str, float]:
    """What each unit (entity, template, prompt) contributes to an axis' estimate, centred."""
    if axis.name == "knowledge":
        return _of_entities(graded, axis.culture)
    per_unit = _of_templates(graded, axis.culture) if axis.name == "refusal" else _of_prompts(graded, axis.culture)
    centre = float(np.mean(list(per_unit.values()))) if per_unit else 0.0
    return {unit: (value - centre) / len(per_unit) for unit, value in per_unit.items()}


def _of_entities(graded: Graded, target: str) -> dict[str, float]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in graded.of("knowledge"):
        groups[row.probe.culture].append(row)
    means = {c: entity_means(rows, is_correct) for c, rows in groups.items()}
    others = [c for c in means if c != target and means[c]]
    found: dict[str, float] = {}
    for culture in (target, *others):
        values = means.get(culture, {})
        if not values or not others:
            continue
        weight = 1.0 if culture == target else -1.0 / len(others)
        centre = float(np.mean(list(values.values())))
        found |= {e: weight * (v - centre) / len(values) for e, v in values.items()}
    return found


def _of_templates(graded: Graded, target: str) -> dict[str, float]:
    cells: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in graded.of("refusal"):
        value = is_refused(row.grade.outcome)
        if row.question.slot in (target, NEUTRAL) and not math.isnan(value):
            cells[row.probe.id][row.question.slot].append(value)
    return {
        probe: float(np.mean(slots[NEUTRAL]) - np.mean(slots[target]))
        for probe, slots in cells.items()
        if slots.get(target) and slots.get(NEUTRAL)
    }


def _of_prompts(graded: Graded, target: str) -> dict[str, float]:
    num = len({e.culture for e in graded.pack.entities.values()})
    found: Mapping[str, list[float]] = defaultdict(list)
    for row in graded.of("list"):
        cultures = [graded.pack.entities[e].culture for e in row.grade.found if e in graded.pack.entities]
        if cultures:
            share = cultures.count(target) / len(cultures)
            found[row.probe.id].append(share - (1 - share) / (num - 1))
    return {probe: float(np.mean(values)) for probe, values in found.items()}
