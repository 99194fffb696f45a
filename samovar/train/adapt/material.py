"""The texts of the target language, in two parts: those that decide which tokens stay, and a few, held out, to measure on; and texts of other
languages, on which it is only measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samovar.errors import TrainingError
from samovar.train.adapt.letters import Letters, find_letters
from samovar.train.adapt.others import read_others
from samovar.train.texts import (
    check_language,
    main_language,
    number_of,
    plan_units,
    read_units,
    sample_texts,
    thin,
)
from samovar.train.tokenizer import repair

HELD_OUT = 50
"""One document of so many is held out."""
MAX_HELD_TEXTS = 64
MAX_HELD_CHARS = 4_000
"""Of each text held out so much is kept."""
PIECE_CHARS = 20_000
"""Texts are counted in pieces of about so much, cut at line ends."""
BATCH = 64
MIN_CHARS = 2_000


@dataclass(slots=True)
class Material:
    """Texts under `paths`; `held` fills while `batches` runs. `seen_chars` are those that decided. `others` are the beginnings of texts under
    `keep`, read by `check`. `prompts` are what the model will be asked with: their tokens stay whatever the texts are."""

    paths: Sequence[Path]
    max_chars: int = 0
    language: str = ""
    held: list[str] = field(default_factory=list)
    seen_chars: int = 0
    num_documents: int = 0
    separate: bool = True
    keep: Sequence[Path] = ()
    others: list[str] = field(default_factory=list)
    prompts: Sequence[str] = ()

    def check(self) -> None:
        """Make sure that there are texts, and of the language that was asked for.

        Raises:
            TrainingError: there are none, or they are in another language.
        """
        units = plan_units(self.paths)
        self.others = read_others(self.keep)
        if self.language:
            check_language(sample_texts(units), self.language)

    def letters(self) -> Letters:
        """Return the letters of the language that was named, else of the one that most of the texts are in."""
        texts = sample_texts(plan_units(self.paths))
        return find_letters(self.language or main_language(texts), [text.text for text in texts])

    def batches(self) -> Iterator[list[str]]:
        """Yield the texts that decide, in batches of pieces, and set the others aside.

        Raises:
            TrainingError: they are too few to decide anything.
        """
        batch: list[str] = []
        units = plan_units(self.paths)
        total = sum(unit.num_bytes for unit in units)
        first = ""
        for text in thin(read_units(units), total, self.max_chars):
            clean = repair(text.text)
            self.num_documents += 1
            first = first or clean
            if number_of(text.key) % HELD_OUT == 0 and len(self.held) < MAX_HELD_TEXTS:
                self.held.append(clean[:MAX_HELD_CHARS])
                continue
            self.seen_chars += len(clean)
            batch += cut_pieces(clean)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
        if self.seen_chars < MIN_CHARS:
            raise TrainingError(
                f"expected at least {MIN_CHARS:,} characters of text to choose a vocabulary by, found {self.seen_chars:,}: add texts"
            )
        if not self.held:
            self.held, self.separate = [first[:MAX_HELD_CHARS]], False


def cut_pieces(text: str) -> list[str]:
    """Cut a text into pieces of whole lines (the line end closes a piece, so no word is cut)."""
    pieces: list[str] = []
    size, part = 0, []
    for line in text.splitlines(keepends=True):
        part.append(line)
        size += len(line)
        if size >= PIECE_CHARS:
            pieces.append("".join(part))
            size, part = 0, []
    return [*pieces, "".join(part)] if part else pieces
