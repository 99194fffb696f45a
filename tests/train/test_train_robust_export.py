"""What an export, a measurement and a tuning say of the run they start from, and what an export does not write over."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from train_toys import make_run

from samovar.cli import main
from samovar.errors import TrainingError
from samovar.train.card import record_export, write_card
from samovar.train.evaluate import measure_texts
from samovar.train.export.export import export_model
from samovar.train.export.trained import open_trained
from samovar.train.sft import plan_tuning
from samovar.train.speaker import open_speaker

PROOF = {
    "engine": "llama.cpp", "kind": "f32", "num_tokens": 3, "same_tokens": 3, "mean_gap": 0.0, "max_gap": 0.0, "num_texts": 1, "mismatches": 0,
}  # fmt: skip


@pytest.fixture
def run(tokenizer_folder: Path, tmp_path: Path) -> Path:
    """A run with two checkpoints, its plan done."""
    return make_run(tmp_path / "run", tokenizer_folder, 4, 8, num_steps=8)


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


@pytest.mark.slow
def test_our_own_gguf_is_measured_as_the_run_it_came_from(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    place = tmp_path / "model.gguf"
    export_model(run, place, to="gguf", kind="f32")
    texts = ["Самовар стоит на столе, а в самоваре кипит вода."]
    own, other = (measure_texts(open_speaker(one), texts).bits_per_byte for one in (run, place))
    assert other == pytest.approx(own, rel=1e-4)


def test_an_export_is_in_the_card_of_before(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_card(run, licence="CC0 1.0")
    record_export(run, "x.gguf", {"bytes": 5, "proofs": [PROOF]})
    card = (run / "card.md").read_text("utf-8")
    assert "x.gguf" in card and card.startswith("# run\n") and "Licence of the weights: CC0 1.0." in card
    write_card(run)  # what was stated once holds until something else is stated
    assert "Licence of the weights: CC0 1.0." in (run / "card.md").read_text("utf-8")
    write_card(run, licence="MIT")
    assert "Licence of the weights: MIT." in (run / "card.md").read_text("utf-8")


def test_a_run_without_a_card_gets_none_from_an_export(run: Path) -> None:
    record_export(run, "x.gguf", {"bytes": 5, "proofs": [PROOF]})
    assert not (run / "card.md").exists() and (run / "exports.json").exists()


@pytest.mark.slow
def test_the_export_of_a_preference_tuned_model_is_noted(run: Path, tmp_path: Path) -> None:
    export_model(run, tmp_path / "tuned", to="hf")
    (tmp_path / "tuned" / "prefer.json").write_text("{}", "utf-8")
    assert main(["export", str(tmp_path / "tuned"), "--to", "gguf", "--threads", "1", "--json"]) == 0
    assert list(json.loads((tmp_path / "tuned" / "exports.json").read_text("utf-8"))) == ["tuned-q8_0.gguf"]


# -- what is asked --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "found", [{"data": []}, {"data": [{"title": 3, "paragraphs": [{"context": 3, "qas": []}]}]}, {"data": {}}, 3]
)
def test_no_questions_are_no_result(
    run: Path, tmp_path: Path, found: object, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(found), "utf-8")
    command = ["train", "eval", str(run), "--grounded", str(path), "--threads", "1", "--lang", "en"]
    assert main([*command, "--language", "en"]) == 1
    said = capsys.readouterr().err
    assert "expected questions" in said and "bug" not in said and not (run / "eval.json").exists()


def test_questions_that_do_not_fit_are_no_result(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = [{"question": "Who?" * 200, "answers": [{"text": "he"}]}]
    data = [{"title": "a", "paragraphs": [{"context": "text " * 200, "qas": questions}]}]
    (tmp_path / "squad.json").write_text(json.dumps({"data": data}), "utf-8")
    command = ["train", "eval", str(run), "--grounded", str(tmp_path / "squad.json"), "--threads", "1", "--lang", "en"]
    assert main([*command, "--language", "en"]) == 1
    assert "fit into the context, found 1" in capsys.readouterr().err and not (run / "eval.json").exists()


def test_a_pack_without_the_language_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "eval", str(run), "--pack", "core", "--language", "xx", "--threads", "1", "--lang", "en"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "questions in xx" in said and "ru" in said and "en" in said
