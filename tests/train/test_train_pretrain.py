"""`samovar train pretrain` as a user runs it: from the starter library's texts to a run that learns, stops, goes on and is exported."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

from samovar.commands.curves import open_curves
from samovar.train.loop import Report

LIBRARY = Path(__file__).parents[2] / "samovar" / "packs" / "ru" / "library"
RUNS = Path(__file__).parents[2] / "runs"


def samovar(*arguments: str, home: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SAMOVAR_HOME": str(home), "OMP_NUM_THREADS": "1", "SAMOVAR_LANG": "en"}
    done = subprocess.run(
        [sys.executable, "-m", "samovar", *arguments], capture_output=True, text=True, env=environment, timeout=300
    )
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    texts = folder / "texts"
    texts.mkdir()
    for number, path in enumerate(sorted(LIBRARY.rglob("*.md"))[:120]):
        (texts / f"{number}.md").write_text(path.read_text("utf-8"), "utf-8")
    samovar("train", "tokenizer", str(texts), "--vocab-size", "1024", "--output", str(folder / "tok"), home=folder)
    samovar(
        "train",
        "prepare",
        str(texts),
        "-t",
        str(folder / "tok"),
        "-o",
        str(folder / "tokens"),
        "--validation",
        "50",
        home=folder,
    )
    return folder


OPTIONS = ("--depth", "1", "--seq-len", "64", "--num-tokens", "40000", "--batch-tokens", "512", "--no-compile", "--threads", "1", "--precision", "fp32")  # fmt: skip


def train(prepared: Path, output: Path, *more: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    arguments = [str(prepared / "tokens"), "-t", str(prepared / "tok"), "-o", str(output), *OPTIONS, *more]
    return samovar("train", "pretrain", *arguments, home=prepared, check=check)


@pytest.mark.slow
def test_it_learns_is_killed_goes_on_and_is_exported(prepared: Path, tmp_path: Path) -> None:
    whole = json.loads(train(prepared, tmp_path / "whole", "--json").stdout)
    assert whole["step"] == whole["steps"] == 78 and whole["bits_per_byte"] < 3.2
    killed = tmp_path / "killed"
    arguments = [
        str(prepared / "tokens"),
        "-t",
        str(prepared / "tok"),
        "-o",
        str(killed),
        *OPTIONS,
        "--save-every",
        "10",
    ]
    child = subprocess.Popen(
        [sys.executable, "-m", "samovar", "train", "pretrain", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "SAMOVAR_HOME": str(prepared)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (killed / "checkpoints" / "step-0000020").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    again = json.loads(train(prepared, killed, "--save-every", "10", "--json").stdout)
    assert (again["loss"], again["bits_per_byte"]) == (whole["loss"], whole["bits_per_byte"])
    curves = [
        [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
        for folder in (tmp_path / "whole", killed)
    ]
    assert curves[0] == curves[1] and len(curves[0]) == 78
    finished = train(prepared, killed, "--save-every", "10")
    assert "finished" in finished.stdout
    made = samovar("export", str(killed), "--to", "hf", "-o", str(tmp_path / "hf"), "--json", home=prepared)
    assert json.loads(made.stdout)["step"] == 78


@pytest.mark.slow
def test_texts_learnt_by_heart_are_told_before_and_after(prepared: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(16):
        (few / f"{number}.md").write_text((prepared / "texts" / f"{number}.md").read_text("utf-8"), "utf-8")
    words = str(prepared / "tok")
    samovar("train", "prepare", str(few), "-t", words, "-o", str(tmp_path / "t"), "--validation", "300", home=prepared)
    arguments = [str(tmp_path / "t"), "-t", words, "-o", str(tmp_path / "run"), *OPTIONS, "--num-tokens", "250000"]
    done = samovar("train", "pretrain", *arguments, home=prepared)
    assert "by heart and becomes worse" in done.stderr and "--num-tokens" in done.stderr
    assert re.search(r"went from [\d.]+ bits per byte at step \d+ to [\d.]+", done.stdout)
    once = train(prepared, tmp_path / "once")
    assert "by heart" not in once.stdout + once.stderr


def start(prepared: Path, output: Path, *more: str, processes: int = 0) -> subprocess.Popen[str]:
    """Start a training that is to be disturbed, through torchrun when `processes` are given."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes else []
    arguments = [str(prepared / "tokens"), "-t", str(prepared / "tok"), "-o", str(output), *OPTIONS, *more]
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "samovar", "train", "pretrain", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "SAMOVAR_HOME": str(prepared), "SAMOVAR_LANG": "en"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_step(run: Path, step: int) -> None:
    """Wait until the curve of a run has come so far."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if (run / "log.jsonl").exists() and len((run / "log.jsonl").read_text("utf-8").splitlines()) >= step:
            return
        time.sleep(0.02)
    raise AssertionError(f"no step {step} in time")


def curve(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text("utf-8").splitlines()]


ENDLESS = ("--num-tokens", "4000000")


@pytest.mark.slow
def test_torchrun_with_shards_stops_at_term_and_one_process_goes_on(prepared: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    child = start(prepared, mixed, *ENDLESS, "--shard", "on", processes=2)
    wait_for_step(mixed, 10)
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=120)
    step = len(curve(mixed))
    assert f"Stopped and saved after step {step}: the same command goes on." in errors
    assert (mixed / "checkpoints" / f"step-{step:07d}" / "optimizer-1of2.safetensors").exists()
    for folder in (mixed, tmp_path / "alone"):
        child = start(prepared, folder, *ENDLESS)
        wait_for_step(folder, step + 5)
        child.send_signal(signal.SIGUSR1)
        assert child.wait(timeout=60) == 75, child.communicate()
        child.communicate()
    assert curve(mixed)[: step + 5] == pytest.approx(curve(tmp_path / "alone")[: step + 5], abs=1e-4)


@pytest.mark.slow
def test_a_second_run_in_the_folder_is_refused_and_a_killed_one_goes_on(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    child = start(prepared, run, *ENDLESS, "--save-every", "5")
    wait_for_step(run, 6)
    second = train(prepared, run, *ENDLESS, check=False)
    assert second.returncode == 2 and "Traceback" not in second.stderr
    assert f"expected to be the only run in {run}, found process {child.pid} at work there" in second.stderr
    assert child.poll() is None
    step = len(curve(run))
    wait_for_step(run, step + 1)  # the first has not noticed
    child.send_signal(signal.SIGKILL)
    child.communicate()
    again = start(prepared, run, *ENDLESS, "--save-every", "5")
    wait_for_step(run, step + 12)
    again.send_signal(signal.SIGTERM)
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 75, errors
    steps = [json.loads(line)["step"] for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    assert steps == list(range(1, len(steps) + 1)) and not (run / ".lock").exists()


def wait_until_it_computes(process: subprocess.Popen[str], run: Path) -> None:
    """Wait until a training is in its first step: its plan is written, and it has worked for much longer than a toy takes to begin."""
    deadline, begun = time.monotonic() + 200, None
    while time.monotonic() < deadline:
        if (run / "config.json").exists():
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            worked = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            begun = worked if begun is None else begun
            if worked - begun > 5:
                return
        time.sleep(0.05)
    raise AssertionError("it does not compute")


@pytest.mark.slow
def test_ctrl_c_finishes_the_step_and_saves(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    child = start(prepared, run, *ENDLESS)
    wait_for_step(run, 3)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130 and f"Stopped and saved after step {len(curve(run))}" in errors
    assert (run / "checkpoints" / f"step-{len(curve(run)):07d}" / "state.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_second_ctrl_c_ends_in_the_middle_of_a_step(prepared: Path, tmp_path: Path) -> None:
    """The step is of two million tokens, minutes long; the first press waits for its end, the second does not."""
    run = tmp_path / "run"
    child = start(prepared, run, "--batch-tokens", "2097152", "--num-tokens", "4194304", "--device-batch", "8")
    wait_until_it_computes(child, run)
    child.send_signal(signal.SIGINT)
    time.sleep(1.5)  # later than an echo of the first press may come
    assert child.poll() is None  # it goes on with its step
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130 and "Traceback" not in errors and "Stopped and saved" not in errors
    assert errors.count("Asked to stop: the step is finished and saved first. Ctrl-C again ends at once.") == 1
    assert not (run / "log.jsonl").exists() or not curve(run)  # no step was finished, nothing is half written
    assert not list((run / "checkpoints").glob("*")) and not (run / ".lock").exists()


def test_stops_tell_a_second_press_from_an_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    from samovar.commands.stops import AGAIN, INTERRUPTED, Stops

    now = [100.0]
    monkeypatch.setattr("samovar.commands.stops.time.monotonic", lambda: now[0])
    asked: list[float] = []
    with Stops(lambda: asked.append(now[0])) as stops:
        os.kill(os.getpid(), signal.SIGINT)
        now[0] += 0.2
        os.kill(os.getpid(), signal.SIGINT)  # torchrun's echo of the same press
        assert asked == [100.0] and stops.status == INTERRUPTED
        now[0] += 2
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    with Stops(lambda: asked.append(0.0)) as stops:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # a scheduler and torchrun
        assert asked == [100.0, 0.0] and stops.happened and stops.status == AGAIN
        os.kill(os.getpid(), signal.SIGINT)  # a person who has no patience presses once more: after that it ends
        assert stops.status == AGAIN
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_half_an_environment_of_torchrun_is_refused(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = train(prepared, tmp_path / "run", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "expected MASTER_ADDR, MASTER_PORT beside RANK=0, WORLD_SIZE=2 in the environment" in done.stderr
    assert "torchrun --nproc-per-node N -m samovar train" in done.stderr


def test_a_plan_says_hours_and_cost(tmp_path: Path) -> None:
    done = samovar("train", "plan", "--depth", "20", "--mfu", "50", "--price", "3", "--json", home=tmp_path)
    facts = json.loads(done.stdout)
    one, eight, many = facts["expected"]
    assert [row["gpus"] for row in facts["expected"]] == [1, 8, 64]
    assert one["hours"] == pytest.approx(facts["flops"] / (0.5 * 989e12) / 3600) and one["cost"] == pytest.approx(
        3 * one["hours"]
    )
    assert many["hours"] == pytest.approx(one["hours"] / 64) and eight["cost"] == pytest.approx(one["cost"])
    assert one["fits"] and not one["sharded"]
    large = samovar("train", "plan", "--depth", "64", "--gpus", "1,8", "--tokens-per-s", "1000", home=tmp_path).stdout
    assert "does not fit" in large and "weights and state in parts" in large and "1000 tokens/s on one GPU" in large
    wrong = samovar("train", "plan", "--gpus", "8,x", home=tmp_path, check=False)
    assert wrong.returncode == 2 and "found “8,x”" in wrong.stderr


def test_the_times_in_the_script_for_large_machines_are_those_the_plan_gives() -> None:
    from samovar.train.forecast import forecast
    from samovar.train.size import plan_run

    line = re.compile(
        r"#\s+depth (\d+):\s+([\d.]+) B weights,\s+([\d.]+) B tokens, ([\d.e+]+) FLOP,\s+([\d.]+) h, cost\s+(\d+)\n"
    )
    found = line.findall((RUNS / "h100.sh").read_text("utf-8"))
    assert len(found) == 4
    for depth, weights, tokens, flops, hours, cost in found:
        plan = plan_run(int(depth), 65_536, seq_len=2048)
        eight = forecast(plan, 8, mfu=50.0, price=3.0)
        assert (weights, tokens) == (f"{plan.model.num_parameters / 1e9:.2f}", f"{plan.num_tokens / 1e9:.1f}")
        assert (flops, hours, cost) == (
            f"{plan.num_tokens * plan.model.flops_per_token(2048):.1e}", f"{eight.hours:.1f}", f"{eight.cost:.0f}",
        )  # fmt: skip


SLURM = {
    "srun": 'shift; exec "$PYTHON" -m torch.distributed.run --standalone --nproc-per-node 2 ${@:10}',
    "scontrol": 'if [ "$1" = show ]; then echo localhost; else echo "$@" >> "$REQUEUED"; fi',
    "scancel": "exit 1",  # no such step: the script falls back on the process
}
"""What stands in for Slurm: `srun` starts torchrun here, on one node, with what follows the script's ten words about the rendezvous."""


@pytest.mark.slow
def test_the_slurm_script_stops_before_its_time_is_up_and_queues_itself_again(prepared: Path, tmp_path: Path) -> None:
    for name, body in SLURM.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{body}\n", "utf-8")
        path.chmod(0o755)
    run = tmp_path / "run"
    environment = {
        **os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHON": sys.executable, "REQUEUED": str(tmp_path / "requeued"),
        "SLURM_JOB_NODELIST": "localhost", "SLURM_NNODES": "1", "SLURM_JOB_ID": "7", "OMP_NUM_THREADS": "1", "SAMOVAR_LANG": "en",
        "SAMOVAR_HOME": str(prepared), "TOKENS": str(prepared / "tokens"), "TOKENIZER": str(prepared / "tok"), "OUT": str(run),
        "GPUS_PER_NODE": "2", "MORE": " ".join((*OPTIONS, *ENDLESS)),
    }  # fmt: skip
    job = subprocess.Popen(["bash", str(RUNS / "cluster.slurm")], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    wait_for_step(run, 5)
    job.send_signal(signal.SIGUSR1)
    said, errors = job.communicate(timeout=120)
    assert job.returncode == 0 and "queued again" in said, errors[-2000:]
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    assert (run / "checkpoints" / f"step-{len(curve(run)):07d}" / "state.json").exists()


def test_a_dry_run_says_how_large_it_would_be_and_makes_nothing(prepared: Path, tmp_path: Path) -> None:
    done = train(prepared, tmp_path / "run", "--dry-run", "--json")
    assert json.loads(done.stdout)["parameters"] > 100_000 and not (tmp_path / "run").exists()


def test_tokens_of_another_tokenizer_are_refused(prepared: Path, tmp_path: Path) -> None:
    other = tmp_path / "tok2"
    samovar("train", "tokenizer", str(prepared / "texts"), "--vocab-size", "576", "--output", str(other), home=prepared)
    done = samovar(
        "train",
        "pretrain",
        str(prepared / "tokens"),
        "-t",
        str(other),
        "-o",
        str(tmp_path / "run"),
        home=prepared,
        check=False,
    )
    assert done.returncode == 1 and "tokenizer" in done.stderr and "Traceback" not in done.stderr


def test_a_damaged_shard_is_refused(prepared: Path, tmp_path: Path) -> None:
    import shutil

    tokens = tmp_path / "tokens"
    shutil.copytree(prepared / "tokens", tokens)
    shard = next(tokens.glob("train-*.bin"))
    shard.write_bytes(shard.read_bytes()[:-100])
    done = samovar("train", "pretrain", str(tokens), "-t", str(prepared / "tok"), "-o", str(tmp_path / "run"), *OPTIONS, home=prepared, check=False)  # fmt: skip
    assert done.returncode == 1 and shard.name in done.stderr


def test_a_turned_bit_is_found_before_the_first_step(prepared: Path, tmp_path: Path) -> None:
    import shutil

    tokens = tmp_path / "tokens"
    shutil.copytree(prepared / "tokens", tokens)
    shard = next(tokens.glob("train-*.bin"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    done = samovar("train", "pretrain", str(tokens), "-t", str(prepared / "tok"), "-o", str(tmp_path / "run"), *OPTIONS, home=prepared, check=False)  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"of {shard}, found another: it is damaged, copy or prepare it again" in done.stderr
    assert not (tmp_path / "run").exists()


REPORTS = [Report(n, 100 * n, 2.5 / n, 1.0, 0.5, 10.0, float("nan"), 1.0, bits=1.5 if n == 3 else float("nan")) for n in (1, 2, 3)]  # fmt: skip


def watched(folder: Path, step: int = 0) -> Any:
    return types.SimpleNamespace(team=types.SimpleNamespace(is_first=True), folder=folder, step=step)


def test_curves_are_written_for_tensorboard_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for its writer: what is asked of it are numbers for a folder, nothing of a network."""
    said: list[tuple[object, ...]] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            said.append((folder, purge_step))

        def add_scalar(self, *values: object) -> None:
            said.append(values)

        def close(self) -> None:
            said.append(("closed",))

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setitem(sys.modules, "trackio", None)
    with open_curves(watched(tmp_path, 3)) as watch:
        watch(REPORTS[0])
    assert said[0] == (str(tmp_path / "tb"), 3) and ("loss", 2.5, 1) in said and said[-1] == ("closed",)
    assert not [values for values in said if values[0] in ("mfu", "bits")]  # not measured


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="TensorBoard is not installed")
def test_tensorboard_reads_the_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.setitem(sys.modules, "trackio", None)
    with open_curves(watched(tmp_path)) as watch:
        for report in REPORTS:
            watch(report)
    events = accumulators.EventAccumulator(str(tmp_path / "tb"))
    events.Reload()
    assert [(point.step, point.value) for point in events.Scalars("loss")] == [(1, 2.5), (2, 1.25), (3, pytest.approx(2.5 / 3))]  # fmt: skip
    assert [point.step for point in events.Scalars("bits")] == [3] and "mfu" not in events.Tags()["scalars"]


@pytest.mark.skipif(importlib.util.find_spec("trackio") is None, reason="trackio is not installed")
def test_trackio_keeps_the_curve_here(tmp_path: Path) -> None:
    """In a process of its own, whose sockets do not connect; nothing is said on stdout, where results go."""
    script = """
import socket, sys, types
from pathlib import Path
def refuse(*_): raise AssertionError("a connection")
socket.socket.connect = socket.socket.connect_ex = refuse
sys.path.insert(0, sys.argv[1])
sys.modules["torch.utils.tensorboard"] = None
from test_train_pretrain import REPORTS, watched
from samovar.commands.curves import open_curves
for part in (REPORTS[:2], REPORTS[2:]):
    with open_curves(watched(Path(sys.argv[2]))) as watch:
        for report in part:
            watch(report)
"""
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "db"), "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run([sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path / "run")], env=environment, capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0 and done.stdout == "", done.stderr[-2000:]
    data = b"".join(path.read_bytes() for path in (tmp_path / "db").iterdir() if path.is_file())
    assert b"grad_norm" in data and b"run-" in data


def test_curves_are_not_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []

    class Run:
        def log(self, figures: dict[str, float], step: int) -> None:
            asked.append({"step": step, **figures})

    def init(**options: Any) -> Run:
        print("hello")
        asked.append(options)
        return Run()

    module = types.ModuleType("trackio")
    module.init = init  # type: ignore[attr-defined]
    module.finish = lambda: print("finished")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackio", module)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with open_curves(watched(tmp_path / "my-run")) as watch:
        watch(REPORTS[2])
    assert asked[0]["name"].startswith("my-run-") and "space_id" not in asked[0]
    assert asked[1]["step"] == 3 and asked[1]["bits"] == 1.5 and "mfu" not in asked[1]
    monkeypatch.setenv("TRACKIO_SPACE_ID", "me/curves")
    with open_curves(watched(tmp_path / "my-run")) as watch:
        watch(REPORTS[2])
    assert len(asked) == 2 and capsys.readouterr().out == ""


def test_the_curve_is_drawn() -> None:
    from samovar.commands.train_pretrain import draw_curve

    assert draw_curve([]) == ""
    assert draw_curve([3.0, 2.0, 1.0], 3) == "█▄▁"
    assert len(draw_curve([float(n) for n in range(1000)], 20)) == 20
