"""`samovar train pretrain` as a user runs it: from the starter library's texts to a run that learns, stops, goes on and is exported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "samovar" / "packs" / "ru" / "library"


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


def test_the_curve_is_drawn() -> None:
    from samovar.commands.train_pretrain import draw_curve

    assert draw_curve([]) == ""
    assert draw_curve([3.0, 2.0, 1.0], 3) == "█▄▁"
    assert len(draw_curve([float(n) for n in range(1000)], 20)) == 20
