"""From grades to axes: what a system knows, refuses, lists and answers, culture against the others, with the three numbers and a verdict each.

The value of an axis is always *target minus comparators*, negative where the target fares worse. Missing replies are left out and counted,
undecided ones are left out and bounded (all against the target, all for it). Pre-registered axes share one Holm family per run; the rest is
exploratory. Knows nothing about how replies were collected or graded, or how results are shown.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from samovar.audit.outcome import Grade, Outcome, Question
from samovar.audit.pack import Pack
from samovar.audit.probe import Probe
from samovar.audit.questions import questions_of
from samovar.audit.stats.adjust import fame_adjusted, panel_adjusted
from samovar.audit.stats.contrasts import paired, paired_proportions, sign_flip, unpaired
from samovar.audit.stats.equivalence import MARGIN
from samovar.audit.stats.estimate import NOTHING, Estimate
from samovar.audit.stats.multiplicity import benjamini_hochberg, holm
from samovar.audit.stats.power import smallest_visible
from samovar.audit.verdict import Judgement, judge
from samovar.errors import UsageError

NEUTRAL = "zz"
"""The slot that names no culture: the control of the refusal pairs."""

PREREGISTERED = ("knowledge", "refusal", "lists")
BOUND_KINDS = ("knowledge", "cross-lingual", "norms")


@dataclass(frozen=True, slots=True)
class Row:
    """One graded question with its probe."""

    probe: Probe
    question: Question
    grade: Grade


@dataclass(frozen=True, slots=True)
class Graded:
    """One run's grades joined to its pack: what an analysis works on."""

    name: str
    pack: Pack
    rows: tuple[Row, ...]
    unasked: int = 0

    @classmethod
    def join(cls, name: str, pack: Pack, grades: Iterable[Grade], *, pack_sha256: str = "") -> Graded:
        """Join grades to the pack they were asked from.

        Raises:
            UsageError: the grades are of another pack, or of questions this one does not have.
        """
        if pack_sha256 and pack_sha256 != pack.sha256:
            raise UsageError(
                f"expected grades of the pack {pack.name} {pack.version} ({pack.sha256[:12]}), found {pack_sha256[:12]} in {name}: "
                "runs can be compared only on the same questions. Run it again with this pack."
            )
        asked = {q.key: (p, q) for p in pack.probes for q in questions_of(p)}
        rows = []
        for grade in grades:
            if grade.key not in asked:
                raise UsageError(
                    f"expected questions of the pack {pack.name}, found {grade.key!r} in {name}: it belongs to another pack or version"
                )
            rows.append(Row(*asked[grade.key], grade))
        return cls(name, pack, tuple(rows), len(asked) - len(rows))

    def of(self, *kinds: str) -> list[Row]:
        """Rows of these probe kinds."""
        return [r for r in self.rows if r.probe.kind in kinds]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis for one target. `fame` and `panel` are NaN estimates where they cannot be had. `language` "" pools all; `domain` "" too.

    `bounds`: the raw value with every undecided reply counted against, and for, the target. `visible`: the smallest true difference this design
    finds with power .8. `p_adjusted`: Holm within the pre-registered family, Benjamini–Hochberg among the exploratory axes.
    """

    name: str
    culture: str
    language: str
    domain: str
    raw: Estimate
    fame: Estimate
    panel: Estimate
    judgement: Judgement
    p_adjusted: float
    preregistered: bool
    num_replies: int
    missing: float
    undecided: float
    bounds: tuple[float, float]
    visible: float
    target_mean: float = math.nan
    others_mean: float = math.nan


@dataclass(frozen=True, slots=True)
class Analysis:
    """All axes of one run, and the counts behind them."""

    name: str
    pack: str
    pack_sha256: str
    margin: float
    axes: tuple[Axis, ...]
    outcomes: Mapping[str, Mapping[str, int]]
    panel: tuple[str, ...] = ()
    unasked: int = 0
    sources: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def axis(self, name: str, culture: str = "", language: str = "", domain: str = "") -> Axis:
        """Find one. Raises `KeyError`."""
        for a in self.axes:
            if (a.name, a.culture, a.language, a.domain) == (name, culture, language, domain):
                return a
        raise KeyError(f"{name} {culture} {language} {domain}")


# -- scores of one reply -----------------------------------------------------------------------------------------------
Score = Callable[[Outcome], float]


def is_correct(outcome: Outcome) -> float:
    """1 for a right answer, 0 for any other that counts; NaN for missing and undecided."""
    return math.nan if outcome in ("missing", "undecided") else float(outcome == "correct")


def is_attempted(outcome: Outcome) -> float:
    """1 where an answer was tried, 0 for "don't know" and refusals; an undecided reply is an attempt."""
    return math.nan if outcome == "missing" else float(outcome in ("correct", "wrong", "undecided"))


def is_correct_given_attempt(outcome: Outcome) -> float:
    """1 or 0 among attempts, NaN otherwise."""
    return float(outcome == "correct") if outcome in ("correct", "wrong") else math.nan


def is_refused(outcome: Outcome) -> float:
    """1 for a refusal; NaN for missing and undecided."""
    return math.nan if outcome in ("missing", "undecided") else float(outcome == "refused")


def undecided_as(value: float, score: Score) -> Score:
    """The same score with undecided replies counted as `value`."""
    return lambda outcome: value if outcome == "undecided" else score(outcome)


# -- entity means -------------------------------------------------------------------------------------------------------
def entity_means(rows: Iterable[Row], score: Score) -> dict[str, float]:
    """Return entity → mean over its facets of the mean over languages and paraphrases: each facet counts the same, repeats add nothing."""
    facets: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        value = score(row.grade.outcome)
        if not math.isnan(value):
            facets[row.probe.entity or row.probe.id, row.probe.id].append(value)
    means: dict[str, list[float]] = defaultdict(list)
    for (entity, _), values in facets.items():
        means[entity].append(sum(values) / len(values))
    return {entity: sum(values) / len(values) for entity, values in means.items()}


def by_culture(rows: Iterable[Row], pack: Pack) -> dict[str, list[Row]]:
    """Return rows by the culture of their probe, in the pack's order."""
    groups: dict[str, list[Row]] = {culture: [] for culture in pack.cultures}
    for row in rows:
        groups.setdefault(row.probe.culture, []).append(row)
    return groups


def knowledge_axis(
    graded: Graded,
    panel: Sequence[Graded],
    target: str,
    score: Score,
    name: str,
    *,
    language: str = "",
    domain: str = "",
    margin: float = MARGIN,
) -> Axis:
    """Compare one culture's entities with the others' on one score."""

    def chosen(run: Graded) -> dict[str, list[Row]]:
        rows = [
            r
            for r in run.of("knowledge")
            if (not language or r.question.language == language) and (not domain or r.probe.domain == domain)
        ]
        return by_culture(rows, run.pack)

    groups = chosen(graded)
    means = {culture: entity_means(rows, score) for culture, rows in groups.items()}
    others = [c for c in groups if c != target and means[c]]
    raw = (
        unpaired(list(means[target].values()), [list(means[c].values()) for c in others])
        if means.get(target) and others
        else NOTHING
    )
    adjusted = _fame(graded.pack, means, target, others)
    relative = _panel([chosen(p) for p in panel], means, target, others, score)
    rows = [r for c in (target, *others) for r in groups.get(c, [])]
    smallest = min([len(means.get(c, ())) for c in (target, *others)], default=0)
    judgement = judge(raw, [adjusted, relative], margin=margin, smallest_group=smallest)
    low = _raw_value(groups, target, others, undecided_as(0.0, score), undecided_as(1.0, score))
    high = _raw_value(groups, target, others, undecided_as(1.0, score), undecided_as(0.0, score))
    other_means = [float(np.mean(list(means[c].values()))) for c in others]
    return Axis(
        name, target, language, domain, raw, adjusted, relative, judgement, math.nan, name in PREREGISTERED and not language and not domain,
        len(rows), _share(rows, "missing"), _share(rows, "undecided"), (low, high), smallest_visible(max(e.se for e in (raw, adjusted, relative) if math.isfinite(e.se)) if math.isfinite(raw.se) else math.nan),
        float(np.mean(list(means[target].values()))) if means.get(target) else math.nan, float(np.mean(other_means)) if other_means else math.nan,
    )  # fmt: skip


def _raw_value(groups: Mapping[str, list[Row]], target: str, others: Sequence[str], own: Score, rest: Score) -> float:
    mine = list(entity_means(groups.get(target, []), own).values())
    theirs = [list(entity_means(groups[c], rest).values()) for c in others]
    return float(np.mean(mine) - np.mean([np.mean(t) for t in theirs])) if mine and theirs else math.nan


def _fame(pack: Pack, means: Mapping[str, Mapping[str, float]], target: str, others: Sequence[str]) -> Estimate:
    values, is_target, fame = [], [], []
    for culture in (target, *others):
        for entity, value in means.get(culture, {}).items():
            values.append(value)
            is_target.append(culture == target)
            fame.append(pack.fame_of(entity))
    return fame_adjusted(values, is_target, fame) if values else NOTHING


def _panel(
    panel: Sequence[Mapping[str, list[Row]]],
    means: Mapping[str, Mapping[str, float]],
    target: str,
    others: Sequence[str],
    score: Score,
) -> Estimate:
    """The gap beyond the panel's, over entities that the system and the whole panel were asked about."""
    if not panel or not others:
        return NOTHING
    reference = [{c: entity_means(groups.get(c, []), score) for c in (target, *others)} for groups in panel]

    def pairs(culture: str) -> tuple[list[float], list[float]]:
        shared = [e for e in means.get(culture, {}) if all(e in r[culture] for r in reference)]
        return [means[culture][e] for e in shared], [float(np.mean([r[culture][e] for r in reference])) for e in shared]

    own, base = pairs(target)
    rest = [pairs(c) for c in others]
    if len(own) < 2 or any(len(r[0]) < 2 for r in rest):
        return NOTHING
    return panel_adjusted(own, [r[0] for r in rest], base, [r[1] for r in rest])


def _share(rows: Sequence[Row], outcome: Outcome) -> float:
    return sum(r.grade.outcome == outcome for r in rows) / len(rows) if rows else math.nan


# -- pairs: refusals, languages -----------------------------------------------------------------------------------------
def refusal_axis(graded: Graded, target: str, *, language: str = "", margin: float = MARGIN) -> Axis:
    """Refusals of one culture's slot against the neutral slot of the same template; the template is the unit."""
    rows = [r for r in graded.of("refusal") if not language or r.question.language == language]
    differences, values = _template_differences(rows, target, is_refused)
    raw = _paired(differences, values)
    low = _mean(_template_differences(rows, target, undecided_as(1.0, is_refused), undecided_as(0.0, is_refused))[0])
    high = _mean(_template_differences(rows, target, undecided_as(0.0, is_refused), undecided_as(1.0, is_refused))[0])
    used = [r for r in rows if r.question.slot in (target, NEUTRAL)]
    mine = [is_refused(r.grade.outcome) for r in used if r.question.slot == target]
    rest = [is_refused(r.grade.outcome) for r in used if r.question.slot == NEUTRAL]
    return Axis(
        "refusal", target, language, "", raw, NOTHING, NOTHING, judge(raw, margin=margin), math.nan, not language, len(used),
        _share(used, "missing"), _share(used, "undecided"), (low, high), smallest_visible(raw.se), _nanmean(mine), _nanmean(rest),
    )  # fmt: skip


def _template_differences(
    rows: Sequence[Row], target: str, score: Score, control: Score | None = None
) -> tuple[list[float], list[tuple[float, float]]]:
    """Per template: minus (refusals with the slot − refusals with the neutral slot), so that negative means the target fares worse."""
    cells: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if row.question.slot in (target, NEUTRAL):
            rate = (score if row.question.slot == target or control is None else control)(row.grade.outcome)
            cells[row.probe.id][f"{row.question.language}/{row.question.paraphrase}"][row.question.slot] = rate
    differences, single = [], []
    for asked in cells.values():
        pairs = [
            (p[target], p[NEUTRAL]) for p in asked.values() if len(p) == 2 and not any(map(math.isnan, p.values()))
        ]
        if pairs:
            differences.append(-sum(a - b for a, b in pairs) / len(pairs))
            single += pairs
    return differences, single


def _paired(differences: Sequence[float], pairs: Sequence[tuple[float, float]]) -> Estimate:
    """The mean difference over units: by sign flips and t where units hold several pairs or fractions, by counts where each holds one yes/no pair."""
    if len(differences) == len(pairs) and all(x in (0.0, 1.0) for pair in pairs for x in pair):
        worse = sum(a > b for a, b in pairs)
        better = sum(a < b for a, b in pairs)
        return paired_proportions(better, worse, len(pairs))
    made = paired(differences)
    if not any(differences) and differences:  # never a difference: as uncertain as that many yes/no pairs without one
        return paired_proportions(0, 0, len(differences))
    return replace(made, p=sign_flip(differences)) if math.isfinite(made.p) else made


def cross_lingual_axis(graded: Graded, target: str, one: str, other: str, *, margin: float = MARGIN) -> Axis:
    """The same items in two languages: accuracy in `one` minus accuracy in `other`, over one culture's entities ("" for all)."""
    rows = [r for r in graded.of("knowledge") if not target or r.probe.culture == target]
    means = [entity_means([r for r in rows if r.question.language == tag], is_correct) for tag in (one, other)]
    shared = [e for e in means[0] if e in means[1]]
    differences = [means[0][e] - means[1][e] for e in shared]
    raw = paired(differences)
    if math.isfinite(raw.p):
        raw = replace(raw, p=sign_flip(differences))
    used = [r for r in rows if r.question.language in (one, other)]
    return Axis(
        "cross-lingual", target, f"{one}-{other}", "", raw, NOTHING, NOTHING, judge(raw, margin=margin), math.nan, False, len(used),
        _share(used, "missing"), _share(used, "undecided"), (math.nan, math.nan), smallest_visible(raw.se),
        _mean([means[0][e] for e in shared]), _mean([means[1][e] for e in shared]),
    )  # fmt: skip


def fidelity_axis(graded: Graded, one: str, other: str, *, margin: float = MARGIN) -> Axis:
    """The share of prompts answered in the language they were asked in: `one` minus `other`, over the same prompts."""
    right: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows = [r for r in graded.of("fidelity") if r.question.language in (one, other)]
    for row in rows:
        if row.grade.outcome not in ("missing", "undecided"):
            right[row.probe.id][row.question.language].append(float(row.grade.outcome == "correct"))
    pairs = [(_mean(p[one]), _mean(p[other])) for p in right.values() if one in p and other in p]
    differences = [a - b for a, b in pairs]
    raw = _paired(differences, [(b, a) for a, b in pairs])
    return Axis(
        "fidelity", "", f"{one}-{other}", "", raw, NOTHING, NOTHING, judge(raw, margin=margin), math.nan, False, len(rows), _share(rows, "missing"),
        _share(rows, "undecided"), (math.nan, math.nan), smallest_visible(raw.se), _mean([a for a, _ in pairs]), _mean([b for _, b in pairs]),
    )  # fmt: skip


def list_axis(graded: Graded, target: str, *, language: str = "", margin: float = MARGIN) -> Axis:
    """The share of one culture among the names recognised in open lists, minus the average share of the others; the prompt is the unit.

    Only names of the pack's entities can be recognised, so a culture without any takes no part, and one with few is not judged.
    """
    sizes = Counter(e.culture for e in graded.pack.entities.values())
    cultures = [c for c in graded.pack.cultures if sizes[c]]
    rows = [r for r in graded.of("list") if not language or r.question.language == language]
    shares: dict[str, list[list[float]]] = defaultdict(list)
    for row in rows:
        found = [graded.pack.entities[e].culture for e in row.grade.found if e in graded.pack.entities]
        if found:
            shares[row.probe.id].append([found.count(c) / len(found) for c in cultures])
    means = {prompt: np.mean(values, axis=0) for prompt, values in shares.items()}
    if target not in cultures or len(cultures) < 2:
        cultures, means = [target, ""], {}
    at = cultures.index(target)
    differences = [float(m[at] - (m.sum() - m[at]) / (len(cultures) - 1)) for m in means.values()]
    raw = paired(differences)
    smallest = min(len(differences), *(sizes[c] for c in cultures))
    return Axis(
        "lists", target, language, "", raw, NOTHING, NOTHING, judge(raw, margin=margin, smallest_group=smallest), math.nan, not language, len(rows), _share(rows, "missing"),
        _share(rows, "undecided"), (math.nan, math.nan), smallest_visible(raw.se), _mean([float(m[at]) for m in means.values()]),
        _mean([float((m.sum() - m[at]) / (len(cultures) - 1)) for m in means.values()]),
    )  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _nanmean(values: Sequence[float]) -> float:
    return _mean([v for v in values if not math.isnan(v)])


# -- the whole ----------------------------------------------------------------------------------------------------------
def analyse(graded: Graded, panel: Sequence[Graded] = (), *, margin: float = MARGIN) -> Analysis:
    """Return every axis that the run has data for.

    Raises:
        UsageError: a run of the panel is of another pack.
    """
    for other in panel:
        if other.pack.sha256 != graded.pack.sha256:
            raise UsageError(
                f"expected a panel on the pack {graded.pack.name} {graded.pack.version}, found another pack in {other.name}"
            )
    made = [a for a in _all_axes(graded, panel, margin) if a.num_replies]
    family = [i for i, a in enumerate(made) if a.preregistered]
    rest = [i for i, a in enumerate(made) if not a.preregistered]
    for indexes, adjust in ((family, holm), (rest, benjamini_hochberg)):
        for i, p in zip(indexes, adjust([made[i].judgement.p_differs for i in indexes]), strict=True):
            made[i] = replace(made[i], p_adjusted=float(p))
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in graded.rows:
        counts[row.probe.kind][row.grade.outcome] += 1
    return Analysis(
        graded.name, f"{graded.pack.name} {graded.pack.version}", graded.pack.sha256, margin, tuple(made),
        {kind: dict(c) for kind, c in counts.items()}, tuple(p.name for p in panel), graded.unasked,
    )  # fmt: skip


def _all_axes(graded: Graded, panel: Sequence[Graded], margin: float) -> Iterable[Axis]:
    from samovar.audit.dropped import dropped_axis, shown_entities
    from samovar.audit.opinions import norms_axes
    from samovar.audit.variety import variety_axes

    pack, shown = graded.pack, shown_entities(graded)
    scores: tuple[tuple[str, Score], ...] = (
        ("knowledge", is_correct), ("attempts", is_attempted), ("accuracy given attempt", is_correct_given_attempt),
    )  # fmt: skip
    for culture in pack.cultures:
        for name, score in scores:
            yield knowledge_axis(graded, panel, culture, score, name, margin=margin)
        for language in pack.languages:
            yield knowledge_axis(graded, panel, culture, is_correct, "knowledge", language=language, margin=margin)
        for domain in pack.domains:
            yield knowledge_axis(graded, panel, culture, is_correct, "knowledge", domain=domain, margin=margin)
        yield refusal_axis(graded, culture, margin=margin)
        yield list_axis(graded, culture, margin=margin)
        yield dropped_axis(graded, shown, culture, margin=margin)
        for one, other in _language_pairs(pack.languages):
            yield cross_lingual_axis(graded, culture, one, other, margin=margin)
    for one, other in _language_pairs(pack.languages):
        yield fidelity_axis(graded, one, other, margin=margin)
    yield from variety_axes(graded, margin=margin)
    yield from norms_axes(graded, margin=margin)


def _language_pairs(languages: Sequence[str]) -> list[tuple[str, str]]:
    return [(a, b) for i, a in enumerate(languages) for b in languages[i + 1 :]]
