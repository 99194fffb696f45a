"""The decoder: Qwen3's shape in one readable file, with the parameter names of transformers' ``Qwen3ForCausalLM``.

Block: x + attention(norm(x)), then x + mlp(norm(x)). Queries and keys are normalised per head and turned by rotary positions; several
query heads share one key head; the MLP is SwiGLU. Several documents lie in one row: attention never crosses from one to another.
Knows nothing about optimisation or files. Source: Qwen3 technical report (arXiv:2505.09388), RoFormer (arXiv:2104.09864).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samovar.train.attention import attend
from samovar.train.config import ModelConfig
from samovar.train.cross_entropy import list_nats, mean_nats

IGNORED = -100
"""Targets of this value carry no loss."""
EMBEDDING_DEVIATION = {False: 0.8, True: 0.02}
"""By whether the table is the output layer too. Alone it may be wide: .5 gave .015 bits per byte less than .02 (benchmarks/train_bits.py)."""
GATE_SHARE = 0.5
"""The two matrices that an MLP multiplies begin at this share of the other matrices' deviation."""


class RMSNorm(nn.Module):
    """x / rms(x) · weight over the last dimension, in float32. Source: arXiv:1910.07467."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised input, same shape and type."""
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight.float(), self.eps).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + half) of each head of `x` [batch, length, heads, head_dim] by the angles of their positions."""
    low, high = x.chunk(2, dim=-1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat((low * cos - high * sin, high * cos + low * sin), dim=-1)


class Attention(nn.Module):
    """Grouped-query attention with normalised queries and keys."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.o_proj = nn.Linear(queries, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, segments: Tensor | None) -> Tensor:
        """Return the mixed values, [batch, length, hidden]. `segments` [batch, length] numbers the documents; None means one in each row."""
        batch, length, _ = x.shape
        c = self.config
        q = self.q_norm(self.q_proj(x).view(batch, length, c.num_heads, c.head_dim))
        k = self.k_norm(self.k_proj(x).view(batch, length, c.num_kv_heads, c.head_dim))
        v = self.v_proj(x).view(batch, length, c.num_kv_heads, c.head_dim)
        mixed = attend(rotate(q, cos, sin), rotate(k, cos, sin), v, segments)
        return self.o_proj(mixed.reshape(batch, length, -1))


class MLP(nn.Module):
    """SwiGLU. Source: arXiv:2002.05202."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, same shape."""
        gate = self.gate_proj(x)
        return self.down_proj(
            gate * torch.sigmoid(gate) * self.up_proj(x)
        )  # F.silu's gradient computes the exponent twice when compiled


class Block(nn.Module):
    """One layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, segments: Tensor | None) -> Tensor:
        """Return the output, same shape."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, segments)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embeddings, blocks and the last norm; named ``model`` inside `LanguageModel`, as transformers does."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class LanguageModel(nn.Module):
    """A causal language model. With tied embeddings there is no ``lm_head.weight``: the output layer is the table of embeddings."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.lm_head = None if config.tie_embeddings else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        cos, sin = make_rotary(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    @property
    def head_weight(self) -> Tensor:
        """The output layer's weight, [vocabulary, hidden]."""
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Fill the weights from a seed: the same on every device."""
        for weight, value in self.initial_values(seed):
            weight.copy_(value)

    def initial_values(self, seed: int) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Yield each weight and what it begins as, whole and on the CPU. Matrices uniform with variance 1 / fan-in; those that write to
        the residual stream zero, so that every block starts as the identity; embeddings normal, see `EMBEDDING_DEVIATION`."""
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            value = torch.zeros(weight.shape)
            if weight.ndim == 1:
                value.fill_(1.0)
            elif name.endswith("embed_tokens.weight"):
                value.normal_(0.0, EMBEDDING_DEVIATION[self.config.tie_embeddings], generator=generator)
            elif name.endswith("lm_head.weight"):
                value.normal_(0.0, 0.001, generator=generator)
            elif not name.endswith(("o_proj.weight", "down_proj.weight")):
                share = GATE_SHARE if name.endswith(("gate_proj.weight", "up_proj.weight")) else 1.0
                bound = share * (3.0 / weight.shape[1]) ** 0.5
                value.uniform_(-bound, bound, generator=generator)
            yield weight, value

    def hidden(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """Return the last hidden states, [batch, length, hidden]. `segments` [batch, length] numbers the documents of a row."""
        length = tokens.shape[1]
        x = self.model.embed_tokens(tokens)
        cos, sin = self.cos[:length].to(x.dtype), self.sin[:length].to(x.dtype)
        for block in self.model.layers:
            x = block(x, cos, sin, segments)
        return self.model.norm(x)

    def forward(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """Return the logits in float32, [batch, length, vocabulary]."""
        return F.linear(self.hidden(tokens, segments), self.head_weight).float()

    def loss(
        self, tokens: Tensor, targets: Tensor, segments: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        """Return the cross-entropy in nats: its mean over targets that count, or ("none") one for each position, [batch, length]."""
        hidden, wanted = self.hidden(tokens, segments).flatten(0, 1), targets.flatten()
        if reduction == "none":
            return list_nats(hidden, self.head_weight, wanted, IGNORED).view(targets.shape)
        return mean_nats(hidden, self.head_weight, wanted, IGNORED)


def make_rotary(config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of the rotary angles, [length, head_dim / 2] each, float32."""
    steps = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    angles = torch.outer(torch.arange(config.max_seq_len, dtype=torch.float32), config.rope_theta**-steps)
    return angles.cos(), angles.sin()


def number_documents(tokens: Tensor, separator: int) -> Tensor:
    """Return the number of the document that each token belongs to within its row, [batch, length].

    The separator opens a document: its first token is predicted from the separator alone, and its last token predicts the next one."""
    return (tokens == separator).cumsum(dim=1)
