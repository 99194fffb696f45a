"""What an adaptation costs other languages: measured on their texts before and after, told, and refused where it is too much."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="the extra 'adapt' is not installed")
pytest.importorskip("rustbpe")

from adapt_toys import ENGLISH, make_hf, write_corpus

from samovar.cli import main
from samovar.errors import TrainingError
from samovar.train.adapt import trim
from samovar.train.adapt.material import Material
from samovar.train.adapt.others import MAX_TEXTS, Measured, measure_others, read_others
from samovar.train.adapt.quality import measure_causal, open_causal, open_encoder
from samovar.train.adapt.run import adapt_model
from samovar.train.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def corpus(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("texts") / "ru", articles[:40])


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("texts") / "en", [" ".join(ENGLISH)] * 3)


@pytest.fixture(scope="module")
def model(articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights around a tokenizer that knows both languages."""
    place = tmp_path_factory.mktemp("both")
    train_tokenizer([*articles[:40], *[text for text in ENGLISH for _ in range(400)]], 2048, place / "words")
    return make_hf(place / "model", place / "words")


def test_the_cost_is_in_the_report_and_on_the_card(model: Path, corpus: Path, english: Path, tmp_path: Path) -> None:
    made = adapt_model(model, Material([corpus], keep=[english]), tmp_path / "new", vocab_size=1024, anyway=True)
    others = made.report["others"]
    assert others["num_texts"] == 3
    assert others["new"]["tokens_per_word"] > 1.2 * others["old"]["tokens_per_word"]  # English pieces were dropped
    texts = read_others([english])
    for name, place in (("old", model), ("new", made.path)):
        start = json.loads((place / "config.json").read_text())["bos_token_id"]
        assert others[name]["bits"] == pytest.approx(
            measure_causal(open_causal(place), open_encoder(place), texts, start)
        )
    assert others["change"] == pytest.approx(others["new"]["bits"] / others["old"]["bits"] - 1)
    card = (made.path / "README.md").read_text()
    assert f"| bits per byte, other texts | {others['old']['bits']:.4f} | {others['new']['bits']:.4f} |" in card
    kept = adapt_model(model, Material([corpus, english], keep=[english]), tmp_path / "kept", anyway=True)
    # named in --corpus: nothing lost
    assert kept.report["others"]["new"]["tokens_per_word"] == others["old"]["tokens_per_word"]


def test_without_other_texts_the_card_says_so(model: Path, corpus: Path, tmp_path: Path) -> None:
    made = adapt_model(model, Material([corpus]), tmp_path / "new", vocab_size=1024, anyway=True)
    assert made.report["others"] is None
    assert "What it costs other languages was not measured." in (made.path / "README.md").read_text()


def test_too_high_a_cost_is_refused(
    model: Path, corpus: Path, english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trim, "MAX_LOSS", 9.0)
    monkeypatch.setattr(trim, "MAX_OTHER_LOSS", -0.9)
    with pytest.raises(TrainingError, match="the texts to keep to grow by at most"):
        adapt_model(model, Material([corpus], keep=[english]), tmp_path / "new", vocab_size=1024)
    assert not list(tmp_path.iterdir())
    assert adapt_model(model, Material([corpus]), tmp_path / "out", vocab_size=1024).path.is_dir()


def test_figures_of_known_models() -> None:
    old = Measured(lambda text: list(range(len(text.split()))), lambda texts: 1.0)
    new = Measured(lambda text: list(range(3 * len(text.split()))), lambda texts: 1.25)
    found = measure_others(["one two", "three"], old, new)
    assert found is not None and (found.old_tokens_per_word, found.new_tokens_per_word, found.change) == (
        1.0,
        3.0,
        0.25,
    )
    assert measure_others([], old, new) is None


def test_few_texts_are_taken_of_many(tmp_path: Path) -> None:
    assert read_others([]) == []
    folder = write_corpus(tmp_path / "many", ["word " * 900] * (2 * MAX_TEXTS))
    found = read_others([folder])
    assert len(found) == MAX_TEXTS and max(map(len, found)) == 2000
    with pytest.raises(TrainingError, match="expected texts"):
        read_others([tmp_path / "nothing"])


@pytest.mark.slow
def test_the_command_tells_it(
    model: Path, corpus: Path, english: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train",
        "adapt",
        str(model),
        "-c",
        str(corpus),
        "--keep-text",
        str(english),
        "--anyway",
        "--vocab-size",
        "1024",
    ]
    assert main([*command, "-o", str(tmp_path / "a"), "--lang", "en"]) == 0
    assert "bits per byte, other texts" in capsys.readouterr().out
    train = ["--lora", "--num-tokens", "128", "--seq-len", "64", "--batch-tokens", "64", "--device", "cpu", "--json"]
    assert main([*command, "-o", str(tmp_path / "b"), *train]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["others_before_training"] > 0 < about["others_after_training"]
    # begun without a BOS
    assert about["others_before_training"] == pytest.approx(about["others"]["new"]["bits"], rel=0.05)
    card = Path(about["run"], "README.md").read_text()
    assert "that trains nothing" in card and card.count("## Trained on afterwards") == 1
    shown = " | ".join(f"{about[f'others_{when}_training']:.4f}" for when in ("before", "after"))
    assert f"| bits per byte, other texts | {shown} |" in card
    onward = [
        "--method",
        "transfer",
        "--num-tokens",
        "128",
        "--seq-len",
        "32",
        "--batch-tokens",
        "64",
        "--device",
        "cpu",
        "--no-compile",
    ]
    assert main([*command, *onward, "-o", str(tmp_path / "c"), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["others_before_training"] == pytest.approx(about["others"]["new"]["bits"], rel=1e-3)
    assert about["others_after_training"] != about["others_before_training"]
