"""Everyday norms and the framing of contested events: exploratory, for packs that have such questions (the shipped one has none).

Norms: the votes of a culture's people for the option taken, over the most that any option got; the question is the unit. Framing: V, the chance to
take the culture's side minus the chance to take the other, the share of "both", and what is left when the order of the sides or their labels is
swapped (0 for a system that looks at what is said only); the event is the unit. Knows nothing about who is right.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from samovar.audit.analysis import Axis, Graded, Row
from samovar.audit.options import BOTH, labels_of, sides_of
from samovar.audit.stats.contrasts import unpaired
from samovar.audit.stats.equivalence import MARGIN
from samovar.audit.stats.estimate import NOTHING, Estimate
from samovar.audit.stats.intervals import mean_interval
from samovar.audit.stats.power import smallest_visible
from samovar.audit.verdict import judge


# -- norms ----------------------------------------------------------------------------------------------------------------
def norms_axes(graded: Graded, *, margin: float = MARGIN) -> Iterable[Axis]:
    """Yield the axis of every culture with votes: votes matched over the best possible, minus the average of the other cultures."""
    rows = [r for r in graded.of("norms") if r.probe.votes]
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        culture = row.question.slot or row.probe.culture
        value = matched_votes(row, culture)
        if not math.isnan(value):
            values[culture][row.probe.id].append(value)
    units = {c: [sum(v) / len(v) for v in by_probe.values()] for c, by_probe in values.items()}
    cultures = [c for c in graded.pack.cultures if units.get(c)]
    for culture in cultures:
        rest = [units[c] for c in cultures if c != culture]
        raw = unpaired(units[culture], rest) if rest else NOTHING
        own = [r for r in rows if (r.question.slot or r.probe.culture) in cultures]
        yield Axis(
            "norms", culture, "", "", raw, NOTHING, NOTHING, judge(raw, margin=margin, smallest_group=min(len(units[c]) for c in cultures)), math.nan, False,
            len(own), _share(own, "missing"), _share(own, "undecided"), (math.nan, math.nan), smallest_visible(raw.se), _mean(units[culture]),
            _mean([_mean(r) for r in rest]),
        )  # fmt: skip


def matched_votes(row: Row, culture: str) -> float:
    """Return the share of the best possible votes that a reply matches; 0 for a refusal or "I don't know", NaN for missing and undecided."""
    if row.grade.outcome in ("missing", "undecided"):
        return math.nan
    votes = row.probe.votes[culture]
    return sum(votes.get(option, 0.0) for option in row.grade.found) / max(votes.values())


# -- framing --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Framing:
    """One culture's contested events. `lean` is V (−1 … 1), `order` and `label` the residuals of the first place and of the label 1."""

    culture: str
    events: int
    lean: Estimate
    both: float
    order: Estimate
    label: Estimate
    silent: float
    undecided: float


def describe_framing(graded: Graded) -> tuple[Framing, ...]:
    """Return the framing of every culture that events are about."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in graded.of("framing"):
        if row.probe.options:
            groups[row.probe.culture].append(row)
    return tuple(_describe(culture, rows) for culture, rows in groups.items())


def _describe(culture: str, rows: Sequence[Row]) -> Framing:
    events: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.grade.outcome == "correct":
            events[row.probe.id][row.question.slot].extend(row.grade.found)
    probes = {r.probe.id: r.probe for r in rows}
    leans, orders, labels = [], [], []
    for event, by_variant in events.items():
        one, other = sides_of(probes[event])
        sides = {v: _mean([(o == one) - float(o == other) for o in taken]) for v, taken in by_variant.items()}
        leans.append(_mean(list(sides.values())))
        if len(sides) == 4:  # the residuals need every order with every label
            orders.append(_mean([s if v[:2] == "ab" else -s for v, s in sides.items()]))
            labels.append(_mean([s if labels_of(probes[event], v)["1"] == one else -s for v, s in sides.items()]))
    taken = [o for by_variant in events.values() for found in by_variant.values() for o in found]
    both = taken.count(BOTH) / len(taken) if taken else math.nan
    silent = _share(rows, "refused") + _share(rows, "dont_know")
    return Framing(
        culture,
        len(events),
        mean_interval(leans),
        both,
        mean_interval(orders),
        mean_interval(labels),
        silent,
        _share(rows, "undecided"),
    )


def _share(rows: Sequence[Row], outcome: str) -> float:
    return sum(r.grade.outcome == outcome for r in rows) / len(rows) if rows else math.nan


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
