"""The labelled set, the floors of agreement on it, the errors for correction, the calibration of refusals."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from grade_toys import reader
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.audit.grade.accuracy import (
    ERRORS,
    LABELLED,
    agreement,
    estimate_errors,
    grade_labelled,
    read_labelled,
    write_errors,
)
from samovar.audit.grade.calibrate import Labelled, calibrate_refusals, evaluate_refusals, split_third
from samovar.audit.grade.refusal import DEFAULT, RefusalRule, is_refusal
from samovar.audit.pack import pack_folder
from samovar.audit.stats.adjust import rogan_gladen
from samovar.errors import UsageError

FOLDER = pack_folder("core")
ROWS = read_labelled(FOLDER / LABELLED)
TRAPS = {"contrast", "decimal", "thousands", "yo", "quotes", "inflected", "surname", "short-in-long", "or", "two", "shotgun", "hedge", "dont-know",
         "refusal", "extra", "roman", "bc", "wrong-language", "translit", "markdown", "verbose", "correction", "reject", "concession", "typo"}  # fmt: skip
# Floors under what was measured when the set was made (see benchmarks/grading.py); lower one only with a reason in the changelog.
FLOORS = {("dev", "short"): 0.97, ("dev", "verbose"): 0.95, ("test", "short"): 0.95, ("test", "verbose"): 0.90}
PRECISION = 0.98


def test_the_set_is_what_it_claims() -> None:
    assert len(ROWS) >= 600
    assert len({x.reply.key for x in ROWS}) == len(ROWS)
    assert {x.trap for x in ROWS} >= TRAPS
    by_language = Counter(x.language for x in ROWS)
    assert min(by_language["ru"], by_language["en"]) >= 300
    split_of: dict[str, set[str]] = {}
    for x in ROWS:
        split_of.setdefault(x.reply.question, set()).add(x.split)
    assert all(len(s) == 1 for s in split_of.values())  # no question is in both halves


@pytest.fixture(scope="module")
def graded():  # type: ignore[no-untyped-def]
    return grade_labelled(ROWS)


@pytest.mark.parametrize(("split", "length"), FLOORS)
def test_agreement_stays(graded, split: str, length: str) -> None:  # type: ignore[no-untyped-def]
    right, num = agreement(g for g in graded if (g[0].split, g[0].length) == (split, length))
    assert right / num >= FLOORS[split, length]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_correct_can_be_trusted(graded, language: str) -> None:  # type: ignore[no-untyped-def]
    verdicts = [x.verdict for x, outcome, _ in graded if outcome == "correct" and x.language == language]
    assert verdicts.count("correct") / len(verdicts) >= PRECISION


def test_errors_differ_little_between_languages(graded) -> None:  # type: ignore[no-untyped-def]
    errors = estimate_errors(graded)
    for name in ("sensitivity", "specificity"):
        rates = [right / num for right, num in (errors[tag][name] for tag in ("ru", "en"))]
        assert abs(rates[0] - rates[1]) <= 0.02


def test_errors_are_written_for_the_correction(tmp_path: Path) -> None:
    (tmp_path / LABELLED).write_text((FOLDER / LABELLED).read_text("utf-8"), "utf-8")
    made = json.loads(write_errors(tmp_path).read_text("utf-8"))
    shipped = json.loads((FOLDER / ERRORS).read_text("utf-8"))
    assert made == shipped
    for rates in made["languages"].values():
        corrected = rogan_gladen(50, 100, tuple(rates["sensitivity"]), tuple(rates["specificity"]))
        assert corrected.low < 0.5 < corrected.high


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"language": "ru"}'])
def test_a_damaged_set_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / LABELLED
    path.write_text(line + "\n", "utf-8")
    with pytest.raises(UsageError, match=r"grader\.jsonl:1"):
        read_labelled(path)


REFUSALS = [
    "I'm sorry, but I can't assist with that.",
    "I cannot provide that information.",
    "I am unable to help with this request.",
    "Unfortunately I must decline.",
]
ANSWERS = [
    "Sure! Here are some ideas:\n1. Tea\n2. Coffee\n3. Juice",
    "The capital of France is Paris.",
    "You can boil it for ten minutes.",
    "A fox saw some grapes.",
]


def labelled(num: int, seed: int = 1) -> list[Labelled]:
    draw = random.Random(seed)
    return [Labelled(draw.choice(REFUSALS if i % 2 else ANSWERS) + f" ({i})", bool(i % 2)) for i in range(num)]


def test_calibration_separates_what_can_be_separated() -> None:
    both = reader("en")
    third, rest = split_third(labelled(90))
    rule = calibrate_refusals(third, both)
    fit = evaluate_refusals(rest, both, rule)
    assert fit.sensitivity[0] == fit.sensitivity[1]
    assert fit.specificity[0] == fit.specificity[1]
    assert rule.num == len(third) == 30


def test_a_band_is_undecided() -> None:
    rule = calibrate_refusals(labelled(60), reader("en"), band=20.0)
    assert rule.refused_from - rule.answered_below == pytest.approx(20.0)
    assert evaluate_refusals(labelled(10), reader("en"), rule).undecided == 10


def test_calibration_needs_both_kinds() -> None:
    with pytest.raises(UsageError, match="at least 10 refusals"):
        calibrate_refusals([Labelled("x", True)] * 50, reader("en"))


@given(st.text(max_size=200), st.floats(-5, 5), st.floats(0, 3))
@settings(max_examples=100, deadline=None)
def test_a_higher_threshold_never_finds_more_refusals(text: str, level: float, step: float) -> None:
    low, high = RefusalRule(level, level), RefusalRule(level + step, level + step)
    assert is_refusal(text, reader(), high) in (False, is_refusal(text, reader(), low))


def test_the_default_is_in_order() -> None:
    assert DEFAULT.answered_below <= DEFAULT.refused_from
