"""What a measurement and a card say: in the reader's language, and of the model that was really tuned."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from train_toys import make_plan, make_run, make_sources

from samovar.cli import main
from samovar.commands import stops, train_eval
from samovar.errors import TrainingError
from samovar.messages import available_languages, use_language, words
from samovar.train import evaluate
from samovar.train.adapt import onward
from samovar.train.batches import Batches
from samovar.train.card import card_lines
from samovar.train.distributed import Team
from samovar.train.loop import Trainer
from samovar.train.prepare import prepare
from samovar.train.sft import open_tuning, plan_tuning


@pytest.fixture
def run(tokenizer_folder: Path, tmp_path: Path) -> Path:
    return make_base(tmp_path / "one" / "base", tokenizer_folder)


def make_base(folder: Path, tokenizer: Path, num_steps: int = 8) -> Path:
    return make_run(folder, tokenizer, 8, num_steps=num_steps, tokens_sha256="c0ffee" * 10)


# -- words ----------------------------------------------------------------------------------------------------------
def test_results_are_said_in_the_readers_language(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.txt").write_text("Самовар стоит на столе.", "utf-8")
    command = ["train", "eval", str(run), "--texts", str(tmp_path / "x.txt"), "--threads", "1"]
    assert main([*command, "--lang", "ru"]) == 0
    said = capsys.readouterr().out
    assert "бит на байт" in said and "тексты x.txt" in said
    assert not re.search("[a-z]{3}", said.splitlines()[1])
    assert main([*command, "--lang", "en"]) == 0
    assert "bits per byte" in (said := capsys.readouterr().out) and "texts x.txt" in said
    assert "| bits per byte |" in (run / "card.md").read_text("utf-8")
    assert list(json.loads((run / "eval.json").read_text("utf-8"))) == ["texts x.txt"]


@pytest.mark.parametrize("language", available_languages())
def test_every_figure_has_its_words(language: str) -> None:
    scores = (evaluate.TextScore, evaluate.GroundedScore, evaluate.ChoiceScore, evaluate.AnswerScore)
    names = {field.name for score in scores for field in fields(score)} - {"standard_error", "standard_errors"}
    assert all(words(language).has(f"eval.figure_{name}") for name in names)


@pytest.mark.parametrize(
    "name",
    ["texts a b.txt", "texts x 0a1b2c3d", "held-out texts of tokens", "grounded q.json", "audit core by likelihood", "audit core answered"],
)  # fmt: skip
def test_every_name_of_a_result_has_its_words(name: str) -> None:
    use_language("en")
    assert train_eval.show_name(name) == name
    use_language("ru")
    try:
        shown = train_eval.show_name(name)
        assert train_eval.show_name("of another version") == "of another version"
    finally:
        use_language("en")
    assert re.search("[а-я]{4}", shown)
    assert any(part in shown for part in ("a b.txt", "x 0a1b2c3d", "tokens", "q.json", "core"))


@pytest.mark.parametrize(("language", "mark"), [("ru", ","), ("en", ".")])
def test_very_small_and_very_large_numbers_have_the_languages_mark(language: str, mark: str) -> None:
    short = words(language).short
    found = [short(value) for value in (8.53e-07, 0.00064, 3.14e19, 2.0, 0.0)]
    assert found == [f"8{mark}5e-07", f"0{mark}00064", f"3{mark}1e+19", "2", "0"]


def test_a_plan_is_said_with_the_languages_mark(capsys: pytest.CaptureFixture[str]) -> None:
    for language, pattern in (("ru", r"\d,\de\+\d\d FLOP"), ("en", r"\d\.\de\+\d\d FLOP")):
        assert main(["train", "plan", "--depth", "3", "--lang", language]) == 0
        said = capsys.readouterr()
        assert re.search(pattern, said.out + said.err)
    use_language("en")


def test_nothing_to_measure_is_said_in_the_readers_language(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "eval", str(run), "--lang", "ru"]) == 2
    assert "нечего измерять" in capsys.readouterr().err.lower()


# -- the parent -----------------------------------------------------------------------------------------------------
def test_the_card_of_a_tuned_model_tells_of_its_own_parent(
    run: Path, tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_base(tmp_path / "two" / "base", tokenizer_folder, num_steps=999)  # another of the same name, beside the result
    monkeypatch.chdir(run)
    tuning = plan_tuning(Path("."), ["seed:ru"], compile=False, precision="fp32")
    open_tuning(tuning, tmp_path / "two" / "chat")
    card = "\n".join(card_lines(tmp_path / "two" / "chat", "chat", ""))
    assert f"planned for {8 * 4 * 32:,} tokens of the shards c0ffeec0ffee" in card
    assert "started from | base, step 8" in card and "samovar train sft base --data" in card


def test_of_the_parent_of_a_parent_nothing_is_guessed(run: Path, tmp_path: Path) -> None:
    (run / "data.json").write_text("{}", "utf-8")  # tuned itself: its steps were no pretraining
    open_tuning(plan_tuning(run, ["seed:ru"], compile=False, precision="fp32"), tmp_path / "chat")
    assert "unknown here: see its own card" in "\n".join(card_lines(tmp_path / "chat", "chat", ""))


# -- the start ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_scheduler_that_ends_the_start_is_told_to_come_again(name: str) -> None:
    before = signal.getsignal(getattr(signal, name))
    with pytest.raises(SystemExit) as raised, stops.early_stops():
        os.kill(os.getpid(), getattr(signal, name))
        time.sleep(5)
    assert raised.value.code == stops.AGAIN and signal.getsignal(getattr(signal, name)) == before


def test_the_commands_listen_from_their_start(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []

    def look(*arguments: object, **options: object) -> None:
        heard.append(signal.getsignal(signal.SIGTERM))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("samovar.train.pretrain.plan_pretraining", look)
    monkeypatch.setattr("samovar.train.sft.plan_tuning", look)
    for command in ("pretrain x -t x -o x", "sft x --data x -o x"):
        with pytest.raises(SystemExit) as raised:
            main(["train", *command.split()])
        assert raised.value.code == stops.AGAIN
    assert len(heard) == 2 and before not in heard and signal.getsignal(signal.SIGTERM) == before


def test_too_little_held_out_text_names_the_option(tokenizer_folder: Path, articles: list[str], tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    for number, text in enumerate(articles[:10]):
        (tmp_path / "texts" / f"{number}.md").write_text(text[:400], "utf-8")
    prepare([tmp_path / "texts"], tokenizer_folder, tmp_path / "tokens", workers=1)
    with pytest.raises(TrainingError, match=r"split val .*--validation"):
        Batches(tmp_path / "tokens", "val", 512)
    with pytest.raises(TrainingError, match="split train") as raised:
        Batches(tmp_path / "tokens", "train", 100_000)
    assert "--validation" not in str(raised.value)


def test_what_was_measured_before_the_first_step_is_kept(tmp_path: Path) -> None:
    team = Team(0, 1, torch.device("cpu"))
    trainer = Trainer(make_plan(), tmp_path, make_sources(), team)
    assert onward.measure_before(trainer) == trainer.measure()
    before = trainer.measure()
    list(trainer.run())
    again = Trainer(make_plan(), tmp_path, make_sources(), team)
    assert again.step == 12 and onward.measure_before(again) == before != again.measure()
    (tmp_path / "before.json").write_text("{", "utf-8")
    assert onward.measure_before(again) is None
