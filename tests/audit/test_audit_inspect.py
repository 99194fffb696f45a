"""Inspect AI asks, we grade: what a task is given, and what becomes of a sample of its log."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from types import SimpleNamespace as Simple
from typing import Any

import pytest
from scripted_endpoint import write_named_pack

from samovar.audit.evidence import read_graded
from samovar.audit.inspect_ai import export_dataset, import_log, make_reply, make_task
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # its streams are left for the collector to close
def test_a_whole_run_through_inspect(tmp_path: Path) -> None:
    """Our questions asked by Inspect AI itself (its own mock model answers), its log read back, graded by us as if we had asked."""
    inspect_ai = pytest.importorskip("inspect_ai")
    models = pytest.importorskip("inspect_ai.model")
    pack = load_pack(str(write_named_pack(tmp_path / "pack", entities=2, templates=2, prompts=2)))
    questions = make_questions(pack.probes)
    by_text = {q.text: q for q in questions}
    lost, filtered = "aa.e0.author", "refusal.t0"

    def answer(said: list[Any], *_: Any) -> Any:
        question = by_text[said[-1].text]
        gold = pack.by_id[question.probe].gold.get(question.language)
        text = "I don't know." if question.probe == lost else gold.answers[0] if gold else "Sure, here it is."
        stop = "content_filter" if question.probe == filtered else "stop"
        made = models.ModelOutput.from_content("mockllm/model", "" if stop != "stop" else text, stop_reason=stop)
        # else it is counted with a download
        made.usage = models.ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return made

    model = models.get_model("mockllm/model", custom_outputs=answer)
    [log] = inspect_ai.eval(make_task(questions), model=model, log_dir=str(tmp_path / "logs"), display="none", log_format="eval")  # fmt: skip
    gc.collect()
    assert log.status == "success"
    [path] = (tmp_path / "logs").glob("*.eval")
    assert import_log(path, pack, questions, tmp_path / "run") == len(questions)
    run, graded = read_graded(tmp_path / "run")
    assert run.unanswered == 0 and run.name == "inspect:mockllm/model"
    outcomes = {r.question.key: r.grade.outcome for r in graded.rows}
    assert {o for k, o in outcomes.items() if k.startswith(lost)} == {"dont_know"}
    assert {o for k, o in outcomes.items() if k.startswith(filtered)} == {"refused"}
    assert {r.grade.outcome for r in graded.of("knowledge") if r.probe.id != lost} == {"correct"}
    with pytest.raises(UsageError, match="Name another"):
        import_log(path, pack, questions, tmp_path / "run")
    with pytest.raises(UsageError, match="was the task made from it"):
        import_log(path, pack, questions[:3], tmp_path / "other")
    (tmp_path / "cut.eval").write_bytes(path.read_bytes()[:200])
    with pytest.raises(UsageError, match="expected a log of Inspect AI"):
        import_log(tmp_path / "cut.eval", pack, questions, tmp_path / "cut")
