"""Open a pretraining run from what the other steps made: a tokenizer's folder, token shards, one dial. Computes nothing itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.errors import MissingExtraError, ShardError, TrainingError
from samovar.train.config import RunConfig
from samovar.train.size import plan_run

if TYPE_CHECKING:
    from torch import Tensor

    from samovar.train.distributed import Team
    from samovar.train.loop import Trainer
    from samovar.train.shards import Index

TOKENIZER = "tokenizer"
"""The run's own copy of the tokenizer: a run folder is all that an export needs."""


def check_extra() -> None:
    """Make sure that PyTorch is there.

    Raises:
        MissingExtraError: it is not.
    """
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("torch", "safetensors", "numpy", "tiktoken")):
        raise MissingExtraError("train", "training a model")


def plan_pretraining(
    tokens: Path,
    tokenizer: Path,
    *,
    depth: int,
    seq_len: int = 1024,
    num_tokens: int = 0,
    ratio: float = 20.0,
    batch_tokens: int = 0,
    seed: int = 0,
    **changes: Any,
) -> RunConfig:
    """Return the plan of a run over token shards; `changes` are other values of `RunConfig`, None means the rule's own.

    Raises:
        TrainingError: tokenizer and tokens do not belong together, or are not there.
    """
    from samovar.train.shards import read_index
    from samovar.train.tokenizer import Tokenizer

    words = Tokenizer.load(tokenizer)
    index = read_index(tokens, tokenizer_sha256=words.sha256)
    plan = plan_run(
        depth,
        words.vocab_size,
        seq_len=seq_len,
        num_tokens=num_tokens,
        ratio=ratio,
        batch_tokens=batch_tokens,
        seed=seed,
    )
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(plan, tokenizer_sha256=words.sha256, tokens_sha256=index.sha256, **given)


def open_trainer(
    plan: RunConfig,
    tokens: Path,
    tokenizer: Path,
    output: Path,
    *,
    device: str = "auto",
    prompts: tuple[str, ...] = (),
    initial: dict[str, Tensor] | None = None,
    warn: Callable[[str], None] = lambda message: None,
) -> Trainer:
    """Return the run in `output`, at its last checkpoint or at the beginning; samples continue `prompts`, or the first words of held-out texts.

    Raises:
        TrainingError: the folder belongs to another run, or memory or disk will not do.
    """
    check_extra()
    from samovar.train.batches import Batches
    from samovar.train.distributed import join_team
    from samovar.train.generate import read_beginnings
    from samovar.train.loop import Sources, Trainer
    from samovar.train.tokenizer import Tokenizer

    team = join_team(device)
    words = Tokenizer.load(tokenizer)
    check_place(words.sha256, output / TOKENIZER)
    train = Batches(tokens, "train", plan.seq_len, seed=plan.seed, tokenizer_sha256=words.sha256)
    sources = Sources(
        train=train,
        val=Batches(tokens, "val", plan.seq_len, seed=plan.seed, tokenizer_sha256=words.sha256),
        token_bytes=words.token_bytes(),
        separator=words.end_of_text,
        tokenizer=words,
        prompts=prompts or read_beginnings(tokens, words),
    )
    _verify(tokens, train.index, team)
    trainer = Trainer(plan, output, sources, team, warn=warn, initial=initial)
    if team.is_first:
        copy_tokenizer(tokenizer, output / TOKENIZER)
    return trainer


def _verify(tokens: Path, index: Index, team: Team) -> None:
    """Prove the shards against their hashes, each process its part: hours are not to be spent on damaged tokens."""
    from samovar.train.shards import verify_shards

    damage: ShardError | None = None
    try:
        verify_shards(tokens, index, team.rank, team.world)
    except ShardError as error:
        damage = error
    if team.any(damage is not None):
        raise damage or ShardError(f"expected whole shards in {tokens}, found a damaged one: another process names it")


def check_place(sha256: str, target: Path) -> None:
    """Make sure that a run's own tokenizer, where it has one already, is the one that it is trained with: exports and answers come from that copy.

    Raises:
        TrainingError: it is another, or no tokenizer of ours.
    """
    from samovar.train.tokenizer import Tokenizer

    if target.exists() and (found := Tokenizer.load(target).sha256) != sha256:
        raise TrainingError(
            f"expected no tokenizer or {sha256[:12]} in {target}, found {found[:12]}, which is another: name another --output, or move it away"
        )


def copy_tokenizer(source: Path, target: Path) -> None:
    """Put a copy of the tokenizer into the run's folder, whole or not at all; what is there already was looked at by `check_place`."""
    if target.exists():
        return
    draft = target.with_suffix(".tmp")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        shutil.copytree(source, draft)
        draft.rename(target)
    except OSError as error:
        raise TrainingError(f"expected to copy the tokenizer to {target}, found: {error}") from error


def describe_plan(plan: RunConfig) -> dict[str, Any]:
    """Return the numbers that say how large a run is: parameters, tokens, FLOPs, checkpoint bytes."""
    model = plan.model
    return {
        "parameters": model.num_parameters,
        "layers": model.num_layers,
        "hidden_size": model.hidden_size,
        "vocab_size": model.vocab_size,
        "seq_len": plan.seq_len,
        "batch_tokens": plan.batch_tokens,
        "steps": plan.num_steps,
        "tokens": plan.num_tokens,
        "flops": plan.num_tokens * model.flops_per_token(plan.seq_len),
        "checkpoint_bytes": 12 * model.num_parameters,
    }
