"""Measures of a trained model, and its card."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from train_toys import make_model, make_plan

from samovar.cli import main
from samovar.commands.train_eval import list_answers
from samovar.errors import TrainingError
from samovar.train import evaluate
from samovar.train.card import LIMITS, write_card
from samovar.train.checkpoint import save_checkpoint
from samovar.train.evaluate import (
    Asked,
    Choice,
    make_choices,
    measure_texts,
    overlap,
    read_squad,
    score_choices,
    score_grounded,
    score_option,
    wilson,
)  # fmt: skip
from samovar.train.export.trained import open_trained
from samovar.train.model import LanguageModel
from samovar.train.tokenizer import Tokenizer

SQUAD = {
    "data": [
        {
            "title": title,
            "paragraphs": [
                {"context": text, "qas": [{"question": question, "answers": [{"text": answer, "answer_start": 0}]}]}
            ],
        }
        for title, text, question, answer in [
            ("Чай", "Чай растёт в горах.", "Где растёт чай?", "в горах"),
            ("Самовар", "Самовар стоит на столе.", "Где стоит самовар?", "на столе"),
        ]
    ]
}


@pytest.fixture(scope="module")
def model_folder(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model") / "run"
    folder.mkdir()
    words = Tokenizer.load(tokenizer_folder)
    shape = make_model(vocab_size=words.vocab_size, hidden_size=64, head_dim=16, intermediate_size=96, max_seq_len=900)
    make_plan(model=shape, tokenizer_sha256=words.sha256).save(folder / "config.json")
    model = LanguageModel(shape)
    model.initialise(3)
    with torch.no_grad():
        model.model.embed_tokens.weight.zero_()  # every token equally likely
    state = {"cursor": 0, "seconds": 0.0, "tokenizer_sha256": words.sha256}
    save_checkpoint(folder / "checkpoints", 5, weights=model.state_dict(), optimiser={"x": torch.zeros(1)}, state=state)
    shutil.copytree(tokenizer_folder, folder / "tokenizer")
    return folder


def test_bits_of_a_model_that_knows_nothing(model_folder: Path) -> None:
    trained = open_trained(model_folder)
    text = "Самовар кипит. " * 400  # several windows
    bits = measure_texts(trained.build(), trained.tokenizer, [text, "Чай."], seq_len=64)
    tokens = sum(len(trained.tokenizer.encode(one)) for one in (text, "Чай."))
    num_bytes = len((text + "Чай.").encode())
    assert bits == pytest.approx(tokens * math.log2(trained.config.vocab_size) / num_bytes, rel=1e-5)
    with pytest.raises(TrainingError, match="found none"):
        measure_texts(trained.build(), trained.tokenizer, [])


def test_an_option_is_scored_by_all_its_tokens_a_byte(model_folder: Path) -> None:
    trained = open_trained(model_folder)
    model = trained.build()
    for option in ("Чай", "Самовар стоит на столе."):
        tokens = (
            len(trained.tokenizer.encode(f"assistant\n{option}")) - len(trained.tokenizer.encode("assistant\n")) + 1
        )
        wanted = -tokens * math.log(trained.config.vocab_size) / len(option.encode())
        assert score_option(model, trained.tokenizer, "Что?", option) == pytest.approx(wanted, rel=1e-5)


def test_equally_likely_options_are_no_success(model_folder: Path) -> None:
    trained = open_trained(model_folder)
    score = score_choices(trained.build(), trained.tokenizer, [Choice("Что?", ("Чай", "Чай"))])
    assert (score.num_asked, score.accuracy, score.chance) == (1, 0.0, 0.5)


def test_options_are_of_one_type_and_wrong_ones_are_wrong() -> None:
    answers = [(f"year {n}?", "year", (str(1900 + n), f"in {1900 + n}")) for n in range(6)]
    answers += [("who?", "person", ("Anna",)), ("which?", "year", ("1901",))]
    found = make_choices(answers, limit=50)
    assert len(found) == 7 and all(len(set(one.options)) == 4 for one in found)
    for one in found:
        right = next(golds for question, _, golds in answers if question == one.question)
        assert one.options[0] == right[0] and not set(one.options[1:]) & set(right)
    assert make_choices(answers, limit=50) == found != make_choices(answers, limit=50, seed=1)
    assert make_choices(answers[:3], limit=5) == []


class Scripted:
    """Replies by what is asked; stands where the model's own greedy answer would."""

    def __init__(self, replies: dict[str, str]) -> None:
        self.replies = replies

    def __call__(self, model: object, words: object, messages: list[dict[str, str]]) -> str | None:
        return next((reply for start, reply in self.replies.items() if messages[-1]["content"].startswith(start)), None)


def lay_out(question: str, passages: object, key: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"{question} {passages}"}]


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("в горах [1]", (1.0, 1.0, 1.0, 0.0, 0.0)),
        ("Чай растёт в горах [1].", (0.0, 2 * 2 / 6, 1.0, 0.0, 0.0)),
        ("на столе [2]", (0.0, 0.0, 0.0, 0.0, 0.0)),
        ("NO_ANSWER", (0.0, 0.0, 0.0, 1.0, 1.0)),
        ("", (0.0, 0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_grounded_answers_are_judged(
    reply: str, wanted: tuple[float, ...], monkeypatch: pytest.MonkeyPatch, model_folder: Path
) -> None:
    trained = open_trained(model_folder)
    monkeypatch.setattr(evaluate, "_reply", Scripted({"Где растёт": reply}))
    questions = [Asked("Где растёт чай?", ("Чай", "в горах"), ("в горах",))]
    other = [Asked("Другое?", ("Самовар", "на столе"), ("на столе",))]
    model, words = trained.build(), trained.tokenizer
    for seed in range(20):  # one question of the two: the one that is scripted
        score = score_grounded(model, words, questions + other, "ru", lay_out, "NO_ANSWER", limit=1, seed=seed)
        if score.num_asked:
            break
    assert (score.exact, score.f1, score.cited, score.declined, score.abstained) == pytest.approx(wanted)
    assert (score.num_asked, score.num_twins, score.num_too_long) == (1, 1, 0)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_overlap_is_symmetric_and_bounded(one: list[str], two: list[str]) -> None:
    assert overlap(one, two) == overlap(two, one) and 0 <= overlap(one, two) <= 1
    assert (overlap(one, two) == 1) == (sorted(one) == sorted(two))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share(total: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, total))
    low, high = wilson(hits, total)
    assert 0 <= low <= hits / total + 1e-12 and hits / total <= high + 1e-12 <= 1 + 2e-12
    assert wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def test_squad_files(tmp_path: Path) -> None:
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(SQUAD), "utf-8")
    assert read_squad(path)[1] == Asked("Где стоит самовар?", ("Самовар", "Самовар стоит на столе."), ("на столе",))
    path.write_text('{"data": [{"title": 1}]}', "utf-8")
    with pytest.raises(TrainingError, match="SQuAD's format"):
        read_squad(path)


def test_the_core_pack_gives_questions_of_types() -> None:
    answers = list_answers("core", "ru")
    assert len(answers) > 100 and {"year", "person", "work"} <= {kind for _, kind, _ in answers}
    assert len(make_choices(answers, limit=30)) == 30


def test_the_command_measures_and_writes_the_card(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(model_folder, folder)
    squad, text = tmp_path / "squad.json", tmp_path / "text.txt"
    squad.write_text(json.dumps(SQUAD), "utf-8")
    text.write_text("Самовар стоит на столе.", "utf-8")
    command = ["train", "eval", str(folder), "--threads", "1", "--language", "ru"]
    options = ["--texts", str(text), "--grounded", str(squad), "--pack", "core", "--limit", "2"]
    assert main([*command, *options, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results["texts text.txt"]["bits_per_byte"] > 1 and results["audit core"]["num_asked"] == 2
    assert results["grounded squad.json"]["num_asked"] == 2 and results["grounded squad.json"]["abstained"] == 0
    assert main([*command, "--texts", str(text), "--licence", "Apache-2.0", "--lang", "en"]) == 0
    assert "The model's card" in capsys.readouterr().out
    card = (folder / "card.md").read_text("utf-8")
    assert "audit core: accuracy" in card and "Licence of the weights: Apache-2.0." in card  # earlier results are kept
    assert all(limit in card for limit in LIMITS) and "samovar train pretrain" in card
    assert main([*command]) == 2
    assert "--grounded" in capsys.readouterr().err


def test_a_card_says_what_it_does_not_know(tmp_path: Path) -> None:
    make_plan().save(tmp_path / "config.json")
    (tmp_path / "log.jsonl").write_text('{"step": 1, "tokens": 128, "loss": 2.5, "seconds": 3.0, "bits": 1.5}\n')
    card = write_card(tmp_path, name="Toy | one").read_text("utf-8")
    assert card.startswith("# Toy | one\n") and "an unknown number of documents" in card
    assert "| 1 | 128 | 2.500 | 1.500 |" in card and "nothing yet" in card
    with pytest.raises(TrainingError, match="without a plan"):
        write_card(tmp_path / "none")


def test_questions_that_fit_no_context_are_counted_and_no_share_is_made_up(model_folder: Path) -> None:
    trained = open_trained(model_folder)
    long = [Asked(f"{name}?", (name, "Чай. " * 900), ("Чай",)) for name in ("А", "Б")]
    score = score_grounded(trained.build(), trained.tokenizer, long, "ru", lay_out, "NO_ANSWER", limit=2)
    assert (score.num_asked, score.num_twins, score.num_too_long) == (0, 0, 4)
    assert (score.exact, score.f1, score.abstained) == (None, None, None)
