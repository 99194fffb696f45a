"""Weights in parts: the same curve with any number of processes, whoever began it and however it ended."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from team_toys import end_team, run_team, start_team
from train_toys import LENGTH, make_model, make_plan, make_sources

from samovar.errors import TrainingError
from samovar.train.checkpoint import Tensors, find_checkpoint, save_checkpoint
from samovar.train.distributed import Team, read_environment
from samovar.train.hardware import bytes_needed, check_memory, state_bytes
from samovar.train.lines import read_lines
from samovar.train.loop import CHECKPOINTS, LOG, Trainer
from samovar.train.placement import choose_sharding
from samovar.train.sharding import split_rows

ALONE = Team(0, 1, torch.device("cpu"))
NUM_LAYERS = 5  # does not divide among 2 or 3 owners

BEGIN = """
import json, sys, time, torch
sys.path.insert(0, sys.argv[1])
torch.set_num_threads(1)
from pathlib import Path
from train_toys import LENGTH, make_model, make_plan, make_sources
from samovar.errors import TrainingError
from samovar.train.distributed import join_team
from samovar.train.loop import Trainer
from samovar.train.sharding import local_part
import samovar.train.sharding
samovar.train.sharding.ROUND_BYTES = 1  # one matrix of each owner at a time
folder, team = Path(sys.argv[2]), join_team("cpu")
plan = make_plan(model=make_model(num_layers=5), batch_tokens=6 * LENGTH, save_every=2, shard="on")
"""

RUN = (
    BEGIN
    + """
trainer = Trainer(plan, folder, make_sources(), team)
stop = int(sys.argv[3])
for report in trainer.run():
    if report.step == stop:
        if sys.argv[4:]:
            trainer.ask_to_stop() if team.rank == int(sys.argv[4]) else None
        else:
            break
held = [local_part(w) for w in trainer.model.parameters()]
state = [t for pair in trainer._optimiser._muon.state.values() for t in pair]
state += [local_part(t) for s in trainer._optimiser._adam.state.values() for t in s.values() if t.ndim]
print(json.dumps({"step": trainer.step, "kind": type(trainer.placement).__name__, "weights": sum(t.nbytes for t in held),
                  "state": sum(t.nbytes for t in state)}))
team.leave()
"""
)


def make_sharded_plan() -> object:
    return make_plan(model=make_model(num_layers=NUM_LAYERS), batch_tokens=6 * LENGTH, save_every=2, shard="on")


def curve(folder: Path) -> list[float]:
    return [line["loss"] for line in read_lines(folder / LOG)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process that nothing disturbed."""
    folder = tmp_path_factory.mktemp("alone")
    list(Trainer(make_sharded_plan(), folder, make_sources(), ALONE).run())  # type: ignore[arg-type]
    return folder


@given(rows=st.integers(1, 50), world=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_rows_are_cut_as_torch_cuts_them(rows: int, world: int) -> None:
    parts = split_rows(rows, world)
    wanted = [len(part) for part in torch.arange(rows).chunk(world)]
    assert [len(part) for part in parts if part] == wanted and len(parts) == world
    assert [row for part in parts for row in part] == list(range(rows))


@pytest.mark.slow
def test_two_then_one_then_three_processes_draw_the_curve_of_one(alone: Path, tmp_path: Path) -> None:
    two = [json.loads(line) for line in run_team(2, RUN, str(tmp_path), "5")]
    assert [(facts["kind"], facts["step"]) for facts in two] == [("Shards", 5)] * 2
    for report in Trainer(make_sharded_plan(), tmp_path, make_sources(), ALONE).run():  # type: ignore[arg-type]
        if report.step == 7:
            break
    three = [json.loads(line) for line in run_team(3, RUN, str(tmp_path), "99")]
    assert np.allclose(curve(tmp_path), curve(alone), atol=1e-4) and len(curve(alone)) == 12
    mine, theirs = find_checkpoint(tmp_path / CHECKPOINTS), find_checkpoint(alone / CHECKPOINTS)
    assert mine is not None and theirs is not None
    assert mine.weights().keys() == theirs.weights().keys() and mine.optimiser().keys() == theirs.optimiser().keys()
    assert all(torch.allclose(w, theirs.weights()[name], atol=1e-3) for name, w in mine.weights().items())
    weights = sum(t.nbytes for t in theirs.weights().values())
    state = sum(t.nbytes for t in theirs.optimiser().values())
    for team in (two, three):
        assert sum(facts["weights"] for facts in team) == weights
        assert max(facts["weights"] for facts in team) <= 1.1 * weights / len(team)
        # five matrices of a shape among two or three owners
        assert max(facts["state"] for facts in team) <= 1.5 * state / len(team)


@pytest.mark.slow
def test_a_sharded_run_is_killed_and_goes_on_and_stops_where_one_is_asked(alone: Path, tmp_path: Path) -> None:
    team = start_team(2, RUN, str(tmp_path), "99")
    deadline = time.monotonic() + 120
    while not (tmp_path / CHECKPOINTS / "step-0000004").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(team[1].pid, signal.SIGKILL)
    (first, _, errors), (second, _, _) = end_team(team)
    assert second == -signal.SIGKILL
    assert first not in (0, -signal.SIGKILL), errors  # it noticed by itself
    asked = [json.loads(line) for line in run_team(2, RUN, str(tmp_path), "7", "1")]
    assert [facts["step"] for facts in asked] == [8, 8]  # one is asked after step 7: both end with the next, saved
    found = find_checkpoint(tmp_path / CHECKPOINTS)
    assert found is not None and found.step == 8
    run_team(2, RUN, str(tmp_path), "99")
    assert np.allclose(curve(tmp_path), curve(alone), atol=1e-4)


LOST = (
    BEGIN
    + """
import os, signal
try:
    with team.watching():
        for report in Trainer(plan, folder, make_sources(), team).run():
            if report.step == 3 and team.rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
except TrainingError as error:
    print(error)
"""
)

BROKEN = (
    BEGIN
    + """
import safetensors.torch
class Poisoned(Trainer):
    def _accumulate(self):
        loss = super()._accumulate()
        return loss * float("nan") if self.cursor == 18 and team.rank == 1 else loss
warnings = []
trainer = Poisoned(plan, folder, make_sources(), team, warn=warnings.append)
run = trainer.run()
steps = [next(run).step for _ in range(6)]
real = safetensors.torch.save_file
def full(tensors, path):
    Path(path).write_bytes(b"half")
    raise OSError(28, "No space left on device")
if team.rank == 1:
    safetensors.torch.save_file = full
try:
    list(run)
except TrainingError as error:
    print(json.dumps({"rollbacks": trainer.num_rollbacks, "steps": steps, "warnings": warnings, "error": str(error)}))
team.leave()
"""
)


@pytest.mark.slow
def test_who_loses_a_neighbour_says_so_and_ends(tmp_path: Path) -> None:
    (status, said, errors), (lost, _, _) = end_team(start_team(2, LOST, str(tmp_path)))
    assert lost == -signal.SIGKILL and status == 0, errors
    assert "expected all 2 processes to go on, found that another has ended or does not answer (process 0:" in said
    assert "the same command goes on from the last checkpoint" in said


@pytest.mark.slow
def test_no_number_and_a_full_disk_in_one_of_two_processes(tmp_path: Path) -> None:
    first, second = (json.loads(line) for line in run_team(2, BROKEN, str(tmp_path)))
    for facts in (first, second):
        assert facts["rollbacks"] == 1 and facts["steps"] == [1, 2, 3, 3, 4, 5]
        assert "the loss at step 3 was no number: back to step 2, passing over 6 sequences" in facts["warnings"][0]
        assert "Free some space" in facts["error"] and "goes on from the last complete checkpoint" in facts["error"]
    assert "found: another process could not" in first["error"] and "No space left on device" in second["error"]
    found = find_checkpoint(tmp_path / CHECKPOINTS)
    assert found is not None and found.step == 4
    assert not list((tmp_path / CHECKPOINTS).glob(".*"))


def test_tensors_are_read_by_rows(tmp_path: Path) -> None:
    table = torch.arange(12.0).view(6, 2)
    made = save_checkpoint(tmp_path, 1, weights={"a": table}, optimiser={"a.step": torch.tensor(3.0)}, state={})
    found = find_checkpoint(tmp_path)
    assert found is not None and made == found.folder
    weights = found.open_weights()
    assert torch.equal(weights.rows("a", range(2, 5)), table[2:5]) and torch.equal(weights["a"], table)
    assert weights.rows("a", range(6, 6)).shape == (0, 2)
    assert dict(found.open_optimiser()) == {"a.step": torch.tensor(3.0)}
    (made / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(TrainingError, match="Delete the folder to use an earlier one"):
        Tensors([made / "model.safetensors"])


def test_parts_need_less_memory_and_auto_takes_them_when_they_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(hidden_size=512, num_layers=12, intermediate_size=2048, num_heads=8, head_dim=64)
    plan = make_plan(model=model)
    whole, parts = (bytes_needed(plan, 1, torch.float32, shards) for shards in (1, 8))
    assert state_bytes(model) == 16 * model.num_parameters and parts < whole / 3
    device = torch.device("cpu")
    monkeypatch.setattr("samovar.train.hardware.free_memory", lambda device: (whole + parts) // 2)
    check_memory(plan, torch.float32, device, shards=8)
    with pytest.raises(TrainingError, match=r"found 0\.\d GiB for a process: .* or more processes and --shard on"):
        check_memory(plan, torch.float32, device)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")  # the memory is that of all eight
    with pytest.raises(TrainingError, match="with the state in 8 parts"):
        check_memory(plan, torch.float32, device, shards=8)
    assert not choose_sharding(plan, ALONE, torch.float32)
    with pytest.raises(TrainingError, match="expected --shard auto, on or off, found 'yes'"):
        choose_sharding(make_plan(shard="yes"), ALONE, torch.float32)


class Asked(Team):
    """One of two processes, of which the other says the same."""

    def total(self, value: torch.Tensor) -> torch.Tensor:
        return 2 * value


def test_auto_shares_out_only_what_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    team = Asked(0, 2, torch.device("cpu"))
    plan = make_plan()
    assert not choose_sharding(plan, team, torch.float32)
    assert choose_sharding(make_plan(shard="on"), team, torch.float32)
    monkeypatch.setattr("samovar.train.hardware.free_memory", lambda device: 100_000)
    assert choose_sharding(plan, team, torch.float32)
    assert not choose_sharding(make_plan(shard="off"), team, torch.float32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"RANK": "0"}, "expected WORLD_SIZE, MASTER_ADDR, MASTER_PORT beside RANK=0 in the environment"),
        ({"WORLD_SIZE": "2"}, "expected RANK, MASTER_ADDR, MASTER_PORT beside WORLD_SIZE=2"),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "x"}, "expected MASTER_PORT beside RANK=1, WORLD_SIZE=2"),
        (
            {"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1"},
            "expected a RANK from 0 to 1 .*found 2",
        ),
        ({"RANK": "a", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1"}, "expected numbers in RANK"),
    ],
)
def test_half_an_environment_is_refused(given: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=message):
        read_environment()


def test_alone_and_torchrun_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert read_environment() == (0, 1, 0)
    for name, value in {
        "RANK": "3",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "1",
        "MASTER_ADDR": "h",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert read_environment() == (3, 4, 1)
