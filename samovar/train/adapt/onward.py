"""Train a transferred model of our own shape further, by the same loop, shards and checkpoints as pretraining.

The rates are a share of those from scratch, so that what the parent knew is not washed out; the new rows of the tables have the rates of
tables. The result is a run's folder: `samovar export` and `samovar train sft` take it. Knows no vocabularies.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from samovar.errors import TrainingError
from samovar.train.config import ARCHITECTURE, RunConfig
from samovar.train.drafts import write_json
from samovar.train.size import REFERENCE_WIDTH, plan_run

if TYPE_CHECKING:
    from torch import Tensor

    from samovar.train.config import ModelConfig
    from samovar.train.loop import Trainer
    from samovar.train.model import LanguageModel

RATE_SHARE = 0.1
"""Of the rates from scratch: a middle of what is reported for continued training (Ibrahim et al. 2024, arXiv:2403.08763); not tuned here."""
BEFORE = "before.json"
WARMUP = 0.02
"""Share of the steps over which the rates rise: the new rows make the first gradients large."""


def plan_onward(
    model: ModelConfig, *, num_tokens: int, seq_len: int, batch_tokens: int = 0, seed: int = 0
) -> RunConfig:
    """Return the plan of going on with a model of this shape for `num_tokens` tokens."""
    seq_len = min(seq_len, model.max_seq_len)
    plan = plan_run(
        max(1, min(64, model.num_layers)), model.vocab_size, seq_len=seq_len, num_tokens=num_tokens, batch_tokens=batch_tokens, seed=seed
    )  # fmt: skip
    scale = RATE_SHARE * (model.hidden_size / REFERENCE_WIDTH) ** -0.5
    return replace(
        plan, model=model, matrix_lr=RATE_SHARE * 0.02, adam_beta=0.95, embedding_lr=0.01 * scale, head_lr=0.004 * scale,
        norm_lr=0.005 * scale, weight_decay=0.0, warmup_steps=max(1, int(WARMUP * plan.num_steps)),
    )  # fmt: skip


def check_onward(source: Path, *, num_tokens: int, seq_len: int = 1024, batch_tokens: int = 0) -> None:
    """Make sure, before a model is given another vocabulary, that it can be trained further afterwards, as far as its ``config.json`` tells.

    Raises:
        TrainingError: it is of another architecture, or a step would have more tokens than the run.
    """
    from samovar.train.adapt.huggingface import read_json
    from samovar.train.export.trained import config_from_hf

    values = read_json(source / "config.json")
    names = values.get("architectures")
    if names != [ARCHITECTURE]:
        raise TrainingError(
            f"expected the architecture {ARCHITECTURE} to train on with, found {names}: add --lora for others, or leave --num-tokens out"
        )
    plan_onward(config_from_hf(values), num_tokens=num_tokens, seq_len=seq_len, batch_tokens=batch_tokens)


def measure_run(folder: Path, texts: Sequence[str], *, warn: Callable[[str], None] = lambda message: None) -> float:
    """Return bits per byte of texts under the newest checkpoint of a run, or under an exported folder. `warn`: see `open_trained`."""
    from samovar.train.adapt.quality import measure_causal
    from samovar.train.export.trained import open_trained

    trained = open_trained(folder, warn=warn)
    return measure_causal(_Causal(trained.build()), trained.tokenizer.encode, texts)


def measure_before(trainer: Trainer) -> float | None:
    """Return bits per byte on held-out text before the first step; gone on later, what was measured then (``before.json``), None if nothing was."""
    path = trainer.folder / BEFORE
    if trainer.step == 0:
        bits = trainer.measure()
        if trainer.team.is_first:
            write_json(path, {"bits": bits})
        return bits
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads(path.read_text("utf-8"))["bits"])
    return None


class _Causal:
    """Our model as `measure_causal` knows models."""

    device = "cpu"

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def __call__(self, tokens: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self._model(tokens))


def open_onward(
    folder: Path,
    corpus: Sequence[Path],
    output: Path,
    *,
    num_tokens: int,
    seq_len: int = 1024,
    batch_tokens: int = 0,
    seed: int = 0,
    device: str = "auto",
    compile_model: bool = True,
    language: str = "",
    workers: int = 1,
    prompts: tuple[str, ...] = (),
    warn: Callable[[str], None] = lambda message: None,
) -> Trainer:
    """Return the run that trains the transferred model in `folder` on the texts of `corpus`; begun before, it goes on.

    Raises:
        TrainingError: the model is of another architecture, or the texts, memory or disk will not do.
    """
    from samovar.train.card import record_origin
    from samovar.train.export.trained import open_trained
    from samovar.train.prepare import prepare
    from samovar.train.pretrain import TOKENIZER, open_trainer
    from samovar.train.tokenizer import ABOUT, HF, HF_CONFIG, RANKS

    check_onward(folder, num_tokens=num_tokens, seq_len=seq_len, batch_tokens=batch_tokens)
    trained = open_trained(folder, warn=warn)
    words = output / TOKENIZER
    words.mkdir(parents=True, exist_ok=True)
    for name in (RANKS, HF, HF_CONFIG, ABOUT):
        shutil.copyfile(folder / name, words / name)
    tokens = output / "tokens"
    index = prepare(corpus, words, tokens, language=language, workers=workers, anyway=not language)
    plan = plan_onward(
        trained.config, num_tokens=num_tokens, seq_len=seq_len, batch_tokens=batch_tokens, seed=seed
    )  # fmt: skip
    plan = replace(plan, compile=compile_model, tokenizer_sha256=trained.tokenizer.sha256, tokens_sha256=index.sha256)
    trainer = open_trainer(
        plan, tokens, words, output, device=device, prompts=prompts, initial=trained.weights, warn=warn
    )  # fmt: skip
    if trainer.team.is_first:
        record_origin(output, folder, corpus)
    return trainer
