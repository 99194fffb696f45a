"""What an adaptation costs the other languages of a model: texts that are measured before and after, and decide nothing.

A vocabulary trimmed for one language writes the others in smaller pieces, and training in one language wears the others off. Whoever needs
them says so by naming texts in them. Knows no models: whoever calls brings what measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samovar.errors import TrainingError
from samovar.train.fertility import measure
from samovar.train.texts import plan_units, sample_texts
from samovar.train.tokenizer import repair

MAX_TEXTS, MAX_CHARS = 32, 2_000
"""So many of the texts are measured, and of each so much."""
MAX_LOSS = 0.05
"""A trimmed model whose bits per byte on them grow by more than this share is refused."""


@dataclass(frozen=True, slots=True)
class Others:
    """The other texts under the old and the new model: tokens a word, bits per byte (NaN: not told)."""

    num_texts: int
    old_tokens_per_word: float
    new_tokens_per_word: float
    old_bits: float
    new_bits: float

    @property
    def change(self) -> float:
        """How much bits per byte grew, as a share."""
        return self.new_bits / self.old_bits - 1


@dataclass(frozen=True, slots=True)
class Measured:
    """What measures one model: ids of a text, and bits per byte of texts."""

    encode: Callable[[str], list[int]]
    bits: Callable[[Sequence[str]], float]


def read_others(paths: Sequence[Path]) -> list[str]:
    """Return the beginnings of texts spread over the paths; none without paths.

    Raises:
        TrainingError: a path holds no text.
    """
    if not paths:
        return []
    found = sample_texts(plan_units(paths), MAX_TEXTS)[:MAX_TEXTS]
    if not found:
        raise TrainingError(f"expected texts in {', '.join(map(str, paths))} (--keep-text), found none")
    return [repair(text.text)[:MAX_CHARS] for text in found]


def measure_others(texts: Sequence[str], old: Measured, new: Measured) -> Others | None:
    """Measure both models on the same texts; None without texts."""
    if not texts:
        return None
    words = [
        measure("", lambda batch, cut=model.encode: sum(len(cut(text)) for text in batch), "", texts).tokens_per_word  # type: ignore[misc]
        for model in (old, new)
    ]
    return Others(len(texts), words[0], words[1], old.bits(texts), new.bits(texts))


def list_figures(others: Others | None) -> dict[str, Any] | None:
    """Return what a report says of them, as plain data."""
    if others is None:
        return None
    return {
        "num_texts": others.num_texts, "change": others.change,
        "old": {"tokens_per_word": others.old_tokens_per_word, "bits": others.old_bits},
        "new": {"tokens_per_word": others.new_tokens_per_word, "bits": others.new_bits},
    }  # fmt: skip
