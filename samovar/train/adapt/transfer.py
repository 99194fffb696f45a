"""Give an open model another vocabulary: a tokenizer of ours, whose tokens begin as the mean of what the old vocabulary wrote them with.

A token that both have is copied. Without further training the result is worse than the parent: this is where training goes on from.
Source: Gee et al. 2022, "Fast Vocabulary Transfer" (arXiv:2402.09977).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samovar.errors import TrainingError
from samovar.train import bpe
from samovar.train.adapt import huggingface
from samovar.train.adapt.vocabulary import Vocabulary
from samovar.train.tokenizer import ABOUT, HF, HF_CONFIG, RANKS, Tokenizer

SPACE = "\u2581"
"""SentencePiece's sign for a space."""
_ENDS = ("eos_token_id", "pad_token_id", "bos_token_id")
_ROLE_IDS = {bpe.END_OF_TEXT: _ENDS, bpe.TURN_START: ("bos_token_id",), bpe.TURN_END: ("eos_token_id",)}
"""Which of the old specials ours begin as, where the old vocabulary has none of the same name."""


@dataclass(frozen=True, slots=True)
class Transferred:
    """How many tokens were copied, how many are means of several old ones, and the mean number of those."""

    architecture: str
    old_vocab_size: int
    new_vocab_size: int
    num_copied: int
    num_averaged: int
    mean_parts: float


def transfer_folder(source: Path, tokenizer_folder: Path, draft: Path) -> Transferred:
    """Write the model with our tokenizer into the new folder `draft`, a folder of the same architecture.

    Raises:
        TrainingError: the model is of a kind whose vocabulary cannot be replaced.
    """
    from samovar.train.adapt.trim import check_room

    folder = huggingface.open_folder(source)
    words = Tokenizer.load(tokenizer_folder)
    check_room(draft, 2 * folder.num_bytes)
    parts = plan_rows(folder, words)
    draft.mkdir(parents=True)
    _write_weights(folder, parts, draft)
    for name in (RANKS, HF, HF_CONFIG, ABOUT):
        shutil.copyfile(tokenizer_folder / name, draft / name)
    _write_settings(folder, words, draft)
    counted = [len(row) for row in parts if row]
    copied = sum(1 for number in counted if number == 1)
    mean = sum(counted) / len(counted) if counted else 0.0
    return Transferred(
        folder.architecture, folder.num_rows, words.vocab_size, copied, len(counted) - copied, round(mean, 2)
    )


def plan_rows(folder: huggingface.Folder, words: Tokenizer) -> list[list[int]]:
    """Return for each of our ids the old ids whose mean it begins as; none for padding, which begins as the mean of all."""
    byte_level = set(bpe.byte_characters()) <= folder.vocabulary.ids.keys()
    rows: list[list[int]] = [[] for _ in range(words.vocab_size)]
    for token, rank in words.ranks.items():
        rows[rank] = (_by_bytes if byte_level else _by_characters)(folder.vocabulary, token)
    names = {token: number for number, token in enumerate(folder.vocabulary.tokens) if token is not None}
    for name, number in words.special_ids.items():
        old = names.get(name)
        rows[number] = [old] if old is not None else _by_role(folder.config, name)
    return rows


def _by_bytes(vocabulary: Vocabulary, token: bytes) -> list[int]:
    return [vocabulary.ids[part] for part in vocabulary.derive(bpe.as_characters(token))[0]]


def _by_characters(vocabulary: Vocabulary, token: bytes) -> list[int]:
    """Take the token as text where it is some; what the old vocabulary lacks, and halves of characters, as bytes."""
    try:
        parts = vocabulary.derive(token.decode("utf-8").replace(" ", SPACE))[0]
    except UnicodeDecodeError:
        return _as_bytes(vocabulary, token)
    found: list[int] = []
    for part in parts:
        known = vocabulary.ids.get(part)
        found += [known] if known is not None else _as_bytes(vocabulary, part.replace(SPACE, " ").encode("utf-8"))
    return found


def _as_bytes(vocabulary: Vocabulary, data: bytes) -> list[int]:
    return [number for value in data if (number := vocabulary.ids.get(f"<0x{value:02X}>")) is not None]


def _by_role(config: dict[str, Any], name: str) -> list[int]:
    for key in _ROLE_IDS.get(name, ()):
        value = config.get(key)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, int):
            return [value]
    return []


def _write_weights(folder: huggingface.Folder, parts: Sequence[Sequence[int]], draft: Path) -> None:
    import torch

    index = torch.tensor([number for row in parts for number in row])
    owner = torch.tensor([new for new, row in enumerate(parts) for _ in row])
    counts = torch.bincount(owner, minlength=len(parts)).clamp(min=1).float()

    def change(name: str, table: Any) -> Any:
        wide = table.float() if table.ndim == 2 else table.float()[:, None]
        sums = torch.zeros(len(parts), wide.shape[1]).index_add_(0, owner, wide[index])
        made = sums / counts[:, None]
        empty = [new for new, row in enumerate(parts) if not row]
        made[empty] = wide.mean(0)
        return (made if table.ndim == 2 else made[:, 0]).to(table.dtype)

    huggingface.write_weights(folder, draft, change)


def _write_settings(folder: huggingface.Folder, words: Tokenizer, draft: Path) -> None:
    ends = {"bos_token_id": None, "eos_token_id": words.turn_end, "pad_token_id": words.end_of_text}
    huggingface.write_json(draft / "config.json", folder.config | ends | {"vocab_size": words.vocab_size})
    huggingface.write_json(
        draft / "generation_config.json",
        {"eos_token_id": [words.turn_end, words.end_of_text], "pad_token_id": words.end_of_text, "do_sample": False},
    )
    huggingface.carry_files(folder.path, draft)
    (draft / "chat_template.jinja").write_text(bpe.CHAT_TEMPLATE, "utf-8")
    (draft / "special_tokens_map.json").unlink(missing_ok=True)


def check_tokenizer(folder: Path) -> Tokenizer:
    """Open the tokenizer that is to come in.

    Raises:
        TrainingError: there is none.
    """
    if not folder.is_dir():
        raise TrainingError(
            f"expected the folder of a tokenizer (samovar train tokenizer), found {folder}: name one with --tokenizer, or leave it out to "
            "train one of --vocab-size on the corpus"
        )
    return Tokenizer.load(folder)
