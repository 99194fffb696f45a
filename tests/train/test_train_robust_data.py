"""Faulty dialogues, pairs and texts are named with their place and their fault; results of two files of one name stay two."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from train_toys import make_run

from samovar.cli import main
from samovar.errors import TrainingError, UsageError
from samovar.train import evaluate
from samovar.train.chat_data import make_dialogue, parse_dialogue, read_dialogues
from samovar.train.evaluate import measure_texts, read_held_out
from samovar.train.prefer.pairs import read_pairs
from samovar.train.prefer.plan import make_plan
from samovar.train.prepare import prepare
from samovar.train.speaker import open_speaker

DEEP = "[" * 100_000


def talk(content: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "Чай."}]}


# -- dialogues and pairs --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([], "an object, found list"),
        (None, "an object, found NoneType"),
        ("text", "an object, found str"),
        ({"messages": "text"}, "a list of messages or conversations, found str"),
        ({"messages": None}, "a list of messages or conversations, found NoneType"),
        ({}, "a list of messages or conversations, found NoneType"),
        ({"messages": [None]}, "a message as an object, found NoneType"),
        ({"messages": [{"content": "a"}]}, "role and content"),
        ({"messages": [{"role": "user"}]}, "role and content"),
        (talk([{"type": "image_url", "image_url": {"url": "x"}}]), "a part of type image_url: only texts"),
        (talk([{"type": "text", "text": 3}]), "a part of type text: only texts"),
        (talk(["text"]), "a part of type str: only texts"),
        (talk({"a": 1}), "role 'user'"),
        ({"messages": [{"role": ["user"], "content": "a"}]}, "role"),
    ],
)  # fmt: skip
def test_a_faulty_dialogue_is_named_with_place_and_fault(row: object, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as raised:
        make_dialogue(row, "talks.jsonl:7")
    assert "talks.jsonl:7" in str(raised.value) and "attribute" not in str(raised.value)


def test_depths_without_end_are_no_dialogues(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"at a\.jsonl:1"):
        parse_dialogue(DEEP, "a.jsonl:1")
    path = tmp_path / "pairs.jsonl"
    path.write_text(DEEP + "\n", "utf-8")
    with pytest.raises(TrainingError, match=r"pairs\.jsonl:1: expected JSON"):
        read_pairs([path])


def test_lone_surrogates_become_a_character(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text(json.dumps(talk("Что это: \ud800?")) + "\n" + json.dumps(talk("\U0001f600")), "utf-8")
    said = [dialogue.messages[0].content for dialogue in read_dialogues([str(path)])]
    assert said == ["Что это: \ufffd?", "\U0001f600"]


# -- what is measured -----------------------------------------------------------------------------------------------
@pytest.fixture
def run(tokenizer_folder: Path, tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", tokenizer_folder, 8, num_steps=8)


def test_texts_of_one_name_are_two_results(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name, text in (("a", "Самовар стоит на столе."), ("b", "Tea is poured.")):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "x.txt")
        paths[-1].write_text(text, "utf-8")
    command = ["train", "eval", str(run), "--threads", "1", "--json"]
    assert main([*command, "--texts", str(paths[0]), "--texts", str(paths[1])]) == 0
    found = json.loads(capsys.readouterr().out)
    first, second = found
    assert first == "texts x.txt" and second == f"texts x.txt {found[second]['sha256'][:8]}"
    assert [found[name]["num_bytes"] for name in (first, second)] == [path.stat().st_size for path in paths]
    for path in (paths[1], paths[0], paths[0]):  # again, one by one: each finds its own place
        assert main([*command, "--texts", str(path)]) == 0
    assert json.loads((run / "eval.json").read_text("utf-8")) == found
    assert "sha256" not in (run / "card.md").read_text("utf-8")
    capsys.readouterr()


def test_a_result_from_before_hashes_is_written_anew() -> None:
    assert evaluate.distinct_name("texts x", "ab" * 32, {"texts x": {"step": 1}}) == "texts x"
    assert evaluate.distinct_name("texts x", "ab" * 32, {"texts x": {"sha256": "cd" * 32}}) == "texts x abababab"
    assert evaluate.distinct_name("texts x", "ab" * 32, {}) == "texts x"


def test_lone_surrogates_are_measured_as_they_are_learnt(run: Path) -> None:
    speaker = open_speaker(run)
    assert measure_texts(speaker, ["чай \ud800"]) == measure_texts(speaker, ["чай \ufffd"])


def test_damaged_held_out_tokens_are_not_measured_on(
    run: Path, articles: list[str], tokenizer_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "texts").mkdir()
    for number, text in enumerate(articles[:40]):
        (tmp_path / "texts" / f"{number}.md").write_text(text, "utf-8")
    tokens = tmp_path / "tokens"
    prepare([tmp_path / "texts"], tokenizer_folder, tokens, workers=1, validation_permille=100)
    speaker = open_speaker(run)
    assert next(read_held_out(tokens, speaker))
    shard = next(tokens.glob("val-*.bin"))
    data = bytearray(shard.read_bytes())
    data[0] ^= 1
    shard.write_bytes(data)
    with pytest.raises(TrainingError, match="it is damaged"):
        next(read_held_out(tokens, speaker))


# -- preference plans -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["beta", "rate", "anchor", "epochs"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_numbers_of_a_preference_run_are_numbers(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} {value:g}"):
        make_plan(num_pairs=9, width=64, seq_len=32, parent_sha256="", data_sha256="", **{name: value})


@pytest.mark.parametrize("name", ["beta", "epochs"])
def test_zero_is_no_beta_and_no_epochs(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} 0"):
        make_plan(num_pairs=9, width=64, seq_len=32, parent_sha256="", data_sha256="", **{name: 0.0})
