"""A run learns, and goes on after anything: the same curve bit for bit."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from train_toys import LENGTH, make_model, make_plan, make_sources

from samovar.errors import DivergedError, TrainingError
from samovar.train.checkpoint import (
    find_checkpoint,
    kept_device_batch,
    list_checkpoints,
    name_checkpoint,
    step_of,
)
from samovar.train.distributed import Team
from samovar.train.lines import read_lines
from samovar.train.loop import CHECKPOINTS, LOG, MAX_ROLLBACKS, Report, Trainer

ALONE = Team(0, 1, torch.device("cpu"))
HERE = Path(__file__).parent


def curve(folder: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["grad_norm"]) for line in read_lines(folder / LOG)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    list(Trainer(make_plan(), folder, make_sources(), ALONE).run())
    return folder


def test_it_learns(tmp_path: Path) -> None:
    plan = make_plan(num_steps=60, save_every=60, eval_every=30)
    reports = list(Trainer(plan, tmp_path, make_sources(), ALONE).run())
    assert reports[0].loss > 5.5 and reports[-1].loss < 2.0
    assert reports[-1].bits < 3.0 and math.isnan(reports[0].bits)
    assert [r.step for r in reports] == list(range(1, 61))


def test_bits_of_an_untrained_model_are_those_of_guessing(tmp_path: Path) -> None:
    trainer = Trainer(make_plan(), tmp_path, make_sources(), ALONE)
    for weight in trainer.model.parameters():
        torch.nn.init.zeros_(weight) if weight.ndim == 2 else None
    # all tokens equally likely: log2(320) bits a token, and here a token is a byte
    assert trainer.measure() == pytest.approx(math.log2(320), rel=1e-5)


@pytest.mark.parametrize("stop_after", [1, 4, 7, 11])
def test_a_stopped_run_goes_on_bit_for_bit(whole: Path, tmp_path: Path, stop_after: int) -> None:
    for report in Trainer(make_plan(), tmp_path, make_sources(), ALONE).run():
        if report.step == stop_after:
            break
    list(Trainer(make_plan(), tmp_path, make_sources(), ALONE).run())
    assert curve(tmp_path) == curve(whole)
    mine, theirs = find_checkpoint(tmp_path / CHECKPOINTS), find_checkpoint(whole / CHECKPOINTS)
    assert mine is not None and theirs is not None
    assert all(torch.equal(a, theirs.weights()[name]) for name, a in mine.weights().items())
    assert all(torch.equal(a, theirs.optimiser()[name]) for name, a in mine.optimiser().items())


CHILD = """
import sys, time, torch
sys.path.insert(0, sys.argv[2])
torch.set_num_threads(1)
from pathlib import Path
from train_toys import make_plan, make_sources
from samovar.train.distributed import Team
from samovar.train.loop import Trainer
for report in Trainer(make_plan(save_every=2), Path(sys.argv[1]), make_sources(), Team(0, 1, torch.device("cpu"))).run():
    print(report.step, flush=True)
    time.sleep(0.02)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_draws_the_same_curve(whole: Path, tmp_path: Path) -> None:
    for kill_after in (1, 3, 6, 8, 99):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(HERE)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _, _line in zip(range(kill_after), child.stdout, strict=False):
            pass
        time.sleep(0.003 * kill_after)  # into the writing of a checkpoint, now and then
        if kill_after < 99:
            os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert curve(tmp_path) == curve(whole)


def test_a_torn_checkpoint_is_passed_over(whole: Path, tmp_path: Path) -> None:
    list(zip(range(9), Trainer(make_plan(), tmp_path, make_sources(), ALONE).run(), strict=False))
    newest = list_checkpoints(tmp_path / CHECKPOINTS)[-1]
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    warnings: list[str] = []
    trainer = Trainer(make_plan(), tmp_path, make_sources(), ALONE, warn=warnings.append)
    assert trainer.step == 4 and "missing or changed" in warnings[0]
    list(trainer.run())
    assert curve(tmp_path) == curve(whole)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors.torch

    trainer = Trainer(make_plan(), tmp_path, make_sources(), ALONE)
    run = trainer.run()
    for _ in range(5):
        next(run)
    real = safetensors.torch.save_file

    def full(tensors: object, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(TrainingError, match=r"No space left.*goes on from the last complete"):
        list(run)
    monkeypatch.setattr(safetensors.torch, "save_file", real)
    again = Trainer(make_plan(), tmp_path, make_sources(), ALONE)
    assert again.step == 4
    assert [report.step for report in again.run()][-1] == 12
    assert not list((tmp_path / CHECKPOINTS).glob(".*"))


class Poisoned(Trainer):
    """A run in which the batch that begins at one cursor makes the loss infinite, as a broken sum would."""

    poison: frozenset[int] = frozenset()

    def _accumulate(self) -> torch.Tensor:
        loss = super()._accumulate()
        return loss * float("nan") if self.cursor in self.poison else loss


def test_no_number_goes_back_and_passes_over(tmp_path: Path) -> None:
    warnings: list[str] = []
    trainer = Poisoned(make_plan(), tmp_path, make_sources(), ALONE, warn=warnings.append)
    trainer.poison = frozenset({24})  # the seventh step's
    reports: list[Report] = list(trainer.run())
    assert trainer.num_rollbacks == 1 and "back to step 4" in warnings[0]
    assert reports[-1].step == 12 and all(math.isfinite(report.loss) for report in reports)
    assert [line["step"] for line in read_lines(tmp_path / LOG)] == list(range(1, 13))


def test_no_number_again_and_again_is_an_error_that_keeps_the_last_state(tmp_path: Path) -> None:
    trainer = Poisoned(make_plan(), tmp_path, make_sources(), ALONE)
    trainer.poison = frozenset(range(20, 1000))
    with pytest.raises(DivergedError, match="lower --matrix-lr"):
        list(trainer.run())
    assert trainer.num_rollbacks == MAX_ROLLBACKS + 1
    found = find_checkpoint(tmp_path / CHECKPOINTS)
    assert found is not None and found.step == 4
    assert all(bool(torch.isfinite(weight).all()) for weight in found.weights().values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matrix_lr": 0.5}, "other values of matrix_lr"),
        ({"tokenizer_sha256": "b" * 64}, "other values of tokenizer_sha256"),
        ({"model": make_model(num_layers=3)}, "other values of model"),
    ],
)
def test_another_plan_does_not_go_into_the_same_folder(whole: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        Trainer(make_plan(**changes), whole, make_sources(), ALONE)


def test_the_log_is_json_without_nan(whole: Path) -> None:
    for line in (whole / LOG).read_text("utf-8").splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(name))
    assert sum("bits" in line for line in read_lines(whole / LOG)) == 3


def test_more_sequences_at_once_draw_nearly_the_same_curve(whole: Path, tmp_path: Path) -> None:
    list(Trainer(make_plan(device_batch=1), tmp_path, make_sources(), ALONE).run())
    for (_, one, _), (_, four, _) in zip(curve(tmp_path), curve(whole), strict=True):
        assert one == pytest.approx(four, abs=2e-3)


def test_a_run_that_goes_on_divides_its_steps_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What memory is free when a run goes on does not change its curve, as long as the old parts fit."""
    from samovar.train.hardware import bytes_needed

    def free_for(rows: int) -> None:
        room = int((bytes_needed(make_plan(), rows, torch.float32) + 1) / 0.9) + 1
        monkeypatch.setattr("samovar.train.hardware.free_memory", lambda device: room)

    list(Trainer(make_plan(device_batch=2), tmp_path / "twos", make_sources(), ALONE).run())
    said: list[str] = []
    free_for(2)
    cut = Trainer(make_plan(), tmp_path / "cut", make_sources(), ALONE, warn=said.append)
    assert cut.device_batch == 2
    list(zip(range(6), cut.run(), strict=False))
    free_for(4)
    cut = Trainer(make_plan(), tmp_path / "cut", make_sources(), ALONE, warn=said.append)
    assert (cut.step, cut.device_batch, said) == (4, 2, [])
    assert Trainer(make_plan(), tmp_path / "new", make_sources(), ALONE).device_batch == 4
    list(cut.run())
    assert curve(tmp_path / "cut") == curve(tmp_path / "twos")
    assert Trainer(make_plan(device_batch=1), tmp_path / "cut", make_sources(), ALONE).device_batch == 1
    free_for(1)
    assert Trainer(make_plan(), tmp_path / "cut", make_sources(), ALONE, warn=said.append).device_batch == 1
    assert len(said) == 1 and "had 2 sequences, now 1 fit" in said[0]


def test_the_parts_of_another_kind_of_device_are_not_taken(whole: Path) -> None:
    folder = whole / CHECKPOINTS
    assert kept_device_batch(folder, "cpu") == 4 and kept_device_batch(folder, "cuda") == 0
    assert kept_device_batch(folder / "none", "cpu") == 0


def test_too_little_memory_is_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samovar.train.hardware.free_memory", lambda device: 10_000)
    with pytest.raises(TrainingError, match=rf"one sequence of {LENGTH} tokens.*smaller --depth"):
        Trainer(make_plan(), tmp_path, make_sources(), ALONE)


def test_too_little_disk_is_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shutil import disk_usage

    real = disk_usage(tmp_path)
    monkeypatch.setattr("samovar.train.hardware.shutil.disk_usage", lambda path: real._replace(free=1000))
    with pytest.raises(TrainingError, match="free space"):
        Trainer(make_plan(), tmp_path, make_sources(), ALONE)


def test_checkpoints_are_in_order_of_steps_beyond_seven_digits(tmp_path: Path) -> None:
    for step in (9_999_500, 10_000_000, 10_000_500):
        name_checkpoint(tmp_path, step).mkdir()
    assert [step_of(path) for path in list_checkpoints(tmp_path)] == [9_999_500, 10_000_000, 10_000_500]
    seen: list[str] = []
    assert find_checkpoint(tmp_path, warn=seen.append, before=10_000_500) is None  # all of them are empty
    assert len(seen) == 2 and "step-10000000" in seen[0] and "step-9999500" in seen[1]
