"""Inspect AI asks, we grade: what a task is given, and what becomes of a sample of its log."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace as Simple

import pytest
from scripted_endpoint import write_named_pack

from samovar.audit.inspect_ai import export_dataset, make_reply
from samovar.audit.outcome import Question
from samovar.audit.pack import load_pack
from samovar.audit.questions import make_questions
from samovar.errors import UsageError

QUESTION = Question("p/en/0", "p", "en", 0, "Who?")


def sample(completion: str = "Gogol", stop: str = "stop", error: object = None, key: str = "p/en/0") -> Simple:
    output = Simple(completion=completion, stop_reason=stop, model="m-1")
    return Simple(id=key, input="Who?", output=output, error=error, completed_at="2026-11-23T10:00:00Z", started_at=None, total_time=0.5)  # fmt: skip


@pytest.mark.parametrize(
    ("made", "finish", "text"),
    [
        (sample(), "stop", "Gogol"),
        (sample(stop="max_tokens"), "length", "Gogol"),
        (sample("", "content_filter"), "filter", ""),
        (sample(""), "error", ""),
        (sample(error=Simple(message="down")), "error", ""),
    ],
)
def test_what_became_of_a_sample(made: Simple, finish: str, text: str) -> None:
    reply = make_reply(made, {"p/en/0": QUESTION}, "m")
    assert (reply.finish, reply.text, reply.version) == (finish, text, "m-1")
    assert bool(reply.error) == (finish == "error")


def test_samples_of_other_questions_are_refused() -> None:
    with pytest.raises(UsageError, match="was the task made from it"):
        make_reply(sample(key="q/en/0"), {"p/en/0": QUESTION}, "m")


def test_the_dataset_gives_no_answer_away(tmp_path: Path) -> None:
    pack = load_pack(str(write_named_pack(tmp_path / "pack", entities=3)))
    questions = make_questions(pack.probes)
    assert export_dataset(questions, tmp_path / "d.jsonl") == len(questions)
    rows = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    assert {r["id"] for r in rows} == {q.key for q in questions}
    gold = pack.by_id["aa.e0.author"].gold["en"].answers[0]
    assert gold not in (tmp_path / "d.jsonl").read_text()
