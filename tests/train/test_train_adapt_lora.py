"""Low-rank training of any architecture: it learns, resumes exactly, and ends as an ordinary folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

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
from samovar.train.adapt.lora import LoraPlan, LoraRun, pack_rows, plan_lora, read_batch
from samovar.train.adapt.material import Material
from samovar.train.adapt.packing import compute_row, keeps_apart
from samovar.train.adapt.quality import measure_causal, open_causal, open_encoder
from samovar.train.checkpoint import find_checkpoint


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


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_a_document_does_not_see_its_neighbours(
    tokenizer_folder: Path, tmp_path: Path, kind: str, together: bool
) -> None:
    """Its logits and the gradient of its loss are those of the document alone, whatever stands before and after it."""
    import torch

    model = open_causal(make_hf(tmp_path / "model", tokenizer_folder, kind))
    assert keeps_apart(model, 2112)
    separator, document = 7, [7, 100, 200, 300, 400, 500]
    alone = compute_row(model, torch.tensor([document]), separator, together=together)
    torch.manual_seed(1)
    for before, after in ((0, 5), (9, 0), (4, 4)):
        noise = torch.randint(8, 2000, (before + after,)).tolist()
        row = torch.tensor([[*noise[:before], *document, separator, *noise[before:]]])
        found = compute_row(model, row, separator, together=together)
        assert found.shape[1] == row.shape[1]
        torch.testing.assert_close(found[:, before : before + len(document)], alone, atol=2e-4, rtol=1e-4)
        crossed = model(row, use_cache=False).logits[:, before : before + len(document)]
        assert before == 0 or not torch.allclose(crossed, alone, atol=1e-2)  # what was done before: the test can fail


def test_an_architecture_that_mixes_documents_is_found_out(tokenizer_folder: Path, tmp_path: Path) -> None:
    import torch

    model = open_causal(make_hf(tmp_path / "model", tokenizer_folder))

    class Careless(torch.nn.Module):
        """Takes positions and does not heed them."""

        device = model.device

        def forward(
            self, tokens: torch.Tensor, position_ids: torch.Tensor | None = None, use_cache: bool = False
        ) -> Any:
            return model(tokens, use_cache=use_cache)

    class Plain(Careless):
        def forward(self, tokens: torch.Tensor, use_cache: bool = False) -> Any:
            return model(tokens, use_cache=use_cache)

    assert not keeps_apart(Careless(), 2112) and not keeps_apart(Plain(), 2112)


def test_several_processes_are_refused(
    tokenizer_folder: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match="expected one process for --lora, found 2"):
        LoraRun(tmp_path, Material([few]), tmp_path / "run", LoraPlan(2), device="cpu")


@pytest.mark.slow
def test_the_tables_are_trained_alone_first(tokenizer_folder: Path, few: Path, tmp_path: Path) -> None:
    plan = LoraPlan(4, seq_len=64, batch_rows=2, rate=1e-3, table_steps=2, save_every=2)
    run = LoraRun(make_hf(tmp_path / "model", tokenizer_folder), Material([few]), tmp_path / "run", plan, device="cpu")
    begun = {name: weight.detach().clone() for name, weight in run.trained.items()}
    assert any("lora_" in name for name in begun) and any("embed_tokens" in name for name in begun)

    def moved() -> set[bool]:
        """Whether tables (True) and additions (False) differ from the beginning."""
        return {"lora_" not in name for name, weight in run.trained.items() if not weight.equal(begun[name])}

    steps = run.train()
    next(steps)
    next(steps)
    assert moved() == {True}
    losses = [report.loss for report in steps]
    assert moved() == {True, False}
    for part in (tmp_path / "run" / "checkpoints").iterdir():
        if part.name.endswith("4"):
            shutil.rmtree(part)
    again = LoraRun(tmp_path / "model", Material([few]), tmp_path / "run", plan, device="cpu")
    assert again.step == 2 and [report.loss for report in again.train()] == losses


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


def adapt_command(source: Path, texts: Path, output: Path) -> list[str]:
    return ["train", "adapt", str(source), "-c", str(texts), "-o", str(output), "--lora"]


def train_for(num_tokens: int) -> list[str]:
    return ["--num-tokens", str(num_tokens), "--seq-len", "64", "--batch-tokens", "128", "--device", "cpu", "--json"]


@pytest.mark.slow
def test_the_command(tokenizer_folder: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_hf(tmp_path / "model", tokenizer_folder)
    command = [*adapt_command(source, few, tmp_path / "new"), "--vocab-size", "1024", "--anyway"]
    assert main([*command, "--lang", "en"]) == 2
    assert "with --lora expected --num-tokens" in capsys.readouterr().err
    assert main([*command, *train_for(256)]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["bits_after_training"] < about["bits_before_training"]
    assert json.loads(Path(about["run"], "config.json").read_text())["vocab_size"] == 1024


@pytest.mark.slow
def test_new_rows_are_trained_alone_first(
    tokenizer_folder: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_hf(tmp_path / "model", tokenizer_folder, "llama")
    command = [*adapt_command(source, few, tmp_path / "new"), "--method", "transfer", "--vocab-size", "448"]
    assert main([*command, *train_for(384)]) == 0
    run = Path(json.loads(capsys.readouterr().out)["run"]).parent
    found = find_checkpoint(run / "checkpoints")
    assert found is not None and (found.step, found.state["plan"]["table_steps"]) == (3, 1)


# -- before the work ------------------------------------------------------------------------------------------------
def test_a_plan_holds_no_more_tokens_than_were_asked_for() -> None:
    assert plan_lora(100_000, seq_len=1024) == LoraPlan(12, 1024, 8)
    assert plan_lora(5_000, seq_len=1024) == LoraPlan(1, 1024, 4)  # by itself a step takes what there is
    assert plan_lora(384, seq_len=64, batch_tokens=128, new_rows=True) == LoraPlan(3, 64, 2, table_steps=1)
    for options, way in (({"batch_tokens": 8192}, "smaller --batch-tokens"), ({}, "smaller --seq-len")):
        tokens = 5_000 if options else 1_000
        with pytest.raises(TrainingError, match=f"at least one step's .* found {tokens:,}: give a {way}"):
            plan_lora(tokens, seq_len=1024, **options)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("qwen3", "--num-tokens 50 --seq-len 64", "at least one step's"),
        ("qwen3", "--num-tokens 1000 --seq-len 64 --batch-tokens 2048", "smaller --batch-tokens"),
        ("llama", "--num-tokens 100000", "expected the architecture Qwen3ForCausalLM to train on with"),
        ("llama", "--num-tokens 1000 --seq-len 64 --batch-tokens 2048 --lora", "smaller --batch-tokens"),
        ("llama", "--num-tokens 100000 --seq-len 65536 --lora", "--seq-len of at most"),
    ],
)
def test_training_that_cannot_be_is_refused_before_the_adaptation(
    kind: str, options: str, message: str, tokenizer_folder: Path, few: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source = make_hf(tmp_path / "model", tokenizer_folder, kind)
    monkeypatch.setattr("samovar.train.adapt.run.adapt_model", lambda *_, **__: pytest.fail("it was adapted first"))
    command = ["train", "adapt", str(source), "-c", str(few), "-o", str(tmp_path / "new"), "--method", "transfer"]
    assert main([*command, *options.split(), "--lang", "en"]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("new*")) and not list(tmp_path.glob(".new*"))
