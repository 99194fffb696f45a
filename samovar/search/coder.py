"""Slots into codes: what a passage's words become when they are written into the index. Keeps what it found for each slot.

Knows the vocabulary only through `Vocabulary.number`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

from samovar.search.analysis import Line
from samovar.search.codes import BREAK, ENCODING, JOIN, PART, code_of
from samovar.search.vocabulary import grams_of

_MOST_SLOTS = 300_000
_MOST_GRAMS = 300_000


class Coded(NamedTuple):
    """A passage as it is stored (title lines, body, the pieces of its words), and the numbers of its terms, each once."""

    stored: bytes
    terms: set[int]


class Numbering(Protocol):
    """What a `Vocabulary` does for a coder."""

    def number(self, table: str, words: Iterable[str]) -> dict[str, int]:
        """Return the numbers of words, new ones for new words."""


class Coder:
    """Gives slots their codes; made for one open vocabulary."""

    def __init__(self, vocabulary: Numbering) -> None:
        self._vocabulary = vocabulary
        self._slots: dict[str, str] = {}
        self._pieces: dict[str, str] = {}
        self._numbers: dict[str, tuple[int, ...]] = {}
        self._grams: dict[str, str] = {}

    def forget(self) -> None:
        """Let go of everything: after a build, and when a transaction was undone whose numbers are void."""
        self._slots.clear()
        self._pieces.clear()
        self._numbers.clear()
        self._grams.clear()

    def learn(self, slots: Iterable[str]) -> None:
        """Number the terms and pieces of these slots, inside a transaction; afterwards `encode` knows them."""
        if len(self._slots) > _MOST_SLOTS or len(self._grams) > _MOST_GRAMS:
            self.forget()
        known = self._slots
        new = [slot for slot in dict.fromkeys(slots) if slot not in known]
        if not new:
            return
        terms = {slot: slot.split(" ") for slot in new}
        numbers = self._vocabulary.number("terms", dict.fromkeys(chain.from_iterable(terms.values())))
        pieces = {slot: dict.fromkeys(chain.from_iterable(map(grams_of, parts))) for slot, parts in terms.items()}
        grams = self._grams
        unnumbered = (gram for gram in chain.from_iterable(pieces.values()) if gram not in grams)
        new_grams = self._vocabulary.number("grams", dict.fromkeys(unnumbered))
        grams.update((gram, code_of(number)) for gram, number in new_grams.items())
        for slot, parts in terms.items():
            found = self._numbers[slot] = tuple([numbers[term] for term in parts])
            known[slot] = JOIN.join(map(code_of, found))
            self._pieces[slot] = "".join(map(grams.__getitem__, pieces[slot]))

    def encode(self, head: Sequence[Line], body: Sequence[Line]) -> Coded:
        """Return the codes of a passage whose slots have been learnt."""
        codes, pieces, numbers = self._slots.__getitem__, self._pieces.__getitem__, self._numbers.__getitem__
        slots = set(chain.from_iterable(head)).union(*body)
        stored = (
            BREAK.join(["".join(map(codes, line)) for line in head]),
            BREAK.join(["".join(map(codes, line)) for line in body]),
            "".join(map(pieces, slots)),  # a tenth stands twice: less than it costs to find out
        )
        return Coded(PART.join(stored).encode(ENCODING), set(chain.from_iterable(map(numbers, slots))))
