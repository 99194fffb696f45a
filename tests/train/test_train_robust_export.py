"""What an export, a measurement and a tuning say of the run they start from, and what an export does not write over."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from train_toys import make_model, make_plan

from samovar.cli import main
from samovar.errors import TrainingError
from samovar.train.checkpoint import save_checkpoint
from samovar.train.export.export import export_model
from samovar.train.export.trained import open_trained
from samovar.train.model import LanguageModel
from samovar.train.sft import plan_tuning
from samovar.train.speaker import open_speaker
from samovar.train.tokenizer import Tokenizer


@pytest.fixture
def run(tokenizer_folder: Path, tmp_path: Path) -> Path:
    """A run's folder with two checkpoints of random weights, its plan done."""
    words = Tokenizer.load(tokenizer_folder)
    shape = make_model(vocab_size=words.vocab_size, max_seq_len=96)
    folder = tmp_path / "run"
    folder.mkdir()
    make_plan(model=shape, tokenizer_sha256=words.sha256, num_steps=8).save(folder / "config.json")
    shutil.copytree(tokenizer_folder, folder / "tokenizer")
    model = LanguageModel(shape)
    state = {"cursor": 0, "seconds": 0.0, "tokenizer_sha256": words.sha256}
    for step in (4, 8):
        model.initialise(step)
        save_checkpoint(
            folder / "checkpoints", step, weights=model.state_dict(), optimiser={"x": torch.zeros(1)}, state=state
        )
    return folder


def damage(run: Path) -> None:
    path = run / "checkpoints" / "step-0000008" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_whole_finished_run_is_opened_without_a_word(run: Path) -> None:
    said: list[str] = []
    assert open_trained(run, warn=said.append).step == 8 and not said


def test_a_damaged_checkpoint_and_an_unfinished_run_are_said(run: Path, tmp_path: Path) -> None:
    damage(run)
    for opened in (
        lambda warn: open_trained(run, warn=warn),
        lambda warn: open_speaker(run, warn=warn),
        lambda warn: plan_tuning(run, ["seed:ru"], warn=warn).trained,
    ):
        said: list[str] = []
        assert opened(said.append).step == 4
        assert "step-0000008" in said[0] and "missing or changed" in said[0]
        assert "step 4 of 8" in said[1] and len(said) == 2


def test_the_commands_say_it(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(run)
    text = tmp_path / "text.txt"
    text.write_text("Самовар стоит на столе.", "utf-8")
    assert main(["train", "eval", str(run), "--texts", str(text), "--threads", "1", "--lang", "en"]) == 0
    said = capsys.readouterr().err
    assert "missing or changed" in said and "step 4 of 8" in said


@pytest.mark.parametrize("to", ["gguf", "hf"])
def test_nothing_of_somebody_else_is_written_over(run: Path, tmp_path: Path, to: str) -> None:
    taken = tmp_path / "z.txt"
    taken.write_text("precious", "utf-8")
    with pytest.raises(TrainingError, match="expected a new name"):
        export_model(run, taken, to=to)
    assert taken.read_text("utf-8") == "precious"
    with pytest.raises(TrainingError, match="expected a new name"):
        export_model(run, tmp_path, to=to)


@pytest.mark.slow
def test_an_earlier_file_is_written_anew(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "model.gguf"
    first = export_model(run, place, to="gguf", kind="q8_0")
    assert export_model(run, place, to="gguf", kind="f32").num_bytes > first.num_bytes


@pytest.mark.slow
@pytest.mark.parametrize(("here", "name"), [("run", "."), ("run/checkpoints", "..")])
def test_a_run_is_exported_from_inside(
    run: Path, tmp_path: Path, here: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / here)
    assert main(["export", name, "--to", "gguf", "--threads", "1", "--json"]) == 0
    assert (tmp_path / "run-q8_0.gguf").is_file()
    assert sorted(os.listdir(run)) == ["checkpoints", "config.json", "exports.json", "tokenizer"]


def test_damaged_notes_of_exports_are_said_before_the_work(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "exports.json").write_text("xx{", "utf-8")
    assert main(["export", str(run), "--to", "gguf", "--lang", "en"]) != 0
    assert "exports.json" in capsys.readouterr().err and not list(tmp_path.glob("*.gguf"))
