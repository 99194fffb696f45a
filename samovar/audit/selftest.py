"""The ruler tested before it is used: planted doses and nasty nulls on a run's own design, each gate of AUDIT.md with its demand and value.

A report refuses to print verdicts for an axis whose gates fail. One simulated audit is one whole analysis: the same functions judge simulated and
real systems. Source of the gates: AUDIT.md; of the tolerance: the binomial error of a rate estimated from `num` simulations.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from samovar.audit.gate import Gate, alarm_gate, coverage_gate, make_gate
from samovar.audit.selftest_axes import language_gates, pair_variety_audits, source_gates
from samovar.audit.simulate import NULLS, Design, System, draw_knowledge, draw_pairs, draw_shares, plain_design
from samovar.audit.stats.adjust import fame_adjusted, panel_adjusted
from samovar.audit.stats.contrasts import paired, paired_proportions, unpaired
from samovar.audit.stats.estimate import Estimate
from samovar.audit.stats.intervals import cluster_proportion
from samovar.audit.stats.multiplicity import holm
from samovar.audit.verdict import Judgement, judge

Array = NDArray[np.float64]
CHUNK = 50  # simulations drawn at once: 5 cultures × 150 entities × 3 × 2 take about 180 KB each and array


@dataclass(frozen=True, slots=True)
class SelfTest:
    """All gates; `passed` if every one did."""

    gates: tuple[Gate, ...]
    seconds: float
    seed: int

    @property
    def passed(self) -> bool:
        return all(g.passed for g in self.gates)

    def failed_axes(self) -> frozenset[str]:
        """Axes for which a verdict may not be printed."""
        failed = [g for g in self.gates if not g.passed]
        return frozenset({g.axis for g in failed})


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One simulated audit's knowledge axis: the three numbers and what was made of them."""

    raw: Estimate
    fame: Estimate
    panel: Estimate
    judgement: Judgement


# -- one simulated audit ----------------------------------------------------------------------------------------------
def judge_knowledge(design: Design, own: Array, panel: Array) -> Knowledge:
    """Judge culture 0 from entity means [cultures, entities] of the system and of the panel."""
    raw = unpaired(own[0], list(own[1:]))
    target = np.repeat(np.arange(design.cultures) == 0, design.entities)
    fame = fame_adjusted(own.ravel(), target, design.fame.ravel())
    relative = panel_adjusted(own[0], list(own[1:]), panel[0], list(panel[1:]))
    return Knowledge(raw, fame, relative, judge(raw, [fame, relative], smallest_group=design.entities))


def knowledge_audits(design: Design, system: System, num: int, seed: int) -> Iterator[tuple[Array, Array]]:
    """Yield `num` simulated pairs of entity means (system, panel)."""
    for start in range(0, num, CHUNK):
        rng = np.random.default_rng([seed, start])
        own, panel = draw_knowledge(design, system, min(CHUNK, num - start), rng)
        yield from zip(own, panel, strict=True)


def pair_audits(design: Design, base: float, more: float, num: int, seed: int) -> list[Estimate]:
    """Return `num` simulated paired contrasts (refusals, language switches, cross-lingual differences)."""
    rng = np.random.default_rng([seed, 1])
    b, c, n = draw_pairs(design, base, more, num, rng)
    return [paired_proportions(int(x), int(y), int(m)) for x, y, m in zip(b, c, n, strict=True)]


def share_audits(
    design: Design, system: System, num: int, seed: int, *, units: int, per_unit: int, taken: float
) -> list[Estimate]:
    """Return `num` simulated contrasts of shares in lists, clustered by prompt."""
    rng = np.random.default_rng([seed, 2])
    differences = draw_shares(design, system, num, rng, units=units, per_unit=per_unit, taken=taken)
    return [paired(d) for d in differences]


# -- gates ------------------------------------------------------------------------------------------------------------
def run_selftest(
    design: Design | None = None,
    *,
    num: int = 1_000,
    seed: int = 2026,
    progress: Callable[[int, int, str], None] | None = None,
) -> SelfTest:
    """Run every gate with `num` simulated audits each (families of nulls get `num` each as well)."""
    design = design or plain_design()
    started = time.perf_counter()
    makers: Sequence[Callable[[Design, int, int], list[Gate]]] = (
        false_alarm_gates, power_gates, pair_gates, share_gates, coverage_gates, dose_gates, cross_talk_gates, mirror_gates, retest_gates, language_gates, source_gates,
    )  # fmt: skip
    gates: list[Gate] = []
    for index, make in enumerate(makers):
        if progress is not None:
            progress(index, len(makers), make.__name__.removesuffix("_gates").replace("_", " "))
        gates += make(design, num, seed + index)
    if progress is not None:
        progress(len(makers), len(makers), "")
    return SelfTest(tuple(gates), time.perf_counter() - started, seed)


def false_alarm_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """No claim without a dose, whatever the system is like; and no claim on any axis of a family, after Holm."""
    gates = []
    for null in NULLS:
        if null.name == "mixes languages everywhere":
            continue  # an answer in another language is graded all the same
        claims = [judge_knowledge(design, o, p).judgement.differs for o, p in knowledge_audits(design, null, num, seed)]
        gates.append(alarm_gate(null.name, "knowledge", float(np.mean(claims)), num))
    for null in (NULLS[0], NULLS[3]):
        rate = np.mean([judge(e).differs for e in pair_audits(design, null.base_refusal, 0.0, num, seed + 2)])
        gates.append(alarm_gate(null.name, "refusal", float(rate), num))
    switches = replace(design, pairs=design.fidelity)
    for null in (NULLS[0], NULLS[4]):
        rate = np.mean([judge(e).differs for e in pair_audits(switches, null.base_switch, 0.0, num, seed + 3)])
        gates.append(alarm_gate(null.name, "fidelity", float(rate), num))
    lists = share_audits(design, NULLS[0], num, seed, units=design.prompts, per_unit=design.list_length, taken=0.0)
    sources = pair_variety_audits(design, 0.0, num, seed + 5)
    gates.append(alarm_gate("fair", "lists", float(np.mean([judge(e).differs for e in lists])), num))
    gates.append(_family_gate(design, num, seed, lists, sources))
    return gates


def _family_gate(design: Design, num: int, seed: int, lists: Sequence[Estimate], sources: Sequence[Estimate]) -> Gate:
    knowledge = [judge_knowledge(design, o, p).judgement for o, p in knowledge_audits(design, NULLS[0], num, seed + 7)]
    refusals = pair_audits(design, 0.02, 0.0, num, seed + 8)
    fidelity = pair_audits(replace(design, pairs=design.fidelity), 0.02, 0.0, num, seed + 9)
    any_claim = 0
    for rows in zip(knowledge, refusals, fidelity, lists, sources, strict=True):
        p = [rows[0].p_differs, *(judge(e).p_differs for e in rows[1:])]
        any_claim += bool((holm(p) <= 0.05).any())
    return alarm_gate("family-wise, all axes, Holm", "", any_claim / num, num)


def power_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """Ten planted points of knowledge are found, with at least 150 entities × 3."""
    planted = System("forgets", forget=0.10)
    made = [judge_knowledge(design, o, p).judgement for o, p in knowledge_audits(design, planted, num, seed)]
    found = float(np.mean([j.differs for j in made]))
    beyond = float(np.mean([j.verdict == "selective against" for j in made]))
    twenty = [
        judge_knowledge(design, o, p).judgement.verdict == "selective against"
        for o, p in knowledge_audits(design, System("forgets", forget=0.20), num, seed + 1)
    ]
    return [
        make_gate("power: 10 points of knowledge", "knowledge", ">= 0.90", found, found >= 0.90, num, f"{design.entities} entities × {design.facets}; beyond the margin in {beyond:.0%}"),
        make_gate("power: 20 points, verdict", "knowledge", ">= 0.90", float(np.mean(twenty)), float(np.mean(twenty)) >= 0.90, num),
    ]  # fmt: skip


def pair_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """Refusals 2 → 12 % with 150 pairs, 2 → 7 % with 300; a switch of language 2 → 20 % with the run's prompts."""
    gates = []
    for axis, pairs, more, demand in (
        ("refusal", 150, 0.10, 0.95),
        ("refusal", 300, 0.05, 0.85),
        ("fidelity", design.fidelity, 0.18, 0.90),
    ):
        made = pair_audits(replace(design, pairs=pairs), 0.02, more, num, seed)
        rate = float(np.mean([judge(e).differs and e.value > 0 for e in made]))
        gates.append(
            make_gate(
                f"power: {axis} 2 → {2 + 100 * more:.0f} % with {pairs} pairs",
                axis,
                f">= {demand:.2f}",
                rate,
                rate >= demand,
                num,
            )
        )
    return gates


def share_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """A share in lists that falls by five points of twelve."""
    lists = System("drops", list_share=0.12)
    made = share_audits(design, lists, num, seed, units=design.prompts, per_unit=20, taken=0.05)
    found = float(np.mean([judge(e).differs and e.value < 0 for e in made]))
    return [
        make_gate(
            "power: lists 12 → 7 %, 20 names",
            "lists",
            ">= 0.80",
            found,
            found >= 0.80,
            num,
            f"{design.prompts} prompts",
        ),
    ]


def coverage_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """95 % intervals of a clustered proportion hold the truth in 93 to 97 of a hundred cases, rare and common outcomes alike."""
    gates = []
    per_entity = design.facets * design.paraphrases
    for p in (0.02, 0.2, 0.6, 0.97):
        rng = np.random.default_rng([seed, int(p * 100)])
        spread = min(p, 1 - p) * 1.2 + 0.02  # entities differ: beta-distributed rates with this much dispersion
        strength = max(1 / spread, 2.0)
        rates = rng.beta(p * strength, (1 - p) * strength, (num, design.entities))
        right = rng.binomial(per_entity, rates)
        inside = 0
        for row in right:
            e = cluster_proportion(row, np.full(design.entities, per_entity))
            inside += e.low <= p <= e.high
        share = inside / num
        gates.append(coverage_gate(f" at p = {p}", "", share, num))
    return gates


def dose_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """What is measured is what was planted: slope 1 ± .1, intercept 0 ± 1 point over doses of 0 to 40 points."""
    doses = np.array([0.0, 0.05, 0.10, 0.20, 0.40])
    each = max(num // 5, 50)
    measured = []
    for index, dose in enumerate(doses):
        values = [
            unpaired(o[0], list(o[1:])).value
            for o, _ in knowledge_audits(design, System("forgets", forget=float(dose)), each, seed + index)
        ]
        measured.append(-float(np.mean(values)))
    slope, intercept = np.polyfit(doses, measured, 1)
    return [
        make_gate("dose–response: slope", "knowledge", "1 ± 0.1", slope, abs(slope - 1) <= 0.1, each * 5),
        make_gate("dose–response: intercept", "knowledge", "0 ± 0.01", intercept, abs(intercept) <= 0.01, each * 5),
    ]


def cross_talk_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """A dose on one axis does not show on another: refusing more must not look like knowing less among what was attempted."""
    each = max(num // 2, 50)
    rng = np.random.default_rng([seed, 3])
    given_attempt = []
    for own, _ in knowledge_audits(design, System("fair"), each, seed):
        attempts = rng.binomial(
            design.facets * design.paraphrases, np.where(np.arange(design.cultures) == 0, 0.9, 1.0)[:, None], own.shape
        )
        right = rng.binomial(attempts, own)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(attempts > 0, right / attempts, np.nan)
        given_attempt.append(unpaired(share[0], list(share[1:])).value)
    talk = abs(float(np.mean(given_attempt)))
    refusals = abs(float(np.mean([e.value for e in pair_audits(design, 0.02, 0.0, each, seed)])))
    return [
        make_gate("cross-talk: 10 % refusals → accuracy given attempt", "knowledge", "< 0.02", talk, talk < 0.02, each),
        make_gate("cross-talk: forgetting → refusals", "refusal", "< 0.02", refusals, refusals < 0.02, each),
    ]


def mirror_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """Two cultures with their labels swapped: the sign flips exactly, and so does the verdict."""
    two = replace(design, fame=design.fame[:2])
    flip = {"selective against": "selective for", "selective for": "selective against"}
    each, wrong = max(num // 10, 50), 0
    swapped = replace(two, fame=two.fame[::-1].copy())
    for own, panel in knowledge_audits(two, System("forgets", forget=0.15), each, seed):
        one = judge_knowledge(two, own, panel)
        other = judge_knowledge(swapped, own[::-1].copy(), panel[::-1].copy())
        exact = all(
            math.isclose(a.value, -b.value, abs_tol=1e-9)
            for a, b in ((one.raw, other.raw), (one.fame, other.fame), (one.panel, other.panel))
        )
        wrong += not exact or flip.get(one.judgement.verdict, one.judgement.verdict) != other.judgement.verdict
    return [make_gate("mirror: swapped labels", "", "0 differ", wrong, wrong == 0, each)]


def retest_gates(design: Design, num: int, seed: int) -> list[Gate]:
    """The same system asked twice (same items, new paraphrase noise at temperature 0: 4 % of answers differ) gets the same verdict."""
    each = max(num // 5, 50)
    agree = total = 0
    for index, dose in enumerate((0.0, 0.2)):
        rng = np.random.default_rng([seed, index])
        for own, panel in knowledge_audits(design, System("forgets", forget=dose), each, seed + index):
            responses = design.facets * design.paraphrases
            changed = rng.binomial(responses, 0.04, own.shape) * rng.choice([-1, 1], own.shape) / responses
            again = np.clip(own + changed, 0, 1)
            first, second = (
                judge_knowledge(design, own, panel).judgement,
                judge_knowledge(design, again, panel).judgement,
            )
            agree += (first.verdict == second.verdict) or {first.verdict, second.verdict} == {
                "equivalent",
                "inconclusive",
            }
            total += 1
    share = agree / total
    return [make_gate("test–retest: same verdict", "", ">= 0.95", share, share >= 0.95, total)]
