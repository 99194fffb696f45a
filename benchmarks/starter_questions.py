"""Questions a newcomer may ask of the starter library, through the whole assistant with the built-in answerer.

    python benchmarks/starter_questions.py [--failures]

`tests/assistant/starter_questions.jsonl`: questions with words that a right answer must quote, and questions without an answer in the library, which must
be refused. Written by us over the articles (not by their users): an easy set, no estimate for other people's documents. Prints JSON Lines.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from answer_metrics import fold_answer

from samovar.app import Samovar
from samovar.settings import load_settings

QUESTIONS = Path(__file__).parent.parent / "tests" / "assistant" / "starter_questions.jsonl"


def evaluate_starter(failures: bool = False) -> dict[str, float]:
    """Return the share of answerable questions answered rightly and of the others refused; with `failures` print what went wrong."""
    rows = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    right = refused = 0
    with tempfile.TemporaryDirectory() as home, Samovar.open(load_settings(home=Path(home))) as samovar:
        for row in rows:
            answer = samovar.assistant.ask(row["question"])
            if row["answer"]:
                good = answer.status == "answered" and " ".join(fold_answer(row["answer"])) in " ".join(
                    fold_answer(answer.text)
                )
                right += good
            else:
                good = answer.status == "abstained"
                refused += good
            if failures and not good:
                print(
                    f"{row['question']}  expected {row['answer']!r}, {answer.status} {answer.confidence}: {answer.text}",
                    file=sys.stderr,
                )
    answerable = sum(bool(row["answer"]) for row in rows)
    return {
        "answered_right": round(right / answerable, 4),
        "unanswerable_refused": round(refused / (len(rows) - answerable), 4),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--failures", action="store_true", help="print the questions that went wrong on stderr")
    print(json.dumps({"benchmark": "starter_questions", **evaluate_starter(parser.parse_args().failures)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
