"""A sentence looked at for its answer: what all candidate spans of one sentence share, and a candidate itself."""

from __future__ import annotations

from dataclasses import dataclass

from samovar.generate.extraction.reading import Word


@dataclass(slots=True)
class Candidate:
    """Words [first, last) of a reading; `start` and `end` are offsets into its text."""

    first: int
    last: int
    start: int
    end: int


@dataclass(slots=True)
class SentenceView:
    """What every candidate of one sentence shares, computed once."""

    words: list[Word]
    first: int
    last: int
    shapes: list[str]
    gaps: list[str]  # text between word i-1 and word i; gaps[0] before the first
    matched: list[bool]
    weights: list[float]  # weight of the question term matched by word i, else 0
    text: str
    next_to_asked: list[bool]  # word i matches the content word that stands next to the question word
    verbs: list[int]  # places of matched verbs of the question
    clauses: list[int]  # number of the comma-separated stretch each word stands in


def length_bin(count: int) -> str:
    """Names of the length classes."""
    return str(count) if count <= 4 else "5-6" if count <= 6 else "7-9" if count <= 9 else "10+"
