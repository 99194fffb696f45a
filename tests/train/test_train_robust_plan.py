"""Plans that cannot be meant are refused at once, and a folder that another plan began says what that one was."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from train_toys import make_plan, make_sources

from samovar.cli import main
from samovar.commands.train_pretrain import summarise
from samovar.errors import DivergedError, TrainingError
from samovar.train import size
from samovar.train.checkpoint import list_checkpoints
from samovar.train.config import RunConfig
from samovar.train.distributed import Team
from samovar.train.lines import read_lines
from samovar.train.loop import CHECKPOINTS, CONFIG, LOG, Trainer

ALONE = Team(0, 1, torch.device("cpu"))


# -- values ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["matrix_lr", "embedding_lr", "head_lr", "norm_lr"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0])
def test_rates_are_numbers_above_zero(name: str, value: float) -> None:
    with pytest.raises(TrainingError, match=rf"{name}={value}"):
        make_plan(**{name: value})


@pytest.mark.parametrize(
    "values", [{"num_steps": 0}, {"seq_len": 0}, {"save_every": 0}, {"batch_tokens": -32}, {"eval_every": 0}]
)
def test_counts_are_positive(values: dict[str, int]) -> None:
    with pytest.raises(TrainingError, match=f"{next(iter(values))}="):
        make_plan(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_tokens": 10**20}, "--num-tokens of at most"),
        ({"batch_tokens": 10**15}, "--batch-tokens of at most"),
        ({"ratio": math.inf}, "--ratio"),
        ({"ratio": 1e14}, "--ratio"),
    ],
)
def test_sizes_beyond_all_sense_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        size.plan_run(1, 1024, **values)  # type: ignore[arg-type]


def test_rates_of_other_sign_do_not_reach_the_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        Trainer(make_plan(matrix_lr=math.nan), tmp_path / "run", make_sources(), ALONE)
    assert not (tmp_path / "run").exists()


# -- another plan ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("changes", [{}, {"num_tokens": 100_000, "batch_tokens": 2048, "seed": 3}, {"seq_len": 128}])
def test_the_options_of_a_plan_lead_to_it_again(changes: dict[str, int]) -> None:
    plan = size.plan_run(2, 1024, **changes)  # type: ignore[arg-type]
    words = size.name_options(plan).split()
    given = {
        key.removeprefix("--").replace("-", "_"): int(value) for key, value in zip(words[::2], words[1::2], strict=True)
    }
    assert size.plan_run(given.pop("depth"), 1024, **given) == plan


def test_another_plan_is_told_the_options_of_the_first(tmp_path: Path) -> None:
    plan = size.plan_run(1, 320, seq_len=32, num_tokens=256, batch_tokens=128)
    rates = {"precision": "fp32", "compile": False}
    for _ in Trainer(
        RunConfig.from_dict({**json.loads(dump(plan, tmp_path)), **rates}), tmp_path / "run", make_sources(), ALONE
    ).run():
        break
    other = size.plan_run(2, 320, seq_len=16, num_tokens=256, batch_tokens=128)
    with pytest.raises(TrainingError) as raised:
        Trainer(
            RunConfig.from_dict({**json.loads(dump(other, tmp_path)), **rates}), tmp_path / "run", make_sources(), ALONE
        )
    message = str(raised.value)
    assert "model.num_layers (1 then, 2 now)" in message and "seq_len (32 then, 16 now)" in message
    assert "--depth 1 --seq-len 32 --num-tokens 256 --batch-tokens 128 --seed 0" in message
    assert "leave these options out" not in message


def dump(plan: RunConfig, folder: Path) -> str:
    plan.save(folder / "plan.json")
    return (folder / "plan.json").read_text("utf-8")


@pytest.mark.parametrize("found", ["{", '{"model_type": "qwen3"}'])
def test_a_config_that_is_no_plan_is_not_written_over(tmp_path: Path, found: str) -> None:
    (tmp_path / CONFIG).write_text(found, "utf-8")
    with pytest.raises(TrainingError, match="expected the plan of a training run"):
        Trainer(make_plan(), tmp_path, make_sources(), ALONE)
    assert (tmp_path / CONFIG).read_text("utf-8") == found


def test_a_folder_in_which_nothing_was_done_takes_another_plan(tmp_path: Path) -> None:
    Trainer(make_plan(matrix_lr=0.5), tmp_path, make_sources(), ALONE)
    trainer = Trainer(make_plan(), tmp_path, make_sources(), ALONE)
    assert next(trainer.run()).step == 1
    with pytest.raises(TrainingError, match="other values of matrix_lr"):
        Trainer(make_plan(matrix_lr=0.5), tmp_path, make_sources(), ALONE)


# -- losses that are no numbers -------------------------------------------------------------------------------------
class Breaking(Trainer):
    """A run whose state after some steps is broken: every batch gives no number from it."""

    broken: frozenset[int] = frozenset()

    def _accumulate(self) -> torch.Tensor:
        loss = super()._accumulate()
        return loss * float("nan") if self.step in self.broken else loss


def test_a_checkpoint_that_goes_nowhere_is_given_up_for_the_one_before(tmp_path: Path) -> None:
    warnings: list[str] = []
    trainer = Breaking(make_plan(save_every=2), tmp_path, make_sources(), ALONE, warn=warnings.append)
    trainer.broken = frozenset({6})
    run = trainer.run()
    assert [next(run).step for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    assert next(run).step == 5  # twice no number from step 6: once with each of two batches
    assert ["back to step 6" in warnings[0], "back to step 4" in warnings[1]] == [True, True] and len(warnings) == 2
    trainer.broken = frozenset()  # with other data it goes well now
    assert [report.step for report in run][-1] == 12
    assert [line["step"] for line in read_lines(tmp_path / LOG)] == list(range(1, 13))


def test_the_message_names_the_step_that_is_kept(tmp_path: Path) -> None:
    trainer = Breaking(make_plan(save_every=2), tmp_path, make_sources(), ALONE)
    trainer.broken = frozenset({4})
    with pytest.raises(DivergedError, match=r"state of step 2 is kept.*lower --matrix-lr"):
        list(trainer.run())
    assert list_checkpoints(tmp_path / CHECKPOINTS)[0].name == "step-0000002"


def test_the_message_does_not_promise_a_state_that_is_not_there(tmp_path: Path) -> None:
    trainer = Breaking(make_plan(), tmp_path, make_sources(), ALONE)
    trainer.broken = frozenset({0})
    with pytest.raises(DivergedError, match=r"No state was saved before it.*lower --matrix-lr"):
        list(trainer.run())


# -- the command line -----------------------------------------------------------------------------------------------
def test_what_a_finished_run_came_to_is_read_from_its_curve(tmp_path: Path) -> None:
    reports = list(Trainer(make_plan(), tmp_path, make_sources(), ALONE).run())
    trainer = Trainer(make_plan(), tmp_path, make_sources(), ALONE)
    found = summarise(list(trainer.run()), trainer)
    assert found["loss"] == reports[-1].loss and found["bits_per_byte"] == reports[-1].bits
    assert found["tokens_per_s"] == sorted(report.tokens_per_s for report in reports)[6]


@pytest.mark.parametrize(
    "command",
    [
        "train pretrain x -t x -o x",
        "train sft x --data x -o x",
        "train eval x --texts x",
        "train prefer x --data x -o x",
        "export x",
    ],
)
def test_threads_beyond_all_sense_are_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--threads", "99999", "--lang", "en"]) == 2
    assert "0…1024" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "bound"), [("0", "≥ 0.01"), ("nan", "≥ 0.01"), ("inf", "")])
def test_a_bound_is_shown_as_it_is(value: str, bound: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sft", "x", "--data", "seed:ru", "-o", "x", "--epochs", value, "--lang", "en"]) != 0
    assert bound in capsys.readouterr().err


# -- somebody else's folder -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["log.jsonl", "samples.jsonl", "manifest.json", "samovar.json", "model.safetensors"])
def test_a_folder_of_something_else_is_no_place_for_a_run(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious\n", "utf-8")
    with pytest.raises(TrainingError, match=rf"found {name} .*name another --output"):
        Trainer(make_plan(), tmp_path, make_sources(), ALONE)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text("utf-8") == "precious\n"


def test_what_a_shell_puts_into_a_new_folder_does_not_hinder(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("", "utf-8")  # samovar train pretrain … -o run > run/out.txt
    (tmp_path / "tokenizer").mkdir()
    assert next(Trainer(make_plan(), tmp_path, make_sources(), ALONE).run()).step == 1


def test_checkpoints_know_their_plan_themselves(tmp_path: Path) -> None:
    list(Trainer(make_plan(), tmp_path, make_sources(), ALONE).run())
    (tmp_path / CONFIG).unlink()
    with pytest.raises(TrainingError, match=r"other values of seed \(0 then, 7 now\)"):
        Trainer(make_plan(seed=7), tmp_path, make_sources(), ALONE)
    assert not (tmp_path / CONFIG).exists()
    assert Trainer(make_plan(), tmp_path, make_sources(), ALONE).step == 12
    assert RunConfig.load(tmp_path / CONFIG) == make_plan()


def test_a_plan_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / CONFIG
    make_plan().save(path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(TrainingError, match="No space left"):
            make_plan(seed=7).save(path)
    assert RunConfig.load(path) == make_plan() and [one.name for one in tmp_path.iterdir()] == [CONFIG]


# -- forecasts ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options", ["--price nan", "--price inf", "--tokens-per-s nan", "--tokens-per-s inf", "--mfu nan", "--ratio 1e308"]
)
def test_a_forecast_of_no_numbers_is_refused(options: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "plan", "--depth", "4", *options.split(), "--json", "--lang", "en"]) in (1, 2)
    said = capsys.readouterr()
    assert said.out == "" and "expected" in said.err.lower() and "bug" not in said.err


def test_a_forecast_takes_the_batch_that_it_advises_to_change(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "plan", "--depth", "4", "--gpus", "3", "--json"]
    assert main([*command, "--batch-tokens", "12288", "--seq-len", "2048"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["batch_tokens"] == 12288 and found["expected"][0]["divides"] is True


def test_an_unknown_device_is_not_told_to_give_what_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "plan", "--gpu", "foo", "--tokens-per-s", "1000", "--lang", "en"]) == 2
    assert "tokens-per-s" not in capsys.readouterr().err
