"""The two descriptions a training run is made of: the shape of the model and the plan of the run. Plain data, no torch.

The shape is Qwen3's (RMSNorm, norms on queries and keys, rotary positions, grouped queries, SwiGLU), so that the result loads in
transformers, llama.cpp and vLLM unmodified. Source: Qwen3 technical report, arXiv:2505.09388.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from samovar.errors import TrainingError
from samovar.train.drafts import write_json

ARCHITECTURE = "Qwen3ForCausalLM"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape of a decoder. `num_kv_heads` divides `num_heads`; `head_dim` is even; `vocab_size` is the tokenizer's, padding included."""

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    max_seq_len: int = 1024
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-6
    tie_embeddings: bool = True

    def __post_init__(self) -> None:
        if self.num_heads % self.num_kv_heads:
            raise TrainingError(
                f"expected num_kv_heads to divide num_heads, found {self.num_heads} and {self.num_kv_heads}"
            )
        if self.head_dim % 2:
            raise TrainingError(f"expected an even head_dim (rotary positions turn pairs), found {self.head_dim}")
        low = [f.name for f in fields(self) if f.type == "int" and getattr(self, f.name) < 1]
        if low:
            raise TrainingError(f"expected positive sizes, found {', '.join(f'{n}={getattr(self, n)}' for n in low)}")

    @property
    def num_matrix_parameters(self) -> int:
        """Weights of the linear layers inside the blocks: what Muon trains, and what scaling rules count together with the output layer."""
        queries, keys = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        attention = self.hidden_size * (2 * queries + 2 * keys)
        return self.num_layers * (attention + 3 * self.hidden_size * self.intermediate_size)

    @property
    def num_parameters(self) -> int:
        """All weights; tied embeddings counted once."""
        tables = self.vocab_size * self.hidden_size * (1 if self.tie_embeddings else 2)
        norms = self.num_layers * (2 * self.hidden_size + 2 * self.head_dim) + self.hidden_size
        return tables + self.num_matrix_parameters + norms

    def flops_per_token(self, seq_len: int) -> float:
        """Training FLOPs a token: 6 for each weight of a matrix product (output layer included) and 12·layers·heads·head_dim·length
        for attention, not halved for causality. Source: PaLM, arXiv:2204.02311, appendix B."""
        matmul = self.num_matrix_parameters + self.vocab_size * self.hidden_size
        return 6.0 * matmul + 12.0 * self.num_layers * self.num_heads * self.head_dim * seq_len

    def to_hf(self, *, eos_token_id: int, bos_token_id: int | None = None) -> dict[str, Any]:
        """Return the ``config.json`` that transformers and vLLM read."""
        return {
            "architectures": [ARCHITECTURE],
            "model_type": "qwen3",
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_heads,
            "num_key_value_heads": self.num_kv_heads,
            "head_dim": self.head_dim,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": self.max_seq_len,
            "rope_theta": self.rope_theta,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "rms_norm_eps": self.rms_norm_eps,
            "tie_word_embeddings": self.tie_embeddings,
            "attention_bias": False,
            "attention_dropout": 0.0,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "use_sliding_window": False,
            "sliding_window": None,
            "use_cache": True,
            "torch_dtype": "float32",
            "bos_token_id": bos_token_id,
            "eos_token_id": eos_token_id,
        }


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Plan of a pretraining run; `samovar.train.size` derives it from one dial. Rates are peaks; `batch_tokens` are tokens an optimiser step,
    over all processes; `adam_beta` is AdamW's memory of squares; `warmdown` is the share of steps over which the rates fall to zero; `shard` says whether each process holds only its
    part of the weights (auto, on or off)."""

    model: ModelConfig
    seq_len: int
    batch_tokens: int
    num_steps: int
    matrix_lr: float = 0.02
    embedding_lr: float = 0.01
    head_lr: float = 0.004
    norm_lr: float = 0.005
    adam_beta: float = 0.95
    weight_decay: float = 0.1
    warmup_steps: int = 0
    warmdown: float = 0.5
    seed: int = 0
    device_batch: int = 0
    precision: str = "auto"
    compile: bool = True
    shard: str = "auto"
    eval_every: int = 250
    eval_tokens: int = 262_144
    save_every: int = 500
    keep: int = 2
    sample_every: int = 0
    tokenizer_sha256: str = ""
    tokens_sha256: str = ""

    def __post_init__(self) -> None:
        counts = ("seq_len", "batch_tokens", "num_steps", "eval_every", "eval_tokens", "save_every")
        wrong = [name for name in counts if getattr(self, name) < 1]
        rates = ("matrix_lr", "embedding_lr", "head_lr", "norm_lr")
        wrong += [name for name in rates if not 0.0 < getattr(self, name) < math.inf]
        if wrong:
            raise TrainingError(
                f"expected numbers above 0, found {', '.join(f'{name}={getattr(self, name)}' for name in wrong)}"
            )
        if self.batch_tokens % self.seq_len:
            raise TrainingError(
                f"expected batch_tokens to be a multiple of seq_len, found {self.batch_tokens} and {self.seq_len}"
            )
        if self.seq_len > self.model.max_seq_len:
            raise TrainingError(
                f"expected seq_len of at most {self.model.max_seq_len} (the model's), found {self.seq_len}"
            )

    @property
    def batch_sequences(self) -> int:
        """Sequences an optimiser step, over all processes."""
        return self.batch_tokens // self.seq_len

    @property
    def num_tokens(self) -> int:
        """Tokens seen by the whole run."""
        return self.num_steps * self.batch_tokens

    def save(self, path: Path) -> None:
        """Write the plan as JSON, whole or not at all.

        Raises:
            TrainingError: it cannot be written.
        """
        try:
            write_json(path, asdict(self))
        except OSError as error:
            raise TrainingError(f"expected to write {path}, found: {error}") from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a plan.

        Raises:
            TrainingError: the file is not a plan of this version.
        """
        try:
            return cls.from_dict(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TrainingError(f"expected the plan of a training run in {path}, found: {error}") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a plan from its JSON form; unknown keys are refused."""
        return cls(**{**values, "model": ModelConfig(**values["model"])})
