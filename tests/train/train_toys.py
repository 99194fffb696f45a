"""Toys for the training tests: a stream of bytes as tokens, plans that run in seconds, and folders of runs that nobody trained."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samovar.train.checkpoint import save_checkpoint
from samovar.train.config import ModelConfig, RunConfig
from samovar.train.loop import CHECKPOINTS, CONFIG, Sources
from samovar.train.model import LanguageModel
from samovar.train.pretrain import TOKENIZER
from samovar.train.tokenizer import Tokenizer

SEPARATOR = 256
VOCABULARY = 320
LENGTH = 32
TEXT = "The samovar stands on the table. Water boils in it, tea is poured out of it. "


class ByteRows:
    """Rows of a repeating text; row k is the window that begins at 7·k, so every cursor has its own."""

    def __init__(self, num_documents: int = 40, offset: int = 0) -> None:
        document = [*TEXT.encode(), SEPARATOR]
        self._stream = np.array(document * num_documents, dtype=np.int64)
        self._offset = offset
        self.num_sequences = (len(self._stream) - LENGTH - 1) // 7

    def read(self, cursor: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        starts = [7 * ((cursor + index + self._offset) % self.num_sequences) for index in range(count)]
        return np.stack([self._stream[start : start + LENGTH + 1] for start in starts])


def make_sources() -> Sources:
    token_bytes = np.ones(VOCABULARY, dtype=np.int64)
    token_bytes[SEPARATOR:] = 0
    return Sources(ByteRows(), ByteRows(offset=3), token_bytes, SEPARATOR)


def make_model(**changes: Any) -> ModelConfig:
    shape = ModelConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        head_dim=8,
        intermediate_size=64,
        max_seq_len=LENGTH,
    )
    return replace(shape, **changes)


def make_plan(**changes: Any) -> RunConfig:
    plan = RunConfig(
        model=make_model(),
        seq_len=LENGTH,
        batch_tokens=4 * LENGTH,
        num_steps=12,
        precision="fp32",
        compile=False,
        eval_every=4,
        eval_tokens=8 * LENGTH,
        save_every=4,
    )
    return replace(plan, **changes)


def make_run(folder: Path, tokenizer: Path, *steps: int, **changes: Any) -> Path:
    """Make a run's folder with a checkpoint of random weights for each step; `changes` are of its plan."""
    words = Tokenizer.load(tokenizer)
    shape = make_model(vocab_size=words.vocab_size, max_seq_len=96)
    folder.mkdir(parents=True)
    make_plan(model=shape, tokenizer_sha256=words.sha256, **changes).save(folder / CONFIG)
    shutil.copytree(tokenizer, folder / TOKENIZER)
    model = LanguageModel(shape)
    state = {"cursor": 0, "seconds": 0.0, "tokenizer_sha256": words.sha256}
    for step in steps:
        model.initialise(step)
        weights, optimiser = model.state_dict(), {"x": torch.zeros(1)}
        save_checkpoint(folder / CHECKPOINTS, step, weights=weights, optimiser=optimiser, state=state)
    return folder
