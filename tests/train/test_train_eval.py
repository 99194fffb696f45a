"""Measures of a trained model, and its card."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from train_toys import make_model, make_plan

from samovar.cli import main
from samovar.commands.train_eval import list_answers, list_probes
from samovar.errors import TrainingError
from samovar.train.card import LIMITS, write_card
from samovar.train.checkpoint import save_checkpoint
from samovar.train.evaluate import (
    Asked,
    Choice,
    make_choices,
    measure_texts,
    overlap,
    read_squad,
    score_answers,
    score_choices,
    score_grounded,
    share_error,
    wilson,
)  # fmt: skip
from samovar.train.export.hf import write_hf
from samovar.train.export.trained import open_trained
from samovar.train.model import LanguageModel
from samovar.train.speaker import OtherSpeaker, OwnSpeaker, Said, cut_at, is_ours, open_speaker, windows
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


@pytest.fixture(scope="module")
def speaker(model_folder: Path) -> OwnSpeaker:
    return OwnSpeaker(open_trained(model_folder))


def test_bits_of_a_model_that_knows_nothing(speaker: OwnSpeaker) -> None:
    texts = ["Самовар кипит. " * 400, "Чай."]  # the first takes several windows
    score = measure_texts(speaker, texts)
    tokens = sum(len(speaker.words.encode(one)) for one in texts)
    num_bytes = len("".join(texts).encode())
    assert tokens > 2 * speaker.context
    bits = tokens * math.log2(speaker.words.vocab_size) / num_bytes
    assert score.bits_per_byte == pytest.approx(bits, rel=1e-5)
    assert (score.num_texts, score.num_bytes) == (2, num_bytes)
    with pytest.raises(TrainingError, match="found none"):
        measure_texts(speaker, ["", ""])


def test_the_error_of_bits_is_over_texts(speaker: OwnSpeaker) -> None:
    same = measure_texts(speaker, ["Самовар кипит.", "Самовар кипит.", "Самовар кипит."])
    assert same.standard_error == pytest.approx(0, abs=1e-6)
    assert measure_texts(speaker, ["Самовар кипит."]).standard_error is None
    texts = ["Самовар кипит.", "zzzz qqq", "Чай пьют вечером."]
    sizes = [len(text.encode()) for text in texts]
    parts = [-speaker.weigh_text(text) / math.log(2) for text in texts]
    ratio = sum(parts) / sum(sizes)
    left_out = [(sum(parts) - p) / (sum(sizes) - s) for p, s in zip(parts, sizes, strict=True)]
    jackknife = math.sqrt(2 / 3 * sum((one - ratio) ** 2 for one in left_out))
    assert measure_texts(speaker, texts).standard_error == pytest.approx(jackknife, rel=0.5)


def test_an_option_is_scored_by_all_its_tokens(speaker: OwnSpeaker) -> None:
    words = speaker.words
    for option in ("Чай", "Самовар стоит на столе."):
        tokens = len(words.encode(f"assistant\n{option}")) - len(words.encode("assistant\n")) + 1
        assert speaker.weigh("Что?", option) == pytest.approx(-tokens * math.log(words.vocab_size), rel=1e-5)


def test_equally_likely_options_are_no_success(speaker: OwnSpeaker) -> None:
    score = score_choices(speaker, [Choice("Что?", ("Чай", "Чай"))])
    assert (score.num_asked, score.accuracy, score.chance) == (1, 0.0, 0.5)
    assert score.standard_errors["accuracy"] > 0.1  # one question says little


def test_options_are_of_one_type_and_wrong_ones_are_wrong() -> None:
    answers: list[tuple[str, str, tuple[str, ...]]] = [
        (f"year {n}?", "year", (str(1900 + n), f"in {1900 + n}")) for n in range(6)
    ]
    answers += [("who?", "person", ("Anna",)), ("which?", "year", ("1901",))]
    found = make_choices(answers, limit=50)
    assert len(found) == 7 and all(len(set(one.options)) == 4 for one in found)
    for one in found:
        right = next(golds for question, _, golds in answers if question == one.question)
        assert one.options[0] == right[0] and not set(one.options[1:]) & set(right)
    assert make_choices(answers, limit=50) == found != make_choices(answers, limit=50, seed=1)
    assert make_choices(answers[:3], limit=5) == []


class Scripted:
    """Replies by what is asked; stands where a model would."""

    name, step, context = "scripted", -1, 1000

    def __init__(self, replies: dict[str, str]) -> None:
        self.replies = replies

    def reply(self, messages: Sequence[dict[str, str]], num_tokens: int) -> Said | None:
        asked = messages[-1]["content"]
        return next((Said(reply, True) for start, reply in self.replies.items() if asked.startswith(start)), None)

    def weigh(self, question: str, answer: str) -> float:
        return 0.0

    def weigh_text(self, text: str) -> float:
        return 0.0


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
def test_grounded_answers_are_judged(reply: str, wanted: tuple[float, ...]) -> None:
    questions = [Asked("Где растёт чай?", ("Чай", "в горах"), ("в горах",))]
    other = [Asked("Другое?", ("Самовар", "на столе"), ("на столе",))]
    scripted = Scripted({"Где растёт": reply})
    for seed in range(20):  # one question of the two: the one that is scripted
        score = score_grounded(scripted, questions + other, "ru", lay_out, "NO_ANSWER", limit=1, seed=seed)
        if score.num_asked:
            break
    assert (score.exact, score.f1, score.cited, score.declined, score.abstained) == pytest.approx(wanted)
    assert (score.num_asked, score.num_twins, score.num_too_long) == (1, 1, 0)
    assert all(error > 0 for error in score.standard_errors.values())


def test_free_answers_are_counted_by_what_became_of_them() -> None:
    scripted = Scripted({"a": "yes", "b": "no", "c": "yes"})
    told = ["correct", "wrong", "dont_know"]
    score = score_answers(scripted, ["a", "b", "c", "unknown"], lambda number, said: told[number])
    assert (score.num_asked, score.correct, score.wrong, score.refused) == (3, 1 / 3, 1 / 3, 0)
    assert score.standard_errors["refused"] == share_error(0, 3) > 0.1
    with pytest.raises(TrainingError, match="found none"):
        score_answers(scripted, ["unknown"], lambda number, said: "correct")


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
    answers = list_answers(list_probes("core", "ru"), "ru")
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
    assert results["texts text.txt"]["bits_per_byte"] > 1 and results["audit core by likelihood"]["num_asked"] == 2
    answered = results["audit core answered"]
    shares = [answered[name] for name in ("correct", "wrong", "dont_know", "refused", "undecided")]
    assert answered["num_asked"] == 2 and sum(shares) == pytest.approx(1)
    assert results["grounded squad.json"]["num_asked"] == 2 and results["grounded squad.json"]["abstained"] == 0
    assert main([*command, "--texts", str(text), "--licence", "Apache-2.0", "--lang", "en"]) == 0
    assert "The model's card" in capsys.readouterr().out
    card = (folder / "card.md").read_text("utf-8")
    # earlier results are kept
    assert "| audit core by likelihood | ru | 5 | accuracy |" in card and "Licence of the weights: Apache-2.0." in card
    assert all(limit in card for limit in LIMITS) and "samovar train pretrain" in card
    assert main([*command]) == 2
    assert "--grounded" in capsys.readouterr().err


def test_a_card_says_what_it_does_not_know(tmp_path: Path) -> None:
    make_plan().save(tmp_path / "config.json")
    (tmp_path / "log.jsonl").write_text('{"step": 1, "tokens": 128, "loss": 2.5, "seconds": 3.0, "bits": 1.5}\n')
    card = write_card(tmp_path, name="Toy | one").read_text("utf-8")
    assert card.startswith("# Toy | one\n") and "an unknown number of documents" in card
    assert "| 1 | 128 | 2.500 | 1.500 |" in card and "Nothing measured yet" in card
    with pytest.raises(TrainingError, match="without a plan"):
        write_card(tmp_path / "none")


def test_questions_that_fit_no_context_are_counted_and_no_share_is_made_up(speaker: OwnSpeaker) -> None:
    long = [Asked(f"{name}?", (name, "Чай. " * 900), ("Чай",)) for name in ("А", "Б")]
    score = score_grounded(speaker, long, "ru", lay_out, "NO_ANSWER", limit=2)
    assert (score.num_asked, score.num_twins, score.num_too_long) == (0, 0, 4)
    assert (score.exact, score.f1, score.abstained) == (None, None, None)
    assert score.standard_errors == {}


@pytest.mark.slow
def test_ours_and_any_other_model_are_measured_alike(tokenizer_folder: Path, tmp_path: Path) -> None:
    """One model twice: by our code, and as transformers loads what was exported of it."""
    pytest.importorskip("transformers")
    run, folder = tmp_path / "run", tmp_path / "hf"
    run.mkdir()
    words = Tokenizer.load(tokenizer_folder)
    shape = make_model(vocab_size=words.vocab_size, hidden_size=64, head_dim=16, intermediate_size=96, max_seq_len=64)
    make_plan(model=shape, tokenizer_sha256=words.sha256).save(run / "config.json")
    model = LanguageModel(shape)
    model.initialise(3)
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(20)  # likelihoods that differ from token to token
    state = {"cursor": 0, "seconds": 0.0, "tokenizer_sha256": words.sha256}
    save_checkpoint(run / "checkpoints", 5, weights=model.state_dict(), optimiser={"x": torch.zeros(1)}, state=state)
    shutil.copytree(tokenizer_folder, run / "tokenizer")
    ours = open_speaker(run)
    folder.mkdir()
    write_hf(open_trained(run), folder, "f32")
    assert isinstance(ours, OwnSpeaker) and is_ours(folder)
    other = OtherSpeaker(folder)
    assert (ours.step, other.step, other.context) == (5, -1, ours.context)
    text = "Самовар стоит на столе, чай пьют вечером. " * 12  # several windows
    assert ours.weigh_text(text) == pytest.approx(other.weigh_text(text), rel=1e-4)
    assert ours.weigh_text("Чай.") != pytest.approx(ours.weigh_text("Дом."), rel=1e-3)
    for answer in ("Чай", "на столе", "1834"):
        assert ours.weigh("Что это?", answer) == pytest.approx(other.weigh("Что это?", answer), rel=1e-4)
    asked = [{"role": "user", "content": "Что это?"}]
    said, heard = ours.reply(asked, 12), other.reply(asked, 12)
    assert said == heard and said is not None and said.text
    assert ours.reply(asked, 64) is None and other.reply(asked, 64) is None


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 9))
def test_windows_predict_each_token_once(ids: list[int], length: int) -> None:
    parts = list(windows(ids, length))
    assert [token for part in parts for token in part[1:]] == ids[1:]
    assert all(2 <= len(part) <= length + 1 for part in parts)
    assert all(one[-1] == two[0] for one, two in itertools.pairwise(parts))


def test_a_reply_ends_where_the_next_question_would_begin() -> None:
    assert cut_at("Paris\nQ: and Rome?", ("\nQ:", "\n\n")) == "Paris" and cut_at("Paris", ("\n\n",)) == "Paris"


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(TrainingError, match="Hugging Face folder or a GGUF file"):
        open_speaker(tmp_path)
