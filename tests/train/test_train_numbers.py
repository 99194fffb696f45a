"""Numbers of the training room against numbers worked out another way: by hand, or in float64 from the papers' formulas."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train_toys import make_model, make_plan

from samovar.cli import main
from samovar.errors import TrainingError
from samovar.train.checkpoint import save_checkpoint
from samovar.train.config import RunConfig
from samovar.train.evaluate import Asked, measure_texts, score_grounded
from samovar.train.export.trained import open_trained
from samovar.train.hardware import bytes_needed
from samovar.train.model import LanguageModel
from samovar.train.muon import SMALL, list_iterations, muon_step, orthogonalise
from samovar.train.sft import DATA, begin_specials, open_tuning, plan_tuning
from samovar.train.size import plan_run
from samovar.train.speaker import Said
from samovar.train.tokenizer import Tokenizer

Array = np.ndarray[Any, np.dtype[np.float64]]
RATE, BETA, BETA_SECOND, DECAY = 0.03, 0.9, 0.8, 0.5


# -- Muon: Nesterov's momentum, Polar Express, NorMuon, cautious decay -------------------------------------------------
def polar(matrix: Array) -> Array:
    """U·p(S)·Vᵀ: what an odd matrix polynomial does, it does to the singular values alone."""
    left, sizes, right = np.linalg.svd(matrix / (np.linalg.norm(matrix) * 1.02 + 1e-6), full_matrices=False)
    for a, b, c in list_iterations(min(matrix.shape)):
        sizes = a * sizes + b * sizes**3 + c * sizes**5
    return np.asarray((left * sizes) @ right)


class PlainMuon:
    """One matrix in float64, row by row and element by element."""

    def __init__(self, weight: Array) -> None:
        self.weight, self.momentum = weight.copy(), np.zeros_like(weight)
        self.rows, self.columns = weight.shape
        self.second = np.zeros(self.rows if self.rows >= self.columns else self.columns)

    def step(self, grad: Array) -> None:
        self.momentum = BETA * self.momentum + (1 - BETA) * grad
        update = polar(BETA * self.momentum + (1 - BETA) * grad)  # Nesterov: the momentum of one step ahead
        lines = update.copy() if self.rows >= self.columns else update.T.copy()
        before = math.sqrt(sum(float(line @ line) for line in lines))
        for number, line in enumerate(lines):
            fresh = float(line @ line) / len(line)
            self.second[number] = BETA_SECOND * self.second[number] + (1 - BETA_SECOND) * fresh
            lines[number] = line / math.sqrt(self.second[number])
        lines *= before / math.sqrt(sum(float(line @ line) for line in lines))
        update = lines if self.rows >= self.columns else lines.T
        rate = RATE * math.sqrt(max(1.0, self.rows / self.columns))
        for place in np.ndindex(update.shape):
            pull = DECAY * self.weight[place] if update[place] * self.weight[place] >= 0 else 0.0
            self.weight[place] -= rate * (update[place] + pull)


@pytest.mark.parametrize("shape", [(2, 2), (4, 2), (2, 4)])
def test_a_muon_step_is_what_the_papers_say(shape: tuple[int, int]) -> None:
    dice = np.random.default_rng(5)
    weight, grads = dice.normal(size=shape), dice.normal(size=(4, *shape))
    grads[:, 0] *= 3.0  # lines of unlike sizes, and directions that turn from step to step
    plain = PlainMuon(weight)
    weights = torch.from_numpy(weight)[None].clone()
    momentum = torch.zeros_like(weights)
    second = torch.zeros(1, *((shape[0], 1) if shape[0] >= shape[1] else (1, shape[1])), dtype=torch.float64)
    rate, beta, beta_second, decay = (torch.tensor(v, dtype=torch.float64) for v in (RATE, BETA, BETA_SECOND, DECAY))
    for number, grad in enumerate(grads):
        plain.step(grad)
        muon_step(
            weights, torch.from_numpy(grad)[None], momentum, second, rate, beta, beta_second, decay, torch.float64
        )
        assert weights[0].numpy() == pytest.approx(plain.weight, rel=1e-9, abs=1e-9), f"step {number + 1}"
    assert momentum[0].numpy() == pytest.approx(plain.momentum, rel=1e-12)
    assert second.flatten().numpy() == pytest.approx(plain.second, rel=1e-9)


def test_a_first_step_by_hand() -> None:
    """The gradient of a 4×2 matrix has one entry: its polar factor is that entry made p(1/1.02), the rest zero; evening keeps its size."""
    size = 1 / 1.02
    for a, b, c in list_iterations(2):
        size = a * size + b * size**3 + c * size**5
    grad = torch.zeros(1, 4, 2, dtype=torch.float64)
    grad[0, 2, 1] = 1000.0
    weights, momentum = torch.zeros_like(grad), torch.zeros_like(grad)
    second = torch.zeros(1, 4, 1, dtype=torch.float64)
    rate, beta, beta_second, decay = (torch.tensor(v, dtype=torch.float64) for v in (RATE, BETA, BETA_SECOND, 0.0))
    muon_step(weights, grad, momentum, second, rate, beta, beta_second, decay, torch.float64)
    assert float(weights[0, 2, 1]) == pytest.approx(-RATE * math.sqrt(2) * size, rel=1e-5)
    assert int(weights.count_nonzero()) == 1 and 0.9 < size < 1.1
    assert float(momentum[0, 2, 1]) == pytest.approx(100.0)  # a tenth of the gradient
    assert float(second[0, 2, 0]) == pytest.approx(0.2 * size**2 / 2, rel=1e-5)  # a fifth of the mean of two squares


@pytest.mark.parametrize(("size", "faintest"), [(SMALL, 0.01), (SMALL + 1, 0.0011)])
def test_larger_matrices_take_an_iteration_more(size: int, faintest: float) -> None:
    """Singular values from `faintest` of the norm on come out near 1; a tenth of that does not."""
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(size, size)))
    sizes = np.full(size, faintest)
    sizes[0], sizes[1] = math.sqrt(1 - (size - 2) * faintest**2), faintest / 10
    matrix = torch.from_numpy((turn * sizes) @ turn.T)[None]
    values = torch.linalg.svdvals(orthogonalise(matrix, torch.float64)[0])
    assert float(values[-2]) > 0.85 and float(values[0]) < 1.15
    assert float(values[-1]) < 0.6


# -- the dial -------------------------------------------------------------------------------------------------------
# Depth 12, 32,768 tokens: 768 wide, 12 heads of 64, 6 for keys, 2,048 inside. A block: 2 · 768 · 768 + 2 · 768 · 384 + 3 · 768 · 2,048 weights.
REFERENCE_HORIZON = 20 * (12 * 6_488_064 + 32_768 * 768)


@pytest.mark.parametrize(
    ("horizon", "batch"),
    [
        (REFERENCE_HORIZON + 1000, 2**19),
        (300 * REFERENCE_HORIZON, 2**22),  # 300^0.383 = 8.9: three powers of two
        (20 * REFERENCE_HORIZON, 2**20),  # 3.1; a square root would give 4.5
        (REFERENCE_HORIZON // 20, 2**17),  # 0.32
        (10_000_000, 2**14),  # the power allows 68,000; 400 steps allow 25,000
        (500_000, 2**10),  # 1,250, and a sequence at least
        (100_000, 2**10),  # 250: a sequence is the least
    ],
)
def test_the_batch_grows_with_the_horizon(horizon: int, batch: int) -> None:
    plan = plan_run(4, 32_768, seq_len=1024, num_tokens=horizon)
    assert (plan.batch_tokens, plan.num_steps) == (batch, horizon // batch)


def test_the_horizon_is_twenty_tokens_a_weight() -> None:
    plan = plan_run(12, 32_768)
    assert REFERENCE_HORIZON == 2_060_451_840
    assert (plan.batch_tokens, plan.num_steps) == (2**19, REFERENCE_HORIZON // 2**19)


@pytest.mark.parametrize(("depth", "share"), [(12, 1.0), (48, 0.5), (3, math.sqrt(3)), (25, math.sqrt(3 / 7))])
def test_rates_fall_as_the_root_of_the_width(depth: int, share: float) -> None:
    plan = plan_run(depth, 32_768)  # 768, 3,072, 256 and 1,792 (25 · 64, up to a multiple of 256) wide
    assert plan.embedding_lr == pytest.approx(0.2 * share, rel=1e-12)
    assert plan.head_lr == pytest.approx(0.006 * share, rel=1e-12)
    assert plan.norm_lr == pytest.approx(0.005 * share, rel=1e-12)
    assert plan.matrix_lr == 0.012


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"num_tokens": 8192, "batch_tokens": 10**9},
            r"999,999,488 tokens, found 8,192: give a smaller --batch-tokens",
        ),
        ({"num_tokens": 8191, "batch_tokens": 8192}, r"8,192 tokens, found 8,191: give a smaller --batch-tokens"),
        ({"num_tokens": 1023}, r"1,024 tokens, found 1,023: give a smaller --seq-len, or a larger --num-tokens"),
        ({"ratio": 1e-6, "batch_tokens": 4096}, r"4,096 tokens, found \d+: give a smaller --batch-tokens"),
    ],
)
def test_a_step_of_more_tokens_than_the_run_is_refused(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        plan_run(4, 32_768, **sizes)


def test_a_run_of_one_step_is_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_run(1, 1024, seq_len=64, num_tokens=8192, batch_tokens=8192)
    assert (plan.batch_tokens, plan.num_steps, plan.num_tokens) == (8192, 1, 8192)
    asked = ["train", "plan", "--depth", "4", "--num-tokens", "8192", "--batch-tokens", "1000000000", "--lang", "en"]
    assert main(asked) == 1
    said = capsys.readouterr()
    assert said.out == "" and "smaller --batch-tokens" in said.err


# -- measures -------------------------------------------------------------------------------------------------------
class Scripted:
    """Says and weighs what is written down for it; stands where a model would."""

    name, step, context = "scripted", -1, 1000

    def __init__(self, replies: dict[str, str], bits: dict[str, float]) -> None:
        self.replies, self.bits = replies, bits

    def reply(self, messages: Sequence[dict[str, str]], num_tokens: int) -> Said | None:
        return Said(self.replies[messages[-1]["content"]], True)

    def weigh(self, question: str, answer: str) -> float:
        return 0.0

    def weigh_text(self, text: str) -> float:
        return -self.bits[text] * math.log(2)


def test_the_error_of_bits_by_hand() -> None:
    """1, 2 and 3 bytes at 2, 6 and 10 bits: 18 / 6 = 3 bits a byte; 1 too few, 0 and 1 too many; √(2 · 3/2) / 6."""
    score = measure_texts(Scripted({}, {"a": 2, "bb": 6, "ccc": 10}), ["a", "bb", "ccc"])
    assert (score.num_texts, score.num_bytes) == (3, 6)
    assert score.bits_per_byte == pytest.approx(3.0, rel=1e-12)
    assert score.standard_error == pytest.approx(math.sqrt(3) / 6, rel=1e-12)


def ask(replies: Sequence[str]) -> Any:
    """The score of these replies, each to a question whose answer is "urn"; one title, so there are no twins."""
    questions = [Asked(f"q{number}?", ("Tea", "The urn."), ("urn",)) for number in range(len(replies))]
    scripted = Scripted({one.question: reply for one, reply in zip(questions, replies, strict=True)}, {})
    return score_grounded(
        scripted, questions, "en", lambda question, passages, key: [{"role": "user", "content": question}], "NO_ANSWER"
    )  # fmt: skip


def test_the_error_of_f1_by_hand() -> None:
    """F1 of 1, 1/2, 1/2 and 0: the mean 1/2, the deviation √(1/6), its error half of that. Exact: (1 + 2) of (4 + 4)."""
    score = ask(["urn", "copper hot urn", "old small urn", "kettle"])
    assert (score.num_asked, score.num_twins) == (4, 0)
    assert (score.f1, score.exact) == (0.5, 0.25)
    assert score.standard_errors["f1"] == pytest.approx(math.sqrt(1 / 6) / 2, rel=1e-12)
    assert score.standard_errors["exact"] == pytest.approx(math.sqrt(3 / 8 * 5 / 8 / 8), rel=1e-12)


@pytest.mark.parametrize(
    ("reply", "cited"),
    [("urn [1]", 1), ("urn [1], yes [1].", 1), ("urn [1][2]", 0), ("urn [2][1]", 0), ("urn [2]", 0), ("urn", 0)],
)
def test_only_the_right_citation_alone_counts(reply: str, cited: int) -> None:
    score = ask([reply])
    assert (score.cited, score.num_asked) == (cited, 1)


# -- where tuning begins --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("tied", [True, False])
def test_marks_begin_near_the_mean_of_the_tokens(tokenizer_folder: Path, tmp_path: Path, tied: bool) -> None:
    run, talks = tmp_path / "run", tmp_path / "talks.jsonl"
    run.mkdir()
    words = Tokenizer.load(tokenizer_folder)
    shape = make_model(vocab_size=words.vocab_size, max_seq_len=96, tie_embeddings=tied)
    make_plan(model=shape, tokenizer_sha256=words.sha256).save(run / "config.json")
    model = LanguageModel(shape)
    model.initialise(3)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    state = {"cursor": 0, "seconds": 0.0, "tokenizer_sha256": words.sha256}
    save_checkpoint(run / "checkpoints", 12, weights=model.state_dict(), optimiser={"x": torch.zeros(1)}, state=state)
    shutil.copytree(tokenizer_folder, run / "tokenizer")
    lines = [[{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}!"}] for n in range(40)]
    talks.write_text("".join(json.dumps({"messages": line}) + "\n" for line in lines), "utf-8")

    tuning = plan_tuning(run, [str(talks)], precision="fp32", compile=False)
    trainer = open_tuning(tuning, tmp_path / "chat", device="cpu")
    after = dict(trainer.model.named_parameters())
    marks = [row for name, row in words.special_ids.items() if row != words.end_of_text]
    first = min(marks)
    tables = ["model.embed_tokens.weight"] + ([] if tied else ["lm_head.weight"])
    assert len(marks) >= 2 and words.turn_end in marks
    for name in tables:
        old, new = before[name].double().numpy(), after[name].detach().double().numpy()
        wanted = old.copy()
        for row in marks:
            wanted[row] = sum(old[:first]) / first + old[row] / 10
        assert np.allclose(new, wanted, rtol=1e-5, atol=1e-7), name
        assert not np.allclose(wanted, old, rtol=1e-2, atol=1e-4)
    assert all(torch.equal(after[name], weight) for name, weight in before.items() if name not in tables)

    (run / DATA).write_text("{}", "utf-8")  # a tuned model has read its marks: they stay
    tuned = open_trained(run)
    assert begin_specials(tuned) is tuned.weights


# -- memory ---------------------------------------------------------------------------------------------------------
def needed(seq_len: int, rows: int = 1, dtype: torch.dtype = torch.float32) -> int:
    shape = make_model(max_seq_len=4096)  # 2 layers, 4 heads, 32 wide, 64 inside, 320 tokens
    plan = RunConfig(model=shape, seq_len=seq_len, batch_tokens=8 * seq_len, num_steps=1)
    return bytes_needed(plan, rows, dtype)


@pytest.mark.parametrize(("dtype", "width"), [(torch.float32, 4), (torch.bfloat16, 2)])
@pytest.mark.parametrize("rows", [1, 3])
def test_memory_grows_with_the_square_of_the_length(rows: int, dtype: torch.dtype, width: int) -> None:
    """What is fixed and what grows with the length cancel out of a second difference: 2 · c · length²; c is half a probability for each pair of
    places, head and layer, since the later half is masked."""
    short, middle, long = (needed(length, rows, dtype) for length in (256, 512, 768))
    assert long - 2 * middle + short == 2 * 256**2 * rows * (2 * 4 * width // 2)


def test_memory_by_hand() -> None:
    """A block: queries and output 32 · 32, keys and values 32 · 16, three of 32 · 64; norms 2 · 32 and 2 · 8; a table of 320 · 32, a last norm."""
    weights = 2 * (2 * 1024 + 2 * 512 + 3 * 2048 + 64 + 16) + 320 * 32 + 32
    a_token = 2 * (14 * 32 + 4 * 64) * 4 + 2 * 4 * 256 // 2 * 4
    assert needed(256) == 16 * weights + 2 * 4 * 320 * 32 + 256 * a_token
