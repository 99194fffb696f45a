"""What is exported: the shape, the weights and the tokenizer of a run, out of its folder or out of a folder written by `export_hf`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from samovar.errors import TrainingError
from samovar.train.checkpoint import find_checkpoint
from samovar.train.config import ARCHITECTURE, ModelConfig, RunConfig
from samovar.train.model import LanguageModel
from samovar.train.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Trained:
    """A model of Qwen3's shape, float32, on the CPU. `step` is that of the checkpoint, -1 when unknown; `folder` is where it came from."""

    config: ModelConfig
    weights: dict[str, Tensor]
    tokenizer: Tokenizer
    tokenizer_folder: Path
    folder: Path
    step: int = -1

    def build(self) -> LanguageModel:
        """Return the model with its weights, for reading only."""
        model = LanguageModel(self.config)
        model.load_state_dict(self.weights)
        return model.eval().requires_grad_(False)


def open_trained(folder: Path, *, warn: Callable[[str], None] = lambda message: None) -> Trained:
    """Open a run's folder (its newest complete checkpoint) or an exported Hugging Face folder that carries a tokenizer of ours. `warn` is told of
    damaged checkpoints that are passed over, and of a run that is not finished.

    Raises:
        TrainingError: it is neither, or is damaged.
    """
    if (folder / "checkpoints").is_dir():
        return _open_run(folder, warn)
    if (folder / "config.json").is_file() and (folder / "model.safetensors").is_file():
        return _open_hf(folder)
    raise TrainingError(
        f"expected the folder of a training run (with checkpoints/) or of an exported model (with model.safetensors), found {folder}"
    )


def _open_run(folder: Path, warn: Callable[[str], None]) -> Trained:
    plan = RunConfig.load(folder / "config.json")
    found = find_checkpoint(folder / "checkpoints", warn=warn)
    if found is None:
        raise TrainingError(f"expected a complete checkpoint in {folder / 'checkpoints'}, found none: train first")
    words = Tokenizer.load(folder / "tokenizer")
    if plan.tokenizer_sha256 and plan.tokenizer_sha256 != words.sha256:
        raise TrainingError(
            f"expected the tokenizer {plan.tokenizer_sha256[:12]} that {folder} was trained with in its folder tokenizer/, found "
            f"{words.sha256[:12]}: put the right one there"
        )
    if found.step < plan.num_steps:
        warn(
            f"{folder} is not finished: step {found.step} of {plan.num_steps} is used; the command that began it goes on from there"
        )
    return Trained(plan.model, found.weights(), words, folder / "tokenizer", folder, found.step)


def _open_hf(folder: Path) -> Trained:
    from safetensors.torch import load_file

    try:
        values: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    except ValueError as error:
        raise TrainingError(f"expected JSON in {folder / 'config.json'}, found: {error}") from error
    if values.get("architectures") != [ARCHITECTURE]:
        raise TrainingError(
            f"expected the architecture {ARCHITECTURE} in {folder}, found {values.get('architectures')}"
        )
    config = config_from_hf(values)
    weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    return Trained(config, weights, Tokenizer.load(folder), folder, folder)


def config_from_hf(values: dict[str, Any]) -> ModelConfig:
    """Return the shape that a ``config.json`` of a Qwen3 model tells."""
    theta = values.get("rope_theta") or values.get("rope_parameters", {}).get("rope_theta", 10_000.0)
    found = {
        "vocab_size": values["vocab_size"],
        "hidden_size": values["hidden_size"],
        "num_layers": values["num_hidden_layers"],
        "num_heads": values["num_attention_heads"],
        "num_kv_heads": values["num_key_value_heads"],
        "head_dim": values["head_dim"],
        "intermediate_size": values["intermediate_size"],
        "max_seq_len": values["max_position_embeddings"],
        "rope_theta": theta,
        "rms_norm_eps": values["rms_norm_eps"],
        "tie_embeddings": values["tie_word_embeddings"],
    }
    assert set(found) == {field.name for field in fields(ModelConfig)}
    return ModelConfig(**found)
