"""What a run will cost before it starts: questions, time, tokens, money. Rough on purpose, and said so.

Letters per token are those of common tokenizers on plain text (o200k: about 4 letters of English, 2.6 of Russian); completions are counted at
their limit, so that the bill can only be smaller. Knows nothing about targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samovar.audit.outcome import Question
from samovar.audit.targets.target import Price

LETTERS_PER_TOKEN = 3.0
TOKENS_AROUND = 8  # roles and separators of a chat template


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """`seconds` at the latency seen; tokens of all prompts, and of completions at most; `cost` at most (0 where no price is known)."""

    questions: int
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    cost: float


def estimate_run(
    questions: Sequence[Question],
    *,
    seconds_each: float,
    connections: int,
    per_minute: float = 0.0,
    max_tokens: int = 256,
    price: Price | None = None,
) -> RunEstimate:
    """Estimate a run from the time one answer takes (seconds), how many are asked at once and the limit per minute."""
    num = len(questions)
    seconds = num * seconds_each / max(1, connections)
    if per_minute:
        seconds = max(seconds, num * 60 / per_minute)
    prompt = sum(round(len(q.text) / LETTERS_PER_TOKEN) + TOKENS_AROUND for q in questions)
    completion = num * max_tokens
    cost = (prompt * price.prompt + completion * price.completion) / 1e6 if price else 0.0
    return RunEstimate(num, seconds, prompt, completion, cost)
