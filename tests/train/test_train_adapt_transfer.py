"""Another vocabulary: shared tokens are copied, new ones begin as means, and training goes on from there, killed or not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
pytest.importorskip("rustbpe")

import torch
from adapt_toys import change_json, make_hf, write_corpus
from safetensors.torch import load_file

from samovar.cli import main
from samovar.errors import TrainingError
from samovar.train import bpe
from samovar.train.adapt.huggingface import open_folder
from samovar.train.adapt.material import Material
from samovar.train.adapt.onward import open_onward
from samovar.train.adapt.run import adapt_model
from samovar.train.adapt.transfer import plan_rows, transfer_folder
from samovar.train.tokenizer import Tokenizer, train_tokenizer

TABLE = "model.embed_tokens.weight"


@pytest.fixture(scope="module")
def corpus(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("texts") / "ru", articles[:60])


@pytest.fixture(scope="module")
def few(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("texts") / "few", articles[:10])


@pytest.fixture(scope="module")
def model(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hf(tmp_path_factory.mktemp("hf") / "model", tokenizer_folder)


@pytest.fixture(scope="module")
def other(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer that shares some tokens with the model's."""
    folder = tmp_path_factory.mktemp("tokenizer") / "other"
    train_tokenizer([text.upper() for text in articles[:30]] + articles[60:90], 1024, folder)
    return folder


def test_rows_are_copied_or_means(model: Path, other: Path, tmp_path: Path) -> None:
    made = transfer_folder(model, other, tmp_path / "new")
    old, new = (load_file(folder / "model.safetensors")[TABLE] for folder in (model, tmp_path / "new"))
    folder, words = open_folder(model), Tokenizer.load(other)
    rows = plan_rows(folder, words)
    assert new.shape[0] == words.vocab_size == made.new_vocab_size and made.num_copied > 300 and made.num_averaged > 100
    for token, rank in words.ranks.items():
        text = bpe.as_characters(token)
        assert "".join(str(folder.vocabulary.tokens[number]) for number in rows[rank]) == text  # nothing is lost
        if text in folder.vocabulary.ids:
            assert rows[rank] == [folder.vocabulary.ids[text]]
        assert torch.allclose(new[rank], old[rows[rank]].mean(0), atol=1e-6)
    assert torch.equal(new[words.turn_end], old[folder.vocabulary.tokens.index("<|im_end|>")])
    padding = words.special_ids.get("<|unused_0|>")
    if padding is not None:
        assert padding in {number for number, row in enumerate(rows) if not row} or len(rows[padding]) == 1
    rest = set(load_file(model / "model.safetensors")) - {TABLE}
    before, after = load_file(model / "model.safetensors"), load_file(tmp_path / "new" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in rest)


def test_the_same_tokenizer_changes_nothing(model: Path, tokenizer_folder: Path, corpus: Path, tmp_path: Path) -> None:
    made = adapt_model(model, Material([corpus]), tmp_path / "same", method="transfer", tokenizer=tokenizer_folder)
    report = made.report
    assert report["num_averaged"] == 0 and report["mean_parts"] == 1.0
    assert report["old"]["fertility"]["num_tokens"] == report["new"]["fertility"]["num_tokens"]
    assert report["new"]["bits"] == pytest.approx(report["old"]["bits"], abs=0.02)  # 64 rows that no token had are gone


def test_a_tokenizer_is_learnt_where_none_is_named(model: Path, corpus: Path, tmp_path: Path) -> None:
    made = adapt_model(model, Material([corpus]), tmp_path / "new", method="transfer", vocab_size=512)
    assert (
        Tokenizer.load(made.path).vocab_size == 512 == json.loads((made.path / "config.json").read_text())["vocab_size"]
    )
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(TrainingError, match="expected the folder of a tokenizer"):
        adapt_model(model, Material([corpus]), tmp_path / "x", method="transfer", tokenizer=tmp_path / "nothing")


@pytest.mark.slow
def test_training_goes_on_and_resumes(model: Path, other: Path, few: Path, tmp_path: Path) -> None:
    transfer_folder(model, other, tmp_path / "new")

    def begin(place: Path):  # type: ignore[no-untyped-def]
        return open_onward(
            tmp_path / "new", [few], place, num_tokens=6 * 128, seq_len=32, batch_tokens=128, device="cpu", compile_model=False
        )  # fmt: skip

    whole = begin(tmp_path / "run")
    weights = load_file(tmp_path / "new" / "model.safetensors")
    assert torch.equal(whole.model.state_dict()[TABLE], weights[TABLE])  # it begins with the transferred weights
    assert whole.plan.matrix_lr < 0.01 and whole.plan.num_steps == 6
    before = whole.measure()
    losses = [report.loss for report in whole.run()]
    assert whole.measure() < before
    killed = begin(tmp_path / "killed")
    for report in killed.run():
        if report.step == 2:
            killed.save()
            break
    again = begin(tmp_path / "killed")
    assert again.step == 2 and [report.loss for report in again.run()] == losses[2:]


def test_other_architectures_are_not_trained_on(
    tokenizer_folder: Path, other: Path, corpus: Path, tmp_path: Path
) -> None:
    transfer_folder(make_hf(tmp_path / "llama", tokenizer_folder, "llama", tied=False), other, tmp_path / "new")
    weights = load_file(tmp_path / "new" / "model.safetensors")
    assert weights["lm_head.weight"].shape == weights[TABLE].shape == (1024, 64)
    with pytest.raises(TrainingError, match="expected the architecture Qwen3ForCausalLM to train on with"):
        open_onward(tmp_path / "new", [corpus], tmp_path / "run", num_tokens=1000)
    assert not (tmp_path / "run").exists()


# -- the command ----------------------------------------------------------------------------------------------------
def test_the_command_trims(model: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "adapt", str(model), "--corpus", str(corpus), "--vocab-size", "1536", "--anyway"]
    assert main([*command, "-o", str(tmp_path / "a"), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["method"] == "trim" and about["new"]["vocab_size"] == 1536 and "old_ids" not in about
    assert main([*command, "-o", str(tmp_path / "b"), "--lang", "ru"]) == 0
    said = capsys.readouterr()
    assert "Токенов: 2112 → 1536" in said.out.replace("\u00a0", "").replace("\u202f", "") and "бит на байт" in said.out
    assert main([*command, "-o", str(tmp_path / "b"), "--lang", "en"]) == 1
    assert "expected a new name for the result" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_transfers_and_trains(
    model: Path, other: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train", "adapt", str(model), "--corpus", str(few), "--method", "transfer", "--tokenizer", str(other), "-o", str(tmp_path / "new"),
        "--num-tokens", "512", "--seq-len", "32", "--batch-tokens", "128", "--device", "cpu", "--no-compile",
    ]  # fmt: skip
    assert main([*command, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["bits_after_training"] < about["bits_before_training"] and Path(about["run"], "log.jsonl").is_file()
    assert main([*command, "--lang", "en"]) == 0  # finished: nothing is done again
    assert "Bits per byte on held-out text" in capsys.readouterr().out
    assert main(["train", "adapt", str(model), "-c", str(few), "-o", str(tmp_path / "x"), "--num-tokens", "5"]) == 2
    assert "--method transfer" in capsys.readouterr().err


def test_an_unknown_model_type_is_told(
    model: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = Path(shutil.copytree(model, tmp_path / "strange"))
    change_json(strange / "config.json", model_type="unheard_of", architectures=["UnheardOfForCausalLM"])
    assert main(["train", "adapt", str(strange), "-c", str(corpus), "-o", str(tmp_path / "x"), "--lang", "en"]) == 1
    assert "expected a model that transformers loads" in capsys.readouterr().err
    assert not (tmp_path / "x").exists() and not list(tmp_path.glob(".*"))


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from samovar.cli import main; main(['train', 'adapt', '--help']);"
        "sys.exit(bool({'torch', 'numpy', 'tiktoken', 'tokenizers', 'transformers', 'gguf'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
