"""Questions that work differently: levels by hand, quiet where nothing differs, planted ones found, what all share taken out."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from audit_toys import load_toy, run_of

from samovar.audit.analysis import Graded
from samovar.audit.items import PANEL, flag_items, judge_items, level_of
from samovar.audit.outcome import Outcome, Question
from samovar.audit.pack import Pack
from samovar.audit.probe import Probe


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return load_toy(tmp_path_factory.mktemp("pack"), entities=40)


def run(
    pack: Pack,
    seed: int,
    *,
    skill: float = 0.6,
    russian: float = 0.0,
    broken: tuple[str, ...] = (),
    missed: tuple[str, ...] = (),
) -> Graded:
    """A system; `russian`: how much weaker it is in Russian throughout; `broken` questions fail in Russian, `missed` ones in both."""

    def decide(probe: Probe, question: Question, rng: random.Random) -> Outcome:
        hard = random.Random(probe.id).uniform(-0.3, 0.3)
        chance = skill + hard - russian * (question.language == "ru")
        lost = probe.id in missed or (question.language == "ru" and probe.id in broken)
        return "correct" if not lost and rng.random() < chance else "wrong"

    return run_of(pack, decide, f"s{seed}", seed)


@pytest.mark.parametrize(
    ("delta", "error", "p", "level"),
    [
        (-0.9, 0.1, 0.0, "A"),
        (2.0, 0.2, 0.06, "A"),
        (1.2, 0.1, 0.01, "B"),
        (-1.6, 0.4, 0.01, "B"),
        (-1.8, 0.3, 0.01, "C"),
        (3.0, 0.5, 0.001, "C"),
    ],
)
def test_levels(delta: float, error: float, p: float, level: str) -> None:
    assert level_of(delta, error, p) == level


def test_a_question_by_hand() -> None:
    """One stratum: 8 of 10 against 3 of 10, all others alike; with half a reply a cell the odds ratio is 8.5·7.5/(2.5·3.5)."""
    plain = {(f"q{i}", "aa"): np.array([[[5.0, 5.0], [5.0, 5.0]]]) for i in range(400)}
    made = judge_items(plain | {("x", "aa"): np.array([[[8.0, 2.0], [3.0, 7.0]]])})
    assert made[-1].delta == pytest.approx(-2.35 * math.log(8.5 * 7.5 / (2.5 * 3.5)), abs=0.02)
    assert made[-1].error == pytest.approx(2.35 * math.sqrt(1 / 8.5 + 1 / 7.5 + 1 / 2.5 + 1 / 3.5))
    assert (made[-1].reference, made[-1].focal, made[-1].num) == (0.8, 0.3, 20)
    assert all(abs(i.delta) < 0.05 for i in made[:-1])


def test_fair_systems_are_hardly_ever_flagged(pack: Pack) -> None:
    """Also where every system is twenty points weaker in Russian: that is no property of a question."""
    for gap in (0.0, 0.2):
        runs = [run(pack, i, russian=gap, skill=0.5 + 0.05 * i) for i in range(5)]
        for made in flag_items(runs[0], runs[1:]):
            assert sum(made.counts.values()) == 240
            assert made.counts["B"] + made.counts["C"] <= 2


def test_questions_broken_in_one_language_are_found(pack: Pack) -> None:
    broken = tuple(f"aa.e{i}.year" for i in range(12))
    runs = [run(pack, i, skill=0.85, broken=broken) for i in range(8)]
    made = {c.name: c for c in flag_items(runs[0], runs[1:])}
    flagged = [i.probe for i in made["ru-en"].flagged]
    assert len(set(flagged) & set(broken)) >= 9 and len(set(flagged) - set(broken)) <= 1
    assert all(i.delta < 0 and i.focal < i.reference for i in made["ru-en"].flagged if i.probe in broken)
    assert made["ru-en"].flagged[0].level == "C"
    assert not {i.probe for i in made[PANEL].flagged} & set(broken)


def test_questions_that_only_this_system_misses_are_found(pack: Pack) -> None:
    missed = tuple(f"bb.e{i}.place" for i in range(20))
    runs = [run(pack, i, skill=0.95, missed=missed if i == 0 else ()) for i in range(7)]
    made = {c.name: c for c in flag_items(runs[0], runs[1:])}
    flagged = {i.probe for i in made[PANEL].flagged}
    assert len(flagged & set(missed)) >= 10 and len(flagged - set(missed)) <= 2


def test_one_system_alone_is_not_compared(pack: Pack) -> None:
    assert flag_items(run(pack, 1), []) == ()
