"""Instruction tuning: from a model and dialogues to a model that answers. Opens the run; the loop is that of pretraining.

Starts from the weights of a run or of an exported folder of ours; checkpoints, curve and going on after a kill are those of `Trainer`. What
differs: rows of whole dialogues, loss on answers only, smaller rates that fall to zero from the first step, no weight decay. Held-out
dialogues are measured in bits per byte of the answers.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.errors import TrainingError
from samovar.train.chat_data import (
    HELD_OUT_PERMILLE,
    Dialogue,
    count_kinds,
    hash_dialogue,
    read_dialogues,
    split_dialogues,
)
from samovar.train.config import RunConfig
from samovar.train.pretrain import TOKENIZER, check_extra, check_place, copy_tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from samovar.train.chat_rows import ChatRows
    from samovar.train.export.trained import Trained
    from samovar.train.loop import Trainer
    from samovar.train.model import LanguageModel
    from samovar.train.tokenizer import Tokenizer

DATA = "data.json"
RATE_SHARE = 0.3
"""Rates as a share of pretraining's. Measured once, on a toy of 0.9 M weights and 743 dialogues: shares 0.1, 0.3 and 1.0 gave 1.598, 1.555 and
1.646 bits per byte of held-out answers after two epochs (one seed). A large model with much pretraining may want less."""
MAX_BATCH, MOST_EPOCHS = 32, 10_000
MIN_STEPS_PER_EPOCH = 30
"""On the same toy 30 steps an epoch beat 10 (1.598 against 1.660 bits per byte at share 0.1)."""
ANSWER_TOKENS = 96


@dataclass(frozen=True, slots=True)
class DataCard:
    """``data.json`` of a tuning run: what it was made from. Hashes are SHA-256; `targets` are tokens that count, an epoch. `parent_tokens` of the shards
    `parent_tokens_sha256` the parent was planned to be pretrained on; 0 and "" where that is not known. `origin` is the model
    of others that the parent went on from, `origin_licence` its licence where it is stated."""

    sources: tuple[str, ...]
    num_train: int
    num_held_out: int
    kinds: dict[str, int]
    sha256: str
    rows: int
    targets: int
    filled: float
    num_too_long: int
    epochs: float
    rate_share: float
    parent: str
    parent_step: int
    parent_sha256: str
    tokenizer_sha256: str
    parent_tokens: int = 0
    parent_tokens_sha256: str = ""
    origin: str = ""
    origin_licence: str = ""


@dataclass(frozen=True, slots=True)
class Tuning:
    """A tuning run before its first step: the model it starts from, its data and its plan."""

    trained: Trained
    train: ChatRows
    held: ChatRows
    held_out: tuple[Dialogue, ...]
    plan: RunConfig
    card: DataCard
    prompts: tuple[str, ...] = field(default=())


NOISE_KEPT = 0.1
"""Of the rows of marks that were never read: enough to tell them apart."""


def plan_tuning(
    model: Path,
    data: Sequence[str],
    *,
    epochs: float = 2.0,
    seq_len: int = 0,
    batch_rows: int = 0,
    rate_share: float = RATE_SHARE,
    held_out_permille: int = HELD_OUT_PERMILLE,
    seed: int = 0,
    warn: Callable[[str], None] = lambda message: None,
    **changes: Any,
) -> Tuning:
    """Return a tuning run of a model on dialogues; `changes` are other values of `RunConfig`, None means the rule's own. `warn`: see `open_trained`.

    Raises:
        TrainingError: model or data cannot be read, or do not fit together.
    """
    check_extra()
    from samovar.train.card import read_origin
    from samovar.train.chat_rows import ChatRows
    from samovar.train.export.trained import open_trained

    trained = open_trained(model, warn=warn)
    seq_len = min(seq_len or trained.config.max_seq_len, trained.config.max_seq_len)
    dialogues = read_dialogues(data)
    train_set, held_set = split_dialogues(dialogues, held_out_permille)
    train = ChatRows(train_set, trained.tokenizer, seq_len, seed=seed)
    held = ChatRows(held_set, trained.tokenizer, seq_len, seed=seed)
    batch = batch_rows or max(1, min(MAX_BATCH, train.num_sequences // MIN_STEPS_PER_EPOCH))
    plan = _make_plan(trained, train, held, batch, epochs, rate_share, seed, changes)
    origin = read_origin(model)
    card = DataCard(
        tuple(data), len(train_set), len(held_set), count_kinds(dialogues), _hash_all(dialogues), train.num_sequences,
        train.num_targets, round(train.filled, 4), train.num_too_long + held.num_too_long, epochs, rate_share, model.resolve().name, trained.step,
        _hash_weights(trained), trained.tokenizer.sha256, *_pretraining(model), origin.get("model", ""),
        origin.get("licence", ""),
    )  # fmt: skip
    # no passages: they are asked alone, as a user would
    plain = [one for one in held_set if one.messages[0].role == "user"]
    firsts = tuple(
        next(said.content for said in one.messages if said.role == "user") for one in (plain or held_set)[:3]
    )
    return Tuning(trained, train, held, tuple(held_set), plan, card, firsts)


def _pretraining(model: Path) -> tuple[int, str]:
    """Return the tokens that a run was planned for and the hash of their shards, where it was pretraining."""
    from samovar.train.card import ORIGIN

    if not (model / "checkpoints").is_dir() or (model / DATA).exists() or (model / ORIGIN).exists():
        return 0, ""
    plan = RunConfig.load(model / "config.json")
    return plan.num_tokens, plan.tokens_sha256


def _make_plan(
    trained: Trained, train: ChatRows, held: ChatRows, batch: int, epochs: float, share: float, seed: int,
    changes: dict[str, Any],
) -> RunConfig:  # fmt: skip
    if not (0 < epochs <= MOST_EPOCHS and 0 < share < math.inf):
        raise TrainingError(
            f"expected positive epochs, {MOST_EPOCHS:,} at most, and a positive share of the rates, found {epochs} and {share}"
        )
    num_steps = max(1, round(epochs * train.num_sequences / batch))
    scale = share * (trained.config.hidden_size / 768) ** -0.5
    values: dict[str, Any] = {
        "matrix_lr": 0.02 * share,
        "embedding_lr": 0.05 * scale,
        "head_lr": 0.01 * scale,
        "norm_lr": 0.005 * scale,
        "weight_decay": 0.0,
        "warmup_steps": min(10, num_steps // 20),
        "warmdown": 1.0,
        "eval_every": max(1, num_steps // 8),
        "eval_tokens": held.num_sequences * held.seq_len,
        "save_every": max(1, min(500, num_steps // 4)),
        "sample_every": max(1, num_steps // 4),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    return RunConfig(
        model=trained.config,
        seq_len=train.seq_len,
        batch_tokens=batch * train.seq_len,
        num_steps=num_steps,
        seed=seed,
        tokenizer_sha256=trained.tokenizer.sha256,
        tokens_sha256=hashlib.sha256((train.sha256 + held.sha256 + _hash_weights(trained)).encode()).hexdigest(),
        **{**values, **given},
    )


def open_tuning(
    tuning: Tuning, output: Path, *, device: str = "auto", warn: Callable[[str], None] = lambda message: None
) -> Trainer:
    """Return the run in `output`, at its last checkpoint or at the model's weights.

    Raises:
        TrainingError: the folder belongs to another run, or memory or disk will not do.
    """
    from samovar.train.distributed import join_team
    from samovar.train.loop import Sources, Trainer

    words = tuning.trained.tokenizer
    sources = Sources(
        train=tuning.train,
        val=tuning.held,
        token_bytes=words.token_bytes(),
        separator=words.end_of_text,
        tokenizer=ChatTexts(words),
        prompts=tuning.prompts,
    )
    team = join_team(device)
    if output.resolve() == tuning.trained.folder.resolve():
        raise TrainingError(f"expected another --output than the model's own folder, found {output}")
    check_place(words.sha256, output / TOKENIZER)
    trainer = Trainer(tuning.plan, output, sources, team, warn=warn, initial=begin_specials(tuning.trained))
    if team.is_first:
        copy_tokenizer(tuning.trained.tokenizer_folder, output / TOKENIZER)
        (output / DATA).write_text(json.dumps(asdict(tuning.card), ensure_ascii=False, indent=2) + "\n", "utf-8")
    return trainer


def begin_specials(trained: Trained) -> dict[str, Tensor]:
    """Return the weights with the marks of a conversation near the mean of all tokens, where pretraining never read them: texts hold no marks, so their
    rows are still the wide noise they began as. A tuned model's, or another's, stay as they are."""
    if not (trained.folder / "checkpoints").is_dir() or (trained.folder / DATA).exists():
        return trained.weights
    words, weights = trained.tokenizer, dict(trained.weights)
    unseen = [row for row in words.special_ids.values() if row != words.end_of_text]
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        if name in weights:
            table = weights[name].clone()
            table[unseen] = table[: min(unseen)].mean(dim=0) + NOISE_KEPT * table[unseen]
            weights[name] = table
    return weights


class ChatTexts:
    """A tokenizer whose texts are questions: encoded as a conversation that waits for the assistant, read up to the end of its turn."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a conversation that begins with this question."""
        return self._tokenizer.render_chat([{"role": "user", "content": text}], add_generation_prompt=True)[0]

    def decode(self, ids: list[int]) -> str:
        """Return what the assistant says."""
        end = self._tokenizer.turn_end
        return self._tokenizer.decode(ids[: ids.index(end)] if end in ids else ids)


def answer(
    model: LanguageModel,
    tokenizer: Tokenizer,
    messages: Sequence[dict[str, str]],
    num_tokens: int = ANSWER_TOKENS,
    *,
    steady: bool = False,
) -> str:
    """Return the model's most likely reply to a conversation. `steady` computes all tokens and cuts then: forward passes of sharded
    weights are common work, of which all processes must do as many."""
    from samovar.train.generate import continue_greedily

    ids, _ = tokenizer.render_chat(messages, add_generation_prompt=True)
    training = model.training
    model.eval()
    end = tokenizer.turn_end
    said = continue_greedily(model, ids, num_tokens, stop=None if steady else end)
    model.train(training)
    return tokenizer.decode(said[: said.index(end)] if end in said else said)


def _hash_weights(trained: Trained) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(trained.weights.items()):
        digest.update(name.encode())
        digest.update(tensor.float().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def _hash_all(dialogues: Sequence[Dialogue]) -> str:
    return hashlib.sha256("".join(sorted(map(hash_dialogue, dialogues))).encode()).hexdigest()
