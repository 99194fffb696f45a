"""The benchmark's own parts: the measure, and conditions that are the same in every run."""

from __future__ import annotations

import importlib
import math
import random
from pathlib import Path
from types import ModuleType

import pytest

from samovar.language import profile_for
from samovar.search.spelling import edit_distance

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def retrieval(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("retrieval")


def test_ndcg(retrieval: ModuleType) -> None:
    assert retrieval.ndcg([["a", "b"]], ["a"]) == 1.0
    assert retrieval.ndcg([["a", "b"], ["x"]], ["b", "y"]) == pytest.approx((1 / math.log2(3)) / 2)
    assert retrieval.ndcg([[str(n) for n in range(20)]], ["10"]) == 0.0


@pytest.mark.parametrize(
    ("language", "question"), [("ru", "Кто написал роман «Мёртвые души»?"), ("en", "Who wrote the novel Dead Souls?")]
)
def test_typo_is_one_edit_in_one_word_and_repeatable(retrieval: ModuleType, language: str, question: str) -> None:
    profile = profile_for(language)
    for seed in range(50):
        changed = retrieval.plant_typo(question, profile, random.Random(seed))
        assert changed == retrieval.plant_typo(question, profile, random.Random(seed))
        assert edit_distance(question, changed, 3) <= 1


def test_lookalikes_fold_back(retrieval: ModuleType) -> None:
    profile = profile_for("ru")
    changed = retrieval.plant_lookalikes("Москва когда-то", profile, random.Random(1))
    assert changed != "Москва когда-то"
    assert [profile.fold(w) for w in changed.split()] == ["москва", "когда-то"]


def test_absent_data_is_skipped_aloud(
    retrieval: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SAMOVAR_BENCH_DATA", raising=False)
    assert retrieval.data_folder() is None
    assert "SKIPPED" in capsys.readouterr().err
