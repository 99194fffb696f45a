"""The decoder is Qwen3's: transformers computes the same logits from the same weights. Documents in a row do not see each other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from train_toys import LENGTH, SEPARATOR, VOCABULARY, make_model, make_plan

from samovar.errors import TrainingError
from samovar.train.attention import make_mask
from samovar.train.config import RunConfig
from samovar.train.model import LanguageModel, number_documents
from samovar.train.muon import Muon, orthogonalise
from samovar.train.optim import Optimiser
from samovar.train.schedule import decay_at, momentum_at, rate_at
from samovar.train.size import plan_run, shape_model


def make_random(tied: bool = True) -> LanguageModel:
    model = LanguageModel(make_model(tie_embeddings=tied))
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.3) if weight.ndim == 2 else weight.uniform_(0.5, 1.5)
    return model


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_computes_the_same(tied: bool) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
    model = make_random(tied)
    config = transformers.Qwen3Config(**make_model(tie_embeddings=tied).to_hf(eos_token_id=1))
    theirs = transformers.Qwen3ForCausalLM(config).eval()
    missing = theirs.load_state_dict(model.state_dict(), strict=False)
    assert missing.missing_keys == (["lm_head.weight"] if tied else []) and not missing.unexpected_keys
    theirs.tie_weights()
    tokens = torch.randint(0, VOCABULARY, (2, LENGTH), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert (model(tokens) - theirs(tokens).logits).abs().max() < 2e-5
    assert sum(p.numel() for p in theirs.parameters()) == make_model(tie_embeddings=tied).num_parameters


def test_documents_in_a_row_do_not_see_each_other() -> None:
    model = make_random()
    tokens = torch.randint(0, 256, (1, LENGTH), generator=torch.Generator().manual_seed(3))
    tokens[0, 10] = tokens[0, 20] = SEPARATOR
    other = tokens.clone()
    other[0, :10] = 7
    with torch.no_grad():
        mine, theirs = (model(t, number_documents(t, SEPARATOR)) for t in (tokens, other))
        alone = model(tokens[:, 10:20])
    assert not torch.allclose(mine[0, 5:10], theirs[0, 5:10])
    assert torch.equal(mine[0, 10:], theirs[0, 10:])
    # rotary positions are relative: where it lies does not matter
    assert torch.allclose(mine[0, 10:20], alone[0], atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_the_mask_is_causal_and_within_documents(tokens: list[int]) -> None:
    segments = number_documents(torch.tensor([tokens]), 0)
    mask = make_mask(segments)[0, 0]
    for i in range(len(tokens)):
        for j in range(len(tokens)):
            assert bool(mask[i, j]) == (j <= i and 0 not in tokens[j + 1 : i + 1])


def test_the_same_seed_gives_the_same_weights() -> None:
    one, two, three = (LanguageModel(make_model()) for _ in range(3))
    one.initialise(5), two.initialise(5), three.initialise(6)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.head_weight, three.head_weight)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 1000))
def test_orthogonal_steps(rows: int, columns: int, seed: int) -> None:
    matrix = torch.randn(1, rows, columns, generator=torch.Generator().manual_seed(seed))
    values = torch.linalg.svdvals(orthogonalise(matrix)[0])
    true = torch.linalg.svdvals(matrix[0])
    well = true > 0.02 * true.max()  # five iterations bring what is not tiny near one
    assert bool((values[well] > 0.6).all()) and bool((values < 1.25).all())


def test_muon_moves_downhill_and_keeps_its_state_by_name() -> None:
    torch.manual_seed(0)
    weight, goal = torch.nn.Parameter(torch.randn(8, 16)), torch.randn(8, 16)
    muon = Muon([("a", weight)])
    before = float((weight.detach() - goal).square().mean())
    for _ in range(100):
        weight.grad = (weight - goal).detach()
        muon.step(0.05)
    assert float((weight.detach() - goal).square().mean()) < 0.1 * before
    assert {name: tuple(t.shape) for name, t in muon.state_tensors().items()} == {
        "a.momentum": (8, 16),
        "a.second": (1, 16),
    }


def test_decay_pulls_only_where_the_step_agrees() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    weight.grad = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    plain, decayed = weight.detach().clone(), None
    for decay in (0.0, 0.5):
        copy = torch.nn.Parameter(torch.ones(2, 2))
        copy.grad = weight.grad.clone()
        Muon([("a", copy)]).step(0.1, decay=decay)
        plain, decayed = (copy.detach(), decayed) if decay == 0 else (plain, copy.detach())
    assert decayed is not None
    assert decayed[0, 0] < plain[0, 0]  # the step makes it smaller: decay helps
    assert decayed[1, 1] == plain[1, 1]  # the step makes it larger: decay keeps out


def test_the_optimiser_comes_back_from_its_tensors() -> None:
    plan, steps = make_plan(), []
    for restore in (False, True):
        model = LanguageModel(plan.model)
        model.initialise(0)
        optimiser = Optimiser(model, plan)
        for step in range(4):
            if restore and step == 2:
                saved = {name: t.clone() for name, t in optimiser.state_tensors().items()}
                optimiser = Optimiser(model, plan)
                optimiser.load_tensors(saved)
            generator = torch.Generator().manual_seed(step)
            for weight in model.parameters():
                weight.grad = torch.randn(weight.shape, generator=generator)
            optimiser.step(step)
        steps.append([weight.detach().clone() for weight in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*steps, strict=True))


def test_rates_rise_stay_and_fall_to_nearly_nothing() -> None:
    rates = [rate_at(step, 100, warmup_steps=5, warmdown=0.4) for step in range(100)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(rate == 1.0 for rate in rates[5:61])
    assert rates[60:] == sorted(rates[60:], reverse=True) and rates[-1] == pytest.approx(1 / 40)
    assert (
        momentum_at(0) == 0.85 and momentum_at(150) == pytest.approx(0.9) and momentum_at(10_000) == pytest.approx(0.95)
    )
    assert decay_at(0, 10, 0.1) == 0.1 and decay_at(10, 10, 0.1) == 0.0


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 8, 12, 20, 32])
def test_the_dial(depth: int) -> None:
    plan = plan_run(depth, 32_768)
    model = plan.model
    assert model.num_heads * model.head_dim == model.hidden_size
    assert depth < 3 or (model.hidden_size % 256 == 0 and model.intermediate_size % 256 == 0)
    assert plan.batch_tokens % plan.seq_len == 0 and plan.num_steps >= 100
    built = LanguageModel(model) if depth <= 4 else None
    assert built is None or sum(p.numel() for p in built.parameters()) == model.num_parameters
    if depth > 1:
        assert model.num_parameters >= shape_model(depth - 1, 32_768).num_parameters


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = plan_run(2, 1024, seq_len=128)
    plan.save(tmp_path / "config.json")
    assert RunConfig.load(tmp_path / "config.json") == plan
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TrainingError, match="expected the plan"):
        RunConfig.load(tmp_path / "config.json")


@pytest.mark.parametrize("changes", [{"num_kv_heads": 3}, {"head_dim": 7}, {"num_layers": 0}, {"vocab_size": -1}])
def test_impossible_shapes_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(TrainingError, match="expected"):
        make_model(**changes)


TEAM = """
import sys, torch
sys.path.insert(0, sys.argv[2])
torch.set_num_threads(1)
from pathlib import Path
from train_toys import make_plan, make_sources
from samovar.train.distributed import join_team
from samovar.train.loop import Trainer
team = join_team("cpu")
stop = int(sys.argv[3])
for report in Trainer(make_plan(), Path(sys.argv[1]), make_sources(), team).run():
    if report.step == stop:
        break
team.leave()
"""


def run_team(folder: Path, world: int, stop: int) -> None:
    here = str(Path(__file__).parent)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        str(world),
        "--master-addr",
        "127.0.0.1",
    ]
    script = folder.parent / "team.py"
    script.write_text(TEAM, "utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [*command, "--master-port", str(29500 + os.getpid() % 500), str(script), str(folder), here, str(stop)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_draw_the_curve_of_one_and_hand_over_to_each_other(tmp_path: Path) -> None:
    from samovar.train.lines import read_lines
    from samovar.train.loop import LOG

    run_team(tmp_path / "one", 1, 99)
    run_team(tmp_path / "two", 2, 99)
    run_team(tmp_path / "mixed", 2, 8)
    run_team(tmp_path / "mixed", 1, 99)
    curves = {name: [line["loss"] for line in read_lines(tmp_path / name / LOG)] for name in ("one", "two", "mixed")}
    assert len(curves["one"]) == 12
    assert np.allclose(curves["one"], curves["two"], atol=1e-4)
    assert np.allclose(curves["one"], curves["mixed"], atol=1e-4)
