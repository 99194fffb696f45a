"""What trimming costs in answers: grounded questions put to a model before and after, the same ones, paired.

    python benchmarks/adapt_answers.py BEFORE.gguf AFTER.gguf [--limit 100]

Questions of XQuAD in Russian (`SAMOVAR_BENCH_DATA`) with their passage, in the assistant's own prompt; llama.cpp answers, the likeliest token each time.
A model without a chat template is asked ``Q: …`` / ``A:``, as `samovar train eval` does. Reported are exact match and F1 of both, how many replies are
the same letter for letter, and the mean difference with its standard error over the questions.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from samovar.commands.train_data import lay_out_for
from samovar.generate import llama_engine
from samovar.generate.llama_engine import LlamaEngine
from samovar.language import profile_for
from samovar.train.adapt.ggufile import File, open_file
from samovar.train.evaluate import Asked, overlap, read_squad
from samovar.train.speaker import PLAIN, PLAIN_STOPS, cut_at

CONTEXT, ANSWER_TOKENS = 4096, 32
LANGUAGE = "ru"


class Answerer:
    """One model."""

    def __init__(self, path: Path) -> None:
        self.file: File = open_file(path)
        self.engine = LlamaEngine(path, context_tokens=CONTEXT, threads=1, batch_tokens=512)

    def answer(self, messages: list[dict[str, str]]) -> str:
        """Return the likeliest answer."""
        if self.file.template:
            parts: list[str] = []
            self.engine.chat(
                {"messages": messages, "temperature": 0.0, "max_tokens": ANSWER_TOKENS, "stream": True},
                lambda chunk: self._take(chunk, parts),
            )
            return "".join(parts)
        text = PLAIN.format(question="\n\n".join(one["content"] for one in messages))
        start = [] if self.file.start is None else [self.file.start]
        said = self.engine.continue_tokens([*start, *self.engine.tokenize(text)], ANSWER_TOKENS)[0]
        spelt = b"".join(self._spell(number) for number in said)
        return cut_at(spelt.decode("utf-8", "replace"), PLAIN_STOPS)

    def _spell(self, number: int) -> bytes:
        token = self.file.vocabulary.tokens[number] or ""
        if token.startswith("<0x") and len(token) == 6:
            return bytes([int(token[3:5], 16)])
        return b"" if token.startswith("<") and token.endswith(">") else self.file.vocabulary.spell(number) or b""

    @staticmethod
    def _take(chunk: dict[str, Any], parts: list[str]) -> bool:
        for choice in chunk.get("choices") or ():
            parts.append(choice.get("delta", {}).get("content") or "")
        return False


def words(text: str) -> list[str]:
    """Return a text's words for comparison."""
    profile = profile_for(LANGUAGE)
    return [profile.fold(token.text) for token in profile.tokens(text)]


def judge(said: str, one: Asked) -> tuple[float, float]:
    """Return exact match and F1."""
    golds = [words(gold) for gold in one.answers]
    return max(float(words(said) == gold) for gold in golds), max(overlap(words(said), gold) for gold in golds)


def main() -> None:
    """Ask both models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("models", nargs=2, type=Path)
    parser.add_argument("--limit", type=int, default=100)
    given = parser.parse_args()
    data = os.environ.get("SAMOVAR_BENCH_DATA")
    if not data:
        print(json.dumps({"benchmark": "adapt_answers", "skipped": "SAMOVAR_BENCH_DATA is not set"}))
        return
    llama_engine.COUNT_SECONDS = 600  # what measures waits for a busy machine
    questions = read_squad(Path(data) / "xquad.ru.dev.json")
    lay_out = lay_out_for(LANGUAGE)
    before, after = map(Answerer, given.models)
    scores: list[tuple[tuple[float, float], tuple[float, float]]] = []
    same = 0
    for one in random.Random(0).sample(questions, min(given.limit, len(questions))):
        said = [model.answer(lay_out(one.question, [one.passage], "0" * 16)) for model in (before, after)]
        same += said[0] == said[1]
        scores.append((judge(said[0], one), judge(said[1], one)))
        if len(scores) % 10 == 0 or len(scores) == given.limit:
            _report(scores, same, given.models)


def _report(scores: list[tuple[tuple[float, float], tuple[float, float]]], same: int, models: list[Path]) -> None:
    differences = [after[1] - before[1] for before, after in scores]
    print(
        json.dumps({
            "benchmark": "adapt_answers", "models": [path.name for path in models], "questions": len(scores), "same_replies": same,
            "exact": [round(mean(pair[n][0] for pair in scores), 4) for n in (0, 1)],
            "f1": [round(mean(pair[n][1] for pair in scores), 4) for n in (0, 1)],
            "f1_difference": round(mean(differences), 5), "standard_error": round(stdev(differences) / len(differences) ** 0.5, 5),
        }), flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
