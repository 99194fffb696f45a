"""Single questions that work differently: between two languages of the question, or between the audited system and the reference systems.

Mantel–Haenszel per question, with the systems (or the languages) as strata; what all questions share (a language or a system that is weaker
throughout) is taken out, so that a flag speaks of the question and not of the system. A: negligible, B: moderate, C: large, by the limits of ETS on the
delta scale. Exploratory: a flag is a reason to read the question again, first of all its wording and its right answer in the other language. Replies
to one question are few, so p is exact and half a reply is added to each cell for the delta; paraphrases of one system are alike, so p is optimistic.
Sources: Holland & Thayer (1988) in Test Validity, 129–145; Zieky (1993) in Differential Item Functioning, 337–347 (levels); Benjamini & Hochberg (1995).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from samovar.audit.analysis import Graded, Row
from samovar.audit.stats.adjust import exact_odds_p, log_odds_error, mantel_haenszel
from samovar.audit.stats.multiplicity import benjamini_hochberg

Array = NDArray[np.float64]
Level = Literal["A", "B", "C"]
LEVELS: tuple[Level, ...] = ("A", "B", "C")
PANEL = "panel"
DELTA = -2.35  # ETS delta per unit of log odds
MODERATE, LARGE, ALPHA = 1.0, 1.5, 0.05
FEWEST_ITEMS = 20


@dataclass(frozen=True, slots=True)
class Item:
    """One question. `delta` < 0: harder for the group in focus than all questions together let expect. `focal`, `reference`: shares right."""

    probe: str
    culture: str
    delta: float
    error: float
    p: float
    p_adjusted: float
    level: Level
    focal: float
    reference: float
    num: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """All questions of one comparison: ``panel`` (this system in focus, against the reference systems) or two languages (the first in focus)."""

    name: str
    counts: Mapping[str, int]
    flagged: tuple[Item, ...]


def flag_items(graded: Graded, others: Sequence[Graded]) -> tuple[Comparison, ...]:
    """Return the comparisons that the runs allow; none without another system."""
    if not others:
        return ()
    made = [_compare(PANEL, _by_system(graded, others))]
    tags = [t for t in graded.pack.languages if any(r.question.language == t for r in graded.of("knowledge"))]
    for one, other in ((a, b) for i, a in enumerate(tags) for b in tags[i + 1 :]):
        made.append(_compare(f"{one}-{other}", _by_language([graded, *others], one, other)))
    return tuple(m for m in made if m is not None)


Tables = Mapping[tuple[str, str], Array]
"""(probe, culture) → counts [strata, reference/focal, right/wrong]."""


def _by_system(graded: Graded, others: Sequence[Graded]) -> Tables:
    rows = [(r, 1) for r in graded.of("knowledge")] + [(r, 0) for o in others for r in o.of("knowledge")]
    return _tables((r, r.question.language, group) for r, group in rows)


def _by_language(runs: Sequence[Graded], one: str, other: str) -> Tables:
    group = {one: 1, other: 0}
    return _tables(
        (r, str(i), group[r.question.language])
        for i, run in enumerate(runs)
        for r in run.of("knowledge")
        if r.question.language in group
    )


def _tables(replies: Iterable[tuple[Row, str, int]]) -> Tables:
    counts: dict[tuple[str, str], dict[str, Array]] = defaultdict(lambda: defaultdict(lambda: np.zeros((2, 2))))
    for row, stratum, group in replies:
        if row.grade.outcome not in ("missing", "undecided"):
            counts[row.probe.id, row.probe.culture][stratum][group, int(row.grade.outcome != "correct")] += 1
    stacked = {key: np.array([t for t in strata.values() if t.sum(axis=1).all()]) for key, strata in counts.items()}
    return {key: tables for key, tables in stacked.items() if len(tables)}


def _compare(name: str, tables: Tables) -> Comparison | None:
    if len(tables) < FEWEST_ITEMS:
        return None
    items = judge_items(tables)
    counts: Counter[Level] = Counter(item.level for item in items)
    flagged = sorted((i for i in items if i.level != "A"), key=lambda i: (i.level != "C", i.p, i.probe))
    return Comparison(name, {level: counts[level] for level in LEVELS}, tuple(flagged))


def judge_items(tables: Tables) -> list[Item]:
    """Return every question with its delta, relative to that of all questions, and its level."""
    odds = mantel_haenszel(np.concatenate(list(tables.values())))[0]
    common = math.log(odds) if 0 < odds < math.inf else 0.0
    found = []
    for table in tables.values():
        padded = table + 0.5
        logarithm, error = math.log(mantel_haenszel(padded)[0]) - common, log_odds_error(padded)
        found.append((DELTA * logarithm, -DELTA * error, exact_odds_p(table, math.exp(common))))
    adjusted = benjamini_hochberg([p for _, _, p in found])
    items = []
    for ((probe, culture), table), (delta, error, p), q in zip(tables.items(), found, adjusted, strict=True):
        (right, wrong), (own_right, own_wrong) = table.sum(axis=0)
        shares = (float(own_right / (own_right + own_wrong)), float(right / (right + wrong)))
        items.append(
            Item(probe, culture, delta, error, p, float(q), level_of(delta, error, float(q)), *shares, int(table.sum()))
        )
    return items


def level_of(delta: float, error: float, p_adjusted: float) -> Level:
    """Return the level: A unless the delta is at least 1 and beyond chance; C if it is at least 1.5 and beyond 1 by more than chance."""
    if not (abs(delta) >= MODERATE and p_adjusted <= ALPHA):
        return "A"
    beyond = (abs(delta) - MODERATE) / error > float(stats.norm.ppf(1 - ALPHA))
    return "C" if abs(delta) >= LARGE and beyond else "B"
