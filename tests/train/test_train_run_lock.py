"""One run a folder: a second one is told who is at work there, a dead holder holds nothing, a team has one lock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from team_toys import run_team

from samovar.cli import main
from samovar.errors import RunBusyError, TrainingError
from samovar.train.run_lock import LOCK, hold_run

HOLDER = """
import sys
from pathlib import Path
from samovar.train.run_lock import hold_run
with hold_run(Path(sys.argv[1]), Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, lock: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a folder's lock until the block ends."""
    command = [sys.executable, "-c", HOLDER, str(folder), str(lock or folder / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdin is not None
        assert child.stdout.readline() == "held\n"
        yield child
        child.stdin.close()


def test_a_second_run_is_told_who_is_there(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with holder(run) as child:
        with pytest.raises(RunBusyError, match=f"only run in {run}, found process {child.pid} at work") as caught, hold_run(run):  # fmt: skip
            pass
        assert caught.value.exit_status == 2
        assert (run / LOCK).exists()  # the loser takes nothing away
    assert run.is_dir() and not list(run.iterdir())  # no file is left behind
    with hold_run(run), pytest.raises(RunBusyError, match=f"process {os.getpid()}"), hold_run(run):
        pass


def test_who_was_killed_holds_nothing(tmp_path: Path) -> None:
    with holder(tmp_path) as child:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL and (tmp_path / LOCK).exists()
        with hold_run(tmp_path):
            assert (tmp_path / LOCK).read_text().strip() == str(os.getpid())
    assert not (tmp_path / LOCK).exists()


def test_a_run_that_failed_at_once_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="too little"), hold_run(tmp_path / "new"):
        raise TrainingError("too little memory")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="expected to write in"), hold_run(tmp_path / "file"):
        pass


TEAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from samovar.errors import RunBusyError
from samovar.train.distributed import join_team
from samovar.train.run_lock import LOCK, hold_team
import os
said = ""
try:
    with hold_team(Path(sys.argv[2]), "cpu"):
        team = join_team("cpu")
        team.barrier()
        said = (Path(sys.argv[2]) / LOCK).read_text().strip()
        team.barrier()
except RunBusyError as error:
    said = str(error)
print(json.dumps({"pid": str(os.getpid()), "said": said}))
join_team("cpu").leave()
"""


@pytest.mark.slow
def test_of_a_team_the_first_process_holds_the_lock_and_all_hear_when_it_cannot(tmp_path: Path) -> None:
    first, second = (json.loads(line) for line in run_team(2, TEAM, str(tmp_path)))
    assert first["said"] == second["said"] == first["pid"]
    with hold_run(tmp_path):
        first, second = (json.loads(line) for line in run_team(2, TEAM, str(tmp_path)))
    assert f"found process {os.getpid()} at work" in first["said"]
    assert second["said"] == f"expected to be the only run in {tmp_path}: process 0 says what it found there"


def test_every_command_that_trains_asks_for_the_folder(
    tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pretraining's and tuning's own tests do it with a run under way."""
    text, run = tmp_path / "text.md", tmp_path / "run"
    text.write_text("Самовар кипит. " * 50, "utf-8")
    commands = {
        "prepare": [str(text), "-t", str(tokenizer_folder)],
        "prefer": [str(tmp_path), "--data", str(text)],
        "adapt": [str(tmp_path), "--corpus", str(text)],
    }
    for name, options in commands.items():
        with holder(run, tmp_path / ".run.lock" if name == "adapt" else None) as child:
            assert main(["train", name, *options, "-o", str(run), "--lang", "en"]) == 2, name
            assert f"found process {child.pid} at work" in capsys.readouterr().err
