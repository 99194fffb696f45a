"""Our own training questions: every span is an exact stretch of its sentence, every sentence stands in its article, none is a test question."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from samovar.language import profile_for

ROOT = Path(__file__).parents[2]
ITEMS = [
    json.loads(line) for line in (ROOT / "benchmarks/questions/starter_spans.jsonl").read_text("utf-8").splitlines()
]
PACK = ROOT / "samovar/packs/ru/library"


def test_every_span_stands_once_in_its_sentence_and_the_sentence_in_its_article() -> None:
    profile = profile_for("ru")
    for name in {item["article"] for item in ITEMS}:
        text = (PACK / f"{name}.md").read_text("utf-8").split("+++", 2)[2].strip()
        sentences = {text[start:end] for start, end in profile.sentences(text)}
        for item in (item for item in ITEMS if item["article"] == name):
            assert item["sentence"] in sentences, item
            assert item["sentence"].count(item["span"]) >= 1, item
            edges = item["sentence"].partition(item["span"])
            assert not edges[0][-1:].isalnum() and not edges[2][:1].isalnum(), item  # no torn words


def test_there_are_enough_and_none_is_asked_twice_or_by_the_gate() -> None:
    questions = Counter(item["question"] for item in ITEMS)
    assert len(questions) == len(ITEMS) >= 600
    gate = (ROOT / "tests/assistant/starter_questions.jsonl").read_text("utf-8").splitlines()
    assert questions.keys().isdisjoint(json.loads(line)["question"] for line in gate)
