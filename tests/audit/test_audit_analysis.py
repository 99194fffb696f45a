"""From grades to verdicts: planted gaps are found with their sign and size, nothing is found where there is nothing, bad input is told so."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from audit_toys import CULTURES, load_toy, run_of, system

from samovar.audit.analysis import Graded, analyse, entity_means, is_attempted, is_correct, is_correct_given_attempt
from samovar.audit.outcome import Grade, Outcome
from samovar.audit.pack import Pack
from samovar.errors import UsageError


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return load_toy(tmp_path_factory.mktemp("pack"), entities=120)


@pytest.fixture(scope="module")
def panel(pack: Pack) -> list[Graded]:
    return [run_of(pack, system(skill=s), f"panel{i}", seed=i) for i, s in enumerate((0.6, 0.65, 0.75))]


def test_a_planted_gap_is_found_with_its_size(pack: Pack, panel: list[Graded]) -> None:
    made = analyse(run_of(pack, system(forget={"bb": 0.5})), panel)
    axis = made.axis("knowledge", "bb")
    fair = analyse(run_of(pack, system()), panel).axis("knowledge", "bb")
    assert axis.raw.value - fair.raw.value == pytest.approx(-0.7 * 0.95 * 0.5, abs=0.06)
    assert axis.judgement.verdict == "selective against"
    assert axis.p_adjusted < 0.01
    assert axis.preregistered
    assert axis.panel.value == pytest.approx(axis.raw.value, abs=0.08)
    assert axis.panel.se < axis.raw.se, "the panel takes the entities' difficulty away"
    assert made.axis("knowledge", "aa").judgement.verdict != "selective against"
    assert made.panel == ("panel0", "panel1", "panel2")


def test_nothing_is_found_where_there_is_nothing(pack: Pack, panel: list[Graded]) -> None:
    made = analyse(run_of(pack, system(), seed=5), panel)
    assert not [a for a in made.axes if a.preregistered and a.p_adjusted <= 0.05]
    assert all(a.judgement.verdict in ("equivalent", "inconclusive") for a in made.axes if a.preregistered)
    assert all(a.raw.value == pytest.approx(0, abs=0.12) for a in made.axes if a.preregistered)


def test_what_is_hard_for_everybody_is_not_held_against_the_system(pack: Pack) -> None:
    hard = system(forget={"bb": 0.5})
    others = [run_of(pack, hard, f"p{i}", seed=i) for i in range(3)]
    axis = analyse(run_of(pack, hard, seed=9), others).axis("knowledge", "bb")
    assert axis.raw.high < -0.1, "the raw gap is there"
    assert axis.judgement.verdict in ("equivalent", "inconclusive")
    assert not axis.judgement.differs


def test_refusals_are_compared_with_the_neutral_slot_of_the_same_template(pack: Pack) -> None:
    made = analyse(run_of(pack, system(refuse={"cc": 0.4})))
    axis = made.axis("refusal", "cc")
    assert axis.raw.value == pytest.approx(-0.4, abs=0.12), "negative: the target fares worse"
    assert axis.judgement.verdict == "selective against"
    assert axis.raw.n == 60, "templates, not responses"
    assert not made.axis("refusal", "aa").judgement.differs
    assert made.axis("knowledge", "cc").judgement.verdict != "selective against", "no cross-talk"


def test_refusing_everything_is_not_selective(pack: Pack) -> None:
    everything = dict.fromkeys((*CULTURES, "zz"), 1.0)
    axis = analyse(run_of(pack, system(refuse=everything))).axis("refusal", "cc")
    assert axis.raw.value == 0
    assert axis.judgement.verdict != "selective against"
    assert axis.target_mean == axis.others_mean == 1.0


def test_lists_that_leave_a_culture_out(pack: Pack) -> None:
    made = analyse(run_of(pack, system(lists={"aa": 0.2})))
    axis = made.axis("lists", "aa")
    assert axis.judgement.verdict == "selective against"
    assert axis.target_mean == pytest.approx(0.2 / 2.2, abs=0.04)
    assert made.axis("lists", "bb").raw.value > 0


def test_the_languages_are_compared_on_the_same_items(pack: Pack) -> None:
    fair = system()

    def russian_worse(probe, question, rng):  # type: ignore[no-untyped-def]
        outcome = fair(probe, question, rng)
        return "wrong" if question.language == "ru" and probe.kind in ("knowledge", "fidelity") and rng.random() < 0.3 else outcome  # fmt: skip

    made = analyse(run_of(pack, russian_worse))
    axis = made.axis("cross-lingual", "aa", "ru-en")
    assert axis.raw.value == pytest.approx(-0.2, abs=0.06)
    assert axis.judgement.differs
    assert made.axis("fidelity", "", "ru-en").raw.value == pytest.approx(-0.3, abs=0.15)
    assert made.axis("knowledge", "aa").judgement.verdict != "selective against", "alike for all cultures"


def test_missing_is_left_out_and_counted_undecided_is_bounded(pack: Pack) -> None:
    fair = system()

    def patchy(probe, question, rng):  # type: ignore[no-untyped-def]
        if probe.kind == "knowledge" and probe.culture == "aa":
            if rng.random() < 0.3:
                return "missing"
            if rng.random() < 0.2:
                return "undecided"
        return fair(probe, question, rng)

    axis = analyse(run_of(pack, patchy)).axis("knowledge", "aa")
    assert axis.raw.value == pytest.approx(0, abs=0.1), "failures of the endpoint are no wrong answers"
    assert axis.missing == pytest.approx(0.1, abs=0.02)
    assert axis.undecided > 0.03
    low, high = axis.bounds
    assert low < axis.raw.value < high
    assert high - low == pytest.approx(0.2, abs=0.06)


def test_a_culture_with_three_entities_is_inconclusive(tmp_path: Path) -> None:
    small = load_toy(tmp_path, entities=3)
    axis = analyse(run_of(small, system(forget={"aa": 1.0}))).axis("knowledge", "aa")
    assert (axis.judgement.verdict, axis.judgement.reason) == ("inconclusive", "too few")


def test_logs_of_different_packs_are_refused(pack: Pack, tmp_path: Path) -> None:
    other = load_toy(tmp_path, entities=4)
    run = run_of(other, system())
    with pytest.raises(UsageError, match="same questions"):
        Graded.join("old", pack, [], pack_sha256=other.sha256)
    with pytest.raises(UsageError, match="belongs to another pack"):
        Graded.join("old", other, [Grade("aa.e99.year/ru/0", "correct", "x")])
    with pytest.raises(UsageError, match="expected a panel"):
        analyse(run_of(pack, system()), [run])


def test_scores() -> None:
    outcomes: tuple[Outcome, ...] = ("correct", "wrong", "dont_know", "refused", "undecided", "missing")
    assert [is_correct(o) for o in outcomes] == pytest.approx([1, 0, 0, 0, math.nan, math.nan], nan_ok=True)
    assert [is_attempted(o) for o in outcomes] == pytest.approx([1, 1, 0, 0, 1, math.nan], nan_ok=True)
    assert [is_correct_given_attempt(o) for o in outcomes] == pytest.approx([1, 0, *[math.nan] * 4], nan_ok=True)


def test_repeats_add_no_weight(pack: Pack) -> None:
    """One facet asked four times right, the other once wrong: the entity knows half."""
    run = run_of(pack, lambda probe, question, rng: "correct" if probe.facet == "year" else "wrong")
    rows = [r for r in run.of("knowledge") if r.probe.entity == "aa.e0"]
    uneven = [r for r in rows if r.probe.facet == "year" or (r.question.language, r.question.paraphrase) == ("ru", 0)]
    assert len(uneven) == 5
    assert entity_means(uneven, is_correct) == {"aa.e0": 0.5}


def test_the_mirror(pack: Pack) -> None:
    """What is selective against one is selective for it when the others are the ones who lose."""
    made = analyse(run_of(pack, system(forget={"aa": 0.4, "bb": 0.4})))
    assert made.axis("knowledge", "cc").judgement.verdict == "selective for"
