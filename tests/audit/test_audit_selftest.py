"""The ruler passes its own gates, and a broken ruler does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from samovar.audit import selftest, selftest_axes
from samovar.audit.analysis import Axis
from samovar.audit.report.finding import find
from samovar.audit.selftest import SelfTest, judge_knowledge, knowledge_audits, run_selftest
from samovar.audit.simulate import (
    PAIR_CORRELATION,
    Design,
    System,
    draw_knowledge,
    draw_languages,
    draw_pairs,
    draw_variety,
    plain_design,
)
from samovar.audit.stats.contrasts import paired, sign_flip, sign_flip_each
from samovar.audit.stats.estimate import NOTHING, Estimate, from_t
from samovar.audit.verdict import judge

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def design() -> Design:
    return plain_design()


def test_every_gate_passes_on_the_shipped_sizes(design: Design) -> None:
    seen: list[str] = []
    made = run_selftest(design, num=200, progress=lambda done, total, what: seen.append(what))
    failed = [(g.name, g.demand, g.value) for g in made.gates if not g.passed]
    assert not failed
    assert made.passed
    assert made.failed_axes() == frozenset()
    assert {g.axis for g in made.gates} == {"", "knowledge", "refusal", "fidelity", "lists", "sources", "cross-lingual"}
    assert len(seen) == 12


def test_the_same_seed_gives_the_same_gates(design: Design) -> None:
    one, other = (selftest.power_gates(design, 20, 3) for _ in range(2))
    assert one == other


def test_too_few_entities_fail_the_power_gate() -> None:
    small = plain_design(entities=30)
    gate = selftest.power_gates(small, 100, 1)[0]
    assert not gate.passed
    assert gate.value < 0.6


def test_without_a_panel_unexplained_hardness_fails_the_gate(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason why the panel must agree: raw and fame are fooled together."""
    nothing = Estimate(*[math.nan] * 5, 0, math.nan)
    monkeypatch.setattr(selftest, "panel_adjusted", lambda *a: nothing)
    gates = {(g.name, g.axis): g for g in selftest.false_alarm_gates(design, 100, 1)}
    assert not gates["false alarm: harder items", "knowledge"].passed
    assert gates["false alarm: fair", "knowledge"].passed


def test_a_ruler_that_counts_responses_instead_of_entities_fails(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six responses of one entity taken for six pieces of evidence: the interval is 2.4 times too narrow."""
    real = selftest.unpaired
    real_fame, real_panel = selftest.fame_adjusted, selftest.panel_adjusted

    def too_sure(made: Estimate) -> Estimate:
        return from_t(made.value, made.se / math.sqrt(6), made.df, made.n)

    monkeypatch.setattr(selftest, "unpaired", lambda *a: too_sure(real(*a)))
    monkeypatch.setattr(selftest, "fame_adjusted", lambda *a: too_sure(real_fame(*a)))
    monkeypatch.setattr(selftest, "panel_adjusted", lambda *a: too_sure(real_panel(*a)))
    gates = {(g.name, g.axis): g for g in selftest.false_alarm_gates(design, 100, 1)}
    assert not gates["false alarm: fair", "knowledge"].passed


def test_a_dose_is_what_it_says(design: Design) -> None:
    rng = np.random.default_rng(1)
    fair, _ = draw_knowledge(design, System(), 40, rng)
    forgets, _ = draw_knowledge(design, System(forget=0.2), 40, rng)
    assert fair[:, 0].mean() - forgets[:, 0].mean() == pytest.approx(0.2, abs=0.02)
    assert fair[:, 1:].mean() == pytest.approx(forgets[:, 1:].mean(), abs=0.02)
    b, c, n = draw_pairs(design, 0.1, 0.1, 400, rng)
    assert ((b - c) / n).mean() == pytest.approx(0.1, abs=0.01)
    assert (c / n).mean() < 0.1 * 0.9 * (1 - PAIR_CORRELATION) + 0.02


@pytest.mark.parametrize(
    ("raw", "controls", "expected"),
    [
        ((-0.2, 0.02), [(-0.15, 0.02), (-0.12, 0.02)], ("selective against", True)),
        ((-0.2, 0.02), [(-0.15, 0.02), (-0.07, 0.02)], ("inconclusive", True)),
        ((-0.2, 0.02), [(-0.15, 0.02), (0.01, 0.02)], ("inconclusive", False)),
        ((0.2, 0.02), [(0.15, 0.02), (0.12, 0.02)], ("selective for", True)),
        ((0.0, 0.01), [(0.01, 0.01), (0.0, 0.01)], ("equivalent", False)),
        ((0.02, 0.08), [(0.01, 0.08)], ("inconclusive", False)),
    ],
)
def test_all_three_numbers_must_agree(
    raw: tuple[float, float], controls: list[tuple[float, float]], expected: tuple[str, bool]
) -> None:
    made = judge(from_t(*raw, 300, 302), [from_t(*c, 300, 302) for c in controls])
    assert (made.verdict, made.differs) == expected


def test_three_entities_are_no_evidence() -> None:
    assert judge(from_t(-0.9, 0.01, 2, 3)).verdict == "inconclusive"
    assert judge(from_t(-0.9, 0.01, 2, 3)).reason == "too few"
    no_error = judge(from_t(-0.9, 0.0, 100, 102))
    assert (no_error.verdict, no_error.reason) == ("inconclusive", "no variation")


def test_an_audit_is_one_whole_analysis(design: Design) -> None:
    own, panel = next(knowledge_audits(design, System(forget=0.3), 1, 5))
    made = judge_knowledge(design, own, panel)
    assert made.raw.n == design.cultures * design.entities
    assert made.judgement.verdict == "selective against"
    assert made.raw.value == pytest.approx(-0.3, abs=0.08)


# -- one language against another, variety of sources -------------------------------------------------------------------
def test_many_sign_flips_at_once_agree_with_one_by_one() -> None:
    rng = np.random.default_rng(3)
    rows = rng.choice([-1.0, -0.5, 0.0, 0.25, 1.0], (12, 40)) + np.linspace(0, 0.4, 12)[:, None] * (np.arange(40) % 2)
    rows[0] = 0.0
    rows[1, 10:] = 0.0  # few differences: enumerated by both
    made = sign_flip_each(rows, seed=1)
    one_by_one = [sign_flip(row, seed=2) for row in rows]
    assert made[:2].tolist() == one_by_one[:2]
    assert made == pytest.approx(one_by_one, abs=0.025)


def test_a_language_dose_is_what_it_says(design: Design) -> None:
    one, other = draw_languages(design, System(), 0.1, 60, np.random.default_rng(1))
    assert (other - one).mean() == pytest.approx(0.1, abs=0.01)
    alike = draw_languages(design, System(), 0.0, 60, np.random.default_rng(1))
    assert alike[0].mean() == pytest.approx(alike[1].mean(), abs=0.01)
    between = [np.corrcoef(a, b)[0, 1] for a, b in zip(*alike, strict=True)]
    assert 0.2 < np.mean(between) < 0.6, "the same items in two languages are alike"


def test_variety_runs_from_one_source_to_as_many_as_there_is_room_for() -> None:
    rng = np.random.default_rng(1)
    assert draw_variety((50,), 1.0, rng) == pytest.approx(0.1)
    fair = draw_variety((2_000,), 0.0, rng)
    assert fair.min() >= 0.1 and fair.max() <= 1.0
    assert draw_variety((2_000,), 0.4, rng).mean() < fair.mean() - 0.05


@pytest.mark.parametrize("axis", ["cross-lingual", "sources"])
def test_a_ruler_that_is_too_sure_fails_and_gets_no_verdict(
    axis: str, design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Intervals half as wide as they should be: the gate of the axis fails, and the report refuses its verdict, and only its."""
    make = {"cross-lingual": selftest_axes.language_gates, "sources": selftest_axes.source_gates}[axis]
    good = make(design, 300, 1)
    assert all(g.passed for g in good) and {g.axis for g in good} == {axis}
    real, real_flip = selftest_axes.unpaired_cautious, selftest_axes.sign_flip_each
    monkeypatch.setattr(selftest_axes, "unpaired_cautious", lambda *a: narrow(real(*a)))
    monkeypatch.setattr(selftest_axes, "paired", lambda *a: narrow(paired(*a)))
    monkeypatch.setattr(selftest_axes, "sign_flip_each", lambda *a: real_flip(*a) / 4)
    broken = make(design, 300, 1)
    failed = {g.name for g in broken if not g.passed}
    assert any(n.startswith("false alarm") for n in failed) and any(n.startswith("coverage") for n in failed)

    gap = from_t(-0.2, 0.02, 100, 150)
    axes = [Axis(n, "aa", "ru-en" if n == "cross-lingual" else "", "", gap, NOTHING, NOTHING, judge(gap), 0.001, False, 300, 0.0, 0.0, (math.nan, math.nan), 0.05) for n in ("cross-lingual", "sources", "fidelity")]  # fmt: skip
    assert [f.verdict for f in find(axes, SelfTest(tuple(good), 1.0, 1))] == ["against"] * 3
    said = {f.axis.name: (f.verdict, f.claim) for f in find(axes, SelfTest(tuple(broken), 1.0, 1))}
    assert said.pop(axis) == ("withheld", "worse")
    assert set(said.values()) == {("against", "worse")}


def narrow(made: Estimate) -> Estimate:
    return from_t(made.value, made.se / 2, made.df, made.n)


def test_too_few_entities_fail_the_power_of_the_language_axis() -> None:
    gates = {g.name: g for g in selftest_axes.language_gates(plain_design(entities=20), 200, 1)}
    assert not gates["power: 10 points in one language"].passed
