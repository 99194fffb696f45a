"""Two runs on the same questions: two systems, or one system on two dates. Entity by entity, so that the questions' difficulty cancels.

The value is always *second minus first*, positive where the second does better. Knows nothing about why they differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from samovar.audit.analysis import Graded, Row, entity_means, is_attempted, is_correct, is_refused
from samovar.audit.outcome import Outcome
from samovar.audit.stats.contrasts import paired, sign_flip, unpaired
from samovar.audit.stats.estimate import NOTHING, Estimate
from samovar.audit.stats.multiplicity import holm
from samovar.audit.variety import varieties
from samovar.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shift:
    """How one score moved for one culture ("" for all): the paired `change`, and how the culture's gap to the others moved (`gap_change`)."""

    score: str
    culture: str
    first: float
    second: float
    change: Estimate
    gap_change: Estimate
    p_adjusted: float = math.nan


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs by name, how their scores moved, and the answers that changed: (key, before, after)."""

    first: str
    second: str
    shifts: tuple[Shift, ...]
    num_shared: int
    changed: tuple[tuple[str, Outcome, Outcome], ...]

    def shift(self, score: str, culture: str = "") -> Shift:
        """Find one. Raises `KeyError`."""
        for s in self.shifts:
            if (s.score, s.culture) == (score, culture):
                return s
        raise KeyError(f"{score} {culture}")


def compare(first: Graded, second: Graded) -> Comparison:
    """Compare two runs on the questions that both were asked.

    Raises:
        UsageError: they are of different packs, or share no question.
    """
    if first.pack.sha256 != second.pack.sha256:
        raise UsageError(
            f"expected two runs of the same pack, found {first.pack.name} {first.pack.version} ({first.pack.sha256[:12]}) in {first.name} and "
            f"{second.pack.name} {second.pack.version} ({second.pack.sha256[:12]}) in {second.name}: ask one of them again with the other's pack"
        )
    one = {r.question.key: r for r in first.rows if r.grade.outcome not in ("missing", "undecided")}
    other = {r.question.key: r for r in second.rows if r.grade.outcome not in ("missing", "undecided")}
    shared = sorted(one.keys() & other.keys())
    if not shared:
        raise UsageError(
            f"expected questions that both runs answered, found none in {first.name} and {second.name}: were they asked the same kinds and languages?"
        )
    shifts: list[Shift] = []
    for name, score, kinds in _SCORES:
        before, after = ([side[k] for k in shared if side[k].probe.kind in kinds] for side in (one, other))
        shifts += _shifts(name, score, before, after, tuple(first.pack.cultures))
    shifts += _source_shifts([one[k] for k in shared], [other[k] for k in shared], tuple(first.pack.cultures))
    adjusted = holm([s.change.p for s in shifts])
    return Comparison(
        first.name,
        second.name,
        tuple(replace(s, p_adjusted=float(p)) for s, p in zip(shifts, adjusted, strict=True)),
        len(shared),
        tuple(
            (k, one[k].grade.outcome, other[k].grade.outcome)
            for k in shared
            if one[k].grade.outcome != other[k].grade.outcome
        ),
    )


Score = Callable[[Outcome], float]
_SCORES: tuple[tuple[str, Score, tuple[str, ...]], ...] = (
    ("knowledge", is_correct, ("knowledge",)),
    ("attempts", is_attempted, ("knowledge",)),
    ("refusal", is_refused, ("refusal",)),
    ("fidelity", is_correct, ("fidelity",)),
)


def _culture(row: Row) -> str:
    return row.question.slot or row.probe.culture


def _shifts(
    name: str, score: Score, first: Sequence[Row], second: Sequence[Row], cultures: Sequence[str]
) -> list[Shift]:
    def means(rows: Sequence[Row], culture: str) -> dict[str, float]:
        return entity_means([r for r in rows if not culture or _culture(r) == culture], score)

    return _between(name, cultures, means, first, second)


def _source_shifts(first: Sequence[Row], second: Sequence[Row], cultures: Sequence[str]) -> list[Shift]:
    """How the variety of sources moved, query by query."""

    def means(rows: Sequence[Row], culture: str) -> dict[str, float]:
        asked = [r for r in rows if r.probe.kind == "sources"]
        chosen = {r.probe.id for r in asked if not culture or r.probe.culture == culture}
        return {q: sum(v.values()) / len(v) for q, v in varieties(asked).items() if q in chosen}

    return _between("sources", cultures, means, first, second)


def _between(
    name: str,
    cultures: Sequence[str],
    means: Callable[[Sequence[Row], str], Mapping[str, float]],
    first: Sequence[Row],
    second: Sequence[Row],
) -> list[Shift]:
    """Compare unit by unit, over all cultures ("") and for each."""
    differences: dict[str, list[float]] = {}
    made = []
    for culture in ("", *cultures):
        before, after = means(first, culture), means(second, culture)
        units = [u for u in before if u in after]
        if len(units) < 2:
            continue
        differences[culture] = [after[u] - before[u] for u in units]
        change = paired(differences[culture])
        if math.isfinite(change.p):
            change = replace(change, p=sign_flip(differences[culture]))
        firsts, seconds = [before[u] for u in units], [after[u] for u in units]
        made.append(Shift(name, culture, sum(firsts) / len(units), sum(seconds) / len(units), change, NOTHING))
    return [replace(s, gap_change=_gap(s.culture, differences)) for s in made]


def _gap(culture: str, differences: Mapping[str, Sequence[float]]) -> Estimate:
    """Difference in differences: the culture's change minus the average change of the others."""
    others = [d for c, d in differences.items() if c and c != culture]
    return unpaired(differences[culture], others) if culture and others else NOTHING
