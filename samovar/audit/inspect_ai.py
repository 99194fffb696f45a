"""Inspect AI as another way to ask (extra ``inspect``): packs as its tasks, its ``.eval`` logs as runs of ours, graded and analysed like any.

    inspect eval … --model …            the task made by `make_task`, or `export_dataset`'s JSON Lines in a task of one's own
    import_log(log, pack, folder)       then  samovar audit report folder

No scorer of Inspect is used: grading and statistics are ours. Knows nothing about either. Source: Inspect AI, "Datasets" and "Log Files".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from samovar import __version__
from samovar.audit.collect import ANSWERS, COLUMNS, FORMAT, RUN, hash_questions
from samovar.audit.evidence import freeze_pack, registration
from samovar.audit.outcome import Question, Reply
from samovar.audit.pack import Pack
from samovar.errors import MissingExtraError, UsageError

FILTERED = "content_filter"
CUT = frozenset({"max_tokens", "model_length"})


def export_dataset(questions: Sequence[Question], path: Path) -> int:
    """Write questions as JSON Lines that Inspect's ``json_dataset`` reads; return how many. Right answers are not written."""
    rows = (json.dumps({"id": q.key, "input": q.text, "target": ""}, ensure_ascii=False) for q in questions)
    path.write_text("".join(row + "\n" for row in rows), "utf-8")
    return len(questions)


def make_task(questions: Sequence[Question], *, name: str = "samovar", max_tokens: int = 256) -> Any:
    """Return an Inspect ``Task``: one generate step at temperature 0 for each question, without system prompt and scorer.

    Raises:
        MissingExtraError: inspect-ai is not installed.
    """
    try:
        from inspect_ai import Task
        from inspect_ai.dataset import MemoryDataset, Sample
        from inspect_ai.model import GenerateConfig
        from inspect_ai.solver import generate
    except ImportError as error:
        raise MissingExtraError("inspect", "Making a task for Inspect AI") from error
    samples = [Sample(input=q.text, target="", id=q.key) for q in questions]
    config = GenerateConfig(temperature=0.0, max_tokens=max_tokens)
    return Task(dataset=MemoryDataset(samples), solver=generate(), config=config, name=name)


def import_log(log: Path, pack: Pack, questions: Sequence[Question], folder: Path) -> int:
    """Make a run of ours from a log of Inspect; return how many answers it has. A sample that failed is missing, never an answer.

    Raises:
        MissingExtraError: inspect-ai is not installed.
        UsageError: the log is unreadable or of other questions, or the folder holds a run already.
    """
    try:
        from inspect_ai.log import read_eval_log
    except ImportError as error:
        raise MissingExtraError("inspect", "Reading a log of Inspect AI") from error
    if (folder / RUN).exists():
        raise UsageError(f"expected an empty folder for the run, found one in {folder}. Name another.")
    try:
        read = read_eval_log(str(log))
    except Exception as error:  # whatever a damaged archive raises inside
        raise UsageError(f"expected a log of Inspect AI in {log}, found: {error!r}") from error
    asked = {q.key: q for q in questions}
    replies = [make_reply(sample, asked, str(read.eval.model)) for sample in read.samples or ()]
    if not replies:
        raise UsageError(f"expected samples in {log}, found none: did the evaluation end ({read.status})?")
    folder.mkdir(parents=True, exist_ok=True)
    freeze_pack(pack, folder)
    rows = (json.dumps({n: getattr(r, n) for n in COLUMNS}, ensure_ascii=False) for r in replies)
    (folder / ANSWERS).write_text("".join(row + "\n" for row in rows), "utf-8", errors="replace")
    manifest = {
        "format": FORMAT,
        "samovar": __version__,
        "target": f"inspect:{read.eval.model}",
        "describe": {"kind": "inspect", "model": str(read.eval.model), "packages": dict(read.eval.packages), "task": str(read.eval.task)},
        "num_questions": len(questions),
        "questions_sha256": hash_questions(questions),
        "started": str(read.eval.created),
    }  # fmt: skip
    (folder / RUN).write_text(json.dumps(manifest | registration(pack), ensure_ascii=False, indent=1) + "\n", "utf-8")
    return len(replies)


def make_reply(sample: Any, asked: dict[str, Question], model: str) -> Reply:
    """Return one sample of a log as a reply. Raises `UsageError` for a sample that is none of the questions."""
    key = str(sample.id)
    if key not in asked or str(sample.input) != asked[key].text:
        raise UsageError(
            f"expected questions of this pack in the log, found the sample {key!r}: was the task made from it?"
        )
    output = sample.output
    failed = sample.error is not None or output is None or not (output.completion or output.stop_reason == FILTERED)
    finish: Literal["stop", "length", "filter", "error"] = "stop"
    if failed:
        finish = "error"
    elif output.stop_reason == FILTERED:
        finish = "filter"
    elif output.stop_reason in CUT:
        finish = "length"
    said = "" if failed else str(output.completion)
    error = str(getattr(sample.error, "message", "")) or "no answer" if failed else ""
    at = str(sample.completed_at or sample.started_at or "")
    seconds = float(sample.total_time or 0.0)
    version = str(getattr(output, "model", "") or model)
    return Reply(key, asked[key].text, said, finish, f"inspect:{model}", version, at, seconds, error=error)
