"""The variety of the sources a system shows: for one culture's queries against the others', and for the same queries in two languages.

A reply's variety is the effective number of its sources (Hill 1973, order 1) over the most that any reply of the run shows: 0 shows nothing, 1 as
many different ones as there is room for. The query is the unit. It says nothing about what a source is worth, or whether another would fit.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from samovar.audit.analysis import Axis, Graded, Row
from samovar.audit.citing import source_name
from samovar.audit.stats.contrasts import paired, sign_flip, unpaired_cautious
from samovar.audit.stats.equivalence import MARGIN
from samovar.audit.stats.estimate import NOTHING, Estimate
from samovar.audit.stats.power import smallest_visible
from samovar.audit.stats.sources import effective_number
from samovar.audit.verdict import judge

Varieties = Mapping[str, Mapping[str, float]]


def variety_axes(graded: Graded, *, margin: float = MARGIN) -> Iterable[Axis]:
    """Yield the axis of every culture that queries are about, and of every pair of languages; none where no source was shown."""
    rows = graded.of("sources")
    found = varieties(rows)
    if not found:
        return
    culture_of = {r.probe.id: r.probe.culture for r in rows}
    groups: dict[str, list[float]] = defaultdict(list)
    for query, by_language in found.items():
        groups[culture_of[query]].append(_mean(list(by_language.values())))
    cultures = [c for c in graded.pack.cultures if groups.get(c)]
    for culture in cultures:
        rest = [groups[c] for c in cultures if c != culture]
        raw = unpaired_cautious(groups[culture], rest) if rest else NOTHING
        means = (_mean(groups[culture]), _mean([_mean(g) for g in rest]))
        yield _axis(culture, "", raw, means, rows, margin, min(len(groups[c]) for c in cultures))
    languages = [t for t in graded.pack.languages if any(t in v for v in found.values())]
    for one, other in ((a, b) for i, a in enumerate(languages) for b in languages[i + 1 :]):
        pairs = [(v[one], v[other]) for v in found.values() if one in v and other in v]
        differences = [a - b for a, b in pairs]
        raw = paired(differences)
        raw = replace(raw, p=sign_flip(differences)) if math.isfinite(raw.p) else raw
        means = (_mean([a for a, _ in pairs]), _mean([b for _, b in pairs]))
        yield _axis("", f"{one}-{other}", raw, means, rows, margin, len(pairs))


def varieties(rows: Sequence[Row]) -> Varieties:
    """Return query → language → variety, the mean over paraphrases; empty where nothing was shown."""
    answered = [r for r in rows if r.grade.outcome != "missing"]
    most = max((len(r.grade.found) for r in answered), default=0)
    if not most:
        return {}
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in answered:
        counts = list(Counter(map(source_name, row.grade.found)).values())
        values[row.probe.id][row.question.language].append(effective_number(counts) / most if counts else 0.0)
    return {query: {tag: _mean(v) for tag, v in by_language.items()} for query, by_language in values.items()}


def _axis(
    culture: str,
    language: str,
    raw: Estimate,
    means: tuple[float, float],
    rows: Sequence[Row],
    margin: float,
    units: int,
) -> Axis:
    missing = sum(r.grade.outcome == "missing" for r in rows) / len(rows)
    return Axis(
        "sources", culture, language, "", raw, NOTHING, NOTHING, judge(raw, margin=margin, smallest_group=units), math.nan, False, len(rows), missing, 0.0,
        (math.nan, math.nan), smallest_visible(raw.se), *means,
    )  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
