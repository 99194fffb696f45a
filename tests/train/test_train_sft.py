"""Packing, masks, and tuning: only answers count, a dialogue sees no other, and a killed run goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from team_toys import run_team
from train_toys import LENGTH, SEPARATOR, make_model, make_plan, make_sources

from samovar.cli import main
from samovar.errors import TrainingError
from samovar.train.chat_data import Dialogue, Said, read_dialogues
from samovar.train.chat_rows import ChatRows, Piece, pack_pieces
from samovar.train.checkpoint import find_checkpoint, save_checkpoint
from samovar.train.distributed import Team
from samovar.train.lines import read_lines
from samovar.train.loop import CHECKPOINTS, LOG, Trainer
from samovar.train.model import IGNORED, LanguageModel, number_documents
from samovar.train.sft import answer, open_tuning, plan_tuning
from samovar.train.tokenizer import Tokenizer

ALONE = Team(0, 1, torch.device("cpu"))
QUESTIONS = (
    ("Что в самоваре?", "Вода."),
    ("Что в чашке?", "Чай."),
    ("Что на столе?", "Самовар."),
    ("Что в печи?", "Дрова."),
)


def talk(*turns: str, system: str = "") -> Dialogue:
    said = [Said("system", system)] if system else []
    said += [Said(("user", "assistant")[number % 2], text) for number, text in enumerate(turns)]
    return Dialogue("", "toy", tuple(said))


@pytest.fixture(scope="module")
def words(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer.load(tokenizer_folder)


@pytest.fixture(scope="module")
def model_folder(words: Tokenizer, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with an untrained toy model."""
    import shutil

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model") / "run"
    shape = make_model(vocab_size=words.vocab_size, hidden_size=64, head_dim=16, intermediate_size=96, max_seq_len=96)
    folder.mkdir()
    make_plan(model=shape, tokenizer_sha256=words.sha256).save(folder / "config.json")
    model = LanguageModel(shape)
    model.initialise(3)
    state = {"cursor": 0, "seconds": 0.0, "tokenizer_sha256": words.sha256}
    save_checkpoint(folder / "checkpoints", 5, weights=model.state_dict(), optimiser={"x": torch.zeros(1)}, state=state)
    shutil.copytree(tokenizer_folder, folder / "tokenizer")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "talks.jsonl"
    lines = [talk(*pair) for pair in QUESTIONS] + [talk(f"Повтори: {n}", f"{n}") for n in range(30)]
    path.write_text("".join(json.dumps({"messages": one.as_messages()}) + "\n" for one in lines), "utf-8")
    return str(path)


# -- rows -----------------------------------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 33), min_size=1, max_size=40))
def test_pieces_lie_whole_in_rows_and_are_parted(sizes: list[int]) -> None:
    pieces = [Piece([1000 + n] * size, [place > 0 for place in range(size)]) for n, size in enumerate(sizes)]
    tokens, mask = pack_pieces(pieces, 32, 7)
    assert tokens.shape[1] == 33 and len(tokens) <= len(pieces)
    for n, size in enumerate(sizes):
        rows, places = np.nonzero(tokens == 1000 + n)
        assert len(set(rows.tolist())) == 1 and len(places) == size
        assert list(places) == list(range(places[0], places[0] + size))
        assert places[0] == 0 or tokens[rows[0], places[0] - 1] == 7
        assert mask[rows[0], places].tolist() == pieces[n].mask
    assert (tokens == 7).sum() + sum(sizes) == tokens.size and not mask[tokens == 7].any()
    best = -(-sum(sizes) // 33)
    assert len(tokens) <= 2 * best + 1  # first fit leaves at most one row half empty


def test_only_what_the_assistant_says_counts(words: Tokenizer) -> None:
    dialogue = talk("Кто здесь?", "Самовар.", "А ещё?", "Чашки.", system="Отвечай кратко.")
    rows = ChatRows([dialogue], words, 95)
    tokens, mask = rows.read_masked(0, 1)
    assert words.decode(tokens[0][mask[0]]) == "Самовар.<|im_end|>Чашки.<|im_end|>"
    assert rows.num_targets == int(mask.sum()) and rows.num_too_long == 0
    assert 0 < rows.filled < 1


def test_long_dialogues_are_cut_between_exchanges(words: Tokenizer) -> None:
    turns = [f"{'Вопрос' if n % 2 == 0 else 'Ответ'} номер {n}" for n in range(20)]
    rows = ChatRows([talk(*turns, system="Кратко.")], words, 63)
    texts = [words.decode(row) for row in rows.tokens]
    assert len(texts) > 1 and rows.num_too_long == 0
    assert all(text.startswith("<|im_start|>system\nКратко.<|im_end|>\n<|im_start|>user") for text in texts)
    assert sorted(n for n in range(20) for text in texts if f"номер {n}<" in text) == list(range(20))


def test_what_fits_no_row_is_counted_not_hidden(words: Tokenizer) -> None:
    rows = ChatRows([talk("Коротко?", "Да.", "Длинно " * 200, "Нет.", "Опять?", "Да!"), talk("А?", "Б.")], words, 40)
    assert rows.num_too_long == 1
    assert "Да!" in words.decode(rows.tokens.flatten()) and "Длинно" not in words.decode(rows.tokens.flatten())
    with pytest.raises(TrainingError, match="larger --seq-len"):
        ChatRows([talk("Длинно " * 200, "Нет.")], words, 40)


def test_each_epoch_holds_every_row_once_in_another_order(words: Tokenizer) -> None:
    rows = ChatRows([talk(f"Сколько будет {n}?", f"{n}") for n in range(60)], words, 40, seed=2)
    epochs = [rows.read_masked(e * rows.num_sequences, rows.num_sequences)[0] for e in range(2)]
    assert len(rows.tokens) > 10 and not np.array_equal(*epochs)
    for epoch in epochs:
        assert sorted(map(bytes, epoch)) == sorted(map(bytes, rows.tokens))
    same = ChatRows([talk(f"Сколько будет {n}?", f"{n}") for n in range(60)], words, 40, seed=2)
    assert same.sha256 == rows.sha256


# -- the loop -------------------------------------------------------------------------------------------------------
class Masked:
    """The toy's rows with a mask that differs in weight from row to row."""

    def __init__(self, everything: bool = False) -> None:
        self.rows = make_sources().train
        self.num_sequences = self.rows.num_sequences
        self.everything = everything

    def read_masked(self, cursor: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        tokens = self.rows.read(cursor, count)
        mask = np.ones(tokens.shape, np.bool_)
        if not self.everything:
            for row in range(count):
                mask[row, : (cursor + row) * 5 % LENGTH] = False
        return tokens, mask


def run(folder: Path, rows: object, **changes: object) -> list[dict[str, float]]:
    sources = replace(make_sources(), train=rows)  # type: ignore[arg-type]
    list(Trainer(make_plan(num_steps=3, **changes), folder, sources, ALONE).run())
    return read_lines(folder / LOG)


def test_a_mask_of_everything_changes_nothing(tmp_path: Path) -> None:
    plain = run(tmp_path / "a", make_sources().train)
    masked = run(tmp_path / "b", Masked(everything=True))
    assert [line["loss"] for line in plain] == [line["loss"] for line in masked]
    assert [line["grad_norm"] for line in plain] == [line["grad_norm"] for line in masked]


def test_every_target_weighs_the_same_however_the_step_is_cut(tmp_path: Path) -> None:
    whole = run(tmp_path / "a", Masked())
    parts = run(tmp_path / "b", Masked(), device_batch=1)
    for one, two in zip(whole, parts, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)
    sources = replace(make_sources(), train=Masked())
    trainer = Trainer(make_plan(), tmp_path / "c", sources, ALONE)
    tokens, mask = Masked().read_masked(0, 4)
    targets = torch.from_numpy(np.where(mask[:, 1:], tokens[:, 1:], IGNORED))
    kept = torch.from_numpy(tokens[:, :-1])
    nats = trainer.model.loss(kept, targets, number_documents(kept, SEPARATOR), reduction="none").detach()
    assert float(nats.sum() / (targets != IGNORED).sum()) == pytest.approx(whole[0]["loss"], rel=1e-5)


class Sparse(Masked):
    """Rows of which only every other one, or none at all, has targets."""

    def __init__(self, nothing: bool = False) -> None:
        super().__init__()
        self.nothing = nothing

    def read_masked(self, cursor: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        tokens, mask = super().read_masked(cursor, count)
        mask[:: 1 if self.nothing else 2] = False
        return tokens, mask


def test_a_part_without_targets_weighs_nothing(tmp_path: Path) -> None:
    whole = run(tmp_path / "a", Sparse())
    parts = run(tmp_path / "b", Sparse(), device_batch=1)
    for one, two in zip(whole, parts, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-5) and one["loss"] > 1
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4) and one["grad_norm"] > 0
    for line in run(tmp_path / "c", Sparse(nothing=True), device_batch=2):
        assert line["loss"] == line["grad_norm"] == 0.0


def test_a_dialogue_does_not_see_its_neighbour(model_folder: Path) -> None:
    from samovar.train.export.trained import open_trained

    model = open_trained(model_folder).build()
    with torch.no_grad():  # the blocks of an untrained model write zeros
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.normal_(0.0, 0.1, generator=torch.Generator().manual_seed(1))
    second = Piece([30, 31, 32, 33], [False, False, True, True])
    rows = [pack_pieces([Piece(ids, [True] * 3), second], 9, 7)[0] for ids in ([10, 11, 12], [20, 21, 22])]
    a, b = (torch.from_numpy(row) for row in rows)
    assert a.tolist() == [[10, 11, 12, 7, 30, 31, 32, 33, 7, 7]]
    assert torch.allclose(model(a, number_documents(a, 7))[:, 3:], model(b, number_documents(b, 7))[:, 3:], atol=1e-5)
    assert not torch.allclose(model(a)[:, 3:], model(b)[:, 3:], atol=1e-2)  # it would, were they not parted


# -- tuning ---------------------------------------------------------------------------------------------------------
FAST = {"precision": "fp32", "compile": False}


@pytest.mark.slow
def test_it_learns_to_answer(model_folder: Path, data: str, tmp_path: Path) -> None:
    tuning = plan_tuning(model_folder, [data], epochs=40, batch_rows=2, rate_share=1.0, **FAST)
    trainer = open_tuning(tuning, tmp_path / "chat")
    reports = list(trainer.run())
    assert reports[-1].loss < 0.2 < 5 < reports[0].loss
    shown = [one for one in read_dialogues([data]) if one not in tuning.held_out][:6]
    right = [
        answer(trainer.model, tuning.trained.tokenizer, one.as_messages()[:1]) == one.messages[1].content
        for one in shown
    ]
    assert sum(right) >= 5
    from samovar.train.export.trained import open_trained

    assert open_trained(tmp_path / "chat").step == tuning.plan.num_steps
    about = json.loads((tmp_path / "chat" / "data.json").read_text())
    assert about["parent_step"] == 5 and about["num_train"] + about["num_held_out"] == 34


def test_a_stopped_tuning_goes_on_bit_for_bit(model_folder: Path, data: str, tmp_path: Path) -> None:
    tuning = plan_tuning(model_folder, [data], epochs=6, batch_rows=2, save_every=2, **FAST)
    assert tuning.plan.num_steps >= 8
    list(open_tuning(tuning, tmp_path / "whole").run())
    for report in open_tuning(tuning, tmp_path / "cut").run():
        if report.step == 5:
            break
    list(open_tuning(tuning, tmp_path / "cut").run())
    one, two = (find_checkpoint(tmp_path / name / CHECKPOINTS) for name in ("whole", "cut"))
    assert one is not None and two is not None and one.step == two.step
    assert all(torch.equal(weight, two.weights()[name]) for name, weight in one.weights().items())
    losses = [[line["loss"] for line in read_lines(tmp_path / name / LOG)] for name in ("whole", "cut")]
    assert losses[0] == losses[1]


def test_other_data_do_not_go_on_in_the_folder(model_folder: Path, data: str, tmp_path: Path) -> None:
    next(open_tuning(plan_tuning(model_folder, [data], **FAST), tmp_path / "chat").run())
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"messages": talk("Ещё?", "Ещё.").as_messages()}) + "\n", "utf-8")
    with pytest.raises(TrainingError, match="tokens_sha256"):
        open_tuning(plan_tuning(model_folder, [data, str(more)], **FAST), tmp_path / "chat")


def test_wrong_starts(model_folder: Path, data: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="expected the folder of a training run"):
        plan_tuning(tmp_path, [data])
    with pytest.raises(TrainingError, match="positive epochs"):
        plan_tuning(model_folder, [data], epochs=0)
    with pytest.raises(TrainingError, match="own folder"):
        open_tuning(plan_tuning(model_folder, [data], **FAST), model_folder)


def test_a_second_tuning_in_the_folder_is_refused(
    model_folder: Path, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import os

    from samovar.train.run_lock import hold_run

    command = ["train", "sft", str(model_folder), "--data", data, "-o", str(tmp_path / "chat"), "--lang", "en"]
    with hold_run(tmp_path / "chat"):
        assert main(command) == 2
    assert f"only run in {tmp_path / 'chat'}, found process {os.getpid()} at work" in capsys.readouterr().err


COMMAND = """
import sys
from samovar.cli import main
sys.exit(main(["train", "sft", *sys.argv[2:]]))
"""


@pytest.mark.slow
def test_two_processes_with_sharded_weights_tune_like_one(model_folder: Path, data: str, tmp_path: Path) -> None:
    options = ["--data", data, "--epochs", "4", "--batch-rows", "4", "--no-compile", "--threads", "1", "--precision", "fp32", "--save-every", "3", "--json"]  # fmt: skip
    assert main(["train", "sft", str(model_folder), *options, "-o", str(tmp_path / "one")]) == 0
    first, second = run_team(2, COMMAND, str(model_folder), *options, "--shard", "on", "-o", str(tmp_path / "two"))
    facts = json.loads(first)
    assert second == "" and facts["samples"] and facts["step"] >= 6
    one, two = (read_lines(tmp_path / name / LOG) for name in ("one", "two"))
    assert len(one) == len(two) == facts["step"] and one[-1]["loss"] < one[0]["loss"] - 0.01
    for name in ("loss", "grad_norm"):
        assert [line[name] for line in two] == pytest.approx([line[name] for line in one], abs=1e-4, rel=1e-4)
    assert two[-1]["bits"] == pytest.approx(one[-1]["bits"], abs=1e-4)
    mine, theirs = (find_checkpoint(tmp_path / name / CHECKPOINTS) for name in ("one", "two"))
    assert mine is not None and theirs is not None and list(theirs.folder.glob("optimizer-1of2*"))
    weights = theirs.weights()
    assert all(torch.allclose(weight, weights[name], atol=1e-3) for name, weight in mine.weights().items())
    assert not (tmp_path / "two" / ".lock").exists()


def test_the_command(model_folder: Path, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "sft", str(model_folder), "--data", data, "-o", str(tmp_path / "chat"), "--epochs", "1"]
    command += ["--no-compile", "--threads", "1", "--precision", "fp32"]
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["step"] > 0 and facts["bits_per_byte"] > 0 and len(facts["samples"]) >= 1
    assert main([*command, "--lang", "en"]) == 0  # again: nothing left to do
    said = capsys.readouterr()
    assert "finished" in said.out and "dialogues to train on" in said.err
    assert main(["train", "sft", str(model_folder), "--data", "nowhere", "-o", str(tmp_path / "x")]) == 1
    assert "seed:ru" in capsys.readouterr().err
