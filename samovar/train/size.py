"""One dial: the depth of the model decides its width, heads, horizon, batch and rates.

Width is 64 × depth (the aspect ratio that nanochat uses), rounded up to a multiple of 256 from depth 3 on, because GGUF's K-quants want rows
of 256. The horizon is `ratio` tokens for each weight of a matrix product (20 by default: Hoffmann et al. 2022, arXiv:2203.15556). The batch
grows with the horizon as D^0.383 (Bergsma et al. 2025, "Power Lines", arXiv:2505.13738), from 2^19 tokens at the horizon of depth 12. AdamW's
rates fall as width^-1/2 from those at 768; Muon's rate needs no such rule (its update has a fixed spectral norm; Bernstein 2025).

Embeddings and output layer are two tables: as many FLOPs, but each has the rate it wants. The rates were measured by benchmarks/train_bits.py at
toy size only (width 128, 4 layers, a vocabulary of 4,096): bits per byte 1.42 with one table and its rate, 1.32 with two and theirs.
"""

from __future__ import annotations

from math import log2

from samovar.errors import TrainingError
from samovar.train.config import ModelConfig, RunConfig

ASPECT = 64
WIDE = 256
REFERENCE_DEPTH = 12
REFERENCE_BATCH = 2**19
REFERENCE_WIDTH = 768
BATCH_EXPONENT = 0.383
MIN_STEPS = 400
"""A run of fewer steps has learnt little from each: the batch shrinks instead."""
TOKENS_PER_WEIGHT = 20.0
MATRIX_RATE, EMBEDDING_RATE, HEAD_RATE, NORM_RATE = 0.012, 0.2, 0.006, 0.005
"""Peaks of Muon, and of AdamW at the reference width."""
MOST_TOKENS, MOST_BATCH_TOKENS = 10**15, 2**30
"""More than anybody has trained on: beyond lies a slip of the finger."""
ADAM_BETA = 0.99
"""A rare token's row is stepped by what was seen long ago: the squares are remembered for as long."""


def round_up(value: float, multiple: int) -> int:
    """Return the smallest multiple that is not below `value`."""
    return int(-(-value // multiple)) * multiple


def shape_model(depth: int, vocab_size: int, *, max_seq_len: int = 1024) -> ModelConfig:
    """Return the model of a depth (layers), 1 to 64."""
    if not 1 <= depth <= 64:
        raise TrainingError(f"expected a depth between 1 and 64, found {depth}")
    hidden = round_up(ASPECT * depth, WIDE) if depth > 2 else ASPECT * max(2, depth)
    head_dim = 64 if hidden < 1024 else 128
    num_heads = hidden // head_dim
    return ModelConfig(
        vocab_size=vocab_size,
        hidden_size=hidden,
        num_layers=depth,
        num_heads=num_heads,
        num_kv_heads=num_heads // 2 if num_heads % 2 == 0 else num_heads,
        head_dim=head_dim,
        intermediate_size=round_up(8 * hidden / 3, WIDE if hidden >= WIDE else 64),
        max_seq_len=max_seq_len,
        tie_embeddings=False,
    )


def plan_run(
    depth: int,
    vocab_size: int,
    *,
    seq_len: int = 1024,
    num_tokens: int = 0,
    ratio: float = TOKENS_PER_WEIGHT,
    batch_tokens: int = 0,
    seed: int = 0,
) -> RunConfig:
    """Return the plan of a run: `num_tokens` and `batch_tokens` overrule the rules when given.

    Raises:
        TrainingError: sizes that cannot be meant, or a step of more tokens than the whole run.
    """
    model = shape_model(depth, vocab_size, max_seq_len=seq_len)
    wanted = num_tokens or ratio * counted_weights(model)
    if not 1 <= wanted <= MOST_TOKENS:
        raise TrainingError(
            f"expected --num-tokens of at most {MOST_TOKENS:,} (or a --ratio that leads there), found {wanted:,.0f}"
        )
    if not 0 <= batch_tokens <= MOST_BATCH_TOKENS:
        raise TrainingError(f"expected --batch-tokens of at most {MOST_BATCH_TOKENS:,}, found {batch_tokens:,}")
    horizon = int(wanted)
    batch = batch_tokens or choose_batch(horizon, seq_len, vocab_size)
    batch = max(seq_len, batch // seq_len * seq_len)
    check_horizon(horizon, batch, seq_len)
    scale = (model.hidden_size / REFERENCE_WIDTH) ** -0.5
    num_steps = horizon // batch
    return RunConfig(
        model=model,
        seq_len=seq_len,
        batch_tokens=batch,
        num_steps=num_steps,
        matrix_lr=MATRIX_RATE,
        embedding_lr=EMBEDDING_RATE * scale,
        head_lr=HEAD_RATE * scale,
        norm_lr=NORM_RATE * scale,
        adam_beta=ADAM_BETA,
        warmup_steps=min(10, num_steps // 10),
        eval_every=max(1, min(250, num_steps // 8)),
        save_every=max(1, min(500, num_steps // 4)),
        sample_every=max(1, num_steps // 4),
        seed=seed,
    )


def check_horizon(num_tokens: int, batch_tokens: int, seq_len: int) -> None:
    """Make sure that a run has tokens for a step.

    Raises:
        TrainingError: it has not.
    """
    if batch_tokens > num_tokens:
        way = "a smaller --batch-tokens" if batch_tokens > seq_len else "a smaller --seq-len"
        raise TrainingError(
            f"expected a run of at least one step's {batch_tokens:,} tokens, found {num_tokens:,}: give {way}, or a larger --num-tokens"
        )


def name_options(plan: RunConfig) -> str:
    """Return the options of ``samovar train pretrain`` that lead to a plan of this file's rules."""
    options = (
        f"--depth {plan.model.num_layers} --seq-len {plan.seq_len} --num-tokens {plan.num_tokens} "
        f"--batch-tokens {plan.batch_tokens} --seed {plan.seed}"
    )
    options += f" --matrix-lr {plan.matrix_lr:g}" if plan.matrix_lr != MATRIX_RATE else ""
    return options + (f" --precision {plan.precision}" if plan.precision != "auto" else "")


def counted_weights(model: ModelConfig) -> int:
    """Weights that take part in matrix products: the blocks' matrices and the output layer."""
    return model.num_matrix_parameters + model.vocab_size * model.hidden_size


def choose_batch(horizon: int, seq_len: int, vocab_size: int) -> int:
    """Return the tokens of an optimiser step for a horizon in tokens: a power of two, at least one sequence."""
    reference = TOKENS_PER_WEIGHT * counted_weights(shape_model(REFERENCE_DEPTH, vocab_size))
    wanted = min(REFERENCE_BATCH * (horizon / reference) ** BATCH_EXPONENT, horizon / MIN_STEPS)
    return max(seq_len, 2 ** int(log2(max(wanted, 1.0))))
