"""The whole road as a user goes it: ``runs/quickstart.sh`` at the smallest size, killed on the way and started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "runs" / "quickstart.sh"
PROGRAMS = Path(sys.executable).parent
QUESTIONS = 3
SMALL = {
    "VOCAB": "1200", "DEPTH": "1", "TOKENS": "60000", "LENGTH": "640", "DIALOGUES": "12", "EPOCHS": "0.2", "THREADS": "1",
    "QUESTIONS": str(QUESTIONS), "COMPILE": "--no-compile", "OMP_NUM_THREADS": "1", "SAMOVAR_LANG": "en",
}  # fmt: skip

pytestmark = pytest.mark.skipif(
    os.name != "posix"
    or not shutil.which("bash")
    or not (PROGRAMS / "samovar").exists()
    or any(find_spec(name) is None for name in ("rustbpe", "xllamacpp", "gguf", "pyarrow")),
    reason="needs bash, the installed program and the extras corpus, train and llama",
)


def environment(folder: Path, **more: str) -> dict[str, str]:
    ours = {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "SAMOVAR_HOME": str(folder / "home")}
    return {**os.environ, **SMALL, **ours, **more}


def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    """The script as the leader of a group of its own, its output added to ``log.txt``."""
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            ["bash", str(SCRIPT), *arguments], cwd=folder, env=environment(folder, **more), stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def kill_when(true: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 300) -> None:
    """Kill the whole group with -9 as soon as something is so."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end and not true():
        time.sleep(0.02)
    assert process.poll() is None, "it ended before it came so far"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert true(), "it did not come so far in time"


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines that are whole: what was killed may have been writing one."""
    text = (folder / "quickstart" / "base" / "log.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.split("\n")[:-1]]


@pytest.mark.slow
def test_killed_on_the_way_the_same_command_ends_with_a_model_that_answers(tmp_path: Path) -> None:
    base, chat = tmp_path / "quickstart" / "base", tmp_path / "quickstart" / "chat"
    first = start(tmp_path)
    written = base / "log.jsonl"
    # later than the first checkpoint (step 23 of 93) and well before the last step
    kill_when(lambda: written.exists() and written.read_bytes().count(b"\n") > 30, first)
    num_steps = json.loads((base / "config.json").read_text("utf-8"))["num_steps"]
    before = {line["step"]: line["loss"] for line in read_log(tmp_path)[:23]}
    assert 30 < len(read_log(tmp_path)) < num_steps and not chat.exists()

    second = start(tmp_path)
    try:
        status = second.wait(600)
    finally:
        if second.poll() is None:
            os.killpg(second.pid, signal.SIGKILL)
            second.wait()
    log = (tmp_path / "log.txt").read_text("utf-8")
    assert status == 0, log[-3000:]
    assert "Going on after step 23." in log  # it went on, it did not begin again
    lines = read_log(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, num_steps + 1))
    assert {line["step"]: line["loss"] for line in lines[:23]} == before
    assert lines[-1]["bits"] < 0.9 * next(line["bits"] for line in lines if line.get("bits"))

    samples = [json.loads(line) for line in (base / "samples.jsonl").read_text("utf-8").splitlines()]
    # in the language of the texts, whatever the messages' is
    assert any("а" <= letter <= "я" for letter in samples[-1]["prompt"])
    check_proof(tmp_path / "quickstart" / "model.gguf", chat)
    check_figures(chat)
    last = log[log.index("== 9. talk to it") :].splitlines()
    assert last[1].startswith("> ") and len(last[1]) > 10
    said = [line for line in last[2:] if line.strip() and "search index" not in line]
    assert len(said) > 2  # the answer or "no answer" and what was found, then where the model is
    check_conversation(tmp_path, last[1][2:])


def check_proof(model: Path, run: Path) -> None:
    """The file that was named last is the one that was compared with the weights."""
    made = json.loads((run / "exports.json").read_text("utf-8"))[model.name]
    assert made["bytes"] == model.stat().st_size
    by_kind = {proof["kind"]: proof for proof in made["proofs"]}
    assert by_kind.keys() == {"f32", "q8_0"} and {proof["engine"] for proof in made["proofs"]} == {"llama.cpp"}
    exact = by_kind["f32"]
    assert exact["same_tokens"] == exact["num_tokens"] > 0 and exact["mean_gap"] < 1e-3
    assert all(proof["mismatches"] == 0 < proof["num_texts"] for proof in made["proofs"])


def check_figures(run: Path) -> None:
    """What was measured is in the results, and the card says the same."""
    found = json.loads((run / "eval.json").read_text("utf-8"))
    texts = found["held-out texts of tokens"]
    assert 0.5 < texts["bits_per_byte"] < 4 and texts["standard_error"] > 0 and texts["num_bytes"] > 1000
    chosen, answered = found["audit core by likelihood"], found["audit core answered"]
    assert chosen["num_asked"] == answered["num_asked"] == QUESTIONS
    shares = [answered[name] for name in ("correct", "wrong", "dont_know", "refused", "undecided")]
    assert sum(shares) == pytest.approx(1)
    card = (run / "card.md").read_text("utf-8")
    assert f"| bits per byte | {texts['bits_per_byte']:.4g} |" in card
    assert "## Samples" in card and "| model.gguf |" in card
    assert "Licence of the weights: CC-BY-4.0" in card
    assert not [word for word in ("unknown here", "unknown number", "Nothing measured", "Not begun") if word in card]


def check_conversation(folder: Path, question: str) -> None:
    """The model answers, or says honestly that it cannot, to a question and in a conversation from a pipe."""
    model = str(folder / "quickstart" / "model.gguf")
    command = [str(PROGRAMS / "samovar"), "chat", "--model", model]
    options: dict[str, Any] = {"cwd": folder, "env": environment(folder), "capture_output": True, "timeout": 200}
    talked = subprocess.run(command, input=f"{question}\n".encode(), check=False, **options)
    assert talked.returncode == 0, talked.stderr.decode()
    assert len(talked.stdout.decode().strip()) > 20


def test_texts_that_are_not_there_are_missed_at_once(tmp_path: Path) -> None:
    """No language but the default has texts of its own: a folder is asked for, and nothing is begun."""
    process = start(tmp_path, TEXT_LANGUAGE="xx")
    assert process.wait(60) == 2
    assert "expected a folder of texts" in (tmp_path / "log.txt").read_text("utf-8")
    assert not (tmp_path / "quickstart").exists()
