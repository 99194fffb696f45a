"""Torn lines, doubled lines and foreign files: a run's own files are read as a kill may have left them, and nobody else's are written over."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from train_toys import make_plan, make_sources

from samovar.errors import TrainingError
from samovar.train import card
from samovar.train.card import card_lines, record_export
from samovar.train.distributed import Team
from samovar.train.evaluate import write_results
from samovar.train.lines import append_line, cut_log, read_lines
from samovar.train.loop import LOG, SAMPLES, Trainer
from samovar.train.tokenizer import Tokenizer, train_tokenizer

ALONE = Team(0, 1, torch.device("cpu"))
TORN = '{"step": 4, "prompt": "Чай", "text": "Самова'.encode()[:-1]  # in the middle of a letter


class Letters:
    """A tokenizer of bytes."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: list[int]) -> str:
        return bytes(number for number in ids if number < 256).decode("utf-8", "replace")


def open_toy(folder: Path) -> Trainer:
    sources = replace(make_sources(), tokenizer=Letters(), prompts=("The samovar",))
    return Trainer(make_plan(sample_every=2, save_every=4), folder, sources, ALONE)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    for report in open_toy(folder).run():
        if report.step == 7:  # as if killed here: the last checkpoint is that of step 4
            break
    return folder


def copy(run: Path, place: Path) -> Path:
    import shutil

    return Path(shutil.copytree(run, place))


# -- lines ----------------------------------------------------------------------------------------------------------
def test_a_run_that_goes_on_has_each_sample_once(run: Path, tmp_path: Path) -> None:
    folder = copy(run, tmp_path / "run")
    assert [line["step"] for line in read_lines(folder / SAMPLES)] == [2, 4, 6]
    with (folder / SAMPLES).open("ab") as file:
        file.write(TORN)
    list(open_toy(folder).run())
    assert [line["step"] for line in read_lines(folder / SAMPLES)] == [2, 4, 6, 8, 10, 12]
    assert [line["step"] for line in read_lines(folder / LOG)] == list(range(1, 13))


@pytest.mark.parametrize("name", [LOG, SAMPLES])
@pytest.mark.parametrize("torn", [TORN, b"\0\0\0\0", b"12"], ids=["cut", "zeros", "number"])
def test_a_card_is_written_past_torn_lines(run: Path, tmp_path: Path, name: str, torn: bytes) -> None:
    folder = copy(run, tmp_path / "run")
    whole = list(card_lines(folder, "toy", ""))
    lines = (folder / name).read_bytes().splitlines(keepends=True)
    (folder / name).write_bytes(b"".join([lines[0], torn + b"\n", *lines[1:], torn]))
    assert list(card_lines(folder, "toy", "")) == whole


def test_a_card_of_empty_files_is_written(run: Path, tmp_path: Path) -> None:
    folder = copy(run, tmp_path / "run")
    for name in (LOG, SAMPLES):
        (folder / name).write_bytes(b"")
    assert "Not begun." in list(card_lines(folder, "toy", ""))


def test_lines_end_at_line_ends_only(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    text = "a\u2028b\u0085c\x0bd"  # line ends for splitlines, none for JSON Lines
    append_line(path, {"step": 1, "text": text})
    append_line(path, {"step": 2, "text": ""})
    assert [line["text"] for line in read_lines(path)] == [text, ""]
    cut_log(path, 1)
    assert [line["text"] for line in read_lines(path)] == [text]
    cut_log(tmp_path / "none.jsonl", 1)
    assert not (tmp_path / "none.jsonl").exists()  # nothing to cut, nothing made


# -- results --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("damage", ["xx{", "[1]", '{"audit": 3}'])
def test_damaged_results_are_refused_before_anything_is_measured(run: Path, tmp_path: Path, damage: str) -> None:
    folder = copy(run, tmp_path / "run")
    card.check_card(folder)
    for name in ("eval.json", "exports.json"):
        (folder / name).write_text(damage, "utf-8")
        with pytest.raises(TrainingError, match=rf"{name}.*delete it"):
            card.check_card(folder)
        (folder / name).unlink()
    (folder / "eval.json").write_text(damage, "utf-8")
    with pytest.raises(TrainingError, match=r"eval\.json"):
        write_results(folder, {"texts": {"step": 4}})
    assert (folder / "eval.json").read_text("utf-8") == damage
    (folder / "exports.json").write_text(damage, "utf-8")
    with pytest.raises(TrainingError, match=r"exports\.json"):
        record_export(folder, "x.gguf", {"proofs": [], "bytes": 1})


def test_results_of_before_are_kept(tmp_path: Path) -> None:
    write_results(tmp_path, {"one": {"step": 1}})
    write_results(tmp_path, {"two": {"step": 2}})
    assert json.loads((tmp_path / "eval.json").read_text("utf-8")) == {"one": {"step": 1}, "two": {"step": 2}}


# -- a tokenizer's folder -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_the_tokenizer_of_somebody_else_is_not_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious", "utf-8")

    def never() -> object:
        raise AssertionError("the texts were read")

    with pytest.raises(TrainingError, match=rf"{name}.*name another folder"):
        train_tokenizer((never() for _ in "x"), 320, tmp_path)  # type: ignore[misc]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text("utf-8") == "precious"


def test_what_a_killed_training_left_is_written_anew(tmp_path: Path, articles: list[str]) -> None:
    made = train_tokenizer(articles[:20], 320, tmp_path)
    (tmp_path / "samovar.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    assert train_tokenizer(articles[:20], 320, tmp_path).sha256 == made.sha256
    assert Tokenizer.load(tmp_path).sha256 == made.sha256


def test_a_file_where_the_tokenizers_folder_should_be_is_said(tmp_path: Path, articles: list[str]) -> None:
    (tmp_path / "taken").write_text("", "utf-8")
    with pytest.raises(TrainingError, match="expected a folder"):
        train_tokenizer(articles[:20], 320, tmp_path / "taken")


@pytest.mark.parametrize("texts", [["чай " * 30_000], ["ab" * 30_000]], ids=["words", "letters"])
def test_texts_of_few_words_are_told_from_few_texts(tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(TrainingError, match="too few different words") as raised:
        train_tokenizer(texts, 320, tmp_path / "made")
    assert "expected at least" not in str(raised.value)
    with pytest.raises(TrainingError, match="expected at least 10,240 characters"):
        train_tokenizer(["чай"], 320, tmp_path / "made")
