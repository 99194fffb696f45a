"""Inspect AI asks, we grade: a task made from a pack, its log read back. Runs where the extra is installed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace as Simple

import pytest
from scripted_endpoint import endpoint, script, write_named_pack

from samovar.audit.collect import read_replies
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


@pytest.mark.filterwarnings("ignore")
def test_a_real_log_becomes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inspect_ai = pytest.importorskip("inspect_ai")
    pytest.importorskip("openai")
    pack = load_pack(str(write_named_pack(tmp_path / "pack", entities=2, templates=1, prompts=1)))
    questions = make_questions(pack.probes)
    monkeypatch.setenv("SCRIPTED_API_KEY", "none")
    with endpoint(script(pack, "one")) as address:
        monkeypatch.setenv("SCRIPTED_BASE_URL", address)
        [log] = inspect_ai.eval(make_task(questions), model="openai-api/scripted/m", display="none", log_dir=str(tmp_path / "logs"))  # fmt: skip
    assert log.status == "success"
    path = Path(log.location.removeprefix("file://"))
    assert import_log(path, pack, questions, tmp_path / "run") == len(questions)
    replies = read_replies(tmp_path / "run" / "answers.jsonl")
    assert {r.key for r in replies} == {q.key for q in questions}
    assert {r.target for r in replies} == {"inspect:openai-api/scripted/m"}
    speak = script(pack, "one")
    assert {r.key: r.text for r in replies} == {q.key: speak(q.text) for q in questions}
    with pytest.raises(UsageError, match="expected an empty folder"):
        import_log(path, pack, questions, tmp_path / "run")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UsageError, match="expected a log"):
        import_log(path, pack, questions, tmp_path / "other")
