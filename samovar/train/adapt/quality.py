"""What an adaptation changed: tokens, bits per byte, speed. Each figure is taken of the old and the new model on the same texts.

Bits per byte compare across vocabularies; perplexity by the token does not, so it is not given anywhere. transformers computes a folder,
llama.cpp a GGUF file. Knows no vocabularies.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from samovar.errors import MissingExtraError, TrainingError
from samovar.generate.llama_engine import LlamaEngine

Encode = Callable[[str], list[int]]
WINDOW_TOKENS = 256
TIMED_SECONDS, MOST_ROUNDS = 0.5, 301


# -- transformers ---------------------------------------------------------------------------------------------------
def open_encoder(folder: Path) -> Encode:
    """Return what cuts a text into ids by a folder's tokenizer.json; names of specials in the text are plain text.

    Raises:
        TrainingError: tokenizers cannot read it.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtraError("train", "reading tokenizer.json") from error
    try:
        made = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception
        raise TrainingError(f"expected a tokenizer in {folder / 'tokenizer.json'}, found: {error}") from error
    made.encode_special_tokens = True
    made.no_truncation()
    made.no_padding()
    return lambda text: list(made.encode(text, add_special_tokens=False).ids)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from drawing its own bars."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def open_causal(folder: Path) -> Any:
    """Load a model with transformers, float32, for reading. Code that lies in the folder is not run.

    Raises:
        TrainingError: transformers does not know it, or cannot load it.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise MissingExtraError("adapt", "running the model that is adapted") from error
    try:
        with quiet():
            return AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False
            ).eval()
    except (
        ValueError,
        OSError,
        KeyError,
        RuntimeError,
        ImportError,
    ) as error:  # ImportError: what its quantisation needs
        raise TrainingError(f"expected a model that transformers loads in {folder}, found: {error}") from error


def measure_causal(model: Any, encode: Encode, texts: Sequence[str], start: int | None = None) -> float:
    """Return bits per byte of texts; the first token of a window is predicted after `start`, or not at all and then not counted."""
    import torch

    nats, num_bytes = 0.0, 0
    for text in texts:
        ids = encode(text)
        if start is not None:
            ids = [start, *ids]
        for place in range(0, len(ids) - 1, WINDOW_TOKENS):
            window = torch.tensor([ids[place : place + WINDOW_TOKENS + 1]], device=model.device)
            with torch.no_grad():
                scores = model(window[:, :-1]).logits[0].float()
            nats += float(torch.nn.functional.cross_entropy(scores, window[0, 1:], reduction="sum"))
        num_bytes += len(text.encode("utf-8"))
    return nats / math.log(2) / num_bytes if num_bytes else math.nan


# -- llama.cpp ------------------------------------------------------------------------------------------------------
def open_llama(path: Path, context_tokens: int) -> LlamaEngine:
    """Load a GGUF file."""
    return LlamaEngine(path, context_tokens=context_tokens + 16, threads=1, batch_tokens=64)


def measure_llama(engine: LlamaEngine, ids: Sequence[int], text: str) -> float:
    """Return bits per byte of the ids of a text, the first of them not counted: one decoding step for each.

    NaN where llama.cpp keeps a probability back, as it does for ids that end inside a character.
    """
    nats = 0.0
    for place in range(1, len(ids)):
        logprob = engine.score_token(list(ids[:place]), ids[place])
        if logprob is None:
            return math.nan
        nats -= logprob
    return nats / math.log(2) / max(1, len(text.encode("utf-8")))


def measure_speed(engines: Sequence[LlamaEngine], prompts: Sequence[list[int]], num_tokens: int = 24) -> list[float]:
    """Return the tokens that each engine decodes in a second of CPU time: the median of `time_rounds`."""
    return [median(rates) for rates in time_rounds(engines, prompts, num_tokens)]


def time_rounds(
    engines: Sequence[LlamaEngine], prompts: Sequence[list[int]], num_tokens: int = 24, rounds: int = 3
) -> list[list[float]]:
    """Return the tokens that each engine decodes in a second of CPU time in each of the rounds, which are taken in turns on one core, at least `rounds`, and
    as many as it takes until each engine has decoded for `TIMED_SECONDS`. A toy decodes `num_tokens` in two milliseconds: the best of three such rounds differed
    by 70 % between two engines with the same file, since each had a core of its own, one of them shared with other work. Probabilities are not asked
    for: sorting 262,144 of them cost Gemma 3 a millisecond a token."""
    found: list[list[float]] = [[] for _ in engines]
    spent = [0.0] * len(engines)
    with _on_one_core():
        while len(found[0]) < rounds or (min(spent) < TIMED_SECONDS and len(found[0]) < MOST_ROUNDS):
            for number, engine in enumerate(engines):
                empty = _cpu_seconds(engine, prompts[number], 1)
                full = _cpu_seconds(engine, prompts[number], num_tokens + 1)
                spent[number] += max(full - empty, 0.0)
                found[number].append(num_tokens / max(full - empty, 1e-9))
    return found


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Keep all threads of this process on one core, where the system is Linux."""
    tasks = Path("/proc/self/task")
    before: dict[int, set[int]] = {}
    for number in [int(task.name) for task in tasks.iterdir()] if tasks.is_dir() else []:
        with suppress(OSError):  # a thread that has ended, or may not be moved
            before[number] = os.sched_getaffinity(number)
            os.sched_setaffinity(number, {max(before[number])})
    try:
        yield
    finally:
        for number, cores in before.items():
            with suppress(OSError):
                os.sched_setaffinity(number, cores)


def _cpu_seconds(engine: LlamaEngine, prompt: list[int], num_tokens: int) -> float:
    started = time.process_time()
    engine.continue_tokens(prompt, num_tokens, told=False)
    return time.process_time() - started
