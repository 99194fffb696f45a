"""Prove an export: the same tokens, the same continuations, the same probabilities as the model that was trained.

Each engine continues the same beginnings greedily. In f32 every token must be the same (two candidates closer than the tolerance count as the same) and log-probabilities must agree to
1e-3; the quantised types have their own tolerance, on the mean. Knows transformers and llama.cpp; each is left out, and said so, where it
is not installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from samovar.train.export.trained import Trained
from samovar.train.model import LanguageModel
from samovar.train.tokenizer import Tokenizer

TOLERANCES = {"f32": 1e-3, "f16": 0.02, "bf16": 0.1, "q8_0": 0.1, "q4_0": 1.0}
"""Largest mean |Δ log p| of the likeliest next token, nats; for f32 the largest single one."""
NUM_TOKENS = 24
NUM_RANDOM = 8


@dataclass(frozen=True, slots=True)
class Parity:
    """What a comparison found. `same_tokens` of `num_tokens` greedy tokens are the same (a trial ends where the engine turns off);
    `mean_gap` and `max_gap` are |Δ log p| of the likeliest token, nats; `mismatches` of `num_texts` texts are cut into other tokens."""

    engine: str
    kind: str
    num_tokens: int
    same_tokens: int
    mean_gap: float
    max_gap: float
    num_texts: int = 0
    mismatches: int = 0

    @property
    def passed(self) -> bool:
        """Whether this export may be used."""
        tolerance = TOLERANCES[self.kind]
        exact = self.kind == "f32"
        close = (self.max_gap if exact else self.mean_gap) < tolerance
        return close and self.mismatches == 0 and (not exact or self.same_tokens == self.num_tokens)


@dataclass(frozen=True, slots=True)
class Trial:
    """A beginning and what the trained model makes of it: its greedy tokens, and for each its log-probability and how far it is ahead of
    the second."""

    prompt: list[int]
    tokens: list[int]
    logprobs: list[float]
    leads: list[float]


Progress = Callable[[int, int], None]
"""Called with the trials done and their number."""


def be_silent(done: int, total: int) -> None:
    """Show nothing."""


def make_trials(
    trained: Trained, texts: Sequence[str], num_tokens: int = NUM_TOKENS, *, progress: Progress = be_silent
) -> list[Trial]:
    """Return trials from the beginnings of texts and from random tokens of a fixed seed."""
    words, model = trained.tokenizer, trained.build()
    room = trained.config.max_seq_len - num_tokens - 1
    prompts = [words.encode(text)[: max(1, min(room, 48))] for text in texts if text]
    generator = torch.Generator().manual_seed(0)
    for length in range(4, 4 + NUM_RANDOM):
        prompts.append(torch.randint(0, len(words.ranks), (length,), generator=generator).tolist())
    ends = frozenset((words.turn_end, words.end_of_text))
    trials: list[Trial] = []
    for prompt in prompts:
        trials.append(_try(model, prompt, num_tokens, ends))
        progress(len(trials), len(prompts))
    return [trial for trial in trials if trial.tokens]


@torch.no_grad()
def _try(model: LanguageModel, prompt: list[int], num_tokens: int, ends: frozenset[int]) -> Trial:
    tokens: list[int] = []
    logprobs: list[float] = []
    leads: list[float] = []
    for _ in range(num_tokens):
        scores = model(torch.tensor([prompt + tokens]))[0, -1].log_softmax(-1)
        best = scores.topk(2)
        if int(best.indices[0]) in ends:  # llama.cpp is told to go on, so there is nothing to compare from here
            break
        tokens.append(int(best.indices[0]))
        logprobs.append(float(best.values[0]))
        leads.append(float(best.values[0] - best.values[1]))
    return Trial(prompt, tokens, logprobs, leads)


Answer = tuple[list[int], list[float | None]]
Judge = Callable[[Trial], Answer]
"""Takes a trial; returns the engine's own greedy ids, and their log-probabilities where it tells them."""


def compare(engine: str, kind: str, trials: Sequence[Trial], judge: Judge, progress: Progress = be_silent) -> Parity:
    """Let another engine continue each trial's prompt. Where it turns off, the trial ends: later tokens have another beginning."""
    total, same, gaps = 0, 0, []
    for number, trial in enumerate(trials):
        progress(number, len(trials))
        ids, logprobs = judge(trial)
        for token, logprob, lead, found, value in zip(
            trial.tokens, trial.logprobs, trial.leads, ids, logprobs, strict=True
        ):
            total += 1
            same += found == token or lead < TOLERANCES["f32"]
            if found != token:
                break
            if value is not None:
                gaps.append(abs(value - logprob))
    progress(len(trials), len(trials))
    if not gaps:
        return Parity(engine, kind, total, same, math.inf, math.inf)
    return Parity(engine, kind, total, same, sum(gaps) / len(gaps), max(gaps))


def compare_transformers(
    folder: Path,
    kind: str,
    trials: Sequence[Trial],
    words: Tokenizer,
    texts: Sequence[str],
    *,
    progress: Progress = be_silent,
) -> Parity:
    """Compare with transformers over an exported folder, tokenizer included."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from samovar.train.adapt.quality import quiet

    with quiet():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        theirs = AutoTokenizer.from_pretrained(folder)

    def judge(trial: Trial) -> Answer:
        with torch.no_grad():
            scores = model(torch.tensor([trial.prompt + trial.tokens[:-1]])).logits[0].float().log_softmax(-1)
        best = scores[len(trial.prompt) - 1 :].max(-1)
        return best.indices.tolist(), best.values.tolist()

    found = compare("transformers", kind, trials, judge, progress)
    wrong = sum(
        theirs.encode(text, add_special_tokens=False, split_special_tokens=True) != words.encode(text) for text in texts
    )
    return replace(found, num_texts=len(texts), mismatches=wrong)


def compare_llama(
    path: Path,
    kind: str,
    trials: Sequence[Trial],
    words: Tokenizer,
    texts: Sequence[str],
    *,
    threads: int = 1,
    progress: Progress = be_silent,
) -> Parity:
    """Compare with llama.cpp over a GGUF file, tokenizer included."""
    from samovar.generate.llama_engine import LlamaEngine

    longest = max(len(trial.prompt) + len(trial.tokens) for trial in trials)
    engine = LlamaEngine(
        path, context_tokens=longest + 8, threads=threads, batch_tokens=64, check_memory=False, exact=True
    )
    try:

        def judge(trial: Trial) -> Answer:
            ids, told = engine.continue_tokens(trial.prompt, len(trial.tokens))
            return ids, place_told(ids, told)

        found = compare("llama.cpp", kind, trials, judge, progress)
        wrong = sum(engine.tokenize(text) != words.encode(text) for text in texts)
    finally:
        engine.close()
    return replace(found, num_texts=len(texts), mismatches=wrong)


def place_told(ids: Sequence[int], told: Sequence[tuple[int, float]]) -> list[float | None]:
    """Return for each id its log-probability, None where the engine kept it: `told` are some of the ids, in order."""
    placed: list[float | None] = []
    rest = list(told)
    for number, token in enumerate(ids):
        certain = rest and rest[0][0] == token and not _is_ambiguous(ids[number:], rest)
        placed.append(rest[0][1] if certain else None)
        if rest and rest[0][0] == token:
            rest.pop(0)
    return placed


def _is_ambiguous(ids: Sequence[int], rest: Sequence[tuple[int, float]]) -> bool:
    """Whether the next told entry may belong to a later id: some were kept back, and the same id comes again."""
    return len(ids) != len(rest) and ids[0] in ids[1:]
