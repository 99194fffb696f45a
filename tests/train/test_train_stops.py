"""What a long run says while it is asked to stop, and what its compiler does not say."""

from __future__ import annotations

import io
import json
import os
import signal
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adapt_toys import make_hf, write_corpus
from train_toys import ByteRows, make_plan, make_sources

from samovar.cli import main
from samovar.commands import stops
from samovar.commands.compiler import quiet_compiler
from samovar.commands.terminal import Terminal
from samovar.commands.train_pretrain import run_with_bar
from samovar.messages import use_language
from samovar.train.checkpoint import list_checkpoints
from samovar.train.distributed import Team
from samovar.train.loop import Trainer


@pytest.fixture(autouse=True)
def english() -> None:
    use_language("en")


# -- the compiler ---------------------------------------------------------------------------------------------------
def test_the_compilers_own_notices_are_passed_over_and_no_others() -> None:
    from torch._prims_common import check

    call = "check(True, str)"
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with quiet_compiler():
            exec(call, {"__name__": "torch._inductor.lowering", "check": check})
            assert not heard
            exec(call, {"__name__": "samovar.train.loop", "check": check})
            exec("warn('rows')", {"__name__": "torch.utils.data", "warn": warnings.warn})
        exec(call, {"__name__": "torch._inductor.lowering", "check": check})
    assert [warning.category for warning in heard] == [FutureWarning, UserWarning, FutureWarning]


# -- Ctrl-C in the first step ---------------------------------------------------------------------------------------
class Pressing(ByteRows):
    """Rows whose first reading is interrupted by Ctrl-C."""

    pressed = False

    def read(self, cursor: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        if not self.pressed:
            self.pressed = True
            os.kill(os.getpid(), signal.SIGINT)
        return super().read(cursor, count)


@pytest.mark.parametrize("compiling", [False, True])
def test_ctrl_c_is_heard_at_once(compiling: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samovar.train.loop.can_compile", lambda: True)
    sources = replace(make_sources(), train=Pressing())
    trainer = Trainer(make_plan(), tmp_path, sources, Team(0, 1, torch.device("cpu")))
    trainer.plan = replace(trainer.plan, compile=compiling)  # what is said, without the minutes
    err = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        run_with_bar(trainer, Terminal(err=err), quiet=True)
    said = err.getvalue().splitlines()
    assert said[0].startswith(
        "Asked to stop: the model is being compiled" if compiling else "Asked to stop: the step is"
    )
    assert "Ctrl-C again ends at once" in said[0] and "after step 1" in said[1]
    assert [path.name for path in list_checkpoints(tmp_path / "checkpoints")] == ["step-0000001"]


def test_a_signal_in_the_middle_of_a_line_breaks_nothing() -> None:
    def tell() -> None:
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    with stops.Stops(tell) as asked:
        os.kill(os.getpid(), signal.SIGTERM)
    assert asked.happened
    with pytest.raises(SystemExit) as raised, stops.early_stops(tell):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert raised.value.code == stops.AGAIN


# -- a scheduler ----------------------------------------------------------------------------------------------------
def test_prefer_and_adapt_listen_from_their_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[object] = []

    def look(*arguments: object, **options: object) -> None:
        heard.append(signal.getsignal(signal.SIGUSR1))
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(5)

    before = signal.getsignal(signal.SIGUSR1)
    monkeypatch.setattr("samovar.train.prefer.parent.check_extra", look)
    monkeypatch.setattr("samovar.train.adapt.run.adapt_model", look)
    for command in ("prefer x --data x", "adapt x --corpus x"):
        with pytest.raises(SystemExit) as raised:
            main(["train", *command.split(), "-o", str(tmp_path / "out"), "--lang", "en"])
        assert raised.value.code == stops.AGAIN
        assert "Asked to stop, ended at once" in capsys.readouterr().err
    assert len(heard) == 2 and before not in heard and signal.getsignal(signal.SIGUSR1) == before
    assert list(tmp_path.glob("out*")) == []


def send(number: int, once: list[bool]) -> None:
    if not once:
        once.append(True)
        os.kill(os.getpid(), number)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, stops.AGAIN), (signal.SIGINT, 130)])
def test_adapt_with_lora_saves_when_asked_and_goes_on(
    number: int, status: int, tokenizer_folder: Path, articles: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("peft")
    from samovar.train.adapt.lora import LoraRun

    source = make_hf(tmp_path / "model", tokenizer_folder)
    command = ["train", "adapt", str(source), "-c", str(write_corpus(tmp_path / "few", articles[:10])), "-o", str(tmp_path / "new")]  # fmt: skip
    command += ["--vocab-size", "1024", "--anyway", "--lora", "--num-tokens", "384", "--seq-len", "64", "--batch-tokens", "128"]  # fmt: skip
    command += ["--device", "cpu", "--lang", "en"]
    step, once = LoraRun._take_step, list[bool]()

    def pressed(run: LoraRun) -> Any:
        send(number, once)
        return step(run)

    monkeypatch.setattr(LoraRun, "_take_step", pressed)
    assert main(command) == status
    said = capsys.readouterr().err
    assert "Asked to stop: the step is finished" in said and "Stopped and saved after step 1" in said
    assert [path.name for path in list_checkpoints(tmp_path / "new-run" / "checkpoints")] == ["step-0000001"]
    assert main([*command, "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["run"], "config.json").exists()
