"""A vocabulary that merges pairs, and the choice of the part of it that a language needs.

What is kept is closed: every kept token can still be reached by kept merges. Then a text whose tokens are all kept is cut exactly as before,
because each step of the merging picks the best pair, and the pair that was best among all is best among those that stay. Two kinds: merges
in an order (byte-level BPE, and BPE with byte fallback), and scores (SentencePiece in GGUF: the pair whose token scores highest merges first).
Knows no files and no models. Source: Sennrich et al. 2016 (arXiv:1508.07909); Kudo & Richardson 2018 (arXiv:1808.06226).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from samovar.errors import TrainingError
from samovar.train import bpe

Ids = npt.NDArray[np.int64]

MULTIPLE = 64
"""Matrix units want the rows of the output layer in multiples of this."""
SPARE = re.compile(r"<\|?(unused|reserved|reserved_special_token)[_-]?\d+\|?>")
"""Names of specials that stand for nothing yet; they are dropped unless a setting names them."""
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
SPACE = "\u2581"
"""SentencePiece's sign for a space."""
REASONS = ("special", "bytes", "template", "seen", "letters", "signs", "common", "needed", "filled")
"""Why a token stays, the first reason that holds: named or special, one byte, part of the chat template or of a prompt, used by the texts, written in the
language's letters, signs of no script, common Latin and runs of signs, on the way to one that stays, and the earliest of the others up to a round number."""


@cache
def _byte_values() -> dict[str, int]:
    return {character: value for value, character in enumerate(bpe.byte_characters())}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens by id (None: the id is free), what merges, and the ids that stay whatever the texts are.

    `ranks` gives the order of a merge of two tokens; without it `scores` by id decide. `byte_level`: each character of a token stands for a
    byte (GPT-2's alphabet).
    """

    tokens: Sequence[str | None]
    fixed: frozenset[int]
    ranks: Mapping[tuple[str, str], int] | None = None
    scores: Sequence[float] = ()
    ids: dict[str, int] = field(default_factory=dict)
    byte_level: bool = False

    def __post_init__(self) -> None:
        if not self.ids:
            self.ids.update({token: number for number, token in enumerate(self.tokens) if token is not None})

    def _rank(self, first: str, second: str) -> float | None:
        """Return the order of a merge, lowest first; None if the two do not merge."""
        if self.ranks is not None:
            return self.ranks.get((first, second))
        number = self.ids.get(first + second)
        return None if number is None else -self.scores[number]

    def derive(self, text: str) -> tuple[list[str], set[str]]:
        """Merge a text's characters as far as they go; return the parts that remain, and every token on the way to them.

        Quadratic in the length, which for a token is short.
        """
        parts = list(text)
        seen = set(parts)
        while len(parts) > 1:
            options = [(rank, i) for i, (a, b) in enumerate(pairwise(parts)) if (rank := self._rank(a, b)) is not None]
            if not options:
                break
            index = min(options)[1]
            parts[index : index + 2] = [parts[index] + parts[index + 1]]
            seen.add(parts[index])
        return parts, seen

    def is_byte(self, number: int) -> bool:
        """Whether a token stands for one byte."""
        token = self.tokens[number]
        return token is not None and bool(token in _byte_values() if self.byte_level else BYTE.fullmatch(token))

    def spell(self, number: int) -> bytes | None:
        """Return the bytes that a token writes; None for an id without a token, and for names of bytes and of spare tokens."""
        token = self.tokens[number]
        if token is None or BYTE.fullmatch(token) or SPARE.fullmatch(token):
            return None
        if not self.byte_level:
            return token.replace(SPACE, " ").encode("utf-8", "replace")
        values = _byte_values()
        return bytes(values[c] for c in token) if all(c in values for c in token) else None

    def ancestors(self, number: int) -> set[int]:
        """Return the ids that a token needs to be reached, itself among them."""
        token = self.tokens[number]
        if token is None or number in self.fixed:
            return {number}
        return {number, *(self.ids[part] for part in self.derive(token)[1] if part in self.ids)}


@dataclass(frozen=True, slots=True)
class Selection:
    """What is kept: `old_ids` [new size], ascending, so specials and merges keep their order; `reasons` says how many for which."""

    old_ids: Ids
    reasons: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.old_ids)

    def renumber(self) -> dict[int, int]:
        """Return the new id of each kept old id."""
        return {int(old): new for new, old in enumerate(self.old_ids)}


def select(
    vocabulary: Vocabulary,
    counts: Ids,
    size: int = 0,
    *,
    first: Iterable[int] = (),
    also: Iterable[tuple[str, Sequence[int]]] = (),
    multiple: int = MULTIPLE,
) -> Selection:
    """Keep the fixed tokens, those `first` named, the most used, then those named in `also` by reason, each with all it needs.

    `counts` [old size] are uses of each id. With a `size` at most so many stay. The result is filled with the lowest unused ids (the earliest
    merges are the most general) up to a multiple, where there are so many.

    Raises:
        TrainingError: `size` is too small for what must stay.
    """
    kept = _Kept(vocabulary)
    kept.add("template", first)
    limit = size // multiple * multiple if size >= multiple else size
    if size and len(kept.reasons) > limit:
        raise TrainingError(
            f"expected a vocabulary of at least {-(-len(kept.reasons) // multiple) * multiple}: bytes, special tokens and the chat template "
            f"need {len(kept.reasons)}; found --vocab-size {size}"
        )
    used = np.flatnonzero(counts)
    kept.add("seen", used[np.argsort(-counts[used], kind="stable")].tolist(), limit)
    for reason, ids in also:
        kept.add(reason, ids, limit)
    spare = (
        number for number, token in enumerate(vocabulary.tokens) if token is not None and not SPARE.fullmatch(token)
    )
    kept.add("filled", spare, limit or -(-len(kept.reasons) // multiple) * multiple)
    found = Counter(kept.reasons.values())
    reasons = {reason: found[reason] for reason in REASONS if found[reason]}
    return Selection(np.array(sorted(kept.reasons), np.int64), reasons)


class _Kept:
    """What was chosen so far: ids and why."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.reasons = {number: "bytes" if vocabulary.is_byte(number) else "special" for number in vocabulary.fixed}

    def add(self, reason: str, ids: Iterable[int], limit: int = 0) -> None:
        """Add tokens with what they need; one that needs more than `limit` allows is passed over."""
        for number in ids:
            if limit and len(self.reasons) >= limit:
                return
            before = self.reasons.get(number)
            if before is not None and (before != "needed" or reason == "filled"):
                continue
            needed = [one for one in self.vocabulary.ancestors(number) if one not in self.reasons]
            if not limit or len(self.reasons) + len(needed) <= limit:
                self.reasons.update(dict.fromkeys(needed, "needed"))
                self.reasons[number] = reason


def keep_merges(
    merges: Iterable[tuple[str, str]], vocabulary: Vocabulary, selection: Selection
) -> list[tuple[str, str]]:
    """Return the merges, in their order, whose two parts and result are all kept."""
    kept = {vocabulary.tokens[number] for number in selection.old_ids.tolist()}
    return [(a, b) for a, b in merges if a in kept and b in kept and a + b in kept]


def count_ids(batches: Iterable[Sequence[Sequence[int]]], size: int) -> Ids:
    """Return how often each id occurs."""
    counts = np.zeros(size, np.int64)
    for batch in batches:
        ids = np.fromiter((number for row in batch for number in row), np.int64)
        counts += np.bincount(ids, minlength=size)[:size]
    return counts


def renumber_all(values: object, numbers: Mapping[int, int], key: str = "") -> object:
    """Return JSON values with the ids under the names of token ids replaced; a dropped one becomes null (or leaves its list).

    Such names end in ``token_id``, ``token_ids``, ``_tokens`` or ``token_index``; ids there are whole numbers, lists or pairs of them.
    """
    if isinstance(values, Mapping):
        return {name: renumber_all(value, numbers, str(name)) for name, value in values.items()}
    if not _ID_NAME.search(key):
        return [renumber_all(value, numbers) for value in values] if isinstance(values, list) else values
    if isinstance(values, list):
        found = [renumber_all(value, numbers, key) for value in values]
        return [new for old, new in zip(values, found, strict=True) if new is not None or old is None]
    if isinstance(values, int) and not isinstance(values, bool) and values >= 0:
        return numbers.get(values)
    return values


_ID_NAME = re.compile(r"(token_ids?|suppress_tokens|bad_words_ids|token_index|special_ids)$")


def named_ids(values: object, key: str = "") -> set[int]:
    """Return the ids that settings name, in the same places as `renumber_all`."""
    if isinstance(values, Mapping):
        return set().union(*(named_ids(value, str(name)) for name, value in values.items())) if values else set()
    if isinstance(values, list):
        return set().union(*(named_ids(value, key) for value in values)) if values else set()
    whole = isinstance(values, int) and not isinstance(values, bool)
    return {int(values)} if whole and _ID_NAME.search(key) and values >= 0 else set()  # type: ignore[operator,call-overload]
