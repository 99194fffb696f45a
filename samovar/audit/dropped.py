"""Dropped from lists: entities that a system names when their culture is asked for, and leaves out when no culture is.

Per entity: its share of the generic lists of its domain minus its share of the lists that name its own culture. Entities that no list of any kind
named tell nothing and are left out. One culture's entities are compared with the others' of the same domain and world fame (twins). Source of
the comparison: permutation within strata, see `stratified_permutation`. Knows nothing about verdicts of other axes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from samovar.audit.analysis import NEUTRAL, Axis, Graded, Row
from samovar.audit.stats.contrasts import stratified_permutation, unpaired
from samovar.audit.stats.equivalence import MARGIN
from samovar.audit.stats.estimate import NOTHING, Estimate
from samovar.audit.stats.power import smallest_visible
from samovar.audit.verdict import judge


@dataclass(frozen=True, slots=True)
class Shown:
    """One entity: its share of generic lists, of lists that name its culture, and the stratum its twins are in."""

    entity: str
    culture: str
    generic: float
    cued: float
    stratum: str


def shown_entities(graded: Graded) -> list[Shown]:
    """Return every entity that at least one list named."""
    lists: dict[tuple[str, str], list[frozenset[str]]] = defaultdict(list)
    for row in graded.of("dropped"):
        if row.grade.outcome not in ("missing", "undecided", "refused"):
            lists[row.probe.domain, row.question.slot].append(frozenset(row.grade.found))
    made = []
    for e in graded.pack.entities.values():
        generic, cued = lists.get((e.domain, NEUTRAL), []), lists.get((e.domain, e.culture), [])
        if generic and cued:
            one, other = (sum(e.id in found for found in group) / len(group) for group in (generic, cued))
            if one or other:
                made.append(Shown(e.id, e.culture, one, other, f"{e.domain}/{e.fame.get('world', 0)}"))
    return made


def dropped_axis(graded: Graded, shown: Sequence[Shown], target: str, *, margin: float = MARGIN) -> Axis:
    """Return the axis of one culture: negative where its entities are dropped more than their twins of other cultures."""
    rows = graded.of("dropped")
    twins = [s for s in shown if s.culture != target]
    strata = {s.stratum for s in twins}
    own = [s for s in shown if s.culture == target and s.stratum in strata]
    twins = [s for s in twins if s.stratum in {o.stratum for o in own}]
    raw = _contrast(own, twins)
    return Axis(
        "dropped", target, "", "", raw, NOTHING, NOTHING, judge(raw, margin=margin, smallest_group=min(len(own), len(twins))), math.nan, False,
        len(rows), _share(rows, "missing"), _share(rows, "undecided"), (math.nan, math.nan), smallest_visible(raw.se), _drop(own), _drop(twins),
    )  # fmt: skip


def _contrast(own: Sequence[Shown], twins: Sequence[Shown]) -> Estimate:
    """Own minus twins, twins weighted to the strata of the own; the error is Welch's over the entities centred in their strata."""
    if len(own) < 2 or len(twins) < 2:
        return NOTHING
    centre = _centres(twins)
    made = unpaired([_change(s) - centre[s.stratum] for s in own], [[_change(s) - centre[s.stratum] for s in twins]])
    p = stratified_permutation(
        [_change(s) for s in (*own, *twins)], [True] * len(own) + [False] * len(twins), [s.stratum for s in (*own, *twins)]
    )  # fmt: skip
    return replace(made, p=p) if math.isfinite(made.p) else made


def _centres(twins: Sequence[Shown]) -> Mapping[str, float]:
    groups: dict[str, list[float]] = defaultdict(list)
    for s in twins:
        groups[s.stratum].append(_change(s))
    return {stratum: float(np.mean(values)) for stratum, values in groups.items()}


def _change(shown: Shown) -> float:
    return shown.generic - shown.cued


def _drop(group: Sequence[Shown]) -> float:
    return float(np.mean([_change(s) for s in group])) if group else math.nan


def _share(rows: Sequence[Row], outcome: str) -> float:
    return sum(r.grade.outcome == outcome for r in rows) / len(rows) if rows else math.nan
