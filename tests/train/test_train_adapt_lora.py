"""Low-rank training of any architecture: it learns, resumes exactly, and ends as an ordinary folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("peft", reason="the extra 'adapt' is not installed")
pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
pytest.importorskip("rustbpe")

from adapt_toys import make_hf, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from samovar.cli import main
from samovar.errors import TrainingError
from samovar.train.adapt.lora import LoraPlan, LoraRun, pack_rows, read_batch
from samovar.train.adapt.material import Material
from samovar.train.adapt.quality import measure_causal, open_causal, open_encoder


@pytest.fixture(scope="module")
def few(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("texts") / "few", articles[:10])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(2, 9), st.integers(1, 7), st.integers(0, 3))
def test_rows_hold_the_texts_and_every_epoch_all_rows(sizes: list[int], length: int, batch: int, seed: int) -> None:
    texts = ["x" * size for size in sizes]
    stream = [number for text in texts for number in (*map(ord, text), 0)]
    if len(stream) <= length:
        with pytest.raises(TrainingError, match="expected more than"):
            pack_rows(texts, lambda text: list(map(ord, text)), 0, length)
        return
    rows = pack_rows(texts, lambda text: list(map(ord, text)), 0, length)
    assert [stream[0], *rows[:, 1:].flatten().tolist()] == stream[: len(rows) * length + 1]
    numbered = np.arange(len(rows))[:, None]
    plan = LoraPlan(100, length, batch, seed=seed)
    drawn = np.concatenate([read_batch(numbered, step, plan) for step in range(2 * len(rows))])[:, 0]
    for epoch in range(2 * batch):
        assert sorted(drawn[epoch * len(rows) : (epoch + 1) * len(rows)].tolist()) == list(range(len(rows)))


@pytest.mark.slow
def test_it_learns_resumes_and_merges(tokenizer_folder: Path, few: Path, tmp_path: Path) -> None:
    source = make_hf(tmp_path / "model", tokenizer_folder, "llama", tied=False)
    plan = LoraPlan(6, seq_len=64, batch_rows=2, rate=5e-3, save_every=100)
    whole = LoraRun(source, Material([few]), tmp_path / "run", plan, device="cpu")
    before = whole.measure()
    losses = [report.loss for report in whole.train()]
    after = whole.measure()
    assert after < before
    cut = LoraRun(source, Material([few]), tmp_path / "cut", plan, device="cpu")
    steps = cut.train()
    assert [next(steps).loss for _ in range(3)] == losses[:3]
    cut.save()
    again = LoraRun(source, Material([few]), tmp_path / "cut", plan, device="cpu")
    assert again.step == 3 and [report.loss for report in again.train()] == losses[3:]
    place = whole.finish()
    merged = measure_causal(open_causal(place), open_encoder(place), whole.material.held)
    assert merged == pytest.approx(after, abs=1e-3)
    assert not any("lora" in name for name in json.dumps(sorted(path.name for path in place.iterdir())).split())
    with pytest.raises(TrainingError, match="expected the options and texts that"):
        LoraRun(source, Material([few]), tmp_path / "cut", LoraPlan(7, 64, 2, rate=5e-3), device="cpu")


@pytest.mark.slow
def test_the_command(tokenizer_folder: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_hf(tmp_path / "model", tokenizer_folder)
    command = [
        "train",
        "adapt",
        str(source),
        "-c",
        str(few),
        "-o",
        str(tmp_path / "new"),
        "--vocab-size",
        "1024",
        "--anyway",
        "--lora",
    ]
    assert main([*command, "--lang", "en"]) == 2
    assert "with --lora expected --num-tokens" in capsys.readouterr().err
    assert (
        main([*command, "--num-tokens", "256", "--seq-len", "64", "--batch-tokens", "128", "--device", "cpu", "--json"])
        == 0
    )
    about = json.loads(capsys.readouterr().out)
    assert about["bits_after_training"] < about["bits_before_training"]
    assert json.loads(Path(about["run"], "config.json").read_text())["vocab_size"] == 1024
