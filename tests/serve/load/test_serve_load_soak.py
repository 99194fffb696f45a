"""Short versions of ``benchmarks/soak.py``: real processes under load, killed, with a backend that dies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from soak import run_backend, run_crash, run_load, slope_mb_per_minute

from samovar.generate.scripted import echo_of

pytestmark = pytest.mark.slow


def test_no_answer_is_lost_or_crossed(tmp_path: Path) -> None:
    tally = run_load(tmp_path / "home", streams=24, seconds=6, words=12, delay=0.05, log=tmp_path / "log")
    assert not tally.wrong and not tally.failed, (tally.wrong[:3], tally.failed, (tmp_path / "log").read_text()[-2000:])
    assert tally.answers >= 24
    assert tally.memory[-1][1] < tally.memory[0][1] + 150e6


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    promises, missing, _ = run_crash(tmp_path / "home", clients=12, seconds=4, log=tmp_path / "log")
    assert promises.questions, (tmp_path / "log").read_text()[-2000:]
    assert not missing


def test_a_backend_that_dies_is_told_and_may_come_back(tmp_path: Path) -> None:
    said = run_backend(tmp_path / "home", log=tmp_path / "log")
    assert said["there"] == echo_of("a1", 20)
    assert said["dying"].startswith("in the middle: ")
    assert said["gone"].startswith("502: ") and "running?" in said["gone"]
    assert said["back"] == echo_of("a4", 20)
    assert said["same process"] == "True"


def test_a_slope_is_measured() -> None:
    assert slope_mb_per_minute([(float(t), 10**8) for t in range(100)]) == 0
    assert slope_mb_per_minute([(float(t), 10**8 + t * 10**6) for t in range(100)]) == pytest.approx(60)
    assert slope_mb_per_minute([]) == 0
