"""How good are the built-in answers? Quoted sentence, short span, citations, abstention: through the whole assistant.

    SAMOVAR_BENCH_DATA=… python benchmarks/answers.py [--language ru] [--limit N]

XQuAD dev: every paragraph becomes a document of a fresh library (starter library off), every question goes through search, extraction and
the assistant as it does for a user. Two runs: with all articles, and with every second article left out, where the questions
of the missing articles have no answer: the risk–coverage curve. The extractive weights were trained on these very dev questions, so the
figures here are optimistic; the cross-validated ones are printed by `train_extractive.py`. Prints JSON Lines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from answer_metrics import contains_answer, token_f1
from xquad import read_xquad

from samovar.app import Samovar
from samovar.corpus.document import make_document
from samovar.settings import load_settings


@dataclass(frozen=True)
class Question:
    """A question, its gold answer and whether its paragraph is in the library."""

    text: str
    gold: str
    answerable: bool


def evaluate_answers(
    data: Path, language: str = "ru", *, half: bool = False, limit: int | None = None
) -> dict[str, object]:
    """Run the questions of one language through the assistant and return the measures."""
    paragraphs = read_xquad(data, language)
    inside = [not half or p.article % 2 == 0 for p in paragraphs]
    asked = [Question(q, gold, here) for p, here in zip(paragraphs, inside, strict=True) for q, gold in p.questions][
        :limit
    ]
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(home=Path(folder), library={"starter": False}, assistant={"abstain_below": 0.0})
        with Samovar.open(settings) as samovar:
            documents = [
                make_document(
                    source="xquad",
                    uri=f"xquad:{i}",
                    title="",
                    text=p.text,
                    language=language,
                    publisher=f"article {p.article}",
                )
                for i, (p, here) in enumerate(zip(paragraphs, inside, strict=True))
                if here
            ]
            with samovar.library.writer() as writer:
                writer.put(documents)
            return measure(samovar, asked, language, half)


def measure(samovar: Samovar, asked: list[Question], language: str, half: bool) -> dict[str, object]:
    """Ask every question with abstention switched off, and keep the confidence."""
    confident: list[tuple[float, bool]] = []
    contained, f1, resolved, cited, seconds = [], [], 0, 0, []
    for question in asked:
        started = time.perf_counter()
        answer = samovar.assistant.ask(question.text)
        seconds.append(time.perf_counter() - started)
        confident.append((answer.confidence or 0.0, question.answerable))
        for c in answer.citations:
            cited += 1
            resolved += samovar.library.document(c.document_id).text[c.start : c.end] == c.quote
        if question.answerable:
            quote = answer.citations[0].quote if answer.citations else ""
            contained.append(contains_answer(quote, question.gold))
            short = ""
            if answer.short is not None:
                document_id, start, end = answer.short
                short = samovar.library.document(document_id).text[start:end]
            f1.append(token_f1(short, question.gold))
    result: dict[str, object] = {
        "benchmark": "answers", "language": language, "condition": "half" if half else "all", "n": len(asked),
        "sentence_contains_gold": round(statistics.mean(contained), 4), "short_f1": round(statistics.mean(f1), 4),
        "citations": cited, "citations_resolved": round(resolved / max(cited, 1), 4),
        "ms_median": round(statistics.median(seconds) * 1000, 1),
    }  # fmt: skip
    if half:
        result |= abstention(confident, samovar)
    return result


def abstention(confident: list[tuple[float, bool]], samovar: Samovar) -> dict[str, object]:
    """Risk–coverage: for thresholds, the share of answerable and of unanswerable questions that would be answered."""
    from samovar.settings import AssistantSettings

    yes = [c for c, answerable in confident if answerable]
    no = [c for c, answerable in confident if not answerable]

    def point(threshold: float) -> dict[str, float]:
        return {
            "threshold": threshold,
            "answerable_answered": round(sum(c >= threshold for c in yes) / len(yes), 4),
            "unanswerable_answered": round(sum(c >= threshold for c in no) / len(no), 4),
        }

    return {"at_default": point(AssistantSettings().abstain_below), "curve": [point(t / 20) for t in range(1, 20)]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--language", default="ru,en")
    parser.add_argument("--limit", type=int, help="only the first N questions")
    options = parser.parse_args()
    folder = os.environ.get("SAMOVAR_BENCH_DATA")
    if not folder or not Path(folder).is_dir():
        print(json.dumps({"benchmark": "answers", "skipped": "SAMOVAR_BENCH_DATA names no folder"}))
        return 0
    for language in options.language.split(","):
        for half in (False, True):
            print(json.dumps(evaluate_answers(Path(folder), language, half=half, limit=options.limit)), flush=True)
            print(f"{language} {'half' if half else 'all'} done", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
